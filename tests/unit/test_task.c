// Sets of tasks as they follow one another: who keeps what, and what may still leave.
#include "unit.h"

#include "task.h"

enum { MAX_TASKS = 8, DESTINATIONS = 4, CAPACITY = 16 };

static struct uuid uuid_of(uint8_t name)
{
	return (struct uuid){{name}};
}

// A task as a test says it: XID, what it orders, and the names of its destinations (0 ends them).
struct order {
	uint8_t xid, what;
	uint8_t to[DESTINATIONS + 1];
};

// A set of destinations 1 to DESTINATIONS (the last one a Redundant set of two others) and these tasks.
static struct target_set *set_of(
	const struct order *orders, size_t count, const uint32_t members[2])
{
	struct target_set *set = target_set_new();
	assert_non_null(set);
	set->destinations = target_set_take(set, DESTINATIONS * sizeof *set->destinations);
	set->tasks = target_set_take(set, (count + 1) * sizeof *set->tasks);
	assert_non_null(set->destinations);
	assert_non_null(set->tasks);
	for (uint8_t i = 0; i < DESTINATIONS; i++)
		set->destinations[i].did = uuid_of((uint8_t)(i + 1));
	set->destinations[DESTINATIONS - 1].members = members;
	set->destinations[DESTINATIONS - 1].member_count = 2;
	set->destination_count = DESTINATIONS;
	for (size_t i = 0; i < count; i++) {
		struct task *task = &set->tasks[set->task_count++];
		uint32_t *to = target_set_take(set, DESTINATIONS * sizeof *to);
		assert_non_null(to);
		task->xid = task->header_xid = uuid_of(orders[i].xid);
		task->services = orders[i].what;
		while (orders[i].to[task->destination_count]) {
			to[task->destination_count] = orders[i].to[task->destination_count] - 1u;
			task->destination_count++;
		}
		task->destinations = to;
		task->fingerprint = task_fingerprint(task);
		task->routes = task_routes(set, task);
	}
	return set;
}

static const uint32_t members[2] = {0, 1}, swapped[2] = {1, 0};

static struct target_changes adopt(struct target_set *fresh, const struct target_set *current)
{
	struct target_changes changes;
	assert_int_equal(target_set_adopt(fresh, current, CAPACITY, &changes, NULL), 0);
	return changes;
}

static struct target_set *adopted(
	const struct order *orders, size_t count, const struct target_set *current)
{
	struct target_set *set = set_of(orders, count, members);
	adopt(set, current);
	return set;
}

static const struct task *find(const struct target_set *set, uint8_t name)
{
	struct uuid xid = uuid_of(name);
	return target_set_find(set, &xid);
}

// Under what PDUs of the task wait for the destination of this name.
static uint64_t owner_of(const struct target_set *set, uint8_t xid, uint8_t did)
{
	const struct task *task = find(set, xid);
	assert_non_null(task);
	for (uint32_t i = 0; i < task->destination_count; i++)
		if (task->destinations[i] == did - 1u)
			return task_owner(task, i);
	fail_msg("task %u does not name destination %u", xid, did);
	return 0;
}

static void a_task_in_force_is_found_by_its_xid(void **state)
{
	(void)state;
	struct target_set empty = {0};
	assert_null(find(&empty, 1)); // before the first load
	const struct order orders[] = {{1, 0, {1}}, {2, 0, {1}}, {200, 0, {1}}};
	struct target_set *set = set_of(orders, 3, members);
	assert_null(find(set, 1)); // not adopted
	adopt(set, NULL);
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(find(set, orders[i].xid), &set->tasks[i]);
	assert_null(find(set, 3));
	assert_null(find(set, 0));
	target_set_free(set);

	set = adopted(NULL, 0, NULL);
	assert_null(find(set, 1));
	target_set_free(set);
}

static void a_task_names_what_it_lists_and_not_the_members_of_a_redundant_set(void **state)
{
	(void)state;
	const struct order orders[] = {{1, 0, {3, 4}}, {2, 0, {1}}};
	struct target_set *set = adopted(orders, 2, NULL);
	static const bool named[2][DESTINATIONS + 2] = {{false, false, false, true, true, false},
		{false, true, false, false, false, false}};
	for (size_t i = 0; i < 2; i++)
		for (uint8_t did = 0; did < DESTINATIONS + 2; did++) {
			struct uuid uuid = uuid_of(did);
			assert_int_equal(
				task_names_destination(set, &set->tasks[i], &uuid), named[i][did]);
		}
	target_set_free(set);
}

