// How long after an accounting Start (Stop) has arrived the first (the last) SIP message of the address is attributed: through the
// real data path, frame in to event out, where the Start comes to one worker and the SIP to another.
//
// bench_binding_delay WORKERS ROUNDS
//
// In each round SIP comes every few microseconds; then a Start comes, and when it has taken effect a Stop. Frames are made where a
// worker polls for them, so that nobody but workers needs a core all the time; a frame "arrives" when the poll finds it.
//
// Where other programs share the cores, what is measured is mostly their turns. So rounds in which no worker went without a look at
// its queue for long are listed apart, as "undisturbed", and so is the longest time that any worker went without one.
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bindings.h"
#include "dataplane.h"
#include "event.h"
#include "target_file.h"

enum {
	SIDES = 4,
	RING = 4096,
	MBUFS = 16383,
	ROOM = 2048,
	STEP_US = 5,        // between two SIP messages
	MESSAGES = 1 << 16, // of a round
	GAP_US = 50,        // a worker that does not poll for so long was not running
	QUIET = 40, // messages in a row, not attributed, that show that a Stop has come through
	MAX_ROUNDS = 10000,
	PATIENCE_S = 20,
};

static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};
static const char targets[] =
	"format: 1\n"
	"destinations:\n"
	"  - {dId: 19867c20-8c94-473e-b9bd-8b72b7b05fd4, deliveryType: X2Only, deliveryAddress: {ipAddressAndPort: "
	"{address: 127.0.0.1, tcpPort: 42069}}}\n"
	"tasks:\n"
	"  - xId: 29f28e1c-f230-486a-a860-f5a784ab9172\n"
	"    targetIdentifiers: [nai: alice@example.com]\n"
	"    deliveryType: X2Only\n"
	"    listOfDIDs: [19867c20-8c94-473e-b9bd-8b72b7b05fd4]\n";

static struct side {
	struct rte_ring *in, *out;
	char device[RTE_ETH_NAME_MAX_LEN];
	uint16_t port;
} sides[SIDES];
static struct rte_mempool *pool;
static struct dataplane *dataplane;
static struct bindings *bindings;

// One round. What is atomic one thread writes and others read.
static struct {
	unsigned at, sip;              // sides where accounting and SIP come in
	_Atomic uint8_t due;           // Acct-Status-Type that is to come next, else 0
	_Atomic uint64_t accounted_at; // TSC when it came
	uint32_t session;
	_Atomic bool flows;         // SIP does
	_Atomic uint32_t count;     // SIP messages so far, of this round
	uint32_t first_number;      // numbers go on from round to round
	uint64_t sent_at[MESSAGES]; // TSC, written before `count`
	bool attributed[MESSAGES];
	uint32_t seen;
} now;

// When each worker polled last, and the longest time between two polls since the round began.
static struct {
	_Alignas(64) uint64_t last;
	_Atomic uint64_t longest;
} polls[SIDES];

static void __attribute__((noreturn)) give_up(const char *what)
{
	fprintf(stderr, "bench_binding_delay: %s\n", what);
	_exit(1);
}

static double microseconds(uint64_t cycles)
{
	return (double)cycles * 1e6 / (double)rte_get_tsc_hz();
}

// --- frames ----------------------------------------------------------------------------------------------------

static struct rte_mbuf *frame(
	uint32_t source, uint32_t destination, uint16_t port, struct bytes payload)
{
	uint8_t octets[ROOM];
	struct writer w = writer_of(octets, sizeof octets);
	write_bytes(&w, bytes_of("\2\0\0\0\0\2\2\0\0\0\0\1\x08\0\x45\0", 16));
	write_be16(&w, (uint16_t)(28 + payload.len));
	write_be32(&w, 0x00010000);
	write_be32(&w, 0x40110000);
	write_be32(&w, source);
	write_be32(&w, destination);
	write_be16(&w, port);
	write_be16(&w, port);
	write_be16(&w, (uint16_t)(8 + payload.len));
	write_be16(&w, 0);
	write_bytes(&w, payload);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	if (!m || w.overflow)
		give_up("no room for a frame");
	memcpy(rte_pktmbuf_append(m, (uint16_t)w.len), octets, w.len);
	return m;
}

