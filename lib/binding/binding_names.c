// The names by which messages find their sessions. The writer's alone.
#include "binding_internal.h"

static struct name *name_at(const struct bindings *b, uint32_t number)
{
	return &b->sessions[number / NAMES_STRIDE].names[number % NAMES_STRIDE];
}

static uint32_t *bucket_of(const struct bindings *b, const struct digest *digest)
{
	return &b->name_buckets[digest->low & b->name_mask]; // keyed, so any part of it will do
}

static bool is_exchange(const struct session *s, unsigned slot)
{
	return s->names_exchange >> slot & 1;
}

static bool is_past(const struct session *s, unsigned slot, uint64_t time_ns)
{
	return is_exchange(s, slot) && s->names[slot].until_s < time_ns / SECOND_NS;
}

uint32_t name_find(const struct bindings *b, const struct digest *digest, uint64_t time_ns)
{
	uint32_t i = *bucket_of(b, digest);
	while (i != NONE && !digest_equal(&name_at(b, i)->digest, digest))
		i = name_at(b, i)->next;
	if (i == NONE)
		return NONE;
	uint32_t session = i / NAMES_STRIDE;
	return is_past(&b->sessions[session], i % NAMES_STRIDE, time_ns) ? NONE : session;
}

static void link_slot(struct bindings *b, uint32_t session, unsigned slot)
{
	struct session *s = &b->sessions[session];
	uint32_t *bucket = bucket_of(b, &s->names[slot].digest);
	s->names[slot].next = *bucket;
	*bucket = session * NAMES_STRIDE + slot;
	s->names_linked |= (uint8_t)(1 << slot);
}

static void clear_slot(struct bindings *b, uint32_t session, unsigned slot)
{
	struct session *s = &b->sessions[session];
	uint8_t bit = (uint8_t)(1 << slot);
	if (s->names_linked & bit) {
		uint32_t *link = bucket_of(b, &s->names[slot].digest);
		while (*link != session * NAMES_STRIDE + slot)
			link = &name_at(b, *link)->next;
		*link = s->names[slot].next;
	}
	s->names_used &= (uint8_t)~bit;
	s->names_linked &= (uint8_t)~bit;
	s->names_exchange &= (uint8_t)~bit;
	s->names_begin &= (uint8_t)~bit;
}

static unsigned slot_of(const struct session *s, const struct digest *digest)
{
	unsigned slot = 0;
	while (slot < BINDING_MAX_NAMES &&
		!(s->names_used >> slot & 1 && digest_equal(&s->names[slot].digest, digest)))
		slot++;
	return slot;
}

// Whatever has the name now has it no more.
static void take_from_others(struct bindings *b, const struct digest *digest)
{
	uint32_t i = *bucket_of(b, digest);
	while (i != NONE && !digest_equal(&name_at(b, i)->digest, digest))
		i = name_at(b, i)->next;
	if (i != NONE)
		clear_slot(b, i / NAMES_STRIDE, i % NAMES_STRIDE);
}

// A free slot, that of an exchange that is over, or of the one that is over first.
static unsigned exchange_slot(struct bindings *b, uint32_t session, uint64_t time_ns)
{
	const struct session *s = &b->sessions[session];
	unsigned best = BINDING_MAX_NAMES;
	for (unsigned i = 0; i < BINDING_MAX_NAMES; i++) {
		if (!(s->names_used >> i & 1))
			return i;
		if (is_exchange(s, i) &&
			(best == BINDING_MAX_NAMES || s->names[i].until_s < s->names[best].until_s))
			best = i;
	}
	if (best < BINDING_MAX_NAMES) {
		if (!is_past(s, best, time_ns))
			bump(b, BINDINGS_NAMES_EXCESS);
		clear_slot(b, session, best);
	}
	return best;
}

static unsigned place_of(struct bindings *b, uint32_t session, bool exchange, uint64_t time_ns)
{
	const struct session *s = &b->sessions[session];
	unsigned slot = exchange_slot(b, session, time_ns);
	if (slot < BINDING_MAX_NAMES)
		return slot;
	bump(b, BINDINGS_NAMES_EXCESS);
	if (exchange)
		return BINDING_MAX_NAMES;
	slot = 0; // the name that was kept longest ago
	for (unsigned i = 1; i < BINDING_MAX_NAMES; i++)
		if (s->names[i].until_s < s->names[slot].until_s)
			slot = i;
	clear_slot(b, session, slot);
	return slot;
}

void name_add(struct bindings *b, uint32_t session, const struct digest *digest, unsigned flags,
	uint64_t time_ns)
{
	struct session *s = &b->sessions[session];
	bool exchange = flags & NAME_OF_EXCHANGE;
	unsigned slot = slot_of(s, digest);
	if (slot == BINDING_MAX_NAMES) {
		slot = place_of(b, session, exchange, time_ns);
		if (slot == BINDING_MAX_NAMES)
			return;
		s->names[slot].digest = *digest;
		s->names_used |= (uint8_t)(1 << slot);
	}
	s->names_exchange &= (uint8_t) ~(1 << slot);
	s->names_exchange |= (uint8_t)(exchange << slot);
	if (flags & NAME_ENDS_OTHER)
		s->names_begin |= (uint8_t)(1 << slot);
	s->names[slot].until_s = (uint32_t)(time_after(time_ns, SIGNAL_EXCHANGE_NS) / SECOND_NS);
	if (flags & NAME_LINKED && !(s->names_linked >> slot & 1)) {
		take_from_others(b, digest);
		link_slot(b, session, slot);
	}
}

void name_remove(struct bindings *b, uint32_t session, const struct digest *digest)
{
	unsigned slot = slot_of(&b->sessions[session], digest);
	if (slot < BINDING_MAX_NAMES)
		clear_slot(b, session, slot);
}

void names_link(struct bindings *b, uint32_t session)
{
	struct session *s = &b->sessions[session];
	for (unsigned i = 0; i < BINDING_MAX_NAMES; i++)
		if (s->names_used >> i & 1 && !(s->names_linked >> i & 1)) {
			take_from_others(b, &s->names[i].digest);
			link_slot(b, session, i);
		}
}

void names_move(struct bindings *b, uint32_t from, uint32_t to, uint64_t time_ns)
{
	struct session *s = &b->sessions[from];
	for (unsigned i = 0; i < BINDING_MAX_NAMES; i++) {
		if (!(s->names_used >> i & 1))
			continue;
		struct digest digest = s->names[i].digest;
		unsigned flags = NAME_LINKED | (is_exchange(s, i) ? NAME_OF_EXCHANGE : 0);
		bool is_over = is_past(s, i, time_ns);
		clear_slot(b, from, i);
		if (!is_over)
			name_add(b, to, &digest, flags, time_ns);
	}
}

void names_clear(struct bindings *b, uint32_t session)
{
	for (unsigned i = 0; i < BINDING_MAX_NAMES; i++)
		if (b->sessions[session].names_used >> i & 1)
			clear_slot(b, session, i);
}
