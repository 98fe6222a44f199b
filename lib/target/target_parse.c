#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "nearest.h"
#include "sip.h"
#include "target_reading.h"

// --- what every part of the pass needs -----------------------------------------------------------------------

static void place_write(struct writer *w, const struct place *place)
{
	if (!place)
		return;
	place_write(w, place->up); // as deep as the file: YAML_MAX_DEPTH
	if (w->len)
		write_u8(w, '.');
	if (place->is_item)
		write_format(w, "%s[%u]", place->name, place->index);
	else
		write_text(w, place->name);
}

void target_complain(struct reading *r, struct yaml_mark at, enum x1_code code,
	const struct place *place, const char *format, ...)
{
	char path[256] = "", message[512];
	struct writer w = writer_of(path, sizeof path - 1);
	place_write(&w, place);
	path[w.len] = '\0';
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	problems_add(r->problems, at, (int)code, "%s%s%s", path, w.len ? ": " : "", message);
	explicit_bzero(message, sizeof message);
}

static const char *kind_name(const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR && node->len == 0)
		return "nothing";
	return node->kind == YAML_SCALAR ? "text" : node->kind == YAML_LIST ? "a list" : "a map";
}

static bool expect(struct reading *r, const struct place *place, const struct yaml_node *node,
	enum yaml_kind kind, const char *wanted)
{
	if (node->kind == kind && !(kind == YAML_SCALAR && node->len == 0))
		return true;
	target_complain(r, node->mark, X1_SYNTAX, place, "%s is expected here, not %s", wanted,
		kind_name(node));
	return false;
}

bool expect_scalar(struct reading *r, const struct place *place, const struct yaml_node *node)
{
	return expect(r, place, node, YAML_SCALAR, "a value");
}

bool expect_list(struct reading *r, const struct place *place, const struct yaml_node *node)
{
	return expect(r, place, node, YAML_LIST, "a list ('- ...' lines, or [...])");
}

bool expect_map(struct reading *r, const struct place *place, const struct yaml_node *node)
{
	return expect(r, place, node, YAML_MAP, "a map ('name: value' lines, or {...})");
}

static const struct key *key_find(const struct key *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

void check_keys(struct reading *r, const struct place *place, const struct yaml_node *map,
	const struct key *keys, size_t count)
{
	for (const struct yaml_node *n = map->first; n; n = n->next) {
		if (key_find(keys, count, n->key))
			continue;
		struct nearest nearest = nearest_to(n->key);
		for (size_t i = 0; i < count; i++)
			nearest_try(&nearest, keys[i].name);
		const char *near = nearest.found;
		target_complain(r, n->key_mark, X1_SYNTAX, place, "unknown key '%.64s'%s%s%s",
			n->key, near ? " (did you mean '" : "", near ? near : "",
			near ? "'?)" : "");
	}
	for (size_t i = 0; i < count; i++)
		if (keys[i].required && !yaml_get(map, keys[i].name))
			target_complain(r, map->mark, X1_SYNTAX, place, "key '%s' is missing",
				keys[i].name);
}

void *take(struct reading *r, size_t size)
{
	void *at = target_set_take(r->set, size);
	r->out_of_memory |= !at;
	return at;
}

void *take_copy(struct reading *r, const void *from, size_t size)
{
	void *copy = take(r, size);
	if (copy && size)
		memcpy(copy, from, size);
	return copy;
}

static bool read_uuid(struct reading *r, const struct place *place, const struct yaml_node *node,
	struct uuid *out)
{
	if (!expect_scalar(r, place, node))
		return false;
	if (uuid_parse(node_text(node), out))
		return true;
	target_complain(r, node->mark, X1_SYNTAX, place,
		"'%.64s' is not a UUID, as in 19867c20-8c94-473e-b9bd-8b72b7b05fd4", node->text);
	return false;
}

static bool is_text(const struct yaml_node *node, const char *text)
{
	return node->kind == YAML_SCALAR && strcmp(node->text, text) == 0;
}

static bool is_one_of(const struct yaml_node *node, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_text(node, texts[i]))
			return true;
	return false;
}

