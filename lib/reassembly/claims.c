#include "claims.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

// A bucket is one cache line: seven slots, and a head through which all claims enter it one after the other.
//
// To claim is to replace the head that was read before the slots were searched in vain. If that succeeds, nobody has claimed
// anything in this bucket since, so nobody has claimed this name: two workers cannot both succeed. The new head says which
// slot the claim goes to, and is pending until it stands there; who wants to claim and meets a pending head finishes what it
// says first, so that nobody waits for anybody. Each claim of a bucket has a serial number, and a word that was replaced
// never comes back (serials recur after 2^20 claims in one bucket, and then a word only if its name, worker and slot do
// too): a thread that was held up cannot take a later state for the one it saw.
enum { CACHE_LINE = 64, SLOTS = 7, CLAIMS_PER_BUCKET = 2, MAX_CAPACITY = 1 << 30 };

// Of a word, as head or in a slot, from the low end. A head that is not pending is the last claim, wherever that is now.
enum {
	HOLDER_BITS = 8,   // worker + 1; 0: released, or never used
	PENDING_SHIFT = 8, // of heads only
	SLOT_SHIFT = 9,
	SLOT_BITS = 3,
	SERIAL_SHIFT = 12,
	SERIAL_BITS = 20,
	TAG_SHIFT = 32, // 32 bits of the name
};
static const uint64_t HOLDER_MASK = (1ull << HOLDER_BITS) - 1;
static const uint64_t SERIAL_MASK = (1ull << SERIAL_BITS) - 1;
static const uint64_t PENDING = 1ull << PENDING_SHIFT;
static_assert(CLAIMS_WORKERS < 1 << HOLDER_BITS && SLOTS < 1 << SLOT_BITS);

struct bucket {
	alignas(CACHE_LINE) _Atomic uint64_t head;
	_Atomic uint64_t slots[SLOTS];
};
static_assert(sizeof(struct bucket) == CACHE_LINE);

struct claims {
	// constant
	struct bucket *buckets;
	uint32_t mask;

	// all workers write, seldom
	alignas(CACHE_LINE) _Atomic uint64_t given_up;
};

struct claims *claims_new(uint32_t capacity)
{
	if (capacity == 0 || capacity > MAX_CAPACITY) {
		errno = EINVAL;
		return NULL;
	}
	size_t count = 1;
	while (count < capacity / CLAIMS_PER_BUCKET)
		count *= 2;
	struct claims *c = aligned_alloc(CACHE_LINE, sizeof *c);
	if (!c)
		return NULL;
	*c = (struct claims){
		.buckets = aligned_alloc(CACHE_LINE, count * sizeof *c->buckets),
		.mask = (uint32_t)(count - 1),
	};
	if (!c->buckets) {
		free(c);
		errno = ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		c->buckets[i] = (struct bucket){0};
	return c;
}

void claims_free(struct claims *c)
{
	if (!c)
		return;
	free(c->buckets);
	free(c);
}

// --- words -----------------------------------------------------------------------------------------------------

static struct bucket *bucket_of(const struct claims *c, const struct digest *name)
{
	return &c->buckets[name->low & c->mask];
}

static uint64_t tag_of(const struct digest *name)
{
	return name->high << TAG_SHIFT;
}

static uint64_t word_of(const struct digest *name, uint64_t serial, unsigned slot, unsigned worker)
{
	return tag_of(name) | (serial & SERIAL_MASK) << SERIAL_SHIFT |
	       (uint64_t)slot << SLOT_SHIFT | (worker + 1);
}

static uint64_t serial_of(uint64_t word)
{
	return word >> SERIAL_SHIFT & SERIAL_MASK;
}

static unsigned slot_of(uint64_t word)
{
	return word >> SLOT_SHIFT & ((1u << SLOT_BITS) - 1);
}

static bool is_held(uint64_t word)
{
	return word & HOLDER_MASK;
}

static unsigned holder_of(uint64_t word)
{
	return (unsigned)(word & HOLDER_MASK) - 1;
}

static bool is_claim_on(uint64_t word, const struct digest *name)
{
	return is_held(word) && word >> TAG_SHIFT == tag_of(name) >> TAG_SHIFT;
}

// --- claims ----------------------------------------------------------------------------------------------------

// acquire: pairs with the release of replace(), so that what was there before that word is seen too.
static uint64_t look(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire);
}

