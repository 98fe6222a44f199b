#include "destination.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "socket.h"

enum {
	DEFAULT_INTERVAL_MS = 60000, // TIME_P1 and TIME_P2 (clause 6.2.4)
	DEFAULT_TIMEOUT_MS = 180000,
	DEFAULT_WRITE = 8192,
	MAX_WRITE = 16384, // one TLS record (RFC 8446 5.1)
	DEFAULT_VERSION = 0x0005,
	DEFAULT_QUEUE = 64 << 20,
	DEFAULT_IDLE_MS = 300000,
	DEFAULT_FAILOVER_MS = 10000,
	DEFAULT_RETURN_MS = 60000,
	LAST_ANSWER_MS = 5000, // for the last confirmation before a change or removal
	CONDEMNED_MS =
		10000, // for a new connection in place of one to where no endpoint is any more
	LONGEST_WAIT_MS = 1000,
};

// ---- settings

static void fill_defaults(struct delivery_destination *d)
{
	if (!d->queue_octets)
		d->queue_octets = DEFAULT_QUEUE;
	if (!d->idle_ms)
		d->idle_ms = DEFAULT_IDLE_MS;
	if (!d->failover_ms)
		d->failover_ms = DEFAULT_FAILOVER_MS;
	if (!d->return_ms)
		d->return_ms = DEFAULT_RETURN_MS;
}

static void fill_endpoint_defaults(struct delivery_endpoint *e)
{
	if (!e->keepalive_interval_ms)
		e->keepalive_interval_ms = DEFAULT_INTERVAL_MS;
	if (!e->keepalive_timeout_ms)
		e->keepalive_timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!e->max_write)
		e->max_write = DEFAULT_WRITE;
	if (!e->version)
		e->version = DEFAULT_VERSION;
}

static int check_socket_settings(const struct delivery_endpoint *e, struct error *error)
{
	const struct delivery_socket *s = &e->socket;
	if (s->source.family && s->source.family != e->address.family)
		return error_set(error, -EINVAL,
			"the source address is of IPv%u, that of the MF of IPv%u: they must be of one kind",
			s->source.family, e->address.family);
	if (s->port_first > s->port_last || (s->port_last && !s->port_first))
		return error_set(error, -EINVAL,
			"source ports from %u to %u are no range: the first must be 1 at least and the last no less",
			s->port_first, s->port_last);
	if (strnlen(s->interface, sizeof s->interface) == sizeof s->interface)
		return error_set(error, -EINVAL, "an interface name has at most %zu characters",
			sizeof s->interface - 1);
	return 0;
}

static int check_endpoint(const struct delivery_endpoint *e, struct error *error)
{
	if ((e->address.family != 4 && e->address.family != 6) || e->port == 0)
		return error_set(error, -EINVAL, "a destination needs an IP address and a port");
	if (!e->tls_name || !*e->tls_name || strlen(e->tls_name) >= LINK_NAME)
		return error_set(error, -EINVAL,
			"tls_name must say what the MF's certificate carries, in at most %d characters",
			LINK_NAME - 1);
	if (e->max_write > MAX_WRITE)
		return error_set(error, -EINVAL, "max_write is %u, the most is %d octets",
			e->max_write, MAX_WRITE);
	if (e->keepalive && e->keepalive_timeout_ms <= e->keepalive_interval_ms)
		return error_set(error, -EINVAL,
			"the keepalive timeout (%u ms) must be longer than the interval (%u ms)",
			e->keepalive_timeout_ms, e->keepalive_interval_ms);
	return check_socket_settings(e, error);
}

int destination_check(const struct delivery_destination *settings,
	struct delivery_destination *checked,
	struct delivery_endpoint endpoints[static DELIVERY_MAX_ENDPOINTS], struct error *error)
{
	struct delivery_destination d = *settings;
	fill_defaults(&d);
	if (d.endpoint_count < 1 || d.endpoint_count > DELIVERY_MAX_ENDPOINTS)
		return error_set(error, -EINVAL, "a destination has 1 to %d endpoints, not %zu",
			DELIVERY_MAX_ENDPOINTS, d.endpoint_count);
	for (size_t i = 0; i < d.endpoint_count; i++) {
		endpoints[i] = settings->endpoints[i];
		fill_endpoint_defaults(&endpoints[i]);
		int result = check_endpoint(&endpoints[i], error);
		if (result < 0)
			return result;
		for (size_t k = 0; k < i; k++)
			if (uuid_equal(&endpoints[k].did, &endpoints[i].did))
				return error_set(error, -EINVAL,
					"an MF is twice in one set: each may be there once");
	}
	d.endpoints = endpoints;
	*checked = d;
	return 0;
}

