// The audit log's lines, heads and file names octet by octet: what the writer and the verifier share. Private to lib/audit.
#ifndef X2TAP_AUDIT_FORMAT_H
#define X2TAP_AUDIT_FORMAT_H

#include <limits.h>

#include "audit.h"

enum {
	AUDIT_LINE_MAX = 8192, // octets of a line, its end included; x2tap writes less
	AUDIT_HEAD_LEN = 256,  // octets of <file>.head, always
	AUDIT_STAMP = 40,      // octets of a time as text, the NUL included
	AUDIT_MEMBERS = sizeof((struct audit_line *)NULL)->text,
};

bool audit_unhex(struct bytes text, uint8_t out[VAULT_DIGEST_LEN]); // small letters only

void audit_stamp(uint64_t ns, char out[static AUDIT_STAMP]); // RFC 3339, UTC, nanoseconds

// What signs a line "head": HMAC over the hash of the line before it and its own sequence number (8 octets, big-endian).
void audit_head_hmac(const struct vault_key *key, const uint8_t before[VAULT_DIGEST_LEN],
	uint64_t seq, uint8_t out[VAULT_DIGEST_LEN]);

// The content of <file>.head: how many lines there are, and the hash of the last (zeros when there is none).
struct audit_head {
	uint64_t lines;
	uint8_t last[VAULT_DIGEST_LEN];
	bool is_signed; // by an HMAC; else it carries a SHA-256, against accidents alone
};
void audit_head_write(const struct audit_head *head, const struct vault_key *key,
	char out[static AUDIT_HEAD_LEN]);
enum audit_head_state {
	AUDIT_HEAD_GOOD,
	AUDIT_HEAD_UNCHECKED, // signed, and there is no key
	AUDIT_HEAD_WRONG,     // not what was written, or signed with another key
};
// `out` is written but for AUDIT_HEAD_WRONG.
enum audit_head_state audit_head_read(
	struct bytes record, const struct vault_key *key, struct audit_head *out);

// A line as the writer makes it. `members` begins with "event".
struct bytes audit_compose(char out[static AUDIT_LINE_MAX], uint64_t seq, uint64_t now_ns,
	bool synchronised, struct bytes members, const uint8_t prev[VAULT_DIGEST_LEN]);
// Sequence number and link of a line of this form (without its end); the writer's look back. False: it is not of this form.
bool audit_parts(struct bytes line, uint64_t *seq, uint8_t prev[VAULT_DIGEST_LEN]);
// The event's name cannot stand in a text in this form, since quotes in texts are escaped.
bool audit_is_event(struct bytes line, const char *event);

// Whether `name` is <base>.<number of its first line, 12 digits or more>.
bool audit_rotated_name(const char *name, const char *base, uint64_t *first);
void audit_rotated_path(const char *base, uint64_t first, char out[static PATH_MAX]);
// The numbers of all rotated files beside `base` in ascending order: a block for free(), and their count. A negative errno.
int audit_rotated_list(int directory, const char *base, uint64_t **out, size_t *count);

// Reads a file line by line in fixed memory.
struct audit_lines {
	int fd;
	uint64_t offset; // of the next octet to read from the file
	size_t from, to; // what is buffered
	uint8_t buffer[2 * AUDIT_LINE_MAX];
};
enum audit_next {
	AUDIT_LINE,     // a line; `line` is without its end
	AUDIT_PARTIAL,  // what stands behind the last end of line
	AUDIT_OVERLONG, // the first AUDIT_LINE_MAX octets of a longer one; the rest is passed over
	AUDIT_END,
	AUDIT_FAILED, // errno says why
};
void audit_lines_begin(struct audit_lines *l, int fd, uint64_t offset);
// `line` stands until the next call. After AUDIT_PARTIAL a further call looks whether the file has grown.
enum audit_next audit_lines_next(struct audit_lines *l, struct bytes *line);

#endif
