#include "unit.h"

#include "mf_sequence.h"

static struct mf_verdict note(struct mf_sequences *s, uint64_t correlation, uint32_t sequence)
{
	struct mf_pdu pdu = {
		.correlation = correlation, .has_sequence = true, .sequence = sequence};
	pdu.octets = bytes_of(&pdu.sequence, sizeof pdu.sequence);
	return mf_sequences_note(s, &pdu);
}

static enum mf_order order(struct mf_sequences *s, uint64_t correlation, uint32_t sequence)
{
	return note(s, correlation, sequence).order;
}

static struct mf_sequences *fresh(size_t max)
{
	struct mf_sequences *s = mf_sequences_new(max);
	assert_non_null(s);
	return s;
}

static void numbers_one_after_the_other_are_well(void **state)
{
	(void)state;
	struct mf_sequences *s = fresh(10);
	assert_int_equal(order(s, 1, 0), MF_ORDER_FIRST);
	for (uint32_t i = 1; i < 100; i++)
		assert_int_equal(order(s, 1, i), MF_ORDER_NEXT);
	assert_int_equal(mf_sequences_missing(s), 0);
	assert_int_equal(mf_sequences_contexts(s), 1);
	mf_sequences_free(s);
}

static void gap_repeat_late_and_joined_are_told_apart(void **state)
{
	(void)state;
	struct mf_sequences *s = fresh(10);
	assert_int_equal(order(s, 1, 5), MF_ORDER_JOINED);
	assert_int_equal(mf_sequences_missing(s), 0); // before us, not lost
	assert_int_equal(order(s, 1, 5), MF_ORDER_REPEAT);
	struct mf_verdict v = note(s, 1, 10);
	assert_int_equal(v.order, MF_ORDER_GAP);
	assert_int_equal(v.expected, 6);
	assert_int_equal(v.missing, 4);
	assert_int_equal(mf_sequences_missing(s), 4);
	assert_int_equal(order(s, 1, 8), MF_ORDER_LATE);
	assert_int_equal(order(s, 1, 8), MF_ORDER_REPEAT);
	assert_int_equal(order(s, 1, 6), MF_ORDER_LATE);
	assert_int_equal(order(s, 1, 9), MF_ORDER_LATE);
	assert_int_equal(mf_sequences_missing(s), 1);
	assert_int_equal(order(s, 1, 7), MF_ORDER_LATE);
	assert_int_equal(mf_sequences_missing(s), 0);
	assert_int_equal(order(s, 1, 2), MF_ORDER_LATE); // from before we joined
	assert_int_equal(mf_sequences_missing(s), 0);
	assert_int_equal(order(s, 1, 2), MF_ORDER_REPEAT);
	assert_int_equal(order(s, 1, 11), MF_ORDER_NEXT);
	assert_int_equal(order(s, 1, 12u + INT32_MAX), MF_ORDER_GAP); // the furthest ahead
	assert_true(mf_sequences_missing(s) == INT32_MAX);
	assert_int_equal(order(s, 1, 12), MF_ORDER_LATE);
	mf_sequences_free(s);
}

static void zero_comes_after_the_last_number(void **state)
{
	(void)state;
	struct mf_sequences *s = fresh(10);
	assert_int_equal(order(s, 1, UINT32_MAX - 1), MF_ORDER_JOINED);
	assert_int_equal(order(s, 1, UINT32_MAX), MF_ORDER_NEXT);
	assert_int_equal(order(s, 1, 0), MF_ORDER_NEXT);
	struct mf_verdict v = note(s, 1, 2);
	assert_int_equal(v.order, MF_ORDER_GAP);
	assert_int_equal(v.missing, 1);
	mf_sequences_free(s);
}

