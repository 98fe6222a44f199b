#include "yaml.h"

#include "utf8.h"
#include "yaml_memory.h"

#include <../include/yaml.h> // libyaml's: ours has the same name and stands first on the path

#include <assert.h>
#include <stdlib.h>

// --- memory: blocks that only grow, wiped and freed together -------------------------------------------------

enum { BLOCK_SIZE = 64 * 1024 };

struct block {
	struct block *next;
	size_t used, size;
	max_align_t data[];
};

struct yaml_document {
	struct block *blocks;
	struct yaml_node *root;
};

static void *document_take(struct yaml_document *d, size_t size)
{
	size = (size + 7) & ~(size_t)7;
	struct block *b = d->blocks;
	if (!b || b->size - b->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		b = malloc(sizeof *b + room);
		if (!b)
			return NULL;
		*b = (struct block){.next = d->blocks, .size = room};
		d->blocks = b;
	}
	void *at = (char *)b->data + b->used;
	b->used += size;
	return at;
}

static char *document_copy(struct yaml_document *d, struct bytes text)
{
	char *copy = document_take(d, text.len + 1);
	if (!copy)
		return NULL;
	if (text.len)
		memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	return copy;
}

void yaml_document_wipe(struct yaml_document *document)
{
	if (!document)
		return;
	for (struct block *b = document->blocks, *next; b; b = next) {
		next = b->next;
		explicit_bzero(b->data, b->used);
		free(b);
	}
	free(document);
}

// --- what libyaml stumbles over, in words that help ----------------------------------------------------------

// A view of line `number` (from 0).
static struct bytes line_of(struct bytes text, size_t number)
{
	size_t at = 0;
	for (; number > 0 && at < text.len; number--) {
		const uint8_t *end = memchr(text.at + at, '\n', text.len - at);
		at = end ? (size_t)(end - text.at) + 1 : text.len;
	}
	struct bytes rest = bytes_slice(text, at, text.len);
	const uint8_t *end = rest.len ? memchr(rest.at, '\n', rest.len) : NULL;
	return bytes_slice(rest, 0, end ? (size_t)(end - rest.at) : rest.len);
}

// Whether an unquoted run of hexadecimal digits, dots and colons in the line has two colons or more.
static bool shows_bare_address(struct bytes line)
{
	unsigned colons = 0;
	uint8_t quote = 0;
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.at[i];
		if (quote) {
			quote = c == quote ? 0 : quote;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (c == '#') {
			return false;
		} else if (c == ':') {
			if (++colons == 2)
				return true;
		} else if (ascii_hex_value(c) < 0 && c != '.') {
			colons = 0;
		}
	}
	return false;
}

static bool is_indented_by_tab(struct bytes line)
{
	for (size_t i = 0; i < line.len && (line.at[i] == ' ' || line.at[i] == '\t'); i++)
		if (line.at[i] == '\t')
			return true;
	return false;
}

static uint8_t octet_at(struct bytes line, size_t column)
{
	return column < line.len ? line.at[column] : 0;
}

// Characters that a plain value may not start with.
static bool is_indicator(uint8_t c)
{
	return c && strchr("@`%*&!|>", c);
}

static struct yaml_mark mark_of(yaml_mark_t at)
{
	return (struct yaml_mark){(uint32_t)at.line + 1, (uint32_t)at.column + 1};
}

static void report_syntax(struct problems *problems, struct bytes text, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR) {
		problems_add(problems, (struct yaml_mark){0}, 0, "out of memory");
		return;
	}
	struct bytes line = line_of(text, parser->problem_mark.line);
	struct yaml_mark at = mark_of(parser->problem_mark);
	struct bytes context_line = line_of(text, parser->context_mark.line);
	uint8_t c = octet_at(line, parser->problem_mark.column);
	if (parser->context && !is_indicator(c))
		c = octet_at(context_line, parser->context_mark.column);

	if (is_indented_by_tab(line))
		problems_add(problems, at, 0, "a tab indents this line: use spaces");
	else if (shows_bare_address(line))
		problems_add(problems, at, 0, "%s: quote the address, as in \"2001:db8::1\"",
			parser->problem);
	else if (parser->context && parser->context_mark.line + 1 == parser->problem_mark.line &&
		 shows_bare_address(context_line))
		problems_add(problems, mark_of(parser->context_mark), 0,
			"%s: quote the address, as in \"2001:db8::1\"", parser->problem);
	else if (is_indicator(c))
		problems_add(problems, at, 0, "a value that starts with '%c' must be quoted", c);
	else if (parser->context)
		problems_add(problems, at, 0, "%s (%s that starts at line %zu)", parser->problem,
			parser->context, parser->context_mark.line + 1);
	else
		problems_add(problems, at, 0, "%s", parser->problem);
}

