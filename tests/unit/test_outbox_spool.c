#include "fake_spool.h"

#include <stdio.h>

#include "outbox.h"

enum { TASKS = 4, MAX_PDUS = 12000, MIN_LEN = 8, MAX_LEN = 300, OFFSET = 1000000 };

// ---- every PDU there ever was, by its sequence number, and what has been heard of it

enum fate { UNDECIDED, CONFIRMED, TOLD, FORGOTTEN, CRASHED };

struct known_pdu {
	enum fate fate;
	enum delivery_loss why; // when TOLD
	bool offered;           // in this run or an earlier one
	bool written;           // in this run
	bool given_up;          // in this run: told as unconfirmed
	bool unkept;            // in this run: written, or kept, when keepalive was off
	bool in_memory, on_disk, flushed;
	bool earlier;        // of an earlier run
	bool ended_in_batch; // its task ended when it was half out
	uint32_t task, len;
	uint64_t offered_ms;
};

static struct {
	struct known_pdu pdus[MAX_PDUS];
	uint32_t count;
	uint32_t last_written; // on this connection
	uint64_t told[DELIVERY_LOSSES], told_unknown;
	uint64_t confirmed, repeated, offered, segments;
	uint64_t now_ms;
	enum delivery_gate gate[TASKS];
	uint32_t in_batch[OUTBOX_BATCH_PDUS];
	size_t batch_count;
	bool deliver_ended;
} world;

static const struct uuid the_did = {{0xd1}};

static uint32_t seed = 11;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * limit >> 32);
}

static enum delivery_gate gate(
	void *context, const struct uuid *xid, const struct uuid *destination)
{
	assert_ptr_equal(context, &world);
	assert_true(uuid_equal(destination, &the_did));
	return world.gate[xid->octets[0]];
}

static void lost(void *context, const struct uuid *destination, enum delivery_loss why,
	const struct uuid *xid, uint64_t correlation, uint32_t sequence, uint64_t count)
{
	(void)context;
	assert_true(uuid_equal(destination, &the_did));
	world.told[why] += count;
	if (!xid) {
		world.told_unknown += count;
		return;
	}
	struct known_pdu *p = &world.pdus[sequence];
	assert_int_equal(count, 1);
	assert_int_equal(xid->octets[0], p->task);
	assert_int_equal(correlation, sequence + 7u);
	assert_false(p->given_up);
	if (why == LOSS_UNCONFIRMED) {
		assert_true(p->fate == UNDECIDED);
		p->given_up = true;
		return;
	}
	assert_int_equal(p->fate, UNDECIDED);
	assert_false(p->written);
	p->fate = TOLD;
	p->why = why;
}

static void segment(void *context, const struct uuid *destination, enum spool_event what,
	uint64_t number, uint64_t records)
{
	(void)context, (void)destination, (void)what, (void)number, (void)records;
	world.segments++;
}

static const struct delivery_hooks hooks = {
	.context = &world, .gate = gate, .lost = lost, .segment = segment};

static const struct spool_settings settings = {.directory = "/nowhere", .did = {{0xd1}}};
static const struct vault_key keys[3];
static struct spool_settings limited = {.directory = "/nowhere", .did = {{0xd1}}};

static void world_clear(void)
{
	memset(&world, 0, sizeof world);
	world.now_ms = 5000;
	world.count = 1; // so that 0 is no number
	fake_disk_clear();
}

static void pdu_write(uint8_t *to, uint32_t number, size_t len)
{
	uint32_t header[2] = {number, (uint32_t)len};
	memcpy(to, header, sizeof header);
	for (size_t i = sizeof header; i < len; i++)
		to[i] = (uint8_t)(number * 31 + i);
}

// The number of the PDU at the start of `octets`, which must be that PDU to the last octet.
static uint32_t pdu_read(struct bytes octets, size_t *len)
{
	uint8_t want[MAX_LEN];
	uint32_t header[2];
	assert_true(octets.len >= sizeof header);
	memcpy(header, octets.at, sizeof header);
	assert_true(header[0] > 0 && header[0] < world.count);
	assert_int_equal(header[1], world.pdus[header[0]].len);
	assert_true(octets.len >= header[1]);
	pdu_write(want, header[0], header[1]);
	assert_memory_equal(octets.at, want, header[1]);
	*len = header[1];
	return header[0];
}

static int offer(struct outbox *o, uint32_t task, size_t len)
{
	uint8_t octets[MAX_LEN];
	uint32_t number = world.count;
	assert_true(number < MAX_PDUS);
	pdu_write(octets, number, len);
	struct delivery_pdu pdu = {.owner = task,
		.xid = {{(uint8_t)task}},
		.correlation = number + 7u,
		.sequence = number,
		.octets = bytes_of(octets, len)};
	world.pdus[number] =
		(struct known_pdu){.task = task, .len = (uint32_t)len, .offered_ms = world.now_ms};
	world.count++;
	int result = outbox_offer(o, &pdu, world.now_ms);
	if (result == 0) {
		world.pdus[number].offered = true;
		world.offered++;
	} else {
		world.count--;
	}
	return result;
}

