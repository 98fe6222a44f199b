// RADIUS packets and their attributes (RFC 2865 sections 3 and 5, RFC 2866, RFC 5176), and what vendors put into theirs
// (section 5.26).
//
// Parsing allocates and copies nothing: results are views into the datagram, which must outlive them. No state, no EAL:
// safe on any thread.
#ifndef X2TAP_RADIUS_H
#define X2TAP_RADIUS_H

#include "bytes.h"

enum {
	RADIUS_HEADER_LEN = 20,
	RADIUS_MAX_LEN = 4096,
	RADIUS_AUTHENTICATOR_LEN = 16,
	RADIUS_ATTRIBUTE_HEADER_LEN = 2, // type, length
	RADIUS_VENDOR_ID_LEN = 4,
}; // octets

enum radius_code {
	RADIUS_ACCESS_REQUEST = 1,
	RADIUS_ACCESS_ACCEPT = 2,
	RADIUS_ACCESS_REJECT = 3,
	RADIUS_ACCOUNTING_REQUEST = 4, // RFC 2866 section 4
	RADIUS_ACCOUNTING_RESPONSE = 5,
	RADIUS_ACCESS_CHALLENGE = 11,
	RADIUS_STATUS_SERVER = 12,      // RFC 5997
	RADIUS_DISCONNECT_REQUEST = 40, // RFC 5176 section 2.3
	RADIUS_DISCONNECT_ACK = 41,
	RADIUS_DISCONNECT_NAK = 42,
	RADIUS_COA_REQUEST = 43,
	RADIUS_COA_ACK = 44,
	RADIUS_COA_NAK = 45,
};

// The attributes that x2tap looks into.
enum radius_type {
	RADIUS_USER_NAME = 1,
	RADIUS_NAS_IP_ADDRESS = 4,
	RADIUS_FRAMED_IP_ADDRESS = 8,
	RADIUS_STATE = 24,
	RADIUS_VENDOR_SPECIFIC = 26,
	RADIUS_CALLING_STATION_ID = 31,
	RADIUS_NAS_IDENTIFIER = 32,
	RADIUS_ACCT_STATUS_TYPE = 40, // RFC 2866 section 5
	RADIUS_ACCT_SESSION_ID = 44,
	RADIUS_CHARGEABLE_USER_IDENTITY = 89, // RFC 4372
	RADIUS_NAS_IPV6_ADDRESS = 95,         // RFC 3162
	RADIUS_FRAMED_IPV6_PREFIX = 97,
	RADIUS_DELEGATED_IPV6_PREFIX = 123, // RFC 4818
	RADIUS_FRAMED_IPV6_ADDRESS = 168,   // RFC 6911
};

enum radius_status { // of Acct-Status-Type, RFC 2866 section 5.1
	RADIUS_STATUS_START = 1,
	RADIUS_STATUS_STOP = 2,
	RADIUS_STATUS_INTERIM_UPDATE = 3,
	RADIUS_STATUS_ACCOUNTING_ON = 7,
	RADIUS_STATUS_ACCOUNTING_OFF = 8,
};

enum { RADIUS_VENDOR_3GPP = 10415 };
enum radius_3gpp_type { // TS 29.061 clause 16.4.7
	RADIUS_3GPP_IMSI = 1,
	RADIUS_3GPP_IMEISV = 20,
};

struct radius {
	uint8_t code;               // enum radius_code
	uint8_t identifier;         // pairs a reply with its request
	bool is_cut;                // the datagram ends before Length says
	struct bytes octets;        // the packet without padding
	struct bytes authenticator; // 16 octets
	struct bytes attributes;    // 0 to 4076 octets, not yet checked: walk with radius_next()
};

// Parse the packet that starts a UDP payload. What follows its Length is padding (section 3).
//
// PARSE_FOREIGN: none of the codes above.
// PARSE_MALFORMED: Length is below 20 or above 4096.
// PARSE_TRUNCATED: the payload is shorter than the header; or shorter than Length, without one whole attribute. A packet
// that is cut behind that is read as far as it goes (`is_cut`).
// `out` holds a packet only on PARSE_OK.
enum parse_result radius_parse(struct bytes payload, struct radius *out);

bool radius_is_answer(uint8_t code);

struct radius_attribute {
	uint8_t type;
	struct bytes value;
	struct bytes octets; // type and length too
};

// Takes the next attribute from the front of `rest`. False: `rest` is empty, or holds at its front what cannot be an
// attribute: its length is below 2, or reaches behind the end.
bool radius_next(struct bytes *rest, struct radius_attribute *out);

// What a Vendor-Specific attribute holds.
struct radius_vendor {
	uint32_t id; // IANA private enterprise number
	struct bytes
		attributes; // walk with radius_vendor_next(), if the vendor keeps to section 5.26
};
// False: the value is shorter than a vendor id.
bool radius_vendor_read(struct bytes value, struct radius_vendor *out);

struct radius_vendor_attribute {
	uint32_t type;
	struct bytes value;
	struct bytes octets; // with what stands before the value
};

// As radius_next(). Types and lengths are one octet each, but for the vendors known to have others.
bool radius_vendor_next(
	uint32_t vendor_id, struct bytes *rest, struct radius_vendor_attribute *out);

#endif
