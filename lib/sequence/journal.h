// The journal of sequence numbers: one file of a fixed size, a slot of 64 octets for each context, overwritten in place.
//
// What a slot means is decided in sequence*.c; here are the file, its header and its checks. A fresh file, or one of another
// capacity, is made whole beside the old one and then takes its name. Slots that do not verify are counted, never used.
#ifndef X2TAP_JOURNAL_H
#define X2TAP_JOURNAL_H

#include "error.h"
#include "hash.h"
#include "uuid.h"

enum {
	JOURNAL_SLOTS_AT = 4096, // octets of the file before the first slot: the header, and room
	JOURNAL_HEADER = 128,
	JOURNAL_SLOT = 64,
	JOURNAL_VERSION = 1,
};

enum {
	JOURNAL_RENEW = 1
}; // flag: numbers may be missing here, so the context needs a fresh salt before it is used again

struct journal_slot {
	struct uuid xid;
	uint64_t point; // digest of DID attribute, NFID and IPID under the key of the file
	uint64_t asked,
		sent; // correlation ids; `sent` is never 0, so that no slot in use is all zeros
	uint32_t next, safe;
	uint32_t used_s; // CLOCK_REALTIME
	uint16_t jumps;  // how often SEQUENCE_JUMP stands between what was given and `next`
	uint16_t flags;
};

struct journal {
	int fd; // -1: none
	char *path;
	uint32_t capacity;
	struct hash_key key; // of the file, made with it
	char boot_id[37];    // of now
	uint64_t given_up;   // as the header says
	bool clean;          // as found: the last run ended it
	bool same_boot;      // as found: the host has not gone down since
	bool stale;          // as found: the last run could not write to it in the end
	bool cut;            // as found: shorter than it should be
	bool renewed; // made instead of a damaged one (now <path>.damaged): knows nothing of what was given
};

// Opens and locks the file, or makes it. `boot_id` NULL: the kernel's. Negative errno with a text: no room (-ENOSPC), no
// permission, a link, another owner, others may write or read, another process has it (-EWOULDBLOCK), no journal (-EBADMSG),
// another version (-EPROTO). The file is then as it was.
int journal_open(struct journal *j, const char *path, uint32_t capacity, const char *boot_id,
	struct error *error);
void journal_close(struct journal *j);

struct journal_entry {
	struct journal_slot slot;
	uint32_t index; // of the slot in the file
};
struct journal_found {
	struct journal_entry *entries; // least recently used first; journal_found_free()
	uint32_t count;
	uint32_t *damaged_at; // indexes of slots that do not verify
	uint32_t damaged;
};
// Changes nothing. What was cut off counts as empty here.
int journal_load(struct journal *j, struct journal_found *out, struct error *error);
void journal_found_free(struct journal_found *found);
// Empties the damaged slots and gives the file its size. After the header that says so is stored: an empty slot tells that
// nothing was given there.
int journal_repair(struct journal *j, const struct journal_found *found);

// Makes a file of another capacity with these contexts in its first slots, and gives it the name. As it was when it fails.
int journal_resize(struct journal *j, const struct journal_entry *entries, uint32_t count,
	uint32_t capacity, struct error *error);

// 0 or a negative errno; a short write is -EIO. NULL empties the slot.
int journal_store(struct journal *j, uint32_t index, const struct journal_slot *slot);
int journal_store_header(struct journal *j, uint64_t given_up, bool clean);
int journal_sync(struct journal *j);
// Leaves a trace that needs no octet written: the owner's execute bit. A restart then renews every context.
int journal_mark_stale(struct journal *j, bool stale);

#endif
