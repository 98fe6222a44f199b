#include "queue.h"

#include <errno.h>
#include <stdlib.h>

struct entry_header {
	uint64_t owner;
	uint32_t len, flags;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void ring_put(struct queue *q, uint64_t position, const void *from, size_t len)
{
	size_t at = position % q->size, first = least(len, q->size - at);
	memcpy(q->octets + at, from, first);
	if (first < len)
		memcpy(q->octets, (const uint8_t *)from + first, len - first);
}

static void ring_get(const struct queue *q, uint64_t position, void *to, size_t len)
{
	size_t at = position % q->size, first = least(len, q->size - at);
	memcpy(to, q->octets + at, first);
	if (first < len)
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
	for (uint64_t at = q->oldest; at < q->end;) {
		size_t from = at % q->size, len = least(q->size - from, q->end - at);
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

void queue_push(struct queue *q, uint64_t owner, struct bytes pdu)
{
	struct entry_header header = {owner, (uint32_t)pdu.len, 0};
	ring_put(q, q->end, &header, sizeof header);
	ring_put(q, q->end + sizeof header, pdu.at, pdu.len);
	q->end += queue_cost(pdu.len);
}

bool queue_entry_at(const struct queue *q, uint64_t position, struct queue_entry *out)
{
	struct entry_header header;
	if (position >= q->end)
		return false;
	ring_get(q, position, &header, sizeof header);
	*out = (struct queue_entry){header.owner, header.len, header.flags, position,
		position + queue_cost(header.len)};
	return true;
}

void queue_copy_pdu(const struct queue *q, const struct queue_entry *e, uint8_t *to)
{
	ring_get(q, e->position + sizeof(struct entry_header), to, e->len);
}

void queue_add_flags(struct queue *q, const struct queue_entry *e, uint32_t flags)
{
	struct entry_header header;
	ring_get(q, e->position, &header, sizeof header);
	header.flags |= flags;
	ring_put(q, e->position, &header, sizeof header);
}

void queue_wipe_pdu(struct queue *q, const struct queue_entry *e)
{
	size_t at = (e->position + sizeof(struct entry_header)) % q->size;
	size_t first = least(e->len, q->size - at);
	explicit_bzero(q->octets + at, first);
	explicit_bzero(q->octets, e->len - first);
}

void queue_drop_oldest(struct queue *q)
{
	struct queue_entry e;
	if (!queue_entry_at(q, q->oldest, &e))
		return;
	q->oldest = e.after;
	if (q->next < q->oldest)
		q->next = q->oldest;
}
