#include "gtpv1c.h"

enum {
	FLAG_PROTOCOL_TYPE = 16, // GTP, not GTP'
	FLAG_EXTENSION = 4,
	FLAG_SEQUENCE = 2,
	FLAG_N_PDU = 1,
	OPTIONAL_LEN =
		4, // sequence number, N-PDU number, next extension header: all of them, for any flag
};

enum gtpc_role gtpv1c_role(uint8_t type)
{
	static const uint8_t roles[256] = {
		[1] = GTPC_REQUEST, // Echo
		[2] = GTPC_ANSWER,
		[3] = GTPC_ANSWER, // Version Not Supported
		[GTPV1C_CREATE_PDP_REQUEST] = GTPC_REQUEST,
		[GTPV1C_CREATE_PDP_RESPONSE] = GTPC_ANSWER,
		[GTPV1C_UPDATE_PDP_REQUEST] = GTPC_REQUEST,
		[GTPV1C_UPDATE_PDP_RESPONSE] = GTPC_ANSWER,
		[GTPV1C_DELETE_PDP_REQUEST] = GTPC_REQUEST,
		[GTPV1C_DELETE_PDP_RESPONSE] = GTPC_ANSWER,
		[22] = GTPC_REQUEST, // Initiate PDP Context Activation
		[23] = GTPC_ANSWER,
		[27] = GTPC_REQUEST, // PDU Notification
		[28] = GTPC_ANSWER,
		[29] = GTPC_REQUEST, // PDU Notification Reject
		[30] = GTPC_ANSWER,
		[31] = GTPC_NOTICE,  // Supported Extension Headers
		[32] = GTPC_REQUEST, // Send Routeing Information for GPRS
		[33] = GTPC_ANSWER,
		[34] = GTPC_REQUEST, // Failure Report
		[35] = GTPC_ANSWER,
		[36] = GTPC_REQUEST, // Note MS GPRS Present
		[37] = GTPC_ANSWER,
		[48] = GTPC_REQUEST, // Identification
		[49] = GTPC_ANSWER,
		[50] = GTPC_REQUEST, // SGSN Context
		[51] = GTPC_ANSWER,
		[52] = GTPC_ACKNOWLEDGE,
		[53] = GTPC_REQUEST, // Forward Relocation
		[54] = GTPC_ANSWER,
		[55] = GTPC_REQUEST, // Forward Relocation Complete; 59 answers
		[56] = GTPC_REQUEST, // Relocation Cancel
		[57] = GTPC_ANSWER,
		[58] = GTPC_REQUEST, // Forward SRNS Context; 60 answers
		[59] = GTPC_ANSWER,
		[60] = GTPC_ANSWER,
		[61] = GTPC_REQUEST, // UE Registration Query
		[62] = GTPC_ANSWER,
		[70] = GTPC_NOTICE,  // RAN Information Relay
		[96] = GTPC_REQUEST, // MBMS Notification
		[97] = GTPC_ANSWER,
		[98] = GTPC_REQUEST, // MBMS Notification Reject
		[99] = GTPC_ANSWER,
		[100] = GTPC_REQUEST, // Create MBMS Context
		[101] = GTPC_ANSWER,
		[102] = GTPC_REQUEST, // Update MBMS Context
		[103] = GTPC_ANSWER,
		[104] = GTPC_REQUEST, // Delete MBMS Context
		[105] = GTPC_ANSWER,
		[112] = GTPC_REQUEST, // MBMS Registration
		[113] = GTPC_ANSWER,
		[114] = GTPC_REQUEST, // MBMS De-Registration
		[115] = GTPC_ANSWER,
		[116] = GTPC_REQUEST, // MBMS Session Start
		[117] = GTPC_ANSWER,
		[118] = GTPC_REQUEST, // MBMS Session Stop
		[119] = GTPC_ANSWER,
		[120] = GTPC_REQUEST, // MBMS Session Update
		[121] = GTPC_ANSWER,
		[128] = GTPC_REQUEST, // MS Info Change Notification
		[129] = GTPC_ANSWER,
	};
	return (enum gtpc_role)roles[type];
}

// Skips extension headers from the next type on: length in units of 4 octets, content, next type (clause 6.1).
static enum parse_result extensions_skip(struct reader *r, uint8_t next)
{
	for (unsigned i = 0; next != 0; i++) {
		if (i == GTPV1C_MAX_EXTENSIONS)
			return PARSE_MALFORMED;
		size_t len = 4 * (size_t)read_u8(r);
		if (r->overrun)
			return PARSE_TRUNCATED;
		if (len == 0)
			return PARSE_MALFORMED;
		read_bytes(r, len - 2);
		next = read_u8(r);
		if (r->overrun)
			return PARSE_TRUNCATED;
	}
	return PARSE_OK;
}

enum parse_result gtpv1c_parse(struct bytes datagram, struct gtpc_message *out)
{
	struct reader r = reader_of(datagram);
	uint8_t flags = read_u8(&r);
	uint8_t type = read_u8(&r);
	size_t length = read_be16(&r);
	uint32_t teid = read_be32(&r);
	if (gtpc_version(datagram) != 1 || !(flags & FLAG_PROTOCOL_TYPE))
		return PARSE_FOREIGN;
	if (r.overrun)
		return PARSE_TRUNCATED;
	if (gtpv1c_role(type) == GTPC_NONE)
		return PARSE_FOREIGN;

