#include "mf_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mf_stream.h"

enum {
	CLIENTS_MAX = 64,
	READ_LEN = 16384, // one TLS record
	READS_PER_ROUND = 32,
	ANSWER_LEN = 48, // a keepalive acknowledgement (clause 5.1)
	ANSWERS_MAX = 64,
	GOODBYE_MS = 5000,
	BAD_ACK_OFFSET = 1000,
	KILLED_EXIT = 137,
};

struct client {
	struct tls_connection *tls;
	struct mf_stream stream;
	char name[64];
	bool is_open;      // the handshake is done
	bool is_leaving;   // we want to say close_notify, or have said it
	bool said_goodbye; // said
	bool waits_to_write;
	bool has_more; // the last round ended before the octets did
	uint64_t give_up_ms;
	unsigned pdus;
	uint8_t answers[ANSWERS_MAX * ANSWER_LEN];
	size_t answers_len;
	size_t offered; // octets that tls_write() has seen and must see again
};

struct loop {
	const struct mf_server *server;
	struct client *clients[CLIENTS_MAX];
	size_t client_count;
	unsigned pdus;
	uint64_t started_ms;
	int listener; // -1 once it is time to end
	bool is_hurried;
};

// What becomes of a client.
enum fate { STAYS, GOES, OUTPUT_FAILED };

bool mf_manners_parse(const char *text, struct mf_manners *out)
{
	static const struct {
		const char *name;
		enum mf_misbehaviour how;
		bool may_have_number, must_have_number;
	} known[] = {
		{"refuse", MF_REFUSE, false, false},
		{"refuse-for", MF_REFUSE, true, true},
		{"stall", MF_STALL, false, false},
		{"cut", MF_CUT, true, false},
		{"no-ack", MF_NO_ACK, false, false},
		{"bad-ack", MF_BAD_ACK, false, false},
		{"close-after", MF_CLOSE_AFTER, true, true},
		{"kill-after", MF_KILL_AFTER, true, true},
	};
	const char *equals = strchr(text, '=');
	struct bytes name = bytes_of(text, equals ? (size_t)(equals - text) : strlen(text));
	unsigned long number = 0;
	if (equals) {
		char *end;
		number = strtoul(equals + 1, &end, 10);
		if (!ascii_is_digit((uint8_t)equals[1]) || *end || number == 0 ||
			number > 1000000000)
			return false;
	}
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!bytes_equal(name, bytes_of_text(known[i].name)))
			continue;
		if (equals ? !known[i].may_have_number : known[i].must_have_number)
			return false;
		*out = (struct mf_manners){known[i].how, (unsigned)number};
		return true;
	}
	return false;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void name_client(struct client *c, const struct sockaddr_storage *from)
{
	struct address a = {0};
	uint16_t port = 0;
	if (from->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, from, sizeof in);
		a.family = 4;
		memcpy(a.octets, &in.sin_addr, 4);
		port = ntohs(in.sin_port);
	} else {
		struct sockaddr_in6 in6;
		memcpy(&in6, from, sizeof in6);
		a.family = 6;
		memcpy(a.octets, &in6.sin6_addr, 16);
		port = ntohs(in6.sin6_port);
	}
	char text[ADDRESS_TEXT];
	address_format(&a, text);
	snprintf(c->name, sizeof c->name, a.family == 6 ? "[%s]:%u" : "%s:%u", text, port);
}

static void client_free(struct client *c)
{
	tls_connection_free(c->tls);
	mf_stream_fini(&c->stream);
	free(c);
}

static struct tls_context *context_now(const struct loop *l)
{
	const struct mf_server *s = l->server;
	if (s->manners.how != MF_REFUSE)
		return s->accepting;
	uint64_t until_ms = l->started_ms + (uint64_t)s->manners.number * 1000;
	return s->manners.number == 0 || now_ms() < until_ms ? s->refusing : s->accepting;
}

