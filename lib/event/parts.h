// The tasks that have a part in the message at hand, each once. One thread; memory is taken at start.
#ifndef X2TAP_PARTS_H
#define X2TAP_PARTS_H

#include "event.h"
#include "sip_identities.h"
#include "sip_services.h"
#include "target_table.h"

struct part {
	uint32_t slot, generation;
	uint32_t roles; // of the identity in this message; 0: none, or known by its session alone
	uint8_t ends, bound; // as in struct match
	uint8_t services;    // of the task, as in struct match
	bool in_session;     // the session knows it already
	bool wanted;         // the message is of a service of the task
	bool subscriber; // of other signalling: the task names whom it is about, so its ways are the target's
	// of SIP messages
	enum sip_share share;
	enum sip_side side;
};

// Whether the message belongs to the task for nothing but an end of its packet, which bindings or Ethernet addresses say is the
// target's now. Such a message lends the rest of its session no title: who has the address next is somebody else.
static inline bool part_is_of_end_alone(const struct part *part)
{
	return part->bound && part->roles == 0 && !(part->bound & END_NEITHER);
}

// The direction that the ends of the packet tell: those of the task's addresses, else those that are bound to its identity.
static inline enum direction part_direction_of_ends(const struct part *part)
{
	uint8_t ends = part->ends ? part->ends : part->bound & (END_SOURCE | END_DESTINATION);
	return ends == END_SOURCE        ? DIRECTION_FROM_TARGET
	       : ends == END_DESTINATION ? DIRECTION_TO_TARGET
	                                 : DIRECTION_UNKNOWN;
}

struct parts {
	struct part *list;
	uint32_t count, max;
	struct {
		uint32_t epoch, index;
	} * places; // hash of the slots; a place of another epoch is free
	uint32_t place_mask, epoch;
};

// 0 or -ENOMEM. parts_fini() also when it failed.
int parts_init(struct parts *p, uint32_t max);
void parts_fini(struct parts *p);

void parts_clear(struct parts *p);
// NULL: the task has no part.
struct part *parts_find(const struct parts *p, uint32_t slot);
// NULL when there are too many. The slot must not be there yet.
struct part *parts_add(struct parts *p, uint32_t slot, uint32_t generation);

#endif
