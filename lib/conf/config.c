#include "config.h"

#include "config_value.h"
#include "file.h"
#include "nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	MAX_FILE = 1024 * 1024, // octets
	MAX_DEVICES = 2 * CONFIG_MAX_PORTS
};

// Devices named so far, to find one that is used twice.
struct devices {
	const struct yaml_node *at[MAX_DEVICES];
	size_t count;
};

// --- any section ---------------------------------------------------------------------------------------------

// Path of an option in messages: "sip.trust_from", or "nfid" at the top.
static struct where where_in(const struct where *parent, const char *name)
{
	return where_of("%s%s%s", parent->text, parent->text[0] ? "." : "", name);
}

// Defaults are YAML in the table, so they go the way of all values.
static void set_defaults(struct reading *r, enum section_name section, void *base)
{
	size_t count;
	const struct option *o = options_of(section, &count);
	for (size_t i = 0; i < count; i++) {
		if (!o[i].fallback)
			continue;
		struct yaml_document *d = yaml_parse(bytes_of_text(o[i].fallback), r->problems);
		struct where where = where_of("default of %s", o[i].name);
		if (d)
			option_set(r, &o[i], base, yaml_root(d), &where);
		yaml_free(d);
	}
}

static void complain_of_key(struct reading *r, enum section_name section,
	const struct yaml_node *value, const struct where *where)
{
	const char *near = key_nearest(section, value->key);
	if (near) {
		complain(r, value->key_mark, where, "unknown key '%s' (did you mean '%s'?)",
			value->key, near);
		return;
	}
	for (enum section_name s = SECTION_TARGETS; s < SECTIONS; s++)
		if (option_find(s, value->key) || section_find(s, value->key)) {
			char path[64];
			struct writer w = writer_of(path, sizeof path - 1);
			section_path_write(s, &w);
			path[w.len] = '\0';
			complain(r, value->key_mark, where, "unknown key '%s' (it belongs in '%s')",
				value->key, path);
			return;
		}
	complain(r, value->key_mark, where, "unknown key '%s'", value->key);
}

static void require_options(struct reading *r, enum section_name section,
	const struct yaml_node *map, const struct where *where)
{
	size_t count;
	const struct option *o = options_of(section, &count);
	for (size_t i = 0; i < count; i++)
		if (o[i].required && !yaml_get(map, o[i].name)) {
			struct where option = where_in(where, o[i].name);
			char form[256];
			struct writer w = writer_of(form, sizeof form - 1);
			option_describe(&o[i], &w);
			form[w.len] = '\0';
			complain(r, map->mark, &option, "missing, and there is no default (%s)",
				form);
		}
}

// Every value of a map into its field of `base`. Sections within the section and device names within ports are read apart.
static void read_options(struct reading *r, enum section_name section, const struct yaml_node *map,
	void *base, const struct where *where)
{
	for (const struct yaml_node *value = map->first; value; value = value->next) {
		if (section_find(section, value->key))
			continue;
		const struct option *o = option_find(section, value->key);
		struct where option = where_in(where, value->key);
		if (o)
			option_set(r, o, base, value, &option);
		else
			complain_of_key(r, section, value, where);
	}
	require_options(r, section, map, where);
}

static bool check_map(struct reading *r, const struct yaml_node *value, const struct where *where)
{
	if (value->kind != YAML_MAP)
		complain(r, value->mark, where, "must be a map of options (key: value)");
	return value->kind == YAML_MAP;
}

// --- ports ---------------------------------------------------------------------------------------------------

static const char *device_take(struct reading *r, struct devices *devices,
	const struct yaml_node *value, const struct where *where)
{
	const char *name = text_take(r, option_find(SECTION_PORTS, "mirror"), value, where);
	if (!name)
		return NULL;
	for (size_t i = 0; i < devices->count; i++)
		if (strcmp(devices->at[i]->text, value->text) == 0) {
			complain(r, value->mark, where,
				"device '%s' is used twice (first at line %u)", value->text,
				devices->at[i]->mark.line);
			return NULL;
		}
	if (devices->count < MAX_DEVICES)
		devices->at[devices->count++] = value;
	return name;
}

