// What fragments_take() must come to, written as plainly as can be: a flag and an octet for each place of each datagram, a list
// in order of age, and no care for time or memory.
#ifndef X2TAP_FRAGMENTS_ORACLE_H
#define X2TAP_FRAGMENTS_ORACLE_H

#include <assert.h>
#include <stdlib.h>

#include "fragments.h"

enum { ORACLE_MAX = 65535, ORACLE_BLOCK = 1024, ORACLE_LIST = 16 };

struct oracle_datagram {
	unsigned name;
	uint64_t first_ns;
	enum { ORACLE_WAITS, ORACLE_DROPPED, ORACLE_UNWANTED } state;
	bool begun;
	uint8_t protocol;
	size_t end; // 0: not known
	uint8_t octets[ORACLE_MAX];
	bool there[ORACLE_MAX];
};

struct oracle {
	size_t capacity; // datagrams, at most ORACLE_LIST
	size_t blocks;
	uint64_t timeout_ns;
	struct oracle_datagram *list[ORACLE_LIST]; // oldest first
	size_t count;
	struct fragments_counters counters;
	uint8_t whole[ORACLE_MAX]; // what was completed last
	size_t whole_len;
	uint8_t whole_protocol;
};

struct oracle_fragment {
	unsigned name;
	size_t offset, len;
	const uint8_t *octets;
	bool more;
	uint8_t protocol;
	bool too_short; // packet_peek() could not tell what it begins
	bool wanted;    // what will be answered
};

static inline void oracle_remove(struct oracle *o, size_t at, uint64_t *fate)
{
	if (o->list[at]->state == ORACLE_WAITS)
		++*fate;
	free(o->list[at]);
	o->count--;
	memmove(o->list + at, o->list + at + 1, (o->count - at) * sizeof *o->list);
}

static inline void oracle_fini(struct oracle *o)
{
	uint64_t nobody = 0;
	while (o->count)
		oracle_remove(o, 0, &nobody);
}

static inline uint32_t oracle_waiting(const struct oracle *o)
{
	uint32_t waiting = 0;
	for (size_t i = 0; i < o->count; i++)
		waiting += o->list[i]->state == ORACLE_WAITS;
	return waiting;
}

static inline bool oracle_is_expired(const struct oracle *o, size_t at, uint64_t time_ns)
{
	uint64_t first = o->list[at]->first_ns;
	return (time_ns > first ? time_ns - first : first - time_ns) > o->timeout_ns;
}

static inline size_t oracle_index(const struct oracle *o, unsigned name)
{
	size_t i = 0;
	while (i < o->count && o->list[i]->name != name)
		i++;
	return i;
}

static inline bool oracle_any(const struct oracle_datagram *d, size_t from, size_t to)
{
	to = to < ORACLE_MAX ? to : ORACLE_MAX;
	return from < to && memchr(d->there + from, true, to - from);
}

static inline bool oracle_all(const struct oracle_datagram *d, size_t from, size_t to)
{
	return !memchr(d->there + from, false, to - from);
}

static inline size_t oracle_blocks_of(const struct oracle_datagram *d)
{
	size_t blocks = 0;
	for (size_t at = 0; at < ORACLE_MAX; at += ORACLE_BLOCK)
		blocks += oracle_any(d, at, at + ORACLE_BLOCK);
	return blocks;
}

// What came last is in `d` already.
static inline void oracle_make_room(struct oracle *o, const struct oracle_datagram *d)
{
	for (;;) {
		size_t used = 0, oldest = o->count;
		for (size_t i = o->count; i > 0; i--) {
			if (o->list[i - 1]->state != ORACLE_WAITS)
				continue;
			used += oracle_blocks_of(o->list[i - 1]);
			if (o->list[i - 1] != d)
				oldest = i - 1;
		}
		if (used <= o->blocks)
			return;
		assert(oldest < o->count);
		oracle_remove(o, oldest, &o->counters.given_up);
	}
}

static inline bool oracle_ends_differ(
	const struct oracle_datagram *d, const struct oracle_fragment *x)
{
	size_t end = x->offset + x->len;
	if (d->end && (x->more ? end > d->end : end != d->end))
		return true;
	return !x->more && oracle_any(d, end, ORACLE_MAX);
}

static inline bool oracle_octets_differ(
	const struct oracle_datagram *d, const struct oracle_fragment *x)
{
	for (size_t i = 0; i < x->len; i++)
		if (d->there[x->offset + i] && d->octets[x->offset + i] != x->octets[i])
			return true;
	return false;
}

