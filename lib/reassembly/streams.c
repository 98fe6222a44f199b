#include "streams.h"

#include <errno.h>
#include <stdlib.h>

#include "digest_table.h"
#include "exact.h"
#include "stream_buffers.h"

enum {
	TICK_ENTRIES = 64,                // looked at by one streams_tick()
	FAR_BEHIND = 4 * STREAMS_WINDOW, // no repetition comes so late
};
static const uint32_t NONE = DIGEST_TABLE_NONE;

struct stream {
	struct digest name;
	uint32_t next;      // sequence number of the first octet that is not consumed: the front
	uint32_t first;     // of the first octet that the stream was picked up at
	uint32_t end;       // of FIN
	uint32_t elsewhere; // where a segment out of the window ended
	uint32_t skip;      // octets from the front on that go by: the rest of a message over the limit
	uint32_t seen;      // octets of the front that framing has looked at
	uint32_t needed;    // framing wants more octets than these
	uint32_t astray;    // octets skipped before the first message
	uint32_t missed_from, missed_to; // the gap that was given up last
	uint32_t buffer;    // what waits, or STREAM_BUFFER_NONE
	uint32_t mark;      // of the watcher
	uint64_t last_ns;   // last segment
	uint32_t gap_at;    // of the first octet that is missing
	uint64_t gap_ns;    // since when it is
	bool is_used, expected, anchored, in_sync, has_begun, let_go, has_end, has_elsewhere, has_gap;
	bool has_more; // messages may stand at the front: as many as one call may take were taken
};

// The call at hand: where messages go.
struct outlet {
	streams_sink *sink;
	void *context;
	bool is_patient; // it may take long
};

struct streams {
	struct streams_config config;
	struct streams_counters counters;
	struct hash_key key;
	framing_function *framing;
	struct bytes (*rest)(struct bytes front);
	streams_begins *begins;
	streams_ceases *ceases;
	void *watcher;
	struct digest_table table;
	struct stream *list; // by entry of the table
	struct stream_buffers buffers;
	uint32_t let_go; // entries that are
	uint32_t tick_at;
};

// --- messages out ----------------------------------------------------------------------------------------------

static void give(
	const struct outlet *out, struct bytes message, const struct packet *at, uint64_t time_ns)
{
	message = exact_open(message);
	out->sink(out->context, message, at, time_ns);
	exact_close(message);
}

// A message that begins at the front goes on no further than this.
static void give_cut(struct streams *s, const struct stream *stream, struct bytes front,
	const struct packet *at, uint64_t time_ns, const struct outlet *out)
{
	if (front.len == 0 || stream->skip || stream->let_go)
		return;
	struct bytes rest = s->rest(front);
	if (rest.len == 0)
		return;
	s->counters.messages_cut++;
	give(out, rest, at, time_ns);
}

// --- beginning and end -----------------------------------------------------------------------------------------

static void drop_buffer(struct streams *s, struct stream *stream)
{
	if (stream->buffer != STREAM_BUFFER_NONE)
		stream_buffer_release(&s->buffers, stream->buffer);
	stream->buffer = STREAM_BUFFER_NONE;
	stream->has_gap = false;
	stream->has_more = false;
}

static void cease(struct streams *s, struct stream *stream)
{
	if (s->ceases)
		s->ceases(s->watcher, &stream->name, stream->mark);
}

static struct bytes front_of(const struct streams *s, const struct stream *stream)
{
	if (stream->buffer == STREAM_BUFFER_NONE)
		return (struct bytes){NULL, 0};
	const struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
	return bytes_of(b->octets, stream_buffer_front(b));
}

// Moves the front over octets that were never seen.
static void pass_over(struct stream *stream, uint32_t octets)
{
	stream->next += octets;
	stream->seen = stream->needed = 0;
	if (stream->skip >= octets) { // they are in what goes by anyway
		stream->skip -= octets;
	} else {
		stream->skip = 0;
		stream->in_sync = false;
	}
}

// Notes a gap, counted from the front, that is given up.
static void note_missed(struct stream *stream, uint32_t from, uint32_t to)
{
	stream->missed_from = stream->next + from;
	stream->missed_to = stream->next + to;
}

