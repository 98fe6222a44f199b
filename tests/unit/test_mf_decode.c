#include "golden_x2.h"

#include <stdio.h>

#include "mf_stream.h"
#include "x2_pdu.h" // the encoder whose output the decoder must take; the decoder itself knows nothing of it

static struct mf_pdu decoded(const struct block *b)
{
	struct mf_pdu pdu;
	size_t needed;
	assert_int_equal(mf_pdu_decode(block_bytes(b), &pdu, &needed), PARSE_OK);
	return pdu;
}

static void assert_text(struct bytes found, const char *wanted)
{
	assert_true(bytes_equal(found, bytes_of_text(wanted)));
}

static void assert_clean(const struct mf_pdu *pdu)
{
	if (pdu->problems.count)
		fail_msg("problem: %s", pdu->problems.text[0]);
}

static void the_golden_vectors_are_read_as_they_were_meant(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *payload;
		uint16_t format;
		uint32_t sequence;
	} samples[] = {
		{GOLDEN_61, GOLDEN_PDHR, 2, 70000},
		{GOLDEN_62, GOLDEN_PDSR, 2, 70001},
		{GOLDEN_63, GOLDEN_IPPR, 2, 70002},
		{GOLDEN_64, GOLDEN_IPV4, 5, 1},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct block b = block_of(samples[i].hex), payload = block_of(samples[i].payload);
		struct mf_pdu pdu = decoded(&b);
		assert_clean(&pdu);
		assert_int_equal(pdu.octets.len, b.len);
		assert_int_equal(pdu.version, 5);
		assert_int_equal(pdu.type, MF_TYPE_X2);
		assert_int_equal(pdu.format, samples[i].format);
		assert_int_equal(pdu.direction, 3);
		char xid[UUID_TEXT];
		uuid_format(&pdu.xid, xid);
		assert_string_equal(xid, "8c292fa1-5831-46ec-86be-bd85f2083299");
		assert_true(pdu.correlation == 0x1122334455667788);
		assert_text(pdu.nfid, "probe-1.example.net");
		assert_text(pdu.ipid, "NET-IRI-POI-0");
		assert_int_equal(pdu.did.len, 0);
		assert_true(pdu.has_sequence && pdu.sequence == samples[i].sequence);
		assert_true(pdu.has_time && pdu.time_ns == 1767225600123456789);
		assert_int_equal(pdu.source.family, 4);
		assert_memory_equal(pdu.source.octets, "\xc0\x00\x02\x0a", 4);
		assert_memory_equal(pdu.destination.octets, "\xc6\x33\x64\x14", 4);
		assert_true(pdu.has_source_port && pdu.source_port == 49152);
		assert_true(pdu.has_destination_port && pdu.destination_port == 443);
		assert_true(pdu.has_protocol && pdu.protocol == 6);
		struct bytes value;
		size_t at = 0;
		assert_true(mf_pdu_next(&pdu, MF_MATCHED_IDENTIFIER, &at, &value));
		assert_text(value, "<ipv4Address>192.0.2.10</ipv4Address>");
		assert_false(mf_pdu_next(&pdu, MF_MATCHED_IDENTIFIER, &at, &value));
		assert_true(bytes_equal(pdu.payload, block_bytes(&payload)));
	}
}

static void keepalives_and_their_answers_are_read(void **state)
{
	(void)state;
	struct block keepalive = block_of(GOLDEN_KEEPALIVE), ack = block_of(GOLDEN_ACK);
	struct mf_pdu pdu = decoded(&keepalive);
	assert_clean(&pdu);
	assert_int_equal(pdu.type, MF_TYPE_KEEPALIVE);
	assert_int_equal(pdu.sequence, 7);
	pdu = decoded(&ack);
	assert_clean(&pdu);
	assert_int_equal(pdu.type, MF_TYPE_KEEPALIVE_ACK);
}

