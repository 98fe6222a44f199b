#include "radius_signal.h"

#include "radius_packets.h"

static struct radius_draft draft;
static struct signal first, second;
static struct signal_rules rules = {.key = {3, 4}};

static struct address address_of(const char *text)
{
	struct address a;
	assert_true(address_parse(bytes_of_text(text), &a));
	return a;
}

// From or to the NAS, 192.0.2.1, at port 40000; the server is 198.51.100.1.
static struct packet packet_of(bool is_from_nas, uint16_t server_port)
{
	struct packet p = {.flow = {address_of("192.0.2.1"), address_of("198.51.100.1"), 40000,
				   server_port, 17}};
	if (!is_from_nas)
		p.flow = (struct flow){p.flow.destination, p.flow.source, server_port, 40000, 17};
	return p;
}

static const struct signal *read_as(struct signal *s, bool is_from_nas, uint16_t server_port)
{
	struct packet p = packet_of(is_from_nas, server_port);
	struct bytes payload = draft_bytes(&draft);
	uint8_t *copy = exact_copy(payload.at, payload.len);
	memset(s, 0xa5, sizeof *s); // what is not set is not zero by luck
	assert_int_equal(radius_signal_read(bytes_of(copy, payload.len), &p, &rules, s), PARSE_OK);
	assert_int_equal(s->octets.len, payload.len);
	assert_int_equal(s->way, SIGNAL_WAY_UNKNOWN);
	free(copy);
	return s;
}

static const struct signal *from_nas(void)
{
	return read_as(&first, true, 1813);
}

static void accounting(uint32_t status)
{
	draft_begin(&draft, RADIUS_ACCOUNTING_REQUEST, 9);
	const uint8_t value[] = {0, 0, 0, (uint8_t)status};
	draft_add(&draft, RADIUS_ACCT_STATUS_TYPE, bytes_of(value, sizeof value));
}

// --- names -------------------------------------------------------------------------------------------------

// Whether `later` finds what `earlier` left.
static bool finds(const struct signal *later, const struct signal *earlier)
{
	for (uint32_t i = 0; i < later->name_count; i++)
		for (uint32_t j = 0; j < earlier->name_count; j++)
			if (later->names[i].use & NAME_FIND && earlier->names[j].use & NAME_KEEP &&
				later->names[i].digest.low == earlier->names[j].digest.low &&
				later->names[i].digest.high == earlier->names[j].digest.high)
				return true;
	return false;
}

// Whether `later` begins what goes on under a name of `earlier`.
static bool begins_again(const struct signal *later, const struct signal *earlier)
{
	for (uint32_t i = 0; i < later->name_count; i++)
		for (uint32_t j = 0; j < earlier->name_count; j++)
			if (later->names[i].use & NAME_BEGIN && earlier->names[j].use & NAME_KEEP &&
				later->names[i].digest.low == earlier->names[j].digest.low &&
				later->names[i].digest.high == earlier->names[j].digest.high)
				return true;
	return false;
}

static void answers_find_their_requests(void **state)
{
	(void)state;
	static const struct {
		uint8_t request, answer;
		bool is_found;
	} cases[] = {{1, 2, true}, {1, 3, true}, {1, 11, true}, {4, 5, true}, {12, 2, true},
		{12, 5, true}, {40, 41, true}, {40, 42, true}, {43, 44, true}, {43, 45, true},
		{1, 5, false}, {4, 2, false}, {40, 2, false}, {12, 41, false}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool is_dynamic = cases[i].request >= 40;
		draft_begin(&draft, cases[i].request, 77);
		read_as(&first, !is_dynamic, 1812);
		assert_false(first.is_answer);
		assert_int_equal(first.message_type, cases[i].request);
		draft_begin(&draft, cases[i].answer, 77);
		draft.octets[10] ^= 1; // its Authenticator is another
		read_as(&second, is_dynamic, 1812);
		assert_true(second.is_answer);
		assert_int_equal(finds(&second, &first), cases[i].is_found);
		for (uint32_t n = 0; n < second.name_count; n++)
			assert_true(second.names[n].use & NAME_EXCHANGE);
		draft_begin(&draft, cases[i].answer, 78); // another Identifier
		assert_false(finds(read_as(&second, is_dynamic, 1812), &first));
		draft_begin(&draft, cases[i].answer, 77); // another port
		assert_false(finds(read_as(&second, is_dynamic, 1645), &first));
		draft_begin(&draft, cases[i].answer, 77); // the same way
		assert_false(finds(read_as(&second, !is_dynamic, 1812), &first));
	}
}

