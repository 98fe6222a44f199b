// Bindings: which subscriber has which address now. All subscribers' sessions (accounting session, lease, GTP session) are kept,
// whether or not there is a task, so that a task added later covers who is on line already. They are learnt from signals of
// configured sources, never from inside a user-plane tunnel (design: "Bindings").
//
// A session is found by the names its messages bear, has the identities these showed, and the addresses and prefixes it was
// given. Names and identities are keyed digests: nothing here tells who it is.
//
// - An address is its session's until it is released, its lifetime is over, the session ends, the authority restarts, or another
//   session of the same routing instance is given it: the last to be given an address has it.
// - A prefix within a prefix of somebody else takes nothing from it: the more specific one wins wherever both hold.
// - A request (CHANGE_PENDING) changes nothing of a session. It waits, with the identities and names it shows, to be answered.
// - A session is changed by the authority it began with, or by others that the same configured source covers. A message of
//   anybody else under its names changes nothing.
// - A message that shows another subscriber than the session has (a role that both show, with nothing in common) begins a session
//   in its place: a session id that was used again must not lend one subscriber's name to another.
//
// One thread writes (bindings_take, bindings_tick, bindings_of_session); any number read, without locks, and no reader ever makes
// the writer wait, nor the writer a reader: a lookup is only ever repeated because the writer went on. A reader sees the
// old owner of an address or the new one. All memory is taken at start; each operation is bounded.
#ifndef X2TAP_BINDINGS_H
#define X2TAP_BINDINGS_H

#include "signals.h"

enum {
	BINDING_MAX_NAMES =
		6, // of a session; of more, those of exchanges give way, then the oldest
	BINDING_MAX_IDENTITIES = 8,
	BINDING_MAX_LEASES = 4,   // of more, the one that would expire first gives way
	BINDING_MAX_LENGTHS = 16, // prefix lengths in use at once, of each address family
	// Shorter prefixes are nobody's. As for targets (design: "Matching").
	BINDING_MIN_LENGTH_IPV4 = 16,
	BINDING_MIN_LENGTH_IPV6 = 32,
	BINDING_MAX_SOURCES = 256,
	BINDING_MIN_SESSIONS = 64,
	BINDING_MAX_SESSIONS = 1 << 27,
};

enum { BINDING_ANY = -1 };

struct binding_prefix {
	struct address address;
	uint8_t len;
};

// Who is believed about bindings. An empty list covers everybody.
// RADIUS: `clients` are NAS (the authority), `servers` the RADIUS servers (the peer).
// DHCP: `servers` are DHCP servers (the authority), `clients` relays (the peer; a message that met no relay has none, and
// passes). A request that names no server yet passes too: its answer will be judged.
// GTP: `clients` are the GTP peers, both ends.
struct binding_source {
	uint32_t protocols; // bit p: enum signal_protocol p
	int point;          // port entry, or BINDING_ANY
	int vlan;           // outermost tag (0: none), or BINDING_ANY
	const struct binding_prefix *servers, *clients;
	size_t server_count, client_count;
	uint32_t instance; // routing instance of the addresses it tells of
};

// Traffic of this place belongs to the instance; of several the first that fits.
struct binding_instance {
	uint32_t instance;
	int point, vlan; // or BINDING_ANY
};

struct binding_rules {
	const struct binding_source *sources; // copied
	size_t source_count;
	const struct binding_instance *instances; // copied
	size_t instance_count;
	uint64_t
		session_idle_ns; // a session ends when it has had no message for so long; leases with a lifetime have that instead
	uint32_t max_sessions;
	uint32_t max_authorities;
	struct hash_key
		key; // that of the readers' signal_rules, with which identities are digested
};

// Where a signal was seen.
struct binding_place {
	uint16_t point, vlan;
	uint8_t user_tunnels; // how many tunnels of the user plane it was in
};

struct bindings;

// NULL with errno: EINVAL for rules out of the bounds above.
struct bindings *bindings_new(const struct binding_rules *rules);
void bindings_free(struct bindings *b);           // wipes; NULL does nothing
size_t bindings_memory(const struct bindings *b); // octets, all in

// --- the writer ------------------------------------------------------------------------------------------------

// Why a signal changed nothing.
enum binding_refusal {
	BINDING_TAKEN,
	BINDING_NOTHING,           // it says nothing about bindings
	BINDING_IN_TUNNEL,         // any user can send such
	BINDING_NO_SOURCE,         // no source of this protocol is configured here
	BINDING_FOREIGN_AUTHORITY, // a source is, but does not cover who says so
	BINDING_FOREIGN_SESSION,   // the session is of another source: somebody else's session id
	BINDING_UNKNOWN_SESSION,   // what is to end or to change was never seen to begin
	BINDING_NO_NAME,           // nothing could be found by it
	BINDING_NO_ROOM,           // for one more authority
	BINDING_REFUSALS
};
const char *binding_refusal_name(enum binding_refusal refusal);

