// Any octets as SIP payloads, all the way: parsed, matched against a few orders, followed as sessions, written as events and
// reduced to what an IRI-only order may report. The input is a sequence of payloads, each after one octet that moves the
// clock and the addresses and two octets of its length.
#include <stdlib.h>

#include "fuzz.h"
#include "sip_events.h"
#include "sip_iri.h"

enum { TASKS = 6, CAPACITY = 8, RING = 65536, MAX_MESSAGES = 32 };

static const struct hash_key KEY = {9, 10};
static const struct numbering NUMBERING = {"1", "0", "00", NULL, 0};

// What the corpus is about: some of its parties.
static const char *const parties[TASKS] = {"sip:alice@example.com", "sip:bob@example.net",
	"tel:+15550100", "sip:carol@example.org;transport=tcp", "sip:j.user@example.com", NULL};

static void *checked(void *p)
{
	FUZZ_CHECK(p);
	return p;
}

static void fill_identifier(struct target_set *set, struct identifier *to, const char *party)
{
	*to = (struct identifier){.type = IDENTIFIER_SIP_URI, .fragment = ""};
	if (!party) {
		to->type = IDENTIFIER_IPV4_ADDRESS;
		FUZZ_CHECK(address_parse(bytes_of_text("192.0.2.1"), &to->address));
		to->prefix_len = 32;
		return;
	}
	struct sip_uri uri;
	struct identity identity;
	FUZZ_CHECK(sip_uri_parse(bytes_of_text(party), &uri) == PARSE_OK);
	FUZZ_CHECK(identity_of_target_uri(&uri, &NUMBERING, &identity));
	uint8_t *octets = checked(target_set_take(set, identity.len));
	memcpy(octets, identity.octets, identity.len);
	to->identity_kind = identity.kind;
	to->identity = bytes_of(octets, identity.len);
}

static struct target_table *table_new(struct target_set *set)
{
	set->tasks = checked(target_set_take(set, TASKS * sizeof *set->tasks));
	set->task_count = TASKS;
	for (size_t i = 0; i < TASKS; i++) {
		struct identifier *identifier = checked(target_set_take(set, sizeof *identifier));
		fill_identifier(set, identifier, parties[i]);
		set->tasks[i].xid.octets[0] = (uint8_t)i;
		set->tasks[i].identifiers = identifier;
		set->tasks[i].identifier_count = 1;
		set->tasks[i].fingerprint = task_fingerprint(set, &set->tasks[i]);
	}
	struct target_changes changes;
	FUZZ_CHECK(target_set_adopt(set, NULL, CAPACITY, &changes, NULL) == 0);
	return checked(target_table_new(set, CAPACITY, &KEY, &NUMBERING, NULL));
}

static void check_law(const struct sip_events_counters *c)
{
	FUZZ_CHECK(c->matched == c->reported + c->suppressed + c->lost_ring_full +
					 c->lost_too_large + c->lost_too_many_tasks);
}

static void reduce(const struct sip_message *message, bool drop_body)
{
	const struct sip_iri_rules rules = {.drop_body = drop_body};
	struct sip_message again;
	size_t room = message->octets.len + SIP_IRI_GROWTH;
	uint8_t *at = checked(malloc(room));
	struct writer w = writer_of(at, room);
	enum sip_iri_result result = sip_iri_write(message, &rules, &w);
	FUZZ_CHECK(result != SIP_IRI_NO_ROOM && !w.overflow);
	FUZZ_CHECK(sip_parse(writer_bytes(&w), &again) == PARSE_OK);
	FUZZ_CHECK(again.octets.len == w.len);
	if (result == SIP_IRI_WHOLE)
		FUZZ_CHECK(bytes_equal(writer_bytes(&w), message->octets));
	if (result == SIP_IRI_WITHHELD) {
		FUZZ_CHECK(again.has_content_length);
		FUZZ_CHECK(!(again.defects & (SIP_DEFECT_BODY_CUT | SIP_DEFECT_CONTENT_LENGTH)));
		FUZZ_CHECK(!drop_body || again.body.len == 0);
	}
	free(at);
}

static void read_events(struct record_ring *ring)
{
	for (struct bytes record; (record = record_ring_peek(ring)).at;) {
		struct event *e = checked(malloc(record.len));
		memcpy(e, record.at, record.len);
		record_ring_release(ring);
		FUZZ_CHECK(e->task_count > 0 && e->correlation != 0);
		FUZZ_CHECK(event_size(e->task_count, e->payload_len) == record.len);
		for (size_t i = 0; i < e->task_count; i++) {
			const struct event_task *task = &event_tasks(e)[i];
			FUZZ_CHECK(task->direction >= 1 && task->direction <= 3);
			for (size_t j = 0; j < 2; j++)
				FUZZ_CHECK((size_t)task->other_offset[j] + task->other_len[j] <=
					   e->payload_len);
		}
		struct sip_message message;
		FUZZ_CHECK(sip_parse(bytes_of(event_payload(e), e->payload_len), &message) ==
			   PARSE_OK);
		reduce(&message, false);
		reduce(&message, true);
		free(e);
	}
}

static struct flow flow_of(uint8_t choice)
{
	struct flow flow = {.source_port = 5060, .destination_port = 5060, .protocol = 17};
	FUZZ_CHECK(address_parse(
		bytes_of_text(choice & 1 ? "192.0.2.1" : "198.51.100.1"), &flow.source));
	FUZZ_CHECK(address_parse(
		bytes_of_text(choice & 2 ? "192.0.2.1" : "198.51.100.2"), &flow.destination));
	return flow;
}

static uint64_t clock_moved(uint64_t time_ns, uint8_t choice)
{
	static const uint64_t steps[] = {0, 1000000, 20000000000, 40000000000000};
	uint64_t step = steps[choice >> 2 & 3];
	return choice & 16 ? time_ns - step : time_ns + step; // wraps, and must not matter
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sip_events_config config = {.max_sessions = 2,
		.max_duplicates = 4,
		.duplicate_window_ns = 32000000000,
		.session_idle_ns = 3600000000000,
		.trust_from = true,
		.max_tasks = 4};
	struct target_set *set = checked(target_set_new());
	struct target_table *table = table_new(set);
	struct sip_events *events = checked(sip_events_new(&config, &KEY));
	struct record_ring *ring = checked(record_ring_new(RING));

	struct reader r = reader_of(bytes_of(data, size));
	uint64_t time_ns = 1700000000000000000;
	for (unsigned i = 0; i < MAX_MESSAGES && reader_left(&r); i++) {
		uint8_t choice = read_u8(&r);
		size_t len = read_be16(&r);
		struct bytes payload =
			read_bytes(&r, len < reader_left(&r) ? len : reader_left(&r));
		time_ns = clock_moved(time_ns, choice);
		struct flow flow = flow_of(choice);
		uint8_t *exact = checked(malloc(payload.len + 1));
		if (payload.len)
			memcpy(exact, payload.at, payload.len);
		struct sip_message message;
		if (sip_parse(bytes_of(exact, payload.len), &message) == PARSE_OK) {
			FUZZ_CHECK(sip_owner(&KEY, &message, 3) < 3);
			sip_events_take(events, table, &message, &flow, 0, time_ns, ring);
			check_law(sip_events_counters(events));
			reduce(&message, choice & 32);
		}
		free(exact);
		if (choice & 64)
			read_events(ring);
	}
	read_events(ring);
	record_ring_free(ring);
	sip_events_free(events);
	target_table_free(table);
	target_set_free(set);
	return 0;
}
