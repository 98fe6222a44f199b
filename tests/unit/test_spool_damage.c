#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "spool_fixture.h"

enum { RECORDS = 6, MARK_BEHIND = 3, SAMPLE_ROOM = 16 };

// One small segment: three records, a mark that releases nothing more, three records.
struct sample {
	struct fixture f;
	char path[FIXTURE_PATH];
	struct bytes file;
	size_t ends[SAMPLE_ROOM]; // of the header, of each record, the mark among them
	size_t count;
};

static const uint64_t indices[RECORDS] = {1, 2, 19, 20, 38, 39}; // of small PDUs

static int make_sample(void **state)
{
	struct sample *s = calloc(1, sizeof *s);
	fixture_init(&s->f);
	fixture_open(&s->f);
	for (size_t i = 0; i < RECORDS; i++) {
		append(&s->f, indices[i], indices[i] + 1);
		if (i + 1 == MARK_BEHIND) {
			spool_skip(s->f.spool);
			spool_release(s->f.spool, 2);
			flush(&s->f);
		}
	}
	flush(&s->f);
	fixture_kill(&s->f);
	assert_int_equal(files_with(&s->f, ".seg", s->path), 1);
	s->file = file_read(s->path);
	size_t end = SEGMENT_HEADER_LEN;
	for (s->ends[s->count++] = end; end < s->file.len; s->ends[s->count++] = end) {
		struct reader r = reader_of(bytes_slice(s->file, end + 4, 4));
		end += RECORD_HEADER_LEN + read_be32(&r);
	}
	assert_int_equal(end, s->file.len);
	assert_int_equal(s->count, 1 + RECORDS + 1);
	*state = s;
	return 0;
}

static int remove_sample(void **state)
{
	struct sample *s = *state;
	fixture_fini(&s->f);
	file_free(s->file);
	free(s);
	return 0;
}

static void put_sample(struct sample *s, struct bytes content)
{
	fixture_empty(&s->f);
	assert_int_equal(mkdir(s->f.path, 0700), 0);
	file_write(s->path, content);
	s->f.last_opened = 0;
}

// Reads all that is there. Each is one of the sample, octet for octet, and none is given twice.
static unsigned read_whats_there(struct fixture *f, uint64_t *which)
{
	struct spool_record r;
	unsigned count = 0;
	int result;
	uint64_t last = 0;
	*which = 0;
	while ((result = spool_read(f->spool, &r)) != -ENOENT) {
		if (result == -EBADMSG)
			continue;
		assert_int_equal(result, 0);
		assert_true(r.index > last && r.index < 64);
		last = r.index;
		assert_record(&r);
		*which |= 1ull << r.index;
		count++;
	}
	assert_int_equal(spool_unread(f->spool), 0);
	return count;
}

static void a_segment_cut_at_any_length_gives_what_is_whole(void **state)
{
	struct sample *s = *state;
	for (size_t len = 0; len <= s->file.len; len++) {
		size_t whole = 0, is_end = 0;
		for (size_t i = 0; i < s->count; i++) {
			whole += i > 0 && s->ends[i] <= len;
			is_end |= s->ends[i] == len;
		}
		// The first is released by the mark, when that is whole.
		unsigned expected = (unsigned)(whole > MARK_BEHIND ? whole - 2 : whole);
		put_sample(s, bytes_of(s->file.at, len));
		fixture_open(&s->f);
		assert_int_equal(s->f.found.records, expected);
		assert_int_equal(s->f.found.torn_tails, !is_end);
		assert_int_equal(s->f.found.damaged, 0);
		uint64_t which;
		assert_int_equal(read_whats_there(&s->f, &which), expected);
		append(&s->f, 40, 42); // in a segment of their own
		assert_int_equal(read_whats_there(&s->f, &which), 2);
		fixture_kill(&s->f);
	}
}