static void poll_at(struct outbox *o, uint64_t ms)
{
	world.now_ms += ms;
	outbox_poll(o, world.now_ms, world.now_ms + OFFSET);
}

static size_t make_batch(struct outbox *o)
{
	struct bytes batch = outbox_batch(o, 1000);
	world.batch_count = 0;
	for (size_t at = 0, len; at < batch.len; at += len)
		world.in_batch[world.batch_count++] =
			pdu_read(bytes_slice(batch, at, batch.len - at), &len);
	return world.batch_count;
}

// The batch is with the MF: in order, nothing that was refused or is done with, and twice only what is unconfirmed.
static void write_batch(struct outbox *o, bool keep)
{
	uint64_t repeated = 0;
	if (make_batch(o) == 0)
		return;
	outbox_batch_written(o, keep);
	for (size_t i = 0; i < world.batch_count; i++) {
		struct known_pdu *p = &world.pdus[world.in_batch[i]];
		assert_true(world.in_batch[i] > world.last_written);
		world.last_written = world.in_batch[i];
		assert_true(p->offered);
		assert_int_equal(p->fate, UNDECIDED);
		if (!p->written && world.gate[p->task] == GATE_NOT_NAMED)
			assert_true(p->ended_in_batch || (p->earlier && world.deliver_ended));
		repeated += p->written;
		p->written = true;
		if (!keep)
			p->fate = FORGOTTEN;
	}
	for (uint32_t i = 1; !keep && i < world.count; i++)
		world.pdus[i].unkept |= world.pdus[i].written;
	world.repeated += repeated;
	world.batch_count = 0;
}

static void confirm_written(struct outbox *o)
{
	outbox_confirm(o, outbox_position(o));
	for (uint32_t i = 1; i < world.count && i <= world.last_written; i++) {
		struct known_pdu *p = &world.pdus[i];
		if (!p->written || p->fate != UNDECIDED || !p->in_memory)
			continue;
		p->fate = CONFIRMED;
		world.confirmed++;
	}
}

static void connection_ends(struct outbox *o, bool again)
{
	outbox_restart(o, again);
	world.batch_count = 0;
	world.last_written = 0;
}

static bool is_task(const void *context, uint64_t owner)
{
	return *(const uint32_t *)context == owner;
}

static void task_ends(struct outbox *o, uint32_t task)
{
	world.gate[task] = GATE_NOT_NAMED;
	for (size_t i = 0; i < world.batch_count; i++)
		world.pdus[world.in_batch[i]].ended_in_batch |=
			world.pdus[world.in_batch[i]].task == task;
	outbox_expire_if(o, is_task, &task);
}

// ---- what must be true at any moment

static void look_into_memory(const struct outbox *o)
{
	struct queue_entry e;
	for (uint32_t i = 0; i < world.count; i++)
		world.pdus[i].in_memory = world.pdus[i].on_disk = world.pdus[i].flushed = false;
	for (uint64_t at = o->queue.oldest; queue_entry_at(&o->queue, at, &e); at = e.after)
		if (!(e.flags & QUEUE_GONE))
			world.pdus[e.sequence].in_memory = true;
	for (size_t i = 0; i < disk.count; i++) {
		const struct fake_record *r = &disk.records[i];
		world.pdus[r->head.sequence].on_disk |= fake_is_there(r);
		world.pdus[r->head.sequence].flushed |=
			(fake_is_there(r) || r->damaged) && r->flushed;
	}
}

static bool is_in_batch(uint32_t number)
{
	for (size_t i = 0; i < world.batch_count; i++)
		if (world.in_batch[i] == number)
			return true;
	return false;
}

static bool passed_as_damaged(uint32_t number)
{
	for (size_t i = 0; i < disk.count; i++)
		if (disk.records[i].head.sequence == number)
			return disk.records[i].damaged && disk.records[i].gone;
	return false;
}

// What was written and is kept no longer: told one by one, but where nothing is ever confirmed.
static uint64_t look_at_given_up(void)
{
	uint64_t given_up = 0;
	for (uint32_t i = 1; i < world.count; i++) {
		const struct known_pdu *p = &world.pdus[i];
		if (p->written && p->fate == FORGOTTEN)
			assert_true(p->given_up || p->unkept);
		else // one that is half out once more may have lost its place in the queue
			assert_true(!p->given_up || is_in_batch(i));
		given_up += p->written && (p->fate == FORGOTTEN || p->given_up);
	}
	return given_up;
}

