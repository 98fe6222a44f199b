// Below IP: Ethertypes with VLAN tags, MPLS, PPPoE, PPP.
#include "layers.h"

static bool ethertype_is_opened(uint16_t type)
{
	switch (type) {
	case ETHERTYPE_IPV4:
	case ETHERTYPE_IPV6:
	case ETHERTYPE_MPLS:
	case ETHERTYPE_MPLS_UPSTREAM:
	case ETHERTYPE_PPPOE_SESSION:
		return true;
	default:
		return ethertype_is_vlan(type);
	}
}

struct step tunnelled_ethertype_open(uint16_t type, enum scope_kind kind, uint64_t id,
	struct reader *r, struct encapsulation *outer)
{
	if (type != ETHERTYPE_ETHERNET && !ethertype_is_opened(type))
		return step_end(PACKET_TUNNEL);
	if (!tunnel_enter(outer, kind, id))
		return step_end(PACKET_TOO_DEEP);
	if (type == ETHERTYPE_ETHERNET)
		return step_to(LAYER_ETHERNET, reader_rest(r));
	return ethertype_open(type, r, outer);
}

// --- MPLS (RFC 3032) ----------------------------------------------------------------------------------------------

enum {
	MPLS_BOTTOM_OF_STACK = 0x100,
	MPLS_ENTROPY_INDICATOR = 7, // RFC 6790
	CONTROL_WORD_LEN = 4,       // RFC 4385 section 3
};

static uint8_t first_nibble(struct bytes b)
{
	return b.len ? b.at[0] >> 4 : 0;
}

// Whether an Ethernet frame begins here, as far as its type can tell.
static bool looks_like_ethernet(struct bytes b)
{
	struct reader r = reader_of(b);
	read_bytes(&r, ETHERNET_ADDRESSES_LEN);
	uint16_t type = read_be16(&r);
	uint8_t version = first_nibble(reader_rest(&r));
	if (type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6)
		return version == (type == ETHERTYPE_IPV4 ? 4 : 6);
	return ethertype_is_opened(type);
}

// An address that begins like IP hardly ever goes on with exactly the length of what is there.
static bool ipv4_fits(struct bytes b)
{
	struct reader r = reader_of(bytes_slice(b, 2, 2));
	return read_be16(&r) == b.len;
}

static bool ipv4_is_possible(struct bytes b)
{
	struct reader r = reader_of(b);
	size_t header_len = (size_t)(read_u8(&r) & 15) * 4;
	read_u8(&r); // type of service
	uint16_t total_length = read_be16(&r);
	return header_len >= 20 && (total_length == 0 || total_length >= header_len);
}

static bool ipv6_fits(struct bytes b)
{
	struct reader r = reader_of(bytes_slice(b, 4, 2));
	return (size_t)read_be16(&r) + 40 == b.len;
}

// Labels do not say what they carry; its first octets have to (RFC 4928 section 3). But an Ethernet pseudowire without control
// word (RFC 4448) begins with an address, and that with any nibble. So an Ethertype in its place decides between it and IP
// whose length does not fit, and between it and a control word, unless that is the one of Ethernet: 16 zero bits first.
static struct step behind_labels(struct bytes rest)
{
	struct bytes behind_word = bytes_slice(rest, CONTROL_WORD_LEN, SIZE_MAX);
	switch (first_nibble(rest)) {
	case 0:
		if (looks_like_ethernet(rest) &&
			!(bytes_start_with(rest, bytes_of("\0", 2)) &&
				looks_like_ethernet(behind_word)))
			return step_to(LAYER_ETHERNET, rest);
		return step_to(LAYER_ETHERNET, behind_word);
	case 1: // an associated channel of the network's own (RFC 5586)
		return step_end(PACKET_NOT_IP);
	case 4:
		if (ipv4_is_possible(rest) && (ipv4_fits(rest) || !looks_like_ethernet(rest)))
			return step_to(LAYER_IPV4, rest);
		break;
	case 6:
		if (ipv6_fits(rest) || !looks_like_ethernet(rest))
			return step_to(LAYER_IPV6, rest);
		break;
	default:
		break;
	}
	return step_to(LAYER_ETHERNET, rest);
}

struct step mpls_open(struct bytes rest, struct encapsulation *outer)
{
	struct reader r = reader_of(rest);
	uint32_t entry = 0, bottom = 0, before = 0, before_that = 0;
	for (unsigned labels = 0; !(entry & MPLS_BOTTOM_OF_STACK); labels++) {
		if (labels == PACKET_MAX_LABELS)
			return step_end(PACKET_TOO_DEEP);
		entry = read_be32(&r);
		if (r.overrun)
			return step_end(PACKET_TRUNCATED);
		before_that = before;
		before = bottom;
		bottom = entry >> 12;
	}
	// An entropy label spreads flows over paths: it says nothing of the network.
	uint32_t service = before == MPLS_ENTROPY_INDICATOR ? before_that : bottom;
	if (!tunnel_enter(outer, SCOPE_MPLS, service))
		return step_end(PACKET_TOO_DEEP);
	return behind_labels(reader_rest(&r));
}

// --- PPPoE (RFC 2516), PPP (RFC 1661) -------------------------------------------------------------------------------

enum {
	PPPOE_VERSION_1_TYPE_1 = 0x11,
	PPPOE_CODE_SESSION = 0,
	PPPOE_HEADER_LEN = 6,
};

enum ppp_protocol { // IANA PPP numbers
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	PPP_MPLS = 0x0281,
	PPP_MPLS_MULTICAST = 0x0283,
	PPP_FIRST_WITHOUT_DATA = 0x4000, // low-volume protocols; from 0x8000 on control protocols
};

struct step pppoe_open(struct bytes rest, struct encapsulation *outer)
{
	struct reader r = reader_of(rest);
	uint8_t version_and_type = read_u8(&r);
	uint8_t code = read_u8(&r);
	uint16_t session = read_be16(&r);
	uint16_t length = read_be16(&r);
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	if (version_and_type != PPPOE_VERSION_1_TYPE_1)
		return step_end(PACKET_MALFORMED);
	if (code != PPPOE_CODE_SESSION)
		return step_end(PACKET_NOT_IP);
	if (!tunnel_enter(outer, SCOPE_PPPOE, session))
		return step_end(PACKET_TOO_DEEP);
	return ppp_open(bytes_slice(rest, PPPOE_HEADER_LEN, length));
}

struct step ppp_open(struct bytes rest)
{
	struct bytes address_and_control = bytes_of("\xff\x03", 2); // may be left out, section 6.6
	if (bytes_start_with(rest, address_and_control))
		rest = bytes_slice(rest, address_and_control.len, SIZE_MAX);
	struct reader r = reader_of(rest);
	uint16_t protocol = read_u8(&r);
	if (!(protocol & 1)) // else compressed to one octet, section 6.5
		protocol = (uint16_t)(protocol << 8 | read_u8(&r));
	if (r.overrun)
		return step_end(PACKET_TRUNCATED);
	if (!(protocol & 1))
		return step_end(PACKET_MALFORMED);
	switch (protocol) {
	case PPP_IPV4:
		return step_to(LAYER_IPV4, reader_rest(&r));
	case PPP_IPV6:
		return step_to(LAYER_IPV6, reader_rest(&r));
	case PPP_MPLS:
	case PPP_MPLS_MULTICAST:
		return step_to(LAYER_MPLS, reader_rest(&r));
	default: // below: compressed, encrypted, in several links, bridged
		return step_end(protocol < PPP_FIRST_WITHOUT_DATA ? PACKET_TUNNEL : PACKET_NOT_IP);
	}
}
