#include "dhcp_samples.h"

#include "dhcpv6.h"

static struct dhcpv6 parsed(const struct sample *s)
{
	struct dhcpv6 m;
	memset(&m, 0xa5, sizeof m); // what is not set is not zero by luck
	assert_int_equal(dhcpv6_parse(sample_bytes(s), &m), PARSE_OK);
	return m;
}

static void bytes_are(struct bytes b, const char *text)
{
	struct sample s = sample_v6(text);
	assert_true(bytes_equal(b, sample_bytes(&s)));
}

static void address_is(const struct address *a, const char *text)
{
	struct address wanted;
	assert_true(address_parse(bytes_of_text(text), &wanted));
	assert_memory_equal(a, &wanted, sizeof wanted);
}

#define REPLY                                                                                      \
	"07 0a0b0c " V6_CLIENT V6_SERVER "<14> <13 0000 6f6b>"                                     \
	"<3 00000001 00000e10 00001518 <5 " V6_ADDRESS " 00000e10 00001c20> <13 0000>>"            \
	"<4 00000002 <5 " V6_ADDRESS " 0000000a 00000014 <13 0002>>>"                              \
	"<25 00000003 00000000 00000000 <26 00000e10 00001c20 38 " V6_PREFIX ">>"

static void a_message_is_read_whole(void **state)
{
	(void)state;
	struct sample s = sample_v6(REPLY);
	struct dhcpv6 m = parsed(&s);
	assert_true(bytes_equal(m.octets, sample_bytes(&s)));
	assert_int_equal(m.relay_count, 0);
	assert_true(m.has_message);
	assert_int_equal(m.type, DHCPV6_REPLY);
	assert_int_equal(m.transaction_id, 0x0a0b0c);
	bytes_are(m.client_id, "0003 0001 020000000a01");
	bytes_are(m.server_id, "0001 0001 2a2b2c2d 0200000000fe");
	assert_true(m.has_rapid_commit);
	assert_int_equal(m.status, DHCPV6_SUCCESS);
	assert_int_equal(m.options.len, s.len - 4);
	assert_int_equal(m.defects, 0);
}

static void associations_hold_addresses_and_prefixes(void **state)
{
	(void)state;
	static const struct {
		uint32_t iaid, t1_s, t2_s, preferred_s, valid_s;
		uint16_t code, lease_status;
		uint8_t prefix_len;
		const char *address;
	} wanted[] = {
		{1, 3600, 5400, 3600, 7200, DHCPV6_IA_NA, 0, 128, "2001:db8:1::10"},
		{2, 0, 0, 10, 20, DHCPV6_IA_TA, 2, 128, "2001:db8:1::10"},
		{3, 0, 0, 3600, 7200, DHCPV6_IA_PD, 0, 56, "2001:db8:2::"},
	};
	struct sample s = sample_v6(REPLY);
	struct dhcpv6 m = parsed(&s);
	struct reader r = reader_of(m.options);
	struct dhcpv6_option option;
	size_t found = 0;
	while (dhcpv6_option_next(&r, &option)) {
		struct dhcpv6_ia ia;
		struct dhcpv6_lease lease;
		if (!dhcpv6_is_ia(option.code))
			continue;
		assert_true(dhcpv6_ia_read(&option, &ia));
		assert_int_equal(ia.code, wanted[found].code);
		assert_int_equal(ia.iaid, wanted[found].iaid);
		assert_int_equal(ia.t1_s, wanted[found].t1_s);
		assert_int_equal(ia.t2_s, wanted[found].t2_s);
		option.code = dhcpv6_lease_code(&ia);
		assert_true(dhcpv6_option_find(ia.options, option.code, &option.value));
		assert_true(dhcpv6_lease_read(&option, &lease));
		address_is(&lease.address, wanted[found].address);
		assert_int_equal(lease.prefix_len, wanted[found].prefix_len);
		assert_int_equal(lease.preferred_s, wanted[found].preferred_s);
		assert_int_equal(lease.valid_s, wanted[found].valid_s);
		assert_int_equal(dhcpv6_status(lease.options), wanted[found].lease_status);
		found++;
	}
	assert_false(r.overrun);
	assert_int_equal(found, 3);
}

