// Octets in a heap block of exactly their size, in sanitizer builds (X2TAP_EXACT_PAYLOADS): AddressSanitizer sees a read past the
// end of such a block, but not past that of a message inside a frame, ring or buffer. Other builds pass the view through.
#ifndef X2TAP_EXACT_H
#define X2TAP_EXACT_H

#include "bytes.h"

#ifdef X2TAP_EXACT_PAYLOADS
#include <stdlib.h>

static inline struct bytes exact_open(struct bytes view)
{
	uint8_t *block = malloc(view.len ? view.len : 1);
	if (block && view.len)
		memcpy(block, view.at, view.len);
	return bytes_of(block, block ? view.len : 0);
}

static inline void exact_close(struct bytes view)
{
	union {
		const uint8_t *borrowed;
		void *owned;
	} block = {.borrowed = view.at}; // ours since exact_open()
	free(block.owned);
}
#else
static inline struct bytes exact_open(struct bytes view)
{
	return view;
}

static inline void exact_close(struct bytes view)
{
	(void)view;
}
#endif

#endif
