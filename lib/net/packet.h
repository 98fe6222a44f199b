// Frames, as far as x2tap understands them: Ethernet, through tunnels, to the innermost UDP datagram, TCP segment or IP
// fragment.
//
// Parsing allocates and copies nothing; views must not outlive the frame. No state, no EAL: any thread. Whatever a sender
// controls is bounded, and the bounds are below. Checksums are not judged: a wrong one is no reason to overlook a message.
#ifndef X2TAP_PACKET_H
#define X2TAP_PACKET_H

#include "address.h"
#include "bytes.h"

enum { PACKET_MAC_LEN = 6 };
enum {
	PACKET_MAX_VLAN_TAGS = 4,         // of one Ethernet header
	PACKET_MAX_LABELS = 16,           // of one MPLS stack (RFC 3032)
	PACKET_MAX_EXTENSION_HEADERS = 8, // of one IPv6 header; RFC 8200 section 4.1 names seven kinds
	PACKET_MAX_GTPU_EXTENSIONS = 8,   // of one GTP-U header (TS 29.281 clause 5.2)
	PACKET_MAX_TUNNELS = 8,           // nested: MPLS, PPPoE, L2TP, GRE, IP-in-IP, VXLAN, Geneve and GTP-U count one each
};

// One packet as IRI describe it (X2 attributes 10 to 16).
struct flow {
	struct address source, destination;
	uint16_t source_port, destination_port; // host order; 0 when the protocol has none
	uint8_t protocol;                       // IANA number: 17 UDP, 6 TCP
};

// What the innermost packet travelled in, outermost first. Entries behind the counts are not set.
struct encapsulation {
	// What tells networks with equal addresses apart: VLAN, bottom label, session, key, VNI, TEID and outer addresses,
	// mixed. 0 for a packet in a plain Ethernet frame. The directions of a tunnel differ in it.
	uint64_t scope;
	uint8_t flow_count, teid_count;
	uint8_t tunnels; // how many were opened
	// How many of these a user may have made or filled: all but MPLS. In GTP-U, L2TP, PPPoE and PPTP is what users send. GRE,
	// IP-in-IP, EtherIP, VXLAN and Geneve may be the operator's own, but any host can send such packets, and nothing in
	// them tells who did: what one holds counts as a user's.
	uint8_t user_tunnels;
	// Of the outermost tag, if that is the frame's own; 0: there is none, or it tells a priority alone.
	uint16_t vlan;
	struct flow flows[PACKET_MAX_TUNNELS]; // of the outer IP packets; ports where UDP carries the tunnel
	uint32_t teids[PACKET_MAX_TUNNELS];    // of GTP-U
};

enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_URG = 32 }; // RFC 9293 section 3.1
struct tcp_header {
	uint32_t sequence;
	uint16_t urgent;
	uint8_t flags; // tcp_flag bits, and others
};

// RFC 791 section 3.1, RFC 8200 section 4.5.
struct ip_fragment {
	uint32_t identification;
	uint32_t offset; // octets, a multiple of 8, at most 65,528
	bool more;       // more fragments follow
};

struct packet {
	struct flow flow; // innermost. Ports only for PACKET_UDP and PACKET_TCP
	// UDP: the datagram's data; TCP: the segment's data; PACKET_FRAGMENT: the fragment's octets, flow.protocol says what
	// they are a part of (IPv6: the Next Header of the fragment header, which may be one more extension header).
	struct bytes payload;
	// PACKET_UDP, PACKET_TCP: the innermost IP packet as it stands in the frame, from its header to the end that its length or
	// the frame sets; no padding. Empty where it was put together from fragments, or another worker's frame held it: see
	// packet_write_ip(). Else not set.
	struct bytes ip;
	// Source and destination in the Ethernet header nearest to the packet: the frame's own, or that of a frame in a tunnel.
	// Not set if the frame is too short for one.
	uint8_t macs[2][PACKET_MAC_LEN];
	struct tcp_header tcp;       // PACKET_TCP, else not set
	struct ip_fragment fragment; // PACKET_FRAGMENT, else not set
	struct encapsulation outer;
	uint16_t point; // where the frame was received: the caller's, after parsing
};

// What became of a frame. What is neither UDP, TCP nor a fragment is "not understood", by reason; the names are those of the
// counters.
enum packet_class {
	PACKET_UDP,
	PACKET_TCP,
	PACKET_FRAGMENT,  // IPv4 or IPv6 fragment (not the atomic kind): to be put together, then packet_resume()
	PACKET_NOT_IP,    // ARP, LLDP, PPP control protocols, unknown ethertypes
	PACKET_TRUNCATED, // the frame ends inside a header
	PACKET_MALFORMED, // header lengths that cannot be
	PACKET_SCTP,      // RFC 9260
	PACKET_ESP,       // IPsec, RFC 4303
	PACKET_TUNNEL,    // tunnels that are not opened: L2TPv3, compressed or encrypted PPP, Teredo, GRE of unknown kind ...
	PACKET_OTHER_PROTOCOL, // ICMP, IGMP, OSPF ...
	PACKET_TOO_DEEP,       // more tags, labels, headers or tunnels than the bounds above
	PACKET_CLASSES
};

// Looks at one frame that starts with an Ethernet header. `out->flow` holds what was reached: addresses from the innermost
// IP header on. The class is that of the innermost packet.
enum packet_class packet_parse(struct bytes frame, struct packet *out);

// The same, but that `ip` and `macs` are not set: for a first look at every frame, most of which are nobody's.
enum packet_class packet_look(struct bytes frame, struct packet *out);

// Goes on with the datagram that fragments were put together to. `packet` is what packet_parse() or packet_resume() made of
// the fragment that completed it, and is written over; `protocol` is that of the first fragment, `datagram` what follows the IP
// header (IPv6: the fragment header). It may be another fragment, of a packet inside of a tunnel: one of the same packet
// again is malformed, so that PACKET_MAX_TUNNELS bounds how often this can happen.
enum packet_class packet_resume(struct packet *packet, uint8_t protocol, struct bytes datagram);

// What the first fragment of a datagram begins, as far as it goes: the ports are in `packet->flow`, and `packet->payload` is
// what it holds of the data. PACKET_UDP, PACKET_TCP; PACKET_TUNNEL for what a tunnel may be in; PACKET_TRUNCATED when
// it is too short to tell (RFC 1858). What it begins otherwise has its class. `packet` is written over, so hand in a copy.
enum packet_class packet_peek(struct packet *packet);

// Writes the IP packet that a PACKET_UDP is, and returns its length: `ip`, or if that is empty one made anew around the payload,
// with checksums: no options or extension headers; type of service, identification and flags 0; time to live 64. 0, and nothing
// written: there is no room, or more payload than IPv4 can have.
size_t packet_write_ip(const struct packet *packet, struct writer *to);

// Whether a UDP port, as source or destination, can make a datagram the outside of a tunnel.
bool packet_is_tunnel_port(uint16_t port);

// Counter name and help text of a class.
const char *packet_class_name(enum packet_class class);
const char *packet_class_help(enum packet_class class);

#endif
