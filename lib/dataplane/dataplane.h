// The data path: ports, queues, workers. The one library that knows DPDK.
//
// A worker polls its RX queues, classifies each burst, sends it on unchanged, and only then looks closely at the few
// frames that may be signalling; what belongs to a task goes into its record ring as a struct event for the control
// core. Every function here is the control core's (EAL's main lcore) and may allocate, except where said.
#ifndef X2TAP_DATAPLANE_H
#define X2TAP_DATAPLANE_H

#include "analysis.h"
#include "config.h"
#include "error.h"
#include "hash.h"
#include "record_ring.h"
#include "target_table.h"

enum { DATAPLANE_PORT_NAME = 64 };

// What one RX side of a port has come to. Laws: received = forwarded + absorbed + dropped, and
// received = the sum of classes.
struct dataplane_port_counters {
	char device[DATAPLANE_PORT_NAME];
	const char *ipid;
	bool link_up;
	uint16_t rx_queues;
	uint64_t received, received_octets;
	uint64_t forwarded; // taken by the other port of the pair
	uint64_t absorbed;  // of a mirror port: seen and freed
	uint64_t dropped;   // the other port's TX queue did not take it, after the retries
	uint64_t classes[PACKET_CLASSES];
	uint64_t nic_missed, nic_errors, nic_no_mbuf; // of the driver: never reached x2tap
};

// Of one worker, or summed. Frames that may be signalling: candidates + lost_busy.
struct dataplane_work {
	uint64_t candidates; // analysed
	uint64_t lost_busy;  // not, since frames came faster than they could be analysed
	// LI only: frames of address targets that yield no event, by class. At most 8 of a burst are looked up, so that a
	// busy target costs no more than others: it tells that there are some and why they yield nothing, not how many.
	uint64_t target_frames[PACKET_CLASSES];
	uint64_t busy_cycles, busy_frames; // TSC cycles spent in polls that found frames
};

// Over all workers.
struct dataplane_totals {
	struct dataplane_work work;
	struct analysis_counters signalling;
	struct event_counters sip;
	struct signalling_counters protocols; // RADIUS, DHCP, GTP-C
	struct event_counters signals;        // of these
	struct fragments_counters fragments;
	struct streams_counters streams;
	uint64_t incomplete, followed; // now: datagrams that wait for fragments, streams
	uint64_t
		claims_given_up; // datagrams and streams whose parts may now be put together by two workers
};

struct dataplane;

// Checks the configuration against what EAL and the ports offer, configures and starts the ports. NULL with a text that
// says what to change. What a port cannot do but needs not (MTU, promiscuous mode) comes as a line to `warn`.
// `bindings` is the caller's, must outlive it, and is written by one worker from the start to the stop; NULL: none are kept.
struct dataplane *dataplane_new(const struct config *config, const struct hash_key *key,
	struct bindings *bindings, void (*warn)(const char *line), struct error *error);
void dataplane_free(struct dataplane *d); // stops and closes the ports

// Launches the workers with the first table, which dataplane takes over.
int dataplane_start(struct dataplane *d, struct target_table *table, struct error *error);
// Publishes a table, which dataplane takes over; the one before is freed once every worker has passed a quiescent point.
void dataplane_publish(struct dataplane *d, struct target_table *table);
// Whether every worker was seen to go by the last table, as of the last tick.
bool dataplane_is_published(const struct dataplane *d);
// Housekeeping: frees retired tables, keeps the frame clock to CLOCK_REALTIME. Call at least every 100 ms.
void dataplane_tick(struct dataplane *d);

unsigned dataplane_worker_count(const struct dataplane *d);
// Events of one worker; the control core is their reader.
struct record_ring *dataplane_events(struct dataplane *d, unsigned worker);

// Ends polling; workers finish what they hold and hand it over. Poll dataplane_stopped(), draining events meanwhile.
void dataplane_stop(struct dataplane *d);
bool dataplane_stopped(const struct dataplane *d);

size_t dataplane_port_count(const struct dataplane *d);
void dataplane_port_counters(
	const struct dataplane *d, size_t index, struct dataplane_port_counters *out);
void dataplane_totals(const struct dataplane *d, struct dataplane_totals *out);
uint64_t dataplane_received(const struct dataplane *d); // frames, over all ports
// How often a worker looked at all of its queues: while it runs, a number that stays as it is tells of one that hangs.
uint64_t dataplane_worker_turns(const struct dataplane *d, unsigned worker);
// Whether anything is on its way from one worker to another.
bool dataplane_is_handing_over(const struct dataplane *d);

// Interfaces of the kernel that traffic ports stand on (net_af_packet, net_pcap, net_tap, mlx5 and others that tell theirs): what
// x2tap itself sends must not leave there. Names are looked up at each call, for an interface may go and come again.
enum { DATAPLANE_MAX_INTERFACES = 6 * 2 * CONFIG_MAX_PORTS };
size_t dataplane_traffic_interfaces(
	const struct dataplane *d, unsigned if_indexes[DATAPLANE_MAX_INTERFACES]);
bool dataplane_is_traffic_interface(const struct dataplane *d, unsigned if_index);

#endif
