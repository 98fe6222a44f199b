#include "target_table.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "pages.h"
#include "target_lookup.h"

// Everything stands in one mapping whose size follows from the capacity alone, and every page of it is touched at once: how
// many tasks there are shows neither in the size of the process nor in its resident set.
enum {
	FILTER_BITS_PER_TASK = 32,
	TASKS_PER_FILTER_PAGE = 256,
	FILTER_PAGES_MAX = 65536,      // one for each high half of an address
	FILTER_PAGE_BITS = 65536 / 32, // that prefixes may set on a page, on average
	PORT_BITMAP_WORDS = 65536 / 64,
	POOL_PER_TASK = 128, // octets: identities, ports and what URIs state, on average
	POOL_AT_LEAST = 1024 * 1024,
	PAGE = 4096,
};

static size_t power_of_two_from(size_t least)
{
	size_t n = 64;
	while (n < least)
		n *= 2;
	return n;
}

struct layout {
	size_t capacity, buckets, filter_pages, filter_words, pool_size;
};

static struct layout layout_of(size_t capacity)
{
	size_t pages = power_of_two_from(capacity / TASKS_PER_FILTER_PAGE);
	return (struct layout){
		.capacity = capacity,
		.buckets = power_of_two_from(capacity),
		.filter_pages = pages < FILTER_PAGES_MAX ? pages : FILTER_PAGES_MAX,
		.filter_words = power_of_two_from(capacity * FILTER_BITS_PER_TASK / 64),
		.pool_size = capacity * POOL_PER_TASK + POOL_AT_LEAST,
	};
}