static bool was_missed(const struct stream *stream, uint32_t sequence)
{
	return sequence - stream->missed_from < stream->missed_to - stream->missed_from;
}

static bool frame_buffer(struct streams *s, struct stream *stream, const struct outlet *out);

// Gives up the first missing segment: what it cuts is taken as far as it goes, and the stream goes on behind it. Not while
// there are more messages before it.
static void give_up_gap(struct streams *s, struct stream *stream, const struct outlet *out)
{
	struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
	struct bytes front = front_of(s, stream);
	give_cut(s, stream, front, &b->at, b->at_ns, out);
	uint32_t resume = b->ranges[front.len ? 1 : 0].from;
	s->counters.gaps++;
	s->counters.gap_octets += resume - (uint32_t)front.len;
	note_missed(stream, (uint32_t)front.len, resume);
	pass_over(stream, resume);
	stream_buffer_shift(b, resume);
	frame_buffer(s, stream, out);
}

static bool has_gap(const struct streams *s, const struct stream *stream)
{
	return stream->buffer != STREAM_BUFFER_NONE &&
	       stream_buffer_has_gap(stream_buffer_at(&s->buffers, stream->buffer));
}

// Takes what is left of a stream that ends, as far as one call may.
static void take_rest(struct streams *s, struct stream *stream, const struct outlet *out)
{
	if (stream->has_more)
		frame_buffer(s, stream, out);
	while (has_gap(s, stream) && !stream->has_more)
		give_up_gap(s, stream, out);
	if (stream->buffer == STREAM_BUFFER_NONE)
		return;
	const struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
	if (stream->has_more)
		s->counters.unread_octets += b->ranges[b->range_count - 1].to;
	else
		give_cut(s, stream, front_of(s, stream), &b->at, b->at_ns, out);
}

static void stream_close(
	struct streams *s, uint32_t entry, uint64_t *counter, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	if (stream->let_go) {
		s->let_go--;
	} else {
		take_rest(s, stream, out);
		if (stream->let_go) { // by what was left of it: counted there
			s->let_go--;
		} else {
			++*counter;
			cease(s, stream);
		}
	}
	drop_buffer(s, stream);
	stream->is_used = false;
	digest_table_remove(&s->table, entry);
}

static void let_go(struct streams *s, struct stream *stream, enum framing_reason reason)
{
	s->counters.let_go[reason]++;
	s->let_go++;
	stream->let_go = true;
	cease(s, stream);
}

static void stream_begin(struct streams *s, struct stream *stream, const struct packet *segment,
	bool expected, uint32_t sequence, bool anchored, bool in_sync)
{
	*stream = (struct stream){
		.name = stream->name,
		.next = sequence,
		.first = sequence,
		.buffer = STREAM_BUFFER_NONE,
		.is_used = true,
		.expected = expected,
		.anchored = anchored,
		.in_sync = in_sync,
	};
	stream->mark = s->begins ? s->begins(s->watcher, segment, expected) : 0;
	s->counters.opened++;
	s->counters.mid_stream += !anchored;
}

static uint32_t stream_open(struct streams *s, const struct digest *name,
	const struct packet *segment, bool expected, uint32_t sequence, bool anchored, bool in_sync,
	const struct outlet *out)
{
	if (s->table.count == s->table.capacity)
		stream_close(s, digest_table_oldest(&s->table), &s->counters.given_up, out);
	uint32_t entry = digest_table_add(&s->table, name);
	s->list[entry].name = *name;
	stream_begin(s, &s->list[entry], segment, expected, sequence, anchored, in_sync);
	return entry;
}

// --- framing -----------------------------------------------------------------------------------------------------

static void skip_some(struct streams *s, struct stream *stream, const struct framing *f)
{
	if (f->reason == FRAMING_KEEPALIVE) {
		s->counters.keepalive_octets += f->octets;
		return;
	}
	s->counters.resync_octets += f->octets;
	stream->in_sync = false;
	if (stream->has_begun)
		return;
	stream->astray += (uint32_t)f->octets;
	if (stream->astray > STREAMS_PATIENCE)
		let_go(s, stream, FRAMING_FOREIGN);
}

