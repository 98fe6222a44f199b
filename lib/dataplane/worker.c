#include "worker.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_pause.h>
#include <stdlib.h>

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

static inline bool is_signalling(const struct worker *w, uint16_t source_port,
	uint16_t destination_port, const uint8_t *at, size_t len)
{
	if (bit_of(w->sip_ports, destination_port) || bit_of(w->sip_ports, source_port))
		return true;
	return w->recognise && sip_may_start(at, len) && sip_recognise(bytes_of(at, len));
}

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

// Any frame: VLAN tags, IPv6, options, and whatever else there is.
static __rte_noinline enum interest look_closely(const struct worker *w,
	const struct target_filter *f, const struct rte_mbuf *m, struct candidate *c)
{
	// A header is at the front of the frame, so the first segment shows what this is; analysis reads them all.
	struct packet packet;
	c->class =
		packet_parse(bytes_of(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len), &packet);
	c->flow = packet.flow;
	unsigned interest = NOBODYS;
	// The ports of a tunnel may be a telephone's: its payload then begins like SIP.
	if (c->class == PACKET_UDP && packet.payload.len > 0 &&
		is_signalling(w, packet.flow.source_port, packet.flow.destination_port,
			packet.payload.at, packet.payload.len))
		interest |= MAY_BE_SIP;
	if (packet.flow.source.family != 0 && filter_flow(f, &packet.flow))
		interest |= ADDRESS_OF_TARGET;
	return (enum interest)interest;
}

enum { // offsets in an untagged Ethernet frame with an IPv4 header without options and UDP
	AT_ETHERTYPE = 12, // then version, header length, type of service
	AT_TOTAL_LENGTH = 16,
	AT_FRAGMENT = 20, // then time to live, protocol
	AT_SOURCE = 26,
	AT_DESTINATION = 30,
	AT_UDP = 34,
	AT_UDP_LENGTH = 38,
	AT_UDP_PAYLOAD = 42,
};

// The commonest frame, untagged IPv4 and UDP in one segment, without a call; everything else goes the long way. Both
// ways come to the same: test_dataplane compares them.
static inline enum interest look(const struct worker *w, const struct target_filter *f,
	const struct rte_mbuf *m, struct candidate *c)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	size_t len = m->data_len;
	if (unlikely(len < AT_UDP_PAYLOAD))
		return look_closely(w, f, m, c);
	// One branch for all: IPv4 without options; no fragment, UDP; lengths that can be.
	uint32_t others = ((load_be32(at + AT_ETHERTYPE) ^ 0x08004500) & 0xffffff00) |
	                  ((load_be32(at + AT_FRAGMENT) ^ 0x00000011) & 0x3fff00ff) |
	                  (load_be16(at + AT_TOTAL_LENGTH) < 28) |
	                  (load_be16(at + AT_UDP_LENGTH) < 8);
	if (unlikely(others))
		return look_closely(w, f, m, c);
	uint32_t ports = load_be32(at + AT_UDP);
	uint16_t source_port = (uint16_t)(ports >> 16), destination_port = (uint16_t)ports;
	// Without branches, hence numbers: clang wants no | between truth values.
	unsigned hit = (unsigned)target_filter_ipv4(f, load_be32(at + AT_SOURCE)) |
	               (unsigned)target_filter_ipv4(f, load_be32(at + AT_DESTINATION));
	unsigned special = (unsigned)bit_of(w->special_ports, source_port) |
	                   (unsigned)bit_of(w->special_ports, destination_port);
	if (unlikely(f->has_ports))
		hit |= (unsigned)bit_of(f->udp_ports, source_port) |
		       (unsigned)bit_of(f->udp_ports, destination_port);
	if (likely(!(hit | special) &&
		    !(w->recognise && sip_may_start(at + AT_UDP_PAYLOAD, len - AT_UDP_PAYLOAD))))
		return NOBODYS;
	return look_closely(w, f, m, c);
}

// --- analysis: after the burst has been sent on -----------------------------------------------------------------

