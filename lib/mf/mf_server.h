// A mediation function for X2 (TS 103 221-2 clause 6.2): accepts connections over mutual TLS, gives every PDU to a sink and
// answers keepalives, after the sink was flushed. One thread, one poll loop. On request it misbehaves.
#ifndef X2TAP_MF_SERVER_H
#define X2TAP_MF_SERVER_H

#include "mf_sink.h"
#include "tls.h"

enum mf_misbehaviour {
	MF_BEHAVE,
	MF_REFUSE, // no client certificate is good enough; with a number: for so many seconds after the start
	MF_STALL,       // reads nothing after the handshake
	MF_CUT,         // resets the connection once it has read the given number of PDUs on it
	MF_NO_ACK,      // answers no keepalive
	MF_BAD_ACK,     // answers with another sequence number
	MF_CLOSE_AFTER, // says close_notify after so many PDUs on a connection
	MF_KILL_AFTER,  // the process ends at once after so many PDUs in all
};

// "refuse", "refuse-for=60", "stall", "cut", "cut=5", "no-ack", "bad-ack", "close-after=10", "kill-after=10".
struct mf_manners {
	enum mf_misbehaviour how;
	unsigned number; // 0: none was given
};
bool mf_manners_parse(const char *text, struct mf_manners *out);

// `listener` is a listening, non-blocking TCP socket, closed when it is time to end. `stop` is a descriptor that then becomes
// readable; it stays the caller's. `refusing` is the context of connections to refuse, or NULL.
//
// Ends after `stop`: no more connections, close_notify on the open ones, what is in flight is read until the peers say
// close_notify too, for 5 s at most; `stop` readable a second time ends that. 0, or a negative errno with a text: the
// outputs cannot be written, or the system refused something.
struct mf_server {
	int listener, stop;
	struct tls_context *accepting, *refusing;
	struct mf_manners manners;
	struct mf_sink *sink;
	FILE *told;
};
int mf_server_run(const struct mf_server *server, struct error *error);

#endif
