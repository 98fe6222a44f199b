// DHCPv4 and BOOTP messages as signals (RFC 2131, 2132, 951).
//
// A transaction is the client's hardware address and xid, in every copy between client, relays and server. A lease is the
// client's hardware address and the address: answers need not repeat the client identifier (RFC 2131), so it is in no name.
//
// Leases: an ACK that gives an address and a time, a BOOTP reply that gives an address. A NAK ends nothing, since it
// does not say what; the lease it belies runs out, or the address is given to somebody else. A RELEASE counts when it comes
// from the address that it gives back, or through a relay. An address that several clients share (RFC 7618) is bound to nobody.
#ifndef X2TAP_DHCPV4_SIGNAL_H
#define X2TAP_DHCPV4_SIGNAL_H

#include "dhcpv4.h"
#include "signals.h"

signal_reader dhcpv4_signal_read;

// Adds the transaction's name and the identities alone: for a message that travels in DHCPv6 (RFC 7341).
void dhcpv4_signal_show(struct signal *s, const struct signal_rules *rules, const struct dhcpv4 *m);

#endif