// Returns the time before which all is safe, by what is where.
static uint64_t look_at_each(uint64_t *unconfirmed, uint64_t *queued, uint64_t *spooled)
{
	uint64_t safe = world.now_ms;
	for (uint32_t i = 1; i < world.count; i++) {
		struct known_pdu *p = &world.pdus[i];
		if (p->fate == UNDECIDED && p->written && !p->in_memory && !is_in_batch(i))
			p->fate = FORGOTTEN;
		*unconfirmed += p->written && (p->fate == UNDECIDED || p->fate == FORGOTTEN);
		if (p->fate != UNDECIDED || !p->offered)
			continue;
		bool in_hand = p->in_memory || is_in_batch(i);
		bool damaged = !in_hand && !p->on_disk && passed_as_damaged(i);
		assert_true(in_hand || p->on_disk || damaged); // nothing is lost in silence
		if (damaged) {
			p->fate = TOLD;
			p->why = LOSS_SPOOL_DAMAGED;
			continue;
		}
		*queued += !p->written && in_hand;
		*spooled += !p->written && !in_hand;
		bool given_up = p->written && !p->in_memory; // it can only be confirmed no more
		if (!p->flushed && !given_up && p->offered_ms < safe)
			safe = p->offered_ms;
	}
	return safe;
}

static void expect_all_true(const struct outbox *o)
{
	const struct delivery_counters *c = &o->counters;
	uint64_t unconfirmed = 0, queued = 0, spooled = 0;
	look_into_memory(o);
	uint64_t safe = look_at_each(&unconfirmed, &queued, &spooled);
	assert_true(delivery_law_holds(c));
	assert_int_equal(c->offered, world.offered);
	assert_int_equal(c->confirmed, world.confirmed);
	assert_int_equal(c->repeated, world.repeated);
	assert_int_equal(c->unconfirmed, unconfirmed);
	assert_int_equal(c->queued, queued);
	assert_int_equal(c->spooled, spooled);
	assert_int_equal(c->lost_queue_full, world.told[LOSS_QUEUE_FULL]);
	assert_int_equal(c->lost_shutdown, world.told[LOSS_SHUTDOWN]);
	assert_int_equal(c->lost_spool_full, world.told[LOSS_SPOOL_FULL]);
	assert_int_equal(c->lost_spool_age, world.told[LOSS_SPOOL_AGE]);
	assert_int_equal(c->lost_spool_damaged, world.told[LOSS_SPOOL_DAMAGED]);
	assert_int_equal(c->expired, world.told[LOSS_ORDER_ENDED]);
	assert_int_equal(c->unconfirmed_given_up, look_at_given_up());
	uint64_t told_safe = outbox_safe_before(o, world.now_ms);
	if (o->backlog.unflushed_alone > 0) // it may be done with meanwhile
		assert_true(told_safe <= safe);
	else
		assert_int_equal(told_safe, safe);
	assert_true(outbox_queue_used(o) <= o->queue.size);
	assert_true(outbox_due_ms(o, world.now_ms) <= 1000);
}

// ---- runs

static void start(struct outbox *o, size_t queue_octets)
{
	assert_int_equal(outbox_init(o, &the_did, queue_octets, 1000, &hooks), 0);
	uint64_t there = 0;
	memset(world.told, 0, sizeof world.told);
	world.told_unknown = world.confirmed = world.repeated = world.offered = 0;
	world.last_written = 0;
	world.batch_count = 0;
	look_into_memory(o);
	for (uint32_t i = 1; i < world.count; i++) {
		struct known_pdu *p = &world.pdus[i];
		there += p->on_disk;
		p->written = p->ended_in_batch = p->given_up = p->unkept = false;
		p->earlier = true;
		p->fate = p->on_disk ? UNDECIDED : p->fate == UNDECIDED ? CRASHED : p->fate;
	}
	o->deliver_ended = world.deliver_ended;
	assert_int_equal(outbox_set_spool(o, &settings), 0);
	assert_int_equal(o->counters.restored, there);
	assert_int_equal(o->counters.spooled, there);
	poll_at(o, 0);
}

// What was safe is on disk, confirmed, told or forgotten; the rest may be gone.
static void crash(struct outbox *o)
{
	uint64_t safe = outbox_safe_before(o, world.now_ms);
	fake_disk_crash();
	look_into_memory(o);
	for (uint32_t i = 1; i < world.count; i++)
		if (world.pdus[i].fate == UNDECIDED && world.pdus[i].offered)
			assert_true(world.pdus[i].on_disk || passed_as_damaged(i) ||
				    world.pdus[i].offered_ms >= safe);
	int keep = disk.fail_flush;
	disk.fail_flush = -EIO; // outbox_fini() is no part of a crash
	outbox_fini(o);
	disk.fail_flush = keep;
	fake_disk_crash();
}

