#include "target_reading.h"

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

// --- destination sets ----------------------------------------------------------------------------------------

// A whole number of XML Schema (xs:integer), as far as anybody would count.
static bool read_preference(
	struct reading *r, const struct place *up, const struct yaml_node *node, int32_t *out)
{
	const struct place place = {up, "preference", 0, false};
	if (!expect_scalar(r, &place, node))
		return false;
	const char *digits = node->text + (node->text[0] == '-' || node->text[0] == '+');
	size_t len = strlen(digits);
	int32_t value = 0;
	for (size_t i = 0; i < len && i < 9 && ascii_is_digit((uint8_t)digits[i]); i++)
		value = value * 10 + (digits[i] - '0');
	if (len == 0 || len > 9 || strspn(digits, "0123456789") != len) {
		target_complain(r, node->mark, X1_SYNTAX, &place,
			"'%.64s' is not a whole number of at most nine digits (the smallest comes first)",
			node->text);
		return false;
	}
	*out = node->text[0] == '-' ? -value : value;
	return true;
}

// A member as far as it is read.
struct member {
	uint32_t number; // of the destination
	int32_t preference;
	const struct yaml_node *preferred; // where the preference stands; NULL: nowhere
};

static bool read_member_did(struct reading *r, const struct place *up, const struct yaml_node *node,
	uint32_t set_number, uint32_t *out)
{
	const struct place place = {up, "dId", 0, false};
	struct uuid did;
	if (!read_uuid(r, &place, node, &did))
		return false;
	uint32_t number = uuid_index_find(&r->dids, &did);
	if (number == UUID_INDEX_NONE)
		target_complain(r, node->mark, X1_NO_SUCH_DID, &place,
			"destination %.64s is not defined in this file", node->text);
	else if (number >= r->ordinary_count)
		target_complain(r, node->mark, X1_NO_SUCH_DID, &place,
			"%.64s is a destination set: members are destinations", node->text);
	else if (r->member_of[number] == set_number + 1)
		target_complain(r, node->mark, X1_OBJECT_FAILED, &place,
			"destination %.64s is listed twice", node->text);
	else if (r->x3_only[number])
		target_complain(r, node->mark, X1_DELIVERY_AND_DESTINATIONS, &place,
			"destination %.64s takes X3 only, x2tap delivers X2", node->text);
	if (number >= r->ordinary_count) // UUID_INDEX_NONE too
		return false;
	r->member_of[number] = set_number + 1;
	*out = number;
	return true;
}

static bool read_member(struct reading *r, const struct place *place, const struct yaml_node *node,
	uint32_t set_number, struct member *out)
{
	const bool redundant = r->sets[set_number].redundant;
	const struct key keys[] = {{"dId", true}, {"preference", redundant}};
	if (!expect_map(r, place, node))
		return false;
	check_keys(r, place, node, keys, 2);
	const struct yaml_node *did = yaml_get(node, "dId");
	const struct yaml_node *preference = yaml_get(node, "preference");
	*out = (struct member){.number = UUID_INDEX_NONE};
	if (preference && read_preference(r, place, preference, &out->preference))
		out->preferred = preference;
	return did && read_member_did(r, place, did, set_number, &out->number);
}

// Puts a member of a Redundant set among the others, the smallest preference first.
static void rank_member(struct reading *r, const struct place *up, const struct member *member,
	struct member *members, uint32_t count)
{
	const struct place place = {up, "preference", 0, false};
	uint32_t at = count;
	for (; at > 0 && members[at - 1].preference > member->preference; at--)
		members[at] = members[at - 1];
	members[at] = *member;
	if (at > 0 && member->preferred && members[at - 1].preferred &&
		members[at - 1].preference == member->preference)
		target_complain(r, member->preferred->mark, X1_OBJECT_FAILED, &place,
			"another member of this set has the preference %d already (line %u)",
			member->preference, members[at - 1].preferred->mark.line);
}

