#include "sip_iri.h"

#include "header_judge.h"
#include "mime.h"
#include "uri_body.h"

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

// --- SDP -------------------------------------------------------------------------------------------------------

// An attribute within another (RFC 5939 section 3.3.1: a=acap:1 crypto:1 ...), and a key wherever it stands.
static size_t inner_key_start(struct bytes line)
{
	static const char *const words[] = {"crypto:", "key-mgmt:", "inline:"};
	for (size_t at = 0; at < line.len; at++)
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (starts_nocase(bytes_slice(line, at, SIZE_MAX), words[i]))
				return at + strlen(words[i]);
	return line.len;
}

static size_t blanks_len(struct bytes line)
{
	size_t len = 0;
	while (len < line.len && (line.at[len] == ' ' || line.at[len] == '\t'))
		len++;
	return len;
}

// Where in a line of SDP a key begins; the line's length if it holds none (RFC 4568, RFC 4567, RFC 4566 section 5.12).
static size_t key_start(struct bytes line)
{
	static const char *const fields[] = {"k=", "a=crypto", "a=key-mgmt"};
	size_t blanks = blanks_len(line);
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
	return starts_nocase(text, "a=") ? inner_key_start(line) : line.len;
}

// Nothing, a letter and =, or a letter where the body was cut; blanks before it are forgiven.
static bool is_sdp_line(struct bytes line, bool is_last)
{
	struct bytes text = bytes_slice(line, blanks_len(line), SIZE_MAX);
	if (text.len == 0)
		return true;
	uint8_t letter = ascii_lower(text.at[0]);
	if (letter < 'a' || letter > 'z')
		return false;
	return text.len == 1 ? is_last : text.at[1] == '=';
}

// Writes nothing if any line is none of SDP: the type is not to be believed then.
static enum sip_iri_result sdp_write(
	struct bytes sdp, const struct sip_iri_rules *rules, struct writer *to)
{
	size_t start = to->len;
	write_bytes(to, sdp);
	if (to->overflow)
		return SIP_IRI_WHOLE;
	enum sip_iri_result result = SIP_IRI_WHOLE;
	size_t at = 0;
	for (size_t i = 0; i <= sdp.len; i++) {
		if (i < sdp.len && sdp.at[i] != '\r' && sdp.at[i] != '\n')
			continue;
		struct bytes line = bytes_slice(sdp, at, i - at);
		if (!is_sdp_line(line, i == sdp.len)) {
			to->len = start;
			return SIP_IRI_WITHHELD;
		}
		size_t key = rules->keep_sdp_keys ? line.len : key_start(line);
		if (key < line.len) {
			memset(to->at + start + at + key, 'x', line.len - key);
			result = SIP_IRI_BLANKED;
		}
		at = i + 1;
	}
	return result;
}

// --- what may stay of a body -----------------------------------------------------------------------------------

