#include "audit_place.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

enum { LONG_VALUE = 4095 };
#define START_NS UINT64_C(1700000000123456789)
#define HOUR_NS UINT64_C(3600000000000)

static const struct vault_key key = {{4, 5, 6}};

static struct audit *must_open_read(
	const struct audit_place *p, uint64_t max_octets, audit_reader *each, void *context)
{
	struct error error;
	struct audit_settings settings = {p->file, &key, max_octets};
	struct audit *a = audit_open(&settings, each, context, &error);
	if (!a || error.code)
		fail_msg("%s", error.text);
	return a;
}

static struct audit *must_open(const struct audit_place *p)
{
	return must_open_read(p, 1 << 20, NULL, NULL);
}

static int refused(const struct audit_place *p, const char *what)
{
	struct error error;
	struct audit_settings settings = {p->file, &key, 1 << 20};
	struct audit *a = audit_open(&settings, NULL, NULL, &error);
	assert_null(a);
	if (!strstr(error.text, what))
		fail_msg("%s", error.text);
	return error.code;
}

static int tell_number(struct audit *a, const char *event, uint64_t number, uint64_t now_ns)
{
	struct audit_line line;
	audit_begin(&line, event);
	audit_number(&line, "number", number);
	return audit_tell(a, &line, now_ns);
}

static char *log_text(const struct audit_place *p)
{
	size_t len;
	char *text = (char *)file_read(p->file, &len);
	assert_non_null(text);
	return text;
}

static void log_has(const struct audit_place *p, const char *wanted)
{
	char *text = log_text(p);
	if (!strstr(text, wanted))
		fail_msg("wanted %s in\n%s", wanted, text);
	free(text);
}

static size_t times_in_log(const struct audit_place *p, const char *wanted)
{
	size_t count = 0;
	char *text = log_text(p);
	for (const char *at = text; (at = strstr(at, wanted)); at++)
		count++;
	free(text);
	return count;
}

// --- lines ----------------------------------------------------------------------------------------------------

