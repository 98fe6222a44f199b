#include "gtpv2_signal.h"

#include "gtp_captures.h"
#include "gtp_trace.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct trace trace_of_gtpv2(void)
{
	return (struct trace){.read = gtpv2_signal_read};
}

// On S11 the MME asks and the SGW answers.
static unsigned mme_asks(struct trace *t, const char *text)
{
	return trace_request(t, MME, SGW, text);
}

static unsigned sgw_answers(struct trace *t, const char *text)
{
	return trace_answer(t, SGW, MME, text);
}

static unsigned s11_created(struct trace *t)
{
	unsigned session = mme_asks(t, S11_CREATE_REQUEST);
	assert_int_equal(sgw_answers(t, S11_CREATE_RESPONSE), session);
	return session;
}

static unsigned s11_second_created(struct trace *t)
{
	unsigned session = mme_asks(t, S11_SECOND_REQUEST);
	assert_int_equal(sgw_answers(t, S11_SECOND_RESPONSE), session);
	return session;
}

static unsigned s5_created(struct trace *t)
{
	unsigned session = trace_request(t, SGW, PGW, S5_CREATE_REQUEST);
	assert_int_equal(trace_answer(t, PGW, SGW, S5_CREATE_RESPONSE), session);
	return session;
}

static void a_create_request_shows_the_subscriber(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	assert_int_equal(mme_asks(&t, S11_CREATE_REQUEST), 1);
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(t.signal.protocol, SIGNAL_GTPV2C);
	assert_int_equal(t.signal.message_type, 32);
	assert_int_equal(t.signal.octets.len, sizeof S11_CREATE_REQUEST / 2);
	assert_int_equal(t.signal.sighting_count, 5); // TEID 0 of the PGW is none
	assert_true(trace_shows(&t, IDENTITY_IMSI, "001010123456789"));
	assert_true(trace_shows(&t, IDENTITY_NUMBER, "49155501001"));
	assert_true(trace_shows(&t, IDENTITY_IMEI, "35483600000001"));
	assert_true(trace_shows(&t, IDENTITY_IMEISV, "3548360000000123"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "0a000001"));
	assert_true(t.signal.has_restart);
	assert_int_equal(t.signal.restart, 17);
}

static void an_accepted_response_binds_the_addresses(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	s11_created(&t);
	trace_says(&t, CHANGE_BIND, false, 1, 0);
	trace_leases(&t, 0, "203.0.113.5", 32);
	assert_int_equal(t.signal.restart, 18);
	assert_int_equal(t.signal.sighting_count, 3);
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "0a000001"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "0b000001"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "07000001"));

	t = trace_of_gtpv2();
	s5_created(&t);
	trace_says(&t, CHANGE_BIND, false, 2, 0);
	trace_leases(&t, 0, "203.0.113.5", 32);
	trace_leases(&t, 1, "2001:db8:5:6::", 64);
}

static void a_refused_create_ends_the_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned session = mme_asks(&t, S11_CREATE_REQUEST);
	assert_int_equal(sgw_answers(&t, S11_CREATE_REFUSED), session);
	trace_says(&t, CHANGE_END, true, 0, 0);
	// One that names an address all the same.
	sgw_answers(&t, "4821 0017 0a000001 00000100 02000200 4900 4f000500 01cb007105");
	trace_says(&t, CHANGE_END, true, 0, 0);
}

static void the_legs_of_a_session_are_sessions_of_their_own(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned s11 = mme_asks(&t, S11_CREATE_REQUEST);
	unsigned s5 = s5_created(&t);
	// The answer on S11 tells the TEID of the PGW, and does not take the tunnel of S5 over.
	assert_int_equal(sgw_answers(&t, S11_CREATE_RESPONSE), s11);
	assert_true(s5 != s11);
	assert_int_equal(trace_request(&t, PGW, SGW, S5_DELETE_BEARER_REQUEST), s5);
	assert_int_equal(trace_answer(&t, SGW, PGW, S5_DELETE_BEARER_RESPONSE), s5);
	trace_says(&t, CHANGE_END, true, 0, 0);
}

