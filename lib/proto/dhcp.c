#include "dhcp.h"

enum parse_result dhcp_duid_parse(struct bytes octets, struct dhcp_duid *out)
{
	if (octets.len > DUID_MAX_LEN)
		return PARSE_MALFORMED;
	struct reader r = reader_of(octets);
	struct dhcp_duid duid = {.type = read_be16(&r)};
	if (duid.type == DUID_LLT || duid.type == DUID_LL) {
		duid.hardware_type = read_be16(&r);
		if (duid.type == DUID_LLT)
			read_be32(&r); // time
		duid.link_layer_address = read_bytes(&r, reader_left(&r));
	}
	if (r.overrun || octets.len < DUID_MIN_LEN)
		return PARSE_TRUNCATED;
	*out = duid;
	return PARSE_OK;
}

bool dhcp_sub_option_next(struct reader *r, uint8_t *code, struct bytes *value)
{
	if (reader_left(r) == 0)
		return false;
	uint8_t found = read_u8(r);
	size_t len = read_u8(r);
	struct bytes octets = read_bytes(r, len);
	if (r->overrun)
		return false;
	*code = found;
	*value = octets;
	return true;
}
