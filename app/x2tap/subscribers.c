#include "subscribers.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core.h"
#include "host_clock.h"
#include "protocols.h"

enum { MAX_SHOWN = 256 }; // sessions of one subscriber

// --- what is configured ----------------------------------------------------------------------------------------

static uint16_t configured_bit(enum protocol_family family)
{
	switch (family) {
	case FAMILY_RADIUS:
		return CONFIG_RADIUS;
	case FAMILY_DHCPV4:
	case FAMILY_DHCPV6:
		return CONFIG_DHCP;
	case FAMILY_GTP:
		break;
	}
	return CONFIG_GTP;
}

static uint32_t protocol_bits(uint16_t configured)
{
	uint32_t bits = 0;
	for (unsigned i = 0; i < protocol_count; i++)
		if (configured & configured_bit(protocols[i].family))
			bits |= 1u << i;
	return bits;
}

// The prefixes of all sources, one behind the other.
struct prefixes {
	struct binding_prefix list[2 * CONFIG_MAX_SOURCES * CONFIG_MAX_PREFIXES];
	size_t count;
};

static const struct binding_prefix *add_prefixes(
	struct prefixes *prefixes, const struct config_prefixes *configured)
{
	const struct binding_prefix *first = &prefixes->list[prefixes->count];
	for (size_t i = 0; i < configured->count; i++)
		prefixes->list[prefixes->count++] = (struct binding_prefix){
			configured->items[i].address, configured->items[i].len};
	return first;
}

struct rules {
	struct binding_source sources[CONFIG_MAX_SOURCES];
	struct binding_instance instances[CONFIG_MAX_INSTANCES];
	struct prefixes prefixes;
};

static struct binding_rules rules_of(
	const struct config *config, const struct hash_key *key, struct rules *rules)
{
	for (size_t i = 0; i < config->bindings.source_count; i++) {
		const struct config_binding_source *c = &config->bindings.sources[i];
		rules->sources[i] = (struct binding_source){
			.protocols = protocol_bits(c->protocols),
			.point = c->place.point,
			.vlan = c->place.vlan,
			.servers = add_prefixes(&rules->prefixes, &c->servers),
			.server_count = c->servers.count,
			.clients = add_prefixes(&rules->prefixes, &c->clients),
			.client_count = c->clients.count,
			.instance = c->instance_number,
		};
	}
	for (size_t i = 0; i < config->bindings.instance_count; i++) {
		const struct config_binding_instance *c = &config->bindings.instances[i];
		rules->instances[i] = (struct binding_instance){
			c->instance_number, c->place.point, c->place.vlan};
	}
	return (struct binding_rules){
		.sources = rules->sources,
		.source_count = config->bindings.source_count,
		.instances = rules->instances,
		.instance_count = config->bindings.instance_count,
		.session_idle_ns = (uint64_t)config->bindings.idle_ms * 1000000,
		.max_sessions = config->bindings.max_sessions,
		.max_authorities = config->bindings.max_authorities,
		.key = *key,
	};
}

int subscribers_open(const struct config *config, const struct hash_key *key, struct bindings **out,
	struct error *error)
{
	*out = NULL;
	if (config->bindings.source_count == 0)
		return 0;
	struct rules *rules = calloc(1, sizeof *rules);
	if (!rules)
		return error_set(error, -ENOMEM, "no memory");
	const struct binding_rules as_configured = rules_of(config, key, rules);
	*out = bindings_new(&as_configured);
	int why = errno;
	free(rules);
	if (!*out)
		return error_set(error, -why,
			"bindings: no memory for %u sessions: lower bindings.max_sessions, or give this host more",
			config->bindings.max_sessions);
	return 0;
}

// --- x2ctl bindings --------------------------------------------------------------------------------------------

static void add_time(struct text *out, const char *key, uint64_t when_ns)
{
	report_time(out, key, (time_t)(when_ns / 1000000000));
}

static void add_view(struct text *out, const char *comma, const struct binding_view *view,
	const struct binding_lease *lease)
{
	char address[ADDRESS_TEXT];
	address_format(&lease->address, address);
	text_add(out, "%s{\"address\":\"%s/%u\",\"from\":\"%s\",\"instance\":%u", comma, address,
		lease->prefix_len, protocols[view->protocol].name, view->instance);
	add_time(out, "since", view->since_ns);
	add_time(out, "last", view->last_ns);
	if (lease->expires_ns != UINT64_MAX)
		add_time(out, "until", lease->expires_ns);
	else
		text_add(out, ",\"until\":\"-\"");
	text_add(out, "}");
}

// One line for each address and prefix.
static void add_views(struct text *out, const struct binding_view *views, unsigned count)
{
	const char *comma = "";
	text_add(out, "{\"ok\":true,\"bindings\":[");
	for (unsigned i = 0; i < count; i++)
		for (unsigned l = 0; l < views[i].lease_count; l++, comma = ",")
			add_view(out, comma, &views[i], &views[i].leases[l]);
	text_add(out, "]}");
}

static void add_bindings_of(
	const struct core *core, const struct identity *identity, struct text *out)
{
	struct binding_view *views = calloc(MAX_SHOWN, sizeof *views);
	if (!views) {
		text_add(out, "{\"ok\":false,\"error\":\"no memory\"}");
		return;
	}
	const struct digest digest = identity_digest(&core->key, identity);
	int count =
		bindings_of_identity(core->bindings, &digest, host_realtime_ns(), views, MAX_SHOWN);
	if (count < 0)
		text_add(out, "{\"ok\":false,\"error\":\"they change too fast: ask again\"}");
	else
		add_views(out, views, (unsigned)count < MAX_SHOWN ? (unsigned)count : MAX_SHOWN);
	explicit_bzero(views, MAX_SHOWN * sizeof *views);
	free(views);
}

void report_bindings(const struct core *core, const char *xid, struct text *out)
{
	struct uuid uuid;
	struct identity identity;
	const struct task *task = NULL;
	if (uuid_parse(bytes_of_text(xid), &uuid))
		task = target_set_find(orders_in_force(core->orders), &uuid);
	if (!task)
		text_add(out, "{\"ok\":false,\"error\":\"no task has this XID\"}");
	else if (!core->bindings)
		text_add(out,
			"{\"ok\":false,\"error\":\"no bindings are kept: bindings.sources names nobody who is believed\"}");
	else if (!task_identity(task, &identity))
		text_add(out,
			"{\"ok\":false,\"error\":\"the task names no subscriber, so it has no bindings\"}");
	else
		add_bindings_of(core, &identity, out);
	explicit_bzero(&identity, sizeof identity);
}