static void add_client(struct loop *l, int fd, const struct sockaddr_storage *from)
{
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct client *c = l->client_count < CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;
	if (!c) {
		fprintf(l->server->told, "refused: no room for another connection\n");
		close(fd);
		return;
	}
	struct error error;
	name_client(c, from);
	c->tls = tls_accept(context_now(l), fd, &error);
	if (!c->tls) {
		fprintf(l->server->told, "failed: %s: %s\n", c->name, error.text);
		free(c);
		return;
	}
	l->clients[l->client_count++] = c;
}

static void accept_clients(struct loop *l)
{
	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		int fd = accept4(
			l->listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return; // nobody there, or gone again
		add_client(l, fd, &from);
	}
}

static void leave(struct client *c)
{
	if (!c->is_leaving)
		c->give_up_ms = now_ms() + GOODBYE_MS;
	c->is_leaving = true;
	c->has_more = true; // one more round, whether or not it has sent something
}

// All zeros but version, type, header length and the one attribute (clause 5.1).
static void queue_answer(struct loop *l, struct client *c, const struct mf_pdu *keepalive)
{
	uint32_t sequence = keepalive->sequence;
	if (l->server->manners.how == MF_BAD_ACK)
		sequence += BAD_ACK_OFFSET;
	uint8_t *answer = c->answers + c->answers_len;
	memset(answer, 0, ANSWER_LEN);
	struct writer w = writer_of(answer, ANSWER_LEN);
	write_be16(&w, keepalive->version);
	write_be16(&w, MF_TYPE_KEEPALIVE_ACK);
	write_be32(&w, ANSWER_LEN);
	w.len = ANSWER_LEN - 8;
	write_be16(&w, 8); // sequence number
	write_be16(&w, 4);
	write_be32(&w, sequence);
	c->answers_len += ANSWER_LEN;
}

static enum fate flush_output(struct loop *l, struct error *error)
{
	return mf_sink_flush(l->server->sink, error) < 0 ? OUTPUT_FAILED : STAYS;
}

