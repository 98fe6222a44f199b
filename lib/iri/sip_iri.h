// What of a SIP message may be reported under an IRI-only order: content is withheld.
//
// Of bodies SDP, message/sipfrag, ISUP, QSIG, reginfo, dialog-info and conference-info stay (configurable); all else
// (MESSAGE text, SMS, DTMF relay, pictures ...) is removed and Content-Length says 0. Of multipart bodies the parts that may
// stay are left, and Content-Length says how much that is; preamble and epilogue go. The body of a sipfrag is judged like
// that of a message. SDP a=crypto, a=key-mgmt and k= values are blanked unless configured: as many x as there were octets,
// so that every length stays true and it shows that there were keys. A message none of which is withheld is passed octet
// for octet.
//
// A type is believed only where the body looks like it:
// - SDP: every line is a letter and = (blanks before it are forgiven), or empty; else the body goes. Keys are also blanked
//   where an attribute holds another (a=acap:1 crypto:1 ..., RFC 5939) and behind inline: in any a= line.
// - sipfrag, and the header of a part: a start line (sipfrag only), then header fields only, no CR but before LF, no folded
//   line that is all blank; without an empty line nothing behind Content-Type and Content-Length. Else it goes whole.
// - multipart: a line that begins with the delimiter but goes on otherwise is one for some readers; then the body goes whole.
// Of the other kept types only the type is looked at.
//
// Header lines are reported, but not what may be the body of a message without a proper empty line:
// - a line that is no field (no token and colon) goes;
// - a field goes from an inner CR without LF on (where lines end in CR: from an LF without CR), and behind a folded
//   line that is all blank; a Content-Length from its first fold on;
// - behind any of these, and behind the last Content-Type and Content-Length where the empty line is missing, only the
//   first field stays of each name that sip_parse() knows.
// What is left has a Content-Length and an empty line. A message that was merely cut, without any of this, stays as it is.
//
// In a Request-URI and in header fields the value of body= behind ? or & (RFC 3261 section 19.1.1) is overwritten with x.
//
// Never fails open: a body whose type cannot be read, that has two types that differ, or that is encoded, is removed. No
// state, no allocation: any thread.
#ifndef X2TAP_SIP_IRI_H
#define X2TAP_SIP_IRI_H

#include "sip.h"

struct sip_iri_rules {
	const char *const
		*kept_types; // lower case, "application/sdp"; borrowed. NULL: the default list
	size_t kept_type_count;
	bool keep_sdp_keys; // default no
	bool drop_body; // whatever its type: for a message that does not fit the destination's PDU limit
};

enum sip_iri_result {
	SIP_IRI_WHOLE,    // as received
	SIP_IRI_WITHHELD, // a body, a part, or a header line that may be content was removed
	SIP_IRI_BLANKED,  // only SDP key material, or a body within a URI, was overwritten
	SIP_IRI_NO_ROOM,  // `to` is too small; nothing useful was written
};

// Octets by which the result may exceed the message: a Content-Length field and an empty line that were not there.
enum { SIP_IRI_GROWTH = 24 };

// Writes the payload of the X2 PDU (format 9). `message` must come from sip_parse().
enum sip_iri_result sip_iri_write(
	const struct sip_message *message, const struct sip_iri_rules *rules, struct writer *to);

#endif
