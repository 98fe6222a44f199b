#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"

// A control socket in a directory of its own, and what its handler was told.
struct place {
	char directory[64], path[96];
	struct control *control;
	char request[CONTROL_MAX_REQUEST];
	enum control_role role;
	struct control_peer peer;
	unsigned ticket, asked;
	bool later;        // the handler leaves the answer to control_answer()
	size_t answer_len; // padding of the answer
};

static bool answer(void *context, const struct control_peer *peer, const char *request, unsigned ticket,
	struct text *out)
{
	struct place *place = context;
	place->role = peer->role;
	place->peer = *peer;
	place->ticket = ticket;
	place->asked++;
	snprintf(place->request, sizeof place->request, "%s", request);
	text_add(out, "{\"ok\": true, \"role\": %d, \"pad\": \"%*s\"}", (int)peer->role,
		(int)place->answer_len, "");
	return !place->later;
}

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof *place);
	struct error error;
	if (!place)
		return -1;
	strcpy(place->directory, "/tmp/x2tap-control-XXXXXX");
	if (!mkdtemp(place->directory))
		return -1;
	snprintf(place->path, sizeof place->path, "%s/control.sock", place->directory);
	struct control_config config = {.path = place->path};
	place->control = control_new(&config, answer, place, &error);
	*state = place;
	return place->control ? 0 : -1;
}

static int remove_place(void **state)
{
	struct place *place = *state;
	control_free(place->control);
	unlink(place->path);
	int result = rmdir(place->directory);
	free(place);
	return result;
}

