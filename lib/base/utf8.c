#include "utf8.h"

static size_t announced_len(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

size_t utf8_len(struct bytes rest)
{
	size_t len = rest.len ? announced_len(rest.at[0]) : 0;
	if (len > rest.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((rest.at[i] & 0xc0) != 0x80)
			return 0;
	if (len < 3)
		return len;
	uint8_t first = rest.at[0], second = rest.at[1];
	bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
	bool surrogate = first == 0xed && second > 0x9f;
	bool too_great = first == 0xf4 && second > 0x8f;
	return overlong || surrogate || too_great ? 0 : len;
}

bool utf8_is_control(struct bytes character)
{
	const uint8_t *c = character.at;
	if (character.len == 1)
		return c[0] < ' ' || c[0] == 0x7f;
	return character.len == 2 && c[0] == 0xc2 && c[1] < 0xa0;
}