static void found_message(struct stream *stream, struct bytes message, const struct packet *at,
	uint64_t time_ns, uint64_t *counter, const struct outlet *out)
{
	++*counter;
	stream->in_sync = true;
	stream->has_begun = true;
	give(out, message, at, time_ns);
}

// Takes the messages at the front. Returns how many octets are done with.
static uint32_t frame(struct streams *s, struct stream *stream, struct bytes front,
	const struct packet *at, uint64_t time_ns, const struct outlet *out)
{
	size_t done = 0;
	const uint64_t before = s->counters.messages + s->counters.messages_too_long;
	stream->has_more = false;
	while (done < front.len && !stream->let_go) {
		uint64_t taken = s->counters.messages + s->counters.messages_too_long - before;
		if (taken == STREAMS_MESSAGES && !out->is_patient) {
			stream->has_more = true;
			break;
		}
		struct bytes rest = bytes_slice(front, done, SIZE_MAX);
		if (stream->skip) {
			uint32_t gone = stream->skip < rest.len ? stream->skip : (uint32_t)rest.len;
			stream->skip -= gone;
			done += gone;
			continue;
		}
		if (rest.len <= stream->needed)
			break;
		const struct framing_state state = {
			.seen = stream->seen,
			.in_sync = stream->in_sync,
			.expected = stream->expected,
			.has_begun = stream->has_begun,
			.max_message = s->config.max_message,
		};
		struct framing f = s->framing(rest, &state);
		if (f.verdict == FRAMING_MORE && f.octets < STREAMS_WINDOW) {
			stream->seen = (uint32_t)f.seen;
			stream->needed = (uint32_t)(f.octets > rest.len ? f.octets : rest.len);
			break;
		}
		stream->seen = stream->needed = 0;
		if (f.octets > rest.len || (f.octets == 0 && f.verdict != FRAMING_LET_GO))
			f = (struct framing){.verdict = FRAMING_LET_GO, .reason = FRAMING_FOREIGN}; // cannot be
		switch (f.verdict) {
		case FRAMING_MESSAGE:
			found_message(stream, bytes_slice(rest, 0, f.octets), at, time_ns,
				&s->counters.messages, out);
			break;
		case FRAMING_TOO_LONG:
			found_message(stream, bytes_slice(rest, 0, f.octets), at, time_ns,
				&s->counters.messages_too_long, out);
			stream->skip = f.whole - f.octets < UINT32_MAX
			                       ? (uint32_t)(f.whole - f.octets)
			                       : UINT32_MAX;
			break;
		case FRAMING_SKIP:
			skip_some(s, stream, &f);
			break;
		case FRAMING_MORE:
		case FRAMING_LET_GO:
			let_go(s, stream, f.reason);
			break;
		}
		done += f.octets;
	}
	return stream->let_go ? (uint32_t)front.len : (uint32_t)done;
}

// Takes the messages at the front of what waits. Returns whether something still waits.
static bool frame_buffer(struct streams *s, struct stream *stream, const struct outlet *out)
{
	struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
	// A sink may look at the packet, and nothing writes to it meanwhile.
	uint32_t done = frame(s, stream, front_of(s, stream), &b->at, b->at_ns, out);
	stream->next += done;
	if (done)
		stream_buffer_shift(b, done);
	if (b->range_count && !stream->let_go)
		return true;
	drop_buffer(s, stream);
	return false;
}

// --- what waits ----------------------------------------------------------------------------------------------------

// A buffer of this size; the oldest stream that holds one gives way.
static uint32_t take_buffer(
	struct streams *s, unsigned size_index, uint32_t entry, const struct outlet *out)
{
	uint32_t buffer = stream_buffer_take(&s->buffers, size_index, entry);
	if (buffer != STREAM_BUFFER_NONE)
		return buffer;
	uint32_t oldest = stream_buffer_oldest(&s->buffers, size_index);
	if (oldest == STREAM_BUFFER_NONE)
		return STREAM_BUFFER_NONE;
	stream_close(s, stream_buffer_at(&s->buffers, oldest)->owner, &s->counters.given_up, out);
	return stream_buffer_take(&s->buffers, size_index, entry);
}

