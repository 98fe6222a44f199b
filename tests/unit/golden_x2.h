// The golden vectors of x2-wire-format.md section 6, for the encoder's tests and for the decoder's.
#ifndef X2TAP_GOLDEN_X2_H
#define X2TAP_GOLDEN_X2_H

#include "unit.h"

struct block {
	uint8_t octets[1024];
	size_t len;
};

// Blanks in the hexadecimal digits are for the eye.
static inline struct block block_of(const char *hex)
{
	struct block b = {.len = 0};
	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		assert_true(b.len < sizeof b.octets);
		b.octets[b.len++] = (uint8_t)(ascii_hex_value((uint8_t)hex[0]) << 4 |
					      ascii_hex_value((uint8_t)hex[1]));
		hex++;
	}
	return b;
}

static inline struct bytes block_bytes(const struct block *b)
{
	return bytes_of(b->octets, b->len);
}

#define GOLDEN_KEEPALIVE                                                                           \
	"00050003 00000030 00000000 00000000 00000000000000000000000000000000 0000000000000000 "   \
	"0008000400000007"
#define GOLDEN_ACK                                                                                 \
	"00050004 00000030 00000000 00000000 00000000000000000000000000000000 0000000000000000 "   \
	"0008000400000007"
#define GOLDEN_PDHR                                                                                  \
	"303281050413120f01a229ae27810200ffa2068104c000020a830300c000a4068104c6336414850201bb860106" \
	"880101890205dc"
#define GOLDEN_PDSR                                                                                  \
	"306781050413120f01a25eaf5c810200ffa2068104c000020a830300c000a4068104c6336414850201bb860106" \
	"8801018901058a1332303236303130313030303030302e3030305a8b1332303236303130313030303133302e35" \
	"30305a8c02012c8d0303d0908e0100"
#define GOLDEN_IPPR                                                                                  \
	"304181050413120f01a238bf812134800405031204a12ca12a8128450000281234400040060000c000020ac633" \
	"6414c00001bb00000001000000005002000000000000"
#define GOLDEN_IPV4                                                                                \
	"450000281234400040063c4ac000020ac6336414c00001bb00000001000000005002200000000000"

// Attributes of all of them, around the sequence number.
#define GOLDEN_ATTRIBUTES(sequence)                                                                \
	"00060013 70726f62652d312e6578616d706c652e6e6574 0007000d 4e45542d4952492d504f492d30 "     \
	"00080004" sequence " 00090008 6955b900 075bcd15 000a0004 c000020a 000b0004 c6336414 "     \
	"000e0002 c000 000f0002 01bb 00100001 06 "                                                 \
	"00110025 3c69707634416464726573733e3139322e302e322e31303c2f69707634416464726573733e"
#define GOLDEN_HEADER(payload_len, format, sequence)                                               \
	"00050001 000000ae" payload_len format "0003 8c292fa1583146ec86bebd85f2083299 "            \
	"1122334455667788" GOLDEN_ATTRIBUTES(sequence)
#define GOLDEN_61 GOLDEN_HEADER("00000034", "0002", "00011170") GOLDEN_PDHR
#define GOLDEN_62 GOLDEN_HEADER("00000069", "0002", "00011171") GOLDEN_PDSR
#define GOLDEN_63 GOLDEN_HEADER("00000043", "0002", "00011172") GOLDEN_IPPR
#define GOLDEN_64 GOLDEN_HEADER("00000028", "0005", "00000001") GOLDEN_IPV4

#endif
