#include "gtpc.h"

bool gtpc_digits_read(struct bytes tbcd, struct gtpc_digits *out)
{
	enum { FILLER = 15 };
	bool ended = false;
	out->len = 0;
	for (size_t i = 0; i < 2 * tbcd.len; i++) {
		uint8_t value = tbcd.at[i / 2] >> (i % 2 * 4) & 15;
		if (value == FILLER) {
			ended = true;
			continue;
		}
		if (ended || value > 9 || out->len == GTPC_MAX_DIGITS)
			return false;
		out->digits[out->len++] = (uint8_t)('0' + value);
	}
	return true;
}

void gtpc_address_read(struct reader *r, uint8_t family, struct address *out)
{
	static const struct address none = {.family = 0};
	struct bytes octets = read_bytes(r, family == 4 ? 4 : 16);
	*out = none;
	if (octets.len == 0 || memcmp(octets.at, none.octets, octets.len) == 0)
		return;
	memcpy(out->octets, octets.at, octets.len);
	out->family = family;
}
