// IRI of one event: X2 PDUs, one for each task and destination.
//
// The payload is made once per event and shared; what differs by task and destination is the header. The control core
// alone; no allocation after iri_new().
#ifndef X2TAP_IRI_PDU_H
#define X2TAP_IRI_PDU_H

#include "event.h"
#include "radius_iri.h"
#include "sequence.h"
#include "sip_iri.h"
#include "task.h"
#include "x2_pdu.h"

enum {
	IRI_HEADER_AIM =
		320, // octets; attribute 18 is left out beyond (x2-wire-format.md 2.5), attribute 17 never
	IRI_MAX_PDU = 65536 + 4096,
};

// What is the same in every PDU of this process.
struct iri_constants {
	struct bytes nfid, did; // did: attribute 5, empty: left out
	struct sip_iri_rules sip;
	struct radius_iri_rules radius;
};

struct iri_counters {
	uint64_t whole, withheld, blanked; // events, by what of the message is reported
	uint64_t
		body_cut; // PDUs whose body was left out because the destination takes no larger PDU
	uint64_t
		lost_too_large; // PDU x destination that was too large even so: shows as a gap at the MF
};

struct iri;
struct iri *iri_new(const struct iri_constants *constants); // borrowed until iri_free()
void iri_free(struct iri *iri);                             // wipes
const struct iri_counters *iri_counters(const struct iri *iri);

// Takes up an event: makes its payload, withheld as the rules say. The event must stay until the next iri_open().
void iri_open(struct iri *iri, const struct event *event);

// Octets of the PDU header of a task, as a worst case without attribute 18: for the warning when it is loaded.
size_t iri_header_len(
	const struct iri_constants *constants, struct bytes ipid, const struct task *task);

// Writes the PDU of the opened event for one task and destination into `out`, whose capacity is the largest PDU that the
// destination takes. A PDU that does not fit leaves its body out; -EMSGSIZE when it does not fit even so (counted).
int iri_write(struct iri *iri, const struct event_task *about, const struct task *task,
	struct bytes ipid, struct sequence sequence, uint16_t version, struct writer *out);

#endif
