#include "dhcpv6_signal.h"

#include "dhcp_signal.h"
#include "dhcpv4_signal.h"
#include "dhcpv6.h"

// What a message says about addresses, before it is looked into.
enum meaning {
	SAYS_NOTHING,
	ASKS,          // for leases
	ASKS_IF_RAPID, // for an offer, or for leases where Rapid Commit is there
	GIVES,
	GIVES_BACK,
};

enum sender { BY_OTHERS, BY_CLIENT, BY_SERVER };

struct kind {
	enum sender sender;
	enum meaning meaning;
	bool is_answer;
	bool needs_client_id; // RFC 8415 section 16
};

static const struct kind kinds[DHCPV6_LAST_TYPE + 1] = {
	[DHCPV6_SOLICIT] = {BY_CLIENT, ASKS_IF_RAPID, false, true},
	[DHCPV6_ADVERTISE] = {BY_SERVER, SAYS_NOTHING, true, true},
	[DHCPV6_REQUEST] = {BY_CLIENT, ASKS, false, true},
	[DHCPV6_CONFIRM] = {BY_CLIENT, SAYS_NOTHING, false, true},
	[DHCPV6_RENEW] = {BY_CLIENT, ASKS, false, true},
	[DHCPV6_REBIND] = {BY_CLIENT, ASKS, false, true},
	[DHCPV6_REPLY] = {BY_SERVER, GIVES, true, false},
	[DHCPV6_RELEASE] = {BY_CLIENT, GIVES_BACK, false, true},
	[DHCPV6_DECLINE] = {BY_CLIENT, GIVES_BACK, false, true},
	[DHCPV6_RECONFIGURE] = {BY_SERVER, SAYS_NOTHING, false, true},
	[DHCPV6_INFORMATION_REQUEST] = {BY_CLIENT, SAYS_NOTHING, false, false},
	[DHCPV6_LEASEQUERY_REPLY] = {BY_OTHERS, SAYS_NOTHING, true, false},
	[DHCPV6_DHCPV4_QUERY] = {BY_CLIENT, SAYS_NOTHING, false, false},
	[DHCPV6_DHCPV4_RESPONSE] = {BY_SERVER, SAYS_NOTHING, true, false},
};

// --- names -----------------------------------------------------------------------------------------------------

// The client's address on its link: the same before and behind the first relay.
static const struct address *client_address(
	const struct dhcpv6 *m, const struct packet *packet, const struct kind *kind)
{
	if (m->relay_count)
		return &m->relays[m->relay_count - 1].peer;
	return kind->sender == BY_SERVER || kind->is_answer ? &packet->flow.destination
	                                                    : &packet->flow.source;
}

static void name_transaction(struct signal *s, const struct signal_rules *rules,
	const struct dhcpv6 *m, const struct packet *packet, const struct kind *kind)
{
	uint8_t id[4];
	struct writer w = writer_of(id, sizeof id);
	write_be32(&w, m->transaction_id);
	bool has_duid = m->client_id.len > 0;
	const struct address *address = client_address(m, packet, kind);
	const struct bytes parts[] = {m->client_id,
		has_duid ? (struct bytes){NULL, 0}
			 : bytes_of(address->octets, sizeof address->octets),
		writer_bytes(&w)};
	signal_add_name(s, rules, NAME_DHCPV6_TRANSACTION, NAME_FIND | NAME_KEEP | NAME_EXCHANGE,
		parts, sizeof parts / sizeof parts[0]);
}

static void name_lease(struct signal *s, const struct signal_rules *rules, const struct dhcpv6 *m,
	const struct dhcpv6_ia *ia, uint8_t use)
{
	uint8_t association[6];
	struct writer w = writer_of(association, sizeof association);
	write_be16(&w, ia->code);
	write_be32(&w, ia->iaid);
	const struct bytes parts[] = {m->client_id, writer_bytes(&w)};
	if (m->client_id.len)
		signal_add_name(s, rules, NAME_DHCPV6_LEASE, use | NAME_BINDINGS, parts,
			sizeof parts / sizeof parts[0]);
}

// --- identities --------------------------------------------------------------------------------------------------

// The client that a relay or another asks about, or is told of (RFC 5007).
static void show_client_among(struct signal *s, struct bytes options)
{
	struct bytes duid;
	if (dhcpv6_option_find(options, DHCPV6_CLIENT_ID, &duid))
		dhcp_duid_show(s, duid);
}

