#include "sip_start_line.h"

#include "sip_names.h"
#include "sip_text.h"

// The line ends at its first CR or LF. What ends it ends all lines of the message: were a lone CR an end in a message with
// line feeds, "Subject: a<CR><CR>From: ..." would hide the From that others read.
static void line_find(struct bytes text, struct sip_start_line *out)
{
	size_t lf = sip_find(text, '\n');
	struct bytes before_lf = bytes_slice(text, 0, lf);
	size_t cr = sip_find(before_lf, '\r');
	size_t after_crs = cr;
	while (after_crs < lf && text.at[after_crs] == '\r')
		after_crs++; // CR CR LF is one end

	bool ends_in_lf = after_crs == lf && lf < text.len;
	out->line_mark = ends_in_lf || cr == lf ? '\n' : '\r';
	out->line = bytes_slice(text, 0, cr);
	out->len = ends_in_lf ? lf + 1 : cr < lf ? cr + 1 : text.len;
}

// "SIP/2.0" without case; every other version is one as well, if not ours.
static bool version_read(struct bytes word, bool *is_version_2)
{
	*is_version_2 = bytes_equal_nocase(word, bytes_of_text("SIP/2.0"));
	return word.len > 4 && bytes_equal_nocase(bytes_slice(word, 0, 4), bytes_of_text("SIP/"));
}

static size_t word_len(struct bytes text)
{
	size_t len = 0;
	while (len < text.len && !sip_is_blank(text.at[len]))
		len++;
	return len;
}

static size_t last_word_start(struct bytes text)
{
	size_t start = text.len;
	while (start > 0 && !sip_is_blank(text.at[start - 1]))
		start--;
	return start;
}

static bool status_line_read(struct sip_start_line *out)
{
	struct bytes line = out->line;
	size_t version_len = word_len(line);
	if (!version_read(bytes_slice(line, 0, version_len), &out->is_version_2))
		return false;

	struct bytes rest = sip_trim(sip_from(line, version_len));
	uint32_t status;
	size_t digits = sip_number_read(rest, &status);
	if (digits == 0)
		return false;

	out->is_response = true;
	out->status = (uint16_t)(status < UINT16_MAX ? status : UINT16_MAX);
	// Three digits between blanks leave room for one blank before them.
	out->is_exact = out->is_version_2 && digits == 3 && status >= 100 && status < 700 &&
	                line.len > version_len + 4 && line.at[version_len] == ' ' &&
	                line.at[version_len + 4] == ' ';
	return true;
}

static void uri_take(struct bytes uri, struct sip_start_line *out)
{
	if (uri.len > 2 && uri.at[0] == '<' && uri.at[uri.len - 1] == '>') {
		uri = sip_trim(bytes_slice(uri, 1, uri.len - 2));
		out->is_exact = false;
	}
	out->uri = uri;
	out->uri_is_absolute = sip_uri_scheme(uri, &out->scheme) > 0;
	out->is_exact &= out->uri_is_absolute && word_len(uri) == uri.len;
}

static bool is_subscriber_scheme(const struct sip_start_line *line)
{
	return line->uri_is_absolute && line->scheme != SIP_SCHEME_OTHER;
}

static bool request_line_read(size_t method_len, struct sip_start_line *out)
{
	struct bytes line = out->line;
	out->method = bytes_slice(line, 0, method_len);
	out->known_method = sip_method_find(out->method);

	struct bytes rest = sip_trim(sip_from(line, method_len));
	size_t version_at = last_word_start(rest);
	struct bytes uri = sip_trim(bytes_slice(rest, 0, version_at));
	if (version_read(sip_from(rest, version_at), &out->is_version_2)) {
		out->is_exact = out->is_version_2 && line.len == method_len + uri.len + 9 &&
		                line.at[method_len] == ' ' && line.at[line.len - 8] == ' ';
		uri_take(uri, out);
		return true;
	}

	// A line cut short could show a part of somebody else's URI: without a version it must have an end.
	uri_take(bytes_slice(rest, 0, word_len(rest)), out);
	out->is_exact = false;
	return out->known_method != SIP_METHOD_OTHER && is_subscriber_scheme(out) &&
	       out->len > line.len;
}

bool sip_start_line_read(struct bytes text, struct sip_start_line *out)
{
	// The first word decides for nearly all that is not SIP.
	size_t word = sip_token_len(bytes_slice(text, 0, SIP_MAX_METHOD));
	if (word == 0 || word == text.len)
		return false;
	*out = (struct sip_start_line){0};
	if (text.at[word] == '/') {
		if (!bytes_equal_nocase(bytes_slice(text, 0, word), bytes_of_text("SIP")))
			return false;
		line_find(text, out);
		return status_line_read(out);
	}
	if (!sip_is_blank(text.at[word]))
		return false;
	line_find(text, out);
	return request_line_read(word, out);
}

bool sip_recognise(struct bytes payload)
{
	if (!sip_may_start(payload.at, payload.len))
		return false;
	size_t start = 0;
	while (start < payload.len && (payload.at[start] == '\r' || payload.at[start] == '\n'))
		start++;

	struct sip_start_line line;
	if (!sip_start_line_read(sip_from(payload, start), &line) || !line.is_version_2)
		return false;
	if (line.is_response)
		return line.status >= 100 && line.status < 700;
	return is_subscriber_scheme(&line) ||
	       (line.known_method != SIP_METHOD_OTHER && line.uri_is_absolute);
}
