// Reassembly is tested with a protocol that leaves nothing to doubt, "#LEN\n" and LEN octets, and then with SIP.
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "sip.h"
#include "sip_framing.h"
#include "streams.h"

enum {
	MESSAGES_ROOM = 512,  // heard at once
	STREAMS_ROOM = 110000, // begun in one test
	MAX_STREAMS = 64,
	MEMORY = 4 << 20,
	MAX_MESSAGE = STREAMS_MAX_MESSAGE,
};
static const uint64_t MS = 1000000, SECOND = 1000000000, START = 1700000000000000000;
static const uint64_t GAP_TIMEOUT = 1000000000, IDLE = 600000000000;
static const struct hash_key KEY = {5, 6};

// --- the protocol of the tests ---------------------------------------------------------------------------------

static struct framing skip_to_start(struct bytes front)
{
	size_t len = 1;
	while (len < front.len && front.at[len] != '#')
		len++;
	return (struct framing){.verdict = FRAMING_SKIP, .reason = FRAMING_RESYNC, .octets = len};
}

static struct framing skip_line_feeds(struct bytes front)
{
	size_t len = 1;
	while (len < front.len && front.at[len] == '\n')
		len++;
	return (struct framing){
		.verdict = FRAMING_SKIP, .reason = FRAMING_KEEPALIVE, .octets = len};
}

// What the framing was told last.
static struct framing_state told;

// A '!' at the front of a stream that has not begun lets go of it. Line feeds between messages are keep-alives.
static struct framing test_framing(struct bytes front, const struct framing_state *state)
{
	told = *state;
	assert_true(front.len > 0);
	assert_true(state->seen <= front.len);
	if (front.at[0] == '!' && !state->has_begun)
		return (struct framing){.verdict = FRAMING_LET_GO, .reason = FRAMING_TLS};
	if (front.at[0] == '\n' && state->in_sync)
		return skip_line_feeds(front);
	if (front.at[0] != '#')
		return skip_to_start(front);

	size_t head = 1, body = 0;
	for (; head < front.len && ascii_is_digit(front.at[head]) && head < 10; head++)
		body = body * 10 + front.at[head] - '0';
	if (head == front.len)
		return (struct framing){.verdict = FRAMING_MORE, .octets = front.len, .seen = head};
	if (front.at[head++] != '\n')
		return skip_to_start(front);
	size_t whole = head + body;
	if (whole > state->max_message)
		return (struct framing){
			.verdict = FRAMING_TOO_LONG, .octets = head, .whole = whole};
	if (front.len < whole)
		return (struct framing){.verdict = FRAMING_MORE, .octets = whole - 1, .seen = head};
	return (struct framing){.verdict = FRAMING_MESSAGE, .octets = whole};
}

static bool test_starts(struct bytes payload)
{
	const uint8_t *end = payload.len ? memchr(payload.at, '\n', payload.len) : NULL;
	return end && payload.at[0] == '#';
}

// All that is there, once the first line is.
static struct bytes test_rest(struct bytes front)
{
	return test_starts(front) ? front : bytes_slice(front, 0, 0);
}

// --- the rig -------------------------------------------------------------------------------------------------------

struct heard {
	uint8_t *octets;
	size_t len;
	struct flow flow; // of the segment it came with
	uint64_t scope, time_ns;
};

struct begun {
	struct digest name;
	bool ceased;
};

struct rig {
	struct streams *streams;
	bool (*starts)(struct bytes payload);
	uint64_t now;
	size_t heard_count, all_heard;
	struct heard heard[MESSAGES_ROOM];
	uint32_t begun_count, active;
	struct begun begun[STREAMS_ROOM]; // by mark
};
static struct rig rig;

// One direction of a connection.
struct side {
	struct flow flow;
	uint64_t scope;
	uint32_t start; // sequence number of the first octet of data: that of the SYN, and 1
	bool expected;
};

static const struct streams_counters *counted(void)
{
	return streams_counters(rig.streams);
}

static void hear(void *context, struct bytes message, const struct packet *at, uint64_t time_ns)
{
	assert_ptr_equal(context, &rig);
	assert_true(message.len > 0);
	assert_true(rig.heard_count < MESSAGES_ROOM);
	rig.all_heard++;
	rig.heard[rig.heard_count++] = (struct heard){exact_copy(message.at, message.len),
		message.len, at->flow, at->outer.scope, time_ns};
}

static void forget_heard(void)
{
	for (size_t i = 0; i < rig.heard_count; i++)
		free(rig.heard[i].octets);
	rig.heard_count = 0;
}

static uint32_t stream_begins(void *context, const struct packet *segment, bool expected)
{
	assert_ptr_equal(context, &rig);
	assert_int_equal(expected, segment->flow.source_port == 5060 ||
					   segment->flow.destination_port == 5060);
	assert_true(rig.begun_count < STREAMS_ROOM);
	rig.begun[rig.begun_count] = (struct begun){streams_name(&KEY, segment), false};
	rig.active++;
	return rig.begun_count++;
}

static bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->low == b->low && a->high == b->high;
}

static void stream_ceases(void *context, const struct digest *name, uint32_t mark)
{
	assert_ptr_equal(context, &rig);
	assert_true(mark < rig.begun_count);
	assert_false(rig.begun[mark].ceased);
	assert_true(digest_equal(name, &rig.begun[mark].name));
	rig.begun[mark].ceased = true;
	rig.active--;
}

static void check_laws(void)
{
	const struct streams_counters *c = counted();
	uint64_t over = c->ended + c->idle + c->given_up;
	for (unsigned i = 0; i < FRAMING_REASONS; i++)
		over += c->let_go[i];
	assert_int_equal(c->opened, over + streams_followed(rig.streams));
	uint64_t placed = c->in_order + c->out_of_order + c->repeated + c->out_of_window;
	assert_int_equal(c->segments, placed + c->not_followed + c->no_memory);
	assert_int_equal(rig.all_heard, c->messages + c->messages_cut + c->messages_too_long);
	assert_int_equal(rig.active, streams_followed(rig.streams));
	assert_int_equal(rig.begun_count, c->opened);
}

static void rig_with(const struct streams_config *config, framing_function *framing,
	struct bytes (*rest)(struct bytes front), bool (*starts)(struct bytes payload))
{
	rig.streams = streams_new(config, &KEY, framing, rest);
	assert_non_null(rig.streams);
	streams_watch(rig.streams, stream_begins, stream_ceases, &rig);
	rig.starts = starts;
	rig.now = START;
	rig.heard_count = rig.all_heard = 0;
	rig.begun_count = rig.active = 0;
}

static const struct streams_config CONFIG = {.max_streams = MAX_STREAMS,
	.memory = MEMORY,
	.max_message = MAX_MESSAGE,
	.gap_timeout_ns = GAP_TIMEOUT,
	.idle_ns = IDLE};

static int rig_up(void **state)
{
	(void)state;
	rig_with(&CONFIG, test_framing, test_rest, test_starts);
	return 0;
}

static int sip_rig_up(void **state)
{
	(void)state;
	rig_with(&CONFIG, sip_framing, sip_framing_rest, sip_recognise);
	return 0;
}

static void flush(void)
{
	streams_flush(rig.streams, hear, &rig);
	check_laws();
	assert_int_equal(streams_followed(rig.streams), 0);
}

static int rig_down(void **state)
{
	(void)state;
	check_laws();
	flush();
	forget_heard();
	streams_free(rig.streams);
	return 0;
}

static void rig_again_with(const struct streams_config *config)
{
	rig_down(NULL);
	rig_with(config, test_framing, test_rest, test_starts);
}

static void tick(void)
{
	// 64 entries a call
	for (unsigned i = 0; i < 1 + MAX_STREAMS / 64; i++)
		streams_tick(rig.streams, rig.now, hear, &rig);
	check_laws();
}

static struct address address_of(const char *text)
{
	struct address a;
	assert_true(address_parse(bytes_of_text(text), &a));
	return a;
}

static struct side side_between(uint16_t source_port, uint16_t destination_port)
{
	return (struct side){.flow = {.source = address_of("192.0.2.1"),
				     .destination = address_of("198.51.100.1"),
				     .source_port = source_port,
				     .destination_port = destination_port,
				     .protocol = 6},
		.start = 1000,
		.expected = source_port == 5060 || destination_port == 5060};
}

static struct side reverse_of(const struct side *side)
{
	struct side reverse = *side;
	reverse.flow.source = side->flow.destination;
	reverse.flow.destination = side->flow.source;
	reverse.flow.source_port = side->flow.destination_port;
	reverse.flow.destination_port = side->flow.source_port;
	return reverse;
}

static struct packet segment_of(
	const struct side *side, uint8_t flags, uint32_t at, struct bytes payload)
{
	return (struct packet){.flow = side->flow,
		.payload = payload,
		.tcp = {.sequence = side->start + at - (flags & TCP_SYN ? 1 : 0), .flags = flags},
		.outer = {.scope = side->scope}};
}

static struct digest name_of(const struct side *side)
{
	struct packet segment = segment_of(side, 0, 0, bytes_of(NULL, 0));
	return streams_name(&KEY, &segment);
}

static bool is_followed(const struct side *side)
{
	struct digest name = name_of(side);
	return streams_follow(rig.streams, &name);
}

// `at`: where the payload lies in the stream.
static void send(const struct side *side, uint8_t flags, uint32_t at, struct bytes payload)
{
	uint8_t *copy = exact_copy(payload.at, payload.len);
	struct bytes exact = bytes_of(payload.len ? copy : copy + 1, payload.len);
	struct packet segment = segment_of(side, flags, at, exact);
	bool starts = payload.len && rig.starts(exact);
	streams_take(rig.streams, &segment, side->expected, starts, rig.now, hear, &rig);
	free(copy);
	check_laws();
}

static void send_flag(const struct side *side, uint8_t flag, uint32_t at)
{
	send(side, flag, at, bytes_of(NULL, 0));
}

static void send_text(const struct side *side, uint32_t at, const char *text)
{
	send(side, 0, at, bytes_of_text(text));
}

static struct side connected(uint16_t source_port)
{
	struct side side = side_between(source_port, 5060);
	send_flag(&side, TCP_SYN, 0);
	return side;
}

// Exactly these were heard since the last time; the list ends with NULL.
static __attribute__((sentinel)) void assert_heard(const char *first, ...)
{
	size_t count = 0;
	va_list list;
	va_start(list, first);
	for (const char *text = first; text; text = va_arg(list, const char *), count++) {
		assert_true(count < rig.heard_count);
		assert_int_equal(rig.heard[count].len, strlen(text));
		assert_memory_equal(rig.heard[count].octets, text, strlen(text));
	}
	va_end(list);
	assert_int_equal(rig.heard_count, count);
	forget_heard();
}

// "#LEN\n" and that many times `fill`, in all as many octets as said.
static struct bytes long_message(uint8_t *room, size_t len, char fill)
{
	char head[32];
	size_t body = len - 1;
	do {
		body--;
		snprintf(head, sizeof head, "#%zu\n", body);
	} while (strlen(head) + body > len);
	assert_int_equal(strlen(head) + body, len);
	memcpy(room, head, strlen(head));
	memset(room + strlen(head), fill, body);
	return bytes_of(room, len);
}

