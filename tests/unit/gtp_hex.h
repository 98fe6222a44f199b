// Octets from hexadecimal, for tests of GTP-C.
#ifndef X2TAP_GTP_HEX_H
#define X2TAP_GTP_HEX_H

#include "unit.h"

struct hex {
	uint8_t octets[512];
	size_t len;
};

static inline struct hex hex_of(const char *text)
{
	struct hex h = {.len = 0};
	for (; *text; text++) {
		if (*text == ' ')
			continue;
		int high = ascii_hex_value((uint8_t)text[0]),
		    low = ascii_hex_value((uint8_t)text[1]);
		assert_true(high >= 0 && low >= 0 && h.len < sizeof h.octets);
		h.octets[h.len++] = (uint8_t)(high << 4 | low);
		text++;
	}
	return h;
}

static inline struct bytes hex_bytes(const struct hex *h)
{
	return bytes_of(h->octets, h->len);
}

static inline void hex_may_be_cut_anywhere(const char *text, void (*parse)(struct bytes prefix))
{
	struct hex h = hex_of(text);
	cut_at_every_length(hex_bytes(&h), parse);
}

#endif
