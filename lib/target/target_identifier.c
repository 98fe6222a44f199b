#include <stdio.h>
#include <stdlib.h>

#include "nearest.h"
#include "target_reading.h"
#include "x2_pdu.h"

// --- fragments: what attribute 17 will carry -----------------------------------------------------------------

static struct writer fragment_start(struct reading *r)
{
	return writer_of(r->scratch, FRAGMENT_MAX);
}

static bool fragment_finish(struct reading *r, const struct place *place,
	const struct yaml_node *node, const struct writer *w, struct identifier *out)
{
	if (w->overflow) {
		target_complain(r, node->mark, X1_TASK_FAILED, place,
			"is longer than an X2 attribute can be (%d octets)", FRAGMENT_MAX);
		return false;
	}
	char *copy = take(r, w->len + 1); // zeroed: ends with a NUL
	if (copy)
		memcpy(copy, w->at, w->len);
	out->fragment = copy;
	return copy != NULL;
}

static bool fragment_of_text(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct bytes text, struct identifier *out)
{
	struct writer w = fragment_start(r);
	x2_identifier_write(&w, identifier_element(out->type), text);
	return fragment_finish(r, place, node, &w, out);
}

// --- addresses and prefixes ----------------------------------------------------------------------------------

// Dotted decimal with its leading zeros taken away: X1's schema allows them, and means decimal.
static struct bytes without_leading_zeros(struct bytes text, uint8_t room[static ADDRESS_TEXT])
{
	struct writer w = writer_of(room, ADDRESS_TEXT);
	for (size_t i = 0; i < text.len; i++) {
		bool starts = i == 0 || text.at[i - 1] == '.' ||
		              (text.at[i - 1] == '0' && (w.len == 0 || room[w.len - 1] == '.'));
		bool goes_on = i + 1 < text.len && ascii_is_digit(text.at[i + 1]);
		if (text.at[i] == '0' && starts && goes_on)
			continue;
		write_u8(&w, text.at[i]);
	}
	return w.overflow ? text : writer_bytes(&w);
}

static bool address_read(struct bytes text, struct address *out)
{
	uint8_t room[ADDRESS_TEXT];
	if (text.len && !memchr(text.at, ':', text.len))
		text = without_leading_zeros(text, room);
	return address_parse(text, out);
}

static uint8_t address_bits(const struct address *a)
{
	return a->family == 4 ? 32 : 128;
}

static bool read_address(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct identifier *out)
{
	uint8_t family = out->type == IDENTIFIER_IPV4_ADDRESS ? 4 : 6;
	struct bytes text = node_text(node);
	if (!address_read(text, &out->address)) {
		bool prefix = memchr(node->text, '/', node->len) != NULL;
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is not an IPv%u address%s%s", node->text, family,
			prefix ? "; a prefix is " : "",
			prefix ? (family == 4 ? "ipv4Cidr" : "ipv6Cidr") : "");
		return false;
	}
	if (out->address.family != family) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is an IPv%u address: use ipv%uAddress", node->text,
			out->address.family, out->address.family);
		return false;
	}
	out->prefix_len = address_bits(&out->address);
	char canonical[ADDRESS_TEXT];
	address_format_x1(&out->address, canonical);
	return fragment_of_text(r, place, node, bytes_of_text(canonical), out);
}

// A number of up to ten digits; false if it is none.
static bool number_of(struct bytes text, uint64_t *out)
{
	uint64_t value = 0;
	if (text.len == 0 || text.len > 10)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!ascii_is_digit(text.at[i]))
			return false;
		value = value * 10 + (uint64_t)(text.at[i] - '0');
	}
	*out = value;
	return true;
}

static struct address address_cut(const struct address *a, uint8_t length)
{
	struct address cut = *a;
	for (unsigned bit = length; bit < address_bits(a); bit++)
		cut.octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return cut;
}

static bool check_host_bits(struct reading *r, const struct place *place,
	const struct yaml_node *node, const struct identifier *id)
{
	struct address network = address_cut(&id->address, id->prefix_len);
	if (memcmp(&network, &id->address, sizeof network) == 0)
		return true;
	char suggested[ADDRESS_TEXT];
	address_format(&network, suggested);
	target_complain(r, node->mark, X1_TASK_FAILED, place,
		"'%.64s' has host bits set (did you mean %s/%u?)", node->text, suggested,
		id->prefix_len);
	return false;
}

