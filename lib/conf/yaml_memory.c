// libyaml's memory: what it gives back is wiped, for it may name targets.
//
// libyaml takes and gives back all memory through four functions that its library exports, and calls them by name. Those of the
// program come first, so these take their place (ELF symbol preemption). No header of libyaml's declares them, and ours has a
// function of the name yaml_free for its own ends: this file includes neither.
#include "yaml_memory.h"

#include <stdlib.h>
#include <string.h>

void *yaml_malloc(size_t size);
void *yaml_realloc(void *block, size_t size);
void yaml_free(void *block);
char *yaml_strdup(const char *text);

struct wiped_block {
	size_t size;
	max_align_t data[];
};

static struct wiped_block *block_of(void *data)
{
	return (struct wiped_block *)(void *)((char *)data - sizeof(struct wiped_block));
}

void *yaml_malloc(size_t size)
{
	if (size == 0) // as libyaml's own does
		size = 1;
	struct wiped_block *block =
		size <= SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
	if (!block)
		return NULL;
	block->size = size;
	return block->data;
}

void yaml_free(void *data)
{
	if (!data)
		return;
	struct wiped_block *block = block_of(data);
	explicit_bzero(block->data, block->size);
	free(block);
}

void *yaml_realloc(void *data, size_t size)
{
	void *fresh = yaml_malloc(size);
	if (!fresh || !data)
		return fresh;
	size_t old = block_of(data)->size;
	memcpy(fresh, data, old < size ? old : size);
	yaml_free(data);
	return fresh;
}

char *yaml_strdup(const char *text)
{
	size_t size = text ? strlen(text) + 1 : 0;
	char *copy = text ? yaml_malloc(size) : NULL;
	return copy ? memcpy(copy, text, size) : NULL;
}

bool yaml_memory_is_wiped(const void *octets, size_t len)
{
	struct wiped_block block;
	memcpy(&block, (const char *)octets - sizeof block, sizeof block);
	return block.size == len;
}
