#include "golden_x2.h"

#include <stdio.h>

#include "mf_output.h"
#include "mf_server.h"
#include "mf_text.h"

// What `write` puts into a file, as text; the caller frees.
struct output {
	char *text;
	size_t len;
	FILE *file;
};

static void output_start(struct output *o)
{
	o->file = open_memstream(&o->text, &o->len);
	assert_non_null(o->file);
}

static struct mf_pdu decoded(const struct block *b)
{
	struct mf_pdu pdu;
	size_t needed;
	assert_int_equal(mf_pdu_decode(block_bytes(b), &pdu, &needed), PARSE_OK);
	return pdu;
}

static char *json_of(const struct mf_pdu *pdu, struct mf_verdict verdict)
{
	struct output o;
	output_start(&o);
	mf_json_write(o.file, pdu, &verdict, "192.0.2.1:4000");
	fclose(o.file);
	return o.text;
}

static char *table_line_of(const struct mf_pdu *pdu, struct mf_verdict verdict)
{
	struct output o;
	output_start(&o);
	mf_table_write(o.file, pdu, &verdict);
	fclose(o.file);
	return o.text;
}

static void a_pdu_is_one_line_of_json_with_the_agreed_keys(void **state)
{
	(void)state;
	struct block b = block_of(GOLDEN_64);
	struct mf_pdu pdu = decoded(&b);
	char *text = json_of(&pdu, (struct mf_verdict){MF_ORDER_NEXT, 1, 0});
	assert_string_equal(text,
		"{\"version\":\"0.5\",\"type\":1,\"xid\":\"8c292fa1-5831-46ec-86be-bd85f2083299\","
		"\"seq\":1,\"correlation\":1234605616436508552,\"format\":5,\"direction\":3,"
		"\"time\":\"2026-01-01T00:00:00.123456789Z\",\"nfid\":\"probe-1.example.net\","
		"\"ipid\":\"NET-IRI-POI-0\",\"did\":null,\"src\":\"192.0.2.10\","
		"\"dst\":\"198.51.100.20\",\"sport\":49152,\"dport\":443,\"proto\":6,"
		"\"matched\":[\"<ipv4Address>192.0.2.10</ipv4Address>\"],\"other\":[],"
		"\"payload\":\"RQAAKBI0QABABjxKwAACCsYzZBTAAAG7AAAAAQAAAABQAiAAAAAAAA==\","
		"\"order\":\"next\",\"peer\":\"192.0.2.1:4000\"}\n");
	free(text);
}

static void what_a_pdu_does_not_have_is_null(void **state)
{
	(void)state;
	struct block b = block_of(GOLDEN_KEEPALIVE);
	struct mf_pdu pdu = decoded(&b);
	pdu.has_sequence = false;
	char *text = json_of(&pdu, (struct mf_verdict){MF_ORDER_NONE, 0, 0});
	assert_non_null(strstr(text, "\"seq\":null"));
	assert_non_null(
		strstr(text, "\"time\":null,\"nfid\":null,\"ipid\":null,\"did\":null,"
			     "\"src\":null,\"dst\":null,\"sport\":null,\"dport\":null,"
			     "\"proto\":null,\"matched\":[],\"other\":[],\"payload\":\"\""));
	assert_null(strstr(text, "problem"));
	free(text);
}

static void gaps_and_problems_stand_in_the_json(void **state)
{
	(void)state;
	struct block b = block_of(GOLDEN_64);
	b.octets[15] = 9;
	struct mf_pdu pdu = decoded(&b);
	char *text = json_of(&pdu, (struct mf_verdict){MF_ORDER_GAP, 3, 4});
	assert_non_null(strstr(text,
		"\"order\":\"gap\",\"expected\":3,\"missing\":4,\"problem\":["
		"\"payload direction 9 is out of range (at offset 14)\"],\"peer\":\"192.0.2.1:4000\"}\n"));
	free(text);
}

static void json_stays_json_whatever_the_text(void **state)
{
	(void)state;
	struct mf_pdu pdu = {.nfid = bytes_of_text("a\"b\\c\n\x01\x7f\xc3\xa4"),
		.ipid = bytes_of_text("\xe4\xff")};
	char *text = json_of(&pdu, (struct mf_verdict){MF_ORDER_NONE, 0, 0});
	assert_non_null(strstr(text, "\"nfid\":\"a\\\"b\\\\c\\u000a\\u0001\\u007f\xc3\xa4\""));
	assert_non_null(strstr(text, "\"ipid\":\"\\u00e4\\u00ff\""));
	free(text);
}

