#include "unit.h"

#include <stdio.h>

#include "ordered.h"
#include "sip_events.h"

enum { MAX_ORDERS = 200, RING = 1 << 20, MAX_SEEN = MAX_ORDERS };
static const uint64_t SECOND = 1000000000, START = 1700000000000000000;
enum { UNKNOWN = 1, TO_TARGET = 2, FROM_TARGET = 3 };

struct bench {
	struct sip_events *events;
	struct target_set *set;
	struct target_table *table;
	struct record_ring *ring;
	struct packet packet;
	uint64_t now;
};

// What came out of one message.
struct seen {
	size_t records, tasks;
	struct event event; // the last one
	struct event_task task[MAX_SEEN];
};

static const struct sip_events_config CONFIG = {.max_sessions = 16,
	.max_duplicates = 4096,
	.duplicate_window_ns = 32000000000,
	.session_idle_ns = 43200000000000,
	.trust_from = true};

static struct bench bench_with(const struct sip_events_config *config)
{
	struct bench b = {.events = sip_events_new(config, &KEY),
		.ring = record_ring_new(RING),
		.now = START};
	assert_non_null(b.events);
	assert_non_null(b.ring);
	assert_true(address_parse(bytes_of_text("192.0.2.1"), &b.packet.flow.source));
	assert_true(address_parse(bytes_of_text("192.0.2.2"), &b.packet.flow.destination));
	b.packet.flow.source_port = b.packet.flow.destination_port = 5060;
	b.packet.flow.protocol = 17;
	b.packet.point = 3;
	return b;
}

static struct bench bench_of(const struct order *orders, size_t count)
{
	struct bench b = bench_with(&CONFIG);
	order_these(&b.set, &b.table, orders, count);
	return b;
}

static struct bench bench_of_one(enum identifier_type type, const char *text)
{
	return bench_of(&(struct order){.type = type, .text = text}, 1);
}

static void bench_free(struct bench *b)
{
	sip_events_free(b->events);
	target_table_free(b->table);
	target_set_free(b->set);
	record_ring_free(b->ring);
}

// --- messages ------------------------------------------------------------------------------------------------

static void check_law(const struct bench *b)
{
	const struct event_counters *c = sip_events_counters(b->events);
	assert_int_equal(c->matched, c->reported + c->suppressed + c->lost_ring_full +
					     c->lost_too_large + c->lost_too_many_tasks);
}

// What stands in the ring, which is emptied.
static struct seen drain(struct bench *b)
{
	static struct seen seen;
	seen.records = seen.tasks = 0;
	for (struct bytes record; (record = record_ring_peek(b->ring)).at;) {
		struct event *e = malloc(record.len);
		assert_non_null(e);
		memcpy(e, record.at, record.len);
		assert_int_equal(event_size(e->task_count, e->payload_len, e->identity_count), record.len);
		for (size_t i = 0; i < e->task_count; i++)
			seen.task[seen.tasks++] = event_tasks(e)[i];
		seen.event = *e;
		seen.records++;
		free(e);
		record_ring_release(b->ring);
	}
	return seen;
}

static void take_only(struct bench *b, const char *text)
{
	size_t len = strlen(text);
	uint8_t *block = exact_copy(text, len);
	struct sip_message m;
	assert_int_equal(sip_parse(bytes_of(block, len), &m), PARSE_OK);
	b->now += SECOND / 100;
	sip_events_take(b->events, b->table, &m, &b->packet, NULL, b->now, b->ring);
	check_law(b);
	free(block);
}

static struct seen take(struct bench *b, const char *text)
{
	take_only(b, text);
	return drain(b);
}

// How one message is reported to the only task: its direction, 0 if it is not.
static unsigned direction_of(struct bench *b, const char *text)
{
	struct seen seen = take(b, text);
	assert_in_range(seen.tasks, 0, 1);
	return seen.tasks ? seen.task[0].direction : 0;
}

#define FIELDS(call, cseq, branch, from, to)                                                       \
	"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK" branch "\r\nFrom: " from "\r\nTo: " to         \
	"\r\nCall-ID: " call "\r\nCSeq: " cseq "\r\n"
#define END "Content-Length: 0\r\n\r\n"
#define CARL "<sip:carl@example.org>;tag=c"
#define CARL_TAG_1 "<sip:carl@example.org>;tag=1"
#define DORA "<sip:dora@example.org>"
// A request that shows the target in no field but `extra`.
#define BETWEEN_OTHERS(method, extra)                                                              \
	method " sip:dora@192.0.2.9 SIP/2.0\r\n" FIELDS("x", "1 " method, "1", CARL, DORA) extra END
#define ALICE "sip:alice@example.com"

#define TO_ALICE(uri, extra)                                                                       \
	"INVITE " uri " SIP/2.0\r\n" FIELDS("x", "1 INVITE", "1", CARL, "<" ALICE ">") extra END

static void every_field_counts_and_tells_its_direction(void **state)
{
	(void)state;
	static const struct {
		unsigned direction;
		const char *text;
	} samples[] = {
		{0, BETWEEN_OTHERS("INVITE", "")},
		{TO_TARGET, "INVITE " ALICE " SIP/2.0\r\n" FIELDS("x", "1 INVITE", "1", CARL, DORA)
				    END},
		{FROM_TARGET, "INVITE sip:x@example.org SIP/2.0\r\n" FIELDS(
				      "x", "1 INVITE", "1", "\"A\" <" ALICE ">;tag=c", DORA) END},
		{TO_TARGET, "INVITE sip:x@example.org SIP/2.0\r\n" FIELDS(
				    "x", "1 INVITE", "1", CARL, ALICE ";tag=5") END},
		{TO_TARGET, "INVITE sip:x@example.org SIP/2.0\r\n" FIELDS("x", "1 INVITE", "1",
				    CARL, "<sip:x@example.org>, <" ALICE ">") END},
		{FROM_TARGET, BETWEEN_OTHERS("INVITE", "P-Asserted-Identity: <" ALICE ">\r\n")},
		{FROM_TARGET, BETWEEN_OTHERS("INVITE", "P-Asserted-Identity: tel:+15550100, "
						       "<" ALICE ">\r\n")},
		{FROM_TARGET, BETWEEN_OTHERS("INVITE", "P-Asserted-Identity: <tel:+15550100>\r\n"
						       "P-Asserted-Identity: <" ALICE ">\r\n")},
		{FROM_TARGET, BETWEEN_OTHERS("INVITE", "P-Preferred-Identity: <" ALICE ">\r\n")},
		{TO_TARGET, BETWEEN_OTHERS("INVITE", "P-Called-Party-ID: <" ALICE ">\r\n")},
		{UNKNOWN, BETWEEN_OTHERS("INVITE", "Diversion: <" ALICE ">;reason=busy\r\n")},
		{UNKNOWN, BETWEEN_OTHERS("INVITE",
				  "History-Info: <sip:x@example.org>;index=1, "
				  "<" ALICE "?Reason=SIP%3bcause%3d302>;index=1.1\r\n")},
		{UNKNOWN, BETWEEN_OTHERS("REFER", "r: <" ALICE "?Replaces=1>\r\n")},
		{FROM_TARGET, BETWEEN_OTHERS("REFER", "Referred-By: <" ALICE ">\r\n")},
		{UNKNOWN, BETWEEN_OTHERS("INVITE", "Referred-By: <" ALICE ">\r\n")},
		{FROM_TARGET,
			BETWEEN_OTHERS("REGISTER", "Contact: <" ALICE ":5070>;expires=60\r\n")},
		{0, BETWEEN_OTHERS("INVITE", "Contact: <" ALICE ">\r\n")},
		{0, BETWEEN_OTHERS("INVITE", "Route: <" ALICE ";lr>\r\nSubject: " ALICE "\r\n")},
		{FROM_TARGET, "REGISTER sip:example.com SIP/2.0\r\n" FIELDS("x", "1 REGISTER", "1",
				      "<" ALICE ">;tag=1", "<" ALICE ">") END},
		// An S-CSCF tells an application server of a registration.
		{UNKNOWN, "REGISTER sip:as.example.net SIP/2.0\r\n" FIELDS("x", "1 REGISTER", "1",
				  "<sip:scscf.example.com>;tag=1", "<" ALICE ">") END},
		// Sent on from the target to somebody else.
		{UNKNOWN, TO_ALICE("sip:x@example.org", "Diversion: <" ALICE ">;reason=busy\r\n")},
		{UNKNOWN, TO_ALICE("sip:x@example.org",
				  "History-Info: <" ALICE
				  ">;index=1, <sip:x@example.org>;index=1.1\r\n")},
		{TO_TARGET, TO_ALICE("sip:x@example.org",
				    "Diversion: <sip:somebody@example.org>;reason=busy\r\n")},
		{TO_TARGET, TO_ALICE(ALICE, "History-Info: <" ALICE ">;index=1\r\n")},
		{TO_TARGET,
			TO_ALICE("sip:alice@192.0.2.7", "P-Called-Party-ID: <" ALICE ">\r\n"
							"History-Info: <" ALICE ">;index=1\r\n")},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
		assert_int_equal(direction_of(&b, samples[i].text), samples[i].direction);
		bench_free(&b);
	}
}

