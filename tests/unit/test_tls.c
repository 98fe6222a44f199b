#include "unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "certs.h"
#include "tls.h"

// ---- our two sides, talking over a socket pair

static const struct tls_peer the_mf = {.name = "mf.example.net"};

struct pair {
	struct tls_context *client_context, *server_context;
	struct tls_connection *client, *server;
	struct error client_error, server_error;
	enum tls_status client_status, server_status;
};

static void make_sockets(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

static struct tls_context *context_of(const char *name, bool server)
{
	struct error error = {0};
	struct tls_context *context =
		certs_context(&certs, name, "ca", server, TLS_PROFILE_13, &error);
	if (!context)
		fail_msg("%s", error.text);
	return context;
}

static void pair_open(struct pair *p, const char *client, const char *server, const char *name)
{
	int fds[2];
	make_sockets(fds);
	*p = (struct pair){.client_context = context_of(client, false),
		.server_context = context_of(server, true)};
	p->client = tls_connect(
		p->client_context, fds[0], &(struct tls_peer){.name = name}, &p->client_error);
	p->server = tls_accept(p->server_context, fds[1], &p->server_error);
	assert_non_null(p->client);
	assert_non_null(p->server);
	p->client_status = p->server_status = TLS_WANT_READ;
}

static void pair_close(struct pair *p)
{
	tls_connection_free(p->client);
	tls_connection_free(p->server);
	tls_context_free(p->client_context);
	tls_context_free(p->server_context);
}

static bool is_waiting(enum tls_status status)
{
	return status == TLS_WANT_READ || status == TLS_WANT_WRITE;
}

static void pair_handshake(struct pair *p)
{
	for (int i = 0; i < 20; i++) {
		if (is_waiting(p->client_status))
			p->client_status = tls_handshake(p->client, &p->client_error);
		if (is_waiting(p->server_status))
			p->server_status = tls_handshake(p->server, &p->server_error);
	}
}

static void pair_up(struct pair *p)
{
	pair_open(p, "ne", "mf", "mf.example.net");
	pair_handshake(p);
	assert_int_equal(p->client_status, TLS_DONE);
	assert_int_equal(p->server_status, TLS_DONE);
}

static void both_sides_know_each_other_after_a_handshake(void **state)
{
	(void)state;
	struct pair p;
	pair_up(&p);
	assert_string_equal(tls_version_name(p.client), "TLSv1.3");
	assert_non_null(strstr(tls_peer_name(p.server), "x2tap test ne"));
	assert_non_null(strstr(tls_peer_name(p.client), "x2tap test mf"));
	pair_close(&p);
}

static void octets_arrive_and_close_notify_ends_it(void **state)
{
	(void)state;
	struct pair p;
	uint8_t got[64];
	size_t count = 0;
	pair_up(&p);
	assert_int_equal(tls_read(p.server, got, sizeof got, &count, NULL), TLS_WANT_READ);
	assert_int_equal(tls_write(p.client, bytes_of_text("four"), NULL), TLS_DONE);
	assert_int_equal(tls_read(p.server, got, sizeof got, &count, NULL), TLS_DONE);
	assert_int_equal(count, 4);
	assert_memory_equal(got, "four", 4);
	assert_int_equal(tls_shutdown(p.client, NULL), TLS_DONE);
	assert_int_equal(tls_read(p.server, got, sizeof got, &count, NULL), TLS_CLOSED);
	pair_close(&p);
}

static void a_cut_without_close_notify_is_a_failure(void **state)
{
	(void)state;
	struct pair p;
	struct error error = {0};
	uint8_t got[64];
	size_t count;
	pair_up(&p);
	tls_connection_free(p.client);
	p.client = NULL;
	assert_int_equal(tls_read(p.server, got, sizeof got, &count, &error), TLS_FAILED);
	assert_int_equal(error.code, -ECONNRESET);
	assert_non_null(strstr(error.text, "close_notify"));
	assert_int_equal(tls_write(p.server, bytes_of_text("x"), &error), TLS_FAILED);
	pair_close(&p);
}

static void a_client_knows_that_it_was_accepted_only_when_the_server_spoke(void **state)
{
	(void)state;
	struct pair p;
	uint8_t got[64];
	size_t count;
	pair_up(&p);
	assert_true(tls_peer_accepted_us(p.server));
	assert_int_equal(tls_read(p.client, got, sizeof got, &count, NULL), TLS_WANT_READ);
	assert_false(tls_peer_accepted_us(p.client));
	assert_int_equal(tls_write(p.server, bytes_of_text("hello"), NULL), TLS_DONE);
	assert_int_equal(tls_read(p.client, got, sizeof got, &count, NULL), TLS_DONE);
	assert_true(tls_peer_accepted_us(p.client));
	pair_close(&p);
}

static void a_context_may_go_before_its_connections(void **state)
{
	(void)state;
	struct pair p;
	uint8_t got[64];
	size_t count;
	pair_up(&p);
	tls_context_free(p.client_context);
	tls_context_free(p.server_context);
	p.client_context = p.server_context = NULL;
	assert_int_equal(tls_write(p.client, bytes_of_text("still here"), NULL), TLS_DONE);
	assert_int_equal(tls_read(p.server, got, sizeof got, &count, NULL), TLS_DONE);
	pair_close(&p);
}

static void expect_client_refusal(const char *name, const char *says)
{
	struct pair p;
	pair_open(&p, "ne", "mf", name);
	pair_handshake(&p);
	assert_int_equal(p.client_status, TLS_FAILED);
	if (!strstr(p.client_error.text, says))
		fail_msg("\"%s\" does not say \"%s\"", p.client_error.text, says);
	assert_int_equal(p.server_status, TLS_FAILED);
	pair_close(&p);
}

static void a_certificate_without_the_configured_name_is_refused(void **state)
{
	(void)state;
	expect_client_refusal("other.example.net", "ostname mismatch");
	expect_client_refusal("example.net", "tls_name");
	expect_client_refusal("127.0.0.2", "address mismatch");
	expect_client_refusal("::2", "address mismatch");
	expect_client_refusal(
		"x2tap test mf", "ostname mismatch"); // the common name does not count
}

static void an_address_in_the_certificate_serves_as_name(void **state)
{
	(void)state;
	static const char *const names[] = {
		"127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "localhost", "MF.example.NET"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct pair p;
		pair_open(&p, "ne", "mf", names[i]);
		pair_handshake(&p);
		assert_int_equal(p.client_status, TLS_DONE);
		pair_close(&p);
	}
}

// ---- the pin

// How a client whose pin is that of certificate `pinned` fares with a server of certificate `server`.
static enum tls_status client_pins(const char *pinned, const char *server, struct error *error,
	bool *seen_by_server, bool *on_certificate)
{
	struct pair p;
	struct tls_peer peer = {.name = "mf.example.net", .has_pin = true};
	int fds[2];
	certs_pin(&certs, pinned, peer.pin);
	make_sockets(fds);
	p = (struct pair){.client_context = context_of("ne", false),
		.server_context = context_of(server, true),
		.client_status = TLS_WANT_READ,
		.server_status = TLS_WANT_READ};
	p.client = tls_connect(p.client_context, fds[0], &peer, error);
	p.server = tls_accept(p.server_context, fds[1], &p.server_error);
	pair_handshake(&p);
	*error = p.client_error;
	*seen_by_server = tls_peer_name(p.server)[0] != '\0';
	*on_certificate = tls_failed_on_certificate(p.client);
	if (p.client_status == TLS_FAILED) { // and stays so
		assert_int_equal(tls_write(p.client, bytes_of_text("x"), NULL), TLS_FAILED);
		assert_int_equal(p.server_status, TLS_FAILED);
	}
	enum tls_status status = p.client_status;
	pair_close(&p);
	return status;
}

static void a_pinned_key_must_be_the_peers(void **state)
{
	(void)state;
	struct error error;
	bool seen, on_certificate;
	assert_int_equal(client_pins("mf", "mf", &error, &seen, &on_certificate), TLS_DONE);
	assert_true(seen);
	assert_false(on_certificate);
	// Another certificate of the same CA and names: refused before ours is shown.
	assert_int_equal(
		client_pins("mf-revoked", "mf", &error, &seen, &on_certificate), TLS_FAILED);
	assert_non_null(strstr(error.text, "pinned"));
	assert_int_equal(error.code, -EACCES);
	assert_false(seen);
	assert_true(on_certificate);
}

static void a_pin_is_no_substitute_for_chain_and_name(void **state)
{
	(void)state;
	struct error error;
	bool seen, on_certificate;
	assert_int_equal(
		client_pins("mf-wrong-name", "mf-wrong-name", &error, &seen, &on_certificate),
		TLS_FAILED);
	assert_non_null(strstr(error.text, "ostname mismatch"));
	assert_int_equal(client_pins("mf-wrong-ca", "mf-wrong-ca", &error, &seen, &on_certificate),
		TLS_FAILED);
	assert_non_null(strstr(error.text, "must chain"));
	assert_true(on_certificate);
}

static void serial_suite_and_end_of_the_peer_are_known_after_the_handshake(void **state)
{
	(void)state;
	struct pair p;
	char command[512], path[CERTS_PATH], line[128] = "";
	pair_open(&p, "ne", "mf", "mf.example.net");
	assert_string_equal(tls_peer_serial(p.client), "");
	assert_string_equal(tls_suite_name(p.client), "");
	assert_int_equal(tls_peer_not_after(p.client), 0);
	pair_handshake(&p);
	snprintf(command, sizeof command,
		"cd %s && openssl x509 -in mf.pem -noout -serial >mf.serial", certs.dir);
	certs_run(command);
	certs_path(&certs, "mf", ".serial", path);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof line, file));
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(tls_peer_serial(p.client), line + strlen("serial="));
	assert_string_equal(tls_suite_name(p.client), "TLS_AES_256_GCM_SHA384");
	assert_in_range((tls_peer_not_after(p.client) - time(NULL)) / 86400, 3648, 3650);
	pair_close(&p);
}