// --- events to nodes -----------------------------------------------------------------------------------------

struct building {
	yaml_parser_t parser;
	struct yaml_document *document;
	struct problems *problems;
	struct bytes text;
	bool stopped;        // nothing more can be read: a syntax error, too deep, no memory
	unsigned duplicates; // of the problems: the document can be read on all the same

	const struct yaml_node **keyed; // scratch for check_duplicates
	size_t keyed_cap;
};

static void stop_without_memory(struct building *b)
{
	problems_add(b->problems, (struct yaml_mark){0}, 0, "out of memory");
	b->stopped = true;
}

// False when there is none: b->stopped says so to everybody.
static bool next_event(struct building *b, yaml_event_t *event)
{
	if (b->stopped)
		return false;
	if (yaml_parser_parse(&b->parser, event))
		return true;
	report_syntax(b->problems, b->text, &b->parser);
	b->stopped = true;
	return false;
}

static struct yaml_node *node_new(struct building *b, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node = document_take(b->document, sizeof *node);
	if (!node) {
		stop_without_memory(b);
		return NULL;
	}
	*node = (struct yaml_node){.mark = mark_of(at), .kind = (uint8_t)kind};
	return node;
}

static void refuse_properties(
	struct building *b, yaml_mark_t at, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		problems_add(b->problems, mark_of(at), 0,
			"anchors ('&%s') are not supported: write the value out, or quote it",
			(const char *)anchor);
	if (tag)
		problems_add(b->problems, mark_of(at), 0,
			"tags ('%s') are not supported: a value that starts with '!' must be quoted",
			(const char *)tag);
}

static char *scalar_text(struct building *b, const yaml_event_t *event)
{
	struct bytes value = bytes_of(event->data.scalar.value, event->data.scalar.length);
	if (value.len && memchr(value.at, 0, value.len))
		problems_add(
			b->problems, mark_of(event->start_mark), 0, "text may not contain a NUL");
	if (value.len > UINT32_MAX)
		problems_add(b->problems, mark_of(event->start_mark), 0, "this text is too long");
	char *text = document_copy(b->document, value);
	if (!text)
		stop_without_memory(b);
	return text;
}

static struct yaml_node *node_of(struct building *b, const yaml_event_t *event, unsigned depth);

static struct yaml_node *scalar_of(struct building *b, const yaml_event_t *event)
{
	refuse_properties(b, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);
	struct yaml_node *node = node_new(b, YAML_SCALAR, event->start_mark);
	if (node) {
		node->text = scalar_text(b, event);
		node->len = (uint32_t)event->data.scalar.length;
	}
	return node;
}

static struct yaml_node *list_of(struct building *b, const yaml_event_t *start, unsigned depth)
{
	refuse_properties(b, start->start_mark, start->data.sequence_start.anchor,
		start->data.sequence_start.tag);
	struct yaml_node *list = node_new(b, YAML_LIST, start->start_mark);
	if (!list)
		return NULL;
	const struct yaml_node **tail = &list->first;
	yaml_event_t event;
	while (next_event(b, &event)) {
		bool ended = event.type == YAML_SEQUENCE_END_EVENT;
		struct yaml_node *child = ended ? NULL : node_of(b, &event, depth + 1);
		yaml_event_delete(&event);
		if (ended)
			break;
		if (!child)
			continue;
		*tail = child;
		tail = &child->next;
		list->len++;
	}
	return list;
}

