// Where messages begin and end in a stream of octets, as a protocol on TCP tells the one who puts the stream together.
#ifndef X2TAP_FRAMING_H
#define X2TAP_FRAMING_H

#include "bytes.h"

enum framing_verdict {
	// Nothing can be said before more than `octets` octets are there (octets >= what there is); `seen` is for the state then.
	FRAMING_MORE,
	FRAMING_MESSAGE, // the first `octets` octets are one message
	FRAMING_SKIP,    // the first `octets` octets are none: keep-alives, or what lies before the next message
	// The first `octets` octets begin a message of `whole` octets, more than the limit: take them as a part of it and let
	// the rest of the whole go by.
	FRAMING_TOO_LONG,
	FRAMING_LET_GO, // this stream carries something else (`reason`)
};

// Why octets are skipped or a stream is let go.
enum framing_reason {
	FRAMING_NO_REASON,
	FRAMING_KEEPALIVE, // RFC 5626 section 3.5.1
	FRAMING_RESYNC,    // looking for the next start
	FRAMING_TLS,
	FRAMING_WEBSOCKET, // RFC 7118
	FRAMING_FOREIGN,
	FRAMING_REASONS
};

struct framing {
	enum framing_verdict verdict;
	enum framing_reason reason;
	size_t octets, whole;
	size_t seen; // FRAMING_MORE: octets of the front that need not be looked at again
};

// What is known about the stream when it is asked.
struct framing_state {
	size_t seen;    // what the last call answered, if FRAMING_MORE; else 0
	bool in_sync;   // the front is where a message should begin: after another one, or at the start of the stream
	bool expected;  // on a port where this protocol is expected
	bool has_begun; // a message was found in this stream before
	uint32_t max_message; // limit of one message, octets; not 0
};

typedef struct framing framing_function(struct bytes front, const struct framing_state *state);

#endif