static bool is_delivery_type(
	struct reading *r, const struct place *place, const struct yaml_node *node)
{
	static const char *const types[] = {"X2Only", "X3Only", "X2andX3"};
	if (!expect_scalar(r, place, node))
		return false;
	if (is_one_of(node, types, 3))
		return true;
	target_complain(r, node->mark, X1_SYNTAX, place,
		"'%.64s' is not a delivery type: X2Only, X3Only or X2andX3", node->text);
	return false;
}

// --- destinations --------------------------------------------------------------------------------------------

static void read_ip_address(struct reading *r, const struct place *up, const struct yaml_node *node,
	struct address *out)
{
	const struct place place = {up, "address", 0, false};
	if (!expect_scalar(r, &place, node) || address_parse(node_text(node), out))
		return;
	target_complain(r, node->mark, X1_SYNTAX, &place,
		"'%.64s' is not an IP address (a name will not do, a port is tcpPort)", node->text);
}

static void read_tcp_port(
	struct reading *r, const struct place *up, const struct yaml_node *node, uint16_t *out)
{
	const struct place place = {up, "tcpPort", 0, false};
	struct reader digits =
		reader_of(node->kind == YAML_SCALAR ? node_text(node) : bytes_of(NULL, 0));
	uint32_t port = 0;
	if (!expect_scalar(r, &place, node))
		return;
	while (reader_left(&digits) && port <= UINT16_MAX) {
		uint8_t c = read_u8(&digits);
		port = ascii_is_digit(c) ? port * 10 + (c - '0') : UINT32_MAX / 2;
	}
	if (port < 2 || port > UINT16_MAX)
		target_complain(r, node->mark, X1_SYNTAX, &place,
			"'%.64s' is not a TCP port, 2 to 65535 (X1 knows no TCP port 0 or 1)",
			node->text);
	else
		*out = (uint16_t)port;
}

static void read_address_and_port(struct reading *r, const struct place *up,
	const struct yaml_node *node, struct destination *out)
{
	static const struct key keys[] = {
		{"address", true}, {"tcpPort", false}, {"udpPort", false}};
	const struct place place = {up, "ipAddressAndPort", 0, false};
	if (!expect_map(r, &place, node))
		return;
	check_keys(r, &place, node, keys, 3);
	const struct yaml_node *address = yaml_get(node, "address");
	const struct yaml_node *tcp = yaml_get(node, "tcpPort"), *udp = yaml_get(node, "udpPort");
	if (address)
		read_ip_address(r, &place, address, &out->address);
	if (tcp)
		read_tcp_port(r, &place, tcp, &out->port);
	if (udp)
		target_complain(r, udp->key_mark, X1_UNSUPPORTED_ADDRESS, &place,
			"udpPort: X2 is delivered over TLS on TCP, give a tcpPort");
	else if (!tcp)
		target_complain(
			r, node->mark, X1_UNSUPPORTED_ADDRESS, &place, "key 'tcpPort' is missing");
}

static void read_delivery_address(struct reading *r, const struct place *up,
	const struct yaml_node *node, struct destination *out)
{
	static const struct key keys[] = {{"ipAddressAndPort", false}, {"e164Number", false},
		{"uri", false}, {"emailAddress", false}};
	const struct place place = {up, "deliveryAddress", 0, false};
	if (!expect_map(r, &place, node))
		return;
	check_keys(r, &place, node, keys, 4);
	const struct yaml_node *chosen = yaml_get(node, "ipAddressAndPort");
	if (chosen)
		read_address_and_port(r, &place, chosen, out);
	bool other = false;
	for (size_t i = 1; i < 4; i++) {
		const struct yaml_node *refused = yaml_get(node, keys[i].name);
		other |= refused != NULL;
		if (refused)
			target_complain(r, refused->key_mark, X1_UNSUPPORTED_ADDRESS, &place,
				"%s: X2 is delivered to an ipAddressAndPort with a tcpPort",
				keys[i].name);
	}
	if (!chosen && !other)
		target_complain(r, node->mark, X1_UNSUPPORTED_ADDRESS, &place,
			"key 'ipAddressAndPort' is missing");
}

// A destination with faults keeps its DID, so that tasks which list it are not blamed too.
static void read_did(
	struct reading *r, const struct place *up, const struct yaml_node *node, uint32_t number)
{
	const struct place place = {up, "dId", 0, false};
	struct destination *d = &r->set->destinations[number];
	if (!read_uuid(r, &place, node, &d->did))
		return;
	d->line = node->mark.line;
	uint32_t other = uuid_index_add(&r->dids, &d->did, number);
	if (other != UUID_INDEX_NONE)
		target_complain(r, node->mark, X1_DID_EXISTS, &place,
			"%.64s is already defined at line %u", node->text,
			r->set->destinations[other].line);
}

