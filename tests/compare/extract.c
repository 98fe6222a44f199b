// What x2tap's own analysis reads in a capture: one JSON line for each message of SIP, RADIUS, DHCP and GTP-C on the wire,
// duplicates included, as it stands in the frame that completes it. For tests/compare/compare.py, which lays it beside another
// program's reading.
//
//	extract CAPTURE      a classic pcap file with Ethernet frames
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis.h"
#include "protocols.h"
#include "target_file.h"

enum { EVENTS = 1 << 20, CAPACITY = 16 };

// Tasks for whose sake whole RADIUS attributes and TEIDs of GTP-C are looked at, of what no capture holds.
static const char nobody[] =
	"format: 1\n"
	"destinations:\n"
	"  - dId: 00000000-0000-4000-8000-000000000001\n"
	"    deliveryType: X2Only\n"
	"    deliveryAddress:\n"
	"      ipAddressAndPort: {address: 192.0.2.1, tcpPort: 9}\n"
	"tasks:\n"
	"  - xId: 00000000-0000-4000-8000-000000000002\n"
	"    targetIdentifiers:\n"
	"      - radiusAttribute: 01166e6f626f6479406578616d706c652e696e76616c\n"
	"    deliveryType: X2Only\n"
	"    listOfDIDs: [00000000-0000-4000-8000-000000000001]\n"
	"  - xId: 00000000-0000-4000-8000-000000000003\n"
	"    targetIdentifiers:\n"
	"      - gtpcTunnelId: 4294967295\n"
	"    deliveryType: X2Only\n"
	"    listOfDIDs: [00000000-0000-4000-8000-000000000001]\n";

// The defaults of lib/conf/config_table.c.
static const uint16_t sip_ports[] = {5060, 5061, 0};
static const uint16_t signal_ports[SIGNAL_PROTOCOLS][6] = {
	[SIGNAL_RADIUS] = {1812, 1813, 1645, 1646, 3799, 0},
	[SIGNAL_DHCPV4] = {67, 68, 0},
	[SIGNAL_DHCPV6] = {546, 547, 0},
	[SIGNAL_GTPV1C] = {2123, 0},
	[SIGNAL_GTPV2C] = {2123, 0},
};

struct reading {
	unsigned long frame; // from 1; 0: behind the last one
};

// JSON wants characters: each octet is one, as in Latin-1.
static json_t *text_of(struct bytes octets)
{
	struct writer w = writer_of(malloc(2 * octets.len + 1), 2 * octets.len);
	for (size_t i = 0; i < octets.len; i++) {
		uint8_t c = octets.at[i];
		if (c >= 0x80)
			write_u8(&w, (uint8_t)(0xc0 | c >> 6));
		write_u8(&w, c < 0x80 ? c : (uint8_t)(0x80 | (c & 0x3f)));
	}
	json_t *text = json_stringn((const char *)w.at, w.len);
	free(w.at);
	return text;
}

static json_t *uri_of(struct bytes value)
{
	struct sip_name_addr addr;
	return sip_name_addr_parse(value, &addr) ? text_of(addr.uri) : json_null();
}

// All header fields of a name, as spelled.
static void add_fields(
	json_t *row, const char *key, const struct sip_message *message, enum sip_header_name name)
{
	json_t *fields = json_array();
	const struct sip_header *field;
	for (unsigned i = 0; (field = sip_header(message, name, i)); i++)
		json_array_append_new(fields, text_of(field->value));
	json_object_set_new(row, key, fields);
}

// The same, and the URIs of their values.
static void add_values(
	json_t *row, const char *key, const struct sip_message *message, enum sip_header_name name)
{
	json_t *uris = json_array();
	const struct sip_header *field;
	for (unsigned i = 0; (field = sip_header(message, name, i)); i++) {
		struct bytes rest = field->value, value;
		while (sip_value_next(&rest, &value))
			json_array_append_new(uris, uri_of(value));
	}
	char uri_key[64];
	snprintf(uri_key, sizeof uri_key, "%s_uri", key);
	add_fields(row, key, message, name);
	json_object_set_new(row, uri_key, uris);
}

