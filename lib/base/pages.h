// Memory that is taken once, at start, for what traffic drives: mapped, in no core dump, and touched at once, so that neither
// its size nor what is resident of it tells what it holds.
#ifndef X2TAP_PAGES_H
#define X2TAP_PAGES_H

#include <stddef.h>
#include <stdint.h>

// Zeroed. NULL with errno.
void *pages_take(size_t size);
void pages_free(void *at, size_t size); // wipes; NULL does nothing

// Hands out the next `size` octets of what begins at `base`, from a cache line on. With base NULL it only adds up, so that one
// function can tell how much to take, and then place the parts.
static inline void *pages_carve(uint8_t *base, size_t *used, size_t size)
{
	void *at = base ? base + *used : NULL;
	*used += (size + 63) & ~(size_t)63;
	return at;
}

#endif
