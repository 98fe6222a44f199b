#include "mf_text.h"

#include "utf8.h"

bool mf_text_is_utf8(struct bytes text)
{
	while (text.len > 0) {
		size_t len = utf8_len(text);
		if (len == 0)
			return false;
		text = bytes_slice(text, len, SIZE_MAX);
	}
	return true;
}

// The value of header `name`, or of its compact form `letter`, without folding: the first that stands before the body.
static bool header_value(
	struct bytes message, const char *name, uint8_t letter, struct bytes *value)
{
	for (struct bytes rest = message; rest.len > 0;) {
		struct bytes line = mf_text_line(&rest);
		if (line.len == 0)
			return false;
		size_t name_len = 0;
		while (name_len < line.len && line.at[name_len] != ':')
			name_len++;
		struct bytes found = bytes_slice(line, 0, name_len);
		while (found.len > 0 &&
			(found.at[found.len - 1] == ' ' || found.at[found.len - 1] == '\t'))
			found.len--;
		bool is_short = found.len == 1 && ascii_lower(found.at[0]) == letter;
		if (name_len == line.len ||
			(!is_short && !bytes_equal_nocase(found, bytes_of_text(name))))
			continue;
		*value = bytes_slice(line, name_len + 1, SIZE_MAX);
		// A value folded right behind the colon goes on in the next line.
		bool is_blank = true;
		for (size_t i = 0; i < value->len; i++)
			is_blank = is_blank && (value->at[i] == ' ' || value->at[i] == '\t');
		if (is_blank)
			*value = mf_text_line(&rest);
		return true;
	}
	return false;
}

// The URI between < and >, where quoted text does not count, or what stands before parameters.
static struct bytes uri_of(struct bytes value)
{
	bool is_quoted = false;
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.at[i];
		if (c == '\\' && is_quoted)
			i++;
		else if (c == '"')
			is_quoted = !is_quoted;
		else if (c == '<' && !is_quoted) {
			struct bytes inside = bytes_slice(value, i + 1, SIZE_MAX);
			size_t len = 0;
			while (len < inside.len && inside.at[len] != '>')
				len++;
			return bytes_slice(inside, 0, len);
		}
	}
	size_t from = 0;
	while (from < value.len && (value.at[from] == ' ' || value.at[from] == '\t'))
		from++;
	size_t to = from;
	while (to < value.len && value.at[to] != ';' && value.at[to] != ' ' && value.at[to] != '\t')
		to++;
	return bytes_slice(value, from, to - from);
}

struct bytes mf_text_line(struct bytes *rest)
{
	size_t len = 0;
	while (len < rest->len && rest->at[len] != '\n')
		len++;
	struct bytes line = bytes_slice(*rest, 0, len);
	*rest = bytes_slice(*rest, len + 1, SIZE_MAX);
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

struct mf_sip_lines mf_sip_lines(struct bytes message)
{
	struct mf_sip_lines lines = {0};
	struct bytes rest = message, value;
	lines.start = mf_text_line(&rest);
	if (header_value(rest, "From", 'f', &value))
		lines.from = uri_of(value);
	if (header_value(rest, "To", 't', &value))
		lines.to = uri_of(value);
	return lines;
}
