#include "framing_driver.h"
#include "sip.h"
#include "unit.h"

#include <stdio.h>

enum { LIMIT = 65536 };

// --- golden streams ------------------------------------------------------------------------------------------------

#define FIELDS                                                                                     \
	"Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n"                                           \
	"From: <sip:alice@example.com>;tag=1\r\n"                                                  \
	"To: <sip:bob@example.com>\r\n"                                                            \
	"Call-ID: 1@example.com\r\n"

// A literal may hold NUL.
#define LITERAL(text) {(const uint8_t *)(text), sizeof(text) - 1}

// What a sender might put on one connection. Those that begin with CR, LF or NUL are keep-alives.
static const struct bytes golden[] = {
	LITERAL("INVITE sip:bob@example.com SIP/2.0\r\n" FIELDS
		"CSeq: 1 INVITE\r\n"
		"Content-Type: application/sdp\r\n"
		"Content-Length: 47\r\n"
		"\r\n"
		"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n\r\n\r\n"),
	LITERAL("\r\n\r\n"),
	LITERAL("SIP/2.0 200 OK\r\n"
		"v: SIP/2.0/TCP 192.0.2.1\r\nf: <sip:a@example.com>\r\nt: <sip:b@example.com>\r\n"
		"i: 2\r\nCSeq: 1 INVITE\r\nl: 4\r\n\r\nabcd"),
	LITERAL("BYE sip:bob@example.com SIP/2.0\n"
		"From: <sip:a@example.com>\nTo: <sip:b@example.com>\nCall-ID: 3\nCSeq: 2 BYE\n"
		"Content-Length: 0\n\n"),
	LITERAL("REGISTER sip:example.com SIP/2.0\r\n"
		"From: <sip:a@example.com>\r\n ;tag=2\r\nTo:\r\n\t<sip:a@example.com>\r\n"
		"Call-ID: 4\r\nCSeq: 1 REGISTER\r\nContent-Length:\r\n  5\r\n\r\nabcde"),
	LITERAL("\0\r\n"),
	LITERAL("INFO sip:bob@example.com SIP/2.0\r\n" FIELDS
		"CSeq: 5 INFO\r\nContent-Length: 21\r\n\r\n"
		"\n\n\0\377\r\n\r\n\x16\x03\x01\0SIP/2.0\r\n"),
	LITERAL("NOTIFY sip:bob@example.com SIP/2.0\r\n" FIELDS
		"CSeq: 6 NOTIFY\r\nContent-Type: message/sipfrag\r\nContent-Length: 21\r\n\r\n"
		"SIP/2.0 180 Ringing\r\n"),
	LITERAL("OPTIONS sip:bob@example.com SIP/2.0\r\n"
		"FROM: <sip:a@example.com>\r\nto: <sip:b@example.com>\r\ncALL-iD: 7\r\n"
		"CSEQ: 7 OPTIONS\r\nCONTENT-LENGTH : 3\r\n\r\n\r\nx"),
	LITERAL("ACK sip:bob@example.com SIP/2.0\r\n" FIELDS "CSeq: 1 ACK\r\n\r\n"), // no length
	LITERAL("MESSAGE sip:bob@example.com SIP/2.0\r\r\n"
		"f: <sip:a@example.com>\r\r\nt: <sip:b@example.com>\r\r\ni: 8\r\r\n"
		"CSeq: 8 MESSAGE\r\r\nl: 2\r\r\n\r\r\nhi"),
	LITERAL("SIP/2.0 180 Ringing\r\n" FIELDS "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"),
	LITERAL("CANCEL sip:bob@example.com SIP/2.0\r\n" FIELDS
		"CSeq: 1 CANCEL\r\nContent-Length: none\r\n\r\n"), // unreadable
	LITERAL("BYE sip:bob@example.com SIP/2.0\r\n" FIELDS
		"CSeq: 9 BYE\r\nContent-Length: 1\r\n\r\n\n"),
};
enum { GOLDEN = sizeof golden / sizeof golden[0], GOLDEN_BODY = 47, ROOM = 200000 };

// Start lines that only sip_parse() takes: in sync they begin a message all the same.
static const struct bytes lenient[] = {
	LITERAL("SIP/3.0 200 OK\r\nFrom: <sip:a@example.com>\r\nl: 2\r\n\r\nab"),
	LITERAL("INVITE sip:bob@example.com\r\nFrom: <sip:a@example.com>\r\nl: 0\r\n\r\n"),
	LITERAL("BYE  sip:bob@example.com  SIP/2.0  \r\nl: 1\r\n\r\nx"),
	LITERAL("xySIP/2.0 099 Odd\r\nFrom: <sip:a@example.com>\r\nl: 1\r\n\r\nx"),
	LITERAL("xMETHOD urn:service:sos SIP/2.0\r\nTo: <sip:a@example.com>\r\n\r\n"),
};
enum { LENIENT = sizeof lenient / sizeof lenient[0] };