// Makes sure that the stream has a buffer for so many octets.
static bool make_room(struct streams *s, uint32_t entry, size_t octets, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	if (stream->buffer != STREAM_BUFFER_NONE &&
		stream_buffer_at(&s->buffers, stream->buffer)->size >= octets)
		return true;
	uint32_t larger = take_buffer(s, stream_buffer_size_for(octets), entry, out);
	if (larger == STREAM_BUFFER_NONE)
		return false;
	if (stream->buffer != STREAM_BUFFER_NONE) {
		const struct stream_buffer *from = stream_buffer_at(&s->buffers, stream->buffer);
		struct stream_buffer *to = stream_buffer_at(&s->buffers, larger);
		to->range_count = from->range_count;
		memcpy(to->ranges, from->ranges, from->range_count * sizeof *from->ranges);
		memcpy(to->octets, from->octets, from->ranges[from->range_count - 1].to);
		// The segment that asks for room may not be kept, and then these stay what a message is said to come from.
		to->at = from->at;
		to->at_ns = from->at_ns;
		stream_buffer_release(&s->buffers, stream->buffer);
	}
	stream->buffer = larger;
	return true;
}

static void note_segment(
	struct streams *s, const struct stream *stream, const struct packet *segment, uint64_t time_ns)
{
	struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
	b->at = *segment;
	b->at.payload = (struct bytes){NULL, 0};
	b->at_ns = time_ns;
	stream_buffer_touch(&s->buffers, stream->buffer);
}

// Keeps what is left of a segment at the front of a stream where nothing waits. False: there is no room.
static bool keep_front(struct streams *s, uint32_t entry, struct bytes rest,
	const struct packet *segment, uint64_t time_ns, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	// As much as framing says it needs, so that it will not have to grow.
	size_t wanted = stream->needed + (size_t)1;
	bool differs = false;
	if (!make_room(s, entry, wanted > rest.len ? wanted : rest.len, out)) {
		pass_over(stream, (uint32_t)rest.len);
		return false;
	}
	note_segment(s, stream, segment, time_ns);
	stream_buffer_put(stream_buffer_at(&s->buffers, stream->buffer), 0, rest, &differs);
	return true;
}

// --- one segment ---------------------------------------------------------------------------------------------------

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

// Gives up all gaps, when nothing came for so long that each of them was waited for.
static void give_up_old_gaps(
	struct streams *s, struct stream *stream, uint64_t time_ns, const struct outlet *out)
{
	if (apart(time_ns, stream->last_ns) <= s->config.gap_timeout_ns)
		return;
	while (has_gap(s, stream) && !stream->has_more)
		give_up_gap(s, stream, out);
	stream->has_gap = has_gap(s, stream);
}

static void watch_gap(
	struct streams *s, struct stream *stream, uint64_t time_ns, const struct outlet *out)
{
	if (!has_gap(s, stream)) {
		stream->has_gap = false;
		return;
	}
	uint32_t gap_at = stream->next + (uint32_t)front_of(s, stream).len;
	if (!stream->has_gap || gap_at != stream->gap_at)
		stream->gap_ns = time_ns; // another one: the time of one that was filled is not its own
	stream->has_gap = true;
	stream->gap_at = gap_at;
	if (apart(time_ns, stream->gap_ns) <= s->config.gap_timeout_ns)
		return;
	give_up_gap(s, stream, out);
	stream->has_gap = has_gap(s, stream);
	stream->gap_at = stream->next + (uint32_t)front_of(s, stream).len;
	stream->gap_ns = time_ns;
}

