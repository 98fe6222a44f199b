// Workers without ports: what they post to each other waits in one queue, in order.
#include "unit.h"

#include <stdio.h>

#include "analysis.h"

enum { MAX_WORKERS = 4, RING = 1 << 20, CAPACITY = 16, MAX_EVENTS = 64, POINT = 3, CLAIMS = 64 };
static const uint64_t MS = 1000000, START = 1700000000000000000;
static const struct hash_key KEY = {7, 8};
static const struct numbering NUMBERING = {"1", "", "00", NULL, 0};

// --- the rig -----------------------------------------------------------------------------------------------------

struct posted {
	struct posted *next;
	unsigned to;
	struct parcel parcel;
	struct bytes octets; // a heap block of exactly this size
};

struct heard {
	struct flow flow;
	uint16_t point;
	uint64_t time_ns;
	char call_id[32];
};

struct rig {
	unsigned workers;
	struct analysis *analyses[MAX_WORKERS];
	struct record_ring *events[MAX_WORKERS];
	struct claims *claims;
	struct followed *followed;
	struct target_set *set;
	struct target_table *table;
	uint64_t sip_ports[65536 / 64], radius_ports[65536 / 64], gtp_ports[65536 / 64], udp_ports[65536 / 64];
	struct bindings *bindings;
	uint64_t now;
	bool is_full; // nobody takes parcels
	struct posted *first, **last;
	unsigned posts[PARCEL_SIGNAL + 1];
	unsigned seen;
	size_t heard_count;
	struct heard heard[MAX_EVENTS];
};
static struct rig rig;

static bool post(void *context, unsigned worker, const struct parcel *parcel, struct bytes octets)
{
	assert_true(context == &rig && worker < rig.workers);
	if (rig.is_full)
		return false;
	struct posted *p = malloc(sizeof *p);
	assert_non_null(p);
	*p = (struct posted){NULL, worker, *parcel,
		bytes_of(exact_copy(octets.at, octets.len), octets.len)};
	// As header and octets say: views do not travel.
	memset(&p->parcel.packet.payload, 0xa5, sizeof p->parcel.packet.payload);
	rig.posts[parcel->kind]++;
	*rig.last = p;
	rig.last = &p->next;
	return true;
}

static void see(void *context, const struct sip_message *message, const struct packet *packet,
	uint64_t time_ns)
{
	assert_true(context == &rig && message->octets.len > 0);
	assert_int_equal(packet->point, POINT);
	assert_in_range(time_ns, START, rig.now);
	rig.seen++;
}

static void order_alice(void)
{
	struct error error;
	struct target_changes changes;
	struct sip_uri uri;
	struct identity identity;
	struct target_set *set = target_set_new();
	assert_non_null(set);
	assert_int_equal(
		sip_uri_parse(bytes_of_text("sip:alice@example.com"), &uri), PARSE_OK);
	assert_true(identity_of_target_uri(&uri, &NUMBERING, &identity));
	set->tasks = target_set_take(set, sizeof *set->tasks);
	set->task_count = 1;
	struct identifier *identifier = target_set_take(set, sizeof *identifier);
	uint8_t *octets = target_set_take(set, identity.len);
	memcpy(octets, identity.octets, identity.len);
	*identifier = (struct identifier){.type = IDENTIFIER_SIP_URI,
		.fragment = "alice",
		.identity_kind = identity.kind,
		.identity = bytes_of(octets, identity.len)};
	set->tasks[0].identifiers = identifier;
	set->tasks[0].identifier_count = 1;
	set->tasks[0].fingerprint = task_fingerprint(&set->tasks[0]);
	assert_int_equal(target_set_adopt(set, NULL, CAPACITY, &changes, &error), 0);
	rig.set = set;
	rig.table = target_table_new(set, CAPACITY, &KEY, &NUMBERING, false, &error);
	assert_non_null(rig.table);
}

static void expect_port(uint64_t *bits, uint16_t port)
{
	bits[port / 64] |= 1ull << port % 64;
	rig.udp_ports[port / 64] |= 1ull << port % 64;
}

