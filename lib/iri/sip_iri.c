#include "sip_iri.h"

#include "mime.h"

enum {
	MAX_DEPTH = 3,  // bodies within bodies
	MAX_PARTS = 32, // of one multipart body
	MAX_DIGITS = 20
};

// An IRI-only order reports signalling; these bodies are signalling.
static const char *const default_types[] = {
	"application/sdp",
	"message/sipfrag",
	"application/isup",
	"application/qsig",
	"application/reginfo+xml",
	"application/dialog-info+xml",
	"application/conference-info+xml",
};

static bool is_kept(struct bytes type, const struct sip_iri_rules *rules)
{
	const char *const *types = rules->kept_types ? rules->kept_types : default_types;
	size_t count = rules->kept_types ? rules->kept_type_count
	                                 : sizeof default_types / sizeof *default_types;
	for (size_t i = 0; i < count; i++)
		if (bytes_equal_nocase(type, bytes_of_text(types[i])))
			return true;
	return false;
}

static bool is_type(const struct mime_header *header, const char *type)
{
	return bytes_equal_nocase(header->type, bytes_of_text(type));
}

static bool starts_nocase(struct bytes text, const char *prefix)
{
	return bytes_equal_nocase(bytes_slice(text, 0, strlen(prefix)), bytes_of_text(prefix));
}

static enum sip_iri_result both(enum sip_iri_result a, enum sip_iri_result b)
{
	if (a == SIP_IRI_WITHHELD || b == SIP_IRI_WITHHELD)
		return SIP_IRI_WITHHELD;
	return a == SIP_IRI_BLANKED || b == SIP_IRI_BLANKED ? SIP_IRI_BLANKED : SIP_IRI_WHOLE;
}

// --- lines that are what they say -------------------------------------------------------------------------------

// Takes the next line off the front, its end included.
static bool line_next(struct bytes *rest, uint8_t mark, struct bytes *line)
{
	if (rest->len == 0)
		return false;
	const uint8_t *end = memchr(rest->at, mark, rest->len);
	*line = bytes_slice(*rest, 0, end ? (size_t)(end - rest->at) + 1 : rest->len);
	*rest = bytes_slice(*rest, line->len, SIZE_MAX);
	return true;
}

static struct bytes without_line_end(struct bytes line)
{
	while (line.len && (line.at[line.len - 1] == '\r' || line.at[line.len - 1] == '\n'))
		line.len--;
	return line;
}

static bool is_blank_octet(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_token_octet(uint8_t c)
{
	return c > ' ' && c < 0x7f && !memchr("()<>@,;:\\\"/[]?={}", c, 17);
}

// A header field, or a continuation that holds something; no CR within.
static bool is_field_line(struct bytes text)
{
	if (text.len == 0 || memchr(text.at, '\r', text.len))
		return false;
	size_t at = 0;
	if (is_blank_octet(text.at[0])) {
		while (at < text.len && is_blank_octet(text.at[at]))
			at++;
		return at < text.len;
	}
	while (at < text.len && is_token_octet(text.at[at]))
		at++;
	size_t name = at;
	while (at < text.len && is_blank_octet(text.at[at]))
		at++;
	return name > 0 && at < text.len && text.at[at] == ':';
}

// --- SDP -------------------------------------------------------------------------------------------------------

static size_t find_nocase(struct bytes text, const char *word)
{
	size_t len = strlen(word);
	for (size_t i = 0; i + len <= text.len; i++)
		if (starts_nocase(bytes_slice(text, i, len), word))
			return i;
	return text.len;
}

// Keys in other attributes, as those of capability negotiation (RFC 5939): where one begins, or the line's length.
static size_t other_key_start(struct bytes line)
{
	static const char *const words[] = {"inline:", "key-mgmt:"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t at = find_nocase(line, words[i]);
		if (at < line.len)
			return at + strlen(words[i]);
	}
	return line.len;
}

// Where in a line of SDP a key begins; the line's length if it holds none (RFC 4568, RFC 4567, RFC 4566 section 5.12).
static size_t key_start(struct bytes line)
{
	static const char *const fields[] = {"k=", "a=crypto", "a=key-mgmt"};
	size_t blanks = 0;
	while (blanks < line.len && (line.at[blanks] == ' ' || line.at[blanks] == '\t'))
		blanks++;
	struct bytes text = bytes_slice(line, blanks, SIZE_MAX);
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		size_t len = strlen(fields[i]);
		if (!starts_nocase(text, fields[i]))
			continue;
		if (i == 0 || len == text.len)
			return blanks + len;
		if (text.at[len] == ':')
			return blanks + len + 1;
		if (text.at[len] == ' ' || text.at[len] == '\t')
			return blanks + len;
	}
	return starts_nocase(text, "a=") ? other_key_start(line) : line.len;
}

