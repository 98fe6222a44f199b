#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "delivery.h"
#include "loopback_mf.h"
#include "vault.h"

// ---- a tap, three MFs of a set, and a clock of our own

enum { MFS = 3, FAILOVER_MS = 1000, RETURN_MS = 3000, MAX_PEER_EVENTS = 1000 };

struct peer_event {
	struct uuid did;
	bool up;
	char why[128];
};

struct world {
	struct mf *mfs[MFS];
	struct mf *all; // what they got together
	struct tls_context *context;
	struct delivery *delivery;
	struct delivery_destination destination;
	struct delivery_endpoint endpoints[MFS];
	uint64_t now_ms, tick_ms;
	uint32_t next_id;
	bool may_disorder;

	struct peer_event peers[MAX_PEER_EVENTS];
	size_t peer_count;
	int socket_answer;
};

static const struct uuid the_dsid = {{9, 9}};

static void take_peer(void *context, const struct delivery_peer *peer)
{
	struct world *w = context;
	assert_true(uuid_equal(&peer->destination, &the_dsid));
	assert_non_null(strstr(peer->address, "127.0.0.1 port "));
	assert_string_equal(peer->version, "TLSv1.3");
	assert_string_equal(peer->suite, "TLS_AES_256_GCM_SHA384");
	assert_true(strlen(peer->certificate_serial) >= 2);
	assert_non_null(strstr(peer->subject, "x2tap test mf"));
	if (w->peer_count == MAX_PEER_EVENTS)
		return;
	struct peer_event *e = &w->peers[w->peer_count++];
	e->did = peer->did;
	e->up = peer->up;
	snprintf(e->why, sizeof e->why, "%s", peer->why);
}

static int answer_socket(
	void *context, int fd, const struct delivery_endpoint *endpoint, struct error *error)
{
	const struct world *w = context;
	(void)fd, (void)endpoint;
	if (w->socket_answer < 0)
		return error_set(error, w->socket_answer, "it would leave through a traffic port");
	return 0;
}

static struct tls_context *client_context(const char *crl)
{
	struct error error = {0};
	struct tls_context *context = certs_client_with_crl(&certs, crl, &error);
	if (!context)
		fail_msg("%s", error.text);
	return context;
}

static void world_set(struct world *w, size_t endpoints)
{
	struct error error = {0};
	w->destination.endpoint_count = endpoints;
	if (delivery_set(w->delivery, &w->destination, &error) != 0)
		fail_msg("%s", error.text);
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof *w);
	const struct delivery_hooks hooks = {
		.context = w, .peer = take_peer, .check_socket = answer_socket};
	w->all = mf_new_ledger();
	for (uint8_t i = 0; i < MFS; i++) {
		w->mfs[i] = mf_new(&certs);
		w->mfs[i]->all = w->all;
		w->endpoints[i] = (struct delivery_endpoint){.did = {{1, i}},
			.address = {{127, 0, 0, 1}, 4},
			.port = w->mfs[i]->port,
			.tls_name = "mf.example.net",
			.keepalive = true};
	}
	w->context = client_context(NULL);
	w->delivery = delivery_new(w->context, 99, &hooks, NULL);
	w->now_ms = 1000000;
	w->tick_ms = 5;
	w->destination = (struct delivery_destination){.did = the_dsid,
		.endpoints = w->endpoints,
		.redeliver = true,
		.failover_ms = FAILOVER_MS,
		.return_ms = RETURN_MS,
		.queue_octets = 4 << 20};
	*state = w;
	return 0;
}