static void what_the_encoder_writes_comes_back(void **state)
{
	(void)state;
	static const uint8_t from[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	static const uint8_t to[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 2};
	struct bytes matched[] = {bytes_of_text("<sipUri>sip:a@example.com</sipUri>"),
		bytes_of_text("<e164Number>4930123456</e164Number>")};
	struct bytes other[] = {bytes_of_text("<ipv6Cidr>x</ipv6Cidr>")};
	struct x2_pdu sent = {
		.version = 6,
		.format = X2_FORMAT_SIP,
		.direction = X2_DIRECTION_UNKNOWN,
		.xid = {{1, 2, 3}},
		.correlation = UINT64_MAX,
		.did = bytes_of_text("domain"),
		.nfid = bytes_of_text("nf"),
		.ipid = bytes_of_text("ip"),
		.sequence = UINT32_MAX,
		.time_ns = (uint64_t)UINT32_MAX * 1000000000 + 999999999,
		.source = bytes_of(from, 16),
		.destination = bytes_of(to, 16),
		.has_ports = true,
		.source_port = 65535,
		.destination_port = 1,
		.has_protocol = true,
		.protocol = 17,
		.matched = matched,
		.matched_count = 2,
		.other = other,
		.other_count = 1,
		.payload = bytes_of_text("OPTIONS sip:a@example.com SIP/2.0\r\n\r\n"),
	};
	struct block b;
	struct writer w = writer_of(b.octets, sizeof b.octets);
	assert_int_equal(x2_pdu_write(&w, &sent), 0);
	b.len = w.len;
	struct mf_pdu pdu = decoded(&b);
	assert_clean(&pdu);
	assert_int_equal(pdu.version, 6);
	assert_int_equal(pdu.format, 9);
	assert_int_equal(pdu.direction, 1);
	assert_true(uuid_equal(&pdu.xid, &sent.xid));
	assert_true(pdu.correlation == sent.correlation);
	assert_true(bytes_equal(pdu.did, sent.did));
	assert_true(bytes_equal(pdu.nfid, sent.nfid));
	assert_true(bytes_equal(pdu.ipid, sent.ipid));
	assert_true(pdu.sequence == sent.sequence);
	assert_true(pdu.time_ns == sent.time_ns);
	assert_int_equal(pdu.source.family, 6);
	assert_memory_equal(pdu.source.octets, from, 16);
	assert_memory_equal(pdu.destination.octets, to, 16);
	assert_int_equal(pdu.source_port, 65535);
	assert_int_equal(pdu.destination_port, 1);
	assert_int_equal(pdu.protocol, 17);
	assert_true(bytes_equal(pdu.payload, sent.payload));
	struct bytes value;
	size_t at = 0;
	for (size_t i = 0; i < 2; i++) {
		assert_true(mf_pdu_next(&pdu, MF_MATCHED_IDENTIFIER, &at, &value));
		assert_true(bytes_equal(value, matched[i]));
	}
	at = 0;
	assert_true(mf_pdu_next(&pdu, MF_OTHER_IDENTIFIER, &at, &value));
	assert_true(bytes_equal(value, other[0]));
	assert_false(mf_pdu_next(&pdu, MF_OTHER_IDENTIFIER, &at, &value));
}

static void decode_prefix(struct bytes prefix)
{
	struct mf_pdu pdu;
	size_t needed = 0;
	enum parse_result result = mf_pdu_decode(prefix, &pdu, &needed);
	if (result == PARSE_OK) {
		assert_int_equal(prefix.len, needed);
		assert_clean(&pdu);
	} else {
		assert_int_equal(result, PARSE_TRUNCATED);
		assert_true(needed > prefix.len);
	}
}

static void every_vector_may_be_cut_anywhere(void **state)
{
	(void)state;
	static const char *const samples[] = {
		GOLDEN_61, GOLDEN_62, GOLDEN_63, GOLDEN_64, GOLDEN_KEEPALIVE, GOLDEN_ACK};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct block b = block_of(samples[i]);
		cut_at_every_length(block_bytes(&b), decode_prefix);
	}
}

