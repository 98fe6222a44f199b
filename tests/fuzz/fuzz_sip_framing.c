// Any octets as a TCP stream, cut anywhere. The first four octets of the input say how: limit of a message, in sync or not, size
// of the pieces. Every verdict keeps to the contract, the stream comes to the same however it is cut, every message
// begins with one that sip_parse() reads, and what is taken of a cut one is whole lines.
#include "../unit/framing_driver.h"
#include "fuzz.h"
#include "sip.h"

enum { SETTINGS_LEN = 4 };

static struct sip_message parsed; // large

static void message_check(const struct driver *d, struct bytes message)
{
	FUZZ_CHECK(sip_parse(message, &parsed) == PARSE_OK);
	FUZZ_CHECK(fuzz_lies_in(parsed.octets, message));
	FUZZ_CHECK(parsed.octets.at + parsed.octets.len == message.at + message.len);
	// Where lines end in lone CRs, sip_parse() may see no empty line: then there is no body.
	bool has_body = !d->too_long && !(parsed.defects & SIP_DEFECT_NO_END_OF_HEADERS);
	FUZZ_CHECK(!has_body || !(parsed.defects & SIP_DEFECT_BODY_CUT));
}

static void rest_check(struct bytes front)
{
	struct bytes rest = sip_framing_rest(front);
	FUZZ_CHECK(rest.len <= front.len);
	if (rest.len == 0)
		return;
	FUZZ_CHECK(rest.at == front.at);
	FUZZ_CHECK(rest.at[rest.len - 1] == '\n');
	FUZZ_CHECK(sip_parse(rest, &parsed) == PARSE_OK);
}

static struct driver *run(struct bytes stream, uint32_t limit, bool in_sync, size_t piece)
{
	struct driver *d = driver_new(limit, in_sync);
	for (size_t arrived = 0; arrived < stream.len; arrived += piece)
		driver_arrive(d, stream, arrived);
	driver_arrive(d, stream, stream.len);
	if (d->broken)
		fprintf(stderr, "pieces of %zu: %s\n", piece, d->broken);
	FUZZ_CHECK(!d->broken);
	FUZZ_CHECK(d->calls <= 4 * stream.len + 4);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < SETTINGS_LEN)
		return 0;
	uint32_t limit = (uint32_t)(data[0] | data[1] << 8) + 1;
	bool in_sync = data[2] & 1;
	size_t piece = (size_t)data[3] + 2;
	struct bytes stream = bytes_of(data + SETTINGS_LEN, size - SETTINGS_LEN);

	struct driver *whole = run(stream, limit, in_sync, stream.len + 1);
	for (unsigned i = 0; i < whole->count; i++)
		message_check(whole, whole->messages[i]);
	rest_check(stream);
	rest_check(bytes_slice(stream, whole->done, SIZE_MAX));

	const size_t pieces[] = {piece, 1};
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct driver *d = run(stream, limit, in_sync, pieces[i]);
		FUZZ_CHECK(driver_agree(d, whole));
		free(d);
	}
	free(whole);
	return 0;
}
