#include "sip_events.h"

#include <errno.h>
#include <stdlib.h>

#include "reporter.h"
#include "sip_sessions.h"

enum {
	SESSION_TASKS_PER_SESSION = 2, // on average, over all sessions
	CONVERSATIONS = 4,             // sessions under one Call-ID at once
	MAX_OTHER = 2,                 // other identities of the target in one event_task
	MAX_OTHER_LEN = 500,           // octets; no longer identity is worth an attribute
};

struct sip_events {
	struct sip_events_config config;
	struct hash_key key;
	struct reporter reporter;
	struct sip_sessions *sessions;
	struct sip_identities identities; // of the message at hand, as are:
	struct sip_services services;     // if they are known: most messages need none
	bool services_known;
};

// --- life ------------------------------------------------------------------------------------------------------

struct sip_events *sip_events_new(
	const struct sip_events_config *config, const struct hash_key *key)
{
	struct sip_events *events = calloc(1, sizeof *events);
	if (!events)
		return NULL;
	events->config = *config;
	events->key = *key;
	const struct reporter_config reporting = {
		config->max_tasks, config->max_duplicates, config->duplicate_window_ns};
	int rc = reporter_init(&events->reporter, &reporting, key);
	if (rc < 0)
		goto fail;
	events->sessions = sip_sessions_new(config->max_sessions,
		reporter_session_tasks(&events->reporter, config->max_sessions),
		config->session_idle_ns);
	if (events->sessions)
		return events;
	rc = -errno;
fail:
	sip_events_free(events);
	errno = -rc;
	return NULL;
}

void sip_events_free(struct sip_events *events)
{
	if (!events)
		return;
	sip_sessions_free(events->sessions);
	reporter_fini(&events->reporter);
	explicit_bzero(&events->identities, sizeof events->identities);
	free(events);
}

const struct event_counters *sip_events_counters(const struct sip_events *events)
{
	return &events->reporter.counters;
}

unsigned sip_owner(const struct hash_key *key, const struct sip_message *message, unsigned workers)
{
	struct bytes name = message->call_id.len ? message->call_id : message->octets;
	return (unsigned)((siphash(key, name) >> 32) * workers >> 32);
}

// --- services --------------------------------------------------------------------------------------------------

// Whether the message is of a service of the task; `share` as in sip_services_hold().
static bool is_wanted(struct sip_events *events, const struct sip_message *message,
	uint8_t services, enum sip_share *share)
{
	if (services == 0)
		return true;
	if (!events->services_known)
		events->services = sip_services_of(message);
	events->services_known = true;
	return sip_services_hold(services, &events->services, share);
}

// Whether the session must know the task.
static bool has_a_stake(const struct part *part)
{
	return part->in_session || part->wanted || part->share == SIP_SHARE_NOT;
}

static bool any_has_a_stake(const struct parts *parts)
{
	for (uint32_t i = 0; i < parts->count; i++)
		if (has_a_stake(&parts->list[i]))
			return true;
	return false;
}

// --- who has a part in the message -------------------------------------------------------------------------------

static void add_matches(struct sip_events *events, const struct target_table *table,
	const struct sip_message *message, const struct packet *packet, const struct bound *bound)
{
	struct sip_identities *identities = &events->identities;
	sip_identities_read(identities, message, target_table_numbering(table));
	struct reporter *reporter = &events->reporter;
	reporter->counters.identities_passed_over += identities->excess;
	size_t count = reporter_match(reporter, table, &packet->flow, &packet->outer,
		identities->sightings, identities->count, bound);
	for (size_t i = 0; i < count; i++) {
		const struct match *m = &reporter->matches[i];
		if (!events->config.trust_from && !m->bound &&
			m->roles == UINT32_C(1) << SIP_ROLE_FROM)
			continue;
		struct part *part = reporter_add(reporter, m);
		if (!part)
			break;
		part->side = sip_side_of(message, m->roles);
		part->wanted = is_wanted(events, message, m->services, &part->share);
	}
}

static enum sip_side other_side(enum sip_side side)
{
	return side == SIP_SIDE_CALLER   ? SIP_SIDE_CALLEE
	       : side == SIP_SIDE_CALLEE ? SIP_SIDE_CALLER
	                                 : SIP_SIDE_UNKNOWN;
}

static enum sip_side remembered_side(
	const struct sip_session_task *task, const struct sip_step *step)
{
	if (task->tag == 0)
		return SIP_SIDE_UNKNOWN;
	return task->tag == step->from_tag ? task->side
	       : task->tag == step->to_tag ? other_side(task->side)
	                                   : SIP_SIDE_UNKNOWN;
}

