#include "packet.h"

enum {
	ETHERNET_ADDRESSES_LEN = 12,
	IPV4_MIN_HEADER_LEN = 20,
	IPV6_HEADER_LEN = 40,
	UDP_HEADER_LEN = 8,
};

enum ethertype { // IANA IEEE 802 numbers
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_MPLS = 0x8847,
	ETHERTYPE_MPLS_UPSTREAM = 0x8848,
	ETHERTYPE_PPPOE_SESSION = 0x8864,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100, // before 802.1ad, still configured on switches
};

enum ip_protocol { // IANA protocol numbers
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_IPV4 = 4,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_IPV6 = 41,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_GRE = 47,
	PROTOCOL_ESP = 50,
	PROTOCOL_AUTHENTICATION = 51,
	PROTOCOL_DESTINATION_OPTIONS = 60,
	PROTOCOL_ETHERIP = 97,
	PROTOCOL_L2TP = 115,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,
	PROTOCOL_MPLS = 137,
	PROTOCOL_ETHERNET = 143,
};

enum tunnel_port { // UDP ports that say tunnel (IANA)
	PORT_L2TP = 1701,
	PORT_GTPU = 2152,
	PORT_TEREDO = 3544,
	PORT_VXLAN = 4789,
	PORT_GENEVE = 6081,
};

static bool is_tunnel_protocol(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_IPV4:
	case PROTOCOL_IPV6:
	case PROTOCOL_GRE:
	case PROTOCOL_ESP:
	case PROTOCOL_ETHERIP:
	case PROTOCOL_L2TP:
	case PROTOCOL_MPLS:
	case PROTOCOL_ETHERNET:
		return true;
	default:
		return false;
	}
}

bool packet_is_tunnel_port(uint16_t port)
{
	switch (port) {
	case PORT_L2TP:
	case PORT_GTPU:
	case PORT_TEREDO:
	case PORT_VXLAN:
	case PORT_GENEVE:
		return true;
	default:
		return false;
	}
}

// VXLAN and Geneve senders pick their source port by flow, so there the destination alone tells.
static bool is_tunnel(uint16_t source, uint16_t destination)
{
	return packet_is_tunnel_port(destination) ||
	       (packet_is_tunnel_port(source) && source != PORT_VXLAN && source != PORT_GENEVE);
}

static enum packet_class parse_transport(struct bytes payload, uint8_t protocol, struct packet *out)
{
	out->flow.protocol = protocol;
	struct reader r = reader_of(payload);
	if (protocol != PROTOCOL_UDP && protocol != PROTOCOL_TCP)
		return is_tunnel_protocol(protocol) ? PACKET_TUNNEL : PACKET_OTHER_PROTOCOL;
	uint16_t source = read_be16(&r);
	uint16_t destination = read_be16(&r);
	if (r.overrun)
		return PACKET_TRUNCATED;
	out->flow.source_port = source;
	out->flow.destination_port = destination;
	if (protocol == PROTOCOL_TCP)
		return PACKET_TCP;

	uint16_t length = read_be16(&r);
	read_be16(&r); // checksum: not judged
	if (r.overrun)
		return PACKET_TRUNCATED;
	// A length of 0 comes from offloading hosts and jumbograms (RFC 2675): what IP says then holds.
	if (length != 0 && length < UDP_HEADER_LEN)
		return PACKET_MALFORMED;
	out->payload = bytes_slice(
		payload, UDP_HEADER_LEN, length ? (size_t)length - UDP_HEADER_LEN : SIZE_MAX);
	return is_tunnel(source, destination) ? PACKET_TUNNEL : PACKET_UDP;
}

static struct address address_of(uint8_t family, struct bytes octets)
{
	struct address a = {.family = family};
	memcpy(a.octets, octets.at, octets.len);
	return a;
}

static enum packet_class parse_ipv4(struct bytes ip, struct packet *out)
{
	struct reader r = reader_of(ip);
	uint8_t version_and_length = read_u8(&r);
	read_u8(&r); // type of service
	uint16_t total_length = read_be16(&r);
	read_be16(&r); // identification
	uint16_t fragment = read_be16(&r);
	read_u8(&r); // time to live
	uint8_t protocol = read_u8(&r);
	read_be16(&r); // header checksum: not judged
	struct bytes source = read_bytes(&r, 4);
	struct bytes destination = read_bytes(&r, 4);
	if (r.overrun)
		return PACKET_TRUNCATED;

	size_t header_len = (size_t)(version_and_length & 15) * 4;
	if (version_and_length >> 4 != 4 || header_len < IPV4_MIN_HEADER_LEN)
		return PACKET_MALFORMED;
	// Segmentation offload leaves the total length 0: then the frame's end counts.
	if (total_length != 0 && total_length < header_len)
		return PACKET_MALFORMED;
	if (ip.len < header_len)
		return PACKET_TRUNCATED;
	out->flow.source = address_of(4, source);
	out->flow.destination = address_of(4, destination);
	out->flow.protocol = protocol;
	if (fragment & 0x3fff) // more fragments, or an offset
		return PACKET_FRAGMENT;
	size_t payload_len = total_length ? total_length - header_len : SIZE_MAX;
	return parse_transport(bytes_slice(ip, header_len, payload_len), protocol, out);
}