static int world_close(void **state)
{
	struct world *w = *state;
	delivery_free(w->delivery);
	tls_context_free(w->context);
	for (int i = 0; i < MFS; i++)
		mf_free(w->mfs[i]);
	mf_free(w->all);
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

static void step(struct world *w)
{
	struct pollfd fds[2 * DELIVERY_FDS_EACH];
	for (int i = 0; i < MFS; i++)
		mf_poll(w->mfs[i]);
	int due = delivery_poll(w->delivery, w->now_ms, w->now_ms);
	assert_in_range(due, 0, 1000);
	assert_in_range(delivery_pollfds(w->delivery, fds, 2 * DELIVERY_FDS_EACH), 0,
		DELIVERY_FDS_EACH * delivery_count(w->delivery) + DELIVERY_FDS_EACH);
	w->now_ms += w->tick_ms;
	struct delivery_counters c = counters_of(w);
	assert_true(delivery_law_holds(&c));
	assert_true(c.confirmed <= w->all->unique_count); // confirmed means read
	assert_true(w->all->in_order || w->may_disorder);
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

static void send_to(struct world *w, const struct uuid *did, uint32_t id)
{
	uint8_t room[X2_HEADER_LEN + 400];
	const struct delivery_pdu pdu = {
		.owner = 1, .octets = mf_pdu(id, MF_ID_LEN + id % 300, room, sizeof room)};
	assert_int_equal(delivery_send(w->delivery, did, &pdu, w->now_ms), 0);
}

static void send_some(struct world *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		send_to(w, &the_dsid, w->next_id++);
}

static void run_under_load(struct world *w, uint64_t ms)
{
	for (uint64_t end = w->now_ms + ms; w->now_ms < end;) {
		send_some(w, 1);
		step(w);
	}
}

static void kill_mf(struct mf *mf)
{
	mf_cut(mf, true);
	mf_stop_listening(mf);
}

static void revive_mf(struct mf *mf)
{
	mf_listen(mf, mf->port);
}

static bool is_up(const struct world *w)
{
	return status_of(w).state == DELIVERY_UP;
}

static bool is_idle(const struct world *w)
{
	return delivery_idle(w->delivery);
}

static bool is_at_first(const struct world *w)
{
	return is_up(w) && status_of(w).active == 0;
}

static bool is_at_second(const struct world *w)
{
	return is_up(w) && status_of(w).active == 1;
}

static bool has_fault(const struct world *w)
{
	return status_of(w).fault[0] != '\0';
}

static void expect_all_arrived(const struct world *w)
{
	assert_int_equal(w->all->unique_count, w->next_id);
	assert_int_equal(counters_of(w).confirmed, w->next_id);
	assert_true(w->all->in_order);
}

static void expect_fault(const struct world *w, const char *says)
{
	if (!strstr(status_of(w).fault, says))
		fail_msg("\"%s\" does not say \"%s\"", status_of(w).fault, says);
}

// ---- a set: failover

static void all_goes_to_the_first_and_the_others_hear_nothing(void **state)
{
	struct world *w = *state;
	world_set(w, 3);
	run_under_load(w, 10000);
	run_until(w, is_idle);
	assert_int_equal(w->mfs[0]->unique_count, w->next_id);
	assert_int_equal(w->mfs[0]->connections, 1);
	assert_int_equal(w->mfs[1]->connections + w->mfs[2]->connections, 0);
	assert_int_equal(counters_of(w).failovers, 0);
	assert_int_equal(status_of(w).active, 0);
}

static void when_the_first_is_killed_the_second_gets_what_it_did_not_confirm(void **state)
{
	struct world *w = *state;
	world_set(w, 2);
	run_until(w, is_up);
	run_under_load(w, 1000);
	w->mfs[0]->stalled = true; // much is unconfirmed
	run_under_load(w, 300);
	kill_mf(w->mfs[0]);
	w->mfs[0]->stalled = false;
	run_under_load(w, FAILOVER_MS - 100);
	assert_int_equal(w->mfs[1]->connections, 0); // it may come back
	run_under_load(w, 300);
	assert_true(is_at_second(w));
	run_under_load(w, 1000);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_true(counters_of(w).repeated > 0);
	assert_int_equal(counters_of(w).failovers, 1);
	assert_string_equal(status_of(w).fault, "");
	assert_true(w->mfs[0]->unique_count > 0);
	assert_true(w->mfs[1]->unique_count > 0);
}

static void what_comes_back_within_the_time_is_kept(void **state)
{
	struct world *w = *state;
	world_set(w, 2);
	run_until(w, is_up);
	for (int i = 0; i < 5; i++) {
		run_under_load(w, 500);
		mf_cut(w->mfs[0], true);
	}
	run_until(w, is_idle);
	assert_int_equal(w->mfs[1]->connections, 0);
	assert_int_equal(w->mfs[0]->unique_count, w->next_id);
	assert_int_equal(counters_of(w).failovers, 0);
}

static void a_first_that_is_not_there_is_left_after_the_time(void **state)
{
	struct world *w = *state;
	mf_stop_listening(w->mfs[0]);
	world_set(w, 2);
	send_some(w, 50);
	run_ms(w, FAILOVER_MS - 50);
	assert_int_equal(w->mfs[1]->connections, 0);
	expect_fault(w, "Connection refused");
	run_ms(w, 300);
	assert_true(is_at_second(w));
	run_until(w, is_idle);
	expect_all_arrived(w);
}

// The kernel connects, and then there is silence.
static void a_first_that_never_answers_is_left_after_the_time(void **state)
{
	struct world *w = *state;
	w->mfs[0]->deaf = true;
	world_set(w, 2);
	send_some(w, 50);
	run_ms(w, FAILOVER_MS - 50);
	assert_int_equal(w->mfs[1]->connections, 0);
	run_ms(w, 300);
	assert_true(is_at_second(w));
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(w->mfs[0]->octets, 0);
}

static void a_first_that_answers_no_keepalive_is_left_after_the_time_and_gets_no_pdu(void **state)
{
	struct world *w = *state;
	w->mfs[0]->mute = true;
	world_set(w, 2);
	send_some(w, 50);
	run_ms(w, FAILOVER_MS + 300);
	assert_true(is_at_second(w));
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(w->mfs[0]->unique_count, 0);
}

static void from_a_first_that_falls_silent_all_is_taken_along(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < 2; i++) {
		w->endpoints[i].keepalive_interval_ms = 400;
		w->endpoints[i].keepalive_timeout_ms = 900;
	}
	world_set(w, 2);
	run_until(w, is_up);
	w->mfs[0]->stalled = true;
	run_under_load(w, 1000);
	assert_int_equal(w->mfs[1]->connections, 0);
	run_under_load(w, FAILOVER_MS + 300);
	assert_true(is_at_second(w));
	run_until(w, is_idle);
	expect_all_arrived(w);
}

static void when_all_are_dead_the_one_that_comes_back_gets_everything(void **state)
{
	struct world *w = *state;
	for (int i = 0; i < MFS; i++)
		mf_stop_listening(w->mfs[i]);
	world_set(w, 3);
	run_under_load(w, 20000);
	assert_true(has_fault(w));
	assert_int_equal(w->all->unique_count, 0);
	assert_true(counters_of(w).connect_failures < 60); // back-off, for each its own
	revive_mf(w->mfs[1]);
	run_until(w, is_at_second);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_string_equal(status_of(w).fault, "");
	kill_mf(w->mfs[1]);
	run_under_load(w, 5000);
	revive_mf(w->mfs[2]);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(status_of(w).active, 2);
	assert_true(w->mfs[2]->unique_count > 900);
}

// ---- a set: the way back

static void fail_over(struct world *w)
{
	world_set(w, 2);
	run_until(w, is_up);
	kill_mf(w->mfs[0]);
	send_some(w, 10);
	run_until(w, is_at_second);
	run_until(w, is_idle);
}

static void the_first_is_returned_to_when_it_has_been_there_long_enough(void **state)
{
	struct world *w = *state;
	fail_over(w);
	size_t before = w->mfs[0]->unique_count;
	run_under_load(w, 5000);
	revive_mf(w->mfs[0]);
	unsigned connections = w->mfs[0]->connections;
	while (w->mfs[0]->connections == connections || !mf_present(w->mfs[0]))
		run_under_load(w, 5);
	run_under_load(w, RETURN_MS - 100);
	assert_true(is_at_second(w));
	assert_int_equal(w->mfs[0]->unique_count, before);
	run_under_load(w, 300);
	assert_true(is_at_first(w));
	run_under_load(w, 3000);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(counters_of(w).repeated, 0);
	assert_int_equal(counters_of(w).failovers, 2);
	assert_int_equal(w->mfs[1]->closes, 1); // ended well
	assert_int_equal(mf_count(w->mfs[1]), 0);
	assert_int_equal(w->all->id_count, w->next_id); // none twice
}

static void a_first_that_comes_and_goes_is_not_returned_to(void **state)
{
	struct world *w = *state;
	fail_over(w);
	for (int i = 0; i < 12; i++) {
		revive_mf(w->mfs[0]);
		run_under_load(w, RETURN_MS - 500);
		kill_mf(w->mfs[0]);
		run_under_load(w, 400);
	}
	assert_true(is_at_second(w));
	run_until(w, is_idle);
	assert_int_equal(w->mfs[0]->unique_count, 0);
	assert_int_equal(w->mfs[1]->connections, 1); // undisturbed
	assert_int_equal(counters_of(w).failovers, 1);
	assert_true(w->mfs[0]->connections > 5);
	expect_all_arrived(w);
	assert_string_equal(status_of(w).fault, "");
}

static void a_first_that_has_fallen_silent_meanwhile_is_not_returned_to(void **state)
{
	struct world *w = *state;
	fail_over(w);
	revive_mf(w->mfs[0]);
	run_under_load(w, RETURN_MS - 1000);
	assert_non_null(mf_present(w->mfs[0]));
	w->mfs[0]->mute = true;
	run_under_load(w, 3 * RETURN_MS);
	assert_true(is_at_second(w));
	assert_int_equal(w->mfs[0]->unique_count, 0);
	w->mfs[0]->mute = false; // the next one is answered
	mf_say(w->mfs[0], true, mf_present(w->mfs[0])->keepalives - 1);
	run_under_load(w, 300);
	assert_true(is_at_first(w));
}

static void a_standby_takes_over_at_once_when_the_present_one_dies(void **state)
{
	struct world *w = *state;
	fail_over(w);
	revive_mf(w->mfs[0]);
	run_under_load(w, 1500);
	assert_true(is_at_second(w));
	kill_mf(w->mfs[1]);
	run_under_load(w, 50);
	assert_true(is_at_first(w));
	run_until(w, is_idle);
	expect_all_arrived(w);
}

static void a_last_confirmation_that_does_not_come_delays_the_return_by_5_s_at_most(void **state)
{
	struct world *w = *state;
	fail_over(w);
	revive_mf(w->mfs[0]);
	run_under_load(w, 1500);
	w->mfs[1]->mute = true; // reads, and says nothing
	run_under_load(w, 6800);
	assert_true(is_at_first(w));
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_true(counters_of(w).repeated > 0); // order before economy
}

static void a_new_order_of_preference_is_followed(void **state)
{
	struct world *w = *state;
	world_set(w, 2);
	run_until(w, is_up);
	run_under_load(w, 100);
	struct delivery_endpoint first = w->endpoints[0];
	w->endpoints[0] = w->endpoints[1];
	w->endpoints[1] = first;
	world_set(w, 2);
	assert_int_equal(status_of(w).active, 1);
	run_under_load(w, RETURN_MS + 1000);
	assert_true(is_at_first(w));
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_true(w->mfs[1]->unique_count > 0);
	assert_int_equal(w->mfs[0]->connections, 1); // it went on until then
}

// ---- on demand

static void on_demand(struct world *w)
{
	w->destination.on_demand = true;
	w->destination.idle_ms = 2000;
}

static void on_demand_there_is_a_connection_only_while_there_is_something_to_send(void **state)
{
	struct world *w = *state;
	on_demand(w);
	world_set(w, 1);
	for (unsigned round = 1; round <= 3; round++) {
		run_ms(w, 30000);
		assert_int_equal(w->mfs[0]->connections, round - 1);
		assert_true(status_of(w).idle);
		send_some(w, 20);
		assert_false(status_of(w).idle);
		run_until(w, is_idle);
		run_ms(w, 1900);
		assert_true(is_up(w));
		assert_int_equal(w->mfs[0]->closes, round - 1);
		run_ms(w, 300);
		assert_int_equal(w->mfs[0]->closes, round);
		assert_int_equal(status_of(w).state, DELIVERY_WAITING);
		assert_string_equal(status_of(w).fault, "");
	}
	expect_all_arrived(w);
	assert_int_equal(counters_of(w).repeated, 0);
	assert_int_equal(w->mfs[0]->connections, 3);
}

static void on_demand_the_time_counts_from_the_last_confirmation(void **state)
{
	struct world *w = *state;
	on_demand(w);
	world_set(w, 1);
	for (int i = 0; i < 20; i++) {
		send_some(w, 1);
		run_ms(w, 1500);
	}
	assert_int_equal(w->mfs[0]->connections, 1);
	w->mfs[0]->mute = true;
	send_some(w, 1);
	run_ms(w, 10000); // unconfirmed: not idle
	assert_int_equal(w->mfs[0]->closes, 0);
	assert_true(is_up(w));
}

static void on_demand_nobody_is_no_fault_while_there_is_nothing_to_send(void **state)
{
	struct world *w = *state;
	on_demand(w);
	mf_stop_listening(w->mfs[0]);
	world_set(w, 1);
	run_ms(w, 20000);
	assert_false(has_fault(w));
	assert_int_equal(counters_of(w).connect_failures, 0);
	send_some(w, 1);
	run_until(w, has_fault);
	revive_mf(w->mfs[0]);
	run_until(w, is_idle);
	assert_false(has_fault(w));
	expect_all_arrived(w);
	mf_close_notify(w->mfs[0]); // its own idle timeout
	kill_mf(w->mfs[0]);
	run_ms(w, 60000);
	assert_false(has_fault(w));
	assert_int_equal(counters_of(w).unconfirmed, 0);
}

static bool is_anybody(const void *context, uint64_t owner)
{
	(void)context, (void)owner;
	return true;
}

static void on_demand_an_attempt_ends_when_what_it_was_for_has_expired(void **state)
{
	struct world *w = *state;
	on_demand(w);
	mf_stop_listening(w->mfs[0]);
	world_set(w, 1);
	send_some(w, 5);
	run_until(w, has_fault);
	delivery_expire_if(w->delivery, is_anybody, NULL);
	step(w);
	assert_false(has_fault(w));
	assert_true(status_of(w).idle);
	uint64_t failures = counters_of(w).connect_failures;
	run_ms(w, 60000);
	assert_int_equal(counters_of(w).connect_failures, failures);
}

static void on_demand_no_member_of_a_set_is_probed_while_it_is_idle(void **state)
{
	struct world *w = *state;
	on_demand(w);
	kill_mf(w->mfs[0]);
	world_set(w, 2);
	send_some(w, 5);
	run_until(w, is_at_second);
	run_ms(w, 10000);
	assert_true(status_of(w).idle);
	revive_mf(w->mfs[0]);
	run_ms(w, 60000);
	assert_int_equal(w->mfs[0]->connections, 0);
	assert_int_equal(w->mfs[1]->connections, 1);
	send_some(w, 5); // it has not failed of late: it is the first again
	run_until(w, is_idle);
	assert_true(is_at_first(w));
	expect_all_arrived(w);
}

static void on_demand_a_member_that_closes_for_idleness_has_not_failed(void **state)
{
	struct world *w = *state;
	on_demand(w);
	world_set(w, 2);
	for (int i = 0; i < 5; i++) {
		send_some(w, 5);
		run_until(w, is_idle);
		run_ms(w, 100);
		mf_close_notify(w->mfs[0]);
		run_ms(w, 100);
		assert_true(status_of(w).idle);
	}
	expect_all_arrived(w);
	assert_int_equal(w->mfs[1]->connections, 0);
}

static void on_demand_what_comes_while_it_closes_goes_on_a_new_connection_at_once(void **state)
{
	struct world *w = *state;
	on_demand(w);
	world_set(w, 1);
	send_some(w, 5);
	run_until(w, is_idle);
	run_ms(w, 1800);
	w->mfs[0]->stalled = true; // does not answer our close_notify
	run_ms(w, 300);
	w->mfs[0]->stalled = false;
	send_some(w, 5);
	run_ms(w, 100);
	assert_int_equal(w->mfs[0]->connections, 2);
	assert_true(is_idle(w));
	expect_all_arrived(w);
}

// ---- make before break

static void reload(struct world *w, const char *crl)
{
	struct tls_context *old = w->context;
	w->context = client_context(crl);
	delivery_set_context(w->delivery, w->context);
	tls_context_free(old);
}

// No PDU waits for its confirmation longer than an early keepalive takes.
static void run_without_delay(struct world *w, uint64_t ms)
{
	uint64_t confirmed_of[16] = {0};
	for (uint64_t end = w->now_ms + ms; w->now_ms < end;) {
		for (size_t i = 15; i > 0; i--)
			confirmed_of[i] = confirmed_of[i - 1];
		confirmed_of[0] = w->next_id;
		send_some(w, 1);
		step(w);
		assert_true(counters_of(w).confirmed >= confirmed_of[15]); // 75 ms ago
	}
}

static void new_certificates_delay_no_pdu(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	run_without_delay(w, 1000);
	for (unsigned i = 2; i < 6; i++) {
		reload(w, NULL);
		run_without_delay(w, 1000);
		assert_int_equal(w->mfs[0]->connections, i);
		assert_int_equal(w->mfs[0]->last_to_write, i);
		assert_int_equal(mf_count(w->mfs[0]), 1);
	}
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(counters_of(w).repeated, 0);
	assert_int_equal(w->all->id_count, w->next_id);
	assert_int_equal(w->mfs[0]->closes, 4);
}

static void the_old_connection_carries_on_until_the_new_one_is_proven(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	w->mfs[0]->deaf = true; // the new one hangs in its handshake
	reload(w, NULL);
	run_without_delay(w, 30000);
	assert_int_equal(w->mfs[0]->last_to_write, 1);
	expect_fault(w, "handshake");
	assert_true(is_up(w));
	w->mfs[0]->deaf = false;
	while (w->mfs[0]->last_to_write == 1 && w->next_id < 100000)
		run_without_delay(w, 100);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_string_equal(status_of(w).fault, "");
	assert_int_equal(counters_of(w).repeated, 0);
	assert_int_equal(mf_count(w->mfs[0]), 1);
}

static void an_mf_that_is_revoked_is_left_at_once(void **state)
{
	struct world *w = *state;
	mf_use(w->mfs[0], mf_context(&certs, "mf-revoked", "ca"));
	world_set(w, 1);
	run_until(w, is_up);
	run_under_load(w, 1000);
	size_t got = w->all->unique_count;
	reload(w, "crl");
	run_under_load(w, 1000);
	assert_true(status_of(w).certificate_fault);
	expect_fault(w, "revoked");
	assert_int_equal(mf_count(w->mfs[0]), 0);
	run_under_load(w, 20000);
	assert_in_range(w->all->unique_count, got, got + 1); // what was under way
	assert_true(counters_of(w).queued > 3000);
	mf_use(w->mfs[0], mf_context(&certs, "mf", "ca"));
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_false(status_of(w).certificate_fault);
}

static void a_stop_gives_no_more_time_to_an_mf_that_is_revoked(void **state)
{
	struct world *w = *state;
	mf_use(w->mfs[0], mf_context(&certs, "mf-revoked", "ca"));
	world_set(w, 1);
	run_until(w, is_up);
	w->mfs[0]->mute = true; // so that there is something to wait for
	send_some(w, 5);
	run_ms(w, 100);
	delivery_stop(w->delivery);
	run_ms(w, 1000);
	assert_int_equal(mf_count(w->mfs[0]), 1);
	reload(w, "crl");
	run_ms(w, 200);
	assert_int_equal(mf_count(w->mfs[0]), 0);
	assert_int_equal(counters_of(w).unconfirmed, 5);
}

static void what_is_revoked_is_left_at_once_when_another_is_proven(void **state)
{
	struct world *w = *state;
	mf_use(w->mfs[0], mf_context(&certs, "mf-revoked", "ca"));
	world_set(w, 2);
	run_until(w, is_at_first);
	reload(w, "crl");
	run_under_load(w, FAILOVER_MS + 500);
	assert_true(is_at_second(w));
	assert_int_equal(mf_count(w->mfs[0]), 0);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_int_equal(counters_of(w).repeated, 0);
}

static void a_reload_that_changes_nothing_of_it_ends_no_old_connection(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	mf_stop_listening(w->mfs[0]);
	reload(w, "crl"); // its certificate is good under this one too
	run_without_delay(w, 20000);
	assert_int_equal(mf_count(w->mfs[0]), 1);
	reload(w, NULL);
	run_without_delay(w, 20000);
	expect_fault(w, "Connection refused");
	run_until(w, is_idle);
	expect_all_arrived(w);
}

static void an_mf_that_is_no_longer_a_member_gets_nothing_more(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	run_under_load(w, 1000);
	mf_stop_listening(w->mfs[1]);
	w->endpoints[0] = w->endpoints[1];
	world_set(w, 1);
	uint64_t first_after = w->next_id;
	run_under_load(w, 5000);
	assert_int_equal(mf_count(w->mfs[0]), 0);
	assert_true(w->mfs[0]->unique_count <= first_after);
	revive_mf(w->mfs[1]);
	run_until(w, is_idle);
	assert_true(w->mfs[0]->unique_count <= first_after);
	expect_all_arrived(w);
}

static void a_name_that_the_certificate_does_not_carry_is_a_new_rule_too(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	w->endpoints[0].tls_name = "other.example.net";
	world_set(w, 1);
	run_under_load(w, 10300);
	assert_int_equal(mf_count(w->mfs[0]), 0);
	assert_true(status_of(w).certificate_fault);
	w->endpoints[0].tls_name = "localhost";
	world_set(w, 1);
	run_until(w, is_idle);
	expect_all_arrived(w);
}

static void other_times_and_sizes_need_no_new_connection(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	w->endpoints[0].max_write = 1000;
	w->endpoints[0].keepalive_interval_ms = 500;
	world_set(w, 1);
	run_under_load(w, 3000);
	assert_int_equal(w->mfs[0]->connections, 1);
	assert_true(w->mfs[0]->keepalives > 5);
	assert_true(w->mfs[0]->largest_record <= 1000);
}

// ---- whom it speaks to, and from where

static void an_mf_with_another_key_gets_nothing(void **state)
{
	struct world *w = *state;
	w->endpoints[0].has_pin = true;
	certs_pin(&certs, "mf-revoked", w->endpoints[0].pin);
	world_set(w, 1);
	send_some(w, 50);
	w->tick_ms = 20;
	run_ms(w, 30000);
	assert_int_equal(w->mfs[0]->octets, 0);
	assert_true(w->mfs[0]->connections >= 3);
	assert_int_equal(counters_of(w).writes, 0);
	assert_int_equal(counters_of(w).keepalives_sent, 0);
	assert_int_equal(w->peer_count, 0);
	assert_true(status_of(w).certificate_fault);
	expect_fault(w, "pinned");
	certs_pin(&certs, "mf", w->endpoints[0].pin);
	world_set(w, 1);
	run_until(w, is_idle);
	expect_all_arrived(w);
	assert_false(status_of(w).certificate_fault);
}

static void the_mf_sees_the_ordered_source(void **state)
{
	struct world *w = *state;
	struct delivery_socket *s = &w->endpoints[0].socket;
	s->source = (struct address){{127, 0, 0, 4}, 4};
	s->port_first = (uint16_t)(10000 + (unsigned)getpid() % 1000 * 20);
	s->port_last = (uint16_t)(s->port_first + 9);
	snprintf(s->interface, sizeof s->interface, "lo");
	world_set(w, 1);
	send_some(w, 5);
	run_until(w, is_idle);
	struct sockaddr_in from = mf_present(w->mfs[0])->from;
	assert_int_equal(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK + 3));
	assert_in_range(ntohs(from.sin_port), s->port_first, s->port_last);
	s->source = (struct address){{127, 0, 0, 5}, 4};
	world_set(w, 1);
	run_under_load(w, 200);
	from = mf_present(w->mfs[0])->from;
	assert_int_equal(from.sin_addr.s_addr, htonl(INADDR_LOOPBACK + 4));
	run_until(w, is_idle);
	expect_all_arrived(w);
}

