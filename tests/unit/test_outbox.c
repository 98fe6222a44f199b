#include "unit.h"

#include <errno.h>

#include "outbox.h"

// ---- an obvious model: every PDU there ever was, with its fate

enum fate {
	QUEUED,
	IN_BATCH,         // being written for the first time
	IN_BATCH_EVICTED, // and its place in the queue is gone
	KEPT,             // written, may be confirmed
	FORGOTTEN,        // written, unconfirmed for ever
	CONFIRMED,
	LOST,
	EXPIRED,
};

enum { MAX_PDUS = 20000, MAX_LEN = 300 };

struct model_pdu {
	enum fate fate;
	bool ended; // its task, while it was in a batch
	uint32_t len, owner;
};

struct model {
	struct model_pdu pdus[MAX_PDUS];
	size_t count, oldest, next; // the first that takes room, the first to be written
	size_t size, batch_end;     // batch_end 0: no batch
	uint64_t repeated, batch_repeated;
};

static struct model model;

static uint32_t seed = 7;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * limit >> 32);
}

static void pdu_write(uint8_t *to, size_t number, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(number * 31 + i);
}

static size_t model_used(void)
{
	size_t used = 0;
	for (size_t i = model.oldest; i < model.count; i++)
		used += queue_cost(model.pdus[i].len);
	return used;
}

static void model_move_oldest(size_t to)
{
	model.oldest = to;
	if (model.next < to)
		model.next = to;
}

static void model_pass_expired(void)
{
	while (!model.batch_end && model.next < model.count &&
		model.pdus[model.next].fate == EXPIRED)
		model.next++;
	while (model.oldest < model.count && model.pdus[model.oldest].fate == EXPIRED)
		model_move_oldest(model.oldest + 1);
}

static void model_evict(void)
{
	struct model_pdu *p = &model.pdus[model.oldest];
	if (p->fate == IN_BATCH)
		p->fate = IN_BATCH_EVICTED;
	else if (p->fate == QUEUED)
		p->fate = LOST;
	else if (p->fate == KEPT)
		p->fate = FORGOTTEN;
	model_move_oldest(model.oldest + 1);
	model_pass_expired();
}

static void model_offer(uint32_t owner, uint32_t len)
{
	while (model_used() + queue_cost(len) > model.size)
		model_evict();
	model.pdus[model.count++] = (struct model_pdu){QUEUED, false, len, owner};
}

static void model_batch_failed(void)
{
	for (size_t i = 0; i < model.batch_end; i++) {
		struct model_pdu *p = &model.pdus[i];
		if (p->fate == IN_BATCH_EVICTED)
			p->fate = LOST;
		else if (p->fate == IN_BATCH)
			p->fate = p->ended ? EXPIRED : QUEUED;
	}
	model.batch_end = 0;
}

static void model_forget(void)
{
	for (size_t i = model.oldest; i < model.next; i++)
		if (model.pdus[i].fate == KEPT)
			model.pdus[i].fate = FORGOTTEN;
	model.oldest = model.next;
}

static void model_batch_written(bool keep)
{
	for (size_t i = 0; i < model.batch_end; i++) {
		struct model_pdu *p = &model.pdus[i];
		if (p->fate == IN_BATCH)
			p->fate = KEPT;
		else if (p->fate == IN_BATCH_EVICTED)
			p->fate = FORGOTTEN;
	}
	if (model.next < model.batch_end)
		model.next = model.batch_end;
	model.repeated += model.batch_repeated;
	model.batch_end = 0;
	if (!keep)
		model_forget();
	model_pass_expired();
}

static void model_expire(uint32_t owner)
{
	for (size_t i = model.next; i < model.count; i++) {
		struct model_pdu *p = &model.pdus[i];
		if (p->owner == owner && p->fate == IN_BATCH)
			p->ended = true;
		else if (p->owner == owner && p->fate == QUEUED)
			p->fate = EXPIRED;
	}
	model_pass_expired();
}

static uint64_t model_sum(enum fate a, enum fate b)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < model.count; i++)
		sum += model.pdus[i].fate == a || model.pdus[i].fate == b;
	return sum;
}

