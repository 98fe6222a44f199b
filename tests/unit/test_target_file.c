#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target_file.h"

#define LOCAL                                                                                      \
	": a local number is another subscriber's at every host: write it globally with '+', state its phone-context, configure 'numbering', add an address or a tunnel, or set 'targets: allow_wide_targets: yes' in x2tap.yaml"
#define DID "19867c20-8c94-473e-b9bd-8b72b7b05fd4"
#define DID2 "7c1f5a52-0d3b-4b83-8a39-6a2f3c1f9b10"
#define XID "29f28e1c-f230-486a-a860-f5a784ab9172"

static const struct numbering numbering = {"49", "0", "00", NULL, 0};
static const struct target_rules rules = {.ne_identifier = "probe-01",
	.numbering = &numbering,
	.capacity = 20000,
	.max_size = 1 << 20};

static struct target_set *parse_as(const char *text, const struct target_rules *by, char *said)
{
	struct problems problems;
	problems_init(&problems, "t");
	size_t len = strlen(text);
	uint8_t *copy = exact_copy(text, len);
	struct target_set *set = target_file_parse(bytes_of(copy, len), by, &problems);
	free(copy);
	assert_int_equal(set == NULL, problems.count > 0);
	if (said)
		snprintf(said, 4096, "%s", problems.text ? problems.text : "");
	else if (problems.count)
		fail_msg("%s", problems.text);
	problems_fini(&problems);
	return set;
}

static void assert_says(const char *text, const char *expected)
{
	char said[4096];
	target_set_free(parse_as(text, &rules, said));
	assert_string_equal(said, expected);
}

// --- a file of one task, with one line of the test's own ------------------------------------------------------

#define HEAD                                                                                       \
	"format: 1\n"                                                                              \
	"destinations:\n"                                                                          \
	"  - dId: " DID "\n"                                                                       \
	"    deliveryType: X2Only\n"                                                               \
	"    deliveryAddress:\n"                                                                   \
	"      ipAddressAndPort: {address: 192.0.2.10, tcpPort: 42069}\n"                          \
	"tasks:\n"                                                                                 \
	"  - xId: " XID "\n"
#define TARGET "    targetIdentifiers: [{ipv4Address: 198.51.100.7}]\n"
#define DELIVERY "    deliveryType: X2Only\n"
#define DIDS "    listOfDIDs: [" DID "]\n"

// Line 10 of the file is `item`, from column 9.
static void with_identifier(const char *item, char *text, size_t size)
{
	snprintf(text, size, HEAD "    targetIdentifiers:\n      - %s\n" DELIVERY DIDS, item);
}

static void assert_refused(const char *item, const char *expected, const struct target_rules *by)
{
	char text[70000], said[4096], line[1024];
	with_identifier(item, text, sizeof text);
	target_set_free(parse_as(text, by, said));
	snprintf(line, sizeof line, "t:10:%s\n", expected);
	assert_string_equal(said, line);
}

static struct target_set *set_with(const char *item)
{
	char text[4096];
	with_identifier(item, text, sizeof text);
	struct target_set *set = parse_as(text, &rules, NULL);
	assert_int_equal(set->task_count, 1);
	return set;
}

#define AT "error: tasks[0].targetIdentifiers[0]"

