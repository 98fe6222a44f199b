// The PDUs of one destination and their accounts: offered, written in batches, kept until confirmed, given up; in memory, and on
// disk where there is a spool.
//
// Memory holds the oldest, the disk the newest. What is not confirmed SPOOL_AFTER_MS after it was offered is copied to the spool, so
// that a killed process does not lose it. When memory is full, all of it is copied and what is new goes to the spool alone, until
// that has been read up; memory is filled from it again below half of its size. What is read is sent only if its task still names
// the destination (hooks.gate), and waits, with all behind it, while that is not known. Copies are released as the oldest in
// memory goes.
//
// Without a spool the oldest in memory gives way. With one that fails, it does so only if it is not in the spool; otherwise the new one
// is lost, and so it is while older ones are on disk alone: nothing overtakes.
//
// The law of accounts.h holds after every call. Times are monotonic but for `realtime_ms`.
#ifndef X2TAP_OUTBOX_H
#define X2TAP_OUTBOX_H

#include "backlog.h"
#include "delivery.h"
#include "queue.h"

enum {
	OUTBOX_SPOOL_AFTER_MS = 60,
	OUTBOX_BATCH_PDUS = 512, // the most in one batch: more than 16 KiB hold
};

struct outbox_identity {
	struct uuid xid;
	uint64_t correlation;
	uint32_t sequence;
};

struct outbox {
	struct queue queue;
	struct queue
		smaller; // takes the place of `queue` when what is in that fits; no octets: none waits
	struct delivery_counters counters;
	struct backlog backlog;
	bool given_up; // what comes now is lost_shutdown
	bool deliver_ended; // the caller's: what an earlier run has left is sent also when its task is no longer ordered
	bool gate_waits; // the next on disk cannot be judged yet

	uint64_t copied_to;     // position: all before it is in the spool, or cannot or need not be
	uint64_t safe_to;       // position: all before it is on disk, or gone
	uint64_t first_on_disk; // index: copies below it have given way on disk
	uint64_t given_way_to;  // position: that was noted of all before it
	uint64_t now_ms;        // as of the last offer or poll
	uint64_t ticked_ms;
	uint64_t
		realtime_offset_ms; // CLOCK_REALTIME less monotonic, as of the last poll; 0: no poll yet

	// The batch that is being written, a copy: the queue may give up its oldest meanwhile.
	uint8_t *batch;
	size_t batch_cap, batch_len; // batch_len 0: none
	uint8_t *copy;               // of a PDU on its way to the spool
	size_t copy_cap;
	uint64_t batch_start, batch_end;
	uint64_t batch_fresh, batch_repeated; // PDUs in it, for the first time and once more
	// Of the fresh ones, those that left the queue since; still counted as queued.
	uint64_t batch_evicted, batch_evicted_since_ms;
	struct outbox_identity evicted[OUTBOX_BATCH_PDUS];
};

// `hooks` is borrowed, NULL: none. 0 or -ENOMEM. The outbox stays where it is from now on.
int outbox_init(struct outbox *o, const struct uuid *did, size_t queue_octets, size_t max_write,
	const struct delivery_hooks *hooks);
void outbox_fini(struct outbox *o); // wipes; what is in the spool stays there
// Drops the oldest where the new size is too small for them; with a spool the queue gets small only when it has emptied enough, and
// new ones go to disk until then. 0 or -ENOMEM, and nothing has changed.
int outbox_resize(struct outbox *o, size_t queue_octets);

// Opens the spool, another one or with other limits, or with NULL none. What is found in another one than before counts as
// restored. `kek` is borrowed until the next call. 0 or a negative errno: then outbox_spool_fault() says why, and outbox_poll()
// tries again every 10 s. What is alone in a spool that is given up stays there for another time, and counted as spooled.
int outbox_set_spool(struct outbox *o, const struct spool_settings *settings);
bool outbox_has_spool(const struct outbox *o);          // it is to have one
bool outbox_spool_is_open(const struct outbox *o);      // and has been looked through
const char *outbox_spool_fault(const struct outbox *o); // "": none
uint64_t outbox_spool_octets(const struct outbox *o);
uint64_t outbox_spool_segments(const struct outbox *o);

// As delivery_send(): 0, -EMSGSIZE, -ENOMEM, -EPERM.
int outbox_offer(struct outbox *o, const struct delivery_pdu *pdu, uint64_t now_ms);
// Never written ones in memory of whose owner `ended` says so. Of those that were read from the spool the owner is not known: there the
// gate decides, as it does for what is still on disk when that is read.
void outbox_expire_if(struct outbox *o, delivery_ended *ended, const void *context);
// Never written ones, in memory and on disk; those written stay until they are confirmed.
void outbox_expire_all(struct outbox *o);
// What is queued goes to the spool and is spooled, or is lost_shutdown; nothing is kept in memory. What is unconfirmed goes there too, and
// stays counted as such.
void outbox_give_up(struct outbox *o);

// Copies to the spool, fills memory from it, keeps its limits, opens it again.
void outbox_poll(struct outbox *o, uint64_t now_ms, uint64_t realtime_ms);
uint64_t outbox_due_ms(
	const struct outbox *o, uint64_t now_ms); // until outbox_poll() is due; at most 1000
// All that was offered before the returned time is confirmed, flushed to a spool, lost or expired; or given up as unconfirmed.
uint64_t outbox_safe_before(const struct outbox *o, uint64_t now_ms);

// Whole PDUs for one write, at most max_write octets or one PDU alone. The same ones until one of the next two was
// called. Empty when there is nothing to write.
struct bytes outbox_batch(struct outbox *o, size_t max_write);
void outbox_batch_written(struct outbox *o, bool keep); // `keep` until confirmed
// The connection has gone, a batch half out with it: no receiver can read that. `again`: what is unconfirmed will be written
// again, oldest first; otherwise it is forgotten, and stays counted.
void outbox_restart(struct outbox *o, bool again);

// Everything before this position is written on the present connection.
uint64_t outbox_position(const struct outbox *o);
void outbox_confirm(struct outbox *o, uint64_t position); // all before it
bool outbox_all_written(const struct outbox *o);          // and nothing waits on disk
bool outbox_is_empty(
	const struct outbox *o); // nothing to write, nothing kept, nothing that waits on disk
bool outbox_waits(const struct outbox *o); // outbox_batch() would give something now
uint64_t outbox_kept(
	const struct outbox *o); // PDUs in memory or in the spool, not confirmed; walks the queue
size_t outbox_queue_used(const struct outbox *o);

#endif
