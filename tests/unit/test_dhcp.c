#include "dhcp_samples.h"

#include "dhcp.h"

static enum parse_result duid_of(const char *text, struct dhcp_duid *duid)
{
	static struct sample s; // what `duid` views
	s = sample_v6(text);
	memset(duid, 0xa5, sizeof *duid);
	return dhcp_duid_parse(sample_bytes(&s), duid);
}

static void a_duid_of_a_hardware_address_shows_it(void **state)
{
	(void)state;
	struct dhcp_duid duid;
	assert_int_equal(duid_of("0001 0001 2a2b2c2d 020000000a01", &duid), PARSE_OK);
	assert_int_equal(duid.type, DUID_LLT);
	assert_int_equal(duid.hardware_type, DHCP_HARDWARE_ETHERNET);
	assert_int_equal(duid.link_layer_address.len, 6);
	assert_memory_equal(duid.link_layer_address.at, "\2\0\0\0\x0a\1", 6);

	assert_int_equal(duid_of("0003 0020 0102030405060708", &duid), PARSE_OK); // InfiniBand
	assert_int_equal(duid.type, DUID_LL);
	assert_int_equal(duid.hardware_type, 32);
	assert_int_equal(duid.link_layer_address.len, 8);
	assert_memory_equal(duid.link_layer_address.at, "\1\2\3\4\5\6\7\x8", 8);
}

static void other_duids_show_none(void **state)
{
	(void)state;
	static const char *const texts[] = {"0002 00007ed9 010203",
		"0004 00112233445566778899aabbccddeeff", "0099 020000000a01", "0000 00"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct dhcp_duid duid;
		assert_int_equal(duid_of(texts[i], &duid), PARSE_OK);
		assert_int_equal(duid.hardware_type, 0);
		assert_int_equal(duid.link_layer_address.len, 0);
	}
}

static void a_duid_has_bounds(void **state)
{
	(void)state;
	struct dhcp_duid duid;
	static const char *const too_short[] = {
		"", "00", "0001", "0001 00", "0001 0001 2a2b2c", "0003 00", "0002"};
	for (size_t i = 0; i < sizeof too_short / sizeof too_short[0]; i++)
		assert_int_equal(duid_of(too_short[i], &duid), PARSE_TRUNCATED);

	uint8_t longest[DUID_MAX_LEN + 1] = {0, 2};
	assert_int_equal(dhcp_duid_parse(bytes_of(longest, DUID_MAX_LEN), &duid), PARSE_OK);
	assert_int_equal(
		dhcp_duid_parse(bytes_of(longest, DUID_MAX_LEN + 1), &duid), PARSE_MALFORMED);
}

static void parse_cut_duid(struct bytes prefix)
{
	struct dhcp_duid duid;
	enum parse_result result = dhcp_duid_parse(prefix, &duid);
	assert_int_equal(result, prefix.len < 8 ? PARSE_TRUNCATED : PARSE_OK);
	if (result == PARSE_OK)
		assert_int_equal(duid.link_layer_address.len, prefix.len - 8);
}

static void a_duid_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct sample s = sample_v6("0001 0001 2a2b2c2d 020000000a01");
	cut_at_every_length(sample_bytes(&s), parse_cut_duid);
}

static void sub_options_come_one_after_the_other(void **state)
{
	(void)state;
	struct sample s = {.len = 0};
	sample_read(&s, "<1 6774> <6> <2 010203>", 1);
	struct reader r = reader_of(sample_bytes(&s));
	uint8_t code;
	struct bytes value;
	assert_true(dhcp_sub_option_next(&r, &code, &value));
	assert_int_equal(code, 1);
	assert_true(bytes_equal(value, bytes_of("gt", 2)));
	assert_true(dhcp_sub_option_next(&r, &code, &value));
	assert_int_equal(code, 6);
	assert_int_equal(value.len, 0);
	assert_true(dhcp_sub_option_next(&r, &code, &value));
	assert_int_equal(code, 2);
	assert_true(bytes_equal(value, bytes_of("\1\2\3", 3)));
	assert_false(dhcp_sub_option_next(&r, &code, &value));
	assert_false(r.overrun);
}

static void walk_cut_sub_options(struct bytes prefix)
{
	struct reader r = reader_of(prefix);
	uint8_t code;
	struct bytes value;
	unsigned count = 0;
	while (dhcp_sub_option_next(&r, &code, &value))
		count++;
	assert_int_equal(count, (prefix.len >= 4) + (prefix.len == 9));
	assert_int_equal(r.overrun, prefix.len != 0 && prefix.len != 4 && prefix.len != 9);
}

static void sub_options_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct sample s = {.len = 0};
	sample_read(&s, "<1 6774> <2 010203>", 1);
	cut_at_every_length(sample_bytes(&s), walk_cut_sub_options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_duid_of_a_hardware_address_shows_it),
		cmocka_unit_test(other_duids_show_none),
		cmocka_unit_test(a_duid_has_bounds),
		cmocka_unit_test(a_duid_may_be_cut_anywhere),
		cmocka_unit_test(sub_options_come_one_after_the_other),
		cmocka_unit_test(sub_options_may_be_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
