#include "unit.h"

#include "json_escape.h"

static void escapes_to(const char *text, size_t octets, const char *wanted)
{
	char out[JSON_ESCAPED];
	size_t len = strlen(text);
	uint8_t *copy = exact_copy(text, len);
	assert_int_equal(json_escape(bytes_of(copy, len), out), octets);
	assert_string_equal(out, wanted);
	free(copy);
}

static void plain_characters_stand_as_they_are(void **state)
{
	(void)state;
	escapes_to("ab", 1, "a");
	escapes_to("/", 1, "/");
	escapes_to("\xc3\xa4", 2, "\xc3\xa4");
	escapes_to("\xe2\x82\xac", 3, "\xe2\x82\xac");
	escapes_to("\xf0\x9f\x93\x9e", 4, "\xf0\x9f\x93\x9e");
}

static void quotes_and_what_steers_a_terminal_are_escaped(void **state)
{
	(void)state;
	escapes_to("\"", 1, "\\\"");
	escapes_to("\\", 1, "\\\\");
	escapes_to("\n", 1, "\\u000a");
	escapes_to("\x1b", 1, "\\u001b");
	escapes_to("\x7f", 1, "\\u007f");
	escapes_to("\xc2\x9b", 2, "\\u009b");
	escapes_to("\xc2\xa0", 2, "\xc2\xa0");
}

static void an_octet_that_is_no_utf8_becomes_the_replacement_character(void **state)
{
	(void)state;
	escapes_to("\xff", 1, "\\ufffd");
	escapes_to("\xc3", 1, "\\ufffd");
	escapes_to("\xe2\x82", 1, "\\ufffd");
	escapes_to("\xed\xa0\x80", 1, "\\ufffd");
	escapes_to("\xc0\xaf", 1, "\\ufffd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_characters_stand_as_they_are),
		cmocka_unit_test(quotes_and_what_steers_a_terminal_are_escaped),
		cmocka_unit_test(an_octet_that_is_no_utf8_becomes_the_replacement_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
