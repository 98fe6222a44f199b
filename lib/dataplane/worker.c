#include "worker.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_pause.h>

#include "exact.h"

// What the first look at a frame came to.
enum interest {
	NOBODYS = 0,
	MAY_BE_SIP = 1,
	ADDRESS_OF_TARGET = 2, // by the filter, so perhaps
};

// One frame of a burst that deserves a second look. `frame` is a reference of its own where the payload is wanted.
struct candidate {
	struct rte_mbuf *frame;
	enum interest interest;
	enum packet_class class;
	struct flow flow; // for ADDRESS_OF_TARGET alone
};

static inline bool bit_of(const uint64_t *bits, uint16_t index)
{
	return bits[index / 64] >> (index % 64) & 1;
}

static inline uint16_t load_be16(const uint8_t *at)
{
	uint16_t v;
	memcpy(&v, at, sizeof v);
	return rte_be_to_cpu_16(v);
}

static inline uint32_t load_be32(const uint8_t *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof v);
	return rte_be_to_cpu_32(v);
}

// --- classification: headers and lookups only ------------------------------------------------------------------

static bool filter_flow(const struct target_filter *f, const struct flow *flow)
{
	if (flow->source.family == 4 &&
		(target_filter_ipv4(f, load_be32(flow->source.octets)) ||
			target_filter_ipv4(f, load_be32(flow->destination.octets))))
		return true;
	if (flow->source.family == 6 && (target_filter_ipv6(f, flow->source.octets) ||
						target_filter_ipv6(f, flow->destination.octets)))
		return true;
	if (likely(!f->has_ports))
		return false;
	const uint64_t *ports = flow->protocol == 17  ? f->udp_ports
	                        : flow->protocol == 6 ? f->tcp_ports
	                                              : NULL;
	return ports && (bit_of(ports, flow->source_port) || bit_of(ports, flow->destination_port));
}

// The flow of a packet that could be a target's, or NULL: the innermost, an outer one where these count too.
static const struct flow *filter_packet(const struct target_filter *f, const struct packet *packet)
{
	if (packet->flow.source.family != 0 && filter_flow(f, &packet->flow))
		return &packet->flow;
	for (unsigned i = 0; f->match_outer && i < packet->outer.flow_count; i++)
		if (filter_flow(f, &packet->outer.flows[i]))
			return &packet->outer.flows[i];
	return NULL;
}

// Any frame: VLAN tags, IPv6, TCP, tunnels, and whatever else there is.
static __rte_noinline enum interest look_closely(struct worker *w, const struct target_filter *f,
	const struct rte_mbuf *m, struct candidate *c)
{
	// Headers are at the front of the frame, so the first segment shows what this is; analysis reads them all.
	struct packet *packet = &w->packet;
	c->class = packet_look(bytes_of(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len), packet);
	unsigned interest = NOBODYS;
	if (analysis_wants(w->analysis, c->class, packet))
		interest |= MAY_BE_SIP;
	const struct flow *flow = filter_packet(f, packet);
	if (flow) {
		interest |= ADDRESS_OF_TARGET;
		c->flow = *flow;
	}
	return (enum interest)interest;
}

enum { // offsets in an untagged Ethernet frame with an IPv4 header without options
	AT_ETHERTYPE = 12, // then version, header length, type of service
	AT_TOTAL_LENGTH = 16,
	AT_FRAGMENT = 20, // then time to live, protocol
	AT_SOURCE = 26,
	AT_DESTINATION = 30,
	AT_PORTS = 34,
	AT_UDP_LENGTH = 38,
	AT_UDP_PAYLOAD = 42,
	AT_TCP_OFFSET = 46, // then flags
	AT_TCP_OPTIONS = 54,
};

// 0 for IPv4 without options that is no fragment, of this protocol.
static inline uint32_t differs_from_plain(const uint8_t *at, uint8_t protocol)
{
	return ((load_be32(at + AT_ETHERTYPE) ^ 0x08004500) & 0xffffff00) |
	       ((load_be32(at + AT_FRAGMENT) ^ protocol) & 0x3fff00ff);
}

// Without branches, hence numbers: clang wants no | between truth values.
static inline unsigned filter_addresses(const struct target_filter *f, const uint8_t *at)
{
	return (unsigned)target_filter_ipv4(f, load_be32(at + AT_SOURCE)) |
	       (unsigned)target_filter_ipv4(f, load_be32(at + AT_DESTINATION));
}

static inline unsigned either_bit(const uint64_t *bits, uint32_t ports)
{
	return (unsigned)bit_of(bits, (uint16_t)(ports >> 16)) |
	       (unsigned)bit_of(bits, (uint16_t)ports);
}

