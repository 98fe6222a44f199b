// Golden frames of each encapsulation, what they may not be confused with, and how deep they nest.
#include "frames.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define MAC_TO_FROM "0200 00000004 0200 00000003 "
#define FRAME_IN MAC_TO_FROM "0800" UDP_IN_IPV4 // an inner Ethernet frame
#define GTPU_UDP UDP("0868 0868")
#define VXLAN UDP("c000 12b5") "08000000 00aa0100 | "
#define OUTER_1 IPV4_OF("11", "0a000001")
#define OUTER_GRE IPV4_OF("2f", "0a000001")

// --- each kind ------------------------------------------------------------------------------------------------------

struct golden {
	const char *name, *text;
	uint8_t family; // of the innermost packet
	uint8_t tunnels, flows;
	uint8_t teid_count;
	uint32_t teid; // the first
	uint16_t outer_destination_port;
};

static const struct golden goldens[] = {
	{"QinQ", ETHERNET "88a8 6001 8100 0002 0800" UDP_IN_IPV4, 4, 0, 0, 0, 0, 0},
	{"MPLS, IPv4", ETHERNET "8847 00010040 00011140" UDP_IN_IPV4, 4, 1, 0, 0, 0, 0},
	{"MPLS, IPv6", ETHERNET "8848 00011140" UDP_IN_IPV6, 6, 1, 0, 0, 0, 0},
	{"pseudowire with control word", ETHERNET "8847 00011140 00000007" FRAME_IN, 4, 1, 0, 0, 0,
		0},
	{"pseudowire", ETHERNET "8847 00011140" FRAME_IN, 4, 1, 0, 0, 0, 0},
	{"pseudowire, tagged frame",
		ETHERNET "8847 00011140 00000000" MAC_TO_FROM "8100 0005 86dd" UDP_IN_IPV6, 6, 1, 0,
		0, 0, 0},
	{"pseudowire to an address that begins like a control word",
		ETHERNET "8847 00011140 001b21000001 020000000003 0800" UDP_IN_IPV4, 4, 1, 0, 0, 0,
		0},
	{"pseudowire to an address that begins like the control word of Ethernet",
		ETHERNET "8847 00011140 00005e000101 020000000003 0800" UDP_IN_IPV4, 4, 1, 0, 0, 0,
		0},
	{"pseudowire to an address that begins like IPv4",
		ETHERNET "8847 00011140 4a0000000001 020000000003 0800" UDP_IN_IPV4, 4, 1, 0, 0, 0,
		0},
	{"pseudowire to an address that begins like a short IPv4",
		ETHERNET "8847 00011140 440000000001 020000000003 86dd" UDP_IN_IPV6, 6, 1, 0, 0, 0,
		0},
	{"pseudowire to an address that begins like IPv6",
		ETHERNET "8847 00011140 640000000001 020000000003 8100 0001 0800" UDP_IN_IPV4, 4,
		1, 0, 0, 0, 0},
	{"pseudowire to an address that begins like IPv6, IPv6 in it",
		ETHERNET "8847 00011140 640000000001 020000000003 86dd" UDP_IN_IPV6, 6, 1, 0, 0, 0,
		0},
	{"pseudowire with control word, from an address that looks like an Ethertype",
		ETHERNET "8847 00011140 00000007 020000000004 020008004001 0800" UDP_IN_IPV4, 4, 1,
		0, 0, 0, 0},
	{"PPPoE", ETHERNET "8864 1100 0007 <2> | 0021" UDP_IN_IPV4, 4, 1, 0, 0, 0, 0},
	{"PPPoE, compressed protocol field", ETHERNET "8864 1100 0007 <1> | 57" UDP_IN_IPV6, 6, 1,
		0, 0, 0, 0},
	{"PPPoE, MPLS", ETHERNET "8864 1100 0007 <6> | 0281 00011140" UDP_IN_IPV4, 4, 2, 0, 0, 0,
		0},
	{"PPPoE, MPLS multicast", ETHERNET "8864 1100 0007 <6> | 0283 00011140" UDP_IN_IPV4, 4, 2,
		0, 0, 0, 0},
	{"L2TPv2", ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "0002 0003 0004 | 0021" UDP_IN_IPV4, 4,
		1, 1, 0, 0, 1701},
	{"L2TPv2, from its port alone",
		ETHERNET "0800" OUTER_1 UDP("06a5 c000") "0002 0003 0004 ff03 0021" UDP_IN_IPV4, 4,
		1, 1, 0, 0, 0xc000},
	{"L2TPv2, all fields",
		ETHERNET "0800" OUTER_1 UDP(
			"c000 06a5") "4b02 <18> 0003 0004 0001 0002 0004 ffffffff |"
				     "ff03 0057" UDP_IN_IPV6,
		6, 1, 1, 0, 0, 1701},
	{"GRE", ETHERNET "0800" OUTER_GRE "0000 0800 |" UDP_IN_IPV4, 4, 1, 1, 0, 0, 0},
	{"GRE, all fields",
		ETHERNET "0800" OUTER_GRE "b000 86dd ffff 0000 00000009 00000001 |" UDP_IN_IPV6, 6,
		1, 1, 0, 0, 0},
	{"GRE in IPv6, Ethernet", ETHERNET "86dd" IPV6("2f") "2000 6558 00000009 |" FRAME_IN, 4, 1,
		1, 0, 0, 0},
	{"GRE, tag", ETHERNET "0800" OUTER_GRE "0000 8100 0005 0800 |" UDP_IN_IPV4, 4, 1, 1, 0, 0,
		0},
	{"GRE, MPLS", ETHERNET "0800" OUTER_GRE "0000 8847 00011140 |" UDP_IN_IPV4, 4, 2, 1, 0, 0,
		0},
	{"PPTP",
		ETHERNET "0800" OUTER_GRE "3081 880b <4> 0009 00000001 00000002 | ff03 0021"
			 UDP_IN_IPV4,
		4, 1, 1, 0, 0, 0},
	{"PPTP without acknowledgment",
		ETHERNET "0800" OUTER_GRE "3001 880b <1> 0009 00000001 | 21" UDP_IN_IPV4, 4, 1, 1,
		0, 0, 0},
	{"ERSPAN I", ETHERNET "0800" OUTER_GRE "0000 88be |" FRAME_IN, 4, 1, 1, 0, 0, 0},
	{"ERSPAN II",
		ETHERNET "0800" OUTER_GRE "1000 88be 00000001 1005 0011 00000003 |" FRAME_IN, 4, 1,
		1, 0, 0, 0},
	{"ERSPAN II, tagged frame",
		ETHERNET "0800" OUTER_GRE "1000 88be 00000001 1005 0011 00000003" MAC_TO_FROM
			 "8100 0005 0800" UDP_IN_IPV4,
		4, 1, 1, 0, 0, 0},
	{"ERSPAN III",
		ETHERNET "0800" OUTER_GRE "1000 22eb 00000001 2005 0011 00000000 0000 8000"
			 FRAME_IN,
		4, 1, 1, 0, 0, 0},
	{"ERSPAN III, with what is specific to the platform",
		ETHERNET "0800" OUTER_GRE "1000 22eb 00000001 2005 0011 00000000 0000 8001"
					  "0400000000000000" FRAME_IN,
		4, 1, 1, 0, 0, 0},
	{"IP in IP", ETHERNET "0800" IPV4_OF("04", "0a000001") UDP_IN_IPV4, 4, 1, 1, 0, 0, 0},
	{"6in4", ETHERNET "0800" IPV4_OF("29", "0a000001") UDP_IN_IPV6, 6, 1, 1, 0, 0, 0},
	{"4in6", ETHERNET "86dd" IPV6("04") UDP_IN_IPV4, 4, 1, 1, 0, 0, 0},
	{"6in6, behind destination options",
		ETHERNET "86dd" IPV6("3c") "2900 0401 04000000 |" UDP_IN_IPV6, 6, 1, 1, 0, 0, 0},
	{"MPLS in IP", ETHERNET "0800" IPV4_OF("89", "0a000001") "00011140 |" UDP_IN_IPV4, 4, 1, 1,
		0, 0, 0},
	{"EtherIP", ETHERNET "0800" IPV4_OF("61", "0a000001") "3000 |" FRAME_IN, 4, 1, 1, 0, 0, 0},
	{"Ethernet in IPv6", ETHERNET "86dd" IPV6("8f") FRAME_IN, 4, 1, 1, 0, 0, 0},
	{"VXLAN", ETHERNET "0800" OUTER_1 VXLAN FRAME_IN, 4, 1, 1, 0, 0, 4789},
	{"Geneve, Ethernet", ETHERNET "0800" OUTER_1 UDP("c000 17c1") "0000 6558 00aa0100 |" FRAME_IN,
		4, 1, 1, 0, 0, 6081},
	{"Geneve, options and IPv6",
		ETHERNET "0800" OUTER_1 UDP("c000 17c1") "0240 86dd 00aa0100 0102 80 01 00000000 |"
			 UDP_IN_IPV6,
		6, 1, 1, 0, 0, 6081},
	{"Geneve, IPv4", ETHERNET "0800" OUTER_1 UDP("c000 17c1") "0000 0800 00aa0100 |" UDP_IN_IPV4,
		4, 1, 1, 0, 0, 6081},
	{"GTP-U", ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> deadbeef |" UDP_IN_IPV4, 4, 1, 1, 1,
		0xdeadbeef, 2152},
	{"GTP-U, from its port alone",
		ETHERNET "0800" OUTER_1 UDP("0868 c000") "30ff <0> deadbeef |" UDP_IN_IPV6, 6, 1, 1,
		1, 0xdeadbeef, 0xc000},
	{"GTP-U over IPv6, sequence number",
		ETHERNET "86dd" IPV6("11") GTPU_UDP "32ff <4> 00000001 | 1234 00 00" UDP_IN_IPV4, 4,
		1, 1, 1, 1, 2152},
	{"GTP-U, PDU session container",
		ETHERNET "0800" OUTER_1 GTPU_UDP "34ff <8> 00000001 | 0000 00 85 01 1009 00"
			 UDP_IN_IPV4,
		4, 1, 1, 1, 1, 2152},
	{"GTP-U, two extension headers",
		ETHERNET "0800" OUTER_1 GTPU_UDP
			 "36ff <16> 00000001 | 1234 00 c0 02 0001 00000000 85 01 1009 00"
			 UDP_IN_IPV4,
		4, 1, 1, 1, 1, 2152},
	{"GTP-U, extension type without the flag",
		ETHERNET "0800" OUTER_1 GTPU_UDP "32ff <4> 00000001 | 1234 00 85" UDP_IN_IPV4, 4, 1,
		1, 1, 1, 2152},
	{"QinQ, MPLS pseudowire, GTP-U, IPv6",
		ETHERNET "88a8 0001 8100 0002 8847 00010040 00011140 00000000" MAC_TO_FROM
			 "8100 0003 0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" UDP_IN_IPV6,
		6, 2, 1, 1, 5, 2152},
	{"PPPoE, L2TP, PPP, GRE, VXLAN, 6in4",
		ETHERNET "8864 1100 0007 <2> | 0021" OUTER_1 UDP(
			"06a5 06a5") "0002 0003 0004 | 0021" OUTER_GRE
				     "0000 0800 |" OUTER_1 VXLAN MAC_TO_FROM
				     "0800" IPV4_OF("29", "0a000001") UDP_IN_IPV6,
		6, 5, 4, 0, 0, 1701},
	{"GTP-U in GTP-U",
		ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" OUTER_1 GTPU_UDP
			 "30ff <0> 00000006 |" UDP_IN_IPV4,
		4, 2, 2, 2, 5, 2152},
};

