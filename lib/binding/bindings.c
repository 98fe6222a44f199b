#include "binding_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "pages.h"

// --- memory ------------------------------------------------------------------------------------------------------

static uint32_t power_of_two(uint64_t least)
{
	uint32_t n = 1;
	while (n < least)
		n *= 2;
	return n;
}

// With base NULL only the size comes to anything.
static void place_parts(struct bindings *b, uint8_t *base, uint32_t max_authorities)
{
	uint64_t buckets = power_of_two(b->capacity);
	b->address_mask = b->identity_mask = b->name_mask = (uint32_t)(buckets - 1);
	size_t used = 0;
	b->sessions = pages_carve(base, &used, b->capacity * sizeof *b->sessions);
	b->address_buckets = pages_carve(base, &used, buckets * sizeof *b->address_buckets);
	b->identity_buckets = pages_carve(base, &used, buckets * sizeof *b->identity_buckets);
	b->name_buckets = pages_carve(base, &used, buckets * sizeof *b->name_buckets);
	b->authorities = pages_carve(base, &used, max_authorities * sizeof *b->authorities);
	b->size = used;
}

static void make_empty(struct bindings *b)
{
	for (uint32_t i = 0; i <= b->address_mask; i++) {
		put(&b->address_buckets[i], NONE);
		put(&b->identity_buckets[i], SHOWN_NONE);
		b->name_buckets[i] = NONE;
	}
	for (uint32_t i = 0; i < b->capacity; i++) {
		struct session *s = &b->sessions[i];
		s->older = i + 1 < b->capacity ? i + 1 : NONE;
		put(&s->parties[0], NO_PARTY);
		put(&s->parties[1], NO_PARTY);
	}
	b->bound = b->pending = (struct age_list){NONE, NONE, 0};
}

static bool are_sound(const struct binding_rules *rules)
{
	return rules->max_sessions >= BINDING_MIN_SESSIONS &&
	       rules->max_sessions <= BINDING_MAX_SESSIONS && rules->max_authorities > 0 &&
	       rules->session_idle_ns > 0;
}

struct bindings *bindings_new(const struct binding_rules *rules)
{
	uint8_t *base = NULL;
	int rc = are_sound(rules) ? -ENOMEM : -EINVAL;
	struct bindings *b = rc == -EINVAL ? NULL : aligned_alloc(64, sizeof *b);
	if (!b)
		goto fail;
	memset(b, 0, sizeof *b);
	b->capacity = rules->max_sessions;
	b->max_pending = rules->max_sessions / PENDING_SHARE;
	b->idle_ns = rules->session_idle_ns;
	b->key = rules->key;
	rc = sources_copy(b, rules);
	if (rc < 0)
		goto free_sources;
	rc = digest_table_init(&b->authority_table, rules->max_authorities);
	if (rc < 0)
		goto free_sources;
	place_parts(b, NULL, rules->max_authorities);
	base = pages_take(b->size);
	if (!base) {
		rc = -ENOMEM;
		goto free_authorities;
	}
	place_parts(b, base, rules->max_authorities);
	make_empty(b);
	return b;

free_authorities:
	digest_table_fini(&b->authority_table);
free_sources:
	sources_free(b);
	free(b);
fail:
	errno = -rc;
	return NULL;
}

void bindings_free(struct bindings *b)
{
	if (!b)
		return;
	pages_free(b->sessions, b->size);
	digest_table_fini(&b->authority_table);
	sources_free(b);
	explicit_bzero(b, sizeof *b);
	free(b);
}

size_t bindings_memory(const struct bindings *b)
{
	return sizeof *b + b->size;
}

// --- which sessions a signal is about ----------------------------------------------------------------------------

// A place in the table, and who used it when it was noted.
struct noted {
	uint32_t session, serial;
	enum binding_counter why; // of those that are to end
};

struct noted_list {
	struct noted items[MAX_FOUND];
	unsigned count;
};