static void a_flipped_octet_is_never_a_false_record(void **state)
{
	struct sample *s = *state;
	for (size_t at = 0; at < s->file.len; at++) {
		uint8_t *octets = exact_copy(s->file.at, s->file.len);
		octets[at] ^= (uint8_t)(1 << at % 8);
		put_sample(s, bytes_of(octets, s->file.len));
		free(octets);
		fixture_open(&s->f);
		assert_int_equal(s->f.found.torn_tails, 0);
		uint64_t which;
		unsigned count = read_whats_there(&s->f, &which);
		assert_int_equal(count, s->f.found.records);
		bool in_key =
			at >= SEGMENT_WRAPPED_AT && at < SEGMENT_WRAPPED_AT + VAULT_WRAPPED_LEN;
		bool in_start = at < SEGMENT_HEADER_LEN && !in_key;
		bool in_mark = at >= s->ends[MARK_BEHIND] && at < s->ends[MARK_BEHIND + 1];
		assert_int_equal(s->f.found.damaged, // PDUs, not marks or what is harmless
			in_key                ? RECORDS
			: in_start || in_mark ? 0
					      : 1);
		if (in_key)
			assert_int_equal(count, 0);
		else if (at < SEGMENT_HEADER_LEN || at < s->ends[1])
			assert_int_equal(count, RECORDS - 1); // the first is released
		else
			assert_int_equal(count, in_mark ? RECORDS : RECORDS - 2);
		assert_int_equal(files_with(&s->f, ".damaged", NULL), in_key);
		fixture_kill(&s->f);
	}
}

static void damage_after_the_start_is_told_when_it_is_read(void **state)
{
	struct sample *s = *state;
	for (size_t at = s->ends[1]; at < s->file.len; at++) {
		put_sample(s, s->file);
		fixture_open(&s->f);
		assert_int_equal(s->f.found.records, RECORDS - 1);
		uint8_t *octets = exact_copy(s->file.at, s->file.len);
		octets[at] ^= 0x10;
		file_write(s->path, bytes_of(octets, s->file.len));
		free(octets);
		uint64_t which, before = s->f.lost[SPOOL_LOST_DAMAGED];
		unsigned count = read_whats_there(&s->f, &which);
		assert_int_equal(count + s->f.lost[SPOOL_LOST_DAMAGED] - before, RECORDS - 1);
		assert_true(count >= RECORDS - 2);
		fixture_kill(&s->f);
	}
}

static void a_segment_cut_after_the_start_is_told_when_it_is_read(void **state)
{
	struct sample *s = *state;
	for (size_t len = 0; len < s->file.len; len++) {
		put_sample(s, s->file);
		fixture_open(&s->f);
		assert_int_equal(truncate(s->path, (off_t)len), 0);
		struct spool_record r;
		unsigned read = 0;
		uint64_t before = s->f.lost[SPOOL_LOST_DAMAGED];
		for (int result; (result = spool_read(s->f.spool, &r)) != -ENOENT;) {
			assert_true(result == 0 || result == -EBADMSG || result == -EIO);
			read += result == 0;
		}
		assert_int_equal(read + s->f.lost[SPOOL_LOST_DAMAGED] - before, RECORDS - 1);
		fixture_kill(&s->f);
	}
}

static void damage_in_the_segment_being_written_costs_nothing_that_follows(void **state)
{
	struct sample *s = *state;
	struct fixture *f = &s->f;
	for (size_t at = SEGMENT_HEADER_LEN; at < s->file.len; at++) {
		fixture_empty(f);
		f->last_opened = 0;
		fixture_open(f);
		for (size_t i = 0; i < RECORDS; i++)
			append(f, indices[i], indices[i] + 1);
		flush(f);
		struct bytes file = file_read(s->path);
		if (at >= file.len) { // without the mark it is shorter
			file_free(file);
			fixture_kill(f);
			break;
		}
		uint8_t *octets = exact_copy(file.at, file.len);
		octets[at] ^= 0x04;
		file_write(s->path, bytes_of(octets, file.len));
		free(octets);
		file_free(file);
		uint64_t which, before = f->lost[SPOOL_LOST_DAMAGED];
		unsigned count = read_whats_there(f, &which);
		assert_int_equal(count, RECORDS - 1);
		assert_int_equal(f->lost[SPOOL_LOST_DAMAGED] - before, 1);
		append(f, 40, 42);
		assert_reads(f, 40, 42);
		assert_read_up(f);
		fixture_kill(f);
	}
}

