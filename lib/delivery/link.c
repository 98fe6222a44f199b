#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "socket.h"

enum {
	CONNECT_TIMEOUT_MS = 10000,
	HANDSHAKE_TIMEOUT_MS = 10000,
	UNASKED_PROOF_MS = 1000, // keepalive off: no refusal for so long is as good as a word
	GOODBYE_MS = 2000,       // for the MF's close_notify after ours

	EARLY_AFTER_MS = 40,
	EARLY_OCTETS = 1 << 20,
	EARLY_UNANSWERED = 4,

	WRITES_A_POLL = 64, // then other destinations have their turn
	READS_A_POLL = 16,
	LONGEST_WAIT_MS = 1000,
};

static void enter(struct link *l, enum delivery_state state, uint64_t now_ms)
{
	l->state = state;
	l->since_ms = now_ms;
}

// ---- connecting

int link_open(struct link *l, const struct link_ground *ground,
	const struct delivery_endpoint *endpoint, uint64_t now_ms, struct error *error)
{
	int fd = socket_open(endpoint, ground->hooks, ground->random, error);
	if (fd < 0)
		return fd;
	struct tls_peer peer = {.name = endpoint->tls_name, .has_pin = endpoint->has_pin};
	memcpy(peer.pin, endpoint->pin, sizeof peer.pin);
	struct tls_connection *tls = tls_connect(ground->context, fd, &peer, error);
	if (!tls)
		return -EINVAL;
	*l = (struct link){
		.tls = tls,
		.outbox = ground->outbox,
		.endpoint = *endpoint,
		.generation = ground->generation,
		.opened_ms = now_ms,
	};
	snprintf(l->name, sizeof l->name, "%s", endpoint->tls_name);
	l->endpoint.tls_name = l->name;
	enter(l, DELIVERY_CONNECTING, now_ms);
	return 0;
}

void link_adjust(struct link *l, const struct delivery_endpoint *endpoint)
{
	l->endpoint.keepalive_interval_ms = endpoint->keepalive_interval_ms;
	l->endpoint.keepalive_timeout_ms = endpoint->keepalive_timeout_ms;
	l->endpoint.max_write = endpoint->max_write;
}

void link_carry(struct link *l)
{
	l->carries = true;
	l->marked = outbox_position(l->outbox);
}

void link_yield(struct link *l)
{
	l->carries = false;
}