	*out = (struct gtpc_message){.type = type,
		.teid = teid,
		.octets = bytes_slice(datagram, 0, GTPV1C_HEADER_LEN + length),
		.rest = bytes_slice(datagram, GTPV1C_HEADER_LEN + length, SIZE_MAX),
		.is_cut = length > reader_left(&r)};
	r = reader_of(bytes_slice(out->octets, GTPV1C_HEADER_LEN, SIZE_MAX));
	if (flags & (FLAG_EXTENSION | FLAG_SEQUENCE | FLAG_N_PDU)) {
		if (length < OPTIONAL_LEN)
			return PARSE_MALFORMED;
		uint16_t sequence = read_be16(&r);
		read_u8(&r); // N-PDU number
		uint8_t next = read_u8(&r);
		if (r.overrun)
			return PARSE_TRUNCATED;
		out->has_sequence = flags & FLAG_SEQUENCE;
		out->sequence = out->has_sequence ? sequence : 0;
		enum parse_result result = extensions_skip(&r, flags & FLAG_EXTENSION ? next : 0);
		if (result == PARSE_TRUNCATED && !out->is_cut)
			return PARSE_MALFORMED;
		if (result != PARSE_OK)
			return result;
	}
	out->elements = bytes_of(r.at, reader_left(&r));
	return PARSE_OK;
}

// The length of an element below 128, whose type alone tells it (clause 7.7, table 37); 0: nobody told.
static uint8_t fixed_len(uint8_t type)
{
	static const uint8_t lengths[128] = {
		[GTPV1C_CAUSE] = 1,
		[GTPV1C_IMSI] = 8,
		[3] = 6,  // Routeing Area Identity
		[4] = 4,  // TLLI
		[5] = 4,  // P-TMSI
		[8] = 1,  // Reordering Required
		[9] = 28, // Authentication Triplet
		[11] = 1, // MAP Cause
		[12] = 3, // P-TMSI Signature
		[13] = 1, // MS Validated
		[GTPV1C_RECOVERY] = 1,
		[15] = 1, // Selection Mode
		[16] = 4, // TEID Data I
		[GTPV1C_TEID_CONTROL] = 4,
		[18] = 5, // TEID Data II, with NSAPI
		[GTPV1C_TEARDOWN] = 1,
		[20] = 1,  // NSAPI
		[21] = 1,  // RANAP Cause
		[22] = 9,  // RAB Context
		[23] = 1,  // Radio Priority SMS
		[24] = 1,  // Radio Priority
		[25] = 2,  // Packet Flow Id, with NSAPI
		[26] = 2,  // Charging Characteristics
		[27] = 2,  // Trace Reference
		[28] = 2,  // Trace Type
		[29] = 1,  // MS Not Reachable Reason
		[127] = 4, // Charging ID
	};
	return lengths[type];
}

enum gtpc_step gtpv1c_next(struct bytes *rest, struct gtpc_element *out)
{
	if (rest->len == 0)
		return GTPC_END;
	struct reader r = reader_of(*rest);
	uint8_t type = read_u8(&r);
	size_t len = type < 128 ? fixed_len(type) : read_be16(&r);
	if (type < 128 && len == 0)
		return GTPC_UNREADABLE;
	struct bytes value = read_bytes(&r, len);
	if (r.overrun)
		return GTPC_CUT;
	*out = (struct gtpc_element){value, type, 0};
	*rest = bytes_of(r.at, reader_left(&r));
	return GTPC_ELEMENT;
}

bool gtpv1c_end_user_address(struct bytes value, struct gtpc_addresses *out)
{
	enum { ORGANISATION_IETF = 1, IPV4 = 0x21, IPV6 = 0x57, IPV4V6 = 0x8d };
	struct reader r = reader_of(value);
	uint8_t organisation = read_u8(&r) & 15;
	uint8_t type = read_u8(&r);
	size_t left = reader_left(&r);
	*out = (struct gtpc_addresses){.ipv6_prefix = GTPV1C_PREFIX_LEN};
	if (r.overrun)
		return false;
	bool is_ipv4 = type == IPV4 || type == IPV4V6, is_ipv6 = type == IPV6 || type == IPV4V6;
	if (organisation != ORGANISATION_IETF || !(is_ipv4 || is_ipv6) || left == 0)
		return true;
	// Of both, either may be left out: it is assigned later.
	if (is_ipv4 && (left == 4 || left == 20))
		gtpc_address_read(&r, 4, &out->ipv4);
	if (is_ipv6 && (left == 16 || left == 20))
		gtpc_address_read(&r, 6, &out->ipv6);
	return reader_left(&r) == 0;
}

bool gtpv1c_gsn_address(struct bytes value, struct address *out)
{
	if (value.len != 4 && value.len != 16)
		return false;
	*out = (struct address){.family = value.len == 4 ? 4 : 6};
	memcpy(out->octets, value.at, value.len);
	return true;
}

bool gtpv1c_msisdn(struct bytes value, struct gtpc_digits *out, bool *is_global)
{
	enum { NATURE_UNKNOWN = 0, NATURE_INTERNATIONAL = 1, PLAN_UNKNOWN = 0, PLAN_E164 = 1 };
	if (value.len == 0)
		return false;
	uint8_t nature = value.at[0] >> 4 & 7, plan = value.at[0] & 15;
	// An MSISDN is international by its definition (TS 23.003 clause 3.3), so that an unknown nature is no other.
	*is_global = (nature == NATURE_UNKNOWN || nature == NATURE_INTERNATIONAL) &&
	             (plan == PLAN_UNKNOWN || plan == PLAN_E164);
	return gtpc_digits_read(bytes_slice(value, 1, SIZE_MAX), out);
}
