#include "file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

static ssize_t read_on(int fd, uint8_t *to, size_t room, off_t at, bool seeks)
{
	size_t done = 0;
	while (done < room) {
		ssize_t n = seeks ? pread(fd, to + done, room - done, at + (off_t)done)
		                  : read(fd, to + done, room - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t file_read(int fd, void *to, size_t room)
{
	return read_on(fd, to, room, 0, false);
}

ssize_t file_read_at(int fd, void *to, size_t room, off_t at)
{
	return read_on(fd, to, room, at, true);
}