// Sends octets in segments of at most `most`.
static void send_in_pieces(const struct side *side, uint32_t at, struct bytes octets, size_t most)
{
	for (size_t done = 0; done < octets.len; done += most)
		send(side, 0, at + (uint32_t)done, bytes_slice(octets, done, most));
}

// --- in order --------------------------------------------------------------------------------------------------

static void a_message_in_one_segment_is_taken(void **state)
{
	(void)state;
	struct side side = connected(40000);
	assert_true(is_followed(&side));
	rig.now += 5 * MS;
	send_text(&side, 0, "#3\nabc");
	assert_int_equal(rig.heard[0].time_ns, rig.now);
	assert_heard("#3\nabc", NULL);
	assert_int_equal(counted()->messages, 1);
	assert_int_equal(counted()->opened, 1);
	assert_int_equal(counted()->in_order, 2);
	assert_int_equal(counted()->mid_stream, 0);
}

static void several_messages_in_a_segment_are_taken_in_order(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#1\na#2\nbc#0\n#4\nd");
	assert_heard("#1\na", "#2\nbc", "#0\n", NULL);
	send_text(&side, 16, "efg#1\nh");
	assert_heard("#4\ndefg", "#1\nh", NULL);
	assert_int_equal(counted()->messages, 5);
	assert_int_equal(counted()->in_order, 3);
}

static void a_message_over_many_segments_is_whole_again(void **state)
{
	(void)state;
	struct side side = connected(40000);
	struct bytes message = bytes_of_text("#20\nabcdefghijklmnopqrst");
	for (uint32_t at = 0; at < message.len; at++) {
		assert_heard(NULL, NULL);
		send(&side, 0, at, bytes_slice(message, at, 1));
	}
	assert_heard("#20\nabcdefghijklmnopqrst", NULL);
	assert_int_equal(counted()->in_order, 1 + message.len);
}

static void keep_alives_between_messages_are_counted(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "\n\n");
	send_text(&side, 2, "#1\na\n\n#1\nb\n");
	assert_heard("#1\na", "#1\nb", NULL);
	assert_int_equal(counted()->keepalive_octets, 5);
	assert_int_equal(counted()->resync_octets, 0);
}

static void framing_is_told_what_is_known_of_the_stream(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_text(&side, 0, "x");
	assert_false(told.in_sync || told.has_begun);
	assert_true(told.expected);
	assert_int_equal(told.max_message, MAX_MESSAGE);
	send_text(&side, 1, "#1\na#");
	assert_true(told.in_sync && told.has_begun);
	send_text(&side, 10, "y");
	rig.now += GAP_TIMEOUT + 1;
	tick();
	assert_true(!told.in_sync && told.has_begun);

	side = side_between(40000, 8080);
	send_text(&side, 0, "#9\na");
	assert_true(told.in_sync && !told.has_begun && !told.expected);
}

// Ten octets are a message. It asks for all of them, and says that it has looked at three.
static struct {
	unsigned asked;
	size_t seen; // what it said last
} patience;

static struct framing patient_framing(struct bytes front, const struct framing_state *state)
{
	patience.asked++;
	assert_int_equal(state->seen, patience.seen);
	assert_true(state->seen == 0 || front.len >= 10);
	patience.seen = front.len < 10 ? 3 : 0;
	if (front.len < 10)
		return (struct framing){.verdict = FRAMING_MORE, .octets = 9, .seen = 3};
	return (struct framing){.verdict = FRAMING_MESSAGE, .octets = 10};
}

static void framing_is_not_asked_before_what_it_asked_for_is_there(void **state)
{
	(void)state;
	rig_down(NULL);
	rig_with(&CONFIG, patient_framing, test_rest, test_starts);
	patience.asked = 0;
	struct side side = connected(40000);
	send_in_pieces(&side, 0, bytes_of_text("abcdefghijABCDEFGHIJabcde"), 1);
	assert_heard("abcdefghij", "ABCDEFGHIJ", NULL);
	assert_int_equal(patience.asked, 5);
}

static void both_directions_are_streams_of_their_own(void **state)
{
	(void)state;
	struct side there = connected(40000), back = reverse_of(&there);
	back.start = 4294967290u;
	send_flag(&back, TCP_SYN, 0);
	send_text(&there, 0, "#4\nab");
	send_text(&back, 0, "#4\nwx");
	send_text(&there, 5, "cd");
	assert_int_equal(rig.heard[0].flow.source_port, 40000);
	assert_heard("#4\nabcd", NULL);
	send_text(&back, 5, "yz");
	assert_int_equal(rig.heard[0].flow.source_port, 5060);
	assert_heard("#4\nwxyz", NULL);
	assert_int_equal(counted()->opened, 2);

	send_flag(&there, TCP_FIN, 7);
	assert_false(is_followed(&there));
	assert_true(is_followed(&back));
}

static void equal_addresses_in_other_scopes_are_other_streams(void **state)
{
	(void)state;
	struct side one = connected(40000), other = one;
	other.scope = 7;
	send_flag(&other, TCP_SYN, 0);
	send_text(&one, 0, "#4\nab");
	send_text(&other, 0, "#4\nwx");
	send_text(&one, 5, "cd");
	assert_int_equal(rig.heard[0].scope, 0);
	assert_heard("#4\nabcd", NULL);
	send_text(&other, 5, "yz");
	assert_int_equal(rig.heard[0].scope, 7);
	assert_heard("#4\nwxyz", NULL);
}

static void what_names_a_stream_is_scope_addresses_ports_and_their_order(void **state)
{
	(void)state;
	struct side sides[6];
	sides[0] = side_between(40000, 5060);
	sides[1] = reverse_of(&sides[0]);
	sides[2] = side_between(40001, 5060);
	sides[3] = side_between(40000, 5061);
	sides[4] = sides[0];
	sides[4].scope = 1;
	sides[5] = sides[0];
	sides[5].flow.source = address_of("2001:db8::1");
	sides[5].flow.destination = address_of("2001:db8::2");
	for (size_t i = 0; i < 6; i++) {
		struct digest name = name_of(&sides[i]);
		struct packet later = segment_of(&sides[i], TCP_FIN, 77, bytes_of_text("x"));
		struct digest again = streams_name(&KEY, &later);
		assert_true(digest_equal(&name, &again));
		for (size_t j = 0; j < i; j++) {
			struct digest other = name_of(&sides[j]);
			assert_false(digest_equal(&name, &other));
		}
	}
}

static void sequence_numbers_may_wrap_anywhere(void **state)
{
	(void)state;
	struct bytes stream = bytes_of_text("#9\nabcdefghi#20\nklmnopqrstklmnopqrst#5\nuvwxy");
	for (uint32_t wrap = 0; wrap <= stream.len + 1; wrap++) {
		for (unsigned reversed = 0; reversed < 2; reversed++) {
			uint16_t port = (uint16_t)(1000 + 2 * wrap + reversed);
			struct side side = side_between(port, 5060);
			side.start = 0u - wrap;
			send_flag(&side, TCP_SYN, 0);
			for (uint32_t i = 0; i < stream.len; i += 7) {
				uint32_t last = (uint32_t)(stream.len - 1) / 7 * 7;
				uint32_t at = reversed ? last - i : i;
				send(&side, 0, at, bytes_slice(stream, at, 7));
			}
			send_flag(&side, TCP_FIN, (uint32_t)stream.len);
			assert_heard("#9\nabcdefghi", "#20\nklmnopqrstklmnopqrst", "#5\nuvwxy",
				NULL);
			assert_false(is_followed(&side));
		}
	}
	assert_int_equal(counted()->ended, 2 * (stream.len + 2));
	assert_int_equal(counted()->gaps, 0);
}

static void segments_without_data_are_told_by_where_they_stand(void **state)
{
	(void)state;
	struct side side = connected(40000);
	assert_int_equal(counted()->in_order, 1);
	send_flag(&side, 0, 0);
	assert_int_equal(counted()->in_order, 2);
	send_text(&side, 0, "#1\na");
	send_flag(&side, 0, 3); // a TCP keep-alive
	assert_int_equal(counted()->repeated, 1);
	send_text(&side, 3, "a"); // the kind with an octet
	assert_int_equal(counted()->repeated, 2);
	send_flag(&side, 0, 10);
	assert_int_equal(counted()->out_of_order, 1);
	send_text(&side, 4, "#1\nb");
	assert_heard("#1\na", "#1\nb", NULL);
	assert_int_equal(counted()->gaps, 0);
}

static void urgent_data_stays_in_line_counted(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#6\nab");
	send(&side, TCP_URG, 5, bytes_of_text("cd"));
	send_text(&side, 7, "ef");
	assert_heard("#6\nabcdef", NULL);
	assert_int_equal(counted()->urgent, 1);
}

static void data_on_a_syn_is_taken(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send(&side, TCP_SYN, 0, bytes_of_text("#1\na#2\nb"));
	assert_heard("#1\na", NULL);
	send_text(&side, 8, "c");
	assert_heard("#2\nbc", NULL);
	assert_int_equal(counted()->mid_stream, 0);
}

// --- out of order ----------------------------------------------------------------------------------------------

enum { PIECES = 6, PERMUTATIONS = 720 };

// The nth order of six things.
static void permutation(unsigned n, unsigned order[PIECES])
{
	unsigned left[PIECES] = {0, 1, 2, 3, 4, 5};
	for (unsigned i = 0, radix = PERMUTATIONS; i < PIECES; i++) {
		radix /= PIECES - i;
		unsigned pick = n / radix;
		n %= radix;
		order[i] = left[pick];
		memmove(&left[pick], &left[pick + 1], (PIECES - 1 - pick) * sizeof *left);
	}
}

static void segments_in_every_order_give_the_same_messages(void **state)
{
	(void)state;
	struct bytes stream = bytes_of_text("#3\nabc#12\ndefghijklmno#0\n#8\npqrstuvw");
	const uint32_t cuts[PIECES + 1] = {0, 4, 8, 17, 24, 26, (uint32_t)stream.len};
	for (unsigned n = 0; n < PERMUTATIONS; n++) {
		unsigned order[PIECES];
		permutation(n, order);
		struct side side = connected((uint16_t)(1000 + n));
		for (unsigned i = 0; i < PIECES; i++) {
			uint32_t at = cuts[order[i]];
			send(&side, 0, at, bytes_slice(stream, at, cuts[order[i] + 1] - at));
		}
		assert_heard("#3\nabc", "#12\ndefghijklmno", "#0\n", "#8\npqrstuvw", NULL);
		send_flag(&side, TCP_FIN, (uint32_t)stream.len);
	}
	assert_int_equal(counted()->gaps, 0);
	assert_int_equal(counted()->repeated, 0);
	assert_int_equal(counted()->ended, PERMUTATIONS);
	assert_int_equal(
		counted()->in_order + counted()->out_of_order, PERMUTATIONS * (PIECES + 2));
}

static void a_syn_that_comes_after_the_first_data_changes_nothing(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_text(&side, 0, "#4\nab");
	send_flag(&side, TCP_SYN, 0);
	send_text(&side, 5, "cd");
	assert_heard("#4\nabcd", NULL);
	send_flag(&side, TCP_SYN, 0);
	send_text(&side, 7, "#1\ne");
	assert_heard("#1\ne", NULL);
	assert_int_equal(counted()->opened, 1);
	assert_int_equal(counted()->gaps, 0);
}

