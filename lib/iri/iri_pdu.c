#include "iri_pdu.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PAYLOAD_ROOM = EVENT_MAX_PAYLOAD + 64,
	OTHERS_MAX = 2 + EVENT_MAX_IDENTITIES, // of one PDU, as long as they fit
	OTHER_ROOM = 2048,
};

struct iri;

// What became of an event's payload.
enum made { MADE_WHOLE, MADE_WITHHELD, MADE_BLANKED, MADE_NOT };

// How the events of a protocol are reported: one row each.
struct form {
	// Writes the payload; `reduced`: without what may be left out of it. MADE_NOT: it cannot be, nothing useful was written.
	enum made (*make)(struct iri *iri, bool reduced, struct writer *to);
	enum x2_payload_format ipv4, ipv6; // by the packet's family
	bool can_be_reduced;
};

struct iri {
	const struct iri_constants *constants;
	struct iri_counters counters;
	const struct event *event;
	const struct form *form;
	bool has_reduced; // `reduced` is made
	struct sip_message message;
	struct bytes payload;       // in `whole`; empty: it cannot be reported
	struct bytes small_payload; // in `reduced`: without its body
	uint8_t whole[PAYLOAD_ROOM], reduced[PAYLOAD_ROOM];
};

// --- forms -----------------------------------------------------------------------------------------------------

static enum made make_sip(struct iri *iri, bool reduced, struct writer *to)
{
	struct sip_iri_rules rules = iri->constants->sip;
	rules.drop_body = reduced;
	// The worker read the same octets, so this cannot fail.
	if (sip_parse(event_payload_view(iri->event), &iri->message) != PARSE_OK)
		return MADE_NOT;
	switch (sip_iri_write(&iri->message, &rules, to)) {
	case SIP_IRI_WHOLE:
		return MADE_WHOLE;
	case SIP_IRI_WITHHELD:
		return MADE_WITHHELD;
	case SIP_IRI_BLANKED:
		return MADE_BLANKED;
	case SIP_IRI_NO_ROOM:
		break;
	}
	return MADE_NOT;
}

static enum made make_radius(struct iri *iri, bool reduced, struct writer *to)
{
	(void)reduced;
	switch (radius_iri_write(event_payload_view(iri->event), &iri->constants->radius, to)) {
	case RADIUS_IRI_WHOLE:
		return MADE_WHOLE;
	case RADIUS_IRI_BLANKED:
		return MADE_BLANKED;
	case RADIUS_IRI_NO_ROOM:
		break;
	}
	return MADE_NOT;
}

static enum made make_as_it_is(struct iri *iri, bool reduced, struct writer *to)
{
	(void)reduced;
	write_bytes(to, event_payload_view(iri->event));
	return to->overflow ? MADE_NOT : MADE_WHOLE;
}

static const struct form forms[EVENT_PROTOCOLS] = {
	[EVENT_SIP] = {make_sip, X2_FORMAT_SIP, X2_FORMAT_SIP, true},
	[EVENT_DHCP] = {make_as_it_is, X2_FORMAT_DHCP, X2_FORMAT_DHCP, false},
	[EVENT_RADIUS] = {make_radius, X2_FORMAT_RADIUS, X2_FORMAT_RADIUS, false},
	[EVENT_GTPC] = {make_as_it_is, X2_FORMAT_IPV4, X2_FORMAT_IPV6, false},
};

// --- life ------------------------------------------------------------------------------------------------------

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

// --- payload ---------------------------------------------------------------------------------------------------

void iri_open(struct iri *iri, const struct event *event)
{
	iri->event = event;
	iri->form = &forms[event->protocol];
	iri->has_reduced = false;
	struct writer w = writer_of(iri->whole, sizeof iri->whole);
	enum made made = iri->form->make(iri, false, &w);
	iri->counters.whole += made == MADE_WHOLE;
	iri->counters.withheld += made == MADE_WITHHELD;
	iri->counters.blanked += made == MADE_BLANKED;
	iri->payload = made == MADE_NOT ? (struct bytes){NULL, 0} : writer_bytes(&w);
}

