// GTPv1-C messages and their information elements (TS 29.060 clauses 6 and 7).
#ifndef X2TAP_GTPV1C_H
#define X2TAP_GTPV1C_H

#include "gtpc.h"

enum {
	GTPV1C_HEADER_LEN = 8,
	GTPV1C_MAX_EXTENSIONS = 8, // extension headers of one message
	GTPV1C_PREFIX_LEN = 64, // of what an IPv6 End User Address gives (TS 23.060 clause 9.2.1.1)
};

// Message types (clause 7.1) that more is known of than their role.
enum gtpv1c_type {
	GTPV1C_CREATE_PDP_REQUEST = 16,
	GTPV1C_CREATE_PDP_RESPONSE = 17,
	GTPV1C_UPDATE_PDP_REQUEST = 18,
	GTPV1C_UPDATE_PDP_RESPONSE = 19,
	GTPV1C_DELETE_PDP_REQUEST = 20,
	GTPV1C_DELETE_PDP_RESPONSE = 21,
};

// Information elements (clause 7.7) that are looked at.
enum gtpv1c_element_type {
	GTPV1C_CAUSE = 1,
	GTPV1C_IMSI = 2,
	GTPV1C_RECOVERY = 14,
	GTPV1C_TEID_CONTROL = 17,
	GTPV1C_TEARDOWN = 19,
	GTPV1C_END_USER_ADDRESS = 128,
	GTPV1C_GSN_ADDRESS = 133, // the first of a message is for signalling
	GTPV1C_MSISDN = 134,
	GTPV1C_IMEI = 154, // IMEI(SV)
};

// Causes (clause 7.7.1).
enum gtpv1c_cause {
	GTPV1C_ACCEPTED = 128, // to 191
	GTPV1C_NON_EXISTENT = 192,
	GTPV1C_CONTEXT_NOT_FOUND = 210,
};

static inline bool gtpv1c_is_accepted(uint8_t cause)
{
	return cause >= GTPV1C_ACCEPTED && cause < GTPV1C_NON_EXISTENT;
}

// What a message type is. Those of GTP' and of the user plane are none.
enum gtpc_role gtpv1c_role(uint8_t type);

// Parses the message that starts a datagram.
//
// PARSE_FOREIGN: another version, GTP', or a type that is no message of the control plane.
// PARSE_TRUNCATED: the datagram ends inside of the header or of an extension header.
// PARSE_MALFORMED: a length that has no room for the header, or extension headers that cannot be.
// A length that says more than there is, is no reason to refuse the message: `is_cut`.
enum parse_result gtpv1c_parse(struct bytes datagram, struct gtpc_message *out);

gtpc_next_function gtpv1c_next;

// An End User Address element (clause 7.7.27). False: a length that its type cannot have. What is no IP has no addresses.
bool gtpv1c_end_user_address(struct bytes value, struct gtpc_addresses *out);

// A GSN Address element (clause 7.7.32). False: neither IPv4 nor IPv6.
bool gtpv1c_gsn_address(struct bytes value, struct address *out);

// An MSISDN element (clause 7.7.33): one octet that says of what kind the number is, then digits. `is_global`: it begins with a
// country code. False as in gtpc_digits_read(), or an empty element.
bool gtpv1c_msisdn(struct bytes value, struct gtpc_digits *out, bool *is_global);

#endif