static void golden_is(const struct golden *g, struct bytes frame)
{
	static const uint8_t inner_6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct packet p;
	memset(&p, 0xa5, sizeof p);
	enum packet_class class = packet_parse(frame, &p);
	if (class != PACKET_UDP || p.outer.tunnels != g->tunnels)
		fail_msg("%s is %s in %u tunnels", g->name, packet_class_name(class),
			p.outer.tunnels);
	packet_is_sound(&p, class);
	assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));
	assert_int_equal(p.flow.source.family, g->family);
	assert_int_equal(p.flow.destination.family, g->family);
	if (g->family == 4)
		assert_memory_equal(
			p.flow.source.octets, "\xc0\x00\x02\x0a\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	else
		assert_memory_equal(p.flow.source.octets, inner_6, 16);
	assert_int_equal(p.flow.protocol, 17);
	assert_int_equal(p.flow.source_port, 5060);
	assert_int_equal(p.flow.destination_port, 5061);
	assert_int_equal(p.outer.flow_count, g->flows);
	assert_int_equal(p.outer.teid_count, g->teid_count);
	if (g->teid_count)
		assert_int_equal(p.outer.teids[0], g->teid);
	if (g->flows)
		assert_int_equal(p.outer.flows[0].destination_port, g->outer_destination_port);
	assert_true(p.outer.scope != 0);
}

static void each_encapsulation_is_opened(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(goldens); i++) {
		struct frame f = frame_of(goldens[i].text);
		uint8_t *block = exact_copy(f.octets, f.len);
		golden_is(&goldens[i], bytes_of(block, f.len));
		free(block);
	}
}

// 8.0.64.1 and 2001:db8:800:4000:: have octets of an Ethertype where a pseudowire would have it.
static void ip_behind_labels_is_not_taken_for_ethernet(void **state)
{
	(void)state;
	static const struct frame_sample samples[] = {
		{"IPv4", ETHERNET "8847 00011140" IPV4_OF("11", "08004001") UDP(SIP_PORTS) ABCD,
			PACKET_UDP},
		{"IPv6",
			ETHERNET "8847 00011140 60000000 <0> 11 40 20010db8080040000000000000000001 "
				 "20010db8000000000000000000000002 |" UDP(SIP_PORTS) ABCD,
			PACKET_UDP},
		{"IPv4 with a length of 0",
			ETHERNET "8847 00011140 4500 0000 0001 0000 40 11 0000 c000020a c6336414" UDP(
				SIP_PORTS) ABCD,
			PACKET_UDP},
		{"IPv6, padded", ETHERNET "8847 00011140" UDP_IN_IPV6 "00000000", PACKET_UDP},
	};
	frame_classes_are(samples, COUNT(samples));
}

