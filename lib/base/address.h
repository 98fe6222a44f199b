// IP addresses as values.
#ifndef X2TAP_ADDRESS_H
#define X2TAP_ADDRESS_H

#include "bytes.h"

enum { ADDRESS_TEXT = 46 }; // octets of the longest text form, the closing NUL included

// An IPv4 or IPv6 address in network order. IPv4 uses octets 0 to 3, the rest is zero, so that memcmp compares.
struct address {
	uint8_t octets[16];
	uint8_t family; // 4 or 6; 0: none
};

// Strict text forms: dotted quad without leading zeros, or RFC 4291 IPv6 (no zone). Written only on success.
bool address_parse(struct bytes text, struct address *out);
// IPv6 shortened as RFC 5952 wants it.
void address_format(const struct address *a, char text[static ADDRESS_TEXT]);
// As X1 wants it: IPv6 in eight groups of four lower-case digits.
void address_format_x1(const struct address *a, char text[static ADDRESS_TEXT]);

#endif