struct found {
	struct noted_list bound, pending;
	bool is_foreign;
};

static void note(const struct bindings *b, struct noted_list *list, uint32_t session,
	enum binding_counter why)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->items[i].session == session)
			return;
	if (list->count < MAX_FOUND)
		list->items[list->count++] =
			(struct noted){session, b->sessions[session].serial, why};
}

static bool is_still_there(const struct bindings *b, const struct noted *n)
{
	return n->session != NONE && own(&b->sessions[n->session].state) != SESSION_FREE &&
	       b->sessions[n->session].serial == n->serial;
}

static bool is_authority(const struct bindings *b, const struct session *s, const struct address *a)
{
	uint64_t party = own(&s->parties[0]);
	if (party == NO_PARTY)
		return false;
	const struct address *began = &b->authorities[(uint32_t)party].address;
	return began->family == a->family && memcmp(began->octets, a->octets, 16) == 0;
}

// Whether a signal that `source` covers may concern the session.
static bool may_change(const struct bindings *b, const struct session *s, uint32_t source,
	const struct signal *signal)
{
	if (s->source == source || s->source == NO_SOURCE || source == NO_SOURCE)
		return true;
	return own(&s->instance) == b->sources[source].instance &&
	       is_authority(b, s, &signal->authority);
}

// The session that the name stands for, unless it is over.
static uint32_t live_session(
	const struct bindings *b, const struct signal_name *name, uint64_t time_ns)
{
	uint32_t i = name_find(b, &name->digest, time_ns);
	return i == NONE || session_is_over(b, &b->sessions[i], time_ns) ? NONE : i;
}

// What a request would have changed, if that goes on.
static void note_joined(const struct bindings *b, const struct session *request, uint32_t source,
	const struct signal *signal, uint64_t time_ns, struct found *f)
{
	const struct noted joined = {request->joined, request->joined_serial, 0};
	if (!is_still_there(b, &joined))
		return;
	const struct session *s = &b->sessions[joined.session];
	if (own(&s->state) == SESSION_BOUND && !session_is_over(b, s, time_ns) &&
		may_change(b, s, source, signal))
		note(b, &f->bound, joined.session, 0);
}

static void find_sessions(const struct bindings *b, const struct signal *signal, uint32_t source,
	uint64_t time_ns, struct found *f)
{
	f->bound.count = f->pending.count = 0;
	f->is_foreign = false;
	for (uint32_t n = 0; n < signal->name_count; n++) {
		if (signal->names[n].use & NAME_REPORTS)
			continue;
		uint32_t i = live_session(b, &signal->names[n], time_ns);
		if (i == NONE)
			continue;
		const struct session *s = &b->sessions[i];
		if (!may_change(b, s, source, signal))
			f->is_foreign = true;
		else if (signal->names[n].use & NAME_FIND)
			note(b, own(&s->state) == SESSION_BOUND ? &f->bound : &f->pending, i, 0);
	}
	for (unsigned i = 0; i < f->pending.count; i++)
		note_joined(
			b, &b->sessions[f->pending.items[i].session], source, signal, time_ns, f);
}

// --- identities of a message -------------------------------------------------------------------------------------

struct identity_list {
	struct digest digests[2 * BINDING_MAX_IDENTITIES];
	uint8_t roles[2 * BINDING_MAX_IDENTITIES];
	unsigned count;
};

static void list_identity(
	struct bindings *b, struct identity_list *list, const struct digest *digest, unsigned role)
{
	for (unsigned i = 0; i < list->count; i++)
		if (digest_equal(&list->digests[i], digest))
			return;
	if (list->count == 2 * BINDING_MAX_IDENTITIES) {
		bump(b, BINDINGS_IDENTITIES_EXCESS);
		return;
	}
	list->digests[list->count] = *digest;
	list->roles[list->count++] = (uint8_t)role;
}

