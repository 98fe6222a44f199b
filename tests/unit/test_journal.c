#include "unit.h"

#include <errno.h>
#include <sys/file.h>

#include "journal.h"
#include "sequence_files.h"

enum { CAPACITY = 6 };
static const char BOOT[] = "11111111-2222-3333-4444-555555555555";
static const char OTHER_BOOT[] = "99999999-2222-3333-4444-555555555555";

static struct journal_slot slot_used_at(uint32_t used_s)
{
	return (struct journal_slot){.xid = {{(uint8_t)used_s}},
		.point = 1,
		.asked = 2,
		.sent = 3,
		.next = 10,
		.safe = 7,
		.used_s = used_s};
}

static struct journal opened(const char *path, uint32_t capacity, const char *boot_id)
{
	struct journal j;
	struct error error = {0};
	int result = journal_open(&j, path, capacity, boot_id, &error);
	if (result != 0)
		fail_msg("%d: %s", result, error.text);
	return j;
}

static void expect_refused(const char *path, int code)
{
	struct journal j;
	struct error error = {0};
	assert_int_equal(journal_open(&j, path, CAPACITY, BOOT, &error), code);
	assert_non_null(strstr(error.text, path));
	assert_int_equal(j.fd, -1);
}

static struct journal_found loaded(struct journal *j)
{
	struct journal_found found;
	struct error error;
	assert_int_equal(journal_load(j, &found, &error), 0);
	return found;
}

static void a_fresh_journal_is_whole_private_and_empty(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	struct stat file;
	assert_int_equal(stat(f->journal, &file), 0);
	assert_int_equal(file.st_size, JOURNAL_SLOTS_AT + CAPACITY * JOURNAL_SLOT);
	assert_true(file.st_blocks * 512 >= file.st_size); // the room is taken
	assert_int_equal(file.st_mode & 07777, 0600);
	struct journal_found found = loaded(&j);
	assert_int_equal(found.count + found.damaged, 0);
	journal_found_free(&found);
	journal_close(&j);
	journal_close(&j);
}

static void slots_come_back_least_recently_used_first(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	static const uint32_t used[] = {30, 10, 0xfffffff0, 20};
	for (uint32_t i = 0; i < 4; i++) {
		struct journal_slot slot = slot_used_at(used[i]);
		assert_int_equal(journal_store(&j, i, &slot), 0);
	}
	journal_close(&j);
	j = opened(f->journal, CAPACITY, BOOT);
	struct journal_found found = loaded(&j);
	static const uint32_t want[] = {1, 3, 0, 2};
	assert_int_equal(found.count, 4);
	for (uint32_t i = 0; i < 4; i++) {
		struct journal_slot slot = slot_used_at(used[want[i]]);
		assert_int_equal(found.entries[i].index, want[i]);
		assert_memory_equal(&found.entries[i].slot, &slot, sizeof slot);
	}
	journal_found_free(&found);
	journal_close(&j);
}

static void the_header_tells_how_the_last_run_ended(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	journal_close(&j);
	j = opened(f->journal, CAPACITY, BOOT);
	assert_true(j.same_boot && !j.clean && !j.stale && j.given_up == 0);
	assert_int_equal(journal_mark_stale(&j, true), 0);
	journal_close(&j);
	j = opened(f->journal, CAPACITY, OTHER_BOOT);
	assert_true(!j.same_boot && !j.clean && j.stale);
	assert_int_equal(journal_mark_stale(&j, false), 0);
	assert_int_equal(journal_store_header(&j, 77, true), 0);
	journal_close(&j);
	j = opened(f->journal, CAPACITY, OTHER_BOOT);
	assert_true(j.same_boot && j.clean && !j.stale && j.given_up == 77);
	journal_close(&j);
}

// Without a boot id nobody knows whether the host has gone down.
static void an_unknown_boot_id_is_never_the_same(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, "");
	journal_close(&j);
	j = opened(f->journal, CAPACITY, "");
	assert_false(j.same_boot);
	journal_close(&j);
	files_remove(f->journal);
	j = opened(f->journal, CAPACITY, NULL);
	journal_close(&j);
	j = opened(f->journal, CAPACITY, NULL); // the kernel's
	assert_true(j.same_boot);
	journal_close(&j);
}

static void a_second_process_is_locked_out(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	expect_refused(f->journal, -EWOULDBLOCK);
	journal_close(&j);
	j = opened(f->journal, CAPACITY, BOOT);
	journal_close(&j);
}

static void what_others_can_get_at_is_refused_and_left_alone(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	journal_close(&j);
	assert_int_equal(chmod(f->journal, 0640), 0);
	expect_refused(f->journal, -EPERM);
	assert_int_equal(chmod(f->journal, 0602), 0);
	expect_refused(f->journal, -EPERM);
	assert_int_equal(chmod(f->journal, 0600), 0);
	assert_int_equal(rename(f->journal, f->copy), 0);
	assert_int_equal(symlink(f->copy, f->journal), 0);
	expect_refused(f->journal, -ELOOP);
	assert_int_equal(unlink(f->journal), 0);
	assert_int_equal(mkfifo(f->journal, 0600), 0);
	expect_refused(f->journal, -EINVAL);
	if (geteuid() == 0) {
		assert_int_equal(chown(f->copy, 1, 1), 0);
		expect_refused(f->copy, -EPERM);
	}
}

