// GTP-C in the captures of others (shared/captures/README.md), which need not be there.
#ifndef X2TAP_GTP_CAPTURES_H
#define X2TAP_GTP_CAPTURES_H

#include "captures.h"
#include "gtp_trace.h"

struct capture_tally {
	unsigned messages, defective, with_leases, ends;
	unsigned sightings; // of subscribers and equipment, and tunnels
	unsigned sessions;
	unsigned orphans; // answers that belong to no session
};

static inline void capture_count(
	struct capture_tally *tally, struct trace *trace, struct bytes frame)
{
	struct signal *s = &trace->signal;
	struct packet p;
	if (packet_parse(frame, &p) != PACKET_UDP ||
		(p.flow.source_port != GTPC_PORT && p.flow.destination_port != GTPC_PORT))
		return;
	if (trace->read(p.payload, &p, &trace_rules, s) != PARSE_OK)
		return;
	unsigned before = trace->sessions, session = trace_session(trace);
	tally->messages++;
	tally->defective += s->defects != 0;
	tally->with_leases += s->lease_count != 0;
	tally->ends += s->ends;
	tally->sightings += s->sighting_count;
	tally->orphans += s->is_answer && (session == 0 || trace->sessions > before);
	tally->sessions = trace->sessions;
}

// False: it is not there.
static inline bool capture_tally(const char *name, signal_reader *read, struct capture_tally *t)
{
	static struct trace trace;
	trace = (struct trace){.read = read};
	*t = (struct capture_tally){0};
	FILE *file = capture_open(name);
	if (!file)
		return false;
	size_t len;
	for (uint8_t *frame; (frame = capture_frame(file, &len)) != NULL; free(frame))
		capture_count(t, &trace, bytes_of(frame, len));
	fclose(file);
	return true;
}

struct capture_wanted {
	const char *name;
	struct capture_tally tally;
};

// Skips when none is there.
static inline void captures_give(
	const struct capture_wanted *wanted, size_t count, signal_reader *read)
{
	unsigned found = 0;
	for (size_t i = 0; i < count; i++) {
		struct capture_tally t;
		if (!capture_tally(wanted[i].name, read, &t))
			continue;
		found++;
		if (memcmp(&t, &wanted[i].tally, sizeof t) != 0)
			fail_msg(
				"%s: %u messages, %u defective, %u with leases, %u ends, %u sightings, %u sessions, %u orphans",
				wanted[i].name, t.messages, t.defective, t.with_leases, t.ends,
				t.sightings, t.sessions, t.orphans);
	}
	captures_were_found(found, count);
}

#endif