static void a_wildcard_stands_for_a_whole_label_only(void **state)
{
	(void)state;
	struct certs usual = certs;
	struct pair p;
	certs_make(&certs, "--san 'DNS:*.whole.example.net,DNS:m*.part.example.net'");
	pair_open(&p, "ne", "mf", "mf.whole.example.net");
	pair_handshake(&p);
	assert_int_equal(p.client_status, TLS_DONE);
	pair_close(&p);
	expect_client_refusal("mf.part.example.net", "ostname mismatch");
	certs_remove(&certs);
	certs = usual;
}

static void no_name_is_no_connection(void **state)
{
	(void)state;
	struct tls_context *context = context_of("ne", false);
	struct error error;
	int fds[2];
	make_sockets(fds);
	assert_null(tls_connect(context, fds[0], &(struct tls_peer){.name = ""}, &error));
	assert_int_equal(close(fds[0]), -1); // it was ours no longer
	close(fds[1]);
	tls_context_free(context);
}

static void a_client_of_another_ca_is_refused_after_its_handshake(void **state)
{
	(void)state;
	struct pair p;
	uint8_t got[64];
	size_t count;
	pair_open(&p, "ne-wrong-ca", "mf", "mf.example.net");
	tls_context_free(p.client_context);
	pair_handshake(&p);
	p.client_context = NULL;
	assert_int_equal(p.client_status, TLS_DONE); // TLS 1.3
	assert_int_equal(p.server_status, TLS_FAILED);
	assert_false(tls_peer_accepted_us(p.client));
	assert_int_equal(tls_read(p.client, got, sizeof got, &count, &p.client_error), TLS_FAILED);
	assert_non_null(strstr(p.client_error.text, "refused us"));
	assert_non_null(strstr(p.client_error.text, "our certificate"));
	assert_true(tls_failed_on_certificate(p.client));
	assert_false(tls_peer_accepted_us(p.client));
	pair_close(&p);
}

