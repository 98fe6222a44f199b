#include "unit.h"

#include "sequence.h"

static const struct hash_key KEY = {3, 4};
static const struct uuid FIRST = {{1}}, SECOND = {{2}};

static void numbers_count_from_zero_in_each_context_apart(void **state)
{
	(void)state;
	struct sequences *s = sequences_new(8, &KEY);
	assert_non_null(s);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(sequence_next(s, &FIRST, 0, 77).number, i);
		assert_int_equal(sequence_next(s, &SECOND, 0, 77).number, i);
		assert_int_equal(sequence_next(s, &FIRST, 1, 77).number, i);
		assert_int_equal(sequence_next(s, &FIRST, 0, 78).number, i);
	}
	assert_int_equal(sequence_next(s, &FIRST, 0, 77).correlation, 77);
	assert_int_equal(sequences_given_up(s), 0);
	sequences_free(s);
}

static void a_context_that_was_given_up_comes_back_under_another_correlation_id(void **state)
{
	(void)state;
	struct sequences *s = sequences_new(2, &KEY);
	assert_non_null(s);
	assert_int_equal(sequence_next(s, &FIRST, 0, 1).correlation, 1);
	assert_int_equal(sequence_next(s, &FIRST, 0, 2).correlation, 2);
	sequence_next(s, &FIRST, 0, 1); // 2 is now the least recently used

	uint64_t third = sequence_next(s, &FIRST, 0, 3).correlation;
	assert_int_equal(sequences_given_up(s), 1);
	assert_int_equal(sequence_next(s, &FIRST, 0, 1).correlation, 1); // kept: not salted
	assert_int_not_equal(third, 3);

	struct sequence back = sequence_next(s, &FIRST, 0, 2); // third gives way
	assert_int_equal(back.number, 0);
	assert_int_not_equal(back.correlation, 2);
	assert_int_not_equal(back.correlation, 0);
	struct sequence again = sequence_next(s, &FIRST, 0, 2);
	assert_int_equal(again.number, 1);
	assert_int_equal(again.correlation, back.correlation);
	sequences_free(s);
}

// The law that matters: no pair of number and correlation id is ever given twice in one (XID, point).
static void no_number_is_repeated_however_small_the_table(void **state)
{
	(void)state;
	enum { ROUNDS = 2000 };
	static struct sequence given[ROUNDS];
	struct sequences *s = sequences_new(3, &KEY);
	assert_non_null(s);
	uint64_t random = 1;
	for (unsigned i = 0; i < ROUNDS; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		given[i] = sequence_next(s, &FIRST, 0, 1 + (random >> 33) % 7);
		for (unsigned j = 0; j < i; j++)
			assert_false(given[j].number == given[i].number &&
				     given[j].correlation == given[i].correlation);
	}
	assert_true(sequences_given_up(s) > 0);
	sequences_free(s);
}

static void a_correlation_of_zero_is_not_sent(void **state)
{
	(void)state;
	struct sequences *s = sequences_new(3, &KEY);
	assert_non_null(s);
	assert_int_equal(sequence_next(s, &FIRST, 0, 0).correlation, 1);
	sequences_free(s);
	sequences_free(NULL);
	assert_null(sequences_new(0, &KEY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_count_from_zero_in_each_context_apart),
		cmocka_unit_test(
			a_context_that_was_given_up_comes_back_under_another_correlation_id),
		cmocka_unit_test(no_number_is_repeated_however_small_the_table),
		cmocka_unit_test(a_correlation_of_zero_is_not_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
