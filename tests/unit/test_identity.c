#include "unit.h"

#include "identity.h"

static const char *const number_domains[] = {"numbers.example.net", "2001:db8::5"};
static const struct numbering germany = {"49", "0", "00", number_domains, 2};
static const struct numbering nowhere = {.country_code = ""};

static void assert_identity(const struct identity *i, enum identity_kind kind, const char *octets)
{
	char shown[IDENTITY_MAX + 1] = {0};
	memcpy(shown, i->octets, i->len);
	assert_string_equal(shown, octets);
	assert_int_equal(i->kind, kind);
}

static struct sip_uri uri_of(const char *text)
{
	struct sip_uri uri;
	assert_int_equal(sip_uri_parse(bytes_of_text(text), &uri), PARSE_OK);
	return uri;
}

// What a URI shows as "user@host" and as a number; NULL: nothing of the kind. "~" before a number: a local one.
static void assert_shows(
	const struct numbering *n, const char *text, const char *at_host, const char *number)
{
	struct identity shown[IDENTITIES_PER_URI];
	struct sip_uri uri = uri_of(text);
	size_t count = identities_of_uri(&uri, n, shown), expected = 0;
	if (at_host)
		assert_identity(&shown[expected++], IDENTITY_URI, at_host);
	if (number && number[0] == '~')
		assert_identity(&shown[expected++], IDENTITY_LOCAL_NUMBER, number + 1);
	else if (number)
		assert_identity(&shown[expected++], IDENTITY_NUMBER, number);
	assert_int_equal(count, expected);
}

static void a_user_is_unescaped_and_keeps_its_case_but_the_host_does_not(void **state)
{
	(void)state;
	assert_shows(&nowhere, "sip:Alice%2eB@Example.COM", "Alice.B@example.com", NULL);
	assert_shows(&nowhere, "sips:alice@example.com.", "alice@example.com", NULL);
	assert_shows(&nowhere, "sip:alice:secret@example.com:5070;transport=tcp?a=b",
		"alice@example.com", NULL);
	assert_shows(&nowhere, "sip:alice@ex%61mple.c%4Fm.", "alice@example.com", NULL);
	assert_shows(&nowhere, "sip:alice@ex%40mple.com", NULL, NULL);
	assert_shows(&nowhere, "sip:alice@100%.example", "alice@100%.example", NULL);
	assert_shows(&nowhere, "sip:a;b@example.com", "a;b@example.com", NULL);
	assert_shows(&nowhere, "sip:alice@[2001:DB8::1]:5060",
		"alice@2001:0db8:0000:0000:0000:0000:0000:0001", NULL);
	assert_shows(&nowhere, "sip:alice@2001:db8:0::1",
		"alice@2001:0db8:0000:0000:0000:0000:0000:0001", NULL);
}

static void every_spelling_of_a_global_number_is_one_number(void **state)
{
	(void)state;
	static const char *const same[] = {"tel:+4930123456", "tel:+49-30-123.456",
		"TEL:+49(30)123456", "tel:+49%2030%20123456", "tel:030123456", "tel:004930123456",
		"tel:030123456;phone-context=+49", "tel:30123456;phone-context=+49",
		"tel:123456;phone-context=+49-30",
		"tel:030123456;phone-context=numbers.example.net", "tel:+4930123456;isub=5"};
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		assert_shows(&germany, same[i], NULL, "4930123456");
	assert_shows(&nowhere, "tel:+4930123456", NULL, "4930123456");
}

