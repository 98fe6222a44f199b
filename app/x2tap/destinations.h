// Destinations of the target file and destination sets, with what x2tap.yaml says of them, as delivery wants them.
//
// The control core alone.
#ifndef X2TAP_DESTINATIONS_H
#define X2TAP_DESTINATIONS_H

#include "config.h"
#include "delivery.h"
#include "faults.h"
#include "record.h"
#include "task.h"

// How PDUs for a destination are written.
struct destination_form {
	bool is_set;      // false: there is no way to reach it, PDUs for it are lost
	uint16_t version; // of the header
	uint32_t max_pdu; // octets
};

struct destinations;
// All is borrowed. NULL: no memory.
struct destinations *destinations_new(
	const struct config *config, struct faults *faults, struct record *record);
void destinations_free(struct destinations *d); // wipes; after delivery_free()

// Reads the master key of the spools. Without it there is a fault, and PDUs wait in memory alone. At start, and at a reload; where
// no spool could be opened under it, it is read again with the next orders.
void destinations_load_key(struct destinations *d);

// Sets and removes destinations, so that those of `fresh` are there, and only those. 0 or -ENOMEM, and nothing has changed.
int destinations_take_over(struct destinations *d, struct delivery *delivery,
	const struct target_set *fresh, const struct target_set *current);
// Of the destination with this index in the set that was taken over last.
const struct destination_form *destinations_form(const struct destinations *d, size_t index);
const struct config_destination *destinations_settings(
	const struct config *config, const struct uuid *did); // or NULL

#endif
