// The compiled table against a linear scan over the same tasks, on random sets that share few values, so that prefixes nest
// and keys coincide.
#include "unit.h"

#include <errno.h>

#include "target_table.h"

static uint64_t random_state = 20241123;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};
static const struct numbering numbering = {"49", "0", "00", NULL, 0};

// --- sets made by hand ---------------------------------------------------------------------------------------

static void *set_copy(struct target_set *set, const void *from, size_t size)
{
	void *copy = target_set_take(set, size);
	assert_non_null(copy);
	memcpy(copy, from, size);
	return copy;
}

static struct target_set *set_of_size(size_t count)
{
	struct target_set *set = target_set_new();
	assert_non_null(set);
	set->tasks = target_set_take(set, (count + 1) * sizeof *set->tasks);
	assert_non_null(set->tasks);
	return set;
}

static struct task *task_add(
	struct target_set *set, uint32_t name, const struct identifier *identifiers, size_t count)
{
	struct task *task = &set->tasks[set->task_count++];
	memcpy(task->xid.octets, &name, sizeof name);
	task->header_xid = task->xid;
	task->identifiers = set_copy(set, identifiers, count * sizeof *identifiers);
	task->identifier_count = (uint8_t)count;
	task->fingerprint = task_fingerprint(task);
	return task;
}

static struct target_table *table_with(struct target_set *set, size_t capacity, bool match_outer)
{
	struct target_changes changes;
	assert_int_equal(target_set_adopt(set, NULL, (uint32_t)capacity, &changes, NULL), 0);
	struct target_table *table =
		target_table_new(set, capacity, &key, &numbering, match_outer, NULL);
	assert_non_null(table);
	return table;
}

static struct target_table *table_of(struct target_set *set, size_t capacity)
{
	return table_with(set, capacity, false);
}

static struct address address_of(const char *text)
{
	struct address a;
	assert_true(address_parse(bytes_of_text(text), &a));
	return a;
}

static struct identifier prefix_of(const char *text, uint8_t length)
{
	struct identifier i = {.fragment = text, .address = address_of(text), .prefix_len = length};
	i.type = i.address.family == 4 ? IDENTIFIER_IPV4_CIDR : IDENTIFIER_IPV6_CIDR;
	return i;
}

static struct identifier party_of(
	struct target_set *set, const char *text, const struct sip_uri **stated)
{
	struct sip_uri *uri = target_set_take(set, sizeof *uri);
	struct identity identity;
	assert_int_equal(sip_uri_parse(bytes_of_text(text), uri), PARSE_OK);
	assert_true(identity_of_target_uri(uri, &numbering, &identity));
	if (stated)
		*stated = uri;
	return (struct identifier){
		.type = IDENTIFIER_SIP_URI,
		.fragment = text,
		.identity_kind = identity.kind,
		.identity = bytes_of(set_copy(set, identity.octets, identity.len), identity.len),
		.stated = identity_states_more(uri, identity.kind) ? uri : NULL,
	};
}

static struct identifier ports_of(struct target_set *set, enum identifier_type type,
	const struct port_range *ranges, uint16_t count)
{
	return (struct identifier){.type = type,
		.fragment = "ports",
		.ports = set_copy(set, ranges, count * sizeof *ranges),
		.port_count = count};
}

static struct identifier tunnel_of(uint32_t id)
{
	return (struct identifier){
		.type = IDENTIFIER_GTPU_TUNNEL_ID, .fragment = "tunnel", .tunnel_id = id};
}

static struct sighting sighting_of(const char *text, struct sip_uri *uri, uint8_t role)
{
	struct sighting s = {.uri = uri, .role = role};
	assert_int_equal(sip_uri_parse(bytes_of_text(text), uri), PARSE_OK);
	struct identity shown[IDENTITIES_PER_URI];
	assert_true(identities_of_uri(uri, &numbering, shown) > 0);
	s.identity = shown[0];
	return s;
}

// An identity short enough that there can be many.
struct name {
	uint8_t kind, len, octets[2];
};

static struct identity identity_of_name(const struct name *name)
{
	struct identity identity = {.kind = name->kind, .len = name->len};
	memcpy(identity.octets, name->octets, name->len);
	return identity;
}

// What the table is asked about.
struct scene {
	struct flow flow;
	struct encapsulation outer;
	struct sighting sightings[6];
	size_t sighting_count;
	bool has_bound;
	struct bound bound;
	struct name bound_names[BOUND_MAX]; // whose digests they are
};

// --- the obvious way -----------------------------------------------------------------------------------------

static bool bits_equal(const struct address *a, const struct address *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (((a->octets[i / 8] ^ b->octets[i / 8]) & 0x80 >> i % 8) != 0)
			return false;
	return a->family == b->family;
}

static bool port_among(const struct identifier *id, uint16_t port)
{
	for (size_t i = 0; i < id->port_count; i++)
		if (id->ports[i].first <= port && port <= id->ports[i].last)
			return true;
	return false;
}

static bool is_about_flow(const struct identifier *id)
{
	return id->address.family || id->port_count;
}

static uint8_t scan_identifier(const struct identifier *id, const struct flow *flow)
{
	uint8_t protocol = id->type >= IDENTIFIER_UDP_PORT ? 17 : 6;
	bool source, destination;
	if (id->port_count) {
		source = flow->protocol == protocol && port_among(id, flow->source_port);
		destination = flow->protocol == protocol && port_among(id, flow->destination_port);
	} else {
		source = bits_equal(&id->address, &flow->source, id->prefix_len);
		destination = bits_equal(&id->address, &flow->destination, id->prefix_len);
	}
	return (uint8_t)((source ? END_SOURCE : 0) | (destination ? END_DESTINATION : 0));
}

static uint8_t scan_flow(const struct task *task, const struct flow *flow)
{
	uint8_t ends = END_SOURCE | END_DESTINATION;
	for (size_t i = 0; i < task->identifier_count; i++)
		if (is_about_flow(&task->identifiers[i]))
			ends &= scan_identifier(&task->identifiers[i], flow);
	return ends;
}

static uint8_t scan_levels(const struct task *task, const struct scene *scene, bool match_outer)
{
	uint8_t ends = scan_flow(task, &scene->flow);
	for (size_t i = scene->outer.flow_count; match_outer && !ends && i > 0; i--)
		ends = scan_flow(task, &scene->outer.flows[i - 1]);
	return ends;
}

