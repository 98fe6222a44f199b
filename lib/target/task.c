#include "task.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "hash.h"

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
	uuid_index_fini(&set->by_xid);
	free(set);
}

// --- what is ordered, in two numbers --------------------------------------------------------------------------

static uint64_t mix(uint64_t so_far, struct bytes octets)
{
	const struct hash_key key = {so_far, octets.len};
	return siphash(&key, octets);
}

uint64_t task_fingerprint(const struct task *task)
{
	uint64_t f = mix(0, bytes_of(&task->header_xid, sizeof task->header_xid));
	f = mix(f, bytes_of(&task->implicit_deactivation_allowed, 1));
	f = mix(f, bytes_of(&task->services, 1));
	f = mix(f, bytes_of_text(task->correlation_id ? task->correlation_id : ""));
	for (size_t i = 0; i < task->identifier_count; i++)
		f = mix(f, bytes_of_text(task->identifiers[i].fragment));
	return f;
}

uint64_t task_routes(const struct target_set *set, const struct task *task)
{
	uint64_t routes = 0;
	for (size_t i = 0; i < task->destination_count; i++) {
		const struct destination *d = &set->destinations[task->destinations[i]];
		uint64_t route = mix(0, bytes_of(&d->did, sizeof d->did));
		for (size_t m = 0; m < d->member_count; m++) {
			const struct uuid *did = &set->destinations[d->members[m]].did;
			route = mix(route, bytes_of(did, sizeof *did));
		}
		routes += route; // in whatever order they are named
	}
	return routes;
}

static bool is_same_order(const struct task *a, const struct task *b)
{
	return a->fingerprint == b->fingerprint && a->routes == b->routes;
}

// --- slots and generations -----------------------------------------------------------------------------------

// Gives the tasks that were there before the slots they had.
static void keep_slots(struct target_set *fresh, const struct target_set *current,
	uint32_t capacity, uint32_t generation, bool *taken, struct target_changes *changes)
{
	for (size_t i = 0; i < fresh->task_count; i++) {
		struct task *task = &fresh->tasks[i];
		const struct task *old = target_set_find(current, &task->xid);
		task->generation = 0;
		if (!old || old->slot >= capacity)
			continue;
		bool same = is_same_order(task, old);
		task->slot = old->slot;
		task->generation =
			old->fingerprint == task->fingerprint ? old->generation : generation;
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

// The ticket that the old order has for a destination, or a new one.
static uint32_t ticket_for(struct target_set *fresh, const struct target_set *current,
	const struct task *old, const struct uuid *did)
{
	for (uint32_t i = 0; old && i < old->destination_count; i++)
		if (uuid_equal(&current->destinations[old->destinations[i]].did, did))
			return old->tickets[i];
	return ++fresh->last_ticket;
}

static bool give_tickets(struct target_set *fresh, const struct target_set *current)
{
	fresh->last_ticket = current->last_ticket;
	for (size_t i = 0; i < fresh->task_count; i++) {
		struct task *task = &fresh->tasks[i];
		const struct task *old = target_set_find(current, &task->xid);
		if (old && old->generation != task->generation)
			old = NULL;
		uint32_t *tickets =
			target_set_take(fresh, task->destination_count * sizeof *tickets);
		if (!tickets)
			return false;
		for (uint32_t d = 0; d < task->destination_count; d++)
			tickets[d] = ticket_for(fresh, current, old,
				&fresh->destinations[task->destinations[d]].did);
		task->tickets = tickets;
	}
	return true;
}

static bool index_xids(struct target_set *set)
{
	uuid_index_fini(&set->by_xid);
	if (!uuid_index_init(&set->by_xid, set->task_count))
		return false;
	for (size_t i = 0; i < set->task_count; i++)
		uuid_index_add(&set->by_xid, &set->tasks[i].xid, (uint32_t)i);
	return true;
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
	bool *taken = calloc((size_t)capacity + 1, sizeof *taken);
	bool ok = taken != NULL;
	if (ok) {
		keep_slots(fresh, current, capacity, generation, taken, &counted);
		give_slots(fresh, generation, taken, &counted.added);
		counted.removed = current->task_count - counted.same - counted.changed;
		ok = give_tickets(fresh, current) && index_slots(fresh) && index_xids(fresh);
	}
	free(taken);
	if (!ok)
		return error_set(error, -ENOMEM, "not enough memory for the target list");
	fresh->last_generation = generation;
	*changes = counted;
	return 0;
}

// --- what is in force ----------------------------------------------------------------------------------------

const struct task *target_set_find(const struct target_set *set, const struct uuid *xid)
{
	uint32_t number = set->by_xid.cells ? uuid_index_find(&set->by_xid, xid) : UUID_INDEX_NONE;
	return number == UUID_INDEX_NONE ? NULL : &set->tasks[number];
}

bool task_names_destination(
	const struct target_set *set, const struct task *task, const struct uuid *did)
{
	for (uint32_t i = 0; i < task->destination_count; i++)
		if (uuid_equal(&set->destinations[task->destinations[i]].did, did))
			return true;
	return false;
}

bool task_is_wide(const struct task *task)
{
	return task->wide;
}

bool task_identity(const struct task *task, struct identity *out)
{
	for (size_t i = 0; i < task->identifier_count; i++) {
		const struct identifier *id = &task->identifiers[i];
		if (id->identity.len == 0 || id->identity.len > sizeof out->octets)
			continue;
		out->kind = id->identity_kind;
		out->len = (uint16_t)id->identity.len;
		memcpy(out->octets, id->identity.at, id->identity.len);
		return true;
	}
	return false;
}

uint64_t task_owner(const struct task *task, uint32_t index)
{
	return (uint64_t)task->slot << 32 | task->tickets[index];
}

bool target_set_owns(const struct target_set *set, uint64_t owner)
{
	uint32_t slot = (uint32_t)(owner >> 32), ticket = (uint32_t)owner;
	const struct task *task = slot < set->slot_limit ? set->by_slot[slot] : NULL;
	for (uint32_t i = 0; task && i < task->destination_count; i++)
		if (task->tickets[i] == ticket)
			return true;
	return false;
}

void target_set_differences(const struct target_set *fresh, const struct target_set *current,
	void (*each)(void *context, char what, const struct task *task), void *context)
{
	for (size_t i = 0; i < fresh->task_count; i++) {
		const struct task *task = &fresh->tasks[i];
		const struct task *old = current ? target_set_find(current, &task->xid) : NULL;
		if (!old)
			each(context, 'a', task);
		else if (!is_same_order(task, old))
			each(context, 'c', task);
	}
	for (size_t i = 0; current && i < current->task_count; i++)
		if (!target_set_find(fresh, &current->tasks[i].xid))
			each(context, 'r', &current->tasks[i]);
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
		[IDENTIFIER_IMSI] = "imsi",
		[IDENTIFIER_SUPI_IMSI] = "supiimsi",
		[IDENTIFIER_IMEI] = "imei",
		[IDENTIFIER_PEI_IMEI] = "peiImei",
		[IDENTIFIER_PEI_IMEISV] = "peiImeisv",
		[IDENTIFIER_GPSI_MSISDN] = "gpsiMsisdn",
		[IDENTIFIER_MAC_ADDRESS] = "macAddress",
		[IDENTIFIER_RADIUS_ATTRIBUTE] = "radiusAttribute",
		[IDENTIFIER_GTPC_TUNNEL_ID] = "gtpcTunnelId",
		[IDENTIFIER_GTPU_TUNNEL_ID] = "gtpuTunnelId",
	};
	return elements[type];
}