// Whether every line is one of SDP (RFC 8866: a letter, '=', a value): text that only calls itself so is content.
static bool is_sdp_text(struct bytes sdp)
{
	size_t line = 0;
	for (size_t i = 0; i <= sdp.len; i++) {
		if (i < sdp.len && sdp.at[i] != '\r' && sdp.at[i] != '\n')
			continue;
		size_t at = line;
		while (at < i && is_blank_octet(sdp.at[at]))
			at++;
		uint8_t letter = at < i ? ascii_lower(sdp.at[at]) : 0;
		if (at < i &&
			(letter < 'a' || letter > 'z' || at + 1 == i || sdp.at[at + 1] != '='))
			return false;
		line = i + 1;
	}
	return true;
}

static enum sip_iri_result sdp_write(
	struct bytes sdp, const struct sip_iri_rules *rules, struct writer *to)
{
	size_t start = to->len;
	if (!is_sdp_text(sdp))
		return SIP_IRI_WITHHELD;
	write_bytes(to, sdp);
	if (rules->keep_sdp_keys || to->overflow)
		return SIP_IRI_WHOLE;
	enum sip_iri_result result = SIP_IRI_WHOLE;
	size_t line = 0;
	for (size_t i = 0; i <= sdp.len; i++) {
		if (i < sdp.len && sdp.at[i] != '\r' && sdp.at[i] != '\n')
			continue;
		size_t key = line + key_start(bytes_slice(sdp, line, i - line));
		if (key < i) {
			memset(to->at + start + key, 'x', i - key);
			result = SIP_IRI_BLANKED;
		}
		line = i + 1;
	}
	return result;
}

// --- what may stay of a body -----------------------------------------------------------------------------------

// Header and body of a message, a part or a fragment.
struct entity {
	struct bytes header; // the empty line included
	uint8_t mark;        // what ends its lines
	struct bytes body;
	bool is_message; // a reduced body needs a Content-Length
	bool length_is_wrong;
};

static enum sip_iri_result entity_write(const struct entity *e, const struct sip_iri_rules *rules,
	unsigned depth, struct writer *to);

static bool is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] != ' ' && text.at[i] != '\t' && text.at[i] != '\r' &&
			text.at[i] != '\n')
			return false;
	return true;
}

// Writes what may stay of one part; nothing at all if that is nothing.
static enum sip_iri_result part_write(const struct mime_part *part,
	const struct sip_iri_rules *rules, unsigned depth, struct writer *to)
{
	struct entity e = {.mark = '\n'};
	if (!mime_split(part->entity, &e.header, &e.body))
		return SIP_IRI_WITHHELD;
	size_t start = to->len;
	write_bytes(to, part->delimiter);
	size_t before = to->len;
	enum sip_iri_result result = entity_write(&e, rules, depth, to);
	if (result == SIP_IRI_WITHHELD && to->len == before)
		to->len = start;
	else
		write_bytes(to, part->line_end);
	return result;
}

// Preamble or epilogue: no reader shows them, so only white space may be there.
static enum sip_iri_result frame_write(const struct mime_part *part, struct writer *to)
{
	write_bytes(to, part->delimiter);
	if (!is_blank(part->entity))
		return SIP_IRI_WITHHELD;
	write_bytes(to, part->entity);
	write_bytes(to, part->line_end);
	return SIP_IRI_WHOLE;
}

// For a body whose end is missing.
static void close_write(struct bytes boundary, struct writer *to)
{
	if (to->len && to->at[to->len - 1] != '\n')
		write_text(to, "\r\n");
	write_text(to, "--");
	write_bytes(to, boundary);
	write_text(to, "--");
}