static void numbers_in_sip_uris_are_numbers_where_the_uri_says_so(void **state)
{
	(void)state;
	const struct numbering *n = &germany;
	assert_shows(n, "sip:+49-30-1@a.example.com", "+49-30-1@a.example.com", "49301");
	assert_shows(n, "sip:%2B49301@a.example.com", "+49301@a.example.com", "49301");
	assert_shows(n, "sip:0301@a.example.com;user=phone", "0301@a.example.com", "49301");
	assert_shows(n, "sip:0301;phone-context=+44@a.example.com;user=PHONE", "0301@a.example.com",
		"440301");
	assert_shows(n, "sip:0301@a.example.com", "0301@a.example.com", NULL);
	assert_shows(n, "sip:0301@Numbers.example.net.", "0301@numbers.example.net", "49301");
	assert_shows(n, "sip:0301@[2001:db8:0:0::5]",
		"0301@2001:0db8:0000:0000:0000:0000:0000:0005", "49301");
	assert_shows(n, "sip:0301a@numbers.example.net", "0301a@numbers.example.net", NULL);
	assert_shows(n, "sip:bob@a.example.com;user=phone", "bob@a.example.com", NULL);
	assert_shows(n, "sip:+bob@a.example.com", "+bob@a.example.com", NULL);
}

static void what_numbering_cannot_make_global_stays_local(void **state)
{
	(void)state;
	assert_shows(&nowhere, "tel:0301", NULL, "~0301");
	assert_shows(&germany, "tel:112", NULL, "~112");
	assert_shows(&germany, "tel:*21%23", NULL, "~*21#");
	assert_shows(&germany, "tel:0a1", NULL, "~0A1");
	assert_shows(&germany, "tel:0301;phone-context=other.example.com", NULL, "~0301");
	assert_shows(&germany, "sip:112@a.example.com;user=phone", "112@a.example.com", "~112");
	struct numbering closed = {"45", "", "00", NULL, 0}; // no national prefix
	assert_shows(&closed, "tel:32101234", NULL, "4532101234");
}

static void broken_uris_show_what_can_be_read(void **state)
{
	(void)state;
	assert_shows(&nowhere, "sip:0298765432100@<null>", "0298765432100@<null>", NULL);
	assert_shows(&nowhere, "sip:example.com", NULL, NULL); // a domain is no subscriber
	assert_shows(&nowhere, "http://a@example.com", NULL, NULL);
	assert_shows(&nowhere, "sip:a@b@c", NULL, NULL); // whose is it?
	assert_shows(&nowhere, "tel:+", NULL, NULL);
	assert_shows(&nowhere, "tel:+49*1", NULL, NULL);
}

static void what_is_too_long_is_nobody(void **state)
{
	(void)state;
	char text[700];
	struct identity shown[IDENTITIES_PER_URI];
	for (size_t user = IDENTITY_MAX - 4; user < IDENTITY_MAX + 4; user++) {
		memcpy(text, "sip:", 4);
		memset(text + 4, 'x', user);
		strcpy(text + 4 + user, "@h");
		struct sip_uri uri = uri_of(text);
		assert_int_equal(
			identities_of_uri(&uri, &nowhere, shown), user + 2 <= IDENTITY_MAX);
	}
	memset(text, '1', 100);
	text[100] = '\0';
	memcpy(text, "tel:+", 5);
	struct sip_uri uri = uri_of(text);
	assert_int_equal(identities_of_uri(&uri, &nowhere, shown), 0);
	assert_false(identity_of_nai(bytes_of(text, 501), shown));
}

static void assert_target(
	const struct numbering *n, const char *text, enum identity_kind kind, const char *octets)
{
	struct identity identity;
	struct sip_uri uri = uri_of(text);
	assert_true(identity_of_target_uri(&uri, n, &identity));
	assert_identity(&identity, kind, octets);
}

static void a_target_is_compared_by_its_global_number_or_else_by_its_host(void **state)
{
	(void)state;
	const char *number = "49301";
	assert_target(&germany, "sip:+49301@a.example.com", IDENTITY_NUMBER, number);
	assert_target(&germany, "sip:0301@a.example.com;user=phone", IDENTITY_NUMBER, number);
	assert_target(&germany, "tel:0301", IDENTITY_NUMBER, number);
	assert_target(&germany, "tel:112", IDENTITY_LOCAL_NUMBER, "112");
	assert_target(
		&germany, "sip:112@a.example.com;user=phone", IDENTITY_URI, "112@a.example.com");
	assert_target(&germany, "sip:0301@a.example.com", IDENTITY_URI, "0301@a.example.com");
	struct identity identity;
	struct sip_uri uri = uri_of("sip:example.com");
	assert_false(identity_of_target_uri(&uri, &germany, &identity));
}

