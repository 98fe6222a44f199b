#include "sip_sessions.h"

#include <errno.h>
#include <stdlib.h>

enum {
	MAX_TRANSACTIONS = 8, // of one session, remembered at once
	MAX_DIALOGS = 6,
	SWEEP = 2,                  // old sessions looked at for each message
	DEFAULT_SUBSCRIPTION = 3600 // seconds, where no message says how long
};

static const uint64_t SECOND_NS = 1000000000;
static const uint64_t NEVER_NS = UINT64_MAX;
static const uint32_t NONE = SIP_SESSION_NONE;

enum state {
	STATE_FREE,
	STATE_OPEN,
	STATE_OVER,
	STATE_REFUSED, // a transaction that is over, but whose request may come again with a higher CSeq
};

struct transaction {
	uint64_t time_ns; // open: when it ends by itself; over: when it ended
	uint32_t cseq, from_tag, branch;
	uint8_t method; // enum sip_method
	uint8_t state;
};

enum usage { USAGE_INVITE, USAGE_SUBSCRIPTION };

// A dialog, by one use of it (RFC 5057). One that is over is remembered, lest a late 200 bring it back.
struct dialog {
	uint64_t time_ns; // as in struct transaction
	uint64_t tags;    // both, whoever of the two sent the message
	uint8_t usage;
	uint8_t state;
};

struct session {
	uint64_t last_ns;  // of its latest message
	uint64_t ended_ns; // meaningful while nothing is open
	uint32_t tasks;
	bool overflowed; // something open did not fit, perhaps it still is open
	struct transaction transactions[MAX_TRANSACTIONS];
	struct dialog dialogs[MAX_DIALOGS];
};

struct sip_sessions {
	struct digest_table table;
	struct session *sessions; // by entry of `table`
	struct sip_session_task *tasks;
	uint32_t free_task;
	uint64_t idle_ns;
	uint64_t given_up;
};

// --- the table ---------------------------------------------------------------------------------------------

struct sip_sessions *sip_sessions_new(uint32_t max_sessions, uint32_t max_tasks, uint64_t idle_ns)
{
	int rc = -ENOMEM;
	struct sip_sessions *s = malloc(sizeof *s);
	if (!s)
		goto fail;
	*s = (struct sip_sessions){.idle_ns = idle_ns, .free_task = 0};
	rc = max_tasks == 0 ? -EINVAL : digest_table_init(&s->table, max_sessions);
	if (rc < 0)
		goto free_sessions;
	s->sessions = calloc(max_sessions, sizeof *s->sessions);
	s->tasks = calloc(max_tasks, sizeof *s->tasks);
	if (!s->sessions || !s->tasks) {
		sip_sessions_free(s);
		errno = ENOMEM;
		return NULL;
	}
	memset(s->sessions, 0, max_sessions * sizeof *s->sessions); // fault the pages in now
	for (uint32_t i = 0; i < max_tasks; i++)
		s->tasks[i].next = i + 1 < max_tasks ? i + 1 : NONE;
	return s;

free_sessions:
	free(s);
fail:
	errno = -rc;
	return NULL;
}

void sip_sessions_free(struct sip_sessions *s)
{
	if (!s)
		return;
	digest_table_fini(&s->table);
	free(s->sessions);
	free(s->tasks);
	free(s);
}

uint64_t sip_sessions_given_up(const struct sip_sessions *s)
{
	return s->given_up;
}

uint32_t sip_sessions_count(const struct sip_sessions *s)
{
	return s->table.count;
}

// Frame time may jump back: nothing is older than nothing.
static uint64_t age(uint64_t since_ns, uint64_t time_ns)
{
	return time_ns > since_ns ? time_ns - since_ns : 0;
}

static uint64_t after(uint64_t time_ns, uint64_t span_ns)
{
	return time_ns > NEVER_NS - span_ns ? NEVER_NS : time_ns + span_ns;
}

