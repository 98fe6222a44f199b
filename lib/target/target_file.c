#include "target_file.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse_open(const char *path, int reason, struct error *error)
{
	if (reason == ELOOP)
		return error_set(error, -ELOOP,
			"target file %s is a symbolic link: name the file itself", path);
	if (reason == EACCES)
		return error_set(error, -EACCES,
			"target file %s cannot be read by user %u, group %u: give it to that user with mode 0600, or "
			"to root and that group with mode 0640 (and let them search its directory)",
			path, (unsigned)geteuid(), (unsigned)getegid());
	return error_set(
		error, -reason, "target file %s cannot be opened: %s", path, strerror(reason));
}

static int check_owner(const char *path, const struct stat *st, struct error *error)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(error, -EPERM,
			"target file %s belongs to user %u: it must belong to root or to user %u",
			path, (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return error_set(error, -EPERM,
			"target file %s can be written by group or others (mode %04o): chmod go-w it",
			path, (unsigned)(st->st_mode & 07777));
	if (st->st_mode & S_IROTH)
		return error_set(error, -EPERM,
			"target file %s can be read by everybody (mode %04o): chmod o-r it", path,
			(unsigned)(st->st_mode & 07777));
	return 0;
}

static int check_file(const char *path, const struct target_rules *rules, const struct stat *st,
	struct error *error)
{
	if (!S_ISREG(st->st_mode))
		return error_set(error, -EINVAL, "target file %s is not a regular file", path);
	if ((uint64_t)st->st_size > rules->max_size)
		return error_set(error, -EFBIG,
			"target file %s is larger than the %zu octets allowed: raise targets.max_size_mib",
			path, rules->max_size);
	return rules->check_owner ? check_owner(path, st, error) : 0;
}

static bool is_unchanged(int fd, const struct stat *before, size_t len)
{
	struct stat now;
	return fstat(fd, &now) == 0 && (size_t)now.st_size == len &&
	       now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

static int read_open_file(const char *path, int fd, const struct target_rules *rules,
	struct bytes *out, struct error *error)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return refuse_open(path, errno, error);
	int rc = check_file(path, rules, &st, error);
	if (rc != 0)
		return rc;
	size_t room = (size_t)st.st_size + 1; // one more shows that it has grown
	uint8_t *text = malloc(room);
	if (!text)
		return error_set(error, -ENOMEM, "no memory for target file %s", path);

	ssize_t len = file_read(fd, text, room);
	if (len >= 0 && is_unchanged(fd, &st, (size_t)len)) {
		*out = bytes_of(text, (size_t)len);
		return 0;
	}
	target_text_free(bytes_of(text, room));
	if (len < 0)
		return error_set(error, (int)len, "target file %s cannot be read: %s", path,
			strerror((int)-len));
	return error_set(error, -EAGAIN,
		"target file %s changed while it was read: write it aside and rename it into place",
		path);
}

int target_file_read(
	const char *path, const struct target_rules *rules, struct bytes *out, struct error *error)
{
	// O_NONBLOCK: a FIFO must not hold us up before it is refused.
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return refuse_open(path, errno, error);
	int rc = read_open_file(path, fd, rules, out, error);
	close(fd);
	return rc;
}

void target_text_free(struct bytes text)
{
	if (!text.at)
		return;
	uint8_t *own;
	memcpy(&own, &text.at,
		sizeof own); // ours since target_file_read(): the view is const, the block is not
	explicit_bzero(own, text.len);
	free(own);
}
