#include "identity.h"

#include "address.h"
#include "sip.h"

enum { NUMBER_MAX = 64 }; // octets; E.164 has 15 digits at most, what people dial is longer

// --- hosts ---------------------------------------------------------------------------------------------------

static bool ipv6_expand(struct bytes host, char text[static ADDRESS_TEXT])
{
	struct address address;
	if (!address_parse(host, &address) || address.family != 6)
		return false;
	address_format_x1(&address, text);
	return true;
}

static struct bytes without_trailing_dot(struct bytes host)
{
	if (host.len && host.at[host.len - 1] == '.')
		host.len--;
	return host;
}

static void write_lower(struct writer *w, struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		write_u8(w, ascii_lower(text.at[i]));
}

static void host_write(struct writer *w, const struct sip_uri *uri)
{
	char expanded[ADDRESS_TEXT];
	if (uri->host_is_ipv6 && ipv6_expand(uri->host, expanded))
		write_text(w, expanded);
	else
		write_lower(w, without_trailing_dot(uri->host));
}

static bool host_is_domain(struct bytes host, const char *domain)
{
	char a[ADDRESS_TEXT], b[ADDRESS_TEXT];
	if (ipv6_expand(host, a) && ipv6_expand(bytes_of_text(domain), b))
		return strcmp(a, b) == 0;
	return bytes_equal_nocase(without_trailing_dot(host), bytes_of_text(domain));
}

static bool is_number_domain(struct bytes host, const struct numbering *n)
{
	for (size_t i = 0; i < n->number_domain_count; i++)
		if (host_is_domain(host, n->number_domains[i]))
			return true;
	return false;
}

// --- numbers -------------------------------------------------------------------------------------------------

struct number {
	bool global;  // written with +
	bool decimal; // nothing but digits
	uint8_t digits[NUMBER_MAX];
	size_t len;
};

// A number as spelled (RFC 3966: digits, visual separators; blanks are the habit of some), unescaped. False: no number.
static bool number_read(struct bytes spelled, struct number *out)
{
	*out = (struct number){.decimal = true};
	for (size_t i = 0; i < spelled.len; i++) {
		uint8_t c = spelled.at[i];
		if (memchr("-.() ", c, 5))
			continue;
		if (c == '+' && !out->global && out->len == 0) {
			out->global = true;
			continue;
		}
		if (ascii_hex_value(c) >= 10)
			c = (uint8_t)(ascii_lower(c) - 32);
		else if (!ascii_is_digit(c) && c != '*' && c != '#')
			return false;
		if (out->len == sizeof out->digits)
			return false;
		out->decimal &= ascii_is_digit(c);
		out->digits[out->len++] = c;
	}
	return out->len > 0 && (out->decimal || !out->global);
}

static bool number_begins_with(const struct number *number, const char *prefix)
{
	size_t len = strlen(prefix);
	return len <= number->len && memcmp(number->digits, prefix, len) == 0;
}

// Puts `prefix` in the place of the first `skip` digits. False when that leaves no digits, or too many.
static bool number_replace(struct number *number, size_t skip, struct bytes prefix)
{
	if (number->len <= skip || prefix.len + number->len - skip > sizeof number->digits)
		return false;
	memmove(number->digits + prefix.len, number->digits + skip, number->len - skip);
	if (prefix.len)
		memcpy(number->digits, prefix.at, prefix.len);
	number->len = prefix.len + number->len - skip;
	return true;
}

static bool is_own_country(struct bytes digits, const struct numbering *n)
{
	return bytes_equal(digits, bytes_of_text(n->country_code));
}

static size_t national_prefix_len(const struct number *number, const struct numbering *n)
{
	return number_begins_with(number, n->national_prefix) ? strlen(n->national_prefix) : 0;
}

static bool number_globalise_here(struct number *number, const struct numbering *n)
{
	if (n->international_prefix[0] && number_begins_with(number, n->international_prefix))
		return number_replace(number, strlen(n->international_prefix), bytes_of(NULL, 0));
	if (n->country_code[0] && number_begins_with(number, n->national_prefix))
		return number_replace(
			number, national_prefix_len(number, n), bytes_of_text(n->country_code));
	return false;
}

static bool number_globalise(struct number *number, struct bytes context, const struct numbering *n)
{
	if (number->global)
		return true;
	if (!number->decimal)
		return false;
	struct number prefix;
	if (context.len && context.at[0] == '+') {
		if (!number_read(context, &prefix))
			return false;
		struct bytes digits = bytes_of(prefix.digits, prefix.len);
		size_t skip = is_own_country(digits, n) ? national_prefix_len(number, n) : 0;
		return number_replace(number, skip, digits);
	}
	if (context.len && !is_number_domain(context, n))
		return false;
	return number_globalise_here(number, n);
}

// --- URIs ----------------------------------------------------------------------------------------------------

static bool is_phone(const struct sip_uri *uri)
{
	struct bytes value;
	return sip_parameter(uri->parameters, "user", &value) &&
	       bytes_equal_nocase(value, bytes_of_text("phone"));
}

