// What x2ctl shows. The operator sees ports, forwarding and faults, which are the same with and without targets; what tells
// of targets is for the LI role.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core.h"

static void add_time(struct text *out, const char *key, time_t when)
{
	struct tm utc;
	char text[32];
	gmtime_r(&when, &utc);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
	text_add(out, ",\"%s\":\"%s\"", key, text);
}

static void add_string(struct text *out, const char *key, const char *value)
{
	text_add(out, ",\"%s\":", key);
	text_add_json_string(out, value ? value : "");
}

static const char *state_name(enum delivery_state state)
{
	static const char *const names[] = {
		"waiting", "connecting", "handshake", "proving", "up", "closing"};
	return names[state];
}

static void add_ports(const struct core *core, struct text *out)
{
	text_add(out, ",\"ports\":[");
	for (size_t i = 0; i < dataplane_port_count(core->dataplane); i++) {
		struct dataplane_port_counters c;
		dataplane_port_counters(core->dataplane, i, &c);
		text_add(out, "%s{\"device\":", i ? "," : "");
		text_add_json_string(out, c.device);
		add_string(out, "ipid", c.ipid);
		text_add(out,
			",\"link\":\"%s\",\"rx_queues\":%u,\"received\":%lu,\"received_octets\":%lu,\"forwarded\":%lu,\"absorbed\":%lu,"
			"\"dropped\":%lu,\"nic_missed\":%lu,\"nic_errors\":%lu,\"nic_no_mbuf\":%lu}",
			c.link_up ? "up" : "down", c.rx_queues, c.received, c.received_octets,
			c.forwarded, c.absorbed, c.dropped, c.nic_missed, c.nic_errors,
			c.nic_no_mbuf);
	}
	text_add(out, "]");
}

static void add_faults(const struct core *core, struct text *out)
{
	text_add(out, ",\"faults\":[");
	for (size_t i = 0; i < core->faults.count; i++) {
		const struct fault *f = &core->faults.list[i];
		text_add(out, "%s{\"name\":", i ? "," : "");
		text_add_json_string(out, f->name);
		add_time(out, "since", f->since);
		add_string(out, "text", f->text);
		text_add(out, "}");
	}
	text_add(out, "]");
}

static void add_destinations(const struct core *core, struct text *out)
{
	text_add(out, ",\"destinations\":[");
	for (size_t i = 0; i < delivery_count(core->delivery); i++) {
		struct delivery_status s;
		char did[UUID_TEXT], address[ADDRESS_TEXT];
		delivery_status(core->delivery, i, &s);
		uuid_format(&s.destination.did, did);
		address_format(&s.destination.address, address);
		const struct delivery_counters *c = &s.counters;
		text_add(out,
			"%s{\"did\":\"%s\",\"address\":\"%s\",\"port\":%u,\"state\":\"%s\",\"queue_octets\":%zu,\"offered\":%lu,"
			"\"confirmed\":%lu,\"unconfirmed\":%lu,\"queued\":%lu,\"lost_queue_full\":%lu,\"lost_shutdown\":%lu,"
			"\"expired\":%lu,\"repeated\":%lu,\"connects\":%lu,\"connect_failures\":%lu,\"disconnects\":%lu,"
			"\"keepalives_sent\":%lu,\"keepalives_answered\":%lu,\"writes\":%lu,\"written_octets\":%lu",
			i ? "," : "", did, address, s.destination.port, state_name(s.state),
			s.queue_used, c->offered, c->confirmed, c->unconfirmed, c->queued,
			c->lost_queue_full, c->lost_shutdown, c->expired, c->repeated, c->connects,
			c->connect_failures, c->disconnects, c->keepalives_sent,
			c->keepalives_answered, c->writes, c->written_octets);
		add_string(out, "fault", s.fault);
		text_add(out, "}");
	}
	text_add(out, "]");
}

void report_status(const struct core *core, enum control_role role, struct text *out)
{
	uint64_t up_s = (monotonic_ms() - core->started_ms) / 1000;
	text_add(out,
		"{\"ok\":true,\"version\":\"" X2TAP_VERSION "\",\"uptime_s\":%lu,\"workers\":%u",
		up_s, dataplane_worker_count(core->dataplane));
	add_string(out, "nfid", core->config->nfid);
	if (role == CONTROL_LI)
		text_add(out, ",\"generation\":%u,\"tasks\":%zu,\"task_capacity\":%u",
			orders_generation(core->orders), orders_in_force(core->orders)->task_count,
			core->config->targets.capacity);
	add_ports(core, out);
	if (role == CONTROL_LI)
		add_destinations(core, out);
	add_faults(core, out);
	text_add(out, "}");
}

