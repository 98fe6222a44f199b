#include "unit.h"

#include <stdio.h>

#include "yaml.h"

static struct yaml_document *parsed(const char *text)
{
	struct problems p;
	problems_init(&p, "f");
	struct yaml_document *d = yaml_parse(bytes_of_text(text), &p);
	if (!d)
		fail_msg("%s", p.text ? p.text : "no document, no problem");
	assert_int_equal(p.count, 0);
	problems_fini(&p);
	return d;
}

// Told about as `expected`: all lines. Only with duplicate keys there is a document to read on with.
static void assert_told(const char *text, const char *expected, bool readable)
{
	struct problems p;
	problems_init(&p, "f");
	uint8_t *copy = exact_copy(text, strlen(text));
	struct yaml_document *d = yaml_parse(bytes_of(copy, strlen(text)), &p);
	assert_int_equal(d != NULL, readable);
	assert_non_null(p.text);
	assert_string_equal(p.text, expected);
	yaml_free(d);
	free(copy);
	problems_fini(&p);
}

static void assert_refused(const char *text, const char *expected)
{
	assert_told(text, expected, false);
}

static void nodes_keep_order_text_and_position(void **state)
{
	(void)state;
	struct yaml_document *d = parsed("format: 1\n"
					 "list:\n"
					 "  - one\n"
					 "  - {a: x, b: 'y z'}\n"
					 "\xc3\xa4: \"\\u20ac\"\n");
	const struct yaml_node *root = yaml_root(d);
	assert_int_equal(root->kind, YAML_MAP);
	assert_int_equal(root->len, 3);
	assert_null(root->key);

	const struct yaml_node *format = root->first;
	assert_string_equal(format->key, "format");
	assert_int_equal(format->kind, YAML_SCALAR);
	assert_string_equal(format->text, "1");
	assert_int_equal(format->key_mark.line, 1);
	assert_int_equal(format->key_mark.column, 1);
	assert_int_equal(format->mark.column, 9);

	const struct yaml_node *list = format->next;
	assert_int_equal(list->kind, YAML_LIST);
	assert_int_equal(list->len, 2);
	assert_string_equal(list->first->text, "one");
	assert_null(list->first->key);
	const struct yaml_node *map = list->first->next;
	assert_int_equal(map->mark.line, 4);
	assert_int_equal(map->mark.column, 5);
	assert_string_equal(yaml_get(map, "b")->text, "y z");
	assert_int_equal(yaml_get(map, "b")->len, 3);
	assert_null(yaml_get(map, "c"));
	assert_null(map->next);

	assert_string_equal(yaml_get(root, "\xc3\xa4")->text, "\xe2\x82\xac");
	assert_null(yaml_get(list, "a"));
	yaml_free(d);
}

static void an_empty_document_is_an_empty_map(void **state)
{
	(void)state;
	static const char *const empty[] = {"", "\n", "# only a comment\n", "\xef\xbb\xbf"};
	for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
		struct yaml_document *d = parsed(empty[i]);
		assert_int_equal(yaml_root(d)->kind, YAML_MAP);
		assert_int_equal(yaml_root(d)->len, 0);
		yaml_free(d);
	}
	struct problems p;
	problems_init(&p, "f");
	struct yaml_document *d = yaml_parse((struct bytes){NULL, 0}, &p);
	assert_non_null(d);
	yaml_free(d);
}

static void scalars_are_text_whatever_they_look_like(void **state)
{
	(void)state;
	struct yaml_document *d = parsed("a: yes\nb: 0x10\nc: ~\nd:\ne: 02:00:00:00:00:01\n"
					 "f: 2001:db8::1\ng: ::1\nh: {x: 2001:db8::1, y: 1}\n"
					 "i: sip:alice@example.com:5060;user=phone\n");
	const struct yaml_node *root = yaml_root(d);
	assert_string_equal(yaml_get(root, "a")->text, "yes");
	assert_string_equal(yaml_get(root, "b")->text, "0x10");
	assert_string_equal(yaml_get(root, "c")->text, "~");
	assert_string_equal(yaml_get(root, "d")->text, "");
	assert_string_equal(yaml_get(root, "e")->text, "02:00:00:00:00:01");
	assert_string_equal(yaml_get(root, "f")->text, "2001:db8::1");
	assert_string_equal(yaml_get(root, "g")->text, "::1");
	assert_string_equal(yaml_get(yaml_get(root, "h"), "x")->text, "2001:db8::1");
	assert_string_equal(yaml_get(root, "i")->text, "sip:alice@example.com:5060;user=phone");
	yaml_free(d);
}