static void a_response_goes_the_other_way(void **state)
{
	(void)state;
#define RESPONSE(method, from, to, extra)                                                          \
	"SIP/2.0 200 OK\r\n" FIELDS("x", "1 " method, "1", from, to) extra END
	static const struct {
		unsigned direction;
		const char *text;
	} samples[] = {
		{TO_TARGET, RESPONSE("INVITE", "<" ALICE ">;tag=1", DORA, "")},
		{FROM_TARGET, RESPONSE("INVITE", CARL, "<" ALICE ">;tag=1", "")},
		{FROM_TARGET,
			RESPONSE("INVITE", CARL, DORA, "P-Asserted-Identity: <" ALICE ">\r\n")},
		{TO_TARGET, RESPONSE("REGISTER", "<" ALICE ">;tag=1", "<" ALICE ">;tag=2", "")},
		{TO_TARGET, RESPONSE("REGISTER", CARL, DORA, "m: <" ALICE ">\r\n")},
		{UNKNOWN, RESPONSE("INVITE", CARL, DORA, "History-Info: <" ALICE ">;index=1\r\n")},
		{UNKNOWN, RESPONSE("INVITE", CARL, "<" ALICE ">;tag=1",
				  "History-Info: <" ALICE ">;index=1\r\n")},
		{UNKNOWN, RESPONSE("REGISTER", CARL, "<" ALICE ">;tag=2", "")},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct bench b = bench_of_one(IDENTIFIER_IMPU, ALICE);
		assert_int_equal(direction_of(&b, samples[i].text), samples[i].direction);
		bench_free(&b);
	}
}

static void private_identities_are_found_in_credentials(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_IMPI, "alice@ims.example.com");
	assert_int_equal(direction_of(&b, BETWEEN_OTHERS("REGISTER",
						  "Authorization: Digest realm=\"x\", "
						  "username=\"al\\ice@IMS.example.com\"\r\n")),
		FROM_TARGET);
	bench_free(&b);
	b = bench_of_one(IDENTIFIER_IMPI, "alice@ims.example.com");
	assert_int_equal(
		direction_of(&b,
			BETWEEN_OTHERS("INVITE",
				"Proxy-Authorization: Digest username=\"alice@ims.example.com\"\r\n")),
		FROM_TARGET);
	bench_free(&b);
	b = bench_of_one(IDENTIFIER_IMPI, "alice@ims.example.com");
	assert_int_equal(
		direction_of(&b,
			BETWEEN_OTHERS("INVITE",
				"WWW-Authenticate: Digest username=\"alice@ims.example.com\"\r\n")),
		0);
	bench_free(&b);
}

static void numbers_are_found_in_every_spelling(void **state)
{
	(void)state;
	static const char *const spellings[] = {"<tel:+1-555-0100>",
		"<sip:+15550100@gw.example.net;user=phone>",
		"<sip:0015550100@example.com;user=phone>"};
	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
		struct bench b = bench_of_one(IDENTIFIER_E164_NUMBER, "15550100");
		char text[1000];
		snprintf(text, sizeof text, BETWEEN_OTHERS("INVITE", "P-Asserted-Identity: %s\r\n"),
			spellings[i]);
		assert_int_equal(direction_of(&b, text), FROM_TARGET);
		bench_free(&b);
	}
}

static void an_untrusted_from_does_not_count_alone(void **state)
{
	(void)state;
	struct sip_events_config config = CONFIG;
	config.trust_from = false;
	struct bench b = bench_with(&config);
	order_these(&b.set, &b.table, &(struct order){IDENTIFIER_SIP_URI, ALICE, 0}, 1);
#define CALL_OF_ALICE(call, extra)                                                                 \
	"INVITE sip:x@example.org SIP/2.0\r\n" FIELDS(                                             \
		call, "1 INVITE", "1", "<" ALICE ">;tag=1", DORA) extra END
	assert_int_equal(direction_of(&b, CALL_OF_ALICE("1", "")), 0);
	assert_int_equal(
		direction_of(&b, CALL_OF_ALICE("2", "P-Asserted-Identity: <" ALICE ">\r\n")),
		FROM_TARGET);
	bench_free(&b);
}

static void an_address_tells_the_direction_of_each_packet(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_IPV4_ADDRESS, "192.0.2.1");
	assert_int_equal(direction_of(&b, BETWEEN_OTHERS("INVITE", "")), FROM_TARGET);
	struct address source = b.packet.flow.source;
	b.packet.flow.source = b.packet.flow.destination;
	b.packet.flow.destination = source;
	assert_int_equal(direction_of(&b, RESPONSE("INVITE", CARL, DORA, "")), TO_TARGET);
	// Another hop of the same call: the addresses no longer say who is who.
	assert_true(address_parse(bytes_of_text("192.0.2.3"), &b.packet.flow.destination));
	assert_int_equal(direction_of(&b, RESPONSE("INVITE", CARL, DORA, "X: 1\r\n")), UNKNOWN);
	bench_free(&b);
}

