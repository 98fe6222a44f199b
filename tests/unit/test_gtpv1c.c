#include "gtpv1c.h"

#include "gtp_hex.h"
#include "gtp_samples.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct hex sample; // what views point into

static enum parse_result parse(const char *text, struct gtpc_message *m)
{
	sample = hex_of(text);
	return gtpv1c_parse(hex_bytes(&sample), m);
}

static void result_is(const char *text, enum parse_result wanted)
{
	struct gtpc_message m;
	enum parse_result result = parse(text, &m);
	if (result != wanted)
		fail_msg("%s gives %d, not %d", text, (int)result, (int)wanted);
}

static void a_header_is_read(void **state)
{
	(void)state;
	struct gtpc_message m;
	assert_int_equal(parse(V1_CREATE_RESPONSE, &m), PARSE_OK);
	assert_int_equal(m.type, GTPV1C_CREATE_PDP_RESPONSE);
	assert_int_equal(m.teid, 0x22222222);
	assert_true(m.has_sequence);
	assert_int_equal(m.sequence, 0x1234);
	assert_false(m.is_cut);
	assert_int_equal(m.octets.len, sample.len);
	assert_int_equal(m.elements.len, sample.len - 12);
	assert_int_equal(m.rest.len, 0);
}

static void what_follows_the_message_is_the_rest(void **state)
{
	(void)state;
	struct gtpc_message m;
	assert_int_equal(parse("32010004 00000000 0c000000 abcd", &m), PARSE_OK);
	assert_int_equal(m.octets.len, 12);
	assert_int_equal(m.elements.len, 0);
	assert_int_equal(m.rest.len, 2);
	assert_int_equal(m.rest.at[0], 0xab);
}

static void without_flags_there_is_no_sequence_number(void **state)
{
	(void)state;
	struct gtpc_message m;
	assert_int_equal(parse("301f0004 00000001 8d000110", &m), PARSE_OK);
	assert_false(m.has_sequence);
	assert_int_equal(m.elements.len, 4);
	// N-PDU number alone: the others are there and mean nothing (clause 6).
	assert_int_equal(parse("31010004 00000000 12345678", &m), PARSE_OK);
	assert_false(m.has_sequence);
	assert_int_equal(m.sequence, 0);
	assert_int_equal(m.elements.len, 0);
}

static void a_length_beyond_the_datagram_is_told(void **state)
{
	(void)state;
	struct gtpc_message m;
	assert_int_equal(parse("32100040 00000000 12340000 0e07", &m), PARSE_OK);
	assert_true(m.is_cut);
	assert_int_equal(m.octets.len, 14);
	assert_int_equal(m.elements.len, 2);
}

static void other_protocols_are_foreign(void **state)
{
	(void)state;
	result_is("48100004 00000000 12340000", PARSE_FOREIGN); // version 2
	result_is("1e100004 00000000 12340000", PARSE_FOREIGN); // version 0
	result_is("22100004 00000000 12340000", PARSE_FOREIGN); // GTP'
	result_is("32ff0004 00000000 12340000", PARSE_FOREIGN); // G-PDU
	result_is(
		"321a0004 00000000 12340000", PARSE_FOREIGN); // Error Indication, of the user plane
	result_is("32f00004 00000000 12340000", PARSE_FOREIGN); // Data Record Transfer, of GTP'
	result_is("32000004 00000000 12340000", PARSE_FOREIGN);
	result_is("", PARSE_FOREIGN);
}

static void a_header_that_cannot_be_is_refused(void **state)
{
	(void)state;
	result_is("3701000000000000", PARSE_MALFORMED); // flags, and no room for what they announce
	result_is("37030000 42000000 00000000 0000", PARSE_MALFORMED);
	result_is("3201000300000000 12340000", PARSE_MALFORMED);
	result_is("32010004000000", PARSE_TRUNCATED);
	result_is("3201000400000000 123400", PARSE_TRUNCATED);
}

static void extension_headers_are_passed(void **state)
{
	(void)state;
	struct gtpc_message m;
	// One of one unit, one of two.
	assert_int_equal(
		parse("34010010 00000000 000000c0 010007c1 02aaaaaaaaaaaa00", &m), PARSE_OK);
	assert_int_equal(m.elements.len, 0);
	assert_int_equal(
		parse("36010012 00000000 000500c0 010007c1 02aaaaaaaaaaaa00 0e01", &m), PARSE_OK);
	assert_int_equal(m.sequence, 5);
	assert_int_equal(m.elements.len, 2);
	// Without the flag the next type means nothing.
	assert_int_equal(parse("32010006 00000000 000500c0 0e01", &m), PARSE_OK);
	assert_int_equal(m.elements.len, 2);
}

