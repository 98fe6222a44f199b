#include "unit.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

#include "journal.h"
#include "sequence_files.h"
#include "sequence_internal.h"

static const struct uuid FIRST = {{1}}, SECOND = {{2}};

static struct sequences *without_journal(uint32_t max_contexts)
{
	struct error error;
	return sequences_new(
		&(struct sequences_settings){.max_contexts = max_contexts, .key = {3, 4}}, &error);
}

static struct sequence next_of(
	struct sequences *s, const struct uuid *xid, const char *ipid, uint64_t correlation)
{
	return sequence_next(s, xid, bytes_of_text(ipid), correlation);
}

static void numbers_count_from_zero_in_each_context_apart(void **state)
{
	(void)state;
	struct sequences *s = without_journal(8);
	assert_non_null(s);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(next_of(s, &FIRST, "a", 77).number, i);
		assert_int_equal(next_of(s, &SECOND, "a", 77).number, i);
		assert_int_equal(next_of(s, &FIRST, "b", 77).number, i);
		assert_int_equal(next_of(s, &FIRST, "a", 78).number, i);
	}
	assert_int_equal(next_of(s, &FIRST, "a", 77).correlation, 77);
	assert_int_equal(sequences_given_up(s), 0);
	sequences_free(s);
}

static void a_context_that_was_given_up_comes_back_under_another_correlation_id(void **state)
{
	(void)state;
	struct sequences *s = without_journal(2);
	assert_non_null(s);
	assert_int_equal(next_of(s, &FIRST, "a", 1).correlation, 1);
	assert_int_equal(next_of(s, &FIRST, "a", 2).correlation, 2);
	next_of(s, &FIRST, "a", 1); // 2 is now the least recently used

	uint64_t third = next_of(s, &FIRST, "a", 3).correlation;
	assert_int_equal(sequences_given_up(s), 1);
	assert_int_equal(next_of(s, &FIRST, "a", 1).correlation, 1); // kept: not salted
	assert_int_not_equal(third, 3);

	struct sequence back = next_of(s, &FIRST, "a", 2); // third gives way
	assert_int_equal(back.number, 0);
	assert_int_not_equal(back.correlation, 2);
	assert_int_not_equal(back.correlation, 0);
	struct sequence again = next_of(s, &FIRST, "a", 2);
	assert_int_equal(again.number, 1);
	assert_int_equal(again.correlation, back.correlation);
	sequences_free(s);
}

// The law that matters: no pair of number and correlation id is ever given twice in one (XID, point).
static void no_number_is_repeated_however_small_the_table(void **state)
{
	(void)state;
	enum { ROUNDS = 2000 };
	static struct sequence given[ROUNDS];
	struct sequences *s = without_journal(3);
	assert_non_null(s);
	uint64_t random = 1;
	for (unsigned i = 0; i < ROUNDS; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		given[i] = next_of(s, &FIRST, "a", 1 + (random >> 33) % 7);
		for (unsigned j = 0; j < i; j++)
			assert_false(given[j].number == given[i].number &&
				     given[j].correlation == given[i].correlation);
	}
	assert_true(sequences_given_up(s) > 0);
	sequences_free(s);
}

static void a_correlation_of_zero_is_not_sent(void **state)
{
	(void)state;
	struct sequences *s = without_journal(3);
	assert_non_null(s);
	assert_int_equal(next_of(s, &FIRST, "a", 0).correlation, 1);
	sequences_free(s);
	sequences_free(NULL);
	assert_null(without_journal(0));
}

// --- with a journal --------------------------------------------------------------------------------------------------

static const char BOOT[] = "11111111-2222-3333-4444-555555555555";
static const char OTHER_BOOT[] = "99999999-2222-3333-4444-555555555555";

// Each start has a key of its own, as in x2tap.
static struct sequences *start_on(const char *journal, uint32_t max_contexts, const char *boot_id)
{
	struct error error = {0};
	struct sequences_settings settings = {
		.max_contexts = max_contexts,
		.did = bytes_of_text("did"),
		.nfid = bytes_of_text("nfid"),
		.journal = journal,
	};
	assert_int_equal(hash_key_random(&settings.key), 0);
	struct sequences *s = sequences_new_booted(&settings, boot_id, &error);
	if (!s)
		fail_msg("%s", error.text);
	return s;
}

static struct sequences *start(const char *journal)
{
	return start_on(journal, 8, BOOT);
}

// As kill -9 would: the copy has no clean end. Nobody else reads the journal itself.
static void kill_and_copy(struct sequences *s, const struct files *f)
{
	copy_file(f->journal, f->copy);
	sequences_free(s);
	assert_int_equal(rename(f->copy, f->journal), 0);
}

static struct sequences *restart_killed(
	struct sequences *s, const struct files *f, uint32_t max_contexts, const char *boot_id)
{
	kill_and_copy(s, f);
	return start_on(f->journal, max_contexts, boot_id);
}

static struct sequences *restart(
	struct sequences *s, const struct files *f, uint32_t max_contexts, const char *boot_id)
{
	sequences_free(s);
	return start_on(f->journal, max_contexts, boot_id);
}