static void a_line_has_its_members_in_order(void **state)
{
	(void)state;
	struct audit_place p;
	struct audit_line line;
	audit_place_make(&p);
	struct audit *a = must_open(&p);
	audit_begin(&line, "task");
	audit_text(&line, "xid", "29f28e1c-f230-486a-a860-f5a784ab9172");
	audit_number(&line, "n", UINT64_MAX);
	audit_integer(&line, "i", INT64_MIN);
	audit_bool(&line, "wide", true);
	assert_int_equal(audit_sequence(a), 0);
	assert_int_equal(audit_tell(a, &line, START_NS), 0);
	assert_int_equal(audit_sequence(a), 1);
	for (size_t i = 0; i < sizeof line; i++) // wiped
		assert_int_equal(((const uint8_t *)&line)[i], 0);
	char *text = log_text(&p);
	const char *synchronised =
		"{\"seq\":0,\"time\":\"2023-11-14T22:13:20.123456789Z\",\"clock\":\"";
	assert_ptr_equal(strstr(text, synchronised), text);
	const char *members =
		"synchronised\",\"event\":\"task\",\"xid\":\"29f28e1c-f230-486a-a860-f5a784ab9172\","
		"\"n\":18446744073709551615,\"i\":-9223372036854775808,\"wide\":true,\"prev\":\"";
	assert_non_null(strstr(text, members));
	assert_string_equal(text + strlen(text) - 64 - 3,
		"0000000000000000000000000000000000000000000000000000000000000000\"}\n");
	free(text);
	audit_close(a);
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

static void odd_octets_are_escaped_and_verify(void **state)
{
	(void)state;
	struct audit_place p;
	struct audit_line line;
	audit_place_make(&p);
	struct audit *a = must_open(&p);
	char all[256];
	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	const char *texts[] = {all, "", "\",\"event\":\"start\",\"x\":\"",
		"\xf0\x9f\x93\x9e \xe2\x82\xac", "line\nline\r\n",
		"\xc2\x9b"
		"31m"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		audit_begin(&line, "command");
		audit_text(&line, "text", texts[i]);
		assert_int_equal(audit_tell(a, &line, START_NS), 0);
	}
	audit_close(a);
	log_has(&p, "\"text\":\"line\\u000aline\\u000d\\u000a\"");
	log_has(&p, "\\u009b31m");
	log_has(&p, "\xf0\x9f\x93\x9e \xe2\x82\xac");
	assert_int_equal(times_in_log(&p, "\n"), sizeof texts / sizeof *texts + 1);
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

static void a_value_that_is_too_long_is_cut_and_says_so(void **state)
{
	(void)state;
	static const char fills[] = {'a', '"', '\x01', '\xff'};
	struct audit_place p;
	struct audit_line line;
	char value[LONG_VALUE + 1];
	audit_place_make(&p);
	struct audit *a = must_open(&p);
	for (size_t f = 0; f < sizeof fills; f++)
		for (size_t len = LONG_VALUE - 70; len <= LONG_VALUE; len++) {
			memset(value, fills[f], len);
			value[len] = '\0';
			audit_begin(&line, "command");
			audit_text(&line, "text", value);
			bool cut = line.failed;
			assert_true(f == 0 || cut);
			audit_text(&line, "more", "b"); // fits or not
			audit_number(&line, "number", 7);
			assert_true(line.len < sizeof line.text);
			assert_int_equal(audit_tell(a, &line, START_NS), 0);
		}
	audit_close(a);
	log_has(&p, ",\"cut\":true,\"prev\":");
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

static void a_clock_that_is_set_back_is_no_error(void **state)
{
	(void)state;
	struct audit_place p;
	audit_place_make(&p);
	struct audit *a = must_open(&p);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(tell_number(a, "task", i, START_NS - i * HOUR_NS), 0);
		assert_int_equal(audit_tick(a, START_NS - i * HOUR_NS), 0);
	}
	assert_int_equal(times_in_log(&p, "\"event\":\"head\""), 0);
	audit_close(a);
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

static void every_hour_a_head_is_told(void **state)
{
	(void)state;
	struct audit_place p;
	audit_place_make(&p);
	struct audit *a = must_open(&p);
	for (uint64_t s = 0; s <= 3 * 3600; s++)
		assert_int_equal(audit_tick(a, START_NS + s * 1000000000), 0);
	assert_int_equal(times_in_log(&p, "\"event\":\"head\",\"hmac\":\""), 3);
	audit_close(a);
	assert_int_equal(times_in_log(&p, "\"event\":\"head\",\"hmac\":\""), 4);
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

// --- restart --------------------------------------------------------------------------------------------------

struct seen {
	uint64_t numbers[4096];
	size_t count;
};

static void note_number(void *context, struct bytes line)
{
	struct seen *seen = context;
	const char *member = "\"number\":";
	const uint8_t *at = memmem(line.at, line.len, member, strlen(member));
	assert_true(line.len > 2 && line.at[0] == '{' && line.at[line.len - 1] == '}');
	if (at)
		seen->numbers[seen->count++] =
			strtoull((const char *)at + strlen(member), NULL, 10);
}

static void a_restart_reads_all_since_the_last_start(void **state)
{
	(void)state;
	struct audit_place p;
	struct seen *seen = calloc(1, sizeof *seen);
	assert_non_null(seen);
	audit_place_make(&p);
	for (unsigned run = 0; run < 3; run++) { // over many rotations
		struct audit *a = must_open_read(&p, 900, note_number, seen);
		assert_int_equal(seen->count, run ? 50 : 0);
		for (size_t i = 0; i < seen->count; i++)
			assert_int_equal(seen->numbers[i], (run - 1) * 100 + i);
		seen->count = 0;
		for (unsigned i = 0; i < 50; i++)
			assert_int_equal(
				tell_number(a, i ? "task" : "start", run * 100 + i, START_NS), 0);
		audit_close(a);
		verify_is_good(p.file, &key);
	}
	free(seen);
	audit_place_remove(&p);
}

static void a_torn_line_is_kept_as_text(void **state)
{
	(void)state;
	static const char torn[] = "{\"seq\":2,\"time\":\"20\0\xff";
	struct audit_place p;
	audit_place_make(&p);
	struct audit *a = must_open(&p);
	assert_int_equal(tell_number(a, "start", 1, START_NS), 0);
	audit_close(a);
	int fd = open(p.file, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, torn, sizeof torn - 1), sizeof torn - 1);
	close(fd);
	char *text;
	assert_int_equal(verify_text(p.file, &key, false, &text), AUDIT_BAD);
	assert_non_null(strstr(text, "audit.jsonl:3: cut short"));
	free(text);
	audit_close(must_open(&p));
	log_has(&p,
		"\"event\":\"torn\",\"octets\":21,\"text\":\"{\\\"seq\\\":2,\\\"time\\\":\\\"20");
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

// Killed between the line and its head: as if the head were one line older.
static void a_line_that_the_head_does_not_name_is_told(void **state)
{
	(void)state;
	struct audit_place p;
	size_t len = 0;
	audit_place_make(&p);
	struct audit *a = must_open(&p);
	assert_int_equal(tell_number(a, "start", 1, START_NS), 0);
	uint8_t *head = file_read(p.head, &len);
	audit_close(a);
	file_write(p.head, head, len);
	free(head);
	char where[128], *text;
	snprintf(where, sizeof where, "%s:2", p.file);
	verify_finds(p.file, &key, where, "not confirmed");
	audit_close(must_open(&p));
	log_has(&p, "\"event\":\"unconfirmed\",\"first\":1,\"lines\":1,");
	assert_int_equal(verify_text(p.file, &key, false, &text), AUDIT_GOOD);
	assert_non_null(strstr(text, "audit.jsonl:3: note: "));
	free(text);
	audit_place_remove(&p);
}

// What is wrong with the end of the log begins a new chain, and the old one stays as it was.
static void is_moved_aside(const struct audit_place *p, const char *why)
{
	struct error error;
	struct audit_settings settings = {p->file, &key, 1200};
	struct seen seen = {.count = 0};
	struct audit *a = audit_open(&settings, note_number, &seen, &error);
	if (!a)
		fail_msg("%s", error.text);
	assert_int_equal(error.code, -EBADMSG);
	if (!strstr(error.text, why))
		fail_msg("%s", error.text);
	assert_int_equal(seen.count, 0);
	assert_int_equal(audit_sequence(a), 1);
	log_has(p, "{\"seq\":0,");
	log_has(p, "\"event\":\"damaged\",\"found\":\"");
	log_has(p, "\"moved\":\"audit.jsonl.damaged-");
	assert_int_equal(tell_number(a, "start", 1, START_NS), 0);
	audit_close(a);
	verify_is_good(p->file, &key);
	DIR *dir = opendir(p->directory);
	bool found = false;
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[400], *text;
		size_t len = strlen(entry->d_name);
		if (!strstr(entry->d_name, ".damaged-") || !strstr(entry->d_name, "Z.head") ||
			len < 6)
			continue;
		snprintf(path, sizeof path, "%s/%.*s", p->directory, (int)len - 5, entry->d_name);
		assert_int_equal(verify_text(path, &key, false, &text), AUDIT_BAD);
		free(text);
		found = true;
	}
	closedir(dir);
	assert_true(found);
}

static void fill(const struct audit_place *p, uint64_t max_octets)
{
	struct audit *a = must_open_read(p, max_octets, NULL, NULL);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(tell_number(a, i ? "task" : "start", i, START_NS), 0);
	audit_close(a);
}

static void a_damaged_end_is_moved_aside(void **state)
{
	(void)state;
	struct audit_place p;
	for (unsigned how = 0; how < 7; how++) {
		size_t len = 0;
		audit_place_make(&p);
		fill(&p, how == 6 ? 1200 : 1 << 20);
		uint8_t *log = file_read(p.file, &len);
		const char *why = "";
		if (how == 0) { // the last line is gone
			const uint8_t *end = memrchr(log, '\n', len - 1);
			file_write(p.file, log, (size_t)(end - log) + 1);
			why = "it is shorter than its head says: 20 lines are there of 21";
		} else if (how == 1) {
			log[len - 100] ^= 1;
			file_write(p.file, log, len);
			why = "the line that its head names was changed";
		} else if (how == 2) {
			log[len / 2] = log[len / 2] == '1' ? '2' : '1';
			file_write(p.file, log, len);
			why = "a line"; // changed, or none that x2tap wrote
		} else if (how == 3) {
			unlink(p.head);
			why = "its head is missing";
		} else if (how == 4) {
			file_write(p.head, "hello", 5);
			why = "its head was changed";
		} else if (how == 5) {
			file_write(p.file, log, len - 1);
			why = "it is shorter than its head says: 20 lines are there of 21";
		} else {
			unlink(p.file);
			why = "it is shorter than its head says";
		}
		free(log);
		if (how == 3) { // nothing to verify the end of the old one by
			struct error error;
			struct audit_settings settings = {p.file, &key, 1200};
			struct audit *a = audit_open(&settings, NULL, NULL, &error);
			assert_non_null(a);
			assert_int_equal(error.code, -EBADMSG);
			assert_non_null(strstr(error.text, why));
			audit_close(a);
			verify_is_good(p.file, &key);
		} else {
			is_moved_aside(&p, why);
		}
		audit_place_remove(&p);
	}
}

static void another_key_begins_another_chain(void **state)
{
	(void)state;
	static const struct vault_key other = {{7}};
	struct audit_place p;
	struct error error;
	audit_place_make(&p);
	fill(&p, 1 << 20);
	struct audit_settings settings = {p.file, &other, 1 << 20};
	struct audit *a = audit_open(&settings, NULL, NULL, &error);
	assert_non_null(a);
	assert_int_equal(error.code, -EBADMSG);
	assert_non_null(strstr(error.text, "signed with another key"));
	audit_close(a);
	verify_is_good(p.file, &other);
	audit_place_remove(&p);
}

static void a_key_may_come_later_and_its_absence_is_found(void **state)
{
	(void)state;
	struct audit_place p;
	struct error error;
	audit_place_make(&p);
	struct audit_settings settings = {p.file, NULL, 1 << 20};
	struct audit *a = audit_open(&settings, NULL, NULL, &error);
	assert_non_null(a);
	assert_int_equal(tell_number(a, "start", 1, START_NS), 0);
	audit_close(a);
	fill(&p, 1 << 20); // with the key
	verify_is_good(p.file, &key);
	a = audit_open(&settings, NULL, NULL, &error); // without it
	assert_non_null(a);
	assert_int_equal(error.code, 0);
	assert_int_equal(tell_number(a, "start", 1, START_NS), 0);
	audit_close(a);
	char *text;
	assert_int_equal(verify_text(p.file, &key, false, &text), AUDIT_BAD);
	assert_non_null(strstr(text, "audit.jsonl.head:1: not signed"));
	assert_non_null(strstr(text, "not signed: this head carries no HMAC"));
	free(text);
	audit_place_remove(&p);
}

// --- kill -9 --------------------------------------------------------------------------------------------------

// An octet into `steps` before the opening and before each line.
static void write_until_killed(const struct audit_place *p, int steps)
{
	struct error error;
	struct audit_settings settings = {p->file, &key, 3000};
	if (write(steps, "", 1) != 1)
		_exit(1);
	struct audit *a = audit_open(&settings, NULL, NULL, &error);
	if (!a || error.code)
		_exit(1);
	for (uint64_t i = 0; write(steps, "", 1) == 1; i++) {
		tell_number(a, i ? "task" : "start", i, START_NS + i);
		audit_tick(a, START_NS + i);
	}
	_exit(1);
}

// Some steps and a random time later; steps, since on a busy host a time alone may be over before the writer has run at all.
static void kill_at_random(const struct audit_place *p)
{
	int steps[2], status;
	char step;
	assert_int_equal(pipe(steps), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		write_until_killed(p, steps[1]);
	for (int i = rand() % 60; i >= 0; i--)
		assert_int_equal(read(steps[0], &step, 1), 1);
	nanosleep(&(struct timespec){.tv_nsec = rand() % 300000}, NULL);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	close(steps[0]);
	close(steps[1]);
}

static void whatever_moment_it_is_killed_at_the_chain_goes_on(void **state)
{
	(void)state;
	struct audit_place p;
	uint64_t before = 0;
	audit_place_make(&p);
	srand(4);
	for (int kills = 0; kills < 40; kills++) {
		kill_at_random(&p);
		struct audit *a = must_open(&p);
		assert_true(audit_sequence(a) >= before);
		before = audit_sequence(a);
		audit_close(a);
		verify_is_good(p.file, &key);
	}
	assert_true(before > 400);
	audit_place_remove(&p);
}

// --- who may, and who else -------------------------------------------------------------------------------------

static void a_second_writer_is_refused(void **state)
{
	(void)state;
	struct audit_place p;
	audit_place_make(&p);
	struct audit *a = must_open_read(&p, 600, NULL, NULL);
	assert_int_equal(refused(&p, "another process writes this log"), -EBUSY);
	for (unsigned i = 0; i < 20; i++) // also behind rotations
		assert_int_equal(tell_number(a, "task", i, START_NS), 0);
	assert_int_equal(refused(&p, "another process writes this log"), -EBUSY);
	audit_close(a);
	audit_close(must_open(&p));
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

static void what_others_can_write_to_is_refused(void **state)
{
	(void)state;
	struct audit_place p;
	struct stat st;
	audit_place_make(&p);
	fill(&p, 1 << 20);
	assert_int_equal(stat(p.file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(p.head, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	const char *paths[] = {p.directory, p.file, p.head};
	for (size_t i = 0; i < 3; i++) {
		chmod(paths[i], i ? 0620 : 0770);
		assert_int_equal(refused(&p, "others can write to it"), -EPERM);
		chmod(paths[i], i ? 0602 : 0702);
		assert_int_equal(refused(&p, "others can write to it"), -EPERM);
		chmod(paths[i], i ? 0600 : 0700);
	}
	audit_close(must_open(&p));
	audit_place_remove(&p);
}

static void a_symbolic_link_is_not_followed(void **state)
{
	(void)state;
	struct audit_place p;
	char other[128];
	audit_place_make(&p);
	snprintf(other, sizeof other, "%s/other", p.directory);
	file_write(other, "", 0);
	const char *paths[] = {p.file, p.head};
	for (size_t i = 0; i < 2; i++) {
		unlink(p.head);
		assert_int_equal(symlink("other", paths[i]), 0);
		assert_int_equal(refused(&p, "symbolic link"), -ELOOP);
		unlink(paths[i]);
	}
	assert_int_equal(mkdir(p.file, 0700), 0);
	refused(&p, "irectory");
	rmdir(p.file);
	audit_place_remove(&p);
}

static void a_log_that_is_moved_away_is_noticed(void **state)
{
	(void)state;
	struct audit_place p;
	char other[128];
	audit_place_make(&p);
	snprintf(other, sizeof other, "%s/other", p.directory);
	struct audit *a = must_open_read(&p, 600, NULL, NULL);
	assert_int_equal(tell_number(a, "start", 0, START_NS), 0);
	assert_int_equal(rename(p.file, other), 0);
	assert_int_equal(audit_tick(a, START_NS), -ESTALE);
	for (unsigned i = 0; i < 10; i++) // nothing is lost, and nothing of another's is renamed
		assert_int_equal(tell_number(a, "task", i, START_NS), 0);
	assert_int_equal(rename(other, p.file), 0);
	audit_close(a);
	verify_is_good(p.file, &key);
	audit_place_remove(&p);
}

// --- no room --------------------------------------------------------------------------------------------------

static bool mount_small(const struct audit_place *p)
{
	if (geteuid() != 0 || mount("none", p->directory, "tmpfs", 0, "size=64k,mode=0700")) {
		print_message("SKIPPED LOUDLY: no tmpfs can be mounted (not root?), so a full disk "
			      "was not tried\n");
		return false;
	}
	return true;
}

static void a_full_disk_keeps_lines_and_counts_the_rest(void **state)
{
	(void)state;
	struct audit_place p;
	struct seen *seen = calloc(1, sizeof *seen);
	char filler[128];
	static const char zeros[65536];
	assert_non_null(seen);
	audit_place_make(&p);
	if (!mount_small(&p)) {
		free(seen);
		audit_place_remove(&p);
		skip();
	}
	struct audit *a = must_open(&p);
	snprintf(filler, sizeof filler, "%s/filler", p.directory);
	assert_int_equal(tell_number(a, "start", 0, START_NS), 0);
	int fd = open(filler, O_WRONLY | O_CREAT, 0600);
	while (write(fd, zeros, sizeof zeros) > 0)
		;
	close(fd);
	uint64_t number = 1, refusals = 0;
	for (; refusals < 300; number++) {
		int r = tell_number(a, "task", number, START_NS + number);
		assert_true(r == 0 || r == -ENOSPC);
		assert_true(r || !refusals); // once full it stays full
		refusals += r != 0;
	}
	assert_int_equal(audit_tick(a, START_NS), -ENOSPC);
	char *text;
	enum audit_verdict verdict = verify_text(p.file, &key, false, &text);
	if (verdict != AUDIT_GOOD) // no part of a line stays
		fail_msg("%s", text);
	free(text);
	assert_int_equal(unlink(filler), 0);
	file_write(filler, zeros, 20000); // there is room again, but not much
	assert_int_equal(audit_tick(a, START_NS + 1000), -ENOSPC);
	assert_int_equal(
		tell_number(a, "task", number, START_NS), -ENOSPC); // counted: some were before it
	assert_int_equal(unlink(filler), 0);
	assert_int_equal(audit_tick(a, START_NS + 2000), 0);
	assert_int_equal(tell_number(a, "task", number + 1, START_NS), 0);
	log_has(&p, "\"event\":\"missing\",\"lines\":45,");
	audit_close(a);
	verify_is_good(p.file, &key);
	a = must_open_read(&p, 1 << 20, note_number, seen);
	audit_close(a);
	uint64_t kept = number - 1 - 300 + 256;
	assert_int_equal(seen->count, kept + 2);
	for (uint64_t i = 0; i <= kept; i++)
		assert_int_equal(seen->numbers[i], i);
	assert_int_equal(seen->numbers[kept + 1], number + 1);
	free(seen);
	assert_int_equal(umount(p.directory), 0);
	audit_place_remove(&p);
}

static void a_read_only_disk_is_an_error_that_is_told(void **state)
{
	(void)state;
	struct audit_place p;
	audit_place_make(&p);
	if (!mount_small(&p)) {
		audit_place_remove(&p);
		skip();
	}
	fill(&p, 1 << 20);
	assert_int_equal(mount("none", p.directory, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_int_equal(refused(&p, "Read-only file system"), -EROFS);
	verify_is_good(p.file, &key);
	assert_int_equal(umount(p.directory), 0);
	audit_place_remove(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_its_members_in_order),
		cmocka_unit_test(odd_octets_are_escaped_and_verify),
		cmocka_unit_test(a_value_that_is_too_long_is_cut_and_says_so),
		cmocka_unit_test(a_clock_that_is_set_back_is_no_error),
		cmocka_unit_test(every_hour_a_head_is_told),
		cmocka_unit_test(a_restart_reads_all_since_the_last_start),
		cmocka_unit_test(a_torn_line_is_kept_as_text),
		cmocka_unit_test(a_line_that_the_head_does_not_name_is_told),
		cmocka_unit_test(a_damaged_end_is_moved_aside),
		cmocka_unit_test(another_key_begins_another_chain),
		cmocka_unit_test(a_key_may_come_later_and_its_absence_is_found),
		cmocka_unit_test(whatever_moment_it_is_killed_at_the_chain_goes_on),
		cmocka_unit_test(a_second_writer_is_refused),
		cmocka_unit_test(what_others_can_write_to_is_refused),
		cmocka_unit_test(a_symbolic_link_is_not_followed),
		cmocka_unit_test(a_log_that_is_moved_away_is_noticed),
		cmocka_unit_test(a_full_disk_keeps_lines_and_counts_the_rest),
		cmocka_unit_test(a_read_only_disk_is_an_error_that_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
