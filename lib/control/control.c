#include "control.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"

enum { NO_GROUP = -1 };

enum client_state {
	CLIENT_FREE,
	CLIENT_ASKING, // its line is being read
	CLIENT_WAITING, // the handler answers later; no time limit, since a large target file takes its time
	CLIENT_ANSWERING, // the answer is being written
};

struct client {
	enum client_state state;
	int fd;
	unsigned ticket;
	uint64_t deadline_ms; // while asking or answering
	struct control_peer peer;
	char request[CONTROL_MAX_REQUEST];
	size_t request_len;
	struct text answer;
	size_t sent;
};

struct control {
	int fd;
	char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
	gid_t operator_gid, li_gid; // NO_GROUP: none
	char groups[128];           // who may ask, for refusals
	control_handler *handler;
	void *context;
	unsigned last_ticket;
	uint64_t now_ms; // of the last poll
	struct client clients[CONTROL_MAX_CLIENTS];
};

// --- the socket ----------------------------------------------------------------------------------------------

static int group_find(const char *option, const char *name, gid_t *out, struct error *error)
{
	*out = (gid_t)NO_GROUP;
	if (!name)
		return 0;
	const struct group *group = getgrnam(name);
	if (!group)
		return error_set(error, -ENOENT,
			"control.%s: there is no group '%s': make it (groupadd --system %s) or take the option out",
			option, name, name);
	*out = group->gr_gid;
	return 0;
}

// Whoever can write to the directory could put a socket of his own in place of ours.
static int check_directory(const char *path, struct error *error)
{
	char directory[PATH_MAX];
	struct stat s;
	file_directory(path, directory);
	if (stat(directory, &s))
		return error_set(error, -errno, "control socket: directory %s: %s: make it first",
			directory, strerror(errno));
	if (s.st_mode & (S_IWOTH | S_IWGRP)) // whoever can write to it can put another socket there
		return error_set(error, -EPERM,
			"control socket: others can write to %s: choose another directory, or chmod go-w",
			directory);
	if (s.st_uid != 0 && s.st_uid != geteuid())
		return error_set(error, -EPERM,
			"control socket: %s belongs neither to root nor to us: choose another directory, or chown it",
			directory);
	return 0;
}

// Makes way where a dead process left its socket. -EADDRINUSE when something else is there, or somebody alive.
static int clear_path(const struct sockaddr_un *address, struct error *error)
{
	struct stat s;
	if (lstat(address->sun_path, &s))
		return errno == ENOENT ? 0
		                       : error_set(error, -errno, "control socket %s: %s",
						 address->sun_path, strerror(errno));
	if (!S_ISSOCK(s.st_mode))
		return error_set(error, -EADDRINUSE,
			"control socket: %s is there and is no socket: remove it, or choose another path",
			address->sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, -errno, "control socket: %s", strerror(errno));
	int result = connect(fd, (const struct sockaddr *)address, sizeof *address) ? errno : 0;
	close(fd);
	if (result == EACCES) // root without CAP_DAC_OVERRIDE
		return error_set(error, -EADDRINUSE,
			"control socket: %s is of another user, and we may not ask whether he still answers: if not, remove it",
			address->sun_path);
	if (result != ECONNREFUSED && result != ENOENT)
		return error_set(error, -EADDRINUSE,
			"control socket: another process answers on %s: stop it, or choose another path",
			address->sun_path);
	if (unlink(address->sun_path) && errno != ENOENT)
		return error_set(error, -errno, "control socket: cannot remove the old %s: %s",
			address->sun_path, strerror(errno));
	return 0;
}

static int open_socket(struct control *c, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, c->path, sizeof address.sun_path);
	int result = check_directory(c->path, error);
	if (!result)
		result = clear_path(&address, error);
	if (result)
		return result;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return error_set(error, -errno, "control socket: %s", strerror(errno));

	// Nobody but us until it belongs to its group; nobody at all until listen().
	mode_t before = umask(0177);
	result = bind(c->fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
	umask(before);
	if (result) {
		error_set(error, result, "control socket %s: %s", c->path, strerror(-result));
		goto close_socket;
	}
	gid_t group = c->operator_gid != (gid_t)NO_GROUP ? c->operator_gid : c->li_gid;
	if ((group != (gid_t)NO_GROUP &&
		    (chown(c->path, (uid_t)-1, group) || chmod(c->path, 0660))) ||
		listen(c->fd, CONTROL_MAX_CLIENTS)) {
		result = error_set(error, -errno,
			"control socket %s cannot be given to its group: %s: start as root or as a member",
			c->path, strerror(errno));
		goto remove_socket;
	}
	return 0;

remove_socket:
	unlink(c->path);
close_socket:
	close(c->fd);
	return result;
}