static void expect_next(struct sequences *s, const struct uuid *xid, uint64_t correlation,
	uint32_t number, uint64_t sent)
{
	struct sequence got = next_of(s, xid, "a", correlation);
	assert_int_equal(got.number, number);
	assert_int_equal(got.correlation, sent);
}

struct gaps {
	struct sequence_gap gap[64];
	size_t count;
};

static void take_gap(void *context, const struct sequence_gap *gap)
{
	struct gaps *gaps = context;
	assert_true(gaps->count < sizeof gaps->gap / sizeof *gaps->gap);
	gaps->gap[gaps->count++] = *gap;
}

static struct gaps gaps_of(struct sequences *s)
{
	struct gaps gaps = {.count = 0};
	sequences_gaps(s, take_gap, &gaps);
	return gaps;
}

static void expect_no_gaps(struct sequences *s)
{
	assert_int_equal(gaps_of(s).count, 0);
}

static void a_restart_goes_on_with_each_context(void **state)
{
	struct files *f = *state;
	struct sequences *s = start(f->journal);
	assert_string_equal(sequences_fault(s), "");
	for (uint32_t i = 0; i < 5; i++)
		expect_next(s, &FIRST, 77, i, 77);
	next_of(s, &FIRST, "b", 77);
	next_of(s, &SECOND, "a", 0);

	s = restart(s, f, 8, BOOT);
	assert_string_equal(sequences_fault(s), "");
	expect_no_gaps(s);
	expect_next(s, &FIRST, 77, 5, 77);
	assert_int_equal(next_of(s, &FIRST, "b", 77).number, 1);
	expect_next(s, &SECOND, 0, 1, 1);
	expect_next(s, &SECOND, 5, 0, 5); // new, and nothing was ever given up
	sequences_commit(s);

	s = restart_killed(s, f, 8, BOOT);
	expect_next(s, &FIRST, 77, 6, 77);
	expect_next(s, &SECOND, 0, 2, 1);
	expect_next(s, &SECOND, 5, 1, 5);
	assert_int_equal(sequences_salted(s), 0);
	sequences_free(s);
}

static void a_clean_end_survives_the_host(void **state)
{
	struct files *f = *state;
	struct sequences *s = start(f->journal);
	expect_next(s, &FIRST, 77, 0, 77);
	s = restart(s, f, 8, OTHER_BOOT);
	expect_no_gaps(s);
	expect_next(s, &FIRST, 77, 1, 77);
	expect_next(s, &SECOND, 77, 0, 77);
	sequences_free(s);
}

static void after_an_unclean_end_of_the_host_numbers_jump_and_the_unknown_is_salted(void **state)
{
	struct files *f = *state;
	struct sequences *s = start(f->journal);
	for (uint32_t i = 0; i < 3; i++)
		expect_next(s, &FIRST, 77, i, 77);
	sequences_tick(s, 100);
	sequences_safe(s, 101);
	expect_next(s, &FIRST, 77, 3, 77);
	expect_next(s, &FIRST, 78, 0, 78);
	sequences_commit(s);
	sequences_tick(s, 200);

	s = restart_killed(s, f, 8, OTHER_BOOT);
	s = restart_killed(s, f, 8, OTHER_BOOT); // before anybody was told
	struct gaps gaps = gaps_of(s);
	assert_int_equal(gaps.count, 2);
	for (size_t i = 0; i < 2; i++) {
		bool first = gaps.gap[i].correlation == 77;
		assert_memory_equal(&gaps.gap[i].xid, &FIRST, sizeof FIRST);
		assert_int_equal(gaps.gap[i].first, first ? 3 : 0);
		assert_int_equal(gaps.gap[i].last, first ? 3 : 0);
		assert_int_equal(gaps.gap[i].skipped, SEQUENCE_JUMP);
	}
	expect_no_gaps(s);
	expect_next(s, &FIRST, 77, 4 + SEQUENCE_JUMP, 77);
	assert_int_not_equal(next_of(s, &SECOND, "a", 77).correlation, 77);
	assert_int_equal(sequences_salted(s), 1);
	assert_int_equal(sequences_given_up(s), 1);
	sequences_free(s);
	s = start_on(f->journal, 8, OTHER_BOOT); // it goes for ever after, like any give-up
	expect_no_gaps(s);
	assert_int_not_equal(next_of(s, &SECOND, "a", 79).correlation, 79);
	sequences_free(s);

	// Nothing unaccounted for, but the jump is told all the same.
	s = start_on(f->journal, 8, OTHER_BOOT);
	s = restart_killed(s, f, 8, BOOT);
	gaps = gaps_of(s);
	assert_int_equal(gaps.count, 4);
	assert_int_equal(gaps.gap[0].skipped, SEQUENCE_JUMP);
	assert_int_equal(gaps.gap[0].last + 1, gaps.gap[0].first);
	sequences_free(s);
}