static enum sip_iri_result multipart_write(struct bytes body, struct bytes parameters,
	const struct sip_iri_rules *rules, unsigned depth, struct writer *to)
{
	struct bytes boundary;
	if (!sip_parameter(parameters, "boundary", &boundary) || boundary.len == 0 ||
		boundary.len > MIME_MAX_BOUNDARY)
		return SIP_IRI_WITHHELD;

	size_t start = to->len, parts = 0, kept = 0;
	struct bytes rest = body;
	struct mime_part part = {.is_epilogue = false};
	enum sip_iri_result result = SIP_IRI_WHOLE;
	while (mime_part_next(&rest, boundary, &part)) {
		if (part.is_epilogue || part.delimiter.len == 0) {
			result = both(result, frame_write(&part, to));
			continue;
		}
		if (parts++ == MAX_PARTS) {
			result = SIP_IRI_WITHHELD;
			break;
		}
		size_t before = to->len;
		result = both(result, part_write(&part, rules, depth, to));
		kept += to->len > before;
	}
	if (kept == 0) {
		to->len = start;
		return SIP_IRI_WITHHELD;
	}
	if (!part.is_epilogue && result == SIP_IRI_WITHHELD)
		close_write(boundary, to);
	return result;
}

// A start line, then header fields up to an empty line: what only calls itself a fragment is content.
static bool is_fragment_text(struct bytes fragment)
{
	struct bytes rest = fragment, line;
	for (bool first = true; line_next(&rest, '\n', &line); first = false) {
		struct bytes text = without_line_end(line);
		struct bytes version = bytes_of_text("SIP/2.0");
		bool ends_so = text.len > version.len &&
		               bytes_equal(bytes_slice(text, text.len - version.len, version.len),
				       version);
		if (text.len == 0)
			return !memchr(fragment.at, '\r', (size_t)(text.at - fragment.at)) ||
			       !memmem(fragment.at, fragment.len, "\r\r", 2);
		if (memchr(text.at, '\r', text.len))
			return false;
		if (!is_field_line(text) &&
			!(first && (ends_so || bytes_start_with(text, version))))
			return false;
	}
	return true;
}

// A SIP message or a part of one, perhaps with a body of its own (RFC 3420).
static enum sip_iri_result fragment_write(
	struct bytes fragment, const struct sip_iri_rules *rules, unsigned depth, struct writer *to)
{
	struct entity e = {.mark = '\n'};
	if (!is_fragment_text(fragment))
		return SIP_IRI_WITHHELD;
	if (mime_split(fragment, &e.header, &e.body) && e.body.len)
		return entity_write(&e, rules, depth, to);
	write_bytes(to, fragment);
	return SIP_IRI_WHOLE;
}

static enum sip_iri_result body_write(const struct entity *e, const struct sip_iri_rules *rules,
	unsigned depth, struct writer *to)
{
	struct mime_header header = mime_header_read(e->header, e->mark);
	if (e->body.len == 0)
		return SIP_IRI_WHOLE;
	if (!header.has_type || header.is_encoded || depth > MAX_DEPTH)
		return SIP_IRI_WITHHELD;
	// Only the type decides about others, but within these we look.
	bool is_multipart = starts_nocase(header.type, "multipart/");
	bool is_sdp = is_type(&header, "application/sdp");
	bool is_fragment = is_type(&header, "message/sipfrag");
	if (header.is_transfer_encoded && (is_multipart || is_sdp || is_fragment))
		return SIP_IRI_WITHHELD;
	if (is_multipart)
		return multipart_write(e->body, header.parameters, rules, depth + 1, to);
	if (!is_kept(header.type, rules))
		return SIP_IRI_WITHHELD;
	if (is_sdp)
		return sdp_write(e->body, rules, to);
	if (is_fragment)
		return fragment_write(e->body, rules, depth + 1, to);
	write_bytes(to, e->body);
	return SIP_IRI_WHOLE;
}

// --- headers that say how much is left -----------------------------------------------------------------------------

