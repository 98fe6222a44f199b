// What x2ctl shows. The operator sees ports, forwarding and faults, which are the same with and without targets; what tells
// of targets is for the LI role.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "host_clock.h"

void report_time(struct text *out, const char *key, time_t when)
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

#define LIST(list) list, sizeof list / sizeof *list

static const char *report_type(const struct fault_info *info)
{
	return info->is_warning ? "Warning" : "NonTerminatingFault";
}

// Members as X1 will report them; the operator gets what is the same with and without targets.
static void add_faults(const struct core *core, enum control_role role, struct text *out)
{
	const char *comma = "";
	text_add(out, ",\"faults\":[");
	for (size_t i = 0; i < core->faults.count; i++) {
		const struct fault *f = &core->faults.list[i];
		const struct fault_info *info = fault_info(f->kind);
		if (role != CONTROL_LI && !fault_is_public(f))
			continue;
		text_add(out, "%s{\"name\":", comma);
		text_add_json_string(out, info->name);
		add_string(out, "about", f->about);
		report_time(out, "since", f->since);
		add_string(out, "report", report_type(info));
		text_add(out, ",\"code\":%d", info->is_warning ? 9010 : 9020);
		add_string(out, "text", f->text);
		text_add(out, "}");
		comma = ",";
	}
	text_add(out, "]");
}

void report_faults(const struct core *core, enum control_role role, struct text *out)
{
	text_add(out, "{\"ok\":true");
	add_faults(core, role, out);
	text_add(out, "}");
}

#define DELIVERY(member) {#member, offsetof(struct delivery_counters, member)}

static const struct counter delivery_list[] = {DELIVERY(offered), DELIVERY(restored),
	DELIVERY(confirmed), DELIVERY(unconfirmed), DELIVERY(unconfirmed_given_up), DELIVERY(queued), DELIVERY(spooled),
	DELIVERY(lost_queue_full), DELIVERY(lost_shutdown), DELIVERY(lost_spool_full),
	DELIVERY(lost_spool_age), DELIVERY(lost_spool_damaged), DELIVERY(expired),
	DELIVERY(expired_restored), DELIVERY(refused_gate), DELIVERY(repeated), DELIVERY(connects),
	DELIVERY(connect_failures), DELIVERY(disconnects), DELIVERY(failovers),
	DELIVERY(keepalives_sent), DELIVERY(keepalives_answered), DELIVERY(answers_refused),
	DELIVERY(keepalives_of_peer), DELIVERY(writes), DELIVERY(written_octets)};

static void add_destination(const struct delivery_status *s, struct text *out)
{
	const struct delivery_endpoint *endpoint = &s->destination.endpoints[s->active];
	char did[UUID_TEXT], address[ADDRESS_TEXT];
	uuid_format(&s->destination.did, did);
	address_format(&endpoint->address, address);
	text_add(out,
		"{\"did\":\"%s\",\"address\":\"%s\",\"port\":%u,\"state\":\"%s\",\"endpoints\":%zu,\"active\":%zu,"
		"\"queue_octets\":%zu,\"spool_octets\":%lu,\"spool_segments\":%lu,",
		did, address, endpoint->port, s->idle ? "idle" : state_name(s->state),
		s->destination.endpoint_count, s->active, s->queue_used, s->spool_octets,
		s->spool_segments);
	add_counter_list(out, &s->counters, LIST(delivery_list));
	add_string(out, "fault", s->fault);
	text_add(out, "}");
}

static void add_destinations(const struct core *core, struct text *out)
{
	text_add(out, ",\"destinations\":[");
	for (size_t i = 0; i < delivery_count(core->delivery); i++) {
		struct delivery_status s;
		delivery_status(core->delivery, i, &s);
		if (i)
			text_add(out, ",");
		add_destination(&s, out);
	}
	text_add(out, "]");
}

