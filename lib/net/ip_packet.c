// The IP packet around a datagram: the one that came, or headers made anew where only fragments came.
#include "packet.h"

enum {
	IPV4_HEADER_LEN = 20,
	IPV6_HEADER_LEN = 40,
	UDP_HEADER_LEN = 8,
	LENGTH_MAX = 65535,
	TIME_TO_LIVE = 64,
	PROTOCOL_UDP = 17,
	IPV4_CHECKSUM_AT = 10,
	UDP_CHECKSUM_AT = 6,
};

// --- checksums (RFC 1071) ---------------------------------------------------------------------------------------------

static uint64_t sum_of(struct bytes b)
{
	struct reader r = reader_of(b);
	uint64_t sum = 0;
	while (reader_left(&r) >= 2)
		sum += read_be16(&r);
	return reader_left(&r) ? sum + ((uint64_t)read_u8(&r) << 8) : sum;
}

static uint16_t checksum_of(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void set_checksum(uint8_t *at, uint16_t checksum)
{
	struct writer w = writer_of(at, 2);
	write_be16(&w, checksum);
}

// --- headers ----------------------------------------------------------------------------------------------------------

static struct bytes address_octets(const struct address *a)
{
	return bytes_of(a->octets, a->family == 4 ? 4 : 16);
}

static void write_ipv4_header(struct writer *to, const struct flow *flow, size_t udp_len)
{
	uint8_t *header = to->at + to->len;
	write_be16(to, 0x4500); // version, header length; type of service
	write_be16(to, (uint16_t)(IPV4_HEADER_LEN + udp_len));
	write_be32(to, 0); // identification, flags, offset
	write_u8(to, TIME_TO_LIVE);
	write_u8(to, PROTOCOL_UDP);
	write_be16(to, 0);
	write_bytes(to, address_octets(&flow->source));
	write_bytes(to, address_octets(&flow->destination));
	set_checksum(
		header + IPV4_CHECKSUM_AT, checksum_of(sum_of(bytes_of(header, IPV4_HEADER_LEN))));
}

static void write_ipv6_header(struct writer *to, const struct flow *flow, size_t udp_len)
{
	write_be32(to, 0x60000000); // version, traffic class, flow label
	write_be16(to, (uint16_t)udp_len);
	write_u8(to, PROTOCOL_UDP);
	write_u8(to, TIME_TO_LIVE);
	write_bytes(to, address_octets(&flow->source));
	write_bytes(to, address_octets(&flow->destination));
}

// RFC 768, RFC 8200 section 8.1: the pseudo header's sum is the same for both, as their lengths fit 16 bits. 0 would say that
// there is none.
static void write_udp(struct writer *to, const struct flow *flow, struct bytes payload)
{
	uint8_t *header = to->at + to->len;
	size_t udp_len = UDP_HEADER_LEN + payload.len;
	write_be16(to, flow->source_port);
	write_be16(to, flow->destination_port);
	write_be16(to, (uint16_t)udp_len);
	write_be16(to, 0);
	write_bytes(to, payload);
	uint64_t sum = sum_of(address_octets(&flow->source)) +
	               sum_of(address_octets(&flow->destination)) + udp_len + PROTOCOL_UDP +
	               sum_of(bytes_of(header, udp_len));
	uint16_t checksum = checksum_of(sum);
	set_checksum(header + UDP_CHECKSUM_AT, checksum ? checksum : 0xffff);
}

static size_t write_anew(const struct flow *flow, struct bytes payload, struct writer *to)
{
	bool is_ipv4 = flow->source.family == 4;
	size_t header_len = is_ipv4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;
	// What the length field counts: IPv4's own header too.
	size_t overhead = UDP_HEADER_LEN + (is_ipv4 ? IPV4_HEADER_LEN : 0);
	size_t len = header_len + UDP_HEADER_LEN + payload.len;
	if (payload.len > LENGTH_MAX - overhead || to->overflow || len > to->cap - to->len)
		return 0;
	if (is_ipv4)
		write_ipv4_header(to, flow, UDP_HEADER_LEN + payload.len);
	else
		write_ipv6_header(to, flow, UDP_HEADER_LEN + payload.len);
	write_udp(to, flow, payload);
	return len;
}

size_t packet_write_ip(const struct packet *packet, struct writer *to)
{
	if (packet->ip.len == 0)
		return write_anew(&packet->flow, packet->payload, to);
	if (to->overflow || packet->ip.len > to->cap - to->len)
		return 0;
	write_bytes(to, packet->ip);
	return packet->ip.len;
}
