#include "sip.h"
#include "unit.h"

static void is(struct bytes part, const char *expected)
{
	if (!bytes_equal(part, bytes_of_text(expected)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)part.len, (const char *)part.at, expected);
}

// `expected` ends with NULL.
static void has_values(const char *field, const char *const *expected)
{
	struct bytes rest = bytes_of_text(field), value;
	for (; *expected; expected++) {
		assert_true(sip_value_next(&rest, &value));
		is(value, *expected);
	}
	assert_false(sip_value_next(&rest, &value));
	assert_int_equal(rest.len, 0);
}

static struct sip_name_addr parsed(const char *text)
{
	struct sip_name_addr address;
	assert_true(sip_name_addr_parse(bytes_of_text(text), &address));
	return address;
}

static void commas_separate_values(void **state)
{
	(void)state;
	has_values("<sip:a@example.com> ,\r\n\t<tel:1>;q=0.5",
		(const char *[]){"<sip:a@example.com>", "<tel:1>;q=0.5", NULL});
	has_values("*", (const char *[]){"*", NULL});
	has_values(" , ,\r\n , ", (const char *[]){NULL});
	has_values("", (const char *[]){NULL});
	has_values(",a,,b,", (const char *[]){"a", "b", NULL});
}

static void commas_in_quotes_and_brackets_do_not_separate(void **state)
{
	(void)state;
	has_values("\"Bell, A. \\\", \\\\\" <sip:a,b@example.com;x=\"y>;p=\"1,2\", sip:c",
		(const char *[]){"\"Bell, A. \\\", \\\\\" <sip:a,b@example.com;x=\"y>;p=\"1,2\"",
			"sip:c", NULL});
	has_values("\"<\" <sip:a>, \">\" <sip:b>",
		(const char *[]){"\"<\" <sip:a>", "\">\" <sip:b>", NULL});
}

static void an_open_quote_or_bracket_runs_to_the_end(void **state)
{
	(void)state;
	has_values("a, \"b, c", (const char *[]){"a", "\"b, c", NULL});
	has_values("a, \"b, c\\", (const char *[]){"a", "\"b, c\\", NULL});
	has_values("a, <b, c", (const char *[]){"a", "<b, c", NULL});
}

static void a_name_addr_has_display_uri_and_parameters(void **state)
{
	(void)state;
	struct sip_name_addr a =
		parsed("\"J \\\"Rosenberg\\\" <x>\" \r\n < sip:j@example.com;lr > ; tag = 98");
	is(a.display, "J \\\"Rosenberg\\\" <x>");
	is(a.uri, "sip:j@example.com;lr");
	is(a.parameters, "; tag = 98");

	a = parsed("token1~` token2'+_<sip:mundane@example.com>");
	is(a.display, "token1~` token2'+_");
	is(a.uri, "sip:mundane@example.com");
	is(a.parameters, "");
	is(parsed("<tel:112>").display, "");
	is(parsed("\"\" <tel:112>").display, "");
}

static void an_addr_spec_ends_where_its_parameters_begin(void **state)
{
	(void)state;
	struct sip_name_addr a =
		parsed(" sip:vivekg@chair.example.com ;\r\n   tag    = 1918181833n");
	is(a.display, "");
	is(a.uri, "sip:vivekg@chair.example.com");
	is(a.parameters, ";\r\n   tag    = 1918181833n");
	a = parsed("sip:user@example.com?Route=%3Csip:x%3E;tag=1");
	is(a.uri, "sip:user@example.com");
	is(a.parameters, ";tag=1");
	is(parsed("*").uri, "*");
}

static void broken_name_addrs_still_show_their_uri(void **state)
{
	(void)state;
	struct sip_name_addr a = parsed("\"Mr. J. User <sip:j.user@example.com>;tag=1");
	is(a.uri, "sip:j.user@example.com"); // RFC 4475 section 3.1.2.6
	is(a.display, "Mr. J. User");
	is(a.parameters, ";tag=1");
	a = parsed("\\\"arik\\\" <sip:816666@example.com>;tag=6433ef9"); // sip-udp-compact-headers
	is(a.uri, "sip:816666@example.com");
	a = parsed("<sip:0298765432100@<null>>;x=y");
	is(a.uri, "sip:0298765432100@<null");
	is(a.parameters, ";x=y");
	a = parsed("Bob <sip:bob@example.com;tag=1");
	is(a.display, "Bob");
	is(a.uri, "sip:bob@example.com");
	is(a.parameters, ";tag=1");
}

static void odd_name_addrs_still_show_their_uri(void **state)
{
	(void)state;
	static const char *const texts[] = {"Alice sip:alice@example.com;tag=1",
		"\"Alice\" sip:alice@example.com;tag=1", "sip:alice@example.com>;tag=1",
		"A < B <sip:alice@example.com>;tag=1", "\"A <b; C\" sip:alice@example.com ;tag=1",
		"\"Alice sip:alice@example.com;tag=1", "\"sip:bob@x\" sip:alice@example.com;tag=1",
		"\"<sip:bob@x>\" sip:alice@example.com;tag=1",
		"sip:alice@example.com;x=\"<sip:bob@x>\";tag=1"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct sip_name_addr a = parsed(texts[i]);
		is(a.uri, "sip:alice@example.com");
		struct bytes tag;
		assert_true(sip_parameter(a.parameters, "tag", &tag));
		is(tag, "1");
	}
	is(parsed("\"Alice; A.\" sip:alice@example.com").display, "Alice; A.");
	is(parsed("A < B <sip:a@example.com;lr>;x").uri, "sip:a@example.com;lr");
	is(parsed("\"<sip:alice@example.com>\"").uri, "sip:alice@example.com");
}