// The first segment of a stream that was picked up at the second, or one of a gap that was given up: taken by itself, what
// begins in it as far as it goes.
static void take_earlier(struct streams *s, struct stream *stream, const struct packet *segment,
	bool starts, uint64_t time_ns, const struct outlet *out)
{
	struct stream earlier = *stream;
	earlier.in_sync = starts;
	earlier.skip = earlier.seen = earlier.needed = 0;
	earlier.has_begun = true; // so that it is not let go
	uint32_t done = frame(s, &earlier, segment->payload, segment, time_ns, out);
	struct bytes rest = bytes_slice(segment->payload, done, SIZE_MAX);
	if (earlier.has_more)
		s->counters.unread_octets += rest.len;
	else
		give_cut(s, &earlier, rest, segment, time_ns, out);
	// What lies between may still come. What does not join is taken once more if it comes once more: better than never.
	if (!stream->anchored &&
		segment->tcp.sequence + (uint32_t)segment->payload.len == stream->first)
		stream->first = segment->tcp.sequence;
	s->counters.out_of_order++;
}

// Octets at the front of a stream in which nothing waits: looked at where they are.
static void take_in_order(struct streams *s, uint32_t entry, struct bytes octets,
	const struct packet *segment, uint64_t time_ns, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	uint32_t done = frame(s, stream, octets, segment, time_ns, out);
	stream->next += done;
	bool kept = done == octets.len ||
	            keep_front(s, entry, bytes_slice(octets, done, SIZE_MAX), segment, time_ns, out);
	s->counters.in_order += kept;
	s->counters.no_memory += !kept;
}

// Where octets lie: so many behind the front.
static int64_t offset_of(const struct stream *stream, uint32_t sequence)
{
	return (int32_t)(sequence - stream->next);
}

enum place {
	PLACE_NEAR,
	PLACE_ELSEWHERE, // nowhere near the stream: not believed
	PLACE_ANEW,      // nowhere near, but it begins a message or follows another one that was not believed
};

static enum place place_of(
	struct stream *stream, uint32_t sequence, size_t len, bool starts)
{
	int64_t offset = offset_of(stream, sequence);
	if (offset + (int64_t)len >= -(int64_t)FAR_BEHIND && offset <= STREAMS_WINDOW)
		return PLACE_NEAR;
	if (starts || (stream->has_elsewhere && stream->elsewhere == sequence))
		return PLACE_ANEW;
	stream->has_elsewhere = true;
	stream->elsewhere = sequence + (uint32_t)len;
	return PLACE_ELSEWHERE;
}

// Octets behind the front, not all of which are consumed.
struct piece {
	uint32_t offset;
	struct bytes octets;
};

static struct piece piece_of(const struct stream *stream, uint32_t sequence, struct bytes octets)
{
	int64_t offset = offset_of(stream, sequence);
	if (offset >= 0)
		return (struct piece){(uint32_t)offset, octets};
	return (struct piece){0, bytes_slice(octets, (size_t)-offset, SIZE_MAX)};
}

// Kept with the others that wait.
static void take_with_others(struct streams *s, uint32_t entry, const struct piece *piece,
	const struct packet *segment, uint64_t time_ns, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	uint32_t offset = piece->offset;
	struct bytes octets = piece->octets;
	bool differs = false;
	if (!make_room(s, entry, offset + octets.len, out)) {
		s->counters.no_memory++;
		return;
	}
	struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
	uint32_t front = stream_buffer_front(b);
	enum stream_put put = stream_buffer_put(b, offset, octets, &differs);
	s->counters.overlap_differs += differs;
	if (put != STREAM_PUT_NEW) {
		s->counters.no_memory += put == STREAM_PUT_NO_ROOM;
		s->counters.repeated += put == STREAM_PUT_NOTHING_NEW;
	} else {
		s->counters.in_order += offset <= front;
		s->counters.out_of_order += offset > front;
		note_segment(s, stream, segment, time_ns);
	}
	if (stream_buffer_front(b) > front || stream->has_more)
		frame_buffer(s, stream, out);
}

// Gives up what keeps a piece from the window, however much that is.
static void make_window(struct streams *s, struct stream *stream, const struct piece *piece,
	const struct outlet *out)
{
	if (has_gap(s, stream)) {
		give_up_gap(s, stream, out);
		return;
	}
	take_rest(s, stream, out);
	uint32_t front = (uint32_t)front_of(s, stream).len;
	drop_buffer(s, stream);
	s->counters.gaps++;
	if (piece->offset > front) {
		s->counters.gap_octets += piece->offset - front;
		note_missed(stream, front, piece->offset);
	}
	pass_over(stream, piece->offset);
}

