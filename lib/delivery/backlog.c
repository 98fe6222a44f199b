#include "backlog.h"

#include <errno.h>
#include <stdlib.h>

enum {
	RETRY_MS = 250,
	FLUSH_WAIT_MS = 20, // where what is unread has not reached the disk
};

enum delivery_gate backlog_ask_gate(const struct backlog *b, const struct uuid *xid)
{
	if (!b->hooks || !b->hooks->gate)
		return GATE_NAMED;
	return b->hooks->gate(b->hooks->context, xid, &b->did);
}

void backlog_tell_lost(const struct backlog *b, enum delivery_loss why, const struct uuid *xid,
	uint64_t correlation, uint32_t sequence, uint64_t count)
{
	if (count > 0 && b->hooks && b->hooks->lost)
		b->hooks->lost(b->hooks->context, &b->did, why, xid, correlation, sequence, count);
}

// ---- faults

static void say_fault(struct backlog *b)
{
	const char *what = b->write_error ? "written" : "read";
	int error = b->write_error ? b->write_error : b->read_error;
	b->fault[0] = '\0';
	if (error) {
		struct error text;
		error_set(&text, error, "the spool cannot be %s: %s", what, strerror(-error));
		memcpy(b->fault, text.text, sizeof b->fault);
	}
}

static void note_write(struct backlog *b, int result, uint64_t now_ms)
{
	if (result < 0)
		b->write_at_ms = now_ms + RETRY_MS;
	if (result == b->write_error)
		return;
	b->write_error = result;
	say_fault(b);
}

static void note_read(struct backlog *b, int result, uint64_t now_ms)
{
	b->read_at_ms = result < 0 ? now_ms + RETRY_MS : 0;
	if (result == b->read_error)
		return;
	b->read_error = result;
	say_fault(b);
}

// ---- what the spool tells

static enum delivery_loss loss_of(enum spool_loss why)
{
	return why == SPOOL_LOST_SIZE  ? LOSS_SPOOL_FULL
	       : why == SPOOL_LOST_AGE ? LOSS_SPOOL_AGE
	                               : LOSS_SPOOL_DAMAGED;
}

static void note_lost(
	void *context, enum spool_loss why, const struct spool_record *record, uint64_t count)
{
	struct backlog *b = context;
	if (!record) {
		b->gone[why] += count;
		if (why != SPOOL_LOST_DAMAGED)
			backlog_tell_lost(b, loss_of(why), NULL, 0, 0, count);
	} else if (record->index >= b->read_below) { // others are in memory
		b->gone[why]++;
		backlog_tell_lost(
			b, loss_of(why), &record->xid, record->correlation, record->sequence, 1);
	}
}

