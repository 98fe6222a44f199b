#include "sip.h"
#include "unit.h"

#include <stdio.h>

static struct sip_message message; // large, and written by every parse

static const struct sip_message *parsed(const char *text)
{
	assert_int_equal(sip_parse(bytes_of_text(text), &message), PARSE_OK);
	return &message;
}

static void is(struct bytes part, const char *expected)
{
	if (!bytes_equal(part, bytes_of_text(expected)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)part.len, (const char *)part.at, expected);
}

static void field_is(enum sip_header_name name, unsigned nth, const char *expected)
{
	const struct sip_header *field = sip_header(&message, name, nth);
	assert_non_null(field);
	is(field->value, expected);
}

// In every spelling at once: compact, folded, odd case, blanks before the colon.
#define INVITE                                                                                     \
	"INVITE sip:bob@example.net SIP/2.0\r\n"                                                   \
	"Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKa\r\n"                                          \
	"v : SIP/2.0/UDP 192.0.2.11\r\n\t;branch=z9hG4bKb\r\n"                                     \
	"TO\t:\r\n <sip:bob@example.net>\r\n"                                                      \
	"f:\"Alice\" <sip:alice@example.com>;tag=1\r\n"                                            \
	"i: call-1@192.0.2.10\r\n"                                                                 \
	"cSeq: 0009\r\n  INVITE\r\n"                                                               \
	"p-asserted-IDENTITY: <sip:alice@example.com>, <tel:+4930123>\r\n"                         \
	"s:\r\n"                                                                                   \
	"P-Asserted-Identity: <tel:112>\r\n"                                                       \
	"c:text/plain\r\n"                                                                         \
	"L: 5 \r\n"                                                                                \
	"\r\n"                                                                                     \
	"hello"

static void a_request_is_read_in_every_spelling(void **state)
{
	(void)state;
	const struct sip_message *m = parsed(INVITE);
	assert_int_equal(m->defects, 0);
	assert_false(m->is_response);
	assert_int_equal(m->method, SIP_INVITE);
	is(m->method_text, "INVITE");
	is(m->start_line, "INVITE sip:bob@example.net SIP/2.0");
	is(m->request_uri, "sip:bob@example.net");
	is(m->call_id, "call-1@192.0.2.10");
	assert_int_equal(m->cseq, 9);
	is(m->from, "\"Alice\" <sip:alice@example.com>;tag=1");
	is(m->to, "<sip:bob@example.net>");
	is(m->body, "hello");
	assert_true(m->has_content_length);
	is(m->octets, INVITE);
	assert_memory_equal(m->header_block.at, "Via:", 4);
	assert_memory_equal(m->header_block.at + m->header_block.len - 6, "5 \r\n\r\n", 6);

	assert_int_equal(m->header_count, 11);
	field_is(SIP_VIA, 1, "SIP/2.0/UDP 192.0.2.11\r\n\t;branch=z9hG4bKb");
	field_is(SIP_P_ASSERTED_IDENTITY, 0, "<sip:alice@example.com>, <tel:+4930123>");
	field_is(SIP_P_ASSERTED_IDENTITY, 1, "<tel:112>");
	assert_null(sip_header(m, SIP_P_ASSERTED_IDENTITY, 2));
	assert_null(sip_header(m, SIP_CONTACT, 0));
	field_is(SIP_CONTENT_TYPE, 0, "text/plain");
	field_is(SIP_HEADER_OTHER, 0, ""); // s:
	is(m->headers[2].name_text, "TO");
}

static void a_response_takes_its_method_from_cseq(void **state)
{
	(void)state;
	const struct sip_message *m = parsed(
		"SIP/2.0 487 Request Terminated\r\nf:<sip:a@example.com>\r\nt:<sip:b@example.com>\r\n"
		"i:1\r\nCSeq:7 SUBSCRIBE\r\n\r\n");
	assert_true(m->is_response);
	assert_int_equal(m->status, 487);
	assert_int_equal(m->method, SIP_SUBSCRIBE);
	assert_int_equal(m->request_uri.len, 0);
	assert_int_equal(m->defects, 0);
	assert_false(m->has_content_length);
}

