#include "file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

ssize_t file_read_at_by(file_pread *read_at, int fd, void *to, size_t room, off_t at)
{
	size_t done = 0;
	while (done < room) {
		ssize_t n = read_at(fd, (uint8_t *)to + done, room - done, at + (off_t)done);
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

ssize_t file_read_at(int fd, void *to, size_t room, off_t at)
{
	return file_read_at_by(pread, fd, to, room, at);
}

// From where the file stands, as pipes want it.
static ssize_t read_on(int fd, void *to, size_t room, off_t at)
{
	(void)at;
	return read(fd, to, room);
}

ssize_t file_read(int fd, void *to, size_t room)
{
	return file_read_at_by(read_on, fd, to, room, 0);
}

void file_directory(const char *path, char out[static PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		strcpy(out, ".");
	else
		snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}
