// A segment file that somebody wrote or changed, found at start. Whatever is in it, no record comes out that did not go in, none
// twice, and the counts agree.
//
// The first octet says what the rest is: even, the file (corpus files of this kind were sealed under the key below); odd, changes
// to a file that is sealed anew, four octets each: what, where (two octets), with what.
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_internal.h"

enum { RECORDS = 8, FILE_ROOM = 64 * 1024, PATH_ROOM = 128, MAX_CHANGES = 64 };

enum change {
	CHANGE_FLIP,
	CHANGE_CUT,
	CHANGE_TAKE_OUT,
	CHANGE_REPEAT,
	CHANGE_INSERT,
	CHANGE_KINDS
};

static const struct vault_key KEK = {"a key-encryption key for fuzzing"};
static const struct uuid DID = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static char directory[] = "/dev/shm/x2tap-fuzz-XXXXXX";
static char path[PATH_ROOM]; // of the segment
static uint64_t told_lost;

static struct spool_record record_of(uint64_t index, uint8_t room[64])
{
	struct spool_record r = {
		.index = index, .offered_ms = index * 1000, .sequence = (uint32_t)index};
	r.pdu = bytes_of(room, (index * 5) % 64);
	memset(room, (int)(index + 1), 64);
	return r;
}

static void hear_lost(
	void *context, enum spool_loss why, const struct spool_record *record, uint64_t count)
{
	(void)context, (void)record;
	FUZZ_CHECK(why == SPOOL_LOST_DAMAGED);
	told_lost += count;
}

static struct spool *open_spool(struct spool_found *found, struct error *error)
{
	const struct spool_settings settings = {directory, DID, &KEK, 1 << 30, 64 * 1024, 0};
	const struct spool_watch watch = {hear_lost, NULL, NULL};
	return spool_open(&settings, &watch, found, error);
}

static void empty_directory(void)
{
	char place[PATH_ROOM], did[UUID_TEXT];
	uuid_format(&DID, did);
	snprintf(place, sizeof place, "%s/%s", directory, did);
	DIR *stream = opendir(place);
	for (const struct dirent *e; stream && (e = readdir(stream));)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(stream), e->d_name, 0);
	if (stream)
		closedir(stream);
}

static void remove_directory(void)
{
	char place[PATH_ROOM], did[UUID_TEXT];
	empty_directory();
	uuid_format(&DID, did);
	snprintf(place, sizeof place, "%s/%s", directory, did);
	rmdir(place);
	rmdir(directory);
}

static void write_file(const uint8_t *octets, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, octets, len) == (ssize_t)len);
	close(fd);
}

// A file of eight records and a mark that releases two of them.
static size_t seal_file(uint8_t octets[FILE_ROOM])
{
	uint8_t room[64];
	empty_directory();
	struct spool *s = open_spool(NULL, NULL);
	FUZZ_CHECK(s);
	for (uint64_t i = 0; i < RECORDS; i++) {
		struct spool_record r = record_of(i, room);
		FUZZ_CHECK(spool_append(s, &r) == 0);
		if (i == RECORDS / 2) {
			spool_skip(s);
			spool_release(s, 2);
			FUZZ_CHECK(spool_flush(s) == 0);
		}
	}
	FUZZ_CHECK(spool_flush(s) == 0);
	spool_close(s);
	int fd = open(path, O_RDONLY);
	FUZZ_CHECK(fd >= 0);
	ssize_t len = read(fd, octets, FILE_ROOM);
	close(fd);
	FUZZ_CHECK(len > 0 && len < FILE_ROOM / 2);
	return (size_t)len;
}

static size_t change_file(uint8_t octets[FILE_ROOM], size_t len, struct reader *r)
{
	for (unsigned i = 0; i < MAX_CHANGES && reader_left(r) >= 4; i++) {
		uint8_t what = read_u8(r);
		size_t at = read_be16(r);
		uint8_t with = read_u8(r);
		at = len ? at % len : 0;
		size_t more = with < len - at ? with : len - at; // octets from there on
		switch ((enum change)(what % CHANGE_KINDS)) {
		case CHANGE_FLIP:
			octets[at] ^= len ? with : 0;
			break;
		case CHANGE_CUT:
			len = at;
			break;
		case CHANGE_TAKE_OUT:
			memmove(octets + at, octets + at + more, len - at - more);
			len -= more;
			break;
		case CHANGE_REPEAT:
			if (len + more > FILE_ROOM)
				break;
			memmove(octets + at + more, octets + at, len - at);
			len += more;
			break;
		case CHANGE_INSERT:
			if (len + with > FILE_ROOM)
				break;
			memmove(octets + at + with, octets + at, len - at);
			memset(octets + at, what, with);
			len += with;
			break;
		case CHANGE_KINDS:
			break;
		}
	}
	return len;
}

static void read_all(struct spool *s, const struct spool_found *found)
{
	struct spool_record r;
	uint8_t room[64];
	uint64_t count = 0, next = 0;
	int result;
	FUZZ_CHECK(spool_unread(s) == found->records);
	while ((result = spool_read(s, &r)) != -ENOENT) {
		if (result == -EBADMSG)
			continue;
		FUZZ_CHECK(result == 0);
		FUZZ_CHECK(r.index >= next && r.index < RECORDS);
		next = r.index + 1;
		struct spool_record expected = record_of(r.index, room);
		FUZZ_CHECK(r.offered_ms == expected.offered_ms && r.sequence == expected.sequence);
		FUZZ_CHECK(bytes_equal(r.pdu, expected.pdu));
		count++;
	}
	FUZZ_CHECK(count == found->records && told_lost == 0 && spool_unread(s) == 0);
	FUZZ_CHECK(next <= found->next_index);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t octets[FILE_ROOM];
	if (!path[0]) {
		char did[UUID_TEXT], name[NAME_ROOM];
		FUZZ_CHECK(mkdtemp(directory));
		atexit(remove_directory);
		uuid_format(&DID, did);
		segment_name(1, name);
		snprintf(path, sizeof path, "%s/%s/%s", directory, did, name);
		struct spool *s = open_spool(NULL, NULL); // makes the directory
		FUZZ_CHECK(s);
		spool_close(s);
	}
	struct reader r = reader_of(bytes_of(data, size));
	bool is_script = read_u8(&r) & 1;
	size_t len;
	if (is_script) {
		len = change_file(octets, seal_file(octets), &r);
	} else {
		len = reader_left(&r) < FILE_ROOM ? reader_left(&r) : FILE_ROOM;
		memcpy(octets, read_bytes(&r, len).at, len);
	}
	empty_directory();
	write_file(octets, len);

	struct spool_found found;
	struct error error = {0};
	told_lost = 0;
	struct spool *s = open_spool(&found, &error);
	if (!s) {
		FUZZ_CHECK(error.code == -EKEYREJECTED);
		return 0;
	}
	read_all(s, &found);
	// It goes on behind whatever that was.
	uint8_t room[64];
	struct spool_record more = record_of(found.next_index, room), back;
	if (found.next_index != UINT64_MAX) {
		FUZZ_CHECK(spool_append(s, &more) == 0);
		FUZZ_CHECK(spool_read(s, &back) == 0 && back.index == found.next_index);
	}
	spool_release(s, found.next_index + 1);
	spool_close(s);
	return 0;
}