static void show_dhcpv4_message(
	struct signal *s, const struct signal_rules *rules, struct bytes octets)
{
	struct dhcpv4 m;
	if (dhcpv4_parse(octets, &m) == PARSE_OK)
		dhcpv4_signal_show(s, rules, &m);
	else
		s->defects |= SIGNAL_DEFECT_VALUE;
}

static void show_message(struct signal *s, const struct signal_rules *rules, const struct dhcpv6 *m)
{
	enum { LQ_QUERY_HEADER = 17 }; // kind of query, link address
	dhcp_duid_show(s, m->client_id);
	struct reader r = reader_of(m->options);
	struct dhcpv6_option option;
	while (dhcpv6_option_next(&r, &option)) {
		if (option.code == DHCPV6_LQ_QUERY)
			show_client_among(s, bytes_slice(option.value, LQ_QUERY_HEADER, SIZE_MAX));
		else if (option.code == DHCPV6_CLIENT_DATA)
			show_client_among(s, option.value);
		else if (option.code == DHCPV6_DHCPV4_MESSAGE)
			show_dhcpv4_message(s, rules, option.value);
	}
}

static void show_relay(
	struct signal *s, const struct signal_rules *rules, const struct dhcpv6_relay *relay)
{
	struct reader r = reader_of(relay->options);
	struct dhcpv6_option option;
	while (dhcpv6_option_next(&r, &option)) {
		uint16_t hardware_type;
		struct bytes address;
		if (option.code == DHCPV6_RADIUS)
			dhcp_attributes_show(s, rules, option.value);
		if (option.code != DHCPV6_CLIENT_LINK_LAYER)
			continue;
		if (dhcpv6_link_layer_read(option.value, &hardware_type, &address))
			dhcp_mac_show(s, hardware_type, address);
		else
			s->defects |= SIGNAL_DEFECT_LENGTH;
	}
}

// --- leases ------------------------------------------------------------------------------------------------------

// Whether a host can have it: not ::/8, where the unspecified and the loopback address are, link-local or multicast.
static bool is_of_host(const struct address *a)
{
	bool is_link_local = a->octets[0] == 0xfe && (a->octets[1] & 0xc0) == 0x80;
	return a->octets[0] != 0 && a->octets[0] != 0xff && !is_link_local;
}

static bool says_success(struct signal *s, struct bytes options)
{
	uint16_t status = dhcpv6_status(options);
	if (status == DHCPV6_STATUS_UNREADABLE)
		s->defects |= SIGNAL_DEFECT_LENGTH;
	return status == DHCPV6_SUCCESS;
}

static void take_lease(struct signal *s, const struct dhcpv6_lease *lease, enum meaning meaning)
{
	if (!says_success(s, lease->options))
		return;
	bool is_given = meaning == GIVES;
	// A client discards what is preferred longer than it is valid (RFC 8415 sections 21.6, 21.22).
	if ((is_given && lease->preferred_s > lease->valid_s) || !is_of_host(&lease->address) ||
		lease->prefix_len < DHCPV6_SHORTEST_PREFIX) {
		s->defects |= SIGNAL_DEFECT_VALUE;
		return;
	}
	signal_add_lease(s, &lease->address, lease->prefix_len, is_given ? lease->valid_s : 0);
}

static void take_association(struct signal *s, const struct dhcpv6_ia *ia, enum meaning meaning)
{
	if (!says_success(s, ia->options))
		return;
	struct reader r = reader_of(ia->options);
	struct dhcpv6_option option;
	struct dhcpv6_lease lease;
	while (dhcpv6_option_next(&r, &option)) {
		if (option.code != dhcpv6_lease_code(ia))
			continue;
		if (dhcpv6_lease_read(&option, &lease))
			take_lease(s, &lease, meaning);
		else
			s->defects |= SIGNAL_DEFECT_LENGTH;
	}
	if (r.overrun)
		s->defects |= SIGNAL_DEFECT_TRUNCATED;
}

