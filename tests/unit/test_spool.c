#include "spool_fixture.h"

static int open_fixture(void **state)
{
	struct fixture *f = malloc(sizeof *f);
	fixture_init(f);
	fixture_open(f);
	*state = f;
	return 0;
}

static int close_fixture(void **state)
{
	fixture_fini(*state);
	free(*state);
	return 0;
}

// ---- writing and reading

static void what_is_appended_is_read_back_in_order(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 1000); // several segments
	assert_int_equal(spool_unread(f->spool), 1000);
	assert_true(spool_segments(f->spool) > 4);
	assert_reads(f, 0, 1000);
	assert_read_up(f);
}

static void reading_follows_appending(void **state)
{
	struct fixture *f = *state;
	for (uint64_t i = 0; i < 600; i++) {
		append(f, i, i + 1);
		if (i % 3 == 0)
			flush(f);
		if (i % 5 == 4)
			assert_reads(f, i - 4, i + 1);
		if (i % 50 == 49)
			assert_read_up(f);
	}
}

static void indices_have_gaps_but_never_go_back(void **state)
{
	struct fixture *f = *state;
	static const uint64_t indices[] = {3, 4, 90, 1ull << 40, (1ull << 40) + 7};
	for (size_t i = 0; i < 5; i++)
		append(f, indices[i], indices[i] + 1);
	assert_int_equal(try_append(f, 1ull << 40), -EINVAL);
	assert_int_equal(try_append(f, UINT64_MAX), -EINVAL);
	flush(f);
	fixture_restart(f);
	assert_int_equal(f->found.records, 5);
	assert_int_equal(f->found.next_index, (1ull << 40) + 8);
	assert_int_equal(try_append(f, 91), -EINVAL);
	for (size_t i = 0; i < 5; i++)
		assert_reads(f, indices[i], indices[i] + 1);
	assert_read_up(f);
}

static void the_longest_pdu_fits_and_a_longer_one_does_not(void **state)
{
	struct fixture *f = *state;
	static uint8_t octets[SPOOL_MAX_PDU + 1];
	memset(octets, 0x77, sizeof octets);
	struct spool_record r = {.index = 0, .pdu = bytes_of(octets, sizeof octets)}, back;
	assert_int_equal(spool_append(f->spool, &r), -EMSGSIZE);
	for (r.index = 0; r.index < 9; r.index++) {
		r.pdu.len = r.index % 2 ? 0 : SPOOL_MAX_PDU;
		assert_int_equal(spool_append(f->spool, &r), 0);
	}
	flush(f);
	fixture_restart(f);
	for (uint64_t i = 0; i < 9; i++) {
		assert_int_equal(spool_read(f->spool, &back), 0);
		assert_int_equal(back.index, i);
		assert_int_equal(back.pdu.len, i % 2 ? 0 : SPOOL_MAX_PDU);
		assert_memory_equal(back.pdu.at, octets, back.pdu.len);
	}
	assert_read_up(f);
}

static void flushed_is_what_survives_a_kill(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 5);
	assert_int_equal(spool_flushed_index(f->spool), 0);
	flush(f);
	assert_int_equal(spool_flushed_index(f->spool), 5);
	append(f, 5, 8);
	assert_int_equal(spool_flushed_index(f->spool), 5);
	fixture_restart(f);
	assert_int_equal(f->found.records, 5);
	assert_int_equal(f->found.segments, 1);
	assert_int_equal(f->found.octets, spool_octets(f->spool));
	assert_int_equal(f->found.torn_tails, 0);
	assert_int_equal(f->found.damaged, 0);
	assert_int_equal(f->found.next_index, 5);
	assert_int_equal(spool_flushed_index(f->spool), 5);
	assert_reads(f, 0, 5);
	assert_read_up(f);
}

static void a_close_flushes(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 5);
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(f->found.records, 5);
	assert_reads(f, 0, 5);
}

static void old_records_are_read_before_new_ones_and_old_segments_not_appended_to(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH];
	append(f, 0, 10);
	fixture_close(f);
	files_with(f, ".seg", path);
	struct bytes before = file_read(path);
	fixture_open(f);
	append(f, 10, 20);
	assert_int_equal(spool_segments(f->spool), 2);
	assert_reads(f, 0, 20);
	assert_read_up(f);
	struct bytes after = file_read(path);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.at, before.at, before.len);
	file_free(before);
	file_free(after);
}

