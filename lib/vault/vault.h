// Secrets at rest, over OpenSSL: the master key, keys derived from it, and what is sealed under them.
//
// AES-256-GCM for records, AES-256 key wrap (RFC 3394) for keys, HKDF-SHA256 (RFC 5869) for derived keys. Whoever holds a key
// wipes it. Any thread; one sealer at a time on one thread.
#ifndef X2TAP_VAULT_H
#define X2TAP_VAULT_H

#include "bytes.h"
#include "error.h"

enum {
	VAULT_KEY_LEN = 32,
	VAULT_WRAPPED_LEN = VAULT_KEY_LEN + 8,
	VAULT_TAG_LEN = 16,
	VAULT_DIGEST_LEN = 32, // SHA-256, HMAC-SHA256
	VAULT_HEX_LEN = 2 * VAULT_DIGEST_LEN,
};

struct vault_key {
	uint8_t octets[VAULT_KEY_LEN];
};

// Reads a key: 32 octets as they are, or 64 hex digits (white space behind them is passed over). A path "credential:NAME" is
// NAME in $CREDENTIALS_DIRECTORY (systemd LoadCredential). O_NOFOLLOW; a regular file of root's or ours, not writable by
// group, nothing for others (0600, 0640, 0400 ...). -EACCES, -EINVAL, -ENOENT ... with a text that says what to do and shows
// nothing of the key.
int vault_key_load(const char *path, struct vault_key *out, struct error *error);
int vault_key_random(struct vault_key *out); // 0 or a negative errno
// `purpose` keeps keys of different uses apart: the `info` of HKDF.
int vault_key_derive(const struct vault_key *master, const char *purpose, struct vault_key *out);
void vault_key_wipe(struct vault_key *key);

int vault_wrap(
	const struct vault_key *kek, const struct vault_key *key, uint8_t out[VAULT_WRAPPED_LEN]);
// -EBADMSG: not wrapped under `kek`, or changed since.
int vault_unwrap(const struct vault_key *kek, const uint8_t wrapped[VAULT_WRAPPED_LEN],
	struct vault_key *out);

// One key's AES-256-GCM. The nonce is `number` as 96 bits big-endian: the caller never seals two records of one key under one
// number.
struct vault_sealer;
struct vault_sealer *vault_sealer_new(const struct vault_key *key); // NULL: no memory
void vault_sealer_free(struct vault_sealer *s);                     // wipes; NULL does nothing
// Writes plain.len + VAULT_TAG_LEN octets to `out`, which may be where `plain` lies. 0 or -EIO (OpenSSL refused, which it has no reason to).
int vault_seal(struct vault_sealer *s, uint64_t number, struct bytes aad, struct bytes plain,
	uint8_t *out);
// Writes sealed.len - VAULT_TAG_LEN octets to `out`, which may be where `sealed` lies. -EBADMSG: not what was sealed; then `out` is wiped.
int vault_open(struct vault_sealer *s, uint64_t number, struct bytes aad, struct bytes sealed,
	uint8_t *out);

// SHA-256 of `a` followed by `b` (either may be empty).
void vault_sha256(struct bytes a, struct bytes b, uint8_t out[VAULT_DIGEST_LEN]);
void vault_hmac(const struct vault_key *key, struct bytes data, uint8_t out[VAULT_DIGEST_LEN]);
void vault_hex(const uint8_t digest[VAULT_DIGEST_LEN], char out[static VAULT_HEX_LEN + 1]);
bool vault_equal(const uint8_t *a, const uint8_t *b, size_t len); // in constant time

#endif