static void read_destination(
	struct reading *r, const struct place *place, const struct yaml_node *node, uint32_t number)
{
	static const struct key keys[] = {{"dId", true}, {"friendlyName", false},
		{"deliveryType", true}, {"deliveryAddress", true},
		{"destinationDetailsExtensions", false}};
	if (!expect_map(r, place, node))
		return;
	check_keys(r, place, node, keys, sizeof keys / sizeof *keys);

	struct destination *d = &r->set->destinations[number];
	const struct yaml_node *did = yaml_get(node, "dId");
	const struct yaml_node *name = yaml_get(node, "friendlyName");
	const struct yaml_node *type = yaml_get(node, "deliveryType");
	const struct yaml_node *address = yaml_get(node, "deliveryAddress");
	const struct yaml_node *extensions = yaml_get(node, "destinationDetailsExtensions");
	const struct place name_place = {place, "friendlyName", 0, false};
	const struct place type_place = {place, "deliveryType", 0, false};
	if (did)
		read_did(r, place, did, number);
	if (name && expect_scalar(r, &name_place, name))
		d->friendly_name = take_copy(r, name->text, name->len + (size_t)1);
	if (type && is_delivery_type(r, &type_place, type))
		r->x3_only[number] = is_text(type, "X3Only");
	if (address)
		read_delivery_address(r, place, address, d);
	if (extensions)
		target_complain(r, extensions->key_mark, X1_DESTINATION_FAILED, place,
			"destinationDetailsExtensions: not supported by this version");
}

// --- the parts of a task -------------------------------------------------------------------------------------

static void read_xid(
	struct reading *r, const struct place *up, const struct yaml_node *node, uint32_t number)
{
	const struct place place = {up, "xId", 0, false};
	struct task *task = &r->set->tasks[number];
	if (!read_uuid(r, &place, node, &task->xid))
		return;
	r->task_at[number] = node->mark;
	uint32_t other = uuid_index_add(&r->xids, &task->xid, number);
	if (other != UUID_INDEX_NONE)
		target_complain(r, node->mark, X1_XID_EXISTS, &place,
			"%.64s is already defined at line %u", node->text, r->task_at[other].line);
}

// What a task is to match, as far as it is read: one slot for each dimension.
struct choice {
	struct identifier identifiers[DIMENSIONS];
	const struct yaml_node *from[DIMENSIONS]; // NULL: none
	bool faulty;
};

static void choose(struct reading *r, const struct place *place, const struct yaml_node *item,
	const struct identifier *found, struct choice *choice)
{
	static const char *const names[DIMENSIONS] = {
		"address or prefix", "port, port range or port list", "identity of a party",
		"tunnel"};
	enum dimension d = identifier_dimension(found->type);
	if (!choice->from[d]) {
		choice->from[d] = item;
		choice->identifiers[d] = *found;
		return;
	}
	target_complain(r, item->first->key_mark, X1_UNSUPPORTED_COMBINATION, place,
		"%s and %s: all identifiers of a task must hold at once, and it can have one %s; "
		"alternatives are separate tasks",
		identifier_element(choice->identifiers[d].type), identifier_element(found->type),
		names[d]);
	choice->faulty = true;
}

static bool is_wide(const struct identifier *address)
{
	return address->prefix_len < (address->address.family == 4 ? 16 : 32);
}

// Every exchange has an extension 1001: such a number is one subscriber only where it is said whose number it is.
static bool is_number_of_all(const struct identifier *party)
{
	struct bytes context;
	return party->identity_kind == IDENTITY_LOCAL_NUMBER &&
	       !(party->stated &&
		       sip_parameter(party->stated->parameters, "phone-context", &context) &&
		       context.len > 0);
}