// Whether a connection to `a` would serve for `b` too.
static bool same_connection(const struct delivery_endpoint *a, const struct delivery_endpoint *b)
{
	return memcmp(&a->address, &b->address, sizeof a->address) == 0 && a->port == b->port &&
	       strcmp(a->tls_name, b->tls_name) == 0 && a->has_pin == b->has_pin &&
	       (!a->has_pin || memcmp(a->pin, b->pin, sizeof a->pin) == 0) &&
	       socket_equal(&a->socket, &b->socket) && a->version == b->version &&
	       a->keepalive == b->keepalive;
}

static int index_of(const struct destination *d, const struct uuid *did)
{
	for (size_t i = 0; i < d->settings.endpoint_count; i++)
		if (uuid_equal(&d->endpoints[i].did, did))
			return (int)i;
	return -1;
}

static int index_of_link(const struct destination *d, const struct link *l)
{
	return index_of(d, &l->endpoint.did);
}

// Attempts go on as they were for an endpoint that stays as it was.
static void take_endpoints(struct destination *d, const struct delivery_destination *settings)
{
	struct destination_attempts attempts[DELIVERY_MAX_ENDPOINTS];
	for (size_t i = 0; i < settings->endpoint_count; i++) {
		int known = index_of(d, &settings->endpoints[i].did);
		attempts[i] = (struct destination_attempts){0};
		backoff_init(&attempts[i].backoff, d->random + i);
		if (known >= 0 && same_connection(&d->endpoints[known], &settings->endpoints[i]))
			attempts[i] = d->attempts[known];
	}
	memcpy(d->attempts, attempts, settings->endpoint_count * sizeof *attempts);
	for (size_t i = 0; i < settings->endpoint_count; i++) {
		snprintf(d->names[i], sizeof d->names[i], "%s", settings->endpoints[i].tls_name);
		d->endpoints[i] = settings->endpoints[i];
		d->endpoints[i].tls_name = d->names[i];
	}
	d->settings.endpoint_count = settings->endpoint_count;
}

static void take_settings(struct destination *d, const struct delivery_destination *settings)
{
	take_endpoints(d, settings);
	d->settings = *settings;
	d->settings.endpoints = d->endpoints;
	d->settings.spool = NULL; // the outbox has its own copy
	d->outbox.deliver_ended = settings->deliver_ended;
	// A spool that cannot be opened is a fault that the outbox tells, and tries again.
	outbox_set_spool(&d->outbox, settings->spool);
}

struct destination *destination_new(const struct delivery_destination *settings,
	const struct delivery_hooks *hooks, uint64_t random_seed)
{
	struct destination *d = calloc(1, sizeof *d);
	if (!d || outbox_init(&d->outbox, &settings->did, settings->queue_octets, MAX_WRITE,
			  hooks) < 0) {
		free(d);
		return NULL;
	}
	d->hooks = hooks;
	d->random = random_seed;
	d->main = &d->links[0];
	d->other = &d->links[1];
	take_settings(d, settings);
	d->home = d->latest = d->endpoints[0].did;
	d->wakes = true;
	return d;
}

void destination_free(struct destination *d)
{
	if (!d)
		return;
	link_close(&d->links[0]);
	link_close(&d->links[1]);
	outbox_fini(&d->outbox);
	free(d);
}

void destination_connect_now(struct destination *d)
{
	for (size_t i = 0; i < d->settings.endpoint_count; i++) {
		backoff_reset(&d->attempts[i].backoff);
		d->attempts[i].connect_at_ms = 0;
	}
	d->reviewed = false;
}

