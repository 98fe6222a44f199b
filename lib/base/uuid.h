// UUIDs as XID, DID and product id: octets in textual order (TS 103 221-2 clause 5.2.7, no GUID byte swapping).
#ifndef X2TAP_UUID_H
#define X2TAP_UUID_H

#include "bytes.h"

enum { UUID_TEXT = 37 }; // octets of the text form, the closing NUL included

struct uuid {
	uint8_t octets[16];
};

// Takes 8-4-4-4-12 hexadecimal digits, either case, nothing else. Writes `out` only on success.
bool uuid_parse(struct bytes text, struct uuid *out);
// Lower case, as X1 wants it.
void uuid_format(const struct uuid *u, char text[static UUID_TEXT]);

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

#endif
