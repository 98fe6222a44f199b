#include "dhcp_signals.h"

#include "dhcpv6.h"
#include "dhcpv6_signal.h"

#define CLIENT "fe80::a"
#define SERVER "fe80::fe"
#define GROUP "ff02::1:2"
#define RELAY "2001:db8:1::1"
#define FAR_SERVER "2001:db8:ff::1"

enum { SIGNALS = 32 }; // kept at a time, more than a test looks at

static struct signal *signal_of(const char *text, const char *source, const char *destination)
{
	static struct signal signals[SIGNALS];
	static struct sample samples[SIGNALS];
	static unsigned next;
	unsigned i = next++ % SIGNALS;
	samples[i] = sample_v6(text);
	struct packet p = packet_between(source, destination);
	signal_read(dhcpv6_signal_read, &samples[i], &p, &RULES_ATTRIBUTES, &signals[i]);
	assert_int_equal(signals[i].protocol, SIGNAL_DHCPV6);
	assert_int_equal(signals[i].message_type, samples[i].octets[0]);
	return &signals[i];
}

static struct signal *from_client(const char *text)
{
	return signal_of(text, CLIENT, GROUP);
}

static struct signal *from_server(const char *text)
{
	return signal_of(text, SERVER, CLIENT);
}

// Options of an association and what is in it: lifetimes of an hour or two.
#define IA_NA(leases) "<3 00000001 00000000 00000000 " leases ">"
#define IA_PD(leases) "<25 00000001 00000000 00000000 " leases ">"
#define ADDRESS "<5 " V6_ADDRESS " 00000e10 00001c20>"
#define PREFIX "<26 00000e10 00001c20 38 " V6_PREFIX ">"
#define BOTH IA_NA(ADDRESS) IA_PD(PREFIX)

static void an_exchange_gives_an_address_and_a_prefix(void **state)
{
	(void)state;
	struct signal *solicit = from_client("01 0a0b0c " V6_CLIENT IA_NA("") IA_PD(""));
	struct signal *advertise = from_server("02 0a0b0c " V6_CLIENT V6_SERVER BOTH);
	struct signal *request = from_client("03 0a0b0d " V6_CLIENT V6_SERVER BOTH);
	struct signal *reply = from_server("07 0a0b0d " V6_CLIENT V6_SERVER BOTH);
	const struct signal *all[] = {solicit, advertise, request, reply};
	static const enum signal_change changes[] = {
		CHANGE_NONE, CHANGE_NONE, CHANGE_PENDING, CHANGE_BIND};
	for (unsigned i = 0; i < 4; i++) {
		bool is_answer = i % 2;
		assert_int_equal(all[i]->is_answer, is_answer);
		assert_int_equal(all[i]->way,
			is_answer ? SIGNAL_WAY_TO_SUBSCRIBER : SIGNAL_WAY_FROM_SUBSCRIBER);
		assert_int_equal(all[i]->change, changes[i]);
		assert_int_equal(all[i]->lease_count, i == 3 ? 2 : 0);
		assert_int_equal(all[i]->defects, 0);
		assert_false(all[i]->ends);
		macs_are(all[i], "020000000a01"); // not that of the server
		parties_are(all[i], is_answer ? SERVER : NULL, NULL);
	}
	assert_true(finds(advertise, solicit));
	assert_true(finds(reply, request));
	assert_false(finds(request, solicit)); // another transaction, and there is no lease yet
	lease_is(reply, 0, "2001:db8:1::10", 128, 7200);
	lease_is(reply, 1, "2001:db8:2::", 56, 7200);
}

static void another_client_or_transaction_is_another(void **state)
{
	(void)state;
	struct signal *solicit = from_client("01 0a0b0c " V6_CLIENT);
	assert_true(finds(from_server("02 0a0b0c " V6_CLIENT V6_SERVER), solicit));
	assert_false(finds(from_server("02 0a0b0d " V6_CLIENT V6_SERVER), solicit));
	assert_false(finds(from_server("02 0a0b0c <1 0003 0001 020000000a02>"), solicit));
	assert_false(finds(from_server("02 0a0b0c " V6_SERVER), solicit));
}

