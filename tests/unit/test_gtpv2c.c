#include "gtpv2c.h"

#include "gtp_hex.h"
#include "gtp_samples.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct hex sample; // what views point into

static enum parse_result parse(const char *text, struct gtpc_message *m)
{
	sample = hex_of(text);
	return gtpv2c_parse(hex_bytes(&sample), m);
}

static void result_is(const char *text, enum parse_result wanted)
{
	struct gtpc_message m;
	enum parse_result result = parse(text, &m);
	if (result != wanted)
		fail_msg("%s gives %d, not %d", text, (int)result, (int)wanted);
}

static void a_header_is_read_with_and_without_teid(void **state)
{
	(void)state;
	struct gtpc_message m;
	assert_int_equal(parse(S11_CREATE_RESPONSE, &m), PARSE_OK);
	assert_int_equal(m.type, GTPV2C_CREATE_SESSION_RESPONSE);
	assert_int_equal(m.teid, 0x0a000001);
	assert_int_equal(m.sequence, 0x000101);
	assert_false(m.has_rider || m.is_cut);
	assert_int_equal(m.octets.len, sample.len);
	assert_int_equal(m.elements.len, sample.len - 12);
	assert_int_equal(m.rest.len, 0);

	assert_int_equal(parse(V2_ECHO_REQUEST, &m), PARSE_OK);
	assert_int_equal(m.teid, 0);
	assert_int_equal(m.sequence, 7);
	assert_int_equal(m.elements.len, 5);
	// Message priority is not a part of the sequence number.
	assert_int_equal(parse("4c230008 00000001 123456f0", &m), PARSE_OK);
	assert_int_equal(m.sequence, 0x123456);
}

static void the_message_that_rides_along_is_the_rest(void **state)
{
	(void)state;
	struct gtpc_message m, rider;
	assert_int_equal(parse(S11_SECOND_AND_DEDICATED, &m), PARSE_OK);
	assert_true(m.has_rider);
	assert_int_equal(m.type, GTPV2C_CREATE_SESSION_RESPONSE);
	assert_int_equal(gtpv2c_parse(m.rest, &rider), PARSE_OK);
	assert_int_equal(rider.type, GTPV2C_CREATE_BEARER_REQUEST);
	assert_int_equal(rider.sequence, 0x000201);
	assert_int_equal(rider.rest.len, 0);
	assert_int_equal(m.octets.len + rider.octets.len, sample.len);
}

static void a_length_beyond_the_datagram_is_told(void **state)
{
	(void)state;
	struct gtpc_message m;
	assert_int_equal(parse("48200040 00000000 00000100 0300010011", &m), PARSE_OK);
	assert_true(m.is_cut);
	assert_int_equal(m.elements.len, 5);
}

static void what_is_no_message_is_refused(void **state)
{
	(void)state;
	result_is("32100004 00000000 12340000", PARSE_FOREIGN); // version 1
	result_is("68200008 00000000 00000100", PARSE_FOREIGN); // version 3
	result_is("48ff0008 00000000 00000100", PARSE_FOREIGN); // a type of nobody
	result_is("48040008 00000000 00000100", PARSE_FOREIGN); // of GTP'
	result_is("", PARSE_FOREIGN);
	result_is("482000", PARSE_TRUNCATED);
	result_is("48200008 00000000 000001", PARSE_TRUNCATED);
	result_is("40010004 000001", PARSE_TRUNCATED);
	result_is("48200007 00000000 000001", PARSE_MALFORMED);
	result_is("46010000 02790300", PARSE_MALFORMED);
}

static void elements_and_groups_are_walked(void **state)
{
	(void)state;
	static const uint8_t types[] = {2, 87, 87, 79, 93, 3}, inside[] = {73, 2, 87, 87};
	struct gtpc_message m;
	struct gtpc_element e;
	assert_int_equal(parse(S11_CREATE_RESPONSE, &m), PARSE_OK);
	struct bytes group = {NULL, 0};
	for (size_t i = 0; i < COUNT(types); i++) {
		assert_int_equal(gtpv2c_next(&m.elements, &e), GTPC_ELEMENT);
		assert_int_equal(e.type, types[i]);
		assert_int_equal(e.instance, i == 2);
		if (e.type == GTPV2C_BEARER_CONTEXT)
			group = e.value;
	}
	assert_int_equal(gtpv2c_next(&m.elements, &e), GTPC_END);
	for (size_t i = 0; i < COUNT(inside); i++) {
		assert_int_equal(gtpv2c_next(&group, &e), GTPC_ELEMENT);
		assert_int_equal(e.type, inside[i]);
		assert_int_equal(e.instance, i == 3 ? 2 : 0);
	}
	assert_int_equal(gtpv2c_next(&group, &e), GTPC_END);
}

static void an_element_behind_the_end_is_cut(void **state)
{
	(void)state;
	static const char *const cut[] = {"01", "0100", "010001", "01000100", "0100020011"};
	for (size_t i = 0; i < COUNT(cut); i++) {
		struct hex h = hex_of(cut[i]);
		struct bytes rest = hex_bytes(&h);
		struct gtpc_element e;
		assert_int_equal(gtpv2c_next(&rest, &e), GTPC_CUT);
	}
}

