// What of one destination's PDUs lies on disk: its spool, opened and tried again, and the accounts of what is there alone.
//
// Keeps of the counters: restored, spooled, lost_spool_*. What the spool says it would still give is what counts; where that
// shrinks and nobody can say which PDUs they were, they are lost_spool_damaged. So the law holds after every call.
#ifndef X2TAP_BACKLOG_H
#define X2TAP_BACKLOG_H

#include "accounts.h"

struct backlog {
	const struct delivery_hooks *hooks; // may be NULL
	struct uuid did;
	struct delivery_counters *counters;

	struct spool *spool;            // NULL: none, or it cannot be opened
	bool known;                     // it has been open
	struct spool_settings settings; // `directory` is a copy, NULL: none is wanted
	struct spool_watch watch;
	uint64_t reopen_at_ms; // 0: not known yet

	uint64_t count;         // PDUs in it that are not in memory and will be read
	uint64_t next_index;    // of the next PDU that is offered
	uint64_t earlier_below; // what has a lower index was found when it was opened
	uint64_t read_below;    // what has a lower index is or was in memory
	uint64_t appended_below, released_below;
	uint64_t gone[SPOOL_LOSSES]; // as the spool has told, and not yet in the accounts

	// The next record, when it has been read and not taken. It still counts as on disk.
	bool has_head;
	struct spool_record head;
	uint8_t *head_octets; // a copy, of what was put aside
	size_t head_cap;

	bool unflushed;                           // something was appended and has not been flushed
	uint64_t unflushed_since_ms;              // when the first of these was offered
	uint64_t unflushed_alone, alone_since_ms; // of these, those that are not in memory
	bool unnoted;        // something was released and that has not been flushed
	uint64_t flushed_ms; // the last time

	int write_error, read_error;      // 0, or what the disk said last
	uint64_t write_at_ms, read_at_ms; // when it is tried again
	char fault[ERROR_TEXT];
};

void backlog_init(struct backlog *b, const struct uuid *did, struct delivery_counters *counters,
	const struct delivery_hooks *hooks);
void backlog_fini(struct backlog *b); // what is on disk stays there

enum backlog_opened {
	BACKLOG_FRESH,   // another one than before: nothing that is in memory is in it
	BACKLOG_RESUMED, // the one that was open before
};

// `settings` NULL: none from now on; what is there alone stays, and counts as spooled. Otherwise backlog_open() follows.
int backlog_set(struct backlog *b, const struct spool_settings *settings); // 0 or -ENOMEM
// Takes other limits into the spool that is open. False: it takes backlog_set().
bool backlog_set_limits(struct backlog *b, const struct spool_settings *settings);
// Whether backlog_set() with these changes anything.
bool backlog_is_set(const struct backlog *b, const struct spool_settings *settings);
// An enum backlog_opened, or a negative errno; then `fault` says why.
int backlog_open(struct backlog *b);

// Something is there that must go out before what is new.
bool backlog_waits(const struct backlog *b);
bool backlog_may_write(
	const struct backlog *b, uint64_t now_ms); // not within the wait after an error
bool backlog_may_read(const struct backlog *b, uint64_t now_ms);

// `alone`: it is in no memory, and will be read. `offered_ms` is monotonic, that in the record is not. Errors as of
// spool_append(); after any but -EMSGSIZE backlog_may_write() says no for a while.
int backlog_append(struct backlog *b, const struct spool_record *record, bool alone,
	uint64_t offered_ms, uint64_t now_ms);
void backlog_flush(struct backlog *b, uint64_t now_ms);
bool backlog_is_flushed(const struct backlog *b, uint64_t index); // what was appended with it
uint64_t backlog_first_index(const struct backlog *b); // of what has not given way; 0: no spool

// The next record, the same one until it was taken. False: none now. It must be taken or put aside before anything else is
// done here.
bool backlog_next(struct backlog *b, struct spool_record *out, uint64_t now_ms);
void backlog_take(struct backlog *b); // it is not spooled any more; the caller counts it
void backlog_put_aside(struct backlog *b);
// All that is there alone is done with. Returns how many were; the caller counts them.
uint64_t backlog_drop(struct backlog *b);

// What was appended alone and the disk has not taken is not counted here any more. Returns how many; for the end, nothing may
// follow but backlog_fini().
uint64_t backlog_give_up_unflushed(struct backlog *b);

// All below `index` that was taken or never there alone is done with.
void backlog_release(struct backlog *b, uint64_t index);
void backlog_tick(struct backlog *b, uint64_t realtime_ms, uint64_t now_ms);

bool backlog_is_earlier(const struct backlog *b, uint64_t index); // of an earlier run
enum delivery_gate backlog_ask_gate(const struct backlog *b, const struct uuid *xid);
// Tells the hook. `xid` NULL: unknown ones.
void backlog_tell_lost(const struct backlog *b, enum delivery_loss why, const struct uuid *xid,
	uint64_t correlation, uint32_t sequence, uint64_t count);

#endif
