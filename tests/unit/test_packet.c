#include "unit.h"

#include <stdio.h>

#include "packet.h"

// Frames are built from parts in hexadecimal; a helper keeps the tests readable.
struct frame {
	uint8_t octets[512];
	size_t len;
};

static void add(struct frame *f, const char *hex)
{
	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		f->octets[f->len++] = (uint8_t)(ascii_hex_value((uint8_t)hex[0]) << 4 |
						ascii_hex_value((uint8_t)hex[1]));
		hex++;
	}
}

#define ETHERNET "020000000002 020000000001 "
#define IPV4_UDP "4500 0020 0001 0000 40 11 0000 c000020a c6336414 " // 32 octets in all
#define UDP_4 "13c4 13c5 000c 0000 41424344 "                        // four octets of payload
#define IPV6_HEAD "60000000 "
#define IPV6_ADDRESSES "20010db8000000000000000000000001 20010db8000000000000000000000002 "

static enum packet_class class_of(const char *hex, struct packet *out)
{
	struct frame f = {.len = 0};
	add(&f, hex);
	uint8_t *block = exact_copy(f.octets, f.len);
	enum packet_class class = packet_parse(bytes_of(block, f.len), out);
	if (out->payload.at)
		out->payload.at =
			NULL; // the block goes away; tests that want the octets parse by themselves
	free(block);
	return class;
}

static void a_plain_udp_datagram_shows_flow_and_payload_without_padding(void **state)
{
	(void)state;
	struct frame f = {.len = 0};
	add(&f, ETHERNET "0800" IPV4_UDP UDP_4 "0000000000000000000000000000");
	uint8_t *block = exact_copy(f.octets, f.len);
	struct packet p;
	assert_int_equal(packet_parse(bytes_of(block, f.len), &p), PACKET_UDP);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));
	assert_memory_equal(p.flow.source.octets, "\xc0\x00\x02\x0a", 4);
	assert_memory_equal(p.flow.destination.octets, "\xc6\x33\x64\x14", 4);
	assert_int_equal(p.flow.source.family, 4);
	assert_int_equal(p.flow.source_port, 5060);
	assert_int_equal(p.flow.destination_port, 5061);
	assert_int_equal(p.flow.protocol, 17);
	free(block);
}

