// The parts of `struct bindings`, for the files of this library.
//
// What readers read is atomic. Their order: the writer stores with release, readers load with acquire, so a reader that sees a
// word sees what the writer stored before it. On that rests the one rule by which chains are read without locks:
//
//	A bucket holds the head of its chain and a version in one word. What leaves a chain is unlinked first, then the version is
//	raised, and only then may it be changed. So who finds the same version before and after has read nothing that changed
//	meanwhile; who finds another reads again. Something may be put before the head at any time.
#ifndef X2TAP_BINDING_INTERNAL_H
#define X2TAP_BINDING_INTERNAL_H

#include <stdalign.h>
#include <stdatomic.h>

#include "bindings.h"
#include "digest_table.h"

enum {
	NAMES_STRIDE = 8,    // names are numbered session * NAMES_STRIDE + slot
	MAX_CHAIN = 64,      // steps in one bucket; chains are of keyed hashes, and about one long
	READ_ATTEMPTS = 256, // of a reader, each because the writer changed that very bucket
	MAX_FOUND = 8,       // sessions that one signal may concern
	PENDING_SHARE = 8,   // an eighth of the sessions may wait for answers
	TICK_SESSIONS = 32,  // looked at in one tick
	TICK_PENDING = 32,
	FULL_SESSIONS = 16,      // looked at, for one that is over, before the oldest gives way
	AUTHORITY_ATTEMPTS = 16, // oldest ones asked whether they have sessions
};
static const uint32_t NONE = UINT32_MAX;
static const uint32_t NO_SOURCE = BINDING_MAX_SOURCES;
static const uint64_t SECOND_NS = 1000000000;

// An address or prefix of a session, numbered session * BINDING_MAX_LEASES + slot, in the chain of its bucket.
struct lease {
	_Atomic uint64_t high, low; // of the address, octets as they are
	_Atomic uint64_t expires_ns;
	_Atomic uint32_t next;
	_Atomic uint32_t kind; // LEASE_ bits; 0: free
};
enum {
	LEASE_LENGTH = 0xff,
	LEASE_IPV6 = 0x100,
	LEASE_USED = 0x200,
	LEASE_KEY = 0x3ff,
	LEASE_UNLIMITED = 0x400
};

// An identity of a session, numbered session * BINDING_MAX_IDENTITIES + slot. The first of each digest is in the chain of its
// bucket; others hang on it, so that one that very many sessions show takes no longer to add or remove.
struct shown {
	_Atomic uint64_t low, high;
	_Atomic uint32_t same; // the next of the same digest
	_Atomic uint32_t
		link; // SHOWN_FIRST and the next of another digest; or the one before of the same digest
};
static const uint32_t SHOWN_FIRST = 0x80000000;
static const uint32_t SHOWN_NONE = 0x7fffffff;

// A name of a session. The writer's alone.
struct name {
	struct digest digest;
	uint32_t next; // in the chain of its bucket
	uint32_t
		until_s; // frame time: SIGNAL_EXCHANGE_NS after it was kept last; names of exchanges end then
};

enum name_flag {
	NAME_OF_EXCHANGE = 1,
	NAME_LINKED =
		2, // finds the session from now on, and no other. Else it waits for names_link()
	NAME_ENDS_OTHER = 4,
};

enum session_state {
	SESSION_FREE,
	SESSION_PENDING, // a request that waits for its answer
	SESSION_BOUND,
};

struct session {
	// the writer writes, readers read
	_Atomic uint64_t parties
		[2]; // whose restart ends it: generation << 32 | authority number, or NO_PARTY
	_Atomic uint64_t since_ns, last_ns;
	_Atomic uint32_t version; // odd while leases change: for bindings_of_identity() alone
	_Atomic uint32_t instance;
	_Atomic uint8_t protocol, state, identity_count;

