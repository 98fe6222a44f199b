#include "sequence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pages.h"
#include "sequence_internal.h"

enum {
	MIN_RECORDS = 1 << 14,
	MAX_RECORDS = 1 << 18,
};

// --- memory ----------------------------------------------------------------------------------------------------------

static void place(struct sequences *s, uint8_t *base, uint32_t capacity, bool journalled)
{
	size_t used = 0;
	s->next = pages_carve(base, &used, capacity * sizeof *s->next);
	if (journalled) {
		s->known = pages_carve(base, &used, capacity * sizeof *s->known);
		s->slot_of = pages_carve(base, &used, capacity * sizeof *s->slot_of);
		s->touched = pages_carve(base, &used, SEQUENCES_TOUCHED * sizeof *s->touched);
		s->records = pages_carve(base, &used, s->record_room * sizeof *s->records);
		s->epochs = pages_carve(base, &used, SEQUENCES_EPOCHS * sizeof *s->epochs);
	}
	s->memory_size = used;
}

int sequences_take_memory(struct sequences *s, uint32_t capacity, bool journalled)
{
	int rc = digest_table_init(&s->contexts, capacity);
	if (rc < 0)
		return rc;
	// Twice as many as contexts is always enough for the epoch that runs beside all others merged.
	s->record_room = capacity < MIN_RECORDS / 2   ? MIN_RECORDS
	                 : capacity < MAX_RECORDS / 2 ? 2 * capacity
	                                              : MAX_RECORDS;
	place(s, NULL, capacity, journalled);
	s->memory = pages_take(s->memory_size);
	if (!s->memory) {
		rc = -errno;
		digest_table_fini(&s->contexts);
		return rc;
	}
	place(s, s->memory, capacity, journalled);
	s->epoch = 1;
	return 0;
}

void sequences_free_memory(struct sequences *s)
{
	digest_table_fini(&s->contexts);
	pages_free(s->memory, s->memory_size);
	s->memory = NULL;
	s->known = NULL; // what tells that there is a journal
}

// --- start and stop --------------------------------------------------------------------------------------------------

uint32_t sequences_realtime_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint32_t)now.tv_sec;
}

// The same at every start under the key of a file: DID attribute and NFID make the key for the IPID.
static struct hash_key point_key_of(const struct hash_key *key, struct bytes did, struct bytes nfid)
{
	struct digest first = siphash128(key, did);
	struct hash_key second = {first.low, first.high};
	struct digest both = siphash128(&second, nfid);
	return (struct hash_key){both.low, both.high};
}

struct digest sequences_digest(
	const struct sequences *s, const struct uuid *xid, uint64_t point, uint64_t correlation)
{
	uint8_t octets[32];
	struct writer w = writer_of(octets, sizeof octets);
	write_bytes(&w, bytes_of(xid->octets, sizeof xid->octets));
	write_be64(&w, point);
	write_be64(&w, correlation);
	return siphash128(&s->key, writer_bytes(&w));
}

struct sequences *sequences_new_booted(
	const struct sequences_settings *settings, const char *boot_id, struct error *error)
{
	struct sequences *s = malloc(sizeof *s);
	if (!s) {
		error_set(error, -ENOMEM, "no memory");
		return NULL;
	}
	*s = (struct sequences){
		.key = settings->key, .journal.fd = -1, .now_s = sequences_realtime_s()};
	struct error problem;
	int result = settings->max_contexts ? 0 : -EINVAL;
	if (settings->journal && result == 0) {
		result = journal_open(
			&s->journal, settings->journal, settings->max_contexts, boot_id, &problem);
		if (result == 0) {
			result = sequences_take_over(s, settings->max_contexts, &problem);
			if (result != 0)
				journal_close(&s->journal);
		}
		if (result != 0) {
			s->unjournalled = true;
			s->given_up = 0;
			s->standing[0] = '\0';
			snprintf(s->fault, sizeof s->fault,
				"journal of sequence numbers: %.300s; until a start with a journal every context gets a "
				"salted correlation id",
				problem.text);
			result = 0;
		}
	}
	if (result == 0 && !s->memory)
		result = sequences_take_memory(s, settings->max_contexts, false);
	if (result != 0) {
		error_set(error, result, "no memory for the sequence numbers of %u contexts",
			settings->max_contexts);
		free(s);
		errno = -result;
		return NULL;
	}
	const struct hash_key *key = s->known ? &s->journal.key : &s->key;
	s->point_key = point_key_of(key, settings->did, settings->nfid);
	return s;
}