static void a_client_without_duid_has_its_address(void **state)
{
	(void)state;
	struct signal *question = from_client("0b 0a0b0c <6 0017>");
	assert_int_equal(question->defects, 0);
	assert_int_equal(question->change, CHANGE_NONE);
	assert_true(finds(from_server("07 0a0b0c " V6_SERVER), question));
	assert_false(finds(signal_of("07 0a0b0c " V6_SERVER, SERVER, "fe80::b"), question));
	assert_true(
		finds(signal_of(V6_RELAY("0c", "00") "<9 0b 0a0b0c <6 0017>>", RELAY, FAR_SERVER),
			question));
	assert_true(finds(
		signal_of(V6_RELAY("0d", "00") "<9 07 0a0b0c " V6_SERVER ">", FAR_SERVER, RELAY),
		question));
	assert_int_equal(from_client("01 0a0b0c <6 0017>")->defects, SIGNAL_DEFECT_MISSING);
}

static void a_lease_is_found_again(void **state)
{
	(void)state;
	struct signal *reply = from_server("07 0a0b0d " V6_CLIENT V6_SERVER BOTH);
	static const char *const types[] = {"05", "06", "08", "09", "04", "01"};
	static const enum signal_change changes[] = {CHANGE_PENDING, CHANGE_PENDING, CHANGE_RELEASE,
		CHANGE_RELEASE, CHANGE_NONE, CHANGE_NONE};
	for (size_t i = 0; i < 6; i++) {
		char text[512];
		snprintf(text, sizeof text, "%s 111111 %s", types[i],
			V6_CLIENT V6_SERVER IA_PD(PREFIX));
		struct signal *later = from_client(text);
		assert_true(finds_lease(later, reply));
		assert_int_equal(later->change, changes[i]);
	}
	struct signal *renewed = from_server("07 111111 " V6_CLIENT IA_NA(ADDRESS));
	assert_true(finds_lease(renewed, reply));
	// IAID 1 of IA_TA, IAID 2, another client.
	assert_false(finds(from_client("05 111111 " V6_CLIENT "<4 00000001>"), reply));
	assert_false(
		finds(from_client("05 111111 " V6_CLIENT "<3 00000002 00000000 00000000>"), reply));
	assert_false(
		finds(from_client("05 111111 <1 0003 0001 020000000a02>" IA_NA(ADDRESS)), reply));
	// Associations of clients that are not told apart are no names.
	assert_false(finds_lease(
		from_client("05 111111" IA_NA(ADDRESS)), from_server("07 222222" IA_NA(ADDRESS))));
	// A question does not keep the name.
	assert_false(finds_lease(reply, from_client("05 111111 " V6_CLIENT IA_NA(ADDRESS))));
}

static void what_is_released_or_declined_is_given_back(void **state)
{
	(void)state;
	static const char *const messages[] = {
		"08 0a0b0e " V6_CLIENT V6_SERVER BOTH, "09 0a0b0e " V6_CLIENT V6_SERVER BOTH};
	for (size_t i = 0; i < 2; i++) {
		struct signal *s = signal_of(messages[i], "2001:db8:1::10", FAR_SERVER);
		assert_int_equal(s->change, CHANGE_RELEASE);
		assert_int_equal(s->lease_count, 2);
		lease_is(s, 0, "2001:db8:1::10", 128, 0);
		lease_is(s, 1, "2001:db8:2::", 56, 0);
		parties_are(s, FAR_SERVER, NULL);
		parties_are(from_client(messages[i]), NULL, NULL);
	}
	assert_int_equal(from_client("08 0a0b0e " V6_CLIENT IA_NA(""))->change, CHANGE_NONE);
	assert_int_equal(from_client("08 0a0b0e " V6_CLIENT)->change, CHANGE_NONE);
}

