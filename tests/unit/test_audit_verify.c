#include "audit_place.h"

#include <inttypes.h>

enum { LINES = 40, FILES = 4, MOST_LINES = 200 };

// Every octet; under a sanitizer, which is ten times as slow, every fifth, at other places in each line.
#if defined __SANITIZE_ADDRESS__
enum { FLIP_EVERY = 5 };
#else
enum { FLIP_EVERY = 1 };
#endif

static const struct vault_key key = {{1, 2, 3}};

struct part {
	char path[160];
	uint8_t *octets;
	size_t len;
};

struct line_at {
	size_t part, number; // number from 1
	size_t from, len;    // in its part, with its end
};

// A log over three rotated files and the last, kept in memory so that it can be put back.
struct sample {
	struct audit_place place;
	const struct vault_key *key;
	struct part parts[FILES];
	uint8_t *head;
	size_t head_len;
	struct line_at lines[MOST_LINES];
	size_t count;
};

static void tell(struct audit *a, unsigned number)
{
	struct audit_line line;
	audit_begin(&line, number ? "task" : "start");
	audit_text(&line, "action", "added");
	audit_number(&line, "number", number);
	assert_int_equal(audit_tell(a, &line, UINT64_C(1700000000000000000) + number), 0);
}

static void find_lines(struct sample *s)
{
	for (size_t i = 0; i < FILES; i++) {
		size_t number = 0;
		for (size_t from = 0; from < s->parts[i].len;) {
			const uint8_t *end =
				memchr(s->parts[i].octets + from, '\n', s->parts[i].len - from);
			assert_non_null(end);
			size_t len = (size_t)(end - s->parts[i].octets) + 1 - from;
			assert_true(s->count < MOST_LINES);
			s->lines[s->count++] = (struct line_at){i, ++number, from, len};
			from += len;
		}
		assert_true(number > 2);
	}
}

static void read_parts(struct sample *s)
{
	size_t n = 0;
	for (unsigned first = 0; first < MOST_LINES && n < FILES - 1; first++) {
		struct part *part = &s->parts[n];
		snprintf(part->path, sizeof part->path, "%s.%012u", s->place.file, first);
		part->octets = file_read(part->path, &part->len);
		n += part->octets != NULL;
	}
	assert_int_equal(n, FILES - 1);
	snprintf(s->parts[n].path, sizeof s->parts[n].path, "%s", s->place.file);
	s->parts[n].octets = file_read(s->place.file, &s->parts[n].len);
	s->head = file_read(s->place.head, &s->head_len);
	assert_non_null(s->parts[n].octets);
	assert_non_null(s->head);
}

static struct sample *sample_make(const struct vault_key *with)
{
	struct sample *s = calloc(1, sizeof *s);
	struct error error;
	assert_non_null(s);
	audit_place_make(&s->place);
	s->key = with;
	struct audit_settings settings = {s->place.file, with, 2300};
	struct audit *a = audit_open(&settings, NULL, NULL, &error);
	if (!a)
		fail_msg("%s", error.text);
	for (unsigned i = 0; audit_sequence(a) < LINES - 1; i++)
		tell(a, i);
	audit_close(a);
	read_parts(s);
	find_lines(s);
	assert_in_range(s->count, LINES, LINES + 3);
	return s;
}

static void sample_restore(struct sample *s)
{
	for (size_t i = 0; i < FILES; i++)
		file_write(s->parts[i].path, s->parts[i].octets, s->parts[i].len);
	file_write(s->place.head, s->head, s->head_len);
}

static void sample_free(struct sample *s)
{
	for (size_t i = 0; i < FILES; i++)
		free(s->parts[i].octets);
	free(s->head);
	audit_place_remove(&s->place);
	free(s);
}

static struct bytes line_octets(const struct sample *s, size_t i)
{
	return bytes_of(s->parts[s->lines[i].part].octets + s->lines[i].from, s->lines[i].len);
}

// A part with `drop` octets at `at` replaced by `put`.
static void part_splice(struct sample *s, size_t part, size_t at, size_t drop, struct bytes put)
{
	uint8_t *octets = malloc(s->parts[part].len + put.len);
	struct writer w = writer_of(octets, s->parts[part].len + put.len);
	struct bytes whole = bytes_of(s->parts[part].octets, s->parts[part].len);
	assert_non_null(octets);
	write_bytes(&w, bytes_slice(whole, 0, at));
	write_bytes(&w, put);
	write_bytes(&w, bytes_slice(whole, at + drop, whole.len));
	file_write(s->parts[part].path, w.at, w.len);
	free(octets);
}

