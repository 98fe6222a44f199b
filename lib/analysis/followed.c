#include "followed.h"

#include <stdlib.h>

struct followed *followed_new(const struct hash_key *key)
{
	struct followed *f = calloc(1, sizeof *f);
	if (f)
		f->seed = key->k0 ^ key->k1 << 1;
	return f;
}

void followed_free(struct followed *f)
{
	free(f);
}

// High bits come down before the multiplication takes them up again: what differs in few bits then differs in all.
static uint64_t mix(uint64_t h, uint64_t value)
{
	h = (h ^ value) * 0x9e3779b97f4a7c15;
	return h ^ h >> 32;
}

static uint64_t word_at(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof word);
	return word;
}

uint16_t followed_slot(const struct followed *f, const struct flow *flow)
{
	uint64_t h = f->seed;
	h = mix(h, word_at(flow->source.octets));
	h = mix(h, word_at(flow->destination.octets));
	if (flow->source.family == 6) {
		h = mix(h, word_at(flow->source.octets + 8));
		h = mix(h, word_at(flow->destination.octets + 8));
	}
	h = mix(h, (uint64_t)flow->source_port << 16 | flow->destination_port);
	return (uint16_t)(mix(h, h >> 32) >> 48);
}

void followed_add(struct followed *f, uint16_t slot)
{
	atomic_fetch_add_explicit(&f->slots[slot], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&f->count, 1, memory_order_relaxed);
}

void followed_remove(struct followed *f, uint16_t slot)
{
	atomic_fetch_sub_explicit(&f->count, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&f->slots[slot], 1, memory_order_relaxed);
}
