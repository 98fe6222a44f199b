// A segment file. All numbers are big-endian.
//
//   octets   header
//    0 -  7  "X2TAPSP1"
//    8 - 15  number of the segment, that of the file name
//   16 - 31  DID
//   32 - 47  key check: the first octets of HKDF-SHA256(key-encryption key, "x2tap spool key check")
//   48 - 87  AES-256 key of the segment, wrapped (RFC 3394) under the key-encryption key; zeros: erased
//   88 -103  the first octets of SHA-256(octets 0 to 47)
//
// and then records, each
//
//    0 -  2  "X2S"
//    3       type: 1 PDU, 2 released
//    4 -  7  length of what is sealed, tag included
//    8 - 11  number of the record in the segment, from 0
//   12 - 15  check: the low 32 bits of FNV-1a 64 of segment number, DID and octets 0 to 11
//   16 -     AES-256-GCM: ciphertext and a tag of 16 octets. Nonce: the number of the record as 96 bits. AAD: segment number
//            (8 octets), DID (16), octets 0 to 15 of the record
//
// What is sealed is, for a PDU: index (8), when it was offered in ms (8), XID (16), correlation (8), sequence (4), the PDU; for
// released: the index (8) below which all records of all segments are done with.
//
// The checks tell damage from a torn end and find the next record behind damage; nothing is believed before its tag is. A
// key that is not ours shows in a header that is whole but for a key check of another: that is no damage, and nobody may
// delete what another key opens.
#include "spool_internal.h"

#include <errno.h>

#include "hash.h"

static const char segment_magic[] = "X2TAPSP1";
static const char record_magic[] = "X2S";
static const char check_purpose[] = "x2tap spool key check";

enum { RECORD_CHECKED_LEN = 12, RECORD_AAD_LEN = 8 + 16 + RECORD_HEADER_LEN };

int key_check_of(const struct vault_key *kek, uint8_t out[KEY_CHECK_LEN])
{
	struct vault_key derived;
	int result = vault_key_derive(kek, check_purpose, &derived);
	if (result == 0)
		memcpy(out, derived.octets, KEY_CHECK_LEN);
	vault_key_wipe(&derived);
	return result;
}

// ---- header of a segment

static void write_start(
	struct writer *w, const struct segment_cipher *cipher, const uint8_t check[KEY_CHECK_LEN])
{
	write_text(w, segment_magic);
	write_be64(w, cipher->number);
	write_bytes(w, bytes_of(cipher->did.octets, sizeof cipher->did.octets));
	write_bytes(w, bytes_of(check, KEY_CHECK_LEN));
}

int segment_header_make(struct segment_cipher *cipher, const struct vault_key *kek,
	const uint8_t check[KEY_CHECK_LEN], uint8_t out[SEGMENT_HEADER_LEN])
{
	struct vault_key key;
	uint8_t wrapped[VAULT_WRAPPED_LEN], digest[VAULT_DIGEST_LEN];
	int result = vault_key_random(&key);
	if (result == 0)
		result = vault_wrap(kek, &key, wrapped);
	if (result == 0) {
		cipher->sealer = vault_sealer_new(&key);
		result = cipher->sealer ? 0 : -ENOMEM;
	}
	vault_key_wipe(&key);
	if (result < 0)
		return result;

	struct writer w = writer_of(out, SEGMENT_HEADER_LEN);
	write_start(&w, cipher, check);
	vault_sha256(writer_bytes(&w), (struct bytes){0}, digest);
	write_bytes(&w, bytes_of(wrapped, sizeof wrapped));
	write_bytes(&w, bytes_of(digest, SEGMENT_HEADER_LEN - w.len));
	return 0;
}

static bool is_zero(struct bytes b)
{
	uint8_t any = 0;
	for (size_t i = 0; i < b.len; i++)
		any |= b.at[i];
	return any == 0;
}

enum header_state segment_header_open(struct segment_cipher *cipher, const struct vault_key *kek,
	const uint8_t check[KEY_CHECK_LEN], const uint8_t header[SEGMENT_HEADER_LEN])
{
	enum { DIGEST_AT = SEGMENT_WRAPPED_AT + VAULT_WRAPPED_LEN, CHECK_AT = 32 };
	const uint8_t *wrapped = header + SEGMENT_WRAPPED_AT;
	uint8_t start[SEGMENT_WRAPPED_AT], digest[VAULT_DIGEST_LEN];
	struct writer w = writer_of(start, sizeof start);
	write_start(&w, cipher, check);
	vault_sha256(bytes_of(header, SEGMENT_WRAPPED_AT), (struct bytes){0}, digest);
	bool whole = memcmp(header + DIGEST_AT, digest, SEGMENT_HEADER_LEN - DIGEST_AT) == 0;

	if (whole && is_zero(bytes_of(wrapped, VAULT_WRAPPED_LEN)))
		return HEADER_ERASED;
	if (whole && !vault_equal(header + CHECK_AT, check, KEY_CHECK_LEN))
		return HEADER_OTHER_KEY;

	// Number and DID need not be believed: they are in the AAD of each record.
	struct vault_key key;
	if (vault_unwrap(kek, wrapped, &key) < 0)
		return HEADER_DAMAGED;
	cipher->sealer = vault_sealer_new(&key);
	vault_key_wipe(&key);
	if (!cipher->sealer)
		return HEADER_DAMAGED;
	return whole && memcmp(header, start, sizeof start) == 0 ? HEADER_GOOD : HEADER_SCRATCHED;
}

