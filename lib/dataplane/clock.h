// Frame time: a TSC clock kept to CLOCK_REALTIME by the control core, read by workers.
#ifndef X2TAP_CLOCK_H
#define X2TAP_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

enum { CLOCK_SHIFT = 22 };

// Written by the control core, read by workers under a sequence lock: even while stable.
struct frame_clock {
	_Atomic uint32_t version;
	_Atomic uint64_t tsc, ns; // the same instant in both clocks
	uint64_t scale;           // ns per TSC cycle << CLOCK_SHIFT; constant
};

void frame_clock_init(struct frame_clock *clock);
void frame_clock_adjust(struct frame_clock *clock);                     // control core
uint64_t frame_clock_at(const struct frame_clock *clock, uint64_t tsc); // any thread; ns since 1970

#endif