struct stream {
	uint8_t *at;
	size_t len;
	struct bytes messages[GOLDEN]; // views of it, without the keep-alives
	unsigned count;
};

static bool is_keep_alive(struct bytes text)
{
	return text.at[0] == 0 || text.at[0] == '\r' || text.at[0] == '\n';
}

static struct stream stream_of(const struct bytes *parts, size_t count)
{
	struct stream stream = {.at = malloc(ROOM)};
	assert_non_null(stream.at);
	for (size_t i = 0; i < count; i++) {
		assert_true(stream.len + parts[i].len <= ROOM);
		memcpy(stream.at + stream.len, parts[i].at, parts[i].len);
		if (!is_keep_alive(parts[i]))
			stream.messages[stream.count++] =
				bytes_of(stream.at + stream.len, parts[i].len);
		stream.len += parts[i].len;
	}
	return stream;
}

static struct bytes octets_of(const struct stream *stream)
{
	return bytes_of(stream->at, stream->len);
}

// --- helpers ---------------------------------------------------------------------------------------------------------

static struct sip_message parsed; // large

// The message that sip_parse() finds in `octets` when they are a datagram.
static struct bytes in_datagram(struct bytes octets)
{
	uint8_t *copy = exact_copy(octets.at, octets.len);
	assert_int_equal(sip_parse(bytes_of(copy, octets.len), &parsed), PARSE_OK);
	struct bytes found =
		bytes_slice(octets, (size_t)(parsed.octets.at - copy), parsed.octets.len);
	free(copy);
	return found;
}

static void must_be_sound(const struct driver *d, const char *what, size_t cut)
{
	if (d->broken)
		fail_msg("%s, cut at %zu: %s", what, cut, d->broken);
}

static struct driver *run(struct bytes stream, uint32_t limit, bool in_sync)
{
	struct driver *d = driver_new(limit, in_sync);
	driver_arrive(d, stream, stream.len);
	must_be_sound(d, "whole", 0);
	return d;
}

static struct driver *run_cut(struct bytes stream, size_t cut, uint32_t limit, bool in_sync)
{
	struct driver *d = driver_new(limit, in_sync);
	driver_arrive(d, stream, cut);
	driver_arrive(d, stream, stream.len);
	must_be_sound(d, "two pieces", cut);
	return d;
}

static struct driver *run_octets(struct bytes stream, uint32_t limit, bool in_sync)
{
	struct driver *d = driver_new(limit, in_sync);
	for (size_t arrived = 1; arrived <= stream.len; arrived++)
		driver_arrive(d, stream, arrived);
	must_be_sound(d, "single octets", 1);
	return d;
}

// The messages come out, each as in a datagram of its own, and nothing else does.
static void must_be_messages(
	struct driver *d, const struct bytes *messages, unsigned count, size_t cut)
{
	if (d->count != count)
		fail_msg("cut at %zu: %u messages, not %u", cut, d->count, count);
	for (unsigned i = 0; i < count; i++) {
		struct bytes datagram = in_datagram(messages[i]);
		struct bytes framed = in_datagram(d->messages[i]);
		if (framed.at != datagram.at || framed.len != datagram.len)
			fail_msg("cut at %zu: message %u is another", cut, i);
	}
	assert_int_equal(d->skipped[FRAMING_RESYNC], 0);
	assert_int_equal(d->let_go, FRAMING_NO_REASON);
	free(d);
}

// However it is cut, the stream comes to the same.
static void must_agree_however_cut(struct bytes stream, uint32_t limit, bool in_sync)
{
	struct driver *whole = run(stream, limit, in_sync);
	for (size_t cut = 1; cut < stream.len; cut++) {
		struct driver *d = run_cut(stream, cut, limit, in_sync);
		if (!driver_agree(d, whole))
			fail_msg("cut at %zu it is another stream", cut);
		free(d);
	}
	struct driver *d = run_octets(stream, limit, in_sync);
	assert_true(driver_agree(d, whole));
	free(d);
	free(whole);
}

static struct framing ask(struct bytes front, bool in_sync, bool has_begun)
{
	struct driver d = {.max_message = LIMIT, .in_sync = in_sync, .has_begun = has_begun};
	struct framing f = driver_ask(&d, front);
	assert_null(driver_check(&d, &f, front.len));
	return f;
}

static struct framing ask_text(const char *text, bool in_sync)
{
	return ask(bytes_of_text(text), in_sync, false);
}

// `count` times `text`, with NUL.
static char *repeat(const char *before, const char *text, size_t count, const char *after)
{
	size_t room = strlen(before) + strlen(text) * count + strlen(after) + 1;
	char *out = malloc(room);
	assert_non_null(out);
	char *at = stpcpy(out, before);
	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, text);
	strcpy(at, after);
	return out;
}