static void zeros_behind_the_last_record_are_a_torn_tail(void **state)
{
	struct sample *s = *state;
	for (size_t more = 1; more < 40; more++) {
		uint8_t *octets = calloc(1, s->file.len + more);
		memcpy(octets, s->file.at, s->file.len);
		put_sample(s, bytes_of(octets, s->file.len + more));
		free(octets);
		fixture_open(&s->f);
		assert_int_equal(s->f.found.torn_tails, 1);
		assert_int_equal(s->f.found.damaged, 0);
		assert_int_equal(s->f.found.records, RECORDS - 1);
		fixture_kill(&s->f);
	}
}

static void a_record_taken_out_moved_or_repeated_is_damage(void **state)
{
	struct sample *s = *state;
	size_t first = s->ends[0], second = s->ends[1], third = s->ends[2];
	uint8_t *octets = malloc(s->file.len + third);
	uint64_t which;

	// The second is missing.
	memcpy(octets, s->file.at, second);
	memcpy(octets + second, s->file.at + third, s->file.len - third);
	put_sample(s, bytes_of(octets, s->file.len - (third - second)));
	fixture_open(&s->f);
	assert_int_equal(s->f.found.damaged, 1);
	assert_int_equal(read_whats_there(&s->f, &which), RECORDS - 2);
	fixture_kill(&s->f);

	// The first once more.
	memcpy(octets, s->file.at, second);
	memcpy(octets + second, s->file.at + first, s->file.len - first);
	put_sample(s, bytes_of(octets, s->file.len + second - first));
	fixture_open(&s->f);
	assert_true(s->f.found.damaged > 0);
	read_whats_there(&s->f, &which); // asserts that none comes twice
	fixture_kill(&s->f);
	free(octets);
}

// ---- keys

static void a_wrong_key_is_told_from_damage_and_nothing_is_touched(void **state)
{
	struct sample *s = *state;
	uint64_t which;
	for (size_t bit = 0; bit < 8 * VAULT_KEY_LEN; bit += 37) {
		put_sample(s, s->file);
		s->f.kek.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(fixture_try(&s->f));
		assert_int_equal(s->f.error.code, -EKEYREJECTED);
		assert_non_null(strstr(s->f.error.text, "configure that key again"));
		s->f.kek.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		struct bytes now = file_read(s->path);
		assert_true(bytes_equal(now, s->file));
		file_free(now);
		fixture_open(&s->f);
		assert_int_equal(read_whats_there(&s->f, &which), RECORDS - 1);
		fixture_kill(&s->f);
	}
}

static void one_segment_of_another_key_is_enough_to_stop(void **state)
{
	struct sample *s = *state;
	put_sample(s, s->file);
	fixture_open(&s->f);
	append(&s->f, 40, 41);
	flush(&s->f);
	fixture_kill(&s->f);
	struct fixture other;
	fixture_init(&other);
	other.kek.octets[0] ^= 1;
	fixture_open(&other);
	append(&other, 50, 51);
	flush(&other);
	fixture_kill(&other);
	char from[FIXTURE_PATH], to[FIXTURE_PATH];
	files_with(&other, ".seg", from);
	snprintf(to, sizeof to, "%s/%020d.seg", s->f.path, 9);
	struct bytes file = file_read(from);
	file_write(to, file);
	file_free(file);
	fixture_fini(&other);
	assert_false(fixture_try(&s->f));
	assert_int_equal(s->f.error.code, -EKEYREJECTED);
	assert_int_equal(files_with(&s->f, ".seg", NULL), 3);
}