struct control *control_new(const struct control_config *config, control_handler *handler,
	void *context, struct error *error)
{
	struct control *c = calloc(1, sizeof *c);
	if (!c) {
		error_set(error, -ENOMEM, "control socket: out of memory");
		return NULL;
	}
	c->handler = handler;
	c->context = context;
	snprintf(c->groups, sizeof c->groups, "root%s%s%s%s",
		config->operator_group ? ", group " : "",
		config->operator_group ? config->operator_group : "",
		config->li_group ? ", group " : "", config->li_group ? config->li_group : "");
	if (strlen(config->path) >= sizeof c->path) {
		error_set(error, -ENAMETOOLONG, "control socket: %s is longer than %zu octets",
			config->path, sizeof c->path - 1);
		goto free_control;
	}
	strcpy(c->path, config->path);
	if (group_find("operator_group", config->operator_group, &c->operator_gid, error) ||
		group_find("li_group", config->li_group, &c->li_gid, error) ||
		open_socket(c, error))
		goto free_control;
	return c;

free_control:
	free(c);
	return NULL;
}

static void client_drop(struct client *client)
{
	// Unread octets would turn the peer's end of file into an error.
	char rest[CONTROL_MAX_REQUEST];
	for (int i = 0; i < 16 && recv(client->fd, rest, sizeof rest, MSG_DONTWAIT) > 0; i++)
		continue;
	close(client->fd);
	text_free(&client->answer);
	*client = (struct client){.state = CLIENT_FREE};
}

void control_free(struct control *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		if (c->clients[i].state != CLIENT_FREE)
			client_drop(&c->clients[i]);
	unlink(c->path);
	close(c->fd);
	free(c);
}

// --- who asks ------------------------------------------------------------------------------------------------

static bool is_member(gid_t wanted, gid_t primary, const gid_t *groups, size_t count)
{
	if (wanted == (gid_t)NO_GROUP)
		return false;
	bool found = primary == wanted;
	for (size_t i = 0; i < count; i++)
		found |= groups[i] == wanted;
	return found;
}

// The supplementary groups that the peer had when it connected. The caller frees; NULL when there are none or no memory.
static gid_t *peer_groups(int fd, size_t *count)
{
	socklen_t len = 0;
	*count = 0;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) || errno != ERANGE)
		return NULL;
	gid_t *groups = malloc(len);
	if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len)) {
		free(groups);
		return NULL;
	}
	*count = groups ? len / sizeof *groups : 0;
	return groups;
}

static enum control_role role_of(const struct control *c, int fd, const struct ucred *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return CONTROL_LI;
	size_t count;
	gid_t *groups = peer_groups(fd, &count);
	enum control_role role = CONTROL_NOBODY;
	if (is_member(c->li_gid, peer->gid, groups, count))
		role = CONTROL_LI;
	else if (is_member(c->operator_gid, peer->gid, groups, count))
		role = CONTROL_OPERATOR;
	free(groups);
	return role;
}

static struct control_peer peer_of(const struct control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return (struct control_peer){.role = CONTROL_NOBODY};
	return (struct control_peer){
		role_of(c, fd, &peer), peer.uid, peer.gid, (uint32_t)peer.pid};
}

// --- asking and answering ------------------------------------------------------------------------------------

