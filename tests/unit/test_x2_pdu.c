#include "golden_x2.h"

#include <errno.h>
#include <openssl/evp.h>

#include "x2_pdu.h"

static void assert_sha256(struct bytes data, const char *hex)
{
	struct block want = block_of(hex);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	assert_int_equal(EVP_Digest(data.at, data.len, digest, &len, EVP_sha256(), NULL), 1);
	assert_int_equal(len, want.len);
	assert_memory_equal(digest, want.octets, len);
}

// What the vectors have in common.
static struct x2_pdu golden_pdu(const struct bytes *matched, struct bytes payload)
{
	static const uint8_t source[4] = {192, 0, 2, 10}, destination[4] = {198, 51, 100, 20};
	struct x2_pdu pdu = {
		.version = 5,
		.format = X2_FORMAT_33128,
		.direction = X2_DIRECTION_FROM_TARGET,
		.correlation = 0x1122334455667788,
		.nfid = bytes_of_text("probe-1.example.net"),
		.ipid = bytes_of_text("NET-IRI-POI-0"),
		.time_ns = 1767225600123456789,
		.source = bytes_of(source, 4),
		.destination = bytes_of(destination, 4),
		.has_ports = true,
		.source_port = 49152,
		.destination_port = 443,
		.has_protocol = true,
		.protocol = 6,
		.matched = matched,
		.matched_count = 1,
		.payload = payload,
	};
	assert_true(uuid_parse(bytes_of_text("8c292fa1-5831-46ec-86be-bd85f2083299"), &pdu.xid));
	return pdu;
}

static void the_golden_vectors_come_out_octet_for_octet(void **state)
{
	(void)state;
	static const struct {
		enum x2_payload_format format;
		uint32_t sequence;
		const char *payload, *whole, *sha256;
	} samples[] = {
		{X2_FORMAT_33128, 70000, GOLDEN_PDHR, GOLDEN_61,
			"8af20bada59e39f2514daedaa2653c21047186f828a211d274b407f687efb25d"},
		{X2_FORMAT_33128, 70001, GOLDEN_PDSR, GOLDEN_62,
			"01b8e7c9d3f094d986506eebe05ffcb2ac65af24e25e129e510c252d8979778c"},
		{X2_FORMAT_33128, 70002, GOLDEN_IPPR, GOLDEN_63,
			"602e9af7848c5f0fc00da33b38fbe178ecfa43d307b61ad3f727a08552a24260"},
		{X2_FORMAT_IPV4, 1, GOLDEN_IPV4, GOLDEN_64,
			"7c9223c636432fa30e105d7d6ad888dd99dd4e051093f271aba6df221afe406e"},
	};
	struct bytes matched = bytes_of_text("<ipv4Address>192.0.2.10</ipv4Address>");
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct block payload = block_of(samples[i].payload);
		struct x2_pdu pdu = golden_pdu(&matched, block_bytes(&payload));
		pdu.format = samples[i].format;
		pdu.sequence = samples[i].sequence;
		uint8_t out[512];
		struct writer w = writer_of(out, sizeof out);
		assert_int_equal(x2_pdu_header_len(&pdu), 174);
		assert_int_equal(x2_pdu_write(&w, &pdu), 0);
		assert_int_equal(w.len, 174 + payload.len);
		struct block want = block_of(samples[i].whole);
		assert_int_equal(w.len, want.len);
		assert_memory_equal(out, want.octets, want.len);
		assert_sha256(writer_bytes(&w), samples[i].sha256);
	}
}

static void keepalive_and_acknowledgement_come_out_octet_for_octet(void **state)
{
	(void)state;
	uint8_t out[2 * X2_KEEPALIVE_LEN];
	struct writer w = writer_of(out, sizeof out);
	x2_keepalive_write(&w, 5, 7);
	x2_keepalive_ack_write(&w, 5, 7);
	assert_false(w.overflow);
	struct block want = block_of(GOLDEN_KEEPALIVE GOLDEN_ACK);
	assert_int_equal(w.len, want.len);
	assert_memory_equal(out, want.octets, want.len);
	assert_sha256(bytes_of(out, X2_KEEPALIVE_LEN),
		"3ea98b20d0981d9f2f32c650265842d1cababfab9f4c2cc141b6759a8220f006");
	assert_sha256(bytes_of(out + X2_KEEPALIVE_LEN, X2_KEEPALIVE_LEN),
		"4e5e65f20056600f31f6f336386b707cc33563aa810ae3b95dd04f0c6e3ba49f");
}

