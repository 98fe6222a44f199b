// What OpenSSL reports in its error queue is taken out again: the TLS of the same thread reads that queue too.
#include "vault_internal.h"

#include <errno.h>
#include <stdio.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

// ---- key wrap (RFC 3394)

// Of `in_len` octets 8 more or 8 less; the length written, or -1.
static int wrap_run(
	const struct vault_key *kek, const uint8_t *in, int in_len, uint8_t *out, bool wrap)
{
	int len = -1, rest = 0;
	ERR_set_mark();
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx) {
		EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
		if (EVP_CipherInit_ex(ctx, EVP_aes_256_wrap(), NULL, kek->octets, NULL, wrap) !=
				1 ||
			EVP_CipherUpdate(ctx, out, &len, in, in_len) != 1 ||
			EVP_CipherFinal_ex(ctx, out + len, &rest) != 1)
			len = -1;
	}
	EVP_CIPHER_CTX_free(ctx);
	ERR_pop_to_mark();
	return len;
}

int vault_wrap(
	const struct vault_key *kek, const struct vault_key *key, uint8_t out[VAULT_WRAPPED_LEN])
{
	uint8_t wrapped[VAULT_WRAPPED_LEN + 16]; // OpenSSL may use a block more than it reports
	if (wrap_run(kek, key->octets, VAULT_KEY_LEN, wrapped, true) != VAULT_WRAPPED_LEN)
		return -EIO;
	memcpy(out, wrapped, VAULT_WRAPPED_LEN);
	return 0;
}

int vault_unwrap(const struct vault_key *kek, const uint8_t wrapped[VAULT_WRAPPED_LEN],
	struct vault_key *out)
{
	uint8_t key[VAULT_WRAPPED_LEN + 16];
	int len = wrap_run(kek, wrapped, VAULT_WRAPPED_LEN, key, false);
	if (len == VAULT_KEY_LEN)
		memcpy(out->octets, key, VAULT_KEY_LEN);
	OPENSSL_cleanse(key, sizeof key);
	return len == VAULT_KEY_LEN ? 0 : -EBADMSG;
}

// ---- derived keys (RFC 5869)

static OSSL_PARAM octets_param(const char *name, struct bytes b)
{
	union {
		const uint8_t *read;
		void *given;
	} at = {.read = b.len ? b.at : (const uint8_t *)""}; // OpenSSL only reads it
	return OSSL_PARAM_construct_octet_string(name, at.given, b.len);
}

int vault_hkdf(struct bytes secret, struct bytes salt, struct bytes info, uint8_t *out, size_t len)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		octets_param(OSSL_KDF_PARAM_KEY, secret),
		octets_param(OSSL_KDF_PARAM_INFO, info),
		octets_param(OSSL_KDF_PARAM_SALT, salt),
		OSSL_PARAM_construct_end(),
	};
	if (salt.len == 0) // absent: HKDF takes zeros (section 2.2)
		params[3] = OSSL_PARAM_construct_end();

	ERR_set_mark();
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool derived = ctx && EVP_KDF_derive(ctx, out, len, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	ERR_pop_to_mark();
	return derived ? 0 : -EIO;
}

int vault_key_derive(const struct vault_key *master, const char *purpose, struct vault_key *out)
{
	struct vault_key key;
	int result = vault_hkdf(bytes_of(master->octets, VAULT_KEY_LEN), (struct bytes){0},
		bytes_of_text(purpose), key.octets, VAULT_KEY_LEN);
	if (result == 0)
		*out = key;
	vault_key_wipe(&key);
	return result;
}

// ---- AES-256-GCM

struct vault_sealer {
	EVP_CIPHER_CTX *seal, *open; // each with the key set up; a record only sets the nonce
};

static EVP_CIPHER_CTX *gcm_new(const struct vault_key *key, int seal)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (ctx && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->octets, NULL, seal) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

struct vault_sealer *vault_sealer_new(const struct vault_key *key)
{
	struct vault_sealer *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	ERR_set_mark();
	s->seal = gcm_new(key, 1);
	s->open = gcm_new(key, 0);
	ERR_pop_to_mark();
	if (!s->seal || !s->open) {
		vault_sealer_free(s);
		return NULL;
	}
	return s;
}

void vault_sealer_free(struct vault_sealer *s)
{
	if (!s)
		return;
	EVP_CIPHER_CTX_free(s->seal); // clears the key schedule
	EVP_CIPHER_CTX_free(s->open);
	free(s);
}

