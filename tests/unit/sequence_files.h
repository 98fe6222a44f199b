// Files of the tests of sequence numbers: a directory of the test's own, copies as they stand at a kill -9, writes that fail.
#ifndef X2TAP_SEQUENCE_FILES_H
#define X2TAP_SEQUENCE_FILES_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct files {
	char directory[64], journal[96], copy[96];
};

static inline int files_set_up(void **state)
{
	struct files *f = calloc(1, sizeof *f);
	assert_non_null(f);
	snprintf(f->directory, sizeof f->directory, "/tmp/x2tap-sequence-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->journal, sizeof f->journal, "%s/journal", f->directory);
	snprintf(f->copy, sizeof f->copy, "%s/copy", f->directory);
	*state = f;
	return 0;
}

static inline void files_remove(const char *path)
{
	static const char *const endings[] = {"", ".new", ".damaged"};
	char name[128];
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		snprintf(name, sizeof name, "%s%s", path, endings[i]);
		unlink(name);
	}
}

static inline int files_tear_down(void **state)
{
	struct files *f = *state;
	files_remove(f->journal);
	files_remove(f->copy);
	rmdir(f->directory);
	free(f);
	return 0;
}

static inline mode_t mode_of(const char *path)
{
	struct stat file;
	assert_int_equal(stat(path, &file), 0);
	return file.st_mode & 07777;
}

static inline uint8_t *read_whole(const char *path, size_t *len)
{
	struct stat file;
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &file), 0);
	*len = (size_t)file.st_size;
	uint8_t *octets = malloc(*len + 1);
	assert_non_null(octets);
	assert_int_equal(read(fd, octets, *len), (ssize_t)*len);
	close(fd);
	return octets;
}

static inline void write_whole(const char *path, const uint8_t *octets, size_t len, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

// What a kill -9 at this moment would leave.
static inline void copy_file(const char *from, const char *to)
{
	size_t len;
	uint8_t *octets = read_whole(from, &len);
	write_whole(to, octets, len, mode_of(from));
	free(octets);
}

// No file of this process may be written to beyond `octets` (RLIM_INFINITY: no limit): a short write, then EFBIG. Asserting
// meanwhile may not reach the log.
static inline void limit_writes(rlim_t octets)
{
	struct rlimit limit;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = octets < limit.rlim_max ? octets : limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
}

#endif