struct sequences *sequences_new(const struct sequences_settings *settings, struct error *error)
{
	return sequences_new_booted(settings, NULL, error);
}

void sequences_free(struct sequences *s)
{
	if (!s)
		return;
	if (s->known)
		sequences_end_journal(s);
	journal_close(&s->journal);
	sequences_free_memory(s);
	explicit_bzero(s, sizeof *s);
	free(s);
}

const char *sequences_fault(const struct sequences *s)
{
	return s->fault[0] ? s->fault : s->standing;
}

// --- numbers ---------------------------------------------------------------------------------------------------------

// Nobody else can come to this value, and no context ever comes to it twice: the key is of this start, and in it no count is
// used twice.
static uint64_t fresh_salt(struct sequences *s, const struct digest *context)
{
	uint8_t octets[24];
	struct writer w = writer_of(octets, sizeof octets);
	write_be64(&w, context->high);
	write_be64(&w, context->low);
	write_be64(&w, s->salted++);
	uint64_t correlation = siphash(&s->key, writer_bytes(&w));
	return correlation ? correlation : 1;
}

static void renew(struct sequences *s, uint32_t entry, const struct digest *digest)
{
	struct context *c = &s->known[entry];
	s->next[entry] = (struct sequence){0, fresh_salt(s, digest)};
	c->safe = 0;
	c->jumps = 0;
	c->life++;
	c->flags &= (uint8_t)~RENEW;
	if (s->failing)
		c->flags |= OWN;
}

static uint32_t begin(struct sequences *s, const struct digest *digest, const struct uuid *xid,
	uint64_t point, uint64_t correlation)
{
	if (s->contexts.count == s->contexts.capacity) {
		uint32_t oldest = digest_table_oldest(&s->contexts);
		if (s->known)
			s->forgotten += (uint32_t)(s->next[oldest].number - s->known[oldest].safe);
		digest_table_remove(&s->contexts, oldest);
		s->given_up++;
	}
	uint32_t entry = digest_table_add(&s->contexts, digest);
	bool salt = s->given_up > 0 || s->unjournalled || s->failing;
	s->next[entry] = (struct sequence){0, salt          ? fresh_salt(s, digest)
					      : correlation ? correlation
							    : 1};
	if (s->known) {
		struct context *c = &s->known[entry];
		c->xid = *xid;
		c->point = point;
		c->asked = correlation;
		c->safe = 0;
		c->jumps = 0;
		c->life++;
		c->flags &= TOUCHED | BEHIND; // as to its slot, which is not up to date either way
		if (s->failing)
			c->flags |= OWN;
	}
	return entry;
}

struct sequence sequence_next(
	struct sequences *s, const struct uuid *xid, struct bytes ipid, uint64_t correlation)
{
	uint64_t point = siphash(&s->point_key, ipid);
	struct digest digest = sequences_digest(s, xid, point, correlation);
	if (s->known && s->touched_count == SEQUENCES_TOUCHED)
		sequences_flush(
			s); // here, so that it is known below whether the journal takes writes
	uint32_t entry = digest_table_find(&s->contexts, &digest);
	if (entry == DIGEST_TABLE_NONE) {
		entry = begin(s, &digest, xid, point, correlation);
	} else {
		digest_table_touch(&s->contexts, entry);
		if (s->known && (s->known[entry].flags & RENEW ||
					(s->failing && !(s->known[entry].flags & OWN))))
			renew(s, entry, &digest);
	}
	struct sequence out = s->next[entry];
	s->next[entry].number++; // after 2^32-1 comes 0
	if (s->known) {
		s->known[entry].jumps = 0; // a jump that nobody was told of is part of the gap now
		s->known[entry].used_s = s->now_s;
		sequences_mark(s, entry);
		sequences_record(s, entry);
	}
	return out;
}

uint64_t sequences_given_up(const struct sequences *s)
{
	return s->given_up;
}

uint64_t sequences_forgotten(const struct sequences *s)
{
	return s->forgotten;
}

uint64_t sequences_salted(const struct sequences *s)
{
	return s->salted;
}
