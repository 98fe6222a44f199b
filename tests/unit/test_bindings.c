#include "binding_scene.h"

#include <errno.h>
#include <stdio.h>

static const uint64_t IDLE = 172800000000000; // 48 h

enum { FIND = NAME_FIND, KEEP = NAME_KEEP, BEGIN = NAME_BEGIN, EXCHANGE = NAME_EXCHANGE };

static const char NAS[] = "192.0.2.1", NAS2[] = "192.0.2.2", SERVER[] = "192.0.2.200";
static const char FOREIGN[] = "203.0.113.9";

static struct binding_prefix prefix(const char *text, uint8_t len)
{
	return (struct binding_prefix){address_of(text), len};
}

// RADIUS of one network at point 0, RADIUS of another network (instance 7) at point 1, DHCP of VLAN 100, and GTP anywhere.
static struct scene scene_with(uint32_t max_sessions, uint32_t max_authorities)
{
	const struct binding_prefix nas[] = {prefix("192.0.2.0", 28)};
	const struct binding_prefix other_nas[] = {prefix("192.0.2.0", 24)};
	const struct binding_prefix servers[] = {prefix(SERVER, 32)};
	const struct binding_prefix relays[] = {prefix("198.51.100.0", 25)};
	const struct binding_prefix peers[] = {prefix("10.1.0.0", 16), prefix("2001:db8:1::", 48)};
	const struct binding_source sources[] = {
		{1 << SIGNAL_RADIUS, 0, BINDING_ANY, servers, nas, 1, 1, 0},
		{1 << SIGNAL_RADIUS, 1, BINDING_ANY, NULL, other_nas, 0, 1, 7},
		{1 << SIGNAL_DHCPV4 | 1 << SIGNAL_DHCPV6, BINDING_ANY, 100, servers, relays, 1, 1,
			0},
		{1 << SIGNAL_GTPV1C | 1 << SIGNAL_GTPV2C, BINDING_ANY, BINDING_ANY, NULL, peers, 0,
			2, 0},
	};
	const struct binding_instance instances[] = {{7, 1, BINDING_ANY}, {9, BINDING_ANY, 30}};
	const struct binding_rules rules = {
		sources, 4, instances, 2, IDLE, max_sessions, max_authorities, KEY};
	struct scene s = {.b = bindings_new(&rules), .now = START};
	assert_non_null(s.b);
	return s;
}

static struct scene *scene_new(void)
{
	struct scene *s = malloc(sizeof *s);
	assert_non_null(s);
	*s = scene_with(256, 64);
	return s;
}

static void scene_free(struct scene *s)
{
	laws_hold(s->b);
	bindings_free(s->b);
	free(s);
}

// Who of these has the address: their letters.
static const char *owner(const struct scene *s, uint32_t instance, const char *text)
{
	static const char *const known[] = {"alice", "bob", "carol", "alice-imsi", "alice-mac"};
	static const char letters[] = "abcim";
	static char found[10];
	struct digest out[BINDING_MAX_IDENTITIES];
	struct address a = address_of(text);
	unsigned count = bindings_bound(s->b, instance, &a, s->now, out, BINDING_MAX_IDENTITIES);
	size_t len = 0;
	for (unsigned k = 0; k < 5; k++)
		for (unsigned i = 0; i < count; i++) {
			struct digest d = digest_of(known[k]);
			if (d.low == out[i].low && d.high == out[i].high)
				found[len++] = letters[k];
		}
	found[len] = '\0';
	return found;
}

#define has(s, address, who) assert_string_equal(owner(s, 0, address), who)

static void account(struct scene *s, enum signal_change change, const char *nas, const char *id)
{
	make(s, SIGNAL_RADIUS, change, nas, SERVER);
	named(s, FIND | KEEP, id);
}

static void start(struct scene *s, const char *id, const char *user, const char *address)
{
	account(s, CHANGE_BIND, NAS, id);
	shows(s, SIGNAL_ROLE_USER, user);
	leases(s, address, 32, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
}

static void stop(struct scene *s, const char *id)
{
	account(s, CHANGE_END, NAS, id);
	assert_int_equal(take(s), BINDING_TAKEN);
}

static void an_accounting_session_has_its_address_from_start_to_stop(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	has(s, "10.0.0.1", "");
	start(s, "1", "alice", "10.0.0.1");
	has(s, "10.0.0.1", "a");
	has(s, "10.0.0.2", "");
	assert_string_equal(owner(s, 7, "10.0.0.1"), "");
	s->now += 1000 * SECOND;
	start(s, "1", "alice", "10.0.0.1");
	stop(s, "1");
	has(s, "10.0.0.1", "");
	account(s, CHANGE_END, NAS, "1");
	assert_int_equal(take(s), BINDING_UNKNOWN_SESSION);
	assert_int_equal(bindings_counter(s->b, BINDINGS_BEGUN), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_RENEWED), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_ENDED), 1);
	scene_free(s);
}

