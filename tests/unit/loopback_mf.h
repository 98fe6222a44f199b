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

enum { MF_MAX_IDS = 200000, MF_STREAM = 70000, MF_ID_LEN = 4 };

struct mf {
	int listener, fd; // -1: none
	uint16_t port;
	SSL_CTX *ctx;
	SSL *ssl;
	bool up;

	// how it behaves
	bool mute;          // answers no keepalive
	bool wrong_answers; // answers another number
	bool stalled;       // reads nothing, not even a handshake
	bool plaintext;     // greets without TLS

	// what it got
	uint8_t stream[MF_STREAM];
	size_t stream_len;
	uint32_t *ids; // first payload octets of each X2 PDU
	size_t id_count;
	bool *seen; // by id
	size_t unique_count;
	bool in_order; // ids seen for the first time came in ascending order
	uint32_t greatest;
	unsigned connections, keepalives, answers, closes;
	unsigned keepalives_here, pdus_here; // on the present connection
	bool keepalive_first;                // each connection began with keepalive 0
	uint64_t octets, raw_octets;
	size_t largest_record;
	bool whole_records; // every record began and ended with a PDU
};

static inline SSL_CTX *mf_context(const struct certs *certs, const char *name, const char *ca)
{
	char path[CERTS_PATH];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_num_tickets(ctx, 0);
	certs_path(certs, name, ".pem", path);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path), 1);
	certs_path(certs, name, ".key", path);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
	certs_path(certs, ca, ".pem", path);
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

static inline struct mf *mf_new(const struct certs *certs)
{
	struct mf *mf = calloc(1, sizeof *mf);
	mf->fd = mf->listener = -1;
	mf->ids = calloc(MF_MAX_IDS, sizeof *mf->ids);
	mf->seen = calloc(MF_MAX_IDS, sizeof *mf->seen);
	mf->in_order = mf->keepalive_first = mf->whole_records = true;
	mf->ctx = mf_context(certs, "mf", "ca");
	mf_listen(mf, 0);
	return mf;
}

// With a reset, as a killed process with unread octets leaves it, or just gone.
static inline void mf_cut(struct mf *mf, bool reset)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	SSL_free(mf->ssl);
	mf->ssl = NULL;
	mf->up = false;
	mf->stream_len = 0;
	if (mf->fd >= 0 && reset)
		setsockopt(mf->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	if (mf->fd >= 0)
		close(mf->fd);
	mf->fd = -1;
}

static inline void mf_close_notify(struct mf *mf)
{
	if (mf->up)
		SSL_shutdown(mf->ssl);
	ERR_clear_error();
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

static inline void mf_say(struct mf *mf, bool answer, uint32_t number)
{
	uint8_t pdu[X2_KEEPALIVE_LEN];
	struct writer w = writer_of(pdu, sizeof pdu);
	if (answer)
		x2_keepalive_ack_write(&w, 5, number);
	else
		x2_keepalive_write(&w, 5, number);
	SSL_write(mf->ssl, pdu, sizeof pdu);
	ERR_clear_error();
}

static inline void mf_take_id(struct mf *mf, uint32_t id)
{
	assert_true(id < MF_MAX_IDS && mf->id_count < MF_MAX_IDS);
	mf->ids[mf->id_count++] = id;
	mf->pdus_here++;
	if (mf->seen[id])
		return;
	mf->seen[id] = true;
	mf->in_order = mf->in_order && (mf->unique_count == 0 || id > mf->greatest);
	mf->greatest = id > mf->greatest ? id : mf->greatest;
	mf->unique_count++;
}

static inline void mf_take_keepalive(struct mf *mf, uint32_t number)
{
	mf->keepalives++;
	assert_int_equal(number, mf->keepalives_here); // from 0, without a gap
	mf->keepalives_here++;
	if (!mf->mute)
		mf_say(mf, true, mf->wrong_answers ? number + 1000 : number);
}

static inline void mf_take_stream(struct mf *mf)
{
	size_t at = 0;
	while (mf->stream_len - at >= X2_HEADER_LEN) {
		struct reader r = reader_of(bytes_of(mf->stream + at, mf->stream_len - at));
		read_be16(&r);
		unsigned type = read_be16(&r);
		size_t header = read_be32(&r);
		size_t payload = read_be32(&r);
		if (mf->stream_len - at < header + payload)
			break;
		read_bytes(&r, X2_HEADER_LEN - 12);
		if (mf->keepalives_here + mf->pdus_here == 0)
			mf->keepalive_first = mf->keepalive_first && type == X2_PDU_KEEPALIVE;
		if (type == X2_PDU_X2)
			mf_take_id(mf, read_be32(&r));
		else if (type == X2_PDU_KEEPALIVE) {
			read_be32(&r); // type and length of the attribute
			mf_take_keepalive(mf, read_be32(&r));
		} else {
			assert_int_equal(type, X2_PDU_KEEPALIVE_ACK);
			mf->answers++;
		}
		at += header + payload;
	}
	mf->stream_len -= at;
	memmove(mf->stream, mf->stream + at, mf->stream_len);
}

static inline void mf_read(struct mf *mf)
{
	for (int i = 0; i < 200; i++) {
		bool began_whole = mf->stream_len == 0;
		int got = SSL_read(mf->ssl, mf->stream + mf->stream_len,
			(int)(sizeof mf->stream - mf->stream_len)); // one record at most
		if (got <= 0) {
			int why = SSL_get_error(mf->ssl, got);
			ERR_clear_error();
			if (why == SSL_ERROR_ZERO_RETURN) {
				mf->closes++;
				mf_close_notify(mf);
			}
			if (why != SSL_ERROR_WANT_READ)
				mf_cut(mf, false);
			return;
		}
		mf->octets += (size_t)got;
		if ((size_t)got > mf->largest_record)
			mf->largest_record = (size_t)got;
		mf->stream_len += (size_t)got;
		mf_take_stream(mf);
		mf->whole_records = mf->whole_records && began_whole && mf->stream_len == 0;
	}
}

static inline void mf_accept(struct mf *mf)
{
	static const char greeting[] = "220 mf.example.net ready\r\n";
	int on = 1;
	mf->fd = accept4(mf->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (mf->fd < 0)
		return;
	// Otherwise small answers wait for real time to pass (RFC 896, RFC 1122 4.2.3.2), and the tests' clock is not real.
	setsockopt(mf->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	mf->connections++;
	mf->keepalives_here = mf->pdus_here = 0;
	if (mf->plaintext)
		assert_int_equal(write(mf->fd, greeting, sizeof greeting - 1), sizeof greeting - 1);
	mf->ssl = SSL_new(mf->ctx);
	SSL_set_fd(mf->ssl, mf->fd);
	SSL_set_accept_state(mf->ssl);
}

static inline void mf_poll(struct mf *mf)
{
	if (mf->stalled)
		return;
	if (mf->fd < 0 && mf->listener >= 0)
		mf_accept(mf);
	if (mf->fd < 0)
		return;
	if (mf->plaintext) {
		ssize_t got = recv(mf->fd, mf->stream, sizeof mf->stream, 0);
		mf->raw_octets += got > 0 ? (uint64_t)got : 0;
		if (got == 0)
			mf_cut(mf, false);
		return;
	}
	if (!mf->up) {
		int result = SSL_do_handshake(mf->ssl);
		int why = SSL_get_error(mf->ssl, result);
		ERR_clear_error();
		mf->up = result == 1;
		if (!mf->up && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			mf_cut(mf, false);
	}
	if (mf->up)
		mf_read(mf);
}

#endif