static bool split_prefix(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct identifier *out)
{
	struct bytes text = node_text(node);
	const char *slash = strchr(node->text, '/');
	const char *single = out->type == IDENTIFIER_IPV4_CIDR ? "ipv4Address" : "ipv6Address";
	if (!slash) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' has no prefix length, as in 192.0.2.0/24; a single address is %s",
			node->text, single);
		return false;
	}
	size_t at = (size_t)(slash - node->text);
	if (!address_read(bytes_slice(text, 0, at), &out->address)) {
		target_complain(
			r, node->mark, X1_SYNTAX, place, "'%.64s' is not an IP prefix", node->text);
		return false;
	}
	uint64_t length;
	uint8_t most = address_bits(&out->address);
	if (!number_of(bytes_slice(text, at + 1, text.len), &length) || length > most) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s': the prefix length must be 0 to %u", node->text, most);
		return false;
	}
	out->prefix_len = (uint8_t)length;
	return true;
}

// By the schema an ipv4Cidr is a container that may hold an IPv6 prefix; an ipv6Cidr is an IPv6 prefix.
static bool read_prefix(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct identifier *out)
{
	if (!split_prefix(r, place, node, out))
		return false;
	bool ipv4 = out->address.family == 4;
	if (ipv4 && out->type == IDENTIFIER_IPV6_CIDR) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is an IPv4 prefix: use ipv4Cidr", node->text);
		return false;
	}
	if (!check_host_bits(r, place, node, out))
		return false;
	char canonical[ADDRESS_TEXT];
	address_format_x1(&out->address, canonical);
	struct writer w = fragment_start(r);
	const char *inner = ipv4 ? "IPv4CIDR" : "IPv6CIDR";
	if (out->type == IDENTIFIER_IPV4_CIDR)
		write_format(&w, "<ipv4Cidr><%s>%s/%u</%s></ipv4Cidr>", inner, canonical,
			out->prefix_len, inner);
	else
		write_format(&w, "<ipv6Cidr>%s/%u</ipv6Cidr>", canonical, out->prefix_len);
	return fragment_finish(r, place, node, &w, out);
}

// --- ports ---------------------------------------------------------------------------------------------------

static bool is_tcp(enum identifier_type type)
{
	return type < IDENTIFIER_UDP_PORT;
}

static bool port_read(struct reading *r, const struct place *place, const struct yaml_node *node,
	bool tcp, uint16_t *out)
{
	if (!expect_scalar(r, place, node))
		return false;
	uint64_t port;
	if (!number_of(node_text(node), &port) || port > UINT16_MAX || (tcp && port < 2)) {
		target_complain(r, node->mark, X1_SYNTAX, place, "'%.64s' is not a %s port, %s",
			node->text, tcp ? "TCP" : "UDP",
			tcp ? "2 to 65535 (X1 knows no TCP port 0 or 1)" : "0 to 65535");
		return false;
	}
	*out = (uint16_t)port;
	return true;
}

static bool keep_ranges(
	struct reading *r, struct identifier *out, const struct port_range *ranges, size_t count)
{
	out->ports = take_copy(r, ranges, count * sizeof *ranges);
	out->port_count = (uint16_t)count;
	return out->ports != NULL;
}

static bool read_port(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct identifier *out)
{
	struct port_range range;
	if (!port_read(r, place, node, is_tcp(out->type), &range.first))
		return false;
	range.last = range.first;
	struct writer w = fragment_start(r);
	const char *element = identifier_element(out->type);
	write_format(&w, "<%s>%u</%s>", element, range.first, element);
	return keep_ranges(r, out, &range, 1) && fragment_finish(r, place, node, &w, out);
}

static bool read_port_range(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct identifier *out)
{
	static const struct key keys[] = {{"start", true}, {"end", true}};
	check_keys(r, place, node, keys, 2);
	const struct yaml_node *start = yaml_get(node, "start"), *end = yaml_get(node, "end");
	if (!start || !end)
		return false;
	const struct place start_place = {place, "start", 0, false};
	const struct place end_place = {place, "end", 0, false};
	struct port_range range;
	bool tcp = is_tcp(out->type);
	bool good = port_read(r, &start_place, start, tcp, &range.first);
	good &= port_read(r, &end_place, end, tcp, &range.last);
	if (!good)
		return false;
	if (range.first > range.last) {
		target_complain(r, start->mark, X1_TASK_FAILED, place,
			"start %u is above end %u (did you mean {start: %u, end: %u}?)",
			range.first, range.last, range.last, range.first);
		return false;
	}
	struct writer w = fragment_start(r);
	const char *element = identifier_element(out->type);
	write_format(&w, "<%s><start>%u</start><end>%u</end></%s>", element, range.first,
		range.last, element);
	return keep_ranges(r, out, &range, 1) && fragment_finish(r, place, node, &w, out);
}

