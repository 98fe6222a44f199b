#include "sip.h"
#include "unit.h"

#include <stdio.h>

static bool recognised(const char *text)
{
	struct bytes payload = bytes_of_text(text);
	bool is = sip_recognise(payload);
	if (is) // the cheap test must never hide what the other would take
		assert_true(sip_may_start(payload.at, payload.len));
	return is;
}

static void sip_is_recognised_by_its_start_line(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"INVITE sip:bob@example.com SIP/2.0\r\n",
		"INVITE sip:bob@example.com SIP/2.0", // and no more
		"XMETHOD sips:example.com SIP/2.0\r\n",
		"OPTIONS tel:+49301234 SIP/2.0\r\n",
		"OPTIONS urn:service:sos SIP/2.0\r\n", // another URI, but a known method
		"\r\n\r\nBYE sip:bob@example.com sip/2.0\r\n",
		"SIP/2.0 200 OK\r\n",
		"SIP/2.0 699 \r\n",
		"INVITE  sip:bob@example.com  SIP/2.0 \r\n",
		"INVITE sip:bob@example.com; lr SIP/2.0\n",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (!recognised(texts[i]))
			fail_msg("not recognised: %s", texts[i]);
}

static void other_protocols_are_not_taken_for_sip(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"\r\n\r\n",
		"OPTIONS rtsp://example.com/media.mp4 RTSP/1.0\r\nCSeq: 1\r\n\r\n",
		"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
		"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n",
		"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET sip:bob@example.com HTTP/1.1\r\n\r\n",
		"AUEP 1200 *@[192.0.2.1] MGCP 1.0\r\n\r\n",
		"XMETHOD urn:service:sos SIP/2.0\r\n",
		"OPTIONS * SIP/2.0\r\n",
		"OPTIONS  SIP/2.0\r\n",
		"INVITE sip:bob@example.com\r\n",
		"INVITE sip:bob@example.com SIP/3.0\r\n",
		"INVITE sip:bob@example.com SIP/2.01\r\n",
		"SIP/2.0 099 Low\r\n",
		"SIP/2.0 700 High\r\n",
		"SIP/2.0 OK\r\n",
		"SIP/3.0 200 OK\r\n",
		"xINVITE sip:bob@example.com SIP/2.0\r\n", // junk is for configured ports
		"invite sip:bob@example.com SIP/2.0\r\n",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (recognised(texts[i]))
			fail_msg("taken for SIP: %s", texts[i]);
}

static struct sip_message message; // large, and written by every parse

static unsigned defects_of(const char *start_line)
{
	static char text[256]; // `message` points into it
	int len = snprintf(text, sizeof text,
		"%s\r\nf:sip:a@example.com\r\nt:sip:b@example.com\r\ni:1\r\nCSeq:1 INVITE\r\n\r\n",
		start_line);
	if (sip_parse(bytes_of(text, (size_t)len), &message) != PARSE_OK)
		fail_msg("not parsed: %s", start_line);
	return message.defects;
}

static void a_start_line_by_the_grammar_is_no_defect(void **state)
{
	(void)state;
	assert_int_equal(defects_of("INVITE sip:bob@example.com SIP/2.0"), 0);
	assert_int_equal(defects_of("INVITE urn:service:sos sip/2.0"), 0);
	assert_int_equal(defects_of("\r\n\r\nSIP/2.0 180 Ringing"), 0);
	assert_int_equal(defects_of("SIP/2.0 180 "), 0);
}

