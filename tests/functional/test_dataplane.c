// The data path on net_ring ports whose TX side holds every frame until analysis has ended: what was sent on is bit for bit,
// segment for segment and reference for reference what came in, in the same order, and the pool is as full as before.
//
// Also compares what the short way through classification came to with packet_parse(), on hundreds of thousands of frames made
// by changing octets of good ones.
#include "unit.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdio.h>
#include <unistd.h>

#include "dataplane.h"
#include "target_file.h"

enum { RING = 4096, POOL = 8191, ROOM = 2048, FRAMES_A_ROUND = 2000, ROUNDS = 40 };

static const char target_text[] = "format: 1\n"
				  "destinations:\n"
				  "  - dId: 19867c20-8c94-473e-b9bd-8b72b7b05fd4\n"
				  "    deliveryType: X2Only\n"
				  "    deliveryAddress:\n"
				  "      ipAddressAndPort: {address: 127.0.0.1, tcpPort: 42069}\n"
				  "tasks:\n"
				  "  - xId: 29f28e1c-f230-486a-a860-f5a784ab9172\n"
				  "    targetIdentifiers:\n"
				  "      - sipUri: sip:alice@example.com\n"
				  "    deliveryType: X2Only\n"
				  "    listOfDIDs: [19867c20-8c94-473e-b9bd-8b72b7b05fd4]\n"
				  "  - xId: 29f28e1c-f230-486a-a860-f5a784ab9173\n"
				  "    targetIdentifiers:\n"
				  "      - ipv4Address: 192.0.2.10\n"
				  "    deliveryType: X2Only\n"
				  "    listOfDIDs: [19867c20-8c94-473e-b9bd-8b72b7b05fd4]\n"
				  "  - xId: 29f28e1c-f230-486a-a860-f5a784ab9174\n"
				  "    targetIdentifiers:\n"
				  "      - udpPort: 40000\n"
				  "    deliveryType: X2Only\n"
				  "    listOfDIDs: [19867c20-8c94-473e-b9bd-8b72b7b05fd4]\n";

static const char sip_text[] = "INVITE sip:bob@example.com SIP/2.0\r\n"
			       "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%u\r\n"
			       "From: <sip:alice@example.com>;tag=%u\r\n"
			       "To: <sip:bob@example.com>\r\n"
			       "Call-ID: %u@192.0.2.10\r\n"
			       "CSeq: 1 INVITE\r\n"
			       "Content-Length: 0\r\n\r\n";

struct fixture {
	struct config config;
	struct rte_mempool *pool;
	struct rte_ring *in, *out; // into the data path, and what it sent on
	struct dataplane *dataplane;
	unsigned random;
};

static unsigned next_random(struct fixture *f)
{
	f->random = f->random * 1103515245u + 12345u;
	return f->random >> 8;
}

static struct target_table *make_table(const struct hash_key *key)
{
	static const struct numbering numbering;
	const struct target_rules rules = {.numbering = &numbering,
		.capacity = 1000,
		.max_size = 1 << 20,
		.allow_wide_targets = true};
	struct problems problems;
	struct target_changes changes;
	struct error error;
	problems_init(&problems, "targets.yaml");
	struct target_set *set = target_file_parse(bytes_of_text(target_text), &rules, &problems);
	if (!set)
		fail_msg("%s", problems.text);
	assert_int_equal(target_set_adopt(set, NULL, 1000, &changes, &error), 0);
	struct target_table *table = target_table_new(set, 1000, key, &numbering, false, &error);
	assert_non_null(table);
	target_set_free(set);
	problems_fini(&problems);
	return table;
}