static void a_change_of_what_is_ordered_ends_what_waits_for_all_destinations(void **state)
{
	(void)state;
	struct target_set *a = adopted((struct order[]){{1, 1, {1, 2}}, {2, 1, {1}}}, 2, NULL);
	struct target_set *b = set_of((struct order[]){{2, 1, {1}}, {1, 2, {1, 2}}}, 2, members);
	struct target_changes changes = adopt(b, a);
	assert_int_equal(changes.changed, 1);
	assert_int_equal(changes.same, 1);
	assert_int_equal(find(b, 1)->slot, find(a, 1)->slot);
	assert_int_not_equal(find(b, 1)->generation, find(a, 1)->generation);
	assert_int_equal(find(b, 2)->generation, find(a, 2)->generation);
	assert_false(target_set_owns(b, owner_of(a, 1, 1)));
	assert_false(target_set_owns(b, owner_of(a, 1, 2)));
	assert_true(target_set_owns(b, owner_of(a, 2, 1)));
	assert_true(target_set_owns(b, owner_of(b, 1, 1)));
	target_set_free(a);
	target_set_free(b);
}

static void a_change_of_destinations_ends_what_waits_for_those_taken_out_alone(void **state)
{
	(void)state;
	struct target_set *a = adopted((struct order[]){{1, 0, {1, 2}}}, 1, NULL);
	uint64_t to_1 = owner_of(a, 1, 1), to_2 = owner_of(a, 1, 2);
	assert_int_not_equal(to_1, to_2);
	assert_true(target_set_owns(a, to_1) && target_set_owns(a, to_2));

	// In another order: nothing changed.
	struct target_set *b = set_of((struct order[]){{1, 0, {2, 1}}}, 1, members);
	assert_int_equal(adopt(b, a).same, 1);
	assert_int_equal(owner_of(b, 1, 1), to_1);
	assert_int_equal(owner_of(b, 1, 2), to_2);

	// 1 goes, 3 comes.
	struct target_set *c = set_of((struct order[]){{1, 0, {3, 2}}}, 1, members);
	assert_int_equal(adopt(c, b).changed, 1);
	assert_int_equal(find(c, 1)->generation, find(a, 1)->generation); // sessions go on
	assert_false(target_set_owns(c, to_1));
	assert_true(target_set_owns(c, to_2));
	uint64_t to_3 = owner_of(c, 1, 3);
	assert_true(target_set_owns(c, to_3));

	// 1 comes back: what waited for it before it was taken out stays ended.
	struct target_set *d = set_of((struct order[]){{1, 0, {1, 2, 3}}}, 1, members);
	assert_int_equal(adopt(d, c).changed, 1);
	assert_false(target_set_owns(d, to_1));
	assert_true(target_set_owns(d, to_2));
	assert_true(target_set_owns(d, to_3));
	target_set_free(a);
	target_set_free(b);
	target_set_free(c);
	target_set_free(d);
}

static void a_task_that_ends_takes_what_waits_along_also_when_its_slot_is_given_anew(void **state)
{
	(void)state;
	struct target_set *a = adopted((struct order[]){{1, 0, {1, 4}}, {2, 0, {1}}}, 2, NULL);
	uint64_t ended = owner_of(a, 1, 1), of_set = owner_of(a, 1, 4), stays = owner_of(a, 2, 1);
	struct target_set *b = adopted((struct order[]){{2, 0, {1}}}, 1, a);
	assert_false(target_set_owns(b, ended));
	assert_false(target_set_owns(b, of_set));
	assert_true(target_set_owns(b, stays));
	struct target_set *c = adopted((struct order[]){{2, 0, {1}}, {3, 0, {1, 4}}}, 2, b);
	assert_int_equal(find(c, 3)->slot, find(a, 1)->slot);
	assert_false(target_set_owns(c, ended));
	assert_false(target_set_owns(c, of_set));
	assert_true(target_set_owns(c, stays));
	assert_false(target_set_owns(c, UINT64_MAX));
	target_set_free(a);
	target_set_free(b);
	target_set_free(c);
}

static void another_order_of_members_is_a_change_that_ends_nothing(void **state)
{
	(void)state;
	const struct order orders[] = {{1, 0, {4}}, {2, 0, {1}}};
	struct target_set *a = adopted(orders, 2, NULL);
	struct target_set *b = set_of(orders, 2, swapped);
	struct target_changes changes = adopt(b, a);
	assert_int_equal(changes.changed, 1);
	assert_int_equal(changes.same, 1);
	assert_true(target_set_owns(b, owner_of(a, 1, 4)));
	target_set_free(a);
	target_set_free(b);
}

// --- differences ---------------------------------------------------------------------------------------------

