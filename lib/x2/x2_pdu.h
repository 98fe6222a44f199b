// X2 PDUs (ETSI TS 103 221-2 clause 5): encoding. The decoder that checks it stands in lib/mf, written apart.
//
// No state, no allocation: any thread.
#ifndef X2TAP_X2_PDU_H
#define X2TAP_X2_PDU_H

#include "bytes.h"
#include "uuid.h"

enum { X2_HEADER_LEN = 40, X2_KEEPALIVE_LEN = 48 };

enum x2_pdu_type {
	X2_PDU_X2 = 1,
	X2_PDU_X3 = 2,
	X2_PDU_KEEPALIVE = 3,
	X2_PDU_KEEPALIVE_ACK = 4
}; // table 5.2.2-1

enum x2_payload_format { // table 5.4.1-1, those that X2 may carry and x2tap sends or will send
	X2_FORMAT_KEEPALIVE = 0,
	X2_FORMAT_33128 = 2,
	X2_FORMAT_PROPRIETARY = 4,
	X2_FORMAT_IPV4 = 5,
	X2_FORMAT_IPV6 = 6,
	X2_FORMAT_SIP = 9,
	X2_FORMAT_DHCP = 10,
	X2_FORMAT_RADIUS = 11,
};

enum x2_direction { // table 5.2.6-1
	X2_DIRECTION_KEEPALIVE = 0,
	X2_DIRECTION_UNKNOWN = 1,
	X2_DIRECTION_TO_TARGET = 2,
	X2_DIRECTION_FROM_TARGET = 3,
	X2_DIRECTION_SEVERAL = 4,
	X2_DIRECTION_NOT_APPLICABLE = 5,
};

enum x2_attribute { // table 5.3.1-2
	X2_ATTRIBUTE_DID = 5,
	X2_ATTRIBUTE_NFID = 6,
	X2_ATTRIBUTE_IPID = 7,
	X2_ATTRIBUTE_SEQUENCE = 8,
	X2_ATTRIBUTE_TIMESTAMP = 9,
	X2_ATTRIBUTE_SOURCE_IPV4 = 10,
	X2_ATTRIBUTE_DESTINATION_IPV4 = 11,
	X2_ATTRIBUTE_SOURCE_IPV6 = 12,
	X2_ATTRIBUTE_DESTINATION_IPV6 = 13,
	X2_ATTRIBUTE_SOURCE_PORT = 14,
	X2_ATTRIBUTE_DESTINATION_PORT = 15,
	X2_ATTRIBUTE_IP_PROTOCOL = 16,
	X2_ATTRIBUTE_MATCHED_TARGET = 17,
	X2_ATTRIBUTE_OTHER_TARGET = 18,
};

// One X2 PDU. Views are borrowed for the call. `source` and `destination` are both 4 or both 16 octets, or both empty.
struct x2_pdu {
	uint16_t version; // 0x0005, or 0x0006 where the destination wants it
	enum x2_payload_format format;
	enum x2_direction direction;
	struct uuid xid; // the task's XID, or its product id (clause 5.2.7)
	uint64_t correlation;
	struct bytes did; // attribute 5; empty: left out
	struct bytes nfid, ipid;
	uint32_t sequence;
	uint64_t time_ns; // since 1970 (UTC)
	struct bytes source, destination;
	bool has_ports;
	uint16_t source_port, destination_port;
	bool has_protocol;
	uint8_t protocol;
	const struct bytes *matched; // attribute 17: X1 fragments such as <sipUri>sip:a@b</sipUri>
	size_t matched_count;
	const struct bytes *other; // attribute 18
	size_t other_count;
	struct bytes payload;
};

// Octets of the PDU up to the payload, attributes included.
size_t x2_pdu_header_len(const struct x2_pdu *pdu);

// Appends the PDU to `w` in the attribute order 5, 6, 7, 8, 9, 10/11 or 12/13, 14, 15, 16, 17, 18. 0, -EMSGSIZE when it
// does not fit (w->overflow is set), -EINVAL for addresses of different families or an attribute over 65,535 octets.
int x2_pdu_write(struct writer *w, const struct x2_pdu *pdu);

// A keepalive, X2_KEEPALIVE_LEN octets (clause 5.1, 6.2.4).
void x2_keepalive_write(struct writer *w, uint16_t version, uint32_t sequence);

// What an MF sends back. Consumes one PDU from the front of `stream`: PARSE_OK and *consumed octets, PARSE_TRUNCATED when
// more is needed, PARSE_MALFORMED when the connection must be closed (an MF sends keepalives and their answers, nothing
// longer than `X2_REPLY_MAX`).
enum { X2_REPLY_MAX = 1024 };
struct x2_reply {
	enum x2_pdu_type type; // X2_PDU_KEEPALIVE_ACK, or X2_PDU_KEEPALIVE (answer it)
	bool has_sequence;
	uint32_t sequence;
};
enum parse_result x2_reply_parse(struct bytes stream, struct x2_reply *out, size_t *consumed);
void x2_keepalive_ack_write(struct writer *w, uint16_t version, uint32_t sequence);

// The inside of an X1 TargetIdentifier element (clause 5.3.18): <element>text</element> with &, < and > escaped.
void x2_identifier_write(struct writer *w, const char *element, struct bytes text);

#endif
