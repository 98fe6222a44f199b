#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls_internal.h"

enum {
	RECORD_LEN = 16384, // RFC 8446 5.1
	NAME_TEXT = 256,
	SERIAL_TEXT = 2 * 20 + 2, // RFC 5280 4.1.2.2: at most 20 octets; a sign
};

struct tls_connection {
	struct tls_context *context; // a reference
	SSL *ssl;
	int fd;
	bool server, broken;
	bool established; // the handshake is over
	bool heard;       // a whole message came after that
	bool writing;     // a record is only half out
	uint64_t records; // under the present sending key
	uint64_t key_updates;
	char name
		[NAME_TEXT]; // the peer's: configured before the handshake, of the certificate afterwards
	char subject[NAME_TEXT];
	char serial[SERIAL_TEXT];
	time_t not_after;
	bool has_pin, pin_met;
	uint8_t pin[TLS_PIN_LEN];
	bool certificate_failed;
};

// A whole handshake message after the handshake (a session ticket, say) shows that the server is done with us.
static void watch_messages(int outgoing, int version, int type, const void *message, size_t len,
	SSL *ssl, void *argument)
{
	(void)version, (void)message, (void)len, (void)ssl;
	struct tls_connection *c = argument;
	if (!outgoing && type == SSL3_RT_HANDSHAKE && c->established)
		c->heard = true;
}

static struct tls_connection *connection_new(
	struct tls_context *context, int fd, bool server, struct error *error)
{
	ERR_clear_error();
	struct tls_connection *c = calloc(1, sizeof *c);
	if (!c) {
		close(fd);
		error_set(error, -ENOMEM, "tls: no memory for a connection");
		return NULL;
	}
	c->fd = fd;
	c->server = server;
	c->context = context;
	context->references++;
	c->ssl = SSL_new(context->ssl_ctx);
	if (!c->ssl || SSL_set_fd(c->ssl, fd) != 1) {
		error_set(error, -ENOMEM, "tls: no memory for a connection: %s",
			tls_reason("OpenSSL"));
		tls_connection_free(c);
		return NULL;
	}
	SSL_set_msg_callback(c->ssl, watch_messages);
	SSL_set_msg_callback_arg(c->ssl, c);
	if (server)
		SSL_set_accept_state(c->ssl);
	else
		SSL_set_connect_state(c->ssl);
	return c;
}

static bool is_ip_address(const char *name)
{
	struct in6_addr scratch;
	return inet_pton(AF_INET, name, &scratch) == 1 || inet_pton(AF_INET6, name, &scratch) == 1;
}

