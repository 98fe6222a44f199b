#include "unit.h"

#include "duplicates.h"

enum { CAPACITY = 4 };
static const uint64_t SECOND = 1000000000, WINDOW = 32000000000;
static const struct hash_key KEY = {1, 2};

static struct digest sighting(const char *message, uint32_t slot, uint32_t generation)
{
	struct digest d = siphash128(&KEY, bytes_of_text(message));
	return duplicates_sighting(&KEY, &d, strlen(message), slot, generation);
}

static bool seen(struct duplicates *d, const char *message, uint64_t time_ns)
{
	struct digest s = sighting(message, 1, 1);
	bool held = duplicates_hold(d, &s, time_ns);
	duplicates_remember(d, &s, time_ns);
	return held;
}

static void a_second_sighting_is_a_duplicate_until_the_window_after_the_first_ends(void **state)
{
	(void)state;
	struct duplicates d;
	assert_int_equal(duplicates_init(&d, CAPACITY, WINDOW), 0);
	assert_false(seen(&d, "a", 100 * SECOND));
	assert_true(seen(&d, "a", 100 * SECOND));
	assert_true(seen(&d, "a", 120 * SECOND));
	assert_true(seen(&d, "a", 132 * SECOND));
	assert_false(seen(&d, "a", 132 * SECOND + 1)); // later sightings did not prolong the window
	assert_true(seen(&d, "a", 160 * SECOND));
	assert_false(seen(&d, "b", 160 * SECOND));
	duplicates_fini(&d);
}

static void what_is_asked_but_not_remembered_is_no_duplicate(void **state)
{
	(void)state;
	struct duplicates d;
	assert_int_equal(duplicates_init(&d, CAPACITY, WINDOW), 0);
	struct digest s = sighting("a", 1, 1);
	assert_false(duplicates_hold(&d, &s, 0));
	assert_false(duplicates_hold(&d, &s, 0));
	duplicates_fini(&d);
}

static void each_task_and_each_of_its_orders_has_its_own_window(void **state)
{
	(void)state;
	struct duplicates d;
	assert_int_equal(duplicates_init(&d, CAPACITY, WINDOW), 0);
	struct digest first = sighting("a", 1, 1);
	struct digest other_task = sighting("a", 2, 1);
	struct digest other_order = sighting("a", 1, 2);
	duplicates_remember(&d, &first, 0);
	assert_true(duplicates_hold(&d, &first, 0));
	assert_false(duplicates_hold(&d, &other_task, 0));
	assert_false(duplicates_hold(&d, &other_order, 0));
	duplicates_fini(&d);
}

static void the_oldest_gives_way_and_counts_only_while_its_window_is_open(void **state)
{
	(void)state;
	struct duplicates d;
	assert_int_equal(duplicates_init(&d, CAPACITY, WINDOW), 0);
	static const char *const messages[] = {"a", "b", "c", "d"};
	for (unsigned i = 0; i < CAPACITY; i++)
		assert_false(seen(&d, messages[i], SECOND));
	assert_true(seen(&d, "a", 2 * SECOND)); // asking again does not make it younger
	assert_int_equal(d.given_up, 0);
	assert_false(seen(&d, "e", 3 * SECOND));
	assert_int_equal(d.given_up, 1);
	assert_false(seen(&d, "a", 3 * SECOND)); // was the oldest; takes the place of b
	assert_int_equal(d.given_up, 2);
	assert_false(seen(&d, "f", 60 * SECOND));
	assert_int_equal(d.given_up, 2);
	duplicates_fini(&d);
}

static void time_that_jumps_back_makes_a_duplicate_only_within_the_window(void **state)
{
	(void)state;
	struct duplicates d;
	assert_int_equal(duplicates_init(&d, CAPACITY, WINDOW), 0);
	assert_false(seen(&d, "a", 100 * SECOND));
	assert_true(seen(&d, "a", 99 * SECOND));
	assert_false(seen(&d, "a", 10 * SECOND));
	assert_true(seen(&d, "a", 11 * SECOND));
	assert_false(seen(&d, "a", UINT64_MAX));
	assert_false(seen(&d, "a", 0));
	duplicates_fini(&d);
}

static void a_window_of_nothing_suppresses_nothing(void **state)
{
	(void)state;
	struct duplicates d;
	assert_int_equal(duplicates_init(&d, CAPACITY, 0), 0);
	assert_false(seen(&d, "a", SECOND));
	assert_false(seen(&d, "a", SECOND));
	duplicates_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_second_sighting_is_a_duplicate_until_the_window_after_the_first_ends),
		cmocka_unit_test(what_is_asked_but_not_remembered_is_no_duplicate),
		cmocka_unit_test(each_task_and_each_of_its_orders_has_its_own_window),
		cmocka_unit_test(the_oldest_gives_way_and_counts_only_while_its_window_is_open),
		cmocka_unit_test(time_that_jumps_back_makes_a_duplicate_only_within_the_window),
		cmocka_unit_test(a_window_of_nothing_suppresses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
