// One connection to an MF, from the first SYN to the last octet: connecting, handshake, proof, PDUs and keepalives, close.
#ifndef X2TAP_LINK_H
#define X2TAP_LINK_H

#include "outbox.h"
#include "x2_pdu.h"

enum {
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
	int fd;                    // before there is `tls`
	struct tls_connection *tls;
	char name[256]; // what the certificate must carry
	struct outbox *outbox;

	// settings when it was opened
	bool keepalive;
	uint16_t version;
	// settings that may change
	uint32_t interval_ms, timeout_ms, max_write;

	// keepalives
	uint32_t next_number;
	struct link_mark unanswered[LINK_MAX_UNANSWERED]; // oldest first
	unsigned unanswered_count;
	uint64_t sent_ms, answered_ms;
	uint64_t marked; // position of the latest keepalive
	uint64_t unmarked_since_ms;

	// the way out
	enum link_writing writing;
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

// Starts to connect with the settings of `d`. 0, or a negative errno with a text; then there is no connection.
int link_open(struct link *l, struct outbox *outbox, struct tls_context *context,
	const struct delivery_destination *d, uint64_t now_ms, struct error *error);
void link_adjust(struct link *l, const struct delivery_destination *d); // times and max_write
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
