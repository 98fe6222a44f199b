// One destination: its outbox, the connection it has or waits for, and why it has none.
#ifndef X2TAP_DESTINATION_H
#define X2TAP_DESTINATION_H

#include "backoff.h"
#include "link.h"

enum { DESTINATION_NAME = 256, DESTINATION_FAULT = ERROR_TEXT + 128 };

// What happens when the present connection has ended.
enum destination_wish { WISH_CONNECTED, WISH_RECONNECT, WISH_STOPPED, WISH_REMOVED };

struct destination {
	struct delivery_destination settings; // tls_name points to `name`
	char name[DESTINATION_NAME];
	struct outbox outbox;
	struct link link;
	struct backoff backoff;
	uint64_t connect_at_ms;
	enum destination_wish wish;
	bool end_asked; // the link knows of the wish
	char fault[DESTINATION_FAULT];
};

// -EINVAL with a text, -ENOMEM, or 0. Values of 0 that mean a default are replaced in `checked`.
int destination_check(const struct delivery_destination *settings,
	struct delivery_destination *checked, struct error *error);

// NULL when there is no memory. `settings` have been checked.
struct destination *destination_new(
	const struct delivery_destination *settings, uint64_t random_seed);
void destination_free(struct destination *d);
int destination_change(struct destination *d, const struct delivery_destination *settings);

void destination_stop(struct destination *d);
void destination_remove(struct destination *d);
void destination_give_up(struct destination *d);
void destination_connect_now(struct destination *d); // there is reason to hope again
void destination_reconnect(
	struct destination *d); // what the present connection stands on has changed

// Returns the milliseconds until the next call is due, at most 1000. `context` may be NULL.
uint64_t destination_poll(struct destination *d, struct tls_context *context, uint64_t now_ms);
// After destination_stop() or destination_remove(): nothing more will come of it.
bool destination_is_done(const struct destination *d);

#endif
