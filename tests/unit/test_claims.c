#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

// claims.c itself, with a pause now and then before an atomic step: so threads meet everywhere in it, on few processors too.
static _Thread_local uint64_t pauses; // 0: none

static void pause_now_and_then(void)
{
	if (pauses == 0)
		return;
	pauses = pauses * 6364136223846793005u + 1442695040888963407u;
	if (pauses >> 61 == 0)
		sched_yield();
}

static uint64_t paused_load(const _Atomic uint64_t *word, memory_order order)
{
	pause_now_and_then();
	return atomic_load_explicit(word, order);
}

static bool paused_exchange(_Atomic uint64_t *word, uint64_t *seen, uint64_t by, memory_order order,
	memory_order on_failure)
{
	pause_now_and_then();
	return atomic_compare_exchange_strong_explicit(word, seen, by, order, on_failure);
}

#undef atomic_load_explicit
#define atomic_load_explicit paused_load
#undef atomic_compare_exchange_strong_explicit
#define atomic_compare_exchange_strong_explicit paused_exchange
#include "claims.c"

enum { WORKERS = 3, ROUNDS = 20000, NAMES = 6 };
static const struct hash_key KEY = {3, 4};

static struct digest name_of(uint64_t number)
{
	return siphash128(&KEY, bytes_of(&number, sizeof number));
}

static void whoever_asks_first_has_it_until_it_is_released(void **state)
{
	(void)state;
	struct claims *c = claims_new(64);
	struct digest a = name_of(1), b = name_of(2);
	assert_int_equal(claims_holder(c, &a), CLAIMS_NOBODY);
	assert_int_equal(claims_take(c, &a, 2), 2);
	assert_int_equal(claims_take(c, &a, 0), 2);
	assert_int_equal(claims_take(c, &a, 2), 2);
	assert_int_equal(claims_holder(c, &a), 2);
	assert_int_equal(claims_holder(c, &b), CLAIMS_NOBODY);
	assert_int_equal(claims_take(c, &b, 0), 0);

	claims_release(c, &a, 2);
	assert_int_equal(claims_holder(c, &a), CLAIMS_NOBODY);
	assert_int_equal(claims_holder(c, &b), 0);
	assert_int_equal(claims_take(c, &a, 0), 0);
	assert_int_equal(claims_given_up(c), 0);
	claims_free(c);
}

static void only_ones_own_claim_can_be_released(void **state)
{
	(void)state;
	struct claims *c = claims_new(64);
	struct digest a = name_of(1), b = name_of(2);
	claims_release(c, &a, 1);
	assert_int_equal(claims_take(c, &a, 0), 0);
	claims_release(c, &a, 1);
	claims_release(c, &b, 0);
	assert_int_equal(claims_holder(c, &a), 0);
	claims_free(c);
}

static void the_first_and_the_last_worker_can_hold_claims(void **state)
{
	(void)state;
	struct claims *c = claims_new(64);
	struct digest a = name_of(1), b = name_of(2);
	assert_int_equal(claims_take(c, &a, 0), 0);
	assert_int_equal(claims_take(c, &b, CLAIMS_WORKERS - 1), CLAIMS_WORKERS - 1);
	assert_int_equal(claims_holder(c, &a), 0);
	assert_int_equal(claims_holder(c, &b), CLAIMS_WORKERS - 1);
	claims_free(c);
}

// With room for one claim there is one bucket.
static void of_a_full_bucket_the_oldest_claim_gives_way_counted(void **state)
{
	(void)state;
	struct claims *c = claims_new(1);
	for (unsigned i = 0; i < 1000; i++) {
		struct digest name = name_of(i);
		assert_int_equal(claims_take(c, &name, i % WORKERS), i % WORKERS);
		for (unsigned age = 0; age <= i && age < 2 * SLOTS; age++) {
			struct digest older = name_of(i - age);
			assert_int_equal(claims_holder(c, &older),
				age < SLOTS ? (i - age) % WORKERS : CLAIMS_NOBODY);
		}
	}
	assert_int_equal(claims_given_up(c), 1000 - SLOTS);
	claims_free(c);
}

static void released_claims_make_room_so_that_none_gives_way(void **state)
{
	(void)state;
	struct claims *c = claims_new(1);
	struct digest kept = name_of(UINT64_MAX);
	assert_int_equal(claims_take(c, &kept, 1), 1);
	for (unsigned i = 0; i < 3u << 20; i++) { // serials wrap
		struct digest name = name_of(i);
		assert_int_equal(claims_take(c, &name, 0), 0);
		claims_release(c, &name, 0);
	}
	assert_int_equal(claims_holder(c, &kept), 1);
	assert_int_equal(claims_given_up(c), 0);
	claims_free(c);
}

