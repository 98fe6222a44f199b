// Our end of a connection to an MF: where it leaves this host, and how the kernel watches over it.
#ifndef X2TAP_SOCKET_H
#define X2TAP_SOCKET_H

#include "delivery.h"

// Opens a non-blocking TCP socket as `endpoint` asks and starts to connect. Of a port range every port is tried, from one that
// `random` chooses. The descriptor, or a negative errno with a text that says what to do: -EADDRINUSE when all ports of
// the range are taken. `hooks` may be NULL; its check_socket sees the socket before it connects.
int socket_open(const struct delivery_endpoint *endpoint, const struct delivery_hooks *hooks,
	uint32_t random, struct error *error);

bool socket_equal(const struct delivery_socket *a, const struct delivery_socket *b);

#endif
