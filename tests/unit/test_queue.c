#include "unit.h"

#include "queue.h"

static uint32_t seed = 1;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * limit >> 32);
}

static void fill(uint8_t *pdu, size_t len, uint64_t owner)
{
	for (size_t i = 0; i < len; i++)
		pdu[i] = (uint8_t)(owner * 7 + i);
}

static void expect_entry(const struct queue *q, const struct queue_entry *e, uint64_t owner)
{
	uint8_t want[512];
	uint8_t *got = malloc(e->len ? e->len : 1);
	assert_int_equal(e->owner, owner);
	assert_int_equal(e->xid.octets[0], (uint8_t)owner);
	assert_int_equal(e->correlation, owner + 1);
	assert_int_equal(e->index, owner + 2);
	assert_int_equal(e->offered_ms, owner + 3);
	assert_int_equal(e->sequence, owner + 4);
	fill(want, e->len, owner);
	queue_copy_pdu(q, e, got);
	assert_memory_equal(got, want, e->len);
	free(got);
}

static void push(struct queue *q, uint64_t owner, struct bytes pdu)
{
	struct queue_entry e = {.owner = owner,
		.xid = {{(uint8_t)owner}},
		.correlation = owner + 1,
		.index = owner + 2,
		.offered_ms = owner + 3,
		.sequence = (uint32_t)owner + 4};
	queue_push(q, &e, pdu);
}

// PDUs are numbered; the queue must hold exactly those from `oldest` to `end` of a plain array of lengths.
static void expect_all(const struct queue *q, const size_t *lens, uint64_t oldest, uint64_t end)
{
	struct queue_entry e;
	uint64_t at = q->oldest, number = oldest;
	size_t used = 0;
	for (; queue_entry_at(q, at, &e); at = e.after, number++) {
		assert_int_equal(e.len, lens[number]);
		expect_entry(q, &e, number);
		used += queue_cost(lens[number]);
	}
	assert_int_equal(number, end);
	assert_int_equal(queue_used(q), used);
}

static void pdus_of_any_size_come_out_whole_and_in_order_across_many_wraps(void **state)
{
	(void)state;
	enum { COUNT = 5000 };
	static size_t lens[COUNT];
	struct queue q;
	uint64_t oldest = 0, end = 0;
	assert_int_equal(queue_init(&q, 2000), 0);
	while (end < COUNT) {
		size_t len = 1 + random_below(400);
		uint8_t pdu[512];
		while (queue_cost(len) > q.size - queue_used(&q)) {
			queue_drop_oldest(&q);
			oldest++;
		}
		fill(pdu, len, end);
		uint8_t *exact = exact_copy(pdu, len);
		push(&q, end, bytes_of(exact, len));
		free(exact);
		lens[end++] = len;
		if (random_below(4) == 0 && oldest < end) {
			queue_drop_oldest(&q);
			oldest++;
		}
		if (random_below(50) == 0) { // another size, not too small
			struct queue other;
			size_t size = queue_used(&q) + 500 + random_below(2000);
			assert_int_equal(queue_init(&other, size), 0);
			queue_move(&q, &other);
			assert_int_equal(q.size, size);
		}
		expect_all(&q, lens, oldest, end);
	}
	queue_fini(&q);
}

static void next_stands_still_until_the_oldest_passes_it(void **state)
{
	(void)state;
	struct queue q;
	struct queue_entry e;
	assert_int_equal(queue_init(&q, 1000), 0);
	for (uint64_t i = 0; i < 3; i++)
		push(&q, i, bytes_of("abc", 3));
	assert_true(queue_entry_at(&q, q.next, &e));
	q.next = e.after;
	queue_drop_oldest(&q);
	assert_int_equal(q.next, q.oldest);
	queue_drop_oldest(&q);
	assert_int_equal(q.next, q.oldest);
	assert_true(queue_entry_at(&q, q.next, &e));
	assert_int_equal(e.owner, 2);
	queue_fini(&q);
}

static void flags_and_wiping_touch_one_pdu_only(void **state)
{
	(void)state;
	struct queue q;
	struct queue_entry e;
	uint8_t got[100];
	assert_int_equal(queue_init(&q, 3 * queue_cost(100) - 30), 0);
	uint8_t pdu[100];
	memset(pdu, 'x', sizeof pdu);
	for (uint64_t i = 0; i < 2; i++)
		push(&q, i, bytes_of(pdu, sizeof pdu));
	queue_drop_oldest(&q);
	push(&q, 2, bytes_of(pdu, sizeof pdu)); // goes around the end
	assert_true(queue_entry_at(&q, q.oldest, &e));
	assert_true(queue_entry_at(&q, e.after, &e));
	queue_wipe_pdu(&q, &e);
	queue_set_index(&q, &e, 77);
	queue_set_flags(&q, &e, QUEUE_GONE);
	assert_true(queue_entry_at(&q, q.oldest, &e));
	assert_int_equal(e.flags, 0);
	queue_copy_pdu(&q, &e, got);
	assert_memory_equal(got, pdu, sizeof pdu);
	assert_true(queue_entry_at(&q, e.after, &e));
	assert_int_equal(e.flags, QUEUE_GONE);
	assert_int_equal(e.index, 77);
	assert_int_equal(e.owner, 2);
	queue_copy_pdu(&q, &e, got);
	for (size_t i = 0; i < sizeof got; i++)
		assert_int_equal(got[i], 0);
	queue_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pdus_of_any_size_come_out_whole_and_in_order_across_many_wraps),
		cmocka_unit_test(next_stands_still_until_the_oldest_passes_it),
		cmocka_unit_test(flags_and_wiping_touch_one_pdu_only),
	};
	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
