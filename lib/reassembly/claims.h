// Which worker puts a datagram or stream together: the one that saw the first part of it. Others that see parts of it hand them
// over to that worker.
//
// A fixed table that all workers share. Any thread may call anything at any time, and never waits: a call is only ever
// repeated because another one succeeded in the same bucket. A claim lasts until it is released or, when its bucket is full,
// until as many newer ones of the bucket came; then the next worker that asks gets the name, as if nobody had claimed it.
#ifndef X2TAP_CLAIMS_H
#define X2TAP_CLAIMS_H

#include <limits.h>

#include "hash.h"

enum { CLAIMS_WORKERS = 255 }; // workers are numbered below this
static const unsigned CLAIMS_NOBODY = UINT_MAX;

struct claims;
// Room for `capacity` claims at once: when there are so many, about one in a thousand finds its bucket full. 32 to 64 octets
// each. NULL with errno (EINVAL: none, or more than 2^30).
struct claims *claims_new(uint32_t capacity);
void claims_free(struct claims *c); // NULL does nothing

// The worker that has the claim on `name`: `worker` itself if nobody had one (it has it now). Of workers that ask at once
// exactly one gets it. `name` is a keyed digest.
unsigned claims_take(struct claims *c, const struct digest *name, unsigned worker);
// The worker that has it, or CLAIMS_NOBODY. Reads one cache line and writes none.
unsigned claims_holder(const struct claims *c, const struct digest *name);
// Gives a claim back; only one's own. No claim, or another worker's: does nothing.
void claims_release(struct claims *c, const struct digest *name, unsigned worker);
// How many claims made room for newer ones.
uint64_t claims_given_up(const struct claims *c);

#endif