static inline void oracle_put(struct oracle_datagram *d, const struct oracle_fragment *x)
{
	for (size_t i = 0; i < x->len; i++) {
		d->there[x->offset + i] = true;
		d->octets[x->offset + i] = x->octets[i];
	}
	if (!x->more)
		d->end = x->offset + x->len;
}

static inline bool oracle_is_complete(const struct oracle_datagram *d)
{
	return d->end && oracle_all(d, 0, d->end);
}

static inline enum fragments_result oracle_defect(const struct oracle_fragment *x)
{
	if (x->len == 0)
		return FRAGMENTS_TINY;
	if (x->offset + x->len > ORACLE_MAX)
		return FRAGMENTS_OVERLONG;
	if (x->offset % 8 != 0 || (x->more && x->len % 8 != 0))
		return FRAGMENTS_MISALIGNED;
	return FRAGMENTS_KEPT;
}

static inline enum fragments_result oracle_drop(
	struct oracle *o, struct oracle_datagram *d, enum fragments_result reason)
{
	d->state = ORACLE_DROPPED;
	o->counters.dropped++;
	return reason;
}

static inline enum fragments_result oracle_pass(
	struct oracle *o, struct oracle_datagram *d, const struct oracle_fragment *x)
{
	if (oracle_defect(x) == FRAGMENTS_KEPT && !oracle_ends_differ(d, x))
		oracle_put(d, x);
	if (oracle_is_complete(d))
		oracle_remove(o, oracle_index(o, x->name), NULL);
	return FRAGMENTS_PASSED;
}

static inline enum fragments_result oracle_judge(
	struct oracle *o, struct oracle_datagram *d, const struct oracle_fragment *x)
{
	if (d->state == ORACLE_DROPPED)
		return FRAGMENTS_IGNORED;
	if (d->state == ORACLE_UNWANTED)
		return oracle_pass(o, d, x);
	if (oracle_defect(x) != FRAGMENTS_KEPT)
		return oracle_drop(o, d, oracle_defect(x));
	bool first = x->offset == 0;
	if (oracle_ends_differ(d, x) || oracle_octets_differ(d, x) ||
		(first && d->begun && d->protocol != x->protocol))
		return oracle_drop(o, d, FRAGMENTS_OVERLAP);
	if (first && !d->begun) {
		if (x->too_short)
			return oracle_drop(o, d, FRAGMENTS_TINY);
		d->begun = true;
		d->protocol = x->protocol;
		if (!x->wanted) {
			d->state = ORACLE_UNWANTED;
			o->counters.passed++;
			return oracle_pass(o, d, x);
		}
	}
	bool nothing_new = oracle_all(d, x->offset, x->offset + x->len) && (x->more || d->end);
	if (nothing_new)
		return FRAGMENTS_REPEATED;
	oracle_put(d, x);
	if (oracle_is_complete(d)) {
		memcpy(o->whole, d->octets, d->end);
		o->whole_len = d->end;
		o->whole_protocol = d->protocol;
		oracle_remove(o, oracle_index(o, x->name), &o->counters.completed);
		return FRAGMENTS_COMPLETE;
	}
	oracle_make_room(o, d);
	return FRAGMENTS_KEPT;
}

static inline struct oracle_datagram *oracle_start(
	struct oracle *o, unsigned name, uint64_t time_ns)
{
	if (o->count == o->capacity)
		oracle_remove(o, 0, &o->counters.given_up);
	struct oracle_datagram *d = calloc(1, sizeof *d);
	assert(d);
	d->name = name;
	d->first_ns = time_ns;
	o->list[o->count++] = d;
	o->counters.started++;
	return d;
}

static inline enum fragments_result oracle_take(
	struct oracle *o, const struct oracle_fragment *x, uint64_t time_ns)
{
	for (unsigned i = 0; i < 2 && o->count && oracle_is_expired(o, 0, time_ns); i++)
		oracle_remove(o, 0, &o->counters.timed_out);
	size_t at = oracle_index(o, x->name);
	if (at < o->count && oracle_is_expired(o, at, time_ns)) {
		oracle_remove(o, at, &o->counters.timed_out);
		at = o->count;
	}
	struct oracle_datagram *d = at < o->count ? o->list[at] : oracle_start(o, x->name, time_ns);
	enum fragments_result result = oracle_judge(o, d, x);
	o->counters.taken++;
	o->counters.results[result]++;
	return result;
}

#endif