static void every_supported_identifier_becomes_its_x1_fragment(void **state)
{
	(void)state;
	static const struct {
		const char *item, *fragment;
	} cases[] = {
		{"ipv4Address: 198.51.100.7", "<ipv4Address>198.51.100.7</ipv4Address>"},
		{"ipv4Address: 198.051.100.007", "<ipv4Address>198.51.100.7</ipv4Address>"},
		{"ipv4Address: 010.0.00.0", "<ipv4Address>10.0.0.0</ipv4Address>"},
		{"ipv6Address: \"2001:DB8::1\"",
			"<ipv6Address>2001:0db8:0000:0000:0000:0000:0000:0001</ipv6Address>"},
		{"ipv4Cidr: 203.0.113.0/24",
			"<ipv4Cidr><IPv4CIDR>203.0.113.0/24</IPv4CIDR></ipv4Cidr>"},
		{"ipv4Cidr: 2001:db8::/32",
			"<ipv4Cidr><IPv6CIDR>2001:0db8:0000:0000:0000:0000:0000:0000/32</IPv6CIDR></ipv4Cidr>"},
		{"ipv6Cidr: 2001:db8::/32",
			"<ipv6Cidr>2001:0db8:0000:0000:0000:0000:0000:0000/32</ipv6Cidr>"},
		{"sipUri: SIP:Alice@Example.COM:5070;a&b",
			"<sipUri>sip:Alice@Example.COM:5070;a&amp;b</sipUri>"},
		{"sipUri: sip:a@[2001:db8::1]", "<sipUri>sip:a@[2001:db8::1]</sipUri>"},
		{"telUri: tel:+49-30-1", "<telUri>tel:+49-30-1</telUri>"},
		{"e164Number: +49 (30) 123-456", "<e164Number>4930123456</e164Number>"},
		{"impu: tel:+49301", "<impu>tel:+49301</impu>"},
		{"impi: \"a<b>&c@Example.com\"", "<impi>a&lt;b&gt;&amp;c@Example.com</impi>"},
		{"nai: bob@Example.com", "<nai>bob@Example.com</nai>"},
		{"imsi: 001010", "<imsi>001010</imsi>"},
		{"imsi: 001010123456789", "<imsi>001010123456789</imsi>"},
		{"supiimsi: 001010123456789", "<supiimsi>001010123456789</supiimsi>"},
		{"imei: 00440123456789", "<imei>00440123456789</imei>"},
		{"peiImei: 00440123456789", "<peiImei>00440123456789</peiImei>"},
		{"peiImeisv: 0044012345678901", "<peiImeisv>0044012345678901</peiImeisv>"},
		{"gpsiMsisdn: +1 (555) 01-00", "<gpsiMsisdn>15550100</gpsiMsisdn>"},
		{"macAddress: 00:00:5e:00:53:af", "<macAddress>00:00:5e:00:53:af</macAddress>"},
		{"macAddress: 00-00-5E-00-53-AF", "<macAddress>00:00:5e:00:53:af</macAddress>"},
		{"radiusAttribute: 0105626F62", "<radiusAttribute>0105626F62</radiusAttribute>"},
		{"radiusAttribute: 0105626f62", "<radiusAttribute>0105626f62</radiusAttribute>"},
		{"gtpcTunnelId: 1", "<gtpcTunnelId>1</gtpcTunnelId>"},
		{"gtpcTunnelId: 4294967295", "<gtpcTunnelId>4294967295</gtpcTunnelId>"},
		{"gtpuTunnelId: 0", "<gtpuTunnelId>0</gtpuTunnelId>"},
		{"gtpuTunnelId: 0017", "<gtpuTunnelId>17</gtpuTunnelId>"},
		{"gtpuTunnelId: 4294967295", "<gtpuTunnelId>4294967295</gtpuTunnelId>"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct target_set *set = set_with(cases[i].item);
		const struct task *task = &set->tasks[0];
		assert_int_equal(task->identifier_count, 1);
		assert_string_equal(task->identifiers[0].fragment, cases[i].fragment);
		target_set_free(set);
	}
}

static void ports_stand_beside_an_address(void **state)
{
	(void)state;
	static const struct {
		const char *item, *fragment;
		uint16_t count, first, last;
	} cases[] = {
		{"tcpPort: 2", "<tcpPort>2</tcpPort>", 1, 2, 2},
		{"udpPort: 0", "<udpPort>0</udpPort>", 1, 0, 0},
		{"tcpPortRange: {start: 5060, end: 5061}",
			"<tcpPortRange><start>5060</start><end>5061</end></tcpPortRange>", 1, 5060,
			5061},
		{"udpPortRange: {end: 65535, start: 0}",
			"<udpPortRange><start>0</start><end>65535</end></udpPortRange>", 1, 0,
			65535},
		{"udpPortList: [7, 5061, 5060, 7]",
			"<udpPortList><udpPort>7</udpPort><udpPort>5061</udpPort><udpPort>5060</udpPort>"
			"<udpPort>7</udpPort></udpPortList>",
			2, 7, 7},
		{"tcpPortList: [5060]", "<tcpPortList><tcpPort>5060</tcpPort></tcpPortList>", 1,
			5060, 5060},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char item[200];
		snprintf(item, sizeof item, "ipv4Address: 198.51.100.7\n      - %s", cases[i].item);
		struct target_set *set = set_with(item);
		assert_int_equal(set->tasks[0].identifier_count, 2);
		const struct identifier *id = &set->tasks[0].identifiers[1];
		assert_string_equal(id->fragment, cases[i].fragment);
		assert_int_equal(id->port_count, cases[i].count);
		assert_int_equal(id->ports[0].first, cases[i].first);
		assert_int_equal(id->ports[0].last, cases[i].last);
		target_set_free(set);
	}
}

static void an_identity_is_kept_in_the_form_in_which_it_is_compared(void **state)
{
	(void)state;
	struct target_set *set = set_with("sipUri: sip:030-1@example.com:5070;user=phone");
	const struct identifier *id = &set->tasks[0].identifiers[0];
	assert_int_equal(id->identity_kind, IDENTITY_NUMBER);
	assert_true(bytes_equal(id->identity, bytes_of_text("49301")));
	assert_non_null(id->stated);
	assert_int_equal(id->stated->port, 5070);
	target_set_free(set);
	set = set_with("sipUri: sip:alice@example.com");
	assert_int_equal(set->tasks[0].identifiers[0].identity_kind, IDENTITY_URI);
	assert_null(set->tasks[0].identifiers[0].stated);
	target_set_free(set);

	static const struct {
		const char *item;
		enum identifier_type type;
		enum identity_kind kind;
		size_t len;
		const char *octets;
	} cases[] = {
		{"imsi: 001010123456789", IDENTIFIER_IMSI, IDENTITY_IMSI, 15, "001010123456789"},
		{"supiimsi: 001010", IDENTIFIER_SUPI_IMSI, IDENTITY_IMSI, 6, "001010"},
		{"imei: 00440123456789", IDENTIFIER_IMEI, IDENTITY_IMEI, 14, "00440123456789"},
		{"peiImei: 00440123456789", IDENTIFIER_PEI_IMEI, IDENTITY_IMEI, 14,
			"00440123456789"},
		{"peiImeisv: 0044012345678901", IDENTIFIER_PEI_IMEISV, IDENTITY_IMEISV, 16,
			"0044012345678901"},
		{"gpsiMsisdn: 15550100", IDENTIFIER_GPSI_MSISDN, IDENTITY_NUMBER, 8, "15550100"},
		{"e164Number: 15550100", IDENTIFIER_E164_NUMBER, IDENTITY_NUMBER, 8, "15550100"},
		{"macAddress: 00:00:5E:00:53:AF", IDENTIFIER_MAC_ADDRESS, IDENTITY_MAC, 6,
			"\0\0\x5e\0\x53\xaf"},
		{"radiusAttribute: 0105626F62", IDENTIFIER_RADIUS_ATTRIBUTE, IDENTITY_ATTRIBUTE, 5,
			"\1\5bob"},
		{"gtpcTunnelId: 258", IDENTIFIER_GTPC_TUNNEL_ID, IDENTITY_GTPC_TUNNEL, 4,
			"\0\0\1\2"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		set = set_with(cases[i].item);
		id = &set->tasks[0].identifiers[0];
		assert_int_equal(id->type, cases[i].type);
		assert_int_equal(id->identity_kind, cases[i].kind);
		assert_int_equal(id->identity.len, cases[i].len);
		assert_memory_equal(id->identity.at, cases[i].octets, cases[i].len);
		struct identity identity;
		assert_true(task_identity(&set->tasks[0], &identity));
		assert_int_equal(identity.kind, cases[i].kind);
		assert_int_equal(identity.len, cases[i].len);
		assert_memory_equal(identity.octets, cases[i].octets, cases[i].len);
		target_set_free(set);
	}
	struct identity nobody;
	set = set_with("ipv4Address: 192.0.2.1\n      - gtpuTunnelId: 7");
	assert_false(task_identity(&set->tasks[0], &nobody));
	target_set_free(set);
}

#define NO_STATION " is no station's: a group, all of them, or none"
#define NO_ATTRIBUTE " is not one whole RADIUS attribute: its type, its length "
#define ITS_VALUE " and its value"

static void a_faulty_identifier_is_refused_with_its_place_and_a_hint(void **state)
{
	(void)state;
	static const struct {
		const char *item, *expected;
	} cases[] = {
		{"ipv4Address: 198.51.100.256",
			"22: " AT ".ipv4Address: '198.51.100.256' is not an IPv4 address"},
		{"ipv4Address: 198.51.100.0/24",
			"22: " AT ".ipv4Address: '198.51.100.0/24' is not an "
			"IPv4 address; a prefix is ipv4Cidr"},
		{"ipv4Address: \"2001:db8::1\"", "22: " AT ".ipv4Address: '2001:db8::1' is an IPv6 "
						 "address: use ipv6Address"},
		{"ipv6Address: 192.0.2.1",
			"22: " AT ".ipv6Address: '192.0.2.1' is an IPv4 address: use ipv4Address"},
		{"ipv4Address:", "21: " AT ".ipv4Address: a value is expected here, not nothing"},
		{"ipv4Address: [192.0.2.1]",
			"22: " AT ".ipv4Address: a value is expected here, not a list"},
		{"ipv4Cidr: 203.0.113.77/24",
			"19: " AT ".ipv4Cidr: '203.0.113.77/24' has host bits set "
			"(did you mean 203.0.113.0/24?)"},
		{"ipv6Cidr: 2001:db8::1/64",
			"19: " AT ".ipv6Cidr: '2001:db8::1/64' has host bits set "
			"(did you mean 2001:db8::/64?)"},
		{"ipv4Cidr: 203.0.113.77",
			"19: " AT ".ipv4Cidr: '203.0.113.77' has no prefix length, as "
			"in 192.0.2.0/24; a single address is ipv4Address"},
		{"ipv4Cidr: 203.0.113.0/33",
			"19: " AT ".ipv4Cidr: '203.0.113.0/33': the prefix length "
			"must be 0 to 32"},
		{"ipv6Cidr: 2001:db8::/x",
			"19: " AT ".ipv6Cidr: '2001:db8::/x': the prefix length must "
			"be 0 to 128"},
		{"ipv4Cidr: alice/24", "19: " AT ".ipv4Cidr: 'alice/24' is not an IP prefix"},
		{"ipv6Cidr: 203.0.113.0/24",
			"19: " AT ".ipv6Cidr: '203.0.113.0/24' is an IPv4 prefix: use ipv4Cidr"},
		{"ipv4Cidr: 10.0.0.0/8",
			"9: error: tasks[0].targetIdentifiers: ipv4Cidr: a prefix wider "
			"than /16 is refused unless 'targets: allow_wide_targets: yes' is "
			"set in x2tap.yaml"},
		{"ipv6Cidr: 2001::/16",
			"9: error: tasks[0].targetIdentifiers: ipv6Cidr: a prefix wider "
			"than /32 is refused unless 'targets: allow_wide_targets: yes' is "
			"set in x2tap.yaml"},
		{"udpPort: 5060",
			"9: error: tasks[0].targetIdentifiers: udpPort alone is everybody's: add "
			"an address, a party or a tunnel, or set 'targets: allow_wide_targets: yes' in "
			"x2tap.yaml"},
		{"telUri: tel:112", "9: error: tasks[0].targetIdentifiers: telUri" LOCAL},
		{"telUri: tel:*1001", "9: error: tasks[0].targetIdentifiers: telUri" LOCAL},
		{"impu: tel:112;ext=5", "9: error: tasks[0].targetIdentifiers: impu" LOCAL},
		{"telUri: tel:112;phone-context=",
			"9: error: tasks[0].targetIdentifiers: telUri" LOCAL},
		{"tcpPort: 1", "18: " AT
			       ".tcpPort: '1' is not a TCP port, 2 to 65535 (X1 knows no TCP port "
			       "0 or 1)"},
		{"udpPort: 65536", "18: " AT ".udpPort: '65536' is not a UDP port, 0 to 65535"},
		{"udpPort: -1", "18: " AT ".udpPort: '-1' is not a UDP port, 0 to 65535"},
		{"tcpPortRange: 5060-5061",
			"23: " AT ".tcpPortRange: a map ('name: value' lines, or {...}) "
			"is expected here, not text"},
		{"tcpPortRange: {start: 5061, end: 5060}",
			"31: " AT
			".tcpPortRange: start 5061 is above end 5060 (did you mean {start: "
			"5060, end: 5061}?)"},
		{"tcpPortRange: {start: 5061}", "23: " AT ".tcpPortRange: key 'end' is missing"},
		{"tcpPortRange: {start: 5060, end: x}",
			"42: " AT
			".tcpPortRange.end: 'x' is not a TCP port, 2 to 65535 (X1 knows no "
			"TCP port 0 or 1)"},
		{"udpPortList: []", "22: " AT ".udpPortList: must list at least one port"},
		{"udpPortList: [1, b]",
			"26: " AT ".udpPortList[1]: 'b' is not a UDP port, 0 to 65535"},
		{"sipUri: alice@example.com",
			"17: " AT ".sipUri: 'alice@example.com' must begin with sip: or sips:"},
		{"sipUri: tel:+49301",
			"17: " AT ".sipUri: 'tel:+49301' must begin with sip: or sips:"},
		{"telUri: sip:a@example.com",
			"17: " AT ".telUri: 'sip:a@example.com' must begin with tel:"},
		{"impu: alice", "15: " AT ".impu: 'alice' must begin with sip:, sips: or tel:"},
		{"sipUri: sip:example.com",
			"17: " AT
			".sipUri: 'sip:example.com' names a whole domain, not a subscriber: a "
			"user part and '@' are missing"},
		{"sipUri: sip:a@", "17: " AT ".sipUri: 'sip:a@' has no host"},
		{"sipUri: sip:a@[2001:db8::1",
			"17: " AT ".sipUri: 'sip:a@[2001:db8::1' is not a URI"},
		{"sipUri: sip:a@h?x=y",
			"17: " AT ".sipUri: 'sip:a@h?x=y' has header fields ('?...'), which "
			"name no subscriber"},
		{"sipUri: sip:a@h:99999",
			"17: " AT ".sipUri: 'sip:a@h:99999' has something behind its host "
			"that is no port (0 to 65535)"},
		{"sipUri: sip:a@[2001:db8::1]x",
			"17: " AT ".sipUri: 'sip:a@[2001:db8::1]x' has something "
			"behind its host that is no port (0 to 65535)"},
		{"sipUri: sip:a b@h",
			"17: " AT ".sipUri: 'sip:a b@h': character 6 may not stand in a URI: "
			"leave it out, or write %20"},
		{"telUri: tel:alice", "17: " AT ".telUri: 'tel:alice' is not a telephone number"},
		{"e164Number: 1234567890123456",
			"21: " AT ".e164Number: '1234567890123456' is not an E.164 "
			"number: 1 to 15 digits, with the country code"},
		{"e164Number: alice",
			"21: " AT ".e164Number: 'alice' is not an E.164 number: 1 to 15 "
			"digits, with the country code"},
		{"nai: \"a\\tb\"",
			"14: " AT ".nai: control characters may not stand in a user name"},
#define NO_IMSI " is not an IMSI: 6 to 15 digits"
		{"imsi: 00101", "15: " AT ".imsi: '00101'" NO_IMSI},
		{"imsi: 0010101234567890", "15: " AT ".imsi: '0010101234567890'" NO_IMSI},
		{"supiimsi: imsi-001010123456789",
			"19: " AT ".supiimsi: 'imsi-001010123456789'" NO_IMSI},
#define NO_IMEI " is not an IMEI: 14 digits, without check digit or software version"
		{"imei: 004401234567890", "15: " AT ".imei: '004401234567890'" NO_IMEI},
		{"peiImei: 0044012345678", "18: " AT ".peiImei: '0044012345678'" NO_IMEI},
		{"peiImei: 0044012345678x", "18: " AT ".peiImei: '0044012345678x'" NO_IMEI},
		{"peiImeisv: 00440123456789",
			"20: " AT ".peiImeisv: '00440123456789' is not an IMEISV: 16 digits"},
		{"gpsiMsisdn: alice",
			"21: " AT ".gpsiMsisdn: 'alice' is not an E.164 number: 1 to 15 digits, with "
			"the country code"},
#define NO_MAC " is not a MAC address, as in 00:00:5e:00:53:01"
		{"macAddress: 00:00:5e:00:53", "21: " AT ".macAddress: '00:00:5e:00:53'" NO_MAC},
		{"macAddress: 00:00:5e:00:53:0g",
			"21: " AT ".macAddress: '00:00:5e:00:53:0g'" NO_MAC},
		{"macAddress: 00:00:5e:00-53:01",
			"21: " AT ".macAddress: '00:00:5e:00-53:01'" NO_MAC},
		{"macAddress: 00.00.5e.00.53.01",
			"21: " AT ".macAddress: '00.00.5e.00.53.01'" NO_MAC},
		{"macAddress: ff:ff:ff:ff:ff:ff",
			"21: " AT ".macAddress: 'ff:ff:ff:ff:ff:ff'" NO_STATION},
		{"macAddress: 01:00:5e:00:00:01",
			"21: " AT ".macAddress: '01:00:5e:00:00:01'" NO_STATION},
		{"macAddress: 00:00:00:00:00:00",
			"21: " AT ".macAddress: '00:00:00:00:00:00'" NO_STATION},
#define NO_HEX " is not a RADIUS attribute: pairs of hex digits, at most 255 of them"
		{"radiusAttribute: 0105626f6", "26: " AT ".radiusAttribute: '0105626f6'" NO_HEX},
		{"radiusAttribute: alice", "26: " AT ".radiusAttribute: 'alice'" NO_HEX},
		{"radiusAttribute: 0102", "26: " AT ".radiusAttribute: '0102'" NO_ATTRIBUTE
					  "(here 2, in hex 02)" ITS_VALUE},
		{"radiusAttribute: 0106626f62",
			"26: " AT ".radiusAttribute: '0106626f62'" NO_ATTRIBUTE
			"(here 5, in hex 05)" ITS_VALUE},
		{"radiusAttribute: 0105626f620105626f62",
			"26: " AT ".radiusAttribute: '0105626f620105626f62'" NO_ATTRIBUTE
			"(here 10, in hex 0a)" ITS_VALUE},
		{"radiusAttribute: 060600000002",
			"9: error: tasks[0].targetIdentifiers: radiusAttribute: attributes of this type are "
			"those of many subscribers: order one that names the target, add an address or a "
			"tunnel, or set 'targets: allow_wide_targets: yes' in x2tap.yaml"},
#define NO_TEID " is not a tunnel endpoint identifier, 0 to 4294967295"
		{"gtpuTunnelId: 4294967296", "23: " AT ".gtpuTunnelId: '4294967296'" NO_TEID},
		{"gtpuTunnelId: 18446744073709551616",
			"23: " AT ".gtpuTunnelId: '18446744073709551616'" NO_TEID},
		{"gtpuTunnelId: -1", "23: " AT ".gtpuTunnelId: '-1'" NO_TEID},
		{"gtpuTunnelId: 0x10", "23: " AT ".gtpuTunnelId: '0x10'" NO_TEID},
		{"gtpuTunnelId:", "22: " AT ".gtpuTunnelId: a value is expected here, not nothing"},
		{"gtpuTunnelId: [1]",
			"23: " AT ".gtpuTunnelId: a value is expected here, not a list"},
		{"gtpcTunnelId: 4294967296", "23: " AT ".gtpcTunnelId: '4294967296'" NO_TEID},
		{"gtpcTunnelId: 0x7", "23: " AT ".gtpcTunnelId: '0x7'" NO_TEID},
		{"gtpcTunnelId: 0",
			"9: error: tasks[0].targetIdentifiers: gtpcTunnelId: 0 stands in the messages of all "
			"sessions that have no tunnel yet: add an address, or set 'targets: "
			"allow_wide_targets: yes' in x2tap.yaml"},
		{"ipv4adress: 192.0.2.1",
			"9: " AT ": X1 knows no target identifier 'ipv4adress' (did you mean "
			"'ipv4Address'?)"},
		{"somethingElse: 1", "9: " AT ": X1 knows no target identifier 'somethingElse'"},
		{"192.0.2.1", "9: " AT
			      ": a map ('name: value' lines, or {...}) is expected here, not text"},
		{"{ipv4Address: 192.0.2.1, udpPort: 5060}",
			"9: " AT
			": each target identifier is a list item of its own ('- name: value'), "
			"this one has 2 names"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)

		assert_refused(cases[i].item, cases[i].expected, &rules);
}

static void two_of_one_sort_are_no_task(void **state)
{
	(void)state;
	char text[4096];
	with_identifier("ipv4Address: 192.0.2.1\n      - ipv6Cidr: 2001:db8::/32\n"
			"      - udpPort: 5060\n      - tcpPort: 5060\n"
			"      - sipUri: sip:a@example.com\n      - nai: a@example.com\n"
			"      - imsi: 001010123456789\n      - gtpcTunnelId: 7\n"
			"      - gtpuTunnelId: 7\n      - gtpuTunnelId: 7",
		text, sizeof text);
#define ONE " must hold at once, and it can have one "
#define ALL "error: tasks[0].targetIdentifiers"
#define PARTY "party, by whatever name (a GTP-C tunnel is one too)"
	assert_says(text,
		"t:11:9: " ALL "[1]: ipv4Address and ipv6Cidr: all identifiers of a task" ONE
		"address or prefix; alternatives are separate tasks\n"
		"t:13:9: " ALL "[3]: udpPort and tcpPort: all identifiers of a task" ONE
		"port, port range or port list; alternatives are separate tasks\n"
		"t:15:9: " ALL "[5]: sipUri and nai: all identifiers of a task" ONE PARTY
		"; alternatives are separate tasks\n"
		"t:16:9: " ALL "[6]: sipUri and imsi: all identifiers of a task" ONE PARTY
		"; alternatives are separate tasks\n"
		"t:17:9: " ALL "[7]: sipUri and gtpcTunnelId: all identifiers of a task" ONE PARTY
		"; alternatives are separate tasks\n"
		"t:19:9: " ALL "[9]: gtpuTunnelId and gtpuTunnelId: all identifiers of a task" ONE
		"tunnel of the user plane; alternatives are separate tasks\n");
}

static void what_never_holds_at_once_is_no_task(void **state)
{
	(void)state;
	static const struct {
		const char *item, *expected;
	} cases[] = {
		{"gtpcTunnelId: 7\n      - gtpuTunnelId: 8",
			"gtpcTunnelId and gtpuTunnelId: GTP-C does not travel in tunnels of the user plane"},
		{"gtpcTunnelId: 7\n      - tcpPort: 2123",
			"gtpcTunnelId and tcpPort: GTP-C is never sent over TCP"},
		{"radiusAttribute: 0105626f62\n      - tcpPortList: [1812]",
			"radiusAttribute and tcpPortList: x2tap reads RADIUS over UDP alone"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char expected[300];
		snprintf(expected, sizeof expected, "9: " ALL ": %s, so both never hold at once",
			cases[i].expected);
		assert_refused(cases[i].item, expected, &rules);
	}
	static const char *const good[] = {"gtpcTunnelId: 7\n      - udpPort: 2123",
		"radiusAttribute: 0105626f62\n      - udpPort: 1812\n      - gtpuTunnelId: 8",
		"imsi: 001010123456789\n      - tcpPort: 5060\n      - gtpuTunnelId: 8"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		target_set_free(set_with(good[i]));
}

static void one_of_each_sort_is_a_task(void **state)
{
	(void)state;
	struct target_set *set = set_with("sipUri: sip:a@example.com\n      - gtpuTunnelId: 7\n"
					  "      - udpPort: 5060\n"
					  "      - ipv4Cidr: 10.0.0.0/8");
	const struct task *task = &set->tasks[0];
	assert_int_equal(task->identifier_count, 4);
	assert_int_equal(task->identifiers[0].type, IDENTIFIER_IPV4_CIDR);
	assert_int_equal(task->identifiers[1].type, IDENTIFIER_UDP_PORT);
	assert_int_equal(task->identifiers[2].type, IDENTIFIER_SIP_URI);
	assert_int_equal(task->identifiers[3].type, IDENTIFIER_GTPU_TUNNEL_ID);
	assert_int_equal(task->identifiers[3].tunnel_id, 7);
	target_set_free(set);
}

static void a_tunnel_is_narrow_whatever_stands_beside_it(void **state)
{
	(void)state;
	static const char *const beside[] = {"ipv4Cidr: 0.0.0.0/0", "ipv6Cidr: ::/0",
		"udpPort: 5060", "tcpPortRange: {start: 2, end: 65535}", "telUri: tel:112"};
	for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
		char item[200];
		snprintf(item, sizeof item, "gtpuTunnelId: 1\n      - %s", beside[i]);
		target_set_free(set_with(item));
	}
}

static void wide_targets_are_for_those_who_ask_for_them(void **state)
{
	(void)state;
	struct target_rules wide = rules;
	wide.allow_wide_targets = true;
	static const char *const items[] = {"udpPort: 5060", "ipv4Cidr: 0.0.0.0/0",
		"ipv6Cidr: ::/0", "telUri: tel:112", "gtpcTunnelId: 0",
		"radiusAttribute: 0406c0000201"};
	for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
		char text[4096];
		with_identifier(items[i], text, sizeof text);
		struct target_set *set = parse_as(text, &wide, NULL);
		assert_true(task_is_wide(&set->tasks[0]));
		target_set_free(set);
	}
	static const char *const narrow[] = {"ipv4Address: 192.0.2.1", "ipv4Cidr: 10.1.0.0/16",
		"telUri: tel:+49301", "telUri: tel:112\n      - gtpuTunnelId: 1",
		"udpPort: 5060\n      - nai: a@example.com",
		"ipv4Cidr: 10.0.0.0/8\n      - nai: a@example.com", "gtpcTunnelId: 1",
		"gtpcTunnelId: 0\n      - ipv4Address: 192.0.2.1", "radiusAttribute: 0105626f62",
		"radiusAttribute: 0406c0000201\n      - ipv4Address: 192.0.2.1"};
	for (size_t i = 0; i < sizeof narrow / sizeof *narrow; i++) {
		char text[4096];
		with_identifier(narrow[i], text, sizeof text);
		struct target_set *set = parse_as(text, &wide, NULL);
		assert_false(task_is_wide(&set->tasks[0]));
		target_set_free(set);
	}
	target_set_free(set_with("telUri: tel:0301")); // numbering makes it global
	target_set_free(set_with("telUri: tel:112;phone-context=example.com"));
	target_set_free(set_with("telUri: tel:112\n      - ipv4Address: 192.0.2.1"));
	target_set_free(set_with("ipv4Cidr: 10.1.0.0/16"));
	target_set_free(set_with("ipv6Cidr: 2001:db8::/32"));
}

static void a_list_too_long_for_an_attribute_is_refused(void **state)
{
	(void)state;
	static char item[60000] = "udpPortList: [";
	size_t len = strlen(item);
	for (unsigned port = 10000; port < 14000; port++)
		len += (size_t)snprintf(item + len, sizeof item - len, "%u, ", port);
	strcpy(item + len, "9]");
	assert_refused(item,
		"22: " AT ".udpPortList: is longer than an X2 attribute can be (65535 octets)",
		&rules);
	snprintf(item, sizeof item, "nai: %0501d", 1);
	assert_refused(
		item, "14: " AT ".nai: a user name has 1 to 500 octets, this one has 501", &rules);
	strcpy(item, "sipUri: sip:");
	memset(item + 12, 'x', 500);
	strcpy(item + 512, "@h");
	char expected[200] = "17: " AT ".sipUri: 'sip:";
	len = strlen(expected);
	memset(expected + len, 'x', 60);
	strcpy(expected + len + 60, "' is too long to be compared");
	assert_refused(item, expected, &rules);
}

// --- the other parts of a task -------------------------------------------------------------------------------

static void optional_parts_are_kept(void **state)
{
	(void)state;
	struct target_set *set = parse_as(HEAD TARGET DELIVERY DIDS
		"    productID: 0B2F7C1A-6c9d-4f0e-8a77-5d1b9c3e2f40\n"
		"    correlationID: 123456789012345678901234567890\n"
		"    implicitDeactivationAllowed: true\n",
		&rules, NULL);
	const struct task *task = &set->tasks[0];
	char text[UUID_TEXT];
	assert_true(task->has_product_id);
	uuid_format(&task->header_xid, text);
	assert_string_equal(text, "0b2f7c1a-6c9d-4f0e-8a77-5d1b9c3e2f40");
	uuid_format(&task->xid, text);
	assert_string_equal(text, XID);
	assert_string_equal(task->correlation_id, "123456789012345678901234567890");
	assert_true(task->implicit_deactivation_allowed);
	assert_int_equal(task->destination_count, 1);
	assert_int_equal(task->destinations[0], 0);
	assert_int_equal(set->destinations[0].port, 42069);
	assert_int_equal(set->destinations[0].line, 3);
	assert_null(set->destinations[0].friendly_name);
	target_set_free(set);

	set = parse_as(HEAD TARGET DELIVERY DIDS, &rules, NULL);
	assert_true(uuid_equal(&set->tasks[0].header_xid, &set->tasks[0].xid));
	target_set_free(set);
}

static void what_x2tap_would_not_do_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *line, *expected;
		int code;
	} cases[] = {
		{"    listOfMediationDetails: []\n",
			"t:12:5: error: tasks[0]: listOfMediationDetails: is for mediation functions; "
			"x2tap keeps no time window, the task ends when it is taken out\n",
			3000},
#define SERVICES "tasks[0].listOfServiceTypes"
#define SUPPORTED " is not a service that x2tap supports: voice, messaging or data\n"
		{"    listOfServiceTypes: [RCS]\n",
			"t:12:26: error: " SERVICES "[0]: 'RCS'" SUPPORTED, 3050},
		{"    listOfServiceTypes: [voice, pushToTalk]\n",
			"t:12:33: error: " SERVICES "[1]: 'pushToTalk'" SUPPORTED, 3050},
		{"    listOfServiceTypes:\n      - data\n      - LALS\n",
			"t:14:9: error: " SERVICES "[1]: 'LALS'" SUPPORTED, 3050},
		{"    listOfServiceTypes: [Voice]\n",
			"t:12:26: error: " SERVICES "[0]: 'Voice'" SUPPORTED, 3050},
		{"    listOfServiceTypes: []\n",
			"t:12:25: error: " SERVICES
			": must list at least one service: without the list "
			"a task is for all\n",
			1010},
		{"    listOfServiceTypes: [voice, data, voice]\n",
			"t:12:39: error: " SERVICES "[2]: voice is listed twice\n", 1010},
		{"    listOfServiceTypes: voice\n",
			"t:12:25: error: " SERVICES
			": a list ('- ...' lines, or [...]) is expected "
			"here, not text\n",
			1010},
		{"    listOfServiceTypes: [[voice]]\n",
			"t:12:26: error: " SERVICES "[0]: a value is expected here, not a list\n",
			1010},
		{"    taskDetailsExtensions: []\n",
			"t:12:5: error: tasks[0]: taskDetailsExtensions: not supported by this version\n",
			3000},
		{"    listOfTrafficPolicyReferences: []\n",
			"t:12:5: error: tasks[0]: listOfTrafficPolicyReferences: x2tap holds no policy "
			"objects\n",
			2060},
		{"    listOfIRIPolicyReferences: []\n",
			"t:12:5: error: tasks[0]: listOfIRIPolicyReferences: x2tap holds no policy objects\n",
			2060},
		{"    correlationID: -1\n",
			"t:12:20: error: tasks[0].correlationID: '-1' is not a whole number from 0\n",
			1010},
		{"    implicitDeactivationAllowed: maybe\n",
			"t:12:34: error: tasks[0].implicitDeactivationAllowed: 'maybe' is neither true "
			"nor false\n",
			1010},
		{"    productID: 0b2f7c1a\n",
			"t:12:16: error: tasks[0].productID: '0b2f7c1a' is not a UUID, as in " DID
			"\n",
			1010},
		{"    productId: " DID "\n",
			"t:12:5: error: tasks[0]: unknown key 'productId' (did you mean 'productID'?)\n",
			1010},
		{"    startTime: now\n", "t:12:5: error: tasks[0]: unknown key 'startTime'\n",
			1010},
		{"    deliveryType: X2Only\n",
			"t:12:5: error: duplicate key 'deliveryType' (first at line 10)\n", 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[4096];
		struct problems problems;
		snprintf(text, sizeof text, "%s%s", HEAD TARGET DELIVERY DIDS, cases[i].line);
		problems_init(&problems, "t");
		assert_null(target_file_parse(bytes_of_text(text), &rules, &problems));
		assert_string_equal(problems.text, cases[i].expected);
		assert_int_equal(problems.first_code, cases[i].code);
		problems_fini(&problems);
	}
}

static void a_part_that_stands_twice_is_complained_of_once(void **state)
{
	(void)state;
#define FOUR                                                                                       \
	"    targetIdentifiers: [{ipv4Address: 192.0.2.1}, {udpPort: 5060}, {nai: a@b}, "          \
	"{gtpuTunnelId: 1}]\n"
	assert_says(HEAD FOUR FOUR DELIVERY DIDS "    listOfServiceTypes: [voice]\n"
						 "    listOfServiceTypes: [voice]\n",
		"t:10:5: error: duplicate key 'targetIdentifiers' (first at line 9)\n"
		"t:14:5: error: duplicate key 'listOfServiceTypes' (first at line 13)\n");
}

static void services_are_kept_as_a_set(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		uint8_t services;
	} cases[] = {
		{"", 0},
		{"    listOfServiceTypes: [voice]\n", SERVICE_VOICE},
		{"    listOfServiceTypes:\n      - messaging\n", SERVICE_MESSAGING},
		{"    listOfServiceTypes: [data]\n", SERVICE_DATA},
		{"    listOfServiceTypes: [messaging, data, voice]\n",
			SERVICE_VOICE | SERVICE_MESSAGING | SERVICE_DATA},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[4096];
		snprintf(text, sizeof text, "%s%s", HEAD TARGET DELIVERY DIDS, cases[i].line);
		struct target_set *set = parse_as(text, &rules, NULL);
		assert_int_equal(set->tasks[0].services, cases[i].services);
		target_set_free(set);
	}
}

// What names a target in the text, and a list of services.
static struct target_set *with_services(const char *item, const char *services, char *said)
{
	char text[4096];
	snprintf(text, sizeof text,
		HEAD "    targetIdentifiers: [{%s}]\n" DELIVERY DIDS "    listOfServiceTypes: %s\n",
		item, services);
	return parse_as(text, &rules, said);
}

static void data_of_a_party_that_only_sip_shows_would_yield_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *name, *value;
	} parties[] = {{"sipUri", "sip:a@example.com"}, {"telUri", "tel:+49301;ext=5"},
		{"telUri", "tel:112;phone-context=example.com"}, {"impu", "sip:a@example.com"}};
	for (size_t i = 0; i < sizeof parties / sizeof *parties; i++) {
		char item[100], said[4096], expected[400];
		snprintf(item, sizeof item, "%s: \"%s\"", parties[i].name, parties[i].value);
		assert_null(with_services(item, "[data]", said));
		snprintf(expected, sizeof expected,
			"t:12:25: error: tasks[0].listOfServiceTypes: data alone yields nothing for %s, "
			"which only SIP shows: add voice or messaging, or name the target by a global "
			"number without parameters, a user name, an IMSI, a device, an address or a "
			"tunnel\n",
			parties[i].name);
		assert_string_equal(said, expected);
		target_set_free(with_services(item, "[data, voice]", NULL));
	}
	static const char *const others[] = {"ipv4Address: 192.0.2.1", "gtpuTunnelId: 1",
		"impi: a@example.com", "nai: a@example.com", "imsi: 001010123456789",
		"peiImeisv: 0044012345678901", "macAddress: \"00:00:5e:00:53:01\"",
		"telUri: tel:+49301", "sipUri: \"sip:+49301@example.com;user=phone\"",
		"e164Number: 49301", "gpsiMsisdn: 49301", "radiusAttribute: 0105626f62",
		"gtpcTunnelId: 1"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		target_set_free(with_services(others[i], "[data]", NULL));
}

