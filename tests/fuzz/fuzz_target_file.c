// Any octets as a target file: tasks or problems, never both, and what is accepted can be compiled.
#include "fuzz.h"
#include "target_file.h"
#include "target_table.h"

static void check_task(const struct target_set *set, const struct task *task)
{
	FUZZ_CHECK(task->identifier_count >= 1 && task->identifier_count <= TASK_MAX_IDENTIFIERS);
	FUZZ_CHECK(task->destination_count >= 1);
	FUZZ_CHECK(task->services <= (SERVICE_VOICE | SERVICE_MESSAGING | SERVICE_DATA));
	for (size_t i = 0; i < task->destination_count; i++) {
		FUZZ_CHECK(task->destinations[i] < set->destination_count);
		for (size_t other = 0; other < i; other++)
			FUZZ_CHECK(task->destinations[i] != task->destinations[other]);
	}
	struct identity identity;
	bool has_party = task_identity(task, &identity);
	for (size_t i = 0; i < task->identifier_count; i++) {
		const struct identifier *id = &task->identifiers[i];
		FUZZ_CHECK(
			id->identity.len == 0 || (has_party && identity.kind == id->identity_kind));
		FUZZ_CHECK(id->fragment && id->fragment[0] == '<');
		FUZZ_CHECK(id->identity.len <= IDENTITY_MAX);
		for (size_t p = 0; p < id->port_count; p++)
			FUZZ_CHECK(id->ports[p].first <= id->ports[p].last);
	}
}

// Members of Redundant sets are destinations, which stand before all sets.
static void check_destination(const struct target_set *set, const struct destination *d)
{
	FUZZ_CHECK(d->member_count <= DESTINATION_SET_MAX);
	for (size_t i = 0; i < d->member_count; i++) {
		FUZZ_CHECK(&set->destinations[d->members[i]] < d);
		FUZZ_CHECK(set->destinations[d->members[i]].member_count == 0);
	}
}

static void check_entry(const struct target_table *table, const struct task *task)
{
	struct identity identity;
	FUZZ_CHECK(target_table_holds(table, task->slot, task->generation));
	if (task_identity(task, &identity))
		FUZZ_CHECK(target_table_asks(table, identity.kind));
}

static void check_set(struct target_set *set, const struct numbering *numbering)
{
	enum { CAPACITY = 64 };
	const struct hash_key key = {1, 2};
	struct target_changes changes;
	for (size_t i = 0; i < set->task_count; i++)
		check_task(set, &set->tasks[i]);
	for (size_t i = 0; i < set->destination_count; i++)
		check_destination(set, &set->destinations[i]);
	FUZZ_CHECK(target_set_adopt(set, NULL, CAPACITY, &changes, NULL) == 0);
	FUZZ_CHECK(changes.added == set->task_count);
	for (size_t i = 0; i < set->task_count; i++) {
		const struct task *task = &set->tasks[i];
		FUZZ_CHECK(target_set_find(set, &task->xid) == task);
		for (uint32_t d = 0; d < task->destination_count; d++)
			FUZZ_CHECK(target_set_owns(set, task_owner(task, d)));
	}
	struct target_table *table = target_table_new(set, CAPACITY, &key, numbering, false, NULL);
	FUZZ_CHECK(table);
	for (size_t i = 0; i < set->task_count; i++)
		check_entry(table, &set->tasks[i]);
	target_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct numbering numbering = {"49", "0", "00", NULL, 0};
	const struct target_rules rules = {.ne_identifier = "probe-01.example.net",
		.numbering = &numbering,
		.allow_wide_targets = size % 2,
		.capacity = 64};
	struct problems problems;
	problems_init(&problems, "fuzz");
	struct target_set *set = target_file_parse(bytes_of(data, size), &rules, &problems);
	FUZZ_CHECK((set == NULL) == (problems.count > 0));
	if (set)
		check_set(set, &numbering);
	target_set_free(set);
	problems_fini(&problems);
	return 0;
}