// The certificate must carry the name as SAN; the subject's common name does not count (RFC 6125 6.4.4).
static bool expect_name(X509_VERIFY_PARAM *rules, const char *name)
{
	if (is_ip_address(name))
		return X509_VERIFY_PARAM_set1_ip_asc(rules, name) == 1;
	X509_VERIFY_PARAM_set_hostflags(
		rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return X509_VERIFY_PARAM_set1_host(rules, name, 0) == 1;
}

static bool expect_peer(struct tls_connection *c)
{
	return expect_name(SSL_get0_param(c->ssl), c->name) &&
	       (is_ip_address(c->name) || SSL_set_tlsext_host_name(c->ssl, c->name) == 1);
}

static bool has_key(const X509 *cert, const uint8_t pin[TLS_PIN_LEN])
{
	uint8_t *spki = NULL, digest[TLS_PIN_LEN];
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
	bool same = len > 0 &&
	            EVP_Digest(spki, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1 &&
	            memcmp(digest, pin, TLS_PIN_LEN) == 0;
	OPENSSL_free(spki);
	return same;
}

// OpenSSL calls this for each certificate of the chain, the peer's own last, and in the middle of the handshake.
static int check_pin(int good, X509_STORE_CTX *verification)
{
	const SSL *ssl =
		X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_connection *c = SSL_get_app_data(ssl);
	if (!good || X509_STORE_CTX_get_error_depth(verification) > 0)
		return good;
	c->pin_met = has_key(X509_STORE_CTX_get_current_cert(verification), c->pin);
	if (!c->pin_met)
		X509_STORE_CTX_set_error(verification, X509_V_ERR_APPLICATION_VERIFICATION);
	return c->pin_met;
}

static void expect_key(struct tls_connection *c, const uint8_t pin[TLS_PIN_LEN])
{
	c->has_pin = true;
	memcpy(c->pin, pin, TLS_PIN_LEN);
	SSL_set_app_data(c->ssl, c);
	SSL_set_verify(c->ssl, SSL_get_verify_mode(c->ssl), check_pin);
}

struct tls_connection *tls_connect(
	struct tls_context *context, int fd, const struct tls_peer *peer, struct error *error)
{
	const char *name = peer->name;
	if (!name || !*name ||
		strlen(name) >= NAME_TEXT) { // without a name any certificate of the CA would do
		close(fd);
		error_set(error, -EINVAL,
			"tls: the name for the peer's certificate must have 1 to %d characters",
			NAME_TEXT - 1);
		return NULL;
	}
	struct tls_connection *c = connection_new(context, fd, false, error);
	if (!c)
		return NULL;
	snprintf(c->name, sizeof c->name, "%s", name);
	if (!expect_peer(c)) {
		error_set(error, -EINVAL,
			"tls: %s is neither a DNS name nor an IP address: no certificate can carry it",
			name);
		ERR_clear_error();
		tls_connection_free(c);
		return NULL;
	}
	if (peer->has_pin)
		expect_key(c, peer->pin);
	return c;
}

struct tls_connection *tls_accept(struct tls_context *context, int fd, struct error *error)
{
	struct tls_connection *c = connection_new(context, fd, true, error);
	if (c)
		snprintf(c->name, sizeof c->name, "client");
	return c;
}

void tls_connection_free(struct tls_connection *c)
{
	if (!c)
		return;
	SSL_free(c->ssl);
	close(c->fd);
	tls_context_free(c->context);
	free(c);
}

int tls_connection_fd(const struct tls_connection *c)
{
	return c->fd;
}

const char *tls_peer_name(const struct tls_connection *c)
{
	return c->subject;
}

const char *tls_peer_serial(const struct tls_connection *c)
{
	return c->serial;
}

time_t tls_peer_not_after(const struct tls_connection *c)
{
	return c->not_after;
}

const char *tls_suite_name(const struct tls_connection *c)
{
	return c->established ? SSL_get_cipher_name(c->ssl) : "";
}

static bool chain_is_good(X509_STORE_CTX *verification, const SSL_CTX *ctx, const char *name)
{
	X509_STORE_CTX_set_default(verification, "ssl_server");
	X509_VERIFY_PARAM *rules = X509_STORE_CTX_get0_param(verification);
	X509_VERIFY_PARAM_set_auth_level(rules, SSL_CTX_get_security_level(ctx));
	X509_VERIFY_PARAM_set_depth(rules, SSL_CTX_get_verify_depth(ctx));
	return expect_name(rules, name) && X509_verify_cert(verification) == 1;
}

bool tls_would_take(const struct tls_connection *c, const struct tls_context *context,
	const struct tls_peer *peer)
{
	SSL_CTX *ctx = context->ssl_ctx;
	X509 *leaf = SSL_get0_peer_certificate(c->ssl);
	X509_STORE_CTX *verification = X509_STORE_CTX_new();
	bool good = c->established && leaf && verification &&
	            SSL_version(c->ssl) >= SSL_CTX_get_min_proto_version(ctx) &&
	            (!peer->has_pin || has_key(leaf, peer->pin)) &&
	            X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(ctx), leaf,
			    SSL_get_peer_cert_chain(c->ssl)) == 1 &&
	            chain_is_good(verification, ctx, peer->name);
	X509_STORE_CTX_free(verification);
	ERR_clear_error();
	return good;
}

bool tls_failed_on_certificate(const struct tls_connection *c)
{
	return c->certificate_failed;
}

const char *tls_version_name(const struct tls_connection *c)
{
	return SSL_get_version(c->ssl);
}

bool tls_peer_accepted_us(const struct tls_connection *c)
{
	if (!c->established)
		return false;
	return c->server || c->heard || SSL_version(c->ssl) < TLS1_3_VERSION;
}

uint64_t tls_key_updates(const struct tls_connection *c)
{
	return c->key_updates;
}

// What to do about a certificate that was refused.
static const char *certificate_advice(long result)
{
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "the peer needs a new one";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "check both clocks";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "it must carry the configured tls_name as subject alternative name";
	case X509_V_ERR_CERT_REVOKED:
		return "the peer needs a new one";
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return "fetch the CA's current CRL";
	case X509_V_ERR_APPLICATION_VERIFICATION:
		return "its public key is not the one that is pinned: if the peer was given a new key, pin that";
	case X509_V_ERR_INVALID_PURPOSE:
		return "its extended key usage must allow this role";
	case X509_V_ERR_EE_KEY_TOO_SMALL:
	case X509_V_ERR_CA_KEY_TOO_SMALL:
	case X509_V_ERR_CA_MD_TOO_WEAK:
		return "all of its chain needs RSA keys of 2048 bits or EC keys of 224, and signatures over SHA-256 or better";
	default:
		return "it must chain to a certificate in our CA file";
	}
}

