// Ports: what the configuration wants, against what the device offers.
#include "worker.h"

#include <errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RSS_KEY_MAX = 64,
	POOL_CACHE = 512,
	SPARE_MBUFS = 4096, // frames between queues: bursts, handovers, chains of large frames
};

// One RX side: what it is called, what it is in pair with, and who polls it.
struct side {
	const struct config_port *entry;
	uint16_t point;
	const char *device;
	struct port *port, *peer; // peer: where its frames leave; NULL for a mirror
};

static void name_ports(struct writer *w)
{
	for (uint16_t id = 0; id < RTE_MAX_ETHPORTS; id++) {
		char name[RTE_ETH_NAME_MAX_LEN];
		if (rte_eth_dev_is_valid_port(id) && rte_eth_dev_get_name_by_port(id, name) == 0)
			write_format(w, "%s%s", w->len ? ", " : "", name);
	}
}

static int find_port(
	const struct config_port *entry, const char *device, struct port *port, struct error *error)
{
	if (rte_eth_dev_get_port_by_name(device, &port->id) != 0) {
		char list[400] = "";
		struct writer w = writer_of(list, sizeof list - 1);
		name_ports(&w);
		list[w.len] = '\0';
		return error_set(error, -ENODEV,
			"ports, line %u: there is no device '%s'. EAL found: %s. Give it to EAL (--vdev=%s,... or -a PCI-ADDRESS "
			"with its driver bound) or name another",
			entry->mark.line, device, w.len ? list : "none", device);
	}
	snprintf(port->device, sizeof port->device, "%s", device);
	port->ipid = entry->ipid;
	return 0;
}

static bool has_rss(const struct rte_eth_dev_info *info)
{
	return (info->flow_type_rss_offloads & RTE_ETH_RSS_IP) != 0 && info->max_rx_queues > 1;
}

// File-like devices have as many queues as they were created with, and each must be read.
static bool has_fixed_queues(const struct rte_eth_dev_info *info)
{
	static const char *const drivers[] = {"net_pcap", "net_ring", "net_af_packet"};
	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (strcmp(info->driver_name, drivers[i]) == 0)
			return true;
	return false;
}

// Devices whose frames wait for us, so that not polling them loses nothing.
static bool can_wait(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_pcap") == 0 ||
	       strcmp(info->driver_name, "net_ring") == 0;
}

static int choose_queues(const struct dataplane *d, const struct side *side,
	const struct rte_eth_dev_info *info, struct error *error)
{
	const struct config_port *entry = side->entry;
	uint16_t queues = entry->rx_queues;
	if (queues > info->max_rx_queues)
		return error_set(error, -EINVAL,
			"ports, line %u: rx_queues is %u, but '%s' has %u: set rx_queues: %u or leave it out",
			entry->mark.line, queues, side->device, info->max_rx_queues,
			info->max_rx_queues);
	if (queues == 0 && has_fixed_queues(info))
		queues = info->max_rx_queues;
	else if (queues == 0)
		queues =
			has_rss(info) ? (uint16_t)RTE_MIN(d->worker_count, info->max_rx_queues) : 1;
	if (queues == 0)
		return error_set(error, -EINVAL,
			"ports, line %u: '%s' has no RX queue (net_pcap: give rx_pcap= or rx_iface=)",
			entry->mark.line, side->device);
	side->port->rx_queues = queues;
	return 0;
}

// Which worker polls queue `q` of the RX side that is number `side` of all: queue q of every RSS port goes to worker q, so
// that both directions of a flow meet; ports of one queue are spread.
static unsigned worker_of(const struct dataplane *d, size_t side, uint16_t queues, uint16_t q)
{
	return queues == 1 ? (unsigned)(side % d->worker_count) : q % d->worker_count;
}

// How many workers send to the peer of `side`, and the TX queue of one of them.
static uint16_t tx_queue_of(
	const struct dataplane *d, size_t side, uint16_t queues, unsigned worker, uint16_t *count)
{
	uint16_t of[CONFIG_MAX_WORKERS], used = 0;
	bool seen[CONFIG_MAX_WORKERS] = {false};
	for (uint16_t q = 0; q < queues; q++) {
		unsigned w = worker_of(d, side, queues, q);
		if (!seen[w])
			of[w] = used++;
		seen[w] = true;
	}
	if (count)
		*count = used;
	return seen[worker] ? of[worker] : 0;
}

