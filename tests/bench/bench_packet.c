// What do packet_look() and packet_parse() cost for frames of several kinds, in CPU time? Prints one figure a line: name, value, unit.
//
// bench_packet [COUNT]: frames for each figure; default 20000000.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "packet.h"

enum {
	FRAMES = 64, // different ones of each kind, all in the first cache
	FRAME_MAX = 256,
	ROUNDS = 11, // a figure is the median of these
};

static double cpu_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// --- frames: inner layers first, as their lengths are told by the outer ones ------------------------------------------

struct frame {
	uint8_t octets[FRAME_MAX];
	size_t from; // what is there stands at the end
};

static void put(struct frame *f, struct writer header)
{
	if (header.overflow || header.len > f->from)
		abort();
	f->from -= header.len;
	memcpy(f->octets + f->from, header.at, header.len);
}

static struct bytes frame_bytes(const struct frame *f)
{
	return bytes_of(f->octets + f->from, FRAME_MAX - f->from);
}

static uint16_t length_with(const struct frame *f, size_t header_len)
{
	return (uint16_t)(FRAME_MAX - f->from + header_len);
}

static void put_udp(struct frame *f, uint16_t source, uint16_t destination)
{
	uint8_t room[8];
	struct writer w = writer_of(room, sizeof room);
	write_be16(&w, source);
	write_be16(&w, destination);
	write_be16(&w, length_with(f, sizeof room));
	write_be16(&w, 0);
	put(f, w);
}

static void put_tcp(struct frame *f, uint32_t sequence)
{
	uint8_t room[20];
	struct writer w = writer_of(room, sizeof room);
	write_be16(&w, 40000);
	write_be16(&w, 443);
	write_be32(&w, sequence);
	write_be32(&w, 1);
	write_be16(&w, 0x5018);
	write_be16(&w, 1024);
	write_be32(&w, 0);
	put(f, w);
}

static void put_ipv4(struct frame *f, uint8_t protocol, uint32_t source)
{
	uint8_t room[20];
	struct writer w = writer_of(room, sizeof room);
	write_be16(&w, 0x4500);
	write_be16(&w, length_with(f, sizeof room));
	write_be32(&w, 0x00014000);
	write_u8(&w, 64);
	write_u8(&w, protocol);
	write_be16(&w, 0);
	write_be32(&w, 0xc6336400 | source);
	write_be32(&w, 0xc0000201);
	put(f, w);
}

static void put_ipv6(struct frame *f, uint8_t next, uint32_t source)
{
	uint8_t room[40];
	struct writer w = writer_of(room, sizeof room);
	write_be32(&w, 0x60000000);
	write_be16(&w, length_with(f, 0));
	write_u8(&w, next);
	write_u8(&w, 64);
	write_be64(&w, 0x20010db800000000);
	write_be64(&w, source);
	write_be64(&w, 0x20010db800000000);
	write_be64(&w, 1);
	put(f, w);
}

static void put_words(struct frame *f, const uint32_t *words, size_t count)
{
	uint8_t room[16];
	struct writer w = writer_of(room, sizeof room);
	for (size_t i = 0; i < count; i++)
		write_be32(&w, words[i]);
	put(f, w);
}

static void put_ethernet(struct frame *f, uint16_t type)
{
	uint8_t room[14];
	struct writer w = writer_of(room, sizeof room);
	write_be64(&w, 0x0200000000020200);
	write_be32(&w, 1);
	write_be16(&w, type);
	put(f, w);
}

// --- kinds: each adds its headers to a payload; the number makes frames differ ------------------------------------------

static void make_udp4(struct frame *f, uint32_t number)
{
	put_udp(f, 40000, 4000);
	put_ipv4(f, 17, number);
	put_ethernet(f, 0x0800);
}

static void make_udp6(struct frame *f, uint32_t number)
{
	put_udp(f, 40000, 4000);
	put_ipv6(f, 17, number);
	put_ethernet(f, 0x86dd);
}

static void make_tcp4(struct frame *f, uint32_t number)
{
	put_tcp(f, number);
	put_ipv4(f, 6, number);
	put_ethernet(f, 0x0800);
}

static void make_tcp6(struct frame *f, uint32_t number)
{
	put_tcp(f, number);
	put_ipv6(f, 6, number);
	put_ethernet(f, 0x86dd);
}

static void make_vlan(struct frame *f, uint32_t number)
{
	put_udp(f, 40000, 4000);
	put_ipv4(f, 17, number);
	const uint32_t tag = 0x00050800; // VLAN 5, then IPv4
	put_words(f, &tag, 1);
	put_ethernet(f, 0x8100);
}

static void make_mpls(struct frame *f, uint32_t number)
{
	put_udp(f, 40000, 4000);
	put_ipv4(f, 17, number);
	const uint32_t labels[] = {0x00010040, 0x00011140};
	put_words(f, labels, 2);
	put_ethernet(f, 0x8847);
}

static void make_gtpu(struct frame *f, uint32_t number)
{
	put_udp(f, 40000, 4000);
	put_ipv4(f, 17, number);
	const uint32_t header[] = {0x30ff0000 | length_with(f, 0), number + 1};
	put_words(f, header, 2);
	put_udp(f, 2152, 2152);
	put_ipv4(f, 17, 1);
	put_ethernet(f, 0x0800);
}

static const struct kind {
	const char *name;
	void (*make)(struct frame *f, uint32_t number);
	size_t payload_len; // 64 octets on the wire where headers leave room, without the check sequence
	enum packet_class class;
} kinds[] = {
	{"udp_ipv4", make_udp4, 18, PACKET_UDP},
	{"udp_ipv6", make_udp6, 2, PACKET_UDP},
	{"tcp_ipv4", make_tcp4, 6, PACKET_TCP},
	{"tcp_ipv6", make_tcp6, 6, PACKET_TCP},
	{"vlan", make_vlan, 14, PACKET_UDP},
	{"mpls", make_mpls, 10, PACKET_UDP},
	{"gtpu", make_gtpu, 18, PACKET_UDP},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

typedef enum packet_class parse_function(struct bytes frame, struct packet *out);

static double measure(
	parse_function *parse, const struct frame *frames, const struct kind *kind, uint32_t count)
{
	static struct packet packet;
	uint64_t wrong = 0;
	double start = cpu_now();
	for (uint32_t i = 0; i < count; i++)
		wrong += parse(frame_bytes(&frames[i % FRAMES]), &packet) != kind->class;
	double seconds = cpu_now() - start;
	if (wrong || packet.payload.len != kind->payload_len)
		abort(); // not what was to be measured
	return seconds / count * 1e9;
}

static void bench(const char *what, parse_function *parse, const struct kind *kind, uint32_t count)
{
	static struct frame frames[FRAMES];
	for (uint32_t i = 0; i < FRAMES; i++) {
		frames[i].from = FRAME_MAX - kind->payload_len;
		kind->make(&frames[i], i);
	}
	double ns[ROUNDS];
	for (unsigned i = 0; i < ROUNDS; i++)
		ns[i] = measure(parse, frames, kind, count / ROUNDS + 1);
	qsort(ns, ROUNDS, sizeof *ns, compare_doubles);
	printf("packet_%s_%s %.2f ns/frame\n", what, kind->name, ns[ROUNDS / 2]);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20000000;
	for (size_t i = 0; i < KINDS; i++)
		bench("look", packet_look, &kinds[i], count);
	for (size_t i = 0; i < KINDS; i++)
		bench("parse", packet_parse, &kinds[i], count);
	return 0;
}
