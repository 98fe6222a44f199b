#include "radius.h"

static bool is_known_code(uint8_t code)
{
	switch (code) {
	case RADIUS_ACCESS_REQUEST:
	case RADIUS_ACCESS_ACCEPT:
	case RADIUS_ACCESS_REJECT:
	case RADIUS_ACCOUNTING_REQUEST:
	case RADIUS_ACCOUNTING_RESPONSE:
	case RADIUS_ACCESS_CHALLENGE:
	case RADIUS_STATUS_SERVER:
	case RADIUS_DISCONNECT_REQUEST:
	case RADIUS_DISCONNECT_ACK:
	case RADIUS_DISCONNECT_NAK:
	case RADIUS_COA_REQUEST:
	case RADIUS_COA_ACK:
	case RADIUS_COA_NAK:
		return true;
	default:
		return false;
	}
}

bool radius_is_answer(uint8_t code)
{
	return is_known_code(code) && code != RADIUS_ACCESS_REQUEST &&
	       code != RADIUS_ACCOUNTING_REQUEST && code != RADIUS_STATUS_SERVER &&
	       code != RADIUS_DISCONNECT_REQUEST && code != RADIUS_COA_REQUEST;
}

// What is cut must look like RADIUS in one more place.
static bool begins_with_attribute(struct bytes attributes)
{
	struct radius_attribute first;
	return radius_next(&attributes, &first) && first.type != 0;
}

enum parse_result radius_parse(struct bytes payload, struct radius *out)
{
	struct reader r = reader_of(payload);
	uint8_t code = read_u8(&r);
	uint8_t identifier = read_u8(&r);
	size_t length = read_be16(&r);
	struct bytes authenticator = read_bytes(&r, RADIUS_AUTHENTICATOR_LEN);

	if (r.overrun)
		return PARSE_TRUNCATED;
	if (!is_known_code(code))
		return PARSE_FOREIGN;
	if (length < RADIUS_HEADER_LEN || length > RADIUS_MAX_LEN)
		return PARSE_MALFORMED;

	bool is_cut = length > payload.len;
	struct bytes octets = bytes_slice(payload, 0, length);
	struct bytes attributes = bytes_slice(octets, RADIUS_HEADER_LEN, RADIUS_MAX_LEN);
	if (is_cut && !begins_with_attribute(attributes))
		return PARSE_TRUNCATED;

	*out = (struct radius){code, identifier, is_cut, octets, authenticator, attributes};
	return PARSE_OK;
}

bool radius_next(struct bytes *rest, struct radius_attribute *out)
{
	struct reader r = reader_of(*rest);
	uint8_t type = read_u8(&r);
	size_t length = read_u8(&r);
	if (r.overrun || length < RADIUS_ATTRIBUTE_HEADER_LEN)
		return false;
	struct bytes value = read_bytes(&r, length - RADIUS_ATTRIBUTE_HEADER_LEN);
	if (r.overrun)
		return false;
	*out = (struct radius_attribute){type, value, bytes_slice(*rest, 0, length)};
	*rest = bytes_slice(*rest, length, SIZE_MAX);
	return true;
}

bool radius_vendor_read(struct bytes value, struct radius_vendor *out)
{
	struct reader r = reader_of(value);
	uint32_t id = read_be32(&r);
	if (r.overrun)
		return false;
	*out = (struct radius_vendor){id, bytes_slice(value, RADIUS_VENDOR_ID_LEN, SIZE_MAX)};
	return true;
}

// Octets of type and length. Without a length, the value is all that is left.
struct layout {
	uint8_t type_len, length_len;
};

// As in the dictionaries of FreeRADIUS and Wireshark.
static struct layout layout_of(uint32_t vendor_id)
{
	enum { US_ROBOTICS = 429, LUCENT = 4846, STARENT = 8164 };
	switch (vendor_id) {
	case US_ROBOTICS:
		return (struct layout){4, 0};
	case LUCENT:
		return (struct layout){2, 1};
	case STARENT:
		return (struct layout){2, 2};
	default:
		return (struct layout){1, 1};
	}
}

static uint32_t read_number(struct reader *r, unsigned octets)
{
	uint32_t number = 0;
	for (unsigned i = 0; i < octets; i++)
		number = number << 8 | read_u8(r);
	return number;
}

bool radius_vendor_next(uint32_t vendor_id, struct bytes *rest, struct radius_vendor_attribute *out)
{
	struct layout layout = layout_of(vendor_id);
	struct reader r = reader_of(*rest);
	uint32_t type = read_number(&r, layout.type_len);
	size_t length = layout.length_len ? read_number(&r, layout.length_len) : rest->len;
	size_t header_len = (size_t)layout.type_len + layout.length_len;
	if (r.overrun || length < header_len)
		return false;
	struct bytes value = read_bytes(&r, length - header_len);
	if (r.overrun)
		return false;
	*out = (struct radius_vendor_attribute){type, value, bytes_slice(*rest, 0, length)};
	*rest = bytes_slice(*rest, length, SIZE_MAX);
	return true;
}
