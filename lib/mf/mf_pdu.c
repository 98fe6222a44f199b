#include "mf_pdu.h"

#include "mf_text.h"

#include <stdarg.h>
#include <stdio.h>

enum offset { // of the fields of the fixed header (table 5.1-1)
	AT_VERSION = 0,
	AT_TYPE = 2,
	AT_HEADER_LENGTH = 4,
	AT_PAYLOAD_LENGTH = 8,
	AT_FORMAT = 12,
	AT_DIRECTION = 14,
	AT_XID = 16,
	AT_CORRELATION = 32,
	AT_ATTRIBUTES = 40,
};

enum {
	LENGTHS_LEN = 12, // octets until both lengths are known
	TYPE_AND_LENGTH_LEN = 4,
	DIRECTION_LAST = 5,
	NANOSECONDS = 1000000000,
	FORMAT_33128 = 2,
	FORMAT_IPV4 = 5,
	FORMAT_IPV6 = 6,
	FORMAT_SIP = 9,
	BER_SEQUENCE = 0x30,
};

enum attribute { // table 5.3.1-2, those whose value is looked at
	DOMAIN_ID = 5,
	NETWORK_FUNCTION_ID = 6,
	INTERCEPTION_POINT_ID = 7,
	SEQUENCE_NUMBER = 8,
	TIMESTAMP = 9,
	SOURCE_IPV4 = 10,
	DESTINATION_IPV4 = 11,
	SOURCE_IPV6 = 12,
	DESTINATION_IPV6 = 13,
	SOURCE_PORT = 14,
	DESTINATION_PORT = 15,
	IP_PROTOCOL = 16,
};

// Lengths of 0 and 65,535 stand for attributes of any length.
static const struct {
	const char *name;
	uint16_t least, greatest;
	bool repeats, is_text;
} attributes[] = {
	[1] = {"TS 102 232-1 attribute", 0, UINT16_MAX, true, false},
	[2] = {"TS 33.128 attribute", 0, UINT16_MAX, true, false},
	[3] = {"TS 33.108 attribute", 0, UINT16_MAX, true, false},
	[4] = {"proprietary attribute", 0, UINT16_MAX, true, false},
	[DOMAIN_ID] = {"domain id", 1, UINT16_MAX, false, true},
	[NETWORK_FUNCTION_ID] = {"network function id", 1, UINT16_MAX, false, true},
	[INTERCEPTION_POINT_ID] = {"interception point id", 1, UINT16_MAX, false, true},
	[SEQUENCE_NUMBER] = {"sequence number", 4, 4, false, false},
	[TIMESTAMP] = {"timestamp", 8, 8, false, false},
	[SOURCE_IPV4] = {"source IPv4 address", 4, 4, false, false},
	[DESTINATION_IPV4] = {"destination IPv4 address", 4, 4, false, false},
	[SOURCE_IPV6] = {"source IPv6 address", 16, 16, false, false},
	[DESTINATION_IPV6] = {"destination IPv6 address", 16, 16, false, false},
	[SOURCE_PORT] = {"source port", 2, 2, false, false},
	[DESTINATION_PORT] = {"destination port", 2, 2, false, false},
	[IP_PROTOCOL] = {"IP protocol", 1, 1, false, false},
	[MF_MATCHED_IDENTIFIER] = {"matched target identifier", 1, UINT16_MAX, true, true},
	[MF_OTHER_IDENTIFIER] = {"other target identifier", 1, UINT16_MAX, true, true},
	[19] = {"MIME content type", 1, UINT16_MAX, false, true},
	[20] = {"MIME transfer encoding", 1, UINT16_MAX, false, true},
	[21] = {"additional XID related information", 24, 28, true, false},
	[22] = {"SDP session description", 1, UINT16_MAX, false, true},
};
enum { ATTRIBUTE_TYPES = sizeof attributes / sizeof *attributes };

static const struct {
	const char *name;
	bool on_x2;
} formats[] = {
	// table 5.4.1-1
	[0] = {"keepalive", false},
	[1] = {"TS 102 232-1 payload", true},
	[FORMAT_33128] = {"TS 33.128 xIRI", true},
	[3] = {"TS 33.108 payload", true},
	[4] = {"proprietary payload", true},
	[FORMAT_IPV4] = {"IPv4 packet", true},
	[FORMAT_IPV6] = {"IPv6 packet", true},
	[7] = {"Ethernet frame", false},
	[8] = {"RTP packet", false},
	[FORMAT_SIP] = {"SIP message", true},
	[10] = {"DHCP message", true},
	[11] = {"RADIUS packet", true},
	[12] = {"GTP-U message", false},
	[13] = {"MSRP message", false},
	[14] = {"TS 33.108 EpsIRIContent", true},
	[15] = {"MIME message", true},
	[16] = {"3GPP unstructured PDU", false},
	[17] = {"TS 102 232-1 PS-PDU payload", true},
};
enum { FORMATS = sizeof formats / sizeof *formats };