// --- messages --------------------------------------------------------------------------------------------------------

static void a_message_is_the_same_as_in_a_datagram_wherever_the_stream_is_cut(void **state)
{
	(void)state;
	struct stream stream = stream_of(golden, GOLDEN);
	assert_int_equal(stream.count, GOLDEN - 2);
	struct bytes octets = octets_of(&stream);
	must_be_messages(run(octets, LIMIT, true), stream.messages, stream.count, 0);
	for (size_t cut = 1; cut < octets.len; cut++)
		must_be_messages(run_cut(octets, cut, LIMIT, true), stream.messages,
			stream.count, cut);
	must_be_messages(run_octets(octets, LIMIT, true), stream.messages, stream.count, 1);
	free(stream.at);
}

static void every_message_is_found_alone_and_in_pieces_of_any_size(void **state)
{
	(void)state;
	struct stream stream = stream_of(golden, GOLDEN);
	struct bytes octets = octets_of(&stream);
	for (size_t size = 2; size < 300; size++) {
		struct driver *d = driver_new(LIMIT, true);
		for (size_t arrived = 0; arrived < octets.len; arrived += size)
			driver_arrive(d, octets, arrived);
		driver_arrive(d, octets, octets.len);
		must_be_sound(d, "pieces", size);
		must_be_messages(d, stream.messages, stream.count, size);
	}
	for (unsigned i = 0; i < stream.count; i++)
		must_be_messages(run_octets(stream.messages[i], LIMIT, true), &stream.messages[i],
			1, i);
	free(stream.at);
}

static void keep_alives_are_counted_as_such(void **state)
{
	(void)state;
	struct stream stream = stream_of(golden, GOLDEN);
	struct driver *d = run_octets(octets_of(&stream), LIMIT, true);
	assert_int_equal(d->skipped[FRAMING_KEEPALIVE], 4 + 3);
	free(d);
	free(stream.at);

	struct framing f = ask(bytes_of("\r\n\r\n\0\0\r", 7), true, false);
	assert_int_equal(f.verdict, FRAMING_SKIP);
	assert_int_equal(f.reason, FRAMING_KEEPALIVE);
	assert_int_equal(f.octets, 7);
}

static void in_sync_a_message_may_begin_as_leniently_as_in_a_datagram(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENIENT; i++)
		for (size_t cut = 0; cut < lenient[i].len; cut++) {
			struct bytes parts[] = {golden[2], lenient[i], golden[0]};
			struct stream stream = stream_of(parts, 3);
			struct driver *d =
				run_cut(octets_of(&stream), golden[2].len + cut, LIMIT, true);
			must_be_messages(d, stream.messages, 3, i * 1000 + cut);
			free(stream.at);
		}
}

static void junk_before_a_start_line_is_skipped(void **state)
{
	(void)state;
	char *text = repeat("\xff\x01 ", (const char *)golden[0].at, 1, "");
	struct bytes octets = bytes_of_text(text);
	must_agree_however_cut(octets, LIMIT, true);
	struct driver *d = run(octets, LIMIT, true);
	assert_int_equal(d->skipped[FRAMING_RESYNC], 3);
	assert_int_equal(d->count, 1);
	assert_int_equal(d->messages[0].len, golden[0].len);
	free(d);
	free(text);
}

static void a_large_body_is_waited_for_without_being_looked_at(void **state)
{
	(void)state;
	enum { BODY = 48 * 180 };
	char start[200];
	snprintf(start, sizeof start,
		"MESSAGE sip:bob@example.com SIP/2.0\r\nf: <sip:a@example.com>\r\n"
		"Content-Length: %d\r\n\r\n",
		BODY);
	char *text = repeat(start, "\r\n\r\nINVITE sip:x@example.com SIP/2.0\r\n\r\nfrom:a\n\n",
		BODY / 48, "");
	struct bytes message = bytes_of_text(text);
	assert_int_equal(message.len, strlen(start) + BODY);
	struct bytes parts[] = {message, golden[3]};
	struct stream stream = stream_of(parts, 2);
	for (size_t cut = 1; cut < stream.len; cut++)
		must_be_messages(
			run_cut(octets_of(&stream), cut, LIMIT, true), stream.messages, 2, cut);

	struct driver *d = run_octets(octets_of(&stream), LIMIT, true);
	// One call for each octet of the header blocks, one for each body.
	assert_true(d->calls <= strlen(start) + golden[3].len + 1);
	must_be_messages(d, stream.messages, 2, 1);
	free(stream.at);
	free(text);
}

