// Sends numbered frames on one memif and takes them back from another: what is between the two must lose, change and
// reorder nothing. Prints one JSON object.
//
//   memif_loop [EAL options with net_memif0 and net_memif1] -- FRAMES_A_SECOND SECONDS      0 frames: as many as pass
//
// Then waits for the end of standard input. At most WINDOW frames are under way, so that a pause of this program fills no ring: a loop that is too slow shows in the
// rate, and what is lost was lost by the loop.
#include <inttypes.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FRAME_LEN = 64,
	FLOWS = 1024, // a power of two
	BURST = 32,
	WINDOW = 8192, // half of the largest memif ring
	DESCRIPTORS = 1024,
	MBUFS = 65535,
	AT_NUMBER = 42, // behind Ethernet, IPv4 and UDP
};

struct loop {
	uint16_t out, in; // ports
	struct rte_mempool *pool;
	uint8_t frames[FLOWS][FRAME_LEN]; // as sent, but for the number

	// Frame n is the (n / FLOWS)th of flow n % FLOWS.
	uint64_t sent, received, given_up, reordered, changed;
	uint64_t next[FLOWS]; // the least number of each flow that is still in order
	uint64_t last_return; // TSC when a frame last came back
};

static void make_frames(struct loop *l)
{
	static const uint8_t headers[AT_NUMBER] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0,          // Ethernet
		0x45, 0, 0, FRAME_LEN - 14, 0, 0, 0, 0, 64, 17, 0, 0, // IPv4
		198, 51, 100, 0, 203, 0, 113, 0,                      // RFC 5737: nobody's
		0x40, 0, 0x80, 0, 0, FRAME_LEN - 34, 0, 0,            // UDP
	};
	uint32_t noise = 1;
	for (unsigned flow = 0; flow < FLOWS; flow++) {
		uint8_t *at = l->frames[flow];
		memcpy(at, headers, sizeof headers);
		at[29] = at[33] = (uint8_t)flow;
		at[34] = (uint8_t)(0x40 + flow / 256); // source port
		at[35] = (uint8_t)flow;
		for (unsigned i = AT_NUMBER + sizeof(uint64_t); i < FRAME_LEN; i++) {
			noise = noise * 1664525 + 1013904223;
			at[i] = (uint8_t)(noise >> 24);
		}
	}
}

static void write_frame(const struct loop *l, uint64_t number, uint8_t *to)
{
	uint64_t big_endian = rte_cpu_to_be_64(number);
	memcpy(to, l->frames[number % FLOWS], FRAME_LEN);
	memcpy(to + AT_NUMBER, &big_endian, sizeof big_endian);
}

static void loop_send(struct loop *l, uint64_t due, uint64_t now)
{
	struct rte_mbuf *burst[BURST];
	uint64_t under_way = l->sent - l->received - l->given_up;
	uint64_t room = under_way < WINDOW ? WINDOW - under_way : 0;
	if (room == 0 && now - l->last_return > rte_get_tsc_hz() / 10)
		l->given_up += under_way; // they do not come back any more
	uint64_t wanted = due > l->sent ? due - l->sent : 0;
	uint16_t count = (uint16_t)RTE_MIN(RTE_MIN(wanted, room), (uint64_t)BURST);
	if (count == 0 || rte_pktmbuf_alloc_bulk(l->pool, burst, count) != 0)
		return;
	for (uint16_t i = 0; i < count; i++) {
		write_frame(l, l->sent + i, rte_pktmbuf_mtod(burst[i], uint8_t *));
		burst[i]->pkt_len = burst[i]->data_len = FRAME_LEN;
	}
	uint16_t sent = rte_eth_tx_burst(l->out, 0, burst, count);
	l->sent += sent; // the rest keeps its numbers for the next time
	rte_pktmbuf_free_bulk(burst + sent, (unsigned)(count - sent));
}