// An alert of the peer (RFC 8446 6.2), whose number OpenSSL adds to 1000, that is about our certificate.
static bool is_certificate_alert(int alert)
{
	switch (alert) {
	case SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_UNSUPPORTED_CERTIFICATE:
	case SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_UNKNOWN_CA:
	case SSL_AD_ACCESS_DENIED:
	case SSL_AD_CERTIFICATE_REQUIRED:
		return true;
	default:
		return false;
	}
}

static const char *alert_advice(int alert)
{
	if (is_certificate_alert(alert))
		return "it does not take our certificate: have it trust our CA, or install another";
	switch (alert) {
	case SSL_AD_PROTOCOL_VERSION:
	case SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_INSUFFICIENT_SECURITY:
		return "no version or cipher suite in common: compare its TLS settings with our profile";
	default:
		return "see the peer's log";
	}
}

// What a verification came to, for people: OpenSSL does not know of pins.
static const char *verification_text(long result)
{
	return result == X509_V_ERR_APPLICATION_VERIFICATION
	               ? "another public key"
	               : X509_verify_cert_error_string(result);
}

static void explain_protocol(struct tls_connection *c, struct error *error)
{
	unsigned long code = ERR_peek_last_error();
	int reason = ERR_GET_REASON(code);
	c->certificate_failed = reason == SSL_R_CERTIFICATE_VERIFY_FAILED ||
	                        reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE ||
	                        is_certificate_alert(reason - SSL_AD_REASON_OFFSET);
	long verified = SSL_get_verify_result(c->ssl);
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		error_set(error, -EACCES, "%s: certificate refused: %s: %s (CA file %s)", c->name,
			verification_text(verified), certificate_advice(verified), c->context->ca);
	else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		error_set(error, -ECONNRESET, "%s: closed without close_notify", c->name);
	else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		error_set(
			error, -EACCES, "%s: showed no certificate: it must present one", c->name);
	else if (reason == SSL_R_WRONG_VERSION_NUMBER)
		error_set(error, -EPROTO, "%s: does not speak TLS there: check address and port",
			c->name);
	else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_NO_SHARED_CIPHER)
		error_set(error, -EPROTO,
			"%s: %s: compare the TLS versions and suites of both sides", c->name,
			ERR_reason_error_string(code));
	else if (reason > SSL_AD_REASON_OFFSET)
		error_set(error, -ECONNREFUSED, "%s: refused us: %s: %s", c->name,
			ERR_reason_error_string(code), alert_advice(reason - SSL_AD_REASON_OFFSET));
	else
		error_set(error, -EPROTO, "%s: TLS failed: %s", c->name,
			tls_reason("no reason given"));
	ERR_clear_error();
}

