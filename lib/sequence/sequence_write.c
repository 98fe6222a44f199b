// Writing down what was given: the slots that were touched, as long as the journal takes writes, and all of them afterwards.
#include <errno.h>
#include <stdio.h>

#include "sequence_internal.h"

enum { PROBE_MS = 1000 };

static struct journal_slot slot_of(const struct sequences *s, uint32_t entry)
{
	const struct context *c = &s->known[entry];
	return (struct journal_slot){
		.xid = c->xid,
		.point = c->point,
		.asked = c->asked,
		.sent = s->next[entry].correlation,
		.next = s->next[entry].number,
		.safe = c->safe,
		.used_s = c->used_s,
		.jumps = c->jumps,
		.flags = c->flags & RENEW ? JOURNAL_RENEW : 0,
	};
}

static int store(struct sequences *s, uint32_t entry)
{
	struct journal_slot slot = slot_of(s, entry);
	return journal_store(&s->journal, s->slot_of[entry], &slot);
}

// A give-up must be on disk before the slot that it freed is another context's.
static int store_give_ups(struct sequences *s)
{
	return s->given_up == s->journal.given_up
	               ? 0
	               : journal_store_header(&s->journal, s->given_up, false);
}

// What was given and not written down may already be on its way. Two things keep it from being given again: no context goes
// on under the correlation id that the disk knows, and the mark makes a restart renew them all.
static void begin_failing(struct sequences *s, int why)
{
	s->failing = true;
	journal_mark_stale(&s->journal, true); // where even this fails there is nothing else to do
	snprintf(s->fault, sizeof s->fault,
		"journal of sequence numbers %.200s cannot be written: %s; contexts that are used meanwhile get "
		"salted correlation ids; tried again",
		s->journal.path, strerror(-why));
}

void sequences_flush(struct sequences *s)
{
	int result = s->failing ? -EIO : store_give_ups(s);
	for (uint32_t i = 0; i < s->touched_count; i++) {
		struct context *c = &s->known[s->touched[i]];
		c->flags &= (uint8_t)~TOUCHED;
		if (result == 0)
			result = store(s, s->touched[i]);
		if (result != 0)
			c->flags |= BEHIND;
	}
	s->touched_count = 0;
	if (result != 0 && !s->failing)
		begin_failing(s, result);
}

void sequences_mark(struct sequences *s, uint32_t entry)
{
	struct context *c = &s->known[entry];
	if (c->flags & TOUCHED)
		return;
	if (s->touched_count == SEQUENCES_TOUCHED)
		sequences_flush(s);
	if (s->failing) {
		c->flags |= BEHIND;
		return;
	}
	c->flags |= TOUCHED;
	s->touched[s->touched_count++] = entry;
}

void sequences_try_again(struct sequences *s)
{
	if (journal_store_header(&s->journal, s->given_up, false) != 0)
		return;
	for (uint32_t i = 0; i < s->contexts.capacity; i++) {
		struct context *c = &s->known[i];
		if (!(c->flags & BEHIND))
			continue;
		if (store(s, i) != 0)
			return;
		c->flags &= (uint8_t) ~(BEHIND | OWN);
	}
	if (journal_mark_stale(&s->journal, false) != 0)
		return;
	s->failing = false;
	s->fault[0] = '\0';
}

void sequences_probe(struct sequences *s, uint64_t now_ms)
{
	if (now_ms - s->probed_ms < PROBE_MS)
		return;
	s->probed_ms = now_ms;
	int result = journal_store_header(&s->journal, s->given_up, false);
	if (result != 0)
		begin_failing(s, result);
}

void sequences_commit(struct sequences *s)
{
	if (!s->known || s->touched_count == 0)
		return;
	s->now_s = sequences_realtime_s();
	sequences_flush(s);
}

static bool is_accounted_for(const struct sequences *s, uint32_t entry)
{
	const struct context *c = &s->known[entry];
	return c->safe == s->next[entry].number && c->jumps == 0;
}

static void account_for(struct sequences *s, uint32_t entry)
{
	s->known[entry].safe = s->next[entry].number;
	s->known[entry].jumps = 0;
	sequences_mark(s, entry);
}

void sequences_gaps(struct sequences *s, sequence_gap_taker *take, void *context)
{
	if (!s->known)
		return;
	for (uint32_t i = 0; i < s->contexts.capacity; i++) {
		const struct context *c = &s->known[i];
		if (s->next[i].correlation == 0 || is_accounted_for(s, i))
			continue;
		uint32_t skipped = (uint32_t)c->jumps * SEQUENCE_JUMP;
		take(context, &(struct sequence_gap){
				      .xid = c->xid,
				      .correlation = s->next[i].correlation,
				      .first = c->safe,
				      .last = s->next[i].number - skipped - 1,
				      .skipped = skipped,
			      });
		account_for(s, i);
	}
	sequences_flush(s);
}

void sequences_end_journal(struct sequences *s)
{
	for (uint32_t i = 0; i < s->contexts.capacity; i++)
		if (!is_accounted_for(s, i))
			account_for(s, i);
	sequences_flush(s);
	if (s->failing)
		sequences_try_again(s);
	if (!s->failing && journal_sync(&s->journal) == 0 &&
		journal_store_header(&s->journal, s->given_up, true) == 0)
		journal_sync(
			&s->journal); // failing: the next start takes the end for an unclean one
}
