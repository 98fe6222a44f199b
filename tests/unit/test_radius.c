#include "radius_packets.h"

static struct radius_draft draft;

static void is(struct bytes part, const char *expected)
{
	if (!bytes_equal(part, bytes_of_text(expected)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)part.len, (const char *)part.at, expected);
}

// RFC 2865 section 7.1, as tshark reads it: nemo, User-Password, NAS-IP-Address 192.168.1.16, NAS-Port 3.
#define RFC_REQUEST                                                                                \
	"01000038 0f403f9473978057bd83d5cb98f4227a 01066e656d6f"                                   \
	"02120dbe708d93d413ce3196e43f782a0aee 0406c0a80110 050600000003"

static struct bytes octets_of(const char *hex)
{
	static uint8_t octets[RADIUS_MAX_LEN];
	return bytes_of(octets, hex_read(hex, octets));
}

static void the_request_of_the_rfc_is_read(void **state)
{
	(void)state;
	struct radius radius;
	struct bytes payload = octets_of(RFC_REQUEST);
	assert_int_equal(radius_parse(payload, &radius), PARSE_OK);
	assert_int_equal(radius.code, RADIUS_ACCESS_REQUEST);
	assert_int_equal(radius.identifier, 0);
	assert_false(radius.is_cut);
	assert_int_equal(radius.octets.len, 56);
	assert_ptr_equal(radius.authenticator.at, payload.at + 4);
	assert_int_equal(radius.authenticator.len, 16);

	static const uint8_t types[] = {1, 2, 4, 5};
	static const size_t lens[] = {4, 16, 4, 4};
	struct bytes rest = radius.attributes;
	struct radius_attribute a;
	for (size_t i = 0; i < 4; i++) {
		assert_true(radius_next(&rest, &a));
		assert_int_equal(a.type, types[i]);
		assert_int_equal(a.value.len, lens[i]);
		assert_int_equal(a.octets.len, lens[i] + 2);
		assert_ptr_equal(a.octets.at + 2, a.value.at);
		if (i == 0)
			is(a.value, "nemo");
	}
	assert_int_equal(rest.len, 0);
	assert_false(radius_next(&rest, &a));
}

static void what_follows_length_is_padding(void **state)
{
	(void)state;
	struct radius radius;
	draft_begin(&draft, RADIUS_ACCESS_ACCEPT, 7);
	write_text(&draft.w, "\x01\x05"
			     "bob"); // behind Length
	assert_int_equal(radius_parse(draft_bytes(&draft), &radius), PARSE_OK);
	assert_int_equal(radius.octets.len, 20);
	assert_int_equal(radius.attributes.len, 0);
	assert_false(radius.is_cut);
}

static void codes_tell_radius_from_other_protocols(void **state)
{
	(void)state;
	static const uint8_t requests[] = {1, 4, 12, 40, 43},
			     answers[] = {2, 3, 5, 11, 41, 42, 44, 45};
	unsigned known = 0;
	for (unsigned code = 0; code < 256; code++) {
		struct radius radius;
		bool is_request = memchr(requests, (int)code, sizeof requests) != NULL;
		bool is_answer = memchr(answers, (int)code, sizeof answers) != NULL;
		draft_begin(&draft, (uint8_t)code, 1);
		enum parse_result result = radius_parse(draft_bytes(&draft), &radius);
		assert_int_equal(result, is_request || is_answer ? PARSE_OK : PARSE_FOREIGN);
		assert_int_equal(radius_is_answer((uint8_t)code), is_answer);
		known += result == PARSE_OK;
	}
	assert_int_equal(known, 13);
}

static void lengths_that_cannot_be_are_malformed(void **state)
{
	(void)state;
	static uint8_t octets[RADIUS_MAX_LEN + 1];
	static const struct {
		uint16_t length;
		enum parse_result result;
	} cases[] = {{0, PARSE_MALFORMED}, {19, PARSE_MALFORMED}, {20, PARSE_OK}, {4096, PARSE_OK},
		{4097, PARSE_MALFORMED}, {65535, PARSE_MALFORMED}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct radius radius;
		octets[0] = RADIUS_ACCESS_REQUEST;
		octets[2] = (uint8_t)(cases[i].length >> 8);
		octets[3] = (uint8_t)cases[i].length;
		assert_int_equal(
			radius_parse(bytes_of(octets, sizeof octets), &radius), cases[i].result);
	}
}

