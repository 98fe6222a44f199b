#include "clock.h"

#include <rte_cycles.h>
#include <time.h>

enum { READINGS = 4 }; // of both clocks; the one least disturbed counts

void frame_clock_init(struct frame_clock *clock)
{
	clock->scale = (1000000000ull << CLOCK_SHIFT) / rte_get_tsc_hz();
	frame_clock_adjust(clock);
}

void frame_clock_adjust(struct frame_clock *clock)
{
	uint64_t shortest = UINT64_MAX, tsc = 0;
	struct timespec now = {0};
	for (unsigned i = 0; i < READINGS;
		i++) { // the thread may be interrupted between the clocks
		struct timespec reading;
		uint64_t before = rte_rdtsc();
		clock_gettime(CLOCK_REALTIME, &reading);
		uint64_t took = rte_rdtsc() - before;
		if (took < shortest) {
			shortest = took;
			tsc = before + took / 2;
			now = reading;
		}
	}
	uint32_t next = atomic_load_explicit(&clock->version, memory_order_relaxed) + 1;
	struct clock_pair *pair = &clock->pairs[next % 2];
	atomic_thread_fence(
		memory_order_release); // the last publication comes before what follows: pairs with the fence below
	atomic_store_explicit(&pair->tsc, tsc, memory_order_relaxed);
	atomic_store_explicit(&pair->ns, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
		memory_order_relaxed);
	// release: pairs with the first acquire in frame_clock_at
	atomic_store_explicit(&clock->version, next, memory_order_release);
}

uint64_t frame_clock_at(const struct frame_clock *clock, uint64_t tsc)
{
	for (;;) {
		uint32_t version = atomic_load_explicit(&clock->version, memory_order_acquire);
		const struct clock_pair *pair = &clock->pairs[version % 2];
		uint64_t base_tsc = atomic_load_explicit(&pair->tsc, memory_order_relaxed);
		uint64_t base_ns = atomic_load_explicit(&pair->ns, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		// The pair is written again only after the other one was published.
		if (atomic_load_explicit(&clock->version, memory_order_relaxed) != version)
			continue;
		// A reader may hold a TSC from just before the adjustment.
		if (tsc < base_tsc)
			return base_ns - ((base_tsc - tsc) * clock->scale >> CLOCK_SHIFT);
		return base_ns + ((tsc - base_tsc) * clock->scale >> CLOCK_SHIFT);
	}
}
