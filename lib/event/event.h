// Signalling events: one message that belongs to at least one task. A worker writes them into its record ring, the control
// core reads them; they own their octets.
#ifndef X2TAP_EVENT_H
#define X2TAP_EVENT_H

#include "packet.h"

enum { EVENT_MAX_TASKS = 64, EVENT_MAX_PAYLOAD = 65536, EVENT_MAX_IDENTITIES = 8 };

// What the payload is.
enum event_protocol {
	EVENT_SIP, // the message, as are:
	EVENT_DHCP,
	EVENT_RADIUS,
	EVENT_GTPC, // the whole IP packet of the message
	EVENT_PROTOCOLS
};

// Values of X2's payload direction (TS 103 221-2 table 5.2.6-1).
enum direction { DIRECTION_UNKNOWN = 1, DIRECTION_TO_TARGET = 2, DIRECTION_FROM_TARGET = 3 };

// For one task. What a task is called stands in the control core's target set, by slot.
struct event_task {
	uint32_t slot, generation;
	uint8_t direction; // enum direction
	// Where attribute 18 comes from: a part of the payload, or length 0. An identity of the same subject, as asserted in the
	// same message (never another party's).
	uint16_t other_offset[2], other_len[2];
	uint8_t other_kind[2]; // enum event_other
	uint8_t identities; // likewise, of the event's identities: bit i says that the i-th is such a one
};
enum event_other { EVENT_OTHER_NONE, EVENT_OTHER_SIP_URI, EVENT_OTHER_TEL_URI, EVENT_OTHER_IMPI };

// An identity of the subscriber that a message shows in a form of its own.
struct event_identity {
	uint8_t kind; // enum event_identity_kind
	uint8_t len;
	char text[254]; // as X1 writes it
};
enum event_identity_kind {
	EVENT_IDENTITY_NAI,
	EVENT_IDENTITY_NUMBER,
	EVENT_IDENTITY_IMSI,
	EVENT_IDENTITY_IMEI,
	EVENT_IDENTITY_IMEISV,
	EVENT_IDENTITY_MAC,
};

// A record: this header, `task_count` struct event_task, `identity_count` struct event_identity, then `payload_len` octets. A
// message of more tasks than EVENT_MAX_TASKS is several records.
struct event {
	uint64_t time_ns;     // of the frame, since 1970
	uint64_t correlation; // FNV-1a 64 of the session's name or random, never 0
	struct flow flow;
	uint16_t point;   // index of the port entry in the configuration: gives the IPID
	uint8_t protocol; // enum event_protocol
	uint8_t task_count;
	uint8_t identity_count;
	uint32_t payload_len;
};

static inline struct event_task *event_tasks(struct event *e)
{
	return (struct event_task *)(void *)(e + 1);
}

static inline struct event_identity *event_identities(struct event *e)
{
	return (struct event_identity *)(void *)(event_tasks(e) + e->task_count);
}

static inline uint8_t *event_payload(struct event *e)
{
	return (uint8_t *)(event_identities(e) + e->identity_count);
}

static inline const struct event_task *event_tasks_view(const struct event *e)
{
	return (const struct event_task *)(const void *)(e + 1);
}

static inline const struct event_identity *event_identities_view(const struct event *e)
{
	return (const struct event_identity *)(const void *)(event_tasks_view(e) + e->task_count);
}

static inline struct bytes event_payload_view(const struct event *e)
{
	return bytes_of(event_identities_view(e) + e->identity_count, e->payload_len);
}

static inline size_t event_size(size_t task_count, size_t payload_len, size_t identity_count)
{
	return sizeof(struct event) + task_count * sizeof(struct event_task) +
	       identity_count * sizeof(struct event_identity) + payload_len;
}

#endif