static void a_socket_towards_a_traffic_port_is_a_fault_and_connects_nowhere(void **state)
{
	struct world *w = *state;
	w->socket_answer = -EPERM;
	world_set(w, 1);
	send_some(w, 5);
	run_ms(w, 10000);
	assert_int_equal(w->mfs[0]->connections, 0);
	expect_fault(w, "traffic port");
	w->socket_answer = 0;
	run_until(w, is_idle);
	expect_all_arrived(w);
}

static void expect_peer(const struct world *w, size_t index, int mf, bool up, const char *why)
{
	assert_true(index < w->peer_count);
	assert_true(uuid_equal(&w->peers[index].did, &w->endpoints[mf].did));
	assert_int_equal(w->peers[index].up, up);
	if (!strstr(w->peers[index].why, why) || (!*why && *w->peers[index].why))
		fail_msg("\"%s\" is not \"%s\"", w->peers[index].why, why);
}

static void every_proven_connection_and_its_end_is_told(void **state)
{
	struct world *w = *state;
	mf_stop_listening(w->mfs[0]);
	world_set(w, 2);
	send_some(w, 5);
	run_until(w, is_at_second);
	assert_int_equal(w->peer_count, 1);
	expect_peer(w, 0, 1, true, "");
	revive_mf(w->mfs[0]);
	run_until(w, is_at_first);
	run_ms(w, 100);
	assert_int_equal(w->peer_count, 3);
	expect_peer(w, 1, 0, true, "");
	expect_peer(w, 2, 1, false, "");
	mf_cut(w->mfs[0], false);
	run_ms(w, 50);
	assert_int_equal(w->peer_count, 4);
	expect_peer(w, 3, 0, false, "without close_notify");
	run_until(w, is_up);
	delivery_give_up(w->delivery);
	assert_int_equal(w->peer_count, 6);
	expect_peer(w, 5, 0, false, "");
	struct delivery_counters c = counters_of(w);
	assert_int_equal(c.connects, 3);
	assert_int_equal(c.disconnects, 3);
}