// One change to golden vector 6.4 breaks one rule.
static void each_broken_rule_is_told_by_name_and_offset(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		const char *octets;
		enum parse_result result;
		const char *told;
	} changes[] = {
		{0, "01", PARSE_MALFORMED,
			"version 1.5: this is a decoder of major version 0 (at offset 0)"},
		{2, "0000", PARSE_MALFORMED, "PDU type 0 is unknown (at offset 2)"},
		{2, "0005", PARSE_MALFORMED, "PDU type 5 is unknown (at offset 2)"},
		{4, "00000027", PARSE_MALFORMED, "header length 39 is below 40 (at offset 4)"},
		{4, "00100000", PARSE_MALFORMED,
			"PDU of 1048616 octets is over the limit of 1048576 (at offset 4)"},
		{8, "ffffffff", PARSE_MALFORMED,
			"PDU of 4294967469 octets is over the limit of 1048576 (at offset 4)"},
		{4, "000000ab 0000002b", PARSE_MALFORMED,
			"attribute 17, matched target identifier, of 37 octets with 34 left in the header (at offset 133)"},
		{4, "000000b0 00000026", PARSE_MALFORMED,
			"header ends inside the type and length of an attribute (at offset 174)"},
		{42, "ffff", PARSE_MALFORMED,
			"attribute 6, network function id, of 65535 octets with 130 left in the header (at offset 40)"},
		{2, "0002", PARSE_OK, "PDU type 2, X3, at an MF for X2 (at offset 2)"},
		{12, "0000", PARSE_OK,
			"payload format 0, keepalive, is not allowed on X2 (at offset 12)"},
		{12, "0007", PARSE_OK,
			"payload format 7, Ethernet frame, is not allowed on X2 (at offset 12)"},
		{12, "0008", PARSE_OK,
			"payload format 8, RTP packet, is not allowed on X2 (at offset 12)"},
		{12, "000c", PARSE_OK,
			"payload format 12, GTP-U message, is not allowed on X2 (at offset 12)"},
		{12, "000d", PARSE_OK,
			"payload format 13, MSRP message, is not allowed on X2 (at offset 12)"},
		{12, "0010", PARSE_OK,
			"payload format 16, 3GPP unstructured PDU, is not allowed on X2 (at offset 12)"},
		{12, "0012", PARSE_OK, "payload format 18 is unknown (at offset 12)"},
		{12, "0009", PARSE_OK, "payload does not begin like a SIP message (at offset 174)"},
		{12, "0006", PARSE_OK, "payload does not begin like a IPv6 packet (at offset 174)"},
		{12, "0002", PARSE_OK,
			"payload does not begin like a TS 33.128 xIRI (at offset 174)"},
		{14, "0000", PARSE_OK, "payload direction 0 is out of range (at offset 14)"},
		{14, "0006", PARSE_OK, "payload direction 6 is out of range (at offset 14)"},
		{16, "00000000000000000000000000000000", PARSE_OK, "XID of zeros (at offset 16)"},
		{44, "ff", PARSE_OK,
			"attribute 6, network function id, is not UTF-8 (at offset 40)"},
		{80, "0007", PARSE_OK,
			"attribute 7, interception point id, a second time (at offset 80)"},
		{88, "0008", PARSE_OK, "attribute 8, sequence number, of 8 octets (at offset 88)"},
		{80, "0009", PARSE_OK, "attribute 9, timestamp, of 4 octets (at offset 80)"},
		{96, "3b9aca00", PARSE_OK, "timestamp with 1000000000 nanoseconds (at offset 96)"},
		{100, "000c", PARSE_OK,
			"attribute 12, source IPv6 address, of 4 octets (at offset 100)"},
		{108, "000a", PARSE_OK,
			"attribute 10, source IPv4 address, a second time (at offset 108)"},
		{116, "0010", PARSE_OK, "attribute 16, IP protocol, of 2 octets (at offset 116)"},
		{128, "000e", PARSE_OK, "attribute 14, source port, of 1 octets (at offset 128)"},
		{133, "0015", PARSE_OK,
			"attribute 21, additional XID related information, of 37 octets (at offset 133)"},
		{137, "20", PARSE_OK,
			"attribute 17, matched target identifier, is not one XML element (at offset 133)"},
		{171, "61", PARSE_OK,
			"attribute 17, matched target identifier, is not one XML element (at offset 133)"},
		{128, "0000", PARSE_OK, "attribute 0, which is no type (at offset 128)"},
	};
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct block b = block_of(GOLDEN_64), change = block_of(changes[i].octets);
		memcpy(b.octets + changes[i].at, change.octets, change.len);
		uint8_t *copy = exact_copy(b.octets, b.len);
		struct mf_pdu pdu;
		size_t needed;
		enum parse_result result = mf_pdu_decode(bytes_of(copy, b.len), &pdu, &needed);
		if (result != changes[i].result || pdu.problems.count == 0 ||
			strcmp(pdu.problems.text[0], changes[i].told) != 0)
			fail_msg("change %zu: result %d, %zu problems: %s, wanted: %s", i,
				(int)result, pdu.problems.count,
				pdu.problems.count ? pdu.problems.text[0] : "-", changes[i].told);
		free(copy);
	}
}

