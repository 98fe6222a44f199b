#include "outbox.h"

#include <errno.h>
#include <stdlib.h>

static uint32_t *queued_of(struct outbox *o, uint64_t owner)
{
	return &o->queued_of[(owner * 0x9e3779b97f4a7c15) >> 52]; // Fibonacci hashing: 12 bits
}
_Static_assert(OUTBOX_OWNER_BUCKETS == 1 << 12, "the shift above leaves 12 bits");

// Whether it is counted as queued, under its owner too.
static bool is_queued(const struct queue_entry *e)
{
	return !(e->flags & (QUEUE_WRITTEN | QUEUE_EXPIRED));
}

static bool is_in_batch(const struct outbox *o, const struct queue_entry *e)
{
	return o->batch_len && e->position >= o->batch_start && e->position < o->batch_end;
}

static int reserve_batch(struct outbox *o, size_t len)
{
	if (len <= o->batch_cap)
		return 0;
	uint8_t *larger = malloc(len);
	if (!larger)
		return -ENOMEM;
	if (o->batch_cap) {
		memcpy(larger, o->batch, o->batch_len);
		explicit_bzero(o->batch, o->batch_cap);
	}
	free(o->batch);
	o->batch = larger;
	o->batch_cap = len;
	return 0;
}

int outbox_init(struct outbox *o, size_t queue_octets, size_t max_write)
{
	*o = (struct outbox){0};
	if (queue_init(&o->queue, queue_octets) < 0)
		return -ENOMEM;
	if (reserve_batch(o, max_write) < 0) {
		queue_fini(&o->queue);
		return -ENOMEM;
	}
	return 0;
}

void outbox_fini(struct outbox *o)
{
	queue_fini(&o->queue);
	if (o->batch)
		explicit_bzero(o->batch, o->batch_cap);
	free(o->batch);
	*o = (struct outbox){0};
}

// Expired PDUs leave as soon as nothing older is kept, and do not stand in the way of what is to be written.
static void pass_expired(struct outbox *o)
{
	struct queue_entry e;
	while (!o->batch_len && queue_entry_at(&o->queue, o->queue.next, &e) &&
		e.flags & QUEUE_EXPIRED)
		o->queue.next = e.after;
	while (queue_entry_at(&o->queue, o->queue.oldest, &e) && e.flags & QUEUE_EXPIRED)
		queue_drop_oldest(&o->queue);
}

// The oldest gives way. What was written may have arrived: it stays unconfirmed. What is just being written is lost or
// not when that has ended.
static void evict_oldest(struct outbox *o)
{
	struct queue_entry e;
	if (!queue_entry_at(&o->queue, o->queue.oldest, &e))
		return;
	if (is_queued(&e)) {
		--*queued_of(o, e.owner);
		if (is_in_batch(o, &e)) {
			o->batch_evicted++;
		} else {
			o->counters.queued--;
			o->counters.lost_queue_full++;
		}
	}
	queue_drop_oldest(&o->queue);
	pass_expired(o);
}

int outbox_resize(struct outbox *o, size_t queue_octets)
{
	struct queue other;
	if (queue_init(&other, queue_octets) < 0)
		return -ENOMEM;
	while (queue_used(&o->queue) > queue_octets)
		evict_oldest(o);
	queue_move(&o->queue, &other);
	return 0;
}

int outbox_offer(struct outbox *o, uint64_t owner, struct bytes pdu)
{
	size_t cost = queue_cost(pdu.len);
	if (pdu.len == 0 || pdu.len > UINT32_MAX || cost > o->queue.size)
		return -EMSGSIZE;
	if (reserve_batch(o, pdu.len) < 0)
		return -ENOMEM;
	o->counters.offered++;
	if (o->given_up) {
		o->counters.lost_shutdown++;
		return 0;
	}
	while (cost > o->queue.size - queue_used(&o->queue))
		evict_oldest(o);
	queue_push(&o->queue, owner, pdu);
	o->counters.queued++;
	++*queued_of(o, owner);
	return 0;
}

static void expire_entry(struct outbox *o, const struct queue_entry *e)
{
	--*queued_of(o, e->owner);
	o->counters.queued--;
	o->counters.expired++;
	queue_wipe_pdu(&o->queue, e);
	queue_add_flags(&o->queue, e, QUEUE_EXPIRED);
}

// What is just being written may still arrive: it expires only if that fails.
static void expire_or_mark(struct outbox *o, const struct queue_entry *e)
{
	if (is_in_batch(o, e))
		queue_add_flags(&o->queue, e, QUEUE_ENDED);
	else
		expire_entry(o, e);
}

