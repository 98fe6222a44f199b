// Where sessions are kept, and which of them gives way.
#include "binding_internal.h"

static bool is_dhcp(const struct session *s)
{
	uint8_t protocol = own(&s->protocol);
	return protocol == SIGNAL_DHCPV4 || protocol == SIGNAL_DHCPV6;
}

static struct age_list *list_of(struct bindings *b, const struct session *s)
{
	return own(&s->state) == SESSION_PENDING ? &b->pending : &b->bound;
}

static void become_newest(struct bindings *b, uint32_t session)
{
	struct session *s = &b->sessions[session];
	struct age_list *list = list_of(b, s);
	s->older = list->newest;
	s->newer = NONE;
	if (list->newest == NONE)
		list->oldest = session;
	else
		b->sessions[list->newest].newer = session;
	list->newest = session;
	list->count++;
}

static void leave_list(struct bindings *b, uint32_t session)
{
	struct session *s = &b->sessions[session];
	struct age_list *list = list_of(b, s);
	if (s->older == NONE)
		list->oldest = s->newer;
	else
		b->sessions[s->older].newer = s->newer;
	if (s->newer == NONE)
		list->newest = s->older;
	else
		b->sessions[s->newer].older = s->older;
	list->count--;
}

void session_free(struct bindings *b, uint32_t session, enum binding_counter why)
{
	struct session *s = &b->sessions[session];
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++)
		if (own(&s->leases[i].kind))
			lease_take(b, session, i, BINDINGS_LEASES_ENDED);
	identities_clear(b, session);
	names_clear(b, session);
	party_set(b, s, 0, NONE);
	party_set(b, s, 1, NONE);
	leave_list(b, session);
	bump(b, why);
	drop(b, own(&s->state) == SESSION_PENDING ? BINDINGS_PENDING : BINDINGS_SESSIONS);
	put(&s->state, SESSION_FREE);
	s->serial++;
	s->older = b->free;
	b->free = session;
}

bool session_is_over(const struct bindings *b, const struct session *s, uint64_t time_ns)
{
	uint8_t state = get(&s->state);
	if (state == SESSION_FREE || session_is_restarted(b, s))
		return true;
	uint64_t last_ns = get(&s->last_ns);
	if (state == SESSION_PENDING)
		return time_ns >= time_after(last_ns, SIGNAL_EXCHANGE_NS);
	bool has_lease = false;
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++) {
		uint32_t kind = get(&s->leases[i].kind);
		if (kind & LEASE_USED && time_ns < get(&s->leases[i].expires_ns))
			return false;
		has_lease |= kind & LEASE_USED;
	}
	// With its last lease, or when nothing has come for long.
	uint8_t protocol = get(&s->protocol);
	bool is_lease = protocol == SIGNAL_DHCPV4 || protocol == SIGNAL_DHCPV6;
	return (is_lease && has_lease) || time_ns >= time_after(last_ns, b->idle_ns);
}

// Why what is over is.
static enum binding_counter reason_of(const struct bindings *b, const struct session *s)
{
	if (own(&s->state) == SESSION_PENDING)
		return session_is_restarted(b, s) ? BINDINGS_PENDING_DROPPED
		                                  : BINDINGS_PENDING_EXPIRED;
	if (session_is_restarted(b, s))
		return BINDINGS_RESTARTED;
	return is_dhcp(s) && s->had_lease ? BINDINGS_EXPIRED : BINDINGS_IDLE;
}

static void take_expired_leases(struct bindings *b, uint32_t session, uint64_t time_ns)
{
	struct session *s = &b->sessions[session];
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++)
		if (own(&s->leases[i].kind) && time_ns >= own(&s->leases[i].expires_ns))
			lease_take(b, session, i, BINDINGS_LEASES_EXPIRED);
}

bool session_settle(struct bindings *b, uint32_t session, uint64_t time_ns)
{
	struct session *s = &b->sessions[session];
	if (own(&s->state) == SESSION_FREE)
		return false;
	bool over = session_is_over(b, s, time_ns);
	enum binding_counter why = over ? reason_of(b, s) : BINDINGS_COUNTERS;
	if (!session_is_restarted(b, s))
		take_expired_leases(b, session, time_ns);
	if (over)
		session_free(b, session, why);
	return !over;
}

static bool find_what_is_over(struct bindings *b, uint64_t time_ns)
{
	for (unsigned i = 0; i < FULL_SESSIONS; i++) {
		uint32_t session = b->hand;
		b->hand = (b->hand + 1) % b->capacity;
		if (own(&b->sessions[session].state) != SESSION_FREE &&
			!session_settle(b, session, time_ns))
			return true;
	}
	return false;
}

static void make_room(struct bindings *b, enum session_state state, uint64_t time_ns)
{
	if (state == SESSION_PENDING && b->pending.count >= b->max_pending)
		session_free(b, b->pending.oldest, BINDINGS_PENDING_GIVEN_UP);
	if (b->free != NONE || find_what_is_over(b, time_ns))
		return;
	if (b->bound.count)
		session_free(b, b->bound.oldest, BINDINGS_GIVEN_UP);
	else
		session_free(b, b->pending.oldest, BINDINGS_PENDING_GIVEN_UP);
}

uint32_t session_take(struct bindings *b, enum session_state state, uint64_t time_ns)
{
	make_room(b, state, time_ns);
	uint32_t session = b->free;
	struct session *s = &b->sessions[session];
	b->free = s->older;
	put(&s->since_ns, time_ns);
	put(&s->last_ns, time_ns);
	put(&s->state, (uint8_t)state);
	s->had_lease = false;
	s->source = NO_SOURCE;
	s->joined = NONE;
	become_newest(b, session);
	bool pending = state == SESSION_PENDING;
	bump(b, pending ? BINDINGS_PENDING_BEGUN : BINDINGS_BEGUN);
	bump(b, pending ? BINDINGS_PENDING : BINDINGS_SESSIONS);
	return session;
}

void session_touch(struct bindings *b, uint32_t session, uint64_t time_ns)
{
	struct session *s = &b->sessions[session];
	put(&s->last_ns, time_ns);
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++)
		if (own(&s->leases[i].kind) & LEASE_UNLIMITED)
			put(&s->leases[i].expires_ns, time_after(time_ns, b->idle_ns));
	leave_list(b, session);
	become_newest(b, session);
}

void session_promote(struct bindings *b, uint32_t session, uint64_t time_ns)
{
	struct session *s = &b->sessions[session];
	leave_list(b, session);
	put(&s->state, SESSION_BOUND);
	become_newest(b, session);
	put(&s->since_ns, time_ns);
	put(&s->last_ns, time_ns);
	identities_link(b, session);
	names_link(b, session);
	bump(b, BINDINGS_PENDING_ANSWERED);
	drop(b, BINDINGS_PENDING);
	bump(b, BINDINGS_BEGUN);
	bump(b, BINDINGS_SESSIONS);
}