static void every_method_and_field_name_is_known(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum sip_method method;
	} methods[] = {{"INVITE", SIP_INVITE}, {"ACK", SIP_ACK}, {"BYE", SIP_BYE},
		{"CANCEL", SIP_CANCEL}, {"REGISTER", SIP_REGISTER}, {"OPTIONS", SIP_OPTIONS},
		{"PRACK", SIP_PRACK}, {"SUBSCRIBE", SIP_SUBSCRIBE}, {"NOTIFY", SIP_NOTIFY},
		{"PUBLISH", SIP_PUBLISH}, {"INFO", SIP_INFO}, {"REFER", SIP_REFER},
		{"MESSAGE", SIP_MESSAGE}, {"UPDATE", SIP_UPDATE}, {"INVITES", SIP_METHOD_OTHER},
		{"bye", SIP_METHOD_OTHER}};
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		char text[128];
		snprintf(
			text, sizeof text, "%s sip:a@example.com SIP/2.0\r\n\r\n", methods[i].text);
		assert_int_equal(parsed(text)->method, methods[i].method);
	}

	static const struct {
		const char *text;
		enum sip_header_name name;
	} names[] = {{"From", SIP_FROM}, {"f", SIP_FROM}, {"tO", SIP_TO}, {"T", SIP_TO},
		{"Call-ID", SIP_CALL_ID}, {"i", SIP_CALL_ID}, {"CSeq", SIP_CSEQ}, {"VIA", SIP_VIA},
		{"v", SIP_VIA}, {"Contact", SIP_CONTACT}, {"m", SIP_CONTACT},
		{"Content-Length", SIP_CONTENT_LENGTH}, {"l", SIP_CONTENT_LENGTH},
		{"Content-Type", SIP_CONTENT_TYPE}, {"c", SIP_CONTENT_TYPE},
		{"Content-Encoding", SIP_CONTENT_ENCODING}, {"e", SIP_CONTENT_ENCODING},
		{"P-Asserted-Identity", SIP_P_ASSERTED_IDENTITY},
		{"P-Preferred-Identity", SIP_P_PREFERRED_IDENTITY},
		{"P-Called-Party-ID", SIP_P_CALLED_PARTY_ID}, {"diversion", SIP_DIVERSION},
		{"History-Info", SIP_HISTORY_INFO}, {"Refer-To", SIP_REFER_TO}, {"r", SIP_REFER_TO},
		{"Referred-By", SIP_REFERRED_BY}, {"b", SIP_REFERRED_BY},
		{"Authorization", SIP_AUTHORIZATION},
		{"Proxy-Authorization", SIP_PROXY_AUTHORIZATION},
		{"Subscription-State", SIP_SUBSCRIPTION_STATE}, {"Expires", SIP_EXPIRES},
		{"Event", SIP_EVENT}, {"o", SIP_EVENT}, {"s", SIP_HEADER_OTHER},
		{"k", SIP_HEADER_OTHER}, {"x", SIP_HEADER_OTHER}, {"*", SIP_HEADER_OTHER},
		{"Frog", SIP_HEADER_OTHER}, {"Fram", SIP_HEADER_OTHER},
		{"C_ll-ID", SIP_HEADER_OTHER}, {"Call_ID", SIP_HEADER_OTHER},
		{"C%6Fntact", SIP_HEADER_OTHER}};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char text[128];
		snprintf(text, sizeof text, "BYE sip:a@example.com SIP/2.0\r\n%s: x\r\n\r\n",
			names[i].text);
		const struct sip_message *m = parsed(text);
		assert_int_equal(m->header_count, 1);
		if (m->headers[0].name != names[i].name)
			fail_msg("%s is not field name %d", names[i].text, names[i].name);
	}
}

static void every_defect_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(sip_defect_name(0), "start_line");
	assert_string_equal(sip_defect_name(3), "content_length");
	assert_string_equal(sip_defect_name(SIP_DEFECT_COUNT - 1), "too_many_headers");
	assert_string_equal(sip_defect_name(SIP_DEFECT_COUNT), "unknown");
}

