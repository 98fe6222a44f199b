#include "dhcpv4.h"

enum { SNAME_AT = 44, SNAME_LEN = 64, FILE_AT = 108, FILE_LEN = 128 }; // RFC 2131 figure 1
enum { CODE_PAD = 0, CODE_END = 255 };
enum { OVERLOADS_FILE = 1, OVERLOADS_SNAME = 2 }; // bits of option 52
enum { CLIENT_ID_IAID_DUID = 255 };

// What options are read, and which lengths they can have once put together.
static const struct {
	uint8_t code, least, greatest; // greatest 0: no bound of its own
} known_options[DHCPV4_OPTIONS] = {
	[DHCPV4_REQUESTED_ADDRESS] = {50, 4, 4},
	[DHCPV4_LEASE_TIME] = {51, 4, 4},
	[DHCPV4_OVERLOAD] = {52, 1, 1},
	[DHCPV4_MESSAGE_TYPE] = {53, 1, 1},
	[DHCPV4_SERVER_ID] = {54, 4, 4},
	[DHCPV4_CLIENT_ID] = {61, 2, 0},
	[DHCPV4_RAPID_COMMIT] = {80, 0, 0},
	[DHCPV4_AGENT_INFORMATION] = {82, 2, 0},
	[DHCPV4_PORT_PARAMETERS] = {159, 4, 4},
};

static struct address address_read(struct reader *r)
{
	struct bytes octets = read_bytes(r, 4);
	struct address a = {.family = 4};
	if (octets.len)
		memcpy(a.octets, octets.at, octets.len);
	return a;
}

static void part_keep(struct dhcpv4 *m, uint8_t code, struct bytes value)
{
	for (unsigned name = 0; name < DHCPV4_OPTIONS; name++) {
		if (known_options[name].code != code)
			continue;
		struct dhcpv4_option *option = &m->options[name];
		if (option->part_count == DHCPV4_MAX_PARTS)
			m->defects |= DHCP_DEFECT_EXCESS;
		else
			option->parts[option->part_count++] = value;
		return;
	}
}

// Reads the options of one field.
static void field_read(struct dhcpv4 *m, struct bytes field)
{
	struct reader r = reader_of(field);
	while (reader_left(&r)) {
		uint8_t code = read_u8(&r);
		if (code == CODE_END)
			return;
		if (code == CODE_PAD)
			continue;
		size_t len = read_u8(&r);
		struct bytes value = read_bytes(&r, len);
		if (r.overrun) {
			m->defects |= DHCP_DEFECT_TRUNCATED;
			return;
		}
		part_keep(m, code, value);
	}
	m->defects |= DHCP_DEFECT_MISSING; // option End
}

struct bytes dhcpv4_option(
	const struct dhcpv4 *m, enum dhcpv4_option_name name, struct dhcpv4_room *room)
{
	const struct dhcpv4_option *option = &m->options[name];
	if (option->part_count == 0)
		return (struct bytes){NULL, 0};
	if (option->part_count == 1)
		return option->parts[0];
	struct writer w = writer_of(room->octets, sizeof room->octets);
	for (unsigned i = 0; i < option->part_count; i++)
		write_bytes(&w, option->parts[i]);
	return writer_bytes(&w);
}

static bool length_fits(enum dhcpv4_option_name name, size_t len)
{
	size_t greatest = known_options[name].greatest;
	return len >= known_options[name].least && (greatest == 0 || len <= greatest);
}

// A value of a length that it can have, or an empty one. Where an option that cannot be long is repeated, the first counts.
static struct bytes checked_option(
	struct dhcpv4 *m, enum dhcpv4_option_name name, struct dhcpv4_room *room)
{
	struct bytes value = dhcpv4_option(m, name, room);
	if (m->options[name].part_count == 0 || length_fits(name, value.len))
		return value;
	m->defects |= DHCP_DEFECT_LENGTH;
	struct bytes first = m->options[name].parts[0];
	return length_fits(name, first.len) ? first : (struct bytes){NULL, 0};
}

static uint8_t option_u8(struct dhcpv4 *m, enum dhcpv4_option_name name)
{
	struct dhcpv4_room room;
	struct bytes value = checked_option(m, name, &room);
	return value.len ? value.at[0] : 0;
}

