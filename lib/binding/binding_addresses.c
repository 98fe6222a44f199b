// The addresses and prefixes of sessions, and the index by which packets find them.
#include "binding_internal.h"

struct lease_key {
	uint64_t high, low;
	uint32_t kind, instance;
};

static uint64_t mask_of(unsigned bits) // the first `bits` of 64
{
	return bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
}

static uint64_t load_be64(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof v);
	return __builtin_bswap64(v);
}

static struct lease_key key_of(const struct address *a, unsigned prefix_len, uint32_t instance)
{
	return (struct lease_key){
		.high = load_be64(a->octets) & mask_of(prefix_len),
		.low = prefix_len > 64 ? load_be64(a->octets + 8) & mask_of(prefix_len - 64) : 0,
		.kind = LEASE_USED | (a->family == 6 ? LEASE_IPV6 : 0) | prefix_len,
		.instance = instance,
	};
}

static _Atomic uint64_t *bucket_of(const struct bindings *b, const struct lease_key *key)
{
	uint64_t words[3] = {key->high, key->low, (uint64_t)key->kind << 32 | key->instance};
	return &b->address_buckets[siphash(&b->key, bytes_of(words, sizeof words)) &
				   b->address_mask];
}

static struct lease *lease_at(const struct bindings *b, uint32_t number)
{
	return &b->sessions[number / BINDING_MAX_LEASES].leases[number % BINDING_MAX_LEASES];
}

static bool lease_is(const struct bindings *b, uint32_t number, const struct lease_key *key)
{
	const struct lease *lease = lease_at(b, number);
	return get(&lease->high) == key->high && get(&lease->low) == key->low &&
	       (get(&lease->kind) & LEASE_KEY) == key->kind &&
	       get(&b->sessions[number / BINDING_MAX_LEASES].instance) == key->instance;
}

// From the lease `i` of the chain on. NONE: nobody has it.
static uint32_t find_from(const struct bindings *b, uint32_t i, const struct lease_key *key)
{
	while (i != NONE && !lease_is(b, i, key))
		i = own(&lease_at(b, i)->next);
	return i;
}

// Of the session. NONE: it has it not.
static uint32_t find_of(const struct bindings *b, uint32_t session, const struct lease_key *key)
{
	uint32_t i = find_from(b, bucket_head(own(bucket_of(b, key))), key);
	while (i != NONE && i / BINDING_MAX_LEASES != session)
		i = find_from(b, own(&lease_at(b, i)->next), key);
	return i;
}

struct address lease_address(const struct lease *lease)
{
	struct address a = {.family = get(&lease->kind) & LEASE_IPV6 ? 6 : 4};
	uint64_t words[2] = {
		__builtin_bswap64(get(&lease->high)), __builtin_bswap64(get(&lease->low))};
	memcpy(a.octets, words, sizeof words);
	return a;
}

unsigned lease_slot(const struct bindings *b, uint32_t session, const struct address *address,
	uint8_t prefix_len)
{
	struct lease_key key = key_of(address, prefix_len, own(&b->sessions[session].instance));
	uint32_t i = find_of(b, session, &key);
	return i == NONE ? BINDING_MAX_LEASES : i % BINDING_MAX_LEASES;
}

unsigned lease_count(const struct session *s)
{
	unsigned count = 0;
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++)
		count += own(&s->leases[i].kind) != 0;
	return count;
}

// --- prefix lengths in use -----------------------------------------------------------------------------------

static _Atomic uint64_t *length_word(struct bindings *b, uint32_t kind)
{
	unsigned len = kind & LEASE_LENGTH;
	return &b->lengths[kind & LEASE_IPV6 ? 1 + (len - 1) / 64 : 0];
}

static uint64_t length_bit(uint32_t kind)
{
	return 1ull << ((kind & LEASE_LENGTH) - 1) % 64;
}

// False: too many others are in use.
static bool length_take(struct bindings *b, uint32_t kind)
{
	bool ipv6 = kind & LEASE_IPV6;
	uint32_t *uses = &b->length_uses[ipv6][kind & LEASE_LENGTH];
	if (*uses == 0) {
		if (b->lengths_in_use[ipv6] == BINDING_MAX_LENGTHS)
			return false;
		b->lengths_in_use[ipv6]++;
		put(length_word(b, kind), own(length_word(b, kind)) | length_bit(kind));
	}
	++*uses;
	return true;
}

static void length_drop(struct bindings *b, uint32_t kind)
{
	bool ipv6 = kind & LEASE_IPV6;
	if (--b->length_uses[ipv6][kind & LEASE_LENGTH] == 0) {
		b->lengths_in_use[ipv6]--;
		put(length_word(b, kind), own(length_word(b, kind)) & ~length_bit(kind));
	}
}

// --- the writer ------------------------------------------------------------------------------------------------

