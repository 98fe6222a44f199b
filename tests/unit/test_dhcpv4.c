#include "dhcp_samples.h"

#include "dhcpv4.h"

// Parsed from `s`, which must live as long as what is looked at.
static struct dhcpv4 parsed(const struct sample *s)
{
	struct dhcpv4 m;
	memset(&m, 0xa5, sizeof m); // what is not set is not zero by luck
	assert_int_equal(dhcpv4_parse(sample_bytes(s), &m), PARSE_OK);
	return m;
}

static void address_is(const struct address *a, const char *text)
{
	struct address wanted;
	assert_true(address_parse(bytes_of_text(text), &wanted));
	assert_memory_equal(a, &wanted, sizeof wanted);
}

static void bytes_are(struct bytes b, const char *hex)
{
	struct sample s = {.len = 0};
	sample_read(&s, hex, 1);
	assert_true(bytes_equal(b, sample_bytes(&s)));
}

static void option_is(const struct dhcpv4 *m, enum dhcpv4_option_name name, const char *hex)
{
	struct dhcpv4_room room;
	bytes_are(dhcpv4_option(m, name, &room), hex);
}

static const struct v4 ACK = {.op = 2,
	.ciaddr = "c0000207",
	.yiaddr = "c0000207",
	.giaddr = "c6336401",
	.options = "<53 05> <54 c0000201> <51 00000e10> <50 c0000208> <12 78> 00 00 "
		   "<61 01020000000a01> <82 <1 6363> <2 7272>> ff 00 00"};

static void a_message_is_read_whole(void **state)
{
	(void)state;
	struct sample s = sample_v4(&ACK);
	struct dhcpv4 m = parsed(&s);
	assert_true(bytes_equal(m.octets, sample_bytes(&s)));
	assert_int_equal(m.op, BOOTREPLY);
	assert_int_equal(m.htype, 1);
	assert_int_equal(m.hops, 0);
	assert_int_equal(m.xid, 0x1a2b3c4d);
	address_is(&m.ciaddr, "192.0.2.7");
	address_is(&m.yiaddr, "192.0.2.7");
	address_is(&m.siaddr, "0.0.0.0");
	address_is(&m.giaddr, "198.51.100.1");
	assert_true(dhcpv4_address_is_set(&m.giaddr));
	assert_false(dhcpv4_address_is_set(&m.siaddr));
	bytes_are(m.chaddr, V4_MAC);
	assert_int_equal(m.message_type, DHCPV4_ACK);
	assert_false(m.is_bootp);
	assert_true(m.has_lease_time);
	assert_int_equal(m.lease_time_s, 3600);
	address_is(&m.server_id, "192.0.2.1");
	address_is(&m.requested, "192.0.2.8");
	option_is(&m, DHCPV4_CLIENT_ID, "01020000000a01");
	option_is(&m, DHCPV4_AGENT_INFORMATION, "01026363 02027272");
	option_is(&m, DHCPV4_RAPID_COMMIT, "");
	assert_int_equal(m.options[DHCPV4_RAPID_COMMIT].part_count, 0);
	assert_int_equal(m.defects, 0);
}

static void what_is_not_there_is_not_set(void **state)
{
	(void)state;
	struct sample s = sample_v4(&(struct v4){.options = "<53 01> <80> ff"});
	struct dhcpv4 m = parsed(&s);
	assert_int_equal(m.message_type, DHCPV4_DISCOVER);
	assert_false(m.has_lease_time);
	assert_int_equal(m.requested.family, 0);
	assert_int_equal(m.server_id.family, 0);
	assert_int_equal(m.options[DHCPV4_RAPID_COMMIT].part_count, 1);
	assert_int_equal(m.defects, 0);
}

static void bootp_is_a_message_without_a_type(void **state)
{
	(void)state;
	struct sample s = sample_v4(&(struct v4){.op = 2, .options = "<1 ffffff00> ff"});
	struct dhcpv4 m = parsed(&s);
	assert_int_equal(m.message_type, DHCPV4_BOOTP);
	assert_true(m.is_bootp);

	// Nobody knows what an option said that is cut, or of a length that it cannot have.
	static const char *const others[] = {"<53> ff", "<53 0501> ff", "<1 ffffff00> 3501"};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		s = sample_v4(&(struct v4){.op = 2, .options = others[i]});
		m = parsed(&s);
		assert_int_equal(m.message_type, DHCPV4_BOOTP);
		assert_false(m.is_bootp);
		assert_int_not_equal(m.defects, 0);
	}
}