static void f_teids_have_either_address_or_both(void **state)
{
	(void)state;
#define IPV6 "20010db8000500060000000000000001"
	static const struct {
		const char *text;
		uint8_t interface, ipv4, ipv6;
	} samples[] = {{"8a 0a000001 c000020a", 10, 4, 0}, {"47 07000001" IPV6, 7, 0, 6},
		{"c7 07000001 c000020a" IPV6, 7, 4, 6}, {"07 07000001", 7, 0, 0}};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct hex h = hex_of(samples[i].text);
		struct gtpv2c_f_teid f;
		assert_true(gtpv2c_f_teid(hex_bytes(&h), &f));
		assert_int_equal(f.interface, samples[i].interface);
		assert_int_equal(f.teid, i == 0 ? 0x0a000001 : 0x07000001);
		assert_int_equal(f.ipv4.family, samples[i].ipv4);
		assert_int_equal(f.ipv6.family, samples[i].ipv6);
		assert_false(gtpv2c_f_teid(bytes_of(h.octets, h.len - 1), &f));
	}
}

static void the_interfaces_of_the_control_plane_are_known(void **state)
{
	(void)state;
	static const uint8_t control[] = {
		6, 7, 10, 11, 12, 13, 14, 17, 18, 24, 25, 26, 27, 30, 32, 35, 36, 40};
	unsigned count = 0;
	for (unsigned i = 0; i < 256; i++)
		count += gtpv2c_is_control((uint8_t)i);
	assert_int_equal(count, COUNT(control));
	for (size_t i = 0; i < COUNT(control); i++)
		assert_true(gtpv2c_is_control(control[i]));
	assert_true(gtpv2c_is_pgw_control(7) && !gtpv2c_is_pgw_control(11));
}

static void paa_is(const char *text, const char *ipv4, const char *ipv6, uint8_t prefix)
{
	struct hex h = hex_of(text);
	struct gtpc_addresses a;
	assert_true(gtpv2c_paa(hex_bytes(&h), &a));
	char shown[ADDRESS_TEXT] = "";
	if (a.ipv4.family)
		address_format(&a.ipv4, shown);
	assert_string_equal(shown, ipv4);
	shown[0] = '\0';
	if (a.ipv6.family)
		address_format(&a.ipv6, shown);
	assert_string_equal(shown, ipv6);
	assert_int_equal(a.ipv6_prefix, prefix);
}

static void addresses_are_read(void **state)
{
	(void)state;
	paa_is("01 cb007105", "203.0.113.5", "", 0);
	paa_is("02 40" IPV6, "", "2001:db8:5:6::1", 64);
	paa_is("03 40" IPV6 "cb007105", "203.0.113.5", "2001:db8:5:6::1", 64);
	paa_is("01 00000000", "", "", 0);
	paa_is("02 00 00000000000000000000000000000000", "", "", 0);
	paa_is("04", "", "", 0); // non-IP
	paa_is("05", "", "", 0); // Ethernet
	static const char *const wrong[] = {
		"", "01", "01 cb0071", "02 40 20010db8", "02 81" IPV6, "03 40" IPV6};
	for (size_t i = 1; i < COUNT(wrong); i++) {
		struct hex h = hex_of(wrong[i]);
		struct gtpc_addresses a;
		if (gtpv2c_paa(hex_bytes(&h), &a))
			fail_msg("%s is taken", wrong[i]);
	}
	struct gtpc_addresses a;
	assert_false(gtpv2c_paa(bytes_of(NULL, 0), &a));
}

static void walk(struct bytes prefix)
{
	struct gtpc_message m;
	struct gtpv2c_f_teid f;
	struct gtpc_addresses a;
	if (gtpv2c_parse(prefix, &m) != PARSE_OK)
		return;
	struct gtpc_element e;
	unsigned count = 0;
	for (; gtpv2c_next(&m.elements, &e) == GTPC_ELEMENT; count++) {
		gtpv2c_f_teid(e.value, &f);
		gtpv2c_paa(e.value, &a);
	}
	assert_true(count <= prefix.len / 4);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	hex_may_be_cut_anywhere(S11_CREATE_REQUEST, walk);
	hex_may_be_cut_anywhere(S5_CREATE_RESPONSE, walk);
	hex_may_be_cut_anywhere(V2_ECHO_REQUEST, walk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_read_with_and_without_teid),
		cmocka_unit_test(the_message_that_rides_along_is_the_rest),
		cmocka_unit_test(a_length_beyond_the_datagram_is_told),
		cmocka_unit_test(what_is_no_message_is_refused),
		cmocka_unit_test(elements_and_groups_are_walked),
		cmocka_unit_test(an_element_behind_the_end_is_cut),
		cmocka_unit_test(f_teids_have_either_address_or_both),
		cmocka_unit_test(the_interfaces_of_the_control_plane_are_known),
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
	};
	return cmocka_run_group_tests_name("gtpv2c", tests, NULL, NULL);
}
