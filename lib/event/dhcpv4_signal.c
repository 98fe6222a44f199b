#include "dhcpv4_signal.h"

#include "dhcp_signal.h"

enum { CLIENT_ID_TYPE_LEN = 1 };

// What a message is by its type.
struct kind {
	uint8_t op;        // that it must have
	bool is_of_client; // between a client and a server, not a relay that asks
	bool is_unasked;   // no answer, though it comes from the server
};

static const struct kind kinds[] = {
	[DHCPV4_DISCOVER] = {BOOTREQUEST, true, false},
	[DHCPV4_OFFER] = {BOOTREPLY, true, false},
	[DHCPV4_REQUEST] = {BOOTREQUEST, true, false},
	[DHCPV4_DECLINE] = {BOOTREQUEST, true, false},
	[DHCPV4_ACK] = {BOOTREPLY, true, false},
	[DHCPV4_NAK] = {BOOTREPLY, true, false},
	[DHCPV4_RELEASE] = {BOOTREQUEST, true, false},
	[DHCPV4_INFORM] = {BOOTREQUEST, true, false},
	[DHCPV4_FORCERENEW] = {BOOTREPLY, true, true},
	[DHCPV4_LEASEQUERY] = {BOOTREQUEST, false, false},
	[DHCPV4_LEASEUNASSIGNED] = {BOOTREPLY, false, false},
	[DHCPV4_LEASEUNKNOWN] = {BOOTREPLY, false, false},
	[DHCPV4_LEASEACTIVE] = {BOOTREPLY, false, false},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct kind kind_of(const struct dhcpv4 *m)
{
	if (m->message_type < KINDS && kinds[m->message_type].op)
		return kinds[m->message_type];
	// BOOTP, or a type that could not be read or is not known.
	return (struct kind){m->op, m->message_type == DHCPV4_BOOTP, false};
}

// --- names -----------------------------------------------------------------------------------------------------

static struct bytes octets_of(const struct address *a)
{
	return bytes_of(a->octets, 4);
}

// What a client is told by in all that it says and hears: its hardware address, or its identifier where the medium has
// none to show (RFC 4390 section 2; servers repeat the identifier then).
static void add_client_name(struct signal *s, const struct signal_rules *rules,
	const struct dhcpv4 *m, enum signal_name_kind kind, uint8_t use, struct bytes what)
{
	struct dhcpv4_room room;
	bool has_address = m->chaddr.len > 0;
	const struct bytes parts[] = {bytes_of(&m->htype, 1), m->chaddr,
		has_address ? (struct bytes){NULL, 0} : dhcpv4_option(m, DHCPV4_CLIENT_ID, &room),
		what};
	signal_add_name(s, rules, kind, use, parts, sizeof parts / sizeof parts[0]);
}

static void add_lease_name(struct signal *s, const struct signal_rules *rules,
	const struct dhcpv4 *m, uint8_t use, const struct address *address)
{
	if (dhcpv4_address_is_set(address))
		add_client_name(
			s, rules, m, NAME_DHCPV4_LEASE, use | NAME_BINDINGS, octets_of(address));
}

static void add_transaction_name(
	struct signal *s, const struct signal_rules *rules, const struct dhcpv4 *m, uint8_t use)
{
	uint8_t xid[4];
	struct writer w = writer_of(xid, sizeof xid);
	write_be32(&w, m->xid);
	add_client_name(
		s, rules, m, NAME_DHCPV4_TRANSACTION, use | NAME_EXCHANGE, writer_bytes(&w));
}

// A relay asks for an address, a hardware address or a client identifier, and for any number of clients under one xid: the
// exchange is told by what it asked for, which the answer repeats (RFC 4388 sections 6.2, 6.4).
static void add_query_names(
	struct signal *s, const struct signal_rules *rules, const struct dhcpv4 *m)
{
	struct dhcpv4_room room;
	uint8_t xid[4];
	struct writer w = writer_of(xid, sizeof xid);
	write_be32(&w, m->xid);
	bool has_address = false;
	for (size_t i = 0; i < m->chaddr.len; i++)
		has_address |= m->chaddr.at[i] != 0;
	struct bytes client_id = dhcpv4_option(m, DHCPV4_CLIENT_ID, &room);

	const struct {
		const char *by;
		bool is_there;
		struct bytes what;
	} asked[] = {
		{"address", dhcpv4_address_is_set(&m->ciaddr), octets_of(&m->ciaddr)},
		{"hardware", has_address, m->chaddr},
		{"client", client_id.len > 0, client_id},
	};
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
		const struct bytes parts[] = {bytes_of_text(asked[i].by), octets_of(&m->giaddr),
			writer_bytes(&w), asked[i].what};
		if (asked[i].is_there)
			signal_add_name(s, rules, NAME_DHCPV4_TRANSACTION,
				NAME_FIND | NAME_KEEP | NAME_EXCHANGE, parts,
				sizeof parts / sizeof parts[0]);
	}
}

