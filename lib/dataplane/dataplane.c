#include "dataplane.h"

#include <errno.h>
#include <rte_atomic.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker.h"

// A block on the worker's NUMA node, zeroed, from a cache line on.
static void *take_memory(size_t len, unsigned lcore)
{
	return rte_zmalloc_socket("x2tap", len, CACHE_LINE, (int)rte_lcore_to_socket_id(lcore));
}

static int count_workers(const struct config *config, unsigned *out, struct error *error)
{
	unsigned lcores = rte_lcore_count() - 1;
	if (lcores == 0)
		return error_set(error, -EINVAL,
			"EAL has one lcore: x2tap needs one for control and one for each worker. Give it more, e.g. -l 0,1 or, on "
			"few cores, --lcores '0@0,1@1'");
	if (config->workers > lcores)
		return error_set(error, -EINVAL,
			"workers: %u are wanted, but EAL has %u worker lcore(s) beside the main one: give more with -l, or set workers: %u",
			config->workers, lcores, lcores);
	*out = config->workers ? config->workers : RTE_MIN(lcores, (unsigned)CONFIG_MAX_WORKERS);
	return 0;
}

static struct analysis_config analysis_config(struct worker *w, const struct config *config)
{
	const struct dataplane *d = w->dataplane;
	struct analysis_config analysis = {
		.worker = w->index,
		.workers = d->worker_count,
		.key = d->key,
		.claims = d->claims,
		.followed = d->followed,
		.sip_ports = d->sip_ports,
		.udp_ports = d->udp_ports,
		.recognise = config->sip.recognise,
		.fragments =
			{
				.max_datagrams = config->reassembly.max_datagrams,
				.memory = (size_t)config->reassembly.fragment_memory_mib << 20,
				.timeout_ns =
					(uint64_t)config->reassembly.fragment_timeout_ms * 1000000,
			},
		.streams =
			{
				.max_streams = config->reassembly.max_streams,
				.memory = (size_t)config->reassembly.stream_memory_mib << 20,
				.max_message = config->sip.max_message,
				.gap_timeout_ns =
					(uint64_t)config->reassembly.gap_timeout_ms * 1000000,
				.idle_ns = (uint64_t)config->reassembly.stream_idle_ms * 1000000,
			},
		.sip =
			{
				.max_sessions = config->sip.max_sessions,
				.max_duplicates = config->sip.max_duplicates,
				.duplicate_window_ns =
					(uint64_t)config->sip.duplicate_window_ms * 1000000,
				.session_idle_ns = (uint64_t)config->sip.session_idle_ms * 1000000,
				.trust_from = config->sip.trust_from,
				.max_tasks = config->targets.capacity,
			},
		.signals =
			{
				.max_sessions = config->signalling.max_sessions,
				.max_duplicates = config->sip.max_duplicates,
				.duplicate_window_ns =
					(uint64_t)config->sip.duplicate_window_ms * 1000000,
				.session_idle_ns =
					(uint64_t)config->signalling.session_idle_ms * 1000000,
				.max_tasks = config->targets.capacity,
			},
		.bindings = d->bindings,
		.post = worker_post,
		.post_context = w,
		.events = w->events,
	};
	for (unsigned i = 0; i < SIGNAL_PROTOCOLS; i++)
		analysis.signal_ports[i] = d->signal_ports[i];
	return analysis;
}

static int make_worker(struct dataplane *d, const struct config *config, unsigned index,
	unsigned lcore, struct error *error)
{
	struct worker *w = take_memory(sizeof *w, lcore);
	if (!w)
		return error_set(error, -ENOMEM,
			"worker %u: no memory: reserve more hugepages (or -m with --no-huge)",
			index);
	d->workers[index] = w;
	w->dataplane = d;
	w->index = index;
	w->lcore = lcore;
	w->special_ports = d->special_ports;
	w->followed = d->followed;
	w->long_cycles = rte_get_tsc_hz() / LONG_BURSTS_A_SECOND;
	w->recognise = config->sip.recognise;
	w->scratch = take_memory(SCRATCH_OCTETS, lcore);
	w->events = record_ring_new((size_t)config->event_ring_kib * 1024);
	struct analysis_config analysis = analysis_config(w, config);
	w->analysis = w->events ? analysis_new(&analysis) : NULL;
	if (!w->scratch || !w->events || !w->analysis)
		return error_set(error, -ENOMEM,
			"worker %u: no memory for its tables: lower sip.max_sessions, sip.max_duplicates, the sizes of reassembly or "
			"event_ring_kib, or reserve more hugepages (or -m with --no-huge)",
			index);
	return 0;
}

