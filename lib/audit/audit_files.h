// The lines of a log as verification reads them: file after file in order, AUDIT_AHEAD of them ahead. Private to lib/audit.
#ifndef X2TAP_AUDIT_FILES_H
#define X2TAP_AUDIT_FILES_H

#include <sys/stat.h>

#include "audit_findings.h"

enum { AUDIT_AHEAD = 64 };

enum log_event {
	EVENT_OTHER,
	EVENT_HEAD,
	EVENT_DAMAGED,
	EVENT_UNCONFIRMED,
	EVENT_MISSING,
	EVENT_ROTATED
};

// One line as it was read.
struct log_line {
	struct log_place place;
	const char *malformed; // why, NULL when it is well-formed
	size_t merged;         // lines it seems to have been
	bool ends_file;        // no end of line behind it
	uint64_t seq;
	uint8_t prev[VAULT_DIGEST_LEN], hash[VAULT_DIGEST_LEN];
	enum log_event event;
	bool has_hmac;
	uint8_t hmac[VAULT_DIGEST_LEN];
	char time[AUDIT_STAMP];
	size_t len;
	char text[AUDIT_LINE_MAX];
};

struct audit_files {
	struct audit_findings *findings;
	const char *file;
	bool single, is_rotated; // one file, which is a rotated one
	uint64_t name_first;     // then the number in its name
	size_t count;            // files that were begun
	bool failed;             // a file could not be read, and that was told

	int directory, log; // -1: none
	struct stat log_stat;
	uint64_t *rotated;
	size_t rotated_count, next;
	int fd;
	struct log_place at;
	bool at_end;
	struct audit_lines lines;

	size_t ahead_from, ahead_count;
	struct log_line ahead[AUDIT_AHEAD];
};

// `f` is zeroed, since it is large. `single`: this file alone. `file` and `findings` are borrowed.
void audit_files_init(
	struct audit_files *f, const char *file, bool single, struct audit_findings *findings);
void audit_files_fini(struct audit_files *f);
// Looks which files there are. 0 or a negative errno; -ENOENT: none.
int audit_files_open(struct audit_files *f);

// Reads ahead as far as there is room. A file that cannot be read ends it.
void audit_files_fill(struct audit_files *f);
// The line `i` lines ahead, 0 the next; NULL: none. It stands until it is consumed.
struct log_line *audit_files_ahead(struct audit_files *f, size_t i);
void audit_files_consume(struct audit_files *f, size_t count);

#endif