static void lifetimes_say_what_goes_and_what_stays(void **state)
{
	(void)state;
	struct signal *s =
		from_server("07 0a0b0c " V6_CLIENT IA_NA("<5 " V6_ADDRESS " 00000000 00000000>")
				IA_PD("<26 ffffffff ffffffff 38 " V6_PREFIX ">"));
	assert_int_equal(s->change, CHANGE_BIND);
	lease_is(s, 0, "2001:db8:1::10", 128, 0);
	lease_is(s, 1, "2001:db8:2::", 56, UINT32_MAX);
	s = from_server("07 0a0b0c " V6_CLIENT IA_NA("<5 " V6_ADDRESS " 00000000 00000000>"));
	assert_int_equal(s->change, CHANGE_RELEASE);
	lease_is(s, 0, "2001:db8:1::10", 128, 0);
}

static void a_rapid_commit_waits(void **state)
{
	(void)state;
	assert_int_equal(
		from_client("01 0a0b0c " V6_CLIENT "<14>" IA_NA(""))->change, CHANGE_PENDING);
	assert_int_equal(
		from_server("07 0a0b0c " V6_CLIENT "<14>" IA_NA(ADDRESS))->change, CHANGE_BIND);
}

static void what_gives_no_lease_binds_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned defects;
	} cases[] = {
		{"07 0a0b0c " V6_CLIENT V6_SERVER, 0},
		{"07 0a0b0c " V6_CLIENT V6_SERVER "<13 0000>", 0}, // to a Release
		{"07 0a0b0c " V6_CLIENT "<13 0001>" IA_NA(ADDRESS), 0},
		{"07 0a0b0c " V6_CLIENT IA_NA("<13 0002>" ADDRESS), 0},
		{"07 0a0b0c " V6_CLIENT IA_NA("<5 " V6_ADDRESS " 00000e10 00001c20 <13 0004>>"), 0},
		{"07 0a0b0c " V6_CLIENT IA_NA("<13 00>" ADDRESS), SIGNAL_DEFECT_LENGTH},
		{"07 0a0b0c " V6_CLIENT IA_NA(PREFIX), 0}, // each in its own place
		{"07 0a0b0c " V6_CLIENT IA_PD(ADDRESS), 0},
		{"07 0a0b0c " V6_CLIENT ADDRESS PREFIX, 0},
		{"07 0a0b0c " V6_CLIENT IA_NA("<5 " V6_ADDRESS " 00000e10>"), SIGNAL_DEFECT_LENGTH},
		{"07 0a0b0c " V6_CLIENT "<3 00000001>", SIGNAL_DEFECT_LENGTH},
		{"07 0a0b0c " V6_CLIENT IA_NA("0005 0018 2001"), SIGNAL_DEFECT_TRUNCATED},
		// preferred for longer than valid
		{"07 0a0b0c " V6_CLIENT IA_NA("<5 " V6_ADDRESS " 00000e10 00000e0f>"),
			SIGNAL_DEFECT_VALUE},
		{"07 0a0b0c " V6_CLIENT IA_PD("<26 00000e10 00001c20 81 " V6_PREFIX ">"),
			SIGNAL_DEFECT_VALUE},
		{"07 0a0b0c " V6_CLIENT IA_PD("<26 00000e10 00001c20 1f " V6_PREFIX ">"),
			SIGNAL_DEFECT_VALUE},
		{"07 0a0b0c " V6_CLIENT IA_PD("<26 00000e10 00001c20 00 " V6_PREFIX ">"),
			SIGNAL_DEFECT_VALUE},
		{"07 0a0b0c " V6_CLIENT IA_NA(
			 "<5 fe800000000000000000000000000001 00000e10 00001c20>"),
			SIGNAL_DEFECT_VALUE},
		{"07 0a0b0c " V6_CLIENT IA_NA(
			 "<5 ff020000000000000000000000000001 00000e10 00001c20>"),
			SIGNAL_DEFECT_VALUE},
		{"07 0a0b0c " V6_CLIENT IA_NA(
			 "<5 00000000000000000000000000000001 00000e10 00001c20>"),
			SIGNAL_DEFECT_VALUE},
		{"02 0a0b0c " V6_CLIENT BOTH, 0},
		{"0a 000000 " V6_CLIENT BOTH, 0},
		{V6_RELAY("0c", "00") "<9 07 0a0b0c " V6_CLIENT BOTH ">", SIGNAL_DEFECT_VALUE},
		{V6_RELAY("0d", "00") "<9 " V6_RELAY("0c", "00") "<9 07 0a0b0c " V6_CLIENT BOTH
								 ">>",
			SIGNAL_DEFECT_VALUE},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct signal *s = from_server(cases[i].text);
		if (s->change != CHANGE_NONE || s->lease_count || s->defects != cases[i].defects)
			fail_msg("case %zu: change %d, %u leases, defects %x", i, s->change,
				s->lease_count, s->defects);
		macs_are(s, "020000000a01");
	}
}

