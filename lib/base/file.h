// Files: read whole, whatever read(2) gives at a time and however often a signal comes between; and where they lie.
#ifndef X2TAP_FILE_H
#define X2TAP_FILE_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

// Until `room` octets are there or the file ends: how many there were, or a negative errno.
ssize_t file_read(int fd, void *to, size_t room);
ssize_t file_read_at(int fd, void *to, size_t room, off_t at); // leaves the file's own position alone
// The same by another pread(2): one that a test makes fail.
typedef ssize_t file_pread(int fd, void *to, size_t room, off_t at);
ssize_t file_read_at_by(file_pread *read_at, int fd, void *to, size_t room, off_t at);

// The directory in which a path lies: "." where it has none, "/" for what lies in the root. A longer path is cut.
void file_directory(const char *path, char out[static PATH_MAX]);
const char *file_name(const char *path); // what is behind its last '/', a part of it

#endif