static void every_duplicate_key_names_the_line_of_the_first(void **state)
{
	(void)state;
	assert_told("a: 1\nb: 1\na: 2\nc: {x: 1, y: 2, x: 3}\na: 3\n",
		"f:3:1: error: duplicate key 'a' (first at line 1)\n"
		"f:4:17: error: duplicate key 'x' (first at line 4)\n"
		"f:5:1: error: duplicate key 'a' (first at line 1)\n",
		true);
}

static void anchors_aliases_tags_and_merge_keys_are_refused_in_one_pass(void **state)
{
	(void)state;
	assert_refused("a: &x y\n"
		       "b: *x\n"
		       "c: !t z\n"
		       "d: !!str z\n"
		       "<<: {e: 1}\n"
		       "f: &m [1]\n"
		       "g: !l {h: 1}\n",
		"f:1:4: error: anchors ('&x') are not supported: write the value out, or quote it\n"
		"f:2:4: error: aliases ('*x') are not supported: a value that starts with '*' must be quoted\n"
		"f:3:4: error: tags ('!t') are not supported: a value that starts with '!' must be quoted\n"
		"f:4:4: error: tags ('tag:yaml.org,2002:str') are not supported: a value that starts with '!' must be quoted\n"
		"f:5:1: error: merge keys ('<<') are not supported: write the values out\n"
		"f:6:4: error: anchors ('&m') are not supported: write the value out, or quote it\n"
		"f:7:4: error: tags ('!l') are not supported: a value that starts with '!' must be quoted\n");
	assert_refused("%TAG !e! tag:example.com,2000:\n---\na: 1\n",
		"f:1:1: error: tag directives are not supported\n");
}

static void a_second_document_is_refused(void **state)
{
	(void)state;
	assert_refused("a: 1\n---\nb: 1\n",
		"f:2:1: error: a second document ('---') starts here: one file is one document\n");
	struct yaml_document *d = parsed("---\na: 1\n...\n");
	assert_string_equal(yaml_get(yaml_root(d), "a")->text, "1");
	yaml_free(d);
}

static void a_key_that_is_no_text_is_refused_and_the_rest_still_read(void **state)
{
	(void)state;
	assert_refused("? [a, b]\n: 1\nc: 1\nc: 2\n",
		"f:1:3: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:4:1: error: duplicate key 'c' (first at line 3)\n");
}

static void eight_levels_are_read_and_nine_refused(void **state)
{
	(void)state;
	struct yaml_document *d = parsed("[[[[[[[[1]]]]]]]]");
	const struct yaml_node *n = yaml_root(d);
	for (int level = 1; level < YAML_MAX_DEPTH; level++)
		n = n->first;
	assert_string_equal(n->first->text, "1");
	yaml_free(d);
	assert_refused("[[[[[[[[[1]]]]]]]]]",
		"f:1:9: error: lists and maps are nested deeper than 8 levels\n");
	assert_refused("{? {? {? {? {? {? {? {? {a: 1}}}}}}}}}",
		"f:1:4: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:7: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:10: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:13: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:16: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:19: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:22: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:25: error: a key must be plain text: quote what starts with '[', '{' or '*'\n"
		"f:1:25: error: lists and maps are nested deeper than 8 levels\n");
}

static void addresses_that_yaml_misreads_ask_for_quotes(void **state)
{
	(void)state;
	assert_refused("a: [2001:db8::10]:42069\nb: 1\n",
		"f:1:18: error: did not find expected key: quote the address, as in \"2001:db8::1\"\n");
	assert_refused("a:\n  b: fe80::\n",
		"f:2:11: error: mapping values are not allowed in this context: quote the address, as in \"2001:db8::1\"\n");
	assert_refused("{address: fe80::, tcpPort: 1}\n",
		"f:1:16: error: found unexpected ':': quote the address, as in \"2001:db8::1\"\n");
	assert_refused("- fe80::\n", "f:1:3: error: 'fe80::' reads as a key: quote the address\n");
}

