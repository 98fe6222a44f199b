// The table of SIP sessions that belong to tasks: one entry for each conversation, with its open transactions, its
// dialogs and its tasks. All memory is taken at start; operations take constant time but for the tasks of the one session. One thread.
//
// A session goes on while one of its transactions waits for a final response (RFC 3261 section 17) or one of its
// dialogs is not over: an INVITE dialog until its BYE is answered, a subscription until its NOTIFY says terminated or it
// expires (RFC 6665). After that, only what repeats or acknowledges its transactions belongs to it, for 64 * T1.
// Where the fixed arrays of an entry are too small, the session goes on for 64 * T1 after its last message.
//
// A Call-ID names a session only as far as its sender keeps it unique: some count from 1, and a stranger may write any. So a
// session takes only what bears a tag of its parties; another conversation under its Call-ID is a session of its own.
#ifndef X2TAP_SIP_SESSIONS_H
#define X2TAP_SIP_SESSIONS_H

#include "digest_table.h"
#include "sip.h"
#include "sip_identities.h"
#include "sip_services.h"

static const uint64_t SIP_LINGER_NS = 32000000000; // 64 * T1, RFC 3261 section 17.1.1.2
static const uint32_t SIP_SESSION_NONE = UINT32_MAX;

// What of a message matters here. Names are keyed hashes, 0 if the message has none.
struct sip_step {
	struct digest call_id;
	bool is_response;
	bool subscription_ends; // Subscription-State: terminated
	bool has_expires;
	uint16_t status;
	enum sip_method method;
	uint32_t cseq;
	uint32_t from_tag, to_tag, branch;
	uint32_t expires_s; // Expires, or the parameter of Subscription-State
};
struct sip_step sip_step_of(const struct hash_key *key, const struct sip_message *message);

// A task that a session belongs to, and who of it the target is, if known: `side` holds for messages whose From tag
// is `tag`, and the other side for those whose To tag it is. Or one of other services, which `share` tells. With `of_end_alone`
// the messages that belong to it are those of which an end is the target's by itself.
struct sip_session_task {
	uint32_t slot, generation;
	uint32_t tag;
	uint32_t next; // link to the session's next task, or SIP_SESSION_NONE
	enum sip_side side;
	enum sip_share share;
	uint8_t services; // as in struct match
	bool of_end_alone;
};

struct sip_sessions;

// `max_tasks` session tasks at once, over all sessions. NULL with errno.
struct sip_sessions *sip_sessions_new(uint32_t max_sessions, uint32_t max_tasks, uint64_t idle_ns);
void sip_sessions_free(struct sip_sessions *s);
// Sessions that gave way to others, or were forgotten for being idle.
uint64_t sip_sessions_given_up(const struct sip_sessions *s);
uint32_t sip_sessions_count(const struct sip_sessions *s);

// The session of a Call-ID, or SIP_SESSION_NONE. Forgets it first if it was idle for too long, or long over.
uint32_t sip_sessions_find(struct sip_sessions *s, const struct digest *call_id, uint64_t time_ns);
// A new session; the oldest gives way.
uint32_t sip_sessions_open(struct sip_sessions *s, const struct digest *call_id, uint64_t time_ns);
void sip_sessions_close(struct sip_sessions *s, uint32_t session);

// Whether the message, which bears the session's Call-ID, belongs to it: by a tag of its parties while the session goes on,
// and by repeating or acknowledging its transactions.
bool sip_session_includes(
	struct sip_sessions *s, uint32_t session, const struct sip_step *step, uint64_t time_ns);
// What a session is to a message that it does not include, but that may begin another.
enum sip_session_use {
	SIP_SESSION_BUSY,         // it goes on between others
	SIP_SESSION_OVER,         // it was between others
	SIP_SESSION_SAME_PARTIES, // it is over; this begins it anew
};
enum sip_session_use sip_session_use(
	struct sip_sessions *s, uint32_t session, const struct sip_step *step, uint64_t time_ns);
// Takes a message that belongs to the session: what it opens and what it ends. Makes the session the newest.
void sip_session_take(
	struct sip_sessions *s, uint32_t session, const struct sip_step *step, uint64_t time_ns);

// The tasks, as links that can be walked and cut:
//	for (uint32_t *link = sip_session_tasks(s, i); *link != SIP_SESSION_NONE;) { ... link = &task->next; }
uint32_t *sip_session_tasks(struct sip_sessions *s, uint32_t session);
struct sip_session_task *sip_session_task(struct sip_sessions *s, uint32_t link);
// Takes the task out; *link then is the next one.
void sip_session_drop_task(struct sip_sessions *s, uint32_t *link);
void sip_session_drop_all_tasks(struct sip_sessions *s, uint32_t session);
// The oldest other sessions give way when there is no room; false if even that gives none. The session must be the newest.
bool sip_session_add_task(
	struct sip_sessions *s, uint32_t session, const struct sip_session_task *task);

#endif
