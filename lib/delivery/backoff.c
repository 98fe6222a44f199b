#include "backoff.h"

void backoff_init(struct backoff *b, uint64_t random_seed)
{
	*b = (struct backoff){BACKOFF_FIRST_MS, random_seed};
}

void backoff_reset(struct backoff *b)
{
	b->step_ms = BACKOFF_FIRST_MS;
}

// splitmix64 (Steele, Lea, Flood 2014): spreads attempts, protects nothing.
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t backoff_next_ms(struct backoff *b)
{
	uint32_t half = b->step_ms / 2;
	uint32_t wait = half + (uint32_t)(random_next(&b->random) % (half + 1));
	b->step_ms = b->step_ms < BACKOFF_MAX_MS / 2 ? b->step_ms * 2 : BACKOFF_MAX_MS;
	return wait;
}