static void the_scope_of_a_direction_does_not_part_an_exchange(void **state)
{
	(void)state;
	struct packet p = packet_of(true, 1812), q = packet_of(false, 1812);
	p.outer.scope = 1;
	q.outer.scope = 2;
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 77);
	assert_int_equal(radius_signal_read(draft_bytes(&draft), &p, &rules, &first), PARSE_OK);
	draft_begin(&draft, RADIUS_ACCESS_REJECT, 77);
	assert_int_equal(radius_signal_read(draft_bytes(&draft), &q, &rules, &second), PARSE_OK);
	assert_true(finds(&second, &first));
}

static void a_retransmission_belongs_to_the_request_it_repeats(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 77);
	draft_text(&draft, RADIUS_USER_NAME, "bob");
	read_as(&first, true, 1812);
	read_as(&second, true, 1812);
	assert_true(finds(&second, &first));
	// The Identifier comes round again for somebody else.
	draft.octets[4] ^= 1;
	read_as(&second, true, 1812);
	assert_false(finds(&second, &first));
	assert_true(begins_again(&second, &first));
}

static void a_challenge_leads_to_the_request_with_its_state(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCESS_CHALLENGE, 77);
	draft_text(&draft, RADIUS_STATE, "s1");
	read_as(&first, false, 1812);
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 78);
	draft_text(&draft, RADIUS_STATE, "s1");
	assert_true(finds(read_as(&second, true, 1812), &first));
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 78);
	draft_text(&draft, RADIUS_STATE, "s2");
	assert_false(finds(read_as(&second, true, 1812), &first));
	// RFC 5176 section 3.3, "Authorize Only": the server asks first.
	draft_begin(&draft, RADIUS_COA_REQUEST, 1);
	draft_text(&draft, RADIUS_STATE, "s2");
	assert_true(finds(&second, read_as(&first, false, 3799)));
	// The State of Access-Accept may come back after hours only.
	draft_begin(&draft, RADIUS_ACCESS_ACCEPT, 1);
	draft_text(&draft, RADIUS_STATE, "s2");
	assert_false(finds(&second, read_as(&first, false, 1812)));
}

static void session(
	uint8_t code, const char *nas_identifier, const char *nas_address, const char *id)
{
	draft_begin(
		&draft, code, (uint8_t)(code + 100)); // so that Identifiers do not find anything
	if (nas_identifier)
		draft_text(&draft, RADIUS_NAS_IDENTIFIER, nas_identifier);
	if (nas_address && strlen(nas_address) > 8)
		draft_hex(&draft, RADIUS_NAS_IPV6_ADDRESS, nas_address);
	else if (nas_address)
		draft_hex(&draft, RADIUS_NAS_IP_ADDRESS, nas_address);
	draft_text(&draft, RADIUS_ACCT_SESSION_ID, id);
	draft.octets[4] = code;
}

#define V6 "20010db8000000000000000000000001"

