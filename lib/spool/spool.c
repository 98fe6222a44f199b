// Writing, releasing, limits. The octets of a segment stand at the top of spool_format.c.
//
// What is sealed stays in the buffer as it is until the kernel has taken it, and goes to the offset where it belongs: a write
// that failed or was cut short goes on there, whatever of it reached the disk, and no nonce is used for two contents. The
// buffer holds octets of one segment alone; it is empty before the next one begins.
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	BUFFER_ROOM = 4 * RECORD_MAX_LEN,
	IDLE_MS =
		60000, // a segment in which all is released is closed, and so erased, after this without a new record
	AGE_PARTS =
		8, // a segment is closed when its oldest record is as old as this part of the age limit
	WAY_STEPS = 4,   // segments that give way in one call: each is read to name what is lost
	STEP_MS = 60000, // CLOCK_REALTIME was set if the clocks differ by so much more or less
	SETTLED_MS = 600000,
	WITH_US = O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
};

void spool_tell_segment(struct spool *s, enum spool_event what, uint64_t number, uint64_t records)
{
	if (s->watch.segment)
		s->watch.segment(s->watch.context, what, number, records);
}

void spool_tell_lost(
	struct spool *s, enum spool_loss why, const struct spool_record *record, uint64_t count)
{
	if (s->watch.lost)
		s->watch.lost(s->watch.context, why, record, count);
}

// ---- a spool's memory

struct spool *spool_new(const struct spool_settings *settings, const struct spool_watch *watch,
	const struct spool_io *io)
{
	struct spool *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->settings = *settings;
	if (watch)
		s->watch = *watch;
	s->io = io;
	s->directory = s->fd = -1;
	s->reader.fd = s->survey.fd = -1;
	s->buffer = malloc(BUFFER_ROOM);
	if (!s->buffer || walk_init(&s->reader, io) < 0 || walk_init(&s->survey, io) < 0) {
		spool_free(s);
		return NULL;
	}
	return s;
}

void spool_free(struct spool *s)
{
	while (s->oldest) {
		struct segment *next = s->oldest->next;
		free(s->oldest);
		s->oldest = next;
	}
	while (s->apart) {
		struct apart *next = s->apart->next;
		free(s->apart);
		s->apart = next;
	}
	walk_fini(&s->reader);
	walk_fini(&s->survey);
	vault_sealer_free(s->cipher.sealer);
	if (s->buffer)
		explicit_bzero(s->buffer, s->fill > s->used ? s->fill : s->used);
	free(s->buffer);
	if (s->fd >= 0)
		close(s->fd);
	if (s->directory >= 0)
		close(s->directory); // and with it the lock
	free(s);
}

// ---- erasing

// The oldest segment, which nobody writes or reads.
static int erase_oldest(struct spool *s)
{
	struct segment *segment = s->oldest;
	char name[NAME_ROOM];
	segment_name(segment->number, name);
	int result = segment_file_erase(s->io, s->directory, name);
	if (result < 0)
		return result; // tried again at the next tick
	s->oldest = segment->next;
	if (!s->oldest)
		s->newest = NULL;
	s->octets -= segment->octets;
	s->segments--;
	spool_tell_segment(s, SPOOL_SEGMENT_ERASED, segment->number, segment->records);
	free(segment);
	return 0;
}

static bool is_released(const struct spool *s, const struct segment *segment)
{
	return segment->records == 0 || segment->last_index < s->released;
}

void spool_erase_released(struct spool *s)
{
	while (s->oldest && s->oldest != s->writing && is_released(s, s->oldest)) {
		spool_forget_unread(s, s->oldest, s->oldest->unread);
		if (erase_oldest(s) < 0)
			return;
	}
}

// ---- the segment being written

static void close_writing(struct spool *s)
{
	close(s->fd);
	s->fd = -1;
	vault_sealer_free(s->cipher.sealer);
	s->cipher.sealer = NULL;
	s->writing = NULL;
	spool_erase_released(s);
}