static void keep_members(struct reading *r, struct destination_set *set,
	const struct member *members, uint32_t count)
{
	uint32_t *numbers = take(r, count * sizeof *numbers);
	for (uint32_t i = 0; numbers && i < count; i++)
		numbers[i] = members[i].number;
	set->members = numbers;
	set->member_count = numbers ? count : 0;
}

static void read_members(struct reading *r, const struct place *up, const struct yaml_node *list,
	uint32_t set_number)
{
	struct place place = {up, "listOfAssociatedDIDs", 0, false};
	struct destination_set *set = &r->sets[set_number];
	if (!expect_list(r, &place, list))
		return;
	if (list->len == 0)
		target_complain(r, list->mark, X1_OBJECT_FAILED, &place,
			"must list at least one destination");
	if (set->redundant && list->len > DESTINATION_SET_MAX) {
		target_complain(r, list->mark, X1_OBJECT_FAILED, &place,
			"a Redundant set has at most %d destinations, not %u", DESTINATION_SET_MAX,
			list->len);
		return;
	}
	struct member *members = take(r, list->len * sizeof *members), member;
	uint32_t count = 0;
	place.is_item = true;
	for (const struct yaml_node *n = list->first; n && members; n = n->next, place.index++) {
		if (!read_member(r, &place, n, set_number, &member))
			continue;
		if (set->redundant)
			rank_member(r, &place, &member, members, count);
		else
			members[count] = member;
		count++;
	}
	if (members)
		keep_members(r, set, members, count);
}

static uint32_t line_of(const struct reading *r, uint32_t number)
{
	return number < r->ordinary_count ? r->set->destinations[number].line
	                                  : r->sets[number - r->ordinary_count].line;
}

// A set with faults keeps its DSID, as a destination does.
static void read_dsid(struct reading *r, const struct place *up, const struct yaml_node *node,
	uint32_t set_number)
{
	const struct place place = {up, "dSId", 0, false};
	struct destination_set *set = &r->sets[set_number];
	if (!read_uuid(r, &place, node, &set->dsid))
		return;
	set->line = node->mark.line;
	uint32_t other =
		uuid_index_add(&r->dids, &set->dsid, (uint32_t)r->ordinary_count + set_number);
	if (other != UUID_INDEX_NONE)
		target_complain(r, node->mark, X1_OBJECT_EXISTS, &place,
			"%.64s is already defined at line %u", node->text, line_of(r, other));
}

static void read_set_type(struct reading *r, const struct place *up, const struct yaml_node *node,
	uint32_t set_number)
{
	const struct place place = {up, "destinationSetType", 0, false};
	if (!expect_scalar(r, &place, node))
		return;
	r->sets[set_number].redundant = is_text(node, "Redundant");
	if (!r->sets[set_number].redundant && !is_text(node, "Duplicate"))
		target_complain(r, node->mark, X1_SYNTAX, &place,
			"'%.64s' is not a type of destination set: Redundant (the first that answers gets "
			"it) or Duplicate (all get a copy)",
			node->text);
}

// A Redundant set is a destination of its own. A Duplicate one is no more than its members.
static void keep_redundant(
	struct reading *r, const struct destination_set *set, const char *friendly_name)
{
	r->set->destinations[r->set->destination_count++] = (struct destination){
		.did = set->dsid,
		.friendly_name = friendly_name,
		.line = set->line,
		.member_count = set->member_count,
		.members = set->members,
	};
}

static void read_destination_set(
	struct reading *r, const struct place *place, const struct yaml_node *node, uint32_t number)
{
	static const struct key keys[] = {{"dSId", true}, {"friendlyName", false},
		{"destinationSetType", true}, {"listOfAssociatedDIDs", true},
		{"destinationSetDetailsExtension", false}};
	if (!expect_map(r, place, node))
		return;
	check_keys(r, place, node, keys, sizeof keys / sizeof *keys);

