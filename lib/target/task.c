#include "task.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hash.h"
#include "uuid_index.h"

// --- memory: blocks that only grow, wiped and unmapped together ----------------------------------------------

enum { BLOCK_SIZE = 1024 * 1024 };

struct block {
	struct block *next;
	size_t used, size; // of data
	uint64_t data[];
};

struct target_set *target_set_new(void)
{
	return calloc(1, sizeof(struct target_set));
}

static struct block *block_new(size_t size)
{
	size_t mapped = (sizeof(struct block) + size + BLOCK_SIZE - 1) & ~(size_t)(BLOCK_SIZE - 1);
	struct block *b =
		mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		return NULL;
	madvise(b, mapped, MADV_DONTDUMP);
	b->size = mapped - sizeof *b;
	return b;
}

void *target_set_take(struct target_set *set, size_t size)
{
	size = (size + 7) & ~(size_t)7;
	struct block *b = set->memory;
	if (!b || b->size - b->used < size) {
		struct block *fresh = block_new(size);
		if (!fresh)
			return NULL;
		fresh->next = b;
		set->memory = b = fresh;
	}
	void *at = (uint8_t *)b->data + b->used;
	b->used += size;
	return at;
}

void target_set_free(struct target_set *set)
{
	if (!set)
		return;
	for (struct block *b = set->memory, *next; b; b = next) {
		next = b->next;
		explicit_bzero(b->data, b->used);
		munmap(b, sizeof *b + b->size);
	}
	free(set);
}

// --- what is ordered, in one number --------------------------------------------------------------------------

static uint64_t mix(uint64_t so_far, struct bytes octets)
{
	const struct hash_key key = {so_far, octets.len};
	return siphash(&key, octets);
}

uint64_t task_fingerprint(const struct target_set *set, const struct task *task)
{
	uint64_t f = mix(0, bytes_of(&task->header_xid, sizeof task->header_xid));
	f = mix(f, bytes_of(&task->implicit_deactivation_allowed, 1));
	f = mix(f, bytes_of(&task->services, 1));
	f = mix(f, bytes_of_text(task->correlation_id ? task->correlation_id : ""));
	for (size_t i = 0; i < task->identifier_count; i++)
		f = mix(f, bytes_of_text(task->identifiers[i].fragment));
	for (size_t i = 0; i < task->destination_count; i++) {
		const struct uuid *did = &set->destinations[task->destinations[i]].did;
		f = mix(f, bytes_of(did, sizeof *did));
	}
	return f;
}

// --- slots and generations -----------------------------------------------------------------------------------

// Gives the tasks that were there before the slots they had.
static void keep_slots(struct target_set *fresh, const struct target_set *current,
	const struct uuid_index *known, uint32_t capacity, uint32_t generation, bool *taken,
	struct target_changes *changes)
{
	for (size_t i = 0; i < fresh->task_count; i++) {
		struct task *task = &fresh->tasks[i];
		uint32_t number = uuid_index_find(known, &task->xid);
		task->generation = 0;
		if (number == UUID_INDEX_NONE || current->tasks[number].slot >= capacity)
			continue;
		const struct task *old = &current->tasks[number];
		bool same = old->fingerprint == task->fingerprint;
		task->slot = old->slot;
		task->generation = same ? old->generation : generation;
		taken[old->slot] = true;
		changes->same += same;
		changes->changed += !same;
	}
}

static void give_slots(
	struct target_set *fresh, uint32_t generation, const bool *taken, size_t *added)
{
	uint32_t free_slot = 0;
	for (size_t i = 0; i < fresh->task_count; i++) {
		struct task *task = &fresh->tasks[i];
		if (task->generation)
			continue;
		while (taken[free_slot])
			free_slot++;
		task->slot = free_slot++;
		task->generation = generation;
		++*added;
	}
}

static bool index_slots(struct target_set *set)
{
	set->slot_limit = 0;
	for (size_t i = 0; i < set->task_count; i++)
		if (set->tasks[i].slot >= set->slot_limit)
			set->slot_limit = set->tasks[i].slot + 1;
	set->by_slot = target_set_take(set, (set->slot_limit + 1) * sizeof(struct task *));
	for (size_t i = 0; set->by_slot && i < set->task_count; i++)
		set->by_slot[set->tasks[i].slot] = &set->tasks[i];
	return set->by_slot != NULL;
}

int target_set_adopt(struct target_set *fresh, const struct target_set *current, uint32_t capacity,
	struct target_changes *changes, struct error *error)
{
	if (fresh->task_count > capacity)
		return error_set(
			error, -ENOSPC, "more tasks than the configured capacity of %u", capacity);

	const struct target_set none = {0};
	if (!current)
		current = &none;
	struct target_changes counted = {0};
	uint32_t generation = current->last_generation + 1;
	struct uuid_index known = {0};
	bool *taken = calloc((size_t)capacity + 1, sizeof *taken);
	bool ok = taken && uuid_index_init(&known, current->task_count);
	if (ok) {
		for (size_t i = 0; i < current->task_count; i++)
			uuid_index_add(&known, &current->tasks[i].xid, (uint32_t)i);
		keep_slots(fresh, current, &known, capacity, generation, taken, &counted);
		give_slots(fresh, generation, taken, &counted.added);
		counted.removed = current->task_count - counted.same - counted.changed;
		ok = index_slots(fresh);
	}
	uuid_index_fini(&known);
	free(taken);
	if (!ok)
		return error_set(error, -ENOMEM, "not enough memory for the target list");
	fresh->last_generation = generation;
	*changes = counted;
	return 0;
}

const char *identifier_element(enum identifier_type type)
{
	static const char *const elements[IDENTIFIER_TYPES] = {
		[IDENTIFIER_IPV4_ADDRESS] = "ipv4Address",
		[IDENTIFIER_IPV6_ADDRESS] = "ipv6Address",
		[IDENTIFIER_IPV4_CIDR] = "ipv4Cidr",
		[IDENTIFIER_IPV6_CIDR] = "ipv6Cidr",
		[IDENTIFIER_TCP_PORT] = "tcpPort",
		[IDENTIFIER_TCP_PORT_RANGE] = "tcpPortRange",
		[IDENTIFIER_TCP_PORT_LIST] = "tcpPortList",
		[IDENTIFIER_UDP_PORT] = "udpPort",
		[IDENTIFIER_UDP_PORT_RANGE] = "udpPortRange",
		[IDENTIFIER_UDP_PORT_LIST] = "udpPortList",
		[IDENTIFIER_SIP_URI] = "sipUri",
		[IDENTIFIER_TEL_URI] = "telUri",
		[IDENTIFIER_E164_NUMBER] = "e164Number",
		[IDENTIFIER_IMPU] = "impu",
		[IDENTIFIER_IMPI] = "impi",
		[IDENTIFIER_NAI] = "nai",
		[IDENTIFIER_GTPU_TUNNEL_ID] = "gtpuTunnelId",
	};
	return elements[type];
}