// Here a target states a port or nothing.
static bool scan_stated(const struct identifier *id, const struct sip_uri *seen)
{
	return !id->stated || (seen && seen->has_port && seen->port == id->stated->port);
}

static uint32_t scan_sightings(const struct identifier *id, const struct scene *scene)
{
	uint32_t roles = 0;
	for (size_t i = 0; i < scene->sighting_count; i++) {
		const struct sighting *s = &scene->sightings[i];
		if (s->identity.kind == id->identity_kind && scan_stated(id, s->uri) &&
			bytes_equal(id->identity, bytes_of(s->identity.octets, s->identity.len)))
			roles |= 1u << s->role;
	}
	return roles;
}

static bool binds(uint8_t kind)
{
	return kind == IDENTITY_NUMBER || kind == IDENTITY_NAI || kind == IDENTITY_IMSI ||
	       kind == IDENTITY_IMEI || kind == IDENTITY_IMEISV || kind == IDENTITY_MAC;
}

// Without a digest: by name.
static uint8_t scan_bound(const struct identifier *id, const struct scene *scene)
{
	uint8_t ends = 0;
	for (size_t i = 0; scene->has_bound && i < scene->bound.count && i < BOUND_MAX; i++) {
		const struct name *name = &scene->bound_names[i];
		if (name->kind == id->identity_kind && binds(name->kind) && !id->stated &&
			bytes_equal(id->identity, bytes_of(name->octets, name->len)))
			ends |= scene->bound.ends[i] & (END_SOURCE | END_DESTINATION | END_NEITHER);
	}
	return ends;
}

static bool scan_teids(const struct identifier *id, const struct scene *scene)
{
	bool found = false;
	for (size_t i = 0; i < scene->outer.teid_count; i++)
		found |= scene->outer.teids[i] == id->tunnel_id;
	return found;
}

static bool scan_task(
	const struct task *task, const struct scene *scene, bool match_outer, struct match *out)
{
	*out = (struct match){
		.slot = task->slot, .generation = task->generation, .services = task->services};
	bool about_flow = false, holds = true;
	for (size_t i = 0; i < task->identifier_count; i++) {
		const struct identifier *id = &task->identifiers[i];
		about_flow |= is_about_flow(id);
		if (id->identity.len) {
			out->roles = scan_sightings(id, scene);
			out->bound = scan_bound(id, scene);
			holds &= out->roles || out->bound;
		} else if (id->type == IDENTIFIER_GTPU_TUNNEL_ID) {
			holds &= scan_teids(id, scene);
		}
	}
	if (about_flow) {
		out->ends = scan_levels(task, scene, match_outer);
		holds &= out->ends != 0;
	}
	return holds;
}

// --- random tasks and flows ----------------------------------------------------------------------------------

enum { TUNNELS = 6 };

// Addresses from a small space with bits in few places, so that prefixes of many lengths cover many of them.
static struct address random_address(bool ipv6)
{
	struct address a = {.family = ipv6 ? 6 : 4};
	for (size_t i = 0; i < (ipv6 ? 16 : 4); i++)
		a.octets[i] = (uint8_t)(random_below(3) ? 0 : random_below(2) << random_below(8));
	return a;
}

static struct identifier random_prefix(void)
{
	struct identifier id = {.fragment = "prefix", .type = IDENTIFIER_IPV4_CIDR};
	bool ipv6 = random_below(3) == 0;
	id.address = random_address(ipv6);
	id.prefix_len =
		(uint8_t)(random_below(3) ? random_below(ipv6 ? 129 : 33) : (ipv6 ? 128 : 32));
	for (unsigned bit = id.prefix_len; bit < 128; bit++)
		id.address.octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return id;
}

static struct identifier random_ports(struct target_set *set)
{
	struct port_range ranges[4];
	uint16_t count = (uint16_t)(1 + random_below(4));
	uint32_t port = 0;
	for (uint16_t i = 0; i < count; i++) {
		port += 1 + random_below(20);
		ranges[i].first = (uint16_t)port;
		port += random_below(2) ? 0 : random_below(30);
		ranges[i].last = (uint16_t)port;
	}
	return ports_of(set, random_below(2) ? IDENTIFIER_UDP_PORT_LIST : IDENTIFIER_TCP_PORT_LIST,
		ranges, count);
}

// One of all kinds, mostly of two, so that many are equal.
static struct name random_name(void)
{
	struct name name = {.kind = (uint8_t)(random_below(2) ? IDENTITY_URI : IDENTITY_NUMBER)};
	if (random_below(2))
		name.kind = (uint8_t)(IDENTITY_URI + random_below(IDENTITY_GTPC_TUNNEL));
	name.len = (uint8_t)(1 + random_below(2));
	for (size_t i = 0; i < name.len; i++)
		name.octets[i] = (uint8_t)('0' + random_below(name.len == 1 ? 6 : 3));
	return name;
}

static struct identifier random_party(struct target_set *set)
{
	struct name name = random_name();
	struct identifier id = {.type = IDENTIFIER_NAI,
		.fragment = "party",
		.identity_kind = name.kind,
		.identity = bytes_of(set_copy(set, name.octets, name.len), name.len)};
	static const struct sip_uri stated = {.has_port = true, .port = 5070};
	if (random_below(5) == 0)
		id.stated = set_copy(set, &stated, sizeof stated);
	return id;
}

static void add_random_task(struct target_set *set, uint32_t name)
{
	struct identifier ids[TASK_MAX_IDENTIFIERS];
	size_t count = 0;
	uint32_t sort = 1 + random_below(15);
	if (sort & 1)
		ids[count++] = random_prefix();
	if (sort & 2)
		ids[count++] = random_ports(set);
	if (sort & 4)
		ids[count++] = random_party(set);
	if (sort & 8)
		ids[count++] = tunnel_of(random_below(TUNNELS));
	task_add(set, name, ids, count)->services = (uint8_t)random_below(8);
}

static struct flow random_flow(void)
{
	bool ipv6 = random_below(3) == 0;
	struct flow flow = {
		.protocol = (uint8_t)(random_below(8) ? (random_below(2) ? 17 : 6) : 1)};
	flow.source = random_address(ipv6);
	flow.destination = random_address(ipv6);
	if (flow.protocol != 1) {
		flow.source_port = (uint16_t)random_below(120);
		flow.destination_port = (uint16_t)random_below(120);
	}
	return flow;
}

static const struct sip_uri seen_uris[] = {
	{.has_port = true, .port = 5070}, {.has_port = true, .port = 5071}, {.has_port = false}};

