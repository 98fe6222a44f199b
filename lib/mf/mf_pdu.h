// X2 PDUs as an MF reads them (ETSI TS 103 221-2 clause 5): a strict decoder.
//
// It stands on the reference alone and shares nothing with the encoder in lib/x2, so that one misreading cannot hide
// another. It tells every breach with a name and an offset. A breach that leaves no trust in where the next PDU begins is
// a framing error: close the connection. All others are problems of the one PDU. No allocation, no state: any thread.
#ifndef X2TAP_MF_PDU_H
#define X2TAP_MF_PDU_H

#include "address.h"
#include "bytes.h"
#include "uuid.h"

enum {
	MF_PDU_MIN = 40,       // octets of the fixed header
	MF_PDU_MAX = 1 << 20,  // octets of a whole PDU; the standard has no limit, we must
	MF_PROBLEMS_MAX = 8,   // told of one PDU; more are counted only
	MF_PROBLEM_TEXT = 128, // octets, the closing NUL included
	MF_TYPE_X2 = 1,        // table 5.2.2-1
	MF_TYPE_X3 = 2,
	MF_TYPE_KEEPALIVE = 3,
	MF_TYPE_KEEPALIVE_ACK = 4,
	MF_MATCHED_IDENTIFIER = 17, // attribute types for mf_pdu_next()
	MF_OTHER_IDENTIFIER = 18,
};

struct mf_problems {
	size_t count; // the first MF_PROBLEMS_MAX have a text
	char text[MF_PROBLEMS_MAX][MF_PROBLEM_TEXT];
};

// Views into the octets given. Of an attribute that occurs more often than it may, the first counts.
struct mf_pdu {
	struct bytes octets; // all of it
	uint16_t version, type, format, direction;
	struct uuid xid;
	uint64_t correlation;
	struct bytes attributes, payload;

	struct bytes did, nfid, ipid; // empty: none
	struct address source, destination;
	uint64_t time_ns;
	uint32_t sequence;
	uint16_t source_port, destination_port;
	uint8_t protocol;
	bool has_sequence, has_time, has_source_port, has_destination_port, has_protocol;

	struct mf_problems problems;
};

// Cuts the first PDU off `stream` and reads it.
//
// PARSE_OK: out->octets.len octets were taken; look at out->problems.
// PARSE_TRUNCATED: more octets are needed; *needed says how many the front must have at least.
// PARSE_MALFORMED: framing is lost; out->problems has one text that says why, nothing else in `out` counts.
enum parse_result mf_pdu_decode(struct bytes stream, struct mf_pdu *out, size_t *needed);

// Walks the values of attribute `type`: *at is 0 for the first and moves on. False when there are no more.
bool mf_pdu_next(const struct mf_pdu *pdu, uint16_t type, size_t *at, struct bytes *value);

// "keepalive acknowledgement", "SIP message"; "?" for values that the tables do not have.
const char *mf_type_name(uint16_t type);
const char *mf_format_name(uint16_t format);

#endif