static void every_attribute_stands_in_its_place(void **state)
{
	(void)state;
	static const uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct bytes identifiers[] = {bytes_of_text("A"), bytes_of_text("BC")};
	struct x2_pdu pdu = {
		.version = 6,
		.format = X2_FORMAT_SIP,
		.direction = X2_DIRECTION_TO_TARGET,
		.did = bytes_of_text("d"),
		.nfid = bytes_of_text("n"),
		.ipid = bytes_of_text("i"),
		.sequence = 0xffffffff,
		.time_ns = 1000000001,
		.source = bytes_of(address, 16),
		.destination = bytes_of(address, 16),
		.has_ports = true,
		.source_port = 5060,
		.destination_port = 5061,
		.has_protocol = true,
		.protocol = 17,
		.matched = identifiers,
		.matched_count = 2,
		.other = identifiers,
		.other_count = 2,
		.payload = bytes_of_text("xyz"),
	};
	uint8_t out[256];
	struct writer w = writer_of(out, sizeof out);
	assert_int_equal(x2_pdu_write(&w, &pdu), 0);
	assert_int_equal(x2_pdu_header_len(&pdu) + 3, w.len);
	struct block want = block_of("00060001"
				     "0000009a"
				     "00000003"
				     "00090002"
				     "00000000000000000000000000000000"
				     "0000000000000000"
				     "0005000164"
				     "000600016e"
				     "0007000169"
				     "00080004ffffffff"
				     "000900080000000100000001"
				     "000c001020010db8000000000000000000000001"
				     "000d001020010db8000000000000000000000001"
				     "000e000213c4"
				     "000f000213c5"
				     "0010000111"
				     "0011000141"
				     "001100024243"
				     "0012000141"
				     "001200024243"
				     "78797a");
	assert_int_equal(w.len, want.len);
	assert_memory_equal(out, want.octets, want.len);
}

static void what_does_not_fit_leaves_the_block_as_it_was(void **state)
{
	(void)state;
	struct bytes matched = bytes_of_text("<ipv4Address>192.0.2.10</ipv4Address>");
	struct x2_pdu pdu = golden_pdu(&matched, bytes_of_text("payload"));
	size_t len = x2_pdu_header_len(&pdu) + 7;
	for (size_t cap = 0; cap <= len; cap++) {
		uint8_t *block = malloc(cap ? cap : 1);
		assert_non_null(block);
		struct writer w = writer_of(block, cap);
		assert_int_equal(x2_pdu_write(&w, &pdu), cap == len ? 0 : -EMSGSIZE);
		assert_int_equal(w.overflow, cap != len);
		assert_int_equal(w.len, cap == len ? len : 0);
		free(block);
	}
}

static void addresses_of_two_families_and_overlong_attributes_are_refused(void **state)
{
	(void)state;
	static uint8_t big[65536];
	static uint8_t out[140000];
	struct bytes matched = bytes_of_text("m");
	struct x2_pdu good = golden_pdu(&matched, bytes_of_text("payload"));
	struct writer w = writer_of(out, sizeof out);

	struct x2_pdu bad = good;
	bad.destination = bytes_of(big, 16);
	assert_int_equal(x2_pdu_write(&w, &bad), -EINVAL);
	bad.source = bytes_of(big, 5);
	bad.destination = bytes_of(big, 5);
	assert_int_equal(x2_pdu_write(&w, &bad), -EINVAL);
	bad = good;
	bad.nfid = bytes_of(big, 65536);
	assert_int_equal(x2_pdu_write(&w, &bad), -EINVAL);
	bad = good;
	struct bytes overlong = bytes_of(big, 65536);
	bad.other = &overlong;
	bad.other_count = 1;
	assert_int_equal(x2_pdu_write(&w, &bad), -EINVAL);
	assert_int_equal(w.len, 0);
	assert_false(w.overflow);
	overlong.len = 65535;
	assert_int_equal(x2_pdu_write(&w, &bad), 0);
}

static void parse_reply_prefix(struct bytes prefix)
{
	struct x2_reply reply;
	size_t consumed;
	enum parse_result result = x2_reply_parse(prefix, &reply, &consumed);
	assert_int_equal(result, prefix.len < X2_KEEPALIVE_LEN ? PARSE_TRUNCATED : PARSE_OK);
	if (result != PARSE_OK)
		return;
	assert_int_equal(consumed, X2_KEEPALIVE_LEN);
	assert_int_equal(reply.type, X2_PDU_KEEPALIVE_ACK);
	assert_true(reply.has_sequence);
	assert_int_equal(reply.sequence, 7);
}

