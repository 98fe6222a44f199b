// What of a SIP message may be reported under an IRI-only order: content is withheld.
//
// Of bodies SDP, message/sipfrag, ISUP, QSIG, reginfo, dialog-info and conference-info stay (configurable); all else
// (MESSAGE text, SMS, DTMF relay, pictures ...) is removed and Content-Length says 0. Of multipart bodies the parts that may
// stay are left, and Content-Length says how much that is; preamble and epilogue go. The body of a sipfrag is judged like
// that of a message. SDP a=crypto, a=key-mgmt and k= values are blanked unless configured: as many x as there were octets,
// so that every length stays true and it shows that there were keys. A message none of which is withheld is passed octet
// for octet.
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
	SIP_IRI_WITHHELD, // a body or a part was removed
	SIP_IRI_BLANKED,  // only SDP key material was blanked
	SIP_IRI_NO_ROOM,  // `to` is too small; nothing useful was written
};

// Octets by which the result may exceed the message: a Content-Length field that was not there.
enum { SIP_IRI_GROWTH = 24 };

// Writes the payload of the X2 PDU (format 9). `message` must come from sip_parse().
enum sip_iri_result sip_iri_write(
	const struct sip_message *message, const struct sip_iri_rules *rules, struct writer *to);

#endif
