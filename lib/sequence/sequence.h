// Sequence numbers (TS 103 221-2 clause 5.3.9): from 0, +1 for each PDU of equal (XID, DID attribute, NFID, IPID,
// correlation id), given before the queues so that a loss shows as a gap. Fixed memory. The control core alone.
//
// With a journal the numbers outlive x2tap. The journal is one file of a fixed size, taken whole when it is made (so that a full
// disk cannot touch it later): a slot of 64 octets for each context, overwritten in place. A slot holds the exact next number,
// written before anything that bears the numbers before it may leave (sequences_commit()), and up to which number everything is
// accounted for elsewhere (sequences_safe()). After kill -9 the next number is exact, and what lies between the two is what a
// restart must report. After the host went down uncleanly (another boot id, and no clean end) what the kernel had not written
// back is missing: known contexts then jump by SEQUENCE_JUMP, unknown ones get a salted correlation id.
//
// The least recently used context gives way when the table is full (counted). One that comes back after that must not repeat
// numbers under the same correlation id, so contexts that are new after a give-up get a salted one. The same holds for contexts
// that cannot be journalled (the journal cannot be read, belongs to another version, or is not written to): a number is never
// given twice.
#ifndef X2TAP_SEQUENCE_H
#define X2TAP_SEQUENCE_H

#include "error.h"
#include "hash.h"
#include "uuid.h"

enum { SEQUENCE_JUMP = 1 << 20 };

struct sequences_settings {
	uint32_t max_contexts;
	struct hash_key key;    // random, of this start: finds contexts, makes salts
	struct bytes did, nfid; // attributes 5 and 6; part of every context; borrowed for the call
	const char *
		journal; // path, or NULL: numbers start at 0 with each start; must be the process's own file, mode 0600
};

struct sequences;
// NULL: no memory. A journal that cannot be used is no reason to stop: see sequences_fault().
struct sequences *sequences_new(const struct sequences_settings *settings, struct error *error);
// Ends the journal cleanly: every context is taken for accounted for (whoever stops has counted and audited what is left).
void sequences_free(struct sequences *s);

// What is wrong with the journal, "" if nothing: what was tried, why it failed, what follows. Changes over time (a write that
// failed works again).
const char *sequences_fault(const struct sequences *s);

// What the last run left behind without accounting for it. Call before the first sequence_next().
struct sequence_gap {
	struct uuid xid; // of the header
	uint64_t correlation;
	// Numbers given, of which nobody can say that they were confirmed or spooled; none when last is first - 1 (then something
	// was skipped).
	uint32_t first, last;
	uint32_t
		skipped; // numbers never to be given, behind `last` (the jump after an unclean end of the host)
};
typedef void sequence_gap_taker(void *context, const struct sequence_gap *gap);
void sequences_gaps(struct sequences *s, sequence_gap_taker *take, void *context);

// The next number of the context, and the correlation id to send (`correlation`, or salted, never 0).
struct sequence {
	uint32_t number;
	uint64_t correlation;
};
struct sequence sequence_next(
	struct sequences *s, const struct uuid *xid, struct bytes ipid, uint64_t correlation);

// Writes down what was given since the last call. Before PDUs with these numbers leave.
void sequences_commit(struct sequences *s);
// Time passes (monotonic). Numbers are remembered by when they were given, in steps of some 20 ms. `now_ms` must have been read
// after the last sequence_next(). Also tries a journal again that took no writes.
void sequences_tick(struct sequences *s, uint64_t now_ms);
// Every PDU whose number was given before `before_ms` is confirmed, in a spool, or lost and told.
// Takes time with the number of contexts that become safe.
void sequences_safe(struct sequences *s, uint64_t before_ms);

uint64_t sequences_given_up(const struct sequences *s);
// Numbers of contexts that were given up before these were safe: after a kill nobody would name them. With a journal only.
uint64_t sequences_forgotten(const struct sequences *s);
uint64_t sequences_salted(const struct sequences *s); // contexts that got a salted correlation id

#endif