static void client_write(struct control *c, struct client *client)
{
	while (client->sent < client->answer.len) {
		ssize_t n = send(client->fd, client->answer.at + client->sent,
			client->answer.len - client->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		client->sent += (size_t)n;
		client->deadline_ms = c->now_ms + CONTROL_TIMEOUT_MS;
	}
	client_drop(client);
}

// Sends what stands in client->answer.
static void client_answer(struct control *c, struct client *client)
{
	if (client->answer.failed) {
		text_free(&client->answer);
		text_add(&client->answer, "{\"ok\": false, \"error\": \"out of memory\"}");
	}
	text_add(&client->answer, "\n");
	client->state = CLIENT_ANSWERING;
	client->deadline_ms = c->now_ms + CONTROL_TIMEOUT_MS;
	client_write(c, client);
}

static void client_refuse(struct control *c, struct client *client, const char *why)
{
	text_add(&client->answer, "{\"ok\": false, \"error\": ");
	text_add_json_string(&client->answer, why);
	text_add(&client->answer, "}");
	client_answer(c, client);
}

static void client_ask(struct control *c, struct client *client)
{
	// Waiting first: the handler may answer through control_answer() at once.
	client->state = CLIENT_WAITING;
	struct text answer = {0};
	bool complete =
		c->handler(c->context, &client->peer, client->request, client->ticket, &answer);
	if (complete) {
		client->answer = answer;
		client_answer(c, client);
	} else {
		text_free(&answer);
	}
}

static void client_read(struct control *c, struct client *client)
{
	ssize_t n = recv(client->fd, client->request + client->request_len,
		sizeof client->request - client->request_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_drop(client);
		return;
	}
	client->request_len += (size_t)n;
	char *end = memchr(client->request, '\n', client->request_len);
	if (!end && client->request_len == sizeof client->request) {
		client_refuse(c, client, "the request is too long");
		return;
	}
	if (!end)
		return;
	*end = '\0';
	if (strlen(client->request) != (size_t)(end - client->request))
		client_refuse(c, client, "the request is no text");
	else
		client_ask(c, client);
}

static struct client *client_free_slot(struct control *c)
{
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		if (c->clients[i].state == CLIENT_FREE)
			return &c->clients[i];
	return NULL;
}

static void accept_clients(struct control *c)
{
	struct client *client;
	while ((client = client_free_slot(c))) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (++c->last_ticket == 0)
			c->last_ticket = 1;
		*client = (struct client){.state = CLIENT_ASKING,
			.fd = fd,
			.ticket = c->last_ticket,
			.deadline_ms = c->now_ms + CONTROL_TIMEOUT_MS,
			.peer = peer_of(c, fd)};
		if (client->peer.role == CONTROL_NOBODY) {
			char why[192];
			snprintf(why, sizeof why, "permission denied: only %s may ask", c->groups);
			client_refuse(c, client, why);
		}
	}
}

void control_poll(struct control *c, uint64_t now_ms)
{
	c->now_ms = now_ms;
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *client = &c->clients[i];
		bool limited = client->state == CLIENT_ASKING || client->state == CLIENT_ANSWERING;
		if (limited && now_ms >= client->deadline_ms)
			client_drop(client);
	}
	accept_clients(c);
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *client = &c->clients[i];
		if (client->state == CLIENT_ASKING)
			client_read(c, client);
		else if (client->state == CLIENT_ANSWERING)
			client_write(c, client);
	}
}

size_t control_pollfds(const struct control *c, struct pollfd *out, size_t max)
{
	size_t count = 0;
	bool full = true;
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		const struct client *client = &c->clients[i];
		full = full && client->state != CLIENT_FREE;
		// A waiting client is left out: its hang-up would wake us again and again.
		short events = client->state == CLIENT_ASKING      ? POLLIN
		               : client->state == CLIENT_ANSWERING ? POLLOUT
		                                                   : 0;
		if (events && count < max)
			out[count++] = (struct pollfd){.fd = client->fd, .events = events};
	}
	if (!full && count < max)
		out[count++] = (struct pollfd){.fd = c->fd, .events = POLLIN};
	return count;
}

void control_answer(struct control *c, unsigned ticket, const struct text *answer)
{
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *client = &c->clients[i];
		if (client->state != CLIENT_WAITING || client->ticket != ticket)
			continue;
		text_add(&client->answer, "%s", answer->at ? answer->at : "");
		client->answer.failed |= answer->failed;
		client_answer(c, client);
		return;
	}
}