static void a_gap_is_what_was_given_and_is_not_safe(void **state)
{
	struct files *f = *state;
	struct sequences *s = start(f->journal);
	for (uint32_t i = 0; i < 3; i++)
		expect_next(s, &FIRST, 77, i, 77);
	sequences_tick(s, 1000);
	for (uint32_t i = 3; i < 10; i++)
		expect_next(s, &FIRST, 77, i, 77);
	sequences_tick(s, 1019); // not yet another epoch
	sequences_tick(s, 1020);
	sequences_safe(s, 1000); // before: the epoch that ended then is not in it
	sequences_commit(s);
	copy_file(f->journal, f->copy);
	struct sequences *after = start(f->copy);
	struct gaps gaps = gaps_of(after);
	assert_int_equal(gaps.count, 1);
	assert_int_equal(gaps.gap[0].first, 0);
	assert_int_equal(gaps.gap[0].last, 9);
	sequences_free(after);

	sequences_safe(s, 1001);
	copy_file(f->journal, f->copy);
	after = start(f->copy);
	gaps = gaps_of(after);
	assert_int_equal(gaps.count, 1);
	assert_memory_equal(&gaps.gap[0].xid, &FIRST, sizeof FIRST);
	assert_int_equal(gaps.gap[0].correlation, 77);
	assert_int_equal(gaps.gap[0].first, 3);
	assert_int_equal(gaps.gap[0].last, 9);
	assert_int_equal(gaps.gap[0].skipped, 0);
	expect_no_gaps(after); // once
	sequences_free(after);

	sequences_safe(s, 1021);
	s = restart_killed(s, f, 8, BOOT);
	expect_no_gaps(s);
	expect_next(s, &FIRST, 77, 10, 77);
	sequences_free(s);
}

struct lookout {
	uint64_t correlation;
	uint32_t first;
};

static void look_out(void *context, const struct sequence_gap *gap)
{
	struct lookout *lookout = context;
	if (gap->correlation == lookout->correlation)
		lookout->first = gap->first;
}

static uint32_t first_unsafe(const struct files *f, uint64_t correlation)
{
	copy_file(f->journal, f->copy);
	struct journal j = {.fd = -1};
	struct error error;
	struct lookout lookout = {correlation, UINT32_MAX};
	assert_int_equal(journal_open(&j, f->copy, 8, BOOT, &error), 0);
	uint32_t capacity = j.capacity;
	journal_close(&j);
	struct sequences *s = start_on(f->copy, capacity, BOOT);
	sequences_gaps(s, look_out, &lookout);
	sequences_free(s);
	return lookout.first;
}

// Epochs and their records are bounded: merged, they are coarser. What is claimed is never more than what is safe.
static void safety_lags_but_never_claims_too_much_when_it_waits_for_long(void **state)
{
	struct files *f = *state;
	struct sequences *s = start(f->journal);
	uint64_t now = 0;
	uint32_t given[2] = {0, 0};
	enum { EPOCHS = 20000 };
	static uint32_t at_end[2][EPOCHS];
	for (unsigned e = 0; e < EPOCHS; e++) {
		for (unsigned c = 0; c < 2; c++)
			if (c == 0 || e % 3 == 0)
				expect_next(s, &FIRST, 77 + c, given[c]++, 77 + c);
		now += 20;
		sequences_tick(s, now);
		at_end[0][e] = given[0];
		at_end[1][e] = given[1];
		if (e % 64 == 0)
			sequences_commit(s);
	}
	sequences_commit(s);
	uint32_t before[2] = {0, 0};
	for (unsigned e = 0; e < EPOCHS; e += 777) {
		sequences_safe(s, (uint64_t)(e + 1) * 20 + 1);
		for (unsigned c = 0; c < 2; c++) {
			uint32_t safe = first_unsafe(f, 77 + c);
			assert_true(safe <= at_end[c][e]);
			assert_true(safe >= before[c]);
			before[c] = safe;
		}
	}
	assert_true(before[0] > EPOCHS / 4);
	sequences_safe(s, now + 1);
	assert_int_equal(first_unsafe(f, 77), UINT32_MAX);
	assert_int_equal(first_unsafe(f, 78), UINT32_MAX);
	sequences_free(s);
}

static void contexts_that_found_no_room_in_an_epoch_are_safe_when_all_are(void **state)
{
	struct files *f = *state;
	enum { MANY = 200000 };
	struct sequences *s = start_on(f->journal, MANY, BOOT);
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t c = 1; c <= MANY; c++)
			expect_next(s, &FIRST, c, round, c);
		sequences_commit(s);
		sequences_tick(s, 100 * (round + 1));
	}
	sequences_safe(s, 101);
	assert_int_equal(first_unsafe(f, 1), 1);
	assert_int_equal(first_unsafe(f, MANY), 1);
	expect_next(s, &FIRST, MANY, 2, MANY);
	sequences_safe(s, 201);
	assert_int_equal(first_unsafe(f, MANY), 1); // had no room: lags
	sequences_tick(s, 300);
	sequences_safe(s, 301);
	sequences_commit(s);
	s = restart_killed(s, f, MANY, BOOT);
	expect_no_gaps(s);
	expect_next(s, &FIRST, MANY, 3, MANY);
	sequences_free(s);
}

