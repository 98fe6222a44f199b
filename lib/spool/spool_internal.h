// What the files of the spool share: system calls (replaceable, for tests), the format, the walk through a segment.
#ifndef X2TAP_SPOOL_INTERNAL_H
#define X2TAP_SPOOL_INTERNAL_H

#include <sys/types.h>

#include "spool.h"

// ---- system calls

struct spool_io {
	int (*openat)(int directory, const char *name, int flags, mode_t mode);
	ssize_t (*pread)(int fd, void *at, size_t len, off_t offset);
	ssize_t (*pwrite)(int fd, const void *at, size_t len, off_t offset);
	int (*fdatasync)(int fd);
	int (*renameat)(int from_directory, const char *from, int to_directory, const char *to);
	int (*unlinkat)(int directory, const char *name, int flags);
};

extern const struct spool_io spool_io_kernel;

// spool_open() over other system calls; `io` is borrowed for the spool's life.
struct spool *spool_open_over(const struct spool_settings *settings,
	const struct spool_watch *watch, const struct spool_io *io, struct spool_found *found,
	struct error *error);

// ---- format: spool_format.c has the octets

enum {
	SEGMENT_HEADER_LEN = 104,
	SEGMENT_WRAPPED_AT = 48, // where the wrapped key lies
	KEY_CHECK_LEN = 16,
	RECORD_HEADER_LEN = 16,
	RECORD_FIELDS_LEN = 44, // before the PDU
	RECORD_RELEASED_LEN = 8,
	RECORD_MARK_LEN = RECORD_HEADER_LEN + RECORD_RELEASED_LEN + VAULT_TAG_LEN,
	RECORD_LEAST_PDU_LEN = RECORD_HEADER_LEN + RECORD_FIELDS_LEN + VAULT_TAG_LEN,
	RECORD_MAX_LEN = RECORD_HEADER_LEN + RECORD_FIELDS_LEN + SPOOL_MAX_PDU + VAULT_TAG_LEN,
};

// What seals and opens the records of one segment.
struct segment_cipher {
	uint64_t number; // of the segment
	struct uuid did;
	struct vault_sealer *sealer;
};

// Tells one key-encryption key from another without showing anything of it.
int key_check_of(const struct vault_key *kek, uint8_t out[KEY_CHECK_LEN]);

// A header for segment `cipher->number` with a fresh key, and its sealer. 0 or a negative errno.
int segment_header_make(struct segment_cipher *cipher, const struct vault_key *kek,
	const uint8_t check[KEY_CHECK_LEN], uint8_t out[SEGMENT_HEADER_LEN]);

enum header_state {
	HEADER_GOOD,
	HEADER_SCRATCHED, // its key unwraps, but other octets were changed: its records can be read
	HEADER_OTHER_KEY, // whole, and made with another key-encryption key
	HEADER_ERASED,    // its key was overwritten
	HEADER_DAMAGED,
};

// Sets `cipher->sealer` in the first two states.
enum header_state segment_header_open(struct segment_cipher *cipher, const struct vault_key *kek,
	const uint8_t check[KEY_CHECK_LEN], const uint8_t header[SEGMENT_HEADER_LEN]);

enum record_type { RECORD_PDU = 1, RECORD_RELEASED = 2 };

struct record_header {
	enum record_type type;
	uint32_t number; // of the record in the segment
	size_t len;      // of what is sealed, tag included
};

// Whether a header of this segment stands there.
bool record_header_parse(const struct segment_cipher *cipher, const uint8_t at[RECORD_HEADER_LEN],
	struct record_header *out);

// Append a sealed record. 0, -EMSGSIZE or -EIO; then `w` is as it was.
int record_seal_pdu(const struct segment_cipher *cipher, uint32_t number,
	const struct spool_record *record, struct writer *w);
int record_seal_released(
	const struct segment_cipher *cipher, uint32_t number, uint64_t index, struct writer *w);

// Opens in place what follows the header at `at`. RECORD_PDU sets all of `record`, RECORD_RELEASED its index alone. -EBADMSG.
int spool_record_open(const struct segment_cipher *cipher, const struct record_header *header,
	uint8_t *at, struct spool_record *record);

// ---- directory

enum { NAME_ROOM = 48 };

void segment_name(uint64_t number, char out[NAME_ROOM]); // 00000000000000000042.seg
void apart_name(uint64_t number, char out[NAME_ROOM]);   // 00000000000000000042.damaged
void marker_name(uint64_t number, char out[NAME_ROOM]);  // 00000000000000000043.next

// The file descriptor of <directory>/<DID>, made where missing, checked and locked.
int spool_directory_open(const struct spool_settings *settings, struct error *error);

struct listed {
	uint64_t number;
	bool apart;
};

struct listing {
	struct listed *files; // ascending
	size_t count;
	uint64_t next_number; // above all that was ever there
	uint64_t marker;      // number of the marker; 0: none
};

int spool_directory_list(
	int directory, struct listing *out); // 0 or a negative errno; free(out->files)

