// From UUIDs to small numbers: who has this XID or DID already? Not for workers.
#ifndef X2TAP_UUID_INDEX_H
#define X2TAP_UUID_INDEX_H

#include "uuid.h"

static const uint32_t UUID_INDEX_NONE = UINT32_MAX;

struct uuid_index {
	struct uuid_index_cell {
		struct uuid uuid;
		uint32_t number; // UUID_INDEX_NONE: free
	} * cells;
	size_t mask;
};

// Room for `count` UUIDs. False: no memory.
bool uuid_index_init(struct uuid_index *index, size_t count);
void uuid_index_fini(struct uuid_index *index); // wipes

// The number of `uuid`, or UUID_INDEX_NONE.
uint32_t uuid_index_find(const struct uuid_index *index, const struct uuid *uuid);
// Gives `uuid` a number unless it has one. Returns the one it had, or UUID_INDEX_NONE when it is new.
uint32_t uuid_index_add(struct uuid_index *index, const struct uuid *uuid, uint32_t number);

#endif
