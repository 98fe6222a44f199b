#include "radius_iri.h"

#include "radius_packets.h"

static struct radius_draft draft;
static uint8_t out[RADIUS_MAX_LEN];

static const struct radius_iri_rules BLANKED = {.keep_secrets = false};

// What is reported of the draft; it must be as long, in a block of exactly its size too.
static enum radius_iri_result report(const struct radius_iri_rules *rules)
{
	struct bytes octets = draft_bytes(&draft);
	uint8_t *copy = exact_copy(octets.at, octets.len), *room = exact_copy(out, octets.len);
	struct writer w = writer_of(room, octets.len);
	enum radius_iri_result result = radius_iri_write(bytes_of(copy, octets.len), rules, &w);
	assert_int_not_equal(result, RADIUS_IRI_NO_ROOM);
	assert_int_equal(w.len, octets.len);
	assert_memory_equal(copy, octets.at, octets.len); // what was read is left alone
	assert_memory_equal(room, octets.at, RADIUS_HEADER_LEN);
	memcpy(out, room, octets.len);
	free(room);
	free(copy);
	return result;
}

// Attributes of `expected` in hexadecimal, "xx" for a blanked octet.
static void reports(enum radius_iri_result result, const char *expected)
{
	char text[2 * RADIUS_MAX_LEN];
	size_t len = 0;
	for (; *expected; expected++) {
		char digit = *expected == 'x' ? "78"[len % 2] : *expected;
		if (digit != ' ')
			text[len++] = digit;
	}
	text[len] = 0;
	uint8_t octets[RADIUS_MAX_LEN];
	size_t octet_count = hex_read(text, octets);
	assert_int_equal(report(&BLANKED), result);
	assert_int_equal(octet_count, draft.w.len - RADIUS_HEADER_LEN);
	assert_memory_equal(out + RADIUS_HEADER_LEN, octets, octet_count);
}

static void begin(void)
{
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
}

static void attributes_are(enum radius_iri_result result, const char *hex, const char *expected)
{
	begin();
	draft_raw(&draft, hex);
	reports(result, expected);
}

static void a_packet_without_credentials_is_passed_octet_for_octet(void **state)
{
	(void)state;
	begin();
	assert_int_equal(report(&BLANKED), RADIUS_IRI_WHOLE);
	draft_text(&draft, RADIUS_USER_NAME, "bob");
	draft_vendor(&draft, RADIUS_VENDOR_3GPP, 1, "001011234567890");
	draft_vendor(&draft, 99999, 1, "password"); // no table knows
	draft_vendor(&draft, 9, 1, "ip:addr-pool=main");
	draft_hex(&draft, 80, "000102030405060708090a0b0c0d0e0f"); // Message-Authenticator
	assert_int_equal(report(&BLANKED), RADIUS_IRI_WHOLE);
	assert_memory_equal(out, draft.octets, draft.w.len);
}

static void credentials_are_blanked_and_lengths_stay(void **state)
{
	(void)state;
	static const uint8_t types[] = {
		2, 3, 17, 60, 69, 70, 74, 79, 84, 103, 106, 118, 121, 143, 206, 214, 215, 232};
	for (unsigned type = 0; type < 256; type++) {
		if (type == RADIUS_VENDOR_SPECIFIC)
			continue;
		begin();
		draft_text(&draft, RADIUS_USER_NAME, "bob");
		draft_text(&draft, (uint8_t)type, "abc");
		draft_text(&draft, RADIUS_NAS_IDENTIFIER, "nas");
		bool is_secret = memchr(types, (int)type, sizeof types) != NULL;
		assert_int_equal(
			report(&BLANKED), is_secret ? RADIUS_IRI_BLANKED : RADIUS_IRI_WHOLE);
		assert_memory_equal(out + 20 + 5 + 2, is_secret ? "xxx" : "abc", 3);
		memcpy(out + 20 + 5 + 2, "abc", 3);
		assert_memory_equal(out, draft.octets, draft.w.len);
	}
	// Without a value there is nothing to blank.
	attributes_are(RADIUS_IRI_WHOLE, "0202 4f02", "0202 4f02");
}

