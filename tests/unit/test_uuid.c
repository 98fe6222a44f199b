#include "unit.h"

#include "uuid.h"

static void a_uuid_survives_text_and_back_in_lower_case(void **state)
{
	(void)state;
	struct uuid u;
	char text[UUID_TEXT];
	assert_true(uuid_parse(bytes_of_text("8C292FA1-5831-46ec-86be-bd85f2083299"), &u));
	assert_memory_equal(
		u.octets, "\x8c\x29\x2f\xa1\x58\x31\x46\xec\x86\xbe\xbd\x85\xf2\x08\x32\x99", 16);
	uuid_format(&u, text);
	assert_string_equal(text, "8c292fa1-5831-46ec-86be-bd85f2083299");
}

static void anything_but_the_8_4_4_4_12_form_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "8c292fa1583146ec86bebd85f2083299",
		"{8c292fa1-5831-46ec-86be-bd85f2083299}", "8c292fa1-5831-46ec-86be-bd85f208329",
		"8c292fa1-5831-46ec-86be-bd85f208329g", "8c292fa15-831-46ec-86be-bd85f2083299"};
	struct uuid u;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(uuid_parse(bytes_of_text(bad[i]), &u));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uuid_survives_text_and_back_in_lower_case),
		cmocka_unit_test(anything_but_the_8_4_4_4_12_form_is_refused),
	};
	return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