// The identity stands in the first message alone; who is who is known from the tags.
static void the_rest_of_a_session_belongs_and_goes_by_the_tags(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
#define DORA_TAGGED DORA ";tag=d"
	assert_int_equal(
		direction_of(&b, BETWEEN_OTHERS("INVITE", "P-Asserted-Identity: <" ALICE ">\r\n")),
		FROM_TARGET);
	assert_int_equal(direction_of(&b, RESPONSE("INVITE", CARL, DORA_TAGGED, "")), TO_TARGET);
	assert_int_equal(direction_of(&b, "ACK sip:d SIP/2.0\r\n" FIELDS(
						  "x", "1 ACK", "2", CARL, DORA_TAGGED) END),
		FROM_TARGET);
	assert_int_equal(direction_of(&b, "BYE sip:c SIP/2.0\r\n" FIELDS(
						  "x", "1 BYE", "3", DORA_TAGGED, CARL) END),
		TO_TARGET);
	assert_int_equal(direction_of(&b, "SIP/2.0 200 OK\r\n" FIELDS(
						  "x", "1 BYE", "3", DORA_TAGGED, CARL) END),
		FROM_TARGET);
	assert_int_equal(direction_of(&b, "OPTIONS sip:c SIP/2.0\r\n" FIELDS(
						  "x", "5 OPTIONS", "5", DORA_TAGGED, CARL) END),
		0);
	bench_free(&b);

	b = bench_of_one(IDENTIFIER_SIP_URI, ALICE); // and the called one
	assert_int_equal(
		direction_of(&b, BETWEEN_OTHERS("INVITE", "P-Called-Party-ID: <" ALICE ">\r\n")),
		TO_TARGET);
	assert_int_equal(direction_of(&b, RESPONSE("INVITE", CARL, DORA_TAGGED, "")), FROM_TARGET);
	assert_int_equal(direction_of(&b, "BYE sip:c SIP/2.0\r\n" FIELDS(
						  "x", "1 BYE", "3", DORA_TAGGED, CARL) END),
		FROM_TARGET);
	bench_free(&b);

	b = bench_of_one(IDENTIFIER_SIP_URI, ALICE); // nobody knows
	assert_int_equal(
		direction_of(&b, BETWEEN_OTHERS("INVITE", "Diversion: <" ALICE ">\r\n")), UNKNOWN);
	assert_int_equal(direction_of(&b, RESPONSE("INVITE", CARL, DORA_TAGGED, "")), UNKNOWN);
	bench_free(&b);
}

static void an_octet_identical_message_is_reported_once_in_the_window(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	const char *text = CALL_OF_ALICE("1", "");
	assert_int_equal(take(&b, text).tasks, 1);
	assert_int_equal(take(&b, text).tasks, 0);
	assert_int_equal(sip_events_counters(b.events)->suppressed, 1);
	// Another top Via makes another message.
	assert_int_equal(take(&b, "INVITE sip:x@example.org SIP/2.0\r\n" FIELDS(
					  "1", "1 INVITE", "2", "<" ALICE ">;tag=1", DORA) END)
				 .tasks,
		1);
	b.now += 33 * SECOND;
	assert_int_equal(take(&b, text).tasks, 1);
	bench_free(&b);
}

static void a_task_that_comes_later_gets_what_another_has_had(void **state)
{
	(void)state;
	const struct order orders[] = {
		{IDENTIFIER_SIP_URI, ALICE, 0}, {IDENTIFIER_SIP_URI, "sip:dora@example.org", 0}};
	struct bench b = bench_of(orders, 1);
	assert_int_equal(take(&b, CALL_OF_ALICE("1", "")).tasks, 1);
	order_these(&b.set, &b.table, orders, 2);
	struct seen seen = take(&b, CALL_OF_ALICE("1", ""));
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.task[0].slot, 1);
	assert_int_equal(seen.task[0].direction, TO_TARGET);
	bench_free(&b);
}

static void an_ended_or_changed_task_has_no_session(void **state)
{
	(void)state;
	struct order orders[] = {
		{IDENTIFIER_SIP_URI, ALICE, 0}, {IDENTIFIER_SIP_URI, "sip:x@example.org", 0}};
	struct bench b = bench_of(orders, 2);
	assert_int_equal(take(&b, CALL_OF_ALICE("1", "")).tasks, 2);
	const char *ringing =
		"SIP/2.0 180 Ringing\r\n" FIELDS("1", "1 INVITE", "1", CARL_TAG_1, DORA) END;
	assert_int_equal(take(&b, ringing).tasks, 2);
	orders[0].text = "sip:somebody@example.com";
	orders[1].text = NULL;
	order_these(&b.set, &b.table, orders, 2);
	b.now += 40 * SECOND;
	assert_int_equal(take(&b, ringing).tasks, 0);
	orders[0].text =
		ALICE; // ordered again: takes effect with a message that shows the identity
	order_these(&b.set, &b.table, orders, 2);
	assert_int_equal(take(&b, ringing).tasks, 0);
	assert_int_equal(take(&b, CALL_OF_ALICE("1", "")).tasks, 1);
	assert_int_equal(take(&b, ringing).tasks, 1);
	bench_free(&b);
}

static void what_begins_anew_under_a_call_id_belongs_to_those_it_shows(void **state)
{
	(void)state;
	const struct order orders[] = {
		{IDENTIFIER_SIP_URI, ALICE, 0}, {IDENTIFIER_SIP_URI, "sip:dora@example.org", 0}};
	struct bench b = bench_of(orders, 2);
	assert_int_equal(take(&b, CALL_OF_ALICE("x", "")).tasks, 2);
	assert_int_equal(take(&b, "SIP/2.0 486 Busy\r\n" FIELDS(
					  "x", "1 INVITE", "1", "<" ALICE ">;tag=1", DORA) END)
				 .tasks,
		2);
	assert_int_equal(take(&b, BETWEEN_OTHERS("OPTIONS", "")).tasks, 1);
	assert_int_equal(take(&b, RESPONSE("OPTIONS", CARL, "<sip:e@example.org>", "")).tasks, 1);
	bench_free(&b);
}

// Some count their Call-IDs from 1, and a stranger may write any.
static void conversations_under_one_call_id_do_not_mix(void **state)
{
	(void)state;
	const struct order orders[] = {
		{IDENTIFIER_SIP_URI, ALICE, 0}, {IDENTIFIER_SIP_URI, "sip:erin@example.org", 0}};
#define OTHERS_MESSAGE(cseq, extra)                                                                \
	"MESSAGE sip:dora@192.0.2.9 SIP/2.0\r\n" FIELDS("1", cseq " MESSAGE", "9", CARL, DORA)     \
		extra END
#define ERIN "P-Asserted-Identity: <sip:erin@example.org>\r\n"
	struct bench b = bench_of(orders, 2);
	assert_int_equal(take(&b, CALL_OF_ALICE("1", "")).tasks, 1);
	assert_int_equal(take(&b, OTHERS_MESSAGE("1", "")).tasks, 0);

	struct seen seen = take(&b, OTHERS_MESSAGE("2", ERIN));
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.task[0].slot, 1);
	seen = take(&b, "SIP/2.0 100 Trying\r\n" FIELDS("1", "2 MESSAGE", "9", CARL, DORA) END);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.task[0].slot, 1);
	assert_int_equal(seen.task[0].direction, TO_TARGET);
	seen = take(
		&b, "SIP/2.0 180 Ringing\r\n" FIELDS("1", "1 INVITE", "1", CARL_TAG_1, DORA) END);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.task[0].slot, 0);
	bench_free(&b);
}