static void random_bound(struct scene *scene)
{
	struct bound *b = &scene->bound;
	scene->has_bound = random_below(4) != 0;
	b->count = (uint8_t)random_below(random_below(4) ? 6 : BOUND_MAX + 1);
	if (random_below(50) == 0)
		b->count = 255;
	for (size_t i = 0; i < b->count && i < BOUND_MAX; i++) {
		scene->bound_names[i] = random_name();
		struct identity identity = identity_of_name(&scene->bound_names[i]);
		b->identities[i] = identity_digest(&key, &identity);
		b->ends[i] = (uint8_t)random_below(random_below(9) ? 8 : 256);
	}
}

static struct scene random_scene(void)
{
	struct scene scene = {.flow = random_flow(), .sighting_count = random_below(7)};
	for (size_t i = 0; i < scene.sighting_count; i++) {
		scene.sightings[i].role = (uint8_t)random_below(32);
		struct name name = random_name();
		scene.sightings[i].identity = identity_of_name(&name);
		uint32_t uri = random_below(4);
		scene.sightings[i].uri = uri < 3 ? &seen_uris[uri] : NULL;
	}
	random_bound(&scene);
	scene.outer.flow_count =
		(uint8_t)random_below(random_below(4) ? 3 : PACKET_MAX_TUNNELS + 1);
	for (size_t i = 0; i < scene.outer.flow_count; i++)
		scene.outer.flows[i] = random_flow();
	scene.outer.teid_count =
		(uint8_t)random_below(random_below(4) ? 3 : PACKET_MAX_TUNNELS + 1);
	for (size_t i = 0; i < scene.outer.teid_count; i++)
		scene.outer.teids[i] = random_below(TUNNELS);
	return scene;
}

static int by_slot(const void *left, const void *right)
{
	const struct match *a = left, *b = right;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

enum { MOST = 400 };

static size_t match(
	const struct target_table *table, const struct scene *scene, struct match *out, size_t max)
{
	bool plain = scene->outer.flow_count == 0 && scene->outer.teid_count == 0;
	return target_table_match(table, &scene->flow, plain ? NULL : &scene->outer,
		scene->sightings, scene->sighting_count, scene->has_bound ? &scene->bound : NULL,
		out, max);
}

static size_t scan(const struct target_set *set, const struct scene *scene, bool match_outer,
	struct match *out)
{
	size_t found = 0;
	for (size_t i = 0; i < set->task_count; i++)
		found += scan_task(&set->tasks[i], scene, match_outer, &out[found]);
	qsort(out, found, sizeof *out, by_slot);
	return found;
}

static uint32_t host_order(const struct address *a)
{
	return (uint32_t)a->octets[0] << 24 | (uint32_t)a->octets[1] << 16 |
	       (uint32_t)a->octets[2] << 8 | a->octets[3];
}

static bool in_filter(const struct target_filter *f, const struct address *a)
{
	return a->family == 4 ? target_filter_ipv4(f, host_order(a))
	                      : target_filter_ipv6(f, a->octets);
}

static bool ports_in_filter(const struct target_filter *f, const struct flow *flow)
{
	const uint64_t *ports = flow->protocol == 17 ? f->udp_ports : f->tcp_ports;
	return f->has_ports && (flow->protocol == 17 || flow->protocol == 6) &&
	       ((ports[flow->source_port / 64] >> flow->source_port % 64 & 1) ||
		       (ports[flow->destination_port / 64] >> flow->destination_port % 64 & 1));
}

static bool flow_in_filter(const struct target_filter *f, const struct flow *flow)
{
	return in_filter(f, &flow->source) || in_filter(f, &flow->destination) ||
	       ports_in_filter(f, flow);
}

// As the data path asks.
static bool scene_in_filter(const struct target_filter *f, const struct scene *scene)
{
	bool passes = flow_in_filter(f, &scene->flow);
	for (size_t i = 0; f->match_outer && i < scene->outer.flow_count; i++)
		passes |= flow_in_filter(f, &scene->outer.flows[i]);
	for (size_t i = 0; i < scene->outer.teid_count; i++)
		passes |= target_filter_tunnel(f, scene->outer.teids[i]);
	return passes;
}

static void compare_once(
	const struct target_set *set, const struct target_table *table, bool match_outer)
{
	static struct match expected[MOST + 1], found[MOST + 1], again[MOST + 1];
	struct scene scene = random_scene();
	size_t right = scan(set, &scene, match_outer, expected);
	assert_int_equal(match(table, &scene, found, MOST), right);
	assert_int_equal(match(table, &scene, again, right / 2), right);
	assert_memory_equal(found, again, right / 2 * sizeof *found);
	qsort(found, right, sizeof *found, by_slot);
	bool by_packet = false;
	for (size_t i = 0; i < right; i++) {
		assert_int_equal(found[i].slot, expected[i].slot);
		assert_int_equal(found[i].generation, expected[i].generation);
		assert_int_equal(found[i].ends, expected[i].ends);
		assert_int_equal(found[i].roles, expected[i].roles);
		assert_int_equal(found[i].bound, expected[i].bound);
		assert_int_equal(found[i].services, expected[i].services);
		by_packet |= found[i].roles == 0 && found[i].bound == 0;
	}
	// Whoever is a target without being named passes the filter that stands before all this.
	if (by_packet)
		assert_true(scene_in_filter(target_table_filter(table), &scene));
}

// The kinds of the identities that tasks name.
static void compare_kinds(const struct target_set *set, const struct target_table *table)
{
	bool named[IDENTITY_GTPC_TUNNEL + 1] = {false}, by_binding = false;
	for (size_t i = 0; i < set->task_count; i++) {
		struct identity identity;
		if (!task_identity(&set->tasks[i], &identity))
			continue;
		named[identity.kind] = true;
		for (size_t k = 0; k < set->tasks[i].identifier_count; k++) {
			const struct identifier *id = &set->tasks[i].identifiers[k];
			by_binding |= id->identity.len && binds(id->identity_kind) && !id->stated;
		}
	}
	for (unsigned kind = IDENTITY_NONE; kind <= IDENTITY_GTPC_TUNNEL; kind++)
		assert_int_equal(target_table_asks(table, (enum identity_kind)kind), named[kind]);
	assert_int_equal(target_table_asks_bound(table), by_binding);
}

static void compare_sets(bool match_outer)
{
	for (unsigned round = 0; round < 150; round++) {
		uint32_t count = random_below(round < 20 ? 4 : MOST);
		struct target_set *set = set_of_size(count);
		for (uint32_t i = 0; i < count; i++)
			add_random_task(set, i);
		struct target_table *table = table_with(set, MOST, match_outer);
		assert_int_equal(target_table_filter(table)->match_outer, match_outer);
		compare_kinds(set, table);
		for (unsigned i = 0; i < 200; i++)
			compare_once(set, table, match_outer);
		target_table_free(table);
		target_set_free(set);
	}
}

static void the_table_finds_what_a_linear_scan_finds(void **state)
{
	(void)state;
	print_message("# seed %llu\n", (unsigned long long)random_state);
	compare_sets(false);
	compare_sets(true);
}

// --- single rules --------------------------------------------------------------------------------------------

static const struct sighting *nobody = NULL;

static struct flow flow_of(const char *source, uint16_t source_port, const char *destination,
	uint16_t destination_port)
{
	return (struct flow){
		address_of(source), address_of(destination), source_port, destination_port, 17};
}

static void all_covering_prefixes_match_and_not_the_longest_alone(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(4);
	struct identifier all = prefix_of("0.0.0.0", 0), net = prefix_of("192.0.2.0", 24),
			  host = prefix_of("192.0.2.7", 32), other = prefix_of("192.0.2.8", 32);
	task_add(set, 1, &all, 1);
	task_add(set, 2, &net, 1);
	task_add(set, 3, &host, 1);
	task_add(set, 4, &other, 1);
	struct target_table *table = table_of(set, 4);
	struct match found[4];
	struct flow flow = flow_of("192.0.2.7", 5060, "198.51.100.1", 5060);
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, NULL, found, 4), 3);
	qsort(found, 3, sizeof *found, by_slot);
	assert_int_equal(found[0].ends, END_SOURCE | END_DESTINATION);
	assert_int_equal(found[1].ends, END_SOURCE);
	assert_int_equal(found[2].ends, END_SOURCE);
	target_table_free(table);
	target_set_free(set);
}

