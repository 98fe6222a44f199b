// Lasting conditions that somebody must know of: one place where each begins and ends.
//
// Kinds stand in one table: their name, what they are about, how X1 reports them (TS 103 221-1 clause 6.5: ReportNEIssue or
// ReportDestinationIssue, with an issue code of table 6.7-3), and who may know. What exists only because IRI flow is told to the LI
// side alone (audit log and `x2ctl faults` of the LI role): general log and operator see the same with and without targets.
// Whoever may know learns it once when it begins and once when it ends. A text names neither tasks nor how many there are.
//
// The control core alone.
#ifndef X2TAP_FAULTS_H
#define X2TAP_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum fault_kind {
	FAULT_TARGETS,              // the target file was refused
	FAULT_TLS,                  // our certificate, key, CA file or CRL
	FAULT_TLS_EXPIRY,           // one of them ends soon
	FAULT_DESTINATION_SETTINGS, // no entry in x2tap.yaml, or one that cannot be used
	FAULT_MF_UNREACHABLE,
	FAULT_MF_CERTIFICATE, // refused by us, or ours by the MF
	FAULT_MF_EXPIRY,      // the MF's certificate ends soon
	FAULT_QUEUE,          // above 80 %
	FAULT_LOSS,           // PDUs were lost within the last minute
	FAULT_SPOOL,          // cannot be used, or is full
	FAULT_SPOOL_MISSING,  // segments that must be there are not
	FAULT_SPOOL_KEY,      // the master key cannot be read
	FAULT_JOURNAL,
	FAULT_AUDIT,
	FAULT_CLOCK, // not synchronised
	FAULT_PORT_DOWN,
	FAULT_WORKER_STALLED,
	FAULT_CONTROL, // x2ctl cannot ask
	FAULT_KINDS
};

enum fault_scope { FAULT_OF_NE, FAULT_OF_DESTINATION };

struct fault_info {
	const char *name; // "mf unreachable"
	enum fault_scope scope;
	bool is_warning; // nothing is lost yet: X1 Warning, code 9010; else NonTerminatingFault, 9020
	bool for_li;     // the LI side alone may know
	bool tells_changes; // another text is told again
};
const struct fault_info *fault_info(enum fault_kind kind);

enum { FAULTS_MAX = 1024, FAULT_ABOUT = 80, FAULT_TEXT = 512 };

struct fault {
	enum fault_kind kind;
	char about[FAULT_ABOUT]; // the DID, the device, the worker; "" where there is one of a kind
	char text[FAULT_TEXT];
	bool for_li;
	time_t since;
};

struct faults {
	struct fault list[FAULTS_MAX];
	size_t count;
	// Told of every beginning and end; NULL: nobody. For the audit log, and for X1's reports.
	void (*tell)(void *context, const struct fault *fault, bool begins);
	void *context;
};

// Begins, unless it has begun; `about` may be NULL. fault_begin_li(): for the LI side alone whatever the table says (what is
// about a destination that is connected to on demand).
void fault_begin(struct faults *f, enum fault_kind kind, const char *about, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void fault_begin_li(struct faults *f, enum fault_kind kind, const char *about, const char *format,
	...) __attribute__((format(printf, 4, 5)));
void fault_end(
	struct faults *f, enum fault_kind kind, const char *about); // nothing if it has not begun
bool fault_is_on(const struct faults *f, enum fault_kind kind, const char *about);
// Whether what has been raised may be shown to the operator.
static inline bool fault_is_public(const struct fault *f)
{
	return !f->for_li;
}

#endif
