// Inside header field values: lists, name-addr, parameters. Every octet is looked at once in a walk over a value,
// whatever the sender left open: an open quote or < runs to the end.
#include "sip.h"
#include "sip_text.h"
#include "sip_uri.h"

// The octet after the quoted string that begins at `start`; false if it is not closed.
static bool quoted_end(struct bytes text, size_t start, size_t *end)
{
	for (size_t i = start + 1; i < text.len; i++) {
		if (text.at[i] == '"') {
			*end = i + 1;
			return true;
		}
		if (text.at[i] == '\\')
			i++;
	}
	*end = text.len;
	return false;
}

// Where `separator` is for the first time outside quoted strings and, if so wished, outside <>; else the length.
// `open` becomes true when a quote is not closed.
static size_t separator_seek(struct bytes text, uint8_t separator, bool skip_brackets, bool *open)
{
	size_t i = 0;
	while (i < text.len) {
		uint8_t c = text.at[i];
		if (c == separator)
			return i;
		if (c == '"')
			*open |= !quoted_end(text, i, &i);
		else if (c == '<' && skip_brackets)
			i += sip_find(sip_from(text, i), '>');
		else
			i++;
	}
	return text.len;
}

static size_t separator_find(struct bytes text, uint8_t separator, bool skip_brackets)
{
	bool open = false;
	return separator_seek(text, separator, skip_brackets, &open);
}

// The end of the first value of a text with an open quote, as in "Mr. X <sip:x@example.com>, <sip:y@example.com>: the comma
// behind the first <...> that follows a quote, if no quote is open from there on (so a field is split like this once).
// Else the length.
static size_t open_value_end(struct bytes text)
{
	size_t i = sip_find(text, '"');
	i += sip_find(sip_from(text, i), '<');
	i += sip_find(sip_from(text, i), '>') + 1;
	while (i < text.len && sip_is_space(text.at[i]))
		i++;
	if (i >= text.len || text.at[i] != ',')
		return text.len;
	bool open = false;
	struct bytes rest = sip_from(text, i + 1);
	while (rest.len)
		rest = sip_from(rest, separator_seek(rest, ',', true, &open) + 1);
	return open ? text.len : i;
}

bool sip_value_next(struct bytes *rest, struct bytes *value)
{
	while (rest->len) {
		bool open = false;
		size_t end = separator_seek(*rest, ',', true, &open);
		if (open)
			end = open_value_end(*rest);
		struct bytes found = sip_trim(bytes_slice(*rest, 0, end));
		*rest = sip_from(*rest, end + 1);
		if (found.len) {
			*value = found;
			return true;
		}
	}
	return false;
}

// What a quoted string holds; text without quotes is itself.
static struct bytes unquoted(struct bytes text)
{
	if (text.len == 0 || text.at[0] != '"')
		return text;
	size_t end;
	return quoted_end(text, 0, &end) ? bytes_slice(text, 1, end - 2) : sip_from(text, 1);
}

// The < of a name-addr. With an open quote, as in "Mr. User <sip:user@example.com>, the first there is.
static size_t bracket_find(struct bytes value)
{
	bool open = false;
	size_t at = separator_seek(value, '<', false, &open);
	return open ? sip_find(value, '<') : at;
}

static void addr_spec_split(struct bytes value, struct sip_name_addr *out)
{
	size_t parameters = sip_find(value, ';');
	size_t headers = sip_find(value, '?');
	out->display = bytes_slice(value, 0, 0);
	out->uri = sip_trim(bytes_slice(value, 0, headers < parameters ? headers : parameters));
	if (out->uri.len && out->uri.at[out->uri.len - 1] == '>') // the < was forgotten
		out->uri = sip_trim(bytes_slice(out->uri, 0, out->uri.len - 1));
	out->parameters = sip_from(value, parameters);
}

static void name_addr_split(struct bytes value, size_t bracket, struct sip_name_addr *out)
{
	struct bytes inside = sip_from(value, bracket + 1);
	size_t end = sip_find(inside, '>');
	if (end == inside.len) { // not closed: what cannot be read as parameter is the URI
		addr_spec_split(sip_trim(inside), out);
	} else {
		struct bytes after = sip_from(inside, end);
		out->uri = sip_trim(bytes_slice(inside, 0, end));
		out->parameters = sip_from(after, sip_find(after, ';'));
	}
	out->display = unquoted(sip_trim(bytes_slice(value, 0, bracket)));
}

