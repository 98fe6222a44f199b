// Bindings of all subscribers: memory, and how long messages and lookups take, while another thread looks up.
//
// bench_bindings [SESSIONS...]: default 1000000. Each session has three names, three identities, an IPv4 address and an IPv6 /64.
// Figures of messages are net: making the signal is measured by itself and taken off. All but the latency are of the
// thread's own processor time, so that others on the machine count as little as can be.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bindings.h"

static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};
static const uint64_t START = 1700000000000000000, IDLE = 172800000000000;
static const struct binding_place place = {0, 0, 0};

enum { LATENCIES = 20000, ROUNDS = 1000000 };

static struct signal message;
static struct bindings *b;
static _Atomic bool stop;
static _Atomic uint32_t session_count;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void say(const char *name, size_t count, double value, const char *unit)
{
	printf("bindings_%s_%zu %.3f %s\n", name, count, value, unit);
	fflush(stdout);
}

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static struct address ipv4_of(uint32_t n)
{
	return (struct address){
		{10 + (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}, 4};
}

static struct address ipv6_of(uint32_t n)
{
	return (struct address){{0x20, 1, 0xd, 0xb8, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
					(uint8_t)(n >> 8), (uint8_t)n},
		6};
}

static void show(enum signal_role role, uint32_t n)
{
	struct identity *identity = signal_next_identity(&message, role);
	identity->kind = (uint8_t)(IDENTITY_NAI + role);
	identity->len = 12;
	memset(identity->octets, 'x', 8);
	memcpy(identity->octets + 8, &n, 4);
	signal_commit_sighting(&message, role);
}

static void name(uint8_t use, enum signal_name_kind kind, uint32_t n)
{
	const struct signal_rules rules = {.key = key};
	struct bytes part = bytes_of(&n, sizeof n);
	signal_add_name(&message, &rules, kind, use, &part, 1);
}

// The accounting session `id` of whoever has address number `n`.
static void make(enum signal_change change, uint32_t id, uint32_t n)
{
	signal_clear(&message, SIGNAL_RADIUS);
	message.change = change;
	message.authority = (struct address){{192, 0, 2, (uint8_t)(n % 200)}, 4};
	message.peer = (struct address){{192, 0, 2, 250}, 4};
	name(NAME_FIND | NAME_KEEP, NAME_RADIUS_SESSION, id);
	if (change != CHANGE_BIND)
		return;
	name(NAME_KEEP, NAME_RADIUS_STATE, id);
	name(NAME_KEEP | NAME_BEGIN | NAME_EXCHANGE, NAME_RADIUS_EXCHANGE, id);
	show(SIGNAL_ROLE_USER, n);
	show(SIGNAL_ROLE_NUMBER, n);
	show(SIGNAL_ROLE_MAC, n);
	struct address v4 = ipv4_of(n), v6 = ipv6_of(n);
	signal_add_lease(&message, &v4, 32, UINT32_MAX);
	signal_add_lease(&message, &v6, 64, UINT32_MAX);
}

static void take(enum signal_change change, uint32_t id, uint32_t n)
{
	make(change, id, n);
	if (bindings_take(b, &message, &place, START) != BINDING_TAKEN)
		abort();
}

static unsigned look_up(const struct address *a)
{
	struct digest out[BINDING_MAX_IDENTITIES];
	return bindings_bound(b, 0, a, START, out, BINDING_MAX_IDENTITIES);
}

static void *reader(void *unused)
{
	(void)unused;
	uint64_t state = 99;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct address a = ipv4_of(next_random(&state) % atomic_load(&session_count));
		look_up(&a);
	}
	return NULL;
}

// Of making a start, or a stop and a start, without taking them.
static double making_ns(bool with_end)
{
	double start = now();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		if (with_end)
			make(CHANGE_END, i, i);
		make(CHANGE_BIND, i, i);
	}
	return (now() - start) / ROUNDS * 1e9;
}

static void bench_lookups(uint32_t count)
{
	static const char *const names[3] = {"lookup_hit_ipv4", "lookup_hit_ipv6", "lookup_miss"};
	for (unsigned kind = 0; kind < 3; kind++) {
		uint64_t state = 7, found = 0;
		double start = now();
		for (uint32_t i = 0; i < ROUNDS; i++) {
			uint32_t n = next_random(&state) % count;
			struct address a = kind == 1 ? ipv6_of(n) : ipv4_of(n);
			if (kind == 2)
				a.octets[0] = 172;
			found += look_up(&a);
		}
		say(names[kind], count, (now() - start) / ROUNDS * 1e9, "ns");
		if (found != (kind == 2 ? 0 : 3 * ROUNDS))
			abort();
	}
}