int destination_change(struct destination *d, const struct delivery_destination *settings)
{
	if (settings->queue_octets != d->settings.queue_octets &&
		outbox_resize(&d->outbox, settings->queue_octets) < 0)
		return -ENOMEM;
	take_settings(d, settings);
	for (size_t i = 0; i < DELIVERY_FDS_EACH; i++) {
		int index = index_of_link(d, &d->links[i]);
		if (index >= 0)
			link_adjust(&d->links[i], &d->endpoints[index]);
	}
	d->reviewed = false;
	return 0;
}

// ---- what is told

static void endpoint_text(const struct delivery_endpoint *e, char *out, size_t cap)
{
	char address[ADDRESS_TEXT];
	address_format(&e->address, address);
	snprintf(out, cap, "%s port %u", address, e->port);
}

static void set_fault(struct destination *d, const struct delivery_endpoint *e, const char *why)
{
	char where[ADDRESS_TEXT + 16];
	endpoint_text(e, where, sizeof where);
	snprintf(d->fault, sizeof d->fault, "MF at %s: %s", where, why);
}

static void clear_fault(struct destination *d)
{
	d->fault[0] = '\0';
	d->certificate_fault = false;
}

static void tell_peer(const struct destination *d, const struct link *l, bool up, const char *why)
{
	char where[ADDRESS_TEXT + 16];
	if (!d->hooks || !d->hooks->peer)
		return;
	endpoint_text(&l->endpoint, where, sizeof where);
	const struct delivery_peer peer = {
		.did = l->endpoint.did,
		.destination = d->settings.did,
		.up = up,
		.address = where,
		.certificate_serial = tls_peer_serial(l->tls),
		.subject = tls_peer_name(l->tls),
		.version = tls_version_name(l->tls),
		.suite = tls_suite_name(l->tls),
		.why = why,
	};
	d->hooks->peer(d->hooks->context, &peer);
}

// ---- the end of a connection

static bool is_open(const struct link *l)
{
	return l->state != DELIVERY_WAITING;
}

// It may take over, now or later.
static bool is_candidate(const struct link *l)
{
	return is_open(l) && !l->ending && l->state != DELIVERY_CLOSING;
}

// What is unconfirmed is written again on the next connection, or stays unconfirmed for ever.
static void restart_outbox(struct destination *d, bool keepalive)
{
	bool again = d->settings.redeliver && keepalive && d->wish != WISH_REMOVED;
	outbox_restart(&d->outbox, again);
}

static void close_link(struct destination *d, struct link *l, const char *why)
{
	bool carried = l->carries, keepalive = l->endpoint.keepalive;
	if (!is_open(l))
		return;
	if (l->proven) {
		d->outbox.counters.disconnects++;
		tell_peer(d, l, false, why);
	}
	link_close(l);
	if (carried)
		restart_outbox(d, keepalive);
	if (l == d->other)
		d->handing_over = false;
	d->changed = true;
}

static void wait_with(
	struct destination *d, const struct delivery_endpoint *e, bool failed, uint64_t now_ms)
{
	int index = index_of(d, &e->did);
	if (index < 0 || !same_connection(&d->endpoints[index], e))
		return; // that is over
	struct destination_attempts *a = &d->attempts[index];
	a->connect_at_ms = now_ms + backoff_next_ms(&a->backoff);
	if (!failed)
		return;
	a->failed = true;
	a->failed_ms = now_ms;
}

static bool is_stale(
	const struct destination *d, const struct link *l, const struct destination_ground *ground)
{
	int index = index_of_link(d, l);
	return index < 0 || (ground->context && l->generation != ground->generation) ||
	       !same_connection(&d->endpoints[index], &l->endpoint);
}

// A candidate for return that fails is no fault as long as the main connection is as it should be.
static bool is_worth_a_fault(const struct destination *d, const struct link *failed,
	const struct destination_ground *ground)
{
	return failed == d->main || !d->main->proven || is_stale(d, d->main, ground);
}

static void link_failed(struct destination *d, struct link *l,
	const struct destination_ground *ground, const struct error *error, uint64_t now_ms)
{
	if (!l->proven)
		d->outbox.counters.connect_failures++;
	if (is_worth_a_fault(d, l, ground)) {
		set_fault(d, &l->endpoint, error->text);
		d->certificate_fault = tls_failed_on_certificate(l->tls);
	}
	wait_with(d, &l->endpoint, true, now_ms);
	close_link(d, l, error->text);
}