static void without_data_there_is_nothing_for_what_only_radius_and_gtpc_show(void **state)
{
	(void)state;
	static const char *const names[] = {"radiusAttribute", "gtpcTunnelId"},
				 *const values[] = {"0105626f62", "1"};
	for (size_t i = 0; i < 2; i++) {
		char item[100], said[4096], expected[400];
		snprintf(item, sizeof item, "%s: %s", names[i], values[i]);
		assert_null(with_services(item, "[voice, messaging]", said));
		snprintf(expected, sizeof expected,
			"t:12:25: error: tasks[0].listOfServiceTypes: without data there is nothing for %s, "
			"which only RADIUS and GTP-C show: add data\n",
			names[i]);
		assert_string_equal(said, expected);
		target_set_free(with_services(item, "[voice, data]", NULL));
	}
	// SIP from an address that is bound to the subscriber.
	target_set_free(with_services("imsi: 001010123456789", "[voice]", NULL));
	target_set_free(with_services("macAddress: \"00:00:5e:00:53:01\"", "[messaging]", NULL));
}

static void the_rest_of_the_forty_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *item, *hint;
	} cases[] = {{"emailAddress: a@example.com", ""},
		{"internationalizedEmailAddress: a@example.com", ""}, {"h323Uri: h323:a", ""},
		{"callPartyRole: Originating", ""}, {"nonLocalIdentifier: Local", ""},
		{"supinai: a@example.com", ": order nai"}, {"suci: \"00\"", ""},
		{"peiImeiCheckDigit: 004401234567890", ": order peiImei, without the check digit"},
		{"gpsiNai: a@example.com", ": order nai"}, {"eui64: 00:00", ""},
		{"serviceAccessIdentifier: x", ""}, {"hashedIdentifier: x", ""},
		{"targetIdentifierExtension: x", ""}, {"vrf: blue", ""}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char expected[200];
		snprintf(expected, sizeof expected,
			"9: " AT ": %.*s: not supported by this version%s",
			(int)strcspn(cases[i].item, ":"), cases[i].item, cases[i].hint);
		assert_refused(cases[i].item, expected, &rules);
	}
}

