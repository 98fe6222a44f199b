// Inside the data path: what a worker holds. Not for other libraries.
#ifndef X2TAP_WORKER_H
#define X2TAP_WORKER_H

#include <stdalign.h>
#include <stdatomic.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring_elem.h>

#include "clock.h"
#include "dataplane.h"

enum {
	CACHE_LINE = 64,
	BURST = 64,
	TX_RETRIES = 32,       // polls of a full TX queue before the rest of a burst is dropped
	HANDOVER_RING = 1024,  // messages on their way from one worker to another
	HANDOVERS_A_TURN = 32, // bound of the work between two RX polls
	TARGET_FRAMES_A_BURST =
		8, // that yield no event and are looked up all the same, to count them
	MESSAGES_A_DATAGRAM = 8,      // SIP messages looked at in one datagram
	SCRATCH_OCTETS = 65536 + 256, // one frame put together from segments
	MAX_SIDES = 2 * CONFIG_MAX_PORTS,
};

// From one RX queue to where its frames leave. One worker polls it.
struct path {
	// constant once launched
	uint16_t rx_port, rx_queue;
	bool forwards; // false: a mirror port, frames end here
	uint16_t tx_port, tx_queue;
	uint16_t point;      // index of the entry in `ports`: gives the IPID
	uint16_t port_index; // index in dataplane.ports of the RX side
	bool lossless;
	bool has_timestamps; // the driver's mbuf timestamps have a known unit and epoch

	// the worker writes, the control core reads
	alignas(CACHE_LINE) uint64_t received;
	uint64_t received_octets, forwarded, absorbed, dropped;
	uint64_t classes[PACKET_CLASSES]; // PACKET_UDP is counted as the rest
};

// A message on its way to the worker that owns its session.
struct handover {
	struct rte_mbuf *frame; // a reference of its own
	uint64_t time_ns;
	struct flow flow;
	uint32_t offset, len; // of the message in the frame
	uint16_t point;
};

struct worker {
	// constant once launched
	struct dataplane *dataplane;
	unsigned index, lcore;
	uint16_t path_count;
	struct path *paths;            // path_count
	const uint64_t *sip_ports;     // 65,536 bits
	const uint64_t *special_ports; // these and the ports that say tunnel: not for the short way
	bool recognise;
	size_t timestamp_offset; // of the mbuf's dynamic field
	uint64_t timestamp_flag; // 0: no driver gives timestamps
	struct sip_events *sip_events;
	struct record_ring *events;
	struct rte_ring *inbound[CONFIG_MAX_WORKERS];  // from worker i; NULL for itself
	struct rte_ring *outbound[CONFIG_MAX_WORKERS]; // to worker i

	// the worker writes, the control core reads
	alignas(CACHE_LINE) struct dataplane_signalling counters;
	_Atomic uint64_t turns; // looks at all of its queues
	_Atomic bool finished;

	// the worker alone
	alignas(CACHE_LINE) struct sip_message message;
	uint8_t *scratch; // SCRATCH_OCTETS
};

struct port {
	uint16_t id; // DPDK's
	char device[DATAPLANE_PORT_NAME];
	const char *ipid;
	uint16_t rx_queues, tx_queues;
	bool configured, started;
};

struct dataplane {
	// constant once launched
	struct hash_key key;
	unsigned worker_count;
	struct worker *workers[CONFIG_MAX_WORKERS];
	size_t port_count;
	struct port ports[MAX_SIDES];
	uint64_t sip_ports[65536 / 64], special_ports[65536 / 64];
	struct rte_mempool *pools[RTE_MAX_NUMA_NODES];
	struct rte_rcu_qsbr *rcu;
	bool launched;

	// control core writes, workers read
	alignas(CACHE_LINE) _Atomic(struct target_table *) table;
	struct frame_clock clock;
	_Atomic bool stop;

	// workers write: how many have polled for the last time
	alignas(CACHE_LINE) _Atomic unsigned receiving;

	// control core alone
	struct retired {
		struct target_table *table;
		uint64_t token;
	} retired[8];
	unsigned retired_count;
};

// ports.c
int ports_open(struct dataplane *d, const struct config *config, void (*warn)(const char *line),
	struct error *error);
void ports_close(struct dataplane *d);

// worker.c
int worker_main(void *worker); // lcore function

#endif
