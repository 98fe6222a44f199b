#include "gtpv1_signal.h"

#include "gtp_captures.h"
#include "gtp_trace.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct signal_rules rules_without_tunnels = {.key = {1, 2}};

static struct trace trace_of_gtpv1(void)
{
	return (struct trace){.read = gtpv1_signal_read};
}

static unsigned up(struct trace *t, const char *text)
{
	return trace_request(t, SGSN, GGSN, text);
}

static unsigned answered(struct trace *t, const char *text)
{
	return trace_answer(t, GGSN, SGSN, text);
}

static void a_create_request_shows_the_subscriber(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	assert_int_equal(up(&t, V1_CREATE_REQUEST), 1);
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(t.signal.protocol, SIGNAL_GTPV1C);
	assert_int_equal(t.signal.message_type, 16);
	assert_int_equal(t.signal.octets.len, sizeof V1_CREATE_REQUEST / 2);
	assert_int_equal(t.signal.sighting_count, 5);
	assert_true(trace_shows(&t, IDENTITY_IMSI, "001010123456789"));
	assert_true(trace_shows(&t, IDENTITY_NUMBER, "49155501001"));
	assert_true(trace_shows(&t, IDENTITY_IMEI, "35483600000001"));
	assert_true(trace_shows(&t, IDENTITY_IMEISV, "3548360000000123"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "22222222"));
	assert_true(t.signal.has_restart);
	assert_int_equal(t.signal.restart, 7);
}

static void an_accepted_response_binds_the_address(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = up(&t, V1_CREATE_REQUEST);
	assert_int_equal(answered(&t, V1_CREATE_RESPONSE), session);
	trace_says(&t, CHANGE_BIND, false, 1, 0);
	trace_leases(&t, 0, "203.0.113.5", 32);
	assert_int_equal(t.signal.restart, 9);
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "44444444"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "22222222"));
}

static void an_ipv6_address_binds_its_prefix(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	up(&t, V1_CREATE_REQUEST);
	answered(&t, V1_CREATE_RESPONSE_IPV6);
	trace_says(&t, CHANGE_BIND, false, 1, 0);
	trace_leases(&t, 0, "2001:db8:5:6::", 64);
	answered(&t, V1_CREATE_RESPONSE_BOTH);
	trace_says(&t, CHANGE_BIND, false, 2, 0);
	trace_leases(&t, 0, "203.0.113.5", 32);
	trace_leases(&t, 1, "2001:db8:5:6::", 64);
}

static void a_refused_response_binds_nothing(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = up(&t, V1_CREATE_REQUEST);
	assert_int_equal(answered(&t, V1_CREATE_REFUSED), session);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	// A refusal that names an address all the same.
	answered(&t, "3211 000f 22222222 1234 0000 01c7 80 0006 f121 cb007105");
	trace_says(&t, CHANGE_NONE, false, 0, 0);
}

static void an_address_in_a_request_does_not_count(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	up(&t, "3210 0013 00000000 1234 0000 1122222222 80 0006 f121 cb007105");
	trace_says(&t, CHANGE_PENDING, false, 0, SIGNAL_DEFECT_TRUNCATED);
	up(&t, "3210 0012 00000000 1234 0000 1122222222 80 0006 f121 cb007105");
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
}

static unsigned created(struct trace *t)
{
	unsigned session = up(t, V1_CREATE_REQUEST);
	assert_int_equal(answered(t, V1_CREATE_RESPONSE), session);
	return session;
}

static void a_secondary_context_belongs_to_the_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = created(&t);
	assert_int_equal(up(&t, V1_SECONDARY_REQUEST), session);
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(answered(&t, V1_SECONDARY_RESPONSE), session);
	trace_says(&t, CHANGE_BIND, false, 0, 0); // the addresses it has
}

static void the_end_of_one_context_ends_nothing(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = created(&t);
	assert_int_equal(up(&t, V1_DELETE_ONE), session);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	assert_int_equal(answered(&t, V1_DELETE_RESPONSE), session);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
}

