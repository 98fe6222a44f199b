// GTPv2-C messages and their information elements (TS 29.274 clauses 5, 6 and 8).
#ifndef X2TAP_GTPV2C_H
#define X2TAP_GTPV2C_H

#include "gtpc.h"

// Message types (clause 6.1) that more is known of than their role.
enum gtpv2c_type {
	GTPV2C_CREATE_SESSION_REQUEST = 32,
	GTPV2C_CREATE_SESSION_RESPONSE = 33,
	GTPV2C_MODIFY_BEARER_REQUEST = 34,
	GTPV2C_MODIFY_BEARER_RESPONSE = 35,
	GTPV2C_DELETE_SESSION_REQUEST = 36,
	GTPV2C_DELETE_SESSION_RESPONSE = 37,
	GTPV2C_CHANGE_NOTIFICATION_RESPONSE = 39,
	GTPV2C_CREATE_BEARER_REQUEST = 95,
	GTPV2C_CREATE_BEARER_RESPONSE = 96,
	GTPV2C_UPDATE_BEARER_REQUEST = 97,
	GTPV2C_UPDATE_BEARER_RESPONSE = 98,
	GTPV2C_DELETE_BEARER_REQUEST = 99,
	GTPV2C_DELETE_BEARER_RESPONSE = 100,
	GTPV2C_MODIFY_ACCESS_BEARERS_REQUEST = 211,
	GTPV2C_MODIFY_ACCESS_BEARERS_RESPONSE = 212,
};

// Information elements (clause 8.1) that are looked at.
enum gtpv2c_element_type {
	GTPV2C_IMSI = 1,
	GTPV2C_CAUSE = 2,
	GTPV2C_RECOVERY = 3,
	GTPV2C_EBI = 73, // EPS Bearer ID
	GTPV2C_MEI = 75,
	GTPV2C_MSISDN = 76,
	GTPV2C_PAA = 79, // PDN Address Allocation
	GTPV2C_F_TEID = 87,
	GTPV2C_BEARER_CONTEXT = 93,  // grouped
	GTPV2C_PDN_CONNECTION = 109, // grouped
};

// Causes (clause 8.4).
enum gtpv2c_cause {
	GTPV2C_ACCEPTED = 16, // to 63
	GTPV2C_CONTEXT_NOT_FOUND = 64,
};

static inline bool gtpv2c_is_accepted(uint8_t cause)
{
	return cause >= GTPV2C_ACCEPTED && cause < GTPV2C_CONTEXT_NOT_FOUND;
}

// A request that a command triggers, and that has its sequence number, has this bit in it (clause 7.6).
enum { GTPV2C_SEQUENCE_OF_COMMAND = 0x800000 };

enum gtpc_role gtpv2c_role(uint8_t type);

// Parses the message that starts a datagram, or `rest` of one with `has_rider`.
//
// PARSE_FOREIGN: another version, or a type that is no message.
// PARSE_TRUNCATED: the datagram ends inside of the header.
// PARSE_MALFORMED: a length that has no room for the header.
// A length that says more than there is, is no reason to refuse the message: `is_cut`.
enum parse_result gtpv2c_parse(struct bytes datagram, struct gtpc_message *out);

gtpc_next_function gtpv2c_next; // of a message or of a grouped element

struct gtpv2c_f_teid {
	struct address ipv4, ipv6; // family 0: not there
	uint32_t teid;
	uint8_t interface; // clause 8.22
};

// False: it ends too early.
bool gtpv2c_f_teid(struct bytes value, struct gtpv2c_f_teid *out);
bool gtpv2c_is_control(uint8_t interface); // of the control plane, GTPv2-C
// Of a gateway that has a TEID for each connection to a packet data network: PGW on S5/S8, S2b, S2a.
bool gtpv2c_is_pgw_control(uint8_t interface);

// A PDN Address Allocation element (clause 8.14). False: a length that its type cannot have, or a prefix that cannot be. What is
// no IP has no addresses.
bool gtpv2c_paa(struct bytes value, struct gtpc_addresses *out);

#endif