static bool is_all_digits(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_digit(text.at[i]))
			return false;
	return text.len > 0;
}

static bool user_is_number(const struct sip_uri *uri, struct bytes user, const struct numbering *n)
{
	return uri->scheme == SIP_SCHEME_TEL || user.at[0] == '+' || is_phone(uri) ||
	       (is_all_digits(user) && is_number_domain(uri->host, n));
}

static bool identity_of_number(const struct sip_uri *uri, struct bytes user,
	const struct numbering *n, struct identity *out)
{
	struct number number;
	if (!user_is_number(uri, user, n) || !number_read(user, &number))
		return false;
	struct bytes context = {NULL, 0};
	sip_parameter(uri->user_parameters, "phone-context", &context);
	bool global = number_globalise(&number, context, n);
	out->kind = global ? IDENTITY_NUMBER : IDENTITY_LOCAL_NUMBER;
	out->len = (uint16_t)number.len;
	memcpy(out->octets, number.digits, number.len);
	return true;
}

// An '@' in the host (of a broken URI) would make a@b@c of two different subscribers.
static bool identity_of_user_at_host(
	const struct sip_uri *uri, struct bytes user, struct identity *out)
{
	if (uri->host.len == 0 || memchr(uri->host.at, '@', uri->host.len))
		return false;
	struct writer w = writer_of(out->octets, sizeof out->octets);
	write_bytes(&w, user);
	write_u8(&w, '@');
	host_write(&w, uri);
	out->kind = IDENTITY_URI;
	out->len = (uint16_t)w.len;
	return !w.overflow;
}

static size_t identities_read(const struct sip_uri *uri, const struct numbering *n,
	struct identity out[IDENTITIES_PER_URI])
{
	uint8_t unescaped[IDENTITY_MAX];
	if (uri->scheme == SIP_SCHEME_OTHER)
		return 0;
	size_t len = sip_uri_unescape(uri->user, unescaped, sizeof unescaped);
	if (len == 0 || len == SIZE_MAX)
		return 0;

	struct bytes user = bytes_of(unescaped, len);
	size_t count = 0;
	if (uri->scheme != SIP_SCHEME_TEL && identity_of_user_at_host(uri, user, &out[count]))
		count++;
	if (identity_of_number(uri, user, n, &out[count]))
		count++;
	return count;
}

// A host may be escaped as a user part may, though nobody has reason to.
static size_t identities_of_escaped_host(const struct sip_uri *uri, const struct numbering *n,
	struct identity out[IDENTITIES_PER_URI])
{
	uint8_t host[IDENTITY_MAX];
	struct sip_uri plain = *uri;
	size_t len = sip_uri_unescape(uri->host, host, sizeof host);
	if (len == SIZE_MAX)
		return 0;
	plain.host = bytes_of(host, len);
	return identities_read(&plain, n, out);
}

size_t identities_of_uri(const struct sip_uri *uri, const struct numbering *n,
	struct identity out[IDENTITIES_PER_URI])
{
	if (uri->host.len && memchr(uri->host.at, '%', uri->host.len))
		return identities_of_escaped_host(uri, n, out);
	return identities_read(uri, n, out);
}

bool identity_of_target_uri(
	const struct sip_uri *uri, const struct numbering *n, struct identity *out)
{
	struct identity shown[IDENTITIES_PER_URI];
	size_t count = identities_of_uri(uri, n, shown);
	if (count == 0)
		return false;
	size_t last = count - 1;
	*out = shown[last].kind == IDENTITY_NUMBER ? shown[last] : shown[0];
	// A host too long for user@host must not leave its local number behind, which has no host.
	return uri->scheme == SIP_SCHEME_TEL || out->kind != IDENTITY_LOCAL_NUMBER;
}

// --- what a target states beyond its identity ---------------------------------------------------------------

struct parameter {
	struct bytes name, value;
};

static size_t find(struct bytes text, uint8_t c)
{
	const uint8_t *at = text.len ? memchr(text.at, c, text.len) : NULL;
	return at ? (size_t)(at - text.at) : text.len;
}

// Takes the next parameter from the front of ";a=b;c".
static bool parameter_next(struct bytes *rest, struct parameter *out)
{
	while (rest->len && rest->at[0] == ';')
		*rest = bytes_slice(*rest, 1, rest->len);
	if (rest->len == 0)
		return false;
	struct bytes whole = bytes_slice(*rest, 0, find(*rest, ';'));
	*rest = bytes_slice(*rest, whole.len, rest->len);
	size_t equals = find(whole, '=');
	out->name = bytes_slice(whole, 0, equals);
	out->value = bytes_slice(whole, equals + 1, whole.len);
	return true;
}

static bool is_parameter(const struct parameter *p, const char *name, const char *value)
{
	return bytes_equal_nocase(p->name, bytes_of_text(name)) &&
	       (!value || bytes_equal_nocase(p->value, bytes_of_text(value)));
}

// Whether the parameter only says how the number is to be read.
static bool is_about_number(const struct parameter *p, enum identity_kind kind)
{
	return is_parameter(p, "user", "phone") ||
	       (kind == IDENTITY_NUMBER && is_parameter(p, "phone-context", NULL));
}

