// Any octets as a YAML file: a document or a problem, never both. Every node hangs together, its text is UTF-8 without a NUL,
// keys of a map differ, and no level lies deeper than the limit. What is printed of problems keeps to its lines.
#include "fuzz.h"
#include "utf8.h"
#include "yaml.h"

static void text_check(const char *text, size_t len)
{
	FUZZ_CHECK(text && strlen(text) == len);
	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_len(bytes_of(text + i, len - i));
		FUZZ_CHECK(step > 0);
	}
}

static void mark_check(struct yaml_mark mark)
{
	FUZZ_CHECK(mark.line > 0 && mark.column > 0);
}

static void node_walk(const struct yaml_node *node, unsigned depth)
{
	if (node->kind == YAML_SCALAR) {
		FUZZ_CHECK(!node->first);
		text_check(node->text, node->len);
		return;
	}
	FUZZ_CHECK(depth < YAML_MAX_DEPTH);
	size_t count = 0;
	for (const struct yaml_node *child = node->first; child; child = child->next, count++) {
		mark_check(child->mark);
		FUZZ_CHECK((child->key != NULL) == (node->kind == YAML_MAP));
		if (child->key) {
			mark_check(child->key_mark);
			text_check(child->key, strlen(child->key));
			FUZZ_CHECK(yaml_get(node, child->key) == child);
		}
		node_walk(child, depth + 1);
	}
	FUZZ_CHECK(count == node->len);
}

static void problems_check(const struct problems *p)
{
	FUZZ_CHECK(p->count >= p->kept && p->kept <= PROBLEMS_MAX);
	FUZZ_CHECK(p->len == 0 || (strlen(p->text) == p->len && p->text[p->len - 1] == '\n'));
	size_t lines = 0;
	for (size_t i = 0; i < p->len; i++) {
		lines += p->text[i] == '\n';
		FUZZ_CHECK(p->text[i] == '\n' || (uint8_t)p->text[i] >= ' ');
	}
	FUZZ_CHECK(lines == p->kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems problems;
	problems_init(&problems, "fuzz.yaml");
	struct yaml_document *document = yaml_parse(bytes_of(data, size), &problems);
	FUZZ_CHECK(document || problems.count > 0);
	if (document)
		node_walk(yaml_root(document), 0);
	problems_check(&problems);
	yaml_free(document);
	problems_fini(&problems);
	return 0;
}
