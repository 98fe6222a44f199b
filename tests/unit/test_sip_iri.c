#include "unit.h"

#include <stdio.h>

#include "sip_iri.h"

enum { ROOM = 70000 };

#define START                                                                                      \
	"INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"     \
	"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.net>\r\nCall-ID: "            \
	"a@example.com\r\nCSeq: 1 INVITE\r\n"
#define SDP "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nm=audio 4000 RTP/AVP 0\r\n"

static const struct sip_iri_rules RULES = {.kept_types = NULL};

// A message of START, further fields and a body, with a Content-Length that is true.
static char *message_of(const char *fields, const char *body)
{
	static char text[ROOM];
	snprintf(text, sizeof text, START "%sContent-Length: %zu\r\n\r\n%s", fields, strlen(body),
		body);
	return text;
}

static size_t header_len(const struct sip_message *m)
{
	return m->octets.len - m->body.len;
}

// What is reported of `text`, which must be a SIP message again, with a true Content-Length.
static enum sip_iri_result reduce_by(
	const struct sip_iri_rules *rules, const char *text, char out[static ROOM])
{
	size_t len = strlen(text);
	uint8_t *block = exact_copy(text, len);
	struct sip_message m, again;
	assert_int_equal(sip_parse(bytes_of(block, len), &m), PARSE_OK);
	size_t cap = m.octets.len + SIP_IRI_GROWTH;
	uint8_t *room = malloc(cap);
	assert_non_null(room);
	struct writer w = writer_of(room, cap);
	enum sip_iri_result result = sip_iri_write(&m, rules, &w);
	assert_int_not_equal(result, SIP_IRI_NO_ROOM);
	assert_int_equal(sip_parse(writer_bytes(&w), &again), PARSE_OK);
	assert_int_equal(again.octets.len, w.len);
	if (result == SIP_IRI_WITHHELD) {
		assert_true(again.has_content_length);
		assert_int_equal(
			again.defects & (SIP_DEFECT_BODY_CUT | SIP_DEFECT_CONTENT_LENGTH), 0);
		assert_true(again.body.len < m.body.len || header_len(&again) != header_len(&m));
	}
	if (result == SIP_IRI_BLANKED)
		assert_int_equal(again.body.len, m.body.len);
	if (result == SIP_IRI_WHOLE)
		assert_true(bytes_equal(writer_bytes(&w), m.octets));
	memcpy(out, w.at, w.len);
	out[w.len] = 0;

	// One octet too little is refused, and not written over.
	if (w.len) {
		uint8_t *tight = malloc(w.len - 1 ? w.len - 1 : 1);
		struct writer small = writer_of(tight, w.len - 1);
		assert_int_equal(sip_iri_write(&m, rules, &small), SIP_IRI_NO_ROOM);
		free(tight);
	}
	free(room);
	free(block);
	return result;
}

static enum sip_iri_result reduce(const char *text, char out[static ROOM])
{
	return reduce_by(&RULES, text, out);
}

static char out[ROOM];

static const char *body(void)
{
	return strstr(out, "\r\n\r\n") + 4;
}

static void sdp_without_keys_passes_octet_for_octet(void **state)
{
	(void)state;
	char *text = message_of("Content-Type: application/sdp\r\n", SDP);
	assert_int_equal(reduce(text, out), SIP_IRI_WHOLE);
	assert_string_equal(out, text);
	text = message_of("c:\r\n Application/SDP ; charset=\"x;y\"\r\n", SDP);
	assert_int_equal(reduce(text, out), SIP_IRI_WHOLE);
	text = message_of("c: application/sdp\r\nContent-Type: application/sdp\r\n", SDP);
	assert_int_equal(reduce(text, out), SIP_IRI_WHOLE);
	text = message_of("", "");
	assert_int_equal(reduce(text, out), SIP_IRI_WHOLE);
}

