// Memory that libyaml takes, see yaml_memory.c.
#ifndef X2TAP_YAML_MEMORY_H
#define X2TAP_YAML_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether a block that libyaml took as one of `len` octets is one of ours: false would mean that it is linked otherwise.
bool yaml_memory_is_wiped(const void *octets, size_t len);

#endif