int spool_write_out(struct spool *s)
{
	while (spool_pending(s)) {
		ssize_t n = s->io->pwrite(
			s->fd, s->buffer + s->sent, spool_pending(s), (off_t)s->writing->octets);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->stuck = true;
			return n < 0 ? -errno : -EIO;
		}
		s->sent += (size_t)n;
		s->writing->octets += (size_t)n;
		s->octets += (size_t)n;
	}
	if (s->fill > s->used)
		s->used = s->fill;
	s->sent = s->fill = 0;
	s->stuck = false;
	s->flushed_below = s->next_index;
	return 0;
}

static int write_out_and_close(struct spool *s)
{
	int result = spool_write_out(s);
	if (result == 0)
		close_writing(s);
	return result;
}

// No later segment may have the number, even if this one never comes to be.
static int move_marker(struct spool *s, uint64_t number)
{
	char from[NAME_ROOM], to[NAME_ROOM];
	if (s->marker >= number)
		return 0;
	marker_name(s->marker, from);
	marker_name(number, to);
	if (s->marker == 0 || s->io->renameat(s->directory, from, s->directory, to)) {
		int fd = s->io->openat(s->directory, to, O_WRONLY | O_CREAT | WITH_US, 0600);
		if (fd < 0)
			return -errno;
		close(fd);
	}
	s->marker = number;
	return 0;
}

static int begin_segment(struct spool *s)
{
	char name[NAME_ROOM];
	int result = move_marker(s, s->next_number + 1);
	if (result < 0)
		return result;
	struct segment *segment = calloc(1, sizeof *segment);
	struct segment_cipher cipher = {s->next_number, s->settings.did, NULL};
	result = segment ? segment_header_make(&cipher, s->settings.kek, s->check, s->buffer)
	                 : -ENOMEM;
	if (result < 0)
		goto free_segment;
	segment_name(s->next_number, name);
	int fd = s->io->openat(s->directory, name, O_RDWR | O_CREAT | O_EXCL | WITH_US, 0600);
	if (fd < 0) {
		result = -errno;
		if (result ==
			-EEXIST) // somebody else's: not touched, and passed over at the next call
			s->next_number++;
		goto free_sealer;
	}
	s->fd = fd;
	s->cipher = cipher;
	s->next_record = 0;
	s->fill = SEGMENT_HEADER_LEN;
	segment->number = s->next_number++;
	segment->ours = true;
	if (s->newest)
		s->newest->next = segment;
	else
		s->oldest = segment;
	s->newest = s->writing = segment;
	s->segments++;
	s->idle_since_ms = 0;
	spool_tell_segment(s, SPOOL_SEGMENT_OPENED, segment->number, 0);
	return 0;

free_sealer:
	vault_sealer_free(cipher.sealer);
free_segment:
	free(segment);
	return result;
}

// Makes room for `len` octets more in the segment being written, which may be a new one.
static int reserve(struct spool *s, size_t len)
{
	int result = 0;
	if (s->writing && (s->writing->octets + spool_pending(s) >= s->settings.segment_octets ||
				  s->next_record == UINT32_MAX))
		result = write_out_and_close(s);
	if (result == 0 && s->writing && BUFFER_ROOM - s->fill < len)
		result = spool_write_out(s);
	if (result == 0 && !s->writing)
		result = begin_segment(s);
	return result;
}

// ---- limits

static int drop_apart(struct spool *s)
{
	struct apart *apart = s->apart;
	char name[NAME_ROOM];
	apart_name(apart->number, name);
	int result = segment_file_erase(s->io, s->directory, name);
	if (result < 0)
		return result;
	s->apart = apart->next;
	s->octets -= apart->octets;
	spool_tell_segment(s, SPOOL_SEGMENT_ERASED, apart->number, 0);
	free(apart);
	return 0;
}

static int drop_oldest(struct spool *s, enum spool_loss why)
{
	if (s->oldest == s->writing) {
		uint64_t number = s->oldest->number;
		int result = write_out_and_close(s);
		if (result < 0)
			return result;
		if (!s->oldest || s->oldest->number != number)
			return 0; // all of it was released
	}
	spool_lose_unread(s, s->oldest, why);
	return erase_oldest(s);
}

