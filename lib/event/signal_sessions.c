#include "signal_sessions.h"

#include <errno.h>
#include <stdlib.h>

enum { SWEEP = 2 }; // old sessions looked at for each message

static const uint32_t NONE = SIGNAL_SESSION_NONE;

struct name {
	uint64_t time_ns;       // when it was last kept
	struct digest message;  // that began under it
	uint32_t session, next; // next: of the session, older
	uint8_t use;
};

struct session {
	uint64_t last_ns; // of its latest message
	uint64_t correlation;
	uint32_t names, tasks;
	uint32_t name_count;
	bool is_named; // the correlation id is that of its globally unique name
	bool lasts;    // some name is none of an exchange
	bool ended;    // what repeats or answers the end belongs to it for SIGNAL_EXCHANGE_NS
};

struct signal_sessions {
	struct digest_table
		table; // of sessions by their serial number: the order of age is what it is for
	struct digest_table names;
	struct session *sessions; // by entry of `table`
	struct name *by_name;     // by entry of `names`
	struct signal_session_task *tasks;
	uint32_t free_task;
	uint64_t idle_ns;
	uint64_t given_up;
	uint64_t serial;
	struct hash_key key;
};

// --- the tables ------------------------------------------------------------------------------------------------

static int take_memory(struct signal_sessions *s, uint32_t max_sessions, uint32_t max_tasks)
{
	enum { NAMES_PER_SESSION = 8 }; // on average, over all sessions
	uint64_t names = (uint64_t)max_sessions * NAMES_PER_SESSION + SIGNAL_SESSION_NAMES;
	if (max_tasks == 0 || names > INT32_MAX)
		return -EINVAL;
	int rc = digest_table_init(&s->table, max_sessions);
	if (rc == 0)
		rc = digest_table_init(&s->names, (uint32_t)names);
	if (rc < 0)
		return rc;
	s->sessions = calloc(max_sessions, sizeof *s->sessions);
	s->by_name = calloc(names, sizeof *s->by_name);
	s->tasks = calloc(max_tasks, sizeof *s->tasks);
	if (!s->sessions || !s->by_name || !s->tasks)
		return -ENOMEM;
	memset(s->sessions, 0, max_sessions * sizeof *s->sessions); // fault the pages in now
	memset(s->by_name, 0, names * sizeof *s->by_name);
	for (uint32_t i = 0; i < max_tasks; i++)
		s->tasks[i].next = i + 1 < max_tasks ? i + 1 : NONE;
	return 0;
}

struct signal_sessions *signal_sessions_new(
	uint32_t max_sessions, uint32_t max_tasks, uint64_t idle_ns, const struct hash_key *key)
{
	struct signal_sessions *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->idle_ns = idle_ns;
	s->key = *key;
	int rc = take_memory(s, max_sessions, max_tasks);
	if (rc == 0)
		return s;
	signal_sessions_free(s);
	errno = -rc;
	return NULL;
}

void signal_sessions_free(struct signal_sessions *s)
{
	if (!s)
		return;
	digest_table_fini(&s->table);
	digest_table_fini(&s->names);
	free(s->sessions);
	free(s->by_name);
	free(s->tasks);
	free(s);
}

uint64_t signal_sessions_given_up(const struct signal_sessions *s)
{
	return s->given_up;
}

uint32_t signal_sessions_count(const struct signal_sessions *s)
{
	return s->table.count;
}

// Frame time may jump back: nothing is older than nothing.
static uint64_t age(uint64_t since_ns, uint64_t time_ns)
{
	return time_ns > since_ns ? time_ns - since_ns : 0;
}

// --- names -----------------------------------------------------------------------------------------------------

// Takes the name out of its session's list, and out of the table.
static void drop_name(struct signal_sessions *s, uint32_t name)
{
	struct session *session = &s->sessions[s->by_name[name].session];
	uint32_t *link = &session->names;
	while (*link != name)
		link = &s->by_name[*link].next;
	*link = s->by_name[name].next;
	session->name_count--;
	digest_table_remove(&s->names, name);
}

// To another; nothing can find a session any more that has none.
static void lose_name(struct signal_sessions *s, uint32_t name)
{
	uint32_t session = s->by_name[name].session;
	drop_name(s, name);
	if (s->sessions[session].names == NONE)
		signal_sessions_close(s, session);
}

static void drop_all_names(struct signal_sessions *s, uint32_t session)
{
	while (s->sessions[session].names != NONE)
		drop_name(s, s->sessions[session].names);
}

