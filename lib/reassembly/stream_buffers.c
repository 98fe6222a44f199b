#include "stream_buffers.h"

#include <errno.h>

#include "pages.h"

static const uint32_t sizes[STREAM_BUFFER_SIZES] = {2048, 8192, 32768, STREAMS_WINDOW};
static const uint32_t NONE = STREAM_BUFFER_NONE;

// --- the pool --------------------------------------------------------------------------------------------------

static uint32_t count_of(size_t memory, unsigned size_index)
{
	size_t count = memory / STREAM_BUFFER_SIZES / sizes[size_index];
	return count < NONE / STREAM_BUFFER_SIZES ? (uint32_t)count : NONE / STREAM_BUFFER_SIZES;
}

int stream_buffers_init(struct stream_buffers *b, size_t memory)
{
	size_t octets = 0;
	*b = (struct stream_buffers){0};
	for (unsigned i = 0; i < STREAM_BUFFER_SIZES; i++) {
		uint32_t count = count_of(memory, i);
		if (count < 2) // one to be held, one to grow into
			return -EINVAL;
		b->count += count;
		octets += (size_t)count * sizes[i];
	}
	b->memory_size = b->count * sizeof *b->list + octets;
	b->memory = pages_take(b->memory_size);
	if (!b->memory)
		return -ENOMEM;
	b->list = b->memory;
	uint8_t *at = (uint8_t *)(b->list + b->count);
	uint32_t n = 0;
	for (unsigned i = 0; i < STREAM_BUFFER_SIZES; i++) {
		uint32_t count = count_of(memory, i);
		b->sizes[i] = (struct stream_buffer_size){n, NONE, NONE};
		for (uint32_t last = n + count; n < last; n++, at += sizes[i]) {
			b->list[n].size_index = (uint8_t)i;
			b->list[n].size = sizes[i];
			b->list[n].octets = at;
			b->list[n].next_free = n + 1 < last ? n + 1 : NONE;
		}
	}
	return 0;
}

void stream_buffers_fini(struct stream_buffers *b)
{
	pages_free(b->memory, b->memory_size);
	*b = (struct stream_buffers){0};
}

unsigned stream_buffer_size_for(size_t octets)
{
	unsigned i = 0;
	while (i < STREAM_BUFFER_SIZES - 1 && sizes[i] < octets)
		i++;
	return i;
}

static void become_newest(struct stream_buffers *b, uint32_t buffer)
{
	struct stream_buffer *it = &b->list[buffer];
	struct stream_buffer_size *size = &b->sizes[it->size_index];
	it->older = size->newest;
	it->newer = NONE;
	if (size->newest == NONE)
		size->oldest = buffer;
	else
		b->list[size->newest].newer = buffer;
	size->newest = buffer;
}

static void leave_order(struct stream_buffers *b, uint32_t buffer)
{
	const struct stream_buffer *it = &b->list[buffer];
	struct stream_buffer_size *size = &b->sizes[it->size_index];
	if (it->older == NONE)
		size->oldest = it->newer;
	else
		b->list[it->older].newer = it->newer;
	if (it->newer == NONE)
		size->newest = it->older;
	else
		b->list[it->newer].older = it->older;
}

uint32_t stream_buffer_take(struct stream_buffers *b, unsigned size_index, uint32_t owner)
{
	struct stream_buffer_size *size = &b->sizes[size_index];
	uint32_t buffer = size->free;
	if (buffer == NONE)
		return NONE;
	size->free = b->list[buffer].next_free;
	b->list[buffer].owner = owner;
	b->list[buffer].range_count = 0;
	become_newest(b, buffer);
	return buffer;
}

void stream_buffer_release(struct stream_buffers *b, uint32_t buffer)
{
	struct stream_buffer_size *size = &b->sizes[b->list[buffer].size_index];
	leave_order(b, buffer);
	b->list[buffer].next_free = size->free;
	size->free = buffer;
}

uint32_t stream_buffer_oldest(const struct stream_buffers *b, unsigned size_index)
{
	return b->sizes[size_index].oldest;
}

void stream_buffer_touch(struct stream_buffers *b, uint32_t buffer)
{
	leave_order(b, buffer);
	become_newest(b, buffer);
}

// --- one buffer --------------------------------------------------------------------------------------------------

// The ranges that touch or overlap [from, to) are list[*first] to list[*end - 1].
static void find_neighbours(
	const struct stream_buffer *b, uint32_t from, uint32_t to, unsigned *first, unsigned *end)
{
	*first = 0;
	while (*first < b->range_count && b->ranges[*first].to < from)
		++*first;
	*end = *first;
	while (*end < b->range_count && b->ranges[*end].from <= to)
		++*end;
}

// Fills the holes of [from, from + len) between the neighbours, compares the rest. Returns how many octets were new.
static uint32_t fill(struct stream_buffer *b, uint32_t from, struct bytes octets, unsigned first,
	unsigned end, bool *differs)
{
	uint32_t to = from + (uint32_t)octets.len, at = from, fresh = 0;
	for (unsigned i = first; i <= end && at < to; i++) {
		uint32_t hole_end = i < end ? b->ranges[i].from : to; // at most `to`: it is a neighbour
		if (hole_end > at) {
			memcpy(b->octets + at, octets.at + (at - from), hole_end - at);
			fresh += hole_end - at;
			at = hole_end;
		}
		if (i == end || b->ranges[i].to <= at)
			continue;
		uint32_t known_end = b->ranges[i].to < to ? b->ranges[i].to : to;
		*differs |= memcmp(b->octets + at, octets.at + (at - from), known_end - at) != 0;
		at = known_end;
	}
	return fresh;
}

static void unite(struct stream_buffer *b, struct stream_range range, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		if (b->ranges[i].from < range.from)
			range.from = b->ranges[i].from;
		if (b->ranges[i].to > range.to)
			range.to = b->ranges[i].to;
	}
	memmove(&b->ranges[first + 1], &b->ranges[end], (b->range_count - end) * sizeof *b->ranges);
	b->ranges[first] = range;
	b->range_count = (uint16_t)(b->range_count - (end - first) + 1);
}

enum stream_put stream_buffer_put(
	struct stream_buffer *b, uint32_t at, struct bytes octets, bool *differs)
{
	unsigned first, end;
	uint32_t to = at + (uint32_t)octets.len;
	find_neighbours(b, at, to, &first, &end);
	// One is kept for the front, which the next segment in order may be.
	if (first == end && b->range_count == STREAMS_RANGES - (at > 0))
		return STREAM_PUT_NO_ROOM;
	uint32_t fresh = fill(b, at, octets, first, end, differs);
	if (fresh == 0)
		return STREAM_PUT_NOTHING_NEW;
	unite(b, (struct stream_range){at, to}, first, end);
	return STREAM_PUT_NEW;
}

void stream_buffer_shift(struct stream_buffer *b, uint32_t len)
{
	unsigned kept = 0;
	uint32_t end = 0;
	for (unsigned i = 0; i < b->range_count; i++) {
		struct stream_range r = b->ranges[i];
		end = r.to;
		if (r.to <= len)
			continue;
		b->ranges[kept++] =
			(struct stream_range){r.from > len ? r.from - len : 0, r.to - len};
	}
	b->range_count = (uint16_t)kept;
	if (end > len)
		memmove(b->octets, b->octets + len, end - len);
}
