#include "uuid_index.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

bool uuid_index_init(struct uuid_index *index, size_t count)
{
	size_t cells = 16;
	while (cells < count * 2)
		cells *= 2;
	index->cells = malloc(cells * sizeof *index->cells);
	index->mask = cells - 1;
	for (size_t i = 0; index->cells && i < cells; i++)
		index->cells[i].number = UUID_INDEX_NONE;
	return index->cells != NULL;
}

void uuid_index_fini(struct uuid_index *index)
{
	if (index->cells) // XIDs
		explicit_bzero(index->cells, (index->mask + 1) * sizeof *index->cells);
	free(index->cells);
	*index = (struct uuid_index){0};
}

// The cell of `uuid`, or the free one where it belongs. UUIDs come from those who order tasks, not from traffic: the hash
// needs no key, but must cope with UUIDs that were counted up.
static struct uuid_index_cell *cell_of(const struct uuid_index *index, const struct uuid *uuid)
{
	static const struct hash_key no_key = {0, 0};
	size_t at = siphash(&no_key, bytes_of(uuid->octets, sizeof uuid->octets)) & index->mask;
	while (index->cells[at].number != UUID_INDEX_NONE &&
		!uuid_equal(&index->cells[at].uuid, uuid))
		at = (at + 1) & index->mask;
	return &index->cells[at];
}

uint32_t uuid_index_find(const struct uuid_index *index, const struct uuid *uuid)
{
	return cell_of(index, uuid)->number;
}

uint32_t uuid_index_add(struct uuid_index *index, const struct uuid *uuid, uint32_t number)
{
	struct uuid_index_cell *cell = cell_of(index, uuid);
	if (cell->number != UUID_INDEX_NONE)
		return cell->number;
	*cell = (struct uuid_index_cell){*uuid, number};
	return UUID_INDEX_NONE;
}
