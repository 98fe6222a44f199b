#include "gtpv2c.h"

enum {
	FLAG_PIGGYBACK = 16,
	FLAG_TEID = 8,
	LENGTH_FROM = 4
}; // Message Length counts what follows it

enum gtpc_role gtpv2c_role(uint8_t type)
{
	static const uint8_t roles[256] = {
		[1] = GTPC_REQUEST, // Echo
		[2] = GTPC_ANSWER,
		[3] = GTPC_ANSWER,   // Version Not Supported Indication
		[25] = GTPC_REQUEST, // SRVCC PS to CS
		[26] = GTPC_ANSWER,
		[27] = GTPC_REQUEST, // SRVCC PS to CS Complete
		[28] = GTPC_ANSWER,
		[29] = GTPC_REQUEST, // SRVCC PS to CS Cancel
		[30] = GTPC_ANSWER,
		[31] = GTPC_REQUEST, // SRVCC CS to PS; 240 answers
		[GTPV2C_CREATE_SESSION_REQUEST] = GTPC_REQUEST,
		[GTPV2C_CREATE_SESSION_RESPONSE] = GTPC_ANSWER,
		[GTPV2C_MODIFY_BEARER_REQUEST] = GTPC_REQUEST,
		[GTPV2C_MODIFY_BEARER_RESPONSE] = GTPC_ANSWER,
		[GTPV2C_DELETE_SESSION_REQUEST] = GTPC_REQUEST,
		[GTPV2C_DELETE_SESSION_RESPONSE] = GTPC_ANSWER,
		[38] = GTPC_REQUEST, // Change Notification
		[GTPV2C_CHANGE_NOTIFICATION_RESPONSE] = GTPC_ANSWER,
		[40] = GTPC_REQUEST, // Remote UE Report
		[41] = GTPC_ANSWER,
		[64] = GTPC_REQUEST, // Modify Bearer Command; a refusal answers, else a request with its sequence number
		[65] = GTPC_ANSWER,
		[66] = GTPC_REQUEST, // Delete Bearer Command
		[67] = GTPC_ANSWER,
		[68] = GTPC_REQUEST, // Bearer Resource Command
		[69] = GTPC_ANSWER,
		[70] = GTPC_NOTICE, // Downlink Data Notification Failure
		[71] = GTPC_NOTICE, // Trace Session Activation
		[72] = GTPC_NOTICE, // Trace Session Deactivation
		[73] = GTPC_NOTICE, // Stop Paging
		[GTPV2C_CREATE_BEARER_REQUEST] = GTPC_REQUEST,
		[GTPV2C_CREATE_BEARER_RESPONSE] = GTPC_ANSWER,
		[GTPV2C_UPDATE_BEARER_REQUEST] = GTPC_REQUEST,
		[GTPV2C_UPDATE_BEARER_RESPONSE] = GTPC_ANSWER,
		[GTPV2C_DELETE_BEARER_REQUEST] = GTPC_REQUEST,
		[GTPV2C_DELETE_BEARER_RESPONSE] = GTPC_ANSWER,
		[101] = GTPC_REQUEST, // Delete PDN Connection Set
		[102] = GTPC_ANSWER,
		[103] = GTPC_REQUEST, // PGW Downlink Triggering
		[104] = GTPC_ANSWER,
		[128] = GTPC_REQUEST, // Identification
		[129] = GTPC_ANSWER,
		[130] = GTPC_REQUEST, // Context
		[131] = GTPC_ANSWER,
		[132] = GTPC_ACKNOWLEDGE,
		[133] = GTPC_REQUEST, // Forward Relocation
		[134] = GTPC_ANSWER,
		[135] = GTPC_REQUEST, // Forward Relocation Complete
		[136] = GTPC_ANSWER,
		[137] = GTPC_REQUEST, // Forward Access Context
		[138] = GTPC_ANSWER,
		[139] = GTPC_REQUEST, // Relocation Cancel
		[140] = GTPC_ANSWER,
		[141] = GTPC_NOTICE,  // Configuration Transfer Tunnel
		[149] = GTPC_REQUEST, // Detach
		[150] = GTPC_ANSWER,
		[151] = GTPC_NOTICE,  // CS Paging
		[152] = GTPC_NOTICE,  // RAN Information Relay
		[153] = GTPC_REQUEST, // Alert MME
		[154] = GTPC_ANSWER,
		[155] = GTPC_REQUEST, // UE Activity
		[156] = GTPC_ANSWER,
		[157] = GTPC_NOTICE,  // ISR Status
		[158] = GTPC_REQUEST, // UE Registration Query
		[159] = GTPC_ANSWER,
		[160] = GTPC_REQUEST, // Create Forwarding Tunnel
		[161] = GTPC_ANSWER,
		[162] = GTPC_REQUEST, // Suspend
		[163] = GTPC_ANSWER,
		[164] = GTPC_REQUEST, // Resume
		[165] = GTPC_ANSWER,
		[166] = GTPC_REQUEST, // Create Indirect Data Forwarding Tunnel
		[167] = GTPC_ANSWER,
		[168] = GTPC_REQUEST, // Delete Indirect Data Forwarding Tunnel
		[169] = GTPC_ANSWER,
		[170] = GTPC_REQUEST, // Release Access Bearers
		[171] = GTPC_ANSWER,
		[176] = GTPC_REQUEST, // Downlink Data Notification
		[177] = GTPC_ANSWER,
		[179] = GTPC_REQUEST, // PGW Restart
		[180] = GTPC_ANSWER,
		[200] = GTPC_REQUEST, // Update PDN Connection Set
		[201] = GTPC_ANSWER,
		[GTPV2C_MODIFY_ACCESS_BEARERS_REQUEST] = GTPC_REQUEST,
		[GTPV2C_MODIFY_ACCESS_BEARERS_RESPONSE] = GTPC_ANSWER,
		[231] = GTPC_REQUEST, // MBMS Session Start
		[232] = GTPC_ANSWER,
		[233] = GTPC_REQUEST, // MBMS Session Update
		[234] = GTPC_ANSWER,
		[235] = GTPC_REQUEST, // MBMS Session Stop
		[236] = GTPC_ANSWER,
		[240] = GTPC_ANSWER,
		[241] = GTPC_REQUEST, // SRVCC CS to PS Complete
		[242] = GTPC_ANSWER,
		[243] = GTPC_REQUEST, // SRVCC CS to PS Cancel
		[244] = GTPC_ANSWER,
	};
	return (enum gtpc_role)roles[type];
}

