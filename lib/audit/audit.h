// The audit log: what was ordered, done and lost, as a chain of JSON lines that shows where it was tampered with.
//
// Each line is one JSON object on one line: "seq" (from 0, over all files), "time" (UTC, ns), "clock" ("synchronised" or
// "unsynchronised", as the kernel says), "event", the event's own members, and last "prev": the SHA-256 in hex of the whole line
// before (without its end of line). The first line of all has 64 zeros there. Once an hour, at rotation and at a stop a line
// "head" is added; with a key it carries an HMAC-SHA256 over the hash of the line before it and its own sequence number. Beside
// the log <file>.head always holds the number of lines and the hash of the last, under an HMAC where there is a key, so that a
// shortened log is found: without a key whoever can write the log can write that too. The format is in x2tap-audit(5).
//
// The log is appended to with O_APPEND, one write(2) a line. A line that was cut by a crash is completed as what it is: the next
// start moves it into a line "torn" and goes on. At max_octets the file is renamed to <file>.<seq of its first line, 12 digits>
// and the chain goes on in a fresh one. Nothing is ever deleted.
//
// Here are XIDs, never target identifiers, subscriber addresses or content. Control core and x2ctl.
#ifndef X2TAP_AUDIT_H
#define X2TAP_AUDIT_H

#include <stdio.h>

#include "bytes.h"
#include "error.h"
#include "vault.h"

// One event's members, built before it is told. Wiped when told.
struct audit_line {
	char text[4096];
	size_t len;
	bool failed; // longer than there is room: texts are cut, what does not fit is left out, and it is told with "cut": true
};
void audit_begin(struct audit_line *line, const char *event);
void audit_text(struct audit_line *line, const char *key, const char *value); // escaped
void audit_number(struct audit_line *line, const char *key, uint64_t value);
void audit_integer(struct audit_line *line, const char *key, int64_t value);
void audit_bool(struct audit_line *line, const char *key, bool value);

struct audit_settings {
	const char *file;            // in a directory that exists; made with mode 0600
	const struct vault_key *key; // for heads; NULL: none; copied
	uint64_t max_octets;         // of one file (a line and a head more), then it is rotated
};

struct audit;
// Opens and goes on with the chain that is there: its end is read, and all lines from the last "start" on, itself included, are
// given to `each` (NULL: nobody), oldest first, as text without end of line. NULL with a text: cannot be opened, another process
// has it (-EBUSY), others can write to it or its directory (-EPERM). error->code is 0 when all is well.
//
// Where the end of the chain is damaged, shorter than its head says, or signed with another key, the log with its rotated files and
// its head is moved aside to <file>.damaged-<time>, a new chain begins with a line "damaged", `each` gets nothing, and although a
// log is returned error->code is -EBADMSG with a text. Lines that the head does not name (x2tap was killed between the two) are
// kept and told by a line "unconfirmed". Those lines are told with the time of the kernel's clock.
typedef void audit_reader(void *context, struct bytes line);
struct audit *audit_open(const struct audit_settings *settings, audit_reader *each, void *context,
	struct error *error);
void audit_close(struct audit *a); // a last head; NULL does nothing

// Appends. 0, or what the system said (-ENOSPC ...): then the line is not in the log; up to 256 such lines are kept and written
// first when there is room again, those beyond are counted and told then by a line "missing". `now_ns`: CLOCK_REALTIME. The line
// is with the kernel then; it is on the disk after a head, and usually a second after the next audit_tick().
int audit_tell(struct audit *a, struct audit_line *line, uint64_t now_ns);
// Heads, and what could not be written before. Call at least every second. 0, or why the log cannot be written or rotated now;
// -ESTALE: the file was moved away or replaced under us (lines go on into the one that is open).
int audit_tick(struct audit *a, uint64_t now_ns);
uint64_t audit_sequence(const struct audit *a); // of the next line

// --- verification, for x2ctl

enum audit_verdict { AUDIT_GOOD, AUDIT_BAD, AUDIT_UNREADABLE };
// Verifies a whole log (the file and the rotated ones beside it, in order), or one file of it (`single`). Writes what it found to
// `to`, one finding a line, "FILE:LINE: what": changed, removed (how many), inserted, swapped, cut short, not JSON, wrong HMAC;
// at most 100 of them. At the end one line of summary, which also says when heads are signed and no key was given. Nothing of what
// the lines say is repeated. May run while x2tap writes.
enum audit_verdict audit_verify(
	const char *file, const struct vault_key *key, bool single, FILE *to);

#endif