static void stop(struct outbox *o)
{
	outbox_give_up(o);
	assert_true(delivery_law_holds(&o->counters));
	assert_int_equal(o->counters.queued, 0);
	assert_int_equal(o->counters.lost_shutdown, world.told[LOSS_SHUTDOWN]);
	assert_true(outbox_is_empty(o));
	world.batch_count = 0;
	look_into_memory(o);
	for (uint32_t i = 1; i < world.count; i++) {
		struct known_pdu *p = &world.pdus[i];
		if (p->fate == UNDECIDED && p->offered && !p->written && world.told_unknown == 0)
			assert_true(p->flushed);
	}
	outbox_fini(o);
}

static void disk_works(void)
{
	disk.fail_append = disk.fail_flush = disk.fail_read = disk.fail_open = 0;
}

// All that can be sent is sent.
static void drain(struct outbox *o)
{
	disk_works();
	if (world.batch_count == 0)
		connection_ends(o, true);
	for (uint32_t task = 0; task < TASKS; task++)
		if (world.gate[task] == GATE_UNKNOWN)
			world.gate[task] = GATE_NAMED;
	for (int i = 0; i < 5000 && !outbox_is_empty(o); i++) {
		poll_at(o, 300);
		expect_all_true(o);
		write_batch(o, true);
		expect_all_true(o);
		confirm_written(o);
		expect_all_true(o);
	}
	assert_true(outbox_is_empty(o));
	assert_true(outbox_all_written(o));
	assert_false(outbox_waits(o));
	assert_int_equal(o->counters.queued + o->counters.spooled, 0);
	assert_string_equal(outbox_spool_fault(o), "");
}

static void the_disk_has_a_mood(void)
{
	static const int errors[] = {-ENOSPC, -EIO};
	int error = errors[random_below(2)];
	switch (random_below(9)) {
	case 8:
		disk.give_way = random_below(5);
		break;
	case 0:
		disk.fail_append = error;
		break;
	case 1:
		disk.fail_flush = error;
		break;
	case 2:
		disk.fail_read = -EIO;
		break;
	case 3:
		disk.lose[random_below(2)] = random_below(5);
		break;
	case 4:
		if (disk.count > 0) // of what is not read yet
			disk.records[disk.count - 1 - random_below((uint32_t)(disk.count) / 2 + 1)]
				.damaged = true;
		break;
	default:
		disk_works();
	}
}

static void the_orders_change(struct outbox *o)
{
	uint32_t task = random_below(TASKS);
	switch (random_below(4)) {
	case 0:
		task_ends(o, task);
		break;
	case 1:
		world.gate[task] = GATE_UNKNOWN;
		break;
	default:
		for (task = 0; task < TASKS; task++)
			world.gate[task] = GATE_NAMED;
	}
}

static void offer_some(struct outbox *o)
{
	for (uint32_t i = random_below(6); i > 0; i--) {
		uint32_t task = random_below(TASKS);
		int want = world.gate[task] == GATE_NAMED ? 0 : -EPERM;
		uint64_t refused = o->counters.refused_gate;
		assert_int_equal(offer(o, task, MIN_LEN + random_below(MAX_LEN - MIN_LEN)), want);
		assert_int_equal(o->counters.refused_gate, refused + (want < 0));
	}
}

static void do_something(struct outbox *o, uint32_t busy)
{
	switch (random_below(16)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		offer_some(o);
		break;
	case 5:
	case 6:
		make_batch(o);
		break;
	case 7:
	case 8:
	case 9:
		if (random_below(4) < busy)
			write_batch(o, true);
		break;
	case 10:
		if (random_below(4) < busy)
			confirm_written(o);
		break;
	case 11:
		if (random_below(4) == 0)
			connection_ends(o, random_below(4) > 0);
		break;
	case 12:
		if (random_below(4) == 0)
			the_orders_change(o);
		break;
	case 13:
		if (random_below(3) == 0)
			the_disk_has_a_mood();
		break;
	case 14:
		if (random_below(20) > 0)
			break;
		disk_works();                         // what is buffered is taken
		limited.kek = &keys[random_below(2)]; // closed and opened again, mostly
		if (o->backlog.settings.kek == limited.kek)
			limited.kek = &keys[2];
		disk.fail_open = random_below(4) ? 0 : -EACCES;
		assert_int_equal(outbox_set_spool(o, &limited), disk.fail_open);
		if (disk.fail_open == 0)
			break;
		assert_string_not_equal(outbox_spool_fault(o), "");
		disk.fail_open = 0;
		expect_all_true(o);
		assert_int_equal(outbox_set_spool(o, &limited), 0);
		break;
	default:
		poll_at(o, random_below(40));
	}
}