enum parse_result gtpv2c_parse(struct bytes datagram, struct gtpc_message *out)
{
	struct reader r = reader_of(datagram);
	uint8_t flags = read_u8(&r);
	uint8_t type = read_u8(&r);
	size_t length = read_be16(&r);
	if (gtpc_version(datagram) != 2)
		return PARSE_FOREIGN;
	if (r.overrun)
		return PARSE_TRUNCATED;
	if (gtpv2c_role(type) == GTPC_NONE)
		return PARSE_FOREIGN;
	bool has_teid = flags & FLAG_TEID;
	if (length < (has_teid ? 8 : 4))
		return PARSE_MALFORMED;

	bool is_cut = length > reader_left(&r);
	struct bytes octets = bytes_slice(datagram, 0, LENGTH_FROM + length);
	r = reader_of(bytes_slice(octets, LENGTH_FROM, SIZE_MAX));
	uint32_t teid = has_teid ? read_be32(&r) : 0;
	uint32_t sequence = read_be32(&r) >> 8; // the last octet is message priority, or spare
	if (r.overrun)
		return PARSE_TRUNCATED;
	*out = (struct gtpc_message){.octets = octets,
		.elements = bytes_of(r.at, reader_left(&r)),
		.rest = bytes_slice(datagram, LENGTH_FROM + length, SIZE_MAX),
		.teid = teid,
		.sequence = sequence,
		.type = type,
		.has_sequence = true,
		.is_cut = is_cut,
		.has_rider = flags & FLAG_PIGGYBACK};
	return PARSE_OK;
}

enum gtpc_step gtpv2c_next(struct bytes *rest, struct gtpc_element *out)
{
	if (rest->len == 0)
		return GTPC_END;
	struct reader r = reader_of(*rest);
	uint8_t type = read_u8(&r);
	size_t len = read_be16(&r);
	uint8_t instance = read_u8(&r) & 15;
	struct bytes value = read_bytes(&r, len);
	if (r.overrun)
		return GTPC_CUT;
	*out = (struct gtpc_element){value, type, instance};
	*rest = bytes_of(r.at, reader_left(&r));
	return GTPC_ELEMENT;
}

bool gtpv2c_f_teid(struct bytes value, struct gtpv2c_f_teid *out)
{
	enum { HAS_IPV4 = 128, HAS_IPV6 = 64, INTERFACE = 63 };
	struct reader r = reader_of(value);
	uint8_t flags = read_u8(&r);
	uint32_t teid = read_be32(&r);
	*out = (struct gtpv2c_f_teid){.teid = teid, .interface = flags & INTERFACE};
	if (flags & HAS_IPV4)
		gtpc_address_read(&r, 4, &out->ipv4);
	if (flags & HAS_IPV6)
		gtpc_address_read(&r, 6, &out->ipv6);
	return !r.overrun;
}

bool gtpv2c_is_control(uint8_t interface)
{
	static const bool control[64] = {
		[6] = true,  // S5/S8 SGW
		[7] = true,  // S5/S8 PGW
		[10] = true, // S11 MME
		[11] = true, // S11/S4 SGW
		[12] = true, // S10 MME
		[13] = true, // S3 MME
		[14] = true, // S3 SGSN
		[17] = true, // S4 SGSN
		[18] = true, // S16 SGSN
		[24] = true, // Sm MBMS GW
		[25] = true, // Sn MBMS GW
		[26] = true, // Sm MME
		[27] = true, // Sn SGSN
		[30] = true, // S2b ePDG
		[32] = true, // S2b PGW
		[35] = true, // S2a TWAN
		[36] = true, // S2a PGW
		[40] = true, // N26 AMF
	};
	return interface < 64 && control[interface];
}

bool gtpv2c_is_pgw_control(uint8_t interface)
{
	return interface == 7 || interface == 32 || interface == 36;
}

bool gtpv2c_paa(struct bytes value, struct gtpc_addresses *out)
{
	enum { IPV4 = 1, IPV6 = 2, IPV4V6 = 3, MAX_PREFIX = 128 };
	struct reader r = reader_of(value);
	uint8_t type = read_u8(&r) & 7;
	*out = (struct gtpc_addresses){.ipv6_prefix = 0};
	if (type == IPV6 || type == IPV4V6) {
		out->ipv6_prefix = read_u8(&r);
		gtpc_address_read(&r, 6, &out->ipv6);
	}
	if (type == IPV4 || type == IPV4V6)
		gtpc_address_read(&r, 4, &out->ipv4);
	return !r.overrun && out->ipv6_prefix <= MAX_PREFIX;
}
