// What x2tap writes into its audit log (x2tap-audit(5)): what was ordered, done and lost, and by whom.
//
// Without `audit:` in x2tap.yaml nothing is written. A log that cannot be written is a fault; with `when_full: stop` nothing is
// intercepted until it can be. The control core alone.
#ifndef X2TAP_RECORD_H
#define X2TAP_RECORD_H

#include "audit.h"
#include "config.h"
#include "control.h"
#include "delivery.h"
#include "faults.h"
#include "losses.h"
#include "sequence.h"
#include "task.h"

struct segments; // which spool segments must be there, by the log

struct record {
	struct audit *audit; // NULL: none is configured, or it cannot be opened
	const struct config *config;
	struct faults *faults;
	struct segments *segments;
	struct vault_key key; // of heads
	bool has_key;
	int64_t clock_offset_ns; // CLOCK_REALTIME less CLOCK_MONOTONIC
	bool has_offset;
	bool failing; // lines wait for room
	bool has_told_left;
	const char *configuration; // its path, borrowed
};

// Reads the key of the log, which after the start may be out of reach. `config` and `faults` are borrowed.
void record_init(struct record *r, const struct config *config, struct faults *faults);
// Opens the log, reads what the run before left in it, and begins with lines "start" and "configuration".
void record_open(struct record *r, const char *configuration);
void record_close(struct record *r); // wipes
// Tries to open again what could not be opened. At a reload.
void record_reopen(struct record *r);
// Heads, rotation, retries, steps of the clock. Every second or so.
void record_tick(struct record *r);
// Whether the log is as it should be, or interception goes on regardless.
bool record_may_intercept(const struct record *r);

// `remaining`: PDUs that nobody has confirmed.
void record_stop(struct record *r, const char *how, uint64_t remaining);

// Who had it done: a peer of the control socket, or (NULL) whoever sent the signal.
struct record_by {
	const struct control_peer *peer;
	uint32_t signal_uid,
		signal_pid; // where there is no peer; 0 and 0: x2tap itself, at its start
};
struct record_targets {
	bool loaded;
	unsigned generation;
	const struct target_set *fresh, *current; // where it was loaded
	struct target_changes changes;
	const char *digest;  // SHA-256 of the file in hex; "" if it could not be read
	const char *problem; // where it was not: without target identifiers
};
// A load of the target file: a line "targets", and lines "task" that name each XID that came, changed, went or is wide.
void record_targets(
	struct record *r, const struct record_by *by, const struct record_targets *targets);
// What was asked on the control socket, about which task if it names one (else NULL).
void record_command(struct record *r, const struct control_peer *peer, const char *request,
	const struct uuid *xid, bool refused);

void record_peer(struct record *r, const struct delivery_peer *peer);
void record_fault(struct record *r, const struct fault *fault, bool begins);
void record_loss(struct record *r, const struct loss_range *range);
void record_gap(struct record *r, const struct sequence_gap *gap);
void record_segment(struct record *r, const struct uuid *destination, enum spool_event what,
	uint64_t number, uint64_t records);
void record_given_up(struct record *r, uint64_t contexts);
void record_forgotten(struct record *r, uint64_t numbers);
// After the first load: notes the segments of spools that were not opened, so that the next run knows of them.
void record_left(struct record *r);
// The spool of a destination has been looked through: segments that the log says must be there and are not are told as lost.
void record_missing_segments(struct record *r, const struct uuid *destination);

#endif