static void a_cut_packet_is_read_if_one_attribute_is_whole(void **state)
{
	(void)state;
	struct radius radius;
	struct bytes whole = octets_of(RFC_REQUEST);
	for (size_t len = 0; len < whole.len; len++) {
		enum parse_result result = radius_parse(bytes_slice(whole, 0, len), &radius);
		assert_int_equal(result, len < 26 ? PARSE_TRUNCATED : PARSE_OK);
		if (result == PARSE_OK) {
			assert_true(radius.is_cut);
			assert_int_equal(radius.octets.len, len);
		}
	}
	// Type 0 is no attribute (IANA: reserved).
	struct bytes zero = octets_of("01000038 0f403f9473978057bd83d5cb98f4227a 00066e656d6f");
	assert_int_equal(radius_parse(zero, &radius), PARSE_TRUNCATED);
}

static void an_attribute_with_a_bad_length_ends_the_walk(void **state)
{
	(void)state;
	static const char *const bad[] = {"01", "0100", "0101", "0103", "01ff6161"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct radius_attribute a;
		draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
		draft_text(&draft, RADIUS_USER_NAME, "bob");
		draft_hex(&draft, RADIUS_STATE, ""); // no value at all is no defect of the walk
		draft_raw(&draft, bad[i]);
		struct bytes rest = bytes_slice(draft_bytes(&draft), RADIUS_HEADER_LEN, SIZE_MAX);
		assert_true(radius_next(&rest, &a));
		is(a.value, "bob");
		assert_true(radius_next(&rest, &a));
		assert_int_equal(a.value.len, 0);
		assert_false(radius_next(&rest, &a));
		assert_int_equal(rest.len, strlen(bad[i]) / 2);
	}
}

static void attributes_of_vendors_are_walked_in_their_own_layout(void **state)
{
	(void)state;
	static const struct {
		const char *value; // vendor id, attributes
		uint32_t vendor;
		unsigned count;
		uint32_t types[2];
		const char *values[2];
		size_t left; // octets that are no attribute
	} cases[] = {
		{"000028af 0105616263 14036d", 10415, 2, {1, 20}, {"abc", "m"}, 0},
		{"000001ad 00009814 616263", 429, 1, {0x9814}, {"abc"}, 0},
		{"000012ee 00d6 0561 62 0101 0463", 4846, 2, {214, 257}, {"ab", "c"}, 0},
		{"00001fe4 000f 0006 6162 001a 0005 63", 8164, 2, {15, 26}, {"ab", "c"}, 0},
		{"000028af", 10415, 0, {0}, {0}, 0},
		{"000028af 0103 61 14", 10415, 1, {1}, {"a"}, 1},
		{"000028af 0101 61", 10415, 0, {0}, {0}, 3},
		{"00001fe4 000f 0003 6162", 8164, 0, {0}, {0}, 6},
		{"000001ad 0000 98", 429, 0, {0}, {0}, 3},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct radius_vendor vendor;
		struct radius_vendor_attribute a;
		assert_true(radius_vendor_read(octets_of(cases[i].value), &vendor));
		assert_int_equal(vendor.id, cases[i].vendor);
		for (unsigned n = 0; n < cases[i].count; n++) {
			assert_true(radius_vendor_next(vendor.id, &vendor.attributes, &a));
			assert_int_equal(a.type, cases[i].types[n]);
			is(a.value, cases[i].values[n]);
		}
		assert_false(radius_vendor_next(vendor.id, &vendor.attributes, &a));
		assert_int_equal(vendor.attributes.len, cases[i].left);
	}
	struct radius_vendor vendor;
	assert_false(radius_vendor_read(octets_of("0028af"), &vendor));
}

static volatile uint8_t sink;