static void a_later_message_replaces_the_addresses_of_its_families(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	account(s, CHANGE_BIND, NAS, "1");
	leases(s, "2001:db8:0:1::", 64, UINT32_MAX);
	leases(s, "2001:db8:100::", 56, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "a");
	has(s, "2001:db8:0:1::77", "a");
	has(s, "2001:db8:100:ff::1", "a");
	has(s, "2001:db8:100:100::1", "");
	account(s, CHANGE_BIND, NAS, "1");
	leases(s, "10.0.0.2", 32, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "");
	has(s, "10.0.0.2", "a");
	has(s, "2001:db8:0:1::77", "a");
	account(s, CHANGE_BIND, NAS, "1"); // says nothing of addresses
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.2", "a");
	account(s, CHANGE_RELEASE, NAS, "1");
	leases(s, "10.0.0.2", 32, 0);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.2", "");
	has(s, "2001:db8:0:1::77", "a");
	scene_free(s);
}

static void an_address_is_of_whom_it_was_given_last(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	start(s, "2", "bob", "10.0.0.1");
	has(s, "10.0.0.1", "b");
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES_REASSIGNED), 1);
	stop(s, "1"); // late
	has(s, "10.0.0.1", "b");
	start(s, "3", "carol", "10.0.0.1");
	stop(s, "2");
	has(s, "10.0.0.1", "c");
	stop(s, "3");
	has(s, "10.0.0.1", "");
	scene_free(s);
}

static void a_more_specific_prefix_wins_and_takes_nothing_from_the_wider_one(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	account(s, CHANGE_BIND, NAS, "1");
	shows(s, SIGNAL_ROLE_USER, "alice");
	leases(s, "2001:db8:100::", 56, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	account(s, CHANGE_BIND, NAS, "2");
	shows(s, SIGNAL_ROLE_USER, "bob");
	leases(s, "2001:db8:100:10::", 64, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "2001:db8:100:10::1", "b");
	has(s, "2001:db8:100:11::1", "a");
	stop(s, "2");
	has(s, "2001:db8:100:10::1", "a");
	scene_free(s);
}

static void too_wide_a_prefix_is_nobodys(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	account(s, CHANGE_BIND, NAS, "1");
	shows(s, SIGNAL_ROLE_USER, "alice");
	leases(s, "::", 0, UINT32_MAX);
	leases(s, "0.0.0.0", 0, UINT32_MAX);
	leases(s, "2001:db0::", 28, UINT32_MAX);
	leases(s, "10.0.0.0", 15, UINT32_MAX);
	leases(s, "10.0.0.0", 16, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "192.0.2.1", "");
	has(s, "2001:db8::1", "");
	has(s, "10.1.0.1", "");
	has(s, "10.0.255.1", "a");
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES_WIDE), 4);
	scene_free(s);
}

static void prefix_lengths_in_use_are_bounded(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	for (unsigned len = 33; len <= 64; len++) {
		char id[4];
		snprintf(id, sizeof id, "%u", len);
		account(s, CHANGE_BIND, NAS, id);
		shows(s, SIGNAL_ROLE_USER, "alice");
		leases(s, "2001:db8::", (uint8_t)len, UINT32_MAX);
		assert_int_equal(take(s), BINDING_TAKEN);
	}
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES), BINDING_MAX_LENGTHS);
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES_EXCESS), 32 - BINDING_MAX_LENGTHS);
	stop(s, "33");
	account(s, CHANGE_BIND, NAS, "64");
	leases(s, "2001:db8:1::", 64, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "2001:db8:1::1", "a");
	scene_free(s);
}

// --- leases ------------------------------------------------------------------------------------------------------

static void discover(struct scene *s, const char *xid, const char *client)
{
	s->place.vlan = 100;
	make(s, SIGNAL_DHCPV4, CHANGE_PENDING, NULL, NULL);
	named(s, BEGIN | KEEP | EXCHANGE, xid);
	shows(s, SIGNAL_ROLE_MAC, client);
	assert_int_equal(take(s), BINDING_TAKEN);
}

static enum binding_refusal acknowledge(struct scene *s, enum signal_protocol protocol,
	const char *xid, const char *lease, const char *address, uint8_t len, uint32_t lifetime_s)
{
	make(s, protocol, CHANGE_BIND, SERVER, NULL);
	s->signal.is_answer = true;
	if (xid)
		named(s, FIND | EXCHANGE, xid);
	named(s, FIND | KEEP, lease);
	leases(s, address, len, lifetime_s);
	return take(s);
}