// Whichever comes first opens the stream: both have their messages taken.
static void two_swapped_segments_without_syn_are_both_taken(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_text(&side, 4, "#1\nb");
	assert_heard("#1\nb", NULL);
	send_text(&side, 0, "#1\na");
	assert_heard("#1\na", NULL);
	send_text(&side, 0, "#1\na"); // now it is a repetition
	send_text(&side, 8, "#1\nc");
	assert_heard("#1\nc", NULL);
	assert_int_equal(counted()->repeated, 1);
	assert_int_equal(counted()->gaps, 0);
	assert_int_equal(counted()->opened, 1);
}

static void all_that_came_before_the_stream_was_picked_up_is_taken(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_text(&side, 12, "#1\nc");
	send_text(&side, 0, "#1\na");
	send_text(&side, 4, "tail#1\nb");
	send_text(&side, 16, "#1\nd");
	assert_heard("#1\nc", "#1\na", "#1\nb", "#1\nd", NULL);
	assert_int_equal(counted()->gaps, 0);
	assert_int_equal(counted()->opened, 1);
}

static void what_began_before_the_stream_was_picked_up_is_taken_as_far_as_it_goes(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_text(&side, 9, "cd#1\ne");
	assert_heard("#1\ne", NULL);
	send_text(&side, 0, "#1\na#4\nb");
	assert_heard("#1\na", "#4\nb", NULL);
	assert_int_equal(counted()->messages_cut, 1);
}

static void a_syn_between_swapped_segments_begins_nothing_anew(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_text(&side, 4, "#1\nb");
	send_flag(&side, TCP_SYN, 0);
	send_text(&side, 0, "#1\na");
	send_text(&side, 8, "#1\nc");
	assert_heard("#1\nb", "#1\na", "#1\nc", NULL);
	assert_int_equal(counted()->opened, 1);
	assert_int_equal(counted()->gaps, 0);
	flush();
	assert_int_equal(counted()->gaps, 0);
}

static void a_retransmitted_segment_is_not_taken_again(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#4\nab");
	send_text(&side, 0, "#4\nab"); // still waits
	send_text(&side, 5, "cd");
	assert_heard("#4\nabcd", NULL);
	send_text(&side, 0, "#4\nab"); // consumed
	send_text(&side, 5, "cd");
	send_flag(&side, TCP_SYN, 0);
	assert_heard(NULL, NULL);
	assert_int_equal(counted()->repeated, 4);
	assert_int_equal(counted()->overlap_differs, 0);
	send_text(&side, 10, "b"); // waits behind a hole
	send_text(&side, 10, "b");
	assert_int_equal(counted()->repeated, 5);
	send_text(&side, 7, "#1\n");
	assert_heard("#1\nb", NULL);
}

// Numbers lie half of their range apart by then. Each message is as far from the one before as is believed.
static void a_retransmission_is_one_after_gigabytes_too(void **state)
{
	(void)state;
	enum { STEP = STREAMS_WINDOW + 4 };
	struct side side = side_between(40000, 5060);
	uint32_t at = 0;
	for (; at < UINT32_MAX - STEP; at += STEP) {
		send_text(&side, at, "#1\na");
		assert_heard("#1\na", NULL);
		send_text(&side, at, "#1\na");
		assert_heard(NULL, NULL);
	}
	assert_int_equal(counted()->repeated, at / STEP);
	assert_int_equal(counted()->opened, 1);
}

static void of_a_retransmission_only_what_is_new_counts(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#1\na#4\nbc");
	send_text(&side, 0, "#1\na#4\nbcde#1\nf");
	assert_heard("#1\na", "#4\nbcde", "#1\nf", NULL);
	send_text(&side, 11, "#1\nf#1\ng");
	assert_heard("#1\ng", NULL);
	assert_int_equal(counted()->overlap_differs, 0);
	assert_int_equal(counted()->repeated, 0);
}

static void overlaps_that_say_the_same_are_harmless(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 4, "abcd");
	send_text(&side, 10, "ghij");
	send_text(&side, 6, "cdefgh");
	send_text(&side, 2, "0\nab");
	send_text(&side, 0, "#10\na");
	assert_heard("#10\nabcdefghij", NULL);
	assert_int_equal(counted()->overlap_differs, 0);
}

static void of_overlaps_that_differ_the_octets_that_came_first_count(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 6, "cde");
	send_text(&side, 4, "abXYefg");
	assert_int_equal(counted()->overlap_differs, 1);
	send_text(&side, 2, "0\nZ");
	assert_int_equal(counted()->overlap_differs, 2);
	send_text(&side, 0, "#10\nabcdefghij");
	assert_heard("#10\nabcdefghij", NULL);
	assert_int_equal(counted()->overlap_differs, 2);

	send_text(&side, 14, "#4\nab"); // the same of what waits in order
	send_text(&side, 14, "#4\nXYcd");
	assert_heard("#4\nabcd", NULL);
	assert_int_equal(counted()->overlap_differs, 3);
}

static void one_separate_piece_too_many_is_not_kept(void **state)
{
	(void)state;
	struct side side = connected(40000);
	for (uint32_t i = 1; i < STREAMS_RANGES; i++) // the last one is for the front
		send_text(&side, 10 * i, "x");
	assert_int_equal(counted()->no_memory, 0);
	send_text(&side, 10 * STREAMS_RANGES, "x");
	assert_int_equal(counted()->no_memory, 1);
	send_text(&side, 11, "y"); // joins one that is there
	assert_int_equal(counted()->no_memory, 1);
	assert_int_equal(counted()->out_of_order, STREAMS_RANGES);
	send_text(&side, 0, "#4\nab");
	assert_int_equal(counted()->no_memory, 1);
	assert_int_equal(counted()->in_order, 2); // and the SYN
}

// The segment that makes the buffer grow is itself one piece too many.
static void what_waits_is_of_its_own_stream_in_a_larger_buffer_too(void **state)
{
	(void)state;
	static uint8_t room[6000];
	struct side other = side_between(40001, 5060);
	send(&other, 0, 0, bytes_slice(long_message(room, sizeof room, 'x'), 0, 5000));
	send_flag(&other, TCP_RST, 5000); // its buffer is free again
	forget_heard();

	struct side side = connected(40000);
	for (uint32_t i = 1; i < STREAMS_RANGES; i++)
		send_text(&side, 6 * i, "#1\na");
	send_text(&side, 4000, "#1\nb");
	assert_int_equal(counted()->no_memory, 1);
	rig.now += GAP_TIMEOUT + 1;
	tick();
	assert_int_equal(rig.heard_count, STREAMS_RANGES - 1);
	for (size_t i = 0; i < rig.heard_count; i++) {
		assert_int_equal(rig.heard[i].flow.source_port, 40000);
		assert_true(rig.heard[i].time_ns < rig.now);
		assert_true(rig.heard[i].time_ns >= START);
	}
}

// 150 messages in one segment behind a hole that the next one fills.
static void put_many_behind_a_hole(struct side *side)
{
	char text[5 * 150 + 1] = "";
	*side = connected(40000);
	for (unsigned i = 0; i < 150; i++)
		strcat(text, "#1\nx");
	send_text(side, 4, text);
	assert_int_equal(counted()->messages, 0);
	send_text(side, 0, "#1\na");
	assert_int_equal(counted()->messages, STREAMS_MESSAGES);
}

static void one_call_takes_so_many_messages_and_the_next_ones_take_the_others(void **state)
{
	(void)state;
	struct side side;
	put_many_behind_a_hole(&side);
	send_text(&side, 4 * 151, "#1\nz"); // a segment of the stream goes on with them
	assert_int_equal(counted()->messages, 2 * STREAMS_MESSAGES);
	tick();
	assert_int_equal(counted()->messages, 152);
	assert_int_equal(counted()->unread_octets, 0);
	forget_heard();
}

static void what_an_end_leaves_unread_is_counted_and_a_fin_leaves_nothing(void **state)
{
	(void)state;
	struct side side;
	put_many_behind_a_hole(&side);
	send_flag(&side, TCP_RST, 4 * 151);
	assert_int_equal(counted()->messages, 2 * STREAMS_MESSAGES);
	assert_int_equal(counted()->unread_octets, 4 * (151 - 2 * STREAMS_MESSAGES));
	assert_int_equal(counted()->ended, 1);
	forget_heard();

	side = connected(40001);
	char text[4 * 100 + 1] = "";
	for (unsigned i = 0; i < 100; i++)
		strcat(text, "#1\nx");
	uint64_t before = counted()->messages;
	send_text(&side, 0, text);
	send_flag(&side, TCP_FIN, 4 * 100);
	tick();
	assert_int_equal(counted()->messages - before, 100);
	assert_int_equal(counted()->ended, 2);
	forget_heard();
}

static void the_longest_message_comes_in_any_direction(void **state)
{
	(void)state;
	static uint8_t room[MAX_MESSAGE];
	struct bytes message = long_message(room, MAX_MESSAGE, 'a');
	struct side side = connected(40000);
	send_in_pieces(&side, 0, message, 1460);
	assert_int_equal(rig.heard_count, 1);
	assert_int_equal(rig.heard[0].len, MAX_MESSAGE);
	assert_memory_equal(rig.heard[0].octets, message.at, message.len);
	forget_heard();
	for (uint32_t at = MAX_MESSAGE / 1024 * 1024; at > 0; at -= 1024)
		send(&side, 0, MAX_MESSAGE + at - 1024, bytes_slice(message, at - 1024, 1024));
	assert_int_equal(rig.heard_count, 1);
	assert_int_equal(rig.heard[0].len, MAX_MESSAGE);
	assert_memory_equal(rig.heard[0].octets, message.at, message.len);
	assert_int_equal(counted()->messages, 2);
	assert_int_equal(counted()->no_memory, 0);
}

// --- picked up in mid-stream -----------------------------------------------------------------------------------

static void on_an_expected_port_a_stream_is_picked_up_anywhere(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_text(&side, 50, "tail#1\na");
	assert_heard("#1\na", NULL);
	assert_int_equal(counted()->opened, 1);
	assert_int_equal(counted()->mid_stream, 1);
	assert_int_equal(counted()->resync_octets, 4);
	assert_int_equal(counted()->gaps, 0);
	send_text(&side, 58, "#1\nb");
	assert_heard("#1\nb", NULL);
}

static void without_data_nothing_is_picked_up(void **state)
{
	(void)state;
	struct side side = side_between(40000, 5060);
	send_flag(&side, 0, 0);
	send_flag(&side, TCP_FIN, 0);
	send_flag(&side, TCP_RST, 0);
	assert_int_equal(counted()->opened, 0);
	assert_int_equal(counted()->not_followed, 3);
}

static void elsewhere_only_the_start_of_a_message_opens_a_stream(void **state)
{
	(void)state;
	struct side side = side_between(40000, 8080);
	send_flag(&side, TCP_SYN, 0);
	send_text(&side, 0, "GET");
	assert_false(is_followed(&side));
	assert_int_equal(counted()->not_followed, 2);
	send_text(&side, 3, "#4\nab");
	assert_true(is_followed(&side));
	send_text(&side, 8, "cd#1\ne");
	assert_heard("#4\nabcd", "#1\ne", NULL);
	assert_int_equal(counted()->opened, 1);
	assert_int_equal(counted()->mid_stream, 1);
	assert_int_equal(counted()->resync_octets, 0);
}

