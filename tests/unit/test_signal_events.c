#include "unit.h"

#include <stdio.h>

#include "ordered.h"
#include "signal_events.h"

enum { RING = 1 << 20, MAX_SEEN = 8 };
enum { UNKNOWN = 1, TO_TARGET = 2, FROM_TARGET = 3 };
static const uint64_t SECOND = 1000000000, START = 1700000000000000000;
static const struct signal_rules RULES = {.key = {7, 8}};

static const struct signal_events_config CONFIG = {.max_sessions = 16,
	.max_duplicates = 4096,
	.duplicate_window_ns = 32000000000,
	.session_idle_ns = 43200000000000};

struct bench {
	struct signal_events *events;
	struct target_set *set;
	struct target_table *table;
	struct record_ring *ring;
	struct packet packet;
	struct bound bound;
	struct signal signal; // the message that is made up next
	enum event_protocol protocol;
	uint64_t now;
	unsigned message; // how many were made: no two have the same octets
	char octets[64];
};

// What came out of one message.
struct seen {
	size_t tasks;
	uint64_t correlation;
	uint8_t protocol;
	struct event_task task[MAX_SEEN];
	uint8_t identity_count;
	struct event_identity identities[EVENT_MAX_IDENTITIES];
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof *b);
	assert_non_null(b);
	b->events = signal_events_new(&CONFIG, &KEY);
	b->ring = record_ring_new(RING);
	b->now = START;
	b->protocol = EVENT_RADIUS;
	assert_non_null(b->events);
	assert_non_null(b->ring);
	assert_true(address_parse(bytes_of_text("192.0.2.1"), &b->packet.flow.source));
	assert_true(address_parse(bytes_of_text("192.0.2.2"), &b->packet.flow.destination));
	b->packet.flow.source_port = 1813;
	b->packet.flow.destination_port = 1813;
	b->packet.flow.protocol = 17;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;
	const struct event_counters *c = signal_events_counters(b->events);
	assert_int_equal(c->matched, c->reported + c->suppressed + c->lost_ring_full +
					     c->lost_too_large + c->lost_too_many_tasks);
	signal_events_free(b->events);
	target_table_free(b->table);
	target_set_free(b->set);
	record_ring_free(b->ring);
	free(b);
	return 0;
}

static void order_one(struct bench *b, enum identifier_type type, const char *text)
{
	order_these(&b->set, &b->table, &(struct order){.type = type, .text = text}, 1);
}

// --- messages --------------------------------------------------------------------------------------------------

static struct signal *begin(struct bench *b, bool is_answer)
{
	signal_clear(&b->signal, SIGNAL_RADIUS);
	b->signal.is_answer = is_answer;
	snprintf(b->octets, sizeof b->octets, "message %u", b->message++);
	b->signal.octets = bytes_of_text(b->octets);
	return &b->signal;
}

static void name(struct bench *b, uint8_t use, const char *text)
{
	const struct bytes part = bytes_of_text(text);
	signal_add_name(&b->signal, &RULES, NAME_RADIUS_SESSION, use, &part, 1);
}

static void show_user(struct bench *b, const char *user)
{
	struct identity *identity = signal_next_identity(&b->signal, SIGNAL_ROLE_USER);
	assert_non_null(identity);
	assert_true(identity_of_nai(bytes_of_text(user), identity));
	signal_commit_sighting(&b->signal, SIGNAL_ROLE_USER);
}

static void show_imsi(struct bench *b, const char *imsi)
{
	struct identity *identity = signal_next_identity(&b->signal, SIGNAL_ROLE_IMSI);
	assert_non_null(identity);
	assert_true(identity_of_imsi(bytes_of_text(imsi), identity));
	signal_commit_sighting(&b->signal, SIGNAL_ROLE_IMSI);
}

