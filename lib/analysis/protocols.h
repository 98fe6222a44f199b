// The signalling protocols beside SIP: one row each, in the order in which a datagram is tried. A new one is a row here, one in
// the forms of lib/iri, and its files in lib/proto and lib/event.
#ifndef X2TAP_PROTOCOLS_H
#define X2TAP_PROTOCOLS_H

#include "event.h"
#include "signals.h"

// What is configured for a protocol, alone or with others.
enum protocol_family { FAMILY_RADIUS, FAMILY_DHCPV4, FAMILY_DHCPV6, FAMILY_GTP };

struct protocol {
	const char *name; // of its counters
	signal_reader *read;
	enum event_protocol event; // what is reported
	bool whole_packet;         // reported is the IP packet, not the message
	enum protocol_family family;
};
extern const struct protocol protocols[]; // by enum signal_protocol
extern const unsigned protocol_count;

#endif
