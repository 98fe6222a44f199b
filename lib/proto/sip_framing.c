#include "sip_framing.h"

#include "sip.h"
#include "sip_start_line.h"
#include "sip_text.h"

// Octets in which a start line must end. In sync a longer one is waited for if it begins like one. Elsewhere lines are looked at in
// pieces of this size, so that what comes of them does not depend on how the stream is cut.
enum { MAX_LINE = 2048 };

static struct framing more_than(size_t octets, size_t seen)
{
	return (struct framing){.verdict = FRAMING_MORE, .octets = octets, .seen = seen};
}

static struct framing skip(size_t octets, enum framing_reason reason)
{
	return (struct framing){.verdict = FRAMING_SKIP, .reason = reason, .octets = octets};
}

static struct framing let_go(struct bytes front, enum framing_reason reason)
{
	return (struct framing){
		.verdict = FRAMING_LET_GO, .reason = reason, .octets = front.len};
}

// --- lines -------------------------------------------------------------------------------------------------------

static size_t keep_alive_len(struct bytes front)
{
	size_t len = 0;
	while (len < front.len &&
		(front.at[len] == '\r' || front.at[len] == '\n' || front.at[len] == 0))
		len++;
	return len;
}

// The line that `text` starts with, its line feed included; a part of it if that is not there, or not within MAX_LINE.
static struct bytes first_line(struct bytes text)
{
	struct bytes line = bytes_slice(text, 0, MAX_LINE);
	size_t lf = sip_find(line, '\n');
	return bytes_slice(line, 0, lf < line.len ? lf + 1 : lf);
}

static bool has_line_feed(struct bytes line)
{
	return line.len > 0 && line.at[line.len - 1] == '\n';
}

static bool is_unfinished(struct bytes line)
{
	return !has_line_feed(line) && line.len < MAX_LINE;
}

// Whether a start line is there as a whole and beyond doubt.
static bool is_start(struct bytes line)
{
	return has_line_feed(line) && sip_recognise(line);
}

// Goes from `line` of `text` to the next one that is more than keep-alives.
static bool line_next(struct bytes text, struct bytes *line)
{
	size_t at = (size_t)(line->at - text.at) + line->len;
	at += keep_alive_len(sip_from(text, at));
	*line = first_line(sip_from(text, at));
	return line->len > 0;
}

// Where the next start line behind the first line of `text` is, or a line of which more must come; else its end.
static size_t next_start(struct bytes text)
{
	struct bytes line = first_line(text);
	while (line_next(text, &line) && !is_unfinished(line) && !is_start(line))
		;
	return (size_t)(line.at - text.at);
}

// Where the last start line behind the first line of `text` is; 0 if there is none. The next one instead would do for
// honest senders, but a block of nothing but start lines would be looked at as often as it has lines.
static size_t last_start(struct bytes text)
{
	size_t last = 0;
	for (struct bytes line = first_line(text); line_next(text, &line);)
		if (is_start(line))
			last = (size_t)(line.at - text.at);
	return last;
}

// The length of the header block at the front, empty line included: 0 if its end is not there. The octets before `from` were
// looked at before.
static size_t header_block_len(struct bytes text, size_t from)
{
	while (from < text.len) {
		size_t lf = from + sip_find(sip_from(text, from), '\n');
		if (lf == text.len)
			return 0;
		size_t line = lf; // as sip_parse() has it, CRs before a line feed belong to it
		while (line > 0 && text.at[line - 1] == '\r')
			line--;
		if (line > 0 && text.at[line - 1] == '\n')
			return lf + 1;
		from = lf + 1;
	}
	return 0;
}

// --- what is no SIP ------------------------------------------------------------------------------------------------

// Whether a TLS record starts here (RFC 8446 section 5.1): its type and a version from SSL 3.0 on.
static bool is_tls(struct bytes front)
{
	return front.len >= 3 && front.at[0] >= 0x14 && front.at[0] <= 0x17 && front.at[1] == 3 &&
	       front.at[2] <= 4;
}

static bool begins_with_nocase(struct bytes text, const char *beginning)
{
	struct bytes prefix = bytes_of_text(beginning);
	return bytes_equal_nocase(bytes_slice(text, 0, prefix.len), prefix);
}

static bool is_http(struct bytes line)
{
	return begins_with_nocase(line, "GET ") || begins_with_nocase(line, "HTTP/");
}

// Whether this is one half of the handshake that opens a WebSocket (RFC 6455 section 1.3).
static bool is_websocket(struct bytes block)
{
	if (!is_http(block))
		return false;
	while (block.len) {
		block = sip_from(block, sip_find(block, '\n') + 1);
		struct bytes name = bytes_slice(block, 0, sip_token_len(block));
		struct bytes value = sip_trim(sip_from(block, name.len + 1));
		if (bytes_equal_nocase(name, bytes_of_text("Sec-WebSocket-Protocol")) ||
			(bytes_equal_nocase(name, bytes_of_text("Upgrade")) &&
				begins_with_nocase(value, "websocket")))
			return true;
	}
	return false;
}

// The front is the start of a stream, as far as one can tell.
static bool is_new(const struct framing_state *state)
{
	return state->in_sync && !state->has_begun;
}

// --- the first line ------------------------------------------------------------------------------------------------

enum beginning { BEGINNING_UNFINISHED, BEGINNING_FOREIGN, BEGINNING_MAY_START };