static void expect_same(const struct outbox *o)
{
	const struct delivery_counters *c = &o->counters;
	assert_true(delivery_law_holds(c));
	assert_int_equal(c->offered, model.count);
	assert_int_equal(c->confirmed, model_sum(CONFIRMED, CONFIRMED));
	assert_int_equal(c->unconfirmed, model_sum(KEPT, FORGOTTEN));
	assert_int_equal(c->queued,
		model_sum(QUEUED, IN_BATCH) + model_sum(IN_BATCH_EVICTED, IN_BATCH_EVICTED));
	assert_int_equal(c->lost_queue_full, model_sum(LOST, LOST));
	assert_int_equal(c->expired, model_sum(EXPIRED, EXPIRED));
	assert_int_equal(c->repeated, model.repeated);
	assert_int_equal(queue_used(&o->queue), model_used());
}

// The octets of the next batch, by the model.
static size_t model_batch(uint8_t *to, size_t max_write)
{
	size_t len = 0, i = model.next;
	model.batch_repeated = 0;
	for (; i < model.count; i++) {
		struct model_pdu *p = &model.pdus[i];
		if (p->fate == EXPIRED)
			continue;
		if (len && len + p->len > max_write)
			break;
		pdu_write(to + len, i, p->len);
		len += p->len;
		if (p->fate == KEPT)
			model.batch_repeated++;
		else
			p->fate = IN_BATCH;
	}
	model.batch_end = len ? i : 0;
	return len;
}

static void expect_batch(struct outbox *o, size_t max_write)
{
	static uint8_t want[MAX_LEN * 40], before[MAX_LEN * 40];
	static size_t len;
	if (!model.batch_end) {
		len = model_batch(want, max_write);
		memcpy(before, want, len);
	}
	struct bytes batch = outbox_batch(o, max_write);
	assert_int_equal(batch.len, model.batch_end ? len : 0);
	if (batch.len)
		assert_memory_equal(batch.at, before, len); // also when it is asked for again
}

static const struct uuid the_did = {{1}};

static int offer(struct outbox *o, uint64_t owner, struct bytes octets, uint64_t now_ms)
{
	struct delivery_pdu pdu = {.owner = owner, .octets = octets};
	return outbox_offer(o, &pdu, now_ms);
}

static bool is_owner(const void *context, uint64_t owner)
{
	return *(const uint64_t *)context == owner;
}

static void expire(struct outbox *o, uint64_t owner)
{
	outbox_expire_if(o, is_owner, &owner);
}

static void do_something(struct outbox *o, uint64_t *mark, size_t *model_mark)
{
	uint8_t pdu[MAX_LEN];
	uint32_t owner = random_below(5), len = 1 + random_below(MAX_LEN - 1);
	switch (random_below(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
		pdu_write(pdu, model.count, len);
		assert_int_equal(offer(o, owner, bytes_of(pdu, len), 0), 0);
		model_offer(owner, len);
		break;
	case 5:
	case 6:
		expect_batch(o, 1000);
		break;
	case 7:
	case 8:
		if (!model.batch_end)
			break;
		outbox_batch_written(o, true);
		model_batch_written(true);
		break;
	case 9:
		outbox_confirm(o, *mark);
		for (size_t i = model.oldest; i < *model_mark && i < model.next; i++) {
			if (model.pdus[i].fate == KEPT)
				model.pdus[i].fate = CONFIRMED;
			model.oldest = i + 1;
		}
		model_pass_expired();
		*mark = outbox_position(o);
		*model_mark = model.next;
		break;
	case 10:
		expire(o, owner);
		model_expire(owner);
		break;
	default:
		if (random_below(4) > 0)
			break;
		bool again = random_below(2);
		outbox_restart(o, again);
		model_batch_failed();
		if (again)
			model.next = model.oldest;
		else
			model_forget();
		model_pass_expired();
		*mark = outbox_position(o);
		*model_mark = model.next;
	}
}

static void the_law_holds_whatever_happens_and_every_pdu_has_its_fate(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 8; round++) {
		struct outbox o;
		uint64_t mark = 0;
		size_t model_mark = 0;
		memset(&model, 0, sizeof model);
		model.size = 700 + random_below(6000);
		assert_int_equal(outbox_init(&o, &the_did, model.size, 1000, NULL), 0);
		for (int i = 0; i < 2500; i++) {
			do_something(&o, &mark, &model_mark);
			expect_same(&o);
			if (random_below(200) == 0) {
				model.size = 700 + random_below(6000);
				while (model_used() > model.size)
					model_evict();
				assert_int_equal(outbox_resize(&o, model.size), 0);
				expect_same(&o);
			}
		}
		outbox_give_up(&o);
		assert_true(delivery_law_holds(&o.counters));
		assert_int_equal(o.counters.queued, 0);
		assert_true(outbox_is_empty(&o));
		outbox_fini(&o);
	}
}

