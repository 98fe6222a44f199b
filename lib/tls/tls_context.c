#include "tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls_internal.h"

enum {
	KEY_RECORDS = 1 << 23, // a third of what RFC 8446 5.5 allows AES-GCM (2^24.5)
	MAX_CHAIN = 8,
	SECURITY_LEVEL = 2, // 112 bits: RSA from 2048, ECC from 224
};
_Static_assert(KEY_RECORDS <= 1 << 24, "keys must be renewed before 2^24 records");

static const char suites_13[] =
	"TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
static const char suites_12[] =
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
	"ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

const char *tls_reason(const char *otherwise)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror((int)ERR_GET_REASON(code))
	                                            : ERR_reason_error_string(code);
	ERR_clear_error();
	return reason ? reason : otherwise;
}

time_t tls_time(const ASN1_TIME *time)
{
	struct tm broken_down = {0};
	return time && ASN1_TIME_to_tm(time, &broken_down) == 1 ? timegm(&broken_down) : 0;
}

// The earliest of those seen so far.
static void note_end(time_t *earliest, const ASN1_TIME *time)
{
	time_t end = tls_time(time);
	if (end && (!*earliest || end < *earliest))
		*earliest = end;
}

static void note_own_end(struct tls_context *context)
{
	STACK_OF(X509) *chain = NULL;
	note_end(&context->expiry.own,
		X509_get0_notAfter(SSL_CTX_get0_certificate(context->ssl_ctx)));
	SSL_CTX_get0_chain_certs(context->ssl_ctx, &chain);
	for (int i = 0; i < sk_X509_num(chain); i++)
		note_end(&context->expiry.own, X509_get0_notAfter(sk_X509_value(chain, i)));
}

// Never asks a terminal: an encrypted key is an error.
static int no_passphrase(char *to, int cap, int writing, void *unused)
{
	(void)to, (void)cap, (void)writing, (void)unused;
	return -1;
}

static BIO *open_pem(const char *path, const char *what, struct error *error)
{
	if (!path || !*path) {
		error_set(error, -EINVAL, "tls: no %s file is configured", what);
		return NULL;
	}
	BIO *file = BIO_new_file(path, "re");
	if (!file) {
		int code = errno ? errno : EIO;
		ERR_clear_error();
		error_set(error, -code, "%s: cannot open the %s: %s", path, what, strerror(code));
	}
	return file;
}

// Everybody else on the host must be kept from it; a group may read (ssl-cert and like).
static int check_key_file(const char *path, BIO *file, struct error *error)
{
	FILE *stream = NULL;
	struct stat status;
	BIO_get_fp(file, &stream);
	if (!stream || fstat(fileno(stream), &status) != 0)
		return error_set(error, -EIO, "%s: cannot stat the private key", path);
	if (!S_ISREG(status.st_mode))
		return error_set(error, -EINVAL, "%s: the private key is not a regular file", path);
	if (status.st_mode & (S_IRWXO | S_IWGRP))
		return error_set(error, -EACCES,
			"%s: the private key is open to others (mode %04o): chmod 600 or 640 it",
			path, (unsigned)status.st_mode & 07777);
	return 0;
}

static int load_key(SSL_CTX *ctx, const struct tls_files *files, struct error *error)
{
	BIO *file = open_pem(files->key, "private key", error);
	if (!file)
		return -ENOENT;
	int result = check_key_file(files->key, file, error);
	if (result < 0)
		goto close_file;
	EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
	if (!key) {
		result = error_set(error, -EINVAL,
			"%s: no private key in PEM form without passphrase can be read: %s",
			files->key, tls_reason("not PEM"));
		goto close_file;
	}
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		result = error_set(error, -EINVAL,
			"%s: the private key does not belong to the certificate in %s (%s): configure the pair",
			files->key, files->cert, tls_reason("mismatch"));
	EVP_PKEY_free(key);
close_file:
	BIO_free(file);
	return result;
}

static int check_certificate(const X509 *cert, const char *path, bool server, struct error *error)
{
	char subject[128] = "";
	X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		return error_set(error, -EINVAL,
			"%s: our certificate %s has expired: install a new one", path, subject);
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0)
		return error_set(error, -EINVAL,
			"%s: our certificate %s is not yet valid: check the clock, or install one that is",
			path, subject);
	X509 *copy = X509_dup(cert); // check_purpose caches in it
	int purpose = server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT;
	bool fit = copy && X509_check_purpose(copy, purpose, 0) == 1;
	X509_free(copy);
	if (!fit)
		return error_set(error, -EINVAL,
			"%s: our certificate %s is not meant for a TLS %s: its key usage must allow it",
			path, subject, server ? "server" : "client");
	return 0;
}

static int load_certificate(
	SSL_CTX *ctx, const struct tls_files *files, bool server, struct error *error)
{
	BIO *file = open_pem(files->cert, "certificate", error);
	if (!file)
		return -ENOENT;
	BIO_free(file);
	if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
		return error_set(error, -EINVAL, "%s: not a usable certificate in PEM form: %s",
			files->cert, tls_reason("not PEM"));
	return check_certificate(SSL_CTX_get0_certificate(ctx), files->cert, server, error);
}