static int by_first(const void *left, const void *right)
{
	const struct port_range *a = left, *b = right;
	return a->first < b->first ? -1 : a->first > b->first;
}

// Sorts single ports and joins neighbours; returns how many ranges they are.
static size_t merge(struct port_range *ranges, size_t count)
{
	qsort(ranges, count, sizeof *ranges, by_first);
	size_t merged = 1;
	for (size_t i = 1; i < count; i++) {
		struct port_range *last = &ranges[merged - 1];
		if (ranges[i].first <= (uint32_t)last->last + 1)
			last->last = ranges[i].last;
		else
			ranges[merged++] = ranges[i];
	}
	return merged;
}

static bool list_ports(struct reading *r, const struct place *place, const struct yaml_node *list,
	struct identifier *out, struct port_range *ranges, struct writer *w)
{
	bool tcp = is_tcp(out->type), good = true;
	const char *element = tcp ? "tcpPort" : "udpPort";
	size_t count = 0;
	for (const struct yaml_node *n = list->first; n; n = n->next) {
		const struct place item = {place->up, place->name, (uint32_t)count, true};
		struct port_range *range = &ranges[count++];
		good &= port_read(r, &item, n, tcp, &range->first);
		range->last = range->first;
		write_format(w, "<%s>%u</%s>", element, range->first, element);
	}
	return good && keep_ranges(r, out, ranges, merge(ranges, count));
}

static bool read_port_list(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct identifier *out)
{
	if (node->len == 0) {
		target_complain(r, node->mark, X1_SYNTAX, place, "must list at least one port");
		return false;
	}
	struct port_range *ranges = calloc(node->len, sizeof *ranges);
	if (!ranges) {
		r->out_of_memory = true;
		return false;
	}
	struct writer w = fragment_start(r);
	const char *element = identifier_element(out->type);
	write_format(&w, "<%s>", element);
	bool good = list_ports(r, place, node, out, ranges, &w);
	write_format(&w, "</%s>", element);
	free(ranges);
	return good && fragment_finish(r, place, node, &w, out);
}

// --- tunnels -------------------------------------------------------------------------------------------------

// The schema lets 2^32 pass, which no TEID can be (TS 29.281 clause 5.1).
static bool teid_read(
	struct reading *r, const struct place *place, const struct yaml_node *node, uint32_t *out)
{
	uint64_t id;
	if (!number_of(node_text(node), &id) || id > UINT32_MAX) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is not a tunnel endpoint identifier, 0 to 4294967295", node->text);
		return false;
	}
	*out = (uint32_t)id;
	return true;
}

static bool fragment_of_teid(struct reading *r, const struct place *place,
	const struct yaml_node *node, uint32_t teid, struct identifier *out)
{
	struct writer w = fragment_start(r);
	const char *element = identifier_element(out->type);
	write_format(&w, "<%s>%u</%s>", element, teid, element);
	return fragment_finish(r, place, node, &w, out);
}

static bool read_tunnel_id(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct identifier *out)
{
	return teid_read(r, place, node, &out->tunnel_id) &&
	       fragment_of_teid(r, place, node, out->tunnel_id, out);
}

// --- parties -------------------------------------------------------------------------------------------------

static bool keep_identity(
	struct reading *r, struct identifier *out, const struct identity *identity)
{
	uint8_t *copy = take_copy(r, identity->octets, identity->len);
	out->identity_kind = identity->kind;
	out->identity = bytes_of(copy, identity->len);
	return copy != NULL;
}

// Characters of the schema's SIPURI, TELURI and IMPU.
static bool is_uri_character(uint8_t c)
{
	return c > ' ' && c < 0x7f && !strchr("\"<>\\^`{|}", c);
}

static bool check_uri_characters(
	struct reading *r, const struct place *place, const struct yaml_node *node)
{
	for (uint32_t i = 0; i < node->len; i++) {
		uint8_t c = (uint8_t)node->text[i];
		if (is_uri_character(c))
			continue;
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s': character %u may not stand in a URI: leave it out, or write %%%02X",
			node->text, i + 1, c);
		return false;
	}
	return true;
}