static void read_pair(struct reading *r, struct devices *devices, const struct yaml_node *pair,
	struct config_port *port, const struct where *where)
{
	struct where at = where_in(where, "pair");
	if (pair->kind != YAML_LIST || pair->len != 2) {
		complain(r, pair->mark, &at, "must be a list of two device names, [a, b]");
		return;
	}
	struct where first = where_of("%s[0]", at.text), second = where_of("%s[1]", at.text);
	port->a = device_take(r, devices, pair->first, &first);
	port->b = device_take(r, devices, pair->first->next, &second);
}

static void read_devices(struct reading *r, struct devices *devices, const struct yaml_node *entry,
	struct config_port *port, const struct where *where)
{
	const struct yaml_node *pair = yaml_get(entry, "pair");
	const struct yaml_node *mirror = yaml_get(entry, "mirror");
	if (!pair == !mirror) {
		complain(r, entry->mark, where, "must have either 'pair: [a, b]' or 'mirror: a'");
	} else if (pair) {
		read_pair(r, devices, pair, port, where);
	} else {
		struct where at = where_in(where, "mirror");
		port->a = device_take(r, devices, mirror, &at);
	}
}

static void read_ports(
	struct reading *r, const struct yaml_node *list, const struct config_port *defaults)
{
	struct config *c = r->config;
	struct where where = where_of("ports");
	if (list->kind != YAML_LIST || !list->len || list->len > CONFIG_MAX_PORTS) {
		complain(r, list->mark, &where, "must be a list of 1 to %d entries",
			CONFIG_MAX_PORTS);
		return;
	}
	struct devices devices = {.count = 0};
	unsigned index = 0;
	for (const struct yaml_node *entry = list->first; entry; entry = entry->next, index++) {
		where = where_of("ports[%u]", index);
		if (!check_map(r, entry, &where))
			continue;
		struct config_port *port = &c->ports[c->port_count++];
		*port = *defaults;
		port->mark = entry->mark;
		read_options(r, SECTION_PORTS, entry, port, &where);
		read_devices(r, &devices, entry, port, &where);
	}
}

// --- destinations --------------------------------------------------------------------------------------------

static void check_destination(struct reading *r, const struct yaml_node *map,
	struct config_destination *d, const struct where *where)
{
	const struct yaml_node *redeliver = yaml_get(map, "redeliver");
	struct where at = where_in(where, "redeliver");
	if (!redeliver)
		d->redeliver = d->keepalive;
	else if (d->redeliver && !d->keepalive)
		complain(r, redeliver->mark, &at,
			"needs keepalive: without its answers nothing is known to have arrived");
	if (d->keepalive && d->keepalive_timeout_ms <= d->keepalive_interval_ms)
		complain(r, map->mark, where,
			"keepalive_timeout must be longer than keepalive_interval");
	const struct yaml_node *idle = yaml_get(map, "idle_timeout");
	if (idle && !d->on_demand) {
		at = where_in(where, "idle_timeout");
		complain(r, idle->mark, &at,
			"needs 'connection: on_demand': a permanent connection stays when it is idle");
	}
}

static bool did_take(struct reading *r, const struct yaml_node *map, struct uuid *did)
{
	struct where where = where_of("destinations");
	if (!uuid_parse(bytes_of_text(map->key), did)) {
		complain(r, map->key_mark, &where, "'%s' is not a DID (a UUID)", map->key);
		return false;
	}
	for (size_t i = 0; i < r->config->destination_count; i++)
		if (uuid_equal(did, &r->config->destinations[i].did)) {
			complain(r, map->key_mark, &where,
				"DID %s stands here twice (first at line %u)", map->key,
				r->config->destinations[i].mark.line);
			return false;
		}
	return true;
}