static int make_pool(struct dataplane *d, const struct config *config, int socket, unsigned mbufs,
	struct error *error)
{
	if (d->pools[socket])
		return 0;
	char name[RTE_MEMPOOL_NAMESIZE];
	snprintf(name, sizeof name, "x2tap_frames_%d", socket);
	d->pools[socket] = rte_pktmbuf_pool_create(name, mbufs, POOL_CACHE, 0,
		(uint16_t)(config->mbuf_size + RTE_PKTMBUF_HEADROOM), socket);
	if (!d->pools[socket])
		return error_set(error, -ENOMEM,
			"mbufs: no memory for %u buffers of %u octets (%lu MiB): %s. Reserve more hugepages (or -m with --no-huge), or lower "
			"mbufs, mbuf_size or the descriptors",
			mbufs, config->mbuf_size,
			(unsigned long)mbufs * (config->mbuf_size + RTE_PKTMBUF_HEADROOM +
						       sizeof(struct rte_mbuf)) >>
				20,
			rte_strerror(rte_errno));
	return 0;
}

static unsigned mbufs_needed(const struct dataplane *d, const struct config *config,
	const struct side *sides, size_t count)
{
	if (config->mbufs)
		return config->mbufs;
	unsigned total = SPARE_MBUFS + d->worker_count * (POOL_CACHE + 2 * BURST);
	for (size_t i = 0; i < count; i++)
		total += (unsigned)(sides[i].port->rx_queues * sides[i].entry->rx_descriptors) +
		         (unsigned)(sides[i].port->tx_queues * sides[i].entry->tx_descriptors);
	return total;
}

static struct rte_eth_conf port_conf(
	const struct rte_eth_dev_info *info, uint16_t rx_queues, uint8_t *key)
{
	struct rte_eth_conf conf = {0};
	// VLAN strip and LRO stay off: frames leave as they came. MBUF_FAST_FREE stays off: candidates hold references.
	conf.rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (rx_queues > 1 && has_rss(info)) {
		// The address pair alone decides: then fragments stay in order with the rest of their flow. The repeated
		// key makes both directions equal (Woo and Park, "Scalable TCP session monitoring with symmetric RSS", 2012).
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |
				RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 |
				RTE_ETH_RSS_NONFRAG_IPV6_OTHER | RTE_ETH_RSS_IPV6_EX);
		uint8_t len = info->hash_key_size ? info->hash_key_size : 40;
		for (uint8_t i = 0; i < RSS_KEY_MAX; i++)
			key[i] = i % 2 ? 0x5a : 0x6d;
		conf.rx_adv_conf.rss_conf.rss_key = len <= RSS_KEY_MAX ? key : NULL;
		conf.rx_adv_conf.rss_conf.rss_key_len = len;
	}
	return conf;
}

static int start_port(struct dataplane *d, const struct side *side,
	const struct rte_eth_dev_info *info, void (*warn)(const char *line), struct error *error)
{
	struct port *port = side->port;
	const struct config_port *entry = side->entry;
	uint8_t key[RSS_KEY_MAX];
	struct rte_eth_conf conf = port_conf(info, port->rx_queues, key);
	char line[256];
	int result = rte_eth_dev_configure(port->id, port->rx_queues, port->tx_queues, &conf);
	if (result != 0)
		return error_set(error, result,
			"port '%s': cannot be configured with %u RX and %u TX queues: %s",
			port->device, port->rx_queues, port->tx_queues, rte_strerror(-result));
	port->configured = true;
	if (entry->mtu && (result = rte_eth_dev_set_mtu(port->id, (uint16_t)entry->mtu)) != 0) {
		snprintf(line, sizeof line,
			"port '%s': the MTU cannot be set to %u (%s); it stays as it is, longer frames may not pass",
			port->device, entry->mtu, rte_strerror(-result));
		warn(line);
	}
	uint16_t rx_descriptors = entry->rx_descriptors, tx_descriptors = entry->tx_descriptors;
	result = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_descriptors, &tx_descriptors);
	if (result != 0)
		return error_set(error, result,
			"port '%s': %u RX or %u TX descriptors are not possible: %s", port->device,
			entry->rx_descriptors, entry->tx_descriptors, rte_strerror(-result));
	int socket = RTE_MAX(rte_eth_dev_socket_id(port->id), 0);
	for (uint16_t q = 0; q < port->rx_queues; q++) {
		result = rte_eth_rx_queue_setup(
			port->id, q, rx_descriptors, (unsigned)socket, NULL, d->pools[socket]);
		if (result != 0)
			return error_set(error, result,
				"port '%s': RX queue %u cannot be set up: %s (net_pcap with infinite_rx keeps its "
				"whole file in buffers: raise mbufs)",
				port->device, q, rte_strerror(-result));
	}
	for (uint16_t q = 0; q < port->tx_queues; q++) {
		struct rte_eth_txconf tx = info->default_txconf;
		tx.offloads = conf.txmode.offloads;
		result = rte_eth_tx_queue_setup(port->id, q, tx_descriptors, (unsigned)socket, &tx);
		if (result != 0)
			return error_set(error, result,
				"port '%s': TX queue %u cannot be set up: %s", port->device, q,
				rte_strerror(-result));
	}
	result = rte_eth_dev_start(port->id);
	if (result != 0)
		return error_set(error, result, "port '%s': cannot be started: %s", port->device,
			rte_strerror(-result));
	port->started = true;
	if (entry->promiscuous && (result = rte_eth_promiscuous_enable(port->id)) != 0 &&
		result != -ENOTSUP) {
		snprintf(line, sizeof line,
			"port '%s': promiscuous mode cannot be switched on (%s): frames for other stations may not be seen",
			port->device, rte_strerror(-result));
		warn(line);
	}
	return 0;
}