static void more_asks_for_exactly_the_rest_of_the_message(void **state)
{
	(void)state;
	struct bytes message = golden[0];
	size_t headers = message.len - GOLDEN_BODY;
	for (size_t len = headers; len < message.len; len++) {
		struct framing f = ask(bytes_slice(message, 0, len), true, false);
		assert_int_equal(f.verdict, FRAMING_MORE);
		assert_int_equal(f.octets, message.len - 1);
	}
	for (size_t len = 1; len < headers; len++) {
		struct framing f = ask(bytes_slice(message, 0, len), true, false);
		assert_int_equal(f.verdict, FRAMING_MORE);
		assert_int_equal(f.octets, len);
	}
}

static void an_empty_front_is_not_enough(void **state)
{
	(void)state;
	struct framing f = ask(bytes_of(NULL, 0), true, false);
	assert_int_equal(f.verdict, FRAMING_MORE);
	assert_int_equal(f.octets, 0);
}

// --- limits ----------------------------------------------------------------------------------------------------------

static void a_message_over_the_limit_is_taken_as_far_as_its_header_block(void **state)
{
	(void)state;
	static const struct {
		const char *length;
		size_t octets;
	} cases[] = {
		{"1000000", 1000000},
		{"4294967294", 4294967294},
		{"4294967295", 4294967295},
		{"99999999999999999999999", 4294967295}, // no more can be said of it
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[200];
		int len = snprintf(text, sizeof text,
			"INVITE sip:bob@example.com SIP/2.0\r\nContent-Length: %s\r\n\r\nbody",
			cases[i].length);
		struct framing f = ask(bytes_of(text, (size_t)len), true, false);
		assert_int_equal(f.verdict, FRAMING_TOO_LONG);
		assert_int_equal(f.octets, len - 4);
		assert_int_equal(f.whole, f.octets + cases[i].octets);
	}
}

static void the_limit_itself_is_allowed(void **state)
{
	(void)state;
	struct bytes parts[] = {golden[0], golden[3]};
	struct stream stream = stream_of(parts, 2);
	uint32_t limit = (uint32_t)golden[0].len;
	must_be_messages(run_octets(octets_of(&stream), limit, true), stream.messages, 2, 1);
	must_agree_however_cut(octets_of(&stream), limit - 1, true);

	// What is over the limit goes by, and the next message comes out.
	struct driver *d = run(octets_of(&stream), limit - 1, true);
	assert_int_equal(d->too_long, 1);
	assert_int_equal(d->count, 2);
	assert_int_equal(d->messages[0].len, golden[0].len - GOLDEN_BODY);
	assert_ptr_equal(d->messages[1].at, stream.messages[1].at);
	free(d);
	free(stream.at);
}

static void a_header_block_without_end_is_given_up(void **state)
{
	(void)state;
	enum { SMALL = 1000 };
	struct driver full = {.max_message = 80, .in_sync = true};
	struct framing f = driver_ask(&full, bytes_slice(golden[0], 0, 79));
	assert_int_equal(f.verdict, FRAMING_MORE);
	f = driver_ask(&full, bytes_slice(golden[0], 0, 80));
	assert_int_equal(f.verdict, FRAMING_SKIP);
	assert_int_equal(f.reason, FRAMING_RESYNC);
	assert_int_equal(f.octets, 80);

	static const char *const lines[] = {"X: y\r\n", "\r \r ", "x", "z\n"};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		char *text = repeat("INVITE sip:bob@example.com SIP/2.0\r\nFrom: x\r\n", lines[i],
			4 * SMALL / strlen(lines[i]), "\r\n");
		struct bytes parts[] = {bytes_of_text(text), golden[0]};
		struct stream stream = stream_of(parts, 2);
		struct bytes octets = octets_of(&stream);
		for (size_t cut = 1; cut < octets.len; cut += 13) {
			struct driver *d = run_cut(octets, cut, SMALL, true);
			struct driver *whole = run(octets, SMALL, true);
			assert_true(driver_agree(d, whole));
			assert_int_equal(d->count, 1);
			assert_ptr_equal(d->messages[0].at, stream.messages[1].at);
			assert_true(d->skipped[FRAMING_RESYNC] == parts[0].len);
			free(whole);
			free(d);
		}
		free(stream.at);
		free(text);
	}
}

static void start_lines_without_end_are_not_looked_at_again_and_again(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"INVITE sip:bob@example.com SIP/2.0\r\n", // no end of the header block
		"SIP/2.0 200 OK\r\n",
		// NUL is put in for '#' below: what begins behind it begins a line as well.
		"#INVITE sip:bob@example.com SIP/2.0\r\n",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		char *text = repeat("x\n", texts[i], 6000, "\r\n");
		struct bytes octets = bytes_of_text(text);
		for (char *c = text; *c; c++)
			if (*c == '#')
				*c = 0;
		struct driver *d = run(octets, LIMIT, true);
		// For each LIMIT octets a few calls, and each of them looks at no more than these.
		assert_true(d->calls <= 8 * (octets.len / LIMIT + 1));
		free(d);
		free(text);
	}
}

