#include "target_lookup.h"

// Where matches go: as many as there is room for, all are counted.
struct findings {
	const struct target_table *table;
	const struct flow *flow;
	const struct encapsulation *outer; // NULL: none
	size_t level_count; // flows that count: `flow`, and with match_outer those of `outer`
	const struct sighting *sightings;
	size_t sighting_count;
	const struct bound *bound; // NULL: nobody
	size_t bound_count;
	struct match *out;
	size_t max, count;
};

// --- levels of a packet, from the innermost out ----------------------------------------------------------------

// An encapsulation has room for so many; a count that says more is not believed.
static size_t tunnels_of(uint8_t count)
{
	return count < PACKET_MAX_TUNNELS ? count : PACKET_MAX_TUNNELS;
}

static size_t level_count(const struct target_table *t, const struct encapsulation *outer)
{
	return 1 + (t->filter.match_outer && outer ? tunnels_of(outer->flow_count) : 0);
}

static const struct flow *level_at(const struct findings *f, size_t level)
{
	return level == 0 ? f->flow : &f->outer->flows[f->level_count - 1 - level];
}

// The ends of all levels stand in a row: the source of a level, then its destination. An entry is taken at the first of them
// where it is found, so it is taken once.
static const struct address *address_at(const struct findings *f, size_t end)
{
	const struct flow *level = level_at(f, end / 2);
	return end % 2 == 0 ? &level->source : &level->destination;
}

static uint16_t port_at(const struct findings *f, size_t end)
{
	const struct flow *level = level_at(f, end / 2);
	return end % 2 == 0 ? level->source_port : level->destination_port;
}

// --- does an identifier hold? --------------------------------------------------------------------------------

static struct address address_masked(const struct address *a, uint8_t length)
{
	struct address masked = {.family = a->family};
	memcpy(masked.octets, a->octets, length / 8);
	if (length % 8)
		masked.octets[length / 8] =
			(uint8_t)(a->octets[length / 8] & 0xff << (8 - length % 8));
	return masked;
}

static bool prefix_covers(const struct entry *e, const struct address *a)
{
	if (a->family != e->address.family)
		return false;
	struct address masked = address_masked(a, e->prefix_len);
	return memcmp(masked.octets, e->address.octets, sizeof masked.octets) == 0;
}

