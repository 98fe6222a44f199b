#include "unit.h"

#include "backoff.h"

static void waits_double_to_30_s_and_half_of_each_is_random(void **state)
{
	(void)state;
	static const uint32_t steps[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
	struct backoff b;
	backoff_init(&b, 42);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		assert_in_range(backoff_next_ms(&b), steps[i] / 2, steps[i]);
	backoff_reset(&b);
	assert_in_range(backoff_next_ms(&b), 250, 500);
}

static void two_seeds_do_not_keep_step(void **state)
{
	(void)state;
	struct backoff a, b;
	unsigned equal = 0;
	backoff_init(&a, 1);
	backoff_init(&b, 2);
	for (int i = 0; i < 20; i++)
		equal += backoff_next_ms(&a) == backoff_next_ms(&b);
	assert_true(equal < 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_to_30_s_and_half_of_each_is_random),
		cmocka_unit_test(two_seeds_do_not_keep_step),
	};
	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