static void sessions_are_found_by_nas_and_session_id(void **state)
{
	(void)state;
	static const struct {
		const char *identifier, *address, *id; // of the accounting
		uint8_t code;
		const char *later_identifier, *later_address, *later_id;
		bool is_found;
	} cases[] = {
		{"nas", "c0000201", "1", 4, "nas", "c0000201", "1", true},
		{"nas", "c0000201", "1", 4, "nas", "c0000207", "1", true},
		{"nas", "c0000201", "1", 4, "nas", "c0000201", "2", false},
		{"nas", "c0000201", "1", 4, "nbs", "c0000201", "1",
			false}, // two NAS of one address
		{NULL, "c0000201", "1", 4, NULL, "c0000201", "1", true},
		{NULL, "c0000201", "1", 4, NULL, "c0000207", "1", false},
		{NULL, V6, "1", 4, NULL, V6, "1", true},
		{NULL, NULL, "1", 4, NULL, "c0000201", "1", true}, // the packet's source
		{"nas", NULL, "1", 1, "nas", NULL, "1", true},
		// Dynamic authorisation may know the NAS by another name.
		{"nas", "c0000201", "1", 43, "nas", "c0000201", "1", true},
		{"nas", "c0000201", "1", 43, NULL, "c0000201", "1", true},
		{"nas", "c0000201", "1", 40, NULL, NULL, "1", true}, // the packet's destination
		{"nas", "c0000201", "1", 40, NULL, NULL, "2", false},
		{"nas", V6, "1", 40, NULL, V6, "1", true},
		{NULL, "c0000201", "1", 43, "nas", "c0000201", "1", true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		session(4, cases[i].identifier, cases[i].address, cases[i].id);
		read_as(&first, true, 1813);
		session(cases[i].code, cases[i].later_identifier, cases[i].later_address,
			cases[i].later_id);
		draft.octets[5] ^= 1; // no retransmission
		read_as(&second, cases[i].code < 40, cases[i].code < 40 ? 1813 : 3799);
		if (finds(&second, &first) != cases[i].is_found)
			fail_msg("case %zu", i);
	}
}

static void the_correlation_id_is_that_of_the_attributes(void **state)
{
	(void)state;
	session(4, "nas", "c0000201", "0A");
	assert_true(from_nas()->correlation == fnv1a(bytes_of_text("\x20\x05nas\x2c\x04"
								   "0A")));
	session(4, NULL, "c0000201", "0A");
	uint64_t by_address = fnv1a(bytes_of_text("\x04\x06\xc0\x00\x02\x01\x2c\x04"
						  "0A"));
	// The NUL of 192.0.2.1 ends the text; so from octets.
	by_address = fnv1a(bytes_of("\x04\x06\xc0\x00\x02\x01\x2c\x04"
				    "0A",
		10));
	assert_true(from_nas()->correlation == by_address);
	session(4, NULL, NULL, "0A"); // 192.0.2.1 by its packet
	assert_true(from_nas()->correlation == by_address);
	session(2, NULL, NULL, "0A");
	assert_true(read_as(&first, false, 1812)->correlation == by_address);
	session(40, NULL, NULL, "0A");
	assert_true(read_as(&first, false, 3799)->correlation == by_address);
	draft_begin(&draft, RADIUS_ACCOUNTING_RESPONSE, 1);
	assert_true(read_as(&first, false, 1813)->correlation == 0);
}

// --- identities --------------------------------------------------------------------------------------------

static bool shows(const struct signal *s, enum signal_role role, const struct identity *identity)
{
	for (uint32_t i = 0; i < s->sighting_count; i++)
		if (s->sightings[i].role == role &&
			identity_equal(&s->sightings[i].identity, identity))
			return true;
	return false;
}

static bool shows_user(const struct signal *s, const char *text)
{
	struct identity identity;
	return identity_of_nai(bytes_of_text(text), &identity) &&
	       shows(s, SIGNAL_ROLE_USER, &identity);
}

static bool shows_imsi(const struct signal *s, const char *digits)
{
	struct identity identity;
	return identity_of_imsi(bytes_of_text(digits), &identity) &&
	       shows(s, SIGNAL_ROLE_IMSI, &identity);
}

static bool shows_number(const struct signal *s, const char *digits)
{
	struct identity identity;
	return identity_of_e164(bytes_of_text(digits), &identity) &&
	       shows(s, SIGNAL_ROLE_NUMBER, &identity);
}

static bool shows_mac(const struct signal *s, const char *hex)
{
	struct identity identity;
	uint8_t octets[6];
	hex_read(hex, octets);
	identity_of_mac(octets, &identity);
	return shows(s, SIGNAL_ROLE_MAC, &identity);
}

static void user_names_are_shown(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
	draft_text(&draft, RADIUS_USER_NAME, "Alice@Example.COM");
	draft_hex(&draft, RADIUS_USER_NAME, "626f6200"); // with a NUL
	from_nas();
	assert_int_equal(first.sighting_count, 2);
	assert_true(shows_user(&first, "Alice@example.com"));
	assert_true(shows_user(&first, "bob"));
	assert_int_equal(first.defects, 0);
}

static void permanent_identities_hold_an_imsi(void **state)
{
	(void)state;
	static const struct {
		const char *name, *imsi;
	} cases[] = {
		// Network codes of two digits and of three.
		{"0001011234567890@wlan.mnc001.mcc001.3gppnetwork.org", "001011234567890"},
		{"0001001234567890@wlan.mnc001.mcc001.3gppnetwork.org", "001001234567890"},
		{"1001011234567890@WLAN.MNC011.MCC001.3gppnetwork.ORG", "001011234567890"},
		{"1001011234567890@wlan.mnc010.mcc001.3gppnetwork.org", NULL},
		{"1001101234567890@wlan.mnc010.mcc001.3gppnetwork.org", "001101234567890"},
		{"1001101234567890@wlan.mnc101.mcc001.3gppnetwork.org", "001101234567890"},
		{"1001111234567890@wlan.mnc110.mcc001.3gppnetwork.org", NULL},
		{"0001019234567890@wlan.mnc019.mcc001.3gppnetwork.org", "001019234567890"},
		{"6001019234567890@nai.epc.mnc019.mcc001.3gppnetwork.org", "001019234567890"},
		{"1001010234567890@wlan.mnc010.mcc001.3gppnetwork.org", "001010234567890"},
		{"nai.epc.mnc010.mcc001.3gppnetwork.org!0001010234567890@nai.epc.mnc099.mcc262.3gppnetwork.org",
			"001010234567890"},
		{"a.org!nai.epc.mnc010.mcc001.3gppnetwork.org!0001010234567890@b.org",
			"001010234567890"},
		{"2001010234567890@wlan.mnc010.mcc001.3gppnetwork.org", NULL}, // a pseudonym
		{"001010234567890@wlan.mnc010.mcc001.3gppnetwork.org", NULL},
		{"0001010234567890@wlan.mnc010.mcc002.3gppnetwork.org", NULL},
		{"0001010234567890@wlan.mnc01.mcc001.3gppnetwork.org", NULL},
		{"0001010234567890@example.org", NULL},
		{"00010102345678a0@wlan.mnc010.mcc001.3gppnetwork.org", NULL},
		{"@wlan.mnc010.mcc001.3gppnetwork.org", NULL},
		{"0@wlan.mnc010.mcc001.3gppnetwork.org", NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
		draft_text(&draft, RADIUS_USER_NAME, cases[i].name);
		from_nas();
		if (cases[i].imsi ? !shows_imsi(&first, cases[i].imsi) : first.sighting_count != 1)
			fail_msg("%s", cases[i].name);
		// A Chargeable-User-Identity is read where it is one of these, and else says nothing.
		draft_begin(&draft, RADIUS_ACCESS_ACCEPT, 1);
		draft_text(&draft, RADIUS_CHARGEABLE_USER_IDENTITY, cases[i].name);
		read_as(&first, false, 1812);
		assert_int_equal(first.sighting_count, cases[i].imsi ? 1 : 0);
	}
}

static void stations_are_macs_or_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text, *mac, *number;
	} cases[] = {
		{"00-02-6F-21-EC-5F", "00026f21ec5f", NULL},
		{"00:02:6f:21:ec:5f", "00026f21ec5f", NULL},
		{"0002.6f21.ec5f", "00026f21ec5f", NULL},
		{"0002-6f21-ec5f", "00026f21ec5f", NULL},
		{"00026f-21ec5f", "00026f21ec5f", NULL},
		{"985AEB898000", "985aeb898000", NULL},
		{"491512345678", "491512345678", "491512345678"},
		{"+491512345678", NULL, "491512345678"},
		{"12345", NULL, "12345"},
		{"123456789012345", NULL, "123456789012345"},
		{"1234", NULL, NULL},
		{"1234567890123456", NULL, NULL},
		{"+", NULL, NULL},
		{"++49123456", NULL, NULL},
		{"00-02-6F-21-EC", NULL, NULL},
		{"00-02-6F-21-EC-5", NULL, NULL},
		{"00-02-6F-21-EC-5F-", NULL, NULL},
		{"-00-02-6F-21-EC-5F", NULL, NULL},
		{"00-02:6F-21-EC-5F", NULL, NULL},
		{"00--026F21EC5F", NULL, NULL},
		{"00-026F-21EC5F", NULL, NULL},
		{"000-26f-21e-c5f", NULL, NULL},
		{"00-026-F2-1E-C5-F", NULL, NULL},
		{"00 02 6F 21 EC 5F", NULL, NULL},
		{"00026f21ec5f0", NULL, NULL},
		{"00-02-6F-21-EC-5F:ssid", NULL, NULL},
		{"sip:12345", NULL, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
		draft_text(&draft, RADIUS_CALLING_STATION_ID, cases[i].text);
		from_nas();
		uint32_t expected = (cases[i].mac ? 1u : 0u) + (cases[i].number ? 1u : 0u);
		if (first.sighting_count != expected ||
			(cases[i].mac && !shows_mac(&first, cases[i].mac)) ||
			(cases[i].number && !shows_number(&first, cases[i].number)))
			fail_msg("%s", cases[i].text);
	}
}

static void short_numbers_count_in_packets_of_3gpp(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
	draft_text(&draft, RADIUS_CALLING_STATION_ID, "1234");
	draft_vendor(&draft, RADIUS_VENDOR_3GPP, 8, "00101");
	assert_true(shows_number(from_nas(), "1234"));
}

static void subscriber_and_equipment_of_3gpp_are_shown(void **state)
{
	(void)state;
	struct identity imei, imeisv;
	assert_true(identity_of_imei(bytes_of_text("35349006987331"), &imei));
	assert_true(identity_of_imeisv(bytes_of_text("3534900698733190"), &imeisv));

	draft_begin(&draft, RADIUS_ACCOUNTING_REQUEST, 1);
	// Both in one attribute.
	draft_hex(&draft, RADIUS_VENDOR_SPECIFIC,
		"000028af 0111303031303131323334353637383930 141233353334393030363938373333313930");
	from_nas();
	assert_int_equal(first.sighting_count, 3);
	assert_true(shows_imsi(&first, "001011234567890"));
	assert_true(shows(&first, SIGNAL_ROLE_IMEI, &imei));
	assert_true(shows(&first, SIGNAL_ROLE_IMEI, &imeisv));

	static const struct {
		const char *text;
		uint32_t count;
	} lengths[] = {{"35349006987331", 1}, {"353490069873312", 1}, {"3534900698733190", 2},
		{"3534900698733", 0}, {"3534900698733a", 0}};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
		draft_vendor(&draft, RADIUS_VENDOR_3GPP, RADIUS_3GPP_IMEISV, lengths[i].text);
		from_nas();
		assert_int_equal(first.sighting_count, lengths[i].count);
		assert_int_equal(first.defects, lengths[i].count ? 0 : SIGNAL_DEFECT_VALUE);
	}
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
	draft_vendor(&draft, 10416, RADIUS_3GPP_IMSI, "001011234567890"); // another vendor
	assert_int_equal(from_nas()->sighting_count, 0);
}

