#include "frames.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// --- plain packets --------------------------------------------------------------------------------------------------

static void a_plain_udp_datagram_shows_flow_and_payload_without_padding(void **state)
{
	(void)state;
	struct frame f = frame_of(ETHERNET "0800" UDP_IN_IPV4);
	struct packet p;
	memset(f.octets + f.len, 0, 14);
	uint8_t *block = exact_copy(f.octets, f.len + 14);
	assert_int_equal(packet_parse(bytes_of(block, f.len + 14), &p), PACKET_UDP);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));
	assert_memory_equal(p.flow.source.octets, "\xc0\x00\x02\x0a\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(p.flow.destination.octets, "\xc6\x33\x64\x14", 4);
	assert_int_equal(p.flow.source.family, 4);
	assert_int_equal(p.flow.destination.family, 4);
	assert_int_equal(p.flow.source_port, 5060);
	assert_int_equal(p.flow.destination_port, 5061);
	assert_int_equal(p.flow.protocol, 17);
	assert_int_equal(p.outer.scope, 0);
	assert_int_equal(p.outer.tunnels, 0);
	assert_int_equal(p.outer.flow_count, 0);
	assert_int_equal(p.outer.teid_count, 0);
	free(block);
}

static void each_class_of_frame_gets_its_reason(void **state)
{
	(void)state;
#define IPV4_ODD(head) "0800 " head " 40 11 0000 c000020a c6336414 | "
	static const struct frame_sample samples[] = {
		{"a tag", ETHERNET "8100 0001 0800" UDP_IN_IPV4, PACKET_UDP},
		{"two tags", ETHERNET "88a8 0001 8100 0002 0800" UDP_IN_IPV4, PACKET_UDP},
		{"four tags",
			ETHERNET "9100 0001 8100 0002 8100 0003 8100 0004 0800" UDP_IN_IPV4,
			PACKET_UDP},
		{"five tags",
			ETHERNET
			"8100 0001 8100 0002 8100 0003 8100 0004 8100 0005 0800" UDP_IN_IPV4,
			PACKET_TOO_DEEP},
		{"options",
			ETHERNET
			"0800 4600 <24> 0001 0000 40 11 0000 c000020a c6336414 01010101 |" UDP(
				SIP_PORTS) ABCD,
			PACKET_UDP},
		{"don't fragment",
			ETHERNET IPV4_ODD("4500 <20> 0001 4000") UDP(SIP_PORTS) ABCD, PACKET_UDP},
		{"more fragments",
			ETHERNET IPV4_ODD("4500 <20> 0001 2000") UDP(SIP_PORTS) ABCD,
			PACKET_FRAGMENT},
		{"an offset", ETHERNET IPV4_ODD("4500 <20> 0001 0010") ABCD, PACKET_FRAGMENT},
		{"TCP", ETHERNET "0800" IPV4("06") TCP ABCD, PACKET_TCP},
		{"TCP in IPv6", ETHERNET "86dd" IPV6("06") TCP ABCD, PACKET_TCP},
		{"ICMP", ETHERNET "0800" IPV4("01") "0800 0000", PACKET_OTHER_PROTOCOL},
		{"SCTP", ETHERNET "0800" IPV4("84") "0000", PACKET_SCTP},
		{"ESP", ETHERNET "86dd" IPV6("32") "0000", PACKET_ESP},
		{"L2TPv3", ETHERNET "0800" IPV4("73") "0000", PACKET_TUNNEL},
		{"ARP", ETHERNET "0806 0001 0800 0604 0001", PACKET_NOT_IP},
		{"PPPoE discovery", ETHERNET "8863 1109 0000 0000", PACKET_NOT_IP},
		{"LLC", ETHERNET "0026 42 42 03", PACKET_NOT_IP},
		{"half an Ethertype", ETHERNET "08", PACKET_TRUNCATED},
		{"half an address", "0200", PACKET_TRUNCATED},
		{"nothing", "", PACKET_TRUNCATED},
		{"half a tag", ETHERNET "8100 0001", PACKET_TRUNCATED},
		{"half of IPv4", ETHERNET "0800 4500 0020", PACKET_TRUNCATED},
		{"half of UDP", ETHERNET "0800" IPV4("11") "13c4 13c5 00", PACKET_TRUNCATED},
		{"IPv4 header too short",
			ETHERNET IPV4_ODD("4400 <20> 0001 0000") UDP(SIP_PORTS) ABCD,
			PACKET_MALFORMED},
		{"version 6 as 4", ETHERNET IPV4_ODD("6500 <20> 0001 0000") UDP(SIP_PORTS) ABCD,
			PACKET_MALFORMED},
		{"version 4 as 6",
			ETHERNET "86dd 40000000 000c 11 40 20010db8000000000000000000000001 "
				 "20010db8000000000000000000000002 |" UDP(SIP_PORTS) ABCD,
			PACKET_MALFORMED},
		{"IPv4 length within its header",
			ETHERNET IPV4_ODD("4500 0013 0001 0000") UDP(SIP_PORTS) ABCD,
			PACKET_MALFORMED},
		{"UDP length within its header",
			ETHERNET "0800" IPV4("11") SIP_PORTS " 0007 0000", PACKET_MALFORMED},
		{"IPv6", ETHERNET "86dd" UDP_IN_IPV6, PACKET_UDP},
		{"hop-by-hop, routing, destination options",
			ETHERNET "86dd" IPV6("00") "2b00 0104 00000000 3c00 0000 00000000"
						   "1100 0104 00000000 |" UDP(SIP_PORTS) ABCD,
			PACKET_UDP},
		{"AH in IPv6",
			ETHERNET "86dd" IPV6("33") "1104 0000 00000001 00000001"
						   "000000000000000000000000 |" UDP(SIP_PORTS) ABCD,
			PACKET_UDP},
		{"AH in IPv4",
			ETHERNET "0800" IPV4("33") "1104 0000 00000001 00000001"
						   "000000000000000000000000 |" UDP(SIP_PORTS) ABCD,
			PACKET_UDP},
		{"extension headers are IPv6's alone",
			ETHERNET "0800" IPV4("3c") "1100 0104 00000000 |" UDP(SIP_PORTS) ABCD,
			PACKET_OTHER_PROTOCOL},
		{"an atomic fragment",
			ETHERNET "86dd" IPV6("2c") "1100 0000 00000001 |" UDP(SIP_PORTS) ABCD,
			PACKET_UDP},
		{"a first fragment",
			ETHERNET "86dd" IPV6("2c") "1100 0001 00000001 |" UDP(SIP_PORTS) ABCD,
			PACKET_FRAGMENT},
		{"a later fragment", ETHERNET "86dd" IPV6("2c") "1100 0558 00000001" ABCD,
			PACKET_FRAGMENT},
		{"half a fragment header", ETHERNET "86dd" IPV6("2c") "1100 0558 0000",
			PACKET_TRUNCATED},
		{"ICMPv6", ETHERNET "86dd" IPV6("3a") "8000 0000 00000000", PACKET_OTHER_PROTOCOL},
		{"half an extension header", ETHERNET "86dd" IPV6("00") "1105 0000",
			PACKET_TRUNCATED},
		{"eight extension headers",
			ETHERNET "86dd" IPV6(
				"3c") "3c00 000000000000 3c00 000000000000 3c00 000000000000"
				      "3c00 000000000000 3c00 000000000000 3c00 000000000000"
				      "3c00 000000000000 1100 000000000000 |" UDP(SIP_PORTS) ABCD,
			PACKET_UDP},
		{"nine extension headers",
			ETHERNET "86dd" IPV6(
				"3c") "3c00 000000000000 3c00 000000000000 3c00 000000000000"
				      "3c00 000000000000 3c00 000000000000 3c00 000000000000"
				      "3c00 000000000000 3c00 000000000000 1100 000000000000 |" UDP(
					      SIP_PORTS) ABCD,
			PACKET_TOO_DEEP},
	};
	frame_classes_are(samples, COUNT(samples));
	for (size_t i = 0; i < COUNT(samples); i++)
		frame_may_be_cut_anywhere(samples[i].text);
}