// One Content-Length line with another number. It may grow by the digits only where `may_grow`; else a line that the
// number does not fit is left out, as no length is better than a wrong one.
static void length_line_write(
	const struct mime_line *line, struct bytes digits, bool may_grow, struct writer *to)
{
	if (!may_grow && digits.len > line->value.len)
		return;
	const uint8_t *value_at = line->value.len ? line->value.at : NULL;
	size_t prefix = value_at ? (size_t)(value_at - line->octets.at) : 0;
	if (!value_at) // "Content-Length:" alone: the number goes behind the colon
		while (prefix < line->octets.len && line->octets.at[prefix++] != ':')
			;
	write_bytes(to, bytes_slice(line->octets, 0, prefix));
	write_bytes(to, digits);
	write_bytes(to, bytes_slice(line->octets, prefix + line->value.len, SIZE_MAX));
}

static void header_write(const struct entity *e, size_t body_len, struct writer *to)
{
	char text[MAX_DIGITS + 1];
	struct writer number = writer_of(text, sizeof text);
	write_format(&number, "%zu", body_len);
	struct bytes digits = writer_bytes(&number), rest = e->header;
	struct mime_line line;
	bool is_first = true;
	while (mime_line_next(&rest, e->mark, &line)) {
		if (rest.len == 0 && is_first && e->is_message) { // before the empty line
			write_text(to, "Content-Length: ");
			write_bytes(to, digits);
			write_text(to, e->mark == '\r' ? "\r" : "\r\n");
		}
		if (mime_is_content_length(line.name)) {
			length_line_write(&line, digits, is_first && e->is_message, to);
			is_first = false;
		} else {
			write_bytes(to, line.octets);
		}
	}
}

static void reverse(uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		uint8_t kept = at[i];
		at[i] = at[len - 1 - i];
		at[len - 1 - i] = kept;
	}
}

// Brings the last `len` octets from `start` on to the front of the others.
static void last_to_front(struct writer *w, size_t start, size_t len)
{
	uint8_t *at = w->at + start;
	size_t all = w->len - start;
	reverse(at, all);
	reverse(at, len);
	reverse(at + len, all - len);
}

// The body is written first: only then is its length known. Writes nothing where a part or a fragment loses its whole body.
static enum sip_iri_result entity_write(const struct entity *e, const struct sip_iri_rules *rules,
	unsigned depth, struct writer *to)
{
	size_t start = to->len;
	enum sip_iri_result result = body_write(e, rules, depth, to);
	size_t body_len = to->len - start;
	if (to->overflow || (result == SIP_IRI_WITHHELD && body_len == 0 && !e->is_message))
		return result;
	if (body_len != e->body.len || e->length_is_wrong)
		header_write(e, body_len, to);
	else
		write_bytes(to, e->header);
	if (!to->overflow)
		last_to_front(to, start, to->len - start - body_len);
	return result;
}

static enum sip_iri_result whole_write(const struct sip_message *message, struct writer *to)
{
	write_bytes(to, message->octets);
	return to->overflow ? SIP_IRI_NO_ROOM : SIP_IRI_WHOLE;
}

// --- headers that hide content -----------------------------------------------------------------------------------

static bool is_about_content(struct bytes text)
{
	static const char *const names[] = {"content-", "c:", "c ", "l:", "l "};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (starts_nocase(text, names[i]))
			return true;
	return false;
}

static bool is_content_length(struct bytes text)
{
	const uint8_t *colon = memchr(text.at, ':', text.len);
	struct bytes name = bytes_slice(text, 0, colon ? (size_t)(colon - text.at) : 0);
	while (name.len && is_blank_octet(name.at[name.len - 1]))
		name.len--;
	return mime_is_content_length(name);
}