static struct bytes small_payload(struct iri *iri)
{
	if (!iri->form->can_be_reduced)
		return iri->payload;
	if (!iri->has_reduced) {
		struct writer w = writer_of(iri->reduced, sizeof iri->reduced);
		bool made = iri->form->make(iri, true, &w) != MADE_NOT;
		iri->small_payload = made ? writer_bytes(&w) : (struct bytes){NULL, 0};
		iri->has_reduced = true;
	}
	return iri->small_payload;
}

// --- PDUs ------------------------------------------------------------------------------------------------------

static size_t matched_of(const struct task *task, struct bytes out[TASK_MAX_IDENTIFIERS])
{
	for (size_t i = 0; i < task->identifier_count; i++)
		out[i] = bytes_of_text(task->identifiers[i].fragment);
	return task->identifier_count;
}

static const char *const other_elements[] = {NULL, "sipUri", "telUri", "impi"};
static const char *const identity_elements[] = {
	[EVENT_IDENTITY_NAI] = "nai",
	[EVENT_IDENTITY_NUMBER] = "e164Number",
	[EVENT_IDENTITY_IMSI] = "imsi",
	[EVENT_IDENTITY_IMEI] = "imei",
	[EVENT_IDENTITY_IMEISV] = "peiImeisv",
	[EVENT_IDENTITY_MAC] = "macAddress",
};

struct others {
	struct bytes list[OTHERS_MAX];
	size_t count;
};

static void add_other(
	struct others *others, struct writer *room, const char *element, struct bytes text)
{
	size_t start = room->len;
	x2_identifier_write(room, element, text);
	if (!room->overflow && others->count < OTHERS_MAX)
		others->list[others->count++] = bytes_of(room->at + start, room->len - start);
}

// Attribute 18: other identities of the same subject.
static void others_of(const struct iri *iri, const struct event_task *about, struct writer *room,
	struct others *out)
{
	struct bytes payload = event_payload_view(iri->event);
	out->count = 0;
	for (size_t i = 0; i < 2; i++)
		if (about->other_kind[i] != EVENT_OTHER_NONE &&
			about->other_kind[i] < sizeof other_elements / sizeof *other_elements)
			add_other(out, room, other_elements[about->other_kind[i]],
				bytes_slice(payload, about->other_offset[i], about->other_len[i]));
	const struct event_identity *identities = event_identities_view(iri->event);
	for (size_t i = 0; i < iri->event->identity_count; i++)
		if (about->identities >> i & 1)
			add_other(out, room, identity_elements[identities[i].kind],
				bytes_of(identities[i].text, identities[i].len));
}

static struct x2_pdu pdu_of(const struct iri_constants *constants, struct bytes ipid,
	const struct task *task, const struct bytes *matched, size_t matched_count)
{
	return (struct x2_pdu){
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
	uint8_t other_room[OTHER_ROOM];
	struct writer room = writer_of(other_room, sizeof other_room);
	struct bytes matched[TASK_MAX_IDENTIFIERS];
	struct others others;
	others_of(iri, about, &room, &others);
	struct x2_pdu pdu = pdu_of(iri->constants, ipid, task, matched, matched_of(task, matched));
	pdu.format = event->flow.source.family == 6 ? iri->form->ipv6 : iri->form->ipv4;
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
	pdu.other = others.list;
	pdu.other_count = others.count;
	while (pdu.other_count > 0 && x2_pdu_header_len(&pdu) > IRI_HEADER_AIM)
		pdu.other_count--;
	pdu.payload = iri->payload;
	if (x2_pdu_header_len(&pdu) + pdu.payload.len > out->cap)
		pdu.payload = small_payload(iri);
	if (pdu.payload.len == 0 || x2_pdu_write(out, &pdu) != 0) {
		iri->counters.lost_too_large++;
		return -EMSGSIZE;
	}
	iri->counters.body_cut += pdu.payload.at == iri->reduced;
	return 0;
}