// A segment that begins a message ends the search for one, even behind octets that end no line.
static void begin_here(struct streams *s, struct stream *stream, uint32_t front)
{
	s->counters.resync_octets += front;
	stream->next += front;
	stream->seen = stream->needed = 0;
	stream->in_sync = true;
	if (front) {
		struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
		stream_buffer_shift(b, front);
		if (b->range_count == 0)
			drop_buffer(s, stream);
	}
}

static void take_data(struct streams *s, uint32_t entry, const struct packet *segment,
	uint32_t sequence, bool starts, uint64_t time_ns, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	bool is_before_first = !stream->anchored && (int32_t)(sequence - stream->first) < 0;
	struct piece piece = piece_of(stream, sequence, segment->payload);
	// At most as often as there are holes, and once more.
	while (piece.offset + piece.octets.len > STREAMS_WINDOW && !stream->let_go &&
		!stream->has_more) {
		make_window(s, stream, &piece, out);
		piece = piece_of(stream, sequence, segment->payload);
	}
	if (piece.offset + piece.octets.len > STREAMS_WINDOW && stream->has_more) {
		s->counters.no_memory++; // for as long as there is so much to take before it
		return;
	}
	struct bytes front = front_of(s, stream);
	// A message that was found at the front already may hold what looks like another.
	if (starts && !stream->let_go && !stream->in_sync && !stream->skip && !stream->has_more &&
		offset_of(stream, sequence) == (int64_t)front.len && s->rest(front).len == 0) {
		begin_here(s, stream, (uint32_t)front.len);
		piece = piece_of(stream, sequence, segment->payload);
	}
	if (stream->let_go || piece.octets.len == 0) {
		// One forged segment far ahead makes a gap of all that comes next: what begins a message there is no repetition.
		bool is_late = is_before_first ? starts || stream->expected
		                               : starts && was_missed(stream, sequence);
		if (is_late && !stream->let_go)
			take_earlier(s, stream, segment, starts, time_ns, out);
		else
			s->counters.repeated++;
	} else if (piece.offset == 0 && stream->buffer == STREAM_BUFFER_NONE) {
		take_in_order(s, entry, piece.octets, segment, time_ns, out);
	} else {
		take_with_others(s, entry, &piece, segment, time_ns, out);
	}
}

// A FIN before the front is of another connection: with what came, the stream would have ended.
static void note_end(struct stream *stream, uint32_t end)
{
	int64_t offset = offset_of(stream, end);
	if (stream->has_end || offset < 0 || offset > STREAMS_WINDOW)
		return;
	stream->has_end = true;
	stream->end = end;
}

// Ends a stream of which all before its FIN is there, or given up.
static void close_at_end(struct streams *s, uint32_t entry, const struct outlet *out)
{
	const struct stream *stream = &s->list[entry];
	uint32_t there = stream->next + (uint32_t)front_of(s, stream).len;
	if (stream->has_end && !stream->let_go && !stream->has_more && (int32_t)(there - stream->end) >= 0)
		stream_close(s, entry, &s->counters.ended, out);
}

// Whether this is the next octet, of all that came or of what came without a hole: nowhere else does a peer believe a RST
// (RFC 5961 section 3.2).
static bool is_where_it_stands(
	const struct streams *s, const struct stream *stream, uint32_t sequence)
{
	if (sequence == stream->next + (uint32_t)front_of(s, stream).len)
		return true;
	if (stream->buffer == STREAM_BUFFER_NONE)
		return false;
	const struct stream_buffer *b = stream_buffer_at(&s->buffers, stream->buffer);
	return sequence == stream->next + b->ranges[b->range_count - 1].to;
}

