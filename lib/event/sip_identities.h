// Which identities a SIP message shows, and in which role: what the target table is asked about.
//
// Views into the message; no state beyond the struct the caller owns (it is large: keep it, do not put it on a stack).
#ifndef X2TAP_SIP_IDENTITIES_H
#define X2TAP_SIP_IDENTITIES_H

#include "sip.h"
#include "target_table.h"

enum {
	SIP_MAX_SIGHTINGS = 64,          // identities looked up for one message
	SIP_MAX_SIGHTINGS_PER_ROLE = 16, // so that no header field crowds out the others
	SIP_MAX_ASSERTED = 2, // P-Asserted-Identity values told apart (RFC 3325 allows two)
};

// Where an identity stood: struct sighting's role. In order of importance, should SIP_MAX_SIGHTINGS be reached.
enum sip_role {
	SIP_ROLE_REQUEST_URI,
	SIP_ROLE_FROM,
	SIP_ROLE_TO,
	SIP_ROLE_ASSERTED, // first value of P-Asserted-Identity
	SIP_ROLE_ASSERTED_SECOND,
	SIP_ROLE_ASSERTED_MORE,
	SIP_ROLE_PREFERRED,
	SIP_ROLE_CALLED_PARTY,
	SIP_ROLE_AUTHORIZATION, // or Proxy-Authorization
	SIP_ROLE_CONTACT,       // of REGISTER and its responses
	SIP_ROLE_DIVERSION,
	SIP_ROLE_HISTORY,
	SIP_ROLE_REFER_TO,
	SIP_ROLE_REFERRED_BY,
	SIP_ROLES
};

// Who of a request and its responses an identity is. The caller sent the request, whoever calls whom in the dialog.
enum sip_side { SIP_SIDE_UNKNOWN, SIP_SIDE_CALLER, SIP_SIDE_CALLEE };

struct sip_identities {
	struct sighting sightings[SIP_MAX_SIGHTINGS];
	struct sip_uri uris[SIP_MAX_SIGHTINGS]; // what the sightings' `uri` point to
	size_t count, uri_count;
	uint32_t excess; // identities that were not looked at, for the bounds above

	struct bytes from_uri;                       // as spelled; empty if there is none
	struct bytes asserted_uri[SIP_MAX_ASSERTED]; // as spelled
};

// The views in `out` must not outlive the message.
void sip_identities_read(struct sip_identities *out, const struct sip_message *message,
	const struct numbering *numbering);

// Whether an identity with these roles (bits) is named as one that the request went to before.
bool sip_is_diverted(uint32_t roles);
// Which side an identity with these roles (bits) is, as far as the message makes it certain. One that is both, as
// in REGISTER, is the caller.
enum sip_side sip_side_of(const struct sip_message *message, uint32_t roles);

#endif
