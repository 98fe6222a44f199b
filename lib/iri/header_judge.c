#include "header_judge.h"

static bool is_token(uint8_t c)
{
	return ascii_is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
	       (c && strchr("-.!%*_+`'~", c));
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool header_line_is_field(const struct mime_line *line)
{
	for (size_t i = 0; i < line->name.len; i++)
		if (!is_token(line->name.at[i]))
			return false;
	return line->name.len > 0;
}

// Where from `from` on a line end of the other kind stands in a line: a CR that belongs to no LF, or, where lines end in CR, a
// LF that belongs to no CR. The line's length if there is none. A CR that is cut from its LF is none.
static size_t stray_end(struct bytes line, size_t from, uint8_t mark)
{
	for (size_t i = from; i < line.len; i++) {
		if (mark == '\r') {
			if (line.at[i] == '\n' && (i == 0 || line.at[i - 1] != '\r'))
				return i;
			continue;
		}
		size_t start = i;
		while (i < line.len && line.at[i] == '\r')
			i++;
		if (i > start && i < line.len && line.at[i] != '\n')
			return start;
	}
	return line.len;
}

static bool ends_line(struct bytes line, size_t at, uint8_t mark)
{
	if (line.at[at] != mark)
		return false;
	return mark == '\n' || at + 1 == line.len || line.at[at + 1] != '\n';
}

// The length of `line` up to and including a folded line that is all blank and ends behind `from`; SIZE_MAX if there is none.
static size_t blank_end(struct bytes line, size_t from, uint8_t mark)
{
	bool is_blank = true;
	for (size_t i = 0; i < line.len; i++) {
		is_blank &= is_space(line.at[i]);
		if (mark == '\r' ? line.at[i] != '\r' && line.at[i] != '\n' : line.at[i] != '\n')
			continue;
		if (mark == '\r' && !ends_line(line, i, mark) && line.at[i] == '\r')
			continue; // its LF is next
		if (is_blank && i >= from)
			return i + 1;
		is_blank = true;
	}
	return SIZE_MAX;
}

static bool describes_body(const struct mime_line *line)
{
	return mime_is_content_length(line->name) || mime_is_content_type(line->name);
}

// A start line that any reader ends where we do.
static bool is_start_line(struct bytes header, const struct mime_line *line)
{
	const uint8_t *end = memchr(line->octets.at, '\n', line->octets.len);
	return sip_recognise(header) &&
	       (!end || (size_t)(end - line->octets.at) + 1 == line->octets.len);
}

bool header_is_sound(struct bytes header, bool is_fragment)
{
	struct bytes rest = header;
	struct mime_line line;
	bool is_described = false, follows = false, is_first = true;
	while (mime_line_next(&rest, '\n', &line)) {
		if (line.is_empty)
			return true;
		if (stray_end(line.octets, 0, '\n') < line.octets.len ||
			blank_end(line.octets, 0, '\n') != SIZE_MAX)
			return false;
		if (!header_line_is_field(&line) &&
			!(is_first && is_fragment && is_start_line(header, &line)))
			return false;
		follows |= is_described;
		is_described |= describes_body(&line);
		is_first = false;
	}
	return !follows;
}

struct header_judge header_judge_of(const struct sip_message *message, uint8_t mark)
{
	struct header_judge judge = {.message = message, .mark = mark};
	struct bytes rest = message->header_block;
	struct mime_line line;
	if (message->defects & SIP_DEFECT_NO_END_OF_HEADERS)
		while (mime_line_next(&rest, mark, &line))
			if (describes_body(&line))
				judge.described_end = line.octets.at + line.octets.len;
	return judge;
}

// Which field the parser took the line for.
static enum sip_header_name parsed_name(
	const struct sip_message *message, const struct mime_line *line)
{
	for (size_t i = 0; i < message->header_count; i++) {
		const struct sip_header *field = &message->headers[i];
		if (field->name_text.at == line->name.at)
			return field->name;
	}
	return SIP_HEADER_OTHER;
}

static bool is_first_known(
	const struct sip_message *message, enum sip_header_name name, const struct mime_line *line)
{
	if (name == SIP_HEADER_OTHER)
		return false;
	return describes_body(line) || sip_header(message, name, 0)->name_text.at == line->name.at;
}

// From where in a field a stray line end counts: what sip_parse() reads past to find an identity, a number and a
// method stays in what is reported.
static size_t judged_from(enum sip_header_name name, const struct mime_line *line)
{
	if (name == SIP_HEADER_OTHER || name == SIP_CONTENT_TYPE || line->value.len == 0)
		return (size_t)(line->name.at - line->octets.at) + line->name.len;
	size_t from = (size_t)(line->value.at - line->octets.at);
	if (name != SIP_CSEQ)
		return from;
	while (from < line->octets.len && ascii_is_digit(line->octets.at[from]))
		from++;
	while (from < line->octets.len && is_space(line->octets.at[from]))
		from++;
	return from;
}

size_t header_judge_line(struct header_judge *judge, const struct mime_line *line)
{
	struct bytes octets = line->octets;
	if (line->is_empty)
		return octets.len;
	if (judge->described_end && octets.at >= judge->described_end)
		judge->may_be_over = true;
	if (!header_line_is_field(line)) {
		judge->may_be_over = true;
		return 0;
	}
	bool was_over = judge->may_be_over;
	enum sip_header_name name = parsed_name(judge->message, line);
	size_t from = judged_from(name, line);
	size_t stray = stray_end(octets, from, judge->mark);
	size_t blank = blank_end(octets, from, judge->mark);
	judge->may_be_over |= stray < octets.len || blank != SIZE_MAX;
	if (was_over && !is_first_known(judge->message, name, line))
		return 0;
	if (name == SIP_CONTENT_LENGTH && line->value.len) { // folded, as no number is
		const uint8_t *fold = memchr(line->value.at, judge->mark, line->value.len);
		if (fold)
			return (size_t)(fold - octets.at);
	}
	return stray < blank ? stray : blank;
}

bool header_judge_keeps_all(const struct sip_message *message, uint8_t mark)
{
	struct header_judge judge = header_judge_of(message, mark);
	struct bytes rest = message->header_block;
	struct mime_line line;
	while (mime_line_next(&rest, mark, &line))
		if (header_judge_line(&judge, &line) != line.octets.len)
			return false;
	return true;
}