// The part of streams_take() for a stream that is there. `sequence`: of the first octet of data.
static void take_segment(struct streams *s, uint32_t entry, const struct packet *segment,
	uint32_t sequence, bool starts, uint64_t time_ns, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	size_t len = segment->payload.len;
	int64_t offset = offset_of(stream, sequence);
	stream->last_ns = time_ns;
	if (stream->next - stream->first > STREAMS_WINDOW)
		stream->anchored = true; // nothing from before it comes so late, and numbers will wrap
	if (segment->tcp.flags & TCP_RST) {
		bool believed = is_where_it_stands(s, stream, sequence);
		s->counters.in_order += believed;
		s->counters.out_of_window += !believed;
		if (believed)
			stream_close(s, entry, &s->counters.ended, out);
		return;
	}
	if (len == 0) {
		s->counters.in_order += offset == 0;
		s->counters.repeated += offset < 0;
		s->counters.out_of_order += offset > 0;
	} else {
		if ((int32_t)(sequence + (uint32_t)len - stream->end) > 0)
			stream->has_end = false; // that FIN was forged: its peer sends on
		take_data(s, entry, segment, sequence, starts, time_ns, out);
		stream->has_elsewhere = false;
	}
	if (segment->tcp.flags & TCP_FIN)
		note_end(stream, sequence + (uint32_t)len);
	if (stream->let_go) {
		drop_buffer(s, stream);
		return;
	}
	watch_gap(s, stream, time_ns, out);
	close_at_end(s, entry, out);
}

static void take_of_let_go(struct streams *s, uint32_t entry, const struct packet *segment,
	uint32_t sequence, bool expected, bool starts, uint64_t time_ns, const struct outlet *out)
{
	struct stream *stream = &s->list[entry];
	if (starts) {
		s->let_go--;
		stream_begin(s, stream, segment, expected, sequence, false, true);
		take_segment(s, entry, segment, sequence, starts, time_ns, out);
		return;
	}
	s->counters.not_followed++;
	stream->last_ns = time_ns;
	if (segment->tcp.flags & (TCP_RST | TCP_FIN))
		stream_close(s, entry, NULL, out); // it was counted when it was let go
}

// What is known of a segment before its stream is.
struct arrival {
	const struct packet *segment;
	uint32_t sequence; // of the first octet of data
	bool expected, starts, has_data;
	uint64_t time_ns;
};

// Whether a SYN is that of the stream: once more, or after segments that it went before. Any other begins another connection.
static bool is_own_syn(const struct stream *stream, uint32_t sequence)
{
	uint32_t before_first = stream->first - sequence;
	return before_first == 0 || (!stream->anchored && before_first <= STREAMS_WINDOW);
}

// The stream that a segment is of, as far as it goes on with it: a new connection under the old name ends it.
static uint32_t find_stream(struct streams *s, const struct digest *name,
	const struct arrival *a, enum place *place, const struct outlet *out)
{
	uint32_t entry = digest_table_find(&s->table, name);
	*place = PLACE_NEAR;
	if (entry == NONE)
		return NONE;
	struct stream *stream = &s->list[entry];
	if (apart(a->time_ns, stream->last_ns) > s->config.idle_ns) {
		stream_close(s, entry, &s->counters.idle, out);
		return NONE;
	}
	if (a->segment->tcp.flags & TCP_SYN && !is_own_syn(stream, a->sequence)) {
		stream_close(s, entry, &s->counters.ended, out);
		return NONE;
	}
	if (stream->let_go || !a->has_data)
		return entry;
	*place = place_of(stream, a->sequence, a->segment->payload.len, a->starts);
	if (*place != PLACE_ANEW)
		return entry;
	stream_close(s, entry, &s->counters.ended, out);
	return NONE;
}

void streams_take(struct streams *s, const struct packet *segment, bool expected, bool starts,
	uint64_t time_ns, streams_sink *sink, void *context)
{
	const struct outlet out = {sink, context, false};
	const bool syn = segment->tcp.flags & TCP_SYN;
	const struct arrival a = {segment, segment->tcp.sequence + syn, expected, starts,
		segment->payload.len && !(segment->tcp.flags & TCP_RST), time_ns};
	struct digest name = streams_name(&s->key, segment);
	enum place place;
	uint32_t entry = find_stream(s, &name, &a, &place, &out);
	s->counters.segments++;
	s->counters.urgent += segment->tcp.flags & TCP_URG && a.has_data;
	if (place == PLACE_ELSEWHERE) {
		s->counters.out_of_window++;
		return;
	}
	if (entry == NONE) {
		bool begins = expected ? syn || a.has_data : starts || place == PLACE_ANEW;
		if (!begins) {
			s->counters.not_followed++;
			return;
		}
		entry = stream_open(
			s, &name, segment, expected, a.sequence, syn, syn || starts, &out);
	}
	digest_table_touch(&s->table, entry);
	if (s->list[entry].let_go)
		take_of_let_go(s, entry, segment, a.sequence, expected, starts, time_ns, &out);
	else
		take_segment(s, entry, segment, a.sequence, starts, time_ns, &out);
}