static void equal_records_look_different_on_disk(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH];
	static const uint8_t pdu[256] = {0};
	struct spool_record r = {.pdu = bytes_of(pdu, sizeof pdu)};
	for (r.index = 0; r.index < 2; r.index++)
		assert_int_equal(spool_append(f->spool, &r), 0);
	flush(f);
	files_with(f, ".seg", path);
	struct bytes file = file_read(path);
	assert_null(memmem(file.at, file.len, pdu, 24));
	const size_t record = RECORD_HEADER_LEN + RECORD_FIELDS_LEN + sizeof pdu + VAULT_TAG_LEN;
	const uint8_t *first = file.at + SEGMENT_HEADER_LEN + RECORD_HEADER_LEN + RECORD_FIELDS_LEN;
	assert_memory_not_equal(first, first + record, sizeof pdu);
	file_free(file);
}

// ---- skipping

static void what_was_skipped_is_not_read(void **state)
{
	struct fixture *f = *state;
	spool_skip(f->spool); // nothing yet
	append(f, 0, 5);
	spool_skip(f->spool);
	assert_read_up(f);
	append(f, 5, 8);
	assert_int_equal(spool_unread(f->spool), 3);
	assert_reads(f, 5, 7);
	spool_skip(f->spool);
	append(f, 8, 400);
	assert_reads(f, 8, 200);
	flush(f);
	spool_skip(f->spool);
	assert_read_up(f);
	append(f, 400, 402);
	assert_reads(f, 400, 402);
	fixture_restart(f); // skipped is not released
	assert_reads(f, 0, 400);
}

static void skipping_goes_over_what_was_found_too(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 300);
	flush(f);
	fixture_restart(f);
	assert_reads(f, 0, 2);
	spool_skip(f->spool);
	assert_read_up(f);
	append(f, 300, 303);
	assert_reads(f, 300, 303);
	assert_read_up(f);
}

// ---- releasing

static void a_restart_does_not_send_again_what_was_released(void **state)
{
	struct fixture *f = *state;
	for (uint64_t released = 1; released <= 20; released++) {
		append(f, 0, 20);
		assert_reads(f, 0, 20);
		spool_release(f->spool, released);
		flush(f);
		fixture_restart(f);
		assert_int_equal(f->found.records, 20 - released);
		assert_int_equal(f->found.next_index, 20);
		assert_reads(f, released, 20);
		assert_read_up(f);
		fixture_close(f);
		fixture_empty(f);
		f->last_opened = 0;
		fixture_open(f);
	}
}

static void whole_segments_that_are_released_are_erased(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 1000);
	assert_reads(f, 0, 1000);
	flush(f);
	uint64_t segments = spool_segments(f->spool), octets = spool_octets(f->spool);
	spool_release(f->spool, 600);
	assert_true(spool_segments(f->spool) < segments && spool_segments(f->spool) > 1);
	assert_true(spool_octets(f->spool) < octets);
	assert_int_equal(files_with(f, ".seg", NULL), spool_segments(f->spool));
	spool_release(f->spool, 1000);
	assert_int_equal(spool_segments(f->spool), 1); // that which is being written
	fixture_close(f);
	assert_int_equal(files_with(f, ".seg", NULL), 0);
	assert_int_equal(f->erased, segments);
	assert_int_equal(f->erased_records, 1000);
	assert_int_equal(f->lost_named, 0);
}

static void what_is_released_unread_is_not_read(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 1000);
	spool_release(f->spool, 3);
	assert_int_equal(spool_unread(f->spool), 997);
	assert_reads(f, 3, 5);
	spool_release(f->spool, 700);
	assert_int_equal(spool_unread(f->spool), 300);
	assert_reads(f, 700, 800);
	spool_release(f->spool, 750); // below what was read
	assert_reads(f, 800, 999);
	spool_release(f->spool, 5000); // confirmed before they came here
	assert_read_up(f);
	append(f, 5000, 5002);
	assert_reads(f, 5000, 5002);
	assert_int_equal(f->lost_named, 0);
	assert_int_equal(f->lost[SPOOL_LOST_DAMAGED], 0);
}