static void a_lease_counts_from_its_answer_on_and_until_its_lifetime_is_over(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	discover(s, "x1", "alice-mac");
	has(s, "10.0.0.1", "");
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, "x1", "l1", "10.0.0.1", 32, 600), BINDING_TAKEN);
	has(s, "10.0.0.1", "m");
	assert_int_equal(bindings_counter(s->b, BINDINGS_PENDING_ANSWERED), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_PENDING), 0);
	s->now += 599 * SECOND;
	has(s, "10.0.0.1", "m");
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, NULL, "l1", "10.0.0.1", 32, 600), BINDING_TAKEN);
	s->now += 599 * SECOND;
	has(s, "10.0.0.1", "m");
	s->now += SECOND; // gone, though nobody has looked yet
	has(s, "10.0.0.1", "");
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 1);
	for (unsigned i = 0; i < 256; i++)
		bindings_tick(s->b, s->now);
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 0);
	assert_int_equal(bindings_counter(s->b, BINDINGS_EXPIRED), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES_EXPIRED), 1);
	scene_free(s);
}

static void a_request_changes_nothing_until_it_is_answered(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	discover(s, "x1", "alice-mac");
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, "x1", "l1", "10.0.0.1", 32, 600), BINDING_TAKEN);
	make(s, SIGNAL_DHCPV4, CHANGE_PENDING, NULL, NULL);
	named(s, BEGIN | KEEP | EXCHANGE, "x2");
	named(s, FIND | KEEP, "l1");
	shows(s, SIGNAL_ROLE_USER, "bob"); // beside alice-mac
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "m");
	// The answer bears the exchange alone: the request has told which lease it is of.
	make(s, SIGNAL_DHCPV4, CHANGE_BIND, SERVER, NULL);
	s->signal.is_answer = true;
	named(s, FIND | EXCHANGE, "x2");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "bm");
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 1);
	scene_free(s);
}

static void a_request_that_nobody_answers_is_forgotten(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	discover(s, "x1", "alice-mac");
	s->now += SIGNAL_EXCHANGE_NS;
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, "x1", "l1", "10.0.0.1", 32, 600), BINDING_TAKEN);
	has(s, "10.0.0.1", "");
	bindings_tick(s->b, s->now);
	assert_int_equal(bindings_counter(s->b, BINDINGS_PENDING_EXPIRED), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_PENDING), 0);
	scene_free(s);
}

static void the_answer_ends_the_exchange(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	discover(s, "x1", "alice-mac");
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, "x1", "l1", "10.0.0.1", 32, 600), BINDING_TAKEN);
	// Another client takes the same transaction id.
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, "x1", "l2", "10.0.0.2", 32, 600), BINDING_TAKEN);
	has(s, "10.0.0.1", "m");
	has(s, "10.0.0.2", "");
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 2);
	scene_free(s);
}

static void ias_of_dhcpv6_stand_side_by_side(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	discover(s, "x1", "alice-mac");
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV6, "x1", "l1", "2001:db8::5", 128, 600), BINDING_TAKEN);
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV6, NULL, "l1", "2001:db8:9::", 56, 900), BINDING_TAKEN);
	has(s, "2001:db8::5", "m");
	has(s, "2001:db8:9::1", "m");
	make(s, SIGNAL_DHCPV6, CHANGE_BIND, SERVER, NULL);
	named(s, FIND | KEEP, "l1");
	leases(s, "2001:db8::5", 128, 0);
	leases(s, "2001:db8::6", 128, 600);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "2001:db8::5", "");
	has(s, "2001:db8::6", "m");
	has(s, "2001:db8:9::1", "m");
	make(s, SIGNAL_DHCPV6, CHANGE_RELEASE, SERVER, NULL);
	named(s, FIND, "l1");
	leases(s, "2001:db8::6", 128, 0);
	leases(s, "2001:db8:9::", 56, 0);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "2001:db8:9::1", "");
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 0); // nothing is left of it
	scene_free(s);
}

static void of_more_leases_than_there_is_room_for_the_shortest_gives_way(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	discover(s, "x1", "alice-mac");
	static const char *const addresses[] = {
		"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"};
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(acknowledge(s, SIGNAL_DHCPV6, i ? NULL : "x1", "l1", addresses[i],
					 128, i == 1 ? 10 : 600),
			BINDING_TAKEN);
	has(s, "2001:db8::1", "m");
	has(s, "2001:db8::2", "");
	has(s, "2001:db8::5", "m");
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES_EXCESS), 1);
	scene_free(s);
}

static void the_next_holder_of_a_lease_has_it_from_its_very_packet_on(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	discover(s, "x1", "alice-mac");
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, "x1", "l1", "10.0.0.1", 32, 600), BINDING_TAKEN);
	has(s, "10.0.0.1", "m");
	s->now += 600 * SECOND - 1;
	has(s, "10.0.0.1", "m");
	s->now += 1;
	has(s, "10.0.0.1", "");
	discover(s, "x2", "bob");
	has(s, "10.0.0.1", "");
	assert_int_equal(
		acknowledge(s, SIGNAL_DHCPV4, "x2", "l2", "10.0.0.1", 32, 600), BINDING_TAKEN);
	has(s, "10.0.0.1", "b");
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES_EXPIRED), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES_REASSIGNED), 0);
	// What is said of the first lease does not touch the second.
	make(s, SIGNAL_DHCPV4, CHANGE_RELEASE, SERVER, NULL);
	named(s, FIND, "l1");
	leases(s, "10.0.0.1", 32, 0);
	take(s);
	has(s, "10.0.0.1", "b");
	scene_free(s);
}

