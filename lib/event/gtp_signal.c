#include "gtp_signal.h"

enum { WIDEST_IPV6_PREFIX = 32 }; // design: "a prefix wider than /16 (IPv6 /32) is refused"

void gtp_signal_begin(const struct gtp_reading *g, enum signal_protocol protocol)
{
	signal_clear(g->out, protocol);
	g->out->authority = g->packet->flow.source;
	g->out->peer = g->packet->flow.destination;
}

static struct bytes address_octets(const struct address *a)
{
	return bytes_of(a->octets, a->family == 4 ? 4 : 16);
}

static void add_exchange(
	const struct gtp_reading *g, const struct gtpc_message *m, bool from_requester, uint8_t use)
{
	if (!m->has_sequence)
		return;
	const struct flow *flow = &g->packet->flow;
	uint16_t number = from_requester ? flow->source_port : flow->destination_port;
	const uint8_t port[] = {(uint8_t)(number >> 8), (uint8_t)number};
	const uint8_t sequence[] = {
		(uint8_t)(m->sequence >> 16), (uint8_t)(m->sequence >> 8), (uint8_t)m->sequence};
	struct bytes source = address_octets(&flow->source);
	struct bytes destination = address_octets(&flow->destination);
	const struct bytes parts[] = {bytes_of(&g->version, 1),
		from_requester ? source : destination, bytes_of(port, sizeof port),
		from_requester ? destination : source, bytes_of(sequence, sizeof sequence)};
	signal_add_name(g->out, g->rules, NAME_GTP_EXCHANGE, use | NAME_EXCHANGE, parts,
		sizeof parts / sizeof *parts);
}

void gtp_signal_exchange(
	const struct gtp_reading *g, const struct gtpc_message *m, enum gtpc_role role)
{
	if (role == GTPC_REQUEST)
		add_exchange(g, m, true, NAME_BEGIN | NAME_KEEP);
	else if (role == GTPC_ANSWER)
		add_exchange(g, m, false, NAME_FIND);
	else if (role == GTPC_ACKNOWLEDGE)
		add_exchange(g, m, true, NAME_FIND);
}

void gtp_signal_triggered(const struct gtp_reading *g, const struct gtpc_message *m)
{
	add_exchange(g, m, false, NAME_FIND);
}

static void drop_repeated_name(struct signal *s)
{
	const struct digest *last = &s->names[s->name_count - 1].digest;
	for (uint32_t i = 0; i + 1 < s->name_count; i++)
		if (memcmp(&s->names[i].digest, last, sizeof *last) == 0) {
			s->name_count--;
			return;
		}
}

void gtp_signal_tunnel(const struct gtp_reading *g, const struct address *address, uint32_t teid,
	uint8_t bearer, uint8_t use)
{
	if (teid == 0 || address->family == 0)
		return;
	const uint8_t octets[] = {
		(uint8_t)(teid >> 24), (uint8_t)(teid >> 16), (uint8_t)(teid >> 8), (uint8_t)teid};
	const struct bytes parts[] = {
		address_octets(address), bytes_of(octets, sizeof octets), bytes_of(&bearer, 1)};
	uint32_t before = g->out->name_count;
	signal_add_name(g->out, g->rules, NAME_GTP_TUNNEL, use, parts, bearer ? 3 : 2);
	if (g->out->name_count > before)
		drop_repeated_name(g->out);
}

void gtp_signal_show_tunnel(const struct gtp_reading *g, uint32_t teid)
{
	if (teid == 0 || !g->rules->wants_tunnels)
		return;
	struct identity *identity = signal_next_identity(g->out, SIGNAL_ROLE_TUNNEL);
	if (!identity)
		return;
	identity_of_gtpc_tunnel(teid, identity);
	signal_commit_sighting(g->out, SIGNAL_ROLE_TUNNEL);
}

typedef bool identity_maker(struct bytes digits, struct identity *out);

// False: there is no such identity of these digits.
static bool show(const struct gtp_reading *g, const struct gtpc_digits *digits,
	identity_maker *make, enum signal_role role)
{
	struct identity *identity = signal_next_identity(g->out, role);
	if (!identity)
		return true;
	if (!make(bytes_of(digits->digits, digits->len), identity))
		return false;
	signal_commit_sighting(g->out, role);
	return true;
}

void gtp_signal_show_imsi(const struct gtp_reading *g, struct bytes tbcd)
{
	struct gtpc_digits digits;
	if (!gtpc_digits_read(tbcd, &digits) ||
		(digits.len && !show(g, &digits, identity_of_imsi, SIGNAL_ROLE_IMSI)))
		g->out->defects |= SIGNAL_DEFECT_VALUE;
}

void gtp_signal_show_equipment(const struct gtp_reading *g, struct bytes tbcd)
{
	enum { IMEISV_DIGITS = 16 };
	struct gtpc_digits digits;
	if (!gtpc_digits_read(tbcd, &digits) ||
		(digits.len && !show(g, &digits, identity_of_imei, SIGNAL_ROLE_IMEI)))
		g->out->defects |= SIGNAL_DEFECT_VALUE;
	else if (digits.len == IMEISV_DIGITS)
		show(g, &digits, identity_of_imeisv, SIGNAL_ROLE_IMEI);
}

void gtp_signal_show_number(const struct gtp_reading *g, const struct gtpc_digits *digits)
{
	if (digits->len && !show(g, digits, identity_of_e164, SIGNAL_ROLE_NUMBER))
		g->out->defects |= SIGNAL_DEFECT_VALUE;
}

void gtp_signal_lease(const struct gtp_reading *g, const struct gtpc_addresses *addresses)
{
	if (addresses->ipv4.family)
		signal_add_lease(g->out, &addresses->ipv4, 32, UINT32_MAX);
	if (!addresses->ipv6.family)
		return;
	if (addresses->ipv6_prefix < WIDEST_IPV6_PREFIX)
		g->out->defects |= SIGNAL_DEFECT_VALUE;
	else
		signal_add_lease(g->out, &addresses->ipv6, addresses->ipv6_prefix, UINT32_MAX);
}

void gtp_signal_restart(const struct gtp_reading *g, struct bytes value)
{
	if (value.len == 0) {
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
		return;
	}
	g->out->has_restart = true;
	g->out->restart = value.at[0];
}

bool gtp_walk_next(struct gtp_walk *walk, struct gtpc_element *out)
{
	uint32_t *defects = &walk->reading->out->defects;
	if (walk->count == GTPC_MAX_ELEMENTS && walk->rest.len) {
		*defects |= SIGNAL_DEFECT_EXCESS;
		return false;
	}
	enum gtpc_step step = walk->next(&walk->rest, out);
	if (step == GTPC_CUT)
		*defects |= SIGNAL_DEFECT_TRUNCATED;
	if (step == GTPC_UNREADABLE)
		*defects |= SIGNAL_DEFECT_VALUE;
	if (step != GTPC_ELEMENT)
		return false;
	walk->count++;
	return true;
}