static void all_stays_where_secrets_are_kept(void **state)
{
	(void)state;
	static const struct radius_iri_rules kept = {.keep_secrets = true};
	begin();
	draft_text(&draft, 2, "secretsecret1234");
	draft_vendor(&draft, 311, 25, "response");
	draft_raw(&draft, "4f ff 0102");
	assert_int_equal(report(&kept), RADIUS_IRI_WHOLE);
	assert_memory_equal(out, draft.octets, draft.w.len);
}

static void credentials_of_vendors_are_blanked(void **state)
{
	(void)state;
	// MS-CHAP-Challenge, MS-CHAP-Domain and MS-CHAP2-Response in one attribute (RFC 2548).
	attributes_are(RADIUS_IRI_BLANKED, "1a12 00000137 0b04 6162 0a04 6364 1904 6566",
		"1a12 00000137 0b04 xxxx 0a04 6364 1904 xxxx");
	static const struct {
		uint32_t vendor;
		uint8_t type;
	} blanked[] = {{311, 1}, {311, 2}, {311, 11}, {311, 12}, {311, 16}, {311, 17}, {311, 19},
		{311, 20}, {311, 25}, {311, 26}, {311, 27}, {529, 214}, {5535, 58}, {6527, 122},
		{4874, 58}, {24757, 5}},
	  kept[] = {{311, 7}, {311, 10}, {311, 18}, {311, 28}, {529, 216}, {10415, 1}, {24757, 1}};
	for (size_t i = 0; i < sizeof blanked / sizeof *blanked; i++) {
		begin();
		draft_vendor(&draft, blanked[i].vendor, blanked[i].type, "abc");
		assert_int_equal(report(&BLANKED), RADIUS_IRI_BLANKED);
		assert_memory_equal(out, draft.octets, draft.w.len - 3);
		assert_memory_equal(out + draft.w.len - 3, "xxx", 3);
	}
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		begin();
		draft_vendor(&draft, kept[i].vendor, kept[i].type, "abc");
		assert_int_equal(report(&BLANKED), RADIUS_IRI_WHOLE);
	}
}

static void layouts_of_vendors_are_heeded(void **state)
{
	(void)state;
	// US Robotics 0x9814, Lucent 214 behind 257, Starent 15 before 16.
	attributes_are(
		RADIUS_IRI_BLANKED, "1a0c 000001ad 00009814 6162", "1a0c 000001ad 00009814 xxxx");
	attributes_are(RADIUS_IRI_BLANKED, "1a0f 000012ee 0101 04 61 00d6 05 6263",
		"1a0f 000012ee 0101 04 61 00d6 05 xxxx");
	attributes_are(RADIUS_IRI_BLANKED, "1a11 00001fe4 000f 0006 6162 0010 0005 63",
		"1a11 00001fe4 000f 0006 xxxx 0010 0005 63");
	// Starent with types and lengths of one octet, as some send: not understood, and so not shown.
	attributes_are(RADIUS_IRI_BLANKED, "1a0a 00001fe4 0f04 6162", "1a0a 00001fe4 xxxx xxxx");
}

static void pairs_lose_the_values_that_are_secret(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"psk=abcdefgh", "psk=xxxxxxxx"},
		{"leap:session-key*abc", "leap:session-key*xxx"},
		{"tunnel-Password=a=b", "tunnel-Password=xxx"},
		{"secret", "xxxxxx"},
		{"psk=", "psk="},
		{"psk-mode=ascii", "psk-mode=xxxxx"},
		{"audit-session-id=0a0b", "audit-session-id=0a0b"},
		{"url=http://example.com/?key=1", "url=http://example.com/?key=1"},
		{"", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin();
		draft_vendor(&draft, 9, 1, cases[i].text);
		bool is_blanked = strcmp(cases[i].text, cases[i].expected) != 0;
		assert_int_equal(
			report(&BLANKED), is_blanked ? RADIUS_IRI_BLANKED : RADIUS_IRI_WHOLE);
		size_t len = strlen(cases[i].expected);
		assert_memory_equal(out + draft.w.len - len, cases[i].expected, len);
		assert_memory_equal(out, draft.octets, draft.w.len - len);
	}
}

