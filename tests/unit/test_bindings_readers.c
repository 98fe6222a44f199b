// Readers beside the writer: what they see is one subscriber's, and one who had the address.
#include "binding_scene.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static const uint64_t IDLE = 3600000000000;

enum { USERS = 64, SHOWN = 5, ADDRESSES = 4, READERS = 2 };

static struct scene scene;
static struct digest digests[USERS][SHOWN]; // of each user, in the order in which they are shown
static struct address addresses[ADDRESSES];
static _Atomic bool stop;
static _Atomic uint64_t lookups, seen, mixtures, gaps, listed, bad_views;
static _Atomic uint64_t turn; // the user whose turn it was last, of address 0, counted on

static int user_of(const struct digest *d, unsigned *which)
{
	for (unsigned u = 0; u < USERS; u++)
		for (unsigned i = 0; i < SHOWN; i++)
			if (d->low == digests[u][i].low && d->high == digests[u][i].high) {
				*which = i;
				return (int)u;
			}
	return -1;
}

// All five of one user, in order.
static int owner_of(const struct digest *out, unsigned count)
{
	int owner = -1;
	for (unsigned i = 0; i < count; i++) {
		unsigned which = SHOWN;
		int user = user_of(&out[i], &which);
		if (user < 0 || which != i || (i && user != owner))
			return -1;
		owner = user;
	}
	return count == SHOWN ? owner : -1;
}

static void look_up(unsigned which)
{
	struct digest out[BINDING_MAX_IDENTITIES];
	uint64_t before = atomic_load(&turn);
	unsigned count =
		bindings_bound(scene.b, 0, &addresses[which], START, out, BINDING_MAX_IDENTITIES);
	uint64_t after = atomic_load(&turn);
	atomic_fetch_add(&lookups, 1);
	if (count == 0) {
		// Address 0 always has an owner: it is only ever given on.
		if (which == 0)
			atomic_fetch_add(&gaps, 1);
		return;
	}
	int owner = owner_of(out, count);
	atomic_fetch_add(owner < 0 ? &mixtures : &seen, 1);
	// One of those who had it between the two looks at the turn: the next may have it before its turn is told.
	if (owner >= 0 && which == 0) {
		bool was_turn = false;
		for (uint64_t t = before; t <= after + 1; t++)
			was_turn |= t % USERS == (unsigned)owner;
		if (!was_turn)
			atomic_fetch_add(&mixtures, 1);
	}
}

// A session of a user is one of its addresses, each a whole one.
static void list(unsigned user)
{
	struct binding_view views[8];
	int count = bindings_of_identity(scene.b, &digests[user][0], START, views, 8);
	for (int i = 0; i < count; i++) {
		bool good = views[i].protocol == SIGNAL_RADIUS && views[i].lease_count <= 1 &&
		            views[i].since_ns == START;
		for (unsigned l = 0; l < views[i].lease_count; l++) {
			bool known = false;
			for (unsigned a = 0; a < ADDRESSES; a++)
				known |= memcmp(&views[i].leases[l].address, &addresses[a],
						 sizeof addresses[a]) == 0;
			good &= known && views[i].leases[l].prefix_len == 128;
		}
		atomic_fetch_add(good ? &listed : &bad_views, 1);
	}
}

static void *reader(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !atomic_load(&stop); i++)
		look_up(i % ADDRESSES);
	return NULL;
}

// Of those whose sessions change just now.
static void *lister(void *unused)
{
	(void)unused;
	while (!atomic_load(&stop))
		list((unsigned)(atomic_load(&turn) % USERS));
	return NULL;
}

static void give(unsigned user, unsigned which, unsigned round)
{
	char name[30];
	snprintf(name, sizeof name, "%u-%u", which != 0, which == 0 ? round : user);
	make(&scene, SIGNAL_RADIUS, CHANGE_BIND, "192.0.2.1", "192.0.2.200");
	named(&scene, NAME_FIND | NAME_KEEP, name);
	for (unsigned i = 0; i < SHOWN; i++) {
		char text[20];
		snprintf(text, sizeof text, "%u/%u", user, i);
		shows(&scene, i, text);
	}
	signal_add_lease(&scene.signal, &addresses[which], 128, UINT32_MAX);
	assert_int_equal(take(&scene), BINDING_TAKEN);
}

static void end(unsigned user, unsigned which, unsigned round)
{
	char name[30];
	snprintf(name, sizeof name, "%u-%u", which != 0, which == 0 ? round : user);
	make(&scene, SIGNAL_RADIUS, CHANGE_END, "192.0.2.1", "192.0.2.200");
	named(&scene, NAME_FIND, name);
	take(&scene);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void set_up(void)
{
	const struct binding_source sources[] = {
		{1 << SIGNAL_RADIUS, BINDING_ANY, BINDING_ANY, NULL, NULL, 0, 0, 0}};
	// As few as can be, so that places and buckets are used again at once.
	const struct binding_rules rules = {
		sources, 1, NULL, 0, IDLE, BINDING_MIN_SESSIONS, 4, KEY};
	scene.b = bindings_new(&rules);
	scene.now = START;
	assert_non_null(scene.b);
	for (unsigned u = 0; u < USERS; u++)
		for (unsigned i = 0; i < SHOWN; i++) {
			char text[20];
			snprintf(text, sizeof text, "%u/%u", u, i);
			digests[u][i] = digest_of(text);
		}
	for (unsigned a = 0; a < ADDRESSES; a++) {
		char text[40];
		snprintf(text, sizeof text, "2001:db8:%u::%u", a, a + 1);
		addresses[a] = address_of(text);
	}
}

static void a_reader_sees_the_old_owner_or_the_new_one_and_no_mixture(void **state)
{
	(void)state;
	pthread_t threads[READERS];
	set_up();
	give(0, 0, 0);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i ? lister : reader, NULL), 0);
	double until = now() + 3;
	unsigned round = 1;
	for (; now() < until || atomic_load(&seen) < 1000; round++) {
		unsigned user = round % USERS, which = 1 + round % (ADDRESSES - 1);
		give(user, 0, round);
		atomic_store(&turn, round);
		end(0, 0, round - 1);     // whose address it is no more
		give(user, which, round); // which changes the address of a session that goes on
		if (round % 5 == 0)
			end(user, which, round);
		if (round % 1000 == 0)
			bindings_tick(scene.b, START);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	print_message("# %u rounds, %llu lookups, %llu sessions listed\n", round,
		(unsigned long long)atomic_load(&lookups),
		(unsigned long long)atomic_load(&listed));
	laws_hold(scene.b);
	assert_int_equal(atomic_load(&mixtures), 0);
	assert_int_equal(atomic_load(&gaps), 0);
	assert_int_equal(atomic_load(&bad_views), 0);
	assert_true(atomic_load(&listed) > 0);
	bindings_free(scene.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_sees_the_old_owner_or_the_new_one_and_no_mixture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