static void a_slow_reader_gets_every_octet_of_retried_writes(void **state)
{
	(void)state;
	enum { RECORDS = 400, LEN = 8192 };
	struct pair p;
	uint8_t *block = malloc(LEN), got[4096];
	size_t sent = 0, seen = 0, count, retries = 0;
	pair_up(&p);
	while (seen < (size_t)RECORDS * LEN) {
		while (sent < RECORDS) {
			uint8_t *moved = malloc(LEN); // the same octets from elsewhere
			free(block);
			block = moved;
			memset(block, (int)(sent & 255), LEN);
			enum tls_status status = tls_write(p.client, bytes_of(block, LEN), NULL);
			if (status != TLS_DONE) {
				assert_int_equal(status, TLS_WANT_WRITE);
				retries++;
				break;
			}
			sent++;
		}
		for (int i = 0;
			i < 7 && tls_read(p.server, got, sizeof got, &count, NULL) == TLS_DONE;
			i++) {
			for (size_t k = 0; k < count; k++)
				assert_int_equal(got[k], (seen + k) / LEN & 255);
			seen += count;
		}
	}
	assert_true(retries > 0);
	free(block);
	pair_close(&p);
}

static void keys_are_renewed_before_they_are_used_up(void **state)
{
	(void)state;
	struct pair p;
	char got[64];
	size_t count;
	pair_up(&p);
	tls_context_set_key_records(p.client_context, 4);
	for (int i = 0; i < 21; i++) {
		assert_int_equal(tls_write(p.client, bytes_of_text("record"), NULL), TLS_DONE);
		assert_int_equal(tls_read(p.server, got, sizeof got, &count, NULL), TLS_DONE);
		assert_int_equal(count, 6);
		assert_int_equal(tls_write(p.server, bytes_of_text("back"), NULL), TLS_DONE);
		assert_int_equal(tls_read(p.client, got, sizeof got, &count, NULL), TLS_DONE);
		assert_int_equal(count, 4);
	}
	assert_int_equal(tls_key_updates(p.client), 5);
	pair_close(&p);
}