static void a_block_of_status_lines_is_skipped_at_once(void **state)
{
	(void)state;
	char *text = repeat("", "SIP/2.0 200 OK\r\n", 3000, "\r\n");
	struct driver *d = run(bytes_of_text(text), LIMIT, true);
	assert_int_equal(d->count, 0); // nobody is named
	assert_true(d->calls <= 4);
	free(d);
	free(text);
}

static void what_was_seen_of_a_header_block_is_not_looked_at_again(void **state)
{
	(void)state;
	struct bytes message = golden[0];
	size_t headers = message.len - GOLDEN_BODY, first_line = 36;
	unsigned checked = 0;
	for (size_t len = first_line + 8; len < headers; len++) {
		struct framing_state at = {.in_sync = true, .max_message = LIMIT};
		uint8_t *copy = exact_copy(message.at, len);
		struct framing f = sip_framing(bytes_of(copy, len - 1), &at);
		assert_int_equal(f.verdict, FRAMING_MORE);
		assert_int_equal(f.seen, len - 1);

		// Line ends to find, if one looked; the last octets may be looked at, for they belong to the end.
		memset(copy, '\n', len - 5);
		at.seen = f.seen;
		f = sip_framing(bytes_of(copy, len), &at);
		assert_int_equal(f.verdict, FRAMING_MORE);
		assert_int_equal(f.octets, len);
		free(copy);
		checked++;
	}
	assert_true(checked > 150);
}

// --- out of sync -----------------------------------------------------------------------------------------------------

// The index of the message that octet `at` lies in, or of the next one.
static unsigned message_behind(const struct stream *stream, size_t at)
{
	unsigned i = 0;
	while (i < stream->count && stream->messages[i].at < stream->at + at)
		i++;
	return i;
}

static void must_find_all_behind(struct driver *d, const struct stream *stream, size_t offset)
{
	unsigned first = message_behind(stream, offset), left = stream->count - first;
	if (d->count < left || d->count > left + 1)
		fail_msg("from %zu: %u messages, not %u", offset, d->count, left);
	unsigned extra = d->count - left; // "VITE sip:...": what is left of the one that was cut
	if (extra) {
		const struct bytes cut = stream->messages[first - 1];
		assert_ptr_equal(
			d->messages[0].at + d->messages[0].len, cut.at + cut.len);
		assert_true(offset < (size_t)(cut.at - stream->at) + 10);
	}
	for (unsigned i = 0; i < left; i++) {
		assert_ptr_equal(d->messages[extra + i].at, stream->messages[first + i].at);
		assert_int_equal(d->messages[extra + i].len, stream->messages[first + i].len);
	}
	free(d);
}

static void picked_up_anywhere_all_later_messages_are_found(void **state)
{
	(void)state;
	// Each message starts a line.
	struct bytes parts[2 * GOLDEN];
	size_t count = 0;
	for (size_t i = 0; i < GOLDEN; i++) {
		parts[count++] = golden[i];
		if (golden[i].at[golden[i].len - 1] != '\n')
			parts[count++] = golden[1];
	}
	struct stream stream = stream_of(parts, count);
	for (size_t offset = 0; offset < stream.len; offset++) {
		struct bytes from = bytes_of(stream.at + offset, stream.len - offset);
		must_find_all_behind(run(from, LIMIT, false), &stream, offset);
		must_find_all_behind(run_cut(from, from.len / 2, LIMIT, false), &stream, offset);
		if (offset % 7 == 0)
			must_find_all_behind(run_octets(from, LIMIT, false), &stream, offset);
	}
	free(stream.at);
}

static void out_of_sync_a_start_line_within_a_line_is_not_seen(void **state)
{
	(void)state;
	struct bytes parts[] = {LITERAL("</dialog-info>"), golden[0], golden[3]};
	struct stream stream = stream_of(parts, 3);
	must_agree_however_cut(octets_of(&stream), LIMIT, false);
	struct driver *d = run(octets_of(&stream), LIMIT, false);
	assert_int_equal(d->count, 1);
	assert_ptr_equal(d->messages[0].at, stream.messages[2].at);
	free(d);
	free(stream.at);
}

static void a_start_line_in_a_block_that_names_nobody_is_found(void **state)
{
	(void)state;
	static const struct bytes block =
		LITERAL("SIP/2.0 200 OK\r\nBYE sip:bob@example.com SIP/2.0\r\nl: 0\r\n\r\n");
	must_agree_however_cut(block, LIMIT, true);
	struct driver *d = run(block, LIMIT, true);
	assert_int_equal(d->count, 1);
	assert_int_equal(d->messages[0].len, block.len - 16);
	free(d);
}

