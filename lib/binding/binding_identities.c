// The identities of sessions, and the index by which those of an identity are found.
#include "binding_internal.h"

#include <errno.h>

static struct shown *shown_at(const struct bindings *b, uint32_t number)
{
	return &b->sessions[number / BINDING_MAX_IDENTITIES].shown[number % BINDING_MAX_IDENTITIES];
}

static _Atomic uint64_t *bucket_of(const struct bindings *b, const struct digest *digest)
{
	return &b->identity_buckets[digest->low & b->identity_mask];
}

// The first of the digest, and the one before it in the bucket (SHOWN_NONE: none).
static uint32_t first_of(const struct bindings *b, const struct digest *digest, uint32_t *before)
{
	uint32_t i = bucket_head(own(bucket_of(b, digest)));
	*before = SHOWN_NONE;
	while (i != SHOWN_NONE) {
		struct digest here = shown_digest(shown_at(b, i));
		if (digest_equal(&here, digest))
			break;
		*before = i;
		i = own(&shown_at(b, i)->link) & ~SHOWN_FIRST;
	}
	return i;
}

static void link_slot(struct bindings *b, uint32_t number)
{
	struct shown *fresh = shown_at(b, number);
	struct digest digest = shown_digest(fresh);
	_Atomic uint64_t *bucket = bucket_of(b, &digest);
	uint32_t before, first = first_of(b, &digest, &before);
	if (first == SHOWN_NONE) {
		put(&fresh->same, SHOWN_NONE);
		put(&fresh->link, SHOWN_FIRST | bucket_head(own(bucket)));
		bucket_set_head(bucket, number);
		return;
	}
	uint32_t next = own(&shown_at(b, first)->same);
	put(&fresh->same, next);
	put(&fresh->link, first);
	if (next != SHOWN_NONE)
		put(&shown_at(b, next)->link, number);
	put(&shown_at(b, first)->same, number);
}

static void unlink_slot(struct bindings *b, uint32_t number)
{
	struct shown *past = shown_at(b, number);
	struct digest digest = shown_digest(past);
	_Atomic uint64_t *bucket = bucket_of(b, &digest);
	uint32_t head = bucket_head(own(bucket)), link = own(&past->link);
	uint32_t next_same = own(&past->same);
	if (!(link & SHOWN_FIRST)) {
		put(&shown_at(b, link)->same, next_same);
		if (next_same != SHOWN_NONE)
			put(&shown_at(b, next_same)->link, link);
		bucket_raise(bucket, head);
		return;
	}
	uint32_t before, heir = link & ~SHOWN_FIRST;
	first_of(b, &digest, &before);
	if (next_same != SHOWN_NONE) {
		put(&shown_at(b, next_same)->link, link);
		heir = next_same;
	}
	if (before == SHOWN_NONE)
		head = heir;
	else
		put(&shown_at(b, before)->link, SHOWN_FIRST | heir);
	bucket_raise(bucket, head);
}

void identity_add(struct bindings *b, uint32_t session, const struct digest *digest, unsigned role)
{
	struct session *s = &b->sessions[session];
	uint8_t count = own(&s->identity_count);
	for (unsigned i = 0; i < count; i++) {
		struct digest known = shown_digest(&s->shown[i]);
		if (digest_equal(&known, digest))
			return;
	}
	if (count == BINDING_MAX_IDENTITIES) {
		bump(b, BINDINGS_IDENTITIES_EXCESS);
		return;
	}
	put(&s->shown[count].low, digest->low);
	put(&s->shown[count].high, digest->high);
	s->roles = (s->roles & ~(15u << (4 * count))) | (role & 15u) << (4 * count);
	if (own(&s->state) == SESSION_BOUND)
		link_slot(b, session * BINDING_MAX_IDENTITIES + count);
	put(&s->identity_count, (uint8_t)(count + 1));
}

void identities_link(struct bindings *b, uint32_t session)
{
	for (unsigned i = 0; i < own(&b->sessions[session].identity_count); i++)
		link_slot(b, session * BINDING_MAX_IDENTITIES + i);
}

void identities_clear(struct bindings *b, uint32_t session)
{
	struct session *s = &b->sessions[session];
	if (own(&s->state) == SESSION_BOUND)
		for (unsigned i = 0; i < own(&s->identity_count); i++)
			unlink_slot(b, session * BINDING_MAX_IDENTITIES + i);
	put(&s->identity_count, 0);
	s->roles = 0;
}

// --- readers -------------------------------------------------------------------------------------------------

static void copy_session(const struct session *s, uint64_t time_ns, struct binding_view *out)
{
	*out = (struct binding_view){.since_ns = get(&s->since_ns),
		.last_ns = get(&s->last_ns),
		.instance = get(&s->instance),
		.protocol = get(&s->protocol)};
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++) {
		const struct lease *lease = &s->leases[i];
		uint32_t kind = get(&lease->kind);
		uint64_t expires = get(&lease->expires_ns);
		if (kind & LEASE_USED && time_ns < expires)
			out->leases[out->lease_count++] = (struct binding_lease){
				lease_address(lease), (uint8_t)(kind & LEASE_LENGTH), expires};
	}
}

// False: it changed meanwhile.
static bool read_session(const struct bindings *b, const struct session *s, uint64_t time_ns,
	struct binding_view *out, bool *is_over)
{
	uint32_t version = get(&s->version);
	*is_over = session_is_over(b, s, time_ns);
	copy_session(s, time_ns, out);
	return version % 2 == 0 && get(&s->version) == version;
}

static uint32_t read_first(const struct bindings *b, uint64_t bucket, const struct digest *identity)
{
	uint32_t i = bucket_head(bucket);
	for (unsigned steps = 0; i != SHOWN_NONE && steps < MAX_CHAIN; steps++) {
		struct digest here = shown_digest(shown_at(b, i));
		if (digest_equal(&here, identity))
			return i;
		i = get(&shown_at(b, i)->link) &
		    ~SHOWN_FIRST; // another chain's, if it just left this one
	}
	return SHOWN_NONE;
}

// -EAGAIN: it changed meanwhile.
static int read_sessions(const struct bindings *b, const struct digest *identity, uint64_t time_ns,
	struct binding_view *out, unsigned max)
{
	const _Atomic uint64_t *bucket = bucket_of(b, identity);
	uint64_t before = get(bucket);
	unsigned count = 0;
	// Those that are over are passed over, as far as this bound lets.
	unsigned steps = max + MAX_CHAIN;
	for (uint32_t i = read_first(b, before, identity);
		i != SHOWN_NONE && count < max && steps-- > 0; i = get(&shown_at(b, i)->same)) {
		bool is_over;
		if (!read_session(b, &b->sessions[i / BINDING_MAX_IDENTITIES], time_ns, &out[count],
			    &is_over))
			return -EAGAIN;
		if (!is_over)
			count++;
	}
	return bucket_same_version(before, get(bucket)) ? (int)count : -EAGAIN;
}

int bindings_of_identity(const struct bindings *b, const struct digest *identity, uint64_t time_ns,
	struct binding_view *out, unsigned max)
{
	for (unsigned i = 0; i < READ_ATTEMPTS; i++) {
		int count = read_sessions(b, identity, time_ns, out, max);
		if (count >= 0)
			return count;
	}
	return -EAGAIN;
}
