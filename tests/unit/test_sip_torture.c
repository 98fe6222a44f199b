// The torture messages of RFC 4475 as captured in ../shared, and what the parser makes of each. Skipped where the capture is
// not at hand.
#include "captures.h"
#include "packet.h"
#include "sip.h"
#include "sip_uri.h"

enum { S = SIP_DEFECT_START_LINE, E = SIP_DEFECT_NO_END_OF_HEADERS, Q = SIP_DEFECT_CSEQ };
enum { L = SIP_DEFECT_CONTENT_LENGTH, H = SIP_DEFECT_HEADER_LINE };
enum { NOBODY = SIP_DEFECT_NO_CALL_ID | SIP_DEFECT_NO_FROM | SIP_DEFECT_NO_TO };

static const struct expectation {
	const char *name;
	enum sip_method method;
	uint16_t status; // of responses
	bool recognised; // on any port
	unsigned defects;
	uint32_t cseq;
	size_t body_len;
	const char *from_user, *to_user; // NULL: no URI, or none with a user
} expectations[] = {
	{"dblreq", SIP_REGISTER, 0, true, 0, 8, 0, "j.user", "j.user"},
	{"esc01", SIP_INVITE, 0, true, 0, 234234, 150, "I%20have%20spaces", "%75se%72"},
	{"esc02", SIP_METHOD_OTHER, 0, true, 0, 29344, 0, "resource", "resource"},
	{"escnull", SIP_REGISTER, 0, true, 0, 14398234, 0, "null-%00-null", "null-%00-null"},
	{"intmeth", SIP_METHOD_OTHER, 0, false, 0, 139122385, 0, "mundane",
		"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"},
	{"longreq", SIP_INVITE, 0, true, 0, 3882340, 150,
		"amazinglylongcallernameamazinglylongcallernameamazinglylongcallername"
		"amazinglylongcallernameamazinglylongcallername",
		"user"},
	{"lwsdisp", SIP_OPTIONS, 0, true, 0, 60, 0, "caller", "user"},
	{"mpart01", SIP_MESSAGE, 0, true, 0, 1, 553, "fluffy", "kumiko"},
	{"noreason", SIP_INVITE, 100, true, 0, 35, 0, "user", "user"},
	{"semiuri", SIP_OPTIONS, 0, true, 0, 8, 0, "caller", "j_user"},
	{"transports", SIP_OPTIONS, 0, true, 0, 60, 0, "caller", "user"},
	{"unreason", SIP_INVITE, 200, true, 0, 35, 154, "user", "user"},
	{"wsinv", SIP_INVITE, 0, true, 0, 9, 150, "jdrosen", "vivekg"},
	{"badaspec", SIP_OPTIONS, 0, true, 0, 3923239, 0, "a.g.bell", "t.watson"},
	{"badbranch", SIP_OPTIONS, 0, true, 0, 8, 0, "caller", "user"},
	{"baddate", SIP_INVITE, 0, true, 0, 1392934, 150, "caller", "user"},
	{"baddn", SIP_OPTIONS, 0, true, E, 3923239, 0, "a.g.bell", "t.watson"},
	{"badinv01", SIP_INVITE, 0, true, 0, 8, 152, "caller", "j.user"},
	{"badvers", SIP_OPTIONS, 0, false, S, 1, 0, "a.g.bell", "t.watson"},
	{"bcast", SIP_INVITE, 200, true, 0, 35, 154, "user", "user"},
	{"bext01", SIP_OPTIONS, 0, true, 0, 8, 0, "caller", "j_user"},
	{"bigcode", SIP_INVITE, 65535, false, S, 353494, 0, "user", "user"},
	{"clerr", SIP_INVITE, 0, true, SIP_DEFECT_BODY_CUT, 8, 154, "caller", "j.user"},
	{"cparam01", SIP_REGISTER, 0, true, 0, 2, 0, "watson", "watson"},
	{"cparam02", SIP_REGISTER, 0, true, 0, 3, 0, "watson", "watson"},
	{"escruri", SIP_INVITE, 0, true, 0, 149209342, 150, "caller", "user"},
	{"insuf", SIP_INVITE, 0, true, NOBODY, 193942, 152, NULL, NULL},
	{"inv2543", SIP_INVITE, 0, true, 0, 56, 105, "+13035551111", "+16505552222"},
	{"invut", SIP_INVITE, 0, true, 0, 235448, 40, "caller", "j.user"},
	{"ltgtruri", SIP_INVITE, 0, true, S, 1, 159, "caller", "user"},
	{"lwsruri", SIP_INVITE, 0, true, S, 2130706432, 159, "caller", "user"},
	{"lwsstart", SIP_INVITE, 0, true, S, 1893884, 150, "caller", "user"},
	{"mcl01", SIP_OPTIONS, 0, true, L, 15932, 67, "other", "user"},
	{"mismatch01", SIP_OPTIONS, 0, true, Q, 8, 0, "caller", "j.user"},
	{"mismatch02", SIP_METHOD_OTHER, 0, true, Q, 8, 138, "caller", "j.user"},
	{"multi01", SIP_INVITE, 0, true, 0, 5, 154, "caller", "user"},
	{"ncl", SIP_INVITE, 0, true, L, 0, 152, "caller", "j.user"},
	{"novelsc", SIP_OPTIONS, 0, true, 0, 3923423, 0, "caller", "user"},
	{"quotbal", SIP_INVITE, 0, true, 0, 8, 152, "caller", "j.user"},
	{"regaut01", SIP_REGISTER, 0, true, 0, 9338, 0, "j.user", "j.user"},
	{"regbadct", SIP_REGISTER, 0, true, 0, 1, 0, "user", "user"},
	{"regescrt", SIP_REGISTER, 0, true, 0, 14398234, 0, "user", "user"},
	{"scalar02", SIP_REGISTER, 0, true, Q, UINT32_MAX, 0, "user", "user"},
	{"scalarlg", SIP_OPTIONS, 503, true, Q, UINT32_MAX, 0, "other", "user"},
	{"sdp01", SIP_INVITE, 0, true, 0, 8, 150, "caller", "j_user"},
	{"test", SIP_INVITE, 0, false, S | H | Q, 0, 18, NULL, NULL},
	{"trws", SIP_OPTIONS, 0, true, S, 238923, 0, "local-resource", "remote-target"},
	{"unkscm", SIP_OPTIONS, 0, true, 0, 3923423, 0, "caller", "user"},
	{"unksm2", SIP_REGISTER, 0, true, 0, 234902, 0, NULL, NULL},
	{"zeromf", SIP_OPTIONS, 0, true, 0, 39234321, 0, "caller", "user"},
};
enum { MESSAGES = sizeof expectations / sizeof expectations[0] };

