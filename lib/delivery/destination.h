// One destination: its outbox, its endpoints, the connection that carries its PDUs and a second one that may take over.
#ifndef X2TAP_DESTINATION_H
#define X2TAP_DESTINATION_H

#include "backoff.h"
#include "link.h"

enum { DESTINATION_FAULT = ERROR_TEXT + 128 };

enum destination_wish { WISH_CONNECTED, WISH_STOPPED, WISH_REMOVED };

// Attempts to reach an endpoint.
struct destination_attempts {
	struct backoff backoff;
	uint64_t connect_at_ms; // not before
	bool failed;            // ever, and when
	uint64_t failed_ms;
};

// What all destinations stand on.
struct destination_ground {
	struct tls_context *context; // may be NULL
	uint64_t generation;         // of the context
};

struct destination {
	struct delivery_destination settings; // `endpoints` points to the following; no `spool`
	struct delivery_endpoint endpoints[DELIVERY_MAX_ENDPOINTS];
	char names[DELIVERY_MAX_ENDPOINTS][LINK_NAME];
	struct destination_attempts attempts[DELIVERY_MAX_ENDPOINTS];
	const struct delivery_hooks *hooks;
	uint64_t random;

	struct outbox outbox;
	struct link links[DELIVERY_FDS_EACH];
	// The main one carries PDUs. The other is a candidate that may take over, or a former main one on its way out.
	struct link *main, *other;

	enum destination_wish wish;
	bool wakes; // the next connection that is wanted is the first, or the first after it was idle
	struct uuid home;   // the endpoint to be tried first
	struct uuid latest; // that of the present or latest proven main connection
	bool is_without; // a connection is wanted, and there is none that is proven and as it should be
	uint64_t without_since_ms; // since then; it was not so until then
	uint64_t busy_ms;          // until then something was under way
	bool handing_over;         // the main one is asked to end in favour of the other
	uint64_t
		leave_ms; // then the main one must end, since its peer or its place is no longer good; 0: it is
	bool reviewed;        // that was looked at since the last change
	bool changed;         // a connection came or went: look again at once
	char fault[DESTINATION_FAULT];
	bool certificate_fault;
};

// -EINVAL with a text, or 0. Values of 0 that mean a default are replaced in `checked`, whose endpoints go to `endpoints`.
int destination_check(const struct delivery_destination *settings,
	struct delivery_destination *checked,
	struct delivery_endpoint endpoints[static DELIVERY_MAX_ENDPOINTS], struct error *error);

// NULL when there is no memory. `settings` have been checked.
struct destination *destination_new(const struct delivery_destination *settings,
	const struct delivery_hooks *hooks, uint64_t random_seed);
void destination_free(struct destination *d);
int destination_change(struct destination *d, const struct delivery_destination *settings);

void destination_stop(struct destination *d);
void destination_remove(struct destination *d);
void destination_give_up(struct destination *d);
void destination_connect_now(struct destination *d); // there is reason to hope again

// Returns the milliseconds until the next call is due, at most 1000.
uint64_t destination_poll(struct destination *d, const struct destination_ground *ground,
	uint64_t now_ms, uint64_t realtime_ms);
// After destination_stop() or destination_remove(): nothing more will come of it.
bool destination_is_done(const struct destination *d);

size_t destination_active(const struct destination *d);             // index of an endpoint
enum delivery_state destination_state(const struct destination *d); // of the connection
bool destination_is_idle(const struct destination *d);              // on demand, and there is none
size_t destination_pollfds(const struct destination *d, struct pollfd *out, size_t max);

#endif