static void a_context_that_was_given_up_is_not_known_after_a_restart_either(void **state)
{
	struct files *f = *state;
	struct sequences *s = start_on(f->journal, 2, BOOT);
	for (uint64_t c = 1; c <= 3; c++)
		next_of(s, &FIRST, "a", c);
	sequences_commit(s);
	assert_int_equal(sequences_forgotten(s), 1); // of the first, which nobody had called safe
	s = restart_killed(s, f, 2, BOOT);
	assert_int_equal(sequences_given_up(s), 1);
	expect_next(s, &FIRST, 2, 1, 2); // kept
	struct sequence back = next_of(s, &FIRST, "a", 1);
	assert_int_equal(back.number, 0);
	assert_int_not_equal(back.correlation, 1);
	sequences_commit(s);
	s = restart_killed(s, f, 2, BOOT);
	expect_next(s, &FIRST, 1, 1, back.correlation); // the salted one is known like any other
	sequences_free(s);
}

static off_t size_of(const char *path)
{
	struct stat file;
	assert_int_equal(stat(path, &file), 0);
	return file.st_size;
}

static void the_table_may_grow_and_shrink_between_starts(void **state)
{
	struct files *f = *state;
	struct sequences *s = start_on(f->journal, 4, BOOT);
	for (uint64_t c = 1; c <= 4; c++)
		next_of(s, &FIRST, "a", c);
	sequences_commit(s);
	s = restart_killed(s, f, 100, BOOT);
	assert_string_equal(sequences_fault(s), "");
	assert_int_equal(gaps_of(s).count, 4);
	for (uint64_t c = 1; c <= 50; c++)
		expect_next(s, &FIRST, c, c <= 4, c);
	assert_int_equal(sequences_given_up(s), 0);
	s = restart(s, f, 20, BOOT);
	assert_string_equal(sequences_fault(s), "");
	assert_int_equal(sequences_given_up(s), 30);
	uint32_t kept = 0;
	for (uint64_t c = 1; c <= 50; c++) { // in the order of age, each of them once
		struct sequence got = next_of(s, &FIRST, "a", c);
		kept += got.correlation == c;
		assert_true(got.correlation == c ? got.number > 0 : got.number == 0);
	}
	assert_true(kept <= 20);
	sequences_free(s);
	assert_int_equal(size_of(f->journal), JOURNAL_SLOTS_AT + 20 * JOURNAL_SLOT);

	limit_writes(JOURNAL_SLOTS_AT + 20 * JOURNAL_SLOT); // no room to grow: goes on as before
	s = start_on(f->journal, 40, BOOT);
	limit_writes(RLIM_INFINITY);
	assert_non_null(strstr(sequences_fault(s), "keeps its room for 20 contexts"));
	sequences_free(s);
	assert_int_equal(size_of(f->journal), JOURNAL_SLOTS_AT + 20 * JOURNAL_SLOT);
}

// Everything that was given to one XID and IPID: never the same number and correlation id twice.
struct given {
	struct sequence *all;
	size_t count, room;
};

static void note_given(struct given *g, struct sequence one)
{
	for (size_t i = 0; i < g->count; i++)
		assert_false(
			g->all[i].number == one.number && g->all[i].correlation == one.correlation);
	if (g->count == g->room) {
		g->room = g->room ? g->room * 2 : 64;
		g->all = realloc(g->all, g->room * sizeof *g->all);
		assert_non_null(g->all);
	}
	g->all[g->count++] = one;
}

static void give_some(struct sequences *s, struct given *g)
{
	for (unsigned i = 0; i < 12; i++)
		note_given(g, next_of(s, &FIRST, "a", 1 + i % 4));
	sequences_commit(s);
}

// What two starts make of a journal like this one, in a world of its own.
static void start_on_damaged(
	const struct files *f, const uint8_t *octets, size_t len, struct given *given)
{
	size_t before = given->count;
	write_whole(f->journal, octets, len, 0600);
	for (unsigned starts = 0; starts < 2; starts++) {
		struct sequences *s = start_on(f->journal, 4, BOOT);
		assert_true(starts > 0 || sequences_fault(s)[0]);
		gaps_of(s);
		give_some(s, given);
		kill_and_copy(s, f);
	}
	given->count = before;
	files_remove(f->journal);
}

// A journal with what was given, and its octets.
static uint8_t *sample_journal(const struct files *f, struct given *given, size_t *len)
{
	struct sequences *s = start_on(f->journal, 4, BOOT);
	give_some(s, given);
	uint8_t *octets = read_whole(f->journal, len);
	sequences_free(s);
	return octets;
}

