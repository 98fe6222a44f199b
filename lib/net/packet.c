// IP and transport, and the loop over what is in what.
#include "layers.h"

enum {
	IPV4_MIN_HEADER_LEN = 20,
	IPV6_HEADER_LEN = 40,
	UDP_HEADER_LEN = 8,
	TCP_MIN_HEADER_LEN = 20,
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
	PROTOCOL_SCTP = 132,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_MPLS = 137,
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,
	PROTOCOL_ETHERNET = 143,
};

// Most frames are plain. packet_look() has in itself what these need, so that they cost neither calls nor steps in memory.
#define ON_EVERY_FRAME inline __attribute__((always_inline))

// How much of `struct packet` is filled in. Constant wherever it is handed on, so that a look does not pay for the rest: a store
// or two are a tenth of it.
enum detail {
	BRIEF, // without `ip` and `macs`
	FULL,
};

// --- transport --------------------------------------------------------------------------------------------------------

static ON_EVERY_FRAME enum packet_class read_udp(struct bytes udp, struct packet *out)
{
	struct reader r = reader_of(udp);
	struct reader header = reader_of(read_bytes(&r, UDP_HEADER_LEN));
	if (r.overrun)
		return PACKET_TRUNCATED;
	out->flow.source_port = read_be16(&header);
	out->flow.destination_port = read_be16(&header);
	uint16_t length = read_be16(&header); // then a checksum: not judged
	// A length of 0 comes from offloading hosts and jumbograms (RFC 2675): what IP says then holds.
	if (length != 0 && length < UDP_HEADER_LEN)
		return PACKET_MALFORMED;
	out->payload = bytes_slice(
		udp, UDP_HEADER_LEN, length ? (size_t)length - UDP_HEADER_LEN : SIZE_MAX);
	return PACKET_UDP;
}

// RFC 9293 section 3.1.
static ON_EVERY_FRAME enum packet_class read_tcp(struct bytes tcp, struct packet *out)
{
	struct reader r = reader_of(tcp);
	struct reader header = reader_of(read_bytes(&r, TCP_MIN_HEADER_LEN));
	if (r.overrun)
		return PACKET_TRUNCATED;
	out->flow.source_port = read_be16(&header);
	out->flow.destination_port = read_be16(&header);
	out->tcp.sequence = read_be32(&header);
	read_be32(&header); // acknowledgment
	size_t header_len = (size_t)(read_u8(&header) >> 4) * 4;
	out->tcp.flags = read_u8(&header);
	read_be32(&header); // window; checksum: not judged
	out->tcp.urgent = read_be16(&header);
	if (header_len < TCP_MIN_HEADER_LEN)
		return PACKET_MALFORMED;
	if (header_len > tcp.len)
		return PACKET_TRUNCATED;
	out->payload = bytes_slice(tcp, header_len, SIZE_MAX);
	return PACKET_TCP;
}

// What a protocol is that is not opened, or not opened yet.
static enum packet_class class_of_protocol(uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_IPV4:
	case PROTOCOL_IPV6:
	case PROTOCOL_GRE:
	case PROTOCOL_ETHERIP:
	case PROTOCOL_L2TP:
	case PROTOCOL_MPLS:
	case PROTOCOL_ETHERNET:
		return PACKET_TUNNEL;
	case PROTOCOL_SCTP:
		return PACKET_SCTP;
	case PROTOCOL_ESP:
		return PACKET_ESP;
	default:
		return PACKET_OTHER_PROTOCOL;
	}
}

static struct step open_udp_tunnel(struct bytes payload, struct packet *out)
{
	struct step step = udp_tunnel_open(&out->flow, payload, &out->outer);
	if (step.layer != LAYER_NONE || step.class != PACKET_UDP)
		out->payload = bytes_of(NULL, 0);
	return step;
}

static struct step open_other_transport(struct bytes rest, struct packet *out)
{
	struct encapsulation *outer = &out->outer;
	switch (out->flow.protocol) {
	case PROTOCOL_IPV4:
		return tunnel_to(outer, SCOPE_IP, 0, LAYER_IPV4, rest);
	case PROTOCOL_IPV6:
		return tunnel_to(outer, SCOPE_IP, 0, LAYER_IPV6, rest);
	case PROTOCOL_GRE:
		return gre_open(rest, outer);
	case PROTOCOL_ETHERIP:
		return etherip_open(rest, outer);
	case PROTOCOL_ETHERNET:
		return tunnel_to(outer, SCOPE_ETHERNET_IN_IP, 0, LAYER_ETHERNET, rest);
	case PROTOCOL_MPLS:
		return step_to(LAYER_MPLS, rest);
	default:
		return step_end(class_of_protocol(out->flow.protocol));
	}
}