static void where_too_many_conversations_share_a_call_id_each_message_must_show_the_target(
	void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	for (unsigned i = 1; i <= 6; i++) {
		char text[1000];
		snprintf(text, sizeof text,
			"INVITE " ALICE " SIP/2.0\r\n" FIELDS(
				"1", "1 INVITE", "%u", "<sip:x@example.org>;tag=%u", DORA) END,
			i, i);
		assert_int_equal(take(&b, text).tasks, 1);
		snprintf(text, sizeof text,
			"SIP/2.0 180 Ringing\r\n" FIELDS(
				"1", "1 INVITE", "%u", "<sip:x@example.org>;tag=%u", DORA) END,
			i, i);
		assert_int_equal(take(&b, text).tasks, i <= 4);
	}
	bench_free(&b);
}

static void what_the_ring_refuses_is_counted_and_may_be_reported_later(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	static char large[60000];
	snprintf(large, sizeof large, CALL_OF_ALICE("1", "X: %050000d\r\n"), 1);
	for (unsigned i = 0; i < 40; i++) { // each with its own Via
		char *branch = strstr(large, "z9hG4bK") + 7;
		*branch = (char)('A' + i);
		take_only(&b, large);
	}
	const struct event_counters *c = sip_events_counters(b.events);
	assert_int_equal(c->matched, 40);
	assert_true(c->lost_ring_full > 10);
	assert_int_equal(c->suppressed, 0);
	assert_int_equal(drain(&b).tasks, c->reported);
	assert_int_equal(
		take(&b, large).tasks, 1); // the last one was lost, so this is no duplicate
	assert_int_equal(take(&b, large).tasks, 0);
	bench_free(&b);
}

static void an_event_tells_where_and_when_and_carries_the_octets(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	const char *text = CALL_OF_ALICE("1@example.com", "");
	take_only(&b, text);
	struct bytes record = record_ring_peek(b.ring);
	struct event *e = malloc(record.len);
	assert_non_null(e);
	memcpy(e, record.at, record.len);
	assert_int_equal(e->time_ns, b.now);
	assert_int_equal(e->point, 3);
	assert_int_equal(e->protocol, EVENT_SIP);
	assert_memory_equal(&e->flow.source, &b.packet.flow.source, sizeof b.packet.flow.source);
	assert_int_equal(e->correlation, fnv1a(bytes_of_text("1@example.com")));
	assert_true(bytes_equal(bytes_of(event_payload(e), e->payload_len), bytes_of_text(text)));
	free(e);
	drain(&b);

	struct seen first =
		take(&b, "INVITE " ALICE " SIP/2.0\r\nTo: " DORA "\r\nCSeq: 1 INVITE\r\n\r\n");
	struct seen second =
		take(&b, "INVITE " ALICE " SIP/2.0\r\nTo: " DORA "\r\nCSeq: 2 INVITE\r\n\r\n");
	assert_int_equal(first.tasks, 1);
	assert_int_equal(second.tasks, 1);
	assert_int_not_equal(first.event.correlation, 0);
	assert_int_not_equal(first.event.correlation, second.event.correlation);
	bench_free(&b);
}

// The other identities of one message, joined by spaces, each before the number of its kind.
static const char *others_of(struct bench *b, const char *text)
{
	static char joined[1000];
	struct seen seen = take(b, text);
	assert_int_equal(seen.tasks, 1);
	joined[0] = 0;
	for (unsigned i = 0; i < 2; i++)
		if (seen.task[0].other_kind[i] != EVENT_OTHER_NONE)
			snprintf(joined + strlen(joined), sizeof joined - strlen(joined),
				"%.*s %u ", seen.task[0].other_len[i],
				text + seen.task[0].other_offset[i], seen.task[0].other_kind[i]);
	return joined;
}

static void other_identities_are_those_of_the_same_subject(void **state)
{
	(void)state;
#define ASSERTED "P-Asserted-Identity: \"A\" <" ALICE ">, <tel:+15550100>\r\n"
#define CALL_FROM(call, from, extra)                                                               \
	"INVITE sip:x@example.org SIP/2.0\r\n" FIELDS(                                             \
		call, "1 INVITE", "1", from, "<sip:callee@example.com>;tag=9") extra END
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	assert_string_equal(others_of(&b, CALL_FROM("1", "<sip:bob@example.com>;tag=1", ASSERTED)),
		"tel:+15550100 2 sip:bob@example.com 1 ");
	assert_string_equal(
		others_of(&b, CALL_FROM("2", "<" ALICE ">;tag=1", ASSERTED)), "tel:+15550100 2 ");
	assert_string_equal(others_of(&b, CALL_FROM("3", "<" ALICE ">;tag=1",
						  "P-Asserted-Identity: <sip:a@example.net>\r\n")),
		"sip:a@example.net 1 ");
	assert_string_equal(others_of(&b, CALL_FROM("4", "<sip:anonymous@anonymous.invalid>;tag=1",
						  "P-Asserted-Identity: <" ALICE ">\r\n")),
		"");
	// The called one's identities are not the caller's, nor the other way round.
	assert_string_equal(
		others_of(&b, "INVITE " ALICE " SIP/2.0\r\n" FIELDS("5", "1 INVITE", "1", CARL,
				      DORA) "P-Asserted-Identity: <tel:+15550199>\r\n" END),
		"");
	assert_string_equal(others_of(&b, RESPONSE("INVITE", "<" ALICE ">;tag=1", DORA,
						  "P-Asserted-Identity: <tel:+15550199>\r\n")),
		"");
	bench_free(&b);
	b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	assert_string_equal(
		others_of(&b, RESPONSE("INVITE", CARL, DORA, ASSERTED)), "tel:+15550100 2 ");
	bench_free(&b);
}

static struct bench bench_of_many(const struct sip_events_config *config, size_t count)
{
	static struct order orders[MAX_ORDERS];
	for (size_t i = 0; i < count; i++)
		orders[i] = (struct order){IDENTIFIER_SIP_URI, ALICE, 0};
	struct bench b = bench_with(config);
	order_these(&b.set, &b.table, orders, count);
	return b;
}

static void any_number_of_tasks_share_a_message_and_a_session(void **state)
{
	(void)state;
	struct bench b = bench_of_many(&CONFIG, 150);
	struct seen seen = take(&b, CALL_OF_ALICE("1", ""));
	assert_int_equal(seen.tasks, 150);
	assert_int_equal(seen.records, 3);
	bool had[MAX_SEEN] = {false};
	for (size_t i = 0; i < seen.tasks; i++) {
		assert_false(had[seen.task[i].slot]);
		had[seen.task[i].slot] = true;
	}
	seen = take(
		&b, "SIP/2.0 180 Ringing\r\n" FIELDS("1", "1 INVITE", "1", CARL_TAG_1, DORA) END);
	assert_int_equal(seen.tasks, 150);
	bench_free(&b);
}

