// The accounting laws: what x2ctl check asks, and every exit.
#include <stdio.h>

#include "core.h"
#include "watch.h"

// One law at one reading. Both sides only ever grow, and the right one follows the left within `under_way`.
struct law {
	char name[DATAPLANE_PORT_NAME + 16];
	const char *formula;
	uint64_t left, right;
	uint64_t under_way; // what workers may hold between the two sides: a burst, a ring
};

struct laws {
	struct law list[2 * 2 * CONFIG_MAX_PORTS + WATCH_DESTINATIONS + 28 + 3 * SIGNAL_PROTOCOLS];
	size_t count;
};

static void law(struct laws *laws, const char *name, const char *formula, uint64_t left,
	uint64_t right, uint64_t under_way)
{
	struct law *l = &laws->list[laws->count++];
	*l = (struct law){.formula = formula, .left = left, .right = right, .under_way = under_way};
	snprintf(l->name, sizeof l->name, "%s", name);
}

static void port_laws(const struct core *core, struct laws *laws, uint64_t burst)
{
	for (size_t i = 0; i < dataplane_port_count(core->dataplane); i++) {
		struct dataplane_port_counters c;
		char name[DATAPLANE_PORT_NAME + 16];
		uint64_t classes = 0;
		dataplane_port_counters(core->dataplane, i, &c);
		for (unsigned class = 0; class < PACKET_CLASSES; class ++)
			classes += c.classes[class];
		snprintf(name, sizeof name, "frames %s", c.device);
		law(laws, name, "received = forwarded + absorbed + dropped", c.received,
			c.forwarded + c.absorbed + c.dropped, burst * c.rx_queues);
		snprintf(name, sizeof name, "classes %s", c.device);
		law(laws, name, "received = sum of frames by class", c.received, classes,
			burst * c.rx_queues);
	}
}

static void signalling_laws(
	const struct dataplane_totals *t, struct laws *laws, uint64_t messages, uint64_t handovers)
{
	const struct analysis_counters *s = &t->signalling;
	law(laws, "sip datagrams",
		"datagrams = keepalives + not_sip + sigcomp + dtls + with_messages", s->datagrams,
		s->keepalives + s->not_sip + s->sigcomp + s->dtls + s->with_messages, messages);
	law(laws, "sip messages", "messages = parsed + defective", s->messages,
		s->parsed + s->defective, messages);
	law(laws, "sip owners", "messages = taken + lost_handover", s->messages,
		s->taken + s->lost_handover, messages + handovers);
}

static void protocol_laws(
	const struct dataplane_totals *t, struct laws *laws, uint64_t messages, uint64_t handovers)
{
	for (unsigned i = 0; i < protocol_count; i++) {
		const struct protocol_counters *c = &t->protocols.protocols[i];
		char name[DATAPLANE_PORT_NAME + 16];
		snprintf(name, sizeof name, "%s datagrams", protocols[i].name);
		law(laws, name, "datagrams = messages + not_understood", c->datagrams,
			c->messages + c->not_understood, messages);
		snprintf(name, sizeof name, "%s messages", protocols[i].name);
		law(laws, name, "messages = parsed + defective", c->messages,
			c->parsed + c->defective, messages);
		snprintf(name, sizeof name, "%s owner", protocols[i].name);
		law(laws, name, "messages = taken + lost_handover", c->messages,
			c->taken + c->lost_handover, messages + handovers);
	}
}

static uint64_t sum_of(const struct bindings *b, const enum binding_counter *counters, size_t count)
{
	uint64_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += bindings_counter(b, counters[i]);
	return total;
}

#define SUM_OF(b, ...)                                                                             \
	sum_of(b, (const enum binding_counter[]){__VA_ARGS__},                                     \
		sizeof((const enum binding_counter[]){__VA_ARGS__}) /                              \
			sizeof(enum binding_counter))

static void binding_laws(const struct bindings *b, struct laws *laws, uint64_t messages)
{
	uint64_t refused = 0;
	for (unsigned i = BINDING_NOTHING + 1; i < BINDING_REFUSALS; i++)
		refused += bindings_refused(b, (enum binding_refusal)i);
	law(laws, "binding signals", "signals = applied + refused",
		bindings_counter(b, BINDINGS_SIGNALS),
		bindings_counter(b, BINDINGS_APPLIED) + refused, messages);
	law(laws, "bound sessions",
		"begun = ended + replaced + expired + idle + restarted + given_up + sessions",
		bindings_counter(b, BINDINGS_BEGUN),
		SUM_OF(b, BINDINGS_ENDED, BINDINGS_REPLACED, BINDINGS_EXPIRED, BINDINGS_IDLE,
			BINDINGS_RESTARTED, BINDINGS_GIVEN_UP, BINDINGS_SESSIONS),
		messages);
	law(laws, "pending sessions", "begun = answered + dropped + expired + given_up + pending",
		bindings_counter(b, BINDINGS_PENDING_BEGUN),
		SUM_OF(b, BINDINGS_PENDING_ANSWERED, BINDINGS_PENDING_DROPPED,
			BINDINGS_PENDING_EXPIRED, BINDINGS_PENDING_GIVEN_UP, BINDINGS_PENDING),
		messages);
	law(laws, "bound addresses", "begun = ended + released + expired + reassigned + leases",
		bindings_counter(b, BINDINGS_LEASES_BEGUN),
		SUM_OF(b, BINDINGS_LEASES_ENDED, BINDINGS_LEASES_RELEASED, BINDINGS_LEASES_EXPIRED,
			BINDINGS_LEASES_REASSIGNED, BINDINGS_LEASES),
		messages);
}

