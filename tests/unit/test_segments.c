#include "segments.h"

#include <stdio.h>

#include "unit.h"

static const char DID[] = "19867c20-8c94-473e-b9bd-8b72b7b05fd4";

struct told {
	uint64_t numbers[64];
	size_t count;
};

static void note(void *context, const struct uuid *destination, uint64_t number)
{
	struct told *told = context;
	(void)destination;
	told->numbers[told->count++] = number;
}

static void read_line(struct segments *s, const char *what, const char *did, unsigned number)
{
	char line[256];
	int len = snprintf(line, sizeof line,
		"{\"seq\":7,\"time\":\"2026-11-25T00:00:00.000000000Z\",\"event\":\"spool-segment\",\"what\":\"%s\","
		"\"did\":\"%s\",\"segment\":%u,\"records\":3,\"prev\":\"00\"}",
		what, did, number);
	segments_read(s, bytes_of(line, (size_t)len));
}

static struct uuid did_of(const char *text)
{
	struct uuid uuid;
	assert_true(uuid_parse(bytes_of_text(text), &uuid));
	return uuid;
}

static void what_was_found_or_opened_and_not_erased_must_be_there(void **state)
{
	(void)state;
	struct told told = {.count = 0};
	struct uuid did = did_of(DID);
	struct segments *s = segments_new();
	read_line(s, "found", DID, 1);
	read_line(s, "found", DID, 2);
	read_line(s, "opened", DID, 3);
	read_line(s, "erased", DID, 1);
	read_line(s, "opened", DID, 4);
	segments_note(s, &did, SPOOL_SEGMENT_FOUND, 2);
	segments_note(s, &did, SPOOL_SEGMENT_FOUND, 4);
	segments_missing(s, &did, note, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.numbers[0], 3);
	segments_missing(s, &did, note, &told);
	assert_int_equal(told.count, 1); // once
	segments_free(s);
}

static void destinations_are_apart_and_what_was_left_is_still_expected(void **state)
{
	(void)state;
	static const char other[] = "7c1f0000-8c94-473e-b9bd-8b72b7b05fd4";
	struct told told = {.count = 0};
	struct uuid did = did_of(DID), second = did_of(other);
	struct segments *s = segments_new();
	read_line(s, "left", DID, 5);
	read_line(s, "opened", other, 5);
	segments_note(s, &second, SPOOL_SEGMENT_FOUND, 5);
	segments_missing(s, &second, note, &told);
	assert_int_equal(told.count, 0);
	segments_missing(s, &did, note, &told);
	assert_int_equal(told.count, 1);
	segments_free(s);
}

static void a_segment_that_is_erased_while_its_spool_opens_is_not_missing(void **state)
{
	(void)state;
	struct told told = {.count = 0}, all = {.count = 0};
	struct uuid did = did_of(DID);
	struct segments *s = segments_new();
	read_line(s, "opened", DID, 1);
	read_line(s, "opened", DID, 2);
	segments_note(s, &did, SPOOL_SEGMENT_ERASED, 1);
	segments_note(s, &did, SPOOL_SEGMENT_OPENED,
		2); // never a number again: it must be another spool's
	segments_each(s, note, &all);
	assert_int_equal(all.count, 1);
	segments_missing(s, &did, note, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.numbers[0], 2);
	segments_free(s);
}

static void members_may_stand_in_any_order_and_with_spaces(void **state)
{
	(void)state;
	struct told told = {.count = 0};
	struct segments *s = segments_new();
	segments_read(s, bytes_of_text("{ \"segment\": 9, \"note\": \"\\\"segment\\\":8, }\", "
				       "\"did\": \"19867c20-8c94-473e-b9bd-8b72b7b05fd4\", "
				       "\"what\": \"opened\", \"event\": \"spool-segment\" }"));
	segments_missing(s, NULL, note, &told);
	assert_int_equal(told.count, 1);
	assert_int_equal(told.numbers[0], 9);
	segments_free(s);
}

static void other_lines_are_passed_over(void **state)
{
	(void)state;
	static const char *const lines[] = {"", "{}", "{\"event\":\"start\"}",
		"{\"event\":\"spool-segment\"}", "{\"event\":\"spool-segment\",\"did\":\"x\"}",
		"{\"event\":\"spool-segment\",\"what\":\"opened\",\"did\":\"",
		"{\"event\":\"outage\",\"text\":\"spool-segment\",\"what\":\"opened\","
		"\"did\":\"19867c20-8c94-473e-b9bd-8b72b7b05fd4\",\"segment\":1}",
		"{\"event\":\"spool-segment\",\"what\":\"opened\","
		"\"did\":\"19867c20-8c94-473e-b9bd-8b72b7b05fd4\",\"segment\":\"1\"}"};
	struct told told = {.count = 0};
	struct segments *s = segments_new();
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		segments_read(s, bytes_of_text(lines[i]));
	segments_missing(s, NULL, note, &told);
	assert_int_equal(told.count, 0);
	segments_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_found_or_opened_and_not_erased_must_be_there),
		cmocka_unit_test(destinations_are_apart_and_what_was_left_is_still_expected),
		cmocka_unit_test(a_segment_that_is_erased_while_its_spool_opens_is_not_missing),
		cmocka_unit_test(members_may_stand_in_any_order_and_with_spaces),
		cmocka_unit_test(other_lines_are_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
