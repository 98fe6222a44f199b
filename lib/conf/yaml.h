// A strict subset of YAML 1.1 with the position of every node, over libyaml's event API.
//
// Used for x2tap.yaml and for target files. All scalars are text: nothing is guessed from its look. Duplicate keys,
// anchors, aliases, tags, merge keys, a second document, keys that are no scalars, more than YAML_MAX_DEPTH levels and
// text that is not UTF-8 are errors. Reads from memory, so the caller decides how a file is opened. Not for workers.
#ifndef X2TAP_YAML_H
#define X2TAP_YAML_H

#include "bytes.h"
#include "error.h"

enum { YAML_MAX_DEPTH = 8 };

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_mark {
	uint32_t line, column; // from 1
};

// A node; children of a list, or values of a map, hang in a linked list in file order. Kept small: a target file may
// hold a million tasks.
struct yaml_node {
	const struct yaml_node *next;  // the next sibling
	const struct yaml_node *first; // lists and maps: the first child
	const char *key;               // values of a map: their key, NUL-terminated; else NULL
	const char *text;              // scalars: NUL-terminated UTF-8
	uint32_t len; // scalars: octets of text; lists and maps: number of children
	struct yaml_mark mark, key_mark;
	uint8_t kind; // enum yaml_kind
};

// Errors of one pass over a file, in order of position, so that all are told at once.
struct problems {
	const char *file; // name to print; borrowed
	char *text;       // "file:line:col: error: ...\n" for each; owned
	size_t len, cap;
	unsigned count; // all that were found, the unprinted included
	unsigned kept;  // at most PROBLEMS_MAX are kept as text
	int first_code; // X1 error code of the first problem that has one, else 0
	struct yaml_mark first_code_mark;
};
enum { PROBLEMS_MAX = 1000 };

void problems_init(struct problems *p, const char *file);
void problems_fini(struct problems *p);
// Adds "file:line:col: error: <format>", or "file: error: <format>" when at.line is 0. `code` is an X1 error code
// (TS 103 221-1 table 6.7-3) or 0. Control characters are shown as '?'.
void problems_add(struct problems *p, struct yaml_mark at, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

struct yaml_document;

// Parses `text` (need not be NUL-terminated). NULL when there was any problem but
// duplicate keys, with which a document can be read on so that all its problems are told in one pass: look at
// problems->count. An empty document gives an empty map. Syntax slips that addresses invite (unquoted "[2001:db8::1]:42069", a plain scalar that
// ends in ':', tabs) are explained: "quote the address".
struct yaml_document *yaml_parse(struct bytes text, struct problems *problems);

// Wipes the text (it may name targets) and frees it. Inline, because libyaml has a symbol of the name yaml_free, which a
// function of ours would replace inside libyaml.
void yaml_document_wipe(struct yaml_document *document);
static inline void yaml_free(struct yaml_document *document)
{
	yaml_document_wipe(document);
}

const struct yaml_node *yaml_root(const struct yaml_document *document);

// The value of `key` in a map, or NULL.
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

#endif