static void other_slips_say_what_to_do(void **state)
{
	(void)state;
	assert_refused("a:\n\tb: 1\n", "f:2:1: error: a tab indents this line: use spaces\n");
	assert_refused("a: @x\n", "f:1:4: error: a value that starts with '@' must be quoted\n");
	assert_refused("a: *.example.com\n",
		"f:1:5: error: a value that starts with '*' must be quoted\n");
	assert_refused(
		"a: 1\nb: %x\n", "f:2:4: error: a value that starts with '%' must be quoted\n");
	assert_refused("a: [1, 2\nb: 3\n",
		"f:2:2: error: did not find expected ',' or ']' (while parsing a flow sequence that starts at line 1)\n");
}

static void what_is_no_text_is_refused_with_its_place(void **state)
{
	(void)state;
	assert_refused("a: 1\n\xc3\xa4: \xff\n", "f:2:4: error: octet 0xff is not UTF-8\n");
	assert_refused("a: \xc0\xaf\n", "f:1:4: error: octet 0xc0 is not UTF-8\n");     // overlong
	assert_refused("a: \xed\xa0\x80\n", "f:1:4: error: octet 0xed is not UTF-8\n"); // surrogate
	assert_refused(
		"a: \xf4\x90\x80\x80\n", "f:1:4: error: octet 0xf4 is not UTF-8\n"); // too great
	assert_refused("a: \xe2\x82", "f:1:4: error: octet 0xe2 is not UTF-8\n");
	assert_refused("a: \x01\n", "f:1:4: error: control character (octet 0x01)\n");
	assert_refused("a: \xc2\x85\n", "f:1:4: error: control character (octet 0xc2)\n");
	assert_refused("a: \"x\\0y\"\n", "f:1:4: error: text may not contain a NUL\n");
	struct problems p;
	problems_init(&p, "f");
	assert_null(yaml_parse(bytes_of("a\0b", 3), &p));
	assert_string_equal(p.text, "f:1:2: error: control character (octet 0x00)\n");
	problems_fini(&p);
}

static void cut(struct bytes prefix)
{
	struct problems p;
	problems_init(&p, "f");
	struct yaml_document *d = yaml_parse(prefix, &p);
	assert_true((d == NULL) == (p.count > 0));
	yaml_free(d);
	problems_fini(&p);
}

static void a_document_cut_anywhere_gives_a_document_or_a_problem(void **state)
{
	(void)state;
	cut_at_every_length(
		bytes_of_text("format: 1\n"
			      "tasks:\n"
			      "  - xId: 8d7f2c3a-6f0e-4e0b-9a51-2f64c0b7d9e3\n"
			      "    targetIdentifiers: [{sipUri: \"sip:\xc3\xa4@example.com\"}]\n"
			      "    listOfDIDs: &a ['x', !y z, *a]\n"
			      "    ? {k: v}\n"
			      "    : [2001:db8::1]:5\n"),
		cut);
}

static void large_files_keep_every_node(void **state)
{
	(void)state;
	enum { TASKS = 20000 };
	size_t cap = TASKS * 64, len = 0;
	char *text = malloc(cap);
	assert_non_null(text);
	for (int i = 0; i < TASKS; i++)
		len += (size_t)snprintf(text + len, cap - len, "key%d: {a: %d, b: [x]}\n", i, i);
	struct problems p;
	problems_init(&p, "f");
	struct yaml_document *d = yaml_parse(bytes_of(text, len), &p);
	assert_non_null(d);
	assert_int_equal(yaml_root(d)->len, TASKS);
	int i = 0;
	for (const struct yaml_node *n = yaml_root(d)->first; n; n = n->next, i++)
		assert_int_equal(atoi(yaml_get(n, "a")->text), i);
	assert_int_equal(i, TASKS);
	yaml_free(d);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_keep_order_text_and_position),
		cmocka_unit_test(an_empty_document_is_an_empty_map),
		cmocka_unit_test(scalars_are_text_whatever_they_look_like),
		cmocka_unit_test(every_duplicate_key_names_the_line_of_the_first),
		cmocka_unit_test(anchors_aliases_tags_and_merge_keys_are_refused_in_one_pass),
		cmocka_unit_test(a_second_document_is_refused),
		cmocka_unit_test(a_key_that_is_no_text_is_refused_and_the_rest_still_read),
		cmocka_unit_test(eight_levels_are_read_and_nine_refused),
		cmocka_unit_test(addresses_that_yaml_misreads_ask_for_quotes),
		cmocka_unit_test(other_slips_say_what_to_do),
		cmocka_unit_test(what_is_no_text_is_refused_with_its_place),
		cmocka_unit_test(a_document_cut_anywhere_gives_a_document_or_a_problem),
		cmocka_unit_test(large_files_keep_every_node),
	};
	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
