#include "dhcpv6.h"

bool dhcpv6_option_next(struct reader *r, struct dhcpv6_option *out)
{
	if (reader_left(r) == 0)
		return false;
	uint16_t code = read_be16(r);
	size_t len = read_be16(r);
	struct bytes value = read_bytes(r, len);
	if (r->overrun)
		return false;
	*out = (struct dhcpv6_option){code, value};
	return true;
}

bool dhcpv6_option_find(struct bytes options, uint16_t code, struct bytes *value)
{
	struct reader r = reader_of(options);
	struct dhcpv6_option option;
	while (dhcpv6_option_next(&r, &option))
		if (option.code == code) {
			*value = option.value;
			return true;
		}
	return false;
}

uint16_t dhcpv6_status(struct bytes options)
{
	struct bytes value;
	if (!dhcpv6_option_find(options, DHCPV6_STATUS_CODE, &value))
		return DHCPV6_SUCCESS;
	struct reader r = reader_of(value);
	uint16_t status = read_be16(&r);
	return r.overrun ? DHCPV6_STATUS_UNREADABLE : status;
}

static struct address address_read(struct reader *r)
{
	struct bytes octets = read_bytes(r, 16);
	struct address a = {.family = 6};
	if (octets.len)
		memcpy(a.octets, octets.at, octets.len);
	return a;
}

bool dhcpv6_ia_read(const struct dhcpv6_option *option, struct dhcpv6_ia *out)
{
	struct reader r = reader_of(option->value);
	struct dhcpv6_ia ia = {.code = option->code};
	ia.iaid = read_be32(&r);
	if (option->code != DHCPV6_IA_TA) {
		ia.t1_s = read_be32(&r);
		ia.t2_s = read_be32(&r);
	}
	ia.options = read_bytes(&r, reader_left(&r));
	if (r.overrun)
		return false;
	*out = ia;
	return true;
}

bool dhcpv6_lease_read(const struct dhcpv6_option *option, struct dhcpv6_lease *out)
{
	struct reader r = reader_of(option->value);
	struct dhcpv6_lease lease = {.prefix_len = 128};
	bool is_prefix = option->code == DHCPV6_IA_PREFIX;
	if (!is_prefix)
		lease.address = address_read(&r);
	lease.preferred_s = read_be32(&r);
	lease.valid_s = read_be32(&r);
	if (is_prefix) {
		lease.prefix_len = read_u8(&r);
		lease.address = address_read(&r);
	}
	lease.options = read_bytes(&r, reader_left(&r));
	if (r.overrun)
		return false;
	*out = lease;
	return true;
}

bool dhcpv6_remote_id_read(struct bytes value, uint32_t *enterprise, struct bytes *remote_id)
{
	struct reader r = reader_of(value);
	uint32_t number = read_be32(&r);
	if (r.overrun)
		return false;
	*enterprise = number;
	*remote_id = read_bytes(&r, reader_left(&r));
	return true;
}

bool dhcpv6_link_layer_read(struct bytes value, uint16_t *hardware_type, struct bytes *address)
{
	struct reader r = reader_of(value);
	uint16_t type = read_be16(&r);
	if (r.overrun)
		return false;
	*hardware_type = type;
	*address = read_bytes(&r, reader_left(&r));
	return true;
}

static bool is_relayed(struct bytes message)
{
	return message.len &&
	       (message.at[0] == DHCPV6_RELAY_FORWARD || message.at[0] == DHCPV6_RELAY_REPLY);
}

static bool relay_read(struct bytes message, struct dhcpv6_relay *out)
{
	struct reader r = reader_of(message);
	out->type = read_u8(&r);
	out->hop_count = read_u8(&r);
	out->link = address_read(&r);
	out->peer = address_read(&r);
	out->options = read_bytes(&r, reader_left(&r));
	return !r.overrun;
}

// Whether all options can be walked.
static bool options_are_whole(struct bytes options)
{
	struct reader r = reader_of(options);
	struct dhcpv6_option option;
	while (dhcpv6_option_next(&r, &option))
		;
	return !r.overrun;
}

// Opens relays until the message of the client or the server. Empty, and a defect: there is none that can be read.
static struct bytes relays_open(struct dhcpv6 *m, struct bytes message)
{
	while (is_relayed(message)) {
		if (m->relay_count == DHCPV6_MAX_RELAYS) {
			m->defects |= DHCP_DEFECT_EXCESS;
			return (struct bytes){NULL, 0};
		}
		struct dhcpv6_relay *relay = &m->relays[m->relay_count];
		if (!relay_read(message, relay)) {
			m->defects |= DHCP_DEFECT_TRUNCATED;
			return (struct bytes){NULL, 0};
		}
		m->relay_count++;
		if (!options_are_whole(relay->options))
			m->defects |= DHCP_DEFECT_TRUNCATED;
		if (!dhcpv6_option_find(relay->options, DHCPV6_RELAY_MESSAGE, &message))
			message = (struct bytes){NULL, 0};
		if (message.len == 0)
			m->defects |= DHCP_DEFECT_MISSING;
	}
	return message;
}

static void duid_check(struct dhcpv6 *m, struct bytes duid)
{
	struct dhcp_duid parsed;
	if (dhcp_duid_parse(duid, &parsed) != PARSE_OK)
		m->defects |= DHCP_DEFECT_LENGTH;
}

static void message_read(struct dhcpv6 *m, struct bytes message)
{
	struct reader r = reader_of(message);
	m->type = read_u8(&r);
	uint32_t high = read_u8(&r);
	m->transaction_id = high << 16 | read_be16(&r);
	m->options = read_bytes(&r, reader_left(&r));
	m->has_message = !r.overrun;
	if (r.overrun || !options_are_whole(m->options))
		m->defects |= DHCP_DEFECT_TRUNCATED;
	if (!m->has_message)
		return;

	struct bytes value;
	if (dhcpv6_option_find(m->options, DHCPV6_CLIENT_ID, &m->client_id))
		duid_check(m, m->client_id);
	if (dhcpv6_option_find(m->options, DHCPV6_SERVER_ID, &m->server_id))
		duid_check(m, m->server_id);
	m->has_rapid_commit = dhcpv6_option_find(m->options, DHCPV6_RAPID_COMMIT, &value);
	m->status = dhcpv6_status(m->options);
	if (m->status == DHCPV6_STATUS_UNREADABLE)
		m->defects |= DHCP_DEFECT_LENGTH;
}

enum parse_result dhcpv6_parse(struct bytes payload, struct dhcpv6 *out)
{
	if (payload.len == 0)
		return PARSE_TRUNCATED;
	if (payload.at[0] == 0 || payload.at[0] > DHCPV6_LAST_TYPE)
		return PARSE_FOREIGN;

	// Not the relays: relay_count says how many hold something.
	out->octets = payload;
	out->relay_count = 0;
	out->defects = 0;
	out->has_message = out->has_rapid_commit = false;
	out->type = 0;
	out->transaction_id = 0;
	out->status = DHCPV6_SUCCESS;
	out->options = out->client_id = out->server_id = (struct bytes){NULL, 0};

	struct bytes message = relays_open(out, payload);
	if (message.len)
		message_read(out, message);
	if (out->relay_count == 0 && !out->has_message)
		return PARSE_TRUNCATED;
	return PARSE_OK;
}
