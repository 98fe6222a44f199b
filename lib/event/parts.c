#include "parts.h"

#include <errno.h>
#include <stdlib.h>

int parts_init(struct parts *p, uint32_t max)
{
	uint32_t places = 2;
	while (places < 2 * max)
		places *= 2;
	*p = (struct parts){
		.list = calloc(max, sizeof *p->list),
		.max = max,
		.places = calloc(places, sizeof *p->places),
		.place_mask = places - 1,
	};
	return p->list && p->places ? 0 : -ENOMEM;
}

void parts_fini(struct parts *p)
{
	free(p->list);
	free(p->places);
}

void parts_clear(struct parts *p)
{
	p->count = 0;
	if (++p->epoch == 0) { // once in 2^32 messages: old epochs would seem new
		memset(p->places, 0, (p->place_mask + (size_t)1) * sizeof *p->places);
		p->epoch = 1;
	}
}

// The place that holds the slot, or the free one where it belongs. Slots are ours, not the sender's: no keyed hash.
static uint32_t parts_place(const struct parts *p, uint32_t slot)
{
	uint32_t place = slot * 0x9e3779b1u & p->place_mask;
	while (p->places[place].epoch == p->epoch && p->list[p->places[place].index].slot != slot)
		place = (place + 1) & p->place_mask;
	return place;
}

struct part *parts_find(const struct parts *p, uint32_t slot)
{
	uint32_t place = parts_place(p, slot);
	return p->places[place].epoch == p->epoch ? &p->list[p->places[place].index] : NULL;
}

struct part *parts_add(struct parts *p, uint32_t slot, uint32_t generation)
{
	if (p->count == p->max)
		return NULL;
	uint32_t place = parts_place(p, slot);
	p->places[place].epoch = p->epoch;
	p->places[place].index = p->count;
	struct part *part = &p->list[p->count++];
	*part = (struct part){.slot = slot, .generation = generation};
	return part;
}