static void padding_behind_an_encapsulation_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(goldens); i++) {
		struct frame f = frame_of(goldens[i].text);
		memset(f.octets + f.len, 0, 18);
		golden_is(&goldens[i], bytes_of(f.octets, f.len + 18));
	}
}

static void each_encapsulation_may_be_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(goldens); i++)
		frame_may_be_cut_anywhere(goldens[i].text);
}

static void a_frame_that_was_cut_still_gives_what_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(goldens); i++) {
		struct frame f = frame_of(goldens[i].text);
		uint8_t *block = exact_copy(f.octets, f.len - 1);
		struct packet p;
		enum packet_class class = packet_parse(bytes_of(block, f.len - 1), &p);
		if (class != PACKET_UDP || !bytes_equal(p.payload, bytes_of_text("ABC")))
			fail_msg("%s is %s", goldens[i].name, packet_class_name(class));
		free(block);
	}
}

static void outer_packets_are_told_outermost_first(void **state)
{
	(void)state;
	struct frame f;
	struct packet p;
	const char *text = ETHERNET
		"0800" IPV4_OF("11", "0a000001") GTPU_UDP "30ff <0> 00000005 |"
		IPV4_OF("2f", "0a000002") "0000 86dd |" IPV6("11") UDP("c001 0868")
		"30ff <0> 00000006 |" UDP_IN_IPV4;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_UDP);
	const struct encapsulation *o = &p.outer;
	assert_int_equal(o->tunnels, 3);
	assert_int_equal(o->flow_count, 3);
	assert_memory_equal(o->flows[0].source.octets, "\x0a\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(o->flows[0].destination.octets, "\xc6\x33\x64\x14", 4);
	assert_int_equal(o->flows[0].source_port, 2152);
	assert_int_equal(o->flows[0].destination_port, 2152);
	assert_int_equal(o->flows[0].protocol, 17);
	assert_memory_equal(o->flows[1].source.octets, "\x0a\0\0\2", 4);
	assert_int_equal(o->flows[1].source_port, 0);
	assert_int_equal(o->flows[1].destination_port, 0);
	assert_int_equal(o->flows[1].protocol, 47);
	assert_int_equal(o->flows[2].source.family, 6);
	assert_int_equal(o->flows[2].source_port, 0xc001);
	assert_int_equal(o->flows[2].destination_port, 2152);
	assert_int_equal(o->teid_count, 2);
	assert_int_equal(o->teids[0], 5);
	assert_int_equal(o->teids[1], 6);
}

// --- what is not opened, or no tunnel -----------------------------------------------------------------------------------

static void what_is_not_opened_has_its_class(void **state)
{
	(void)state;
	static const struct frame_sample samples[] = {
		{"associated channel behind labels", ETHERNET "8847 0000d140 10000001 00",
			PACKET_NOT_IP},
		{"ARP in a pseudowire", ETHERNET "8847 00011140 00000000" MAC_TO_FROM "0806 0001",
			PACKET_NOT_IP},
		{"nothing behind labels", ETHERNET "8847 00011140", PACKET_TRUNCATED},
		{"no bottom of the stack", ETHERNET "8847 00011040 00011040", PACKET_TRUNCATED},
		{"IPv4 behind labels whose header cannot be",
			ETHERNET "8847 00011140 4400 <20> 0001 0000 40 11 0000 c000020a c6336414 |" UDP(
				SIP_PORTS) ABCD,
			PACKET_NOT_IP},
		{"PPPoE, LCP", ETHERNET "8864 1100 0007 <0> | c021 0900 0008 00000000",
			PACKET_NOT_IP},
		{"PPPoE, IPCP", ETHERNET "8864 1100 0007 <0> | 8021 0100 0004", PACKET_NOT_IP},
		{"PPPoE, compressed", ETHERNET "8864 1100 0007 <0> | 00fd 0000", PACKET_TUNNEL},
		{"PPPoE, encrypted", ETHERNET "8864 1100 0007 <0> | 0053 0000", PACKET_TUNNEL},
		{"PPPoE, several links", ETHERNET "8864 1100 0007 <0> | 003d c0000000",
			PACKET_TUNNEL},
		{"PPPoE, an even protocol", ETHERNET "8864 1100 0007 <0> | 0020 0000",
			PACKET_MALFORMED},
		{"PPPoE, half a protocol", ETHERNET "8864 1100 0007 0001 0021" UDP_IN_IPV4,
			PACKET_TRUNCATED},
		{"PPPoE, version 2", ETHERNET "8864 2100 0007 <2> | 0021" UDP_IN_IPV4,
			PACKET_MALFORMED},
		{"PPPoE, code of discovery", ETHERNET "8864 1109 0000 <0> | 0000", PACKET_NOT_IP},
		{"GRE, routing", ETHERNET "0800" OUTER_GRE "4000 0800 00000000 00000000 |" UDP_IN_IPV4,
			PACKET_TUNNEL},
		{"GRE, a reserved bit", ETHERNET "0800" OUTER_GRE "0400 0800 |" UDP_IN_IPV4,
			PACKET_TUNNEL},
		{"GRE, version 2", ETHERNET "0800" OUTER_GRE "0002 0800 |" UDP_IN_IPV4,
			PACKET_TUNNEL},
		{"GRE, a type that is not opened", ETHERNET "0800" OUTER_GRE "0000 00fe 83",
			PACKET_TUNNEL},
		{"GRE, cut", ETHERNET "0800" OUTER_GRE "3000 0800 0000", PACKET_TRUNCATED},
		{"GRE version 1 that is no PPTP", ETHERNET "0800" OUTER_GRE
					     "3001 0800 <0> 0009 00000001 |" UDP_IN_IPV4,
			PACKET_TUNNEL},
		{"PPTP without a key", ETHERNET "0800" OUTER_GRE "1001 880b <0> 0009 00000001 |" UDP_IN_IPV4,
			PACKET_TUNNEL},
		{"PPTP, acknowledgment alone", ETHERNET "0800" OUTER_GRE "2081 880b 0000 0009 00000001",
			PACKET_NOT_IP},
		{"PPTP, no payload", ETHERNET "0800" OUTER_GRE "3001 880b 0000 0009 00000001 | 21" UDP_IN_IPV4,
			PACKET_NOT_IP},
		{"PPTP, encrypted", ETHERNET "0800" OUTER_GRE "3001 880b <0> 0009 00000001 | 00fd 9000",
			PACKET_TUNNEL},
		{"ERSPAN II of version 2", ETHERNET "0800" OUTER_GRE
					      "1000 88be 00000001 2005 0011 00000003 |" FRAME_IN,
			PACKET_TUNNEL},
		{"ERSPAN III of IP packets", ETHERNET "0800" OUTER_GRE
						 "1000 22eb 00000001 2005 0011 00000000 0000 0800" UDP_IN_IPV4,
			PACKET_TUNNEL},
		{"EtherIP of version 4", ETHERNET "0800" IPV4("61") "4000 |" FRAME_IN,
			PACKET_TUNNEL},
		{"L2TPv3 over UDP", ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "0003 0000 00000001 |" FRAME_IN,
			PACKET_TUNNEL},
		{"L2TPv2, LCP", ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "0002 0003 0004 c021 0900",
			PACKET_NOT_IP},
		{"Geneve, a type that is not opened", ETHERNET "0800" OUTER_1 UDP("c000 17c1") "0000 894f 00aa0100 00",
			PACKET_TUNNEL},
		{"GTP-U, neither IPv4 nor IPv6", ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" FRAME_IN,
			PACKET_TUNNEL},
		{"GTP-U, empty", ETHERNET "0800" OUTER_1 GTPU_UDP "30ff 0000 00000005", PACKET_TUNNEL},
		{"Teredo", ETHERNET "0800" OUTER_1 UDP("c000 0dd8") "60000000 <0> 3b 40 20010000000000000000000000000001"
							     "20010db8000000000000000000000002",
			PACKET_TUNNEL},
		{"Teredo, an answer with authentication and origin",
			ETHERNET "0800" OUTER_1 UDP("0dd8 c000") "0001 00 01 ff 0000000000000000 00 0000 c000 0a000001"
								 "60000000 0000 3b 40 fe800000000000000000000000000001"
								 "fe800000000000000000000000000002",
			PACKET_TUNNEL},
		{"ICMP in VXLAN", ETHERNET "0800" OUTER_1 VXLAN MAC_TO_FROM "0800" IPV4("01") "0800",
			PACKET_OTHER_PROTOCOL},
		{"ESP in GTP-U", ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" IPV4("32") "00",
			PACKET_ESP},
		{"TCP in GTP-U", ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" IPV6("06") TCP ABCD,
			PACKET_TCP},
		{"a header in GTP-U that cannot be",
			ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 | 4400 0014 0000 0000 4011 0000 00000000 00000000",
			PACKET_MALFORMED},
	};
	frame_classes_are(samples, COUNT(samples));
	for (size_t i = 0; i < COUNT(samples); i++)
		frame_may_be_cut_anywhere(samples[i].text);
}

