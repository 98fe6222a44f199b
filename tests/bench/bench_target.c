// How fast are tasks loaded and looked up, and in how much memory? Prints one figure a line: name, value, unit.
//
// bench_target [COUNT...]: numbers of tasks; default 1000 100000 1000000.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "target_file.h"
#include "target_table.h"

static const struct numbering numbering = {"49", "0", "00", NULL, 0};
static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double resident_mib(void)
{
	long total = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f && fscanf(f, "%ld %ld", &total, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void say(const char *name, size_t count, double value, const char *unit)
{
	printf("%s_%zu %.3f %s\n", name, count, value, unit);
}

// Half of the tasks name a SIP URI, a quarter an address, a quarter an address and a port range.
static struct bytes make_file(size_t count)
{
	size_t room = count * 330 + 1000, len = 0;
	char *text = malloc(room);
	if (!text)
		abort();
	static const char did[] = "19867c20-8c94-473e-b9bd-8b72b7b05fd4";
	len += (size_t)snprintf(text, room,
		"format: 1\ndestinations:\n  - {dId: %s, deliveryType: X2Only, deliveryAddress: "
		"{ipAddressAndPort: {address: 192.0.2.10, tcpPort: 42069}}}\ntasks:\n",
		did);
	for (size_t i = 0; i < count; i++) {
		char target[120];
		unsigned n = (unsigned)i;
		if (i % 2)
			snprintf(target, sizeof target, "sipUri: sip:user%u@ims.example.net", n);
		else
			snprintf(target, sizeof target, "ipv4Address: 10.%u.%u.%u", n >> 16 & 255,
				n >> 8 & 255, n & 255);
		len += (size_t)snprintf(text + len, room - len,
			"  - xId: 29f28e1c-f230-486a-a860-%012x\n    targetIdentifiers:\n      - %s\n%s"
			"    deliveryType: X2Only\n    listOfDIDs: [%s]\n",
			n, target,
			i % 4 == 2 ? "      - udpPortRange: {start: 5060, end: 5070}\n" : "", did);
	}
	return bytes_of(text, len);
}

static struct target_set *load(struct bytes text, size_t count)
{
	struct problems problems;
	const struct target_rules rules = {.numbering = &numbering, .capacity = count};
	problems_init(&problems, "bench");
	double before = resident_mib(), start = now();
	struct target_set *set = target_file_parse(text, &rules, &problems);
	say("target_load_time", count, now() - start, "s");
	say("target_set_memory", count, resident_mib() - before, "MiB");
	if (!set) {
		fprintf(stderr, "%s", problems.text);
		exit(1);
	}
	return set;
}

enum { ROUNDS = 4000000 };

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static void bench_filter(const struct target_table *table, size_t count, bool hit)
{
	const struct target_filter *f = target_table_filter(table);
	uint64_t state = 1, found = 0;
	double start = now();
	for (size_t i = 0; i < ROUNDS; i++) {
		uint32_t n = next_random(&state) % (uint32_t)count & ~1u;
		found += target_filter_ipv4(f, (hit ? 0x0a000000u : 0xc6000000u) + n);
	}
	double rate = ROUNDS / (now() - start) / 1e6;
	say(hit ? "target_filter_hit" : "target_filter_miss", count, rate, "M/s");
	if (!hit)
		say("target_filter_false", count, (double)found * 100 / ROUNDS, "%");
}

static struct flow flow_to(uint32_t address)
{
	struct flow flow = {.protocol = 17, .source_port = 5060, .destination_port = 5060};
	flow.source = (struct address){{198, 51, 100, 1}, 4};
	flow.destination.family = 4;
	for (unsigned i = 0; i < 4; i++)
		flow.destination.octets[i] = (uint8_t)(address >> (24 - 8 * i));
	return flow;
}

static void bench_addresses(const struct target_table *table, size_t count, bool hit)
{
	uint64_t state = 1, found = 0;
	struct match match[4];
	double start = now();
	for (size_t i = 0; i < ROUNDS / 4; i++) {
		uint32_t n = next_random(&state) % (uint32_t)count & ~1u;
		struct flow flow = flow_to((hit ? 0x0a000000u : 0xc6000000u) + n);
		found += target_table_match(table, &flow, NULL, NULL, 0, NULL, match, 4);
	}
	say(hit ? "target_address_hit" : "target_address_miss", count,
		ROUNDS / 4 / (now() - start) / 1e6, "M/s");
	if (found != (hit ? ROUNDS / 4 : 0))
		abort();
}

static void bench_identities(const struct target_table *table, size_t count, bool hit)
{
	uint64_t state = 1, found = 0;
	struct match match[4];
	struct sighting s = {.identity.kind = IDENTITY_URI};
	struct flow flow = flow_to(0xc6336401);
	double start = now();
	for (size_t i = 0; i < ROUNDS / 4; i++) {
		uint32_t n = (next_random(&state) % (uint32_t)count) | 1u;
		s.identity.len = (uint16_t)snprintf((char *)s.identity.octets, IDENTITY_MAX,
			"%s%u@ims.example.net", hit ? "user" : "nope", n);
		found += target_table_match(table, &flow, NULL, &s, 1, NULL, match, 4);
	}
	say(hit ? "target_identity_hit" : "target_identity_miss", count,
		ROUNDS / 4 / (now() - start) / 1e6, "M/s");
	if (found != (hit ? ROUNDS / 4 : 0))
		abort();
}

static void bench(size_t count)
{
	struct bytes text = make_file(count);
	struct target_set *set = load(text, count);
	target_text_free(text);
	struct target_changes changes;
	struct error error;
	double start = now();
	if (target_set_adopt(set, NULL, (uint32_t)count, &changes, &error) != 0)
		abort();
	say("target_adopt_time", count, now() - start, "s");
	start = now();
	double before = resident_mib();
	struct target_table *table = target_table_new(set, count, &key, &numbering, false, &error);
	if (!table)
		abort();
	say("target_compile_time", count, now() - start, "s");
	say("target_table_memory", count, resident_mib() - before, "MiB");
	target_set_free(set);
	for (int hit = 0; hit < 2; hit++) {
		bench_filter(table, count, hit);
		bench_addresses(table, count, hit);
		bench_identities(table, count, hit);
	}
	target_table_free(table);
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	say("target_peak_memory", count, (double)usage.ru_maxrss / 1024, "MiB");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		bench(1000);
		bench(100000);
		bench(1000000);
	}
	for (int i = 1; i < argc; i++)
		bench(strtoul(argv[i], NULL, 10));
	return 0;
}
