#include "analysis.h"

#include <errno.h>
#include <stdlib.h>

#include "bounds.h"
#include "exact.h"
#include "sip_framing.h"

struct analysis {
	struct analysis_config config;
	struct analysis_counters counters;
	struct fragments *fragments;
	struct streams *streams;
	struct sip_events *sip_events;
	struct signalling *signalling;

	// of the call at hand
	const struct target_table *table;
	struct packet packet;
	struct sip_message message;
	struct parcel parcel;
	struct bound bound;
};

// --- what may be signalling ------------------------------------------------------------------------------------

static inline bool bit_of(const uint64_t *bits, uint16_t index)
{
	return bits[index / 64] >> (index % 64) & 1;
}

static bool is_expected(const struct analysis *a, const struct flow *flow)
{
	return bit_of(a->config.sip_ports, flow->destination_port) ||
	       bit_of(a->config.sip_ports, flow->source_port);
}

static bool starts_message(const struct analysis *a, struct bytes payload)
{
	return a->config.recognise && sip_may_start(payload.at, payload.len) &&
	       sip_recognise(payload);
}

static bool wants_segment(const struct analysis *a, const struct packet *packet)
{
	if (is_expected(a, &packet->flow))
		return packet->payload.len > 0 || packet->tcp.flags & (TCP_SYN | TCP_FIN | TCP_RST);
	if (packet->payload.len > 0 && starts_message(a, packet->payload))
		return true;
	return (packet->payload.len > 0 || packet->tcp.flags & (TCP_FIN | TCP_RST)) &&
	       followed_perhaps(a->config.followed, &packet->flow);
}

bool analysis_wants(const struct analysis *a, enum packet_class class, const struct packet *packet)
{
	switch (class) {
	case PACKET_UDP:
		return bit_of(a->config.udp_ports, packet->flow.destination_port) ||
		       bit_of(a->config.udp_ports, packet->flow.source_port) ||
		       starts_message(a, packet->payload);
	case PACKET_TCP:
		return wants_segment(a, packet);
	case PACKET_FRAGMENT:
		return true;
	default:
		return false;
	}
}

// Whether a start line may go on behind what the first fragment of a datagram holds of it: nobody escapes by a small one.
static bool may_go_on(const struct analysis *a, enum packet_class class, struct bytes payload)
{
	enum { SHORTEST_START_LINE = 12 };
	return a->config.recognise && (class == PACKET_UDP || class == PACKET_TCP) &&
	       (payload.len < SHORTEST_START_LINE || sip_may_start(payload.at, payload.len));
}

// The rest of a fragmented datagram is kept if its beginning may be signalling, or a tunnel.
static bool wants_datagram(void *context, const struct packet *first, enum packet_class class)
{
	return class == PACKET_TUNNEL || may_go_on(context, class, first->payload) ||
	       analysis_wants(context, class, first);
}

// --- messages --------------------------------------------------------------------------------------------------

static void count_message(struct analysis_counters *c, const struct sip_message *message)
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

static void take_message(struct analysis *a, const struct packet *packet, const struct bound *bound,
	uint64_t time_ns)
{
	a->counters.taken++;
	sip_events_take(
		a->sip_events, a->table, &a->message, packet, bound, time_ns, a->config.events);
}

static bool post(struct analysis *a, unsigned worker, enum parcel_kind kind,
	enum packet_class class, const struct packet *packet, uint64_t time_ns, struct bytes octets)
{
	a->parcel = (struct parcel){.time_ns = time_ns,
		.kind = kind,
		.class = class,
		.packet = *packet,
		.bound = a->bound};
	return a->config.post(a->config.post_context, worker, &a->parcel, octets);
}

static bool post_signal(struct analysis *a, enum signal_protocol protocol,
	const struct packet *packet, uint64_t time_ns, struct bytes payload)
{
	a->parcel = (struct parcel){.time_ns = time_ns,
		.kind = PARCEL_SIGNAL,
		.class = PACKET_UDP,
		.protocol = protocol,
		.datagram_len = (uint32_t)(protocols[protocol].whole_packet ? packet->payload.len
									    : payload.len),
		.packet = *packet};
	return a->config.post(a->config.post_context, SIGNALLING_OWNER, &a->parcel, payload);
}

