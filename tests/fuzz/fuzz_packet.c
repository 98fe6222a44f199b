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
	FUZZ_CHECK(outer->user_tunnels <= outer->tunnels);
	FUZZ_CHECK(outer->vlan < 4096);
	FUZZ_CHECK(outer->flow_count <= outer->tunnels);
	FUZZ_CHECK(outer->teid_count <= outer->tunnels);
	FUZZ_CHECK(outer->tunnels == 0 || outer->scope != 0);
	for (unsigned i = 0; i < outer->flow_count; i++)
		flow_is_sound(&outer->flows[i]);
}

// What is written is as long as its header says, unless it is a view of what does not say so itself.
static void ip_is_sound(const struct packet *packet, struct bytes whole)
{
	static uint8_t room[1 << 17];
	struct writer w = writer_of(room, sizeof room);
	FUZZ_CHECK(fuzz_lies_in(packet->ip, whole));
	if (packet->ip.len) {
		FUZZ_CHECK(packet->ip.at[0] >> 4 == packet->flow.source.family);
		FUZZ_CHECK(fuzz_lies_in(packet->payload, packet->ip));
	}
	if (packet->flow.protocol != 17)
		return;
	size_t len = packet_write_ip(packet, &w);
	FUZZ_CHECK(len == w.len && !w.overflow);
	if (packet->ip.len) {
		FUZZ_CHECK(len == packet->ip.len);
		return;
	}
	bool is_ipv4 = packet->flow.source.family == 4;
	FUZZ_CHECK(len > 0 || (is_ipv4 && packet->payload.len > 65507));
	FUZZ_CHECK(len == 0 || len == packet->payload.len + (is_ipv4 ? 28 : 48));
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
		ip_is_sound(packet, whole);
		flow_is_sound(flow);
		break;
	case PACKET_TCP:
		FUZZ_CHECK(flow->protocol == 6);
		ip_is_sound(packet, whole);
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

static void look_comes_to(struct bytes frame, const struct packet *packet, enum packet_class class)
{
	struct packet look;
	memset(&look, 0x5a, sizeof look);
	FUZZ_CHECK(packet_look(frame, &look) == class);
	FUZZ_CHECK(memcmp(&look.flow, &packet->flow, sizeof look.flow) == 0);
	FUZZ_CHECK(
		look.payload.at == packet->payload.at && look.payload.len == packet->payload.len);
	FUZZ_CHECK(look.outer.scope == packet->outer.scope);
	FUZZ_CHECK(look.outer.vlan == packet->outer.vlan);
	FUZZ_CHECK(look.outer.tunnels == packet->outer.tunnels);
	FUZZ_CHECK(look.outer.user_tunnels == packet->outer.user_tunnels);
	FUZZ_CHECK(look.outer.flow_count == packet->outer.flow_count);
	FUZZ_CHECK(look.outer.teid_count == packet->outer.teid_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes whole = bytes_of(data, size);
	struct packet packet;
	memset(&packet, 0xa5, sizeof packet); // what is not set is not zero by luck
	enum packet_class class = packet_parse(whole, &packet);
	packet_is_sound(&packet, class, whole);
	look_comes_to(whole, &packet, class);
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
