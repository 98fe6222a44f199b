#include "sip_services.h"

static const uint8_t ALL_OF_SIP = SERVICE_VOICE | SERVICE_MESSAGING;

// --- media of a body -------------------------------------------------------------------------------------------

static bool starts_with(struct bytes text, const char *start)
{
	struct bytes wanted = bytes_of_text(start);
	return text.len >= wanted.len &&
	       bytes_equal_nocase(bytes_slice(text, 0, wanted.len), wanted);
}

// Takes the next line off `rest`; CR, LF and both end one. False at the end.
static bool line_next(struct bytes *rest, struct bytes *line)
{
	size_t len = 0;
	if (rest->len == 0)
		return false;
	while (len < rest->len && rest->at[len] != '\r' && rest->at[len] != '\n')
		len++;
	*line = bytes_slice(*rest, 0, len);
	*rest = bytes_slice(*rest, len + 1, SIZE_MAX);
	return true;
}

// m=message 7394 TCP/MSRP *. A port of 0 is no reason to leave a medium out: it may be in use (RFC 8843).
static uint8_t service_of_medium(struct bytes line)
{
	return starts_with(line, "m=message ") ? SERVICE_MESSAGING : SERVICE_VOICE;
}

// By the m= lines of the session description (RFC 4566), or of those that are parts of a body. `inside`: it begins
// with the body.
static uint8_t services_of_media(struct bytes body, bool inside)
{
	uint8_t services = 0;
	struct bytes line;
	while (line_next(&body, &line)) {
		if (starts_with(line, "--")) // a delimiter (RFC 2046), for nothing of SDP begins so
			inside = false;
		else if (starts_with(line, "v="))
			inside = true;
		else if (inside && starts_with(line, "m="))
			services |= service_of_medium(line);
	}
	return services;
}

// 0: none that can be read.
static uint8_t services_of_body(const struct sip_message *message)
{
	const struct sip_header *type = sip_header(message, SIP_CONTENT_TYPE, 0);
	if (!type || message->body.len == 0)
		return 0;
	if (starts_with(type->value, "application/sdp"))
		return services_of_media(message->body, true);
	return starts_with(type->value, "multipart/") ? services_of_media(message->body, false) : 0;
}

// --- messages --------------------------------------------------------------------------------------------------

static bool is_of_session(enum sip_method method)
{
	switch (method) {
	case SIP_INVITE:
	case SIP_ACK:
	case SIP_BYE:
	case SIP_CANCEL:
	case SIP_PRACK:
	case SIP_UPDATE:
	case SIP_INFO:
	case SIP_REFER:
		return true;
	default:
		return false;
	}
}

struct sip_services sip_services_of(const struct sip_message *message)
{
	if (message->method == SIP_MESSAGE)
		return (struct sip_services){.services = SERVICE_MESSAGING};
	if (!is_of_session(message->method))
		return (struct sip_services){.services = ALL_OF_SIP};
	uint8_t of_media = services_of_body(message);
	return (struct sip_services){
		.services = of_media ? of_media : SERVICE_VOICE,
		.of_session = true,
		.shows_media = of_media != 0,
	};
}

bool sip_services_hold(uint8_t ordered, const struct sip_services *shown, enum sip_share *share)
{
	bool holds = ordered == 0 || (ordered & shown->services) != 0;
	if (!shown->of_session)
		return holds;
	if (*share == SIP_SHARE_HAS)
		return true;
	if (*share == SIP_SHARE_NOT && !shown->shows_media)
		return false;
	if (holds)
		*share = SIP_SHARE_HAS;
	else if (ordered & SERVICE_VOICE) // only voice is taken for granted
		*share = SIP_SHARE_NOT;
	return holds;
}