	// the writer's alone
	uint8_t names_used, names_linked, names_exchange; // bit per slot
	uint8_t names_begin; // ends what else has this name, once it is linked
	bool had_lease;
	uint32_t roles;        // four bits an identity
	uint32_t older, newer; // older: also the next free one
	uint32_t serial;       // of what uses this place, one after the other
	uint32_t source;
	uint32_t joined, joined_serial; // a request's: the session that it would change

	struct lease leases[BINDING_MAX_LEASES];
	struct shown shown[BINDING_MAX_IDENTITIES];
	struct name names[BINDING_MAX_NAMES];
};
static const uint64_t NO_PARTY = UINT64_MAX;

// NAS, DHCP servers and GTP peers, by source and address.
struct authority {
	struct address address;
	uint32_t source;
	uint32_t sessions; // that have it for a party
	_Atomic uint32_t generation;
	bool has_restart, has_stale;
	uint8_t restart, stale;
	uint64_t stale_since_ns;
};

struct age_list {
	uint32_t oldest, newest, count;
};

struct bindings {
	// constant once made
	struct session *sessions;
	_Atomic uint64_t *address_buckets, *identity_buckets; // version << 32 | head
	uint32_t *name_buckets;
	uint32_t address_mask, identity_mask, name_mask;
	uint32_t capacity, max_pending;
	struct binding_source *sources;
	struct binding_prefix *prefixes;
	struct binding_instance *instances;
	size_t source_count, instance_count;
	uint64_t idle_ns;
	struct hash_key key;
	size_t size; // of the pages that all of it is in
	struct authority *authorities;

	// the writer writes, readers read
	// Hardly ever change, and every lookup reads them: not beside what changes with every signal.
	alignas(64) _Atomic uint64_t lengths
		[3]; // bit l - 1: prefix length l is in use; IPv4, IPv6 to 64, IPv6 from 65 on
	alignas(64) _Atomic uint64_t counters[BINDINGS_COUNTERS];
	_Atomic uint64_t refused[BINDING_REFUSALS];

	// the writer's alone
	alignas(64) struct digest_table authority_table;
	struct age_list pending, bound;
	uint32_t free, hand;
	uint32_t length_uses[2][129];
	uint8_t lengths_in_use[2];
};

// --- atomics -------------------------------------------------------------------------------------------------

// Pairs with put(): see above.
#define get(at) atomic_load_explicit(at, memory_order_acquire)
#define put(at, value) atomic_store_explicit(at, value, memory_order_release)
// The writer reading what it alone writes needs no order.
#define own(at) atomic_load_explicit(at, memory_order_relaxed)

static inline uint32_t bucket_head(uint64_t bucket)
{
	return (uint32_t)bucket;
}

static inline bool bucket_same_version(uint64_t a, uint64_t b)
{
	return a >> 32 == b >> 32;
}

static inline void bucket_set_head(_Atomic uint64_t *bucket, uint32_t head)
{
	put(bucket, (own(bucket) >> 32) << 32 | head);
}

// After something left the chain.
static inline void bucket_raise(_Atomic uint64_t *bucket, uint32_t head)
{
	put(bucket, ((own(bucket) >> 32) + 1) << 32 | head);
}

// Counters are written by one thread: no read-modify-write that locks the bus.
static inline void bump(struct bindings *b, enum binding_counter counter)
{
	atomic_store_explicit(
		&b->counters[counter], own(&b->counters[counter]) + 1, memory_order_relaxed);
}

static inline void drop(struct bindings *b, enum binding_counter counter)
{
	atomic_store_explicit(
		&b->counters[counter], own(&b->counters[counter]) - 1, memory_order_relaxed);
}

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->low == b->low && a->high == b->high;
}

static inline uint64_t time_after(uint64_t time_ns, uint64_t span_ns)
{
	return time_ns > UINT64_MAX - span_ns ? UINT64_MAX : time_ns + span_ns;
}

// --- binding_sources.c ---------------------------------------------------------------------------------------

