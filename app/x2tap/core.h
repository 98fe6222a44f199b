// The control core: the loop on EAL's main lcore that turns events into PDUs, keeps the connections, answers x2ctl and
// takes over new orders. The only writer of what workers read.
#ifndef X2TAP_CORE_H
#define X2TAP_CORE_H

#include "control.h"
#include "dataplane.h"
#include "delivery.h"
#include "faults.h"
#include "iri_pdu.h"
#include "losses.h"
#include "orders.h"
#include "record.h"
#include "sequence.h"

// In messages x tasks. Laws: what the workers reported = taken; taken = numbered + expired + suspended.
// In PDUs x destinations: wanted = offered + lost_too_large + lost_no_destination + lost_queue.
struct core_counters {
	uint64_t taken;   // out of the rings
	uint64_t expired; // the task had ended or changed meanwhile
	uint64_t
		suspended; // the audit log cannot be written, and nothing may be intercepted without it
	uint64_t numbered;            // got a sequence number
	uint64_t wanted;              // PDU x destination
	uint64_t offered;             // of these, handed to delivery_send()
	uint64_t lost_no_destination; // the destination has no entry in x2tap.yaml
	uint64_t lost_queue;          // larger than the destination's queue can ever hold
	uint64_t
		unaccounted; // of the run before: numbered, and neither known to be confirmed nor in a spool
};

struct core {
	const struct config *config;
	struct hash_key key;       // of this start: names, identities
	struct bindings *bindings; // NULL: none are kept; written by a worker while there are any
	struct dataplane *dataplane;
	struct delivery *delivery;
	struct orders *orders;
	struct control *control;
	struct iri *iri;
	struct sequences *sequences;
	struct destinations *destinations;
	struct faults faults;
	struct record record;
	struct losses losses;
	struct watch *watch;
	struct core_counters counters;
	uint64_t undelivered; // PDUs that were kept, not confirmed, at the stop
	uint8_t *pdu;         // IRI_MAX_PDU octets
	int signals;          // a signalfd for SIGINT, SIGTERM and SIGHUP
	bool stopping;        // workers were told to end
	uint64_t now_ms;      // of the events that are being taken; monotonic, as the next
	uint64_t started_ms;  // monotonic
	unsigned reload_tickets[CONTROL_MAX_CLIENTS]; // x2ctl clients that wait for a load
	size_t reload_count;
	size_t reload_due; // of these, the first, for the one that is running; the others came later, for the next
};

enum core_end { CORE_END_DELIVERED, CORE_END_REMAINS };

// What delivery asks of the core and tells it.
struct delivery_hooks core_hooks(struct core *core);
// Tells the audit log what the run before left behind.
void core_tell_gaps(struct core *core);
// Opens the control socket (before root is dropped); failing is a fault, no more.
void core_open_control(struct core *core);

// Runs until told to stop or, with until_idle_ms above 0, until no frame came for so long and all is delivered. Workers
// are stopped and all events taken when it returns; CORE_END_REMAINS: PDUs remained after the shutdown timeout.
enum core_end core_run(struct core *core, uint64_t until_idle_ms);

// report.c: what x2ctl asks.
void report_faults(const struct core *core, enum control_role role, struct text *out);
void report_status(const struct core *core, enum control_role role, struct text *out);
void report_counters(const struct core *core, enum control_role role, struct text *out);
// Adds a member behind others: UTC, as X1 writes times.
void report_time(struct text *out, const char *key, time_t when);
// subscribers.c: the bindings of a task, for the LI role. `xid` as it was typed.
void report_bindings(const struct core *core, const char *xid, struct text *out);
// laws.c. Whether all accounting laws hold; drain the rings before. `out` may be NULL. Exact once the workers have stopped; before
// that, less what a worker may hold in its hands.
bool report_laws(const struct core *core, enum control_role role, struct text *out);

#endif