// ---- the end

static bool is_stopped(const struct world *w)
{
	return delivery_stopped(w->delivery);
}

static void a_stop_in_the_middle_of_a_return_sends_all_and_closes_both(void **state)
{
	struct world *w = *state;
	fail_over(w);
	revive_mf(w->mfs[0]);
	run_under_load(w, 2000);
	assert_int_equal(mf_count(w->mfs[0]) + mf_count(w->mfs[1]), 2);
	send_some(w, 100);
	delivery_stop(w->delivery);
	run_until(w, is_stopped);
	run_ms(w, 50);
	expect_all_arrived(w);
	assert_int_equal(mf_count(w->mfs[0]) + mf_count(w->mfs[1]), 0);
}

static void a_stop_in_the_middle_of_a_change_sends_all_and_closes_both(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	for (int ms = 0; ms < 10; ms++) {
		reload(w, NULL);
		for (int i = 0; i < ms; i++)
			run_under_load(w, 5);
	}
	send_some(w, 100);
	delivery_stop(w->delivery);
	run_until(w, is_stopped);
	run_ms(w, 50);
	expect_all_arrived(w);
	assert_int_equal(mf_count(w->mfs[0]), 0);
}

static void a_removal_ends_both_connections(void **state)
{
	struct world *w = *state;
	fail_over(w);
	revive_mf(w->mfs[0]);
	run_under_load(w, 2000);
	send_some(w, 7); // never written
	delivery_remove(w->delivery, &the_dsid);
	run_ms(w, 3000);
	assert_int_equal(mf_count(w->mfs[0]) + mf_count(w->mfs[1]), 0);
	assert_int_equal(counters_of(w).expired, 7);
	assert_int_equal(counters_of(w).confirmed, w->next_id - 7);
}

