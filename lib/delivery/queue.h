// A byte ring of whole PDUs with three positions: the oldest that is kept, the next to be written, the end.
//
//   oldest ........ next ........ end
//     written, kept   not written (or once more)
//
// Positions are octets since the ring was made and only grow, so a position stays good as a mark after what stood there
// has gone. No counters here: outbox.h keeps the accounts.
#ifndef X2TAP_QUEUE_H
#define X2TAP_QUEUE_H

#include "bytes.h"
#include "uuid.h"

struct queue {
	uint8_t *octets;
	size_t size;
	uint64_t oldest, next, end;
	uint64_t base; // position of the first octet of the ring; not above `oldest`
};

enum queue_flag {
	QUEUE_WRITTEN = 1, // once at least
	QUEUE_GONE =
		2, // not to be written any more: expired, or on disk alone; its octets are wiped
	QUEUE_ENDED = 4,    // its task ended while it was being written
	QUEUE_SPOOLED = 8,  // in the spool too
	QUEUE_READ = 16,    // came from the spool: `owner` is not known
	QUEUE_EARLIER = 32, // of an earlier run
};

struct queue_entry {
	uint64_t owner;
	struct uuid xid;
	uint64_t correlation;
	uint64_t
		index; // among all PDUs ever offered to the destination; 0: it cannot go to the spool any more
	uint64_t offered_ms; // monotonic
	uint32_t sequence;
	uint32_t flags;
	uint32_t len;             // of the PDU
	uint64_t position, after; // its own, and that of the entry behind it
};

int queue_init(struct queue *q, size_t size); // 0 or -ENOMEM
void queue_fini(struct queue *q);             // wipes
// Moves what is in `q` to `to`, just made and large enough, which takes its place. Positions stay as they are.
void queue_move(struct queue *q, struct queue *to);

size_t queue_used(const struct queue *q);
// Octets that a PDU takes; one fits if that is not more than size less used.
size_t queue_cost(size_t pdu_len);
// `e->len`, `position` and `after` are not looked at.
void queue_push(struct queue *q, const struct queue_entry *e, struct bytes pdu);
// False at the end. `position` is queue.oldest, queue.next, or `after` of an entry.
bool queue_entry_at(const struct queue *q, uint64_t position, struct queue_entry *out);
// The same, but of the entry only flags, length and positions: an eighth of the memory.
bool queue_step(const struct queue *q, uint64_t position, struct queue_entry *out);
void queue_copy_pdu(const struct queue *q, const struct queue_entry *e, uint8_t *to);
void queue_set_flags(struct queue *q, const struct queue_entry *e, uint32_t flags);
void queue_set_index(struct queue *q, const struct queue_entry *e, uint64_t index);
void queue_wipe_pdu(struct queue *q, const struct queue_entry *e);
void queue_drop_oldest(struct queue *q); // wipes it; `next` moves along if it stood there

#endif
