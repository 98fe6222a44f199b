// The little text that an MF looks at to show a PDU: encoding, lines, and of a SIP message who and what.
//
// Written apart from lib/proto, and for show only: nothing is decided by it. Views into what was given.
#ifndef X2TAP_MF_TEXT_H
#define X2TAP_MF_TEXT_H

#include "bytes.h"

bool mf_text_is_utf8(struct bytes text);
// Takes the first line off `rest`; the line comes without its end.
struct bytes mf_text_line(struct bytes *rest);

struct mf_sip_lines {
	struct bytes start, from,
		to; // the start line, and the URIs of From and To; empty: not found
};
struct mf_sip_lines mf_sip_lines(struct bytes message);

#endif