void report_status(const struct core *core, enum control_role role, struct text *out)
{
	uint64_t up_s = (host_monotonic_ms() - core->started_ms) / 1000;
	text_add(out,
		"{\"ok\":true,\"version\":\"" X2TAP_VERSION "\",\"uptime_s\":%lu,\"workers\":%u",
		up_s, dataplane_worker_count(core->dataplane));
	add_string(out, "nfid", core->config->nfid);
	if (role == CONTROL_LI)
		text_add(out,
			",\"generation\":%u,\"with_all_workers\":%s,\"tasks\":%zu,\"task_capacity\":%u",
			orders_generation(core->orders),
			dataplane_is_published(core->dataplane) ? "true" : "false",
			orders_in_force(core->orders)->task_count, core->config->targets.capacity);
	add_ports(core, out);
	if (role == CONTROL_LI)
		add_destinations(core, out);
	add_faults(core, role, out);
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

#define SIP(member) {#member, offsetof(struct analysis_counters, member)}
#define FRAGMENTS(member) {#member, offsetof(struct fragments_counters, member)}
#define STREAMS(member) {#member, offsetof(struct streams_counters, member)}

static const struct counter sip_list[] = {SIP(datagrams), SIP(keepalives), SIP(not_sip),
	SIP(sigcomp), SIP(dtls), SIP(with_messages), SIP(stream_not_sip), SIP(messages),
	SIP(parsed), SIP(defective),
	{"datagrams_with_excess", offsetof(struct analysis_counters, excess)}, SIP(lost_handover)};

static const struct counter datagrams_list[] = {FRAGMENTS(started), FRAGMENTS(completed),
	FRAGMENTS(dropped), FRAGMENTS(passed), FRAGMENTS(given_up), FRAGMENTS(timed_out)};

static const struct counter streams_list[] = {STREAMS(opened), STREAMS(ended),
	{"let_go_tls", offsetof(struct streams_counters, let_go[FRAMING_TLS])},
	{"let_go_websocket", offsetof(struct streams_counters, let_go[FRAMING_WEBSOCKET])},
	{"let_go_foreign", offsetof(struct streams_counters, let_go[FRAMING_FOREIGN])},
	STREAMS(idle), STREAMS(given_up), STREAMS(segments), STREAMS(in_order),
	STREAMS(out_of_order), STREAMS(repeated), STREAMS(out_of_window), STREAMS(not_followed),
	STREAMS(mid_stream), STREAMS(urgent), STREAMS(overlap_differs), STREAMS(gaps),
	STREAMS(gap_octets), STREAMS(unread_octets), STREAMS(resync_octets),
	STREAMS(keepalive_octets), STREAMS(messages), STREAMS(messages_cut),
	STREAMS(messages_too_long), STREAMS(no_memory)};

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

#define PROTOCOL(member) {#member, offsetof(struct protocol_counters, member)}

static const struct counter protocol_list[] = {PROTOCOL(datagrams), PROTOCOL(not_understood),
	PROTOCOL(messages), PROTOCOL(parsed), PROTOCOL(defective), PROTOCOL(lost_handover)};

// RADIUS, DHCP, GTP-C: what came by, whoever it is about.
static void add_protocols(const struct signalling_counters *s, struct text *out)
{
	for (unsigned i = 0; i < protocol_count; i++) {
		const struct protocol_counters *c = &s->protocols[i];
		text_add(out, ",\"%s\":{", protocols[i].name);
		add_counter_list(out, c, LIST(protocol_list));
		for (unsigned bit = 0; bit < SIGNAL_DEFECTS; bit++)
			text_add(out, ",\"defects_%s\":%lu", signal_defect_name(bit),
				c->defects[bit]);
		text_add(out, "}");
	}
}

static void add_fragments(const struct dataplane_totals *t, struct text *out)
{
	text_add(out, ",\"fragments\":{\"taken\":%lu", t->fragments.taken);
	for (unsigned result = 0; result < FRAGMENTS_RESULTS; result++)
		text_add(out, ",\"%s\":%lu", fragments_result_name((enum fragments_result)result),
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

// The same with and without targets: all subscribers' bindings are kept.
static void add_bindings(const struct bindings *b, struct text *out)
{
	if (!b)
		return;
	text_add(out, ",\"bindings\":{\"memory\":%zu", bindings_memory(b));
	for (unsigned i = 0; i < BINDINGS_COUNTERS; i++)
		text_add(out, ",\"%s\":%lu", bindings_counter_name((enum binding_counter)i),
			bindings_counter(b, (enum binding_counter)i));
	for (unsigned i = BINDING_TAKEN + 1; i < BINDING_REFUSALS; i++)
		text_add(out, ",\"refused_%s\":%lu", binding_refusal_name((enum binding_refusal)i),
			bindings_refused(b, (enum binding_refusal)i));
	text_add(out, "}");
}

static void add_signalling(const struct dataplane_totals *t, struct text *out)
{
	add_sip(&t->signalling, out);
	add_protocols(&t->protocols, out);
	add_fragments(t, out);
	add_streams(t, out);
	add_work(t, out);
}

#define EVENTS(member) {#member, offsetof(struct event_counters, member)}

static const struct counter matching_list[] = {EVENTS(matched), EVENTS(reported),
	EVENTS(suppressed), EVENTS(lost_ring_full), EVENTS(lost_too_large),
	EVENTS(lost_too_many_tasks), EVENTS(identities_passed_over), EVENTS(sessions_given_up),
	EVENTS(duplicates_given_up)};

static void add_matching(struct text *out, const char *name, const struct event_counters *counters)
{
	text_add(out, ",\"%s\":{", name);
	add_counter_list(out, counters, LIST(matching_list));
	text_add(out, "}");
}

static void add_li(const struct core *core, const struct dataplane_totals *t, struct text *out)
{
	const struct iri_counters *i = iri_counters(core->iri);
	const struct core_counters *c = &core->counters;
	add_matching(out, "matching", &t->sip);
	add_matching(out, "matching_signals", &t->signals);
	text_add(out,
		",\"iri\":{\"taken\":%lu,\"expired\":%lu,\"suspended\":%lu,\"numbered\":%lu,\"wanted\":%lu,\"lost_no_destination\":%lu,\"lost_queue\":%lu,"
		"\"lost_too_large\":%lu,\"body_cut\":%lu,\"events_whole\":%lu,\"events_withheld\":%lu,\"events_blanked\":%lu,"
		"\"sequences_given_up\":%lu,\"sequences_salted\":%lu,\"unaccounted\":%lu}",
		c->taken, c->expired, c->suspended, c->numbered, c->wanted, c->lost_no_destination,
		c->lost_queue, i->lost_too_large, i->body_cut, i->whole, i->withheld, i->blanked,
		sequences_given_up(core->sequences), sequences_salted(core->sequences),
		c->unaccounted);
	text_add(out, ",\"frames_of_targets_without_iri\":{");
	for (unsigned class = 0; class < PACKET_CLASSES; class ++)
		text_add(out, "%s\"%s\":%lu", class ? "," : "",
			packet_class_name((enum packet_class) class), t->work.target_frames[class]);
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
	add_bindings(core->bindings, out);
	if (role == CONTROL_LI)
		add_li(core, &totals, out);
	text_add(out, "}");
}
