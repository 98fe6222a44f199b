// What becomes of the PDUs of one destination, and who wants to hear of it.
#ifndef X2TAP_ACCOUNTS_H
#define X2TAP_ACCOUNTS_H

#include "bytes.h"
#include "error.h"
#include "spool.h"
#include "uuid.h"

// One PDU for one destination.
struct delivery_pdu {
	uint64_t owner;       // see task_owner()
	struct uuid xid;      // of the task
	uint64_t correlation; // as in the PDU
	uint32_t sequence;
	struct bytes octets; // the whole PDU
};

// Law: offered + restored = confirmed + unconfirmed + queued + spooled + the sum of lost_* + expired. `repeated` stands apart.
struct delivery_counters {
	uint64_t offered;   // PDUs handed to delivery_send()
	uint64_t restored;  // found in the spool when it was opened: of an earlier run
	uint64_t confirmed; // written, and a keepalive written later was answered
	uint64_t
		unconfirmed; // written, and no answer (yet): what is still kept and what was given up
	uint64_t unconfirmed_given_up; // of `unconfirmed`: kept no longer
	uint64_t queued;               // in memory, not yet written
	uint64_t spooled;              // on disk and not in memory, not yet written
	uint64_t
		lost_queue_full; // the oldest gave way in memory before it was ever written, and is in no spool
	uint64_t lost_shutdown;      // still queued when the process had to end, and is in no spool
	uint64_t lost_spool_full;    // its segment gave way to newer ones
	uint64_t lost_spool_age;     // its segment was older than allowed
	uint64_t lost_spool_damaged; // it could not be read back
	uint64_t expired;            // its task or destination was ended before it was written
	uint64_t expired_restored;   // of `expired`: found in the spool, its task no longer ordered
	uint64_t
		refused_gate; // not offered: the task does not name the destination; never on purpose
	uint64_t repeated;    // written once more after a reconnection
	uint64_t written_octets, writes;
	uint64_t keepalives_sent, keepalives_answered;
	uint64_t connects, connect_failures,
		disconnects;         // proven; not so far; proven ones that ended
	uint64_t failovers;          // of a set: the connection went to another endpoint
	uint64_t answers_refused;    // to keepalives that did not wait for one
	uint64_t keepalives_of_peer; // and answered by us
};

// The sum of lost_*.
static inline uint64_t delivery_lost(const struct delivery_counters *c)
{
	return c->lost_queue_full + c->lost_shutdown + c->lost_spool_full + c->lost_spool_age +
	       c->lost_spool_damaged;
}
// Whether the law holds: it does after every call.
bool delivery_law_holds(const struct delivery_counters *c);

enum delivery_loss {
	LOSS_QUEUE_FULL,
	LOSS_SHUTDOWN,
	LOSS_SPOOL_FULL,
	LOSS_SPOOL_AGE,
	LOSS_SPOOL_DAMAGED,
	LOSS_ORDER_ENDED, // `expired`
	// `unconfirmed_given_up`: it may have arrived. Not told where keepalive is off, where nothing is ever confirmed.
	LOSS_UNCONFIRMED,
	DELIVERY_LOSSES
};

enum delivery_gate {
	GATE_NAMED,
	GATE_NOT_NAMED,
	GATE_UNKNOWN, // orders are not known yet: what waits goes on waiting
};

struct delivery_endpoint;
struct delivery_peer;

// Any may be NULL. Called from within the functions of delivery.h; must not call back into them.
struct delivery_hooks {
	void *context;
	// The one place that decides whether a PDU of a task may leave towards a destination (DID or DSID): asked for every PDU
	// when it is offered, and when it is taken from a spool of an earlier run. Without it everything may.
	enum delivery_gate (*gate)(
		void *context, const struct uuid *xid, const struct uuid *destination);
	// A PDU will never arrive, or (LOSS_UNCONFIRMED) may never. `xid` is NULL where `count` of them are not known one by one.
	void (*lost)(void *context, const struct uuid *destination, enum delivery_loss why,
		const struct uuid *xid, uint64_t correlation, uint32_t sequence, uint64_t count);
	void (*peer)(void *context, const struct delivery_peer *peer);
	// Of the spool, for the audit log.
	void (*segment)(void *context, const struct uuid *destination, enum spool_event what,
		uint64_t number, uint64_t records);
	// Before a connection is made: a negative errno with a text where the socket would leave through a traffic port.
	int (*check_socket)(void *context, int fd, const struct delivery_endpoint *endpoint,
		struct error *error);
};

#endif
