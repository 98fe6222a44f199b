#include "outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "host_clock.h"

enum {
	COPY_WITH_IT_MS =
		40, // what is as old goes to the spool with what is SPOOL_AFTER_MS old: fewer writes
	STEP_OCTETS =
		1 << 20, // to and from disk in one poll: the other destinations want their turn
	REOPEN_MS = 10000,
	TICK_MS = 1000,
	WAIT_MS = 20,       // the longest while something is to be copied soon
	GATE_WAIT_MS = 100, // until it is asked again
	LONGEST_WAIT_MS = 1000,
	DROP_BY_NAME = 4096, // records that are read to be named when a destination is removed
};

// Whether it is counted as queued.
static bool is_queued(const struct queue_entry *e)
{
	return !(e->flags & (QUEUE_WRITTEN | QUEUE_GONE));
}

static bool is_in_batch(const struct outbox *o, const struct queue_entry *e)
{
	return o->batch_len && e->position >= o->batch_start && e->position < o->batch_end;
}

static size_t queue_limit(const struct outbox *o)
{
	return o->smaller.octets ? o->smaller.size : o->queue.size;
}

static bool fits(const struct outbox *o, size_t cost)
{
	return queue_used(&o->queue) + cost <= queue_limit(o);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void tell_lost(struct outbox *o, enum delivery_loss why, const struct queue_entry *e)
{
	backlog_tell_lost(&o->backlog, why, &e->xid, e->correlation, e->sequence, 1);
}

static int grow(uint8_t **octets, size_t *cap, size_t used, size_t len)
{
	if (len <= *cap)
		return 0;
	uint8_t *grown = malloc(len);
	if (!grown)
		return -ENOMEM;
	if (*cap) {
		memcpy(grown, *octets, used);
		explicit_bzero(*octets, *cap);
	}
	free(*octets);
	*octets = grown;
	*cap = len;
	return 0;
}

static void wipe_and_free(uint8_t *octets, size_t cap)
{
	if (octets)
		explicit_bzero(octets, cap);
	free(octets);
}

// So that a PDU of `len` octets can be written, and copied to the spool.
static int reserve(struct outbox *o, size_t len)
{
	int result = grow(&o->batch, &o->batch_cap, o->batch_len, len);
	return result < 0 ? result : grow(&o->copy, &o->copy_cap, 0, len);
}

int outbox_init(struct outbox *o, const struct uuid *did, size_t queue_octets, size_t max_write,
	const struct delivery_hooks *hooks)
{
	*o = (struct outbox){0};
	if (queue_init(&o->queue, queue_octets) < 0)
		return -ENOMEM;
	if (reserve(o, max_write) < 0) {
		outbox_fini(o);
		return -ENOMEM;
	}
	backlog_init(&o->backlog, did, &o->counters, hooks);
	return 0;
}

void outbox_fini(struct outbox *o)
{
	backlog_fini(&o->backlog);
	queue_fini(&o->queue);
	queue_fini(&o->smaller);
	wipe_and_free(o->batch, o->batch_cap);
	wipe_and_free(o->copy, o->copy_cap);
	*o = (struct outbox){0};
}

// ---- the oldest in memory goes

// What is gone leaves as soon as nothing older is kept, and does not stand in the way of what is to be written.
static void pass_gone(struct outbox *o)
{
	struct queue_entry e;
	while (!o->batch_len && queue_step(&o->queue, o->queue.next, &e) && e.flags & QUEUE_GONE)
		o->queue.next = e.after;
	while (queue_step(&o->queue, o->queue.oldest, &e) && e.flags & QUEUE_GONE)
		queue_drop_oldest(&o->queue);
}

static void shrink(struct outbox *o)
{
	if (o->smaller.octets && queue_used(&o->queue) <= o->smaller.size)
		queue_move(&o->queue, &o->smaller);
}

// After something has left memory for good: the spool need not keep it.
static void release_done(struct outbox *o)
{
	struct queue_entry e;
	pass_gone(o);
	shrink(o);
	if (!o->backlog.spool || o->given_up)
		return;
	bool any = queue_entry_at(&o->queue, o->queue.oldest, &e);
	backlog_release(&o->backlog, any ? e.index : o->backlog.next_index);
}

// What is just being written is lost or not when that has ended.
static void note_evicted(struct outbox *o, const struct queue_entry *e)
{
	if (o->batch_evicted == 0)
		o->batch_evicted_since_ms = e->offered_ms;
	o->evicted[o->batch_evicted++] =
		(struct outbox_identity){e->xid, e->correlation, e->sequence};
}

static void count_queue_full(struct outbox *o, const struct queue_entry *e)
{
	o->counters.lost_queue_full++;
	tell_lost(o, LOSS_QUEUE_FULL, e);
}

// What was written may have arrived: it stays counted as unconfirmed.
static void give_up_unconfirmed(struct outbox *o, const struct queue_entry *e)
{
	if (!(e->flags & QUEUE_WRITTEN) || e->flags & QUEUE_GONE)
		return;
	o->counters.unconfirmed_given_up++;
	tell_lost(o, LOSS_UNCONFIRMED, e);
}

// The oldest gives way.
static void evict_oldest(struct outbox *o)
{
	struct queue_entry e;
	if (!queue_entry_at(&o->queue, o->queue.oldest, &e))
		return;
	if (is_queued(&e) && is_in_batch(o, &e)) {
		note_evicted(o, &e);
	} else if (is_queued(&e)) {
		o->counters.queued--;
		count_queue_full(o, &e);
	} else {
		give_up_unconfirmed(o, &e);
	}
	queue_drop_oldest(&o->queue);
	pass_gone(o);
}

// Whether there is room for `cost` now. What is in the spool does not give way.
static bool make_room(struct outbox *o, size_t cost)
{
	struct queue_entry e;
	while (!fits(o, cost) && queue_entry_at(&o->queue, o->queue.oldest, &e)) {
		if (o->backlog.spool && e.flags & QUEUE_SPOOLED)
			return false;
		evict_oldest(o);
	}
	return true;
}

int outbox_resize(struct outbox *o, size_t queue_octets)
{
	struct queue other;
	if (queue_init(&other, queue_octets) < 0)
		return -ENOMEM;
	queue_fini(&o->smaller);
	while (!o->backlog.spool && queue_used(&o->queue) > queue_octets)
		evict_oldest(o);
	o->smaller = other;
	shrink(o);
	return 0;
}

// ---- to the spool

// Of the offered time of a PDU. Before the first poll the clock itself is asked.
static uint64_t realtime_of(const struct outbox *o, uint64_t offered_ms, uint64_t now_ms)
{
	if (o->realtime_offset_ms)
		return offered_ms + o->realtime_offset_ms;
	return host_realtime_ms() + offered_ms - now_ms;
}

static uint64_t monotonic_of(const struct outbox *o, uint64_t realtime_ms)
{
	return realtime_ms > o->realtime_offset_ms ? realtime_ms - o->realtime_offset_ms : 0;
}

// Copies that gave way on disk, as its limits want it: those PDUs are in memory alone again, and stay so.
static void note_given_way(struct outbox *o)
{
	struct queue_entry e;
	uint64_t first = backlog_first_index(&o->backlog);
	if (first <= o->first_on_disk)
		return;
	o->first_on_disk = first;
	uint64_t at = larger(o->given_way_to, o->queue.oldest);
	for (; queue_entry_at(&o->queue, at, &e) && e.index < first; at = e.after) {
		if (!(e.flags & QUEUE_SPOOLED) || e.flags & QUEUE_GONE)
			continue;
		queue_set_flags(&o->queue, &e, e.flags & ~(uint32_t)QUEUE_SPOOLED);
		o->safe_to = smaller(o->safe_to, e.position);
	}
	o->given_way_to = at;
}

static int append(struct outbox *o, const struct queue_entry *e, struct bytes pdu, bool alone,
	uint64_t now_ms)
{
	struct spool_record record = {e->index, realtime_of(o, e->offered_ms, now_ms), e->xid,
		e->correlation, e->sequence, pdu};
	int result = backlog_append(&o->backlog, &record, alone, e->offered_ms, now_ms);
	note_given_way(o);
	return result;
}

// It has the same place on disk as it had in memory: behind all that is older.
static void move_to_disk(struct outbox *o, const struct queue_entry *e)
{
	o->counters.queued--; // backlog_append() has counted it as spooled
	queue_wipe_pdu(&o->queue, e);
	queue_set_flags(&o->queue, e, e->flags | QUEUE_GONE);
}

// Appends what is in memory and not in the spool: a copy; but while older ones are on disk alone it moves there, to be read in
// its turn, unless it is written already.
static int copy_entry(struct outbox *o, const struct queue_entry *e, uint64_t now_ms)
{
	bool alone = backlog_waits(&o->backlog);
	if (e->flags & (QUEUE_GONE | QUEUE_SPOOLED) || e->index == 0)
		return 0;
	if (alone && (!is_queued(e) || is_in_batch(o, e))) {
		queue_set_index(&o->queue, e,
			0); // newer than what is read after it: it must not release that
		return 0;
	}
	queue_copy_pdu(&o->queue, e, o->copy);
	int result = append(o, e, bytes_of(o->copy, e->len), alone, now_ms);
	if (result == -EMSGSIZE)
		return 0; // memory alone
	if (result == 0 && alone)
		move_to_disk(o, e);
	else if (result == 0)
		queue_set_flags(&o->queue, e, e->flags | QUEUE_SPOOLED);
	return result;
}

// What was offered before `before_ms`, oldest first, about `octets` of it. 0, or what the disk said.
static int copy_to_spool(struct outbox *o, uint64_t before_ms, uint64_t octets, uint64_t now_ms)
{
	struct queue_entry e;
	o->copied_to = larger(o->copied_to, o->queue.oldest);
	uint64_t until = octets < UINT64_MAX - o->copied_to ? o->copied_to + octets : UINT64_MAX;
	while (o->copied_to < until && queue_entry_at(&o->queue, o->copied_to, &e) &&
		e.offered_ms < before_ms) {
		int result = copy_entry(o, &e, now_ms);
		if (result < 0)
			return result;
		o->copied_to = e.after;
	}
	return 0;
}

// When the oldest that is to be copied was offered. False: there is none.
static bool next_to_copy(const struct outbox *o, uint64_t *offered_ms)
{
	struct queue_entry e;
	if (!queue_entry_at(&o->queue, larger(o->copied_to, o->queue.oldest), &e))
		return false;
	*offered_ms = e.offered_ms;
	return true;
}

static bool is_safe(const struct outbox *o, const struct queue_entry *e)
{
	return e->flags & QUEUE_GONE ||
	       (e->flags & QUEUE_SPOOLED && backlog_is_flushed(&o->backlog, e->index));
}

static uint64_t safe_position(const struct outbox *o)
{
	struct queue_entry e;
	uint64_t at = larger(o->safe_to, o->queue.oldest);
	while (queue_entry_at(&o->queue, at, &e) && is_safe(o, &e))
		at = e.after;
	return at;
}

static void flush(struct outbox *o, uint64_t now_ms)
{
	backlog_flush(&o->backlog, now_ms);
	o->safe_to = safe_position(o);
}

static struct queue_entry entry_of(const struct delivery_pdu *pdu, uint64_t index, uint64_t now_ms)
{
	return (struct queue_entry){.owner = pdu->owner,
		.xid = pdu->xid,
		.correlation = pdu->correlation,
		.index = index,
		.offered_ms = now_ms,
		.sequence = pdu->sequence};
}

// ---- offered

// A new PDU goes to the spool alone, behind all that is in memory. False: the spool does not take it.
static bool spill(struct outbox *o, const struct queue_entry *e, struct bytes pdu)
{
	return backlog_may_write(&o->backlog, e->offered_ms) &&
	       copy_to_spool(o, UINT64_MAX, UINT64_MAX, e->offered_ms) == 0 &&
	       append(o, e, pdu, true, e->offered_ms) == 0;
}

// Whether it may not go to memory since older ones are on disk alone, and none of them in memory and not on disk.
static bool would_overtake(const struct outbox *o)
{
	uint64_t unused;
	return backlog_waits(&o->backlog) && !next_to_copy(o, &unused);
}

static void take_offered(struct outbox *o, const struct queue_entry *e, struct bytes pdu)
{
	size_t cost = queue_cost(pdu.len);
	bool full = o->backlog.spool && (backlog_waits(&o->backlog) || !fits(o, cost));
	if (full && spill(o, e, pdu))
		return;
	if (would_overtake(o) || !make_room(o, cost)) {
		count_queue_full(o, e);
		return;
	}
	queue_push(&o->queue, e, pdu);
	o->counters.queued++;
}

int outbox_offer(struct outbox *o, const struct delivery_pdu *pdu, uint64_t now_ms)
{
	size_t len = pdu->octets.len;
	if (len == 0 || len > UINT32_MAX || queue_cost(len) > queue_limit(o))
		return -EMSGSIZE;
	if (backlog_ask_gate(&o->backlog, &pdu->xid) != GATE_NAMED) {
		o->counters.refused_gate++;
		return -EPERM;
	}
	if (reserve(o, len) < 0)
		return -ENOMEM;
	struct queue_entry e = entry_of(pdu, o->backlog.next_index++, now_ms);
	o->now_ms = now_ms;
	o->counters.offered++;
	if (o->given_up) {
		o->counters.lost_shutdown++;
		tell_lost(o, LOSS_SHUTDOWN, &e);
	} else {
		take_offered(o, &e, pdu->octets);
	}
	return 0;
}

// ---- from the spool

static void push_read(struct outbox *o, const struct spool_record *r, bool earlier)
{
	struct queue_entry e = {.xid = r->xid,
		.correlation = r->correlation,
		.index = r->index,
		.offered_ms = monotonic_of(o, r->offered_ms),
		.sequence = r->sequence,
		.flags = QUEUE_SPOOLED | QUEUE_READ};
	if (earlier)
		e.flags |= QUEUE_EARLIER;
	queue_push(&o->queue, &e, r->pdu);
	o->copied_to = o->queue.end;
	o->counters.queued++;
}

static void count_expired(struct outbox *o, const struct uuid *xid, uint64_t correlation,
	uint32_t sequence, bool earlier)
{
	o->counters.expired++;
	o->counters.expired_restored += earlier;
	backlog_tell_lost(&o->backlog, LOSS_ORDER_ENDED, xid, correlation, sequence, 1);
}

static enum delivery_gate judge(const struct outbox *o, const struct uuid *xid, bool earlier)
{
	enum delivery_gate gate = backlog_ask_gate(&o->backlog, xid);
	return gate == GATE_NOT_NAMED && earlier && o->deliver_ended ? GATE_NAMED : gate;
}

// Whether the next on disk was dealt with; otherwise it stays there.
static bool take_record(struct outbox *o, const struct spool_record *r)
{
	bool earlier = backlog_is_earlier(&o->backlog, r->index);
	enum delivery_gate gate = judge(o, &r->xid, earlier);
	size_t cost = queue_cost(r->pdu.len);
	o->gate_waits = gate == GATE_UNKNOWN;
	if (gate == GATE_UNKNOWN)
		return false;
	if (gate == GATE_NOT_NAMED) {
		count_expired(o, &r->xid, r->correlation, r->sequence, earlier);
	} else if (cost > queue_limit(o)) { // the queue has become smaller since
		o->counters.lost_queue_full++;
		backlog_tell_lost(
			&o->backlog, LOSS_QUEUE_FULL, &r->xid, r->correlation, r->sequence, 1);
	} else if (!fits(o, cost) || reserve(o, r->pdu.len) < 0) {
		return false;
	} else {
		push_read(o, r, earlier);
	}
	backlog_take(&o->backlog);
	return true;
}

// What is in memory and could not be copied goes before what is on disk, and stays in memory alone.
static void give_up_copying(struct outbox *o)
{
	struct queue_entry e;
	for (uint64_t at = larger(o->copied_to, o->queue.oldest); queue_entry_at(&o->queue, at, &e);
		at = e.after)
		queue_set_index(&o->queue, &e, 0);
	o->copied_to = o->queue.end;
}

static bool wants_refill(const struct outbox *o, uint64_t now_ms)
{
	return queue_used(&o->queue) < queue_limit(o) / 2 && backlog_may_read(&o->backlog, now_ms);
}

static void refill(struct outbox *o, uint64_t now_ms)
{
	struct spool_record r;
	if (!wants_refill(o, now_ms))
		return;
	if (copy_to_spool(o, UINT64_MAX, UINT64_MAX, now_ms) < 0)
		give_up_copying(o);
	for (size_t octets = 0; octets < STEP_OCTETS && wants_refill(o, now_ms);) {
		if (!backlog_next(&o->backlog, &r, now_ms))
			break;
		octets += queue_cost(r.pdu.len);
		if (!take_record(o, &r)) {
			backlog_put_aside(&o->backlog);
			break;
		}
	}
	release_done(o);
}

// Another spool, or none: nothing that is in memory is in it.
static void forget_copies(struct outbox *o)
{
	struct queue_entry e;
	for (uint64_t at = o->queue.oldest; queue_entry_at(&o->queue, at, &e); at = e.after) {
		queue_set_flags(&o->queue, &e, e.flags & ~(uint32_t)QUEUE_SPOOLED);
		queue_set_index(&o->queue, &e, o->backlog.next_index++);
	}
	o->copied_to = o->safe_to = o->given_way_to = o->queue.oldest;
	o->first_on_disk = 0;
}

static int open_spool(struct outbox *o)
{
	int result = backlog_open(&o->backlog);
	if (result == BACKLOG_FRESH)
		forget_copies(o);
	return result < 0 ? result : 0;
}

int outbox_set_spool(struct outbox *o, const struct spool_settings *settings)
{
	struct backlog *b = &o->backlog;
	if (backlog_is_set(b, settings) && (b->spool || !settings))
		return 0;
	if (backlog_set_limits(b, settings)) // to open it again would take as long as to read it
		return 0;
	if (b->spool)
		flush(o, o->now_ms);
	if (backlog_set(b, settings) < 0)
		return -ENOMEM;
	o->gate_waits = false;
	if (!b->known)
		forget_copies(o);
	return settings ? open_spool(o) : 0;
}

bool outbox_has_spool(const struct outbox *o)
{
	return o->backlog.settings.directory != NULL;
}

bool outbox_spool_is_open(const struct outbox *o)
{
	return o->backlog.spool != NULL;
}

const char *outbox_spool_fault(const struct outbox *o)
{
	return o->backlog.fault;
}

uint64_t outbox_spool_octets(const struct outbox *o)
{
	return o->backlog.spool ? spool_octets(o->backlog.spool) : 0;
}

uint64_t outbox_spool_segments(const struct outbox *o)
{
	return o->backlog.spool ? spool_segments(o->backlog.spool) : 0;
}

// ---- orders end

static void expire_entry(struct outbox *o, const struct queue_entry *e)
{
	o->counters.queued--;
	count_expired(o, &e->xid, e->correlation, e->sequence, e->flags & QUEUE_EARLIER);
	queue_wipe_pdu(&o->queue, e);
	queue_set_flags(&o->queue, e, e->flags | QUEUE_GONE);
}

// What is just being written may still arrive: it expires only if that fails.
static void expire_or_mark(struct outbox *o, const struct queue_entry *e)
{
	if (is_in_batch(o, e))
		queue_set_flags(&o->queue, e, e->flags | QUEUE_ENDED);
	else
		expire_entry(o, e);
}

static bool has_ended(const struct outbox *o, const struct queue_entry *e, delivery_ended *ended,
	const void *context)
{
	if (e->flags & QUEUE_READ)
		return judge(o, &e->xid, e->flags & QUEUE_EARLIER) == GATE_NOT_NAMED;
	return ended(context, e->owner);
}

void outbox_expire_if(struct outbox *o, delivery_ended *ended, const void *context)
{
	struct queue_entry e;
	for (uint64_t at = o->queue.next; queue_entry_at(&o->queue, at, &e); at = e.after)
		if (is_queued(&e) && has_ended(o, &e, ended, context))
			expire_or_mark(o, &e);
	release_done(o);
}

static void expire_disk(struct outbox *o)
{
	struct spool_record r;
	for (int i = 0; i < DROP_BY_NAME && backlog_next(&o->backlog, &r, o->now_ms); i++) {
		count_expired(o, &r.xid, r.correlation, r.sequence, false);
		backlog_take(&o->backlog);
	}
	if (backlog_waits(&o->backlog)) {
		uint64_t rest = backlog_drop(&o->backlog);
		o->counters.expired += rest;
		backlog_tell_lost(&o->backlog, LOSS_ORDER_ENDED, NULL, 0, 0, rest);
	}
	backlog_release(&o->backlog, o->backlog.next_index); // that of an earlier run too
	backlog_flush(&o->backlog, o->now_ms);
}

void outbox_expire_all(struct outbox *o)
{
	struct queue_entry e;
	for (uint64_t at = o->queue.next; queue_entry_at(&o->queue, at, &e); at = e.after)
		if (is_queued(&e))
			expire_or_mark(o, &e);
	if (o->backlog.spool)
		expire_disk(o);
	release_done(o);
}

// ---- written and confirmed

static void forget_batch(struct outbox *o)
{
	explicit_bzero(o->batch, o->batch_len);
	o->batch_len = 0;
	o->batch_fresh = o->batch_repeated = o->batch_evicted = 0;
}

static void lose_evicted(struct outbox *o)
{
	o->counters.queued -= o->batch_evicted;
	o->counters.lost_queue_full += o->batch_evicted;
	for (uint64_t i = 0; i < o->batch_evicted; i++)
		backlog_tell_lost(&o->backlog, LOSS_QUEUE_FULL, &o->evicted[i].xid,
			o->evicted[i].correlation, o->evicted[i].sequence, 1);
}

// None of the batch can have been read: it is queued as before, less what gave way or ended meanwhile.
static void take_batch_back(struct outbox *o)
{
	struct queue_entry e;
	uint64_t end = o->batch_end;
	if (!o->batch_len)
		return;
	lose_evicted(o);
	forget_batch(o);
	for (uint64_t at = o->queue.next; at < end && queue_entry_at(&o->queue, at, &e);
		at = e.after)
		if (is_queued(&e) && e.flags & QUEUE_ENDED)
			expire_entry(o, &e);
}

static void forget_written(struct outbox *o)
{
	struct queue_entry e;
	while (o->queue.oldest < o->queue.next && queue_entry_at(&o->queue, o->queue.oldest, &e)) {
		give_up_unconfirmed(o, &e);
		queue_drop_oldest(&o->queue);
	}
}

// Nothing is ever confirmed there, so nobody is told either.
static void forget_unconfirmable(struct outbox *o)
{
	struct queue_entry e;
	while (o->queue.oldest < o->queue.next && queue_step(&o->queue, o->queue.oldest, &e)) {
		o->counters.unconfirmed_given_up +=
			(e.flags & (QUEUE_WRITTEN | QUEUE_GONE)) == QUEUE_WRITTEN;
		queue_drop_oldest(&o->queue);
	}
}

// Those of the batch whose place in the queue was gone before they were out.
static void give_up_evicted(struct outbox *o, bool tell)
{
	o->counters.unconfirmed_given_up += o->batch_evicted;
	for (uint64_t i = 0; tell && i < o->batch_evicted; i++)
		backlog_tell_lost(&o->backlog, LOSS_UNCONFIRMED, &o->evicted[i].xid,
			o->evicted[i].correlation, o->evicted[i].sequence, 1);
}

void outbox_restart(struct outbox *o, bool again)
{
	take_batch_back(o);
	if (again)
		o->queue.next = o->queue.oldest;
	else
		forget_written(o);
	release_done(o);
}

static bool is_on_disk(const struct outbox *o, const struct queue_entry *e)
{
	return e->flags & QUEUE_SPOOLED && backlog_is_flushed(&o->backlog, e->index);
}

// In memory, and never written: on disk from now on, or lost.
static void give_up_entry(struct outbox *o, const struct queue_entry *e)
{
	o->counters.queued--;
	if (is_on_disk(o, e)) {
		o->counters.spooled++;
	} else {
		o->counters.lost_shutdown++;
		tell_lost(o, LOSS_SHUTDOWN, e);
	}
}

void outbox_give_up(struct outbox *o)
{
	struct queue_entry e;
	take_batch_back(o);
	if (o->backlog.spool && !o->given_up) {
		copy_to_spool(o, UINT64_MAX, UINT64_MAX, o->now_ms);
		backlog_flush(&o->backlog, o->now_ms);
		uint64_t lost = backlog_give_up_unflushed(&o->backlog);
		o->counters.lost_shutdown += lost;
		backlog_tell_lost(&o->backlog, LOSS_SHUTDOWN, NULL, 0, 0, lost);
	}
	o->given_up = true;
	while (queue_entry_at(&o->queue, o->queue.oldest, &e)) {
		if (is_queued(&e))
			give_up_entry(o, &e);
		else if (!is_on_disk(o, &e))
			give_up_unconfirmed(o, &e);
		queue_drop_oldest(&o->queue);
	}
}

struct bytes outbox_batch(struct outbox *o, size_t max_write)
{
	if (o->batch_len)
		return bytes_of(o->batch, o->batch_len);
	struct queue_entry e;
	uint64_t at = o->queue.next;
	o->batch_start = at;
	for (; queue_step(&o->queue, at, &e); at = e.after) {
		if (e.flags & QUEUE_GONE)
			continue;
		if (o->batch_len && o->batch_len + e.len > max_write)
			break;
		if (o->batch_len + e.len > o->batch_cap ||
			o->batch_fresh + o->batch_repeated == OUTBOX_BATCH_PDUS)
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
	for (; at < o->batch_end && queue_step(&o->queue, at, &e); at = e.after)
		if (is_queued(&e))
			queue_set_flags(&o->queue, &e, e.flags | QUEUE_WRITTEN);
	o->queue.next = at;
	o->counters.queued -= o->batch_fresh;
	o->counters.unconfirmed += o->batch_fresh;
	o->counters.repeated += o->batch_repeated;
	o->counters.written_octets += o->batch_len;
	o->counters.writes++;
	give_up_evicted(o, keep);
	forget_batch(o);
	if (!keep)
		forget_unconfirmable(o);
	release_done(o);
}

uint64_t outbox_position(const struct outbox *o)
{
	return o->queue.next;
}

void outbox_confirm(struct outbox *o, uint64_t position)
{
	struct queue_entry e;
	while (o->queue.oldest < position && o->queue.oldest < o->queue.next &&
		queue_step(&o->queue, o->queue.oldest, &e)) {
		if (!(e.flags & QUEUE_GONE)) {
			o->counters.unconfirmed--;
			o->counters.confirmed++;
		}
		queue_drop_oldest(&o->queue);
	}
	release_done(o);
}

bool outbox_all_written(const struct outbox *o)
{
	return !o->batch_len && o->queue.next == o->queue.end &&
	       (o->given_up || !backlog_waits(&o->backlog));
}

bool outbox_is_empty(const struct outbox *o)
{
	return !o->batch_len && queue_used(&o->queue) == 0 &&
	       (o->given_up || !backlog_waits(&o->backlog));
}

bool outbox_waits(const struct outbox *o)
{
	return o->batch_len || o->queue.next < o->queue.end;
}

uint64_t outbox_kept(const struct outbox *o)
{
	struct queue_entry e;
	uint64_t kept = o->backlog.spool ? o->backlog.count : 0;
	for (uint64_t at = o->queue.oldest; queue_step(&o->queue, at, &e); at = e.after)
		kept += !(e.flags & QUEUE_GONE);
	return kept;
}

size_t outbox_queue_used(const struct outbox *o)
{
	return queue_used(&o->queue);
}

// ---- in time

static void reopen(struct outbox *o, uint64_t now_ms)
{
	struct backlog *b = &o->backlog;
	bool due = b->reopen_at_ms && now_ms >= b->reopen_at_ms;
	if (!b->settings.directory || b->spool)
		return;
	if (due || !b->reopen_at_ms)
		b->reopen_at_ms = now_ms + REOPEN_MS;
	if (due)
		open_spool(o);
}

// When something is to be written to disk. False: nothing.
static bool next_write(const struct outbox *o, uint64_t *at_ms)
{
	const struct backlog *b = &o->backlog;
	uint64_t offered_ms, at = UINT64_MAX;
	if (next_to_copy(o, &offered_ms))
		at = offered_ms + OUTBOX_SPOOL_AFTER_MS;
	if (b->unflushed)
		at = smaller(at, b->unflushed_since_ms + OUTBOX_SPOOL_AFTER_MS);
	if (b->unnoted)
		at = smaller(at, b->flushed_ms + OUTBOX_SPOOL_AFTER_MS);
	*at_ms = b->write_error ? b->write_at_ms : at; // an error is tried again whatever waits
	return *at_ms != UINT64_MAX;
}

static void write_aged(struct outbox *o, uint64_t now_ms)
{
	uint64_t at, offered_ms;
	if (!next_write(o, &at) || now_ms < at)
		return;
	if (next_to_copy(o, &offered_ms) && offered_ms + OUTBOX_SPOOL_AFTER_MS <= now_ms)
		copy_to_spool(o, now_ms - COPY_WITH_IT_MS + 1, STEP_OCTETS, now_ms);
	if (o->backlog.unflushed || o->backlog.unnoted || o->backlog.write_error)
		flush(o, now_ms);
}

void outbox_poll(struct outbox *o, uint64_t now_ms, uint64_t realtime_ms)
{
	o->now_ms = now_ms;
	o->realtime_offset_ms = realtime_ms - now_ms;
	if (o->given_up)
		return;
	reopen(o, now_ms);
	if (!o->backlog.spool)
		return;
	if (now_ms - o->ticked_ms >= TICK_MS) {
		o->ticked_ms = now_ms;
		backlog_tick(&o->backlog, realtime_ms, now_ms);
		note_given_way(o);
	}
	write_aged(o, now_ms);
	refill(o, now_ms);
}

static uint64_t until(uint64_t at_ms, uint64_t now_ms)
{
	return at_ms > now_ms ? at_ms - now_ms : 0;
}

static uint64_t refill_due_ms(const struct outbox *o, uint64_t now_ms)
{
	const struct backlog *b = &o->backlog;
	if (!backlog_waits(b) || queue_used(&o->queue) >= queue_limit(o) / 2)
		return LONGEST_WAIT_MS;
	if (o->gate_waits)
		return GATE_WAIT_MS;
	if (b->has_head && !fits(o, queue_cost(b->head.pdu.len)))
		return LONGEST_WAIT_MS;
	return until(b->read_at_ms, now_ms);
}

uint64_t outbox_due_ms(const struct outbox *o, uint64_t now_ms)
{
	const struct backlog *b = &o->backlog;
	uint64_t at, due = LONGEST_WAIT_MS;
	if (o->given_up)
		return due;
	if (b->settings.directory && !b->spool)
		return smaller(due, until(b->reopen_at_ms, now_ms));
	if (!b->spool)
		return due;
	if (next_write(o, &at))
		due = smaller(WAIT_MS, until(at, now_ms));
	return smaller(due, refill_due_ms(o, now_ms));
}

uint64_t outbox_safe_before(const struct outbox *o, uint64_t now_ms)
{
	struct queue_entry e;
	uint64_t safe = now_ms;
	if (queue_entry_at(&o->queue, safe_position(o), &e))
		safe = smaller(safe, e.offered_ms);
	if (o->backlog.unflushed_alone > 0)
		safe = smaller(safe, o->backlog.alone_since_ms);
	if (o->batch_evicted > 0)
		safe = smaller(safe, o->batch_evicted_since_ms);
	return safe;
}
