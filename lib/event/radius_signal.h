// What a RADIUS packet means (RFC 2865, 2866, 2869, 3162, 5176): a signal_reader.
//
// Names:
// - exchange: the two ends and the ports of the request, Identifier, and whether it is about access, accounting or a
//   session that exists (dynamic authorisation); not the scope, which differs by direction. A request begins it. It is also
//   kept under the same with the Request Authenticator, by which a retransmission, that has both alike (RFC 5080 section
//   2.2.2), finds what it repeats: that name stands before the one that begins. Status-Server, which may be answered as
//   a request for access or for accounting, has all this twice.
// - state: NAS, server and State. Access-Challenge, and CoA-Request ("Authorize Only", RFC 5176 sections 3.2 and 3.3), are gone
//   on with by the Access-Request that repeats it.
// - session: the NAS and Acct-Session-Id. The NAS is NAS-Identifier, else its address: NAS-IP-Address, else
//   NAS-IPv6-Address, else where the packet comes from or goes to. Where NAS-Identifier is given, requests for access
//   and accounting also leave the session under the address, and dynamic ones look for it there, as these often name
//   a NAS otherwise. Not under Acct-Multi-Session-Id: several sessions share it, and the end of one is not that of the others.
//
// Correlation: FNV-1a 64 of two attributes as they stand on the wire, type and length octets included: that of the NAS as
// above (its address in the packet: as NAS-IP-Address or NAS-IPv6-Address), and Acct-Session-Id. 1 for 0.
//
// Bindings come from accounting alone: Start and Interim-Update bind, Stop ends, Accounting-On and -Off end all of the NAS.
// Who says so is where the packet came from, never what it holds. Addresses are Framed-IP-Address (no netmask, and not 0.0.0.0 or
// the two values of RFC 2865 section 5.8 that mean none), Framed-IPv6-Address, Framed-IPv6-Prefix, Delegated-IPv6-Prefix.
#ifndef X2TAP_RADIUS_SIGNAL_H
#define X2TAP_RADIUS_SIGNAL_H

#include "signals.h"

// PARSE_FOREIGN: not RADIUS (radius_parse() says no), else PARSE_OK.
enum parse_result radius_signal_read(struct bytes payload, const struct packet *packet,
	const struct signal_rules *rules, struct signal *out);

#endif
