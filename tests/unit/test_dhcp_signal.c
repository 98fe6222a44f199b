#include "dhcp_signals.h"

#include "dhcp_signal.h"

static void clear(struct signal *s)
{
	memset(s, 0xa5, sizeof *s);
	signal_clear(s, SIGNAL_DHCPV4);
}

static void an_ethernet_address_names_a_subscriber(void **state)
{
	(void)state;
	static struct signal s;
	clear(&s);
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a\1", 6));
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a\1", 6)); // once is enough
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a\2", 6));
	macs_are(&s, "020000000a01 020000000a02");
	assert_int_equal(s.defects, 0);
}

static void nothing_else_does(void **state)
{
	(void)state;
	static struct signal s;
	clear(&s);
	dhcp_mac_show(&s, 0, bytes_of("\2\0\0\0\x0a\1", 6));
	dhcp_mac_show(&s, 257, bytes_of("\2\0\0\0\x0a\1", 6));
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a", 5));
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a\1\1", 7));
	dhcp_mac_show(&s, 1, bytes_of("\0\0\0\0\0\0", 6));
	dhcp_mac_show(&s, 1, bytes_of(NULL, 0));
	assert_int_equal(s.sighting_count, 0);
}

static void a_duid_shows_the_address_that_it_was_made_of(void **state)
{
	(void)state;
	static struct signal s;
	clear(&s);
	static const char *const duids[] = {"0001 0001 2a2b2c2d 020000000a01",
		"0003 0001 020000000a02", "0003 0006 020000000a03", "0002 0001 020000000a04",
		"0003 0001 020000000a", "00"};
	for (size_t i = 0; i < sizeof duids / sizeof duids[0]; i++) {
		struct sample duid = sample_v6(duids[i]);
		dhcp_duid_show(&s, sample_bytes(&duid));
	}
	macs_are(&s, "020000000a01 020000000a02");
}

static void attributes_are_shown_where_a_task_asks(void **state)
{
	(void)state;
	static struct signal s;
	clear(&s);
	struct bytes attributes = bytes_of("\1\7alice\x19\4ab\x58\2", 13);
	dhcp_attributes_show(&s, &RULES, attributes);
	assert_int_equal(s.sighting_count, 0);
	dhcp_attributes_show(&s, &RULES_ATTRIBUTES, attributes);
	assert_int_equal(s.sighting_count, 3);
	static const char *const wanted[] = {"\1\7alice", "\x19\4ab", "\x58\2"};
	for (unsigned i = 0; i < 3; i++) {
		const struct sighting *sighting = &s.sightings[i];
		assert_int_equal(sighting->role, SIGNAL_ROLE_ATTRIBUTE);
		assert_int_equal(sighting->identity.kind, IDENTITY_ATTRIBUTE);
		assert_true(bytes_equal(bytes_of(sighting->identity.octets, sighting->identity.len),
			bytes_of(wanted[i], (size_t)wanted[i][1])));
	}
	assert_int_equal(s.defects, 0);
}

static void cut_attributes(struct bytes prefix)
{
	static struct signal s;
	clear(&s);
	dhcp_attributes_show(&s, &RULES_ATTRIBUTES, prefix);
	assert_int_equal(s.sighting_count, (prefix.len >= 7) + (prefix.len >= 11));
	bool is_whole = prefix.len == 0 || prefix.len == 7 || prefix.len == 11;
	assert_int_equal(s.defects, is_whole ? 0 : SIGNAL_DEFECT_LENGTH);
	// Counters of defects are for all to see, so they are the same while no task asks for one.
	clear(&s);
	dhcp_attributes_show(&s, &RULES, prefix);
	assert_int_equal(s.sighting_count, 0);
	assert_int_equal(s.defects, is_whole ? 0 : SIGNAL_DEFECT_LENGTH);
}

static void attributes_may_be_cut_anywhere(void **state)
{
	(void)state;
	cut_at_every_length(bytes_of("\1\7alice\x19\4ab", 11), cut_attributes);
	static struct signal s;
	clear(&s);
	dhcp_attributes_show(&s, &RULES_ATTRIBUTES, bytes_of("\1\1\1\0", 4));
	assert_int_equal(s.sighting_count, 0);
	assert_int_equal(s.defects, SIGNAL_DEFECT_LENGTH);
}

