// Floods of what makes tables grow: half-open TCP streams, first fragments, sessions. Every frame is forwarded, memory stays
// what it was, the oldest gives way and the counters say so; and what is whole afterwards is still reported.
#include "dataplane_rig.h"

#if defined(__SANITIZE_ADDRESS__)
enum { FLOOD = 300000, MOST_GROWTH = 1 << 30 }; // AddressSanitizer keeps what was freed
#else
enum { FLOOD = 10000000, MOST_GROWTH = 4096 }; // KiB
#endif

static const char invite[] = "INVITE sip:bob@example.com SIP/2.0\r\n"
			     "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%u\r\n"
			     "From: <sip:alice@example.com>;tag=%u\r\n"
			     "To: <sip:bob@example.com>\r\n"
			     "Call-ID: %u@192.0.2.10\r\n"
			     "CSeq: 1 INVITE\r\n"
			     "Content-Length: 0\r\n\r\n";

static struct bytes write_invite(char text[static 512], unsigned i)
{
	return bytes_of(text, (size_t)snprintf(text, 512, invite, i, i, i));
}

typedef size_t frame_writer(uint8_t octets[static ROOM], unsigned i);

static void put_be32(uint8_t *at, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

// A SYN from another address and port each time.
static size_t half_open_stream(uint8_t octets[static ROOM], unsigned i)
{
	size_t len = write_tcp(octets, ROOM, 5060, TCP_SYN, bytes_of("", 0));
	put_be32(octets + 26, 0x0a000000 + i);
	return len;
}

// The first fragment of a datagram that is never completed. It could be SIP.
static size_t first_fragment(uint8_t octets[static ROOM], unsigned i)
{
	char text[512];
	struct bytes payload = write_invite(text, 1);
	payload.len = 136;
	size_t len = write_udp(octets, ROOM, 0, 5060, payload);
	octets[20] = 0x20; // more fragments
	put_be32(octets + 26, 0x0a000000 + i);
	return len;
}

static size_t session(uint8_t octets[static ROOM], unsigned i)
{
	char text[512];
	return write_udp(octets, ROOM, 0, 5060, write_invite(text, i + 10));
}

// Returns how many.
static unsigned take_what_was_sent(struct fixture *f)
{
	struct rte_mbuf *frames[256];
	unsigned count, taken = 0;
	while ((count = rte_ring_dequeue_burst(f->out, (void **)frames, 256, NULL)) > 0) {
		rte_pktmbuf_free_bulk(frames, count);
		taken += count;
	}
	drain(f);
	return taken;
}

// Every frame comes out again: fewer are under way than the ring behind the data path holds.
static void flood(struct fixture *f, frame_writer *write, unsigned count)
{
	uint8_t octets[ROOM];
	unsigned under_way = 0;
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *m = make_frame(f, octets, write(octets, i), ROOM);
		assert_int_equal(rte_ring_enqueue(f->in, m), 0);
		under_way++;
		while (under_way > RING / 2 || (i + 1 == count && under_way > 0))
			under_way -= take_what_was_sent(f);
	}
	struct dataplane_port_counters c;
	dataplane_port_counters(f->dataplane, 0, &c);
	assert_int_equal(c.dropped, 0);
}

