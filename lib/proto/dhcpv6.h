// DHCPv6 messages (RFC 8415) as views into the datagram, through the relays that they came by.
//
// Allocates and copies nothing; results must not outlive the octets. No state: any thread.
#ifndef X2TAP_DHCPV6_H
#define X2TAP_DHCPV6_H

#include "address.h"
#include "dhcp.h"

enum {
	DHCPV6_HOP_COUNT_LIMIT = 8, // RFC 8415 section 7.6
	// Relays that a message can have come by: the first says hop 0, the last the limit. More is DHCP_DEFECT_EXCESS.
	DHCPV6_MAX_RELAYS = DHCPV6_HOP_COUNT_LIMIT + 1,
};
static const uint32_t DHCPV6_INFINITE = UINT32_MAX; // lifetime, RFC 8415 section 7.7

enum dhcpv6_type {
	DHCPV6_SOLICIT = 1,
	DHCPV6_ADVERTISE = 2,
	DHCPV6_REQUEST = 3,
	DHCPV6_CONFIRM = 4,
	DHCPV6_RENEW = 5,
	DHCPV6_REBIND = 6,
	DHCPV6_REPLY = 7,
	DHCPV6_RELEASE = 8,
	DHCPV6_DECLINE = 9,
	DHCPV6_RECONFIGURE = 10,
	DHCPV6_INFORMATION_REQUEST = 11,
	DHCPV6_RELAY_FORWARD = 12,
	DHCPV6_RELAY_REPLY = 13,
	DHCPV6_LEASEQUERY = 14, // RFC 5007
	DHCPV6_LEASEQUERY_REPLY = 15,
	DHCPV6_DHCPV4_QUERY = 20, // RFC 7341
	DHCPV6_DHCPV4_RESPONSE = 21,
	DHCPV6_LAST_TYPE = 37, // ADDR-REG-REPLY, RFC 9686; more is not assigned
};

enum dhcpv6_option_code {
	DHCPV6_CLIENT_ID = 1,
	DHCPV6_SERVER_ID = 2,
	DHCPV6_IA_NA = 3,
	DHCPV6_IA_TA = 4,
	DHCPV6_IA_ADDRESS = 5,
	DHCPV6_RELAY_MESSAGE = 9,
	DHCPV6_STATUS_CODE = 13,
	DHCPV6_RAPID_COMMIT = 14,
	DHCPV6_INTERFACE_ID = 18,
	DHCPV6_IA_PD = 25,
	DHCPV6_IA_PREFIX = 26,
	DHCPV6_REMOTE_ID = 37,     // RFC 4649
	DHCPV6_SUBSCRIBER_ID = 38, // RFC 4580
	DHCPV6_LQ_QUERY = 44,      // RFC 5007
	DHCPV6_CLIENT_DATA = 45,
	DHCPV6_CLIENT_LINK_LAYER = 79, // RFC 6939
	DHCPV6_RADIUS = 81,            // RFC 7037
	DHCPV6_DHCPV4_MESSAGE = 87,    // RFC 7341
};

struct dhcpv6_option {
	uint16_t code;
	struct bytes value;
};

struct dhcpv6_relay {
	uint8_t type; // DHCPV6_RELAY_FORWARD or _REPLY
	uint8_t hop_count;
	struct address link, peer;
	struct bytes options;
};

struct dhcpv6 {
	struct bytes octets; // all of the datagram
	uint8_t relay_count;
	struct dhcpv6_relay relays[DHCPV6_MAX_RELAYS]; // outermost first
	unsigned defects;                              // dhcp_defect bits

	// What client and server say to one another. Not there where relays hold none that can be read.
	bool has_message;
	uint8_t type;
	uint32_t transaction_id; // 24 bits
	struct bytes options;
	struct bytes client_id, server_id; // DUIDs; empty: none
	bool has_rapid_commit;
	uint16_t status; // of the whole message; 0 where it says nothing
};

enum { DHCPV6_SUCCESS = 0, DHCPV6_STATUS_UNREADABLE = UINT16_MAX };

// PARSE_FOREIGN: a message type that is not assigned. PARSE_TRUNCATED: shorter than the header of its type.
enum parse_result dhcpv6_parse(struct bytes payload, struct dhcpv6 *out);

// Walks options. False: nothing is left, or `r` has run over the end of the last one.
bool dhcpv6_option_next(struct reader *r, struct dhcpv6_option *out);

// The value of the first option of this code. False: there is none.
bool dhcpv6_option_find(struct bytes options, uint16_t code, struct bytes *value);

// The status that stands among these options, DHCPV6_SUCCESS where none does (RFC 8415 section 21.13).
uint16_t dhcpv6_status(struct bytes options);

// IA_NA, IA_TA, IA_PD (sections 21.4, 21.5, 21.21).
struct dhcpv6_ia {
	uint16_t code;
	uint32_t iaid;
	uint32_t t1_s, t2_s; // 0 for IA_TA, which has none
	struct bytes options;
};
static inline bool dhcpv6_is_ia(uint16_t code)
{
	return code == DHCPV6_IA_NA || code == DHCPV6_IA_TA || code == DHCPV6_IA_PD;
}
bool dhcpv6_ia_read(const struct dhcpv6_option *option, struct dhcpv6_ia *out); // false: too short

// IA Address, IA Prefix (sections 21.6, 21.22).
struct dhcpv6_lease {
	struct address address;
	uint8_t prefix_len; // as it stands there; 128 for an address
	uint32_t preferred_s, valid_s;
	struct bytes options;
};
static inline uint16_t dhcpv6_lease_code(const struct dhcpv6_ia *ia)
{
	return ia->code == DHCPV6_IA_PD ? DHCPV6_IA_PREFIX : DHCPV6_IA_ADDRESS;
}
bool dhcpv6_lease_read(const struct dhcpv6_option *option, struct dhcpv6_lease *out);

// Remote id (enterprise number and octets) and client link-layer address (hardware type and octets). False: too short.
bool dhcpv6_remote_id_read(struct bytes value, uint32_t *enterprise, struct bytes *remote_id);
bool dhcpv6_link_layer_read(struct bytes value, uint16_t *hardware_type, struct bytes *address);

#endif