static void what_is_wrong_with_one_lease_is_not_with_the_next(void **state)
{
	(void)state;
	struct signal *s = from_server("07 0a0b0c " V6_CLIENT IA_NA("<13 0002>")
			IA_PD("<26 00000e10 00001c20 00 " V6_PREFIX ">" PREFIX));
	assert_int_equal(s->change, CHANGE_BIND);
	assert_int_equal(s->defects, SIGNAL_DEFECT_VALUE);
	assert_int_equal(s->lease_count, 1);
	lease_is(s, 0, "2001:db8:2::", 56, 7200);
}

static void more_leases_than_there_is_room_for_are_a_defect(void **state)
{
	(void)state;
	struct sample s = sample_v6("07 0a0b0c " V6_CLIENT);
	struct sample association = sample_v6(IA_NA(ADDRESS));
	for (unsigned i = 0; i < SIGNAL_MAX_NAMES + 1; i++) {
		memcpy(s.octets + s.len, association.octets, association.len);
		s.octets[s.len + 7] = (uint8_t)i; // IAID
		s.len += association.len;
	}
	struct packet p = packet_between(SERVER, CLIENT);
	static struct signal out;
	signal_read(dhcpv6_signal_read, &s, &p, &RULES, &out);
	assert_int_equal(out.lease_count, SIGNAL_MAX_LEASES);
	assert_int_equal(out.name_count, SIGNAL_MAX_NAMES);
	assert_int_equal(out.defects, SIGNAL_DEFECT_EXCESS);
	assert_int_equal(out.change, CHANGE_BIND);
}

static void relays_change_nothing_of_what_is_said(void **state)
{
	(void)state;
	struct signal *request = from_client("03 0a0b0d " V6_CLIENT V6_SERVER BOTH);
	struct signal *forward = signal_of(
		V6_RELAY("0c",
			"00") "<79 0001 020000000a02><18 6531><9 03 0a0b0d " V6_CLIENT V6_SERVER
			BOTH ">",
		RELAY, FAR_SERVER);
	assert_int_equal(forward->change, CHANGE_PENDING);
	assert_int_equal(forward->way, SIGNAL_WAY_FROM_SUBSCRIBER);
	assert_false(forward->is_answer);
	macs_are(forward, "020000000a02 020000000a01");
	parties_are(forward, FAR_SERVER, RELAY);
	assert_true(finds(forward, request));

	struct signal *backward = signal_of(
		V6_RELAY("0d", "01") "<9 " V6_RELAY("0d", "00") "<9 07 0a0b0d " V6_CLIENT BOTH ">>",
		FAR_SERVER, RELAY);
	assert_int_equal(backward->change, CHANGE_BIND);
	assert_int_equal(backward->way, SIGNAL_WAY_TO_SUBSCRIBER);
	assert_true(backward->is_answer);
	assert_int_equal(backward->lease_count, 2);
	lease_is(backward, 1, "2001:db8:2::", 56, 7200);
	parties_are(backward, FAR_SERVER, RELAY);
	assert_true(finds(backward, request));
	assert_true(finds_lease(from_server("07 0a0b0d " V6_CLIENT BOTH), backward));
}

