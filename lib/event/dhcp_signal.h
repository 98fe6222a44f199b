// What DHCPv4 and DHCPv6 messages have in common when they are read as signals: identities, and who may be believed.
#ifndef X2TAP_DHCP_SIGNAL_H
#define X2TAP_DHCP_SIGNAL_H

#include "dhcp.h"
#include "signals.h"

// A hardware address names a subscriber if it is an Ethernet address, and not all zero, as where none is known.
void dhcp_mac_show(struct signal *s, uint16_t hardware_type, struct bytes address);
// The hardware address that a client's DUID was made from, if it was.
void dhcp_duid_show(struct signal *s, struct bytes duid);
// RADIUS attributes that a relay hands to the server (RFC 4014, RFC 7037), for tasks that ask for one.
void dhcp_attributes_show(
	struct signal *s, const struct signal_rules *rules, struct bytes attributes);

// Who answers for a message: content can be made up, so the addresses of the packet say it.
//
// An answer comes from the server, or from the relay nearest to the client; `is_for_relay` if it goes to a relay, which is the
// peer then.
void dhcp_parties_of_answer(struct signal *s, const struct packet *packet, bool is_for_relay);
// A message of a client goes to the server; the relay that sends it on is the peer. One that goes to a group names no server:
// what asks (CHANGE_PENDING) will be judged by its answer; what gives back is the relay's word, or, without one,
// nobody's. Set `change` before.
void dhcp_parties_of_request(struct signal *s, const struct packet *packet, bool is_relayed);

#endif
