// A connection's octets, cut into PDUs. One thread at a time; memory up to MF_PDU_MAX and one read.
#ifndef X2TAP_MF_STREAM_H
#define X2TAP_MF_STREAM_H

#include "mf_pdu.h"

// All zeros is an empty stream.
struct mf_stream {
	uint8_t *octets;
	size_t from, to, cap; // [from, to) waits to be read
};

void mf_stream_fini(struct mf_stream *s);

// Room for `want` octets behind what waits; views given before are gone. NULL when memory is short.
uint8_t *mf_stream_room(struct mf_stream *s, size_t want);
void mf_stream_added(struct mf_stream *s, size_t len);

// The next PDU, as mf_pdu_decode(); its views hold until mf_stream_room().
enum parse_result mf_stream_next(struct mf_stream *s, struct mf_pdu *out);
// Octets of a PDU that has not come to its end.
size_t mf_stream_unfinished(const struct mf_stream *s);

#endif