// Header and body of a message, a part or a fragment.
struct entity {
	struct bytes header; // the empty line included
	uint8_t mark;        // what ends its lines
	struct bytes body;
	const struct sip_message *message; // NULL for a part or a fragment
	bool is_fragment;                  // may begin with a start line
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
		if (part.is_unclear) {
			kept = 0;
			break;
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

// A SIP message or a part of one, perhaps with a body of its own (RFC 3420).
static enum sip_iri_result fragment_write(
	struct bytes fragment, const struct sip_iri_rules *rules, unsigned depth, struct writer *to)
{
	struct entity e = {.mark = '\n', .is_fragment = true};
	if (!mime_split(fragment, &e.header, &e.body))
		e.header = fragment;
	return entity_write(&e, rules, depth, to);
}

static enum sip_iri_result body_write(const struct entity *e, const struct sip_iri_rules *rules,
	unsigned depth, struct writer *to)
{
	struct mime_header header = mime_header_read(e->header, e->mark);
	if (e->body.len == 0)
		return SIP_IRI_WHOLE;
	if (rules->drop_body)
		return SIP_IRI_WITHHELD;
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

static void line_end_write(const struct entity *e, struct writer *to)
{
	write_text(to, e->mark == '\r' ? "\r" : "\r\n");
}

// One Content-Length line with another number. It may grow by the digits only where `may_grow`; else a line that the
// number does not fit is left out, as no length is better than a wrong one.
static void length_line_write(const struct entity *e, const struct mime_line *line,
	struct bytes digits, bool may_grow, struct writer *to)
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
	struct bytes tail = bytes_slice(line->octets, prefix + line->value.len, SIZE_MAX);
	write_bytes(to, tail);
	if (e->message && (tail.len == 0 || (tail.at[tail.len - 1] != '\n' &&
						    tail.at[tail.len - 1] != e->mark)))
		line_end_write(e, to);
}

// A line that may have lost its end.
static void line_write(const struct entity *e, struct bytes line, struct writer *to)
{
	write_bytes(to, line);
	if (e->message && line.len && line.at[line.len - 1] != '\n' &&
		line.at[line.len - 1] != e->mark)
		line_end_write(e, to);
}

// The lines that may stay, and how long the body is now. A message then has a Content-Length and an empty line.
static void header_write(const struct entity *e, size_t body_len, struct writer *to)
{
	char text[MAX_DIGITS + 1];
	struct writer number = writer_of(text, sizeof text);
	write_format(&number, "%zu", body_len);
	struct bytes digits = writer_bytes(&number), rest = e->header;
	struct header_judge judge = {.message = NULL};
	if (e->message)
		judge = header_judge_of(e->message, e->mark);
	struct mime_line line = {.is_empty = false};
	bool is_first = true;
	while (mime_line_next(&rest, e->mark, &line) && !line.is_empty) {
		size_t stays = e->message ? header_judge_line(&judge, &line) : line.octets.len;
		if (mime_is_content_length(line.name) && stays) {
			length_line_write(e, &line, digits, is_first && e->message, to);
			is_first = false;
		} else {
			line_write(e, bytes_slice(line.octets, 0, stays), to);
		}
	}
	if (is_first && e->message) {
		write_text(to, "Content-Length: ");
		write_bytes(to, digits);
		line_end_write(e, to);
	}
	if (line.is_empty)
		write_bytes(to, line.octets);
	else if (e->message)
		line_end_write(e, to);
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

// --- URIs that carry a body ------------------------------------------------------------------------------------------

static enum sip_iri_result range_blank(struct writer *to, size_t start, size_t len)
{
	return uri_body_blank(to->at + start, len) ? SIP_IRI_BLANKED : SIP_IRI_WHOLE;
}

// A start line but for the version behind its URI.
static size_t before_version(struct bytes line)
{
	while (line.len && is_blank(bytes_slice(line, line.len - 1, 1)))
		line.len--;
	size_t word = line.len;
	while (word && !is_blank(bytes_slice(line, word - 1, 1)))
		word--;
	return starts_nocase(bytes_slice(line, word, SIZE_MAX), "SIP/") ? word : line.len;
}

// Goes over the header that was written from `start` on.
static enum sip_iri_result header_blank(const struct entity *e, size_t start, struct writer *to)
{
	struct bytes rest = bytes_of(to->at + start, to->len - start);
	struct mime_line line;
	enum sip_iri_result result = SIP_IRI_WHOLE;
	while (mime_line_next(&rest, e->mark, &line)) {
		struct bytes text = line.value;
		if (!header_line_is_field(&line))
			text = bytes_slice(line.octets, 0, before_version(line.octets));
		if (text.len)
			result =
				both(result, range_blank(to, (size_t)(text.at - to->at), text.len));
	}
	return result;
}

// The body is written first: only then is its length known. Writes nothing where a part or a fragment loses its whole body,
// or has a header that may hold content.
static enum sip_iri_result entity_write(const struct entity *e, const struct sip_iri_rules *rules,
	unsigned depth, struct writer *to)
{
	if (!e->message && !header_is_sound(e->header, e->is_fragment))
		return SIP_IRI_WITHHELD;
	size_t start = to->len;
	enum sip_iri_result result = body_write(e, rules, depth, to);
	size_t body_len = to->len - start;
	if (to->overflow || (result == SIP_IRI_WITHHELD && body_len == 0 && !e->message))
		return result;
	if (e->message && !header_judge_keeps_all(e->message, e->mark))
		result = SIP_IRI_WITHHELD;
	size_t header = to->len;
	if (result == SIP_IRI_WITHHELD || (result == SIP_IRI_BLANKED && e->length_is_wrong))
		header_write(e, body_len, to);
	else
		write_bytes(to, e->header);
	if (to->overflow)
		return result;
	result = both(result, header_blank(e, header, to));
	last_to_front(to, start, to->len - header);
	return result;
}

static enum sip_iri_result message_write(
	const struct sip_message *message, const struct sip_iri_rules *rules, struct writer *to)
{
	// From the start line's end on, which is how the parser read the lines.
	size_t before = (size_t)(message->header_block.at - message->octets.at);
	struct entity e = {
		.header = message->header_block,
		.mark = message->header_block.at[-1] == '\r' ? '\r' : '\n',
		.body = message->body,
		.message = message,
		.length_is_wrong =
			message->defects & (SIP_DEFECT_CONTENT_LENGTH | SIP_DEFECT_BODY_CUT),
	};
	size_t start = to->len;
	write_bytes(to, bytes_slice(message->octets, 0, before));
	if (to->overflow)
		return SIP_IRI_NO_ROOM;
	enum sip_iri_result result = SIP_IRI_WHOLE;
	if (message->request_uri.len) {
		size_t uri = (size_t)(message->request_uri.at - message->octets.at);
		struct bytes text =
			bytes_slice(message->octets, uri, message->start_line.len - uri);
		result = range_blank(to, start + uri, before_version(text));
	}
	return both(result, entity_write(&e, rules, 0, to));
}

enum sip_iri_result sip_iri_write(
	const struct sip_message *message, const struct sip_iri_rules *rules, struct writer *to)
{
	if (to->overflow)
		return SIP_IRI_NO_ROOM;
	size_t start = to->len;
	enum sip_iri_result result = message_write(message, rules, to);
	if (result == SIP_IRI_WHOLE) { // as received, wherever it was written from
		to->len = start;
		to->overflow = false;
		write_bytes(to, message->octets);
	}
	if (!to->overflow)
		return result;
	to->len = start;
	return SIP_IRI_NO_ROOM;
}
