// Which TCP flows may belong to a stream that is followed though no port tells: asked for every TCP segment before it is
// forwarded, so a false yes is rare and a no is certain.
//
// One filter for all workers. Any of them may add and take away; a look is one load.
#ifndef X2TAP_FOLLOWED_H
#define X2TAP_FOLLOWED_H

#include <stdatomic.h>

#include "hash.h"
#include "packet.h"

enum { FOLLOWED_SLOTS = 65536 };

struct followed {
	uint64_t seed;
	_Atomic uint32_t count;                 // streams, over all slots: 0 is the rule, and then nothing is hashed
	_Atomic uint32_t slots[FOLLOWED_SLOTS]; // streams, by the hash of their flow
};

// NULL with errno.
struct followed *followed_new(const struct hash_key *key);
void followed_free(struct followed *f);

// The slot of a flow: a cheap hash with a seed of this start. Whoever could guess it would gain false yeses, nothing else.
uint16_t followed_slot(const struct followed *f, const struct flow *flow);
void followed_add(struct followed *f, uint16_t slot);
void followed_remove(struct followed *f, uint16_t slot);

static inline bool followed_perhaps(const struct followed *f, const struct flow *flow)
{
	// relaxed: the worker that follows the stream has it from its first message on, whatever others see when
	return atomic_load_explicit(&f->count, memory_order_relaxed) != 0 &&
	       atomic_load_explicit(&f->slots[followed_slot(f, flow)], memory_order_relaxed) != 0;
}

#endif