	struct destination_set *set = &r->sets[number];
	const struct yaml_node *dsid = yaml_get(node, "dSId");
	const struct yaml_node *name = yaml_get(node, "friendlyName");
	const struct yaml_node *type = yaml_get(node, "destinationSetType");
	const struct yaml_node *members = yaml_get(node, "listOfAssociatedDIDs");
	const struct yaml_node *extension = yaml_get(node, "destinationSetDetailsExtension");
	const struct place name_place = {place, "friendlyName", 0, false};
	const char *friendly_name = NULL;
	if (dsid)
		read_dsid(r, place, dsid, number);
	if (name && expect_scalar(r, &name_place, name))
		friendly_name = take_copy(r, name->text, name->len + (size_t)1);
	if (type)
		read_set_type(r, place, type, number);
	if (members)
		read_members(r, place, members, number);
	if (extension)
		target_complain(r, extension->key_mark, X1_OBJECT_FAILED, place,
			"destinationSetDetailsExtension: not supported by this version");
	set->destination = (uint32_t)r->set->destination_count;
	if (set->redundant)
		keep_redundant(r, set, friendly_name);
}

// --- the two lists of the file -------------------------------------------------------------------------------

// The number of items of a list; 0 also for "destinations:" and nothing below it, and for what is no list (complained of).
static uint32_t count_items(struct reading *r, const char *name, const struct yaml_node *list)
{
	const struct place place = {NULL, name, 0, false};
	if (!list || (list->kind == YAML_SCALAR && list->len == 0) || !expect_list(r, &place, list))
		return 0;
	return list->len;
}

void destinations_read(struct reading *r, const struct yaml_node *destinations,
	const struct yaml_node *destination_sets)
{
	size_t ordinary = count_items(r, "destinations", destinations);
	size_t sets = count_items(r, "destinationSets", destination_sets);
	r->set->destinations = take(r, (ordinary + sets) * sizeof *r->set->destinations);
	r->x3_only = take(r, ordinary * sizeof *r->x3_only);
	r->member_of = take(r, ordinary * sizeof *r->member_of);
	r->named_by = take(r, ordinary * sizeof *r->named_by);
	r->listed_by = take(r, (ordinary + sets) * sizeof *r->listed_by);
	r->sets = take(r, sets * sizeof *r->sets);
	r->out_of_memory |= !uuid_index_init(&r->dids, ordinary + sets);
	if (r->out_of_memory)
		return;
	r->set->destination_count = r->ordinary_count = ordinary;
	if (ordinary)
		read_items(r, "destinations", destinations, read_destination);
	if (sets)
		read_items(r, "destinationSets", destination_sets, read_destination_set);
}

// --- what a task lists of them -------------------------------------------------------------------------------

// What a member of listOfDIDs names, as a number of r->dids; UUID_INDEX_NONE when it was complained of.
static uint32_t read_listed_set(
	struct reading *r, const struct place *up, const struct yaml_node *map)
{
	static const struct key keys[] = {{"dSId", true}};
	const struct place place = {up, "dSId", 0, false};
	struct uuid dsid;
	check_keys(r, up, map, keys, 1);
	const struct yaml_node *node = yaml_get(map, "dSId");
	if (!node || !read_uuid(r, &place, node, &dsid))
		return UUID_INDEX_NONE;
	uint32_t number = uuid_index_find(&r->dids, &dsid);
	if (number == UUID_INDEX_NONE)
		target_complain(r, node->mark, X1_NO_SUCH_OBJECT, &place,
			"destination set %.64s is not defined in this file", node->text);
	else if (number < r->ordinary_count)
		target_complain(r, node->mark, X1_NO_SUCH_OBJECT, &place,
			"%.64s is a destination, not a set: list it without dSId", node->text);
	return number < r->ordinary_count ? UUID_INDEX_NONE : number;
}