static void base64_is_right_for_every_rest(void **state)
{
	(void)state;
	static const struct {
		const char *data, *text;
	} samples[] = {
		{"", "\"payload\":\"\""},
		{"f", "\"payload\":\"Zg==\""},
		{"fo", "\"payload\":\"Zm8=\""},
		{"foo", "\"payload\":\"Zm9v\""},
		{"foob", "\"payload\":\"Zm9vYg==\""},
		{"\xfb\xff\xbf", "\"payload\":\"+/+/\""},
	}; // RFC 4648 section 10, and the two last digits
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct mf_pdu pdu = {.payload = bytes_of_text(samples[i].data)};
		char *text = json_of(&pdu, (struct mf_verdict){MF_ORDER_NONE, 0, 0});
		assert_non_null(strstr(text, samples[i].text));
		free(text);
	}
}

static void the_table_shows_who_and_what_of_a_sip_message(void **state)
{
	(void)state;
	struct block b = block_of(GOLDEN_64);
	struct mf_pdu pdu = decoded(&b);
	pdu.format = 9;
	pdu.payload = bytes_of_text("INVITE sip:bob@example.com SIP/2.0\r\n"
				    "f: \"<not me>\" <sip:alice@example.com>;tag=1\r\n"
				    "To: <sip:bob@example.com>\r\n\r\n");
	char *text = table_line_of(&pdu, (struct mf_verdict){MF_ORDER_NEXT, 1, 0});
	assert_string_equal(text,
		"2026-01-01 00:00:00.123  8c292fa1-5831-46ec-86be-bd85f2083299  from→  "
		"sip:alice@example.com           sip:bob@example.com             "
		"INVITE sip:bob@example.com SIP/2.0      1122334455667788  1\n");
	free(text);
}

static void the_table_shows_addresses_of_other_formats_and_findings(void **state)
{
	(void)state;
	struct block b = block_of(GOLDEN_64);
	struct mf_pdu pdu = decoded(&b);
	pdu.direction = 2;
	pdu.problems.count = 1;
	char *text = table_line_of(&pdu, (struct mf_verdict){MF_ORDER_GAP, 1, 2});
	assert_non_null(strstr(text, "  to→    192.0.2.10  "));
	assert_non_null(strstr(text, "  198.51.100.20  "));
	assert_non_null(strstr(text, "  IPv4 packet, 40 octets  "));
	assert_non_null(strstr(text, "  gap of 2  problem\n"));
	free(text);
}

static void nothing_in_the_table_steers_a_terminal(void **state)
{
	(void)state;
	struct mf_pdu pdu = {.format = 9,
		.direction = 99,
		.payload =
			bytes_of_text("INVITE \x1b[2J\x9b SIP/2.0\nFrom: \x07<sip:\x1b]0;x>\n\n")};
	char *text = table_line_of(&pdu, (struct mf_verdict){MF_ORDER_NONE, 0, 0});
	for (const char *c = text; *c && *c != '\n'; c++)
		assert_true(*c >= ' ' && *c <= '~');
	free(text);
}

static void the_lines_of_a_sip_message_are_found_in_every_spelling(void **state)
{
	(void)state;
	static const struct {
		const char *message, *start, *from, *to;
	} samples[] = {
		{"SIP/2.0 200 OK\nfrom :sip:a@example.com;tag=1\nTO:\tsip:b@example.com\n\n",
			"SIP/2.0 200 OK", "sip:a@example.com", "sip:b@example.com"},
		{"A\r\nF:\r\n <sip:a@example.com>\r\nt: B <sip:b@example.com>;x\r\n\r\n", "A",
			"sip:a@example.com", "sip:b@example.com"},
		{"A\r\nFrom: \"x\\\"<y>\" <sip:a@example.com>\r\n\r\nTo: <sip:body@example.com>",
			"A", "sip:a@example.com", ""},
		{"A\r\nFrom: <sip:a@example.com", "A", "sip:a@example.com", ""},
		{"A\r\nFax: <sip:f@x>\r\nTimestamp: <sip:t@x>\r\nFrom: <sip:a@x>\r\nTo: <sip:b@x>\r\n\r\n",
			"A", "sip:a@x", "sip:b@x"},
		{"A", "A", "", ""},
		{"", "", "", ""},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct mf_sip_lines lines = mf_sip_lines(bytes_of_text(samples[i].message));
		assert_true(bytes_equal(lines.start, bytes_of_text(samples[i].start)));
		assert_true(bytes_equal(lines.from, bytes_of_text(samples[i].from)));
		assert_true(bytes_equal(lines.to, bytes_of_text(samples[i].to)));
	}
}

static void read_lines(struct bytes prefix)
{
	struct mf_sip_lines lines = mf_sip_lines(prefix);
	assert_true(lines.start.len <= prefix.len && lines.from.len <= prefix.len);
}

static void a_sip_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	cut_at_every_length(
		bytes_of_text(
			"A\r\nFrom: \"x\\\"<y>\" <sip:a@example.com>\r\nt:\r\n sip:b\r\n\r\n"),
		read_lines);
}

