#include "record_ring.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE = 64, RECORD_ALIGN = 8, RECORD_HEADER = 8, MIN_SIZE = 4096 };

// A record is a u64 length, then its octets, padded to RECORD_ALIGN. This length marks the unused end of the block
// before a record that starts again at offset 0.
static const uint64_t WRAP_MARK = UINT64_MAX;

struct record_ring {
	// constant
	uint8_t *block;
	size_t size; // a power of two

	// the writer writes
	alignas(CACHE_LINE) _Atomic size_t head; // octets ever committed
	size_t reserved_at; // where the reserved record's header goes, in octets ever
	size_t tail_seen;   // the writer's last view of tail

	// the reader writes
	alignas(CACHE_LINE) _Atomic size_t tail; // octets ever released
};

static size_t padded(size_t len)
{
	return RECORD_HEADER + ((len + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1));
}

struct record_ring *record_ring_new(size_t size)
{
	size_t rounded = MIN_SIZE;
	while (rounded < size)
		rounded *= 2;
	struct record_ring *ring = aligned_alloc(CACHE_LINE, sizeof *ring);
	if (!ring)
		return NULL;
	*ring = (struct record_ring){.block = aligned_alloc(CACHE_LINE, rounded), .size = rounded};
	if (!ring->block) {
		free(ring);
		errno = ENOMEM;
		return NULL;
	}
	memset(ring->block, 0, rounded); // fault the pages in now, not under traffic
	return ring;
}

void record_ring_free(struct record_ring *ring)
{
	if (!ring)
		return;
	explicit_bzero(ring->block, ring->size); // it held content of IRI
	free(ring->block);
	free(ring);
}

static void put_length(struct record_ring *ring, size_t position, uint64_t len)
{
	memcpy(ring->block + (position & (ring->size - 1)), &len, sizeof len);
}

static uint64_t get_length(const struct record_ring *ring, size_t position)
{
	uint64_t len;
	memcpy(&len, ring->block + (position & (ring->size - 1)), sizeof len);
	return len;
}

void *record_ring_reserve(struct record_ring *ring, size_t len)
{
	if (len > ring->size / 2)
		return NULL;
	size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	size_t to_end = ring->size - (head & (ring->size - 1));
	size_t skip = padded(len) > to_end ? to_end : 0;
	if (head + skip + padded(len) - ring->tail_seen > ring->size) {
		// acquire: pairs with the release in record_ring_release, whose octets we are about to overwrite
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head + skip + padded(len) - ring->tail_seen > ring->size)
			return NULL;
	}
	if (skip)
		put_length(ring, head, WRAP_MARK);
	ring->reserved_at = head + skip;
	return ring->block + ((head + skip) & (ring->size - 1)) + RECORD_HEADER;
}

void record_ring_commit(struct record_ring *ring, size_t len)
{
	put_length(ring, ring->reserved_at, len);
	// release: pairs with the acquire in record_ring_peek, which reads what was filled in
	atomic_store_explicit(&ring->head, ring->reserved_at + padded(len), memory_order_release);
}

struct bytes record_ring_peek(struct record_ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	// acquire: pairs with the release in record_ring_commit
	size_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
	if (head == tail)
		return (struct bytes){NULL, 0};
	uint64_t len = get_length(ring, tail);
	if (len == WRAP_MARK) {
		tail += ring->size - (tail & (ring->size - 1));
		atomic_store_explicit(&ring->tail, tail, memory_order_release);
		len = get_length(ring, tail);
	}
	return bytes_of(ring->block + (tail & (ring->size - 1)) + RECORD_HEADER, (size_t)len);
}

void record_ring_release(struct record_ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t len = (size_t)get_length(ring, tail);
	// release: pairs with the acquire in record_ring_reserve
	atomic_store_explicit(&ring->tail, tail + padded(len), memory_order_release);
}

void record_ring_release_wiped(struct record_ring *ring)
{
	size_t at = atomic_load_explicit(&ring->tail, memory_order_relaxed) & (ring->size - 1);
	uint64_t len;
	memcpy(&len, ring->block + at, sizeof len);
	explicit_bzero(ring->block + at + RECORD_HEADER, (size_t)len);
	record_ring_release(ring);
}

size_t record_ring_used(const struct record_ring *ring)
{
	size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	return atomic_load_explicit(&ring->head, memory_order_relaxed) - tail;
}

size_t record_ring_size(const struct record_ring *ring)
{
	return ring->size;
}
