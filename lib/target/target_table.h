// The compiled table: which tasks does a message or a packet belong to? Built aside from a target_set that has been adopted,
// published with one pointer, never changed. Lookups hardly depend on the number of tasks, allocate nothing and may run on
// any number of threads. Memory is that of the configured capacity, whatever the number of tasks.
#ifndef X2TAP_TARGET_TABLE_H
#define X2TAP_TARGET_TABLE_H

#include "hash.h"
#include "task.h"

struct target_table;

// Copies what it needs: `set` may be freed later, but not `numbering`. `match_outer`: addresses and ports also hold for
// the outer IP headers of tunnels. NULL with *error.
struct target_table *target_table_new(const struct target_set *set, size_t capacity,
	const struct hash_key *key, const struct numbering *numbering, bool match_outer,
	struct error *error);
void target_table_free(struct target_table *table); // wipes; NULL does nothing

// Rules of comparison that the table was built with.
const struct numbering *target_table_numbering(const struct target_table *table);

// --- every frame ---------------------------------------------------------------------------------------------
// Whether an address, a tunnel or, for tasks ordered by port alone, a port could be a target's: never false for one that
// is, rarely true for one that is not. A task with a party is not in here (whose an address is by a binding, the bindings
// tell), and one with a tunnel by that alone. Where
// `match_outer` is set this is asked of the outer flows of a packet too, as of its own. The filter is the part that the
// data path reads for every frame; its layout is open so that this inlines.

enum { TARGET_FILTER_LENGTHS = 33 }; // IPv4 /0 to /32

struct target_filter {
	// IPv4 as bits: the page of an address's high half has a bit for each low half. Page 0 is empty: most networks have no
	// target. When pages run short, networks with targets share them, and what passes falsely is of the other one.
	const uint16_t *page_of; // by high half
	const uint64_t *pages;
	// Lengths whose prefixes would fill the pages are looked up one by one in `words` instead.
	const uint64_t *words; // a power of two of 64-bit words: all prefixes
	uint64_t word_mask;
	uint64_t seed;                  // per start
	bool has_ports;                 // some task is ordered by port alone
	bool match_outer;               // the outer flows of tunnels count too
	bool has_tunnels;               // some task is ordered by GTP-U tunnel
	uint8_t ipv4_unpaged;           // so many of ipv4_lengths, the first, are not on the pages
	uint8_t ipv4_count, ipv6_count; // prefix lengths in use
	uint8_t ipv4_lengths[33], ipv6_lengths[129]; // IPv4: rising
	uint32_t ipv4_masks[33];                     // host order, for ipv4_lengths[i]
	const uint64_t *udp_ports, *tcp_ports;       // 65,536 bits each
};
const struct target_filter *target_table_filter(const struct target_table *table);

// Two bits of one word, chosen by a multiplicative hash of (seed, address part, prefix length).
static inline uint64_t target_filter_hash(const struct target_filter *f, uint64_t key)
{
	uint64_t h = (key ^ f->seed) * 0x9e3779b97f4a7c15;
	return h ^ h >> 32;
}

static inline uint64_t target_filter_bits(uint64_t hash)
{
	return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63);
}

static inline uint64_t target_filter_word(const struct target_filter *f, uint64_t hash)
{
	return hash >> 12 & f->word_mask;
}

static inline bool target_filter_test(const struct target_filter *f, uint64_t key)
{
	uint64_t h = target_filter_hash(f, key);
	uint64_t bits = target_filter_bits(h);
	return (f->words[target_filter_word(f, h)] & bits) == bits;
}

static inline uint64_t target_filter_key_ipv4(uint32_t masked, uint8_t length)
{
	return (uint64_t)masked << 8 | length;
}

// `high` and `low`: the masked address in host order.
static inline uint64_t target_filter_key_ipv6(uint64_t high, uint64_t low, uint8_t length)
{
	return (high * 0xff51afd7ed558ccd) ^ ((low + length) * 0xc4ceb9fe1a85ec53) ^
	       (uint64_t)length << 56;
}

