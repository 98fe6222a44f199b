#include "x2_pdu.h"

#include <errno.h>

enum {
	ATTRIBUTE_HEADER_LEN = 4, // type and length (table 5.3.1-1)
	ATTRIBUTE_MAX_LEN = UINT16_MAX,
	SEQUENCE_LEN = 4,
	TIMESTAMP_LEN = 8,
	PORT_LEN = 2,
	PROTOCOL_LEN = 1,
};

static const uint64_t NS_PER_SECOND = 1000000000;

static size_t attribute_len(size_t value_len)
{
	return ATTRIBUTE_HEADER_LEN + value_len;
}

static size_t identifiers_len(const struct bytes *identifiers, size_t count)
{
	size_t len = 0;
	for (size_t i = 0; i < count; i++)
		len += attribute_len(identifiers[i].len);
	return len;
}

size_t x2_pdu_header_len(const struct x2_pdu *pdu)
{
	size_t len = X2_HEADER_LEN;
	if (pdu->did.len)
		len += attribute_len(pdu->did.len);
	len += attribute_len(pdu->nfid.len) + attribute_len(pdu->ipid.len);
	len += attribute_len(SEQUENCE_LEN) + attribute_len(TIMESTAMP_LEN);
	if (pdu->source.len)
		len += attribute_len(pdu->source.len) + attribute_len(pdu->destination.len);
	if (pdu->has_ports)
		len += 2 * attribute_len(PORT_LEN);
	if (pdu->has_protocol)
		len += attribute_len(PROTOCOL_LEN);
	len += identifiers_len(pdu->matched, pdu->matched_count);
	return len + identifiers_len(pdu->other, pdu->other_count);
}

static bool identifiers_fit(const struct bytes *identifiers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (identifiers[i].len > ATTRIBUTE_MAX_LEN)
			return false;
	return true;
}

static bool pdu_is_valid(const struct x2_pdu *pdu)
{
	size_t address_len = pdu->source.len;
	return pdu->destination.len == address_len &&
	       (address_len == 0 || address_len == 4 || address_len == 16) &&
	       pdu->did.len <= ATTRIBUTE_MAX_LEN && pdu->nfid.len <= ATTRIBUTE_MAX_LEN &&
	       pdu->ipid.len <= ATTRIBUTE_MAX_LEN &&
	       identifiers_fit(pdu->matched, pdu->matched_count) &&
	       identifiers_fit(pdu->other, pdu->other_count);
}

static void write_attribute_header(struct writer *w, enum x2_attribute type, size_t len)
{
	write_be16(w, (uint16_t)type);
	write_be16(w, (uint16_t)len);
}

static void write_attribute(struct writer *w, enum x2_attribute type, struct bytes value)
{
	write_attribute_header(w, type, value.len);
	write_bytes(w, value);
}

static void write_sequence(struct writer *w, uint32_t sequence)
{
	write_attribute_header(w, X2_ATTRIBUTE_SEQUENCE, SEQUENCE_LEN);
	write_be32(w, sequence);
}

// Seconds are 32 bits on the wire (clause 5.3.10): they run out in 2106.
static void write_timestamp(struct writer *w, uint64_t time_ns)
{
	write_attribute_header(w, X2_ATTRIBUTE_TIMESTAMP, TIMESTAMP_LEN);
	write_be32(w, (uint32_t)(time_ns / NS_PER_SECOND));
	write_be32(w, (uint32_t)(time_ns % NS_PER_SECOND));
}

static void write_addresses(struct writer *w, const struct x2_pdu *pdu)
{
	if (pdu->source.len == 0)
		return;
	bool is_ipv4 = pdu->source.len == 4;
	write_attribute(
		w, is_ipv4 ? X2_ATTRIBUTE_SOURCE_IPV4 : X2_ATTRIBUTE_SOURCE_IPV6, pdu->source);
	write_attribute(w, is_ipv4 ? X2_ATTRIBUTE_DESTINATION_IPV4 : X2_ATTRIBUTE_DESTINATION_IPV6,
		pdu->destination);
}

static void write_port(struct writer *w, enum x2_attribute type, uint16_t port)
{
	write_attribute_header(w, type, PORT_LEN);
	write_be16(w, port);
}

static void write_identifiers(
	struct writer *w, enum x2_attribute type, const struct bytes *identifiers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		write_attribute(w, type, identifiers[i]);
}

static void write_attributes(struct writer *w, const struct x2_pdu *pdu)
{
	if (pdu->did.len)
		write_attribute(w, X2_ATTRIBUTE_DID, pdu->did);
	write_attribute(w, X2_ATTRIBUTE_NFID, pdu->nfid);
	write_attribute(w, X2_ATTRIBUTE_IPID, pdu->ipid);
	write_sequence(w, pdu->sequence);
	write_timestamp(w, pdu->time_ns);
	write_addresses(w, pdu);
	if (pdu->has_ports) {
		write_port(w, X2_ATTRIBUTE_SOURCE_PORT, pdu->source_port);
		write_port(w, X2_ATTRIBUTE_DESTINATION_PORT, pdu->destination_port);
	}
	if (pdu->has_protocol)
		write_attribute(
			w, X2_ATTRIBUTE_IP_PROTOCOL, bytes_of(&pdu->protocol, PROTOCOL_LEN));
	write_identifiers(w, X2_ATTRIBUTE_MATCHED_TARGET, pdu->matched, pdu->matched_count);
	write_identifiers(w, X2_ATTRIBUTE_OTHER_TARGET, pdu->other, pdu->other_count);
}