void outbox_expire_if(struct outbox *o, delivery_ended *ended, const void *context)
{
	struct queue_entry e;
	for (uint64_t at = o->queue.next; queue_entry_at(&o->queue, at, &e); at = e.after)
		if (is_queued(&e) && ended(context, e.owner))
			expire_or_mark(o, &e);
	pass_expired(o);
}

static bool is_owner(const void *context, uint64_t owner)
{
	return *(const uint64_t *)context == owner;
}

void outbox_expire(struct outbox *o, uint64_t owner)
{
	if (*queued_of(o, owner) > 0)
		outbox_expire_if(o, is_owner, &owner);
}

static bool is_anybody(const void *context, uint64_t owner)
{
	(void)context;
	(void)owner;
	return true;
}

void outbox_expire_all(struct outbox *o)
{
	outbox_expire_if(o, is_anybody, NULL);
}

static void forget_batch(struct outbox *o)
{
	explicit_bzero(o->batch, o->batch_len);
	o->batch_len = 0;
	o->batch_fresh = o->batch_repeated = o->batch_evicted = 0;
}

// None of the batch can have been read: it is queued as before, less what gave way or ended meanwhile.
static void take_batch_back(struct outbox *o)
{
	struct queue_entry e;
	uint64_t end = o->batch_end;
	if (!o->batch_len)
		return;
	o->counters.queued -= o->batch_evicted;
	o->counters.lost_queue_full += o->batch_evicted;
	forget_batch(o);
	for (uint64_t at = o->queue.next; at < end && queue_entry_at(&o->queue, at, &e);
		at = e.after)
		if (is_queued(&e) && e.flags & QUEUE_ENDED)
			expire_entry(o, &e);
}

static void forget_written(struct outbox *o)
{
	while (o->queue.oldest < o->queue.next)
		queue_drop_oldest(&o->queue);
}

void outbox_restart(struct outbox *o, bool again)
{
	take_batch_back(o);
	if (again)
		o->queue.next = o->queue.oldest;
	else
		forget_written(o);
	pass_expired(o);
}

void outbox_give_up(struct outbox *o)
{
	o->given_up = true;
	take_batch_back(o);
	o->counters.lost_shutdown += o->counters.queued;
	o->counters.queued = 0;
	memset(o->queued_of, 0, sizeof o->queued_of);
	while (queue_used(&o->queue) > 0)
		queue_drop_oldest(&o->queue);
}

struct bytes outbox_batch(struct outbox *o, size_t max_write)
{
	if (o->batch_len)
		return bytes_of(o->batch, o->batch_len);
	struct queue_entry e;
	uint64_t at = o->queue.next;
	o->batch_start = at;
	for (; queue_entry_at(&o->queue, at, &e); at = e.after) {
		if (e.flags & QUEUE_EXPIRED)
			continue;
		if (o->batch_len && o->batch_len + e.len > max_write)
			break;
		if (o->batch_len + e.len > o->batch_cap)
			break;
		queue_copy_pdu(&o->queue, &e, o->batch + o->batch_len);
		o->batch_len += e.len;
		if (e.flags & QUEUE_WRITTEN)
			o->batch_repeated++;
		else
			o->batch_fresh++;
	}
	o->batch_end = at;
	return bytes_of(o->batch, o->batch_len);
}

void outbox_batch_written(struct outbox *o, bool keep)
{
	struct queue_entry e;
	uint64_t at = o->queue.next;
	for (; at < o->batch_end && queue_entry_at(&o->queue, at, &e); at = e.after) {
		if (!is_queued(&e))
			continue;
		--*queued_of(o, e.owner);
		queue_add_flags(&o->queue, &e, QUEUE_WRITTEN);
	}
	o->queue.next = at;
	o->counters.queued -= o->batch_fresh;
	o->counters.unconfirmed += o->batch_fresh;
	o->counters.repeated += o->batch_repeated;
	o->counters.written_octets += o->batch_len;
	o->counters.writes++;
	forget_batch(o);
	if (!keep)
		forget_written(o);
	pass_expired(o);
}

uint64_t outbox_position(const struct outbox *o)
{
	return o->queue.next;
}

void outbox_confirm(struct outbox *o, uint64_t position)
{
	struct queue_entry e;
	while (o->queue.oldest < position && o->queue.oldest < o->queue.next &&
		queue_entry_at(&o->queue, o->queue.oldest, &e)) {
		if (!(e.flags & QUEUE_EXPIRED)) {
			o->counters.unconfirmed--;
			o->counters.confirmed++;
		}
		queue_drop_oldest(&o->queue);
	}
	pass_expired(o);
}

bool outbox_all_written(const struct outbox *o)
{
	return !o->batch_len && o->queue.next == o->queue.end;
}

bool outbox_is_empty(const struct outbox *o)
{
	return !o->batch_len && queue_used(&o->queue) == 0;
}
