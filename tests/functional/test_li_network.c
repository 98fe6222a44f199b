// Where a connection would leave, asked in a network namespace of the test's own: eth1 and what stands on it are tapped, eth0
// is not. Each case leaves the routes as it found them.
#include "unit.h"

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "li_network.h"

static void ip(const char *arguments)
{
	char command[256];
	snprintf(command, sizeof command, "ip %s", arguments);
	if (system(command) != 0)
		fail_msg("%s failed", command);
}

static struct address address_of(const char *text)
{
	struct address out;
	assert_true(address_parse(bytes_of_text(text), &out));
	return out;
}

struct query {
	const char *destination, *device, *source; // what the socket is bound to; NULL: not
	const char *wanted_device, *wanted_source; // what it is to be bound to
	uint16_t port;
	int mark;
};

static int ask(const struct query *q, struct error *error)
{
	struct address destination = address_of(q->destination), wanted = {0};
	int fd = socket(destination.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	if (q->device)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, q->device,
					 (socklen_t)strlen(q->device)),
			0);
	if (q->mark)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &q->mark, sizeof q->mark), 0);
	if (q->source) {
		struct address source = address_of(q->source);
		struct sockaddr_in local = {.sin_family = AF_INET};
		memcpy(&local.sin_addr, source.octets, 4);
		assert_int_equal(bind(fd, (void *)&local, sizeof local), 0);
	}
	if (q->wanted_source)
		wanted = address_of(q->wanted_source);
	unsigned traffic = if_nametoindex("eth1");
	struct li_connection connection = {.fd = fd,
		.destination = destination,
		.port = q->port ? q->port : 42069,
		.source = &wanted,
		.interface = q->wanted_device};
	error->text[0] = '\0';
	int result = li_network_check(&connection, &traffic, 1, error);
	assert_int_equal(result == 0, error->text[0] == '\0');
	close(fd);
	return result;
}

static void refused(struct query q, const char *interface)
{
	struct error error;
	char quoted[IFNAMSIZ + 2];
	snprintf(quoted, sizeof quoted, "'%s'", interface);
	assert_int_equal(ask(&q, &error), -EPERM);
	assert_non_null(strstr(error.text, quoted));
}

static void allowed(struct query q)
{
	struct error error;
	if (ask(&q, &error) != 0)
		fail_msg("%s", error.text);
}

static void the_route_decides(void **state)
{
	(void)state;
	allowed((struct query){.destination = "192.0.2.9"});
	refused((struct query){.destination = "198.51.100.9"}, "eth1");
	allowed((struct query){.destination = "203.0.113.9"}); // by the default route
	allowed((struct query){.destination = "127.0.0.1"});
	allowed((struct query){
		.destination = "198.51.100.1"}); // our own address: it leaves nowhere
}

static void ipv6_is_asked_as_well(void **state)
{
	(void)state;
	allowed((struct query){.destination = "2001:db8::9"});
	refused((struct query){.destination = "2001:db8:1::9"}, "eth1");
}

static void a_more_specific_route_counts(void **state)
{
	(void)state;
	ip("route add 203.0.113.7/32 dev eth1");
	refused((struct query){.destination = "203.0.113.7"}, "eth1");
	allowed((struct query){.destination = "203.0.113.8"});
	ip("route del 203.0.113.7/32 dev eth1");
}

static void a_device_counts_more_than_the_route(void **state)
{
	(void)state;
	refused((struct query){.destination = "192.0.2.9", .device = "eth1"}, "eth1");
	refused((struct query){.destination = "192.0.2.9", .wanted_device = "eth1"}, "eth1");
	allowed((struct query){.destination = "198.51.100.9", .device = "eth0"});
	allowed((struct query){.destination = "198.51.100.9", .wanted_device = "eth0"});
	allowed((struct query){
		.destination = "192.0.2.9", .device = "eth0", .wanted_device = "eth1"});
}

static void rules_by_source_mark_and_port_are_followed(void **state)
{
	(void)state;
	ip("route add default dev eth1 table 7");
	ip("rule add from 192.0.2.2 table 7");
	refused((struct query){.destination = "203.0.113.9", .source = "192.0.2.2"}, "eth1");
	refused((struct query){.destination = "203.0.113.9", .wanted_source = "192.0.2.2"}, "eth1");
	allowed((struct query){.destination = "203.0.113.9", .source = "192.0.2.1"});
	ip("rule add fwmark 5 table 7");
	refused((struct query){.destination = "203.0.113.9", .mark = 5}, "eth1");
	allowed((struct query){.destination = "203.0.113.9", .mark = 6});
	ip("rule add ipproto tcp dport 4343 table 7");
	refused((struct query){.destination = "203.0.113.9", .port = 4343}, "eth1");
	allowed((struct query){.destination = "203.0.113.9", .port = 4344});
	ip("rule del from 192.0.2.2 table 7");
	ip("rule del fwmark 5 table 7");
	ip("rule del ipproto tcp dport 4343 table 7");
	ip("route del default dev eth1 table 7");
}

