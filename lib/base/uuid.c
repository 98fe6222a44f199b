#include "uuid.h"

static bool is_dash_position(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

bool uuid_parse(struct bytes text, struct uuid *out)
{
	if (text.len != UUID_TEXT - 1)
		return false;
	struct uuid u;
	size_t digits = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (is_dash_position(i)) {
			if (text.at[i] != '-')
				return false;
			continue;
		}
		int value = ascii_hex_value(text.at[i]);
		if (value < 0)
			return false;
		uint8_t *octet = &u.octets[digits / 2];
		*octet = (uint8_t)(digits % 2 ? *octet << 4 | value : value);
		digits++;
	}
	*out = u;
	return true;
}

void uuid_format(const struct uuid *u, char text[static UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;
	for (size_t i = 0; i < sizeof u->octets; i++) {
		if (is_dash_position(at))
			text[at++] = '-';
		text[at++] = digits[u->octets[i] >> 4];
		text[at++] = digits[u->octets[i] & 15];
	}
	text[at] = '\0';
}