// The transaction that a message belongs to. RELEASE and DECLINE begin none that goes on, and bindings know them by their
// lease alone: a xid that somebody else uses must not lead them to the lease of that one.
static void name_exchange(struct signal *s, const struct signal_rules *rules,
	const struct dhcpv4 *m, const struct kind *kind)
{
	if (m->message_type == DHCPV4_RELEASE || m->message_type == DHCPV4_DECLINE)
		add_transaction_name(s, rules, m, NAME_FIND | NAME_KEEP | NAME_REPORTS);
	else if (kind->is_of_client)
		add_transaction_name(s, rules, m, NAME_FIND | NAME_KEEP);
	else
		add_query_names(s, rules, m);
}

// The lease that a message is about. Only what can begin or end one keeps its name.
static void name_lease(struct signal *s, const struct signal_rules *rules, const struct dhcpv4 *m)
{
	const struct address *given =
		dhcpv4_address_is_set(&m->ciaddr) ? &m->ciaddr : &m->requested;
	switch (m->message_type) {
	case DHCPV4_REQUEST:
		add_lease_name(s, rules, m, NAME_FIND, given);
		return;
	case DHCPV4_INFORM:
		add_lease_name(s, rules, m, NAME_FIND, &m->ciaddr);
		return;
	case DHCPV4_RELEASE:
		add_lease_name(s, rules, m, NAME_FIND | NAME_KEEP, &m->ciaddr);
		return;
	case DHCPV4_DECLINE:
		add_lease_name(s, rules, m, NAME_FIND | NAME_KEEP, &m->requested);
		return;
	case DHCPV4_ACK:
		if (!dhcpv4_address_is_set(&m->yiaddr)) { // answers INFORM
			add_lease_name(s, rules, m, NAME_FIND, &m->ciaddr);
			return;
		}
		break;
	case DHCPV4_BOOTP:
		if (m->op == BOOTREQUEST || !m->is_bootp)
			return;
		break;
	default:
		return;
	}
	add_lease_name(s, rules, m, NAME_FIND | NAME_KEEP, &m->yiaddr);
}

// --- identities --------------------------------------------------------------------------------------------------

// On a line that others share, any of them may ask in the name of a hardware address that it has heard. The answer goes to that
// address, so what else the request shows must not become its subscriber's, unless the server repeats it (RFC 6842).
static void show_client_id(struct signal *s, const struct dhcpv4 *m, struct bytes client_id)
{
	uint32_t before = s->sighting_count;
	uint32_t iaid;
	struct bytes duid;
	if (dhcpv4_client_duid(client_id, &iaid, &duid))
		dhcp_duid_show(s, duid);
	else if (client_id.len)
		dhcp_mac_show(
			s, client_id.at[0], bytes_slice(client_id, CLIENT_ID_TYPE_LEN, SIZE_MAX));
	for (uint32_t i = before; before > 0 && m->op == BOOTREQUEST && i < s->sighting_count; i++)
		s->sightings[i].role = SIGNAL_ROLE_CLAIM;
}

static void show_agent_information(
	struct signal *s, const struct signal_rules *rules, struct bytes information)
{
	struct reader r = reader_of(information);
	uint8_t code;
	struct bytes value;
	while (dhcp_sub_option_next(&r, &code, &value))
		if (code == DHCPV4_AGENT_RADIUS)
			dhcp_attributes_show(s, rules, value);
	if (r.overrun)
		s->defects |= SIGNAL_DEFECT_LENGTH;
}

static void show_identities(
	struct signal *s, const struct signal_rules *rules, const struct dhcpv4 *m)
{
	struct dhcpv4_room room;
	dhcp_mac_show(s, m->htype, m->chaddr);
	show_client_id(s, m, dhcpv4_option(m, DHCPV4_CLIENT_ID, &room));
	show_agent_information(s, rules, dhcpv4_option(m, DHCPV4_AGENT_INFORMATION, &room));
}

void dhcpv4_signal_show(struct signal *s, const struct signal_rules *rules, const struct dhcpv4 *m)
{
	const struct kind kind = kind_of(m);
	s->defects |= m->defects;
	name_exchange(s, rules, m, &kind);
	show_identities(s, rules, m);
}

// --- leases ------------------------------------------------------------------------------------------------------

