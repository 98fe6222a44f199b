// The end of the chain that is there, read back at a start. Private to lib/audit.
#ifndef X2TAP_AUDIT_TAIL_H
#define X2TAP_AUDIT_TAIL_H

#include "audit_format.h"

struct audit_tail {
	uint64_t next;                  // sequence number of the next line
	uint8_t last[VAULT_DIGEST_LEN]; // hash of the last line, zeros when there is none
	uint64_t size,
		first;   // of the log itself: octets of its whole lines, number of its first line
	bool has_before; // there is a rotated file,
	uint64_t before; // and the last one begins with this line
	uint64_t unconfirmed; // lines behind the one the head names
	size_t partial_len;   // of what stands behind the last end of line
	char partial[AUDIT_LINE_MAX];
};

// Reads the end back to the last line "start" and to the line `head` names (NULL: there is no head), and gives all since that
// "start", itself included, to `each`. `log` is -1 when there is no such file. -EBADMSG: the end is damaged or shorter than the
// head says; `error` says how, and nothing was given. Other errors: it could not be read.
int audit_tail_read(int directory, const char *base, int log, const struct audit_head *head,
	bool has_key, audit_reader *each, void *context, struct audit_tail *out,
	struct error *error);

#endif
