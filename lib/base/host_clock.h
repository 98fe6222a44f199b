// The clocks of this host. What decides something takes the time as an argument; this is where programs get it.
#ifndef X2TAP_HOST_CLOCK_H
#define X2TAP_HOST_CLOCK_H

#include <stdint.h>

uint64_t host_monotonic_ms(void);
uint64_t host_realtime_ms(void); // since 1970
uint64_t host_realtime_ns(void);

// Whether the kernel takes CLOCK_REALTIME for synchronised (adjtimex(2)).
enum host_clock_state {
	HOST_CLOCK_SYNCHRONISED,
	HOST_CLOCK_UNSYNCHRONISED,
	HOST_CLOCK_UNKNOWN, // it may not be asked
};
enum host_clock_state host_clock_state(void);

#endif
