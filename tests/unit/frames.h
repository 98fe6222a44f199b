// Frames from headers in hexadecimal, outermost first, for tests of lib/net.
#ifndef X2TAP_FRAMES_H
#define X2TAP_FRAMES_H

#include <stdio.h>

#include "packet.h"
#include "unit.h"

struct frame {
	uint8_t octets[2048];
	size_t len;
};

#define ETHERNET "020000000002 020000000001 "
#define IPV4_OF(protocol, source) "4500 <20> 0001 0000 40 " protocol " 0000 " source " c6336414 | "
#define IPV4(protocol) IPV4_OF(protocol, "c000020a") // 192.0.2.10 to 198.51.100.20
#define IPV6(next)                                                                                 \
	"60000000 <0> " next " 40 20010db8000000000000000000000001 "                               \
	"20010db8000000000000000000000002 | "
#define UDP(ports) ports " <8> 0000 | "
#define TCP "13c4 13c5 00000001 00000000 5018 0400 0000 0000 | "
// What most frames here carry in the end.
#define SIP_PORTS "13c4 13c5" // 5060, 5061
#define ABCD "41424344"
#define UDP_IN_IPV4 IPV4("11") UDP(SIP_PORTS) ABCD
#define UDP_IN_IPV6 IPV6("11") UDP(SIP_PORTS) ABCD

// Octets of one header: hexadecimal, and <n> for 16 bits that say n more than the length of all that follows the header.
static inline size_t frame_header(const char *at, const char *end, size_t behind, uint8_t *out)
{
	size_t len = 0;
	while (at < end) {
		if (*at == ' ') {
			at++;
		} else if (*at == '<') {
			size_t value = behind + strtoul(at + 1, NULL, 10);
			out[len++] = (uint8_t)(value >> 8);
			out[len++] = (uint8_t)value;
			at = strchr(at, '>') + 1;
		} else {
			int high = ascii_hex_value((uint8_t)at[0]);
			int low = ascii_hex_value((uint8_t)at[1]);
			assert_true(high >= 0 && low >= 0);
			out[len++] = (uint8_t)(high << 4 | low);
			at += 2;
		}
	}
	return len;
}

// Headers are parted by |.
static inline struct frame frame_of(const char *text)
{
	struct frame f = {.len = 0};
	const char *end = text + strlen(text);
	while (end > text) {
		const char *start = end;
		while (start > text && start[-1] != '|')
			start--;
		uint8_t header[sizeof f.octets];
		size_t len = frame_header(start, end, f.len, header);
		assert_true(len + f.len <= sizeof f.octets);
		memmove(f.octets + len, f.octets, f.len);
		memcpy(f.octets, header, len);
		f.len += len;
		end = start > text ? start - 1 : text;
	}
	return f;
}

// A look at a frame comes to what `packet` is, but for what looks leave out.
static inline void look_comes_to(
	struct bytes frame, const struct packet *packet, enum packet_class class)
{
	struct packet look;
	memset(&look, 0x5a, sizeof look);
	assert_int_equal(packet_look(frame, &look), class);
	assert_memory_equal(&look.flow, &packet->flow, sizeof look.flow);
	assert_ptr_equal(look.payload.at, packet->payload.at);
	assert_int_equal(look.payload.len, packet->payload.len);
	assert_int_equal(look.outer.scope, packet->outer.scope);
	assert_int_equal(look.outer.tunnels, packet->outer.tunnels);
	assert_int_equal(look.outer.user_tunnels, packet->outer.user_tunnels);
	assert_int_equal(look.outer.vlan, packet->outer.vlan);
	assert_int_equal(look.outer.flow_count, packet->outer.flow_count);
	for (unsigned i = 0; i < look.outer.flow_count; i++)
		assert_memory_equal(
			&look.outer.flows[i], &packet->outer.flows[i], sizeof look.outer.flows[i]);
	assert_int_equal(look.outer.teid_count, packet->outer.teid_count);
	for (unsigned i = 0; i < look.outer.teid_count; i++)
		assert_int_equal(look.outer.teids[i], packet->outer.teids[i]);
}

static inline enum packet_class parse_both_ways(struct bytes frame, struct packet *packet)
{
	memset(packet, 0xa5, sizeof *packet); // what is not set is not zero by luck
	enum packet_class class = packet_parse(frame, packet);
	look_comes_to(frame, packet, class);
	return class;
}

// The views of `packet` point into `f`.
static inline enum packet_class frame_parse(
	struct frame *f, const char *text, struct packet *packet)
{
	*f = frame_of(text);
	return parse_both_ways(bytes_of(f->octets, f->len), packet);
}

static inline enum packet_class frame_class(const char *text)
{
	struct frame f;
	struct packet packet;
	return frame_parse(&f, text, &packet);
}

static inline void frame_class_is(const char *name, const char *text, enum packet_class wanted)
{
	enum packet_class class = frame_class(text);
	if (class != wanted)
		fail_msg("%s is %s, not %s", name, packet_class_name(class),
			packet_class_name(wanted));
}

struct frame_sample {
	const char *name, *text;
	enum packet_class class;
};

static inline void frame_classes_are(const struct frame_sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++)
		frame_class_is(samples[i].name, samples[i].text, samples[i].class);
}

// The payload lies in the packet, behind its headers.
static inline void ip_is_sound(const struct packet *p)
{
	if (p->ip.len == 0) // put together
		return;
	assert_true(p->ip.len >= 28);
	assert_int_equal(p->ip.at[0] >> 4, p->flow.source.family);
	assert_true(p->payload.at >= p->ip.at + 28);
	assert_true(p->payload.at + p->payload.len <= p->ip.at + p->ip.len);
}

// Touches all that is promised of a packet.
static inline void packet_is_sound(const struct packet *p, enum packet_class class)
{
	unsigned sum = 0;
	for (size_t i = 0; i < p->payload.len; i++)
		sum += p->payload.at[i];
	assert_true(p->payload.len <= SIZE_MAX - sum);
	bool has_payload = class == PACKET_UDP || class == PACKET_TCP || class == PACKET_FRAGMENT;
	assert_true(has_payload || p->payload.len == 0);
	if (class == PACKET_UDP || class == PACKET_TCP)
		ip_is_sound(p);
	assert_true(p->outer.tunnels <= PACKET_MAX_TUNNELS);
	assert_true(p->outer.user_tunnels <= p->outer.tunnels);
	assert_true(p->outer.vlan < 4096);
	assert_true(p->outer.flow_count <= p->outer.tunnels);
	assert_true(p->outer.teid_count <= p->outer.tunnels);
	assert_true(p->outer.tunnels == 0 || p->outer.scope != 0);
	for (unsigned i = 0; i < p->outer.flow_count; i++) {
		uint8_t family = p->outer.flows[i].source.family;
		assert_true(family == 4 || family == 6);
	}
}

static inline void parse_prefix(struct bytes prefix)
{
	struct packet p;
	packet_is_sound(&p, parse_both_ways(prefix, &p));
}

static inline void frame_may_be_cut_anywhere(const char *text)
{
	struct frame f = frame_of(text);
	cut_at_every_length(bytes_of(f.octets, f.len), parse_prefix);
}

#endif
