// Hashes. SipHash-2-4 for whatever traffic can drive (keyed, a fresh key per start); FNV-1a 64 where every probe
// must come to the same value (correlation ids). No state: safe on any thread.
#ifndef X2TAP_HASH_H
#define X2TAP_HASH_H

#include "bytes.h"

struct hash_key {
	uint64_t k0, k1;
};

struct digest {
	uint64_t low, high;
};

// A key from the kernel's random source; 0 or a negative errno.
int hash_key_random(struct hash_key *out);

// SipHash-2-4 with 64 and with 128 bits of output (Aumasson and Bernstein; vectors of the reference code).
uint64_t siphash(const struct hash_key *key, struct bytes data);
struct digest siphash128(const struct hash_key *key, struct bytes data);

static const uint64_t FNV1A_START = 0xcbf29ce484222325;
uint64_t fnv1a(struct bytes data);
uint64_t fnv1a_more(
	uint64_t hash, struct bytes data); // of what comes in pieces, from FNV1A_START on

#endif
