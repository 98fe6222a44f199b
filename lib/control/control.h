// The control socket: a UNIX stream socket on which x2ctl asks, one request line and one JSON answer a connection.
//
// A socket of our own rather than DPDK's telemetry, because two roles are told apart by the peer's groups
// (SO_PEERCRED, SO_PEERGROUPS): `operator` sees ports, forwarding and faults without IRI figures, `li` sees everything. Root is
// `li`. The control core alone; never blocks; slow or silent clients are dropped after CONTROL_TIMEOUT_MS.
#ifndef X2TAP_CONTROL_H
#define X2TAP_CONTROL_H

#include "bytes.h"
#include "error.h"

enum { CONTROL_MAX_CLIENTS = 8, CONTROL_MAX_REQUEST = 256, CONTROL_TIMEOUT_MS = 5000 };

// A peer without a role gets a refusal and never reaches the handler.
enum control_role { CONTROL_NOBODY, CONTROL_OPERATOR, CONTROL_LI };

// Who asks, as the kernel says (SO_PEERCRED at the time of connect).
struct control_peer {
	enum control_role role;
	uint32_t uid, gid, pid;
};

// The socket is made with mode 0660 and the operator group (without one: the LI group; without either: mode 0600), so where
// both are configured the members of the LI group must be in the operator group as well.
struct control_config {
	const char *path;           // in a directory of root's or ours that others cannot write to
	const char *operator_group; // NULL or a group name
	const char *li_group;
};

// JSON text that grows: what an answer is built in. Wiped when freed.
struct text {
	char *at; // NUL-terminated, NULL while empty
	size_t len, cap;
	bool failed; // there was no memory: what is here is not whole
};
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
// With quotes and escapes: json_escape().
void text_add_json_string(struct text *t, const char *s);
void text_free(struct text *t);

// Answers one request. `request` is the line without its end. Writes a JSON object to `answer`. Returns true when
// the answer is complete; false when it comes later through control_answer() with the same `ticket` (a reload that runs in a
// helper thread).
typedef bool control_handler(void *context, const struct control_peer *peer, const char *request,
	unsigned ticket, struct text *answer);

struct control;
// Errors: -EADDRINUSE when another process answers on the path, -ENOENT for a group that does not exist, -EPERM for a directory
// that others can write to. What a dead process left behind is replaced. `handler` and `context` stay the caller's.
struct control *control_new(const struct control_config *config, control_handler *handler,
	void *context, struct error *error);
void control_free(struct control *c); // removes the socket; waiting clients get no answer
// Does all that can be done now. Call when a descriptor of control_pollfds() is ready, and at least once a second.
void control_poll(struct control *c, uint64_t now_ms);
// What to wait for: at most CONTROL_MAX_CLIENTS + 1 entries. Returns how many were written.
struct pollfd;
size_t control_pollfds(const struct control *c, struct pollfd *out, size_t max);
// The late answer to `ticket`; copied. Does nothing when the client has gone.
void control_answer(struct control *c, unsigned ticket, const struct text *answer);

// The client's side (x2ctl): sends `request`, reads the whole answer. 0 or a negative errno with a text that says what to do:
// -ENOENT and -ECONNREFUSED: x2tap does not run; -EACCES: who may; -ETIMEDOUT.
int control_ask(const char *path, const char *request, int timeout_ms, struct text *answer,
	struct error *error);

#endif
