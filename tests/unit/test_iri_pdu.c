#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "iri_pdu.h"
#include "mf_pdu.h"

static char matched_fragment[] = "<sipUri>sip:alice@example.com</sipUri>";

static const struct identifier identifiers[] = {
	{.type = IDENTIFIER_SIP_URI, .fragment = matched_fragment}};

static const struct task task = {
	.header_xid = {{0x8c, 0x29, 0x2f, 0xa1, 0x58, 0x31, 0x46, 0xec, 0x86, 0xbe, 0xbd, 0x85,
		0xf2, 0x08, 0x32, 0x99}},
	.identifiers = identifiers,
	.identifier_count = 1,
};

static const char head[] = "INVITE sip:bob@example.com SIP/2.0\r\n"
			   "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n"
			   "From: <sip:alice@example.com>;tag=1\r\n"
			   "P-Asserted-Identity: <tel:+4930123456>\r\n"
			   "To: <sip:bob@example.com>\r\n"
			   "Call-ID: 1@192.0.2.10\r\n"
			   "CSeq: 1 INVITE\r\n";

enum { ROOM = 70000 };

struct fixture {
	struct iri_constants constants;
	struct iri *iri;
	uint8_t event_room[ROOM + 1024];
	struct event *event;
	uint8_t pdu_room[ROOM + 4096];
	struct writer pdu;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->constants.nfid = bytes_of_text("probe-1.example.net");
	f->iri = iri_new(&f->constants);
	assert_non_null(f->iri);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	iri_free(f->iri);
	free(f);
	return 0;
}

// An event of one task whose message has a body of `type`, `body_len` octets.
static struct event_task *make_event(struct fixture *f, const char *type, size_t body_len)
{
	f->event = (struct event *)(void *)f->event_room;
	*f->event = (struct event){.time_ns = 1767225600123456789,
		.correlation = 0x1122334455667788,
		.point = 0,
		.protocol = EVENT_SIP,
		.task_count = 1,
		.flow = {.source = {{192, 0, 2, 10}, 4},
			.destination = {{198, 51, 100, 20}, 4},
			.source_port = 5060,
			.destination_port = 5062,
			.protocol = 17}};
	struct event_task *about = event_tasks(f->event);
	*about = (struct event_task){.direction = 3};
	struct writer w = writer_of(event_payload(f->event), ROOM);
	write_text(&w, head);
	write_format(&w, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, body_len);
	for (size_t i = 0; i < body_len; i++)
		write_u8(&w, (uint8_t) "v=0\r\n"[i % 5]);
	assert_false(w.overflow);
	f->event->payload_len = (uint32_t)w.len;
	return about;
}

static int write_pdu(struct fixture *f, const struct event_task *about, size_t cap)
{
	f->pdu = writer_of(f->pdu_room, cap);
	return iri_write(f->iri, about, &task, bytes_of_text("NET-IRI-POI-0"),
		(struct sequence){70000, 0x1122334455667788}, 5, &f->pdu);
}

static struct mf_pdu decode(const struct fixture *f)
{
	struct mf_pdu pdu;
	size_t needed;
	assert_int_equal(mf_pdu_decode(writer_bytes(&f->pdu), &pdu, &needed), PARSE_OK);
	assert_int_equal(pdu.octets.len, f->pdu.len);
	assert_int_equal(pdu.problems.count, 0);
	return pdu;
}

static void an_event_becomes_a_pdu_that_another_decoder_reads_back(void **state)
{
	struct fixture *f = *state;
	struct event_task *about = make_event(f, "application/sdp", 100);
	iri_open(f->iri, f->event);
	assert_int_equal(write_pdu(f, about, 8192), 0);
	struct mf_pdu pdu = decode(f);
	assert_int_equal(pdu.version, 5);
	assert_int_equal(pdu.type, 1);
	assert_int_equal(pdu.format, 9);
	assert_int_equal(pdu.direction, 3);
	assert_memory_equal(&pdu.xid, &task.header_xid, sizeof pdu.xid);
	assert_true(pdu.correlation == 0x1122334455667788);
	assert_int_equal(pdu.sequence, 70000);
	assert_true(pdu.time_ns == 1767225600123456789);
	assert_true(bytes_equal(pdu.nfid, bytes_of_text("probe-1.example.net")));
	assert_true(bytes_equal(pdu.ipid, bytes_of_text("NET-IRI-POI-0")));
	assert_int_equal(pdu.did.len, 0);
	assert_memory_equal(&pdu.source, &f->event->flow.source, sizeof pdu.source);
	assert_memory_equal(&pdu.destination, &f->event->flow.destination, sizeof pdu.destination);
	assert_int_equal(pdu.source_port, 5060);
	assert_int_equal(pdu.destination_port, 5062);
	assert_int_equal(pdu.protocol, 17);
	assert_true(bytes_equal(pdu.payload, event_payload_view(f->event)));
	size_t at = 0;
	struct bytes value;
	assert_true(mf_pdu_next(&pdu, MF_MATCHED_IDENTIFIER, &at, &value));
	assert_true(bytes_equal(value, bytes_of_text(matched_fragment)));
	assert_false(mf_pdu_next(&pdu, MF_MATCHED_IDENTIFIER, &at, &value));
	assert_int_equal(iri_counters(f->iri)->whole, 1);
}

