// The lexical ground of SIP (RFC 3261 section 25.1), shared by the files of lib/proto and by nobody else.
#ifndef X2TAP_SIP_TEXT_H
#define X2TAP_SIP_TEXT_H

#include "bytes.h"

// token: alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~"
static inline bool sip_is_token(uint8_t c)
{
	static const uint32_t token[8] = {
		0, 0x03ff6ca2, 0x87fffffe, 0x47ffffff}; // a bit for each octet
	return token[c >> 5] >> (c & 31) & 1;
}

static inline bool sip_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

// Octets of LWS: what may surround a value, folded lines included.
static inline bool sip_is_space(uint8_t c)
{
	return sip_is_blank(c) || c == '\r' || c == '\n';
}

static inline struct bytes sip_trim(struct bytes text)
{
	while (text.len && sip_is_space(text.at[0])) {
		text.at++;
		text.len--;
	}
	while (text.len && sip_is_space(text.at[text.len - 1]))
		text.len--;
	return text;
}

// The part of `text` from octet `from` to the end.
static inline struct bytes sip_from(struct bytes text, size_t from)
{
	return bytes_slice(text, from, SIZE_MAX);
}

// Where the octet `c` is for the first time; the length of `text` when it is not there.
static inline size_t sip_find(struct bytes text, uint8_t c)
{
	const uint8_t *at = text.len ? memchr(text.at, c, text.len) : NULL;
	return at ? (size_t)(at - text.at) : text.len;
}

// The length of the token that `text` starts with.
static inline size_t sip_token_len(struct bytes text)
{
	size_t len = 0;
	while (len < text.len && sip_is_token(text.at[len]))
		len++;
	return len;
}

// The number that `text` starts with, SIP_NUMBER_MAX if it is that or more. Returns how many digits it has.
static const uint32_t SIP_NUMBER_MAX = UINT32_MAX;
static inline size_t sip_number_read(struct bytes text, uint32_t *number)
{
	uint64_t value = 0;
	size_t len = 0;
	for (; len < text.len && ascii_is_digit(text.at[len]); len++)
		if (value < SIP_NUMBER_MAX)
			value = value * 10 + (text.at[len] - '0');
	*number = value < SIP_NUMBER_MAX ? (uint32_t)value : SIP_NUMBER_MAX;
	return len;
}

#endif