static bool is_wanted_scheme(enum identifier_type type, enum sip_scheme scheme)
{
	bool sip = scheme == SIP_SCHEME_SIP || scheme == SIP_SCHEME_SIPS;
	bool tel = scheme == SIP_SCHEME_TEL;
	return (sip && type != IDENTIFIER_TEL_URI) || (tel && type != IDENTIFIER_SIP_URI);
}

static bool check_scheme(struct reading *r, const struct place *place, const struct yaml_node *node,
	enum identifier_type type, enum sip_scheme scheme)
{
	if (is_wanted_scheme(type, scheme))
		return true;
	target_complain(r, node->mark, X1_SYNTAX, place, "'%.64s' must begin with %s", node->text,
		type == IDENTIFIER_SIP_URI   ? "sip: or sips:"
		: type == IDENTIFIER_TEL_URI ? "tel:"
					     : "sip:, sips: or tel:");
	return false;
}

// A ':' behind the host that no port follows: what cannot be read must not be ignored.
static bool has_unread_port(const struct yaml_node *node, const struct sip_uri *uri)
{
	if (uri->has_port || uri->host.len == 0)
		return false;
	const uint8_t *end = (const uint8_t *)node->text + node->len;
	const uint8_t *at = uri->host.at + uri->host.len;
	if (at < end && *at == ']')
		at++;
	return at < end && *at != ';' && *at != '?';
}

// What is wrong with a URI that names a target, or NULL.
static const char *uri_fault(const struct yaml_node *node, const struct sip_uri *uri)
{
	if (uri->scheme != SIP_SCHEME_TEL && uri->user.len == 0)
		return "names a whole domain, not a subscriber: a user part and '@' are missing";
	if (uri->scheme != SIP_SCHEME_TEL && uri->host.len == 0)
		return "has no host";
	if (uri->headers.len)
		return "has header fields ('?...'), which name no subscriber";
	if (has_unread_port(node, uri))
		return "has something behind its host that is no port (0 to 65535)";
	return NULL;
}

static bool keep_uri(struct reading *r, struct identifier *out, const struct yaml_node *node,
	enum identity_kind kind)
{
	// The views of what is stated must outlive the YAML document: a copy of the text, parsed again.
	char *text = take_copy(r, node->text, node->len);
	struct sip_uri *stated = take(r, sizeof *stated);
	if (!text || !stated || sip_uri_parse(bytes_of(text, node->len), stated) != PARSE_OK)
		return false;
	out->stated = identity_states_more(stated, kind) ? stated : NULL;
	return true;
}

static bool read_uri(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct identifier *out)
{
	if (!check_uri_characters(r, place, node))
		return false;
	struct sip_uri uri = {.scheme = SIP_SCHEME_OTHER};
	size_t scheme_len = sip_uri_scheme(node_text(node), &uri.scheme);
	if (!check_scheme(r, place, node, out->type, scheme_len ? uri.scheme : SIP_SCHEME_OTHER))
		return false;
	struct identity identity;
	const char *fault = sip_uri_parse(node_text(node), &uri) != PARSE_OK
	                            ? "is not a URI"
	                            : uri_fault(node, &uri);
	if (!fault && !identity_of_target_uri(&uri, r->rules->numbering, &identity))
		fault = uri.scheme == SIP_SCHEME_TEL ? "is not a telephone number"
		                                     : "is too long to be compared";
	if (fault) {
		target_complain(r, node->mark, X1_SYNTAX, place, "'%.64s' %s", node->text, fault);
		return false;
	}
	if (identity_states_more(&uri, identity.kind) && !keep_uri(r, out, node, identity.kind))
		return false;

	// The schema wants the scheme in lower case.
	uint8_t *text = take_copy(r, node->text, node->len);
	for (size_t i = 0; text && i < scheme_len; i++)
		text[i] = ascii_lower(text[i]);
	return text && keep_identity(r, out, &identity) &&
	       fragment_of_text(r, place, node, bytes_of(text, node->len), out);
}

