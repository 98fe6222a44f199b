#include "sip.h"

#include "sip_names.h"
#include "sip_start_line.h"
#include "sip_text.h"

enum {
	// Entries that the second and later fields of a name may take: what a sender repeats cannot displace the first
	// field of another name.
	MAX_REPEATED = SIP_MAX_HEADERS - SIP_HEADER_NAMES,
};

// What is known of Content-Length while the header fields are read.
struct content_length {
	bool is_present, is_bad;
	uint32_t value;
};

// Finds the end of the line at `at`; `*next` is where the following one starts, or `end`.
static const uint8_t *line_end(
	const uint8_t *at, const uint8_t *end, uint8_t mark, const uint8_t **next)
{
	const uint8_t *stop = memchr(at, mark, (size_t)(end - at));
	if (!stop) {
		*next = end;
		return end;
	}
	*next = stop + 1;
	if (mark == '\n') {
		while (stop > at && stop[-1] == '\r')
			stop--;
		return stop;
	}
	if (*next < end && **next == '\n')
		(*next)++;
	return stop;
}

static void content_length_take(struct content_length *length, struct bytes value)
{
	uint32_t number;
	size_t digits = sip_number_read(value, &number);
	if (digits == 0 || digits != value.len || (length->is_present && number != length->value))
		length->is_bad = true;
	length->is_present = true;
	length->value = number;
}

static void field_keep(struct sip_message *m, const struct sip_header *field)
{
	uint32_t bit = UINT32_C(1) << field->name;
	unsigned room = m->names & bit ? MAX_REPEATED : SIP_MAX_HEADERS;
	if (m->header_count >= room) {
		m->defects |= SIP_DEFECT_TOO_MANY_HEADERS;
		return;
	}
	m->names |= bit;
	m->headers[m->header_count++] = *field;
}

// Takes one line, or one field of several folded lines.
static void field_read(struct sip_message *m, struct bytes line, struct content_length *length)
{
	if (sip_is_blank(line.at[0])) { // continues the start line, as nothing may
		m->defects |= SIP_DEFECT_HEADER_LINE;
		line = sip_trim(line);
	}
	struct bytes name = bytes_slice(line, 0, sip_token_len(line));
	size_t colon = name.len;
	while (colon < line.len && sip_is_blank(line.at[colon]))
		colon++;
	if (name.len == 0 || colon == line.len || line.at[colon] != ':') {
		m->defects |= SIP_DEFECT_HEADER_LINE;
		return;
	}

	struct sip_header field = {
		sip_header_name_find(name), name, sip_trim(sip_from(line, colon + 1))};
	if (field.name == SIP_CONTENT_LENGTH)
		content_length_take(length, field.value);
	field_keep(m, &field);
}

// Reads the header fields from `at` on. Returns where the body starts.
static const uint8_t *fields_read(struct sip_message *m, const uint8_t *at, const uint8_t *end,
	uint8_t mark, struct content_length *length)
{
	while (at < end) {
		const uint8_t *next;
		const uint8_t *stop = line_end(at, end, mark, &next);
		if (stop == at)
			return next;
		while (next < end && sip_is_blank(*next))
			stop = line_end(next, end, mark, &next);
		field_read(m, bytes_of(at, (size_t)(stop - at)), length);
		at = next;
	}
	m->defects |= SIP_DEFECT_NO_END_OF_HEADERS;
	return end;
}

static struct bytes first_value(const struct sip_message *m, enum sip_header_name name)
{
	const struct sip_header *field = sip_header(m, name, 0);
	return field ? field->value : (struct bytes){NULL, 0};
}

// A message made by a known method is told from junk that runs into it: "xyREGISTER" is REGISTER after two octets, unless
// CSeq says the same word.
static void junk_before_method_skip(struct sip_message *m, struct bytes cseq_method)
{
	size_t len;
	enum sip_method method = sip_method_at_end(m->method_text, &len);
	size_t junk = m->method_text.len - len;
	struct bytes text = sip_from(m->method_text, junk);
	if (method == SIP_METHOD_OTHER || junk > SIP_MAX_JUNK ||
		(cseq_method.len && !bytes_equal(cseq_method, text)))
		return;
	m->method = method;
	m->method_text = text;
	m->start_line = sip_from(m->start_line, junk);
	m->octets = sip_from(m->octets, junk);
	m->defects |= SIP_DEFECT_START_LINE;
}

