#include "sip_uri.h"
#include "unit.h"

static struct sip_uri parsed(const char *text)
{
	struct sip_uri uri;
	assert_int_equal(sip_uri_parse(bytes_of_text(text), &uri), PARSE_OK);
	return uri;
}

static void is(struct bytes part, const char *expected)
{
	if (!bytes_equal(part, bytes_of_text(expected)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)part.len, (const char *)part.at, expected);
}

static void is_malformed(const char *text)
{
	struct sip_uri uri = {.port = 7};
	assert_int_equal(sip_uri_parse(bytes_of_text(text), &uri), PARSE_MALFORMED);
	assert_int_equal(uri.port, 7); // not written
}

static void a_sip_uri_is_split_into_all_its_parts(void **state)
{
	(void)state;
	struct sip_uri uri =
		parsed("SIPS:alice:secret@Example.COM:5061;transport=tcp;lr?Subject=x&p=1");
	assert_int_equal(uri.scheme, SIP_SCHEME_SIPS);
	is(uri.user, "alice");
	is(uri.user_parameters, "");
	is(uri.password, "secret");
	is(uri.host, "Example.COM");
	assert_false(uri.host_is_ipv6);
	assert_true(uri.has_port);
	assert_int_equal(uri.port, 5061);
	is(uri.parameters, ";transport=tcp;lr");
	is(uri.headers, "Subject=x&p=1");
}

static void a_host_alone_has_no_user(void **state)
{
	(void)state;
	struct sip_uri uri = parsed("sip:example.com");
	assert_int_equal(uri.scheme, SIP_SCHEME_SIP);
	is(uri.user, "");
	is(uri.host, "example.com");
	assert_false(uri.has_port);
	is(parsed("sip:example.com?a=b").host, "example.com");
	is(parsed("sip:@example.com").host, "example.com");
}

static void a_user_part_may_hold_what_would_end_a_host(void **state)
{
	(void)state;
	// RFC 4475 sections 3.1.1.2 and 3.1.1.7
	struct sip_uri uri = parsed("sip:1_un(to-be!sure)&isn't+it$/crazy?,/;;*:&it@example.com");
	is(uri.user, "1_un(to-be!sure)&isn't+it$/crazy?,/;;*");
	is(uri.password, "&it");
	is(uri.host, "example.com");
	is(uri.headers, "");
	uri = parsed("sip:user;par=u%40example.net@example.com");
	is(uri.user, "user;par=u%40example.net");
	is(uri.user_parameters, "");
}

static void a_number_in_a_user_part_has_parameters(void **state)
{
	(void)state;
	struct sip_uri uri =
		parsed("sip:+49-30-123;phone-context=x.example@example.com;user=phone");
	is(uri.user, "+49-30-123");
	is(uri.user_parameters, ";phone-context=x.example");
	is(uri.parameters, ";user=phone");
	is(parsed("sip:%23123;phone-context=+49@example.com").user, "%23123");
}

static void a_tel_uri_is_a_number_and_parameters(void **state)
{
	(void)state;
	struct sip_uri uri = parsed("Tel:+49-(30)-12.34;isub=1;phone-context=example.com");
	assert_int_equal(uri.scheme, SIP_SCHEME_TEL);
	is(uri.user, "+49-(30)-12.34");
	is(uri.parameters, ";isub=1;phone-context=example.com");
	is(uri.user_parameters, ";isub=1;phone-context=example.com");
	is(uri.host, "");
}

static void an_ipv6_reference_loses_its_brackets(void **state)
{
	(void)state;
	struct sip_uri uri = parsed("sip:a@[2001:db8::1]:5062;lr");
	is(uri.host, "2001:db8::1");
	assert_true(uri.host_is_ipv6);
	assert_int_equal(uri.port, 5062);
	is(uri.parameters, ";lr");
	assert_false(parsed("sip:[2001:db8::1]").has_port);
	is_malformed("sip:a@[2001:db8::1");
}

static void an_ipv6_address_without_brackets_is_understood(void **state)
{
	(void)state;
	// as in the capture sip-udp-ipv6-call
	struct sip_uri uri = parsed("sip:4321@2001:db8:0:0:216:d3ff:fe0d:22c");
	is(uri.user, "4321");
	is(uri.host, "2001:db8:0:0:216:d3ff:fe0d:22c");
	assert_true(uri.host_is_ipv6);
	assert_false(uri.has_port);

	uri = parsed("sip:4321@2001:db8:0:0:216:d3ff:fe0d:22c:5060;lr");
	is(uri.host, "2001:db8:0:0:216:d3ff:fe0d:22c");
	assert_int_equal(uri.port, 5060);
	is(uri.parameters, ";lr");

	uri = parsed("sip:2001:db8::1"); // no user: the first colon is not a password's
	is(uri.user, "");
	is(uri.host, "2001:db8::1");

	uri = parsed("sip:a@not:an:address");
	is(uri.host, "not");
	assert_false(uri.host_is_ipv6);
	assert_false(uri.has_port);
}

