#include "journal.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// Header: magic, version, octets of a slot, capacity, clean, give-ups, key, boot id, zeros, check.
static const char MAGIC[] = "x2tapseq";
enum { MAGIC_LEN = 8, BOOT_ID_LEN = 36, CHECK_LEN = 8, OPEN_TRIES = 3, CHUNK_SLOTS = 4096 };
enum { MAX_CAPACITY = 1 << 28 };
// The key of the header's check: against accidents, as the header names the key of the rest.
static const struct hash_key HEADER_KEY = {0x78327461702d6a6f, 0x75726e616c2d6864};

static off_t size_of(uint32_t capacity)
{
	return JOURNAL_SLOTS_AT + (off_t)capacity * JOURNAL_SLOT;
}

static int write_at(int fd, struct bytes what, off_t at)
{
	ssize_t n;
	do
		n = pwrite(fd, what.at, what.len, at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == what.len ? 0 : -EIO;
}

// --- octets of header and slot -------------------------------------------------------------------------------------

static void header_encode(
	const struct journal *j, uint64_t given_up, bool clean, uint8_t out[static JOURNAL_HEADER])
{
	memset(out, 0, JOURNAL_HEADER);
	struct writer w = writer_of(out, JOURNAL_HEADER - CHECK_LEN);
	write_bytes(&w, bytes_of(MAGIC, MAGIC_LEN));
	write_be32(&w, JOURNAL_VERSION);
	write_be32(&w, JOURNAL_SLOT);
	write_be32(&w, j->capacity);
	write_be32(&w, clean);
	write_be64(&w, given_up);
	write_be64(&w, j->key.k0);
	write_be64(&w, j->key.k1);
	write_bytes(&w, bytes_of(j->boot_id, BOOT_ID_LEN));
	struct writer check = writer_of(out + JOURNAL_HEADER - CHECK_LEN, CHECK_LEN);
	write_be64(&check, siphash(&HEADER_KEY, bytes_of(out, JOURNAL_HEADER - CHECK_LEN)));
}

// -EBADMSG: no journal at all. -EPROTO: another version. -EILSEQ: one of ours, damaged.
static int header_decode(struct journal *j, const uint8_t octets[static JOURNAL_HEADER])
{
	static const char no_boot_id[BOOT_ID_LEN];
	struct reader r = reader_of(bytes_of(octets, JOURNAL_HEADER));
	if (memcmp(read_bytes(&r, MAGIC_LEN).at, MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	if (read_be32(&r) != JOURNAL_VERSION)
		return -EPROTO;
	uint32_t slot = read_be32(&r), capacity = read_be32(&r), clean = read_be32(&r);
	uint64_t given_up = read_be64(&r);
	struct hash_key key;
	key.k0 = read_be64(&r);
	key.k1 = read_be64(&r);
	struct bytes boot_id = read_bytes(&r, BOOT_ID_LEN);
	struct reader check = reader_of(bytes_of(octets + JOURNAL_HEADER - CHECK_LEN, CHECK_LEN));
	if (read_be64(&check) !=
			siphash(&HEADER_KEY, bytes_of(octets, JOURNAL_HEADER - CHECK_LEN)) ||
		slot != JOURNAL_SLOT || capacity == 0 || capacity > MAX_CAPACITY || clean > 1)
		return -EILSEQ;
	j->capacity = capacity;
	j->clean = clean;
	j->given_up = given_up;
	j->key = key;
	j->same_boot = memcmp(boot_id.at, j->boot_id, BOOT_ID_LEN) == 0 &&
	               memcmp(boot_id.at, no_boot_id, BOOT_ID_LEN) != 0;
	return 0;
}

// The check covers the slot's index too: a slot that was written in a wrong place is none.
static uint64_t slot_check(const struct journal *j, uint32_t index, struct bytes body)
{
	uint8_t octets[4 + JOURNAL_SLOT];
	struct writer w = writer_of(octets, sizeof octets);
	write_be32(&w, index);
	write_bytes(&w, body);
	return siphash(&j->key, writer_bytes(&w));
}

static void slot_encode(const struct journal *j, uint32_t index, const struct journal_slot *slot,
	uint8_t out[static JOURNAL_SLOT])
{
	struct writer w = writer_of(out, JOURNAL_SLOT);
	write_bytes(&w, bytes_of(slot->xid.octets, sizeof slot->xid.octets));
	write_be64(&w, slot->point);
	write_be64(&w, slot->asked);
	write_be64(&w, slot->sent);
	write_be32(&w, slot->next);
	write_be32(&w, slot->safe);
	write_be32(&w, slot->used_s);
	write_be16(&w, slot->jumps);
	write_be16(&w, slot->flags);
	write_be64(&w, slot_check(j, index, writer_bytes(&w)));
}

enum slot_state { SLOT_EMPTY, SLOT_USED, SLOT_DAMAGED };

static enum slot_state slot_decode(const struct journal *j, uint32_t index,
	const uint8_t octets[static JOURNAL_SLOT], struct journal_slot *out)
{
	static const uint8_t empty[JOURNAL_SLOT];
	if (memcmp(octets, empty, JOURNAL_SLOT) == 0)
		return SLOT_EMPTY;
	struct reader r = reader_of(bytes_of(octets, JOURNAL_SLOT));
	struct journal_slot slot;
	memcpy(slot.xid.octets, read_bytes(&r, sizeof slot.xid.octets).at, sizeof slot.xid.octets);
	slot.point = read_be64(&r);
	slot.asked = read_be64(&r);
	slot.sent = read_be64(&r);
	slot.next = read_be32(&r);
	slot.safe = read_be32(&r);
	slot.used_s = read_be32(&r);
	slot.jumps = read_be16(&r);
	slot.flags = read_be16(&r);
	uint64_t check = read_be64(&r);
	if (check != slot_check(j, index, bytes_of(octets, JOURNAL_SLOT - CHECK_LEN)) ||
		slot.sent == 0)
		return SLOT_DAMAGED;
	*out = slot;
	return SLOT_USED;
}

// --- the file --------------------------------------------------------------------------------------------------------

static void read_boot_id(char out[static BOOT_ID_LEN + 1])
{
	memset(out, 0, BOOT_ID_LEN + 1); // no host is taken for the same when this cannot be read
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	uint8_t text[BOOT_ID_LEN];
	if (file_read_at(fd, text, sizeof text, 0) == BOOT_ID_LEN)
		memcpy(out, text, BOOT_ID_LEN);
	close(fd);
}

// Whether this is our own regular file that nobody else can get at, and it still bears the name; locks it.
static int take_file(int fd, const char *path, struct error *error)
{
	struct stat here, named;
	if (fstat(fd, &here) != 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(here.st_mode))
		return error_set(error, -EINVAL, "%s is not a regular file", path);
	if (here.st_uid != geteuid())
		return error_set(error, -EPERM, "%s belongs to another user", path);
	if (here.st_mode & (S_IRWXG | S_IRWXO))
		return error_set(error, -EPERM,
			"%s may be read or written by others; mode 0600 is wanted", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return error_set(error, -errno, "%s: %s", path,
			errno == EWOULDBLOCK ? "another process has it" : strerror(errno));
	// It may have been renamed between open and lock.
	if (lstat(path, &named) != 0 || named.st_dev != here.st_dev || named.st_ino != here.st_ino)
		return error_set(error, -EAGAIN, "%s was replaced while it was being opened", path);
	return 0;
}

static int sync_directory(const char *path)
{
	char directory[PATH_MAX];
	file_directory(path, directory);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int result = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return result;
}

static int write_entries(
	struct journal *j, int fd, const struct journal_entry *entries, uint32_t count)
{
	uint8_t *room = malloc((size_t)CHUNK_SLOTS * JOURNAL_SLOT);
	if (!room)
		return -ENOMEM;
	int result = 0;
	for (uint32_t at = 0; at < count && result == 0; at += CHUNK_SLOTS) {
		uint32_t n = count - at < CHUNK_SLOTS ? count - at : CHUNK_SLOTS;
		for (uint32_t i = 0; i < n; i++)
			slot_encode(j, at + i, &entries[at + i].slot, room + i * JOURNAL_SLOT);
		result = write_at(fd, bytes_of(room, (size_t)n * JOURNAL_SLOT), size_of(at));
	}
	free(room);
	return result;
}

// Makes <path>.new whole, on disk, and renames it: whoever finds a journal finds a complete one. `j` holds what goes into
// the header. Returns the locked file.
static int make_file(struct journal *j, const struct journal_entry *entries, uint32_t count,
	bool replace, struct error *error)
{
	char fresh[PATH_MAX];
	if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", j->path) >= sizeof fresh)
		return error_set(error, -ENAMETOOLONG, "%s: name too long", j->path);
	int fd = open(fresh, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(error, -errno, "%s cannot be made: %s", fresh, strerror(errno));
	int result = take_file(fd, fresh, error);
	if (result != 0)
		goto close_file;
	const char *step = "cannot be made";
	if (ftruncate(fd, 0) != 0) {
		result = -errno;
		goto unlink_file;
	}
	step = "cannot be given its size";
	result = -posix_fallocate(fd, 0, size_of(j->capacity));
	if (result != 0)
		goto unlink_file;
	step = "cannot be written";
	uint8_t header[JOURNAL_HEADER];
	header_encode(j, j->given_up, false, header);
	result = write_entries(j, fd, entries, count);
	if (result == 0)
		result = write_at(fd, bytes_of(header, sizeof header), 0);
	if (result == 0 && fsync(fd) != 0)
		result = -errno;
	if (result != 0)
		goto unlink_file;
	step = "cannot take its name";
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, j->path, replace ? 0 : RENAME_NOREPLACE) != 0 &&
		(errno != EINVAL || rename(fresh, j->path) != 0)) { // EINVAL: not known here
		result = -errno;
		goto unlink_file;
	}
	sync_directory(
		j->path); // where it fails a power failure may bring the old one back, unclean
	return fd;

unlink_file:
	error_set(error, result, "%s %s: %s", fresh, step, strerror(-result));
	unlink(fresh);
close_file:
	close(fd);
	return result;
}

// `renewed`: instead of a damaged one, of which nobody knows what it gave.
static int make_fresh(struct journal *j, uint32_t capacity, bool renewed, struct error *error)
{
	j->capacity = capacity;
	j->clean = true;
	j->same_boot = true;
	j->renewed = renewed;
	j->given_up = renewed;
	int result = hash_key_random(&j->key);
	if (result != 0)
		return error_set(error, result, "no random octets from the kernel");
	result = make_file(j, NULL, 0, renewed, error);
	if (result < 0)
		return result;
	j->fd = result;
	return 0;
}

// A damaged file tells nothing reliable, but somebody may want to look at it. Its name must never be free meanwhile: a start
// that finds no journal counts from 0.
static int replace_damaged(struct journal *j, uint32_t capacity, struct error *error)
{
	char aside[PATH_MAX];
	if ((size_t)snprintf(aside, sizeof aside, "%s.damaged", j->path) < sizeof aside) {
		unlink(aside);
		if (link(j->path, aside) != 0) // then it is not kept
			unlink(aside);
	}
	return make_fresh(j, capacity, true, error);
}

static int read_header(struct journal *j, struct error *error)
{
	uint8_t octets[JOURNAL_HEADER] = {0};
	struct stat file;
	ssize_t n = file_read_at(j->fd, octets, sizeof octets, 0);
	if (n < 0 || fstat(j->fd, &file) != 0) {
		int code = n < 0 ? (int)n : -errno;
		return error_set(error, code, "%s cannot be read: %s", j->path, strerror(-code));
	}
	j->stale = file.st_mode & S_IXUSR;
	int result = header_decode(j, octets);
	if (result == -EBADMSG)
		return error_set(error, result, "%s is not a journal of sequence numbers", j->path);
	if (result == -EPROTO)
		return error_set(error, result, "%s is a journal of another version", j->path);
	if (result != 0)
		return error_set(error, result, "%s has a damaged header", j->path);
	j->cut = file.st_size < size_of(j->capacity);
	return 0;
}

static int open_once(struct journal *j, uint32_t capacity, struct error *error)
{
	int fd = open(j->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return make_fresh(j, capacity, false, error);
	if (fd < 0)
		return error_set(
			error, -errno, "%s cannot be opened: %s", j->path, strerror(errno));
	int result = take_file(fd, j->path, error);
	if (result != 0) {
		close(fd);
		return result;
	}
	j->fd = fd;
	result = read_header(j, error);
	if (result == 0)
		return 0;
	j->fd = -1;
	if (result == -EILSEQ)
		result = replace_damaged(j, capacity, error);
	close(fd); // and with it the lock, now that the name is another file's
	return result;
}

int journal_open(struct journal *j, const char *path, uint32_t capacity, const char *boot_id,
	struct error *error)
{
	*j = (struct journal){.fd = -1, .path = strdup(path)};
	if (!j->path)
		return error_set(error, -ENOMEM, "no memory");
	if (boot_id)
		snprintf(j->boot_id, sizeof j->boot_id, "%s", boot_id);
	else
		read_boot_id(j->boot_id);
	int result = capacity > MAX_CAPACITY
	                     ? error_set(error, -EINVAL, "%s: too many contexts", path)
	                     : -EAGAIN;
	for (unsigned i = 0; i < OPEN_TRIES && result == -EAGAIN; i++)
		result = open_once(j, capacity, error);
	if (result != 0)
		journal_close(j);
	return result;
}

void journal_close(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	j->path = NULL;
	j->fd = -1;
}

static int by_age(const void *a, const void *b)
{
	const struct journal_entry *first = a, *second = b;
	if (first->slot.used_s != second->slot.used_s)
		return first->slot.used_s < second->slot.used_s ? -1 : 1;
	return first->index < second->index ? -1 : first->index > second->index;
}

int journal_load(struct journal *j, struct journal_found *out, struct error *error)
{
	struct journal_found found = {.entries = calloc(j->capacity, sizeof *found.entries),
		.damaged_at = calloc(j->capacity, sizeof *found.damaged_at)};
	uint8_t *room = malloc((size_t)CHUNK_SLOTS * JOURNAL_SLOT);
	int result = found.entries && found.damaged_at && room ? 0 : -ENOMEM;
	for (uint32_t at = 0; at < j->capacity && result == 0; at += CHUNK_SLOTS) {
		uint32_t n = j->capacity - at < CHUNK_SLOTS ? j->capacity - at : CHUNK_SLOTS;
		ssize_t got = file_read_at(j->fd, room, (size_t)n * JOURNAL_SLOT, size_of(at));
		if (got < 0) {
			result = (int)got;
			break;
		}
		memset(room + got, 0, (size_t)n * JOURNAL_SLOT - (size_t)got); // `cut`
		for (uint32_t i = 0; i < n && result == 0; i++) {
			struct journal_entry *entry = &found.entries[found.count];
			entry->index = at + i;
			switch (slot_decode(j, at + i, room + i * JOURNAL_SLOT, &entry->slot)) {
			case SLOT_EMPTY:
				break;
			case SLOT_USED:
				found.count++;
				break;
			case SLOT_DAMAGED:
				found.damaged_at[found.damaged++] = at + i;
			}
		}
	}
	free(room);
	if (result != 0) {
		journal_found_free(&found);
		return error_set(
			error, result, "%s cannot be read: %s", j->path, strerror(-result));
	}
	qsort(found.entries, found.count, sizeof *found.entries, by_age);
	*out = found;
	return 0;
}

void journal_found_free(struct journal_found *found)
{
	free(found->entries);
	free(found->damaged_at);
	*found = (struct journal_found){0};
}

int journal_resize(struct journal *j, const struct journal_entry *entries, uint32_t count,
	uint32_t capacity, struct error *error)
{
	struct journal fresh = *j;
	fresh.capacity = capacity;
	int fd = make_file(&fresh, entries, count, true, error);
	if (fd < 0)
		return fd;
	close(j->fd);
	j->fd = fd;
	j->capacity = capacity;
	j->stale = false;
	return 0;
}

int journal_store(struct journal *j, uint32_t index, const struct journal_slot *slot)
{
	uint8_t octets[JOURNAL_SLOT] = {0};
	if (slot)
		slot_encode(j, index, slot, octets);
	return write_at(j->fd, bytes_of(octets, sizeof octets), size_of(index));
}

int journal_store_header(struct journal *j, uint64_t given_up, bool clean)
{
	uint8_t octets[JOURNAL_HEADER];
	header_encode(j, given_up, clean, octets);
	int result = write_at(j->fd, bytes_of(octets, sizeof octets), 0);
	if (result == 0)
		j->given_up = given_up;
	return result;
}

int journal_repair(struct journal *j, const struct journal_found *found)
{
	int result = j->cut ? -posix_fallocate(j->fd, 0, size_of(j->capacity)) : 0;
	for (uint32_t i = 0; i < found->damaged && result == 0; i++)
		result = journal_store(j, found->damaged_at[i], NULL);
	return result;
}

int journal_sync(struct journal *j)
{
	return fdatasync(j->fd) == 0 ? 0 : -errno;
}

int journal_mark_stale(struct journal *j, bool stale)
{
	return fchmod(j->fd, stale ? 0700 : 0600) == 0 ? 0 : -errno;
}