static int by_key(const void *left, const void *right)
{
	const struct yaml_node *a = *(const struct yaml_node *const *)left;
	const struct yaml_node *b = *(const struct yaml_node *const *)right;
	int order = strcmp(a->key, b->key);
	if (order)
		return order;
	if (a->key_mark.line != b->key_mark.line)
		return a->key_mark.line < b->key_mark.line ? -1 : 1;
	return a->key_mark.column < b->key_mark.column ? -1
	                                               : a->key_mark.column > b->key_mark.column;
}

static void check_duplicates(struct building *b, const struct yaml_node *map)
{
	if (map->len > b->keyed_cap) {
		size_t cap = map->len * (size_t)2;
		const struct yaml_node **more = realloc((void *)b->keyed, cap * sizeof *more);
		if (!more) {
			stop_without_memory(b);
			return;
		}
		b->keyed = more;
		b->keyed_cap = cap;
	}
	size_t count = 0;
	for (const struct yaml_node *n = map->first; n; n = n->next)
		b->keyed[count++] = n;
	if (count > 1)
		qsort((void *)b->keyed, count, sizeof *b->keyed, by_key);
	size_t first = 0;
	for (size_t i = 1; i < count; i++) {
		if (strcmp(b->keyed[first]->key, b->keyed[i]->key) != 0) {
			first = i;
			continue;
		}
		b->duplicates++;
		problems_add(b->problems, b->keyed[i]->key_mark, 0,
			"duplicate key '%s' (first at line %u)", b->keyed[i]->key,
			b->keyed[first]->key_mark.line);
	}
}

// The text of a key, or NULL for one that cannot be used; it was reported then, and its value must still be read.
static const char *key_of(struct building *b, const yaml_event_t *event, unsigned depth)
{
	if (event->type != YAML_SCALAR_EVENT) {
		problems_add(b->problems, mark_of(event->start_mark), 0,
			"a key must be plain text: quote what starts with '[', '{' or '*'");
		node_of(b, event, depth + 1);
		return NULL;
	}
	refuse_properties(b, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);
	const char *key = scalar_text(b, event);
	if (!key)
		return NULL;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (plain && strcmp(key, "<<") == 0)
		problems_add(b->problems, mark_of(event->start_mark), 0,
			"merge keys ('<<') are not supported: write the values out");
	else if (plain && key[0] && key[strlen(key) - 1] == ':')
		problems_add(b->problems, mark_of(event->start_mark), 0,
			"'%s:' reads as a key: quote the address", key);
	return key;
}

static struct yaml_node *map_of(struct building *b, const yaml_event_t *start, unsigned depth)
{
	refuse_properties(b, start->start_mark, start->data.mapping_start.anchor,
		start->data.mapping_start.tag);
	struct yaml_node *map = node_new(b, YAML_MAP, start->start_mark);
	if (!map)
		return NULL;
	const struct yaml_node **tail = &map->first;
	yaml_event_t event;
	while (next_event(b, &event)) {
		if (event.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&event);
			break;
		}
		const char *key = key_of(b, &event, depth);
		struct yaml_mark key_mark = mark_of(event.start_mark);
		yaml_event_delete(&event);
		if (!next_event(b, &event))
			break;
		struct yaml_node *value = node_of(b, &event, depth + 1);
		yaml_event_delete(&event);
		if (!key || !value)
			continue;
		value->key = key;
		value->key_mark = key_mark;
		*tail = value;
		tail = &value->next;
		map->len++;
	}
	if (!b->stopped)
		check_duplicates(b, map);
	return map;
}

// The node that begins with `event`, read to its end; NULL when there is none to be had (reported). `depth`: levels
// above it, so the recursion is bounded.
static struct yaml_node *node_of(struct building *b, const yaml_event_t *event, unsigned depth)
{
	if (event->type == YAML_SCALAR_EVENT)
		return scalar_of(b, event);
	if (event->type == YAML_ALIAS_EVENT) {
		problems_add(b->problems, mark_of(event->start_mark), 0,
			"aliases ('*%s') are not supported: a value that starts with '*' must be quoted",
			(const char *)event->data.alias.anchor);
		return NULL;
	}
	if (depth >= YAML_MAX_DEPTH) {
		problems_add(b->problems, mark_of(event->start_mark), 0,
			"lists and maps are nested deeper than %d levels", YAML_MAX_DEPTH);
		b->stopped = true;
		return NULL;
	}
	return event->type == YAML_SEQUENCE_START_EVENT ? list_of(b, event, depth)
	                                                : map_of(b, event, depth);
}

