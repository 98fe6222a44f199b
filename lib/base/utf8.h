// UTF-8 (RFC 3629), one character at a time.
#ifndef X2TAP_UTF8_H
#define X2TAP_UTF8_H

#include "bytes.h"

// Octets of the character at the front of `rest`, 1 to 4. 0 when it is cut, overlong, a surrogate or beyond U+10FFFF, and
// for an empty view.
size_t utf8_len(struct bytes rest);

// C0, DEL or C1: what steers a terminal and has no place in a name. `character` as utf8_len() measured it.
bool utf8_is_control(struct bytes character);

#endif
