// DHCPv4 messages (RFC 2131, 2132), and the BOOTP messages that they grew from (RFC 951), as views into the datagram.
//
// Allocates and copies nothing but an option that comes in parts (RFC 3396), and that into the caller's room. Results must
// not outlive the octets. No state: any thread.
#ifndef X2TAP_DHCPV4_H
#define X2TAP_DHCPV4_H

#include "address.h"
#include "dhcp.h"

enum {
	DHCPV4_MIN_LEN = 240, // fixed fields and the magic cookie, octets
	DHCPV4_MAX_CHADDR = 16,
	DHCPV4_MAX_PARTS = 8, // of one option: more is DHCP_DEFECT_EXCESS, and not read
	DHCPV4_MAX_PART = 255,
};
static const uint32_t DHCPV4_COOKIE = 0x63825363;   // RFC 2131 section 3
static const uint32_t DHCPV4_INFINITE = UINT32_MAX; // lease time, RFC 2131 section 3.3

enum dhcpv4_op { BOOTREQUEST = 1, BOOTREPLY = 2 };

// Option 53.
enum dhcpv4_message_type {
	DHCPV4_BOOTP = 0, // there is no such option
	DHCPV4_DISCOVER = 1,
	DHCPV4_OFFER = 2,
	DHCPV4_REQUEST = 3,
	DHCPV4_DECLINE = 4,
	DHCPV4_ACK = 5,
	DHCPV4_NAK = 6,
	DHCPV4_RELEASE = 7,
	DHCPV4_INFORM = 8,
	DHCPV4_FORCERENEW = 9,  // RFC 3203
	DHCPV4_LEASEQUERY = 10, // RFC 4388
	DHCPV4_LEASEUNASSIGNED = 11,
	DHCPV4_LEASEUNKNOWN = 12,
	DHCPV4_LEASEACTIVE = 13,
};

// The options that are read, by their place in struct dhcpv4; their codes stand in dhcpv4.c.
enum dhcpv4_option_name {
	DHCPV4_REQUESTED_ADDRESS, // 50
	DHCPV4_LEASE_TIME,        // 51
	DHCPV4_OVERLOAD,          // 52
	DHCPV4_MESSAGE_TYPE,      // 53
	DHCPV4_SERVER_ID,         // 54
	DHCPV4_CLIENT_ID,         // 61
	DHCPV4_RAPID_COMMIT,      // 80, RFC 4039
	DHCPV4_AGENT_INFORMATION, // 82, RFC 3046
	DHCPV4_PORT_PARAMETERS, // 159, RFC 7618: the address is shared, and a range of ports the client's
	DHCPV4_OPTIONS
};

// Sub-options of option 82.
enum dhcpv4_agent_code {
	DHCPV4_AGENT_CIRCUIT_ID = 1,
	DHCPV4_AGENT_REMOTE_ID = 2,
	DHCPV4_AGENT_LINK_SELECTION = 5, // RFC 3527
	DHCPV4_AGENT_SUBSCRIBER_ID = 6,  // RFC 3993
	DHCPV4_AGENT_RADIUS = 7,         // RFC 4014: attributes
};

struct dhcpv4_option {
	uint8_t part_count; // 0: the message has no such option
	struct bytes parts[DHCPV4_MAX_PARTS];
};

// Room for an option that comes in parts.
struct dhcpv4_room {
	uint8_t octets[DHCPV4_MAX_PARTS * DHCPV4_MAX_PART];
};

struct dhcpv4 {
	struct bytes octets; // all of the datagram: what follows option End are options Pad
	uint8_t op, htype, hops;
	uint32_t xid;
	struct address ciaddr, yiaddr, siaddr, giaddr; // 0.0.0.0: not filled in
	struct bytes chaddr;                           // hlen octets, 16 where it says more
	unsigned defects;                              // dhcp_defect bits

	uint8_t message_type;
	bool is_bootp; // no option 53, and none that could not be read
	bool has_lease_time;
	uint32_t lease_time_s;               // DHCPV4_INFINITE: no end
	struct address requested, server_id; // family 0: none
	struct dhcpv4_option options[DHCPV4_OPTIONS];
};

// Parts of one option are put together in the order options, file, sname (RFC 3396 section 5; the latter two where option 52
// says so). An option of fixed length that is there twice counts as the first says: DHCP_DEFECT_LENGTH.
//
// PARSE_FOREIGN: neither request nor reply, or no magic cookie. PARSE_TRUNCATED: too short for one.
enum parse_result dhcpv4_parse(struct bytes payload, struct dhcpv4 *out);

// The value of an option: a view of the message, or of `room` if it comes in parts. Empty if there is none.
struct bytes dhcpv4_option(
	const struct dhcpv4 *m, enum dhcpv4_option_name name, struct dhcpv4_room *room);

static inline bool dhcpv4_address_is_set(const struct address *a)
{
	return a->family == 4 && (a->octets[0] | a->octets[1] | a->octets[2] | a->octets[3]);
}

// A client identifier that is made of IAID and DUID (RFC 4361 section 6.1). False: it is another kind.
bool dhcpv4_client_duid(struct bytes client_id, uint32_t *iaid, struct bytes *duid);

#endif