static void no_number_is_repeated_whichever_octet_was_flipped(void **state)
{
	struct files *f = *state;
	struct given given = {0};
	size_t len;
	uint8_t *octets = sample_journal(f, &given, &len);
	for (size_t at = 0; at < len; at++) {
		if (at == JOURNAL_HEADER)
			at = JOURNAL_SLOTS_AT;
		for (unsigned how = 0; how < 2; how++) {
			uint8_t flip = (uint8_t)(how ? 0xff : 1 << at % 8);
			octets[at] ^= flip;
			start_on_damaged(f, octets, len, &given);
			octets[at] ^= flip;
		}
	}
	free(octets);
	free(given.all);
}

static void no_number_is_repeated_wherever_the_file_was_cut(void **state)
{
	struct files *f = *state;
	struct given given = {0};
	size_t len;
	uint8_t *octets = sample_journal(f, &given, &len);
	for (size_t cut = 0; cut < len;) {
		start_on_damaged(f, octets, cut, &given);
		cut += cut > JOURNAL_HEADER && cut < 4090 ? 331 : 11;
	}
	free(octets);
	free(given.all);
}

static void a_journal_of_another_version_means_salts_of_this_start(void **state)
{
	struct files *f = *state;
	struct given given = {0};
	struct sequences *s = start(f->journal);
	give_some(s, &given);
	sequences_free(s);
	size_t len;
	uint8_t *octets = read_whole(f->journal, &len);
	octets[11]++;
	write_whole(f->journal, octets, len, 0600);
	for (unsigned i = 0; i < 3; i++) {
		s = start(f->journal);
		assert_non_null(strstr(sequences_fault(s), "another version"));
		give_some(s, &given);
		assert_int_equal(sequences_salted(s), 4);
		sequences_tick(s, 100);
		sequences_safe(s, 200);
		expect_no_gaps(s);
		sequences_free(s);
	}
	octets[11]--;
	write_whole(f->journal, octets, len, 0600); // as it was: it goes on from there
	s = start(f->journal);
	assert_string_equal(sequences_fault(s), "");
	give_some(s, &given);
	sequences_free(s);
	free(octets);
	free(given.all);
}

static void a_second_process_gets_salts_and_harms_nothing(void **state)
{
	struct files *f = *state;
	struct given given = {0};
	struct sequences *s = start(f->journal);
	give_some(s, &given);
	struct sequences *second = start(f->journal);
	assert_non_null(strstr(sequences_fault(second), "another process has it"));
	give_some(second, &given);
	give_some(s, &given);
	sequences_free(second);
	give_some(s, &given);
	assert_int_equal(sequences_salted(s), 0);
	s = restart(s, f, 8, BOOT);
	give_some(s, &given);
	assert_int_equal(sequences_salted(s), 0);
	sequences_free(s);
	free(given.all);
}

static void without_room_for_a_first_journal_no_number_is_repeated_later(void **state)
{
	struct files *f = *state;
	struct given given = {0};
	for (unsigned i = 0; i < 2; i++) {
		limit_writes(0);
		struct sequences *s = start(f->journal);
		limit_writes(RLIM_INFINITY);
		assert_non_null(strstr(sequences_fault(s), "File too large"));
		give_some(s, &given);
		sequences_free(s);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct sequences *s = start(f->journal);
		assert_string_equal(sequences_fault(s), "");
		give_some(s, &given);
		sequences_free(s);
	}
	free(given.all);
}

static void a_journal_that_takes_no_writes_is_found_out_without_a_number(void **state)
{
	struct files *f = *state;
	struct sequences *s = start(f->journal);
	limit_writes(0);
	sequences_tick(s, 5000);
	limit_writes(RLIM_INFINITY);
	assert_non_null(strstr(sequences_fault(s), "cannot be written: File too large"));
	sequences_tick(s, 5100);
	assert_string_equal(sequences_fault(s), "");
	sequences_free(s);
}

static void a_journal_that_takes_no_writes_is_a_fault_and_repeats_nothing(void **state)
{
	struct files *f = *state;
	struct given given = {0};
	struct sequences *s = start(f->journal);
	give_some(s, &given);
	note_given(&given,
		next_of(s, &FIRST, "a",
			1)); // may be on its way before it is known that it cannot be written
	limit_writes(0);
	sequences_commit(s);
	limit_writes(RLIM_INFINITY);
	assert_non_null(strstr(sequences_fault(s), "cannot be written: File too large"));
	assert_int_equal(mode_of(f->journal), 0700);

	limit_writes(0);
	struct sequence own = next_of(s, &FIRST, "a", 1), new_one = next_of(s, &SECOND, "a", 9);
	sequences_commit(s);
	sequences_tick(s, 100); // tries again, in vain
	sequences_safe(s, 101);
	struct sequence second = next_of(s, &FIRST, "a", 1);
	limit_writes(RLIM_INFINITY);
	assert_int_equal(own.number, 0);
	assert_int_not_equal(own.correlation, 1);
	assert_int_equal(second.number, 1);
	assert_int_equal(second.correlation, own.correlation);
	assert_int_not_equal(new_one.correlation, 9);
	assert_true(sequences_fault(s)[0]);
	note_given(&given, own);
	note_given(&given, second);

	// Killed now. The disk knows nothing of all that, nor that it happened, but for the mark.
	struct given world = {0};
	for (size_t i = 0; i < given.count; i++)
		note_given(&world, given.all[i]);
	copy_file(f->journal, f->copy);
	for (unsigned i = 0; i < 3; i++) {
		struct sequences *after = start(f->copy);
		assert_int_equal(mode_of(f->copy), 0600);
		gaps_of(after);
		give_some(after, &world);
		assert_int_equal(sequences_salted(after), i ? 0 : 4);
		sequences_free(after);
	}
	free(world.all);

	// The disk takes writes again.
	sequences_tick(s, 200);
	assert_string_equal(sequences_fault(s), "");
	assert_int_equal(mode_of(f->journal), 0600);
	expect_next(s, &SECOND, 9, 1, new_one.correlation);
	give_some(s, &given);
	s = restart_killed(s, f, 8, BOOT);
	expect_next(s, &SECOND, 9, 2, new_one.correlation);
	struct sequence on = next_of(s, &FIRST, "a", 1);
	assert_int_equal(on.correlation, own.correlation);
	note_given(&given, on);
	give_some(s, &given);
	assert_int_equal(sequences_salted(s), 0);
	sequences_free(s);
	free(given.all);
}

