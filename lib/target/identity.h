// Identities of subscribers in the one form in which they are compared (design: "as a telephone exchange would").
//
// sip:, sips:, tel: URIs, E.164 numbers and NAIs become canonical octets; two identities are the same subscriber when
// kind and octets are equal. No allocation, no state: any thread.
#ifndef X2TAP_IDENTITY_H
#define X2TAP_IDENTITY_H

#include "bytes.h"
#include "hash.h"
#include "sip_uri.h"

enum identity_kind {
	IDENTITY_NONE,
	IDENTITY_URI, // user@host: user unescaped, case kept; host in lower case, no trailing dot, IPv6 expanded
	IDENTITY_NUMBER, // E.164 digits without + and separators
	IDENTITY_LOCAL_NUMBER, // a number that `numbering` cannot make global, digits as dialled (0-9 A-F * #)
	IDENTITY_NAI,    // user@realm, realm in lower case; or what else a user name holds
	IDENTITY_IMSI,   // 6 to 15 digits
	IDENTITY_IMEI,   // 14 digits: without check digit or software version (TS 23.003 clause 6)
	IDENTITY_IMEISV, // 16 digits
	IDENTITY_MAC,    // 6 octets
	IDENTITY_ATTRIBUTE,   // a RADIUS attribute: type, length, value
	IDENTITY_GTPC_TUNNEL, // a TEID of the control plane, 4 octets in network order
};

enum {
	IDENTITY_MAX = 500
}; // octets; a longer identity equals no target (targets that long are refused)

struct identity {
	uint8_t kind; // enum identity_kind
	uint16_t len;
	uint8_t octets[IDENTITY_MAX];
};

// How numbers are dialled here (configuration section `numbering`, and sip.number_domains).
struct numbering {
	char country_code[8]; // "49"; empty: local numbers stay IDENTITY_LOCAL_NUMBER
	char national_prefix
		[8]; // "0": stands for +country_code; empty: every number is dialled whole
	char international_prefix[8]; // "00": stands for +; may be empty
	const char *const *
		number_domains; // hosts, lower case, where a digits-only user part is a number; borrowed
	size_t number_domain_count;
};

// The identities that a URI shows: at most two, user@host before the number it carries. tel: gives the number alone; a URI
// without a user part names a domain, not a subscriber, and gives none.
// Numbers are tel: URIs, user=phone, user parts that begin with + and digits, and digits-only user parts at hosts in
// number_domains. A global phone-context (+44...) makes a number global; a domain phone-context leaves it local unless it is in
// number_domains. Returns how many were written to `out`.
enum { IDENTITIES_PER_URI = 2 };
size_t identities_of_uri(const struct sip_uri *uri, const struct numbering *n,
	struct identity out[IDENTITIES_PER_URI]);

// The one identity by which a target URI is compared: its number when it carries a global one (so the target
// sip:+15550100@example.com is tel:+15550100 too), else user@host, so that a local number never stands for that of another
// host. False: it has none, or one that is too long.
bool identity_of_target_uri(
	const struct sip_uri *uri, const struct numbering *n, struct identity *out);

bool identity_of_e164(struct bytes digits, struct identity *out); // false: not 1 to 15 digits
bool identity_of_nai(struct bytes text, struct identity *out);    // false: empty or too long
bool identity_of_imsi(struct bytes digits, struct identity *out); // false: not 6 to 15 digits
// 14 digits, 15 (the last is a check digit, which is left out) or 16 (IMEISV, whose software version is left out): the
// equipment. False: another number of digits.
bool identity_of_imei(struct bytes digits, struct identity *out);
bool identity_of_imeisv(struct bytes digits, struct identity *out); // false: not 16 digits
void identity_of_mac(const uint8_t octets[static 6], struct identity *out);
// A whole attribute, type and length included. False: its length octet does not say how long it is.
bool identity_of_attribute(struct bytes attribute, struct identity *out);
void identity_of_gtpc_tunnel(uint32_t teid, struct identity *out);

// What a target URI states beyond its identity: port, password and parameters. user=phone is not among them (it selects
// the comparison by number), nor is the phone-context that helped to make a number global.
bool identity_states_more(const struct sip_uri *target, enum identity_kind kind);
// Whether `seen` has all of it, and equal: port and password exactly, parameters in any order and without case.
bool identity_stated_holds(
	const struct sip_uri *target, enum identity_kind kind, const struct sip_uri *seen);

static inline bool identity_equal(const struct identity *a, const struct identity *b)
{
	return a->kind == b->kind && a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

// Of kind and octets: what stands for an identity where there are millions of them.
struct digest identity_digest(const struct hash_key *key, const struct identity *identity);

#endif