static const char *const types[] = {
	[MF_TYPE_X2] = "X2 PDU",
	[MF_TYPE_X3] = "X3 PDU",
	[MF_TYPE_KEEPALIVE] = "keepalive",
	[MF_TYPE_KEEPALIVE_ACK] = "keepalive acknowledgement",
};

const char *mf_type_name(uint16_t type)
{
	return type >= MF_TYPE_X2 && type <= MF_TYPE_KEEPALIVE_ACK ? types[type] : "?";
}

const char *mf_format_name(uint16_t format)
{
	return format < FORMATS ? formats[format].name : "?";
}

static const char *attribute_name(uint16_t type)
{
	return type < ATTRIBUTE_TYPES && attributes[type].name ? attributes[type].name
	                                                       : "unknown attribute";
}

__attribute__((format(printf, 3, 4))) static void tell(
	struct mf_pdu *pdu, size_t offset, const char *format, ...)
{
	struct mf_problems *p = &pdu->problems;
	if (p->count < MF_PROBLEMS_MAX) {
		char *text = p->text[p->count];
		va_list arguments;
		va_start(arguments, format);
		int len = vsnprintf(text, MF_PROBLEM_TEXT, format, arguments);
		va_end(arguments);
		if (len >= 0 && len < MF_PROBLEM_TEXT)
			snprintf(text + len, MF_PROBLEM_TEXT - (size_t)len, " (at offset %zu)",
				offset);
	}
	p->count++;
}

static size_t offset_of(const struct mf_pdu *pdu, struct bytes part)
{
	return (size_t)(part.at - pdu->octets.at);
}

// One element with its content and nothing around it (clause 5.3.18): <name>...</name>.
static bool is_element(struct bytes text)
{
	size_t name_len = 0;
	while (1 + name_len < text.len && text.at[1 + name_len] != '>' &&
		text.at[1 + name_len] != '<' && text.at[1 + name_len] != ' ')
		name_len++;
	size_t tags_len = 2 * name_len + 5;
	if (name_len == 0 || text.len < tags_len || text.at[0] != '<' ||
		text.at[1 + name_len] != '>')
		return false;
	struct bytes end = bytes_slice(text, text.len - name_len - 3, name_len + 3);
	return end.at[0] == '<' && end.at[1] == '/' && end.at[end.len - 1] == '>' &&
	       bytes_equal(bytes_slice(text, 1, name_len), bytes_slice(end, 2, name_len));
}

static struct address address_of(struct bytes value)
{
	struct address a = {.family = value.len == 4 ? 4 : 6};
	memcpy(a.octets, value.at, value.len);
	return a;
}

static void take_address(
	struct mf_pdu *pdu, struct address *to, uint16_t type, struct bytes value, size_t offset)
{
	if (to->family)
		tell(pdu, offset, "attribute %u, %s, beside one of the other family", type,
			attribute_name(type));
	else
		*to = address_of(value);
}

static uint64_t time_of(struct mf_pdu *pdu, struct bytes value)
{
	struct reader r = reader_of(value);
	uint64_t seconds = read_be32(&r);
	uint32_t nanoseconds = read_be32(&r);
	if (nanoseconds >= NANOSECONDS)
		tell(pdu, offset_of(pdu, value) + 4, "timestamp with %u nanoseconds", nanoseconds);
	return seconds * NANOSECONDS + nanoseconds;
}

// A value of good length, seen for the first time or allowed to repeat.
static void take_value(struct mf_pdu *pdu, uint16_t type, struct bytes value)
{
	struct reader r = reader_of(value);
	size_t offset = offset_of(pdu, value);
	switch ((enum attribute)type) {
	case DOMAIN_ID:
		pdu->did = value;
		break;
	case NETWORK_FUNCTION_ID:
		pdu->nfid = value;
		break;
	case INTERCEPTION_POINT_ID:
		pdu->ipid = value;
		break;
	case SEQUENCE_NUMBER:
		pdu->has_sequence = true;
		pdu->sequence = read_be32(&r);
		break;
	case TIMESTAMP:
		pdu->has_time = true;
		pdu->time_ns = time_of(pdu, value);
		break;
	case SOURCE_IPV4:
	case SOURCE_IPV6:
		take_address(pdu, &pdu->source, type, value, offset);
		break;
	case DESTINATION_IPV4:
	case DESTINATION_IPV6:
		take_address(pdu, &pdu->destination, type, value, offset);
		break;
	case SOURCE_PORT:
		pdu->has_source_port = true;
		pdu->source_port = read_be16(&r);
		break;
	case DESTINATION_PORT:
		pdu->has_destination_port = true;
		pdu->destination_port = read_be16(&r);
		break;
	case IP_PROTOCOL:
		pdu->has_protocol = true;
		pdu->protocol = read_u8(&r);
		break;
	}
}

