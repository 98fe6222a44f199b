// SIP, SIPS and TEL URIs (RFC 3261 section 19.1, RFC 3966) as views. No state, no allocation: any thread.
#ifndef X2TAP_SIP_URI_H
#define X2TAP_SIP_URI_H

#include "bytes.h"

enum sip_scheme { SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_TEL, SIP_SCHEME_OTHER };

struct sip_uri {
	enum sip_scheme scheme;
	struct bytes user; // still escaped; for tel: the number as spelled; empty if there is none
	// ";phone-context=..." inside the user part of sip: when a number stands before it (in sip:a;b@example.com the user
	// is "a;b", RFC 4475 section 3.1.1.7), or after the number of tel:
	struct bytes user_parameters;
	struct bytes password;
	// IPv6 reference without brackets, also of those who forget them: sip:4321@2001:db8::1. Where such an address and
	// a port run together, the address wins if the whole reads as one.
	struct bytes host;
	bool host_is_ipv6;
	bool has_port;
	uint16_t port;
	struct bytes parameters; // ";transport=tcp;user=phone"; tel: same as user_parameters
	struct bytes headers;    // after '?'
};

// PARSE_MALFORMED: not scheme:something, or an unclosed IPv6 reference. `out` is written only on PARSE_OK. Of other
// schemes nothing but the scheme is read.
// User and host may hold any octets: a broken URI such as sip:0298765432100@<null> still shows its user part.
enum parse_result sip_uri_parse(struct bytes text, struct sip_uri *out);

// The octets of "scheme:" that `text` begins with, and which it is; 0 if there is none. Schemes compare without case.
size_t sip_uri_scheme(struct bytes text, enum sip_scheme *scheme);

// Replaces %HH in a user part (RFC 3261 section 19.1.2) and writes at most `cap` octets to `to`. Returns the length, or
// SIZE_MAX when it does not fit. An invalid escape stays as it is.
size_t sip_uri_unescape(struct bytes from, uint8_t *to, size_t cap);

#endif