static void tasks_beyond_the_configured_bound_are_lost_and_counted(void **state)
{
	(void)state;
	struct sip_events_config config = CONFIG;
	config.max_tasks = 70;
	struct bench b = bench_of_many(&config, 100);
	assert_int_equal(take(&b, CALL_OF_ALICE("1", "")).tasks, 70);
	assert_int_equal(sip_events_counters(b.events)->lost_too_many_tasks, 30);
	assert_int_equal(sip_events_counters(b.events)->matched, 100);
	bench_free(&b);
}

static void what_a_sender_repeats_does_not_hide_the_target(void **state)
{
	(void)state;
	static char text[20000];
	char *at = text + sprintf(text, "INVITE sip:x@example.org SIP/2.0\r\n");
	for (unsigned i = 0; i < 60; i++)
		at += sprintf(at, "Diversion: <sip:%u@example.org>\r\nTo: <sip:%u@example.org>\r\n",
			i, i);
	sprintf(at, FIELDS("1", "1 INVITE", "1", CARL, DORA) "P-Asserted-Identity: <" ALICE
							     ">\r\n" END);
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	assert_int_equal(direction_of(&b, text), FROM_TARGET);
	assert_true(sip_events_counters(b.events)->identities_passed_over > 0);
	bench_free(&b);
}

static void one_call_id_has_one_owner_and_owners_share_the_load(void **state)
{
	(void)state;
	unsigned load[4] = {0};
	for (unsigned i = 0; i < 1000; i++) {
		char call_id[20];
		sprintf(call_id, "%u", i);
		struct sip_message request = {.call_id = bytes_of_text(call_id)};
		struct sip_message response = request;
		response.is_response = true;
		response.octets = bytes_of_text("something else");
		unsigned owner = sip_owner(&KEY, &request, 4);
		assert_in_range(owner, 0, 3);
		assert_int_equal(owner, sip_owner(&KEY, &response, 4));
		assert_int_equal(sip_owner(&KEY, &request, 1), 0);
		load[owner]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(load[i], 180, 320);
}

static void the_largest_message_is_an_event_and_a_longer_one_is_lost(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_SIP_URI, ALICE);
	static char large[EVENT_MAX_PAYLOAD + 2];
	size_t others = strlen(CALL_OF_ALICE("1", "X: \r\n"));
	snprintf(large, sizeof large, CALL_OF_ALICE("1", "X: %0*d\r\n"),
		(int)(EVENT_MAX_PAYLOAD - others), 1);
	assert_int_equal(strlen(large), EVENT_MAX_PAYLOAD);
	struct seen seen = take(&b, large);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.event.payload_len, EVENT_MAX_PAYLOAD);
	snprintf(large, sizeof large, CALL_OF_ALICE("2", "X: %0*d\r\n"),
		(int)(EVENT_MAX_PAYLOAD + 1 - others), 1);
	assert_int_equal(take(&b, large).tasks, 0);
	assert_int_equal(sip_events_counters(b.events)->lost_too_large, 1);
	bench_free(&b);

	// The least that event_ring_kib can say.
	struct record_ring *ring = record_ring_new(256 * 1024);
	assert_non_null(ring);
	assert_non_null(
		record_ring_reserve(ring, event_size(EVENT_MAX_TASKS, EVENT_MAX_PAYLOAD, 0)));
	record_ring_free(ring);
}

static void what_a_tunnel_shows_goes_on_outside_of_it(void **state)
{
	(void)state;
	struct bench b = bench_of_one(IDENTIFIER_GTPU_TUNNEL_ID, "7");
	assert_int_equal(direction_of(&b, BETWEEN_OTHERS("INVITE", "")), 0);
	b.packet.outer = (struct encapsulation){.teid_count = 2, .teids = {9, 7}};
	assert_int_equal(direction_of(&b, BETWEEN_OTHERS("INVITE", "X: 1\r\n")), UNKNOWN);
	b.packet.outer = (struct encapsulation){0};
	assert_int_equal(direction_of(&b, RESPONSE("INVITE", CARL, DORA, "")), UNKNOWN);
	bench_free(&b);
}

// --- services ----------------------------------------------------------------------------------------------

// Tasks for alice, one for each list of services. A set of them is the sum.
enum { VOICE = 1, MESSAGING = 2, BOTH = 4, DATA = 8, WITH_DATA = 16, NO_LIST = 32 };
enum { OF_VOICE = VOICE | BOTH | WITH_DATA | NO_LIST, OF_MESSAGING = MESSAGING | BOTH | NO_LIST };
enum { OF_BOTH = OF_VOICE | OF_MESSAGING };
static const struct order of_services[] = {{IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE},
	{IDENTIFIER_SIP_URI, ALICE, SERVICE_MESSAGING},
	{IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE | SERVICE_MESSAGING},
	{IDENTIFIER_SIP_URI, ALICE, SERVICE_DATA},
	{IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE | SERVICE_DATA}, {IDENTIFIER_SIP_URI, ALICE, 0}};
enum { LISTS = sizeof of_services / sizeof *of_services };

// The tasks to which a message is reported.
static unsigned tasks_of(struct bench *b, const char *text)
{
	struct seen seen = take(b, text);
	unsigned tasks = 0;
	for (size_t i = 0; i < seen.tasks; i++)
		tasks |= 1u << seen.task[i].slot;
	return tasks;
}

#define SDP(media)                                                                                 \
	"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" media
#define AUDIO "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
#define MSRP "m=message 7394 TCP/MSRP *\r\na=accept-types:text/plain\r\n"
#define OFFER(media) "Content-Type: application/sdp\r\n\r\n" SDP(media)
#define BY_ALICE(method, extra_and_body)                                                           \
	method " sip:dora@example.org SIP/2.0\r\n" FIELDS(                                         \
		"x", "1 " method, "1", "<" ALICE ">;tag=a", DORA) extra_and_body
#define TO_BY_ALICE(method, extra_and_body)                                                        \
	"SIP/2.0 200 OK\r\n" FIELDS("x", "1 " method, "1", "<" ALICE ">;tag=a", DORA ";tag=d")     \
	extra_and_body