// Overwrites the wrapped key, then unlinks.
int segment_file_erase(const struct spool_io *io, int directory, const char *name);

// ---- a walk through the records of a segment

enum { WALK_ROOM = 2 * RECORD_MAX_LEN };

struct walk {
	const struct spool_io *io;
	uint8_t *buffer; // WALK_ROOM octets
	int fd;          // -1: closed
	struct segment_cipher cipher;
	uint64_t base;   // offset in the file of buffer[0]
	size_t fill, at; // octets in the buffer, and where the next record begins
	size_t used;     // octets of the buffer that ever held something: to be wiped
	uint32_t number; // of the next record
};

int walk_init(struct walk *w, const struct spool_io *io); // 0 or -ENOMEM
void walk_fini(struct walk *w);                           // wipes

// `state` tells what the header is; only the first two states leave the walk open. 0, or a negative errno. -EINVAL: no
// regular file. -EBADMSG: shorter than a header; `octets` is set.
int walk_open(struct walk *w, int directory, const struct segment_cipher *which,
	const struct vault_key *kek, const uint8_t check[KEY_CHECK_LEN], enum header_state *state,
	uint64_t *octets);
void walk_close(struct walk *w);
void walk_seek(struct walk *w, uint64_t offset, uint32_t number);

static inline uint64_t walk_offset(const struct walk *w)
{
	return w->base + w->at;
}

enum walk_result {
	WALK_PDU,
	WALK_RELEASED, // record->index; 0: it did not open, and says nothing
	WALK_END,
	WALK_TORN,    // what is left is the beginning of a record
	WALK_DAMAGED, // `damaged` PDUs passed over; 0: all that is left, nobody knows how many
	WALK_ERROR,   // it could not be read
};

// The next record of the first `limit` octets of the file. Its PDU is in the buffer until the next call.
enum walk_result walk_next(
	struct walk *w, uint64_t limit, struct spool_record *record, uint64_t *damaged);

// ---- the spool

struct segment {
	struct segment *next; // newer
	uint64_t number;
	uint64_t octets;                  // with the kernel
	uint64_t records, unread;         // PDUs; unread: neither read, skipped nor released
	uint64_t first_index, last_index; // of the PDUs, when there are any
	uint64_t newest_ms;               // of an earlier run: when the latest was offered
	uint64_t begun_ms,
		grown_ms; // of this run: monotonic, when the first and the last record came
	uint64_t damaged; // records found damaged at start, and counted then
	bool ours;        // of this run: to be synced at the end
};

// A segment that does not open at all: kept until a limit is reached, never read.
struct apart {
	struct apart *next;
	uint64_t number, octets, changed_ms;
};

struct spool {
	// constant
	struct spool_settings settings;
	struct spool_watch watch;
	const struct spool_io *io;
	int directory;
	uint8_t check[KEY_CHECK_LEN];

	// what is there
	struct segment *oldest, *newest;
	struct apart *apart;
	uint64_t octets; // with the kernel, of all segments, those apart as well
	uint64_t segments;
	uint64_t next_number, marker; // of segments
	uint64_t next_index;          // above all appended or found
	uint64_t released, noted;     // below: done with; and written so

	// the segment being written: the newest, or NULL
	struct segment *writing;
	int fd;
	struct segment_cipher cipher;
	uint32_t next_record;
	uint8_t *buffer;         // sealed octets; those from `sent` on are not with the kernel
	size_t sent, fill, used; // used: the most it ever held
	bool stuck;              // the last write failed
	uint64_t flushed_below;  // index
	uint64_t idle_since_ms, idle_records;

	// clocks, as of the last spool_tick()
	bool ticked;
	uint64_t monotonic_ms;
	uint64_t offset_ms;  // CLOCK_REALTIME less that, modulo 2^64
	uint64_t ahead_ms;   // how far CLOCK_REALTIME was set forward since the spool was opened
	uint64_t settled_ms; // monotonic: it has not been set since

	// reading
	struct walk reader, survey;
	uint64_t want;         // the least number of the segment to read
	uint64_t start_offset; // in it, when it is not open yet; 0: its beginning
	uint32_t start_record;
	uint64_t unread;
	uint64_t read_below; // index
	uint64_t passed;     // below this index nothing is in `unread`
	unsigned read_errors;
};

// spool.c
int spool_write_out(struct spool *s);
static inline size_t spool_pending(const struct spool *s)
{
	return s->fill - s->sent;
}
void spool_erase_released(struct spool *s);
void spool_tell_segment(struct spool *s, enum spool_event what, uint64_t number, uint64_t records);
void spool_tell_lost(
	struct spool *s, enum spool_loss why, const struct spool_record *record, uint64_t count);
struct spool *spool_new(const struct spool_settings *settings, const struct spool_watch *watch,
	const struct spool_io *io);
void spool_free(struct spool *s);

// spool_read.c
void spool_lose_unread(struct spool *s, struct segment *segment, enum spool_loss why);
void spool_pass_released(struct spool *s);
void spool_forget_unread(struct spool *s, struct segment *segment, uint64_t count);

#endif
