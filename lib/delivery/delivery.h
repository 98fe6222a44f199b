// Delivery of X2 PDUs to mediation functions (TS 103 221-2 clause 6): one mutual-TLS connection and one bounded queue for each
// destination. The control core alone; never blocks.
//
// After the handshake the first thing sent is a keepalive, and PDUs follow its answer (keepalive off: the first record
// of the MF, or 1 s): in TLS 1.3 the client is done before the MF has judged its certificate. An answered keepalive shows that
// the MF has read what was written before it: until then PDUs are kept ("unconfirmed"), and sent again after a
// reconnection, in order and with the same sequence numbers, when `redeliver` is on. One write carries whole PDUs and at
// most max_write octets (a larger PDU goes alone). A full queue loses its oldest PDU, counted.
//
// Keepalives are numbered from 0 on each connection and go out every keepalive_interval_ms, and early while PDUs were
// written behind the last one and either 250 ms have passed since, or they come to 1 MiB or a quarter of the queue, as
// long as fewer than four wait for their answers. Only an answer to a number that still waits counts; a path without
// one for keepalive_timeout_ms is dead. At a stop or a change of address one more goes out when all is written. A
// keepalive of the MF is answered.
//
// Attempts to connect take at most 10 s, handshakes too; the wait between them doubles from 0.5 s to 30 s (half of it
// random) and starts anew after a proven connection. When the MF says close_notify, nothing more is written, and that is
// no fault if the connection was up.
//
// The program must ignore SIGPIPE (see tls.h).
#ifndef X2TAP_DELIVERY_H
#define X2TAP_DELIVERY_H

#include "address.h"
#include "bytes.h"
#include "error.h"
#include "tls.h"
#include "uuid.h"

struct delivery_destination {
	struct uuid did;
	struct address address;
	uint16_t port;
	const char *tls_name; // what the MF's certificate must carry; borrowed for the call
	uint16_t version;     // 0x0005 or 0x0006, of keepalives
	bool keepalive;
	bool redeliver; // without effect where keepalive is off: nothing is ever confirmed, so nothing is kept
	uint32_t keepalive_interval_ms; // TIME_P1, 0: 60,000
	uint32_t keepalive_timeout_ms;  // TIME_P2, 0: 180,000; more than TIME_P1
	uint32_t max_write;  // octets of whole PDUs in one write, 0: 8192, at most 16,384
	size_t queue_octets; // memory, taken when the destination is added
};

// Law: offered = confirmed + unconfirmed + queued + lost_* + expired. `repeated` stands apart.
struct delivery_counters {
	uint64_t offered;   // PDUs handed to delivery_send()
	uint64_t confirmed; // written, and a keepalive written later was answered
	uint64_t
		unconfirmed; // written, and no answer (yet): what is still kept and what was given up
	uint64_t queued;     // not yet written
	uint64_t lost_queue_full; // oldest gave way before it was ever written
	uint64_t lost_shutdown;   // still queued when the process had to end
	uint64_t expired;         // its task or destination was ended before it was written
	uint64_t repeated;        // written once more after a reconnection
	uint64_t written_octets, writes;
	uint64_t keepalives_sent, keepalives_answered;
	uint64_t connects, connect_failures,
		disconnects;         // proven; not so far; proven ones that ended
	uint64_t answers_refused;    // to keepalives that did not wait for one
	uint64_t keepalives_of_peer; // and answered by us
};

// Whether the law holds: it does after every call.
bool delivery_law_holds(const struct delivery_counters *c);

enum delivery_state {
	DELIVERY_WAITING,
	DELIVERY_CONNECTING,
	DELIVERY_HANDSHAKE,
	DELIVERY_PROVING,
	DELIVERY_UP,
	DELIVERY_CLOSING
};

struct delivery_status {
	struct delivery_destination destination;
	enum delivery_state state;
	const char *
		fault; // last failure while not up, "" if none: what was tried and why it failed; never PDU content
	struct delivery_counters counters;
	size_t queue_used;
};

struct delivery;
// `context` may be NULL (certificate fault): then nothing connects until delivery_set_context().
struct delivery *delivery_new(
	struct tls_context *context, uint64_t random_seed, struct error *error);
void delivery_free(struct delivery *d); // wipes the queues
// Borrowed. Connections under another context than this one end well and are made again under it, since their peers may be
// revoked or of a CA that is no longer trusted. NULL: what is connected stays, nothing new connects.
void delivery_set_context(struct delivery *d, struct tls_context *context);

// Adds a destination, or changes it (new address, TLS name, version or keepalive: reconnects, the queue stays). 0, -EINVAL
// with a text that says what is wrong, or -ENOMEM; then nothing has changed.
int delivery_set(
	struct delivery *d, const struct delivery_destination *destination, struct error *error);
// Ends it: what is queued counts as expired, and it is no longer listed. What was written has a few seconds to be
// confirmed while delivery_poll() goes on.
void delivery_remove(struct delivery *d, const struct uuid *did);

// Queues a copy of one whole PDU. `owner` (slot and generation of the task) is what delivery_expire() names. 0; -ENOENT for an
// unknown destination; -EMSGSIZE when it is empty or can never fit the queue; -ENOMEM. Refused ones are not offered. When the queue is full the oldest gives way.
int delivery_send(struct delivery *d, const struct uuid *did, uint64_t owner, struct bytes pdu);
// The task has ended: its PDUs that were never written are dropped and counted as expired.
void delivery_expire(struct delivery *d, uint64_t owner);
// The same for every owner of which `ended` says so: one walk over each queue, however many have ended.
typedef bool delivery_ended(const void *context, uint64_t owner);
void delivery_expire_if(struct delivery *d, delivery_ended *ended, const void *context);

// Does what can be done now: connects, reads, writes, keeps timers. `now_ms` is monotonic. Returns how many milliseconds may
// pass until the next call is due if no descriptor gets ready, at most 1000.
int delivery_poll(struct delivery *d, uint64_t now_ms);
// Descriptors and events to wait for, to be given to poll(2). Returns how many were written.
struct pollfd;
size_t delivery_pollfds(const struct delivery *d, struct pollfd *out, size_t max);

// A stop: send what is queued, ask for a last confirmation, close properly. Call delivery_poll() until
// delivery_idle(); whatever remains then is lost_shutdown.
void delivery_stop(struct delivery *d);
// Nothing queued, and nothing unconfirmed where keepalive is on.
bool delivery_idle(const struct delivery *d);
// After delivery_stop(): all connections closed, and nothing left that another could carry.
bool delivery_stopped(const struct delivery *d);
// What is still queued counts as lost_shutdown from now on.
void delivery_give_up(struct delivery *d);

size_t delivery_count(const struct delivery *d);
// Pointers in `out` are good until the next call that may change the destination.
void delivery_status(const struct delivery *d, size_t index, struct delivery_status *out);
// The counters of all destinations there ever were, removed ones included.
void delivery_totals(const struct delivery *d, struct delivery_counters *out);

#endif
