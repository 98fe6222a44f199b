// Disks that are full, broken, slow to take or read-only.
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>

#include "spool_fixture.h"

enum { FILE_ROOM = 512 * 1024 };

// The disk under test. One at a time, so that the functions of `struct spool_io` find it.
static struct {
	uint64_t room;        // octets that pwrite() still takes
	size_t most;          // octets of one pwrite(); 0: all
	int write_error;      // of pwrite() when there is no room
	bool takes_and_fails; // writes half of it all the same
	int make_error, open_error, unlink_error, rename_error;
	unsigned read_errors;   // so many preads fail ...
	off_t bad_from, bad_to; // ... that touch these octets
	unsigned interrupts;    // every so many calls EINTR; 0: never
	unsigned calls, writes, syncs;
	uint8_t *first; // what was first written at each offset of the newest segment
	uint8_t *is_written;
} disk;

static bool interrupted(void)
{
	if (disk.interrupts == 0 || ++disk.calls % disk.interrupts)
		return false;
	errno = EINTR;
	return true;
}

// A sealed octet that was written once stays what it is: two contents would mean one nonce for both.
static void note_written(const uint8_t *at, size_t len, off_t offset)
{
	static const uint8_t zeros[VAULT_WRAPPED_LEN];
	if (offset == SEGMENT_WRAPPED_AT && len == sizeof zeros && memcmp(at, zeros, len) == 0)
		return; // erased
	for (size_t i = 0; i < len; i++) {
		size_t to = (size_t)offset + i;
		assert_true(to < FILE_ROOM);
		if (disk.is_written[to])
			assert_int_equal(disk.first[to], at[i]);
		disk.is_written[to] = 1;
		disk.first[to] = at[i];
	}
}

static ssize_t disk_pwrite(int fd, const void *at, size_t len, off_t offset)
{
	disk.writes++;
	if (interrupted())
		return -1;
	size_t take = disk.most && len > disk.most ? disk.most : len;
	if (take > disk.room)
		take = (size_t)disk.room;
	if (disk.first)
		note_written(at, disk.takes_and_fails ? (len + 1) / 2 : take, offset);
	if (disk.takes_and_fails) {
		assert_true(pwrite(fd, at, (len + 1) / 2, offset) > 0);
		errno = disk.write_error;
		return -1;
	}
	if (take == 0) {
		errno = disk.write_error;
		return -1;
	}
	disk.room -= take;
	return pwrite(fd, at, take, offset);
}

static ssize_t disk_pread(int fd, void *at, size_t len, off_t offset)
{
	if (interrupted())
		return -1;
	if (disk.read_errors && offset < disk.bad_to && offset + (off_t)len > disk.bad_from) {
		disk.read_errors--;
		errno = EIO;
		return -1;
	}
	return pread(fd, at, disk.most && len > disk.most ? disk.most : len, offset);
}

static int disk_openat(int directory, const char *name, int flags, mode_t mode)
{
	if (disk.make_error && flags & O_CREAT) {
		errno = disk.make_error;
		return -1;
	}
	if (disk.open_error && !(flags & O_CREAT)) {
		errno = disk.open_error;
		return -1;
	}
	if (disk.first && flags & O_EXCL)
		memset(disk.is_written, 0, FILE_ROOM);
	return openat(directory, name, flags, mode);
}

static int disk_fdatasync(int fd)
{
	disk.syncs++;
	return fdatasync(fd);
}

static int disk_renameat(int from_directory, const char *from, int to_directory, const char *to)
{
	if (disk.rename_error) {
		errno = disk.rename_error;
		return -1;
	}
	return renameat(from_directory, from, to_directory, to);
}

static int disk_unlinkat(int directory, const char *name, int flags)
{
	if (disk.unlink_error) {
		errno = disk.unlink_error;
		return -1;
	}
	return unlinkat(directory, name, flags);
}

static const struct spool_io disk_io = {
	disk_openat, disk_pread, disk_pwrite, disk_fdatasync, disk_renameat, disk_unlinkat};

static void repair(void)
{
	uint8_t *first = disk.first, *is_written = disk.is_written;
	memset(&disk, 0, sizeof disk);
	disk.room = UINT64_MAX;
	disk.write_error = ENOSPC;
	disk.first = first;
	disk.is_written = is_written;
}

