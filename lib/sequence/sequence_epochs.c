// Up to which number everything is safe: what each context had come to when an epoch ended, in bounded memory.
#include "sequence_internal.h"

enum { EPOCH_MS = 20 };

static struct record *record_at(const struct sequences *s, uint64_t index)
{
	return &s->records[index % s->record_room];
}

static struct epoch *epoch_at(const struct sequences *s, uint32_t index)
{
	return &s->epochs[(s->first_epoch + index) % SEQUENCES_EPOCHS];
}

// Makes one of two epochs each, that of the later end: a context that is in both was as far as the later says. Records move
// towards the front, never past what is still to be read.
static void merge_pairs(struct sequences *s)
{
	uint64_t from = s->first_record, to = s->first_record;
	uint32_t merged = 0;
	for (uint32_t i = 0; i < s->epoch_count; i += 2) {
		bool pair = i + 1 < s->epoch_count;
		uint64_t middle = epoch_at(s, i)->end;
		struct epoch whole = *epoch_at(s, pair ? i + 1 : i);
		s->merge_pass++;
		for (uint64_t r = middle; r < whole.end; r++)
			s->known[record_at(s, r)->entry].pass = s->merge_pass;
		for (; from < whole.end; from++) {
			struct record record = *record_at(s, from);
			if (from < middle && s->known[record.entry].pass == s->merge_pass)
				continue;
			*record_at(s, to++) = record;
		}
		whole.end = to;
		*epoch_at(s, merged++) = whole;
	}
	s->epoch_count = merged;
	s->open_record = to;
	for (; from < s->end_record; from++)
		*record_at(s, to++) = *record_at(s, from);
	s->end_record = to;
}

static void make_room(struct sequences *s)
{
	while (s->end_record - s->first_record > s->record_room / 2 && s->epoch_count > 1)
		merge_pairs(s);
}

void sequences_record(struct sequences *s, uint32_t entry)
{
	struct context *c = &s->known[entry];
	if (c->epoch == s->epoch)
		return;
	if (s->end_record - s->first_record == s->record_room) {
		// Looking for room once an epoch is enough.
		if (!s->missed || s->missed_epoch != s->epoch)
			make_room(s);
		if (s->end_record - s->first_record == s->record_room) {
			s->missed = true;
			s->missed_epoch = s->epoch;
			return;
		}
	}
	c->epoch = s->epoch;
	record_at(s, s->end_record++)->entry = entry;
}

static void end_epoch(struct sequences *s, uint64_t now_ms)
{
	for (uint64_t r = s->open_record; r < s->end_record; r++) {
		struct record *record = record_at(s, r);
		record->life = s->known[record->entry].life;
		record->next = s->next[record->entry].number;
	}
	if (s->epoch_count == SEQUENCES_EPOCHS)
		merge_pairs(s);
	*epoch_at(s, s->epoch_count++) = (struct epoch){now_ms, s->end_record};
	s->open_record = s->end_record;
	s->epoch++;
}

void sequences_tick(struct sequences *s, uint64_t now_ms)
{
	if (!s->known || now_ms - s->epoch_began_ms < EPOCH_MS)
		return;
	s->now_s = sequences_realtime_s();
	if (s->failing)
		sequences_try_again(s);
	else
		sequences_probe(s, now_ms);
	if (s->end_record > s->open_record || (s->missed && s->missed_epoch == s->epoch))
		end_epoch(s, now_ms);
	s->epoch_began_ms = now_ms;
}

static void become_safe(struct sequences *s, uint32_t entry, uint32_t next)
{
	struct context *c = &s->known[entry];
	if ((int32_t)(next - c->safe) <= 0)
		return;
	c->safe = next;
	sequences_mark(s, entry);
}

// Nothing is left that is not safe, so those without a record are safe too.
static void make_up_for_missed(struct sequences *s)
{
	for (uint32_t i = 0; i < s->contexts.capacity; i++)
		become_safe(s, i, s->next[i].number);
	s->missed = false;
}

void sequences_safe(struct sequences *s, uint64_t before_ms)
{
	if (!s->known)
		return;
	while (s->epoch_count > 0 && epoch_at(s, 0)->end_ms < before_ms) {
		for (; s->first_record < epoch_at(s, 0)->end; s->first_record++) {
			const struct record *r = record_at(s, s->first_record);
			if (r->life == s->known[r->entry].life)
				become_safe(s, r->entry, r->next);
		}
		s->first_epoch = (s->first_epoch + 1) % SEQUENCES_EPOCHS;
		s->epoch_count--;
	}
	if (s->missed && s->epoch_count == 0 && s->end_record == s->open_record &&
		s->missed_epoch != s->epoch)
		make_up_for_missed(s);
	if (s->touched_count > 0)
		sequences_flush(s);
}
