// DHCP messages by hand, in hexadecimal; for tests of the parsers and of the signals.
#ifndef X2TAP_DHCP_SAMPLES_H
#define X2TAP_DHCP_SAMPLES_H

#include <stdio.h>

#include "unit.h"

struct sample {
	uint8_t octets[4096];
	size_t len;
};

static inline struct bytes sample_bytes(const struct sample *s)
{
	return bytes_of(s->octets, s->len);
}

static inline void sample_add(struct sample *s, unsigned value)
{
	assert_true(s->len < sizeof s->octets);
	s->octets[s->len++] = (uint8_t)value;
}

// Hexadecimal; blanks do not matter. <53 01> is an option, its code decimal, whose length is filled in; code and length have
// `width` octets (1: DHCPv4, 2: DHCPv6). Options may hold options.
static inline const char *sample_read(struct sample *s, const char *at, unsigned width)
{
	while (*at && *at != '>') {
		if (*at == ' ') {
			at++;
		} else if (*at == '<') {
			char *rest;
			unsigned code = (unsigned)strtoul(at + 1, &rest, 10);
			size_t head = s->len;
			for (unsigned i = 0; i < width * 2; i++)
				sample_add(s, 0);
			at = sample_read(s, rest, width);
			assert_int_equal(*at++, '>');
			size_t len = s->len - head - width * 2;
			for (unsigned i = 0; i < width; i++) {
				s->octets[head + i] = (uint8_t)(code >> 8 * (width - 1 - i));
				s->octets[head + width + i] = (uint8_t)(len >> 8 * (width - 1 - i));
			}
		} else {
			int high = ascii_hex_value((uint8_t)at[0]);
			int low = ascii_hex_value((uint8_t)at[1]);
			assert_true(high >= 0 && low >= 0);
			sample_add(s, (unsigned)(high << 4 | low));
			at += 2;
		}
	}
	return at;
}

// The fixed fields of a DHCPv4 message; addresses in hexadecimal.
struct v4 {
	unsigned op;                                         // 0: BOOTREQUEST
	const char *xid, *chaddr, *ciaddr, *yiaddr, *giaddr; // NULL: the usual, or 0
	const char *sname, *file;                            // NULL: 0
	const char *options; // NULL: none, and no End. Options as above
};

#define V4_MAC "020000000a01"
#define V4_XID "1a2b3c4d"

static inline void sample_field(struct sample *s, const char *text, size_t len)
{
	struct sample field = {.len = 0};
	if (text)
		assert_int_equal(*sample_read(&field, text, 1), 0);
	assert_true(field.len <= len);
	for (size_t i = 0; i < len; i++)
		sample_add(s, field.octets[i]);
}

static inline struct sample sample_v4(const struct v4 *m)
{
	const char *chaddr = m->chaddr ? m->chaddr : V4_MAC;
	struct sample s = {.len = 0};
	sample_add(&s, m->op ? m->op : 1);
	sample_add(&s, 1);
	sample_add(&s, (unsigned)strlen(chaddr) / 2);
	sample_add(&s, 0);
	sample_field(&s, m->xid ? m->xid : V4_XID, 4);
	sample_field(&s, NULL, 4);
	sample_field(&s, m->ciaddr, 4);
	sample_field(&s, m->yiaddr, 4);
	sample_field(&s, NULL, 4);
	sample_field(&s, m->giaddr, 4);
	sample_field(&s, chaddr, 16);
	sample_field(&s, m->sname, 64);
	sample_field(&s, m->file, 128);
	sample_field(&s, "63825363", 4);
	if (m->options)
		assert_int_equal(*sample_read(&s, m->options, 1), 0);
	return s;
}

static inline struct sample sample_v6(const char *text)
{
	struct sample s = {.len = 0};
	assert_int_equal(*sample_read(&s, text, 2), 0);
	return s;
}

// DUID-LL and DUID-LLT of Ethernet addresses, and what the tests use besides.
#define V6_CLIENT "<1 0003 0001 020000000a01>"
#define V6_SERVER "<2 0001 0001 2a2b2c2d 0200000000fe>"
#define V6_ADDRESS "20010db8 00010000 00000000 00000010"
#define V6_PREFIX "20010db8 00020000 00000000 00000000"
// A relay message of `type`, at hop `hop`: link 2001:db8:1::1, peer fe80::a.
#define V6_RELAY(type, hop)                                                                        \
	type hop " 20010db8000100000000000000000001 fe80000000000000000000000000000a "

#endif
