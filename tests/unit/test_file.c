#include "file.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static void make_pipe(int ends[2])
{
	assert_int_equal(pipe(ends), 0);
}

static void what_comes_in_pieces_is_read_whole(void **state)
{
	(void)state;
	int ends[2];
	char got[16];
	make_pipe(ends);
	pid_t child = fork();
	if (child == 0) {
		for (const char *at = "in pieces"; *at; at++) {
			ssize_t n = write(ends[1], at, 1);
			usleep(n == 1 ? 2000 : 0);
		}
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(file_read(ends[0], got, sizeof got), 9);
	assert_memory_equal(got, "in pieces", 9);
	assert_int_equal(file_read(ends[0], got, sizeof got), 0);
	close(ends[0]);
	waitpid(child, NULL, 0);
}

static void no_more_is_read_than_there_is_room_for(void **state)
{
	(void)state;
	int ends[2];
	char got[4];
	make_pipe(ends);
	assert_int_equal(write(ends[1], "too long", 8), 8);
	assert_int_equal(file_read(ends[0], got, sizeof got), 4);
	assert_memory_equal(got, "too ", 4);
	close(ends[0]);
	close(ends[1]);
}

static void on_signal(int number)
{
	(void)number;
}

static void a_signal_ends_no_read(void **state)
{
	(void)state;
	int ends[2];
	char got[4];
	struct sigaction action = {.sa_handler = on_signal}; // no SA_RESTART
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	make_pipe(ends);
	pid_t child = fork();
	if (child == 0) {
		usleep(50000);
		_exit(write(ends[1], "late", 4) == 4 ? 0 : 1);
	}
	close(ends[1]);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(file_read(ends[0], got, sizeof got), 4);
	setitimer(ITIMER_REAL, &never, NULL);
	close(ends[0]);
	waitpid(child, NULL, 0);
}

static void a_place_is_read_without_moving(void **state)
{
	(void)state;
	char path[] = "/tmp/x2tap-file-XXXXXX", got[8];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(file_read_at(fd, got, 4, 3), 4);
	assert_memory_equal(got, "3456", 4);
	assert_int_equal(file_read_at(fd, got, 4, 8), 2);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 10);
	close(fd);
}

static void errors_are_told(void **state)
{
	(void)state;
	char got[4];
	assert_int_equal(file_read(-1, got, sizeof got), -EBADF);
	assert_int_equal(file_read_at(-1, got, sizeof got, 0), -EBADF);
}

static void directory_and_name_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *path, *directory, *name;
	} cases[] = {{"/var/log/x2tap/audit.jsonl", "/var/log/x2tap", "audit.jsonl"},
		{"audit.jsonl", ".", "audit.jsonl"}, {"./a", ".", "a"}, {"/a", "/", "a"},
		{"a/", "a", ""}, {"/", "/", ""}, {"", ".", ""}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char directory[PATH_MAX];
		file_directory(cases[i].path, directory);
		assert_string_equal(directory, cases[i].directory);
		assert_string_equal(file_name(cases[i].path), cases[i].name);
	}
}

static ssize_t one_octet_at_a_time(int fd, void *to, size_t room, off_t at)
{
	static unsigned calls;
	if (calls++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return pread(fd, to, room ? 1 : 0, at);
}

static void another_pread_may_be_given(void **state)
{
	(void)state;
	char path[] = "/tmp/x2tap-file-XXXXXX", got[8];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(file_read_at_by(one_octet_at_a_time, fd, got, 4, 5), 4);
	assert_memory_equal(got, "5678", 4);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_in_pieces_is_read_whole),
		cmocka_unit_test(no_more_is_read_than_there_is_room_for),
		cmocka_unit_test(a_signal_ends_no_read),
		cmocka_unit_test(a_place_is_read_without_moving),
		cmocka_unit_test(errors_are_told),
		cmocka_unit_test(directory_and_name_are_told_apart),
		cmocka_unit_test(another_pread_may_be_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