static void link_ended(struct destination *d, struct link *l, uint64_t now_ms)
{
	if (!l->ending) // the MF wanted it
		wait_with(d, &l->endpoint, false, now_ms);
	close_link(d, l, "");
}

// The main connection is proven: it came up as such, or took over.
static void settle(struct destination *d)
{
	clear_fault(d);
	if (!uuid_equal(&d->latest, &d->main->endpoint.did))
		d->outbox.counters.failovers++;
	d->home = d->latest = d->main->endpoint.did;
}

// The main connection is as good as over, or was never there: the other one carries on, whatever it is by now.
static void swap(struct destination *d)
{
	struct link *former = d->main;
	if (d->other->ending) // an older one on its way out: the newer has precedence
		close_link(d, d->other, "");
	d->main = d->other;
	d->other = former;
	if (former->carries) {
		link_yield(former);
		restart_outbox(d, former->endpoint.keepalive);
	}
	if (is_open(d->main))
		link_carry(d->main);
	if (d->main->proven)
		settle(d);
	d->handing_over = false;
	d->leave_ms = 0;
	d->reviewed = false;
	d->changed = true;
}

// ---- wishes

void destination_stop(struct destination *d)
{
	d->wish = WISH_STOPPED;
	for (size_t i = 0; i < d->settings.endpoint_count; i++)
		d->attempts[i].connect_at_ms = 0; // one attempt at once, whatever the back-off
}

void destination_remove(struct destination *d)
{
	outbox_expire_all(&d->outbox);
	d->wish = WISH_REMOVED;
}

void destination_give_up(struct destination *d)
{
	close_link(d, d->other, "");
	close_link(d, d->main, "");
	if (d->wish == WISH_REMOVED) // closing has told what is not confirmed
		return;
	outbox_give_up(&d->outbox);
	d->wish = WISH_STOPPED;
}

// Something is to be written, or will be when it has been read from disk. What waits for orders to be known does not count.
static bool has_work(const struct destination *d)
{
	const struct outbox *o = &d->outbox;
	return outbox_waits(o) || !(outbox_is_empty(o) || o->gate_waits);
}

static bool wants_connection(const struct destination *d)
{
	switch (d->wish) {
	case WISH_REMOVED:
		return false;
	case WISH_STOPPED:
		return has_work(d) || d->handing_over;
	default:
		break;
	}
	bool stays = d->main->proven && !d->main->ending;
	return !d->settings.on_demand || has_work(d) || stays || d->handing_over;
}

bool destination_is_done(const struct destination *d)
{
	return !is_open(d->main) && !is_open(d->other) && !wants_connection(d);
}

// ---- which endpoint

// An idle destination wakes at the most preferred endpoint that has not failed of late.
static void wake(struct destination *d, uint64_t now_ms)
{
	for (size_t i = 0; i < d->settings.endpoint_count; i++) {
		const struct destination_attempts *a = &d->attempts[i];
		if (!a->failed || now_ms - a->failed_ms >= d->settings.return_ms) {
			d->home = d->endpoints[i].did;
			return;
		}
	}
}

// While there is no connection as it should be, for failover_ms only the endpoint that worked last is tried.
static bool is_patient(const struct destination *d, uint64_t now_ms)
{
	return d->settings.endpoint_count > 1 && index_of(d, &d->home) >= 0 && d->is_without &&
	       now_ms - d->without_since_ms < d->settings.failover_ms;
}

static bool may_be_tried(const struct destination *d, size_t index, uint64_t now_ms)
{
	bool is_tried = is_candidate(d->other) && index_of_link(d, d->other) == (int)index;
	return !is_tried && d->attempts[index].connect_at_ms <= now_ms;
}

// The first of the endpoints below `limit` that may be tried now; -1: none.
static int choose(const struct destination *d, size_t limit, uint64_t now_ms)
{
	bool patient = is_patient(d, now_ms);
	for (size_t i = 0; i < limit; i++)
		if (may_be_tried(d, i, now_ms) &&
			!(patient && !uuid_equal(&d->endpoints[i].did, &d->home)))
			return (int)i;
	return -1;
}

