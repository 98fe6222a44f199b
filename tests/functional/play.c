// Plays what one port holds into another: all frames, in order, none lost. For net_memif, which wants a second process.
//
//   play [EAL options with two devices] -- FROM TO
//
// Prints how many frames were sent once FROM has been silent for a while, then waits for the end of standard input.
#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdio.h>

enum {
	BURST = 32,
	DESCRIPTORS = 1024,
	MBUFS = 16383,
	PAUSE_US = 500,      // between bursts: who is tapped is a network, not a benchmark
	SILENCE = 200,       // pauses without a frame that end the play
	LINK_TRIES = 1000,   // of 10 ms each
	SEND_TRIES = 10000, // of PAUSE_US each
};

static bool open_port(const char *name, struct rte_mempool *pool, uint16_t *port)
{
	struct rte_eth_conf conf = {0};
	return rte_eth_dev_get_port_by_name(name, port) == 0 &&
	       rte_eth_dev_configure(*port, 1, 1, &conf) == 0 &&
	       rte_eth_rx_queue_setup(*port, 0, DESCRIPTORS, 0, NULL, pool) == 0 &&
	       rte_eth_tx_queue_setup(*port, 0, DESCRIPTORS, 0, NULL) == 0 &&
	       rte_eth_dev_start(*port) == 0;
}

static bool wait_for_link(uint16_t port)
{
	for (unsigned tries = 0; tries < LINK_TRIES; tries++) {
		struct rte_eth_link link;
		if (rte_eth_link_get_nowait(port, &link) == 0 &&
			link.link_status == RTE_ETH_LINK_UP)
			return true;
		rte_delay_us_sleep(10000);
	}
	return false;
}

// How many of the frames could be sent; the others are freed.
static uint16_t send_all(uint16_t port, struct rte_mbuf **frames, uint16_t count)
{
	uint16_t sent = 0;
	for (unsigned tries = 0; sent < count && tries < SEND_TRIES; tries++) {
		sent = (uint16_t)(sent + rte_eth_tx_burst(port, 0, frames + sent,
						 (uint16_t)(count - sent)));
		rte_delay_us_sleep(PAUSE_US);
	}
	rte_pktmbuf_free_bulk(frames + sent, (unsigned)(count - sent));
	return sent;
}

static uint64_t play(uint16_t from, uint16_t to)
{
	struct rte_mbuf *frames[BURST];
	uint64_t sent = 0;
	for (unsigned silence = 0; silence < SILENCE; silence++) {
		uint16_t count = rte_eth_rx_burst(from, 0, frames, BURST);
		if (count > 0)
			silence = 0;
		else
			rte_delay_us_sleep(PAUSE_US);
		sent += send_all(to, frames, count);
	}
	return sent;
}

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);
	if (used < 0 || argc - used != 3) {
		fputs("usage: play EAL-OPTIONS -- FROM TO\n", stderr);
		return 2;
	}
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"play", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	uint16_t from, to;
	if (!pool || !open_port(argv[used + 1], pool, &from) ||
		!open_port(argv[used + 2], pool, &to)) {
		fprintf(stderr, "play: the devices cannot be opened: %s\n",
			rte_strerror(rte_errno));
		return 1;
	}
	if (!wait_for_link(to)) {
		fputs("play: nobody is at the other end\n", stderr);
		return 1;
	}
	printf("sent %" PRIu64 "\n", play(from, to));
	fflush(stdout);
	// Whoever polls the other end must go first: net_memif is torn down under it otherwise.
	while (getchar() != EOF)
		;
	rte_eth_dev_stop(from);
	rte_eth_dev_stop(to);
	rte_eal_cleanup();
	return 0;
}