static void a_release_through_a_relay_has_parties(void **state)
{
	(void)state;
	static const char text[] = V6_RELAY("0c", "00") "<9 08 0a0b0e " V6_CLIENT BOTH ">";
	struct signal *s = signal_of(text, RELAY, FAR_SERVER);
	assert_int_equal(s->change, CHANGE_RELEASE);
	parties_are(s, FAR_SERVER, RELAY);
	parties_are(signal_of(text, RELAY, "ff05::1:3"), RELAY, NULL);
}

static void a_relay_whose_message_cannot_be_read_is_reported(void **state)
{
	(void)state;
	struct signal *s =
		signal_of(V6_RELAY("0c", "00") "<79 0001 020000000a02><81 0107616c696365>", RELAY,
			FAR_SERVER);
	assert_int_equal(s->defects, SIGNAL_DEFECT_MISSING);
	assert_int_equal(s->way, SIGNAL_WAY_FROM_SUBSCRIBER);
	assert_int_equal(s->change, CHANGE_NONE);
	assert_int_equal(s->name_count, 0);
	assert_int_equal(s->sighting_count, 2);
	assert_int_equal(s->sightings[0].role, SIGNAL_ROLE_MAC);
	assert_int_equal(s->sightings[1].role, SIGNAL_ROLE_ATTRIBUTE); // RFC 7037
	assert_memory_equal(s->sightings[1].identity.octets, "\1\7alice", 7);
	s = signal_of(V6_RELAY("0d", "00"), FAR_SERVER, RELAY);
	assert_int_equal(s->way, SIGNAL_WAY_TO_SUBSCRIBER);
	s = signal_of(V6_RELAY("0c", "00") "<79 00><9 01 0a0b0c " V6_CLIENT ">", RELAY, FAR_SERVER);
	assert_int_equal(s->defects, SIGNAL_DEFECT_LENGTH);
	s = signal_of(V6_RELAY("0c", "01") "<9 " V6_RELAY("0d", "00") ">", RELAY, FAR_SERVER);
	assert_int_equal(s->way, SIGNAL_WAY_UNKNOWN);
	assert_int_equal(s->defects, SIGNAL_DEFECT_MISSING | SIGNAL_DEFECT_VALUE);
	// Only relays say what address the client has.
	s = from_client("01 0a0b0c " V6_CLIENT "<79 0001 020000000a02>");
	macs_are(s, "020000000a01");
}

// RFC 5007: a relay asks about a client, and is told.
static void queries_show_whom_they_are_about(void **state)
{
	(void)state;
	struct signal *query = signal_of(
		"0e 0a0b0c <1 0002 00000001 01> <44 02 00000000000000000000000000000000 " V6_CLIENT
		">",
		RELAY, FAR_SERVER);
	struct signal *reply = signal_of(
		"0f 0a0b0c <1 0002 00000001 01> <45 " V6_CLIENT ADDRESS ">", FAR_SERVER, RELAY);
	macs_are(query, "020000000a01");
	macs_are(reply, "020000000a01");
	assert_int_equal(query->way, SIGNAL_WAY_UNKNOWN);
	assert_int_equal(reply->way, SIGNAL_WAY_UNKNOWN);
	assert_false(query->is_answer);
	assert_true(reply->is_answer);
	assert_true(finds(reply, query));
	assert_int_equal(reply->change, CHANGE_NONE);
}

