// Frames, as far as x2tap understands them: Ethernet to the innermost UDP payload.
//
// Parsing allocates and copies nothing; the view into the frame must not outlive it. No state, no EAL: any thread.
#ifndef X2TAP_PACKET_H
#define X2TAP_PACKET_H

#include "address.h"
#include "bytes.h"

// One packet as IRI describe it (X2 attributes 10 to 16): the innermost IP packet.
struct flow {
	struct address source, destination;
	uint16_t source_port, destination_port; // host order; 0 when the protocol has none
	uint8_t protocol;                       // IANA number: 17 UDP, 6 TCP
};

struct packet {
	struct flow flow;
	struct bytes payload; // of UDP, as far as IP's and UDP's lengths and the frame agree
};

// What became of a frame. Everything but PACKET_UDP is "not understood", by reason; the names are those of the counters.
enum packet_class {
	PACKET_UDP,
	PACKET_NOT_IP,    // ARP, LLDP, unknown ethertypes
	PACKET_TRUNCATED, // the frame ends inside a header
	PACKET_MALFORMED, // header lengths that cannot be
	PACKET_FRAGMENT,  // IPv4 or IPv6 fragment (not the atomic kind)
	PACKET_TCP,
	PACKET_TUNNEL,         // MPLS, PPPoE, GRE, IP-in-IP, L2TP, ESP, GTP-U, VXLAN, Geneve ...
	PACKET_OTHER_PROTOCOL, // ICMP, SCTP, IGMP ...
	PACKET_TOO_DEEP,       // more VLAN tags or extension headers than the bounds below
	PACKET_CLASSES
};

enum {
	PACKET_MAX_VLAN_TAGS = 4,
	PACKET_MAX_EXTENSION_HEADERS = 8, // IPv6, RFC 8200 section 4.1 names seven kinds
};

// Looks at one frame that starts with an Ethernet header. `out->flow` holds what was reached: addresses from the IP
// header on, ports only for PACKET_UDP and PACKET_TCP; `out->payload` for UDP, also when its
// port says tunnel (a telephone may have picked that port). Checksums are not judged: a
// wrong one is no reason to overlook a message.
enum packet_class packet_parse(struct bytes frame, struct packet *out);

// Whether a UDP port, as source or destination, can make a datagram PACKET_TUNNEL.
bool packet_is_tunnel_port(uint16_t port);

// Counter name and help text of a class.
const char *packet_class_name(enum packet_class class);
const char *packet_class_help(enum packet_class class);

#endif
