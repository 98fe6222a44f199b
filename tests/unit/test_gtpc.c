#include "gtpc.h"

#include "gtp_hex.h"

static void digits_are(const char *hex, const char *expected)
{
	struct hex h = hex_of(hex);
	uint8_t *exact = exact_copy(h.octets, h.len);
	struct gtpc_digits d;
	bool read = gtpc_digits_read(bytes_of(exact, h.len), &d);
	free(exact);
	assert_int_equal(read, expected != NULL);
	if (!expected)
		return;
	assert_int_equal(d.len, strlen(expected));
	assert_memory_equal(d.digits, expected, d.len);
}

static void digits_end_at_the_first_filler(void **state)
{
	(void)state;
	digits_are("00010121436587f9", "001010123456789");
	digits_are("5384630000001032", "3548360000000123");
	digits_are("21f3", "123");
	digits_are("21f3ffff", "123");
	digits_are("ffffffffffffffff", "");
	digits_are("", "");
	digits_are("90", "09");
}

static void what_is_no_digit_is_refused(void **state)
{
	(void)state;
	digits_are("0a", NULL);
	digits_are("a0", NULL);
	digits_are("e1", NULL);
	digits_are("1f", NULL); // a filler before a digit
	digits_are("21ff43", NULL);
	digits_are("010000000000000000", NULL); // 18 digits
	digits_are("0000000000000000ff", "0000000000000000");
}

static void an_address_of_zeros_is_none(void **state)
{
	(void)state;
	struct hex h = hex_of("cb007105 00000000 20010db8000000000000000000000001"
			      "00000000000000000000000000000000 c0");
	struct reader r = reader_of(hex_bytes(&h));
	struct address a;
	char text[ADDRESS_TEXT];
	gtpc_address_read(&r, 4, &a);
	address_format(&a, text);
	assert_string_equal(text, "203.0.113.5");
	gtpc_address_read(&r, 4, &a);
	assert_int_equal(a.family, 0);
	gtpc_address_read(&r, 6, &a);
	address_format(&a, text);
	assert_string_equal(text, "2001:db8::1");
	gtpc_address_read(&r, 6, &a);
	assert_int_equal(a.family, 0);
	assert_false(r.overrun);
	gtpc_address_read(&r, 4, &a);
	assert_int_equal(a.family, 0);
	assert_true(r.overrun);
}

static void the_first_octet_names_the_version(void **state)
{
	(void)state;
	assert_int_equal(gtpc_version(bytes_of("\x32", 1)), 1);
	assert_int_equal(gtpc_version(bytes_of("\x48", 1)), 2);
	assert_int_equal(gtpc_version(bytes_of("\x1e", 1)), 0);
	assert_int_equal(gtpc_version(bytes_of(NULL, 0)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_end_at_the_first_filler),
		cmocka_unit_test(what_is_no_digit_is_refused),
		cmocka_unit_test(an_address_of_zeros_is_none),
		cmocka_unit_test(the_first_octet_names_the_version),
	};
	return cmocka_run_group_tests_name("gtpc", tests, NULL, NULL);
}
