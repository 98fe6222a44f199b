#include "nearest.h"

#include "bytes.h"

enum { NAME_MAX_LEN = 40 }; // octets; a longer name is near to none

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

// How many octets must be added, removed or replaced to make `b` of `a`, whatever their case (Levenshtein). `b` is at most
// NAME_MAX_LEN long.
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

struct nearest nearest_to(const char *name)
{
	size_t len = strlen(name);
	return (struct nearest){name, NULL, len > NAME_MAX_LEN ? 0 : len / 3 + 2};
}

void nearest_try(struct nearest *n, const char *known)
{
	if (n->bound == 0)
		return;
	size_t d = distance(known, n->name);
	if (d < n->bound) {
		n->bound = d;
		n->found = known;
	}
}
