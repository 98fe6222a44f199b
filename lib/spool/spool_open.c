// What is there at start. First all headers are looked at, so that a wrong key is known before anything is changed; then all
// records are opened once.
#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct segment_cipher cipher_of(const struct spool *s, uint64_t number)
{
	return (struct segment_cipher){number, s->settings.did, NULL};
}

// ---- first look: keys

static int check_key(struct spool *s, const struct listing *l, struct error *error)
{
	for (size_t i = 0; i < l->count; i++) {
		enum header_state state = HEADER_DAMAGED;
		uint64_t octets;
		struct segment_cipher which = cipher_of(s, l->files[i].number);
		if (l->files[i].apart)
			continue;
		int result = walk_open(&s->survey, s->directory, &which, s->settings.kek, s->check,
			&state, &octets);
		walk_close(&s->survey);
		if (result == -EACCES || result == -EPERM || result == -EMFILE ||
			result == -ENFILE || result == -ENOMEM)
			return error_set(error, result, "spool segment %llu: cannot open it: %s",
				(unsigned long long)l->files[i].number, strerror(-result));
		if (state == HEADER_OTHER_KEY)
			return error_set(error, -EKEYREJECTED,
				"spool segment %llu was sealed under another master key: configure that key "
				"again, or move the spool directory away; nothing in it was changed",
				(unsigned long long)l->files[i].number);
	}
	return 0;
}

// ---- second look: records

static void add_segment(struct spool *s, struct segment *segment)
{
	if (s->newest)
		s->newest->next = segment;
	else
		s->oldest = segment;
	s->newest = segment;
	s->octets += segment->octets;
	s->segments++;
}

static void count_found(struct segment *segment, const struct spool_record *record)
{
	if (segment->records++ == 0) {
		segment->first_index = segment->last_index = record->index;
		segment->newest_ms = record->offered_ms;
	}
	if (record->index > segment->last_index)
		segment->last_index = record->index;
	if (record->index < segment->first_index)
		segment->first_index = record->index;
	if (record->offered_ms > segment->newest_ms)
		segment->newest_ms = record->offered_ms;
}

// Opens all records of the segment that the survey stands in.
static void scan(struct spool *s, struct segment *segment, struct spool_found *found)
{
	struct spool_record record;
	uint64_t damaged;
	for (;;) {
		switch (walk_next(&s->survey, segment->octets, &record, &damaged)) {
		case WALK_PDU:
			count_found(segment, &record);
			break;
		case WALK_RELEASED:
			if (record.index > s->noted)
				s->noted = record.index;
			break;
		case WALK_DAMAGED:
			segment->damaged += damaged;
			found->damaged += damaged ? damaged : 1;
			if (damaged == 0)
				return;
			break;
		case WALK_TORN:
			found->torn_tails++;
			return;
		case WALK_ERROR:
			found->damaged++;
			return;
		case WALK_END:
			return;
		}
	}
}