static void offer_text(struct outbox *o, uint64_t owner, const char *text)
{
	assert_int_equal(offer(o, owner, bytes_of_text(text), 0), 0);
}

static void expect_text(struct outbox *o, size_t max_write, const char *text)
{
	assert_true(bytes_equal(outbox_batch(o, max_write), bytes_of_text(text)));
}

static void a_batch_holds_whole_pdus_and_a_large_one_goes_alone(void **state)
{
	(void)state;
	struct outbox o;
	assert_int_equal(outbox_init(&o, &the_did, 1000, 8, NULL), 0);
	offer_text(&o, 1, "aaa");
	offer_text(&o, 1, "bbb");
	offer_text(&o, 1, "cc");
	offer_text(&o, 1, "d");
	offer_text(&o, 1, "a large one");
	offer_text(&o, 1, "e");
	expect_text(&o, 8, "aaabbbcc");
	outbox_batch_written(&o, true);
	expect_text(&o, 8, "d");
	outbox_batch_written(&o, true);
	expect_text(&o, 8, "a large one");
	outbox_batch_written(&o, true);
	expect_text(&o, 8, "e");
	outbox_batch_written(&o, true);
	assert_true(outbox_all_written(&o));
	assert_int_equal(o.counters.writes, 4);
	assert_int_equal(o.counters.written_octets, 21);
	outbox_fini(&o);
}

static void what_can_never_fit_is_refused_and_not_offered(void **state)
{
	(void)state;
	struct outbox o;
	uint8_t pdu[200] = {0};
	assert_int_equal(outbox_init(&o, &the_did, queue_cost(100), 50, NULL), 0);
	assert_int_equal(offer(&o, 1, bytes_of(pdu, 101), 0), -EMSGSIZE);
	assert_int_equal(offer(&o, 1, bytes_of(pdu, 0), 0), -EMSGSIZE);
	assert_int_equal(o.counters.offered, 0);
	assert_int_equal(offer(&o, 1, bytes_of(pdu, 100), 0), 0);
	assert_int_equal(outbox_batch(&o, 50).len, 100);
	outbox_fini(&o);
}

static void what_ends_while_it_is_written_expires_only_if_that_fails(void **state)
{
	(void)state;
	struct outbox o;
	assert_int_equal(outbox_init(&o, &the_did, 1000, 100, NULL), 0);
	offer_text(&o, 1, "mine");
	offer_text(&o, 2, "yours");
	expect_text(&o, 100, "mineyours");
	expire(&o, 1);
	assert_int_equal(o.counters.expired, 0);
	outbox_restart(&o, true);
	assert_int_equal(o.counters.expired, 1);
	expect_text(&o, 100, "yours");
	expire(&o, 2);
	outbox_batch_written(&o, true);
	assert_int_equal(o.counters.unconfirmed, 1);
	expire(&o, 2); // written before: not to be taken back
	assert_int_equal(o.counters.expired, 1);
	outbox_fini(&o);
}

static void what_comes_after_the_end_is_lost_and_counted(void **state)
{
	(void)state;
	struct outbox o;
	assert_int_equal(outbox_init(&o, &the_did, 1000, 100, NULL), 0);
	offer_text(&o, 1, "one");
	outbox_give_up(&o);
	offer_text(&o, 1, "two");
	assert_int_equal(o.counters.lost_shutdown, 2);
	assert_true(delivery_law_holds(&o.counters));
	outbox_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_law_holds_whatever_happens_and_every_pdu_has_its_fate),
		cmocka_unit_test(a_batch_holds_whole_pdus_and_a_large_one_goes_alone),
		cmocka_unit_test(what_can_never_fit_is_refused_and_not_offered),
		cmocka_unit_test(what_ends_while_it_is_written_expires_only_if_that_fails),
		cmocka_unit_test(what_comes_after_the_end_is_lost_and_counted),
	};
	return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