static void content_is_withheld_from_the_payload(void **state)
{
	struct fixture *f = *state;
	struct event_task *about = make_event(f, "text/plain", 100);
	iri_open(f->iri, f->event);
	assert_int_equal(write_pdu(f, about, 8192), 0);
	struct mf_pdu pdu = decode(f);
	struct sip_message m;
	assert_int_equal(sip_parse(pdu.payload, &m), PARSE_OK);
	assert_int_equal(m.body.len, 0);
	assert_int_equal(iri_counters(f->iri)->withheld, 1);
}

static void another_identity_of_the_subject_is_told_while_the_header_stays_short(void **state)
{
	struct fixture *f = *state;
	struct event_task *about = make_event(f, "application/sdp", 5);
	const char *message = (const char *)event_payload(f->event);
	const char *tel = strstr(message, "tel:+4930123456");
	about->other_offset[0] = (uint16_t)(tel - message);
	about->other_len[0] = (uint16_t)strlen("tel:+4930123456");
	about->other_kind[0] = EVENT_OTHER_TEL_URI;
	iri_open(f->iri, f->event);
	assert_int_equal(write_pdu(f, about, 8192), 0);
	struct mf_pdu pdu = decode(f);
	size_t at = 0;
	struct bytes value;
	assert_true(mf_pdu_next(&pdu, MF_OTHER_IDENTIFIER, &at, &value));
	assert_true(bytes_equal(value, bytes_of_text("<telUri>tel:+4930123456</telUri>")));

	char long_name[256];
	memset(long_name, 'n', sizeof long_name);
	f->constants.nfid = bytes_of(long_name, 180);
	assert_int_equal(write_pdu(f, about, 8192), 0);
	pdu = decode(f);
	at = 0;
	assert_false(mf_pdu_next(&pdu, MF_OTHER_IDENTIFIER, &at, &value));
	at = 0;
	assert_true(mf_pdu_next(&pdu, MF_MATCHED_IDENTIFIER, &at, &value));
}

static void a_pdu_over_the_limit_leaves_its_body_out_and_one_of_headers_alone_is_lost(void **state)
{
	struct fixture *f = *state;
	struct event_task *about = make_event(f, "application/sdp", 9000);
	iri_open(f->iri, f->event);
	assert_int_equal(write_pdu(f, about, 8192), 0);
	struct mf_pdu pdu = decode(f);
	struct sip_message m;
	assert_int_equal(sip_parse(pdu.payload, &m), PARSE_OK);
	assert_int_equal(m.body.len, 0);
	assert_true(m.has_content_length);
	assert_int_equal(iri_counters(f->iri)->body_cut, 1);

	assert_int_equal(write_pdu(f, about, 16384), 0); // another destination takes it whole
	pdu = decode(f);
	assert_int_equal(sip_parse(pdu.payload, &m), PARSE_OK);
	assert_int_equal(m.body.len, 9000);

	assert_int_equal(write_pdu(f, about, 400), -EMSGSIZE);
	assert_int_equal(iri_counters(f->iri)->lost_too_large, 1);
	assert_int_equal(iri_counters(f->iri)->body_cut, 1);
}

static void the_largest_message_of_an_event_fits(void **state)
{
	struct fixture *f = *state;
	struct event_task *about = make_event(f, "application/sdp", 65535 - 400);
	iri_open(f->iri, f->event);
	assert_int_equal(write_pdu(f, about, IRI_MAX_PDU), 0);
	struct mf_pdu pdu = decode(f);
	assert_true(bytes_equal(pdu.payload, event_payload_view(f->event)));
}

static void the_header_that_is_warned_of_is_the_worst_case(void **state)
{
	struct fixture *f = *state;
	size_t worst = iri_header_len(&f->constants, bytes_of_text("NET-IRI-POI-0"), &task);
	struct event_task *about = make_event(f, "application/sdp", 5);
	iri_open(f->iri, f->event);
	assert_int_equal(write_pdu(f, about, 8192), 0);
	struct mf_pdu pdu = decode(f);
	size_t here = pdu.octets.len - pdu.payload.len;
	assert_int_equal(worst, here + 2 * 12); // IPv6 addresses are twelve octets longer each
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_event_becomes_a_pdu_that_another_decoder_reads_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			content_is_withheld_from_the_payload, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			another_identity_of_the_subject_is_told_while_the_header_stays_short,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_pdu_over_the_limit_leaves_its_body_out_and_one_of_headers_alone_is_lost,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_largest_message_of_an_event_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_header_that_is_warned_of_is_the_worst_case, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("iri_pdu", tests, NULL, NULL);
}
