#include "delivery.h"

#include <errno.h>
#include <stdlib.h>

#include <poll.h>

#include "destination.h"

enum { LONGEST_WAIT_MS = 1000 };

struct delivery {
	struct destination_ground ground;
	const struct tls_context *latest; // the latest one that was there; perhaps freed since
	struct delivery_hooks hooks;
	uint64_t random_seed;
	struct destination **list; // removed ones too, until their connection has ended
	size_t count, cap;
	struct delivery_counters gone; // of those that have ended
	bool stopping;
};

struct delivery *delivery_new(struct tls_context *context, uint64_t random_seed,
	const struct delivery_hooks *hooks, struct error *error)
{
	struct delivery *d = calloc(1, sizeof *d);
	if (!d) {
		error_set(error, -ENOMEM, "delivery: no memory");
		return NULL;
	}
	d->ground.context = context;
	d->latest = context;
	if (hooks)
		d->hooks = *hooks;
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
	if (context && context != d->latest) {
		d->ground.generation++; // a peer may be revoked, or of another CA now
		d->latest = context;
	}
	d->ground.context = context;
	for (size_t i = 0; i < d->count; i++)
		destination_connect_now(d->list[i]);
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
		destination_new(settings, &d->hooks, d->random_seed++ * 0x9e3779b97f4a7c15);
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
	struct delivery_endpoint endpoints[DELIVERY_MAX_ENDPOINTS];
	int result = destination_check(destination, &checked, endpoints, error);
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

int delivery_send(
	struct delivery *d, const struct uuid *did, const struct delivery_pdu *pdu, uint64_t now_ms)
{
	struct destination *known = find(d, did);
	return known ? outbox_offer(&known->outbox, pdu, now_ms) : -ENOENT;
}

uint64_t delivery_safe_before(const struct delivery *d, uint64_t now_ms)
{
	uint64_t before = now_ms;
	for (size_t i = 0; i < d->count; i++) {
		uint64_t its = outbox_safe_before(&d->list[i]->outbox, now_ms);
		before = its < before ? its : before;
	}
	return before;
}

void delivery_expire_if(struct delivery *d, delivery_ended *ended, const void *context)
{
	for (size_t i = 0; i < d->count; i++)
		outbox_expire_if(&d->list[i]->outbox, ended, context);
}

enum { COUNTERS = sizeof(struct delivery_counters) / sizeof(uint64_t) };
_Static_assert(COUNTERS * sizeof(uint64_t) == sizeof(struct delivery_counters),
	"all counters are 64 bits wide, and can be added up as a row");

static void add_counters(struct delivery_counters *sum, const struct delivery_counters *c)
{
	uint64_t to[COUNTERS], from[COUNTERS];
	memcpy(to, sum, sizeof to);
	memcpy(from, c, sizeof from);
	for (size_t i = 0; i < COUNTERS; i++)
		to[i] += from[i];
	memcpy(sum, to, sizeof to);
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

int delivery_poll(struct delivery *d, uint64_t now_ms, uint64_t realtime_ms)
{
	uint64_t due = LONGEST_WAIT_MS;
	for (size_t i = 0; i < d->count; i++) {
		uint64_t its = destination_poll(d->list[i], &d->ground, now_ms, realtime_ms);
		due = its < due ? its : due;
	}
	bury(d);
	return (int)due;
}

size_t delivery_pollfds(const struct delivery *d, struct pollfd *out, size_t max)
{
	size_t count = 0;
	for (size_t i = 0; i < d->count && count < max; i++)
		count += destination_pollfds(d->list[i], out + count, max - count);
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
		bool hopeless = !d->ground.context && destination_state(at) == DELIVERY_WAITING;
		if (!hopeless && !destination_is_done(at))
			return false;
	}
	return true;
}

void delivery_give_up(struct delivery *d)
{
	d->stopping = true;
	for (size_t i = 0; i < d->count; i++)
		destination_give_up(d->list[i]);
}

uint64_t delivery_kept(const struct delivery *d)
{
	uint64_t kept = 0;
	for (size_t i = 0; i < d->count; i++)
		kept += outbox_kept(&d->list[i]->outbox);
	return kept;
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
	*out = (struct delivery_status){.fault = "", .spool_fault = ""};
	if (!at)
		return;
	*out = (struct delivery_status){
		.destination = at->settings,
		.state = destination_state(at),
		.fault = at->fault,
		.certificate_fault = at->certificate_fault,
		.certificate_end = at->main->proven ? tls_peer_not_after(at->main->tls) : 0,
		.active = destination_active(at),
		.idle = destination_is_idle(at),
		.counters = at->outbox.counters,
		.queue_used = outbox_queue_used(&at->outbox),
		.queue_octets_max = at->settings.queue_octets,
		.spool_octets = outbox_spool_octets(&at->outbox),
		.spool_segments = outbox_spool_segments(&at->outbox),
		.has_spool = outbox_has_spool(&at->outbox),
		.spool_is_open = outbox_spool_is_open(&at->outbox),
		.spool_fault = outbox_spool_fault(&at->outbox),
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
	return c->offered + c->restored == c->confirmed + c->unconfirmed + c->queued + c->spooled +
	                                           c->lost_queue_full + c->lost_shutdown +
	                                           c->lost_spool_full + c->lost_spool_age +
	                                           c->lost_spool_damaged + c->expired;
}