#define START "BYE sip:bob@example.net SIP/2.0\r\n"
#define WHOLE START "f:sip:a@example.com\r\nt:sip:b@example.com\r\ni:1\r\nCSeq:1 BYE\r\n"

static void has_defects(const char *text, unsigned expected)
{
	unsigned defects = parsed(text)->defects;
	if (defects != expected)
		fail_msg("defects 0x%x, not 0x%x: %s", defects, expected, text);
}

static void defects_are_named_and_lose_no_message(void **state)
{
	(void)state;
	has_defects(WHOLE "\r\n", 0);
	has_defects(WHOLE, SIP_DEFECT_NO_END_OF_HEADERS);
	has_defects(START "\r\n",
		SIP_DEFECT_NO_FROM | SIP_DEFECT_NO_TO | SIP_DEFECT_NO_CALL_ID | SIP_DEFECT_CSEQ);
	has_defects(START "f:\r\nt: \r\ni:\r\nCSeq:1 BYE\r\n\r\n",
		SIP_DEFECT_NO_FROM | SIP_DEFECT_NO_TO | SIP_DEFECT_NO_CALL_ID);
	has_defects(WHOLE "Foobar roobar\r\n\r\n", SIP_DEFECT_HEADER_LINE);
	has_defects(WHOLE "bad name: x\r\n\r\n", SIP_DEFECT_HEADER_LINE);
	has_defects(WHOLE ": x\r\n\r\n", SIP_DEFECT_HEADER_LINE);
	has_defects(START
		" x:y\r\nf:sip:a@example.com\r\nt:sip:b@example.com\r\ni:1\r\nCSeq:1 BYE\r\n\r\n",
		SIP_DEFECT_HEADER_LINE);
}

static void a_cseq_that_cannot_be_read_is_a_defect(void **state)
{
	(void)state;
#define CSEQ(value)                                                                                \
	START "f:sip:a@example.com\r\nt:sip:b@example.com\r\ni:1\r\nCSeq:" value "\r\n\r\n"
	has_defects(CSEQ("4294967294 BYE"), 0);
	assert_int_equal(message.cseq, 4294967294);
	has_defects(CSEQ("4294967295 BYE"), SIP_DEFECT_CSEQ);
	has_defects(CSEQ("36893488147419103232 BYE"), SIP_DEFECT_CSEQ);
	has_defects(CSEQ("BYE"), SIP_DEFECT_CSEQ);
	has_defects(CSEQ("1"), SIP_DEFECT_CSEQ);
	has_defects(CSEQ("1 INVITE"), SIP_DEFECT_CSEQ);
	assert_int_equal(message.method, SIP_BYE);
}

static void the_body_is_as_long_as_content_length_says(void **state)
{
	(void)state;
	has_defects(WHOLE "l:3\r\n\r\nabcdef", 0);
	is(message.body, "abc");
	assert_int_equal(message.octets.len, strlen(WHOLE "l:3\r\n\r\nabc"));
	has_defects(WHOLE "l:3\r\nContent-Length: 003\r\n\r\nabcdef", 0);
	is(message.body, "abc");
	has_defects(WHOLE "\r\nabcdef", 0);
	is(message.body, "abcdef");
	has_defects(WHOLE "l:7\r\n\r\nabcdef", SIP_DEFECT_BODY_CUT);
	is(message.body, "abcdef");
	assert_true(message.has_content_length);
	has_defects(WHOLE "l:99999999999999999999\r\n\r\nabcdef", SIP_DEFECT_BODY_CUT);
}

static void without_a_readable_content_length_the_body_is_all_that_is_left(void **state)
{
	(void)state;
	static const char *const fields[] = {"l:-1", "l:bad", "l:", "l:1 2", "l:1,1", "l:3\r\nl:4",
		"l:x\r\nl:3", "l:3\r\nl:x", "l:0x3"};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		char text[256];
		snprintf(text, sizeof text, WHOLE "%s\r\n\r\nabcdef", fields[i]);
		has_defects(text, SIP_DEFECT_CONTENT_LENGTH);
		is(message.body, "abcdef");
		assert_false(message.has_content_length);
	}
}

