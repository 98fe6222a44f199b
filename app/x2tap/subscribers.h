// Bindings as they are configured: which sources are believed, and what belongs to which routing instance.
#ifndef X2TAP_SUBSCRIBERS_H
#define X2TAP_SUBSCRIBERS_H

#include "bindings.h"
#include "config.h"
#include "error.h"

// *out is NULL where no source is configured. 0, or a negative errno with a text.
int subscribers_open(const struct config *config, const struct hash_key *key, struct bindings **out,
	struct error *error);

#endif