static void a_teardown_ends_the_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = created(&t);
	assert_int_equal(up(&t, V1_DELETE_ALL), session);
	trace_says(&t, CHANGE_END, true, 0, 0);
	assert_int_equal(answered(&t, V1_DELETE_RESPONSE), session);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	// By the GGSN.
	assert_int_equal(
		trace_request(&t, GGSN, SGSN, "3214 0008 22222222 0007 0000 13ff 1405"), session);
	trace_says(&t, CHANGE_END, true, 0, 0);
}

static void an_update_moves_the_session_to_another_node(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = created(&t);
	assert_int_equal(trace_request(&t, "192.0.2.9", GGSN, V1_UPDATE_REQUEST), session);
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(trace_answer(&t, GGSN, "192.0.2.9", V1_UPDATE_RESPONSE), session);
	trace_says(&t, CHANGE_BIND, false, 0, 0);
	// What comes through the tunnel that the update named.
	assert_int_equal(
		trace_request(&t, GGSN, "192.0.2.9", "3214 0008 66666666 0007 0000 13ff 1405"),
		session);
}

static void an_update_of_what_is_not_there_ends_the_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = created(&t);
	trace_request(&t, "192.0.2.9", GGSN, V1_UPDATE_REQUEST);
	assert_int_equal(trace_answer(&t, GGSN, "192.0.2.9", V1_UPDATE_UNKNOWN), session);
	trace_says(&t, CHANGE_END, true, 0, 0);
}

static void a_tunnel_that_is_used_again_is_another_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned session = created(&t);
	assert_true(up(&t, V1_CREATE_REQUEST) != session);
	// The answer to a request that nobody saw does not join who had the TEID before.
	struct trace other = trace_of_gtpv1();
	session = created(&other);
	assert_true(
		trace_take(&other, GGSN, TRACE_GTPC, SGSN, 40002, V1_CREATE_RESPONSE) != session);
}

static void exchanges_are_told_apart(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	unsigned a = trace_take(&t, SGSN, 40001, GGSN, 2123, V1_ECHO_REQUEST);
	unsigned b = trace_take(&t, SGSN, 40002, GGSN, 2123, V1_ECHO_REQUEST);
	unsigned c = trace_take(&t, GGSN, 40001, SGSN, 2123, V1_ECHO_REQUEST);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	assert_int_equal(t.signal.sighting_count, 0);
	assert_false(t.signal.has_restart);
	assert_true(a != b && b != c && a != c);
	assert_int_equal(trace_take(&t, GGSN, 2123, SGSN, 40001, V1_ECHO_RESPONSE), a);
	assert_int_equal(trace_take(&t, GGSN, 2123, SGSN, 40002, V1_ECHO_RESPONSE), b);
	assert_int_equal(trace_take(&t, SGSN, 2123, GGSN, 40001, V1_ECHO_RESPONSE), c);
	assert_true(t.signal.has_restart);
	assert_int_equal(t.signal.restart, 5);
	// Another sequence number, and one of another port.
	assert_int_equal(
		trace_take(&t, SGSN, 2123, GGSN, 40001, "32020006 00000000 0c010000 0e05"), 0);
	assert_int_equal(trace_take(&t, SGSN, 2123, GGSN, 40009, V1_ECHO_RESPONSE), 0);
}

static void tunnels_are_shown_to_those_who_ask(void **state)
{
	(void)state;
	static struct signal s;
	struct packet p = trace_packet(SGSN, TRACE_PORT, GGSN, TRACE_GTPC);
	struct hex h = hex_of(V1_CREATE_REQUEST);
	assert_int_equal(
		gtpv1_signal_read(hex_bytes(&h), &p, &rules_without_tunnels, &s), PARSE_OK);
	assert_int_equal(s.sighting_count, 4);
	for (uint32_t i = 0; i < s.sighting_count; i++)
		assert_true(s.sightings[i].role <= SIGNAL_ROLE_SUBSCRIBER_LAST);
}

