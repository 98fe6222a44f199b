#include "unit.h"

#include "address.h"

static void both_families_survive_text_and_back(void **state)
{
	(void)state;
	struct address a;
	char text[ADDRESS_TEXT];
	assert_true(address_parse(bytes_of_text("192.0.2.10"), &a));
	assert_int_equal(a.family, 4);
	address_format(&a, text);
	assert_string_equal(text, "192.0.2.10");
	assert_true(address_parse(bytes_of_text("2001:DB8::1"), &a));
	assert_int_equal(a.family, 6);
	address_format(&a, text);
	assert_string_equal(text, "2001:db8::1");
	address_format_x1(&a, text);
	assert_string_equal(text, "2001:0db8:0000:0000:0000:0000:0000:0001");
}

static void what_is_no_address_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "192.0.2", "192.0.2.010", "192.0.2.256", "fe80::1%eth0", "[::1]", "1.2.3.4 "};
	struct address a;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(address_parse(bytes_of_text(bad[i]), &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_survive_text_and_back),
		cmocka_unit_test(what_is_no_address_is_refused),
	};
	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
