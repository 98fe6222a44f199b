#include "target_reading.h"

enum { NAME_MAX_LEN = 40 }; // octets; a longer name is near to none

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

// How many octets must be added, removed or replaced to make `b` of `a`, whatever their case (Levenshtein). Both are at
// most NAME_MAX_LEN long.
static size_t distance(const char *a, const char *b)
{
	size_t costs[NAME_MAX_LEN + 1], b_len = strlen(b);
	for (size_t j = 0; j <= b_len; j++)
		costs[j] = j;
	for (; *a; a++) {
		size_t before = costs[0]++;
		for (size_t j = 0; j < b_len; j++) {
			bool same = ascii_lower((uint8_t)*a) == ascii_lower((uint8_t)b[j]);
			size_t best = least(before + !same, least(costs[j], costs[j + 1]) + 1);
			before = costs[j + 1];
			costs[j + 1] = best;
		}
	}
	return costs[b_len];
}

const char *name_nearest(const char *name, const void *names, size_t stride, size_t count)
{
	const char *found = NULL;
	if (strlen(name) > NAME_MAX_LEN)
		return NULL;
	size_t bound = strlen(name) / 3 + 2;
	for (size_t i = 0; i < count; i++) {
		const char *known = *(const char *const *)((const uint8_t *)names + i * stride);
		size_t d = distance(name, known);
		if (d < bound) {
			bound = d;
			found = known;
		}
	}
	return found;
}