static void a_modified_bearer_renews(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned session = s11_created(&t);
	assert_int_equal(mme_asks(&t, S11_MODIFY_REQUEST), session);
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(sgw_answers(&t, S11_MODIFY_RESPONSE), session);
	trace_says(&t, CHANGE_BIND, false, 0, 0);
}

static void a_context_that_is_not_found_ends_the_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned session = s11_created(&t);
	mme_asks(&t, S11_MODIFY_REQUEST);
	assert_int_equal(sgw_answers(&t, S11_MODIFY_UNKNOWN), session);
	trace_says(&t, CHANGE_END, true, 0, 0);
}

static void a_context_that_is_not_found_is_that_of_one_connection(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned first = s11_created(&t), second = s11_second_created(&t);
	assert_int_equal(mme_asks(&t, S11_MODIFY_REQUEST), first);
	assert_int_equal(mme_asks(&t, S11_RELEASE_REQUEST), first);
	// Through the tunnel of both.
	assert_int_equal(sgw_answers(&t, "4823 000e 0a000001 00010200 02000200 4000"), first);
	trace_says(&t, CHANGE_END, true, 0, 0);
	trace_request(&t, SGW, MME, "485f 0016 0a000001 00030100 4900010006 5d000500 4900010000");
	assert_int_equal(
		trace_answer(&t, MME, SGW, "4860 000e 0b000001 00030100 02000200 4000"), second);
	trace_says(&t, CHANGE_END, true, 0, 0);
}

// A binding has room for six names, and exchanges are among them.
static void a_session_has_four_tunnels(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned s11 = s11_created(&t);
	mme_asks(&t, S11_MODIFY_REQUEST);
	sgw_answers(&t, S11_MODIFY_RESPONSE);
	mme_asks(&t, "4822 001e 0b000001 00020200 5d000500 4900010005 5d000500 4900010007");
	assert_int_equal(trace_tunnels(&t, s11), 4);
	unsigned s5 = s5_created(&t);
	trace_request(&t, PGW, SGW, S5_TRIGGERED);
	assert_int_equal(trace_tunnels(&t, s5), 4);
	unsigned second = s11_second_created(&t);
	sgw_answers(&t, S11_SECOND_AND_DEDICATED);
	assert_int_equal(trace_tunnels(&t, s11) + trace_tunnels(&t, second), 6); // two of both
}

static void each_connection_in_one_tunnel_is_a_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned first = s11_created(&t), second = s11_second_created(&t);
	assert_true(first != second);
	trace_says(&t, CHANGE_BIND, false, 1, 0);
	trace_leases(&t, 0, "2001:db8:5:6::", 64);
	assert_int_equal(mme_asks(&t, S11_MODIFY_REQUEST), first);
	assert_int_equal(sgw_answers(&t, S11_MODIFY_RESPONSE), first);
	// What is of all of them goes to the one that was seen last.
	assert_int_equal(mme_asks(&t, S11_RELEASE_REQUEST), first);

	// With the MME's end of the tunnel in it, which goes on to be the first one's.
	assert_int_equal(
		mme_asks(&t, "4824 001a 0b000001 00010400 4900010006 57000900 8a0a000001 c000020a"),
		second);
	assert_true(trace_request(&t, SGW, MME, "48b0 0008 0a000001 00000c00") != second);
	assert_int_equal(mme_asks(&t, S11_DELETE_SECOND), second);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	assert_int_equal(sgw_answers(&t, S11_DELETE_SECOND_RESPONSE), second);
	trace_says(&t, CHANGE_END, true, 0, 0);
	assert_int_equal(mme_asks(&t, S11_MODIFY_REQUEST), first);
	assert_int_equal(mme_asks(&t, S11_RELEASE_REQUEST), first);
}

