// Tasks and destinations as X1 orders them (TS 103 221-1: TaskDetails, DestinationDetails, annex E: DestinationSetDetails),
// however they came.
//
// A set is built aside, then never changed: any thread may read it while its owner keeps it. It holds target
// identifiers, so target_set_free() wipes it.
#ifndef X2TAP_TASK_H
#define X2TAP_TASK_H

#include "error.h"
#include "identity.h"
#include "packet.h"
#include "uuid.h"
#include "uuid_index.h"

enum identifier_type {
	IDENTIFIER_IPV4_ADDRESS,
	IDENTIFIER_IPV6_ADDRESS,
	IDENTIFIER_IPV4_CIDR,
	IDENTIFIER_IPV6_CIDR,
	IDENTIFIER_TCP_PORT,
	IDENTIFIER_TCP_PORT_RANGE,
	IDENTIFIER_TCP_PORT_LIST,
	IDENTIFIER_UDP_PORT,
	IDENTIFIER_UDP_PORT_RANGE,
	IDENTIFIER_UDP_PORT_LIST,
	IDENTIFIER_SIP_URI,
	IDENTIFIER_TEL_URI,
	IDENTIFIER_E164_NUMBER,
	IDENTIFIER_IMPU,
	IDENTIFIER_IMPI,
	IDENTIFIER_NAI,
	IDENTIFIER_IMSI,
	IDENTIFIER_SUPI_IMSI,
	IDENTIFIER_IMEI,
	IDENTIFIER_PEI_IMEI,
	IDENTIFIER_PEI_IMEISV,
	IDENTIFIER_GPSI_MSISDN,
	IDENTIFIER_MAC_ADDRESS,
	IDENTIFIER_RADIUS_ATTRIBUTE,
	IDENTIFIER_GTPC_TUNNEL_ID,
	IDENTIFIER_GTPU_TUNNEL_ID,
	IDENTIFIER_TYPES
};
const char *identifier_element(enum identifier_type type); // the X1 element name, e.g. "sipUri"

struct port_range {
	uint16_t first, last;
};

// Only the members that belong to the type are set.
struct identifier {
	enum identifier_type type;
	uint8_t prefix_len;
	uint8_t identity_kind; // party identities: enum identity_kind and octets, as in struct identity
	uint16_t port_count;    // ports, ranges and lists: merged, in ascending order
	uint32_t tunnel_id;     // TEID of the user plane; that of the control plane is an identity
	struct address address; // addresses and prefixes
	const char *
		fragment; // the inside of the X1 TargetIdentifier element, as provisioned: attribute 17; NUL-terminated
	const struct port_range *ports;
	struct bytes identity;
	// What a URI target states beyond its identity, and which must then hold too (identity_stated_holds()):
	const struct sip_uri *stated; // NULL: nothing
};

enum {
	TASK_MAX_IDENTIFIERS =
		4, // one address or prefix, one port range or list, one party identity, one tunnel
	DESTINATION_SET_MAX = 16, // members of a Redundant set
};

// What a task may be limited to (X1 listOfServiceTypes), as bits. SIP is voice, messaging or both (sip_services.h). RADIUS, DHCP
// and GTP-C say how somebody gets at packet data: they are SERVICE_DATA whatever the session will carry, so a task for
// voice and messaging alone gets none of them, and one for data alone gets no SIP, not even from an address that is bound
// to its target.
enum service { SERVICE_VOICE = 1, SERVICE_MESSAGING = 2, SERVICE_DATA = 4 };

struct task {
	struct uuid xid;
	struct uuid header_xid; // goes into PDUs: the product id if there is one, else the XID
	bool has_product_id;
	bool implicit_deactivation_allowed; // kept, not used: x2tap never ends a task by itself
	uint8_t identifier_count;           // 1 to TASK_MAX_IDENTIFIERS
	uint8_t services;                   // enum service bits; 0: no list, so all
	bool wide;                          // accepted only because of allow_wide_targets
	uint32_t destination_count;
	const struct identifier *identifiers;
	// Indexes into the set's destinations, each once. A Redundant set stands there as one, a Duplicate set as its members.
	const uint32_t *destinations;
	const char *correlation_id; // digits as ordered, kept, not used; NULL: none