// PEM_read ends at the end of the file with "no start line": anything else is a damaged entry.
static int check_pem_end(const char *path, const char *what, size_t count, struct error *error)
{
	unsigned long code = ERR_peek_last_error();
	bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
	if (!end)
		return error_set(error, -EINVAL, "%s: entry %zu is not a %s in PEM form: %s", path,
			count + 1, what, tls_reason("damaged"));
	ERR_clear_error();
	if (count == 0)
		return error_set(error, -EINVAL,
			"%s: there is no %s in PEM form in it: put those of the peers' issuers there",
			path, what);
	return 0;
}

static int load_authorities(
	struct tls_context *context, const char *path, bool server, struct error *error)
{
	SSL_CTX *ctx = context->ssl_ctx;
	BIO *file = open_pem(path, "CA certificate", error);
	if (!file)
		return -ENOENT;
	size_t count = 0;
	for (X509 *cert; (cert = PEM_read_bio_X509(file, NULL, no_passphrase, NULL)); count++) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert);
		note_end(&context->expiry.authority, X509_get0_notAfter(cert));
		if (server)
			SSL_CTX_add_client_CA(ctx, cert);
		X509_free(cert);
	}
	BIO_free(file);
	return check_pem_end(path, "CA certificate", count, error);
}

static int load_revocations(struct tls_context *context, const char *path, struct error *error)
{
	BIO *file = open_pem(path, "CRL", error);
	if (!file)
		return -ENOENT;
	size_t count = 0;
	X509_STORE *store = SSL_CTX_get_cert_store(context->ssl_ctx);
	for (X509_CRL *crl; (crl = PEM_read_bio_X509_CRL(file, NULL, no_passphrase, NULL));
		count++) {
		X509_STORE_add_crl(store, crl);
		note_end(&context->expiry.revocations, X509_CRL_get0_nextUpdate(crl));
		X509_CRL_free(crl);
	}
	BIO_free(file);
	X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return check_pem_end(path, "CRL", count, error);
}

static int set_rules(SSL_CTX *ctx, enum tls_profile profile, struct error *error)
{
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	int least = profile == TLS_PROFILE_13_12 ? TLS1_2_VERSION : TLS1_3_VERSION;
	if (SSL_CTX_set_min_proto_version(ctx, least) != 1 ||
		SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_ciphersuites(ctx, suites_13) != 1 ||
		SSL_CTX_set_cipher_list(ctx, suites_12) != 1)
		return error_set(error, -ENOTSUP, "tls: this OpenSSL lacks what we need: %s",
			tls_reason("cipher suites"));
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_early_data(ctx, 0);
	// A write goes out whole; a retry may come from another place with the same octets.
	SSL_CTX_clear_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, MAX_CHAIN);
	return 0;
}

static struct tls_context *context_new(
	const struct tls_files *files, bool server, struct error *error)
{
	ERR_clear_error();
	struct tls_context *context = calloc(1, sizeof *context);
	if (!context) {
		error_set(error, -ENOMEM, "tls: no memory for a context");
		return NULL;
	}
	context->references = 1;
	context->key_records = KEY_RECORDS;
	snprintf(context->ca, sizeof context->ca, "%s", files->ca ? files->ca : "");
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	context->ssl_ctx = ctx;
	if (!ctx) {
		error_set(
			error, -ENOMEM, "tls: no memory for a context: %s", tls_reason("OpenSSL"));
		goto free_context;
	}
	SSL_CTX_set_app_data(ctx, context);
	if (set_rules(ctx, files->profile, error) < 0)
		goto free_context;
	if (load_certificate(ctx, files, server, error) < 0 || load_key(ctx, files, error) < 0)
		goto free_context;
	note_own_end(context);
	if (load_authorities(context, files->ca, server, error) < 0)
		goto free_context;
	if (files->crl && load_revocations(context, files->crl, error) < 0)
		goto free_context;
	return context;

free_context:
	tls_context_free(context);
	return NULL;
}

struct tls_context *tls_client_context_new(const struct tls_files *files, struct error *error)
{
	return context_new(files, false, error);
}

struct tls_context *tls_server_context_new(const struct tls_files *files, struct error *error)
{
	return context_new(files, true, error);
}

void tls_context_free(struct tls_context *context)
{
	if (!context || --context->references > 0)
		return;
	SSL_CTX_free(context->ssl_ctx);
	if (context->keylog)
		fclose(context->keylog);
	free(context);
}

void tls_context_expiry(const struct tls_context *context, struct tls_expiry *out)
{
	*out = context->expiry;
}

void tls_context_set_key_records(struct tls_context *context, uint64_t records)
{
	context->key_records = records;
}

static void write_keylog(const SSL *ssl, const char *line)
{
	struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	fprintf(context->keylog, "%s\n", line);
	fflush(context->keylog);
}

int tls_context_keylog(struct tls_context *context, const char *path, struct error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "a");
	if (!file) {
		int code = errno;
		if (fd >= 0)
			close(fd);
		return error_set(error, -code, "%s: cannot write session keys there: %s", path,
			strerror(code));
	}
	if (context->keylog)
		fclose(context->keylog);
	context->keylog = file;
	SSL_CTX_set_keylog_callback(context->ssl_ctx, write_keylog);
	return 0;
}
