// A script of fragments, checked against the plain oracle of the unit test and the laws of the header. The input is a
// sequence of fragments, five octets each: what and when, offset, length.
#include "fragments.h"
#include "fuzz.h"

#include "../unit/fragments_oracle.h"

enum { MAX_FRAGMENTS = 256, CAPACITY = 3, MEMORY = 128 * 1024, SAMPLE = 131072 };
static const struct hash_key KEY = {11, 12};

// The octets of all datagrams. Their first eight are a UDP header with harmless ports, or a destination options header before
// one.
static const uint8_t *sample(void)
{
	static uint8_t octets[SAMPLE];
	if (octets[8])
		return octets;
	for (size_t i = 0; i < sizeof octets; i++)
		octets[i] = (uint8_t)(i * 7 + i / 256 + 1);
	memcpy(octets, (const uint8_t[]){17, 0, 1, 4, 0, 0, 0, 0}, 8);
	return octets;
}

enum op { // of the first octet, from the low end; the lowest two bits say which datagram
	OP_MORE = 4,
	OP_ALTERED = 8,
	OP_PROTOCOL_SHIFT = 4, // 2 bits
	OP_TIME_SHIFT = 6,     // 2 bits
};

static uint64_t time_moved(uint64_t time_ns, uint8_t op)
{
	static const int64_t steps[] = {0, 1000000000, 5000000001, -3000000000};
	return time_ns + (uint64_t)steps[op >> OP_TIME_SHIFT & 3];
}

// One of the offsets is beyond all bounds.
static uint32_t offset_of(uint16_t octets)
{
	return octets == UINT16_MAX ? UINT32_MAX - 7 : octets;
}

static struct packet packet_of(uint8_t op)
{
	static const uint8_t protocols[] = {17, 17, 6, 60};
	uint8_t family = op & 1 ? 6 : 4;
	return (struct packet){
		.flow = {.source = {{192, 0, 2, 1}, family},
			.destination = {{192, 0, 2, 2}, family},
			// IPv4 names a datagram by it, so there it is the name's.
			.protocol = family == 4 ? 17 : protocols[op >> OP_PROTOCOL_SHIFT & 3]},
		.fragment = {.identification = op & 2},
	};
}

static bool is_wanted(void *context, const struct packet *first, enum packet_class class)
{
	(void)first;
	FUZZ_CHECK(class != PACKET_TRUNCATED);
	return *(const bool *)context;
}

static void check_laws(const struct fragments *f, const struct oracle *o)
{
	const struct fragments_counters *c = fragments_counters(f);
	uint64_t sum = 0;
	for (unsigned i = 0; i < FRAGMENTS_RESULTS; i++)
		sum += c->results[i];
	FUZZ_CHECK(c->taken == sum);
	FUZZ_CHECK(c->started == c->completed + c->given_up + c->timed_out + c->dropped +
					 c->passed + fragments_incomplete(f));
	FUZZ_CHECK(memcmp(c, &o->counters, sizeof *c) == 0);
	FUZZ_CHECK(fragments_incomplete(f) == oracle_waiting(o));
}

static void take(struct fragments *f, struct oracle *o, uint8_t op, const struct packet *packet,
	uint64_t time_ns)
{
	struct packet peeked = *packet;
	bool wanted = (op >> OP_PROTOCOL_SHIFT & 3) != 1;
	struct oracle_fragment x = {op & 3, packet->fragment.offset, packet->payload.len,
		packet->payload.at, packet->fragment.more, packet->flow.protocol,
		packet_peek(&peeked) == PACKET_TRUNCATED, wanted};
	uint8_t protocol;
	struct bytes whole;
	enum fragments_result expected = oracle_take(o, &x, time_ns);
	FUZZ_CHECK(fragments_take(f, packet, time_ns, is_wanted, &wanted, &protocol, &whole) ==
		   expected);
	if (expected == FRAGMENTS_COMPLETE) {
		FUZZ_CHECK(protocol == o->whole_protocol);
		FUZZ_CHECK(bytes_equal(whole, bytes_of(o->whole, o->whole_len)));
	}
	check_laws(f, o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fragments_config config = {CAPACITY, MEMORY, 5000000000};
	static struct oracle o;
	o = (struct oracle){.capacity = CAPACITY,
		.blocks = MEMORY / ORACLE_BLOCK,
		.timeout_ns = config.timeout_ns};
	struct fragments *f = fragments_new(&config, &KEY);
	FUZZ_CHECK(f);

	struct reader r = reader_of(bytes_of(data, size));
	uint64_t time_ns = 1700000000000000000;
	for (unsigned i = 0; i < MAX_FRAGMENTS && reader_left(&r) >= 5; i++) {
		uint8_t op = read_u8(&r);
		uint16_t offset = read_be16(&r);
		uint16_t len = read_be16(&r);
		uint8_t *exact = malloc(len ? len : 1);
		FUZZ_CHECK(exact);
		memcpy(exact, sample() + offset, len);
		for (size_t j = 0; j < len; j++) // what another datagram left behind must show
			if (offset + j >= 8)
				exact[j] ^= op & 3;
		if (len && op & OP_ALTERED)
			exact[len / 2] ^= 1;
		struct packet packet = packet_of(op);
		packet.payload = bytes_of(exact, len);
		packet.fragment.offset = offset_of(offset);
		packet.fragment.more = op & OP_MORE;
		time_ns = time_moved(time_ns, op);
		take(f, &o, op, &packet, time_ns);
		free(exact);
	}
	fragments_free(f);
	oracle_fini(&o);
	return 0;
}