// ---- with a spool

struct disk {
	char directory[64];
	struct vault_key key;
	struct spool_settings settings;
};

static void disk_open(struct disk *disk, struct world *w)
{
	snprintf(disk->directory, sizeof disk->directory, "/tmp/x2tap-spool-XXXXXX");
	assert_non_null(mkdtemp(disk->directory));
	assert_int_equal(vault_key_random(&disk->key), 0);
	disk->settings = (struct spool_settings){.directory = disk->directory,
		.did = the_dsid,
		.kek = &disk->key,
		.max_octets = 64 << 20,
		.segment_octets = 1 << 20};
	w->destination.spool = &disk->settings;
}

// The deliverer goes with it, since it borrows the key.
static void disk_close(const struct disk *disk, struct world *w)
{
	char command[128];
	delivery_free(w->delivery);
	w->delivery = NULL;
	snprintf(command, sizeof command, "rm -rf %s", disk->directory);
	certs_run(command);
}

static void with_an_mf_that_is_near_nothing_is_ever_on_disk(void **state)
{
	struct world *w = *state;
	struct disk disk;
	disk_open(&disk, w);
	world_set(w, 1);
	run_until(w, is_up);
	uint64_t before = status_of(w).spool_octets;
	for (int i = 0; i < 1000; i++) {
		run_under_load(w, 5);
		assert_int_equal(status_of(w).spool_octets, before);
		assert_true(w->now_ms - delivery_safe_before(w->delivery, w->now_ms) < 60);
	}
	assert_string_equal(status_of(w).spool_fault, "");
	disk_close(&disk, w);
}