static void address_and_port_must_hold_for_the_same_end(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(1);
	const struct port_range sip = {5060, 5061};
	struct identifier ids[] = {
		prefix_of("192.0.2.7", 32), ports_of(set, IDENTIFIER_UDP_PORT_RANGE, &sip, 1)};
	task_add(set, 1, ids, 2);
	struct target_table *table = table_of(set, 1);
	struct match found;
	struct flow flow = flow_of("192.0.2.7", 4000, "198.51.100.1", 5060);
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, NULL, &found, 1), 0);
	flow = flow_of("198.51.100.1", 5060, "192.0.2.7", 5061);
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, NULL, &found, 1), 1);
	assert_int_equal(found.ends, END_DESTINATION);
	flow.protocol = 6;
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, NULL, &found, 1), 0);
	target_table_free(table);
	target_set_free(set);
}

static void two_orders_for_one_identity_both_match_with_the_roles_of_all_sightings(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(3);
	struct identifier alice = party_of(set, "sip:alice@example.com", NULL);
	struct identifier both[] = {prefix_of("192.0.2.0", 24), alice};
	task_add(set, 1, &alice, 1);
	task_add(set, 2, &alice, 1);
	task_add(set, 3, both, 2);
	struct target_table *table = table_of(set, 3);
	struct sip_uri uris[3];
	const struct sighting sightings[] = {sighting_of("sip:alice@example.com", &uris[0], 0),
		sighting_of("sip:bob@example.com", &uris[1], 1),
		sighting_of("sips:alice@EXAMPLE.com:5061", &uris[2], 31)};
	struct match found[3];
	struct flow flow = flow_of("198.51.100.1", 5060, "192.0.2.9", 5060);
	assert_int_equal(target_table_match(table, &flow, NULL, sightings, 3, NULL, found, 3), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(found[i].roles, 1u | 1u << 31);
	qsort(found, 3, sizeof *found, by_slot);
	assert_int_equal(found[0].ends, 0);
	assert_int_equal(found[2].ends, END_DESTINATION);
	flow = flow_of("198.51.100.1", 5060, "198.51.100.2", 5060);
	assert_int_equal(target_table_match(table, &flow, NULL, sightings, 3, NULL, found, 3), 2);
	target_table_free(table);
	target_set_free(set);
}

static void what_a_target_states_must_be_shown(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(1);
	const struct sip_uri *stated;
	struct identifier id = party_of(set, "sip:alice@example.com:5070;transport=tcp", &stated);
	task_add(set, 1, &id, 1);
	struct target_table *table = table_of(set, 1);
	target_set_free(set); // the table has copies
	static const struct {
		const char *uri;
		size_t count;
	} cases[] = {{"sip:alice@example.com", 0}, {"sip:alice@example.com:5070", 0},
		{"sip:alice@example.com:5070;transport=TCP;lr", 1},
		{"sip:alice@example.com:5071;transport=tcp", 0}};
	struct match found;
	struct flow flow = flow_of("198.51.100.1", 5060, "192.0.2.9", 5060);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sip_uri uri;
		struct sighting s = sighting_of(cases[i].uri, &uri, 0);
		assert_int_equal(target_table_match(table, &flow, NULL, &s, 1, NULL, &found, 1),
			cases[i].count);
		s.uri = NULL;
		assert_int_equal(target_table_match(table, &flow, NULL, &s, 1, NULL, &found, 1), 0);
	}
	target_table_free(table);
}

// --- tunnels -------------------------------------------------------------------------------------------------

// A packet from 10.0.0.1 to 10.0.0.2 in GTP-U from gateway to gateway, in a VPN.
static struct encapsulation outer_of_two(void)
{
	struct encapsulation outer = {.flow_count = 2, .teid_count = 1, .teids = {7}, .tunnels = 2};
	outer.flows[0] = flow_of("198.51.100.1", 500, "198.51.100.2", 500);
	outer.flows[1] = flow_of("192.0.2.1", 2152, "192.0.2.2", 2153);
	return outer;
}

static size_t match_of_one(const struct identifier *ids, size_t count, bool match_outer,
	const struct flow *flow, const struct encapsulation *outer, struct match *found)
{
	struct target_set *set = set_of_size(1);
	task_add(set, 1, ids, count);
	struct target_table *table = table_with(set, 1, match_outer);
	size_t matches = target_table_match(table, flow, outer, nobody, 0, NULL, found, 1);
	target_table_free(table);
	target_set_free(set);
	return matches;
}

