// The PDUs of one destination and their accounts: offered, written in batches, kept until confirmed, given up.
//
// After every call: offered = confirmed + unconfirmed + queued + lost_queue_full + lost_shutdown + expired.
#ifndef X2TAP_OUTBOX_H
#define X2TAP_OUTBOX_H

#include "delivery.h"
#include "queue.h"

enum { OUTBOX_OWNER_BUCKETS = 4096 };

struct outbox {
	struct queue queue;
	struct delivery_counters counters;
	bool given_up; // what comes now is lost_shutdown

	// The batch that is being written, a copy: the queue may give up its oldest meanwhile.
	uint8_t *batch;
	size_t batch_cap, batch_len; // batch_len 0: none
	uint64_t batch_start, batch_end;
	uint64_t batch_fresh, batch_repeated; // PDUs in it, for the first time and once more
	uint64_t
		batch_evicted; // of the fresh ones, those that left the queue since; still counted as queued

	// Never written PDUs by a hash of their owner, so that the end of a task that has none costs nothing.
	uint32_t queued_of[OUTBOX_OWNER_BUCKETS];
};

int outbox_init(struct outbox *o, size_t queue_octets, size_t max_write); // 0 or -ENOMEM
void outbox_fini(struct outbox *o);                                       // wipes
// Drops the oldest where the new size is too small for them. 0 or -ENOMEM, and nothing has changed.
int outbox_resize(struct outbox *o, size_t queue_octets);

int outbox_offer(struct outbox *o, uint64_t owner, struct bytes pdu); // as delivery_send()
void outbox_expire(struct outbox *o, uint64_t owner);
void outbox_expire_if(struct outbox *o, delivery_ended *ended, const void *context);
void outbox_expire_all(
	struct outbox *o); // never written ones; those written stay until they are confirmed
void outbox_give_up(struct outbox *o); // what is queued is lost_shutdown, and nothing is kept

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
bool outbox_all_written(const struct outbox *o);
bool outbox_is_empty(const struct outbox *o); // nothing to write, and nothing kept

#endif