// What does not open gives way first: it cannot be delivered. A limit that has become much lower is reached call by call.
static int make_way(struct spool *s, size_t len)
{
	for (int i = 0; i < WAY_STEPS; i++) {
		int result;
		if (s->octets + spool_pending(s) + len <= s->settings.max_octets)
			return 0;
		if (s->apart)
			result = drop_apart(s);
		else if (s->oldest && (s->oldest != s->writing || s->oldest->records))
			result = drop_oldest(s, SPOOL_LOST_SIZE);
		else
			return 0;
		if (result < 0)
			return result;
	}
	return 0;
}

static bool is_past(uint64_t since_ms, uint64_t limit_ms, uint64_t now_ms)
{
	return now_ms >= since_ms && now_ms - since_ms >= limit_ms;
}

// Before the first tick the monotonic clock was not known.
static void begin_clocks(struct spool *s, uint64_t monotonic_ms)
{
	s->ticked = true;
	s->settled_ms = monotonic_ms;
	for (struct segment *segment = s->oldest; segment; segment = segment->next)
		segment->begun_ms = segment->grown_ms = monotonic_ms;
}

static void note_clocks(struct spool *s, uint64_t now_ms, uint64_t monotonic_ms)
{
	uint64_t offset = now_ms - monotonic_ms;
	uint64_t forward = offset - s->offset_ms, back = s->offset_ms - offset;
	if (!s->ticked) {
		begin_clocks(s, monotonic_ms);
	} else if (forward <= INT64_MAX && forward > STEP_MS) {
		s->ahead_ms += forward;
		s->settled_ms = monotonic_ms;
	} else if (back <= INT64_MAX && back > STEP_MS) {
		s->ahead_ms -= back < s->ahead_ms ? back : s->ahead_ms;
		s->settled_ms = monotonic_ms;
	}
	s->offset_ms = offset;
	s->monotonic_ms = monotonic_ms;
}

// Of an earlier run: `since_ms` is by CLOCK_REALTIME.
static bool was_too_old(const struct spool *s, uint64_t since_ms, uint64_t now_ms)
{
	return is_past(s->settled_ms, SETTLED_MS, s->monotonic_ms) && now_ms >= s->ahead_ms &&
	       is_past(since_ms, s->settings.max_age_ms, now_ms - s->ahead_ms);
}

static bool is_too_old(const struct spool *s, const struct segment *segment, uint64_t now_ms)
{
	if (segment->records == 0)
		return false;
	if (segment->ours)
		return is_past(segment->grown_ms, s->settings.max_age_ms, s->monotonic_ms);
	return was_too_old(s, segment->newest_ms, now_ms);
}

static void drop_aged(struct spool *s, uint64_t now_ms)
{
	while (s->apart && was_too_old(s, s->apart->changed_ms, now_ms))
		if (drop_apart(s) < 0)
			break;
	for (int i = 0; i < WAY_STEPS && s->oldest && is_too_old(s, s->oldest, now_ms); i++) {
		if (drop_oldest(s, SPOOL_LOST_AGE) < 0)
			break;
		spool_erase_released(s);
	}
	if (s->writing && s->writing->records &&
		is_past(s->writing->begun_ms, s->settings.max_age_ms / AGE_PARTS, s->monotonic_ms))
		write_out_and_close(s);
}

static void close_idle(struct spool *s)
{
	uint64_t now_ms = s->monotonic_ms;
	if (!s->writing || !is_released(s, s->writing) || s->idle_since_ms == 0 ||
		s->idle_records != s->writing->records || now_ms < s->idle_since_ms) {
		s->idle_since_ms = now_ms;
		s->idle_records = s->writing ? s->writing->records : 0;
		return;
	}
	// Marks in it may be about older segments, so it is the last to go.
	if (s->writing == s->oldest && is_past(s->idle_since_ms, IDLE_MS, now_ms))
		write_out_and_close(s);
}

