// Views of octets, and the cursors that read and write them.
//
// Every access checks its bounds. A cursor that runs over remembers it (`overrun`, `overflow`), so code reads
// straight down and asks once at the end. No allocation, no state: safe on any thread.
#ifndef X2TAP_BYTES_H
#define X2TAP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// `len` octets that somebody else owns; `at` may be NULL when `len` is 0.
struct bytes {
	const uint8_t *at;
	size_t len;
};

// What a parser came to. `unknown` is not malformed: parsers skip what they do not know.
enum parse_result {
	PARSE_OK,
	PARSE_TRUNCATED, // the input ends before what it announces
	PARSE_MALFORMED, // the input breaks its own grammar
	PARSE_FOREIGN,   // well-formed perhaps, but not this protocol
};

static inline struct bytes bytes_of(const void *at, size_t len)
{
	return (struct bytes){(const uint8_t *)at, len};
}

static inline struct bytes bytes_of_text(const char *text)
{
	return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

// ASCII only, whatever the locale.
bool bytes_equal_nocase(struct bytes a, struct bytes b);
bool bytes_start_with(struct bytes whole, struct bytes prefix);

// The part of `whole` from octet `from`, at most `len` octets; empty if it starts behind the end.
static inline struct bytes bytes_slice(struct bytes whole, size_t from, size_t len)
{
	if (from >= whole.len)
		return (struct bytes){whole.at ? whole.at + whole.len : NULL, 0};
	return (struct bytes){whole.at + from, len < whole.len - from ? len : whole.len - from};
}

static inline uint8_t ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static inline bool ascii_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

// The value of a hexadecimal digit, or -1.
static inline int ascii_hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Reads from the front. After an overrun every read gives 0 or an empty view.
struct reader {
	const uint8_t *at, *end;
	bool overrun;
};

static inline struct reader reader_of(struct bytes b)
{
	return (struct reader){b.at, b.len ? b.at + b.len : b.at, false};
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline struct bytes read_bytes(struct reader *r, size_t len)
{
	if (len > reader_left(r)) {
		r->overrun = true;
		r->at = r->end;
		return (struct bytes){r->end, 0};
	}
	struct bytes view = {r->at, len};
	r->at = len ? r->at + len : r->at; // NULL + 0 is undefined in C
	return view;
}

static inline uint8_t read_u8(struct reader *r)
{
	struct bytes b = read_bytes(r, 1);
	return b.len ? b.at[0] : 0;
}

static inline uint16_t read_be16(struct reader *r)
{
	struct bytes b = read_bytes(r, 2);
	if (b.len == 0)
		return 0;
	return (uint16_t)(b.at[0] << 8 | b.at[1]);
}

static inline uint32_t read_be32(struct reader *r)
{
	uint32_t high = read_be16(r);
	return high << 16 | read_be16(r);
}

static inline uint64_t read_be64(struct reader *r)
{
	uint64_t high = read_be32(r);
	return high << 32 | read_be32(r);
}

// Writes to the end of a block of `cap` octets. After an overflow nothing more is written and `len` stands still.
struct writer {
	uint8_t *at;
	size_t cap, len;
	bool overflow;
};

static inline struct writer writer_of(void *at, size_t cap)
{
	return (struct writer){(uint8_t *)at, cap, 0, false};
}

static inline struct bytes writer_bytes(const struct writer *w)
{
	return (struct bytes){w->at, w->len};
}

static inline void write_bytes(struct writer *w, struct bytes b)
{
	if (w->overflow || b.len > w->cap - w->len) {
		w->overflow = true;
		return;
	}
	if (b.len)
		memcpy(w->at + w->len, b.at, b.len);
	w->len += b.len;
}

static inline void write_u8(struct writer *w, uint8_t v)
{
	write_bytes(w, bytes_of(&v, 1));
}

static inline void write_be16(struct writer *w, uint16_t v)
{
	uint8_t o[2] = {(uint8_t)(v >> 8), (uint8_t)v};
	write_bytes(w, bytes_of(o, sizeof o));
}

static inline void write_be32(struct writer *w, uint32_t v)
{
	uint8_t o[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
	write_bytes(w, bytes_of(o, sizeof o));
}

static inline void write_be64(struct writer *w, uint64_t v)
{
	write_be32(w, (uint32_t)(v >> 32));
	write_be32(w, (uint32_t)v);
}

static inline void write_text(struct writer *w, const char *text)
{
	write_bytes(w, bytes_of_text(text));
}

// printf at the end of the block; what does not fit whole is an overflow.
void write_format(struct writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
