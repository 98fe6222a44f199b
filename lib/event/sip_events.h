// What SIP messages mean: identities, sessions, duplicates. One instance for each worker, which alone calls it; it decides
// about the sessions whose Call-ID hash it owns, so 1, 2 and 4 workers report the same. All memory is taken at start;
// nothing is allocated, locked or logged later. Times are frame time (ns since 1970).
//
// Sessions (RFC 3261 sections 12, 17): once a message of a Call-ID has matched a task, the rest of its dialogs and
// transactions belongs to the task, up to and including the response that ends the last of them and the ACK of that
// response. One branch of a fork ending does not end the others. A task that is activated in mid-session takes effect with
// the next message that shows the identity; one that is ended or changed loses its sessions at once.
//
// Services: a task with a list gets what belongs to one of them (sip_services.h); all else is no match for it.
//
// Duplicates: an octet-identical message seen again within the window is suppressed for each task that already had
// it, and counted; a message with a changed Via is another message.
#ifndef X2TAP_SIP_EVENTS_H
#define X2TAP_SIP_EVENTS_H

#include "reporter.h"
#include "sip.h"

struct sip_events_config {
	uint32_t max_sessions;        // Call-IDs with a task, default 65536; oldest gives way
	uint32_t max_duplicates;      // message x task remembered, default 65536; oldest gives way
	uint64_t duplicate_window_ns; // default 32 s (64 * T1); 0: off
	uint64_t
		session_idle_ns; // a session without a message for so long is forgotten; default 12 h
	bool trust_from;         // From alone counts; default yes
	uint32_t max_tasks;      // of one message; 0: 65536. More are lost, counted
};

struct sip_events;
// NULL with errno. `key` is copied.
struct sip_events *sip_events_new(
	const struct sip_events_config *config, const struct hash_key *key);
void sip_events_free(struct sip_events *events);
const struct event_counters *sip_events_counters(const struct sip_events *events);

// Which of `workers` owns a message: by keyed hash of its Call-ID (of all its octets if it has none). The same key on
// all workers.
unsigned sip_owner(const struct hash_key *key, const struct sip_message *message, unsigned workers);

// Takes one message that this worker owns and writes its event, if it belongs to any task, to `ring`. `packet` gives flow, tunnels
// and point; its views are not looked at. `bound`: whose the ends of the flow are beside.
void sip_events_take(struct sip_events *events, const struct target_table *table,
	const struct sip_message *message, const struct packet *packet, const struct bound *bound,
	uint64_t time_ns, struct record_ring *ring);

#endif