static void a_broken_host_or_port_still_shows_the_user(void **state)
{
	(void)state;
	struct sip_uri uri = parsed("sip:0298765432100@<null>");
	is(uri.user, "0298765432100");
	is(uri.host, "<null>");
	uri = parsed("sip:alice@:5060");
	is(uri.user, "alice");
	is(uri.host, "");
	static const char *const bad_ports[] = {"sip:a@b:", "sip:a@b:65536", "sip:a@b:5x",
		"sip:a@b:-1", "sip:a@[2001:db8::1]5060", "sip:a@b:99999999999999999999"};
	for (size_t i = 0; i < sizeof bad_ports / sizeof bad_ports[0]; i++) {
		uri = parsed(bad_ports[i]);
		is(uri.user, "a");
		assert_false(uri.has_port);
		assert_int_equal(uri.port, 0);
	}
	assert_int_equal(parsed("sip:a@b:65535").port, 65535);
}

static void blanks_and_slashes_are_no_part_of_user_and_host(void **state)
{
	(void)state;
	static const char *const texts[] = {"sip:alice@example.com :5060",
		"sip: alice@example.com:5060", "sip://alice@example.com: 5060",
		"sip:alice @ example.com:5060"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct sip_uri uri = parsed(texts[i]);
		is(uri.user, "alice");
		is(uri.host, "example.com");
	}
	assert_int_equal(parsed("sip:alice@example.com :5060").port, 5060);
	assert_int_equal(parsed("sip:alice@[2001:db8::1] :5060").port, 5060);
	is(parsed("sip:/alice@example.com").user, "/alice");
}

static void what_is_no_uri_is_malformed(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "*", "sip", "sip:", ":x", "1sip:x",
		"alan@example.com", "@", "<sip:a@b>", "a b:c"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		is_malformed(texts[i]);
}

static void of_other_schemes_nothing_but_the_scheme_is_read(void **state)
{
	(void)state;
	struct sip_uri uri = parsed("soap.beep://192.0.2.103:3002");
	assert_int_equal(uri.scheme, SIP_SCHEME_OTHER);
	is(uri.user, "");
	is(uri.host, "");
	enum sip_scheme scheme;
	assert_int_equal(sip_uri_scheme(bytes_of_text("urn:service:sos"), &scheme), 4);
	assert_int_equal(scheme, SIP_SCHEME_OTHER);
	assert_int_equal(sip_uri_scheme(bytes_of_text("urn;x:y"), &scheme), 0);
}

static void unescapes_to(const char *from, const char *expected)
{
	uint8_t to[64];
	size_t len = sip_uri_unescape(bytes_of_text(from), to, sizeof to);
	is(bytes_of(to, len), expected);
}

static void escapes_are_replaced_and_broken_ones_kept(void **state)
{
	(void)state;
	unescapes_to("", "");
	unescapes_to("a%6Cice%20%7e", "alice ~");
	unescapes_to("100%", "100%");
	unescapes_to("%4", "%4");
	unescapes_to("%zz%4g%%41", "%zz%4g%A");
	unescapes_to("%2541", "%41"); // once, not twice
	uint8_t nul[1];
	assert_int_equal(sip_uri_unescape(bytes_of_text("%00"), nul, 1), 1);
	assert_int_equal(nul[0], 0);
}

static void what_does_not_fit_is_not_unescaped(void **state)
{
	(void)state;
	uint8_t *to = exact_copy("...", 3);
	assert_int_equal(sip_uri_unescape(bytes_of_text("%61bc"), to, 3), 3);
	assert_memory_equal(to, "abc", 3);
	assert_true(sip_uri_unescape(bytes_of_text("abcd"), to, 3) == SIZE_MAX);
	assert_true(sip_uri_unescape(bytes_of_text("a"), to, 0) == SIZE_MAX);
	free(to);
}

static void parse_and_unescape(struct bytes text)
{
	struct sip_uri uri;
	uint8_t to[128];
	if (sip_uri_parse(text, &uri) == PARSE_OK)
		assert_true(uri.scheme == SIP_SCHEME_SIP || uri.scheme == SIP_SCHEME_TEL);
	assert_true(sip_uri_unescape(text, to, sizeof to) <= text.len);
}

static void no_prefix_of_a_uri_is_read_past_its_end(void **state)
{
	(void)state;
	static const char *const samples[] = {
		"sip:a%6Cice;x=y:secret@[2001:db8::1]:5062;user=phone;lr?a=b%20",
		"sip:4321@2001:db8:0:0:216:d3ff:fe0d:22c:5060;lr",
		"tel:+49-30-1234;phone-context=example.com",
	};
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
		cut_at_every_length(bytes_of_text(samples[i]), parse_and_unescape);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sip_uri_is_split_into_all_its_parts),
		cmocka_unit_test(a_host_alone_has_no_user),
		cmocka_unit_test(a_user_part_may_hold_what_would_end_a_host),
		cmocka_unit_test(a_number_in_a_user_part_has_parameters),
		cmocka_unit_test(a_tel_uri_is_a_number_and_parameters),
		cmocka_unit_test(an_ipv6_reference_loses_its_brackets),
		cmocka_unit_test(an_ipv6_address_without_brackets_is_understood),
		cmocka_unit_test(a_broken_host_or_port_still_shows_the_user),
		cmocka_unit_test(blanks_and_slashes_are_no_part_of_user_and_host),
		cmocka_unit_test(what_is_no_uri_is_malformed),
		cmocka_unit_test(of_other_schemes_nothing_but_the_scheme_is_read),
		cmocka_unit_test(escapes_are_replaced_and_broken_ones_kept),
		cmocka_unit_test(what_does_not_fit_is_not_unescaped),
		cmocka_unit_test(no_prefix_of_a_uri_is_read_past_its_end),
	};
	return cmocka_run_group_tests_name("sip_uri", tests, NULL, NULL);
}
