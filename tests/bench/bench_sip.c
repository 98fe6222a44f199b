// SIP messages a second of one core: sip_parse and sip_events_take with targets of whom none and all appear, and libosip2's
// parser on the same octets, in turns. Prints one JSON object.
//
//   bench_sip MESSAGES TARGETS_OF_NOBODY TARGETS_OF_ALL ROUNDS SECONDS
//
// MESSAGES: each message behind its length, four octets in network order. Figures are medians of ROUNDS turns of SECONDS of
// processor time each.
#include <errno.h>
#include <osipparser2/osip_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sip_events.h"
#include "target_file.h"
#include "yaml.h"

enum { MAX_MESSAGES = 4096, MAX_ROUNDS = 64, RING_OCTETS = 1 << 22, WORK_OF_NO_TIME = 64 };

struct sample {
	struct bytes messages[MAX_MESSAGES];
	size_t count;
};

// What one set of targets looks at messages with.
struct looker {
	struct target_set *set;
	struct target_table *table;
	struct sip_events *events;
	struct record_ring *ring;
	uint64_t time_ns;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "bench_sip: %s: %s\n", what, why);
	exit(1);
}

static struct bytes read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END) != 0)
		fail(path, strerror(errno));
	size_t len = (size_t)ftell(file);
	uint8_t *at = malloc(len + 1);
	rewind(file);
	if (!at || fread(at, 1, len, file) != len)
		fail(path, "cannot be read");
	fclose(file);
	return bytes_of(at, len);
}

static void read_sample(const char *path, struct sample *out)
{
	struct reader r = reader_of(read_file(path));
	out->count = 0;
	while (reader_left(&r) > 0 && out->count < MAX_MESSAGES) {
		uint32_t len = read_be32(&r);
		out->messages[out->count++] = read_bytes(&r, len);
	}
	if (r.overrun || out->count == 0)
		fail(path, "is no list of messages");
}

static void looker_init(struct looker *l, const char *path)
{
	static const struct numbering numbering;
	static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};
	enum { CAPACITY = 100000 };
	struct target_rules rules = {
		.numbering = &numbering, .capacity = CAPACITY, .max_size = 1 << 30};
	struct sip_events_config config = {
		.max_sessions = 65536,
		.max_duplicates = 65536,
		.duplicate_window_ns = 32000000000,
		.session_idle_ns = 12ull * 3600 * 1000000000,
		.trust_from = true,
	};
	struct problems problems;
	struct error error = {0};
	struct target_changes changes;
	problems_init(&problems, path);
	*l = (struct looker){.time_ns = 1700000000000000000};
	l->set = target_file_parse(read_file(path), &rules, &problems);
	if (!l->set)
		fail(path, problems.text ? problems.text : "cannot be loaded");
	if (target_set_adopt(l->set, NULL, CAPACITY, &changes, &error) != 0)
		fail(path, error.text);
	l->table = target_table_new(l->set, CAPACITY, &key, &numbering, false, &error);
	if (!l->table)
		fail(path, error.text);
	l->events = sip_events_new(&config, &key);
	l->ring = record_ring_new(RING_OCTETS);
	if (!l->events || !l->ring)
		fail(path, "no memory");
}

// Every message once. A pass is a minute after the one before, so that none is the duplicate of an earlier one.
static void pass_ours(const struct sample *s, void *context)
{
	static const struct packet packet = {
		.flow = {{{192, 0, 2, 1}, 4}, {{192, 0, 2, 2}, 4}, 5060, 5060, 17}};
	static struct sip_message message;
	struct looker *l = context;
	for (size_t i = 0; i < s->count; i++) {
		if (sip_parse(s->messages[i], &message) != PARSE_OK)
			fail("message", "cannot be parsed");
		sip_events_take(
			l->events, l->table, &message, &packet, NULL, l->time_ns, l->ring);
		while (record_ring_peek(l->ring).at)
			record_ring_release(l->ring);
	}
	l->time_ns += 60000000000;
}

static void pass_osip(const struct sample *s, void *context)
{
	(void)context;
	for (size_t i = 0; i < s->count; i++) {
		osip_message_t *message;
		if (osip_message_init(&message) != 0)
			fail("libosip2", "no memory");
		if (osip_message_parse(
			    message, (const char *)s->messages[i].at, s->messages[i].len) != 0)
			fail("libosip2", "cannot parse a message");
		osip_message_free(message);
	}
}

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double messages_a_second(const struct sample *s, double seconds,
	void (*pass)(const struct sample *s, void *context), void *context)
{
	double start = cpu_seconds(), end = start;
	size_t messages = 0;
	while (end < start + seconds) {
		for (size_t done = 0; done < WORK_OF_NO_TIME; done += s->count) {
			pass(s, context);
			messages += s->count;
		}
		end = cpu_seconds();
	}
	return (double)messages / (end - start);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof *values, compare);
	return values[count / 2];
}

int main(int argc, char **argv)
{
	static struct sample sample;
	struct looker nobody, all;
	double rates[3][MAX_ROUNDS];
	if (argc != 6) {
		fputs("usage: bench_sip MESSAGES TARGETS_OF_NOBODY TARGETS_OF_ALL ROUNDS SECONDS\n",
			stderr);
		return 2;
	}
	size_t rounds = strtoul(argv[4], NULL, 10);
	double seconds = strtod(argv[5], NULL);
	if (rounds == 0 || rounds > MAX_ROUNDS)
		fail(argv[4], "is no number of rounds from 1 to 64");
	read_sample(argv[1], &sample);
	looker_init(&nobody, argv[2]);
	looker_init(&all, argv[3]);
	parser_init();
	for (size_t i = 0; i < rounds; i++) {
		rates[0][i] = messages_a_second(&sample, seconds, pass_osip, NULL);
		rates[1][i] = messages_a_second(&sample, seconds, pass_ours, &nobody);
		rates[2][i] = messages_a_second(&sample, seconds, pass_ours, &all);
	}
	// The figures are worth something only if they are of what they say.
	const struct event_counters *none = sip_events_counters(nobody.events);
	const struct event_counters *hit = sip_events_counters(all.events);
	uint64_t passes = (all.time_ns - 1700000000000000000) / 60000000000;
	if (none->matched != 0)
		fail(argv[2], "somebody was found");
	if (hit->reported != passes * sample.count)
		fail(argv[3], "not every message was reported once");
	printf("{\"messages\": %zu, \"osip\": %.0f, \"none\": %.0f, \"all\": %.0f}\n", sample.count,
		median(rates[0], rounds), median(rates[1], rounds), median(rates[2], rounds));
	return 0;
}
