#include "duplicates.h"

#include <errno.h>
#include <stdlib.h>

int duplicates_init(struct duplicates *d, uint32_t capacity, uint64_t window_ns)
{
	*d = (struct duplicates){.window_ns = window_ns};
	int rc = digest_table_init(&d->table, capacity);
	if (rc < 0)
		return rc;
	d->first_seen_ns = calloc(capacity, sizeof *d->first_seen_ns);
	if (!d->first_seen_ns) {
		digest_table_fini(&d->table);
		return -ENOMEM;
	}
	return 0;
}

void duplicates_fini(struct duplicates *d)
{
	digest_table_fini(&d->table);
	free(d->first_seen_ns);
	*d = (struct duplicates){0};
}

static bool window_is_open(const struct duplicates *d, uint32_t entry, uint64_t time_ns)
{
	uint64_t first = d->first_seen_ns[entry];
	return (time_ns > first ? time_ns - first : first - time_ns) <= d->window_ns;
}

bool duplicates_hold(const struct duplicates *d, const struct digest *sighting, uint64_t time_ns)
{
	if (d->window_ns == 0)
		return false;
	uint32_t entry = digest_table_find(&d->table, sighting);
	return entry != DIGEST_TABLE_NONE && window_is_open(d, entry, time_ns);
}

static void make_room(struct duplicates *d, uint64_t time_ns)
{
	if (d->table.count < d->table.capacity)
		return;
	uint32_t oldest = digest_table_oldest(&d->table);
	if (window_is_open(d, oldest, time_ns))
		d->given_up++;
	digest_table_remove(&d->table, oldest);
}

void duplicates_remember(struct duplicates *d, const struct digest *sighting, uint64_t time_ns)
{
	if (d->window_ns == 0)
		return;
	uint32_t entry = digest_table_find(&d->table, sighting);
	if (entry == DIGEST_TABLE_NONE) {
		make_room(d, time_ns);
		entry = digest_table_add(&d->table, sighting);
	} else if (window_is_open(d, entry, time_ns)) {
		return;
	} else {
		digest_table_touch(&d->table, entry);
	}
	d->first_seen_ns[entry] = time_ns;
}

struct digest duplicates_sighting(const struct hash_key *key, const struct digest *message,
	size_t message_len, uint32_t slot, uint32_t generation)
{
	uint8_t octets[32];
	struct writer w = writer_of(octets, sizeof octets);
	write_be64(&w, message->high);
	write_be64(&w, message->low);
	write_be64(&w, message_len);
	write_be32(&w, slot);
	write_be32(&w, generation);
	return siphash128(key, writer_bytes(&w));
}
