// Reading back, in order, from what is on disk; what the buffer holds is written out when the reader has come to it.
//
// `unread` of each segment says how many of its records the reader has still to give. At the end of a segment what is then left
// of it did not open.
#include "spool_internal.h"

#include <errno.h>

enum { READ_TRIES = 3 }; // of one place that the disk does not give back

// ---- where the reader is

static struct segment *reader_segment(const struct spool *s)
{
	struct segment *segment = s->oldest;
	while (segment && segment->number < s->want)
		segment = segment->next;
	return segment;
}

// On to the segment `number`, or whichever comes next, from this record on.
static void reader_place(struct spool *s, uint64_t number, uint64_t offset, uint32_t record)
{
	if (s->reader.fd >= 0 && s->reader.cipher.number == number && offset) {
		walk_seek(&s->reader, offset, record);
	} else {
		walk_close(&s->reader);
	}
	s->want = number;
	s->start_offset = offset;
	s->start_record = record;
	s->read_errors = 0;
}

static void reader_leave(struct spool *s, const struct segment *segment)
{
	if (s->want <= segment->number)
		reader_place(s, segment->number + 1, 0, 0);
}

static void reader_to_end_of_writing(struct spool *s)
{
	reader_place(s, s->writing->number, s->writing->octets + spool_pending(s), s->next_record);
}

static int walk_into(struct spool *s, struct walk *w, const struct segment *segment)
{
	struct segment_cipher which = {segment->number, s->settings.did, NULL};
	enum header_state state = HEADER_DAMAGED;
	uint64_t octets;
	int result = walk_open(w, s->directory, &which, s->settings.kek, s->check, &state, &octets);
	if (result == 0 && !w->cipher.sealer)
		result = -EBADMSG;
	if (result == 0 && segment->number == s->want && s->start_offset)
		walk_seek(w, s->start_offset, s->start_record);
	return result;
}

static uint64_t reader_offset(const struct spool *s)
{
	if (s->reader.fd >= 0)
		return walk_offset(&s->reader);
	return s->start_offset ? s->start_offset : SEGMENT_HEADER_LEN;
}

// ---- what will not be read

static void take_off(struct spool *s, struct segment *segment, uint64_t count)
{
	segment->unread -= count;
	s->unread -= count;
}

void spool_forget_unread(struct spool *s, struct segment *segment, uint64_t count)
{
	take_off(s, segment, count);
	if (segment->unread == 0 && segment != s->writing)
		reader_leave(s, segment);
}

// The rest of the segment cannot be read. Whether there was anything in it that nobody was told of.
static bool settle(struct spool *s, struct segment *segment)
{
	uint64_t left = segment->unread;
	spool_forget_unread(s, segment, left);
	reader_leave(s, segment);
	if (left)
		spool_tell_lost(s, SPOOL_LOST_DAMAGED, NULL, left);
	return left != 0;
}

void spool_lose_unread(struct spool *s, struct segment *segment, enum spool_loss why)
{
	struct spool_record record;
	uint64_t damaged;
	struct walk *w = &s->survey;
	if (segment->number == s->want && s->reader.fd >= 0) {
		s->start_offset = walk_offset(&s->reader);
		s->start_record = s->reader.number;
	}
	if (segment->unread && walk_into(s, w, segment) == 0) {
		enum walk_result result;
		while (segment->unread &&
			(result = walk_next(w, segment->octets, &record, &damaged)) != WALK_END) {
			if (result == WALK_TORN || result == WALK_ERROR)
				break;
			if (result != WALK_PDU || record.index < s->passed)
				continue;
			take_off(s, segment, 1);
			if (record.index < s->released)
				continue;
			record.pdu = (struct bytes){0};
			spool_tell_lost(s, why, &record, 1);
		}
	}
	walk_close(w);
	settle(s, segment);
}

// `count` records did not open. Whether they are more than was known when the spool was opened.
static bool lose_damaged(struct spool *s, struct segment *segment, uint64_t count)
{
	uint64_t known = count < segment->damaged ? count : segment->damaged;
	segment->damaged -= known;
	count -= known;
	if (count > segment->unread)
		count = segment->unread;
	if (count == 0)
		return false;
	take_off(s, segment, count);
	spool_tell_lost(s, SPOOL_LOST_DAMAGED, NULL, count);
	return true;
}

// ---- reading

static int read_failed(struct spool *s, struct segment *segment, int code)
{
	if (++s->read_errors < READ_TRIES || segment == s->writing)
		return code;
	settle(s, segment); // what lies behind must not wait for a broken disk
	return -EBADMSG;
}

enum step { STEP_ON, STEP_RECORD, STEP_FAILED };

