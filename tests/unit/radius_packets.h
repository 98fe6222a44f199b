// RADIUS packets put together attribute by attribute, for tests of what reads them.
#ifndef X2TAP_RADIUS_PACKETS_H
#define X2TAP_RADIUS_PACKETS_H

#include "captures.h"
#include "packet.h"
#include "radius.h"

struct radius_draft {
	uint8_t octets[RADIUS_MAX_LEN];
	struct writer w;
};

static inline void draft_length(struct radius_draft *d)
{
	d->octets[2] = (uint8_t)(d->w.len >> 8);
	d->octets[3] = (uint8_t)d->w.len;
}

static inline void draft_begin(struct radius_draft *d, uint8_t code, uint8_t identifier)
{
	d->w = writer_of(d->octets, sizeof d->octets);
	write_u8(&d->w, code);
	write_u8(&d->w, identifier);
	write_be16(&d->w, 0);
	for (uint8_t i = 0; i < RADIUS_AUTHENTICATOR_LEN; i++)
		write_u8(&d->w, (uint8_t)(0xa0 + i));
	draft_length(d);
}

static inline void draft_add(struct radius_draft *d, uint8_t type, struct bytes value)
{
	write_u8(&d->w, type);
	write_u8(&d->w, (uint8_t)(RADIUS_ATTRIBUTE_HEADER_LEN + value.len));
	write_bytes(&d->w, value);
	assert_false(d->w.overflow);
	draft_length(d);
}

static inline void draft_text(struct radius_draft *d, uint8_t type, const char *text)
{
	draft_add(d, type, bytes_of_text(text));
}

static inline size_t hex_read(const char *text, uint8_t *out)
{
	size_t len = 0;
	for (; *text; text++) {
		if (*text == ' ')
			continue;
		int high = ascii_hex_value((uint8_t)text[0]),
		    low = ascii_hex_value((uint8_t)text[1]);
		assert_true(high >= 0 && low >= 0);
		out[len++] = (uint8_t)(high << 4 | low);
		text++;
	}
	return len;
}

// Octets as they are, whatever they mean.
static inline void draft_raw(struct radius_draft *d, const char *hex)
{
	uint8_t octets[RADIUS_MAX_LEN];
	write_bytes(&d->w, bytes_of(octets, hex_read(hex, octets)));
	assert_false(d->w.overflow);
	draft_length(d);
}

static inline void draft_hex(struct radius_draft *d, uint8_t type, const char *hex)
{
	uint8_t octets[RADIUS_MAX_LEN];
	draft_add(d, type, bytes_of(octets, hex_read(hex, octets)));
}

// One attribute of a vendor that keeps to RFC 2865 section 5.26.
static inline void draft_vendor(
	struct radius_draft *d, uint32_t vendor, uint8_t type, const char *text)
{
	uint8_t octets[255];
	struct writer w = writer_of(octets, sizeof octets);
	write_be32(&w, vendor);
	write_u8(&w, type);
	write_u8(&w, (uint8_t)(2 + strlen(text)));
	write_text(&w, text);
	draft_add(d, RADIUS_VENDOR_SPECIFIC, writer_bytes(&w));
}

static inline struct bytes draft_bytes(const struct radius_draft *d)
{
	return writer_bytes(&d->w);
}

// As the configuration has them by default, and the older ones.
static inline bool is_radius_port(uint16_t port)
{
	return port == 1812 || port == 1813 || port == 1645 || port == 1646 || port == 3799;
}

#endif