static void check_width(struct reading *r, const struct place *place, const struct choice *choice)
{
	const struct yaml_node *address = choice->from[DIMENSION_ADDRESS];
	const struct yaml_node *port = choice->from[DIMENSION_PORT];
	const struct yaml_node *party = choice->from[DIMENSION_PARTY];
	if (choice->faulty || r->rules->allow_wide_targets || choice->from[DIMENSION_TUNNEL])
		return; // a tunnel is one subscriber's, whatever else is said
	bool wide = !address || is_wide(&choice->identifiers[DIMENSION_ADDRESS]);
	if (party && wide && is_number_of_all(&choice->identifiers[DIMENSION_PARTY]))
		target_complain(r, party->first->key_mark, X1_TASK_FAILED, place,
			"%s: a local number is another subscriber's at every host: write it globally "
			"with '+', state its phone-context, configure 'numbering', add an address or a "
			"tunnel, or set 'targets: allow_wide_targets: yes' in x2tap.yaml",
			party->first->key);
	if (party)
		return;
	if (port && !address)
		target_complain(r, port->first->key_mark, X1_TASK_FAILED, place,
			"%s alone is everybody's: add an address, a party or a tunnel, or set "
			"'targets: allow_wide_targets: yes' in x2tap.yaml",
			port->first->key);
	else if (address && is_wide(&choice->identifiers[DIMENSION_ADDRESS]))
		target_complain(r, address->first->key_mark, X1_TASK_FAILED, place,
			"%s: a prefix wider than /%u is refused unless 'targets: allow_wide_targets: yes' "
			"is set in x2tap.yaml",
			address->first->key,
			choice->identifiers[DIMENSION_ADDRESS].address.family == 4 ? 16 : 32);
}

static void keep_choice(struct reading *r, const struct choice *choice, struct task *task)
{
	struct identifier kept[DIMENSIONS];
	task->identifier_count = 0; // a key that stands twice is complained of, and read twice
	for (size_t d = 0; d < DIMENSIONS; d++)
		if (choice->from[d])
			kept[task->identifier_count++] = choice->identifiers[d];
	task->identifiers = take_copy(r, kept, task->identifier_count * sizeof *kept);
}

static void read_identifiers(
	struct reading *r, const struct place *up, const struct yaml_node *list, struct task *task)
{
	struct place place = {up, "targetIdentifiers", 0, false};
	if (!expect_list(r, &place, list))
		return;
	if (list->len == 0)
		target_complain(
			r, list->mark, X1_SYNTAX, &place, "must name at least one identifier");
	struct choice choice = {.faulty = false};
	place.is_item = true;
	for (const struct yaml_node *n = list->first; n; n = n->next, place.index++) {
		struct identifier found;
		if (identifier_read(r, &place, n, &found))
			choose(r, &place, n, &found, &choice);
		else
			choice.faulty = true;
	}
	place.is_item = false;
	check_width(r, &place, &choice);
	if (!choice.faulty)
		keep_choice(r, &choice, task);
}

static void read_task_delivery_type(
	struct reading *r, const struct place *up, const struct yaml_node *node)
{
	const struct place place = {up, "deliveryType", 0, false};
	if (is_delivery_type(r, &place, node) && !is_text(node, "X2Only"))
		target_complain(r, node->mark, X1_TASK_FAILED, &place,
			"%s: x2tap delivers IRI over X2 only, never content: order X2Only",
			node->text);
}

// The number of the destination that a member of listOfDIDs names, or UUID_INDEX_NONE.
static uint32_t read_listed_did(struct reading *r, const struct place *place,
	const struct yaml_node *node, uint32_t task_number)
{
	struct uuid did;
	if (node->kind == YAML_MAP && yaml_get(node, "dSId")) {
		target_complain(r, node->first->key_mark, X1_NO_SUCH_OBJECT, place,
			"dSId: destination sets are not supported by this version, list the dIds");
		return UUID_INDEX_NONE;
	}
	if (!read_uuid(r, place, node, &did))
		return UUID_INDEX_NONE;
	uint32_t number = uuid_index_find(&r->dids, &did);
	if (number == UUID_INDEX_NONE) {
		target_complain(r, node->mark, X1_NO_SUCH_DID, place,
			"destination %.64s is not defined in this file", node->text);
		return number;
	}
	if (r->listed_by[number] == task_number + 1)
		target_complain(r, node->mark, X1_DELIVERY_AND_DESTINATIONS, place,
			"destination %.64s is listed twice", node->text);
	else if (r->x3_only[number])
		target_complain(r, node->mark, X1_DELIVERY_AND_DESTINATIONS, place,
			"destination %.64s takes X3 only, the task delivers X2", node->text);
	r->listed_by[number] = task_number + 1;
	return number;
}

