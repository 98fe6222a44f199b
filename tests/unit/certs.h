// Certificates for tests that speak TLS: scripts/make-certs into a directory under /tmp, removed afterwards.
#ifndef X2TAP_CERTS_H
#define X2TAP_CERTS_H

#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tls.h"

enum { CERTS_PATH = 256 };

struct certs {
	char dir[64];
};

static inline void certs_run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s failed", command);
}

// `options` such as "--tests".
static inline void certs_make(struct certs *c, const char *options)
{
	const char *source = getenv("X2TAP_SOURCE");
	char command[1024];
	snprintf(c->dir, sizeof c->dir, "/tmp/x2tap-certs-XXXXXX");
	assert_non_null(mkdtemp(c->dir));
	snprintf(command, sizeof command, "%s/scripts/make-certs %s %s", source ? source : "..",
		c->dir, options);
	certs_run(command);
}

static inline void certs_remove(struct certs *c)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", c->dir);
	certs_run(command);
}

static inline void certs_path(
	const struct certs *c, const char *name, const char *end, char out[static CERTS_PATH])
{
	snprintf(out, CERTS_PATH, "%s/%s%s", c->dir, name, end);
}

// A program's test certificates, made once since a key takes its time: set-up and tear-down of its group of tests.
static struct certs certs;

static inline int certs_set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	certs_make(&certs, "--tests");
	return 0;
}

static inline int certs_tear_down(void **state)
{
	(void)state;
	certs_remove(&certs);
	return 0;
}

// What one would configure as pin of certificate `name`, as the openssl command finds it.
static inline void certs_pin(
	const struct certs *c, const char *name, uint8_t out[static TLS_PIN_LEN])
{
	char command[1024], path[CERTS_PATH];
	snprintf(command, sizeof command,
		"cd %s && openssl x509 -in %s.pem -noout -pubkey | openssl pkey -pubin -outform DER |"
		" openssl dgst -sha256 -binary >%s.pin",
		c->dir, name, name);
	certs_run(command);
	certs_path(c, name, ".pin", path);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fread(out, 1, TLS_PIN_LEN, file), TLS_PIN_LEN);
	fclose(file);
}

// A context of certificate `name` that trusts `ca`; NULL with `error`.
static inline struct tls_context *certs_context(const struct certs *c, const char *name,
	const char *ca, bool server, enum tls_profile profile, struct error *error)
{
	char cert[CERTS_PATH], key[CERTS_PATH], authority[CERTS_PATH];
	certs_path(c, name, ".pem", cert);
	certs_path(c, name, ".key", key);
	certs_path(c, ca, ".pem", authority);
	struct tls_files files = {cert, key, authority, NULL, profile};
	return server ? tls_server_context_new(&files, error)
	              : tls_client_context_new(&files, error);
}

// Our client's context, which looks into CRL `crl` (NULL: none); NULL with `error`.
static inline struct tls_context *certs_client_with_crl(
	const struct certs *c, const char *crl, struct error *error)
{
	char cert[CERTS_PATH], key[CERTS_PATH], ca[CERTS_PATH], revoked[CERTS_PATH];
	certs_path(c, "ne", ".pem", cert);
	certs_path(c, "ne", ".key", key);
	certs_path(c, "ca", ".pem", ca);
	certs_path(c, crl ? crl : "", ".pem", revoked);
	struct tls_files files = {cert, key, ca, crl ? revoked : NULL, TLS_PROFILE_13};
	return tls_client_context_new(&files, error);
}

#endif