// At each write of many, with kill -9 and without, and with half a slot written.
static void no_number_is_repeated_whenever_the_disk_fails(void **state)
{
	struct files *f = *state;
	for (rlim_t limit = JOURNAL_SLOTS_AT; limit < JOURNAL_SLOTS_AT + 5 * JOURNAL_SLOT;
		limit += 31) {
		struct given given = {0};
		for (unsigned starts = 0; starts < 4; starts++) {
			struct sequences *s = start_on(f->journal, 6, BOOT);
			gaps_of(s);
			struct sequence got[30];
			if (starts % 2 == 1)
				give_some(s, &given);
			limit_writes(limit);
			for (unsigned i = 0; i < 30; i++) {
				got[i] = next_of(s, &FIRST, "a", 1 + i * 7 % 9);
				if (i % 4 == 0)
					sequences_commit(s);
				if (i % 5 == 0)
					sequences_tick(s, 1000 + i * 20);
			}
			sequences_safe(s, 1200);
			limit_writes(RLIM_INFINITY);
			for (unsigned i = 0; i < 30; i++)
				note_given(&given, got[i]);
			if (starts >= 2) {
				sequences_tick(s, 5000);
				assert_null(strstr(sequences_fault(s), "cannot be written"));
				give_some(s, &given);
			}
			if (starts == 3)
				sequences_free(s);
			else
				kill_and_copy(s, f);
		}
		files_remove(f->journal);
		free(given.all);
	}
}