int sources_copy(struct bindings *b, const struct binding_rules *rules);
void sources_free(struct bindings *b);
// The source that covers the signal, or NO_SOURCE where a request names no authority to judge; else why not.
enum binding_refusal source_of(const struct bindings *b, const struct signal *s,
	const struct binding_place *place, uint32_t *source);

// --- binding_authorities.c -------------------------------------------------------------------------------------

// NONE when there is no room.
uint32_t authority_of(struct bindings *b, uint32_t source, const struct address *address);
void authority_restart(struct bindings *b, uint32_t authority);
// A restart counter that the authority sent (TS 23.007).
void authority_counter(struct bindings *b, uint32_t authority, uint8_t restart, uint64_t time_ns);
void party_set(struct bindings *b, struct session *s, unsigned which, uint32_t authority);
// Whether an authority that the session depends on restarted since. Readers too.
bool session_is_restarted(const struct bindings *b, const struct session *s);

// --- binding_names.c -------------------------------------------------------------------------------------------

// The session, or NONE.
uint32_t name_find(const struct bindings *b, const struct digest *digest, uint64_t time_ns);
void name_add(struct bindings *b, uint32_t session, const struct digest *digest, unsigned flags,
	uint64_t time_ns);
void name_remove(struct bindings *b, uint32_t session, const struct digest *digest);
void names_move(struct bindings *b, uint32_t from, uint32_t to, uint64_t time_ns);
// Links what waits for it.
void names_link(struct bindings *b, uint32_t session);
void names_clear(struct bindings *b, uint32_t session);

// --- binding_identities.c --------------------------------------------------------------------------------------

void identity_add(struct bindings *b, uint32_t session, const struct digest *digest, unsigned role);
void identities_link(struct bindings *b, uint32_t session);
void identities_clear(struct bindings *b, uint32_t session);
static inline struct digest shown_digest(const struct shown *shown)
{
	uint64_t low = get(&shown->low);
	return (struct digest){low, get(&shown->high)};
}
static inline unsigned shown_role(const struct session *s, unsigned slot)
{
	return s->roles >> (4 * slot) & 15;
}

// --- binding_addresses.c -----------------------------------------------------------------------------------------

// Gives the session the address. Others may have it still: see lease_lose().
void lease_give(struct bindings *b, uint32_t session, const struct address *address,
	uint8_t prefix_len, uint64_t expires_ns, bool unlimited, uint8_t *fresh);
// Takes the address from one more session that has it beside this one, and gives that; NONE: there is none. Left alone are
// other GTP sessions of the same subscriber (IMSI): a connection is one on each of its interfaces, and any of them may end first.
uint32_t lease_lose(struct bindings *b, uint32_t session, const struct address *address,
	uint8_t prefix_len, uint64_t time_ns);
void lease_take(struct bindings *b, uint32_t session, unsigned slot, enum binding_counter why);
// The slot, or BINDING_MAX_LEASES.
unsigned lease_slot(const struct bindings *b, uint32_t session, const struct address *address,
	uint8_t prefix_len);
unsigned lease_count(const struct session *s);
struct address lease_address(const struct lease *lease);

// --- binding_sessions.c ------------------------------------------------------------------------------------------

// A new one, the newest. What is over gives way, or the oldest.
uint32_t session_take(struct bindings *b, enum session_state state, uint64_t time_ns);
void session_free(struct bindings *b, uint32_t session, enum binding_counter why);
// Takes what is over from the session. False: all of it is, and it is free now.
bool session_settle(struct bindings *b, uint32_t session, uint64_t time_ns);
// A message came for it.
void session_touch(struct bindings *b, uint32_t session, uint64_t time_ns);
// A request that was answered becomes a session.
void session_promote(struct bindings *b, uint32_t session, uint64_t time_ns);
// Without changing anything: whether it would settle.
bool session_is_over(const struct bindings *b, const struct session *s, uint64_t time_ns);

#endif
