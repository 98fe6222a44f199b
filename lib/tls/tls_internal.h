// What tls_context.c and tls_connection.c share.
#ifndef X2TAP_TLS_INTERNAL_H
#define X2TAP_TLS_INTERNAL_H

#include "tls.h"

#include <stdio.h>

#include <openssl/ssl.h>

struct tls_context {
	SSL_CTX *ssl_ctx;
	unsigned references; // the owner's and one of each connection
	uint64_t key_records;
	FILE *keylog;
	char ca[256]; // file name, for messages
	struct tls_expiry expiry;
};

// 0 where there is no time in it.
time_t tls_time(const ASN1_TIME *time);

// What OpenSSL has to say about the last failure, or `otherwise`. Empties its queue.
const char *tls_reason(const char *otherwise);

#endif
