#include "reporter.h"

#include <errno.h>
#include <stdlib.h>

enum { DEFAULT_MAX_TASKS = 65536 };

int reporter_init(
	struct reporter *r, const struct reporter_config *config, const struct hash_key *key)
{
	*r = (struct reporter){.key = *key,
		.max_tasks = config->max_tasks ? config->max_tasks : DEFAULT_MAX_TASKS};
	int rc = duplicates_init(
		&r->duplicates, config->max_duplicates, config->duplicate_window_ns);
	if (rc == 0)
		rc = parts_init(&r->parts, r->max_tasks);
	if (rc < 0)
		return rc;
	r->matches = calloc(r->max_tasks, sizeof *r->matches);
	return r->matches ? 0 : -ENOMEM;
}

void reporter_fini(struct reporter *r)
{
	duplicates_fini(&r->duplicates);
	parts_fini(&r->parts);
	free(r->matches);
}

uint32_t reporter_session_tasks(const struct reporter *r, uint32_t max_sessions)
{
	enum { TASKS_PER_SESSION = 2 }; // on average
	uint64_t count = (uint64_t)max_sessions * TASKS_PER_SESSION + r->max_tasks;
	return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX - 1;
}

// --- parts -----------------------------------------------------------------------------------------------------

size_t reporter_match(struct reporter *r, const struct target_table *table, const struct flow *flow,
	const struct encapsulation *outer, const struct sighting *sightings, size_t sighting_count,
	const struct bound *bound)
{
	parts_clear(&r->parts);
	size_t count = target_table_match(
		table, flow, outer, sightings, sighting_count, bound, r->matches, r->max_tasks);
	if (count <= r->max_tasks)
		return count;
	uint64_t lost = count - r->max_tasks;
	r->counters.matched += lost;
	r->counters.lost_too_many_tasks += lost;
	return r->max_tasks;
}

struct part *reporter_add(struct reporter *r, const struct match *match)
{
	struct part *part = parts_add(&r->parts, match->slot, match->generation);
	if (!part)
		return NULL;
	part->roles = match->roles;
	part->ends = match->ends;
	part->bound = match->bound;
	part->services = match->services;
	return part;
}

struct part *reporter_add_task(struct reporter *r, uint32_t slot, uint32_t generation, bool wanted)
{
	struct part *part = parts_add(&r->parts, slot, generation);
	if (!part) {
		r->counters.matched += wanted;
		r->counters.lost_too_many_tasks += wanted;
	}
	return part;
}

// --- records ---------------------------------------------------------------------------------------------------

static struct digest sighting_of(
	const struct reporter *r, const struct report *report, const struct part *part)
{
	return duplicates_sighting(
		&r->key, &report->digest, report->digest_len, part->slot, part->generation);
}

// Writes one record for at most EVENT_MAX_TASKS parts.
static void write_record(struct reporter *r, const struct report *report,
	const struct part *const *parts, size_t count, struct record_ring *ring)
{
	struct bytes payload = report->payload;
	size_t size = event_size(count, payload.len, report->identity_count);
	struct event *event = record_ring_reserve(ring, size);
	if (!event) {
		r->counters.lost_ring_full += count;
		return;
	}
	*event = (struct event){
		.time_ns = report->time_ns,
		.correlation = report->correlation,
		.flow = report->flow,
		.point = report->point,
		.protocol = (uint8_t)report->protocol,
		.task_count = (uint8_t)count,
		.identity_count = report->identity_count,
		.payload_len = (uint32_t)payload.len,
	};
	for (size_t i = 0; i < count; i++) {
		struct event_task *task = &event_tasks(event)[i];
		*task = (struct event_task){
			.slot = parts[i]->slot, .generation = parts[i]->generation};
		report->describe(report->context, parts[i], task);
		struct digest sighting = sighting_of(r, report, parts[i]);
		duplicates_remember(&r->duplicates, &sighting, report->time_ns);
	}
	if (report->identity_count)
		memcpy(event_identities(event), report->identities,
			report->identity_count * sizeof *report->identities);
	memcpy(event_payload(event), payload.at, payload.len);
	record_ring_commit(ring, size);
	r->counters.reported += count;
}

void reporter_report(struct reporter *r, const struct report *report, struct record_ring *ring)
{
	const struct part *batch[EVENT_MAX_TASKS];
	size_t count = 0;
	for (uint32_t i = 0; i < r->parts.count; i++) {
		const struct part *part = &r->parts.list[i];
		if (!part->wanted)
			continue;
		struct digest sighting = sighting_of(r, report, part);
		r->counters.matched++;
		if (duplicates_hold(&r->duplicates, &sighting, report->time_ns)) {
			r->counters.suppressed++;
			continue;
		}
		if (report->payload.len > EVENT_MAX_PAYLOAD) {
			r->counters.lost_too_large++;
			continue;
		}
		batch[count++] = part;
		if (count == EVENT_MAX_TASKS) {
			write_record(r, report, batch, count, ring);
			count = 0;
		}
	}
	if (count)
		write_record(r, report, batch, count, ring);
	r->counters.duplicates_given_up = r->duplicates.given_up;
}
