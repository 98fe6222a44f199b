#include "mf_sequence.h"

#include <stdlib.h>

#include "hash.h"

enum {
	RANGES = 8, // gaps remembered per context: what falls out of memory can no longer be filled
	RECENT = 16, // PDUs whose octets are remembered per context
	SLOTS_AT_FIRST = 64,
};

struct range {
	uint32_t from, count; // count 0: unused
	bool before_joining;  // not counted as missing
};

struct memory {
	uint64_t octets; // hash of the PDU, never 0; 0: nothing yet
	uint32_t sequence;
};

struct context {
	struct digest name;
	uint32_t next;
	bool is_used;
	uint8_t range_to_replace;
	struct range missing[RANGES];
	struct memory recent[RECENT]; // by sequence number modulo RECENT
};

struct mf_sequences {
	struct hash_key key;
	struct context *slots; // open addressing; a power of two, at most half full
	size_t slot_count, used, max;
	uint64_t missing;
};

static const char *const names[] = {
	"none", "first", "joined", "next", "gap", "repeat", "late", "reused"};

const char *mf_order_name(enum mf_order order)
{
	return names[order];
}

struct mf_sequences *mf_sequences_new(size_t max_contexts)
{
	struct mf_sequences *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->max = max_contexts;
	s->slot_count = SLOTS_AT_FIRST;
	s->slots = calloc(s->slot_count, sizeof *s->slots);
	if (!s->slots || hash_key_random(&s->key) < 0) {
		mf_sequences_free(s);
		return NULL;
	}
	return s;
}

void mf_sequences_free(struct mf_sequences *s)
{
	if (!s)
		return;
	free(s->slots);
	free(s);
}

uint64_t mf_sequences_missing(const struct mf_sequences *s)
{
	return s->missing;
}

size_t mf_sequences_contexts(const struct mf_sequences *s)
{
	return s->used;
}

// The five parts of the name are hashed one by one, so that a DID cannot pose as the end of an NFID.
static struct digest name_of(const struct mf_sequences *s, const struct mf_pdu *pdu)
{
	struct bytes parts[] = {pdu->did, pdu->nfid, pdu->ipid};
	uint8_t all[16 + 8 + 3 * 16];
	struct writer w = writer_of(all, sizeof all);
	write_bytes(&w, bytes_of(pdu->xid.octets, sizeof pdu->xid.octets));
	write_be64(&w, pdu->correlation);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		struct digest d = siphash128(&s->key, parts[i]);
		write_be64(&w, d.low);
		write_be64(&w, d.high);
	}
	return siphash128(&s->key, writer_bytes(&w));
}

static struct context *slot_of(struct context *slots, size_t count, struct digest name)
{
	for (size_t i = name.low & (count - 1);; i = (i + 1) & (count - 1))
		if (!slots[i].is_used ||
			(slots[i].name.low == name.low && slots[i].name.high == name.high))
			return &slots[i];
}

static bool grow(struct mf_sequences *s)
{
	size_t count = 2 * s->slot_count;
	struct context *slots = calloc(count, sizeof *slots);
	if (!slots)
		return false;
	for (size_t i = 0; i < s->slot_count; i++)
		if (s->slots[i].is_used)
			*slot_of(slots, count, s->slots[i].name) = s->slots[i];
	free(s->slots);
	s->slots = slots;
	s->slot_count = count;
	return true;
}

static void remember_missing(struct context *c, struct range range)
{
	if (range.count == 0)
		return;
	for (size_t i = 0; i < RANGES; i++)
		if (c->missing[i].count == 0) {
			c->missing[i] = range;
			return;
		}
	c->missing[c->range_to_replace] = range;
	c->range_to_replace = (uint8_t)((c->range_to_replace + 1) % RANGES);
}

// Takes `sequence` out of what is missing. False when it is not there.
static bool fill(struct mf_sequences *s, struct context *c, uint32_t sequence)
{
	for (size_t i = 0; i < RANGES; i++) {
		struct range r = c->missing[i];
		uint32_t at = sequence - r.from; // modulo 2^32, as the numbers are
		if (at >= r.count)
			continue;
		c->missing[i] = (struct range){r.from, at, r.before_joining};
		remember_missing(
			c, (struct range){sequence + 1, r.count - at - 1, r.before_joining});
		if (!r.before_joining)
			s->missing--;
		return true;
	}
	return false;
}

static enum mf_order open_context(
	struct mf_sequences *s, struct context *c, struct digest name, uint32_t sequence)
{
	*c = (struct context){.name = name, .is_used = true, .next = sequence + 1};
	s->used++;
	remember_missing(c, (struct range){0, sequence, true});
	return sequence == 0 ? MF_ORDER_FIRST : MF_ORDER_JOINED;
}

// What is not ahead by less than half the numbers lies behind.
static struct mf_verdict place(
	struct mf_sequences *s, struct context *c, uint32_t sequence, uint64_t octets)
{
	struct mf_verdict v = {MF_ORDER_NEXT, c->next, 0};
	uint32_t ahead = sequence - c->next;
	if (ahead <= INT32_MAX) {
		if (ahead > 0) {
			v.order = MF_ORDER_GAP;
			v.missing = ahead;
			s->missing += ahead;
			remember_missing(c, (struct range){c->next, ahead, false});
		}
		c->next = sequence + 1;
	} else if (fill(s, c, sequence)) {
		v.order = MF_ORDER_LATE;
	} else {
		struct memory m = c->recent[sequence % RECENT];
		bool is_other = m.octets && m.sequence == sequence && m.octets != octets;
		v.order = is_other ? MF_ORDER_REUSED : MF_ORDER_REPEAT;
	}
	return v;
}

struct mf_verdict mf_sequences_note(struct mf_sequences *s, const struct mf_pdu *pdu)
{
	struct mf_verdict none = {MF_ORDER_NONE, 0, 0};
	if (!pdu->has_sequence)
		return none;
	struct digest name = name_of(s, pdu);
	uint64_t octets = siphash(&s->key, pdu->octets) | 1;
	struct context *c = slot_of(s->slots, s->slot_count, name);
	struct mf_verdict v = {MF_ORDER_FIRST, 0, 0};
	if (c->is_used) {
		v = place(s, c, pdu->sequence, octets);
	} else {
		if (s->used == s->max || (2 * s->used >= s->slot_count && !grow(s)))
			return none;
		c = slot_of(s->slots, s->slot_count, name);
		v.order = open_context(s, c, name, pdu->sequence);
	}
	if (c->next - pdu->sequence <= RECENT && v.order != MF_ORDER_REUSED)
		c->recent[pdu->sequence % RECENT] = (struct memory){octets, pdu->sequence};
	return v;
}