static void a_delete_request_never_ends_another_connection(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned first = s11_created(&t); // and the second began before anybody looked
	assert_true(mme_asks(&t, S11_DELETE_SECOND) != first);
	assert_true(sgw_answers(&t, S11_DELETE_SECOND_RESPONSE) != first);
	// Nor does the answer to one that nobody saw, or the network's own.
	t = trace_of_gtpv2();
	first = s11_created(&t);
	assert_true(sgw_answers(&t, S11_DELETE_SECOND_RESPONSE) != first);
	assert_true(trace_request(&t, SGW, MME, "4863 000d 0a000001 00000a00 4900010006") != first);
	assert_int_equal(
		trace_request(&t, SGW, MME, "4863 000d 0a000001 00000b00 4900010005"), first);
}

static void a_refused_delete_ends_nothing(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	sgw_answers(&t, "4825 000e 0a000001 00010400 02000200 4800");
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	sgw_answers(&t, "4825 000e 00000000 00010400 02000200 4000"); // not found: it is gone
	trace_says(&t, CHANGE_END, true, 0, 0);
}

static void a_dedicated_bearer_goes_without_the_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	s5_created(&t);
	trace_answer(&t, SGW, PGW, S5_DELETE_DEDICATED_RESPONSE);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
}

static void a_new_bearer_leads_to_its_connection(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned first = s11_created(&t), second = s11_second_created(&t);
	mme_asks(&t, S11_MODIFY_REQUEST); // now the tunnel alone is the first one's
	assert_true(first != second);
	assert_int_equal(trace_request(&t, SGW, MME, S11_DEDICATED_REQUEST), second);
	assert_int_equal(trace_answer(&t, MME, SGW, S11_DEDICATED_RESPONSE), second);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	// The default bearer leads to it, wherever it stands.
	assert_int_equal(mme_asks(&t, "4822 001e 0b000001 00020200 5d000500 4900010007"
				      "5d000500 4900010006"),
		second);
}

static void the_message_that_rides_along_joins_the_first(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned session = mme_asks(&t, S11_SECOND_REQUEST);
	assert_int_equal(sgw_answers(&t, S11_SECOND_AND_DEDICATED), session);
	trace_says(&t, CHANGE_BIND, false, 1, 0);
	assert_int_equal(t.signal.message_type, 33);
	assert_int_equal(t.signal.octets.len, sizeof S11_SECOND_AND_DEDICATED / 2);
	// Its answer goes to where it came from.
	assert_int_equal(
		trace_take(&t, MME, TRACE_PORT, SGW, TRACE_GTPC, S11_DEDICATED_RESPONSE), session);

	static const struct {
		const char *text;
		size_t len;
		uint32_t defects;
	} samples[] = {
		{"5802 000d 00000000 00000900 0300010005", 17, SIGNAL_DEFECT_MISSING},
		{"5802 000d 00000000 00000900 0300010005 4001", 17, SIGNAL_DEFECT_LENGTH},
		{"4802 000d 00000000 00000900 0300010005 400100040000 0900", 17,
			SIGNAL_DEFECT_LENGTH},
		{"5802 000d 00000000 00000900 0300010005 4001000400000900", 25, 0},
		{"5802 000d 00000000 00000900 0300010005 4001000400000900 00", 25,
			SIGNAL_DEFECT_LENGTH},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		sgw_answers(&t, samples[i].text);
		trace_says(&t, CHANGE_NONE, false, 0, samples[i].defects);
		assert_int_equal(t.signal.octets.len, samples[i].len);
	}
}

static void what_rides_along_can_change_what_the_first_does_not(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	s11_created(&t);
	struct hex first = hex_of(S11_DEDICATED_RESPONSE), rider = hex_of(S11_MODIFY_REQUEST);
	char text[1024] = "";
	first.octets[0] |= 16;
	for (size_t i = 0; i < first.len + rider.len; i++)
		snprintf(text + 2 * i, 3, "%02x",
			i < first.len ? first.octets[i] : rider.octets[i - first.len]);
	trace_answer(&t, MME, SGW, text);
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(t.signal.message_type, 96);
}

static void a_triggered_request_belongs_to_its_command(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned session = trace_request(&t, SGW, PGW, S5_COMMAND);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	// Nobody knows the tunnels of this session.
	assert_int_equal(trace_take(&t, PGW, TRACE_GTPC, SGW, TRACE_PORT, S5_TRIGGERED), session);
	assert_false(t.signal.is_answer);
}

