#include <stdlib.h>

#include "sip.h"
#include "target_reading.h"

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
	static const char *const names[DIMENSIONS] = {"address or prefix",
		"port, port range or port list",
		"party, by whatever name (a GTP-C tunnel is one too)", "tunnel of the user plane"};
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

// Attributes whose values many subscribers share, by type: of the NAS, of the service, of what goes on (RFC 2865, 2866, 2868,
// 2869, 3162).
static bool is_attribute_of_all(const struct identifier *party)
{
	static const uint8_t shared[] = {
		4,  // NAS-IP-Address
		5,  // NAS-Port: counted anew by each NAS
		6,  // Service-Type
		7,  // Framed-Protocol
		9,  // Framed-IP-Netmask
		10, // Framed-Routing
		12, // Framed-MTU
		13, // Framed-Compression
		15, // Login-Service
		16, // Login-TCP-Port
		27, // Session-Timeout
		28, // Idle-Timeout
		29, // Termination-Action
		30, // Called-Station-Id: an access point, an APN
		32, // NAS-Identifier
		40, // Acct-Status-Type
		41, // Acct-Delay-Time
		45, // Acct-Authentic
		49, // Acct-Terminate-Cause
		61, // NAS-Port-Type
		62, // Port-Limit
		64, // Tunnel-Type
		65, // Tunnel-Medium-Type
		85, // Acct-Interim-Interval
		95, // NAS-IPv6-Address
	};
	return party->identity_kind == IDENTITY_ATTRIBUTE &&
	       memchr(shared, party->identity.at[0], sizeof shared);
}

// Messages that ask for a tunnel have none yet, and bear 0 (TS 29.060 clause 6, TS 29.274 clause 5.5.2).
static bool is_tunnel_of_all(const struct identifier *party)
{
	static const uint8_t none[4] = {0};
	return party->identity_kind == IDENTITY_GTPC_TUNNEL &&
	       memcmp(party->identity.at, none, sizeof none) == 0;
}

// Why a party is not one subscriber's, and what to do about it; NULL: it is.
static const char *fault_of_party(const struct identifier *party)
{
	if (is_number_of_all(party))
		return "a local number is another subscriber's at every host: write it globally "
		       "with '+', state its phone-context, configure 'numbering', add an address or a "
		       "tunnel";
	if (is_attribute_of_all(party))
		return "attributes of this type are those of many subscribers: order one that names the "
		       "target, add an address or a tunnel";
	if (is_tunnel_of_all(party))
		return "0 stands in the messages of all sessions that have no tunnel yet: add an address";
	return NULL;
}

// Refuses what is wide, or notes it where that is allowed.
static void check_width(struct reading *r, const struct place *place, const struct choice *choice,
	struct task *task)
{
	const struct yaml_node *address = choice->from[DIMENSION_ADDRESS];
	const struct yaml_node *port = choice->from[DIMENSION_PORT];
	const struct yaml_node *party = choice->from[DIMENSION_PARTY];
	if (choice->faulty || choice->from[DIMENSION_TUNNEL])
		return; // a tunnel is one subscriber's, whatever else is said
	const char *fault = party ? fault_of_party(&choice->identifiers[DIMENSION_PARTY]) : NULL;
	bool wide = !address || is_wide(&choice->identifiers[DIMENSION_ADDRESS]);
	task->wide = wide && (party ? fault != NULL : address || port);
	if (!task->wide || r->rules->allow_wide_targets)
		return;
	if (party)
		target_complain(r, party->first->key_mark, X1_TASK_FAILED, place,
			"%s: %s, or set 'targets: allow_wide_targets: yes' in x2tap.yaml",
			party->first->key, fault);
	else if (!address)
		target_complain(r, port->first->key_mark, X1_TASK_FAILED, place,
			"%s alone is everybody's: add an address, a party or a tunnel, or set "
			"'targets: allow_wide_targets: yes' in x2tap.yaml",
			port->first->key);
	else
		target_complain(r, address->first->key_mark, X1_TASK_FAILED, place,
			"%s: a prefix wider than /%u is refused unless 'targets: allow_wide_targets: yes' "
			"is set in x2tap.yaml",
			address->first->key,
			choice->identifiers[DIMENSION_ADDRESS].address.family == 4 ? 16 : 32);
}

static bool is_tcp_port(enum identifier_type type)
{
	return type >= IDENTIFIER_TCP_PORT && type <= IDENTIFIER_TCP_PORT_LIST;
}