static void other_protocols_are_foreign(void **state)
{
	(void)state;
	struct dhcpv4 m;
	struct sample s = sample_v4(&ACK);
	s.octets[236] ^= 1; // the cookie
	assert_int_equal(dhcpv4_parse(sample_bytes(&s), &m), PARSE_FOREIGN);
	static const uint8_t ops[] = {0, 3, 'I', 255};
	for (size_t i = 0; i < sizeof ops; i++) {
		s = sample_v4(&ACK);
		s.octets[0] = ops[i];
		assert_int_equal(dhcpv4_parse(sample_bytes(&s), &m), PARSE_FOREIGN);
		assert_int_equal(dhcpv4_parse(bytes_of(s.octets, 1), &m), PARSE_FOREIGN);
	}
	assert_int_equal(dhcpv4_parse(bytes_of(NULL, 0), &m), PARSE_TRUNCATED);
}

static void the_hardware_address_is_as_long_as_it_says(void **state)
{
	(void)state;
	struct sample s = sample_v4(&(struct v4){.chaddr = "", .options = "<53 01> ff"});
	struct dhcpv4 m = parsed(&s);
	assert_int_equal(m.chaddr.len, 0);
	s.octets[2] = 16;
	m = parsed(&s);
	assert_int_equal(m.chaddr.len, 16);
	assert_int_equal(m.defects, 0);
	s.octets[2] = 17;
	m = parsed(&s);
	assert_int_equal(m.chaddr.len, 16);
	assert_int_equal(m.defects, DHCP_DEFECT_LENGTH);
}

static void options_go_on_in_file_and_sname(void **state)
{
	(void)state;
	static const struct {
		const char *overload;
		bool file, sname;
	} cases[] = {{"<52 01>", true, false}, {"<52 02>", false, true}, {"<52 03>", true, true},
		{"", false, false}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char options[64];
		snprintf(options, sizeof options, "<53 05> %s ff", cases[i].overload);
		struct sample s = sample_v4(&(struct v4){.op = 2,
			.file = "<51 00000e10> ff",
			.sname = "00 <54 c0000201> ff",
			.options = options});
		struct dhcpv4 m = parsed(&s);
		assert_int_equal(m.message_type, DHCPV4_ACK);
		assert_int_equal(m.has_lease_time, cases[i].file);
		assert_int_equal(m.server_id.family, cases[i].sname ? 4 : 0);
		assert_int_equal(m.defects, 0);
	}
}

static void an_overload_that_cannot_be_is_a_defect(void **state)
{
	(void)state;
	static const char *const overloads[] = {"<52 00> ff", "<52 04> ff"};
	for (size_t i = 0; i < 2; i++) {
		struct sample s =
			sample_v4(&(struct v4){.file = "<53 05> ff", .options = overloads[i]});
		struct dhcpv4 m = parsed(&s);
		assert_int_equal(m.message_type, DHCPV4_BOOTP);
		assert_int_equal(m.defects, DHCP_DEFECT_VALUE);
	}
	// In the field that is overloaded it overloads nothing more.
	struct sample s = sample_v4(
		&(struct v4){.file = "<52 02> ff", .sname = "<53 05> ff", .options = "<52 01> ff"});
	struct dhcpv4 m = parsed(&s);
	assert_int_equal(m.message_type, DHCPV4_BOOTP);
}

// RFC 3396.
static void parts_of_an_option_are_put_together(void **state)
{
	(void)state;
	struct sample s = sample_v4(&(struct v4){.sname = "<61 0304> ff",
		.file = "<61 02> <51 0e10> ff",
		.options = "<53 05> <61 01> <52 03> <51 0000> <61> ff"});
	struct dhcpv4 m = parsed(&s);
	option_is(&m, DHCPV4_CLIENT_ID, "01 02 0304"); // options, file, sname
	assert_int_equal(m.options[DHCPV4_CLIENT_ID].part_count, 4);
	assert_true(m.has_lease_time);
	assert_int_equal(m.lease_time_s, 3600);
	assert_int_equal(m.defects, 0);
}

static void of_more_parts_than_fit_the_first_are_kept(void **state)
{
	(void)state;
	struct sample s = sample_v4(&(struct v4){.options = "<53 01>"});
	for (unsigned part = 0; part <= DHCPV4_MAX_PARTS; part++) {
		sample_add(&s, 61);
		sample_add(&s, DHCPV4_MAX_PART);
		for (unsigned i = 0; i < DHCPV4_MAX_PART; i++)
			sample_add(&s, part);
	}
	sample_add(&s, 255);
	struct dhcpv4 m = parsed(&s);
	struct dhcpv4_room room;
	struct bytes id = dhcpv4_option(&m, DHCPV4_CLIENT_ID, &room);
	assert_int_equal(id.len, DHCPV4_MAX_PARTS * DHCPV4_MAX_PART);
	assert_int_equal(id.at[id.len - 1], DHCPV4_MAX_PARTS - 1);
	assert_int_equal(m.defects, DHCP_DEFECT_EXCESS);
}