static void outer_addresses_hold_only_where_that_is_configured(void **state)
{
	(void)state;
	struct flow flow = flow_of("10.0.0.1", 5060, "10.0.0.2", 5062);
	struct encapsulation outer = outer_of_two();
	struct match found;
	static const struct {
		const char *address;
		uint8_t ends;
	} cases[] = {{"192.0.2.1", END_SOURCE}, {"192.0.2.2", END_DESTINATION},
		{"198.51.100.1", END_SOURCE}, {"198.51.100.2", END_DESTINATION}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct identifier id = prefix_of(cases[i].address, 32);
		assert_int_equal(match_of_one(&id, 1, false, &flow, &outer, &found), 0);
		assert_int_equal(match_of_one(&id, 1, true, &flow, NULL, &found), 0);
		assert_int_equal(match_of_one(&id, 1, true, &flow, &outer, &found), 1);
		assert_int_equal(found.ends, cases[i].ends);
	}
	struct identifier stranger = prefix_of("192.0.2.3", 32);
	assert_int_equal(match_of_one(&stranger, 1, true, &flow, &outer, &found), 0);
	struct identifier inner = prefix_of("10.0.0.2", 32);
	assert_int_equal(match_of_one(&inner, 1, true, &flow, &outer, &found), 1);
	assert_int_equal(found.ends, END_DESTINATION);
}

static void address_and_port_must_hold_at_the_same_level(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(0); // holds the ports
	const struct port_range sip = {5060, 5060}, gtpu = {2152, 2152};
	struct identifier gateway_sip[] = {
		prefix_of("192.0.2.1", 32), ports_of(set, IDENTIFIER_UDP_PORT, &sip, 1)};
	struct identifier gateway_gtpu[] = {
		prefix_of("192.0.2.1", 32), ports_of(set, IDENTIFIER_UDP_PORT, &gtpu, 1)};
	struct identifier phone_gtpu[] = {
		prefix_of("10.0.0.1", 32), ports_of(set, IDENTIFIER_UDP_PORT, &gtpu, 1)};
	struct identifier port_alone = ports_of(set, IDENTIFIER_UDP_PORT, &gtpu, 1);
	struct flow flow = flow_of("10.0.0.1", 5060, "10.0.0.2", 5062);
	struct encapsulation outer = outer_of_two();
	struct match found;
	assert_int_equal(match_of_one(gateway_sip, 2, true, &flow, &outer, &found), 0);
	assert_int_equal(match_of_one(phone_gtpu, 2, true, &flow, &outer, &found), 0);
	assert_int_equal(match_of_one(gateway_gtpu, 2, true, &flow, &outer, &found), 1);
	assert_int_equal(found.ends, END_SOURCE);
	assert_int_equal(match_of_one(&port_alone, 1, true, &flow, &outer, &found), 1);
	assert_int_equal(found.ends, END_SOURCE);
	assert_int_equal(match_of_one(&port_alone, 1, false, &flow, &outer, &found), 0);
	target_set_free(set);
}

static void a_task_found_at_several_levels_is_one_and_the_innermost_tells_its_end(void **state)
{
	(void)state;
	struct encapsulation outer = outer_of_two();
	struct match found;
	// An outer source, and the inner destination.
	struct identifier address = prefix_of("192.0.2.1", 32);
	struct flow flow = flow_of("10.0.0.1", 5060, "192.0.2.1", 5062);
	assert_int_equal(match_of_one(&address, 1, true, &flow, &outer, &found), 1);
	assert_int_equal(found.ends, END_DESTINATION);
	// All ends of all levels.
	struct identifier all = prefix_of("0.0.0.0", 0);
	assert_int_equal(match_of_one(&all, 1, true, &flow, &outer, &found), 1);
	assert_int_equal(found.ends, END_SOURCE | END_DESTINATION);
	// Both of the outer levels: that next to the packet counts.
	outer.flows[0].destination = address_of("192.0.2.1");
	flow = flow_of("10.0.0.1", 5060, "10.0.0.2", 5062);
	assert_int_equal(match_of_one(&address, 1, true, &flow, &outer, &found), 1);
	assert_int_equal(found.ends, END_SOURCE);
}

static void a_tunnel_is_found_by_its_number_at_any_depth_and_once(void **state)
{
	(void)state;
	struct flow flow = flow_of("10.0.0.1", 5060, "10.0.0.2", 5062);
	struct encapsulation outer = {.teid_count = 3, .teids = {UINT32_MAX, 0, 0}};
	static const struct {
		uint32_t tunnel;
		size_t matches;
	} cases[] = {{UINT32_MAX, 1}, {0, 1}, {1, 0}};
	struct match found[2];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct identifier id = tunnel_of(cases[i].tunnel);
		assert_int_equal(
			match_of_one(&id, 1, false, &flow, &outer, found), cases[i].matches);
		assert_int_equal(match_of_one(&id, 1, false, &flow, NULL, found), 0);
	}
	assert_int_equal(found[0].ends, 0);

	struct target_set *set = set_of_size(2);
	struct identifier id = tunnel_of(0);
	task_add(set, 1, &id, 1);
	task_add(set, 2, &id, 1);
	struct target_table *table = table_of(set, 2);
	assert_int_equal(target_table_match(table, &flow, &outer, nobody, 0, NULL, found, 2), 2);
	const struct target_filter *f = target_table_filter(table);
	assert_true(target_filter_tunnel(f, 0));
	unsigned passed = 0;
	for (uint32_t tunnel = 1; tunnel <= 1000; tunnel++)
		passed += target_filter_tunnel(f, tunnel);
	assert_true(passed < 20);
	outer.teid_count = 0;
	assert_int_equal(target_table_match(table, &flow, &outer, nobody, 0, NULL, found, 2), 0);
	target_table_free(table);
	target_set_free(set);
}