static void what_nobody_takes_is_on_disk_in_100_ms_and_sent_by_the_next_run(void **state)
{
	struct world *w = *state;
	struct disk disk;
	disk_open(&disk, w);
	w->destination.queue_octets = 100000; // far less than comes
	mf_stop_listening(w->mfs[0]);
	mf_stop_listening(w->mfs[1]);
	world_set(w, 2);
	for (int i = 0; i < 1000; i++) {
		run_under_load(w, 5);
		assert_true(w->now_ms - delivery_safe_before(w->delivery, w->now_ms) <= 100);
	}
	assert_true(status_of(w).spool_octets > 100000);
	delivery_stop(w->delivery);
	run_ms(w, 100);
	delivery_give_up(w->delivery);
	assert_int_equal(counters_of(w).spooled, w->next_id);
	assert_int_equal(counters_of(w).lost_shutdown, 0);
	delivery_free(w->delivery);

	w->delivery = delivery_new(w->context, 7, NULL, NULL);
	world_set(w, 2);
	send_some(w, 10); // after the old ones
	assert_int_equal(counters_of(w).restored, w->next_id - 10);
	run_ms(w, 2000);
	revive_mf(w->mfs[1]);
	run_until(w, is_idle);
	expect_all_arrived(w);
	disk_close(&disk, w);
}

