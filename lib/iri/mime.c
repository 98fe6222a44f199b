#include "mime.h"

#include "sip.h"

static struct bytes from(struct bytes text, size_t at)
{
	return bytes_slice(text, at, SIZE_MAX);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_space(uint8_t c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

static struct bytes trimmed(struct bytes text)
{
	while (text.len && is_space(text.at[0]))
		text = from(text, 1);
	while (text.len && is_space(text.at[text.len - 1]))
		text.len--;
	return text;
}

// Octets up to the first `c`, or all.
static size_t find(struct bytes text, uint8_t c)
{
	const uint8_t *at = text.len ? memchr(text.at, c, text.len) : NULL;
	return at ? (size_t)(at - text.at) : text.len;
}

// The length of the first line, with its end.
static size_t line_len(struct bytes text, uint8_t mark)
{
	size_t len = find(text, mark);
	if (len == text.len)
		return len;
	len++;
	return mark == '\r' && len < text.len && text.at[len] == '\n' ? len + 1 : len;
}

// As sip_parse() reads it, so that both see the same fields (tests/fuzz/fuzz_sip_events.c compares): white space before the name only where the line begins with
// a blank, and only blanks behind it.
static struct bytes name_of(struct bytes text)
{
	if (text.len && is_blank(text.at[0]))
		text = trimmed(text);
	while (text.len && is_blank(text.at[text.len - 1]))
		text.len--;
	return text;
}

bool mime_line_next(struct bytes *rest, uint8_t mark, struct mime_line *out)
{
	if (rest->len == 0)
		return false;
	size_t len = line_len(*rest, mark);
	struct bytes first = bytes_slice(*rest, 0, len);
	*out = (struct mime_line){.octets = first};
	size_t end = find(first, mark);
	while (mark == '\n' && end < first.len && end > 0 && first.at[end - 1] == '\r')
		end--; // CR LF, and CR CR LF, are one end
	out->is_empty = end == 0;
	if (!out->is_empty)
		while (len < rest->len && is_blank(rest->at[len]))
			len += line_len(from(*rest, len), mark);
	out->octets = bytes_slice(*rest, 0, len);
	*rest = from(*rest, len);

	size_t colon = find(out->octets, ':');
	if (colon < out->octets.len) {
		out->name = name_of(bytes_slice(out->octets, 0, colon));
		out->value = trimmed(from(out->octets, colon + 1));
	}
	return true;
}

static bool is_name(struct bytes name, const char *full, const char *compact)
{
	return bytes_equal_nocase(name, bytes_of_text(full)) ||
	       (compact && bytes_equal_nocase(name, bytes_of_text(compact)));
}

bool mime_is_content_length(struct bytes name)
{
	return is_name(name, "content-length", "l");
}

bool mime_is_content_type(struct bytes name)
{
	return is_name(name, "content-type", "c");
}

static bool is_one_of(struct bytes value, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal_nocase(value, bytes_of_text(words[i])))
			return true;
	return false;
}

struct mime_header mime_header_read(struct bytes header, uint8_t mark)
{
	static const char *const plain[] = {"7bit", "8bit", "binary"};
	static const char *const identity[] = {"identity"};
	struct mime_header out = {.has_type = false};
	struct mime_line line;
	struct bytes value = {NULL, 0}; // of the first Content-Type
	bool agree = true;
	while (mime_line_next(&header, mark, &line)) {
		if (mime_is_content_type(line.name)) {
			if (!value.at)
				value = line.value;
			agree &= bytes_equal(value, line.value);
		} else if (is_name(line.name, "content-encoding", "e")) {
			out.is_encoded |= !is_one_of(line.value, identity, 1);
		} else if (is_name(line.name, "content-transfer-encoding", NULL)) {
			out.is_transfer_encoded |= !is_one_of(line.value, plain, 3);
		}
	}
	size_t end = find(value, ';');
	out.type = trimmed(bytes_slice(value, 0, end));
	out.parameters = from(value, end);
	out.has_type = agree && find(out.type, '/') < out.type.len;
	return out;
}

bool mime_split(struct bytes entity, struct bytes *header, struct bytes *body)
{
	struct bytes rest = entity;
	struct mime_line line;
	while (mime_line_next(&rest, '\n', &line)) {
		if (!line.is_empty)
			continue;
		*header = bytes_slice(entity, 0, entity.len - rest.len);
		*body = rest;
		return true;
	}
	return false;
}

enum delimiter { NO_DELIMITER, UNCLEAR_DELIMITER, DELIMITER, CLOSE_DELIMITER };

static enum delimiter delimiter_of(struct bytes line, struct bytes boundary)
{
	if (line.len < 2 + boundary.len || line.at[0] != '-' || line.at[1] != '-' ||
		!bytes_equal(bytes_slice(line, 2, boundary.len), boundary))
		return NO_DELIMITER;
	struct bytes tail = trimmed(from(line, 2 + boundary.len));
	if (tail.len == 0)
		return DELIMITER;
	return bytes_equal(tail, bytes_of_text("--")) ? CLOSE_DELIMITER : UNCLEAR_DELIMITER;
}

static size_t line_end_len(struct bytes text)
{
	if (text.len == 0 || text.at[text.len - 1] != '\n')
		return 0;
	return text.len > 1 && text.at[text.len - 2] == '\r' ? 2 : 1;
}

bool mime_part_next(struct bytes *rest, struct bytes boundary, struct mime_part *part)
{
	bool is_first = part->delimiter.at == NULL && part->entity.at == NULL;
	if (part->is_epilogue || (!is_first && rest->len == 0))
		return false;
	*part = (struct mime_part){.delimiter = bytes_slice(*rest, 0, 0)};
	if (!is_first) {
		part->delimiter = bytes_slice(*rest, 0, line_len(*rest, '\n'));
		*rest = from(*rest, part->delimiter.len);
		part->is_epilogue = delimiter_of(part->delimiter, boundary) == CLOSE_DELIMITER;
	}
	size_t len = 0;
	while (len < rest->len) {
		struct bytes line = from(*rest, len);
		line.len = line_len(line, '\n');
		enum delimiter delimiter = delimiter_of(line, boundary);
		if (!part->is_epilogue && delimiter >= DELIMITER)
			break;
		part->is_unclear |= delimiter == UNCLEAR_DELIMITER;
		len += line.len;
	}
	struct bytes whole = bytes_slice(*rest, 0, len);
	*rest = from(*rest, len);
	// Where a delimiter follows, the line end before it is its own.
	size_t end = rest->len ? line_end_len(whole) : 0;
	part->entity = bytes_slice(whole, 0, len - end);
	part->line_end = from(whole, len - end);
	return true;
}