// --- what is neither name-addr nor addr-spec -------------------------------------------------------------------

static bool has_scheme(struct bytes uri)
{
	enum sip_scheme scheme;
	return sip_uri_scheme(uri, &scheme) > 0;
}

static bool begins_party_uri(struct bytes text)
{
	enum sip_scheme scheme;
	size_t len = text.len && memchr("sStT", text.at[0], 4)
	                     ? sip_uri_scheme(bytes_slice(text, 0, sizeof "sips:" - 1), &scheme)
	                     : 0;
	return len > 0 && scheme != SIP_SCHEME_OTHER;
}

// The first sip:, sips: or tel: that begins a word outside quoted strings and before `stop`; else the length.
static size_t party_uri_find(struct bytes text, uint8_t stop)
{
	bool begins = true, open = false;
	size_t i = 0;
	while (i < text.len && text.at[i] != stop) {
		uint8_t c = text.at[i];
		if (begins && begins_party_uri(sip_from(text, i)))
			return i;
		begins = sip_is_space(c) || c == '<' || c == '"';
		size_t end;
		if (c == '"' && !open && !(open = !quoted_end(text, i, &end)))
			i = end;
		else
			i++;
	}
	return text.len;
}

static struct bytes party_uri_cut(struct bytes text, uint8_t stop)
{
	size_t len = 0;
	while (len < text.len && text.at[len] != stop && !sip_is_space(text.at[len]) &&
		!memchr("<>,\"", text.at[len], 4))
		len++;
	return bytes_slice(text, 0, len);
}

// Between <> all but blanks and brackets belongs to the URI, as in A < B <sip:b@example.com;lr>.
static void odd_name_addr_split(struct sip_name_addr *out)
{
	size_t at = party_uri_find(out->uri, '>');
	if (at < out->uri.len)
		out->uri = party_uri_cut(sip_from(out->uri, at), '>');
}

// A display name without <>, as in "Alice" sip:alice@example.com;tag=1. A display name that is nothing but a quoted
// name-addr is the last to be believed.
static void odd_addr_spec_split(struct bytes value, struct sip_name_addr *out)
{
	size_t at = party_uri_find(value, ';');
	if (at < value.len) {
		addr_spec_split(sip_from(value, at), out);
		out->uri = party_uri_cut(out->uri, ';');
		out->display = unquoted(sip_trim(bytes_slice(value, 0, at)));
		return;
	}
	struct sip_name_addr inside;
	size_t bracket = sip_find(value, '<');
	if (bracket == value.len)
		return;
	name_addr_split(value, bracket, &inside);
	if (has_scheme(inside.uri))
		*out = inside;
}

bool sip_name_addr_parse(struct bytes value, struct sip_name_addr *out)
{
	struct sip_name_addr found;
	value = sip_trim(value);
	size_t bracket = bracket_find(value);
	// A bracket behind the parameters of an addr-spec is theirs only when quoted, and then it was not found.
	if (bracket < value.len)
		name_addr_split(value, bracket, &found);
	else
		addr_spec_split(value, &found);
	if (!has_scheme(found.uri)) {
		if (bracket < value.len)
			odd_name_addr_split(&found);
		else
			odd_addr_spec_split(value, &found);
	}
	if (found.uri.len == 0)
		return false;
	*out = found;
	return true;
}

// The value of `name` among name=value pairs between separators.
static bool pair_find(struct bytes rest, uint8_t separator, const char *name, struct bytes *value)
{
	struct bytes wanted = bytes_of_text(name);
	while (rest.len) {
		size_t end = separator_find(rest, separator, false);
		struct bytes pair = bytes_slice(rest, 0, end);
		size_t equals = sip_find(pair, '=');
		if (bytes_equal_nocase(sip_trim(bytes_slice(pair, 0, equals)), wanted)) {
			*value = unquoted(sip_trim(sip_from(pair, equals + 1)));
			return true;
		}
		rest = sip_from(rest, end + 1);
	}
	return false;
}

bool sip_parameter(struct bytes parameters, const char *name, struct bytes *value)
{
	return pair_find(parameters, ';', name, value);
}

bool sip_auth_parameter(struct bytes value, const char *name, struct bytes *out)
{
	struct bytes text = sip_trim(value);
	return pair_find(sip_from(text, sip_token_len(text)), ',', name, out);
}
