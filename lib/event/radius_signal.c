#include "radius_signal.h"

#include "radius_identities.h"

// The attributes of which one counts: the first.
enum field {
	FIELD_NONE,
	FIELD_NAS_IDENTIFIER,
	FIELD_NAS_IPV4,
	FIELD_NAS_IPV6,
	FIELD_SESSION,
	FIELD_STATE,
	FIELD_STATUS,
	FIELDS
};

// How long values can be.
static const struct layout {
	uint8_t type, least, greatest;
	enum field field;
} layouts[] = {
	{RADIUS_USER_NAME, 1, 253, FIELD_NONE},
	{RADIUS_NAS_IP_ADDRESS, 4, 4, FIELD_NAS_IPV4},
	{RADIUS_FRAMED_IP_ADDRESS, 4, 4, FIELD_NONE},
	{RADIUS_STATE, 1, 253, FIELD_STATE},
	{RADIUS_VENDOR_SPECIFIC, 4, 253, FIELD_NONE},
	{RADIUS_CALLING_STATION_ID, 1, 253, FIELD_NONE},
	{RADIUS_NAS_IDENTIFIER, 1, 253, FIELD_NAS_IDENTIFIER},
	{RADIUS_ACCT_STATUS_TYPE, 4, 4, FIELD_STATUS},
	{RADIUS_ACCT_SESSION_ID, 1, 253, FIELD_SESSION},
	{RADIUS_NAS_IPV6_ADDRESS, 16, 16, FIELD_NAS_IPV6},
	{RADIUS_FRAMED_IPV6_PREFIX, 2, 18, FIELD_NONE},
	{RADIUS_DELEGATED_IPV6_PREFIX, 2, 18, FIELD_NONE},
	{RADIUS_FRAMED_IPV6_ADDRESS, 16, 16, FIELD_NONE},
};

// What a request is about: Identifiers of one kind say nothing about the others.
enum subject { SUBJECT_ACCESS = 1, SUBJECT_ACCOUNTING = 2, SUBJECT_DYNAMIC = 4 }; // bits

struct reading {
	struct radius radius;
	const struct flow *flow;
	const struct signal_rules *rules;
	struct signal *out;
	unsigned subjects;
	const struct address *nas, *server;     // as far as the IP header tells
	struct radius_attribute fields[FIELDS]; // octets.len is 0 for what is not there
};

static unsigned subjects_of(uint8_t code)
{
	switch (code) {
	case RADIUS_STATUS_SERVER: // answered by Access-Accept or Accounting-Response (RFC 5997)
		return SUBJECT_ACCESS | SUBJECT_ACCOUNTING;
	case RADIUS_ACCOUNTING_REQUEST:
	case RADIUS_ACCOUNTING_RESPONSE:
		return SUBJECT_ACCOUNTING;
	case RADIUS_ACCESS_REQUEST:
	case RADIUS_ACCESS_ACCEPT:
	case RADIUS_ACCESS_REJECT:
	case RADIUS_ACCESS_CHALLENGE:
		return SUBJECT_ACCESS;
	default:
		return SUBJECT_DYNAMIC;
	}
}

// --- fields ------------------------------------------------------------------------------------------------

static const struct layout *layout_find(uint8_t type)
{
	for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
		if (layouts[i].type == type)
			return &layouts[i];
	return NULL;
}

static void field_take(struct reading *r, const struct radius_attribute *a)
{
	const struct layout *layout = layout_find(a->type);
	if (!layout)
		return;
	if (a->value.len < layout->least || a->value.len > layout->greatest)
		r->out->defects |= SIGNAL_DEFECT_LENGTH;
	else if (r->fields[layout->field].octets.len == 0)
		r->fields[layout->field] = *a;
}

static void fields_read(struct reading *r)
{
	struct bytes rest = r->radius.attributes;
	struct radius_attribute a;
	while (radius_next(&rest, &a))
		field_take(r, &a);
	if (rest.len >= RADIUS_ATTRIBUTE_HEADER_LEN && rest.at[1] < RADIUS_ATTRIBUTE_HEADER_LEN)
		r->out->defects |= SIGNAL_DEFECT_LENGTH;
	else if (rest.len || r->radius.is_cut)
		r->out->defects |= SIGNAL_DEFECT_TRUNCATED;
}

static bool has(const struct reading *r, enum field field)
{
	return r->fields[field].octets.len > 0;
}

// 0, which no status is: it is not there.
static uint32_t status_of(const struct reading *r)
{
	struct reader value = reader_of(r->fields[FIELD_STATUS].value);
	return read_be32(&value);
}

// --- names -------------------------------------------------------------------------------------------------

static struct bytes address_octets(const struct address *a)
{
	return bytes_of(a->octets, a->family == 4 ? 4 : 16);
}

static void name_add(struct reading *r, enum signal_name_kind kind, unsigned use,
	const struct bytes *parts, size_t count)
{
	signal_add_name(r->out, r->rules, kind, (uint8_t)use, parts, count);
}

