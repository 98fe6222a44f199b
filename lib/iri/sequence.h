// Sequence numbers (TS 103 221-2 clause 5.3.9): from 0, +1 for each PDU of equal (XID, DID attribute, NFID, IPID,
// correlation id), given before the queues so that a loss shows as a gap. Fixed memory. The control core alone.
//
// The least recently used counter gives way when the table is full (counted). A context that comes back after that
// must not repeat numbers under the same correlation id, so contexts that are new after a give-up get a salted
// correlation id.
#ifndef X2TAP_SEQUENCE_H
#define X2TAP_SEQUENCE_H

#include "hash.h"
#include "uuid.h"

struct sequences;
struct sequences *sequences_new(uint32_t max_contexts, const struct hash_key *key);
void sequences_free(struct sequences *s);

// The next number of the context, and the correlation id to send (`correlation`, or salted, never 0). DID attribute and
// NFID are constant in a process, so `point` stands for the rest.
struct sequence {
	uint32_t number;
	uint64_t correlation;
};
struct sequence sequence_next(
	struct sequences *s, const struct uuid *xid, uint16_t point, uint64_t correlation);
uint64_t sequences_given_up(const struct sequences *s);

#endif