// Nonce, AAD and octets through one direction; `out` takes `in.len` octets and may be where they lie.
static bool gcm_run(
	EVP_CIPHER_CTX *ctx, const uint8_t *nonce, struct bytes aad, struct bytes in, uint8_t *out)
{
	int len;
	if (aad.len > INT_MAX || in.len > INT_MAX - VAULT_TAG_LEN)
		return false;
	if (EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, -1) != 1)
		return false;
	if (aad.len && EVP_CipherUpdate(ctx, NULL, &len, aad.at, (int)aad.len) != 1)
		return false;
	return in.len == 0 || EVP_CipherUpdate(ctx, out, &len, in.at, (int)in.len) == 1;
}

int vault_seal_nonce(struct vault_sealer *s, const uint8_t nonce[VAULT_NONCE_LEN], struct bytes aad,
	struct bytes plain, uint8_t *out)
{
	int len;
	uint8_t none[1];
	ERR_set_mark();
	bool sealed = gcm_run(s->seal, nonce, aad, plain, out) &&
	              EVP_EncryptFinal_ex(s->seal, none, &len) == 1 &&
	              EVP_CIPHER_CTX_ctrl(
			      s->seal, EVP_CTRL_AEAD_GET_TAG, VAULT_TAG_LEN, out + plain.len) == 1;
	ERR_pop_to_mark();
	return sealed ? 0 : -EIO;
}

int vault_open_nonce(struct vault_sealer *s, const uint8_t nonce[VAULT_NONCE_LEN], struct bytes aad,
	struct bytes sealed, uint8_t *out)
{
	if (sealed.len < VAULT_TAG_LEN)
		return -EBADMSG;
	int len;
	uint8_t none[1], tag[VAULT_TAG_LEN];
	struct bytes in = {sealed.at, sealed.len - VAULT_TAG_LEN};
	memcpy(tag, sealed.at + in.len, sizeof tag);
	ERR_set_mark();
	bool opened =
		gcm_run(s->open, nonce, aad, in, out) &&
		EVP_CIPHER_CTX_ctrl(s->open, EVP_CTRL_AEAD_SET_TAG, VAULT_TAG_LEN, tag) == 1 &&
		EVP_DecryptFinal_ex(s->open, none, &len) == 1;
	ERR_pop_to_mark();
	if (!opened && in.len)
		OPENSSL_cleanse(out, in.len);
	return opened ? 0 : -EBADMSG;
}

static void nonce_of(uint64_t number, uint8_t nonce[VAULT_NONCE_LEN])
{
	struct writer w = writer_of(nonce, VAULT_NONCE_LEN);
	write_be32(&w, 0);
	write_be64(&w, number);
}

int vault_seal(
	struct vault_sealer *s, uint64_t number, struct bytes aad, struct bytes plain, uint8_t *out)
{
	uint8_t nonce[VAULT_NONCE_LEN];
	nonce_of(number, nonce);
	return vault_seal_nonce(s, nonce, aad, plain, out);
}

int vault_open(struct vault_sealer *s, uint64_t number, struct bytes aad, struct bytes sealed,
	uint8_t *out)
{
	uint8_t nonce[VAULT_NONCE_LEN];
	nonce_of(number, nonce);
	return vault_open_nonce(s, nonce, aad, sealed, out);
}

// ---- digests

// Without memory for a digest there is nothing honest to return: whoever chains or compares it must not go on.
void vault_sha256(struct bytes a, struct bytes b, uint8_t out[VAULT_DIGEST_LEN])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
		(a.len && EVP_DigestUpdate(ctx, a.at, a.len) != 1) ||
		(b.len && EVP_DigestUpdate(ctx, b.at, b.len) != 1) ||
		EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
}

void vault_hmac(const struct vault_key *key, struct bytes data, uint8_t out[VAULT_DIGEST_LEN])
{
	const uint8_t *at = data.len ? data.at : (const uint8_t *)"";
	if (!HMAC(EVP_sha256(), key->octets, VAULT_KEY_LEN, at, data.len, out, NULL))
		abort();
}

void vault_hex(const uint8_t digest[VAULT_DIGEST_LEN], char out[static VAULT_HEX_LEN + 1])
{
	for (size_t i = 0; i < VAULT_DIGEST_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

bool vault_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}