static bool still_open(struct session *session, uint8_t *state, uint64_t ends_ns, uint64_t time_ns)
{
	if (*state != STATE_OPEN)
		return false;
	if (ends_ns == NEVER_NS || ends_ns > time_ns)
		return true;
	*state = STATE_OVER;
	if (session->ended_ns < ends_ns)
		session->ended_ns = ends_ns;
	return false;
}

// What did not fit lasts as long as the rest, and until nothing has come for a while.
static bool overflow_goes_on(struct session *session, uint64_t time_ns)
{
	if (!session->overflowed || age(session->last_ns, time_ns) <= SIP_LINGER_NS)
		return session->overflowed;
	session->overflowed = false;
	session->ended_ns = after(session->last_ns, SIP_LINGER_NS);
	return false;
}

// Whether anything is open. Closes what has ended by itself.
static bool goes_on(struct session *session, uint64_t time_ns)
{
	bool open = false;
	for (size_t i = 0; i < MAX_TRANSACTIONS; i++) {
		struct transaction *t = &session->transactions[i];
		open |= still_open(session, &t->state, t->time_ns, time_ns);
	}
	for (size_t i = 0; i < MAX_DIALOGS; i++) {
		struct dialog *d = &session->dialogs[i];
		open |= still_open(session, &d->state, d->time_ns, time_ns);
	}
	return open || overflow_goes_on(session, time_ns);
}

void sip_sessions_close(struct sip_sessions *s, uint32_t session)
{
	sip_session_drop_all_tasks(s, session);
	digest_table_remove(&s->table, session);
}

// Forgets a session whose time is over.
static bool forget_if_past(struct sip_sessions *s, uint32_t i, uint64_t time_ns)
{
	struct session *session = &s->sessions[i];
	if (!goes_on(session, time_ns)) {
		if (age(session->ended_ns, time_ns) <= SIP_LINGER_NS)
			return false;
	} else {
		if (age(session->last_ns, time_ns) <= s->idle_ns)
			return false;
		s->given_up++;
	}
	sip_sessions_close(s, i);
	return true;
}

uint32_t sip_sessions_find(struct sip_sessions *s, const struct digest *call_id, uint64_t time_ns)
{
	for (unsigned i = 0; i < SWEEP; i++) {
		uint32_t oldest = digest_table_oldest(&s->table);
		if (oldest == NONE || !forget_if_past(s, oldest, time_ns))
			break;
	}
	uint32_t i = digest_table_find(&s->table, call_id);
	return i != NONE && !forget_if_past(s, i, time_ns) ? i : NONE;
}

static void give_up_oldest(struct sip_sessions *s)
{
	s->given_up++;
	sip_sessions_close(s, digest_table_oldest(&s->table));
}

uint32_t sip_sessions_open(struct sip_sessions *s, const struct digest *call_id, uint64_t time_ns)
{
	if (s->table.count == s->table.capacity)
		give_up_oldest(s);
	uint32_t i = digest_table_add(&s->table, call_id);
	s->sessions[i] = (struct session){.last_ns = time_ns, .ended_ns = time_ns, .tasks = NONE};
	return i;
}

// --- what messages do to a session ---------------------------------------------------------------------------

static uint8_t transaction_method(const struct sip_step *step)
{
	return (uint8_t)(step->method == SIP_ACK ? SIP_INVITE : step->method);
}

// Whether the step is of the same request, on whatever hop.
static bool is_of_request(const struct transaction *t, const struct sip_step *step, uint8_t method)
{
	return t->state != STATE_FREE && t->cseq == step->cseq && t->method == method &&
	       t->from_tag == step->from_tag;
}

static bool repeats_refused(const struct transaction *t, const struct sip_step *step)
{
	return t->state == STATE_REFUSED && step->from_tag && !step->is_response &&
	       t->method == step->method && t->from_tag == step->from_tag && step->cseq > t->cseq;
}

// Whether one of the message's tags is `tag`. The caller's tag stands in every message of all dialogs of a fork.
static bool bears_tag(const struct sip_step *step, uint32_t tag)
{
	return tag && (step->from_tag == tag || step->to_tag == tag);
}