static void garbage_is_skipped_up_to_the_next_start_line(void **state)
{
	(void)state;
	static const struct bytes garbage[] = {
		LITERAL("x\n"),
		LITERAL("x\n\0\0"),
		LITERAL("GET / HTTP/1.1\r\n"), // no empty line of its own
		LITERAL("EHLO example.com\r\n"),
		LITERAL("EHLO example.com\r\n\r\n"),
		LITERAL("\377\376\0\0\1\n\n\n\0\0\n"),
		LITERAL("v=0\r\nxINVITE sip:x@example.com SIP/2.0\r\nm=audio 1 RTP/AVP 0\r\n"),
		LITERAL("OPTIONS rtsp://example.com/media RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
		LITERAL("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\nabc\n"),
		LITERAL("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"),
		LITERAL("SIP/2.0 200 OK\r\nNobody: here\r\n\r\n"),
	};
	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
		struct bytes parts[] = {garbage[i], golden[0], golden[1], golden[4]};
		struct stream stream = stream_of(parts, 4);
		struct bytes octets = octets_of(&stream);
		must_agree_however_cut(octets, LIMIT, true);
		must_agree_however_cut(octets, LIMIT, false);
		struct driver *d = run(octets, LIMIT, true);
		if (d->count != 2)
			fail_msg("%u messages behind garbage %zu", d->count, i);
		assert_int_equal(d->skipped[FRAMING_RESYNC], garbage[i].len);
		assert_ptr_equal(d->messages[0].at, stream.messages[1].at);
		assert_ptr_equal(d->messages[1].at, stream.messages[2].at);
		free(d);
		free(stream.at);
	}
}

static void a_lying_content_length_costs_no_later_message(void **state)
{
	(void)state;
	static const struct bytes liar =
		LITERAL("INVITE sip:bob@example.com SIP/2.0\r\nl: 2\r\n\r\nv=0\r\no=x\r\n");
	struct bytes parts[] = {liar, golden[0], golden[3]};
	struct stream stream = stream_of(parts, 3);
	must_agree_however_cut(octets_of(&stream), LIMIT, true);
	struct driver *d = run(octets_of(&stream), LIMIT, true);
	assert_int_equal(d->count, 3);
	assert_ptr_equal(d->messages[1].at, stream.messages[1].at);
	assert_int_equal(d->messages[1].len, stream.messages[1].len);
	free(d);
	free(stream.at);
}

static void out_of_sync_a_line_is_waited_for_up_to_a_bound(void **state)
{
	(void)state;
	char *text = repeat("INVITE sip:", "a", 3000, "");
	struct framing f = ask(bytes_of(text, 2047), false, false);
	assert_int_equal(f.verdict, FRAMING_MORE);
	f = ask(bytes_of(text, 2048), false, false);
	assert_int_equal(f.verdict, FRAMING_SKIP);
	assert_int_equal(f.reason, FRAMING_RESYNC);
	assert_int_equal(f.octets, 2048);
	free(text);

	text = repeat("SIP/2.0 200 ", "a", 3000, ""); // could be recognised, but is not whole
	f = ask(bytes_of(text, 3012), false, false);
	assert_int_equal(f.verdict, FRAMING_SKIP);
	assert_int_equal(f.octets, 2048);
	free(text);

	// The line that is not whole yet is kept.
	f = ask_text("one\r\ntwo\r\nINVITE sip:bob@exa", false);
	assert_int_equal(f.verdict, FRAMING_SKIP);
	assert_int_equal(f.octets, 10);
	// So is one that could be recognised before its end.
	f = ask_text("one\r\nINVITE sip:bob@example.com SIP/2.0", false);
	assert_int_equal(f.octets, 5);
}

static void in_sync_a_long_line_is_waited_for_if_it_begins_like_a_start_line(void **state)
{
	(void)state;
	char *text = repeat("INVITE sip:", "a", 5000,
		"@example.com SIP/2.0\r\nFrom: <sip:b@example.com>\r\nl: 1\r\n\r\nx");
	struct bytes message = bytes_of_text(text);
	must_be_messages(run_octets(message, LIMIT, true), &message, 1, 1);
	must_be_messages(run(message, LIMIT, true), &message, 1, 0);
	free(text);

	text = repeat("", "a", 2048, "");
	struct framing f = ask(bytes_of(text, 2047), true, false);
	assert_int_equal(f.verdict, FRAMING_MORE);
	f = ask(bytes_of(text, 2048), true, false);
	assert_int_equal(f.verdict, FRAMING_SKIP);
	assert_int_equal(f.reason, FRAMING_RESYNC);
	free(text);
}