// The message at hand, read from `packet`.
static void found_message(struct analysis *a, const struct packet *packet, uint64_t time_ns)
{
	count_message(&a->counters, &a->message);
	if (a->config.seen)
		a->config.seen(a->config.seen_context, &a->message, packet, time_ns);
	// Here, where frames come in order: a binding may have changed by the time that another worker looks.
	bounds_of_packet(a->config.bindings, a->table, &a->config.key, packet, time_ns, &a->bound);
	unsigned owner = sip_owner(&a->config.key, &a->message, a->config.workers);
	if (owner == a->config.worker)
		take_message(a, packet, &a->bound, time_ns);
	else if (!post(a, owner, PARCEL_MESSAGE, PACKET_UDP, packet, time_ns, a->message.octets))
		a->counters.lost_handover++;
}

// RFC 3320 section 7: the first octet of a compressed message is 11111xxx, which begins no text in UTF-8.
static bool is_sigcomp(struct bytes payload)
{
	return payload.len > 0 && payload.at[0] >= 0xf8;
}

// RFC 9147 section 4, RFC 6347 section 4.1: content types 20 to 25 (26: ACK), version 254.x.
static bool is_dtls(struct bytes payload)
{
	return payload.len >= 13 && payload.at[0] >= 20 && payload.at[0] <= 26 &&
	       payload.at[1] == 0xfe && (payload.at[2] == 0xff || payload.at[2] == 0xfd);
}

static void count_datagram_without_message(
	struct analysis_counters *c, struct bytes payload, enum parse_result result)
{
	if (result == PARSE_TRUNCATED)
		c->keepalives++;
	else if (is_sigcomp(payload))
		c->sigcomp++;
	else if (is_dtls(payload))
		c->dtls++;
	else
		c->not_sip++;
}

// True: the datagram is a message of another protocol than SIP.
static bool take_signal(struct analysis *a, const struct packet *packet, uint64_t time_ns)
{
	const struct signal *signal = signalling_read(a->signalling, a->table, packet);
	if (!signal)
		return false;
	if (a->config.seen_signal)
		a->config.seen_signal(a->config.seen_context, signal, packet, time_ns);
	struct bytes payload = signalling_payload(a->signalling, packet);
	if (a->config.worker == SIGNALLING_OWNER)
		signalling_take(
			a->signalling, a->table, packet, payload, time_ns, a->config.events);
	else if (!post_signal(a, signal->protocol, packet, time_ns, payload))
		signalling_lost(a->signalling);
	signalling_done(a->signalling);
	return true;
}

static void take_sip_datagram(struct analysis *a, const struct packet *packet, uint64_t time_ns)
{
	struct analysis_counters *c = &a->counters;
	struct bytes payload = exact_open(packet->payload);
	struct bytes rest = payload;
	unsigned messages = 0;
	c->datagrams++;
	while (messages < ANALYSIS_MESSAGES_A_DATAGRAM) {
		enum parse_result result = sip_parse(rest, &a->message);
		if (result != PARSE_OK) {
			if (messages == 0)
				count_datagram_without_message(c, payload, result);
			break;
		}
		messages++;
		struct bytes octets = a->message.octets;
		found_message(a, packet, time_ns);
		rest = bytes_slice(
			payload, (size_t)(octets.at - payload.at) + octets.len, SIZE_MAX);
		if (rest.len == 0 || !sip_recognise(rest))
			break;
	}
	c->with_messages += messages > 0;
	c->excess += messages > 0 && rest.len > 0;
	exact_close(payload);
}

static void take_datagram(struct analysis *a, const struct packet *packet, uint64_t time_ns)
{
	if (take_signal(a, packet, time_ns))
		return;
	if (is_expected(a, &packet->flow) || starts_message(a, packet->payload))
		take_sip_datagram(a, packet, time_ns);
}

// --- streams ---------------------------------------------------------------------------------------------------

static void take_stream_message(
	void *context, struct bytes octets, const struct packet *at, uint64_t time_ns)
{
	struct analysis *a = context;
	if (sip_parse(octets, &a->message) == PARSE_OK)
		found_message(a, at, time_ns);
	else
		a->counters.stream_not_sip++;
}