static void what_is_no_journal_or_of_another_version_is_left_alone(void **state)
{
	struct files *f = *state;
	static const char text[] =
		"this is somebody else's file, and long enough to hold a header, which has "
		"128 octets altogether, and even a few more than that";
	write_whole(f->journal, (const uint8_t *)text, sizeof text, 0600);
	expect_refused(f->journal, -EBADMSG);
	size_t len;
	uint8_t *octets = read_whole(f->journal, &len);
	assert_int_equal(len, sizeof text);
	assert_memory_equal(octets, text, len);
	free(octets);
	write_whole(f->journal, NULL, 0, 0600);
	expect_refused(f->journal, -EBADMSG);

	files_remove(f->journal);
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	journal_close(&j);
	octets = read_whole(f->journal, &len);
	octets[11]++; // the version
	write_whole(f->journal, octets, len, 0600);
	expect_refused(f->journal, -EPROTO);
	size_t again_len;
	uint8_t *again = read_whole(f->journal, &again_len);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, octets, len);
	free(again);
	free(octets);
}

static void a_damaged_header_makes_a_new_journal_that_knows_it(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	struct journal_slot slot = slot_used_at(5);
	assert_int_equal(journal_store(&j, 0, &slot), 0);
	journal_close(&j);
	size_t len;
	uint8_t *octets = read_whole(f->journal, &len);
	octets[30] ^= 4;
	write_whole(f->journal, octets, len, 0600);
	j = opened(f->journal, CAPACITY, BOOT);
	assert_true(j.renewed);
	assert_int_equal(j.given_up, 1);
	struct journal_found found = loaded(&j);
	assert_int_equal(found.count + found.damaged, 0);
	journal_found_free(&found);
	journal_close(&j);
	j = opened(f->journal, CAPACITY, BOOT); // also a start later
	assert_false(j.renewed);
	assert_int_equal(j.given_up, 1);
	journal_close(&j);
	char aside[128];
	snprintf(aside, sizeof aside, "%s.damaged", f->journal);
	size_t aside_len;
	uint8_t *kept = read_whole(aside, &aside_len);
	assert_int_equal(aside_len, len);
	assert_memory_equal(kept, octets, len);
	free(kept);
	free(octets);
}

static void a_damaged_slot_is_found_whichever_octet_it_is(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	struct journal_slot slot = slot_used_at(5);
	assert_int_equal(journal_store(&j, 0, &slot), 0);
	assert_int_equal(journal_store(&j, 2, &slot), 0);
	journal_close(&j);
	size_t len;
	uint8_t *octets = read_whole(f->journal, &len);
	for (size_t i = 0; i < 2 * JOURNAL_SLOT;
		i++) { // the second one is empty: then it is damaged, too
		uint8_t *at = &octets[JOURNAL_SLOTS_AT + i];
		*at ^= (uint8_t)(1 << i % 8);
		write_whole(f->copy, octets, len, 0600);
		*at ^= (uint8_t)(1 << i % 8);
		j = opened(f->copy, CAPACITY, BOOT);
		struct journal_found found = loaded(&j);
		assert_int_equal(found.damaged, 1);
		assert_int_equal(found.damaged_at[0], i / JOURNAL_SLOT);
		assert_int_equal(found.count, i < JOURNAL_SLOT ? 1 : 2);
		assert_int_equal(journal_repair(&j, &found), 0);
		journal_found_free(&found);
		found = loaded(&j);
		assert_int_equal(found.damaged, 0);
		journal_found_free(&found);
		journal_close(&j);
	}
	// A slot in a wrong place is none.
	memcpy(octets + JOURNAL_SLOTS_AT + JOURNAL_SLOT, octets + JOURNAL_SLOTS_AT, JOURNAL_SLOT);
	write_whole(f->copy, octets, len, 0600);
	j = opened(f->copy, CAPACITY, BOOT);
	struct journal_found found = loaded(&j);
	assert_int_equal(found.damaged, 1);
	journal_found_free(&found);
	journal_close(&j);
	free(octets);
}

