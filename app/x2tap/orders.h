// What is ordered: target file and certificates, loaded aside and taken over all at once.
//
// A load runs in a helper thread, so that the control core goes on draining events meanwhile; what it came to is applied by
// the control core between two events. Any failure leaves what is in force untouched, raises a fault, and is told to
// whoever asked.
#ifndef X2TAP_ORDERS_H
#define X2TAP_ORDERS_H

#include "config.h"
#include "dataplane.h"
#include "delivery.h"
#include "destinations.h"
#include "faults.h"
#include "record.h"
#include "target_file.h"
#include "tls.h"

struct orders;

// Where a load goes; all borrowed.
struct orders_outlets {
	struct faults *faults;
	struct record *record;
	struct destinations *destinations;
};
// `config` and `key` are borrowed. NULL when there is no memory.
struct orders *orders_new(const struct config *config, const struct hash_key *key,
	const struct orders_outlets *outlets);
void orders_free(struct orders *o);

// Rules for target files that follow from the configuration.
struct target_rules target_rules_of(const struct config *config, const struct numbering *numbering);
struct numbering numbering_of(const struct config *config);
struct tls_files tls_files_of(const struct config *config);

// Starts a load, for `by` (the audit log names him). -EBUSY while one is running (it will be repeated right after that one:
// files may have changed since).
int orders_load(struct orders *o, const struct record_by *by);
bool orders_are_loading(const struct orders *o);
// Waits for the load that is running: at start only.
void orders_wait(struct orders *o);

struct orders_result {
	bool loaded; // false: what was in force stays
	struct target_changes changes;
	const char *
		problems; // text for the LI side: "file:line:col: error: ..." lines; owned by orders, until the next load
	const char *tls_problem; // "" or what is wrong with the certificates
	bool repeated;           // the next load, asked for while this one ran, has begun
};
// Applies a finished load, if there is one: publishes the table (`dataplane` NULL: keeps it for orders_take_table()), sets the
// destinations, expires what ended. Returns true and the result when a load came to its end.
bool orders_apply(struct orders *o, struct dataplane *dataplane, struct delivery *delivery,
	struct orders_result *result);
// The table to start the workers with; an empty one if nothing could be loaded.
struct target_table *orders_take_table(struct orders *o, struct error *error);

const struct target_set *orders_in_force(
	const struct orders *o);                    // never NULL: empty until the first load
unsigned orders_generation(const struct orders *o); // loads that succeeded
// Delivery's gate: whether a task in force names the destination. Unknown until a target file was loaded.
enum delivery_gate orders_gate(
	const struct orders *o, const struct uuid *xid, const struct uuid *destination);
// Whether what is ordered is followed. While not, no task is in the table that workers look into, and what they still report is
// to be thrown away.
void orders_suspend(struct orders *o, struct dataplane *dataplane, bool suspended);
bool orders_are_suspended(const struct orders *o);
// What connections are made with; NULL: nothing.
const struct tls_context *orders_tls(const struct orders *o);

#endif