static void a_removal_leaves_nothing_on_disk(void **state)
{
	struct world *w = *state;
	struct disk disk;
	disk_open(&disk, w);
	world_set(w, 1);
	run_until(w, is_up);
	w->mfs[0]->mute = true;
	run_under_load(w, 500);
	kill_mf(w->mfs[0]);
	run_ms(w, 100);
	assert_true(counters_of(w).unconfirmed > 0); // and there is no connection that could confirm it
	assert_true(status_of(w).spool_segments > 0);
	delivery_remove(w->delivery, &the_dsid);
	run_ms(w, 6000);
	world_set(w, 1);
	assert_int_equal(status_of(w).spool_segments, 0);
	assert_int_equal(status_of(w).counters.restored, 0);
	disk_close(&disk, w);
}

static void a_stop_sends_what_is_on_disk_too(void **state)
{
	struct world *w = *state;
	struct disk disk;
	disk_open(&disk, w);
	w->destination.queue_octets = 100000;
	mf_stop_listening(w->mfs[0]);
	world_set(w, 1);
	run_under_load(w, 10000);
	assert_true(counters_of(w).spooled > 1000);
	revive_mf(w->mfs[0]);
	delivery_stop(w->delivery);
	run_until(w, is_stopped);
	expect_all_arrived(w);
	disk_close(&disk, w);
}

static void a_spool_that_cannot_be_opened_is_a_fault_and_delays_nothing(void **state)
{
	struct world *w = *state;
	struct disk disk;
	disk_open(&disk, w);
	disk.settings.directory = "/proc/x2tap-no-spool";
	world_set(w, 1);
	run_under_load(w, 1000);
	assert_true(strlen(status_of(w).spool_fault) > 0);
	run_until(w, is_idle);
	expect_all_arrived(w);
	disk.settings.directory = disk.directory;
	world_set(w, 1);
	assert_string_equal(status_of(w).spool_fault, "");
	disk_close(&disk, w);
}

// ---- beside others

// What the healthy one gets, and how many turns it takes at most, beside `sick` others.
static unsigned longest_turns(struct world *w, unsigned sick)
{
	unsigned longest = 0;
	for (unsigned i = 0; i < sick; i++) {
		struct delivery_endpoint e = w->endpoints[1 + i % 2];
		struct delivery_destination d = w->destination;
		struct error error;
		d.did = e.did = (struct uuid){{5, (uint8_t)i}};
		d.endpoints = &e;
		d.endpoint_count = 1;
		assert_int_equal(delivery_set(w->delivery, &d, &error), 0);
	}
	for (int i = 0; i < 400; i++) {
		uint32_t mine = w->next_id;
		send_some(w, 1);
		for (unsigned k = 0; k < sick; k++)
			for (int n = 0; n < 10; n++)
				send_to(w, &(struct uuid){{5, (uint8_t)k}}, MF_MAX_IDS - 1);
		unsigned turns = 0;
		for (; !w->mfs[0]->seen[mine] && turns < 100; turns++) {
			mf_poll(w->mfs[0]);
			mf_poll(w->mfs[2]);
			delivery_poll(w->delivery, w->now_ms, w->now_ms);
			w->now_ms += 5;
		}
		longest = turns > longest ? turns : longest;
	}
	return longest;
}

static void dead_and_slow_destinations_delay_nobody(void **state)
{
	struct world *w = *state;
	world_set(w, 1);
	run_until(w, is_up);
	run_ms(w, 100);
	unsigned alone = longest_turns(w, 0);
	w->mfs[1]->stalled = true; // connects and no more
	w->mfs[2]->mute = true;    // and this one never answers
	assert_in_range(longest_turns(w, 40), 1, alone + 1);
	assert_int_equal(w->mfs[0]->unique_count, w->next_id);
}

// ---- anything, in any order

static uint32_t seed = 5;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * limit >> 32);
}

