// The first line of a message (RFC 3261 sections 7.1 and 7.2). For the files of lib/proto alone.
#ifndef X2TAP_SIP_START_LINE_H
#define X2TAP_SIP_START_LINE_H

#include "sip.h"
#include "sip_uri.h"

enum {
	SIP_MAX_METHOD = 128, // octets; a longer first word starts no message
	SIP_MAX_JUNK = 16,    // octets before a start line that sip_parse() skips
};

struct sip_start_line {
	struct bytes line; // without its end
	size_t len;        // octets up to the first header line
	uint8_t line_mark; // '\n': lines end so, CR before it or not; '\r': the sender knows lone CRs only
	bool is_response;
	bool is_exact;     // by the grammar, octet for octet
	bool is_version_2; // says SIP/2.0
	uint16_t status;   // at most UINT16_MAX
	struct bytes method;
	enum sip_method known_method;
	struct bytes uri;       // without the <> that do not belong there; may hold blanks
	bool uri_is_absolute;   // begins with a scheme
	enum sip_scheme scheme; // if so
};

// Reads the line that `text` starts with, as leniently as makes sense on a port that is known to carry SIP: any
// number of blanks, any SIP version; for a known method and a sip, sips or tel URI, none at all.
bool sip_start_line_read(struct bytes text, struct sip_start_line *out);

#endif
