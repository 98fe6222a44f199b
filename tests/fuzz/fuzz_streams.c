// Any segments of a few streams, with SIP in them or anything else: the laws hold, whoever watches is told of each stream once,
// and no octets are put together that did not lie together. The input is a script: two octets of limits, then a head of eight
// octets for each segment, and its payload where that is the script's own. Other payloads are parts of an endless dialog, as they
// lie there.
#include "fuzz.h"
#include "sip.h"
#include "sip_framing.h"
#include "streams.h"

enum { SIDES = 3, STEPS = 96, BEGUN_ROOM = 4 * STEPS, PAYLOAD_MAX = 65536 };
static const struct hash_key KEY = {11, 12};
// Sequence number of the dialog's first octet: they wrap early on.
static const uint32_t BASE = 0xffffff00;

static const char DIALOG[] =
	"INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n"
	"From: <sip:alice@example.com>;tag=1\r\nTo: <sip:bob@example.net>\r\n"
	"Call-ID: 1@example.com\r\nCSeq: 1 INVITE\r\nContent-Length: 10\r\n\r\nv=0\r\ns=-\r\n"
	"SIP/2.0 200 OK\r\nf: <sip:alice@example.com>;tag=1\r\nt: <sip:bob@example.net>;tag=2\r\n"
	"i: 1@example.com\r\nCSeq: 1 INVITE\r\nl: 0\r\n\r\n\r\n\r\n"
	"MESSAGE tel:+15550100 SIP/2.0\r\nFrom: <sip:alice@example.com>;tag=3\r\n"
	"To: <tel:+15550100>\r\nCall-ID: 2@example.com\r\nCSeq: 1 MESSAGE\r\n"
	"Content-Length: 600\r\n\r\n";
enum { DIALOG_HEADS = sizeof DIALOG - 1, DIALOG_LEN = DIALOG_HEADS + 600 };

struct run {
	struct streams *streams;
	uint32_t max_message;
	uint64_t heard;
	bool strange; // a payload was the script's own
	uint32_t begun, active;
	bool followed[BEGUN_ROOM]; // by mark
	struct digest names[BEGUN_ROOM];
};

static uint8_t dialog_octet(size_t at)
{
	return at < DIALOG_HEADS ? (uint8_t)DIALOG[at] : 'x';
}

// `len` octets of the dialog, at most PAYLOAD_MAX.
static struct bytes dialog_at(uint64_t position, size_t len)
{
	static uint8_t octets[DIALOG_LEN + PAYLOAD_MAX];
	if (octets[0] == 0)
		for (size_t i = 0; i < sizeof octets; i++)
			octets[i] = dialog_octet(i % DIALOG_LEN);
	return bytes_of(octets + position % DIALOG_LEN, len);
}

static bool is_part_of_dialog(struct bytes octets)
{
	size_t start = 0;
	while (start < DIALOG_LEN && !bytes_equal(octets, dialog_at(start, octets.len)))
		start++;
	return start < DIALOG_LEN;
}

static void hear(void *context, struct bytes message, const struct packet *at, uint64_t time_ns)
{
	struct run *run = context;
	(void)time_ns;
	run->heard++;
	FUZZ_CHECK(message.len > 0 && message.len <= run->max_message);
	FUZZ_CHECK(at->flow.protocol == 6);
	FUZZ_CHECK(run->strange || is_part_of_dialog(message));
	static struct sip_message parsed;
	enum parse_result result = sip_parse(message, &parsed);
	FUZZ_CHECK(result != PARSE_OK || fuzz_lies_in(parsed.octets, message));
}

static uint32_t stream_begins(void *context, const struct packet *segment, bool expected)
{
	struct run *run = context;
	(void)expected;
	FUZZ_CHECK(run->begun < BEGUN_ROOM);
	run->names[run->begun] = streams_name(&KEY, segment);
	run->followed[run->begun] = true;
	run->active++;
	return run->begun++;
}

static void stream_ceases(void *context, const struct digest *name, uint32_t mark)
{
	struct run *run = context;
	FUZZ_CHECK(mark < run->begun && run->followed[mark]);
	FUZZ_CHECK(name->low == run->names[mark].low && name->high == run->names[mark].high);
	run->followed[mark] = false;
	run->active--;
}