static void nothing_is_lost_in_silence_whatever_happens(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		static struct outbox o;
		uint32_t busy = random_below(4);
		size_t size = 800 + random_below(6000);
		world_clear();
		world.deliver_ended = round % 4 == 0;
		start(&o, size);
		for (uint32_t i = 0; i < 900; i++) {
			do_something(&o, busy);
			expect_all_true(&o);
			if (random_below(100) == 0)
				busy = random_below(5);
			if (random_below(250) == 0) {
				if (random_below(2))
					stop(&o);
				else
					crash(&o);
				disk.fail_open = 0;
				start(&o, size);
				expect_all_true(&o);
			}
			if (random_below(150) == 0) {
				size = 800 + random_below(6000);
				assert_int_equal(outbox_resize(&o, size), 0);
				expect_all_true(&o);
			}
		}
		world.batch_count = 0;
		outbox_restart(&o, true);
		drain(&o);
		outbox_fini(&o);
	}
	fake_disk_clear();
}

// ---- rule by rule

enum { LEN = 100 };

static void begin(struct outbox *o, size_t pdus)
{
	world_clear();
	start(o, pdus * queue_cost(LEN));
}

static void offer_many(struct outbox *o, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(offer(o, 1, LEN), 0);
	expect_all_true(o);
}

// Writes and confirms all there is; returns how many PDUs that were.
static uint64_t send_all(struct outbox *o)
{
	uint64_t before = o->counters.confirmed;
	for (int i = 0; i < 100; i++) {
		poll_at(o, 1);
		write_batch(o, true);
		expect_all_true(o);
		confirm_written(o);
		expect_all_true(o);
	}
	return o->counters.confirmed - before;
}

static void end(struct outbox *o)
{
	outbox_fini(o);
	fake_disk_clear();
}

static void what_is_confirmed_in_time_never_sees_the_disk(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	for (int i = 0; i < 20; i++) {
		offer_many(&o, 1);
		assert_in_range(outbox_due_ms(&o, world.now_ms), 1, 20);
		poll_at(&o, 20);
		write_batch(&o, true);
		poll_at(&o, 39);
		expect_all_true(&o);
		confirm_written(&o);
	}
	assert_int_equal(disk.count, 0);
	end(&o);
}

static void what_is_60_ms_old_is_on_disk_and_in_memory(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 2);
	write_batch(&o, true);
	world.now_ms += 25;
	offer_many(&o, 1);
	poll_at(&o, 34);
	assert_int_equal(disk.count, 0);
	assert_int_equal(outbox_due_ms(&o, world.now_ms), 1);
	poll_at(&o, 1);
	assert_int_equal(disk.count, 2);
	assert_int_equal(spool_flushed_index(&the_spool), 3);
	assert_int_equal(o.counters.spooled, 0);
	assert_int_equal(outbox_safe_before(&o, world.now_ms), 5025);
	assert_int_equal(disk.records[0].head.offered_ms, 5000 + OFFSET);
	poll_at(&o, 25);
	assert_int_equal(disk.count, 3);
	assert_int_equal(outbox_safe_before(&o, world.now_ms), world.now_ms);
	assert_int_equal(send_all(&o), 3);
	assert_int_equal(disk.released, 4);
	end(&o);
}

static void what_has_given_way_on_disk_is_not_safe_in_memory(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 2);
	world.now_ms += 5;
	offer_many(&o, 1);
	poll_at(&o, 80);
	assert_int_equal(disk.count, 3);
	assert_int_equal(outbox_safe_before(&o, world.now_ms), world.now_ms);
	disk.give_way = 2;
	poll_at(&o, 1000);
	assert_int_equal(outbox_safe_before(&o, world.now_ms), 5000);
	expect_all_true(&o);
	outbox_give_up(&o);
	assert_int_equal(o.counters.lost_shutdown, 2);
	assert_int_equal(o.counters.spooled, 1);
	assert_true(delivery_law_holds(&o.counters));
	end(&o);
}

static void what_memory_does_not_hold_waits_on_disk_in_order(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 25);
	assert_int_equal(o.counters.queued, 10);
	assert_int_equal(o.counters.spooled, 15);
	assert_false(outbox_all_written(&o));
	write_batch(&o, true);
	confirm_written(&o);
	offer_many(&o, 5); // there is room in memory, and older ones on disk
	assert_int_equal(o.counters.spooled, 20);
	assert_int_equal(send_all(&o), 20);
	assert_true(outbox_is_empty(&o));
	offer_many(&o, 1);
	assert_int_equal(o.counters.queued, 1); // and in memory again
	end(&o);
}