static void content_is_removed_and_the_length_says_so(void **state)
{
	(void)state;
	static const char *const fields[] = {
		"Content-Type: text/plain\r\n",
		"Content-Type: application/dtmf-relay\r\n",
		"Content-Type: application/dtmf\r\n",
		"Content-Type: application/vnd.3gpp.sms\r\n",
		"c: message/cpim\r\n",
		"", // no type at all
		"Content-Type: \r\n",
		"Content-Type: application/sdp, text/plain\r\n",
		"Content-Type: application/sdp\r\nContent-Type: text/plain\r\n",
		"Content-Type: text/plain\r\nc: application/sdp\r\n",
		"Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n",
		"Content-Type: application/sdp\r\ne: deflate\r\n",
		"Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n",
		"Content-Type: multipart/mixed\r\n",
		"Content-Type: multipart/mixed;boundary=\"\"\r\n",
		"Content-Type: applicatio/sdp\r\n",
	};
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		char *text = message_of(fields[i], "Meet me at noon");
		assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
		assert_null(strstr(out, "noon"));
		assert_non_null(strstr(out, "Content-Length: 0\r\n\r\n"));
		assert_non_null(strstr(out, fields[i]));
	}
}

static void every_form_of_content_length_is_rewritten(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *reported;
	} samples[] = {
		{"l: 4\r\n", "l: 0\r\n"},
		{"CONTENT-length  :4\r\n", "CONTENT-length  :0\r\n"},
		{"Content-Length:\r\n 4 \r\n", "Content-Length:\r\n 0 \r\n"},
		{"l: 4\r\nContent-Length: 4\r\n", "l: 0\r\nContent-Length: 0\r\n"},
		{"l: 4\r\nContent-Length: 5\r\n", "l: 0\r\nContent-Length: 0\r\n"},
		{"l: many\r\n", "l: 0\r\n"},
		{"l: 4000\r\n", "l: 0\r\n"},
		{"l:\r\nl:\r\n", "l:0\r\n"},
		{"", "Content-Length: 0\r\n"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		char text[2000], want[2000];
		snprintf(text, sizeof text, START "%s\r\ntext", samples[i].sent);
		snprintf(want, sizeof want, START "%s\r\n", samples[i].reported);
		assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
		assert_string_equal(out, want);
	}
}

static void other_line_ends_are_kept(void **state)
{
	(void)state;
	const char *lf = "MESSAGE sip:bob@example.net SIP/2.0\nFrom: <sip:alice@example.com>\n"
			 "To: <sip:bob@example.net>\nCall-ID: 1\nCSeq: 1 MESSAGE\nl: 4\n\ntext";
	assert_int_equal(reduce(lf, out), SIP_IRI_WITHHELD);
	assert_non_null(strstr(out, "\nl: 0\n\n"));
	assert_null(strstr(out, "text"));
	const char *cr = "MESSAGE sip:bob@example.net SIP/2.0\rFrom: <sip:alice@example.com>\r"
			 "To: <sip:bob@example.net>\rCall-ID: 1\rCSeq: 1 MESSAGE\rl: 4\r\rtext";
	assert_int_equal(reduce(cr, out), SIP_IRI_WITHHELD);
	assert_non_null(strstr(out, "\rl: 0\r\r"));
	assert_null(strstr(out, "text"));
}

static void keys_in_sdp_are_blanked_octet_for_octet(void **state)
{
	(void)state;
	const char *sdp = SDP "k=base64:c2VjcmV0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
			      "inline:c2VjcmV0\n  A=Crypto:2 x\ra=key-mgmt:mikey AQAF\r\n"
			      "a=crypto 3 c2VjcmV0\r\na=cryptography:no key\r\na=crypto:\r\nk=z";
	char *text = message_of("Content-Type: application/sdp\r\n", sdp);
	assert_int_equal(reduce(text, out), SIP_IRI_BLANKED);
	assert_string_equal(body(),
		SDP "k=xxxxxxxxxxxxxxx\r\na=crypto:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
		    "  A=Crypto:xxx\ra=key-mgmt:xxxxxxxxxx\r\n"
		    "a=cryptoxxxxxxxxxxx\r\na=cryptography:no key\r\na=crypto:\r\nk=x");
	struct sip_iri_rules keep = {.keep_sdp_keys = true};
	assert_int_equal(reduce_by(&keep, text, out), SIP_IRI_WHOLE);
}

#define PART(type, text) "--b1\r\nContent-Type: " type "\r\n\r\n" text "\r\n"
#define MIXED "Content-Type: multipart/mixed;boundary=b1\r\n"

