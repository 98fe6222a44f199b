// A spool in memory for tests of what stands on it: every function of spool.h, with errors and losses at will. What a test program
// defines itself the linker does not take from the library.
//
// The disk outlives the spools that are opened on it; what was not flushed does not outlive fake_disk_crash().
#ifndef X2TAP_FAKE_SPOOL_H
#define X2TAP_FAKE_SPOOL_H

#include <errno.h>

#include "spool.h"
#include "unit.h"

struct fake_record {
	struct spool_record head; // without its octets
	uint8_t *octets;
	size_t len;
	bool flushed, damaged, gone;
};

enum { FAKE_RECORDS = 20000 };

struct fake_disk {
	struct fake_record records[FAKE_RECORDS];
	size_t count;
	uint64_t released, released_flushed;
	int fail_open, fail_append, fail_flush, fail_read; // a negative errno each
	uint64_t lose
		[SPOOL_LOSSES]; // of the unread, at the next call of spool_tick() or spool_append()
	uint64_t give_way;      // of the oldest that are there, likewise
	size_t opened, flushes;
	struct spool_settings limits; // the last that were set
};

static struct fake_disk disk;

struct spool {
	const struct spool_watch *watch;
	size_t at; // the next to be read
	uint8_t *view;
};

static struct spool the_spool;

static bool fake_is_there(const struct fake_record *r)
{
	return !r->gone && r->head.index >= disk.released;
}

static void fake_end_view(struct spool *s)
{
	free(s->view);
	s->view = NULL;
}

static void fake_disk_clear(void)
{
	for (size_t i = 0; i < disk.count; i++)
		free(disk.records[i].octets);
	memset(&disk, 0, sizeof disk);
}

static void fake_disk_crash(void)
{
	while (disk.count > 0 && !disk.records[disk.count - 1].flushed)
		free(disk.records[--disk.count].octets);
	disk.released = disk.released_flushed;
}

static void fake_give_way(struct spool *s)
{
	for (size_t i = 0; i < disk.count && disk.give_way > 0; i++) {
		struct fake_record *r = &disk.records[i];
		if (!fake_is_there(r))
			continue;
		if (r->damaged)
			break;
		r->gone = true;
		disk.give_way--;
		if (i >= s->at)
			s->watch->lost(s->watch->context, SPOOL_LOST_SIZE, &r->head, 1);
	}
	disk.give_way = 0;
}

static void fake_lose(struct spool *s)
{
	fake_give_way(s);
	for (size_t why = 0; why < SPOOL_LOSSES; why++)
		for (size_t i = s->at; i < disk.count && disk.lose[why] > 0; i++) {
			struct fake_record *r = &disk.records[i];
			if (!fake_is_there(r) || r->damaged)
				continue;
			r->gone = true;
			disk.lose[why]--;
			s->watch->lost(s->watch->context, (enum spool_loss)why, &r->head, 1);
		}
	memset(disk.lose, 0, sizeof disk.lose);
}

struct spool *spool_open(const struct spool_settings *settings, const struct spool_watch *watch,
	struct spool_found *found, struct error *error)
{
	(void)settings;
	if (disk.fail_open) {
		error_set(error, disk.fail_open, "the spool cannot be opened: on purpose");
		return NULL;
	}
	*found = (struct spool_found){.next_index = 1};
	the_spool = (struct spool){.watch = watch};
	disk.opened++;
	for (size_t i = 0; i < disk.count; i++) {
		found->records += fake_is_there(&disk.records[i]);
		found->next_index = disk.records[i].head.index + 1;
	}
	if (watch->segment)
		watch->segment(watch->context, SPOOL_SEGMENT_FOUND, 1, found->records);
	return &the_spool;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	fake_end_view(s);
	if (spool_flush(s) < 0)
		fake_disk_crash();
}

int spool_append(struct spool *s, const struct spool_record *record)
{
	fake_end_view(s);
	if (disk.fail_append)
		return disk.fail_append;
	assert_true(disk.count < FAKE_RECORDS);
	assert_true(record->index > 0);
	assert_true(disk.count == 0 || record->index > disk.records[disk.count - 1].head.index);
	fake_lose(s);
	struct fake_record *r = &disk.records[disk.count++];
	*r = (struct fake_record){.head = *record,
		.octets = exact_copy(record->pdu.at, record->pdu.len),
		.len = record->pdu.len};
	r->head.pdu = (struct bytes){0};
	return 0;
}

int spool_flush(struct spool *s)
{
	fake_end_view(s);
	disk.flushes++;
	if (disk.fail_flush)
		return disk.fail_flush;
	for (size_t i = disk.count; i > 0 && !disk.records[i - 1].flushed; i--)
		disk.records[i - 1].flushed = true;
	disk.released_flushed = disk.released;
	return 0;
}

uint64_t spool_flushed_index(const struct spool *s)
{
	(void)s;
	for (size_t i = disk.count; i > 0; i--)
		if (disk.records[i - 1].flushed)
			return disk.records[i - 1].head.index + 1;
	return 0;
}

uint64_t spool_first_index(const struct spool *s)
{
	(void)s;
	for (size_t i = 0; i < disk.count; i++)
		if (fake_is_there(&disk.records[i]))
			return disk.records[i].head.index;
	return disk.count > 0 ? disk.records[disk.count - 1].head.index + 1 : 0;
}

int spool_read(struct spool *s, struct spool_record *out)
{
	fake_end_view(s);
	while (s->at < disk.count && !fake_is_there(&disk.records[s->at]))
		s->at++;
	if (s->at == disk.count)
		return -ENOENT;
	if (disk.fail_read)
		return disk.fail_read;
	struct fake_record *r = &disk.records[s->at++];
	if (r->damaged) {
		r->gone = true;
		s->watch->lost(s->watch->context, SPOOL_LOST_DAMAGED, NULL, r->head.index % 2);
		return -EBADMSG;
	}
	s->view = exact_copy(r->octets, r->len);
	*out = r->head;
	out->pdu = bytes_of(s->view, r->len);
	return 0;
}

void spool_skip(struct spool *s)
{
	fake_end_view(s);
	s->at = disk.count;
}

uint64_t spool_unread(const struct spool *s)
{
	uint64_t count = 0;
	for (size_t i = s->at; i < disk.count; i++)
		count += fake_is_there(&disk.records[i]);
	return count;
}

void spool_release(struct spool *s, uint64_t index)
{
	fake_end_view(s);
	for (size_t i = s->at; i < disk.count; i++) // what nobody has read is never done with
		assert_true(
			!fake_is_there(&disk.records[i]) || disk.records[i].head.index >= index);
	if (index > disk.released)
		disk.released = index;
}

void spool_set_limits(struct spool *s, const struct spool_settings *settings)
{
	(void)s;
	disk.limits = *settings;
}

void spool_tick(struct spool *s, uint64_t now_ms, uint64_t monotonic_ms)
{
	(void)now_ms, (void)monotonic_ms;
	fake_end_view(s);
	fake_lose(s);
}

uint64_t spool_octets(const struct spool *s)
{
	(void)s;
	uint64_t octets = 0;
	for (size_t i = 0; i < disk.count; i++)
		octets += fake_is_there(&disk.records[i]) ? disk.records[i].len : 0;
	return octets;
}

uint64_t spool_segments(const struct spool *s)
{
	(void)s;
	return disk.count > 0;
}

#endif