static void a_tunnel_port_with_another_header_is_udp_with_its_payload(void **state)
{
	(void)state;
	static const struct {
		const char *name, *ports, *payload;
	} samples[] = {
		{"L2TP control", "06a5 06a5", "c802 0014 0000 0000 0000 0000 0008 0000 0000 0001"},
		{"L2TP, reserved bits", "06a5 06a5", "0012 0003 0004 0021 4500"},
		{"L2TP, version 1", "06a5 06a5", "0001 0003 0004 0021 4500"},
		{"L2TP, a length within its header", "06a5 06a5", "4002 0007 0003 0004 0021 4500"},
		{"L2TP, an offset beyond the end", "06a5 06a5", "0202 0003 0004 00ff 0021 4500"},
		{"L2TPv3 control", "06a5 06a5", "c803 0014 00000000 0000 0000 0008 0000 0000 0001"},
		{"VXLAN, no VNI", "c000 12b5", "00000000 00aa0100 00"},
		{"VXLAN, a reserved bit", "c000 12b5", "08000001 00aa0100 00"},
		{"VXLAN, the last reserved octet", "c000 12b5", "08000000 00aa0101 00"},
		{"VXLAN from its port", "12b5 c000", "08000000 00aa0100 020000000004"},
		{"VXLAN, cut", "c000 12b5", "08000000 00aa"},
		{"Geneve, version 1", "c000 17c1", "4000 0800 00aa0100 45"},
		{"Geneve, control", "c000 17c1", "0080 0800 00aa0100 45"},
		{"Geneve, a reserved bit", "c000 17c1", "0001 0800 00aa0100 45"},
		{"Geneve, the last reserved octet", "c000 17c1", "0000 0800 00aa0101 45"},
		{"Geneve, options beyond the end", "c000 17c1", "0100 0800 00aa0100 45"},
		{"GTP-U, echo request", "0868 0868", "3201 0004 00000000 1234 00 00"},
		{"GTP-U, end marker", "0868 0868", "30fe 0000 00000005"},
		{"GTP prime", "0868 0868", "20ff 0001 00000005 45"},
		{"GTP version 2", "0868 0868", "50ff 0001 00000005 45"},
		{"GTP-U, the spare bit", "0868 0868", "38ff 0001 00000005 45"},
		{"GTP-U, optional fields beyond its length", "0868 0868",
			"32ff 0003 00000005 1234 00 00 45"},
		{"GTP-U, extension of no length", "0868 0868",
			"34ff 000c 00000005 0000 00 85 00 000000 45000000"},
		{"GTP-U, extension beyond its length", "0868 0868",
			"34ff 0008 00000005 0000 00 85 02 000000 45000000"},
		{"GTP-U, cut", "0868 0868", "30ff 0001 0000"},
		{"Teredo, a bubble's neighbour", "0dd8 0dd8",
			"60000000 0000 3b 40 20010db8000000000000000000000001"
			"20010db8000000000000000000000002"},
		{"Teredo, cut", "0dd8 0dd8",
			"60000000 0010 3b 40 20010000000000000000000000000001"
			"20010db8000000000000000000000002"},
		{"nothing", "0868 06a5", ""},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		char text[512];
		snprintf(text, sizeof text, "%s0800 4500 <20> 0001 0000 40 11 0000 0a000001 c6336414 | "
					    "%s <8> 0000 | %s",
			ETHERNET, samples[i].ports, samples[i].payload);
		struct frame f, payload = frame_of(samples[i].payload);
		struct packet p;
		enum packet_class class = frame_parse(&f, text, &p);
		if (class != PACKET_UDP)
			fail_msg("%s is %s", samples[i].name, packet_class_name(class));
		assert_true(bytes_equal(p.payload, bytes_of(payload.octets, payload.len)));
		assert_int_equal(p.outer.tunnels, 0);
		assert_int_equal(p.outer.teid_count, 0);
		assert_int_equal(p.outer.scope, 0);
		frame_may_be_cut_anywhere(text);
	}
}

static const uint16_t tunnel_ports[] = {1701, 2152, 3544, 4789, 6081};

static void tunnel_ports_are_known(void **state)
{
	(void)state;
	unsigned count = 0;
	for (unsigned port = 0; port < 65536; port++)
		count += packet_is_tunnel_port((uint16_t)port);
	assert_int_equal(count, COUNT(tunnel_ports));
	for (size_t i = 0; i < COUNT(tunnel_ports); i++)
		assert_true(packet_is_tunnel_port(tunnel_ports[i]));
}