// --- sessions ------------------------------------------------------------------------------------------------------

static void a_session_without_messages_ends(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	s->now += IDLE - 1;
	has(s, "10.0.0.1", "a");
	make(s, SIGNAL_RADIUS, CHANGE_NONE, NAS, SERVER); // any message of it keeps it
	named(s, FIND, "1");
	assert_int_equal(take(s), BINDING_NOTHING);
	s->now += IDLE - 1;
	has(s, "10.0.0.1", "a");
	s->now += 1;
	has(s, "10.0.0.1", "");
	for (unsigned i = 0; i < 256; i++)
		bindings_tick(s->b, s->now);
	assert_int_equal(bindings_counter(s->b, BINDINGS_IDLE), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 0);
	scene_free(s);
}

static void a_restart_ends_all_sessions_of_the_authority_and_source(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	start(s, "2", "bob", "10.0.0.2");
	account(s, CHANGE_BIND, NAS2, "3");
	shows(s, SIGNAL_ROLE_USER, "carol");
	leases(s, "10.0.0.3", 32, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	s->place.point = 1; // a NAS of this address in the other network
	start(s, "4", "carol", "10.0.0.1");
	s->place.point = 0;
	make(s, SIGNAL_RADIUS, CHANGE_RESTART, NAS, SERVER);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "");
	has(s, "10.0.0.2", "");
	has(s, "10.0.0.3", "c");
	assert_string_equal(owner(s, 7, "10.0.0.1"), "c");
	start(s, "1", "bob", "10.0.0.1"); // the same session id again
	has(s, "10.0.0.1", "b");
	for (unsigned i = 0; i < 256; i++)
		bindings_tick(s->b, s->now);
	has(s, "10.0.0.1", "b");
	assert_int_equal(bindings_counter(s->b, BINDINGS_RESTARTED), 2);
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 3);
	scene_free(s);
}

static void a_session_id_that_is_used_again_is_another_subscribers(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	start(s, "1", "bob", "10.0.0.2"); // neither Stop nor Accounting-On was seen
	has(s, "10.0.0.1", "");
	has(s, "10.0.0.2", "b");
	start(s, "1", "carol", "10.0.0.2");
	has(s, "10.0.0.2", "c");
	assert_int_equal(bindings_counter(s->b, BINDINGS_REPLACED), 2);
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 1);
	stop(s, "1");
	scene_free(s);
}

static void identities_of_one_subscriber_add_up(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	account(s, CHANGE_BIND, NAS, "1");
	shows(s, SIGNAL_ROLE_IMSI, "alice-imsi");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "ai");
	// Another user name beside the same IMSI: the name is replaced, the address stays.
	account(s, CHANGE_BIND, NAS, "1");
	shows(s, SIGNAL_ROLE_IMSI, "alice-imsi");
	shows(s, SIGNAL_ROLE_USER, "carol");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "ci");
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES), 1);
	scene_free(s);
}

static void more_identities_and_names_than_fit_are_counted(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	account(s, CHANGE_BIND, NAS, "0");
	char text[4];
	for (unsigned i = 0; i < 12; i++) {
		snprintf(text, sizeof text, "u%u", i);
		shows(s, SIGNAL_ROLE_USER, text);
		snprintf(text, sizeof text, "n%u", i);
		named(s, KEEP, text);
	}
	leases(s, "10.0.0.1", 32, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	struct digest out[20];
	struct address a = address_of("10.0.0.1");
	assert_int_equal(bindings_bound(s->b, 0, &a, s->now, out, 20), BINDING_MAX_IDENTITIES);
	assert_int_equal(bindings_bound(s->b, 0, &a, s->now, out, 3), 3);
	assert_int_equal(bindings_counter(s->b, BINDINGS_IDENTITIES_EXCESS), 4);
	assert_int_equal(bindings_counter(s->b, BINDINGS_NAMES_EXCESS), 7);
	stop(s, "n11"); // the newest are kept
	scene_free(s);
}

static void the_oldest_session_gives_way(void **state)
{
	(void)state;
	struct scene *s = malloc(sizeof *s);
	*s = scene_with(BINDING_MIN_SESSIONS, 4);
	char id[12], address[40];
	for (unsigned i = 0; i < BINDING_MIN_SESSIONS + 10; i++) {
		snprintf(id, sizeof id, "%u", i);
		snprintf(address, sizeof address, "10.0.0.%u", i);
		start(s, id, i % 2 ? "alice" : "bob", address);
		laws_hold(s->b);
		if (i == 20)
			start(s, "0", "bob", "10.0.0.0");
	}
	assert_int_equal(bindings_counter(s->b, BINDINGS_GIVEN_UP), 10);
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), BINDING_MIN_SESSIONS);
	has(s, "10.0.0.0", "b");
	has(s, "10.0.0.1", "");
	has(s, "10.0.0.10", "");
	has(s, "10.0.0.11", "a");
	scene_free(s);
}