static void each_message_is_of_its_services(void **state)
{
	(void)state;
	static const struct {
		unsigned tasks;
		const char *text;
	} samples[] = {
		{OF_VOICE, BY_ALICE("INVITE", END)},
		{OF_VOICE, BY_ALICE("INVITE", OFFER(""))},
		{OF_VOICE, BY_ALICE("INVITE", OFFER(AUDIO))},
		{OF_VOICE, BY_ALICE("INVITE", OFFER("m=video 1 RTP/AVP 99\r\n"))},
		{OF_VOICE, BY_ALICE("INVITE", OFFER("m=image 1 udptl t38\r\n"))},
		{OF_VOICE, BY_ALICE("INVITE", OFFER("m=text 1 RTP/AVP 98\r\n"))},
		{OF_VOICE, BY_ALICE("INVITE", OFFER("m=application 1 TCP/BFCP *\r\n"))},
		{OF_VOICE, BY_ALICE("INVITE", OFFER("m=messages 1 RTP/AVP 98\r\n"))},
		{OF_MESSAGING, BY_ALICE("INVITE", OFFER(MSRP))},
		{OF_MESSAGING, BY_ALICE("INVITE", OFFER(MSRP MSRP))},
		{OF_MESSAGING, BY_ALICE("INVITE", "c: Application/SDP;charset=x\r\n\r\n"
						  "v=0\nM=Message 0 TCP/MSRP *")},
		{OF_BOTH, BY_ALICE("INVITE", OFFER(AUDIO MSRP))},
		{OF_BOTH, BY_ALICE("INVITE", OFFER(MSRP AUDIO))},
		{OF_VOICE, BY_ALICE("INVITE", "Content-Type: text/plain\r\n\r\n" SDP(MSRP))},
		{OF_VOICE, BY_ALICE("INVITE", "\r\n" SDP(MSRP))},
		{OF_MESSAGING, BY_ALICE("INVITE", "Content-Type: multipart/mixed;boundary=b\r\n\r\n"
						  "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP(MSRP) "--b--\r\n")},
		// m= counts in the session description alone.
		{OF_MESSAGING, BY_ALICE("INVITE", "Content-Type: multipart/mixed;boundary=b\r\n\r\n"
						  "m=audio 1 x\r\n--b\r\n\r\n" SDP(MSRP) "--b\r\n"
						  "Content-Type: text/plain\r\n\r\nm=audio 1 x\r\n--b--\r\n")},
		{OF_MESSAGING, BY_ALICE("MESSAGE", END)},
		{OF_MESSAGING, BY_ALICE("MESSAGE", OFFER(AUDIO))},
		{OF_MESSAGING, TO_BY_ALICE("MESSAGE", END)},
		{OF_BOTH, BY_ALICE("REGISTER", END)},
		{OF_BOTH, TO_BY_ALICE("REGISTER", END)},
		{OF_BOTH, BY_ALICE("SUBSCRIBE", END)},
		{OF_BOTH, BY_ALICE("NOTIFY", OFFER(MSRP))},
		{OF_BOTH, BY_ALICE("PUBLISH", END)},
		{OF_BOTH, BY_ALICE("OPTIONS", OFFER(AUDIO))},
		{OF_BOTH, BY_ALICE("FUTURE", END)},
		{OF_BOTH, TO_BY_ALICE("FUTURE", END)},
		// Of a session, but none is known.
		{OF_VOICE, BY_ALICE("ACK", END)},
		{OF_VOICE, BY_ALICE("BYE", END)},
		{OF_VOICE, BY_ALICE("CANCEL", END)},
		{OF_VOICE, BY_ALICE("PRACK", END)},
		{OF_VOICE, BY_ALICE("UPDATE", END)},
		{OF_VOICE, BY_ALICE("INFO", END)},
		{OF_VOICE, BY_ALICE("REFER", END)},
		{OF_VOICE, TO_BY_ALICE("INVITE", END)},
		{OF_VOICE, TO_BY_ALICE("BYE", END)},
		{OF_MESSAGING, BY_ALICE("UPDATE", OFFER(MSRP))},
		{OF_MESSAGING, TO_BY_ALICE("INVITE", OFFER(MSRP))},
		{OF_BOTH, TO_BY_ALICE("INVITE", OFFER(AUDIO MSRP))},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct bench b = bench_of(of_services, LISTS);
		unsigned tasks = tasks_of(&b, samples[i].text);
		if (tasks != samples[i].tasks)
			fail_msg("tasks %x instead of %x: %s", tasks, samples[i].tasks,
				samples[i].text);
		bench_free(&b);
	}
}

// One call after its INVITE, which `extra_and_body` completes; the messages show alice. Who gets each of them.
static void check_call(const char *invite, unsigned tasks)
{
	static const char *const rest[] = {
		"SIP/2.0 100 Trying\r\n" FIELDS("x", "1 INVITE", "1", "<" ALICE ">;tag=a", DORA) END,
		TO_BY_ALICE("INVITE", END),
		"ACK sip:d SIP/2.0\r\n" FIELDS(
			"x", "1 ACK", "2", "<" ALICE ">;tag=a", DORA ";tag=d") END,
		"INFO sip:a SIP/2.0\r\n" FIELDS(
			"x", "1 INFO", "3", DORA ";tag=d", "<" ALICE ">;tag=a") END,
		"INVITE sip:d SIP/2.0\r\n" FIELDS(
			"x", "2 INVITE", "4", "<" ALICE ">;tag=a", DORA ";tag=d") END,
		"CANCEL sip:d SIP/2.0\r\n" FIELDS(
			"x", "2 CANCEL", "4", "<" ALICE ">;tag=a", DORA ";tag=d") END,
		"BYE sip:d SIP/2.0\r\n" FIELDS(
			"x", "3 BYE", "5", "<" ALICE ">;tag=a", DORA ";tag=d") END,
		"SIP/2.0 200 OK\r\n" FIELDS(
			"x", "3 BYE", "5", "<" ALICE ">;tag=a", DORA ";tag=d") END,
	};
	struct bench b = bench_of(of_services, LISTS);
	assert_int_equal(tasks_of(&b, invite), tasks);
	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
		assert_int_equal(tasks_of(&b, rest[i]), tasks);
	bench_free(&b);
}

static void a_session_is_of_the_services_that_its_offer_shows(void **state)
{
	(void)state;
	check_call(BY_ALICE("INVITE", OFFER(AUDIO)), OF_VOICE);
	check_call(BY_ALICE("INVITE", END), OF_VOICE);
	check_call(BY_ALICE("INVITE", OFFER(MSRP)), OF_MESSAGING);
	check_call(BY_ALICE("INVITE", OFFER(MSRP AUDIO)), OF_BOTH);
}

// None but the first message shows alice.
static void a_session_goes_on_for_the_tasks_that_are_in_it_alone(void **state)
{
	(void)state;
#define SHOWS_ALICE "P-Asserted-Identity: <" ALICE ">\r\n"
	struct bench b = bench_of(of_services, LISTS);
	assert_int_equal(tasks_of(&b, "INVITE sip:d SIP/2.0\r\n" FIELDS("x", "1 INVITE", "1", CARL,
					      DORA) SHOWS_ALICE OFFER(MSRP)),
		OF_MESSAGING);
	assert_int_equal(tasks_of(&b, RESPONSE("INVITE", CARL, DORA_TAGGED, "")), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, "BYE sip:c SIP/2.0\r\n" FIELDS(
					      "x", "1 BYE", "3", DORA_TAGGED, CARL) END),
		OF_MESSAGING);
	bench_free(&b);

	b = bench_of(of_services, LISTS);
	assert_int_equal(tasks_of(&b, BETWEEN_OTHERS("INVITE", SHOWS_ALICE)), OF_VOICE);
	assert_int_equal(tasks_of(&b, RESPONSE("INVITE", CARL, DORA_TAGGED, "")), OF_VOICE);
	assert_int_equal(tasks_of(&b, "OPTIONS sip:c SIP/2.0\r\n" FIELDS(
					      "x", "1 OPTIONS", "3", DORA_TAGGED, CARL) END),
		OF_VOICE);
	bench_free(&b);
}

#define IN_DIALOG(method, cseq, extra_and_body)                                                    \
	method " sip:d SIP/2.0\r\n" FIELDS("x", cseq " " method, cseq, "<" ALICE ">;tag=a",        \
		DORA ";tag=d") extra_and_body
#define TO_IN_DIALOG(method, cseq, extra_and_body)                                                 \
	"SIP/2.0 200 OK\r\n" FIELDS("x", cseq " " method, cseq, "<" ALICE ">;tag=a",               \
		DORA ";tag=d") extra_and_body

static void a_message_in_a_call_is_messaging_and_brings_nobody_into_the_call(void **state)
{
	(void)state;
	struct bench b = bench_of(of_services, LISTS);
	assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", OFFER(AUDIO))), OF_VOICE);
	assert_int_equal(tasks_of(&b, TO_BY_ALICE("INVITE", OFFER(AUDIO))), OF_VOICE);
	assert_int_equal(tasks_of(&b, IN_DIALOG("MESSAGE", "2", END)), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, TO_IN_DIALOG("MESSAGE", "2", END)), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, IN_DIALOG("INFO", "3", END)), OF_VOICE);
	assert_int_equal(tasks_of(&b, IN_DIALOG("OPTIONS", "4", END)), OF_BOTH);
	assert_int_equal(tasks_of(&b, IN_DIALOG("BYE", "5", END)), OF_VOICE);
	assert_int_equal(tasks_of(&b, TO_IN_DIALOG("BYE", "5", END)), OF_VOICE);
	bench_free(&b);
}