static void list_sightings(
	struct bindings *b, struct identity_list *list, const struct signal *signal)
{
	for (uint32_t i = 0; i < signal->sighting_count; i++) {
		const struct sighting *seen = &signal->sightings[i];
		if (seen->role > SIGNAL_ROLE_SUBSCRIBER_LAST)
			continue;
		struct digest digest = identity_digest(&b->key, &seen->identity);
		list_identity(b, list, &digest, seen->role);
	}
}

static void list_session(
	struct bindings *b, struct identity_list *list, const struct session *s, unsigned without)
{
	for (unsigned i = 0; i < own(&s->identity_count); i++) {
		struct digest digest = shown_digest(&s->shown[i]);
		if (!(without >> shown_role(s, i) & 1))
			list_identity(b, list, &digest, shown_role(s, i));
	}
}

struct comparison {
	unsigned contradicted; // roles that both show, with nothing in common
	bool has_common;       // of whatever role
};

static struct comparison compare(const struct session *s, const struct identity_list *list)
{
	unsigned of_session = 0, of_list = 0, common = 0;
	for (unsigned i = 0; i < list->count; i++)
		of_list |= 1u << list->roles[i];
	for (unsigned i = 0; i < own(&s->identity_count); i++) {
		struct digest digest = shown_digest(&s->shown[i]);
		of_session |= 1u << shown_role(s, i);
		for (unsigned k = 0; k < list->count; k++)
			if (digest_equal(&digest, &list->digests[k]))
				common |= 1u << shown_role(s, i);
	}
	return (struct comparison){of_session & of_list & ~common, common != 0};
}

// --- what a signal does ------------------------------------------------------------------------------------------

// A signal that is believed.
struct order {
	const struct signal *signal;
	uint32_t source;
	uint32_t authority, peer; // NONE: not in the table
	uint64_t time_ns;
	struct found found;
	struct noted_list ending; // what is over once the new addresses are given
};

static bool is_dhcp(enum signal_protocol protocol)
{
	return protocol == SIGNAL_DHCPV4 || protocol == SIGNAL_DHCPV6;
}

static bool is_gtp(enum signal_protocol protocol)
{
	return protocol == SIGNAL_GTPV1C || protocol == SIGNAL_GTPV2C;
}

// A lease without address is none; an accounting or GTP session may get another one.
static bool free_if_empty(struct bindings *b, uint32_t session, enum binding_counter why)
{
	const struct session *s = &b->sessions[session];
	if (!is_dhcp(own(&s->protocol)) || !s->had_lease || lease_count(s))
		return false;
	session_free(b, session, why);
	return true;
}

static bool has_kept_name(const struct signal *signal)
{
	for (uint32_t i = 0; i < signal->name_count; i++)
		if ((signal->names[i].use & (NAME_KEEP | NAME_REPORTS)) == NAME_KEEP)
			return true;
	return false;
}

// What went on under a name that begins anew. Of an exchange only the request is over, not what it belonged to.
static void begin_names(struct bindings *b, struct order *o)
{
	for (uint32_t i = 0; i < o->signal->name_count; i++) {
		const struct signal_name *name = &o->signal->names[i];
		uint32_t t =
			name->use & NAME_BEGIN ? name_find(b, &name->digest, o->time_ns) : NONE;
		if (t == NONE)
			continue;
		if (own(&b->sessions[t].state) == SESSION_PENDING)
			session_free(b, t, BINDINGS_PENDING_DROPPED);
		else if (name->use & NAME_EXCHANGE)
			name_remove(b, t, &name->digest);
		else if (o->signal->change == CHANGE_BIND)
			note(b, &o->ending, t, BINDINGS_ENDED);
	}
}

