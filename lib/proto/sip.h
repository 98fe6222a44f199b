// SIP messages (RFC 3261) as views into the datagram.
//
// Allocates and copies nothing; results are views that must not outlive the octets. No state: any thread. Everything
// a sender controls is bounded: what exceeds a bound is a defect, named in `defects`, and the rest is still reported.
#ifndef X2TAP_SIP_H
#define X2TAP_SIP_H

#include "bytes.h"

enum {
	// Header fields kept; more is SIP_DEFECT_TOO_MANY_HEADERS. The first field of each known name always is: fields that
	// repeat a name must leave room for it. All are looked at.
	SIP_MAX_HEADERS = 192,
	SIP_MAX_VALUES = 64, // comma-separated values looked at over all fields of one name
};

// The methods of RFC 3261 and its extensions; any other token is SIP_METHOD_OTHER.
enum sip_method {
	SIP_METHOD_OTHER,
	SIP_INVITE,
	SIP_ACK,
	SIP_BYE,
	SIP_CANCEL,
	SIP_REGISTER,
	SIP_OPTIONS,
	SIP_PRACK,     // RFC 3262
	SIP_SUBSCRIBE, // RFC 6665
	SIP_NOTIFY,
	SIP_PUBLISH, // RFC 3903
	SIP_INFO,    // RFC 6086
	SIP_REFER,   // RFC 3515
	SIP_MESSAGE, // RFC 3428
	SIP_UPDATE,  // RFC 3311
};

// The header fields x2tap knows; compact forms map to the same value. Order is that of the name table in sip.c.
enum sip_header_name {
	SIP_HEADER_OTHER,
	SIP_FROM,
	SIP_TO,
	SIP_CALL_ID,
	SIP_CSEQ,
	SIP_VIA,
	SIP_CONTACT,
	SIP_CONTENT_LENGTH,
	SIP_CONTENT_TYPE,
	SIP_CONTENT_ENCODING,
	SIP_P_ASSERTED_IDENTITY,  // RFC 3325
	SIP_P_PREFERRED_IDENTITY, // RFC 3325
	SIP_P_CALLED_PARTY_ID,    // RFC 7315
	SIP_DIVERSION,            // RFC 5806
	SIP_HISTORY_INFO,         // RFC 7044
	SIP_REFER_TO,             // RFC 3515, compact r
	SIP_REFERRED_BY,          // RFC 3892, compact b
	SIP_AUTHORIZATION,
	SIP_PROXY_AUTHORIZATION,
	SIP_SUBSCRIPTION_STATE, // RFC 6665
	SIP_EXPIRES,
	SIP_EVENT,
	SIP_HEADER_NAMES
};

// What was wrong, as bits; the message is reported all the same.
enum sip_defect {
	SIP_DEFECT_START_LINE =
		1
		<< 0, // readable, but not by the grammar (leading white space, version other than 2.0 ...)
	SIP_DEFECT_HEADER_LINE = 1 << 1,       // a line without a colon or a name that is no token
	SIP_DEFECT_NO_END_OF_HEADERS = 1 << 2, // the datagram ends before the empty line
	SIP_DEFECT_CONTENT_LENGTH = 1 << 3,    // not a number, or two that differ
	SIP_DEFECT_BODY_CUT = 1 << 4,          // Content-Length says more than there is
	SIP_DEFECT_NO_CALL_ID = 1 << 5,
	SIP_DEFECT_CSEQ = 1 << 6, // absent, unreadable, above 2^32 - 2, or of another method
	SIP_DEFECT_NO_FROM = 1 << 7,
	SIP_DEFECT_NO_TO = 1 << 8,
	SIP_DEFECT_TOO_MANY_HEADERS = 1 << 9,
	SIP_DEFECT_COUNT = 10
};
const char *sip_defect_name(unsigned bit_index); // counter name, e.g. "content_length"

struct sip_header {
	enum sip_header_name name;
	struct bytes name_text; // as spelled
	struct bytes
		value; // without surrounding white space; may hold folded lines (CRLF and white space) inside
};