// --- from a start to the first reader that sees it ---------------------------------------------------------------

static _Atomic uint32_t wanted; // number + 1
static _Atomic uint64_t seen_ns;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *watcher(void *unused)
{
	(void)unused;
	for (;;) {
		uint32_t n = atomic_load(&wanted);
		if (n == UINT32_MAX)
			return NULL;
		if (n == 0)
			continue;
		struct address a = ipv4_of(n - 1);
		while (look_up(&a) == 0)
			;
		atomic_store(&wanted, 0);
		atomic_store(&seen_ns, now_ns());
	}
}

static int compare(const void *a, const void *c)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, c, sizeof y);
	return x < y ? -1 : x > y;
}

static void bench_latency(uint32_t count)
{
	pthread_t thread;
	uint64_t *ns = malloc(LATENCIES * sizeof *ns), state = 3;
	if (!ns || pthread_create(&thread, NULL, watcher, NULL) != 0)
		abort();
	for (unsigned i = 0; i < LATENCIES; i++) {
		uint32_t n = next_random(&state) % count;
		take(CHANGE_END, n, n);
		atomic_store(&seen_ns, 0);
		atomic_store(&wanted, n + 1);
		make(CHANGE_BIND, n, n);
		uint64_t start = now_ns(), seen;
		if (bindings_take(b, &message, &place, START) != BINDING_TAKEN)
			abort();
		while ((seen = atomic_load(&seen_ns)) == 0)
			;
		ns[i] = seen - start;
	}
	atomic_store(&wanted, UINT32_MAX);
	pthread_join(thread, NULL);
	qsort(ns, LATENCIES, sizeof *ns, compare);
	say("visible_p50", count, (double)ns[LATENCIES / 2] / 1e3, "us");
	say("visible_p99", count, (double)ns[LATENCIES * 99 / 100] / 1e3, "us");
	say("visible_max", count, (double)ns[LATENCIES - 1] / 1e3, "us");
	free(ns);
}

static void bench(uint32_t count)
{
	const struct binding_source sources[] = {
		{1 << SIGNAL_RADIUS, BINDING_ANY, BINDING_ANY, NULL, NULL, 0, 0, 0}};
	const struct binding_rules rules = {sources, 1, NULL, 0, IDLE, count, 1024, key};
	double start = now();
	b = bindings_new(&rules);
	if (!b)
		abort();
	say("start_time", count, now() - start, "s");
	say("memory", count, (double)bindings_memory(b) / (1 << 20), "MiB");
	say("session_memory", count, (double)bindings_memory(b) / count, "octets");
	double of_start = making_ns(false), of_both = making_ns(true);

	pthread_t thread;
	atomic_store(&stop, false);
	atomic_store(&session_count, count);
	if (pthread_create(&thread, NULL, reader, NULL) != 0)
		abort();
	start = now();
	for (uint32_t n = 0; n < count; n++)
		take(CHANGE_BIND, n, n);
	say("begin", count, (now() - start) / count * 1e9 - of_start, "ns");
	if (bindings_counter(b, BINDINGS_SESSIONS) != count)
		abort();
	uint64_t state = 5;
	start = now();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t n = next_random(&state) % count;
		take(CHANGE_END, n, n);
		take(CHANGE_BIND, n, n);
	}
	say("end_and_begin", count, (now() - start) / ROUNDS * 1e9 - of_both, "ns");
	start = now();
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t n = next_random(&state) % count;
		take(CHANGE_BIND, n, n);
	}
	say("renew", count, (now() - start) / ROUNDS * 1e9 - of_start, "ns");
	bench_lookups(count);
	start = now();
	for (uint32_t i = 0; i < ROUNDS / 32; i++)
		bindings_tick(b, START);
	say("tick", count, (now() - start) / (ROUNDS / 32) * 1e9, "ns");
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	bench_latency(count);
	// A new session for an address that another one has, at capacity: the oldest gives way too.
	start = now();
	for (uint32_t i = 0; i < ROUNDS; i++)
		take(CHANGE_BIND, count + i, next_random(&state) % count);
	say("reassign_when_full", count, (now() - start) / ROUNDS * 1e9 - of_start, "ns");
	bindings_free(b);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		bench(1000000);
	for (int i = 1; i < argc; i++)
		bench((uint32_t)strtoul(argv[i], NULL, 10));
	return 0;
}