// One step of the reader in `segment`. STEP_FAILED: `*code` is what spool_read() returns.
static enum step reader_step(
	struct spool *s, struct segment *segment, struct spool_record *out, int *code)
{
	// Half a record may be with the kernel: its rest has to follow.
	if (segment == s->writing && spool_pending(s) && reader_offset(s) >= segment->octets) {
		*code = spool_write_out(s);
		return *code < 0 ? STEP_FAILED : STEP_ON;
	}
	if (s->reader.fd < 0) {
		int result = walk_into(s, &s->reader, segment);
		// It was whole when we found or made it.
		if (result == -EBADMSG || result == -ENOENT || result == -EINVAL) {
			*code = -EBADMSG;
			return settle(s, segment) ? STEP_FAILED : STEP_ON;
		}
		if (result < 0) {
			*code = read_failed(s, segment, result);
			return STEP_FAILED;
		}
	}
	uint64_t damaged;
	switch (walk_next(&s->reader, segment->octets, out, &damaged)) {
	case WALK_PDU:
		s->read_errors = 0;
		if (segment->unread == 0 || out->index < s->passed)
			return STEP_ON;
		take_off(s, segment, 1);
		if (out->index < s->released)
			return STEP_ON;
		s->read_below = out->index + 1;
		return STEP_RECORD;
	case WALK_RELEASED:
		return STEP_ON;
	case WALK_DAMAGED:
		*code = -EBADMSG;
		return lose_damaged(s, segment, damaged) ? STEP_FAILED : STEP_ON;
	case WALK_ERROR:
		*code = read_failed(s, segment, -EIO);
		return STEP_FAILED;
	case WALK_TORN:
	case WALK_END:
		break;
	}
	if (segment == s->writing && spool_pending(s)) {
		*code = spool_write_out(s);
		return *code < 0 ? STEP_FAILED : STEP_ON;
	}
	*code = -EBADMSG;
	if (segment == s->writing) { // the next record will be behind what did not open
		lose_damaged(s, segment, segment->unread);
		reader_to_end_of_writing(s);
		return STEP_FAILED;
	}
	return settle(s, segment) ? STEP_FAILED : STEP_ON;
}

int spool_read(struct spool *s, struct spool_record *out)
{
	struct spool_record record;
	while (s->unread) {
		struct segment *segment = reader_segment(s);
		if (!segment)
			return -ENOENT;
		if (segment->number != s->want)
			reader_place(s, segment->number, 0, 0);
		if (segment->unread == 0 && segment != s->writing) {
			reader_leave(s, segment);
			continue;
		}
		int code = 0;
		switch (reader_step(s, segment, &record, &code)) {
		case STEP_RECORD:
			*out = record;
			return 0;
		case STEP_FAILED:
			return code;
		case STEP_ON:
			break;
		}
	}
	return -ENOENT;
}

void spool_skip(struct spool *s)
{
	uint64_t of_writing = s->writing ? s->writing->unread : 0;
	if (s->unread > of_writing)
		for (struct segment *segment = s->oldest; segment; segment = segment->next)
			segment->unread = 0;
	if (s->writing) {
		s->writing->unread = 0;
		reader_to_end_of_writing(s);
	} else {
		reader_place(s, s->next_number, 0, 0);
	}
	s->unread = 0;
	s->read_below = s->next_index;
}

uint64_t spool_unread(const struct spool *s)
{
	return s->unread;
}

// ---- releasing what was not read

// Over the records below `released` of a segment that has others too. False: spool_read() has to see to what is there.
static bool pass_part(struct spool *s, struct segment *segment)
{
	struct spool_record record;
	uint64_t damaged;
	if (segment == s->writing && spool_write_out(s) < 0)
		return false;
	if (s->reader.fd < 0 && walk_into(s, &s->reader, segment) < 0)
		return false;
	for (;;) {
		uint64_t offset = walk_offset(&s->reader);
		uint32_t number = s->reader.number;
		enum walk_result result = walk_next(&s->reader, segment->octets, &record, &damaged);
		if (result == WALK_RELEASED)
			continue;
		if (result == WALK_PDU && record.index < s->released) {
			if (record.index >= s->passed && segment->unread)
				take_off(s, segment, 1);
			continue;
		}
		walk_seek(&s->reader, offset, number); // what it opened in the buffer is read again
		return result == WALK_PDU;
	}
}

// The reader must not give what was released meanwhile. Rare: who releases has mostly read before.
void spool_pass_released(struct spool *s)
{
	while (s->unread && s->read_below < s->released) {
		struct segment *segment = reader_segment(s);
		if (!segment || (segment->unread && segment->first_index >= s->released))
			break;
		if (segment->number != s->want)
			reader_place(s, segment->number, 0, 0);
		if (segment->unread && segment->last_index >= s->released) {
			if (!pass_part(s, segment))
				return;
			s->read_below = s->released;
			break;
		}
		take_off(s, segment, segment->unread);
		if (segment == s->writing) {
			reader_to_end_of_writing(s);
			break;
		}
		reader_leave(s, segment);
	}
	s->passed = s->released;
}
