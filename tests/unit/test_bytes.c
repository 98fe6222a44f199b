#include "unit.h"

static void a_reader_reads_big_endian_and_remembers_an_overrun(void **state)
{
	(void)state;
	uint8_t *block = exact_copy("\x01\x02\x03\x04\x05\x06\x07", 7);
	struct reader r = reader_of(bytes_of(block, 7));
	assert_int_equal(read_u8(&r), 1);
	assert_int_equal(read_be16(&r), 0x0203);
	assert_int_equal(read_be32(&r), 0x04050607);
	assert_false(r.overrun);
	assert_int_equal(read_u8(&r), 0);
	assert_true(r.overrun);
	assert_int_equal(read_be64(&r), 0);
	free(block);
}

static void a_writer_stops_at_its_capacity_and_says_so(void **state)
{
	(void)state;
	uint8_t *block = exact_copy("....", 4);
	struct writer w = writer_of(block, 4);
	write_be16(&w, 0x0102);
	write_format(&w, "%d", 7);
	assert_false(w.overflow);
	write_be16(&w, 0xffff);
	assert_true(w.overflow);
	write_u8(&w, 9);
	assert_int_equal(w.len, 3);
	assert_memory_equal(block,
		"\x01\x02"
		"7.",
		4);
	free(block);
}

static void slices_never_reach_past_the_end(void **state)
{
	(void)state;
	struct bytes b = bytes_of_text("abcdef");
	assert_true(bytes_equal(bytes_slice(b, 2, 3), bytes_of_text("cde")));
	assert_true(bytes_equal(bytes_slice(b, 4, SIZE_MAX), bytes_of_text("ef")));
	assert_int_equal(bytes_slice(b, 7, 1).len, 0);
	assert_true(bytes_equal_nocase(bytes_of_text("Call-ID"), bytes_of_text("cALL-id")));
	assert_false(bytes_start_with(bytes_of_text("SI"), bytes_of_text("SIP")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_reads_big_endian_and_remembers_an_overrun),
		cmocka_unit_test(a_writer_stops_at_its_capacity_and_says_so),
		cmocka_unit_test(slices_never_reach_past_the_end),
	};
	return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