static void keep_names(struct bindings *b, const struct order *o, uint32_t session)
{
	bool waits = own(&b->sessions[session].state) == SESSION_PENDING;
	for (uint32_t i = 0; i < o->signal->name_count; i++) {
		const struct signal_name *name = &o->signal->names[i];
		if (!(name->use & NAME_KEEP) || name->use & NAME_REPORTS)
			continue;
		unsigned flags = name->use & NAME_EXCHANGE ? NAME_OF_EXCHANGE | NAME_LINKED
		                 : waits                   ? 0
		                                           : NAME_LINKED;
		if (waits && name->use & NAME_BEGIN && !(name->use & NAME_EXCHANGE))
			flags |= NAME_ENDS_OTHER;
		name_add(b, session, &name->digest, flags, o->time_ns);
	}
}

static void forget_answered(struct bindings *b, const struct order *o, uint32_t session)
{
	if (!o->signal->is_answer)
		return;
	for (uint32_t i = 0; i < o->signal->name_count; i++)
		if (o->signal->names[i].use & NAME_EXCHANGE)
			name_remove(b, session, &o->signal->names[i].digest);
}

static void set_origin(struct bindings *b, const struct order *o, uint32_t session)
{
	struct session *s = &b->sessions[session];
	bool waits = own(&s->state) == SESSION_PENDING;
	s->source = o->source;
	put(&s->protocol, (uint8_t)o->signal->protocol);
	put(&s->instance, o->source == NO_SOURCE ? 0 : b->sources[o->source].instance);
	party_set(b, s, 0, o->authority);
	// A request stands whatever the answer tells of the one who answers.
	party_set(b, s, 1, waits ? NONE : o->peer);
}

static enum binding_refusal take_pending(struct bindings *b, struct order *o)
{
	uint32_t session;
	if (!has_kept_name(o->signal) && o->found.pending.count == 0)
		return BINDING_NO_NAME;
	begin_names(b, o);
	if (o->found.pending.count && is_still_there(b, &o->found.pending.items[0])) {
		session = o->found.pending.items[0].session;
		session_touch(b, session, o->time_ns);
	} else {
		session = session_take(b, SESSION_PENDING, o->time_ns);
	}
	set_origin(b, o, session);
	struct identity_list shown = {.count = 0};
	list_sightings(b, &shown, o->signal);
	for (unsigned i = 0; i < shown.count; i++)
		identity_add(b, session, &shown.digests[i], shown.roles[i]);
	if (o->found.bound.count && is_still_there(b, &o->found.bound.items[0])) {
		b->sessions[session].joined = o->found.bound.items[0].session;
		b->sessions[session].joined_serial = o->found.bound.items[0].serial;
	}
	keep_names(b, o, session);
	return BINDING_TAKEN;
}

// Another session in place of `old`, which a message shows to be another subscriber's or another identity's.
static uint32_t succeed(struct bindings *b, struct order *o, uint32_t old,
	struct identity_list *shown, const struct comparison *c)
{
	uint32_t session = session_take(b, SESSION_BOUND, o->time_ns);
	note(b, &o->ending, old, BINDINGS_REPLACED);
	set_origin(b, o, session);
	names_move(b, old, session, o->time_ns);
	if (c->has_common)
		list_session(b, shown, &b->sessions[old], c->contradicted);
	return session;
}

// The address is the session's, and whoever had it has it no more, also where there was no room for it.
static void give(struct bindings *b, const struct order *o, uint32_t session,
	const struct address *address, uint8_t prefix_len, uint64_t expires_ns, bool unlimited,
	uint8_t *fresh)
{
	lease_give(b, session, address, prefix_len, expires_ns, unlimited, fresh);
	for (uint32_t loser;
		(loser = lease_lose(b, session, address, prefix_len, o->time_ns)) != NONE;)
		free_if_empty(b, loser, BINDINGS_REPLACED);
}

static void inherit_leases(struct bindings *b, const struct order *o, uint32_t from, uint32_t to)
{
	uint8_t fresh = 0;
	for (unsigned i = 0; i < BINDING_MAX_LEASES; i++) {
		const struct lease *lease = &b->sessions[from].leases[i];
		uint32_t kind = own(&lease->kind);
		if (kind == 0)
			continue;
		struct address address = lease_address(lease);
		give(b, o, to, &address, (uint8_t)(kind & LEASE_LENGTH), own(&lease->expires_ns),
			kind & LEASE_UNLIMITED, &fresh);
	}
}