// Adds the tasks of the session to the parts, and forgets those that are no longer ordered.
static void add_session_tasks(struct sip_events *events, const struct target_table *table,
	const struct sip_message *message, uint32_t session, const struct sip_step *step)
{
	uint32_t *link = sip_session_tasks(events->sessions, session);
	while (*link != SIP_SESSION_NONE) {
		struct sip_session_task *task = sip_session_task(events->sessions, *link);
		struct part *part = parts_find(&events->reporter.parts, task->slot);
		if (!target_table_holds(table, task->slot, task->generation) ||
			(part && part->generation != task->generation)) {
			sip_session_drop_task(events->sessions, link);
			continue;
		}
		if (!part && task->of_end_alone) {
			link = &task->next;
			continue;
		}
		bool wanted = is_wanted(events, message, task->services, &task->share);
		if (!part)
			part = reporter_add_task(
				&events->reporter, task->slot, task->generation, wanted);
		if (part) {
			task->of_end_alone &= part_is_of_end_alone(part);
			part->in_session = true;
			part->wanted = wanted;
			if (part->side == SIP_SIDE_UNKNOWN) {
				if (!sip_is_diverted(part->roles))
					part->side = remembered_side(task, step);
			} else if (task->tag == 0) {
				task->tag = step->from_tag;
				task->side = part->side;
			}
		}
		link = &task->next;
	}
}

static void remember_parts(struct sip_events *events, uint32_t session, const struct sip_step *step)
{
	for (uint32_t i = 0; i < events->reporter.parts.count; i++) {
		const struct part *part = &events->reporter.parts.list[i];
		if (part->in_session || !has_a_stake(part))
			continue;
		struct sip_session_task task = {part->slot, part->generation,
			part->side == SIP_SIDE_UNKNOWN ? 0 : step->from_tag, SIP_SESSION_NONE,
			part->side, part->share, part->services, part_is_of_end_alone(part)};
		if (!sip_session_add_task(events->sessions, session, &task))
			return; // its other messages show the identity, or are not reported
	}
}

// The sessions under one Call-ID: the first by its hash, the others by the hashes next to it.
struct conversations {
	struct digest names[CONVERSATIONS];
	uint32_t sessions[CONVERSATIONS];
	bool any;
};

static struct conversations conversations_find(
	struct sip_sessions *sessions, struct digest call_id, uint64_t time_ns)
{
	struct conversations c = {.any = false};
	for (unsigned i = 0; i < CONVERSATIONS; i++) {
		c.names[i] = call_id;
		c.names[i].low += i;
		c.sessions[i] = sip_sessions_find(sessions, &c.names[i], time_ns);
		c.any |= c.sessions[i] != SIP_SESSION_NONE;
	}
	return c;
}

// The session that a message begins which belongs to none: that of the same parties, a new one, or one that is over. None if
// all go on between others.
static uint32_t conversation_begin(struct sip_sessions *sessions, const struct conversations *c,
	const struct sip_step *step, uint64_t time_ns)
{
	unsigned unused = CONVERSATIONS;
	uint32_t over = SIP_SESSION_NONE;
	for (unsigned i = CONVERSATIONS; i-- > 0;) {
		if (c->sessions[i] == SIP_SESSION_NONE) {
			unused = i;
			continue;
		}
		enum sip_session_use use = sip_session_use(sessions, c->sessions[i], step, time_ns);
		if (use != SIP_SESSION_BUSY)
			over = c->sessions[i];
		if (use == SIP_SESSION_SAME_PARTIES) {
			sip_session_drop_all_tasks(sessions, over);
			return over;
		}
	}
	if (unused < CONVERSATIONS)
		return sip_sessions_open(sessions, &c->names[unused], time_ns);
	if (over != SIP_SESSION_NONE)
		sip_session_drop_all_tasks(sessions, over);
	return over;
}

// Brings the message's session and the parts together. What finds no session is reported as far as it shows the target.
static void follow_session(struct sip_events *events, const struct target_table *table,
	const struct sip_message *message, uint64_t time_ns)
{
	struct sip_sessions *sessions = events->sessions;
	struct digest call_id = siphash128(&events->key, message->call_id);
	struct conversations c = conversations_find(sessions, call_id, time_ns);
	if (!c.any && events->reporter.parts.count == 0)
		return; // nearly every message: it is nobody's

	struct sip_step step = sip_step_of(&events->key, message);
	uint32_t session = SIP_SESSION_NONE;
	for (unsigned i = 0; i < CONVERSATIONS && session == SIP_SESSION_NONE; i++)
		if (c.sessions[i] != SIP_SESSION_NONE &&
			sip_session_includes(sessions, c.sessions[i], &step, time_ns))
			session = c.sessions[i];
	if (session != SIP_SESSION_NONE) {
		add_session_tasks(events, table, message, session, &step);
		if (!any_has_a_stake(
			    &events->reporter.parts)) { // none of its tasks is ordered any more
			sip_sessions_close(sessions, session);
			return;
		}
	} else {
		// Something begins: only those whom it shows have a part in it. An ACK begins nothing.
		if (!any_has_a_stake(&events->reporter.parts) || step.method == SIP_ACK)
			return;
		session = conversation_begin(sessions, &c, &step, time_ns);
		if (session == SIP_SESSION_NONE)
			return;
	}
	sip_session_take(sessions, session, &step, time_ns);
	remember_parts(events, session, &step);
}

