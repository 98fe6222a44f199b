// What the files of sequence numbers share, and for tests a start on a host whose boot id is given.
#ifndef X2TAP_SEQUENCE_INTERNAL_H
#define X2TAP_SEQUENCE_INTERNAL_H

#include "digest_table.h"
#include "journal.h"
#include "sequence.h"

// `boot_id` NULL: the kernel's. As sequences_new() otherwise.
struct sequences *sequences_new_booted(
	const struct sequences_settings *settings, const char *boot_id, struct error *error);

enum {
	SEQUENCES_TOUCHED = 8192, // contexts between two commits; one more writes them down early
	SEQUENCES_EPOCHS = 4096,
};

// What is known of a context beside its next number, with a journal only.
struct context {
	struct uuid xid;
	uint64_t point, asked;
	uint32_t safe;
	uint32_t used_s; // CLOCK_REALTIME
	uint32_t
		life; // grows when the entry becomes another context's, or gets another correlation id
	uint32_t epoch; // the last one that has a record of it
	uint32_t pass;  // the last merge of epochs that has met it
	uint16_t jumps;
	uint8_t flags;
};
enum {
	TOUCHED = 1, // in the list of what the next commit writes
	BEHIND = 2,  // its slot is not up to date, since the journal takes no writes
	OWN = 4,     // got its correlation id while the journal took no writes
	RENEW = 8, // may have given more numbers than the journal knows: a fresh salt before the next one
};

// Up to which number a context had come when an epoch ended. Both are filled in at that end.
struct record {
	uint32_t entry, life, next;
};
struct epoch {
	uint64_t end_ms;
	uint64_t end; // of its records, which begin where those of the epoch before end
};

struct sequences {
	struct digest_table contexts;
	struct sequence *next;     // by entry: what the context's next PDU gets
	struct hash_key key;       // of this start
	struct hash_key point_key; // with DID attribute and NFID in it
	uint64_t given_up, salted, forgotten;
	bool unjournalled; // a journal is wanted, but cannot be used: every context is salted
	char fault[ERROR_TEXT], standing[ERROR_TEXT];

	// With a journal only.
	struct journal journal;
	bool failing; // takes no writes at the moment
	struct context *known;
	uint32_t *slot_of; // by entry
	uint32_t *touched;
	uint32_t touched_count;
	uint64_t probed_ms;
	uint32_t now_s;

	// Records in a ring, in the order of their epochs; those from `open_record` on are of the epoch that runs.
	struct record *records;
	uint32_t record_room;
	uint64_t first_record, open_record, end_record;
	struct epoch *epochs; // ended ones, a ring
	uint32_t first_epoch, epoch_count;
	uint32_t epoch; // number of the one that runs
	uint64_t epoch_began_ms;
	uint32_t merge_pass;
	bool missed; // contexts of `missed_epoch` had no room for a record: they count as unsafe until they are recorded again
	uint32_t missed_epoch;

	void *memory;
	size_t memory_size;
};

// --- sequence.c

int sequences_take_memory(struct sequences *s, uint32_t capacity, bool journalled);
void sequences_free_memory(struct sequences *s);
uint32_t sequences_realtime_s(void);
// How a context is found, in this start alone.
struct digest sequences_digest(
	const struct sequences *s, const struct uuid *xid, uint64_t point, uint64_t correlation);

// --- sequence_start.c

// From the file into memory. -ENOMEM ends the start; what else goes wrong is a fault and leaves no journal.
int sequences_take_over(struct sequences *s, uint32_t max_contexts, struct error *error);

// --- sequence_write.c: with a journal only

// The slot of the context is to be written with the next flush.
void sequences_mark(struct sequences *s, uint32_t entry);
void sequences_flush(struct sequences *s);
// After writes that failed. Memory knows every number, so a slot that is written from it is exact again.
void sequences_try_again(struct sequences *s);
// Writes once a second, so that a journal that takes no writes is found out with and without targets.
void sequences_probe(struct sequences *s, uint64_t now_ms);
// A clean end, which takes every context for accounted for.
void sequences_end_journal(struct sequences *s);

// --- sequence_epochs.c: with a journal only

// The context gave a number in the epoch that runs.
void sequences_record(struct sequences *s, uint32_t entry);

#endif
