#include "show.h"

#include <stdlib.h>
#include <string.h>

enum { CELL = 1024, GAP = 2 }; // octets of a value as text; columns between columns

static void blunt(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

// A value on one line.
static void cell_text(const json_t *value, char text[static CELL])
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		snprintf(text, CELL, "%s", json_string_value(value));
		break;
	case JSON_INTEGER:
		snprintf(text, CELL, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		snprintf(text, CELL, "%.10g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		snprintf(text, CELL, "%s", json_is_true(value) ? "yes" : "no");
		break;
	case JSON_NULL:
		text[0] = '\0';
		break;
	case JSON_OBJECT:
	case JSON_ARRAY: {
		size_t len = json_dumpb(value, text, CELL - 1, JSON_COMPACT);
		text[len < CELL - 1 ? len : CELL - 1] = '\0';
		break;
	}
	}
	blunt(text);
	if (!text[0])
		strcpy(text, "-");
}

// Columns on the screen: one for each character, whatever its octets.
static size_t columns_of(const char *text)
{
	size_t columns = 0;
	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

// Width 0: no blanks behind, for the last of a line.
static void put_cell(FILE *to, const char *text, size_t width, bool right)
{
	size_t columns = columns_of(text);
	int fill = width > columns ? (int)(width - columns) : 0;
	if (right)
		fprintf(to, "%*s%s", fill, "", text);
	else
		fprintf(to, "%s%*s", text, fill, "");
}

// --- tables --------------------------------------------------------------------------------------------------

static const json_t *cell_at(const json_t *rows, size_t row, const char *key)
{
	return json_object_get(json_array_get(rows, row), key);
}

static size_t column_width(const json_t *rows, const char *key)
{
	char text[CELL];
	size_t width = columns_of(key);
	for (size_t row = 0; row < json_array_size(rows); row++) {
		const json_t *value = cell_at(rows, row, key);
		if (!value)
			continue;
		cell_text(value, text);
		width = larger(width, columns_of(text));
	}
	return width;
}

// Columns are the keys of the first row; numbers stand right.
static void show_columns(FILE *to, const json_t *rows)
{
	char text[CELL];
	json_t *first = json_array_get(rows, 0);
	for (size_t row = 0; row <= json_array_size(rows); row++) {
		const char *gap = "  ";
		for (void *at = json_object_iter(first); at;
			at = json_object_iter_next(first, at)) {
			const char *key = json_object_iter_key(at);
			bool number = json_is_number(json_object_iter_value(at));
			bool last = !json_object_iter_next(first, at) && !number;
			const json_t *value = row ? cell_at(rows, row - 1, key) : NULL;
			if (value)
				cell_text(value, text);
			else
				snprintf(text, sizeof text, "%s", row ? "-" : key);
			fputs(gap, to);
			put_cell(to, text, last ? 0 : column_width(rows, key), number);
		}
		fputc('\n', to);
	}
}

// The same turned: a line for each key, a column for each row.
static void show_rows(FILE *to, const json_t *rows)
{
	char text[CELL];
	json_t *first = json_array_get(rows, 0);
	size_t keys = 0;
	for (void *at = json_object_iter(first); at; at = json_object_iter_next(first, at))
		keys = larger(keys, columns_of(json_object_iter_key(at)));
	for (size_t row = 0; row < json_array_size(rows); row++) {
		if (row)
			fputc('\n', to);
		for (void *at = json_object_iter(first); at;
			at = json_object_iter_next(first, at)) {
			const json_t *value = cell_at(rows, row, json_object_iter_key(at));
			if (value)
				cell_text(value, text);
			fputs("  ", to);
			put_cell(to, json_object_iter_key(at), keys, false);
			fprintf(to, "  %s\n", value ? text : "-");
		}
	}
}

static void show_table(FILE *to, const json_t *rows, size_t width)
{
	size_t total = 0;
	json_t *first = json_array_get(rows, 0);
	for (void *at = json_object_iter(first); at; at = json_object_iter_next(first, at))
		total += column_width(rows, json_object_iter_key(at)) + GAP;
	if (total <= width)
		show_columns(to, rows);
	else
		show_rows(to, rows);
}

// --- objects -------------------------------------------------------------------------------------------------

static bool is_table(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

static bool is_section(const json_t *value)
{
	return json_is_object(value) || is_table(value);
}

static void show_scalars(FILE *to, json_t *object, const char *indent)
{
	char text[CELL];
	size_t keys = 0;
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at))
		if (!is_section(json_object_iter_value(at)))
			keys = larger(keys, columns_of(json_object_iter_key(at)));
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		const json_t *value = json_object_iter_value(at);
		if (is_section(value) || strcmp(json_object_iter_key(at), "ok") == 0)
			continue;
		cell_text(value, text);
		fputs(indent, to);
		put_cell(to, json_object_iter_key(at), keys, false);
		if (json_is_array(value) && json_array_size(value) == 0)
			strcpy(text, "none");
		fprintf(to, "  %s\n", text);
	}
}

void show_object(FILE *to, json_t *object, size_t width)
{
	show_scalars(to, object, "");
	for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
		json_t *value = json_object_iter_value(at);
		if (!is_section(value))
			continue;
		fprintf(to, "\n%s\n", json_object_iter_key(at));
		if (is_table(value))
			show_table(to, value, width);
		else
			show_scalars(to, value, "  ");
	}
}

// --- laws ----------------------------------------------------------------------------------------------------

bool laws_hold(const json_t *laws)
{
	bool hold = json_array_size(laws) > 0;
	for (size_t i = 0; i < json_array_size(laws); i++)
		hold = hold && json_is_true(cell_at(laws, i, "holds"));
	return hold;
}

void show_laws(FILE *to, const json_t *laws)
{
	size_t names = column_width(laws, "name");
	for (size_t i = 0; i < json_array_size(laws); i++) {
		char name[CELL], text[CELL], left[CELL], right[CELL];
		const json_t *unknown = json_null();
		const json_t *parts[] = {cell_at(laws, i, "name"), cell_at(laws, i, "text"),
			cell_at(laws, i, "left"), cell_at(laws, i, "right")};
		char *texts[] = {name, text, left, right};
		for (size_t part = 0; part < 4; part++)
			cell_text(parts[part] ? parts[part] : unknown, texts[part]);
		bool holds = json_is_true(cell_at(laws, i, "holds"));
		fputs(holds ? "ok      " : "BROKEN  ", to);
		put_cell(to, name, names, false);
		fprintf(to, "  %s (%s and %s)\n", text, left, right);
	}
}

void show_text(FILE *to, const char *text)
{
	for (; *text; text++)
		fputc(((unsigned char)*text < ' ' && *text != '\n') || *text == 0x7f ? '?' : *text,
			to);
	fputc('\n', to);
}
