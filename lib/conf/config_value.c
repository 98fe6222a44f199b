#include "config_value.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct held {
	struct held *next;
	char text[];
};

struct where where_of(const char *format, ...)
{
	struct where where;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(where.text, sizeof where.text, format, arguments);
	va_end(arguments);
	return where;
}

void complain(
	struct reading *r, struct yaml_mark at, const struct where *where, const char *format, ...)
{
	char text[768];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	problems_add(r->problems, at, 0, "%s%s%s", where->text, where->text[0] ? ": " : "", text);
}

const char *config_hold(struct reading *r, struct bytes text)
{
	struct held *held = malloc(sizeof *held + text.len + 1);
	if (!held) {
		problems_add(r->problems, (struct yaml_mark){0}, 0, "out of memory");
		return NULL;
	}
	if (text.len)
		memcpy(held->text, text.at, text.len);
	held->text[text.len] = '\0';
	held->next = r->config->memory;
	r->config->memory = held;
	return held->text;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (struct held *h = config->memory, *next; h; h = next) {
		next = h->next;
		free(h);
	}
	free(config);
}

static void complain_of_value(struct reading *r, const struct option *o,
	const struct yaml_node *value, const struct where *where)
{
	char expected[512];
	struct writer w = writer_of(expected, sizeof expected - 1);
	option_describe(o, &w);
	expected[w.len] = '\0';
	static const char *const shapes[] = {
		[YAML_SCALAR] = "", [YAML_LIST] = "a list", [YAML_MAP] = "a map"};
	if (value->kind == YAML_SCALAR)
		complain(r, value->mark, where, "'%s' is not valid here (%s)", value->text,
			expected);
	else
		complain(r, value->mark, where, "%s is not valid here (%s)", shapes[value->kind],
			expected);
}

// The fields of the options are read and written here alone: the table says where they are and how wide.
static void field_store(const struct option *o, void *base, uint64_t value)
{
	uint8_t *field = (uint8_t *)base + o->offset;
	if (o->size == sizeof(bool))
		*(bool *)field = value;
	else if (o->size == sizeof(uint16_t))
		memcpy(field, &(uint16_t){(uint16_t)value}, sizeof(uint16_t));
	else
		memcpy(field, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
}

static void field_store_text(const struct option *o, void *base, const char *text)
{
	memcpy((uint8_t *)base + o->offset, &text, sizeof text);
}

// Digits at the front of `text`, at most 18 of them, so that it cannot run over. Returns what follows, or NULL.
static const char *take_number(const char *text, uint64_t *out)
{
	uint64_t value = 0;
	size_t digits = 0;
	for (; ascii_is_digit((uint8_t)text[digits]); digits++) {
		if (digits == 18)
			return NULL;
		value = value * 10 + (uint64_t)(text[digits] - '0');
	}
	*out = value;
	return digits ? text + digits : NULL;
}

static bool in_range(const struct option *o, uint64_t value)
{
	return (value >= o->least && value <= o->greatest) || (value == 0 && o->zero);
}

static bool number_read(const struct option *o, const char *text, uint64_t *out)
{
	const char *rest = take_number(text, out);
	return rest && !*rest && in_range(o, *out);
}

static bool duration_read(const struct option *o, const char *text, uint64_t *out)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
	uint64_t value;
	const char *rest = take_number(text, &value);
	for (size_t i = 0; rest && i < sizeof units / sizeof *units; i++)
		if (strcmp(rest, units[i].unit) == 0 && value <= UINT32_MAX) {
			*out = value * units[i].ms;
			return in_range(o, *out);
		}
	return false;
}

static bool bool_read(const char *text, uint64_t *out)
{
	static const char *const words[2][3] = {{"no", "false", "off"}, {"yes", "true", "on"}};
	for (uint64_t value = 0; value < 2; value++)
		for (size_t i = 0; i < 3; i++)
			if (strcmp(text, words[value][i]) == 0) {
				*out = value;
				return true;
			}
	return false;
}

static const struct choice *choice_find(const struct option *o, const char *text)
{
	for (const struct choice *c = o->choices; c->word; c++)
		if (strcmp(c->word, text) == 0)
			return c;
	return NULL;
}

// That it is UTF-8 was checked when the file was read; escapes can still bring control characters.
static bool is_printable(const struct yaml_node *value)
{
	struct bytes text = bytes_of(value->text, value->len);
	for (size_t i = 0, len; i < text.len; i += len) {
		len = utf8_len(bytes_slice(text, i, text.len));
		if (len == 0 || utf8_is_control(bytes_slice(text, i, len)))
			return false;
	}
	return true;
}