static ON_EVERY_FRAME struct step open_transport(struct bytes rest, struct packet *out)
{
	if (out->flow.protocol == PROTOCOL_TCP)
		return step_end(read_tcp(rest, out));
	if (out->flow.protocol != PROTOCOL_UDP)
		return step_to(LAYER_OTHER_TRANSPORT, rest);
	enum packet_class class = read_udp(rest, out);
	if (class == PACKET_UDP &&
		udp_is_tunnel(&out->flow))
		return step_to(LAYER_UDP_TUNNEL, out->payload);
	return step_end(class);
}

// --- IP -----------------------------------------------------------------------------------------------------------------

static void scope_mix_address(struct encapsulation *outer, const struct address *a)
{
	uint64_t halves[2];
	memcpy(halves, a->octets, sizeof halves);
	scope_mix(outer, SCOPE_IP, halves[0]);
	if (a->family == 6)
		scope_mix(outer, SCOPE_IP, halves[1]);
}

// One more IP header is coming. The packet before carries it and has been counted as a tunnel; so there is room.
static void keep_outer_flow(struct packet *out)
{
	struct encapsulation *outer = &out->outer;
	outer->flows[outer->flow_count++] = out->flow;
	scope_mix_address(outer, &out->flow.source);
	scope_mix_address(outer, &out->flow.destination);
}

static ON_EVERY_FRAME void start_flow(struct packet *out)
{
	if (out->flow.source.family != 0) {
		keep_outer_flow(out);
		out->flow = (struct flow){0};
	}
}

static struct step end_at_fragment(struct packet *out, uint32_t identification, uint32_t offset,
	bool more, struct bytes payload)
{
	out->fragment = (struct ip_fragment){identification, offset, more};
	out->payload = payload;
	return step_end(PACKET_FRAGMENT);
}

static bool is_extension_header(uint8_t family, uint8_t protocol)
{
	switch (protocol) {
	case PROTOCOL_AUTHENTICATION:
		return true;
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_ROUTING:
	case PROTOCOL_FRAGMENT:
	case PROTOCOL_DESTINATION_OPTIONS:
	case PROTOCOL_MOBILITY:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return family == 6;
	default:
		return false;
	}
}

static ON_EVERY_FRAME enum layer behind_ip(uint8_t family, uint8_t protocol)
{
	if (protocol == PROTOCOL_UDP || protocol == PROTOCOL_TCP)
		return LAYER_TRANSPORT;
	return is_extension_header(family, protocol) ? LAYER_EXTENSIONS : LAYER_OTHER_TRANSPORT;
}

enum origin { WHOLE_PACKET, REASSEMBLED };

// RFC 8200 section 4; AH also with IPv4 (RFC 4302). Goes from out->flow.protocol on to the transport header. Length fields
// count 8-octet units after the first; AH 4-octet units after the first two.
static struct step step_over_extensions(struct bytes rest, enum origin origin, struct packet *out)
{
	struct flow *flow = &out->flow;
	for (unsigned headers = 0; is_extension_header(flow->source.family, flow->protocol);
		headers++) {
		if (headers == PACKET_MAX_EXTENSION_HEADERS)
			return step_end(PACKET_TOO_DEEP);
		struct reader r = reader_of(rest);
		uint8_t next = read_u8(&r);
		size_t len = ((size_t)read_u8(&r) + 1) * 8;
		if (flow->protocol == PROTOCOL_AUTHENTICATION) {
			len = len / 2 + 4;
		} else if (flow->protocol == PROTOCOL_FRAGMENT) {
			uint16_t fragment = read_be16(&r); // offset, two reserved bits, M
			uint32_t identification = read_be32(&r);
			if (r.overrun)
				return step_end(PACKET_TRUNCATED);
			// An atomic fragment (RFC 6946) is a whole packet. Nobody fragments fragments, and
			// who puts them together need not fear that it goes on and on.
			bool is_atomic = (fragment & 0xfff9) == 0;
			if (!is_atomic && origin == REASSEMBLED)
				return step_end(PACKET_MALFORMED);
			flow->protocol = next;
			if (!is_atomic)
				return end_at_fragment(out, identification, fragment & 0xfff8,
					fragment & 1, reader_rest(&r));
			len = 8;
		}
		if (r.overrun || len > rest.len)
			return step_end(PACKET_TRUNCATED);
		flow->protocol = next;
		rest = bytes_slice(rest, len, SIZE_MAX);
	}
	return step_to(LAYER_TRANSPORT, rest);
}