// The names that requests would keep are kept now.
static void note_ended_by_request(struct bindings *b, struct order *o, uint32_t request)
{
	const struct session *s = &b->sessions[request];
	for (unsigned i = 0; i < BINDING_MAX_NAMES; i++) {
		if (!(s->names_begin >> i & 1))
			continue;
		uint32_t t = name_find(b, &s->names[i].digest, o->time_ns);
		if (t != NONE && own(&b->sessions[t].state) == SESSION_BOUND &&
			may_change(b, &b->sessions[t], o->source, o->signal))
			note(b, &o->ending, t, BINDINGS_ENDED);
	}
}

static void absorb_requests(struct bindings *b, struct order *o, uint32_t session)
{
	for (unsigned i = 0; i < o->found.pending.count; i++) {
		const struct noted *request = &o->found.pending.items[i];
		if (request->session == session || !is_still_there(b, request))
			continue;
		names_move(b, request->session, session, o->time_ns);
		session_free(b, request->session, BINDINGS_PENDING_ANSWERED);
	}
}

static bool has_lease(
	const struct signal *signal, const struct address *address, uint8_t prefix_len)
{
	for (uint32_t i = 0; i < signal->lease_count; i++) {
		const struct signal_lease *l = &signal->leases[i];
		if (l->lifetime_s && l->prefix_len == prefix_len &&
			l->address.family == address->family &&
			memcmp(l->address.octets, address->octets, 16) == 0)
			return true;
	}
	return false;
}

// An accounting, GTP or DHCPv4 message tells all addresses of a family; one of DHCPv6 those of some of the IAs.
static void end_left_out(struct bindings *b, const struct signal *signal, uint32_t session)
{
	bool told[2] = {false, false};
	for (uint32_t i = 0; i < signal->lease_count; i++)
		told[signal->leases[i].address.family == 6] |= signal->leases[i].lifetime_s != 0;
	for (unsigned i = 0; i < BINDING_MAX_LEASES && signal->protocol != SIGNAL_DHCPV6; i++) {
		const struct lease *lease = &b->sessions[session].leases[i];
		uint32_t kind = own(&lease->kind);
		struct address address = lease_address(lease);
		if (kind && told[address.family == 6] &&
			!has_lease(signal, &address, (uint8_t)(kind & LEASE_LENGTH)))
			lease_take(b, session, i, BINDINGS_LEASES_ENDED);
	}
}

static void give_leases(struct bindings *b, const struct order *o, uint32_t session)
{
	uint8_t fresh = 0;
	for (uint32_t i = 0; i < o->signal->lease_count; i++) {
		const struct signal_lease *l = &o->signal->leases[i];
		if (l->lifetime_s == 0)
			continue;
		bool unlimited = l->lifetime_s == UINT32_MAX;
		uint64_t span = unlimited ? b->idle_ns : l->lifetime_s * SECOND_NS;
		give(b, o, session, &l->address, l->prefix_len, time_after(o->time_ns, span),
			unlimited, &fresh);
	}
}

static void release_leases(struct bindings *b, const struct signal *signal, uint32_t session)
{
	for (uint32_t i = 0; i < signal->lease_count; i++) {
		const struct signal_lease *l = &signal->leases[i];
		if (signal->change == CHANGE_BIND && l->lifetime_s != 0)
			continue;
		unsigned slot = lease_slot(b, session, &l->address, l->prefix_len);
		if (slot < BINDING_MAX_LEASES)
			lease_take(b, session, slot, BINDINGS_LEASES_RELEASED);
	}
}

static void end_noted(struct bindings *b, const struct noted_list *list, uint32_t except)
{
	for (unsigned i = 0; i < list->count; i++)
		if (list->items[i].session != except && is_still_there(b, &list->items[i]))
			session_free(b, list->items[i].session, list->items[i].why);
}