static struct seen take(struct bench *b)
{
	static struct seen seen;
	memset(&seen, 0, sizeof seen);
	b->now += SECOND / 100;
	signal_events_take(b->events, b->table, &b->signal, b->protocol, b->signal.octets,
		&b->packet, &b->bound, b->now, b->ring);
	for (struct bytes record; (record = record_ring_peek(b->ring)).at;) {
		const struct event *e = (const struct event *)(const void *)record.at;
		assert_int_equal(
			event_size(e->task_count, e->payload_len, e->identity_count), record.len);
		assert_true(bytes_equal(event_payload_view(e), b->signal.octets));
		for (size_t i = 0; i < e->task_count; i++)
			seen.task[seen.tasks++] = event_tasks_view(e)[i];
		seen.correlation = e->correlation;
		seen.protocol = e->protocol;
		seen.identity_count = e->identity_count;
		memcpy(seen.identities, event_identities_view(e),
			e->identity_count * sizeof *seen.identities);
		record_ring_release(b->ring);
	}
	return seen;
}

static struct seen request(struct bench *b, const char *exchange, const char *user)
{
	begin(b, false);
	name(b, NAME_BEGIN | NAME_KEEP | NAME_EXCHANGE, exchange);
	if (user)
		show_user(b, user);
	return take(b);
}

static struct seen answer(struct bench *b, const char *exchange)
{
	begin(b, true);
	name(b, NAME_FIND | NAME_EXCHANGE, exchange);
	return take(b);
}

static struct seen in_session(
	struct bench *b, const char *exchange, const char *session, const char *user, bool ends)
{
	begin(b, false);
	name(b, NAME_BEGIN | NAME_KEEP | NAME_EXCHANGE, exchange);
	name(b, NAME_FIND | NAME_KEEP, session);
	b->signal.ends = ends;
	b->signal.correlation = fnv1a(bytes_of_text(session));
	if (user)
		show_user(b, user);
	return take(b);
}

#define ALICE "alice@isp.example.com"
#define BOB "bob@isp.example.com"

// --- tests -----------------------------------------------------------------------------------------------------

static void a_request_and_its_answer_go_together(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	struct seen asked = request(b, "x1", ALICE);
	assert_int_equal(asked.tasks, 1);
	assert_int_equal(asked.protocol, EVENT_RADIUS);
	struct seen answered = answer(b, "x1");
	assert_int_equal(answered.tasks, 1);
	assert_true(asked.correlation != 0 && asked.correlation == answered.correlation);
}

static void what_shows_somebody_else_is_nobodys(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	assert_int_equal(request(b, "x1", BOB).tasks, 0);
	assert_int_equal(answer(b, "x1").tasks, 0);
	assert_int_equal(request(b, "x2", NULL).tasks, 0);
}

static void an_answer_ends_its_exchange(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	request(b, "x1", ALICE);
	assert_int_equal(answer(b, "x1").tasks, 1);
	assert_int_equal(answer(b, "x1").tasks, 0); // of a request that was not seen
}

static void a_name_that_is_used_again_belongs_to_who_uses_it(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	request(b, "x1", ALICE);
	assert_int_equal(request(b, "x1", BOB).tasks, 0);
	assert_int_equal(answer(b, "x1").tasks, 0);
}

static void a_repeated_request_keeps_its_correlation(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	struct seen first = request(b, "x1", ALICE);
	struct seen again = take(b); // the same octets: suppressed
	assert_int_equal(again.tasks, 0);
	assert_int_equal(signal_events_counters(b->events)->suppressed, 1);
	assert_true(answer(b, "x1").correlation == first.correlation);
}

static void a_session_belongs_to_the_task_until_the_answer_that_ends_it(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	struct seen start = in_session(b, "x1", "session", ALICE, false);
	assert_int_equal(start.tasks, 1);
	assert_true(start.correlation == fnv1a(bytes_of_text("session")));
	assert_true(answer(b, "x1").correlation == start.correlation);
	assert_int_equal(in_session(b, "x2", "session", NULL, false).tasks, 1);
	assert_int_equal(in_session(b, "x3", "session", NULL, true).tasks, 1);
	assert_int_equal(answer(b, "x3").tasks, 1);
	// It may be told again that the session is over, but what begins under its name is another.
	assert_int_equal(in_session(b, "x4", "session", NULL, true).tasks, 1);
	assert_int_equal(in_session(b, "x5", "session", BOB, false).tasks, 0);
}