// --- what is said about each ---------------------------------------------------------------------------------------

static enum direction direction_of(const struct part *part, bool is_response)
{
	enum direction of_ends = part_direction_of_ends(part);
	if (of_ends != DIRECTION_UNKNOWN)
		return of_ends;
	if (part->side == SIP_SIDE_UNKNOWN)
		return DIRECTION_UNKNOWN;
	bool sent_by_caller = !is_response;
	return (part->side == SIP_SIDE_CALLER) == sent_by_caller ? DIRECTION_FROM_TARGET
	                                                         : DIRECTION_TO_TARGET;
}

static enum event_other other_kind(struct bytes uri)
{
	struct sip_uri parsed;
	if (sip_uri_parse(uri, &parsed) != PARSE_OK)
		return EVENT_OTHER_NONE;
	switch (parsed.scheme) {
	case SIP_SCHEME_SIP:
	case SIP_SCHEME_SIPS:
		// RFC 3323 section 4.1.1.3: nobody's identity
		return bytes_equal_nocase(parsed.host, bytes_of_text("anonymous.invalid"))
		               ? EVENT_OTHER_NONE
		               : EVENT_OTHER_SIP_URI;
	case SIP_SCHEME_TEL:
		return EVENT_OTHER_TEL_URI;
	default:
		return EVENT_OTHER_NONE;
	}
}

static bool is_plain_text(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
			return false;
	return text.len > 0 && text.len <= MAX_OTHER_LEN;
}

static void add_other(struct event_task *task, unsigned *count, const struct sip_message *message,
	struct bytes uri)
{
	if (*count == MAX_OTHER || !is_plain_text(uri))
		return;
	enum event_other kind = other_kind(uri);
	size_t offset = (size_t)(uri.at - message->octets.at);
	if (kind == EVENT_OTHER_NONE || offset > UINT16_MAX)
		return;
	task->other_offset[*count] = (uint16_t)offset;
	task->other_len[*count] = (uint16_t)uri.len;
	task->other_kind[*count] = (uint8_t)kind;
	++*count;
}

static bool shows(const struct part *part, enum sip_role role)
{
	return part->roles >> role & 1;
}

// What the same message asserts of the same subject. P-Asserted-Identity speaks of whoever sent the message, From of
// whoever sent the request: in a response they are two.
static void add_others(const struct sip_events *events, const struct part *part,
	const struct sip_message *message, struct event_task *task)
{
	const struct sip_identities *identities = &events->identities;
	bool by_from = shows(part, SIP_ROLE_FROM);
	bool by_asserted[SIP_MAX_ASSERTED] = {
		shows(part, SIP_ROLE_ASSERTED), shows(part, SIP_ROLE_ASSERTED_SECOND)};
	bool asserted = by_asserted[0] || by_asserted[1] || shows(part, SIP_ROLE_ASSERTED_MORE);
	unsigned count = 0;
	if (asserted || (by_from && !message->is_response))
		for (unsigned i = 0; i < SIP_MAX_ASSERTED; i++)
			if (!by_asserted[i])
				add_other(task, &count, message, identities->asserted_uri[i]);
	if (asserted && !by_from && !message->is_response && events->config.trust_from)
		add_other(task, &count, message, identities->from_uri);
}

// --- reporting -------------------------------------------------------------------------------------------------

struct about {
	const struct sip_events *events;
	const struct sip_message *message;
};

static void describe(const void *context, const struct part *part, struct event_task *task)
{
	const struct about *about = context;
	task->direction = (uint8_t)direction_of(part, about->message->is_response);
	add_others(about->events, part, about->message, task);
}

// Every probe comes to the same value for a Call-ID; a message without one is a session of its own.
static uint64_t correlation_of(const struct sip_events *events, const struct sip_message *message)
{
	uint64_t correlation = message->call_id.len ? fnv1a(message->call_id)
	                                            : siphash(&events->key, message->octets);
	return correlation ? correlation : 1;
}

void sip_events_take(struct sip_events *events, const struct target_table *table,
	const struct sip_message *message, const struct packet *packet, const struct bound *bound,
	uint64_t time_ns, struct record_ring *ring)
{
	struct reporter *reporter = &events->reporter;
	events->services_known = false;
	add_matches(events, table, message, packet, bound);
	if (message->call_id.len)
		follow_session(events, table, message, time_ns);
	if (reporter->parts.count) {
		const struct about about = {events, message};
		const struct report report = {
			.payload = message->octets,
			.flow = packet->flow,
			.time_ns = time_ns,
			.correlation = correlation_of(events, message),
			.digest = siphash128(&events->key, message->octets),
			.digest_len = message->octets.len,
			.point = packet->point,
			.protocol = EVENT_SIP,
			.describe = describe,
			.context = &about,
		};
		reporter_report(reporter, &report, ring);
	}
	reporter->counters.sessions_given_up = sip_sessions_given_up(events->sessions);
}
