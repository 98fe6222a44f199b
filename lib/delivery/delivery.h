// Delivery of X2 PDUs to mediation functions (TS 103 221-2 clause 6): for each destination one queue (memory, and a spool on
// disk where one is configured) and one mutual-TLS connection. The control core alone; never blocks.
//
// A destination has one or several ENDPOINTS in order of preference: an ordinary one has one; a Redundant destination set
// is a destination of its own whose endpoints are its members. The connection goes to the first that works: after failover_ms
// without a proven connection to the others, in order, each with its own back-off; back to a more preferred one when a
// second connection ("standby") to it has been up for return_ms without interruption. Nothing is moved between queues:
// what is unconfirmed is written again on the next connection, whoever is at its end.
//
// After the handshake the first thing sent is a keepalive, and PDUs follow its answer (keepalive off: the first record
// of the MF, or 1 s): in TLS 1.3 the client is done before the MF has judged its certificate. An answered keepalive shows that
// the MF has read what was written before it: until then PDUs are kept ("unconfirmed"), and sent again after a
// reconnection, in order and with the same sequence numbers, when `redeliver` is on. One write carries whole PDUs and at
// most max_write octets (a larger PDU goes alone).
//
// Keepalives are numbered from 0 on each connection and go out every keepalive_interval_ms, and early while PDUs were
// written behind the last one and either 40 ms have passed since, or they come to 1 MiB or a quarter of the queue, as
// long as fewer than four wait for their answers. Only an answer to a number that still waits counts; a path without
// one for keepalive_timeout_ms is dead, and so is one that takes not a single record in that time. At a stop or a change
// of address one more goes out when all is written. A keepalive of the MF is answered.
//
// Make before break: when certificates or settings change that a connection stands on, it goes on until a new one is
// proven, then asks for a last confirmation (5 s at most) and ends; only then PDUs go on the new one, so that their order
// stays. Where its address is no longer one of the endpoints it ends after 10 s even if there is no new one. Where its peer
// would not be taken any more under the present certificates, name and pin it ends at once: no PDU is written to it after
// that, and what it has not confirmed is written again to one that is good.
//
// Attempts to connect take at most 10 s, handshakes too; the wait between them doubles from 0.5 s to 30 s (half of it
// random) and starts anew after a proven connection. When the MF says close_notify, nothing more is written, and that is
// no fault if the connection was up.
//
// The program must ignore SIGPIPE (see tls.h).
#ifndef X2TAP_DELIVERY_H
#define X2TAP_DELIVERY_H

#include "accounts.h"
#include "address.h"
#include "tls.h"

enum {
	DELIVERY_MAX_ENDPOINTS = 16,
	DELIVERY_FDS_EACH = 2, // descriptors that a destination may want to be waited for
};

// Our end of a connection.
struct delivery_socket {
	struct address source;          // family 0: whatever the kernel chooses
	char interface[16];             // SO_BINDTODEVICE; "" none
	uint16_t port_first, port_last; // 0, 0: any
	uint32_t keepalive_s;           // of TCP: idle time and interval, three probes; 0: off
	uint32_t user_timeout_ms;       // TCP_USER_TIMEOUT; 0: the kernel's
};

struct delivery_endpoint {
	struct uuid did;
	struct address address;
	uint16_t port;
	const char *tls_name; // what the MF's certificate must carry; borrowed for the call
	bool has_pin;
	uint8_t pin[TLS_PIN_LEN]; // see struct tls_peer
	struct delivery_socket socket;
	bool keepalive;
	uint16_t version;               // 0x0005 or 0x0006, of keepalives
	uint32_t keepalive_interval_ms; // TIME_P1, 0: 60,000
	uint32_t keepalive_timeout_ms;  // TIME_P2, 0: 180,000; more than TIME_P1
	uint32_t max_write; // octets of whole PDUs in one write, 0: 8192, at most 16,384
};

struct delivery_destination {
	struct uuid did; // DID, or DSID of a set
	// In order of preference, of different DIDs, 1 to DELIVERY_MAX_ENDPOINTS; borrowed for the call.
	const struct delivery_endpoint *endpoints;
	size_t endpoint_count;
	bool redeliver; // without effect where keepalive is off: nothing is ever confirmed, so nothing is kept
	bool on_demand; // connected for the first PDU, closed when all has been confirmed for idle_ms
	uint32_t idle_ms;                // 0: 300,000
	uint32_t failover_ms, return_ms; // 0: 10,000 and 60,000
	size_t queue_octets;             // memory, taken when the destination is added; 0: 64 MiB
	// Copied, but for its key, which is borrowed until the next delivery_set() of this destination. NULL: memory alone.
	const struct spool_settings *spool;
	bool deliver_ended; // what an earlier run has left in the spool is sent also when its task is no longer ordered
};

enum delivery_state {
	DELIVERY_WAITING,
	DELIVERY_CONNECTING,
	DELIVERY_HANDSHAKE,
	DELIVERY_PROVING,
	DELIVERY_UP,
	DELIVERY_CLOSING
};

