#include "radius_iri.h"

#include "radius.h"

enum vendor {
	VENDOR_NONE = 0, // an attribute that is no vendor's
	ACC = 5,
	CISCO = 9,
	NOKIA = 94,
	MOTOROLA = 161,
	CISCO_VPN5000 = 255,
	MICROSOFT = 311, // RFC 2548
	US_ROBOTICS = 429,
	ASCEND = 529,
	XYLAN = 800,
	ALCATEL_LUCENT_AAA = 831,
	HUAWEI = 2011,
	REDBACK = 2352,
	LANCOM = 2356,
	SERVICE_GATEWAY = 2454,
	WAVERIDER = 2979,
	ALCATEL = 3041,
	ALTIGA = 3076,
	PROSOFT = 4735,
	LUCENT = 4846,
	UNISPHERE = 4874,
	VENDOR_3GPP2 = 5535,
	ENTERASYS = 5624,
	IP_UNPLUGGED = 5925,
	ALCATEL_LUCENT_ROUTER = 6527,
	STARENT = 8164,
	ARUBA = 14823,
	MIKROTIK = 14988,
	BSKYB = 16924,
	TRAVELPING = 18681,
	MANZARA = 19382,
	BOINGO = 22472,
	WIMAX = 24757,
	RUCKUS = 25053,
	H3C = 25506,
	UKERNA = 25622,
	AEROHIVE = 26928,
	YUBICO = 41482,
	MIMOSA = 43356,
};