static enum link_result finish_connect(struct link *l, uint64_t now_ms, struct error *error)
{
	struct pollfd ready = {.fd = tls_connection_fd(l->tls), .events = POLLOUT};
	int code = 0;
	socklen_t len = sizeof code;
	if (poll(&ready, 1, 0) <= 0) {
		if (now_ms - l->since_ms < CONNECT_TIMEOUT_MS)
			return LINK_OPEN;
		error_set(error, -ETIMEDOUT, "cannot connect: no answer within %d s",
			CONNECT_TIMEOUT_MS / 1000);
		return LINK_FAILED;
	}
	if (getsockopt(ready.fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		code = errno;
	if (code != 0) {
		error_set(error, -code, "cannot connect: %s", strerror(code));
		return LINK_FAILED;
	}
	enter(l, DELIVERY_HANDSHAKE, now_ms);
	return LINK_OPEN;
}

static enum link_result do_handshake(struct link *l, uint64_t now_ms, struct error *error)
{
	enum tls_status status = tls_handshake(l->tls, error);
	l->wants_output = status == TLS_WANT_WRITE;
	switch (status) {
	case TLS_DONE:
		enter(l, DELIVERY_PROVING, now_ms);
		return LINK_OPEN;
	case TLS_FAILED:
		return LINK_FAILED;
	case TLS_CLOSED:
		error_set(error, -ECONNRESET, "the MF closed during the TLS handshake");
		return LINK_FAILED;
	default:
		break;
	}
	if (now_ms - l->since_ms < HANDSHAKE_TIMEOUT_MS)
		return LINK_OPEN;
	error_set(error, -ETIMEDOUT, "the TLS handshake did not end within %d s",
		HANDSHAKE_TIMEOUT_MS / 1000);
	return LINK_FAILED;
}

// ---- what the MF says

// Takes the answer to `number`: the answers to all keepalives before it are no longer needed.
static void take_answer(struct link *l, const struct x2_reply *reply, uint64_t now_ms)
{
	struct delivery_counters *counters = &l->outbox->counters;
	for (unsigned i = 0; reply->has_sequence && i < l->unanswered_count; i++) {
		if (l->unanswered[i].number != reply->sequence)
			continue;
		if (l->carries)
			outbox_confirm(l->outbox, l->unanswered[i].position);
		l->unanswered_count -= i + 1;
		memmove(l->unanswered, l->unanswered + i + 1,
			l->unanswered_count * sizeof *l->unanswered);
		l->answered_ms = now_ms;
		counters->keepalives_answered++;
		return;
	}
	counters->answers_refused++;
}

static void take_reply(struct link *l, const struct x2_reply *reply, uint64_t now_ms)
{
	if (reply->type == X2_PDU_KEEPALIVE_ACK) {
		take_answer(l, reply, now_ms);
		return;
	}
	l->outbox->counters.keepalives_of_peer++;
	if (reply->has_sequence) // without a number there is nothing to answer with (clause 6.2.4)
		l->owed[l->owed_count++] = reply->sequence;
}

static bool take_input(struct link *l, uint64_t now_ms, struct error *error)
{
	struct bytes rest = bytes_of(l->input, l->input_len);
	while (rest.len > 0 && l->owed_count < LINK_MAX_OWED) {
		struct x2_reply reply;
		size_t consumed = 0;
		enum parse_result result = x2_reply_parse(rest, &reply, &consumed);
		if (result == PARSE_TRUNCATED)
			break;
		if (result != PARSE_OK) {
			error_set(error, -EPROTO,
				"the MF sent something that is neither a keepalive nor an answer to one");
			return false;
		}
		take_reply(l, &reply, now_ms);
		rest = bytes_slice(rest, consumed, rest.len);
	}
	memmove(l->input, rest.at, rest.len);
	l->input_len = rest.len;
	return true;
}

static enum link_result closed_by_peer(struct link *l, struct error *error)
{
	if (l->proven)
		return LINK_ENDED;
	error_set(
		error, -ECONNRESET, "the MF closed the connection before it answered: see its log");
	return LINK_FAILED;
}

// What a read or write that moved nothing means.
static enum link_result pause_or_end(struct link *l, enum tls_status status, struct error *error)
{
	if (status == TLS_CLOSED)
		return closed_by_peer(l, error);
	if (status == TLS_FAILED)
		return LINK_FAILED;
	l->wants_output = l->wants_output || status == TLS_WANT_WRITE;
	return LINK_OPEN;
}

static enum link_result read_replies(struct link *l, uint64_t now_ms, struct error *error)
{
	for (unsigned i = 0; i < READS_A_POLL; i++) {
		size_t count = 0;
		if (!take_input(l, now_ms, error)) // also what had to wait for room in `owed`
			return LINK_FAILED;
		if (l->owed_count == LINK_MAX_OWED)
			return LINK_OPEN;
		enum tls_status status = tls_read(l->tls, l->input + l->input_len,
			sizeof l->input - l->input_len, &count, error);
		if (status != TLS_DONE)
			return pause_or_end(l, status, error);
		l->input_len += count;
	}
	l->more_to_do = true;
	return take_input(l, now_ms, error) ? LINK_OPEN : LINK_FAILED;
}

// ---- what we say

static bool may_write_pdus(const struct link *l)
{
	return l->carries && l->state == DELIVERY_UP && (!l->ending || l->write_rest);
}

static bool is_all_written(const struct link *l)
{
	const struct outbox *o = l->outbox; // what waits for orders to be known is not waited for
	return !may_write_pdus(l) || outbox_all_written(o) || (o->gate_waits && !outbox_waits(o));
}

static uint64_t unmarked_octets(const struct link *l)
{
	if (!l->carries)
		return 0;
	uint64_t position = outbox_position(l->outbox);
	return position > l->marked ? position - l->marked : 0;
}

static bool is_early_keepalive_due(const struct link *l, uint64_t now_ms)
{
	uint64_t octets = unmarked_octets(l);
	if (octets == 0 || l->unanswered_count >= EARLY_UNANSWERED)
		return false;
	if (l->ending && is_all_written(l))
		return true;
	return octets >= EARLY_OCTETS || octets >= l->outbox->queue.size / 4 ||
	       now_ms - l->unmarked_since_ms >= EARLY_AFTER_MS;
}

static bool is_asked_keepalive_due(const struct link *l)
{
	return l->asked && l->asked_number == l->next_number;
}

static bool is_keepalive_due(const struct link *l, uint64_t now_ms)
{
	if (!l->endpoint.keepalive || l->unanswered_count == LINK_MAX_UNANSWERED)
		return false;
	return l->next_number == 0 || is_asked_keepalive_due(l) ||
	       now_ms - l->sent_ms >= l->endpoint.keepalive_interval_ms ||
	       is_early_keepalive_due(l, now_ms);
}

static void prepare_keepalive(struct link *l, uint64_t now_ms)
{
	struct writer w = writer_of(l->control, sizeof l->control);
	if (l->next_number == 0)
		l->answered_ms = now_ms; // from here on silence counts
	if (l->carries)
		l->marked = outbox_position(l->outbox);
	l->unanswered[l->unanswered_count++] = (struct link_mark){l->next_number, l->marked};
	l->sent_ms = now_ms;
	x2_keepalive_write(&w, l->endpoint.version, l->next_number++);
}

static void prepare_answer(struct link *l)
{
	struct writer w = writer_of(l->control, sizeof l->control);
	x2_keepalive_ack_write(&w, l->endpoint.version, l->owed[0]);
	memmove(l->owed, l->owed + 1, --l->owed_count * sizeof *l->owed);
}

// What to write next, or to go on with.
static struct bytes choose(struct link *l, uint64_t now_ms)
{
	if (l->writing == WRITING_NOTHING)
		l->writing_since_ms = now_ms;
	if (l->writing == WRITING_NOTHING && l->owed_count > 0) {
		prepare_answer(l);
		l->writing = WRITING_ANSWER;
	}
	if (l->writing == WRITING_NOTHING && is_keepalive_due(l, now_ms)) {
		prepare_keepalive(l, now_ms);
		l->writing = WRITING_KEEPALIVE;
	}
	if (l->writing == WRITING_ANSWER || l->writing == WRITING_KEEPALIVE)
		return bytes_of(l->control, sizeof l->control);
	if (l->writing == WRITING_NOTHING && !may_write_pdus(l))
		return bytes_of(NULL, 0);
	struct bytes batch = outbox_batch(l->outbox, l->endpoint.max_write);
	l->writing = batch.len > 0 ? WRITING_PDUS : WRITING_NOTHING;
	return batch;
}

static void written(struct link *l, uint64_t now_ms)
{
	if (l->writing == WRITING_PDUS) {
		if (unmarked_octets(l) == 0)
			l->unmarked_since_ms = now_ms;
		outbox_batch_written(l->outbox, l->endpoint.keepalive);
	} else if (l->writing == WRITING_KEEPALIVE) {
		l->outbox->counters.keepalives_sent++;
	}
	l->writing = WRITING_NOTHING;
}

static enum link_result write_some(struct link *l, uint64_t now_ms, struct error *error)
{
	for (unsigned i = 0; i < WRITES_A_POLL; i++) {
		struct bytes b = choose(l, now_ms);
		if (b.len == 0)
			return LINK_OPEN;
		enum tls_status status = tls_write(l->tls, b, error);
		if (status != TLS_DONE)
			return pause_or_end(l, status, error);
		written(l, now_ms);
	}
	l->more_to_do = true;
	return LINK_OPEN;
}

// ---- proof and silence

static bool is_proven(const struct link *l, uint64_t now_ms)
{
	if (l->endpoint.keepalive)
		return l->next_number > 0 && l->unanswered_count < l->next_number;
	return tls_peer_accepted_us(l->tls) || now_ms - l->since_ms >= UNASKED_PROOF_MS;
}

// No keepalive gets out behind a record that the MF does not take, so none is there to wait for an answer.
static bool is_stuck(const struct link *l)
{
	return l->endpoint.keepalive && l->unanswered_count == 0 && l->writing != WRITING_NOTHING;
}

static bool is_silent(const struct link *l, uint64_t now_ms, struct error *error)
{
	if (is_stuck(l) && now_ms - l->writing_since_ms >= l->endpoint.keepalive_timeout_ms) {
		error_set(error, -ETIMEDOUT, "the MF took nothing for %u ms: is it overloaded?",
			l->endpoint.keepalive_timeout_ms);
		return true;
	}
	if (l->unanswered_count == 0 || now_ms - l->answered_ms < l->endpoint.keepalive_timeout_ms)
		return false;
	error_set(error, -ETIMEDOUT,
		"the MF answered no keepalive for %u ms: if it never does, switch keepalive off for this destination",
		l->endpoint.keepalive_timeout_ms);
	return true;
}

bool link_ask(struct link *l)
{
	if (!l->endpoint.keepalive)
		return true;
	if (!l->asked) {
		l->asked = true;
		l->asked_number = l->next_number;
	}
	bool waits = l->unanswered_count > 0 && l->unanswered[0].number <= l->asked_number;
	return l->next_number > l->asked_number && !waits;
}

void link_forget_question(struct link *l)
{
	l->asked = false;
}

static enum link_result exchange(struct link *l, uint64_t now_ms, struct error *error)
{
	enum link_result result = read_replies(l, now_ms, error);
	if (result != LINK_OPEN)
		return result;
	if (is_silent(l, now_ms, error))
		return LINK_FAILED;
	if (l->state == DELIVERY_PROVING && is_proven(l, now_ms)) {
		l->proven = true;
		l->proven_ms = now_ms;
		enter(l, DELIVERY_UP, now_ms);
	}
	return write_some(l, now_ms, error);
}

// ---- the end

void link_end(struct link *l, bool write_rest, uint64_t now_ms, uint64_t wait_ms)
{
	l->ending = true;
	l->write_rest = write_rest;
	l->end_ms = now_ms + wait_ms;
}

static bool is_all_confirmed(const struct link *l)
{
	return !l->carries || !l->endpoint.keepalive ||
	       (unmarked_octets(l) == 0 && l->outbox->queue.oldest >= l->outbox->queue.next);
}

bool link_is_quiet(const struct link *l)
{
	return l->writing == WRITING_NOTHING && is_all_confirmed(l);
}

static bool may_say_goodbye(const struct link *l, uint64_t now_ms)
{
	if (l->writing != WRITING_NOTHING)
		return false; // half a record stands before it
	if (now_ms >= l->end_ms || l->state == DELIVERY_PROVING)
		return true;
	return is_all_written(l) && is_all_confirmed(l);
}

static enum link_result say_goodbye(struct link *l, uint64_t now_ms, struct error *error)
{
	if (!l->said_goodbye) {
		switch (tls_shutdown(l->tls, error)) {
		case TLS_FAILED:
			return LINK_FAILED;
		case TLS_WANT_WRITE:
			l->wants_output = true;
			break;
		case TLS_WANT_READ:
			break;
		default:
			l->said_goodbye = true;
		}
	}
	return now_ms - l->since_ms < GOODBYE_MS ? LINK_OPEN : LINK_ENDED;
}

static enum link_result end_well(struct link *l, uint64_t now_ms, struct error *error)
{
	if (may_say_goodbye(l, now_ms))
		enter(l, DELIVERY_CLOSING, now_ms);
	else if (now_ms >= l->end_ms + GOODBYE_MS)
		return LINK_ENDED; // not even the record under way gets out
	return l->state == DELIVERY_CLOSING ? say_goodbye(l, now_ms, error) : LINK_OPEN;
}

// Reads on, since a socket closed with unread octets would reset the connection and what is on its way.
static enum link_result close_slowly(struct link *l, uint64_t now_ms, struct error *error)
{
	enum link_result result = say_goodbye(l, now_ms, error);
	if (result != LINK_OPEN)
		return LINK_ENDED;
	l->owed_count = 0; // nothing follows close_notify
	return read_replies(l, now_ms, error) == LINK_OPEN ? LINK_OPEN : LINK_ENDED;
}

enum link_result link_poll(struct link *l, uint64_t now_ms, struct error *error)
{
	enum link_result result = LINK_OPEN;
	l->wants_output = l->more_to_do = false;
	if (l->state == DELIVERY_CLOSING)
		return close_slowly(l, now_ms, error);
	if (l->ending && (l->state == DELIVERY_CONNECTING || l->state == DELIVERY_HANDSHAKE))
		return LINK_ENDED;
	if (l->state == DELIVERY_CONNECTING)
		result = finish_connect(l, now_ms, error);
	if (result == LINK_OPEN && l->state == DELIVERY_HANDSHAKE)
		result = do_handshake(l, now_ms, error);
	if (result == LINK_OPEN && (l->state == DELIVERY_PROVING || l->state == DELIVERY_UP))
		result = exchange(l, now_ms, error);
	if (result == LINK_OPEN && l->ending)
		result = end_well(l, now_ms, error);
	return result;
}

void link_close(struct link *l)
{
	if (l->state == DELIVERY_WAITING)
		return;
	bool can_say = l->state == DELIVERY_PROVING || l->state == DELIVERY_UP;
	if (can_say && l->writing == WRITING_NOTHING)
		tls_shutdown(l->tls, NULL);
	tls_connection_free(l->tls);
	*l = (struct link){.state = DELIVERY_WAITING};
}

// ---- for the poll loop

static uint64_t earlier(uint64_t due_ms, uint64_t at_ms, uint64_t now_ms)
{
	uint64_t wait = at_ms > now_ms ? at_ms - now_ms : 0;
	return wait < due_ms ? wait : due_ms;
}

static uint64_t keepalive_due_ms(const struct link *l, uint64_t now_ms)
{
	uint64_t due = LONGEST_WAIT_MS;
	if (!l->endpoint.keepalive)
		return due;
	if (is_asked_keepalive_due(l) && l->unanswered_count < LINK_MAX_UNANSWERED)
		return 0;
	if (l->unanswered_count < LINK_MAX_UNANSWERED)
		due = earlier(due, l->sent_ms + l->endpoint.keepalive_interval_ms, now_ms);
	if (l->unanswered_count > 0)
		due = earlier(due, l->answered_ms + l->endpoint.keepalive_timeout_ms, now_ms);
	if (unmarked_octets(l) > 0 && l->unanswered_count < EARLY_UNANSWERED)
		due = earlier(due, l->unmarked_since_ms + EARLY_AFTER_MS, now_ms);
	return due;
}

uint64_t link_due_ms(const struct link *l, uint64_t now_ms)
{
	uint64_t due = LONGEST_WAIT_MS;
	if (l->more_to_do)
		return 0;
	if (l->ending)
		due = earlier(due, l->end_ms, now_ms);
	switch (l->state) {
	case DELIVERY_CONNECTING:
		return earlier(due, l->since_ms + CONNECT_TIMEOUT_MS, now_ms);
	case DELIVERY_HANDSHAKE:
		return earlier(due, l->since_ms + HANDSHAKE_TIMEOUT_MS, now_ms);
	case DELIVERY_CLOSING:
		return earlier(LONGEST_WAIT_MS, l->since_ms + GOODBYE_MS, now_ms);
	case DELIVERY_PROVING:
		if (!l->endpoint.keepalive)
			due = earlier(due, l->since_ms + UNASKED_PROOF_MS, now_ms);
		break;
	default:
		break;
	}
	if (is_stuck(l))
		return earlier(due, l->writing_since_ms + l->endpoint.keepalive_timeout_ms, now_ms);
	if (l->writing != WRITING_NOTHING) // until there is room only silence matters
		return l->unanswered_count
		               ? earlier(due, l->answered_ms + l->endpoint.keepalive_timeout_ms,
					 now_ms)
		               : due;
	uint64_t keepalive = keepalive_due_ms(l, now_ms);
	return keepalive < due ? keepalive : due;
}

bool link_pollfd(const struct link *l, struct pollfd *out)
{
	if (l->state == DELIVERY_WAITING)
		return false;
	short events = l->owed_count < LINK_MAX_OWED ? POLLIN : 0;
	if (l->state == DELIVERY_CONNECTING)
		events = POLLOUT;
	else if (l->wants_output)
		events |= POLLOUT;
	*out = (struct pollfd){.fd = tls_connection_fd(l->tls), .events = events};
	return true;
}