// The peer learns of it by a reset, in the middle of whatever it is sending.
static enum fate cut(struct loop *l, struct client *c)
{
	struct linger at_once = {.l_onoff = 1, .l_linger = 0};
	setsockopt(tls_connection_fd(c->tls), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	fprintf(l->server->told, "cut: %s\n", c->name);
	return GOES;
}

static enum fate take_pdu(
	struct loop *l, struct client *c, const struct mf_pdu *pdu, struct error *error)
{
	const struct mf_manners *manners = &l->server->manners;
	mf_sink_take(l->server->sink, pdu, c->name);
	if (pdu->type == MF_TYPE_KEEPALIVE) {
		if (!pdu->has_sequence || c->said_goodbye || manners->how == MF_NO_ACK)
			return STAYS;
		if (flush_output(l, error) != STAYS)
			return OUTPUT_FAILED;
		queue_answer(l, c, pdu);
		return STAYS;
	}
	c->pdus++;
	l->pdus++;
	if (manners->how == MF_KILL_AFTER && l->pdus >= manners->number)
		_exit(KILLED_EXIT);
	if (manners->how == MF_CLOSE_AFTER && c->pdus >= manners->number)
		leave(c);
	if (manners->how == MF_CUT && c->pdus >= (manners->number ? manners->number : 1))
		return cut(l, c);
	return STAYS;
}

static bool has_room_for_answers(const struct client *c)
{
	return c->answers_len < sizeof c->answers;
}

// Takes the PDUs that are whole, as long as their answers find room.
static enum fate take_pdus(struct loop *l, struct client *c, struct error *error)
{
	enum fate fate = STAYS;
	while (fate == STAYS && has_room_for_answers(c)) {
		struct mf_pdu pdu;
		enum parse_result result = mf_stream_next(&c->stream, &pdu);
		if (result == PARSE_TRUNCATED)
			break;
		if (result != PARSE_OK) {
			mf_sink_lost_framing(l->server->sink, &pdu, c->name);
			fate = flush_output(l, error);
			tls_shutdown(c->tls, NULL);
			return fate == STAYS ? GOES : fate;
		}
		fate = take_pdu(l, c, &pdu, error);
	}
	return flush_output(l, error) == OUTPUT_FAILED ? OUTPUT_FAILED : fate;
}

static enum fate ended(struct loop *l, struct client *c, const char *how, const char *why)
{
	if (mf_stream_unfinished(&c->stream) > 0)
		mf_sink_unfinished(l->server->sink, mf_stream_unfinished(&c->stream), c->name);
	fprintf(l->server->told, "%s: %s%s%s\n", how, c->name, *why ? ": " : "", why);
	return GOES;
}

// Whether the same call is worth repeating later.
static bool must_wait(struct client *c, enum tls_status status)
{
	if (status == TLS_WANT_WRITE)
		c->waits_to_write = true;
	return status == TLS_WANT_READ || status == TLS_WANT_WRITE;
}

static enum fate read_client(struct loop *l, struct client *c, struct error *error)
{
	c->has_more = false;
	for (unsigned reads = 0; reads < READS_PER_ROUND; reads++) {
		enum fate fate = take_pdus(l, c, error);
		if (fate != STAYS)
			return fate;
		if (!has_room_for_answers(c))
			break;
		uint8_t *room = mf_stream_room(&c->stream, READ_LEN);
		if (!room)
			return ended(l, c, "failed", "no memory");
		size_t count = 0;
		enum tls_status status = tls_read(c->tls, room, READ_LEN, &count, error);
		if (must_wait(c, status))
			return STAYS;
		if (status == TLS_FAILED)
			return ended(l, c, "failed", error->text);
		if (status == TLS_CLOSED) {
			tls_shutdown(c->tls, NULL);
			return ended(l, c, "closed", "");
		}
		mf_stream_added(&c->stream, count);
	}
	c->has_more = true;
	return STAYS;
}

static enum fate write_answers(struct loop *l, struct client *c, struct error *error)
{
	while (c->answers_len > 0) {
		if (c->offered == 0)
			c->offered = c->answers_len;
		enum tls_status status = tls_write(c->tls, bytes_of(c->answers, c->offered), error);
		if (must_wait(c, status))
			return STAYS;
		if (status != TLS_DONE)
			return ended(l, c, "failed", error->text);
		c->answers_len -= c->offered;
		memmove(c->answers, c->answers + c->offered, c->answers_len);
		c->offered = 0;
	}
	return STAYS;
}

static enum fate say_goodbye(struct loop *l, struct client *c, struct error *error)
{
	enum tls_status status = tls_shutdown(c->tls, error);
	if (must_wait(c, status))
		return STAYS;
	if (status == TLS_FAILED)
		return ended(l, c, "failed", error->text);
	c->said_goodbye = true;
	return STAYS;
}

static enum fate shake_hands(struct loop *l, struct client *c, struct error *error)
{
	enum tls_status status = tls_handshake(c->tls, error);
	if (must_wait(c, status))
		return STAYS;
	if (status != TLS_DONE)
		return ended(l, c, "failed",
			status == TLS_CLOSED ? "gone before the handshake was done" : error->text);
	c->is_open = true;
	fprintf(l->server->told, "connected: %s, %s, %s\n", c->name, tls_peer_name(c->tls),
		tls_version_name(c->tls));
	return STAYS;
}

static bool is_stalled(const struct loop *l, const struct client *c)
{
	return l->server->manners.how == MF_STALL && c->is_open && !c->is_leaving;
}

static enum fate serve(struct loop *l, struct client *c, struct error *error)
{
	c->waits_to_write = false;
	*error = (struct error){0};
	if (!c->is_open) {
		enum fate fate = shake_hands(l, c, error);
		if (fate != STAYS || !c->is_open)
			return fate;
	}
	if (is_stalled(l, c))
		return STAYS;
	enum fate fate = read_client(l, c, error);
	if (fate == STAYS && !c->said_goodbye)
		fate = write_answers(l, c, error);
	if (fate == STAYS && c->is_leaving && !c->said_goodbye && c->answers_len == 0)
		fate = say_goodbye(l, c, error);
	return fate;
}

static void stop_clients(struct loop *l)
{
	l->is_hurried = l->listener < 0;
	if (l->listener >= 0)
		close(l->listener);
	l->listener = -1;
	for (size_t i = 0; i < l->client_count; i++)
		leave(l->clients[i]);
}

static bool can_go_on(const struct client *c)
{
	return c->has_more && has_room_for_answers(c);
}

// What each descriptor is waited for: the listener, the sign to stop, then the clients in order.
static size_t watch(const struct loop *l, struct pollfd *watched, int *timeout_ms)
{
	uint64_t now = now_ms();
	*timeout_ms = -1;
	watched[0] = (struct pollfd){l->listener, POLLIN, 0};
	watched[1] = (struct pollfd){l->server->stop, POLLIN, 0};
	for (size_t i = 0; i < l->client_count; i++) {
		const struct client *c = l->clients[i];
		bool reads = !is_stalled(l, c) && has_room_for_answers(c);
		watched[2 + i] = (struct pollfd){tls_connection_fd(c->tls),
			(short)((reads ? POLLIN : 0) | (c->waits_to_write ? POLLOUT : 0)), 0};
		int wait_ms = -1;
		if (can_go_on(c))
			wait_ms = 0;
		else if (c->is_leaving)
			wait_ms = c->give_up_ms > now ? (int)(c->give_up_ms - now) : 0;
		if (wait_ms >= 0 && (*timeout_ms < 0 || wait_ms < *timeout_ms))
			*timeout_ms = wait_ms;
	}
	return 2 + l->client_count;
}

static int serve_clients(struct loop *l, const struct pollfd *watched, struct error *error)
{
	size_t kept = 0;
	int rc = 0;
	for (size_t i = 0; i < l->client_count; i++) {
		struct client *c = l->clients[i];
		const struct pollfd *p = &watched[2 + i];
		enum fate fate = STAYS;
		if (is_stalled(l, c) && p->revents & (POLLERR | POLLHUP))
			fate = ended(l, c, "closed", "while stalled");
		else if (c->is_leaving && !c->is_open)
			fate = ended(l, c, "closed", "before the handshake was done");
		else if (rc == 0 && (p->revents || can_go_on(c)))
			fate = serve(l, c, error);
		if (fate == STAYS && c->is_leaving && (l->is_hurried || now_ms() >= c->give_up_ms))
			fate = ended(l, c, "closed", "its close_notify did not come");
		if (fate == OUTPUT_FAILED)
			rc = error->code;
		if (fate == STAYS)
			l->clients[kept++] = c;
		else
			client_free(c);
	}
	l->client_count = kept;
	return rc;
}

int mf_server_run(const struct mf_server *server, struct error *error)
{
	struct loop l = {.server = server, .listener = server->listener, .started_ms = now_ms()};
	int rc = 0;
	while (rc == 0 && !(l.listener < 0 && l.client_count == 0)) {
		struct pollfd watched[2 + CLIENTS_MAX];
		int timeout_ms;
		size_t count = watch(&l, watched, &timeout_ms);
		if (poll(watched, count, timeout_ms) < 0 && errno != EINTR)
			rc = error_set(error, -errno, "poll: %s", strerror(errno));
		if (rc == 0 && watched[1].revents) {
			uint8_t signs[512];
			if (read(server->stop, signs, sizeof signs) <= 0)
				rc = error_set(error, -EIO, "the sign to stop cannot be read");
			stop_clients(&l);
		}
		if (rc == 0)
			rc = serve_clients(&l, watched, error);
		if (rc == 0 && watched[0].revents && l.listener >= 0)
			accept_clients(&l);
	}
	for (size_t i = 0; i < l.client_count; i++)
		client_free(l.clients[i]);
	if (l.listener >= 0)
		close(l.listener);
	return rc;
}
