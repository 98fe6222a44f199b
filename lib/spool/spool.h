// The spool of one destination: PDUs that wait on disk, encrypted, in the order in which they were offered.
//
// A directory of segment files. Each has a random 256-bit key of its own, wrapped under the key-encryption key; its records are
// AES-256-GCM with their number in the segment as nonce, and segment number, destination and record header as AAD. A segment
// that was there at start is read, never appended to. A segment is erased by overwriting its wrapped key and then unlinking it.
//
// fsync policy: none while running, but for the page of a wrapped key that is overwritten (unlinked right after, it would never
// reach the disk otherwise). What was flushed survives kill -9 at any octet; a power failure may cost what the kernel
// has not written back (seconds). The segments of this run are synced at a stop. A torn tail, and records that do not
// open, are recognised and counted; what stands before them is delivered.
//
// Records have an index: that of the PDU among all ever offered to this destination, ascending, with gaps (what was confirmed
// before it was 100 ms old never comes here). The control core alone. Calls write(2) and the like, which may take as long as the
// disk takes; errors never change what is already there.
#ifndef X2TAP_SPOOL_H
#define X2TAP_SPOOL_H

#include "bytes.h"
#include "error.h"
#include "uuid.h"
#include "vault.h"

enum { SPOOL_MAX_PDU = 128 * 1024, SPOOL_MIN_SEGMENT = 64 * 1024 }; // octets

struct spool_settings {
	const char *
		directory; // of all spools; this one's is <directory>/<DID>, made with mode 0700; borrowed
	struct uuid did;             // of the destination, or DSID of the destination set
	const struct vault_key *kek; // borrowed
	uint64_t max_octets;         // on disk; when reached the oldest segment gives way
	uint64_t
		segment_octets; // a segment is closed when it has reached this; at least SPOOL_MIN_SEGMENT
	uint64_t max_age_ms; // of a PDU, see spool_tick(); older segments give way; 0: no limit
};

struct spool_record {
	uint64_t index;
	uint64_t offered_ms;  // CLOCK_REALTIME
	struct uuid xid;      // of the task
	uint64_t correlation; // as in the PDU
	uint32_t sequence;
	struct bytes pdu;
};

enum spool_loss { SPOOL_LOST_SIZE, SPOOL_LOST_AGE, SPOOL_LOST_DAMAGED, SPOOL_LOSSES };

enum spool_event { SPOOL_SEGMENT_OPENED, SPOOL_SEGMENT_ERASED, SPOOL_SEGMENT_FOUND };

// What the owner wants to hear of. Called from within the functions below; must not call back into the spool.
struct spool_watch {
	// A record that was neither released, read nor skipped is gone: it gave way. Not called from spool_open(): what was
	// damaged then is in `struct spool_found`. `record->pdu` is empty. Damaged ones are known by number
	// only: `record` is NULL and `count` says how many of those that spool_unread() counted.
	void (*lost)(void *context, enum spool_loss why, const struct spool_record *record,
		uint64_t count);
	// For the audit log: which segments must be there, and how many PDUs are in them.
	void (*segment)(void *context, enum spool_event what, uint64_t number, uint64_t records);
	void *context;
};

struct spool_found {                        // at spool_open()
	uint64_t segments, records, octets; // readable ones, not yet released
	uint64_t torn_tails;                // segments that end in half a record
	// PDUs that do not open, never delivered; 1 for a tail of unknown length. Some of them may have been released.
	uint64_t damaged;
	uint64_t next_index; // above every index found
};

// A segment of which nothing opens is kept as NUMBER.damaged until a limit is reached, then it is the first to give way.

struct spool;
// Makes the directory where it is missing and looks through what is there. NULL with a text: no permission, another process has
// it (flock: -EBUSY), owner or mode wrong (others could write), wrong master key (then nothing is deleted: -EKEYREJECTED). Opens
// every record once, so it takes as long as the disk takes to read them.
struct spool *spool_open(const struct spool_settings *settings, const struct spool_watch *watch,
	struct spool_found *found, struct error *error);
void spool_close(struct spool *s); // flushes, syncs; what is there stays; NULL does nothing

// Other limits from now on: sizes and age, nothing else. What is too much gives way at the next ticks and
// appends, a few segments each.
void spool_set_limits(struct spool *s, const struct spool_settings *settings);

// Appends, into a buffer. -ENOSPC, -EIO ...: the disk did not take what was buffered before; nothing of this record is kept,
// and what the buffer holds is tried again at the next call. -EMSGSIZE. -EINVAL: `record->index` does not ascend.
int spool_append(struct spool *s, const struct spool_record *record);
// Everything appended so far goes to the kernel. 0 or what write(2) said; then it is tried again at the next call.
int spool_flush(struct spool *s);
uint64_t spool_flushed_index(
	const struct spool *s); // all records below it that were appended are with the kernel

// The lowest index that may still be on disk or in the buffer; above all that was appended when nothing is. It only grows.
uint64_t spool_first_index(const struct spool *s);

// The next record that has not been read, oldest first: at first what was found at start. 0; -ENOENT: no more now; -EBADMSG: one
// or more that do not open were passed over and told as lost, call again; -EIO; or what the disk said to what is buffered and
// was to be written out first. A place that cannot be read three times in a row is damaged. The view is good until the next call.
int spool_read(struct spool *s, struct spool_record *out);
// What was appended so far need not be read: it is in memory too. Reading goes on with what is appended from now on.
void spool_skip(struct spool *s);
uint64_t spool_unread(const struct spool *s); // records that spool_read() would still give

// All records below `index` are done with: whole segments of such are erased (the one being written when it is closed, or by
// spool_tick() after a minute without a new record), and of the oldest that stays it is noted (at the
// next flush), so that a restart does not send them again.
void spool_release(struct spool *s, uint64_t index);
// Makes way for limits of size and age (a segment goes when the newest record in it is too old; it is closed when its oldest is
// an eighth of that age). Call every second or so, also while nothing is appended. `now_ms`: CLOCK_REALTIME.
//
// A clock that is set makes nothing old: records of this run age by the monotonic clock since they were appended. Those of an
// earlier one age by CLOCK_REALTIME since they were offered, less what that was set forward since the spool was opened, and
// none goes before it has gone on evenly for ten minutes.
void spool_tick(struct spool *s, uint64_t now_ms, uint64_t monotonic_ms);

uint64_t spool_octets(const struct spool *s); // on disk
uint64_t spool_segments(const struct spool *s);

#endif