static void rig_of(unsigned workers)
{
	rig = (struct rig){.workers = workers, .now = START};
	rig.last = &rig.first;
	expect_port(rig.sip_ports, 5060);
	expect_port(rig.radius_ports, 1813);
	expect_port(rig.gtp_ports, 2123);
	rig.claims = workers > 1 ? claims_new(CLAIMS) : NULL;
	rig.followed = followed_new(&KEY);
	order_alice();
	for (unsigned i = 0; i < workers; i++) {
		rig.events[i] = record_ring_new(RING);
		const struct analysis_config config = {
			.worker = i,
			.workers = workers,
			.key = KEY,
			.claims = rig.claims,
			.followed = rig.followed,
			.sip_ports = rig.sip_ports,
			.udp_ports = rig.udp_ports,
			.signal_ports = {[SIGNAL_RADIUS] = rig.radius_ports,
				[SIGNAL_GTPV1C] = rig.gtp_ports,
				[SIGNAL_GTPV2C] = rig.gtp_ports},
			.signals = {.max_sessions = 16,
				.max_duplicates = 64,
				.duplicate_window_ns = 32000 * MS,
				.session_idle_ns = 3600000 * MS},
			.bindings = rig.bindings,
			.recognise = true,
			.fragments = {.max_datagrams = 16,
				.memory = 1 << 20,
				.timeout_ns = 1000 * MS},
			.streams = {.max_streams = 16,
				.memory = 1 << 20,
				.max_message = 65536,
				.gap_timeout_ns = 1000 * MS,
				.idle_ns = 60000 * MS},
			.sip = {.max_sessions = 16,
				.max_duplicates = 64,
				.duplicate_window_ns = 32000 * MS,
				.session_idle_ns = 3600000 * MS,
				.trust_from = true},
			.post = post,
			.post_context = &rig,
			.events = rig.events[i],
			.seen = see,
			.seen_context = &rig,
		};
		rig.analyses[i] = analysis_new(&config);
		assert_non_null(rig.analyses[i]);
	}
}

static struct analysis_counters totals(void)
{
	struct analysis_counters sum = {0};
	uint64_t *to = (uint64_t *)&sum;
	for (unsigned i = 0; i < rig.workers; i++) {
		const uint64_t *from = (const uint64_t *)analysis_counters(rig.analyses[i]);
		for (size_t word = 0; word < sizeof sum / sizeof *to; word++)
			to[word] += from[word];
	}
	return sum;
}

static void check_laws(void)
{
	struct analysis_counters c = totals();
	assert_int_equal(c.datagrams,
		c.keepalives + c.not_sip + c.sigcomp + c.dtls + c.with_messages);
	assert_int_equal(c.messages, c.parsed + c.defective);
	assert_int_equal(c.messages, c.taken + c.lost_handover);
	assert_int_equal(c.messages, rig.seen);
}

// Each worker takes what was posted to it.
static void settle(void)
{
	for (struct posted *p; (p = rig.first);) {
		rig.first = p->next;
		if (!rig.first)
			rig.last = &rig.first;
		analysis_parcel(rig.analyses[p->to], rig.table, &p->parcel, p->octets);
		free((void *)(uintptr_t)p->octets.at);
		free(p);
	}
	check_laws();
}

static void rig_free(void)
{
	settle();
	for (unsigned i = 0; i < rig.workers; i++) {
		analysis_free(rig.analyses[i]);
		record_ring_free(rig.events[i]);
	}
	target_table_free(rig.table);
	target_set_free(rig.set);
	claims_free(rig.claims);
	followed_free(rig.followed);
}

static void hear(const struct event *event)
{
	assert_true(rig.heard_count < MAX_EVENTS);
	struct heard *h = &rig.heard[rig.heard_count++];
	struct sip_message message;
	assert_int_equal(sip_parse(event_payload_view(event), &message), PARSE_OK);
	assert_true(message.call_id.len < sizeof h->call_id);
	*h = (struct heard){event->flow, event->point, event->time_ns, ""};
	memcpy(h->call_id, message.call_id.at, message.call_id.len);
}

// How many events there are since the last time: of the worker that owns each.
static size_t events(void)
{
	rig.heard_count = 0;
	settle();
	for (unsigned i = 0; i < rig.workers; i++) {
		for (struct bytes record; (record = record_ring_peek(rig.events[i])).at;) {
			hear((const struct event *)(const void *)record.at);
			record_ring_release(rig.events[i]);
		}
	}
	return rig.heard_count;
}