// PDUs in a segment whose key is gone, by the headers of its records, which are not sealed; the last one that is seen may stand
// for all that follows.
static uint64_t count_lost(const struct spool *s, uint64_t number, uint64_t octets)
{
	char name[NAME_ROOM];
	uint8_t at[RECORD_HEADER_LEN];
	struct record_header h;
	struct segment_cipher which = cipher_of(s, number);
	uint64_t count = 0, offset = SEGMENT_HEADER_LEN;
	segment_name(number, name);
	int fd = s->io->openat(
		s->directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return 1;
	while (offset < octets) {
		ssize_t n = s->io->pread(fd, at, sizeof at, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		bool is_whole = n == sizeof at && record_header_parse(&which, at, &h) &&
		                h.len + sizeof at <= octets - offset;
		if (!is_whole) {
			count += octets - offset >= RECORD_LEAST_PDU_LEN;
			break;
		}
		count += h.type == RECORD_PDU;
		offset += sizeof at + h.len;
	}
	close(fd);
	return count;
}

// Kept until a limit is reached; told once, and not read again at the next start.
static int set_apart(struct spool *s, uint64_t number, bool named_so)
{
	char from[NAME_ROOM], to[NAME_ROOM];
	struct stat status = {0};
	struct apart **at = &s->apart, *apart = calloc(1, sizeof *apart);
	if (!apart)
		return -ENOMEM;
	segment_name(number, from);
	apart_name(number, to);
	if (!named_so && s->io->renameat(s->directory, from, s->directory, to)) {
		free(apart); // a read-only disk; it stays as it is, out of our sight
		return 0;
	}
	if (fstatat(s->directory, to, &status, AT_SYMLINK_NOFOLLOW) == 0)
		apart->octets = (uint64_t)status.st_size;
	apart->number = number;
	apart->changed_ms = (uint64_t)status.st_mtim.tv_sec * 1000;
	s->octets += apart->octets;
	while (*at)
		at = &(*at)->next;
	*at = apart;
	return 0;
}

static int take_segment(struct spool *s, uint64_t number, struct spool_found *found)
{
	enum header_state state = HEADER_DAMAGED;
	struct segment_cipher which = cipher_of(s, number);
	struct segment *segment = calloc(1, sizeof *segment);
	if (!segment)
		return -ENOMEM;
	segment->number = number;
	uint64_t damaged_before = found->damaged;
	int result = walk_open(&s->survey, s->directory, &which, s->settings.kek, s->check, &state,
		&segment->octets);
	if (result == -EBADMSG && segment->octets < SEGMENT_HEADER_LEN)
		found->torn_tails++;
	else if (state == HEADER_DAMAGED)
		found->damaged += result < 0 ? 1 : count_lost(s, number, segment->octets);
	if (state == HEADER_GOOD || state == HEADER_SCRATCHED)
		scan(s, segment, found);
	walk_close(&s->survey);
	spool_tell_segment(s, SPOOL_SEGMENT_FOUND, number, segment->records);
	// Without a readable record it can only be kept; without damage there is nothing to keep.
	if (segment->records == 0 && found->damaged != damaged_before) {
		free(segment);
		return set_apart(s, number, false);
	}
	add_segment(s, segment);
	return 0;
}

static int take_all(struct spool *s, const struct listing *l, struct spool_found *found)
{
	int result = 0;
	for (size_t i = 0; i < l->count && result == 0; i++) {
		if (!l->files[i].apart) {
			result = take_segment(s, l->files[i].number, found);
			continue;
		}
		spool_tell_segment(s, SPOOL_SEGMENT_FOUND, l->files[i].number, 0);
		result = set_apart(s, l->files[i].number, true);
	}
	return result;
}

// ---- what of it is still to be sent

static uint64_t count_unreleased(struct spool *s, struct segment *segment)
{
	enum header_state state;
	struct segment_cipher which = cipher_of(s, segment->number);
	struct spool_record record;
	uint64_t octets, damaged, count = 0;
	if (walk_open(&s->survey, s->directory, &which, s->settings.kek, s->check, &state,
		    &octets) < 0)
		return 0;
	for (bool more = s->survey.cipher.sealer; more;) {
		switch (walk_next(&s->survey, segment->octets, &record, &damaged)) {
		case WALK_PDU:
			count += record.index >= s->released;
			break;
		case WALK_RELEASED:
			break;
		case WALK_DAMAGED:
			more = damaged != 0;
			break;
		case WALK_TORN:
		case WALK_END:
		case WALK_ERROR:
			more = false;
			break;
		}
	}
	walk_close(&s->survey);
	return count;
}

static void count_unread(struct spool *s, struct spool_found *found)
{
	s->released = s->passed = s->next_index = s->noted;
	for (struct segment *segment = s->oldest; segment; segment = segment->next) {
		if (segment->records == 0)
			continue;
		if (segment->last_index >= s->next_index)
			s->next_index = segment->last_index + 1;
		if (segment->first_index >= s->released)
			segment->unread = segment->records;
		else if (segment->last_index >= s->released)
			segment->unread = count_unreleased(s, segment);
		s->unread += segment->unread;
	}
	spool_erase_released(s);
	for (const struct segment *segment = s->oldest; segment; segment = segment->next) {
		if (segment->unread == 0)
			continue;
		found->segments++;
		found->records += segment->unread;
		found->octets += segment->octets;
	}
	found->next_index = s->next_index;
	s->flushed_below = s->next_index;
}

// ---- opening

static int look_through(struct spool *s, struct spool_found *found, struct error *error)
{
	struct listing l = {0};
	int result = spool_directory_list(s->directory, &l);
	if (result < 0)
		return error_set(error, result, "%s: cannot list the spool directory: %s",
			s->settings.directory, strerror(-result));
	s->next_number = l.next_number;
	s->marker = l.marker;
	result = check_key(s, &l, error);
	if (result == 0) {
		result = take_all(s, &l, found);
		if (result < 0)
			error_set(error, result, "%s: no memory for the spool's segments",
				s->settings.directory);
	}
	free(l.files);
	if (result == 0)
		count_unread(s, found);
	return result;
}

struct spool *spool_open_over(const struct spool_settings *settings,
	const struct spool_watch *watch, const struct spool_io *io, struct spool_found *found,
	struct error *error)
{
	struct spool_found seen = {0};
	if (settings->segment_octets < SPOOL_MIN_SEGMENT) {
		error_set(error, -EINVAL,
			"a spool segment of %llu octets is too small: at least %d",
			(unsigned long long)settings->segment_octets, SPOOL_MIN_SEGMENT);
		return NULL;
	}
	struct spool *s = spool_new(settings, watch, io);
	if (!s || key_check_of(settings->kek, s->check) < 0) {
		error_set(error, -ENOMEM, "no memory for a spool");
		goto free_spool;
	}
	s->directory = spool_directory_open(settings, error);
	if (s->directory < 0)
		goto free_spool;
	if (look_through(s, &seen, error) < 0)
		goto free_spool;
	if (found)
		*found = seen;
	return s;

free_spool:
	if (s)
		spool_free(s);
	return NULL;
}

struct spool *spool_open(const struct spool_settings *settings, const struct spool_watch *watch,
	struct spool_found *found, struct error *error)
{
	return spool_open_over(settings, watch, &spool_io_kernel, found, error);
}