static const char *where(const struct sample *s, size_t part, size_t number)
{
	static char text[200];
	snprintf(text, sizeof text, "%s:%zu", s->parts[part].path, number);
	return text;
}

static const char *where_line(const struct sample *s, size_t i)
{
	return where(s, s->lines[i].part, s->lines[i].number);
}

static bool is_last_of_part(const struct sample *s, size_t i)
{
	return i + 1 == s->count || s->lines[i + 1].part != s->lines[i].part;
}

static void each(void check(struct sample *s, size_t i))
{
	const struct vault_key *keys[] = {NULL, &key};
	for (size_t k = 0; k < 2; k++) {
		struct sample *s = sample_make(keys[k]);
		for (size_t i = 0; i < s->count; i++) {
			check(s, i);
			sample_restore(s);
		}
		verify_is_good(s->place.file, s->key);
		sample_free(s);
	}
}

// --- nothing --------------------------------------------------------------------------------------------------

static void an_untouched_log_is_good(void **state)
{
	(void)state;
	struct sample *s = sample_make(&key);
	char *text, wanted[200];
	verify_is_good(s->place.file, &key);
	assert_int_equal(verify_text(s->place.file, NULL, false, &text), AUDIT_GOOD);
	snprintf(wanted, sizeof wanted,
		"GOOD: %s: %zu lines in 4 files, no. 0 of 2023-11-14T22:13:20.000000000Z to ",
		s->place.file, s->count);
	assert_ptr_equal(strstr(text, wanted), text);
	assert_non_null(
		strstr(text, "heads are signed and were not checked, since no key was given"));
	free(text);
	sample_free(s);
}

static void each_file_alone_is_good(void **state)
{
	(void)state;
	struct sample *s = sample_make(&key);
	for (size_t i = 0; i < FILES; i++) {
		char *text;
		assert_int_equal(verify_text(s->parts[i].path, &key, true, &text), AUDIT_GOOD);
		free(text);
	}
	sample_free(s);
}

static void a_log_that_is_not_there_is_no_good_log(void **state)
{
	(void)state;
	struct audit_place place;
	char *text;
	audit_place_make(&place);
	for (int single = 0; single < 2; single++) {
		assert_int_not_equal(verify_text(place.file, NULL, single, &text), AUDIT_GOOD);
		free(text);
	}
	audit_place_remove(&place);
}

// --- each line ------------------------------------------------------------------------------------------------

static void flip_each_octet(struct sample *s, size_t i)
{
	const struct line_at *line = &s->lines[i];
	for (size_t o = i % FLIP_EVERY; o < line->len; o += FLIP_EVERY) {
		uint8_t octet = (uint8_t)(line_octets(s, i).at[o] ^ 1 << o % 8);
		part_splice(s, line->part, line->from + o, 1, bytes_of(&octet, 1));
		verify_finds(s->place.file, s->key, where_line(s, i), "");
	}
}

static void every_flipped_octet_is_found_in_its_line(void **state)
{
	(void)state;
	each(flip_each_octet);
}

static void change_a_value(struct sample *s, size_t i)
{
	static const char clock[] = "ynchronised";
	const struct line_at *line = &s->lines[i];
	struct bytes text = line_octets(s, i);
	const uint8_t *at = memmem(text.at, text.len, clock, sizeof clock - 1);
	assert_non_null(at);
	part_splice(s, line->part, line->from + (size_t)(at - text.at), 1, bytes_of_text("Y"));
	verify_finds(s->place.file, s->key, where_line(s, i), "changed: ");
}

static void a_changed_value_is_told_as_changed(void **state)
{
	(void)state;
	each(change_a_value);
}

static void drop_line(struct sample *s, size_t i)
{
	const struct line_at *line = &s->lines[i];
	part_splice(s, line->part, line->from, line->len, (struct bytes){0});
	if (i + 1 == s->count)
		verify_finds(
			s->place.file, s->key, where_line(s, i - 1), ": 1 is missing at its end");
	else if (is_last_of_part(s, i))
		verify_finds(s->place.file, s->key, where(s, line->part + 1, 1),
			"removed: one line before");
	else
		verify_finds(s->place.file, s->key, where_line(s, i), "removed: one line before");
}

