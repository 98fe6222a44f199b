#include "host_clock.h"

#include <sys/timex.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t host_monotonic_ms(void)
{
	return read_ns(CLOCK_MONOTONIC) / 1000000;
}

uint64_t host_realtime_ms(void)
{
	return read_ns(CLOCK_REALTIME) / 1000000;
}

uint64_t host_realtime_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

enum host_clock_state host_clock_state(void)
{
	struct timex state = {0};
	int result = adjtimex(&state);
	if (result < 0)
		return HOST_CLOCK_UNKNOWN;
	return result == TIME_ERROR || state.status & STA_UNSYNC ? HOST_CLOCK_UNSYNCHRONISED
	                                                         : HOST_CLOCK_SYNCHRONISED;
}
