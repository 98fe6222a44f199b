#include "sip_identities.h"

static uint32_t bit(enum sip_role role)
{
	return UINT32_C(1) << role;
}

// Header fields whose values are name-addr or addr-spec, in order of importance.
static const struct {
	enum sip_header_name header;
	enum sip_role role;
	bool only_register;
} uri_headers[] = {
	{SIP_FROM, SIP_ROLE_FROM, false},
	{SIP_TO, SIP_ROLE_TO, false},
	{SIP_P_ASSERTED_IDENTITY, SIP_ROLE_ASSERTED, false},
	{SIP_P_PREFERRED_IDENTITY, SIP_ROLE_PREFERRED, false},
	{SIP_P_CALLED_PARTY_ID, SIP_ROLE_CALLED_PARTY, false},
	{SIP_CONTACT, SIP_ROLE_CONTACT, true},
	{SIP_DIVERSION, SIP_ROLE_DIVERSION, false},
	{SIP_HISTORY_INFO, SIP_ROLE_HISTORY, false},
	{SIP_REFER_TO, SIP_ROLE_REFER_TO, false},
	{SIP_REFERRED_BY, SIP_ROLE_REFERRED_BY, false},
};

static bool has_room(struct sip_identities *out, size_t in_role)
{
	if (out->count < SIP_MAX_SIGHTINGS && in_role < SIP_MAX_SIGHTINGS_PER_ROLE)
		return true;
	out->excess++;
	return false;
}

// Adds what one URI shows. `in_role` counts the sightings of its header field.
static void add_uri(struct sip_identities *out, struct bytes text, enum sip_role role,
	const struct numbering *numbering, size_t *in_role)
{
	struct sip_uri parsed;
	if (sip_uri_parse(text, &parsed) != PARSE_OK)
		return;
	struct identity found[IDENTITIES_PER_URI];
	size_t count = identities_of_uri(&parsed, numbering, found);
	const struct sip_uri *uri = NULL;
	for (size_t i = 0; i < count; i++) {
		if (!has_room(out, *in_role))
			return;
		if (!uri) {
			uri = &out->uris[out->uri_count];
			out->uris[out->uri_count++] = parsed;
		}
		struct sighting *s = &out->sightings[out->count++];
		s->identity = found[i];
		s->uri = uri;
		s->role = (uint8_t)role;
		++*in_role;
	}
}

static enum sip_role asserted_role(size_t nth)
{
	return nth == 0   ? SIP_ROLE_ASSERTED
	       : nth == 1 ? SIP_ROLE_ASSERTED_SECOND
	                  : SIP_ROLE_ASSERTED_MORE;
}

static void add_header(struct sip_identities *out, const struct sip_message *message,
	enum sip_header_name name, enum sip_role role, const struct numbering *numbering)
{
	size_t in_role = 0, nth = 0;
	const struct sip_header *header;
	for (unsigned field = 0; (header = sip_header(message, name, field)) != NULL; field++) {
		struct bytes rest = header->value, value;
		while (nth < SIP_MAX_VALUES && sip_value_next(&rest, &value)) {
			struct sip_name_addr address;
			if (!sip_name_addr_parse(value, &address))
				continue;
			if (role == SIP_ROLE_FROM && nth == 0)
				out->from_uri = address.uri;
			if (role == SIP_ROLE_ASSERTED && nth < SIP_MAX_ASSERTED)
				out->asserted_uri[nth] = address.uri;
			enum sip_role as = role == SIP_ROLE_ASSERTED ? asserted_role(nth) : role;
			add_uri(out, address.uri, as, numbering, &in_role);
			nth++;
		}
	}
}

// A quoted string without its escapes (RFC 3261 section 25.1).
static struct bytes unquote(struct bytes quoted, uint8_t *to, size_t cap)
{
	struct writer w = writer_of(to, cap);
	for (size_t i = 0; i < quoted.len; i++) {
		if (quoted.at[i] == '\\' && i + 1 < quoted.len)
			i++;
		write_u8(&w, quoted.at[i]);
	}
	return w.overflow ? (struct bytes){NULL, 0} : writer_bytes(&w);
}