// The name to do without: the oldest exchange, or the oldest of all.
static uint32_t spare_name(const struct signal_sessions *s, const struct session *session)
{
	uint32_t oldest = NONE, exchange = NONE;
	for (uint32_t name = session->names; name != NONE; name = s->by_name[name].next) {
		oldest = name;
		if (s->by_name[name].use & NAME_EXCHANGE)
			exchange = name;
	}
	return exchange == NONE ? oldest : exchange;
}

static bool is_past(const struct name *name, uint64_t time_ns)
{
	return name->use & NAME_EXCHANGE && age(name->time_ns, time_ns) > SIGNAL_EXCHANGE_NS;
}

void signal_sessions_close(struct signal_sessions *s, uint32_t session)
{
	uint32_t *link = signal_session_tasks(s, session);
	while (*link != NONE)
		signal_session_drop_task(s, link);
	drop_all_names(s, session);
	digest_table_remove(&s->table, session);
}

// Forgets a session whose time is over.
static bool forget_if_past(struct signal_sessions *s, uint32_t i, uint64_t time_ns)
{
	const struct session *session = &s->sessions[i];
	bool lasts = session->lasts && !session->ended;
	if (age(session->last_ns, time_ns) <= (lasts ? s->idle_ns : SIGNAL_EXCHANGE_NS))
		return false;
	s->given_up += lasts;
	signal_sessions_close(s, i);
	return true;
}

// --- finding ---------------------------------------------------------------------------------------------------

// The session under the name, if the message may belong to it.
static uint32_t session_of(struct signal_sessions *s, const struct signal *signal,
	const struct signal_name *wanted, const struct digest *message, uint64_t time_ns)
{
	uint32_t name = digest_table_find(&s->names, &wanted->digest);
	if (name == NONE)
		return NONE;
	const struct name *n = &s->by_name[name];
	if (is_past(n, time_ns)) {
		drop_name(s, name);
		return NONE;
	}
	uint32_t session = n->session;
	bool repeats = n->message.low == message->low && n->message.high == message->high;
	if (wanted->use & NAME_BEGIN && !repeats) {
		// At once, also where what begins is nobody's: its answer would find the session of another.
		lose_name(s, name);
		return NONE;
	}
	// Something that begins anew under a name that is over.
	if (s->sessions[session].ended && !signal->is_answer && !signal->ends && !repeats)
		return NONE;
	return session;
}

static void add_found(uint32_t *found, unsigned *count, uint32_t session)
{
	for (unsigned i = 0; i < *count; i++)
		if (found[i] == session)
			return;
	if (*count < SIGNAL_SESSIONS_FOUND)
		found[(*count)++] = session;
}

unsigned signal_sessions_find(struct signal_sessions *s, const struct signal *signal,
	const struct digest *message, uint64_t time_ns,
	uint32_t found[static SIGNAL_SESSIONS_FOUND])
{
	for (unsigned i = 0; i < SWEEP; i++) {
		uint32_t oldest = digest_table_oldest(&s->table);
		if (oldest == NONE || !forget_if_past(s, oldest, time_ns))
			break;
	}
	unsigned count = 0;
	for (int exchanges = 0; exchanges <= 1; exchanges++)
		for (uint32_t i = 0; i < signal->name_count; i++) {
			const struct signal_name *name = &signal->names[i];
			if (!(name->use & NAME_EXCHANGE) != !exchanges ||
				name->use & NAME_BINDINGS ||
				!(name->use & (NAME_FIND | NAME_BEGIN)))
				continue;
			uint32_t session = session_of(s, signal, name, message, time_ns);
			if (session != NONE && !forget_if_past(s, session, time_ns))
				add_found(found, &count, session);
		}
	return count;
}

static void give_up_oldest(struct signal_sessions *s)
{
	s->given_up++;
	signal_sessions_close(s, digest_table_oldest(&s->table));
}

// A number that no other session of any probe has, as far as chance goes (design: "Correlation id").
static uint64_t random_correlation(struct signal_sessions *s)
{
	uint64_t serial = ++s->serial;
	uint64_t correlation = siphash(&s->key, bytes_of(&serial, sizeof serial));
	return correlation ? correlation : 1;
}