static void check_laws(const struct run *run)
{
	const struct streams_counters *c = streams_counters(run->streams);
	uint64_t over = c->ended + c->idle + c->given_up;
	for (unsigned i = 0; i < FRAMING_REASONS; i++)
		over += c->let_go[i];
	FUZZ_CHECK(c->opened == over + streams_followed(run->streams));
	uint64_t placed = c->in_order + c->out_of_order + c->repeated + c->out_of_window;
	FUZZ_CHECK(c->segments == placed + c->not_followed + c->no_memory);
	FUZZ_CHECK(run->heard == c->messages + c->messages_cut + c->messages_too_long);
	FUZZ_CHECK(run->begun == c->opened);
	FUZZ_CHECK(run->active == streams_followed(run->streams));
	for (uint32_t i = 0; i < run->begun; i++)
		FUZZ_CHECK(!run->followed[i] || streams_follow(run->streams, &run->names[i]));
}

// Two directions of a connection, and the first once more in a tunnel.
static struct packet segment_of(unsigned side)
{
	struct packet p = {.flow = {.source_port = 40000, .destination_port = 5060, .protocol = 6},
		.outer = {.scope = side == 2 ? 9 : 0}};
	FUZZ_CHECK(address_parse(bytes_of_text("192.0.2.1"), &p.flow.source));
	p.flow.destination = p.flow.source;
	p.flow.destination.octets[3] = 2;
	if (side != 1)
		return p;
	struct flow back = {.source = p.flow.destination,
		.destination = p.flow.source,
		.source_port = 5060,
		.destination_port = 40000,
		.protocol = 6};
	p.flow = back;
	return p;
}

// What the head of a segment says.
enum choice {
	CHOICE_SIDE = 3,
	CHOICE_EXPECTED = 4,
	CHOICE_OWN_PAYLOAD = 8,
	CHOICE_TICK = 16,
	CHOICE_BACK_IN_TIME = 32,
	CHOICE_TIME_SHIFT = 6, // two bits: how far
};

static uint64_t clock_moved(uint64_t time_ns, uint8_t choice)
{
	static const uint64_t steps[] = {0, 1000000, 1500000000, 700000000000};
	uint64_t step = steps[choice >> CHOICE_TIME_SHIFT];
	// wraps, and must not matter
	return choice & CHOICE_BACK_IN_TIME ? time_ns - step : time_ns + step;
}

// A block of exactly the payload's size; the caller frees it.
static uint8_t *payload_new(
	struct reader *r, uint8_t choice, uint32_t position, size_t len, struct bytes *payload)
{
	struct bytes octets = dialog_at(position, len);
	if (choice & CHOICE_OWN_PAYLOAD)
		octets = read_bytes(r, len < reader_left(r) ? len : reader_left(r));
	uint8_t *block = malloc(octets.len ? octets.len : 1);
	FUZZ_CHECK(block);
	if (octets.len)
		memcpy(block, octets.at, octets.len);
	*payload = bytes_of(octets.len ? block : block + 1, octets.len);
	return block;
}

static void take_segment(struct run *run, struct reader *r, uint64_t *time_ns)
{
	uint8_t choice = read_u8(r);
	uint8_t flags = read_u8(r);
	uint32_t position = read_be32(r) & INT32_MAX;
	size_t len = read_be16(r);
	struct packet segment = segment_of((unsigned)(choice & CHOICE_SIDE) % SIDES);
	struct bytes payload;
	uint8_t *block = payload_new(r, choice, position, len, &payload);

	run->strange |= choice & CHOICE_OWN_PAYLOAD && payload.len;
	*time_ns = clock_moved(*time_ns, choice);
	segment.payload = payload;
	segment.tcp.flags = flags;
	segment.tcp.sequence = BASE + position - (flags & TCP_SYN ? 1 : 0);
	bool starts = payload.len && sip_recognise(payload);
	streams_take(run->streams, &segment, choice & CHOICE_EXPECTED, starts, *time_ns, hear, run);
	free(block);
	check_laws(run);
	if (choice & CHOICE_TICK)
		streams_tick(run->streams, *time_ns, hear, run);
	check_laws(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run run;
	struct reader r = reader_of(bytes_of(data, size));
	uint8_t streams = read_u8(&r);
	uint8_t limit = read_u8(&r);
	struct streams_config config = {.max_streams = 1 + streams % SIDES,
		.memory = 1 << 20,
		.max_message = 256 + limit * 256u,
		.gap_timeout_ns = 1000000000,
		.idle_ns = 600000000000};
	run = (struct run){.streams = streams_new(&config, &KEY, sip_framing, sip_framing_rest),
		.max_message = config.max_message};
	FUZZ_CHECK(run.streams);
	streams_watch(run.streams, stream_begins, stream_ceases, &run);

	uint64_t time_ns = 1700000000000000000;
	for (unsigned i = 0; i < STEPS && reader_left(&r); i++)
		take_segment(&run, &r, &time_ns);
	streams_flush(run.streams, hear, &run);
	check_laws(&run);
	FUZZ_CHECK(streams_followed(run.streams) == 0);
	streams_free(run.streams);
	return 0;
}