enum binding_refusal bindings_take(struct bindings *b, const struct signal *s,
	const struct binding_place *place, uint64_t time_ns);
// Forgets some of what is over: to be called often (a round over all sessions takes max_sessions / 32 calls). What is over is
// not seen any more, forgotten or not, but counted among what there is now.
void bindings_tick(struct bindings *b, uint64_t now_ns);
// The identities of the sessions that the signal belongs to, as it stands before bindings_take(): what a signal that shows
// nobody is about. Before, since an answer ends its exchange. By the same rules of who is believed. Writes at most `max`, returns how many.
unsigned bindings_of_session(const struct bindings *b, const struct signal *s,
	const struct binding_place *place, uint64_t time_ns, struct digest *out, unsigned max);

// --- readers, any thread -----------------------------------------------------------------------------------------

// The identities of who has the address. Writes at most `max`, returns how many; 0: nobody, or nobody known, or (which takes
// hundreds of changes to one hash bucket during one lookup) not to be read.
unsigned bindings_bound(const struct bindings *b, uint32_t instance, const struct address *a,
	uint64_t time_ns, struct digest *out, unsigned max);
// Which routing instance traffic of a place belongs to; 0 where none is configured.
uint32_t bindings_instance_of(const struct bindings *b, uint16_t point, uint16_t vlan);

struct binding_lease {
	struct address address;
	uint8_t prefix_len;
	uint64_t expires_ns;
};
struct binding_view {
	uint64_t since_ns, last_ns; // when it began, and its latest message
	uint32_t instance;
	uint8_t protocol; // enum signal_protocol
	uint8_t lease_count;
	struct binding_lease leases[BINDING_MAX_LEASES];
};
// The sessions of an identity. Writes at most `max` and returns how many; -EAGAIN when they change too fast to be read.
int bindings_of_identity(const struct bindings *b, const struct digest *identity, uint64_t time_ns,
	struct binding_view *out, unsigned max);

// Laws, at any time between two calls of the writer:
//	begun = ended + replaced + expired + idle + restarted + given_up + sessions
//	pending_begun = pending_answered + pending_dropped + pending_expired + pending_given_up + pending
//	leases_begun = leases_ended + leases_released + leases_expired + leases_reassigned + leases
//	signals = taken + refused, over all reasons but BINDING_NOTHING
enum binding_counter {
	BINDINGS_SIGNALS,  // that say something about bindings
	BINDINGS_APPLIED,  // of these
	BINDINGS_BEGUN,    // sessions
	BINDINGS_RENEWED,  // messages that changed or prolonged one
	BINDINGS_ENDED,    // by a message
	BINDINGS_REPLACED, // by another session under its name, or with all its leases
	BINDINGS_EXPIRED,  // with its last lease
	BINDINGS_IDLE,
	BINDINGS_RESTARTED, // with its authority; counted when forgotten
	BINDINGS_GIVEN_UP,  // for want of room
	BINDINGS_SESSIONS,  // now, those over but not yet forgotten included
	BINDINGS_PENDING_BEGUN,
	BINDINGS_PENDING_ANSWERED,
	BINDINGS_PENDING_DROPPED, // begun anew, ended, or its authority restarted
	BINDINGS_PENDING_EXPIRED,
	BINDINGS_PENDING_GIVEN_UP,
	BINDINGS_PENDING, // now
	BINDINGS_LEASES_BEGUN,
	BINDINGS_LEASES_ENDED, // with the session, or left out of a later message
	BINDINGS_LEASES_RELEASED,
	BINDINGS_LEASES_EXPIRED,
	BINDINGS_LEASES_REASSIGNED, // to another session
	BINDINGS_LEASES,            // now
	BINDINGS_LEASES_WIDE,       // not taken: shorter than the least length
	BINDINGS_LEASES_EXCESS, // not taken, or taken for another: more than there is room for, or too many prefix lengths
	BINDINGS_NAMES_EXCESS,
	BINDINGS_IDENTITIES_EXCESS,
	BINDINGS_RESTARTS,       // of authorities
	BINDINGS_RESTARTS_STALE, // restart counters older than the last
	BINDINGS_AUTHORITIES,    // now
	BINDINGS_COUNTERS
};
const char *bindings_counter_name(enum binding_counter counter);
uint64_t bindings_counter(const struct bindings *b, enum binding_counter counter);
uint64_t bindings_refused(const struct bindings *b, enum binding_refusal refusal);

#endif