static void read_listed_dids(struct reading *r, const struct place *up,
	const struct yaml_node *list, uint32_t task_number)
{
	struct place place = {up, "listOfDIDs", 0, false};
	struct task *task = &r->set->tasks[task_number];
	if (!expect_list(r, &place, list))
		return;
	if (list->len == 0)
		target_complain(r, list->mark, X1_DELIVERY_AND_DESTINATIONS, &place,
			"must list at least one destination");
	uint32_t *numbers = take(r, list->len * sizeof *numbers);
	place.is_item = true;
	for (const struct yaml_node *n = list->first; n && numbers; n = n->next, place.index++)
		numbers[place.index] = read_listed_did(r, &place, n, task_number);
	task->destinations = numbers;
	task->destination_count = list->len;
}

static void read_product_id(
	struct reading *r, const struct place *up, const struct yaml_node *node, struct task *task)
{
	const struct place place = {up, "productID", 0, false};
	task->has_product_id = read_uuid(r, &place, node, &task->header_xid);
}

static void read_correlation_id(
	struct reading *r, const struct place *up, const struct yaml_node *node, struct task *task)
{
	const struct place place = {up, "correlationID", 0, false};
	if (!expect_scalar(r, &place, node))
		return;
	if (strspn(node->text, "0123456789") == node->len)
		task->correlation_id = take_copy(r, node->text, node->len + (size_t)1);
	else
		target_complain(r, node->mark, X1_SYNTAX, &place,
			"'%.64s' is not a whole number from 0", node->text);
}

static void read_implicit_deactivation(
	struct reading *r, const struct place *up, const struct yaml_node *node, struct task *task)
{
	static const char *const yes[] = {"true", "1", "yes"}, *const no[] = {"false", "0", "no"};
	const struct place place = {up, "implicitDeactivationAllowed", 0, false};
	if (!expect_scalar(r, &place, node))
		return;
	task->implicit_deactivation_allowed = is_one_of(node, yes, 3);
	if (!task->implicit_deactivation_allowed && !is_one_of(node, no, 3))
		target_complain(r, node->mark, X1_SYNTAX, &place,
			"'%.64s' is neither true nor false", node->text);
}

static uint8_t service_of(const struct yaml_node *word)
{
	static const struct {
		const char *name;
		enum service service;
	} services[] = {{"voice", SERVICE_VOICE}, {"messaging", SERVICE_MESSAGING},
		{"data", SERVICE_DATA}};
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		if (is_text(word, services[i].name))
			return (uint8_t)services[i].service;
	return 0;
}

static void read_service(struct reading *r, const struct place *place,
	const struct yaml_node *word, struct task *task)
{
	if (!expect_scalar(r, place, word))
		return;
	uint8_t service = service_of(word);
	if (!service)
		target_complain(r, word->mark, X1_UNSUPPORTED_SERVICE, place,
			"'%.64s' is not a service that x2tap supports: voice, messaging or data",
			word->text);
	else if (task->services & service)
		target_complain(r, word->mark, X1_SYNTAX, place, "%s is listed twice", word->text);
	task->services |= service;
}

static void read_services(
	struct reading *r, const struct place *up, const struct yaml_node *list, struct task *task)
{
	struct place place = {up, "listOfServiceTypes", 0, false};
	if (!expect_list(r, &place, list))
		return;
	task->services = 0;
	if (list->len == 0)
		target_complain(r, list->mark, X1_SYNTAX, &place,
			"must list at least one service: without the list a task is for all");
	place.is_item = true;
	for (const struct yaml_node *n = list->first; n; n = n->next, place.index++)
		read_service(r, &place, n, task);
}

// Parties that only SIP shows. User names and numbers of tunnels stand elsewhere too.
static bool is_of_sip_alone(enum identifier_type type)
{
	return type == IDENTIFIER_SIP_URI || type == IDENTIFIER_TEL_URI ||
	       type == IDENTIFIER_E164_NUMBER || type == IDENTIFIER_IMPU;
}

