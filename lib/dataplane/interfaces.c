// Which interfaces of the kernel the ports stand on.
#include "worker.h"

#include <net/if.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_kvargs.h>

struct found {
	unsigned *indexes; // DATAPLANE_MAX_INTERFACES
	size_t count;
};

static void add_interface(struct found *found, unsigned index)
{
	bool known = index == 0;
	for (size_t i = 0; i < found->count; i++)
		known |= found->indexes[i] == index;
	if (!known && found->count < DATAPLANE_MAX_INTERFACES)
		found->indexes[found->count++] = index;
}

// Drivers tell one interface at most, and net_pcap none where it reads and writes by different arguments.
static void add_named(struct found *found, const struct rte_devargs *devargs)
{
	// net_af_packet, net_af_xdp, virtio_user: iface. net_pcap: all but the last. net_tap: iface, and remote, from which it takes.
	static const char *const keys[] = {
		"iface", "rx_iface", "rx_iface_in", "tx_iface", "remote"};
	struct rte_kvargs *arguments =
		devargs && devargs->args ? rte_kvargs_parse(devargs->args, NULL) : NULL;
	for (unsigned i = 0; arguments && i < arguments->count; i++)
		for (size_t k = 0; k < RTE_DIM(keys); k++)
			if (arguments->pairs[i].value &&
				strcmp(arguments->pairs[i].key, keys[k]) == 0)
				add_interface(found, if_nametoindex(arguments->pairs[i].value));
	rte_kvargs_free(arguments);
}

size_t dataplane_traffic_interfaces(
	const struct dataplane *d, unsigned if_indexes[DATAPLANE_MAX_INTERFACES])
{
	struct found found = {.indexes = if_indexes};
	for (size_t i = 0; i < d->port_count; i++) {
		struct rte_eth_dev_info info;
		if (rte_eth_dev_info_get(d->ports[i].id, &info) != 0)
			continue;
		add_interface(&found, info.if_index);
		if (info.device)
			add_named(&found, rte_dev_devargs(info.device));
	}
	return found.count;
}

bool dataplane_is_traffic_interface(const struct dataplane *d, unsigned if_index)
{
	unsigned indexes[DATAPLANE_MAX_INTERFACES];
	size_t count = dataplane_traffic_interfaces(d, indexes);
	for (size_t i = 0; i < count; i++)
		if (indexes[i] == if_index)
			return true;
	return false;
}
