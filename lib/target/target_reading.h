// One pass over a target file, shared by target_parse.c (the file and its tasks), target_destinations.c (where IRI go) and
// target_identifier.c (what identifies a target).
#ifndef X2TAP_TARGET_READING_H
#define X2TAP_TARGET_READING_H

#include "target_file.h"
#include "uuid_index.h"

// X1 error codes (TS 103 221-1 table 6.7-3) that a target file can earn.
enum x1_code {
	X1_SYNTAX = 1010,
	X1_OTHER_NE = 1060,
	X1_XID_EXISTS = 2010,
	X1_DID_EXISTS = 2030,
	X1_NO_SUCH_DID = 2040,
	X1_OBJECT_EXISTS = 2050,
	X1_NO_SUCH_OBJECT = 2060,
	X1_TASK_FAILED = 3000,
	X1_UNSUPPORTED_IDENTIFIER = 3010,
	X1_UNSUPPORTED_COMBINATION = 3020,
	X1_DELIVERY_AND_DESTINATIONS = 3040,
	X1_UNSUPPORTED_SERVICE = 3050,
	X1_DESTINATION_FAILED = 6000,
	X1_UNSUPPORTED_ADDRESS = 6020,
	X1_OBJECT_FAILED = 8500,
};

// A place in the file, as a path from the root: tasks[1].targetIdentifiers[0].ipv4Cidr.
struct place {
	const struct place *up;
	const char *name;
	uint32_t index;
	bool is_item; // name[index]
};

// A destination set of the file (TS 103 221-1 annex E).
struct destination_set {
	struct uuid dsid;
	uint32_t line;
	bool redundant;       // else Duplicate
	uint32_t destination; // Redundant: its number among the destinations
	uint32_t member_count;
	const uint32_t *members; // numbers of destinations; Redundant: most preferred first
};

struct reading {
	const struct target_rules *rules;
	struct problems *problems;
	struct target_set *set;
	struct uuid_index
		dids; // below ordinary_count: destinations of the file; from there on: sets
	struct uuid_index xids;
	size_t ordinary_count;
	struct destination_set *sets;
	bool *x3_only;       // of each destination: it takes X3 and nothing else
	uint32_t *member_of; // of each destination: the last set that listed it, plus 1
	uint32_t *
		named_by; // of each destination: the last task that named it, itself or by a set, plus 1
	uint32_t *listed_by;       // of each number of `dids`: the last task that listed it, plus 1
	struct yaml_mark *task_at; // of each task: where its XID stands
	uint8_t *scratch;          // for fragments
	unsigned problems_before;  // the count of problems when the pass began
	bool out_of_memory;
};

enum { FRAGMENT_MAX = 65535 }; // octets of attribute 17

// Adds a problem; `place` may be NULL for the file as a whole.
void target_complain(struct reading *r, struct yaml_mark at, enum x1_code code,
	const struct place *place, const char *format, ...) __attribute__((format(printf, 5, 6)));

// Whether a node is what is wanted; complains if not.
bool expect_scalar(struct reading *r, const struct place *place, const struct yaml_node *node);
bool expect_list(struct reading *r, const struct place *place, const struct yaml_node *node);
bool expect_map(struct reading *r, const struct place *place, const struct yaml_node *node);

struct key {
	const char *name;
	bool required;
};
// Complains of keys that are not in the table, and of those that are missing.
void check_keys(struct reading *r, const struct place *place, const struct yaml_node *map,
	const struct key *keys, size_t count);

// Memory of the set; NULL and r->out_of_memory when there is none.
void *take(struct reading *r, size_t size);
void *take_copy(struct reading *r, const void *from, size_t size);

bool read_uuid(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct uuid *out);
bool is_text(const struct yaml_node *node, const char *text);
bool is_one_of(const struct yaml_node *node, const char *const *texts, size_t count);
bool is_delivery_type(struct reading *r, const struct place *place, const struct yaml_node *node);

typedef void item_reader(
	struct reading *, const struct place *, const struct yaml_node *, uint32_t number);
void read_items(
	struct reading *r, const char *name, const struct yaml_node *list, item_reader *read);

// The lists `destinations` and `destinationSets` of the file; NULL: not there. Before the tasks.
void destinations_read(struct reading *r, const struct yaml_node *destinations,
	const struct yaml_node *destination_sets);
// A task's listOfDIDs.
void destinations_listed(struct reading *r, const struct place *up, const struct yaml_node *list,
	uint32_t task_number);

static inline struct bytes node_text(const struct yaml_node *scalar)
{
	return bytes_of(scalar->text, scalar->len);
}

// What an identifier narrows down. A task has at most one of each.
enum dimension { DIMENSION_ADDRESS, DIMENSION_PORT, DIMENSION_PARTY, DIMENSION_TUNNEL, DIMENSIONS };
_Static_assert((int)DIMENSIONS == (int)TASK_MAX_IDENTIFIERS, "one of each");
enum dimension identifier_dimension(enum identifier_type type);

// Reads one of a task's targetIdentifiers, a map of one key. False: it was complained of.
bool identifier_read(struct reading *r, const struct place *place, const struct yaml_node *item,
	struct identifier *out);

#endif