static void a_segment_of_another_number_or_destination_is_not_read(void **state)
{
	struct sample *s = *state;
	char other[FIXTURE_PATH];
	uint64_t which;
	put_sample(s, s->file);
	snprintf(other, sizeof other, "%s/%020d.seg", s->f.path, 7);
	assert_int_equal(rename(s->path, other), 0);
	fixture_open(&s->f);
	assert_true(s->f.found.damaged > 0);
	assert_int_equal(read_whats_there(&s->f, &which), 0);
	fixture_kill(&s->f);

	struct fixture f;
	fixture_init(&f);
	f.settings.did.octets[0] ^= 1;
	char did[UUID_TEXT];
	uuid_format(&f.settings.did, did);
	snprintf(f.path, sizeof f.path, "%s/%s", f.directory, did);
	fixture_open(&f);
	fixture_close(&f);
	snprintf(other, sizeof other, "%s/%020d.seg", f.path, 1);
	file_write(other, s->file);
	fixture_open(&f);
	assert_true(f.found.damaged > 0);
	assert_int_equal(read_whats_there(&f, &which), 0);
	fixture_fini(&f);
}

// ---- segments that do not open

static void a_segment_without_a_readable_record_is_kept_apart_until_a_limit(void **state)
{
	struct sample *s = *state;
	uint8_t *octets = exact_copy(s->file.at, s->file.len);
	octets[SEGMENT_WRAPPED_AT] ^= 1;
	put_sample(s, bytes_of(octets, s->file.len));
	free(octets);
	s->f.seen = s->f.erased = 0;
	s->f.settings.max_age_ms = 1000;
	fixture_open(&s->f);
	assert_int_equal(s->f.found.damaged, RECORDS);
	assert_int_equal(s->f.seen, 1);
	assert_int_equal(spool_octets(s->f.spool), s->file.len);
	append(&s->f, 40, 41);
	assert_int_equal(s->f.last_opened, 2); // its number is not used again
	fixture_close(&s->f);
	assert_int_equal(files_with(&s->f, ".damaged", NULL), 1);

	fixture_open(&s->f);
	assert_int_equal(s->f.found.damaged, 0); // told before
	assert_int_equal(s->f.found.records, 1);
	assert_int_equal(s->f.seen, 3);
	assert_int_equal(s->f.erased, 0);
	spool_tick(s->f.spool, 1700000000000 + 40, 1); // long before the file was made
	assert_int_equal(s->f.erased, 0);
	spool_tick(s->f.spool, 1ull << 42, (1ull << 42) - 1700000000000);
	assert_int_equal(files_with(&s->f, ".damaged", NULL), 0);
	assert_int_equal(s->f.erased, 2);
	assert_int_equal(spool_octets(s->f.spool), 0);
}

static void what_is_no_file_is_no_segment(void **state)
{
	struct sample *s = *state;
	char name[FIXTURE_PATH];
	uint64_t which;
	put_sample(s, s->file);
	snprintf(name, sizeof name, "%s/%020d.seg", s->f.path, 0);
	assert_int_equal(symlink("/etc/hostname", name), 0);
	snprintf(name, sizeof name, "%s/%020d.seg", s->f.path, 2);
	assert_int_equal(mkfifo(name, 0600), 0);
	snprintf(name, sizeof name, "%s/%020d.seg", s->f.path, 3);
	assert_int_equal(mkdir(name, 0700), 0);
	snprintf(name, sizeof name, "%s/notes.seg", s->f.path);
	file_write(name, bytes_of_text("somebody else's"));
	snprintf(name, sizeof name, "%s/99999999999999999999.seg", s->f.path);
	file_write(name, bytes_of_text("beyond all numbers"));
	fixture_open(&s->f);
	assert_int_equal(s->f.found.damaged, 3);
	assert_int_equal(s->f.found.records, RECORDS - 1);
	assert_int_equal(read_whats_there(&s->f, &which), RECORDS - 1);
	append(&s->f, 40, 41);
	assert_int_equal(s->f.last_opened, 4);
}