static void of_a_multipart_body_the_allowed_parts_stay(void **state)
{
	(void)state;
	char *text = message_of(MIXED,
		PART("application/sdp", SDP) PART("application/isup", "\x01\x02") "--b1--\r\n");
	assert_int_equal(reduce(text, out), SIP_IRI_WHOLE);

	text = message_of(
		MIXED, PART("text/plain", "noon") PART("application/sdp", SDP) "--b1--\r\n\r\n");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), PART("application/sdp", SDP) "--b1--\r\n\r\n");

	text = message_of(MIXED, PART("application/sdp", SDP) PART("text/html", "noon") "--b1--");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), PART("application/sdp", SDP) "--b1--");
}

static void a_multipart_body_with_nothing_allowed_goes_whole(void **state)
{
	(void)state;
	char *text = message_of(MIXED, PART("text/plain", "noon") "--b1--\r\n");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), "");
	text = message_of(MIXED, "no delimiter at all");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), "");
}

static void a_part_without_a_type_is_text_and_goes(void **state)
{
	(void)state;
	char *text = message_of(MIXED,
		"--b1\r\n\r\nnoon\r\n" PART("application/sdp", SDP) "--b1\r\nnoon\r\n--b1--");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), PART("application/sdp", SDP) "--b1--");
}

static void what_stands_around_the_parts_goes(void **state)
{
	(void)state;
	char *text = message_of(
		MIXED, "noon\r\n" PART("application/sdp", SDP) "--b1--\r\nat the station");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), PART("application/sdp", SDP) "--b1--\r\n");
}

static void keys_are_blanked_and_parts_removed_at_any_allowed_depth(void **state)
{
	(void)state;
	char *text = message_of(MIXED,
		PART("multipart/related; boundary=\"b 2\"",
			"--b 2\r\nContent-Type: application/sdp\r\n\r\na=crypto:key\r\n"
			"--b 2\r\nContent-Type: text/plain\r\n\r\nnoon\r\n--b 2--") "--b1--\r\n");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(),
		PART("multipart/related; boundary=\"b 2\"",
			"--b 2\r\nContent-Type: application/sdp\r\n\r\na=crypto:xxx\r\n--b 2--") "--b1--\r\n");

	text = message_of(MIXED, PART("application/sdp", "a=crypto:key\r\n") "--b1--\r\n");
	assert_int_equal(reduce(text, out), SIP_IRI_BLANKED);
	assert_string_equal(body(), PART("application/sdp", "a=crypto:xxx\r\n") "--b1--\r\n");
}

static void a_multipart_body_that_ends_too_early_is_closed_when_it_is_cut(void **state)
{
	(void)state;
	char *text = message_of(MIXED, PART("text/plain", "noon") "--b1\r\nContent-Type: "
								  "application/sdp\r\n\r\nv=0");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), "--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b1--");
}

static void bodies_too_deep_and_parts_too_many_go(void **state)
{
	(void)state;
	char deep[4000], nested[4000] = "Content-Type: application/sdp\r\n\r\nv=0";
	for (unsigned depth = 1; depth <= 4; depth++) {
		snprintf(deep, sizeof deep, "--b%u\r\n%s\r\n--b%u--", depth, nested, depth);
		char fields[100];
		snprintf(fields, sizeof fields, "Content-Type: multipart/mixed;boundary=b%u\r\n",
			depth);
		char *text = message_of(fields, deep);
		assert_int_equal(reduce(text, out), depth <= 3 ? SIP_IRI_WHOLE : SIP_IRI_WITHHELD);
		snprintf(nested, sizeof nested, "%s\r\n%s", fields, deep);
	}

	char many[8000] = "";
	for (unsigned i = 0; i < 33; i++) {
		assert_int_equal(
			reduce(message_of(MIXED, i ? strcat(strcpy(deep, many), "--b1--")
						   : PART("application/sdp", "v") "--b1--"),
				out),
			SIP_IRI_WHOLE);
		strcat(many, PART("application/sdp", "v"));
	}
	char *text = message_of(MIXED, strcat(many, "--b1--"));
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
}

static void a_part_that_shrinks_has_its_own_length_rewritten(void **state)
{
	(void)state;
#define INNER(length, parts)                                                                       \
	"--b1\r\nContent-Type: multipart/mixed;boundary=z\r\n" length "\r\n" parts "\r\n--b1--"
	char *text = message_of(MIXED,
		INNER("Content-Length: 87\r\n",
			"--z\r\nContent-Type: text/plain\r\n\r\nnoon\r\n--z\r\nContent-Type: "
			"application/sdp\r\n\r\nv=0\r\n--z--"));
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_string_equal(
		body(), INNER("Content-Length: 48\r\n",
				"--z\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--z--"));
}

