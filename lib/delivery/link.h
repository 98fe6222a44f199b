// One connection to an MF, from the first SYN to the last octet: connecting, handshake, proof, PDUs and keepalives, close.
//
// Of the two that a destination may have, one carries its PDUs. The other says keepalives alone, and confirms nothing.
#ifndef X2TAP_LINK_H
#define X2TAP_LINK_H

#include "outbox.h"
#include "x2_pdu.h"

enum {
	LINK_NAME = 256,
	LINK_MAX_UNANSWERED = 16, // keepalives of ours
	LINK_MAX_OWED = 16,       // answers we owe to the MF's; no more is read until they are out
};

struct link_mark {
	uint32_t number;   // of the keepalive
	uint64_t position; // in the outbox: what its answer confirms
};

enum link_writing { WRITING_NOTHING, WRITING_PDUS, WRITING_KEEPALIVE, WRITING_ANSWER };

struct link {
	enum delivery_state state; // DELIVERY_WAITING: there is no connection
	uint64_t since_ms;         // of this state
	bool proven;               // it was up
	uint64_t opened_ms, proven_ms;
	struct tls_connection *tls;
	struct outbox *outbox;
	bool carries; // the PDUs of the outbox

	// as it was opened, but for times and max_write, which may change
	struct delivery_endpoint endpoint; // tls_name points to `name`
	char name[LINK_NAME];
	uint64_t generation; // of the certificates

	// keepalives
	uint32_t next_number;
	struct link_mark unanswered[LINK_MAX_UNANSWERED]; // oldest first
	unsigned unanswered_count;
	uint64_t sent_ms, answered_ms;
	bool asked;            // one is wanted out of turn, or was sent: see link_ask()
	uint32_t asked_number; // its number, or that of the next
	uint64_t marked;       // position of the latest keepalive
	uint64_t unmarked_since_ms;

	// the way out
	enum link_writing writing;
	uint64_t writing_since_ms;
	uint8_t control[X2_KEEPALIVE_LEN]; // a keepalive or an answer that is being written
	uint32_t owed[LINK_MAX_OWED];
	unsigned owed_count;
	bool wants_output, more_to_do;

	// the way in
	uint8_t input[X2_REPLY_MAX * 2];
	size_t input_len;

	// the end
	bool ending;     // close once all is confirmed, or at end_ms
	bool write_rest; // and all that is queued has been written
	uint64_t end_ms;
	bool said_goodbye; // close_notify is out
};

enum link_result {
	LINK_OPEN,
	LINK_ENDED,  // as the MF wished after it was proven, or as we did
	LINK_FAILED, // `error` says why
};

// What a connection is made with, besides the endpoint.
struct link_ground {
	struct outbox *outbox; // for its counters; see link_carry()
	struct tls_context *context;
	uint64_t generation; // of the context
	const struct delivery_hooks *hooks;
	uint32_t random;
};

// Starts to connect. 0, or a negative errno with a text; then there is no connection.
int link_open(struct link *l, const struct link_ground *ground,
	const struct delivery_endpoint *endpoint, uint64_t now_ms, struct error *error);
void link_adjust(struct link *l, const struct delivery_endpoint *endpoint); // times and max_write
// From now on it carries the PDUs, from where outbox_restart() has left off.
void link_carry(struct link *l);
// And no longer: another one may. Only in DELIVERY_CLOSING, when nothing is half out.
void link_yield(struct link *l);
// Nothing is being written, and what was written is confirmed (keepalive off: written).
bool link_is_quiet(const struct link *l);
// Wants a keepalive of this moment answered; true once it has been. Asks again after link_forget_question().
bool link_ask(struct link *l);
void link_forget_question(struct link *l);
// Does what can be done now. After LINK_ENDED and LINK_FAILED call link_close().
enum link_result link_poll(struct link *l, uint64_t now_ms, struct error *error);
// Asks for a good end: last confirmation, close_notify. LINK_ENDED follows, at the latest `wait_ms` and a little later.
void link_end(struct link *l, bool write_rest, uint64_t now_ms, uint64_t wait_ms);
// At once; says close_notify if it can.
void link_close(struct link *l);

// Milliseconds until link_poll() is due, at most 1000.
uint64_t link_due_ms(const struct link *l, uint64_t now_ms);
struct pollfd;
bool link_pollfd(const struct link *l, struct pollfd *out);

#endif