// An attempt that has had its time gives way if another endpoint may be tried.
static bool gives_way(const struct destination *d, const struct link *l, uint64_t now_ms)
{
	if (d->settings.endpoint_count == 1 || !d->is_without)
		return false;
	uint64_t window_end_ms = d->without_since_ms + d->settings.failover_ms;
	uint64_t end_ms = l->opened_ms + d->settings.failover_ms;
	int index = index_of_link(d, l);
	if (l->opened_ms < window_end_ms)
		end_ms = window_end_ms;
	if (now_ms < end_ms)
		return false;
	for (size_t i = 0; i < d->settings.endpoint_count; i++)
		if ((int)i != index && may_be_tried(d, i, now_ms))
			return true;
	return false;
}

static void give_way(struct destination *d, struct link *l, const struct destination_ground *ground,
	uint64_t now_ms)
{
	struct error error;
	error_set(&error, -ETIMEDOUT,
		"no proven connection within %u ms: the next of the set is tried",
		d->settings.failover_ms);
	link_failed(d, l, ground, &error, now_ms);
}

// ---- opening

static void open_link(struct destination *d, struct link *l, int index,
	const struct destination_ground *ground, uint64_t now_ms)
{
	struct error error = {0};
	d->random = d->random * 6364136223846793005 + 1442695040888963407; // Knuth's MMIX
	const struct link_ground here = {&d->outbox, ground->context, ground->generation, d->hooks,
		(uint32_t)(d->random >> 32)};
	if (link_open(l, &here, &d->endpoints[index], now_ms, &error) < 0) {
		d->outbox.counters.connect_failures++;
		if (is_worth_a_fault(d, l, ground)) {
			set_fault(d, &d->endpoints[index], error.text);
			d->certificate_fault = false;
		}
		wait_with(d, &d->endpoints[index], true, now_ms);
	} else if (l == d->main) {
		link_carry(l);
	}
}

static void open_main(
	struct destination *d, const struct destination_ground *ground, uint64_t now_ms)
{
	int index = choose(d, d->settings.endpoint_count, now_ms);
	if (index >= 0)
		open_link(d, d->main, index, ground, now_ms);
}

static void open_candidate(
	struct destination *d, const struct destination_ground *ground, uint64_t now_ms)
{
	size_t limit = is_stale(d, d->main, ground) ? d->settings.endpoint_count
	                                            : (size_t)index_of_link(d, d->main);
	int index = choose(d, limit, now_ms);
	if (index >= 0)
		open_link(d, d->other, index, ground, now_ms);
}

// ---- taking over

static bool is_more_preferred(const struct destination *d, const struct link *l)
{
	return index_of_link(d, l) < index_of_link(d, d->main);
}

static bool is_candidate_wanted(
	const struct destination *d, const struct destination_ground *ground)
{
	if (!wants_connection(d) || is_stale(d, d->other, ground))
		return false;
	if (!d->main->proven || d->main->ending)
		return true;
	return d->wish == WISH_CONNECTED &&
	       (is_stale(d, d->main, ground) || is_more_preferred(d, d->other));
}

// Whether the candidate has been up long enough to be returned to, and is so at this moment.
static bool has_returned(struct destination *d, uint64_t now_ms)
{
	return now_ms - d->other->proven_ms >= d->settings.return_ms && link_ask(d->other);
}

static void consider_candidate(
	struct destination *d, const struct destination_ground *ground, uint64_t now_ms)
{
	if (!is_candidate(d->other))
		return;
	if (!is_candidate_wanted(d, ground)) {
		close_link(d, d->other, "");
		return;
	}
	if (!d->other->proven || d->main->ending)
		return;
	if (!d->main->proven) {
		close_link(d, d->main, "");
		swap(d);
	} else if (is_stale(d, d->main, ground) || has_returned(d, now_ms)) {
		link_end(d->main, false, now_ms, LAST_ANSWER_MS);
		d->handing_over = true;
	}
}

// ---- staying

// Whether the main connection goes to where one of the endpoints is, and its number; -1: none.
static int place_of_main(const struct destination *d)
{
	int index = index_of_link(d, d->main);
	if (index < 0)
		return -1;
	const struct delivery_endpoint *now = &d->endpoints[index], *then = &d->main->endpoint;
	bool same = memcmp(&now->address, &then->address, sizeof now->address) == 0 &&
	            now->port == then->port;
	return same ? index : -1;
}

