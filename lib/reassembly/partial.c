#include "partial.h"

#include <assert.h>

static_assert(PARTIAL_BLOCKS * PARTIAL_BLOCK > PARTIAL_OCTETS_MAX);
static_assert(PARTIAL_BLOCK == 2 * PARTIAL_WORD);

void block_pool_init(struct block_pool *pool)
{
	// The first block is taken first: a pool that is little used stays in few pages and cache lines.
	for (uint32_t i = 0; i < pool->count; i++)
		pool->free[i] = pool->count - 1 - i;
	pool->free_count = pool->count;
}

static uint8_t *block_at(const struct block_pool *pool, uint32_t number)
{
	return pool->octets + (size_t)number * PARTIAL_BLOCK;
}

void partial_begin(struct partial *p)
{
	p->touched = p->stored = 0;
	p->end = p->reach = p->received = 0;
}

static bool has_block(uint64_t blocks, size_t block)
{
	return blocks >> block & 1;
}

// The bits first to last, both included.
static uint64_t bits_between(size_t first, size_t last)
{
	return UINT64_MAX << first & UINT64_MAX >> (63 - last);
}

// The units of a span that the word with number `word` stands for.
static uint64_t units_in_word(size_t word, size_t first_unit, size_t last_unit)
{
	size_t first = word == first_unit / 64 ? first_unit % 64 : 0;
	size_t last = word == last_unit / 64 ? last_unit % 64 : 63;
	return bits_between(first, last);
}

static size_t units_of(size_t octets)
{
	return (octets + PARTIAL_UNIT - 1) / PARTIAL_UNIT;
}

// --- contradictions ------------------------------------------------------------------------------------------

static bool end_contradicts(const struct partial *p, size_t end, bool more)
{
	if (more)
		return p->end && end > p->end;
	return p->end ? end != p->end : end < p->reach;
}

// Compares the units of `both`, which all lie in the word with number `word`, run by run.
static bool word_contradicts(
	const uint8_t *stored, size_t word, uint64_t both, uint32_t offset, struct bytes octets)
{
	while (both) {
		size_t first = (size_t)__builtin_ctzll(both);
		uint64_t behind = ~(both >> first);
		size_t count = behind ? (size_t)__builtin_ctzll(behind) : 64;
		size_t at = (word * 64 + first) * PARTIAL_UNIT - offset;
		struct bytes run = bytes_slice(octets, at, count * PARTIAL_UNIT);
		if (memcmp(stored + first * PARTIAL_UNIT, run.at, run.len) != 0)
			return true;
		both &= ~bits_between(first, first + count - 1);
	}
	return false;
}

static bool octets_contradict(const struct partial *p, const struct block_pool *pool,
	uint32_t offset, struct bytes octets)
{
	size_t first = offset / PARTIAL_UNIT;
	size_t last = (offset + octets.len - 1) / PARTIAL_UNIT;
	for (size_t word = first / 64; word <= last / 64; word++) {
		size_t block = word / 2;
		if (!has_block(p->stored, block))
			continue;
		const uint8_t *stored =
			block_at(pool, p->blocks[block]) + word % 2 * (size_t)PARTIAL_WORD;
		uint64_t both = p->units[word] & units_in_word(word, first, last);
		if (word_contradicts(stored, word, both, offset, octets))
			return true;
	}
	return false;
}

bool partial_contradicts(const struct partial *p, const struct block_pool *pool, uint32_t offset,
	struct bytes octets, bool more)
{
	return end_contradicts(p, offset + octets.len, more) ||
	       octets_contradict(p, pool, offset, octets);
}

// --- what came -----------------------------------------------------------------------------------------------

static void touch(struct partial *p, size_t block)
{
	if (has_block(p->touched, block))
		return;
	p->touched |= 1ull << block;
	p->units[2 * block] = p->units[2 * block + 1] = 0;
}

static bool mark_units(struct partial *p, size_t first, size_t last)
{
	uint16_t before = p->received;
	for (size_t word = first / 64; word <= last / 64; word++) {
		touch(p, word / 2);
		uint64_t fresh = units_in_word(word, first, last) & ~p->units[word];
		p->units[word] |= fresh;
		p->received = (uint16_t)(p->received + __builtin_popcountll(fresh));
	}
	return p->received != before;
}

bool partial_mark(struct partial *p, uint32_t offset, size_t len, bool more)
{
	uint16_t end = (uint16_t)(offset + len);
	bool new_end = !more && p->end == 0;
	if (new_end)
		p->end = end;
	if (end > p->reach)
		p->reach = end;
	return mark_units(p, offset / PARTIAL_UNIT, (end - 1u) / PARTIAL_UNIT) || new_end;
}

bool partial_is_complete(const struct partial *p)
{
	return p->end && p->received == units_of(p->end);
}

// --- the octets ----------------------------------------------------------------------------------------------

uint32_t partial_blocks_needed(const struct partial *p, uint32_t offset, size_t len)
{
	uint64_t span = bits_between(offset / PARTIAL_BLOCK, (offset + len - 1) / PARTIAL_BLOCK);
	return (uint32_t)__builtin_popcountll(span & ~p->stored);
}

static uint8_t *block_of(struct partial *p, struct block_pool *pool, size_t block)
{
	if (!has_block(p->stored, block)) {
		p->stored |= 1ull << block;
		p->blocks[block] = pool->free[--pool->free_count];
	}
	return block_at(pool, p->blocks[block]);
}

void partial_store(struct partial *p, struct block_pool *pool, uint32_t offset, struct bytes octets)
{
	struct reader r = reader_of(octets);
	for (size_t at = offset; reader_left(&r); at = (at | (PARTIAL_BLOCK - 1)) + 1) {
		size_t room = PARTIAL_BLOCK - at % PARTIAL_BLOCK;
		size_t left = reader_left(&r);
		struct bytes piece = read_bytes(&r, room < left ? room : left);
		uint8_t *block = block_of(p, pool, at / PARTIAL_BLOCK);
		memcpy(block + at % PARTIAL_BLOCK, piece.at, piece.len);
	}
}

void partial_gather(const struct partial *p, const struct block_pool *pool, uint8_t *whole)
{
	for (uint64_t left = p->stored; left; left &= left - 1) {
		size_t block = (size_t)__builtin_ctzll(left), at = block * PARTIAL_BLOCK;
		size_t behind = (size_t)p->reach - at;
		memcpy(whole + at, block_at(pool, p->blocks[block]),
			behind < PARTIAL_BLOCK ? behind : PARTIAL_BLOCK);
	}
}

void partial_release(struct partial *p, struct block_pool *pool)
{
	for (uint64_t left = p->stored; left; left &= left - 1)
		pool->free[pool->free_count++] = p->blocks[__builtin_ctzll(left)];
	p->stored = 0;
}
