// GTPv2-C messages as signals (TS 29.274 clause 7). A session is one connection to a packet data network on one interface: its
// legs on S11 and on S5/S8 are sessions of their own, each with the identities and the addresses, for each has its own create and
// delete messages. So an address can be held by two sessions of one subscriber at a time.
//
// A second message that rides along in the datagram (clause 5.5.1) is read too: its names and identities join the first one's,
// and what it changes counts where the first one changes nothing. `octets` are both.
#ifndef X2TAP_GTPV2_SIGNAL_H
#define X2TAP_GTPV2_SIGNAL_H

#include "signals.h"

signal_reader gtpv2_signal_read;

#endif
