#include "hash.h"

#include <errno.h>
#include <sys/random.h>

int hash_key_random(struct hash_key *out)
{
	struct hash_key key;
	if (getrandom(&key, sizeof key, 0) != (ssize_t)sizeof key)
		return errno ? -errno : -EIO;
	*out = key;
	return 0;
}

static inline uint64_t rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline void sip_rounds(struct sip_state *s, int count)
{
	for (int i = 0; i < count; i++) {
		s->v0 += s->v1;
		s->v1 = rotate(s->v1, 13) ^ s->v0;
		s->v0 = rotate(s->v0, 32);
		s->v2 += s->v3;
		s->v3 = rotate(s->v3, 16) ^ s->v2;
		s->v0 += s->v3;
		s->v3 = rotate(s->v3, 21) ^ s->v0;
		s->v2 += s->v1;
		s->v1 = rotate(s->v1, 17) ^ s->v2;
		s->v2 = rotate(s->v2, 32);
	}
}

static inline uint64_t load_le64(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof v);
	return v; // x86-64 and arm64 are little-endian; SipHash is defined on little-endian words
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "load_le64 assumes little-endian");

static struct sip_state sip_absorb(struct sip_state s, struct bytes data)
{
	const uint8_t *at = data.at;
	size_t left = data.len;
	for (; left >= 8; at += 8, left -= 8) {
		uint64_t m = load_le64(at);
		s.v3 ^= m;
		sip_rounds(&s, 2);
		s.v0 ^= m;
	}
	uint64_t last = (uint64_t)data.len << 56;
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)at[i] << (8 * i);
	s.v3 ^= last;
	sip_rounds(&s, 2);
	s.v0 ^= last;
	return s;
}

static struct sip_state sip_start(const struct hash_key *key)
{
	return (struct sip_state){key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d,
		key->k0 ^ 0x6c7967656e657261, key->k1 ^ 0x7465646279746573};
}

uint64_t siphash(const struct hash_key *key, struct bytes data)
{
	struct sip_state s = sip_absorb(sip_start(key), data);
	s.v2 ^= 0xff;
	sip_rounds(&s, 4);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

struct digest siphash128(const struct hash_key *key, struct bytes data)
{
	struct sip_state s = sip_start(key);
	s.v1 ^= 0xee;
	s = sip_absorb(s, data);
	s.v2 ^= 0xee;
	sip_rounds(&s, 4);
	struct digest out;
	out.low = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	sip_rounds(&s, 4);
	out.high = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return out;
}

uint64_t fnv1a_more(uint64_t hash, struct bytes data)
{
	for (size_t i = 0; i < data.len; i++)
		hash = (hash ^ data.at[i]) * 0x100000001b3;
	return hash;
}

uint64_t fnv1a(struct bytes data)
{
	return fnv1a_more(FNV1A_START, data);
}
