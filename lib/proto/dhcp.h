// What DHCPv4 and DHCPv6 share: what can be wrong with a message, and the DHCP unique identifier (DUID) of a client.
// Pure functions on views. No state: any thread.
#ifndef X2TAP_DHCP_H
#define X2TAP_DHCP_H

#include "bytes.h"

// As bits; the message is read and reported all the same.
enum dhcp_defect {
	DHCP_DEFECT_TRUNCATED = 1, // it ends inside of an option
	DHCP_DEFECT_LENGTH = 2,    // a length that an option cannot have
	DHCP_DEFECT_VALUE = 4,     // a value that cannot be, or not there
	DHCP_DEFECT_MISSING = 8,   // what must be there is not
	DHCP_DEFECT_EXCESS = 16,   // more than the bounds of the parser
};

enum { DHCP_HARDWARE_ETHERNET = 1 }; // of the hardware types of ARP (RFC 826)
enum { DHCP_MAC_LEN = 6 };

// RFC 8415 section 11; in DHCPv4 behind the IAID of a client identifier (RFC 4361).
enum dhcp_duid_type { DUID_LLT = 1, DUID_EN = 2, DUID_LL = 3, DUID_UUID = 4 }; // 4: RFC 6355
enum { DUID_MIN_LEN = 3, DUID_MAX_LEN = 130 }; // octets, the type included

struct dhcp_duid {
	uint16_t type;                   // others than those above are read too
	uint16_t hardware_type;          // of DUID_LLT and DUID_LL, else 0
	struct bytes link_layer_address; // then, else empty
};

// PARSE_TRUNCATED: too short for its type. PARSE_MALFORMED: longer than a DUID can be.
enum parse_result dhcp_duid_parse(struct bytes octets, struct dhcp_duid *out);

// Octets of code, length and value, one each: the sub-options of option 82 (RFC 3046). False: nothing is left, or `r` has
// run over the end of the last one.
bool dhcp_sub_option_next(struct reader *r, uint8_t *code, struct bytes *value);

#endif
