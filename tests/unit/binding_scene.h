// Signals made by hand, and the bindings they go to.
#ifndef X2TAP_BINDING_SCENE_H
#define X2TAP_BINDING_SCENE_H

#include "unit.h"

#include "bindings.h"

static const uint64_t SECOND = 1000000000, START = 1700000000000000000;
static const struct hash_key KEY = {5, 6};

struct scene {
	struct bindings *b;
	struct binding_place place;
	uint64_t now;
	struct signal signal; // the one that is being made
};

static inline struct address address_of(const char *text)
{
	struct address a;
	assert_true(address_parse(bytes_of_text(text), &a));
	return a;
}

static inline struct digest digest_of(const char *text)
{
	struct identity identity = {.kind = IDENTITY_NAI, .len = (uint16_t)strlen(text)};
	memcpy(identity.octets, text, identity.len);
	return identity_digest(&KEY, &identity);
}

// The signal that the calls below add to.
static inline void make(struct scene *s, enum signal_protocol protocol, enum signal_change change,
	const char *authority, const char *peer)
{
	signal_clear(&s->signal, protocol);
	s->signal.change = change;
	if (authority)
		s->signal.authority = address_of(authority);
	if (peer)
		s->signal.peer = address_of(peer);
}

static inline void named(struct scene *s, uint8_t use, const char *name)
{
	const struct signal_rules rules = {.key = KEY};
	struct bytes part = bytes_of_text(name);
	signal_add_name(&s->signal, &rules,
		use & NAME_EXCHANGE ? NAME_RADIUS_EXCHANGE : NAME_RADIUS_SESSION, use, &part, 1);
}

static inline void shows(struct scene *s, enum signal_role role, const char *text)
{
	struct identity *identity = signal_next_identity(&s->signal, role);
	assert_non_null(identity);
	identity->kind = IDENTITY_NAI;
	identity->len = (uint16_t)strlen(text);
	memcpy(identity->octets, text, identity->len);
	signal_commit_sighting(&s->signal, role);
}

static inline void leases(
	struct scene *s, const char *address, uint8_t prefix_len, uint32_t lifetime_s)
{
	struct address a = address_of(address);
	assert_true(signal_add_lease(&s->signal, &a, prefix_len, lifetime_s));
}

static inline enum binding_refusal take(struct scene *s)
{
	return bindings_take(s->b, &s->signal, &s->place, s->now);
}

// Counts add up at any time (bindings.h).
static inline void laws_hold(const struct bindings *b)
{
	uint64_t c[BINDINGS_COUNTERS], refused = 0;
	for (unsigned i = 0; i < BINDINGS_COUNTERS; i++)
		c[i] = bindings_counter(b, i);
	for (unsigned i = BINDING_IN_TUNNEL; i < BINDING_REFUSALS; i++)
		refused += bindings_refused(b, i);
	assert_int_equal(c[BINDINGS_BEGUN],
		c[BINDINGS_ENDED] + c[BINDINGS_REPLACED] + c[BINDINGS_EXPIRED] + c[BINDINGS_IDLE] +
			c[BINDINGS_RESTARTED] + c[BINDINGS_GIVEN_UP] + c[BINDINGS_SESSIONS]);
	assert_int_equal(c[BINDINGS_PENDING_BEGUN],
		c[BINDINGS_PENDING_ANSWERED] + c[BINDINGS_PENDING_DROPPED] +
			c[BINDINGS_PENDING_EXPIRED] + c[BINDINGS_PENDING_GIVEN_UP] +
			c[BINDINGS_PENDING]);
	assert_int_equal(c[BINDINGS_LEASES_BEGUN],
		c[BINDINGS_LEASES_ENDED] + c[BINDINGS_LEASES_RELEASED] +
			c[BINDINGS_LEASES_EXPIRED] + c[BINDINGS_LEASES_REASSIGNED] +
			c[BINDINGS_LEASES]);
	assert_int_equal(c[BINDINGS_SIGNALS], c[BINDINGS_APPLIED] + refused);
}

#endif