// `seen` has a bit for each known type that went by before.
static void check_attribute(struct mf_pdu *pdu, uint16_t type, struct bytes value, uint32_t *seen)
{
	size_t offset = offset_of(pdu, value) - TYPE_AND_LENGTH_LEN;
	if (type >= ATTRIBUTE_TYPES || !attributes[type].name) {
		if (type == 0)
			tell(pdu, offset, "attribute 0, which is no type");
		return; // later versions add types: they are skipped
	}
	const char *name = attributes[type].name;
	uint32_t bit = (uint32_t)1 << type;
	bool again = *seen & bit;
	*seen |= bit;
	if (value.len < attributes[type].least || value.len > attributes[type].greatest ||
		(type == 21 && value.len != 24 && value.len != 28)) {
		tell(pdu, offset, "attribute %u, %s, of %zu octets", type, name, value.len);
		return;
	}
	if (again && !attributes[type].repeats) {
		tell(pdu, offset, "attribute %u, %s, a second time", type, name);
		return;
	}
	if (attributes[type].is_text && !mf_text_is_utf8(value))
		tell(pdu, offset, "attribute %u, %s, is not UTF-8", type, name);
	if ((type == MF_MATCHED_IDENTIFIER || type == MF_OTHER_IDENTIFIER) && !is_element(value))
		tell(pdu, offset, "attribute %u, %s, is not one XML element", type, name);
	take_value(pdu, type, value);
}

// False when the attributes do not end where the header does.
static bool read_attributes(struct mf_pdu *pdu, uint32_t *seen)
{
	struct reader r = reader_of(pdu->attributes);
	while (reader_left(&r) > 0) {
		size_t offset = (size_t)(r.at - pdu->octets.at);
		uint16_t type = read_be16(&r);
		uint16_t len = read_be16(&r);
		size_t left = reader_left(&r);
		bool is_cut = r.overrun;
		struct bytes value = read_bytes(&r, len);
		if (is_cut)
			tell(pdu, offset, "header ends inside the type and length of an attribute");
		else if (r.overrun)
			tell(pdu, offset,
				"attribute %u, %s, of %u octets with %zu left in the header", type,
				attribute_name(type), len, left);
		if (r.overrun)
			return false;
		check_attribute(pdu, type, value, seen);
	}
	return true;
}

static void expect_zero(struct mf_pdu *pdu, size_t offset, size_t len, const char *field)
{
	for (size_t i = 0; i < len; i++)
		if (pdu->octets.at[offset + i] != 0) {
			tell(pdu, offset, "keepalive with a %s", field);
			return;
		}
}

// Everything but version, type and header length is zero, and the sequence number is all that follows (clause 5.1).
static void check_keepalive(struct mf_pdu *pdu)
{
	expect_zero(pdu, AT_PAYLOAD_LENGTH, 4, "payload");
	expect_zero(pdu, AT_FORMAT, 2, "payload format");
	expect_zero(pdu, AT_DIRECTION, 2, "payload direction");
	expect_zero(pdu, AT_XID, 16, "XID");
	expect_zero(pdu, AT_CORRELATION, 8, "correlation id");
	if (!pdu->has_sequence)
		tell(pdu, AT_ATTRIBUTES, "keepalive without a sequence number");
	else if (pdu->attributes.len != TYPE_AND_LENGTH_LEN + 4)
		tell(pdu, AT_ATTRIBUTES, "keepalive with more than a sequence number");
}

static bool payload_fits_format(const struct mf_pdu *pdu)
{
	struct bytes payload = pdu->payload;
	uint8_t first = payload.len ? payload.at[0] : 0;
	switch (pdu->format) {
	case FORMAT_33128:
		return first == BER_SEQUENCE;
	case FORMAT_IPV4:
		return first >> 4 == 4;
	case FORMAT_IPV6:
		return first >> 4 == 6;
	case FORMAT_SIP: { // begins at the start line: a method, or the version of a response
		size_t line_len = 0;
		while (line_len < payload.len && payload.at[line_len] != '\n')
			line_len++;
		for (size_t i = 0; i < line_len; i++)
			if (bytes_equal_nocase(
				    bytes_slice(payload, i, 4 < line_len - i ? 4 : line_len - i),
				    bytes_of_text("SIP/")))
				return true;
		return false;
	}
	default:
		return true;
	}
}