// --- lost segments ---------------------------------------------------------------------------------------------

// "#9\nabcdefghi#1\nj", of which the five octets from 7 on are lost.
static struct side with_a_gap(void)
{
	struct side side = connected(40000);
	send_text(&side, 0, "#9\nabcd");
	send_text(&side, 12, "#1\nj");
	assert_heard(NULL, NULL);
	assert_int_equal(counted()->gaps, 0);
	return side;
}

static void assert_gap_given_up(void)
{
	assert_int_equal(counted()->gaps, 1);
	assert_int_equal(counted()->gap_octets, 5);
	assert_int_equal(counted()->messages_cut, 1);
	assert_int_equal(counted()->out_of_window, 0);
	assert_int_equal(counted()->no_memory, 0);
}

static void a_missing_segment_is_waited_for(void **state)
{
	(void)state;
	struct side side = with_a_gap();
	rig.now += GAP_TIMEOUT;
	tick();
	send_text(&side, 16, "#1\nk");
	assert_heard(NULL, NULL);
	send_text(&side, 7, "efghi");
	assert_heard("#9\nabcdefghi", "#1\nj", "#1\nk", NULL);
	assert_int_equal(counted()->gaps, 0);
}

static void a_gap_is_given_up_when_a_later_segment_comes_too_late(void **state)
{
	(void)state;
	struct side side = with_a_gap();
	rig.now += GAP_TIMEOUT + 1;
	send_text(&side, 16, "#1\nk");
	assert_heard("#9\nabcd", "#1\nj", "#1\nk", NULL);
	assert_gap_given_up();
	send_text(&side, 7, "efghi"); // nobody waits for it any more
	assert_heard(NULL, NULL);
	assert_int_equal(counted()->repeated, 1);
}

static void a_gap_is_given_up_as_time_passes(void **state)
{
	(void)state;
	struct side side = with_a_gap();
	rig.now += GAP_TIMEOUT + 1;
	tick();
	assert_heard("#9\nabcd", "#1\nj", NULL);
	assert_gap_given_up();
	assert_true(is_followed(&side));
}

static void a_gap_is_given_up_at_the_end(void **state)
{
	(void)state;
	with_a_gap();
	flush();
	assert_heard("#9\nabcd", "#1\nj", NULL);
	assert_gap_given_up();
}

static void a_gap_is_given_up_when_more_than_the_window_waits_behind_it(void **state)
{
	(void)state;
	static uint8_t room[60000];
	struct bytes message = long_message(room, sizeof room, 'x');
	struct side side = with_a_gap();
	for (uint32_t i = 0; i < 3; i++) {
		send_in_pieces(&side, 16 + i * (uint32_t)sizeof room, message, 1400);
		assert_int_equal(rig.heard_count, i < 2 ? 0 : 5);
	}
	assert_int_equal(rig.heard[0].len, strlen("#9\nabcd"));
	assert_int_equal(rig.heard[1].len, strlen("#1\nj"));
	for (size_t i = 2; i < 5; i++) {
		assert_int_equal(rig.heard[i].len, message.len);
		assert_memory_equal(rig.heard[i].octets, message.at, message.len);
	}
	assert_gap_given_up();
}

// Whoever sends one octet far ahead that his peer does not believe hides nothing of what he sends then.
static void messages_that_come_in_a_gap_that_was_given_up_are_taken(void **state)
{
	(void)state;
	const uint32_t far[] = {1000, STREAMS_WINDOW};
	for (uint16_t i = 0; i < 2; i++) {
		struct side side = connected((uint16_t)(40000 + i));
		send_text(&side, 0, "#1\na");
		send_text(&side, far[i], "x");
		rig.now += GAP_TIMEOUT + 1;
		tick();
		assert_heard("#1\na", NULL);
		send_text(&side, 4, "#1\nb");
		send_text(&side, 8, "#1\nc");
		assert_heard("#1\nb", "#1\nc", NULL);
	}
	assert_int_equal(counted()->repeated, 0);
}

// So that no call has the messages of many windows to take.
static void one_call_gives_up_the_gaps_of_one_stream(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 3; i++) {
		struct side side = connected((uint16_t)(40000 + i));
		send_text(&side, 4, "#1\nb");
	}
	rig.now += GAP_TIMEOUT + 1;
	for (size_t i = 0; i < 3; i++) {
		streams_tick(rig.streams, rig.now, hear, &rig);
		assert_heard("#1\nb", NULL);
	}
}

static void each_gap_is_waited_for_by_itself(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 4, "#1\nb");
	rig.now += GAP_TIMEOUT * 3 / 4;
	send_text(&side, 12, "#1\nd");
	send_text(&side, 0, "#1\na");
	assert_heard("#1\na", "#1\nb", NULL);
	rig.now += GAP_TIMEOUT / 2;
	tick();
	send_text(&side, 8, "#1\nc");
	assert_heard("#1\nc", "#1\nd", NULL);
	assert_int_equal(counted()->gaps, 0);
}

static void behind_a_gap_the_next_start_is_looked_for(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#1\na");
	send_text(&side, 10, "tail\n\n#1\nb");
	rig.now += GAP_TIMEOUT + 1;
	tick();
	assert_heard("#1\na", "#1\nb", NULL);
	assert_int_equal(counted()->gaps, 1);
	assert_int_equal(counted()->gap_octets, 6);
	assert_int_equal(counted()->resync_octets, 6);
	assert_int_equal(counted()->messages_cut, 0);
}

static void several_gaps_are_each_given_up(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#9\na");
	send_text(&side, 12, "#9\nb");
	send_text(&side, 24, "#9\nc");
	send_text(&side, 36, "#1\nd");
	flush();
	assert_heard("#9\na", "#9\nb", "#9\nc", "#1\nd", NULL);
	assert_int_equal(counted()->gaps, 3);
	assert_int_equal(counted()->gap_octets, 24);
	assert_int_equal(counted()->messages_cut, 3);
}

static void several_gaps_are_given_up_together_when_all_were_waited_for(void **state)
{
	(void)state;
	struct side side = connected(40000);
	for (uint32_t i = 0; i < 4; i++)
		send_text(&side, 12 * i, i < 3 ? "#9\na" : "#1\nd");
	rig.now += GAP_TIMEOUT + 1;
	tick();
	assert_heard("#9\na", "#9\na", "#9\na", "#1\nd", NULL);
	assert_int_equal(counted()->gaps, 3);
}

static void what_begins_a_message_inside_of_one_begins_none(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#1\na");
	send_text(&side, 10, "#7\n"); // found out of sync
	rig.now += GAP_TIMEOUT + 1;
	tick();
	send_text(&side, 13, "#1\nxyzw");
	assert_heard("#1\na", "#7\n#1\nxyzw", NULL);
	assert_int_equal(counted()->resync_octets, 0);
}

static void a_gap_in_what_goes_by_anyway_cuts_nothing(void **state)
{
	(void)state;
	struct streams_config config = CONFIG;
	config.max_message = 100;
	rig_again_with(&config);
	struct side side = connected(40000);
	send_text(&side, 0, "#200\nxxx");
	assert_heard("#200\n", NULL);
	send_text(&side, 200, "xxxxx#1\na");
	assert_heard(NULL, NULL);
	rig.now += GAP_TIMEOUT + 1;
	tick();
	assert_heard("#1\na", NULL);
	assert_int_equal(counted()->messages_cut, 0);
	assert_int_equal(counted()->resync_octets, 0);
}

static void time_may_jump_either_way(void **state)
{
	(void)state;
	struct side side = connected(40000);
	const uint64_t times[] = {START - 3600 * SECOND, 0, UINT64_MAX - 100, 1, START};
	uint32_t at = 0;
	for (size_t i = 0; i < 5; i++) {
		rig.now = times[i];
		send_text(&side, at, "#4\nab");
		rig.now += 10;
		send_text(&side, at + 5, "cd");
		assert_heard("#4\nabcd", NULL);
		tick();
		at += 7;
	}
	assert_int_equal(counted()->gaps, 0);
}

// --- how streams end -------------------------------------------------------------------------------------------

static void fin_ends_a_stream(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send(&side, TCP_FIN, 0, bytes_of_text("#1\na"));
	assert_heard("#1\na", NULL);
	assert_int_equal(counted()->ended, 1);
	assert_false(is_followed(&side));

	side = connected(40001);
	send_text(&side, 0, "#1\na");
	send_flag(&side, TCP_FIN, 4);
	assert_heard("#1\na", NULL);
	assert_int_equal(counted()->ended, 2);
	assert_false(is_followed(&side));
}

static void fin_waits_for_all_that_comes_before_it(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#4\na");
	send_flag(&side, TCP_FIN, 7);
	assert_true(is_followed(&side));
	send_text(&side, 5, "cd");
	assert_true(is_followed(&side));
	send_text(&side, 4, "b");
	assert_heard("#4\nabcd", NULL);
	assert_false(is_followed(&side));

	side = connected(40001);
	send(&side, TCP_FIN, 5, bytes_of_text("cd"));
	assert_true(is_followed(&side));
	send_text(&side, 0, "#4\nab");
	assert_heard("#4\nabcd", NULL);
	assert_false(is_followed(&side));
	assert_int_equal(counted()->ended, 2);
	assert_int_equal(counted()->gaps, 0);
}

static void a_message_that_fin_cuts_is_taken_as_far_as_it_goes(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send(&side, TCP_FIN, 0, bytes_of_text("#1\na#9\nbc"));
	assert_heard("#1\na", "#9\nbc", NULL);
	assert_int_equal(counted()->messages_cut, 1);

	side = connected(40001);
	send(&side, TCP_FIN, 0, bytes_of_text("#1\na#9"));
	assert_heard("#1\na", NULL);
	assert_int_equal(counted()->messages_cut, 1);
	assert_int_equal(counted()->ended, 2);
}

static void fin_ends_a_stream_when_the_gap_before_it_is_given_up(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send(&side, TCP_FIN, 5, bytes_of_text("#1\na"));
	rig.now += GAP_TIMEOUT + 1;
	tick();
	assert_heard("#1\na", NULL);
	assert_false(is_followed(&side));
	assert_int_equal(counted()->ended, 1);
	assert_int_equal(counted()->gaps, 1);
}

static void fin_from_elsewhere_is_not_believed(void **state)
{
	(void)state;
	const uint32_t places[] = {0, 0xfffffff0, 0xfff00000, 0x80000000, STREAMS_WINDOW + 1000};
	struct side side = connected(40000);
	send_text(&side, 0, "#1\na#4\nbc");
	for (size_t i = 0; i < 5; i++)
		send_flag(&side, TCP_FIN, places[i]);
	assert_true(is_followed(&side));
	send_text(&side, 9, "de");
	assert_heard("#1\na", "#4\nbcde", NULL);
	assert_true(is_followed(&side));
	assert_int_equal(counted()->ended, 0);
}

static void fin_is_not_believed_when_data_go_on_behind_it(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#4\na");
	send_flag(&side, TCP_FIN, 6);
	send_text(&side, 4, "bcd#4\ne");
	assert_true(is_followed(&side));
	send_text(&side, 11, "fgh");
	assert_heard("#4\nabcd", "#4\nefgh", NULL);
	assert_int_equal(counted()->ended, 0);
}

