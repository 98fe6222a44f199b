#include "clock.h"

#include <rte_cycles.h>
#include <time.h>

void frame_clock_init(struct frame_clock *clock)
{
	clock->scale = (1000000000ull << CLOCK_SHIFT) / rte_get_tsc_hz();
	frame_clock_adjust(clock);
}

void frame_clock_adjust(struct frame_clock *clock)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t tsc = rte_rdtsc();
	uint32_t version = atomic_load_explicit(&clock->version, memory_order_relaxed);
	atomic_store_explicit(&clock->version, version + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); // pairs with the acquire fence in frame_clock_at
	atomic_store_explicit(&clock->tsc, tsc, memory_order_relaxed);
	atomic_store_explicit(&clock->ns,
		(uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, memory_order_relaxed);
	atomic_store_explicit(&clock->version, version + 2, memory_order_release);
}

uint64_t frame_clock_at(const struct frame_clock *clock, uint64_t tsc)
{
	for (;;) {
		uint32_t before = atomic_load_explicit(&clock->version, memory_order_acquire);
		uint64_t base_tsc = atomic_load_explicit(&clock->tsc, memory_order_relaxed);
		uint64_t base_ns = atomic_load_explicit(&clock->ns, memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 ||
			atomic_load_explicit(&clock->version, memory_order_relaxed) != before)
			continue; // the writer is between two stores
		// A reader may hold a TSC from just before the adjustment.
		if (tsc < base_tsc)
			return base_ns - ((base_tsc - tsc) * clock->scale >> CLOCK_SHIFT);
		return base_ns + ((tsc - base_tsc) * clock->scale >> CLOCK_SHIFT);
	}
}