static int connected(const struct place *place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, place->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// All there is to read now, NUL-terminated; "" for nothing. `*ended` says whether the peer has closed.
static const char *heard(int fd, char *text, size_t cap, bool *ended)
{
	size_t len = 0;
	ssize_t n = 1;
	while (n > 0 && len < cap - 1) {
		n = recv(fd, text + len, cap - 1 - len, 0);
		if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	*ended = n == 0 || (n < 0 && errno != EAGAIN);
	return text;
}

static void one_line_is_asked_and_one_object_answered(void **state)
{
	struct place *place = *state;
	char text[256];
	bool ended;
	int fd = connected(place);
	control_poll(place->control, 0);
	say(fd, "sta");
	control_poll(place->control, 1);
	assert_int_equal(place->asked, 0);
	say(fd, "tus\nmore");
	control_poll(place->control, 2);
	assert_int_equal(place->asked, 1);
	assert_string_equal(place->request, "status");
	assert_int_equal(place->role, CONTROL_LI); // ourselves
	assert_int_equal(place->peer.uid, geteuid());
	assert_int_equal(place->peer.pid, getpid());
	assert_string_equal(heard(fd, text, sizeof text, &ended),
		"{\"ok\": true, \"role\": 2, \"pad\": \"\"}\n");
	assert_true(ended);
	close(fd);
}

static void a_late_answer_goes_to_its_ticket_whatever_the_time(void **state)
{
	struct place *place = *state;
	struct text late = {0};
	char text[256];
	bool ended;
	int fd = connected(place);
	place->later = true;
	say(fd, "reload\n");
	control_poll(place->control, 0);
	assert_string_equal(place->request, "reload");
	struct pollfd fds[CONTROL_MAX_CLIENTS + 1];
	assert_int_equal(control_pollfds(place->control, fds, CONTROL_MAX_CLIENTS + 1), 1);
	control_poll(place->control, 100 * CONTROL_TIMEOUT_MS);
	text_add(&late, "{\"ok\": false}");
	control_answer(place->control, place->ticket + 1, &late);
	assert_string_equal(heard(fd, text, sizeof text, &ended), "");
	assert_false(ended);
	control_answer(place->control, place->ticket, &late);
	assert_string_equal(heard(fd, text, sizeof text, &ended), "{\"ok\": false}\n");
	assert_true(ended);
	control_answer(place->control, place->ticket, &late);
	text_free(&late);
	close(fd);
}

static void silent_clients_are_dropped_in_time(void **state)
{
	struct place *place = *state;
	char text[16];
	bool ended;
	int fd = connected(place);
	control_poll(place->control, 1000);
	say(fd, "stat");
	control_poll(place->control, 1000 + CONTROL_TIMEOUT_MS - 1);
	heard(fd, text, sizeof text, &ended);
	assert_false(ended);
	control_poll(place->control, 1000 + CONTROL_TIMEOUT_MS);
	heard(fd, text, sizeof text, &ended);
	assert_true(ended);
	assert_int_equal(place->asked, 0);
	close(fd);
}

static void a_client_that_does_not_read_is_dropped_and_blocks_nobody(void **state)
{
	struct place *place = *state;
	char text[256];
	bool ended;
	place->answer_len = 8 * 1024 * 1024; // more than a socket holds
	int slow = connected(place);
	say(slow, "status\n");
	control_poll(place->control, 0);
	assert_int_equal(place->asked, 1);
	struct pollfd fds[CONTROL_MAX_CLIENTS + 1];
	assert_int_equal(control_pollfds(place->control, fds, CONTROL_MAX_CLIENTS + 1), 2);
	assert_int_equal(fds[0].events, POLLOUT);

	place->answer_len = 0;
	int quick = connected(place);
	say(quick, "counters\n");
	control_poll(place->control, 1);
	assert_true(strlen(heard(quick, text, sizeof text, &ended)) > 0);
	assert_true(ended);
	close(quick);

	control_poll(place->control, CONTROL_TIMEOUT_MS);
	assert_int_equal(control_pollfds(place->control, fds, CONTROL_MAX_CLIENTS + 1), 1);
	close(slow);
}

static void an_answer_larger_than_a_socket_arrives_whole(void **state)
{
	struct place *place = *state;
	enum { PAD = 3 * 1024 * 1024 };
	char *text = malloc(PAD + 256);
	assert_non_null(text);
	size_t len = 0;
	place->answer_len = PAD;
	int fd = connected(place);
	say(fd, "status\n");
	for (uint64_t now = 0; now < 10000; now++) {
		control_poll(place->control, now);
		ssize_t n = recv(fd, text + len, PAD + 255 - len, 0);
		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	assert_int_equal(len, PAD + strlen("{\"ok\": true, \"role\": 2, \"pad\": \"\"}\n"));
	assert_string_equal(text + len - 4, " \"}\n");
	close(fd);
	free(text);
}

static void more_clients_than_slots_wait_for_their_turn(void **state)
{
	struct place *place = *state;
	struct pollfd fds[CONTROL_MAX_CLIENTS + 1];
	int held[CONTROL_MAX_CLIENTS];
	char text[256];
	bool ended;
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		held[i] = connected(place);
	control_poll(place->control, 0);
	int late = connected(place);
	say(late, "status\n");
	control_poll(place->control, 1);
	assert_int_equal(place->asked, 0);
	assert_int_equal(
		control_pollfds(place->control, fds, CONTROL_MAX_CLIENTS + 1), CONTROL_MAX_CLIENTS);
	close(held[3]);
	control_poll(place->control, 2); // sees the hang-up
	control_poll(place->control, 3);
	assert_int_equal(place->asked, 1);
	heard(late, text, sizeof text, &ended);
	assert_true(ended);
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		if (i != 3)
			close(held[i]);
	close(late);
}

static void what_is_no_request_is_refused(void **state)
{
	struct place *place = *state;
	char longest[CONTROL_MAX_REQUEST + 1], text[256];
	bool ended;
	memset(longest, 'x', CONTROL_MAX_REQUEST);
	longest[CONTROL_MAX_REQUEST] = '\0';
	int fd = connected(place);
	say(fd, longest);
	control_poll(place->control, 0);
	assert_string_equal(heard(fd, text, sizeof text, &ended),
		"{\"ok\": false, \"error\": \"the request is too long\"}\n");
	assert_true(ended);
	close(fd);
	fd = connected(place);
	assert_int_equal(send(fd, "st\0us\n", 6, 0), 6);
	control_poll(place->control, 0);
	assert_string_equal(heard(fd, text, sizeof text, &ended),
		"{\"ok\": false, \"error\": \"the request is no text\"}\n");
	close(fd);
	assert_int_equal(place->asked, 0);
}

static void the_socket_is_closed_to_others_and_removed_at_the_end(void **state)
{
	struct place *place = *state;
	struct stat s;
	assert_int_equal(stat(place->path, &s), 0);
	assert_true(S_ISSOCK(s.st_mode));
	assert_int_equal(s.st_mode & 0777, 0600);
	control_free(place->control);
	assert_int_equal(stat(place->path, &s), -1);

	// With a group: root's own is there on every host.
	struct error error;
	struct group *own = getgrgid(getegid());
	if (!own)
		skip();
	struct control_config config = {.path = place->path, .li_group = own->gr_name};
	place->control = control_new(&config, answer, place, &error);
	assert_non_null(place->control);
	assert_int_equal(stat(place->path, &s), 0);
	assert_int_equal(s.st_mode & 0777, 0660);
	assert_int_equal(s.st_gid, own->gr_gid);
}

static void a_live_socket_is_an_error_and_a_dead_one_replaced(void **state)
{
	struct place *place = *state;
	struct error error;
	struct control_config config = {.path = place->path};
	assert_null(control_new(&config, answer, place, &error));
	assert_int_equal(error.code, -EADDRINUSE);
	assert_non_null(strstr(error.text, "another process answers on"));

	pid_t child = fork(); // makes a socket and dies without removing it
	assert_true(child >= 0);
	if (child == 0) {
		struct place other = *place;
		strcat(other.path, "2");
		struct control_config c = {.path = other.path};
		_exit(control_new(&c, answer, &other, &error) ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	char second[128];
	snprintf(second, sizeof second, "%s2", place->path);
	assert_int_equal(access(second, F_OK), 0);
	config.path = second;
	struct control *control = control_new(&config, answer, place, &error);
	assert_non_null(control);
	control_free(control);
	assert_int_equal(access(second, F_OK), -1);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct place *place = *state;
	struct error error;
	char file[128];
	snprintf(file, sizeof file, "%s/file", place->directory);
	int fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	struct control_config config = {.path = file};
	assert_null(control_new(&config, answer, place, &error));
	assert_non_null(strstr(error.text, "is no socket"));
	assert_int_equal(access(file, F_OK), 0);
	unlink(file);
}

static void a_directory_that_others_can_write_to_is_refused(void **state)
{
	struct place *place = *state;
	struct error error;
	struct control_config config = {.path = "/tmp/x2tap-never.sock"};
	assert_null(control_new(&config, answer, place, &error));
	assert_int_equal(error.code, -EPERM);
	assert_non_null(strstr(error.text, "others can write to /tmp"));
	config.path = "/nonexistent/x/control.sock";
	assert_null(control_new(&config, answer, place, &error));
	assert_int_equal(error.code, -ENOENT);
	char longest[200];
	memset(longest, 'p', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	config.path = longest;
	assert_null(control_new(&config, answer, place, &error));
	assert_int_equal(error.code, -ENAMETOOLONG);
}

static void a_group_that_does_not_exist_is_told(void **state)
{
	struct place *place = *state;
	struct error error;
	struct control_config config = {
		.path = place->path, .operator_group = "no-such-group-x2tap"};
	assert_null(control_new(&config, answer, place, &error));
	assert_int_equal(error.code, -ENOENT);
	assert_non_null(strstr(error.text, "control.operator_group"));
	assert_non_null(strstr(error.text, "no-such-group-x2tap"));
}

// Asks once as nobody with these groups. Runs in a child, so that our own identity stays.
static int ask_as(const struct place *place, gid_t primary, size_t count, const gid_t *groups)
{
	struct text text = {0};
	struct error error;
	if (setgroups(count, groups) || setgid(primary) || setuid(65534))
		return 100;
	if (control_ask(place->path, "status", 2000, &text, &error))
		return -error.code;
	if (strstr(text.at, "permission denied: only root, group "))
		return 50;
	const char *role = strstr(text.at, "\"role\": ");
	return role ? 200 + atoi(role + 8) : 101;
}

static int role_of(struct place *place, gid_t primary, size_t count, const gid_t *groups)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(ask_as(place, primary, count, groups));
	int status;
	for (uint64_t now = 0; waitpid(child, &status, WNOHANG) == 0; now++) {
		control_poll(place->control, now);
		poll(NULL, 0, 1);
	}
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void groups_give_roles(void **state)
{
	struct place *place = *state;
	struct error error;
	const struct group *group = getgrnam("daemon");
	gid_t operators = group ? group->gr_gid : 0;
	group = getgrnam("mail");
	gid_t li = group ? group->gr_gid : 0;
	if (geteuid() != 0 || !operators || !li)
		skip();
	control_free(place->control);
	struct control_config config = {
		.path = place->path, .operator_group = "daemon", .li_group = "mail"};
	place->control = control_new(&config, answer, place, &error);
	assert_non_null(place->control);
	assert_int_equal(chmod(place->directory, 0755), 0);
	gid_t both[] = {operators, li};
	assert_int_equal(role_of(place, operators, 0, NULL), 200 + CONTROL_OPERATOR);
	assert_int_equal(role_of(place, 65534, 1, &operators), 200 + CONTROL_OPERATOR);
	assert_int_equal(role_of(place, 65534, 2, both), 200 + CONTROL_LI);
	assert_int_equal(role_of(place, li, 1, &operators), 200 + CONTROL_LI);
	// The file system keeps others away from the socket, and the socket from the handler.
	unsigned asked = place->asked;
	assert_int_equal(role_of(place, 65534, 0, NULL), EACCES);
	assert_int_equal(chmod(place->path, 0666), 0);
	assert_int_equal(role_of(place, 65534, 0, NULL), 50);
	assert_int_equal(place->asked, asked);
}

// A socket that is made and asked by somebody who is not root.
static int ask_oneself_as(struct place *place, uid_t user)
{
	struct error error;
	struct control_config config = {.path = place->path};
	if (setuid(user))
		return 100;
	place->control = control_new(&config, answer, place, &error);
	if (!place->control)
		return 101;
	int fd = connected(place);
	say(fd, "status\n");
	control_poll(place->control, 0);
	control_free(place->control);
	return (int)place->role;
}

static void the_user_of_the_process_has_the_li_role(void **state)
{
	struct place *place = *state;
	const uid_t nobody = 65534;
	int status;
	if (geteuid() != 0)
		skip();
	control_free(place->control);
	assert_int_equal(chown(place->directory, nobody, (gid_t)-1), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(ask_oneself_as(place, nobody));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), CONTROL_LI);
	place->control = NULL;
}

struct server {
	struct place *place;
	_Atomic bool stop;
};

static void *serve(void *argument)
{
	struct server *server = argument;
	for (uint64_t now = 0; !server->stop; now++) {
		control_poll(server->place->control, now);
		poll(NULL, 0, 1);
	}
	return NULL;
}

static void the_client_reads_a_whole_answer_or_says_what_is_wrong(void **state)
{
	struct place *place = *state;
	struct server server = {.place = place};
	struct text text = {0};
	struct error error;
	pthread_t thread;
	place->answer_len = 500000;
	assert_int_equal(pthread_create(&thread, NULL, serve, &server), 0);
	assert_int_equal(control_ask(place->path, "status", 5000, &text, &error), 0);
	assert_true(text.len > 500000);
	assert_string_equal(text.at + text.len - 3, "\"}\n");
	text_free(&text);
	server.stop = true;
	pthread_join(thread, NULL);

	assert_int_equal(control_ask(place->path, "status", 20, &text, &error), -ETIMEDOUT);
	assert_non_null(strstr(error.text, "does not answer"));
	assert_int_equal(control_ask("/nonexistent/s", "status", 20, &text, &error), -ENOENT);
	assert_non_null(strstr(error.text, "x2tap is not running"));
	assert_null(text.at);
}

static void json_strings_are_escaped(void **state)
{
	(void)state;
	struct text t = {0};
	text_add_json_string(&t, "a\"\\\n\x1f\x7f\xc3\xa4\xff\xe2\x82");
	assert_string_equal(
		t.at, "\"a\\\"\\\\\\u000a\\u001f\\u007f\xc3\xa4\\ufffd\\ufffd\\ufffd\"");
	text_free(&t);
	assert_null(t.at);
	for (int i = 0; i < 1000; i++)
		text_add(&t, "%d,", i);
	assert_int_equal(t.len, 3890);
	assert_int_equal(strlen(t.at), t.len);
	assert_false(t.failed);
	text_free(&t);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PLACE(one_line_is_asked_and_one_object_answered),
		WITH_PLACE(a_late_answer_goes_to_its_ticket_whatever_the_time),
		WITH_PLACE(silent_clients_are_dropped_in_time),
		WITH_PLACE(a_client_that_does_not_read_is_dropped_and_blocks_nobody),
		WITH_PLACE(an_answer_larger_than_a_socket_arrives_whole),
		WITH_PLACE(more_clients_than_slots_wait_for_their_turn),
		WITH_PLACE(what_is_no_request_is_refused),
		WITH_PLACE(the_socket_is_closed_to_others_and_removed_at_the_end),
		WITH_PLACE(a_live_socket_is_an_error_and_a_dead_one_replaced),
		WITH_PLACE(what_is_no_socket_is_left_alone),
		WITH_PLACE(a_directory_that_others_can_write_to_is_refused),
		WITH_PLACE(a_group_that_does_not_exist_is_told),
		WITH_PLACE(groups_give_roles),
		WITH_PLACE(the_user_of_the_process_has_the_li_role),
		WITH_PLACE(the_client_reads_a_whole_answer_or_says_what_is_wrong),
		cmocka_unit_test(json_strings_are_escaped),
	};
	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
