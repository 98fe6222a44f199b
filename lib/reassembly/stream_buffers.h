// What waits in TCP streams: octets from the front of a stream on, with holes. Inside lib/reassembly.
//
// Buffers come in a few sizes, from memory taken once and split evenly among them. One thread.
#ifndef X2TAP_STREAM_BUFFERS_H
#define X2TAP_STREAM_BUFFERS_H

#include "packet.h"
#include "streams.h"

enum { STREAM_BUFFER_SIZES = 4 };
static const uint32_t STREAM_BUFFER_NONE = UINT32_MAX;

// Octets that are there: from `from` up to before `to`, counted from the front.
struct stream_range {
	uint32_t from, to;
};

struct stream_buffer {
	uint32_t owner; // what the caller wants: the stream
	uint16_t range_count;
	uint8_t size_index;
	struct stream_range ranges[STREAMS_RANGES]; // in order, apart from each other
	struct packet at;                           // the segment that came last, and when
	uint64_t at_ns;
	uint32_t older, newer, next_free; // of the same size
	uint32_t size;
	uint8_t *octets; // `size` of them
};

struct stream_buffers {
	void *memory;
	size_t memory_size;
	struct stream_buffer *list;
	uint32_t count;
	struct stream_buffer_size {
		uint32_t free, oldest, newest;
	} sizes[STREAM_BUFFER_SIZES];
};

int stream_buffers_init(struct stream_buffers *b, size_t memory); // -ENOMEM, -EINVAL: too little
void stream_buffers_fini(struct stream_buffers *b);

// The size for so many octets, at most STREAMS_WINDOW.
unsigned stream_buffer_size_for(size_t octets);
// An empty buffer, the newest of its size; STREAM_BUFFER_NONE when there is none: release the oldest.
uint32_t stream_buffer_take(struct stream_buffers *b, unsigned size_index, uint32_t owner);
void stream_buffer_release(struct stream_buffers *b, uint32_t buffer);
uint32_t stream_buffer_oldest(const struct stream_buffers *b, unsigned size_index);
void stream_buffer_touch(struct stream_buffers *b, uint32_t buffer); // makes it the newest

static inline struct stream_buffer *stream_buffer_at(const struct stream_buffers *b, uint32_t buffer)
{
	return &b->list[buffer];
}

// How many octets stand at the front without a hole.
static inline uint32_t stream_buffer_front(const struct stream_buffer *buffer)
{
	return buffer->range_count && buffer->ranges[0].from == 0 ? buffer->ranges[0].to : 0;
}

// Whether something waits behind a hole.
static inline bool stream_buffer_has_gap(const struct stream_buffer *buffer)
{
	return buffer->range_count > (stream_buffer_front(buffer) ? 1 : 0);
}

enum stream_put { STREAM_PUT_NEW, STREAM_PUT_NOTHING_NEW, STREAM_PUT_NO_ROOM };
// Puts octets in at `at`, which must fit. Those that are there already stay; `*differs` when they are others.
enum stream_put stream_buffer_put(
	struct stream_buffer *buffer, uint32_t at, struct bytes octets, bool *differs);
// Takes `len` octets off the front, holes among them.
void stream_buffer_shift(struct stream_buffer *buffer, uint32_t len);

#endif
