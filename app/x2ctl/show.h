// Answers of x2tap for people: whatever the keys, so that a new counter needs no change here.
#ifndef X2CTL_SHOW_H
#define X2CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

// Scalars as "key  value"; objects within as sections; lists of objects as tables, one column for each key, or one line
// for each key where that would be wider than `width` columns. The key "ok" is left out.
void show_object(FILE *to, json_t *object, size_t width);

// The accounting laws, one line each, "ok" or "BROKEN" first.
void show_laws(FILE *to, const json_t *laws);
// False when one is broken, and when there are none to read.
bool laws_hold(const json_t *laws);

// Text of the peer: control characters but for line ends become '?', so that none steers the terminal.
void show_text(FILE *to, const char *text);

#endif