static bool shows_attribute(const struct signal *s, const char *hex)
{
	uint8_t octets[255];
	struct identity identity;
	return identity_of_attribute(bytes_of(octets, hex_read(hex, octets)), &identity) &&
	       shows(s, SIGNAL_ROLE_ATTRIBUTE, &identity);
}

static void attributes_are_shown_where_somebody_asks(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
	draft_text(&draft, RADIUS_USER_NAME, "bob");
	draft_text(&draft, 87, "atm 1/2");
	draft_hex(&draft, RADIUS_VENDOR_SPECIFIC, "00000de9 0103 61 020462 63");
	draft_hex(&draft, RADIUS_VENDOR_SPECIFIC, "00000de9 0103 7a");
	draft_hex(&draft, RADIUS_VENDOR_SPECIFIC, "00000de9 0103 79 02"); // not to the end
	draft_hex(&draft, RADIUS_VENDOR_SPECIFIC, "00000de9 0103 77 0103 76 02");
	assert_int_equal(from_nas()->sighting_count, 1);
	rules.wants_attributes = true;
	from_nas();
	rules.wants_attributes = false;
	assert_int_equal(first.sighting_count, 9);
	assert_true(shows_user(&first, "bob"));
	assert_true(shows_attribute(&first, "0105626f62"));
	assert_true(shows_attribute(&first, "570961746d20312f32"));
	assert_true(shows_attribute(&first, "1a0d 00000de9 0103 61 02046263"));
	assert_true(shows_attribute(&first, "1a09 00000de9 0103 61"));
	assert_true(shows_attribute(&first, "1a0a 00000de9 02046263"));
	assert_true(shows_attribute(&first, "1a09 00000de9 0103 7a"));
	assert_true(shows_attribute(&first, "1a0a 00000de9 0103 79 02"));
	assert_true(shows_attribute(&first, "1a0d 00000de9 0103 77 0103 76 02"));
}

