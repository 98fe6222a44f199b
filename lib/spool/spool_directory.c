// The directory of one spool, its lock, and the names in it.
//
// Numbers of segments are never used twice: an empty file NUMBER.next is renamed before a segment is made. A rename takes no
// room, so it works on a full disk too.
#include "spool_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NUMBER_DIGITS = 20 };

static const char segment_suffix[] = ".seg";
static const char apart_suffix[] = ".damaged";
static const char marker_suffix[] = ".next";

static int kernel_openat(int directory, const char *name, int flags, mode_t mode)
{
	return openat(directory, name, flags, mode);
}

const struct spool_io spool_io_kernel = {
	kernel_openat, pread, pwrite, fdatasync, renameat, unlinkat};

static void name_of(uint64_t number, const char *suffix, char out[NAME_ROOM])
{
	snprintf(out, NAME_ROOM, "%0*llu%s", NUMBER_DIGITS, (unsigned long long)number, suffix);
}

void segment_name(uint64_t number, char out[NAME_ROOM])
{
	name_of(number, segment_suffix, out);
}

void apart_name(uint64_t number, char out[NAME_ROOM])
{
	name_of(number, apart_suffix, out);
}

void marker_name(uint64_t number, char out[NAME_ROOM])
{
	name_of(number, marker_suffix, out);
}

// ---- opening

static int check_directory(const char *path, int fd, struct error *error)
{
	struct stat status;
	if (fstat(fd, &status))
		return error_set(error, -errno, "%s: cannot stat the spool directory: %s", path,
			strerror(errno));
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return error_set(error, -EACCES,
			"%s: the spool directory is another user's (uid %u): chown it to the service user",
			path, (unsigned)status.st_uid);
	if (status.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(error, -EACCES,
			"%s: others may write to the spool directory (mode %04o): chmod 700 it",
			path, (unsigned)(status.st_mode & 07777));
	return 0;
}

static int open_checked(
	int parent, const char *name, int flags, const char *path, struct error *error)
{
	if (mkdirat(parent, name, 0700) && errno != EEXIST)
		return error_set(error, -errno, "%s: cannot make the spool directory: %s", path,
			strerror(errno));
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	if (fd < 0)
		return error_set(error, -errno, "%s: cannot open the spool directory: %s", path,
			strerror(errno));
	int result = check_directory(path, fd, error);
	if (result < 0) {
		close(fd);
		return result;
	}
	return fd;
}

int spool_directory_open(const struct spool_settings *settings, struct error *error)
{
	char did[UUID_TEXT], path[4096];
	uuid_format(&settings->did, did);
	if (snprintf(path, sizeof path, "%s/%s", settings->directory, did) >= (int)sizeof path)
		return error_set(
			error, -ENAMETOOLONG, "the path of the spool directory is too long");
	int base = open_checked(AT_FDCWD, settings->directory, 0, settings->directory, error);
	if (base < 0)
		return base;
	int fd = open_checked(base, did, O_NOFOLLOW, path, error);
	close(base);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		int code = errno == EWOULDBLOCK ? EBUSY : errno;
		close(fd);
		return error_set(error, -code, "%s: cannot lock the spool directory: %s", path,
			code == EBUSY ? "another process uses it" : strerror(code));
	}
	return fd;
}

// ---- listing

static bool number_parse(const char *name, uint64_t *number, const char **suffix)
{
	uint64_t n = 0;
	for (int i = 0; i < NUMBER_DIGITS; i++) {
		if (!ascii_is_digit((uint8_t)name[i]))
			return false;
		if (__builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, (uint64_t)(name[i] - '0'), &n))
			return false;
	}
	*number = n;
	*suffix = name + NUMBER_DIGITS;
	return n != UINT64_MAX;
}

static int listed_add(struct listing *l, size_t *room, struct listed file)
{
	if (l->count == *room) {
		size_t more = *room ? 2 * *room : 64;
		struct listed *files = reallocarray(l->files, more, sizeof *files);
		if (!files)
			return -ENOMEM;
		l->files = files;
		*room = more;
	}
	l->files[l->count++] = file;
	return 0;
}

static int listing_take(struct listing *l, size_t *room, const char *name)
{
	uint64_t number;
	const char *suffix;
	if (!number_parse(name, &number, &suffix))
		return 0; // not ours
	if (strcmp(suffix, marker_suffix) == 0) {
		if (number > l->marker)
			l->marker = number;
		if (number > l->next_number)
			l->next_number = number;
		return 0;
	}
	bool apart = strcmp(suffix, apart_suffix) == 0;
	if (!apart && strcmp(suffix, segment_suffix) != 0)
		return 0;
	if (number >= l->next_number)
		l->next_number = number + 1;
	return listed_add(l, room, (struct listed){number, apart});
}

static int by_number(const void *a, const void *b)
{
	uint64_t left = ((const struct listed *)a)->number,
		 right = ((const struct listed *)b)->number;
	return (left > right) - (left < right);
}

int spool_directory_list(int directory, struct listing *out)
{
	struct listing l = {.next_number = 1};
	size_t room = 0;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	if (!stream) {
		int code = errno;
		if (fd >= 0)
			close(fd);
		return -code;
	}
	int result = 0;
	while (result == 0) {
		errno = 0;
		const struct dirent *entry = readdir(stream);
		if (!entry) {
			result = -errno;
			break;
		}
		result = listing_take(&l, &room, entry->d_name);
	}
	closedir(stream);
	if (result < 0) {
		free(l.files);
		return result;
	}
	if (l.count)
		qsort(l.files, l.count, sizeof *l.files, by_number);
	*out = l;
	return 0;
}

// ---- erasing

// The wrapped key is overwritten where it lies, and the page it lies in is written back before the file is unlinked: an
// unlinked file's pages need never reach the disk, and the key would stay on it. sync_file_range() writes that page alone;
// fdatasync() would first write back all that the segment still has in memory, only to have it thrown away. What a disk or file
// system keeps of overwritten blocks (flash, copy on write) is still wrapped under the key-encryption key.
static void destroy_key(const struct spool_io *io, int fd)
{
	static const uint8_t zeros[VAULT_WRAPPED_LEN];
	if (io->pwrite(fd, zeros, sizeof zeros, SEGMENT_WRAPPED_AT) < 0)
		return; // unlinking is then all that can be done
	if (sync_file_range(fd, 0, SEGMENT_HEADER_LEN,
		    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER))
		io->fdatasync(fd);
}

int segment_file_erase(const struct spool_io *io, int directory, const char *name)
{
	struct stat status;
	int fd = io->openat(
		directory, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	if (fd >= 0) {
		if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
			status.st_size >= SEGMENT_HEADER_LEN)
			destroy_key(io, fd);
		close(fd);
	}
	if (io->unlinkat(directory, name, 0) && errno != ENOENT)
		return -errno;
	return 0;
}
