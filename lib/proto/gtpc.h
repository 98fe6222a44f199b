// What GTPv1-C (TS 29.060) and GTPv2-C (TS 29.274) share: the shape of a parsed message, digits, addresses.
//
// Parsing allocates and copies nothing but digits and addresses; other results are views into the datagram, which must outlive
// them. No state, no EAL: any thread.
#ifndef X2TAP_GTPC_H
#define X2TAP_GTPC_H

#include "address.h"
#include "bytes.h"

enum {
	GTPC_PORT = 2123,
	GTPC_MAX_DIGITS = 16,    // of an IMEISV, the longest there is
	GTPC_MAX_ELEMENTS = 512, // information elements of one message that are looked at
};

// What a type of message is in its exchange.
enum gtpc_role {
	GTPC_NONE,        // no message of this version's control plane
	GTPC_REQUEST,     // wants an answer, with the same sequence number
	GTPC_ANSWER,      // goes to the requester
	GTPC_ACKNOWLEDGE, // the third of three: the requester's, for the answer
	GTPC_NOTICE,      // wants no answer
};

struct gtpc_message {
	struct bytes octets;   // the message, header included, as far as it is there
	struct bytes elements; // not yet checked: walk with gtpv1c_next() or gtpv2c_next()
	struct bytes rest;     // what follows in the datagram
	uint32_t teid;         // 0: none
	uint32_t sequence;     // 16 bits in version 1, 24 in version 2
	uint8_t type;
	bool has_sequence;
	bool is_cut; // its length says more than there is
	bool has_rider; // version 2: `rest` shall be another message, that rides along (TS 29.274 clause 5.5.1, flag P)
};

struct gtpc_element {
	struct bytes value;
	uint8_t type;
	uint8_t instance; // version 2: what it is for, among those of its type; version 1: 0
};

enum gtpc_step {
	GTPC_ELEMENT,
	GTPC_END,
	GTPC_CUT,        // the last one ends behind the message
	GTPC_UNREADABLE, // version 1: of a type whose length nobody told; what follows cannot be found
};
typedef enum gtpc_step gtpc_next_function(struct bytes *rest, struct gtpc_element *out);

// The version that the first octet names; 0 for an empty datagram. GTP' (protocol type 0, TS 32.295) is not told apart.
static inline uint8_t gtpc_version(struct bytes datagram)
{
	return datagram.len ? datagram.at[0] >> 5 : 0;
}

struct gtpc_digits {
	uint8_t len;
	uint8_t digits[GTPC_MAX_DIGITS]; // ASCII
};

// Digits in semi-octets, the lower one first, with 15 as filler at the end (TBCD, TS 29.002 clause 17.7.8). None is well:
// all filler. False: a semi-octet that is no digit, one behind a filler, or too many.
bool gtpc_digits_read(struct bytes tbcd, struct gtpc_digits *out);

// The addresses of a subscriber. Family 0: not there, or left open ("any", to be assigned).
struct gtpc_addresses {
	struct address ipv4, ipv6;
	uint8_t ipv6_prefix; // bits
};

// The next address of `family` in `r`; family 0 if it is all zeros.
void gtpc_address_read(struct reader *r, uint8_t family, struct address *out);

#endif