// A datagram in a frame of its own, with the payload at the end.
static struct frame datagram_of(uint16_t source, uint16_t destination, struct bytes payload)
{
	char text[256];
	snprintf(text, sizeof text,
		"%s0800 4500 0000 0001 0000 40 11 0000 0a000001 c6336414 %04x %04x 0000 0000",
		ETHERNET, source, destination);
	struct frame f = frame_of(text);
	memcpy(f.octets + f.len, payload.at, payload.len);
	f.len += payload.len;
	return f;
}

static void stays_udp(struct bytes payload)
{
	for (size_t a = 0; a < COUNT(tunnel_ports); a++) {
		uint16_t ports[][2] = {{tunnel_ports[a], tunnel_ports[a]},
			{tunnel_ports[a], 5060}, {5060, tunnel_ports[a]}};
		for (size_t i = 0; i < COUNT(ports); i++) {
			struct frame f = datagram_of(ports[i][0], ports[i][1], payload);
			struct packet p;
			assert_int_equal(packet_parse(bytes_of(f.octets, f.len), &p), PACKET_UDP);
			assert_true(bytes_equal(p.payload, payload));
		}
	}
}

static void no_sip_message_is_taken_for_a_tunnel(void **state)
{
	(void)state;
	static const char *const starts[] = {"INVITE", "ACK", "BYE", "CANCEL", "REGISTER",
		"OPTIONS", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "REFER", "MESSAGE",
		"UPDATE", "SIP/2.0"};
	for (size_t i = 0; i < COUNT(starts); i++) {
		char text[128];
		bool is_status = strcmp(starts[i], "SIP/2.0") == 0;
		snprintf(text, sizeof text, "%s %s\r\nCall-ID: 1\r\n\r\n", starts[i],
			is_status ? "200 OK" : "sip:a@example.com SIP/2.0");
		stays_udp(bytes_of_text(text));
	}
}

// Extension methods too: whatever visible octets a start line begins with.
static void no_text_is_taken_for_a_tunnel(void **state)
{
	(void)state;
	char text[128];
	snprintf(text, sizeof text, "xxyyyyyy sip:a@example.com;%s SIP/2.0\r\n\r\n",
		"some=long;parameters=here");
	for (size_t a = 0; a < COUNT(tunnel_ports); a++) {
		struct frame f = datagram_of(tunnel_ports[a], tunnel_ports[a], bytes_of_text(text));
		uint8_t *start = f.octets + f.len - strlen(text);
		for (unsigned pair = 0; pair < 65536; pair++) {
			start[0] = (uint8_t)(pair >> 8);
			start[1] = (uint8_t)pair;
			if (start[0] < 32 || start[0] > 126 || start[1] < 32 || start[1] > 126)
				continue;
			struct packet p;
			assert_int_equal(packet_parse(bytes_of(f.octets, f.len), &p), PACKET_UDP);
		}
	}
}

// --- lengths that lie -------------------------------------------------------------------------------------------------

static void the_length_of_an_encapsulation_bounds_what_is_in_it(void **state)
{
	(void)state;
	// Each says three octets less than its content has, so that one of the four octets is left.
	static const char *const frames[] = {
		ETHERNET "8864 1100 0007 001f | 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "4002 0027 0003 0004 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 GTPU_UDP "30ff 001d 00000005 |" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "3001 880b 001f 0009 00000001 | 0021" UDP_IN_IPV4,
		ETHERNET "0800 4500 0031 0001 0000 40 04 0000 0a000001 c6336414" UDP_IN_IPV4,
		ETHERNET "86dd 60000000 001d 04 40 20010db8000000000000000000000001"
			 "20010db8000000000000000000000002" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 "0868 0868 002d 0000 30ff <0> 00000005 |" UDP_IN_IPV4,
	};
	for (size_t i = 0; i < COUNT(frames); i++) {
		struct frame f;
		struct packet p;
		assert_int_equal(frame_parse(&f, frames[i], &p), PACKET_UDP);
		if (!bytes_equal(p.payload, bytes_of_text("A")))
			fail_msg("sample %zu has %zu octets", i, p.payload.len);
	}
}

static void a_length_beyond_the_frame_yields_what_is_there(void **state)
{
	(void)state;
	static const char *const frames[] = {
		ETHERNET "8864 1100 0007 ffff | 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "4002 ffff 0003 0004 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 GTPU_UDP "30ff ffff 00000005 |" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "3001 880b ffff 0009 00000001 | 0021" UDP_IN_IPV4,
		ETHERNET "0800 4500 0000 0001 0000 40 04 0000 0a000001 c6336414" UDP_IN_IPV4,
	};
	for (size_t i = 0; i < COUNT(frames); i++) {
		struct frame f;
		struct packet p;
		assert_int_equal(frame_parse(&f, frames[i], &p), PACKET_UDP);
		assert_true(bytes_equal(p.payload, bytes_of_text("ABCD")));
	}
}

// --- bounds -----------------------------------------------------------------------------------------------------------

// `count` times `header`, then `inner`, behind `start`.
static void nested(char text[static 4096], const char *start, const char *header, unsigned count,
	const char *inner)
{
	size_t len = (size_t)snprintf(text, 4096, "%s", start);
	for (unsigned i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, 4096 - len, "%s", header);
	assert_true((size_t)snprintf(text + len, 4096 - len, "%s", inner) < 4096 - len);
}

static void as_many_as_the_bounds_say_and_not_one_more(void **state)
{
	(void)state;
	static const struct {
		const char *name, *start, *header, *inner;
		unsigned bound;
	} samples[] = {
		{"IP in IP", ETHERNET "0800", IPV4("04"), UDP_IN_IPV4, PACKET_MAX_TUNNELS},
		{"6in6", ETHERNET "86dd", IPV6("29"), UDP_IN_IPV6, PACKET_MAX_TUNNELS},
		{"GTP-U", ETHERNET "0800", OUTER_1 GTPU_UDP "30ff <0> 00000005 |", UDP_IN_IPV4,
			PACKET_MAX_TUNNELS},
		{"GRE", ETHERNET "0800", OUTER_GRE "0000 0800 |", UDP_IN_IPV4, PACKET_MAX_TUNNELS},
		{"VXLAN", ETHERNET "0800", OUTER_1 VXLAN MAC_TO_FROM "0800", UDP_IN_IPV4,
			PACKET_MAX_TUNNELS},
		{"PPPoE", MAC_TO_FROM, "8864 1100 0007 <6> | 0281 00011140" MAC_TO_FROM,
			"0800" UDP_IN_IPV4, PACKET_MAX_TUNNELS / 2},
		{"pseudowires", MAC_TO_FROM, "8847 00011140 00000000" MAC_TO_FROM,
			"0800" UDP_IN_IPV4, PACKET_MAX_TUNNELS},
		{"labels", ETHERNET "8847", "00011040", "00011140" UDP_IN_IPV4,
			PACKET_MAX_LABELS - 1},
		{"tags", MAC_TO_FROM, "8100 0001", "0800" UDP_IN_IPV4, PACKET_MAX_VLAN_TAGS},
		{"tags in a tunnel", ETHERNET "0800" OUTER_1 VXLAN MAC_TO_FROM, "8100 0001",
			"0800" UDP_IN_IPV4, PACKET_MAX_VLAN_TAGS},
		{"GTP-U extension headers",
			ETHERNET "0800" OUTER_1 GTPU_UDP "34ff <0> 00000005 | 0000 00 85",
			"01 0000 85", "01 0000 00" UDP_IN_IPV4, PACKET_MAX_GTPU_EXTENSIONS - 1},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		char text[4096];
		nested(text, samples[i].start, samples[i].header, samples[i].bound,
			samples[i].inner);
		frame_class_is(samples[i].name, text, PACKET_UDP);
		frame_may_be_cut_anywhere(text);
		nested(text, samples[i].start, samples[i].header, samples[i].bound + 1,
			samples[i].inner);
		frame_class_is(samples[i].name, text, PACKET_TOO_DEEP);
	}
}

