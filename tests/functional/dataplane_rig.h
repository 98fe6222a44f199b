// A data path on net_ring ports in this process: what a test puts in and takes out is in its own hands. For the tests of
// lib/dataplane alone; every function is inline so that none is missed.
#ifndef X2TAP_DATAPLANE_RIG_H
#define X2TAP_DATAPLANE_RIG_H

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

enum { RING = 4096, POOL = 8191, ROOM = 2048 };

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

struct fixture {
	struct config config;
	struct rte_mempool *pool;
	struct rte_ring *in, *out; // into the data path, and what it sent on
	struct dataplane *dataplane;
	unsigned random, identification;
};

static inline unsigned next_random(struct fixture *f)
{
	f->random = f->random * 1103515245u + 12345u;
	return f->random >> 8;
}

static inline struct target_table *make_table(const struct hash_key *key)
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

static inline struct rte_ring *make_ring(const char *name)
{
	struct rte_ring *ring = rte_ring_create(name, RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(ring);
	return ring;
}

static inline void fail_with(const char *line)
{
	fail_msg("%s", line);
}

static inline int set_up(void **state)
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
		.reassembly = {.max_datagrams = 1024,
			.fragment_memory_mib = 4,
			.fragment_timeout_ms = 1000,
			.max_streams = 4096,
			.stream_memory_mib = 8,
			.gap_timeout_ms = 1000,
			.stream_idle_ms = 60000},
		.sip = {.max_message = 65536,
			.ports = {.items = {5060}, .count = 1},
			.recognise = true,
			.trust_from = true,
			.max_sessions = 65536,
			.max_duplicates = 65536,
			.session_idle_ms = 3600000},
		.signalling = {.max_sessions = 1024, .session_idle_ms = 3600000},
	};
	struct hash_key key = {1, 2};
	struct error error;
	f->dataplane = dataplane_new(&f->config, &key, NULL, fail_with, &error);
	if (!f->dataplane)
		fail_msg("%s", error.text);
	assert_int_equal(dataplane_start(f->dataplane, make_table(&key), &error), 0);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;
	dataplane_free(f->dataplane);
	free(f);
	return 0;
}

// Ethernet, up to two VLAN tags, IPv4 and UDP before `payload`.
static inline size_t write_udp(uint8_t *to, size_t cap, unsigned tags, uint16_t port, struct bytes payload)
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

static inline struct rte_mbuf *take_mbuf(struct fixture *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);
	assert_non_null(m);
	return m;
}

// A frame of `octets` in segments of at most `segment` octets, with metadata as a driver may leave it.
static inline struct rte_mbuf *make_frame(
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

// As write_udp() without tags, for TCP with options.
static inline size_t write_tcp(uint8_t *to, size_t cap, uint16_t port, uint8_t flags, struct bytes payload)
{
	struct writer w = writer_of(to, cap);
	write_bytes(&w, bytes_of("\2\0\0\0\0\2\2\0\0\0\0\1\x08\0\x45\0", 16));
	write_be16(&w, (uint16_t)(52 + payload.len));
	write_be32(&w, 0x00010000);
	write_be32(&w, 0x40060000);
	write_be32(&w, 0xc000020a); // 192.0.2.10
	write_be32(&w, 0xc6336414);
	write_be16(&w, port);
	write_be16(&w, 40001);
	write_be64(&w, 0x0000100000000000);
	write_be16(&w, (uint16_t)(0x8000 | flags));
	write_bytes(&w, bytes_of("\xff\xff\0\0\0\0\1\1\x08\x0a\0\0\0\1\0\0\0\2", 18));
	write_bytes(&w, payload);
	assert_false(w.overflow);
	return w.len;
}

static inline uint64_t drain(struct fixture *f)
{
	uint64_t events = 0;
	struct record_ring *ring = dataplane_events(f->dataplane, 0);
	for (; record_ring_peek(ring).at; events++)
		record_ring_release(ring);
	return events;
}

static inline void wait_for_frames(struct fixture *f, uint64_t received)
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

static inline bool start_eal(const char *name)
{
	static char arguments[][32] = {"", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"-m", "256", "--lcores", "0@0,1@(0,1)", "--log-level=error"};
	char *eal[10];
	for (size_t i = 0; i < 10; i++)
		eal[i] = arguments[i];
	snprintf(arguments[0], sizeof arguments[0], "%s", name);
	if (rte_eal_init(10, eal) >= 0)
		return true;
	puts("1..0 # SKIP EAL does not start here (it needs 256 MiB)");
	return false;
}

#endif