static void what_an_earlier_run_left_goes_first_if_it_is_still_ordered(void **state)
{
	(void)state;
	for (int deliver = 0; deliver < 2; deliver++) {
		static struct outbox o;
		begin(&o, 10);
		offer_many(&o, 3);
		assert_int_equal(offer(&o, 2, LEN), 0);
		offer_many(&o, 1);
		poll_at(&o, 60);
		crash(&o);
		world.gate[2] = GATE_NOT_NAMED;
		world.deliver_ended = deliver;
		start(&o, 1000);
		assert_int_equal(o.counters.restored, 5);
		poll_at(&o, 1);
		offer_many(&o, 1);
		assert_int_equal(send_all(&o), deliver ? 6 : 5);
		assert_int_equal(o.counters.expired, !deliver);
		assert_int_equal(o.counters.expired_restored, !deliver);
		end(&o);
	}
}

static void a_task_that_ends_takes_what_was_read_from_disk_with_it(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 4);
	poll_at(&o, 60);
	crash(&o);
	start(&o, 3000);
	assert_int_equal(o.counters.queued, 4); // of nobody's slot
	task_ends(&o, 1);
	expect_all_true(&o);
	assert_int_equal(o.counters.expired, 4);
	assert_int_equal(o.counters.expired_restored, 4);
	assert_int_equal(send_all(&o), 0);
	end(&o);
}

static void what_nobody_can_judge_yet_waits_with_all_behind_it(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	assert_int_equal(offer(&o, 2, LEN), 0);
	offer_many(&o, 3);
	poll_at(&o, 60);
	crash(&o);
	world.gate[2] = GATE_UNKNOWN;
	start(&o, 3000);
	offer_many(&o, 2);
	assert_int_equal(send_all(&o), 0);
	assert_int_equal(o.counters.spooled, 6);
	assert_false(outbox_waits(&o));
	assert_false(outbox_is_empty(&o));
	assert_in_range(outbox_due_ms(&o, world.now_ms), 1, 100);
	world.gate[2] = GATE_NAMED;
	poll_at(&o, 100);
	assert_true(outbox_waits(&o));
	assert_int_equal(send_all(&o), 6);
	end(&o);
}

static void an_order_that_ends_while_its_pdus_are_on_disk_ends_them(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 20);
	world.gate[1] = GATE_NOT_NAMED; // and nobody says so to the memory
	for (uint32_t i = 1; i <= 10; i++)
		world.pdus[i].ended_in_batch = true;
	assert_int_equal(send_all(&o), 10);
	assert_int_equal(o.counters.expired, 10);
	assert_int_equal(o.counters.expired_restored, 0);
	end(&o);
}

static void a_disk_that_cannot_be_read_keeps_what_is_there(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 20);
	disk.fail_read = -EIO;
	assert_int_equal(send_all(&o), 10);
	assert_int_equal(o.counters.spooled, 10);
	assert_non_null(strstr(outbox_spool_fault(&o), "cannot be read"));
	assert_in_range(outbox_due_ms(&o, world.now_ms), 1, 250);
	disk.fail_read = 0;
	poll_at(&o, 250);
	assert_string_equal(outbox_spool_fault(&o), "");
	assert_int_equal(send_all(&o), 10);
	end(&o);
}

static void a_record_that_does_not_open_is_lost_and_told(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 20);
	disk.records[14].damaged = disk.records[17].damaged = true;
	assert_int_equal(send_all(&o), 18);
	assert_int_equal(o.counters.lost_spool_damaged, 2);
	assert_int_equal(world.told_unknown, 2);
	end(&o);
}

static void a_full_disk_costs_the_oldest_that_is_not_on_it(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	disk.fail_append = -ENOSPC;
	offer_many(&o, 10);
	offer_many(&o, 2);
	assert_int_equal(o.counters.lost_queue_full, 2);
	assert_int_equal(world.pdus[1].fate, TOLD);
	assert_int_equal(world.pdus[2].fate, TOLD);
	assert_non_null(strstr(outbox_spool_fault(&o), "No space left"));
	disk.fail_append = 0;
	poll_at(&o, 250);
	assert_string_equal(outbox_spool_fault(&o), "");
	assert_int_equal(disk.count, 10);
	disk.fail_append = -ENOSPC;
	world.now_ms += 1;
	offer_many(&o, 1); // the older ones are safe: it is the new one
	assert_int_equal(world.pdus[13].fate, TOLD);
	disk.fail_append = 0;
	poll_at(&o, 250);
	offer_many(&o, 1);
	assert_int_equal(o.counters.spooled, 1);
	disk.fail_append = -ENOSPC;
	offer_many(&o, 1); // and nothing overtakes what is on disk
	assert_int_equal(world.pdus[15].fate, TOLD);
	assert_int_equal(send_all(&o), 11);
	assert_int_equal(o.counters.lost_queue_full, 4);
	end(&o);
}