static void a_table_at_its_capacity_gives_up_few_claims(void **state)
{
	(void)state;
	enum { CAPACITY = 65536 };
	struct claims *c = claims_new(CAPACITY);
	for (unsigned i = 0; i < CAPACITY; i++) {
		struct digest name = name_of(i);
		assert_int_equal(claims_take(c, &name, i % CLAIMS_WORKERS), i % CLAIMS_WORKERS);
	}
	unsigned held = 0;
	for (unsigned i = 0; i < CAPACITY; i++) {
		struct digest name = name_of(i);
		unsigned holder = claims_holder(c, &name);
		assert_true(holder == i % CLAIMS_WORKERS || holder == CLAIMS_NOBODY);
		held += holder != CLAIMS_NOBODY;
	}
	assert_int_equal(held + claims_given_up(c), CAPACITY);
	assert_true(claims_given_up(c) < CAPACITY / 500);
	claims_free(c);
}

static void no_capacity_and_too_much_are_refused(void **state)
{
	(void)state;
	assert_null(claims_new(0));
	assert_null(claims_new(UINT32_MAX));
	claims_free(NULL);
}

// --- threads ---------------------------------------------------------------------------------------------------

// Six names in one bucket of seven slots, so that none gives way. While a worker has a name it holds the name's token: if
// another holds it too, both got the claim.
struct race {
	struct claims *claims;
	_Atomic unsigned token[NAMES];
	_Atomic unsigned taken_twice, strange_holders;
};
struct racer {
	struct race *race;
	unsigned worker, took;
	uint64_t random;
};

static unsigned next_random(struct racer *r)
{
	r->random = r->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(r->random >> 40);
}

static void hold_for_a_moment(struct racer *r, unsigned number, const struct digest *name)
{
	struct race *race = r->race;
	r->took++;
	if (atomic_exchange(&race->token[number], r->worker + 1) != 0)
		atomic_fetch_add(&race->taken_twice, 1);
	if (claims_holder(race->claims, name) != r->worker ||
		claims_take(race->claims, name, r->worker) != r->worker)
		atomic_fetch_add(&race->strange_holders, 1);
	if (atomic_exchange(&race->token[number], 0) != r->worker + 1)
		atomic_fetch_add(&race->taken_twice, 1);
	claims_release(race->claims, name, r->worker);
}

static void *take_and_release(void *argument)
{
	struct racer *r = argument;
	struct race *race = r->race;
	pauses = r->worker + 1;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned number = next_random(r) % NAMES;
		struct digest name = name_of(number);
		unsigned holder = claims_take(race->claims, &name, r->worker);
		if (holder == r->worker)
			hold_for_a_moment(r, number, &name);
		else if (holder >= WORKERS)
			atomic_fetch_add(&race->strange_holders, 1);
	}
	return NULL;
}

static void workers_that_race_never_both_get_a_name(void **state)
{
	(void)state;
	struct race race = {.claims = claims_new(1)};
	struct racer racers[WORKERS];
	pthread_t threads[WORKERS];
	for (unsigned i = 0; i < WORKERS; i++) {
		racers[i] = (struct racer){.race = &race, .worker = i, .random = i};
		assert_int_equal(
			pthread_create(&threads[i], NULL, take_and_release, &racers[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_true(racers[i].took > 0);
	}
	assert_int_equal(race.taken_twice, 0);
	assert_int_equal(race.strange_holders, 0);
	for (unsigned i = 0; i < NAMES; i++) {
		struct digest name = name_of(i);
		assert_int_equal(claims_holder(race.claims, &name), CLAIMS_NOBODY);
	}
	assert_int_equal(claims_given_up(race.claims), 0);
	claims_free(race.claims);
}

// All workers ask for the same names in the same order, none is released: each name must be everybody's answer.
struct agreement {
	struct claims *claims;
	unsigned worker;
	uint8_t answers[ROUNDS];
};

static void *ask_for_all(void *argument)
{
	struct agreement *a = argument;
	pauses = a->worker + 1;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct digest name = name_of(i);
		a->answers[i] = (uint8_t)claims_take(a->claims, &name, a->worker);
	}
	return NULL;
}

static void workers_that_race_agree_on_who_has_what(void **state)
{
	(void)state;
	static struct agreement agreements[WORKERS];
	struct claims *c = claims_new(8 * ROUNDS); // no bucket is full
	pthread_t threads[WORKERS];
	for (unsigned i = 0; i < WORKERS; i++) {
		agreements[i].claims = c;
		agreements[i].worker = i;
		assert_int_equal(pthread_create(&threads[i], NULL, ask_for_all, &agreements[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(claims_given_up(c), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct digest name = name_of(i);
		for (unsigned w = 0; w < WORKERS; w++)
			assert_int_equal(agreements[w].answers[i], claims_holder(c, &name));
	}
	claims_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_asks_first_has_it_until_it_is_released),
		cmocka_unit_test(only_ones_own_claim_can_be_released),
		cmocka_unit_test(the_first_and_the_last_worker_can_hold_claims),
		cmocka_unit_test(of_a_full_bucket_the_oldest_claim_gives_way_counted),
		cmocka_unit_test(released_claims_make_room_so_that_none_gives_way),
		cmocka_unit_test(a_table_at_its_capacity_gives_up_few_claims),
		cmocka_unit_test(no_capacity_and_too_much_are_refused),
		cmocka_unit_test(workers_that_race_never_both_get_a_name),
		cmocka_unit_test(workers_that_race_agree_on_who_has_what),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
