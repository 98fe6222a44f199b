// Mutual TLS over OpenSSL on non-blocking sockets: our side as client (x2tap) and as server (x2mf).
//
// Fail closed: there is no way to get a connection without TLS, without a peer certificate that chains, is valid now, is
// not revoked (when a CRL is configured; then every certificate of the chain needs a current CRL of its issuer) and, for a
// client, carries the configured name and, where a pin is configured, that very public key. No early data, renegotiation, compression or resumption; AEAD suites with ECDHE
// only, security level 2; TLS 1.3, or 1.3 and 1.2, by profile. Keys are updated before the AEAD limits (RFC 8446 5.5).
//
// One thread at a time for a context and its connections. OpenSSL writes with write(2): the program must ignore SIGPIPE.
#ifndef X2TAP_TLS_H
#define X2TAP_TLS_H

#include <time.h>

#include "bytes.h"
#include "error.h"

enum { TLS_PIN_LEN = 32 }; // octets

enum tls_profile { TLS_PROFILE_13, TLS_PROFILE_13_12 };

struct tls_files {
	const char *cert, *key, *ca; // PEM; cert may hold its chain; key without passphrase
	const char *crl;             // PEM, one or several; or NULL
	enum tls_profile profile;
};

struct tls_context;
// NULL with a text that names the file and what to do: missing, unreadable, key readable by others, certificate that does
// not match its key, is expired, not yet valid, too weak or not meant for this role, CA or CRL file with nothing in it.
struct tls_context *tls_client_context_new(const struct tls_files *files, struct error *error);
struct tls_context *tls_server_context_new(const struct tls_files *files, struct error *error);
// Connections hold on to what they need of it: it may be freed before them.
void tls_context_free(struct tls_context *context);

// When the certificates of a context end. 0: there is none.
struct tls_expiry {
	time_t own;       // ours, or one of its chain if that is earlier
	time_t authority; // the first of the CA file
	time_t revocations; // the next update that the first of the CRLs promises: from then on no peer is taken
};
void tls_context_expiry(const struct tls_context *context, struct tls_expiry *out);
// Records that one key may protect before it is updated; 2^23 unless a test lowers it. TLS 1.2 cannot update: its
// connections fail there, and must be made anew.
void tls_context_set_key_records(struct tls_context *context, uint64_t records);

// Whom a client expects.
struct tls_peer {
	const char *
		name; // DNS name or IP address that its certificate must carry (SAN; a whole first label may be a wildcard)
	bool has_pin;
	uint8_t pin
		[TLS_PIN_LEN]; // SHA-256 of its SubjectPublicKeyInfo (DER), besides chain and name
};

struct tls_connection;
// Takes a connected (or connecting) non-blocking TCP socket and owns it from now on, also on failure. All that is expected of
// the peer is looked at during the handshake, before our certificate or anything else goes out.
struct tls_connection *tls_connect(
	struct tls_context *context, int fd, const struct tls_peer *peer, struct error *error);
struct tls_connection *tls_accept(struct tls_context *context, int fd, struct error *error);
// Closes the socket, without close_notify if tls_shutdown() was not called.
void tls_connection_free(struct tls_connection *c);
int tls_connection_fd(const struct tls_connection *c);
// Of the peer's certificate after the handshake, for logs: "" and 0 before. Valid until the connection is freed.
const char *tls_peer_name(const struct tls_connection *c);   // its subject
const char *tls_peer_serial(const struct tls_connection *c); // in upper-case hex
time_t tls_peer_not_after(const struct tls_connection *c);
const char *tls_version_name(const struct tls_connection *c); // "TLSv1.3"
const char *tls_suite_name(const struct tls_connection *c);   // "TLS_AES_256_GCM_SHA384"; "" before
// Whether a handshake under `context` would take this client's peer now: chain, dates, revocation, name, pin and version.
bool tls_would_take(const struct tls_connection *c, const struct tls_context *context,
	const struct tls_peer *peer);
// The last failure was about a certificate: we refused the peer's, or it said so of ours.
bool tls_failed_on_certificate(const struct tls_connection *c);
// The peer has shown that it took our certificate. A TLS 1.3 client is done with its handshake before the server has
// judged that: there it needs a whole message from the server after the handshake.
bool tls_peer_accepted_us(const struct tls_connection *c);
uint64_t tls_key_updates(const struct tls_connection *c); // of our sending key

// What to wait for before the same call is worth repeating.
enum tls_status {
	TLS_DONE,       // finished, or `*count` octets moved
	TLS_WANT_READ,  // poll for input, then call again
	TLS_WANT_WRITE, // poll for output, then call again
	TLS_CLOSED,     // the peer said close_notify; nothing more will be read
	TLS_FAILED, // `error` says what: verification, protocol, system, cut without close_notify; only free it now
};

enum tls_status tls_handshake(struct tls_connection *c, struct error *error);
enum tls_status tls_read(
	struct tls_connection *c, void *to, size_t cap, size_t *count, struct error *error);
// Writes all of `b` as one record where it fits (16,384 octets), or nothing yet: after TLS_WANT_* the same octets must be
// offered again (they may have moved), before anything else is written or shut down. The peer can read none of a record
// that was not written to its end. `b` is not empty.
enum tls_status tls_write(struct tls_connection *c, struct bytes b, struct error *error);
// Sends close_notify; TLS_DONE when it was sent (the peer's own may still be on its way: read until TLS_CLOSED).
enum tls_status tls_shutdown(struct tls_connection *c, struct error *error);

// Writes lines of SSLKEYLOGFILE form to `path` for all connections of the context: x2mf and tests only, never x2tap.
// 0 or a negative errno.
int tls_context_keylog(struct tls_context *context, const char *path, struct error *error);

#endif
