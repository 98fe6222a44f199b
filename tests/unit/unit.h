// What every unit test needs: cmocka with the headers it wants before it.
#ifndef X2TAP_UNIT_H
#define X2TAP_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bytes.h"

// A copy in a heap block of exactly `len` octets, so that the sanitizer sees the first octet too far. The caller frees.
static inline uint8_t *exact_copy(const void *from, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	if (len)
		memcpy(copy, from, len);
	return copy;
}

// Calls `parse` with every prefix of `sample`, each in a block of exactly its size. For len 0 the view is empty and
// points one past a one-octet block, so any access is caught.
static inline void cut_at_every_length(struct bytes sample, void (*parse)(struct bytes prefix))
{
	for (size_t len = 0; len <= sample.len; len++) {
		uint8_t *copy = exact_copy(sample.at, len);
		parse(bytes_of(len ? copy : copy + 1, len));
		free(copy);
	}
}

#endif
