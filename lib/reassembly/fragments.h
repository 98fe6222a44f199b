// IP fragments put back together (RFC 791 section 3.2, RFC 8200 section 4.5), from copies, within memory taken at start.
//
// A datagram is up to 65,535 octets in any number of fragments, in any order. Exact copies, and overlaps that say the same,
// are harmless; a datagram whose fragments contradict each other is dropped whole, and what still comes of it within the timeout
// ignored. When the table or its memory is full the oldest datagram gives way. Nothing is allocated, locked or logged
// after _new(). One thread; times are frame time (ns since 1970) and may jump either way.
#ifndef X2TAP_FRAGMENTS_H
#define X2TAP_FRAGMENTS_H

#include "hash.h"
#include "packet.h"

// Memory in all: `memory` and 1/256 of it, FRAGMENTS_OCTETS_PER_DATAGRAM and about 36 octets for each of `max_datagrams`, and
// 128 KiB for the two datagrams completed last. All of it is touched at start; what holds octets of fragments is in no core dump.
struct fragments_config {
	uint32_t max_datagrams; // known at once: incomplete ones, and until their timeout those that are dropped or passed
	size_t memory;          // octets for what they hold, in blocks of 1 KiB; at least 128 KiB
	uint64_t timeout_ns;    // from the first of its fragments that came
};
enum { FRAGMENTS_OCTETS_PER_DATAGRAM = 1344 };

// What became of a fragment. The names are those of the counters (fragments_result_name()).
enum fragments_result {
	FRAGMENTS_COMPLETE, // it completed its datagram
	FRAGMENTS_KEPT,     // waits for others
	FRAGMENTS_REPEATED, // nothing new in it
	FRAGMENTS_PASSED,   // of a datagram that nobody wants
	// the datagram is dropped:
	FRAGMENTS_OVERLAP,   // octets, or ends, that contradict what was there
	FRAGMENTS_TINY,      // empty, or the first one and without a whole transport header (RFC 1858)
	FRAGMENTS_OVERLONG,  // reaches behind octet 65,535
	FRAGMENTS_MISALIGNED, // not the last one, and no multiple of 8 octets
	FRAGMENTS_IGNORED,   // of a datagram that was dropped before
	FRAGMENTS_RESULTS
};
const char *fragments_result_name(enum fragments_result result);
const char *fragments_result_help(enum fragments_result result);

// Law: taken = the sum of `results`; started = completed + given_up + timed_out + dropped + passed + incomplete now.
struct fragments_counters {
	uint64_t taken;                      // fragments
	uint64_t results[FRAGMENTS_RESULTS]; // fragments, by what became of them
	uint64_t started;                    // datagrams
	uint64_t completed, dropped, passed; // datagrams
	uint64_t given_up;                   // datagrams that made room for others while they waited
	uint64_t timed_out;                  // datagrams that were never completed
};

struct fragments;
// NULL with errno (EINVAL: no datagrams, or too little memory). `key` is copied.
struct fragments *fragments_new(const struct fragments_config *config, const struct hash_key *key);
void fragments_free(struct fragments *f); // wipes; NULL does nothing
const struct fragments_counters *fragments_counters(const struct fragments *f);
uint32_t fragments_incomplete(const struct fragments *f); // datagrams that wait now

// Whether a datagram is wanted, asked when its first fragment comes: the rest of an unwanted one takes no memory. `first` has
// been through packet_peek(). NULL: all are wanted.
typedef bool fragments_wanted(void *context, const struct packet *first, enum packet_class class);

// Takes the fragment that packet_parse() or packet_resume() found. On FRAGMENTS_COMPLETE, and only then, `*protocol` and `*datagram` are for
// packet_resume(); `*datagram` is valid until the next datagram but one is complete, and the next fragment may be a part of it.
enum fragments_result fragments_take(struct fragments *f, const struct packet *fragment,
	uint64_t time_ns, fragments_wanted *wanted, void *context, uint8_t *protocol,
	struct bytes *datagram);

// Called whenever a datagram begins or ceases to be known by its name: after its first fragment, and when it is completed, has
// timed out (dropped and passed ones too) or made room. `changed` must not use `f`. NULL: nobody.
void fragments_watch(struct fragments *f,
	void (*changed)(void *context, const struct digest *name, bool kept), void *context);

// What names a datagram: the same for all of its fragments, whichever worker sees them.
struct digest fragments_name(const struct hash_key *key, const struct packet *fragment);

#endif