static void a_damaged_record_is_not_named_when_its_segment_gives_way(void **state)
{
	struct sample *s = *state;
	put_sample(s, s->file);
	s->f.settings.max_age_ms = 10;
	fixture_open(&s->f);
	uint8_t *octets = exact_copy(s->file.at, s->file.len);
	octets[s->ends[MARK_BEHIND + 1] + RECORD_HEADER_LEN] ^= 1; // the record behind the mark
	file_write(s->path, bytes_of(octets, s->file.len));
	free(octets);
	spool_tick(s->f.spool, 1800000000000, 1);
	spool_tick(s->f.spool, 1800000600000, 600001);
	assert_int_equal(s->f.lost[SPOOL_LOST_AGE], RECORDS - 2);
	assert_int_equal(s->f.lost[SPOOL_LOST_DAMAGED], 1);
	assert_int_equal(s->f.lost_named, RECORDS - 2);
	assert_int_equal(spool_unread(s->f.spool), 0);
}

// ---- kill -9

static void write_until_killed(
	struct fixture *f, uint64_t seed, uint64_t index, volatile uint64_t *flushed)
{
	fixture_open(f);
	for (;;) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		for (uint64_t more = 1 + (seed >> 60); more; more--, index++)
			if (try_append(f, index) < 0)
				_exit(1);
		if (spool_flush(f->spool) < 0)
			_exit(1);
		*flushed = spool_flushed_index(f->spool);
	}
}

static void what_was_flushed_before_kill_9_is_read_back(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f);
	volatile uint64_t *flushed =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(flushed != MAP_FAILED);
	uint64_t next = 0, last = 0; // to be read next, and above all that was written
	for (unsigned round = 0; round < 50; round++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			write_until_killed(&f, round, last, flushed);
		int status = 0;
		while (*flushed <= last && waitpid(child, &status, WNOHANG) == 0)
			usleep(200);
		usleep(round * 977 % 5000);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));

		uint64_t promised = *flushed;
		fixture_open(&f);
		assert_true(f.found.next_index >= promised && promised > last);
		assert_int_equal(f.found.records, f.found.next_index - next);
		assert_int_equal(f.found.damaged, 0);
		assert_reads(&f, next, f.found.next_index);
		assert_read_up(&f);
		last = f.found.next_index;
		next = last - last % 7;
		spool_release(f.spool, next);
		if (round % 2)
			fixture_close(&f);
		else {
			flush(&f);
			fixture_kill(&f);
		}
		f.last_opened = 0; // those of the child are not known here
	}
	fixture_fini(&f);
	munmap((void *)(uintptr_t)flushed, 4096);
}

#define with_sample(test) cmocka_unit_test_setup_teardown(test, make_sample, remove_sample)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_sample(a_segment_cut_at_any_length_gives_what_is_whole),
		with_sample(a_flipped_octet_is_never_a_false_record),
		with_sample(damage_after_the_start_is_told_when_it_is_read),
		with_sample(a_segment_cut_after_the_start_is_told_when_it_is_read),
		with_sample(damage_in_the_segment_being_written_costs_nothing_that_follows),
		with_sample(zeros_behind_the_last_record_are_a_torn_tail),
		with_sample(a_record_taken_out_moved_or_repeated_is_damage),
		with_sample(a_wrong_key_is_told_from_damage_and_nothing_is_touched),
		with_sample(one_segment_of_another_key_is_enough_to_stop),
		with_sample(a_segment_of_another_number_or_destination_is_not_read),
		with_sample(a_segment_without_a_readable_record_is_kept_apart_until_a_limit),
		with_sample(what_is_no_file_is_no_segment),
		with_sample(a_damaged_record_is_not_named_when_its_segment_gives_way),
		cmocka_unit_test(what_was_flushed_before_kill_9_is_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
