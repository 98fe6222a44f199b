#include "unit.h"

#include "digest_table.h"

// The obvious structure that the clever one is compared with: keys in order of age.
enum { CAPACITY = 13, KEYS = 40, STEPS = 20000 };

struct model {
	uint64_t keys[CAPACITY]; // oldest first
	size_t count;
};

static struct digest digest_of(uint64_t key)
{
	return (struct digest){key % 5, key}; // chains of several entries
}

static size_t model_find(const struct model *m, uint64_t key)
{
	size_t i = 0;
	while (i < m->count && m->keys[i] != key)
		i++;
	return i;
}

static void model_remove(struct model *m, size_t at)
{
	m->count--;
	for (size_t i = at; i < m->count; i++)
		m->keys[i] = m->keys[i + 1];
}

static void random_steps_agree_with_a_plain_list(void **state)
{
	(void)state;
	struct digest_table t;
	struct model m = {.count = 0};
	uint64_t meaning[CAPACITY] = {0};
	assert_int_equal(digest_table_init(&t, CAPACITY), 0);
	uint64_t random = 1;
	for (unsigned step = 0; step < STEPS; step++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		uint64_t key = (random >> 33) % KEYS;
		struct digest d = digest_of(key);
		size_t at = model_find(&m, key);
		uint32_t entry = digest_table_find(&t, &d);
		assert_int_equal(entry == DIGEST_TABLE_NONE, at == m.count);
		if (entry != DIGEST_TABLE_NONE) {
			assert_int_equal(meaning[entry], key);
			model_remove(&m, at);
			if (random >> 60 < 5) {
				digest_table_remove(&t, entry);
			} else {
				digest_table_touch(&t, entry);
				m.keys[m.count++] = key;
			}
		} else if (m.count == CAPACITY) {
			assert_int_equal(digest_table_add(&t, &d), DIGEST_TABLE_NONE);
			digest_table_remove(&t, digest_table_oldest(&t));
			model_remove(&m, 0);
		} else {
			entry = digest_table_add(&t, &d);
			assert_in_range(entry, 0, CAPACITY - 1);
			meaning[entry] = key;
			m.keys[m.count++] = key;
		}
		assert_int_equal(t.count, m.count);
		uint32_t oldest = digest_table_oldest(&t);
		if (m.count == 0)
			assert_int_equal(oldest, DIGEST_TABLE_NONE);
		else
			assert_int_equal(meaning[oldest], m.keys[0]);
	}
	digest_table_fini(&t);
}

static void a_table_of_no_entries_is_refused(void **state)
{
	(void)state;
	struct digest_table t;
	assert_true(digest_table_init(&t, 0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_steps_agree_with_a_plain_list),
		cmocka_unit_test(a_table_of_no_entries_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
