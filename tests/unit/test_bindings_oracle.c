// Bindings beside the obvious: a list of sessions that is searched from end to end, under random messages.
#include "binding_scene.h"

#include <stdio.h>

static const uint64_t IDLE = 3600000000000;

enum { MAX_SESSIONS = 600, NAMES = 600, USERS = 9, PREFIXES = 30, AUTHORITIES = 3 };

struct held {
	unsigned prefix; // index
	uint64_t expires_ns;
	bool unlimited;
	uint64_t given_ns;
};

struct known {
	bool used, dhcp, dhcpv6, had_lease;
	unsigned name, authority, instance;
	uint64_t last_ns;
	int user, mac; // the latest; -1: never shown
	bool users[USERS], macs[USERS];
	struct held held[BINDING_MAX_LEASES];
	unsigned held_count;
};

static struct known list[MAX_SESSIONS];
static struct scene scene;
static uint64_t random_state;

static unsigned pick(unsigned below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(random_state >> 33) % below;
}

// Hosts 10.0.0.0 to 11, networks around them, and IPv6.
static void make_prefix(unsigned i, struct address *address, uint8_t *len)
{
	static const struct {
		const char *text;
		uint8_t len;
	} wide[] = {{"10.0.0.0", 29}, {"10.0.0.8", 30}, {"2001:db8::", 48}, {"2001:db8:0:4::", 62},
		{"2001:db8:0:4::", 64}, {"2001:db8:0:5::", 64}};
	char text[40];
	if (i < 12)
		snprintf(text, sizeof text, "10.0.0.%u", i);
	else if (i < 24)
		snprintf(text, sizeof text, "2001:db8:0:%u::%u", i % 4 + 3, i);
	else
		snprintf(text, sizeof text, "%s", wide[i - 24].text);
	*address = address_of(text);
	*len = i < 12 ? 32 : i < 24 ? 128 : wide[i - 24].len;
}

static struct {
	struct address address;
	uint8_t len;
} prefixes_made[PREFIXES];

static void prefix_of(unsigned i, struct address *address, uint8_t *len)
{
	*address = prefixes_made[i].address;
	*len = prefixes_made[i].len;
}

