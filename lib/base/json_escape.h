// What stands between the quotes of a JSON string (RFC 8259 section 7), one character at a time.
#ifndef X2TAP_JSON_ESCAPE_H
#define X2TAP_JSON_ESCAPE_H

#include "bytes.h"

enum { JSON_ESCAPED = 8 }; // octets one character may come to, the closing NUL included

// Writes the character at the front of `rest` (not empty) and returns how many octets it was: quotes, backslashes and all that
// steers a terminal as escapes, an octet that is not UTF-8 as U+FFFD.
size_t json_escape(struct bytes rest, char out[static JSON_ESCAPED]);

#endif