struct sip_message {
	struct bytes octets;     // from the start line to the end of the body: what an IRI carries
	struct bytes start_line; // without its line end
	bool is_response;
	uint16_t
		status; // responses: 100 to 699 (others: SIP_DEFECT_START_LINE, value as read, at most 65535)
	enum sip_method method; // requests: of the request line; responses: of CSeq
	struct bytes method_text;
	struct bytes
		request_uri; // requests; may be no URI, may hold blanks: "sip:a@example.com; lr"
	struct bytes header_block; // from the first header line up to and including the empty line
	struct bytes body; // as far as Content-Length, or all that is left without a readable one
	bool has_content_length; // readable, and no two that differ
	uint32_t content_length; // then: as read, UINT32_MAX if it is that or more

	struct bytes call_id; // empty: SIP_DEFECT_NO_CALL_ID
	uint32_t cseq;
	struct bytes from, to; // values of the first From and To
	unsigned defects;      // sip_defect bits

	uint32_t names; // bit n: there is a header field of enum sip_header_name n
	uint16_t header_count;
	struct sip_header headers[SIP_MAX_HEADERS]; // not written behind header_count
};

// Whether a UDP payload, on whatever port, starts with a SIP start line: a Request-Line with a token, a URI with the
// scheme sip, sips, tel (or another absolute URI for the known methods) and SIP/2.0, or a Status-Line. Leading CRLFs are
// skipped, blanks too many in the line forgiven. RTSP, SSDP, HTTP and MGCP are not taken for SIP. True only where
// sip_may_start() is.
bool sip_recognise(struct bytes payload);

// Cheap necessary condition for sip_recognise() on the first octets of a payload, for every frame: false for nearly all
// that is not SIP.
static inline bool sip_may_start(const uint8_t *at, size_t len)
{
	if (len < 12) // "ACK a:b SIP/2.0" is longer still
		return false;
	// "A tel:" at least: the first six octets are ASCII from tab on. No branches, since payloads are like random.
	uint32_t first, next;
	memcpy(&first, at, sizeof first);
	memcpy(&next, at + 2, sizeof next);
	bool is_text =
		((first | (first - 0x09090909) | next | (next - 0x09090909)) & 0x80808080) == 0;
	uint8_t c = at[0];
	return is_text & (((uint8_t)(c - 'A') < 26) | (c == '\r') | (c == '\n'));
}

// Parse the first message in `payload` (after any CRLFs). The payload may come from a configured SIP port, so the start
// line may be defective, and up to 16 octets of junk before it are skipped. Lines end in CRLF or LF; in lone CR if the
// start line does. PARSE_FOREIGN: nothing here can be read as a start line and one identity header (keep-alives,
// other protocols). PARSE_TRUNCATED: empty, or only CRLF and NUL (keep-alive). `out` holds a message only on PARSE_OK.
// `out->octets.at + out->octets.len - payload.at` octets were consumed: call again on the rest for a second message,
// but only if sip_recognise() says so.
enum parse_result sip_parse(struct bytes payload, struct sip_message *out);

// Walks the comma-separated values of one header field: "a" <sip:x>, <sip:y;p="1,2"> gives two. Start with the field's
// value in `rest`; false when there is none left. Commas in quoted strings and in <> do not separate; a quote or < that is
// not closed runs to the end, but for an open quote before <...>, which ends there. Empty values are skipped.
bool sip_value_next(struct bytes *rest, struct bytes *value);

// name-addr or addr-spec with header parameters (RFC 3261 section 25.1), as in From, Contact, P-Asserted-Identity.
struct sip_name_addr {
	struct bytes display;    // without quotes, escapes kept; empty if none
	struct bytes uri;        // between <>, or up to the first ';' or '?' of an addr-spec
	struct bytes parameters; // what follows, from the first ';' on
};
// False: no URI. With a quote that is not closed the first < counts; a < that is not closed reaches as far as an
// addr-spec would. If what is there has no scheme: the first word that begins with sip:, sips: or tel: counts, as in
// Alice sip:alice@example.com, but none of a quoted display name. The URI may be anything: "*", or no URI at all.
bool sip_name_addr_parse(struct bytes value, struct sip_name_addr *out);

// The value of parameter `name` (compared without case) in ";a=b;c" or of a URI; quotes removed. False if absent;
// present without value: true and empty.
bool sip_parameter(struct bytes parameters, const char *name, struct bytes *value);

// The value of the auth-param `name` in an Authorization value: Digest username="alice", realm=... ; quotes removed,
// escapes kept.
bool sip_auth_parameter(struct bytes value, const char *name, struct bytes *out);

// The nth (from 0) header field called `name`, or NULL.
const struct sip_header *sip_header(
	const struct sip_message *m, enum sip_header_name name, unsigned nth);

#endif