// Whether sip_parse() may find a start line in this line. It has the last word, when the header block is there.
static bool may_be_start(struct bytes line)
{
	struct sip_start_line start;
	for (size_t junk = 0; junk <= SIP_MAX_JUNK && junk < line.len; junk++)
		if (sip_start_line_read(sip_from(line, junk), &start))
			return true;
	return false;
}

static bool begins_like_start(struct bytes line)
{
	size_t word = sip_token_len(bytes_slice(line, 0, SIP_MAX_METHOD));
	return word > 0 && word < line.len && (sip_is_blank(line.at[word]) || line.at[word] == '/');
}

// Judged as soon as it is there, so that other protocols do not fill memory until an empty line comes.
static enum beginning beginning_judge(struct bytes front, const struct framing_state *state)
{
	struct bytes line = first_line(front);
	if (is_unfinished(line))
		return BEGINNING_UNFINISHED;
	bool may_start;
	if (!state->in_sync)
		may_start = is_start(line);
	else if (has_line_feed(line))
		may_start = may_be_start(line) || (is_new(state) && is_http(line));
	else
		may_start = begins_like_start(line);
	return may_start ? BEGINNING_MAY_START : BEGINNING_FOREIGN;
}

// --- messages ------------------------------------------------------------------------------------------------------

static struct framing no_message(struct bytes front, struct bytes block)
{
	if (is_websocket(block)) // only in a new stream HTTP comes so far
		return let_go(front, FRAMING_WEBSOCKET);
	size_t start = last_start(block);
	return skip(start ? start : block.len, FRAMING_RESYNC);
}

static struct framing header_block_judge(
	struct bytes front, struct bytes block, const struct framing_state *state)
{
	// Out of sync what looks like a start line may be part of a body that runs into the next message.
	size_t start = state->in_sync ? 0 : last_start(block);
	if (start)
		return skip(start, FRAMING_RESYNC);

	struct sip_message message;
	if (sip_parse(block, &message) != PARSE_OK)
		return no_message(front, block);
	// A defective start line would not be found again out of sync: there the junk stays for sip_parse() to skip.
	size_t junk = (size_t)(message.octets.at - front.at);
	if (junk && sip_recognise(sip_from(block, junk)))
		return skip(junk, FRAMING_RESYNC);

	struct bytes headers = message.header_block;
	size_t len = (size_t)(headers.at + headers.len - front.at);
	// Where lines end in lone CRs the empty line may be none for sip_parse(): more octets would be header fields to it.
	bool has_body = message.has_content_length &&
	                !(message.defects & SIP_DEFECT_NO_END_OF_HEADERS);
	size_t whole = len + (has_body ? message.content_length : 0);
	if (whole > state->max_message)
		return (struct framing){
			.verdict = FRAMING_TOO_LONG, .octets = len, .whole = whole};
	// The next call finds the end of the block at the first octet that it looks at.
	if (whole > front.len)
		return more_than(whole - 1, block.len - 1);
	return (struct framing){.verdict = FRAMING_MESSAGE, .octets = whole};
}

// What can be said before the first line is known to be a start line: true if it is `out`.
static bool front_judge(
	struct bytes front, const struct framing_state *state, struct framing *out)
{
	size_t keep_alive = keep_alive_len(front);
	if (keep_alive) {
		*out = skip(keep_alive, state->in_sync ? FRAMING_KEEPALIVE : FRAMING_RESYNC);
		return true;
	}
	if (is_new(state) && is_tls(front)) {
		*out = let_go(front, FRAMING_TLS);
		return true;
	}
	switch (beginning_judge(front, state)) {
	case BEGINNING_UNFINISHED:
		*out = more_than(front.len, 0);
		return true;
	case BEGINNING_FOREIGN:
		*out = skip(next_start(front), FRAMING_RESYNC);
		return true;
	case BEGINNING_MAY_START:
		break;
	}
	return false;
}

struct framing sip_framing(struct bytes front, const struct framing_state *state)
{
	struct framing out;
	if (state->seen == 0 && front_judge(front, state, &out))
		return out;
	struct bytes within_limit = bytes_slice(front, 0, state->max_message);
	size_t block = header_block_len(within_limit, state->seen);
	if (block)
		return header_block_judge(front, bytes_slice(front, 0, block), state);
	if (front.len < state->max_message)
		return more_than(front.len, front.len);
	size_t start = last_start(within_limit);
	return skip(start ? start : next_start(within_limit), FRAMING_RESYNC);
}

// The whole lines at the front, without a field whose last line is known to be missing.
static size_t whole_lines_len(struct bytes front)
{
	size_t at = front.len;
	bool goes_on;
	do {
		while (at > 0 && front.at[at - 1] != '\n')
			at--;
		goes_on = at > 0 && at < front.len && sip_is_blank(front.at[at]);
		if (goes_on)
			at--;
	} while (goes_on);
	return at;
}

struct bytes sip_framing_rest(struct bytes front)
{
	static const struct bytes nothing = {NULL, 0};
	struct sip_start_line start;
	// With lone CRs as line ends a line feed would not end one.
	if (!sip_start_line_read(front, &start) || start.line_mark != '\n')
		return nothing;
	size_t block = header_block_len(front, 0);
	struct bytes lines = bytes_slice(front, 0, block ? block : whole_lines_len(front));
	struct sip_message message;
	if (lines.len <= start.len || sip_parse(lines, &message) != PARSE_OK)
		return nothing;
	return lines;
}