static void a_number_used_for_other_octets_is_told(void **state)
{
	(void)state;
	struct mf_sequences *s = fresh(10);
	struct mf_pdu pdu = {.has_sequence = true, .octets = bytes_of_text("one")};
	assert_int_equal(mf_sequences_note(s, &pdu).order, MF_ORDER_FIRST);
	assert_int_equal(mf_sequences_note(s, &pdu).order, MF_ORDER_REPEAT);
	pdu.octets = bytes_of_text("two");
	assert_int_equal(mf_sequences_note(s, &pdu).order, MF_ORDER_REUSED);
	pdu.octets = bytes_of_text("one");
	assert_int_equal(mf_sequences_note(s, &pdu).order, MF_ORDER_REPEAT);
	mf_sequences_free(s);
}

static void every_part_of_the_context_counts_for_itself(void **state)
{
	(void)state;
	struct mf_sequences *s = fresh(10);
	struct bytes ab = bytes_of_text("ab"), a = bytes_of_text("a"), b = bytes_of_text("b");
	const struct mf_pdu contexts[] = {
		{.did = a, .nfid = b},
		{.did = b, .nfid = a},
		{.did = ab},
		{.nfid = ab},
		{.ipid = ab},
		{.correlation = 1},
		{.xid = {{1}}},
	};
	size_t count = sizeof contexts / sizeof *contexts;
	for (uint32_t sequence = 0; sequence < 3; sequence++)
		for (size_t i = 0; i < count; i++) {
			struct mf_pdu pdu = contexts[i];
			pdu.has_sequence = true;
			pdu.sequence = sequence;
			assert_int_equal(mf_sequences_note(s, &pdu).order,
				sequence ? MF_ORDER_NEXT : MF_ORDER_FIRST);
		}
	assert_int_equal(mf_sequences_contexts(s), count);
	mf_sequences_free(s);
}

static void the_table_grows_to_its_limit_and_keeps_what_it_has(void **state)
{
	(void)state;
	enum { CONTEXTS = 3000 };
	struct mf_sequences *s = fresh(CONTEXTS);
	for (uint32_t sequence = 0; sequence < 2; sequence++)
		for (uint64_t i = 0; i < CONTEXTS; i++)
			assert_int_equal(
				order(s, i, sequence), sequence ? MF_ORDER_NEXT : MF_ORDER_FIRST);
	assert_int_equal(order(s, CONTEXTS, 0), MF_ORDER_NONE);
	assert_int_equal(order(s, 7, 2), MF_ORDER_NEXT);
	assert_int_equal(mf_sequences_contexts(s), CONTEXTS);
	mf_sequences_free(s);
}

static void more_gaps_than_are_remembered_still_count(void **state)
{
	(void)state;
	struct mf_sequences *s = fresh(10);
	for (uint32_t i = 0; i <= 100; i += 2)
		order(s, 1, i);
	assert_int_equal(mf_sequences_missing(s), 50);
	assert_int_equal(order(s, 1, 99), MF_ORDER_LATE);
	assert_int_equal(order(s, 1, 1), MF_ORDER_REPEAT); // forgotten: it stays missing
	assert_int_equal(mf_sequences_missing(s), 49);
	mf_sequences_free(s);
}

static void a_pdu_without_a_number_has_no_place(void **state)
{
	(void)state;
	struct mf_sequences *s = fresh(10);
	struct mf_pdu pdu = {.correlation = 1};
	assert_int_equal(mf_sequences_note(s, &pdu).order, MF_ORDER_NONE);
	assert_int_equal(mf_sequences_contexts(s), 0);
	mf_sequences_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_one_after_the_other_are_well),
		cmocka_unit_test(gap_repeat_late_and_joined_are_told_apart),
		cmocka_unit_test(zero_comes_after_the_last_number),
		cmocka_unit_test(a_number_used_for_other_octets_is_told),
		cmocka_unit_test(every_part_of_the_context_counts_for_itself),
		cmocka_unit_test(the_table_grows_to_its_limit_and_keeps_what_it_has),
		cmocka_unit_test(more_gaps_than_are_remembered_still_count),
		cmocka_unit_test(a_pdu_without_a_number_has_no_place),
	};
	return cmocka_run_group_tests_name("mf_sequence", tests, NULL, NULL);
}
