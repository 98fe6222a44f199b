// DHCPv6 messages as signals (RFC 8415), through the relays that they came by.
//
// A transaction is the client's DUID and the transaction id of the client, in every copy between client, relays and
// server; the client's address stands for a DUID that is not told. A lease is the client's DUID, the kind of its identity
// association and the IAID.
//
// Leases: the addresses and prefixes of a Reply. Release and Decline give back those that they name. A message may hold
// several associations, which need not be all that the client has: CHANGE_BIND adds and renews, it takes nothing away.
#ifndef X2TAP_DHCPV6_SIGNAL_H
#define X2TAP_DHCPV6_SIGNAL_H

#include "signals.h"

enum {
	// A delegated prefix that is shorter is no subscriber's, and is not believed.
	DHCPV6_SHORTEST_PREFIX = 32,
};

signal_reader dhcpv6_signal_read;

#endif