static void a_start_line_that_can_be_read_all_the_same_is_a_defect(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"INVITE sip:bob@example.com SIP/7.0",
		"INVITE sip:bob@example.com",
		"INVITE <sip:bob@example.com> SIP/2.0",
		"INVITE  sip:bob@example.com SIP/2.0",
		"INVITE\tsip:bob@example.com SIP/2.0",
		"INVITE sip:bob@example.com SIP/2.0 ",
		"INVITE sip:bob@example.com; lr SIP/2.0",
		"INVITE bob@example.com SIP/2.0",
		"INVITE SIP/2.0",
		" INVITE sip:bob@example.com SIP/2.0",
		"\001\377INVITE sip:bob@example.com SIP/2.0",
		"123456789012345\377INVITE sip:bob@example.com SIP/2.0",
		"DBINVITE sip:bob@example.com SIP/2.0",
		"DBSIP/2.0 200 OK",
		"SIP/2.0 200",
		"SIP/2.0  200 OK",
		"SIP/2.0 20 OK",
		"SIP/2.0 4294967301 OK",
		"SIP/1.0 200 OK",
	};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		unsigned defects = defects_of(lines[i]);
		if (defects != SIP_DEFECT_START_LINE)
			fail_msg("defects 0x%x: %s", defects, lines[i]);
		assert_int_equal(message.method, SIP_INVITE);
	}
}

static void junk_before_the_start_line_is_left_out(void **state)
{
	(void)state;
	defects_of("DBINVITE sip:bob@example.com SIP/2.0");
	assert_memory_equal(message.octets.at, "INVITE", 6);
	assert_true(message.start_line.at == message.octets.at);
	assert_true(bytes_equal(message.method_text, bytes_of_text("INVITE")));
	defects_of("\001\001SIP/2.0 200 OK");
	assert_memory_equal(message.octets.at, "SIP/2.0", 7);
	assert_true(message.is_response);
}

static void more_junk_than_16_octets_hides_the_message(void **state)
{
	(void)state;
	struct bytes payload = bytes_of_text(
		"1234567890123456\377INVITE sip:bob@example.com SIP/2.0\r\nf:sip:a@example.com\r\n\r\n");
	assert_int_equal(sip_parse(payload, &message), PARSE_FOREIGN);
}

static void an_extension_method_that_ends_like_a_known_one_keeps_its_name(void **state)
{
	(void)state;
	struct bytes payload = bytes_of_text(
		"FEEDBACK sip:bob@example.com SIP/2.0\r\nCSeq: 1 FEEDBACK\r\nf:sip:a@example.com\r\n\r\n");
	assert_int_equal(sip_parse(payload, &message), PARSE_OK);
	assert_int_equal(message.method, SIP_METHOD_OTHER);
	assert_true(bytes_equal(message.method_text, bytes_of_text("FEEDBACK")));
	assert_false(message.defects & (SIP_DEFECT_START_LINE | SIP_DEFECT_CSEQ));

	payload = bytes_of_text("FEEDBACK sip:bob@example.com SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n");
	assert_int_equal(sip_parse(payload, &message), PARSE_OK);
	assert_true(bytes_equal(message.method_text, bytes_of_text("FEEDBACK")));
	assert_true(message.defects & SIP_DEFECT_CSEQ);
}

static void recognise(struct bytes prefix)
{
	sip_recognise(prefix);
}

static void no_prefix_of_a_start_line_is_read_past_its_end(void **state)
{
	(void)state;
	cut_at_every_length(
		bytes_of_text("\r\nINVITE <sip:bob@example.com> SIP/2.0\r\n"), recognise);
	cut_at_every_length(bytes_of_text("SIP/2.0 200 OK\r\n"), recognise);
	cut_at_every_length(bytes_of_text("MESSAGE sip:bob@example.com SIP/2.0 \r"), recognise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sip_is_recognised_by_its_start_line),
		cmocka_unit_test(other_protocols_are_not_taken_for_sip),
		cmocka_unit_test(a_start_line_by_the_grammar_is_no_defect),
		cmocka_unit_test(a_start_line_that_can_be_read_all_the_same_is_a_defect),
		cmocka_unit_test(junk_before_the_start_line_is_left_out),
		cmocka_unit_test(more_junk_than_16_octets_hides_the_message),
		cmocka_unit_test(an_extension_method_that_ends_like_a_known_one_keeps_its_name),
		cmocka_unit_test(no_prefix_of_a_start_line_is_read_past_its_end),
	};
	return cmocka_run_group_tests_name("sip_start_line", tests, NULL, NULL);
}