static void a_tunnel_narrows_down_what_stands_beside_it(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(1);
	struct identifier ids[] = {tunnel_of(7), party_of(set, "sip:alice@example.com", NULL)};
	task_add(set, 1, ids, 2);
	struct target_table *table = table_of(set, 1);
	struct sip_uri uri;
	struct sighting alice = sighting_of("sip:alice@example.com", &uri, 3);
	struct flow flow = flow_of("10.0.0.1", 5060, "10.0.0.2", 5062);
	struct encapsulation outer = outer_of_two();
	struct match found;
	assert_int_equal(target_table_match(table, &flow, &outer, &alice, 1, NULL, &found, 1), 1);
	assert_int_equal(found.roles, 1u << 3);
	assert_int_equal(target_table_match(table, &flow, NULL, &alice, 1, NULL, &found, 1), 0);
	assert_int_equal(target_table_match(table, &flow, &outer, &alice, 0, NULL, &found, 1), 0);
	outer.teids[0] = 8;
	assert_int_equal(target_table_match(table, &flow, &outer, &alice, 1, NULL, &found, 1), 0);
	assert_false(target_table_filter(table)->has_tunnels); // found by its party
	target_table_free(table);
	target_set_free(set);

	struct identifier gateway[] = {prefix_of("192.0.2.2", 32), tunnel_of(7)};
	outer = outer_of_two();
	assert_int_equal(match_of_one(gateway, 2, true, &flow, &outer, &found), 1);
	assert_int_equal(found.ends, END_DESTINATION);
	assert_int_equal(match_of_one(gateway, 2, false, &flow, &outer, &found), 0);
}

static void counts_beyond_what_an_encapsulation_holds_are_not_believed(void **state)
{
	(void)state;
	struct flow flow = flow_of("10.0.0.1", 5060, "10.0.0.2", 5062);
	struct encapsulation *outer = malloc(sizeof *outer); // so that the sanitizer sees its end
	assert_non_null(outer);
	*outer = (struct encapsulation){.flow_count = 255, .teid_count = 255};
	struct identifier address = prefix_of("192.0.2.1", 32), tunnel = tunnel_of(9);
	struct match found;
	assert_int_equal(match_of_one(&address, 1, true, &flow, outer, &found), 0);
	assert_int_equal(match_of_one(&tunnel, 1, true, &flow, outer, &found), 0);
	free(outer);
}

// --- whose an end of the flow is -------------------------------------------------------------------------------

static struct identifier name_of(
	struct target_set *set, enum identity_kind kind, const char *octets, size_t len)
{
	return (struct identifier){.type = IDENTIFIER_NAI,
		.fragment = "party",
		.identity_kind = (uint8_t)kind,
		.identity = bytes_of(set_copy(set, octets, len), len)};
}

static void bind_end(struct bound *bound, uint8_t ends, enum identity_kind kind, const char *octets)
{
	struct identity identity = {.kind = (uint8_t)kind, .len = (uint16_t)strlen(octets)};
	memcpy(identity.octets, octets, identity.len);
	bound->ends[bound->count] = ends;
	bound->identities[bound->count++] = identity_digest(&key, &identity);
}

static void what_is_bound_to_an_end_holds_like_a_sighting_and_once(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(3);
	struct identifier bob = name_of(set, IDENTITY_NAI, "bob@example.org", 15),
			  imsi = name_of(set, IDENTITY_IMSI, "001010123456789", 15);
	task_add(set, 1, &bob, 1);
	task_add(set, 2, &imsi, 1);
	task_add(set, 3, &bob, 1);
	struct target_table *table = table_of(set, 3);
	struct flow flow = flow_of("192.0.2.7", 5060, "198.51.100.1", 5060);
	struct match found[3];
	struct bound bound = {.count = 0};
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, &bound, found, 3), 0);
	bind_end(&bound, END_SOURCE, IDENTITY_NAI, "alice@example.org");
	bind_end(&bound, END_DESTINATION, IDENTITY_IMSI, "bob@example.org"); // of another kind
	bind_end(&bound, 0, IDENTITY_NAI, "bob@example.org");                // at neither end
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, &bound, found, 3), 0);
	bind_end(&bound, END_DESTINATION, IDENTITY_NAI, "bob@example.org");
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, &bound, found, 3), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(found[i].bound, END_DESTINATION);
		assert_int_equal(found[i].roles, 0);
		assert_int_equal(found[i].ends, 0);
	}
	// Two users of one network speak to each other: the same name at both ends.
	bind_end(&bound, END_SOURCE, IDENTITY_NAI, "bob@example.org");
	struct sighting seen[2] = {{.role = 4}, {.role = 5}};
	assert_true(identity_of_nai(bytes_of_text("bob@example.org"), &seen[0].identity));
	seen[1].identity = seen[0].identity;
	assert_int_equal(target_table_match(table, &flow, NULL, seen, 2, &bound, found, 3), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(found[i].bound, END_SOURCE | END_DESTINATION);
		assert_int_equal(found[i].roles, 1u << 4 | 1u << 5);
	}
	assert_int_equal(target_table_match(table, &flow, NULL, seen, 2, NULL, found, 3), 2);
	assert_int_equal(found[0].bound, 0);
	target_table_free(table);
	target_set_free(set);
}

static void address_and_port_need_not_be_those_of_the_bound_end(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(1);
	const struct port_range sip = {5061, 5061};
	struct identifier ids[] = {name_of(set, IDENTITY_MAC, "\2\0\0\0\0\1", 6),
		prefix_of("198.51.100.1", 32), ports_of(set, IDENTIFIER_UDP_PORT, &sip, 1)};
	task_add(set, 1, ids, 3);
	struct target_table *table = table_of(set, 1);
	struct identity mac;
	identity_of_mac((const uint8_t[6]){2, 0, 0, 0, 0, 1}, &mac);
	struct bound bound = {
		.count = 1, .ends = {END_SOURCE}, .identities = {identity_digest(&key, &mac)}};
	struct match found;
	struct flow flow = flow_of("192.0.2.7", 5060, "198.51.100.1", 5061);
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, &bound, &found, 1), 1);
	assert_int_equal(found.bound, END_SOURCE);
	assert_int_equal(found.ends, END_DESTINATION);
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, NULL, &found, 1), 0);
	flow = flow_of("192.0.2.7", 5061, "198.51.100.1", 5060); // the port is the other end's
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, &bound, &found, 1), 0);
	target_table_free(table);
	target_set_free(set);
}