static void every_dropped_line_is_found(void **state)
{
	(void)state;
	each(drop_line);
}

static void drop_three(struct sample *s, size_t i)
{
	const struct line_at *line = &s->lines[i];
	if (i + 3 >= s->count || s->lines[i + 3].part != line->part)
		return;
	part_splice(
		s, line->part, line->from, s->lines[i + 3].from - line->from, (struct bytes){0});
	verify_finds(s->place.file, s->key, where_line(s, i), "removed: 3 lines before");
}

static void it_is_told_how_many_were_dropped(void **state)
{
	(void)state;
	each(drop_three);
}

static void insert_copies(struct sample *s, size_t i)
{
	const struct line_at *line = &s->lines[i];
	char copied[256];
	snprintf(copied, sizeof copied, "inserted: this line is a copy of %s", where_line(s, i));
	part_splice(s, line->part, line->from + line->len, 0, line_octets(s, i));
	verify_finds(s->place.file, s->key, where(s, line->part, line->number + 1), copied);
	sample_restore(s);
	for (size_t j = i + 1; j < s->count; j += 7) { // a copy of a line that comes later
		part_splice(s, line->part, line->from, 0, line_octets(s, j));
		verify_finds(s->place.file, s->key, where_line(s, i), "inserted: ");
		sample_restore(s);
	}
}

static void every_inserted_copy_is_found(void **state)
{
	(void)state;
	each(insert_copies);
}

static size_t forge(const struct sample *s, size_t i, bool right_link, uint8_t out[static 1024])
{
	struct bytes real = line_octets(s, i);
	struct writer w = writer_of(out, 1024);
	size_t link = 64 + 3; // hash, quote, brace, end of line
	write_bytes(
		&w, bytes_slice(real, 0,
			    (size_t)((const uint8_t *)memchr(real.at, ',', real.len) - real.at)));
	write_text(&w, ",\"time\":\"2023-11-14T22:13:20.000000000Z\",\"clock\":\"synchronised\","
		       "\"event\":\"command\",\"prev\":\"");
	write_bytes(&w, bytes_slice(real, real.len - link, link));
	assert_false(w.overflow);
	if (!right_link)
		out[w.len - link] = out[w.len - link] == '0' ? '1' : '0';
	return w.len;
}

static void insert_forged(struct sample *s, size_t i)
{
	uint8_t text[1024];
	const struct line_at *line = &s->lines[i];
	for (int right = 0; right < 2; right++) {
		size_t len = forge(s, i, right, text);
		part_splice(s, line->part, line->from, 0, bytes_of(text, len));
		verify_finds(s->place.file, s->key, where_line(s, i), "inserted: ");
		sample_restore(s);
		part_splice(s, line->part, line->from + line->len, 0, bytes_of(text, len));
		verify_finds(s->place.file, s->key, where(s, line->part, line->number + 1),
			"inserted: ");
		sample_restore(s);
	}
	part_splice(s, line->part, line->from, 0, bytes_of_text("hello\n"));
	verify_finds(s->place.file, s->key, where_line(s, i), "inserted: ");
}

static void every_forged_line_with_the_right_number_is_found(void **state)
{
	(void)state;
	each(insert_forged);
}

static void swap_lines(struct sample *s, size_t i)
{
	const struct line_at *a = &s->lines[i], *b = a + 1;
	if (i + 1 == s->count)
		return;
	if (a->part == b->part) {
		uint8_t both[2048];
		struct writer w = writer_of(both, sizeof both);
		write_bytes(&w, line_octets(s, i + 1));
		write_bytes(&w, line_octets(s, i));
		assert_false(w.overflow);
		part_splice(s, a->part, a->from, w.len, writer_bytes(&w));
	} else {
		part_splice(s, a->part, a->from, a->len, line_octets(s, i + 1));
		part_splice(s, b->part, b->from, b->len, line_octets(s, i));
	}
	verify_finds(s->place.file, s->key, where_line(s, i), "swapped: ");
}

static void every_swap_is_found(void **state)
{
	(void)state;
	each(swap_lines);
}

