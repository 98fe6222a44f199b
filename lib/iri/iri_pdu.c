#include "iri_pdu.h"

#include <errno.h>
#include <stdlib.h>

enum { PAYLOAD_ROOM = EVENT_MAX_PAYLOAD + 64, OTHER_ROOM = 1024 };

struct iri {
	const struct iri_constants *constants;
	struct iri_counters counters;
	const struct event *event;
	bool readable;    // the payload is a SIP message (it was one when the worker took it)
	bool has_reduced; // `reduced` is made
	struct sip_message message;
	struct bytes payload;       // in `whole`
	struct bytes small_payload; // in `reduced`: without its body
	uint8_t whole[PAYLOAD_ROOM], reduced[PAYLOAD_ROOM];
};

struct iri *iri_new(const struct iri_constants *constants)
{
	struct iri *iri = calloc(1, sizeof *iri);
	if (iri)
		iri->constants = constants;
	return iri;
}

void iri_free(struct iri *iri)
{
	if (!iri)
		return;
	explicit_bzero(iri, sizeof *iri);
	free(iri);
}

const struct iri_counters *iri_counters(const struct iri *iri)
{
	return &iri->counters;
}

static struct bytes make_payload(
	struct iri *iri, bool drop_body, uint8_t *room, enum sip_iri_result *result)
{
	struct sip_iri_rules rules = iri->constants->sip;
	rules.drop_body = drop_body;
	struct writer w = writer_of(room, PAYLOAD_ROOM);
	*result = sip_iri_write(&iri->message, &rules, &w);
	return writer_bytes(&w);
}

void iri_open(struct iri *iri, const struct event *event)
{
	iri->event = event;
	iri->has_reduced = false;
	iri->payload = (struct bytes){NULL, 0};
	iri->readable = sip_parse(event_payload_view(event), &iri->message) == PARSE_OK;
	if (!iri->readable)
		return; // cannot be: the worker read the same octets; iri_write() then counts it as lost
	enum sip_iri_result result;
	iri->payload = make_payload(iri, false, iri->whole, &result);
	iri->counters.whole += result == SIP_IRI_WHOLE;
	iri->counters.withheld += result == SIP_IRI_WITHHELD;
	iri->counters.blanked += result == SIP_IRI_BLANKED;
	iri->readable = result != SIP_IRI_NO_ROOM;
}

static size_t matched_of(const struct task *task, struct bytes out[TASK_MAX_IDENTIFIERS])
{
	for (size_t i = 0; i < task->identifier_count; i++)
		out[i] = bytes_of_text(task->identifiers[i].fragment);
	return task->identifier_count;
}

// Attribute 18: other identities of the same subject, while the header stays within IRI_HEADER_AIM.
static size_t others_of(const struct iri *iri, const struct event_task *about, struct writer *room,
	struct bytes out[2])
{
	static const char *const elements[] = {NULL, "sipUri", "telUri", "impi"};
	struct bytes payload = event_payload_view(iri->event);
	size_t count = 0;
	for (size_t i = 0; i < 2; i++) {
		if (about->other_kind[i] == EVENT_OTHER_NONE ||
			about->other_kind[i] >= sizeof elements / sizeof *elements)
			continue;
		struct bytes text =
			bytes_slice(payload, about->other_offset[i], about->other_len[i]);
		size_t start = room->len;
		x2_identifier_write(room, elements[about->other_kind[i]], text);
		if (!room->overflow)
			out[count++] = bytes_of(room->at + start, room->len - start);
	}
	return count;
}

static struct x2_pdu pdu_of(const struct iri_constants *constants, struct bytes ipid,
	const struct task *task, const struct bytes *matched, size_t matched_count)
{
	return (struct x2_pdu){
		.format = X2_FORMAT_SIP,
		.xid = task->header_xid,
		.did = constants->did,
		.nfid = constants->nfid,
		.ipid = ipid,
		.has_ports = true,
		.has_protocol = true,
		.matched = matched,
		.matched_count = matched_count,
	};
}

size_t iri_header_len(
	const struct iri_constants *constants, struct bytes ipid, const struct task *task)
{
	static const uint8_t ipv6[16];
	struct bytes matched[TASK_MAX_IDENTIFIERS];
	struct x2_pdu pdu = pdu_of(constants, ipid, task, matched, matched_of(task, matched));
	pdu.source = pdu.destination = bytes_of(ipv6, sizeof ipv6);
	return x2_pdu_header_len(&pdu);
}

static struct bytes address_octets(const struct address *a)
{
	return bytes_of(a->octets, a->family == 4 ? 4 : 16);
}

int iri_write(struct iri *iri, const struct event_task *about, const struct task *task,
	struct bytes ipid, struct sequence sequence, uint16_t version, struct writer *out)
{
	const struct event *event = iri->event;
	if (!iri->readable)
		goto too_large;
	uint8_t other_room[OTHER_ROOM];
	struct writer room = writer_of(other_room, sizeof other_room);
	struct bytes matched[TASK_MAX_IDENTIFIERS], others[2];
	struct x2_pdu pdu = pdu_of(iri->constants, ipid, task, matched, matched_of(task, matched));
	pdu.version = version;
	pdu.direction = (enum x2_direction)about->direction;
	pdu.correlation = sequence.correlation;
	pdu.sequence = sequence.number;
	pdu.time_ns = event->time_ns;
	pdu.source = address_octets(&event->flow.source);
	pdu.destination = address_octets(&event->flow.destination);
	pdu.source_port = event->flow.source_port;
	pdu.destination_port = event->flow.destination_port;
	pdu.protocol = event->flow.protocol;
	pdu.other = others;
	pdu.other_count = others_of(iri, about, &room, others);
	while (pdu.other_count > 0 && x2_pdu_header_len(&pdu) > IRI_HEADER_AIM)
		pdu.other_count--;
	pdu.payload = iri->payload;
	if (x2_pdu_header_len(&pdu) + pdu.payload.len > out->cap) {
		if (!iri->has_reduced) {
			enum sip_iri_result ignored;
			iri->small_payload = make_payload(iri, true, iri->reduced, &ignored);
			iri->has_reduced = true;
		}
		pdu.payload = iri->small_payload;
	}
	if (pdu.payload.len == 0 || x2_pdu_write(out, &pdu) != 0)
		goto too_large;
	iri->counters.body_cut += pdu.payload.at == iri->reduced;
	return 0;
too_large:
	iri->counters.lost_too_large++;
	return -EMSGSIZE;
}
