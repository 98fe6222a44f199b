// A spool in a directory of its own, records whose content follows from their index, and what the spool told its owner.
#ifndef X2TAP_SPOOL_FIXTURE_H
#define X2TAP_SPOOL_FIXTURE_H

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_internal.h"

enum { FIXTURE_MAX_LOST = 4096, FIXTURE_LONGEST = 700, FIXTURE_PATH = 160 };

struct fixture {
	char directory[64], path[128]; // of all spools, and of this one
	struct vault_key kek;
	struct spool_settings settings;
	struct spool_watch watch;
	const struct spool_io *io;
	struct spool *spool;
	struct spool_found found;
	struct error error;

	uint64_t lost[SPOOL_LOSSES]; // records
	uint64_t lost_index[FIXTURE_MAX_LOST];
	size_t lost_named;
	uint64_t opened, erased, seen, last_opened, last_erased, erased_records, seen_records;
};

static inline void fixture_lost(
	void *context, enum spool_loss why, const struct spool_record *record, uint64_t count)
{
	struct fixture *f = context;
	f->lost[why] += count;
	assert_true(count > 0);
	if (!record)
		return;
	assert_int_equal(count, 1);
	assert_int_equal(record->pdu.len, 0);
	assert_true(f->lost_named < FIXTURE_MAX_LOST);
	f->lost_index[f->lost_named++] = record->index;
}

static inline void fixture_segment(
	void *context, enum spool_event what, uint64_t number, uint64_t records)
{
	struct fixture *f = context;
	switch (what) {
	case SPOOL_SEGMENT_OPENED:
		f->opened++;
		assert_true(number > f->last_opened); // never one twice
		f->last_opened = number;
		break;
	case SPOOL_SEGMENT_ERASED:
		f->erased++;
		f->last_erased = number;
		f->erased_records += records;
		break;
	case SPOOL_SEGMENT_FOUND:
		f->seen++;
		f->seen_records += records;
		break;
	}
}

static inline void fixture_init(struct fixture *f)
{
	// In memory where that is possible: the disk of a build machine may be busy, and erasing waits for it.
	*f = (struct fixture){.directory = "/dev/shm/x2tap-spool-XXXXXX",
		.settings = {.max_octets = 1 << 30, .segment_octets = 64 * 1024},
		.io = &spool_io_kernel};
	if (!mkdtemp(f->directory)) {
		snprintf(f->directory, sizeof f->directory, "/tmp/x2tap-spool-XXXXXX");
		assert_non_null(mkdtemp(f->directory));
	}
	for (uint8_t i = 0; i < VAULT_KEY_LEN; i++)
		f->kek.octets[i] = i;
	for (uint8_t i = 0; i < sizeof f->settings.did.octets; i++)
		f->settings.did.octets[i] = (uint8_t)(0xd0 + i);
	char did[UUID_TEXT];
	uuid_format(&f->settings.did, did);
	snprintf(f->path, sizeof f->path, "%s/%s", f->directory, did);
	f->settings.directory = f->directory;
	f->settings.kek = &f->kek;
	f->watch = (struct spool_watch){fixture_lost, fixture_segment, f};
}

static inline int fixture_unlink(
	const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status, (void)type, (void)walk;
	return remove(path);
}

