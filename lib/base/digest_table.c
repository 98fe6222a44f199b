#include "digest_table.h"

#include <errno.h>
#include <stdlib.h>

struct digest_table_entry {
	struct digest key;
	uint32_t next; // in the chain of a bucket, or of free entries
	uint32_t older, newer;
};

enum { MAX_CAPACITY = 1 << 30 };
static const uint32_t NONE = DIGEST_TABLE_NONE;

int digest_table_init(struct digest_table *t, uint32_t capacity)
{
	if (capacity == 0 || capacity > MAX_CAPACITY)
		return -EINVAL;
	uint32_t buckets = 1;
	while (buckets < capacity)
		buckets *= 2;
	*t = (struct digest_table){
		.entries = malloc(capacity * sizeof *t->entries),
		.buckets = malloc(buckets * sizeof *t->buckets),
		.capacity = capacity,
		.bucket_mask = buckets - 1,
		.oldest = NONE,
		.newest = NONE,
		.free = 0,
	};
	if (!t->entries || !t->buckets) {
		digest_table_fini(t);
		return -ENOMEM;
	}
	memset(t->buckets, 0xff, buckets * sizeof *t->buckets); // NONE
	for (uint32_t i = 0; i < capacity; i++)
		t->entries[i] = (struct digest_table_entry){
			.next = i + 1 < capacity ? i + 1 : NONE, .older = NONE, .newer = NONE};
	return 0;
}

void digest_table_fini(struct digest_table *t)
{
	free(t->entries);
	free(t->buckets);
	*t = (struct digest_table){.oldest = NONE, .newest = NONE, .free = NONE};
}

static uint32_t *bucket_of(const struct digest_table *t, const struct digest *key)
{
	return &t->buckets[key->low & t->bucket_mask]; // keyed, so any part of it will do
}

uint32_t digest_table_find(const struct digest_table *t, const struct digest *key)
{
	uint32_t i = *bucket_of(t, key);
	while (i != NONE &&
		(t->entries[i].key.low != key->low || t->entries[i].key.high != key->high))
		i = t->entries[i].next;
	return i;
}

static void become_newest(struct digest_table *t, uint32_t entry)
{
	t->entries[entry].older = t->newest;
	t->entries[entry].newer = NONE;
	if (t->newest == NONE)
		t->oldest = entry;
	else
		t->entries[t->newest].newer = entry;
	t->newest = entry;
}

static void leave_order(struct digest_table *t, uint32_t entry)
{
	const struct digest_table_entry *e = &t->entries[entry];
	if (e->older == NONE)
		t->oldest = e->newer;
	else
		t->entries[e->older].newer = e->newer;
	if (e->newer == NONE)
		t->newest = e->older;
	else
		t->entries[e->newer].older = e->older;
}

uint32_t digest_table_add(struct digest_table *t, const struct digest *key)
{
	uint32_t entry = t->free;
	if (entry == NONE)
		return NONE;
	t->free = t->entries[entry].next;
	uint32_t *bucket = bucket_of(t, key);
	t->entries[entry].key = *key;
	t->entries[entry].next = *bucket;
	*bucket = entry;
	become_newest(t, entry);
	t->count++;
	return entry;
}

void digest_table_remove(struct digest_table *t, uint32_t entry)
{
	uint32_t *link = bucket_of(t, &t->entries[entry].key);
	while (*link != entry)
		link = &t->entries[*link].next;
	*link = t->entries[entry].next;
	leave_order(t, entry);
	t->entries[entry].next = t->free;
	t->free = entry;
	t->count--;
}

void digest_table_touch(struct digest_table *t, uint32_t entry)
{
	leave_order(t, entry);
	become_newest(t, entry);
}
