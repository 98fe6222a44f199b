// What one message of RADIUS, DHCP or GTP-C means, in terms that all of them share: whom it shows, what it belongs to, and which
// addresses it gives or takes. The readers (radius_signal.c, dhcp_signal.c, gtp_signal.c) fill it in; the reports of the tasks
// (signal_events.h) and the bindings of all subscribers (lib/binding) are made from it.
//
// A signal owns what it holds but for `octets`, which is a view of the message. No state, no clock: any thread.
#ifndef X2TAP_SIGNALS_H
#define X2TAP_SIGNALS_H

#include "hash.h"
#include "packet.h"
#include "target_table.h"

enum {
	SIGNAL_MAX_NAMES = 24,
	// Identities of subscribers; and attributes and tunnels, which are there only while some task asks for one. They take no
	// room from one another, so that orders decide nothing about bindings and counters that all may see.
	SIGNAL_MAX_SUBSCRIBERS = 64,
	SIGNAL_MAX_ASKED = 192,
	SIGNAL_MAX_SIGHTINGS = SIGNAL_MAX_SUBSCRIBERS + SIGNAL_MAX_ASKED,
	SIGNAL_MAX_LEASES = 16, // addresses and prefixes
};

enum signal_protocol {
	SIGNAL_RADIUS,
	SIGNAL_DHCPV4,
	SIGNAL_DHCPV6,
	SIGNAL_GTPV1C,
	SIGNAL_GTPV2C,
	SIGNAL_PROTOCOLS
};

// What is wrong with a message that is read and reported all the same, as bits.
enum signal_defect {
	SIGNAL_DEFECT_TRUNCATED =
		1,                // it ends inside of an attribute, option or information element
	SIGNAL_DEFECT_LENGTH = 2, // a length that its attribute, option or element cannot have
	SIGNAL_DEFECT_VALUE =
		4, // a value that cannot be (a digit that is none, a prefix of 200 bits)
	SIGNAL_DEFECT_MISSING = 8, // what the message must hold is not there
	SIGNAL_DEFECT_EXCESS = 16, // more than the bounds above
};
enum { SIGNAL_DEFECTS = 5 };
const char *signal_defect_name(unsigned bit); // the counter's: "truncated", ...

// A name under which something goes on: an exchange (request and answers), an accounting session, a lease, a tunnel.
enum signal_name_use {
	NAME_FIND = 1, // the message belongs to what goes on under this name
	NAME_KEEP = 2, // what the message belongs to goes on under this name
	NAME_BEGIN =
		4, // a request begins: what went on under this name is over. With NAME_KEEP, without NAME_FIND
	NAME_EXCHANGE = 8, // of one request and its answers: forgotten after SIGNAL_EXCHANGE_NS
	NAME_REPORTS = 16, // for reports alone: too easily made up to find a binding by it
	NAME_BINDINGS =
		32, // for bindings alone: a lease lasts, what is reported together is a transaction
};
static const uint64_t SIGNAL_EXCHANGE_NS = 60000000000;

enum { SIGNAL_NAME_PARTS = 6, SIGNAL_NAME_MAX = 1024 };
// What kind of name it is: names of different kinds are never equal.
enum signal_name_kind {
	NAME_RADIUS_EXCHANGE, // addresses, ports and scope of the request, Identifier
	NAME_RADIUS_STATE,    // server, State
	NAME_RADIUS_SESSION,  // NAS-Identifier or NAS address, Acct-Session-Id
	NAME_DHCPV4_TRANSACTION,
	NAME_DHCPV4_LEASE,
	NAME_DHCPV6_TRANSACTION,
	NAME_DHCPV6_LEASE,
	NAME_GTP_EXCHANGE,
	NAME_GTP_TUNNEL, // address, control plane TEID
};

struct signal_name {
	struct digest digest; // keyed
	uint8_t use;          // signal_name_use bits
};

// Roles of sightings, below 32. Those up to SIGNAL_ROLE_SUBSCRIBER_LAST name the subscriber and are kept with bindings.
enum signal_role {
	SIGNAL_ROLE_USER,   // RADIUS User-Name
	SIGNAL_ROLE_NUMBER, // MSISDN, Calling-Station-Id
	SIGNAL_ROLE_IMSI,
	SIGNAL_ROLE_IMEI, // 14 digits, or IMEISV
	SIGNAL_ROLE_MAC,  // chaddr, client id, Calling-Station-Id
	SIGNAL_ROLE_SUBSCRIBER_LAST = SIGNAL_ROLE_MAC,
	SIGNAL_ROLE_ATTRIBUTE, // a whole RADIUS attribute
	SIGNAL_ROLE_TUNNEL,    // a TEID of GTP-C
	// What anybody may say of a client beside the address that its messages are told by: reported, but no binding has it.
	SIGNAL_ROLE_CLAIM,
};