static void e164_and_nai_have_one_form(void **state)
{
	(void)state;
	struct identity i;
	assert_true(identity_of_e164(bytes_of_text("4930123456"), &i));
	assert_identity(&i, IDENTITY_NUMBER, "4930123456");
	static const char *const bad[] = {"", "+49", "49 30", "1234567890123456"};
	for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
		assert_false(identity_of_e164(bytes_of_text(bad[k]), &i));
	assert_true(identity_of_nai(bytes_of_text("Bob@X@Example.ORG"), &i));
	assert_identity(&i, IDENTITY_NAI, "Bob@X@example.org");
	assert_true(identity_of_nai(bytes_of_text("VOI18062"), &i));
	assert_identity(&i, IDENTITY_NAI, "VOI18062");
}

static bool holds(const char *stated, enum identity_kind kind, const char *seen)
{
	struct sip_uri target = uri_of(stated), uri = uri_of(seen);
	assert_true(identity_states_more(&target, kind));
	return identity_stated_holds(&target, kind, &uri);
}

static void a_target_states_port_password_and_parameters(void **state)
{
	(void)state;
	struct sip_uri plain = uri_of("sip:+491@h;user=phone");
	assert_false(identity_states_more(&plain, IDENTITY_NUMBER));
	plain = uri_of("tel:01;phone-context=+49");
	assert_false(identity_states_more(&plain, IDENTITY_NUMBER));

	assert_true(holds("sip:a@h:5070", IDENTITY_URI, "sip:a@h:5070;x=y"));
	assert_false(holds("sip:a@h:5060", IDENTITY_URI, "sip:a@h"));
	assert_false(holds("sip:a@h:5070", IDENTITY_URI, "sip:a@h:5071"));
	assert_true(holds("sip:a:p@h", IDENTITY_URI, "sip:a:p@h"));
	assert_false(holds("sip:a:p@h", IDENTITY_URI, "sip:a:P@h"));
	assert_true(holds("sip:a@h;transport=tcp;lr", IDENTITY_URI, "sip:a@h;lr;Transport=TCP"));
	assert_false(holds("sip:a@h;transport=tcp;lr", IDENTITY_URI, "sip:a@h;transport=tcp"));
	assert_false(holds("sip:a@h;transport=tcp", IDENTITY_URI, "sip:a@h;transport=tcpx"));
	assert_true(holds("tel:+491;ext=5", IDENTITY_NUMBER, "sip:+491;ext=5@h;user=phone"));
	assert_false(holds("tel:+491;ext=5", IDENTITY_NUMBER, "tel:+491;ext=6"));
	assert_true(holds("tel:112;phone-context=a.example.com", IDENTITY_LOCAL_NUMBER,
		"tel:112;phone-context=A.example.com"));
	assert_false(
		holds("tel:112;phone-context=a.example.com", IDENTITY_LOCAL_NUMBER, "tel:112"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_is_unescaped_and_keeps_its_case_but_the_host_does_not),
		cmocka_unit_test(every_spelling_of_a_global_number_is_one_number),
		cmocka_unit_test(numbers_in_sip_uris_are_numbers_where_the_uri_says_so),
		cmocka_unit_test(what_numbering_cannot_make_global_stays_local),
		cmocka_unit_test(broken_uris_show_what_can_be_read),
		cmocka_unit_test(what_is_too_long_is_nobody),
		cmocka_unit_test(a_target_is_compared_by_its_global_number_or_else_by_its_host),
		cmocka_unit_test(e164_and_nai_have_one_form),
		cmocka_unit_test(a_target_states_port_password_and_parameters),
	};
	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