static void an_offer_that_comes_late_brings_its_service_in(void **state)
{
	(void)state;
	struct bench b = bench_of(of_services, LISTS);
	assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", END)), OF_VOICE);
	assert_int_equal(tasks_of(&b, TO_BY_ALICE("INVITE", OFFER(MSRP))), OF_BOTH);
	assert_int_equal(tasks_of(&b, IN_DIALOG("BYE", "2", END)), OF_BOTH);
	bench_free(&b);
}

static void media_that_are_added_bring_their_service_in(void **state)
{
	(void)state;
	struct bench b = bench_of(of_services, LISTS);
	assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", OFFER(MSRP))), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, TO_BY_ALICE("INVITE", OFFER(MSRP))), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, IN_DIALOG("INVITE", "2", OFFER(MSRP AUDIO))), OF_BOTH);
	assert_int_equal(tasks_of(&b, IN_DIALOG("INVITE", "3", OFFER(AUDIO))), OF_BOTH);
	assert_int_equal(tasks_of(&b, IN_DIALOG("BYE", "4", END)), OF_BOTH);
	bench_free(&b);
}

static void a_task_that_comes_in_mid_session_takes_what_it_sees_for_voice(void **state)
{
	(void)state;
	struct order orders[] = {{IDENTIFIER_SIP_URI, "sip:dora@example.org", 0},
		{.text = NULL}, {.text = NULL}};
	struct bench b = bench_of(orders, 3);
	assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", OFFER(MSRP))), 1);
	assert_int_equal(tasks_of(&b, TO_BY_ALICE("INVITE", END)), 1);
	orders[1] = (struct order){IDENTIFIER_SIP_URI, ALICE, SERVICE_MESSAGING};
	orders[2] = (struct order){IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE};
	order_these(&b.set, &b.table, orders, 3);
	assert_int_equal(tasks_of(&b, IN_DIALOG("INFO", "2", END)), 1 | 4);
	assert_int_equal(tasks_of(&b, IN_DIALOG("INVITE", "3", OFFER(MSRP))), 1 | 2 | 4);
	assert_int_equal(tasks_of(&b, IN_DIALOG("BYE", "4", END)), 1 | 2 | 4);
	bench_free(&b);

	orders[1] = orders[2] = (struct order){.text = NULL};
	b = bench_of(orders, 3);
	assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", OFFER(AUDIO))), 1);
	orders[1] = (struct order){IDENTIFIER_SIP_URI, ALICE, SERVICE_MESSAGING};
	orders[2] = (struct order){IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE};
	order_these(&b.set, &b.table, orders, 3);
	assert_int_equal(tasks_of(&b, TO_BY_ALICE("INVITE", OFFER(AUDIO))), 1 | 4);
	assert_int_equal(tasks_of(&b, IN_DIALOG("BYE", "2", END)), 1 | 4);
	bench_free(&b);
}

static void a_task_whose_services_change_begins_anew(void **state)
{
	(void)state;
	struct order order = {IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE};
	struct bench b = bench_of(&order, 1);
	assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", OFFER(AUDIO))), 1);
	order.services = SERVICE_MESSAGING;
	order_these(&b.set, &b.table, &order, 1);
	assert_int_equal(tasks_of(&b, TO_BY_ALICE("INVITE", OFFER(AUDIO))), 0);
	assert_int_equal(tasks_of(&b, IN_DIALOG("MESSAGE", "2", END)), 1);
	order.services = 0;
	order_these(&b.set, &b.table, &order, 1);
	assert_int_equal(tasks_of(&b, IN_DIALOG("BYE", "3", END)), 1);
	bench_free(&b);
}

// A call that is over leaves nothing to the next one under its Call-ID.
static void another_call_is_judged_by_its_own_offer(void **state)
{
	(void)state;
	struct bench b = bench_of(of_services, LISTS);
	assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", OFFER(MSRP))), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, TO_BY_ALICE("INVITE", END)), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, IN_DIALOG("BYE", "2", END)), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, TO_IN_DIALOG("BYE", "2", END)), OF_MESSAGING);
	assert_int_equal(tasks_of(&b, "INVITE sip:d SIP/2.0\r\n" FIELDS("x", "9 INVITE", "9",
					      "<" ALICE ">;tag=a", DORA) END),
		OF_VOICE);
	assert_int_equal(tasks_of(&b, TO_IN_DIALOG("INVITE", "9", END)), OF_VOICE);
	bench_free(&b);
}

static void what_is_of_another_service_is_no_match(void **state)
{
	(void)state;
	const struct order orders[] = {{IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE},
		{IDENTIFIER_SIP_URI, ALICE, SERVICE_DATA}};
	struct bench b = bench_of(orders, 2);
	const struct event_counters *c = sip_events_counters(b.events);
	for (unsigned i = 0; i < 2; i++) { // the second is an octet-identical copy
		assert_int_equal(tasks_of(&b, BY_ALICE("MESSAGE", END)), 0);
		assert_int_equal(tasks_of(&b, BY_ALICE("INVITE", OFFER(MSRP))), 0);
	}
	assert_int_equal(c->matched, 0);
	assert_int_equal(c->suppressed, 0);
	assert_int_equal(tasks_of(&b, BY_ALICE("REGISTER", END)), 1);
	assert_int_equal(c->matched, 1);
	bench_free(&b);
}