static uint32_t word_at(const struct output *o, size_t offset)
{
	uint32_t word = 0;
	for (size_t i = 0; i < 4; i++)
		word = word << 8 | (uint8_t)o->text[offset + i];
	return word;
}

// Blocks follow one another to the very end, each with its length on both sides.
static void pcapng_blocks_are_whole_and_hold_the_pdu_behind_its_tags(void **state)
{
	(void)state;
	struct block b = block_of(GOLDEN_64), keepalive = block_of(GOLDEN_KEEPALIVE);
	struct mf_pdu pdu = decoded(&b), without_time = decoded(&keepalive);
	struct output o;
	output_start(&o);
	mf_pcapng_start(o.file);
	mf_pcapng_write(o.file, &pdu, 5);
	mf_pcapng_write(o.file, &without_time, 0x100000002);
	fclose(o.file);

	static const uint32_t types[] = {0x0a0d0d0a, 1, 6, 6};
	size_t at = 0, packets[2] = {0};
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(word_at(&o, at), types[i]);
		uint32_t len = word_at(&o, at + 4);
		assert_int_equal(len % 4, 0);
		assert_true(len <= o.len - at);
		assert_int_equal(word_at(&o, at + len - 4), len);
		if (i >= 2)
			packets[i - 2] = at;
		at += len;
	}
	assert_int_equal(at, o.len);
	assert_int_equal(word_at(&o, 28 + 8) >> 16, 252);

	struct block tags =
		block_of("000c0004 6c693567 00140004 c000020a 00150004 c6336414 "
			 "00180004 00000002 00190004 0000c000 001a0004 000001bb 00000000");
	size_t packet = packets[0];
	uint64_t time_ns = (uint64_t)word_at(&o, packet + 12) << 32 | word_at(&o, packet + 16);
	assert_true(time_ns == 1767225600123456789);
	assert_int_equal(word_at(&o, packet + 20), tags.len + b.len);
	assert_memory_equal(o.text + packet + 28, tags.octets, tags.len);
	assert_memory_equal(o.text + packet + 28 + tags.len, b.octets, b.len);
	assert_int_equal(word_at(&o, packets[1] + 12), 1);
	assert_int_equal(word_at(&o, packets[1] + 16), 2);
	free(o.text);
}

static void misbehaviour_is_read_with_its_number(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_good;
		enum mf_misbehaviour how;
		unsigned number;
	} samples[] = {
		{"refuse", true, MF_REFUSE, 0},
		{"refuse-for=60", true, MF_REFUSE, 60},
		{"stall", true, MF_STALL, 0},
		{"cut", true, MF_CUT, 0},
		{"cut=5", true, MF_CUT, 5},
		{"no-ack", true, MF_NO_ACK, 0},
		{"bad-ack", true, MF_BAD_ACK, 0},
		{"close-after=10", true, MF_CLOSE_AFTER, 10},
		{"kill-after=1", true, MF_KILL_AFTER, 1},
		{"", false, MF_BEHAVE, 0},
		{"refuse=1", false, MF_BEHAVE, 0},
		{"refuse-for", false, MF_BEHAVE, 0},
		{"close-after", false, MF_BEHAVE, 0},
		{"close-after=", false, MF_BEHAVE, 0},
		{"close-after=0", false, MF_BEHAVE, 0},
		{"close-after=-1", false, MF_BEHAVE, 0},
		{"close-after=1x", false, MF_BEHAVE, 0},
		{"stall=1", false, MF_BEHAVE, 0},
		{"stal", false, MF_BEHAVE, 0},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct mf_manners m = {MF_BEHAVE, 0};
		assert_int_equal(mf_manners_parse(samples[i].text, &m), samples[i].is_good);
		assert_int_equal(m.how, samples[i].how);
		assert_int_equal(m.number, samples[i].number);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pdu_is_one_line_of_json_with_the_agreed_keys),
		cmocka_unit_test(what_a_pdu_does_not_have_is_null),
		cmocka_unit_test(gaps_and_problems_stand_in_the_json),
		cmocka_unit_test(json_stays_json_whatever_the_text),
		cmocka_unit_test(base64_is_right_for_every_rest),
		cmocka_unit_test(the_table_shows_who_and_what_of_a_sip_message),
		cmocka_unit_test(the_table_shows_addresses_of_other_formats_and_findings),
		cmocka_unit_test(nothing_in_the_table_steers_a_terminal),
		cmocka_unit_test(the_lines_of_a_sip_message_are_found_in_every_spelling),
		cmocka_unit_test(a_sip_message_may_be_cut_anywhere),
		cmocka_unit_test(pcapng_blocks_are_whole_and_hold_the_pdu_behind_its_tags),
		cmocka_unit_test(misbehaviour_is_read_with_its_number),
	};
	return cmocka_run_group_tests_name("mf_output", tests, NULL, NULL);
}
