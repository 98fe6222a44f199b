// Any octets as a frame: views stay inside of it, the bounds hold, and the class says what `out` holds. Fragments are taken for
// what they were a part of, and gone on with.
#include "fuzz.h"
#include "packet.h"

static void flow_is_sound(const struct flow *flow)
{
	FUZZ_CHECK(flow->source.family == 4 || flow->source.family == 6);
	FUZZ_CHECK(flow->source.family == flow->destination.family);
}

static void encapsulation_is_sound(const struct encapsulation *outer)
{
	FUZZ_CHECK(outer->tunnels <= PACKET_MAX_TUNNELS);
	FUZZ_CHECK(outer->flow_count <= outer->tunnels);
	FUZZ_CHECK(outer->teid_count <= outer->tunnels);
	FUZZ_CHECK(outer->tunnels == 0 || outer->scope != 0);
	for (unsigned i = 0; i < outer->flow_count; i++)
		flow_is_sound(&outer->flows[i]);
}

static void packet_is_sound(
	const struct packet *packet, enum packet_class class, struct bytes whole)
{
	FUZZ_CHECK(class < PACKET_CLASSES);
	FUZZ_CHECK(packet_class_name(class) && packet_class_help(class));
	FUZZ_CHECK(fuzz_lies_in(packet->payload, whole));
	encapsulation_is_sound(&packet->outer);
	const struct flow *flow = &packet->flow;
	switch (class) {
	case PACKET_UDP:
		FUZZ_CHECK(flow->protocol == 17);
		flow_is_sound(flow);
		break;
	case PACKET_TCP:
		FUZZ_CHECK(flow->protocol == 6);
		flow_is_sound(flow);
		break;
	case PACKET_FRAGMENT:
		FUZZ_CHECK(flow->source_port == 0 && flow->destination_port == 0);
		FUZZ_CHECK(packet->fragment.offset % 8 == 0 && packet->fragment.offset <= 65528);
		FUZZ_CHECK(packet->fragment.offset > 0 || packet->fragment.more);
		flow_is_sound(flow);
		break;
	default:
		FUZZ_CHECK(packet->payload.len == 0);
		break;
	}
}

static void peek(struct packet packet, struct bytes whole)
{
	struct encapsulation before = packet.outer;
	enum packet_class class = packet_peek(&packet);
	FUZZ_CHECK(class < PACKET_CLASSES && class != PACKET_FRAGMENT);
	FUZZ_CHECK(fuzz_lies_in(packet.payload, whole));
	FUZZ_CHECK(packet.outer.tunnels == before.tunnels && packet.outer.scope == before.scope);
	FUZZ_CHECK(packet.outer.flow_count == before.flow_count);
	FUZZ_CHECK(packet.outer.teid_count == before.teid_count);
	if (class == PACKET_UDP || class == PACKET_TCP)
		flow_is_sound(&packet.flow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes whole = bytes_of(data, size);
	struct packet packet;
	memset(&packet, 0xa5, sizeof packet); // what is not set is not zero by luck
	enum packet_class class = packet_parse(whole, &packet);
	packet_is_sound(&packet, class, whole);
	unsigned resumed = 0;
	while (class == PACKET_FRAGMENT) {
		FUZZ_CHECK(resumed++ <= PACKET_MAX_TUNNELS);
		peek(packet, whole);
		whole = packet.payload;
		class = packet_resume(&packet, packet.flow.protocol, whole);
		packet_is_sound(&packet, class, whole);
	}
	return 0;
}
