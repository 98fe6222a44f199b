#include "unit.h"

#include "yaml.h"

static const struct yaml_mark nowhere = {0, 0};

static void problems_are_told_in_the_order_of_the_file(void **state)
{
	(void)state;
	struct problems p;
	problems_init(&p, "targets.yaml");
	problems_add(&p, (struct yaml_mark){12, 3}, 0, "third");
	problems_add(&p, (struct yaml_mark){2, 9}, 0, "first of %d", 4);
	problems_add(&p, (struct yaml_mark){12, 1}, 0, "second");
	problems_add(&p, (struct yaml_mark){12, 3}, 0, "fourth, found later at the same place");
	assert_string_equal(p.text,
		"targets.yaml:2:9: error: first of 4\n"
		"targets.yaml:12:1: error: second\n"
		"targets.yaml:12:3: error: third\n"
		"targets.yaml:12:3: error: fourth, found later at the same place\n");
	assert_int_equal(p.len, strlen(p.text));
	assert_int_equal(p.count, 4);
	problems_fini(&p);
	assert_null(p.text);
}

static void a_problem_of_the_whole_file_has_no_position_and_comes_first(void **state)
{
	(void)state;
	struct problems p;
	problems_init(&p, "a:1:2: error.yaml");
	problems_add(&p, (struct yaml_mark){1, 1}, 0, "here");
	problems_add(&p, nowhere, 0, "no such file");
	assert_string_equal(p.text,
		"a:1:2: error.yaml: error: no such file\na:1:2: error.yaml:1:1: error: here\n");
	problems_fini(&p);
}

static void the_first_code_is_that_of_the_first_place(void **state)
{
	(void)state;
	struct problems p;
	problems_init(&p, "f");
	problems_add(&p, (struct yaml_mark){1, 1}, 0, "no code");
	assert_int_equal(p.first_code, 0);
	problems_add(&p, (struct yaml_mark){9, 1}, 3020, "later");
	problems_add(&p, (struct yaml_mark){5, 1}, 2010, "earlier");
	problems_add(&p, (struct yaml_mark){7, 1}, 3010, "between");
	assert_int_equal(p.first_code, 2010);
	problems_fini(&p);
}

static void text_from_a_file_cannot_break_lines_or_steer_a_terminal(void **state)
{
	(void)state;
	struct problems p;
	problems_init(&p, "f");
	problems_add(&p, (struct yaml_mark){1, 1}, 0, "key '%s'", "a\nf:1:1: error: \x1b[2J\x7f");
	assert_string_equal(p.text, "f:1:1: error: key 'a?f:1:1: error: ?[2J?'\n");
	problems_fini(&p);
}

static void beyond_the_limit_problems_are_counted_only(void **state)
{
	(void)state;
	struct problems p;
	problems_init(&p, "f");
	for (uint32_t line = PROBLEMS_MAX + 5; line > 0; line--)
		problems_add(&p, (struct yaml_mark){line, 1}, 0, "bad");
	assert_int_equal(p.count, PROBLEMS_MAX + 5);
	assert_int_equal(p.kept, PROBLEMS_MAX);
	unsigned lines = 0, last = 0;
	for (const char *at = p.text; *at; at = strchr(at, '\n') + 1, lines++) {
		unsigned line = (unsigned)strtoul(at + 2, NULL, 10);
		assert_true(line > last);
		last = line;
	}
	assert_int_equal(lines, PROBLEMS_MAX);
	problems_fini(&p);
}

static void an_overlong_message_is_cut_and_still_ends_its_line(void **state)
{
	(void)state;
	struct problems p;
	char longest[5000];
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	problems_init(&p, "f");
	problems_add(&p, (struct yaml_mark){1, 1}, 0, "%s", longest);
	problems_add(&p, (struct yaml_mark){2, 1}, 0, "next");
	assert_true(p.len < 2000);
	assert_non_null(strstr(p.text, "xxx\nf:2:1: error: next\n"));
	problems_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems_are_told_in_the_order_of_the_file),
		cmocka_unit_test(a_problem_of_the_whole_file_has_no_position_and_comes_first),
		cmocka_unit_test(the_first_code_is_that_of_the_first_place),
		cmocka_unit_test(text_from_a_file_cannot_break_lines_or_steer_a_terminal),
		cmocka_unit_test(beyond_the_limit_problems_are_counted_only),
		cmocka_unit_test(an_overlong_message_is_cut_and_still_ends_its_line),
	};
	return cmocka_run_group_tests_name("problems", tests, NULL, NULL);
}
