// Tunnels over IP and UDP.
#include "layers.h"

// --- GRE (RFC 2784, RFC 2890) ---------------------------------------------------------------------------------------

enum {
	GRE_CHECKSUM = 0x8000, // and two octets more
	GRE_KEY = 0x2000,
	GRE_SEQUENCE = 0x1000,
	GRE_ROUTING = 0x4c00, // RFC 1701: routing, strict routing, and what RFC 2784 section 2.2 wants discarded
	GRE_VERSION = 0x0007,
	PPTP_ACKNOWLEDGMENT = 0x0080,
	PPTP_FIXED_BITS = 0xef7f, // all but sequence and acknowledgment
};

enum gre_type { // beside Ethertypes
	GRE_PPP = 0x880b,
	GRE_ERSPAN = 0x88be,
	GRE_ERSPAN_III = 0x22eb,
};

// RFC 2637 section 4.1. The key is a payload length and a call id.
static struct step pptp_open(
	uint16_t flags, uint16_t type, struct reader *r, struct encapsulation *outer)
{
	if ((flags & PPTP_FIXED_BITS) != (GRE_KEY | 1) || type != GRE_PPP)
		return step_end(PACKET_TUNNEL);
	uint16_t length = read_be16(r);
	uint16_t call = read_be16(r);
	if (flags & GRE_SEQUENCE)
		read_be32(r);
	if (flags & PPTP_ACKNOWLEDGMENT)
		read_be32(r);
	if (r->overrun)
		return step_end(PACKET_TRUNCATED);
	if (!(flags & GRE_SEQUENCE) || length == 0) // acknowledges, carries nothing
		return step_end(PACKET_NOT_IP);
	if (!tunnel_enter(outer, SCOPE_PPTP, call))
		return step_end(PACKET_TOO_DEEP);
	return ppp_open(bytes_slice(reader_rest(r), 0, length));
}

// draft-foschiano-erspan-03: a mirrored Ethernet frame. Type I has no header, and no sequence number in GRE's.
static struct step erspan_open(
	uint16_t flags, uint16_t type, uint32_t key, struct reader *r, struct encapsulation *outer)
{
	if (type == GRE_ERSPAN && !(flags & GRE_SEQUENCE))
		return tunnel_to(outer, SCOPE_GRE, key, LAYER_ETHERNET, reader_rest(r));
	uint32_t word = read_be32(r); // version, VLAN; class of service, flags, session
	read_be32(r);                 // II: port index. III: timestamp
	uint32_t frame = 0;
	if (type == GRE_ERSPAN_III)
		frame = read_be32(r); // security group; kind of frame, hardware, direction, options
	if (frame & 1)
		read_be64(r); // specific to the platform
	if (r->overrun)
		return step_end(PACKET_TRUNCATED);
	uint32_t version = type == GRE_ERSPAN ? 1 : 2;
	if (word >> 28 != version || (frame >> 10 & 0x1f) != 0) // kind 0: Ethernet
		return step_end(PACKET_TUNNEL);
	if (!tunnel_enter(outer, SCOPE_GRE, key))
		return step_end(PACKET_TOO_DEEP);
	scope_mix(outer, SCOPE_ERSPAN, word & 0x0fff03ff); // VLAN and session
	return step_to(LAYER_ETHERNET, reader_rest(r));
}

struct step gre_open(struct bytes rest, struct encapsulation *outer)
{
	struct reader r = reader_of(rest);
	uint16_t flags = read_be16(&r);
	uint16_t type = read_be16(&r);
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	if ((flags & GRE_VERSION) == 1)
		return pptp_open(flags, type, &r, outer);
	if (flags & (GRE_ROUTING | GRE_VERSION))
		return step_end(PACKET_TUNNEL);
	if (flags & GRE_CHECKSUM)
		read_be32(&r);
	uint32_t key = flags & GRE_KEY ? read_be32(&r) : 0;
	if (flags & GRE_SEQUENCE)
		read_be32(&r);
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	if (type == GRE_ERSPAN || type == GRE_ERSPAN_III)
		return erspan_open(flags, type, key, &r, outer);
	return tunnelled_ethertype_open(type, SCOPE_GRE, key, &r, outer);
}

