// What holds of every reader of signals.
#ifndef X2TAP_SIGNAL_CHECKS_H
#define X2TAP_SIGNAL_CHECKS_H

#include "fuzz.h"
#include "signals.h"

static inline uint32_t next_subscriber(const struct signal *s, uint32_t i)
{
	while (i < s->sighting_count && s->sightings[i].role > SIGNAL_ROLE_SUBSCRIBER_LAST)
		i++;
	return i;
}

static inline void subscribers_are_equal(const struct signal *a, const struct signal *b)
{
	uint32_t i = next_subscriber(a, 0), k = next_subscriber(b, 0);
	while (i < a->sighting_count && k < b->sighting_count) {
		FUZZ_CHECK(a->sightings[i].role == b->sightings[k].role);
		FUZZ_CHECK(identity_equal(&a->sightings[i].identity, &b->sightings[k].identity));
		i = next_subscriber(a, i + 1);
		k = next_subscriber(b, k + 1);
	}
	FUZZ_CHECK(i == a->sighting_count && k == b->sighting_count);
}

// Nothing of what bindings and public counters are made of depends on what tasks ask for.
static inline void orders_do_not_show(
	signal_reader *read, struct bytes payload, const struct packet *packet)
{
	static struct signal asked, plain; // too large for a stack
	const struct signal_rules all = {
		.key = {7, 8}, .wants_attributes = true, .wants_tunnels = true};
	const struct signal_rules none = {.key = {7, 8}};
	enum parse_result result = read(payload, packet, &none, &plain);
	FUZZ_CHECK(read(payload, packet, &all, &asked) == result);
	if (result != PARSE_OK)
		return;
	FUZZ_CHECK(plain.asked_count == 0 && asked.asked_count <= SIGNAL_MAX_ASKED);
	FUZZ_CHECK(asked.sighting_count - asked.asked_count == plain.sighting_count);
	subscribers_are_equal(&asked, &plain);
	FUZZ_CHECK(asked.defects == plain.defects && asked.change == plain.change);
	FUZZ_CHECK(asked.name_count == plain.name_count);
	FUZZ_CHECK(asked.lease_count == plain.lease_count && asked.ends == plain.ends);
}

#endif