static void what_cannot_be_walked_is_blanked(void **state)
{
	(void)state;
	// From the attribute on whose length cannot be. Its header stays.
	attributes_are(
		RADIUS_IRI_BLANKED, "0105626f62 0400 0212 6162", "0105626f62 0400 xxxx xxxx");
	attributes_are(
		RADIUS_IRI_BLANKED, "0105626f62 04ff 0204 6162", "0105626f62 04ff xxxx xxxx");
	attributes_are(RADIUS_IRI_WHOLE, "0105626f62 04", "0105626f62 04");
	attributes_are(RADIUS_IRI_WHOLE, "0105626f62 0406", "0105626f62 0406");
	// A vendor with secrets, whose attributes do not end where they should.
	attributes_are(RADIUS_IRI_BLANKED, "1a0b 00000137 0b04 6162 19 0103 61",
		"1a0b 00000137 xxxx xxxx xx 0103 61");
	attributes_are(RADIUS_IRI_BLANKED, "1a0a 00000137 0700 6162 010361",
		"1a0a 00000137 xxxx xxxx 010361");
	// Of another vendor it says nothing.
	attributes_are(RADIUS_IRI_WHOLE, "1a0a 0001869f 0700 6162", "1a0a 0001869f 0700 6162");
	attributes_are(RADIUS_IRI_BLANKED, "1a05 000001 010361", "1a05 xxxxxx 010361");
}

static void extended_attributes_of_vendors_are_blanked(void **state)
{
	(void)state;
	attributes_are(RADIUS_IRI_BLANKED, "f109 1a 00000137 0161", "f109 1a 00000137 xxxx");
	attributes_are(RADIUS_IRI_WHOLE, "f109 1a 0001869f 0161", "f109 1a 0001869f 0161");
	attributes_are(RADIUS_IRI_BLANKED, "f106 1a 000001", "f106 1a xxxxxx");
	attributes_are(RADIUS_IRI_BLANKED, "f50a 1a 80 0001869f 0161", "f50a 1a xx xxxxxxxx xxxx");
	attributes_are(RADIUS_IRI_WHOLE, "f505 01 0061 f202", "f505 01 0061 f202");
}

static void too_little_room_is_refused(void **state)
{
	(void)state;
	begin();
	draft_text(&draft, 2, "abc");
	for (size_t room = 0; room < draft.w.len; room++) {
		uint8_t *block = exact_copy(out, room);
		struct writer w = writer_of(block, room);
		assert_int_equal(
			radius_iri_write(draft_bytes(&draft), &BLANKED, &w), RADIUS_IRI_NO_ROOM);
		assert_int_equal(w.len, 0);
		free(block);
	}
}

static void what_was_written_before_stays(void **state)
{
	(void)state;
	begin();
	draft_text(&draft, 2, "abc");
	struct writer w = writer_of(out, sizeof out);
	write_text(&w, "before");
	assert_int_equal(radius_iri_write(draft_bytes(&draft), &BLANKED, &w), RADIUS_IRI_BLANKED);
	assert_int_equal(w.len, 6 + draft.w.len);
	assert_memory_equal(out, "before", 6);
	assert_memory_equal(out + 6, draft.octets, draft.w.len - 3);
	assert_memory_equal(out + w.len - 3, "xxx", 3);
}