static void releasing_what_was_found_is_noted_in_a_new_segment(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 400);
	flush(f);
	fixture_restart(f);
	assert_reads(f, 0, 400);
	spool_release(f->spool, 390);
	flush(f);
	fixture_restart(f);
	assert_int_equal(f->found.records, 10);
	assert_int_equal(f->found.segments, 1);
	assert_reads(f, 390, 400);
	spool_release(f->spool, 400);
	flush(f);
	fixture_close(f);
	assert_int_equal(files_with(f, ".seg", NULL), 0);
}

static void an_idle_segment_is_erased_when_all_of_it_is_released(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 5);
	flush(f);
	spool_tick(f->spool, 1000, 1000);
	spool_tick(f->spool, 100000, 100000);
	assert_int_equal(spool_segments(f->spool), 1); // not released
	spool_skip(f->spool);
	spool_release(f->spool, 5);
	spool_tick(f->spool, 100000, 100000);
	spool_tick(f->spool, 159000, 159000);
	assert_int_equal(spool_segments(f->spool), 1);
	spool_tick(f->spool, 161000, 161000);
	assert_int_equal(spool_segments(f->spool), 0);
	assert_int_equal(spool_octets(f->spool), 0);
	append(f, 5, 7);
	assert_reads(f, 5, 7);
	assert_int_equal(f->last_opened, 2);
}

static void numbers_of_segments_are_never_used_again(void **state)
{
	struct fixture *f = *state; // fixture_segment() checks that they ascend
	for (uint64_t i = 0; i < 20; i++) {
		append(f, i, i + 1);
		spool_skip(f->spool);
		spool_release(f->spool, i + 1);
		fixture_close(f);
		assert_int_equal(files_with(f, ".seg", NULL), 0);
		assert_int_equal(files_with(f, ".next", NULL), 1);
		fixture_open(f);
		f->found.next_index = 0;
	}
	assert_int_equal(f->last_opened, 20);
	assert_int_equal(f->erased, 20);
}

static void an_erased_key_is_overwritten_before_the_file_goes(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH], other[FIXTURE_PATH];
	uint8_t zeros[VAULT_WRAPPED_LEN] = {0};
	append(f, 0, 5);
	flush(f);
	files_with(f, ".seg", path);
	snprintf(other, sizeof other, "%s/kept", f->path);
	assert_int_equal(link(path, other), 0); // whoever keeps the file has no key
	spool_skip(f->spool);
	spool_release(f->spool, 5);
	fixture_close(f);
	struct bytes file = file_read(other);
	assert_memory_equal(file.at + SEGMENT_WRAPPED_AT, zeros, sizeof zeros);
	file_free(file);
	// A kill between the two: the next start finishes it.
	assert_int_equal(rename(other, path), 0);
	fixture_open(f);
	assert_int_equal(f->found.damaged, 0);
	assert_int_equal(f->found.segments, 0);
	assert_int_equal(files_with(f, ".seg", NULL), 0);
}

static void the_owner_hears_of_every_segment(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 1000);
	flush(f);
	uint64_t segments = f->opened;
	assert_int_equal(segments, spool_segments(f->spool));
	fixture_restart(f);
	assert_int_equal(f->seen, segments);
	assert_int_equal(f->seen_records, 1000);
	assert_int_equal(f->erased, 0);
}

// ---- limits

static void the_oldest_give_way_when_the_limit_is_reached(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	f->settings.max_octets = 256 * 1024;
	fixture_open(f);
	for (uint64_t i = 0; i < 2000; i++) {
		append(f, i, i + 1);
		if (i % 10 == 0)
			flush(f);
		assert_true(spool_octets(f->spool) <= f->settings.max_octets);
	}
	uint64_t lost = f->lost[SPOOL_LOST_SIZE];
	assert_true(lost > 500);
	assert_int_equal(f->lost_named, lost);
	for (size_t i = 0; i < f->lost_named; i++)
		assert_int_equal(f->lost_index[i], i);
	assert_int_equal(spool_unread(f->spool), 2000 - lost);
	assert_reads(f, lost, 2000);
	assert_read_up(f);
}