// The acknowledgement of the last segment was lost. On an expected port any data opens a stream, so this is one, and ends with
// its segment; sip_events knows a repetition.
static void of_a_stream_that_has_ended_nothing_is_known(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send(&side, TCP_FIN, 0, bytes_of_text("#1\na"));
	assert_heard("#1\na", NULL);
	send_flag(&side, 0, 4);
	assert_int_equal(counted()->not_followed, 1);
	send(&side, TCP_FIN, 0, bytes_of_text("#1\na"));
	assert_heard("#1\na", NULL);
	assert_int_equal(counted()->opened, 2);
	assert_int_equal(counted()->ended, 2);
}

static void rst_ends_a_stream_at_once(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#1\na#9\nb");
	send_text(&side, 20, "#1\nc");
	assert_heard("#1\na", NULL);
	send_flag(&side, TCP_RST, 24);
	assert_heard("#9\nb", "#1\nc", NULL);
	assert_false(is_followed(&side));
	assert_int_equal(counted()->ended, 1);
	assert_int_equal(counted()->messages_cut, 1);

	side = connected(40001);
	send_flag(&side, TCP_RST, 0);
	assert_false(is_followed(&side));
	assert_int_equal(counted()->ended, 2);
}

static void rst_from_elsewhere_is_not_believed(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#4\nab");
	send_flag(&side, TCP_RST, STREAMS_WINDOW + 1000);
	send_flag(&side, TCP_RST, 0x80000000);
	send_flag(&side, TCP_RST, 0xfff00000);
	send_flag(&side, TCP_RST, 6); // one octet too far: its receiver asks back (RFC 5961)
	send_flag(&side, TCP_RST, 4);
	assert_int_equal(counted()->out_of_window, 5);
	assert_true(is_followed(&side));
	send_text(&side, 5, "cd");
	assert_heard("#4\nabcd", NULL);
	assert_int_equal(counted()->ended, 0);
}

static void another_syn_begins_another_connection(void **state)
{
	(void)state;
	struct side side = connected(40000);
	const uint32_t apart[] = {123456789, 20, 0u - 5000};
	for (size_t i = 0; i < 3; i++) {
		send_text(&side, 0, "#1\na#9\nb");
		assert_heard("#1\na", NULL);
		side.start += apart[i];
		send_flag(&side, TCP_SYN, 0);
		assert_heard("#9\nb", NULL);
	}
	assert_int_equal(counted()->ended, 3);
	assert_int_equal(counted()->opened, 4);
	assert_int_equal(counted()->messages_cut, 3);
	assert_int_equal(counted()->mid_stream, 0);
}

static void elsewhere_another_syn_ends_the_stream_and_begins_none(void **state)
{
	(void)state;
	struct side side = side_between(40000, 8080);
	send_text(&side, 0, "#9\na");
	side.start += 123456789;
	send_flag(&side, TCP_SYN, 0);
	assert_heard("#9\na", NULL);
	assert_int_equal(counted()->ended, 1);
	assert_int_equal(counted()->not_followed, 1);
	assert_int_equal(streams_followed(rig.streams), 0);
}

static void far_away_the_start_of_a_message_begins_another_connection(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#1\na#9\nb");
	assert_heard("#1\na", NULL);
	side.start += 0x40000000;
	send_text(&side, 0, "#4\ncd");
	assert_heard("#9\nb", NULL);
	send_text(&side, 5, "ef");
	assert_heard("#4\ncdef", NULL);
	assert_int_equal(counted()->ended, 1);
	assert_int_equal(counted()->mid_stream, 1);
	assert_int_equal(counted()->out_of_window, 0);
}

static void far_away_two_segments_in_a_row_are_believed(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#4\nab");
	side.start += 0x40000000;
	send_text(&side, 0, "tail");
	assert_int_equal(counted()->out_of_window, 1);
	assert_int_equal(counted()->ended, 0);
	send_text(&side, 4, "s#1\nc");
	assert_heard("#4\nab", "#1\nc", NULL);
	assert_int_equal(counted()->out_of_window, 1);
	assert_int_equal(counted()->ended, 1);
}

static void a_stream_goes_on_after_an_outage(void **state)
{
	(void)state;
	struct side side = side_between(40000, 8080);
	send_text(&side, 0, "#1\na");
	uint32_t at = 1000000;
	for (unsigned i = 0; i < 5; i++, at += 6)
		send_text(&side, at, "x#2\nyz");
	assert_heard("#1\na", "#2\nyz", "#2\nyz", "#2\nyz", "#2\nyz", NULL);
	assert_int_equal(counted()->out_of_window, 1);
	assert_int_equal(counted()->mid_stream, 2);
}

static void far_away_a_single_segment_is_not_believed(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#4\nab");
	struct side far = side;
	far.start += STREAMS_WINDOW + 1000;
	send_text(&far, 0, "tail");
	far.start += 0x70000000;
	send_text(&far, 0, "tail");
	assert_int_equal(counted()->out_of_window, 2);
	send_text(&side, 5, "cd");
	assert_heard("#4\nabcd", NULL);
	assert_int_equal(counted()->ended, 0);
}

// --- let go ----------------------------------------------------------------------------------------------------

static void a_stream_that_carries_something_else_is_let_go(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "!tls");
	assert_false(is_followed(&side));
	assert_int_equal(counted()->let_go[FRAMING_TLS], 1);
	send_text(&side, 4, "more");
	send_text(&side, 8, "of it");
	send_flag(&side, 0, 13);
	assert_int_equal(counted()->not_followed, 3);
	assert_int_equal(counted()->opened, 1);
	assert_heard(NULL, NULL);
}

static void a_stream_that_was_let_go_is_followed_again_from_a_message_on(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "!tls");
	send_text(&side, 4, "#4\nab");
	assert_true(is_followed(&side));
	send_text(&side, 9, "cd");
	assert_heard("#4\nabcd", NULL);
	assert_int_equal(counted()->opened, 2);

	side = connected(40001);
	send_text(&side, 0, "!tls");
	side.start += 5000000; // another connection
	send_flag(&side, TCP_SYN, 0);
	assert_true(is_followed(&side));
	send_text(&side, 0, "#1\ne");
	assert_heard("#1\ne", NULL);
}

static void a_stream_that_was_let_go_ends_uncounted(void **state)
{
	(void)state;
	const uint8_t ends[] = {TCP_FIN, TCP_RST};
	for (uint16_t i = 0; i < 2; i++) {
		struct side side = connected((uint16_t)(40000 + i));
		send_text(&side, 0, "!tls");
		send_flag(&side, ends[i], 4);
		assert_int_equal(counted()->let_go[FRAMING_TLS], i + 1u);
		assert_int_equal(counted()->ended, 0);
	}
}

static void a_stream_that_is_let_go_as_it_ends_has_not_ended(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 10, "!tls");
	assert_true(is_followed(&side));
	send_flag(&side, TCP_RST, 14);
	assert_false(is_followed(&side));
	assert_int_equal(counted()->let_go[FRAMING_TLS], 1);
	assert_int_equal(counted()->ended, 0);
}

static void what_was_let_go_and_has_ended_takes_no_room(void **state)
{
	(void)state;
	struct streams_config config = CONFIG;
	config.max_streams = 2;
	rig_again_with(&config);
	struct side kept = connected(40000), foreign = connected(40001);
	send_text(&foreign, 0, "!tls");
	send_flag(&foreign, TCP_FIN, 4);
	connected(40002);
	assert_true(is_followed(&kept));
	assert_int_equal(counted()->given_up, 0);
}

static void the_patience_with_a_stream_that_does_not_begin_has_an_end(void **state)
{
	(void)state;
	char octets[1001];
	memset(octets, 'x', 1000);
	octets[1000] = '\0';
	struct side side = connected(40000);
	uint32_t at = 0;
	for (; at <= STREAMS_PATIENCE; at += 1000) {
		assert_true(is_followed(&side));
		send_text(&side, at, octets);
	}
	assert_false(is_followed(&side));
	assert_int_equal(counted()->let_go[FRAMING_FOREIGN], 1);

	// One that has begun is looked at for good.
	side = connected(40001);
	send_text(&side, 0, "#1\na");
	for (at = 4; at < 4 * STREAMS_PATIENCE; at += 1000)
		send_text(&side, at, octets);
	send_text(&side, at, "#1\nb");
	assert_heard("#1\na", "#1\nb", NULL);
	assert_int_equal(counted()->let_go[FRAMING_FOREIGN], 1);
}

// --- bounds ------------------------------------------------------------------------------------------------------

static void a_message_over_the_limit_is_taken_without_its_body(void **state)
{
	(void)state;
	static uint8_t room[1001];
	struct streams_config config = CONFIG;
	config.max_message = 1000;
	rig_again_with(&config);
	struct side side = connected(40000);
	struct bytes within = long_message(room, 1000, 'a');
	send(&side, 0, 0, within);
	assert_int_equal(rig.heard_count, 1);
	assert_int_equal(rig.heard[0].len, 1000);
	forget_heard();

	struct bytes over = long_message(room, 1001, 'a');
	send(&side, 0, 1000, over);
	send_text(&side, 2001, "#1\nb");
	assert_heard("#996\n", "#1\nb", NULL);
	assert_int_equal(counted()->messages, 2);
	assert_int_equal(counted()->messages_too_long, 1);
	assert_int_equal(counted()->resync_octets, 0);
}

static void what_goes_by_of_a_message_over_the_limit_is_not_kept(void **state)
{
	(void)state;
	static uint8_t room[1000000];
	struct bytes message = long_message(room, sizeof room, 'a');
	struct side side = connected(40000);
	send_in_pieces(&side, 0, message, 1460);
	send_text(&side, sizeof room, "#1\nb");
	assert_heard("#999992\n", "#1\nb", NULL);
	assert_int_equal(counted()->messages_too_long, 1);
	assert_int_equal(counted()->no_memory, 0);
	assert_int_equal(counted()->gaps, 0);

	// In pairs that are swapped.
	uint32_t at = sizeof room + 4;
	for (size_t done = 0; done < message.len; done += 2000) {
		send(&side, 0, at + (uint32_t)done + 1000, bytes_slice(message, done + 1000, 1000));
		send(&side, 0, at + (uint32_t)done, bytes_slice(message, done, 1000));
	}
	send_text(&side, at + (uint32_t)sizeof room, "#1\nc");
	assert_heard("#999992\n", "#1\nc", NULL);
	assert_int_equal(counted()->gaps, 0);
}

static struct side waiting_far_behind_a_hole(uint16_t port)
{
	struct side side = connected(port);
	send_text(&side, 0, "#9\nab");
	send_text(&side, 100000, "#1\nc");
	return side;
}

static void when_memory_is_full_the_oldest_stream_gives_way(void **state)
{
	(void)state;
	enum { LEAST_MEMORY = 1 << 20 };
	struct streams_config config = CONFIG;
	config.memory = LEAST_MEMORY;
	rig_again_with(&config);
	struct side first = waiting_far_behind_a_hole(40000), side = first;
	uint16_t count = 1;
	for (; counted()->given_up == 0 && count < MAX_STREAMS - 1; count++) {
		assert_heard(NULL, NULL);
		side = waiting_far_behind_a_hole((uint16_t)(40000 + count));
	}
	assert_int_equal(counted()->given_up, 1);
	assert_heard("#9\nab", "#1\nc", NULL); // of the oldest
	assert_false(is_followed(&first));
	assert_true(is_followed(&side));
	assert_int_equal(streams_followed(rig.streams), count - 1);
	assert_int_equal(counted()->messages_cut, 1);
	assert_int_equal(counted()->no_memory, 0);

	// What came last makes it the newest.
	struct side second = side_between(40001, 5060), third = side_between(40002, 5060);
	send_text(&second, 100004, "#1\nd");
	waiting_far_behind_a_hole((uint16_t)(40000 + count));
	assert_int_equal(counted()->given_up, 2);
	assert_true(is_followed(&second));
	assert_false(is_followed(&third));
	forget_heard();
}