// The session that the addresses are for: one that goes on, or the request that is answered, or a new one.
static uint32_t session_to_bind(struct bindings *b, struct order *o, struct identity_list *shown)
{
	if (o->found.bound.count) {
		uint32_t session = o->found.bound.items[0].session;
		// The newest: nothing that is done for it makes it give way.
		session_touch(b, session, o->time_ns);
		struct comparison c = compare(&b->sessions[session], shown);
		if (c.contradicted == 0) {
			set_origin(b, o, session);
			bump(b, BINDINGS_RENEWED);
			return session;
		}
		uint32_t heir = succeed(b, o, session, shown, &c);
		for (unsigned i = 0; i < shown->count; i++)
			identity_add(b, heir, &shown->digests[i], shown->roles[i]);
		if (c.has_common)
			inherit_leases(b, o, session, heir);
		return heir;
	}
	if (o->found.pending.count && is_still_there(b, &o->found.pending.items[0])) {
		uint32_t session = o->found.pending.items[0].session;
		session_promote(b, session, o->time_ns);
		set_origin(b, o, session);
		return session;
	}
	uint32_t session = session_take(b, SESSION_BOUND, o->time_ns);
	set_origin(b, o, session);
	return session;
}

static enum binding_refusal take_bind(struct bindings *b, struct order *o)
{
	bool is_known = o->found.bound.count || o->found.pending.count;
	struct identity_list shown = {.count = 0};
	list_sightings(b, &shown, o->signal);
	if (!is_known && shown.count == 0 && o->signal->lease_count == 0)
		return BINDING_UNKNOWN_SESSION;
	if (!is_known && !has_kept_name(o->signal))
		return BINDING_NO_NAME;
	begin_names(b, o);
	for (unsigned i = 0; i < o->found.pending.count; i++)
		if (is_still_there(b, &o->found.pending.items[i])) {
			uint32_t request = o->found.pending.items[i].session;
			list_session(b, &shown, &b->sessions[request], 0);
			note_ended_by_request(b, o, request);
		}
	uint32_t session = session_to_bind(b, o, &shown);
	for (unsigned i = 0; i < shown.count; i++)
		identity_add(b, session, &shown.digests[i], shown.roles[i]);
	end_left_out(b, o->signal, session); // first: it makes room
	// Whose they are is known by now, so that readers see both or neither.
	give_leases(b, o, session);
	release_leases(b, o->signal, session);
	end_noted(b, &o->ending, session);
	absorb_requests(b, o, session);
	keep_names(b, o, session);
	forget_answered(b, o, session);
	free_if_empty(b, session, BINDINGS_ENDED);
	return BINDING_TAKEN;
}

static enum binding_refusal take_release(struct bindings *b, struct order *o)
{
	if (o->found.bound.count == 0)
		return BINDING_UNKNOWN_SESSION;
	for (unsigned i = 0; i < o->found.bound.count; i++) {
		uint32_t session = o->found.bound.items[i].session;
		session_touch(b, session, o->time_ns);
		release_leases(b, o->signal, session);
		keep_names(b, o, session);
		if (!free_if_empty(b, session, BINDINGS_ENDED))
			bump(b, BINDINGS_RENEWED);
	}
	return BINDING_TAKEN;
}

static enum binding_refusal take_end(struct bindings *b, struct order *o)
{
	if (o->found.bound.count == 0 && o->found.pending.count == 0)
		return BINDING_UNKNOWN_SESSION;
	for (unsigned i = 0; i < o->found.bound.count; i++)
		session_free(b, o->found.bound.items[i].session, BINDINGS_ENDED);
	for (unsigned i = 0; i < o->found.pending.count; i++)
		session_free(b, o->found.pending.items[i].session, BINDINGS_PENDING_DROPPED);
	return BINDING_TAKEN;
}