static bool prefix_covers(unsigned i, const struct address *a)
{
	struct address p;
	uint8_t len;
	prefix_of(i, &p, &len);
	if (p.family != a->family)
		return false;
	for (unsigned bit = len; bit-- > 0;)
		if ((p.octets[bit / 8] ^ a->octets[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static bool is_over(const struct known *k)
{
	bool idle = scene.now >= k->last_ns + IDLE;
	if (!k->dhcp || !k->had_lease)
		return idle;
	for (unsigned i = 0; i < k->held_count; i++)
		if (scene.now < k->held[i].expires_ns)
			return false;
	return true;
}

static void forget_what_is_over(void)
{
	for (unsigned i = 0; i < MAX_SESSIONS; i++) {
		struct known *k = &list[i];
		if (!k->used)
			continue;
		if (is_over(k)) {
			k->used = false;
			continue;
		}
		for (unsigned h = k->held_count; h-- > 0;)
			if (scene.now >= k->held[h].expires_ns)
				k->held[h] = k->held[--k->held_count];
	}
}

static struct known *known_by(unsigned name)
{
	for (unsigned i = 0; i < MAX_SESSIONS; i++)
		if (list[i].used && list[i].name == name)
			return &list[i];
	return NULL;
}

static void lose(struct known *k, unsigned prefix)
{
	for (unsigned h = 0; h < k->held_count; h++)
		if (k->held[h].prefix == prefix) {
			k->held[h] = k->held[--k->held_count];
			return;
		}
}

static void give(struct known *k, struct held fresh)
{
	for (unsigned i = 0; i < MAX_SESSIONS; i++) {
		struct known *other = &list[i];
		if (!other->used || other->instance != k->instance)
			continue;
		lose(other, fresh.prefix);
		if (other != k && other->dhcp && other->had_lease && other->held_count == 0)
			other->used = false;
	}
	if (k->held_count == BINDING_MAX_LEASES) {
		unsigned first = BINDING_MAX_LEASES; // not of this message
		for (unsigned h = 0; h < k->held_count; h++)
			if (k->held[h].given_ns != scene.now &&
				(first == BINDING_MAX_LEASES ||
					k->held[h].expires_ns < k->held[first].expires_ns))
				first = h;
		k->held[first] = k->held[--k->held_count];
	}
	k->held[k->held_count++] = fresh;
	k->had_lease = true;
}

static void touch(struct known *k)
{
	k->last_ns = scene.now;
	for (unsigned h = 0; h < k->held_count; h++)
		if (k->held[h].unlimited)
			k->held[h].expires_ns = scene.now + IDLE;
}

static struct known *fresh_session(unsigned name, unsigned authority, unsigned instance)
{
	for (unsigned i = 0; i < MAX_SESSIONS; i++)
		if (!list[i].used) {
			list[i] = (struct known){.used = true,
				.name = name,
				.authority = authority,
				.instance = instance,
				.last_ns = scene.now,
				.user = -1,
				.mac = -1};
			return &list[i];
		}
	fail();
	return NULL;
}

// What a message that shows `user` and `mac` (-1: none) makes of a session.
static void learn(struct known *k, int user, int mac)
{
	bool same_user = user >= 0 && k->users[user], same_mac = mac >= 0 && k->macs[mac];
	bool other_user = user >= 0 && k->user >= 0 && !same_user;
	bool other_mac = mac >= 0 && k->mac >= 0 && !same_mac;
	if (other_user)
		memset(k->users, 0, sizeof k->users);
	if (other_mac)
		memset(k->macs, 0, sizeof k->macs);
	if ((other_user || other_mac) && !same_user && !same_mac) {
		// Nothing in common: another subscriber.
		memset(k->users, 0, sizeof k->users);
		memset(k->macs, 0, sizeof k->macs);
		k->user = k->mac = -1;
		k->held_count = 0;
		k->had_lease = false;
	}
	if (user >= 0) {
		k->users[user] = true;
		k->user = user;
	}
	if (mac >= 0) {
		k->macs[mac] = true;
		k->mac = mac;
	}
}

// --- random messages ---------------------------------------------------------------------------------------------

static const char *const authorities[AUTHORITIES] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};

static unsigned name_bound, prefix_bound;
// Sessions give way. Then no message contradicts another and no session has excess leases: what of that shows depends on what
// is still known.
static bool is_crowded;

// Names below a third are of RADIUS at point 0, then RADIUS at point 1 (instance 7), then DHCP.
static enum signal_protocol protocol_of(unsigned name)
{
	return name % 3 < 2             ? SIGNAL_RADIUS
	       : name % 2 || is_crowded ? SIGNAL_DHCPV4
	                                : SIGNAL_DHCPV6;
}

static unsigned instance_of(unsigned name)
{
	return name % 3 == 1 ? 7 : 0;
}

static void message(unsigned name, enum signal_change change, unsigned authority)
{
	char text[12];
	snprintf(text, sizeof text, "%u", name);
	make(&scene, protocol_of(name), change, authorities[authority], "192.0.2.200");
	named(&scene, NAME_FIND | NAME_KEEP, text);
	scene.place = (struct binding_place){.point = name % 3 == 1};
}

static void show(enum signal_role role, int who)
{
	char text[12];
	snprintf(text, sizeof text, "%s%d", role == SIGNAL_ROLE_USER ? "u" : "m", who);
	if (who >= 0)
		shows(&scene, role, text);
}

static void bind(unsigned name)
{
	unsigned authority = pick(AUTHORITIES), count = 1 + pick(2);
	int user = (int)pick(USERS + 1) - 1, mac = pick(3) ? -1 : (int)pick(USERS);
	if (is_crowded && mac >= 0)
		mac = (int)(name % USERS);
	if (is_crowded || pick(8))
		user = (int)(name % USERS); // most sessions stay with their subscriber
	struct known *k = known_by(name);
	message(name, CHANGE_BIND, authority);
	show(SIGNAL_ROLE_USER, user);
	show(SIGNAL_ROLE_MAC, mac);
	if (!k)
		k = fresh_session(name, authority, instance_of(name));
	learn(k, user, mac);
	touch(k);
	k->authority = authority;
	k->dhcp = protocol_of(name) != SIGNAL_RADIUS;
	k->dhcpv6 = protocol_of(name) == SIGNAL_DHCPV6;
	bool families[2] = {false, false};
	struct held fresh[2];
	for (unsigned i = 0; i < count; i++) {
		struct address address;
		uint8_t len;
		fresh[i].prefix =
			i == 0 ? pick(prefix_bound) : (fresh[0].prefix + 1) % prefix_bound;
		fresh[i].given_ns = scene.now;
		fresh[i].unlimited = !k->dhcp || (!k->dhcpv6 && pick(5) == 0);
		uint32_t lifetime_s = fresh[i].unlimited ? UINT32_MAX : 1 + pick(3000);
		fresh[i].expires_ns = scene.now + (fresh[i].unlimited ? IDLE : lifetime_s * SECOND);
		prefix_of(fresh[i].prefix, &address, &len);
		families[address.family == 6] = true;
		assert_true(signal_add_lease(&scene.signal, &address, len, lifetime_s));
	}
	// Those that the message leaves out.
	for (unsigned h = k->held_count; h-- > 0 && !k->dhcpv6;) {
		struct address address;
		uint8_t len;
		prefix_of(k->held[h].prefix, &address, &len);
		bool stays = !families[address.family == 6];
		for (unsigned i = 0; i < count; i++)
			stays |= k->held[h].prefix == fresh[i].prefix;
		if (!stays)
			lose(k, k->held[h].prefix);
	}
	for (unsigned i = 0; i < count; i++)
		give(k, fresh[i]);
	assert_int_equal(take(&scene), BINDING_TAKEN);
}

static void end(unsigned name)
{
	struct known *k = known_by(name);
	message(name, CHANGE_END, pick(AUTHORITIES));
	enum binding_refusal r = take(&scene);
	if (is_crowded && r == BINDING_UNKNOWN_SESSION) // it may have given way
		return;
	assert_int_equal(r, k ? BINDING_TAKEN : BINDING_UNKNOWN_SESSION);
	if (k)
		k->used = false;
}

static void release(unsigned name)
{
	struct known *k = known_by(name);
	struct address address;
	uint8_t len;
	unsigned prefix =
		k && k->held_count ? k->held[pick(k->held_count)].prefix : pick(prefix_bound);
	prefix_of(prefix, &address, &len);
	message(name, CHANGE_RELEASE, pick(AUTHORITIES));
	assert_true(signal_add_lease(&scene.signal, &address, len, 0));
	take(&scene);
	if (!k)
		return;
	touch(k);
	lose(k, prefix);
	if (k->dhcp && k->held_count == 0)
		k->used = false;
}

static void restart(unsigned name)
{
	unsigned authority = pick(AUTHORITIES);
	message(name, CHANGE_RESTART, authority);
	scene.signal.name_count = 0;
	assert_int_equal(take(&scene), BINDING_TAKEN);
	for (unsigned i = 0; i < MAX_SESSIONS; i++)
		if (list[i].used && list[i].authority == authority && list[i].name % 3 == name % 3)
			list[i].used = false;
}

// None of these may change anything.
static void forge(unsigned name)
{
	static const enum signal_change changes[] = {
		CHANGE_BIND, CHANGE_END, CHANGE_RELEASE, CHANGE_RESTART, CHANGE_PENDING};
	struct address address;
	uint8_t len;
	prefix_of(pick(prefix_bound), &address, &len);
	message(name, changes[pick(5)], pick(AUTHORITIES));
	show(SIGNAL_ROLE_USER, (int)pick(USERS));
	signal_add_lease(&scene.signal, &address, len, pick(2) ? 0 : UINT32_MAX);
	switch (pick(4)) {
	case 0:
		scene.place.user_tunnels = 1 + (uint8_t)pick(3);
		break;
	case 1:
		scene.place.point = 5;
		break;
	case 2:
		scene.signal.authority = address_of("203.0.113.1");
		break;
	case 3:
		if (is_crowded || !known_by(name) || name % 3 > 1 ||
			scene.signal.change == CHANGE_RESTART)
			return;
		scene.place.point ^= 1; // a believed NAS, but not of this session
		scene.signal.authority = address_of("192.0.2.9");
		break;
	}
	enum binding_refusal r = take(&scene);
	if (!is_crowded)
		assert_true(r == BINDING_IN_TUNNEL || r == BINDING_NO_SOURCE ||
			    r == BINDING_FOREIGN_AUTHORITY || r == BINDING_FOREIGN_SESSION);
}

// --- comparison --------------------------------------------------------------------------------------------------

static struct digest digest_at(char letter, unsigned who)
{
	char text[12];
	snprintf(text, sizeof text, "%c%u", letter, who);
	return digest_of(text);
}

static struct digest user_digests[USERS], mac_digests[USERS];

// Bits of users, and of MACs from bit 16 on, among the digests.
static uint32_t set_of(const struct digest *digests, unsigned count)
{
	uint32_t set = 0;
	for (unsigned i = 0; i < count; i++)
		for (unsigned u = 0; u < USERS; u++) {
			set |= (uint32_t)(memcmp(&digests[i], &user_digests[u], 16) == 0) << u;
			set |= (uint32_t)(memcmp(&digests[i], &mac_digests[u], 16) == 0)
			       << (16 + u);
		}
	return set;
}

static uint32_t set_of_known(const struct known *k)
{
	uint32_t set = 0;
	for (unsigned u = 0; u < USERS; u++)
		set |= (uint32_t)k->users[u] << u | (uint32_t)k->macs[u] << (16 + u);
	return set;
}

static uint32_t expected_at(unsigned instance, const struct address *a)
{
	const struct known *best = NULL;
	uint8_t best_len = 0;
	for (unsigned i = 0; i < MAX_SESSIONS; i++) {
		const struct known *k = &list[i];
		for (unsigned h = 0; k->used && k->instance == instance && h < k->held_count; h++) {
			struct address p;
			uint8_t len;
			prefix_of(k->held[h].prefix, &p, &len);
			if (len > best_len && prefix_covers(k->held[h].prefix, a)) {
				best = k;
				best_len = len;
			}
		}
	}
	return best ? set_of_known(best) : 0;
}

static void compare_addresses(bool exact)
{
	for (unsigned i = 0; i < prefix_bound; i++)
		for (unsigned instance = 0; instance <= 7; instance += 7) {
			struct address a;
			uint8_t len;
			struct digest out[BINDING_MAX_IDENTITIES];
			prefix_of(i, &a, &len);
			if (len < 128 && a.family == 6)
				a.octets[15] = 0x99;
			uint32_t seen = set_of(out, bindings_bound(scene.b, instance, &a, scene.now,
							    out, BINDING_MAX_IDENTITIES));
			uint32_t expected = expected_at(instance, &a);
			// Where sessions give way a binding may be missing, never wrong.
			if (exact)
				assert_int_equal(seen, expected);
			else
				assert_int_equal(seen & ~expected, 0);
		}
}

static void compare_identities(void)
{
	unsigned u = pick(USERS), expected = 0, held = 0, seen = 0;
	struct binding_view views[MAX_SESSIONS];
	for (unsigned i = 0; i < MAX_SESSIONS; i++)
		if (list[i].used && list[i].users[u]) {
			expected++;
			held += list[i].held_count;
		}
	int count = bindings_of_identity(scene.b, &user_digests[u], scene.now, views, MAX_SESSIONS);
	assert_int_equal(count, expected);
	for (int i = 0; i < count; i++)
		seen += views[i].lease_count;
	assert_int_equal(seen, held);
}

static void run(uint32_t max_sessions, unsigned names, unsigned prefixes, unsigned steps)
{
	const struct binding_prefix nas[] = {{address_of("192.0.2.0"), 25}};
	const struct binding_source sources[] = {
		{1 << SIGNAL_RADIUS, 0, BINDING_ANY, NULL, nas, 0, 1, 0},
		{1 << SIGNAL_RADIUS, 1, BINDING_ANY, NULL, nas, 0, 1, 7},
		{1 << SIGNAL_DHCPV4 | 1 << SIGNAL_DHCPV6, 0, BINDING_ANY, nas, NULL, 1, 0, 0},
	};
	const struct binding_rules rules = {sources, 3, NULL, 0, IDLE, max_sessions, 16, KEY};
	memset(list, 0, sizeof list);
	scene.b = bindings_new(&rules);
	scene.now = START;
	assert_non_null(scene.b);
	name_bound = names;
	prefix_bound = prefixes;
	bool exact = names < max_sessions;
	is_crowded = !exact;
	for (unsigned i = 0; i < steps; i++) {
		scene.now += 1 + pick(pick(50) ? 1000000 : 1000000000);
		scene.now += pick(200) ? 0 : SECOND * pick(4000);
		forget_what_is_over();
		unsigned name = pick(names), what = pick(100);
		if (what < 60)
			bind(name);
		else if (what < 70)
			end(name);
		else if (what < 78)
			release(name);
		else if (what < 79)
			restart(name);
		else if (what < 89)
			forge(name);
		else
			bindings_tick(scene.b, scene.now);
		laws_hold(scene.b);
		compare_addresses(exact);
		if (exact)
			compare_identities();
	}
	static const enum binding_counter happened[] = {BINDINGS_ENDED, BINDINGS_REPLACED,
		BINDINGS_EXPIRED, BINDINGS_RESTARTED, BINDINGS_LEASES_REASSIGNED,
		BINDINGS_LEASES_EXPIRED, BINDINGS_LEASES_RELEASED};
	for (unsigned i = 0; i < sizeof happened / sizeof *happened; i++)
		assert_true(bindings_counter(scene.b, happened[i]) > 0);
	assert_int_equal(bindings_counter(scene.b, BINDINGS_GIVEN_UP) > 0, !exact);
	bindings_free(scene.b);
}

static void every_lookup_is_that_of_an_obvious_list(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 4; seed++) {
		random_state = seed;
		run(128, 20 + 20 * (seed % 3), PREFIXES, 6000);
	}
}

static void where_sessions_give_way_nothing_is_ever_somebody_elses(void **state)
{
	(void)state;
	random_state = 77;
	run(BINDING_MIN_SESSIONS, NAMES, 12, 4000); // hosts only: no wider prefix comes to light
}

int main(void)
{
	for (unsigned i = 0; i < PREFIXES; i++)
		make_prefix(i, &prefixes_made[i].address, &prefixes_made[i].len);
	for (unsigned u = 0; u < USERS; u++) {
		user_digests[u] = digest_at('u', u);
		mac_digests[u] = digest_at('m', u);
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_lookup_is_that_of_an_obvious_list),
		cmocka_unit_test(where_sessions_give_way_nothing_is_ever_somebody_elses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