static void read_document(struct building *b, const yaml_event_t *start)
{
	if (start->data.document_start.tag_directives.start !=
		start->data.document_start.tag_directives.end)
		problems_add(b->problems, mark_of(start->start_mark), 0,
			"tag directives are not supported");
	yaml_event_t event;
	if (!next_event(b, &event))
		return;
	b->document->root = node_of(b, &event, 0);
	yaml_event_delete(&event);
	if (next_event(b, &event)) // the end of the document
		yaml_event_delete(&event);
}

static void read_stream(struct building *b)
{
	yaml_event_t event;
	bool ended = false;
	for (unsigned documents = 0; !ended && next_event(b, &event);) {
		ended = event.type == YAML_STREAM_END_EVENT;
		if (event.type == YAML_DOCUMENT_START_EVENT && documents++ > 0) {
			problems_add(b->problems, mark_of(event.start_mark), 0,
				"a second document ('---') starts here: one file is one document");
			b->stopped = true;
		} else if (event.type == YAML_DOCUMENT_START_EVENT) {
			read_document(b, &event);
		}
		yaml_event_delete(&event);
	}
	if (!b->document->root && !b->stopped)
		b->document->root = node_new(b, YAML_MAP, (yaml_mark_t){0});
}

// --- the whole ----------------------------------------------------------------------------------------------

// Whether YAML takes the character as it stands; libyaml refuses the others without saying where.
static bool is_text(struct bytes character)
{
	const uint8_t *c = character.at;
	bool nobodys = character.len == 3 && c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe;
	return strchr("\t\n\r", c[0]) ? c[0] != 0 : !nobodys && !utf8_is_control(character);
}

// One problem for the first octet that is no text.
static bool check_text(struct bytes text, struct problems *problems)
{
	struct yaml_mark at = {1, 1};
	for (size_t i = 0, len; i < text.len; i += len) {
		len = utf8_len(bytes_slice(text, i, text.len));
		if (len == 0 || !is_text(bytes_slice(text, i, len))) {
			problems_add(problems, at, 0,
				len == 0 ? "octet 0x%02x is not UTF-8"
					 : "control character (octet 0x%02x)",
				text.at[i]);
			return false;
		}
		at.column++;
		if (text.at[i] == '\n')
			at = (struct yaml_mark){at.line + 1, 1};
	}
	return true;
}

struct yaml_document *yaml_parse(struct bytes text, struct problems *problems)
{
	unsigned before = problems->count;
	if (!check_text(text, problems))
		return NULL;

	struct building b = {.problems = problems, .text = text};
	b.document = calloc(1, sizeof *b.document);
	if (!b.document || !yaml_parser_initialize(&b.parser)) {
		free(b.document);
		problems_add(problems, (struct yaml_mark){0}, 0, "out of memory");
		return NULL;
	}
	// All that libyaml gives back is wiped: its tokens and buffers hold the text too.
	bool is_wiped = yaml_memory_is_wiped(b.parser.raw_buffer.start,
		(size_t)(b.parser.raw_buffer.end - b.parser.raw_buffer.start));
	assert(is_wiped);
	(void)is_wiped;
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, text.at ? text.at : (const uint8_t *)"", text.len);
	read_stream(&b);

	yaml_parser_delete(&b.parser);
	free((void *)b.keyed);
	if (problems->count == before + b.duplicates && !b.stopped)
		return b.document;
	yaml_free(b.document);
	return NULL;
}

const struct yaml_node *yaml_root(const struct yaml_document *document)
{
	return document->root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	if (map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *n = map->first; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return n;
	return NULL;
}