static void attributes_without_end_are_counted_and_identities_come_first(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
	for (unsigned i = 0; i < 900; i++) {
		const uint8_t value[] = {(uint8_t)(i >> 8), (uint8_t)i};
		draft_add(&draft, 11, bytes_of(value, sizeof value));
	}
	draft_text(&draft, RADIUS_USER_NAME, "bob");
	rules.wants_attributes = true;
	from_nas();
	rules.wants_attributes = false;
	assert_int_equal(first.sighting_count, SIGNAL_MAX_ASKED + 1);
	assert_int_equal(first.sightings_excess, 901 - SIGNAL_MAX_ASKED);
	assert_true(shows_user(&first, "bob"));
}

static void identities_without_end_are_counted(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCESS_REQUEST, 1);
	for (unsigned i = 0; i < SIGNAL_MAX_SUBSCRIBERS; i++) {
		char name[8];
		snprintf(name, sizeof name, "u%u", i);
		draft_text(&draft, RADIUS_USER_NAME, name);
	}
	draft_vendor(&draft, RADIUS_VENDOR_3GPP, RADIUS_3GPP_IMSI, "001011234567890");
	draft_vendor(&draft, RADIUS_VENDOR_3GPP, RADIUS_3GPP_IMEISV, "3534900698733190");
	draft_text(&draft, RADIUS_CALLING_STATION_ID, "00-02-6F-21-EC-5F");
	draft_text(&draft, RADIUS_CALLING_STATION_ID, "+491512345678");
	from_nas();
	assert_int_equal(first.sighting_count, SIGNAL_MAX_SUBSCRIBERS);
	assert_int_equal(first.sightings_excess, 4);
	assert_true(shows_user(&first, "u0"));
	assert_int_equal(first.defects, 0);
}

// --- bindings ----------------------------------------------------------------------------------------------

static bool leases(const struct signal *s, const char *address, uint8_t prefix_len)
{
	struct address wanted = address_of(address);
	for (uint32_t i = 0; i < s->lease_count; i++)
		if (s->leases[i].prefix_len == prefix_len &&
			s->leases[i].lifetime_s == UINT32_MAX &&
			memcmp(&s->leases[i].address, &wanted, sizeof wanted) == 0)
			return true;
	return false;
}

static void add_leases(void)
{
	draft_hex(&draft, RADIUS_FRAMED_IP_ADDRESS, "0a000003");
	draft_hex(&draft, 9, "ffffff00"); // Framed-IP-Netmask
	draft_hex(&draft, RADIUS_FRAMED_IPV6_PREFIX, "0040 20010db800000001");
	draft_hex(&draft, RADIUS_DELEGATED_IPV6_PREFIX, "003420010db80000123400000000000000aa");
	draft_hex(&draft, RADIUS_FRAMED_IPV6_ADDRESS, V6);
	draft_hex(&draft, 96, "0000000000000001"); // Framed-Interface-Id
}

