#include "segments.h"

#include <stdio.h>
#include <stdlib.h>

struct place {
	struct uuid destination;
	uint64_t number;
};

struct segments {
	struct place *list; // expected, and not yet seen
	size_t count, room;
};

struct segments *segments_new(void)
{
	return calloc(1, sizeof(struct segments));
}

void segments_free(struct segments *s)
{
	if (s)
		free(s->list);
	free(s);
}

static void expect(struct segments *s, const struct uuid *destination, uint64_t number)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct place *list = realloc(s->list, room * sizeof *list);
		if (!list)
			return;
		s->list = list;
		s->room = room;
	}
	s->list[s->count++] = (struct place){*destination, number};
}

static void forget(struct segments *s, const struct uuid *destination, uint64_t number)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].number == number && uuid_equal(&s->list[i].destination, destination))
			s->list[i--] = s->list[--s->count];
}

// The value behind "key": up to the next comma or brace; the lines are of our own writing, and verified by their chain.
static struct bytes value_of(struct bytes line, const char *key)
{
	char wanted[32];
	int len = snprintf(wanted, sizeof wanted, "\"%s\":", key);
	const uint8_t *at = memmem(line.at, line.len, wanted, (size_t)len);
	if (!at)
		return bytes_of(NULL, 0);
	struct bytes rest = bytes_slice(line, (size_t)(at - line.at) + (size_t)len, line.len);
	size_t end = 0;
	while (end < rest.len && rest.at[end] != ',' && rest.at[end] != '}')
		end++;
	struct bytes value = bytes_slice(rest, 0, end);
	if (value.len >= 2 && value.at[0] == '"')
		value = bytes_slice(value, 1, value.len - 2);
	return value;
}

static bool is_text(struct bytes value, const char *text)
{
	return bytes_equal(value, bytes_of_text(text));
}

static uint64_t number_of(struct bytes value)
{
	uint64_t number = 0;
	for (size_t i = 0; i < value.len && ascii_is_digit(value.at[i]); i++)
		number = number * 10 + (value.at[i] - '0');
	return number;
}

void segments_read(struct segments *s, struct bytes line)
{
	struct uuid destination;
	if (!s || !is_text(value_of(line, "event"), "spool-segment") ||
		!uuid_parse(value_of(line, "did"), &destination))
		return;
	uint64_t number = number_of(value_of(line, "segment"));
	struct bytes what = value_of(line, "what");
	forget(s, &destination, number);
	if (is_text(what, "opened") || is_text(what, "found") || is_text(what, "left"))
		expect(s, &destination, number);
}

void segments_note(
	struct segments *s, const struct uuid *destination, enum spool_event what, uint64_t number)
{
	if (s && what != SPOOL_SEGMENT_OPENED)
		forget(s, destination, number);
}

void segments_each(const struct segments *s, segment_teller *tell, void *context)
{
	for (size_t i = 0; s && i < s->count; i++)
		tell(context, &s->list[i].destination, s->list[i].number);
}

void segments_missing(
	struct segments *s, const struct uuid *destination, segment_teller *tell, void *context)
{
	for (size_t i = 0; s && i < s->count; i++) {
		struct place place = s->list[i];
		if (destination && !uuid_equal(destination, &place.destination))
			continue;
		s->list[i--] = s->list[--s->count];
		tell(context, &place.destination, place.number);
	}
}
