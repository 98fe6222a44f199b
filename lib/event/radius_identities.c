#include "radius_identities.h"

enum {
	LEAST_NUMBER_DIGITS = 5, // fewer may be anything
	GREATEST_NUMBER_DIGITS = 15,
	MAC_LEN = 6,
	ATTRIBUTE_MAX_LEN = 255,
};

static size_t find_last(struct bytes text, uint8_t c)
{
	size_t at = text.len;
	while (at > 0 && text.at[at - 1] != c)
		at--;
	return at ? at - 1 : SIZE_MAX;
}

// Some senders end texts with NUL, which section 5 forbids.
static struct bytes without_nul(struct bytes text)
{
	while (text.len && text.at[text.len - 1] == 0)
		text.len--;
	return text;
}

// --- names of users ----------------------------------------------------------------------------------------

// The last labels of a realm: .mnc<3 digits>.mcc<3 digits>.3gppnetwork.org
struct network {
	uint8_t mcc[3], mnc[3];
};

static bool network_read(struct bytes realm, struct network *out)
{
	static const char form[] = ".mnc000.mcc000.3gppnetwork.org";
	enum { FORM_LEN = sizeof form - 1, MNC_AT = 4, MCC_AT = 11 };
	if (realm.len <= FORM_LEN)
		return false;
	struct bytes tail = bytes_slice(realm, realm.len - FORM_LEN, FORM_LEN);
	for (size_t i = 0; i < FORM_LEN; i++)
		if (form[i] == '0' ? !ascii_is_digit(tail.at[i])
				   : ascii_lower(tail.at[i]) != (uint8_t)form[i])
			return false;
	memcpy(out->mnc, tail.at + MNC_AT, sizeof out->mnc);
	memcpy(out->mcc, tail.at + MCC_AT, sizeof out->mcc);
	return true;
}

// A network code of two digits has a 0 before it in a realm.
static bool is_of_network(struct bytes imsi, const struct network *network)
{
	struct bytes mnc = bytes_of(network->mnc, sizeof network->mnc);
	struct bytes behind = bytes_slice(imsi, sizeof network->mcc, SIZE_MAX);
	return bytes_start_with(imsi, bytes_of(network->mcc, sizeof network->mcc)) &&
	       (bytes_start_with(behind, mnc) ||
		       (mnc.at[0] == '0' && bytes_start_with(behind, bytes_slice(mnc, 1, 2))));
}

// Of home!user@visited (TS 23.003 clause 14.3, RFC 4282 section 2.7) the home realm and the user.
static void undecorate(struct bytes *user, struct bytes *realm)
{
	size_t mark = find_last(*user, '!');
	if (mark == SIZE_MAX)
		return;
	struct bytes realms = bytes_slice(*user, 0, mark);
	size_t before = find_last(realms, '!');
	*realm = before == SIZE_MAX ? realms : bytes_slice(realms, before + 1, SIZE_MAX);
	*user = bytes_slice(*user, mark + 1, SIZE_MAX);
}

// The IMSI of a permanent identity of EAP-AKA (0), EAP-SIM (1) or EAP-AKA' (6). Others are pseudonyms.
static bool imsi_of_user_name(struct bytes name, struct bytes *imsi)
{
	size_t at = find_last(name, '@');
	if (at == SIZE_MAX)
		return false;
	struct bytes user = bytes_slice(name, 0, at);
	struct bytes realm = bytes_slice(name, at + 1, SIZE_MAX);
	undecorate(&user, &realm);
	struct network network;
	if (user.len == 0 || !memchr("016", user.at[0], 3) || !network_read(realm, &network))
		return false;
	*imsi = bytes_slice(user, 1, SIZE_MAX);
	return is_of_network(*imsi, &network);
}

// False: these are not the digits of an IMSI.
static bool imsi_show(struct bytes digits, struct signal *s)
{
	struct identity *next = signal_next_identity(s, SIGNAL_ROLE_IMSI);
	if (!next)
		return true;
	if (!identity_of_imsi(digits, next))
		return false;
	signal_commit_sighting(s, SIGNAL_ROLE_IMSI);
	return true;
}

static void permanent_identity_show(struct bytes text, struct signal *s)
{
	struct bytes imsi;
	if (imsi_of_user_name(text, &imsi))
		imsi_show(imsi, s);
}

static void user_name_show(struct bytes text, struct signal *s)
{
	struct identity *next = signal_next_identity(s, SIGNAL_ROLE_USER);
	if (next && identity_of_nai(text, next))
		signal_commit_sighting(s, SIGNAL_ROLE_USER);
	permanent_identity_show(text, s);
}

// --- stations ----------------------------------------------------------------------------------------------

// Hexadecimal digits in groups of two, four or six, parted alike by '-', ':' or '.', or in one.
static bool mac_read(struct bytes text, uint8_t out[static MAC_LEN])
{
	enum { DIGITS = 2 * MAC_LEN };
	unsigned digits = 0, group = 0, separators = 0;
	uint8_t separator = 0;
	memset(out, 0, MAC_LEN);
	for (size_t i = 0; i < text.len; i++) {
		int value = ascii_hex_value(text.at[i]);
		if (value >= 0 && digits < DIGITS) {
			out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | value);
			digits++;
			continue;
		}
		if (separators == 0) {
			separator = text.at[i];
			group = digits;
		}
		separators++;
		if (value >= 0 || text.at[i] != separator || digits != group * separators)
			return false;
	}
	if (digits != DIGITS || separators == 0)
		return digits == DIGITS;
	return (group == 2 || group == 4 || group == 6) && separators == DIGITS / group - 1 &&
	       memchr("-:.", separator, 3);
}