// ---- records

static void write_place(struct writer *w, const struct segment_cipher *cipher)
{
	write_be64(w, cipher->number);
	write_bytes(w, bytes_of(cipher->did.octets, sizeof cipher->did.octets));
}

static uint32_t header_check(const struct segment_cipher *cipher, const uint8_t *header)
{
	uint8_t octets[RECORD_AAD_LEN];
	struct writer w = writer_of(octets, sizeof octets);
	write_place(&w, cipher);
	write_bytes(&w, bytes_of(header, RECORD_CHECKED_LEN));
	return (uint32_t)fnv1a(writer_bytes(&w));
}

static struct bytes record_aad(
	const struct segment_cipher *cipher, const uint8_t *header, uint8_t room[RECORD_AAD_LEN])
{
	struct writer w = writer_of(room, RECORD_AAD_LEN);
	write_place(&w, cipher);
	write_bytes(&w, bytes_of(header, RECORD_HEADER_LEN));
	return writer_bytes(&w);
}

static bool has_length_of_type(const struct record_header *h)
{
	if (h->type == RECORD_PDU)
		return h->len >= RECORD_FIELDS_LEN + VAULT_TAG_LEN &&
		       h->len <= RECORD_MAX_LEN - RECORD_HEADER_LEN;
	return h->type == RECORD_RELEASED && h->len == RECORD_RELEASED_LEN + VAULT_TAG_LEN;
}

bool record_header_parse(const struct segment_cipher *cipher, const uint8_t at[RECORD_HEADER_LEN],
	struct record_header *out)
{
	struct reader r = reader_of(bytes_of(at, RECORD_HEADER_LEN));
	bool is_ours = bytes_equal(read_bytes(&r, 3), bytes_of_text(record_magic));
	struct record_header h;
	h.type = (enum record_type)read_u8(&r);
	h.len = read_be32(&r);
	h.number = read_be32(&r);
	if (!is_ours || read_be32(&r) != header_check(cipher, at) || !has_length_of_type(&h))
		return false;
	*out = h;
	return true;
}

static void write_header(struct writer *w, const struct segment_cipher *cipher,
	enum record_type type, size_t plain_len, uint32_t number)
{
	uint8_t octets[RECORD_HEADER_LEN];
	struct writer h = writer_of(octets, sizeof octets);
	write_text(&h, record_magic);
	write_u8(&h, (uint8_t)type);
	write_be32(&h, (uint32_t)(plain_len + VAULT_TAG_LEN));
	write_be32(&h, number);
	write_be32(&h, header_check(cipher, octets));
	write_bytes(w, writer_bytes(&h));
}

// Seals in place what was written from `start` on, header first.
static int seal(
	const struct segment_cipher *cipher, uint32_t number, struct writer *w, size_t start)
{
	static const uint8_t tag_room[VAULT_TAG_LEN];
	uint8_t room[RECORD_AAD_LEN];
	size_t plain_at = start + RECORD_HEADER_LEN, plain_len = w->len - plain_at;
	write_bytes(w, bytes_of(tag_room, sizeof tag_room));
	int result = w->overflow ? -EMSGSIZE : 0;
	if (result == 0)
		result = vault_seal(cipher->sealer, number, record_aad(cipher, w->at + start, room),
			bytes_of(w->at + plain_at, plain_len), w->at + plain_at);
	if (result < 0) { // nothing of it was shown to anybody, so the number may be used again
		explicit_bzero(w->at + start, w->len - start);
		w->len = start;
		w->overflow = false;
	}
	return result;
}

int record_seal_pdu(const struct segment_cipher *cipher, uint32_t number,
	const struct spool_record *record, struct writer *w)
{
	size_t start = w->len;
	write_header(w, cipher, RECORD_PDU, RECORD_FIELDS_LEN + record->pdu.len, number);
	write_be64(w, record->index);
	write_be64(w, record->offered_ms);
	write_bytes(w, bytes_of(record->xid.octets, sizeof record->xid.octets));
	write_be64(w, record->correlation);
	write_be32(w, record->sequence);
	write_bytes(w, record->pdu);
	return seal(cipher, number, w, start);
}

int record_seal_released(
	const struct segment_cipher *cipher, uint32_t number, uint64_t index, struct writer *w)
{
	size_t start = w->len;
	write_header(w, cipher, RECORD_RELEASED, RECORD_RELEASED_LEN, number);
	write_be64(w, index);
	return seal(cipher, number, w, start);
}

int spool_record_open(const struct segment_cipher *cipher, const struct record_header *header,
	uint8_t *at, struct spool_record *record)
{
	uint8_t room[RECORD_AAD_LEN];
	uint8_t *sealed = at + RECORD_HEADER_LEN;
	int result = vault_open(cipher->sealer, header->number, record_aad(cipher, at, room),
		bytes_of(sealed, header->len), sealed);
	if (result < 0)
		return result;
	struct reader r = reader_of(bytes_of(sealed, header->len - VAULT_TAG_LEN));
	*record = (struct spool_record){.index = read_be64(&r)};
	if (header->type == RECORD_RELEASED)
		return 0;
	record->offered_ms = read_be64(&r);
	memcpy(record->xid.octets, read_bytes(&r, sizeof record->xid.octets).at,
		sizeof record->xid.octets);
	record->correlation = read_be64(&r);
	record->sequence = read_be32(&r);
	record->pdu = read_bytes(&r, reader_left(&r));
	return 0;
}