// Everything in it goes, the directory stays.
static inline void fixture_empty(struct fixture *f)
{
	nftw(f->path, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_fini(struct fixture *f)
{
	spool_close(f->spool);
	f->spool = NULL;
	nftw(f->directory, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline bool fixture_try(struct fixture *f)
{
	f->error = (struct error){0};
	f->spool = spool_open_over(&f->settings, &f->watch, f->io, &f->found, &f->error);
	return f->spool;
}

static inline void fixture_open(struct fixture *f)
{
	if (!fixture_try(f))
		fail_msg("%s", f->error.text);
}

static inline void fixture_close(struct fixture *f)
{
	spool_close(f->spool);
	f->spool = NULL;
}

// As kill -9 leaves it: what was flushed is there, the rest is not.
static inline void fixture_kill(struct fixture *f)
{
	spool_free(f->spool);
	f->spool = NULL;
}

static inline void fixture_restart(struct fixture *f)
{
	fixture_kill(f);
	fixture_open(f);
}

static inline struct spool_record record_of(uint64_t index, uint8_t room[FIXTURE_LONGEST])
{
	struct spool_record r = {.index = index,
		.offered_ms = 1700000000000 + index,
		.correlation = index * 0x9e3779b97f4a7c15,
		.sequence = (uint32_t)(index * 7),
		.pdu = {room, 1 + index * 37 % (FIXTURE_LONGEST - 1)}};
	for (size_t i = 0; i < sizeof r.xid.octets; i++)
		r.xid.octets[i] = (uint8_t)(index + i);
	for (size_t i = 0; i < r.pdu.len; i++)
		room[i] = (uint8_t)(index * 31 + i * 7);
	return r;
}

static inline int try_append(struct fixture *f, uint64_t index)
{
	uint8_t room[FIXTURE_LONGEST];
	struct spool_record r = record_of(index, room);
	return spool_append(f->spool, &r);
}

static inline void append(struct fixture *f, uint64_t from, uint64_t to)
{
	for (uint64_t index = from; index < to; index++)
		assert_int_equal(try_append(f, index), 0);
}

static inline void flush(struct fixture *f)
{
	assert_int_equal(spool_flush(f->spool), 0);
}

// Octet for octet what record_of() made.
static inline void assert_record(const struct spool_record *r)
{
	uint8_t room[FIXTURE_LONGEST];
	struct spool_record expected = record_of(r->index, room);
	assert_int_equal(r->offered_ms, expected.offered_ms);
	assert_memory_equal(&r->xid, &expected.xid, sizeof r->xid);
	assert_int_equal(r->correlation, expected.correlation);
	assert_int_equal(r->sequence, expected.sequence);
	assert_int_equal(r->pdu.len, expected.pdu.len);
	assert_memory_equal(r->pdu.at, expected.pdu.at, r->pdu.len);
}

static inline void assert_reads(struct fixture *f, uint64_t from, uint64_t to)
{
	for (uint64_t index = from; index < to; index++) {
		struct spool_record r;
		assert_int_equal(spool_read(f->spool, &r), 0);
		assert_int_equal(r.index, index);
		assert_record(&r);
	}
}

static inline void assert_read_up(struct fixture *f)
{
	struct spool_record r;
	assert_int_equal(spool_read(f->spool, &r), -ENOENT);
	assert_int_equal(spool_unread(f->spool), 0);
}

// The files whose names end so; the path of the last one in `path`.
static inline size_t files_with(
	const struct fixture *f, const char *suffix, char path[FIXTURE_PATH])
{
	size_t count = 0;
	uint64_t highest = 0;
	DIR *stream = opendir(f->path);
	assert_non_null(stream);
	for (const struct dirent *e; (e = readdir(stream));) {
		if (e->d_name[0] == '.' || !strstr(e->d_name, suffix))
			continue;
		uint64_t number = strtoull(e->d_name, NULL, 10);
		if (path && number >= highest)
			snprintf(path, FIXTURE_PATH, "%s/%.31s", f->path, e->d_name);
		if (number > highest)
			highest = number;
		count++;
	}
	closedir(stream);
	return count;
}

static inline struct bytes file_read(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fstat(fd, &status) == 0);
	uint8_t *octets = malloc((size_t)status.st_size + 1);
	assert_non_null(octets);
	assert_int_equal(read(fd, octets, (size_t)status.st_size + 1), status.st_size);
	close(fd);
	return bytes_of(octets, (size_t)status.st_size); // free() its `at`
}

static inline void file_free(struct bytes content)
{
	union {
		const uint8_t *read;
		void *owned;
	} block = {.read = content.at};
	free(block.owned);
}

static inline void file_write(const char *path, struct bytes content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content.at, content.len), (ssize_t)content.len);
	close(fd);
}

#endif