static uint64_t sum(const uint64_t *counters, size_t count)
{
	uint64_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += counters[i];
	return total;
}

static void reassembly_laws(
	const struct dataplane_totals *t, struct laws *laws, uint64_t candidates)
{
	const struct fragments_counters *f = &t->fragments;
	const struct streams_counters *s = &t->streams;
	law(laws, "fragments", "taken = sum of fragments by what became of them", f->taken,
		sum(f->results, FRAGMENTS_RESULTS), candidates);
	law(laws, "fragmented datagrams",
		"started = completed + dropped + passed + given_up + timed_out + incomplete",
		f->started,
		f->completed + f->dropped + f->passed + f->given_up + f->timed_out + t->incomplete,
		candidates);
	law(laws, "segments",
		"segments = in_order + out_of_order + repeated + out_of_window + not_followed + no_memory",
		s->segments,
		s->in_order + s->out_of_order + s->repeated + s->out_of_window + s->not_followed +
			s->no_memory,
		candidates);
	law(laws, "streams", "opened = ended + let_go + idle + given_up + followed", s->opened,
		s->ended + sum(s->let_go, FRAMING_REASONS) + s->idle + s->given_up + t->followed,
		candidates);
}

static void matching_law(
	struct laws *laws, const char *name, const struct event_counters *s, uint64_t events)
{
	law(laws, name, "matched = reported + suppressed + lost", s->matched,
		s->reported + s->suppressed + s->lost_ring_full + s->lost_too_large +
			s->lost_too_many_tasks,
		events);
}

static void li_laws(const struct core *core, const struct dataplane_totals *t, struct laws *laws,
	uint64_t events)
{
	const struct event_counters *s = &t->sip, *o = &t->signals;
	const struct core_counters *c = &core->counters;
	matching_law(laws, "matching", s, events);
	matching_law(laws, "matching of signals", o, events);
	law(laws, "events", "reported = taken", s->reported + o->reported, c->taken, 2 * events);
	law(laws, "numbers", "taken = numbered + expired + suspended", c->taken,
		c->numbered + c->expired + c->suspended, 0);
	law(laws, "copies", "wanted = offered + lost_too_large + lost_no_destination + lost_queue",
		c->wanted,
		c->offered + iri_counters(core->iri)->lost_too_large + c->lost_no_destination +
			c->lost_queue,
		0);
	struct delivery_counters totals;
	delivery_totals(core->delivery, &totals);
	law(laws, "handed over", "offered = sum of offered by destination", c->offered,
		totals.offered, 0);
	for (size_t i = 0; i < delivery_count(core->delivery) && i < WATCH_DESTINATIONS; i++) {
		struct delivery_status status;
		char did[UUID_TEXT], name[UUID_TEXT + 16];
		delivery_status(core->delivery, i, &status);
		uuid_format(&status.destination.did, did);
		snprintf(name, sizeof name, "delivery %s", did);
		const struct delivery_counters *d = &status.counters;
		law(laws, name,
			"offered + restored = confirmed + unconfirmed + queued + spooled + lost + expired",
			d->offered + d->restored,
			d->confirmed + d->unconfirmed + d->queued + d->spooled + delivery_lost(d) +
				d->expired,
			0);
	}
}

static void read_laws(const struct core *core, enum control_role role, struct laws *laws)
{
	// What stands between two counters: bursts, streams that give what they held, rings of parcels.
	enum {
		BURST = 64,
		MESSAGES_A_BURST = BURST * 64,
		HANDOVER_RING = (8 << 20) / sizeof(struct parcel),
		TASKS = 64
	};
	struct dataplane_totals totals;
	uint64_t workers = dataplane_worker_count(core->dataplane);
	uint64_t moving = dataplane_stopped(core->dataplane)
	                          ? 0
	                          : 1; // nothing is under way once the workers have stopped
	dataplane_totals(core->dataplane, &totals);
	laws->count = 0;
	port_laws(core, laws, moving * BURST);
	signalling_laws(&totals, laws, moving * workers * MESSAGES_A_BURST,
		moving * workers * HANDOVER_RING);
	protocol_laws(&totals, laws, moving * workers * MESSAGES_A_BURST,
		moving * workers * HANDOVER_RING);
	if (core->bindings)
		binding_laws(core->bindings, laws,
			moving * workers * MESSAGES_A_BURST * BINDING_MAX_LEASES);
	reassembly_laws(&totals, laws, moving * workers * MESSAGES_A_BURST);
	if (role == CONTROL_LI)
		li_laws(core, &totals, laws, moving * workers * MESSAGES_A_BURST * TASKS);
}

// The workers go on while we read. Two readings, one after the other, bound what is true at the instant between them: the
// left side of the first cannot be more than the right side of the second and what is under way, and the reverse.
bool report_laws(const struct core *core, enum control_role role, struct text *out)
{
	struct laws first, second;
	bool all_hold = true;
	read_laws(core, role, &first);
	read_laws(core, role, &second);
	if (out)
		text_add(out, "{\"ok\":true,\"laws\":[");
	for (size_t i = 0; i < first.count; i++) {
		const struct law *a = &first.list[i], *b = &second.list[i];
		bool holds =
			a->left <= b->right + a->under_way && a->right <= b->left + a->under_way;
		all_hold &= holds;
		if (!out)
			continue;
		text_add(out,
			"%s{\"name\":\"%s\",\"holds\":%s,\"left\":%lu,\"right\":%lu,\"text\":\"%s\"}",
			i ? "," : "", a->name, holds ? "true" : "false", b->left, b->right,
			a->formula);
	}
	if (out)
		text_add(out, "],\"all_hold\":%s}", all_hold ? "true" : "false");
	return all_hold;
}
