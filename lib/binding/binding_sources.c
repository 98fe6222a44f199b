#include "binding_internal.h"

#include <errno.h>
#include <stdlib.h>

static bool is_valid_prefix(const struct binding_prefix *p)
{
	return (p->address.family == 4 && p->len <= 32) ||
	       (p->address.family == 6 && p->len <= 128);
}

static bool are_valid_prefixes(const struct binding_prefix *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!is_valid_prefix(&list[i]))
			return false;
	return true;
}

static struct binding_prefix *copy_prefixes(
	struct binding_prefix *at, const struct binding_prefix *list, size_t count)
{
	if (count)
		memcpy(at, list, count * sizeof *at);
	return at + count;
}

int sources_copy(struct bindings *b, const struct binding_rules *rules)
{
	size_t prefixes = 0;
	if (rules->source_count > BINDING_MAX_SOURCES)
		return -EINVAL;
	for (size_t i = 0; i < rules->source_count; i++) {
		const struct binding_source *s = &rules->sources[i];
		if (!are_valid_prefixes(s->servers, s->server_count) ||
			!are_valid_prefixes(s->clients, s->client_count))
			return -EINVAL;
		prefixes += s->server_count + s->client_count;
	}
	b->sources = calloc(rules->source_count + 1, sizeof *b->sources);
	b->prefixes = calloc(prefixes + 1, sizeof *b->prefixes);
	b->instances = calloc(rules->instance_count + 1, sizeof *b->instances);
	if (!b->sources || !b->prefixes || !b->instances)
		return -ENOMEM;
	struct binding_prefix *at = b->prefixes;
	for (size_t i = 0; i < rules->source_count; i++) {
		struct binding_source *s = &b->sources[i];
		*s = rules->sources[i];
		const struct binding_prefix *servers = s->servers, *clients = s->clients;
		s->servers = at;
		at = copy_prefixes(at, servers, s->server_count);
		s->clients = at;
		at = copy_prefixes(at, clients, s->client_count);
	}
	if (rules->instance_count)
		memcpy(b->instances, rules->instances,
			rules->instance_count * sizeof *b->instances);
	b->source_count = rules->source_count;
	b->instance_count = rules->instance_count;
	return 0;
}

void sources_free(struct bindings *b)
{
	free(b->sources);
	free(b->prefixes);
	free(b->instances);
}

static bool prefix_holds(const struct binding_prefix *p, const struct address *a)
{
	if (p->address.family != a->family || memcmp(p->address.octets, a->octets, p->len / 8) != 0)
		return false;
	unsigned rest = p->len % 8;
	return rest == 0 ||
	       (p->address.octets[p->len / 8] ^ a->octets[p->len / 8]) >> (8 - rest) == 0;
}

static bool covers(const struct binding_prefix *list, size_t count, const struct address *a)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_holds(&list[i], a))
			return true;
	return count == 0;
}

static bool is_dhcp(const struct signal *s)
{
	return s->protocol == SIGNAL_DHCPV4 || s->protocol == SIGNAL_DHCPV6;
}

// A request may go to whatever server there is. What it shows counts with the answer, which names one.
static bool names_no_server(const struct signal *s)
{
	return is_dhcp(s) && s->authority.family == 0 &&
	       (s->change == CHANGE_PENDING || s->change == CHANGE_NONE);
}

static bool believes(const struct binding_source *source, const struct signal *s)
{
	const struct address *authority = &s->authority, *peer = &s->peer;
	if (authority->family == 0 && !names_no_server(s))
		return false;
	if (is_dhcp(s))
		return (authority->family == 0 ||
			       covers(source->servers, source->server_count, authority)) &&
		       (peer->family == 0 || covers(source->clients, source->client_count, peer));
	if (s->protocol == SIGNAL_RADIUS)
		return covers(source->clients, source->client_count, authority) &&
		       covers(source->servers, source->server_count, peer);
	return covers(source->clients, source->client_count, authority) &&
	       covers(source->clients, source->client_count, peer);
}

static bool is_here(int point, int vlan, const struct binding_place *place)
{
	return (point == BINDING_ANY || point == place->point) &&
	       (vlan == BINDING_ANY || vlan == place->vlan);
}

enum binding_refusal source_of(const struct bindings *b, const struct signal *s,
	const struct binding_place *place, uint32_t *source)
{
	if (place->user_tunnels)
		return BINDING_IN_TUNNEL;
	enum binding_refusal refusal = BINDING_NO_SOURCE;
	for (size_t i = 0; i < b->source_count; i++) {
		const struct binding_source *candidate = &b->sources[i];
		if (!(candidate->protocols >> s->protocol & 1) ||
			!is_here(candidate->point, candidate->vlan, place))
			continue;
		if (believes(candidate, s)) {
			*source = s->authority.family ? (uint32_t)i : NO_SOURCE;
			return BINDING_TAKEN;
		}
		refusal = BINDING_FOREIGN_AUTHORITY;
	}
	return refusal;
}

uint32_t bindings_instance_of(const struct bindings *b, uint16_t point, uint16_t vlan)
{
	const struct binding_place place = {.point = point, .vlan = vlan};
	for (size_t i = 0; i < b->instance_count; i++)
		if (is_here(b->instances[i].point, b->instances[i].vlan, &place))
			return b->instances[i].instance;
	return 0;
}