static void a_relocation_keeps_to_its_own_interface(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned s11 = s11_created(&t), s5 = s5_created(&t);
	unsigned s10 = trace_request(&t, "192.0.2.11", "192.0.2.12", V2_FORWARD_RELOCATION);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	assert_true(s10 != s11 && s10 != s5);
	assert_true(trace_shows(&t, IDENTITY_IMSI, "001010123456789"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "0c000001"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "0b000001"));
	assert_true(trace_shows(&t, IDENTITY_GTPC_TUNNEL, "07000001")); // in the group
	assert_int_equal(t.signal.sighting_count, 4);
	assert_int_equal(mme_asks(&t, "4822 0015 0b000001 00020200 5d000500 4900010005"), s11);
}

static void a_tunnel_that_is_used_again_is_another_session(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned session = s11_created(&t);
	assert_true(trace_take(&t, SGW, TRACE_GTPC, MME, 40002, S11_CREATE_RESPONSE) != session);
	t = trace_of_gtpv2();
	session = s11_created(&t);
	assert_true(mme_asks(&t, S11_CREATE_REQUEST) != session);
}

static void a_session_goes_on_under_the_address_of_either_family(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	// An MME with both addresses in its F-TEID.
	unsigned session =
		mme_asks(&t, "4820 003a 00000000 00000900 01000800 00010121436587f9"
			     "57001900 ca0a000009 c000020a 20010db8000000000000000000000001"
			     "5d000500 4900010005");
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(trace_take(&t, "2001:db8::2", 2123, "2001:db8::1", 2123,
				 "4863 000d 0a000009 00000a00 4900010005"),
		session);
	assert_int_equal(
		trace_take(&t, SGW, 2123, MME, 2123, "4863 000d 0a000009 00000b00 4900010005"),
		session);
}

static void echoes_are_about_nobody(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	unsigned session = mme_asks(&t, V2_ECHO_REQUEST);
	assert_int_equal(t.signal.restart, 33);
	assert_int_equal(sgw_answers(&t, V2_ECHO_RESPONSE), session);
	trace_says(&t, CHANGE_NONE, false, 0, 0);
	assert_true(t.signal.has_restart);
	assert_int_equal(t.signal.restart, 34);
	assert_int_equal(t.signal.sighting_count, 0);
}

#define IMSI_IE "01000800 00010121436587f9"
#define F_TEID_IE "57000900 8a0a000009 c000020a"
static void defects_are_named_and_the_rest_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t defects;
	} samples[] = {
		{"4820 0040 00000000 00000900" IMSI_IE F_TEID_IE, SIGNAL_DEFECT_TRUNCATED},
		{"4820 0024 00000000 00000900" IMSI_IE F_TEID_IE "570009", SIGNAL_DEFECT_TRUNCATED},
		{"4820 0014 00000000 00000900" IMSI_IE, SIGNAL_DEFECT_MISSING},
		{"4820 0021 00000000 00000900" IMSI_IE F_TEID_IE "00", SIGNAL_DEFECT_LENGTH},
		{"4820 0025 00000000 00000900" IMSI_IE F_TEID_IE "03000000", SIGNAL_DEFECT_LENGTH},
		{"4820 0025 00000000 00000900" IMSI_IE F_TEID_IE "49000000", SIGNAL_DEFECT_LENGTH},
		{"4820 0026 00000000 00000900" IMSI_IE F_TEID_IE "5700010087",
			SIGNAL_DEFECT_LENGTH},
		{"4820 0026 00000000 00000900" IMSI_IE F_TEID_IE "4c0001001c", SIGNAL_DEFECT_VALUE},
		{"4820 0026 00000000 00000900" IMSI_IE F_TEID_IE "4b00010021", SIGNAL_DEFECT_VALUE},
		// A group that ends inside of an element.
		{"4820 0028 00000000 00000900" IMSI_IE F_TEID_IE "5d000300 490001",
			SIGNAL_DEFECT_TRUNCATED},
		{"4820 0049 00000000 00000900" IMSI_IE F_TEID_IE
		 "4900010001 4900010002 4900010003 4900010004 4900010005 4900010006 4900010007 4900010007",
			SIGNAL_DEFECT_EXCESS}, // bearers
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct trace t = trace_of_gtpv2();
		struct hex h = hex_of(samples[i].text);
		uint8_t length = (uint8_t)(h.len - 4); // but for what has a length of its own
		if (i != 0 && i != 3)
			h.octets[3] = length;
		struct packet p = trace_packet(MME, 2123, SGW, 2123);
		assert_int_equal(
			gtpv2_signal_read(hex_bytes(&h), &p, &trace_rules, &t.signal), PARSE_OK);
		if (t.signal.defects != samples[i].defects)
			fail_msg("%s has defects %x", samples[i].text, t.signal.defects);
		assert_true(trace_shows(&t, IDENTITY_IMSI, "001010123456789"));
		assert_int_equal(t.signal.change, CHANGE_PENDING);
	}
}

