#include "bounds.h"

void bounds_add(struct bound *out, const struct digest *identities, unsigned count, uint8_t ends)
{
	for (unsigned i = 0; i < count && out->count < BOUND_MAX; i++) {
		out->identities[out->count] = identities[i];
		out->ends[out->count++] = ends;
	}
}

static void add_mac(
	struct bound *out, const struct hash_key *key, const uint8_t mac[static 6], uint8_t end)
{
	struct identity identity;
	identity_of_mac(mac, &identity);
	const struct digest digest = identity_digest(key, &identity);
	bounds_add(out, &digest, 1, end);
}

static void add_bindings(struct bound *out, const struct bindings *bindings, uint32_t instance,
	const struct address *address, uint64_t time_ns, uint8_t end)
{
	struct digest identities[BINDING_MAX_IDENTITIES];
	unsigned count = bindings_bound(
		bindings, instance, address, time_ns, identities, BINDING_MAX_IDENTITIES);
	bounds_add(out, identities, count, end);
}

void bounds_of_packet(const struct bindings *bindings, const struct target_table *table,
	const struct hash_key *key, const struct packet *packet, uint64_t time_ns,
	struct bound *out)
{
	out->count = 0;
	if (!target_table_asks_bound(table))
		return;
	if (target_table_asks(table, IDENTITY_MAC)) {
		add_mac(out, key, packet->macs[0], END_SOURCE);
		add_mac(out, key, packet->macs[1], END_DESTINATION);
	}
	if (!bindings)
		return;
	uint32_t instance = bindings_instance_of(bindings, packet->point, packet->outer.vlan);
	add_bindings(out, bindings, instance, &packet->flow.source, time_ns, END_SOURCE);
	add_bindings(out, bindings, instance, &packet->flow.destination, time_ns, END_DESTINATION);
}