static bool ports_hold(const struct target_table *t, const struct entry *e, uint16_t port)
{
	const struct port_range *ranges = entry_ports(t, e);
	size_t low = 0, high = e->port_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (ranges[middle].last < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low < e->port_count && ranges[low].first <= port;
}

static bool end_holds(const struct target_table *t, const struct entry *e,
	const struct address *address, uint16_t port)
{
	return (!e->address.family || prefix_covers(e, address)) &&
	       (!e->port_count || ports_hold(t, e, port));
}

// The ends of the flow for which address and ports of the entry hold together. It has at least one of them.
static uint8_t ends_of_flow(
	const struct target_table *t, const struct entry *e, const struct flow *flow)
{
	if (e->port_count && e->protocol != flow->protocol)
		return 0;
	uint8_t ends = 0;
	if (end_holds(t, e, &flow->source, flow->source_port))
		ends |= END_SOURCE;
	if (end_holds(t, e, &flow->destination, flow->destination_port))
		ends |= END_DESTINATION;
	return ends;
}

// Those of the innermost level that has any.
static uint8_t ends_of(const struct findings *f, const struct entry *e)
{
	uint8_t ends = 0;
	for (size_t level = 0; level < f->level_count && !ends; level++)
		ends = ends_of_flow(f->table, e, level_at(f, level));
	return ends;
}

static size_t bound_count(const struct bound *bound)
{
	return bound->count < BOUND_MAX ? bound->count : BOUND_MAX;
}

static bool is_in_tunnel(const struct findings *f, uint32_t tunnel_id)
{
	size_t count = f->outer ? tunnels_of(f->outer->teid_count) : 0;
	for (size_t i = 0; i < count; i++)
		if (f->outer->teids[i] == tunnel_id)
			return true;
	return false;
}

static bool is_identity(
	const struct target_table *t, const struct entry *e, const struct identity *identity)
{
	return e->identity_kind == identity->kind && e->identity_len == identity->len &&
	       memcmp(pool_at(t, e->identity), identity->octets, identity->len) == 0;
}

static bool sighting_holds(
	const struct target_table *t, const struct entry *e, const struct sighting *s)
{
	if (!is_identity(t, e, &s->identity))
		return false;
	return !e->stated ||
	       (s->uri && identity_stated_holds(pool_at(t, e->stated), e->identity_kind, s->uri));
}

static uint32_t roles_of(const struct findings *f, const struct entry *e)
{
	uint32_t roles = 0;
	for (size_t i = 0; i < f->sighting_count; i++)
		if (sighting_holds(f->table, e, &f->sightings[i]))
			roles |= 1u << (f->sightings[i].role & 31);
	return roles;
}

// The ends that the bound identity of this index gives to the entry's target.
static uint8_t bound_ends_at(const struct findings *f, const struct entry *e, size_t index)
{
	bool its = entry_may_be_bound(e) && entry_is_of(e, &f->bound->identities[index]);
	return its ? f->bound->ends[index] & (END_SOURCE | END_DESTINATION | END_NEITHER) : 0;
}

static uint8_t bound_ends_of(const struct findings *f, const struct entry *e)
{
	uint8_t ends = 0;
	for (size_t i = 0; i < f->bound_count; i++)
		ends |= bound_ends_at(f, e, i);
	return ends;
}

static void take(struct findings *f, const struct entry *e, uint32_t roles)
{
	bool about_flow = e->address.family || e->port_count;
	uint8_t ends = about_flow ? ends_of(f, e) : 0;
	if ((about_flow && !ends) || (e->has_tunnel && !is_in_tunnel(f, e->tunnel_id)))
		return;
	if (f->count < f->max)
		f->out[f->count] = (struct match){
			.slot = (uint32_t)(e - f->table->entries),
			.generation = e->generation,
			.bound = bound_ends_of(f, e),
			.ends = ends,
			.services = e->services,
			.roles = roles,
		};
	f->count++;
}

// --- by identity ---------------------------------------------------------------------------------------------

static const struct entry *entry_at(const struct target_table *t, uint32_t slot_plus_one)
{
	return slot_plus_one ? &t->entries[slot_plus_one - 1] : NULL;
}

static const struct entry *bucket(const struct target_table *t, uint64_t hash)
{
	return entry_at(t, t->heads[hash & t->bucket_mask]);
}

static bool was_seen_before(const struct findings *f, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (identity_equal(&f->sightings[i].identity, &f->sightings[index].identity))
			return true;
	return false;
}

// An identity may be seen many times in a message; the first sighting finds its tasks and gathers the roles of all.
static void find_by_sighting(struct findings *f, size_t index)
{
	const struct target_table *t = f->table;
	const struct identity *identity = &f->sightings[index].identity;
	if (!target_table_asks(t, identity->kind))
		return;
	struct digest digest = identity_digest(&t->key, identity);
	bool first = true;
	for (const struct entry *e = bucket(t, digest.low); e; e = entry_at(t, e->next)) {
		if (!entry_is_of(e, &digest) || !is_identity(t, e, identity))
			continue;
		if (first && was_seen_before(f, index))
			return;
		first = false;
		uint32_t roles = roles_of(f, e);
		if (roles)
			take(f, e, roles);
	}
}

static bool was_bound_before(const struct findings *f, const struct entry *e, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (bound_ends_at(f, e, i))
			return true;
	return false;
}

// What was sighted too is taken already.
static void find_by_bound(struct findings *f, size_t index)
{
	const struct target_table *t = f->table;
	const struct digest *digest = &f->bound->identities[index];
	for (const struct entry *e = bucket(t, digest->low); e; e = entry_at(t, e->next))
		if (bound_ends_at(f, e, index) && !was_bound_before(f, e, index) && !roles_of(f, e))
			take(f, e, 0);
}

// --- by tunnel -----------------------------------------------------------------------------------------------

static void find_by_tunnel(struct findings *f, uint32_t tunnel_id)
{
	const struct target_table *t = f->table;
	uint64_t hash = hash_tunnel(t, tunnel_id);
	for (const struct entry *e = bucket(t, hash); e; e = entry_at(t, e->next))
		if (e->tag == hash >> 32 && e->primary == PRIMARY_TUNNEL &&
			e->tunnel_id == tunnel_id)
			take(f, e, 0);
}

// A tunnel may run in one of the same number: then once.
static void find_by_tunnels(struct findings *f)
{
	const uint32_t *teids = f->outer->teids;
	for (size_t i = 0; i < tunnels_of(f->outer->teid_count); i++) {
		size_t first = 0;
		while (teids[first] != teids[i])
			first++;
		if (first == i && target_filter_tunnel(&f->table->filter, teids[i]))
			find_by_tunnel(f, teids[i]);
	}
}

// --- by address ----------------------------------------------------------------------------------------------

static bool covers_before(const struct findings *f, const struct entry *e, size_t end)
{
	for (size_t i = 0; i < end; i++)
		if (prefix_covers(e, address_at(f, i)))
			return true;
	return false;
}

static void find_by_prefix(
	struct findings *f, const struct address *prefix, uint8_t length, size_t end)
{
	const struct target_table *t = f->table;
	uint64_t hash = hash_prefix(t, prefix, length);
	for (const struct entry *e = bucket(t, hash); e; e = entry_at(t, e->next)) {
		if (e->tag != hash >> 32 || e->primary != PRIMARY_ADDRESS ||
			e->prefix_len != length || memcmp(&e->address, prefix, sizeof *prefix) != 0)
			continue;
		if (!covers_before(f, e, end))
			take(f, e, 0);
	}
}

static bool prefix_may_be(
	const struct target_filter *filter, const struct address *prefix, uint8_t length)
{
	const uint8_t *octets = prefix->octets;
	return target_filter_test(filter,
		prefix->family == 4
			? target_filter_key_ipv4(be32_of(octets), length)
			: target_filter_key_ipv6(be64_of(octets), be64_of(octets + 8), length));
}

static void find_by_address(struct findings *f, size_t end)
{
	const struct target_filter *filter = &f->table->filter;
	const struct address *address = address_at(f, end);
	if (address->family == 0)
		return;
	bool ipv4 = address->family == 4;
	const uint8_t *lengths = ipv4 ? filter->ipv4_lengths : filter->ipv6_lengths;
	size_t count = ipv4 ? filter->ipv4_count : filter->ipv6_count;
	for (size_t i = 0; i < count; i++) {
		struct address prefix = address_masked(address, lengths[i]);
		if (prefix_may_be(filter, &prefix, lengths[i]))
			find_by_prefix(f, &prefix, lengths[i], end);
	}
}

// --- by port -------------------------------------------------------------------------------------------------

static bool is_of_port_before(const struct findings *f, const struct entry *e, size_t end)
{
	for (size_t i = 0; i < end; i++)
		if (level_at(f, i / 2)->protocol == e->protocol &&
			ports_hold(f->table, e, port_at(f, i)))
			return true;
	return false;
}

// As deep as the tree: at most 32 calls.
static void find_in_tree(
	struct findings *f, const struct port_node *nodes, size_t count, uint16_t port, size_t end)
{
	if (count == 0)
		return;
	size_t middle = count / 2;
	const struct port_node *root = &nodes[middle];
	if (root->highest < port)
		return;
	find_in_tree(f, nodes, middle, port, end);
	if (root->first > port)
		return;
	const struct entry *e = &f->table->entries[root->slot];
	if (root->last >= port && !is_of_port_before(f, e, end))
		take(f, e, 0);
	find_in_tree(f, root + 1, count - middle - 1, port, end);
}

static void find_by_port(struct findings *f, size_t end)
{
	uint8_t protocol = level_at(f, end / 2)->protocol;
	if (protocol != PROTOCOL_UDP && protocol != PROTOCOL_TCP)
		return;
	const struct port_tree *tree = &f->table->port_trees[protocol == PROTOCOL_UDP ? UDP : TCP];
	find_in_tree(f, tree->nodes, tree->count, port_at(f, end), end);
}

// --- the seam ------------------------------------------------------------------------------------------------

size_t target_table_match(const struct target_table *table, const struct flow *flow,
	const struct encapsulation *outer, const struct sighting *sightings, size_t sighting_count,
	const struct bound *bound, struct match *out, size_t max)
{
	struct findings f = {
		.table = table,
		.flow = flow,
		.outer = outer,
		.level_count = level_count(table, outer),
		.sightings = sightings,
		.sighting_count = sighting_count,
		.bound = bound,
		.bound_count = bound && target_table_asks_bound(table) ? bound_count(bound) : 0,
		.out = out,
		.max = max,
	};
	size_t ends = 2 * f.level_count;
	for (size_t i = 0; i < sighting_count; i++)
		find_by_sighting(&f, i);
	for (size_t i = 0; i < f.bound_count; i++)
		find_by_bound(&f, i);
	if (outer && table->filter.has_tunnels)
		find_by_tunnels(&f);
	for (size_t end = 0; end < ends; end++)
		find_by_address(&f, end);
	for (size_t end = 0; table->filter.has_ports && end < ends; end++)
		find_by_port(&f, end);
	return f.count;
}

bool target_filter_ipv6(const struct target_filter *f, const uint8_t address[static 16])
{
	struct address whole = {.family = 6};
	memcpy(whole.octets, address, sizeof whole.octets);
	for (size_t i = 0; i < f->ipv6_count; i++) {
		struct address prefix = address_masked(&whole, f->ipv6_lengths[i]);
		if (prefix_may_be(f, &prefix, f->ipv6_lengths[i]))
			return true;
	}
	return false;
}