static void each_class_has_a_name_and_a_help_text_of_its_own(void **state)
{
	(void)state;
	for (unsigned a = 0; a < PACKET_CLASSES; a++) {
		assert_true(strlen(packet_class_help(a)) > 0);
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(packet_class_name(a), packet_class_name(b));
	}
}

static void a_udp_length_beyond_the_frame_yields_what_is_there(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	assert_int_equal(
		frame_parse(&f, ETHERNET "0800" IPV4("11") SIP_PORTS " 00f0 0000 414243", &p),
		PACKET_UDP);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABC")));
}

static void lengths_of_0_come_from_offload_and_the_frame_counts(void **state)
{
	(void)state;
	static const char *const frames[] = {
		ETHERNET IPV4_ODD("4500 0000 0001 0000") SIP_PORTS " 0000 0000" ABCD,
		ETHERNET "86dd 60000000 0000 11 40 20010db8000000000000000000000001 "
			 "20010db8000000000000000000000002" SIP_PORTS " 0000 0000" ABCD,
	};
	for (size_t i = 0; i < COUNT(frames); i++) {
		struct frame f;
		struct packet p;
		assert_int_equal(frame_parse(&f, frames[i], &p), PACKET_UDP);
		assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));
	}
}

static void an_ip_length_ends_the_payload_before_the_udp_length_does(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	assert_int_equal(
		frame_parse(&f,
			ETHERNET IPV4_ODD("4500 001f 0001 0000") SIP_PORTS " 000c 0000" ABCD, &p),
		PACKET_UDP);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABC")));
}