static void lines_that_end_in_lone_crs_make_no_message(void **state)
{
	(void)state;
	enum { SMALL = 3000 };
	char *text = repeat("INVITE sip:bob@example.com SIP/2.0\rFrom: <sip:a@example.com>\r",
		"Subject: x\r", SMALL / 10, "\r");
	struct bytes parts[] = {bytes_of_text(text), LITERAL("\r\n"), golden[0]};
	struct stream stream = stream_of(parts, 3);
	struct driver *d = run_octets(octets_of(&stream), SMALL, true);
	assert_int_equal(d->count, 1);
	assert_ptr_equal(d->messages[0].at, stream.messages[1].at);
	free(d);
	free(stream.at);
	free(text);

	// An empty line that is none where lines end in CR: the header fields may not grow into a body.
	static const struct bytes mixed = LITERAL(
		"INVITE sip:bob@example.com SIP/2.0\rl: 9\rX: y\n\n\rFrom: z\r");
	struct framing f = ask(mixed, true, false);
	assert_int_equal(f.verdict, FRAMING_MESSAGE);
	assert_int_equal(f.octets, mixed.len - 9);
}

// --- other protocols -------------------------------------------------------------------------------------------------

static void must_be_let_go(struct bytes octets, enum framing_reason reason)
{
	must_agree_however_cut(octets, LIMIT, true);
	struct driver *d = run_octets(octets, LIMIT, true);
	assert_int_equal(d->let_go, reason);
	assert_int_equal(d->count, 0);
	free(d);
}

static void tls_is_let_go(void **state)
{
	(void)state;
	static const struct bytes records[] = {
		LITERAL("\x16\x03\x01\x02\x00\x01\x00"), // ClientHello
		LITERAL("\x16\x03\x03\x0a\x0d\n\n"),
		LITERAL("\x17\x03\x03\x00\x20"),
		LITERAL("\x14\x03\x00"),
		LITERAL("\x15\x03\x04\x00\x02\x01\x00"),
	};
	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
		must_be_let_go(records[i], FRAMING_TLS);

	static const struct bytes others[] = {
		LITERAL("\x13\x03\x01\n"),
		LITERAL("\x18\x03\x01\n"),
		LITERAL("\x16\x02\x01\n"),
		LITERAL("\x16\x03\x05\n"),
	};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct framing f = ask(others[i], true, false);
		assert_int_equal(f.verdict, FRAMING_SKIP);
		assert_int_equal(f.reason, FRAMING_RESYNC);
	}
	// Two octets do not tell.
	assert_int_equal(ask_text("\x16\x03", true).verdict, FRAMING_MORE);
	// Where SIP has been seen, these are a few octets gone astray.
	assert_int_equal(ask(records[0], true, true).verdict, FRAMING_MORE);
	struct bytes parts[] = {golden[3], LITERAL("\x16\x03\x01\n"), golden[0]};
	struct stream stream = stream_of(parts, 3);
	struct driver *d = run_octets(octets_of(&stream), LIMIT, true);
	assert_int_equal(d->let_go, FRAMING_NO_REASON);
	assert_int_equal(d->count, 2);
	free(d);
	free(stream.at);
}

static void a_websocket_is_let_go(void **state)
{
	(void)state;
	static const struct bytes handshakes[] = {
		LITERAL("GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\r\n"),
		LITERAL("GET / HTTP/1.1\r\nupgrade:WebSocket\r\n\r\n\x81\x05hello"),
		LITERAL("GET / HTTP/1.1\nSEC-WEBSOCKET-PROTOCOL: sip\n\n"),
		LITERAL("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05"),
	};
	for (size_t i = 0; i < sizeof handshakes / sizeof handshakes[0]; i++)
		must_be_let_go(handshakes[i], FRAMING_WEBSOCKET);

	static const struct bytes others[] = {
		LITERAL("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"),
		LITERAL("GET / HTTP/1.1\r\nHost: upgrade\r\n\r\nUpgrade: websocket\r\n"),
		LITERAL("GET / HTTP/1.1\r\n\r\n"),
		LITERAL("POST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
	};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		struct driver *d = run_octets(others[i], LIMIT, true);
		assert_int_equal(d->let_go, FRAMING_NO_REASON);
		assert_int_equal(d->skipped[FRAMING_RESYNC], others[i].len);
		free(d);
	}
	assert_int_equal(ask(handshakes[0], true, true).verdict, FRAMING_SKIP);
}

static void another_protocol_is_skipped_line_by_line(void **state)
{
	(void)state;
	// No empty line: what waited for one would fill memory.
	struct framing f = ask_text("220 mail.example.com ESMTP\r\n", true);
	assert_int_equal(f.verdict, FRAMING_SKIP);
	assert_int_equal(f.reason, FRAMING_RESYNC);
	f = ask_text("USER anonymous\r\n", true);
	assert_int_equal(f.verdict, FRAMING_SKIP);
}

// --- a message that was cut short --------------------------------------------------------------------------------------

static struct bytes rest_of(struct bytes front)
{
	uint8_t *copy = exact_copy(front.at, front.len);
	struct bytes rest = sip_framing_rest(bytes_of(copy, front.len));
	if (rest.len) {
		assert_ptr_equal(rest.at, copy);
		assert_true(rest.len <= front.len);
	}
	free(copy);
	return bytes_slice(front, 0, rest.len);
}

