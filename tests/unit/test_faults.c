#include "faults.h"

#include <stdio.h>

#include "log.h"
#include "unit.h"

struct told {
	char lines[32][1024];
	size_t count;
};

static void note(void *context, const struct fault *fault, bool begins)
{
	struct told *told = context;
	snprintf(told->lines[told->count++], sizeof told->lines[0], "%c %s %s %s", begins ? '+' : '-',
		fault_info(fault->kind)->name, fault->about, fault->text);
}

static struct faults *fresh(struct told *told)
{
	struct faults *f = calloc(1, sizeof *f);
	assert_non_null(f);
	told->count = 0;
	f->tell = note;
	f->context = told;
	return f;
}

static void a_condition_is_told_when_it_begins_and_when_it_ends(void **state)
{
	(void)state;
	static struct told told;
	struct faults *f = fresh(&told);
	for (int i = 0; i < 5; i++)
		fault_begin(f, FAULT_MF_UNREACHABLE, "a", "refused");
	assert_int_equal(told.count, 1);
	assert_string_equal(told.lines[0], "+ mf unreachable a refused");
	assert_true(fault_is_on(f, FAULT_MF_UNREACHABLE, "a"));
	assert_false(fault_is_on(f, FAULT_MF_UNREACHABLE, "b"));
	for (int i = 0; i < 5; i++)
		fault_end(f, FAULT_MF_UNREACHABLE, "a");
	assert_int_equal(told.count, 2);
	assert_string_equal(told.lines[1], "- mf unreachable a refused");
	assert_int_equal(f->count, 0);
	free(f);
}

static void the_text_follows_what_is_the_matter_and_is_told_again_only_where_that_helps(void **state)
{
	(void)state;
	static struct told told;
	struct faults *f = fresh(&told);
	fault_begin(f, FAULT_MF_UNREACHABLE, "a", "refused");
	fault_begin(f, FAULT_MF_UNREACHABLE, "a", "no answer");
	assert_int_equal(told.count, 1);
	assert_string_equal(f->list[0].text, "no answer");
	fault_begin(f, FAULT_TLS_EXPIRY, "certificate", "30 days");
	fault_begin(f, FAULT_TLS_EXPIRY, "certificate", "7 days");
	assert_int_equal(told.count, 3);
	free(f);
}

static void kinds_and_what_they_are_about_are_apart(void **state)
{
	(void)state;
	static struct told told;
	struct faults *f = fresh(&told);
	fault_begin(f, FAULT_QUEUE, "a", "full");
	fault_begin(f, FAULT_QUEUE, "b", "full");
	fault_begin(f, FAULT_LOSS, "a", "lost");
	fault_end(f, FAULT_QUEUE, "a");
	assert_int_equal(f->count, 2);
	assert_true(fault_is_on(f, FAULT_QUEUE, "b"));
	assert_true(fault_is_on(f, FAULT_LOSS, "a"));
	free(f);
}

static void what_exists_only_because_iri_flow_is_for_the_li_side_alone(void **state)
{
	(void)state;
	static struct told told;
	struct faults *f = fresh(&told);
	fault_begin(f, FAULT_QUEUE, "a", "full");
	fault_begin(f, FAULT_LOSS, "a", "lost");
	fault_begin(f, FAULT_SPOOL, "a", "full");
	fault_begin_li(f, FAULT_MF_UNREACHABLE, "a", "refused");
	for (size_t i = 0; i < f->count; i++)
		assert_false(fault_is_public(&f->list[i]));
	fault_begin(f, FAULT_MF_UNREACHABLE, "b", "refused");
	assert_true(fault_is_public(&f->list[4]));
	free(f);
}

static void every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < FAULT_KINDS; i++) {
		assert_non_null(fault_info((enum fault_kind)i)->name);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(fault_info((enum fault_kind)i)->name,
				fault_info((enum fault_kind)j)->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_is_told_when_it_begins_and_when_it_ends),
		cmocka_unit_test(
			the_text_follows_what_is_the_matter_and_is_told_again_only_where_that_helps),
		cmocka_unit_test(kinds_and_what_they_are_about_are_apart),
		cmocka_unit_test(what_exists_only_because_iri_flow_is_for_the_li_side_alone),
		cmocka_unit_test(every_kind_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