static void without_keepalive_what_is_written_is_released(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 5);
	poll_at(&o, 60);
	write_batch(&o, false);
	assert_int_equal(disk.released, 6);
	assert_int_equal(outbox_safe_before(&o, world.now_ms), world.now_ms);
	poll_at(&o, 60);
	assert_int_equal(disk.released_flushed, 6);
	end(&o);
}

static void a_stop_leaves_on_disk_what_is_not_confirmed(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 12);
	write_batch(&o, true);
	assert_int_equal(o.counters.unconfirmed, 10);
	world.now_ms += 1;
	connection_ends(&o, true);
	stop(&o);
	start(&o, 3000);
	assert_int_equal(o.counters.restored, 12);
	assert_int_equal(send_all(&o), 12);
	offer_many(&o, 3);
	outbox_give_up(&o);
	assert_int_equal(o.counters.spooled, 3);
	assert_true(outbox_is_empty(&o));
	assert_int_equal(offer(&o, 1, LEN), 0);
	assert_int_equal(o.counters.lost_shutdown, 1);
	assert_true(delivery_law_holds(&o.counters));
	end(&o);
}

static void a_stop_with_a_disk_that_fails_loses_and_says_so(void **state)
{
	(void)state;
	static const int failing[][2] = {{-EIO, 0}, {0, -EIO}};
	for (size_t i = 0; i < 2; i++) {
		static struct outbox o;
		begin(&o, 10);
		offer_many(&o, 4);
		poll_at(&o, 60);
		offer_many(&o, 8); // the last two on disk alone, and not flushed
		disk.fail_append = failing[i][0];
		disk.fail_flush = failing[i][1];
		outbox_give_up(&o);
		assert_true(delivery_law_holds(&o.counters));
		assert_int_equal(o.counters.spooled, i == 0 ? 12 : 4);
		assert_int_equal(o.counters.lost_shutdown, i == 0 ? 0 : 8);
		assert_int_equal(world.told[LOSS_SHUTDOWN], o.counters.lost_shutdown);
		end(&o);
	}
}

static void a_spool_that_opens_late_takes_its_place_before_what_waits(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 3);
	poll_at(&o, 60);
	crash(&o);
	assert_int_equal(outbox_init(&o, &the_did, 6000, 1000, &hooks), 0);
	disk.fail_open = -EACCES;
	assert_int_equal(outbox_set_spool(&o, &settings), -EACCES);
	assert_string_equal(outbox_spool_fault(&o), "the spool cannot be opened: on purpose");
	poll_at(&o, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(offer(&o, 1, LEN), 0);
	assert_int_equal(make_batch(&o), 5);
	outbox_batch_written(&o, true); // these were first in the end
	for (int i = 0; i < 4; i++)
		assert_int_equal(offer(&o, 1, LEN), 0);
	disk.fail_open = 0;
	poll_at(&o, 9999);
	assert_null(o.backlog.spool);
	assert_int_equal(outbox_due_ms(&o, world.now_ms), 1);
	poll_at(&o, 1);
	assert_non_null(o.backlog.spool);
	assert_string_equal(outbox_spool_fault(&o), "");
	assert_int_equal(o.counters.restored, 3);
	assert_true(delivery_law_holds(&o.counters));
	assert_int_equal(make_batch(&o), 7);
	for (uint32_t i = 0; i < 3; i++) // the old ones, then what waited
		assert_int_equal(world.in_batch[i], i + 1);
	for (uint32_t i = 3; i < 7; i++)
		assert_int_equal(world.in_batch[i], i + 6);
	outbox_batch_written(&o, true);
	crash(&o); // the three and the four are on disk, the five were in memory alone
	start(&o, 3000);
	assert_int_equal(o.counters.restored, 7);
	end(&o);
}

static void a_destination_that_goes_takes_memory_and_disk_with_it(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	offer_many(&o, 5000);
	write_batch(&o, true);
	outbox_expire_all(&o);
	assert_true(delivery_law_holds(&o.counters));
	assert_int_equal(o.counters.expired, 4990);
	assert_int_equal(world.told[LOSS_ORDER_ENDED], 4990);
	assert_int_equal(world.told_unknown, 4990 - 4096); // the rest by number
	assert_int_equal(o.counters.unconfirmed, 10);
	confirm_written(&o);
	assert_true(outbox_is_empty(&o));
	crash(&o);
	start(&o, 3000);
	assert_int_equal(o.counters.restored, 0);
	end(&o);
}