// --- frames ------------------------------------------------------------------------------------------------------

struct octets {
	uint8_t at[4096];
	size_t len;
};

static struct bytes view(const struct octets *o)
{
	return bytes_of(o->at, o->len);
}

static struct octets udp(uint16_t port, struct bytes payload)
{
	struct octets o;
	struct writer w = writer_of(o.at, sizeof o.at);
	write_be16(&w, 40000);
	write_be16(&w, port);
	write_be16(&w, (uint16_t)(8 + payload.len));
	write_be16(&w, 0);
	write_bytes(&w, payload);
	o.len = writer_bytes(&w).len;
	return o;
}

static struct octets tcp(uint16_t source_port, uint16_t port, uint8_t flags, uint32_t sequence,
	struct bytes payload)
{
	struct octets o;
	struct writer w = writer_of(o.at, sizeof o.at);
	write_be16(&w, source_port);
	write_be16(&w, port);
	write_be32(&w, sequence);
	write_be32(&w, 0);
	write_be16(&w, (uint16_t)(0x5000 | flags));
	write_be16(&w, 1024);
	write_be32(&w, 0);
	write_bytes(&w, payload);
	o.len = writer_bytes(&w).len;
	return o;
}

// An IPv4 packet; `fragment`: more fragments (0x2000) and offset.
static struct octets ip(uint8_t protocol, uint16_t id, uint16_t fragment, struct bytes payload)
{
	struct octets o;
	struct writer w = writer_of(o.at, sizeof o.at);
	write_be16(&w, 0x4500);
	write_be16(&w, (uint16_t)(20 + payload.len));
	write_be16(&w, id);
	write_be16(&w, fragment);
	write_u8(&w, 64);
	write_u8(&w, protocol);
	write_be16(&w, 0);
	write_be32(&w, 0xc0000201); // 192.0.2.1
	write_be32(&w, 0xc6336401); // 198.51.100.1
	write_bytes(&w, payload);
	o.len = writer_bytes(&w).len;
	return o;
}

static void receive(unsigned worker, struct bytes packet)
{
	struct octets o;
	struct packet parsed;
	struct writer w = writer_of(o.at, sizeof o.at);
	write_be32(&w, 0x02000000);
	write_be32(&w, 0x00020200);
	write_be32(&w, 0x00000001);
	write_be16(&w, 0x0800);
	write_bytes(&w, packet);
	struct bytes frame = writer_bytes(&w);
	rig.now += MS;
	enum packet_class class = packet_parse(frame, &parsed);
	if (!analysis_wants(rig.analyses[worker], class, &parsed))
		return;
	uint8_t *exact = exact_copy(frame.at, frame.len);
	analysis_frame(
		rig.analyses[worker], rig.table, bytes_of(exact, frame.len), POINT, rig.now);
	free(exact);
}

static void receive_udp(unsigned worker, uint16_t port, struct bytes payload)
{
	struct octets datagram = udp(port, payload);
	struct octets packet = ip(17, 1, 0, view(&datagram));
	receive(worker, view(&packet));
}

static void receive_tcp(
	unsigned worker, uint16_t port, uint8_t flags, uint32_t sequence, struct bytes payload)
{
	struct octets segment = tcp(40000, port, flags, sequence, payload);
	struct octets packet = ip(6, 1, 0, view(&segment));
	receive(worker, view(&packet));
}

// Fragment `index` of an IP payload cut into pieces of `most` octets, a multiple of 8.
static struct octets fragment_of(
	uint8_t protocol, uint16_t id, struct bytes whole, size_t most, size_t index)
{
	size_t at = index * most;
	bool more = at + most < whole.len;
	return ip(protocol, id, (uint16_t)((more ? 0x2000 : 0) | at / 8),
		bytes_slice(whole, at, most));
}

static struct bytes invite(const char *call_id)
{
	static char text[1024];
	int len = snprintf(text, sizeof text,
		"INVITE sip:alice@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%s\r\n"
		"From: <sip:carl@example.org>;tag=%s\r\nTo: <sip:alice@example.com>\r\nCall-ID: %s\r\n"
		"CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
		call_id, call_id, call_id);
	return bytes_of(text, (size_t)len);
}