// RFC 7341.
static void dhcpv4_in_dhcpv6_shows_its_client(void **state)
{
	(void)state;
	struct sample v4 = sample_v4(&(struct v4){.op = 2,
		.yiaddr = "c0000207",
		.options = "<53 05> <51 00000e10> <61 01020000000a02> ff"});
	struct sample s = sample_v6("15 000000 0057 0000");
	memcpy(s.octets + s.len, v4.octets, v4.len);
	s.len += v4.len;
	s.octets[6] = (uint8_t)(v4.len >> 8);
	s.octets[7] = (uint8_t)v4.len;
	struct packet p = packet_between(FAR_SERVER, "2001:db8:1::10");
	static struct signal out;
	signal_read(dhcpv6_signal_read, &s, &p, &RULES, &out);
	macs_are(&out, V4_MAC "020000000a02");
	assert_true(out.is_answer);
	assert_int_equal(out.way, SIGNAL_WAY_TO_SUBSCRIBER);
	assert_int_equal(out.name_count, 1);
	assert_int_equal(out.change, CHANGE_NONE); // such an address may be shared
	assert_int_equal(out.defects, 0);
	s.octets[8 + 239] = 0; // the cookie
	signal_read(dhcpv6_signal_read, &s, &p, &RULES, &out);
	assert_int_equal(out.defects, SIGNAL_DEFECT_VALUE);
}

static void types_without_a_meaning_are_reported(void **state)
{
	(void)state;
	struct signal *s = from_client("24 0a0b0c " V6_CLIENT BOTH); // ADDR-REG-INFORM
	assert_int_equal(s->way, SIGNAL_WAY_UNKNOWN);
	assert_int_equal(s->change, CHANGE_NONE);
	macs_are(s, "020000000a01");
	s = signal_of(V6_RELAY("0c", "00") "<9 ff 0a0b0c " V6_CLIENT ">", RELAY, FAR_SERVER);
	assert_int_equal(s->way, SIGNAL_WAY_UNKNOWN);
	macs_are(s, "020000000a01");
}

static void what_is_not_dhcp_is_foreign(void **state)
{
	(void)state;
	static struct signal s;
	struct packet p = packet_between(CLIENT, GROUP);
	assert_int_equal(dhcpv6_signal_read(bytes_of("INVITE", 6), &p, &RULES, &s), PARSE_FOREIGN);
	assert_int_equal(
		dhcpv6_signal_read(bytes_of("\1\2\3", 3), &p, &RULES, &s), PARSE_TRUNCATED);
}

static void read_cut(struct bytes prefix)
{
	static struct signal s;
	struct packet p = packet_between(FAR_SERVER, RELAY);
	enum parse_result result = dhcpv6_signal_read(prefix, &p, &RULES_ATTRIBUTES, &s);
	assert_int_equal(result, prefix.len < 34 ? PARSE_TRUNCATED : PARSE_OK);
	if (result != PARSE_OK)
		return;
	assert_true((s.change == CHANGE_BIND) == (s.lease_count == 2));
	assert_true(s.change == CHANGE_BIND || s.defects);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct sample s =
		sample_v6(V6_RELAY("0d", "00") "<79 0001 020000000a02><81 0107616c696365>"
					       "<9 07 0a0b0d " V6_CLIENT V6_SERVER BOTH ">");
	cut_at_every_length(sample_bytes(&s), read_cut);
}

static void read_cut_plain(struct bytes prefix)
{
	static struct signal s;
	struct packet p = packet_between(SERVER, CLIENT);
	enum parse_result result = dhcpv6_signal_read(prefix, &p, &RULES, &s);
	assert_int_equal(result, prefix.len < 4 ? PARSE_TRUNCATED : PARSE_OK);
	if (result != PARSE_OK)
		return;
	assert_int_equal(s.way, SIGNAL_WAY_TO_SUBSCRIBER);
	assert_int_equal(s.sighting_count, prefix.len >= 18);
	static const size_t ends[] = {18 + 44, 18 + 44 + 45}; // of the associations
	assert_int_equal(s.lease_count, (prefix.len >= ends[0]) + (prefix.len >= ends[1]));
}

static void a_message_that_no_relay_holds_may_be_cut_too(void **state)
{
	(void)state;
	struct sample s = sample_v6("07 0a0b0d " V6_CLIENT BOTH);
	assert_int_equal(s.len, 18 + 44 + 45);
	cut_at_every_length(sample_bytes(&s), read_cut_plain);
}