// --- TCP --------------------------------------------------------------------------------------------------------------

static void a_segment_shows_its_header_and_its_data_behind_the_options(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	const char *segment = ETHERNET
		"0800" IPV4("06") "13c4 c001 fedcba98 00000001 8031 0400 0000 1234"
				  "0101080a 0000000100000002 |" ABCD;
	assert_int_equal(frame_parse(&f, segment, &p), PACKET_TCP);
	assert_int_equal(p.flow.source_port, 5060);
	assert_int_equal(p.flow.destination_port, 49153);
	assert_int_equal(p.flow.protocol, 6);
	assert_int_equal(p.tcp.sequence, 0xfedcba98);
	assert_int_equal(p.tcp.flags, TCP_FIN | TCP_URG | 16);
	assert_int_equal(p.tcp.urgent, 0x1234);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));
	frame_may_be_cut_anywhere(segment);
}

static void a_segment_without_data_has_an_empty_payload(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	assert_int_equal(frame_parse(&f, ETHERNET "86dd" IPV6("06") TCP, &p), PACKET_TCP);
	assert_int_equal(p.payload.len, 0);
}

static void a_data_offset_must_lie_within_the_segment_and_behind_the_header(void **state)
{
	(void)state;
#define TCP_WITH_OFFSET(n) IPV4("06") "13c4 13c5 00000001 00000000 " n "18 0400 0000 0000"
	static const struct frame_sample samples[] = {
		{"4 words", ETHERNET "0800" TCP_WITH_OFFSET("40") ABCD, PACKET_MALFORMED},
		{"6 words", ETHERNET "0800" TCP_WITH_OFFSET("60") ABCD, PACKET_TCP},
		{"7 words", ETHERNET "0800" TCP_WITH_OFFSET("70") ABCD, PACKET_TRUNCATED},
		{"a header cut", ETHERNET "0800" IPV4("06") "13c4 13c5 00000001 00000000 5018",
			PACKET_TRUNCATED},
	};
	frame_classes_are(samples, COUNT(samples));
}

// --- fragments ------------------------------------------------------------------------------------------------------

static void an_ipv4_fragment_shows_where_it_belongs(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	const char *text = ETHERNET IPV4_ODD("4500 <20> beef 2005") UDP(SIP_PORTS) ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.fragment.identification, 0xbeef);
	assert_int_equal(p.fragment.offset, 40);
	assert_true(p.fragment.more);
	assert_int_equal(p.flow.protocol, 17);
	assert_int_equal(p.flow.source.family, 4);
	assert_int_equal(p.flow.source_port, 0);
	assert_int_equal(p.flow.destination_port, 0);
	assert_int_equal(p.payload.len, 12);
	assert_memory_equal(p.payload.at, "\x13\xc4", 2);

	text = ETHERNET IPV4_ODD("4500 <20> beef 1fff") ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.fragment.offset, 65528);
	assert_false(p.fragment.more);
}