static void cut_log(struct sample *s, size_t i)
{
	const struct line_at *line = &s->lines[i];
	if (i + 1 == s->count)
		return;
	part_splice(
		s, line->part, line->from + line->len, s->parts[line->part].len, (struct bytes){0});
	if (!is_last_of_part(s, i) && line->part + 1 < FILES)
		verify_finds(s->place.file, s->key, where(s, line->part + 1, 1), "removed: ");
	for (size_t part = line->part + 1; part < FILES; part++)
		assert_int_equal(unlink(s->parts[part].path), 0);
	char wanted[128];
	snprintf(wanted, sizeof wanted,
		"cut short: the log ends here with %zu lines, and its head counts %zu", i + 1,
		s->count);
	verify_finds(s->place.file, s->key, where_line(s, i), wanted);
}

static void a_cut_after_every_line_is_found(void **state)
{
	(void)state;
	each(cut_log);
}

static void cut_within(struct sample *s, size_t i)
{
	const struct line_at *line = &s->lines[i];
	for (size_t keep = 1; keep < line->len; keep += i + 1 == s->count ? 37 : line->len / 2) {
		part_splice(s, line->part, line->from + keep, s->parts[line->part].len,
			(struct bytes){0});
		verify_finds(s->place.file, s->key, where_line(s, i), "cut short: ");
	}
}

static void a_cut_within_a_line_is_found(void **state)
{
	(void)state;
	each(cut_within);
}

// --- files, heads, keys ---------------------------------------------------------------------------------------

static void a_rotated_file_that_is_gone_is_named(void **state)
{
	(void)state;
	struct sample *s = sample_make(&key);
	for (size_t i = 0; i + 1 < FILES; i++) {
		char wanted[256];
		snprintf(wanted, sizeof wanted, "the rotated file %s is missing", s->parts[i].path);
		assert_int_equal(unlink(s->parts[i].path), 0);
		verify_finds(s->place.file, &key, where(s, i + 1, 1), wanted);
		sample_restore(s);
	}
	sample_free(s);
}

static void a_renamed_rotated_file_is_found(void **state)
{
	(void)state;
	struct sample *s = sample_make(&key);
	char other[200];
	snprintf(other, sizeof other, "%s.000000000001", s->place.file);
	assert_int_equal(rename(s->parts[0].path, other), 0);
	char at[220];
	snprintf(at, sizeof at, "%s:1", other);
	verify_finds(s->place.file, &key, at, "renamed");
	unlink(other);
	sample_restore(s);
	sample_free(s);
}

static void every_flipped_octet_of_the_head_is_found(void **state)
{
	(void)state;
	const struct vault_key *keys[] = {NULL, &key};
	for (size_t k = 0; k < 2; k++) {
		struct sample *s = sample_make(keys[k]);
		char at[160];
		snprintf(at, sizeof at, "%s:1", s->place.head);
		for (size_t i = 0; i < s->head_len; i++) {
			s->head[i] ^= (uint8_t)(1 << i % 8);
			file_write(s->place.head, s->head, s->head_len);
			verify_finds(s->place.file, s->key, at, "changed");
			s->head[i] ^= (uint8_t)(1 << i % 8);
		}
		file_write(s->place.head, s->head, s->head_len - 1);
		verify_finds(s->place.file, s->key, at, "changed");
		unlink(s->place.head);
		verify_finds(s->place.file, s->key, at, "missing");
		sample_free(s);
	}
}

static void another_key_does_not_fit(void **state)
{
	(void)state;
	static const struct vault_key other = {{9}};
	struct sample *s = sample_make(&key);
	char at[160], *text;
	snprintf(at, sizeof at, "%s:1", s->place.head);
	verify_finds(s->place.file, &other, at, "wrong HMAC");
	assert_int_equal(verify_text(s->parts[0].path, &other, true, &text), AUDIT_BAD);
	assert_non_null(strstr(text, "wrong HMAC: this head was not signed with this key"));
	free(text);
	sample_free(s);
	s = sample_make(NULL); // never signed: who has the key must not take it for signed
	snprintf(at, sizeof at, "%s:1", s->place.head);
	verify_finds(s->place.file, &key, at, "not signed");
	sample_free(s);
}