static void number_show(struct bytes text, size_t least_digits, struct signal *s)
{
	if (text.len && text.at[0] == '+')
		text = bytes_slice(text, 1, SIZE_MAX);
	if (text.len < least_digits || text.len > GREATEST_NUMBER_DIGITS)
		return;
	struct identity *next = signal_next_identity(s, SIGNAL_ROLE_NUMBER);
	if (next && identity_of_e164(text, next))
		signal_commit_sighting(s, SIGNAL_ROLE_NUMBER);
}

static void station_show(struct bytes text, bool is_3gpp, struct signal *s)
{
	uint8_t mac[MAC_LEN];
	struct identity *next;
	if (mac_read(text, mac) && (next = signal_next_identity(s, SIGNAL_ROLE_MAC))) {
		identity_of_mac(mac, next);
		signal_commit_sighting(s, SIGNAL_ROLE_MAC);
	}
	number_show(text, is_3gpp ? 1 : LEAST_NUMBER_DIGITS, s);
}

// --- 3GPP --------------------------------------------------------------------------------------------------

// The equipment, and with 16 digits its software version too. False: these are not the digits of an IMEI.
static bool imei_show(struct bytes digits, struct signal *s)
{
	struct identity *next = signal_next_identity(s, SIGNAL_ROLE_IMEI);
	if (!next)
		return true;
	if (!identity_of_imei(digits, next))
		return false;
	signal_commit_sighting(s, SIGNAL_ROLE_IMEI);
	next = signal_next_identity(s, SIGNAL_ROLE_IMEI);
	if (next && identity_of_imeisv(digits, next))
		signal_commit_sighting(s, SIGNAL_ROLE_IMEI);
	return true;
}

static void show_3gpp(struct bytes attributes, struct signal *s)
{
	struct radius_vendor_attribute a;
	bool is_sound = true;
	while (radius_vendor_next(RADIUS_VENDOR_3GPP, &attributes, &a)) {
		if (a.type == RADIUS_3GPP_IMSI)
			is_sound &= imsi_show(without_nul(a.value), s);
		else if (a.type == RADIUS_3GPP_IMEISV)
			is_sound &= imei_show(without_nul(a.value), s);
	}
	if (!is_sound)
		s->defects |= SIGNAL_DEFECT_VALUE;
	if (attributes.len)
		s->defects |= SIGNAL_DEFECT_LENGTH;
}

static bool is_of_3gpp(const struct radius_attribute *a, struct radius_vendor *vendor)
{
	return a->type == RADIUS_VENDOR_SPECIFIC && radius_vendor_read(a->value, vendor) &&
	       vendor->id == RADIUS_VENDOR_3GPP;
}

static bool has_3gpp(struct bytes attributes)
{
	struct radius_attribute a;
	struct radius_vendor vendor;
	while (radius_next(&attributes, &a))
		if (is_of_3gpp(&a, &vendor))
			return true;
	return false;
}

// --- all of it ---------------------------------------------------------------------------------------------

void radius_show_identities(const struct radius *radius, struct signal *s)
{
	bool is_3gpp = has_3gpp(radius->attributes);
	struct bytes rest = radius->attributes;
	struct radius_attribute a;
	struct radius_vendor vendor;
	while (radius_next(&rest, &a)) {
		struct bytes text = without_nul(a.value);
		if (a.type == RADIUS_USER_NAME)
			user_name_show(text, s);
		else if (a.type == RADIUS_CALLING_STATION_ID)
			station_show(text, is_3gpp, s);
		else if (a.type == RADIUS_CHARGEABLE_USER_IDENTITY)
			permanent_identity_show(text, s);
		else if (is_of_3gpp(&a, &vendor))
			show_3gpp(vendor.attributes, s);
	}
}

static void attribute_show(struct bytes octets, struct signal *s)
{
	struct identity *next = signal_next_identity(s, SIGNAL_ROLE_ATTRIBUTE);
	if (next && identity_of_attribute(octets, next))
		signal_commit_sighting(s, SIGNAL_ROLE_ATTRIBUTE);
}

// Whether `attributes` are two or more, to the end.
static bool holds_several(const struct radius_vendor *vendor)
{
	struct bytes rest = vendor->attributes;
	struct radius_vendor_attribute a;
	unsigned count = 0;
	while (radius_vendor_next(vendor->id, &rest, &a))
		count++;
	return count > 1 && rest.len == 0;
}

// As if it were the only one of its Vendor-Specific attribute.
static void vendor_attribute_show(uint32_t vendor_id, struct bytes octets, struct signal *s)
{
	uint8_t whole[ATTRIBUTE_MAX_LEN];
	struct writer w = writer_of(whole, sizeof whole);
	write_u8(&w, RADIUS_VENDOR_SPECIFIC);
	write_u8(&w, (uint8_t)(RADIUS_ATTRIBUTE_HEADER_LEN + RADIUS_VENDOR_ID_LEN + octets.len));
	write_be32(&w, vendor_id);
	write_bytes(&w, octets);
	if (!w.overflow)
		attribute_show(writer_bytes(&w), s);
}

static void vendor_attributes_show(struct bytes value, struct signal *s)
{
	struct radius_vendor vendor;
	if (!radius_vendor_read(value, &vendor) || !holds_several(&vendor))
		return;
	struct radius_vendor_attribute a;
	while (radius_vendor_next(vendor.id, &vendor.attributes, &a))
		vendor_attribute_show(vendor.id, a.octets, s);
}

void radius_show_attributes(const struct radius *radius, struct signal *s)
{
	struct bytes rest = radius->attributes;
	struct radius_attribute a;
	while (radius_next(&rest, &a)) {
		attribute_show(a.octets, s);
		if (a.type == RADIUS_VENDOR_SPECIFIC)
			vendor_attributes_show(a.value, s);
	}
}
