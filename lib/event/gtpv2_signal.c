#include "gtpv2_signal.h"

#include "gtp_signal.h"
#include "gtpv2c.h"

enum {
	// Of one message. With its exchange, what triggered that, and the tunnels of its header and of an F-TEID with both
	// kinds of addresses, and of a second message like it, these are names that there is room for.
	MAX_BEARERS = 6,
};

// What is kept of the elements until the message is known as a whole.
struct contents {
	struct gtpv2c_f_teid sender; // instance 0: of the sender's end of this interface
	struct gtpv2c_f_teid pgw;    // instance 1
	struct gtpc_addresses paa;
	uint32_t seen; // what there is only one of, as bits
	unsigned count;
	uint8_t bearers[MAX_BEARERS], bearer_count;
	uint8_t cause;
	uint8_t linked; // an EPS Bearer ID of instance 0, which is that of a default bearer; 0: none
	bool has_cause;
};

// Elements of instance 0 of which the first counts.
static bool is_first(struct contents *c, const struct gtpc_element *e)
{
	static const uint8_t once[] = {
		GTPV2C_IMSI, GTPV2C_CAUSE, GTPV2C_RECOVERY, GTPV2C_MEI, GTPV2C_MSISDN, GTPV2C_PAA};
	for (unsigned i = 0; i < sizeof once; i++) {
		if (e->type != once[i])
			continue;
		bool first = e->instance == 0 && !(c->seen & 1u << i);
		if (first)
			c->seen |= 1u << i;
		return first;
	}
	return true;
}

static void take_bearer(const struct gtp_reading *g, struct bytes value, struct contents *c)
{
	if (value.len == 0) {
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
		return;
	}
	uint8_t bearer = value.at[0] & 15;
	if (bearer == 0) // not yet given
		return;
	for (unsigned i = 0; i < c->bearer_count; i++)
		if (c->bearers[i] == bearer)
			return;
	if (c->bearer_count < MAX_BEARERS)
		c->bearers[c->bearer_count++] = bearer;
	else
		g->out->defects |= SIGNAL_DEFECT_EXCESS;
}

// Any F-TEID is shown; those of the message itself are kept by instance.
static void take_f_teid(const struct gtp_reading *g, const struct gtpc_element *e, bool is_grouped,
	struct contents *c)
{
	struct gtpv2c_f_teid f;
	if (!gtpv2c_f_teid(e->value, &f)) {
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
		return;
	}
	if (!gtpv2c_is_control(f.interface))
		return;
	gtp_signal_show_tunnel(g, f.teid);
	if (is_grouped)
		return;
	if (e->instance == 0 && c->sender.teid == 0)
		c->sender = f;
	else if (e->instance == 1 && c->pgw.teid == 0)
		c->pgw = f;
}

// One level: what is grouped inside of a group is not looked at.
static void take_group(
	const struct gtp_reading *g, const struct gtpc_element *group, struct contents *c)
{
	struct gtp_walk walk = {g, gtpv2c_next, group->value, 0};
	struct gtpc_element e;
	while (gtp_walk_next(&walk, &e)) {
		if (e.type == GTPV2C_F_TEID)
			take_f_teid(g, &e, true, c);
		else if (e.type == GTPV2C_EBI && group->type == GTPV2C_BEARER_CONTEXT)
			take_bearer(g, e.value, c);
	}
}

static void take_cause(const struct gtp_reading *g, struct bytes value, struct contents *c)
{
	c->has_cause = value.len > 0;
	c->cause = c->has_cause ? value.at[0] : 0;
	if (!c->has_cause)
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
}

static void take_number(const struct gtp_reading *g, struct bytes value)
{
	struct gtpc_digits digits;
	if (gtpc_digits_read(value, &digits))
		gtp_signal_show_number(g, &digits);
	else
		g->out->defects |= SIGNAL_DEFECT_VALUE;
}

static void take_paa(const struct gtp_reading *g, struct bytes value, struct contents *c)
{
	struct gtpc_addresses paa;
	if (gtpv2c_paa(value, &paa))
		c->paa = paa;
	else
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
}