void spool_set_limits(struct spool *s, const struct spool_settings *settings)
{
	s->settings.max_octets = settings->max_octets;
	s->settings.segment_octets = settings->segment_octets;
	s->settings.max_age_ms = settings->max_age_ms;
}

void spool_tick(struct spool *s, uint64_t now_ms, uint64_t monotonic_ms)
{
	note_clocks(s, now_ms, monotonic_ms);
	spool_erase_released(s);
	if (s->settings.max_age_ms)
		drop_aged(s, now_ms);
	make_way(s, 0);
	close_idle(s);
}

// ---- appending

static void count_record(struct spool *s, const struct spool_record *record)
{
	struct segment *segment = s->writing;
	if (segment->records == 0) {
		segment->first_index = record->index;
		segment->begun_ms = s->monotonic_ms;
	}
	segment->grown_ms = s->monotonic_ms;
	segment->last_index = record->index;
	segment->records++;
	segment->unread++;
	s->unread++;
	s->next_record++;
	s->next_index = record->index + 1;
}

int spool_append(struct spool *s, const struct spool_record *record)
{
	size_t len = RECORD_HEADER_LEN + RECORD_FIELDS_LEN + record->pdu.len + VAULT_TAG_LEN;
	if (record->pdu.len > SPOOL_MAX_PDU)
		return -EMSGSIZE;
	if (record->index < s->next_index || record->index == UINT64_MAX)
		return -EINVAL;
	int result = make_way(s, len + (s->writing ? 0 : SEGMENT_HEADER_LEN));
	if (result == 0)
		result = reserve(s, len);
	if (result < 0)
		return result;

	struct writer w = {s->buffer, BUFFER_ROOM, s->fill, false};
	result = record_seal_pdu(&s->cipher, s->next_record, record, &w);
	if (result < 0)
		return result;
	s->fill = w.len;
	count_record(s, record);
	return 0;
}

// Whether a restart would send again what is done with.
static bool mark_is_due(const struct spool *s)
{
	if (s->stuck || s->released <= s->noted)
		return false;
	const struct segment *segment = s->oldest;
	while (segment && segment->records == 0)
		segment = segment->next;
	return segment && segment->first_index < s->released;
}

static int append_mark(struct spool *s)
{
	int result = reserve(s, RECORD_MARK_LEN);
	if (result < 0)
		return result;
	struct writer w = {s->buffer, BUFFER_ROOM, s->fill, false};
	result = record_seal_released(&s->cipher, s->next_record, s->released, &w);
	if (result < 0)
		return result;
	s->fill = w.len;
	s->next_record++;
	s->noted = s->released;
	return 0;
}

int spool_flush(struct spool *s)
{
	int marked = mark_is_due(s) ? append_mark(s) : 0;
	int written = spool_write_out(s);
	return written < 0 ? written : marked;
}

uint64_t spool_flushed_index(const struct spool *s)
{
	return s->flushed_below;
}

uint64_t spool_first_index(const struct spool *s)
{
	const struct segment *segment = s->oldest;
	while (segment && segment->records == 0)
		segment = segment->next;
	return segment ? segment->first_index : s->next_index;
}

void spool_release(struct spool *s, uint64_t index)
{
	if (index <= s->released)
		return;
	s->released = index;
	spool_pass_released(s);
	spool_erase_released(s);
}

// ---- the end

static void sync_segment(struct spool *s, const struct segment *segment)
{
	char name[NAME_ROOM];
	segment_name(segment->number, name);
	int fd = s->io->openat(s->directory, name, O_RDONLY | WITH_US, 0);
	if (fd < 0)
		return;
	s->io->fdatasync(fd);
	close(fd);
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	walk_close(&s->reader);
	spool_flush(s);
	if (s->writing && spool_pending(s) == 0)
		close_writing(s);
	for (const struct segment *segment = s->oldest; segment; segment = segment->next)
		if (segment->ours)
			sync_segment(s, segment);
	fsync(s->directory);
	spool_free(s);
}

uint64_t spool_octets(const struct spool *s)
{
	return s->octets;
}

uint64_t spool_segments(const struct spool *s)
{
	return s->segments;
}
