// The captures of others (shared/captures/README.md), which need not be there: tests skip without them.
#ifndef X2TAP_CAPTURES_H
#define X2TAP_CAPTURES_H

#include <stdio.h>

#include "unit.h"

// A classic capture of Ethernet frames, behind its header. NULL: it is not there. Close it.
static inline FILE *capture_open(const char *name)
{
	const char *source = getenv("X2TAP_SOURCE");
	char path[4096];
	snprintf(path, sizeof path, "%s/../shared/captures/%s", source ? source : ".", name);
	FILE *file = fopen(path, "rb");
	if (!file)
		return NULL;
	uint8_t header[24];
	assert_int_equal(fread(header, 1, sizeof header, file), sizeof header);
	assert_memory_equal(header, "\xd4\xc3\xb2\xa1", 4); // little-endian, microseconds
	assert_int_equal(header[20], 1);                    // Ethernet
	return file;
}

// The next frame in a block of exactly its size, or NULL. Free it.
static inline uint8_t *capture_frame(FILE *file, size_t *len)
{
	uint32_t record[4]; // seconds, microseconds, octets here, octets on the wire
	if (fread(record, sizeof record, 1, file) != 1)
		return NULL;
	*len = record[2];
	assert_true(*len < 1 << 20);
	uint8_t *frame = malloc(*len ? *len : 1);
	assert_non_null(frame);
	assert_int_equal(fread(frame, 1, *len, file), *len);
	return frame;
}

// Of `count` captures, `found` were there: all, or the test is skipped.
static inline void captures_were_found(size_t found, size_t count)
{
	if (found == 0) {
		print_message("# SKIPPED: no shared/captures\n");
		skip();
	}
	assert_int_equal(found, count);
}

#endif