// --- one worker --------------------------------------------------------------------------------------------------

static void sip_is_taken_by_port_and_by_start_line(void **state)
{
	(void)state;
	rig_of(1);
	receive_udp(0, 5060, invite("a"));
	receive_udp(0, 9999, invite("b"));
	receive_udp(0, 9999, bytes_of_text("no SIP at all, though it is text"));
	assert_int_equal(events(), 2);
	assert_int_equal(rig.heard[0].point, POINT);
	assert_int_equal(rig.heard[0].flow.destination_port, 5060);
	assert_int_equal(rig.heard[1].flow.destination_port, 9999);
	assert_int_equal(rig.heard[1].time_ns, rig.now - MS);
	assert_int_equal(totals().datagrams, 2);
	assert_int_equal(rig.seen, 2);
	rig_free();
}

static void what_is_no_sip_on_its_port_is_told_apart(void **state)
{
	(void)state;
	static const uint8_t dtls[13] = {22, 0xfe, 0xfd};
	rig_of(1);
	receive_udp(0, 5060, bytes_of_text("\r\n\r\n"));
	receive_udp(0, 5060, bytes_of("\0\0\0\0", 4));
	receive_udp(0, 5060, bytes_of_text("\xf8\x01\x02"));
	receive_udp(0, 5060, bytes_of(dtls, sizeof dtls));
	receive_udp(0, 5060, bytes_of_text("something else"));
	assert_int_equal(events(), 0);
	struct analysis_counters c = totals();
	assert_int_equal(c.datagrams, 5);
	assert_int_equal(c.keepalives, 2);
	assert_int_equal(c.sigcomp, 1);
	assert_int_equal(c.dtls, 1);
	assert_int_equal(c.not_sip, 1);
	rig_free();
}

static void messages_in_one_datagram_are_bounded(void **state)
{
	(void)state;
	struct octets many = {.len = 0};
	rig_of(1);
	for (unsigned i = 0; i < ANALYSIS_MESSAGES_A_DATAGRAM + 2; i++) {
		char call_id[8];
		snprintf(call_id, sizeof call_id, "m%u", i);
		struct bytes message = invite(call_id);
		memcpy(many.at + many.len, message.at, message.len);
		many.len += message.len;
	}
	receive_udp(0, 5060, view(&many));
	assert_int_equal(events(), ANALYSIS_MESSAGES_A_DATAGRAM);
	assert_int_equal(totals().excess, 1);
	rig_free();
}

static void a_stream_is_found_by_port_and_by_start_line(void **state)
{
	(void)state;
	static const uint16_t ports[] = {5060, 8080};
	for (size_t i = 0; i < 2; i++) {
		rig_of(1);
		receive_tcp(0, ports[i], TCP_SYN, 99, bytes_of("", 0));
		struct bytes first = invite("a");
		struct bytes half = bytes_slice(first, 0, 80);
		receive_tcp(0, ports[i], 0, 100, half);
		receive_tcp(0, ports[i], 0, 180, bytes_slice(first, 80, SIZE_MAX));
		assert_int_equal(events(), 1);
		assert_int_equal(atomic_load(&rig.followed->count), i);
		receive_tcp(0, ports[i], TCP_FIN, 100 + (uint32_t)first.len, bytes_of("", 0));
		assert_int_equal(analysis_followed(rig.analyses[0]), 0);
		assert_int_equal(atomic_load(&rig.followed->count), 0);
		rig_free();
	}
}

// However small the first fragment is, also on a port where only the start line tells.
static void a_datagram_in_fragments_is_as_a_whole_one(void **state)
{
	(void)state;
	static const uint16_t ports[] = {5060, 9999};
	static const size_t mosts[] = {200, 64, 24, 16, 8};
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < 5; k++) {
			rig_of(1);
			struct octets datagram = udp(ports[i], invite("a"));
			for (size_t at = 0; at * mosts[k] < datagram.len; at++) {
				struct octets f =
					fragment_of(17, 7, view(&datagram), mosts[k], at);
				receive(0, view(&f));
			}
			assert_int_equal(events(), 1);
			rig_free();
		}
	}
}

