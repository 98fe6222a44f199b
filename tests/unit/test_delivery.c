#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "delivery.h"
#include "loopback_mf.h"

// ---- a tap, an MF and a clock of our own

struct world {
	struct mf *mf;
	struct tls_context *context;
	struct delivery *delivery;
	struct delivery_destination destination;
	struct delivery_endpoint endpoint; // its only one
	uint64_t now_ms, tick_ms;
	uint32_t next_id;
	uint64_t owner;
};

static const struct uuid the_did = {{1, 2, 3}};

static struct tls_context *client_context(void)
{
	struct error error = {0};
	struct tls_context *context =
		certs_context(&certs, "ne", "ca", false, TLS_PROFILE_13_12, &error);
	if (!context)
		fail_msg("%s", error.text);
	return context;
}

static void world_set(struct world *w)
{
	struct error error = {0};
	if (delivery_set(w->delivery, &w->destination, &error) != 0)
		fail_msg("%s", error.text);
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	w->mf = mf_new(&certs);
	w->context = client_context();
	w->delivery = delivery_new(w->context, 99, NULL, NULL);
	w->now_ms = 1000000;
	w->tick_ms = 5;
	w->owner = 1;
	w->endpoint = (struct delivery_endpoint){.did = the_did,
		.address = {{127, 0, 0, 1}, 4},
		.port = w->mf->port,
		.tls_name = "mf.example.net",
		.keepalive = true};
	w->destination = (struct delivery_destination){.did = the_did,
		.endpoints = &w->endpoint,
		.endpoint_count = 1,
		.redeliver = true,
		.queue_octets = 4 << 20};
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;
	delivery_free(w->delivery);
	tls_context_free(w->context);
	mf_free(w->mf);
	free(w);
	return 0;
}

#define in_a_world(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)

static struct delivery_status status_of(const struct world *w)
{
	struct delivery_status s;
	delivery_status(w->delivery, 0, &s);
	return s;
}

static struct delivery_counters counters_of(const struct world *w)
{
	struct delivery_counters c;
	delivery_totals(w->delivery, &c);
	return c;
}

// What must be true at every moment.
static void expect_laws(const struct world *w)
{
	struct delivery_counters c = counters_of(w);
	assert_true(delivery_law_holds(&c));
	assert_true(c.confirmed <= w->mf->unique_count); // confirmed means read
	assert_true(w->mf->in_order || c.lost_queue_full);
}

static void step(struct world *w)
{
	struct pollfd fds[4];
	mf_poll(w->mf);
	int due = delivery_poll(w->delivery, w->now_ms, w->now_ms);
	assert_in_range(due, 0, 1000);
	assert_in_range(delivery_pollfds(w->delivery, fds, 4), 0, 4);
	w->now_ms += w->tick_ms;
	expect_laws(w);
}

static void run_ms(struct world *w, uint64_t ms)
{
	for (uint64_t end = w->now_ms + ms; w->now_ms < end;)
		step(w);
}