static void a_reply_is_read_whole_or_waited_for(void **state)
{
	(void)state;
	struct block ack = block_of(GOLDEN_ACK);
	cut_at_every_length(block_bytes(&ack), parse_reply_prefix);
	struct block two = block_of(GOLDEN_ACK GOLDEN_KEEPALIVE);
	for (size_t len = X2_KEEPALIVE_LEN; len <= two.len; len++)
		parse_reply_prefix(bytes_of(two.octets, len));
	struct x2_reply reply;
	size_t consumed;
	assert_int_equal(
		x2_reply_parse(bytes_of(two.octets + 48, 48), &reply, &consumed), PARSE_OK);
	assert_int_equal(reply.type, X2_PDU_KEEPALIVE);
}

static void a_reply_that_cannot_be_one_closes_the_connection(void **state)
{
	(void)state;
	static const struct {
		size_t at;
		uint8_t octet;
		enum parse_result result;
	} changes[] = {
		{0, 1, PARSE_MALFORMED},    // major version 1
		{1, 6, PARSE_OK},           // any minor version
		{3, 1, PARSE_MALFORMED},    // an MF sends no X2
		{3, 2, PARSE_MALFORMED},    // nor X3
		{3, 5, PARSE_MALFORMED},    // no such type
		{7, 39, PARSE_MALFORMED},   // shorter than a header
		{7, 47, PARSE_MALFORMED},   // the attribute leaves the header
		{7, 51, PARSE_TRUNCATED},   // more to come
		{5, 1, PARSE_MALFORMED},    // 65,584 octets of header
		{11, 1, PARSE_MALFORMED},   // a payload
		{8, 0x80, PARSE_MALFORMED}, // a huge one
		{20, 9, PARSE_OK},          // the XID says nothing here
	};
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		struct block b = block_of(GOLDEN_ACK);
		b.octets[changes[i].at] = changes[i].octet;
		uint8_t *copy = exact_copy(b.octets, b.len);
		struct x2_reply reply;
		size_t consumed;
		enum parse_result result = x2_reply_parse(bytes_of(copy, b.len), &reply, &consumed);
		free(copy);
		if (result != changes[i].result)
			fail_msg("change %zu gives %d, not %d", i, (int)result,
				(int)changes[i].result);
	}
}

static void a_reply_without_a_good_sequence_number_has_none(void **state)
{
	(void)state;
	static const char *const attributes[] = {
		"",                         // no attribute
		"0007000400000007",         // another one
		"000800020007",             // too short to be one
		"000800080000000000000007", // too long
	};
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
		struct block b = block_of(GOLDEN_ACK), a = block_of(attributes[i]);
		b.octets[7] = (uint8_t)(40 + a.len);
		memcpy(b.octets + 40, a.octets, a.len);
		b.len = 40 + a.len;
		struct x2_reply reply;
		size_t consumed;
		assert_int_equal(x2_reply_parse(block_bytes(&b), &reply, &consumed), PARSE_OK);
		assert_int_equal(consumed, b.len);
		assert_false(reply.has_sequence);
	}
	// Behind an unknown attribute, and the first of two.
	struct block b =
		block_of("000500040000004000000000000000000000000000000000000000000000000000"
			 "00000000000000"
			 "00ff0004aaaaaaaa"
			 "0008000400000009"
			 "000800040000000a");
	struct x2_reply reply;
	size_t consumed;
	assert_int_equal(x2_reply_parse(block_bytes(&b), &reply, &consumed), PARSE_OK);
	assert_true(reply.has_sequence);
	assert_int_equal(reply.sequence, 9);
}

static void identifiers_are_elements_with_their_text_escaped(void **state)
{
	(void)state;
	uint8_t out[64];
	struct writer w = writer_of(out, sizeof out);
	x2_identifier_write(&w, "sipUri", bytes_of_text("sip:a&<b>@example.com"));
	assert_true(bytes_equal(writer_bytes(&w),
		bytes_of_text("<sipUri>sip:a&amp;&lt;b&gt;@example.com</sipUri>")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_vectors_come_out_octet_for_octet),
		cmocka_unit_test(keepalive_and_acknowledgement_come_out_octet_for_octet),
		cmocka_unit_test(every_attribute_stands_in_its_place),
		cmocka_unit_test(what_does_not_fit_leaves_the_block_as_it_was),
		cmocka_unit_test(addresses_of_two_families_and_overlong_attributes_are_refused),
		cmocka_unit_test(a_reply_is_read_whole_or_waited_for),
		cmocka_unit_test(a_reply_that_cannot_be_one_closes_the_connection),
		cmocka_unit_test(a_reply_without_a_good_sequence_number_has_none),
		cmocka_unit_test(identifiers_are_elements_with_their_text_escaped),
	};
	return cmocka_run_group_tests_name("x2_pdu", tests, NULL, NULL);
}
