// x2tap --check.
#ifndef X2TAP_CHECK_H
#define X2TAP_CHECK_H

#include "config.h"

// Says on stdout and stderr what is good and what is not in the files that the configuration names. `path` is the
// configuration's own.
bool check_all(const struct config *config, const char *path);

#endif