// Whether a handshake of now would take its peer.
static bool is_trusted(
	const struct destination *d, int place, const struct destination_ground *ground)
{
	const struct delivery_endpoint *now = &d->endpoints[place];
	struct tls_peer peer = {.name = now->tls_name, .has_pin = now->has_pin};
	memcpy(peer.pin, now->pin, sizeof peer.pin);
	return !ground->context || tls_would_take(d->main->tls, ground->context, &peer);
}

// When the main connection must have ended: at once where not one octet more may go to its peer; 0: it may stay.
static uint64_t must_leave_ms(
	const struct destination *d, const struct destination_ground *ground, uint64_t now_ms)
{
	if (!is_stale(d, d->main, ground))
		return 0;
	int place = place_of_main(d);
	if (place < 0)
		return now_ms + CONDEMNED_MS;
	return is_trusted(d, place, ground) ? 0 : now_ms;
}

static void consider_peer(
	struct destination *d, const struct destination_ground *ground, uint64_t now_ms)
{
	if (!d->reviewed && d->main->proven) {
		uint64_t leave_ms = must_leave_ms(d, ground, now_ms);
		if (!is_stale(d, d->main, ground))
			clear_fault(d); // of one that was to replace it
		if (!leave_ms || !d->leave_ms || leave_ms < d->leave_ms)
			d->leave_ms = leave_ms;
		d->reviewed = true;
		// What is no longer ordered goes out no more, not even until another connection is there.
		if (index_of_link(d, d->main) < 0 && !d->main->ending)
			link_end(d->main, false, now_ms, LAST_ANSWER_MS);
	}
	// Also where it has been asked to end already, and given more time for that.
	if (d->leave_ms && now_ms >= d->leave_ms && d->main->proven &&
		(!d->main->ending || d->main->end_ms > now_ms))
		link_end(d->main, false, now_ms, 0);
}

static void consider_idleness(struct destination *d, uint64_t now_ms)
{
	if (!d->main->proven || has_work(d) || !link_is_quiet(d->main))
		d->busy_ms = now_ms;
	if (d->settings.on_demand && d->main->proven && !d->main->ending &&
		now_ms - d->busy_ms >= d->settings.idle_ms)
		link_end(d->main, false, now_ms, LAST_ANSWER_MS);
}

static void consider_wish(struct destination *d, uint64_t now_ms)
{
	if (d->wish == WISH_CONNECTED || !is_candidate(d->main))
		return;
	bool stop = d->wish == WISH_STOPPED;
	bool early =
		d->main->state != DELIVERY_UP; // with nothing written there is nothing to wait for
	if (stop && early && has_work(d))
		return; // it comes up first
	// At a stop the caller decides when it has been long enough, with delivery_give_up().
	link_end(d->main, stop, now_ms, stop ? (uint64_t)INT32_MAX : LAST_ANSWER_MS);
}

static void consider_attempt(struct destination *d, struct link *l,
	const struct destination_ground *ground, uint64_t now_ms)
{
	if (!is_candidate(l) || l->proven || d->wish == WISH_REMOVED)
		return;
	if (is_stale(d, l, ground))
		close_link(d, l, ""); // and made anew as it is wanted now
	else if (d->settings.on_demand && !wants_connection(d))
		close_link(d, l, "");
	else if (gives_way(d, l, now_ms))
		give_way(d, l, ground, now_ms);
}

static void consider_want(
	struct destination *d, const struct destination_ground *ground, uint64_t now_ms)
{
	bool wants = wants_connection(d);
	bool good = d->main->proven && !is_stale(d, d->main, ground);
	d->is_without = wants && ground->context && !good;
	if (!d->is_without || d->wakes)
		d->without_since_ms = now_ms;
	if (!wants && d->wish == WISH_CONNECTED) {
		clear_fault(d);
		d->wakes = true;
	} else if (d->wakes) {
		wake(d, now_ms);
		d->wakes = false;
	}
}

// ---- all of it