const char *text_take(struct reading *r, const struct option *o, const struct yaml_node *value,
	const struct where *where)
{
	if (value->kind != YAML_SCALAR) {
		complain_of_value(r, o, value, where);
		return NULL;
	}
	if (value->len < o->least || value->len > o->greatest) {
		complain(r, value->mark, where, "must have %llu to %llu octets, not %u",
			(unsigned long long)o->least, (unsigned long long)o->greatest, value->len);
		return NULL;
	}
	if (!is_printable(value)) {
		complain(r, value->mark, where, "holds a character that cannot be printed");
		return NULL;
	}
	return config_hold(r, bytes_of(value->text, value->len));
}

static const char *digits_take(struct reading *r, const struct option *o,
	const struct yaml_node *value, const struct where *where)
{
	bool good = value->kind == YAML_SCALAR && value->len >= o->least &&
	            value->len <= o->greatest && strspn(value->text, "0123456789") == value->len;
	if (good)
		return config_hold(r, bytes_of(value->text, value->len));
	complain_of_value(r, o, value, where);
	return NULL;
}

static const char *path_take(struct reading *r, const struct option *o,
	const struct yaml_node *value, const struct where *where)
{
	if (value->kind != YAML_SCALAR || !value->len || !is_printable(value)) {
		complain_of_value(r, o, value, where);
		return NULL;
	}
	char path[4096];
	struct writer w = writer_of(path, sizeof path);
	if (value->text[0] != '/')
		write_text(&w, r->directory);
	write_text(&w, value->text);
	if (w.overflow) {
		complain(r, value->mark, where, "this path is too long");
		return NULL;
	}
	return config_hold(r, writer_bytes(&w));
}

// systemd puts a credential into a directory under its name, so the name is that of a file.
static bool is_credential_name(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static const char *key_take(struct reading *r, const struct option *o,
	const struct yaml_node *value, const struct where *where)
{
	static const size_t prefix_len = sizeof CONFIG_CREDENTIAL - 1;
	if (value->kind != YAML_SCALAR || strncmp(value->text, CONFIG_CREDENTIAL, prefix_len) != 0)
		return path_take(r, o, value, where);
	if (value->len <= 255 && is_printable(value) &&
		is_credential_name(value->text + prefix_len))
		return config_hold(r, bytes_of(value->text, value->len));
	complain(r, value->mark, where,
		"behind 'credential:' stands the name that LoadCredential= gives it, without '/'");
	return NULL;
}

static const char *address_take(struct reading *r, const struct option *o,
	const struct yaml_node *value, const struct where *where)
{
	struct address address;
	if (value->kind == YAML_SCALAR &&
		address_parse(bytes_of(value->text, value->len), &address) &&
		(o->least == 0 || o->least == address.family))
		return config_hold(r, bytes_of(value->text, value->len));
	complain_of_value(r, o, value, where);
	return NULL;
}

// What the kernel takes as the name of an interface (dev_valid_name).
static const char *interface_take(struct reading *r, const struct option *o,
	const struct yaml_node *value, const struct where *where)
{
	if (value->kind == YAML_SCALAR && value->len >= o->least && value->len <= o->greatest &&
		!strpbrk(value->text, "/: \t") && strcmp(value->text, ".") != 0 &&
		strcmp(value->text, "..") != 0 && is_printable(value))
		return config_hold(r, bytes_of(value->text, value->len));
	complain_of_value(r, o, value, where);
	return NULL;
}

// Hosts and media types compare in lower case, hosts without a trailing dot.
static const char *word_take(
	struct reading *r, const struct yaml_node *value, const struct where *where)
{
	if (value->kind != YAML_SCALAR || !value->len || value->len > 255 ||
		strpbrk(value->text, " \t") || !is_printable(value)) {
		complain(r, value->mark, where, "must be one word of 1 to 255 octets");
		return NULL;
	}
	uint8_t word[255];
	size_t len = value->len;
	for (size_t i = 0; i < len; i++)
		word[i] = ascii_lower((uint8_t)value->text[i]);
	if (len > 1 && word[len - 1] == '.')
		len--;
	return config_hold(r, bytes_of(word, len));
}

// Whether the value is a list that fits: told if it is not.
static bool check_list(struct reading *r, const struct option *o, const struct yaml_node *value,
	const struct where *where)
{
	if (value->kind == YAML_LIST && value->len <= CONFIG_MAX_LIST)
		return true;
	if (value->kind == YAML_LIST)
		complain(r, value->mark, where, "holds %u entries, at most %d are possible",
			value->len, CONFIG_MAX_LIST);
	else
		complain_of_value(r, o, value, where);
	return false;
}

static void list_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where)
{
	if (!check_list(r, o, value, where))
		return;
	struct config_list list = {0};
	unsigned index = 0;
	for (const struct yaml_node *n = value->first; n; n = n->next, index++) {
		struct where item = where_of("%s[%u]", where->text, index);
		const char *word = word_take(r, n, &item);
		if (word)
			list.items[list.count++] = word;
	}
	memcpy((uint8_t *)base + o->offset, &list, sizeof list);
}