// Writes the header lines that are fields, but for Content-Length (`to` NULL: only looks). Text behind an end of headers that is none by the grammar (a line of blanks,
// CR CR, nothing at all) looks like header lines: what is no field is left out, and all that follows it once a field
// has spoken of content. Without an end of headers nothing is believed behind such a field. Returns whether all was kept.
static bool fields_write(const struct sip_message *message, uint8_t mark, struct writer *to)
{
	bool no_end = message->defects & SIP_DEFECT_NO_END_OF_HEADERS;
	bool all_kept = true, content = false;
	struct bytes rest = message->header_block, line;
	while (line_next(&rest, mark, &line)) {
		struct bytes text = without_line_end(line);
		if (text.len == 0)
			break;
		bool about_content = is_about_content(text);
		bool keep = is_field_line(text) && !(no_end && content && !about_content);
		content |= about_content;
		all_kept &= keep;
		if (keep && to && !is_content_length(text))
			write_bytes(to, line);
		else if (!keep && content)
			break;
	}
	return all_kept;
}

static enum sip_iri_result fields_alone_write(
	const struct sip_message *message, uint8_t mark, struct writer *to)
{
	fields_write(message, mark, to);
	const char *end = mark == '\r' ? "\r" : "\r\n";
	if (to->len && to->at[to->len - 1] != mark)
		write_text(to, end);
	write_text(to, "Content-Length: 0");
	write_text(to, end);
	write_text(to, end);
	return SIP_IRI_WITHHELD;
}

// URIs may carry a body (RFC 3261 section 19.1.1: the header "body"): its octets become x. Returns whether there were any.
static bool blank_uri_bodies(uint8_t *at, size_t len)
{
	bool found = false, in_headers = false;
	for (size_t i = 0; i < len; i++) {
		if (at[i] == '\n' && i + 1 < len && (at[i + 1] == '\r' || at[i + 1] == '\n'))
			break; // the body of the message has rules of its own
		if (memchr("\r\n> ,", at[i], 5))
			in_headers = false;
		bool begins = at[i] == '?' || (in_headers && at[i] == '&');
		in_headers |= at[i] == '?';
		if (!begins || !starts_nocase(bytes_of(at + i + 1, len - i - 1), "body="))
			continue;
		for (i += sizeof "body="; i < len && !memchr("&\r\n> ,;\"", at[i], 8); i++) {
			at[i] = 'x';
			found = true;
		}
		i--;
	}
	return found;
}

static enum sip_iri_result message_write(
	const struct sip_message *message, const struct sip_iri_rules *rules, struct writer *to);

enum sip_iri_result sip_iri_write(
	const struct sip_message *message, const struct sip_iri_rules *rules, struct writer *to)
{
	size_t start = to->len;
	enum sip_iri_result result = message_write(message, rules, to);
	if (result == SIP_IRI_NO_ROOM)
		return result;
	bool blanked = blank_uri_bodies(to->at + start, to->len - start);
	return blanked ? both(result, SIP_IRI_BLANKED) : result;
}

static enum sip_iri_result message_write(
	const struct sip_message *message, const struct sip_iri_rules *rules, struct writer *to)
{
	if (to->overflow)
		return SIP_IRI_NO_ROOM;
	if (message->header_block.len == 0)
		return whole_write(message, to);

	// From the start line's end on, which is how the parser read the lines.
	size_t before = (size_t)(message->header_block.at - message->octets.at);
	uint8_t mark = message->header_block.at[-1];
	if (!fields_write(message, mark, NULL)) {
		write_bytes(to, bytes_slice(message->octets, 0, before));
		enum sip_iri_result result = fields_alone_write(message, mark, to);
		return to->overflow ? SIP_IRI_NO_ROOM : result;
	}
	if (message->body.len == 0)
		return whole_write(message, to);
	struct entity e = {
		.header = message->header_block,
		.mark = mark,
		.body = message->body,
		.is_message = true,
		.length_is_wrong =
			message->defects & (SIP_DEFECT_CONTENT_LENGTH | SIP_DEFECT_BODY_CUT),
	};
	size_t start = to->len;
	write_bytes(to, bytes_slice(message->octets, 0, before));
	enum sip_iri_result result = SIP_IRI_WITHHELD;
	if (rules->drop_body)
		header_write(&e, 0, to);
	else
		result = entity_write(&e, rules, 0, to);
	if (result == SIP_IRI_WHOLE) {
		to->len = start;
		to->overflow = false;
		return whole_write(message, to);
	}
	if (to->overflow) {
		to->len = start;
		return SIP_IRI_NO_ROOM;
	}
	return result;
}