static void a_journal_cut_anywhere_gives_what_is_left_or_is_refused(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	for (uint32_t i = 0; i < CAPACITY; i++) {
		struct journal_slot slot = slot_used_at(i + 1);
		assert_int_equal(journal_store(&j, i, &slot), 0);
	}
	journal_close(&j);
	size_t len;
	uint8_t *octets = read_whole(f->journal, &len);
	for (size_t cut = 0; cut < len; cut += cut >= JOURNAL_HEADER + 8 && cut < 4090 ? 500 : 7) {
		write_whole(f->copy, octets, cut, 0600);
		struct error error;
		int result = journal_open(&j, f->copy, CAPACITY, BOOT, &error);
		if (cut < 12) {
			assert_int_equal(result, cut < 8 ? -EBADMSG : -EPROTO);
			continue;
		}
		assert_int_equal(result, 0);
		assert_int_equal(j.renewed, cut < JOURNAL_HEADER);
		assert_int_equal(j.cut, cut >= JOURNAL_HEADER);
		struct journal_found found = loaded(&j);
		size_t whole = cut < JOURNAL_SLOTS_AT ? 0 : (cut - JOURNAL_SLOTS_AT) / JOURNAL_SLOT;
		assert_int_equal(found.count, whole);
		assert_int_equal(journal_repair(&j, &found), 0);
		journal_found_free(&found);
		journal_close(&j);
		j = opened(f->copy, CAPACITY, BOOT);
		assert_false(j.cut);
		journal_close(&j);
		files_remove(f->copy);
	}
	free(octets);
}

static void a_journal_changes_its_capacity_or_stays_as_it_was(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	struct journal_entry entries[2] = {{slot_used_at(1), 4}, {slot_used_at(2), 5}};
	struct error error;
	assert_int_equal(journal_store(&j, 5, &entries[1].slot), 0);
	limit_writes(JOURNAL_SLOTS_AT + CAPACITY * JOURNAL_SLOT);
	int result = journal_resize(&j, entries, 2, 100, &error);
	limit_writes(RLIM_INFINITY);
	assert_int_equal(result, -EFBIG);
	assert_non_null(strstr(error.text, f->directory));
	assert_int_equal(j.capacity, CAPACITY);
	struct journal_found found = loaded(&j);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.entries[0].index, 5);
	journal_found_free(&found);

	j.given_up = 9;
	assert_int_equal(journal_resize(&j, entries, 2, 100, &error), 0);
	expect_refused(f->journal, -EWOULDBLOCK); // the new file is locked, too
	journal_close(&j);
	j = opened(f->journal, CAPACITY, BOOT);
	assert_int_equal(j.capacity, 100);
	assert_int_equal(j.given_up, 9);
	found = loaded(&j);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.entries[1].index, 1);
	assert_int_equal(found.entries[1].slot.used_s, 2);
	journal_found_free(&found);
	journal_close(&j);
}

static void a_short_write_is_an_error(void **state)
{
	struct files *f = *state;
	struct journal j = opened(f->journal, CAPACITY, BOOT);
	struct journal_slot slot = slot_used_at(5);
	limit_writes(JOURNAL_SLOTS_AT + JOURNAL_SLOT + 20);
	int whole = journal_store(&j, 0, &slot), half = journal_store(&j, 1, &slot);
	int none = journal_store(&j, 2, &slot);
	limit_writes(RLIM_INFINITY);
	assert_int_equal(whole, 0);
	assert_int_equal(half, -EIO);
	assert_int_equal(none, -EFBIG);
	struct journal_found found = loaded(&j);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.damaged, 1);
	journal_found_free(&found);
	journal_close(&j);
}

static void no_room_leaves_no_half_made_journal(void **state)
{
	struct files *f = *state;
	struct journal j;
	struct error error;
	limit_writes(JOURNAL_SLOTS_AT);
	int result = journal_open(&j, f->journal, CAPACITY, BOOT, &error);
	limit_writes(RLIM_INFINITY);
	assert_int_equal(result, -EFBIG);
	assert_int_equal(access(f->journal, F_OK), -1);
	char fresh[128];
	snprintf(fresh, sizeof fresh, "%s.new", f->journal);
	assert_int_equal(access(fresh, F_OK), -1);
	write_whole(fresh, (const uint8_t *)"left behind by a kill -9", 24, 0600);
	j = opened(f->journal, CAPACITY, BOOT);
	assert_int_equal(access(fresh, F_OK), -1);
	journal_close(&j);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, files_set_up, files_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(a_fresh_journal_is_whole_private_and_empty),
		FILE_TEST(slots_come_back_least_recently_used_first),
		FILE_TEST(the_header_tells_how_the_last_run_ended),
		FILE_TEST(an_unknown_boot_id_is_never_the_same),
		FILE_TEST(a_second_process_is_locked_out),
		FILE_TEST(what_others_can_get_at_is_refused_and_left_alone),
		FILE_TEST(what_is_no_journal_or_of_another_version_is_left_alone),
		FILE_TEST(a_damaged_header_makes_a_new_journal_that_knows_it),
		FILE_TEST(a_damaged_slot_is_found_whichever_octet_it_is),
		FILE_TEST(a_journal_cut_anywhere_gives_what_is_left_or_is_refused),
		FILE_TEST(a_journal_changes_its_capacity_or_stays_as_it_was),
		FILE_TEST(a_short_write_is_an_error),
		FILE_TEST(no_room_leaves_no_half_made_journal),
	};
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