static void delivery_must_be_iri_to_destinations_that_take_it(void **state)
{
	(void)state;
#define CONTENT ": x2tap delivers IRI over X2 only, never content: order X2Only\n"
	assert_says(HEAD TARGET "    deliveryType: X2andX3\n" DIDS,
		"t:10:19: error: tasks[0].deliveryType: X2andX3" CONTENT);
	assert_says(HEAD TARGET "    deliveryType: X3Only\n" DIDS,
		"t:10:19: error: tasks[0].deliveryType: X3Only" CONTENT);
	assert_says(HEAD TARGET "    deliveryType: x2only\n" DIDS,
		"t:10:19: error: tasks[0].deliveryType: 'x2only' is not a delivery type: X2Only, X3Only "
		"or X2andX3\n");
	assert_says(HEAD TARGET DELIVERY "    listOfDIDs: [" DID2 "]\n",
		"t:11:18: error: tasks[0].listOfDIDs[0]: destination " DID2
		" is not defined in this file\n");
	assert_says(HEAD TARGET DELIVERY "    listOfDIDs: []\n",
		"t:11:17: error: tasks[0].listOfDIDs: must list at least one destination\n");
	assert_says(HEAD TARGET DELIVERY "    listOfDIDs: " DID "\n",
		"t:11:17: error: tasks[0].listOfDIDs: a list ('- ...' lines, or [...]) is expected "
		"here, not text\n");
	assert_says(HEAD TARGET DELIVERY "    listOfDIDs:\n      - " DID "\n      - " DID "\n",
		"t:13:9: error: tasks[0].listOfDIDs[1]: destination " DID " is listed twice\n");
	assert_says(HEAD TARGET DELIVERY "    listOfDIDs: [{dSId: " DID "}]\n",
		"t:11:25: error: tasks[0].listOfDIDs[0].dSId: " DID
		" is a destination, not a set: list it without dSId\n");
	assert_says(HEAD "    targetIdentifiers: []\n" DELIVERY DIDS,
		"t:9:24: error: tasks[0].targetIdentifiers: must name at least one identifier\n");
	assert_says(HEAD, "t:8:5: error: tasks[0]: key 'targetIdentifiers' is missing\n"
			  "t:8:5: error: tasks[0]: key 'deliveryType' is missing\n"
			  "t:8:5: error: tasks[0]: key 'listOfDIDs' is missing\n");
}