static void exchange_name(struct reading *r, uint8_t subject)
{
	const struct flow *f = r->flow;
	bool is_answer = r->out->is_answer;
	const struct address *client = is_answer ? &f->destination : &f->source;
	const struct address *server = is_answer ? &f->source : &f->destination;
	uint16_t client_port = is_answer ? f->destination_port : f->source_port;
	uint16_t server_port = is_answer ? f->source_port : f->destination_port;
	const uint8_t ports[] = {(uint8_t)(client_port >> 8), (uint8_t)client_port,
		(uint8_t)(server_port >> 8), (uint8_t)server_port};
	const uint8_t request[] = {r->radius.identifier, subject};
	const struct bytes parts[] = {address_octets(client), address_octets(server),
		bytes_of(ports, sizeof ports), bytes_of(request, sizeof request),
		r->radius.authenticator};
	enum { PARTS = 4, PARTS_OF_RETRANSMISSION = 5 };

	if (is_answer) {
		name_add(r, NAME_RADIUS_EXCHANGE, NAME_FIND | NAME_EXCHANGE, parts, PARTS);
		return;
	}
	name_add(r, NAME_RADIUS_EXCHANGE, NAME_FIND | NAME_KEEP | NAME_EXCHANGE, parts,
		PARTS_OF_RETRANSMISSION);
	name_add(r, NAME_RADIUS_EXCHANGE, NAME_BEGIN | NAME_KEEP | NAME_EXCHANGE, parts, PARTS);
}

static void exchange_names(struct reading *r)
{
	for (unsigned subject = SUBJECT_ACCESS; subject <= SUBJECT_DYNAMIC; subject <<= 1)
		if (r->subjects & subject)
			exchange_name(r, (uint8_t)subject);
}

static void state_name(struct reading *r)
{
	unsigned use =
		r->radius.code == RADIUS_ACCESS_REQUEST ? NAME_FIND
		: r->radius.code == RADIUS_ACCESS_CHALLENGE || r->radius.code == RADIUS_COA_REQUEST
			? NAME_KEEP
			: 0;
	if (!has(r, FIELD_STATE) || !use)
		return;
	const struct bytes parts[] = {
		address_octets(r->nas), address_octets(r->server), r->fields[FIELD_STATE].value};
	name_add(r, NAME_RADIUS_STATE, use | NAME_EXCHANGE, parts, 3);
}

enum { NAS_ADDRESS_ROOM = RADIUS_ATTRIBUTE_HEADER_LEN + 16 };

// The attribute that the NAS would name its address by.
static struct bytes nas_address_attribute(
	const struct reading *r, uint8_t room[static NAS_ADDRESS_ROOM])
{
	if (has(r, FIELD_NAS_IPV4))
		return r->fields[FIELD_NAS_IPV4].octets;
	if (has(r, FIELD_NAS_IPV6))
		return r->fields[FIELD_NAS_IPV6].octets;
	struct bytes octets = address_octets(r->nas);
	struct writer w = writer_of(room, NAS_ADDRESS_ROOM);
	write_u8(&w, r->nas->family == 4 ? RADIUS_NAS_IP_ADDRESS : RADIUS_NAS_IPV6_ADDRESS);
	write_u8(&w, (uint8_t)(RADIUS_ATTRIBUTE_HEADER_LEN + octets.len));
	write_bytes(&w, octets);
	return writer_bytes(&w);
}

static void session_name(struct reading *r, unsigned use, struct bytes nas)
{
	const struct bytes parts[] = {nas, r->fields[FIELD_SESSION].octets};
	name_add(r, NAME_RADIUS_SESSION, use, parts, 2);
}

static void session_names(struct reading *r)
{
	if (!has(r, FIELD_SESSION))
		return;
	uint8_t room[NAS_ADDRESS_ROOM];
	struct bytes address = nas_address_attribute(r, room);
	bool is_named = has(r, FIELD_NAS_IDENTIFIER);
	struct bytes nas = is_named ? r->fields[FIELD_NAS_IDENTIFIER].octets : address;
	session_name(r, NAME_FIND | NAME_KEEP, nas);
	// Never both for one packet: sessions of two NAS that are called alike by address must not become one.
	if (is_named)
		session_name(r, r->subjects & SUBJECT_DYNAMIC ? NAME_FIND : NAME_KEEP, address);

	uint64_t hash = fnv1a_more(fnv1a(nas), r->fields[FIELD_SESSION].octets);
	r->out->correlation = hash ? hash : 1;
}

// --- addresses ---------------------------------------------------------------------------------------------

static bool is_all(struct bytes octets, uint8_t value)
{
	for (size_t i = 0; i < octets.len; i++)
		if (octets.at[i] != value)
			return false;
	return true;
}

