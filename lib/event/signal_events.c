#include "signal_events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "signal_sessions.h"

struct signal_events {
	struct hash_key key;
	struct reporter reporter;
	struct signal_sessions *sessions;
	// of the message at hand
	uint8_t identity_count;
	struct event_identity identities[EVENT_MAX_IDENTITIES];
	uint8_t identity_roles[EVENT_MAX_IDENTITIES];
};

// --- life ------------------------------------------------------------------------------------------------------

struct signal_events *signal_events_new(
	const struct signal_events_config *config, const struct hash_key *key)
{
	struct signal_events *events = calloc(1, sizeof *events);
	if (!events)
		return NULL;
	events->key = *key;
	const struct reporter_config reporting = {
		config->max_tasks, config->max_duplicates, config->duplicate_window_ns};
	int rc = reporter_init(&events->reporter, &reporting, key);
	if (rc < 0)
		goto fail;
	events->sessions = signal_sessions_new(config->max_sessions,
		reporter_session_tasks(&events->reporter, config->max_sessions),
		config->session_idle_ns, key);
	if (events->sessions)
		return events;
	rc = -errno;
fail:
	signal_events_free(events);
	errno = -rc;
	return NULL;
}

void signal_events_free(struct signal_events *events)
{
	if (!events)
		return;
	signal_sessions_free(events->sessions);
	reporter_fini(&events->reporter);
	explicit_bzero(events, sizeof *events);
	free(events);
}

const struct event_counters *signal_events_counters(const struct signal_events *events)
{
	return &events->reporter.counters;
}

// --- who has a part --------------------------------------------------------------------------------------------

static bool is_wanted(uint8_t services)
{
	return services == 0 || services & SERVICE_DATA;
}

static void add_matches(struct signal_events *events, const struct target_table *table,
	const struct signal *signal, const struct packet *packet, const struct bound *bound)
{
	struct reporter *r = &events->reporter;
	r->counters.identities_passed_over += signal->sightings_excess;
	size_t count = reporter_match(r, table, &packet->flow, &packet->outer, signal->sightings,
		signal->sighting_count, bound);
	for (size_t i = 0; i < count; i++) {
		const struct match *m = &r->matches[i];
		struct part *part = is_wanted(m->services) ? reporter_add(r, m) : NULL;
		if (!part)
			continue;
		part->subscriber = m->roles != 0 || m->bound & END_NEITHER;
		part->wanted = true;
	}
}

// Adds the tasks of a session that the message belongs to, and forgets those that are no longer ordered. `home`: the message
// goes on under its names.
static void add_session_tasks(
	struct signal_events *events, const struct target_table *table, uint32_t session, bool home)
{
	struct reporter *r = &events->reporter;
	uint32_t *link = signal_session_tasks(events->sessions, session);
	while (*link != SIGNAL_SESSION_NONE) {
		struct signal_session_task *task = signal_session_task(events->sessions, *link);
		struct part *part = parts_find(&r->parts, task->slot);
		if (!target_table_holds(table, task->slot, task->generation) ||
			(part && part->generation != task->generation)) {
			signal_session_drop_task(events->sessions, link);
			continue;
		}
		if (!part && !task->of_end_alone)
			part = reporter_add_task(r, task->slot, task->generation, true);
		if (part) {
			task->of_end_alone &= part_is_of_end_alone(part);
			part->services = task->services;
			part->in_session |= home;
			part->subscriber |= task->subscriber;
			part->wanted = true;
		}
		link = &task->next;
	}
}

static void remember_parts(struct signal_events *events, uint32_t session)
{
	for (uint32_t i = 0; i < events->reporter.parts.count; i++) {
		const struct part *part = &events->reporter.parts.list[i];
		if (part->in_session)
			continue;
		const struct signal_session_task task = {part->slot, part->generation,
			SIGNAL_SESSION_NONE, part->services, part->subscriber,
			part_is_of_end_alone(part)};
		if (!signal_session_add_task(events->sessions, session, &task))
			return; // its other messages show the identity, or are not reported
	}
}

static bool keeps_any_name(const struct signal *signal)
{
	for (uint32_t i = 0; i < signal->name_count; i++)
		if ((signal->names[i].use & (NAME_KEEP | NAME_BINDINGS)) == NAME_KEEP)
			return true;
	return false;
}

// Brings the message's sessions and the parts together. Gives its correlation id.
static uint64_t follow_sessions(struct signal_events *events, const struct target_table *table,
	const struct signal *signal, const struct digest *message, uint64_t time_ns)
{
	struct signal_sessions *sessions = events->sessions;
	const struct parts *parts = &events->reporter.parts;
	uint32_t found[SIGNAL_SESSIONS_FOUND];
	unsigned count = signal_sessions_find(sessions, signal, message, time_ns, found);
	for (unsigned i = 0; i < count; i++)
		add_session_tasks(events, table, found[i], i == 0);
	if (parts->count == 0) {
		for (unsigned i = 0; i < count; i++)
			if (*signal_session_tasks(sessions, found[i]) == SIGNAL_SESSION_NONE)
				signal_sessions_close(
					sessions, found[i]); // none of its tasks is ordered
		return 0;
	}
	if (count == 0 && !keeps_any_name(signal))
		return signal_sessions_correlation(sessions, signal);
	uint32_t home = count ? found[0] : signal_sessions_open(sessions, time_ns);
	uint64_t correlation = signal_session_take(sessions, home, signal, message, time_ns);
	remember_parts(events, home);
	return correlation;
}

