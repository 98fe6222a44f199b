#include "binding_internal.h"

static struct digest authority_digest(
	const struct bindings *b, uint32_t source, const struct address *address)
{
	uint8_t octets[4 + 1 + 16];
	struct writer w = writer_of(octets, sizeof octets);
	write_be32(&w, source);
	write_u8(&w, address->family);
	write_bytes(&w, bytes_of(address->octets, 16));
	return siphash128(&b->key, writer_bytes(&w));
}

// One without sessions gives way. Those with sessions that are asked in vain become the newest, so that the next ones are asked
// next time.
static bool make_room(struct bindings *b)
{
	struct digest_table *t = &b->authority_table;
	for (unsigned i = 0; i < AUTHORITY_ATTEMPTS; i++) {
		uint32_t oldest = digest_table_oldest(t);
		if (b->authorities[oldest].sessions == 0) {
			digest_table_remove(t, oldest);
			drop(b, BINDINGS_AUTHORITIES);
			return true;
		}
		digest_table_touch(t, oldest);
	}
	return false;
}

uint32_t authority_of(struct bindings *b, uint32_t source, const struct address *address)
{
	struct digest_table *t = &b->authority_table;
	struct digest digest = authority_digest(b, source, address);
	uint32_t i = digest_table_find(t, &digest);
	if (i != DIGEST_TABLE_NONE) {
		digest_table_touch(t, i);
		return i;
	}
	if (t->count == t->capacity && !make_room(b))
		return NONE;
	i = digest_table_add(t, &digest);
	struct authority *a = &b->authorities[i];
	a->address = *address;
	a->source = source;
	a->sessions = 0;
	a->has_restart = a->has_stale = false; // the generation goes on
	bump(b, BINDINGS_AUTHORITIES);
	return i;
}

void authority_restart(struct bindings *b, uint32_t authority)
{
	struct authority *a = &b->authorities[authority];
	put(&a->generation, own(&a->generation) + 1);
	bump(b, BINDINGS_RESTARTS);
}

// TS 23.007 clause 18: a value that is greater, modulo 256, tells of a restart; one that is less came late. A peer that goes on
// saying the lesser one has lost its count as well: believed when it still says so after the longest exchange.
void authority_counter(struct bindings *b, uint32_t authority, uint8_t restart, uint64_t time_ns)
{
	struct authority *a = &b->authorities[authority];
	if (!a->has_restart) {
		a->has_restart = true;
		a->restart = restart;
		return;
	}
	uint8_t ahead = (uint8_t)(restart - a->restart);
	if (ahead == 0) {
		a->has_stale = false;
		return;
	}
	if (ahead >= 128) {
		bump(b, BINDINGS_RESTARTS_STALE);
		if (!a->has_stale || a->stale != restart) {
			a->has_stale = true;
			a->stale = restart;
			a->stale_since_ns = time_ns;
			return;
		}
		if (time_ns < time_after(a->stale_since_ns, SIGNAL_EXCHANGE_NS))
			return;
	}
	a->restart = restart;
	a->has_stale = false;
	authority_restart(b, authority);
}

void party_set(struct bindings *b, struct session *s, unsigned which, uint32_t authority)
{
	uint64_t old = own(&s->parties[which]), fresh = NO_PARTY;
	if (authority != NONE) {
		fresh = (uint64_t)own(&b->authorities[authority].generation) << 32 | authority;
		b->authorities[authority].sessions++;
	}
	if (old != NO_PARTY)
		b->authorities[(uint32_t)old].sessions--;
	put(&s->parties[which], fresh);
}

bool session_is_restarted(const struct bindings *b, const struct session *s)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t party = get(&s->parties[i]);
		if (party != NO_PARTY &&
			get(&b->authorities[(uint32_t)party].generation) != (uint32_t)(party >> 32))
			return true;
	}
	return false;
}