static void every_element_of_a_context_response_is_passed(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	trace_take(&t, GGSN, 2123, SGSN, 2123, V1_EVERY_TV);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	assert_true(t.signal.is_answer);
	assert_true(trace_shows(&t, IDENTITY_IMSI, "001010123456789"));
	assert_true(trace_shows(&t, IDENTITY_IMEI, "35483600000001"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "77777777"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "88888888"));
	assert_int_equal(t.signal.sighting_count, 4); // 15 digits are no IMEISV
}

static void defects_are_named_and_the_rest_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t defects;
	} samples[] = {
		// Length behind the datagram.
		{"3210 0040 00000000 1234 0000 02 00010121436587f9 1122222222",
			SIGNAL_DEFECT_TRUNCATED},
		// The last element behind the message.
		{"3210 0014 00000000 1234 0000 02 00010121436587f9 1122222222 8600",
			SIGNAL_DEFECT_TRUNCATED},
		{"3210 0013 00000000 1234 0000 02 00010121436587f9 1122222222 06",
			SIGNAL_DEFECT_VALUE},
		{"3210 0012 00000000 1234 0000 02 00010121436587f9 1122222222 06",
			SIGNAL_DEFECT_LENGTH},
		{"3210 000d 00000000 1234 0000 02 00010121436587f9", SIGNAL_DEFECT_MISSING},
		// A GSN address of 3 octets, a number with a digit that is none, an IMEI of 4 digits.
		{"3210 0018 00000000 1234 0000 02 00010121436587f9 1122222222 85 0003 c00002",
			SIGNAL_DEFECT_LENGTH},
		{"3210 0017 00000000 1234 0000 02 00010121436587f9 1122222222 86 0002 91a1",
			SIGNAL_DEFECT_VALUE},
		{"3210 0017 00000000 1234 0000 02 00010121436587f9 1122222222 9a 0002 2143",
			SIGNAL_DEFECT_VALUE},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct trace t = trace_of_gtpv1();
		up(&t, samples[i].text);
		if (t.signal.defects != samples[i].defects)
			fail_msg("%s has defects %x", samples[i].text, t.signal.defects);
		assert_true(trace_shows(&t, IDENTITY_IMSI, "001010123456789"));
	}
	struct trace t = trace_of_gtpv1();
	answered(&t, "3211 0009 22222222 1234 0000 1144444444");
	trace_says(&t, CHANGE_NONE, false, 0, SIGNAL_DEFECT_MISSING); // no cause
	answered(&t, "3211 000d 22222222 1234 0000 0180 80 0004 f121 cb00");
	trace_says(&t, CHANGE_BIND, false, 0, SIGNAL_DEFECT_LENGTH);
}

static void the_first_of_two_subscribers_counts(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv1();
	up(&t, "3210 001b 00000000 1234 0000 02 00010121436587f9 02 00010121436587f1 1122222222");
	assert_true(trace_shows(&t, IDENTITY_IMSI, "001010123456789"));
	assert_false(trace_shows(&t, IDENTITY_IMSI, "001010123456781"));
}

static void a_message_without_end_has_a_bound(void **state)
{
	(void)state;
	enum { ELEMENTS = GTPC_MAX_ELEMENTS + 1 };
	static uint8_t octets[12 + 2 * ELEMENTS];
	static struct signal s;
	struct packet p = trace_packet(SGSN, TRACE_PORT, GGSN, TRACE_GTPC);
	memcpy(octets, "\x32\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00", 12);
	for (unsigned i = 0; i < ELEMENTS; i++)
		memcpy(octets + 12 + 2 * i, "\x0e\x01", 2);
	for (unsigned extra = 0; extra <= 1; extra++) {
		size_t elements = 2 * (ELEMENTS - 1 + extra);
		octets[2] = (uint8_t)((4 + elements) >> 8);
		octets[3] = (uint8_t)(4 + elements);
		assert_int_equal(
			gtpv1_signal_read(bytes_of(octets, 12 + elements), &p, &trace_rules, &s),
			PARSE_OK);
		assert_int_equal(s.defects, extra ? SIGNAL_DEFECT_EXCESS : 0);
	}
}