// Who can write the log but has no key rewrites line `i` and all after it, and the head.
static void rewrite_from(struct sample *s, size_t i)
{
	struct error error;
	struct audit_place other;
	audit_place_make(&other);
	struct audit_settings settings = {other.file, NULL, UINT64_MAX};
	struct audit *a = audit_open(&settings, NULL, NULL, &error);
	assert_non_null(a);
	for (size_t j = 0; j < i; j++)
		tell(a, (unsigned)j + 7);
	audit_close(a);
	size_t len = 0;
	uint8_t *octets = file_read(other.file, &len), *head = file_read(other.head, &(size_t){0});
	for (size_t part = 0; part + 1 < FILES; part++)
		unlink(s->parts[part].path);
	file_write(s->place.file, octets, len);
	file_write(s->place.head, head, s->head_len);
	free(octets);
	free(head);
	audit_place_remove(&other);
}

static void a_log_rewritten_whole_is_found_with_the_key_alone(void **state)
{
	(void)state;
	char at[160];
	struct sample *s = sample_make(&key);
	rewrite_from(s, 50);
	snprintf(at, sizeof at, "%s:1", s->place.head);
	verify_finds(s->place.file, &key, at, "not signed");
	verify_is_good(s->place.file, NULL); // as the manual says
	sample_restore(s);
	file_write(s->place.head, s->head, s->head_len);
	sample_free(s);
}

static void two_changes_far_apart_are_both_named(void **state)
{
	(void)state;
	struct sample *s = sample_make(NULL);
	const struct line_at *a = &s->lines[2], *b = &s->lines[20];
	char *text, wanted[220];
	part_splice(s, a->part, a->from + 20, 1, bytes_of_text("x"));
	part_splice(s, b->part, b->from, b->len, (struct bytes){0});
	assert_int_equal(verify_text(s->place.file, NULL, false, &text), AUDIT_BAD);
	snprintf(wanted, sizeof wanted, "%s: changed", where_line(s, 2));
	if (!strstr(text, wanted))
		fail_msg("%s", text);
	snprintf(wanted, sizeof wanted, "%s: removed: one line", where_line(s, 20));
	if (!strstr(text, wanted))
		fail_msg("%s", text);
	if (!strstr(text, "; 2 findings\n"))
		fail_msg("%s", text);
	free(text);
	sample_free(s);
}

static void findings_without_end_are_counted(void **state)
{
	(void)state;
	struct audit_place place;
	char *text, *garbage = malloc(5000 * 2 + 100000);
	audit_place_make(&place);
	assert_non_null(garbage);
	for (size_t i = 0; i < 5000; i++)
		memcpy(garbage + 2 * i, "x\n", 2);
	memset(garbage + 10000, 'y', 100000); // and a line that is too long for memory of ours
	file_write(place.file, garbage, 110000);
	assert_int_equal(verify_text(place.file, NULL, false, &text), AUDIT_BAD);
	assert_non_null(strstr(text, "and more, which are counted and not shown\n"));
	assert_non_null(strstr(text, "; 5002 findings\n"));
	assert_true(strlen(text) < 40000);
	free(text);
	free(garbage);
	audit_place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_untouched_log_is_good),
		cmocka_unit_test(each_file_alone_is_good),
		cmocka_unit_test(a_log_that_is_not_there_is_no_good_log),
		cmocka_unit_test(every_flipped_octet_is_found_in_its_line),
		cmocka_unit_test(a_changed_value_is_told_as_changed),
		cmocka_unit_test(every_dropped_line_is_found),
		cmocka_unit_test(it_is_told_how_many_were_dropped),
		cmocka_unit_test(every_inserted_copy_is_found),
		cmocka_unit_test(every_forged_line_with_the_right_number_is_found),
		cmocka_unit_test(every_swap_is_found),
		cmocka_unit_test(a_cut_after_every_line_is_found),
		cmocka_unit_test(a_cut_within_a_line_is_found),
		cmocka_unit_test(a_rotated_file_that_is_gone_is_named),
		cmocka_unit_test(a_renamed_rotated_file_is_found),
		cmocka_unit_test(every_flipped_octet_of_the_head_is_found),
		cmocka_unit_test(another_key_does_not_fit),
		cmocka_unit_test(a_log_rewritten_whole_is_found_with_the_key_alone),
		cmocka_unit_test(two_changes_far_apart_are_both_named),
		cmocka_unit_test(findings_without_end_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
