#include "sip_names.h"

#define TEXT(literal)                                                                              \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}

static const struct bytes method_names[] = {
	[SIP_INVITE] = TEXT("INVITE"),
	[SIP_ACK] = TEXT("ACK"),
	[SIP_BYE] = TEXT("BYE"),
	[SIP_CANCEL] = TEXT("CANCEL"),
	[SIP_REGISTER] = TEXT("REGISTER"),
	[SIP_OPTIONS] = TEXT("OPTIONS"),
	[SIP_PRACK] = TEXT("PRACK"),
	[SIP_SUBSCRIBE] = TEXT("SUBSCRIBE"),
	[SIP_NOTIFY] = TEXT("NOTIFY"),
	[SIP_PUBLISH] = TEXT("PUBLISH"),
	[SIP_INFO] = TEXT("INFO"),
	[SIP_REFER] = TEXT("REFER"),
	[SIP_MESSAGE] = TEXT("MESSAGE"),
	[SIP_UPDATE] = TEXT("UPDATE"),
};
enum { METHODS = sizeof method_names / sizeof method_names[0] };

// In lower case; sip_header_name_find() says why that is enough to compare without case.
static const struct bytes header_names[SIP_HEADER_NAMES] = {
	[SIP_FROM] = TEXT("from"),
	[SIP_TO] = TEXT("to"),
	[SIP_CALL_ID] = TEXT("call-id"),
	[SIP_CSEQ] = TEXT("cseq"),
	[SIP_VIA] = TEXT("via"),
	[SIP_CONTACT] = TEXT("contact"),
	[SIP_CONTENT_LENGTH] = TEXT("content-length"),
	[SIP_CONTENT_TYPE] = TEXT("content-type"),
	[SIP_CONTENT_ENCODING] = TEXT("content-encoding"),
	[SIP_P_ASSERTED_IDENTITY] = TEXT("p-asserted-identity"),
	[SIP_P_PREFERRED_IDENTITY] = TEXT("p-preferred-identity"),
	[SIP_P_CALLED_PARTY_ID] = TEXT("p-called-party-id"),
	[SIP_DIVERSION] = TEXT("diversion"),
	[SIP_HISTORY_INFO] = TEXT("history-info"),
	[SIP_REFER_TO] = TEXT("refer-to"),
	[SIP_REFERRED_BY] = TEXT("referred-by"),
	[SIP_AUTHORIZATION] = TEXT("authorization"),
	[SIP_PROXY_AUTHORIZATION] = TEXT("proxy-authorization"),
	[SIP_SUBSCRIPTION_STATE] = TEXT("subscription-state"),
	[SIP_EXPIRES] = TEXT("expires"),
	[SIP_EVENT] = TEXT("event"),
};

// Compact forms, by letter. Those of fields x2tap does not know (s, k, u, x, y, n, d, j, a) stay SIP_HEADER_OTHER.
static const uint8_t compact_names[26] = {
	['b' - 'a'] = SIP_REFERRED_BY,
	['c' - 'a'] = SIP_CONTENT_TYPE,
	['e' - 'a'] = SIP_CONTENT_ENCODING,
	['f' - 'a'] = SIP_FROM,
	['i' - 'a'] = SIP_CALL_ID,
	['l' - 'a'] = SIP_CONTENT_LENGTH,
	['m' - 'a'] = SIP_CONTACT,
	['o' - 'a'] = SIP_EVENT,
	['r' - 'a'] = SIP_REFER_TO,
	['t' - 'a'] = SIP_TO,
	['v' - 'a'] = SIP_VIA,
};

static const char *const defect_names[SIP_DEFECT_COUNT] = {"start_line", "header_line",
	"no_end_of_headers", "content_length", "body_cut", "no_call_id", "cseq", "no_from", "no_to",
	"too_many_headers"};

const char *sip_defect_name(unsigned bit_index)
{
	return bit_index < SIP_DEFECT_COUNT ? defect_names[bit_index] : "unknown";
}

enum sip_method sip_method_find(struct bytes text)
{
	for (unsigned i = SIP_METHOD_OTHER + 1; i < METHODS; i++)
		if (bytes_equal(text, method_names[i]))
			return (enum sip_method)i;
	return SIP_METHOD_OTHER;
}

enum sip_method sip_method_at_end(struct bytes text, size_t *len)
{
	enum sip_method longest = SIP_METHOD_OTHER;
	*len = 0;
	for (unsigned i = SIP_METHOD_OTHER + 1; i < METHODS; i++) {
		struct bytes name = method_names[i];
		if (name.len > *len && name.len <= text.len &&
			bytes_equal(bytes_slice(text, text.len - name.len, name.len), name)) {
			longest = (enum sip_method)i;
			*len = name.len;
		}
	}
	return longest;
}

// Length and last letter tell the known names apart: one comparison decides.
#define KEY(len, last) ((len) << 8 | (last))

static enum sip_header_name candidate_of(size_t len, uint8_t last)
{
	switch (KEY(len, last)) {
	case KEY(2, 'o'):
		return SIP_TO;
	case KEY(3, 'a'):
		return SIP_VIA;
	case KEY(4, 'm'):
		return SIP_FROM;
	case KEY(4, 'q'):
		return SIP_CSEQ;
	case KEY(5, 't'):
		return SIP_EVENT;
	case KEY(7, 'd'):
		return SIP_CALL_ID;
	case KEY(7, 't'):
		return SIP_CONTACT;
	case KEY(7, 's'):
		return SIP_EXPIRES;
	case KEY(8, 'o'):
		return SIP_REFER_TO;
	case KEY(9, 'n'):
		return SIP_DIVERSION;
	case KEY(11, 'y'):
		return SIP_REFERRED_BY;
	case KEY(12, 'e'):
		return SIP_CONTENT_TYPE;
	case KEY(12, 'o'):
		return SIP_HISTORY_INFO;
	case KEY(13, 'n'):
		return SIP_AUTHORIZATION;
	case KEY(14, 'h'):
		return SIP_CONTENT_LENGTH;
	case KEY(16, 'g'):
		return SIP_CONTENT_ENCODING;
	case KEY(17, 'd'):
		return SIP_P_CALLED_PARTY_ID;
	case KEY(18, 'e'):
		return SIP_SUBSCRIPTION_STATE;
	case KEY(19, 'y'):
		return SIP_P_ASSERTED_IDENTITY;
	case KEY(19, 'n'):
		return SIP_PROXY_AUTHORIZATION;
	case KEY(20, 'y'):
		return SIP_P_PREFERRED_IDENTITY;
	default:
		return SIP_HEADER_OTHER;
	}
}

enum sip_header_name sip_header_name_find(struct bytes name)
{
	if (name.len == 0)
		return SIP_HEADER_OTHER;
	uint8_t last = name.at[name.len - 1] | 0x20;
	if (name.len == 1)
		return last >= 'a' && last <= 'z' ? (enum sip_header_name)compact_names[last - 'a']
		                                  : SIP_HEADER_OTHER;

	// Known names hold letters and '-' only. Among the octets of a token, bit 5 set gives a letter for letters
	// alone and '-' for '-' alone.
	enum sip_header_name candidate = candidate_of(name.len, last);
	struct bytes known = header_names[candidate];
	if (known.len != name.len)
		return SIP_HEADER_OTHER;
	for (size_t i = 0; i < name.len; i++)
		if ((name.at[i] | 0x20) != known.at[i])
			return SIP_HEADER_OTHER;
	return candidate;
}