static void take_element(
	const struct gtp_reading *g, const struct gtpc_element *e, struct contents *c)
{
	switch (e->type) {
	case GTPV2C_IMSI:
		gtp_signal_show_imsi(g, e->value);
		break;
	case GTPV2C_CAUSE:
		take_cause(g, e->value, c);
		break;
	case GTPV2C_RECOVERY:
		gtp_signal_restart(g, e->value);
		break;
	case GTPV2C_EBI:
		take_bearer(g, e->value, c);
		if (e->instance == 0 && e->value.len && !c->linked)
			c->linked = e->value.at[0] & 15;
		break;
	case GTPV2C_MEI:
		gtp_signal_show_equipment(g, e->value);
		break;
	case GTPV2C_MSISDN:
		take_number(g, e->value);
		break;
	case GTPV2C_PAA:
		take_paa(g, e->value, c);
		break;
	case GTPV2C_F_TEID:
		take_f_teid(g, e, false, c);
		break;
	case GTPV2C_BEARER_CONTEXT:
	case GTPV2C_PDN_CONNECTION:
		take_group(g, e, c);
		break;
	default:
		break;
	}
}

static void take_elements(
	const struct gtp_reading *g, const struct gtpc_message *m, struct contents *c)
{
	struct gtp_walk walk = {g, gtpv2c_next, m->elements, 0};
	struct gtpc_element e;
	while (gtp_walk_next(&walk, &e))
		if (is_first(c, &e))
			take_element(g, &e, c);
	c->count = walk.count;
}

// The bearer that stands for a connection: the default one, which comes first where the message does not say. Names of others
// would be more than a session can have.
static uint8_t default_bearer(const struct contents *c)
{
	return c->linked ? c->linked : c->bearer_count ? c->bearers[0] : 0;
}

static void keep_bearer(const struct gtp_reading *g, const struct address *address, uint32_t teid,
	uint8_t use, const struct contents *c)
{
	uint8_t bearer = default_bearer(c);
	if (bearer)
		gtp_signal_tunnel(g, address, teid, bearer, use);
}

static void find_bearers(const struct gtp_reading *g, uint32_t teid, const struct contents *c)
{
	for (unsigned i = 0; i < c->bearer_count; i++)
		gtp_signal_tunnel(g, &g->packet->flow.destination, teid, c->bearers[i], NAME_FIND);
}

// The tunnel alone: of the session that was seen last in it. An answer that changes something must not reach that, if it is
// not the one asked about: it has its exchange, and its bearers.
static uint8_t use_of_tunnel(
	const struct gtpc_message *m, const struct contents *c, enum signal_change change)
{
	switch (m->type) {
	case GTPV2C_CREATE_SESSION_REQUEST: // one more connection in the tunnel of others
	case GTPV2C_DELETE_SESSION_RESPONSE:
		return 0;
	case GTPV2C_DELETE_SESSION_REQUEST:
	case GTPV2C_DELETE_BEARER_REQUEST:
	case GTPV2C_DELETE_BEARER_RESPONSE:
		if (c->linked)
			return 0;
		break;
	default:
		break;
	}
	if (gtpv2c_role(m->type) != GTPC_ANSWER || change == CHANGE_NONE)
		return NAME_FIND | NAME_KEEP;
	return change == CHANGE_END ? 0 : NAME_KEEP;
}

// The tunnel that the message came through, at the receiver's end.
static void add_header_names(const struct gtp_reading *g, const struct gtpc_message *m,
	const struct contents *c, enum signal_change change)
{
	const struct address *at = &g->packet->flow.destination;
	if (m->type == GTPV2C_CREATE_SESSION_REQUEST)
		keep_bearer(g, at, m->teid, NAME_BEGIN | NAME_KEEP, c);
	else if (m->type == GTPV2C_CREATE_SESSION_RESPONSE && change == CHANGE_BIND)
		keep_bearer(g, at, m->teid, NAME_KEEP, c);
	else if (m->type == GTPV2C_MODIFY_BEARER_REQUEST && c->sender.teid)
		keep_bearer(
			g, at, m->teid, NAME_FIND | NAME_KEEP, c); // from a node that is new to it
	if (m->type != GTPV2C_CREATE_SESSION_REQUEST && m->type != GTPV2C_CREATE_SESSION_RESPONSE)
		find_bearers(g, m->teid, c);
	uint8_t use = use_of_tunnel(m, c, change);
	if (use)
		gtp_signal_tunnel(g, at, m->teid, 0, use);
}

