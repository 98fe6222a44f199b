// An MF for unit tests: a real TLS server on the loopback, driven by the test's own loop, that remembers what it got and
// misbehaves on request. Made with OpenSSL itself, so that a mistake in lib/tls does not stand on both sides.
#ifndef X2TAP_LOOPBACK_MF_H
#define X2TAP_LOOPBACK_MF_H

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "certs.h"
#include "x2_pdu.h"

enum { MF_MAX_IDS = 200000, MF_STREAM = 70000, MF_ID_LEN = 4, MF_CONNECTIONS = 4 };

struct mf_connection {
	int fd; // -1: none
	SSL *ssl;
	bool up;
	unsigned number; // 1 for the first that was accepted
	struct sockaddr_in from;
	uint8_t stream[MF_STREAM];
	size_t stream_len;
	unsigned keepalives, pdus;
};

struct mf {
	int listener; // -1: none
	uint16_t port;
	SSL_CTX *ctx;
	struct mf_connection at[MF_CONNECTIONS];
	struct mf *all; // takes note of what several MFs got together; or NULL

	// how it behaves
	bool mute;          // answers no keepalive
	bool wrong_answers; // answers another number
	bool stalled;       // reads nothing, not even a handshake
	bool plaintext;     // greets without TLS
	bool deaf;          // takes no new connection, though the kernel does

	// what it got
	uint32_t *ids; // first payload octets of each X2 PDU
	size_t id_count;
	bool *seen; // by id
	size_t unique_count;
	bool in_order; // ids seen for the first time came in ascending order
	uint32_t greatest;
	unsigned connections, keepalives, answers, closes;
	unsigned last_to_write; // number of the connection that brought the latest PDU
	bool keepalive_first;   // each connection began with keepalive 0
	uint64_t octets, raw_octets;
	size_t largest_record;
	bool whole_records; // every record began and ended with a PDU
};

static inline SSL_CTX *mf_context(const struct certs *c, const char *name, const char *ca)
{
	char path[CERTS_PATH];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_num_tickets(ctx, 0);
	certs_path(c, name, ".pem", path);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path), 1);
	certs_path(c, name, ".key", path);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
	certs_path(c, ca, ".pem", path);
	assert_int_equal(SSL_CTX_load_verify_locations(ctx, path, NULL), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ctx;
}

static inline void mf_use(struct mf *mf, SSL_CTX *ctx)
{
	SSL_CTX_free(mf->ctx);
	mf->ctx = ctx;
}