// --- captures --------------------------------------------------------------------------------------------------

static const uint16_t PORTS[] = {546, 547};

struct wanted_exchange {
	const char *name, *mac, *server;
	const char *address; // of the only lease, which the last message gives
	unsigned prefix_len;
	uint32_t lifetime_s;
};

// Solicit, Advertise, Request, Reply.
static bool capture_is(const struct wanted_exchange *w)
{
	FILE *file = capture_open(w->name);
	if (!file)
		return false;
	static const uint8_t types[] = {1, 2, 3, 7};
	static const enum signal_change changes[] = {
		CHANGE_NONE, CHANGE_NONE, CHANGE_PENDING, CHANGE_BIND};
	static struct seen_frame seen;
	static struct signal signals[4];
	unsigned number = 0, found = 0;
	for (; capture_next(file, &number, PORTS, dhcpv6_signal_read, &seen); free(seen.frame)) {
		assert_true(found < 4);
		const struct signal *s = &seen.signal;
		assert_int_equal(seen.result, PARSE_OK);
		assert_int_equal(s->message_type, types[found]);
		assert_int_equal(s->change, changes[found]);
		assert_int_equal(s->defects, 0);
		macs_are(s, w->mac);
		parties_are(s, found % 2 ? w->server : NULL, NULL);
		signals[found++] = *s;
	}
	fclose(file);
	assert_int_equal(found, 4);
	assert_true(finds(&signals[1], &signals[0]));
	assert_true(finds(&signals[3], &signals[2]));
	assert_int_equal(signals[3].lease_count, 1);
	lease_is(&signals[3], 0, w->address, w->prefix_len, w->lifetime_s);
	return true;
}

static void captures_say_what_tshark_says(void **state)
{
	(void)state;
	static const struct wanted_exchange captures[] = {
		{"dhcpv6-ia-na.pcap", "000102030405", "fe80::211:22ff:fe33:4455",
			"2a00:1:1:200:38e6:b22e:c440:acdf", 128, 7200},
		{"dhcpv6-ia-pd.pcap", "000102030405", "fe80::211:22ff:fe33:4455",
			"2a00:1:1:100::", 56, 7200},
		{"pppoe-pap-ipcp-dhcpv6.pcap", "cc050e880000", "fe80::c801:eff:fe88:8",
			"fc00:0:2:100::", 56, 125},
	};
	unsigned found = 0;
	for (size_t i = 0; i < sizeof captures / sizeof captures[0]; i++)
		found += capture_is(&captures[i]);
	if (found == 0)
		skip();
	assert_int_equal(found, sizeof captures / sizeof captures[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_gives_an_address_and_a_prefix),
		cmocka_unit_test(another_client_or_transaction_is_another),
		cmocka_unit_test(a_client_without_duid_has_its_address),
		cmocka_unit_test(a_lease_is_found_again),
		cmocka_unit_test(what_is_released_or_declined_is_given_back),
		cmocka_unit_test(lifetimes_say_what_goes_and_what_stays),
		cmocka_unit_test(a_rapid_commit_waits),
		cmocka_unit_test(what_gives_no_lease_binds_nothing),
		cmocka_unit_test(what_is_wrong_with_one_lease_is_not_with_the_next),
		cmocka_unit_test(more_leases_than_there_is_room_for_are_a_defect),
		cmocka_unit_test(relays_change_nothing_of_what_is_said),
		cmocka_unit_test(a_release_through_a_relay_has_parties),
		cmocka_unit_test(a_relay_whose_message_cannot_be_read_is_reported),
		cmocka_unit_test(queries_show_whom_they_are_about),
		cmocka_unit_test(dhcpv4_in_dhcpv6_shows_its_client),
		cmocka_unit_test(types_without_a_meaning_are_reported),
		cmocka_unit_test(what_is_not_dhcp_is_foreign),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
		cmocka_unit_test(a_message_that_no_relay_holds_may_be_cut_too),
		cmocka_unit_test(captures_say_what_tshark_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