static int open_fixture(void **state)
{
	struct fixture *f = malloc(sizeof *f);
	memset(&disk, 0, sizeof disk);
	disk.first = malloc(FILE_ROOM);
	disk.is_written = calloc(1, FILE_ROOM);
	repair();
	fixture_init(f);
	f->io = &disk_io;
	fixture_open(f);
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	repair();
	fixture_fini(*state);
	free(*state);
	free(disk.first);
	free(disk.is_written);
	return 0;
}

static void start_afresh(struct fixture *f)
{
	fixture_kill(f);
	fixture_empty(f);
	f->last_opened = 0;
	repair();
	fixture_open(f);
}

// ---- writing

static const uint64_t SMALL[] = {1, 2, 19, 20};

static void append_small(struct fixture *f)
{
	for (size_t i = 0; i < 4; i++)
		append(f, SMALL[i], SMALL[i] + 1);
}

static void assert_reads_small(struct fixture *f, uint64_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_reads(f, SMALL[i], SMALL[i] + 1);
}

// What the small records take on disk.
static uint64_t small_octets(struct fixture *f)
{
	append_small(f);
	flush(f);
	return spool_octets(f->spool);
}

// Another spool, whose disk is full after `room` octets of the small records.
static void fill_disk(struct fixture *f, uint64_t room)
{
	start_afresh(f);
	disk.room = room;
	append_small(f);
	assert_int_equal(spool_flush(f->spool), -ENOSPC);
}

static void writing_goes_on_where_a_full_disk_stopped_it(void **state)
{
	struct fixture *f = *state;
	uint64_t size = small_octets(f);
	for (uint64_t room = 0; room < size; room++) {
		fill_disk(f, room);
		assert_int_equal(spool_flush(f->spool), -ENOSPC);
		assert_int_equal(spool_octets(f->spool), room);
		assert_int_equal(spool_flushed_index(f->spool), 0);
		disk.room = UINT64_MAX;
		flush(f);
		assert_int_equal(spool_flushed_index(f->spool), 21);
		assert_int_equal(spool_octets(f->spool), size);
		fixture_restart(f);
		assert_int_equal(f->found.torn_tails + f->found.damaged, 0);
		assert_reads_small(f, 4);
		assert_read_up(f);
	}
}

static void a_kill_while_the_disk_is_full_leaves_what_is_whole(void **state)
{
	struct fixture *f = *state;
	uint64_t size = small_octets(f);
	for (uint64_t room = 0; room < size; room++) {
		fill_disk(f, room);
		disk.room = UINT64_MAX;
		fixture_restart(f);
		assert_int_equal(f->found.damaged, 0);
		assert_true(f->found.records < 4);
		assert_reads_small(f, f->found.records);
		assert_read_up(f);
	}
}

static void a_full_disk_bounds_the_buffer_and_loses_nothing_that_was_taken(void **state)
{
	struct fixture *f = *state;
	f->settings.segment_octets = 1 << 20;
	fixture_restart(f);
	free(disk.first);
	disk.first = NULL; // more than it holds
	append(f, 0, 100);
	flush(f);
	disk.room = 1000;
	uint64_t next = 100;
	int result;
	while ((result = try_append(f, next)) == 0)
		next++;
	assert_int_equal(result, -ENOSPC);
	assert_true(next > 500 && next < 10000);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(try_append(f, next), -ENOSPC);
	assert_int_equal(spool_unread(f->spool), next);
	assert_reads(f, 0, 100);
	disk.room = UINT64_MAX;
	append(f, next, next + 200);
	assert_reads(f, 100, next + 200);
	assert_read_up(f);
	flush(f);
	fixture_restart(f);
	assert_int_equal(f->found.torn_tails + f->found.damaged, 0);
	assert_reads(f, 0, next + 200);
}

static void what_a_failed_write_left_behind_is_written_again_as_it_was(void **state)
{
	struct fixture *f = *state;
	append_small(f);
	disk.write_error = EIO;
	disk.takes_and_fails = true;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(spool_flush(f->spool), -EIO);
	append(f, 21, 23);
	assert_int_equal(spool_flush(f->spool), -EIO);
	repair();
	flush(f);
	fixture_restart(f);
	assert_int_equal(f->found.torn_tails + f->found.damaged, 0);
	assert_reads_small(f, 4);
	assert_reads(f, 21, 23);
}

static void short_and_interrupted_calls_are_no_errors(void **state)
{
	struct fixture *f = *state;
	disk.most = 7;
	disk.interrupts = 3;
	append(f, 0, 50);
	assert_reads(f, 0, 20);
	flush(f);
	fixture_restart(f);
	assert_reads(f, 0, 50);
	assert_read_up(f);
}