static void write_attribute(struct writer *w, uint8_t type, struct bytes value)
{
	write_u8(w, type);
	write_u8(w, (uint8_t)(2 + value.len));
	write_bytes(w, value);
}

// RFC 2866: Start (1) or Stop (2) of session `number` at 192.0.2.1, of alice at 198.51.100.7.
static struct rte_mbuf *accounting(uint8_t status, uint32_t number)
{
	uint8_t octets[256], authenticator[16] = {status};
	char session[16];
	memcpy(authenticator + 4, &number, sizeof number);
	struct writer w = writer_of(octets, sizeof octets);
	write_u8(&w, 4);
	write_u8(&w, (uint8_t)number);
	write_be16(&w, 0);
	write_bytes(&w, bytes_of(authenticator, sizeof authenticator));
	write_attribute(&w, 40, bytes_of((uint8_t[]){0, 0, 0, status}, 4));
	snprintf(session, sizeof session, "%08x", number);
	write_attribute(&w, 44, bytes_of_text(session));
	write_attribute(&w, 4, bytes_of("\xc0\0\2\1", 4));
	write_attribute(&w, 1, bytes_of_text("alice@example.com"));
	write_attribute(&w, 8, bytes_of("\xc6\x33\x64\7", 4));
	octets[2] = (uint8_t)(w.len >> 8);
	octets[3] = (uint8_t)w.len;
	return frame(0xc0000201, 0xc0000202, 1813, bytes_of(octets, w.len));
}

