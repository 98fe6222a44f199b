#include "control.h"

#include "json_escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void text_free(struct text *t)
{
	if (t->at)
		explicit_bzero(t->at, t->cap); // the LI side may read identifiers here
	free(t->at);
	*t = (struct text){0};
}

// Room for `more` octets and the NUL behind them. No realloc: it would leave a copy behind.
static bool make_room(struct text *t, size_t more)
{
	if (t->cap - t->len > more)
		return true;
	size_t cap = (t->cap ? t->cap * 2 : 1024) + more;
	char *at = malloc(cap);
	if (!at) {
		t->failed = true;
		return false;
	}
	if (t->at) {
		memcpy(at, t->at, t->len + 1);
		explicit_bzero(t->at, t->cap);
		free(t->at);
	}
	t->at = at;
	t->cap = cap;
	return true;
}

void text_add(struct text *t, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int len = vsnprintf(NULL, 0, format, arguments);
	if (len < 0)
		t->failed = true;
	else if (make_room(t, (size_t)len))
		t->len += (size_t)vsnprintf(t->at + t->len, t->cap - t->len, format, again);
	va_end(again);
	va_end(arguments);
}

void text_add_json_string(struct text *t, const char *s)
{
	struct bytes text = bytes_of_text(s);
	char c[JSON_ESCAPED];
	text_add(t, "\"");
	for (size_t i = 0; i < text.len;) {
		i += json_escape(bytes_slice(text, i, text.len), c);
		text_add(t, "%s", c);
	}
	text_add(t, "\"");
}
