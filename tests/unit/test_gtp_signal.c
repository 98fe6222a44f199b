#include "gtp_signal.h"

#include "gtp_trace.h"

static struct signal s;
static struct packet packet;

static struct gtp_reading reading(uint8_t version, const char *from, const char *to)
{
	packet = trace_packet(from, TRACE_PORT, to, TRACE_GTPC);
	struct gtp_reading g = {&packet, &trace_rules, &s, version};
	gtp_signal_begin(&g, version == 1 ? SIGNAL_GTPV1C : SIGNAL_GTPV2C);
	return g;
}

static struct signal_name exchange(
	uint8_t version, const char *from, const char *to, uint32_t sequence, enum gtpc_role role)
{
	struct gtp_reading g = reading(version, from, to);
	struct gtpc_message m = {.has_sequence = true, .sequence = sequence};
	gtp_signal_exchange(&g, &m, role);
	assert_int_equal(s.name_count, 1);
	return s.names[0];
}

static bool same(struct signal_name a, struct signal_name b)
{
	return memcmp(&a.digest, &b.digest, sizeof a.digest) == 0;
}

static void the_requester_acknowledges_in_its_own_exchange(void **state)
{
	(void)state;
	struct signal_name request = exchange(2, SGSN, GGSN, 7, GTPC_REQUEST);
	struct signal_name acknowledge = exchange(2, SGSN, GGSN, 7, GTPC_ACKNOWLEDGE);
	assert_true(same(request, acknowledge));
	assert_int_equal(request.use, NAME_BEGIN | NAME_KEEP | NAME_EXCHANGE);
	assert_int_equal(acknowledge.use, NAME_FIND | NAME_EXCHANGE);
	assert_false(same(request, exchange(1, SGSN, GGSN, 7, GTPC_REQUEST)));
	assert_false(same(request, exchange(2, SGSN, GGSN, 8, GTPC_REQUEST)));
	assert_false(same(request, exchange(2, SGSN, GGSN, 0x10007, GTPC_REQUEST)));
	assert_false(same(request, exchange(2, GGSN, SGSN, 7, GTPC_REQUEST)));
}

static void what_wants_no_answer_is_no_exchange(void **state)
{
	(void)state;
	struct gtp_reading g = reading(2, SGSN, GGSN);
	struct gtpc_message m = {.has_sequence = true, .sequence = 7};
	gtp_signal_exchange(&g, &m, GTPC_NOTICE);
	m.has_sequence = false;
	gtp_signal_exchange(&g, &m, GTPC_REQUEST);
	assert_int_equal(s.name_count, 0);
}

static void a_tunnel_is_an_address_a_teid_and_perhaps_a_bearer(void **state)
{
	(void)state;
	struct gtp_reading g = reading(2, SGSN, GGSN);
	const struct address none = {.family = 0};
	gtp_signal_tunnel(&g, &packet.flow.source, 7, 0, NAME_FIND);
	gtp_signal_tunnel(&g, &packet.flow.destination, 7, 0, NAME_FIND);
	gtp_signal_tunnel(&g, &packet.flow.source, 8, 0, NAME_FIND);
	gtp_signal_tunnel(&g, &packet.flow.source, 7, 5, NAME_FIND);
	gtp_signal_tunnel(&g, &packet.flow.source, 7, 6, NAME_FIND);
	assert_int_equal(s.name_count, 5);
	gtp_signal_tunnel(&g, &packet.flow.source, 7, 6, NAME_KEEP); // again: the first use holds
	gtp_signal_tunnel(&g, &packet.flow.source, 0, 6, NAME_KEEP);
	gtp_signal_tunnel(&g, &none, 7, 6, NAME_KEEP);
	assert_int_equal(s.name_count, 5);
	assert_int_equal(s.names[4].use, NAME_FIND);
	for (uint32_t i = 0; i < s.name_count; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_false(same(s.names[i], s.names[j]));
	assert_int_equal(s.defects, 0);
	for (uint32_t teid = 100; teid < 100 + SIGNAL_MAX_NAMES; teid++)
		gtp_signal_tunnel(&g, &packet.flow.source, teid, 0, NAME_FIND);
	assert_int_equal(s.name_count, SIGNAL_MAX_NAMES);
	assert_int_equal(s.defects, SIGNAL_DEFECT_EXCESS);
}

static void more_identities_than_there_is_room_for_are_counted(void **state)
{
	(void)state;
	struct gtp_reading g = reading(2, SGSN, GGSN);
	for (uint32_t teid = 1; teid <= SIGNAL_MAX_ASKED + 3; teid++)
		gtp_signal_show_tunnel(&g, teid);
	gtp_signal_show_tunnel(&g, 0);
	assert_int_equal(s.sighting_count, SIGNAL_MAX_ASKED);
	assert_int_equal(s.sightings_excess, 3);
	assert_int_equal(s.defects, 0);
	// They take nothing from subscribers, who are shown whether or not a task asks for tunnels.
	uint8_t imsi[8] = {0x00, 0x01, 0x01, 0x21, 0x43, 0x65, 0x00, 0xf9};
	for (uint8_t i = 0; i <= SIGNAL_MAX_SUBSCRIBERS; i++) {
		imsi[6] = (uint8_t)(i / 10 << 4 | i % 10);
		gtp_signal_show_imsi(&g, bytes_of(imsi, sizeof imsi));
	}
	assert_int_equal(s.sighting_count, SIGNAL_MAX_SIGHTINGS);
	assert_int_equal(s.sightings_excess, 4);
	assert_int_equal(s.defects, 0);
}

static void nobody_is_shown_by_fillers(void **state)
{
	(void)state;
	struct gtp_reading g = reading(1, SGSN, GGSN);
	struct bytes fillers = bytes_of("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	gtp_signal_show_imsi(&g, fillers);
	gtp_signal_show_equipment(&g, fillers);
	gtp_signal_show_number(&g, &(struct gtpc_digits){.len = 0});
	assert_int_equal(s.sighting_count, 0);
	assert_int_equal(s.defects, 0);
	gtp_signal_show_imsi(&g, bytes_of("\x00\xf1", 2)); // three digits
	assert_int_equal(s.sighting_count, 0);
	assert_int_equal(s.defects, SIGNAL_DEFECT_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_requester_acknowledges_in_its_own_exchange),
		cmocka_unit_test(what_wants_no_answer_is_no_exchange),
		cmocka_unit_test(a_tunnel_is_an_address_a_teid_and_perhaps_a_bearer),
		cmocka_unit_test(more_identities_than_there_is_room_for_are_counted),
		cmocka_unit_test(nobody_is_shown_by_fillers),
	};
	return cmocka_run_group_tests_name("gtp_signal", tests, NULL, NULL);
}