static void disturb(struct world *w)
{
	struct mf *mf = w->mfs[random_below(MFS)];
	struct delivery_endpoint *e = &w->endpoints[random_below(MFS)];
	switch (random_below(12)) {
	case 0:
		mf_cut(mf, random_below(2));
		break;
	case 1:
		mf_close_notify(mf);
		break;
	case 2:
		mf->stalled = true;
		break;
	case 3:
		mf->mute = true;
		break;
	case 4:
		kill_mf(mf);
		break;
	case 5:
		mf->deaf = true;
		break;
	case 6:
		reload(w, random_below(2) ? "crl" : NULL);
		break;
	case 7:
		e->version = (uint16_t)(5 + random_below(2));
		world_set(w, 1 + random_below(MFS));
		break;
	case 8:
		w->destination.on_demand = random_below(2);
		w->destination.queue_octets = (2 << 20) + random_below(1 << 20);
		world_set(w, MFS);
		break;
	default:
		for (int i = 0; i < MFS; i++) {
			w->mfs[i]->mute = w->mfs[i]->stalled = w->mfs[i]->deaf = false;
			if (w->mfs[i]->listener < 0)
				revive_mf(w->mfs[i]);
		}
	}
}

static void whatever_happens_nothing_is_lost_and_the_order_stays(void **state)
{
	struct world *w = *state;
	w->destination.idle_ms = w->destination.failover_ms = 300;
	w->destination.return_ms = 700;
	for (int i = 0; i < MFS; i++) {
		w->endpoints[i].keepalive_interval_ms = 1000;
		w->endpoints[i].keepalive_timeout_ms = 2500;
	}
	world_set(w, MFS);
	for (int i = 0; i < 30000; i++) {
		if (random_below(3) == 0)
			send_some(w, random_below(4));
		if (random_below(80) == 0)
			disturb(w);
		step(w);
	}
	for (int i = 0; i < MFS; i++) {
		w->mfs[i]->mute = w->mfs[i]->stalled = w->mfs[i]->deaf = false;
		if (w->mfs[i]->listener < 0)
			revive_mf(w->mfs[i]);
	}
	run_until(w, is_idle);
	struct delivery_counters c = counters_of(w);
	assert_true(c.failovers > 20);
	assert_true(c.connects > 60);
	assert_true(c.repeated > 0);
	assert_int_equal(c.lost_queue_full, 0);
	expect_all_arrived(w);
	for (int i = 0; i < MFS; i++)
		assert_true(w->mfs[i]->unique_count > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_world(all_goes_to_the_first_and_the_others_hear_nothing),
		in_a_world(when_the_first_is_killed_the_second_gets_what_it_did_not_confirm),
		in_a_world(what_comes_back_within_the_time_is_kept),
		in_a_world(a_first_that_is_not_there_is_left_after_the_time),
		in_a_world(a_first_that_never_answers_is_left_after_the_time),
		in_a_world(
			a_first_that_answers_no_keepalive_is_left_after_the_time_and_gets_no_pdu),
		in_a_world(from_a_first_that_falls_silent_all_is_taken_along),
		in_a_world(when_all_are_dead_the_one_that_comes_back_gets_everything),
		in_a_world(the_first_is_returned_to_when_it_has_been_there_long_enough),
		in_a_world(a_first_that_comes_and_goes_is_not_returned_to),
		in_a_world(a_first_that_has_fallen_silent_meanwhile_is_not_returned_to),
		in_a_world(a_standby_takes_over_at_once_when_the_present_one_dies),
		in_a_world(a_last_confirmation_that_does_not_come_delays_the_return_by_5_s_at_most),
		in_a_world(a_new_order_of_preference_is_followed),
		in_a_world(on_demand_there_is_a_connection_only_while_there_is_something_to_send),
		in_a_world(on_demand_the_time_counts_from_the_last_confirmation),
		in_a_world(on_demand_nobody_is_no_fault_while_there_is_nothing_to_send),
		in_a_world(on_demand_an_attempt_ends_when_what_it_was_for_has_expired),
		in_a_world(on_demand_no_member_of_a_set_is_probed_while_it_is_idle),
		in_a_world(on_demand_a_member_that_closes_for_idleness_has_not_failed),
		in_a_world(on_demand_what_comes_while_it_closes_goes_on_a_new_connection_at_once),
		in_a_world(new_certificates_delay_no_pdu),
		in_a_world(the_old_connection_carries_on_until_the_new_one_is_proven),
		in_a_world(an_mf_that_is_revoked_is_left_at_once),
		in_a_world(a_stop_gives_no_more_time_to_an_mf_that_is_revoked),
		in_a_world(what_is_revoked_is_left_at_once_when_another_is_proven),
		in_a_world(a_reload_that_changes_nothing_of_it_ends_no_old_connection),
		in_a_world(an_mf_that_is_no_longer_a_member_gets_nothing_more),
		in_a_world(a_name_that_the_certificate_does_not_carry_is_a_new_rule_too),
		in_a_world(other_times_and_sizes_need_no_new_connection),
		in_a_world(an_mf_with_another_key_gets_nothing),
		in_a_world(the_mf_sees_the_ordered_source),
		in_a_world(a_socket_towards_a_traffic_port_is_a_fault_and_connects_nowhere),
		in_a_world(every_proven_connection_and_its_end_is_told),
		in_a_world(a_stop_in_the_middle_of_a_return_sends_all_and_closes_both),
		in_a_world(a_stop_in_the_middle_of_a_change_sends_all_and_closes_both),
		in_a_world(a_removal_ends_both_connections),
		in_a_world(with_an_mf_that_is_near_nothing_is_ever_on_disk),
		in_a_world(what_nobody_takes_is_on_disk_in_100_ms_and_sent_by_the_next_run),
		in_a_world(a_removal_leaves_nothing_on_disk),
		in_a_world(a_stop_sends_what_is_on_disk_too),
		in_a_world(a_spool_that_cannot_be_opened_is_a_fault_and_delays_nothing),
		in_a_world(dead_and_slow_destinations_delay_nobody),
		in_a_world(whatever_happens_nothing_is_lost_and_the_order_stays),
	};
	return cmocka_run_group_tests_name("destination", tests, certs_set_up, certs_tear_down);
}