// Types `first` to `last` of `vendor` are credentials: whole, or, in pairs written as name=value, the value of some names.
// Numbers as in the RFCs named, else as in the dictionaries of FreeRADIUS and Wireshark; unconfirmed: CISCO 16 (RFC 6218).
static const struct secret {
	uint32_t vendor;
	uint32_t first, last;
	bool is_pairs;
} secrets[] = {
	{VENDOR_NONE, 2, 3, false},     // User-Password, CHAP-Password
	{VENDOR_NONE, 17, 17, false},   // Old-Password
	{VENDOR_NONE, 60, 60, false},   // CHAP-Challenge
	{VENDOR_NONE, 69, 70, false},   // Tunnel-Password, ARAP-Password
	{VENDOR_NONE, 74, 74, false},   // ARAP-Security-Data
	{VENDOR_NONE, 79, 79, false},   // EAP-Message
	{VENDOR_NONE, 84, 84, false},   // ARAP-Challenge-Response
	{VENDOR_NONE, 103, 103, false}, // Digest-Response
	{VENDOR_NONE, 106, 106, false}, // Digest-Response-Auth
	{VENDOR_NONE, 118, 118, false}, // Digest-AKA-Auts
	{VENDOR_NONE, 121, 121, false}, // Digest-HA1
	{VENDOR_NONE, 143, 143, false}, // PKM-Auth-Key
	{VENDOR_NONE, 206, 206, false}, // Digest-Response, before RFC 4590
	{VENDOR_NONE, 214, 215, false}, // Send-Secret, Receive-Secret, before Ascend was a vendor
	{VENDOR_NONE, 232, 232, false}, // Send-Passwd
	{ACC, 14, 14, false},
	{ACC, 39, 39, false},
	{ACC, 73, 73, false},
	{CISCO, 1, 1, true},
	{CISCO, 16, 16, false}, // Keying-Material
	{CISCO, 249, 249, false},
	{NOKIA, 6, 6, false},
	{NOKIA, 9, 9, false},
	{MOTOROLA, 11, 11, false},
	{MOTOROLA, 224, 224, false},
	{CISCO_VPN5000, 5, 5, false},
	{MICROSOFT, 1, 6, false},   // Response, Error (it has a challenge), CPW, Enc-PW
	{MICROSOFT, 11, 12, false}, // Challenge, MPPE keys
	{MICROSOFT, 16, 17, false}, // MPPE keys
	{MICROSOFT, 19, 20, false}, // ARAP passwords
	{MICROSOFT, 25, 27, false}, // MS-CHAP2
	{US_ROBOTICS, 0x9814, 0x9814, false},
	{US_ROBOTICS, 0x982b, 0x982b, false},
	{US_ROBOTICS, 0x9856, 0x9856, false},
	{US_ROBOTICS, 0x9873, 0x9873, false},
	{ASCEND, 141, 141, false},
	{ASCEND, 151, 151, false},
	{ASCEND, 181, 181, false},
	{ASCEND, 184, 184, false},
	{ASCEND, 214, 215, false},
	{ASCEND, 232, 232, false},
	{XYLAN, 14, 14, false},
	{ALCATEL_LUCENT_AAA, 2, 2, true},
	{ALCATEL_LUCENT_AAA, 116, 119, false},
	{HUAWEI, 33, 33, false},
	{HUAWEI, 188, 188, true},
	{REDBACK, 59, 59, false},
	{REDBACK, 69, 69, false},
	{REDBACK, 110, 110, false},
	{LANCOM, 6, 6, false},
	{LANCOM, 19, 20, false},
	{SERVICE_GATEWAY, 22, 22, false},
	{SERVICE_GATEWAY, 81, 81, false},
	{WAVERIDER, 3, 3, false},
	{WAVERIDER, 5, 6, false},
	{ALCATEL, 14, 14, false},
	{ALTIGA, 23, 24, false},
	{ALTIGA, 54, 54, false},
	{ALTIGA, 133, 133, false},
	{ALTIGA, 162, 162, false},
	{PROSOFT, 5, 5, false},
	{LUCENT, 141, 141, false},
	{LUCENT, 151, 151, false},
	{LUCENT, 181, 181, false},
	{LUCENT, 184, 184, false},
	{LUCENT, 214, 215, false},
	{LUCENT, 232, 232, false},
	{UNISPHERE, 9, 9, false},
	{UNISPHERE, 37, 37, false},
	{UNISPHERE, 58, 61, false}, // LI-Action and what belongs to it
	{UNISPHERE, 86, 86, false},
	{VENDOR_3GPP2, 3, 3, false},
	{VENDOR_3GPP2, 54, 54, false},
	{VENDOR_3GPP2, 58, 58, false},
	{VENDOR_3GPP2, 121, 121, false},
	{ENTERASYS, 220, 227, false},
	{IP_UNPLUGGED, 52, 52, false},
	{ALCATEL_LUCENT_ROUTER, 57, 57, false},
	{ALCATEL_LUCENT_ROUTER, 122, 125, false}, // LI-Action and what belongs to it
	{ALCATEL_LUCENT_ROUTER, 138, 139, false}, // LI-Intercept-Id, LI-Session-Id
	{ALCATEL_LUCENT_ROUTER, 142, 142, false},
	{STARENT, 15, 15, false},
	{STARENT, 26, 26, false},
	{STARENT, 39, 39, false},
	{ARUBA, 30, 30, false},
	{ARUBA, 44, 44, false},
	{MIKROTIK, 7, 7, false},
	{MIKROTIK, 16, 16, false},
	{BSKYB, 6, 6, false},
	{TRAVELPING, 6, 6, false},
	{TRAVELPING, 32, 32, false},
	{MANZARA, 9, 9, false},
	{MANZARA, 11, 11, false},
	{BOINGO, 34, 34, false},
	{WIMAX, 5, 5, false},
	{WIMAX, 10, 10, false},
	{WIMAX, 12, 12, false},
	{WIMAX, 14, 15, false},
	{WIMAX, 19, 19, false},
	{WIMAX, 40, 40, false},
	{WIMAX, 66, 67, false},
	{WIMAX, 70, 70, false},
	{WIMAX, 75, 75, false},
	{WIMAX, 86, 87, false}, // a key and other things
	{WIMAX, 131, 131, false},
	{RUCKUS, 142, 142, false},
	{RUCKUS, 153, 153, false},
	{H3C, 210, 210, true},
	{UKERNA, 144, 144, false},
	{AEROHIVE, 3, 3, false},
	{AEROHIVE, 201, 202, false},
	{YUBICO, 1, 1, false},
	{YUBICO, 7, 7, false},
	{MIMOSA, 11, 11, false},
};

static const struct secret *secret_find(uint32_t vendor, uint32_t type)
{
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
		if (secrets[i].vendor == vendor && secrets[i].first <= type &&
			type <= secrets[i].last)
			return &secrets[i];
	return NULL;
}

