// Any octets as the payload of a SIP port: every message is parsed and every view of it walked. Views stay inside of what
// they were taken from, and each step moves on.
#include "fuzz.h"
#include "sip.h"
#include "sip_uri.h"

static void uri_walk(struct bytes text)
{
	struct sip_uri uri;
	enum sip_scheme scheme;
	size_t scheme_len = sip_uri_scheme(text, &scheme);
	FUZZ_CHECK(scheme_len <= text.len);
	if (sip_uri_parse(text, &uri) != PARSE_OK)
		return;
	const struct bytes parts[] = {
		uri.user, uri.user_parameters, uri.password, uri.host, uri.parameters, uri.headers};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		FUZZ_CHECK(fuzz_lies_in(parts[i], text));
	FUZZ_CHECK(uri.has_port || uri.port == 0);

	struct bytes value;
	if (sip_parameter(uri.parameters, "user", &value))
		FUZZ_CHECK(fuzz_lies_in(value, uri.parameters));

	uint8_t *unescaped = malloc(uri.user.len + 1); // exact, so that the sanitizer sees more
	FUZZ_CHECK(unescaped);
	size_t len = sip_uri_unescape(uri.user, unescaped, uri.user.len);
	FUZZ_CHECK(len <= uri.user.len);
	if (len)
		FUZZ_CHECK(sip_uri_unescape(uri.user, unescaped, len - 1) == SIZE_MAX);
	free(unescaped);
}

static void value_walk(struct bytes value)
{
	struct sip_name_addr address;
	if (sip_name_addr_parse(value, &address)) {
		FUZZ_CHECK(address.uri.len > 0);
		FUZZ_CHECK(fuzz_lies_in(address.display, value));
		FUZZ_CHECK(fuzz_lies_in(address.uri, value));
		FUZZ_CHECK(fuzz_lies_in(address.parameters, value));
		struct bytes tag;
		if (sip_parameter(address.parameters, "tag", &tag))
			FUZZ_CHECK(fuzz_lies_in(tag, address.parameters));
		uri_walk(address.uri);
	}
	struct bytes username;
	if (sip_auth_parameter(value, "username", &username))
		FUZZ_CHECK(fuzz_lies_in(username, value));
}

static void field_walk(const struct sip_header *field, struct bytes headers)
{
	FUZZ_CHECK(field->name < SIP_HEADER_NAMES);
	FUZZ_CHECK(field->name_text.len > 0 && fuzz_lies_in(field->name_text, headers));
	FUZZ_CHECK(fuzz_lies_in(field->value, headers));

	struct bytes rest = field->value, value;
	while (rest.len) {
		size_t left = rest.len;
		bool found = sip_value_next(&rest, &value);
		FUZZ_CHECK(rest.len < left);
		if (!found)
			break;
		FUZZ_CHECK(value.len > 0 && fuzz_lies_in(value, field->value));
		value_walk(value);
	}
	FUZZ_CHECK(!sip_value_next(&rest, &value));
}

static void fields_walk(const struct sip_message *m)
{
	unsigned seen[SIP_HEADER_NAMES] = {0};
	FUZZ_CHECK(m->header_count <= SIP_MAX_HEADERS);
	for (unsigned i = 0; i < m->header_count; i++) {
		const struct sip_header *field = &m->headers[i];
		field_walk(field, m->header_block);
		FUZZ_CHECK(sip_header(m, field->name, seen[field->name]++) == field);
	}
	for (unsigned name = 0; name < SIP_HEADER_NAMES; name++)
		FUZZ_CHECK(!sip_header(m, (enum sip_header_name)name, seen[name]));
}

static void message_walk(const struct sip_message *m, struct bytes payload)
{
	FUZZ_CHECK(m->octets.len > 0 && fuzz_lies_in(m->octets, payload));
	const struct bytes parts[] = {m->start_line, m->method_text, m->request_uri,
		m->header_block, m->body, m->call_id, m->from, m->to};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		FUZZ_CHECK(fuzz_lies_in(parts[i], m->octets));
	FUZZ_CHECK(m->start_line.at == m->octets.at);
	FUZZ_CHECK(m->body.at + m->body.len == m->octets.at + m->octets.len);
	FUZZ_CHECK(m->header_block.at + m->header_block.len == m->body.at);
	FUZZ_CHECK(!m->is_response || m->request_uri.len == 0);
	FUZZ_CHECK(m->defects >> SIP_DEFECT_COUNT == 0);
	FUZZ_CHECK(!(m->defects & SIP_DEFECT_NO_CALL_ID) == (m->call_id.len > 0));
	FUZZ_CHECK(!(m->defects & SIP_DEFECT_NO_FROM) == (m->from.len > 0));
	FUZZ_CHECK(!(m->defects & SIP_DEFECT_NO_TO) == (m->to.len > 0));
	uri_walk(m->request_uri);
	fields_walk(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes rest = bytes_of(data, size);
	struct sip_message *message = malloc(sizeof *message);
	FUZZ_CHECK(message);
	bool goes_on = true;
	while (goes_on) {
		bool recognised = sip_recognise(rest);
		FUZZ_CHECK(!recognised || sip_may_start(rest.at, rest.len));
		enum parse_result result = sip_parse(rest, message);
		FUZZ_CHECK(result != PARSE_MALFORMED);
		if (result != PARSE_OK)
			break;
		message_walk(message, rest);
		size_t consumed = (size_t)(message->octets.at - rest.at) + message->octets.len;
		FUZZ_CHECK(consumed > 0);
		rest = bytes_slice(rest, consumed, SIZE_MAX);
		goes_on = sip_recognise(rest);
	}
	free(message);
	value_walk(bytes_of(data, size));
	uri_walk(bytes_of(data, size));
	return 0;
}
