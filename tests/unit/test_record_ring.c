#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "record_ring.h"

static void records_come_out_whole_and_in_order_across_many_wraps(void **state)
{
	(void)state;
	struct record_ring *ring = record_ring_new(4096);
	unsigned in = 0, out = 0;
	while (out < 20000) {
		size_t len = (in * 37u) % 900u;
		uint8_t *slot = record_ring_reserve(ring, len);
		if (slot) {
			memset(slot, (int)(in & 255), len);
			record_ring_commit(ring, len);
			in++;
			continue;
		}
		assert_true(record_ring_used(ring) > 4096 / 4);
		struct bytes record = record_ring_peek(ring);
		assert_non_null(record.at);
		assert_int_equal(record.len, (out * 37u) % 900u);
		for (size_t i = 0; i < record.len; i++)
			assert_int_equal(record.at[i], out & 255);
		record_ring_release(ring);
		out++;
	}
	record_ring_free(ring);
}

static void a_record_larger_than_half_the_ring_is_refused_and_a_short_commit_shrinks(void **state)
{
	(void)state;
	struct record_ring *ring = record_ring_new(1);
	assert_int_equal(record_ring_size(ring), 4096);
	assert_null(record_ring_reserve(ring, 2049));
	assert_non_null(record_ring_reserve(ring, 2000));
	record_ring_commit(ring, 3);
	assert_int_equal(record_ring_peek(ring).len, 3);
	record_ring_release(ring);
	assert_null(record_ring_peek(ring).at);
	record_ring_free(ring);
}

enum { THREAD_RECORDS = 200000 };

static void *write_many(void *argument)
{
	struct record_ring *ring = argument;
	for (uint32_t i = 0; i < THREAD_RECORDS;) {
		uint32_t *slot = record_ring_reserve(ring, 4 + i % 64);
		if (!slot) {
			sched_yield();
			continue;
		}
		*slot = i;
		record_ring_commit(ring, 4 + i % 64);
		i++;
	}
	return NULL;
}

static void a_writer_and_a_reader_thread_lose_nothing(void **state)
{
	(void)state;
	struct record_ring *ring = record_ring_new(8192);
	pthread_t writer;
	assert_int_equal(pthread_create(&writer, NULL, write_many, ring), 0);
	for (uint32_t i = 0; i < THREAD_RECORDS;) {
		struct bytes record = record_ring_peek(ring);
		if (!record.at) {
			sched_yield();
			continue;
		}
		uint32_t value;
		memcpy(&value, record.at, sizeof value);
		assert_int_equal(value, i);
		assert_int_equal(record.len, 4 + i % 64);
		record_ring_release(ring);
		i++;
	}
	pthread_join(writer, NULL);
	record_ring_free(ring);
}

static void what_is_released_wiped_is_gone_and_its_neighbour_stays(void **state)
{
	(void)state;
	struct record_ring *ring = record_ring_new(4096);
	for (unsigned round = 0; round < 100; round++) { // across the wrap as well
		for (unsigned i = 0; i < 2; i++) {
			memset(record_ring_reserve(ring, 600), 'a' + (int)i, 600);
			record_ring_commit(ring, 577 + round % 24);
		}
		struct bytes first = record_ring_peek(ring);
		record_ring_release_wiped(ring);
		for (size_t i = 0; i < first.len; i++)
			assert_int_equal(first.at[i], 0); // the writer has not come there again
		struct bytes second = record_ring_peek(ring);
		assert_int_equal(second.len, first.len);
		for (size_t i = 0; i < second.len; i++)
			assert_int_equal(second.at[i], 'b');
		record_ring_release_wiped(ring);
		assert_int_equal(record_ring_used(ring), 0);
	}
	record_ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_out_whole_and_in_order_across_many_wraps),
		cmocka_unit_test(
			a_record_larger_than_half_the_ring_is_refused_and_a_short_commit_shrinks),
		cmocka_unit_test(what_is_released_wiped_is_gone_and_its_neighbour_stays),
		cmocka_unit_test(a_writer_and_a_reader_thread_lose_nothing),
	};
	return cmocka_run_group_tests_name("record_ring", tests, NULL, NULL);
}