// What a call that did not succeed came to; `system_error` is errno right after it.
static enum tls_status status_of(
	struct tls_connection *c, int result, int system_error, struct error *error)
{
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	case SSL_ERROR_SYSCALL:
		error_set(error, system_error ? -system_error : -ECONNRESET, "%s: %s", c->name,
			system_error ? strerror(system_error) : "closed without close_notify");
		ERR_clear_error();
		break;
	default:
		explain_protocol(c, error);
	}
	c->broken = true;
	return TLS_FAILED;
}

static enum tls_status broken(const struct tls_connection *c, struct error *error)
{
	error_set(error, -ENOTCONN, "%s: the connection has failed before", c->name);
	return TLS_FAILED;
}

static void prepare_call(void)
{
	ERR_clear_error(); // SSL_get_error() looks at what others may have left there
	errno = 0;
}

static void note_peer(struct tls_connection *c)
{
	const X509 *cert = SSL_get0_peer_certificate(c->ssl);
	if (!cert)
		return;
	X509_NAME_oneline(X509_get_subject_name(cert), c->subject, sizeof c->subject);
	c->not_after = tls_time(X509_get0_notAfter(cert));
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *text = serial ? BN_bn2hex(serial) : NULL;
	snprintf(c->serial, sizeof c->serial, "%s", text ? text : "");
	OPENSSL_free(text);
	BN_free(serial);
}

enum tls_status tls_handshake(struct tls_connection *c, struct error *error)
{
	if (c->broken)
		return broken(c, error);
	prepare_call();
	int result = SSL_do_handshake(c->ssl);
	if (result != 1)
		return status_of(c, result, errno, error);
	if (c->has_pin && !c->pin_met) { // whatever OpenSSL thought of calling
		error_set(error, -EACCES, "%s: its public key was not looked at", c->name);
		c->broken = true;
		return TLS_FAILED;
	}
	c->established = true;
	note_peer(c);
	return TLS_DONE;
}

enum tls_status tls_read(
	struct tls_connection *c, void *to, size_t cap, size_t *count, struct error *error)
{
	if (c->broken)
		return broken(c, error);
	prepare_call();
	size_t moved = 0;
	int result = SSL_read_ex(c->ssl, to, cap, &moved);
	if (result != 1)
		return status_of(c, result, errno, error);
	c->heard = true;
	*count = moved;
	return TLS_DONE;
}

// OpenSSL 3.0 leaves the AEAD limits to us. Not while a record is on its way: the limit leaves room for that.
static enum tls_status renew_key(struct tls_connection *c, struct error *error)
{
	if (c->records < c->context->key_records || c->writing)
		return TLS_DONE;
	if (SSL_version(c->ssl) < TLS1_3_VERSION) {
		error_set(error, -EPROTO, "%s: TLS 1.2 keys are used up: a new connection is due",
			c->name);
		c->broken = true;
		return TLS_FAILED;
	}
	if (SSL_key_update(c->ssl, SSL_KEY_UPDATE_REQUESTED) == 1) {
		c->records = 0;
		c->key_updates++;
	}
	return TLS_DONE;
}

enum tls_status tls_write(struct tls_connection *c, struct bytes b, struct error *error)
{
	if (c->broken)
		return broken(c, error);
	prepare_call();
	if (renew_key(c, error) == TLS_FAILED)
		return TLS_FAILED;
	size_t moved = 0;
	int result = SSL_write_ex(c->ssl, b.at, b.len, &moved);
	c->writing = result != 1;
	if (result != 1)
		return status_of(c, result, errno, error);
	c->records += (b.len + RECORD_LEN - 1) / RECORD_LEN;
	return TLS_DONE;
}

enum tls_status tls_shutdown(struct tls_connection *c, struct error *error)
{
	if (c->broken)
		return broken(c, error);
	prepare_call();
	int result = SSL_shutdown(c->ssl);
	if (result >= 0) // 0: sent, the peer's has not come yet
		return TLS_DONE;
	return status_of(c, result, errno, error);
}