static void a_smaller_queue_loses_nothing_with_a_spool(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 20);
	offer_many(&o, 18);
	assert_int_equal(outbox_resize(&o, 5 * queue_cost(LEN)), 0);
	expect_all_true(&o);
	offer_many(&o, 4);
	assert_int_equal(o.counters.spooled, 4);
	assert_int_equal(send_all(&o), 22);
	assert_int_equal(o.queue.size, 5 * queue_cost(LEN));
	end(&o);
}

static void what_a_smaller_queue_can_never_hold_is_lost_and_told(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 10);
	assert_int_equal(offer(&o, 1, 250), 0);
	offer_many(&o, 1);
	poll_at(&o, 60);
	crash(&o);
	start(&o, queue_cost(LEN) + 20);
	assert_int_equal(send_all(&o), 1);
	assert_int_equal(o.counters.lost_queue_full, 1);
	end(&o);
}

static void other_limits_do_not_open_the_spool_again(void **state)
{
	(void)state;
	static struct outbox o;
	struct spool_settings other = settings;
	begin(&o, 20);
	offer_many(&o, 25);
	other.max_octets = 5 << 20;
	other.segment_octets = SPOOL_MIN_SEGMENT;
	other.max_age_ms = 7000;
	assert_int_equal(outbox_set_spool(&o, &other), 0);
	assert_int_equal(disk.opened, 1);
	assert_int_equal(disk.limits.max_octets, 5 << 20);
	assert_int_equal(disk.limits.max_age_ms, 7000);
	assert_int_equal(outbox_set_spool(&o, &other), 0);
	expect_all_true(&o);
	assert_int_equal(send_all(&o), 25);
	end(&o);
}

static void a_spool_that_is_given_up_leaves_memory_alone(void **state)
{
	(void)state;
	static struct outbox o;
	begin(&o, 20);
	offer_many(&o, 25);
	assert_int_equal(outbox_set_spool(&o, NULL), 0);
	assert_int_equal(outbox_set_spool(&o, NULL), 0);
	assert_int_equal(o.counters.spooled, 5); // for another time
	assert_int_equal(outbox_spool_segments(&o) + outbox_spool_octets(&o), 0);
	assert_int_equal(send_all(&o), 20);
	assert_true(outbox_is_empty(&o));
	offer_many(&o, 2);
	assert_int_equal(outbox_set_spool(&o, &settings), 0);
	assert_int_equal(o.counters.restored, 5);
	assert_int_equal(o.counters.spooled, 10); // the same five again: they count as restored
	assert_true(delivery_law_holds(&o.counters));
	world.last_written = 0;
	poll_at(&o, 1);
	assert_int_equal(make_batch(&o), 7);
	assert_int_equal(world.in_batch[0], 21);
	assert_int_equal(world.in_batch[5], 26);
	end(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_in_silence_whatever_happens),
		cmocka_unit_test(what_is_confirmed_in_time_never_sees_the_disk),
		cmocka_unit_test(what_is_60_ms_old_is_on_disk_and_in_memory),
		cmocka_unit_test(what_has_given_way_on_disk_is_not_safe_in_memory),
		cmocka_unit_test(what_memory_does_not_hold_waits_on_disk_in_order),
		cmocka_unit_test(what_an_earlier_run_left_goes_first_if_it_is_still_ordered),
		cmocka_unit_test(a_task_that_ends_takes_what_was_read_from_disk_with_it),
		cmocka_unit_test(what_nobody_can_judge_yet_waits_with_all_behind_it),
		cmocka_unit_test(an_order_that_ends_while_its_pdus_are_on_disk_ends_them),
		cmocka_unit_test(a_disk_that_cannot_be_read_keeps_what_is_there),
		cmocka_unit_test(a_record_that_does_not_open_is_lost_and_told),
		cmocka_unit_test(a_full_disk_costs_the_oldest_that_is_not_on_it),
		cmocka_unit_test(without_keepalive_what_is_written_is_released),
		cmocka_unit_test(a_stop_leaves_on_disk_what_is_not_confirmed),
		cmocka_unit_test(a_stop_with_a_disk_that_fails_loses_and_says_so),
		cmocka_unit_test(a_spool_that_opens_late_takes_its_place_before_what_waits),
		cmocka_unit_test(a_destination_that_goes_takes_memory_and_disk_with_it),
		cmocka_unit_test(a_smaller_queue_loses_nothing_with_a_spool),
		cmocka_unit_test(what_a_smaller_queue_can_never_hold_is_lost_and_told),
		cmocka_unit_test(other_limits_do_not_open_the_spool_again),
		cmocka_unit_test(a_spool_that_is_given_up_leaves_memory_alone),
	};
	return cmocka_run_group_tests_name("outbox_spool", tests, NULL, NULL);
}
