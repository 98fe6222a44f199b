#include "target_reading.h"

#include <stdarg.h>
#include <stdio.h>

#include "nearest.h"

static void place_write(struct writer *w, const struct place *place)
{
	if (!place)
		return;
	place_write(w, place->up); // as deep as the file: YAML_MAX_DEPTH
	if (w->len)
		write_u8(w, '.');
	if (place->is_item)
		write_format(w, "%s[%u]", place->name, place->index);
	else
		write_text(w, place->name);
}

void target_complain(struct reading *r, struct yaml_mark at, enum x1_code code,
	const struct place *place, const char *format, ...)
{
	char path[256] = "", message[512];
	struct writer w = writer_of(path, sizeof path - 1);
	place_write(&w, place);
	path[w.len] = '\0';
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	problems_add(r->problems, at, (int)code, "%s%s%s", path, w.len ? ": " : "", message);
	explicit_bzero(message, sizeof message);
}

static const char *kind_name(const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR && node->len == 0)
		return "nothing";
	return node->kind == YAML_SCALAR ? "text" : node->kind == YAML_LIST ? "a list" : "a map";
}

static bool expect(struct reading *r, const struct place *place, const struct yaml_node *node,
	enum yaml_kind kind, const char *wanted)
{
	if (node->kind == kind && !(kind == YAML_SCALAR && node->len == 0))
		return true;
	target_complain(r, node->mark, X1_SYNTAX, place, "%s is expected here, not %s", wanted,
		kind_name(node));
	return false;
}

bool expect_scalar(struct reading *r, const struct place *place, const struct yaml_node *node)
{
	return expect(r, place, node, YAML_SCALAR, "a value");
}

bool expect_list(struct reading *r, const struct place *place, const struct yaml_node *node)
{
	return expect(r, place, node, YAML_LIST, "a list ('- ...' lines, or [...])");
}

bool expect_map(struct reading *r, const struct place *place, const struct yaml_node *node)
{
	return expect(r, place, node, YAML_MAP, "a map ('name: value' lines, or {...})");
}

static const struct key *key_find(const struct key *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

void check_keys(struct reading *r, const struct place *place, const struct yaml_node *map,
	const struct key *keys, size_t count)
{
	for (const struct yaml_node *n = map->first; n; n = n->next) {
		if (key_find(keys, count, n->key))
			continue;
		struct nearest nearest = nearest_to(n->key);
		for (size_t i = 0; i < count; i++)
			nearest_try(&nearest, keys[i].name);
		const char *near = nearest.found;
		target_complain(r, n->key_mark, X1_SYNTAX, place, "unknown key '%.64s'%s%s%s",
			n->key, near ? " (did you mean '" : "", near ? near : "",
			near ? "'?)" : "");
	}
	for (size_t i = 0; i < count; i++)
		if (keys[i].required && !yaml_get(map, keys[i].name))
			target_complain(r, map->mark, X1_SYNTAX, place, "key '%s' is missing",
				keys[i].name);
}

void *take(struct reading *r, size_t size)
{
	void *at = target_set_take(r->set, size);
	r->out_of_memory |= !at;
	return at;
}

void *take_copy(struct reading *r, const void *from, size_t size)
{
	void *copy = take(r, size);
	if (copy && size)
		memcpy(copy, from, size);
	return copy;
}

bool read_uuid(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct uuid *out)
{
	if (!expect_scalar(r, place, node))
		return false;
	if (uuid_parse(node_text(node), out))
		return true;
	target_complain(r, node->mark, X1_SYNTAX, place,
		"'%.64s' is not a UUID, as in 19867c20-8c94-473e-b9bd-8b72b7b05fd4", node->text);
	return false;
}

bool is_text(const struct yaml_node *node, const char *text)
{
	return node->kind == YAML_SCALAR && strcmp(node->text, text) == 0;
}

bool is_one_of(const struct yaml_node *node, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_text(node, texts[i]))
			return true;
	return false;
}

bool is_delivery_type(struct reading *r, const struct place *place, const struct yaml_node *node)
{
	static const char *const types[] = {"X2Only", "X3Only", "X2andX3"};
	if (!expect_scalar(r, place, node))
		return false;
	if (is_one_of(node, types, 3))
		return true;
	target_complain(r, node->mark, X1_SYNTAX, place,
		"'%.64s' is not a delivery type: X2Only, X3Only or X2andX3", node->text);
	return false;
}

void read_items(
	struct reading *r, const char *name, const struct yaml_node *list, item_reader *read)
{
	struct place place = {NULL, name, 0, true};
	for (const struct yaml_node *n = list->first; n && !r->out_of_memory;
		n = n->next, place.index++)
		read(r, &place, n, place.index);
}