// The sender's own end. Other F-TEIDs are of other interfaces, and those go on under sessions of their own.
static const struct gtpv2c_f_teid *sender_end(uint8_t type, const struct contents *c)
{
	// A PGW has its own in instance 1; through an SGW it comes along with that of the SGW.
	if (type == GTPV2C_CREATE_SESSION_RESPONSE && c->sender.teid == 0 &&
		gtpv2c_is_pgw_control(c->pgw.interface))
		return &c->pgw;
	return &c->sender;
}

static void add_end_names(const struct gtp_reading *g, const struct address *address,
	const struct gtpc_message *m, uint32_t teid, const struct contents *c)
{
	// A request that belongs to no tunnel begins one.
	bool begins = gtpv2c_role(m->type) == GTPC_REQUEST && m->teid == 0;
	bool creates = m->type == GTPV2C_CREATE_SESSION_REQUEST;
	uint8_t use = begins ? NAME_BEGIN | NAME_KEEP : NAME_KEEP;
	if (creates || m->type == GTPV2C_CREATE_SESSION_RESPONSE ||
		m->type == GTPV2C_MODIFY_BEARER_REQUEST)
		keep_bearer(g, address, teid, creates ? NAME_BEGIN | NAME_KEEP : use, c);
	// The tunnel of a connection that is one more among others is there already, and that of one that goes may stay.
	bool is_of_others = (creates && !begins) || m->type == GTPV2C_DELETE_SESSION_REQUEST;
	if (!is_of_others)
		gtp_signal_tunnel(g, address, teid, 0, use);
}

static void add_names(const struct gtp_reading *g, const struct gtpc_message *m,
	const struct contents *c, enum signal_change change)
{
	gtp_signal_exchange(g, m, gtpv2c_role(m->type));
	bool can_be_triggered = m->type == GTPV2C_CREATE_BEARER_REQUEST ||
	                        m->type == GTPV2C_UPDATE_BEARER_REQUEST ||
	                        m->type == GTPV2C_DELETE_BEARER_REQUEST;
	if (can_be_triggered && m->sequence & GTPV2C_SEQUENCE_OF_COMMAND)
		gtp_signal_triggered(g, m);
	gtp_signal_show_tunnel(g, m->teid);
	add_header_names(g, m, c, change);
	if (change == CHANGE_END)
		return;
	const struct gtpv2c_f_teid *end = sender_end(m->type, c);
	add_end_names(g, &end->ipv4, m, end->teid, c);
	add_end_names(g, &end->ipv6, m, end->teid, c);
}

enum outcome { NO_CAUSE, ACCEPTED, NOT_FOUND, REFUSED };

static enum outcome outcome_of(const struct contents *c)
{
	if (!c->has_cause)
		return NO_CAUSE;
	if (gtpv2c_is_accepted(c->cause))
		return ACCEPTED;
	return c->cause == GTPV2C_CONTEXT_NOT_FOUND ? NOT_FOUND : REFUSED;
}

// What an answer with this outcome does to the session; CHANGE_END ends it altogether.
static enum signal_change change_of_answer(
	uint8_t type, enum outcome outcome, const struct contents *c)
{
	switch (type) {
	case GTPV2C_CREATE_SESSION_RESPONSE: // always of a session that its request began
		return outcome == ACCEPTED ? CHANGE_BIND : CHANGE_END;
	case GTPV2C_MODIFY_BEARER_RESPONSE:
	case GTPV2C_MODIFY_ACCESS_BEARERS_RESPONSE:
		if (outcome == ACCEPTED)
			return CHANGE_BIND;
		break;
	case GTPV2C_DELETE_SESSION_RESPONSE:
		if (outcome == ACCEPTED)
			return CHANGE_END;
		break;
	case GTPV2C_DELETE_BEARER_RESPONSE: // the default bearer, and with it all (clause 7.2.10.2)
		if (outcome == ACCEPTED && c->linked)
			return CHANGE_END;
		break;
	default:
		break;
	}
	return outcome == NOT_FOUND ? CHANGE_END : CHANGE_NONE;
}