// Places the parts of the table in its mapping; returns the size of all.
static size_t table_place(struct target_table *t, uint8_t *base, const struct layout *l)
{
	size_t used = (sizeof *t + 63) & ~(size_t)63;
	t->entries = pages_carve(base, &used, l->capacity * sizeof *t->entries);
	t->heads = pages_carve(base, &used, l->buckets * sizeof *t->heads);
	t->filter_page_of = pages_carve(base, &used, 65536 * sizeof *t->filter_page_of);
	t->filter_pages = pages_carve(
		base, &used, l->filter_pages * TARGET_FILTER_PAGE_WORDS * sizeof *t->filter_pages);
	t->filter_words = pages_carve(base, &used, l->filter_words * sizeof *t->filter_words);
	t->port_bits[UDP] = pages_carve(base, &used, PORT_BITMAP_WORDS * sizeof(uint64_t));
	t->port_bits[TCP] = pages_carve(base, &used, PORT_BITMAP_WORDS * sizeof(uint64_t));
	t->pool = pages_carve(base, &used, l->pool_size);
	return (used + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static struct target_table *table_map(size_t capacity)
{
	struct layout l = layout_of(capacity);
	struct target_table sizes;
	size_t mapped = table_place(&sizes, NULL, &l);
	uint8_t *base = pages_take(mapped);
	if (!base)
		return NULL;
	struct target_table *t = (struct target_table *)(void *)base;
	table_place(t, base, &l);
	t->mapped = mapped;
	t->capacity = capacity;
	t->bucket_mask = l.buckets - 1;
	t->pool_size = l.pool_size;
	t->pool_used = POOL_UNIT; // offset 0 means "none"
	t->page_count = l.filter_pages;
	t->filter.page_of = t->filter_page_of;
	t->filter.pages = t->filter_pages;
	t->filter.words = t->filter_words;
	t->filter.word_mask = l.filter_words - 1;
	t->filter.udp_ports = t->port_bits[UDP];
	t->filter.tcp_ports = t->port_bits[TCP];
	return t;
}

void target_table_free(struct target_table *table)
{
	if (!table)
		return;
	pages_free(table, table->mapped);
}

// --- building ------------------------------------------------------------------------------------------------

// Copies to the pool. Returns the offset in units, or 0 when there is no room. Nothing takes no room.
static uint32_t pool_add(struct target_table *t, const void *from, size_t size)
{
	size_t rounded = (size + POOL_UNIT - 1) & ~(size_t)(POOL_UNIT - 1);
	if (rounded > t->pool_size - t->pool_used)
		return 0;
	size_t at = t->pool_used;
	if (size)
		memcpy(t->pool + at, from, size);
	t->pool_used += rounded;
	return (uint32_t)(at / POOL_UNIT);
}

static bool pool_copy_view(struct target_table *t, struct bytes *view)
{
	uint32_t at = pool_add(t, view->at, view->len);
	if (at)
		view->at = pool_at(t, at);
	return at != 0;
}

// Only the views that identity_stated_holds() reads.
static uint32_t pool_add_stated(struct target_table *t, const struct sip_uri *stated)
{
	struct sip_uri copy = {
		.scheme = stated->scheme,
		.user_parameters = stated->user_parameters,
		.password = stated->password,
		.has_port = stated->has_port,
		.port = stated->port,
		.parameters = stated->parameters,
	};
	if (!pool_copy_view(t, &copy.user_parameters) || !pool_copy_view(t, &copy.password) ||
		!pool_copy_view(t, &copy.parameters))
		return 0;
	return pool_add(t, &copy, sizeof copy);
}

static bool entry_add_identity(
	struct target_table *t, struct entry *e, const struct identifier *identifier)
{
	if (identifier->identity.len > IDENTITY_MAX || identifier->identity_kind >= 32)
		return false;
	e->identity_kind = identifier->identity_kind;
	e->identity_len = (uint16_t)identifier->identity.len;
	e->identity = pool_add(t, identifier->identity.at, identifier->identity.len);
	if (identifier->stated) {
		e->stated = pool_add_stated(t, identifier->stated);
		if (!e->stated)
			return false;
	}
	return e->identity != 0;
}

static bool entry_add_ports(
	struct target_table *t, struct entry *e, const struct identifier *identifier)
{
	bool udp = identifier->type >= IDENTIFIER_UDP_PORT;
	e->protocol = udp ? PROTOCOL_UDP : PROTOCOL_TCP;
	e->port_count = identifier->port_count;
	e->ports = pool_add(t, identifier->ports, e->port_count * sizeof *identifier->ports);
	return e->ports != 0;
}

static bool entry_add(struct target_table *t, struct entry *e, const struct identifier *identifier)
{
	switch (identifier->type) {
	case IDENTIFIER_IPV4_ADDRESS:
	case IDENTIFIER_IPV6_ADDRESS:
	case IDENTIFIER_IPV4_CIDR:
	case IDENTIFIER_IPV6_CIDR:
		e->address = identifier->address;
		e->prefix_len = identifier->prefix_len;
		return true;
	case IDENTIFIER_TCP_PORT:
	case IDENTIFIER_TCP_PORT_RANGE:
	case IDENTIFIER_TCP_PORT_LIST:
	case IDENTIFIER_UDP_PORT:
	case IDENTIFIER_UDP_PORT_RANGE:
	case IDENTIFIER_UDP_PORT_LIST:
		return entry_add_ports(t, e, identifier);
	case IDENTIFIER_SIP_URI:
	case IDENTIFIER_TEL_URI:
	case IDENTIFIER_E164_NUMBER:
	case IDENTIFIER_IMPU:
	case IDENTIFIER_IMPI:
	case IDENTIFIER_NAI:
	case IDENTIFIER_IMSI:
	case IDENTIFIER_SUPI_IMSI:
	case IDENTIFIER_IMEI:
	case IDENTIFIER_PEI_IMEI:
	case IDENTIFIER_PEI_IMEISV:
	case IDENTIFIER_GPSI_MSISDN:
	case IDENTIFIER_MAC_ADDRESS:
	case IDENTIFIER_RADIUS_ATTRIBUTE:
	case IDENTIFIER_GTPC_TUNNEL_ID:
		return entry_add_identity(t, e, identifier);
	case IDENTIFIER_GTPU_TUNNEL_ID:
		e->tunnel_id = identifier->tunnel_id;
		e->has_tunnel = true;
		return true;
	case IDENTIFIER_TYPES:
		break;
	}
	return false;
}

static void filter_set(struct target_table *t, uint64_t key)
{
	uint64_t h = target_filter_hash(&t->filter, key);
	t->filter_words[target_filter_word(&t->filter, h)] |= target_filter_bits(h);
}

static void note_length(uint8_t *lengths, uint8_t *count, uint8_t length)
{
	if (!memchr(lengths, length, *count))
		lengths[(*count)++] = length;
}

static void filter_add(struct target_table *t, const struct entry *e)
{
	struct target_filter *f = &t->filter;
	const uint8_t *octets = e->address.octets;
	if (e->address.family == 4) {
		note_length(f->ipv4_lengths, &f->ipv4_count, e->prefix_len);
		filter_set(t, target_filter_key_ipv4(be32_of(octets), e->prefix_len));
	} else {
		note_length(f->ipv6_lengths, &f->ipv6_count, e->prefix_len);
		filter_set(t, target_filter_key_ipv6(
				      be64_of(octets), be64_of(octets + 8), e->prefix_len));
	}
}

static int by_length(const void *left, const void *right)
{
	const uint8_t *a = left, *b = right;
	return *a - *b;
}

static bool is_ipv4_prefix(const struct entry *e)
{
	return e->primary == PRIMARY_ADDRESS && e->address.family == 4;
}

// The longest prefixes go on the pages, as long as the pages stay nearly empty.
static void choose_paged_lengths(struct target_table *t)
{
	struct target_filter *f = &t->filter;
	uint64_t entries[33] = {0}, bits = 0;
	uint64_t most_bits = t->page_count * FILTER_PAGE_BITS;
	for (size_t slot = 0; slot < t->capacity; slot++)
		if (is_ipv4_prefix(&t->entries[slot]))
			entries[t->entries[slot].prefix_len]++;
	qsort(f->ipv4_lengths, f->ipv4_count, sizeof *f->ipv4_lengths, by_length);
	f->ipv4_unpaged = f->ipv4_count;
	for (unsigned i = f->ipv4_count; i > 0; i--) {
		uint8_t length = f->ipv4_lengths[i - 1];
		f->ipv4_masks[i - 1] = length ? UINT32_MAX << (32 - length) : 0;
		bits += entries[length] << (32 - length);
		if (length >= 16 && bits <= most_bits)
			f->ipv4_unpaged = (uint8_t)(i - 1);
	}
}

static void page_set(struct target_table *t, uint32_t prefix, uint8_t length)
{
	uint16_t *of = &t->filter_page_of[prefix >> 16];
	if (*of == 0)
		*of = (uint16_t)(1 + t->pages_used++ % (t->page_count - 1));
	uint64_t *page = t->filter_pages + (size_t)*of * TARGET_FILTER_PAGE_WORDS;
	uint32_t first = prefix & 0xffff, end = first + (1u << (32 - length));
	for (uint32_t low = first; low < end; low++)
		page[low / 64] |= 1ull << low % 64;
}

static void filter_finish(struct target_table *t)
{
	choose_paged_lengths(t);
	const struct target_filter *f = &t->filter;
	if (f->ipv4_unpaged == f->ipv4_count)
		return;
	uint8_t least = f->ipv4_lengths[f->ipv4_unpaged];
	for (size_t slot = 0; slot < t->capacity; slot++) {
		const struct entry *e = &t->entries[slot];
		if (is_ipv4_prefix(e) && e->prefix_len >= least)
			page_set(t, be32_of(e->address.octets), e->prefix_len);
	}
}

static void chain(struct target_table *t, uint32_t slot, uint64_t hash)
{
	struct entry *e = &t->entries[slot];
	e->tag = (uint32_t)(hash >> 32);
	e->next = t->heads[hash & t->bucket_mask];
	t->heads[hash & t->bucket_mask] = slot + 1;
}

static void file_by_identity(struct target_table *t, uint32_t slot)
{
	struct entry *e = &t->entries[slot];
	uint32_t kind = 1u << e->identity_kind;
	struct identity identity = {.kind = e->identity_kind, .len = e->identity_len};
	memcpy(identity.octets, pool_at(t, e->identity), e->identity_len);
	struct digest digest = identity_digest(&t->key, &identity);
	e->primary = PRIMARY_IDENTITY;
	e->digest_high = digest.high;
	t->kinds |= kind;
	if (entry_may_be_bound(e))
		t->bound_kinds |= kind;
	chain(t, slot, digest.low);
}

static void file_entry(struct target_table *t, uint32_t slot)
{
	struct entry *e = &t->entries[slot];
	if (e->identity) {
		file_by_identity(t, slot);
	} else if (e->has_tunnel) {
		e->primary = PRIMARY_TUNNEL;
		t->filter.has_tunnels = true;
		filter_set(t, target_filter_key_tunnel(e->tunnel_id));
		chain(t, slot, hash_tunnel(t, e->tunnel_id));
	} else if (e->address.family) {
		e->primary = PRIMARY_ADDRESS;
		filter_add(t, e);
		chain(t, slot, hash_prefix(t, &e->address, e->prefix_len));
	} else {
		e->primary = PRIMARY_PORT;
	}
}

// --- tasks by port alone -------------------------------------------------------------------------------------

static int by_first_port(const void *left, const void *right)
{
	const struct port_node *a = left, *b = right;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

// The subtree of nodes[low] to nodes[high - 1] has its root in the middle. Returns its highest port.
static uint16_t tree_finish(struct port_node *nodes, size_t low, size_t high)
{
	if (low >= high)
		return 0;
	size_t middle = low + (high - low) / 2;
	uint16_t left = tree_finish(nodes, low, middle);
	uint16_t right = tree_finish(nodes, middle + 1, high);
	uint16_t most = nodes[middle].last;
	most = left > most ? left : most;
	nodes[middle].highest = right > most ? right : most;
	return nodes[middle].highest;
}

static size_t count_port_ranges(const struct target_table *t, uint8_t protocol)
{
	size_t count = 0;
	for (size_t slot = 0; slot < t->capacity; slot++)
		if (t->entries[slot].primary == PRIMARY_PORT &&
			t->entries[slot].protocol == protocol)
			count += t->entries[slot].port_count;
	return count;
}

static size_t nodes_of_entry(
	struct target_table *t, uint32_t slot, enum transport transport, struct port_node *nodes)
{
	const struct entry *e = &t->entries[slot];
	const struct port_range *ranges = entry_ports(t, e);
	for (size_t i = 0; i < e->port_count; i++) {
		nodes[i] = (struct port_node){slot, ranges[i].first, ranges[i].last, 0};
		for (uint32_t port = ranges[i].first; port <= ranges[i].last; port++)
			t->port_bits[transport][port / 64] |= 1ull << (port % 64);
	}
	return e->port_count;
}

static bool tree_build(struct target_table *t, enum transport transport, uint8_t protocol)
{
	size_t count = count_port_ranges(t, protocol);
	if (count == 0)
		return true;
	struct port_node *nodes = (struct port_node *)(void *)(t->pool + t->pool_used);
	if (count * sizeof *nodes > t->pool_size - t->pool_used)
		return false;
	size_t filled = 0;
	for (uint32_t slot = 0; slot < t->capacity; slot++)
		if (t->entries[slot].primary == PRIMARY_PORT &&
			t->entries[slot].protocol == protocol)
			filled += nodes_of_entry(t, slot, transport, nodes + filled);
	qsort(nodes, count, sizeof *nodes, by_first_port);
	tree_finish(nodes, 0, count);
	t->pool_used += (count * sizeof *nodes + POOL_UNIT - 1) & ~(size_t)(POOL_UNIT - 1);
	t->port_trees[transport] = (struct port_tree){nodes, count};
	t->filter.has_ports = true;
	return true;
}

static bool table_fill(struct target_table *t, const struct target_set *set)
{
	// From the last to the first, since chains grow at the front: equal keys are then found in the order of the tasks.
	for (size_t i = set->task_count; i > 0; i--) {
		const struct task *task = &set->tasks[i - 1];
		struct entry *e = &t->entries[task->slot];
		e->generation = task->generation;
		e->services = task->services;
		for (size_t j = 0; j < task->identifier_count; j++)
			if (!entry_add(t, e, &task->identifiers[j]))
				return false;
		file_entry(t, task->slot);
	}
	filter_finish(t);
	return tree_build(t, UDP, PROTOCOL_UDP) && tree_build(t, TCP, PROTOCOL_TCP);
}

struct target_table *target_table_new(const struct target_set *set, size_t capacity,
	const struct hash_key *key, const struct numbering *numbering, bool match_outer,
	struct error *error)
{
	if (set->slot_limit > capacity || capacity > UINT32_MAX / 2) {
		error_set(
			error, -ENOSPC, "more tasks than the configured capacity of %zu", capacity);
		return NULL;
	}
	struct target_table *t = table_map(capacity);
	if (!t) {
		error_set(error, -errno, "no memory for a target table of capacity %zu", capacity);
		return NULL;
	}
	t->key = *key;
	t->numbering = numbering;
	t->filter.seed = key->k0 ^ key->k1;
	t->filter.match_outer = match_outer;
	if (table_fill(t, set))
		return t;
	target_table_free(t);
	error_set(error, -ENOSPC,
		"the identities and ports of the tasks need more room than a capacity of %zu gives: "
		"raise targets.capacity",
		capacity);
	return NULL;
}

// --- what stands in it ---------------------------------------------------------------------------------------

const struct numbering *target_table_numbering(const struct target_table *table)
{
	return table->numbering;
}

const struct target_filter *target_table_filter(const struct target_table *table)
{
	return &table->filter;
}

size_t target_table_capacity(const struct target_table *table)
{
	return table->capacity;
}

bool target_table_holds(const struct target_table *table, uint32_t slot, uint32_t generation)
{
	return generation != 0 && slot < table->capacity &&
	       table->entries[slot].generation == generation;
}

bool target_table_asks(const struct target_table *table, enum identity_kind kind)
{
	return kind < 32 && table->kinds >> kind & 1;
}

bool target_table_asks_bound(const struct target_table *table)
{
	return table->bound_kinds != 0;
}