// No octet of a secret may show, wherever the packet ends.
static void prefix_report(struct bytes prefix)
{
	uint8_t *room = malloc(prefix.len ? prefix.len : 1);
	assert_non_null(room);
	struct writer w = writer_of(room, prefix.len);
	assert_int_not_equal(radius_iri_write(prefix, &BLANKED, &w), RADIUS_IRI_NO_ROOM);
	assert_int_equal(w.len, prefix.len);
	assert_null(w.len ? memchr(room, 'S', w.len) : NULL);
	free(room);
}

static void a_cut_packet_shows_no_secret(void **state)
{
	(void)state;
	begin();
	draft_text(&draft, RADIUS_USER_NAME, "bob");
	draft_text(&draft, 2, "SSSSSSSSSSSSSSSS");
	draft_text(&draft, 79, "SSSSSSSS");
	draft_vendor(&draft, 311, 25, "SSSSSSSS");
	draft_vendor(&draft, 9, 1, "psk=SSSSSSSS");
	cut_at_every_length(draft_bytes(&draft), prefix_report);
}

// Attributes that tshark finds in them: of each, every octet behind the header is x.
static void captures_lose_their_credentials(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned passwords, eap, keys; // attributes 2, 79; of Microsoft
	} captures[] = {
		{"radius-auth-accounting-start-stop.pcap", 0, 46, 4},
		{"ethernet/radius-auth-acct-coa-freeradius.pcap", 281, 0, 0},
		{"ethernet/radius-ipv6-attrs-rfc3162.pcap", 1, 0, 0},
	};
	unsigned found = 0;
	for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
		FILE *file = capture_open(captures[i].name);
		if (!file)
			continue;
		found++;
		unsigned passwords = 0, eap = 0, keys = 0;
		size_t len;
		for (uint8_t *frame; (frame = capture_frame(file, &len)) != NULL; free(frame)) {
			struct packet p;
			struct radius radius;
			if (packet_parse(bytes_of(frame, len), &p) != PACKET_UDP ||
				radius_parse(p.payload, &radius) != PARSE_OK)
				continue;
			struct writer w = writer_of(out, sizeof out);
			radius_iri_write(radius.octets, &BLANKED, &w);
			struct bytes rest =
				bytes_slice(writer_bytes(&w), RADIUS_HEADER_LEN, SIZE_MAX);
			struct radius_attribute a;
			struct radius_vendor vendor;
			while (radius_next(&rest, &a)) {
				passwords += a.type == 2;
				eap += a.type == 79;
				bool is_key = a.type == RADIUS_VENDOR_SPECIFIC &&
				              radius_vendor_read(a.value, &vendor) &&
				              vendor.id == 311;
				keys += is_key;
				size_t from = is_key                        ? 6
				              : a.type == 2 || a.type == 79 ? 0
				                                            : a.value.len;
				for (; from < a.value.len; from++)
					assert_int_equal(a.value.at[from], 'x');
			}
		}
		fclose(file);
		if (passwords != captures[i].passwords || eap != captures[i].eap ||
			keys != captures[i].keys)
			fail_msg("%s: %u passwords, %u EAP-Messages, %u keys", captures[i].name,
				passwords, eap, keys);
	}
	captures_were_found(found, sizeof captures / sizeof *captures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_without_credentials_is_passed_octet_for_octet),
		cmocka_unit_test(credentials_are_blanked_and_lengths_stay),
		cmocka_unit_test(all_stays_where_secrets_are_kept),
		cmocka_unit_test(credentials_of_vendors_are_blanked),
		cmocka_unit_test(layouts_of_vendors_are_heeded),
		cmocka_unit_test(pairs_lose_the_values_that_are_secret),
		cmocka_unit_test(what_cannot_be_walked_is_blanked),
		cmocka_unit_test(extended_attributes_of_vendors_are_blanked),
		cmocka_unit_test(too_little_room_is_refused),
		cmocka_unit_test(what_was_written_before_stays),
		cmocka_unit_test(a_cut_packet_shows_no_secret),
		cmocka_unit_test(captures_lose_their_credentials),
	};
	return cmocka_run_group_tests_name("radius_iri", tests, NULL, NULL);
}