static void add_address(json_t *row, const char *key, const struct address *address)
{
	char text[ADDRESS_TEXT];
	address_format(address, text);
	json_object_set_new(row, key, json_string(text));
}

static void add_packet(json_t *row, const struct packet *packet)
{
	json_t *teids = json_array();
	for (unsigned i = 0; i < packet->outer.teid_count; i++)
		json_array_append_new(teids, json_integer(packet->outer.teids[i]));
	add_address(row, "source", &packet->flow.source);
	add_address(row, "destination", &packet->flow.destination);
	json_object_set_new(row, "source_port", json_integer(packet->flow.source_port));
	json_object_set_new(row, "destination_port", json_integer(packet->flow.destination_port));
	json_object_set_new(row, "protocol", json_integer(packet->flow.protocol));
	json_object_set_new(row, "teids", teids);
}

static void print_message(void *context, const struct sip_message *message,
	const struct packet *packet, uint64_t time_ns)
{
	(void)time_ns;
	const struct reading *reading = context;
	json_t *row = json_object();
	json_object_set_new(row, "frame", json_integer((json_int_t)reading->frame));
	add_packet(row, packet);
	json_object_set_new(row, "start_line", text_of(message->start_line));
	json_object_set_new(row, "method", text_of(message->method_text));
	if (message->is_response)
		json_object_set_new(row, "status", json_integer(message->status));
	else
		json_object_set_new(row, "request_uri", text_of(message->request_uri));
	json_object_set_new(row, "call_id", text_of(message->call_id));
	json_object_set_new(row, "cseq", json_integer(message->cseq));
	add_fields(row, "call_id_fields", message, SIP_CALL_ID);
	add_fields(row, "cseq_fields", message, SIP_CSEQ);
	add_values(row, "from", message, SIP_FROM);
	add_values(row, "to", message, SIP_TO);
	add_values(row, "asserted", message, SIP_P_ASSERTED_IDENTITY);
	add_values(row, "contact", message, SIP_CONTACT);
	json_t *defects = json_array();
	for (unsigned bit = 0; bit < SIP_DEFECT_COUNT; bit++)
		if (message->defects >> bit & 1)
			json_array_append_new(defects, json_string(sip_defect_name(bit)));
	json_object_set_new(row, "defects", defects);
	json_dumpf(row, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(row);
}

// --- signals ---------------------------------------------------------------------------------------------------

static json_t *hex_of(const uint8_t *octets, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	struct writer w = writer_of(malloc(2 * len + 1), 2 * len);
	for (size_t i = 0; i < len; i++) {
		write_u8(&w, (uint8_t)digits[octets[i] >> 4]);
		write_u8(&w, (uint8_t)digits[octets[i] & 15]);
	}
	json_t *text = json_stringn((const char *)w.at, w.len);
	free(w.at);
	return text;
}

static const char *kind_name(enum identity_kind kind)
{
	switch (kind) {
	case IDENTITY_NAI:
		return "user";
	case IDENTITY_NUMBER:
		return "number";
	case IDENTITY_IMSI:
		return "imsi";
	case IDENTITY_IMEI:
		return "imei";
	case IDENTITY_IMEISV:
		return "imeisv";
	case IDENTITY_MAC:
		return "mac";
	case IDENTITY_ATTRIBUTE:
		return "attribute";
	case IDENTITY_GTPC_TUNNEL:
		return "tunnel_id";
	default:
		return "other";
	}
}

static bool is_binary(enum identity_kind kind)
{
	return kind == IDENTITY_MAC || kind == IDENTITY_ATTRIBUTE || kind == IDENTITY_GTPC_TUNNEL;
}

static void add_sightings(json_t *row, const struct signal *signal)
{
	json_t *sightings = json_array();
	for (uint32_t i = 0; i < signal->sighting_count; i++) {
		const struct identity *identity = &signal->sightings[i].identity;
		json_t *text = is_binary(identity->kind)
		                       ? hex_of(identity->octets, identity->len)
		                       : text_of(bytes_of(identity->octets, identity->len));
		json_array_append_new(
			sightings, json_pack("[s, o]", kind_name(identity->kind), text));
	}
	json_object_set_new(row, "sightings", sightings);
}

static void add_leases(json_t *row, const struct signal *signal)
{
	json_t *leases = json_array();
	for (uint32_t i = 0; i < signal->lease_count; i++) {
		const struct signal_lease *lease = &signal->leases[i];
		char text[ADDRESS_TEXT];
		address_format(&lease->address, text);
		json_array_append_new(leases, json_pack("[s, i, I]", text, (int)lease->prefix_len,
						      (json_int_t)lease->lifetime_s));
	}
	json_object_set_new(row, "leases", leases);
}

// Names are keyed digests: what they are made of is gone, but equal ones stay equal.
static void add_names(json_t *row, const struct signal *signal)
{
	static const char *const uses[] = {"find", "keep", "begin", "exchange"};
	json_t *names = json_array();
	for (uint32_t i = 0; i < signal->name_count; i++) {
		const struct signal_name *name = &signal->names[i];
		char digest[2 * 16 + 1];
		snprintf(digest, sizeof digest, "%016" PRIx64 "%016" PRIx64, name->digest.high,
			name->digest.low);
		json_t *said = json_array();
		for (unsigned bit = 0; bit < sizeof uses / sizeof *uses; bit++)
			if (name->use >> bit & 1)
				json_array_append_new(said, json_string(uses[bit]));
		json_array_append_new(names, json_pack("[s, o]", digest, said));
	}
	json_object_set_new(row, "names", names);
}

static void add_party(json_t *row, const char *key, const struct address *party)
{
	if (party->family)
		add_address(row, key, party);
}

static void print_signal(
	void *context, const struct signal *signal, const struct packet *packet, uint64_t time_ns)
{
	static const char *const changes[] = {
		"none", "pending", "bind", "release", "end", "restart"};
	const struct reading *reading = context;
	char correlation[16 + 1];
	snprintf(correlation, sizeof correlation, "%016" PRIx64, signal->correlation);
	json_t *row = json_object();
	json_object_set_new(row, "signal", json_string(protocols[signal->protocol].name));
	json_object_set_new(row, "frame", json_integer((json_int_t)reading->frame));
	json_object_set_new(row, "time_ns", json_integer((json_int_t)time_ns));
	add_packet(row, packet);
	json_object_set_new(row, "octets", hex_of(signal->octets.at, signal->octets.len));
	json_object_set_new(row, "message_type", json_integer(signal->message_type));
	json_object_set_new(row, "is_answer", json_boolean(signal->is_answer));
	json_object_set_new(row, "change", json_string(changes[signal->change]));
	json_object_set_new(row, "ends", json_boolean(signal->ends));
	if (signal->has_restart)
		json_object_set_new(row, "restart", json_integer(signal->restart));
	if (signal->correlation)
		json_object_set_new(row, "correlation", json_string(correlation));
	add_party(row, "authority", &signal->authority);
	add_party(row, "peer", &signal->peer);
	add_sightings(row, signal);
	add_leases(row, signal);
	add_names(row, signal);
	json_t *defects = json_array();
	for (unsigned bit = 0; bit < SIGNAL_DEFECTS; bit++)
		if (signal->defects >> bit & 1)
			json_array_append_new(defects, json_string(signal_defect_name(bit)));
	json_object_set_new(row, "defects", defects);
	json_dumpf(row, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(row);
}

// --- reading ---------------------------------------------------------------------------------------------------

static void add_ports(uint64_t bits[static 65536 / 64], const uint16_t *ports)
{
	for (; *ports; ports++)
		bits[*ports / 64] |= UINT64_C(1) << *ports % 64;
}

static void set_ports(struct analysis_config *config)
{
	static uint64_t sip[65536 / 64], udp[65536 / 64], signals[SIGNAL_PROTOCOLS][65536 / 64];
	add_ports(sip, sip_ports);
	add_ports(udp, sip_ports);
	config->sip_ports = sip;
	config->udp_ports = udp;
	for (unsigned protocol = 0; protocol < SIGNAL_PROTOCOLS; protocol++) {
		add_ports(udp, signal_ports[protocol]);
		add_ports(signals[protocol], signal_ports[protocol]);
		config->signal_ports[protocol] = signals[protocol];
	}
}

// No worker but this one.
static bool post_nowhere(
	void *context, unsigned worker, const struct parcel *parcel, struct bytes octets)
{
	(void)context, (void)worker, (void)parcel, (void)octets;
	return false;
}

static struct target_table *table_of_nobody(const struct hash_key *key)
{
	static const struct numbering numbering;
	const struct target_rules rules = {
		.numbering = &numbering, .capacity = CAPACITY, .max_size = sizeof nobody};
	struct problems problems;
	struct target_changes changes;
	struct error error;
	problems_init(&problems, "nobody");
	struct target_set *set = target_file_parse(bytes_of_text(nobody), &rules, &problems);
	struct target_table *table = NULL;
	if (set && target_set_adopt(set, NULL, CAPACITY, &changes, &error) == 0)
		table = target_table_new(set, CAPACITY, key, &numbering, false, &error);
	if (problems.len)
		fwrite(problems.text, 1, problems.len, stderr); // a mistake of ours
	target_set_free(set);
	problems_fini(&problems);
	// Else nothing of it would be read, and nothing compared.
	if (table && target_table_asks(table, IDENTITY_ATTRIBUTE) &&
		target_table_asks(table, IDENTITY_GTPC_TUNNEL))
		return table;
	target_table_free(table);
	return NULL;
}

static int read_capture(pcap_t *capture, struct analysis *analysis,
	const struct target_table *table, struct reading *reading)
{
	struct pcap_pkthdr *header;
	const u_char *octets;
	int result;
	while ((result = pcap_next_ex(capture, &header, &octets)) == 1) {
		uint64_t time_ns = (uint64_t)header->ts.tv_sec * 1000000000 +
		                   (uint64_t)header->ts.tv_usec * 1000;
		reading->frame++;
		analysis_frame(analysis, table, bytes_of(octets, header->caplen), 0, time_ns);
	}
	reading->frame = 0;
	analysis_flush(analysis, table);
	return result == PCAP_ERROR_BREAK ? 0 : -EIO;
}

int main(int count, char **arguments)
{
	if (count != 2) {
		fprintf(stderr, "usage: extract CAPTURE\n");
		return 2;
	}
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(arguments[1], why);
	if (!capture || pcap_datalink(capture) != DLT_EN10MB) {
		fprintf(stderr, "extract: %s: %s\n", arguments[1],
			capture ? "its frames are not Ethernet" : why);
		return 1;
	}
	struct reading reading = {0};
	struct analysis_config config = {
		.workers = 1,
		.signals = {.max_sessions = 16, .max_duplicates = 16, .session_idle_ns = 1},
		.recognise = true,
		.fragments = {.max_datagrams = 8192,
			.memory = 16 << 20,
			.timeout_ns = UINT64_C(5000000000)},
		.streams = {.max_streams = 65536,
			.memory = 32 << 20,
			.max_message = STREAMS_MAX_MESSAGE,
			.gap_timeout_ns = UINT64_C(2000000000),
			.idle_ns = UINT64_C(3600000000000)},
		.sip = {.max_sessions = 16, .max_duplicates = 16, .session_idle_ns = 1},
		.post = post_nowhere,
		.events = record_ring_new(EVENTS),
		.seen = print_message,
		.seen_signal = print_signal,
		.seen_context = &reading,
	};
	set_ports(&config);
	int result = hash_key_random(&config.key);
	config.followed = followed_new(&config.key);
	struct target_table *table = table_of_nobody(&config.key);
	struct analysis *analysis =
		config.events && config.followed && table ? analysis_new(&config) : NULL;
	if (result == 0)
		result = analysis ? read_capture(capture, analysis, table, &reading) : -ENOMEM;
	if (result != 0)
		fprintf(stderr, "extract: %s: %s\n", arguments[1], strerror(-result));
	analysis_free(analysis);
	target_table_free(table);
	followed_free(config.followed);
	record_ring_free(config.events);
	pcap_close(capture);
	return result == 0 ? 0 : 1;
}