// RFC 2865 section 5.8: 255.255.255.255 lets the user choose, 255.255.255.254 the NAS.
static bool is_ipv4_choice(struct bytes value)
{
	return is_all(bytes_slice(value, 0, 3), 255) && value.at[3] >= 254;
}

static struct address address_of(uint8_t family, struct bytes octets)
{
	struct address a = {.family = family};
	memcpy(a.octets, octets.at, octets.len);
	return a;
}

static void address_lease(struct signal *s, struct bytes value)
{
	bool is_ipv4 = value.len == 4;
	if (is_all(value, 0) || (is_ipv4 && is_ipv4_choice(value)))
		return;
	struct address a = address_of(is_ipv4 ? 4 : 6, value);
	signal_add_lease(s, &a, is_ipv4 ? 32 : 128, UINT32_MAX);
}

// RFC 3162 section 2.3: a reserved octet, the prefix length, and as many octets as it needs or more. A prefix of no bits, which
// is everybody's, is none.
static void prefix_lease(struct signal *s, struct bytes value)
{
	uint8_t prefix_len = value.at[1];
	struct bytes octets = bytes_slice(value, 2, 16);
	if (prefix_len == 0 || prefix_len > 128) {
		s->defects |= SIGNAL_DEFECT_VALUE;
		return;
	}
	if (octets.len < (prefix_len + 7u) / 8) {
		s->defects |= SIGNAL_DEFECT_LENGTH;
		return;
	}
	struct address a = address_of(6, octets);
	signal_add_lease(s, &a, prefix_len, UINT32_MAX);
}

static void leases_read(struct reading *r)
{
	struct bytes rest = r->radius.attributes;
	struct radius_attribute a;
	while (radius_next(&rest, &a)) {
		const struct layout *layout = layout_find(a.type);
		if (!layout || a.value.len < layout->least || a.value.len > layout->greatest)
			continue;
		if (a.type == RADIUS_FRAMED_IP_ADDRESS || a.type == RADIUS_FRAMED_IPV6_ADDRESS)
			address_lease(r->out, a.value);
		else if (a.type == RADIUS_FRAMED_IPV6_PREFIX ||
			 a.type == RADIUS_DELEGATED_IPV6_PREFIX)
			prefix_lease(r->out, a.value);
	}
}

// --- what changes ------------------------------------------------------------------------------------------

static enum signal_change change_of(uint32_t status)
{
	switch (status) {
	case RADIUS_STATUS_START:
	case RADIUS_STATUS_INTERIM_UPDATE:
		return CHANGE_BIND;
	case RADIUS_STATUS_STOP:
		return CHANGE_END;
	case RADIUS_STATUS_ACCOUNTING_ON:
	case RADIUS_STATUS_ACCOUNTING_OFF:
		return CHANGE_RESTART;
	default: // of tunnels and links (RFC 2867), of vendors
		return CHANGE_NONE;
	}
}

static void accounting_read(struct reading *r)
{
	struct signal *s = r->out;
	enum signal_change change = change_of(status_of(r));
	bool needs_session = change == CHANGE_BIND || change == CHANGE_END;
	s->authority = r->flow->source;
	s->peer = r->flow->destination;
	if (!has(r, FIELD_STATUS) || (needs_session && !has(r, FIELD_SESSION)))
		s->defects |= SIGNAL_DEFECT_MISSING;
	// A binding without a session could never be ended.
	if (needs_session && !has(r, FIELD_SESSION))
		return;
	s->change = change;
	s->ends = change == CHANGE_END;
	if (change == CHANGE_BIND)
		leases_read(r);
}

enum parse_result radius_signal_read(struct bytes payload, const struct packet *packet,
	const struct signal_rules *rules, struct signal *out)
{
	struct reading r = {.flow = &packet->flow, .rules = rules, .out = out};
	if (radius_parse(payload, &r.radius) != PARSE_OK)
		return PARSE_FOREIGN;
	signal_clear(out, SIGNAL_RADIUS);
	out->octets = r.radius.octets;
	out->message_type = r.radius.code;
	out->is_answer = radius_is_answer(r.radius.code);

	r.subjects = subjects_of(r.radius.code);
	// The server of dynamic authorisation asks, that of access and accounting is asked.
	bool is_from_nas = out->is_answer == !!(r.subjects & SUBJECT_DYNAMIC);
	r.nas = is_from_nas ? &r.flow->source : &r.flow->destination;
	r.server = is_from_nas ? &r.flow->destination : &r.flow->source;

	fields_read(&r);
	exchange_names(&r);
	state_name(&r);
	session_names(&r);
	radius_show_identities(&r.radius, out);
	if (rules->wants_attributes)
		radius_show_attributes(&r.radius, out);
	if (r.radius.code == RADIUS_ACCOUNTING_REQUEST)
		accounting_read(&r);
	out->ends |= r.radius.code == RADIUS_DISCONNECT_ACK;
	return PARSE_OK;
}
