#include "losses.h"

#include "unit.h"

static const struct uuid DID = {{1}}, OTHER_DID = {{2}}, XID = {{3}}, OTHER_XID = {{4}};

struct told {
	struct loss_range list[4096];
	size_t count;
};

static void note(void *context, const struct loss_range *range)
{
	struct told *told = context;
	assert_true(told->count < 4096);
	told->list[told->count++] = *range;
}

static struct losses *fresh(struct told *told)
{
	struct losses *l = malloc(sizeof *l);
	assert_non_null(l);
	told->count = 0;
	losses_init(l, note, told);
	return l;
}

static uint64_t sum(const struct told *told)
{
	uint64_t total = 0;
	for (size_t i = 0; i < told->count; i++)
		total += told->list[i].count;
	return total;
}

static void neighbours_become_one_range(void **state)
{
	(void)state;
	static struct told told;
	struct losses *l = fresh(&told);
	for (uint32_t i = 5; i < 25; i++)
		losses_add(l, &DID, LOSS_QUEUE_FULL, &XID, 77, i, 1);
	assert_int_equal(told.count, 0);
	losses_tell(l);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.list[0].first, 5);
	assert_int_equal(told.list[0].last, 24);
	assert_int_equal(told.list[0].count, 20);
	assert_true(uuid_equal(&told.list[0].xid, &XID));
	losses_tell(l);
	assert_int_equal(told.count, 1); // once
	assert_int_equal(l->total, 20);
	free(l);
}

static void a_gap_another_context_destination_or_reason_is_another_range(void **state)
{
	(void)state;
	static struct told told;
	struct losses *l = fresh(&told);
	losses_add(l, &DID, LOSS_QUEUE_FULL, &XID, 77, 1, 1);
	losses_add(l, &DID, LOSS_QUEUE_FULL, &XID, 77, 3, 1);
	losses_add(l, &DID, LOSS_QUEUE_FULL, &XID, 78, 4, 1);
	losses_add(l, &DID, LOSS_QUEUE_FULL, &OTHER_XID, 77, 4, 1);
	losses_add(l, &OTHER_DID, LOSS_QUEUE_FULL, &XID, 77, 4, 1);
	losses_add(l, &DID, LOSS_SHUTDOWN, &XID, 77, 4, 1);
	losses_tell(l);
	assert_int_equal(told.count, 6);
	assert_int_equal(sum(&told), 6);
	free(l);
}

static void what_is_not_known_one_by_one_is_a_count(void **state)
{
	(void)state;
	static struct told told;
	struct losses *l = fresh(&told);
	losses_add(l, &DID, LOSS_SPOOL_DAMAGED, NULL, 0, 0, 41);
	losses_tell(l);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.list[0].count, 41);
	free(l);
}

static void what_expired_by_order_or_may_have_arrived_is_no_loss(void **state)
{
	(void)state;
	static struct told told;
	struct losses *l = fresh(&told);
	losses_add(l, &DID, LOSS_ORDER_ENDED, &XID, 1, 1, 1);
	losses_add(l, &DID, LOSS_UNCONFIRMED, &XID, 1, 2, 1);
	losses_tell(l);
	assert_int_equal(told.count, 2);
	assert_int_equal(l->total, 0);
	free(l);
}

static void a_flood_of_contexts_is_told_in_few_lines_and_counted_to_the_last(void **state)
{
	(void)state;
	static struct told told;
	struct losses *l = fresh(&told);
	for (uint64_t i = 0; i < 100000; i++)
		losses_add(l, &DID, LOSS_QUEUE_FULL, &XID, i, 0, 1);
	losses_tell(l);
	assert_true(told.count <= LOSSES_LINES + LOSS_REASONS);
	assert_int_equal(sum(&told), 100000);
	// The next second has its lines again.
	told.count = 0;
	losses_add(l, &DID, LOSS_QUEUE_FULL, &XID, 1, 9, 1);
	losses_tell(l);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.list[0].first, 9);
	free(l);
}

static void every_reason_has_a_name(void **state)
{
	(void)state;
	for (unsigned why = 0; why < LOSS_REASONS; why++)
		assert_non_null(loss_name(why));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_name),
		cmocka_unit_test(neighbours_become_one_range),
		cmocka_unit_test(a_gap_another_context_destination_or_reason_is_another_range),
		cmocka_unit_test(what_is_not_known_one_by_one_is_a_count),
		cmocka_unit_test(what_expired_by_order_or_may_have_arrived_is_no_loss),
		cmocka_unit_test(a_flood_of_contexts_is_told_in_few_lines_and_counted_to_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