static void a_sipfrag_is_judged_like_a_message(void **state)
{
	(void)state;
	char *text = message_of("Content-Type: message/sipfrag;version=2.0\r\n", "SIP/2.0 200 OK");
	assert_int_equal(reduce(text, out), SIP_IRI_WHOLE);
	text = message_of("Content-Type: message/sipfrag\r\n",
		"MESSAGE sip:bob@example.net SIP/2.0\r\nc: text/plain\r\n\r\nnoon");
	assert_int_equal(reduce(text, out), SIP_IRI_WITHHELD);
	assert_null(strstr(out, "noon"));
	text = message_of("Content-Type: message/sipfrag\r\n",
		"INVITE sip:bob@example.net SIP/2.0\r\nc: application/sdp\r\n\r\nk=clear:1");
	assert_int_equal(reduce(text, out), SIP_IRI_BLANKED);
	assert_null(strstr(out, "clear"));
}

static void the_rules_say_which_types_stay(void **state)
{
	(void)state;
	static const char *const types[] = {"text/plain"};
	struct sip_iri_rules rules = {.kept_types = types, .kept_type_count = 1};
	char *text = message_of("Content-Type: Text/Plain\r\n", "noon");
	assert_int_equal(reduce_by(&rules, text, out), SIP_IRI_WHOLE);
	text = message_of("Content-Type: application/sdp\r\n", SDP);
	assert_int_equal(reduce_by(&rules, text, out), SIP_IRI_WITHHELD);
}

static void a_message_that_is_too_long_loses_its_body_whatever_it_is(void **state)
{
	(void)state;
	struct sip_iri_rules rules = {.drop_body = true};
	char *text = message_of("Content-Type: application/sdp\r\n", SDP);
	assert_int_equal(reduce_by(&rules, text, out), SIP_IRI_WITHHELD);
	assert_string_equal(body(), "");
	text = message_of("", "");
	assert_int_equal(reduce_by(&rules, text, out), SIP_IRI_WHOLE);
}

static void try_prefix(struct bytes prefix)
{
	struct sip_message m, again;
	if (sip_parse(prefix, &m) != PARSE_OK)
		return;
	uint8_t *room = malloc(m.octets.len + SIP_IRI_GROWTH);
	assert_non_null(room);
	struct writer w = writer_of(room, m.octets.len + SIP_IRI_GROWTH);
	enum sip_iri_result result = sip_iri_write(&m, &RULES, &w);
	assert_int_not_equal(result, SIP_IRI_NO_ROOM);
	assert_int_equal(sip_parse(writer_bytes(&w), &again), PARSE_OK);
	assert_null(memmem(w.at, w.len, "noon", 4));
	assert_null(memmem(w.at, w.len, "inline:c", 8));
	if (result == SIP_IRI_WITHHELD)
		assert_int_equal(
			again.defects & (SIP_DEFECT_BODY_CUT | SIP_DEFECT_CONTENT_LENGTH), 0);
	free(room);
}

static void no_prefix_of_a_message_shows_what_is_withheld(void **state)
{
	(void)state;
	char *text = message_of(MIXED,
		PART("text/plain", "noon") PART("application/sdp", "a=crypto:1 A inline:c2Vj\r\n")
			PART("multipart/mixed;boundary=z",
				"--z\r\n\r\nnoon\r\n--z\r\nContent-Type: application/sdp\r\n\r\n"
				"k=clear:inline:c\r\n--z--") "--b1--\r\nnoon");
	cut_at_every_length(bytes_of_text(text), try_prefix);
}

#define SECRET "Hello secret"

static void expect_no_secret(const char *text, enum sip_iri_result want)
{
	assert_int_equal(reduce(text, out), want);
	assert_null(strstr(out, "secret"));
	assert_null(strstr(out, "SECRET"));
	assert_non_null(strstr(out, "alice@example.com"));
	assert_non_null(strstr(out, "CSeq: 1 INVITE"));
}