static void add_classes(const struct core *core, struct text *out)
{
	uint64_t sums[PACKET_CLASSES] = {0};
	for (size_t i = 0; i < dataplane_port_count(core->dataplane); i++) {
		struct dataplane_port_counters c;
		dataplane_port_counters(core->dataplane, i, &c);
		for (unsigned class = 0; class < PACKET_CLASSES; class ++)
			sums[class] += c.classes[class];
	}
	text_add(out, ",\"frames_by_class\":{");
	for (unsigned class = 0; class < PACKET_CLASSES; class ++)
		text_add(out, "%s\"%s\":%lu", class ? "," : "",
			packet_class_name((enum packet_class) class), sums[class]);
	text_add(out, "}");
}

// A counter of a struct of nothing but uint64_t.
struct counter {
	const char *name;
	size_t offset;
};

static void add_counter_list(
	struct text *out, const void *counters, const struct counter *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value;
		memcpy(&value, (const char *)counters + list[i].offset, sizeof value);
		text_add(out, "%s\"%s\":%lu", i ? "," : "", list[i].name, value);
	}
}

#define SIP(member) {#member, offsetof(struct analysis_counters, member)}
#define FRAGMENTS(member) {#member, offsetof(struct fragments_counters, member)}
#define STREAMS(member) {#member, offsetof(struct streams_counters, member)}

static const struct counter sip_list[] = {SIP(datagrams), SIP(keepalives), SIP(not_sip),
	SIP(sigcomp), SIP(dtls), SIP(with_messages), SIP(stream_not_sip), SIP(messages), SIP(parsed),
	SIP(defective), {"datagrams_with_excess", offsetof(struct analysis_counters, excess)},
	SIP(lost_handover)};

static const struct counter datagrams_list[] = {FRAGMENTS(started), FRAGMENTS(completed),
	FRAGMENTS(dropped), FRAGMENTS(passed), FRAGMENTS(given_up), FRAGMENTS(timed_out)};

static const struct counter streams_list[] = {STREAMS(opened), STREAMS(ended),
	{"let_go_tls", offsetof(struct streams_counters, let_go[FRAMING_TLS])},
	{"let_go_websocket", offsetof(struct streams_counters, let_go[FRAMING_WEBSOCKET])},
	{"let_go_foreign", offsetof(struct streams_counters, let_go[FRAMING_FOREIGN])}, STREAMS(idle),
	STREAMS(given_up), STREAMS(segments), STREAMS(in_order), STREAMS(out_of_order),
	STREAMS(repeated), STREAMS(out_of_window), STREAMS(not_followed), STREAMS(mid_stream),
	STREAMS(urgent), STREAMS(overlap_differs), STREAMS(gaps), STREAMS(gap_octets),
	STREAMS(unread_octets), STREAMS(resync_octets), STREAMS(keepalive_octets), STREAMS(messages), STREAMS(messages_cut),
	STREAMS(messages_too_long), STREAMS(no_memory)};

#define LIST(list) list, sizeof list / sizeof *list

static void add_sip(const struct analysis_counters *s, struct text *out)
{
	text_add(out, ",\"sip\":{");
	add_counter_list(out, s, LIST(sip_list));
	text_add(out, "},\"sip_defects\":{");
	for (unsigned bit = 0; bit < SIP_DEFECT_COUNT; bit++)
		text_add(
			out, "%s\"%s\":%lu", bit ? "," : "", sip_defect_name(bit), s->defects[bit]);
	text_add(out, "}");
}

static void add_fragments(const struct dataplane_totals *t, struct text *out)
{
	text_add(out, ",\"fragments\":{\"taken\":%lu", t->fragments.taken);
	for (unsigned result = 0; result < FRAGMENTS_RESULTS; result++)
		text_add(out, ",\"%s\":%lu",
			fragments_result_name((enum fragments_result)result),
			t->fragments.results[result]);
	text_add(out, "},\"fragmented_datagrams\":{\"incomplete\":%lu,", t->incomplete);
	add_counter_list(out, &t->fragments, LIST(datagrams_list));
	text_add(out, ",\"too_nested\":%lu}", t->signalling.too_nested);
}

static void add_streams(const struct dataplane_totals *t, struct text *out)
{
	text_add(out, ",\"streams\":{\"followed\":%lu,", t->followed);
	add_counter_list(out, &t->streams, LIST(streams_list));
	text_add(out, "}");
}

static void add_work(const struct dataplane_totals *t, struct text *out)
{
	const struct dataplane_work *w = &t->work;
	double cycles = w->busy_frames ? (double)w->busy_cycles / (double)w->busy_frames : 0;
	text_add(out,
		",\"work\":{\"busy_cycles_per_frame\":%.1f,\"candidates\":%lu,\"lost_busy\":%lu,\"lost_parts\":%lu,"
		"\"claims_given_up\":%lu}",
		cycles, w->candidates, w->lost_busy, t->signalling.lost_parts, t->claims_given_up);
}