// In a child, since it takes a mount of its own. 77: not permitted here.
static int give_on_a_full_disk(const struct files *f)
{
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
		mount("none", f->directory, "tmpfs", 0, "size=64k,mode=0700") != 0)
		return 77;
	struct given given = {0};
	struct sequences *s = start_on(f->journal, 4096, BOOT); // 256 KiB of slots
	if (!strstr(sequences_fault(s), "No space left"))
		return 1;
	give_some(s, &given);
	sequences_free(s);
	if (mount("none", f->directory, "tmpfs", MS_REMOUNT, "size=1m") != 0)
		return 77;
	s = start_on(f->journal, 4096, BOOT);
	if (sequences_fault(s)[0])
		return 2;
	give_some(s, &given);
	char filler[96];
	snprintf(filler, sizeof filler, "%s/filler", f->directory);
	int fd = open(filler, O_WRONLY | O_CREAT, 0600);
	static const uint8_t zeros[4096];
	while (write(fd, zeros, sizeof zeros) > 0)
		;
	close(fd);
	give_some(s, &given); // its room was taken before
	if (sequences_fault(s)[0])
		return 3;
	sequences_free(s);
	if (mount("none", f->directory, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m") != 0)
		return 4;
	s = start_on(f->journal, 4096, BOOT);
	if (!strstr(sequences_fault(s), "Read-only file system"))
		return 5;
	give_some(s, &given);
	sequences_free(s);
	if (mount("none", f->directory, "tmpfs", MS_REMOUNT, "size=1m") != 0)
		return 6;
	s = start_on(f->journal, 4096, BOOT);
	if (sequences_fault(s)[0])
		return 7;
	give_some(s, &given);
	if (sequences_salted(s) != 0)
		return 8;
	sequences_free(s);
	free(given.all);
	return 0;
}

static void a_full_or_read_only_disk_is_a_fault_and_repeats_nothing(void **state)
{
	struct files *f = *state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(give_on_a_full_disk(
			f)); // an assert that fails in it ends it otherwise than by 0
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

// --- kill -9 ---------------------------------------------------------------------------------------------------------

enum { XIDS = 4, CORRELATIONS = 3, BATCH = 40, KILLS = 30 };
enum line_kind {
	LINE_GAP,
	LINE_GIVEN, // after the commit: may have been sent
};
struct line {
	uint32_t run, kind, xid, first, last;
	uint64_t correlation;
};
struct log {
	int fd;
	uint32_t run;
};

static void log_out(const struct log *log, const struct line *lines, size_t count)
{
	if (write(log->fd, lines, count * sizeof *lines) != (ssize_t)(count * sizeof *lines))
		_exit(9);
}

static void log_gap(void *context, const struct sequence_gap *gap)
{
	const struct log *log = context;
	struct line line = {
		log->run, LINE_GAP, gap->xid.octets[0], gap->first, gap->last, gap->correlation};
	log_out(log, &line, 1);
}

// Gives numbers until it is killed.
static void give_until_killed(const char *journal, uint32_t max_contexts, struct log *log)
{
	struct sequences *s = start_on(journal, max_contexts, BOOT);
	if (sequences_fault(s)[0])
		_exit(8);
	sequences_gaps(s, log_gap, log);
	struct line lines[BATCH];
	uint32_t random = log->run * 7919 + 1;
	for (uint64_t now = 100;; now += 7) {
		for (unsigned i = 0; i < BATCH; i++) {
			random = random * 1664525 + 1013904223;
			struct uuid xid = {{(uint8_t)(1 + (random >> 8) % XIDS)}};
			uint64_t correlation = 1 + (random >> 16) % CORRELATIONS;
			struct sequence got =
				sequence_next(s, &xid, bytes_of_text("a"), correlation);
			lines[i] = (struct line){log->run, LINE_GIVEN, xid.octets[0], got.number,
				got.number, got.correlation};
		}
		sequences_commit(s);
		log_out(log, lines, BATCH);
		sequences_tick(s, now);
		if (random % 3 == 0)
			sequences_safe(s, now - 30);
	}
}

static int by_number(const void *a, const void *b)
{
	const struct line *l = a, *m = b;
	if (l->xid != m->xid)
		return l->xid < m->xid ? -1 : 1;
	if (l->correlation != m->correlation)
		return l->correlation < m->correlation ? -1 : 1;
	if (l->first != m->first)
		return l->first < m->first ? -1 : 1;
	return l->run < m->run ? -1 : l->run > m->run;
}

static void wait_us(long us)
{
	struct timespec wait = {0, us * 1000};
	nanosleep(&wait, NULL);
}

enum progress { NOTHING, SOMETHING, NUMBERS };

// What a run has logged so far.
static enum progress progress_of(int fd, off_t before)
{
	struct line last;
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < before + (off_t)sizeof last)
		return NOTHING;
	assert_int_equal(pread(fd, &last, sizeof last, end - (off_t)sizeof last), sizeof last);
	return last.kind == LINE_GIVEN ? NUMBERS : SOMETHING;
}

// At a random moment of its start, of its gaps, or of its work, however slow the host is.
static void run_and_kill(
	const struct files *f, uint32_t max_contexts, uint32_t run, int fd, uint32_t random)
{
	static const enum progress wanted[] = {NUMBERS, NUMBERS, NUMBERS, SOMETHING, NOTHING};
	enum progress until = wanted[run % (sizeof wanted / sizeof *wanted)];
	off_t before = lseek(fd, 0, SEEK_END);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		give_until_killed(f->journal, max_contexts, &(struct log){fd, run});
		_exit(7);
	}
	for (unsigned i = 0; i < 20000 && progress_of(fd, before) < until; i++)
		wait_us(500);
	wait_us((long)(random >> 8) % 12000);
	assert_int_equal(kill(child, SIGKILL), 0);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static bool same_context(const struct line *line, const struct journal_slot *slot)
{
	return line->xid == slot->xid.octets[0] && line->correlation == slot->sent;
}

// What the disk says after a kill, against what was logged until then; each context that is not accounted for is a gap that
// the next run must tell.
static size_t expect_disk_to_cover(const struct files *f, uint32_t run, const struct line *lines,
	size_t count, struct line *gaps)
{
	struct journal j;
	struct journal_found found;
	struct error error;
	size_t gap_count = 0;
	copy_file(f->journal, f->copy);
	assert_int_equal(journal_open(&j, f->copy, 1, BOOT, &error), 0);
	assert_int_equal(journal_load(&j, &found, &error), 0);
	assert_int_equal(found.damaged, 0);
	for (uint32_t i = 0; i < found.count; i++) {
		const struct journal_slot *slot = &found.entries[i].slot;
		// Given and logged, or told as a gap: what a kill kept from the log of one run, the next one tells.
		uint32_t accounted = 0;
		for (size_t l = 0; l < count; l++)
			if (same_context(&lines[l], slot) && lines[l].last >= accounted)
				accounted = lines[l].last + 1;
		assert_in_range(slot->next, accounted, accounted + BATCH);
		assert_true(slot->safe <= accounted); // the child logs first
		bool twice =
			false; // given up and back, killed between the two writes: one of them counts
		for (uint32_t k = i + 1; k < found.count; k++)
			twice |= uuid_equal(&found.entries[k].slot.xid, &slot->xid) &&
			         found.entries[k].slot.asked == slot->asked;
		if (slot->safe != slot->next && !twice)
			gaps[gap_count++] = (struct line){run + 1, LINE_GAP, slot->xid.octets[0],
				slot->safe, slot->next - 1, slot->sent};
	}
	journal_found_free(&found);
	journal_close(&j);
	return gap_count;
}

static void expect_gaps_told(
	const struct line *told, size_t count, const struct line *gaps, size_t gap_count)
{
	size_t told_count = 0;
	bool began = false;
	for (size_t i = 0; i < count; i++) {
		began |= told[i].kind == LINE_GIVEN;
		if (told[i].kind != LINE_GAP)
			continue;
		size_t g = 0;
		while (g < gap_count && memcmp(&gaps[g], &told[i], sizeof told[i]) != 0)
			g++;
		assert_true(g < gap_count);
		told_count++;
	}
	assert_true(told_count <= gap_count);
	assert_true(!began ||
		    told_count == gap_count); // killed before it began: told again by the next
}

static void kill_over_and_over(const struct files *f, uint32_t max_contexts)
{
	static struct line gaps[64];
	size_t gap_count = 0, before = 0, count = 0, told = 0;
	struct line *lines = NULL;
	int fd = open(f->directory, O_TMPFILE | O_RDWR | O_APPEND, 0600);
	assert_true(fd >= 0);
	uint32_t random = (uint32_t)time(NULL);
	struct sequences *s = start_on(f->journal, max_contexts, BOOT); // makes the file
	sequences_free(s);
	for (uint32_t run = 0; run < KILLS; run++) {
		random = random * 1664525 + 1013904223;
		run_and_kill(f, max_contexts, run, fd, random);
		off_t len = lseek(fd, 0, SEEK_END);
		assert_int_equal((size_t)len % sizeof *lines, 0);
		count = (size_t)len / sizeof *lines;
		lines = realloc(lines, (size_t)len + 1);
		assert_non_null(lines);
		assert_int_equal(pread(fd, lines, (size_t)len, 0), len);
		expect_gaps_told(lines + before, count - before, gaps, gap_count);
		told += count - before > 0 && lines[before].kind == LINE_GAP;
		before = count;
		gap_count = expect_disk_to_cover(f, run, lines, count, gaps);
	}
	close(fd);
	qsort(lines, count, sizeof *lines, by_number);
	uint32_t given = 0;
	for (size_t i = 0, last = SIZE_MAX; i < count; i++) {
		if (lines[i].kind != LINE_GIVEN)
			continue;
		assert_false(last != SIZE_MAX && lines[last].xid == lines[i].xid &&
			     lines[last].correlation == lines[i].correlation &&
			     lines[last].first == lines[i].first);
		last = i;
		given++;
	}
	assert_true(given > KILLS * BATCH / 2);
	assert_true(told > KILLS / 4);
	free(lines);
}

static void kill_at_random_moments_repeats_no_number_and_tells_every_gap(void **state)
{
	kill_over_and_over(*state, 64);
}

static void kill_at_random_moments_repeats_no_number_in_a_table_too_small(void **state)
{
	kill_over_and_over(*state, 5);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, files_set_up, files_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_count_from_zero_in_each_context_apart),
		cmocka_unit_test(
			a_context_that_was_given_up_comes_back_under_another_correlation_id),
		cmocka_unit_test(no_number_is_repeated_however_small_the_table),
		cmocka_unit_test(a_correlation_of_zero_is_not_sent),
		FILE_TEST(a_restart_goes_on_with_each_context),
		FILE_TEST(a_clean_end_survives_the_host),
		FILE_TEST(after_an_unclean_end_of_the_host_numbers_jump_and_the_unknown_is_salted),
		FILE_TEST(a_gap_is_what_was_given_and_is_not_safe),
		FILE_TEST(safety_lags_but_never_claims_too_much_when_it_waits_for_long),
		FILE_TEST(contexts_that_found_no_room_in_an_epoch_are_safe_when_all_are),
		FILE_TEST(a_context_that_was_given_up_is_not_known_after_a_restart_either),
		FILE_TEST(the_table_may_grow_and_shrink_between_starts),
		FILE_TEST(no_number_is_repeated_whichever_octet_was_flipped),
		FILE_TEST(no_number_is_repeated_wherever_the_file_was_cut),
		FILE_TEST(a_journal_of_another_version_means_salts_of_this_start),
		FILE_TEST(a_second_process_gets_salts_and_harms_nothing),
		FILE_TEST(without_room_for_a_first_journal_no_number_is_repeated_later),
		FILE_TEST(a_journal_that_takes_no_writes_is_found_out_without_a_number),
		FILE_TEST(a_journal_that_takes_no_writes_is_a_fault_and_repeats_nothing),
		FILE_TEST(no_number_is_repeated_whenever_the_disk_fails),
		FILE_TEST(a_full_or_read_only_disk_is_a_fault_and_repeats_nothing),
		FILE_TEST(kill_at_random_moments_repeats_no_number_and_tells_every_gap),
		FILE_TEST(kill_at_random_moments_repeats_no_number_in_a_table_too_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