static void fragments_within_a_tunnel_in_fragments_are_put_together(void **state)
{
	(void)state;
	rig_of(1);
	struct octets datagram = udp(5060, invite("a"));
	for (size_t i = 0; i * 160 < datagram.len; i++) {
		struct octets inner = fragment_of(17, 7, view(&datagram), 160, i);
		for (size_t k = 0; k * 80 < inner.len; k++) {
			struct octets outer =
				fragment_of(4, (uint16_t)(20 + i), view(&inner), 80, k);
			receive(0, view(&outer));
		}
	}
	assert_int_equal(events(), 1);
	assert_int_equal(analysis_incomplete(rig.analyses[0]), 0);
	rig_free();
}

static void a_message_that_the_end_cuts_is_taken_as_far_as_it_goes(void **state)
{
	(void)state;
	rig_of(1);
	struct bytes message = invite("a");
	receive_tcp(0, 5060, 0, 100, bytes_slice(message, 0, message.len - 4));
	assert_int_equal(events(), 0);
	analysis_flush(rig.analyses[0], rig.table);
	assert_int_equal(events(), 1);
	rig_free();
}

// --- several workers ---------------------------------------------------------------------------------------------

static void each_message_is_taken_by_one_worker_whoever_sees_it(void **state)
{
	(void)state;
	enum { MESSAGES = 40 };
	rig_of(MAX_WORKERS);
	for (unsigned i = 0; i < MESSAGES; i++) {
		char call_id[8];
		snprintf(call_id, sizeof call_id, "m%u", i);
		receive_udp(i % MAX_WORKERS, 5060, invite(call_id));
		receive_udp((i + 1) % MAX_WORKERS, 5060, invite(call_id)); // the same once more
	}
	assert_int_equal(events(), MESSAGES);
	assert_true(rig.posts[PARCEL_MESSAGE] > MESSAGES / 2);
	for (unsigned i = 0; i < MAX_WORKERS; i++)
		assert_true(analysis_counters(rig.analyses[i])->taken > 0);
	for (size_t i = 0; i < rig.heard_count; i++)
		assert_int_equal(rig.heard[i].point, POINT);
	rig_free();
}

static void fragments_that_two_workers_see_are_put_together(void **state)
{
	(void)state;
	rig_of(2);
	for (uint16_t id = 0; id < 8; id++) {
		char call_id[8];
		snprintf(call_id, sizeof call_id, "m%u", id);
		struct octets datagram = udp(5060, invite(call_id));
		for (size_t i = 0; i * 64 < datagram.len; i++) {
			struct octets f = fragment_of(17, id, view(&datagram), 64, i);
			receive((i + id) % 2, view(&f));
		}
	}
	assert_int_equal(events(), 8);
	assert_true(rig.posts[PARCEL_PART] > 8);
	assert_int_equal(totals().lost_parts, 0);
	assert_int_equal(analysis_incomplete(rig.analyses[0]), 0);
	assert_int_equal(analysis_incomplete(rig.analyses[1]), 0);
	assert_int_equal(claims_given_up(rig.claims), 0);
	rig_free();
}

static void segments_that_two_workers_see_are_one_stream(void **state)
{
	(void)state;
	static const uint16_t ports[] = {5060, 8080};
	for (size_t i = 0; i < 2; i++) {
		rig_of(2);
		uint32_t at = 100;
		for (unsigned k = 0; k < 6; k++) {
			char call_id[8];
			snprintf(call_id, sizeof call_id, "m%u", k);
			struct bytes message = invite(call_id);
			receive_tcp(k % 2, ports[i], 0, at, bytes_slice(message, 0, 100));
			receive_tcp((k + 1) % 2, ports[i], 0, at + 100,
				bytes_slice(message, 100, SIZE_MAX));
			at += (uint32_t)message.len;
		}
		assert_int_equal(events(), 6);
		assert_true(rig.posts[PARCEL_PART] >= 5);
		assert_int_equal(analysis_followed(rig.analyses[0]) +
					 analysis_followed(rig.analyses[1]),
			1);
		rig_free();
	}
}

