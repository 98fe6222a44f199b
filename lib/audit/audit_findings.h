// What a verification tells: one line each, "FILE:LINE: what". Private to lib/audit.
#ifndef X2TAP_AUDIT_FINDINGS_H
#define X2TAP_AUDIT_FINDINGS_H

#include "audit_format.h"

// Where a line stands.
struct log_place {
	uint64_t file; // number of the first line in the file's name, or THE_LOG
	uint64_t line; // from 1; 0: before the first of all
};
#define THE_LOG UINT64_MAX

// Zeroed but for its first two members before the first is told.
struct audit_findings {
	const char *file; // of the log, as it was asked for
	FILE *to;
	uint64_t count, told; // findings; findings and notes, of which only so many are shown
};

// A fault of the chain.
__attribute__((format(printf, 3, 4))) void audit_found(
	struct audit_findings *f, struct log_place place, const char *format, ...);
// What an auditor should know, and is no fault of the chain.
__attribute__((format(printf, 3, 4))) void audit_note(
	struct audit_findings *f, struct log_place place, const char *format, ...);
// A fault of <file>.head.
void audit_found_head(struct audit_findings *f, const char *what);

// A place as findings name it.
struct audit_place_text {
	char text[PATH_MAX + 32];
};
const char *audit_place_text(
	const struct audit_findings *f, struct log_place place, struct audit_place_text *out);

#endif