static void relays_are_opened(void **state)
{
	(void)state;
	struct sample s = sample_v6(
		"0c 01 20010db8000300000000000000000001 "
		"20010db8000100000000000000000001 <18 6531>"
		"<9 " V6_RELAY("0c", "00") "<79 0001 020000000a01>"
					   "<37 00007ed9 7272> <38 7373> <9 01 0a0b0c " V6_CLIENT
					   ">>");
	struct dhcpv6 m = parsed(&s);
	assert_int_equal(m.relay_count, 2);
	assert_int_equal(m.relays[0].type, DHCPV6_RELAY_FORWARD);
	assert_int_equal(m.relays[0].hop_count, 1);
	address_is(&m.relays[0].link, "2001:db8:3::1");
	address_is(&m.relays[0].peer, "2001:db8:1::1");
	assert_int_equal(m.relays[1].hop_count, 0);
	address_is(&m.relays[1].link, "2001:db8:1::1");
	address_is(&m.relays[1].peer, "fe80::a");
	assert_int_equal(m.type, DHCPV6_SOLICIT);
	assert_int_equal(m.transaction_id, 0x0a0b0c);
	bytes_are(m.client_id, "0003 0001 020000000a01");
	assert_int_equal(m.defects, 0);

	struct bytes value, octets;
	uint32_t enterprise;
	uint16_t hardware_type;
	assert_true(dhcpv6_option_find(m.relays[0].options, DHCPV6_INTERFACE_ID, &value));
	bytes_are(value, "6531");
	struct bytes options = m.relays[1].options;
	assert_true(dhcpv6_option_find(options, DHCPV6_REMOTE_ID, &value));
	assert_true(dhcpv6_remote_id_read(value, &enterprise, &octets));
	assert_int_equal(enterprise, 32473);
	bytes_are(octets, "7272");
	assert_true(dhcpv6_option_find(options, DHCPV6_SUBSCRIBER_ID, &value));
	bytes_are(value, "7373");
	assert_true(dhcpv6_option_find(options, DHCPV6_CLIENT_LINK_LAYER, &value));
	assert_true(dhcpv6_link_layer_read(value, &hardware_type, &octets));
	assert_int_equal(hardware_type, 1);
	bytes_are(octets, "020000000a01");
	assert_false(dhcpv6_option_find(options, DHCPV6_INTERFACE_ID, &value));
}

// `count` relays around a Solicit.
static struct sample relayed(unsigned count)
{
	struct sample s = {.len = 0};
	size_t behind = 14 + count * 38; // a Solicit with a client id, and what is around it
	for (unsigned i = 0; i < count; i++) {
		behind -= 38;
		struct sample head = sample_v6(V6_RELAY("0c", "00") "0009");
		memcpy(s.octets + s.len, head.octets, head.len);
		s.len += head.len;
		sample_add(&s, (unsigned)behind >> 8);
		sample_add(&s, (unsigned)behind);
	}
	struct sample solicit = sample_v6("01 0a0b0c <1 0002 00000001>");
	assert_int_equal(solicit.len, 14);
	memcpy(s.octets + s.len, solicit.octets, solicit.len);
	s.len += solicit.len;
	return s;
}

static void relays_are_opened_as_deep_as_can_be(void **state)
{
	(void)state;
	struct sample s = relayed(DHCPV6_MAX_RELAYS);
	struct dhcpv6 m = parsed(&s);
	assert_int_equal(m.relay_count, DHCPV6_MAX_RELAYS);
	assert_true(m.has_message);
	assert_int_equal(m.type, DHCPV6_SOLICIT);
	assert_int_equal(m.defects, 0);

	s = relayed(DHCPV6_MAX_RELAYS + 1);
	m = parsed(&s);
	assert_int_equal(m.relay_count, DHCPV6_MAX_RELAYS);
	assert_false(m.has_message);
	assert_int_equal(m.defects, DHCP_DEFECT_EXCESS);
}

static void a_relay_without_a_message_is_a_defect(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned defects;
	} cases[] = {
		{V6_RELAY("0c", "00"), DHCP_DEFECT_MISSING},
		{V6_RELAY("0c", "00") "<9>", DHCP_DEFECT_MISSING},
		{V6_RELAY("0c", "00") "<9 01>", DHCP_DEFECT_TRUNCATED},
		{V6_RELAY("0c", "00") "<9 0c00>", DHCP_DEFECT_TRUNCATED},
		{V6_RELAY("0d", "00") "0009 0010 01", DHCP_DEFECT_TRUNCATED | DHCP_DEFECT_MISSING},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sample s = sample_v6(cases[i].text);
		struct dhcpv6 m = parsed(&s);
		assert_int_equal(m.relay_count, 1);
		assert_false(m.has_message);
		assert_int_equal(m.defects, cases[i].defects);
	}
}

static void types_that_are_not_assigned_are_foreign(void **state)
{
	(void)state;
	struct dhcpv6 m;
	assert_int_equal(dhcpv6_parse(bytes_of("\0\1\2\3", 4), &m), PARSE_FOREIGN);
	assert_int_equal(dhcpv6_parse(bytes_of("\x26\1\2\3", 4), &m), PARSE_FOREIGN);
	assert_int_equal(dhcpv6_parse(bytes_of("\xff", 1), &m), PARSE_FOREIGN);
	assert_int_equal(dhcpv6_parse(bytes_of("\x25\1\2\3", 4), &m), PARSE_OK);
	assert_int_equal(dhcpv6_parse(bytes_of(NULL, 0), &m), PARSE_TRUNCATED);
	assert_int_equal(dhcpv6_parse(bytes_of("\1\1\2", 3), &m), PARSE_TRUNCATED);
}