// A message without effect of its own shows that the session goes on, and may give it a name.
static void take_sign_of_life(struct bindings *b, struct order *o)
{
	begin_names(b, o);
	struct noted_list *list = o->found.bound.count ? &o->found.bound : &o->found.pending;
	if (o->source == NO_SOURCE || list->count == 0 || !is_still_there(b, &list->items[0]))
		return;
	session_touch(b, list->items[0].session, o->time_ns);
	keep_names(b, o, list->items[0].session);
}

static bool has_effect(const struct signal *signal)
{
	return signal->change != CHANGE_NONE || signal->has_restart;
}

// Who says so, and of GTP to whom. False: no room.
static bool find_authorities(struct bindings *b, struct order *o)
{
	const struct signal *signal = o->signal;
	if (o->source == NO_SOURCE || !has_effect(signal))
		return true;
	o->authority = authority_of(b, o->source, &signal->authority);
	bool has_peer = is_gtp(signal->protocol) && signal->peer.family != 0;
	if (has_peer && o->authority != NONE) {
		// The second may not make the first give way.
		b->authorities[o->authority].sessions++;
		o->peer = authority_of(b, o->source, &signal->peer);
		b->authorities[o->authority].sessions--;
	}
	return o->authority != NONE && (!has_peer || o->peer != NONE);
}

static enum binding_refusal take_change(struct bindings *b, struct order *o)
{
	switch (o->signal->change) {
	case CHANGE_PENDING:
		return take_pending(b, o);
	case CHANGE_BIND:
		return take_bind(b, o);
	case CHANGE_RELEASE:
		return take_release(b, o);
	case CHANGE_END:
		return take_end(b, o);
	case CHANGE_RESTART:
	case CHANGE_NONE:
		break;
	}
	take_sign_of_life(b, o);
	return has_effect(o->signal) ? BINDING_TAKEN : BINDING_NOTHING;
}

static enum binding_refusal take(struct bindings *b, const struct signal *signal,
	const struct binding_place *place, uint64_t time_ns)
{
	struct order o = {.signal = signal,
		.authority = NONE,
		.peer = NONE,
		.time_ns = time_ns,
		.ending.count = 0};
	enum binding_refusal refusal = source_of(b, signal, place, &o.source);
	if (refusal != BINDING_TAKEN)
		return refusal;
	if (!find_authorities(b, &o))
		return BINDING_NO_ROOM;
	if (signal->has_restart && o.authority != NONE)
		authority_counter(b, o.authority, signal->restart, time_ns);
	if (signal->change == CHANGE_RESTART && o.authority != NONE)
		authority_restart(b, o.authority);
	find_sessions(b, signal, o.source, time_ns, &o.found);
	return o.found.is_foreign ? BINDING_FOREIGN_SESSION : take_change(b, &o);
}

enum binding_refusal bindings_take(struct bindings *b, const struct signal *s,
	const struct binding_place *place, uint64_t time_ns)
{
	enum binding_refusal refusal = take(b, s, place, time_ns);
	if (!has_effect(s))
		return BINDING_NOTHING;
	bump(b, BINDINGS_SIGNALS);
	if (refusal == BINDING_TAKEN)
		bump(b, BINDINGS_APPLIED);
	else
		atomic_store_explicit(
			&b->refused[refusal], own(&b->refused[refusal]) + 1, memory_order_relaxed);
	return refusal;
}

void bindings_tick(struct bindings *b, uint64_t now_ns)
{
	for (unsigned i = 0; i < TICK_PENDING && b->pending.count; i++)
		if (session_settle(b, b->pending.oldest, now_ns))
			break;
	for (unsigned i = 0; i < TICK_SESSIONS; i++) {
		session_settle(b, b->hand, now_ns);
		b->hand = (b->hand + 1) % b->capacity;
	}
}

