// The parts of the vault with everything as an argument, so that published vectors fit them.
#ifndef X2TAP_VAULT_INTERNAL_H
#define X2TAP_VAULT_INTERNAL_H

#include "vault.h"

enum { VAULT_NONCE_LEN = 12 };

// RFC 5869 with SHA-256. 0 or -EIO.
int vault_hkdf(struct bytes secret, struct bytes salt, struct bytes info, uint8_t *out, size_t len);

// As vault_seal() and vault_open(), with any nonce of 96 bits.
int vault_seal_nonce(struct vault_sealer *s, const uint8_t nonce[VAULT_NONCE_LEN], struct bytes aad,
	struct bytes plain, uint8_t *out);
int vault_open_nonce(struct vault_sealer *s, const uint8_t nonce[VAULT_NONCE_LEN], struct bytes aad,
	struct bytes sealed, uint8_t *out);

#endif