static bool has_secrets(uint32_t vendor)
{
	for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
		if (secrets[i].vendor == vendor)
			return true;
	return false;
}

// The packet as it was read, and where it was written to.
struct copy {
	const uint8_t *from;
	uint8_t *to;
	bool is_blanked;
};

static void blank(struct copy *copy, struct bytes part)
{
	if (part.len == 0)
		return;
	memset(copy->to + (part.at - copy->from), 'x', part.len);
	copy->is_blanked = true;
}

static bool speaks_of_secret(struct bytes name)
{
	static const char *const words[] = {
		"pass", "pwd", "psk", "key", "secret", "chap", "pmk", "msk", "hash", "cred"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		struct bytes word = bytes_of_text(words[i]);
		for (size_t at = 0; at + word.len <= name.len; at++)
			if (bytes_equal_nocase(bytes_slice(name, at, word.len), word))
				return true;
	}
	return false;
}

// name=value, or name*value where the NAS may ignore it. A text without either is all name.
static void pair_blank(struct copy *copy, struct bytes text)
{
	size_t mark = 0;
	while (mark < text.len && text.at[mark] != '=' && text.at[mark] != '*')
		mark++;
	if (!speaks_of_secret(bytes_slice(text, 0, mark)))
		return;
	blank(copy, mark < text.len ? bytes_slice(text, mark + 1, SIZE_MAX) : text);
}

static void vendor_blank(struct copy *copy, struct bytes value)
{
	struct radius_vendor vendor;
	if (!radius_vendor_read(value, &vendor)) {
		blank(copy, value);
		return;
	}
	if (!has_secrets(vendor.id))
		return;
	struct bytes rest = vendor.attributes;
	struct radius_vendor_attribute a;
	while (radius_vendor_next(vendor.id, &rest, &a)) {
		const struct secret *secret = secret_find(vendor.id, a.type);
		if (secret && secret->is_pairs)
			pair_blank(copy, a.value);
		else if (secret)
			blank(copy, a.value);
	}
	if (rest.len)
		blank(copy, vendor.attributes);
}

// RFC 6929: attributes of vendors in attributes of more types than there were. A fragment of a long one does not say whose it
// is, so these go whole; others have one octet for the type.
static void extended_blank(struct copy *copy, const struct radius_attribute *a)
{
	enum { EXTENDED_VENDOR_SPECIFIC = 26, FIRST_LONG = 245 };
	if (a->value.len == 0 || a->value.at[0] != EXTENDED_VENDOR_SPECIFIC)
		return;
	struct bytes rest = bytes_slice(a->value, 1, SIZE_MAX);
	struct radius_vendor vendor;
	if (a->type >= FIRST_LONG || !radius_vendor_read(rest, &vendor))
		blank(copy, rest);
	else if (has_secrets(vendor.id))
		blank(copy, vendor.attributes);
}

static void attribute_blank(struct copy *copy, const struct radius_attribute *a)
{
	enum { FIRST_EXTENDED = 241, LAST_EXTENDED = 246 };
	if (a->type == RADIUS_VENDOR_SPECIFIC)
		vendor_blank(copy, a->value);
	else if (a->type >= FIRST_EXTENDED && a->type <= LAST_EXTENDED)
		extended_blank(copy, a);
	else if (secret_find(VENDOR_NONE, a->type))
		blank(copy, a->value);
}

enum radius_iri_result radius_iri_write(
	struct bytes octets, const struct radius_iri_rules *rules, struct writer *to)
{
	size_t start = to->len;
	write_bytes(to, octets);
	if (to->overflow)
		return RADIUS_IRI_NO_ROOM;
	if (rules->keep_secrets)
		return RADIUS_IRI_WHOLE;

	struct copy copy = {octets.at, to->at + start, false};
	struct bytes rest = bytes_slice(octets, RADIUS_HEADER_LEN, SIZE_MAX);
	struct radius_attribute a;
	while (radius_next(&rest, &a))
		attribute_blank(&copy, &a);
	// Its type and length stay, so that the defect shows where it was.
	blank(&copy, bytes_slice(rest, RADIUS_ATTRIBUTE_HEADER_LEN, SIZE_MAX));
	return copy.is_blanked ? RADIUS_IRI_BLANKED : RADIUS_IRI_WHOLE;
}