static bool states_parameters(struct bytes parameters, enum identity_kind kind)
{
	struct parameter p;
	while (parameter_next(&parameters, &p))
		if (!is_about_number(&p, kind))
			return true;
	return false;
}

static bool has_parameter(struct bytes parameters, const struct parameter *wanted)
{
	struct parameter p;
	while (parameter_next(&parameters, &p))
		if (bytes_equal_nocase(p.name, wanted->name))
			return bytes_equal_nocase(p.value, wanted->value);
	return false;
}

static bool parameters_hold(struct bytes stated, enum identity_kind kind, struct bytes seen)
{
	struct parameter p;
	while (parameter_next(&stated, &p))
		if (!is_about_number(&p, kind) && !has_parameter(seen, &p))
			return false;
	return true;
}

bool identity_states_more(const struct sip_uri *target, enum identity_kind kind)
{
	return target->has_port || target->password.len > 0 ||
	       states_parameters(target->parameters, kind) ||
	       states_parameters(target->user_parameters, kind);
}

bool identity_stated_holds(
	const struct sip_uri *target, enum identity_kind kind, const struct sip_uri *seen)
{
	if (target->has_port && (!seen->has_port || seen->port != target->port))
		return false;
	if (target->password.len && !bytes_equal(target->password, seen->password))
		return false;
	if (!parameters_hold(target->user_parameters, kind, seen->user_parameters))
		return false;
	// Of tel: these are the same parameters, which sip: has in its user part.
	return target->scheme == SIP_SCHEME_TEL ||
	       parameters_hold(target->parameters, kind, seen->parameters);
}

// --- other names ---------------------------------------------------------------------------------------------

enum { E164_MAX_DIGITS = 15 };

bool identity_of_e164(struct bytes digits, struct identity *out)
{
	if (digits.len > E164_MAX_DIGITS || !is_all_digits(digits))
		return false;
	out->kind = IDENTITY_NUMBER;
	out->len = (uint16_t)digits.len;
	memcpy(out->octets, digits.at, digits.len);
	return true;
}

bool identity_of_nai(struct bytes text, struct identity *out)
{
	if (text.len == 0 || text.len > sizeof out->octets)
		return false;
	size_t realm = text.len; // behind the last '@'
	while (realm > 0 && text.at[realm - 1] != '@')
		realm--;
	if (realm == 0)
		realm = text.len;
	struct writer w = writer_of(out->octets, sizeof out->octets);
	write_bytes(&w, bytes_slice(text, 0, realm));
	write_lower(&w, bytes_slice(text, realm, text.len));
	out->kind = IDENTITY_NAI;
	out->len = (uint16_t)w.len;
	return true;
}

static void set_octets(struct identity *out, enum identity_kind kind, struct bytes octets)
{
	out->kind = (uint8_t)kind;
	out->len = (uint16_t)octets.len;
	memcpy(out->octets, octets.at, octets.len);
}

bool identity_of_imsi(struct bytes digits, struct identity *out)
{
	if (digits.len < 6 || digits.len > E164_MAX_DIGITS || !is_all_digits(digits))
		return false;
	set_octets(out, IDENTITY_IMSI, digits);
	return true;
}

bool identity_of_imei(struct bytes digits, struct identity *out)
{
	enum { EQUIPMENT_DIGITS = 14 };
	if (digits.len < EQUIPMENT_DIGITS || digits.len > EQUIPMENT_DIGITS + 2 ||
		!is_all_digits(digits))
		return false;
	set_octets(out, IDENTITY_IMEI, bytes_slice(digits, 0, EQUIPMENT_DIGITS));
	return true;
}

bool identity_of_imeisv(struct bytes digits, struct identity *out)
{
	if (digits.len != 16 || !is_all_digits(digits))
		return false;
	set_octets(out, IDENTITY_IMEISV, digits);
	return true;
}

void identity_of_mac(const uint8_t octets[static 6], struct identity *out)
{
	set_octets(out, IDENTITY_MAC, bytes_of(octets, 6));
}

bool identity_of_attribute(struct bytes attribute, struct identity *out)
{
	if (attribute.len < 2 || attribute.at[1] != attribute.len)
		return false;
	set_octets(out, IDENTITY_ATTRIBUTE, attribute);
	return true;
}

void identity_of_gtpc_tunnel(uint32_t teid, struct identity *out)
{
	const uint8_t octets[4] = {
		(uint8_t)(teid >> 24), (uint8_t)(teid >> 16), (uint8_t)(teid >> 8), (uint8_t)teid};
	set_octets(out, IDENTITY_GTPC_TUNNEL, bytes_of(octets, sizeof octets));
}

// The kind goes into the key, so that equal octets of another sort have another digest.
struct digest identity_digest(const struct hash_key *key, const struct identity *identity)
{
	const struct hash_key of_kind = {key->k0 ^ identity->kind, key->k1};
	return siphash128(&of_kind, bytes_of(identity->octets, identity->len));
}