static void session_keys_are_written_on_request(void **state)
{
	(void)state;
	struct pair p;
	char path[CERTS_PATH], line[512] = "";
	certs_path(&certs, "keys", ".log", path);
	pair_open(&p, "ne", "mf", "mf.example.net");
	assert_int_equal(tls_context_keylog(p.server_context, path, NULL), 0);
	pair_handshake(&p);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(line, sizeof line, file));
	assert_non_null(strstr(line, "SECRET"));
	fclose(file);
	pair_close(&p);
}

// ---- other people's servers and clients, made with OpenSSL itself

struct peer {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static SSL_CTX *peer_context(bool server, const char *name)
{
	char path[CERTS_PATH];
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	certs_path(&certs, name, ".pem", path);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path), 1);
	certs_path(&certs, name, ".key", path);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
	certs_path(&certs, "ca", ".pem", path);
	SSL_CTX_load_verify_locations(ctx, path, NULL);
	if (server)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return ctx;
}

static void peer_open(struct peer *p, SSL_CTX *ctx, bool server, int fd)
{
	*p = (struct peer){ctx, SSL_new(ctx), fd};
	SSL_set_fd(p->ssl, fd);
	if (server)
		SSL_set_accept_state(p->ssl);
	else
		SSL_set_connect_state(p->ssl);
}

static void peer_close(struct peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	close(p->fd);
}

// Our client against a server of `ctx`; returns how the client's handshake went.
static enum tls_status client_expects(const struct tls_peer *expected, SSL_CTX *ctx,
	struct tls_context *ours, struct error *error, bool *accepted)
{
	int fds[2];
	struct peer peer;
	enum tls_status status = TLS_WANT_READ;
	uint8_t got[64];
	size_t count;
	make_sockets(fds);
	peer_open(&peer, ctx, true, fds[1]);
	struct tls_connection *c = tls_connect(ours, fds[0], expected, error);
	for (int i = 0; i < 20; i++) {
		if (is_waiting(status))
			status = tls_handshake(c, error);
		ERR_clear_error();
		SSL_do_handshake(peer.ssl);
		ERR_clear_error();
	}
	if (status == TLS_DONE)
		tls_read(c, got, sizeof got, &count, error);
	*accepted = tls_peer_accepted_us(c);
	tls_connection_free(c);
	peer_close(&peer);
	return status;
}

static enum tls_status client_meets(
	SSL_CTX *ctx, struct tls_context *ours, struct error *error, bool *accepted)
{
	return client_expects(&the_mf, ctx, ours, error, accepted);
}

static void expect_server_refused(const char *name, const char *says)
{
	struct tls_context *ours = context_of("ne", false);
	struct error error = {0};
	bool accepted;
	assert_int_equal(
		client_meets(peer_context(true, name), ours, &error, &accepted), TLS_FAILED);
	assert_false(accepted);
	if (!strstr(error.text, says))
		fail_msg("\"%s\" does not say \"%s\"", error.text, says);
	tls_context_free(ours);
}