static void add_signalling(const struct dataplane_totals *t, struct text *out)
{
	add_sip(&t->signalling, out);
	add_fragments(t, out);
	add_streams(t, out);
	add_work(t, out);
}

static void add_li(const struct core *core, const struct dataplane_totals *t, struct text *out)
{
	const struct sip_events_counters *s = &t->sip;
	const struct iri_counters *i = iri_counters(core->iri);
	const struct core_counters *c = &core->counters;
	text_add(out,
		",\"matching\":{\"matched\":%lu,\"reported\":%lu,\"suppressed\":%lu,\"lost_ring_full\":%lu,\"lost_too_large\":%lu,"
		"\"lost_too_many_tasks\":%lu,\"identities_passed_over\":%lu,\"sessions_given_up\":%lu,\"duplicates_given_up\":%lu}",
		s->matched, s->reported, s->suppressed, s->lost_ring_full, s->lost_too_large,
		s->lost_too_many_tasks, s->identities_passed_over, s->sessions_given_up,
		s->duplicates_given_up);
	text_add(out,
		",\"iri\":{\"taken\":%lu,\"expired\":%lu,\"numbered\":%lu,\"wanted\":%lu,\"lost_no_destination\":%lu,\"lost_queue\":%lu,"
		"\"lost_too_large\":%lu,\"body_cut\":%lu,\"events_whole\":%lu,\"events_withheld\":%lu,\"events_blanked\":%lu,"
		"\"sequences_given_up\":%lu}",
		c->taken, c->expired, c->numbered, c->wanted, c->lost_no_destination, c->lost_queue,
		i->lost_too_large, i->body_cut, i->whole, i->withheld, i->blanked,
		sequences_given_up(core->sequences));
	text_add(out, ",\"frames_of_targets_without_iri\":{");
	for (unsigned class = 0; class < PACKET_CLASSES; class ++)
		text_add(out, "%s\"%s\":%lu", class ? "," : "",
			packet_class_name((enum packet_class) class),
			t->work.target_frames[class]);
	text_add(out, "}");
	add_destinations(core, out);
}

void report_counters(const struct core *core, enum control_role role, struct text *out)
{
	struct dataplane_totals totals;
	dataplane_totals(core->dataplane, &totals);
	text_add(out, "{\"ok\":true");
	add_ports(core, out);
	add_classes(core, out);
	add_signalling(&totals, out);
	if (role == CONTROL_LI)
		add_li(core, &totals, out);
	text_add(out, "}");
}

// --- the accounting laws -------------------------------------------------------------------------------------------

// One law at one reading. Both sides only ever grow, and the right one follows the left within `under_way`.
struct law {
	char name[DATAPLANE_PORT_NAME + 16];
	const char *formula;
	uint64_t left, right;
	uint64_t under_way; // what workers may hold between the two sides: a burst, a ring
};

struct laws {
	struct law list[2 * 2 * CONFIG_MAX_PORTS + CONFIG_MAX_DESTINATIONS + 16];
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
		"started = completed + dropped + passed + given_up + timed_out + incomplete", f->started,
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

static void li_laws(const struct core *core, const struct dataplane_totals *t, struct laws *laws,
	uint64_t events)
{
	const struct sip_events_counters *s = &t->sip;
	const struct core_counters *c = &core->counters;
	law(laws, "matching", "matched = reported + suppressed + lost", s->matched,
		s->reported + s->suppressed + s->lost_ring_full + s->lost_too_large +
			s->lost_too_many_tasks,
		events);
	law(laws, "events", "reported = taken", s->reported, c->taken, events);
	law(laws, "numbers", "taken = numbered + expired", c->taken, c->numbered + c->expired, 0);
	law(laws, "copies", "wanted = offered + lost_too_large + lost_no_destination + lost_queue",
		c->wanted,
		c->offered + iri_counters(core->iri)->lost_too_large + c->lost_no_destination +
			c->lost_queue,
		0);
	for (size_t i = 0; i < delivery_count(core->delivery); i++) {
		struct delivery_status status;
		char did[UUID_TEXT], name[UUID_TEXT + 16];
		delivery_status(core->delivery, i, &status);
		uuid_format(&status.destination.did, did);
		snprintf(name, sizeof name, "delivery %s", did);
		const struct delivery_counters *d = &status.counters;
		law(laws, name,
			"offered = confirmed + unconfirmed + queued + lost_queue_full + lost_shutdown + expired",
			d->offered,
			d->confirmed + d->unconfirmed + d->queued + d->lost_queue_full +
				d->lost_shutdown + d->expired,
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