static void change_begin(struct session *s)
{
	put(&s->version, own(&s->version) + 1);
}

static void change_end(struct session *s)
{
	put(&s->version, own(&s->version) + 1);
}

static struct lease_key key_of_lease(const struct bindings *b, uint32_t number)
{
	const struct lease *lease = lease_at(b, number);
	return (struct lease_key){own(&lease->high), own(&lease->low),
		own(&lease->kind) & LEASE_KEY,
		own(&b->sessions[number / BINDING_MAX_LEASES].instance)};
}

static void unlink_lease(struct bindings *b, uint32_t number)
{
	struct lease_key key = key_of_lease(b, number);
	_Atomic uint64_t *bucket = bucket_of(b, &key);
	uint32_t head = bucket_head(own(bucket)), next = own(&lease_at(b, number)->next);
	if (head == number) {
		head = next;
	} else {
		uint32_t before = head;
		while (own(&lease_at(b, before)->next) != number)
			before = own(&lease_at(b, before)->next);
		put(&lease_at(b, before)->next, next);
	}
	bucket_raise(bucket, head);
}

void lease_take(struct bindings *b, uint32_t session, unsigned slot, enum binding_counter why)
{
	struct session *s = &b->sessions[session];
	uint32_t kind = own(&s->leases[slot].kind);
	change_begin(s);
	unlink_lease(b, session * BINDING_MAX_LEASES + slot);
	put(&s->leases[slot].kind, 0);
	change_end(s);
	length_drop(b, kind);
	bump(b, why);
	drop(b, BINDINGS_LEASES);
}

// A free slot, or that of the one that would expire first, unless it is of this very message.
static unsigned place_of(struct bindings *b, uint32_t session, uint8_t fresh)
{
	const struct session *s = &b->sessions[session];
	unsigned best = BINDING_MAX_LEASES;
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++) {
		if (own(&s->leases[i].kind) == 0)
			return i;
		if (!(fresh >> i & 1) &&
			(best == BINDING_MAX_LEASES ||
				own(&s->leases[i].expires_ns) < own(&s->leases[best].expires_ns)))
			best = i;
	}
	bump(b, BINDINGS_LEASES_EXCESS);
	if (best < BINDING_MAX_LEASES)
		lease_take(b, session, best, BINDINGS_LEASES_ENDED);
	return best;
}

static void fill_and_link(struct bindings *b, uint32_t session, unsigned slot,
	const struct lease_key *key, uint64_t expires_ns, bool unlimited)
{
	struct session *s = &b->sessions[session];
	struct lease *lease = &s->leases[slot];
	_Atomic uint64_t *bucket = bucket_of(b, key);
	change_begin(s);
	put(&lease->high, key->high);
	put(&lease->low, key->low);
	put(&lease->expires_ns, expires_ns);
	put(&lease->kind, key->kind | (unlimited ? LEASE_UNLIMITED : 0));
	put(&lease->next, bucket_head(own(bucket)));
	// From here on readers find it, before another session's lease of this address, which is further down the chain.
	bucket_set_head(bucket, session * BINDING_MAX_LEASES + slot);
	change_end(s);
	s->had_lease = true;
	bump(b, BINDINGS_LEASES_BEGUN);
	bump(b, BINDINGS_LEASES);
}

static bool is_too_wide(const struct address *address, uint8_t prefix_len)
{
	return prefix_len <
	       (address->family == 4 ? BINDING_MIN_LENGTH_IPV4 : BINDING_MIN_LENGTH_IPV6);
}

static void renew(struct session *s, unsigned slot, uint64_t expires_ns, bool unlimited)
{
	struct lease *lease = &s->leases[slot];
	change_begin(s);
	put(&lease->expires_ns, expires_ns);
	put(&lease->kind, (own(&lease->kind) & LEASE_KEY) | (unlimited ? LEASE_UNLIMITED : 0));
	change_end(s);
}

void lease_give(struct bindings *b, uint32_t session, const struct address *address,
	uint8_t prefix_len, uint64_t expires_ns, bool unlimited, uint8_t *fresh)
{
	struct session *s = &b->sessions[session];
	if (is_too_wide(address, prefix_len)) {
		bump(b, BINDINGS_LEASES_WIDE);
		return;
	}
	struct lease_key key = key_of(address, prefix_len, own(&s->instance));
	uint32_t had = find_of(b, session, &key);
	if (had != NONE) {
		renew(s, had % BINDING_MAX_LEASES, expires_ns, unlimited);
		*fresh |= (uint8_t)(1 << had % BINDING_MAX_LEASES);
		return;
	}
	unsigned slot = place_of(b, session, *fresh);
	if (slot == BINDING_MAX_LEASES)
		return;
	if (!length_take(b, key.kind)) {
		bump(b, BINDINGS_LEASES_EXCESS);
		return;
	}
	fill_and_link(b, session, slot, &key, expires_ns, unlimited);
	*fresh |= (uint8_t)(1 << slot);
}