static void a_display_name_does_not_stand_for_the_uri(void **state)
{
	(void)state;
	is(parsed("\"sip:bob@x\" <sip:alice@example.com>").uri, "sip:alice@example.com");
	is(parsed("sip:bob@x <sip:alice@example.com>").uri, "sip:alice@example.com");
	is(parsed("\"sip:bob@x <sip:alice@example.com>").uri, "sip:alice@example.com");
	is(parsed("\"<sip:bob@x>\" <sip:alice@example.com>").uri, "sip:alice@example.com");
	is(parsed("sip:bob@x <alice@example.com>").uri, "alice@example.com");
	is(parsed("<alice@example.com>;x= sip:bob@x").uri, "alice@example.com");
	is(parsed("alice@example.com;x= sip:bob@x").uri, "alice@example.com");
	is(parsed("<gossip:bob@x>").uri, "gossip:bob@x");
	is(parsed("Gossip-sip:bob@x y").uri, "Gossip-sip:bob@x y");
}

static void an_open_quote_does_not_swallow_the_next_value(void **state)
{
	(void)state;
	has_values("\"Mr X <sip:o@x>, <sip:alice@example.com>",
		(const char *[]){"\"Mr X <sip:o@x>", "<sip:alice@example.com>", NULL});
	has_values("\"Mr X <sip:o@x> , \"Y\" <sip:alice@example.com>",
		(const char *[]){"\"Mr X <sip:o@x>", "\"Y\" <sip:alice@example.com>", NULL});
	is(parsed("\"Mr X <sip:o@x>").uri, "sip:o@x");
	// Once in a field: else a field would be looked at as often as it has quotes.
	has_values("\\\"<>,\\\"<>,\\\"<>", (const char *[]){"\\\"<>,\\\"<>,\\\"<>", NULL});
}

static void without_a_uri_there_is_no_name_addr(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"", "  ", ";tag=1", "\"x\" <>", "\"x\" < >;a", "<", "?a"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct sip_name_addr a;
		assert_false(sip_name_addr_parse(bytes_of_text(texts[i]), &a));
	}
}

static void a_parameter_is_found_by_its_name(void **state)
{
	(void)state;
	struct bytes all = bytes_of_text(
		";Transport=tcp; lr ;x=\"a;user=no\\\";b\" ;\r\n TAG = 98asjd8 ;user=phone;user=ip;open=\"z");
	struct bytes value;
	assert_true(sip_parameter(all, "transport", &value));
	is(value, "tcp");
	assert_true(sip_parameter(all, "lr", &value));
	is(value, "");
	assert_true(sip_parameter(all, "x", &value));
	is(value, "a;user=no\\\";b");
	assert_true(sip_parameter(all, "tag", &value));
	is(value, "98asjd8");
	assert_true(sip_parameter(all, "user", &value));
	is(value, "phone"); // the first
	assert_true(sip_parameter(all, "open", &value));
	is(value, "z");
	assert_false(sip_parameter(all, "ta", &value));
	assert_false(sip_parameter(all, "b", &value));
	assert_false(sip_parameter(bytes_of_text(""), "lr", &value));
}

static void an_auth_parameter_is_found_wherever_it_stands(void **state)
{
	(void)state;
	struct bytes digest = bytes_of_text(
		"Digest realm=\"a, username=no\",\r\n USERNAME = \"al\\\"ice@example.com\" ,qop=auth,nc=00000001");
	struct bytes value;
	assert_true(sip_auth_parameter(digest, "username", &value));
	is(value, "al\\\"ice@example.com");
	assert_true(sip_auth_parameter(digest, "qop", &value));
	is(value, "auth");
	assert_false(sip_auth_parameter(digest, "nonce", &value));
	assert_false(sip_auth_parameter(bytes_of_text("NoOneKnows opaque"), "username", &value));
	assert_true(sip_auth_parameter(bytes_of_text("Digest username=\"\""), "username", &value));
	is(value, "");
}

static void walk(struct bytes text)
{
	struct bytes rest = text, value;
	struct sip_name_addr address;
	while (sip_value_next(&rest, &value))
		if (sip_name_addr_parse(value, &address))
			sip_parameter(address.parameters, "none", &value);
	sip_auth_parameter(text, "none", &value);
}

static void no_prefix_of_a_value_is_read_past_its_end(void **state)
{
	(void)state;
	cut_at_every_length(
		bytes_of_text(
			"\"Bell, \\\"A.\" <sip:a,b@example.com>;p=\"1,\\2\";q , tel:1;x?y=z, C <sip:c>"),
		walk);
	cut_at_every_length(
		bytes_of_text("\"X <sip:o@x> , A < B <sip:a@x>, \"A\" sip:a@x;b, C tel:1>;d"),
		walk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_separate_values),
		cmocka_unit_test(commas_in_quotes_and_brackets_do_not_separate),
		cmocka_unit_test(an_open_quote_or_bracket_runs_to_the_end),
		cmocka_unit_test(a_name_addr_has_display_uri_and_parameters),
		cmocka_unit_test(an_addr_spec_ends_where_its_parameters_begin),
		cmocka_unit_test(broken_name_addrs_still_show_their_uri),
		cmocka_unit_test(odd_name_addrs_still_show_their_uri),
		cmocka_unit_test(a_display_name_does_not_stand_for_the_uri),
		cmocka_unit_test(an_open_quote_does_not_swallow_the_next_value),
		cmocka_unit_test(without_a_uri_there_is_no_name_addr),
		cmocka_unit_test(a_parameter_is_found_by_its_name),
		cmocka_unit_test(an_auth_parameter_is_found_wherever_it_stands),
		cmocka_unit_test(no_prefix_of_a_value_is_read_past_its_end),
	};
	return cmocka_run_group_tests_name("sip_values", tests, NULL, NULL);
}