static void extension_headers_that_cannot_be_are_refused(void **state)
{
	(void)state;
	result_is("36010008 00000000 000500c0 00000700", PARSE_MALFORMED); // no length
	result_is("36010008 00000000 000500c0 02000700", PARSE_MALFORMED); // behind the message
	result_is("36010004 00000000 000500c0", PARSE_MALFORMED);
	result_is("36010010 00000000 000500c0 02000700", PARSE_TRUNCATED);
#define ONE "010007c0"
	result_is("36010024 00000000 000500c0" ONE ONE ONE ONE ONE ONE ONE "01000700", PARSE_OK);
	result_is("36010028 00000000 000500c0" ONE ONE ONE ONE ONE ONE ONE ONE "01000700",
		PARSE_MALFORMED);
}

static void every_element_of_fixed_length_is_stepped_over(void **state)
{
	(void)state;
	static const struct {
		uint8_t type, len;
	} wanted[] = {{1, 1}, {2, 8}, {3, 6}, {4, 4}, {5, 4}, {8, 1}, {9, 28}, {11, 1}, {12, 3},
		{13, 1}, {14, 1}, {15, 1}, {16, 4}, {17, 4}, {18, 5}, {19, 1}, {20, 1}, {21, 1},
		{22, 9}, {23, 1}, {24, 1}, {25, 2}, {26, 2}, {27, 2}, {28, 2}, {29, 1}, {127, 4},
		{133, 4}, {154, 8}};
	struct gtpc_message m;
	assert_int_equal(parse(V1_EVERY_TV, &m), PARSE_OK);
	assert_int_equal(m.sequence, 0x0102);
	struct gtpc_element e;
	for (size_t i = 0; i < COUNT(wanted); i++) {
		assert_int_equal(gtpv1c_next(&m.elements, &e), GTPC_ELEMENT);
		assert_int_equal(e.type, wanted[i].type);
		assert_int_equal(e.value.len, wanted[i].len);
	}
	assert_int_equal(gtpv1c_next(&m.elements, &e), GTPC_END);
}

static enum gtpc_step step_of(const char *text)
{
	struct gtpc_element e;
	sample = hex_of(text);
	struct bytes rest = hex_bytes(&sample);
	return gtpv1c_next(&rest, &e);
}

static void elements_that_cannot_be_read_end_the_walk(void **state)
{
	(void)state;
	assert_int_equal(step_of(""), GTPC_END);
	assert_int_equal(step_of("01"), GTPC_CUT);
	assert_int_equal(step_of("020001"), GTPC_CUT);
	assert_int_equal(step_of("80"), GTPC_CUT);
	assert_int_equal(step_of("8000"), GTPC_CUT);
	assert_int_equal(step_of("800002f1"), GTPC_CUT);
	assert_int_equal(step_of("800000"), GTPC_ELEMENT);
	assert_int_equal(step_of("0601020304"), GTPC_UNREADABLE);
	assert_int_equal(step_of("00"), GTPC_UNREADABLE);
}

static void end_user_is(const char *text, const char *ipv4, const char *ipv6)
{
	struct hex h = hex_of(text);
	struct gtpc_addresses a;
	assert_true(gtpv1c_end_user_address(hex_bytes(&h), &a));
	char shown[ADDRESS_TEXT] = "";
	if (a.ipv4.family)
		address_format(&a.ipv4, shown);
	assert_string_equal(shown, ipv4);
	shown[0] = '\0';
	if (a.ipv6.family)
		address_format(&a.ipv6, shown);
	assert_string_equal(shown, ipv6);
	assert_int_equal(a.ipv6_prefix, 64);
}

static void end_user_addresses_are_read(void **state)
{
	(void)state;
#define UE_IPV6 "20010db8000500060000000000000001"
	end_user_is("f121 cb007105", "203.0.113.5", "");
	end_user_is("f121", "", "");
	end_user_is("f121 00000000", "", "");
	end_user_is("f157" UE_IPV6, "", "2001:db8:5:6::1");
	end_user_is("f157", "", "");
	end_user_is("f18d cb007105" UE_IPV6, "203.0.113.5", "2001:db8:5:6::1");
	end_user_is("f18d cb007105", "203.0.113.5", "");
	end_user_is("f18d" UE_IPV6, "", "2001:db8:5:6::1");
	end_user_is("f18d", "", "");
	end_user_is("f001", "", "");          // PPP
	end_user_is("f021 cb007105", "", ""); // of ETSI, and not IP
	end_user_is("f199 cb007105", "", "");
}

