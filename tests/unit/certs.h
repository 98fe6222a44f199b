// Certificates for tests that speak TLS: scripts/make-certs into a directory under /tmp, removed afterwards.
#ifndef X2TAP_CERTS_H
#define X2TAP_CERTS_H

#include "unit.h"

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

#endif
