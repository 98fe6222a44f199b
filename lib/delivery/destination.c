#include "destination.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	DEFAULT_INTERVAL_MS = 60000, // TIME_P1 and TIME_P2 (clause 6.2.4)
	DEFAULT_TIMEOUT_MS = 180000,
	DEFAULT_WRITE = 8192,
	MAX_WRITE = 16384, // one TLS record (RFC 8446 5.1)
	DEFAULT_VERSION = 0x0005,
	DEFAULT_QUEUE = 64 << 20,
	LAST_ANSWER_MS = 5000, // for the last confirmation before a change or removal
	LONGEST_WAIT_MS = 1000,
};

static void fill_defaults(struct delivery_destination *d)
{
	if (!d->keepalive_interval_ms)
		d->keepalive_interval_ms = DEFAULT_INTERVAL_MS;
	if (!d->keepalive_timeout_ms)
		d->keepalive_timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!d->max_write)
		d->max_write = DEFAULT_WRITE;
	if (!d->version)
		d->version = DEFAULT_VERSION;
	if (!d->queue_octets)
		d->queue_octets = DEFAULT_QUEUE;
}

int destination_check(const struct delivery_destination *settings,
	struct delivery_destination *checked, struct error *error)
{
	struct delivery_destination d = *settings;
	fill_defaults(&d);
	if ((d.address.family != 4 && d.address.family != 6) || d.port == 0)
		return error_set(error, -EINVAL, "a destination needs an IP address and a port");
	if (!d.tls_name || !*d.tls_name || strlen(d.tls_name) >= DESTINATION_NAME)
		return error_set(error, -EINVAL,
			"tls_name must say what the MF's certificate carries, in at most %d characters",
			DESTINATION_NAME - 1);
	if (d.max_write > MAX_WRITE)
		return error_set(error, -EINVAL, "max_write is %u, the most is %d octets",
			d.max_write, MAX_WRITE);
	if (d.keepalive && d.keepalive_timeout_ms <= d.keepalive_interval_ms)
		return error_set(error, -EINVAL,
			"the keepalive timeout (%u ms) must be longer than the interval (%u ms)",
			d.keepalive_timeout_ms, d.keepalive_interval_ms);
	*checked = d;
	return 0;
}

static void take_settings(struct destination *d, const struct delivery_destination *settings)
{
	snprintf(d->name, sizeof d->name, "%s", settings->tls_name);
	d->settings = *settings;
	d->settings.tls_name = d->name;
}

struct destination *destination_new(
	const struct delivery_destination *settings, uint64_t random_seed)
{
	struct destination *d = calloc(1, sizeof *d);
	if (!d || outbox_init(&d->outbox, settings->queue_octets, MAX_WRITE) < 0) {
		free(d);
		return NULL;
	}
	take_settings(d, settings);
	backoff_init(&d->backoff, random_seed);
	return d;
}

void destination_free(struct destination *d)
{
	if (!d)
		return;
	link_close(&d->link);
	outbox_fini(&d->outbox);
	free(d);
}

static bool wants_new_connection(
	const struct delivery_destination *a, const struct delivery_destination *b)
{
	return memcmp(&a->address, &b->address, sizeof a->address) != 0 || a->port != b->port ||
	       strcmp(a->tls_name, b->tls_name) != 0 || a->version != b->version ||
	       a->keepalive != b->keepalive;
}

// A new wish replaces the old one, and the link is told at the next poll.
static void wish(struct destination *d, enum destination_wish what)
{
	d->wish = what;
	d->end_asked = false;
}

void destination_connect_now(struct destination *d)
{
	backoff_reset(&d->backoff);
	d->connect_at_ms = 0;
}

void destination_reconnect(struct destination *d)
{
	destination_connect_now(d);
	if (d->wish == WISH_CONNECTED && d->link.state != DELIVERY_WAITING)
		wish(d, WISH_RECONNECT);
}

int destination_change(struct destination *d, const struct delivery_destination *settings)
{
	bool reconnect = wants_new_connection(&d->settings, settings);
	if (settings->queue_octets != d->settings.queue_octets &&
		outbox_resize(&d->outbox, settings->queue_octets) < 0)
		return -ENOMEM;
	take_settings(d, settings);
	link_adjust(&d->link, &d->settings);
	if (reconnect)
		destination_reconnect(d);
	return 0;
}

void destination_stop(struct destination *d)
{
	wish(d, WISH_STOPPED);
	d->connect_at_ms = 0; // one attempt at once, whatever the back-off
}