static void add_path(struct dataplane *d, const struct side *side, size_t number,
	const struct rte_eth_dev_info *info, uint16_t q)
{
	unsigned index = worker_of(d, number, side->port->rx_queues, q);
	struct worker *w = d->workers[index];
	w->paths[w->path_count++] = (struct path){
		.rx_port = side->port->id,
		.rx_queue = q,
		.forwards = side->peer != NULL,
		.tx_port = side->peer ? side->peer->id : 0,
		.tx_queue =
			side->peer ? tx_queue_of(d, number, side->port->rx_queues, index, NULL) : 0,
		.point = side->point,
		.port_index = (uint16_t)(side->port - d->ports),
		.lossless = side->entry->lossless,
		.behind_bursts = RTE_MAX((unsigned)BEHIND_BURSTS,
			(unsigned)side->entry->rx_descriptors / BURST),
		// Unit and epoch of mbuf timestamps, by driver: net_pcap gives microseconds since 1970.
		.has_timestamps = strcmp(info->driver_name, "net_pcap") == 0,
	};
}

// Each worker gets as many paths as queues fall to it, on its own NUMA node.
static int make_paths(
	struct dataplane *d, const struct side *sides, size_t count, struct error *error)
{
	unsigned of[CONFIG_MAX_WORKERS] = {0};
	for (size_t i = 0; i < count; i++)
		for (uint16_t q = 0; q < sides[i].port->rx_queues; q++)
			of[worker_of(d, i, sides[i].port->rx_queues, q)]++;
	for (unsigned w = 0; w < d->worker_count; w++) {
		int socket = (int)rte_lcore_to_socket_id(d->workers[w]->lcore);
		if (of[w] == 0)
			continue;
		d->workers[w]->paths = rte_zmalloc_socket(
			"x2tap", of[w] * sizeof(struct path), CACHE_LINE, socket);
		if (!d->workers[w]->paths)
			return error_set(error, -ENOMEM,
				"worker %u: no memory for its queues: reserve more hugepages (or -m with --no-huge)",
				w);
	}
	return 0;
}

static size_t list_sides(struct dataplane *d, const struct config *config, struct side *sides)
{
	size_t count = 0;
	for (size_t i = 0; i < config->port_count; i++) {
		const struct config_port *entry = &config->ports[i];
		struct port *a = &d->ports[count], *b = entry->b ? &d->ports[count + 1] : NULL;
		sides[count++] = (struct side){entry, (uint16_t)i, entry->a, a, b};
		if (b)
			sides[count++] = (struct side){entry, (uint16_t)i, entry->b, b, a};
	}
	d->port_count = count;
	return count;
}

static int check_side(struct dataplane *d, const struct side *side, size_t number,
	const struct rte_eth_dev_info *info, const struct rte_eth_dev_info *peer_info,
	struct error *error)
{
	if (side->entry->lossless && !can_wait(info))
		return error_set(error, -EINVAL,
			"ports, line %u: pace: lossless holds frames back, which '%s' (%s) cannot: it is for net_pcap and net_ring. Remove it",
			side->entry->mark.line, side->device, info->driver_name);
	if (!side->peer)
		return 0;
	tx_queue_of(d, number, side->port->rx_queues, 0, &side->peer->tx_queues);
	if (side->peer->tx_queues > peer_info->max_tx_queues)
		return error_set(error, -EINVAL,
			"ports, line %u: %u workers would send to '%s', which has %u TX queue(s): set rx_queues: %u for this pair%s",
			side->entry->mark.line, side->peer->tx_queues, side->peer->device,
			peer_info->max_tx_queues, peer_info->max_tx_queues,
			peer_info->max_tx_queues ? "" : " (net_pcap: give tx_pcap= or tx_iface=)");
	return 0;
}