static void options_that_cannot_be_are_defects(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned defects;
	} cases[] = {
		{"01 0a0b0c " V6_CLIENT "00", DHCP_DEFECT_TRUNCATED},
		{"01 0a0b0c " V6_CLIENT "0003 0010 00", DHCP_DEFECT_TRUNCATED},
		{"01 0a0b0c <1 0003>", DHCP_DEFECT_LENGTH},
		{"07 0a0b0c " V6_CLIENT "<13 00>", DHCP_DEFECT_LENGTH},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sample s = sample_v6(cases[i].text);
		struct dhcpv6 m = parsed(&s);
		assert_true(m.client_id.len > 0);
		assert_int_equal(m.defects, cases[i].defects);
	}
}

static void short_values_are_not_read(void **state)
{
	(void)state;
	struct sample s = sample_v6("00000001 00000e10 0000");
	struct dhcpv6_option option = {DHCPV6_IA_NA, sample_bytes(&s)};
	struct dhcpv6_ia ia;
	assert_false(dhcpv6_ia_read(&option, &ia));
	option.code = DHCPV6_IA_TA;
	assert_true(dhcpv6_ia_read(&option, &ia));
	option.value.len = 3;
	assert_false(dhcpv6_ia_read(&option, &ia));

	struct dhcpv6_lease lease;
	s = sample_v6(V6_ADDRESS " 00000e10 00001c20 00");
	option = (struct dhcpv6_option){DHCPV6_IA_PREFIX, sample_bytes(&s)};
	assert_true(dhcpv6_lease_read(&option, &lease));
	option.value.len = 24;
	assert_false(dhcpv6_lease_read(&option, &lease));
	option.code = DHCPV6_IA_ADDRESS;
	assert_true(dhcpv6_lease_read(&option, &lease));
	option.value.len = 23;
	assert_false(dhcpv6_lease_read(&option, &lease));

	uint32_t enterprise;
	uint16_t hardware_type;
	struct bytes octets;
	assert_false(dhcpv6_remote_id_read(bytes_of(s.octets, 3), &enterprise, &octets));
	assert_false(dhcpv6_link_layer_read(bytes_of(s.octets, 1), &hardware_type, &octets));
}

static unsigned sum_of(struct bytes b)
{
	unsigned sum = 0;
	for (size_t i = 0; i < b.len; i++)
		sum += b.at[i];
	return sum;
}

static void parse_cut(struct bytes prefix)
{
	struct dhcpv6 m;
	if (dhcpv6_parse(prefix, &m) != PARSE_OK) {
		assert_true(prefix.len < 4 || prefix.at[0] == DHCPV6_RELAY_FORWARD);
		return;
	}
	struct reader r = reader_of(m.options);
	struct dhcpv6_option option;
	unsigned sum = sum_of(m.client_id) + sum_of(m.server_id);
	while (dhcpv6_option_next(&r, &option)) {
		struct dhcpv6_ia ia;
		if (dhcpv6_is_ia(option.code) && dhcpv6_ia_read(&option, &ia))
			sum += sum_of(ia.options) + dhcpv6_status(ia.options);
	}
	assert_true(m.client_id.len == 0 || sum > 0);
	assert_int_equal(r.overrun, (m.defects & DHCP_DEFECT_TRUNCATED) != 0 && m.has_message);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct sample s = sample_v6(REPLY);
	cut_at_every_length(sample_bytes(&s), parse_cut);
}

static void parse_cut_relayed(struct bytes prefix)
{
	struct dhcpv6 m;
	bool is_cut = prefix.len < 3 * 38 + 14;
	enum parse_result result = dhcpv6_parse(prefix, &m);
	assert_int_equal(result, prefix.len < 34 ? PARSE_TRUNCATED : PARSE_OK);
	if (result != PARSE_OK)
		return;
	assert_int_equal(m.has_message, !is_cut); // the option around it is cut, too
	assert_int_equal(m.defects != 0, is_cut);
}

static void a_relayed_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct sample s = relayed(3);
	cut_at_every_length(sample_bytes(&s), parse_cut_relayed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_read_whole),
		cmocka_unit_test(associations_hold_addresses_and_prefixes),
		cmocka_unit_test(relays_are_opened),
		cmocka_unit_test(relays_are_opened_as_deep_as_can_be),
		cmocka_unit_test(a_relay_without_a_message_is_a_defect),
		cmocka_unit_test(types_that_are_not_assigned_are_foreign),
		cmocka_unit_test(options_that_cannot_be_are_defects),
		cmocka_unit_test(short_values_are_not_read),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
		cmocka_unit_test(a_relayed_message_may_be_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