// The loopback needs no real time, but give the kernel a chance before calling it a failure.
static void run_until(struct world *w, bool (*done)(const struct world *))
{
	for (int i = 0; i < 20000 && !done(w); i++) {
		step(w);
		if (i > 2000)
			nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	assert_true(done(w));
}

static void send_sized(struct world *w, size_t payload_len)
{
	uint8_t room[X2_HEADER_LEN + 40000];
	const struct delivery_pdu pdu = {
		.owner = w->owner, .octets = mf_pdu(w->next_id++, payload_len, room, sizeof room)};
	assert_int_equal(delivery_send(w->delivery, &the_did, &pdu, w->now_ms), 0);
	expect_laws(w);
}

static void send_some(struct world *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		send_sized(w, MF_ID_LEN + w->next_id % 400);
}

static bool is_up(const struct world *w)
{
	return status_of(w).state == DELIVERY_UP;
}

static bool is_down(const struct world *w)
{
	return status_of(w).state == DELIVERY_WAITING;
}

static bool is_idle(const struct world *w)
{
	return delivery_idle(w->delivery);
}

static bool is_stopped(const struct world *w)
{
	return delivery_stopped(w->delivery);
}

static bool has_closed(const struct world *w)
{
	return w->mf->closes > 0;
}

static bool has_failed(const struct world *w)
{
	return counters_of(w).connect_failures > 0;
}

static bool has_reconnected(const struct world *w)
{
	return counters_of(w).connects >= 2;
}

static void expect_all_arrived(const struct world *w)
{
	assert_int_equal(w->mf->unique_count, w->next_id);
	assert_true(w->mf->in_order);
	assert_true(w->mf->whole_records);
}

static void expect_fault(const struct world *w, const char *says)
{
	const char *fault = status_of(w).fault;
	if (!strstr(fault, says))
		fail_msg("\"%s\" does not say \"%s\"", fault, says);
	assert_non_null(strstr(fault, "127.0.0.1"));
}

// ---- a good MF

static void pdus_follow_an_answered_keepalive_and_are_confirmed(void **state)
{
	struct world *w = *state;
	w->mf->mute = true;
	world_set(w);
	send_some(w, 300);
	run_ms(w, 2000);
	assert_int_equal(status_of(w).state, DELIVERY_PROVING);
	assert_int_equal(w->mf->keepalives, 1);
	assert_int_equal(w->mf->unique_count, 0);
	w->mf->mute = false;
	mf_say(w->mf, true, 0);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_true(w->mf->keepalive_first);
	struct delivery_counters c = counters_of(w);
	assert_int_equal(c.confirmed, 300);
	assert_int_equal(c.repeated, 0);
	assert_int_equal(c.connects, 1);
	assert_string_equal(status_of(w).fault, "");
	assert_int_equal(status_of(w).queue_used, 0);
}

static void a_write_carries_whole_pdus_up_to_max_write(void **state)
{
	struct world *w = *state;
	w->endpoint.max_write = 4000;
	world_set(w);
	send_some(w, 500);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_in_range(w->mf->largest_record, 3500, 4000);
	assert_true(counters_of(w).writes < 60);
}

static void a_pdu_larger_than_max_write_and_a_record_goes_alone(void **state)
{
	struct world *w = *state;
	world_set(w);
	send_some(w, 3);
	send_sized(w, 12000);
	send_some(w, 3);
	send_sized(w, 40000); // three TLS records
	send_some(w, 3);
	run_until(w, is_idle);
	assert_int_equal(w->mf->unique_count, w->next_id);
	assert_true(w->mf->in_order);
}

static void keepalives_go_out_early_only_while_pdus_are_unconfirmed(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	run_ms(w, 50000);
	assert_int_equal(w->mf->keepalives, 1);
	send_some(w, 1);
	run_ms(w, 35);
	assert_int_equal(w->mf->keepalives, 1);
	assert_int_equal(counters_of(w).unconfirmed, 1);
	run_ms(w, 20);
	assert_int_equal(w->mf->keepalives, 2);
	assert_int_equal(counters_of(w).confirmed, 1);
	run_ms(w, 59000);
	assert_int_equal(w->mf->keepalives, 2);
	run_ms(w, 2000); // TIME_P1
	assert_int_equal(w->mf->keepalives, 3);
}

static void keepalives_of_the_mf_are_answered(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	for (uint32_t i = 0; i < 40; i++) // more than are kept at a time
		mf_say(w->mf, false, i);
	run_ms(w, 500);
	assert_int_equal(w->mf->answers, 40);
	assert_int_equal(counters_of(w).keepalives_of_peer, 40);
	assert_true(is_up(w));
}

static void anything_else_from_the_mf_ends_the_connection(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	SSL_write(mf_present(w->mf)->ssl, "HTTP/1.1 400 Bad Request\r\n\r\nSorry, no.", 39);
	run_until(w, is_down);
	expect_fault(w, "neither a keepalive");
}

// ---- an MF that is none

// Whatever it is, it gets not one octet of a PDU; when a good one takes its place, nothing is lost.
static void expect_refusal(struct world *w, const char *says)
{
	world_set(w);
	send_some(w, 50);
	w->tick_ms = 20;
	run_ms(w, 60000);
	assert_int_equal(w->mf->octets, 0);
	assert_true(w->mf->connections >= 3);
	struct delivery_counters c = counters_of(w);
	assert_int_equal(c.writes, 0);
	assert_int_equal(c.keepalives_sent, 0);
	assert_int_equal(c.queued, 50);
	assert_int_equal(c.connects, 0);
	assert_true(c.connect_failures >= 3 && c.connect_failures < 20);
	expect_fault(w, says);
	mf_use(w->mf, mf_context(&certs, "mf", "ca"));
	w->mf->plaintext = w->mf->stalled = false;
	mf_cut(w->mf, false);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(counters_of(w).repeated, 0);
}

static void expect_certificate_refused(struct world *w, const char *name, const char *says)
{
	mf_use(w->mf, mf_context(&certs, name, "ca"));
	expect_refusal(w, says);
}

static void an_mf_of_another_ca_gets_nothing(void **state)
{
	expect_certificate_refused(*state, "mf-wrong-ca", "certificate refused");
}

static void an_mf_of_another_name_gets_nothing(void **state)
{
	expect_certificate_refused(*state, "mf-wrong-name", "ostname mismatch");
}

static void an_mf_with_an_expired_certificate_gets_nothing(void **state)
{
	expect_certificate_refused(*state, "mf-expired", "expired");
}

static void an_mf_that_speaks_tls_1_1_gets_nothing(void **state)
{
	struct world *w = *state;
	SSL_CTX_set_max_proto_version(w->mf->ctx, TLS1_1_VERSION);
	expect_refusal(w, "compare");
}

static void an_mf_without_tls_gets_a_client_hello_and_nothing_else(void **state)
{
	struct world *w = *state;
	w->mf->plaintext = true;
	expect_refusal(w, "does not speak TLS");
	assert_true(w->mf->raw_octets / w->mf->connections < 600);
}

// TLS 1.3 lets us finish the handshake before the MF says no.
static void expect_patience(struct world *w, bool keepalive)
{
	w->endpoint.keepalive = keepalive;
	mf_use(w->mf, mf_context(&certs, "mf", "wrong-ca"));
	world_set(w);
	send_some(w, 50);
	run_ms(w, 60000);
	assert_int_equal(counters_of(w).writes, 0);
	expect_fault(w, "our certificate");
	mf_use(w->mf, mf_context(&certs, "mf", "ca"));
	run_until(w, is_idle);
	run_ms(w, 50);
	expect_all_arrived(w);
	assert_int_equal(counters_of(w).repeated, 0);
}

static void an_mf_that_refuses_our_certificate_for_60_s_costs_nothing(void **state)
{
	expect_patience(*state, true);
}

static void the_same_where_keepalive_is_off(void **state)
{
	expect_patience(*state, false);
}

static void an_mf_that_never_finishes_the_handshake_is_given_10_s(void **state)
{
	struct world *w = *state;
	w->mf->stalled = true;
	world_set(w);
	run_ms(w, 9000);
	assert_int_equal(status_of(w).state, DELIVERY_HANDSHAKE);
	run_ms(w, 1100);
	assert_int_equal(status_of(w).state, DELIVERY_WAITING);
	expect_fault(w, "handshake did not end");
}

static void nobody_there_is_a_fault_until_somebody_is(void **state)
{
	struct world *w = *state;
	mf_stop_listening(w->mf);
	world_set(w);
	send_some(w, 10);
	run_until(w, has_failed);
	expect_fault(w, "Connection refused");
	run_ms(w, 120000);
	assert_in_range(counters_of(w).connect_failures, 8, 16); // back-off, at most 30 s
	mf_listen(w->mf, w->mf->port);
	run_until(w, is_idle);
	assert_string_equal(status_of(w).fault, "");
	expect_all_arrived(w);
}

static void without_certificates_nothing_connects_and_nothing_is_lost(void **state)
{
	struct world *w = *state;
	delivery_set_context(w->delivery, NULL);
	world_set(w);
	send_some(w, 10);
	run_ms(w, 10000);
	assert_int_equal(w->mf->connections, 0);
	delivery_set_context(w->delivery, w->context);
	run_until(w, is_idle);
	expect_all_arrived(w);
}

// ---- an MF that goes away

static void after_a_clean_close_under_load_nothing_is_lost(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	for (int i = 0; i < 100; i++) {
		send_some(w, 5);
		step(w);
	}
	mf_poll(w->mf);
	uint64_t octets = w->mf->octets;
	mf_close_notify(w->mf);
	mf_stop_listening(w->mf);
	send_some(w, 5);
	step(w);
	assert_int_equal(
		w->mf->octets, octets); // close_notify was read before anything was written
	assert_true(is_down(w));
	assert_string_equal(status_of(w).fault, "");
	run_ms(w, 50);
	assert_int_equal(w->mf->closes, 1); // our close_notify
	for (int i = 0; i < 4000; i++) {    // 20 s
		send_some(w, 1);
		step(w);
	}
	mf_listen(w->mf, w->mf->port);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(counters_of(w).disconnects, 1);
	assert_int_equal(counters_of(w).confirmed, w->next_id);
}

// The MF stops to read, more is written, and it is killed. Returns how many PDUs it had confirmed.
static uint64_t kill_under_load(struct world *w)
{
	world_set(w);
	run_until(w, is_up);
	for (int i = 0; i < 200; i++) {
		send_some(w, 3);
		step(w);
	}
	w->mf->stalled = true;
	for (int i = 0; i < 50; i++) {
		send_some(w, 3);
		step(w);
	}
	uint64_t confirmed = counters_of(w).confirmed;
	assert_true(confirmed > 0);
	assert_true(counters_of(w).unconfirmed > 100);
	mf_cut(w->mf, true);
	w->mf->stalled = false;
	send_some(w, 10);
	run_until(w, has_reconnected);
	send_some(w, 10);
	run_until(w, is_idle);
	return confirmed;
}

static void after_a_kill_with_redelivery_nothing_is_lost_but_some_repeated(void **state)
{
	struct world *w = *state;
	kill_under_load(w);
	expect_all_arrived(w);
	struct delivery_counters c = counters_of(w);
	assert_true(c.repeated >= w->mf->id_count - w->mf->unique_count);
	assert_true(c.repeated > 0);
	assert_int_equal(c.confirmed, w->next_id);
	assert_int_equal(c.disconnects, 1);
}

static void after_a_kill_without_redelivery_only_the_unconfirmed_may_be_missing(void **state)
{
	struct world *w = *state;
	w->destination.redeliver = false;
	uint64_t confirmed = kill_under_load(w);
	struct delivery_counters c = counters_of(w);
	uint64_t missing = w->next_id - w->mf->unique_count;
	assert_int_equal(c.repeated, 0);
	assert_int_equal(w->mf->id_count, w->mf->unique_count);
	assert_true(missing > 0);
	assert_true(missing <= c.unconfirmed);
	assert_int_equal(c.confirmed + c.unconfirmed, w->next_id);
	for (uint32_t id = 0; id < confirmed; id++)
		assert_true(w->mf->seen[id]);
	for (uint32_t id = w->next_id - 20; id < w->next_id; id++) // offered after the kill
		assert_true(w->mf->seen[id]);
}

static void a_cut_without_close_notify_is_a_fault(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	mf_cut(w->mf, false);
	run_until(w, is_down);
	expect_fault(w, "without close_notify");
}

// ---- an MF that is silent

static void an_mf_that_answers_nothing_gets_no_pdu_and_a_fault_after_time_p2(void **state)
{
	struct world *w = *state;
	w->mf->mute = true;
	world_set(w);
	send_some(w, 10);
	run_ms(w, 170000);
	assert_int_equal(w->mf->connections, 1);
	assert_int_equal(w->mf->keepalives, 3);
	run_ms(w, 15000);
	assert_true(w->mf->connections >= 2);
	assert_int_equal(w->mf->unique_count, 0);
	expect_fault(w, "answered no keepalive");
}

static void answers_to_other_numbers_do_not_count(void **state)
{
	struct world *w = *state;
	w->mf->wrong_answers = true;
	world_set(w);
	send_some(w, 10);
	run_ms(w, 185000);
	struct delivery_counters c = counters_of(w);
	assert_true(c.answers_refused >= 3);
	assert_int_equal(c.keepalives_answered, 0);
	assert_int_equal(w->mf->unique_count, 0);
	assert_true(c.connect_failures >= 1);
}

static void a_number_counts_once_and_only_on_its_connection(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	w->mf->mute = true;
	send_some(w, 5);
	run_ms(w, 60); // keepalive 1 is out, unanswered
	mf_say(w->mf, true, 0);
	mf_say(w->mf, true, 2);
	run_ms(w, 50);
	assert_int_equal(counters_of(w).answers_refused, 2);
	assert_int_equal(counters_of(w).confirmed, 0);
	mf_say(w->mf, true, 1);
	run_ms(w, 50);
	assert_int_equal(counters_of(w).confirmed, 5);
}

static void an_mf_that_falls_silent_is_left_after_time_p2(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	w->mf->mute = true;
	run_ms(w, 175000);
	assert_true(is_up(w));
	run_ms(w, 10000);
	assert_int_equal(counters_of(w).disconnects, 1);
	expect_fault(w, "answered no keepalive");
}

static void slow_answers_keep_a_path_alive(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	w->mf->mute = true;
	w->tick_ms = 50;
	for (uint32_t number = 1; number < 8; number++) { // 8 minutes
		run_ms(w, 50000);
		if (number > 1)
			mf_say(w->mf, true, number - 1);
		run_ms(w, 10100);
	}
	assert_true(is_up(w));
	assert_int_equal(counters_of(w).disconnects, 0);
}

static void without_keepalive_pdus_follow_after_a_second_and_stay_unconfirmed(void **state)
{
	struct world *w = *state;
	w->endpoint.keepalive = false;
	world_set(w);
	send_some(w, 20);
	run_ms(w, 900);
	assert_int_equal(w->mf->unique_count, 0);
	run_ms(w, 300);
	expect_all_arrived(w);
	assert_int_equal(w->mf->keepalives, 0);
	assert_int_equal(counters_of(w).unconfirmed, 20);
	assert_int_equal(status_of(w).queue_used, 0);
	assert_true(is_idle(w));
	run_ms(w, 400000);
	assert_true(is_up(w));
}

static void without_keepalive_a_session_ticket_is_word_enough(void **state)
{
	struct world *w = *state;
	w->endpoint.keepalive = false;
	SSL_CTX_set_num_tickets(w->mf->ctx, 1);
	world_set(w);
	send_some(w, 20);
	run_ms(w, 300);
	expect_all_arrived(w);
}

// ---- orders

// The kernel would let the buffer grow in real time, and take in later what it refused before.
static void fix_send_buffer(struct world *w)
{
	struct pollfd fd;
	int octets = 65536;
	assert_int_equal(delivery_pollfds(w->delivery, &fd, 1), 1);
	assert_int_equal(setsockopt(fd.fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets), 0);
}

// It stops reading right after it has answered all: no keepalive waits, and none gets out behind half a record.
static void an_mf_that_stops_reading_in_mid_record_is_left_after_time_p2(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	fix_send_buffer(w);
	int octets = 65536;
	setsockopt(w->mf->at[0].fd, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
	w->mf->stalled = true;
	w->tick_ms = 0;
	for (int i = 0; i < 300; i++) // more than the sockets hold
		send_sized(w, 8000);
	for (int i = 0; i < 20; i++)
		step(w);
	w->tick_ms = 50;
	assert_true(counters_of(w).queued > 0);
	assert_int_equal(counters_of(w).keepalives_sent, counters_of(w).keepalives_answered);
	run_ms(w, 175000);
	assert_true(is_up(w));
	run_ms(w, 10000);
	assert_int_equal(counters_of(w).disconnects, 1);
	expect_fault(w, "for 180000 ms"); // it took nothing, or a keepalive was out already and it answered none
	w->mf->stalled = false;
	run_until(w, is_idle);
	expect_all_arrived(w);
}

static void a_full_queue_loses_its_oldest(void **state)
{
	struct world *w = *state;
	w->destination.queue_octets = 100000;
	mf_stop_listening(w->mf);
	world_set(w);
	send_some(w, 2000);
	uint64_t lost = counters_of(w).lost_queue_full;
	assert_in_range(lost, 1000, 1999);
	mf_listen(w->mf, w->mf->port);
	run_until(w, is_idle);
	for (uint32_t id = 0; id < w->next_id; id++)
		assert_int_equal(w->mf->seen[id], id >= lost);
}

static void what_gives_way_in_mid_write_is_lost_or_written_but_never_both(void **state)
{
	struct world *w = *state;
	w->destination.queue_octets = 100000;
	w->endpoint.max_write = 16384;
	w->destination.redeliver = false;
	world_set(w);
	run_until(w, is_up);
	fix_send_buffer(w);
	w->mf->stalled = true;
	for (int i = 0; i < 200; i++) { // far more than sockets and queue can hold
		for (int k = 0; k < 10; k++)
			send_sized(w, 4000);
		step(w);
	}
	assert_true(counters_of(w).lost_queue_full > 0);
	w->mf->stalled = false;
	run_until(w, is_idle);
	struct delivery_counters c = counters_of(w);
	assert_int_equal(c.confirmed + c.unconfirmed, w->mf->unique_count);
	assert_int_equal(c.lost_queue_full, w->next_id - w->mf->unique_count);
}

static bool is_of_parity(const void *context, uint64_t owner)
{
	return *(const uint64_t *)context == owner % 2;
}

static void what_ended_before_it_was_written_is_not_sent(void **state)
{
	struct world *w = *state;
	mf_stop_listening(w->mf);
	world_set(w);
	for (int i = 0; i < 100; i++) {
		w->owner = 1 + (uint64_t)i % 2;
		send_some(w, 1);
	}
	uint64_t even = 0;
	delivery_expire_if(w->delivery, is_of_parity, &even);
	assert_int_equal(counters_of(w).expired, 50);
	mf_listen(w->mf, w->mf->port);
	run_until(w, is_idle);
	for (uint32_t id = 0; id < 100; id++)
		assert_int_equal(w->mf->seen[id], id % 2 == 0);
}

static void what_of_many_owners_has_ended_goes_in_one_walk(void **state)
{
	struct world *w = *state;
	uint64_t odd = 1;
	mf_stop_listening(w->mf);
	world_set(w);
	for (int i = 0; i < 100; i++) {
		w->owner = (uint64_t)i;
		send_some(w, 1);
	}
	delivery_expire_if(w->delivery, is_of_parity, &odd);
	assert_int_equal(counters_of(w).expired, 50);
	mf_listen(w->mf, w->mf->port);
	run_until(w, is_idle);
	for (uint32_t id = 0; id < 100; id++)
		assert_int_equal(w->mf->seen[id], id % 2 == 0);
}

static void other_certificates_make_the_connection_anew_and_nothing_is_lost(void **state)
{
	struct world *w = *state;
	struct tls_context *first = w->context;
	world_set(w);
	run_until(w, is_up);
	send_some(w, 100);
	run_ms(w, 10);
	w->context = client_context();
	delivery_set_context(w->delivery, w->context);
	tls_context_free(first);
	send_some(w, 100);
	for (int i = 0; i < 4000 && w->mf->connections < 2; i++)
		run_ms(w, 5);
	assert_int_equal(w->mf->connections, 2);
	run_until(w, has_closed);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(w->mf->closes, 1);
	assert_int_equal(counters_of(w).repeated, 0);
	delivery_set_context(w->delivery, w->context); // the same again: left alone
	run_ms(w, 3000);
	assert_int_equal(w->mf->connections, 2);
}

static void a_removed_destination_confirms_what_was_written_and_closes(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	send_some(w, 10);
	step(w);
	send_some(w, 10); // never written
	delivery_remove(w->delivery, &the_did);
	assert_int_equal(delivery_count(w->delivery), 0);
	const struct delivery_pdu late = {.octets = bytes_of("x", 1)};
	assert_int_equal(delivery_send(w->delivery, &the_did, &late, w->now_ms), -ENOENT);
	run_until(w, has_closed);
	run_ms(w, 100);
	struct delivery_counters c = counters_of(w);
	assert_int_equal(c.confirmed, 10);
	assert_int_equal(c.expired, 10);
	assert_int_equal(w->mf->unique_count, 10);
	struct pollfd fds[2];
	assert_int_equal(delivery_pollfds(w->delivery, fds, 2), 0);
	world_set(w); // and may come back
	run_until(w, is_up);
}

static void a_new_address_takes_the_queue_along(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	send_some(w, 100);
	struct mf *first = w->mf, *second = mf_new(&certs);
	w->mf = mf_new_ledger();
	first->all = second->all = w->mf;
	w->endpoint.port = second->port;
	world_set(w);
	for (int i = 0; i < 1000 && !(i > 200 && is_idle(w) && first->closes); i++) {
		if (i % 10 == 0 && i < 200)
			send_some(w, 10);
		mf_poll(first);
		mf_poll(second);
		step(w);
	}
	assert_true(is_idle(w));
	expect_all_arrived(w);
	assert_int_equal(first->closes, 1);
	assert_true(first->unique_count >= 100);
	assert_true(second->unique_count >= 100);
	assert_int_equal(first->unique_count + second->unique_count, w->next_id);
	assert_int_equal(counters_of(w).repeated, 0);
	assert_int_equal(counters_of(w).confirmed, w->next_id);
	mf_free(second);
	mf_free(first);
}

static void a_stuck_mf_is_left_for_a_new_address_without_a_word_in_mid_record(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	fix_send_buffer(w);
	w->mf->stalled = true;
	for (int i = 0; i < 2500; i++) { // more than the sockets hold
		send_sized(w, 8000);
		if (i % 20 == 0)
			step(w);
	}
	assert_true(counters_of(w).queued > 100);
	struct mf *second = mf_new(&certs), *first = w->mf;
	w->endpoint.port = second->port;
	world_set(w);
	for (int i = 0; i < 1500 && second->unique_count == 0; i++) { // 7.5 s
		mf_poll(second);
		delivery_poll(w->delivery, w->now_ms, w->now_ms);
		w->now_ms += 5;
	}
	assert_true(second->unique_count > 0);
	assert_int_equal(second->connections, 1);
	w->mf = second;
	run_until(w, is_idle);
	assert_true(second->unique_count > 100);
	assert_int_equal(second->greatest, w->next_id - 1);
	first->stalled = false;
	for (int i = 0; i < 100; i++)
		mf_poll(first);
	// Cut within a record, so that it knows its last PDU is not whole; or, where the kernel had room for the rest of the
	// record after all, closed behind it. Nothing that it could read ends within a PDU.
	assert_true(first->closes <= 1);
	assert_true(first->whole_records);
	assert_int_equal(mf_count(first), 0);
	mf_free(first);
}

static void the_same_settings_again_change_nothing(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	world_set(w);
	run_ms(w, 3000);
	assert_true(is_up(w));
	assert_int_equal(w->mf->connections, 1);
	assert_int_equal(delivery_count(w->delivery), 1);
}

static void settings_that_make_no_sense_are_refused_with_a_reason(void **state)
{
	struct world *w = *state;
	struct error error;
	struct delivery_endpoint good = w->endpoint, two[2] = {good, good}, *e = &w->endpoint;
	struct delivery_destination d = w->destination;
	d.endpoint_count = 0;
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	d.endpoints = two;
	d.endpoint_count = 2;
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	assert_non_null(strstr(error.text, "twice"));
	d = w->destination;
	e->port = 0;
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	*e = good;
	e->tls_name = "";
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	assert_non_null(strstr(error.text, "tls_name"));
	*e = good;
	e->max_write = 16385;
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	*e = good;
	e->keepalive_interval_ms = e->keepalive_timeout_ms = 1000;
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	*e = good;
	e->socket.source = (struct address){.family = 6};
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	assert_non_null(strstr(error.text, "source address"));
	*e = good;
	e->socket.port_first = 2000;
	e->socket.port_last = 1999;
	assert_int_equal(delivery_set(w->delivery, &d, &error), -EINVAL);
	assert_non_null(strstr(error.text, "no range"));
	assert_int_equal(delivery_count(w->delivery), 0);
}

// ---- the end

static void a_stop_sends_what_is_queued_asks_once_more_and_closes(void **state)
{
	struct world *w = *state;
	world_set(w);
	send_some(w, 200); // not even connected
	delivery_stop(w->delivery);
	uint64_t began_ms = w->now_ms;
	run_until(w, is_stopped);
	assert_true(w->now_ms - began_ms < 200); // it does not wait for the early keepalive
	assert_true(is_idle(w));
	expect_all_arrived(w);
	assert_int_equal(w->mf->closes, 1);
	assert_int_equal(counters_of(w).confirmed, 200);
	run_ms(w, 5000);
	assert_int_equal(w->mf->connections, 1);
}

static void a_stop_with_nothing_to_send_closes_at_once(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	delivery_stop(w->delivery);
	run_until(w, is_stopped);
	assert_int_equal(w->mf->closes, 1);
}

static void what_remains_when_given_up_is_lost_at_shutdown(void **state)
{
	struct world *w = *state;
	mf_stop_listening(w->mf);
	world_set(w);
	send_some(w, 30);
	delivery_stop(w->delivery);
	run_ms(w, 5000);
	assert_false(is_stopped(w));
	assert_false(is_idle(w));
	delivery_give_up(w->delivery);
	assert_int_equal(counters_of(w).lost_shutdown, 30);
	assert_int_equal(counters_of(w).queued, 0);
	assert_true(is_stopped(w));
	send_some(w, 1);
	assert_int_equal(counters_of(w).lost_shutdown, 31);
}

static void a_stop_does_not_wait_for_ever_where_the_mf_answers_no_more(void **state)
{
	struct world *w = *state;
	world_set(w);
	run_until(w, is_up);
	w->mf->mute = true;
	send_some(w, 5);
	delivery_stop(w->delivery);
	run_ms(w, 3000);
	assert_false(is_stopped(w));
	assert_int_equal(counters_of(w).unconfirmed, 5);
	delivery_give_up(w->delivery);
	assert_true(is_stopped(w));
	assert_int_equal(counters_of(w).unconfirmed, 5); // not lost for certain
}

// ---- anything, in any order

static uint32_t seed = 3;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * limit >> 32);
}