static bool is_gtp(const struct session *s)
{
	return own(&s->protocol) == SIGNAL_GTPV1C || own(&s->protocol) == SIGNAL_GTPV2C;
}

static bool share_imsi(const struct session *a, const struct session *b)
{
	for (unsigned i = 0; i < own(&a->identity_count); i++)
		for (unsigned k = 0; k < own(&b->identity_count); k++) {
			struct digest x = shown_digest(&a->shown[i]),
				      y = shown_digest(&b->shown[k]);
			if (shown_role(a, i) == SIGNAL_ROLE_IMSI &&
				shown_role(b, k) == SIGNAL_ROLE_IMSI && digest_equal(&x, &y))
				return true;
		}
	return false;
}

static bool may_both_have(const struct session *a, const struct session *b)
{
	return is_gtp(a) && is_gtp(b) && share_imsi(a, b);
}

static enum binding_counter why_lost(const struct bindings *b, uint32_t number, uint64_t time_ns)
{
	return own(&lease_at(b, number)->expires_ns) <= time_ns ? BINDINGS_LEASES_EXPIRED
	                                                        : BINDINGS_LEASES_REASSIGNED;
}

uint32_t lease_lose(struct bindings *b, uint32_t session, const struct address *address,
	uint8_t prefix_len, uint64_t time_ns)
{
	if (is_too_wide(address, prefix_len))
		return NONE;
	const struct session *s = &b->sessions[session];
	struct lease_key key = key_of(address, prefix_len, own(&s->instance));
	uint32_t i = find_from(b, bucket_head(own(bucket_of(b, &key))), &key);
	while (i != NONE && (i / BINDING_MAX_LEASES == session ||
				    may_both_have(s, &b->sessions[i / BINDING_MAX_LEASES])))
		i = find_from(b, own(&lease_at(b, i)->next), &key);
	if (i == NONE)
		return NONE;
	lease_take(b, i / BINDING_MAX_LEASES, i % BINDING_MAX_LEASES, why_lost(b, i, time_ns));
	return i / BINDING_MAX_LEASES;
}

// --- readers -------------------------------------------------------------------------------------------------

static unsigned copy_identities(const struct session *s, struct digest *out, unsigned max)
{
	unsigned count = get(&s->identity_count);
	if (count > max)
		count = max;
	for (unsigned i = 0; i < count; i++)
		out[i] = shown_digest(&s->shown[i]);
	return count;
}

struct owner {
	bool is_known;
	unsigned count; // of identities
};

static struct owner read_owner(const struct bindings *b, uint32_t number, uint64_t time_ns,
	struct digest *out, unsigned max)
{
	const struct session *s = &b->sessions[number / BINDING_MAX_LEASES];
	if (time_ns >= get(&lease_at(b, number)->expires_ns) || session_is_restarted(b, s))
		return (struct owner){false, 0};
	return (struct owner){true, copy_identities(s, out, max)};
}

static struct owner owner_of(const struct bindings *b, const struct lease_key *key,
	uint64_t time_ns, struct digest *out, unsigned max)
{
	const _Atomic uint64_t *bucket = bucket_of(b, key);
	for (unsigned i = 0; i < READ_ATTEMPTS; i++) {
		uint64_t before = get(bucket);
		uint32_t n = bucket_head(before);
		struct owner owner = {false, 0};
		for (unsigned steps = 0; n != NONE && !owner.is_known; steps++) {
			if (lease_is(b, n, key))
				owner = read_owner(b, n, time_ns, out, max);
			n = steps < MAX_CHAIN ? get(&lease_at(b, n)->next) : NONE;
		}
		if (bucket_same_version(before, get(bucket)))
			return owner;
	}
	return (struct owner){false, 0};
}

unsigned bindings_bound(const struct bindings *b, uint32_t instance, const struct address *a,
	uint64_t time_ns, struct digest *out, unsigned max)
{
	// The longest lengths first. A bit that comes or goes meanwhile is of a binding that does.
	static const struct {
		uint8_t first, last; // words of `lengths`, from the last on
	} words[2] = {{0, 0}, {1, 2}};
	bool ipv6 = a->family == 6;
	if (!ipv6 && a->family != 4)
		return 0;
	for (int w = words[ipv6].last; w >= words[ipv6].first; w--) {
		unsigned base = w == 2 ? 65 : 1;
		for (uint64_t bits = get(&b->lengths[w]); bits;) {
			unsigned bit = 63 - (unsigned)__builtin_clzll(bits);
			bits &= ~(1ull << bit);
			struct lease_key key = key_of(a, base + bit, instance);
			struct owner owner = owner_of(b, &key, time_ns, out, max);
			if (owner.is_known)
				return owner.count;
		}
	}
	return 0;
}
