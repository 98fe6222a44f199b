// TCP streams put back together (RFC 9293 section 3.4) and cut into messages, within memory taken at start.
//
// Each direction of a connection is a stream of its own. A stream is followed from its SYN where the protocol is expected on a
// port, and from the first segment that begins a message elsewhere; it may be picked up in mid-stream, and ends by FIN, RST,
// being let go, being idle, or as the oldest when the table or its memory is full. Segments may come in any order, repeated,
// overlapping (the octet that came first counts; different ones are counted) and across the wrap of sequence numbers. A
// segment that never comes is given up when more than the window waits behind it, when `gap_timeout_ns` has passed (by a
// segment of the same stream, or by streams_tick()), or at the end: the message it cuts is taken as far as its header
// block goes (sip_framing_rest()), and the next one begins where its start is recognised. Urgent data stays in line (RFC 6093).
//
// Nothing is allocated, locked or logged after _new(). One thread; times are frame time (ns since 1970) and may jump
// either way.
#ifndef X2TAP_STREAMS_H
#define X2TAP_STREAMS_H

#include "framing.h"
#include "hash.h"
#include "packet.h"

struct streams_config {
	uint32_t max_streams;
	size_t memory; // octets for what waits in streams, all together, bookkeeping (an eighth) apart; at least 1 MiB
	uint32_t max_message;    // octets of one message, at most STREAMS_MAX_MESSAGE
	uint64_t gap_timeout_ns; // how long a missing segment is waited for
	uint64_t idle_ns;        // a stream without a segment for so long is forgotten
};
enum {
	STREAMS_MAX_MESSAGE = 65536,
	STREAMS_WINDOW = 2 * STREAMS_MAX_MESSAGE, // octets that may wait in one stream
	STREAMS_RANGES = 32, // separate pieces of them, the front among them; a segment that would be one more is not kept
	STREAMS_PATIENCE = 8192, // octets without a message until a stream that has not begun is let go
	// Messages taken of one stream in one call, so that nobody's segment makes the others wait: more are taken with its next
	// segment, by streams_tick() and streams_flush().
	STREAMS_MESSAGES = 64,
};

// Law: opened = ended + let_go + idle + given_up + now followed; segments = the sum of what follows it.
struct streams_counters {
	uint64_t opened;     // streams
	uint64_t ended;      // by FIN, RST or a new SYN
	uint64_t let_go[FRAMING_REASONS]; // carried something else, by reason
	uint64_t idle;
	uint64_t given_up;   // made room for others

	uint64_t segments;      // with or without data, of streams that are followed or may be
	uint64_t in_order, out_of_order, repeated; // nothing new in it: repeated
	uint64_t out_of_window; // too far from where the stream is: the next one that follows it is believed
	uint64_t not_followed;  // of no stream that is followed

	uint64_t mid_stream;      // streams picked up without their SYN
	uint64_t urgent;          // segments with urgent data, which stays in line
	uint64_t overlap_differs; // segments that contradict octets that came before
	uint64_t gaps;            // missing segments that were given up
	uint64_t gap_octets;
	uint64_t unread_octets;   // of streams that ended with more messages than one call takes
	uint64_t resync_octets;   // skipped on the way to the next start of a message
	uint64_t keepalive_octets;
	uint64_t messages;        // whole
	uint64_t messages_cut;    // by a gap or the end of the stream, taken as far as their header block goes
	uint64_t messages_too_long; // over the limit, taken without their body
	uint64_t no_memory;         // segments that were not kept: none was left, or STREAMS_RANGES
};

struct streams;
// NULL with errno. `key` is copied.
// `framing` says where messages are, `rest` what of one that was cut short may be taken for it (empty: nothing).
struct streams *streams_new(const struct streams_config *config, const struct hash_key *key,
	framing_function *framing, struct bytes (*rest)(struct bytes front));
void streams_free(struct streams *s); // wipes; NULL does nothing
const struct streams_counters *streams_counters(const struct streams *s);
uint32_t streams_followed(const struct streams *s); // now

// One message, in octets that are valid during the call. `at` is the segment that completed it: of its stream, though
// perhaps of another part of it; its `payload` is void.
typedef void streams_sink(void *context, struct bytes message, const struct packet *at, uint64_t time_ns);

// Takes a segment that packet_parse() found (PACKET_TCP). `expected`: one of its ports is one where the protocol is expected.
// `starts`: its payload begins a message, for sure. Messages that it completes go to `sink`, in order.
void streams_take(struct streams *s, const struct packet *segment, bool expected, bool starts,
	uint64_t time_ns, streams_sink *sink, void *context);

// Gives up gaps that have been waited for since before `time_ns - gap_timeout_ns`, and streams that were idle for too long.
// Bounded work; call it now and then where frame time is the clock's.
void streams_tick(struct streams *s, uint64_t time_ns, streams_sink *sink, void *context);
// The end: gives up every gap and takes what is left.
void streams_flush(struct streams *s, streams_sink *sink, void *context);

// What names a stream: the same for all of its segments, whichever worker sees them.
struct digest streams_name(const struct hash_key *key, const struct packet *segment);
// Whether a stream of this name is followed.
bool streams_follow(const struct streams *s, const struct digest *name);

// Called when a stream begins to be followed, with its first segment: what is returned is given back when it ceases to be. NULL:
// nobody.
typedef uint32_t streams_begins(void *context, const struct packet *segment, bool expected);
typedef void streams_ceases(void *context, const struct digest *name, uint32_t mark);
void streams_watch(
	struct streams *s, streams_begins *begins, streams_ceases *ceases, void *context);

#endif