static void ports_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where)
{
	if (!check_list(r, o, value, where))
		return;
	struct config_ports ports = {.count = 0};
	unsigned index = 0;
	for (const struct yaml_node *n = value->first; n; n = n->next, index++) {
		struct where item = where_of("%s[%u]", where->text, index);
		uint64_t port;
		if (n->kind == YAML_SCALAR && number_read(o, n->text, &port))
			ports.items[ports.count++] = (uint16_t)port;
		else
			complain(r, n->mark, &item, "must be a number, %llu to %llu",
				(unsigned long long)o->least, (unsigned long long)o->greatest);
	}
	memcpy((uint8_t *)base + o->offset, &ports, sizeof ports);
}

static void words_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where)
{
	uint64_t bits = 0;
	if (value->kind != YAML_LIST || value->len == 0) {
		complain_of_value(r, o, value, where);
		return;
	}
	unsigned index = 0;
	for (const struct yaml_node *n = value->first; n; n = n->next, index++) {
		struct where item = where_of("%s[%u]", where->text, index);
		const struct choice *choice =
			n->kind == YAML_SCALAR ? choice_find(o, n->text) : NULL;
		if (choice)
			bits |= choice->value;
		else
			complain_of_value(r, o, n, &item);
	}
	field_store(o, base, bits);
}

static struct address address_cut(const struct address *a, unsigned len)
{
	struct address cut = *a;
	for (unsigned bit = len; bit < 8 * sizeof cut.octets; bit++)
		cut.octets[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return cut;
}

// An address, or one and the length of a prefix behind a '/'.
static bool prefix_read(const struct yaml_node *value, struct config_prefix *out)
{
	if (value->kind != YAML_SCALAR)
		return false;
	struct bytes text = bytes_of(value->text, value->len);
	const char *slash = strchr(value->text, '/');
	size_t end = slash ? (size_t)(slash - value->text) : text.len;
	if (!address_parse(bytes_slice(text, 0, end), &out->address))
		return false;
	uint64_t most = out->address.family == 4 ? 32 : 128, len = most;
	const char *rest = slash ? take_number(slash + 1, &len) : "";
	out->len = (uint8_t)len;
	return rest && !*rest && len <= most;
}

static bool prefix_take(struct reading *r, const struct yaml_node *value, struct config_prefix *out,
	const struct where *where)
{
	if (!prefix_read(value, out)) {
		complain(r, value->mark, where, "must be an IP address or prefix, as 192.0.2.0/24");
		return false;
	}
	struct address network = address_cut(&out->address, out->len);
	if (memcmp(&network, &out->address, sizeof network) == 0)
		return true;
	char suggested[ADDRESS_TEXT];
	address_format(&network, suggested);
	complain(r, value->mark, where, "'%s' has host bits set (did you mean %s/%u?)", value->text,
		suggested, out->len);
	return false;
}

static void prefixes_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where)
{
	if (value->kind != YAML_LIST || !value->len || value->len > CONFIG_MAX_PREFIXES) {
		complain(r, value->mark, where,
			"must be a list of 1 to %d IP addresses and prefixes", CONFIG_MAX_PREFIXES);
		return;
	}
	struct config_prefixes prefixes = {.count = 0};
	unsigned index = 0;
	for (const struct yaml_node *n = value->first; n; n = n->next, index++) {
		struct where item = where_of("%s[%u]", where->text, index);
		if (prefix_take(r, n, &prefixes.items[prefixes.count], &item))
			prefixes.count++;
	}
	memcpy((uint8_t *)base + o->offset, &prefixes, sizeof prefixes);
}

// Which entry of ports it names is looked up when the value is known to be one.
static void place_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where)
{
	struct config_place *place = (struct config_place *)(void *)((uint8_t *)base + o->offset);
	place->pair = text_take(r, o, value, where);
}