static void each_broken_rule_of_keepalives_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *told;
	} samples[] = {
		{"00050003 00000030 00000001 00000000 00000000000000000000000000000000 "
		 "0000000000000000 0008000400000007 ff",
			"keepalive with a payload (at offset 8)"},
		{"00050003 00000030 00000000 00090000 00000000000000000000000000000000 "
		 "0000000000000000 0008000400000007",
			"keepalive with a payload format (at offset 12)"},
		{"00050003 00000030 00000000 00000001 00000000000000000000000000000000 "
		 "0000000000000000 0008000400000007",
			"keepalive with a payload direction (at offset 14)"},
		{"00050003 00000030 00000000 00000000 00000000000000000000000000000001 "
		 "0000000000000000 0008000400000007",
			"keepalive with a XID (at offset 16)"},
		{"00050003 00000030 00000000 00000000 00000000000000000000000000000000 "
		 "0100000000000000 0008000400000007",
			"keepalive with a correlation id (at offset 32)"},
		{"00050003 00000028 00000000 00000000 00000000000000000000000000000000 "
		 "0000000000000000",
			"keepalive without a sequence number (at offset 40)"},
		{"00050004 00000035 00000000 00000000 00000000000000000000000000000000 "
		 "0000000000000000 0008000400000007 0006000161",
			"keepalive with more than a sequence number (at offset 40)"},
	};
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct block b = block_of(samples[i].hex);
		struct mf_pdu pdu = decoded(&b);
		assert_int_equal(pdu.problems.count, 1);
		assert_string_equal(pdu.problems.text[0], samples[i].told);
	}
}

static void what_33128_obliges_to_is_missed_in_its_format_alone(void **state)
{
	(void)state;
	// 6.4 with nothing but an attribute of a type that nobody knows: skipped, and no problem.
	struct block b =
		block_of("00050001 0000002d 00000001 00040001 "
			 "8c292fa1583146ec86bebd85f2083299 0000000000000000 7777000101 30");
	struct mf_pdu pdu = decoded(&b);
	assert_clean(&pdu);
	assert_false(pdu.has_sequence || pdu.has_time || pdu.has_source_port || pdu.has_protocol);
	b.octets[13] = 2;
	pdu = decoded(&b);
	assert_int_equal(pdu.problems.count, 5);
	assert_string_equal(
		pdu.problems.text[0], "no attribute 6, network function id (at offset 40)");
}

static void more_problems_than_have_room_are_counted(void **state)
{
	(void)state;
	struct block b =
		block_of("00050001 00000050 00000000 00000000 "
			 "00000000000000000000000000000000 0000000000000000 "
			 "00080000 00090000 000a0000 000b0000 000c0000 000d0000 000e0000 000f0000 "
			 "00100000 00110000");
	struct mf_pdu pdu = decoded(&b);
	assert_int_equal(pdu.problems.count, 14);
}

static void any_minor_version_is_taken(void **state)
{
	(void)state;
	struct block b = block_of(GOLDEN_64);
	for (unsigned minor = 0; minor < 256; minor++) {
		b.octets[1] = (uint8_t)minor;
		struct mf_pdu pdu = decoded(&b);
		assert_clean(&pdu);
	}
}