// An order that could never yield anything is a mistake that nobody would notice.
static void check_services(struct reading *r, const struct place *up, const struct yaml_node *map,
	const struct task *task)
{
	const struct yaml_node *list = yaml_get(map, "listOfServiceTypes");
	const struct place place = {up, "listOfServiceTypes", 0, false};
	if (task->services != SERVICE_DATA)
		return;
	for (size_t i = 0; i < task->identifier_count; i++)
		if (is_of_sip_alone(task->identifiers[i].type))
			target_complain(r, list->mark, X1_UNSUPPORTED_SERVICE, &place,
				"data alone yields nothing for %s, which only SIP shows: add voice or "
				"messaging, or name the target by an address, a tunnel, impi or nai",
				identifier_element(task->identifiers[i].type));
}

// Parts of X1's TaskDetails that would promise what x2tap does not do.
static void refuse_parts(struct reading *r, const struct place *place, const struct yaml_node *map)
{
	static const struct {
		const char *name;
		enum x1_code code;
		const char *why;
	} refused[] = {
		{"listOfMediationDetails", X1_TASK_FAILED,
			"is for mediation functions; x2tap keeps no time window, the task ends when it is "
			"taken out"},
		{"taskDetailsExtensions", X1_TASK_FAILED, "not supported by this version"},
		{"listOfTrafficPolicyReferences", X1_NO_SUCH_OBJECT,
			"x2tap holds no policy objects"},
		{"listOfIRIPolicyReferences", X1_NO_SUCH_OBJECT, "x2tap holds no policy objects"},
	};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		const struct yaml_node *n = yaml_get(map, refused[i].name);
		if (n)
			target_complain(r, n->key_mark, refused[i].code, place, "%s: %s",
				refused[i].name, refused[i].why);
	}
}

static void read_task_parts(
	struct reading *r, const struct place *place, const struct yaml_node *map, uint32_t number)
{
	struct task *task = &r->set->tasks[number];
	for (const struct yaml_node *n = map->first; n; n = n->next) {
		if (strcmp(n->key, "xId") == 0)
			read_xid(r, place, n, number);
		else if (strcmp(n->key, "targetIdentifiers") == 0)
			read_identifiers(r, place, n, task);
		else if (strcmp(n->key, "deliveryType") == 0)
			read_task_delivery_type(r, place, n);
		else if (strcmp(n->key, "listOfDIDs") == 0)
			read_listed_dids(r, place, n, number);
		else if (strcmp(n->key, "productID") == 0)
			read_product_id(r, place, n, task);
		else if (strcmp(n->key, "correlationID") == 0)
			read_correlation_id(r, place, n, task);
		else if (strcmp(n->key, "implicitDeactivationAllowed") == 0)
			read_implicit_deactivation(r, place, n, task);
		else if (strcmp(n->key, "listOfServiceTypes") == 0)
			read_services(r, place, n, task);
	}
	check_services(r, place, map, task);
	refuse_parts(r, place, map);
}

static void read_task(
	struct reading *r, const struct place *place, const struct yaml_node *node, uint32_t number)
{
	static const struct key keys[] = {{"xId", true}, {"targetIdentifiers", true},
		{"deliveryType", true}, {"listOfDIDs", true}, {"listOfMediationDetails", false},
		{"correlationID", false}, {"implicitDeactivationAllowed", false},
		{"productID", false}, {"listOfServiceTypes", false},
		{"taskDetailsExtensions", false}, {"listOfTrafficPolicyReferences", false},
		{"listOfIRIPolicyReferences", false}};
	if (!expect_map(r, place, node))
		return;
	check_keys(r, place, node, keys, sizeof keys / sizeof *keys);
	read_task_parts(r, place, node, number);

	struct task *task = &r->set->tasks[number];
	if (!task->has_product_id)
		task->header_xid = task->xid;
	if (r->problems->count == r->problems_before && !r->out_of_memory)
		task->fingerprint = task_fingerprint(r->set, task);
}

// --- the file ------------------------------------------------------------------------------------------------

static void read_format(struct reading *r, const struct yaml_node *node)
{
	const struct place place = {NULL, "format", 0, false};
	if (expect_scalar(r, &place, node) && !is_text(node, "1"))
		target_complain(r, node->mark, X1_SYNTAX, &place,
			"'%.64s' is not a format this version knows: 1", node->text);
}

