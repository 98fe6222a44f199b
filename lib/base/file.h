// Reading files whole: whatever read(2) gives at a time, and however often a signal comes between.
#ifndef X2TAP_FILE_H
#define X2TAP_FILE_H

#include <stddef.h>
#include <sys/types.h>

// Until `room` octets are there or the file ends: how many there were, or a negative errno.
ssize_t file_read(int fd, void *to, size_t room);
ssize_t file_read_at(int fd, void *to, size_t room, off_t at); // leaves the file's own position alone

#endif