static struct rte_ring *make_ring(const char *name)
{
	struct rte_ring *ring = rte_ring_create(name, RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(ring);
	return ring;
}

static void fail_with(const char *line)
{
	fail_msg("%s", line);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	static char device[2][RTE_ETH_NAME_MAX_LEN];
	f->random = 4711;
	f->pool = rte_pktmbuf_pool_create("test_frames", POOL, 0, 0, ROOM, 0);
	assert_non_null(f->pool);
	f->in = make_ring("test_in");
	f->out = make_ring("test_out");
	struct rte_ring *empty = make_ring("test_empty"), *unused = make_ring("test_unused");
	int a = rte_eth_from_rings("a", &f->in, 1, &unused, 1, 0),
	    b = rte_eth_from_rings("b", &empty, 1, &f->out, 1, 0);
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(rte_eth_dev_get_name_by_port((uint16_t)a, device[0]), 0);
	assert_int_equal(rte_eth_dev_get_name_by_port((uint16_t)b, device[1]), 0);
	f->config = (struct config){
		.ports = {{.a = device[0],
			.b = device[1],
			.ipid = "A",
			.rx_descriptors = 256,
			.tx_descriptors = 256,
			.lossless = true}},
		.port_count = 1,
		.workers = 1,
		.mbuf_size = 2048,
		.event_ring_kib = 8192,
		.sip = {.ports = {5060},
			.port_count = 1,
			.recognise = true,
			.trust_from = true,
			.max_sessions = 65536,
			.max_duplicates = 65536,
			.session_idle_ms = 3600000},
	};
	struct hash_key key = {1, 2};
	struct error error;
	f->dataplane = dataplane_new(&f->config, &key, fail_with, &error);
	if (!f->dataplane)
		fail_msg("%s", error.text);
	assert_int_equal(dataplane_start(f->dataplane, make_table(&key), &error), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	dataplane_free(f->dataplane);
	free(f);
	return 0;
}

// Ethernet, up to two VLAN tags, IPv4 and UDP before `payload`.
static size_t write_udp(uint8_t *to, size_t cap, unsigned tags, uint16_t port, struct bytes payload)
{
	struct writer w = writer_of(to, cap);
	write_bytes(&w, bytes_of("\2\0\0\0\0\2\2\0\0\0\0\1", 12));
	for (unsigned i = 0; i < tags; i++)
		write_be32(&w, 0x81000000u | (i + 1));
	write_be16(&w, 0x0800);
	write_be16(&w, 0x4500);
	write_be16(&w, (uint16_t)(28 + payload.len));
	write_be32(&w, 0x00010000);
	write_be32(&w, 0x40110000);
	write_be32(&w, 0xc000020a); // 192.0.2.10
	write_be32(&w, 0xc6336414);
	write_be16(&w, port);
	write_be16(&w, port);
	write_be16(&w, (uint16_t)(8 + payload.len));
	write_be16(&w, 0);
	write_bytes(&w, payload);
	assert_false(w.overflow);
	return w.len;
}

static struct rte_mbuf *take_mbuf(struct fixture *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);
	assert_non_null(m);
	return m;
}

// A frame of `octets` in segments of at most `segment` octets, with metadata as a driver may leave it.
static struct rte_mbuf *make_frame(
	struct fixture *f, const uint8_t *octets, size_t len, size_t segment)
{
	struct rte_mbuf *head = NULL;
	for (size_t at = 0; at < len || !head; at += segment) {
		struct rte_mbuf *m = take_mbuf(f);
		size_t part = len - at < segment ? len - at : segment;
		memcpy(rte_pktmbuf_append(m, (uint16_t)part), octets + at, part);
		if (head)
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
		else
			head = m;
	}
	head->hash.rss = next_random(f);
	head->vlan_tci = (uint16_t)next_random(f);
	head->packet_type = RTE_PTYPE_L2_ETHER;
	return head;
}

// Mostly frames that the short way can judge alone: no target's address, no port of SIP.
static struct rte_mbuf *make_changed_frame(struct fixture *f, struct bytes sip)
{
	static const uint16_t ports[] = {5060, 15060, 9, 40000, 2152, 53};
	uint8_t octets[ROOM];
	unsigned tags = next_random(f) % 8 == 0;
	uint16_t port = ports[next_random(f) % 6];
	struct bytes payload = next_random(f) % 4 ? bytes_of_text("nothing to see") : sip;
	size_t len = write_udp(octets, sizeof octets, tags, port, payload);
	if (next_random(f) % 8)
		memcpy(octets + 26 + 4 * tags, "\xcb\x00\x71\x07", 4);
	octets[12 + next_random(f) % 34] = (uint8_t)next_random(f);
	return make_frame(f, octets, len, ROOM);
}

static struct rte_mbuf *make_some_frame(struct fixture *f, unsigned i)
{
	uint8_t octets[ROOM];
	char sip[1024];
	size_t len;
	unsigned kind = next_random(f) % 8;
	int sip_len = snprintf(sip, sizeof sip, sip_text, i, i, i);
	struct bytes payload = bytes_of(sip, (size_t)sip_len);
	switch (kind) {
	case 0: // a target's message on a configured port, in one segment
		return make_frame(
			f, octets, write_udp(octets, sizeof octets, 0, 5060, payload), ROOM);
	case 1: // the same behind two tags, on some port, in many segments
		return make_frame(f, octets, write_udp(octets, sizeof octets, 2, 15060, payload),
			64 + next_random(f) % 64);
	case 2: // a runt
		return make_frame(f, (const uint8_t *)"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0",
			next_random(f) % 15, ROOM);
	case 3: // another ethertype
		len = write_udp(octets, sizeof octets, 0, 5060, payload);
		octets[12] = (uint8_t)next_random(f);
		return make_frame(f, octets, len, ROOM);
	case 4: // no SIP at all
		return make_frame(f, octets,
			write_udp(octets, sizeof octets, 0, 9, bytes_of_text("nothing to see")),
			ROOM);
	default: // anything, with some octet of the headers changed
		return make_changed_frame(f, payload);
	}
}

// Everything of a frame that forwarding must not change.
struct image {
	uint32_t len;
	uint16_t segments;
	uint64_t ol_flags;
	uint32_t rss, packet_type;
	uint16_t vlan_tci;
	struct {
		const void *memory;
		uint16_t data_off, data_len, references;
	} segment[32];
	uint8_t octets[ROOM];
};

static struct image image_of(const struct rte_mbuf *m)
{
	struct image image;
	memset(&image, 0, sizeof image); // the padding too: images are compared as octets
	image.len = m->pkt_len;
	image.segments = m->nb_segs;
	image.ol_flags = m->ol_flags;
	image.rss = m->hash.rss;
	image.packet_type = m->packet_type;
	image.vlan_tci = m->vlan_tci;
	uint32_t at = 0;
	unsigned i = 0;
	for (const struct rte_mbuf *s = m; s; s = s->next, i++) {
		assert_true(i < 32);
		image.segment[i].memory = s->buf_addr;
		image.segment[i].data_off = s->data_off;
		image.segment[i].data_len = s->data_len;
		image.segment[i].references = rte_mbuf_refcnt_read(s);
		memcpy(image.octets + at, rte_pktmbuf_mtod(s, const void *), s->data_len);
		at += s->data_len;
	}
	return image;
}

static uint64_t drain(struct fixture *f)
{
	uint64_t events = 0;
	struct record_ring *ring = dataplane_events(f->dataplane, 0);
	for (; record_ring_peek(ring).at; events++)
		record_ring_release(ring);
	return events;
}

static void wait_for_frames(struct fixture *f, uint64_t received)
{
	for (unsigned ms = 0; ms < 60000; ms++) {
		struct dataplane_port_counters c;
		drain(f);
		dataplane_port_counters(f->dataplane, 0, &c);
		if (c.forwarded + c.dropped == received)
			return;
		usleep(1000);
	}
	fail_msg("the data path does not take the frames");
}

// Analysis of the last burst may go on after its frames were sent: a turn later it is over.
static void wait_for_references(struct rte_mbuf *const *frames, unsigned count)
{
	for (unsigned ms = 0; ms < 10000; ms++) {
		bool held = false;
		for (unsigned i = 0; i < count; i++)
			held |= rte_mbuf_refcnt_read(frames[i]) != 1;
		if (!held)
			return;
		usleep(1000);
	}
}

static void what_was_sent_on_is_what_came_in(void **state)
{
	struct fixture *f = *state;
	struct image *images = calloc(FRAMES_A_ROUND, sizeof *images);
	struct rte_mbuf *frames[FRAMES_A_ROUND], *sent[FRAMES_A_ROUND];
	unsigned full = rte_mempool_avail_count(f->pool);
	struct dataplane_port_counters before;
	dataplane_port_counters(f->dataplane, 0, &before);
	for (unsigned i = 0; i < FRAMES_A_ROUND; i++) {
		frames[i] = make_some_frame(f, i);
		images[i] = image_of(frames[i]);
	}
	assert_int_equal(rte_ring_enqueue_bulk(f->in, (void **)frames, FRAMES_A_ROUND, NULL),
		FRAMES_A_ROUND);
	wait_for_frames(f, before.received + FRAMES_A_ROUND);
	wait_for_references(frames, FRAMES_A_ROUND);
	assert_int_equal(rte_ring_count(f->out), FRAMES_A_ROUND);
	assert_int_equal(
		rte_ring_dequeue_bulk(f->out, (void **)sent, FRAMES_A_ROUND, NULL), FRAMES_A_ROUND);
	for (unsigned i = 0; i < FRAMES_A_ROUND; i++) {
		assert_ptr_equal(sent[i], frames[i]);
		struct image now = image_of(sent[i]);
		assert_memory_equal(&now, &images[i], sizeof now);
		rte_pktmbuf_free(sent[i]);
	}
	assert_int_equal(rte_mempool_avail_count(f->pool), full);
	free(images);
}

static void targets_messages_among_them_became_events(void **state)
{
	struct fixture *f = *state;
	struct dataplane_totals t;
	dataplane_totals(f->dataplane, &t);
	assert_true(t.signalling.messages > FRAMES_A_ROUND / 8);
	assert_true(t.sip.reported > FRAMES_A_ROUND / 8);
	assert_int_equal(t.sip.matched, t.sip.reported + t.sip.suppressed + t.sip.lost_ring_full +
						t.sip.lost_too_large + t.sip.lost_too_many_tasks);
}

// What the whole of a frame comes to when it is looked at the long way.
static void expect(
	const struct rte_mbuf *m, struct dataplane_port_counters *classes, uint64_t *datagrams)
{
	struct packet p;
	struct bytes first = bytes_of(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
	enum packet_class class = packet_parse(first, &p);
	classes->classes[class]++;
	*datagrams += class == PACKET_UDP && p.payload.len > 0 &&
	              (p.flow.source_port == 5060 || p.flow.destination_port == 5060 ||
			      sip_recognise(p.payload));
}

static void the_short_way_through_classification_comes_to_the_same_as_the_long_one(void **state)
{
	struct fixture *f = *state;
	struct dataplane_port_counters before, after, wanted = {0};
	struct dataplane_totals totals_before, totals_after;
	uint64_t datagrams = 0;
	dataplane_port_counters(f->dataplane, 0, &before);
	dataplane_totals(f->dataplane, &totals_before);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct rte_mbuf *frames[FRAMES_A_ROUND];
		for (unsigned i = 0; i < FRAMES_A_ROUND; i++) {
			frames[i] = make_some_frame(f, round * FRAMES_A_ROUND + i);
			expect(frames[i], &wanted, &datagrams);
		}
		assert_int_equal(
			rte_ring_enqueue_bulk(f->in, (void **)frames, FRAMES_A_ROUND, NULL),
			FRAMES_A_ROUND);
		wait_for_frames(f, before.received + (uint64_t)(round + 1) * FRAMES_A_ROUND);
		wait_for_references(frames, FRAMES_A_ROUND);
		assert_int_equal(
			rte_ring_dequeue_bulk(f->out, (void **)frames, FRAMES_A_ROUND, NULL),
			FRAMES_A_ROUND);
		rte_pktmbuf_free_bulk(frames, FRAMES_A_ROUND);
	}
	dataplane_port_counters(f->dataplane, 0, &after);
	dataplane_totals(f->dataplane, &totals_after);
	for (unsigned class = 0; class < PACKET_CLASSES; class ++)
		assert_int_equal(
			after.classes[class] - before.classes[class], wanted.classes[class]);
	assert_int_equal(
		totals_after.signalling.datagrams - totals_before.signalling.datagrams, datagrams);
}

// Frames of nobody's address to `port`, and how many of them were found to be a target's.
static uint64_t target_frames_among(struct fixture *f, uint16_t port)
{
	struct dataplane_port_counters c;
	struct dataplane_totals before, after;
	struct rte_mbuf *frames[100];
	uint8_t octets[ROOM];
	size_t len = write_udp(octets, sizeof octets, 0, port, bytes_of_text("nothing to see"));
	memcpy(octets + 26, "\xcb\x00\x71\x07", 4);
	dataplane_port_counters(f->dataplane, 0, &c);
	dataplane_totals(f->dataplane, &before);
	for (unsigned i = 0; i < 100; i++)
		frames[i] = make_frame(f, octets, len, ROOM);
	assert_int_equal(rte_ring_enqueue_bulk(f->in, (void **)frames, 100, NULL), 100);
	wait_for_frames(f, c.received + 100);
	for (unsigned ms = 0; ms < 100; ms++) { // the last burst is looked at after it was sent on
		usleep(1000);
		dataplane_totals(f->dataplane, &after);
		if (after.signalling.target_frames[PACKET_UDP] >
			before.signalling.target_frames[PACKET_UDP])
			break;
	}
	assert_int_equal(rte_ring_dequeue_bulk(f->out, (void **)frames, 100, NULL), 100);
	rte_pktmbuf_free_bulk(frames, 100);
	return after.signalling.target_frames[PACKET_UDP] -
	       before.signalling.target_frames[PACKET_UDP];
}

static void a_task_of_a_port_alone_finds_its_frames(void **state)
{
	assert_true(target_frames_among(*state, 40000) > 0);
	assert_int_equal(target_frames_among(*state, 40001), 0);
}

static void a_full_tx_queue_drops_counted_and_keeps_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned full = rte_mempool_avail_count(f->pool);
	struct dataplane_port_counters before, after;
	dataplane_port_counters(f->dataplane, 0, &before);
	struct rte_mbuf *frames[FRAMES_A_ROUND];
	for (unsigned round = 0; round < 3; round++) { // 6000 frames into a ring that holds 4095
		for (unsigned i = 0; i < FRAMES_A_ROUND; i++)
			frames[i] = make_some_frame(f, i);
		assert_int_equal(
			rte_ring_enqueue_bulk(f->in, (void **)frames, FRAMES_A_ROUND, NULL),
			FRAMES_A_ROUND);
		wait_for_frames(f, before.received + (uint64_t)(round + 1) * FRAMES_A_ROUND);
		if (rte_mempool_avail_count(f->pool) < FRAMES_A_ROUND * 2)
			break;
	}
	dataplane_port_counters(f->dataplane, 0, &after);
	assert_int_equal(after.received - before.received,
		after.forwarded - before.forwarded + after.dropped - before.dropped);
	for (unsigned n;
		(n = rte_ring_dequeue_burst(f->out, (void **)frames, FRAMES_A_ROUND, NULL)) > 0;)
		rte_pktmbuf_free_bulk(frames, n);
	for (unsigned ms = 0; ms < 10000 && rte_mempool_avail_count(f->pool) != full; ms++)
		usleep(1000);
	assert_int_equal(rte_mempool_avail_count(f->pool), full);
}

int main(void)
{
	char *eal[] = {"test_dataplane", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m", "256", "--lcores", "0@0,1@(0,1)", "--log-level=error"};
	if (rte_eal_init(sizeof eal / sizeof *eal, eal) < 0) {
		puts("1..0 # SKIP EAL does not start here (it needs 256 MiB)");
		return 77;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_on_is_what_came_in),
		cmocka_unit_test(targets_messages_among_them_became_events),
		cmocka_unit_test(
			the_short_way_through_classification_comes_to_the_same_as_the_long_one),
		cmocka_unit_test(a_task_of_a_port_alone_finds_its_frames),
		cmocka_unit_test(a_full_tx_queue_drops_counted_and_keeps_nothing),
	};
	int failed = cmocka_run_group_tests_name("dataplane", tests, set_up, tear_down);
	rte_eal_cleanup();
	return failed;
}