static struct sip_message message;

static void user_is(struct bytes value, const char *expected)
{
	struct sip_name_addr address;
	struct sip_uri uri;
	bool has_user = sip_name_addr_parse(value, &address) &&
	                sip_uri_parse(address.uri, &uri) == PARSE_OK && uri.user.len > 0;
	assert_true(has_user == (expected != NULL));
	if (expected)
		assert_true(bytes_equal(uri.user, bytes_of_text(expected)));
}

static void message_is(struct bytes payload, const struct expectation *e)
{
	print_message("# %s\n", e->name);
	assert_true(sip_recognise(payload) == e->recognised);
	assert_int_equal(sip_parse(payload, &message), PARSE_OK);
	assert_int_equal(message.defects, e->defects);
	assert_int_equal(message.method, e->method);
	assert_true(message.is_response == (e->status != 0));
	assert_int_equal(message.status, e->status);
	assert_int_equal(message.cseq, e->cseq);
	assert_int_equal(message.body.len, e->body_len);
	user_is(message.from, e->from_user);
	user_is(message.to, e->to_user);
	// Every Call-ID in the set begins with the name of its test, but for these two.
	if (strcmp(e->name, "insuf") != 0 && strcmp(e->name, "mpart01") != 0)
		assert_true(bytes_start_with(message.call_id, bytes_of_text(e->name)));
}

static void every_torture_message_is_read_as_it_should_be(void **state)
{
	(void)state;
	FILE *file = capture_open("sip-torture-rfc4475.pcap");
	captures_were_found(file != NULL, 1);
	unsigned count = 0;
	size_t len;
	for (uint8_t *frame; (frame = capture_frame(file, &len)) != NULL; free(frame)) {
		struct packet packet;
		assert_int_equal(packet_parse(bytes_of(frame, len), &packet), PACKET_UDP);
		assert_true(count < MESSAGES);
		message_is(packet.payload, &expectations[count++]);
	}
	assert_int_equal(count, MESSAGES);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_torture_message_is_read_as_it_should_be),
	};
	return cmocka_run_group_tests_name("sip_torture", tests, NULL, NULL);
}