static void check_x2(struct mf_pdu *pdu, uint32_t seen)
{
	if (pdu->format >= FORMATS)
		tell(pdu, AT_FORMAT, "payload format %u is unknown", pdu->format);
	else if (!formats[pdu->format].on_x2)
		tell(pdu, AT_FORMAT, "payload format %u, %s, is not allowed on X2", pdu->format,
			formats[pdu->format].name);
	if (pdu->direction == 0 || pdu->direction > DIRECTION_LAST)
		tell(pdu, AT_DIRECTION, "payload direction %u is out of range", pdu->direction);
	if (uuid_equal(&pdu->xid, &(struct uuid){{0}}))
		tell(pdu, AT_XID, "XID of zeros");
	if (pdu->source.family && pdu->destination.family &&
		pdu->source.family != pdu->destination.family)
		tell(pdu, AT_ATTRIBUTES, "source and destination of different families");
	if (pdu->payload.len == 0)
		tell(pdu, AT_PAYLOAD_LENGTH, "payload length 0");
	else if (!payload_fits_format(pdu))
		tell(pdu, pdu->octets.len - pdu->payload.len, "payload does not begin like a %s",
			mf_format_name(pdu->format));
	static const uint8_t obliged[] = {NETWORK_FUNCTION_ID, INTERCEPTION_POINT_ID,
		SEQUENCE_NUMBER, TIMESTAMP, MF_MATCHED_IDENTIFIER}; // TS 33.128 table 5.3.1-2
	for (size_t i = 0; pdu->format == FORMAT_33128 && i < sizeof obliged; i++)
		if (!(seen & (uint32_t)1 << obliged[i]))
			tell(pdu, AT_ATTRIBUTES, "no attribute %u, %s", obliged[i],
				attribute_name(obliged[i]));
}

// What must hold before a length is believed.
static bool check_framing(struct mf_pdu *pdu, uint64_t header_len, uint64_t payload_len)
{
	unsigned long long len = header_len + payload_len;
	if (pdu->version >> 8 != 0)
		tell(pdu, AT_VERSION, "version %u.%u: this is a decoder of major version 0",
			pdu->version >> 8, pdu->version & 255);
	else if (pdu->type < MF_TYPE_X2 || pdu->type > MF_TYPE_KEEPALIVE_ACK)
		tell(pdu, AT_TYPE, "PDU type %u is unknown", pdu->type);
	else if (header_len < MF_PDU_MIN)
		tell(pdu, AT_HEADER_LENGTH, "header length %llu is below 40", len - payload_len);
	else if (len > MF_PDU_MAX)
		tell(pdu, AT_HEADER_LENGTH, "PDU of %llu octets is over the limit of %d", len,
			MF_PDU_MAX);
	return pdu->problems.count == 0;
}

enum parse_result mf_pdu_decode(struct bytes stream, struct mf_pdu *out, size_t *needed)
{
	struct mf_pdu pdu = {0};
	struct reader r = reader_of(stream);
	pdu.version = read_be16(&r);
	pdu.type = read_be16(&r);
	uint32_t header_len = read_be32(&r);
	uint32_t payload_len = read_be32(&r);
	*needed = LENGTHS_LEN;
	if (r.overrun)
		return PARSE_TRUNCATED;
	if (!check_framing(&pdu, header_len, payload_len)) {
		*out = pdu;
		return PARSE_MALFORMED;
	}
	*needed = (size_t)header_len + payload_len;
	if (stream.len < *needed)
		return PARSE_TRUNCATED;

	pdu.octets = bytes_slice(stream, 0, *needed);
	pdu.format = read_be16(&r);
	pdu.direction = read_be16(&r);
	struct bytes xid = read_bytes(&r, sizeof pdu.xid.octets);
	memcpy(pdu.xid.octets, xid.at, xid.len);
	pdu.correlation = read_be64(&r);
	pdu.attributes = read_bytes(&r, header_len - MF_PDU_MIN);
	pdu.payload = read_bytes(&r, payload_len);

	uint32_t seen = 0;
	bool whole = read_attributes(&pdu, &seen);
	if (whole && pdu.type == MF_TYPE_X2)
		check_x2(&pdu, seen);
	else if (whole && pdu.type == MF_TYPE_X3)
		tell(&pdu, AT_TYPE, "PDU type 2, X3, at an MF for X2");
	else if (whole)
		check_keepalive(&pdu);
	*out = pdu;
	return whole ? PARSE_OK : PARSE_MALFORMED;
}

bool mf_pdu_next(const struct mf_pdu *pdu, uint16_t type, size_t *at, struct bytes *value)
{
	struct reader r = reader_of(bytes_slice(pdu->attributes, *at, SIZE_MAX));
	while (reader_left(&r) > 0) {
		uint16_t found = read_be16(&r);
		uint16_t len = read_be16(&r);
		struct bytes view = read_bytes(&r, len);
		if (r.overrun)
			return false;
		if (found != type)
			continue;
		*value = view;
		*at = pdu->attributes.len - reader_left(&r);
		return true;
	}
	return false;
}