static void without_an_empty_line_the_body_does_not_pass_for_header(void **state)
{
	(void)state;
#define TYPE "Content-Type: text/plain\r\n"
	static const char *const samples[] = {
		START TYPE "Content-Length: 5\r\n" SECRET,
		START TYPE "Content-Length: 5\r\n" SECRET "\r\n",
		START TYPE "Content-Length: 5\r\n" SECRET "\r\n\r\n",
		START TYPE "Content-Length: 5\r\nHello: secret\r\n",
		START TYPE "l: 5\r\n Hello secret",
		START TYPE SECRET "\r\nMore: secret\r\n\r\n",
		START TYPE " \r\n" SECRET "\r\n",
		START TYPE " \t\r\nHello: secret\r\n\r\n",
		START TYPE " \r\n Hello secret\r\n\r\n",
		START "Content-Type: text/plain\r\r" SECRET,
		START "Content-Type: text/plain\r\r" SECRET "\r\nHello: secret\r\n\r\n",
		START "Content-Type: text/plain\rl: 5\r\rHello: secret\r\n",
		START "X: y\r\r" SECRET "\r\n\r\n",
		START SECRET,
		START "Content-Type application/sdp\r\n" SECRET "\r\n\r\nMeet me: secret",
		START "Content-Type: application/sdp\r\n" SECRET "\r\n\r\nv=0\r\n",
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
		expect_no_secret(samples[i], SIP_IRI_WITHHELD);
	assert_string_equal(body(), "v=0\r\n");

	expect_no_secret(samples[0], SIP_IRI_WITHHELD);
	assert_string_equal(out, START TYPE "Content-Length: 0\r\n\r\n");
	expect_no_secret(samples[9], SIP_IRI_WITHHELD);
	assert_string_equal(out, START TYPE "Content-Length: 0\r\n\r\n");
}

static void lines_of_a_message_with_lone_crs_are_judged_too(void **state)
{
	(void)state;
#define CR_START                                                                                   \
	"MESSAGE sip:bob@example.net SIP/2.0\rFrom: <sip:alice@example.com>\r"                     \
	"To: <sip:bob@example.net>\rCall-ID: 1\rCSeq: 1 INVITE\r"
	expect_no_secret(CR_START "c: text/plain\n\nHello secret\r", SIP_IRI_WITHHELD);
	expect_no_secret(CR_START "c: text/plain\rl: 5\rHello secret", SIP_IRI_WITHHELD);
	assert_string_equal(out, CR_START "c: text/plain\rl: 0\r\r");
	expect_no_secret(CR_START "c: text/plain\r \rHello secret\r", SIP_IRI_WITHHELD);
	expect_no_secret(CR_START "c: text/plain\r\n \r\nHello secret\r\n", SIP_IRI_WITHHELD);
}

static void a_message_that_is_merely_cut_stays(void **state)
{
	(void)state;
	static const char *const samples[] = {
		START,
		START "P-Access-Network-Info: 3GPP-E-UT",
		START TYPE,
		START TYPE "Content-Length: 5",
		START TYPE "Content-Length: 5\r\n",
		START "Content-Length: 5\r\nContact: <sip:alice@192.0.2.1>",
		START "X:\r\n folded\r\n lines\r\n",
		START "X: y\r",
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		assert_int_equal(reduce(samples[i], out), SIP_IRI_WHOLE);
		assert_string_equal(out, samples[i]);
	}
}

static void no_party_can_be_hidden_behind_what_looks_like_an_end(void **state)
{
	(void)state;
	const char *text = "SIP/2.0 200 OK\r\nX: y\r\n \r\nHello: secret\r\nFrom:\r <sip:alice@"
			   "example.com>\r\nTo: <sip:bob@example.net>\r\nCall-ID: 1\r\n"
			   "CSeq: 1 INVITE\r\n\r\n";
	expect_no_secret(text, SIP_IRI_WITHHELD);
	assert_non_null(strstr(out, "bob@example.net"));
}

static void a_kept_type_is_believed_only_of_what_looks_like_it(void **state)
{
	(void)state;
	static const struct {
		const char *type, *body;
	} samples[] = {
		{"application/sdp", SECRET},
		{"application/sdp", SDP SECRET "\r\n"},
		{"application/sdp", SDP "\rHello=secret"},
		{"message/sipfrag", SECRET},
		{"message/sipfrag", "SIP/2.0 200 OK\r\n" SECRET},
		{"message/sipfrag", "SIP/2.0 200 OK\r\n " SECRET},
		{"message/sipfrag",
			"MESSAGE sip:b@example.net SIP/2.0\rc: text/plain\r\rHi: secret"},
		{"message/sipfrag", "From: <sip:b@example.net>\r\rHi: secret\r\n"},
		{"message/sipfrag", "From: <sip:b@example.net>\r\n \r\nHi: secret\r\n"},
		{"message/sipfrag", "c: text/plain\r\nHi: secret\r\n"},
		{"message/sipfrag", "SIP/2.0 200 OK\r\nc: application/sdp\r\nHi\r\n\r\nsecret"},
		{"message/sipfrag", "SIP/2.0 200 OK\r\nc: application/sdp\r\n\r\nsecret"},
		{"multipart/mixed;boundary=b",
			"--b\r\nc: application/isup\r\n\r\n1\r\n--bX\r\n\r\nsecret\r\n--b--"},
		{"multipart/mixed;boundary=b",
			"--b\r\nc: application/isup\r\n\r\n1\r\n--b--X\r\n\r\nsecret\r\n--b--"},
		{"multipart/mixed;boundary=b",
			"--b\r\nc: application/isup\r\nSecret secret\r\n\r\n1\r\n--b--"},
		{"multipart/mixed;boundary=b",
			"--b\r\nc: application/isup\r\n \r\nX: secret\r\n\r\n1\r\n--b--"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		char field[100];
		snprintf(field, sizeof field, "Content-Type: %s\r\n", samples[i].type);
		expect_no_secret(message_of(field, samples[i].body), SIP_IRI_WITHHELD);
		assert_string_equal(body(), "");
	}
	static const char *const fragments[] = {
		"SIP/2.0 100 Trying\r\n",
		"INVITE sip:bob@example.net SIP/2.0\r\nFrom: <sip:alice@example.com>\r\nX:\r\n y\r\n",
		"From: <sip:alice@example.com>",
		"SIP/2.0 200 OK\r\nl: 0\r\n\r\n",
	};
	for (size_t i = 0; i < sizeof fragments / sizeof *fragments; i++)
		assert_int_equal(
			reduce(message_of("Content-Type: message/sipfrag\r\n", fragments[i]), out),
			SIP_IRI_WHOLE);
}

static void keys_in_capabilities_are_blanked(void **state)
{
	(void)state;
	char *text = message_of("Content-Type: application/sdp\r\n",
		SDP "a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETKEY|2^20\r\n"
		    "a=acap:2 key-mgmt:mikey SECRET\r\na=x Inline:SECRET\r\na=pcfg:1 a=1\r\n");
	expect_no_secret(text, SIP_IRI_BLANKED);
	assert_non_null(strstr(out, "a=acap:1 crypto:xxx"));
	assert_non_null(strstr(out, "a=acap:2 key-mgmt:xxxxxxxxxxxx\r\n"));
	assert_non_null(strstr(out, "a=x Inline:xxxxxx\r\na=pcfg:1 a=1\r\n"));
}

static void a_body_in_a_uri_is_overwritten(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *reported;
	} samples[] = {
		{"Refer-To: <sip:c@example.org;method=MESSAGE?Content-Type=text%2Fplain&body="
		 "Hello%20secret>;p=1",
			"Refer-To: <sip:c@example.org;method=MESSAGE?Content-Type=text%2Fplain&body="
			"xxxxxxxxxxxxxx>;p=1"},
		{"Contact: <sip:c@example.org?BODY=secret&Subject=a>, <sip:d@example.org?body=secret>",
			"Contact: <sip:c@example.org?BODY=xxxxxx&Subject=a>, "
			"<sip:d@example.org?body=xxxxxx>"},
		{"r: <sip:c@example.org?%62o%64y=a secret>",
			"r: <sip:c@example.org?%62o%64y=x xxxxxx>"},
		{"r: <sip:c@example.org?r=sip%3Ad%3Fbody%3Dsecret>",
			"r: <sip:c@example.org?r=sip%3Ad%3Fbody%3Dxxxxxx>"},
		{"r: <sip:c@example.org?r=sip%253Ad%253Fbody%253Dsecret>",
			"r: <sip:c@example.org?r=sip%253Ad%253Fbody%253Dxxxxxx>"},
		{"r: sip:c@example.org?body=secret;q", "r: sip:c@example.org?body=xxxxxxxx"},
		{"X: \"a\\\"?body=secret\" <sip:c@example.org>",
			"X: \"a\\\"?body=xxxxxx\" <sip:c@example.org>"},
		{"X: \"?body=secret <sip:c@example.org>", "X: \"?body=xxxxxx <sip:c@example.org>"},
		{"X: <sip:c@example.org?body=a\r\n secret>",
			"X: <sip:c@example.org?body=x\r\n xxxxxx>"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		char text[2000], want[2000];
		snprintf(text, sizeof text, START "%s\r\nl: 0\r\n\r\n", samples[i].sent);
		snprintf(want, sizeof want, START "%s\r\nl: 0\r\n\r\n", samples[i].reported);
		expect_no_secret(text, SIP_IRI_BLANKED);
		assert_string_equal(out, want);
	}
	expect_no_secret("MESSAGE sip:b@example.net?body=a%20secret SIP/2.0\r\nFrom: "
			 "<sip:alice@example.com>\r\nCSeq: 1 INVITE\r\n\r\n",
		SIP_IRI_BLANKED);
	assert_non_null(strstr(out, "MESSAGE sip:b@example.net?body=xxxxxxxxxx SIP/2.0\r\n"));
	expect_no_secret(message_of("Content-Type: message/sipfrag\r\n",
				 "REFER sip:b@example.net?body=secret SIP/2.0\r\n"
				 "r: <sip:c@example.org?body=secret>\r\n"),
		SIP_IRI_BLANKED);
	assert_string_equal(body(), "REFER sip:b@example.net?body=xxxxxx SIP/2.0\r\n"
				    "r: <sip:c@example.org?body=xxxxxx>\r\n");
	const char *harmless =
		START "Subject: somebody=me?no body=x\r\nr: <sip:c@x?nobody=1&body=>\r\n\r\n";
	assert_int_equal(reduce(harmless, out), SIP_IRI_WHOLE);
}

// What a sender may pass off as header lines. `secret` is in none of what is reported.
static void text_behind_an_end_of_headers_that_is_none_goes(void **state)
{
	(void)state;
	static const char *const tails[] = {
		"Content-Type: text/plain\r\nContent-Length: 12\r\nHello secret",
		"Content-Type: text/plain\r\n \r\nHello secret\r\n",
		"Content-Type: text/plain\r\n \r\nHello: secret\r\nto: secret\r\n",
		"Content-Type: text/plain\r\rHello secret",
		"c: text/plain\r\nHello: secret\r\n",
		"Hello secret\r\nContent-Length: 3\r\n\r\nabc",
	};
	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		char text[2000];
		snprintf(text, sizeof text, START "%s", tails[i]);
		uint8_t room[2100];
		struct sip_message m, again;
		struct writer w = writer_of(room, sizeof room);
		assert_int_equal(sip_parse(bytes_of_text(text), &m), PARSE_OK);
		assert_int_equal(sip_iri_write(&m, &RULES, &w), SIP_IRI_WITHHELD);
		assert_null(memmem(room, w.len, "secret", 6));
		assert_int_equal(sip_parse(writer_bytes(&w), &again), PARSE_OK);
		assert_int_equal(again.octets.len, w.len);
		assert_int_equal(again.defects, 0);
		assert_int_equal(again.body.len, 0);
		assert_true(
			bytes_equal(again.from, bytes_of_text("<sip:alice@example.com>;tag=1")));
		assert_true(w.len <= m.octets.len + SIP_IRI_GROWTH);
	}
}

static void a_message_cut_within_its_headers_is_reported_as_it_came(void **state)
{
	(void)state;
	uint8_t room[1000];
	struct sip_message m;
	struct writer w = writer_of(room, sizeof room);
	assert_int_equal(sip_parse(bytes_of_text(START), &m), PARSE_OK);
	assert_int_equal(sip_iri_write(&m, &RULES, &w), SIP_IRI_WHOLE);
	assert_true(bytes_equal(writer_bytes(&w), bytes_of_text(START)));
}

static void a_body_that_is_not_what_its_type_says_goes(void **state)
{
	(void)state;
	static const char *const types[] = {
		"Content-Type: application/sdp\r\n", "Content-Type: message/sipfrag\r\n"};
	static const char *const bodies[] = {"Hello secret", "v=0\r\nsecret\r\n",
		"Hello secret\r\n\r\nmore",
		"MESSAGE sip:b@x SIP/2.0\rContent-Type: text/plain\r\rHello secret"};
	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
			assert_int_equal(
				reduce(message_of(types[t], bodies[i]), out), SIP_IRI_WITHHELD);
			assert_null(strstr(out, "secret"));
		}
	}
	assert_int_equal(reduce(message_of(types[1], "SIP/2.0 200 OK\r\n"), out), SIP_IRI_WHOLE);
	assert_int_equal(
		reduce(message_of(types[1], "SIP/2.0 100 Trying\r\nTo: <sip:b@x>\r\n\r\n"), out),
		SIP_IRI_WHOLE);
}