static uint32_t read_listed_destination(
	struct reading *r, const struct place *place, const struct yaml_node *node)
{
	struct uuid did;
	if (!read_uuid(r, place, node, &did))
		return UUID_INDEX_NONE;
	uint32_t number = uuid_index_find(&r->dids, &did);
	if (number == UUID_INDEX_NONE)
		target_complain(r, node->mark, X1_NO_SUCH_DID, place,
			"destination %.64s is not defined in this file", node->text);
	else if (number >= r->ordinary_count)
		target_complain(r, node->mark, X1_NO_SUCH_DID, place,
			"%.64s is a destination set: list it as {dSId: %.64s}", node->text,
			node->text);
	return number < r->ordinary_count ? number : UUID_INDEX_NONE;
}

static uint32_t read_listed(struct reading *r, const struct place *place,
	const struct yaml_node *node, uint32_t task_number)
{
	bool is_set = node->kind == YAML_MAP;
	uint32_t number =
		is_set ? read_listed_set(r, place, node) : read_listed_destination(r, place, node);
	if (number == UUID_INDEX_NONE)
		return number;
	const char *text = is_set ? yaml_get(node, "dSId")->text : node->text;
	if (r->listed_by[number] == task_number + 1)
		target_complain(r, node->mark, X1_DELIVERY_AND_DESTINATIONS, place,
			"destination %s%.64s is listed twice", is_set ? "set " : "", text);
	else if (!is_set && r->x3_only[number])
		target_complain(r, node->mark, X1_DELIVERY_AND_DESTINATIONS, place,
			"destination %.64s takes X3 only, the task delivers X2", text);
	r->listed_by[number] = task_number + 1;
	return number;
}

// How many destinations a number of r->dids stands for.
static size_t width_of(const struct reading *r, uint32_t number)
{
	if (number == UUID_INDEX_NONE)
		return 0;
	const struct destination_set *set =
		number < r->ordinary_count ? NULL : &r->sets[number - r->ordinary_count];
	return set && !set->redundant ? set->member_count : 1;
}

// Whether the task has not named the destination yet: directly and by a Duplicate set, or by two of them.
static bool names_first(struct reading *r, uint32_t number, uint32_t task_number)
{
	bool first = r->named_by[number] != task_number + 1;
	r->named_by[number] = task_number + 1;
	return first;
}

// Writes what the task's list stands for: indexes into the set's destinations. Returns how many.
static uint32_t resolve(struct reading *r, const uint32_t *listed, size_t listed_count,
	uint32_t task_number, uint32_t *out)
{
	uint32_t count = 0;
	for (size_t i = 0; i < listed_count; i++) {
		if (listed[i] == UUID_INDEX_NONE)
			continue;
		if (listed[i] < r->ordinary_count) {
			if (names_first(r, listed[i], task_number))
				out[count++] = listed[i];
			continue;
		}
		const struct destination_set *set = &r->sets[listed[i] - r->ordinary_count];
		if (set->redundant)
			out[count++] = set->destination;
		for (uint32_t m = 0; !set->redundant && m < set->member_count; m++)
			if (names_first(r, set->members[m], task_number))
				out[count++] = set->members[m];
	}
	return count;
}

void destinations_listed(struct reading *r, const struct place *up, const struct yaml_node *list,
	uint32_t task_number)
{
	struct place place = {up, "listOfDIDs", 0, false};
	struct task *task = &r->set->tasks[task_number];
	if (!expect_list(r, &place, list))
		return;
	if (list->len == 0)
		target_complain(r, list->mark, X1_DELIVERY_AND_DESTINATIONS, &place,
			"must list at least one destination");
	uint32_t *listed = take(r, list->len * sizeof *listed);
	size_t room = 0;
	place.is_item = true;
	for (const struct yaml_node *n = list->first; n && listed; n = n->next, place.index++) {
		listed[place.index] = read_listed(r, &place, n, task_number);
		room += width_of(r, listed[place.index]);
	}
	uint32_t *numbers = take(r, room * sizeof *numbers);
	if (!listed || !numbers)
		return;
	task->destinations = numbers;
	task->destination_count = resolve(r, listed, list->len, task_number, numbers);
}
