#include "uri_body.h"

// The octet at `*at`, percent-encoding undone; moves on behind it.
static uint8_t octet_next(struct bytes text, size_t *at)
{
	uint8_t c = text.at[(*at)++];
	size_t hex = *at;
	if (c != '%')
		return c;
	while (hex + 3 < text.len && text.at[hex] == '2' && text.at[hex + 1] == '5')
		hex += 2; // an encoded percent sign
	if (hex + 1 >= text.len)
		return c;
	int high = ascii_hex_value(text.at[hex]), low = ascii_hex_value(text.at[hex + 1]);
	if (high < 0 || low < 0)
		return c;
	*at = hex + 2;
	return (uint8_t)(high << 4 | low);
}

// Whether "body=" stands at `*at`, which then moves on to the value.
static bool name_is_body(struct bytes text, size_t *at)
{
	size_t i = *at;
	for (const char *name = "body="; *name; name++)
		if (i == text.len || ascii_lower(octet_next(text, &i)) != (uint8_t)*name)
			return false;
	*at = i;
	return true;
}

// Where the quoted string that begins at `at` ends; the length of `text` if it does not.
static size_t quote_end(struct bytes text, size_t at)
{
	for (size_t i = at + 1; i < text.len; i++) {
		if (text.at[i] == '"')
			return i;
		i += text.at[i] == '\\';
	}
	return text.len;
}

bool uri_body_blank(uint8_t *at, size_t len)
{
	struct bytes text = bytes_of(at, len);
	uint8_t closer = 0;    // what ends the <> or quotes that we are in
	size_t close_at = 0;   // of quotes
	bool may_quote = true; // else a quote is open to the end, and means nothing
	bool result = false;
	size_t i = 0;
	while (i < len) {
		uint8_t raw = at[i];
		if (closer ? (closer == '"' ? i == close_at : raw == closer) : raw == '<') {
			closer = closer ? 0 : '>';
		} else if (!closer && raw == '"' && may_quote) {
			close_at = quote_end(text, i);
			may_quote = close_at < len;
			closer = may_quote ? '"' : 0;
		}
		uint8_t c = octet_next(text, &i);
		if ((c != '?' && c != '&') || !name_is_body(text, &i))
			continue;
		// Outside of both a < begins what is no part of the value.
		while (i < len && at[i] != '&' &&
			(closer == '"' ? i != close_at : at[i] != (closer ? closer : '<'))) {
			if (at[i] != ' ' && at[i] != '\t' && at[i] != '\r' && at[i] != '\n') {
				at[i] = 'x';
				result = true;
			}
			i++;
		}
	}
	return result;
}