// The stream that ceased under the same name, if this one follows it, gave the claim back that the segment had found. Where no
// port tells, the filter for all workers does.
static uint32_t stream_begins(void *context, const struct packet *segment, bool expected)
{
	struct analysis *a = context;
	if (a->config.claims) {
		struct digest name = streams_name(&a->config.key, segment);
		claims_take(a->config.claims, &name, a->config.worker);
	}
	if (expected)
		return FOLLOWED_SLOTS;
	uint16_t slot = followed_slot(a->config.followed, &segment->flow);
	followed_add(a->config.followed, slot);
	return slot;
}

static void stream_ceases(void *context, const struct digest *name, uint32_t slot)
{
	struct analysis *a = context;
	if (slot < FOLLOWED_SLOTS)
		followed_remove(a->config.followed, (uint16_t)slot);
	if (a->config.claims)
		claims_release(a->config.claims, name, a->config.worker);
}

// The worker that puts the stream together; this one if nobody does.
static unsigned stream_worker(struct analysis *a, const struct digest *name, bool begins)
{
	if (begins)
		return claims_take(a->config.claims, name, a->config.worker);
	unsigned holder = claims_holder(a->config.claims, name);
	return holder == CLAIMS_NOBODY ? a->config.worker : holder;
}

static void take_own_segment(struct analysis *a, const struct packet *segment, bool expected,
	bool starts, uint64_t time_ns)
{
	streams_take(a->streams, segment, expected, starts, time_ns, take_stream_message, a);
}

// Where several workers may see parts of a stream.
static void take_shared_segment(struct analysis *a, const struct packet *segment, bool expected,
	bool starts, uint64_t time_ns)
{
	struct digest name = streams_name(&a->config.key, segment);
	unsigned worker = stream_worker(a, &name, expected || starts);
	if (worker != a->config.worker) {
		if (!post(a, worker, PARCEL_PART, PACKET_TCP, segment, time_ns, segment->payload))
			a->counters.lost_parts++;
		return;
	}
	take_own_segment(a, segment, expected, starts, time_ns);
	// A RST, or a stream that was let go, opens none: its claim would stay, and in the end take the place of another.
	if (!streams_follow(a->streams, &name))
		claims_release(a->config.claims, &name, a->config.worker);
}

static void take_segment(struct analysis *a, const struct packet *segment, uint64_t time_ns)
{
	bool expected = is_expected(a, &segment->flow);
	bool starts = segment->payload.len > 0 && starts_message(a, segment->payload);
	if (a->config.claims)
		take_shared_segment(a, segment, expected, starts, time_ns);
	else
		take_own_segment(a, segment, expected, starts, time_ns);
}

// --- packets ---------------------------------------------------------------------------------------------------

// A datagram may begin under the name of one that has just timed out, whose claim went with it.
static void datagram_changed(void *context, const struct digest *name, bool kept)
{
	const struct analysis *a = context;
	if (!a->config.claims)
		return;
	if (kept)
		claims_take(a->config.claims, name, a->config.worker);
	else
		claims_release(a->config.claims, name, a->config.worker);
}

// Takes the fragment at hand. True: it completed its datagram, and the packet is that, of `*class`.
static bool complete_datagram(struct analysis *a, enum packet_class *class, uint64_t time_ns)
{
	struct packet *packet = &a->packet;
	if (a->config.claims) {
		struct digest name = fragments_name(&a->config.key, packet);
		unsigned worker = claims_take(a->config.claims, &name, a->config.worker);
		if (worker != a->config.worker) {
			if (!post(a, worker, PARCEL_PART, PACKET_FRAGMENT, packet, time_ns,
				    packet->payload))
				a->counters.lost_parts++;
			return false;
		}
	}
	uint8_t protocol;
	struct bytes datagram;
	if (fragments_take(a->fragments, packet, time_ns, wants_datagram, a, &protocol,
		    &datagram) != FRAGMENTS_COMPLETE)
		return false;
	*class = packet_resume(packet, protocol, datagram);
	return true;
}

// The packet at hand.
static void take_packet(struct analysis *a, enum packet_class class, uint64_t time_ns)
{
	for (unsigned i = 0; class == PACKET_FRAGMENT; i++) {
		if (i == ANALYSIS_RESUMPTIONS) {
			a->counters.too_nested++;
			return;
		}
		if (!complete_datagram(a, &class, time_ns))
			return;
	}
	if (!analysis_wants(a, class, &a->packet))
		return;
	if (class == PACKET_UDP)
		take_datagram(a, &a->packet, time_ns);
	else
		take_segment(a, &a->packet, time_ns);
}

