#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket.h"

// ---- a listener on the loopback and connections to it

static int listen_on(const char *address, uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(*port)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, address, &at.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

// Ports that the kernel does not give out by itself, others than those of a test that runs beside this one.
static uint16_t own_ports(void)
{
	return (uint16_t)(10000 + (unsigned)getpid() % 1000 * 20);
}

static struct delivery_endpoint endpoint_at(uint16_t port)
{
	return (struct delivery_endpoint){.address = {{127, 0, 0, 1}, 4}, .port = port};
}

static int open_well(const struct delivery_endpoint *e, uint32_t random)
{
	struct error error = {0};
	int fd = socket_open(e, NULL, random, &error);
	if (fd < 0)
		fail_msg("%s", error.text);
	return fd;
}

static void expect_failure(const struct delivery_endpoint *e, int code, const char *says)
{
	struct error error = {0};
	assert_int_equal(socket_open(e, NULL, 0, &error), code);
	assert_int_equal(error.code, code);
	if (!strstr(error.text, says))
		fail_msg("\"%s\" does not say \"%s\"", error.text, says);
}

// Whom the listener sees. Fails if there is nobody.
static struct sockaddr_in accept_one(int listener)
{
	struct sockaddr_in from = {0};
	socklen_t len = sizeof from;
	int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	return from;
}

static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof value;
	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

// ---- where it leaves

static void without_wishes_the_kernel_chooses(void **state)
{
	(void)state;
	uint16_t port = 0;
	int listener = listen_on("127.0.0.1", &port);
	struct delivery_endpoint e = endpoint_at(port);
	int fd = open_well(&e, 0);
	assert_int_equal(accept_one(listener).sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	close(fd);
	close(listener);
}

static void the_source_address_is_the_ordered_one(void **state)
{
	(void)state;
	uint16_t port = 0;
	int listener = listen_on("127.0.0.1", &port);
	struct delivery_endpoint e = endpoint_at(port);
	e.socket.source = (struct address){{127, 0, 0, 2}, 4};
	int fd = open_well(&e, 0);
	assert_int_equal(accept_one(listener).sin_addr.s_addr, htonl(INADDR_LOOPBACK + 1));
	assert_int_equal(option_of(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
	close(fd);
	close(listener);
}

static void a_source_address_of_another_host_is_named(void **state)
{
	(void)state;
	struct delivery_endpoint e = endpoint_at(9);
	e.socket.source = (struct address){{192, 0, 2, 1}, 4};
	expect_failure(&e, -EADDRNOTAVAIL, "192.0.2.1 is not on this host");
	e.socket.port_first = e.socket.port_last = own_ports(); // not taken for a port in use
	expect_failure(&e, -EADDRNOTAVAIL, "192.0.2.1 is not on this host");
}

static void the_interface_is_the_ordered_one(void **state)
{
	(void)state;
	uint16_t port = 0;
	char name[16] = "";
	socklen_t len = sizeof name;
	int listener = listen_on("127.0.0.1", &port);
	struct delivery_endpoint e = endpoint_at(port);
	snprintf(e.socket.interface, sizeof e.socket.interface, "lo");
	int fd = open_well(&e, 0);
	accept_one(listener);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	assert_string_equal(name, "lo");
	close(fd);
	snprintf(e.socket.interface, sizeof e.socket.interface, "x2tap-none0");
	expect_failure(&e, -ENODEV, "x2tap-none0 does not exist");
	close(listener);
}

static void ipv6_too(void **state)
{
	(void)state;
	struct sockaddr_in6 from;
	socklen_t len = sizeof from;
	struct delivery_endpoint e = {.address = {.octets = {[15] = 1}, .family = 6}, .port = 9};
	uint16_t ports = own_ports();
	e.socket.source = e.address;
	e.socket.port_first = ports;
	e.socket.port_last = (uint16_t)(ports + 9);
	int fd = open_well(&e, 3);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
	assert_int_equal(from.sin6_family, AF_INET6);
	assert_in_range(ntohs(from.sin6_port), ports, ports + 9);
	close(fd);
}

// ---- source ports

static void every_port_of_a_range_is_used_before_it_is_full(void **state)
{
	(void)state;
	enum { PORTS = 12 };
	uint16_t port = 0, first = own_ports();
	int listener = listen_on("127.0.0.1", &port), fds[PORTS];
	bool seen[PORTS] = {false};
	struct delivery_endpoint e = endpoint_at(port);
	e.socket.port_first = first;
	e.socket.port_last = (uint16_t)(first + PORTS - 1);
	for (int i = 0; i < PORTS; i++) {
		fds[i] = open_well(&e, 1000);
		uint16_t from = ntohs(accept_one(listener).sin_port);
		assert_in_range(from, first, first + PORTS - 1);
		if (i == 0)
			assert_int_equal(from, first + 1000 % PORTS); // from a random one on
		assert_false(seen[from - first]);
		seen[from - first] = true;
	}
	expect_failure(&e, -EADDRINUSE, "in use: widen source_ports");
	for (int i = 0; i < PORTS; i++)
		close(fds[i]);
	close(listener);
}

static void a_port_serves_one_connection_to_each_mf(void **state)
{
	(void)state;
	uint16_t port = 0, other_port = 0, own = (uint16_t)(own_ports() + 15);
	int listener = listen_on("127.0.0.1", &port);
	int other = listen_on("127.0.0.1", &other_port);
	struct delivery_endpoint e = endpoint_at(port);
	e.socket.source = (struct address){{127, 0, 0, 3}, 4};
	e.socket.port_first = e.socket.port_last = own;
	int fd = open_well(&e, 7);
	assert_int_equal(ntohs(accept_one(listener).sin_port), own);
	expect_failure(&e, -EADDRINUSE, "in use");
	e.port = other_port;
	int second = open_well(&e, 7);
	assert_int_equal(ntohs(accept_one(other).sin_port), own);
	close(fd);
	close(second);
	close(listener);
	close(other);
}

static void a_port_that_somebody_listens_on_is_passed_over(void **state)
{
	(void)state;
	uint16_t port = 0, taken = (uint16_t)(own_ports() + 16);
	int listener = listen_on("127.0.0.1", &port), stranger = listen_on("127.0.0.1", &taken);
	struct delivery_endpoint e = endpoint_at(port);
	e.socket.source = e.address;
	e.socket.port_first = taken;
	e.socket.port_last = (uint16_t)(taken + 1);
	int fd = open_well(&e, 0);
	assert_int_equal(ntohs(accept_one(listener).sin_port), taken + 1);
	close(fd);
	close(stranger);
	close(listener);
}

// ---- how the kernel watches

static void tcp_keepalive_and_user_timeout_are_set(void **state)
{
	(void)state;
	uint16_t port = 0;
	int listener = listen_on("127.0.0.1", &port);
	struct delivery_endpoint e = endpoint_at(port);
	e.socket.keepalive_s = 25;
	e.socket.user_timeout_ms = 12345;
	int fd = open_well(&e, 0);
	assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 25);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 25);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
	close(fd);
	close(listener);
}

// ---- the last word before it connects

struct watch {
	int listener, answer;
	unsigned asked;
	uint16_t source_port;
};

static int watch_socket(
	void *context, int fd, const struct delivery_endpoint *endpoint, struct error *error)
{
	struct watch *w = context;
	struct sockaddr_in from = {0};
	socklen_t len = sizeof from;
	w->asked++;
	assert_int_equal(endpoint->port != 0, 1);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
	w->source_port = ntohs(from.sin_port);
	if (w->answer < 0)
		error_set(error, w->answer, "that would be a traffic port");
	return w->answer;
}

static void the_socket_is_shown_before_it_connects_and_may_be_refused(void **state)
{
	(void)state;
	uint16_t port = 0;
	struct watch watch = {.listener = listen_on("127.0.0.1", &port), .answer = -EACCES};
	const struct delivery_hooks hooks = {.context = &watch, .check_socket = watch_socket};
	struct delivery_endpoint e = endpoint_at(port);
	struct error error = {0};
	e.socket.port_first = (uint16_t)(own_ports() + 18);
	e.socket.port_last = (uint16_t)(own_ports() + 19);
	assert_int_equal(socket_open(&e, &hooks, 0, &error), -EACCES);
	assert_string_equal(error.text, "that would be a traffic port");
	assert_int_equal(watch.asked, 1);
	assert_int_equal(watch.source_port, e.socket.port_first); // bound already
	assert_int_equal(accept(watch.listener, NULL, NULL), -1); // not one octet went out
	assert_int_equal(errno, EAGAIN);
	watch.answer = 0;
	int fd = socket_open(&e, &hooks, 0, &error);
	assert_true(fd >= 0);
	accept_one(watch.listener);
	close(fd);
	close(watch.listener);
}

static void what_the_kernel_refuses_at_once_is_told(void **state)
{
	(void)state;
	struct delivery_endpoint e = {.address = {{255, 255, 255, 255}, 4}, .port = 9};
	struct error error = {0};
	assert_true(socket_open(&e, NULL, 0, &error) < 0);
	assert_non_null(strstr(error.text, "cannot connect"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_wishes_the_kernel_chooses),
		cmocka_unit_test(the_source_address_is_the_ordered_one),
		cmocka_unit_test(a_source_address_of_another_host_is_named),
		cmocka_unit_test(the_interface_is_the_ordered_one),
		cmocka_unit_test(ipv6_too),
		cmocka_unit_test(every_port_of_a_range_is_used_before_it_is_full),
		cmocka_unit_test(a_port_serves_one_connection_to_each_mf),
		cmocka_unit_test(a_port_that_somebody_listens_on_is_passed_over),
		cmocka_unit_test(tcp_keepalive_and_user_timeout_are_set),
		cmocka_unit_test(the_socket_is_shown_before_it_connects_and_may_be_refused),
		cmocka_unit_test(what_the_kernel_refuses_at_once_is_told),
	};
	return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