// What all workers look at, before there is any.
static int make_shared(struct dataplane *d, const struct config *config, struct error *error)
{
	uint32_t claims = d->worker_count *
	                  (config->reassembly.max_datagrams + config->reassembly.max_streams);
	d->followed = followed_new(&d->key);
	d->claims = d->worker_count > 1 ? claims_new(claims) : NULL;
	if (!d->followed || (d->worker_count > 1 && !d->claims))
		return error_set(error, -ENOMEM,
			"no memory for what the workers share: lower reassembly.max_datagrams or reassembly.max_streams");
	return 0;
}

// Rings from every worker to every other.
static int join_workers(struct dataplane *d, struct error *error)
{
	size_t size =
		HANDOVER_OCTETS / PARCEL_RINGS / (d->worker_count > 1 ? d->worker_count - 1 : 1);
	for (unsigned from = 0; from < d->worker_count; from++) {
		for (unsigned to = 0; to < d->worker_count; to++) {
			struct handover_rings *out = &d->workers[from]->outbound[to];
			for (unsigned ring = 0; ring < PARCEL_RINGS && from != to; ring++)
				if (!(out->rings[ring] = record_ring_new(size)))
					return error_set(error, -ENOMEM,
						"workers: no memory for the rings between them");
			if (from != to)
				d->workers[to]->inbound[from] = out;
		}
	}
	return 0;
}

static void mark_port(uint64_t *bits, uint16_t port)
{
	bits[port / 64] |= 1ull << (port % 64);
}

static void mark_list(struct dataplane *d, uint64_t *bits, const struct config_ports *ports)
{
	for (size_t i = 0; i < ports->count; i++) {
		mark_port(bits, ports->items[i]);
		mark_port(d->udp_ports, ports->items[i]);
		mark_port(d->special_ports, ports->items[i]);
	}
}

static const struct config_ports *ports_of(const struct config *config, enum protocol_family family)
{
	switch (family) {
	case FAMILY_RADIUS:
		return &config->radius.ports;
	case FAMILY_DHCPV4:
		return &config->dhcp.v4_ports;
	case FAMILY_DHCPV6:
		return &config->dhcp.v6_ports;
	case FAMILY_GTP:
		break;
	}
	return &config->gtp.ports;
}

static void mark_ports(struct dataplane *d, const struct config *config)
{
	mark_list(d, d->sip_ports, &config->sip.ports);
	for (unsigned i = 0; i < protocol_count; i++)
		mark_list(d, d->signal_ports[i], ports_of(config, protocols[i].family));
	for (unsigned port = 0; port <= UINT16_MAX; port++)
		if (packet_is_tunnel_port((uint16_t)port))
			mark_port(d->special_ports, (uint16_t)port);
}

static void find_timestamps(struct dataplane *d)
{
	int offset = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
	int bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
	for (unsigned i = 0; i < d->worker_count; i++) {
		d->workers[i]->timestamp_offset = (size_t)RTE_MAX(offset, 0);
		d->workers[i]->timestamp_flag = offset >= 0 && bit >= 0 ? 1ull << bit : 0;
	}
}

// What of a worker follows from its paths.
static void note_clocks(struct dataplane *d)
{
	bool is_lossless = false;
	for (unsigned i = 0; i < d->worker_count; i++) {
		struct worker *w = d->workers[i];
		w->is_clocked = true;
		for (uint16_t p = 0; p < w->path_count; p++) {
			w->is_clocked &= !w->paths[p].has_timestamps && !w->paths[p].lossless;
			is_lossless |= w->paths[p].lossless;
		}
	}
	// Also of a worker without a path: what others hand over to it must find room.
	for (unsigned i = 0; i < d->worker_count; i++)
		d->workers[i]->lossless = is_lossless;
}

static int make_rcu(struct dataplane *d, struct error *error)
{
	d->rcu = rte_zmalloc("x2tap_rcu", rte_rcu_qsbr_get_memsize(d->worker_count), CACHE_LINE);
	if (!d->rcu || rte_rcu_qsbr_init(d->rcu, d->worker_count) != 0)
		return error_set(error, -ENOMEM, "no memory for %u workers", d->worker_count);
	for (unsigned i = 0; i < d->worker_count; i++)
		rte_rcu_qsbr_thread_register(d->rcu, i);
	return 0;
}

