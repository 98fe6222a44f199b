// The inside of the compiled table, shared by target_table.c, which builds it, and target_match.c, which looks things up.
#ifndef X2TAP_TARGET_LOOKUP_H
#define X2TAP_TARGET_LOOKUP_H

#include <stdalign.h>

#include "target_table.h"

enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum transport { UDP, TCP, TRANSPORTS };

// By what an entry is found; its other identifiers are checked then.
enum primary { PRIMARY_NONE, PRIMARY_IDENTITY, PRIMARY_TUNNEL, PRIMARY_ADDRESS, PRIMARY_PORT };

enum { POOL_UNIT = 8 }; // octets: offsets into the pool count these; 0 is none

// One task, at the index of its slot. A cache line.
struct entry {
	alignas(64) uint32_t generation; // 0: no task
	uint32_t next;                   // slot + 1 of the next entry of the bucket; 0: last
	uint32_t tag;                    // high half of the key's hash
	uint32_t identity;               // in the pool
	uint64_t digest_high;            // of the identity; the low half is the key's hash
	uint8_t primary;
	uint8_t identity_kind;
	uint16_t identity_len;
	uint32_t stated; // in the pool: struct sip_uri
	uint32_t ports;  // in the pool: struct port_range
	uint32_t tunnel_id;
	uint16_t port_count;
	uint8_t protocol;   // of the ports
	uint8_t prefix_len; // of the address
	bool has_tunnel;
	uint8_t services;       // enum service bits, 0: all
	struct address address; // family 0: none
};
_Static_assert(sizeof(struct entry) == 64, "an entry is a cache line");

// A range of ports by which a task is found, in a search tree by `first`: the root is the middle of the array.
struct port_node {
	uint32_t slot;
	uint16_t first, last;
	uint16_t highest; // `last` of all below this node
};

struct port_tree {
	const struct port_node *nodes;
	size_t count;
};

struct target_table {
	struct target_filter filter;
	const struct numbering *numbering;
	struct hash_key key;
	size_t capacity, mapped;
	uint32_t kinds;       // bit k: some task names an identity of kind k
	uint32_t bound_kinds; // of them, those that may hold by a binding

	struct entry *entries; // capacity of them
	uint32_t *heads;       // slot + 1 of the first entry of each bucket; 0: empty
	uint64_t bucket_mask;
	size_t page_count, pages_used; // of the filter
	uint16_t *filter_page_of;
	uint64_t *filter_pages, *filter_words, *port_bits[TRANSPORTS];
	struct port_tree port_trees[TRANSPORTS];
	uint8_t *pool;
	size_t pool_size, pool_used;
};

static inline const void *pool_at(const struct target_table *t, uint32_t at)
{
	return t->pool + (size_t)at * POOL_UNIT;
}

static inline const struct port_range *entry_ports(
	const struct target_table *t, const struct entry *e)
{
	return pool_at(t, e->ports);
}

static inline uint32_t be32_of(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint64_t be64_of(const uint8_t *at)
{
	return (uint64_t)be32_of(at) << 32 | be32_of(at + 4);
}

// Kinds of identities by which the end of a flow may be somebody's: those that bindings keep (signals.h: roles up to
// SIGNAL_ROLE_SUBSCRIBER_LAST), of which the last is in Ethernet headers too.
static const uint32_t BOUND_KINDS = 1u << IDENTITY_NUMBER | 1u << IDENTITY_NAI |
                                    1u << IDENTITY_IMSI | 1u << IDENTITY_IMEI |
                                    1u << IDENTITY_IMEISV | 1u << IDENTITY_MAC;

static inline bool entry_may_be_bound(const struct entry *e)
{
	return BOUND_KINDS >> e->identity_kind & 1 && !e->stated;
}

// Identities are filed under the low half of their digest; both halves tell them apart: of the 128 bits no more than the 26
// between the smallest bucket number and the tag are not compared.
static inline bool entry_is_of(const struct entry *e, const struct digest *digest)
{
	return e->primary == PRIMARY_IDENTITY && e->tag == digest->low >> 32 &&
	       e->digest_high == digest->high;
}

static inline uint64_t hash_tunnel(const struct target_table *t, uint32_t tunnel_id)
{
	const struct hash_key key = {t->key.k0 ^ 0x100, t->key.k1};
	return siphash(&key, bytes_of(&tunnel_id, sizeof tunnel_id));
}

// `prefix`: masked.
static inline uint64_t hash_prefix(
	const struct target_table *t, const struct address *prefix, uint8_t length)
{
	const struct hash_key key = {
		t->key.k0, t->key.k1 ^ (uint64_t)(prefix->family << 8 | length)};
	return siphash(&key, bytes_of(prefix->octets, prefix->family == 4 ? 4 : 16));
}

#endif