static void cseq_read(struct sip_message *m)
{
	struct bytes value = first_value(m, SIP_CSEQ);
	uint32_t number;
	size_t digits = sip_number_read(value, &number);
	struct bytes method = sip_trim(sip_from(value, digits));
	method.len = sip_token_len(method);
	m->cseq = number;

	if (m->is_response) {
		m->method_text = method;
		m->method = sip_method_find(method);
	} else if (m->method == SIP_METHOD_OTHER && !bytes_equal(m->method_text, method)) {
		junk_before_method_skip(m, method);
	}
	if (digits == 0 || number == SIP_NUMBER_MAX || method.len == 0 ||
		!bytes_equal(method, m->method_text))
		m->defects |= SIP_DEFECT_CSEQ;
}

static void body_find(
	struct sip_message *m, const struct content_length *length, const uint8_t *at, size_t left)
{
	m->has_content_length = length->is_present && !length->is_bad;
	m->content_length = length->value;
	if (length->is_bad)
		m->defects |= SIP_DEFECT_CONTENT_LENGTH;
	if (m->has_content_length && length->value > left)
		m->defects |= SIP_DEFECT_BODY_CUT;
	m->body = bytes_slice(
		bytes_of(at, left), 0, m->has_content_length ? length->value : SIZE_MAX);
}

static void identities_find(struct sip_message *m)
{
	m->call_id = first_value(m, SIP_CALL_ID);
	m->from = first_value(m, SIP_FROM);
	m->to = first_value(m, SIP_TO);
	if (m->call_id.len == 0)
		m->defects |= SIP_DEFECT_NO_CALL_ID;
	if (m->from.len == 0)
		m->defects |= SIP_DEFECT_NO_FROM;
	if (m->to.len == 0)
		m->defects |= SIP_DEFECT_NO_TO;
}

static bool has_identity(const struct sip_message *m)
{
	return m->request_uri.len || m->from.len || m->to.len ||
	       first_value(m, SIP_P_ASSERTED_IDENTITY).len || first_value(m, SIP_CONTACT).len;
}

// The start line at the front of `text`, or behind a few octets of junk.
static bool start_find(struct bytes text, size_t *junk, struct sip_start_line *line)
{
	for (size_t skip = 0; skip <= SIP_MAX_JUNK && skip < text.len; skip++) {
		// Inside of a word only a status line may start: "xySIP/2.0 200 OK".
		bool in_word = skip > 0 && sip_is_token(text.at[skip - 1]);
		if (in_word && ascii_lower(text.at[skip]) != 's')
			continue;
		if (sip_start_line_read(sip_from(text, skip), line) &&
			(!in_word || line->is_response)) {
			*junk = skip;
			return true;
		}
	}
	return false;
}

static bool is_keep_alive(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] != 0 && text.at[i] != '\r' && text.at[i] != '\n')
			return false;
	return true;
}

enum parse_result sip_parse(struct bytes payload, struct sip_message *out)
{
	size_t start = 0;
	while (start < payload.len && (payload.at[start] == '\r' || payload.at[start] == '\n'))
		start++;
	struct bytes text = sip_from(payload, start);
	struct sip_start_line line;
	size_t junk;
	if (!start_find(text, &junk, &line))
		return is_keep_alive(text) ? PARSE_TRUNCATED : PARSE_FOREIGN;
	text = sip_from(text, junk);

	// Not the headers: they are most of the size, and header_count says how many hold something.
	memset(out, 0, offsetof(struct sip_message, headers));
	out->start_line = line.line;
	out->is_response = line.is_response;
	out->status = line.status;
	out->method = line.known_method;
	out->method_text = line.method;
	out->request_uri = line.uri;
	if (junk || !line.is_exact)
		out->defects |= SIP_DEFECT_START_LINE;

	struct content_length length = {0};
	const uint8_t *end = text.at + text.len;
	const uint8_t *headers = text.at + line.len;
	const uint8_t *body = fields_read(out, headers, end, line.line_mark, &length);
	out->header_block = bytes_of(headers, (size_t)(body - headers));
	body_find(out, &length, body, (size_t)(end - body));
	out->octets = bytes_of(text.at, (size_t)(body - text.at) + out->body.len);
	identities_find(out);
	cseq_read(out);
	return has_identity(out) ? PARSE_OK : PARSE_FOREIGN;
}

const struct sip_header *sip_header(
	const struct sip_message *m, enum sip_header_name name, unsigned nth)
{
	if (!(m->names >> name & 1))
		return NULL;
	for (unsigned i = 0; i < m->header_count; i++)
		if (m->headers[i].name == name && nth-- == 0)
			return &m->headers[i];
	return NULL;
}
