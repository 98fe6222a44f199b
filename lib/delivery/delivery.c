#include "delivery.h"

#include <errno.h>
#include <stdlib.h>

#include <poll.h>

#include "destination.h"

enum { LONGEST_WAIT_MS = 1000 };

struct delivery {
	struct tls_context *context;
	uint64_t random_seed;
	struct destination **list; // removed ones too, until their connection has ended
	size_t count, cap;
	struct delivery_counters gone; // of those that have ended
	bool stopping;
};

struct delivery *delivery_new(
	struct tls_context *context, uint64_t random_seed, struct error *error)
{
	struct delivery *d = calloc(1, sizeof *d);
	if (!d) {
		error_set(error, -ENOMEM, "delivery: no memory");
		return NULL;
	}
	d->context = context;
	d->random_seed = random_seed;
	return d;
}

void delivery_free(struct delivery *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++)
		destination_free(d->list[i]);
	free(d->list);
	free(d);
}

void delivery_set_context(struct delivery *d, struct tls_context *context)
{
	bool other = context && d->context && context != d->context;
	d->context = context;
	for (size_t i = 0; i < d->count; i++) {
		if (other) // the peer may be revoked, or of another CA now
			destination_reconnect(d->list[i]);
		else
			destination_connect_now(d->list[i]);
	}
}

static bool is_listed(const struct destination *at)
{
	return at->wish != WISH_REMOVED;
}

static struct destination *find(const struct delivery *d, const struct uuid *did)
{
	for (size_t i = 0; i < d->count; i++)
		if (is_listed(d->list[i]) && uuid_equal(&d->list[i]->settings.did, did))
			return d->list[i];
	return NULL;
}

static struct destination *find_by_index(const struct delivery *d, size_t index)
{
	for (size_t i = 0; i < d->count; i++)
		if (is_listed(d->list[i]) && index-- == 0)
			return d->list[i];
	return NULL;
}

static int make_room(struct delivery *d)
{
	if (d->count < d->cap)
		return 0;
	size_t cap = d->cap ? d->cap * 2 : 8;
	struct destination **list = realloc(d->list, cap * sizeof *list);
	if (!list)
		return -ENOMEM;
	d->list = list;
	d->cap = cap;
	return 0;
}

static int add(struct delivery *d, const struct delivery_destination *settings)
{
	if (make_room(d) < 0)
		return -ENOMEM;
	// Each destination jumps in its own way.
	struct destination *added =
		destination_new(settings, d->random_seed++ * 0x9e3779b97f4a7c15);
	if (!added)
		return -ENOMEM;
	if (d->stopping)
		destination_stop(added);
	d->list[d->count++] = added;
	return 0;
}

int delivery_set(
	struct delivery *d, const struct delivery_destination *destination, struct error *error)
{
	struct delivery_destination checked;
	int result = destination_check(destination, &checked, error);
	if (result < 0)
		return result;
	struct destination *known = find(d, &destination->did);
	result = known ? destination_change(known, &checked) : add(d, &checked);
	if (result < 0)
		error_set(error, result, "no memory for a queue of %zu octets: make it smaller",
			checked.queue_octets);
	return result;
}

void delivery_remove(struct delivery *d, const struct uuid *did)
{
	struct destination *known = find(d, did);
	if (known)
		destination_remove(known);
}

int delivery_send(struct delivery *d, const struct uuid *did, uint64_t owner, struct bytes pdu)
{
	struct destination *known = find(d, did);
	return known ? outbox_offer(&known->outbox, owner, pdu) : -ENOENT;
}

void delivery_expire(struct delivery *d, uint64_t owner)
{
	for (size_t i = 0; i < d->count; i++)
		outbox_expire(&d->list[i]->outbox, owner);
}

void delivery_expire_if(struct delivery *d, delivery_ended *ended, const void *context)
{
	for (size_t i = 0; i < d->count; i++)
		outbox_expire_if(&d->list[i]->outbox, ended, context);
}

static void add_counters(struct delivery_counters *sum, const struct delivery_counters *c)
{
	sum->offered += c->offered;
	sum->confirmed += c->confirmed;
	sum->unconfirmed += c->unconfirmed;
	sum->queued += c->queued;
	sum->lost_queue_full += c->lost_queue_full;
	sum->lost_shutdown += c->lost_shutdown;
	sum->expired += c->expired;
	sum->repeated += c->repeated;
	sum->written_octets += c->written_octets;
	sum->writes += c->writes;
	sum->keepalives_sent += c->keepalives_sent;
	sum->keepalives_answered += c->keepalives_answered;
	sum->connects += c->connects;
	sum->connect_failures += c->connect_failures;
	sum->disconnects += c->disconnects;
	sum->answers_refused += c->answers_refused;
	sum->keepalives_of_peer += c->keepalives_of_peer;
}

// A removed destination goes when its connection has ended.
static void bury(struct delivery *d)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->count; i++) {
		struct destination *at = d->list[i];
		if (is_listed(at) || !destination_is_done(at)) {
			d->list[kept++] = at;
			continue;
		}
		add_counters(&d->gone, &at->outbox.counters);
		destination_free(at);
	}
	d->count = kept;
}

int delivery_poll(struct delivery *d, uint64_t now_ms)
{
	uint64_t due = LONGEST_WAIT_MS;
	for (size_t i = 0; i < d->count; i++) {
		uint64_t its = destination_poll(d->list[i], d->context, now_ms);
		due = its < due ? its : due;
	}
	bury(d);
	return (int)due;
}

size_t delivery_pollfds(const struct delivery *d, struct pollfd *out, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < d->count && count < max; i++)
		if (link_pollfd(&d->list[i]->link, &out[count]))
			count++;
	return count;
}

void delivery_stop(struct delivery *d)
{
	d->stopping = true;
	for (size_t i = 0; i < d->count; i++)
		if (is_listed(d->list[i]))
			destination_stop(d->list[i]);
}

bool delivery_idle(const struct delivery *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (!outbox_is_empty(&d->list[i]->outbox))
			return false;
	return true;
}

bool delivery_stopped(const struct delivery *d)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct destination *at = d->list[i];
		bool hopeless = !d->context && at->link.state == DELIVERY_WAITING;
		if (!hopeless && !destination_is_done(at))
			return false;
	}
	return true;
}

void delivery_give_up(struct delivery *d)
{
	d->stopping = true;
	for (size_t i = 0; i < d->count; i++)
		if (is_listed(d->list[i]))
			destination_give_up(d->list[i]);
}

size_t delivery_count(const struct delivery *d)
{
	size_t count = 0;
	for (size_t i = 0; i < d->count; i++)
		count += is_listed(d->list[i]);
	return count;
}

void delivery_status(const struct delivery *d, size_t index, struct delivery_status *out)
{
	const struct destination *at = find_by_index(d, index);
	*out = (struct delivery_status){.fault = ""};
	if (!at)
		return;
	*out = (struct delivery_status){
		.destination = at->settings,
		.state = at->link.state,
		.fault = at->fault,
		.counters = at->outbox.counters,
		.queue_used = queue_used(&at->outbox.queue),
	};
}

void delivery_totals(const struct delivery *d, struct delivery_counters *out)
{
	struct delivery_counters sum = d->gone;
	for (size_t i = 0; i < d->count; i++)
		add_counters(&sum, &d->list[i]->outbox.counters);
	*out = sum;
}

bool delivery_law_holds(const struct delivery_counters *c)
{
	return c->offered == c->confirmed + c->unconfirmed + c->queued + c->lost_queue_full +
	                             c->lost_shutdown + c->expired;
}