static void a_server_certificate_that_is_not_good_is_refused(void **state)
{
	(void)state;
	expect_server_refused("mf-wrong-ca", "it must chain");
	expect_server_refused("mf-wrong-name", "ostname mismatch");
	expect_server_refused("mf-expired", "expired");
	expect_server_refused("mf-not-yet-valid", "not yet valid");
	expect_server_refused("mf-wrong-purpose", "purpose");
}

static void a_revoked_certificate_is_refused_where_a_crl_is_configured(void **state)
{
	(void)state;
	struct error error = {0};
	bool accepted;
	struct tls_context *with = certs_client_with_crl(&certs, "crl", &error);
	struct tls_context *without = context_of("ne", false);
	assert_non_null(with);
	assert_int_equal(client_meets(peer_context(true, "mf-revoked"), with, &error, &accepted),
		TLS_FAILED);
	assert_non_null(strstr(error.text, "revoked"));
	assert_int_equal(client_meets(peer_context(true, "mf"), with, &error, &accepted), TLS_DONE);
	assert_int_equal(client_meets(peer_context(true, "mf-revoked"), without, &error, &accepted),
		TLS_DONE);
	tls_context_free(with);
	tls_context_free(without);
}

static void versions_and_suites_below_the_profile_are_refused(void **state)
{
	(void)state;
	struct error error = {0};
	bool accepted;
	struct tls_context *strict = context_of("ne", false);
	struct tls_context *wide =
		certs_context(&certs, "ne", "ca", false, TLS_PROFILE_13_12, &error);
	assert_non_null(wide);

	SSL_CTX *old = peer_context(true, "mf");
	SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
	SSL_CTX_up_ref(old);
	assert_int_equal(client_meets(old, strict, &error, &accepted), TLS_FAILED);
	assert_int_equal(client_meets(old, wide, &error, &accepted), TLS_FAILED);

	SSL_CTX *tls12 = peer_context(true, "mf");
	SSL_CTX_set_max_proto_version(tls12, TLS1_2_VERSION);
	SSL_CTX_up_ref(tls12);
	assert_int_equal(client_meets(tls12, strict, &error, &accepted), TLS_FAILED);
	assert_int_equal(client_meets(tls12, wide, &error, &accepted), TLS_DONE);
	assert_true(accepted); // TLS 1.2: the server finishes last

	SSL_CTX *cbc = peer_context(true, "mf");
	SSL_CTX_set_max_proto_version(cbc, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(cbc, "ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0");
	assert_int_equal(client_meets(cbc, wide, &error, &accepted), TLS_FAILED);
	tls_context_free(strict);
	tls_context_free(wide);
}

struct updates {
	unsigned key_updates, records; // that came: KeyUpdate messages, records of application data
	uint64_t most;                 // records between two updates
	unsigned since;
};

static void count_updates(int outgoing, int version, int type, const void *message, size_t len,
	SSL *ssl, void *argument)
{
	struct updates *u = argument;
	(void)version, (void)ssl;
	if (outgoing)
		return;
	if (type == SSL3_RT_HANDSHAKE && len > 0 &&
		*(const uint8_t *)message == SSL3_MT_KEY_UPDATE) {
		u->key_updates++;
		u->since = 0;
	} else if (type == SSL3_RT_INNER_CONTENT_TYPE && len == 1 &&
		   *(const uint8_t *)message == SSL3_RT_APPLICATION_DATA) {
		u->records++;
		if (++u->since > u->most)
			u->most = u->since;
	}
}

// What our client writes with a limit of 4 records to a server of `version`. Returns how many it wrote.
static unsigned write_to_the_limit(int version, struct updates *u, enum tls_status *status)
{
	struct error error = {0};
	struct tls_context *ours =
		certs_context(&certs, "ne", "ca", false, TLS_PROFILE_13_12, &error);
	SSL_CTX *ctx = peer_context(true, "mf");
	struct peer peer;
	int fds[2];
	char got[64];
	unsigned written = 0;
	SSL_CTX_set_max_proto_version(ctx, version);
	tls_context_set_key_records(ours, 4);
	make_sockets(fds);
	peer_open(&peer, ctx, true, fds[1]);
	SSL_set_msg_callback(peer.ssl, count_updates);
	SSL_set_msg_callback_arg(peer.ssl, u);
	struct tls_connection *c = tls_connect(ours, fds[0], &the_mf, &error);
	for (int i = 0; i < 20; i++) {
		tls_handshake(c, &error);
		SSL_do_handshake(peer.ssl);
		ERR_clear_error();
	}
	for (*status = TLS_DONE; written < 21; written++) {
		*status = tls_write(c, bytes_of_text("record"), &error);
		if (*status != TLS_DONE)
			break;
		assert_int_equal(SSL_read(peer.ssl, got, sizeof got), 6);
	}
	tls_connection_free(c);
	peer_close(&peer);
	tls_context_free(ours);
	return written;
}

static void a_server_sees_key_updates_in_time(void **state)
{
	(void)state;
	struct updates u = {0};
	enum tls_status status;
	assert_int_equal(write_to_the_limit(TLS1_3_VERSION, &u, &status), 21);
	assert_int_equal(status, TLS_DONE);
	assert_int_equal(u.records, 21);
	assert_int_equal(u.key_updates, 5);
	assert_int_equal(u.most, 4);
}

static void in_tls_1_2_a_connection_ends_with_its_keys(void **state)
{
	(void)state;
	struct updates u = {0};
	enum tls_status status;
	assert_int_equal(write_to_the_limit(TLS1_2_VERSION, &u, &status), 4);
	assert_int_equal(status, TLS_FAILED);
}

static void a_pin_holds_in_tls_1_2_too(void **state)
{
	(void)state;
	static const char *const pinned[] = {"mf", "mf-revoked"};
	struct error error = {0};
	struct tls_context *wide =
		certs_context(&certs, "ne", "ca", false, TLS_PROFILE_13_12, &error);
	for (size_t i = 0; i < 2; i++) {
		struct tls_peer expected = {.name = "mf.example.net", .has_pin = true};
		certs_pin(&certs, pinned[i], expected.pin);
		SSL_CTX *tls12 = peer_context(true, "mf");
		SSL_CTX_set_max_proto_version(tls12, TLS1_2_VERSION);
		bool accepted;
		assert_int_equal(client_expects(&expected, tls12, wide, &error, &accepted),
			i == 0 ? TLS_DONE : TLS_FAILED);
		assert_int_equal(accepted, i == 0);
	}
	tls_context_free(wide);
}

static void a_session_ticket_shows_that_the_server_accepted_us(void **state)
{
	(void)state;
	struct tls_context *ours = context_of("ne", false);
	struct error error = {0};
	bool accepted;
	assert_int_equal(client_meets(peer_context(true, "mf"), ours, &error, &accepted), TLS_DONE);
	assert_true(accepted);
	tls_context_free(ours);
}

static void a_peer_without_tls_is_refused(void **state)
{
	(void)state;
	struct tls_context *ours = context_of("ne", false);
	struct error error = {0};
	int fds[2];
	make_sockets(fds);
	struct tls_connection *c = tls_connect(ours, fds[0], &the_mf, &error);
	assert_int_equal(tls_handshake(c, &error), TLS_WANT_READ);
	assert_int_equal(write(fds[1], "220 mf.example.net ready\r\n", 26), 26);
	assert_int_equal(tls_handshake(c, &error), TLS_FAILED);
	assert_non_null(strstr(error.text, "does not speak TLS"));
	assert_false(tls_failed_on_certificate(c));
	tls_connection_free(c);
	tls_context_free(ours);
	close(fds[1]);
}

// A client of `ctx` meets our server; returns how our handshake went, and whether a session was taken up again.
static enum tls_status server_meets(SSL_CTX *ctx, SSL_SESSION **session, bool *reused)
{
	struct tls_context *ours = context_of("mf", true);
	struct error error = {0};
	struct peer peer;
	int fds[2];
	enum tls_status status = TLS_WANT_READ;
	char got[8];
	make_sockets(fds);
	peer_open(&peer, ctx, false, fds[1]);
	if (*session)
		SSL_set_session(peer.ssl, *session);
	struct tls_connection *c = tls_accept(ours, fds[0], &error);
	for (int i = 0; i < 20; i++) {
		SSL_do_handshake(peer.ssl);
		ERR_clear_error();
		if (is_waiting(status))
			status = tls_handshake(c, &error);
	}
	if (status == TLS_DONE)
		tls_write(c, bytes_of_text("hello"), &error);
	SSL_read(peer.ssl, got, sizeof got);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(peer.ssl);
	*reused = SSL_session_reused(peer.ssl);
	SSL_set_quiet_shutdown(peer.ssl, 1);
	SSL_shutdown(peer.ssl);
	tls_connection_free(c);
	peer_close(&peer);
	tls_context_free(ours);
	return status;
}

static void our_server_resumes_no_session(void **state)
{
	(void)state;
	SSL_SESSION *session = NULL;
	bool reused;
	SSL_CTX *ctx = peer_context(false, "ne");
	SSL_CTX_up_ref(ctx);
	assert_int_equal(server_meets(ctx, &session, &reused), TLS_DONE);
	assert_false(SSL_SESSION_is_resumable(session));
	assert_int_equal(server_meets(ctx, &session, &reused), TLS_DONE);
	assert_false(reused);
	SSL_SESSION_free(session);
}

static void our_server_wants_a_client_certificate(void **state)
{
	(void)state;
	SSL_SESSION *session = NULL;
	bool reused;
	assert_int_equal(
		server_meets(peer_context(false, "ne-wrong-ca"), &session, &reused), TLS_FAILED);
	assert_int_equal(
		server_meets(peer_context(false, "ne-expired"), &session, &reused), TLS_FAILED);
	assert_int_equal(
		server_meets(SSL_CTX_new(TLS_client_method()), &session, &reused), TLS_FAILED);
	SSL_SESSION_free(session);
}

// ---- files

static void expect_no_context(const char *cert, const char *key, const char *ca, const char *says)
{
	char paths[3][CERTS_PATH];
	struct error error = {0};
	certs_path(&certs, cert, "", paths[0]);
	certs_path(&certs, key, "", paths[1]);
	certs_path(&certs, ca, "", paths[2]);
	struct tls_files files = {paths[0], paths[1], paths[2], NULL, TLS_PROFILE_13};
	assert_null(tls_client_context_new(&files, &error));
	assert_true(error.code < 0);
	if (!strstr(error.text, says) || !strstr(error.text, certs.dir))
		fail_msg("\"%s\" does not say \"%s\" and the file", error.text, says);
}

static void write_file(const char *name, const char *text, mode_t mode)
{
	char path[CERTS_PATH];
	certs_path(&certs, name, "", path);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static void bad_files_are_named_with_what_is_wrong(void **state)
{
	(void)state;
	char command[512];
	write_file("empty.pem", "", 0600);
	write_file("text.pem", "certainly not PEM\n", 0600);
	write_file("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		0600);
	snprintf(command, sizeof command,
		"cd %s && cp ne.key open.key && chmod 644 open.key &&"
		" openssl pkey -in ne.key -aes128 -passout pass:secret -out locked.key && chmod 600 locked.key",
		certs.dir);
	certs_run(command);

	expect_no_context("absent.pem", "ne.key", "ca.pem", "No such file");
	expect_no_context("ne.pem", "absent.key", "ca.pem", "No such file");
	expect_no_context("ne.pem", "ne.key", "absent.pem", "No such file");
	expect_no_context("text.pem", "ne.key", "ca.pem", "not a usable certificate");
	expect_no_context("ne.pem", "text.pem", "ca.pem", "no private key");
	expect_no_context("ne.pem", "locked.key", "ca.pem", "without passphrase");
	expect_no_context("ne.pem", "open.key", "ca.pem", "open to others");
	expect_no_context("ne.pem", "mf.key", "ca.pem", "does not belong");
	expect_no_context("ne.pem", "ne.key", "empty.pem", "no CA certificate");
	expect_no_context("ne.pem", "ne.key", "damaged.pem", "entry 1");
	expect_no_context("ne-expired.pem", "ne-expired.key", "ca.pem", "has expired");
	expect_no_context(
		"ne-not-yet-valid.pem", "ne-not-yet-valid.key", "ca.pem", "not yet valid");
	expect_no_context("mf.pem", "mf.key", "ca.pem", "not meant for a TLS client");
}

static void a_crl_file_without_a_crl_is_an_error(void **state)
{
	(void)state;
	struct error error = {0};
	assert_null(certs_client_with_crl(&certs, "ca", &error));
	assert_non_null(strstr(error.text, "no CRL"));
	assert_null(certs_client_with_crl(&certs, "absent", &error));
}

static long days_until(time_t when)
{
	return (when - time(NULL)) / 86400;
}

static void a_context_knows_when_what_is_in_it_ends(void **state)
{
	(void)state;
	struct error error = {0};
	struct tls_expiry expiry;
	struct tls_context *context = context_of("ne", false);
	tls_context_expiry(context, &expiry);
	assert_in_range(days_until(expiry.own), 3648, 3650);
	assert_in_range(days_until(expiry.authority), 3648, 3650);
	assert_int_equal(expiry.revocations, 0);
	tls_context_free(context);
	context = certs_client_with_crl(&certs, "crl", &error);
	assert_non_null(context);
	tls_context_expiry(context, &expiry);
	assert_in_range(days_until(expiry.revocations), 3648, 3650);
	tls_context_free(context);
}

static void of_many_the_one_that_ends_first_counts(void **state)
{
	(void)state;
	char command[1024], cert[CERTS_PATH], key[CERTS_PATH], ca[CERTS_PATH];
	struct error error = {0};
	struct tls_expiry expiry;
	// An authority of three days beside one of ten years, and in our own chain.
	snprintf(command, sizeof command,
		"cd %s && openssl req -x509 -new -key ca.key -subj '/CN=x2tap test soon' -days 3 -out soon.pem"
		" && cat ca.pem soon.pem >two.pem && cat ne.pem soon.pem >chain.pem"
		" && cp ne.key chain.key",
		certs.dir);
	certs_run(command);
	certs_path(&certs, "chain", ".pem", cert);
	certs_path(&certs, "chain", ".key", key);
	certs_path(&certs, "two", ".pem", ca);
	struct tls_files files = {cert, key, ca, NULL, TLS_PROFILE_13};
	struct tls_context *context = tls_client_context_new(&files, &error);
	assert_non_null(context);
	tls_context_expiry(context, &expiry);
	assert_in_range(days_until(expiry.own), 2, 3);
	assert_in_range(days_until(expiry.authority), 2, 3);
	tls_context_free(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_know_each_other_after_a_handshake),
		cmocka_unit_test(octets_arrive_and_close_notify_ends_it),
		cmocka_unit_test(a_cut_without_close_notify_is_a_failure),
		cmocka_unit_test(a_client_knows_that_it_was_accepted_only_when_the_server_spoke),
		cmocka_unit_test(a_context_may_go_before_its_connections),
		cmocka_unit_test(a_certificate_without_the_configured_name_is_refused),
		cmocka_unit_test(an_address_in_the_certificate_serves_as_name),
		cmocka_unit_test(a_wildcard_stands_for_a_whole_label_only),
		cmocka_unit_test(a_pinned_key_must_be_the_peers),
		cmocka_unit_test(a_pin_is_no_substitute_for_chain_and_name),
		cmocka_unit_test(a_server_sees_key_updates_in_time),
		cmocka_unit_test(in_tls_1_2_a_connection_ends_with_its_keys),
		cmocka_unit_test(a_pin_holds_in_tls_1_2_too),
		cmocka_unit_test(serial_suite_and_end_of_the_peer_are_known_after_the_handshake),
		cmocka_unit_test(no_name_is_no_connection),
		cmocka_unit_test(a_client_of_another_ca_is_refused_after_its_handshake),
		cmocka_unit_test(a_slow_reader_gets_every_octet_of_retried_writes),
		cmocka_unit_test(keys_are_renewed_before_they_are_used_up),
		cmocka_unit_test(session_keys_are_written_on_request),
		cmocka_unit_test(a_server_certificate_that_is_not_good_is_refused),
		cmocka_unit_test(a_revoked_certificate_is_refused_where_a_crl_is_configured),
		cmocka_unit_test(versions_and_suites_below_the_profile_are_refused),
		cmocka_unit_test(a_session_ticket_shows_that_the_server_accepted_us),
		cmocka_unit_test(a_peer_without_tls_is_refused),
		cmocka_unit_test(our_server_resumes_no_session),
		cmocka_unit_test(our_server_wants_a_client_certificate),
		cmocka_unit_test(bad_files_are_named_with_what_is_wrong),
		cmocka_unit_test(a_crl_file_without_a_crl_is_an_error),
		cmocka_unit_test(a_context_knows_when_what_is_in_it_ends),
		cmocka_unit_test(of_many_the_one_that_ends_first_counts),
	};
	return cmocka_run_group_tests_name("tls", tests, certs_set_up, certs_tear_down);
}
