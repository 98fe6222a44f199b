// Signalling events: one message that belongs to at least one task. A worker writes them into its record ring, the control
// core reads them; they own their octets.
#ifndef X2TAP_EVENT_H
#define X2TAP_EVENT_H

#include "packet.h"

enum { EVENT_MAX_TASKS = 64, EVENT_MAX_PAYLOAD = 65536 };

enum event_protocol { EVENT_SIP };

// For one task. What a task is called stands in the control core's target set, by slot.
struct event_task {
	uint32_t slot, generation;
	uint8_t direction; // enum x2_direction values 1 to 5
	// Where attribute 18 comes from: a part of the payload, or length 0. An identity of the same subject, as asserted in the
	// same message (never another party's).
	uint16_t other_offset[2], other_len[2];
	uint8_t other_kind[2]; // enum event_other
};
enum event_other { EVENT_OTHER_NONE, EVENT_OTHER_SIP_URI, EVENT_OTHER_TEL_URI, EVENT_OTHER_IMPI };

// A record: this header, `task_count` struct event_task, then `payload_len` octets. A message of more tasks than
// EVENT_MAX_TASKS is several records.
struct event {
	uint64_t time_ns;     // of the frame, since 1970
	uint64_t correlation; // FNV-1a 64 of the session's name, never 0
	struct flow flow;
	uint16_t point;   // index of the port entry in the configuration: gives the IPID
	uint8_t protocol; // enum event_protocol
	uint8_t task_count;
	uint32_t payload_len;
};

static inline struct event_task *event_tasks(struct event *e)
{
	return (struct event_task *)(void *)(e + 1);
}

static inline uint8_t *event_payload(struct event *e)
{
	return (uint8_t *)(event_tasks(e) + e->task_count);
}

static inline const struct event_task *event_tasks_view(const struct event *e)
{
	return (const struct event_task *)(const void *)(e + 1);
}

static inline struct bytes event_payload_view(const struct event *e)
{
	return bytes_of(event_tasks_view(e) + e->task_count, e->payload_len);
}

static inline size_t event_size(size_t task_count, size_t payload_len)
{
	return sizeof(struct event) + task_count * sizeof(struct event_task) + payload_len;
}

#endif
