#include "unit.h"

#include "target_table.h"

enum { CAPACITY = 20000, PROBES = 200000 };

static const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static const struct numbering numbering = {.country_code = ""};

struct prefix {
	uint32_t address;
	uint8_t length;
};

static uint32_t mask_of(uint8_t length)
{
	return length ? UINT32_MAX << (32 - length) : 0;
}

static uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state ^ *state >> 16;
}

static void task_of(struct target_set *set, size_t i, const struct prefix *p)
{
	struct identifier *identifier = target_set_take(set, sizeof *identifier);
	assert_non_null(identifier);
	identifier->type = p->length == 32 ? IDENTIFIER_IPV4_ADDRESS : IDENTIFIER_IPV4_CIDR;
	identifier->fragment = "";
	identifier->prefix_len = p->length;
	identifier->address.family = 4;
	for (unsigned octet = 0; octet < 4; octet++)
		identifier->address.octets[octet] = (uint8_t)(p->address >> (24 - 8 * octet));
	struct task *task = &set->tasks[i];
	memcpy(task->xid.octets, &i, sizeof i);
	task->header_xid = task->xid;
	task->identifiers = identifier;
	task->identifier_count = 1;
	task->fingerprint = task_fingerprint(task);
}

static struct target_table *table_of(const struct prefix *prefixes, size_t count)
{
	struct target_changes changes;
	struct error error;
	struct target_set *set = target_set_new();
	assert_non_null(set);
	set->tasks = target_set_take(set, (count + 1) * sizeof *set->tasks);
	assert_non_null(set->tasks);
	set->task_count = count;
	for (size_t i = 0; i < count; i++)
		task_of(set, i, &prefixes[i]);
	assert_int_equal(target_set_adopt(set, NULL, CAPACITY, &changes, &error), 0);
	struct target_table *table = target_table_new(set, CAPACITY, &key, &numbering, false, &error);
	assert_non_null(table);
	target_set_free(set);
	return table;
}

static bool is_covered(const struct prefix *prefixes, size_t count, uint32_t address)
{
	for (size_t i = 0; i < count; i++)
		if ((address & mask_of(prefixes[i].length)) == prefixes[i].address)
			return true;
	return false;
}

// Every first, last and inner address of a prefix passes; returns how many addresses that no prefix covers pass.
static unsigned check_filter(const struct prefix *prefixes, size_t count)
{
	struct target_table *table = table_of(prefixes, count);
	const struct target_filter *filter = target_table_filter(table);
	uint32_t state = 7;
	for (size_t i = 0; i < count; i++) {
		uint32_t inside = ~mask_of(prefixes[i].length);
		assert_true(target_filter_ipv4(filter, prefixes[i].address));
		assert_true(target_filter_ipv4(filter, prefixes[i].address | inside));
		assert_true(target_filter_ipv4(
			filter, prefixes[i].address | (random_next(&state) & inside)));
	}
	unsigned passed = 0;
	for (unsigned i = 0; i < PROBES; i++) {
		uint32_t address = random_next(&state);
		if (target_filter_ipv4(filter, address))
			passed += !is_covered(prefixes, count, address);
	}
	target_table_free(table);
	return passed;
}

static void fill_random(struct prefix *out, size_t count, uint8_t least, uint8_t most)
{
	uint32_t state = 3;
	for (size_t i = 0; i < count; i++) {
		uint8_t length = (uint8_t)(least + random_next(&state) % (most - least + 1u));
		out[i] = (struct prefix){random_next(&state) & mask_of(length), length};
	}
}

static void an_empty_table_passes_nobody(void **state)
{
	(void)state;
	assert_int_equal(check_filter(NULL, 0), 0);
}

static void addresses_pass_and_hardly_anybody_else_does(void **state)
{
	static struct prefix prefixes[CAPACITY];
	(void)state;
	fill_random(prefixes, CAPACITY, 32, 32);
	assert_true(check_filter(prefixes, CAPACITY) < PROBES / 50);
}

static void long_prefixes_pass_whole(void **state)
{
	struct prefix prefixes[1000];
	(void)state;
	fill_random(prefixes, 1000, 24, 32);
	assert_true(check_filter(prefixes, 1000) < PROBES / 20);
}

static void prefixes_of_every_length_pass_whole(void **state)
{
	struct prefix prefixes[300];
	(void)state;
	fill_random(prefixes, 300, 1, 32);
	check_filter(prefixes, 300);
	const struct prefix everything = {0, 0};
	check_filter(&everything, 1);
}

static void many_wide_prefixes_do_not_let_everybody_pass(void **state)
{
	struct prefix prefixes[500];
	(void)state;
	fill_random(prefixes, 500, 16, 20);
	assert_true(check_filter(prefixes, 500) < PROBES / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_table_passes_nobody),
		cmocka_unit_test(addresses_pass_and_hardly_anybody_else_does),
		cmocka_unit_test(long_prefixes_pass_whole),
		cmocka_unit_test(prefixes_of_every_length_pass_whole),
		cmocka_unit_test(many_wide_prefixes_do_not_let_everybody_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