static void what_a_target_states_no_binding_shows(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(1);
	struct identifier stated = party_of(set, "sip:+15550100@example.com:5070;user=phone", NULL);
	assert_int_equal(stated.identity_kind, IDENTITY_NUMBER);
	task_add(set, 1, &stated, 1);
	struct target_table *table = table_of(set, 1);
	struct bound bound = {.count = 0};
	bind_end(&bound, END_SOURCE, IDENTITY_NUMBER, "15550100");
	struct flow flow = flow_of("192.0.2.7", 5060, "198.51.100.1", 5060);
	struct match found;
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, &bound, &found, 1), 0);
	assert_true(target_table_asks(table, IDENTITY_NUMBER));
	assert_false(target_table_asks_bound(table));
	target_table_free(table);
	target_set_free(set);

	set = set_of_size(1);
	struct identifier plain = party_of(set, "sip:+15550100@example.com;user=phone", NULL);
	task_add(set, 1, &plain, 1);
	table = table_of(set, 1);
	assert_true(target_table_asks_bound(table));
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, &bound, &found, 1), 1);
	target_table_free(table);
	target_set_free(set);
}

static void no_more_is_bound_than_there_is_room_for(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(1);
	struct identifier last = name_of(set, IDENTITY_IMSI, "001010", 6);
	task_add(set, 1, &last, 1);
	struct target_table *table = table_of(set, 1);
	struct bound *bound = calloc(1, sizeof *bound); // so that the sanitizer sees its end
	assert_non_null(bound);
	bound->count = BOUND_MAX - 1;
	bind_end(bound, END_SOURCE, IDENTITY_IMSI, "001010");
	bound->count = 255;
	struct flow flow = flow_of("192.0.2.7", 5060, "198.51.100.1", 5060);
	struct match found;
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, bound, &found, 1), 1);
	assert_int_equal(found.bound, END_SOURCE);
	free(bound);
	target_table_free(table);
	target_set_free(set);
}

// --- the filter ----------------------------------------------------------------------------------------------

static struct address address_number(bool ipv6, uint32_t number)
{
	struct address a = {.octets = {0x20, 0x01, 0x0d, 0xb8}, .family = ipv6 ? 6 : 4};
	for (unsigned i = 0; i < 4; i++)
		a.octets[(ipv6 ? 12 : 0) + i] = (uint8_t)(number >> (24 - 8 * i));
	return a;
}

// Neighbouring addresses, as operators give them out, and a full table.
static void check_filter(bool ipv6, uint32_t count)
{
	struct target_set *set = set_of_size(count);
	for (uint32_t i = 0; i < count; i++) {
		struct identifier id = {
			.fragment = "x", .address = address_number(ipv6, 0x0a000000 + i)};
		id.prefix_len = ipv6 ? 128 : 32;
		task_add(set, i, &id, 1);
	}
	struct target_table *table = table_of(set, count);
	const struct target_filter *f = target_table_filter(table);
	for (uint32_t i = 0; i < count; i++)
		assert_true(in_filter(f, &set->tasks[i].identifiers[0].address));
	uint32_t wrong = 0;
	for (uint32_t i = 0; i < 200000; i++) {
		struct address stranger = address_number(ipv6, 0x0a000000 + count + i);
		wrong += in_filter(f, &stranger);
	}
	print_message("# filter of %u IPv%u targets, full: %.2f %% false positives\n", count,
		ipv6 ? 6u : 4u, wrong / 2000.0);
	assert_true(wrong < 2000); // 1 %
	target_table_free(table);
	target_set_free(set);
}

static void a_full_filter_misses_no_target_and_errs_in_less_than_one_of_a_hundred(void **state)
{
	(void)state;
	static const uint32_t counts[] = {64, 1000, 2048, 65536, 100000};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		check_filter(false, counts[i]);
		check_filter(true, counts[i]);
	}
}

static void the_filter_knows_ports_that_are_ordered_alone(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(2);
	const struct port_range ranges[] = {{5060, 5061}, {65535, 65535}};
	struct identifier alone = ports_of(set, IDENTIFIER_UDP_PORT_LIST, ranges, 2);
	struct identifier pair[] = {
		prefix_of("192.0.2.7", 32), ports_of(set, IDENTIFIER_TCP_PORT, ranges, 1)};
	task_add(set, 1, &alone, 1);
	task_add(set, 2, pair, 2);
	struct target_table *table = table_of(set, 2);
	const struct target_filter *f = target_table_filter(table);
	assert_true(f->has_ports);
	for (uint32_t port = 0; port < 65536; port++) {
		bool wanted = port == 5060 || port == 5061 || port == 65535;
		assert_int_equal(f->udp_ports[port / 64] >> port % 64 & 1, wanted);
		assert_int_equal(f->tcp_ports[port / 64] >> port % 64 & 1, 0);
	}
	target_table_free(table);
	target_set_free(set);
}

static void an_empty_table_matches_nothing(void **state)
{
	(void)state;
	const struct target_set none = {0};
	struct target_table *table = target_table_new(&none, 1000, &key, &numbering, false, NULL);
	assert_non_null(table);
	struct flow flow = flow_of("192.0.2.7", 5060, "192.0.2.8", 5060);
	struct match found;
	assert_int_equal(target_table_match(table, &flow, NULL, nobody, 0, NULL, &found, 1), 0);
	assert_false(target_filter_ipv4(target_table_filter(table), 0));
	assert_false(target_table_holds(table, 0, 0));
	assert_int_equal(target_table_capacity(table), 1000);
	target_table_free(table);
	target_table_free(NULL);
}

// --- slots and generations -----------------------------------------------------------------------------------

static struct target_set *set_of_names(
	const uint32_t *names, const char *const *hosts, size_t count)
{
	struct target_set *set = set_of_size(count);
	for (size_t i = 0; i < count; i++) {
		struct identifier id = prefix_of(hosts[i], 32);
		task_add(set, names[i], &id, 1);
	}
	return set;
}