int x2_pdu_write(struct writer *w, const struct x2_pdu *pdu)
{
	if (!pdu_is_valid(pdu))
		return -EINVAL;
	size_t header_len = x2_pdu_header_len(pdu);
	if (header_len > UINT32_MAX || pdu->payload.len > UINT32_MAX || w->overflow ||
		header_len + pdu->payload.len > w->cap - w->len) {
		w->overflow = true;
		return -EMSGSIZE;
	}
	write_be16(w, pdu->version);
	write_be16(w, X2_PDU_X2);
	write_be32(w, (uint32_t)header_len);
	write_be32(w, (uint32_t)pdu->payload.len);
	write_be16(w, (uint16_t)pdu->format);
	write_be16(w, (uint16_t)pdu->direction);
	write_bytes(w, bytes_of(pdu->xid.octets, sizeof pdu->xid.octets));
	write_be64(w, pdu->correlation);
	write_attributes(w, pdu);
	write_bytes(w, pdu->payload);
	return 0;
}

// Both kinds of keepalive: all fields but version, type and header length are zero (clause 5.1).
static void write_keepalive(
	struct writer *w, uint16_t version, enum x2_pdu_type type, uint32_t sequence)
{
	static const uint8_t zeros[X2_HEADER_LEN - 8];
	write_be16(w, version);
	write_be16(w, (uint16_t)type);
	write_be32(w, X2_KEEPALIVE_LEN);
	write_bytes(w, bytes_of(zeros, sizeof zeros));
	write_sequence(w, sequence);
}

void x2_keepalive_write(struct writer *w, uint16_t version, uint32_t sequence)
{
	write_keepalive(w, version, X2_PDU_KEEPALIVE, sequence);
}

void x2_keepalive_ack_write(struct writer *w, uint16_t version, uint32_t sequence)
{
	write_keepalive(w, version, X2_PDU_KEEPALIVE_ACK, sequence);
}

// Takes the first sequence number and skips what it does not know. False when an attribute leaves the header.
static bool find_sequence(struct bytes attributes, struct x2_reply *out)
{
	struct reader r = reader_of(attributes);
	while (reader_left(&r) > 0) {
		uint16_t type = read_be16(&r);
		uint16_t len = read_be16(&r);
		struct reader value = reader_of(read_bytes(&r, len));
		if (r.overrun)
			return false;
		if (type != X2_ATTRIBUTE_SEQUENCE || len != SEQUENCE_LEN || out->has_sequence)
			continue;
		out->has_sequence = true;
		out->sequence = read_be32(&value);
	}
	return true;
}

enum parse_result x2_reply_parse(struct bytes stream, struct x2_reply *out, size_t *consumed)
{
	struct reader r = reader_of(stream);
	uint16_t version = read_be16(&r);
	uint16_t type = read_be16(&r);
	uint32_t header_len = read_be32(&r);
	uint32_t payload_len = read_be32(&r);
	read_bytes(&r, 28); // format, direction, XID and correlation id say nothing in a keepalive
	if (r.overrun)
		return PARSE_TRUNCATED;
	if (version >> 8 != 0) // another major version is another layout (clause 5.2.1)
		return PARSE_MALFORMED;
	if (type != X2_PDU_KEEPALIVE && type != X2_PDU_KEEPALIVE_ACK)
		return PARSE_MALFORMED;
	if (header_len < X2_HEADER_LEN || header_len > X2_REPLY_MAX || payload_len != 0)
		return PARSE_MALFORMED;

	struct bytes attributes = read_bytes(&r, header_len - X2_HEADER_LEN);
	if (r.overrun)
		return PARSE_TRUNCATED;
	struct x2_reply reply = {.type = type};
	if (!find_sequence(attributes, &reply))
		return PARSE_MALFORMED;
	*out = reply;
	*consumed = header_len;
	return PARSE_OK;
}

void x2_identifier_write(struct writer *w, const char *element, struct bytes text)
{
	write_u8(w, '<');
	write_text(w, element);
	write_u8(w, '>');
	for (size_t i = 0; i < text.len; i++) {
		switch (text.at[i]) {
		case '&':
			write_text(w, "&amp;");
			break;
		case '<':
			write_text(w, "&lt;");
			break;
		case '>':
			write_text(w, "&gt;");
			break;
		default:
			write_u8(w, text.at[i]);
		}
	}
	write_text(w, "</");
	write_text(w, element);
	write_u8(w, '>');
}