static void reading_waits_for_the_disk_that_does_not_take_what_is_buffered(void **state)
{
	struct fixture *f = *state;
	struct spool_record r;
	append(f, 0, 10);
	flush(f);
	disk.room = 100; // half a record
	append(f, 10, 20);
	assert_int_equal(spool_flush(f->spool), -ENOSPC);
	assert_reads(f, 0, 10);
	assert_int_equal(spool_read(f->spool, &r), -ENOSPC);
	assert_int_equal(spool_unread(f->spool), 10);
	disk.room = UINT64_MAX;
	assert_reads(f, 10, 20);
	assert_read_up(f);
}

static void a_segment_that_cannot_be_made_takes_nothing(void **state)
{
	struct fixture *f = *state;
	static const int errors[] = {ENOSPC, EROFS, EMFILE, EDQUOT};
	for (size_t i = 0; i < 4; i++) {
		disk.make_error = errors[i];
		disk.rename_error = errors[i];
		assert_int_equal(try_append(f, 0), -errors[i]);
		assert_int_equal(spool_unread(f->spool), 0);
	}
	assert_int_equal(f->opened, 0);
	disk.make_error = disk.rename_error = 0;
	append(f, 0, 300);
	uint64_t next = 300;
	disk.make_error = ENOSPC;
	while (try_append(f, next) == 0)
		next++;
	assert_int_equal(try_append(f, next), -ENOSPC);
	assert_reads(f, 0, next);
	disk.make_error = 0;
	append(f, next, next + 10);
	assert_reads(f, next, next + 10);
	assert_int_equal(f->opened, spool_segments(f->spool));
	assert_int_equal(f->last_opened, f->opened); // no number was left out
}

static void a_mark_that_a_full_disk_did_not_take_is_written_later(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 10);
	assert_reads(f, 0, 10);
	flush(f);
	disk.room = 5;
	for (uint64_t i = 1; i < 9; i++) {
		spool_release(f->spool, i);
		assert_int_equal(spool_flush(f->spool), -ENOSPC);
	}
	disk.room = UINT64_MAX;
	flush(f);
	flush(f);
	fixture_restart(f);
	assert_int_equal(f->found.records, 2);
	assert_reads(f, 8, 10);
}

// ---- reading

static void an_unreadable_place_is_tried_thrice_and_then_passed_over(void **state)
{
	struct fixture *f = *state;
	struct spool_record r;
	append(f, 0, 1000);
	flush(f);
	fixture_restart(f);
	uint64_t before = f->lost[SPOOL_LOST_DAMAGED];
	assert_int_equal(f->found.damaged, 0);
	disk.bad_from = 0;
	disk.bad_to = 1;
	disk.read_errors = 2; // of a header
	assert_int_equal(spool_read(f->spool, &r), -EIO);
	assert_int_equal(spool_read(f->spool, &r), -EIO);
	assert_reads(f, 0, 10);
	disk.bad_to = FILE_ROOM;
	disk.read_errors = UINT_MAX;
	uint64_t next = 10;
	int result;
	while ((result = spool_read(f->spool, &r)) == 0) // what was read ahead
		assert_int_equal(r.index, next++);
	assert_int_equal(result, -EIO);
	assert_int_equal(spool_read(f->spool, &r), -EIO);
	assert_int_equal(spool_read(f->spool, &r), -EBADMSG);
	disk.read_errors = 0;
	uint64_t lost = f->lost[SPOOL_LOST_DAMAGED] - before;
	assert_true(lost > 0);
	assert_reads(f, next + lost, 1000);
	assert_read_up(f);
}

static void a_segment_that_cannot_be_opened_at_start_stops_it(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 5);
	flush(f);
	fixture_kill(f);
	disk.open_error = EACCES;
	assert_false(fixture_try(f));
	assert_int_equal(f->error.code, -EACCES);
	disk.open_error = EMFILE;
	assert_false(fixture_try(f));
	assert_int_equal(f->error.code, -EMFILE);
	repair();
	fixture_open(f);
	assert_reads(f, 0, 5);
}

// ---- read-only

static void read_only(void)
{
	disk.room = 0;
	disk.write_error = disk.make_error = disk.unlink_error = disk.rename_error = EROFS;
}