static struct rte_mbuf *sip(uint32_t number)
{
	char text[512];
	int len = snprintf(text, sizeof text,
		"OPTIONS sip:bob@example.org SIP/2.0\r\nCall-ID: %u\r\nVia: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK%u\r\n"
		"From: <sip:anybody@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		number, number);
	return frame(0xc6336407, 0xcb007114, 5060, bytes_of(text, (size_t)len));
}

// What the worker of a side finds when it polls.
static uint16_t arrive(uint16_t port, uint16_t queue, struct rte_mbuf *frames[], uint16_t count,
	uint16_t room, void *user)
{
	(void)port;
	(void)queue;
	unsigned side = (unsigned)(uintptr_t)user;
	static uint64_t next;
	uint64_t tsc = rte_rdtsc();
	uint64_t gap = tsc - polls[side].last;
	if (polls[side].last &&
		gap > atomic_load_explicit(&polls[side].longest, memory_order_relaxed))
		atomic_store_explicit(&polls[side].longest, gap, memory_order_relaxed);
	polls[side].last = tsc;
	uint8_t due = side == now.at ? atomic_load_explicit(&now.due, memory_order_acquire) : 0;
	if (due && count < room) {
		frames[count++] = accounting(due, now.session);
		atomic_store_explicit(&now.accounted_at, rte_rdtsc(), memory_order_relaxed);
		atomic_store_explicit(&now.due, 0, memory_order_release);
	}
	bool flows = side == now.sip && atomic_load_explicit(&now.flows, memory_order_acquire);
	// After that, for a new round begins with it.
	uint32_t i = atomic_load_explicit(&now.count, memory_order_relaxed);
	if (flows && count < room && i < MESSAGES && tsc >= next) {
		frames[count++] = sip(now.first_number + i);
		now.sent_at[i] = rte_rdtsc();
		atomic_store_explicit(&now.count, i + 1, memory_order_release);
		next = now.sent_at[i] + rte_get_tsc_hz() / 1000000 * STEP_US;
	}
	return count;
}

// --- what comes back ---------------------------------------------------------------------------------------------

static void take_event(const struct event *e)
{
	static const char head[] = "Call-ID: ";
	if (e->protocol != EVENT_SIP)
		return;
	char text[512] = "";
	struct bytes payload = event_payload_view(e);
	memcpy(text, payload.at, payload.len < sizeof text ? payload.len : sizeof text - 1);
	const char *at = strstr(text, head);
	uint32_t i = at ? (uint32_t)strtoul(at + sizeof head - 1, NULL, 10) - now.first_number
	                : MESSAGES;
	if (i < MESSAGES) {
		now.attributed[i] = true;
		now.seen++;
	}
}

// Returns how many events there were. The core is others' meanwhile.
static unsigned look_around(void)
{
	unsigned events = 0;
	for (unsigned w = 0; w < dataplane_worker_count(dataplane); w++) {
		struct record_ring *ring = dataplane_events(dataplane, w);
		for (struct bytes record; (record = record_ring_peek(ring)).at; events++) {
			take_event((const struct event *)(const void *)record.at);
			record_ring_release(ring);
		}
	}
	for (unsigned s = 0; s < SIDES; s++) {
		void *m[64];
		for (unsigned n; (n = rte_ring_dequeue_burst(sides[s].out, m, 64, NULL)) > 0;)
			rte_pktmbuf_free_bulk((struct rte_mbuf **)m, n);
	}
	dataplane_tick(dataplane);
	usleep(20);
	return events;
}

static uint64_t deadline(void)
{
	return rte_rdtsc() + PATIENCE_S * rte_get_tsc_hz();
}

// Until all that came has been looked at by everybody whom it concerns.
static void settle(void)
{
	uint64_t end = deadline();
	for (unsigned calm = 0; calm < 2;) {
		uint64_t turns[CONFIG_MAX_WORKERS];
		unsigned workers = dataplane_worker_count(dataplane), events = 0;
		for (unsigned w = 0; w < workers; w++)
			turns[w] = dataplane_worker_turns(dataplane, w);
		for (unsigned w = 0; w < workers; w++)
			while (dataplane_worker_turns(dataplane, w) < turns[w] + 2) {
				events += look_around();
				if (rte_rdtsc() > end)
					give_up("the workers do not get on");
			}
		events += look_around();
		calm = events || dataplane_is_handing_over(dataplane) ? 0 : calm + 1;
	}
}

static void wait_for_sip(uint32_t count)
{
	for (uint64_t end = deadline(); atomic_load(&now.count) < count; look_around())
		if (rte_rdtsc() > end || count > MESSAGES)
			give_up("SIP does not come, or a binding does not end");
}

static void begin_round(uint32_t session)
{
	now.first_number += atomic_load(&now.count);
	atomic_store(&now.count, 0);
	now.seen = 0;
	now.session = session;
	memset(now.attributed, 0, sizeof now.attributed);
	for (unsigned s = 0; s < SIDES; s++)
		atomic_store(&polls[s].longest, 0);
	atomic_store(&now.flows, true);
	wait_for_sip(QUIET);
}

// Returns the longest time that a worker went without a look at its queue.
static double end_round(void)
{
	uint64_t longest = 0;
	atomic_store(&now.flows, false);
	for (unsigned s = 0; s < dataplane_worker_count(dataplane); s++)
		if (atomic_load(&polls[s].longest) > longest)
			longest = atomic_load(&polls[s].longest);
	settle();
	return microseconds(longest);
}

static void let_come(uint8_t status)
{
	atomic_store_explicit(&now.due, status, memory_order_release);
	for (uint64_t end = deadline(); atomic_load(&now.due); look_around())
		if (rte_rdtsc() > end)
			give_up("the workers do not get on");
}

// --- figures ---------------------------------------------------------------------------------------------------------

static struct figures {
	double delays[MAX_ROUNDS], gaps[MAX_ROUNDS];
} starts, stops;
// SIP that is not attributed though an earlier and a later one of the same round are: must be none
static uint64_t wrong;

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void show(const char *scene, const char *what, const char *which, const double *values,
	unsigned rounds, const double *gaps)
{
	static double sorted[MAX_ROUNDS];
	unsigned n = 0, within = 0;
	for (unsigned i = 0; i < rounds; i++)
		if (!gaps || gaps[i] <= GAP_US)
			sorted[n++] = values[i];
	qsort(sorted, n, sizeof *sorted, by_value);
	for (unsigned i = 0; i < n; i++)
		within += sorted[i] <= 1000;
	printf("binding_delay_%s_%s_%s_rounds %u rounds\n", scene, what, which, n);
	if (n == 0)
		return;
	static const struct {
		const char *name;
		double part;
	} places[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		unsigned at = (unsigned)(places[i].part * (n - 1) + 0.5);
		printf("binding_delay_%s_%s_%s_%s %.1f us\n", scene, what, which, places[i].name,
			sorted[at]);
	}
	printf("binding_delay_%s_%s_%s_within_1ms %.3f %%\n", scene, what, which,
		100.0 * within / n);
}

static void show_all(const char *scene, const char *what, const struct figures *f, unsigned rounds)
{
	static const double *none;
	show(scene, what, "all", f->delays, rounds, none);
	show(scene, what, "undisturbed", f->delays, rounds, f->gaps);
	show(scene, what, "gap", f->gaps, rounds, none);
}

static void time_start(uint32_t session, double *delay, double *gap)
{
	begin_round(session);
	let_come(1);
	for (uint64_t end = deadline(); now.seen == 0; look_around())
		if (rte_rdtsc() > end)
			give_up("a binding does not begin");
	wait_for_sip(atomic_load(&now.count) + 1);
	*gap = end_round();
	uint32_t first = 0, count = atomic_load(&now.count);
	while (!now.attributed[first])
		first++;
	for (uint32_t i = first; i < count; i++)
		wrong += !now.attributed[i];
	// One that came just before the Start may have been looked at after it.
	uint64_t began = atomic_load(&now.accounted_at);
	*delay = now.sent_at[first] > began ? microseconds(now.sent_at[first] - began) : 0;
}

// 0: the last that was attributed came before the Stop.
static void time_stop(uint32_t session, double *delay, double *gap)
{
	uint32_t last, count;
	begin_round(session);
	let_come(2);
	do {
		wait_for_sip(atomic_load(&now.count) + QUIET);
		*gap = end_round();
		count = atomic_load(&now.count);
		for (last = count; last > 0 && !now.attributed[last - 1];)
			last--;
		atomic_store(&now.flows, last + QUIET / 2 > count);
	} while (atomic_load(&now.flows));
	for (uint32_t i = 0; i < last; i++)
		wrong += !now.attributed[i];
	uint64_t stopped_at = atomic_load(&now.accounted_at);
	bool is_late = last > 0 && now.sent_at[last - 1] > stopped_at;
	*delay = is_late ? microseconds(now.sent_at[last - 1] - stopped_at) : 0;
}

static void measure(const char *scene, unsigned at, unsigned sip_side, unsigned rounds)
{
	static uint32_t session;
	now.at = at;
	now.sip = sip_side;
	for (unsigned i = 0; i < rounds; i++) {
		settle();
		session++;
		time_start(session, &starts.delays[i], &starts.gaps[i]);
		time_stop(session, &stops.delays[i], &stops.gaps[i]);
	}
	show_all(scene, "start", &starts, rounds);
	show_all(scene, "stop", &stops, rounds);
	printf("binding_delay_%s_wrong %lu messages\n", scene, wrong);
	fflush(stdout);
}

// --- life ------------------------------------------------------------------------------------------------------------

static void start_eal(unsigned workers)
{
	char lcores[256] = "0";
	for (unsigned w = 1; w <= workers; w++)
		snprintf(lcores + strlen(lcores), sizeof lcores - strlen(lcores), ",%u", w);
	// Not tied to cores: where there are fewer than threads, the kernel shares them out.
	char cpus[64] = "0", all[384];
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	if (online > 1)
		snprintf(cpus, sizeof cpus, "0-%ld", online - 1);
	snprintf(all, sizeof all, "(%s)@(%s)", lcores, cpus);
	char *arguments[] = {"bench_binding_delay", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "512", "--log-level=error", "--lcores", all, NULL};
	if (rte_eal_init(10, arguments) < 0)
		give_up("EAL does not start");
}

static void open_sides(void)
{
	pool = rte_pktmbuf_pool_create("frames", MBUFS, 0, 0, ROOM + RTE_PKTMBUF_HEADROOM, 0);
	for (unsigned s = 0; pool && s < SIDES; s++) {
		char name[16];
		snprintf(name, sizeof name, "in%u", s);
		sides[s].in = rte_ring_create(name, RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof name, "out%u", s);
		sides[s].out = rte_ring_create(name, RING, 0, RING_F_SC_DEQ);
		snprintf(name, sizeof name, "side%u", s);
		int port = sides[s].in && sides[s].out
		                   ? rte_eth_from_rings(name, &sides[s].in, 1, &sides[s].out, 1, 0)
		                   : -1;
		sides[s].port = (uint16_t)port;
		if (port < 0 || rte_eth_dev_get_name_by_port((uint16_t)port, sides[s].device) != 0)
			give_up("no rings");
	}
	if (!pool)
		give_up("no memory for frames");
}

static void warn(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

static struct target_table *make_table(void)
{
	static const struct numbering numbering;
	const struct target_rules rules = {
		.numbering = &numbering, .capacity = 10, .max_size = 1 << 20};
	struct problems problems;
	struct target_changes changes;
	struct error error;
	problems_init(&problems, "targets.yaml");
	struct target_set *set = target_file_parse(bytes_of_text(targets), &rules, &problems);
	if (!set)
		give_up(problems.text);
	struct target_table *table = NULL;
	if (target_set_adopt(set, NULL, 10, &changes, &error) == 0)
		table = target_table_new(set, 10, &key, &numbering, false, &error);
	if (!table)
		give_up(error.text);
	target_set_free(set);
	problems_fini(&problems);
	return table;
}

static struct config config_for(unsigned workers)
{
	struct config c = {
		.port_count = SIDES / 2,
		.workers = (uint16_t)workers,
		.mbuf_size = ROOM,
		.event_ring_kib = 8192,
		.reassembly = {.max_datagrams = 1024,
			.fragment_memory_mib = 4,
			.fragment_timeout_ms = 1000,
			.max_streams = 4096,
			.stream_memory_mib = 8,
			.gap_timeout_ms = 1000,
			.stream_idle_ms = 60000},
		.sip = {.max_message = 65536,
			.ports = {.items = {5060}, .count = 1},
			.recognise = true,
			.max_sessions = 65536,
			.max_duplicates = 65536,
			.session_idle_ms = 3600000},
		.radius = {.ports = {.items = {1812, 1813}, .count = 2}},
		.signalling = {.max_sessions = 65536, .session_idle_ms = 3600000},
	};
	for (unsigned p = 0; p < SIDES / 2; p++)
		c.ports[p] = (struct config_port){.a = sides[2 * p].device,
			.b = sides[2 * p + 1].device,
			.ipid = "A",
			.rx_descriptors = 256,
			.tx_descriptors = 256};
	return c;
}

static void start_dataplane(unsigned workers)
{
	static const struct binding_source source = {
		.protocols = 1u << SIGNAL_RADIUS, .point = BINDING_ANY, .vlan = BINDING_ANY};
	const struct binding_rules rules = {.sources = &source,
		.source_count = 1,
		.session_idle_ns = 3600000000000,
		.max_sessions = 1000000, // as configured by default
		.max_authorities = 64,
		.key = key};
	static struct config config;
	struct error error;
	config = config_for(workers);
	bindings = bindings_new(&rules);
	if (!bindings)
		give_up("no memory for bindings");
	dataplane = dataplane_new(&config, &key, bindings, warn, &error);
	if (!dataplane || dataplane_start(dataplane, make_table(), &error) != 0)
		give_up(error.text);
}

int main(int argc, char **argv)
{
	unsigned workers = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
	unsigned rounds = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	if (workers < 2 || workers > SIDES || rounds == 0 || rounds > MAX_ROUNDS) {
		fputs("usage: bench_binding_delay WORKERS ROUNDS (2 to 4 workers)\n", stderr);
		return 2;
	}
	start_eal(workers);
	open_sides();
	start_dataplane(workers);
	for (unsigned s = 0; s < SIDES; s++)
		if (!rte_eth_add_rx_callback(sides[s].port, 0, arrive, (void *)(uintptr_t)s))
			give_up("no RX callbacks");
	// Worker 0 keeps the bindings; side s is worker s's.
	unsigned last = workers - 1;
	char scene[32];
	snprintf(scene, sizeof scene, "%uw_to_owner", workers);
	measure(scene, 0, last, rounds);
	snprintf(scene, sizeof scene, "%uw_handed_over", workers);
	measure(scene, last == 1 ? 1 : 2, last == 1 ? 0 : last, rounds);
	snprintf(scene, sizeof scene, "%uw_both_elsewhere", workers);
	measure(scene, last, last, rounds);
	dataplane_stop(dataplane);
	while (!dataplane_stopped(dataplane))
		look_around();
	dataplane_free(dataplane);
	bindings_free(bindings);
	rte_eal_cleanup();
	return wrong != 0;
}