static size_t rest_len(const char *text)
{
	return rest_of(bytes_of_text(text)).len;
}

static void of_a_cut_message_whole_header_lines_are_taken(void **state)
{
	(void)state;
	struct bytes message = golden[0];
	size_t headers = message.len - GOLDEN_BODY, start_line = 36, first_line = start_line + 44;
	size_t expected = 0;
	for (size_t len = 0; len <= message.len; len++) {
		if (len > 0 && len <= headers && message.at[len - 1] == '\n')
			expected = len;
		struct bytes rest = rest_of(bytes_slice(message, 0, len));
		assert_int_equal(rest.len, len < first_line ? 0 : expected);
	}
	assert_int_equal(expected, headers);
}

static void of_a_cut_field_that_goes_on_nothing_is_taken(void **state)
{
	(void)state;
#define START "INVITE sip:bob@example.com SIP/2.0\r\nTo: b\r\n"
	size_t start = strlen(START);
	assert_int_equal(rest_len(START "From: <sip:alice\r\n @exam"), start);
	assert_int_equal(rest_len(START "From: <sip:alice\r\n @exam\r\n\tple"), start);
	assert_int_equal(rest_len(START "From: a\r\n b\r\nX"), start + 13);
	assert_int_equal(rest_len(START "From: a\r\n b\r\n"), start + 13);
	assert_int_equal(rest_len("INVITE sip:bob@example.com SIP/2.0\r\n fold"), 0);
	assert_int_equal(rest_len("INVITE sip:bob@example.com SIP/2.0\r\nTo: b\r\n fold"), 0);
#undef START
}

static void what_names_nobody_or_is_no_start_line_is_not_taken(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"\r\n",
		"INVITE sip:bob@example.com SIP/2.0",
		"INVITE sip:bob@example.com SIP/2.0\r\n",
		"INVITE sip:bob@example.com SIP/2.0\r\nFrom: <sip:x",
		"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\nFrom: <sip:x", // a status line names nobody
		"From: <sip:a@example.com>\r\nTo: <sip:b@example.com>\r\n",
		"xy\r\nINVITE sip:bob@example.com SIP/2.0\r\nTo: b\r\n",
		// A line feed ends no line of these.
		"INVITE sip:bob@example.com SIP/2.0\rTo: <sip:1\n23@example.com>\r",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (rest_len(texts[i]) != 0)
			fail_msg("taken: %s", texts[i]);
	assert_true(rest_len("SIP/2.0 200 OK\r\nFrom: <sip:x@example.com>\r\nTo") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_message_is_the_same_as_in_a_datagram_wherever_the_stream_is_cut),
		cmocka_unit_test(every_message_is_found_alone_and_in_pieces_of_any_size),
		cmocka_unit_test(keep_alives_are_counted_as_such),
		cmocka_unit_test(in_sync_a_message_may_begin_as_leniently_as_in_a_datagram),
		cmocka_unit_test(junk_before_a_start_line_is_skipped),
		cmocka_unit_test(a_large_body_is_waited_for_without_being_looked_at),
		cmocka_unit_test(more_asks_for_exactly_the_rest_of_the_message),
		cmocka_unit_test(an_empty_front_is_not_enough),
		cmocka_unit_test(a_message_over_the_limit_is_taken_as_far_as_its_header_block),
		cmocka_unit_test(the_limit_itself_is_allowed),
		cmocka_unit_test(a_header_block_without_end_is_given_up),
		cmocka_unit_test(start_lines_without_end_are_not_looked_at_again_and_again),
		cmocka_unit_test(a_block_of_status_lines_is_skipped_at_once),
		cmocka_unit_test(what_was_seen_of_a_header_block_is_not_looked_at_again),
		cmocka_unit_test(picked_up_anywhere_all_later_messages_are_found),
		cmocka_unit_test(out_of_sync_a_start_line_within_a_line_is_not_seen),
		cmocka_unit_test(a_start_line_in_a_block_that_names_nobody_is_found),
		cmocka_unit_test(garbage_is_skipped_up_to_the_next_start_line),
		cmocka_unit_test(a_lying_content_length_costs_no_later_message),
		cmocka_unit_test(out_of_sync_a_line_is_waited_for_up_to_a_bound),
		cmocka_unit_test(
			in_sync_a_long_line_is_waited_for_if_it_begins_like_a_start_line),
		cmocka_unit_test(lines_that_end_in_lone_crs_make_no_message),
		cmocka_unit_test(tls_is_let_go),
		cmocka_unit_test(a_websocket_is_let_go),
		cmocka_unit_test(another_protocol_is_skipped_line_by_line),
		cmocka_unit_test(of_a_cut_message_whole_header_lines_are_taken),
		cmocka_unit_test(of_a_cut_field_that_goes_on_nothing_is_taken),
		cmocka_unit_test(what_names_nobody_or_is_no_start_line_is_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