static void range_set(struct reading *r, const struct option *o, struct config_destination *d,
	const struct yaml_node *value, const struct where *where)
{
	uint64_t ends[2] = {0, 0};
	bool good = value->kind == YAML_LIST && value->len == 2;
	const struct yaml_node *n = good ? value->first : NULL;
	for (size_t i = 0; n; n = n->next, i++)
		good &= n->kind == YAML_SCALAR && number_read(o, n->text, &ends[i]);
	if (!good) {
		complain(r, value->mark, where,
			"must be a list of two numbers, [first, last], %llu to %llu",
			(unsigned long long)o->least, (unsigned long long)o->greatest);
		return;
	}
	if (ends[0] > ends[1]) {
		complain(r, value->mark, where, "the first port (%llu) is above the last (%llu)",
			(unsigned long long)ends[0], (unsigned long long)ends[1]);
		return;
	}
	d->source_port_first = (uint16_t)ends[0];
	d->source_port_last = (uint16_t)ends[1];
}

// Hex digits with or without colons between them, as openssl prints them.
static bool pin_read(const struct yaml_node *value, uint8_t pin[CONFIG_PIN_LEN])
{
	size_t digits = 0;
	for (size_t i = 0; i < value->len; i++) {
		uint8_t c = (uint8_t)value->text[i];
		int nibble = ascii_hex_value(c);
		if (c == ':' && digits > 0 && digits % 2 == 0 && i + 1 < value->len)
			continue;
		if (nibble < 0 || digits == 2 * CONFIG_PIN_LEN)
			return false;
		pin[digits / 2] = (uint8_t)(pin[digits / 2] << 4 | nibble);
		digits++;
	}
	return digits == 2 * CONFIG_PIN_LEN;
}

static void pin_set(struct reading *r, const struct option *o, struct config_destination *d,
	const struct yaml_node *value, const struct where *where)
{
	uint8_t pin[CONFIG_PIN_LEN] = {0};
	if (value->kind != YAML_SCALAR || !pin_read(value, pin)) {
		complain_of_value(r, o, value, where);
		return;
	}
	memcpy(d->pin, pin, sizeof pin);
	d->has_pin = true;
}

static void scalar_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where)
{
	uint64_t number = 0;
	const struct choice *choice = NULL;
	bool good = value->kind == YAML_SCALAR;
	if (good && o->type == OPTION_NUMBER)
		good = number_read(o, value->text, &number);
	else if (good && o->type == OPTION_DURATION)
		good = duration_read(o, value->text, &number);
	else if (good && o->type == OPTION_SECONDS)
		good = duration_read(o, value->text, &number) && number % 1000 == 0;
	else if (good && o->type == OPTION_BOOL)
		good = bool_read(value->text, &number);
	else if (good)
		good = (choice = choice_find(o, value->text)) != NULL;

	if (!good)
		complain_of_value(r, o, value, where);
	else if (o->type == OPTION_WORD)
		field_store_text(o, base, choice->word);
	else
		field_store(o, base,
			choice                      ? choice->value
			: o->type == OPTION_SECONDS ? number / 1000
						    : number);
}

void option_set(struct reading *r, const struct option *o, void *base,
	const struct yaml_node *value, const struct where *where)
{
	switch (o->type) {
	case OPTION_TEXT:
		field_store_text(o, base, text_take(r, o, value, where));
		break;
	case OPTION_DIGITS:
		field_store_text(o, base, digits_take(r, o, value, where));
		break;
	case OPTION_PATH:
		field_store_text(o, base, path_take(r, o, value, where));
		break;
	case OPTION_KEY:
		field_store_text(o, base, key_take(r, o, value, where));
		break;
	case OPTION_ADDRESS:
		field_store_text(o, base, address_take(r, o, value, where));
		break;
	case OPTION_INTERFACE:
		field_store_text(o, base, interface_take(r, o, value, where));
		break;
	case OPTION_RANGE:
		range_set(r, o, base, value, where);
		break;
	case OPTION_PIN:
		pin_set(r, o, base, value, where);
		break;
	case OPTION_LIST:
		list_set(r, o, base, value, where);
		break;
	case OPTION_PORTS:
		ports_set(r, o, base, value, where);
		break;
	case OPTION_WORDS:
		words_set(r, o, base, value, where);
		break;
	case OPTION_PREFIXES:
		prefixes_set(r, o, base, value, where);
		break;
	case OPTION_PLACE:
		place_set(r, o, base, value, where);
		break;
	case OPTION_NUMBER:
	case OPTION_DURATION:
	case OPTION_SECONDS:
	case OPTION_BOOL:
	case OPTION_CHOICE:
	case OPTION_WORD:
		scalar_set(r, o, base, value, where);
		break;
	case OPTION_DEVICE:
	case OPTION_PAIR:
		break;
	}
}
