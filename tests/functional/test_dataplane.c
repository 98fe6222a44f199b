// The data path on net_ring ports whose TX side holds every frame until analysis has ended: what was sent on is bit for bit,
// segment for segment and reference for reference what came in, in the same order, and the pool is as full as before.
//
// Also compares what the short way through classification came to with packet_look(), on hundreds of thousands of frames made
// by changing octets of good ones.
#include "dataplane_rig.h"

enum { FRAMES_A_ROUND = 2000, ROUNDS = 40 };

static const char sip_text[] = "INVITE sip:bob@example.com SIP/2.0\r\n"
			       "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%u\r\n"
			       "From: <sip:alice@example.com>;tag=%u\r\n"
			       "To: <sip:bob@example.com>\r\n"
			       "Call-ID: %u@192.0.2.10\r\n"
			       "CSeq: 1 INVITE\r\n"
			       "Content-Length: 0\r\n\r\n";

// Mostly frames that the short ways can judge alone: no target's address, no port of SIP. No two fragments belong together.
static struct rte_mbuf *make_changed_frame(struct fixture *f, struct bytes sip)
{
	static const uint16_t ports[] = {5060, 15060, 9, 40000, 2152, 53};
	uint8_t octets[ROOM];
	unsigned tags = next_random(f) % 8 == 0;
	uint16_t port = ports[next_random(f) % 6];
	struct bytes payload = next_random(f) % 4 ? bytes_of_text("nothing to see") : sip;
	bool tcp = next_random(f) % 3 == 0;
	size_t len = tcp ? write_tcp(octets, sizeof octets, port, (uint8_t)next_random(f), payload)
			 : write_udp(octets, sizeof octets, tags, port, payload);
	tags = tcp ? 0 : tags;
	uint16_t identification = (uint16_t)f->identification++;
	memcpy(octets + 18 + 4 * tags, &identification, sizeof identification);
	if (next_random(f) % 8)
		memcpy(octets + 26 + 4 * tags, "\xcb\x00\x71\x07", 4);
	octets[12 + next_random(f) % 38] = (uint8_t)next_random(f);
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
	enum packet_class class = packet_look(first, &p);
	classes->classes[class]++;
	*datagrams += class == PACKET_UDP &&
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
		if (after.work.target_frames[PACKET_UDP] >
			before.work.target_frames[PACKET_UDP])
			break;
	}
	assert_int_equal(rte_ring_dequeue_bulk(f->out, (void **)frames, 100, NULL), 100);
	rte_pktmbuf_free_bulk(frames, 100);
	return after.work.target_frames[PACKET_UDP] -
	       before.work.target_frames[PACKET_UDP];
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
	if (!start_eal("test_dataplane"))
		return 77;
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