// --- what is said about each -----------------------------------------------------------------------------------

static const uint8_t identity_kinds[] = {
	[IDENTITY_NAI] = EVENT_IDENTITY_NAI,
	[IDENTITY_NUMBER] = EVENT_IDENTITY_NUMBER,
	[IDENTITY_IMSI] = EVENT_IDENTITY_IMSI,
	[IDENTITY_IMEI] = EVENT_IDENTITY_IMEI,
	[IDENTITY_IMEISV] = EVENT_IDENTITY_IMEISV,
	[IDENTITY_MAC] = EVENT_IDENTITY_MAC,
};

static bool is_plain_text(const struct identity *identity)
{
	for (size_t i = 0; i < identity->len; i++)
		if (identity->octets[i] <= ' ' || identity->octets[i] >= 0x7f)
			return false;
	return true;
}

static bool identity_text(const struct identity *identity, struct event_identity *out)
{
	*out = (struct event_identity){.kind = identity_kinds[identity->kind]};
	if (identity->kind == IDENTITY_MAC) {
		const uint8_t *o = identity->octets;
		out->len = (uint8_t)snprintf(out->text, sizeof out->text,
			"%02x:%02x:%02x:%02x:%02x:%02x", o[0], o[1], o[2], o[3], o[4], o[5]);
		return true;
	}
	if (identity->len == 0 || identity->len > sizeof out->text || !is_plain_text(identity))
		return false;
	memcpy(out->text, identity->octets, identity->len);
	out->len = (uint8_t)identity->len;
	return true;
}

// Attribute 18: whom else the message shows as the subscriber.
static void list_identities(struct signal_events *events, const struct signal *signal)
{
	events->identity_count = 0;
	for (uint32_t i = 0; i < signal->sighting_count; i++) {
		const struct sighting *s = &signal->sightings[i];
		if (events->identity_count == EVENT_MAX_IDENTITIES)
			return;
		bool is_of_subscriber =
			s->role <= SIGNAL_ROLE_SUBSCRIBER_LAST || s->role == SIGNAL_ROLE_CLAIM;
		if (!is_of_subscriber ||
			!identity_text(&s->identity, &events->identities[events->identity_count]))
			continue;
		events->identity_roles[events->identity_count++] = s->role;
	}
}

struct about {
	const struct signal_events *events;
	const struct signal *signal;
};

static enum direction direction_of(const struct part *part, enum signal_way way)
{
	enum direction of_ends = part_direction_of_ends(part);
	if (of_ends != DIRECTION_UNKNOWN)
		return of_ends;
	if (!part->subscriber || way == SIGNAL_WAY_UNKNOWN)
		return DIRECTION_UNKNOWN;
	return way == SIGNAL_WAY_FROM_SUBSCRIBER ? DIRECTION_FROM_TARGET : DIRECTION_TO_TARGET;
}

static void describe(const void *context, const struct part *part, struct event_task *task)
{
	const struct about *about = context;
	task->direction = (uint8_t)direction_of(part, about->signal->way);
	for (unsigned i = 0; i < about->events->identity_count; i++)
		if (part->subscriber && !(part->roles >> about->events->identity_roles[i] & 1))
			task->identities |= (uint8_t)(1u << i);
}

// --- reporting -------------------------------------------------------------------------------------------------

// What counts as a repetition: the same octets; of what is reported as a packet, between the same ends. (Two peers may be sent the
// same, in GTP Echo for one.)
static struct digest digest_of(const struct signal_events *events, const struct signal *signal,
	enum event_protocol protocol, const struct flow *flow)
{
	struct digest message = siphash128(&events->key, signal->octets);
	if (protocol != EVENT_GTPC)
		return message;
	uint8_t octets[56];
	struct writer w = writer_of(octets, sizeof octets);
	write_be64(&w, message.low);
	write_be64(&w, message.high);
	write_bytes(&w, bytes_of(flow->source.octets, sizeof flow->source.octets));
	write_bytes(&w, bytes_of(flow->destination.octets, sizeof flow->destination.octets));
	write_be16(&w, flow->source_port);
	write_be16(&w, flow->destination_port);
	return siphash128(&events->key, writer_bytes(&w));
}

void signal_events_take(struct signal_events *events, const struct target_table *table,
	const struct signal *signal, enum event_protocol protocol, struct bytes payload,
	const struct packet *packet, const struct bound *bound, uint64_t time_ns,
	struct record_ring *ring)
{
	struct reporter *r = &events->reporter;
	struct digest digest = digest_of(events, signal, protocol, &packet->flow);
	add_matches(events, table, signal, packet, bound);
	uint64_t correlation = follow_sessions(events, table, signal, &digest, time_ns);
	if (r->parts.count) {
		list_identities(events, signal);
		const struct about about = {events, signal};
		const struct report report = {
			.payload = payload,
			.flow = packet->flow,
			.time_ns = time_ns,
			.correlation = correlation,
			.digest = digest,
			.digest_len = signal->octets.len,
			.point = packet->point,
			.protocol = protocol,
			.identity_count = events->identity_count,
			.identities = events->identities,
			.describe = describe,
			.context = &about,
		};
		reporter_report(r, &report, ring);
		explicit_bzero(events->identities, sizeof events->identities);
	}
	r->counters.sessions_given_up = signal_sessions_given_up(events->sessions);
}