// As people write numbers: with + and separators, which X1 does not want.
static bool read_e164(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct identifier *out)
{
	uint8_t digits[32];
	struct writer w = writer_of(digits, sizeof digits);
	for (uint32_t i = node->text[0] == '+'; i < node->len; i++)
		if (!strchr("-.() ", node->text[i]))
			write_u8(&w, (uint8_t)node->text[i]);
	struct identity identity;
	if (w.overflow || !identity_of_e164(writer_bytes(&w), &identity)) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is not an E.164 number: 1 to 15 digits, with the country code",
			node->text);
		return false;
	}
	return keep_identity(r, out, &identity) &&
	       fragment_of_text(r, place, node, writer_bytes(&w), out);
}

static bool read_user_name(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct identifier *out)
{
	struct identity identity;
	for (uint32_t i = 0; i < node->len; i++)
		if ((uint8_t)node->text[i] < ' ' || node->text[i] == 0x7f) {
			target_complain(r, node->mark, X1_SYNTAX, place,
				"control characters may not stand in a user name");
			return false;
		}
	if (!identity_of_nai(node_text(node), &identity)) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"a user name has 1 to %d octets, this one has %u", IDENTITY_MAX, node->len);
		return false;
	}
	return keep_identity(r, out, &identity) &&
	       fragment_of_text(r, place, node, node_text(node), out);
}

// A tunnel of the control plane is looked for in messages, not around packets, so it is a party of its own.
static bool read_control_tunnel_id(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct identifier *out)
{
	uint32_t teid;
	struct identity identity;
	if (!teid_read(r, place, node, &teid))
		return false;
	identity_of_gtpc_tunnel(teid, &identity);
	return keep_identity(r, out, &identity) && fragment_of_teid(r, place, node, teid, out);
}

// IMSI, IMEI and IMEISV are plain digits; how many is all that can be checked.
static const struct digits_form {
	enum identifier_type type;
	uint8_t least, most;
	bool (*identity_of)(struct bytes digits, struct identity *out);
	const char *is_not; // what the text is not
} digits_forms[] = {
	{IDENTIFIER_IMSI, 6, 15, identity_of_imsi, "an IMSI: 6 to 15 digits"},
	{IDENTIFIER_SUPI_IMSI, 6, 15, identity_of_imsi, "an IMSI: 6 to 15 digits"},
	{IDENTIFIER_IMEI, 14, 14, identity_of_imei,
		"an IMEI: 14 digits, without check digit or software version"},
	{IDENTIFIER_PEI_IMEI, 14, 14, identity_of_imei,
		"an IMEI: 14 digits, without check digit or software version"},
	{IDENTIFIER_PEI_IMEISV, 16, 16, identity_of_imeisv, "an IMEISV: 16 digits"},
};

static bool read_digits(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct identifier *out)
{
	const struct digits_form *form = digits_forms;
	while (form->type != out->type)
		form++;
	struct bytes text = node_text(node);
	struct identity identity;
	if (text.len < form->least || text.len > form->most ||
		!form->identity_of(text, &identity)) {
		target_complain(r, node->mark, X1_SYNTAX, place, "'%.64s' is not %s", node->text,
			form->is_not);
		return false;
	}
	return keep_identity(r, out, &identity) && fragment_of_text(r, place, node, text, out);
}

// Six pairs of hex digits with ':' or '-' between them.
static bool mac_read(struct bytes text, uint8_t octets[static 6])
{
	if (text.len != 17)
		return false;
	for (size_t i = 0; i < 6; i++) {
		const uint8_t *at = text.at + 3 * i;
		int high = ascii_hex_value(at[0]), low = ascii_hex_value(at[1]);
		if (high < 0 || low < 0 || (i > 0 && at[-1] != text.at[2]))
			return false;
		octets[i] = (uint8_t)(high << 4 | low);
	}
	return text.at[2] == ':' || text.at[2] == '-';
}

// A group address (IEEE 802 clause 8.2.2: the lowest bit of the first octet) is in everybody's frames, and no station has 0.
static bool is_station(const uint8_t octets[static 6])
{
	static const uint8_t nobody[6] = {0};
	return (octets[0] & 1) == 0 && memcmp(octets, nobody, sizeof nobody) != 0;
}

static bool read_mac_address(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct identifier *out)
{
	uint8_t octets[6];
	if (!mac_read(node_text(node), octets)) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is not a MAC address, as in 00:00:5e:00:53:01", node->text);
		return false;
	}
	if (!is_station(octets)) {
		target_complain(r, node->mark, X1_TASK_FAILED, place,
			"'%.64s' is no station's: a group, all of them, or none", node->text);
		return false;
	}
	struct identity identity;
	identity_of_mac(octets, &identity);
	char canonical[18];
	snprintf(canonical, sizeof canonical, "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1],
		octets[2], octets[3], octets[4], octets[5]);
	return keep_identity(r, out, &identity) &&
	       fragment_of_text(r, place, node, bytes_of_text(canonical), out);
}