static void a_bridge_with_a_tapped_member_is_tapped(void **state)
{
	(void)state;
	ip("link add name br0 type bridge");
	ip("link set dev br0 up");
	ip("address add 198.18.0.1/24 dev br0");
	allowed((struct query){.destination = "198.18.0.9"});
	ip("link set dev eth1 master br0");
	refused((struct query){.destination = "198.18.0.9"}, "br0");
	ip("link set dev eth1 nomaster");
	ip("link set dev peer1 master br0"); // the other end of the wire is not the tap
	allowed((struct query){.destination = "198.18.0.9"});
	ip("link del dev br0");
}

static void a_vlan_of_a_tapped_interface_is_tapped(void **state)
{
	(void)state;
	if (system("ip link add link eth1 name eth1.5 type vlan id 5 2>/dev/null") != 0) {
		printf("# not tried: this kernel has no VLAN interfaces\n");
		return;
	}
	ip("link set dev eth1.5 up");
	ip("address add 198.18.0.1/24 dev eth1.5");
	refused((struct query){.destination = "198.18.0.9"}, "eth1.5");
	ip("link del dev eth1.5");
}

static void without_a_way_out_it_is_refused(void **state)
{
	(void)state;
	struct error error;
	ip("route del default dev eth0");
	assert_int_equal(ask(&(struct query){.destination = "203.0.113.9"}, &error), -ENETUNREACH);
	assert_int_equal(
		ask(&(struct query){.destination = "192.0.2.9", .wanted_device = "eth9"}, &error),
		-ENODEV);
	assert_int_equal(
		ask(&(struct query){.destination = "192.0.2.9", .wanted_source = "2001:db8::1"},
			&error),
		-EAFNOSUPPORT);
	ip("route add default dev eth0");
}

static void many_interfaces_are_read_to_the_end(void **state)
{
	enum { BRIDGES = 300 }; // more than one datagram of the kernel's answer
	(void)state;
	char command[64];
	for (unsigned i = 0; i < BRIDGES; i++) {
		snprintf(command, sizeof command, "link add name many%u type bridge", i);
		ip(command);
	}
	refused((struct query){.destination = "198.51.100.9"}, "eth1");
	snprintf(command, sizeof command, "link set dev eth1 master many%u", BRIDGES - 1);
	ip(command);
	snprintf(command, sizeof command, "address add 198.18.1.1/24 dev many%u", BRIDGES - 1);
	ip(command);
	snprintf(command, sizeof command, "link set dev many%u up", BRIDGES - 1);
	ip(command);
	snprintf(command, sizeof command, "many%u", BRIDGES - 1);
	refused((struct query){.destination = "198.18.1.9"}, command);
}

static void it_needs_no_capabilities(void **state)
{
	(void)state;
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	assert_int_equal(syscall(SYS_capset, &header, none), 0);
	refused((struct query){.destination = "198.51.100.9"}, "eth1");
	allowed((struct query){.destination = "192.0.2.9", .device = "eth0"}); // Linux 5.7
}

static int make_network(void **state)
{
	(void)state;
	static const char *const commands[] = {"link set dev lo up",
		"link add name eth0 type veth peer name peer0",
		"link add name eth1 type veth peer name peer1", "link set dev peer0 up",
		"link set dev peer1 up", "link set dev eth0 up", "link set dev eth1 up",
		"address add 192.0.2.1/24 dev eth0", "address add 192.0.2.2/24 dev eth0",
		"address add 198.51.100.1/24 dev eth1", "route add default dev eth0",
		"address add 2001:db8::1/64 dev eth0 nodad",
		"address add 2001:db8:1::1/64 dev eth1 nodad"};
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		ip(commands[i]);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_route_decides), cmocka_unit_test(ipv6_is_asked_as_well),
		cmocka_unit_test(a_more_specific_route_counts),
		cmocka_unit_test(a_device_counts_more_than_the_route),
		cmocka_unit_test(rules_by_source_mark_and_port_are_followed),
		cmocka_unit_test(a_bridge_with_a_tapped_member_is_tapped),
		cmocka_unit_test(a_vlan_of_a_tapped_interface_is_tapped),
		cmocka_unit_test(without_a_way_out_it_is_refused),
		cmocka_unit_test(many_interfaces_are_read_to_the_end),
		cmocka_unit_test(it_needs_no_capabilities), // the last: they do not come back
	};
	if (unshare(CLONE_NEWNET) != 0) {
		printf("1..0 # SKIP needs root (a network namespace): %s\n", strerror(errno));
		return 0;
	}
	return cmocka_run_group_tests(tests, make_network, NULL);
}