unsigned bindings_of_session(const struct bindings *b, const struct signal *s,
	const struct binding_place *place, uint64_t time_ns, struct digest *out, unsigned max)
{
	uint32_t source;
	struct found found;
	unsigned count = 0;
	if (source_of(b, s, place, &source) != BINDING_TAKEN)
		return 0;
	find_sessions(b, s, source, time_ns, &found);
	if (found.is_foreign)
		return 0;
	for (unsigned i = 0; i < found.bound.count + found.pending.count; i++) {
		uint32_t session = i < found.bound.count
		                           ? found.bound.items[i].session
		                           : found.pending.items[i - found.bound.count].session;
		const struct session *of = &b->sessions[session];
		for (unsigned k = 0; k < own(&of->identity_count) && count < max; k++)
			out[count++] = shown_digest(&of->shown[k]);
	}
	return count;
}

// --- counters ----------------------------------------------------------------------------------------------------

const char *binding_refusal_name(enum binding_refusal refusal)
{
	static const char *const names[BINDING_REFUSALS] = {
		[BINDING_TAKEN] = "taken",
		[BINDING_NOTHING] = "nothing",
		[BINDING_IN_TUNNEL] = "in_tunnel",
		[BINDING_NO_SOURCE] = "no_source",
		[BINDING_FOREIGN_AUTHORITY] = "foreign_authority",
		[BINDING_FOREIGN_SESSION] = "foreign_session",
		[BINDING_UNKNOWN_SESSION] = "unknown_session",
		[BINDING_NO_NAME] = "no_name",
		[BINDING_NO_ROOM] = "no_room",
	};
	return names[refusal];
}

const char *bindings_counter_name(enum binding_counter counter)
{
	static const char *const names[BINDINGS_COUNTERS] = {
		[BINDINGS_SIGNALS] = "signals",
		[BINDINGS_APPLIED] = "applied",
		[BINDINGS_BEGUN] = "begun",
		[BINDINGS_RENEWED] = "renewed",
		[BINDINGS_ENDED] = "ended",
		[BINDINGS_REPLACED] = "replaced",
		[BINDINGS_EXPIRED] = "expired",
		[BINDINGS_IDLE] = "idle",
		[BINDINGS_RESTARTED] = "restarted",
		[BINDINGS_GIVEN_UP] = "given_up",
		[BINDINGS_SESSIONS] = "sessions",
		[BINDINGS_PENDING_BEGUN] = "pending_begun",
		[BINDINGS_PENDING_ANSWERED] = "pending_answered",
		[BINDINGS_PENDING_DROPPED] = "pending_dropped",
		[BINDINGS_PENDING_EXPIRED] = "pending_expired",
		[BINDINGS_PENDING_GIVEN_UP] = "pending_given_up",
		[BINDINGS_PENDING] = "pending",
		[BINDINGS_LEASES_BEGUN] = "leases_begun",
		[BINDINGS_LEASES_ENDED] = "leases_ended",
		[BINDINGS_LEASES_RELEASED] = "leases_released",
		[BINDINGS_LEASES_EXPIRED] = "leases_expired",
		[BINDINGS_LEASES_REASSIGNED] = "leases_reassigned",
		[BINDINGS_LEASES] = "leases",
		[BINDINGS_LEASES_WIDE] = "leases_wide",
		[BINDINGS_LEASES_EXCESS] = "leases_excess",
		[BINDINGS_NAMES_EXCESS] = "names_excess",
		[BINDINGS_IDENTITIES_EXCESS] = "identities_excess",
		[BINDINGS_RESTARTS] = "restarts",
		[BINDINGS_RESTARTS_STALE] = "restarts_stale",
		[BINDINGS_AUTHORITIES] = "authorities",
	};
	return names[counter];
}

uint64_t bindings_counter(const struct bindings *b, enum binding_counter counter)
{
	return own(&b->counters[counter]);
}

uint64_t bindings_refused(const struct bindings *b, enum binding_refusal refusal)
{
	return own(&b->refused[refusal]);
}