// --- scope ------------------------------------------------------------------------------------------------------------

static uint64_t scope_of(const char *text)
{
	struct frame f;
	struct packet p;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_UDP);
	return p.outer.scope;
}

static void networks_that_differ_differ_in_scope(void **state)
{
	(void)state;
	static const char *const frames[] = {
		ETHERNET "0800" UDP_IN_IPV4, // the plain one: 0
		ETHERNET "8100 0001 0800" UDP_IN_IPV4,
		ETHERNET "8100 0002 0800" UDP_IN_IPV4,
		ETHERNET "8100 0001 8100 0002 0800" UDP_IN_IPV4,
		ETHERNET "8100 0002 8100 0001 0800" UDP_IN_IPV4,
		ETHERNET "8847 00001140" UDP_IN_IPV4,
		ETHERNET "8847 00002140" UDP_IN_IPV4,
		ETHERNET "8864 1100 0001 <2> | 0021" UDP_IN_IPV4,
		ETHERNET "8864 1100 0002 <2> | 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "0002 0003 0004 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "0002 0003 0005 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 UDP("06a5 06a5") "0002 0004 0004 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "0000 0800 |" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "2000 0800 00000001 |" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "2000 0800 00000002 |" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "3001 880b <2> 0001 00000001 | 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "3001 880b <2> 0002 00000001 | 0021" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_GRE "1000 88be 00000001 1005 0011 00000003 |" FRAME_IN,
		ETHERNET "0800" OUTER_GRE "1000 88be 00000001 1006 0011 00000003 |" FRAME_IN,
		ETHERNET "0800" OUTER_GRE "1000 88be 00000001 1005 0012 00000003 |" FRAME_IN,
		ETHERNET "0800" OUTER_1 UDP("c000 12b5") "08000000 00000100 |" FRAME_IN,
		ETHERNET "0800" OUTER_1 UDP("c000 12b5") "08000000 00000200 |" FRAME_IN,
		ETHERNET "0800" OUTER_1 UDP("c000 17c1") "0000 6558 00000100 |" FRAME_IN,
		ETHERNET "0800" OUTER_1 UDP("c000 17c1") "0000 6558 00000200 |" FRAME_IN,
		ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000001 |" UDP_IN_IPV4,
		ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000002 |" UDP_IN_IPV4,
		ETHERNET "0800" IPV4_OF("11", "0a000002") GTPU_UDP "30ff <0> 00000001 |" UDP_IN_IPV4,
		ETHERNET "0800" IPV4_OF("04", "0a000001") UDP_IN_IPV4,
		ETHERNET "0800 4500 <20> 0001 0000 40 04 0000 0a000001 0a000002 |" UDP_IN_IPV4,
		ETHERNET "0800 4500 <20> 0001 0000 40 04 0000 0a000002 0a000001 |" UDP_IN_IPV4,
		ETHERNET "86dd" IPV6("04") UDP_IN_IPV4,
		ETHERNET "86dd 60000000 <0> 04 40 20010db8000000000000000000000001 "
			 "20010db8000000000000000000000003 |" UDP_IN_IPV4,
		ETHERNET "86dd 60000000 <0> 04 40 20010db8000000010000000000000001 "
			 "20010db8000000000000000000000002 |" UDP_IN_IPV4,
	};
	uint64_t scopes[COUNT(frames)];
	for (size_t i = 0; i < COUNT(frames); i++) {
		scopes[i] = scope_of(frames[i]);
		assert_true((i == 0) == (scopes[i] == 0));
		for (size_t other = 0; other < i; other++)
			if (scopes[i] == scopes[other])
				fail_msg("samples %zu and %zu meet", other, i);
	}
}