static bool may_be_followed(const struct worker *w, const uint8_t *at, uint32_t ports)
{
	if (likely(atomic_load_explicit(&w->followed->count, memory_order_relaxed) == 0))
		return false;
	struct flow flow = {.source = {.family = 4},
		.destination = {.family = 4},
		.source_port = (uint16_t)(ports >> 16),
		.destination_port = (uint16_t)ports};
	memcpy(flow.source.octets, at + AT_SOURCE, 4);
	memcpy(flow.destination.octets, at + AT_DESTINATION, 4);
	return followed_perhaps(w->followed, &flow);
}

// Frames that are not the commonest: untagged IPv4 and TCP in one segment is judged here, the rest the long way.
static __rte_noinline enum interest look_further(struct worker *w, const struct target_filter *f,
	const struct rte_mbuf *m, struct candidate *c)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	size_t len = m->data_len;
	if (len < AT_TCP_OPTIONS || differs_from_plain(at, 6))
		return look_closely(w, f, m, c);
	size_t end = RTE_MIN(len, (size_t)14 + load_be16(at + AT_TOTAL_LENGTH));
	size_t payload = AT_PORTS + (size_t)(at[AT_TCP_OFFSET] >> 4) * 4;
	uint32_t ports = load_be32(at + AT_PORTS);
	if (payload < AT_TCP_OPTIONS || payload > end || filter_addresses(f, at) |
		either_bit(w->special_ports, ports))
		return look_closely(w, f, m, c);
	if (unlikely(f->has_ports) && either_bit(f->tcp_ports, ports))
		return look_closely(w, f, m, c);
	if ((w->recognise && sip_may_start(at + payload, end - payload)) ||
		may_be_followed(w, at, ports))
		return look_closely(w, f, m, c);
	c->class = PACKET_TCP;
	return NOBODYS;
}

// The commonest frame, untagged IPv4 and UDP in one segment, without a call; everything else goes further. All ways come to the
// same: test_dataplane compares them.
static inline enum interest look(struct worker *w, const struct target_filter *f,
	const struct rte_mbuf *m, struct candidate *c)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	size_t len = m->data_len;
	if (unlikely(len < AT_UDP_PAYLOAD))
		return look_closely(w, f, m, c);
	// One branch for all: lengths that can be, too.
	uint32_t others = differs_from_plain(at, 17) | (load_be16(at + AT_TOTAL_LENGTH) < 28) |
	                  (load_be16(at + AT_UDP_LENGTH) < 8);
	if (unlikely(others))
		return look_further(w, f, m, c);
	uint32_t ports = load_be32(at + AT_PORTS);
	unsigned hit = filter_addresses(f, at);
	unsigned special = either_bit(w->special_ports, ports);
	if (unlikely(f->has_ports))
		hit |= either_bit(f->udp_ports, ports);
	if (likely(!(hit | special) &&
		    !(w->recognise && sip_may_start(at + AT_UDP_PAYLOAD, len - AT_UDP_PAYLOAD))))
		return NOBODYS;
	return look_closely(w, f, m, c);
}

// --- analysis: after the burst has been sent on -----------------------------------------------------------------

// The octets of a frame in one piece: the frame itself, or a copy in the scratch block when it lies in several segments.
static struct bytes whole_frame(struct worker *w, const struct rte_mbuf *frame)
{
	uint32_t len = RTE_MIN(frame->pkt_len, (uint32_t)SCRATCH_OCTETS);
	const void *at = rte_pktmbuf_read(frame, 0, len, w->scratch);
	return bytes_of(at, at ? len : 0);
}

static void count_target_frame(
	struct worker *w, const struct target_table *table, const struct candidate *c)
{
	struct match match;
	if (target_table_match(table, &c->flow, NULL, NULL, 0, NULL, &match, 1) > 0)
		w->counters.target_frames[c->class]++;
}

// When net_pcap's frame was captured. libpcap takes the file's seconds, 32 bits, as signed; they are unsigned here as in
// X2 PDUs, so they last until 2106.
static uint64_t file_time_ns(const struct worker *w, struct rte_mbuf *frame)
{
	const int64_t wrap_us = (INT64_C(1) << 32) * 1000000;
	int64_t us =
		(int64_t)*RTE_MBUF_DYNFIELD(frame, w->timestamp_offset, rte_mbuf_timestamp_t *);
	return (uint64_t)(us < 0 ? us + wrap_us : us) * 1000;
}