static void each_class_of_frame_gets_its_reason(void **state)
{
	(void)state;
	static const struct {
		enum packet_class class;
		const char *hex;
	} samples[] = {
		{PACKET_UDP, ETHERNET "8100 0001 0800" IPV4_UDP UDP_4},
		{PACKET_UDP, ETHERNET "88a8 0001 8100 0002 0800" IPV4_UDP UDP_4},
		{PACKET_UDP,
			ETHERNET "9100 0001 8100 0002 8100 0003 8100 0004 0800" IPV4_UDP UDP_4},
		{PACKET_TOO_DEEP, ETHERNET
			"8100 0001 8100 0002 8100 0003 8100 0004 8100 0005 0800" IPV4_UDP UDP_4},
		// options: header length 6
		{PACKET_UDP, ETHERNET
			"0800 4600 0024 0001 0000 40 11 0000 c000020a c6336414 01010101" UDP_4},
		// don't fragment is no fragment
		{PACKET_UDP,
			ETHERNET "0800 4500 0020 0001 4000 40 11 0000 c000020a c6336414" UDP_4},
		{PACKET_FRAGMENT,
			ETHERNET "0800 4500 0020 0001 2000 40 11 0000 c000020a c6336414" UDP_4},
		{PACKET_FRAGMENT,
			ETHERNET "0800 4500 0020 0001 0010 40 11 0000 c000020a c6336414" UDP_4},
		{PACKET_TCP,
			ETHERNET "0800 4500 0020 0001 0000 40 06 0000 c000020a c6336414" UDP_4},
		{PACKET_OTHER_PROTOCOL,
			ETHERNET "0800 4500 0020 0001 0000 40 01 0000 c000020a c6336414" UDP_4},
		{PACKET_TUNNEL,
			ETHERNET "0800 4500 0020 0001 0000 40 2f 0000 c000020a c6336414" UDP_4},
		{PACKET_TUNNEL, ETHERNET "0800" IPV4_UDP "0868 0868 000c 0000 30ff0000"},
		{PACKET_TUNNEL, ETHERNET "8847 00001140" IPV4_UDP UDP_4},
		{PACKET_TUNNEL, ETHERNET "8864 1100 0001 0022 0021" IPV4_UDP UDP_4},
		{PACKET_NOT_IP, ETHERNET "0806 0001 0800 0604 0001"},
		{PACKET_NOT_IP, ETHERNET "0026 42 42 03"},
		{PACKET_TRUNCATED, ETHERNET "08"},
		{PACKET_TRUNCATED, "0200"},
		{PACKET_TRUNCATED, ETHERNET "0800 4500 0020"},
		{PACKET_TRUNCATED, ETHERNET "0800" IPV4_UDP "13c4 13c5 00"},
		{PACKET_MALFORMED,
			ETHERNET "0800 4400 0020 0001 0000 40 11 0000 c000020a c6336414" UDP_4},
		{PACKET_MALFORMED,
			ETHERNET "0800 6500 0020 0001 0000 40 11 0000 c000020a c6336414" UDP_4},
		{PACKET_MALFORMED,
			ETHERNET "0800 4500 0013 0001 0000 40 11 0000 c000020a c6336414" UDP_4},
		{PACKET_MALFORMED, ETHERNET "0800" IPV4_UDP "13c4 13c5 0007 0000"},
		{PACKET_UDP, ETHERNET "86dd" IPV6_HEAD "000c 11 40" IPV6_ADDRESSES UDP_4},
		// hop-by-hop, routing, destination options, then UDP
		{PACKET_UDP,
			ETHERNET "86dd" IPV6_HEAD "0024 00 40" IPV6_ADDRESSES
				 "2b00 0104 00000000 3c00 0000 00000000 1100 0104 00000000" UDP_4},
		// authentication header of 24 octets
		{PACKET_UDP, ETHERNET "86dd" IPV6_HEAD "0024 33 40" IPV6_ADDRESSES
				      "1104 0000 00000001 00000001 000000000000000000000000" UDP_4},
		{PACKET_UDP, ETHERNET "86dd" IPV6_HEAD "0014 2c 40" IPV6_ADDRESSES
				      "1100 0000 00000001" UDP_4},
		{PACKET_FRAGMENT, ETHERNET "86dd" IPV6_HEAD "0014 2c 40" IPV6_ADDRESSES
					   "1100 0001 00000001" UDP_4},
		{PACKET_FRAGMENT, ETHERNET "86dd" IPV6_HEAD "0014 2c 40" IPV6_ADDRESSES
					   "1100 0558 00000001" UDP_4},
		{PACKET_OTHER_PROTOCOL,
			ETHERNET "86dd" IPV6_HEAD "0008 3a 40" IPV6_ADDRESSES "8000 0000 00000000"},
		{PACKET_TUNNEL, ETHERNET "86dd" IPV6_HEAD "000c 29 40" IPV6_ADDRESSES UDP_4},
		{PACKET_TRUNCATED,
			ETHERNET "86dd" IPV6_HEAD "0010 00 40" IPV6_ADDRESSES "1105 0000"},
		{PACKET_MALFORMED, ETHERNET "86dd 40000000 000c 11 40" IPV6_ADDRESSES UDP_4},
		{PACKET_TOO_DEEP, ETHERNET
			"86dd" IPV6_HEAD "0054 3c 40" IPV6_ADDRESSES
			"3c00 000000000000 3c00 000000000000 3c00 000000000000"
			"3c00 000000000000 3c00 000000000000 3c00 000000000000 3c00 000000000000 3c00 000000000000"
			"1100 000000000000" UDP_4},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct packet p;
		enum packet_class class = class_of(samples[i].hex, &p);
		if (class != samples[i].class)
			fail_msg("sample %zu is %s, not %s", i, packet_class_name(class),
				packet_class_name(samples[i].class));
	}
}

static void a_udp_length_beyond_the_frame_yields_what_is_there(void **state)
{
	(void)state;
	struct frame f = {.len = 0};
	add(&f, ETHERNET
		"0800 4500 0100 0001 0000 40 11 0000 c000020a c6336414 13c4 13c4 00f0 0000 414243");
	struct packet p;
	assert_int_equal(packet_parse(bytes_of(f.octets, f.len), &p), PACKET_UDP);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABC")));
}

static void parse_prefix(struct bytes prefix)
{
	struct packet p;
	packet_parse(prefix, &p);
	for (size_t i = 0; i < p.payload.len; i++) // touches all that is promised
		assert_true(p.payload.at[i] == 'A' + (int)i);
}

static void every_sample_may_be_cut_anywhere(void **state)
{
	(void)state;
	static const char *const samples[] = {
		ETHERNET
		"88a8 0001 8100 0002 0800 4600 0024 0001 0000 40 11 0000 c000020a c6336414 01010101" UDP_4,
		ETHERNET "86dd" IPV6_HEAD "0024 00 40" IPV6_ADDRESSES
			 "2b00 0104 00000000 3c00 0000 00000000 1100 0104 00000000" UDP_4,
		ETHERNET "86dd" IPV6_HEAD "0014 2c 40" IPV6_ADDRESSES "1100 0000 00000001" UDP_4,
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct frame f = {.len = 0};
		add(&f, samples[i]);
		cut_at_every_length(bytes_of(f.octets, f.len), parse_prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_udp_datagram_shows_flow_and_payload_without_padding),
		cmocka_unit_test(each_class_of_frame_gets_its_reason),
		cmocka_unit_test(a_udp_length_beyond_the_frame_yields_what_is_there),
		cmocka_unit_test(every_sample_may_be_cut_anywhere),
	};
	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