static struct address option_address(struct dhcpv4 *m, enum dhcpv4_option_name name)
{
	struct dhcpv4_room room;
	struct reader r = reader_of(checked_option(m, name, &room));
	return reader_left(&r) ? address_read(&r) : (struct address){.family = 0};
}

// Options may go on where the names of server and boot file stand (RFC 2132 section 9.3).
static void overload_read(struct dhcpv4 *m)
{
	if (m->options[DHCPV4_OVERLOAD].part_count == 0)
		return;
	uint8_t overload = option_u8(m, DHCPV4_OVERLOAD);
	if (overload == 0 || overload > (OVERLOADS_FILE | OVERLOADS_SNAME)) {
		m->defects |= DHCP_DEFECT_VALUE;
		return;
	}
	if (overload & OVERLOADS_FILE)
		field_read(m, bytes_slice(m->octets, FILE_AT, FILE_LEN));
	if (overload & OVERLOADS_SNAME)
		field_read(m, bytes_slice(m->octets, SNAME_AT, SNAME_LEN));
}

static void options_read(struct dhcpv4 *m, struct bytes field)
{
	for (unsigned name = 0; name < DHCPV4_OPTIONS; name++)
		m->options[name].part_count = 0;
	field_read(m, field);
	overload_read(m);

	struct dhcpv4_room room;
	m->message_type = option_u8(m, DHCPV4_MESSAGE_TYPE);
	m->is_bootp = m->options[DHCPV4_MESSAGE_TYPE].part_count == 0 &&
	              !(m->defects & DHCP_DEFECT_TRUNCATED);
	struct reader lease_time = reader_of(checked_option(m, DHCPV4_LEASE_TIME, &room));
	m->has_lease_time = reader_left(&lease_time) > 0;
	m->lease_time_s = m->has_lease_time ? read_be32(&lease_time) : 0;
	m->requested = option_address(m, DHCPV4_REQUESTED_ADDRESS);
	m->server_id = option_address(m, DHCPV4_SERVER_ID);
	checked_option(m, DHCPV4_CLIENT_ID, &room);
	checked_option(m, DHCPV4_AGENT_INFORMATION, &room);
}

enum parse_result dhcpv4_parse(struct bytes payload, struct dhcpv4 *out)
{
	struct reader r = reader_of(payload);
	uint8_t op = read_u8(&r);
	uint8_t htype = read_u8(&r);
	size_t hlen = read_u8(&r);
	uint8_t hops = read_u8(&r);
	uint32_t xid = read_be32(&r);
	read_be32(&r); // secs, flags
	struct address ciaddr = address_read(&r);
	struct address yiaddr = address_read(&r);
	struct address siaddr = address_read(&r);
	struct address giaddr = address_read(&r);
	struct bytes chaddr = read_bytes(&r, DHCPV4_MAX_CHADDR);
	read_bytes(&r, SNAME_LEN + FILE_LEN);
	uint32_t cookie = read_be32(&r);

	if (payload.len && op != BOOTREQUEST && op != BOOTREPLY)
		return PARSE_FOREIGN;
	if (r.overrun)
		return PARSE_TRUNCATED;
	if (cookie != DHCPV4_COOKIE)
		return PARSE_FOREIGN;

	out->octets = payload;
	out->op = op;
	out->htype = htype;
	out->hops = hops;
	out->xid = xid;
	out->ciaddr = ciaddr;
	out->yiaddr = yiaddr;
	out->siaddr = siaddr;
	out->giaddr = giaddr;
	out->chaddr = bytes_slice(chaddr, 0, hlen);
	out->defects = hlen > DHCPV4_MAX_CHADDR ? DHCP_DEFECT_LENGTH : 0;
	options_read(out, read_bytes(&r, reader_left(&r)));
	return PARSE_OK;
}

bool dhcpv4_client_duid(struct bytes client_id, uint32_t *iaid, struct bytes *duid)
{
	struct reader r = reader_of(client_id);
	uint8_t type = read_u8(&r);
	uint32_t number = read_be32(&r);
	if (r.overrun || type != CLIENT_ID_IAID_DUID)
		return false;
	*iaid = number;
	*duid = read_bytes(&r, reader_left(&r));
	return true;
}