// The octets of a frame from `offset` in one piece: the frame itself, or a copy in the scratch block when it lies in
// several segments. Sanitizer builds always copy into a heap block of exactly the size, since ASan does not see the end
// of an octet string inside a pool.
static struct bytes view_open(
	struct worker *w, const struct rte_mbuf *frame, uint32_t offset, uint32_t len)
{
#ifdef X2TAP_EXACT_PAYLOADS
	(void)w;
	uint8_t *block = malloc(len ? len : 1);
	const void *from = block ? rte_pktmbuf_read(frame, offset, len, block) : NULL;
	if (from && from != block)
		memcpy(block, from, len);
	return bytes_of(from ? block : NULL, from ? len : 0);
#else
	const void *at = rte_pktmbuf_read(frame, offset, len, w->scratch);
	return bytes_of(at, at ? len : 0);
#endif
}

static void view_close(struct bytes view)
{
#ifdef X2TAP_EXACT_PAYLOADS
	union {
		const uint8_t *borrowed;
		void *owned;
	} block = {.borrowed = view.at}; // ours since view_open()
	free(block.owned);
#else
	(void)view;
#endif
}

static void take(struct worker *w, const struct target_table *table, const struct flow *flow,
	uint16_t point, uint64_t time_ns)
{
	w->counters.taken++;
	sip_events_take(
		w->sip_events, table, &w->message, flow, NULL, point, time_ns, w->events);
}

static void hand_over(
	struct worker *w, unsigned owner, struct rte_mbuf *frame, const struct handover *message)
{
	rte_pktmbuf_refcnt_update(frame, 1);
	if (rte_ring_sp_enqueue_elem(
		    w->outbound[owner], (void *)(uintptr_t)message, sizeof *message) != 0) {
		rte_pktmbuf_free(frame);
		w->counters.lost_handover++;
	}
}

static void count_message(struct dataplane_signalling *c, const struct sip_message *message)
{
	c->messages++;
	if (message->defects == 0) {
		c->parsed++;
		return;
	}
	c->defective++;
	for (unsigned bit = 0; bit < SIP_DEFECT_COUNT; bit++)
		c->defects[bit] += message->defects >> bit & 1;
}

// `payload` is the UDP payload, which begins `payload_offset` octets into the frame.
static void analyse_sip(struct worker *w, const struct target_table *table, struct rte_mbuf *frame,
	struct bytes payload, uint32_t payload_offset, const struct flow *flow, uint16_t point,
	uint64_t time_ns)
{
	struct dataplane_signalling *c = &w->counters;
	unsigned messages = 0;
	struct bytes rest = payload;
	c->datagrams++;
	while (messages < MESSAGES_A_DATAGRAM) {
		enum parse_result result = sip_parse(rest, &w->message);
		if (result != PARSE_OK) {
			if (messages == 0) {
				c->keepalives += result == PARSE_TRUNCATED;
				c->not_sip += result != PARSE_TRUNCATED;
				return;
			}
			break;
		}
		messages++;
		count_message(c, &w->message);
		struct bytes octets = w->message.octets;
		uint32_t offset = payload_offset + (uint32_t)(octets.at - payload.at);
		unsigned owner =
			sip_owner(&w->dataplane->key, &w->message, w->dataplane->worker_count);
		if (owner == w->index) {
			take(w, table, flow, point, time_ns);
		} else {
			struct handover h = {
				frame, time_ns, *flow, offset, (uint32_t)octets.len, point};
			hand_over(w, owner, frame, &h);
		}
		rest = bytes_slice(
			payload, (size_t)(octets.at - payload.at) + octets.len, SIZE_MAX);
		if (rest.len == 0 || !sip_recognise(rest))
			break;
	}
	c->with_messages++;
	c->excess += rest.len > 0;
}

static void count_target_frame(
	struct worker *w, const struct target_table *table, const struct candidate *c)
{
	struct match match;
	if (target_table_match(table, &c->flow, NULL, NULL, 0, &match, 1) > 0)
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
	struct bytes whole =
		view_open(w, c->frame, 0, RTE_MIN(c->frame->pkt_len, (uint32_t)SCRATCH_OCTETS));
	struct packet packet;
	packet_parse(whole, &packet);
	uint32_t offset = (uint32_t)(packet.payload.at - whole.at);
	view_close(whole);
	struct bytes payload = view_open(w, c->frame, offset, (uint32_t)packet.payload.len);
	if (path->has_timestamps && c->frame->ol_flags & w->timestamp_flag)
		time_ns = file_time_ns(w, c->frame);
	analyse_sip(w, table, c->frame, payload, offset, &packet.flow, path->point, time_ns);
	view_close(payload);
	rte_pktmbuf_free(c->frame);
}