static ON_EVERY_FRAME struct step open_ipv4(struct bytes ip, enum detail detail, struct packet *out)
{
	struct reader r = reader_of(ip);
	struct reader header = reader_of(read_bytes(&r, IPV4_MIN_HEADER_LEN));
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	uint8_t version_and_length = read_u8(&header);
	read_u8(&header); // type of service
	uint16_t total_length = read_be16(&header);
	uint16_t identification = read_be16(&header);
	uint16_t fragment = read_be16(&header); // reserved, don't fragment, more fragments; offset
	read_u8(&header);                       // time to live
	uint8_t protocol = read_u8(&header);
	read_be16(&header); // checksum: not judged
	struct bytes source = read_bytes(&header, 4);
	struct bytes destination = read_bytes(&header, 4);

	size_t header_len = (size_t)(version_and_length & 15) * 4;
	if (version_and_length >> 4 != 4 || header_len < IPV4_MIN_HEADER_LEN)
		return step_end(PACKET_MALFORMED);
	// Segmentation offload leaves the total length 0: then the frame's end counts.
	if (total_length != 0 && total_length < header_len)
		return step_end(PACKET_MALFORMED);
	if (ip.len < header_len)
		return step_end(PACKET_TRUNCATED);
	start_flow(out);
	memcpy(out->flow.source.octets, source.at, 4);
	memcpy(out->flow.destination.octets, destination.at, 4);
	out->flow.source.family = out->flow.destination.family = 4;
	out->flow.protocol = protocol;
	struct bytes rest =
		bytes_slice(ip, header_len, total_length ? total_length - header_len : SIZE_MAX);
	if (detail == FULL)
		out->ip = bytes_of(ip.at, header_len + rest.len);
	if (fragment & 0x3fff) // more fragments, or an offset
		return end_at_fragment(out, identification, (fragment & 0x1fffu) * 8,
			fragment & 0x2000, rest);
	return step_to(behind_ip(4, protocol), rest);
}

static ON_EVERY_FRAME struct step open_ipv6(struct bytes ip, enum detail detail, struct packet *out)
{
	struct reader r = reader_of(ip);
	struct reader header = reader_of(read_bytes(&r, IPV6_HEADER_LEN));
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	uint32_t version = read_be32(&header) >> 28;
	uint16_t payload_len = read_be16(&header);
	uint8_t next = read_u8(&header);
	read_u8(&header); // hop limit
	struct bytes source = read_bytes(&header, 16);
	struct bytes destination = read_bytes(&header, 16);

	if (version != 6)
		return step_end(PACKET_MALFORMED);
	start_flow(out);
	memcpy(out->flow.source.octets, source.at, 16);
	memcpy(out->flow.destination.octets, destination.at, 16);
	out->flow.source.family = out->flow.destination.family = 6;
	out->flow.protocol = next;
	// 0: offload, or a jumbogram.
	struct bytes rest = bytes_slice(ip, IPV6_HEADER_LEN, payload_len ? payload_len : SIZE_MAX);
	if (detail == FULL)
		out->ip = bytes_of(ip.at, IPV6_HEADER_LEN + rest.len);
	return step_to(behind_ip(6, next), rest);
}

// --- the whole ----------------------------------------------------------------------------------------------------------

// `at` is the start of an Ethernet header that is there.
static void take_macs(struct packet *out, const uint8_t *at)
{
	memcpy(out->macs[1], at, PACKET_MAC_LEN); // destination first
	memcpy(out->macs[0], at + PACKET_MAC_LEN, PACKET_MAC_LEN);
}

static ON_EVERY_FRAME struct step open_ethernet(
	struct bytes frame, enum detail detail, struct packet *out)
{
	struct reader r = reader_of(frame);
	read_bytes(&r, ETHERNET_ADDRESSES_LEN);
	uint16_t type = read_be16(&r);
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	if (detail == FULL)
		take_macs(out, frame.at);
	return ethertype_open(type, &r, &out->outer);
}

static ON_EVERY_FRAME enum packet_class follow(
	enum layer layer, struct bytes rest, enum detail detail, struct packet *out)
{
	struct step step = step_to(layer, rest);
	for (;;) {
		switch (step.layer) {
		case LAYER_ETHERNET:
			step = open_ethernet(step.rest, detail, out);
			break;
		case LAYER_IPV4:
			step = open_ipv4(step.rest, detail, out);
			break;
		case LAYER_IPV6:
			step = open_ipv6(step.rest, detail, out);
			break;
		case LAYER_EXTENSIONS:
			step = step_over_extensions(step.rest, WHOLE_PACKET, out);
			break;
		case LAYER_TRANSPORT:
			step = open_transport(step.rest, out);
			break;
		case LAYER_OTHER_TRANSPORT:
			step = open_other_transport(step.rest, out);
			break;
		case LAYER_UDP_TUNNEL:
			step = open_udp_tunnel(step.rest, out);
			break;
		case LAYER_MPLS:
			step = mpls_open(step.rest, &out->outer);
			break;
		case LAYER_PPPOE:
			step = pppoe_open(step.rest, &out->outer);
			break;
		case LAYER_NONE:
			return step.class;
		}
	}
}