static void an_ipv6_fragment_shows_where_it_belongs(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	// Destination options before the fragment header, and the two reserved bits set.
	const char *text = ETHERNET "86dd" IPV6("3c") "2c00 0104 00000000"
						      "1100 002f deadbeef" ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.fragment.identification, 0xdeadbeef);
	assert_int_equal(p.fragment.offset, 40);
	assert_true(p.fragment.more);
	assert_int_equal(p.flow.protocol, 17);
	assert_int_equal(p.flow.source.family, 6);
	assert_int_equal(p.flow.source_port, 0);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));

	text = ETHERNET "86dd" IPV6("2c") "1100 002e deadbeef" ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.fragment.offset, 40);
	assert_false(p.fragment.more);
}

static void a_datagram_put_together_goes_on_where_its_fragment_ended(void **state)
{
	(void)state;
	static const struct {
		const char *fragment, *datagram;
		uint8_t protocol;
		enum packet_class class;
	} samples[] = {
		{ETHERNET IPV4_ODD("4500 <20> beef 0001") ABCD, UDP(SIP_PORTS) ABCD, 17,
			PACKET_UDP},
		{ETHERNET IPV4_ODD("4500 <20> beef 0001") ABCD, TCP ABCD, 6, PACKET_TCP},
		{ETHERNET IPV4_ODD("4500 <20> beef 0001") ABCD, "0800 0000", 1,
			PACKET_OTHER_PROTOCOL},
		{ETHERNET "86dd" IPV6("2c") "1100 0008 deadbeef" ABCD, UDP(SIP_PORTS) ABCD, 17,
			PACKET_UDP},
		// extension headers in what was in fragments; an atomic fragment among them
		{ETHERNET "86dd" IPV6("2c") "3c00 0008 deadbeef" ABCD,
			"2c00 0104 00000000 1100 0000 00000001 |" UDP(SIP_PORTS) ABCD, 60,
			PACKET_UDP},
		{ETHERNET "86dd" IPV6("2c") "3300 0008 deadbeef" ABCD,
			"1101 0000 00000001 00000001 |" UDP(SIP_PORTS) ABCD, 51, PACKET_UDP},
		{ETHERNET "86dd" IPV6("2c") "3c00 0008 deadbeef" ABCD, "1101 0104 00000000", 60,
			PACKET_TRUNCATED},
		// a fragment of the same packet again
		{ETHERNET "86dd" IPV6("2c") "2c00 0008 deadbeef" ABCD, "1100 0008 00000001" ABCD,
			44, PACKET_MALFORMED},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct frame f, d = frame_of(samples[i].datagram);
		struct packet p;
		assert_int_equal(frame_parse(&f, samples[i].fragment, &p), PACKET_FRAGMENT);
		struct address source = p.flow.source;
		uint8_t *block = exact_copy(d.octets, d.len);
		enum packet_class class =
			packet_resume(&p, samples[i].protocol, bytes_of(block, d.len));
		if (class != samples[i].class)
			fail_msg("sample %zu is %s", i, packet_class_name(class));
		packet_is_sound(&p, class);
		assert_memory_equal(&p.flow.source, &source, sizeof source);
		if (class == PACKET_UDP || class == PACKET_TCP) {
			assert_int_equal(p.flow.source_port, 5060);
			assert_int_equal(p.flow.destination_port, 5061);
			assert_int_equal(p.flow.protocol, class == PACKET_UDP ? 17 : 6);
			assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));
		}
		free(block);
	}
}

static void a_datagram_put_together_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct frame f;
	struct packet fragment, p;
	const char *text = ETHERNET "86dd" IPV6("2c") "3c00 0008 deadbeef" ABCD;
	assert_int_equal(frame_parse(&f, text, &fragment), PACKET_FRAGMENT);
	struct frame d = frame_of("2900 0104 00000000 |" IPV6("2f") "2000 0800 00000001 |" UDP_IN_IPV4);
	for (size_t len = 0; len <= d.len; len++) {
		uint8_t *block = exact_copy(d.octets, len);
		p = fragment;
		enum packet_class class = packet_resume(&p, 60, bytes_of(block, len));
		packet_is_sound(&p, class);
		assert_true(len < d.len || class == PACKET_UDP);
		free(block);
	}
}