// Names the associations, and takes what a Reply gives or a client gives back.
static void read_associations(struct signal *s, const struct signal_rules *rules,
	const struct dhcpv6 *m, enum meaning meaning)
{
	bool is_about_leases =
		(meaning == GIVES || meaning == GIVES_BACK) && m->status == DHCPV6_SUCCESS;
	struct reader r = reader_of(m->options);
	struct dhcpv6_option option;
	while (dhcpv6_option_next(&r, &option)) {
		struct dhcpv6_ia ia;
		if (!dhcpv6_is_ia(option.code))
			continue;
		if (!dhcpv6_ia_read(&option, &ia)) {
			s->defects |= SIGNAL_DEFECT_LENGTH;
			continue;
		}
		uint32_t before = s->lease_count;
		if (is_about_leases)
			take_association(s, &ia, meaning);
		bool has_leases = s->lease_count > before;
		name_lease(s, rules, m, &ia, has_leases ? NAME_FIND | NAME_KEEP : NAME_FIND);
	}
}

static enum signal_change change_of(
	const struct signal *s, const struct dhcpv6 *m, enum meaning meaning)
{
	if (meaning == ASKS || (meaning == ASKS_IF_RAPID && m->has_rapid_commit))
		return CHANGE_PENDING;
	if (s->lease_count == 0) // those of questions and offers are not taken
		return CHANGE_NONE;
	for (uint32_t i = 0; i < s->lease_count; i++)
		if (s->leases[i].lifetime_s)
			return CHANGE_BIND;
	return CHANGE_RELEASE;
}

// --- reading -----------------------------------------------------------------------------------------------------

// Whether relays send the message on the way that it goes.
static bool relays_agree(const struct dhcpv6 *m, const struct kind *kind)
{
	for (unsigned i = 0; i < m->relay_count; i++) {
		bool is_forward = m->relays[i].type == DHCPV6_RELAY_FORWARD;
		if (m->relays[i].type != m->relays[0].type ||
			(kind->sender == BY_CLIENT && !is_forward) ||
			(kind->sender == BY_SERVER && is_forward))
			return false;
	}
	return true;
}

static uint8_t way_of(const struct dhcpv6 *m, const struct kind *kind)
{
	if (kind->sender == BY_CLIENT)
		return SIGNAL_WAY_FROM_SUBSCRIBER;
	if (kind->sender == BY_SERVER)
		return SIGNAL_WAY_TO_SUBSCRIBER;
	if (m->has_message || m->relay_count == 0)
		return SIGNAL_WAY_UNKNOWN;
	return m->relays[0].type == DHCPV6_RELAY_FORWARD ? SIGNAL_WAY_FROM_SUBSCRIBER
	                                                 : SIGNAL_WAY_TO_SUBSCRIBER;
}

static void read_message(struct signal *s, const struct signal_rules *rules, const struct dhcpv6 *m,
	const struct packet *packet, const struct kind *kind)
{
	// DHCPv4 in DHCPv6 has flags there, and its own transaction inside (RFC 7341 section 6.1).
	if (m->type != DHCPV6_DHCPV4_QUERY && m->type != DHCPV6_DHCPV4_RESPONSE)
		name_transaction(s, rules, m, packet, kind);
	show_message(s, rules, m);
	if (kind->needs_client_id && m->client_id.len == 0)
		s->defects |= SIGNAL_DEFECT_MISSING;
	if (kind->sender == BY_OTHERS || s->way == SIGNAL_WAY_UNKNOWN)
		return;
	read_associations(s, rules, m, kind->meaning);
	s->change = change_of(s, m, kind->meaning);
	if (kind->sender == BY_SERVER)
		dhcp_parties_of_answer(s, packet, m->relay_count > 0);
	else
		dhcp_parties_of_request(s, packet, m->relay_count > 0);
}

enum parse_result dhcpv6_signal_read(struct bytes payload, const struct packet *packet,
	const struct signal_rules *rules, struct signal *out)
{
	struct dhcpv6 m;
	enum parse_result result = dhcpv6_parse(payload, &m);
	if (result != PARSE_OK)
		return result;

	const struct kind kind = m.has_message && m.type <= DHCPV6_LAST_TYPE
	                                 ? kinds[m.type]
	                                 : (struct kind){.sender = BY_OTHERS};
	signal_clear(out, SIGNAL_DHCPV6);
	out->octets = m.octets;
	out->defects = m.defects;
	out->message_type = m.octets.at[0];
	out->is_answer = kind.is_answer;
	if (relays_agree(&m, &kind))
		out->way = way_of(&m, &kind);
	else
		out->defects |= SIGNAL_DEFECT_VALUE;
	for (unsigned i = 0; i < m.relay_count; i++)
		show_relay(out, rules, &m.relays[i]);
	if (m.has_message)
		read_message(out, rules, &m, packet, &kind);
	return PARSE_OK;
}