static void a_prefix_of_a_whole_network_binds_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *prefix;
		uint32_t leases, defects;
	} samples[] = {{"40", 1, 0}, {"20", 1, 0}, {"80", 1, 0}, {"1f", 0, SIGNAL_DEFECT_VALUE},
		{"00", 0, SIGNAL_DEFECT_VALUE}, {"81", 0, SIGNAL_DEFECT_LENGTH}};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct trace t = trace_of_gtpv2();
		char text[256];
		snprintf(text, sizeof text,
			"4821 0024 0a000001 00000100 02000200 1000 4f001200 02 %s 20010db8000500060000000000000001",
			samples[i].prefix);
		sgw_answers(&t, text);
		trace_says(&t, CHANGE_BIND, false, samples[i].leases, samples[i].defects);
	}
}

static void names_have_a_bound(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	// Six bearers, a header with TEID and an F-TEID of both families.
	unsigned session =
		mme_asks(&t, "4822 0043 0b000001 00000900 57001900 ca0a000009 c000020a"
			     "20010db8000000000000000000000001"
			     "4900010005 4900010006 4900010007 4900010008 4900010009 490001000a");
	trace_says(&t, CHANGE_PENDING, false, 0, 0);
	assert_int_equal(session, 1);
	assert_int_equal(t.signal.name_count, 1 + 7 + 2 * 2);
}

static void answers_without_cause_change_nothing(void **state)
{
	(void)state;
	struct trace t = trace_of_gtpv2();
	static const char *const types[] = {"21", "23", "25", "27", "60", "62", "64", "d4"};
	for (size_t i = 0; i < COUNT(types); i++) {
		char text[64];
		snprintf(text, sizeof text, "48%s 0008 0a000001 00000100", types[i]);
		sgw_answers(&t, text);
		trace_says(&t, CHANGE_NONE, false, 0, SIGNAL_DEFECT_MISSING);
	}
}

static void other_protocols_are_foreign(void **state)
{
	(void)state;
	static struct signal s;
	struct packet p = trace_packet(MME, TRACE_PORT, SGW, TRACE_GTPC);
	static const struct {
		const char *text;
		enum parse_result result;
	} samples[] = {{V1_CREATE_REQUEST, PARSE_FOREIGN}, {"", PARSE_FOREIGN},
		{"481f", PARSE_TRUNCATED}, {"4820 0040 00000000 00000900", PARSE_TRUNCATED},
		{"4820 0040 00000000 00000900 01", PARSE_TRUNCATED},
		{"4601 0000 02790300 c8000000", PARSE_MALFORMED}};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct hex h = hex_of(samples[i].text);
		assert_int_equal(
			gtpv2_signal_read(hex_bytes(&h), &p, &trace_rules, &s), samples[i].result);
	}
}