// Port 0: any that is free.
static inline void mf_listen(struct mf *mf, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof at;
	int on = 1;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	mf->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(mf->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	assert_int_equal(bind(mf->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(mf->listener, 8), 0);
	assert_int_equal(getsockname(mf->listener, (struct sockaddr *)&at, &len), 0);
	mf->port = ntohs(at.sin_port);
}

// One that only takes note: see mf.all.
static inline struct mf *mf_new_ledger(void)
{
	struct mf *mf = calloc(1, sizeof *mf);
	mf->listener = -1;
	for (int i = 0; i < MF_CONNECTIONS; i++)
		mf->at[i].fd = -1;
	mf->ids = calloc(MF_MAX_IDS, sizeof *mf->ids);
	mf->seen = calloc(MF_MAX_IDS, sizeof *mf->seen);
	mf->in_order = mf->keepalive_first = mf->whole_records = true;
	return mf;
}

static inline struct mf *mf_new(const struct certs *c)
{
	struct mf *mf = mf_new_ledger();
	mf->ctx = mf_context(c, "mf", "ca");
	mf_listen(mf, 0);
	return mf;
}

// With a reset, as a killed process with unread octets leaves it, or just gone.
static inline void mf_cut_one(struct mf_connection *c, bool reset)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	SSL_free(c->ssl);
	c->ssl = NULL;
	c->up = false;
	c->stream_len = 0;
	if (c->fd >= 0 && reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static inline void mf_cut(struct mf *mf, bool reset)
{
	for (int i = 0; i < MF_CONNECTIONS; i++)
		mf_cut_one(&mf->at[i], reset);
}

static inline void mf_close_notify_one(struct mf_connection *c)
{
	if (c->up)
		SSL_shutdown(c->ssl);
	ERR_clear_error();
}

static inline void mf_close_notify(struct mf *mf)
{
	for (int i = 0; i < MF_CONNECTIONS; i++)
		mf_close_notify_one(&mf->at[i]);
}

// The latest of its connections that are up; NULL: none.
static inline struct mf_connection *mf_present(struct mf *mf)
{
	struct mf_connection *latest = NULL;
	for (int i = 0; i < MF_CONNECTIONS; i++)
		if (mf->at[i].up && (!latest || mf->at[i].number > latest->number))
			latest = &mf->at[i];
	return latest;
}

static inline unsigned mf_count(const struct mf *mf)
{
	unsigned count = 0;
	for (int i = 0; i < MF_CONNECTIONS; i++)
		count += mf->at[i].fd >= 0;
	return count;
}

static inline void mf_stop_listening(struct mf *mf)
{
	if (mf->listener >= 0)
		close(mf->listener);
	mf->listener = -1;
}

static inline void mf_free(struct mf *mf)
{
	mf_cut(mf, false);
	mf_stop_listening(mf);
	SSL_CTX_free(mf->ctx);
	free(mf->ids);
	free(mf->seen);
	free(mf);
}

static inline void mf_say_there(struct mf_connection *c, bool answer, uint32_t number)
{
	uint8_t pdu[X2_KEEPALIVE_LEN];
	struct writer w = writer_of(pdu, sizeof pdu);
	if (answer)
		x2_keepalive_ack_write(&w, 5, number);
	else
		x2_keepalive_write(&w, 5, number);
	SSL_write(c->ssl, pdu, sizeof pdu);
	ERR_clear_error();
}

static inline void mf_say(struct mf *mf, bool answer, uint32_t number)
{
	assert_non_null(mf_present(mf));
	mf_say_there(mf_present(mf), answer, number);
}

static inline void mf_take_id(struct mf *mf, uint32_t id)
{
	assert_true(id < MF_MAX_IDS && mf->id_count < MF_MAX_IDS);
	mf->ids[mf->id_count++] = id;
	if (mf->all)
		mf_take_id(mf->all, id);
	if (mf->seen[id])
		return;
	mf->seen[id] = true;
	mf->in_order = mf->in_order && (mf->unique_count == 0 || id > mf->greatest);
	mf->greatest = id > mf->greatest ? id : mf->greatest;
	mf->unique_count++;
}

static inline void mf_take_keepalive(struct mf *mf, struct mf_connection *c, uint32_t number)
{
	mf->keepalives++;
	assert_int_equal(number, c->keepalives); // from 0, without a gap
	c->keepalives++;
	if (!mf->mute)
		mf_say_there(c, true, mf->wrong_answers ? number + 1000 : number);
}

static inline void mf_take_stream(struct mf *mf, struct mf_connection *c)
{
	size_t at = 0;
	while (c->stream_len - at >= X2_HEADER_LEN) {
		struct reader r = reader_of(bytes_of(c->stream + at, c->stream_len - at));
		read_be16(&r);
		unsigned type = read_be16(&r);
		size_t header = read_be32(&r);
		size_t payload = read_be32(&r);
		if (c->stream_len - at < header + payload)
			break;
		read_bytes(&r, X2_HEADER_LEN - 12);
		if (c->keepalives + c->pdus == 0)
			mf->keepalive_first = mf->keepalive_first && type == X2_PDU_KEEPALIVE;
		if (type == X2_PDU_X2) {
			mf_take_id(mf, read_be32(&r));
			c->pdus++;
			mf->last_to_write = c->number;
		} else if (type == X2_PDU_KEEPALIVE) {
			read_be32(&r); // type and length of the attribute
			mf_take_keepalive(mf, c, read_be32(&r));
		} else {
			assert_int_equal(type, X2_PDU_KEEPALIVE_ACK);
			mf->answers++;
		}
		at += header + payload;
	}
	c->stream_len -= at;
	memmove(c->stream, c->stream + at, c->stream_len);
}

// An X2 PDU as it is read here, written to `room`: its payload begins with `id`, zeros follow.
static inline struct bytes mf_pdu(uint32_t id, size_t payload_len, uint8_t *room, size_t room_len)
{
	struct writer w = writer_of(room, room_len);
	memset(room, 0, room_len);
	write_be16(&w, 5);
	write_be16(&w, X2_PDU_X2);
	write_be32(&w, X2_HEADER_LEN);
	write_be32(&w, (uint32_t)payload_len);
	w.len = X2_HEADER_LEN;
	write_be32(&w, id);
	assert_true(payload_len >= MF_ID_LEN && X2_HEADER_LEN + payload_len <= room_len);
	return bytes_of(room, X2_HEADER_LEN + payload_len);
}

static inline void mf_read(struct mf *mf, struct mf_connection *c)
{
	for (int i = 0; i < 200; i++) {
		bool began_whole = c->stream_len == 0;
		int got = SSL_read(c->ssl, c->stream + c->stream_len,
			(int)(sizeof c->stream - c->stream_len)); // one record at most
		if (got <= 0) {
			int why = SSL_get_error(c->ssl, got);
			ERR_clear_error();
			if (why == SSL_ERROR_ZERO_RETURN) {
				mf->closes++;
				mf_close_notify_one(c);
			}
			if (why != SSL_ERROR_WANT_READ)
				mf_cut_one(c, false);
			return;
		}
		mf->octets += (size_t)got;
		if ((size_t)got > mf->largest_record)
			mf->largest_record = (size_t)got;
		c->stream_len += (size_t)got;
		mf_take_stream(mf, c);
		mf->whole_records = mf->whole_records && began_whole && c->stream_len == 0;
	}
}

static inline void mf_accept(struct mf *mf, struct mf_connection *c)
{
	static const char greeting[] = "220 mf.example.net ready\r\n";
	int on = 1;
	socklen_t len = sizeof c->from;
	c->fd = accept4(
		mf->listener, (struct sockaddr *)&c->from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c->fd < 0)
		return;
	// Otherwise small answers wait for real time to pass (RFC 896, RFC 1122 4.2.3.2), and the tests' clock is not real.
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->number = ++mf->connections;
	c->keepalives = c->pdus = 0;
	if (mf->plaintext)
		assert_int_equal(write(c->fd, greeting, sizeof greeting - 1), sizeof greeting - 1);
	c->ssl = SSL_new(mf->ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_accept_state(c->ssl);
}

static inline void mf_serve(struct mf *mf, struct mf_connection *c)
{
	if (mf->plaintext) {
		ssize_t got = recv(c->fd, c->stream, sizeof c->stream, 0);
		mf->raw_octets += got > 0 ? (uint64_t)got : 0;
		if (got == 0)
			mf_cut_one(c, false);
		return;
	}
	if (!c->up) {
		int result = SSL_do_handshake(c->ssl);
		int why = SSL_get_error(c->ssl, result);
		ERR_clear_error();
		c->up = result == 1;
		if (!c->up && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			mf_cut_one(c, false);
	}
	if (c->up)
		mf_read(mf, c);
}

static inline void mf_poll(struct mf *mf)
{
	if (mf->stalled)
		return;
	struct mf_connection *free_one = NULL;
	for (int i = 0; i < MF_CONNECTIONS; i++)
		if (mf->at[i].fd < 0)
			free_one = &mf->at[i];
	if (free_one && mf->listener >= 0 && !mf->deaf)
		mf_accept(mf, free_one);
	for (int i = 0; i < MF_CONNECTIONS; i++)
		if (mf->at[i].fd >= 0)
			mf_serve(mf, &mf->at[i]);
}

#endif
