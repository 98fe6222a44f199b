// A ring of records of any length between one writer and one reader, in memory taken once.
//
// The writer reserves, fills and commits; the reader peeks, uses and releases. A record is contiguous and 8-aligned.
// Neither side waits, locks or allocates. One thread writes and one reads; they may be the same.
#ifndef X2TAP_RECORD_RING_H
#define X2TAP_RECORD_RING_H

#include "bytes.h"

struct record_ring;

// `size` octets are rounded up to a power of two, at least 4096. NULL with errno set when there is no memory.
struct record_ring *record_ring_new(size_t size);
void record_ring_free(struct record_ring *ring);

// Room for one record of up to `len` octets, or NULL when the ring is too full. Writer only. A second reserve before
// commit replaces the first.
void *record_ring_reserve(struct record_ring *ring, size_t len);
// Hands the reserved record over with its first `len` octets (at most what was reserved).
void record_ring_commit(struct record_ring *ring, size_t len);

// The oldest record, or an empty view with at == NULL. Stays valid until released. Reader only.
struct bytes record_ring_peek(struct record_ring *ring);
void record_ring_release(struct record_ring *ring);
// The same, and wipes it first: nobody writes there before the release.
void record_ring_release_wiped(struct record_ring *ring);

// Octets in use, bookkeeping included, and the size: for level checks from either side.
size_t record_ring_used(const struct record_ring *ring);
size_t record_ring_size(const struct record_ring *ring);

#endif
