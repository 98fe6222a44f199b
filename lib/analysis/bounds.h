// Whose the ends of a packet are, by bindings and Ethernet addresses, in the form in which the target table asks.
//
// No state: any thread.
#ifndef X2TAP_BOUNDS_H
#define X2TAP_BOUNDS_H

#include "bindings.h"
#include "target_table.h"

// `bindings` NULL: there are none. Looks nothing up that no task asks for.
void bounds_of_packet(const struct bindings *bindings, const struct target_table *table,
	const struct hash_key *key, const struct packet *packet, uint64_t time_ns,
	struct bound *out);
// Adds digests of identities that hold for these ends.
void bounds_add(struct bound *out, const struct digest *identities, unsigned count, uint8_t ends);

#endif
