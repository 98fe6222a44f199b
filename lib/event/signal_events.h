// Who has part in messages of RADIUS, DHCP and GTP-C, and what is reported of them. One instance, of the worker that owns all of
// them, which alone calls it. All memory is taken at start; nothing is allocated, locked or logged later. Times are frame time.
//
// Sessions (design: "Sessions"): once a message has matched a task, the rest of its exchange, accounting session, DHCP
// transaction or GTP session belongs to the task, up to and including the response that ends it. A task that is activated in
// mid-session takes effect with the next message that shows the identity, or whose session a binding knows (`bound`).
//
// A task that is limited to services has them if data is among these.
#ifndef X2TAP_SIGNAL_EVENTS_H
#define X2TAP_SIGNAL_EVENTS_H

#include "reporter.h"
#include "signals.h"

struct signal_events_config {
	uint32_t max_sessions;        // with a task; the oldest gives way
	uint32_t max_duplicates;      // message x task remembered; the oldest gives way
	uint64_t duplicate_window_ns; // 0: off
	uint64_t session_idle_ns;     // a session without a message for so long is forgotten
	uint32_t max_tasks;           // of one message; 0: 65536. More are lost, counted
};

struct signal_events;
// NULL with errno. `key` is copied.
struct signal_events *signal_events_new(
	const struct signal_events_config *config, const struct hash_key *key);
void signal_events_free(struct signal_events *events); // wipes; NULL does nothing
const struct event_counters *signal_events_counters(const struct signal_events *events);

// Takes one message and writes its event, if it belongs to any task, to `ring`. `payload` is what is reported: the octets of
// the signal, or the whole packet. `packet` gives flow, tunnels and point; its views are not looked at. `bound`: whose it is beside what it shows.
void signal_events_take(struct signal_events *events, const struct target_table *table,
	const struct signal *signal, enum event_protocol protocol, struct bytes payload,
	const struct packet *packet, const struct bound *bound, uint64_t time_ns,
	struct record_ring *ring);

#endif