static void accounting_binds_ends_and_restarts(void **state)
{
	(void)state;
	static const struct {
		uint32_t status;
		enum signal_change change;
	} cases[] = {{1, CHANGE_BIND}, {2, CHANGE_END}, {3, CHANGE_BIND}, {7, CHANGE_RESTART},
		{8, CHANGE_RESTART}, {9, CHANGE_NONE}, {15, CHANGE_NONE}, {0, CHANGE_NONE}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		accounting(cases[i].status);
		draft_text(&draft, RADIUS_ACCT_SESSION_ID, "1");
		draft_hex(&draft, RADIUS_NAS_IP_ADDRESS,
			"c0000263"); // what it says of itself counts for nothing
		add_leases();
		from_nas();
		assert_int_equal(first.change, cases[i].change);
		assert_int_equal(first.ends, cases[i].change == CHANGE_END);
		assert_int_equal(first.defects, 0);
		struct packet p = packet_of(true, 1813);
		assert_memory_equal(&first.authority, &p.flow.source, sizeof first.authority);
		assert_memory_equal(&first.peer, &p.flow.destination, sizeof first.peer);
		assert_int_equal(first.lease_count, cases[i].change == CHANGE_BIND ? 4 : 0);
	}
	accounting(RADIUS_STATUS_START);
	draft_text(&draft, RADIUS_ACCT_SESSION_ID, "1");
	add_leases();
	from_nas();
	assert_true(leases(&first, "10.0.0.3", 32));
	assert_true(leases(&first, "2001:db8:0:1::", 64));
	assert_true(leases(&first, "2001:db8:0:1000::", 52));
	assert_true(leases(&first, "2001:db8::1", 128));
}