static void what_there_is_no_room_for_is_counted(void **state)
{
	(void)state;
	static struct signal s;
	clear(&s);
	uint8_t octets[3 * (SIGNAL_MAX_ASKED / 2 + 10)];
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof octets; i += 3)
			memcpy(octets + i, (uint8_t[]){(uint8_t)(round + 1), 3, (uint8_t)(i / 3)},
				3);
		dhcp_attributes_show(&s, &RULES_ATTRIBUTES, bytes_of(octets, sizeof octets));
	}
	assert_int_equal(s.sighting_count, SIGNAL_MAX_ASKED);
	assert_int_equal(s.sightings_excess, 20);
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a\1", 6)); // takes other room
	assert_int_equal(s.sighting_count, SIGNAL_MAX_ASKED + 1);
	assert_int_equal(s.sightings_excess, 20);
}

static bool is_zero(const void *at, size_t len)
{
	const uint8_t *octets = at;
	while (len > 0 && octets[len - 1] == 0)
		len--;
	return len == 0;
}

static void a_signal_that_is_wiped_holds_nobody(void **state)
{
	(void)state;
	static struct signal s;
	s = (struct signal){.protocol = SIGNAL_DHCPV4};
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a\1", 6));
	dhcp_attributes_show(&s, &RULES_ATTRIBUTES, bytes_of("\1\7alice", 7));
	dhcp_mac_show(&s, 1, bytes_of("\2\0\0\0\x0a\1", 6)); // filled in, and there already
	struct address address = {.family = 4, .octets = {192, 0, 2, 9}};
	assert_true(signal_add_lease(&s, &address, 32, 60));
	assert_int_equal(s.sighting_count, 2);
	assert_false(is_zero(s.sightings, sizeof s.sightings));
	signal_wipe(&s);
	assert_true(is_zero(s.sightings, sizeof s.sightings));
	assert_true(is_zero(s.leases, sizeof s.leases));
	assert_int_equal(s.sighting_count + s.asked_count + s.lease_count, 0);
}

static void the_addresses_of_the_packet_say_who_answers_for_it(void **state)
{
	(void)state;
	static struct signal s;
	static const struct {
		const char *source, *destination;
		bool is_relayed;
		enum signal_change change;
		const char *authority, *peer;
	} requests[] = {
		{"192.0.2.9", "192.0.2.1", false, CHANGE_PENDING, "192.0.2.1", NULL},
		{"192.0.2.2", "192.0.2.1", true, CHANGE_PENDING, "192.0.2.1", "192.0.2.2"},
		{"192.0.2.2", "192.0.2.1", true, CHANGE_END, "192.0.2.1", "192.0.2.2"},
		{"0.0.0.0", "255.255.255.255", false, CHANGE_PENDING, NULL, NULL},
		{"0.0.0.0", "255.255.255.255", false, CHANGE_RELEASE, NULL, NULL},
		{"fe80::1", "ff02::1:2", false, CHANGE_RELEASE, NULL, NULL},
		{"2001:db8::2", "ff05::1:3", true, CHANGE_PENDING, NULL, "2001:db8::2"},
		{"2001:db8::2", "ff05::1:3", true, CHANGE_RELEASE, "2001:db8::2", NULL},
	};
	for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		struct packet p = packet_between(requests[i].source, requests[i].destination);
		clear(&s);
		s.change = requests[i].change;
		dhcp_parties_of_request(&s, &p, requests[i].is_relayed);
		parties_are(&s, requests[i].authority, requests[i].peer);
	}
	struct packet p = packet_between("192.0.2.1", "192.0.2.2");
	clear(&s);
	dhcp_parties_of_answer(&s, &p, false);
	parties_are(&s, "192.0.2.1", NULL);
	dhcp_parties_of_answer(&s, &p, true);
	parties_are(&s, "192.0.2.1", "192.0.2.2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ethernet_address_names_a_subscriber),
		cmocka_unit_test(nothing_else_does),
		cmocka_unit_test(a_duid_shows_the_address_that_it_was_made_of),
		cmocka_unit_test(attributes_are_shown_where_a_task_asks),
		cmocka_unit_test(attributes_may_be_cut_anywhere),
		cmocka_unit_test(what_there_is_no_room_for_is_counted),
		cmocka_unit_test(a_signal_that_is_wiped_holds_nobody),
		cmocka_unit_test(the_addresses_of_the_packet_say_who_answers_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
