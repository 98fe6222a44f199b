#include "watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "host_clock.h"

enum {
	QUEUE_BEGINS = 80, // per cent
	QUEUE_ENDS = 60,
	LOSS_LASTS_MS = 60000, // a loss is a fault until there was none for so long
	DAY_S = 86400,
};

// --- ports and workers ------------------------------------------------------------------------------------------------

static void watch_ports(struct core *core)
{
	for (size_t i = 0; i < dataplane_port_count(core->dataplane); i++) {
		struct dataplane_port_counters c;
		dataplane_port_counters(core->dataplane, i, &c);
		if (c.link_up)
			fault_end(&core->faults, FAULT_PORT_DOWN, c.device);
		else
			fault_begin(&core->faults, FAULT_PORT_DOWN, c.device,
				"no link: check cable, peer and driver");
	}
}

static void watch_workers(struct watch *w, struct core *core, uint64_t now_ms)
{
	unsigned count = dataplane_worker_count(core->dataplane);
	if (core->stopping)
		return; // they end, and then stand still for as long as IRI are waited for
	for (unsigned i = 0; i < count && i < CONFIG_MAX_WORKERS; i++) {
		uint64_t turns = dataplane_worker_turns(core->dataplane, i);
		char about[24];
		snprintf(about, sizeof about, "%u", i);
		if (turns != w->turns[i] || w->moved_ms[i] == 0) {
			w->turns[i] = turns;
			w->moved_ms[i] = now_ms;
			fault_end(&core->faults, FAULT_WORKER_STALLED, about);
		} else if (now_ms - w->moved_ms[i] >= core->config->stall_timeout_ms) {
			fault_begin(&core->faults, FAULT_WORKER_STALLED, about,
				"it has not looked at its queues for over %" PRIu32
				" ms: its frames wait. Is something else running on its CPU?",
				core->config->stall_timeout_ms);
		}
	}
}

// --- certificates ---------------------------------------------------------------------------------------------------------

struct expiring {
	enum fault_kind kind;
	const char *about, *what; // `what` is the subject of the text
	const char *remedy;
	time_t end; // 0: nothing
	bool for_li;
};

static void begin_expiry(struct core *core, const struct expiring *e, const char *when)
{
	if (e->for_li)
		fault_begin_li(
			&core->faults, e->kind, e->about, "%s %s: %s", e->what, when, e->remedy);
	else
		fault_begin(
			&core->faults, e->kind, e->about, "%s %s: %s", e->what, when, e->remedy);
}

// Warned of 30, 7 and 1 days ahead, and when it is over.
static void watch_expiry(struct core *core, const struct expiring *e)
{
	static const struct {
		int days;
		const char *when;
	} steps[] = {{0, "has expired"}, {1, "expires in less than 1 day"},
		{7, "expires in less than 7 days"}, {30, "expires in less than 30 days"}};
	double left = difftime(e->end, time(NULL));
	for (size_t i = 0; e->end && i < sizeof steps / sizeof *steps; i++) {
		if (left > steps[i].days * (double)DAY_S)
			continue;
		begin_expiry(core, e, steps[i].when);
		return;
	}
	fault_end(&core->faults, e->kind, e->about);
}

static void watch_own(struct core *core, const char *about, const char *path, time_t end)
{
	watch_expiry(core, &(struct expiring){FAULT_TLS_EXPIRY, about, path,
				   "replace it and reload", end, false});
}

static void watch_certificates(struct core *core)
{
	struct tls_expiry expiry = {0};
	const struct config *c = core->config;
	if (orders_tls(core->orders))
		tls_context_expiry(orders_tls(core->orders), &expiry);
	watch_own(core, "certificate", c->tls.cert, expiry.own);
	watch_own(core, "CA", c->tls.ca, expiry.authority);
	watch_own(core, "CRL", c->tls.crl, expiry.revocations);
}

// --- destinations ---------------------------------------------------------------------------------------------------------

static void end_all(struct core *core, const char *did)
{
	fault_end(&core->faults, FAULT_MF_UNREACHABLE, did);
	fault_end(&core->faults, FAULT_MF_CERTIFICATE, did);
}

// What is about a destination that is connected to on demand tells that there was something to send.
static void watch_connection(struct core *core, const struct delivery_status *s, const char *did)
{
	enum fault_kind kind = s->certificate_fault ? FAULT_MF_CERTIFICATE : FAULT_MF_UNREACHABLE;
	enum fault_kind other = s->certificate_fault ? FAULT_MF_UNREACHABLE : FAULT_MF_CERTIFICATE;
	// The members of a set fail in turn, each in its own way: that is one fault, under the name it began with.
	if (s->destination.endpoint_count > 1 && fault_is_on(&core->faults, other, did)) {
		other = kind;
		kind = s->certificate_fault ? FAULT_MF_UNREACHABLE : FAULT_MF_CERTIFICATE;
	}
	if (s->fault[0]) {
		fault_end(&core->faults, other, did);
		if (s->destination.on_demand)
			fault_begin_li(&core->faults, kind, did, "%s", s->fault);
		else
			fault_begin(&core->faults, kind, did, "%s", s->fault);
	} else if (s->state == DELIVERY_UP || s->idle) {
		end_all(core, did);
	}
}

