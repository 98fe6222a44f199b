#include "dhcp_signal.h"

// Readers hand the defects of the parsers on as they are.
_Static_assert((int)DHCP_DEFECT_TRUNCATED == (int)SIGNAL_DEFECT_TRUNCATED, "same bits");
_Static_assert((int)DHCP_DEFECT_LENGTH == (int)SIGNAL_DEFECT_LENGTH, "same bits");
_Static_assert((int)DHCP_DEFECT_VALUE == (int)SIGNAL_DEFECT_VALUE, "same bits");
_Static_assert((int)DHCP_DEFECT_MISSING == (int)SIGNAL_DEFECT_MISSING, "same bits");
_Static_assert((int)DHCP_DEFECT_EXCESS == (int)SIGNAL_DEFECT_EXCESS, "same bits");

void dhcp_mac_show(struct signal *s, uint16_t hardware_type, struct bytes address)
{
	static const uint8_t unknown[DHCP_MAC_LEN] = {0};
	if (hardware_type != DHCP_HARDWARE_ETHERNET || address.len != DHCP_MAC_LEN ||
		memcmp(address.at, unknown, DHCP_MAC_LEN) == 0)
		return;
	struct identity *identity = signal_next_identity(s, SIGNAL_ROLE_MAC);
	if (!identity)
		return;
	identity_of_mac(address.at, identity);
	signal_commit_sighting(s, SIGNAL_ROLE_MAC);
}

void dhcp_duid_show(struct signal *s, struct bytes duid)
{
	struct dhcp_duid parsed;
	if (dhcp_duid_parse(duid, &parsed) == PARSE_OK)
		dhcp_mac_show(s, parsed.hardware_type, parsed.link_layer_address);
}

static void attribute_show(struct signal *s, struct bytes attribute)
{
	struct identity *identity = signal_next_identity(s, SIGNAL_ROLE_ATTRIBUTE);
	if (identity && identity_of_attribute(attribute, identity))
		signal_commit_sighting(s, SIGNAL_ROLE_ATTRIBUTE);
}

void dhcp_attributes_show(
	struct signal *s, const struct signal_rules *rules, struct bytes attributes)
{
	// Also where no task asks for one: whether a message is defective must not depend on that.
	while (attributes.len) {
		// Type, length of the whole, value (RFC 2865 section 5).
		size_t len = attributes.len >= 2 ? attributes.at[1] : 0;
		if (len < 2 || len > attributes.len) {
			s->defects |= SIGNAL_DEFECT_LENGTH;
			return;
		}
		if (rules->wants_attributes)
			attribute_show(s, bytes_slice(attributes, 0, len));
		attributes = bytes_slice(attributes, len, SIZE_MAX);
	}
}

void dhcp_parties_of_answer(struct signal *s, const struct packet *packet, bool is_for_relay)
{
	s->authority = packet->flow.source;
	if (is_for_relay)
		s->peer = packet->flow.destination;
}

static bool is_group(const struct address *a)
{
	return a->family == 4 ? a->octets[0] >= 224 : a->octets[0] == 0xff; // broadcast too
}

void dhcp_parties_of_request(struct signal *s, const struct packet *packet, bool is_relayed)
{
	const struct flow *flow = &packet->flow;
	bool gives_back = s->change == CHANGE_RELEASE || s->change == CHANGE_END;
	if (!is_group(&flow->destination)) {
		s->authority = flow->destination;
		if (is_relayed)
			s->peer = flow->source;
	} else if (is_relayed && gives_back) {
		s->authority = flow->source;
	} else if (is_relayed) {
		s->peer = flow->source;
	}
}
