// Messages of RADIUS, DHCP and GTP-C in datagrams: read, counted, and taken by the worker that owns all of them, which keeps the
// bindings of all subscribers and reports what belongs to tasks. SIP is analysis.c's.
//
// One worker owns them all: a subscriber's bindings come from several protocols, so their order matters; they are few beside the
// traffic, and what the bindings say every worker reads by itself.
#ifndef X2TAP_SIGNALLING_H
#define X2TAP_SIGNALLING_H

#include "bindings.h"
#include "protocols.h"
#include "signal_events.h"

enum {
	SIGNALLING_OWNER = 0,               // the worker
	SIGNALLING_MAX_PACKET = 65535 + 40, // octets: of an IP packet
};

struct signalling_config {
	struct hash_key key;
	const uint64_t *ports
		[SIGNAL_PROTOCOLS]; // 65,536 bits each, constant; NULL: the protocol is not read
	struct signal_events_config events;
	struct bindings *bindings; // written by the owner alone; NULL: none are kept
	bool owner;
};

// Of one protocol. Laws: datagrams = messages + not_understood; messages = parsed + defective; messages = taken + lost_handover,
// over all workers.
struct protocol_counters {
	uint64_t datagrams;      // from or to its ports
	uint64_t not_understood; // of these, none of its messages
	uint64_t messages, parsed, defective;
	uint64_t defects[SIGNAL_DEFECTS];
	uint64_t taken;         // messages that reached the owner
	uint64_t lost_handover; // messages for which the owner's ring was full
};

struct signalling_counters {
	struct protocol_counters protocols[SIGNAL_PROTOCOLS];
};

struct signalling;
// NULL with errno. `config` is copied.
struct signalling *signalling_new(const struct signalling_config *config);
void signalling_free(struct signalling *s); // wipes; NULL does nothing
const struct signalling_counters *signalling_counters(const struct signalling *s);
const struct event_counters *signalling_event_counters(
	const struct signalling *s); // zero, but of the owner

// Reads the datagram as the protocol whose ports it has. NULL: it is none of them, or none of their messages.
const struct signal *signalling_read(
	struct signalling *s, const struct target_table *table, const struct packet *packet);
// What of the message read last is reported: octets of the packet, or room of `s` until the next one.
struct bytes signalling_payload(struct signalling *s, const struct packet *packet);
void signalling_lost(struct signalling *s); // the message read last was not handed over
// The message read last has been seen to: nobody's identity or address stays behind. What was read and written is not valid any
// more.
void signalling_done(struct signalling *s);

// The owner takes the message read last.
void signalling_take(struct signalling *s, const struct target_table *table,
	const struct packet *packet, struct bytes payload, uint64_t time_ns,
	struct record_ring *ring);
// The owner takes what another worker read: its protocol, its `payload`, and how many octets of that, the last, are the datagram's.
// Then it is done with.
void signalling_take_parcel(struct signalling *s, const struct target_table *table,
	enum signal_protocol protocol, struct packet *packet, struct bytes payload,
	size_t datagram_len, uint64_t time_ns, struct record_ring *ring);

// Time passes: bindings expire. The owner's, now and then; bounded work.
void signalling_tick(struct signalling *s, uint64_t time_ns);

#endif