static void note(void *context, char what, const struct task *task)
{
	struct writer *w = context;
	write_format(w, "%c%u ", what, task->xid.octets[0]);
}

static void assert_differences(
	const struct target_set *fresh, const struct target_set *current, const char *expected)
{
	char text[100];
	struct writer w = writer_of(text, sizeof text - 1);
	target_set_differences(fresh, current, note, &w);
	text[w.len] = '\0';
	assert_string_equal(text, expected);
}

static void the_difference_of_two_sets_names_each_task_once(void **state)
{
	(void)state;
	const struct order before[] = {
		{1, 0, {1}}, {2, 0, {1}}, {3, 0, {1, 2}}, {4, 0, {1, 2}}, {5, 0, {4}}, {6, 0, {1}}};
	const struct order after[] = {
		{7, 0, {1}}, {6, 1, {1}}, {5, 0, {4}}, {4, 0, {2, 1}}, {3, 0, {2}}, {1, 0, {1}}};
	struct target_set *a = adopted(before, 6, NULL);
	struct target_set *b = set_of(after, 6, swapped);
	struct target_changes changes = adopt(b, a);
	assert_differences(a, NULL, "a1 a2 a3 a4 a5 a6 ");
	assert_differences(a, a, "");
	assert_differences(b, a, "a7 c6 c5 c3 r2 ");
	assert_int_equal(changes.added, 1);
	assert_int_equal(changes.changed, 3);
	assert_int_equal(changes.removed, 1);
	assert_int_equal(changes.same, 2);
	struct target_set *none = adopted(NULL, 0, b), empty = {0};
	assert_differences(none, b, "r7 r6 r5 r4 r3 r1 ");
	assert_differences(none, &empty, ""); // the empty set of a start
	target_set_free(a);
	target_set_free(b);
	target_set_free(none);
}

// What waits may leave exactly as long as its pairing has stood without a break, over random reloads.
static void owners_follow_the_pairings_over_random_reloads(void **state)
{
	(void)state;
	uint64_t random = 4;
	struct {
		uint64_t owner;
		bool stands;
		struct order order; // that it was made under
		uint8_t did;
	} waits[2000];
	size_t count = 0;
	struct target_set *current = NULL;
	for (int round = 0; round < 200; round++) {
		struct order orders[MAX_TASKS];
		size_t tasks = 0;
		for (uint8_t xid = 1; xid <= MAX_TASKS; xid++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			uint32_t dice = (uint32_t)(random >> 33);
			if (dice % 4 == 0)
				continue;
			struct order order = {.xid = xid, .what = dice / 4 % 8 == 0};
			size_t to = 0;
			for (uint8_t did = 1; did <= DESTINATIONS; did++)
				if (dice >> (10 + did) & 1 || did == 1 + dice % 3)
					order.to[to++] = did;
			orders[tasks++] = order;
		}
		struct target_set *fresh = adopted(orders, tasks, current);
		for (size_t w = 0; w < count; w++) {
			bool stands = false;
			for (size_t t = 0; t < tasks; t++)
				stands |= orders[t].xid == waits[w].order.xid &&
				          orders[t].what == waits[w].order.what &&
				          strchr((char *)orders[t].to, waits[w].did);
			waits[w].stands &= stands;
			assert_int_equal(target_set_owns(fresh, waits[w].owner), waits[w].stands);
		}
		for (size_t t = 0; t < tasks; t++)
			for (size_t i = 0; orders[t].to[i] && count < 2000; i++, count++) {
				waits[count].owner =
					owner_of(fresh, orders[t].xid, orders[t].to[i]);
				waits[count].stands = true;
				waits[count].order = orders[t];
				waits[count].did = orders[t].to[i];
			}
		target_set_free(current);
		current = fresh;
	}
	assert_int_equal(count, 2000);
	target_set_free(current);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_in_force_is_found_by_its_xid),
		cmocka_unit_test(a_task_names_what_it_lists_and_not_the_members_of_a_redundant_set),
		cmocka_unit_test(a_change_of_what_is_ordered_ends_what_waits_for_all_destinations),
		cmocka_unit_test(
			a_change_of_destinations_ends_what_waits_for_those_taken_out_alone),
		cmocka_unit_test(
			a_task_that_ends_takes_what_waits_along_also_when_its_slot_is_given_anew),
		cmocka_unit_test(another_order_of_members_is_a_change_that_ends_nothing),
		cmocka_unit_test(the_difference_of_two_sets_names_each_task_once),
		cmocka_unit_test(owners_follow_the_pairings_over_random_reloads),
	};
	return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