static void add_user_names(
	struct sip_identities *out, const struct sip_message *message, enum sip_header_name name)
{
	const struct sip_header *header;
	for (unsigned field = 0; (header = sip_header(message, name, field)) != NULL; field++) {
		struct bytes quoted;
		if (!sip_auth_parameter(header->value, "username", &quoted))
			continue;
		uint8_t text[IDENTITY_MAX];
		struct identity found;
		if (!identity_of_nai(unquote(quoted, text, sizeof text), &found))
			continue;
		if (!has_room(out, field))
			return;
		struct sighting *s = &out->sightings[out->count++];
		s->identity = found;
		s->uri = NULL;
		s->role = SIP_ROLE_AUTHORIZATION;
	}
}

static uint32_t names_present(const struct sip_message *message)
{
	_Static_assert(SIP_HEADER_NAMES <= 32, "one bit for each header name");
	uint32_t present = 0;
	for (size_t i = 0; i < message->header_count; i++)
		present |= UINT32_C(1) << message->headers[i].name;
	return present;
}

void sip_identities_read(struct sip_identities *out, const struct sip_message *message,
	const struct numbering *numbering)
{
	out->count = out->uri_count = 0;
	out->excess = 0;
	out->from_uri = out->asserted_uri[0] = out->asserted_uri[1] = (struct bytes){NULL, 0};

	size_t in_role = 0;
	if (!message->is_response)
		add_uri(out, message->request_uri, SIP_ROLE_REQUEST_URI, numbering, &in_role);
	uint32_t present = names_present(message);
	if (present & (UINT32_C(1) << SIP_AUTHORIZATION))
		add_user_names(out, message, SIP_AUTHORIZATION);
	if (present & (UINT32_C(1) << SIP_PROXY_AUTHORIZATION))
		add_user_names(out, message, SIP_PROXY_AUTHORIZATION);
	for (size_t i = 0; i < sizeof uri_headers / sizeof *uri_headers; i++) {
		if (!(present & (UINT32_C(1) << uri_headers[i].header)))
			continue;
		if (uri_headers[i].only_register && message->method != SIP_REGISTER)
			continue;
		add_header(out, message, uri_headers[i].header, uri_headers[i].role, numbering);
	}
}

bool sip_is_diverted(uint32_t roles)
{
	return roles & (bit(SIP_ROLE_DIVERSION) | bit(SIP_ROLE_HISTORY));
}

enum sip_side sip_side_of(const struct sip_message *message, uint32_t roles)
{
	uint32_t caller = bit(SIP_ROLE_FROM) | bit(SIP_ROLE_AUTHORIZATION) | bit(SIP_ROLE_CONTACT);
	uint32_t callee = bit(SIP_ROLE_REQUEST_URI) | bit(SIP_ROLE_CALLED_PARTY);
	// To names whom the request was for: one who diverted it does not get it. That of REGISTER goes to the registrar or,
	// when a network registers for its subscriber, to an application server.
	if (message->method != SIP_REGISTER && !sip_is_diverted(roles))
		callee |= bit(SIP_ROLE_TO);
	if (message->method == SIP_REFER)
		caller |= bit(SIP_ROLE_REFERRED_BY);
	// These two speak of whoever sent the message, request or response (RFC 3325 section 9).
	uint32_t sender = bit(SIP_ROLE_ASSERTED) | bit(SIP_ROLE_ASSERTED_SECOND) |
	                  bit(SIP_ROLE_ASSERTED_MORE) | bit(SIP_ROLE_PREFERRED);
	if (message->is_response)
		callee |= sender;
	else
		caller |= sender;
	return roles & caller   ? SIP_SIDE_CALLER
	       : roles & callee ? SIP_SIDE_CALLEE
	                        : SIP_SIDE_UNKNOWN;
}