static void read_ne_identifier(struct reading *r, const struct yaml_node *node)
{
	const struct place place = {NULL, "neIdentifier", 0, false};
	const char *ours = r->rules->ne_identifier;
	if (expect_scalar(r, &place, node) && ours && !is_text(node, ours))
		target_complain(r, node->mark, X1_OTHER_NE, &place,
			"this file is for '%.64s', this network element is '%.64s'", node->text,
			ours);
}

typedef void item_reader(
	struct reading *, const struct place *, const struct yaml_node *, uint32_t number);

static void read_items(
	struct reading *r, const char *name, const struct yaml_node *list, item_reader *read)
{
	struct place place = {NULL, name, 0, true};
	for (const struct yaml_node *n = list->first; n && !r->out_of_memory;
		n = n->next, place.index++)
		read(r, &place, n, place.index);
}

static void read_destinations(struct reading *r, const struct yaml_node *list)
{
	const struct place place = {NULL, "destinations", 0, false};
	if (list->kind == YAML_SCALAR && list->len == 0)
		return; // "destinations:" and nothing below it
	if (!expect_list(r, &place, list))
		return;
	r->set->destinations = take(r, list->len * sizeof *r->set->destinations);
	r->x3_only = take(r, list->len * sizeof *r->x3_only);
	r->listed_by = take(r, list->len * sizeof *r->listed_by);
	uuid_index_fini(&r->dids);
	r->out_of_memory |= !uuid_index_init(&r->dids, list->len);
	r->set->destination_count = list->len;
	read_items(r, place.name, list, read_destination);
}

static void read_tasks(struct reading *r, const struct yaml_node *list)
{
	const struct place place = {NULL, "tasks", 0, false};
	if (!expect_list(r, &place, list))
		return;
	if (list->len > r->rules->capacity) {
		target_complain(r, list->mark, X1_TASK_FAILED, &place,
			"%u tasks are more than the %zu for which x2tap has room: raise targets.capacity in x2tap.yaml",
			list->len, r->rules->capacity);
		return;
	}
	r->set->tasks = take(r, list->len * sizeof *r->set->tasks);
	r->task_at = calloc(list->len + (size_t)1, sizeof *r->task_at);
	r->out_of_memory |= !r->task_at || !uuid_index_init(&r->xids, list->len);
	r->set->task_count = list->len;
	read_items(r, place.name, list, read_task);
}

// Destinations before tasks, wherever they stand: tasks refer to them. Problems are put in order by problems_add().
static void read_file(struct reading *r, const struct yaml_node *root)
{
	static const struct key keys[] = {{"format", true}, {"neIdentifier", false},
		{"destinations", false}, {"tasks", true}};
	if (!expect_map(r, NULL, root))
		return;
	check_keys(r, NULL, root, keys, 4);
	const struct yaml_node *format = yaml_get(root, "format");
	const struct yaml_node *ne_identifier = yaml_get(root, "neIdentifier");
	const struct yaml_node *destinations = yaml_get(root, "destinations");
	const struct yaml_node *tasks = yaml_get(root, "tasks");
	if (format)
		read_format(r, format);
	if (ne_identifier)
		read_ne_identifier(r, ne_identifier);
	if (destinations)
		read_destinations(r, destinations);
	if (tasks)
		read_tasks(r, tasks);
}

static void read_document(struct reading *r, const struct yaml_document *document)
{
	r->set = target_set_new();
	r->scratch = malloc(FRAGMENT_MAX);
	r->out_of_memory = !r->set || !r->scratch || !uuid_index_init(&r->dids, 0);
	if (!r->out_of_memory)
		read_file(r, yaml_root(document));
	if (r->out_of_memory)
		problems_add(r->problems, (struct yaml_mark){0}, 0, "out of memory");
	if (r->scratch)
		explicit_bzero(r->scratch, FRAGMENT_MAX);
	free(r->scratch);
	free(r->task_at);
	uuid_index_fini(&r->dids);
	uuid_index_fini(&r->xids);
}

struct target_set *target_file_parse(
	struct bytes text, const struct target_rules *rules, struct problems *problems)
{
	struct reading r = {
		.rules = rules, .problems = problems, .problems_before = problems->count};
	struct yaml_document *document = yaml_parse(text, problems);
	if (!document)
		return NULL;
	read_document(&r, document);
	yaml_free(document);
	if (problems->count == r.problems_before)
		return r.set;
	target_set_free(r.set);
	return NULL;
}
