// Looks at ports, workers, destinations, certificates, clock and journal, and begins and ends the faults that follow.
//
// The control core alone.
#ifndef X2TAP_WATCH_H
#define X2TAP_WATCH_H

#include "core.h"

enum { WATCH_DESTINATIONS = 2 * CONFIG_MAX_DESTINATIONS }; // and as many sets

struct watch_loss {
	struct uuid whose;
	uint64_t lost; // PDUs, at the last look
	uint64_t at_ms;
};

struct watch {
	uint64_t turns[CONFIG_MAX_WORKERS]; // of each worker, at the last look that found it moving
	uint64_t moved_ms[CONFIG_MAX_WORKERS];        // when that was
	struct watch_loss losses[WATCH_DESTINATIONS]; // by place in the list
	uint64_t salted;    // contexts with a salted correlation id, as last told
	uint64_t forgotten; // numbers of contexts that gave way, as last told
};

// Call every half second or so.
void watch_look(struct watch *w, struct core *core, uint64_t now_ms);

#endif