// Whether a host can have this address.
static bool is_of_host(const struct address *a)
{
	return a->octets[0] != 0 && a->octets[0] != 127 && a->octets[0] < 224;
}

static bool add_lease(struct signal *s, const struct address *address, uint32_t lifetime_s)
{
	if (!dhcpv4_address_is_set(address))
		return false;
	if (!is_of_host(address)) {
		s->defects |= SIGNAL_DEFECT_VALUE;
		return false;
	}
	return signal_add_lease(s, address, 32, lifetime_s);
}

static enum signal_change give(struct signal *s, const struct dhcpv4 *m, uint32_t lifetime_s)
{
	bool is_shared = m->options[DHCPV4_PORT_PARAMETERS].part_count > 0;
	if (is_shared || !add_lease(s, &m->yiaddr, lifetime_s))
		return CHANGE_NONE;
	return lifetime_s ? CHANGE_BIND : CHANGE_RELEASE;
}

static enum signal_change end(struct signal *s, const struct dhcpv4 *m, const struct packet *packet)
{
	const struct address *source = &packet->flow.source;
	bool is_relayed = dhcpv4_address_is_set(&m->giaddr);
	bool is_own = memcmp(source, &m->ciaddr, sizeof *source) == 0;
	if (!dhcpv4_address_is_set(&m->ciaddr) || !(is_own || is_relayed))
		return CHANGE_NONE;
	s->ends = true;
	return CHANGE_END;
}

static enum signal_change decline(struct signal *s, const struct dhcpv4 *m)
{
	if (m->requested.family == 0)
		s->defects |= SIGNAL_DEFECT_MISSING; // RFC 2131 table 5
	return add_lease(s, &m->requested, 0) ? CHANGE_RELEASE : CHANGE_NONE;
}

static enum signal_change change_of(
	struct signal *s, const struct dhcpv4 *m, const struct packet *packet)
{
	switch (m->message_type) {
	case DHCPV4_DISCOVER: // may be answered at once
		return m->options[DHCPV4_RAPID_COMMIT].part_count ? CHANGE_PENDING : CHANGE_NONE;
	case DHCPV4_REQUEST:
		return CHANGE_PENDING;
	case DHCPV4_ACK: // without a time it answers INFORM
		return m->has_lease_time ? give(s, m, m->lease_time_s) : CHANGE_NONE;
	case DHCPV4_RELEASE:
		return end(s, m, packet);
	case DHCPV4_DECLINE:
		return decline(s, m);
	case DHCPV4_BOOTP:
		if (!m->is_bootp)
			return CHANGE_NONE;
		if (m->op == BOOTREQUEST)
			return CHANGE_PENDING;
		return give(s, m, m->has_lease_time ? m->lease_time_s : DHCPV4_INFINITE);
	default:
		return CHANGE_NONE;
	}
}

// --- reading -----------------------------------------------------------------------------------------------------

static void find_parties(struct signal *s, const struct dhcpv4 *m, const struct packet *packet)
{
	bool is_relayed = dhcpv4_address_is_set(&m->giaddr);
	const struct address *destination = &packet->flow.destination;
	if (m->op == BOOTREQUEST)
		dhcp_parties_of_request(s, packet, is_relayed);
	else
		dhcp_parties_of_answer(s, packet,
			is_relayed && memcmp(destination, &m->giaddr, sizeof m->giaddr) == 0);
}

enum parse_result dhcpv4_signal_read(struct bytes payload, const struct packet *packet,
	const struct signal_rules *rules, struct signal *out)
{
	struct dhcpv4 m;
	enum parse_result result = dhcpv4_parse(payload, &m);
	if (result != PARSE_OK)
		return result;

	const struct kind kind = kind_of(&m);
	bool is_sound = kind.op == m.op; // else nobody knows who says what to whom
	signal_clear(out, SIGNAL_DHCPV4);
	out->octets = m.octets;
	out->message_type = m.message_type;
	out->is_answer = m.op == BOOTREPLY && !kind.is_unasked;
	bool has_type = m.message_type != DHCPV4_BOOTP || m.is_bootp;
	if (is_sound && has_type && kind.is_of_client)
		out->way =
			m.op == BOOTREQUEST ? SIGNAL_WAY_FROM_SUBSCRIBER : SIGNAL_WAY_TO_SUBSCRIBER;
	dhcpv4_signal_show(out, rules, &m);
	if (!is_sound) {
		out->defects |= SIGNAL_DEFECT_VALUE;
		return PARSE_OK;
	}
	name_lease(out, rules, &m);
	out->change = change_of(out, &m, packet);
	find_parties(out, &m, packet);
	return PARSE_OK;
}
