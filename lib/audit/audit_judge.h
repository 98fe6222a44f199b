// What happened to each line of a log. Private to lib/audit.
//
// A line names the line before it by hash. Where a line does not fit, the lines around it decide what happened: the least change
// that explains all the links there are is what is told. AUDIT_AHEAD lines are read ahead and AUDIT_BACK remembered, so memory is
// constant.
#ifndef X2TAP_AUDIT_JUDGE_H
#define X2TAP_AUDIT_JUDGE_H

#include "audit_files.h"

enum { AUDIT_BACK = 64 };

// A line that was taken as part of the chain. Where it was malformed its number is known within bounds alone.
struct log_past {
	struct log_place place;
	uint64_t next_least, next_most; // number of the line behind it
	uint8_t hash[VAULT_DIGEST_LEN];
	bool malformed, reported;
	enum log_event event;
};

struct audit_judge {
	struct audit_files *files;
	struct audit_findings *findings;
	const struct vault_key *key;   // NULL: none
	const struct audit_head *head; // NULL: none

	uint64_t count, signed_heads, unchecked_heads;
	bool seen_first;
	uint64_t first_seq;
	char first_time[AUDIT_STAMP], last_time[AUDIT_STAMP];

	struct log_past back[AUDIT_BACK]; // the latest first
	size_t back_count;
};

// `j` holds the first four members and zeros, and the files are filled.
void audit_judge_begin(struct audit_judge *j);
// Takes one line or more from the files, of which there is one. They are to be filled again before the next call.
void audit_judge_next(struct audit_judge *j);
// The last line of all, which nothing can put out of the chain any more; before the first line when there is none.
const struct log_past *audit_judge_end(struct audit_judge *j);

#endif
