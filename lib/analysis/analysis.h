// What a worker makes of the frames that may carry signalling: tunnels opened, fragments and streams put together, messages
// read and given to the worker that owns their session, events out.
//
// One instance for each worker, which alone calls it. All memory is taken at start; nothing is allocated, locked or logged
// later. Frames are read, never written. Times are frame time (ns since 1970).
//
// Several workers: whoever first sees a part of a datagram or stream puts it together (claims.h), so that what one queue brings
// stays with its worker and in order; parts that others see are handed to it, and messages to the owner of their session
// (sip_owner()). Both travel as parcels, which own their octets.
#ifndef X2TAP_ANALYSIS_H
#define X2TAP_ANALYSIS_H

#include "claims.h"
#include "followed.h"
#include "fragments.h"
#include "record_ring.h"
#include "signalling.h"
#include "sip_events.h"
#include "streams.h"

enum {
	ANALYSIS_MESSAGES_A_DATAGRAM = 8, // SIP messages looked at in one datagram
	ANALYSIS_RESUMPTIONS = 4,         // times that one frame may complete fragments within fragments
};

enum parcel_kind {
	PARCEL_PART,    // a fragment or segment
	PARCEL_MESSAGE, // a SIP message
	PARCEL_SIGNAL,  // a message of another protocol, or the packet of one
};
// Rings from one worker to another. Taking a part may make more parcels, taking a message or signal never does.
enum { PARCEL_RING_PARTS, PARCEL_RING_MESSAGES, PARCEL_RINGS };
static inline unsigned parcel_ring(enum parcel_kind kind)
{
	return kind == PARCEL_PART ? PARCEL_RING_PARTS : PARCEL_RING_MESSAGES;
}

// A record: this header, then the octets: of packet.payload, or of the message.
struct parcel {
	uint64_t time_ns;
	enum parcel_kind kind;
	enum packet_class class;       // of a part
	enum signal_protocol protocol; // of a signal
	uint32_t datagram_len;         // of a signal: how many of the octets, the last, are the datagram's
	struct packet packet;          // its views are void
	struct bound bound;            // of a SIP message
};

// Hands a parcel to another worker. False: there is no room, the parcel is lost and counted here.
typedef bool analysis_post(
	void *context, unsigned worker, const struct parcel *parcel, struct bytes octets);

// What the workers have in common. NULL where there is but one.
struct analysis_config {
	unsigned worker, workers;
	struct hash_key key;       // the same on all workers, as are:
	struct claims *claims;     // NULL: one worker
	struct followed *followed;
	const uint64_t *sip_ports; // 65,536 bits, constant
	const uint64_t *udp_ports; // likewise: of SIP and of all other signalling
	const uint64_t *signal_ports[SIGNAL_PROTOCOLS]; // likewise; NULL: the protocol is not read
	bool recognise;            // SIP by its start line, on any other port
	struct fragments_config fragments;
	struct streams_config streams;
	struct sip_events_config sip;
	struct signal_events_config signals;
	struct bindings *bindings; // the same of all workers; NULL: none are kept
	analysis_post *post;
	void *post_context;
	struct record_ring *events; // where events go
	// For tools that look over our shoulder; NULL: nobody. Called for every message read, before it is handed over.
	void (*seen)(void *context, const struct sip_message *message, const struct packet *packet,
		uint64_t time_ns);
	void (*seen_signal)(void *context, const struct signal *signal, const struct packet *packet,
		uint64_t time_ns);
	void *seen_context; // of both
};

// Laws: datagrams = keepalives + not_sip + sigcomp + dtls + with_messages; messages = parsed + defective;
// messages = taken + lost_handover, over all workers.
struct analysis_counters {
	uint64_t datagrams;     // UDP payloads looked at as SIP: configured ports, or a start line elsewhere
	uint64_t keepalives;    // of these, empty or CRLF and NUL only
	uint64_t not_sip;       // of these, nothing that can be read as SIP
	uint64_t sigcomp;       // of these, compressed (RFC 3320): not understood
	uint64_t dtls;          // of these, encrypted (RFC 9147): not understood
	uint64_t with_messages; // of these, at least one message
	uint64_t excess;        // of these, octets behind a message that are no further message
	uint64_t stream_not_sip; // messages by their framing in a stream, that cannot be read all the same
	uint64_t messages;       // SIP messages read, from datagrams and streams
	uint64_t parsed;         // without defect
	uint64_t defective;      // with at least one defect; looked at and reported all the same
	uint64_t defects[SIP_DEFECT_COUNT];
	uint64_t taken;         // messages that reached the worker that owns their session
	uint64_t lost_handover; // messages whose owner's ring was full
	uint64_t lost_parts;    // fragments and segments whose worker's ring was full
	uint64_t too_nested;    // frames that completed fragments within fragments too often
};

struct analysis;
// NULL with errno.
struct analysis *analysis_new(const struct analysis_config *config);
void analysis_free(struct analysis *a); // NULL does nothing

// Whether a packet may carry signalling. For every frame that is not plainly nobody's, before it is forwarded: reads only.
bool analysis_wants(const struct analysis *a, enum packet_class class, const struct packet *packet);

// Takes a frame that analysis_wants(). `point` goes into its events.
void analysis_frame(struct analysis *a, const struct target_table *table, struct bytes frame,
	uint16_t point, uint64_t time_ns);
// Takes what another worker posted.
void analysis_parcel(struct analysis *a, const struct target_table *table,
	const struct parcel *parcel, struct bytes octets);

// Time passes: for ports whose frame time is the clock's. Now and then; bounded work.
void analysis_tick(struct analysis *a, const struct target_table *table, uint64_t time_ns);
// No frame will come any more: takes what still waits for missing segments.
void analysis_flush(struct analysis *a, const struct target_table *table);

const struct analysis_counters *analysis_counters(const struct analysis *a);
const struct event_counters *analysis_sip_counters(const struct analysis *a);
const struct signalling_counters *analysis_signalling_counters(const struct analysis *a);
const struct event_counters *analysis_signal_counters(const struct analysis *a);
const struct fragments_counters *analysis_fragments_counters(const struct analysis *a);
const struct streams_counters *analysis_streams_counters(const struct analysis *a);
uint32_t analysis_incomplete(const struct analysis *a); // datagrams that wait for fragments
uint32_t analysis_followed(const struct analysis *a);   // streams

#endif
