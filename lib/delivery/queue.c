#include "queue.h"

#include <errno.h>
#include <stdlib.h>

struct entry_header {
	uint32_t len, flags; // first, so that queue_step() reads 8 octets
	uint32_t sequence, unused;
	uint64_t owner;
	struct uuid xid;
	uint64_t correlation, index, offered_ms;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

// Positions in use are less than two sizes above `base`: no division.
static inline size_t ring_offset(const struct queue *q, uint64_t position)
{
	uint64_t at = position - q->base;
	return at < q->size ? at : at - q->size;
}

// Inline, so that the copy of a header is a few moves: nearly all stand in one piece.
static inline void ring_put(struct queue *q, uint64_t position, const void *from, size_t len)
{
	size_t at = ring_offset(q, position);
	if (len <= q->size - at) {
		memcpy(q->octets + at, from, len);
		return;
	}
	size_t first = q->size - at;
	memcpy(q->octets + at, from, first);
	memcpy(q->octets, (const uint8_t *)from + first, len - first);
}

static inline void ring_get(const struct queue *q, uint64_t position, void *to, size_t len)
{
	size_t at = ring_offset(q, position);
	if (len <= q->size - at) {
		memcpy(to, q->octets + at, len);
		return;
	}
	size_t first = q->size - at;
	memcpy(to, q->octets + at, first);
	memcpy((uint8_t *)to + first, q->octets, len - first);
}

int queue_init(struct queue *q, size_t size)
{
	uint8_t *octets = malloc(size);
	if (!octets)
		return -ENOMEM;
	explicit_bzero(octets, size); // touched now, so that traffic cannot make the process grow
	*q = (struct queue){.octets = octets, .size = size};
	return 0;
}

void queue_fini(struct queue *q)
{
	if (q->octets)
		explicit_bzero(q->octets, q->size);
	free(q->octets);
	*q = (struct queue){0};
}

void queue_move(struct queue *q, struct queue *to)
{
	to->base = q->oldest;
	for (uint64_t at = q->oldest; at < q->end;) {
		size_t from = ring_offset(q, at), len = least(q->size - from, q->end - at);
		ring_put(to, at, q->octets + from, len);
		at += len;
	}
	to->oldest = q->oldest;
	to->next = q->next;
	to->end = q->end;
	queue_fini(q);
	*q = *to;
	*to = (struct queue){0};
}

size_t queue_used(const struct queue *q)
{
	return q->end - q->oldest;
}

size_t queue_cost(size_t pdu_len)
{
	return sizeof(struct entry_header) + pdu_len;
}

void queue_push(struct queue *q, const struct queue_entry *e, struct bytes pdu)
{
	struct entry_header header = {(uint32_t)pdu.len, e->flags, e->sequence, 0, e->owner, e->xid,
		e->correlation, e->index, e->offered_ms};
	ring_put(q, q->end, &header, sizeof header);
	ring_put(q, q->end + sizeof header, pdu.at, pdu.len);
	q->end += queue_cost(pdu.len);
}

bool queue_entry_at(const struct queue *q, uint64_t position, struct queue_entry *out)
{
	struct entry_header h;
	if (position >= q->end)
		return false;
	ring_get(q, position, &h, sizeof h);
	*out = (struct queue_entry){h.owner, h.xid, h.correlation, h.index, h.offered_ms,
		h.sequence, h.flags, h.len, position, position + queue_cost(h.len)};
	return true;
}

bool queue_step(const struct queue *q, uint64_t position, struct queue_entry *out)
{
	uint32_t start[2];
	if (position >= q->end)
		return false;
	ring_get(q, position, start, sizeof start);
	out->len = start[0];
	out->flags = start[1];
	out->position = position;
	out->after = position + queue_cost(out->len);
	return true;
}

void queue_copy_pdu(const struct queue *q, const struct queue_entry *e, uint8_t *to)
{
	ring_get(q, e->position + sizeof(struct entry_header), to, e->len);
}

void queue_set_flags(struct queue *q, const struct queue_entry *e, uint32_t flags)
{
	ring_put(q, e->position + offsetof(struct entry_header, flags), &flags, sizeof flags);
}

void queue_set_index(struct queue *q, const struct queue_entry *e, uint64_t index)
{
	ring_put(q, e->position + offsetof(struct entry_header, index), &index, sizeof index);
}

static void ring_wipe(struct queue *q, uint64_t position, size_t len)
{
	size_t at = ring_offset(q, position), first = least(len, q->size - at);
	explicit_bzero(q->octets + at, first);
	explicit_bzero(q->octets, len - first);
}

void queue_wipe_pdu(struct queue *q, const struct queue_entry *e)
{
	ring_wipe(q, e->position + sizeof(struct entry_header), e->len);
}

void queue_drop_oldest(struct queue *q)
{
	uint32_t len;
	if (q->oldest >= q->end)
		return;
	ring_get(q, q->oldest + offsetof(struct entry_header, len), &len, sizeof len);
	ring_wipe(q, q->oldest, queue_cost(len));
	q->oldest += queue_cost(len);
	if (q->oldest - q->base >= q->size)
		q->base += q->size;
	if (q->next < q->oldest)
		q->next = q->oldest;
}