// RFC 3378 section 3: version 3, then twelve reserved bits.
struct step etherip_open(struct bytes rest, struct encapsulation *outer)
{
	struct reader r = reader_of(rest);
	uint16_t header = read_be16(&r);
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	if (header != 0x3000)
		return step_end(PACKET_TUNNEL);
	return tunnel_to(outer, SCOPE_ETHERNET_IN_IP, 0, LAYER_ETHERNET, reader_rest(&r));
}

// --- over UDP ---------------------------------------------------------------------------------------------------------
//
// A telephone may have picked a tunnel's port. So each opener first makes sure that the header is exactly the tunnel's, and
// else says PACKET_UDP. None of these headers can begin a SIP message: all have an octet below 32 or above 126 where a
// start line has none.

bool packet_is_tunnel_port(uint16_t port)
{
	return port_is_tunnel(port);
}

enum { // RFC 2661 section 3.1
	L2TP_CONTROL = 0x8000,
	L2TP_LENGTH = 0x4000,
	L2TP_SEQUENCE = 0x0800,
	L2TP_OFFSET = 0x0200,
	L2TP_RESERVED = 0x34f0,
	L2TP_VERSION = 0x000f,
	L2TPV3_DATA = 0x0003, // RFC 3931 section 4.1.2.1, then 16 reserved bits
};

// Control messages are UDP like any other.
static struct step l2tp_open(struct bytes payload, struct encapsulation *outer)
{
	struct reader r = reader_of(payload);
	uint16_t flags = read_be16(&r);
	if (flags == L2TPV3_DATA && read_be16(&r) == 0 && !r.overrun)
		return step_end(PACKET_TUNNEL);
	if ((flags & (L2TP_CONTROL | L2TP_RESERVED | L2TP_VERSION)) != 2)
		return step_end(PACKET_UDP);
	size_t length = flags & L2TP_LENGTH ? read_be16(&r) : SIZE_MAX; // of the header too
	uint16_t tunnel = read_be16(&r);
	uint16_t session = read_be16(&r);
	if (flags & L2TP_SEQUENCE)
		read_be32(&r);
	if (flags & L2TP_OFFSET)
		read_bytes(&r, read_be16(&r));
	size_t header_len = payload.len - reader_left(&r);
	if (r.overrun || length < header_len)
		return step_end(PACKET_UDP);
	if (!tunnel_enter(outer, SCOPE_L2TP, (uint32_t)tunnel << 16 | session))
		return step_end(PACKET_TOO_DEEP);
	return ppp_open(bytes_slice(reader_rest(&r), 0, length - header_len));
}

// RFC 7348 section 5: no bits but I, and a VNI.
static struct step vxlan_open(struct bytes payload, struct encapsulation *outer)
{
	struct reader r = reader_of(payload);
	uint32_t flags = read_be32(&r);
	uint32_t network = read_be32(&r);
	if (r.overrun || flags != 0x08000000 || network & 0xff)
		return step_end(PACKET_UDP);
	return tunnel_to(outer, SCOPE_VXLAN, network >> 8, LAYER_ETHERNET, reader_rest(&r));
}

// RFC 8926 section 3.4: version, length of options, O, C, reserved, type; VNI, reserved; options. What O marks is the
// network's own.
static struct step geneve_open(struct bytes payload, struct encapsulation *outer)
{
	struct reader r = reader_of(payload);
	uint16_t head = read_be16(&r);
	uint16_t type = read_be16(&r);
	uint32_t network = read_be32(&r);
	read_bytes(&r, (size_t)(head >> 8 & 0x3f) * 4);
	if (r.overrun || head & 0xc0bf || network & 0xff)
		return step_end(PACKET_UDP);
	return tunnelled_ethertype_open(type, SCOPE_GENEVE, network >> 8, &r, outer);
}

enum { // TS 29.281 clause 5.1
	GTPU_VERSION_1 = 0x30,     // and protocol type 1; below are the spare bit, E, S, PN
	GTPU_VERSION_MASK = 0xf8,
	GTPU_EXTENSION = 4,
	GTPU_OPTIONAL = 7, // any of E, S, PN brings the fields of all three
	GTPU_T_PDU = 255,
	GTPU_HEADER_LEN = 8,
};

