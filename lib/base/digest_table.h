// Numbered entries found by a 128-bit keyed digest and kept in order of age, in memory taken once: the ground of every table
// here that traffic can drive. What an entry means stands in an array of its owner, by the entry's number.
//
// All operations take constant time. One thread.
#ifndef X2TAP_DIGEST_TABLE_H
#define X2TAP_DIGEST_TABLE_H

#include "hash.h"

static const uint32_t DIGEST_TABLE_NONE = UINT32_MAX;

struct digest_table_entry;

struct digest_table {
	struct digest_table_entry *entries;
	uint32_t *buckets;
	uint32_t capacity, bucket_mask, count;
	uint32_t oldest, newest, free;
};

// -ENOMEM or -EINVAL (capacity 0, or above 2^31).
int digest_table_init(struct digest_table *t, uint32_t capacity);
void digest_table_fini(struct digest_table *t);

// The entry's number, below `capacity`, or DIGEST_TABLE_NONE.
uint32_t digest_table_find(const struct digest_table *t, const struct digest *key);
// Takes an entry, the newest. `key` must not be in the table. DIGEST_TABLE_NONE when the table is full.
uint32_t digest_table_add(struct digest_table *t, const struct digest *key);
void digest_table_remove(struct digest_table *t, uint32_t entry);
// Makes the entry the newest.
void digest_table_touch(struct digest_table *t, uint32_t entry);

// DIGEST_TABLE_NONE when the table is empty.
static inline uint32_t digest_table_oldest(const struct digest_table *t)
{
	return t->oldest;
}

#endif
