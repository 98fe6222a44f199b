// From the parts that tasks have in a message to the records that the control core reads: who it matches, what is a repetition,
// what is written, what is lost. SIP and all other signalling share it.
//
// One instance for each kind of signalling and worker, which alone calls it. All memory is taken at start.
#ifndef X2TAP_REPORTER_H
#define X2TAP_REPORTER_H

#include "duplicates.h"
#include "event.h"
#include "parts.h"
#include "record_ring.h"

// Law: matched = reported + suppressed + lost (all three `lost_`), in messages x tasks.
struct event_counters {
	uint64_t matched;                // message x task
	uint64_t reported;               // written to the ring
	uint64_t suppressed;             // octet-identical within the window
	uint64_t lost_ring_full;         // the ring to the control core was full
	uint64_t lost_too_large;         // longer than EVENT_MAX_PAYLOAD
	uint64_t lost_too_many_tasks;    // of one message
	uint64_t identities_passed_over; // more than are looked at; not part of the law, nor are:
	uint64_t
		sessions_given_up; // oldest session gave way to a new one, or its idle time was over
	uint64_t duplicates_given_up;
};

struct reporter_config {
	uint32_t max_tasks;      // of one message; 0: 65536. More are lost, counted
	uint32_t max_duplicates; // message x task remembered; the oldest gives way
	uint64_t duplicate_window_ns;
};

struct reporter {
	struct hash_key key;
	uint32_t max_tasks;
	struct event_counters counters;
	struct duplicates duplicates;
	struct match *matches; // of the message at hand, as are the parts
	struct parts parts;
};

// 0 or a negative errno. reporter_fini() also when it failed.
int reporter_init(
	struct reporter *r, const struct reporter_config *config, const struct hash_key *key);
void reporter_fini(struct reporter *r);
// How many tasks `max_sessions` sessions may have at once, over all: some each, and room for those of one message.
uint32_t reporter_session_tasks(const struct reporter *r, uint32_t max_sessions);

// A message begins: who of `table` it matches. Forgets the parts of the one before. The matches are in r->matches; how many.
size_t reporter_match(struct reporter *r, const struct target_table *table, const struct flow *flow,
	const struct encapsulation *outer, const struct sighting *sightings, size_t sighting_count,
	const struct bound *bound);
// The part of a match, a fresh one. NULL: never, there are as many parts as matches.
struct part *reporter_add(struct reporter *r, const struct match *match);
// The part of a task that the session brings, if there is room; else it is lost, counted if it is `wanted`.
struct part *reporter_add_task(struct reporter *r, uint32_t slot, uint32_t generation, bool wanted);

// What all records of one message have in common.
struct report {
	struct bytes payload;
	struct flow flow;
	uint64_t time_ns, correlation;
	struct digest digest; // keyed: equal for what counts as a repetition
	size_t digest_len;    // octets that the digest is of
	uint16_t point;
	enum event_protocol protocol;
	uint8_t identity_count; // at most EVENT_MAX_IDENTITIES
	const struct event_identity *identities;
	// Fills in what differs by task: direction and others. `task` is zero but for slot and generation.
	void (*describe)(const void *context, const struct part *part, struct event_task *task);
	const void *context;
};
// Reports the message to all parts that are wanted.
void reporter_report(struct reporter *r, const struct report *report, struct record_ring *ring);

#endif