static void addresses_that_are_none_bind_nothing(void **state)
{
	(void)state;
	static const struct {
		uint8_t type;
		const char *value;
		uint32_t defects;
	} cases[] = {
		{RADIUS_FRAMED_IP_ADDRESS, "ffffffff", 0},
		{RADIUS_FRAMED_IP_ADDRESS, "fffffffe", 0},
		{RADIUS_FRAMED_IP_ADDRESS, "00000000", 0},
		{RADIUS_FRAMED_IP_ADDRESS, "0a0000", SIGNAL_DEFECT_LENGTH},
		{RADIUS_FRAMED_IP_ADDRESS, "0a00000001", SIGNAL_DEFECT_LENGTH},
		{RADIUS_FRAMED_IPV6_ADDRESS, "00000000000000000000000000000000", 0},
		{RADIUS_FRAMED_IPV6_ADDRESS, "20010db8", SIGNAL_DEFECT_LENGTH},
		{RADIUS_FRAMED_IPV6_PREFIX, "0000", SIGNAL_DEFECT_VALUE},
		{RADIUS_FRAMED_IPV6_PREFIX, "00", SIGNAL_DEFECT_LENGTH},
		{RADIUS_FRAMED_IPV6_PREFIX, "008120010db8000000000000000000000001",
			SIGNAL_DEFECT_VALUE},
		{RADIUS_FRAMED_IPV6_PREFIX, "004020010db8000000000000000000000001aa",
			SIGNAL_DEFECT_LENGTH},
		{RADIUS_DELEGATED_IPV6_PREFIX, "0031 20010db80000", SIGNAL_DEFECT_LENGTH},
		{96, "0000000000000001", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		accounting(RADIUS_STATUS_START);
		draft_text(&draft, RADIUS_ACCT_SESSION_ID, "1");
		draft_hex(&draft, cases[i].type, cases[i].value);
		from_nas();
		assert_int_equal(first.change, CHANGE_BIND);
		if (first.lease_count || first.defects != cases[i].defects)
			fail_msg("case %zu: %u leases, defects %u", i, first.lease_count,
				first.defects);
	}
}

static void accounting_without_status_or_session_changes_nothing(void **state)
{
	(void)state;
	draft_begin(&draft, RADIUS_ACCOUNTING_REQUEST, 1);
	draft_text(&draft, RADIUS_ACCT_SESSION_ID, "1");
	add_leases();
	from_nas();
	assert_int_equal(first.defects, SIGNAL_DEFECT_MISSING);
	assert_int_equal(first.change, CHANGE_NONE);
	for (uint32_t status = 1; status <= 3; status++) {
		accounting(status);
		add_leases();
		from_nas();
		assert_int_equal(first.defects, SIGNAL_DEFECT_MISSING);
		assert_int_equal(first.change, CHANGE_NONE);
		assert_false(first.ends);
		assert_int_equal(first.lease_count, 0);
	}
	accounting(RADIUS_STATUS_ACCOUNTING_ON);
	assert_int_equal(from_nas()->change, CHANGE_RESTART);
	assert_int_equal(first.defects, 0);
}

static void nothing_but_accounting_requests_binds(void **state)
{
	(void)state;
	static const uint8_t codes[] = {1, 2, 3, 5, 11, 12, 40, 41, 42, 43, 44, 45};
	for (size_t i = 0; i < sizeof codes; i++) {
		draft_begin(&draft, codes[i], 1);
		draft_hex(&draft, RADIUS_ACCT_STATUS_TYPE, "00000001");
		draft_text(&draft, RADIUS_ACCT_SESSION_ID, "1");
		add_leases();
		from_nas();
		assert_int_equal(first.change, CHANGE_NONE);
		assert_int_equal(first.lease_count, 0);
		assert_int_equal(first.authority.family, 0);
		assert_int_equal(first.ends, codes[i] == RADIUS_DISCONNECT_ACK);
	}
}

// --- defects -----------------------------------------------------------------------------------------------

static void what_stands_before_a_defect_counts(void **state)
{
	(void)state;
	static const struct {
		const char *raw;
		uint32_t defect;
	} cases[] = {{"08", SIGNAL_DEFECT_TRUNCATED}, {"0806", SIGNAL_DEFECT_TRUNCATED},
		{"0807 0a000001", SIGNAL_DEFECT_TRUNCATED}, {"0800 0a000001", SIGNAL_DEFECT_LENGTH},
		{"0801 0a000001", SIGNAL_DEFECT_LENGTH}, {"1a05 000028", SIGNAL_DEFECT_LENGTH},
		{"1a0a 000028af 0105 3132", SIGNAL_DEFECT_LENGTH},
		{"1a0a 000028af 0104 3132", SIGNAL_DEFECT_VALUE}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		accounting(RADIUS_STATUS_START);
		draft_text(&draft, RADIUS_ACCT_SESSION_ID, "1");
		draft_text(&draft, RADIUS_USER_NAME, "bob");
		draft_hex(&draft, RADIUS_FRAMED_IP_ADDRESS, "0a000003");
		draft_raw(&draft, cases[i].raw);
		from_nas();
		assert_int_equal(first.defects, cases[i].defect);
		assert_true(shows_user(&first, "bob"));
		assert_int_equal(first.lease_count, 1);
	}
}

static void other_protocols_are_foreign(void **state)
{
	(void)state;
	struct packet p = packet_of(true, 1812);
	draft_begin(&draft, 6, 1);
	assert_int_equal(
		radius_signal_read(draft_bytes(&draft), &p, &rules, &first), PARSE_FOREIGN);
	draft_begin(&draft, 1, 1);
	draft.octets[3] = 19;
	assert_int_equal(
		radius_signal_read(draft_bytes(&draft), &p, &rules, &first), PARSE_FOREIGN);
	assert_int_equal(radius_signal_read(bytes_of(NULL, 0), &p, &rules, &first), PARSE_FOREIGN);
}

static void read_prefix(struct bytes prefix)
{
	struct packet p = packet_of(true, 1813);
	rules.wants_attributes = true;
	if (radius_signal_read(prefix, &p, &rules, &first) == PARSE_OK)
		assert_int_equal(!(first.defects & SIGNAL_DEFECT_TRUNCATED),
			prefix.len == draft_bytes(&draft).len);
	rules.wants_attributes = false;
}

static void no_prefix_is_read_past_its_end(void **state)
{
	(void)state;
	accounting(RADIUS_STATUS_START);
	draft_text(&draft, RADIUS_ACCT_SESSION_ID, "1");
	draft_text(&draft, RADIUS_USER_NAME, "0001010234567890@wlan.mnc010.mcc001.3gppnetwork.org");
	draft_text(&draft, RADIUS_CALLING_STATION_ID, "00-02-6F-21-EC-5F");
	draft_hex(&draft, RADIUS_VENDOR_SPECIFIC,
		"000028af 0111303031303131323334353637383930 141233353334393030363938373333313930");
	add_leases();
	cut_at_every_length(draft_bytes(&draft), read_prefix);
}

// --- captures ----------------------------------------------------------------------------------------------

struct tally {
	unsigned answers, found, binds, ends, missing, damaged, users, macs;
};

static bool shows_role(const struct signal *s, enum signal_role role)
{
	for (uint32_t i = 0; i < s->sighting_count; i++)
		if (s->sightings[i].role == role)
			return true;
	return false;
}

// Names that requests left; as many as a capture has packets.
enum { MAX_KEPT = 4096 };
static struct digest kept[MAX_KEPT];
static size_t kept_count;

static void tally_names(struct tally *t, const struct signal *s)
{
	for (uint32_t i = 0; i < s->name_count; i++) {
		const struct signal_name *name = &s->names[i];
		if (name->use & NAME_KEEP && kept_count < MAX_KEPT)
			kept[kept_count++] = name->digest;
		if (!s->is_answer || !(name->use & NAME_FIND))
			continue;
		for (size_t k = 0; k < kept_count; k++)
			if (kept[k].low == name->digest.low && kept[k].high == name->digest.high) {
				t->found++;
				break;
			}
	}
}

static void tally_packet(struct tally *t, const struct packet *p)
{
	static struct signal s;
	if (radius_signal_read(p->payload, p, &rules, &s) != PARSE_OK)
		return;
	t->answers += s.is_answer;
	t->binds += s.change == CHANGE_BIND;
	t->ends += s.change == CHANGE_END;
	t->missing += !!(s.defects & SIGNAL_DEFECT_MISSING);
	t->damaged += !!(s.defects & ~(uint32_t)SIGNAL_DEFECT_MISSING);
	t->users += shows_role(&s, SIGNAL_ROLE_USER);
	t->macs += shows_role(&s, SIGNAL_ROLE_MAC);
	tally_names(t, &s);
}

static void captures_say_what_others_found(void **state)
{
	(void)state;
	// As in shared/captures/events; damaged are those that tshark calls malformed.
	static const struct {
		const char *name;
		struct tally t;
	} captures[] = {
		{"radius-accounting-interim-framedip-vlan.pcap", {1, 1, 1, 0, 0, 0, 1, 1}},
		{"radius-auth-accounting-start-stop.pcap", {17, 17, 2, 1, 0, 0, 19, 17}},
		{"ethernet/radius-auth-acct-coa-freeradius.pcap", {125, 125, 0, 0, 278, 0, 875, 0}},
		{"ethernet/radius-ipv6-attrs-rfc3162.pcap", {0, 0, 0, 0, 0, 1, 1, 0}},
		{"ethernet/radius-malformed-attr-length.pcap", {0, 0, 0, 0, 0, 1, 1, 0}},
		{"mixed-all-protocols-synthetic.pcap", {2, 2, 0, 0, 0, 4, 8, 0}},
		{"radius-malformed-asan.pcap", {0}},
		{"fp-radius-false-positive.pcap", {0}},
	};
	unsigned found = 0;
	for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
		FILE *file = capture_open(captures[i].name);
		if (!file)
			continue;
		found++;
		kept_count = 0;
		struct tally t = {0};
		size_t len;
		for (uint8_t *frame; (frame = capture_frame(file, &len)) != NULL; free(frame)) {
			struct packet p;
			if (packet_parse(bytes_of(frame, len), &p) == PACKET_UDP &&
				(is_radius_port(p.flow.source_port) ||
					is_radius_port(p.flow.destination_port)))
				tally_packet(&t, &p);
		}
		fclose(file);
		if (memcmp(&t, &captures[i].t, sizeof t))
			fail_msg(
				"%s: %u answers, %u found, %u bind, %u end, %u missing, %u damaged, %u users, %u MACs",
				captures[i].name, t.answers, t.found, t.binds, t.ends, t.missing,
				t.damaged, t.users, t.macs);
	}
	captures_were_found(found, sizeof captures / sizeof *captures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_find_their_requests),
		cmocka_unit_test(the_scope_of_a_direction_does_not_part_an_exchange),
		cmocka_unit_test(a_retransmission_belongs_to_the_request_it_repeats),
		cmocka_unit_test(a_challenge_leads_to_the_request_with_its_state),
		cmocka_unit_test(sessions_are_found_by_nas_and_session_id),
		cmocka_unit_test(the_correlation_id_is_that_of_the_attributes),
		cmocka_unit_test(user_names_are_shown),
		cmocka_unit_test(permanent_identities_hold_an_imsi),
		cmocka_unit_test(stations_are_macs_or_numbers),
		cmocka_unit_test(short_numbers_count_in_packets_of_3gpp),
		cmocka_unit_test(subscriber_and_equipment_of_3gpp_are_shown),
		cmocka_unit_test(attributes_are_shown_where_somebody_asks),
		cmocka_unit_test(attributes_without_end_are_counted_and_identities_come_first),
		cmocka_unit_test(identities_without_end_are_counted),
		cmocka_unit_test(accounting_binds_ends_and_restarts),
		cmocka_unit_test(addresses_that_are_none_bind_nothing),
		cmocka_unit_test(accounting_without_status_or_session_changes_nothing),
		cmocka_unit_test(nothing_but_accounting_requests_binds),
		cmocka_unit_test(what_stands_before_a_defect_counts),
		cmocka_unit_test(other_protocols_are_foreign),
		cmocka_unit_test(no_prefix_is_read_past_its_end),
		cmocka_unit_test(captures_say_what_others_found),
	};
	return cmocka_run_group_tests_name("radius_signal", tests, NULL, NULL);
}