// DPDK's driver asks the kernel (PACKET_FANOUT_FLAG_DEFRAG) to put IPv4 fragments together: what comes is longer than the link's
// frames, and does not leave at the other end.
static void warn_of_fragments(const struct side *side, const struct rte_eth_dev_info *info,
	void (*warn)(const char *line))
{
	char line[256];
	if (!side->peer || strcmp(info->driver_name, "net_af_packet") != 0)
		return;
	snprintf(line, sizeof line,
		"ports, line %u: through '%s' (net_af_packet) IPv4 fragments do not pass: the kernel puts them together, and drops "
		"what is then too long. Use another driver for an inline link",
		side->entry->mark.line, side->device);
	warn(line);
}

// A packet socket hears every interface until it is bound, and DPDK's driver makes its ring before it binds: what came in those
// moments may be of another link, and would go back to where it came from. Nothing is received before this either way.
static void discard_early(const struct port *port, const struct rte_eth_dev_info *info)
{
	enum { MOST = 65536 }; // frames, more than rings usually hold: a link goes on meanwhile
	struct rte_mbuf *burst[BURST];
	uint16_t count;
	if (strcmp(info->driver_name, "net_af_packet") != 0)
		return;
	for (uint16_t q = 0; q < port->rx_queues; q++) {
		for (unsigned total = 0; total < MOST; total += count) {
			count = rte_eth_rx_burst(port->id, q, burst, BURST);
			rte_pktmbuf_free_bulk(burst, count);
			if (count == 0)
				break;
		}
	}
}

int ports_open(struct dataplane *d, const struct config *config, void (*warn)(const char *line),
	struct error *error)
{
	struct side sides[MAX_SIDES];
	struct rte_eth_dev_info info[MAX_SIDES];
	size_t count = list_sides(d, config, sides);
	int result;
	for (size_t i = 0; i < count; i++) {
		if ((result = find_port(sides[i].entry, sides[i].device, sides[i].port, error)) !=
			0)
			return result;
		if ((result = rte_eth_dev_info_get(sides[i].port->id, &info[i])) != 0)
			return error_set(error, result,
				"port '%s': does not tell what it can do: %s", sides[i].device,
				rte_strerror(-result));
		if ((result = choose_queues(d, &sides[i], &info[i], error)) != 0)
			return result;
		warn_of_fragments(&sides[i], &info[i], warn);
	}
	for (size_t i = 0; i < count; i++) {
		const struct rte_eth_dev_info *peer =
			sides[i].peer ? &info[sides[i].peer - d->ports] : NULL;
		if ((result = check_side(d, &sides[i], i, &info[i], peer, error)) != 0)
			return result;
	}
	unsigned mbufs = mbufs_needed(d, config, sides, count);
	for (size_t i = 0; i < count; i++) {
		int socket = RTE_MAX(rte_eth_dev_socket_id(sides[i].port->id), 0);
		if ((result = make_pool(d, config, socket, mbufs, error)) != 0)
			return result;
	}
	if ((result = make_paths(d, sides, count, error)) != 0)
		return result;
	for (size_t i = 0; i < count; i++) {
		if ((result = start_port(d, &sides[i], &info[i], warn, error)) != 0)
			return result;
		for (uint16_t q = 0; q < sides[i].port->rx_queues; q++)
			add_path(d, &sides[i], i, &info[i], q);
	}
	for (size_t i = 0; i < count; i++)
		discard_early(sides[i].port, &info[i]);
	return 0;
}

void ports_close(struct dataplane *d)
{
	for (size_t i = d->port_count; i-- > 0;) {
		if (d->ports[i].started)
			rte_eth_dev_stop(d->ports[i].id);
		if (d->ports[i].configured) // its queues may hold frames of our pools
			rte_eth_dev_close(d->ports[i].id);
	}
	for (unsigned i = 0; i < RTE_MAX_NUMA_NODES; i++)
		rte_mempool_free(d->pools[i]);
}