static void unchanged_tasks_keep_slot_and_generation_and_changed_ones_the_slot(void **state)
{
	(void)state;
	struct target_changes changes;
	struct target_set *first = set_of_names(
		(uint32_t[]){1, 2, 3}, (const char *[]){"192.0.2.1", "192.0.2.2", "192.0.2.3"}, 3);
	assert_int_equal(target_set_adopt(first, NULL, 3, &changes, NULL), 0);
	assert_int_equal(changes.added, 3);

	// 2 is gone, 3 is changed, 4 is new and 1 stands last.
	struct target_set *second = set_of_names(
		(uint32_t[]){4, 3, 1}, (const char *[]){"192.0.2.4", "192.0.2.33", "192.0.2.1"}, 3);
	assert_int_equal(target_set_adopt(second, first, 3, &changes, NULL), 0);
	assert_int_equal(changes.added, 1);
	assert_int_equal(changes.changed, 1);
	assert_int_equal(changes.removed, 1);
	assert_int_equal(changes.same, 1);
	const struct task *new = &second->tasks[0], *changed = &second->tasks[1],
			  *same = &second->tasks[2];
	assert_int_equal(same->slot, first->tasks[0].slot);
	assert_int_equal(same->generation, first->tasks[0].generation);
	assert_int_equal(changed->slot, first->tasks[2].slot);
	assert_int_not_equal(changed->generation, first->tasks[2].generation);
	assert_int_equal(new->slot, first->tasks[1].slot); // the one that became free
	assert_int_not_equal(new->generation, first->tasks[1].generation);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(second->by_slot[second->tasks[i].slot], &second->tasks[i]);

	struct target_table *table = target_table_new(second, 3, &key, &numbering, false, NULL);
	assert_true(target_table_holds(table, same->slot, same->generation));
	assert_false(target_table_holds(table, changed->slot, first->tasks[2].generation));
	assert_false(target_table_holds(table, 3, 1));
	target_table_free(table);
	target_set_free(first);
	target_set_free(second);
}

static void a_slot_never_has_the_same_generation_for_two_orders(void **state)
{
	(void)state;
	struct target_changes changes;
	struct target_set *current = NULL;
	uint32_t last = 0;
	for (uint32_t name = 1; name < 10; name++) {
		struct target_set *fresh = set_of_names(&name, (const char *[]){"192.0.2.1"}, 1);
		assert_int_equal(target_set_adopt(fresh, current, 1, &changes, NULL), 0);
		assert_int_equal(fresh->tasks[0].slot, 0);
		assert_true(fresh->tasks[0].generation > last);
		last = fresh->tasks[0].generation;
		target_set_free(current);
		current = set_of_names(NULL, NULL, 0); // all ended in between
		assert_int_equal(target_set_adopt(current, fresh, 1, &changes, NULL), 0);
		target_set_free(fresh);
	}
	target_set_free(current);
}

static void more_tasks_than_the_capacity_are_refused(void **state)
{
	(void)state;
	struct target_changes changes;
	struct error error;
	struct target_set *set =
		set_of_names((uint32_t[]){1, 2}, (const char *[]){"192.0.2.1", "192.0.2.2"}, 2);
	assert_int_equal(target_set_adopt(set, NULL, 1, &changes, &error), -ENOSPC);
	assert_string_equal(error.text, "more tasks than the configured capacity of 1");
	assert_int_equal(target_set_adopt(set, NULL, 2, &changes, &error), 0);
	assert_null(target_table_new(set, 1, &key, &numbering, false, &error));
	target_set_free(set);
}

static void a_change_of_whom_or_what_changes_the_fingerprint(void **state)
{
	(void)state;
	struct target_set *set = set_of_size(1);
	struct identifier id = prefix_of("192.0.2.1", 32);
	struct task *task = task_add(set, 1, &id, 1);
	uint64_t before = task_fingerprint(task);
	assert_int_equal(task_fingerprint(task), before);
	task->header_xid.octets[0] ^= 1;
	assert_int_not_equal(task_fingerprint(task), before);
	task->header_xid.octets[0] ^= 1;
	task->correlation_id = "7";
	assert_int_not_equal(task_fingerprint(task), before);
	task->correlation_id = NULL;
	task->services = SERVICE_VOICE;
	assert_int_not_equal(task_fingerprint(task), before);
	task->services = 0;
	assert_int_equal(task_fingerprint(task), before);
	target_set_free(set);
}

static void a_table_without_room_for_its_identities_says_so(void **state)
{
	(void)state;
	enum { TASKS = 12000 }; // of 500 octets each: more than the pool of that capacity
	struct target_set *set = set_of_size(TASKS);
	uint8_t *octets = target_set_take(set, IDENTITY_MAX);
	for (uint32_t i = 0; i < TASKS; i++) {
		struct identifier id = {.type = IDENTIFIER_NAI,
			.fragment = "x",
			.identity_kind = IDENTITY_NAI,
			.identity = bytes_of(octets, IDENTITY_MAX)};
		task_add(set, i, &id, 1);
	}
	struct target_changes changes;
	struct error error;
	assert_int_equal(target_set_adopt(set, NULL, TASKS, &changes, NULL), 0);
	assert_null(target_table_new(set, TASKS, &key, &numbering, false, &error));
	assert_non_null(strstr(error.text, "raise targets.capacity"));
	target_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_finds_what_a_linear_scan_finds),
		cmocka_unit_test(all_covering_prefixes_match_and_not_the_longest_alone),
		cmocka_unit_test(address_and_port_must_hold_for_the_same_end),
		cmocka_unit_test(
			two_orders_for_one_identity_both_match_with_the_roles_of_all_sightings),
		cmocka_unit_test(what_a_target_states_must_be_shown),
		cmocka_unit_test(outer_addresses_hold_only_where_that_is_configured),
		cmocka_unit_test(address_and_port_must_hold_at_the_same_level),
		cmocka_unit_test(
			a_task_found_at_several_levels_is_one_and_the_innermost_tells_its_end),
		cmocka_unit_test(a_tunnel_is_found_by_its_number_at_any_depth_and_once),
		cmocka_unit_test(a_tunnel_narrows_down_what_stands_beside_it),
		cmocka_unit_test(counts_beyond_what_an_encapsulation_holds_are_not_believed),
		cmocka_unit_test(what_is_bound_to_an_end_holds_like_a_sighting_and_once),
		cmocka_unit_test(address_and_port_need_not_be_those_of_the_bound_end),
		cmocka_unit_test(what_a_target_states_no_binding_shows),
		cmocka_unit_test(no_more_is_bound_than_there_is_room_for),
		cmocka_unit_test(
			a_full_filter_misses_no_target_and_errs_in_less_than_one_of_a_hundred),
		cmocka_unit_test(the_filter_knows_ports_that_are_ordered_alone),
		cmocka_unit_test(an_empty_table_matches_nothing),
		cmocka_unit_test(
			unchanged_tasks_keep_slot_and_generation_and_changed_ones_the_slot),
		cmocka_unit_test(a_slot_never_has_the_same_generation_for_two_orders),
		cmocka_unit_test(more_tasks_than_the_capacity_are_refused),
		cmocka_unit_test(a_change_of_whom_or_what_changes_the_fingerprint),
		cmocka_unit_test(a_table_without_room_for_its_identities_says_so),
	};
	return cmocka_run_group_tests_name("target_table", tests, NULL, NULL);
}
