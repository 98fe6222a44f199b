#include "losses.h"

#include <string.h>

#include "hash.h"

const char *loss_name(unsigned why)
{
	static const char *const names[LOSS_REASONS] = {
		[LOSS_QUEUE_FULL] = "queue full",
		[LOSS_SHUTDOWN] = "shutdown",
		[LOSS_SPOOL_FULL] = "spool full",
		[LOSS_SPOOL_AGE] = "spool age",
		[LOSS_SPOOL_DAMAGED] = "spool damaged",
		[LOSS_ORDER_ENDED] = "order ended",
		[LOSS_UNCONFIRMED] = "not confirmed",
		[LOSS_TOO_LARGE] = "too large",
		[LOSS_NO_DESTINATION] = "no settings",
		[LOSS_REFUSED] = "refused by the queue",
	};
	return names[why];
}

void losses_init(struct losses *l, loss_teller *tell, void *context)
{
	*l = (struct losses){.tell = tell, .context = context};
}

static void tell_range(struct losses *l, struct loss_range *range)
{
	if (range->count == 0)
		return;
	if (l->lines < LOSSES_LINES) {
		l->lines++;
		l->tell(l->context, range);
	} else {
		l->rest[range->why].why = range->why;
		l->rest[range->why].count += range->count;
	}
	range->count = 0;
}

static struct loss_range *place_of(struct losses *l, const struct loss_range *range)
{
	struct {
		struct uuid destination, xid;
		uint64_t correlation, why;
	} key = {range->destination, range->xid, range->correlation, range->why};
	return &l->ranges[fnv1a(bytes_of(&key, sizeof key)) % LOSSES_RANGES];
}

// Whether `fresh` goes on where `range` ends.
static bool goes_on(const struct loss_range *range, const struct loss_range *fresh)
{
	return range->count && range->why == fresh->why &&
	       range->correlation == fresh->correlation && uuid_equal(&range->xid, &fresh->xid) &&
	       uuid_equal(&range->destination, &fresh->destination) &&
	       fresh->first == range->last + 1;
}

void losses_add(struct losses *l, const struct uuid *destination, unsigned why,
	const struct uuid *xid, uint64_t correlation, uint32_t sequence, uint64_t count)
{
	static const struct uuid unknown;
	struct loss_range fresh = {.destination = *destination,
		.xid = xid ? *xid : unknown,
		.correlation = correlation,
		.first = sequence,
		.last = sequence,
		.count = count,
		.why = why};
	if (why != LOSS_ORDER_ENDED && why != LOSS_UNCONFIRMED)
		l->total += count;
	struct loss_range *place = place_of(l, &fresh);
	if (goes_on(place, &fresh)) {
		place->last = sequence;
		place->count += count;
		return;
	}
	tell_range(l, place);
	*place = fresh;
}

void losses_tell(struct losses *l)
{
	for (size_t i = 0; i < LOSSES_RANGES; i++)
		tell_range(l, &l->ranges[i]);
	for (size_t why = 0; why < LOSS_REASONS; why++) {
		if (l->rest[why].count)
			l->tell(l->context, &l->rest[why]);
		l->rest[why].count = 0;
	}
	l->lines = 0;
}