void destination_remove(struct destination *d)
{
	outbox_expire_all(&d->outbox);
	wish(d, WISH_REMOVED);
}

// What is unconfirmed is written again on the next connection, or stays unconfirmed for ever.
static void drop_link(struct destination *d)
{
	bool again = d->settings.redeliver && d->settings.keepalive && d->wish != WISH_REMOVED;
	link_close(&d->link);
	outbox_restart(&d->outbox, again);
}

void destination_give_up(struct destination *d)
{
	link_close(&d->link);
	outbox_give_up(&d->outbox);
	wish(d, WISH_STOPPED);
}

static void set_fault(struct destination *d, const char *why)
{
	char address[ADDRESS_TEXT];
	address_format(&d->settings.address, address);
	snprintf(d->fault, sizeof d->fault, "MF at %s port %u: %s", address, d->settings.port, why);
}

static void count_end(struct destination *d)
{
	if (d->link.proven)
		d->outbox.counters.disconnects++;
	else
		d->outbox.counters.connect_failures++;
}

static void link_failed(struct destination *d, uint64_t now_ms, const struct error *error)
{
	count_end(d);
	set_fault(d, error->text);
	drop_link(d);
	d->connect_at_ms = now_ms + backoff_next_ms(&d->backoff);
}

static void link_ended(struct destination *d, uint64_t now_ms)
{
	if (d->link.proven)
		d->outbox.counters.disconnects++;
	drop_link(d);
	bool by_us = d->wish != WISH_CONNECTED;
	d->connect_at_ms = by_us ? now_ms : now_ms + backoff_next_ms(&d->backoff);
	if (d->wish == WISH_RECONNECT)
		wish(d, WISH_CONNECTED);
}

static bool wants_connection(const struct destination *d)
{
	switch (d->wish) {
	case WISH_REMOVED:
		return false;
	case WISH_STOPPED:
		return !outbox_is_empty(&d->outbox);
	default:
		return true;
	}
}

static void ask_for_end(struct destination *d, uint64_t now_ms)
{
	if (d->wish == WISH_CONNECTED || d->end_asked)
		return;
	bool stop = d->wish == WISH_STOPPED;
	bool early =
		d->link.state != DELIVERY_UP; // with nothing written there is nothing to wait for
	if (stop && early && !outbox_is_empty(&d->outbox))
		return; // it comes up first
	// At a stop the caller decides when it has been long enough, with delivery_give_up().
	link_end(&d->link, stop, now_ms, stop ? (uint64_t)INT32_MAX : LAST_ANSWER_MS);
	d->end_asked = true;
}

static void open_link(struct destination *d, struct tls_context *context, uint64_t now_ms)
{
	struct error error = {0};
	if (link_open(&d->link, &d->outbox, context, &d->settings, now_ms, &error) < 0)
		link_failed(d, now_ms, &error);
	else if (d->wish == WISH_RECONNECT)
		wish(d, WISH_CONNECTED);
	d->end_asked = false;
}

static void poll_link(struct destination *d, uint64_t now_ms)
{
	struct error error = {0};
	bool was_up = d->link.proven;
	ask_for_end(d, now_ms);
	enum link_result result = link_poll(&d->link, now_ms, &error);
	if (d->link.proven && !was_up) {
		d->outbox.counters.connects++;
		d->fault[0] = '\0';
		backoff_reset(&d->backoff);
	}
	if (result == LINK_FAILED)
		link_failed(d, now_ms, &error);
	else if (result == LINK_ENDED)
		link_ended(d, now_ms);
}

uint64_t destination_poll(struct destination *d, struct tls_context *context, uint64_t now_ms)
{
	if (d->link.state == DELIVERY_WAITING) {
		if (!context || !wants_connection(d))
			return LONGEST_WAIT_MS;
		if (now_ms < d->connect_at_ms)
			return d->connect_at_ms - now_ms;
		open_link(d, context, now_ms);
	}
	if (d->link.state != DELIVERY_WAITING)
		poll_link(d, now_ms);
	if (d->link.state != DELIVERY_WAITING)
		return link_due_ms(&d->link, now_ms);
	if (!wants_connection(d))
		return LONGEST_WAIT_MS;
	return d->connect_at_ms > now_ms ? d->connect_at_ms - now_ms : 0;
}

bool destination_is_done(const struct destination *d)
{
	return d->link.state == DELIVERY_WAITING && !wants_connection(d);
}