static void a_disk_that_turned_read_only_is_read_and_erased_later(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 1000);
	flush(f);
	fixture_restart(f);
	read_only();
	uint64_t segments = spool_segments(f->spool);
	assert_reads(f, 0, 1000);
	spool_release(f->spool, 1000);
	assert_int_equal(spool_segments(f->spool), segments);
	assert_int_equal(try_append(f, 1000), -EROFS);
	spool_tick(f->spool, 1, 1);
	assert_int_equal(f->erased, 0);
	repair();
	spool_tick(f->spool, 2, 2);
	assert_int_equal(spool_segments(f->spool), 0);
	assert_int_equal(f->erased, segments);
	append(f, 1000, 1001);
	assert_reads(f, 1000, 1001);
}

static void what_gives_way_but_cannot_be_erased_is_told_once(void **state)
{
	struct fixture *f = *state;
	f->settings.max_age_ms = 1;
	append(f, 0, 300);
	flush(f);
	fixture_restart(f);
	read_only();
	for (unsigned i = 0; i < 5; i++)
		spool_tick(f->spool, 1800000000000 + i * 600000, 1 + i * 600000);
	uint64_t told = f->lost_named;
	assert_true(told > 0 && told < 300);
	repair();
	spool_tick(f->spool, 1800003000000, 3000001);
	assert_int_equal(f->lost_named, 300);
	for (size_t i = 0; i < f->lost_named; i++)
		assert_int_equal(f->lost_index[i], i);
	assert_int_equal(spool_segments(f->spool), 0);
}

static void a_close_syncs_what_this_run_wrote(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 300);
	flush(f);
	assert_int_equal(disk.syncs, 0); // never while running
	uint64_t segments = spool_segments(f->spool);
	fixture_close(f);
	assert_int_equal(disk.syncs, segments);
	fixture_open(f);
	fixture_close(f);
	assert_int_equal(disk.syncs, segments); // not what was there before
}

// ---- a real one

static void a_small_file_system_that_is_full_takes_all_once_it_has_room(void **state)
{
	struct fixture *f = *state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("none", f->directory, "tmpfs", 0, "size=256k,mode=0700")) {
		print_message("no small file system without root and mount(2): not tested\n");
		skip();
	}
	fixture_kill(f);
	f->io = &spool_io_kernel;
	f->last_opened = 0;
	f->settings.segment_octets = 100 * 1024;
	fixture_open(f);
	char ballast[96];
	snprintf(ballast, sizeof ballast, "%s/ballast", f->directory);
	static const uint8_t octets[64 * 1024];
	file_write(ballast, bytes_of(octets, sizeof octets));
	uint64_t next = 0;
	int result;
	while ((result = try_append(f, next)) == 0)
		next++;
	assert_int_equal(result, -ENOSPC);
	assert_int_equal(spool_flush(f->spool), -ENOSPC);
	assert_int_equal(unlink(ballast), 0);
	struct spool_record r;
	uint64_t read = 0;
	while (read < next && (result = spool_read(f->spool, &r)) != -ENOENT) {
		if (result == -ENOSPC) { // what was read makes way for the rest
			spool_release(f->spool, read);
			continue;
		}
		assert_int_equal(result, 0);
		assert_int_equal(r.index, read);
		assert_record(&r);
		read++;
	}
	assert_int_equal(read, next);
	assert_int_equal(f->lost_named, 0);
	fixture_kill(f);
	assert_int_equal(umount(f->directory), 0);
}

#define with_disk(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_disk(writing_goes_on_where_a_full_disk_stopped_it),
		with_disk(a_kill_while_the_disk_is_full_leaves_what_is_whole),
		with_disk(a_full_disk_bounds_the_buffer_and_loses_nothing_that_was_taken),
		with_disk(what_a_failed_write_left_behind_is_written_again_as_it_was),
		with_disk(short_and_interrupted_calls_are_no_errors),
		with_disk(reading_waits_for_the_disk_that_does_not_take_what_is_buffered),
		with_disk(a_segment_that_cannot_be_made_takes_nothing),
		with_disk(a_mark_that_a_full_disk_did_not_take_is_written_later),
		with_disk(an_unreadable_place_is_tried_thrice_and_then_passed_over),
		with_disk(a_segment_that_cannot_be_opened_at_start_stops_it),
		with_disk(a_disk_that_turned_read_only_is_read_and_erased_later),
		with_disk(what_gives_way_but_cannot_be_erased_is_told_once),
		with_disk(a_close_syncs_what_this_run_wrote),
		with_disk(a_small_file_system_that_is_full_takes_all_once_it_has_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