	// What is ordered, in two numbers: of whom and what, and where to. Set by whoever makes the task.
	uint64_t fingerprint, routes;

	// Set by target_set_adopt(). A slot is a small number that a task keeps as long as its XID stays ordered; the
	// generation changes with the fingerprint, so that state of the old order is not used for the new one. Other
	// destinations alone leave it: sessions and numbers go on.
	uint32_t slot, generation;
	// Of each destination, see task_owner(): kept as long as the generation stays and the task names the destination.
	const uint32_t *tickets;
};

// Where IRI go: a destination, or a Redundant set of them.
struct destination {
	struct uuid did;           // DID, or DSID of a Redundant set
	const char *friendly_name; // or NULL
	struct address address;    // not of a set
	uint16_t port;             // not of a set
	uint32_t line;             // in the target file, 0 if it came otherwise
	uint32_t member_count;     // 0: a destination; else a Redundant set
	const uint32_t *members;   // indexes into the set's destinations, most preferred first
};

struct target_set {
	struct task *tasks;
	size_t task_count;
	struct destination *destinations; // as they stand in the file, Redundant sets behind them
	size_t destination_count;
	size_t slot_limit;           // all slots are below this
	const struct task **by_slot; // slot_limit pointers; NULL: free. Set by target_set_adopt()
	struct uuid_index by_xid;    // indexes of tasks. Set by target_set_adopt()
	uint32_t last_generation;    // the highest that was ever given
	uint32_t last_ticket;        // likewise
	void *memory;                // owned blocks, see task.c
};

// NULL with errno.
struct target_set *target_set_new(void);
// Zeroed memory that lives as long as the set, kept out of core dumps; NULL when there is none.
void *target_set_take(struct target_set *set, size_t size);
// The fingerprints of a task that is otherwise complete. The order in which it names its destinations is no part of them; the
// members of Redundant sets are, in their order.
uint64_t task_fingerprint(const struct task *task);
uint64_t task_routes(const struct target_set *set, const struct task *task);

void target_set_free(struct target_set *set); // wipes; NULL does nothing

struct target_changes {
	size_t added, changed, removed, same; // changed: whom, what or where to
};
// Gives the tasks of `fresh` their slots and generations: those of the same XID in `current` (NULL: none) where nothing
// changed keep both, changed ones keep the slot, the rest take free slots. -ENOSPC when more than `capacity` tasks, -ENOMEM.
int target_set_adopt(struct target_set *fresh, const struct target_set *current, uint32_t capacity,
	struct target_changes *changes, struct error *error);

// --- of a set that was adopted

// The task with this XID, or NULL. Constant time.
const struct task *target_set_find(const struct target_set *set, const struct uuid *xid);
// Whether the task names the destination (DID, or DSID of a Redundant set).
bool task_names_destination(
	const struct target_set *set, const struct task *task, const struct uuid *did);
bool task_is_wide(const struct task *task);
// The party that the task is about, as it is compared. False: it names none.
bool task_identity(const struct task *task, struct identity *out);

// Under what a PDU waits that was made for the task's destination `index`: slot and ticket. It may leave as long as
// target_set_owns() says so: until the task ends, is ordered anew or no longer names this destination. What else changes in
// its list of destinations does not matter.
uint64_t task_owner(const struct task *task, uint32_t index);
bool target_set_owns(const struct target_set *set, uint64_t owner);

// Which tasks a fresh set adds ('a'), changes ('c') and removes ('r': the task of `current`) compared with the current one
// (NULL: none).
void target_set_differences(const struct target_set *fresh, const struct target_set *current,
	void (*each)(void *context, char what, const struct task *task), void *context);

#endif