static void review(struct destination *d, const struct destination_ground *ground, uint64_t now_ms)
{
	consider_want(d, ground, now_ms);
	consider_peer(d, ground, now_ms);
	consider_attempt(d, d->main, ground, now_ms);
	consider_attempt(d, d->other, ground, now_ms);
	consider_candidate(d, ground, now_ms);
	consider_idleness(d, now_ms);
	consider_wish(d, now_ms);
	if (d->main->state == DELIVERY_CLOSING ||
		(!is_open(d->main) && is_candidate(d->other) && d->other->proven))
		swap(d);
	if (!ground->context || !wants_connection(d))
		return;
	if (!is_open(d->main))
		open_main(d, ground, now_ms);
	else if (!is_open(d->other) && d->main->proven && !d->main->ending &&
		 d->wish == WISH_CONNECTED)
		open_candidate(d, ground, now_ms);
}

static void poll_link(struct destination *d, struct link *l,
	const struct destination_ground *ground, uint64_t now_ms)
{
	struct error error = {0};
	bool was_proven = l->proven;
	if (!is_open(l))
		return;
	enum link_result result = link_poll(l, now_ms, &error);
	if (l->proven && !was_proven) {
		int index = index_of_link(d, l);
		if (index >= 0)
			backoff_reset(&d->attempts[index].backoff);
		d->outbox.counters.connects++;
		d->changed = true;
		tell_peer(d, l, true, "");
		if (l == d->main)
			settle(d);
	}
	if (l->state == DELIVERY_CLOSING && l->carries)
		d->changed = true; // the other one may carry on
	if (result == LINK_FAILED)
		link_failed(d, l, ground, &error, now_ms);
	else if (result == LINK_ENDED)
		link_ended(d, l, now_ms);
}

static uint64_t earlier(uint64_t due_ms, uint64_t at_ms, uint64_t now_ms)
{
	return at_ms > now_ms && at_ms - now_ms < due_ms ? at_ms - now_ms : due_ms;
}

// Until review() has something to do; too early does no harm.
static uint64_t review_due_ms(const struct destination *d, uint64_t now_ms)
{
	uint64_t due = LONGEST_WAIT_MS;
	for (size_t i = 0; i < d->settings.endpoint_count; i++)
		due = earlier(due, d->attempts[i].connect_at_ms, now_ms);
	if (d->is_without) {
		due = earlier(due, d->without_since_ms + d->settings.failover_ms, now_ms);
		due = earlier(due, d->main->opened_ms + d->settings.failover_ms, now_ms);
		due = earlier(due, d->other->opened_ms + d->settings.failover_ms, now_ms);
	}
	if (is_candidate(d->other) && d->other->proven)
		due = earlier(due, d->other->proven_ms + d->settings.return_ms, now_ms);
	if (d->leave_ms)
		due = earlier(due, d->leave_ms, now_ms);
	if (d->settings.on_demand && d->main->proven)
		due = earlier(due, d->busy_ms + d->settings.idle_ms, now_ms);
	return due;
}

uint64_t destination_poll(struct destination *d, const struct destination_ground *ground,
	uint64_t now_ms, uint64_t realtime_ms)
{
	outbox_poll(&d->outbox, now_ms, realtime_ms);
	review(d, ground, now_ms);
	d->changed = false;
	poll_link(d, d->main, ground, now_ms);
	poll_link(d, d->other, ground, now_ms);
	if (d->changed)
		return 0;
	uint64_t due = review_due_ms(d, now_ms), its = outbox_due_ms(&d->outbox, now_ms);
	due = its < due ? its : due;
	for (size_t i = 0; i < DELIVERY_FDS_EACH; i++) {
		its = is_open(&d->links[i]) ? link_due_ms(&d->links[i], now_ms) : LONGEST_WAIT_MS;
		due = its < due ? its : due;
	}
	return due;
}

// ---- for others to see

size_t destination_active(const struct destination *d)
{
	int index = index_of(d, &d->latest);
	return index >= 0 ? (size_t)index : 0;
}

enum delivery_state destination_state(const struct destination *d)
{
	return is_open(d->main) ? d->main->state : d->other->state;
}

bool destination_is_idle(const struct destination *d)
{
	return d->settings.on_demand && !is_open(d->main) && !wants_connection(d);
}

size_t destination_pollfds(const struct destination *d, struct pollfd *out, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < DELIVERY_FDS_EACH && count < max; i++)
		if (link_pollfd(&d->links[i], &out[count]))
			count++;
	return count;
}