// --- time passes -----------------------------------------------------------------------------------------------------

void streams_tick(struct streams *s, uint64_t time_ns, streams_sink *sink, void *context)
{
	const struct outlet out = {sink, context, false};
	for (unsigned i = 0; i < TICK_ENTRIES && i < s->table.capacity; i++) {
		uint32_t entry = s->tick_at;
		s->tick_at = entry + 1 < s->table.capacity ? entry + 1 : 0;
		struct stream *stream = &s->list[entry];
		if (!stream->is_used)
			continue;
		if (apart(time_ns, stream->last_ns) > s->config.idle_ns) {
			stream_close(s, entry, &s->counters.idle, &out);
			continue;
		}
		if (stream->has_more) {
			frame_buffer(s, stream, &out);
			close_at_end(s, entry, &out);
			return;
		}
		if (stream->has_gap) {
			uint64_t gaps = s->counters.gaps;
			give_up_old_gaps(s, stream, time_ns, &out);
			watch_gap(s, stream, time_ns, &out);
			close_at_end(s, entry, &out);
			if (s->counters.gaps != gaps)
				return; // a whole window of messages may have waited behind it: the others have time
		}
	}
}

void streams_flush(struct streams *s, streams_sink *sink, void *context)
{
	const struct outlet out = {sink, context, true};
	while (digest_table_oldest(&s->table) != NONE)
		stream_close(s, digest_table_oldest(&s->table), &s->counters.ended, &out);
}

// --- names and life ------------------------------------------------------------------------------------------------

struct digest streams_name(const struct hash_key *key, const struct packet *segment)
{
	uint8_t octets[64];
	struct writer w = writer_of(octets, sizeof octets);
	const struct flow *flow = &segment->flow;
	size_t len = flow->source.family == 4 ? 4 : 16;
	write_be64(&w, segment->outer.scope);
	write_bytes(&w, bytes_of(flow->source.octets, len));
	write_bytes(&w, bytes_of(flow->destination.octets, len));
	write_be16(&w, flow->source_port);
	write_be16(&w, flow->destination_port);
	return siphash128(key, writer_bytes(&w));
}

bool streams_follow(const struct streams *s, const struct digest *name)
{
	uint32_t entry = digest_table_find(&s->table, name);
	return entry != NONE && !s->list[entry].let_go;
}

void streams_watch(
	struct streams *s, streams_begins *begins, streams_ceases *ceases, void *context)
{
	s->begins = begins;
	s->ceases = ceases;
	s->watcher = context;
}

const struct streams_counters *streams_counters(const struct streams *s)
{
	return &s->counters;
}

uint32_t streams_followed(const struct streams *s)
{
	return s->table.count - s->let_go;
}

struct streams *streams_new(const struct streams_config *config, const struct hash_key *key,
	framing_function *framing, struct bytes (*rest)(struct bytes front))
{
	struct streams *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->config = *config;
	s->key = *key;
	s->framing = framing;
	s->rest = rest;
	int result = digest_table_init(&s->table, config->max_streams);
	if (result == 0)
		result = stream_buffers_init(&s->buffers, config->memory);
	if (result == 0) {
		s->list = calloc(config->max_streams, sizeof *s->list);
		result = s->list ? 0 : -ENOMEM;
	}
	if (result == 0)
		return s;
	streams_free(s);
	errno = -result;
	return NULL;
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	digest_table_fini(&s->table);
	stream_buffers_fini(&s->buffers);
	free(s->list);
	explicit_bzero(s, sizeof *s);
	free(s);
}