// --- destinations --------------------------------------------------------------------------------------------

static void assert_destination_says(const char *part, const char *expected)
{
	char text[2048];
	snprintf(text, sizeof text, "format: 1\ntasks: []\ndestinations:\n  - dId: " DID "\n%s",
		part);
	assert_says(text, expected);
}

static void a_destination_needs_an_address_and_a_tcp_port(void **state)
{
	(void)state;
#define TYPE "    deliveryType: X2Only\n"
#define BY_ADDRESS "    deliveryAddress: {ipAddressAndPort: {"
	static const struct {
		const char *part, *expected;
	} cases[] = {
		{TYPE BY_ADDRESS "address: mf.example.com, tcpPort: 42069}}\n",
			"t:6:51: error: destinations[0].deliveryAddress.ipAddressAndPort.address: "
			"'mf.example.com' is not an IP address (a name will not do, a port is tcpPort)\n"},
		{TYPE BY_ADDRESS "address: 192.0.2.1, tcpPort: 1}}\n",
			"t:6:71: error: destinations[0].deliveryAddress.ipAddressAndPort.tcpPort: '1' is not "
			"a TCP port, 2 to 65535 (X1 knows no TCP port 0 or 1)\n"},
		{TYPE BY_ADDRESS "address: 192.0.2.1, tcpPort: 65536}}\n",
			"t:6:71: error: destinations[0].deliveryAddress.ipAddressAndPort.tcpPort: '65536' is "
			"not a TCP port, 2 to 65535 (X1 knows no TCP port 0 or 1)\n"},
		{TYPE BY_ADDRESS "address: 192.0.2.1}}\n",
			"t:6:41: error: destinations[0].deliveryAddress.ipAddressAndPort: key 'tcpPort' is "
			"missing\n"},
		{TYPE BY_ADDRESS "tcpPort: 42069}}\n",
			"t:6:41: error: destinations[0].deliveryAddress.ipAddressAndPort: key 'address' is "
			"missing\n"},
		{TYPE BY_ADDRESS "address: 192.0.2.1, udpPort: 42069}}\n",
			"t:6:62: error: destinations[0].deliveryAddress.ipAddressAndPort: udpPort: X2 is "
			"delivered over TLS on TCP, give a tcpPort\n"},
		{TYPE "    deliveryAddress: {uri: \"https://mf.example.com\"}\n",
			"t:6:23: error: destinations[0].deliveryAddress: uri: X2 is delivered to an "
			"ipAddressAndPort with a tcpPort\n"},
		{TYPE "    deliveryAddress: {}\n",
			"t:6:22: error: destinations[0].deliveryAddress: key "
			"'ipAddressAndPort' is missing\n"},
		{"    deliveryType: X4Only\n" BY_ADDRESS
		 "address: \"2001:db8::1\", tcpPort: 42069}}\n",
			"t:5:19: error: destinations[0].deliveryType: 'X4Only' is not a delivery type: X2Only, "
			"X3Only or X2andX3\n"},
		{TYPE, "t:4:5: error: destinations[0]: key 'deliveryAddress' is missing\n"},
		{TYPE BY_ADDRESS
			"address: 192.0.2.1, tcpPort: 42069}}\n    destinationDetailsExtensions: []\n",
			"t:7:5: error: destinations[0]: destinationDetailsExtensions: not supported by this "
			"version\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_destination_says(cases[i].part, cases[i].expected);
}

static void an_x3_destination_may_stand_there_but_gets_no_task(void **state)
{
	(void)state;
#define X3_DESTINATION                                                                             \
	"  - {dId: " DID2 ", deliveryType: X3Only, deliveryAddress: {ipAddressAndPort: {address: " \
	"192.0.2.11, tcpPort: 42070}}}\n"
	target_set_free(
		parse_as("format: 1\ndestinations:\n" X3_DESTINATION "tasks: []\n", &rules, NULL));
	assert_says("format: 1\ndestinations:\n" X3_DESTINATION "tasks:\n  - xId: " XID
		    "\n" TARGET DELIVERY "    listOfDIDs: [" DID2 "]\n",
		"t:8:18: error: tasks[0].listOfDIDs[0]: destination " DID2
		" takes X3 only, the task delivers X2\n");
}

// --- destination sets ----------------------------------------------------------------------------------------

#define DID3 "00000000-0000-4000-8000-000000000003"
#define DSID "b3f5a8d2-4a57-4c7e-9c55-0f7d1e2a3b01"
#define DSID2 "b3f5a8d2-4a57-4c7e-9c55-0f7d1e2a3b02"
#define AT_PORT(did, port)                                                                         \
	"  - {dId: " did ", deliveryType: X2Only, deliveryAddress: {ipAddressAndPort: "            \
	"{address: 192.0.2.1, tcpPort: " port "}}}\n"
// Three destinations in the lines 2 to 6, the second takes X3 alone: sets begin in line 7.
#define THREE                                                                                      \
	"format: 1\ndestinations:\n" AT_PORT(                                                      \
		DID, "1001") "  - {dId: " DID2                                                     \
			     ", deliveryType: X3Only, deliveryAddress: {ipAddressAndPort: "        \
			     "{address: 192.0.2.1, tcpPort: 1002}}}\n" AT_PORT(                    \
				     DID3, "1003") "destinationSets:\n"
#define TASK_FOR(list) "tasks:\n  - xId: " XID "\n" TARGET DELIVERY "    listOfDIDs: [" list "]\n"

static bool is_uuid(const struct uuid *uuid, const char *text)
{
	struct uuid wanted;
	assert_true(uuid_parse(bytes_of_text(text), &wanted));
	return uuid_equal(uuid, &wanted);
}

static void a_redundant_set_is_a_destination_of_its_own_with_the_smallest_preference_first(
	void **state)
{
	(void)state;
	static const char *const preferences[][3] = {
		{"3", "-2", "1"}, {"999999999", "0", "+7"}, {"30", "010", "20"}};
	for (size_t i = 0; i < 3; i++) {
		char text[4096];
		snprintf(text, sizeof text,
			"format: 1\n" TASK_FOR(
				"{dSId: " DSID
				"}, " DID) "destinationSets:\n"
					   "  - {destinationSetType: Duplicate, dSId: " DSID2
					   ", listOfAssociatedDIDs: [{dId: " DID "}]}\n"
					   "  - dSId: B3F5A8D2-4A57-4C7E-9C55-0F7D1E2A3B01\n"
					   "    friendlyName: three\n"
					   "    listOfAssociatedDIDs:\n"
					   "      - {dId: " DID ", preference: %s}\n"
					   "      - {preference: \"%s\", dId: " DID2 "}\n"
					   "      - {dId: 00000000-0000-4000-8000-00000000000A, preference: %s}\n"
					   "    destinationSetType: Redundant\n"
					   "destinations:\n" AT_PORT(DID, "1001")
						   AT_PORT(DID2, "1002") AT_PORT(
							   "00000000-0000-4000-8000-00000000000a",
							   "1003"),
			preferences[i][0], preferences[i][1], preferences[i][2]);
		struct target_set *set = parse_as(text, &rules, NULL);
		assert_int_equal(set->destination_count, 4); // the Duplicate set is none
		assert_true(is_uuid(&set->destinations[1].did, DID2));
		assert_int_equal(set->destinations[1].member_count, 0);
		const struct destination *redundant = &set->destinations[3];
		assert_true(is_uuid(&redundant->did, DSID));
		assert_string_equal(redundant->friendly_name, "three");
		assert_int_equal(redundant->line, 9);
		assert_int_equal(redundant->port, 0);
		assert_int_equal(redundant->member_count, 3);
		assert_int_equal(redundant->members[0], 1);
		assert_int_equal(redundant->members[1], 2);
		assert_int_equal(redundant->members[2], 0);
		const struct task *task = &set->tasks[0];
		assert_int_equal(task->destination_count, 2);
		assert_int_equal(task->destinations[0], 3);
		assert_int_equal(task->destinations[1], 0);
		target_set_free(set);
	}
}

static void a_duplicate_set_stands_for_its_members_each_once(void **state)
{
	(void)state;
#define FOUR_AND_SETS                                                                                      \
	"format: 1\ndestinations:\n" AT_PORT(DID, "1001") AT_PORT(DID2, "1002") AT_PORT(                   \
		DID3, "1003") AT_PORT("00000000-0000-4000-8000-000000000004",                              \
		"1004") "destinationSets:\n"                                                               \
			"  - {dSId: " DSID                                                                 \
			", destinationSetType: Duplicate, listOfAssociatedDIDs: [{dId: " DID3              \
			", preference: 1}, {dId: " DID ", preference: 1}]}\n"                              \
			"  - {dSId: " DSID2                                                                \
			", destinationSetType: Duplicate, listOfAssociatedDIDs: [{dId: " DID2              \
			"}, {dId: " DID3 "}]}\n"                                                           \
			"  - {dSId: 00000000-0000-4000-8000-00000000000f, destinationSetType: Redundant, " \
			"listOfAssociatedDIDs: [{dId: " DID3 ", preference: 1}]}\n"
	static const struct {
		const char *list;
		uint32_t count, destinations[5];
	} cases[] = {
		{"{dSId: " DSID "}", 2, {2, 0}},
		{"{dSId: " DSID "}, {dSId: " DSID2 "}", 3, {2, 0, 1}},
		{DID ", {dSId: " DSID "}", 2, {0, 2}},
		{"{dSId: " DSID "}, " DID, 2, {2, 0}},
		{"{dSId: " DSID2 "}, {dSId: 00000000-0000-4000-8000-00000000000f}, "
		 "00000000-0000-4000-8000-000000000004",
			4, {1, 2, 4, 3}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[4096];
		snprintf(text, sizeof text,
			FOUR_AND_SETS "tasks:\n  - xId: " XID "\n" TARGET DELIVERY
				      "    listOfDIDs: [%s]\n"
				      "  - xId: " DID "\n" TARGET DELIVERY DIDS,
			cases[i].list);
		struct target_set *set = parse_as(text, &rules, NULL);
		assert_int_equal(set->destination_count, 5);
		const struct task *task = &set->tasks[0];
		assert_int_equal(task->destination_count, cases[i].count);
		assert_memory_equal(task->destinations, cases[i].destinations,
			cases[i].count * sizeof(uint32_t));
		// What one task names is no matter of the next one.
		assert_int_equal(set->tasks[1].destination_count, 1);
		assert_int_equal(set->tasks[1].destinations[0], 0);
		target_set_free(set);
	}
}

static void a_faulty_destination_set_is_refused_with_its_place(void **state)
{
	(void)state;
#define SET "destinationSets[0]"
#define LIST SET ".listOfAssociatedDIDs"
#define REDUNDANT "  - dSId: " DSID "\n    destinationSetType: Redundant\n"
#define MEMBERS "    listOfAssociatedDIDs: "
#define ONE_MEMBER MEMBERS "[{dId: " DID ", preference: 1}]\n"
	static const struct {
		const char *part, *expected;
		int code;
	} cases[] = {
		{"  - dSId: " DSID "\n",
			"t:7:5: error: " SET ": key 'destinationSetType' is missing\n"
			"t:7:5: error: " SET ": key 'listOfAssociatedDIDs' is missing\n",
			1010},
		{"  - destinationSetType: Redundant\n" ONE_MEMBER,
			"t:7:5: error: " SET ": key 'dSId' is missing\n", 1010},
		{"  - 7\n",
			"t:7:5: error: " SET
			": a map ('name: value' lines, or {...}) is expected here, not text\n",
			1010},
		{REDUNDANT ONE_MEMBER "    friendlyname: x\n",
			"t:10:5: error: " SET
			": unknown key 'friendlyname' (did you mean 'friendlyName'?)\n",
			1010},
		{REDUNDANT ONE_MEMBER "    friendlyName: []\n",
			"t:10:19: error: " SET
			".friendlyName: a value is expected here, not a list\n",
			1010},
		{REDUNDANT ONE_MEMBER "    dSId: " DSID "\n",
			"t:10:5: error: duplicate key 'dSId' (first at line 7)\n", 0},
		{REDUNDANT ONE_MEMBER "    destinationSetDetailsExtension: []\n",
			"t:10:5: error: " SET
			": destinationSetDetailsExtension: not supported by this version\n",
			8500},
		{"  - dSId: both\n    destinationSetType: Redundant\n" ONE_MEMBER,
			"t:7:11: error: " SET ".dSId: 'both' is not a UUID, as in " DID "\n", 1010},
		{"  - dSId: " DID3 "\n    destinationSetType: Redundant\n" ONE_MEMBER,
			"t:7:11: error: " SET ".dSId: " DID3 " is already defined at line 5\n",
			2050},
		{REDUNDANT ONE_MEMBER REDUNDANT ONE_MEMBER,
			"t:10:11: error: destinationSets[1].dSId: " DSID
			" is already defined at line 7\n",
			2050},
		{"  - dSId: " DSID "\n    destinationSetType: redundant\n" ONE_MEMBER,
			"t:8:25: error: " SET
			".destinationSetType: 'redundant' is not a type of destination set: Redundant "
			"(the first that answers gets it) or Duplicate (all get a copy)\n",
			1010},
		{"  - dSId: " DSID "\n    destinationSetType: [Redundant]\n" ONE_MEMBER,
			"t:8:25: error: " SET
			".destinationSetType: a value is expected here, not a list\n",
			1010},
		{REDUNDANT MEMBERS "[]\n",
			"t:9:27: error: " LIST ": must list at least one destination\n", 8500},
		{REDUNDANT MEMBERS DID "\n",
			"t:9:27: error: " LIST
			": a list ('- ...' lines, or [...]) is expected here, not text\n",
			1010},
		{REDUNDANT MEMBERS "[" DID "]\n",
			"t:9:28: error: " LIST
			"[0]: a map ('name: value' lines, or {...}) is expected here, not text\n",
			1010},
		{REDUNDANT MEMBERS "[{dId: " DID "}]\n",
			"t:9:28: error: " LIST "[0]: key 'preference' is missing\n", 1010},
		{REDUNDANT MEMBERS "[{preference: 1}]\n",
			"t:9:28: error: " LIST "[0]: key 'dId' is missing\n", 1010},
		{REDUNDANT MEMBERS "[{dId: " DID ", preference: 1, weight: 2}]\n",
			"t:9:87: error: " LIST "[0]: unknown key 'weight'\n", 1010},
		{REDUNDANT MEMBERS "[{dId: " DID ", preference: first}]\n",
			"t:9:84: error: " LIST
			"[0].preference: 'first' is not a whole number of at "
			"most nine digits (the smallest comes first)\n",
			1010},
		{REDUNDANT MEMBERS "[{dId: " DID ", preference: 1000000000}]\n",
			"t:9:84: error: " LIST
			"[0].preference: '1000000000' is not a whole number of at "
			"most nine digits (the smallest comes first)\n",
			1010},
		{REDUNDANT MEMBERS "[{dId: " DID ", preference: \"-\"}]\n",
			"t:9:84: error: " LIST "[0].preference: '-' is not a whole number of at "
			"most nine digits (the smallest comes first)\n",
			1010},
		{REDUNDANT MEMBERS "\n      - {dId: " DID ", preference: 7}\n      - {dId: " DID3
				   ", preference: 07}\n",
			"t:11:65: error: " LIST
			"[1].preference: another member of this set has the preference 7 already "
			"(line 10)\n",
			8500},
		{REDUNDANT MEMBERS "\n      - {dId: " DID ", preference: 1}\n      - {dId: " DID
				   ", preference: 2}\n",
			"t:11:15: error: " LIST "[1].dId: destination " DID " is listed twice\n",
			8500},
		{REDUNDANT MEMBERS "[{dId: " XID ", preference: 1}]\n",
			"t:9:34: error: " LIST "[0].dId: destination " XID
			" is not defined in this file\n",
			2040},
		{REDUNDANT MEMBERS "[{dId: " DSID ", preference: 1}]\n",
			"t:9:34: error: " LIST "[0].dId: " DSID
			" is a destination set: members are destinations\n",
			2040},
		{REDUNDANT MEMBERS "[{dId: " DID2 ", preference: 1}]\n",
			"t:9:34: error: " LIST "[0].dId: destination " DID2
			" takes X3 only, x2tap delivers X2\n",
			3040},
		{"  - dSId: " DSID "\n    destinationSetType: Duplicate\n" MEMBERS "[{dId: " DID
		 "}, {dId: " DID3 "}, {dId: " DID "}]\n",
			"t:9:124: error: " LIST "[2].dId: destination " DID " is listed twice\n",
			8500},
		{"  - dSId: " DSID "\n    destinationSetType: Duplicate\n" MEMBERS "[{dId: " DID
		 ", preference: x}]\n",
			"t:9:84: error: " LIST "[0].preference: 'x' is not a whole number of at "
			"most nine digits (the smallest comes first)\n",
			1010},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[4096];
		struct problems problems;
		snprintf(text, sizeof text, "%s%stasks: []\n", THREE, cases[i].part);
		problems_init(&problems, "t");
		assert_null(target_file_parse(bytes_of_text(text), &rules, &problems));
		assert_string_equal(problems.text, cases[i].expected);
		assert_int_equal(problems.first_code, cases[i].code);
		problems_fini(&problems);
	}
	assert_says("format: 1\ntasks: []\ndestinationSets: x\n",
		"t:3:18: error: destinationSets: a list ('- ...' lines, or [...]) is expected here, "
		"not text\n");
	target_set_free(parse_as("format: 1\ntasks: []\ndestinationSets:\n", &rules, NULL));
}

static void a_redundant_set_has_at_most_sixteen_members(void **state)
{
	(void)state;
	for (int count = DESTINATION_SET_MAX; count <= DESTINATION_SET_MAX + 1; count++) {
		char text[8192], said[4096];
		struct writer w = writer_of(text, sizeof text - 1);
		write_text(&w, "format: 1\ntasks: []\ndestinationSets:\n  - dSId: " DSID
			       "\n    destinationSetType: Redundant\n    listOfAssociatedDIDs: [");
		for (int i = 1; i <= count; i++)
			write_format(&w,
				"{dId: 00000000-0000-4000-8000-0000000000%02d, preference: %d},", i,
				-i);
		write_text(&w, "]\ndestinations:\n");
		for (int i = 1; i <= count; i++)
			write_format(&w,
				"  - {dId: 00000000-0000-4000-8000-0000000000%02d, deliveryType: X2Only, "
				"deliveryAddress: {ipAddressAndPort: {address: 192.0.2.1, tcpPort: 42069}}}\n",
				i);
		assert_false(w.overflow);
		text[w.len] = '\0';
		struct target_set *set = parse_as(text, &rules, said);
		if (count > DESTINATION_SET_MAX) {
			assert_string_equal(said,
				"t:6:27: error: destinationSets[0].listOfAssociatedDIDs: a Redundant "
				"set has at most 16 destinations, not 17\n");
			continue;
		}
		assert_non_null(set);
		assert_int_equal(set->destinations[16].member_count, 16);
		for (uint32_t i = 0; i < 16; i++)
			assert_int_equal(set->destinations[16].members[i], 15 - i);
		target_set_free(set);
	}
}

static void a_task_lists_sets_that_are_there(void **state)
{
	(void)state;
#define LISTED "error: tasks[0].listOfDIDs"
	static const struct {
		const char *list, *expected;
		int code;
	} cases[] = {
		{"{dSId: " DSID2 "}",
			"t:14:25: " LISTED "[0].dSId: destination set " DSID2
			" is not defined in this file\n",
			2060},
		{"{dSId: " DID "}",
			"t:14:25: " LISTED "[0].dSId: " DID
			" is a destination, not a set: list it without dSId\n",
			2060},
		{DSID,
			"t:14:18: " LISTED "[0]: " DSID
			" is a destination set: list it as {dSId: " DSID "}\n",
			2040},
		{"{dSId: " DSID "}, " DID ", {dSId: " DSID "}",
			"t:14:102: " LISTED "[2]: destination set " DSID " is listed twice\n",
			3040},
		{"{dSId: x}", "t:14:25: " LISTED "[0].dSId: 'x' is not a UUID, as in " DID "\n",
			1010},
		{"{dsId: " DSID "}",
			"t:14:18: " LISTED "[0]: key 'dSId' is missing\n"
			"t:14:19: " LISTED "[0]: unknown key 'dsId' (did you mean 'dSId'?)\n",
			1010},
		{"{dSId: " DSID ", dId: " DID "}",
			"t:14:63: " LISTED "[0]: unknown key 'dId' (did you mean 'dSId'?)\n", 1010},
		{"{}", "t:14:18: " LISTED "[0]: key 'dSId' is missing\n", 1010},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[4096];
		struct problems problems;
		snprintf(text, sizeof text,
			THREE REDUNDANT ONE_MEMBER "tasks:\n  - xId: " XID "\n" TARGET DELIVERY
						   "    listOfDIDs: [%s]\n",
			cases[i].list);
		problems_init(&problems, "t");
		assert_null(target_file_parse(bytes_of_text(text), &rules, &problems));
		assert_string_equal(problems.text, cases[i].expected);
		assert_int_equal(problems.first_code, cases[i].code);
		problems_fini(&problems);
	}
	// A set with faults keeps its DSID: the task is not blamed too.
	assert_says(THREE REDUNDANT MEMBERS "[]\n" TASK_FOR("{dSId: " DSID "}"),
		"t:9:27: error: " LIST ": must list at least one destination\n");
}

// --- the whole file ------------------------------------------------------------------------------------------

static void all_errors_come_in_one_pass_in_their_order(void **state)
{
	(void)state;
	assert_says("format: 2\n"
		    "neIdentifier: probe-02\n"
		    "tasks:\n"
		    "  - xId: " XID "\n" TARGET DELIVERY "    listOfDIDs: [" DID2 "]\n"
		    "  - xId: 29F28E1C-F230-486A-A860-F5A784AB9172\n"
		    "    targetIdentifiers: [{ipv4Cidr: 203.0.113.77/24}]\n" DELIVERY DIDS
		    "  - not a task\n"
		    "destinations:\n"
		    "  - {dId: " DID ", deliveryType: X2Only, deliveryAddress: {ipAddressAndPort: "
		    "{address: 192.0.2.10, tcpPort: 42069}}}\n"
		    "  - {dId: " DID ", deliveryType: X2Only, deliveryAddress: {ipAddressAndPort: "
		    "{address: 192.0.2.10, tcpPort: x}}}\n"
		    "colour: blue\n",
		"t:1:9: error: format: '2' is not a format this version knows: 1\n"
		"t:2:15: error: neIdentifier: this file is for 'probe-02', this network element is "
		"'probe-01'\n"
		"t:7:18: error: tasks[0].listOfDIDs[0]: destination " DID2
		" is not defined in this file\n"
		"t:8:10: error: tasks[1].xId: 29F28E1C-F230-486A-A860-F5A784AB9172 is already defined at "
		"line 4\n"
		"t:9:36: error: tasks[1].targetIdentifiers[0].ipv4Cidr: '203.0.113.77/24' has host bits "
		"set (did you mean 203.0.113.0/24?)\n"
		"t:12:5: error: tasks[2]: a map ('name: value' lines, or {...}) is expected here, not "
		"text\n"
		"t:15:11: error: destinations[1].dId: " DID " is already defined at line 14\n"
		"t:15:138: error: destinations[1].deliveryAddress.ipAddressAndPort.tcpPort: 'x' is not a "
		"TCP port, 2 to 65535 (X1 knows no TCP port 0 or 1)\n"
		"t:16:1: error: unknown key 'colour'\n");
}

static void an_empty_list_of_tasks_is_no_fault_but_a_missing_one_is(void **state)
{
	(void)state;
	struct target_set *set = parse_as("format: 1\ntasks: []\n", &rules, NULL);
	assert_int_equal(set->task_count, 0);
	target_set_free(set);
	target_set_free(parse_as("format: 1\ndestinations:\ntasks: []\n", &rules, NULL));
	assert_says("",
		"t:1:1: error: key 'format' is missing\nt:1:1: error: key 'tasks' is missing\n");
	assert_says("format: 1\ntasks:\n",
		"t:2:7: error: tasks: a list ('- ...' lines, or [...]) is "
		"expected here, not nothing\n");
	assert_says("[]",
		"t:1:1: error: a map ('name: value' lines, or {...}) is expected here, not a "
		"list\n");
}

static void more_tasks_than_there_is_room_for_are_refused(void **state)
{
	(void)state;
	struct target_rules small = rules;
	small.capacity = 0;
	char said[4096];
	target_set_free(parse_as(HEAD TARGET DELIVERY DIDS, &small, said));
	assert_string_equal(said,
		"t:8:3: error: tasks: 1 tasks are more than the 0 for which x2tap has room: raise "
		"targets.capacity in x2tap.yaml\n");
}

static void addresses_that_yaml_trips_over_are_explained(void **state)
{
	(void)state;
	char text[4096], said[4096];
	with_identifier("ipv6Address: fe80::", text, sizeof text);
	target_set_free(parse_as(text, &rules, said));
	assert_non_null(strstr(said, "t:10:"));
	assert_non_null(strstr(said, "quote the address"));
}

static void ten_thousand_tasks_load(void **state)
{
	(void)state;
	enum { TASKS = 10000, ROOM = TASKS * 260 + 1000 };
	char *text = malloc(ROOM);
	assert_non_null(text);
	size_t len = (size_t)snprintf(text, ROOM,
		"format: 1\ndestinations:\n  - {dId: " DID
		", deliveryType: X2andX3, deliveryAddress: "
		"{ipAddressAndPort: {address: 192.0.2.10, tcpPort: 42069}}}\ntasks:\n");
	for (unsigned i = 0; i < TASKS; i++)
		len += (size_t)snprintf(text + len, ROOM - len,
			"  - xId: 29f28e1c-f230-486a-a860-%012x\n"
			"    targetIdentifiers:\n      - sipUri: sip:user%u@example.com\n" DELIVERY
				DIDS,
			i, i);
	struct target_set *set = parse_as(text, &rules, NULL);
	free(text);
	assert_int_equal(set->task_count, TASKS);
	struct target_changes changes;
	assert_int_equal(target_set_adopt(set, NULL, TASKS, &changes, NULL), 0);
	assert_int_equal(changes.added, TASKS);
	for (unsigned i = 0; i < TASKS; i += 777) {
		char expected[100];
		snprintf(expected, sizeof expected, "<sipUri>sip:user%u@example.com</sipUri>", i);
		assert_string_equal(set->tasks[i].identifiers[0].fragment, expected);
	}
	target_set_free(set);
}

static void the_example_that_is_installed_loads(void **state)
{
	(void)state;
	char path[512];
	const char *source = getenv("X2TAP_SOURCE");
	snprintf(path, sizeof path, "%s/config/targets.example.yaml", source ? source : ".");
	struct bytes text;
	struct error error = {0};
	if (target_file_read(path, &rules, &text, &error) != 0)
		fail_msg("%s", error.text);
	struct target_rules of_example = rules;
	of_example.ne_identifier = "probe-01.example.net"; // as in x2tap.example.yaml
	struct problems problems;
	problems_init(&problems, path);
	struct target_set *set = target_file_parse(text, &of_example, &problems);
	target_text_free(text);
	if (!set)
		fail_msg("%s", problems.text);
	problems_fini(&problems);
	unsigned shown = 0; // each supported identifier once at least
	for (size_t i = 0; i < set->task_count; i++)
		for (size_t j = 0; j < set->tasks[i].identifier_count; j++)
			shown |= 1u << set->tasks[i].identifiers[j].type;
	assert_int_equal(shown, (1u << IDENTIFIER_TYPES) - 1);
	assert_int_equal(set->destination_count, 3); // the Redundant set is one
	assert_int_equal(set->destinations[2].member_count, 2);
	bool failing_over = false, both = false; // the tasks that use the two sets
	for (size_t i = 0; i < set->task_count; i++) {
		const struct task *task = &set->tasks[i];
		failing_over |= task->destination_count == 1 && task->destinations[0] == 2;
		both |= task->xid.octets[15] == 2 && task->destination_count == 2;
	}
	assert_true(failing_over && both);
	target_set_free(set);
}

// --- reading from disk ---------------------------------------------------------------------------------------

static char directory[] = "/tmp/test_target_file.XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static const char *make_file(const char *name, const char *text, mode_t mode)
{
	static char path[200];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void assert_unreadable(
	const char *path, const struct target_rules *by, int code, const char *hint)
{
	struct bytes text = {NULL, 0};
	struct error error;
	assert_int_equal(target_file_read(path, by, &text, &error), code);
	assert_null(text.at);
	if (!strstr(error.text, hint) || !strstr(error.text, path))
		fail_msg("'%s' says neither '%s' nor the path", error.text, hint);
}

static void a_file_is_read_whole(void **state)
{
	(void)state;
	struct target_rules strict = rules;
	strict.check_owner = true;
	static const char *const texts[] = {"", "format: 1\n"};
	for (size_t i = 0; i < 2; i++) {
		const char *path = make_file("good", texts[i], 0640);
		struct bytes text;
		struct error error;
		assert_int_equal(target_file_read(path, &strict, &text, &error), 0);
		assert_true(bytes_equal(text, bytes_of_text(texts[i])));
		target_text_free(text);
		unlink(path);
	}
	target_text_free(bytes_of(NULL, 0));
}

static void a_file_that_others_could_have_changed_or_read_is_refused(void **state)
{
	(void)state;
	struct target_rules strict = rules;
	strict.check_owner = true;
	const char *path = make_file("open", "format: 1\n", 0660);
	assert_unreadable(path, &strict, -EPERM, "chmod go-w");
	chmod(path, 0644);
	assert_unreadable(path, &strict, -EPERM, "chmod o-r");
	if (geteuid() == 0) {
		chmod(path, 0600);
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_unreadable(path, &strict, -EPERM, "belongs to user 12345");
	}
	struct bytes text;
	assert_int_equal(target_file_read(path, &rules, &text, NULL), 0); // a draft
	target_text_free(text);
	unlink(path);
}

static void what_is_no_plain_file_of_fair_size_is_refused(void **state)
{
	(void)state;
	char link[250];
	const char *path = make_file("plain", "format: 1\n", 0600);
	snprintf(link, sizeof link, "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	assert_unreadable(link, &rules, -ELOOP, "symbolic link");
	unlink(link);
	assert_int_equal(mkfifo(link, 0600), 0);
	assert_unreadable(link, &rules, -EINVAL, "not a regular file");
	unlink(link);
	assert_unreadable(link, &rules, -ENOENT, "No such file");
	assert_unreadable(directory, &rules, -EINVAL, "not a regular file");
	struct target_rules small = rules;
	small.max_size = 9;
	assert_unreadable(path, &small, -EFBIG, "larger than the 9 octets");
	small.max_size = 10;
	struct bytes text;
	assert_int_equal(target_file_read(path, &small, &text, NULL), 0);
	target_text_free(text);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_supported_identifier_becomes_its_x1_fragment),
		cmocka_unit_test(ports_stand_beside_an_address),
		cmocka_unit_test(an_identity_is_kept_in_the_form_in_which_it_is_compared),
		cmocka_unit_test(a_faulty_identifier_is_refused_with_its_place_and_a_hint),
		cmocka_unit_test(two_of_one_sort_are_no_task),
		cmocka_unit_test(what_never_holds_at_once_is_no_task),
		cmocka_unit_test(one_of_each_sort_is_a_task),
		cmocka_unit_test(a_tunnel_is_narrow_whatever_stands_beside_it),
		cmocka_unit_test(wide_targets_are_for_those_who_ask_for_them),
		cmocka_unit_test(a_list_too_long_for_an_attribute_is_refused),
		cmocka_unit_test(optional_parts_are_kept),
		cmocka_unit_test(what_x2tap_would_not_do_is_refused),
		cmocka_unit_test(a_part_that_stands_twice_is_complained_of_once),
		cmocka_unit_test(services_are_kept_as_a_set),
		cmocka_unit_test(data_of_a_party_that_only_sip_shows_would_yield_nothing),
		cmocka_unit_test(without_data_there_is_nothing_for_what_only_radius_and_gtpc_show),
		cmocka_unit_test(the_rest_of_the_forty_is_refused),
		cmocka_unit_test(delivery_must_be_iri_to_destinations_that_take_it),
		cmocka_unit_test(a_destination_needs_an_address_and_a_tcp_port),
		cmocka_unit_test(an_x3_destination_may_stand_there_but_gets_no_task),
		cmocka_unit_test(
			a_redundant_set_is_a_destination_of_its_own_with_the_smallest_preference_first),
		cmocka_unit_test(a_duplicate_set_stands_for_its_members_each_once),
		cmocka_unit_test(a_faulty_destination_set_is_refused_with_its_place),
		cmocka_unit_test(a_redundant_set_has_at_most_sixteen_members),
		cmocka_unit_test(a_task_lists_sets_that_are_there),
		cmocka_unit_test(all_errors_come_in_one_pass_in_their_order),
		cmocka_unit_test(an_empty_list_of_tasks_is_no_fault_but_a_missing_one_is),
		cmocka_unit_test(more_tasks_than_there_is_room_for_are_refused),
		cmocka_unit_test(addresses_that_yaml_trips_over_are_explained),
		cmocka_unit_test(ten_thousand_tasks_load),
		cmocka_unit_test(the_example_that_is_installed_loads),
		cmocka_unit_test(a_file_is_read_whole),
		cmocka_unit_test(a_file_that_others_could_have_changed_or_read_is_refused),
		cmocka_unit_test(what_is_no_plain_file_of_fair_size_is_refused),
	};
	return cmocka_run_group_tests_name("target_file", tests, make_directory, remove_directory);
}