static void what_changes_from_packet_to_packet_is_not_in_the_scope(void **state)
{
	(void)state;
	static const char *const pairs[][2] = {
		// priority
		{ETHERNET "8100 0001 0800" UDP_IN_IPV4, ETHERNET "8100 e001 0800" UDP_IN_IPV4},
		// transport label, traffic class, time to live
		{ETHERNET "8847 00010040 00011140" UDP_IN_IPV4,
			ETHERNET "8847 00020040 00011f20" UDP_IN_IPV4},
		// entropy label
		{ETHERNET "8847 00011040 00007040 12345140" UDP_IN_IPV4,
			ETHERNET "8847 00011040 00007040 54321140" UDP_IN_IPV4},
		{ETHERNET "8847 00011140" UDP_IN_IPV4,
			ETHERNET "8847 00011040 00007040 54321140" UDP_IN_IPV4},
		// sequence numbers
		{ETHERNET "0800" OUTER_GRE "3000 0800 00000001 00000001 |" UDP_IN_IPV4,
			ETHERNET "0800" OUTER_GRE "3000 0800 00000001 00000002 |" UDP_IN_IPV4},
		{ETHERNET "0800" OUTER_1 GTPU_UDP "32ff <4> 00000001 | 0001 00 00" UDP_IN_IPV4,
			ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000001 |" UDP_IN_IPV4},
		// the source port of VXLAN
		{ETHERNET "0800" OUTER_1 UDP("c000 12b5") "08000000 00000100 |" FRAME_IN,
			ETHERNET "0800" OUTER_1 UDP("c001 12b5") "08000000 00000100 |" FRAME_IN},
	};
	for (size_t i = 0; i < COUNT(pairs); i++)
		if (scope_of(pairs[i][0]) != scope_of(pairs[i][1]))
			fail_msg("pair %zu differs", i);
}

// --- who may have made it, and the frame around it ---------------------------------------------------------------------

static void tunnels_that_a_user_can_make_or_fill_are_counted(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text;
		uint8_t tunnels, user_tunnels;
	} samples[] = {
		{"none", ETHERNET "0800" UDP_IN_IPV4, 0, 0},
		{"tags", ETHERNET "88a8 0001 8100 0002 0800" UDP_IN_IPV4, 0, 0},
		{"MPLS", ETHERNET "8847 00010040 00011140" UDP_IN_IPV4, 1, 0},
		{"pseudowire", ETHERNET "8847 00011140" FRAME_IN, 1, 0},
		{"pseudowires", ETHERNET "8847 00011140" MAC_TO_FROM "8847 00011140" FRAME_IN, 2,
			0},
		{"PPPoE", ETHERNET "8864 1100 0007 <2> | 0021" UDP_IN_IPV4, 1, 1},
		{"MPLS, PPPoE",
			ETHERNET "8847 00011140" MAC_TO_FROM
				 "8864 1100 0007 <2> | 0021" UDP_IN_IPV4,
			2, 1},
		{"PPPoE, MPLS", ETHERNET "8864 1100 0007 <6> | 0281 00011140" UDP_IN_IPV4, 2, 1},
		{"GTP-U", ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" UDP_IN_IPV4, 1, 1},
		{"MPLS, GTP-U",
			ETHERNET "8847 00011140" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" UDP_IN_IPV4,
			2, 1},
		{"L2TP",
			ETHERNET
			"0800" OUTER_1 UDP("06a5 06a5") "0002 0001 0002 ff03 0021" UDP_IN_IPV4,
			1, 1},
		{"GRE", ETHERNET "0800" OUTER_GRE "0000 0800 |" UDP_IN_IPV4, 1, 1},
		{"PPTP", ETHERNET "0800" OUTER_GRE "3001 880b <0> 0001 00000001 | 0021" UDP_IN_IPV4,
			1, 1},
		{"GRE, MPLS", ETHERNET "0800" OUTER_GRE "0000 8847 00011140 |" UDP_IN_IPV4, 2, 1},
		{"IP in IP", ETHERNET "0800" IPV4_OF("04", "0a000001") UDP_IN_IPV4, 1, 1},
		{"IPv6 in IP", ETHERNET "0800" IPV4_OF("29", "0a000001") UDP_IN_IPV6, 1, 1},
		{"EtherIP", ETHERNET "0800" IPV4_OF("61", "0a000001") "3000" FRAME_IN, 1, 1},
		{"VXLAN", ETHERNET "0800" OUTER_1 VXLAN FRAME_IN, 1, 1},
		{"Geneve",
			ETHERNET "0800" OUTER_1 UDP("c000 17c1") "0000 0800 00000100 |" UDP_IN_IPV4,
			1, 1},
		{"VXLAN, GTP-U",
			ETHERNET "0800" OUTER_1 VXLAN MAC_TO_FROM "0800" OUTER_1 GTPU_UDP
				 "30ff <0> 00000005 |" UDP_IN_IPV4,
			2, 2},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct frame f;
		struct packet p;
		enum packet_class class = frame_parse(&f, samples[i].text, &p);
		if (class != PACKET_UDP || p.outer.tunnels != samples[i].tunnels ||
			p.outer.user_tunnels != samples[i].user_tunnels)
			fail_msg("%s: %s, %u tunnels, %u of users", samples[i].name,
				packet_class_name(class), p.outer.tunnels, p.outer.user_tunnels);
	}
}

static void ethernet_addresses_are_those_nearest_to_the_packet(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool inner;
	} samples[] = {
		{ETHERNET "0800" OUTER_1 VXLAN FRAME_IN, true},
		{ETHERNET "8847 00011140" FRAME_IN, true},
		{ETHERNET "8847 00011140 00000000" FRAME_IN, true},
		{ETHERNET "0800" OUTER_1 VXLAN MAC_TO_FROM "0800" OUTER_1 GTPU_UDP
			  "30ff <0> 00000005 |" UDP_IN_IPV4,
			true},
		{ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" UDP_IN_IPV4, false},
		{ETHERNET "8100 0001 8847 00011140" UDP_IN_IPV6, false},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct frame f;
		struct packet p;
		assert_int_equal(frame_parse(&f, samples[i].text, &p), PACKET_UDP);
		assert_memory_equal(p.macs,
			samples[i].inner ? "\x02\0\0\0\0\x03\x02\0\0\0\0\x04"
					 : "\x02\0\0\0\0\x01\x02\0\0\0\0\x02",
			sizeof p.macs);
	}
}

static void the_vlan_of_a_frame_in_a_tunnel_is_not_that_of_the_frame(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint16_t vlan;
	} samples[] = {
		{ETHERNET "8847 00011140" MAC_TO_FROM "8100 0005 86dd" UDP_IN_IPV6, 0},
		{ETHERNET "8100 0007 8847 00011140" MAC_TO_FROM "8100 0005 86dd" UDP_IN_IPV6, 7},
		{ETHERNET "0800" OUTER_1 VXLAN MAC_TO_FROM "8100 0005 0800" UDP_IN_IPV4, 0},
		{ETHERNET "8100 0009 0800" OUTER_1 VXLAN MAC_TO_FROM "8100 0005 0800" UDP_IN_IPV4,
			9},
		{ETHERNET "0800" OUTER_GRE "0000 8100 0005 0800 |" UDP_IN_IPV4, 0},
		{ETHERNET "8864 1100 0007 <2> | 0021" UDP_IN_IPV4, 0},
	};
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct frame f;
		struct packet p;
		assert_int_equal(frame_parse(&f, samples[i].text, &p), PACKET_UDP);
		if (p.outer.vlan != samples[i].vlan)
			fail_msg("sample %zu has VLAN %u", i, p.outer.vlan);
	}
}

static void the_ip_packet_is_the_innermost_one(void **state)
{
	(void)state;
	struct frame ipv4 = frame_of(UDP_IN_IPV4), ipv6 = frame_of(UDP_IN_IPV6);
	for (size_t i = 0; i < COUNT(goldens); i++) {
		const struct frame *inner = goldens[i].family == 4 ? &ipv4 : &ipv6;
		struct frame f = frame_of(goldens[i].text);
		memset(f.octets + f.len, 0, 18); // padding
		struct packet p;
		assert_int_equal(parse_both_ways(bytes_of(f.octets, f.len + 18), &p), PACKET_UDP);
		if (!bytes_equal(p.ip, bytes_of(inner->octets, inner->len)))
			fail_msg("%s has %zu octets of IP", goldens[i].name, p.ip.len);
	}
}

// --- fragments in tunnels and tunnels in fragments ------------------------------------------------------------------------

#define IPV4_FRAGMENT(protocol, source, fragment)                                                  \
	"4500 <20> beef " fragment " 40 " protocol " 0000 " source " c6336414 | "

static void resume_with(struct packet *p, uint8_t protocol, const char *text,
	struct frame *datagram, enum packet_class wanted)
{
	*datagram = frame_of(text);
	enum packet_class class =
		packet_resume(p, protocol, bytes_of(datagram->octets, datagram->len));
	packet_is_sound(p, class);
	assert_int_equal(class, wanted);
}