static void analyse(struct worker *w, const struct path *path, const struct target_table *table,
	struct candidate *c, uint64_t time_ns)
{
	struct bytes whole = exact_open(whole_frame(w, c->frame));
	if (path->has_timestamps && c->frame->ol_flags & w->timestamp_flag)
		time_ns = file_time_ns(w, c->frame);
	analysis_frame(w->analysis, table, whole, path->point, time_ns);
	exact_close(whole);
	rte_pktmbuf_free(c->frame);
}

bool worker_post(
	void *context, unsigned to, const struct parcel *parcel, struct bytes octets)
{
	struct worker *w = context;
	struct record_ring *ring = w->outbound[to].rings[parcel_ring(parcel->kind)];
	size_t len = sizeof *parcel + octets.len;
	uint8_t *record = record_ring_reserve(ring, len);
	if (!record)
		return false;
	memcpy(record, parcel, sizeof *parcel);
	memcpy(record + sizeof *parcel, octets.at, octets.len);
	record_ring_commit(ring, len);
	return true;
}

// --- one turn ----------------------------------------------------------------------------------------------------

static inline uint16_t classify(struct worker *w, struct path *path,
	const struct target_filter *filter, struct rte_mbuf **burst, uint16_t count,
	struct candidate *candidates)
{
	uint16_t found = 0;
	uint64_t octets = 0;
	path->received += count;
	rte_compiler_barrier(); // a reader never sees more frames by class than received
	for (uint16_t i = 0; i < count; i++) {
		struct candidate *c = &candidates[found];
		octets += burst[i]->pkt_len;
		c->class = PACKET_UDP;
		c->interest = look(w, filter, burst[i], c);
		if (unlikely(c->class != PACKET_UDP))
			path->classes[c->class]++;
		if (likely(c->interest == NOBODYS))
			continue;
		c->frame = burst[i];
		if (c->interest & MAY_BE_SIP)
			rte_pktmbuf_refcnt_update(burst[i], 1); // read-only from here on
		found++;
	}
	path->received_octets += octets;
	return found;
}

static inline void forward(struct path *path, struct rte_mbuf **burst, uint16_t count)
{
	if (!path->forwards) {
		rte_pktmbuf_free_bulk(burst, count);
		path->absorbed += count;
		return;
	}
	uint16_t sent = rte_eth_tx_burst(path->tx_port, path->tx_queue, burst, count);
	for (unsigned tries = 0; unlikely(sent < count) && tries < TX_RETRIES; tries++) {
		rte_pause();
		sent = (uint16_t)(sent + rte_eth_tx_burst(path->tx_port, path->tx_queue,
						 burst + sent, (uint16_t)(count - sent)));
	}
	path->forwarded += sent;
	if (unlikely(sent < count)) {
		rte_pktmbuf_free_bulk(burst + sent, (unsigned)(count - sent));
		path->dropped += (uint64_t)(count - sent);
	}
}

// How many candidates of this burst may be analysed.
static unsigned analysis_budget(struct path *path, uint16_t count)
{
	if (path->lossless)
		return BURST;
	path->full_bursts = count == BURST ? path->full_bursts + 1 : 0;
	bool is_behind = path->full_bursts >= path->behind_bursts ||
	                 path->long_bursts >= path->behind_bursts / 4;
	return is_behind ? CANDIDATES_WHEN_BEHIND : BURST;
}

static void analyse_burst(struct worker *w, const struct path *path,
	const struct target_table *table, struct candidate *candidates, uint16_t found,
	unsigned budget, uint64_t time_ns)
{
	unsigned analysed = 0, without_payload = 0;
	for (uint16_t i = 0; i < found; i++) {
		struct candidate *c = &candidates[i];
		if (!(c->interest & MAY_BE_SIP)) {
			if (without_payload++ < TARGET_FRAMES_A_BURST)
				count_target_frame(w, table, c);
		} else if (analysed < budget) {
			analysed++;
			analyse(w, path, table, c, time_ns);
		} else {
			rte_pktmbuf_free(c->frame);
			w->counters.lost_busy++;
		}
	}
	w->counters.candidates += analysed;
}

static inline void poll_path(struct worker *w, struct path *path, const struct target_table *table)
{
	struct rte_mbuf *burst[BURST];
	struct candidate candidates[BURST];
	uint64_t start = rte_rdtsc();
	uint16_t count = rte_eth_rx_burst(path->rx_port, path->rx_queue, burst,
		path->lossless ? LOSSLESS_BURST : BURST);
	if (count == 0) {
		path->full_bursts = path->long_bursts = 0;
		return;
	}
	uint16_t found = classify(w, path, target_table_filter(table), burst, count, candidates);
	forward(path, burst, count);
	unsigned budget = analysis_budget(path, count);
	if (unlikely(found > 0))
		analyse_burst(w, path, table, candidates, found, budget,
			frame_clock_at(&w->dataplane->clock, start));
	uint64_t took = rte_rdtsc() - start;
	path->long_bursts = count == BURST && took > w->long_cycles ? path->long_bursts + 1 : 0;
	w->counters.busy_frames += count;
	w->counters.busy_cycles += took;
}