static inline uint64_t target_filter_key_tunnel(uint32_t tunnel_id)
{
	return (uint64_t)tunnel_id << 8 | 0xff; // no prefix is so long
}

enum { TARGET_FILTER_PAGE_WORDS = 65536 / 64 };

static inline bool target_filter_ipv4(const struct target_filter *f, uint32_t address) // host order
{
	const uint64_t *page =
		f->pages + (size_t)f->page_of[address >> 16] * TARGET_FILTER_PAGE_WORDS;
	if (page[(address & 0xffff) / 64] >> address % 64 & 1)
		return true;
	for (unsigned i = 0; i < f->ipv4_unpaged; i++)
		if (target_filter_test(f,
			    target_filter_key_ipv4(address & f->ipv4_masks[i], f->ipv4_lengths[i])))
			return true;
	return false;
}

bool target_filter_ipv6(const struct target_filter *f, const uint8_t address[static 16]);

static inline bool target_filter_tunnel(const struct target_filter *f, uint32_t tunnel_id) // TEID
{
	return f->has_tunnels && target_filter_test(f, target_filter_key_tunnel(tunnel_id));
}

// --- the few that matter ---------------------------------------------------------------------------------------

// An identity seen in a message, and where. `uri` (borrowed, may be NULL) is what it was read from, for targets that state
// port, password or parameters.
struct sighting {
	struct identity identity;
	const struct sip_uri *uri;
	uint8_t role; // the caller's number for where it stood, below 32
};

enum {
	END_SOURCE = 1,
	END_DESTINATION = 2,
	END_NEITHER = 4, // of struct bound alone: whose the message is, not an end of its packet
};

// Whose the ends of a flow are, by bindings and Ethernet addresses: identity_digest() of each identity, with the key of the
// table.
enum { BOUND_MAX = 24 };
struct bound {
	uint8_t count; // one that says more than there is room for is not believed
	uint8_t ends
		[BOUND_MAX]; // END_ bits; an identity may stand there once for each end. 0: of neither, so nobody's
	struct digest identities[BOUND_MAX];
};

struct match {
	uint32_t slot, generation; // see struct task
	// END_ bits: which ends of the flow were bound to the task's identity; 0: none, or the task has no identity
	uint8_t bound;
	// END_ bits: which end of the flow the address and port identifiers held for, of the innermost flow where they
	// hold; 0 if the task has none
	uint8_t ends;
	// What the task is limited to: enum service bits, 0: all. Nothing was left out for it: the caller does that.
	uint8_t services;
	// bit r: a sighting of role r was the task's identity; 0 if the task has none, or holds by `bound` alone
	uint32_t roles;
};

// Every task all of whose identifiers hold for this message: addresses and ports for the same end of `flow`, or with
// match_outer for the same end of one of the flows of `outer`; the tunnel among the TEIDs of `outer`; the identity among
// `sightings`, or `bound` to an end, which need not be that of address and ports. An identity that is stated with more
// (identity_stated_holds()) must be sighted. Each task once. `outer` is what `flow` travelled in, `bound` whose its ends
// are; NULL: nothing, nobody. Writes at most `max` and returns how many there are (more than `max`: call again with
// more room; order is stable).
size_t target_table_match(const struct target_table *table, const struct flow *flow,
	const struct encapsulation *outer, const struct sighting *sightings, size_t sighting_count,
	const struct bound *bound, struct match *out, size_t max);

// Whether some task names an identity of this kind: others need not be looked for.
bool target_table_asks(const struct target_table *table, enum identity_kind kind);
// Whether some task could hold by `bound`: it names an identity that bindings or frames carry (IDENTITY_NUMBER, NAI, IMSI,
// IMEI, IMEISV, MAC) and states nothing beyond it.
bool target_table_asks_bound(const struct target_table *table);

// Whether (slot, generation) is still ordered: state of ended or changed tasks is void.
bool target_table_holds(const struct target_table *table, uint32_t slot, uint32_t generation);

size_t target_table_capacity(const struct target_table *table);

#endif