static void small_messages_pass_when_large_memory_is_full(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < MAX_STREAMS / 2; i++)
		waiting_far_behind_a_hole((uint16_t)(40000 + i));
	uint64_t given_up = counted()->given_up;
	forget_heard();
	struct side side = connected(50000);
	send_text(&side, 0, "#4\nab");
	send_text(&side, 5, "cd");
	assert_heard("#4\nabcd", NULL);
	assert_int_equal(counted()->given_up, given_up);
}

static void when_the_table_is_full_the_oldest_stream_gives_way(void **state)
{
	(void)state;
	struct streams_config config = CONFIG;
	config.max_streams = 4;
	rig_again_with(&config);
	struct side sides[5];
	for (uint16_t i = 0; i < 4; i++) {
		sides[i] = connected((uint16_t)(40000 + i));
		send_text(&sides[i], 0, "#9\nab");
	}
	assert_int_equal(counted()->given_up, 0);
	send_text(&sides[0], 5, "c"); // no longer the oldest
	sides[4] = connected(40004);
	assert_heard("#9\nab", NULL);
	assert_int_equal(counted()->given_up, 1);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(is_followed(&sides[i]), i != 1);
}

static void a_stream_that_was_let_go_makes_room_uncounted(void **state)
{
	(void)state;
	struct streams_config config = CONFIG;
	config.max_streams = 2;
	rig_again_with(&config);
	struct side foreign = connected(40000);
	send_text(&foreign, 0, "!tls");
	connected(40001);
	connected(40002);
	assert_int_equal(streams_followed(rig.streams), 2);
	assert_int_equal(counted()->given_up, 0);
	assert_int_equal(counted()->let_go[FRAMING_TLS], 1);
}

static void a_flood_of_half_open_connections_costs_only_the_oldest(void **state)
{
	(void)state;
	enum { FLOOD = 100000, CAPACITY = 1024 };
	struct streams_config config = CONFIG;
	config.max_streams = CAPACITY;
	rig_again_with(&config);
	struct side side = side_between(0, 5060);
	for (uint32_t i = 0; i < FLOOD; i++) {
		side.flow.source_port = (uint16_t)i;
		side.scope = i >> 16;
		side.start = i * 2654435761u;
		send_flag(&side, TCP_SYN, 0);
	}
	assert_int_equal(counted()->opened, FLOOD);
	assert_int_equal(counted()->given_up, FLOOD - CAPACITY);
	assert_int_equal(streams_followed(rig.streams), CAPACITY);
	assert_int_equal(counted()->no_memory, 0);
	send_text(&side, 0, "#1\na");
	assert_heard("#1\na", NULL);
}

static void a_flood_elsewhere_costs_nothing(void **state)
{
	(void)state;
	struct side kept = connected(40000);
	struct side side = side_between(0, 8080);
	for (uint16_t i = 1; i < 5000; i++) {
		side.flow.source_port = i;
		send_flag(&side, TCP_SYN, 0);
		send_text(&side, 0, "GET / HTTP/1.1");
	}
	assert_int_equal(counted()->opened, 1);
	assert_int_equal(counted()->not_followed, 2 * 4999);
	assert_true(is_followed(&kept));
}

static void an_idle_stream_is_forgotten(void **state)
{
	(void)state;
	struct side idle = connected(40000);
	send_text(&idle, 0, "#9\nab");
	rig.now += IDLE / 2;
	struct side busy = connected(40001);
	rig.now += IDLE / 2;
	tick();
	assert_int_equal(counted()->idle, 0);
	rig.now += 1;
	tick();
	assert_heard("#9\nab", NULL);
	assert_int_equal(counted()->idle, 1);
	assert_false(is_followed(&idle));
	assert_true(is_followed(&busy));
}

// Nobody ticked meanwhile.
static void an_idle_stream_is_not_gone_on_with(void **state)
{
	(void)state;
	struct side side = connected(40000);
	send_text(&side, 0, "#9\nab");
	rig.now += IDLE + 1;
	send_text(&side, 5, "cdefghi#1\nj");
	assert_heard("#9\nab", "#1\nj", NULL);
	assert_int_equal(counted()->idle, 1);
	assert_int_equal(counted()->opened, 2);
}

static void every_stream_that_begins_ceases_once(void **state)
{
	(void)state;
	// The rig looks at each call; here are all ways for a stream to cease.
	struct streams_config config = CONFIG;
	config.max_streams = 4;
	rig_again_with(&config);
	struct side side = connected(40000);
	send_flag(&side, TCP_FIN, 0);
	side = connected(40001);
	send_flag(&side, TCP_RST, 0);
	side = connected(40002);
	side.start += 99;
	send_flag(&side, TCP_SYN, 0);
	send_text(&side, 0, "!tls");
	send_text(&side, 4, "#1\na");
	for (uint16_t i = 0; i < 5; i++)
		connected((uint16_t)(41000 + i));
	rig.now += IDLE + 1;
	tick();
	connected(40003);
	flush();
	assert_int_equal(rig.active, 0);
	assert_int_equal(rig.begun_count, 11);
	assert_int_equal(counted()->ended, 4);
	assert_int_equal(counted()->given_up, 2);
	assert_int_equal(counted()->idle, 4);
	forget_heard();
}

static void nobody_need_watch(void **state)
{
	(void)state;
	struct streams *s = streams_new(&CONFIG, &KEY, test_framing, test_rest);
	struct side side = side_between(40000, 5060);
	struct packet syn = segment_of(&side, TCP_SYN, 0, bytes_of(NULL, 0));
	struct packet fin = segment_of(&side, TCP_FIN, 0, bytes_of(NULL, 0));
	streams_take(s, &syn, true, false, START, hear, &rig);
	assert_int_equal(streams_followed(s), 1);
	streams_take(s, &fin, true, false, START, hear, &rig);
	assert_int_equal(streams_followed(s), 0);
	streams_free(s);
}

static void too_little_memory_and_no_streams_are_refused(void **state)
{
	(void)state;
	struct streams_config config = CONFIG;
	config.memory = 65536;
	assert_null(streams_new(&config, &KEY, test_framing, test_rest));
	assert_int_equal(errno, EINVAL);
	config = CONFIG;
	config.max_streams = 0;
	assert_null(streams_new(&config, &KEY, test_framing, test_rest));
	assert_int_equal(errno, EINVAL);
	config = CONFIG;
	config.memory = 1 << 20;
	struct streams *s = streams_new(&config, &KEY, test_framing, test_rest);
	assert_non_null(s);
	streams_free(s);
	streams_free(NULL);
}

// --- SIP -----------------------------------------------------------------------------------------------------------

enum { GOLDEN_ROOM = 16384, GOLDEN_MESSAGES = 24 };

// Messages one after another, keep-alives between some, and where everything lies.
struct golden {
	uint8_t octets[GOLDEN_ROOM];
	size_t len, count;
	struct golden_message {
		size_t at, method_end; // of a request; a response: `at`
		size_t from_end; // behind its From line
		size_t head_end, end;
	} messages[GOLDEN_MESSAGES];
};

static const char SDP[] = "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
			  "t=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

static void golden_add(struct golden *g, const char *start_line, const char *body)
{
	struct golden_message *m = &g->messages[g->count++];
	struct writer w = {.at = g->octets, .cap = sizeof g->octets, .len = g->len};
	bool is_request = strncmp(start_line, "SIP/", 4) != 0;
	m->at = g->len;
	m->method_end = m->at + (is_request ? strcspn(start_line, " ") : 0);
	write_format(&w,
		"%s\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK%zu\r\n"
		"From: \"Alice\" <sip:alice@example.com>;tag=a%zu\r\n",
		start_line, g->count, g->count);
	m->from_end = w.len;
	write_format(&w,
		"To: Bob <sip:bob@example.net>\r\nCall-ID: call%zu@example.com\r\n"
		"CSeq: %zu INVITE\r\nMax-Forwards: 70\r\nContent-Length: %zu\r\n\r\n",
		g->count, g->count, strlen(body));
	m->head_end = w.len;
	write_text(&w, body);
	m->end = w.len;
	assert_false(w.overflow);
	g->len = w.len;
}

static void golden_keep_alive(struct golden *g, const char *text)
{
	assert_true(strlen(text) < sizeof g->octets - g->len);
	memcpy(g->octets + g->len, text, strlen(text));
	g->len += strlen(text);
}

static void golden_call(struct golden *g)
{
	*g = (struct golden){.len = 0};
	golden_add(g, "INVITE sip:bob@example.net SIP/2.0", SDP);
	golden_add(g, "SIP/2.0 100 Trying", "");
	golden_add(g, "SIP/2.0 200 OK", SDP);
	golden_keep_alive(g, "\r\n\r\n");
	golden_add(g, "ACK sip:bob@192.0.2.2:5060 SIP/2.0", "");
	// The next start is at no start of a line.
	golden_add(g, "MESSAGE sip:bob@example.net SIP/2.0", "no line end");
	golden_add(g, "BYE sip:bob@192.0.2.2:5060 SIP/2.0", "");
}

static void golden_long_call(struct golden *g)
{
	golden_call(g);
	golden_keep_alive(g, "\r\n");
	for (unsigned i = 0; i < 2; i++) {
		golden_add(g, "UPDATE sip:bob@192.0.2.2:5060 SIP/2.0", SDP);
		golden_add(g, "MESSAGE sip:bob@example.net SIP/2.0", "x");
		golden_keep_alive(g, "\r\n\r\n");
		golden_add(g, "SIP/2.0 202 Accepted", "");
		golden_add(g, "OPTIONS tel:+15550100 SIP/2.0", "");
	}
}

static struct bytes golden_bytes(const struct golden *g)
{
	return bytes_of(g->octets, g->len);
}

// What sip_parse() makes of octets, in a block of their size.
static struct bytes parsed_octets(struct bytes octets, uint8_t **block)
{
	struct sip_message message;
	*block = exact_copy(octets.at, octets.len);
	assert_int_equal(sip_parse(bytes_of(*block, octets.len), &message), PARSE_OK);
	return message.octets;
}

static void assert_heard_as_in_datagrams(const struct golden *g)
{
	assert_int_equal(rig.heard_count, g->count);
	for (size_t i = 0; i < g->count; i++) {
		const struct golden_message *m = &g->messages[i];
		uint8_t *from_datagram, *from_stream;
		struct bytes datagram = bytes_slice(golden_bytes(g), m->at, m->end - m->at);
		struct bytes expected = parsed_octets(datagram, &from_datagram);
		struct bytes heard = parsed_octets(
			bytes_of(rig.heard[i].octets, rig.heard[i].len), &from_stream);
		assert_int_equal(heard.len, expected.len);
		assert_memory_equal(heard.at, expected.at, expected.len);
		free(from_datagram);
		free(from_stream);
	}
	forget_heard();
}

