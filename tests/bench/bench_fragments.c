// What does a fragment cost, in CPU time? Prints one figure a line: name, value, unit.
//
// bench_fragments [COUNT]: fragments for each figure; default 10000000.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fragments.h"

enum { DATAGRAMS = 16384, MEMORY = 64 * 1024 * 1024, BURST = 32 };
static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};
static uint8_t octets[65536] = {0x13, 0xc4, 0x13, 0xc4};

static double cpu_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct fragments *table_new(void)
{
	const struct fragments_config config = {DATAGRAMS, MEMORY, 5000000000};
	struct fragments *f = fragments_new(&config, &key);
	if (!f)
		abort();
	return f;
}

static struct packet packet_of(uint32_t number)
{
	struct packet p = {.flow.protocol = 17};
	uint8_t high = (uint8_t)(number >> 24), low = (uint8_t)(number >> 16);
	p.flow.source = (struct address){{198, 51, high, low}, 4};
	p.flow.destination = (struct address){{192, 0, 2, 1}, 4};
	p.fragment.identification = number & 0xffff;
	return p;
}

static void take(struct fragments *f, struct packet *p, uint32_t offset, size_t len, bool more)
{
	uint8_t protocol;
	struct bytes datagram;
	p->fragment.offset = offset;
	p->fragment.more = more;
	p->payload = bytes_of(octets + offset, len);
	fragments_take(f, p, 1700000000000000000, NULL, NULL, &protocol, &datagram);
}

static void say(const char *name, size_t size, double seconds, uint32_t count,
	const struct fragments *f)
{
	const struct fragments_counters *c = fragments_counters(f);
	printf("%s_%zu %.1f ns/fragment\n", name, size, seconds / count * 1e9);
	if (c->taken != c->results[FRAGMENTS_KEPT] + c->results[FRAGMENTS_COMPLETE])
		abort(); // not what was to be measured
}

static void bench_flood(uint32_t count, size_t size)
{
	struct fragments *f = table_new();
	double start = cpu_now();
	for (uint32_t i = 0; i < count; i++) {
		struct packet p = packet_of(i);
		take(f, &p, 0, size, true);
	}
	say("fragments_flood", size, cpu_now() - start, count, f);
	fragments_free(f);
}

// Pairs of 1,480 and 700 octets. The second halves of a burst come after its first halves.
static void bench_pairs(uint32_t count)
{
	struct fragments *f = table_new();
	double start = cpu_now();
	for (uint32_t i = 0; i < count / 2; i += BURST) {
		for (uint32_t half = 0; half < 2; half++) {
			for (uint32_t j = 0; j < BURST; j++) {
				struct packet p = packet_of(i + j);
				take(f, &p, half ? 1480 : 0, half ? 700 : 1480, !half);
			}
		}
	}
	say("fragments_pairs", 2180, cpu_now() - start, count, f);
	fragments_free(f);
}

// 65,528 octets in fragments of 8: the most work for a datagram.
static void bench_smallest(uint32_t count)
{
	struct fragments *f = table_new();
	double start = cpu_now();
	for (uint32_t i = 0; i < count / 8191; i++) {
		struct packet p = packet_of(i);
		for (uint32_t at = 0; at < 8191; at++)
			take(f, &p, at * 8, 8, at < 8190);
	}
	say("fragments_smallest", 8, cpu_now() - start, count, f);
	fragments_free(f);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000000;
	bench_flood(count, 64);
	bench_flood(count, 1400);
	bench_pairs(count);
	bench_smallest(count);
	return 0;
}
