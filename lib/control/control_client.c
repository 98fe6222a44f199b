#include "control.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host_clock.h"

enum {
	MAX_ANSWER = 64 * 1024 * 1024, // octets
	RETRY_MS = 20                  // while the queue of connections is full
};

static int explain_permission(const char *path, struct error *error)
{
	struct stat s;
	if (stat(path, &s))
		return error_set(error, -EACCES,
			"permission denied: %s cannot be reached; ask root who may enter its directory",
			path);
	const struct group *group = (s.st_mode & S_IWGRP) ? getgrgid(s.st_gid) : NULL;
	if (group)
		return error_set(error, -EACCES,
			"permission denied: only root and members of group %s may ask (%s)",
			group->gr_name, path);
	return error_set(error, -EACCES,
		"permission denied: only root and the user of x2tap may ask (%s; see control.operator_group and control.li_group)",
		path);
}

static int explain(int code, const char *path, int timeout_ms, struct error *error)
{
	switch (-code) {
	case ENOENT:
		return error_set(error, code, "x2tap is not running: there is no socket %s", path);
	case ECONNREFUSED:
		return error_set(
			error, code, "x2tap is not running: nobody answers on the socket %s", path);
	case EACCES:
		return explain_permission(path, error);
	case ETIMEDOUT:
		return error_set(
			error, code, "x2tap does not answer on %s within %d ms", path, timeout_ms);
	default:
		return error_set(error, code, "%s: %s", path, strerror(-code));
	}
}

// 0 when the descriptor is ready, -ETIMEDOUT, or a negative errno.
static int wait_for(int fd, short events, int64_t until_ms)
{
	for (;;) {
		int64_t left = until_ms - (int64_t)host_monotonic_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		struct pollfd p = {.fd = fd, .events = events};
		int n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_until(int fd, const struct sockaddr_un *address, int64_t until_ms)
{
	while (connect(fd, (const struct sockaddr *)address, sizeof *address)) {
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if ((int64_t)host_monotonic_ms() >= until_ms)
			return -ETIMEDOUT;
		poll(NULL, 0, RETRY_MS);
	}
	return 0;
}

static int send_line(int fd, const char *request, int64_t until_ms)
{
	char line[CONTROL_MAX_REQUEST];
	struct writer w = writer_of(line, sizeof line);
	write_text(&w, request);
	write_text(&w, "\n");
	if (w.overflow)
		return -E2BIG;
	for (size_t sent = 0; sent < w.len;) {
		ssize_t n = send(fd, line + sent, w.len - sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EPIPE)
			return 0; // refused before it was asked: the answer says why
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EAGAIN && wait_for(fd, POLLOUT, until_ms))
			return -ETIMEDOUT;
	}
	return 0;
}

static int receive_all(int fd, struct text *answer, int64_t until_ms)
{
	char part[16384];
	for (;;) {
		int result = wait_for(fd, POLLIN, until_ms);
		if (result)
			return result;
		ssize_t n = recv(fd, part, sizeof part, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		// A peer that closed with our octets unread resets after its answer.
		if (n == 0 || (n < 0 && errno == ECONNRESET && answer->len))
			return answer->len ? 0 : -ECONNRESET;
		if (n < 0)
			return -errno;
		if (answer->len + (size_t)n > MAX_ANSWER)
			return -EFBIG;
		text_add(answer, "%.*s", (int)n, part);
		if (answer->failed)
			return -ENOMEM;
	}
}

int control_ask(const char *path, const char *request, int timeout_ms, struct text *answer,
	struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int64_t until_ms = (int64_t)host_monotonic_ms() + timeout_ms;
	if (strlen(path) >= sizeof address.sun_path)
		return explain(-ENAMETOOLONG, path, timeout_ms, error);
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return explain(-errno, path, timeout_ms, error);

	struct text received = {0};
	int result = connect_until(fd, &address, until_ms);
	if (!result)
		result = send_line(fd, request, until_ms);
	if (!result)
		result = receive_all(fd, &received, until_ms);
	close(fd);
	if (result) {
		text_free(&received);
		return explain(result, path, timeout_ms, error);
	}
	*answer = received;
	return 0;
}
