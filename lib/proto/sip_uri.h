// SIP, SIPS and TEL URIs (RFC 3261 section 19.1, RFC 3966) as views. No state, no allocation: any thread.
#ifndef X2TAP_SIP_URI_H
#define X2TAP_SIP_URI_H

#include "bytes.h"

enum sip_scheme { SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_TEL, SIP_SCHEME_OTHER };

struct sip_uri {
	enum sip_scheme scheme;
	struct bytes user; // still escaped; for tel: the number as spelled; empty if there is none
	struct bytes
		user_parameters; // ";phone-context=..." inside the user part of sip:, or after the number of tel:
	struct bytes password;
	struct bytes host; // IPv6 reference without brackets
	bool host_is_ipv6;
	bool has_port;
	uint16_t port;
	struct bytes parameters; // ";transport=tcp;user=phone"; tel: same as user_parameters
	struct bytes headers;    // after '?'
};

// PARSE_MALFORMED: not scheme:something, or an unclosed IPv6 reference. `out` is written only on PARSE_OK.
// User and host may hold any octets: a broken URI such as sip:0298765432100@<null> still shows its user part.
enum parse_result sip_uri_parse(struct bytes text, struct sip_uri *out);

// Replaces %HH in a user part (RFC 3261 section 19.1.2) and writes at most `cap` octets to `to`. Returns the length, or
// SIZE_MAX when it does not fit. An invalid escape stays as it is.
size_t sip_uri_unescape(struct bytes from, uint8_t *to, size_t cap);

#endif
