// Interfaces of the kernel that ports stand on, in a network namespace of the test's own: one driver tells its interface, another
// only in part, and names are followed to whatever bears them now. And how often a worker polled.
#include "dataplane_rig.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>

static void ip(const char *arguments)
{
	char command[160];
	snprintf(command, sizeof command, "ip %s", arguments);
	if (system(command) != 0)
		fail_msg("%s failed", command);
}

static int make_dataplane(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	// net_tap wants as many TX queues as RX queues, so it is one end of a pair. net_pcap1 is the other: at its end net_pcap closes a
	// TX interface of its own only when the port has a TX queue.
	static const char *const devices[][2] = {
		{"net_pcap1", "net_tap0"}, {"net_af_packet0", NULL}, {"net_pcap0", NULL}};
	assert_non_null(f);
	f->config = (struct config){
		.workers = 1,
		.mbuf_size = 2048,
		.event_ring_kib = 64,
		.reassembly = {.max_datagrams = 64,
			.fragment_memory_mib = 1,
			.fragment_timeout_ms = 1000,
			.max_streams = 64,
			.stream_memory_mib = 1,
			.gap_timeout_ms = 1000,
			.stream_idle_ms = 60000},
		.sip = {.max_message = 65536, .max_sessions = 64, .max_duplicates = 64},
		.signalling = {.max_sessions = 64},
	};
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
		f->config.ports[f->config.port_count++] = (struct config_port){.a = devices[i][0],
			.b = devices[i][1],
			.ipid = "A",
			.rx_descriptors = 256,
			.tx_descriptors = 256};
	struct hash_key key = {1, 2};
	struct error error;
	f->dataplane = dataplane_new(&f->config, &key, NULL, fail_with, &error);
	if (!f->dataplane)
		fail_msg("%s", error.text);
	*state = f;
	return 0;
}

static int free_dataplane(void **state)
{
	struct fixture *f = *state;
	if (f)
		dataplane_free(f->dataplane);
	free(f);
	return 0;
}

static bool is_tapped(const struct fixture *f, const char *name)
{
	unsigned index = if_nametoindex(name);
	if (index == 0)
		fail_msg("there is no interface %s", name);
	return dataplane_is_traffic_interface(f->dataplane, index);
}

static void each_driver_tells_its_interfaces(void **state)
{
	const struct fixture *f = *state;
	static const char *const tapped[] = {"packet0", "pcap0", "pcap1", "pcap2", "dtap0"};
	unsigned indexes[DATAPLANE_MAX_INTERFACES];
	for (size_t i = 0; i < sizeof tapped / sizeof *tapped; i++)
		if (!is_tapped(f, tapped[i]))
			fail_msg("%s is not known to be tapped", tapped[i]);
	assert_int_equal(dataplane_traffic_interfaces(f->dataplane, indexes),
		sizeof tapped / sizeof *tapped);
}

static void no_other_interface_is_one(void **state)
{
	const struct fixture *f = *state;
	static const char *const others[] = {"lo", "li0", "lipeer", "peer0", "peer1"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (is_tapped(f, others[i]))
			fail_msg("%s is taken for tapped", others[i]);
	assert_false(dataplane_is_traffic_interface(f->dataplane, 0));
}

static void a_name_counts_for_whatever_bears_it_now(void **state)
{
	const struct fixture *f = *state;
	unsigned before = if_nametoindex("pcap2");
	ip("link del dev pcap2");
	assert_false(dataplane_is_traffic_interface(f->dataplane, before));
	ip("link add name pcap2 type veth peer name again2");
	assert_int_not_equal(if_nametoindex("pcap2"), before);
	assert_true(is_tapped(f, "pcap2"));
}

static void a_worker_that_polls_counts_its_turns(void **state)
{
	struct fixture *f = *state;
	struct hash_key key = {1, 2};
	struct error error;
	assert_int_equal(dataplane_worker_turns(f->dataplane, 0), 0);
	assert_int_equal(dataplane_start(f->dataplane, make_table(&key), &error), 0);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = dataplane_worker_turns(f->dataplane, 0);
		for (unsigned ms = 0;
			ms < 10000 && dataplane_worker_turns(f->dataplane, 0) == before; ms++)
			usleep(1000);
		assert_true(dataplane_worker_turns(f->dataplane, 0) > before);
	}
	dataplane_stop(f->dataplane);
	while (!dataplane_stopped(f->dataplane))
		usleep(1000);
	uint64_t last = dataplane_worker_turns(f->dataplane, 0);
	usleep(20000);
	assert_int_equal(dataplane_worker_turns(f->dataplane, 0), last);
}

static bool make_network(void)
{
	static const char *const links[] = {"packet0 type veth peer name peer0",
		"pcap0 type veth peer name peer1", "pcap1 type veth peer name peer2",
		"pcap2 type veth peer name peer3", "li0 type veth peer name lipeer"};
	static const char *const up[] = {"packet0", "pcap0", "pcap1", "pcap2"};
	char command[128];
	if (unshare(CLONE_NEWNET) != 0)
		return false;
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		snprintf(command, sizeof command, "link add name %s", links[i]);
		ip(command);
	}
	for (size_t i = 0; i < sizeof up / sizeof *up; i++) {
		snprintf(command, sizeof command, "link set dev %s up", up[i]);
		ip(command);
	}
	return true;
}

int main(void)
{
	static char words[][64] = {"test_interfaces", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "256", "--lcores", "0@0,1@0",
		"--vdev=net_af_packet0,iface=packet0", "--vdev=net_pcap0,iface=pcap0",
		"--vdev=net_pcap1,rx_iface=pcap1,tx_iface=pcap2", "--vdev=net_tap0,iface=dtap0"};
	enum { WORDS = sizeof words / sizeof *words };
	char *eal[WORDS + 1] = {NULL};
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_driver_tells_its_interfaces),
		cmocka_unit_test(no_other_interface_is_one),
		cmocka_unit_test(a_name_counts_for_whatever_bears_it_now),
		cmocka_unit_test(a_worker_that_polls_counts_its_turns),
	};
	if (!make_network()) {
		printf("1..0 # SKIP needs root (a network namespace): %s\n", strerror(errno));
		return 0;
	}
	for (size_t i = 0; i < WORDS; i++)
		eal[i] = words[i];
	if (rte_eal_init(WORDS, eal) < 0) {
		printf("Bail out! EAL does not start\n");
		return 1;
	}
	int failed =
		cmocka_run_group_tests_name("interfaces", tests, make_dataplane, free_dataplane);
	rte_eal_cleanup();
	return failed;
}