static void what_was_read_or_released_is_not_lost_when_it_gives_way(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	f->settings.max_octets = 256 * 1024;
	fixture_open(f);
	append(f, 0, 300);
	assert_reads(f, 0, 100);
	append(f, 300, 2000);
	assert_true(f->lost_named > 0);
	for (size_t i = 0; i < f->lost_named; i++)
		assert_int_equal(f->lost_index[i], 100 + i);
	uint64_t next = 100 + f->lost_named;
	spool_release(f->spool, next + 50);
	f->lost_named = 0;
	append(f, 2000, 4000);
	for (size_t i = 0; i < f->lost_named; i++)
		assert_int_equal(f->lost_index[i], next + 50 + i);
	assert_reads(f, next + 50 + f->lost_named, 4000);
	assert_read_up(f);
}

static void a_limit_below_one_segment_holds_too(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	f->settings.max_octets = 16 * 1024;
	fixture_open(f);
	for (uint64_t i = 0; i < 300; i++) {
		append(f, i, i + 1);
		flush(f);
		assert_true(spool_octets(f->spool) <= f->settings.max_octets);
	}
	assert_int_equal(f->lost_named + spool_unread(f->spool), 300);
	assert_reads(f, f->lost_named, 300);
}

static void records_that_are_too_old_give_way(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	f->settings.max_age_ms = 800; // a record is 1 ms older than the next
	fixture_open(f);
	for (uint64_t i = 0; i < 3000; i++) {
		spool_tick(f->spool, 1700000000000 + i, 1000 + i);
		append(f, i, i + 1);
	}
	uint64_t lost = f->lost[SPOOL_LOST_AGE];
	assert_int_equal(f->lost_named, lost);
	assert_true(lost >= 3000 - 800 - 101 && lost <= 3000 - 800);
	assert_reads(f, lost, 3000);
	append(f, 3000, 3001);
	for (int i = 0; i < 3; i++) // a few segments each time
		spool_tick(f->spool, 1700000010000, 11000);
	assert_int_equal(spool_segments(f->spool), 0);
	assert_int_equal(f->lost_named, lost + 1); // the others were read
	assert_int_equal(f->lost_index[lost], 3000);
	append(f, 3001, 3002);
	spool_tick(f->spool, 1700000010001, 11001);
	assert_reads(f, 3001, 3002);
}

static void a_clock_that_is_set_makes_nothing_old(void **state)
{
	enum { HOUR = 3600000, DAY = 24 * HOUR };
	struct fixture *f = *state;
	const uint64_t today = 1700000000000, wrong = today + 30ull * DAY;
	fixture_close(f);
	f->settings.max_age_ms = DAY;
	fixture_open(f);
	append(f, 0, 5); // before the first tick too
	spool_tick(f->spool, today, 1000);
	append(f, 5, 10);
	spool_tick(f->spool, wrong, 2000);
	spool_tick(f->spool, wrong + HOUR, HOUR);
	spool_tick(f->spool, 1, HOUR + 1);
	assert_int_equal(spool_unread(f->spool), 10);

	flush(f);
	fixture_restart(f); // with a clock that is wrong at first
	spool_tick(f->spool, wrong, 1000);
	spool_tick(f->spool, wrong + 300000, 301000);
	spool_tick(f->spool, today + HOUR, 302000);
	spool_tick(f->spool, today + 2 * HOUR, HOUR + 302000);
	spool_tick(f->spool, wrong, HOUR + 303000); // and once more
	spool_tick(f->spool, wrong + 2 * HOUR, 3 * HOUR + 303000);
	assert_int_equal(spool_unread(f->spool), 10);
	spool_tick(f->spool, wrong + DAY, DAY + HOUR + 303000);
	assert_int_equal(spool_unread(f->spool), 0); // a day has gone by
	assert_int_equal(f->lost[SPOOL_LOST_AGE], 10);
}

static void limits_can_be_changed(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 500);
	flush(f);
	f->settings.max_octets = 128 * 1024;
	assert_true(spool_octets(f->spool) > f->settings.max_octets);
	spool_set_limits(f->spool, &f->settings);
	spool_tick(f->spool, 1, 1);
	assert_true(spool_octets(f->spool) <= f->settings.max_octets);
	assert_reads(f, f->lost_named, 500);
}