// RFC 8200 section 4. Length fields count 8-octet units after the first; AH (RFC 4302) 4-octet units after the first two.
static enum packet_class parse_ipv6(struct bytes ip, struct packet *out)
{
	struct reader r = reader_of(ip);
	uint32_t version = read_be32(&r) >> 28;
	uint16_t payload_len = read_be16(&r);
	uint8_t next = read_u8(&r);
	read_u8(&r); // hop limit
	struct bytes source = read_bytes(&r, 16);
	struct bytes destination = read_bytes(&r, 16);
	if (r.overrun)
		return PACKET_TRUNCATED;
	if (version != 6)
		return PACKET_MALFORMED;
	out->flow.source = address_of(6, source);
	out->flow.destination = address_of(6, destination);

	struct bytes rest = bytes_slice(ip, IPV6_HEADER_LEN, payload_len ? payload_len : SIZE_MAX);
	for (unsigned headers = 0; headers <= PACKET_MAX_EXTENSION_HEADERS; headers++) {
		out->flow.protocol = next;
		size_t len;
		struct reader h = reader_of(rest);
		switch (next) {
		case PROTOCOL_HOP_BY_HOP:
		case PROTOCOL_ROUTING:
		case PROTOCOL_DESTINATION_OPTIONS:
		case PROTOCOL_MOBILITY:
		case PROTOCOL_HIP:
		case PROTOCOL_SHIM6:
			next = read_u8(&h);
			len = ((size_t)read_u8(&h) + 1) * 8;
			break;
		case PROTOCOL_AUTHENTICATION:
			next = read_u8(&h);
			len = ((size_t)read_u8(&h) + 2) * 4;
			break;
		case PROTOCOL_FRAGMENT: {
			next = read_u8(&h);
			read_u8(&h);
			uint16_t fragment = read_be16(&h);
			if (h.overrun)
				return PACKET_TRUNCATED;
			if (fragment &
				0xfff9) // offset or M flag; an atomic fragment (RFC 6946) is a whole packet
				return PACKET_FRAGMENT;
			len = 8;
			break;
		}
		default:
			return parse_transport(rest, next, out);
		}
		if (h.overrun || len > rest.len)
			return PACKET_TRUNCATED;
		rest = bytes_slice(rest, len, SIZE_MAX);
	}
	return PACKET_TOO_DEEP;
}

enum packet_class packet_parse(struct bytes frame, struct packet *out)
{
	*out = (struct packet){0};
	struct reader r = reader_of(frame);
	read_bytes(&r, ETHERNET_ADDRESSES_LEN);
	for (unsigned tags = 0; tags <= PACKET_MAX_VLAN_TAGS; tags++) {
		uint16_t ethertype = read_be16(&r);
		if (r.overrun)
			return PACKET_TRUNCATED;
		struct bytes rest = {r.at, reader_left(&r)};
		switch (ethertype) {
		case ETHERTYPE_VLAN:
		case ETHERTYPE_QINQ:
		case ETHERTYPE_QINQ_OLD:
			read_be16(&r); // priority and VLAN identifier
			break;
		case ETHERTYPE_IPV4:
			return parse_ipv4(rest, out);
		case ETHERTYPE_IPV6:
			return parse_ipv6(rest, out);
		case ETHERTYPE_MPLS:
		case ETHERTYPE_MPLS_UPSTREAM:
		case ETHERTYPE_PPPOE_SESSION:
			return PACKET_TUNNEL;
		default:
			return PACKET_NOT_IP;
		}
	}
	return PACKET_TOO_DEEP;
}

static const struct {
	const char *name, *help;
} classes[PACKET_CLASSES] = {
	[PACKET_UDP] = {"udp", "whole UDP datagrams, looked at for signalling"},
	[PACKET_NOT_IP] = {"not_ip", "ARP, LLDP and other ethertypes: nothing to look for"},
	[PACKET_TRUNCATED] = {"truncated", "the frame ends inside a header"},
	[PACKET_MALFORMED] = {"malformed", "header lengths that cannot be"},
	[PACKET_FRAGMENT] = {"fragment", "IP fragments: not put together yet"},
	[PACKET_TCP] = {"tcp", "TCP segments: streams are not followed yet"},
	[PACKET_TUNNEL] = {"tunnel",
		"MPLS, PPPoE, GRE, IP-in-IP, ESP, L2TP, GTP-U, VXLAN, Geneve, Teredo: not opened yet"},
	[PACKET_OTHER_PROTOCOL] = {"other_protocol", "ICMP, SCTP and other IP protocols"},
	[PACKET_TOO_DEEP] = {"too_deep", "more than 4 VLAN tags or 8 IPv6 extension headers"},
};

const char *packet_class_name(enum packet_class class)
{
	return classes[class].name;
}

const char *packet_class_help(enum packet_class class)
{
	return classes[class].help;
}
