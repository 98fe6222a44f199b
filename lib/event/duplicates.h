// Which messages a task has had lately, so that an octet-identical second sighting is not reported again.
//
// The window runs from the first sighting. Fixed memory: the oldest entry gives way, counted if its window was still
// open. Frame time may jump either way: what lies further from the first sighting than the window is no duplicate. One thread.
#ifndef X2TAP_DUPLICATES_H
#define X2TAP_DUPLICATES_H

#include "digest_table.h"

struct duplicates {
	struct digest_table table;
	uint64_t *first_seen_ns; // by entry
	uint64_t window_ns;
	uint64_t given_up;
};

// window_ns 0: nothing ever is a duplicate. -ENOMEM, or -EINVAL for no capacity.
int duplicates_init(struct duplicates *d, uint32_t capacity, uint64_t window_ns);
void duplicates_fini(struct duplicates *d);

// Whether `sighting` was remembered within the window.
bool duplicates_hold(const struct duplicates *d, const struct digest *sighting, uint64_t time_ns);
// Remembers a first sighting; one that duplicates_hold() denies for its age counts as first again.
void duplicates_remember(struct duplicates *d, const struct digest *sighting, uint64_t time_ns);

// What is remembered: a message, for one order of a task.
struct digest duplicates_sighting(const struct hash_key *key, const struct digest *message,
	size_t message_len, uint32_t slot, uint32_t generation);

#endif