// release: pairs with the acquire of look(). acquire: what this thread does next is not done before. On failure `*seen` is what
// is there.
static bool replace(_Atomic uint64_t *word, uint64_t *seen, uint64_t by)
{
	return atomic_compare_exchange_strong_explicit(
		word, seen, by, memory_order_acq_rel, memory_order_acquire);
}

// Puts the claim that the pending head announces in its slot; any thread may. The slot is read before the head is seen to be
// pending still: then either the claim is not there yet, or the slot has changed since and replace() fails.
static void finish(struct bucket *b, uint64_t pending)
{
	uint64_t claim = pending & ~PENDING;
	_Atomic uint64_t *slot = &b->slots[slot_of(claim)];
	uint64_t seen = look(slot);
	while (seen != claim) {
		if (look(&b->head) != pending)
			return;
		if (replace(slot, &seen, claim))
			break;
	}
	replace(&b->head, &(uint64_t){pending}, claim);
}

static uint64_t settled_head(struct bucket *b)
{
	uint64_t head;
	while ((head = look(&b->head)) & PENDING)
		finish(b, head);
	return head;
}

// The slot's word, or 0.
static uint64_t find(const struct bucket *b, const struct digest *name)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t word = look(&b->slots[i]);
		if (is_claim_on(word, name))
			return word;
	}
	return 0;
}

// A free slot, or that of the oldest claim, which then gives way to the one that will have `serial`.
static unsigned choose_slot(const struct bucket *b, uint64_t serial, bool *gives_way)
{
	uint64_t greatest_age = 0;
	unsigned oldest = 0;
	*gives_way = false;
	for (unsigned i = 0; i < SLOTS; i++) {
		uint64_t word = look(&b->slots[i]);
		if (!is_held(word))
			return i;
		uint64_t age = (serial - serial_of(word)) & SERIAL_MASK;
		if (age > greatest_age) {
			greatest_age = age;
			oldest = i;
		}
	}
	*gives_way = true;
	return oldest;
}

unsigned claims_take(struct claims *c, const struct digest *name, unsigned worker)
{
	assert(worker < CLAIMS_WORKERS);
	struct bucket *b = bucket_of(c, name);
	for (;;) {
		uint64_t head = settled_head(b);
		uint64_t claim = find(b, name);
		if (claim)
			return holder_of(claim);
		bool gives_way;
		uint64_t serial = serial_of(head) + 1;
		unsigned slot = choose_slot(b, serial, &gives_way);
		uint64_t pending = word_of(name, serial, slot, worker) | PENDING;
		if (!replace(&b->head, &head, pending))
			continue;
		finish(b, pending);
		if (gives_way) // relaxed: a count, read by nobody who relies on more
			atomic_fetch_add_explicit(&c->given_up, 1, memory_order_relaxed);
		return worker;
	}
}

unsigned claims_holder(const struct claims *c, const struct digest *name)
{
	// A pending claim need not be looked at: until it stands in its slot nobody has been told of it.
	uint64_t claim = find(bucket_of(c, name), name);
	return claim ? holder_of(claim) : CLAIMS_NOBODY;
}

void claims_release(struct claims *c, const struct digest *name, unsigned worker)
{
	struct bucket *b = bucket_of(c, name);
	uint64_t claim = find(b, name);
	// It fails when the claim has just given way: then there is nothing to release.
	if (claim && holder_of(claim) == worker)
		replace(&b->slots[slot_of(claim)], &claim, claim & ~HOLDER_MASK);
}

uint64_t claims_given_up(const struct claims *c)
{
	return atomic_load_explicit(&c->given_up, memory_order_relaxed);
}
