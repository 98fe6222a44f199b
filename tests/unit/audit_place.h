// A directory for an audit log, and what the verification says of it.
#ifndef X2TAP_AUDIT_PLACE_H
#define X2TAP_AUDIT_PLACE_H

#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit.h"

struct audit_place {
	char directory[64], file[96], head[112];
};

static inline void audit_place_make(struct audit_place *p)
{
	// In memory where that can be: files are written again thousands of times.
	snprintf(p->directory, sizeof p->directory, "%s/x2tap-audit-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(p->directory));
	snprintf(p->file, sizeof p->file, "%s/audit.jsonl", p->directory);
	snprintf(p->head, sizeof p->head, "%s.head", p->file);
}

static inline void audit_place_empty(const struct audit_place *p)
{
	DIR *dir = opendir(p->directory);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			assert_int_equal(unlinkat(dirfd(dir), entry->d_name, 0), 0);
	closedir(dir);
}

static inline void audit_place_remove(const struct audit_place *p)
{
	audit_place_empty(p);
	assert_int_equal(rmdir(p->directory), 0);
}

// All octets of a file; free(). NULL when there is none.
static inline uint8_t *file_read(const char *path, size_t *len)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	uint8_t *octets = malloc((size_t)st.st_size + 1);
	assert_non_null(octets);
	assert_int_equal(read(fd, octets, (size_t)st.st_size), st.st_size);
	octets[st.st_size] = '\0';
	close(fd);
	*len = (size_t)st.st_size;
	return octets;
}

static inline void file_write(const char *path, const void *octets, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, octets, len), len);
	close(fd);
}

// What is found, as text to free.
static inline enum audit_verdict verify_text(
	const char *file, const struct vault_key *key, bool single, char **text)
{
	size_t len;
	FILE *to = open_memstream(text, &len);
	assert_non_null(to);
	enum audit_verdict verdict = audit_verify(file, key, single, to);
	fclose(to);
	return verdict;
}

static inline void verify_is_good(const char *file, const struct vault_key *key)
{
	char *text;
	if (verify_text(file, key, false, &text) != AUDIT_GOOD)
		fail_msg("%s", text);
	free(text);
}

// The first finding stands at `where` and contains `what`.
static inline void verify_finds(
	const char *file, const struct vault_key *key, const char *where, const char *what)
{
	char *text, start[256];
	enum audit_verdict verdict = verify_text(file, key, false, &text);
	snprintf(start, sizeof start, "%s: ", where);
	const char *end = strchr(text, '\n');
	const char *at = strstr(text, what);
	if (verdict != AUDIT_BAD || strncmp(text, start, strlen(start)) != 0 || !at || at > end)
		fail_msg("wanted %s%s, found verdict %d and\n%s", start, what, (int)verdict, text);
	free(text);
}

#endif