// Fed in steps of every length, a stream of PDUs always yields the same.
static void a_stream_is_cut_into_its_pdus_however_it_comes(void **state)
{
	(void)state;
	static const char *const samples[] = {GOLDEN_KEEPALIVE, GOLDEN_61, GOLDEN_64, GOLDEN_ACK};
	struct block b = {.len = 0};
	for (size_t i = 0; i < 4; i++) {
		struct block one = block_of(samples[i]);
		memcpy(b.octets + b.len, one.octets, one.len);
		b.len += one.len;
	}
	for (size_t step = 1; step <= b.len; step++) {
		struct mf_stream stream = {0};
		static const uint16_t types[] = {3, 1, 1, 4};
		size_t count = 0;
		for (size_t at = 0; at < b.len; at += step) {
			size_t len = step < b.len - at ? step : b.len - at;
			uint8_t *room = mf_stream_room(&stream, len);
			assert_non_null(room);
			memcpy(room, b.octets + at, len);
			mf_stream_added(&stream, len);
			struct mf_pdu pdu;
			while (mf_stream_next(&stream, &pdu) == PARSE_OK) {
				assert_clean(&pdu);
				assert_true(count < 4);
				assert_int_equal(pdu.type, types[count]);
				count++;
			}
		}
		assert_int_equal(count, 4);
		assert_int_equal(mf_stream_unfinished(&stream), 0);
		mf_stream_fini(&stream);
	}
}

// Ethernet, IPv4 and TCP headers without surprises: the capture has one frame.
static void the_pdu_of_another_party_is_read(void **state)
{
	(void)state;
	enum { FILE_HEADER = 24, RECORD_HEADER = 16, ETHERNET_AND_IPV4 = 34 };
	char path[4096];
	const char *source = getenv("X2TAP_SOURCE");
	snprintf(path, sizeof path, "%s/../shared/captures/x2-reference-sip-iri-pdu.pcap",
		source ? source : ".");
	FILE *file = fopen(path, "rb");
	if (!file) {
		print_message("# SKIPPED: no %s\n", path);
		skip();
	}
	struct block b;
	b.len = fread(b.octets, 1, sizeof b.octets, file);
	fclose(file);
	size_t tcp = FILE_HEADER + RECORD_HEADER + ETHERNET_AND_IPV4;
	assert_true(b.len > tcp + 20);
	struct bytes stream =
		bytes_slice(block_bytes(&b), tcp + (size_t)(b.octets[tcp + 12] >> 4) * 4, SIZE_MAX);
	struct mf_pdu pdu;
	size_t needed;
	assert_int_equal(mf_pdu_decode(stream, &pdu, &needed), PARSE_OK);
	assert_clean(&pdu);
	assert_int_equal(pdu.octets.len, stream.len);
	assert_int_equal(pdu.format, 9);
	assert_int_equal(pdu.direction, 3);
	assert_int_equal(pdu.correlation, 1);
	assert_int_equal(pdu.payload.len, 0x21b);
	assert_true(bytes_start_with(pdu.payload, bytes_of_text("REGISTER sip:")));
	struct bytes value;
	size_t at = 0;
	assert_true(mf_pdu_next(&pdu, MF_MATCHED_IDENTIFIER, &at, &value));
	assert_text(value, "<E164Number>494012345678</E164Number>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_vectors_are_read_as_they_were_meant),
		cmocka_unit_test(keepalives_and_their_answers_are_read),
		cmocka_unit_test(what_the_encoder_writes_comes_back),
		cmocka_unit_test(every_vector_may_be_cut_anywhere),
		cmocka_unit_test(each_broken_rule_is_told_by_name_and_offset),
		cmocka_unit_test(each_broken_rule_of_keepalives_is_told),
		cmocka_unit_test(what_33128_obliges_to_is_missed_in_its_format_alone),
		cmocka_unit_test(more_problems_than_have_room_are_counted),
		cmocka_unit_test(any_minor_version_is_taken),
		cmocka_unit_test(a_stream_is_cut_into_its_pdus_however_it_comes),
		cmocka_unit_test(the_pdu_of_another_party_is_read),
	};
	return cmocka_run_group_tests_name("mf_decode", tests, NULL, NULL);
}
