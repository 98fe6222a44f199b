// What every fuzz target needs: its entry point, and a check that stops the run.
#ifndef X2TAP_FUZZ_H
#define X2TAP_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// An invariant of the parser under test. Says which one broke, whatever the build.
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

// An empty view may point anywhere, for it is never read.
static inline bool fuzz_lies_in(struct bytes part, struct bytes whole)
{
	if (part.len == 0)
		return true;
	return part.at >= whole.at && part.len <= whole.len &&
	       (size_t)(part.at - whole.at) <= whole.len - part.len;
}

#endif