static void note_segment(void *context, enum spool_event what, uint64_t number, uint64_t records)
{
	const struct backlog *b = context;
	if (b->hooks && b->hooks->segment)
		b->hooks->segment(b->hooks->context, &b->did, what, number, records);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void count_lost(struct backlog *b, uint64_t *counter, uint64_t count)
{
	b->count -= count;
	b->counters->spooled -= count;
	*counter += count;
}

static void forget_head(struct backlog *b)
{
	if (b->has_head && b->head.pdu.at == b->head_octets)
		explicit_bzero(b->head_octets, b->head.pdu.len);
	b->has_head = false;
}

// What was put aside counts as on disk. The spool has given it already, and does not tell when it gives way.
static void lose_head(struct backlog *b)
{
	const struct spool_record *r = &b->head;
	if (!b->has_head || r->index >= spool_first_index(b->spool))
		return;
	enum spool_loss why = b->gone[SPOOL_LOST_AGE] > 0 ? SPOOL_LOST_AGE : SPOOL_LOST_SIZE;
	b->gone[why]++;
	backlog_tell_lost(b, loss_of(why), &r->xid, r->correlation, r->sequence, 1);
	b->read_below = r->index + 1;
	forget_head(b);
}

// After each call into the spool: what it would still give is what is spooled.
static void settle(struct backlog *b)
{
	lose_head(b);
	uint64_t there = spool_unread(b->spool) + b->has_head;
	if (there > b->count) { // more than it said before
		b->counters->restored += there - b->count;
		b->counters->spooled += there - b->count;
		b->count = there;
	}
	count_lost(b, &b->counters->lost_spool_full,
		least(b->gone[SPOOL_LOST_SIZE], b->count - there));
	count_lost(
		b, &b->counters->lost_spool_age, least(b->gone[SPOOL_LOST_AGE], b->count - there));
	backlog_tell_lost(b, LOSS_SPOOL_DAMAGED, NULL, 0, 0, b->count - there);
	count_lost(b, &b->counters->lost_spool_damaged, b->count - there);
	memset(b->gone, 0, sizeof b->gone);
	if (b->count == 0)
		note_read(b, 0, 0);
}

// ---- its life

void backlog_init(struct backlog *b, const struct uuid *did, struct delivery_counters *counters,
	const struct delivery_hooks *hooks)
{
	*b = (struct backlog){.hooks = hooks, .did = *did, .counters = counters, .next_index = 1};
}

static void close_spool(struct backlog *b)
{
	spool_close(b->spool);
	b->spool = NULL;
	memset(b->gone, 0, sizeof b->gone);
	b->unflushed = b->unnoted = false;
	b->unflushed_alone = 0;
	b->write_error = b->read_error = 0;
	say_fault(b);
}

void backlog_fini(struct backlog *b)
{
	forget_head(b);
	close_spool(b);
	free(b->head_octets);
	free((void *)(uintptr_t)b->settings.directory);
	*b = (struct backlog){0};
}

static bool is_same_place(const struct backlog *b, const struct spool_settings *settings)
{
	return b->settings.directory && strcmp(b->settings.directory, settings->directory) == 0 &&
	       uuid_equal(&b->settings.did, &settings->did);
}

bool backlog_is_set(const struct backlog *b, const struct spool_settings *settings)
{
	if (!settings)
		return !b->settings.directory;
	return is_same_place(b, settings) && b->settings.kek == settings->kek &&
	       b->settings.max_octets == settings->max_octets &&
	       b->settings.segment_octets == settings->segment_octets &&
	       b->settings.max_age_ms == settings->max_age_ms;
}

bool backlog_set_limits(struct backlog *b, const struct spool_settings *settings)
{
	if (!settings || !b->spool || !is_same_place(b, settings) ||
		b->settings.kek != settings->kek || settings->segment_octets < SPOOL_MIN_SEGMENT)
		return false;
	spool_set_limits(b->spool, settings);
	b->settings.max_octets = settings->max_octets;
	b->settings.segment_octets = settings->segment_octets;
	b->settings.max_age_ms = settings->max_age_ms;
	return true;
}

// What is in memory goes on there alone; the rest is for another time.
static void leave(struct backlog *b)
{
	if (b->spool)
		backlog_release(b, b->next_index);
	forget_head(b);
	close_spool(b);
	free((void *)(uintptr_t)b->settings.directory);
	b->settings = (struct spool_settings){0};
	b->known = false;
	b->count = 0;
	b->read_below = b->earlier_below = b->appended_below = b->released_below = 0;
}

int backlog_set(struct backlog *b, const struct spool_settings *settings)
{
	char *directory = settings ? strdup(settings->directory) : NULL;
	if (settings && !directory)
		return -ENOMEM;
	if (!settings || !b->known || !is_same_place(b, settings)) {
		leave(b);
	} else {
		if (b->has_head) // it will be found again
			b->read_below = b->head.index;
		forget_head(b);
		close_spool(b);
		free((void *)(uintptr_t)b->settings.directory);
	}
	b->reopen_at_ms = 0;
	if (!settings)
		return 0;
	b->settings = *settings;
	b->settings.directory = directory;
	return 0;
}

static void count_found(struct backlog *b, const struct spool_found *found)
{
	uint64_t unread = spool_unread(b->spool);
	uint64_t damaged = b->gone[SPOOL_LOST_DAMAGED] > found->damaged
	                           ? b->gone[SPOOL_LOST_DAMAGED]
	                           : found->damaged;
	struct delivery_counters *c = b->counters;
	c->lost_spool_full += b->gone[SPOOL_LOST_SIZE];
	c->lost_spool_age += b->gone[SPOOL_LOST_AGE];
	c->lost_spool_damaged += damaged;
	c->spooled += unread;
	c->restored += unread + b->gone[SPOOL_LOST_SIZE] + b->gone[SPOOL_LOST_AGE] + damaged;
	backlog_tell_lost(b, LOSS_SPOOL_DAMAGED, NULL, 0, 0, damaged);
	memset(b->gone, 0, sizeof b->gone);
	b->count = unread;
	b->earlier_below = b->appended_below = found->next_index;
	b->released_below = unread > 0 ? 0 : found->next_index;
}

// The copies of what is or was in memory come first, and are not to be sent again.
static int pass_known(struct backlog *b)
{
	struct spool_record r;
	for (;;) {
		int result = spool_read(b->spool, &r);
		if (result == -ENOENT)
			return 0;
		if (result < 0 && result != -EBADMSG)
			return result;
		if (result == 0 && r.index >= b->read_below)
			break;
	}
	b->head = r;
	b->has_head = true;
	backlog_put_aside(b);
	return 0;
}

int backlog_open(struct backlog *b)
{
	struct spool_found found = {0};
	struct error error = {0};
	bool resumed = b->known;
	b->watch = (struct spool_watch){note_lost, note_segment, b};
	b->spool = spool_open(&b->settings, &b->watch, &found, &error);
	int result = b->spool ? 0 : error.code < 0 ? error.code : -EIO;
	if (b->spool && resumed)
		result = pass_known(b);
	if (result < 0) {
		if (b->spool)
			error_set(
				&error, result, "the spool cannot be read: %s", strerror(-result));
		close_spool(b);
		memcpy(b->fault, error.text, sizeof b->fault);
		return result;
	}
	b->known = true;
	b->fault[0] = '\0';
	if (resumed)
		settle(b);
	else
		count_found(b, &found);
	if (b->next_index < found.next_index)
		b->next_index = found.next_index;
	return resumed ? BACKLOG_RESUMED : BACKLOG_FRESH;
}

// ---- to disk and back

bool backlog_waits(const struct backlog *b)
{
	return b->spool && b->count > 0;
}

bool backlog_may_write(const struct backlog *b, uint64_t now_ms)
{
	return b->spool && (!b->write_error || now_ms >= b->write_at_ms);
}

bool backlog_may_read(const struct backlog *b, uint64_t now_ms)
{
	return backlog_waits(b) && now_ms >= b->read_at_ms;
}

int backlog_append(struct backlog *b, const struct spool_record *record, bool alone,
	uint64_t offered_ms, uint64_t now_ms)
{
	if (!alone) // before it is appended: the spool may speak of it
		b->read_below = record->index + 1;
	else if (b->count == 0)
		b->read_below = record->index;
	int result = spool_append(b->spool, record);
	if (result == 0) {
		b->appended_below = record->index + 1;
		if (!b->unflushed)
			b->unflushed_since_ms = offered_ms;
		b->unflushed = true;
	}
	if (result == 0 && alone) {
		if (b->unflushed_alone == 0)
			b->alone_since_ms = offered_ms;
		b->count++;
		b->counters->spooled++;
		b->unflushed_alone++;
	} else if (result == 0) {
		spool_skip(b->spool);
	} else if (result != -EMSGSIZE) {
		note_write(b, result, now_ms);
	}
	settle(b);
	return result;
}

void backlog_flush(struct backlog *b, uint64_t now_ms)
{
	int result = spool_flush(b->spool);
	note_write(b, result, now_ms);
	if (result == 0) {
		b->unflushed = b->unnoted = false;
		b->unflushed_alone = 0;
		b->flushed_ms = now_ms;
	}
	settle(b);
}

bool backlog_is_flushed(const struct backlog *b, uint64_t index)
{
	return b->spool && index < spool_flushed_index(b->spool);
}

uint64_t backlog_first_index(const struct backlog *b)
{
	return b->spool ? spool_first_index(b->spool) : 0;
}

bool backlog_next(struct backlog *b, struct spool_record *out, uint64_t now_ms)
{
	while (!b->has_head && backlog_waits(b)) {
		int result = spool_read(b->spool, &b->head);
		b->has_head = result == 0;
		if (result != -ENOENT && result != -EBADMSG)
			note_read(b, result, now_ms);
		if (result != 0)
			settle(b);
		if (result == -ENOENT)
			b->read_at_ms = now_ms + FLUSH_WAIT_MS;
		if (result < 0 && result != -EBADMSG)
			return false;
	}
	*out = b->head;
	return b->has_head;
}

void backlog_take(struct backlog *b)
{
	b->read_below = b->head.index + 1;
	forget_head(b);
	b->count--;
	b->counters->spooled--;
	settle(b);
}

// Without the memory for a copy the record cannot be had again in this run.
void backlog_put_aside(struct backlog *b)
{
	struct bytes pdu = b->head.pdu;
	if (pdu.at == b->head_octets)
		return;
	if (pdu.len > b->head_cap) {
		uint8_t *larger = realloc(b->head_octets, pdu.len);
		if (!larger) {
			const struct spool_record *r = &b->head;
			backlog_tell_lost(
				b, LOSS_QUEUE_FULL, &r->xid, r->correlation, r->sequence, 1);
			b->counters->lost_queue_full++;
			backlog_take(b);
			return;
		}
		b->head_octets = larger;
		b->head_cap = pdu.len;
	}
	memcpy(b->head_octets, pdu.at, pdu.len);
	b->head.pdu = bytes_of(b->head_octets, pdu.len);
	settle(b);
}

uint64_t backlog_drop(struct backlog *b)
{
	uint64_t count = b->count;
	b->counters->spooled -= count;
	b->count = 0;
	b->read_below = b->next_index;
	forget_head(b);
	spool_skip(b->spool);
	settle(b);
	return count;
}

uint64_t backlog_give_up_unflushed(struct backlog *b)
{
	uint64_t count = least(b->unflushed_alone, b->count);
	b->count -= count;
	b->counters->spooled -= count;
	return count;
}

void backlog_release(struct backlog *b, uint64_t index)
{
	if (!b->spool)
		return;
	if (b->count > 0)
		index = least(index, b->has_head ? b->head.index : b->read_below);
	index = least(index, b->appended_below); // no higher: the next run may begin there
	if (index <= b->released_below)
		return;
	b->released_below = index;
	spool_release(b->spool, index);
	b->unnoted = true;
	settle(b);
}

void backlog_tick(struct backlog *b, uint64_t realtime_ms, uint64_t now_ms)
{
	spool_tick(b->spool, realtime_ms, now_ms);
	settle(b);
}

bool backlog_is_earlier(const struct backlog *b, uint64_t index)
{
	return index < b->earlier_below;
}
