// Inside header field values: lists, name-addr, parameters. Every octet is looked at once in a walk over a value,
// whatever the sender left open: an open quote or < runs to the end.
#include "sip.h"
#include "sip_text.h"

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
static size_t separator_find(struct bytes text, uint8_t separator, bool skip_brackets)
{
	size_t i = 0;
	while (i < text.len) {
		uint8_t c = text.at[i];
		if (c == separator)
			return i;
		if (c == '"')
			quoted_end(text, i, &i);
		else if (c == '<' && skip_brackets)
			i += sip_find(sip_from(text, i), '>');
		else
			i++;
	}
	return text.len;
}

bool sip_value_next(struct bytes *rest, struct bytes *value)
{
	while (rest->len) {
		size_t end = separator_find(*rest, ',', true);
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
	size_t at = separator_find(value, '<', false);
	return at < value.len ? at : sip_find(value, '<');
}

static void addr_spec_split(struct bytes value, struct sip_name_addr *out)
{
	size_t parameters = sip_find(value, ';');
	size_t headers = sip_find(value, '?');
	out->display = bytes_slice(value, 0, 0);
	out->uri = sip_trim(bytes_slice(value, 0, headers < parameters ? headers : parameters));
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
