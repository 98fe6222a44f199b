#include "unit.h"

#include "utf8.h"

static size_t len_of(const char *text)
{
	size_t len = strlen(text);
	uint8_t *copy = exact_copy(text, len);
	size_t result = utf8_len(bytes_of(copy, len));
	free(copy);
	return result;
}

static void the_first_and_last_character_of_each_length_are_measured(void **state)
{
	(void)state;
	assert_int_equal(utf8_len(bytes_of("\0", 1)), 1);
	assert_int_equal(len_of("\x7f"), 1);
	assert_int_equal(len_of("\xc2\x80"), 2);
	assert_int_equal(len_of("\xdf\xbf more"), 2);
	assert_int_equal(len_of("\xe0\xa0\x80"), 3);
	assert_int_equal(len_of("\xed\x9f\xbf"), 3);
	assert_int_equal(len_of("\xee\x80\x80"), 3);
	assert_int_equal(len_of("\xef\xbf\xbf"), 3);
	assert_int_equal(len_of("\xf0\x90\x80\x80"), 4);
	assert_int_equal(len_of("\xf4\x8f\xbf\xbf"), 4);
}

static void what_is_no_character_measures_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc2",
		"\xc2\x7f", "\xc2\xc0", "\xe0\x9f\xbf", "\xe2\x82", "\xe2\x82\x41", "\xed\xa0\x80",
		"\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xff"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (len_of(bad[i]))
			fail_msg("sample %zu was taken for a character", i);
}

static void control_characters_are_c0_del_and_c1(void **state)
{
	(void)state;
	assert_true(utf8_is_control(bytes_of("\0", 1)));
	assert_true(utf8_is_control(bytes_of("\x1f", 1)));
	assert_true(utf8_is_control(bytes_of("\x7f", 1)));
	assert_true(utf8_is_control(bytes_of("\xc2\x80", 2)));
	assert_true(utf8_is_control(bytes_of("\xc2\x9f", 2)));
	assert_false(utf8_is_control(bytes_of(" ", 1)));
	assert_false(utf8_is_control(bytes_of("~", 1)));
	assert_false(utf8_is_control(bytes_of("\xc2\xa0", 2)));
	assert_false(utf8_is_control(bytes_of("\xc3\x80", 2)));
	assert_false(utf8_is_control(bytes_of("\xe2\x80\x80", 3)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_and_last_character_of_each_length_are_measured),
		cmocka_unit_test(what_is_no_character_measures_nothing),
		cmocka_unit_test(control_characters_are_c0_del_and_c1),
	};
	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
