// SIP messages in a TCP stream (RFC 3261 sections 7.5 and 18.3): header fields to the empty line, then as many octets as
// Content-Length says; none without a readable one.
//
// Pure: no state beyond the argument. Looks at each octet of a header block once until its end is there, however the stream is
// cut, but for the first 2048 octets of its first line; parses it then, and once more when the body is there.
//
// Lines end in LF or CRLF. A message whose lines end in lone CRs, which sip_parse() reads in a datagram, has no end here: it is
// skipped, or taken together with what follows it up to the next empty line.
#ifndef X2TAP_SIP_FRAMING_H
#define X2TAP_SIP_FRAMING_H

#include "framing.h"

// framing_function for SIP. In sync a message may begin as leniently as sip_parse() allows, with junk before it only if there
// is no line feed in it; out of sync only where sip_recognise() sees a start line at the start of the front or of a line. CR, LF
// and NUL between messages are keep-alives. In a stream that has not begun, TLS records and both halves of the handshake of a
// WebSocket are let go; whatever else is no message is skipped up to the next start line.
struct framing sip_framing(struct bytes front, const struct framing_state *state);

// What of a message that was cut short may be taken for one: up to the last whole header line, at most up to the end of the
// header block; never a part of a line, nor of a field that is seen to go on in the next line: it could show somebody else's
// number. Empty: nothing.
struct bytes sip_framing_rest(struct bytes front);

#endif