// Apart from parse(), so that the short way through that saves no registers for these.
static __attribute__((noinline)) enum packet_class follow_briefly(
	enum layer layer, struct bytes rest, struct packet *out)
{
	return follow(layer, rest, BRIEF, out);
}

static __attribute__((noinline)) enum packet_class follow_fully(
	enum layer layer, struct bytes rest, struct packet *out)
{
	return follow(layer, rest, FULL, out);
}

static ON_EVERY_FRAME enum packet_class parse(
	struct bytes frame, enum detail detail, struct packet *out)
{
	// Not the whole of it: this is done for every frame, and what is left out is read only where it was written.
	out->flow = (struct flow){0};
	out->payload = bytes_of(NULL, 0);
	out->outer.scope = 0;
	out->outer.flow_count = 0;
	out->outer.teid_count = 0;
	out->outer.tunnels = 0;
	out->outer.user_tunnels = 0;
	out->outer.vlan = 0;

	// The short way, of untagged TCP and UDP.
	struct reader r = reader_of(frame);
	read_bytes(&r, ETHERNET_ADDRESSES_LEN);
	uint16_t type = read_be16(&r);
	if (detail == FULL && !r.overrun)
		take_macs(out, frame.at);
	struct step step = step_to(LAYER_ETHERNET, frame);
	if (type == ETHERTYPE_IPV4)
		step = open_ipv4(reader_rest(&r), detail, out);
	else if (type == ETHERTYPE_IPV6)
		step = open_ipv6(reader_rest(&r), detail, out);
	if (step.layer == LAYER_TRANSPORT)
		step = open_transport(step.rest, out);
	if (step.layer == LAYER_NONE)
		return step.class;
	return detail == FULL ? follow_fully(step.layer, step.rest, out)
	                      : follow_briefly(step.layer, step.rest, out);
}

enum packet_class packet_parse(struct bytes frame, struct packet *out)
{
	return parse(frame, FULL, out);
}

enum packet_class packet_look(struct bytes frame, struct packet *out)
{
	return parse(frame, BRIEF, out);
}

// The ports may be those that packet_peek() saw.
static struct step begin_datagram(struct packet *packet, uint8_t protocol, struct bytes datagram)
{
	packet->flow.protocol = protocol;
	packet->flow.source_port = 0;
	packet->flow.destination_port = 0;
	packet->payload = bytes_of(NULL, 0);
	packet->ip = bytes_of(NULL, 0);
	return step_over_extensions(datagram, REASSEMBLED, packet);
}

enum packet_class packet_resume(struct packet *packet, uint8_t protocol, struct bytes datagram)
{
	struct step step = begin_datagram(packet, protocol, datagram);
	return step.layer == LAYER_NONE ? step.class : follow_fully(step.layer, step.rest, packet);
}

enum packet_class packet_peek(struct packet *packet)
{
	struct step step = begin_datagram(packet, packet->flow.protocol, packet->payload);
	if (step.layer == LAYER_NONE)
		return step.class;
	struct flow *flow = &packet->flow;
	if (flow->protocol == PROTOCOL_TCP)
		return read_tcp(step.rest, packet);
	if (flow->protocol != PROTOCOL_UDP)
		return class_of_protocol(flow->protocol);
	enum packet_class class = read_udp(step.rest, packet);
	if (class == PACKET_UDP && udp_is_tunnel(flow))
		return PACKET_TUNNEL;
	return class;
}

static const struct {
	const char *name, *help;
} classes[PACKET_CLASSES] = {
	[PACKET_UDP] = {"udp", "whole UDP datagrams, looked at for signalling"},
	[PACKET_TCP] = {"tcp", "TCP segments, looked at for signalling"},
	[PACKET_FRAGMENT] = {"fragment", "IP fragments, to be put together"},
	[PACKET_NOT_IP] = {"not_ip",
		"ARP, LLDP, PPP control and other protocols beside IP: nothing to look for"},
	[PACKET_TRUNCATED] = {"truncated", "the frame ends inside a header"},
	[PACKET_MALFORMED] = {"malformed", "header lengths that cannot be"},
	[PACKET_SCTP] = {"sctp", "SCTP: not understood"},
	[PACKET_ESP] = {"esp", "IPsec ESP: encrypted"},
	[PACKET_TUNNEL] = {"tunnel",
		"tunnels that are not opened: L2TPv3, compressed or encrypted PPP, Teredo, GRE of unknown kind"},
	[PACKET_OTHER_PROTOCOL] = {"other_protocol", "ICMP and other IP protocols"},
	[PACKET_TOO_DEEP] = {"too_deep",
		"more than 4 VLAN tags, 16 labels, 8 extension headers or 8 tunnels"},
};

const char *packet_class_name(enum packet_class class)
{
	return classes[class].name;
}

const char *packet_class_help(enum packet_class class)
{
	return classes[class].help;
}