// Whether the message bears a tag of what is open, or, where not all that is open is known, of anything.
static bool is_between_parties(
	const struct session *session, const struct sip_step *step, bool open)
{
	for (size_t i = 0; i < MAX_TRANSACTIONS; i++) {
		const struct transaction *t = &session->transactions[i];
		if (open ? t->state == STATE_OPEN : t->state != STATE_FREE)
			if (bears_tag(step, t->from_tag))
				return true;
	}
	for (size_t i = 0; i < MAX_DIALOGS; i++) {
		const struct dialog *d = &session->dialogs[i];
		if (open ? d->state == STATE_OPEN : d->state != STATE_FREE)
			if (bears_tag(step, (uint32_t)d->tags) ||
				bears_tag(step, (uint32_t)(d->tags >> 32)))
				return true;
	}
	return false;
}

// Without a tag (RFC 2543) only the branch tells whose request it is.
static bool repeats(const struct transaction *t, const struct sip_step *step, uint8_t method)
{
	return is_of_request(t, step, method) && (step->from_tag || t->branch == step->branch);
}

bool sip_session_includes(
	struct sip_sessions *s, uint32_t session, const struct sip_step *step, uint64_t time_ns)
{
	struct session *of = &s->sessions[session];
	if (goes_on(of, time_ns) && is_between_parties(of, step, !of->overflowed))
		return true;
	for (size_t i = 0; i < MAX_TRANSACTIONS; i++) {
		const struct transaction *t = &of->transactions[i];
		if (repeats(t, step, transaction_method(step)) || repeats_refused(t, step))
			return true;
		if (step->method == SIP_CANCEL && repeats(t, step, SIP_INVITE))
			return true;
	}
	return false;
}

enum sip_session_use sip_session_use(
	struct sip_sessions *s, uint32_t session, const struct sip_step *step, uint64_t time_ns)
{
	struct session *of = &s->sessions[session];
	if (goes_on(of, time_ns))
		return SIP_SESSION_BUSY;
	return is_between_parties(of, step, false) ? SIP_SESSION_SAME_PARTIES : SIP_SESSION_OVER;
}

static struct transaction *transaction_find(
	struct session *session, const struct sip_step *step, uint8_t method)
{
	for (size_t i = 0; i < MAX_TRANSACTIONS; i++) {
		struct transaction *t = &session->transactions[i];
		if (is_of_request(t, step, method) && t->branch == step->branch)
			return t;
	}
	return NULL;
}

// A free place, or that of what ended first; NULL when all is open.
static struct transaction *transaction_place(struct session *session)
{
	struct transaction *best = NULL;
	for (size_t i = 0; i < MAX_TRANSACTIONS; i++) {
		struct transaction *t = &session->transactions[i];
		if (t->state == STATE_FREE)
			return t;
		if (t->state != STATE_OPEN && (!best || t->time_ns < best->time_ns))
			best = t;
	}
	return best;
}

// Whether the step's request is open on another hop, whose end tells enough.
static bool is_open_elsewhere(const struct session *session, const struct sip_step *step)
{
	for (size_t i = 0; i < MAX_TRANSACTIONS; i++) {
		const struct transaction *t = &session->transactions[i];
		if (t->state == STATE_OPEN && is_of_request(t, step, (uint8_t)step->method))
			return true;
	}
	return false;
}

// The step's transaction, opened if it is new; NULL when there is no place for it.
static struct transaction *transaction_of(
	struct session *session, const struct sip_step *step, uint64_t time_ns)
{
	struct transaction *t = transaction_find(session, step, (uint8_t)step->method);
	if (t)
		return t;
	t = transaction_place(session);
	if (!t) {
		session->overflowed |= !is_open_elsewhere(session, step);
		return NULL;
	}
	*t = (struct transaction){
		.time_ns = step->method == SIP_INVITE ? NEVER_NS : after(time_ns, SIP_LINGER_NS),
		.cseq = step->cseq,
		.from_tag = step->from_tag,
		.branch = step->branch,
		.method = (uint8_t)step->method,
		.state = STATE_OPEN,
	};
	return t;
}