enum {
	ATTRIBUTE_HEADER = 2, // octets of type and length (RFC 2865 section 5)
	ATTRIBUTE_MAX = 255
};

// Returns the octets of whole pairs of hex digits, 0 when the text is something else or too long.
static size_t hex_read(struct bytes text, uint8_t octets[static ATTRIBUTE_MAX])
{
	if (text.len % 2 || text.len > 2 * ATTRIBUTE_MAX)
		return 0;
	for (size_t i = 0; i < text.len; i++) {
		int nibble = ascii_hex_value(text.at[i]);
		if (nibble < 0)
			return 0;
		octets[i / 2] = (uint8_t)(octets[i / 2] << 4 | nibble);
	}
	return text.len / 2;
}

static bool read_radius_attribute(struct reading *r, const struct place *place,
	const struct yaml_node *node, struct identifier *out)
{
	uint8_t octets[ATTRIBUTE_MAX] = {0};
	size_t len = hex_read(node_text(node), octets);
	if (len == 0) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is not a RADIUS attribute: pairs of hex digits, at most %d of them",
			node->text, ATTRIBUTE_MAX);
		return false;
	}
	struct identity identity;
	if (len <= ATTRIBUTE_HEADER || !identity_of_attribute(bytes_of(octets, len), &identity)) {
		target_complain(r, node->mark, X1_SYNTAX, place,
			"'%.64s' is not one whole RADIUS attribute: its type, its length (here %zu, in "
			"hex %02x) and its value",
			node->text, len, (unsigned)len);
		return false;
	}
	return keep_identity(r, out, &identity) &&
	       fragment_of_text(r, place, node, node_text(node), out);
}

// --- the choice ----------------------------------------------------------------------------------------------

typedef bool value_reader(
	struct reading *, const struct place *, const struct yaml_node *, struct identifier *);

// The 40 members of X1's TargetIdentifier (TS 103 221-1 V1.23.1, in the order of its schema).
static const struct form {
	const char *name;
	value_reader *read; // NULL: not supported by this version
	enum yaml_kind kind;
	enum identifier_type type;
} forms[] = {
	{"e164Number", read_e164, YAML_SCALAR, IDENTIFIER_E164_NUMBER},
	{"imsi", read_digits, YAML_SCALAR, IDENTIFIER_IMSI},
	{"imei", read_digits, YAML_SCALAR, IDENTIFIER_IMEI},
	{"macAddress", read_mac_address, YAML_SCALAR, IDENTIFIER_MAC_ADDRESS},
	{"ipv4Address", read_address, YAML_SCALAR, IDENTIFIER_IPV4_ADDRESS},
	{"ipv6Address", read_address, YAML_SCALAR, IDENTIFIER_IPV6_ADDRESS},
	{"ipv4Cidr", read_prefix, YAML_SCALAR, IDENTIFIER_IPV4_CIDR},
	{"ipv6Cidr", read_prefix, YAML_SCALAR, IDENTIFIER_IPV6_CIDR},
	{"tcpPort", read_port, YAML_SCALAR, IDENTIFIER_TCP_PORT},
	{"tcpPortRange", read_port_range, YAML_MAP, IDENTIFIER_TCP_PORT_RANGE},
	{"tcpPortList", read_port_list, YAML_LIST, IDENTIFIER_TCP_PORT_LIST},
	{"udpPort", read_port, YAML_SCALAR, IDENTIFIER_UDP_PORT},
	{"udpPortRange", read_port_range, YAML_MAP, IDENTIFIER_UDP_PORT_RANGE},
	{"udpPortList", read_port_list, YAML_LIST, IDENTIFIER_UDP_PORT_LIST},
	{.name = "emailAddress"},
	{.name = "internationalizedEmailAddress"},
	{"sipUri", read_uri, YAML_SCALAR, IDENTIFIER_SIP_URI},
	{"telUri", read_uri, YAML_SCALAR, IDENTIFIER_TEL_URI},
	{.name = "h323Uri"},
	{"impu", read_uri, YAML_SCALAR, IDENTIFIER_IMPU},
	{"impi", read_user_name, YAML_SCALAR, IDENTIFIER_IMPI},
	{"nai", read_user_name, YAML_SCALAR, IDENTIFIER_NAI},
	{"radiusAttribute", read_radius_attribute, YAML_SCALAR, IDENTIFIER_RADIUS_ATTRIBUTE},
	{"gtpuTunnelId", read_tunnel_id, YAML_SCALAR, IDENTIFIER_GTPU_TUNNEL_ID},
	{"gtpcTunnelId", read_control_tunnel_id, YAML_SCALAR, IDENTIFIER_GTPC_TUNNEL_ID},
	{.name = "callPartyRole"},
	{.name = "nonLocalIdentifier"},
	{"supiimsi", read_digits, YAML_SCALAR, IDENTIFIER_SUPI_IMSI},
	{.name = "supinai"},
	{.name = "suci"},
	{"peiImei", read_digits, YAML_SCALAR, IDENTIFIER_PEI_IMEI},
	{.name = "peiImeiCheckDigit"},
	{"peiImeisv", read_digits, YAML_SCALAR, IDENTIFIER_PEI_IMEISV},
	{"gpsiMsisdn", read_e164, YAML_SCALAR, IDENTIFIER_GPSI_MSISDN},
	{.name = "gpsiNai"},
	{.name = "eui64"},
	{.name = "serviceAccessIdentifier"},
	{.name = "hashedIdentifier"},
	{.name = "targetIdentifierExtension"},
	{.name = "vrf"},
};
enum { FORMS = sizeof forms / sizeof *forms };
_Static_assert(FORMS == 40, "X1 V1.23.1 has forty");