static void sip_split_at_every_octet_is_as_sip_in_datagrams(void **state)
{
	(void)state;
	static struct golden g;
	golden_call(&g);
	for (uint32_t cut = 0; cut <= g.len; cut++) {
		for (unsigned swapped = 0; swapped < 2; swapped++) {
			struct side side = connected((uint16_t)(10000 + 2 * cut + swapped));
			struct bytes front = bytes_slice(golden_bytes(&g), 0, cut);
			struct bytes back = bytes_slice(golden_bytes(&g), cut, SIZE_MAX);
			if (!swapped)
				send(&side, 0, 0, front);
			send(&side, 0, cut, back);
			if (swapped)
				send(&side, 0, 0, front);
			send_flag(&side, TCP_FIN, (uint32_t)g.len);
			assert_heard_as_in_datagrams(&g);
			assert_false(is_followed(&side));
		}
	}
	assert_int_equal(counted()->gaps, 0);
	assert_int_equal(counted()->resync_octets, 0);
	assert_int_equal(counted()->messages, 2 * (g.len + 1) * g.count);
}

static void sip_in_single_octets_is_as_sip_in_datagrams(void **state)
{
	(void)state;
	static struct golden g;
	golden_long_call(&g);
	struct side side = connected(40000);
	send_in_pieces(&side, 0, golden_bytes(&g), 1);
	assert_heard_as_in_datagrams(&g);
}

static void a_segment_that_begins_sip_is_found_behind_octets_that_end_no_line(void **state)
{
	(void)state;
	static struct golden g;
	g = (struct golden){.len = 0};
	golden_keep_alive(&g, "the end of a body");
	uint32_t at = (uint32_t)g.len;
	golden_add(&g, "BYE sip:bob@192.0.2.2:5060 SIP/2.0", "");
	struct side side = side_between(40000, 5060);
	send(&side, 0, 0, bytes_slice(golden_bytes(&g), 0, at));
	send(&side, 0, at, bytes_slice(golden_bytes(&g), at, SIZE_MAX));
	assert_heard_as_in_datagrams(&g);
	assert_int_equal(counted()->resync_octets, at);
}

// --- what the oracle expects ---------------------------------------------------------------------------------------

// Octets [from, to) of the stream came, those before and behind did not.
struct run {
	size_t from, to;
};

// A message that must be found, up to where. `optional`: it may be; the lines that are there show no identity, or it begins at
// no start of a line, but perhaps with a segment.
struct expected {
	size_t from, to;
	bool optional;
};

struct oracle {
	const struct golden *golden;
	size_t count;
	struct expected expected[4 * GOLDEN_MESSAGES];
};

// The end of the last whole line of the header block that ends before `end`; `from` if there is none.
static size_t last_line_end(const struct golden *g, size_t from, size_t end)
{
	for (; end >= from + 2; end--)
		if (g->octets[end - 2] == '\r' && g->octets[end - 1] == '\n')
			return end;
	return from;
}


// Of a run: what of a message is there, from its start or from inside of its method on: the rest of a token is a token.
static void expect_message(struct oracle *o, const struct golden_message *m, size_t from,
	size_t run_end, bool optional)
{
	const struct golden *g = o->golden;
	if (m->end <= run_end) {
		o->expected[o->count++] = (struct expected){from, m->end, optional};
		return;
	}
	size_t to = last_line_end(g, from, run_end < m->head_end ? run_end : m->head_end);
	if (to > from)
		o->expected[o->count++] =
			(struct expected){from, to, optional || to < m->from_end};
}

static void expect_run(struct oracle *o, const struct run *run, bool in_sync)
{
	const struct golden *g = o->golden;
	for (size_t i = 0; i < g->count; i++) {
		const struct golden_message *m = &g->messages[i];
		size_t from = m->at;
		if (m->at < run->from && run->from < m->method_end)
			from = run->from;
		if (from < run->from || from >= run->to)
			continue;
		bool at_line = in_sync || from == run->from || g->octets[from - 1] == '\n';
		expect_message(o, m, from, run->to, !at_line);
		in_sync = at_line;
	}
}

// Compares what was heard with what must be.
static bool oracle_agrees(const struct oracle *o)
{
	size_t h = 0;
	for (size_t i = 0; i < o->count; i++) {
		const struct expected *e = &o->expected[i];
		bool is_there = h < rig.heard_count && rig.heard[h].len == e->to - e->from &&
				memcmp(rig.heard[h].octets, o->golden->octets + e->from,
					e->to - e->from) == 0;
		if (!is_there && !e->optional)
			return false;
		h += is_there;
	}
	return h == rig.heard_count;
}

static void oracle_print(const struct oracle *o)
{
	for (size_t i = 0; i < o->count; i++)
		print_error("  expected %zu to %zu%s\n", o->expected[i].from, o->expected[i].to,
			o->expected[i].optional ? ", perhaps" : "");
	for (size_t i = 0; i < rig.heard_count; i++)
		print_error("  heard %zu octets: %.*s\n", rig.heard[i].len,
			(int)strcspn((const char *)rig.heard[i].octets, "\r"), rig.heard[i].octets);
}

static void sip_that_ends_at_every_octet_is_taken_up_to_the_last_whole_line(void **state)
{
	(void)state;
	static struct golden g;
	golden_call(&g);
	for (uint32_t end = 1; end <= g.len; end++) {
		struct side side = connected((uint16_t)(10000 + end));
		send(&side, TCP_FIN, 0, bytes_slice(golden_bytes(&g), 0, end));
		struct oracle oracle = {.golden = &g};
		expect_run(&oracle, &(struct run){0, end}, true);
		if (!oracle_agrees(&oracle)) {
			oracle_print(&oracle);
			fail_msg("ends at octet %u", end);
		}
		forget_heard();
	}
}

static void sip_picked_up_at_every_octet_is_found_from_the_next_start_on(void **state)
{
	(void)state;
	static struct golden g;
	golden_call(&g);
	for (uint32_t start = 0; start < g.len; start++) {
		struct side side = side_between((uint16_t)(10000 + start), 5060);
		send(&side, 0, start, bytes_slice(golden_bytes(&g), start, SIZE_MAX));
		struct oracle oracle = {.golden = &g};
		expect_run(&oracle, &(struct run){start, g.len}, false);
		if (!oracle_agrees(&oracle)) {
			oracle_print(&oracle);
			fail_msg("picked up at octet %u", start);
		}
		forget_heard();
	}
}

// --- random patterns -------------------------------------------------------------------------------------------------

enum { PATTERNS = 10000, PIECES_ROOM = 1024 };

struct random {
	uint64_t state;
};

// From 0 to below `bound`.
static uint32_t random_below(struct random *r, uint32_t bound)
{
	r->state = r->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((r->state >> 33) % bound);
}

static bool one_in(struct random *r, uint32_t n)
{
	return random_below(r, n) == 0;
}

// A segment of a pattern.
struct piece {
	uint32_t from, to;
	uint32_t order;    // when it is sent
	uint32_t made;     // how many were made before it
	bool contradicts;  // its octets are others
};

struct pattern {
	struct random random;
	bool has_syn, expected, has_loss;
	uint32_t most;  // octets of a segment
	uint32_t delay; // how far the order may be off
	size_t count;
	struct piece pieces[PIECES_ROOM];
};

static void piece_add(
	struct pattern *p, uint32_t from, uint32_t to, uint32_t order, bool contradicts)
{
	assert_true(p->count < PIECES_ROOM);
	p->pieces[p->count] = (struct piece){from, to, order, (uint32_t)p->count, contradicts};
	p->count++;
}

static int by_order(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->made < y->made ? -1 : 1;
}

static uint32_t less_but_not_below(uint32_t value, uint32_t by, uint32_t floor)
{
	return value >= floor + by ? value - by : floor;
}

// The rest of a method is a method too: where a stream may be out of sync, no segment begins there.
static uint32_t not_inside_a_method(const struct golden *g, uint32_t at)
{
	for (size_t i = 0; i < g->count; i++)
		if (at > g->messages[i].at && at < g->messages[i].method_end)
			return (uint32_t)g->messages[i].at;
	return at;
}

// Cuts the stream into segments: lost, repeated, overlapping and out of order. Without SYN the first one that is sent is the
// first of those that come, and elsewhere than on an expected port it is that of the stream.
static void pattern_make(struct pattern *p, uint32_t seed, const struct golden *g)
{
	const uint32_t len = (uint32_t)g->len;
	static const uint32_t mosts[] = {40, 300, 1460, 1460}, delays[] = {1, 12, 40};
	*p = (struct pattern){.random = {seed * 0x9e3779b97f4a7c15u + 1}};
	struct random *r = &p->random;
	for (unsigned i = 0; i < 8; i++)
		random_below(r, 1);
	p->has_syn = one_in(r, 2);
	p->expected = p->has_syn || one_in(r, 2);
	p->has_loss = one_in(r, 2);
	p->most = mosts[random_below(r, 4)];
	p->delay = delays[random_below(r, 3)];
	const bool always_in_sync = p->has_syn && !p->has_loss;
	uint32_t floor = 0, index = 0;
	for (uint32_t at = 0, next; at < len; at = next, index += 4) {
		next = at + 1 + random_below(r, p->most);
		if (at == 0 && !p->expected)
			next = 200;
		next = next < len ? next : len;
		if (!always_in_sync && not_inside_a_method(g, next) > at)
			next = not_inside_a_method(g, next);
		bool is_first = p->count == 0 && !p->has_syn;
		bool may_be_lost = p->has_loss && (at != 0 || p->expected);
		if (may_be_lost && one_in(r, p->most < 100 ? 30 : 5))
			continue;
		if (is_first)
			floor = at;
		uint32_t overlap = one_in(r, 3) ? random_below(r, 60) : 0;
		uint32_t from = less_but_not_below(at, overlap, floor);
		from = always_in_sync ? from : not_inside_a_method(g, from);
		uint32_t to = next + (one_in(r, 3) ? random_below(r, 60) : 0);
		to = to < len ? to : len;
		uint32_t order = is_first ? 0 : 1 + index + random_below(r, p->delay);
		piece_add(p, from, to, order, false);
		for (unsigned copies = random_below(r, 8); copies > 5; copies--)
			piece_add(p, from, to, order + random_below(r, 2 * p->delay), one_in(r, 2));
	}
	qsort(p->pieces, p->count, sizeof *p->pieces, by_order);
}

// The octets that came, as runs.
static size_t runs_of(const struct pattern *p, uint32_t len, struct run *runs)
{
	static bool came[GOLDEN_ROOM + 1];
	memset(came, 0, sizeof came);
	for (size_t i = 0; i < p->count; i++)
		memset(&came[p->pieces[i].from], 1, p->pieces[i].to - p->pieces[i].from);
	size_t count = 0;
	for (uint32_t at = 0; at < len; at++) {
		if (came[at] && (at == 0 || !came[at - 1]))
			runs[count++].from = at;
		if (came[at] && !came[at + 1])
			runs[count - 1].to = at + 1;
	}
	return count;
}

