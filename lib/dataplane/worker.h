// Inside the data path: what a worker holds. Not for other libraries.
#ifndef X2TAP_WORKER_H
#define X2TAP_WORKER_H

#include <stdalign.h>
#include <stdatomic.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include "analysis.h"
#include "clock.h"
#include "dataplane.h"

enum {
	CACHE_LINE = 64,
	BURST = 64,
	TX_RETRIES = 32,       // polls of a full TX queue before the rest of a burst is dropped
	LOSSLESS_BURST = 8,    // of a file port: what one poll hands over fits the half of a ring
	HANDOVER_OCTETS = 8 << 20, // of all rings from one worker to the others
	HANDOVERS_A_TURN = 32,     // bound of the work between two RX polls
	TARGET_FRAMES_A_BURST =
		8, // that yield no event and are looked up all the same, to count them
	// A worker is behind when it has read as many full bursts in a row as its queue holds, at least so many, or a quarter of
	// that where each took long: then only the first few candidates of a burst are analysed, since frames that wait in
	// the queue meanwhile would be lost there.
	BEHIND_BURSTS = 16,
	LONG_BURSTS_A_SECOND = 1000, // a burst that takes longer than such a part of a second took long
	CANDIDATES_WHEN_BEHIND = 4,
	TICK_TURNS = 1024,            // between two looks at what waits in streams
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
	unsigned behind_bursts; // so many full ones in a row

	// the worker writes, the control core reads
	alignas(CACHE_LINE) uint64_t received;
	uint64_t received_octets, forwarded, absorbed, dropped;
	uint64_t classes[PACKET_CLASSES]; // PACKET_UDP is counted as the rest

	// the worker alone
	unsigned full_bursts, long_bursts; // in a row; long ones were full too
};

// From one worker to another: parcels and their octets. Messages have a ring of their own, since taking one never makes
// another: it can always be emptied, and so the other ring too.
struct handover_rings {
	struct record_ring *rings[PARCEL_RINGS];
};

struct worker {
	// constant once launched
	struct dataplane *dataplane;
	unsigned index, lcore;
	uint16_t path_count;
	struct path *paths;            // path_count
	const uint64_t *special_ports; // of signalling and of tunnels: not for the short way
	const struct followed *followed;
	bool recognise;
	bool lossless;   // a path of any worker is
	bool is_clocked; // frame time is the clock's on all of its paths
	uint64_t long_cycles;    // of a burst, so many are
	size_t timestamp_offset; // of the mbuf's dynamic field
	uint64_t timestamp_flag; // 0: no driver gives timestamps
	struct analysis *analysis; // its counters are for the control core too
	struct record_ring *events;
	struct handover_rings *inbound[CONFIG_MAX_WORKERS]; // from worker i; NULL for itself
	struct handover_rings outbound[CONFIG_MAX_WORKERS]; // to worker i

	// the worker writes, the control core reads
	alignas(CACHE_LINE) struct dataplane_work counters;
	_Atomic uint64_t turns; // looks at all of its queues
	_Atomic bool finished;

	// the worker alone
	alignas(CACHE_LINE) uint8_t *scratch; // SCRATCH_OCTETS
	struct packet packet;                 // of the frame that is looked at closely
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
	// 65,536 bits each: of SIP, of all signalling over UDP, of these and of tunnels, of each protocol beside SIP
	uint64_t sip_ports[65536 / 64], udp_ports[65536 / 64], special_ports[65536 / 64];
	uint64_t signal_ports[SIGNAL_PROTOCOLS][65536 / 64];
	struct bindings *bindings; // the caller's, written by one worker; NULL: none are kept
	struct claims *claims; // NULL: one worker
	struct followed *followed;
	struct rte_mempool *pools[RTE_MAX_NUMA_NODES];
	struct rte_rcu_qsbr *rcu;
	bool launched;

	// control core writes, workers read
	alignas(CACHE_LINE) _Atomic(struct target_table *) table;
	struct frame_clock clock;
	_Atomic bool stop;

	// workers write: how many will still poll, and how many may still take parts
	alignas(CACHE_LINE) _Atomic unsigned receiving, joining;

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
int worker_main(void *worker);  // lcore function
analysis_post worker_post; // of a worker

#endif