// While there is no connection what was last seen holds.
static void watch_peer(struct core *core, const struct delivery_status *s, const char *did)
{
	if (s->certificate_end)
		watch_expiry(
			core, &(struct expiring){FAULT_MF_EXPIRY, did, "the MF's certificate",
				      "have it replaced, or nothing will be delivered from then on",
				      s->certificate_end, s->destination.on_demand});
}

static void watch_queue(struct core *core, const struct delivery_status *s, const char *did)
{
	uint64_t per_cent = s->queue_octets_max ? s->queue_used * 100 / s->queue_octets_max : 0;
	if (per_cent >= QUEUE_BEGINS)
		fault_begin(&core->faults, FAULT_QUEUE, did,
			"its queue in memory is more than %d %% full: %s", QUEUE_BEGINS,
			s->spool_is_open ? "what comes next goes to the spool alone"
					 : "the oldest will be lost when it is full");
	else if (per_cent < QUEUE_ENDS)
		fault_end(&core->faults, FAULT_QUEUE, did);
}

// Places in the list move up when one before them is removed.
static struct watch_loss *known_loss(struct watch *w, size_t place, const struct uuid *did)
{
	struct watch_loss *here = &w->losses[place];
	for (size_t i = place; i < WATCH_DESTINATIONS; i++) {
		struct watch_loss found = w->losses[i];
		if (!uuid_equal(&found.whose, did))
			continue;
		w->losses[i] = *here;
		*here = found;
		return here;
	}
	*here = (struct watch_loss){.whose = *did};
	return here;
}

static void watch_loss(struct watch *w, struct core *core, size_t place,
	const struct delivery_status *s, const char *did, uint64_t now_ms)
{
	uint64_t lost = delivery_lost(&s->counters);
	if (place >= WATCH_DESTINATIONS)
		return;
	struct watch_loss *last = known_loss(w, place, &s->destination.did);
	if (lost > last->lost) {
		last->lost = lost;
		last->at_ms = now_ms;
		fault_begin(&core->faults, FAULT_LOSS, did,
			"IRI for it are being lost: x2ctl counters tell how many and why, the audit log tells which");
	} else if (now_ms - last->at_ms >= LOSS_LASTS_MS) {
		fault_end(&core->faults, FAULT_LOSS, did);
	}
}

static void watch_spool(struct core *core, const struct delivery_status *s, const char *did)
{
	uint64_t most = (uint64_t)core->config->spool.max_mib << 20;
	if (!s->has_spool)
		return;
	if (s->spool_is_open)
		record_missing_segments(&core->record, &s->destination.did);
	if (s->spool_fault[0])
		fault_begin(&core->faults, FAULT_SPOOL, did, "%s", s->spool_fault);
	else if (s->spool_octets >= most / 100 * QUEUE_BEGINS)
		fault_begin(&core->faults, FAULT_SPOOL, did,
			"its spool is more than %d %% full: the oldest will be lost when it is full",
			QUEUE_BEGINS);
	else if (s->spool_octets < most / 100 * QUEUE_ENDS)
		fault_end(&core->faults, FAULT_SPOOL, did);
}

static void watch_destinations(struct watch *w, struct core *core, uint64_t now_ms)
{
	for (size_t i = 0; i < delivery_count(core->delivery); i++) {
		struct delivery_status status;
		char did[UUID_TEXT];
		delivery_status(core->delivery, i, &status);
		uuid_format(&status.destination.did, did);
		watch_connection(core, &status, did);
		watch_peer(core, &status, did);
		watch_queue(core, &status, did);
		watch_loss(w, core, i, &status, did, now_ms);
		watch_spool(core, &status, did);
	}
}

// --- the host ---------------------------------------------------------------------------------------------------------------

static void watch_clock(struct core *core)
{
	switch (host_clock_state()) {
	case HOST_CLOCK_SYNCHRONISED:
		fault_end(&core->faults, FAULT_CLOCK, NULL);
		break;
	case HOST_CLOCK_UNSYNCHRONISED:
		fault_begin(&core->faults, FAULT_CLOCK, NULL,
			"the kernel does not take this host's clock for synchronised: times of IRI may be wrong. Run chrony or another NTP client");
		break;
	case HOST_CLOCK_UNKNOWN:
		fault_begin(&core->faults, FAULT_CLOCK, NULL,
			"the kernel does not say whether this host's clock is synchronised: allow adjtimex(2)");
		break;
	}
}

static void watch_journal(struct watch *w, struct core *core)
{
	const char *fault = sequences_fault(core->sequences);
	uint64_t salted = sequences_salted(core->sequences);
	if (fault[0])
		fault_begin(&core->faults, FAULT_JOURNAL, NULL, "%s", fault);
	else
		fault_end(&core->faults, FAULT_JOURNAL, NULL);
	if (salted != w->salted)
		record_given_up(&core->record, salted - w->salted);
	w->salted = salted;
	uint64_t forgotten = sequences_forgotten(core->sequences);
	if (forgotten != w->forgotten)
		record_forgotten(&core->record, forgotten - w->forgotten);
	w->forgotten = forgotten;
}

void watch_look(struct watch *w, struct core *core, uint64_t now_ms)
{
	watch_ports(core);
	watch_workers(w, core, now_ms);
	watch_destinations(w, core, now_ms);
	watch_certificates(core);
	watch_clock(core);
	watch_journal(w, core);
}