static void a_first_fragment_shows_its_ports_and_what_it_holds(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum packet_class class;
		size_t payload_len;
	} samples[] = {
		{ETHERNET IPV4_ODD("4500 <20> 0001 2000") SIP_PORTS " 0400 0000" ABCD, PACKET_UDP,
			4},
		{ETHERNET IPV4_ODD("4500 <20> 0001 2000") SIP_PORTS " 0400 0000", PACKET_UDP, 0},
		{ETHERNET "0800 4500 <20> 0001 2000 40 06 0000 c000020a c6336414 |" TCP ABCD,
			PACKET_TCP, 4},
		{ETHERNET "86dd" IPV6("2c") "3c00 0001 00000001 1100 0104 00000000" SIP_PORTS
					   " 0400 0000" ABCD,
			PACKET_UDP, 4},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct frame f;
		struct packet p;
		assert_int_equal(frame_parse(&f, samples[i].text, &p), PACKET_FRAGMENT);
		assert_int_equal(packet_peek(&p), samples[i].class);
		assert_int_equal(p.flow.source_port, 5060);
		assert_int_equal(p.flow.destination_port, 5061);
		assert_int_equal(p.payload.len, samples[i].payload_len);
		assert_int_equal(p.ip.len, 0);
		assert_int_equal(p.outer.tunnels, 0);
	}
}

static void a_first_fragment_tells_whether_a_tunnel_may_be_in_it(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum packet_class class;
	} samples[] = {
		{ETHERNET IPV4_ODD("4500 <20> 0001 2000") "c000 0868 0400 0000", PACKET_TUNNEL},
		{ETHERNET IPV4_ODD("4500 <20> 0001 2000") "06a5 c000 0400 0000", PACKET_TUNNEL},
		{ETHERNET IPV4_ODD("4500 <20> 0001 2000") "12b5 c000 0400 0000", PACKET_UDP},
		{ETHERNET "86dd" IPV6("2c") "2900 0001 00000001" ABCD, PACKET_TUNNEL},
		{ETHERNET "86dd" IPV6("2c") "2f00 0001 00000001" ABCD, PACKET_TUNNEL},
		{ETHERNET "86dd" IPV6("2c") "3200 0001 00000001" ABCD, PACKET_ESP},
		{ETHERNET "86dd" IPV6("2c") "8400 0001 00000001" ABCD, PACKET_SCTP},
		{ETHERNET "86dd" IPV6("2c") "3a00 0001 00000001" ABCD, PACKET_OTHER_PROTOCOL},
		// too short to tell
		{ETHERNET IPV4_ODD("4500 <20> 0001 2000") SIP_PORTS " 04 00 00", PACKET_TRUNCATED},
		{ETHERNET "86dd" IPV6("2c") "0600 0001 00000001 13c413c500000001", PACKET_TRUNCATED},
		{ETHERNET "86dd" IPV6("2c") "3c00 0001 00000001 1101000000000000", PACKET_TRUNCATED},
		{ETHERNET "86dd" IPV6("2c") "1100 0001 00000001 13c4 13c5 0007 0000",
			PACKET_MALFORMED},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct frame f;
		struct packet p;
		assert_int_equal(frame_parse(&f, samples[i].text, &p), PACKET_FRAGMENT);
		enum packet_class class = packet_peek(&p);
		if (class != samples[i].class)
			fail_msg("sample %zu is %s", i, packet_class_name(class));
	}
}

static void a_look_at_the_first_fragment_does_not_spoil_going_on(void **state)
{
	(void)state;
	struct frame f, d = frame_of("0800 0000");
	struct packet p;
	const char *text = ETHERNET IPV4_ODD("4500 <20> 0001 2000") UDP(SIP_PORTS) ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(packet_peek(&p), PACKET_UDP);
	assert_int_equal(
		packet_resume(&p, 1, bytes_of(d.octets, d.len)), PACKET_OTHER_PROTOCOL);
	assert_int_equal(p.flow.source_port, 0);
	assert_int_equal(p.flow.destination_port, 0);
	assert_int_equal(p.payload.len, 0);
}