static void what_finds_no_room_is_counted(void **state)
{
	(void)state;
	rig_of(2);
	rig.is_full = true;
	for (unsigned i = 0; i < 20; i++) {
		char call_id[8];
		snprintf(call_id, sizeof call_id, "m%u", i);
		receive_udp(i % 2, 5060, invite(call_id));
	}
	struct analysis_counters c = totals();
	assert_true(c.lost_handover > 0 && c.taken > 0);
	assert_int_equal(events(), c.taken);
	assert_int_equal(c.lost_parts, 0);
	struct bytes message = invite("a");
	receive_tcp(0, 5060, 0, 100, bytes_slice(message, 0, 100));
	receive_tcp(1, 5060, 0, 200, bytes_slice(message, 100, SIZE_MAX));
	struct octets datagram = udp(5060, invite("b"));
	for (size_t i = 0; i < 2; i++) {
		struct octets f = fragment_of(17, 7, view(&datagram), 64, i);
		receive((unsigned)i, view(&f));
	}
	assert_int_equal(totals().lost_parts, 2);
	rig_free();
}

// Whatever nobody follows must not take a claim from what somebody does.
static void segments_that_open_no_stream_leave_no_claim(void **state)
{
	(void)state;
	rig_of(2);
	struct bytes message = invite("a");
	receive_tcp(0, 5060, 0, 100, bytes_slice(message, 0, 100));
	for (uint32_t i = 0; i < 20 * CLAIMS; i++) {
		struct octets segment = tcp((uint16_t)(1024 + i), 5060, i % 2 ? TCP_RST : TCP_FIN,
			i, bytes_of("", 0));
		struct octets packet = ip(6, 1, 0, view(&segment));
		receive(1, view(&packet));
	}
	assert_int_equal(claims_given_up(rig.claims), 0);
	receive_tcp(1, 5060, 0, 200, bytes_slice(message, 100, SIZE_MAX));
	assert_int_equal(events(), 1);
	rig_free();
}

static void a_stream_that_was_let_go_leaves_no_claim(void **state)
{
	(void)state;
	static const uint8_t tls[8] = {0x16, 3, 1, 0, 3, 1, 2, 3};
	rig_of(2);
	receive_tcp(0, 5060, TCP_SYN, 99, bytes_of("", 0));
	receive_tcp(0, 5060, 0, 100, bytes_of(tls, sizeof tls));
	assert_int_equal(analysis_streams_counters(rig.analyses[0])->let_go[FRAMING_TLS], 1);
	receive_tcp(0, 5060, 0, 108, bytes_of(tls, sizeof tls));
	struct octets segment = tcp(40000, 5060, 0, 116, bytes_of("", 0));
	struct octets packet = ip(6, 1, 0, view(&segment));
	struct octets frame = {.len = 0};
	memcpy(frame.at, "\2\0\0\0\0\2\2\0\0\0\0\1\10\0", 14);
	memcpy(frame.at + 14, packet.at, packet.len);
	struct packet parsed;
	assert_int_equal(packet_parse(bytes_of(frame.at, 14 + packet.len), &parsed), PACKET_TCP);
	struct digest name = streams_name(&KEY, &parsed);
	assert_int_equal(claims_holder(rig.claims, &name), CLAIMS_NOBODY);
	rig_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sip_is_taken_by_port_and_by_start_line),
		cmocka_unit_test(what_is_no_sip_on_its_port_is_told_apart),
		cmocka_unit_test(messages_in_one_datagram_are_bounded),
		cmocka_unit_test(a_stream_is_found_by_port_and_by_start_line),
		cmocka_unit_test(a_datagram_in_fragments_is_as_a_whole_one),
		cmocka_unit_test(fragments_within_a_tunnel_in_fragments_are_put_together),
		cmocka_unit_test(a_message_that_the_end_cuts_is_taken_as_far_as_it_goes),
		cmocka_unit_test(each_message_is_taken_by_one_worker_whoever_sees_it),
		cmocka_unit_test(fragments_that_two_workers_see_are_put_together),
		cmocka_unit_test(segments_that_two_workers_see_are_one_stream),
		cmocka_unit_test(what_finds_no_room_is_counted),
		cmocka_unit_test(segments_that_open_no_stream_leave_no_claim),
		cmocka_unit_test(a_stream_that_was_let_go_leaves_no_claim),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
