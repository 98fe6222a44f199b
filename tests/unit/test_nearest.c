#include "unit.h"

#include "nearest.h"

static const char *nearest_of(const char *name)
{
	static const char *const known[] = {"workers", "sipUri", "telUri", "udpPort", "targets"};
	struct nearest n = nearest_to(name);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		nearest_try(&n, known[i]);
	return n.found;
}

static void a_slip_finds_what_was_meant(void **state)
{
	(void)state;
	assert_string_equal(nearest_of("worker"), "workers");
	assert_string_equal(nearest_of("SIPURL"), "sipUri");
	assert_string_equal(nearest_of("tleUri"), "telUri");
	assert_string_equal(nearest_of("target"), "targets");
}

static void what_is_like_nothing_finds_nothing(void **state)
{
	(void)state;
	assert_null(nearest_of("zzzzzzz"));
	assert_null(nearest_of("workersworkersworkersworkersworkersworkers"));
	assert_null(nearest_of(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_finds_what_was_meant),
		cmocka_unit_test(what_is_like_nothing_finds_nothing),
	};
	return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
