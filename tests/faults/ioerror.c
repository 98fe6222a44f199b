// LD_PRELOAD: makes a disk fail under one directory.
//
// X2_IOERROR_UNDER names the directory (an absolute path), X2_IOERROR_CONTROL a file of three 32-bit numbers of this host: how
// many calls of a million fail, with which errno, and how many have failed so far, which is counted here. The file is mapped,
// so that who holds it changes the disk's mood at any time. Files and directories below count from when they are opened.
#undef _FILE_OFFSET_BITS // else open() is open64() here
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 65536, MILLION = 1000000 };

struct control {
	_Atomic uint32_t per_million, error, failed;
};

static const char *under;
static struct control *control;
static _Atomic bool ours[FDS]; // descriptors of what is below the directory

// Interposed functions may be called before main, so each finds the next one when it is first used. ISO C has no conversion
// from what dlsym() returns.
static void find(const char *name, void *next)
{
	void *found;
	memcpy(&found, next, sizeof found);
	if (found)
		return;
	found = dlsym(RTLD_NEXT, name);
	memcpy(next, &found, sizeof found);
}

#define NEXT(name)                                                                                 \
	static __typeof__(name) *next;                                                             \
	find(#name, &next)

__attribute__((constructor)) static void set_up(void)
{
	const char *path = getenv("X2_IOERROR_CONTROL");
	under = getenv("X2_IOERROR_UNDER");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped != MAP_FAILED)
		control = mapped;
}

static bool fails(void)
{
	uint32_t dice;
	if (!control || control->per_million == 0 ||
		getrandom(&dice, sizeof dice, 0) != sizeof dice ||
		dice % MILLION >= control->per_million)
		return false;
	control->failed++;
	errno = (int)control->error;
	return true;
}

static bool is_ours(int fd)
{
	return fd >= 0 && fd < FDS && ours[fd];
}

static bool is_below(int directory, const char *path)
{
	size_t len = under ? strlen(under) : 0;
	if (len == 0 || !path)
		return false;
	if (path[0] != '/')
		return is_ours(directory);
	return strncmp(path, under, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int opened(int fd, bool below)
{
	if (fd >= 0 && fd < FDS)
		ours[fd] = below;
	return fd;
}

#define MODE(flags)                                                                                \
	mode_t mode = 0;                                                                           \
	if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                   \
		va_list more;                                                                      \
		va_start(more, flags);                                                             \
		mode = va_arg(more, mode_t);                                                       \
		va_end(more);                                                                      \
	}

int open(const char *path, int flags, ...)
{
	NEXT(open);
	MODE(flags)
	bool below = is_below(AT_FDCWD, path);
	return below && fails() ? -1 : opened(next(path, flags, mode), below);
}

int open64(const char *path, int flags, ...)
{
	NEXT(open64);
	MODE(flags)
	bool below = is_below(AT_FDCWD, path);
	return below && fails() ? -1 : opened(next(path, flags, mode), below);
}

int openat(int directory, const char *path, int flags, ...)
{
	NEXT(openat);
	MODE(flags)
	bool below = is_below(directory, path);
	return below && fails() ? -1 : opened(next(directory, path, flags, mode), below);
}

int openat64(int directory, const char *path, int flags, ...)
{
	NEXT(openat64);
	MODE(flags)
	bool below = is_below(directory, path);
	return below && fails() ? -1 : opened(next(directory, path, flags, mode), below);
}

int close(int fd)
{
	NEXT(close);
	if (fd >= 0 && fd < FDS)
		ours[fd] = false;
	return next(fd);
}

#define FAILING(type, name, parameters, arguments)                                                 \
	type name parameters                                                                       \
	{                                                                                          \
		NEXT(name);                                                                        \
		return is_ours(fd) && fails() ? -1 : next arguments;                               \
	}

FAILING(ssize_t, write, (int fd, const void *octets, size_t len), (fd, octets, len))
FAILING(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
FAILING(ssize_t, pwrite, (int fd, const void *octets, size_t len, off_t at), (fd, octets, len, at))
FAILING(ssize_t, pwrite64, (int fd, const void *octets, size_t len, off64_t at),
	(fd, octets, len, at))
FAILING(ssize_t, read, (int fd, void *octets, size_t len), (fd, octets, len))
FAILING(ssize_t, pread, (int fd, void *octets, size_t len, off_t at), (fd, octets, len, at))
FAILING(ssize_t, pread64, (int fd, void *octets, size_t len, off64_t at), (fd, octets, len, at))
FAILING(int, fsync, (int fd), (fd))
FAILING(int, fdatasync, (int fd), (fd))
FAILING(int, ftruncate, (int fd, off_t len), (fd, len))
FAILING(int, ftruncate64, (int fd, off64_t len), (fd, len))