static void two_messages_in_one_datagram_are_read_one_after_the_other(void **state)
{
	(void)state;
	struct bytes payload = bytes_of_text("\r\n" WHOLE "l:0\r\n\r\n\r\n\r\n" INVITE);
	assert_int_equal(sip_parse(payload, &message), PARSE_OK);
	assert_int_equal(message.method, SIP_BYE);
	size_t consumed = (size_t)(message.octets.at - payload.at) + message.octets.len;
	struct bytes rest = bytes_slice(payload, consumed, SIZE_MAX);
	assert_true(sip_recognise(rest));
	assert_int_equal(sip_parse(rest, &message), PARSE_OK);
	is(message.octets, INVITE);
}

static void lines_may_end_in_lf_or_in_cr_alone(void **state)
{
	(void)state;
	has_defects(
		"BYE sip:b@example.net SIP/2.0\nf:sip:a@example.com\nt:sip:b@example.net\n ;x=y\r\n"
		"i:1\nCSeq:1 BYE\n\nbody",
		0);
	is(message.to, "sip:b@example.net\n ;x=y");
	is(message.body, "body");
	has_defects(
		"BYE sip:b@example.net SIP/2.0\rf:sip:a@example.com\rt:sip:b@example.net\r ;x=y\r"
		"i:1\rCSeq:1 BYE\r\rbody",
		0);
	is(message.to, "sip:b@example.net\r ;x=y");
	is(message.body, "body");
}

static void lines_may_end_in_two_crs_and_lf(void **state)
{
	(void)state;
	has_defects(
		"BYE sip:b@example.net SIP/2.0\r\r\nf:sip:a@example.com\r\r\nt:sip:b@example.net\r\r\n"
		"i:1\r\r\nCSeq:1 BYE\r\r\n\r\r\nbody",
		0);
	is(message.from, "sip:a@example.com");
	is(message.body, "body");
}

// Others do not end a line there, and would find the From.
static void a_lone_cr_hides_nothing_in_a_message_with_line_feeds(void **state)
{
	(void)state;
	const struct sip_message *m = parsed(START "s: x\r\ry: z\r\nf:sip:a@example.com\r\n\r\n");
	is(m->from, "sip:a@example.com");
	assert_int_equal(m->body.len, 0);
}

static void what_is_repeated_cannot_displace_another_field(void **state)
{
	(void)state;
	static char text[65536];
	struct writer w = writer_of(text, sizeof text);
	write_text(&w, START);
	for (unsigned i = 0; i < 10000; i++)
		write_text(&w, i % 2 ? "x:\r\n" : "v:\r\n");
	write_text(&w, "i:1\r\nCSeq:1 BYE\r\nf:<sip:a@example.com>\r\nt:<sip:b@example.com>\r\n"
		       "f:<sip:c@example.com>\r\nl:3\r\n\r\nabcdef");
	assert_int_equal(sip_parse(writer_bytes(&w), &message), PARSE_OK);
	assert_int_equal(message.defects, SIP_DEFECT_TOO_MANY_HEADERS);
	is(message.from, "<sip:a@example.com>");
	is(message.to, "<sip:b@example.com>");
	is(message.body, "abc");
	assert_true(message.header_count <= SIP_MAX_HEADERS);
	field_is(SIP_FROM, 0, "<sip:a@example.com>");
}

static void as_many_fields_as_there_is_room_for_are_no_defect(void **state)
{
	(void)state;
	static char text[65536];
	struct writer w = writer_of(text, sizeof text);
	write_text(&w, WHOLE);
	for (unsigned i = 4; i < SIP_MAX_HEADERS - SIP_HEADER_NAMES; i++)
		write_text(&w, "v:\r\n");
	write_text(&w, "m:*\r\n\r\n");
	assert_int_equal(sip_parse(writer_bytes(&w), &message), PARSE_OK);
	assert_int_equal(message.defects, 0);
	assert_int_equal(message.header_count, SIP_MAX_HEADERS - SIP_HEADER_NAMES + 1);
}