static void disturb(struct world *w)
{
	switch (random_below(12)) {
	case 0:
		mf_cut(w->mf, random_below(2));
		break;
	case 1:
		mf_close_notify(w->mf);
		break;
	case 2:
		w->mf->stalled = true;
		break;
	case 3:
		w->mf->mute = true;
		break;
	case 4:
		delivery_set_context(w->delivery, random_below(3) ? w->context : NULL);
		break;
	case 5:
		w->endpoint.max_write = 500 + random_below(15000);
		w->destination.queue_octets = (1 << 20) + random_below(1 << 20);
		world_set(w);
		break;
	case 6:
		w->endpoint.version = (uint16_t)(5 + random_below(2)); // reconnects
		world_set(w);
		break;
	default:
		if (mf_present(w->mf) && !w->mf->mute)
			mf_say(w->mf, random_below(2), random_below(5));
		break;
	}
}

static void whatever_happens_the_law_holds_and_redelivery_loses_nothing(void **state)
{
	struct world *w = *state;
	w->destination.queue_octets = 2 << 20;
	w->endpoint.keepalive_interval_ms = 2000;
	w->endpoint.keepalive_timeout_ms = 5000;
	world_set(w);
	for (int i = 0; i < 20000; i++) {
		if (random_below(3) == 0)
			send_some(w, random_below(4));
		if (random_below(60) == 0)
			disturb(w);
		if (random_below(200) == 0) // a second later all may be well again
			w->mf->mute = w->mf->stalled = false;
		step(w);
	}
	w->mf->mute = w->mf->stalled = false;
	delivery_set_context(w->delivery, w->context);
	run_until(w, is_idle);
	struct delivery_counters c = counters_of(w);
	assert_true(c.connects > 20);
	assert_true(c.repeated > 0);
	assert_int_equal(c.lost_queue_full, 0);
	assert_int_equal(c.confirmed, w->next_id);
	expect_all_arrived(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_world(pdus_follow_an_answered_keepalive_and_are_confirmed),
		in_a_world(a_write_carries_whole_pdus_up_to_max_write),
		in_a_world(a_pdu_larger_than_max_write_and_a_record_goes_alone),
		in_a_world(keepalives_go_out_early_only_while_pdus_are_unconfirmed),
		in_a_world(keepalives_of_the_mf_are_answered),
		in_a_world(anything_else_from_the_mf_ends_the_connection),
		in_a_world(an_mf_of_another_ca_gets_nothing),
		in_a_world(an_mf_of_another_name_gets_nothing),
		in_a_world(an_mf_with_an_expired_certificate_gets_nothing),
		in_a_world(an_mf_that_speaks_tls_1_1_gets_nothing),
		in_a_world(an_mf_without_tls_gets_a_client_hello_and_nothing_else),
		in_a_world(an_mf_that_refuses_our_certificate_for_60_s_costs_nothing),
		in_a_world(the_same_where_keepalive_is_off),
		in_a_world(an_mf_that_never_finishes_the_handshake_is_given_10_s),
		in_a_world(nobody_there_is_a_fault_until_somebody_is),
		in_a_world(without_certificates_nothing_connects_and_nothing_is_lost),
		in_a_world(after_a_clean_close_under_load_nothing_is_lost),
		in_a_world(after_a_kill_with_redelivery_nothing_is_lost_but_some_repeated),
		in_a_world(after_a_kill_without_redelivery_only_the_unconfirmed_may_be_missing),
		in_a_world(a_cut_without_close_notify_is_a_fault),
		in_a_world(an_mf_that_answers_nothing_gets_no_pdu_and_a_fault_after_time_p2),
		in_a_world(answers_to_other_numbers_do_not_count),
		in_a_world(a_number_counts_once_and_only_on_its_connection),
		in_a_world(an_mf_that_falls_silent_is_left_after_time_p2),
		in_a_world(slow_answers_keep_a_path_alive),
		in_a_world(without_keepalive_pdus_follow_after_a_second_and_stay_unconfirmed),
		in_a_world(without_keepalive_a_session_ticket_is_word_enough),
		in_a_world(an_mf_that_stops_reading_in_mid_record_is_left_after_time_p2),
		in_a_world(a_full_queue_loses_its_oldest),
		in_a_world(what_gives_way_in_mid_write_is_lost_or_written_but_never_both),
		in_a_world(what_ended_before_it_was_written_is_not_sent),
		in_a_world(what_of_many_owners_has_ended_goes_in_one_walk),
		in_a_world(other_certificates_make_the_connection_anew_and_nothing_is_lost),
		in_a_world(a_removed_destination_confirms_what_was_written_and_closes),
		in_a_world(a_new_address_takes_the_queue_along),
		in_a_world(a_stuck_mf_is_left_for_a_new_address_without_a_word_in_mid_record),
		in_a_world(the_same_settings_again_change_nothing),
		in_a_world(settings_that_make_no_sense_are_refused_with_a_reason),
		in_a_world(a_stop_sends_what_is_queued_asks_once_more_and_closes),
		in_a_world(a_stop_with_nothing_to_send_closes_at_once),
		in_a_world(what_remains_when_given_up_is_lost_at_shutdown),
		in_a_world(a_stop_does_not_wait_for_ever_where_the_mf_answers_no_more),
		in_a_world(whatever_happens_the_law_holds_and_redelivery_loses_nothing),
	};
	return cmocka_run_group_tests_name("delivery", tests, certs_set_up, certs_tear_down);
}