// --- the IP packet and the frame around it ----------------------------------------------------------------------------

static void ip_is(const char *name, const char *frame, size_t padding, const char *wanted)
{
	struct frame f = frame_of(frame), ip = frame_of(wanted);
	memset(f.octets + f.len, 0xee, padding);
	uint8_t *block = exact_copy(f.octets, f.len + padding);
	struct packet p;
	enum packet_class class = parse_both_ways(bytes_of(block, f.len + padding), &p);
	packet_is_sound(&p, class);
	if (!bytes_equal(p.ip, bytes_of(ip.octets, ip.len)))
		fail_msg("%s has %zu octets of IP", name, p.ip.len);
	uint8_t room[sizeof ip.octets];
	struct writer w = writer_of(room, ip.len);
	assert_int_equal(packet_write_ip(&p, &w), ip.len);
	assert_true(bytes_equal(writer_bytes(&w), p.ip));
	free(block);
}

static void the_ip_packet_goes_from_its_header_to_where_its_length_ends(void **state)
{
	(void)state;
#define WITH_OPTIONS                                                                               \
	"4600 <24> 0001 0000 40 11 0000 c000020a c6336414 01010101 |" UDP(SIP_PORTS) ABCD
#define WITH_EXTENSIONS IPV6("00") "2c00 0104 00000000 1100 0000 00000001 |" UDP(SIP_PORTS) ABCD
#define OFFLOADED "4500 0000 0001 0000 40 11 0000 c000020a c6336414 |" UDP(SIP_PORTS) ABCD
#define UDP_ENDS_EARLIER IPV4("11") SIP_PORTS "000a 0000" ABCD
#define CUT "4500 0100 0001 0000 40 11 0000 c000020a c6336414" SIP_PORTS "00ec 0000" ABCD
	static const struct {
		const char *name, *head, *ip;
		size_t padding;
	} samples[] = {
		{"IPv4", ETHERNET "0800", UDP_IN_IPV4, 14},
		{"IPv6", ETHERNET "86dd", UDP_IN_IPV6, 14},
		{"TCP", ETHERNET "0800", IPV4("06") TCP ABCD, 2},
		{"TCP in IPv6", ETHERNET "86dd", IPV6("06") TCP, 2},
		{"with a tag", ETHERNET "8100 0001 0800", UDP_IN_IPV4, 14},
		{"options", ETHERNET "0800", WITH_OPTIONS, 10},
		{"extension headers", ETHERNET "86dd", WITH_EXTENSIONS, 10},
		{"without a length", ETHERNET "0800", OFFLOADED, 0},
		{"UDP that ends earlier", ETHERNET "0800", UDP_ENDS_EARLIER, 14},
		{"cut", ETHERNET "0800", CUT, 0},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		char frame[1024];
		snprintf(frame, sizeof frame, "%s%s", samples[i].head, samples[i].ip);
		ip_is(samples[i].name, frame, samples[i].padding, samples[i].ip);
	}
}

static void a_packet_that_has_no_room_is_not_written(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	assert_int_equal(frame_parse(&f, ETHERNET "0800" UDP_IN_IPV4, &p), PACKET_UDP);
	for (unsigned anew = 0; anew < 2; anew++) {
		for (size_t room = 0; room < 33; room++) {
			uint8_t *block = malloc(room + 1);
			struct writer w = writer_of(block, room + 1);
			write_u8(&w, 7);
			size_t len = packet_write_ip(&p, &w);
			assert_int_equal(len, room < 32 ? 0 : 32);
			assert_int_equal(w.len, 1 + len);
			assert_false(w.overflow);
			free(block);
		}
		p.ip = bytes_of(NULL, 0);
	}
	uint8_t room[64];
	struct writer overflown = writer_of(room, sizeof room);
	overflown.overflow = true;
	assert_int_equal(packet_write_ip(&p, &overflown), 0);
}

