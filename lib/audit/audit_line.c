// The members of one event as JSON, in a block of fixed size.
#include "audit.h"

#include <inttypes.h>

#include "json_escape.h"

// Kept free for the word that says that something did not fit: audit_tell() adds it.
enum { ROOM_FOR_CUT = 16, ROOM = sizeof((struct audit_line *)NULL)->text - ROOM_FOR_CUT };

static bool put(struct audit_line *line, const char *text)
{
	size_t len = strlen(text);
	if (len >= ROOM - line->len)
		return false;
	memcpy(line->text + line->len, text, len + 1);
	line->len += len;
	return true;
}

// The value's characters as long as they fit with the quote that closes them. False: some did not.
static bool put_escaped(struct audit_line *line, const char *value)
{
	struct bytes text = bytes_of_text(value);
	char c[JSON_ESCAPED];
	for (size_t i = 0; i < text.len;) {
		i += json_escape(bytes_slice(text, i, text.len), c);
		if (strlen(c) + 1 >= ROOM - line->len || !put(line, c))
			return false;
	}
	return true;
}

static bool put_key(struct audit_line *line, const char *key)
{
	return (line->len == 0 || put(line, ",")) && put(line, "\"") && put(line, key) &&
	       put(line, "\":");
}

// A member of a fixed text, whole or not at all.
static void put_member(struct audit_line *line, const char *key, const char *text)
{
	size_t before = line->len;
	if (put_key(line, key) && put(line, text))
		return;
	line->len = before;
	line->text[before] = '\0';
	line->failed = true;
}

void audit_begin(struct audit_line *line, const char *event)
{
	line->len = 0;
	line->text[0] = '\0';
	line->failed = false;
	audit_text(line, "event", event);
}

void audit_text(struct audit_line *line, const char *key, const char *value)
{
	size_t before = line->len;
	if (!put_key(line, key) || sizeof "\"\"" > ROOM - line->len) {
		line->len = before;
		line->text[before] = '\0';
		line->failed = true;
		return;
	}
	put(line, "\"");
	if (!put_escaped(line, value))
		line->failed = true;
	put(line, "\"");
}

void audit_number(struct audit_line *line, const char *key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, value);
	put_member(line, key, text);
}

void audit_integer(struct audit_line *line, const char *key, int64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, value);
	put_member(line, key, text);
}

void audit_bool(struct audit_line *line, const char *key, bool value)
{
	put_member(line, key, value ? "true" : "false");
}