// KiB that are in memory.
static long resident(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
	fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void assert_laws(const struct dataplane_totals *t)
{
	const struct fragments_counters *f = &t->fragments;
	const struct streams_counters *s = &t->streams;
	uint64_t let_go = 0;
	for (unsigned i = 0; i < FRAMING_REASONS; i++)
		let_go += s->let_go[i];
	assert_int_equal(f->started, f->completed + f->dropped + f->passed + f->given_up +
					     f->timed_out + t->incomplete);
	assert_int_equal(
		s->opened, s->ended + let_go + s->idle + s->given_up + t->followed);
	assert_int_equal(t->sip.matched, t->sip.reported + t->sip.suppressed +
						 t->sip.lost_ring_full + t->sip.lost_too_large +
						 t->sip.lost_too_many_tasks);
}

static void totals_when_quiet(struct fixture *f, struct dataplane_totals *t)
{
	usleep(50000); // analysis of the last burst comes after it was sent on
	take_what_was_sent(f);
	dataplane_totals(f->dataplane, t);
}

static void half_open_streams_give_way_to_newer_ones(void **state)
{
	struct fixture *f = *state;
	struct dataplane_totals t;
	flood(f, half_open_stream, 10000);
	long before = resident();
	flood(f, half_open_stream, FLOOD);
	assert_true(resident() - before < MOST_GROWTH);
	totals_when_quiet(f, &t);
	assert_laws(&t);
	assert_true(t.followed <= f->config.reassembly.max_streams);
	assert_true(t.streams.opened >= FLOOD);
	assert_true(t.streams.given_up >= FLOOD - f->config.reassembly.max_streams);
}

static void first_fragments_give_way_to_newer_ones(void **state)
{
	struct fixture *f = *state;
	struct dataplane_totals t;
	flood(f, first_fragment, 10000);
	long before = resident();
	flood(f, first_fragment, FLOOD);
	assert_true(resident() - before < MOST_GROWTH);
	totals_when_quiet(f, &t);
	assert_laws(&t);
	assert_true(t.incomplete <= f->config.reassembly.max_datagrams);
	assert_true(t.fragments.started >= FLOOD);
	assert_true(t.fragments.given_up + t.fragments.timed_out >=
		    FLOOD - f->config.reassembly.max_datagrams);
}

static void sessions_give_way_to_newer_ones(void **state)
{
	struct fixture *f = *state;
	struct dataplane_totals before, t;
	flood(f, session, 100000);
	long memory = resident();
	dataplane_totals(f->dataplane, &before);
	flood(f, session, FLOOD);
	assert_true(resident() - memory < MOST_GROWTH);
	totals_when_quiet(f, &t);
	assert_laws(&t);
	assert_true(t.signalling.messages - before.signalling.messages >= FLOOD);
	assert_true(t.sip.sessions_given_up - before.sip.sessions_given_up >=
		    FLOOD - 100000 - f->config.sip.max_sessions);
}

static void put(struct fixture *f, const uint8_t *octets, size_t len)
{
	assert_int_equal(rte_ring_enqueue(f->in, make_frame(f, octets, len, ROOM)), 0);
}

static void what_is_whole_afterwards_is_reported(void **state)
{
	struct fixture *f = *state;
	struct dataplane_totals before, after;
	uint8_t octets[ROOM];
	char text[512];
	totals_when_quiet(f, &before);

	// 202 octets of UDP data in two fragments of 144 (header included) and the rest.
	struct bytes message = write_invite(text, 20000001);
	size_t len = write_udp(octets, sizeof octets, 0, 5060, message);
	uint8_t part[ROOM];
	memcpy(part, octets, 34 + 144);
	part[20] = 0x20;
	part[16] = 0, part[17] = 20 + 144;
	put(f, part, 34 + 144);
	memcpy(part + 34, octets + 34 + 144, len - 34 - 144);
	part[20] = 0, part[21] = 144 / 8;
	part[17] = (uint8_t)(20 + len - 34 - 144);
	put(f, part, len - 144);

	message = write_invite(text, 20000002);
	put(f, octets, write_tcp(octets, sizeof octets, 5060, 0x18, message));

	totals_when_quiet(f, &after);
	assert_int_equal(after.fragments.completed - before.fragments.completed, 1);
	assert_int_equal(after.streams.messages - before.streams.messages, 1);
	// By the task of the address and that of the party.
	assert_int_equal(after.sip.reported - before.sip.reported, 2 * 2);
}

int main(void)
{
	if (!start_eal("test_floods"))
		return 77;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_open_streams_give_way_to_newer_ones),
		cmocka_unit_test(first_fragments_give_way_to_newer_ones),
		cmocka_unit_test(sessions_give_way_to_newer_ones),
		cmocka_unit_test(what_is_whole_afterwards_is_reported),
	};
	int failed = cmocka_run_group_tests_name("floods", tests, set_up, tear_down);
	rte_eal_cleanup();
	return failed;
}