static void requests_do_not_crowd_sessions_out(void **state)
{
	(void)state;
	struct scene *s = malloc(sizeof *s);
	*s = scene_with(BINDING_MIN_SESSIONS, 4);
	start(s, "1", "alice", "10.0.0.1");
	char xid[12];
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(xid, sizeof xid, "x%u", i);
		discover(s, xid, "bob");
	}
	has(s, "10.0.0.1", "a");
	assert_int_equal(bindings_counter(s->b, BINDINGS_PENDING), BINDING_MIN_SESSIONS / 8);
	assert_int_equal(
		bindings_counter(s->b, BINDINGS_PENDING_GIVEN_UP), 1000 - BINDING_MIN_SESSIONS / 8);
	scene_free(s);
}

// --- who is believed ---------------------------------------------------------------------------------------------

static void refuses(struct scene *s, enum binding_refusal why)
{
	uint64_t before = bindings_refused(s->b, why);
	assert_int_equal(take(s), why);
	assert_int_equal(bindings_refused(s->b, why), before + 1);
	laws_hold(s->b);
}

static void forged_accounting_changes_nothing(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	static const enum signal_change changes[] = {
		CHANGE_BIND, CHANGE_RELEASE, CHANGE_END, CHANGE_RESTART, CHANGE_PENDING};
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned how = 0; how < 4; how++) {
			account(s, changes[i], how == 1 ? FOREIGN : NAS, "1");
			if (how == 2)
				s->signal.peer = address_of(FOREIGN); // a server of somebody else
			if (how == 3)
				s->signal.authority.family = 0;
			shows(s, SIGNAL_ROLE_USER, "bob");
			leases(s, "10.0.0.1", 32, changes[i] == CHANGE_BIND ? UINT32_MAX : 0);
			s->place.user_tunnels = how == 0;
			refuses(s, how == 0 ? BINDING_IN_TUNNEL : BINDING_FOREIGN_AUTHORITY);
			s->place.user_tunnels = 0;
			s->place.point = 3;
			account(s, changes[i], NAS, "1");
			refuses(s, BINDING_NO_SOURCE);
			s->place.point = 0;
			has(s, "10.0.0.1", "a");
		}
	}
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 1);
	assert_int_equal(bindings_counter(s->b, BINDINGS_PENDING_BEGUN), 0);
	scene_free(s);
}

static void somebody_elses_session_id_changes_nothing(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	static const enum signal_change changes[] = {
		CHANGE_BIND, CHANGE_RELEASE, CHANGE_END, CHANGE_PENDING};
	static const uint8_t uses[] = {FIND | KEEP, FIND, KEEP, KEEP | BEGIN};
	s->place.point = 1; // a NAS that is believed, but of the other network
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++) {
			make(s, SIGNAL_RADIUS, changes[i], NAS2, SERVER);
			named(s, uses[k], "1");
			shows(s, SIGNAL_ROLE_USER, "bob");
			leases(s, "10.0.0.1", 32, changes[i] == CHANGE_BIND ? UINT32_MAX : 0);
			refuses(s, BINDING_FOREIGN_SESSION);
			has(s, "10.0.0.1", "a");
			assert_string_equal(owner(s, 7, "10.0.0.1"), "");
		}
	struct digest out[4];
	assert_int_equal(bindings_of_session(s->b, &s->signal, &s->place, s->now, out, 4), 0);
	s->place.point = 0;
	stop(s, "1");
	scene_free(s);
}