static void end_user_addresses_of_other_lengths_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", "f1", "f121 cb0071", "f121 cb00710500",
		"f121" UE_IPV6, "f157 cb007105", "f157 00" UE_IPV6, "f18d 00" UE_IPV6,
		"f121 cb007105" UE_IPV6, "f157 cb007105" UE_IPV6, "f18d cb007105" UE_IPV6 "00"};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct hex h = hex_of(wrong[i]);
		struct gtpc_addresses a;
		if (gtpv1c_end_user_address(hex_bytes(&h), &a))
			fail_msg("%s is taken", wrong[i]);
	}
}

static void msisdn_is(const char *text, const char *digits, bool is_global)
{
	struct hex h = hex_of(text);
	struct gtpc_digits d;
	bool global;
	assert_true(gtpv1c_msisdn(hex_bytes(&h), &d, &global));
	assert_int_equal(d.len, strlen(digits));
	assert_memory_equal(d.digits, digits, d.len);
	assert_int_equal(global, is_global);
}

static void a_number_tells_of_what_kind_it_is(void **state)
{
	(void)state;
	msisdn_is("91 9451551000f1", "49155501001", true);
	msisdn_is("81 94f1", "491", true);
	msisdn_is("90 94f1", "491", true);
	msisdn_is("a1 94f1", "491", false); // national
	msisdn_is("93 94f1", "491", false); // a data network's
	struct hex h = hex_of("91a1");
	struct gtpc_digits d;
	bool global;
	assert_false(gtpv1c_msisdn(hex_bytes(&h), &d, &global));
	assert_false(gtpv1c_msisdn(bytes_of(NULL, 0), &d, &global));
}

static void gsn_addresses_are_ipv4_or_ipv6(void **state)
{
	(void)state;
	struct hex h = hex_of("c0000201" UE_IPV6);
	struct address a;
	assert_true(gtpv1c_gsn_address(bytes_of(h.octets, 4), &a));
	assert_int_equal(a.family, 4);
	assert_true(gtpv1c_gsn_address(bytes_of(h.octets + 4, 16), &a));
	assert_int_equal(a.family, 6);
	assert_false(gtpv1c_gsn_address(bytes_of(h.octets, 5), &a));
	assert_false(gtpv1c_gsn_address(bytes_of(h.octets, 0), &a));
}

static void walk(struct bytes prefix)
{
	struct gtpc_message m;
	if (gtpv1c_parse(prefix, &m) != PARSE_OK)
		return;
	struct gtpc_element e;
	unsigned sum = 0;
	while (gtpv1c_next(&m.elements, &e) == GTPC_ELEMENT)
		for (size_t i = 0; i < e.value.len; i++)
			sum += e.value.at[i];
	assert_true(sum <= 255 * prefix.len);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	hex_may_be_cut_anywhere(V1_CREATE_REQUEST, walk);
	hex_may_be_cut_anywhere(V1_CREATE_RESPONSE_BOTH, walk);
	hex_may_be_cut_anywhere(V1_EVERY_TV, walk);
	hex_may_be_cut_anywhere("36010012 00000000 000500c0 010007c1 02aaaaaaaaaaaa00 0e01", walk);
}

static void requests_have_answers(void **state)
{
	(void)state;
	unsigned requests = 0, answers = 0;
	for (unsigned type = 0; type < 256; type++) {
		requests += gtpv1c_role((uint8_t)type) == GTPC_REQUEST;
		answers += gtpv1c_role((uint8_t)type) == GTPC_ANSWER;
	}
	assert_int_equal(answers, requests + 1); // Version Not Supported answers any
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_read),
		cmocka_unit_test(what_follows_the_message_is_the_rest),
		cmocka_unit_test(without_flags_there_is_no_sequence_number),
		cmocka_unit_test(a_length_beyond_the_datagram_is_told),
		cmocka_unit_test(other_protocols_are_foreign),
		cmocka_unit_test(a_header_that_cannot_be_is_refused),
		cmocka_unit_test(extension_headers_are_passed),
		cmocka_unit_test(extension_headers_that_cannot_be_are_refused),
		cmocka_unit_test(every_element_of_fixed_length_is_stepped_over),
		cmocka_unit_test(elements_that_cannot_be_read_end_the_walk),
		cmocka_unit_test(end_user_addresses_are_read),
		cmocka_unit_test(end_user_addresses_of_other_lengths_are_refused),
		cmocka_unit_test(a_number_tells_of_what_kind_it_is),
		cmocka_unit_test(gsn_addresses_are_ipv4_or_ipv6),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
		cmocka_unit_test(requests_have_answers),
	};
	return cmocka_run_group_tests_name("gtpv1c", tests, NULL, NULL);
}
