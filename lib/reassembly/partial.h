// The octets that are there of one datagram, and the pool of blocks they lie in.
//
// The grain is the unit of 8 octets that fragment offsets count (RFC 791 section 3.1). Only the unit at the end of a datagram
// may be shorter; as no fragment may reach behind that end, a unit that is there is there whole. A span is `len` octets, not 0,
// from `offset`, a multiple of 8, that end at octet 65,535 at the latest; where `more` says so, `len` is a multiple of 8 too.
#ifndef X2TAP_PARTIAL_H
#define X2TAP_PARTIAL_H

#include "bytes.h"

enum {
	PARTIAL_UNIT = 8,
	PARTIAL_OCTETS_MAX = 65535,
	PARTIAL_BLOCK = 1024, // octets
	PARTIAL_BLOCKS = 64,  // of the longest datagram; `touched` and `stored` have a bit for each
	PARTIAL_WORD = 64 * PARTIAL_UNIT, // octets that one word of `units` stands for
	PARTIAL_WORDS = 2 * PARTIAL_BLOCKS,
};

struct block_pool {
	uint8_t *octets; // count * PARTIAL_BLOCK
	uint32_t *free;  // numbers of blocks, used as a stack
	uint32_t count, free_count;
};

// Makes all blocks of the pool free; the caller has set `octets`, `free` and `count`.
void block_pool_init(struct block_pool *pool);

struct partial {
	uint64_t touched;  // blocks for which something came. The words of the others are void: nothing large is ever cleared
	uint64_t stored;   // blocks that lie in the pool
	uint16_t end;      // octets of the whole datagram, 0 while the last fragment has not come
	uint16_t reach;    // one behind the last octet that came
	uint16_t received; // units
	uint32_t blocks[PARTIAL_BLOCKS]; // numbers in the pool
	uint64_t units[PARTIAL_WORDS];   // a bit for each unit that came
};

// Nothing is there yet.
void partial_begin(struct partial *p);

// Whether a span contradicts what came before: ends that differ, something behind the end, other octets in `stored` blocks.
bool partial_contradicts(const struct partial *p, const struct block_pool *pool, uint32_t offset,
	struct bytes octets, bool more);

// Notes that a span came. Whether anything was new: units, or where the end is.
bool partial_mark(struct partial *p, uint32_t offset, size_t len, bool more);
// Whether the end is known and every unit before it came.
bool partial_is_complete(const struct partial *p);

// How many blocks partial_store() takes from the pool for a span.
uint32_t partial_blocks_needed(const struct partial *p, uint32_t offset, size_t len);
// Stores a span. The pool must have the blocks.
void partial_store(
	struct partial *p, struct block_pool *pool, uint32_t offset, struct bytes octets);
// Copies the stored blocks to where they belong in `whole`, which has room for PARTIAL_BLOCKS.
void partial_gather(const struct partial *p, const struct block_pool *pool, uint8_t *whole);
// Gives the blocks back. What came stays noted.
void partial_release(struct partial *p, struct block_pool *pool);

#endif