static void another_authority_of_the_source_goes_on_with_the_session(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	start(s, "1", "alice", "10.0.0.1");
	account(s, CHANGE_BIND, NAS2, "1");
	leases(s, "10.0.0.2", 32, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.2", "a");
	make(s, SIGNAL_RADIUS, CHANGE_RESTART, NAS, SERVER); // whose it is no more
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.2", "a");
	make(s, SIGNAL_RADIUS, CHANGE_RESTART, NAS2, SERVER);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.2", "");
	scene_free(s);
}

static void what_is_unknown_is_not_changed(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	account(s, CHANGE_END, NAS, "1");
	refuses(s, BINDING_UNKNOWN_SESSION);
	account(s, CHANGE_RELEASE, NAS, "1");
	refuses(s, BINDING_UNKNOWN_SESSION);
	account(s, CHANGE_BIND, NAS, "1");
	refuses(s, BINDING_UNKNOWN_SESSION);
	make(s, SIGNAL_RADIUS, CHANGE_BIND, NAS, SERVER);
	leases(s, "10.0.0.1", 32, UINT32_MAX);
	refuses(s, BINDING_NO_NAME);
	make(s, SIGNAL_RADIUS, CHANGE_PENDING, NAS, SERVER);
	refuses(s, BINDING_NO_NAME);
	scene_free(s);
}

static void authorities_are_bounded_and_those_with_sessions_stay(void **state)
{
	(void)state;
	struct scene *s = malloc(sizeof *s);
	*s = scene_with(BINDING_MIN_SESSIONS, 2);
	start(s, "1", "alice", "10.0.0.1");
	for (unsigned i = 3; i < 12; i++) {
		char nas[20];
		snprintf(nas, sizeof nas, "192.0.2.%u", i);
		make(s, SIGNAL_RADIUS, CHANGE_RESTART, nas, SERVER);
		assert_int_equal(take(s), BINDING_TAKEN);
	}
	has(s, "10.0.0.1", "a");
	account(s, CHANGE_BIND, NAS2, "2");
	shows(s, SIGNAL_ROLE_USER, "bob");
	leases(s, "10.0.0.2", 32, UINT32_MAX);
	assert_int_equal(take(s), BINDING_TAKEN);
	make(s, SIGNAL_RADIUS, CHANGE_RESTART, "192.0.2.3", SERVER);
	refuses(s, BINDING_NO_ROOM);
	has(s, "10.0.0.1", "a");
	has(s, "10.0.0.2", "b");
	stop(s, "1");
	make(s, SIGNAL_RADIUS, CHANGE_RESTART, "192.0.2.3", SERVER);
	assert_int_equal(take(s), BINDING_TAKEN);
	assert_int_equal(bindings_counter(s->b, BINDINGS_AUTHORITIES), 2);
	scene_free(s);
}

// --- GTP ---------------------------------------------------------------------------------------------------------

static const char SGW[] = "10.1.0.1", PGW[] = "10.1.0.2", SGW2[] = "10.1.0.3";

static void create(struct scene *s, const char *sequence, const char *tunnel, const char *who)
{
	make(s, SIGNAL_GTPV2C, CHANGE_PENDING, SGW, PGW);
	named(s, BEGIN | KEEP | EXCHANGE, sequence);
	named(s, BEGIN | KEEP, tunnel);
	shows(s, SIGNAL_ROLE_IMSI, who);
}

static void created(struct scene *s, const char *sequence, const char *tunnel, const char *address)
{
	make(s, SIGNAL_GTPV2C, CHANGE_BIND, PGW, SGW);
	s->signal.is_answer = true;
	named(s, FIND | EXCHANGE, sequence);
	named(s, BEGIN | KEEP, tunnel);
	leases(s, address, 32, UINT32_MAX);
}

static void a_gtp_session_is_found_by_the_tunnels_of_both_ends(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	create(s, "1", "sgw-1", "alice-imsi");
	assert_int_equal(take(s), BINDING_TAKEN);
	created(s, "1", "pgw-1", "10.0.0.1");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "i");
	// A request of another SGW shows nobody.
	make(s, SIGNAL_GTPV2C, CHANGE_PENDING, SGW2, PGW);
	named(s, BEGIN | KEEP | EXCHANGE, "2");
	named(s, FIND, "pgw-1");
	named(s, BEGIN | KEEP, "sgw2-1");
	struct digest out[4], imsi = digest_of("alice-imsi");
	assert_int_equal(bindings_of_session(s->b, &s->signal, &s->place, s->now, out, 4), 1);
	assert_memory_equal(&out[0], &imsi, sizeof imsi);
	assert_int_equal(take(s), BINDING_TAKEN);
	make(s, SIGNAL_GTPV2C, CHANGE_BIND, PGW, SGW2);
	s->signal.is_answer = true;
	named(s, FIND | EXCHANGE, "2");
	named(s, FIND, "sgw2-1");
	assert_int_equal(bindings_of_session(s->b, &s->signal, &s->place, s->now, out, 4), 1);
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "i");
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 1);
	make(s, SIGNAL_GTPV2C, CHANGE_END, PGW, SGW2);
	named(s, FIND, "sgw2-1");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "");
	scene_free(s);
}

static void a_tunnel_that_begins_anew_ends_what_had_it_when_the_request_is_answered(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	create(s, "1", "sgw-1", "alice-imsi");
	take(s);
	created(s, "1", "pgw-1", "10.0.0.1");
	take(s);
	create(s, "2", "sgw-1", "bob");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "i");
	created(s, "2", "pgw-2", "10.0.0.2");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "");
	has(s, "10.0.0.2", "b");
	assert_int_equal(bindings_counter(s->b, BINDINGS_ENDED), 1);
	create(s, "3", "sgw-3", "carol");
	take(s);
	created(s, "3", "pgw-2", "10.0.0.2"); // the other end's
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.2", "c");
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 1);
	scene_free(s);
}

