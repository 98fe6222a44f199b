#include "segments.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char SEGMENT_EVENT[] = "spool-segment";

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

static bool is_expected(const char *what)
{
	return strcmp(what, "opened") == 0 || strcmp(what, "found") == 0 ||
	       strcmp(what, "left") == 0;
}

static void read_members(struct segments *s, const json_t *line)
{
	struct uuid destination;
	const char *event = json_string_value(json_object_get(line, "event"));
	const char *what = json_string_value(json_object_get(line, "what"));
	const char *did = json_string_value(json_object_get(line, "did"));
	const json_t *number = json_object_get(line, "segment");
	if (!event || strcmp(event, SEGMENT_EVENT) != 0 || !what || !did ||
		!uuid_parse(bytes_of_text(did), &destination) || !json_is_integer(number))
		return;
	forget(s, &destination, (uint64_t)json_integer_value(number));
	if (is_expected(what))
		expect(s, &destination, (uint64_t)json_integer_value(number));
}

void segments_read(struct segments *s, struct bytes line)
{
	// Lines about tasks are not taken apart: the parser does not wipe what it frees.
	if (!s || !memmem(line.at, line.len, SEGMENT_EVENT, sizeof SEGMENT_EVENT - 1))
		return;
	json_t *object = json_loadb((const char *)line.at, line.len, 0, NULL);
	read_members(s, object);
	json_decref(object);
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
