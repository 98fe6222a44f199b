#include "yaml.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROBLEM_TEXT = 1024 }; // octets of one message, the closing NUL included

void problems_init(struct problems *p, const char *file)
{
	*p = (struct problems){.file = file};
}

void problems_fini(struct problems *p)
{
	if (p->text)
		explicit_bzero(p->text, p->cap); // problems of a target file name targets
	free(p->text);
	*p = (struct problems){.file = p->file};
}

static bool mark_before(struct yaml_mark a, struct yaml_mark b)
{
	return a.line < b.line || (a.line == b.line && a.column < b.column);
}

// Where a kept line says its problem is; a line about the whole file has none, and is told first.
static struct yaml_mark line_mark(const struct problems *p, const char *line)
{
	struct yaml_mark at = {0, 0};
	if (sscanf(line + strlen(p->file), ":%u:%u:", &at.line, &at.column) != 2)
		return (struct yaml_mark){0, 0};
	return at;
}

// The offset at which a problem at `at` keeps the order: behind all that are not after it.
static size_t place_for(const struct problems *p, struct yaml_mark at)
{
	size_t place = p->len;
	while (place > 0) {
		size_t line = place - 1; // the newline that ends the line before
		while (line > 0 && p->text[line - 1] != '\n')
			line--;
		if (!mark_before(at, line_mark(p, p->text + line)))
			break;
		place = line;
	}
	return place;
}

static bool make_room(struct problems *p, size_t more)
{
	if (p->cap - p->len > more)
		return true;
	size_t cap = (p->cap ? p->cap * 2 : 4096) + more;
	char *text = malloc(cap);
	if (!text)
		return false;
	if (p->text) {
		memcpy(text, p->text, p->len + 1);
		explicit_bzero(p->text, p->cap);
		free(p->text);
	}
	p->text = text;
	p->cap = cap;
	return true;
}

// What came from the file must not break a line or steer a terminal.
static void blunt(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void problems_add(struct problems *p, struct yaml_mark at, int code, const char *format, ...)
{
	p->count++;
	if (code && (!p->first_code || mark_before(at, p->first_code_mark))) {
		p->first_code = code;
		p->first_code_mark = at;
	}
	if (p->kept == PROBLEMS_MAX)
		return;

	char line[PROBLEM_TEXT + PATH_MAX], message[PROBLEM_TEXT];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	blunt(message);
	struct writer w = writer_of(line, sizeof line);
	write_text(&w, p->file);
	if (at.line)
		write_format(&w, ":%u:%u", at.line, at.column);
	write_text(&w, ": error: ");
	write_text(&w, message);
	write_text(&w, "\n");
	if (!w.overflow && make_room(p, w.len)) {
		size_t place = place_for(p, at);
		memmove(p->text + place + w.len, p->text + place, p->len - place);
		memcpy(p->text + place, line, w.len);
		p->len += w.len;
		p->text[p->len] = '\0';
		p->kept++;
	}
	explicit_bzero(line, sizeof line);
	explicit_bzero(message, sizeof message);
}
