#include "sequence.h"

#include <errno.h>
#include <stdlib.h>

#include "digest_table.h"

struct sequences {
	struct digest_table contexts;
	struct sequence *next; // by entry: what the context's next PDU gets
	struct hash_key key;
	uint64_t given_up;
};

struct sequences *sequences_new(uint32_t max_contexts, const struct hash_key *key)
{
	struct sequences *s = malloc(sizeof *s);
	if (!s)
		return NULL;
	*s = (struct sequences){.key = *key};
	int rc = digest_table_init(&s->contexts, max_contexts);
	if (rc < 0)
		goto free_sequences;
	s->next = calloc(max_contexts, sizeof *s->next);
	if (!s->next) {
		rc = -ENOMEM;
		goto fini_contexts;
	}
	return s;

fini_contexts:
	digest_table_fini(&s->contexts);
free_sequences:
	free(s);
	errno = -rc;
	return NULL;
}

void sequences_free(struct sequences *s)
{
	if (!s)
		return;
	digest_table_fini(&s->contexts);
	free(s->next);
	free(s);
}

// Nobody else can come to this value, and the same context never comes to it twice: between its returns `given_up`
// has grown.
static uint64_t salted(const struct sequences *s, const struct digest *context)
{
	uint8_t octets[24];
	struct writer w = writer_of(octets, sizeof octets);
	write_be64(&w, context->high);
	write_be64(&w, context->low);
	write_be64(&w, s->given_up);
	uint64_t correlation = siphash(&s->key, writer_bytes(&w));
	return correlation ? correlation : 1;
}

static struct digest context_of(
	const struct sequences *s, const struct uuid *xid, uint16_t point, uint64_t correlation)
{
	uint8_t octets[26];
	struct writer w = writer_of(octets, sizeof octets);
	write_bytes(&w, bytes_of(xid->octets, sizeof xid->octets));
	write_be16(&w, point);
	write_be64(&w, correlation);
	return siphash128(&s->key, writer_bytes(&w));
}

struct sequence sequence_next(
	struct sequences *s, const struct uuid *xid, uint16_t point, uint64_t correlation)
{
	struct digest context = context_of(s, xid, point, correlation);
	uint32_t entry = digest_table_find(&s->contexts, &context);
	if (entry != DIGEST_TABLE_NONE) {
		digest_table_touch(&s->contexts, entry);
	} else {
		if (s->contexts.count == s->contexts.capacity) {
			digest_table_remove(&s->contexts, digest_table_oldest(&s->contexts));
			s->given_up++;
		}
		entry = digest_table_add(&s->contexts, &context);
		s->next[entry] = (struct sequence){0, s->given_up   ? salted(s, &context)
						      : correlation ? correlation
								    : 1};
	}
	struct sequence out = s->next[entry];
	s->next[entry].number++; // after 2^32-1 comes 0
	return out;
}

uint64_t sequences_given_up(const struct sequences *s)
{
	return s->given_up;
}