// Made by tests/functional/craft.py, checksums found right by tshark. Time to live 64, identification 0.
#define WHOLE_IPV4                                                                                 \
	"4500003b 00000000 40118e60 c000020a c6336414 13c413c5 0027d503 41424344 45464748"         \
	"494a4b4c 4d4e4f50 51525354 55565758 595a6162 636465"
#define WHOLE_IPV6                                                                                 \
	"60000000 00271140 20010db8 00000000 00000000 00000001 20010db8 00000000 00000000"         \
	"00000002 13c413c5 002765e1 41424344 45464748 494a4b4c 4d4e4f50 51525354 55565758"         \
	"595a6162 636465"

static void written_anew_is(struct packet *p, struct bytes wanted)
{
	assert_int_equal(p->ip.len, 0);
	uint8_t *block = malloc(wanted.len);
	struct writer w = writer_of(block, wanted.len);
	assert_int_equal(packet_write_ip(p, &w), wanted.len);
	assert_memory_equal(block, wanted.at, wanted.len);
	free(block);
}

// The frame of the last fragment, and what it was the end of.
static void is_written_as_before_it_was_cut(
	const char *fragment, struct frame *whole, size_t header_len)
{
	struct frame f;
	struct packet p;
	assert_int_equal(frame_parse(&f, fragment, &p), PACKET_FRAGMENT);
	struct bytes all = bytes_of(whole->octets, whole->len);
	assert_int_equal(packet_resume(&p, 17, bytes_slice(all, header_len, SIZE_MAX)), PACKET_UDP);
	packet_is_sound(&p, PACKET_UDP);
	assert_memory_equal(p.macs, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", sizeof p.macs);
	assert_int_equal(p.outer.vlan, 5);
	written_anew_is(&p, all);
}

static void a_datagram_of_fragments_is_written_as_before_it_was_cut(void **state)
{
	(void)state;
	struct frame ipv4 = frame_of(WHOLE_IPV4), ipv6 = frame_of(WHOLE_IPV6);
	is_written_as_before_it_was_cut(ETHERNET
		"8100 2005 0800 4500 <20> beef 0004 3f 11 0000 c000020a c6336414 |"
		"595a61 62636465",
		&ipv4, 20);
	is_written_as_before_it_was_cut(ETHERNET
		"8100 2005 86dd" IPV6("2c") "1100 0020 deadbeef 595a61 62636465",
		&ipv6, 40);
}

// The checksum that would be 0 is written as 65,535: 0 says that there is none.
static void a_checksum_is_never_0(void **state)
{
	(void)state;
	for (unsigned family = 4; family <= 6; family += 2) {
		struct frame whole = frame_of(family == 4 ? WHOLE_IPV4 : WHOLE_IPV6);
		struct packet p = {.flow = {.protocol = 17}};
		p.flow.source.family = p.flow.destination.family = (uint8_t)family;
		uint8_t payload[2] = {0, 0}, *checksum = whole.octets + (family == 4 ? 26 : 46);
		p.payload = bytes_of(payload, sizeof payload);
		struct writer w = writer_of(whole.octets, sizeof whole.octets);
		assert_int_equal(packet_write_ip(&p, &w), family == 4 ? 30 : 50);
		memcpy(payload, checksum, sizeof payload);
		w = writer_of(whole.octets, sizeof whole.octets);
		assert_int_equal(packet_write_ip(&p, &w), family == 4 ? 30 : 50);
		assert_memory_equal(checksum, "\xff\xff", 2);
	}
}

// Fragments may add up to more than an IPv4 packet with its header can be.
static void no_packet_is_made_that_cannot_be(void **state)
{
	(void)state;
	uint8_t *octets = calloc(1, 65536), *room = malloc(65536 + 40);
	for (unsigned family = 4; family <= 6; family += 2) {
		struct packet p = {.flow = {.protocol = 17}};
		p.flow.source.family = p.flow.destination.family = (uint8_t)family;
		size_t most = family == 4 ? 65507 : 65527, header_len = family == 4 ? 20 : 40;
		struct writer w = writer_of(room, 65536 + 40);
		p.payload = bytes_of(octets, most + 1);
		assert_int_equal(packet_write_ip(&p, &w), 0);
		assert_int_equal(w.len, 0);
		p.payload = bytes_of(octets, most);
		assert_int_equal(packet_write_ip(&p, &w), header_len + 8 + most);
		assert_memory_equal(room + (family == 4 ? 2 : 4), "\xff\xff", 2);
		assert_memory_equal(
			room + header_len + 4, family == 4 ? "\xff\xeb" : "\xff\xff", 2);
	}
	free(octets);
	free(room);
}

static void ethernet_addresses_are_told_source_first(void **state)
{
	(void)state;
	static const char *const texts[] = {ETHERNET "0800" UDP_IN_IPV4,
		ETHERNET "86dd" UDP_IN_IPV6, ETHERNET "88a8 0001 8100 0002 0800" UDP_IN_IPV4,
		ETHERNET "0806 0001 0800 0604 0001"};
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct frame f;
		struct packet p;
		frame_parse(&f, texts[i], &p);
		assert_memory_equal(p.macs[0], "\x02\0\0\0\0\x01", PACKET_MAC_LEN);
		assert_memory_equal(p.macs[1], "\x02\0\0\0\0\x02", PACKET_MAC_LEN);
	}
}

