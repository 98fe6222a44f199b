#include "spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

int walk_init(struct walk *w, const struct spool_io *io)
{
	*w = (struct walk){.io = io, .fd = -1, .buffer = malloc(WALK_ROOM)};
	return w->buffer ? 0 : -ENOMEM;
}

void walk_fini(struct walk *w)
{
	walk_close(w);
	if (w->buffer)
		explicit_bzero(w->buffer, w->used);
	free(w->buffer);
	w->buffer = NULL;
}

void walk_close(struct walk *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	vault_sealer_free(w->cipher.sealer);
	w->cipher.sealer = NULL;
}

void walk_seek(struct walk *w, uint64_t offset, uint32_t number)
{
	w->base = offset;
	w->fill = w->at = 0;
	w->number = number;
}

int walk_open(struct walk *w, int directory, const struct segment_cipher *which,
	const struct vault_key *kek, const uint8_t check[KEY_CHECK_LEN], enum header_state *state,
	uint64_t *octets)
{
	char name[NAME_ROOM];
	uint8_t header[SEGMENT_HEADER_LEN];
	struct stat status;
	walk_close(w);
	segment_name(which->number, name);
	w->fd = w->io->openat(
		directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	if (w->fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	int result = fstat(w->fd, &status) ? -errno : 0;
	if (result == 0 && !S_ISREG(status.st_mode))
		result = -EINVAL;
	if (result == 0) {
		*octets = (uint64_t)status.st_size;
		ssize_t n = file_read_at_by(w->io->pread, w->fd, header, sizeof header, 0);
		result = n < 0 ? (int)n : n < (ssize_t)sizeof header ? -EBADMSG : 0;
	}
	if (result == 0) {
		w->cipher = *which;
		w->cipher.sealer = NULL;
		*state = segment_header_open(&w->cipher, kek, check, header);
	}
	if (!w->cipher.sealer)
		walk_close(w);
	walk_seek(w, SEGMENT_HEADER_LEN, 0);
	return result;
}

// Whether `len` octets (at most WALK_ROOM) from the present place on are in the buffer. False: they could not be read.
static bool have(struct walk *w, size_t len, uint64_t limit)
{
	if (w->fill - w->at >= len)
		return true;
	if (w->at) {
		memmove(w->buffer, w->buffer + w->at, w->fill - w->at);
		w->base += w->at;
		w->fill -= w->at;
		w->at = 0;
	}
	uint64_t left = limit - (w->base + w->fill);
	size_t room = WALK_ROOM - w->fill;
	ssize_t n = file_read_at_by(w->io->pread, w->fd, w->buffer + w->fill,
		left < room ? (size_t)left : room, (off_t)(w->base + w->fill));
	if (n > 0)
		w->fill += (size_t)n;
	if (w->fill > w->used)
		w->used = w->fill;
	return w->fill >= len;
}

// Whether a later record of this segment may begin here: there must have been room for those before it.
static bool is_plausible(const struct walk *w, const struct record_header *h)
{
	return h->number > w->number &&
	       SEGMENT_HEADER_LEN + (uint64_t)h->number * RECORD_MARK_LEN <= walk_offset(w);
}

// How many of `records` that stood in `octets` may have been PDUs: a mark that is lost loses nothing.
static uint64_t pdus_among(uint64_t records, uint64_t octets)
{
	if (octets < records * RECORD_MARK_LEN)
		return records; // some were taken out
	uint64_t most =
		(octets - records * RECORD_MARK_LEN) / (RECORD_LEAST_PDU_LEN - RECORD_MARK_LEN);
	return most < records ? most : records;
}

// No header stands here: on to the next one.
static enum walk_result pass_damage(struct walk *w, uint64_t limit, uint64_t *damaged)
{
	uint8_t any = 0;
	uint64_t start = walk_offset(w);
	while (walk_offset(w) < limit) {
		uint64_t left = limit - walk_offset(w);
		size_t wanted = left < RECORD_HEADER_LEN ? (size_t)left : RECORD_HEADER_LEN;
		if (!have(w, wanted, limit))
			return WALK_ERROR;
		const uint8_t *at = w->buffer + w->at;
		struct record_header h;
		if (at[0] == 'X' && wanted == RECORD_HEADER_LEN &&
			record_header_parse(&w->cipher, at, &h) && is_plausible(w, &h)) {
			*damaged = pdus_among(h.number - w->number, walk_offset(w) - start);
			w->number = h.number;
			return *damaged ? WALK_DAMAGED : WALK_RELEASED;
		}
		any |= at[0];
		w->at++;
	}
	// A host that went down may leave zeros where it had made room for octets that it never wrote.
	return any && limit - start >= RECORD_LEAST_PDU_LEN ? WALK_DAMAGED : WALK_TORN;
}

enum walk_result walk_next(
	struct walk *w, uint64_t limit, struct spool_record *record, uint64_t *damaged)
{
	struct record_header h;
	*damaged = 0;
	record->index = 0;
	if (walk_offset(w) >= limit)
		return WALK_END;
	uint64_t left = limit - walk_offset(w);
	if (left < RECORD_HEADER_LEN)
		return WALK_TORN;
	if (!have(w, RECORD_HEADER_LEN, limit))
		return WALK_ERROR;
	if (!record_header_parse(&w->cipher, w->buffer + w->at, &h) || h.number != w->number)
		return pass_damage(w, limit, damaged);
	size_t len = RECORD_HEADER_LEN + h.len;
	if (left < len)
		return WALK_TORN;
	if (!have(w, len, limit))
		return WALK_ERROR;

	int result = spool_record_open(&w->cipher, &h, w->buffer + w->at, record);
	w->at += len;
	w->number++;
	if (h.type == RECORD_RELEASED)
		return WALK_RELEASED;
	*damaged = result < 0;
	return result < 0 ? WALK_DAMAGED : WALK_PDU;
}