static const struct form *form_of(
	struct reading *r, const struct place *place, const struct yaml_node *value)
{
	for (size_t i = 0; i < FORMS; i++)
		if (strcmp(forms[i].name, value->key) == 0)
			return &forms[i];
	struct nearest nearest = nearest_to(value->key);
	for (size_t i = 0; i < FORMS; i++)
		nearest_try(&nearest, forms[i].name);
	const char *near = nearest.found;
	target_complain(r, value->key_mark, X1_SYNTAX, place,
		"X1 knows no target identifier '%.64s'%s%s%s", value->key,
		near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return NULL;
}

enum dimension identifier_dimension(enum identifier_type type)
{
	if (type <= IDENTIFIER_IPV6_CIDR)
		return DIMENSION_ADDRESS;
	if (type == IDENTIFIER_GTPU_TUNNEL_ID)
		return DIMENSION_TUNNEL;
	return type <= IDENTIFIER_UDP_PORT_LIST ? DIMENSION_PORT : DIMENSION_PARTY;
}

static bool expect_kind(struct reading *r, const struct place *place, const struct yaml_node *node,
	enum yaml_kind kind)
{
	if (kind == YAML_LIST)
		return expect_list(r, place, node);
	return kind == YAML_MAP ? expect_map(r, place, node) : expect_scalar(r, place, node);
}

// What to order in the place of what is not supported, or NULL.
static const char *instead_of(const struct form *form)
{
	static const struct {
		const char *name, *instead;
	} others[] = {
		{"supinai", "nai"},
		{"gpsiNai", "nai"},
		{"peiImeiCheckDigit", "peiImei, without the check digit"},
	};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (strcmp(others[i].name, form->name) == 0)
			return others[i].instead;
	return NULL;
}

bool identifier_read(struct reading *r, const struct place *place, const struct yaml_node *item,
	struct identifier *out)
{
	if (!expect_map(r, place, item))
		return false;
	if (item->len != 1) {
		target_complain(r, item->mark, X1_SYNTAX, place,
			"each target identifier is a list item of its own ('- name: value'), this one has %u "
			"names",
			item->len);
		return false;
	}
	const struct yaml_node *value = item->first;
	const struct form *form = form_of(r, place, value);
	if (!form)
		return false;
	if (!form->read) {
		const char *instead = instead_of(form);
		target_complain(r, value->key_mark, X1_UNSUPPORTED_IDENTIFIER, place,
			"%s: not supported by this version%s%s", form->name,
			instead ? ": order " : "", instead ? instead : "");
		return false;
	}
	const struct place value_place = {place, form->name, 0, false};
	*out = (struct identifier){.type = form->type};
	return expect_kind(r, &value_place, value, form->kind) &&
	       form->read(r, &value_place, value, out);
}