// What the message says about addresses.
enum signal_change {
	CHANGE_NONE,    // nothing: it is reported only
	CHANGE_PENDING, // a request: whom it shows counts when it is answered
	CHANGE_BIND, // the subscriber has `leases` from now on; without any, those it had (a renewal, an update)
	CHANGE_RELEASE, // `leases` alone are given back
	CHANGE_END,     // all that goes on under the names is over
	CHANGE_RESTART, // all sessions of `authority` are over (Accounting-On and -Off, a GTP peer that lost its state)
};

struct signal_lease {
	struct address address; // bits behind the prefix are 0
	uint8_t prefix_len;     // 32 or 128 for an address
	uint32_t lifetime_s;    // 0: released; UINT32_MAX: no end known
};

// Where the message goes, as far as the protocol says so for certain.
enum signal_way { SIGNAL_WAY_UNKNOWN, SIGNAL_WAY_FROM_SUBSCRIBER, SIGNAL_WAY_TO_SUBSCRIBER };

struct signal {
	enum signal_protocol protocol;
	struct bytes
		octets; // of the message, without padding: what is reported, where the whole packet is not
	uint32_t defects;     // signal_defect bits
	uint8_t message_type; // as the protocol numbers it
	bool is_answer;
	bool ends; // the session is over when this message has been reported; repetitions belong to it for SIGNAL_EXCHANGE_NS
	uint8_t way; // enum signal_way

	uint32_t name_count;
	struct signal_name names[SIGNAL_MAX_NAMES];
	// FNV-1a 64 of the globally unique name of the session (design: "Correlation id"), never 0; 0: it has none, so a random
	// number stands for it as long as the session lasts.
	uint64_t correlation;

	uint32_t sighting_count, asked_count; // of these, attributes and tunnels
	uint32_t sightings_excess;            // not looked at, counted
	struct sighting sightings[SIGNAL_MAX_SIGHTINGS];

	enum signal_change change;
	uint32_t lease_count;
	struct signal_lease leases[SIGNAL_MAX_LEASES];
	// Who says so: the NAS of an accounting request, the DHCP server, the GTP peer. A session is changed by the authority it
	// began with, or by another whose sources are configured alike (lib/binding). Family 0: nobody.
	struct address authority;
	// The other party that must be of a configured source, where the protocol has one (RADIUS server, relay, GTP peer).
	struct address peer;
	bool has_restart; // GTP Recovery: a higher value than before says that the sender lost all sessions
	uint8_t restart;
};

// What readers are told beside the message.
struct signal_rules {
	struct hash_key key;
	bool wants_attributes; // some task asks for a RADIUS attribute
	bool wants_tunnels;    // some task asks for a GTP-C tunnel
};

// Reads the message that is a datagram's payload. `packet` gives addresses, ports and scope. On PARSE_OK `out` is whole, with
// defects where there are any; else it is nothing of this protocol (PARSE_FOREIGN), or cannot be read.
typedef enum parse_result signal_reader(struct bytes payload, const struct packet *packet,
	const struct signal_rules *rules, struct signal *out);

// Makes `s` empty without touching the room for sightings.
void signal_clear(struct signal *s, enum signal_protocol protocol);
// Makes it empty and leaves nobody's identity or address behind.
void signal_wipe(struct signal *s);

// Adds the name that `parts` make up, in this order; lengths count, so that "ab","c" is not "a","bc". More names than there is
// room for, or a longer one than SIGNAL_NAME_MAX: SIGNAL_DEFECT_EXCESS.
void signal_add_name(struct signal *s, const struct signal_rules *rules, enum signal_name_kind kind,
	uint8_t use, const struct bytes *parts, size_t count);

// Where the next identity of a role goes: fill it in, then signal_commit_sighting(). NULL: no room, counted as excess.
struct identity *signal_next_identity(struct signal *s, enum signal_role role);
void signal_commit_sighting(
	struct signal *s, enum signal_role role); // one that is there already is not added twice

// Adds an address or prefix; bits behind it are cleared. False, and a defect: it cannot be, or there is no room.
bool signal_add_lease(
	struct signal *s, const struct address *address, uint8_t prefix_len, uint32_t lifetime_s);

#endif