uint32_t signal_sessions_open(struct signal_sessions *s, uint64_t time_ns)
{
	if (s->table.count == s->table.capacity)
		give_up_oldest(s);
	uint64_t correlation = random_correlation(s);
	const struct digest serial = {.low = s->serial, .high = correlation};
	uint32_t i = digest_table_add(&s->table, &serial);
	s->sessions[i] = (struct session){
		.last_ns = time_ns, .correlation = correlation, .names = NONE, .tasks = NONE};
	return i;
}

uint64_t signal_sessions_correlation(struct signal_sessions *s, const struct signal *signal)
{
	return signal->correlation ? signal->correlation : random_correlation(s);
}

// --- what messages do to a session -----------------------------------------------------------------------------

static void keep_name(struct signal_sessions *s, uint32_t i, const struct signal_name *kept,
	const struct digest *message, uint64_t time_ns)
{
	struct session *session = &s->sessions[i];
	uint32_t name = digest_table_find(&s->names, &kept->digest);
	if (name != NONE && s->by_name[name].session != i) {
		lose_name(s, name);
		name = NONE;
	}
	if (name == NONE) {
		if (session->name_count == SIGNAL_SESSION_NAMES)
			drop_name(s, spare_name(s, session));
		// The session at hand is the newest, and there is room for the names of one.
		while (s->names.count == s->names.capacity)
			give_up_oldest(s);
		name = digest_table_add(&s->names, &kept->digest);
		s->by_name[name] = (struct name){.session = i, .next = session->names};
		session->names = name;
		session->name_count++;
	}
	struct name *n = &s->by_name[name];
	n->time_ns = time_ns;
	n->message = *message;
	n->use = kept->use;
	session->lasts |= !(kept->use & NAME_EXCHANGE);
}

// All names of the exchange that a request has begun with this message.
static void drop_exchange(struct signal_sessions *s, uint32_t session, struct digest message)
{
	for (uint32_t name = s->sessions[session].names, next; name != NONE; name = next) {
		const struct name *n = &s->by_name[name];
		next = n->next;
		if (n->use & NAME_EXCHANGE && n->message.low == message.low &&
			n->message.high == message.high)
			drop_name(s, name);
	}
}

// An answer is the end of its exchange: the next request under this name is another, whether it is seen or not.
static void drop_answered(struct signal_sessions *s, uint32_t session, const struct signal *signal)
{
	for (uint32_t i = 0; i < signal->name_count; i++) {
		if (signal->names[i].use != (NAME_FIND | NAME_EXCHANGE))
			continue;
		uint32_t name = digest_table_find(&s->names, &signal->names[i].digest);
		if (name != NONE && s->by_name[name].session == session)
			drop_exchange(s, session, s->by_name[name].message);
	}
}

uint64_t signal_session_take(struct signal_sessions *s, uint32_t i, const struct signal *signal,
	const struct digest *message, uint64_t time_ns)
{
	struct session *session = &s->sessions[i];
	digest_table_touch(&s->table, i);
	session->last_ns = time_ns;
	// The first that names the session stays: others may name its NAS in another way.
	if (signal->correlation && !session->is_named) {
		session->correlation = signal->correlation;
		session->is_named = true;
	}
	session->ended = (session->ended && (signal->is_answer || signal->ends)) || signal->ends;
	for (uint32_t n = 0; n < signal->name_count; n++)
		if ((signal->names[n].use & (NAME_KEEP | NAME_BINDINGS)) == NAME_KEEP)
			keep_name(s, i, &signal->names[n], message, time_ns);
	if (signal->is_answer)
		drop_answered(s, i, signal);
	return session->correlation;
}

// --- tasks -----------------------------------------------------------------------------------------------------

uint32_t *signal_session_tasks(struct signal_sessions *s, uint32_t session)
{
	return &s->sessions[session].tasks;
}

struct signal_session_task *signal_session_task(struct signal_sessions *s, uint32_t link)
{
	return &s->tasks[link];
}

void signal_session_drop_task(struct signal_sessions *s, uint32_t *link)
{
	uint32_t i = *link;
	*link = s->tasks[i].next;
	s->tasks[i] = (struct signal_session_task){.next = s->free_task};
	s->free_task = i;
}

bool signal_session_add_task(
	struct signal_sessions *s, uint32_t session, const struct signal_session_task *task)
{
	while (s->free_task == NONE) {
		if (digest_table_oldest(&s->table) == session)
			return false;
		give_up_oldest(s);
	}
	uint32_t i = s->free_task;
	s->free_task = s->tasks[i].next;
	s->tasks[i] = *task;
	s->tasks[i].next = s->sessions[session].tasks;
	s->sessions[session].tasks = i;
	return true;
}
