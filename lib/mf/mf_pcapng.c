#include "mf_output.h"

enum block { // pcapng (draft-ietf-opsawg-pcapng), in the byte order that the section header tells
	SECTION_HEADER = 0x0a0d0d0a,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	INTERFACE_DESCRIPTION = 1,
	ENHANCED_PACKET = 6,
};

enum {
	BLOCK_OVERHEAD = 12, // type and length before, length behind
	LINK_TYPE_WIRESHARK_UPPER_PDU = 252,
	OPTION_IF_TSRESOL = 9,
	TAGS_MAX = 128, // octets: name, two addresses, port type, two ports, end
};

enum tag { // Wireshark's exported PDU tags, in network order
	TAG_END = 0,
	TAG_DISSECTOR_NAME = 12,
	TAG_IPV4_SOURCE = 20,
	TAG_IPV4_DESTINATION = 21,
	TAG_IPV6_SOURCE = 22,
	TAG_IPV6_DESTINATION = 23,
	TAG_PORT_TYPE = 24,
	TAG_SOURCE_PORT = 25,
	TAG_DESTINATION_PORT = 26,
};

static void put_be16(FILE *file, uint16_t v)
{
	uint8_t o[] = {(uint8_t)(v >> 8), (uint8_t)v};
	fwrite(o, 1, sizeof o, file);
}

static void put_be32(FILE *file, uint32_t v)
{
	put_be16(file, (uint16_t)(v >> 16));
	put_be16(file, (uint16_t)v);
}

// Up to a multiple of four octets, as blocks, options and tags are.
static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static void put_padding(FILE *file, size_t len)
{
	for (; len % 4; len++)
		fputc(0, file);
}

void mf_pcapng_start(FILE *file)
{
	put_be32(file, SECTION_HEADER);
	put_be32(file, 16 + BLOCK_OVERHEAD);
	put_be32(file, BYTE_ORDER_MAGIC);
	put_be16(file, 1); // version 1.0
	put_be16(file, 0);
	put_be32(file, UINT32_MAX); // section length: not known
	put_be32(file, UINT32_MAX);
	put_be32(file, 16 + BLOCK_OVERHEAD);

	put_be32(file, INTERFACE_DESCRIPTION);
	put_be32(file, 20 + BLOCK_OVERHEAD);
	put_be16(file, LINK_TYPE_WIRESHARK_UPPER_PDU);
	put_be16(file, 0);
	put_be32(file, 0); // no snapshot length
	put_be16(file, OPTION_IF_TSRESOL);
	put_be16(file, 1);
	put_be32(file, 9 << 24); // 10^-9 seconds, one octet and padding
	put_be32(file, 0);       // end of options
	put_be32(file, 20 + BLOCK_OVERHEAD);
}

static void write_tag(struct writer *w, enum tag tag, struct bytes value)
{
	write_be16(w, (uint16_t)tag);
	write_be16(w, (uint16_t)padded(value.len));
	write_bytes(w, value);
	for (size_t len = value.len; len % 4; len++)
		write_u8(w, 0);
}

static void write_number_tag(struct writer *w, enum tag tag, uint32_t number)
{
	write_be16(w, (uint16_t)tag);
	write_be16(w, 4);
	write_be32(w, number);
}

static void write_address_tag(
	struct writer *w, enum tag ipv4, enum tag ipv6, const struct address *a)
{
	if (a->family == 4)
		write_tag(w, ipv4, bytes_of(a->octets, 4));
	else if (a->family == 6)
		write_tag(w, ipv6, bytes_of(a->octets, 16));
}

static uint32_t port_type(uint8_t protocol)
{
	switch (protocol) {
	case 132:
		return 1; // SCTP
	case 6:
		return 2; // TCP
	case 17:
		return 3; // UDP
	default:
		return 0;
	}
}

static void write_tags(struct writer *w, const struct mf_pdu *pdu)
{
	write_tag(w, TAG_DISSECTOR_NAME, bytes_of_text("li5g"));
	write_address_tag(w, TAG_IPV4_SOURCE, TAG_IPV6_SOURCE, &pdu->source);
	write_address_tag(w, TAG_IPV4_DESTINATION, TAG_IPV6_DESTINATION, &pdu->destination);
	if (pdu->has_protocol && port_type(pdu->protocol) != 0) {
		write_number_tag(w, TAG_PORT_TYPE, port_type(pdu->protocol));
		if (pdu->has_source_port)
			write_number_tag(w, TAG_SOURCE_PORT, pdu->source_port);
		if (pdu->has_destination_port)
			write_number_tag(w, TAG_DESTINATION_PORT, pdu->destination_port);
	}
	write_tag(w, TAG_END, (struct bytes){0});
}

void mf_pcapng_write(FILE *file, const struct mf_pdu *pdu, uint64_t now_ns)
{
	uint8_t tags[TAGS_MAX];
	struct writer w = writer_of(tags, sizeof tags);
	write_tags(&w, pdu);

	uint64_t time_ns = pdu->has_time ? pdu->time_ns : now_ns;
	size_t len = w.len + pdu->octets.len;
	uint32_t block_len = (uint32_t)(20 + padded(len) + BLOCK_OVERHEAD);
	put_be32(file, ENHANCED_PACKET);
	put_be32(file, block_len);
	put_be32(file, 0); // interface
	put_be32(file, (uint32_t)(time_ns >> 32));
	put_be32(file, (uint32_t)time_ns);
	put_be32(file, (uint32_t)len); // captured
	put_be32(file, (uint32_t)len); // original
	fwrite(tags, 1, w.len, file);
	fwrite(pdu->octets.at, 1, pdu->octets.len, file);
	put_padding(file, len);
	put_be32(file, block_len);
}