static void keys_of_capability_negotiation_are_blanked(void **state)
{
	(void)state;
	char *text = message_of("Content-Type: application/sdp\r\n", SDP
		"a=acap:1 crypto:1 AES_CM_128 inline:SECRET\r\na=acap:2 key-mgmt:mikey SECRET\r\na=acap:3 setup:actpass\r\n");
	assert_int_equal(reduce(text, out), SIP_IRI_BLANKED);
	assert_null(strstr(out, "SECRET"));
	assert_non_null(strstr(out, "setup:actpass"));
}

static void a_body_within_a_uri_is_blanked(void **state)
{
	(void)state;
	char *text = message_of(
		"Refer-To: <sip:c@example.com;method=MESSAGE?Content-Type=text%2Fplain&body=Hello%20secret>\r\n"
		"Contact: <sip:d@example.com?body=secret&x=1>;body=kept\r\n",
		"");
	assert_int_equal(reduce(text, out), SIP_IRI_BLANKED);
	assert_null(strstr(out, "secret"));
	assert_non_null(strstr(out, "body=xxxxxxxxxxxxxx>"));
	assert_non_null(strstr(out, "body=xxxxxx&x=1>;body=kept"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sdp_without_keys_passes_octet_for_octet),
		cmocka_unit_test(content_is_removed_and_the_length_says_so),
		cmocka_unit_test(every_form_of_content_length_is_rewritten),
		cmocka_unit_test(other_line_ends_are_kept),
		cmocka_unit_test(keys_in_sdp_are_blanked_octet_for_octet),
		cmocka_unit_test(of_a_multipart_body_the_allowed_parts_stay),
		cmocka_unit_test(a_multipart_body_with_nothing_allowed_goes_whole),
		cmocka_unit_test(a_part_without_a_type_is_text_and_goes),
		cmocka_unit_test(what_stands_around_the_parts_goes),
		cmocka_unit_test(keys_are_blanked_and_parts_removed_at_any_allowed_depth),
		cmocka_unit_test(a_multipart_body_that_ends_too_early_is_closed_when_it_is_cut),
		cmocka_unit_test(bodies_too_deep_and_parts_too_many_go),
		cmocka_unit_test(a_part_that_shrinks_has_its_own_length_rewritten),
		cmocka_unit_test(a_sipfrag_is_judged_like_a_message),
		cmocka_unit_test(the_rules_say_which_types_stay),
		cmocka_unit_test(a_message_that_is_too_long_loses_its_body_whatever_it_is),
		cmocka_unit_test(without_an_empty_line_the_body_does_not_pass_for_header),
		cmocka_unit_test(lines_of_a_message_with_lone_crs_are_judged_too),
		cmocka_unit_test(a_message_that_is_merely_cut_stays),
		cmocka_unit_test(no_party_can_be_hidden_behind_what_looks_like_an_end),
		cmocka_unit_test(a_kept_type_is_believed_only_of_what_looks_like_it),
		cmocka_unit_test(keys_in_capabilities_are_blanked),
		cmocka_unit_test(a_body_in_a_uri_is_overwritten),
		cmocka_unit_test(text_behind_an_end_of_headers_that_is_none_goes),
		cmocka_unit_test(a_message_cut_within_its_headers_is_reported_as_it_came),
		cmocka_unit_test(a_body_that_is_not_what_its_type_says_goes),
		cmocka_unit_test(keys_of_capability_negotiation_are_blanked),
		cmocka_unit_test(a_body_within_a_uri_is_blanked),
		cmocka_unit_test(no_prefix_of_a_message_shows_what_is_withheld),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