// Clause 5.2.1: a length in units of four octets, content, the next type. `class` says why it is false.
static bool gtpu_skip_extensions(struct reader *r, uint8_t next, enum packet_class *class)
{
	for (unsigned extensions = 0; next != 0; extensions++) {
		if (extensions == PACKET_MAX_GTPU_EXTENSIONS) {
			*class = PACKET_TOO_DEEP;
			return false;
		}
		size_t len = (size_t)read_u8(r) * 4;
		read_bytes(r, len ? len - 2 : SIZE_MAX); // a length of 0 cannot be
		next = read_u8(r);
		if (r->overrun) {
			*class = PACKET_UDP;
			return false;
		}
	}
	return true;
}

// Other messages than T-PDU are UDP like any other.
static struct step gtpu_open(struct bytes payload, struct encapsulation *outer)
{
	struct reader r = reader_of(payload);
	uint8_t flags = read_u8(&r);
	uint8_t type = read_u8(&r);
	uint16_t length = read_be16(&r);
	uint32_t teid = read_be32(&r);
	if (r.overrun || (flags & GTPU_VERSION_MASK) != GTPU_VERSION_1 || type != GTPU_T_PDU)
		return step_end(PACKET_UDP);

	r = reader_of(bytes_slice(payload, GTPU_HEADER_LEN, length));
	if (flags & GTPU_OPTIONAL) {
		read_be16(&r); // sequence number
		read_u8(&r);   // N-PDU number
		uint8_t next = read_u8(&r);
		enum packet_class class = PACKET_UDP;
		if (r.overrun || (flags & GTPU_EXTENSION && !gtpu_skip_extensions(&r, next, &class)))
			return step_end(class);
	}
	struct bytes inner = reader_rest(&r);
	uint8_t version = inner.len ? inner.at[0] >> 4 : 0;
	if (version != 4 && version != 6)
		return step_end(PACKET_TUNNEL);
	if (!tunnel_enter(outer, SCOPE_GTPU, teid))
		return step_end(PACKET_TOO_DEEP);
	outer->teids[outer->teid_count++] = teid;
	return step_to(version == 4 ? LAYER_IPV4 : LAYER_IPV6, inner);
}

// RFC 4380 sections 2.6 and 5.1.1: IPv6 between addresses of which one is Teredo's, or link-local while a client asks for its
// own; before it may stand an authentication and an origin indication.
static bool teredo_recognise(struct bytes payload)
{
	struct reader r = reader_of(payload);
	if (bytes_start_with(payload, bytes_of("\0\1", 2))) {
		read_be16(&r);
		size_t client_len = read_u8(&r);
		size_t value_len = read_u8(&r);
		read_bytes(&r, client_len + value_len);
		read_be64(&r); // nonce
		read_u8(&r);   // confirmation
	}
	if (bytes_start_with(reader_rest(&r), bytes_of("\0\0", 2)))
		read_be64(&r); // origin
	uint8_t version = read_u8(&r) >> 4;
	read_bytes(&r, 3); // traffic class, flow label
	uint16_t length = read_be16(&r);
	read_be16(&r); // next header, hop limit
	struct bytes source = read_bytes(&r, 16);
	struct bytes destination = read_bytes(&r, 16);
	struct bytes prefix = bytes_of("\x20\x01\0\0", 4), link_local = bytes_of("\xfe\x80", 2);
	return !r.overrun && version == 6 && length <= reader_left(&r) &&
	       (bytes_start_with(source, prefix) || bytes_start_with(destination, prefix) ||
		       bytes_start_with(source, link_local));
}

static struct step port_open(uint16_t port, struct bytes payload, struct encapsulation *outer)
{
	switch (port) {
	case PORT_L2TP:
		return l2tp_open(payload, outer);
	case PORT_GTPU:
		return gtpu_open(payload, outer);
	case PORT_TEREDO:
		return step_end(teredo_recognise(payload) ? PACKET_TUNNEL : PACKET_UDP);
	case PORT_VXLAN:
		return vxlan_open(payload, outer);
	case PORT_GENEVE:
		return geneve_open(payload, outer);
	default:
		return step_end(PACKET_UDP);
	}
}

struct step udp_tunnel_open(
	const struct flow *flow, struct bytes payload, struct encapsulation *outer)
{
	struct step step = port_open(flow->destination_port, payload, outer);
	bool is_other = step.layer == LAYER_NONE && step.class == PACKET_UDP;
	if (is_other && port_is_tunnel_source(flow->source_port))
		step = port_open(flow->source_port, payload, outer);
	return step;
}