// But for what a later message of the session would not tell.
static void what_is_of_another_service_is_not_remembered(void **state)
{
	(void)state;
	static const struct {
		uint8_t services;
		bool remembered;
		const char *text;
	} samples[] = {
		{SERVICE_VOICE, false,
			"MESSAGE " ALICE " SIP/2.0\r\n" FIELDS("%u", "1 MESSAGE", "1", CARL, DORA) END},
		{SERVICE_MESSAGING, false, CALL_OF_ALICE("%u", OFFER(AUDIO))},
		{SERVICE_VOICE, true, CALL_OF_ALICE("%u", OFFER(MSRP))},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct order order = {IDENTIFIER_SIP_URI, ALICE, samples[i].services};
		struct bench b = bench_of(&order, 1);
		for (unsigned call = 0; call < 2 * CONFIG.max_sessions; call++) {
			char text[1000], *id;
			snprintf(text, sizeof text, "%s", samples[i].text);
			id = strstr(text, "%u"); // two octets
			id[0] = (char)('a' + call % 26);
			id[1] = (char)('a' + call / 26);
			assert_int_equal(tasks_of(&b, text), 0);
		}
		assert_int_equal(sip_events_counters(b.events)->sessions_given_up,
			samples[i].remembered ? CONFIG.max_sessions : 0);
		bench_free(&b);
	}
}

static uint32_t next_random(uint64_t *random, uint32_t below)
{
	*random = *random * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)((*random >> 33) % below);
}

// The law is checked after every message.
static void the_accounts_hold_whatever_comes(void **state)
{
	(void)state;
	static const char *const methods[] = {"INVITE", "ACK", "BYE", "CANCEL", "MESSAGE",
		"REGISTER", "SUBSCRIBE", "NOTIFY", "REFER"};
	static const char *const bodies[] = {"\r\n",
		"Content-Type: application/sdp\r\n\r\nv=0\r\nm=message 1 TCP/MSRP *\r\n",
		"Content-Type: application/sdp\r\n\r\nv=0\r\nm=audio 1 RTP/AVP 0\r\n"};
	static const char *const parties[] = {
		"<" ALICE ">;tag=a", "<sip:bob@example.com>;tag=b", CARL};
	struct order orders[] = {{IDENTIFIER_SIP_URI, ALICE, 0},
		{IDENTIFIER_SIP_URI, "sip:bob@example.com", 0},
		{IDENTIFIER_IPV4_ADDRESS, "192.0.2.1", 0},
		{IDENTIFIER_SIP_URI, ALICE, SERVICE_VOICE}};
	struct sip_events_config config = CONFIG;
	config.max_sessions = 3;
	config.max_duplicates = 40;
	config.max_tasks = 3;
	struct bench b = bench_with(&config);
	uint64_t random = 3;
	char text[1000], again[1000] = "";
	for (unsigned n = 0; n < 20000; n++) {
		if (n % 97 == 0) {
			struct order some[4];
			for (unsigned i = 0; i < 4; i++)
				some[i] = next_random(&random, 3) ? orders[i]
				                                  : (struct order){.text = NULL};
			order_these(&b.set, &b.table, some, 4);
		}
		char start[100];
		const char *method = methods[next_random(&random, 9)];
		if (next_random(&random, 2))
			sprintf(start, "SIP/2.0 %u OK", 100 + 100 * next_random(&random, 5));
		else
			sprintf(start, "%s sip:x@example.org SIP/2.0", method);
		sprintf(text,
			"%s\r\nVia: SIP/2.0/UDP h;branch=%u\r\nFrom: %s\r\nTo: %s\r\nCall-ID: "
			"%u\r\nCSeq: %u %s\r\n%s",
			start, next_random(&random, 3), parties[next_random(&random, 3)],
			parties[next_random(&random, 3)], next_random(&random, 5),
			next_random(&random, 3), method, bodies[next_random(&random, 3)]);
		if (n && next_random(&random, 3) == 0)
			strcpy(text, again); // a retransmission
		strcpy(again, text);
		if (next_random(&random, 50) == 0)
			b.now = START - next_random(&random, 2) * 100 * SECOND;
		else
			b.now += next_random(&random, 20) ? 0 : 20 * SECOND;
		if (next_random(&random, 3) == 0)
			take(&b, text);
		else
			take_only(&b, text);
	}
	const struct event_counters *c = sip_events_counters(b.events);
	assert_true(c->reported > 1000 && c->suppressed > 100);
	assert_true(c->lost_too_many_tasks > 0 && c->sessions_given_up > 0 &&
		    c->duplicates_given_up > 0);
	bench_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_counts_and_tells_its_direction),
		cmocka_unit_test(a_response_goes_the_other_way),
		cmocka_unit_test(private_identities_are_found_in_credentials),
		cmocka_unit_test(numbers_are_found_in_every_spelling),
		cmocka_unit_test(an_untrusted_from_does_not_count_alone),
		cmocka_unit_test(an_address_tells_the_direction_of_each_packet),
		cmocka_unit_test(the_rest_of_a_session_belongs_and_goes_by_the_tags),
		cmocka_unit_test(an_octet_identical_message_is_reported_once_in_the_window),
		cmocka_unit_test(a_task_that_comes_later_gets_what_another_has_had),
		cmocka_unit_test(an_ended_or_changed_task_has_no_session),
		cmocka_unit_test(what_begins_anew_under_a_call_id_belongs_to_those_it_shows),
		cmocka_unit_test(conversations_under_one_call_id_do_not_mix),
		cmocka_unit_test(
			where_too_many_conversations_share_a_call_id_each_message_must_show_the_target),
		cmocka_unit_test(what_the_ring_refuses_is_counted_and_may_be_reported_later),
		cmocka_unit_test(an_event_tells_where_and_when_and_carries_the_octets),
		cmocka_unit_test(other_identities_are_those_of_the_same_subject),
		cmocka_unit_test(any_number_of_tasks_share_a_message_and_a_session),
		cmocka_unit_test(tasks_beyond_the_configured_bound_are_lost_and_counted),
		cmocka_unit_test(what_a_sender_repeats_does_not_hide_the_target),
		cmocka_unit_test(one_call_id_has_one_owner_and_owners_share_the_load),
		cmocka_unit_test(the_largest_message_is_an_event_and_a_longer_one_is_lost),
		cmocka_unit_test(what_a_tunnel_shows_goes_on_outside_of_it),
		cmocka_unit_test(each_message_is_of_its_services),
		cmocka_unit_test(a_session_is_of_the_services_that_its_offer_shows),
		cmocka_unit_test(a_session_goes_on_for_the_tasks_that_are_in_it_alone),
		cmocka_unit_test(a_message_in_a_call_is_messaging_and_brings_nobody_into_the_call),
		cmocka_unit_test(an_offer_that_comes_late_brings_its_service_in),
		cmocka_unit_test(media_that_are_added_bring_their_service_in),
		cmocka_unit_test(a_task_that_comes_in_mid_session_takes_what_it_sees_for_voice),
		cmocka_unit_test(a_task_whose_services_change_begins_anew),
		cmocka_unit_test(another_call_is_judged_by_its_own_offer),
		cmocka_unit_test(what_is_of_another_service_is_no_match),
		cmocka_unit_test(what_is_of_another_service_is_not_remembered),
		cmocka_unit_test(the_accounts_hold_whatever_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