static void read_prefix(struct bytes prefix)
{
	static struct signal s;
	struct packet p = trace_packet(MME, TRACE_PORT, SGW, TRACE_GTPC);
	if (gtpv2_signal_read(prefix, &p, &trace_rules, &s) != PARSE_OK)
		return;
	assert_true(s.octets.len <= prefix.len && s.octets.at == prefix.at);
	assert_true(s.name_count <= SIGNAL_MAX_NAMES);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	static const char *const samples[] = {S11_CREATE_REQUEST, S11_CREATE_RESPONSE,
		S11_CREATE_REFUSED, S11_MODIFY_REQUEST, S11_MODIFY_RESPONSE, S11_MODIFY_UNKNOWN,
		S11_SECOND_REQUEST, S11_SECOND_RESPONSE, S11_SECOND_AND_DEDICATED,
		S11_DEDICATED_REQUEST, S11_DEDICATED_RESPONSE, S11_DELETE_SECOND,
		S11_DELETE_SECOND_RESPONSE, S11_RELEASE_REQUEST, S5_CREATE_REQUEST,
		S5_CREATE_RESPONSE, S5_DELETE_BEARER_REQUEST, S5_DELETE_BEARER_RESPONSE,
		S5_DELETE_DEDICATED_RESPONSE, S5_COMMAND, S5_TRIGGERED, V2_ECHO_REQUEST,
		V2_ECHO_RESPONSE, V2_FORWARD_RELOCATION};
	for (size_t i = 0; i < COUNT(samples); i++)
		hex_may_be_cut_anywhere(samples[i], read_prefix);
}

static void captures_of_others_are_read(void **state)
{
	(void)state;
	static const struct capture_wanted wanted[] = {
		{"gtpv2-create-delete-session.pcap", {4, 0, 1, 1, 8, 1, 0}},
		{"gtpv2-s8-s6a-s1ap-roaming-attach-detach.pcap", {4, 0, 1, 1, 10, 1, 0}},
		{"gtpv1c-create-pdp-and-gtpprime.pcap", {0, 0, 0, 0, 0, 0, 0}},
		{"fp-gtp-false-positive.pcap", {0, 0, 0, 0, 0, 0, 0}},
		{"ethernet/sip-ims-register-cx-rx-gx.pcap", {12, 0, 4, 0, 31, 4, 0}},
		{"ethernet/sip-ims-volte-call-multihop.pcap", {8, 0, 0, 0, 8, 4, 0}},
	};
	captures_give(wanted, COUNT(wanted), gtpv2_signal_read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_create_request_shows_the_subscriber),
		cmocka_unit_test(an_accepted_response_binds_the_addresses),
		cmocka_unit_test(a_refused_create_ends_the_session),
		cmocka_unit_test(the_legs_of_a_session_are_sessions_of_their_own),
		cmocka_unit_test(a_modified_bearer_renews),
		cmocka_unit_test(a_context_that_is_not_found_ends_the_session),
		cmocka_unit_test(a_context_that_is_not_found_is_that_of_one_connection),
		cmocka_unit_test(a_session_has_four_tunnels),
		cmocka_unit_test(each_connection_in_one_tunnel_is_a_session),
		cmocka_unit_test(a_delete_request_never_ends_another_connection),
		cmocka_unit_test(a_refused_delete_ends_nothing),
		cmocka_unit_test(a_dedicated_bearer_goes_without_the_session),
		cmocka_unit_test(a_new_bearer_leads_to_its_connection),
		cmocka_unit_test(the_message_that_rides_along_joins_the_first),
		cmocka_unit_test(what_rides_along_can_change_what_the_first_does_not),
		cmocka_unit_test(a_triggered_request_belongs_to_its_command),
		cmocka_unit_test(a_relocation_keeps_to_its_own_interface),
		cmocka_unit_test(a_tunnel_that_is_used_again_is_another_session),
		cmocka_unit_test(a_session_goes_on_under_the_address_of_either_family),
		cmocka_unit_test(echoes_are_about_nobody),
		cmocka_unit_test(defects_are_named_and_the_rest_is_read),
		cmocka_unit_test(a_prefix_of_a_whole_network_binds_nothing),
		cmocka_unit_test(names_have_a_bound),
		cmocka_unit_test(answers_without_cause_change_nothing),
		cmocka_unit_test(other_protocols_are_foreign),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
		cmocka_unit_test(captures_of_others_are_read),
	};
	return cmocka_run_group_tests_name("gtpv2_signal", tests, NULL, NULL);
}