static uint64_t tags_of(const struct sip_step *step)
{
	uint64_t a = step->from_tag, b = step->to_tag;
	return a < b ? a << 32 | b : b << 32 | a;
}

static struct dialog *dialog_find(
	struct session *session, const struct sip_step *step, enum usage usage)
{
	for (size_t i = 0; i < MAX_DIALOGS; i++) {
		struct dialog *d = &session->dialogs[i];
		if (d->state != STATE_FREE && d->usage == usage && d->tags == tags_of(step))
			return d;
	}
	return NULL;
}

static struct dialog *dialog_place(struct session *session)
{
	struct dialog *best = NULL;
	for (size_t i = 0; i < MAX_DIALOGS; i++) {
		struct dialog *d = &session->dialogs[i];
		if (d->state == STATE_FREE)
			return d;
		if (d->state == STATE_OVER && (!best || d->time_ns < best->time_ns))
			best = d;
	}
	return best;
}

// A new dialog, or a new term for one that is still open.
static void dialog_open(
	struct session *session, const struct sip_step *step, enum usage usage, uint64_t ends_ns)
{
	struct dialog *d = dialog_find(session, step, usage);
	if (d) {
		if (d->state == STATE_OPEN && usage == USAGE_SUBSCRIPTION)
			d->time_ns = ends_ns;
		return;
	}
	d = dialog_place(session);
	if (d)
		*d = (struct dialog){ends_ns, tags_of(step), (uint8_t)usage, STATE_OPEN};
	else
		session->overflowed = true;
}

static void dialog_end(
	struct session *session, const struct sip_step *step, enum usage usage, uint64_t time_ns)
{
	struct dialog *d = dialog_find(session, step, usage);
	if (!d) {
		d = dialog_place(session);
		if (!d)
			return;
		d->tags = tags_of(step);
		d->usage = (uint8_t)usage;
	}
	d->state = STATE_OVER;
	d->time_ns = session->ended_ns = time_ns;
}

static bool has_open_dialog(const struct session *session, enum usage usage)
{
	for (size_t i = 0; i < MAX_DIALOGS; i++)
		if (session->dialogs[i].state == STATE_OPEN && session->dialogs[i].usage == usage)
			return true;
	return false;
}

// An INVITE transaction that nobody answers any more must not keep the session.
static void limit_transaction(struct transaction *t, uint64_t ends_ns)
{
	if (t->state == STATE_OPEN && t->time_ns > ends_ns)
		t->time_ns = ends_ns;
}

static uint64_t subscription_end(const struct sip_step *step, uint64_t time_ns)
{
	uint64_t seconds = step->has_expires ? step->expires_s : DEFAULT_SUBSCRIPTION;
	return after(time_ns, seconds * SECOND_NS + SIP_LINGER_NS);
}

static bool is_new(const struct session *session)
{
	return session->transactions[0].state == STATE_FREE &&
	       session->dialogs[0].state == STATE_FREE;
}

// Whether the request is sent within a call that was there before we knew of it.
static bool shows_dialog(const struct sip_step *step)
{
	return step->from_tag && step->to_tag &&
	       (step->method == SIP_INVITE || step->method == SIP_INFO ||
		       step->method == SIP_UPDATE);
}

static void take_request(struct session *session, const struct sip_step *step, uint64_t time_ns)
{
	if (step->method == SIP_ACK)
		return;
	if (is_new(session) && shows_dialog(step))
		dialog_open(session, step, USAGE_INVITE, NEVER_NS);
	transaction_of(session, step, time_ns);
	if (step->method == SIP_CANCEL) {
		// No 487 after 64 * T1: the client stops waiting (RFC 3261 section 9.1).
		struct transaction *invite = transaction_find(session, step, SIP_INVITE);
		if (invite)
			limit_transaction(invite, after(time_ns, SIP_LINGER_NS));
	} else if (step->method == SIP_BYE) {
		// Whether it is answered or not (RFC 3261 section 15.1.1).
		struct dialog *d = dialog_find(session, step, USAGE_INVITE);
		if (d && d->state == STATE_OPEN && d->time_ns == NEVER_NS)
			d->time_ns = after(time_ns, SIP_LINGER_NS);
	} else if (step->method == SIP_NOTIFY) {
		if (step->subscription_ends)
			dialog_end(session, step, USAGE_SUBSCRIPTION, time_ns);
		else
			dialog_open(
				session, step, USAGE_SUBSCRIPTION, subscription_end(step, time_ns));
	}
}

