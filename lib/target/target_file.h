// Target files (x1-provisioning.md 4.2 to 4.4): YAML whose keys are X1 element names.
//
// Control core or a helper thread; never workers.
#ifndef X2TAP_TARGET_FILE_H
#define X2TAP_TARGET_FILE_H

#include "task.h"
#include "yaml.h"

struct target_rules {
	const char *ne_identifier; // ours; a file that names another is refused. NULL: not checked
	const struct numbering *numbering;
	bool allow_wide_targets; // port alone, prefix wider than /16 (IPv6 /32), local number alone
	size_t capacity;         // most tasks
	size_t max_size;         // octets of the file
	bool check_owner;        // off for --check: a draft may lie about; on for what is loaded
};

// Reads a target file once, whole: O_NOFOLLOW, regular file, owned by root or by us, not writable by group or others, not
// readable by others, not larger than max_size, not changed while it was read. The text goes to *out (malloc; wipe and
// free it with target_text_free). Returns 0 or a negative errno with a text that says what to do; the text names the
// path, never content.
int target_file_read(
	const char *path, const struct target_rules *rules, struct bytes *out, struct error *error);
void target_text_free(struct bytes text);

// All problems in one pass, as file:line:col, with X1 codes (enum x1_code in target_reading.h); NULL if there
// were any. An empty list of tasks is no fault. The texts show identifiers: print them on stderr of --check and
// to the LI side only.
struct target_set *target_file_parse(
	struct bytes text, const struct target_rules *rules, struct problems *problems);

#endif