// --- one turn ----------------------------------------------------------------------------------------------------

static inline uint16_t classify(const struct worker *w, struct path *path,
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

static inline void poll_path(struct worker *w, struct path *path, const struct target_table *table)
{
	struct rte_mbuf *burst[BURST];
	struct candidate candidates[BURST];
	uint64_t start = rte_rdtsc();
	uint16_t count = rte_eth_rx_burst(path->rx_port, path->rx_queue, burst, BURST);
	if (count == 0)
		return;
	uint16_t found = classify(w, path, target_table_filter(table), burst, count, candidates);
	forward(path, burst, count);
	if (unlikely(found > 0)) {
		uint64_t time_ns = frame_clock_at(&w->dataplane->clock, start);
		unsigned without_payload = 0;
		for (uint16_t i = 0; i < found; i++)
			if (candidates[i].interest & MAY_BE_SIP)
				analyse(w, path, table, &candidates[i], time_ns);
			else if (without_payload++ < TARGET_FRAMES_A_BURST)
				count_target_frame(w, table, &candidates[i]);
	}
	w->counters.busy_frames += count;
	w->counters.busy_cycles += rte_rdtsc() - start;
}

// Messages that other workers received and this one owns. Returns how many there were.
static unsigned take_handovers(struct worker *w, const struct target_table *table)
{
	unsigned taken = 0;
	for (unsigned from = 0; from < w->dataplane->worker_count; from++) {
		if (!w->inbound[from])
			continue;
		struct handover h;
		for (unsigned i = 0; i < HANDOVERS_A_TURN &&
				     rte_ring_sc_dequeue_elem(w->inbound[from], &h, sizeof h) == 0;
			i++) {
			struct bytes message = view_open(w, h.frame, h.offset, h.len);
			if (sip_parse(message, &w->message) == PARSE_OK)
				take(w, table, &h.flow, h.point, h.time_ns);
			else
				w->counters
					.lost_handover++; // cannot be: its receiver read the same octets
			view_close(message);
			rte_pktmbuf_free(h.frame);
			taken++;
		}
	}
	return taken;
}

// File ports wait while a ring is more than half full or has no room for the most that a burst can hold, so that a capture yields the same IRI every time.
static bool is_congested(const struct worker *w)
{
	const struct dataplane *d = w->dataplane;
	for (unsigned i = 0; i < d->worker_count; i++) {
		if (w->outbound[i] && rte_ring_count(w->outbound[i]) >
					      HANDOVER_RING - 1 - BURST * MESSAGES_A_DATAGRAM)
			return true;
		const struct record_ring *events = d->workers[i]->events;
		if (record_ring_used(events) > record_ring_size(events) / 2)
			return true;
	}
	return false;
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
		for (uint16_t i = 0; i < w->path_count; i++) {
			struct path *path = &w->paths[i];
			if (path->lossless && is_congested(w))
				continue;
			poll_path(w, path, table);
		}
		if (d->worker_count > 1)
			take_handovers(w, table);
		rte_rcu_qsbr_quiescent(d->rcu, w->index);
		atomic_store_explicit(&w->turns, ++turns, memory_order_relaxed);
	}
	// Nobody receives any more: what is on its way between workers is finished, then this worker is.
	atomic_fetch_sub(&d->receiving, 1);
	for (;;) {
		bool last_round = atomic_load(&d->receiving) == 0;
		const struct target_table *table =
			atomic_load_explicit(&d->table, memory_order_acquire);
		unsigned taken = take_handovers(w, table);
		rte_rcu_qsbr_quiescent(d->rcu, w->index);
		if (last_round && taken == 0)
			break;
		rte_pause();
	}
	rte_rcu_qsbr_thread_offline(d->rcu, w->index);
	atomic_store_explicit(
		&w->finished, true, memory_order_release); // pairs with dataplane_stopped
	return 0;
}