static void walk(struct bytes payload)
{
	struct radius radius;
	if (radius_parse(payload, &radius) != PARSE_OK)
		return;
	struct bytes rest = radius.attributes;
	struct radius_attribute a;
	struct radius_vendor vendor;
	struct radius_vendor_attribute inner;
	while (radius_next(&rest, &a)) {
		for (size_t i = 0; i < a.octets.len; i++)
			sink ^= a.octets.at[i];
		if (a.type == RADIUS_VENDOR_SPECIFIC && radius_vendor_read(a.value, &vendor))
			while (radius_vendor_next(vendor.id, &vendor.attributes, &inner))
				for (size_t i = 0; i < inner.value.len; i++) // every octet is read
					sink ^= inner.value.at[i];
	}
}

static void no_prefix_is_read_past_its_end(void **state)
{
	(void)state;
	cut_at_every_length(octets_of(RFC_REQUEST), walk);
	static const uint32_t vendors[] = {9, 10415, 429, 4846, 8164};
	for (size_t i = 0; i < sizeof vendors / sizeof *vendors; i++) {
		draft_begin(&draft, RADIUS_ACCOUNTING_REQUEST, 1);
		draft_vendor(&draft, vendors[i], 1, "001011234567890");
		draft_vendor(&draft, vendors[i], 20, "3");
		cut_at_every_length(draft_bytes(&draft), walk);
	}
}

// What tshark counts: shared/captures/README.md and events/.
static void captures_hold_the_packets_that_others_found(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned codes[46];
	} captures[] = {
		{"radius-accounting-interim-framedip-vlan.pcap", {[4] = 1, [5] = 1}},
		{"radius-auth-accounting-start-stop.pcap",
			{[1] = 14, [2] = 2, [4] = 3, [5] = 3, [11] = 12}},
		{"ethernet/radius-auth-acct-coa-freeradius.pcap",
			{[1] = 281, [2] = 31, [4] = 278, [5] = 28, [43] = 316, [45] = 66}},
		{"ethernet/radius-ipv6-attrs-rfc3162.pcap", {[1] = 1}},
		{"ethernet/radius-malformed-attr-length.pcap", {[1] = 1}},
		{"mixed-all-protocols-synthetic.pcap", {[1] = 8, [2] = 2}},
		{"radius-malformed-asan.pcap", {0}},
		{"fp-radius-false-positive.pcap", {0}},
	};
	unsigned found = 0;
	for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
		FILE *file = capture_open(captures[i].name);
		if (!file)
			continue;
		found++;
		unsigned codes[46] = {0};
		size_t len;
		for (uint8_t *frame; (frame = capture_frame(file, &len)) != NULL; free(frame)) {
			struct packet p;
			struct radius radius;
			if (packet_parse(bytes_of(frame, len), &p) == PACKET_UDP &&
				(is_radius_port(p.flow.source_port) ||
					is_radius_port(p.flow.destination_port)) &&
				radius_parse(p.payload, &radius) == PARSE_OK)
				codes[radius.code]++;
		}
		fclose(file);
		for (unsigned code = 0; code < 46; code++)
			if (codes[code] != captures[i].codes[code])
				fail_msg("%s: %u of code %u, not %u", captures[i].name, codes[code],
					code, captures[i].codes[code]);
	}
	captures_were_found(found, sizeof captures / sizeof *captures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_of_the_rfc_is_read),
		cmocka_unit_test(what_follows_length_is_padding),
		cmocka_unit_test(codes_tell_radius_from_other_protocols),
		cmocka_unit_test(lengths_that_cannot_be_are_malformed),
		cmocka_unit_test(a_cut_packet_is_read_if_one_attribute_is_whole),
		cmocka_unit_test(an_attribute_with_a_bad_length_ends_the_walk),
		cmocka_unit_test(attributes_of_vendors_are_walked_in_their_own_layout),
		cmocka_unit_test(no_prefix_is_read_past_its_end),
		cmocka_unit_test(captures_hold_the_packets_that_others_found),
	};
	return cmocka_run_group_tests_name("radius", tests, NULL, NULL);
}