static enum signal_change change_of(
	const struct gtp_reading *g, const struct gtpc_message *m, const struct contents *c)
{
	switch (m->type) {
	case GTPV2C_CREATE_SESSION_REQUEST:
	case GTPV2C_MODIFY_BEARER_REQUEST:
	case GTPV2C_MODIFY_ACCESS_BEARERS_REQUEST:
		return CHANGE_PENDING;
	case GTPV2C_CREATE_SESSION_RESPONSE:
	case GTPV2C_MODIFY_BEARER_RESPONSE:
	case GTPV2C_DELETE_SESSION_RESPONSE:
	case GTPV2C_CHANGE_NOTIFICATION_RESPONSE:
	case GTPV2C_CREATE_BEARER_RESPONSE:
	case GTPV2C_UPDATE_BEARER_RESPONSE:
	case GTPV2C_DELETE_BEARER_RESPONSE:
	case GTPV2C_MODIFY_ACCESS_BEARERS_RESPONSE:
		break;
	default:
		return CHANGE_NONE;
	}
	enum outcome outcome = outcome_of(c);
	if (outcome == NO_CAUSE) {
		g->out->defects |= SIGNAL_DEFECT_MISSING;
		return CHANGE_NONE;
	}
	return change_of_answer(m->type, outcome, c);
}

static bool is_tunnel_missing(const struct gtpc_message *m, const struct contents *c)
{
	return m->type == GTPV2C_CREATE_SESSION_REQUEST && c->sender.teid == 0;
}

// False: it is nothing but a header with a length that cannot be, which chance may make.
static bool take_message(const struct gtp_reading *g, const struct gtpc_message *m)
{
	struct contents c = {.count = 0};
	take_elements(g, m, &c);
	if (m->is_cut && c.count == 0)
		return false;
	if (m->is_cut)
		g->out->defects |= SIGNAL_DEFECT_TRUNCATED;
	if (is_tunnel_missing(m, &c))
		g->out->defects |= SIGNAL_DEFECT_MISSING;
	enum signal_change change = change_of(g, m, &c);
	add_names(g, m, &c, change);
	if (g->out->change != CHANGE_NONE)
		return true;
	g->out->change = change;
	g->out->ends = change == CHANGE_END;
	if (change == CHANGE_BIND && m->type == GTPV2C_CREATE_SESSION_RESPONSE)
		gtp_signal_lease(g, &c.paa);
	return true;
}

// The message that rides along with `first`. At most one does.
static void take_rider(
	const struct gtp_reading *g, struct bytes payload, const struct gtpc_message *first)
{
	struct gtpc_message rider;
	if (first->rest.len == 0 && first->has_rider)
		g->out->defects |= SIGNAL_DEFECT_MISSING;
	if (first->rest.len == 0)
		return;
	if (!first->has_rider || gtpv2c_parse(first->rest, &rider) != PARSE_OK ||
		!take_message(g, &rider)) {
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
		return;
	}
	if (rider.rest.len)
		g->out->defects |= SIGNAL_DEFECT_LENGTH;
	g->out->octets = bytes_slice(payload, 0, first->octets.len + rider.octets.len);
}

enum parse_result gtpv2_signal_read(struct bytes payload, const struct packet *packet,
	const struct signal_rules *rules, struct signal *out)
{
	struct gtpc_message m;
	enum parse_result result = gtpv2c_parse(payload, &m);
	if (result != PARSE_OK)
		return result;
	const struct gtp_reading g = {packet, rules, out, 2};
	gtp_signal_begin(&g, SIGNAL_GTPV2C);
	if (!take_message(&g, &m))
		return PARSE_TRUNCATED;
	enum gtpc_role role = gtpv2c_role(m.type);
	out->octets = m.octets;
	out->message_type = m.type;
	out->is_answer = role == GTPC_ANSWER || role == GTPC_ACKNOWLEDGE;
	take_rider(&g, payload, &m);
	return PARSE_OK;
}