static void loop_check(struct loop *l, const struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);
	uint8_t wanted[FRAME_LEN];
	uint64_t number = UINT64_MAX;
	if (m->pkt_len == FRAME_LEN && m->data_len == FRAME_LEN) {
		memcpy(&number, at + AT_NUMBER, sizeof number);
		number = rte_be_to_cpu_64(number);
	}
	if (number >= l->sent) {
		l->changed++;
		return;
	}
	write_frame(l, number, wanted);
	l->changed += memcmp(at, wanted, FRAME_LEN) != 0;
	uint64_t *next = &l->next[number % FLOWS];
	if (number < *next)
		l->reordered++;
	else
		*next = number + FLOWS;
}

static void loop_receive(struct loop *l, uint64_t now)
{
	struct rte_mbuf *burst[BURST];
	uint16_t count = rte_eth_rx_burst(l->in, 0, burst, BURST);
	if (count == 0)
		return;
	for (uint16_t i = 0; i < count; i++)
		loop_check(l, burst[i]);
	rte_pktmbuf_free_bulk(burst, count);
	l->received += count;
	l->last_return = now;
	if (l->received + l->given_up > l->sent) // given up too early
		l->given_up = l->sent - l->received;
}

static void loop_run(struct loop *l, double rate, double seconds)
{
	double hz = (double)rte_get_tsc_hz();
	uint64_t start = rte_rdtsc(), end = start + (uint64_t)(seconds * hz), now = start;
	l->last_return = start;
	for (; now < end; now = rte_rdtsc()) {
		uint64_t due =
			rate > 0 ? (uint64_t)((double)(now - start) / hz * rate) : UINT64_MAX;
		loop_receive(l, now);
		loop_send(l, due, now);
	}
	// What is still under way.
	end = now + (uint64_t)hz / 2;
	for (; now < end && l->received < l->sent; now = rte_rdtsc())
		loop_receive(l, now);
}

static bool open_port(uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	return rte_eth_dev_configure(port, 1, 1, &conf) == 0 &&
	       rte_eth_rx_queue_setup(port, 0, DESCRIPTORS, 0, NULL, pool) == 0 &&
	       rte_eth_tx_queue_setup(port, 0, DESCRIPTORS, 0, NULL) == 0 &&
	       rte_eth_dev_start(port) == 0;
}

static bool wait_for_link(uint16_t port)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		struct rte_eth_link link;
		if (rte_eth_link_get_nowait(port, &link) == 0 &&
			link.link_status == RTE_ETH_LINK_UP)
			return true;
		rte_delay_us_sleep(10000);
	}
	return false;
}

int main(int argc, char **argv)
{
	static struct loop l;
	int used = rte_eal_init(argc, argv);
	if (used < 0 || argc - used != 3) {
		fputs("usage: memif_loop EAL-OPTIONS -- FRAMES_A_SECOND SECONDS\n", stderr);
		return 2;
	}
	double rate = atof(argv[used + 1]), seconds = atof(argv[used + 2]);
	l.pool = rte_pktmbuf_pool_create(
		"loop", MBUFS, 512, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!l.pool || rte_eth_dev_get_port_by_name("net_memif0", &l.out) != 0 ||
		rte_eth_dev_get_port_by_name("net_memif1", &l.in) != 0 ||
		!open_port(l.out, l.pool) || !open_port(l.in, l.pool)) {
		fprintf(stderr, "memif_loop: the two memifs cannot be opened: %s\n",
			rte_strerror(rte_errno));
		return 1;
	}
	if (!wait_for_link(l.out) || !wait_for_link(l.in)) {
		fputs("memif_loop: nobody is at the other end of the memifs\n", stderr);
		return 1;
	}
	make_frames(&l);
	for (unsigned flow = 0; flow < FLOWS; flow++)
		l.next[flow] = flow;
	loop_run(&l, rate, seconds);
	printf("{\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"reordered\": %" PRIu64
	       ", \"changed\": %" PRIu64 ", \"rate\": %.0f}\n",
		l.sent, l.received, l.reordered, l.changed, (double)l.received / seconds);
	fflush(stdout);
	while (getchar() !=
		EOF) // whoever polls the other ends must go first: net_memif is torn down under it otherwise
		;
	rte_eth_dev_stop(l.out);
	rte_eth_dev_stop(l.in);
	rte_eal_cleanup();
	return 0;
}
