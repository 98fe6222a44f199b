// The sessions of RADIUS, DHCP and GTP-C that belong to tasks: found by any of their names, each with its tasks. All memory is
// taken at start; operations take constant time but for the names and tasks of the one session. One thread.
//
// Only what some task has part in is here: the bindings of all subscribers are lib/binding's.
#ifndef X2TAP_SIGNAL_SESSIONS_H
#define X2TAP_SIGNAL_SESSIONS_H

#include "digest_table.h"
#include "signals.h"

enum {
	// Of one session at once, most of them of requests that wait for answers; more push the oldest exchange out, else the
	// oldest name.
	SIGNAL_SESSION_NAMES = 1024,
	SIGNAL_SESSIONS_FOUND = 4, // sessions that one message may belong to: it joins them
};
static const uint32_t SIGNAL_SESSION_NONE = UINT32_MAX;

// A task that a session belongs to.
struct signal_session_task {
	uint32_t slot, generation;
	uint32_t next;     // link to the session's next task, or SIGNAL_SESSION_NONE
	uint8_t services;  // as in struct match
	bool subscriber;   // the task names the subscriber, so the session's directions are its own
	bool of_end_alone; // its messages are those of which an end is the target's by itself
};

struct signal_sessions;

// `max_tasks` session tasks at once, over all sessions. `key`: for random correlation ids. NULL with errno.
struct signal_sessions *signal_sessions_new(
	uint32_t max_sessions, uint32_t max_tasks, uint64_t idle_ns, const struct hash_key *key);
void signal_sessions_free(struct signal_sessions *s);
// Sessions that gave way to others, or were forgotten for being idle.
uint64_t signal_sessions_given_up(const struct signal_sessions *s);
uint32_t signal_sessions_count(const struct signal_sessions *s);

// The sessions that a message belongs to, those of lasting names first. A request that begins under a name takes it from
// whatever went on there, but for a repetition of the same octets (`message`, a keyed digest), which belongs to it.
unsigned signal_sessions_find(struct signal_sessions *s, const struct signal *signal,
	const struct digest *message, uint64_t time_ns,
	uint32_t found[static SIGNAL_SESSIONS_FOUND]);
// A new session; the oldest gives way.
uint32_t signal_sessions_open(struct signal_sessions *s, uint64_t time_ns);
void signal_sessions_close(struct signal_sessions *s, uint32_t session);
// Takes a message that belongs to the session: the names that it keeps, its end. Makes the session the newest; others that lose
// their last name to it are closed. Gives the correlation id of the session.
uint64_t signal_session_take(struct signal_sessions *s, uint32_t session,
	const struct signal *signal, const struct digest *message, uint64_t time_ns);
// Of a message that belongs to no session: its own, or a random one.
uint64_t signal_sessions_correlation(struct signal_sessions *s, const struct signal *signal);

// The tasks, as links that can be walked and cut:
//	for (uint32_t *link = signal_session_tasks(s, i); *link != SIGNAL_SESSION_NONE;) { ... link = &task->next; }
uint32_t *signal_session_tasks(struct signal_sessions *s, uint32_t session);
struct signal_session_task *signal_session_task(struct signal_sessions *s, uint32_t link);
// Takes the task out; *link then is the next one.
void signal_session_drop_task(struct signal_sessions *s, uint32_t *link);
// The oldest other sessions give way when there is no room; false if even that gives none. The session must be the newest.
bool signal_session_add_task(
	struct signal_sessions *s, uint32_t session, const struct signal_session_task *task);

#endif
