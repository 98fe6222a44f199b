#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEEPALIVE_PROBES = 3 };

static socklen_t socket_address(
	const struct address *a, uint16_t port, struct sockaddr_storage *out)
{
	*out = (struct sockaddr_storage){0};
	if (a->family == 4) {
		struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
		memcpy(&v4.sin_addr, a->octets, 4);
		memcpy(out, &v4, sizeof v4);
		return sizeof v4;
	}
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	memcpy(&v6.sin6_addr, a->octets, 16);
	memcpy(out, &v6, sizeof v6);
	return sizeof v6;
}

static int set_option(
	int fd, int level, int option, int value, const char *name, struct error *error)
{
	if (setsockopt(fd, level, option, &value, sizeof value) == 0)
		return 0;
	int code = errno;
	return error_set(error, -code, "cannot set %s: %s", name, strerror(code));
}

static int set_timers(int fd, const struct delivery_socket *s, struct error *error)
{
	int seconds = (int)s->keepalive_s, result;
	if (s->user_timeout_ms && (result = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
					   (int)s->user_timeout_ms, "TCP_USER_TIMEOUT", error)) < 0)
		return result;
	if (!s->keepalive_s)
		return 0;
	if ((result = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE", error)) < 0 ||
		(result = set_option(
			 fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds, "TCP_KEEPIDLE", error)) < 0 ||
		(result = set_option(
			 fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds, "TCP_KEEPINTVL", error)) < 0)
		return result;
	return set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES, "TCP_KEEPCNT", error);
}

static int bind_to_interface(int fd, const char *interface, struct error *error)
{
	if (!*interface)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) ==
		0)
		return 0;
	int code = errno;
	if (code == ENODEV)
		return error_set(error, -code,
			"the interface %s does not exist: check its name with `ip link`",
			interface);
	if (code == EPERM)
		return error_set(error, -code,
			"no permission to leave through the interface %s alone: CAP_NET_RAW is needed",
			interface);
	return error_set(error, -code, "cannot leave through the interface %s: %s", interface,
		strerror(code));
}

// An open socket that is not yet bound or connected.
static int prepare(const struct delivery_endpoint *e, struct error *error)
{
	const struct delivery_socket *s = &e->socket;
	int fd = socket(e->address.family == 4 ? AF_INET : AF_INET6,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, -errno, "cannot open a socket: %s", strerror(errno));
	// With SO_REUSEADDR a port serves connections to several MFs, and again soon after one has ended.
	int result = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY", error);
	if (result == 0 && s->port_first)
		result = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR", error);
	if (result == 0 && s->source.family && !s->port_first) // the port is chosen by connect()
		result = set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1,
			"IP_BIND_ADDRESS_NO_PORT", error);
	if (result == 0)
		result = bind_to_interface(fd, s->interface, error);
	if (result == 0)
		result = set_timers(fd, s, error);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

static int explain_bind(
	const struct delivery_endpoint *e, uint16_t port, int code, struct error *error)
{
	char address[ADDRESS_TEXT] = "";
	if (e->socket.source.family)
		address_format(&e->socket.source, address);
	if (code == EADDRNOTAVAIL)
		return error_set(error, -code,
			"the source address %s is not on this host: check it with `ip address`",
			address);
	if (code == EACCES)
		return error_set(error, -code,
			"no permission to use the source port %u: take ports from 1024 on, or grant CAP_NET_BIND_SERVICE",
			port);
	return error_set(error, -code, "cannot use the source %s port %u: %s", address, port,
		strerror(code));
}

static int bind_source(
	int fd, const struct delivery_endpoint *e, uint16_t port, struct error *error)
{
	struct address source = e->socket.source;
	struct sockaddr_storage from;
	if (!source.family && !port)
		return 0;
	if (!source.family)
		source.family = e->address.family; // of octets 0: any
	socklen_t len = socket_address(&source, port, &from);
	if (bind(fd, (const struct sockaddr *)&from, len) == 0)
		return 0;
	return explain_bind(e, port, errno, error);
}

static int explain_connect(const struct delivery_endpoint *e, int code, struct error *error)
{
	if (code == EADDRNOTAVAIL)
		return error_set(error, -code, "cannot connect: no local port is left for it");
	if (code == ENODEV || (code == ENETUNREACH && *e->socket.interface))
		return error_set(error, -code, "cannot connect: no route there%s%s",
			*e->socket.interface ? " through the interface " : "", e->socket.interface);
	return error_set(error, -code, "cannot connect: %s", strerror(code));
}

static int start_connect(int fd, const struct delivery_endpoint *e,
	const struct delivery_hooks *hooks, struct error *error)
{
	struct sockaddr_storage to;
	socklen_t len = socket_address(&e->address, e->port, &to);
	if (hooks && hooks->check_socket) {
		int result = hooks->check_socket(hooks->context, fd, e, error);
		if (result < 0)
			return result;
	}
	if (connect(fd, (const struct sockaddr *)&to, len) == 0 || errno == EINPROGRESS)
		return 0;
	return explain_connect(e, errno, error);
}

static bool is_taken(int result)
{
	return result == -EADDRINUSE || result == -EADDRNOTAVAIL;
}

// The port may turn out to be taken at either step: bind() looks at listeners and strangers, connect() at the very connection.
// `*next_port` says that another may do better.
static int open_from(const struct delivery_endpoint *e, uint16_t port,
	const struct delivery_hooks *hooks, bool *next_port, struct error *error)
{
	int fd = prepare(e, error);
	if (fd < 0)
		return fd;
	int result = bind_source(fd, e, port, error);
	*next_port = result == -EADDRINUSE;
	if (result == 0) {
		result = start_connect(fd, e, hooks, error);
		*next_port = is_taken(result);
	}
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

int socket_open(const struct delivery_endpoint *endpoint, const struct delivery_hooks *hooks,
	uint32_t random, struct error *error)
{
	const struct delivery_socket *s = &endpoint->socket;
	bool next_port = false;
	if (!s->port_first)
		return open_from(endpoint, 0, hooks, &next_port, error);
	uint32_t count = (uint32_t)s->port_last - s->port_first + 1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t port = s->port_first + (random % count + i) % count;
		int fd = open_from(endpoint, (uint16_t)port, hooks, &next_port, error);
		if (fd >= 0 || !next_port)
			return fd;
	}
	return error_set(error, -EADDRINUSE,
		"all source ports from %u to %u are in use: widen source_ports, to two for each destination at least (a port may stay in use for a minute after its connection)",
		s->port_first, s->port_last);
}

bool socket_equal(const struct delivery_socket *a, const struct delivery_socket *b)
{
	return memcmp(&a->source, &b->source, sizeof a->source) == 0 &&
	       strcmp(a->interface, b->interface) == 0 && a->port_first == b->port_first &&
	       a->port_last == b->port_last && a->keepalive_s == b->keepalive_s &&
	       a->user_timeout_ms == b->user_timeout_ms;
}