struct delivery_status {
	struct delivery_destination destination; // without `spool`
	enum delivery_state state;
	// Last failure while not up, or of the connection that is to replace the present one; "" if none: what was tried and why it
	// failed; never PDU content.
	const char *fault;
	bool certificate_fault; // it is about a certificate that was refused
	time_t certificate_end; // of the MF's, while connected; 0 otherwise
	size_t active;          // endpoint of the present or latest connection
	size_t preferred;       // always 0
	bool idle;              // on demand, and not connected since there is nothing to send
	struct delivery_counters counters;
	size_t queue_used, queue_octets_max;
	uint64_t spool_octets, spool_segments;
	bool has_spool;          // one is configured
	bool spool_is_open;      // and was looked through: what an earlier run left has been told
	const char *spool_fault; // "" or what the disk said: memory alone, tried again every 10 s
};

// For the audit log: a proven connection, or its end. Strings are good for the call.
struct delivery_peer {
	struct uuid did;         // of the endpoint
	struct uuid destination; // DID or DSID
	bool up;                 // proven, or ended
	const char *address;     // "192.0.2.10 port 42069"
	const char *certificate_serial, *subject, *version, *suite;
	const char *why; // of the end: "" when it ended well
};

struct delivery;
// `context` may be NULL (certificate fault): then nothing connects until delivery_set_context().
// `hooks` may be NULL; they are copied.
struct delivery *delivery_new(struct tls_context *context, uint64_t random_seed,
	const struct delivery_hooks *hooks, struct error *error);
void delivery_free(struct delivery *d); // wipes the queues
// Borrowed. Connections under another context than this one are made again under it, since their peers may be revoked or of a CA
// that is no longer trusted. NULL: what is connected stays, nothing new connects.
void delivery_set_context(struct delivery *d, struct tls_context *context);

// Adds a destination, or changes it: new endpoints, address, TLS name, pin, socket, version or keepalive make a new connection, the
// queue stays. 0, -EINVAL with a text that says what is wrong, or -ENOMEM; then nothing has changed. A spool that
// cannot be opened is no error here: see delivery_status.
int delivery_set(
	struct delivery *d, const struct delivery_destination *destination, struct error *error);
// Ends it: what is queued counts as expired, and it is no longer listed. What was written has a few seconds to be
// confirmed while delivery_poll() goes on.
void delivery_remove(struct delivery *d, const struct uuid *did);

// Queues a copy of one whole PDU. 0; -ENOENT for an unknown destination; -EMSGSIZE when it is empty or can never fit the
// queue; -ENOMEM; -EPERM when the gate says that its task does not name the destination (counted `refused_gate`). Refused
// ones are not offered. When queue and spool are full the oldest gives way.
int delivery_send(struct delivery *d, const struct uuid *did, const struct delivery_pdu *pdu,
	uint64_t now_ms);
// Every PDU offered before the returned monotonic time is confirmed, in a spool, lost and told, or expired. Where keepalive is
// off, written counts as confirmed.
uint64_t delivery_safe_before(const struct delivery *d, uint64_t now_ms);
// PDUs never written whose `owner` has ended, as `ended` says, are dropped and counted as expired: one walk over each queue,
// however many have ended. What is on disk alone is judged by the gate when it is read.
typedef bool delivery_ended(const void *context, uint64_t owner);
void delivery_expire_if(struct delivery *d, delivery_ended *ended, const void *context);

// Does what can be done now: connects, reads, writes, keeps timers. `now_ms` is monotonic, `realtime_ms` the time
// of day (since 1970), for what goes to disk. Returns how many milliseconds may pass until the next call is due if no
// descriptor gets ready, at most 1000, and at most 20 while PDUs wait that a spool may have to take.
int delivery_poll(struct delivery *d, uint64_t now_ms, uint64_t realtime_ms);
// Descriptors and events to wait for, to be given to poll(2): at most DELIVERY_FDS_EACH for each destination. Returns how many
// were written.
struct pollfd;
size_t delivery_pollfds(const struct delivery *d, struct pollfd *out, size_t max);

// A stop: send what is queued, ask for a last confirmation, close properly. Call delivery_poll() until
// delivery_stopped(), or delivery_give_up() when that takes too long.
void delivery_stop(struct delivery *d);
// Nothing queued or spooled, and nothing unconfirmed where keepalive is on.
bool delivery_idle(const struct delivery *d);
// After delivery_stop(): all connections closed, and nothing left that another could carry.
bool delivery_stopped(const struct delivery *d);
// What is still queued goes to the spools, and stays counted as spooled; what has none counts as lost_shutdown from now on. What
// was written and is not confirmed goes there too, and stays counted as unconfirmed; what has none is told as LOSS_UNCONFIRMED.
void delivery_give_up(struct delivery *d);
// PDUs that are in memory or in a spool since nobody confirmed them.
uint64_t delivery_kept(const struct delivery *d);

size_t delivery_count(const struct delivery *d);
// Pointers in `out` are good until the next call that may change the destination.
void delivery_status(const struct delivery *d, size_t index, struct delivery_status *out);
// The counters of all destinations there ever were, removed ones included.
void delivery_totals(const struct delivery *d, struct delivery_counters *out);

#endif