static void limits_hold_for_what_was_found(void **state)
{
	struct fixture *f = *state;
	append(f, 0, 1000);
	flush(f);
	fixture_kill(f);
	f->settings.max_octets = 128 * 1024;
	fixture_open(f);
	assert_int_equal(f->found.records, 1000);
	assert_int_equal(f->lost_named, 0);
	uint64_t segments = spool_segments(f->spool);
	spool_tick(f->spool, 0, 1);
	assert_int_equal(spool_segments(f->spool), segments - 4); // no more at a time
	spool_tick(f->spool, 0, 1);
	assert_true(spool_octets(f->spool) <= f->settings.max_octets);
	assert_true(f->lost_named > 0);
	assert_reads(f, f->lost_named, 1000);
}

// ---- who may

static void two_openers_do_not_share_a_spool(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	append(f, 0, 5);
	flush(f);
	assert_null(spool_open(&f->settings, &f->watch, NULL, &error));
	assert_int_equal(error.code, -EBUSY);
	assert_non_null(strstr(error.text, "another process"));
	fixture_restart(f);
	assert_reads(f, 0, 5);
}

static void modes_keep_others_out(void **state)
{
	struct fixture *f = *state;
	struct stat status;
	char path[FIXTURE_PATH];
	append(f, 0, 1);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	files_with(f, ".seg", path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	files_with(f, ".next", path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	static const mode_t bad[] = {0720, 0702, 0777};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(chmod(f->path, bad[i]), 0);
		assert_false(fixture_try(f));
		assert_int_equal(f->error.code, -EACCES);
		assert_non_null(strstr(f->error.text, "chmod 700"));
	}
	assert_int_equal(chmod(f->path, 0700), 0);
	assert_int_equal(chmod(f->directory, 01777), 0);
	assert_false(fixture_try(f));
	assert_int_equal(f->error.code, -EACCES);
	assert_int_equal(chmod(f->directory, 0755), 0);
	fixture_open(f);
}

static void a_link_in_place_of_the_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	char other[96];
	fixture_close(f);
	snprintf(other, sizeof other, "%s/other", f->directory);
	assert_int_equal(rename(f->path, other), 0);
	assert_int_equal(symlink(other, f->path), 0);
	assert_false(fixture_try(f));
	assert_true(f->error.code == -ELOOP || f->error.code == -ENOTDIR);
	assert_int_equal(unlink(f->path), 0);
}

static void segments_are_of_a_sensible_size(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	f->settings.segment_octets = 64 * 1024 - 1;
	assert_false(fixture_try(f));
	assert_int_equal(f->error.code, -EINVAL);
}

static void closing_none_does_nothing(void **state)
{
	(void)state;
	spool_close(NULL);
}

#define with_spool(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_spool(what_is_appended_is_read_back_in_order),
		with_spool(reading_follows_appending),
		with_spool(indices_have_gaps_but_never_go_back),
		with_spool(the_longest_pdu_fits_and_a_longer_one_does_not),
		with_spool(flushed_is_what_survives_a_kill),
		with_spool(a_close_flushes),
		with_spool(old_records_are_read_before_new_ones_and_old_segments_not_appended_to),
		with_spool(equal_records_look_different_on_disk),
		with_spool(what_was_skipped_is_not_read),
		with_spool(skipping_goes_over_what_was_found_too),
		with_spool(a_restart_does_not_send_again_what_was_released),
		with_spool(whole_segments_that_are_released_are_erased),
		with_spool(what_is_released_unread_is_not_read),
		with_spool(releasing_what_was_found_is_noted_in_a_new_segment),
		with_spool(an_idle_segment_is_erased_when_all_of_it_is_released),
		with_spool(numbers_of_segments_are_never_used_again),
		with_spool(an_erased_key_is_overwritten_before_the_file_goes),
		with_spool(the_owner_hears_of_every_segment),
		with_spool(the_oldest_give_way_when_the_limit_is_reached),
		with_spool(what_was_read_or_released_is_not_lost_when_it_gives_way),
		with_spool(a_limit_below_one_segment_holds_too),
		with_spool(records_that_are_too_old_give_way),
		with_spool(a_clock_that_is_set_makes_nothing_old),
		with_spool(limits_can_be_changed),
		with_spool(limits_hold_for_what_was_found),
		with_spool(two_openers_do_not_share_a_spool),
		with_spool(modes_keep_others_out),
		with_spool(a_directory_that_others_may_write_to_is_refused),
		with_spool(a_link_in_place_of_the_directory_is_refused),
		with_spool(segments_are_of_a_sensible_size),
		cmocka_unit_test(closing_none_does_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