void analysis_frame(struct analysis *a, const struct target_table *table, struct bytes frame,
	uint16_t point, uint64_t time_ns)
{
	a->table = table;
	enum packet_class class = packet_parse(frame, &a->packet);
	a->packet.point = point;
	take_packet(a, class, time_ns);
}

void analysis_parcel(struct analysis *a, const struct target_table *table,
	const struct parcel *parcel, struct bytes octets)
{
	a->table = table;
	if (parcel->kind == PARCEL_PART) {
		a->packet = parcel->packet;
		a->packet.payload = octets;
		a->packet.ip = bytes_of(NULL, 0); // its frame stayed where it came
		take_packet(a, parcel->class, parcel->time_ns);
		return;
	}
	if (parcel->kind == PARCEL_SIGNAL) {
		a->packet = parcel->packet;
		signalling_take_parcel(a->signalling, table, parcel->protocol, &a->packet, octets,
			parcel->datagram_len, parcel->time_ns, a->config.events);
		return;
	}
	struct bytes message = exact_open(octets);
	if (sip_parse(message, &a->message) == PARSE_OK)
		take_message(a, &parcel->packet, &parcel->bound, parcel->time_ns);
	else
		a->counters.lost_handover++; // cannot be: its sender read the same octets
	exact_close(message);
}

void analysis_tick(struct analysis *a, const struct target_table *table, uint64_t time_ns)
{
	a->table = table;
	streams_tick(a->streams, time_ns, take_stream_message, a);
	signalling_tick(a->signalling, time_ns);
}

void analysis_flush(struct analysis *a, const struct target_table *table)
{
	a->table = table;
	streams_flush(a->streams, take_stream_message, a);
}

// --- life ------------------------------------------------------------------------------------------------------

struct analysis *analysis_new(const struct analysis_config *config)
{
	struct analysis *a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	a->config = *config;
	a->fragments = fragments_new(&config->fragments, &config->key);
	if (!a->fragments)
		goto fail;
	fragments_watch(a->fragments, datagram_changed, a);
	a->streams = streams_new(&config->streams, &config->key, sip_framing, sip_framing_rest);
	if (!a->streams)
		goto fail;
	streams_watch(a->streams, stream_begins, stream_ceases, a);
	a->sip_events = sip_events_new(&config->sip, &config->key);
	if (!a->sip_events)
		goto fail;
	struct signalling_config signalling = {
		.key = config->key,
		.events = config->signals,
		.bindings = config->bindings,
		.owner = config->worker == SIGNALLING_OWNER,
	};
	memcpy(signalling.ports, config->signal_ports, sizeof signalling.ports);
	a->signalling = signalling_new(&signalling);
	if (!a->signalling)
		goto fail;
	return a;
fail:;
	int why = errno;
	analysis_free(a);
	errno = why;
	return NULL;
}

void analysis_free(struct analysis *a)
{
	if (!a)
		return;
	fragments_free(a->fragments);
	streams_free(a->streams);
	sip_events_free(a->sip_events);
	signalling_free(a->signalling);
	explicit_bzero(a, sizeof *a);
	free(a);
}

const struct analysis_counters *analysis_counters(const struct analysis *a)
{
	return &a->counters;
}

const struct event_counters *analysis_sip_counters(const struct analysis *a)
{
	return sip_events_counters(a->sip_events);
}

const struct signalling_counters *analysis_signalling_counters(const struct analysis *a)
{
	return signalling_counters(a->signalling);
}

const struct event_counters *analysis_signal_counters(const struct analysis *a)
{
	return signalling_event_counters(a->signalling);
}

const struct fragments_counters *analysis_fragments_counters(const struct analysis *a)
{
	return fragments_counters(a->fragments);
}

const struct streams_counters *analysis_streams_counters(const struct analysis *a)
{
	return streams_counters(a->streams);
}

uint32_t analysis_incomplete(const struct analysis *a)
{
	return fragments_incomplete(a->fragments);
}

uint32_t analysis_followed(const struct analysis *a)
{
	return streams_followed(a->streams);
}