// One connection, on the interface of its MME and on that of its PGW: two sessions that have the same address.
static void an_address_lasts_as_long_as_any_leg_of_its_connection(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	create(s, "1", "mme", "alice-imsi");
	take(s);
	create(s, "2", "sgw", "alice-imsi");
	take(s);
	created(s, "2", "pgw", "10.0.0.1");
	assert_int_equal(take(s), BINDING_TAKEN);
	created(s, "1", "sgw-11", "10.0.0.1");
	assert_int_equal(take(s), BINDING_TAKEN);
	assert_int_equal(bindings_counter(s->b, BINDINGS_SESSIONS), 2);
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES), 2);
	make(s, SIGNAL_GTPV2C, CHANGE_END, PGW, SGW);
	named(s, FIND, "sgw-11");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "i");
	// Another subscriber takes it from all of them.
	create(s, "3", "sgw-3", "bob");
	take(s);
	created(s, "3", "pgw-3", "10.0.0.1");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "b");
	assert_int_equal(bindings_counter(s->b, BINDINGS_LEASES), 1);
	make(s, SIGNAL_GTPV2C, CHANGE_END, PGW, SGW);
	named(s, FIND, "sgw-3");
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "");
	laws_hold(s->b);
	scene_free(s);
}

static void recovery(struct scene *s, const char *peer, uint8_t value)
{
	make(s, SIGNAL_GTPV2C, CHANGE_NONE, peer, strcmp(peer, PGW) == 0 ? SGW : PGW);
	s->signal.has_restart = true;
	s->signal.restart = value;
}

static void a_peer_whose_restart_counter_went_up_lost_its_sessions(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 2; which++) {
		struct scene *s = scene_new();
		const char *peer = which ? PGW : SGW;
		recovery(s, peer, 255);
		assert_int_equal(take(s), BINDING_TAKEN); // at first sight only remembered
		create(s, "1", "sgw-1", "alice-imsi");
		take(s);
		created(s, "1", "pgw-1", "10.0.0.1");
		take(s);
		has(s, "10.0.0.1", "i");
		recovery(s, peer, 255);
		take(s);
		has(s, "10.0.0.1", "i");
		recovery(s, peer, 250); // came late
		take(s);
		has(s, "10.0.0.1", "i");
		assert_int_equal(bindings_counter(s->b, BINDINGS_RESTARTS_STALE), 1);
		recovery(s, peer, 1);
		s->place.user_tunnels = 1;
		refuses(s, BINDING_IN_TUNNEL);
		s->place.user_tunnels = 0;
		recovery(s, FOREIGN, 1);
		refuses(s, BINDING_FOREIGN_AUTHORITY);
		has(s, "10.0.0.1", "i");
		recovery(s, peer, 1); // modulo 256
		take(s);
		has(s, "10.0.0.1", "");
		assert_int_equal(bindings_counter(s->b, BINDINGS_RESTARTS), 1);
		scene_free(s);
	}
}

static void a_restart_counter_that_stays_lower_is_believed_in_the_end(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	recovery(s, PGW, 100);
	take(s);
	create(s, "1", "sgw-1", "alice-imsi");
	take(s);
	created(s, "1", "pgw-1", "10.0.0.1");
	take(s);
	recovery(s, PGW, 1);
	take(s);
	s->now += SIGNAL_EXCHANGE_NS - 1;
	recovery(s, PGW, 1);
	take(s);
	has(s, "10.0.0.1", "i");
	s->now += 1;
	recovery(s, PGW, 1);
	take(s);
	has(s, "10.0.0.1", "");
	scene_free(s);
}

static void an_answer_that_tells_of_a_restart_still_answers_its_request(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	recovery(s, PGW, 1);
	take(s);
	create(s, "1", "sgw-1", "bob");
	take(s);
	created(s, "1", "pgw-1", "10.0.0.2");
	take(s);
	create(s, "2", "sgw-2", "alice-imsi");
	take(s);
	created(s, "2", "pgw-1", "10.0.0.1");
	s->signal.has_restart = true;
	s->signal.restart = 2;
	assert_int_equal(take(s), BINDING_TAKEN);
	has(s, "10.0.0.1", "i");
	has(s, "10.0.0.2", "");
	scene_free(s);
}

// --- what is shown -------------------------------------------------------------------------------------------------

static void sessions_are_found_by_identity(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	struct binding_view views[4];
	struct digest alice = digest_of("alice"), carol = digest_of("carol");
	start(s, "1", "alice", "10.0.0.1");
	s->now += SECOND;
	start(s, "2", "alice", "10.0.0.2");
	start(s, "3", "bob", "10.0.0.3");
	assert_int_equal(bindings_of_identity(s->b, &carol, s->now, views, 4), 0);
	assert_int_equal(bindings_of_identity(s->b, &alice, s->now, views, 1), 1);
	assert_int_equal(bindings_of_identity(s->b, &alice, s->now, views, 4), 2);
	for (unsigned i = 0; i < 2; i++) {
		struct address a = address_of(views[i].since_ns == START ? "10.0.0.1" : "10.0.0.2");
		assert_int_equal(views[i].protocol, SIGNAL_RADIUS);
		assert_int_equal(views[i].lease_count, 1);
		assert_memory_equal(&views[i].leases[0].address, &a, sizeof a);
		assert_int_equal(views[i].leases[0].prefix_len, 32);
		assert_int_equal(views[i].leases[0].expires_ns, views[i].last_ns + IDLE);
	}
	stop(s, "2");
	assert_int_equal(bindings_of_identity(s->b, &alice, s->now, views, 4), 1);
	assert_int_equal(views[0].since_ns, START);
	make(s, SIGNAL_RADIUS, CHANGE_RESTART, NAS, SERVER);
	take(s);
	assert_int_equal(bindings_of_identity(s->b, &alice, s->now, views, 4), 0);
	scene_free(s);
}

