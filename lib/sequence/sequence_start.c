// Putting back at a start what the last run left in its journal.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "sequence_internal.h"

// What a start makes of the contexts of the last run, before any of it is used.
static void revise(struct sequences *s, struct journal_found *found)
{
	const struct journal *j = &s->journal;
	bool host_went_down = !j->clean && !j->same_boot;
	s->given_up = j->given_up + found->damaged + j->cut + host_went_down;
	for (uint32_t i = 0; i < found->count; i++) {
		struct journal_slot *slot = &found->entries[i].slot;
		if (j->stale)
			slot->flags |= JOURNAL_RENEW;
		if (!host_went_down)
			continue;
		slot->next += SEQUENCE_JUMP;
		if (slot->jumps < UINT16_MAX)
			slot->jumps++;
	}
	if (found->damaged > 0 || j->cut)
		snprintf(s->standing, sizeof s->standing,
			"journal of sequence numbers %s: %u slots damaged%s; contexts new from now on get salted "
			"correlation ids",
			j->path, found->damaged, j->cut ? ", and its end cut off" : "");
	else if (j->renewed)
		snprintf(s->standing, sizeof s->standing,
			"journal of sequence numbers %s: its header was damaged, so it was made anew (the old one is "
			"%s.damaged); contexts new from now on get salted correlation ids",
			j->path, j->path);
}

// Gives the file the capacity that is wanted, where there is room; what it then has is what counts.
static void resize(struct sequences *s, struct journal_found *found, uint32_t wanted)
{
	struct journal *j = &s->journal;
	uint32_t kept = found->count < wanted ? found->count : wanted;
	uint32_t dropped = found->count - kept;
	struct journal_entry *newest = found->entries + dropped;
	uint64_t before = j->given_up;
	struct error error;
	j->given_up = s->given_up + dropped;
	if (journal_resize(j, newest, kept, wanted, &error) != 0) {
		j->given_up = before;
		snprintf(s->standing, sizeof s->standing,
			"journal of sequence numbers: %.300s; it keeps its room for %u contexts",
			error.text, j->capacity);
		return;
	}
	s->given_up = j->given_up;
	memmove(found->entries, newest, kept * sizeof *newest);
	found->count = kept;
	found->damaged = 0; // left behind in the old file
	j->cut = false;
	for (uint32_t i = 0; i < kept; i++)
		found->entries[i].index = i;
}

// Brings the file to where this start begins, in an order in which it may be cut at any point: until the header says so, a
// next start does all of it again.
static int settle(struct sequences *s, const struct journal_found *found)
{
	struct journal *j = &s->journal;
	int result = 0;
	if (j->stale || (!j->clean && !j->same_boot)) {
		for (uint32_t i = 0; i < found->count && result == 0; i++)
			result = journal_store(j, found->entries[i].index, &found->entries[i].slot);
		if (result == 0)
			result = journal_sync(j);
	}
	if (result == 0)
		result = journal_store_header(j, s->given_up, false);
	if (result == 0)
		result = journal_repair(j, found);
	if (result == 0)
		result = journal_sync(j);
	if (result == 0 && j->stale)
		result = journal_mark_stale(j, false);
	return result;
}

// Two slots of one context: it was given up and came back, and the other context that took its first slot was not written
// there any more. Nobody knows which is right. It gets a fresh salt, and that is on disk before one of them is emptied.
static int settle_double(struct sequences *s, uint32_t entry, const struct journal_entry *newer)
{
	struct journal_slot slot = newer->slot;
	slot.flags |= JOURNAL_RENEW;
	int result = journal_store(&s->journal, newer->index, &slot);
	if (result == 0)
		result = journal_store(&s->journal, s->slot_of[entry], NULL);
	return result;
}

static int enter(struct sequences *s, const struct journal_found *found)
{
	for (uint32_t i = 0; i < found->count; i++) {
		const struct journal_slot *slot = &found->entries[i].slot;
		struct digest digest = sequences_digest(s, &slot->xid, slot->point, slot->asked);
		uint32_t entry = digest_table_find(&s->contexts, &digest);
		bool twice = entry != DIGEST_TABLE_NONE;
		if (twice) {
			int result = settle_double(s, entry, &found->entries[i]);
			if (result != 0)
				return result;
			digest_table_touch(&s->contexts, entry);
		} else {
			entry = digest_table_add(&s->contexts, &digest);
		}
		s->slot_of[entry] = found->entries[i].index;
		s->next[entry] = (struct sequence){slot->next, slot->sent};
		s->known[entry] = (struct context){
			.xid = slot->xid,
			.point = slot->point,
			.asked = slot->asked,
			.safe = slot->safe,
			.used_s = slot->used_s,
			.jumps = slot->jumps,
			.flags = twice || slot->flags & JOURNAL_RENEW ? RENEW : 0,
		};
	}
	return 0;
}

// Every entry has a slot for good: a context that is given up leaves its own to the one that takes the entry.
static int share_out_slots(struct sequences *s)
{
	uint32_t capacity = s->contexts.capacity;
	bool *taken = calloc(capacity, sizeof *taken);
	if (!taken)
		return -ENOMEM;
	for (uint32_t i = 0; i < capacity; i++)
		if (s->slot_of[i] != UINT32_MAX)
			taken[s->slot_of[i]] = true;
	uint32_t slot = 0;
	for (uint32_t i = 0; i < capacity; i++) {
		if (s->slot_of[i] != UINT32_MAX)
			continue;
		while (taken[slot])
			slot++;
		s->slot_of[i] = slot++;
	}
	free(taken);
	return 0;
}

int sequences_take_over(struct sequences *s, uint32_t max_contexts, struct error *error)
{
	struct journal *j = &s->journal;
	struct journal_found found;
	int result = journal_load(j, &found, error);
	if (result != 0)
		return result;
	revise(s, &found);
	if (j->capacity != max_contexts)
		resize(s, &found, max_contexts);
	result = sequences_take_memory(s, j->capacity, true);
	if (result != 0) {
		error_set(error, result, "no memory for %u contexts", j->capacity);
		goto free_found;
	}
	memset(s->slot_of, 0xff, j->capacity * sizeof *s->slot_of); // UINT32_MAX: none yet
	result = settle(s, &found);
	if (result == 0)
		result = enter(s, &found);
	if (result == 0)
		result = share_out_slots(s);
	if (result != 0) {
		error_set(error, result, "%s cannot be written: %s", j->path, strerror(-result));
		sequences_free_memory(s);
	}
free_found:
	journal_found_free(&found);
	return result;
}
