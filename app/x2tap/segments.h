// Which segments of the spools must be there, as the audit log of the last run says: those it found, and those it opened, less
// those it erased.
#ifndef X2TAP_SEGMENTS_H
#define X2TAP_SEGMENTS_H

#include "bytes.h"
#include "spool.h"
#include "uuid.h"

struct segments;
struct segments *segments_new(void); // NULL: no memory; the functions below then do nothing
void segments_free(struct segments *s);

// One line of the log since the last start.
void segments_read(struct segments *s, struct bytes line);
// What this run sees: a segment that is found, or erased, is not missing.
void segments_note(
	struct segments *s, const struct uuid *destination, enum spool_event what, uint64_t number);
typedef void segment_teller(void *context, const struct uuid *destination, uint64_t number);
// All that were expected and have not been found yet.
void segments_each(const struct segments *s, segment_teller *tell, void *context);
// Those of a destination (NULL: of all) that were expected and have not been found; told once.
void segments_missing(
	struct segments *s, const struct uuid *destination, segment_teller *tell, void *context);

#endif
