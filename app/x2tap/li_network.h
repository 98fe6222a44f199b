// Where a connection of ours would leave this host, and that it must not be where traffic is tapped (design A.2.6).
#ifndef X2TAP_LI_NETWORK_H
#define X2TAP_LI_NETWORK_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "error.h"

// A TCP connection that is about to be made.
struct li_connection {
	int fd; // not yet connected; what it is bound to counts: device, source address, port, mark
	struct address destination;
	uint16_t port;
	const struct address *
		source; // where fd is not bound to an address yet; NULL or family 0: the kernel chooses
	const char
		*interface; // where fd is not bound to a device yet; NULL or "": the kernel chooses
};

// Asks the kernel for the route (rtnetlink), and how interfaces stand on one another: VLANs, macvlans, bridges, bonds. 0 when the
// connection would leave through none of the `traffic_count` interfaces and through nothing that stands on one. -EPERM with a
// text that says what to set when it would; what else the kernel refuses, as a route that there is not (-ENETUNREACH), with
// its own. Needs no privileges, does not block. A route that changes later is not seen: with a device given it cannot.
int li_network_check(const struct li_connection *connection, const unsigned *traffic,
	size_t traffic_count, struct error *error);

#endif