static void other_protocols_are_foreign(void **state)
{
	(void)state;
	static struct signal s;
	struct packet p = trace_packet(SGSN, TRACE_PORT, GGSN, TRACE_GTPC);
	static const struct {
		const char *text;
		enum parse_result result;
	} samples[] = {{S11_CREATE_REQUEST, PARSE_FOREIGN}, {"1e10", PARSE_FOREIGN},
		{"3210 0040 00000000 1234 0000", PARSE_TRUNCATED}, // a header alone
		{"3210 0040 00000000 1234 0000 0200", PARSE_TRUNCATED}, {"3210", PARSE_TRUNCATED},
		{"3703 0000 42000000 00000000", PARSE_MALFORMED}};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct hex h = hex_of(samples[i].text);
		assert_int_equal(
			gtpv1_signal_read(hex_bytes(&h), &p, &trace_rules, &s), samples[i].result);
	}
}

static void read_prefix(struct bytes prefix)
{
	static struct signal s;
	struct packet p = trace_packet(SGSN, TRACE_PORT, GGSN, TRACE_GTPC);
	if (gtpv1_signal_read(prefix, &p, &trace_rules, &s) != PARSE_OK)
		return;
	assert_true(s.octets.len <= prefix.len && s.octets.at == prefix.at);
	assert_true(s.name_count <= SIGNAL_MAX_NAMES);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	static const char *const samples[] = {V1_CREATE_REQUEST, V1_CREATE_RESPONSE,
		V1_CREATE_RESPONSE_IPV6, V1_CREATE_RESPONSE_BOTH, V1_CREATE_REFUSED,
		V1_SECONDARY_REQUEST, V1_SECONDARY_RESPONSE, V1_UPDATE_REQUEST, V1_UPDATE_RESPONSE,
		V1_UPDATE_UNKNOWN, V1_DELETE_ONE, V1_DELETE_ALL, V1_DELETE_RESPONSE,
		V1_ECHO_REQUEST, V1_ECHO_RESPONSE, V1_EVERY_TV};
	for (size_t i = 0; i < COUNT(samples); i++)
		hex_may_be_cut_anywhere(samples[i], read_prefix);
}

static void captures_of_others_are_read(void **state)
{
	(void)state;
	static const struct capture_wanted wanted[] = {
		{"gtpv1c-create-pdp-and-gtpprime.pcap",
			{6, 0, 2, 0, 9, 3, 0}}, // the rest is GTP' and GTPv0
		{"gtpv2-create-delete-session.pcap", {0, 0, 0, 0, 0, 0, 0}},
		{"fp-gtp-false-positive.pcap", {0, 0, 0, 0, 0, 0, 0}},
	};
	captures_give(wanted, COUNT(wanted), gtpv1_signal_read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_create_request_shows_the_subscriber),
		cmocka_unit_test(an_accepted_response_binds_the_address),
		cmocka_unit_test(an_ipv6_address_binds_its_prefix),
		cmocka_unit_test(a_refused_response_binds_nothing),
		cmocka_unit_test(an_address_in_a_request_does_not_count),
		cmocka_unit_test(a_secondary_context_belongs_to_the_session),
		cmocka_unit_test(the_end_of_one_context_ends_nothing),
		cmocka_unit_test(a_teardown_ends_the_session),
		cmocka_unit_test(an_update_moves_the_session_to_another_node),
		cmocka_unit_test(an_update_of_what_is_not_there_ends_the_session),
		cmocka_unit_test(a_tunnel_that_is_used_again_is_another_session),
		cmocka_unit_test(exchanges_are_told_apart),
		cmocka_unit_test(tunnels_are_shown_to_those_who_ask),
		cmocka_unit_test(every_element_of_a_context_response_is_passed),
		cmocka_unit_test(defects_are_named_and_the_rest_is_read),
		cmocka_unit_test(the_first_of_two_subscribers_counts),
		cmocka_unit_test(a_message_without_end_has_a_bound),
		cmocka_unit_test(other_protocols_are_foreign),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
		cmocka_unit_test(captures_of_others_are_read),
	};
	return cmocka_run_group_tests_name("gtpv1_signal", tests, NULL, NULL);
}