static void is_the_same_as(const struct packet *p, const char *whole)
{
	struct frame f;
	struct packet w;
	assert_int_equal(frame_parse(&f, whole, &w), PACKET_UDP);
	assert_true(bytes_equal(p->payload, w.payload));
	assert_memory_equal(&p->flow, &w.flow, sizeof w.flow);
	assert_int_equal(p->outer.scope, w.outer.scope);
	assert_int_equal(p->outer.tunnels, w.outer.tunnels);
	assert_int_equal(p->outer.user_tunnels, w.outer.user_tunnels);
	assert_int_equal(p->outer.vlan, w.outer.vlan);
	assert_memory_equal(p->macs, w.macs, sizeof w.macs);
	assert_true(p->ip.len == 0 || bytes_equal(p->ip, w.ip));
	assert_int_equal(p->outer.flow_count, w.outer.flow_count);
	assert_memory_equal(
		p->outer.flows, w.outer.flows, w.outer.flow_count * sizeof *w.outer.flows);
	assert_int_equal(p->outer.teid_count, w.outer.teid_count);
	assert_memory_equal(
		p->outer.teids, w.outer.teids, w.outer.teid_count * sizeof *w.outer.teids);
}

static void a_fragment_in_a_tunnel_goes_on_within_it(void **state)
{
	(void)state;
	struct frame f, d;
	struct packet p;
	const char *text = ETHERNET "8100 0001 0800" OUTER_1 GTPU_UDP
				    "30ff <0> 00000005 |" IPV4_FRAGMENT("11", "c000020a", "0001") ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.outer.tunnels, 1);
	assert_int_equal(p.outer.flow_count, 1);
	assert_int_equal(p.outer.teids[0], 5);
	assert_int_equal(p.flow.source_port, 0);
	assert_int_equal(p.fragment.offset, 8);
	resume_with(&p, 17, UDP(SIP_PORTS) ABCD, &d, PACKET_UDP);
	assert_int_equal(p.ip.len, 0);
	is_the_same_as(&p, ETHERNET "8100 0001 0800" OUTER_1 GTPU_UDP
				    "30ff <0> 00000005 |" UDP_IN_IPV4);
}

static void a_tunnel_in_fragments_is_opened(void **state)
{
	(void)state;
	struct frame f, d;
	struct packet p;
	const char *text = ETHERNET "0800" IPV4_FRAGMENT("11", "0a000001", "0001") ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.outer.tunnels, 0);
	assert_int_equal(p.outer.flow_count, 0);
	assert_int_equal(p.outer.scope, 0);
	resume_with(&p, 17, GTPU_UDP "30ff <0> 00000005 |" UDP_IN_IPV4, &d, PACKET_UDP);
	assert_true(p.ip.len > 0); // whole, in the datagram that was put together
	is_the_same_as(&p, ETHERNET "0800" OUTER_1 GTPU_UDP "30ff <0> 00000005 |" UDP_IN_IPV4);
}

static void fragments_in_tunnels_in_fragments_are_resumed_one_by_one(void **state)
{
	(void)state;
	struct frame f, outer, middle, inner;
	struct packet p;
	const char *text = ETHERNET
		"8847 00011140" IPV4_FRAGMENT("2f", "0a000001", "0001") ABCD;
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.flow.protocol, 47);
	resume_with(&p, 47, "2000 86dd 00000009 |" IPV6("2c") "3c00 0008 00000001" ABCD, &outer,
		PACKET_FRAGMENT);
	assert_int_equal(p.flow.protocol, 60);
	assert_int_equal(p.outer.tunnels, 2);
	resume_with(&p, 60,
		"1100 0104 00000000 |" UDP("c000 12b5") "08000000 00aa0100 " MAC_TO_FROM
		"0800" IPV4_FRAGMENT("11", "c000020a", "0001") ABCD,
		&middle, PACKET_FRAGMENT);
	assert_int_equal(p.outer.tunnels, 3);
	assert_int_equal(p.outer.flow_count, 2);
	assert_int_equal(p.outer.flows[1].destination_port, 4789);
	assert_int_equal(p.flow.source_port, 0);
	resume_with(&p, 17, UDP(SIP_PORTS) ABCD, &inner, PACKET_UDP);
	is_the_same_as(&p, ETHERNET
		"8847 00011140" OUTER_GRE "2000 86dd 00000009 |" IPV6("11")
		UDP("c000 12b5") "08000000 00aa0100 " FRAME_IN);
}

static void going_on_does_not_lift_the_bound_of_tunnels(void **state)
{
	(void)state;
	char text[4096];
	struct frame f, d;
	struct packet p;
	nested(text, ETHERNET "0800", IPV4("04"), PACKET_MAX_TUNNELS,
		IPV4_FRAGMENT("04", "c000020a", "0001") ABCD);
	assert_int_equal(frame_parse(&f, text, &p), PACKET_FRAGMENT);
	assert_int_equal(p.outer.flow_count, PACKET_MAX_TUNNELS);
	struct packet again = p;
	resume_with(&p, 4, UDP_IN_IPV4, &d, PACKET_TOO_DEEP);
	resume_with(&again, 17, GTPU_UDP "30ff <0> 00000005 |" UDP_IN_IPV4, &d, PACKET_TOO_DEEP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_encapsulation_is_opened),
		cmocka_unit_test(ip_behind_labels_is_not_taken_for_ethernet),
		cmocka_unit_test(padding_behind_an_encapsulation_changes_nothing),
		cmocka_unit_test(each_encapsulation_may_be_cut_anywhere),
		cmocka_unit_test(a_frame_that_was_cut_still_gives_what_is_there),
		cmocka_unit_test(outer_packets_are_told_outermost_first),
		cmocka_unit_test(what_is_not_opened_has_its_class),
		cmocka_unit_test(a_tunnel_port_with_another_header_is_udp_with_its_payload),
		cmocka_unit_test(tunnel_ports_are_known),
		cmocka_unit_test(no_sip_message_is_taken_for_a_tunnel),
		cmocka_unit_test(no_text_is_taken_for_a_tunnel),
		cmocka_unit_test(the_length_of_an_encapsulation_bounds_what_is_in_it),
		cmocka_unit_test(a_length_beyond_the_frame_yields_what_is_there),
		cmocka_unit_test(as_many_as_the_bounds_say_and_not_one_more),
		cmocka_unit_test(networks_that_differ_differ_in_scope),
		cmocka_unit_test(what_changes_from_packet_to_packet_is_not_in_the_scope),
		cmocka_unit_test(tunnels_that_a_user_can_make_or_fill_are_counted),
		cmocka_unit_test(ethernet_addresses_are_those_nearest_to_the_packet),
		cmocka_unit_test(the_vlan_of_a_frame_in_a_tunnel_is_not_that_of_the_frame),
		cmocka_unit_test(the_ip_packet_is_the_innermost_one),
		cmocka_unit_test(a_fragment_in_a_tunnel_goes_on_within_it),
		cmocka_unit_test(a_tunnel_in_fragments_is_opened),
		cmocka_unit_test(fragments_in_tunnels_in_fragments_are_resumed_one_by_one),
		cmocka_unit_test(going_on_does_not_lift_the_bound_of_tunnels),
	};
	return cmocka_run_group_tests_name("tunnels", tests, NULL, NULL);
}