static void places_have_their_routing_instance(void **state)
{
	(void)state;
	struct scene *s = scene_new();
	assert_int_equal(bindings_instance_of(s->b, 0, 0), 0);
	assert_int_equal(bindings_instance_of(s->b, 1, 30), 7);
	assert_int_equal(bindings_instance_of(s->b, 2, 30), 9);
	assert_int_equal(bindings_instance_of(s->b, 2, 31), 0);
	scene_free(s);
}

static void rules_out_of_bounds_are_refused(void **state)
{
	(void)state;
	const struct binding_prefix bad = {{.family = 4}, 33};
	const struct binding_source source = {.servers = &bad, .server_count = 1};
	struct binding_rules rules = {
		.session_idle_ns = IDLE, .max_sessions = 63, .max_authorities = 1};
	errno = 0;
	assert_null(bindings_new(&rules));
	assert_int_equal(errno, EINVAL);
	rules.max_sessions = 64;
	rules.sources = &source;
	rules.source_count = 1;
	assert_null(bindings_new(&rules));
	rules.source_count = 0;
	rules.max_authorities = 0;
	assert_null(bindings_new(&rules));
	rules.max_authorities = 1;
	struct bindings *b = bindings_new(&rules);
	assert_non_null(b);
	bindings_free(b);
	bindings_free(NULL);
	for (unsigned i = 0; i < BINDINGS_COUNTERS; i++)
		assert_non_null(bindings_counter_name(i));
	for (unsigned i = 0; i < BINDING_REFUSALS; i++)
		assert_non_null(binding_refusal_name(i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_accounting_session_has_its_address_from_start_to_stop),
		cmocka_unit_test(a_later_message_replaces_the_addresses_of_its_families),
		cmocka_unit_test(an_address_is_of_whom_it_was_given_last),
		cmocka_unit_test(a_more_specific_prefix_wins_and_takes_nothing_from_the_wider_one),
		cmocka_unit_test(too_wide_a_prefix_is_nobodys),
		cmocka_unit_test(prefix_lengths_in_use_are_bounded),
		cmocka_unit_test(a_lease_counts_from_its_answer_on_and_until_its_lifetime_is_over),
		cmocka_unit_test(a_request_changes_nothing_until_it_is_answered),
		cmocka_unit_test(a_request_that_nobody_answers_is_forgotten),
		cmocka_unit_test(the_answer_ends_the_exchange),
		cmocka_unit_test(ias_of_dhcpv6_stand_side_by_side),
		cmocka_unit_test(of_more_leases_than_there_is_room_for_the_shortest_gives_way),
		cmocka_unit_test(the_next_holder_of_a_lease_has_it_from_its_very_packet_on),
		cmocka_unit_test(a_session_without_messages_ends),
		cmocka_unit_test(a_restart_ends_all_sessions_of_the_authority_and_source),
		cmocka_unit_test(a_session_id_that_is_used_again_is_another_subscribers),
		cmocka_unit_test(identities_of_one_subscriber_add_up),
		cmocka_unit_test(more_identities_and_names_than_fit_are_counted),
		cmocka_unit_test(the_oldest_session_gives_way),
		cmocka_unit_test(requests_do_not_crowd_sessions_out),
		cmocka_unit_test(forged_accounting_changes_nothing),
		cmocka_unit_test(somebody_elses_session_id_changes_nothing),
		cmocka_unit_test(another_authority_of_the_source_goes_on_with_the_session),
		cmocka_unit_test(what_is_unknown_is_not_changed),
		cmocka_unit_test(authorities_are_bounded_and_those_with_sessions_stay),
		cmocka_unit_test(a_gtp_session_is_found_by_the_tunnels_of_both_ends),
		cmocka_unit_test(
			a_tunnel_that_begins_anew_ends_what_had_it_when_the_request_is_answered),
		cmocka_unit_test(an_address_lasts_as_long_as_any_leg_of_its_connection),
		cmocka_unit_test(a_peer_whose_restart_counter_went_up_lost_its_sessions),
		cmocka_unit_test(a_restart_counter_that_stays_lower_is_believed_in_the_end),
		cmocka_unit_test(an_answer_that_tells_of_a_restart_still_answers_its_request),
		cmocka_unit_test(sessions_are_found_by_identity),
		cmocka_unit_test(places_have_their_routing_instance),
		cmocka_unit_test(rules_out_of_bounds_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
