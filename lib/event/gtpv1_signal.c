#include "gtpv1_signal.h"

#include "gtp_signal.h"
#include "gtpv1c.h"

// What is kept of the elements until the message is known as a whole.
struct contents {
	struct address control_address; // GSN Address, the first
	struct gtpc_addresses end_user;
	uint32_t control;
	uint64_t seen[4]; // element types, as bits
	unsigned count;
	uint8_t cause;
	bool has_cause, is_teardown;
};

// Of elements that come again the first one counts, but for Private Extension and what is not looked at (clause 11.1.13).
static bool is_first(struct contents *c, uint8_t type)
{
	uint64_t bit = 1ull << type % 64;
	bool first = !(c->seen[type / 64] & bit);
	c->seen[type / 64] |= bit;
	return first;
}

static void take_number(const struct gtp_reading *g, struct bytes value)
{
	struct gtpc_digits digits;
	bool is_global;
	if (!gtpv1c_msisdn(value, &digits, &is_global))
		g->out->defects |= SIGNAL_DEFECT_VALUE;
	else if (is_global)
		gtp_signal_show_number(g, &digits);
}

static void take_control(const struct gtp_reading *g, struct bytes value, struct contents *c)
{
	struct reader r = reader_of(value);
	c->control = read_be32(&r);
	gtp_signal_show_tunnel(g, c->control);
}

static void take_end_user(const struct gtp_reading *g, struct bytes value, struct contents *c)
{
	struct gtpc_addresses addresses;
	if (gtpv1c_end_user_address(value, &addresses))
		c->end_user = addresses;
	else
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
}

static void take_element(
	const struct gtp_reading *g, const struct gtpc_element *e, struct contents *c)
{
	struct bytes value = e->value;
	switch (e->type) {
	case GTPV1C_CAUSE:
		c->has_cause = true;
		c->cause = value.at[0];
		break;
	case GTPV1C_IMSI:
		gtp_signal_show_imsi(g, value);
		break;
	case GTPV1C_RECOVERY:
		gtp_signal_restart(g, value);
		break;
	case GTPV1C_TEID_CONTROL:
		take_control(g, value, c);
		break;
	case GTPV1C_TEARDOWN:
		c->is_teardown = value.at[0] & 1;
		break;
	case GTPV1C_END_USER_ADDRESS:
		take_end_user(g, value, c);
		break;
	case GTPV1C_GSN_ADDRESS:
		if (!gtpv1c_gsn_address(value, &c->control_address))
			g->out->defects |= SIGNAL_DEFECT_LENGTH;
		break;
	case GTPV1C_MSISDN:
		take_number(g, value);
		break;
	case GTPV1C_IMEI:
		gtp_signal_show_equipment(g, value);
		break;
	default:
		break;
	}
}

static void take_elements(
	const struct gtp_reading *g, const struct gtpc_message *m, struct contents *c)
{
	struct gtp_walk walk = {g, gtpv1c_next, m->elements, 0};
	struct gtpc_element e;
	while (gtp_walk_next(&walk, &e))
		if (is_first(c, e.type))
			take_element(g, &e, c);
	c->count = walk.count;
}

static void add_names(const struct gtp_reading *g, const struct gtpc_message *m,
	enum gtpc_role role, const struct contents *c)
{
	const struct flow *flow = &g->packet->flow;
	gtp_signal_exchange(g, m, role);
	gtp_signal_show_tunnel(g, m->teid);
	// The answer to a request that was not seen must not give its addresses to whoever had this TEID before.
	uint8_t use = m->type == GTPV1C_CREATE_PDP_RESPONSE ? NAME_KEEP : NAME_FIND | NAME_KEEP;
	gtp_signal_tunnel(g, &flow->destination, m->teid, 0, use);
	// A request that belongs to no tunnel begins one.
	bool begins = role == GTPC_REQUEST && m->teid == 0;
	const struct address *control =
		c->control_address.family ? &c->control_address : &flow->source;
	gtp_signal_tunnel(g, control, c->control, 0, begins ? NAME_BEGIN | NAME_KEEP : NAME_KEEP);
}

static void end_session(struct signal *s)
{
	s->change = CHANGE_END;
	s->ends = true;
}

static void judge_answer(const struct gtp_reading *g, uint8_t type, const struct contents *c)
{
	if (!c->has_cause) {
		g->out->defects |= SIGNAL_DEFECT_MISSING;
		return;
	}
	if (gtpv1c_is_accepted(c->cause)) {
		g->out->change = CHANGE_BIND;
		if (type == GTPV1C_CREATE_PDP_RESPONSE)
			gtp_signal_lease(g, &c->end_user);
	} else if (type == GTPV1C_UPDATE_PDP_RESPONSE &&
		   (c->cause == GTPV1C_NON_EXISTENT || c->cause == GTPV1C_CONTEXT_NOT_FOUND)) {
		end_session(g->out);
	}
}

static void judge(
	const struct gtp_reading *g, const struct gtpc_message *m, const struct contents *c)
{
	switch (m->type) {
	case GTPV1C_CREATE_PDP_REQUEST:
		if (m->teid == 0 && c->control == 0)
			g->out->defects |= SIGNAL_DEFECT_MISSING;
		g->out->change = CHANGE_PENDING;
		break;
	case GTPV1C_UPDATE_PDP_REQUEST:
		g->out->change = CHANGE_PENDING;
		break;
	case GTPV1C_CREATE_PDP_RESPONSE:
	case GTPV1C_UPDATE_PDP_RESPONSE:
		judge_answer(g, m->type, c);
		break;
	case GTPV1C_DELETE_PDP_REQUEST:
		if (c->is_teardown)
			end_session(g->out);
		break;
	default:
		break;
	}
}

enum parse_result gtpv1_signal_read(struct bytes payload, const struct packet *packet,
	const struct signal_rules *rules, struct signal *out)
{
	struct gtpc_message m;
	enum parse_result result = gtpv1c_parse(payload, &m);
	if (result != PARSE_OK)
		return result;
	const struct gtp_reading g = {packet, rules, out, 1};
	struct contents c = {.count = 0};
	gtp_signal_begin(&g, SIGNAL_GTPV1C);
	take_elements(&g, &m, &c);
	if (m.is_cut && c.count == 0)
		return PARSE_TRUNCATED; // nothing but a header, which chance may make

	enum gtpc_role role = gtpv1c_role(m.type);
	out->octets = m.octets;
	out->message_type = m.type;
	out->is_answer = role == GTPC_ANSWER || role == GTPC_ACKNOWLEDGE;
	out->defects |= m.is_cut ? SIGNAL_DEFECT_TRUNCATED : 0;
	out->defects |= m.rest.len ? SIGNAL_DEFECT_LENGTH : 0;
	add_names(&g, &m, role, &c);
	judge(&g, &m, &c);
	return PARSE_OK;
}