static void read_destinations(struct reading *r, const struct yaml_node *map)
{
	struct config *c = r->config;
	struct where where = where_of("destinations");
	if (!check_map(r, map, &where))
		return;
	if (map->len > CONFIG_MAX_DESTINATIONS) {
		complain(r, map->mark, &where, "holds %u entries, at most %d are possible",
			map->len, CONFIG_MAX_DESTINATIONS);
		return;
	}
	for (const struct yaml_node *entry = map->first; entry; entry = entry->next) {
		where = where_of("destinations.%s", entry->key);
		struct config_destination d = {.mark = entry->key_mark};
		if (!did_take(r, entry, &d.did) || !check_map(r, entry, &where))
			continue;
		set_defaults(r, SECTION_DESTINATIONS, &d);
		read_options(r, SECTION_DESTINATIONS, entry, &d, &where);
		check_destination(r, entry, &d, &where);
		c->destinations[c->destination_count++] = d;
	}
}

// --- bindings ------------------------------------------------------------------------------------------------

static bool is_name_of(const struct config_port *port, const char *name)
{
	return (port->ipid && strcmp(port->ipid, name) == 0) ||
	       (port->a && strcmp(port->a, name) == 0) || (port->b && strcmp(port->b, name) == 0);
}

static const char *port_nearest(const struct config *c, const char *name)
{
	struct nearest nearest = nearest_to(name);
	for (size_t i = 0; i < c->port_count; i++) {
		const char *const names[] = {c->ports[i].ipid, c->ports[i].a, c->ports[i].b};
		for (size_t k = 0; k < 3; k++)
			if (names[k])
				nearest_try(&nearest, names[k]);
	}
	return nearest.found;
}

