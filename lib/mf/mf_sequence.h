// Sequence numbers as an MF checks them (TS 103 221-2 clause 5.3.9): from 0, one more for each PDU of the same XID, DID,
// NFID, IPID and correlation id, over all connections.
//
// One thread at a time. Memory is allocated as contexts come, up to a limit.
#ifndef X2TAP_MF_SEQUENCE_H
#define X2TAP_MF_SEQUENCE_H

#include "mf_pdu.h"

enum mf_order {
	MF_ORDER_NONE,  // the PDU has no sequence number, or the table is full
	MF_ORDER_FIRST, // a new context at 0
	MF_ORDER_JOINED, // a new context at another number: what came before went elsewhere, or was lost before we listened
	MF_ORDER_NEXT,   // as it should be
	MF_ORDER_GAP,    // later than expected: numbers are missing
	MF_ORDER_REPEAT, // seen before, as after a reconnection
	MF_ORDER_LATE,   // fills a gap that was told, or comes from before we joined
	MF_ORDER_REUSED, // a number seen before, with other octets: the sender's mistake
};

struct mf_verdict {
	enum mf_order order;
	uint32_t expected; // the next number, before this PDU
	uint32_t missing;  // of a gap: how many
};

struct mf_sequences;
struct mf_sequences *mf_sequences_new(size_t max_contexts);
void mf_sequences_free(struct mf_sequences *s);

struct mf_verdict mf_sequences_note(struct mf_sequences *s, const struct mf_pdu *pdu);
// Numbers in gaps that nothing has filled so far.
uint64_t mf_sequences_missing(const struct mf_sequences *s);
size_t mf_sequences_contexts(const struct mf_sequences *s);

// "first", "joined", ...
const char *mf_order_name(enum mf_order order);

#endif