static void an_exchange_is_forgotten_after_a_minute(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	request(b, "x1", ALICE);
	b->now += SIGNAL_EXCHANGE_NS + SECOND;
	assert_int_equal(answer(b, "x1").tasks, 0);
}

static void a_session_is_forgotten_when_it_is_idle(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	in_session(b, "x1", "session", ALICE, false);
	b->now += CONFIG.session_idle_ns - SECOND;
	assert_int_equal(in_session(b, "x2", "session", NULL, false).tasks, 1);
	b->now += CONFIG.session_idle_ns + SECOND;
	assert_int_equal(in_session(b, "x3", "session", NULL, false).tasks, 0);
	assert_int_equal(signal_events_counters(b->events)->sessions_given_up, 1);
}

static void what_two_sessions_share_belongs_to_the_tasks_of_both(void **state)
{
	struct bench *b = *state;
	const struct order orders[] = {
		{IDENTIFIER_NAI, ALICE, 0}, {IDENTIFIER_IMSI, "001010123456789", 0}};
	order_these(&b->set, &b->table, orders, 2);
	in_session(b, "x1", "session", ALICE, false);
	begin(b, false);
	name(b, NAME_FIND | NAME_KEEP, "tunnel");
	show_imsi(b, "001010123456789");
	assert_int_equal(take(b).tasks, 1);
	begin(b, false);
	name(b, NAME_FIND | NAME_KEEP, "session");
	name(b, NAME_FIND | NAME_KEEP, "tunnel");
	assert_int_equal(take(b).tasks, 2);
}

static void a_task_that_ends_loses_its_sessions(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	in_session(b, "x1", "session", ALICE, false);
	order_one(b, IDENTIFIER_NAI, BOB);
	assert_int_equal(in_session(b, "x2", "session", NULL, false).tasks, 0);
	order_one(b, IDENTIFIER_NAI, ALICE);
	assert_int_equal(in_session(b, "x3", "session", NULL, false).tasks, 0);
	assert_int_equal(in_session(b, "x4", "session", ALICE, false).tasks, 1);
}

static void a_task_of_other_services_gets_none(void **state)
{
	struct bench *b = *state;
	const struct order orders[] = {{IDENTIFIER_NAI, ALICE, SERVICE_VOICE | SERVICE_MESSAGING},
		{IDENTIFIER_NAI, ALICE, SERVICE_DATA}, {IDENTIFIER_NAI, ALICE, 0}};
	order_these(&b->set, &b->table, orders, 3);
	assert_int_equal(request(b, "x1", ALICE).tasks, 2);
	assert_int_equal(answer(b, "x1").tasks, 2);
}

static void an_address_gets_what_goes_to_and_from_it(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_IPV4_ADDRESS, "192.0.2.1");
	struct seen seen = request(b, "x1", ALICE);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.task[0].direction, FROM_TARGET);
	assert_int_equal(seen.task[0].identities, 0); // a server's clients are not the server
}

static void a_bound_address_gets_what_goes_to_and_from_it(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	struct identity alice;
	assert_true(identity_of_nai(bytes_of_text(ALICE), &alice));
	b->bound = (struct bound){.count = 1,
		.identities = {identity_digest(&KEY, &alice)},
		.ends = {END_DESTINATION}};
	struct seen seen = request(b, "x1", BOB);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.task[0].direction, TO_TARGET);
	// Once the address is another's, the rest of what it began is not hers.
	assert_int_equal(answer(b, "x1").tasks, 1);
	request(b, "x2", BOB);
	b->bound.count = 0;
	assert_int_equal(answer(b, "x2").tasks, 0);
}

static void a_bound_session_belongs_to_its_subscriber(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	struct identity alice;
	assert_true(identity_of_nai(bytes_of_text(ALICE), &alice));
	b->bound = (struct bound){
		.count = 1, .identities = {identity_digest(&KEY, &alice)}, .ends = {END_NEITHER}};
	assert_int_equal(in_session(b, "x1", "session", NULL, false).tasks, 1);
	b->bound.count = 0;
	assert_int_equal(answer(b, "x1").tasks, 1);
}

