#include "sip_uri.h"

#include "address.h"
#include "sip_text.h"

static bool is_letter(uint8_t c)
{
	c = ascii_lower(c);
	return c >= 'a' && c <= 'z';
}

static enum sip_scheme scheme_of(struct bytes name)
{
	if (bytes_equal_nocase(name, bytes_of_text("sip")))
		return SIP_SCHEME_SIP;
	if (bytes_equal_nocase(name, bytes_of_text("tel")))
		return SIP_SCHEME_TEL;
	if (bytes_equal_nocase(name, bytes_of_text("sips")))
		return SIP_SCHEME_SIPS;
	return SIP_SCHEME_OTHER;
}

size_t sip_uri_scheme(struct bytes text, enum sip_scheme *scheme)
{
	if (text.len == 0 || !is_letter(text.at[0]))
		return 0;
	size_t len = 1;
	while (len < text.len &&
		(is_letter(text.at[len]) || ascii_is_digit(text.at[len]) || text.at[len] == '+' ||
			text.at[len] == '-' || text.at[len] == '.'))
		len++;
	if (len == text.len || text.at[len] != ':')
		return 0;
	*scheme = scheme_of(bytes_slice(text, 0, len));
	return len + 1;
}

// Digits of any kind, what separates them, and escapes (# must be one): a telephone-subscriber of RFC 3966.
static bool is_number(struct bytes text)
{
	bool has_digit = false;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];
		has_digit |= ascii_is_digit(c);
		if (ascii_hex_value(c) < 0 && !memchr("+-.()*#%", c, 8))
			return false;
	}
	return has_digit;
}

static void userinfo_split(struct bytes userinfo, struct sip_uri *out)
{
	size_t colon = sip_find(userinfo, ':');
	struct bytes user = sip_trim(bytes_slice(userinfo, 0, colon));
	out->password = sip_from(userinfo, colon + 1);

	size_t semicolon = sip_find(user, ';');
	if (semicolon < user.len && !is_number(bytes_slice(user, 0, semicolon)))
		semicolon = user.len;
	out->user = bytes_slice(user, 0, semicolon);
	out->user_parameters = sip_from(user, semicolon);
}

static void port_read(struct bytes text, struct sip_uri *out)
{
	uint32_t port;
	size_t digits = sip_number_read(text, &port);
	out->has_port = digits > 0 && digits == text.len && port <= UINT16_MAX;
	out->port = out->has_port ? (uint16_t)port : 0;
}

static bool reference_split(struct bytes hostport, struct sip_uri *out)
{
	size_t end = sip_find(hostport, ']');
	if (end == hostport.len)
		return false;
	out->host = bytes_slice(hostport, 1, end - 1);
	out->host_is_ipv6 = true;
	struct bytes after = sip_trim(sip_from(hostport, end + 1));
	if (after.len && after.at[0] == ':')
		port_read(sip_from(after, 1), out);
	return true;
}

static bool is_ipv6(struct bytes text)
{
	struct address address;
	return text.len < ADDRESS_TEXT && address_parse(text, &address) && address.family == 6;
}

// An IPv6 address whose brackets were forgotten: all of it, or all but a port after the last colon.
static bool bare_ipv6_split(struct bytes hostport, struct sip_uri *out)
{
	if (hostport.len > ADDRESS_TEXT + 6) // and ":65535"
		return false;
	size_t last_colon = hostport.len;
	while (last_colon > 0 && hostport.at[last_colon - 1] != ':')
		last_colon--;
	struct bytes host = hostport;
	if (!is_ipv6(host)) {
		host = bytes_slice(hostport, 0, last_colon - 1);
		if (!is_ipv6(host))
			return false;
		port_read(sip_from(hostport, last_colon), out);
	}
	out->host = host;
	out->host_is_ipv6 = true;
	return true;
}

static bool hostport_split(struct bytes hostport, struct sip_uri *out)
{
	if (hostport.len && hostport.at[0] == '[')
		return reference_split(hostport, out);

	size_t colon = sip_find(hostport, ':');
	struct bytes after = sip_from(hostport, colon + 1);
	if (sip_find(after, ':') < after.len && bare_ipv6_split(hostport, out))
		return true;
	out->host = sip_trim(bytes_slice(hostport, 0, colon));
	port_read(after, out);
	return true;
}

static enum parse_result sip_split(struct bytes rest, struct sip_uri *out)
{
	// ';' and '?' may stand in the user part: the '@' comes first.
	size_t at = sip_find(rest, '@');
	if (at < rest.len) {
		userinfo_split(bytes_slice(rest, 0, at), out);
		rest = sip_from(rest, at + 1);
	}

	size_t question = sip_find(rest, '?');
	out->headers = sip_from(rest, question + 1);
	rest = bytes_slice(rest, 0, question);

	size_t semicolon = sip_find(rest, ';');
	out->parameters = sip_from(rest, semicolon);
	bool ok = hostport_split(sip_trim(bytes_slice(rest, 0, semicolon)), out);
	return ok ? PARSE_OK : PARSE_MALFORMED;
}

// sip://alice@example.com is the habit of those who think of http.
static struct bytes without_slashes(struct bytes rest)
{
	return rest.len > 2 && rest.at[0] == '/' && rest.at[1] == '/' ? sip_from(rest, 2) : rest;
}

static void tel_split(struct bytes rest, struct sip_uri *out)
{
	size_t semicolon = sip_find(rest, ';');
	out->user = bytes_slice(rest, 0, semicolon);
	out->parameters = sip_from(rest, semicolon);
	out->user_parameters = out->parameters;
}

enum parse_result sip_uri_parse(struct bytes text, struct sip_uri *out)
{
	struct sip_uri found = {.scheme = SIP_SCHEME_OTHER};
	text = sip_trim(text);
	size_t scheme_len = sip_uri_scheme(text, &found.scheme);
	struct bytes rest = sip_from(text, scheme_len);
	if (scheme_len == 0 || rest.len == 0)
		return PARSE_MALFORMED;

	enum parse_result result = PARSE_OK;
	if (found.scheme == SIP_SCHEME_TEL)
		tel_split(without_slashes(rest), &found);
	else if (found.scheme != SIP_SCHEME_OTHER)
		result = sip_split(without_slashes(rest), &found);
	if (result == PARSE_OK)
		*out = found;
	return result;
}

size_t sip_uri_unescape(struct bytes from, uint8_t *to, size_t cap)
{
	size_t len = 0;
	for (size_t i = 0; i < from.len; i++) {
		uint8_t c = from.at[i];
		if (c == '%' && from.len - i > 2) {
			int high = ascii_hex_value(from.at[i + 1]);
			int low = ascii_hex_value(from.at[i + 2]);
			if (high >= 0 && low >= 0) {
				c = (uint8_t)(high << 4 | low);
				i += 2;
			}
		}
		if (len == cap)
			return SIZE_MAX;
		to[len++] = c;
	}
	return len;
}