static bool is_half_full(const struct record_ring *ring)
{
	return record_ring_used(ring) > record_ring_size(ring) / 2;
}

// Whether what a file port brings could find no room, for parts or for messages.
static bool is_congested(const struct worker *w, unsigned from)
{
	const struct dataplane *d = w->dataplane;
	for (unsigned i = 0; i < d->worker_count; i++) {
		for (unsigned ring = from; ring < PARCEL_RINGS && i != w->index; ring++)
			if (is_half_full(w->outbound[i].rings[ring]))
				return true;
		if (is_half_full(d->workers[i]->events))
			return true;
	}
	return false;
}

// Returns how many there were, more than 0 also if they have to wait for room.
static unsigned take_parcels(struct worker *w, const struct target_table *table,
	struct record_ring *ring, unsigned which)
{
	unsigned taken = 0;
	while (taken < HANDOVERS_A_TURN) {
		struct bytes record = record_ring_peek(ring);
		if (!record.at)
			break;
		taken++;
		// A part may make messages, a message an event.
		if (w->lossless && (which == PARCEL_RING_PARTS ? is_congested(w, PARCEL_RING_MESSAGES)
							: is_half_full(w->events)))
			break;
		const struct parcel *parcel = (const struct parcel *)(const void *)record.at;
		analysis_parcel(w->analysis, table, parcel,
			bytes_slice(record, sizeof *parcel, SIZE_MAX));
		record_ring_release(ring);
	}
	return taken;
}

// What other workers handed over. Returns how much there was.
static unsigned take_handovers(struct worker *w, const struct target_table *table)
{
	unsigned taken = 0;
	for (unsigned from = 0; from < w->dataplane->worker_count; from++)
		for (unsigned ring = 0; ring < PARCEL_RINGS && w->inbound[from]; ring++)
			taken += take_parcels(w, table, w->inbound[from]->rings[ring], ring);
	return taken;
}

static void poll_paths(struct worker *w, const struct target_table *table)
{
	for (uint16_t i = 0; i < w->path_count; i++) {
		struct path *path = &w->paths[i];
		if (path->lossless && is_congested(w, PARCEL_RING_PARTS))
			continue;
		poll_path(w, path, table);
	}
}

// Until nobody of `waiting` is left and nothing more comes from others.
static void drain_handovers(struct worker *w, const _Atomic unsigned *waiting)
{
	struct dataplane *d = w->dataplane;
	for (;;) {
		bool last_round = atomic_load(waiting) == 0;
		unsigned taken = take_handovers(
			w, atomic_load_explicit(&d->table, memory_order_acquire));
		rte_rcu_qsbr_quiescent(d->rcu, w->index);
		if (last_round && taken == 0)
			return;
		rte_pause();
	}
}

int worker_main(void *argument)
{
	struct worker *w = argument;
	struct dataplane *d = w->dataplane;
	uint64_t turns = 0;
	rte_rcu_qsbr_thread_online(d->rcu, w->index);
	while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
		// acquire: pairs with the release in dataplane_publish
		const struct target_table *table =
			atomic_load_explicit(&d->table, memory_order_acquire);
		// First what others have handed over: after a gap (another program had the core) it is older than the frames that
		// wait, and may be the request that one of them answers, or the binding that it is looked up by.
		if (d->worker_count > 1)
			take_handovers(w, table);
		poll_paths(w, table);
		if (w->is_clocked && turns % TICK_TURNS == 0)
			analysis_tick(w->analysis, table,
				frame_clock_at(&d->clock, rte_rdtsc()));
		rte_rcu_qsbr_quiescent(d->rcu, w->index);
		atomic_store_explicit(&w->turns, ++turns, memory_order_relaxed);
	}
	// Nobody receives any more: what is on its way between workers is finished, then what waits in streams, then this
	// worker is.
	atomic_fetch_sub(&d->receiving, 1);
	drain_handovers(w, &d->receiving);
	analysis_flush(w->analysis, atomic_load_explicit(&d->table, memory_order_acquire));
	atomic_fetch_sub(&d->joining, 1);
	drain_handovers(w, &d->joining);
	rte_rcu_qsbr_thread_offline(d->rcu, w->index);
	atomic_store_explicit(
		&w->finished, true, memory_order_release); // pairs with dataplane_stopped
	return 0;
}