// Whether all that is sent behind piece `i` for the first time lies behind all that was sent up to it: then a pause
// that gives up gaps loses nothing that comes late.
static void find_quiet(const struct pattern *p, bool quiet[])
{
	static bool sent[GOLDEN_ROOM];
	static uint32_t first_new[PIECES_ROOM];
	memset(sent, 0, sizeof sent);
	for (size_t i = 0; i < p->count; i++) {
		first_new[i] = UINT32_MAX;
		for (uint32_t at = p->pieces[i].to; at-- > p->pieces[i].from;) {
			if (!sent[at])
				first_new[i] = at;
			sent[at] = true;
		}
	}
	uint32_t lowest_later = UINT32_MAX, highest = 0;
	for (size_t i = p->count; i-- > 0;) {
		quiet[i] = lowest_later == UINT32_MAX;
		if (first_new[i] < lowest_later)
			lowest_later = first_new[i];
		first_new[i] = lowest_later; // of this piece and all behind it
	}
	for (size_t i = 0; i + 1 < p->count; i++) {
		if (p->pieces[i].to > highest)
			highest = p->pieces[i].to;
		quiet[i] = quiet[i] || first_new[i + 1] >= highest;
	}
}

static void send_piece(const struct side *side, const struct golden *g, const struct piece *piece)
{
	uint8_t octets[2048];
	uint32_t len = piece->to - piece->from;
	assert_true(len <= sizeof octets);
	memcpy(octets, g->octets + piece->from, len);
	for (uint32_t i = 0; piece->contradicts && i < len; i++)
		octets[i] ^= 0x15;
	send(side, 0, piece->from, bytes_of(octets, len));
}

static void pattern_send(struct pattern *p, const struct side *side, const struct golden *g)
{
	static bool quiet[PIECES_ROOM];
	find_quiet(p, quiet);
	if (p->has_syn)
		send_flag(side, TCP_SYN, 0);
	for (size_t i = 0; i < p->count; i++) {
		send_piece(side, g, &p->pieces[i]);
		rig.now += MS;
		if (!quiet[i] || !one_in(&p->random, 4))
			continue;
		rig.now += GAP_TIMEOUT;
		if (one_in(&p->random, 2))
			tick();
	}
	if (!p->has_loss)
		send_flag(side, TCP_FIN, (uint32_t)g->len);
	flush();
}

static void pattern_check(const struct pattern *p, const struct golden *g, uint32_t seed)
{
	static struct run runs[PIECES_ROOM];
	struct oracle oracle = {.golden = g};
	size_t count = runs_of(p, (uint32_t)g->len, runs);
	for (size_t i = 0; i < count; i++)
		expect_run(&oracle, &runs[i], runs[i].from == 0);
	if (!p->has_loss && oracle.count != g->count)
		fail_msg("pattern %u: the oracle is wrong", seed);
	if (oracle_agrees(&oracle))
		return;
	print_error("pattern %u:%s%s%s, segments of up to %u, delays of up to %u\n", seed,
		p->has_syn ? " SYN" : "", p->expected ? " expected" : "",
		p->has_loss ? " loss" : "", p->most, p->delay);
	for (size_t i = 0; i < p->count; i++)
		print_error("  sent %u to %u%s\n", p->pieces[i].from, p->pieces[i].to,
			p->pieces[i].contradicts ? ", other octets" : "");
	oracle_print(&oracle);
	fail_msg("pattern %u", seed);
}

static void random_patterns_of_segments_give_what_a_plain_oracle_expects(void **state)
{
	(void)state;
	static struct golden g;
	static struct pattern p;
	golden_long_call(&g);
	uint64_t lossless = 0;
	for (uint32_t seed = 0; seed < PATTERNS; seed++) {
		pattern_make(&p, seed, &g);
		uint16_t port = (uint16_t)(10000 + seed);
		struct side side = side_between(port, p.expected ? 5060 : 8080);
		side.start = one_in(&p.random, 2) ? 0u - random_below(&p.random, (uint32_t)g.len)
						  : random_below(&p.random, UINT32_MAX);
		pattern_send(&p, &side, &g);
		pattern_check(&p, &g, seed);
		forget_heard();
		lossless += !p.has_loss;
	}
	// The patterns are worth their name.
	const struct streams_counters *c = counted();
	assert_in_range(lossless, PATTERNS / 3, PATTERNS * 2 / 3);
	assert_true(c->messages > PATTERNS * 10 && c->messages_cut > PATTERNS / 2);
	assert_true(c->gaps > PATTERNS * 3 / 4);
	assert_true(c->out_of_order > PATTERNS && c->repeated > PATTERNS);
	assert_true(c->overlap_differs > PATTERNS / 10);
	assert_int_equal(c->no_memory, 0);
	assert_int_equal(c->out_of_window, 0);
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)
#define SIP_TEST(test) cmocka_unit_test_setup_teardown(test, sip_rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_message_in_one_segment_is_taken),
		RIG_TEST(several_messages_in_a_segment_are_taken_in_order),
		RIG_TEST(a_message_over_many_segments_is_whole_again),
		RIG_TEST(keep_alives_between_messages_are_counted),
		RIG_TEST(framing_is_told_what_is_known_of_the_stream),
		RIG_TEST(framing_is_not_asked_before_what_it_asked_for_is_there),
		RIG_TEST(both_directions_are_streams_of_their_own),
		RIG_TEST(equal_addresses_in_other_scopes_are_other_streams),
		cmocka_unit_test(what_names_a_stream_is_scope_addresses_ports_and_their_order),
		RIG_TEST(sequence_numbers_may_wrap_anywhere),
		RIG_TEST(segments_without_data_are_told_by_where_they_stand),
		RIG_TEST(urgent_data_stays_in_line_counted),
		RIG_TEST(data_on_a_syn_is_taken),
		RIG_TEST(segments_in_every_order_give_the_same_messages),
		RIG_TEST(a_syn_that_comes_after_the_first_data_changes_nothing),
		RIG_TEST(two_swapped_segments_without_syn_are_both_taken),
		RIG_TEST(all_that_came_before_the_stream_was_picked_up_is_taken),
		RIG_TEST(what_began_before_the_stream_was_picked_up_is_taken_as_far_as_it_goes),
		RIG_TEST(a_syn_between_swapped_segments_begins_nothing_anew),
		RIG_TEST(a_retransmitted_segment_is_not_taken_again),
		RIG_TEST(a_retransmission_is_one_after_gigabytes_too),
		RIG_TEST(of_a_retransmission_only_what_is_new_counts),
		RIG_TEST(overlaps_that_say_the_same_are_harmless),
		RIG_TEST(of_overlaps_that_differ_the_octets_that_came_first_count),
		RIG_TEST(one_separate_piece_too_many_is_not_kept),
		RIG_TEST(one_call_takes_so_many_messages_and_the_next_ones_take_the_others),
		RIG_TEST(what_an_end_leaves_unread_is_counted_and_a_fin_leaves_nothing),
		RIG_TEST(what_waits_is_of_its_own_stream_in_a_larger_buffer_too),
		RIG_TEST(the_longest_message_comes_in_any_direction),
		RIG_TEST(on_an_expected_port_a_stream_is_picked_up_anywhere),
		RIG_TEST(without_data_nothing_is_picked_up),
		RIG_TEST(elsewhere_only_the_start_of_a_message_opens_a_stream),
		RIG_TEST(a_missing_segment_is_waited_for),
		RIG_TEST(a_gap_is_given_up_when_a_later_segment_comes_too_late),
		RIG_TEST(a_gap_is_given_up_as_time_passes),
		RIG_TEST(a_gap_is_given_up_at_the_end),
		RIG_TEST(a_gap_is_given_up_when_more_than_the_window_waits_behind_it),
		RIG_TEST(messages_that_come_in_a_gap_that_was_given_up_are_taken),
		RIG_TEST(one_call_gives_up_the_gaps_of_one_stream),
		RIG_TEST(each_gap_is_waited_for_by_itself),
		RIG_TEST(behind_a_gap_the_next_start_is_looked_for),
		RIG_TEST(several_gaps_are_each_given_up),
		RIG_TEST(several_gaps_are_given_up_together_when_all_were_waited_for),
		RIG_TEST(what_begins_a_message_inside_of_one_begins_none),
		RIG_TEST(a_gap_in_what_goes_by_anyway_cuts_nothing),
		RIG_TEST(time_may_jump_either_way),
		RIG_TEST(fin_ends_a_stream),
		RIG_TEST(fin_waits_for_all_that_comes_before_it),
		RIG_TEST(a_message_that_fin_cuts_is_taken_as_far_as_it_goes),
		RIG_TEST(fin_ends_a_stream_when_the_gap_before_it_is_given_up),
		RIG_TEST(fin_from_elsewhere_is_not_believed),
		RIG_TEST(fin_is_not_believed_when_data_go_on_behind_it),
		RIG_TEST(of_a_stream_that_has_ended_nothing_is_known),
		RIG_TEST(rst_ends_a_stream_at_once),
		RIG_TEST(rst_from_elsewhere_is_not_believed),
		RIG_TEST(another_syn_begins_another_connection),
		RIG_TEST(elsewhere_another_syn_ends_the_stream_and_begins_none),
		RIG_TEST(far_away_the_start_of_a_message_begins_another_connection),
		RIG_TEST(far_away_two_segments_in_a_row_are_believed),
		RIG_TEST(a_stream_goes_on_after_an_outage),
		RIG_TEST(far_away_a_single_segment_is_not_believed),
		RIG_TEST(a_stream_that_carries_something_else_is_let_go),
		RIG_TEST(a_stream_that_was_let_go_is_followed_again_from_a_message_on),
		RIG_TEST(a_stream_that_was_let_go_ends_uncounted),
		RIG_TEST(a_stream_that_is_let_go_as_it_ends_has_not_ended),
		RIG_TEST(what_was_let_go_and_has_ended_takes_no_room),
		RIG_TEST(the_patience_with_a_stream_that_does_not_begin_has_an_end),
		RIG_TEST(a_message_over_the_limit_is_taken_without_its_body),
		RIG_TEST(what_goes_by_of_a_message_over_the_limit_is_not_kept),
		RIG_TEST(when_memory_is_full_the_oldest_stream_gives_way),
		RIG_TEST(small_messages_pass_when_large_memory_is_full),
		RIG_TEST(when_the_table_is_full_the_oldest_stream_gives_way),
		RIG_TEST(a_stream_that_was_let_go_makes_room_uncounted),
		RIG_TEST(a_flood_of_half_open_connections_costs_only_the_oldest),
		RIG_TEST(a_flood_elsewhere_costs_nothing),
		RIG_TEST(an_idle_stream_is_forgotten),
		RIG_TEST(an_idle_stream_is_not_gone_on_with),
		RIG_TEST(every_stream_that_begins_ceases_once),
		cmocka_unit_test(nobody_need_watch),
		cmocka_unit_test(too_little_memory_and_no_streams_are_refused),
		SIP_TEST(sip_split_at_every_octet_is_as_sip_in_datagrams),
		SIP_TEST(sip_in_single_octets_is_as_sip_in_datagrams),
		SIP_TEST(a_segment_that_begins_sip_is_found_behind_octets_that_end_no_line),
		SIP_TEST(sip_that_ends_at_every_octet_is_taken_up_to_the_last_whole_line),
		SIP_TEST(sip_picked_up_at_every_octet_is_found_from_the_next_start_on),
		SIP_TEST(random_patterns_of_segments_give_what_a_plain_oracle_expects),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
