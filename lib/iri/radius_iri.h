// What of a RADIUS packet may be reported under an IRI-only order: credentials are blanked, which is to say overwritten with as
// many x, so that every length stays true and it shows that there was one.
//
// Blanked is the value of: User-Password, CHAP-Password and -Challenge, EAP-Message (all of it, the header of EAP too),
// Tunnel-Password, the ARAP ones, the responses of Digest (RFC 5090), keys of PKM (RFC 5904), passwords that have no number of
// their own but a customary one; of vendors what MS-CHAP and MPPE are made of (RFC 2548), and the passwords, secrets and keys
// of radius_iri.c's table; in pairs written as text (Cisco-AVPair) what follows a name that speaks of one. So are orders of other
// interception systems that some vendors' attributes hold. What vendors add to no table is passed on: nobody could tell.
//
// Never fails open: behind the header of an attribute that cannot be (its length), all is blanked; of an attribute of a
// vendor in the table that cannot be walked to its end, all behind the vendor id; of one too short for a vendor id, all.
// The Request Authenticator stays. No state, no allocation: any thread.
#ifndef X2TAP_RADIUS_IRI_H
#define X2TAP_RADIUS_IRI_H

#include "bytes.h"

struct radius_iri_rules {
	bool keep_secrets; // default no
};

enum radius_iri_result {
	RADIUS_IRI_WHOLE,   // as received
	RADIUS_IRI_BLANKED, // something was overwritten
	RADIUS_IRI_NO_ROOM, // `to` is too small; nothing was written
};

// Writes the payload of the X2 PDU (format 11): as many octets as there are. `octets` is a packet without padding, as
// radius_parse() finds it.
enum radius_iri_result radius_iri_write(
	struct bytes octets, const struct radius_iri_rules *rules, struct writer *to);

#endif