// Answers after which the same request comes again with a higher CSeq (RFC 3261 sections 8.1.3.4 and 8.1.3.5, RFC 4028,
// RFC 3329).
static bool is_refused_for_now(uint16_t status)
{
	switch (status) {
	case 401:
	case 407:
	case 413:
	case 415:
	case 416:
	case 420:
	case 421:
	case 422:
	case 423:
	case 494:
		return true;
	default:
		return status >= 300 && status < 400;
	}
}

static void bye_is_answered(struct session *session, const struct sip_step *step, uint64_t time_ns)
{
	struct dialog *d = dialog_find(session, step, USAGE_INVITE);
	if (is_refused_for_now(step->status)) {
		if (d && d->state == STATE_OPEN)
			d->time_ns = NEVER_NS;
		return;
	}
	bool was_open = has_open_dialog(session, USAGE_INVITE);
	dialog_end(session, step, USAGE_INVITE, time_ns);
	if (was_open && !has_open_dialog(session, USAGE_INVITE))
		for (size_t i = 0; i < MAX_TRANSACTIONS; i++)
			limit_transaction(&session->transactions[i], after(time_ns, SIP_LINGER_NS));
}

static void take_final_response(
	struct session *session, const struct sip_step *step, uint64_t time_ns)
{
	bool success = step->status >= 200 && step->status < 300;
	switch (step->method) {
	case SIP_INVITE:
		if (success)
			dialog_open(session, step, USAGE_INVITE, NEVER_NS);
		break;
	case SIP_BYE:
		bye_is_answered(session, step, time_ns);
		break;
	case SIP_SUBSCRIBE:
	case SIP_REFER:
		if (success)
			dialog_open(
				session, step, USAGE_SUBSCRIPTION, subscription_end(step, time_ns));
		[[fallthrough]]; // any of the three may learn that there is no such dialog
	case SIP_NOTIFY:
		if (step->status == 481)
			dialog_end(session, step, USAGE_SUBSCRIPTION, time_ns);
		break;
	default:
		break;
	}
}

static void take_response(struct session *session, const struct sip_step *step, uint64_t time_ns)
{
	struct transaction *t = transaction_of(session, step, time_ns);
	if (step->status < 200)
		return;
	if (t && t->state == STATE_OPEN) {
		t->state = is_refused_for_now(step->status) ? STATE_REFUSED : STATE_OVER;
		t->time_ns = session->ended_ns = time_ns;
	}
	take_final_response(session, step, time_ns);
}

void sip_session_take(
	struct sip_sessions *s, uint32_t session, const struct sip_step *step, uint64_t time_ns)
{
	struct session *of = &s->sessions[session];
	goes_on(of, time_ns); // makes places free
	of->last_ns = time_ns;
	digest_table_touch(&s->table, session);
	if (step->is_response)
		take_response(of, step, time_ns);
	else
		take_request(of, step, time_ns);
}

// --- tasks ---------------------------------------------------------------------------------------------------

uint32_t *sip_session_tasks(struct sip_sessions *s, uint32_t session)
{
	return &s->sessions[session].tasks;
}

struct sip_session_task *sip_session_task(struct sip_sessions *s, uint32_t link)
{
	return &s->tasks[link];
}

void sip_session_drop_task(struct sip_sessions *s, uint32_t *link)
{
	uint32_t dropped = *link;
	*link = s->tasks[dropped].next;
	s->tasks[dropped].next = s->free_task;
	s->free_task = dropped;
}

