// Any octets as SIP payloads, all the way: parsed, matched against a few orders, followed as sessions, written as events and
// reduced to what an IRI-only order may report. The input is a sequence of payloads, each after one octet that moves the
// clock and the addresses and two octets of its length.
#include "orders.h"
#include "sip_iri.h"

enum { RING = 65536, MAX_MESSAGES = 32 };

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
		struct sip_message message;
		struct event *e = event_checked(record, &message);
		record_ring_release(ring);
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

// One GTP-U tunnel, or none.
static struct encapsulation outer_of(uint8_t choice)
{
	if (!(choice & 128))
		return (struct encapsulation){.tunnels = 0};
	return (struct encapsulation){.flow_count = 1,
		.flows = {flow_of(choice >> 1)},
		.teid_count = 1,
		.teids = {choice & 15},
		.tunnels = 1};
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
	struct sip_events *events = checked(sip_events_new(&config, &ORDERS_KEY));
	struct record_ring *ring = checked(record_ring_new(RING));

	struct reader r = reader_of(bytes_of(data, size));
	uint64_t time_ns = 1700000000000000000;
	for (unsigned i = 0; i < MAX_MESSAGES && reader_left(&r); i++) {
		uint8_t choice = read_u8(&r);
		size_t len = read_be16(&r);
		struct bytes payload =
			read_bytes(&r, len < reader_left(&r) ? len : reader_left(&r));
		time_ns = clock_moved(time_ns, choice);
		const struct packet packet = {.flow = flow_of(choice), .outer = outer_of(choice)};
		uint8_t *exact = checked(malloc(payload.len + 1));
		if (payload.len)
			memcpy(exact, payload.at, payload.len);
		struct sip_message message;
		if (sip_parse(bytes_of(exact, payload.len), &message) == PARSE_OK) {
			FUZZ_CHECK(sip_owner(&ORDERS_KEY, &message, 3) < 3);
			sip_events_take(events, orders(), &message, &packet, NULL, time_ns, ring);
			sip_events_law(sip_events_counters(events));
			reduce(&message, choice & 32);
		}
		free(exact);
		if (choice & 64)
			read_events(ring);
	}
	read_events(ring);
	record_ring_free(ring);
	sip_events_free(events);
	return 0;
}
