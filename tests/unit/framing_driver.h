// Stands in for the one who puts a stream together: keeps the front, asks sip_framing() as streams.c does, and checks that
// every verdict keeps to the contract of framing.h. For the unit test and the fuzz target alike.
#ifndef X2TAP_FRAMING_DRIVER_H
#define X2TAP_FRAMING_DRIVER_H

#include <stdlib.h>

#include "sip_framing.h"

enum { DRIVER_MESSAGES = 4096 };

// What came out of a stream.
struct driver {
	uint32_t max_message;
	bool in_sync, has_begun;

	size_t done, gone_by; // octets that are done with; of a message over the limit, those still to come
	size_t needed, seen;
	unsigned calls;
	enum framing_reason let_go; // and why
	size_t skipped[FRAMING_REASONS];
	unsigned too_long, count;
	struct bytes messages[DRIVER_MESSAGES]; // views of the stream
	const char *broken;                     // the rule that a verdict broke, or NULL
};

static inline struct driver *driver_new(uint32_t max_message, bool in_sync)
{
	struct driver *d = calloc(1, sizeof *d);
	if (!d)
		abort();
	d->max_message = max_message;
	d->in_sync = in_sync;
	return d;
}

static inline struct framing_state driver_state(const struct driver *d)
{
	return (struct framing_state){
		.seen = d->seen,
		.in_sync = d->in_sync,
		.expected = true,
		.has_begun = d->has_begun,
		.max_message = d->max_message,
	};
}

// Which rule the verdict breaks.
static inline const char *driver_check(
	const struct driver *d, const struct framing *f, size_t front_len)
{
	if (f->verdict == FRAMING_MORE) {
		if (f->octets < front_len)
			return "MORE for less than there is";
		if (f->seen > front_len)
			return "MORE has seen more than there is";
		return NULL;
	}
	if (f->octets < 1 || f->octets > front_len)
		return "octets that are not there";
	if (f->verdict == FRAMING_MESSAGE && f->octets > d->max_message)
		return "MESSAGE over the limit";
	if (f->verdict == FRAMING_TOO_LONG &&
		(f->octets > d->max_message || f->whole <= d->max_message))
		return "TOO_LONG for no reason";
	if (f->verdict == FRAMING_SKIP && f->reason != FRAMING_KEEPALIVE &&
		f->reason != FRAMING_RESYNC)
		return "SKIP without a reason";
	if (f->verdict == FRAMING_SKIP && f->reason == FRAMING_KEEPALIVE && !d->in_sync)
		return "KEEPALIVE out of sync";
	if (f->verdict == FRAMING_LET_GO && f->reason != FRAMING_TLS &&
		f->reason != FRAMING_WEBSOCKET)
		return "LET_GO without a reason";
	if (f->verdict == FRAMING_LET_GO && d->has_begun)
		return "LET_GO of a stream that has begun";
	return NULL;
}

static inline void driver_take(struct driver *d, const struct framing *f, struct bytes front)
{
	d->seen = d->needed = 0;
	switch (f->verdict) {
	case FRAMING_MORE:
		d->needed = f->octets;
		d->seen = f->seen;
		return;
	case FRAMING_MESSAGE:
	case FRAMING_TOO_LONG:
		d->in_sync = d->has_begun = true;
		if (d->count == DRIVER_MESSAGES)
			d->broken = "more messages than can be";
		else
			d->messages[d->count++] = bytes_slice(front, 0, f->octets);
		if (f->verdict == FRAMING_TOO_LONG) {
			d->too_long++;
			d->gone_by = f->whole - f->octets;
		}
		break;
	case FRAMING_SKIP:
		d->skipped[f->reason] += f->octets;
		if (f->reason == FRAMING_RESYNC)
			d->in_sync = false;
		break;
	case FRAMING_LET_GO:
		d->let_go = f->reason;
		break;
	}
	d->done += f->octets;
}

// Asks about the front, in a block of exactly its size.
static inline struct framing driver_ask(const struct driver *d, struct bytes front)
{
	struct framing_state state = driver_state(d);
	uint8_t *copy = malloc(front.len ? front.len : 1);
	if (!copy)
		abort();
	if (front.len)
		memcpy(copy, front.at, front.len);
	struct framing f = sip_framing(bytes_of(copy, front.len), &state);
	free(copy);
	return f;
}

// The first `arrived` octets of the stream are there.
static inline void driver_arrive(struct driver *d, struct bytes stream, size_t arrived)
{
	while (!d->broken && d->let_go == FRAMING_NO_REASON && d->done < arrived) {
		struct bytes front = bytes_slice(stream, d->done, arrived - d->done);
		if (d->gone_by) {
			size_t gone = d->gone_by < front.len ? d->gone_by : front.len;
			d->gone_by -= gone;
			d->done += gone;
			continue;
		}
		if (front.len <= d->needed)
			return;
		struct framing f = driver_ask(d, front);
		d->calls++;
		d->broken = driver_check(d, &f, front.len);
		driver_take(d, &f, front);
		if (f.verdict == FRAMING_MORE)
			return;
	}
}

// Whether two ways of cutting one stream came to the same.
static inline bool driver_agree(const struct driver *a, const struct driver *b)
{
	if (a->count != b->count || a->let_go != b->let_go || a->too_long != b->too_long ||
		memcmp(a->skipped, b->skipped, sizeof a->skipped) != 0)
		return false;
	if (a->let_go == FRAMING_NO_REASON && a->done != b->done)
		return false;
	for (unsigned i = 0; i < a->count; i++)
		if (a->messages[i].at != b->messages[i].at ||
			a->messages[i].len != b->messages[i].len)
			return false;
	return true;
}

#endif
