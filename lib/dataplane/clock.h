// Frame time: a TSC clock kept to CLOCK_REALTIME by the control core, read by workers.
#ifndef X2TAP_CLOCK_H
#define X2TAP_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

enum { CLOCK_SHIFT = 22 };

// The same instant in both clocks.
struct clock_pair {
	_Atomic uint64_t tsc, ns;
};

// The control core fills the pair that is not in use and then publishes it by its number, so a worker never waits for it:
// it reads again only if another pair was published while it read.
struct frame_clock {
	struct clock_pair pairs[2];
	_Atomic uint32_t version; // pairs[version % 2] is in use
	uint64_t scale;           // ns per TSC cycle << CLOCK_SHIFT; constant
};

void frame_clock_init(struct frame_clock *clock);
void frame_clock_adjust(struct frame_clock *clock);                     // control core
uint64_t frame_clock_at(const struct frame_clock *clock, uint64_t tsc); // any thread; ns since 1970

#endif