struct dataplane *dataplane_new(const struct config *config, const struct hash_key *key,
	struct bindings *bindings, void (*warn)(const char *line), struct error *error)
{
	struct dataplane *d = aligned_alloc(CACHE_LINE, sizeof *d);
	if (!d) {
		error_set(error, -ENOMEM, "no memory");
		return NULL;
	}
	*d = (struct dataplane){.key = *key, .bindings = bindings};
	frame_clock_init(&d->clock);
	mark_ports(d, config);
	unsigned wanted = 0;
	if (count_workers(config, &wanted, error) != 0)
		goto fail;
	d->worker_count = wanted;
	if (make_shared(d, config, error) != 0)
		goto fail;
	unsigned lcore = rte_get_next_lcore(UINT32_MAX, 1, 0);
	for (unsigned i = 0; i < wanted; i++, lcore = rte_get_next_lcore(lcore, 1, 0))
		if (make_worker(d, config, i, lcore, error) != 0)
			goto fail;
	if (join_workers(d, error) != 0 || make_rcu(d, error) != 0 ||
		ports_open(d, config, warn, error) != 0)
		goto fail;
	find_timestamps(d);
	note_clocks(d);
	return d;
fail:
	dataplane_free(d);
	return NULL;
}

static void free_worker(struct worker *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < CONFIG_MAX_WORKERS; i++)
		for (unsigned ring = 0; ring < PARCEL_RINGS; ring++)
			record_ring_free(w->outbound[i].rings[ring]);
	analysis_free(w->analysis);
	record_ring_free(w->events);
	if (w->scratch)
		explicit_bzero(w->scratch, SCRATCH_OCTETS);
	rte_free(w->scratch);
	rte_free(w->paths);
	rte_free(w);
}

void dataplane_free(struct dataplane *d)
{
	if (!d)
		return;
	if (d->launched) {
		dataplane_stop(d);
		rte_eal_mp_wait_lcore();
	}
	ports_close(d);
	for (unsigned i = 0; i < d->retired_count; i++)
		target_table_free(d->retired[i].table);
	target_table_free(atomic_load(&d->table));
	for (unsigned i = 0; i < d->worker_count; i++)
		free_worker(d->workers[i]);
	claims_free(d->claims);
	followed_free(d->followed);
	rte_free(d->rcu);
	free(d);
}

int dataplane_start(struct dataplane *d, struct target_table *table, struct error *error)
{
	atomic_store(&d->table, table);
	atomic_store(&d->receiving, d->worker_count);
	atomic_store(&d->joining, d->worker_count);
	for (unsigned i = 0; i < d->worker_count; i++) {
		int result =
			rte_eal_remote_launch(worker_main, d->workers[i], d->workers[i]->lcore);
		if (result != 0) {
			// Those that run must not wait for those that do not.
			atomic_fetch_sub(&d->receiving, d->worker_count - i);
			atomic_fetch_sub(&d->joining, d->worker_count - i);
			return error_set(error, result,
				"worker %u cannot be started on lcore %u: %s", i,
				d->workers[i]->lcore, rte_strerror(-result));
		}
		d->launched = true;
	}
	return 0;
}

void dataplane_publish(struct dataplane *d, struct target_table *table)
{
	while (d->retired_count ==
		RTE_DIM(d->retired)) { // workers pass a quiescent point every turn
		dataplane_tick(d);
		usleep(100);
	}
	// release: pairs with the acquire in worker_main
	struct target_table *old = atomic_exchange_explicit(&d->table, table, memory_order_acq_rel);
	d->retired[d->retired_count++] = (struct retired){old, rte_rcu_qsbr_start(d->rcu)};
}

bool dataplane_is_published(const struct dataplane *d)
{
	return d->retired_count == 0;
}

void dataplane_tick(struct dataplane *d)
{
	frame_clock_adjust(&d->clock);
	unsigned kept = 0;
	for (unsigned i = 0; i < d->retired_count; i++) {
		if (rte_rcu_qsbr_check(d->rcu, d->retired[i].token, false) == 1)
			target_table_free(d->retired[i].table);
		else
			d->retired[kept++] = d->retired[i];
	}
	d->retired_count = kept;
}

unsigned dataplane_worker_count(const struct dataplane *d)
{
	return d->worker_count;
}

struct record_ring *dataplane_events(struct dataplane *d, unsigned worker)
{
	return d->workers[worker]->events;
}