static void a_repeated_option_counts_as_the_first_says(void **state)
{
	(void)state;
	struct sample s = sample_v4(&(struct v4){.op = 2,
		.options = "<53 05> <53 06> <51 0000000a> <51 00000014> <54 c0000201> "
			   "<54 c0000202> ff"});
	struct dhcpv4 m = parsed(&s);
	assert_int_equal(m.message_type, DHCPV4_ACK);
	assert_int_equal(m.lease_time_s, 10);
	address_is(&m.server_id, "192.0.2.1");
	assert_int_equal(m.defects, DHCP_DEFECT_LENGTH);
}

static void a_length_that_an_option_cannot_have_is_a_defect(void **state)
{
	(void)state;
	static const char *const options[] = {"<53 05> <51 000e10> ff",
		"<53 05> <51 0000000e10> ff", "<53 05> <54 c00002> ff", "<53 05> <50> ff",
		"<53 05> <61 01> ff", "<53 05> <82 01> ff"};
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		struct sample s = sample_v4(&(struct v4){.options = options[i]});
		struct dhcpv4 m = parsed(&s);
		assert_int_equal(m.message_type, DHCPV4_ACK);
		assert_false(m.has_lease_time);
		assert_int_equal(m.server_id.family, 0);
		assert_int_equal(m.requested.family, 0);
		assert_int_equal(m.defects, DHCP_DEFECT_LENGTH);
	}
}

static void options_that_do_not_end_are_defects(void **state)
{
	(void)state;
	static const struct {
		const char *options;
		unsigned defects;
	} cases[] = {{"<53 05>", DHCP_DEFECT_MISSING}, {"<53 05> 33", DHCP_DEFECT_TRUNCATED},
		{"<53 05> 3304 000e10", DHCP_DEFECT_TRUNCATED}, {"<53 05> ff 33", 0}};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sample s = sample_v4(&(struct v4){.options = cases[i].options});
		struct dhcpv4 m = parsed(&s);
		assert_int_equal(m.message_type, DHCPV4_ACK);
		assert_false(m.has_lease_time);
		assert_int_equal(m.defects, cases[i].defects);
	}
}

static void a_client_identifier_may_hold_a_duid(void **state)
{
	(void)state;
	struct sample s = {.len = 0};
	sample_read(&s, "ff 0a0b0c0d 0003 0001 020000000a01", 1);
	uint32_t iaid;
	struct bytes duid;
	assert_true(dhcpv4_client_duid(sample_bytes(&s), &iaid, &duid));
	assert_int_equal(iaid, 0x0a0b0c0d);
	bytes_are(duid, "0003 0001 020000000a01");
	assert_true(dhcpv4_client_duid(bytes_of(s.octets, 5), &iaid, &duid));
	assert_int_equal(duid.len, 0);
	assert_false(dhcpv4_client_duid(bytes_of(s.octets, 4), &iaid, &duid));
	s.octets[0] = 1;
	assert_false(dhcpv4_client_duid(sample_bytes(&s), &iaid, &duid));
}

static void parse_cut(struct bytes prefix)
{
	struct dhcpv4 m;
	struct dhcpv4_room room;
	enum parse_result result = dhcpv4_parse(prefix, &m);
	assert_int_equal(result, prefix.len < DHCPV4_MIN_LEN ? PARSE_TRUNCATED : PARSE_OK);
	if (result != PARSE_OK)
		return;
	assert_int_equal(m.chaddr.len, 6);
	unsigned sum = 0;
	for (unsigned name = 0; name < DHCPV4_OPTIONS; name++) {
		struct bytes value = dhcpv4_option(&m, (enum dhcpv4_option_name)name, &room);
		for (size_t i = 0; i < value.len; i++)
			sum += value.at[i];
	}
	assert_true(sum > 0 || prefix.len < DHCPV4_MIN_LEN + 3);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct sample s = sample_v4(&ACK);
	cut_at_every_length(sample_bytes(&s), parse_cut);
	s = sample_v4(&(struct v4){.op = 2,
		.file = "<51 00000e10> ff",
		.sname = "<61 0304>",
		.options = "<53 05> <52 03> <61 0102> <82 <1 6363> <7 <1 61>>> ff"});
	cut_at_every_length(sample_bytes(&s), parse_cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_read_whole),
		cmocka_unit_test(what_is_not_there_is_not_set),
		cmocka_unit_test(bootp_is_a_message_without_a_type),
		cmocka_unit_test(other_protocols_are_foreign),
		cmocka_unit_test(the_hardware_address_is_as_long_as_it_says),
		cmocka_unit_test(options_go_on_in_file_and_sname),
		cmocka_unit_test(an_overload_that_cannot_be_is_a_defect),
		cmocka_unit_test(parts_of_an_option_are_put_together),
		cmocka_unit_test(of_more_parts_than_fit_the_first_are_kept),
		cmocka_unit_test(a_repeated_option_counts_as_the_first_says),
		cmocka_unit_test(a_length_that_an_option_cannot_have_is_a_defect),
		cmocka_unit_test(options_that_do_not_end_are_defects),
		cmocka_unit_test(a_client_identifier_may_hold_a_duid),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