// The entry of ports that a place names. Devices stand in one entry alone, an IPID may stand in several.
static void place_resolve(struct reading *r, const struct yaml_node *entry,
	struct config_place *place, const struct where *where)
{
	const struct config *c = r->config;
	struct where at = where_in(where, "pair");
	size_t found = 0;
	for (size_t i = 0; place->pair && i < c->port_count; i++)
		if (is_name_of(&c->ports[i], place->pair)) {
			place->point = (int)i;
			found++;
		}
	if (!place->pair || found == 1)
		return;
	struct yaml_mark mark = yaml_get(entry, "pair")->mark;
	const char *near = port_nearest(c, place->pair);
	if (found)
		complain(r, mark, &at,
			"%zu entries of ports have the name '%s': name a device of the one that is meant",
			found, place->pair);
	else
		complain(r, mark, &at, "no entry of ports has this ipid or device%s%s%s",
			near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static bool place_covers(const struct config_place *wide, const struct config_place *narrow)
{
	bool is_known = !wide->pair || wide->point != CONFIG_ANY; // else it was complained of
	return is_known && (wide->point == CONFIG_ANY || wide->point == narrow->point) &&
	       (wide->vlan == CONFIG_ANY || wide->vlan == narrow->vlan);
}

static uint32_t instance_number(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->bindings.instance_count; i++)
		if (strcmp(c->bindings.instances[i].instance, name) == 0)
			return c->bindings.instances[i].instance_number;
	return 0;
}

static const struct config_place anywhere = {.point = CONFIG_ANY, .vlan = CONFIG_ANY};

static void read_instance(
	struct reading *r, const struct yaml_node *entry, const struct where *where)
{
	struct config *c = r->config;
	struct config_binding_instance i = {.mark = entry->mark, .place = anywhere};
	read_options(r, SECTION_BINDING_INSTANCES, entry, &i, where);
	place_resolve(r, entry, &i.place, where);
	if (!i.instance)
		return;
	uint32_t highest = 0;
	for (size_t k = 0; k < c->bindings.instance_count; k++) {
		const struct config_binding_instance *other = &c->bindings.instances[k];
		highest = other->instance_number > highest ? other->instance_number : highest;
		if (place_covers(&other->place, &i.place))
			complain(r, entry->mark, where,
				"is never looked at, for the entry of line %u fits first: put it before that",
				other->mark.line);
	}
	i.instance_number = instance_number(c, i.instance);
	if (!i.instance_number)
		i.instance_number = highest + 1;
	c->bindings.instances[c->bindings.instance_count++] = i;
}

static void source_find_instance(struct reading *r, const struct yaml_node *entry,
	struct config_binding_source *source, const struct where *where)
{
	const struct config *c = r->config;
	if (!source->instance)
		return;
	source->instance_number = instance_number(c, source->instance);
	if (source->instance_number)
		return;
	struct where at = where_in(where, "instance");
	struct nearest nearest = nearest_to(source->instance);
	for (size_t i = 0; i < c->bindings.instance_count; i++)
		nearest_try(&nearest, c->bindings.instances[i].instance);
	complain(r, yaml_get(entry, "instance")->mark, &at,
		"no entry of bindings.instances says where its packets are%s%s%s",
		nearest.found ? " (did you mean '" : "", nearest.found ? nearest.found : "",
		nearest.found ? "'?)" : "");
}

// What keeps a stranger from being believed: where he is heard, or addresses that the protocol has somebody at (RADIUS both, DHCP
// servers, for not all clients come by a relay, GTP peers, which are clients).
static void check_source(struct reading *r, const struct yaml_node *entry,
	const struct config_binding_source *source, const struct where *where)
{
	bool placed = yaml_get(entry, "pair") || yaml_get(entry, "vlan");
	bool servers = yaml_get(entry, "servers"), clients = yaml_get(entry, "clients");
	const struct {
		const char *name, *of_whom;
		enum config_protocol protocol;
		bool narrow;
	} protocols[] = {
		{"radius", ", servers or clients", CONFIG_RADIUS, servers || clients},
		{"dhcp", " or servers", CONFIG_DHCP, servers},
		{"gtp", " or clients", CONFIG_GTP, clients},
	};
	for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
		if (source->protocols & protocols[i].protocol && !placed && !protocols[i].narrow)
			complain(r, entry->mark, where,
				"would believe everybody who speaks %s: say pair, vlan%s",
				protocols[i].name, protocols[i].of_whom);
}

static void read_source(struct reading *r, const struct yaml_node *entry, const struct where *where)
{
	struct config *c = r->config;
	struct config_binding_source source = {.mark = entry->mark, .place = anywhere};
	read_options(r, SECTION_BINDING_SOURCES, entry, &source, where);
	place_resolve(r, entry, &source.place, where);
	source_find_instance(r, entry, &source, where);
	check_source(r, entry, &source, where);
	c->bindings.sources[c->bindings.source_count++] = source;
}

static void read_entries(struct reading *r, const struct yaml_node *section, const char *name,
	unsigned most,
	void (*read)(struct reading *, const struct yaml_node *, const struct where *))
{
	const struct yaml_node *list = yaml_get(section, name);
	struct where where = where_of("%s.%s", section->key, name);
	if (!list)
		return;
	if (list->kind != YAML_LIST || list->len > most) {
		complain(r, list->mark, &where, "must be a list of at most %u entries", most);
		return;
	}
	unsigned index = 0;
	for (const struct yaml_node *entry = list->first; entry; entry = entry->next, index++) {
		where = where_of("%s.%s[%u]", section->key, name, index);
		if (check_map(r, entry, &where))
			read(r, entry, &where);
	}
}

// Ports are known by now; sources name instances.
static void read_binding_lists(struct reading *r, const struct yaml_node *bindings)
{
	read_entries(r, bindings, "instances", CONFIG_MAX_INSTANCES, read_instance);
	read_entries(r, bindings, "sources", CONFIG_MAX_SOURCES, read_source);
}

// --- the file ------------------------------------------------------------------------------------------------

static void read_section(struct reading *r, enum section_name section,
	const struct yaml_node *value, struct config_port *port_defaults)
{
	const struct section *s = section_at(section);
	struct where where = where_of("%s", s->name);
	void *base = section == SECTION_PORT_DEFAULTS ? (void *)port_defaults : (void *)r->config;
	if (section == SECTION_PORTS) {
		read_ports(r, value, port_defaults);
	} else if (section == SECTION_DESTINATIONS) {
		read_destinations(r, value);
	} else if (s->shape == SHAPE_PATH_OR_MAP && value->kind == YAML_SCALAR) {
		size_t count;
		option_set(r, options_of(section, &count), base, value, &where);
	} else if (check_map(r, value, &where)) {
		read_options(r, section, value, base, &where);
		if (section == SECTION_BINDINGS)
			read_binding_lists(r, value);
	}
}

static void check_socket(struct reading *r, const struct yaml_node *root)
{
	const char *path = r->config->control.socket;
	if (!path || strlen(path) < sizeof((struct sockaddr_un *)NULL)->sun_path)
		return;
	const struct yaml_node *control = yaml_get(root, "control");
	const struct yaml_node *value = control ? yaml_get(control, "socket") : NULL;
	struct where where = where_of("control.socket");
	complain(r, value ? value->mark : root->mark, &where,
		"the path of a socket has at most %zu octets, not %zu",
		sizeof((struct sockaddr_un *)NULL)->sun_path - 1, strlen(path));
}

static const struct yaml_node *node_at(
	const struct yaml_node *root, const char *section, const char *name)
{
	const struct yaml_node *map = section ? yaml_get(root, section) : root;
	return map && map->kind == YAML_MAP ? yaml_get(map, name) : NULL;
}

// A file that x2tap writes would destroy whatever else it is said to be. Only equal spellings are found.
static void check_written_files(struct reading *r, const struct yaml_node *root)
{
	const struct config *c = r->config;
	const struct {
		const char *section, *name, *path;
		bool written;
	} files[] = {
		{"targets", "file", c->targets.file, false},
		{"tls", "cert", c->tls.cert, false},
		{"tls", "key", c->tls.key, false},
		{"tls", "ca", c->tls.ca, false},
		{"tls", "crl", c->tls.crl, false},
		{"control", "socket", c->control.socket, false},
		{"spool", "directory", c->spool.directory, false},
		{"spool", "master_key", c->spool.master_key, false},
		{"audit", "hmac_key", c->audit.hmac_key, false},
		{NULL, "journal", c->journal, true},
		{"audit", "file", c->audit.file, true},
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		for (size_t k = 0; files[i].written && files[i].path && k < i; k++) {
			if (!files[k].path || strcmp(files[i].path, files[k].path) != 0)
				continue;
			const struct yaml_node *value =
				node_at(root, files[i].section, files[i].name);
			struct where where =
				where_of("%s%s%s", files[i].section ? files[i].section : "",
					files[i].section ? "." : "", files[i].name);
			complain(r, value ? value->mark : root->mark, &where,
				"x2tap writes this file, it cannot be that of %s%s%s too",
				files[k].section ? files[k].section : "",
				files[k].section ? "." : "", files[k].name);
		}
}

static void check_spool(struct reading *r, const struct yaml_node *root)
{
	const struct yaml_node *spool = yaml_get(root, "spool");
	struct where where = where_of("spool");
	if (spool && spool->kind == YAML_MAP &&
		(uint64_t)r->config->spool.max_mib * 1024 <
			2 * (uint64_t)r->config->spool.segment_kib)
		complain(r, spool->mark, &where, "max_mib must hold two segments of segment_kib");
}

// A port that is in both, or 0, which is in none.
static uint16_t port_of_both(const struct config_ports *a, const struct config_ports *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++)
			if (a->items[i] == b->items[k])
				return a->items[i];
	return 0;
}

// What comes on a port is read as one protocol.
static void check_ports(struct reading *r, const struct yaml_node *root)
{
	const struct config *c = r->config;
	const struct {
		const char *section, *name;
		const struct config_ports *ports;
	} lists[] = {
		{"sip", "ports", &c->sip.ports},
		{"radius", "ports", &c->radius.ports},
		{"dhcp", "v4_ports", &c->dhcp.v4_ports},
		{"dhcp", "v6_ports", &c->dhcp.v6_ports},
		{"gtp", "ports", &c->gtp.ports},
	};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		for (size_t k = 0; k < i; k++) {
			uint16_t port = port_of_both(lists[i].ports, lists[k].ports);
			if (!port)
				continue;
			const struct yaml_node *at = node_at(root, lists[i].section, lists[i].name);
			if (!at)
				at = node_at(root, lists[k].section, lists[k].name);
			struct where where = where_of("%s.%s", lists[i].section, lists[i].name);
			complain(r, at ? at->mark : root->mark, &where,
				"port %u is among %s.%s too", port, lists[k].section,
				lists[k].name);
		}
}

static void read_root(struct reading *r, const struct yaml_node *root)
{
	struct where top = where_of("%s", "");
	struct config_port port_defaults = {0};
	if (!check_map(r, root, &top))
		return;
	set_defaults(r, SECTION_PORT_DEFAULTS, &port_defaults);
	for (enum section_name s = SECTION_TOP; s < SECTIONS; s++)
		if (section_at(s)->shape != SHAPE_BY_DID && section_at(s)->shape != SHAPE_LIST &&
			s != SECTION_PORT_DEFAULTS)
			set_defaults(r, s, r->config);

	read_options(r, SECTION_TOP, root, r->config, &top);
	for (enum section_name s = SECTION_TARGETS; s < SECTIONS; s++) {
		if (section_at(s)->parent != SECTION_TOP)
			continue;
		const struct yaml_node *value = yaml_get(root, section_at(s)->name);
		if (value)
			read_section(r, s, value, &port_defaults);
		else if (section_at(s)->required)
			complain(r, root->mark, &top, "%s: missing, and there is no default",
				section_at(s)->name);
	}
	const struct yaml_node *destinations = yaml_get(root, "destinations");
	if (destinations && destinations->len && !yaml_get(root, "tls"))
		complain(r, destinations->mark, &top,
			"tls: missing, and needed by destinations (cert, key and ca)");
	check_socket(r, root);
	check_written_files(r, root);
	check_spool(r, root);
	check_ports(r, root);
}

// The whole file, or an empty view and a negative errno.
static int read_file(const char *path, struct bytes *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	uint8_t *text = malloc(MAX_FILE + 1);
	ssize_t len = text ? file_read(fd, text, MAX_FILE + 1) : -ENOMEM;
	int error = len < 0 ? (int)len : len > MAX_FILE ? -EFBIG : 0;
	close(fd);
	if (error)
		free(text);
	else
		*out = bytes_of(text, (size_t)len);
	return error;
}

static const char *directory_of(struct reading *r, const char *path)
{
	const char *slash = strrchr(path, '/');
	return config_hold(r, bytes_of(path, slash ? (size_t)(slash - path) + 1 : 0));
}

struct config *config_load(const char *path, struct problems *problems)
{
	struct yaml_mark whole = {0, 0};
	unsigned before = problems->count;
	struct bytes text;
	int result = read_file(path, &text);
	if (result) {
		problems_add(problems, whole, 0, "cannot be read: %s", strerror(-result));
		return NULL;
	}
	struct yaml_document *document = yaml_parse(text, problems);
	struct config *config = document ? calloc(1, sizeof *config) : NULL;
	if (document && !config)
		problems_add(problems, whole, 0, "out of memory");
	if (config) {
		struct reading r = {.config = config, .problems = problems};
		r.directory = directory_of(&r, path);
		if (r.directory)
			read_root(&r, yaml_root(document));
	}
	yaml_free(document);
	free((void *)(uintptr_t)text.at);
	if (problems->count == before)
		return config;
	config_free(config);
	return NULL;
}