static void the_subscribers_other_identities_are_told(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	begin(b, false);
	b->signal.way = SIGNAL_WAY_FROM_SUBSCRIBER;
	show_user(b, ALICE);
	show_imsi(b, "001010123456789");
	struct seen seen = take(b);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.task[0].direction, FROM_TARGET);
	assert_int_equal(seen.identity_count, 2);
	assert_int_equal(seen.task[0].identities, 2); // the second alone
	assert_int_equal(seen.identities[1].kind, EVENT_IDENTITY_IMSI);
	assert_int_equal(seen.identities[1].len, 15);
	assert_memory_equal(seen.identities[1].text, "001010123456789", 15);
}

static void the_same_octets_again_are_a_repetition_but_for_packets_between_others(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_IPV4_ADDRESS, "192.0.2.1");
	assert_int_equal(request(b, "x1", NULL).tasks, 1);
	assert_true(address_parse(bytes_of_text("192.0.2.3"), &b->packet.flow.destination));
	assert_int_equal(take(b).tasks, 0);
	b->protocol = EVENT_GTPC;
	assert_int_equal(take(b).tasks, 1);
	assert_int_equal(take(b).tasks, 0);
	assert_true(address_parse(bytes_of_text("192.0.2.4"), &b->packet.flow.destination));
	assert_int_equal(take(b).tasks, 1);
}

static void the_oldest_session_gives_way(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	char session[16];
	for (unsigned i = 0; i <= CONFIG.max_sessions; i++) {
		snprintf(session, sizeof session, "session %u", i);
		assert_int_equal(in_session(b, session, session, ALICE, false).tasks, 1);
	}
	assert_int_equal(signal_events_counters(b->events)->sessions_given_up, 1);
	assert_int_equal(in_session(b, "x", "session 0", NULL, false).tasks, 0);
	assert_int_equal(in_session(b, "x", "session 1", NULL, false).tasks, 1);
}

static void a_session_keeps_its_name_whatever_many_exchanges_it_has(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	in_session(b, "x", "session", ALICE, false);
	char exchange[16];
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(exchange, sizeof exchange, "x %u", i);
		assert_int_equal(in_session(b, exchange, "session", NULL, false).tasks, 1);
	}
	assert_int_equal(answer(b, "x 2999").tasks, 1);
	assert_int_equal(answer(b, "x 1").tasks, 0);
}

static void nothing_is_written_when_the_ring_is_full(void **state)
{
	struct bench *b = *state;
	order_one(b, IDENTIFIER_NAI, ALICE);
	struct record_ring *ring = b->ring;
	b->ring = record_ring_new(4096);
	while (record_ring_reserve(b->ring, 64))
		record_ring_commit(b->ring, 64);
	begin(b, false);
	show_user(b, ALICE);
	signal_events_take(b->events, b->table, &b->signal, b->protocol, b->signal.octets,
		&b->packet, &b->bound, b->now, b->ring);
	assert_int_equal(signal_events_counters(b->events)->lost_ring_full, 1);
	record_ring_free(b->ring);
	b->ring = ring;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_and_its_answer_go_together),
		TEST(what_shows_somebody_else_is_nobodys),
		TEST(an_answer_ends_its_exchange),
		TEST(a_name_that_is_used_again_belongs_to_who_uses_it),
		TEST(a_repeated_request_keeps_its_correlation),
		TEST(a_session_belongs_to_the_task_until_the_answer_that_ends_it),
		TEST(an_exchange_is_forgotten_after_a_minute),
		TEST(a_session_is_forgotten_when_it_is_idle),
		TEST(what_two_sessions_share_belongs_to_the_tasks_of_both),
		TEST(a_task_that_ends_loses_its_sessions),
		TEST(a_task_of_other_services_gets_none),
		TEST(an_address_gets_what_goes_to_and_from_it),
		TEST(a_bound_address_gets_what_goes_to_and_from_it),
		TEST(a_bound_session_belongs_to_its_subscriber),
		TEST(the_subscribers_other_identities_are_told),
		TEST(the_same_octets_again_are_a_repetition_but_for_packets_between_others),
		TEST(the_oldest_session_gives_way),
		TEST(a_session_keeps_its_name_whatever_many_exchanges_it_has),
		TEST(nothing_is_written_when_the_ring_is_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
