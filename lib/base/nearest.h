// "Did you mean ...?": of some known names the one that a mistyped name most likely means. No state: any thread.
#ifndef X2TAP_NEAREST_H
#define X2TAP_NEAREST_H

#include <stddef.h>

struct nearest {
	const char *name;  // as typed
	const char *found; // the nearest so far, or NULL when none is near
	size_t bound;      // only a name nearer than this is taken
};

// A third of the letters may be wrong, and one more.
struct nearest nearest_to(const char *name);
// Offers one known name; borrowed.
void nearest_try(struct nearest *n, const char *known);

#endif
