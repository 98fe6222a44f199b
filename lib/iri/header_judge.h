// What of a header may be content: where the empty line is missing, or is not what another reader takes for one, the body's
// first lines look like header lines. No state, no allocation: any thread.
#ifndef X2TAP_HEADER_JUDGE_H
#define X2TAP_HEADER_JUDGE_H

#include "mime.h"
#include "sip.h"

// Whether a line is a header field: a token and a colon.
bool header_line_is_field(const struct mime_line *line);

// Whether the header of a part or of a fragment is nothing but a header for any reader: fields only, in a fragment a
// start line before them, no line end of another kind within a line, no folded line that is all blank. Without an empty line
// nothing follows its Content-Type and Content-Length.
bool header_is_sound(struct bytes header, bool is_fragment);

// The walk through a message's header. After a line that is no field or that some reader takes for the end of the header, and
// where the empty line is missing behind the last Content-Type and Content-Length, only the first fields
// stay of each name that sip_parse() knows: they say who and how, and must not be hidden by what a sender puts before them.
struct header_judge {
	const struct sip_message *message;
	uint8_t mark;
	const uint8_t *described_end; // behind these two fields where the end is missing, else NULL
	bool may_be_over;
};
struct header_judge header_judge_of(const struct sip_message *message, uint8_t mark);

// How many octets stay of the next line: 0, all, or those before a stray line end. `line` comes from a walk over
// message->header_block.
size_t header_judge_line(struct header_judge *judge, const struct mime_line *line);

// Whether all lines stay whole.
bool header_judge_keeps_all(const struct sip_message *message, uint8_t mark);

#endif