static void the_vlan_is_that_of_the_outermost_tag(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint16_t vlan;
	} samples[] = {
		{ETHERNET "0800" UDP_IN_IPV4, 0},
		{ETHERNET "8100 0001 0800" UDP_IN_IPV4, 1},
		{ETHERNET "8100 ffff 86dd" UDP_IN_IPV6, 4095},
		{ETHERNET "88a8 6007 8100 0002 0800" UDP_IN_IPV4, 7},
		{ETHERNET "9100 0003 8100 0002 8100 0001 86dd" UDP_IN_IPV6, 3},
		{ETHERNET "8100 e000 0800" UDP_IN_IPV4, 0}, // a priority
		{ETHERNET "8100 e000 8100 0002 0800" UDP_IN_IPV4, 0},
		{ETHERNET "8100 0009 0806 0001 0800", 9},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct frame f;
		struct packet p;
		frame_parse(&f, samples[i].text, &p);
		if (p.outer.vlan != samples[i].vlan)
			fail_msg("sample %zu has VLAN %u", i, p.outer.vlan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_udp_datagram_shows_flow_and_payload_without_padding),
		cmocka_unit_test(each_class_of_frame_gets_its_reason),
		cmocka_unit_test(each_class_has_a_name_and_a_help_text_of_its_own),
		cmocka_unit_test(a_udp_length_beyond_the_frame_yields_what_is_there),
		cmocka_unit_test(lengths_of_0_come_from_offload_and_the_frame_counts),
		cmocka_unit_test(an_ip_length_ends_the_payload_before_the_udp_length_does),
		cmocka_unit_test(a_segment_shows_its_header_and_its_data_behind_the_options),
		cmocka_unit_test(a_segment_without_data_has_an_empty_payload),
		cmocka_unit_test(a_data_offset_must_lie_within_the_segment_and_behind_the_header),
		cmocka_unit_test(an_ipv4_fragment_shows_where_it_belongs),
		cmocka_unit_test(an_ipv6_fragment_shows_where_it_belongs),
		cmocka_unit_test(a_datagram_put_together_goes_on_where_its_fragment_ended),
		cmocka_unit_test(a_datagram_put_together_may_be_cut_anywhere),
		cmocka_unit_test(a_first_fragment_shows_its_ports_and_what_it_holds),
		cmocka_unit_test(a_first_fragment_tells_whether_a_tunnel_may_be_in_it),
		cmocka_unit_test(a_look_at_the_first_fragment_does_not_spoil_going_on),
		cmocka_unit_test(the_ip_packet_goes_from_its_header_to_where_its_length_ends),
		cmocka_unit_test(a_packet_that_has_no_room_is_not_written),
		cmocka_unit_test(a_datagram_of_fragments_is_written_as_before_it_was_cut),
		cmocka_unit_test(a_checksum_is_never_0),
		cmocka_unit_test(no_packet_is_made_that_cannot_be),
		cmocka_unit_test(ethernet_addresses_are_told_source_first),
		cmocka_unit_test(the_vlan_is_that_of_the_outermost_tag),
	};
	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
