// How long to wait between attempts to connect: 0.5 s, doubled each time up to 30 s, of which a random half is taken off
// so that many taps do not come back to one MF in step.
#ifndef X2TAP_BACKOFF_H
#define X2TAP_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_FIRST_MS = 500, BACKOFF_MAX_MS = 30000 };

struct backoff {
	uint32_t step_ms;
	uint64_t random;
};

void backoff_init(struct backoff *b, uint64_t random_seed);
void backoff_reset(struct backoff *b); // after a proven connection
uint32_t backoff_next_ms(struct backoff *b);

#endif