void sip_session_drop_all_tasks(struct sip_sessions *s, uint32_t session)
{
	uint32_t *tasks = sip_session_tasks(s, session);
	while (*tasks != NONE)
		sip_session_drop_task(s, tasks);
}

bool sip_session_add_task(
	struct sip_sessions *s, uint32_t session, const struct sip_session_task *task)
{
	while (s->free_task == NONE && digest_table_oldest(&s->table) != session)
		give_up_oldest(s);
	uint32_t i = s->free_task;
	if (i == NONE)
		return false;
	s->free_task = s->tasks[i].next;
	s->tasks[i] = *task;
	s->tasks[i].next = s->sessions[session].tasks;
	s->sessions[session].tasks = i;
	return true;
}

// --- from messages to steps ------------------------------------------------------------------------------------

static uint32_t name_hash(const struct hash_key *key, struct bytes name)
{
	if (name.len == 0)
		return 0;
	uint32_t hash = (uint32_t)siphash(key, name);
	return hash ? hash : 1;
}

static uint32_t tag_hash(const struct hash_key *key, struct bytes value)
{
	struct sip_name_addr address;
	struct bytes tag;
	if (!sip_name_addr_parse(value, &address) ||
		!sip_parameter(address.parameters, "tag", &tag))
		return 0;
	return name_hash(key, tag);
}

// What follows the first ';'.
static struct bytes parameters_of(struct bytes value)
{
	const uint8_t *semicolon = value.len ? memchr(value.at, ';', value.len) : NULL;
	if (!semicolon)
		return (struct bytes){NULL, 0};
	return bytes_slice(value, (size_t)(semicolon - value.at), value.len);
}

static uint32_t branch_hash(const struct hash_key *key, const struct sip_message *message)
{
	const struct sip_header *via = sip_header(message, SIP_VIA, 0);
	if (!via)
		return 0;
	struct bytes rest = via->value, top, branch;
	if (!sip_value_next(&rest, &top) || !sip_parameter(parameters_of(top), "branch", &branch))
		return 0;
	return name_hash(key, branch);
}

// Digits, at most 2^32-1 whatever follows.
static bool read_seconds(struct bytes text, uint32_t *out)
{
	uint64_t seconds = 0;
	size_t i = 0;
	for (; i < text.len && ascii_is_digit(text.at[i]); i++)
		if (seconds <= UINT32_MAX)
			seconds = seconds * 10 + (uint64_t)(text.at[i] - '0');
	*out = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
	return i > 0;
}

static void read_subscription(const struct sip_message *message, struct sip_step *step)
{
	const struct sip_header *expires = sip_header(message, SIP_EXPIRES, 0);
	if (expires)
		step->has_expires = read_seconds(expires->value, &step->expires_s);
	const struct sip_header *state = sip_header(message, SIP_SUBSCRIPTION_STATE, 0);
	if (!state)
		return;
	struct bytes parameters = parameters_of(state->value), value;
	struct bytes token = bytes_slice(state->value, 0, state->value.len - parameters.len);
	while (token.len && (token.at[token.len - 1] == ' ' || token.at[token.len - 1] == '\t'))
		token.len--;
	step->subscription_ends = bytes_equal_nocase(token, bytes_of_text("terminated"));
	if (sip_parameter(parameters, "expires", &value))
		step->has_expires = read_seconds(value, &step->expires_s);
}

struct sip_step sip_step_of(const struct hash_key *key, const struct sip_message *message)
{
	struct sip_step step = {
		.call_id = siphash128(key, message->call_id),
		.is_response = message->is_response,
		.status = message->status,
		.method = message->method,
		.cseq = message->cseq,
		.from_tag = tag_hash(key, message->from),
		.to_tag = tag_hash(key, message->to),
		.branch = branch_hash(key, message),
	};
	if (step.method == SIP_SUBSCRIBE || step.method == SIP_NOTIFY)
		read_subscription(message, &step);
	return step;
}