// Why a party and another identifier can never hold in one message, or NULL.
static const char *never_with(enum identifier_type party, enum identifier_type other)
{
	if (party == IDENTIFIER_GTPC_TUNNEL_ID && other == IDENTIFIER_GTPU_TUNNEL_ID)
		return "GTP-C does not travel in tunnels of the user plane";
	if (party == IDENTIFIER_GTPC_TUNNEL_ID && is_tcp_port(other))
		return "GTP-C is never sent over TCP";
	if (party == IDENTIFIER_RADIUS_ATTRIBUTE && is_tcp_port(other))
		return "x2tap reads RADIUS over UDP alone";
	return NULL;
}

// An order that could never yield anything is a mistake that nobody would notice.
static void check_combination(struct reading *r, const struct place *place, struct choice *choice)
{
	const struct yaml_node *party = choice->from[DIMENSION_PARTY];
	enum identifier_type type = choice->identifiers[DIMENSION_PARTY].type;
	for (size_t d = 0; party && d < DIMENSIONS; d++) {
		enum identifier_type other = choice->identifiers[d].type;
		const char *why = choice->from[d] ? never_with(type, other) : NULL;
		if (!why)
			continue;
		target_complain(r, party->first->key_mark, X1_UNSUPPORTED_COMBINATION, place,
			"%s and %s: %s, so both never hold at once", identifier_element(type),
			identifier_element(other), why);
		choice->faulty = true;
	}
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
	check_combination(r, &place, &choice);
	check_width(r, &place, &choice, task);
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
	} services[] = {
		{"voice", SERVICE_VOICE}, {"messaging", SERVICE_MESSAGING}, {"data", SERVICE_DATA}};
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		if (is_text(word, services[i].name))
			return (uint8_t)services[i].service;
	return 0;
}

static void read_service(struct reading *r, const struct place *place, const struct yaml_node *word,
	struct task *task)
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

// Parties that only SIP shows: URIs that carry no global number, or state what no other protocol can show.
static bool is_of_sip_alone(const struct identifier *id)
{
	return id->stated || id->identity_kind == IDENTITY_URI ||
	       id->identity_kind == IDENTITY_LOCAL_NUMBER;
}

// Parties that SIP never shows, and that no address is bound to.
static bool is_of_data_alone(const struct identifier *id)
{
	return id->identity_kind == IDENTITY_ATTRIBUTE || id->identity_kind == IDENTITY_GTPC_TUNNEL;
}

// Nor may a list of services leave nothing.
static void check_services(struct reading *r, const struct place *up, const struct yaml_node *map,
	const struct task *task)
{
	const struct yaml_node *list = yaml_get(map, "listOfServiceTypes");
	const struct place place = {up, "listOfServiceTypes", 0, false};
	for (size_t i = 0; i < task->identifier_count; i++) {
		const struct identifier *id = &task->identifiers[i];
		if (task->services == SERVICE_DATA && is_of_sip_alone(id))
			target_complain(r, list->mark, X1_UNSUPPORTED_SERVICE, &place,
				"data alone yields nothing for %s, which only SIP shows: add voice or "
				"messaging, or name the target by a global number without parameters, a user "
				"name, an IMSI, a device, an address or a tunnel",
				identifier_element(id->type));
		else if (task->services && !(task->services & SERVICE_DATA) && is_of_data_alone(id))
			target_complain(r, list->mark, X1_UNSUPPORTED_SERVICE, &place,
				"without data there is nothing for %s, which only RADIUS and GTP-C show: "
				"add data",
				identifier_element(id->type));
	}
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
			destinations_listed(r, place, n, number);
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
	if (r->problems->count == r->problems_before && !r->out_of_memory) {
		task->fingerprint = task_fingerprint(task);
		task->routes = task_routes(r->set, task);
	}
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
		{"destinations", false}, {"destinationSets", false}, {"tasks", true}};
	if (!expect_map(r, NULL, root))
		return;
	check_keys(r, NULL, root, keys, sizeof keys / sizeof *keys);
	const struct yaml_node *format = yaml_get(root, "format");
	const struct yaml_node *ne_identifier = yaml_get(root, "neIdentifier");
	const struct yaml_node *tasks = yaml_get(root, "tasks");
	if (format)
		read_format(r, format);
	if (ne_identifier)
		read_ne_identifier(r, ne_identifier);
	destinations_read(r, yaml_get(root, "destinations"), yaml_get(root, "destinationSets"));
	if (tasks && !r->out_of_memory)
		read_tasks(r, tasks);
}

static void read_document(struct reading *r, const struct yaml_document *document)
{
	r->set = target_set_new();
	r->scratch = malloc(FRAGMENT_MAX);
	r->out_of_memory = !r->set || !r->scratch;
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