static void what_is_no_message_is_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *octets;
		size_t len;
		enum parse_result result;
	} payloads[] = {
		{"", 0, PARSE_TRUNCATED},
		{"\r\n\r\n", 4, PARSE_TRUNCATED},
		{"\0\0\0\0", 4, PARSE_TRUNCATED},
		{"\r\n\0", 3, PARSE_TRUNCATED},
		{"hello", 5, PARSE_FOREIGN},
		{"PING\r\n", 6, PARSE_FOREIGN},
		{"\200\0\1\2", 4, PARSE_FOREIGN},
		{"SIP/2.0 200 OK\r\n\r\n", 18, PARSE_FOREIGN}, // nobody's
		{"INVITE SIP/2.0\r\n\r\n", 18, PARSE_FOREIGN},
		{"INVITE sip:bob@exam", 19, PARSE_FOREIGN}, // cut: whose URI it was is not known
		{"OPTIONS rtsp://example.com RTSP/1.0\r\n\r\n", 39, PARSE_FOREIGN},
		{"M-SEARCH * HTTP/1.1\r\n\r\n", 23, PARSE_FOREIGN},
		{"NOTIFY * HTTP/1.1\r\n\r\n", 21, PARSE_FOREIGN},
		{"AUEP 1200 *@[192.0.2.1] MGCP 1.0\r\n", 34, PARSE_FOREIGN},
		{"GET sip:a HTTP/1.1\r\n", 20, PARSE_FOREIGN},
	};
	for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
		struct bytes payload = bytes_of(payloads[i].octets, payloads[i].len);
		if (sip_parse(payload, &message) != payloads[i].result)
			fail_msg("wrong result for %s", payloads[i].octets);
	}
}

static void one_identity_is_enough(void **state)
{
	(void)state;
	static const char *const fields[] = {"f:sip:a@example.com", "To:sip:a@example.com",
		"m:<sip:a@example.com>", "P-Asserted-Identity:<tel:112>"};
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		char text[128];
		snprintf(text, sizeof text, "SIP/2.0 200 OK\r\n%s", fields[i]);
		parsed(text);
	}
}

static void parse_and_walk(struct bytes prefix)
{
	struct bytes value;
	if (sip_parse(prefix, &message) != PARSE_OK)
		return;
	assert_true(message.octets.len <= prefix.len);
	for (unsigned i = 0; i < message.header_count; i++)
		while (sip_value_next(&message.headers[i].value, &value))
			assert_true(value.len > 0);
}

static void no_prefix_of_a_message_is_read_past_its_end(void **state)
{
	(void)state;
	cut_at_every_length(bytes_of_text(INVITE), parse_and_walk);
	cut_at_every_length(
		bytes_of_text("\r\n\1xSIP/2.0 200 OK\rf : a\r b\rl:1\r\rx"), parse_and_walk);
	cut_at_every_length(bytes_of_text("xyBYE sip:a \n f:b\nCSeq:1\n BYE\n\nx"), parse_and_walk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_in_every_spelling),
		cmocka_unit_test(a_response_takes_its_method_from_cseq),
		cmocka_unit_test(every_method_and_field_name_is_known),
		cmocka_unit_test(every_defect_has_a_name),
		cmocka_unit_test(defects_are_named_and_lose_no_message),
		cmocka_unit_test(a_cseq_that_cannot_be_read_is_a_defect),
		cmocka_unit_test(the_body_is_as_long_as_content_length_says),
		cmocka_unit_test(without_a_readable_content_length_the_body_is_all_that_is_left),
		cmocka_unit_test(two_messages_in_one_datagram_are_read_one_after_the_other),
		cmocka_unit_test(lines_may_end_in_lf_or_in_cr_alone),
		cmocka_unit_test(lines_may_end_in_two_crs_and_lf),
		cmocka_unit_test(a_lone_cr_hides_nothing_in_a_message_with_line_feeds),
		cmocka_unit_test(what_is_repeated_cannot_displace_another_field),
		cmocka_unit_test(as_many_fields_as_there_is_room_for_are_no_defect),
		cmocka_unit_test(what_is_no_message_is_told_apart),
		cmocka_unit_test(one_identity_is_enough),
		cmocka_unit_test(no_prefix_of_a_message_is_read_past_its_end),
	};
	return cmocka_run_group_tests_name("sip", tests, NULL, NULL);
}
