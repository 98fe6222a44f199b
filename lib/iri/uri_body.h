// Message bodies in the headers of a URI: <sip:c@example.com;method=MESSAGE?body=Hello> (RFC 3261 section 19.1.1). No
// state, no allocation: any thread.
#ifndef X2TAP_URI_BODY_H
#define X2TAP_URI_BODY_H

#include "bytes.h"

// Overwrites with x what is called "body" behind a ? or & in `text`, a header field's value or a Request-URI: up to the next
// & or what ends the URI, white space left as it is. Names and separators may be percent-encoded, however often: a URI
// within a URI. True if anything was overwritten.
bool uri_body_blank(uint8_t *text, size_t len);

#endif