void dataplane_stop(struct dataplane *d)
{
	atomic_store_explicit(&d->stop, true, memory_order_relaxed);
}

bool dataplane_stopped(const struct dataplane *d)
{
	for (unsigned i = 0; i < d->worker_count; i++)
		if (!atomic_load_explicit(&d->workers[i]->finished,
			    memory_order_acquire)) // pairs with worker_main's release
			return false;
	return true;
}

size_t dataplane_port_count(const struct dataplane *d)
{
	return d->port_count;
}

static void add_path_counters(const struct path *path, struct dataplane_port_counters *out)
{
	uint64_t others = 0;
	for (unsigned c = 0; c < PACKET_CLASSES; c++) {
		uint64_t frames = path->classes[c]; // read once: the worker goes on counting
		out->classes[c] += frames;
		others += frames;
	}
	rte_compiler_barrier(); // classes before received: pairs with classify()
	uint64_t received = path->received;
	out->received += received;
	out->received_octets += path->received_octets;
	out->forwarded += path->forwarded;
	out->absorbed += path->absorbed;
	out->dropped += path->dropped;
	out->classes[PACKET_UDP] += received - others;
}

void dataplane_port_counters(
	const struct dataplane *d, size_t index, struct dataplane_port_counters *out)
{
	const struct port *port = &d->ports[index];
	*out = (struct dataplane_port_counters){.ipid = port->ipid, .rx_queues = port->rx_queues};
	memcpy(out->device, port->device, sizeof out->device);
	for (unsigned i = 0; i < d->worker_count; i++)
		for (uint16_t p = 0; p < d->workers[i]->path_count; p++)
			if (d->workers[i]->paths[p].port_index == index)
				add_path_counters(&d->workers[i]->paths[p], out);
	struct rte_eth_link link;
	struct rte_eth_stats stats;
	out->link_up = rte_eth_link_get_nowait(port->id, &link) == 0 && link.link_status;
	if (rte_eth_stats_get(port->id, &stats) == 0) {
		out->nic_missed = stats.imissed;
		out->nic_errors = stats.ierrors;
		out->nic_no_mbuf = stats.rx_nombuf;
	}
}

// These structs hold nothing but uint64_t counters, so a sum over workers is one over words.
static void add_words(void *sum, const void *part, size_t size)
{
	uint64_t *to = sum;
	const uint64_t *from = part;
	for (size_t i = 0; i < size / sizeof *to; i++)
		to[i] += from[i];
}

void dataplane_totals(const struct dataplane *d, struct dataplane_totals *out)
{
	*out = (struct dataplane_totals){
		.claims_given_up = d->claims ? claims_given_up(d->claims) : 0};
	for (unsigned i = 0; i < d->worker_count; i++) {
		const struct worker *w = d->workers[i];
		const struct analysis *a = w->analysis;
		add_words(&out->work, &w->counters, sizeof out->work);
		add_words(&out->signalling, analysis_counters(a), sizeof out->signalling);
		add_words(&out->sip, analysis_sip_counters(a), sizeof out->sip);
		add_words(&out->protocols, analysis_signalling_counters(a), sizeof out->protocols);
		add_words(&out->signals, analysis_signal_counters(a), sizeof out->signals);
		add_words(&out->fragments, analysis_fragments_counters(a), sizeof out->fragments);
		add_words(&out->streams, analysis_streams_counters(a), sizeof out->streams);
		out->incomplete += analysis_incomplete(a);
		out->followed += analysis_followed(a);
	}
}

uint64_t dataplane_received(const struct dataplane *d)
{
	uint64_t total = 0;
	for (unsigned i = 0; i < d->worker_count; i++)
		for (uint16_t p = 0; p < d->workers[i]->path_count; p++)
			total += d->workers[i]->paths[p].received;
	return total;
}

uint64_t dataplane_worker_turns(const struct dataplane *d, unsigned worker)
{
	return atomic_load_explicit(&d->workers[worker]->turns, memory_order_relaxed);
}

bool dataplane_is_handing_over(const struct dataplane *d)
{
	for (unsigned from = 0; from < d->worker_count; from++)
		for (unsigned to = 0; to < d->worker_count; to++)
			for (unsigned ring = 0; ring < PARCEL_RINGS && from != to; ring++)
				if (record_ring_used(d->workers[from]->outbound[to].rings[ring]))
					return true;
	return false;
}
