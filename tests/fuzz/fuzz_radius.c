// Any octets as a RADIUS datagram, all the way: parsed, read for what it means, and written as an IRI-only order may report it.
// The first octet chooses addresses, ports and rules.
//
// Laws: views lie in the datagram, and walks end; what is said does not depend on padding; what is written is as long, is
// the same attributes by type and length, holds nothing of the known credentials, and is written the same a second time.
#include "radius.h"
#include "radius_iri.h"
#include "radius_signal.h"
#include "signal_checks.h"

static void *checked(void *memory)
{
	FUZZ_CHECK(memory);
	return memory;
}

static void vendor_walk(struct bytes value)
{
	struct radius_vendor vendor;
	struct radius_vendor_attribute a;
	FUZZ_CHECK(radius_vendor_read(value, &vendor) == (value.len >= RADIUS_VENDOR_ID_LEN));
	if (value.len < RADIUS_VENDOR_ID_LEN)
		return;
	size_t left = vendor.attributes.len;
	while (radius_vendor_next(vendor.id, &vendor.attributes, &a)) {
		FUZZ_CHECK(fuzz_lies_in(a.octets, value) && fuzz_lies_in(a.value, a.octets));
		FUZZ_CHECK(vendor.attributes.len + a.octets.len == left);
		FUZZ_CHECK(a.octets.len > 0);
		left = vendor.attributes.len;
	}
	FUZZ_CHECK(vendor.attributes.len == left);
}

static void packet_walk(const struct radius *radius, struct bytes payload)
{
	FUZZ_CHECK(radius->octets.at == payload.at && fuzz_lies_in(radius->octets, payload));
	FUZZ_CHECK(radius->octets.len == RADIUS_HEADER_LEN + radius->attributes.len);
	FUZZ_CHECK(fuzz_lies_in(radius->attributes, radius->octets));
	FUZZ_CHECK(radius->authenticator.len == RADIUS_AUTHENTICATOR_LEN);
	FUZZ_CHECK(fuzz_lies_in(radius->authenticator, radius->octets));
	FUZZ_CHECK(!radius->is_cut || radius->octets.len == payload.len);
	struct bytes rest = radius->attributes;
	struct radius_attribute a;
	size_t left = rest.len;
	while (radius_next(&rest, &a)) {
		FUZZ_CHECK(fuzz_lies_in(a.octets, radius->attributes));
		FUZZ_CHECK(a.value.len + RADIUS_ATTRIBUTE_HEADER_LEN == a.octets.len);
		FUZZ_CHECK(rest.len + a.octets.len == left);
		left = rest.len;
		if (a.type == RADIUS_VENDOR_SPECIFIC)
			vendor_walk(a.value);
	}
	FUZZ_CHECK(rest.len == left);
}

// --- what it means -----------------------------------------------------------------------------------------

static struct address address_of(const char *text)
{
	struct address a;
	FUZZ_CHECK(address_parse(bytes_of_text(text), &a));
	return a;
}

static struct packet packet_of(uint8_t choice)
{
	return (struct packet){
		.flow = {
			.source = address_of(choice & 1 ? "192.0.2.1" : "2001:db8::1"),
			.destination = address_of(choice & 1 ? "198.51.100.1" : "2001:db8::2"),
			.source_port = choice & 2 ? 1812 : 50000,
			.destination_port = choice & 2 ? 50000 : 1813,
			.protocol = 17,
		}};
}

static void names_check(const struct signal *s)
{
	unsigned begun = 0;
	FUZZ_CHECK(s->name_count > 0 && s->name_count <= SIGNAL_MAX_NAMES);
	for (uint32_t i = 0; i < s->name_count; i++) {
		unsigned use = s->names[i].use;
		FUZZ_CHECK(use & (NAME_FIND | NAME_KEEP));
		FUZZ_CHECK(!(use & NAME_BEGIN) || (use & (NAME_KEEP | NAME_FIND)) == NAME_KEEP);
		begun += !!(use & NAME_BEGIN);
	}
	FUZZ_CHECK(s->is_answer ? begun == 0 : begun > 0);
}

static void sightings_check(const struct signal *s, const struct signal_rules *rules)
{
	FUZZ_CHECK(s->sighting_count <= SIGNAL_MAX_SIGHTINGS);
	for (uint32_t i = 0; i < s->sighting_count; i++) {
		const struct sighting *seen = &s->sightings[i];
		FUZZ_CHECK(seen->identity.kind != IDENTITY_NONE && seen->identity.len > 0);
		FUZZ_CHECK(seen->identity.len <= IDENTITY_MAX && !seen->uri);
		FUZZ_CHECK((seen->identity.kind == IDENTITY_ATTRIBUTE) ==
			   (seen->role == SIGNAL_ROLE_ATTRIBUTE));
		FUZZ_CHECK(rules->wants_attributes || seen->role <= SIGNAL_ROLE_SUBSCRIBER_LAST);
	}
}

static void change_check(const struct signal *s, const struct packet *packet)
{
	FUZZ_CHECK(s->change == CHANGE_NONE || s->message_type == RADIUS_ACCOUNTING_REQUEST);
	FUZZ_CHECK(s->change == CHANGE_BIND || s->lease_count == 0);
	FUZZ_CHECK(s->change == CHANGE_NONE || s->change == CHANGE_RESTART || s->correlation);
	FUZZ_CHECK(!s->authority.family ||
		   memcmp(&s->authority, &packet->flow.source, sizeof s->authority) == 0);
	FUZZ_CHECK(s->lease_count <= SIGNAL_MAX_LEASES);
	for (uint32_t i = 0; i < s->lease_count; i++) {
		const struct signal_lease *lease = &s->leases[i];
		FUZZ_CHECK(lease->prefix_len > 0);
		FUZZ_CHECK(lease->prefix_len <= (lease->address.family == 4 ? 32 : 128));
		for (unsigned bit = lease->prefix_len; bit < 128; bit++)
			FUZZ_CHECK(!(lease->address.octets[bit / 8] & 0x80 >> bit % 8));
	}
}

static bool names_are_equal(const struct signal *a, const struct signal *b)
{
	bool equal = a->name_count == b->name_count;
	for (uint32_t i = 0; equal && i < a->name_count; i++)
		equal = a->names[i].use == b->names[i].use &&
		        a->names[i].digest.low == b->names[i].digest.low &&
		        a->names[i].digest.high == b->names[i].digest.high;
	return equal;
}

// Without padding the same is said.
static void padding_check(
	const struct signal *s, const struct packet *packet, const struct signal_rules *rules)
{
	struct signal *again = checked(malloc(sizeof *again));
	FUZZ_CHECK(radius_signal_read(s->octets, packet, rules, again) == PARSE_OK);
	FUZZ_CHECK(bytes_equal(again->octets, s->octets) && names_are_equal(again, s));
	FUZZ_CHECK(again->defects == s->defects && again->correlation == s->correlation);
	FUZZ_CHECK(again->change == s->change && again->lease_count == s->lease_count);
	FUZZ_CHECK(again->sighting_count == s->sighting_count);
	free(again);
}

static void meaning_check(const struct radius *radius, struct bytes payload, uint8_t choice)
{
	const struct signal_rules rules = {
		.key = {1, 2}, .wants_attributes = choice & 4, .wants_tunnels = choice & 8};
	struct packet packet = packet_of(choice);
	struct signal *s = checked(malloc(sizeof *s));
	enum parse_result result = radius_signal_read(payload, &packet, &rules, s);
	FUZZ_CHECK(result == (radius ? PARSE_OK : PARSE_FOREIGN));
	if (radius) {
		FUZZ_CHECK(s->protocol == SIGNAL_RADIUS && s->message_type == radius->code);
		FUZZ_CHECK(s->is_answer == radius_is_answer(radius->code));
		FUZZ_CHECK(bytes_equal(s->octets, radius->octets));
		FUZZ_CHECK(s->defects >> SIGNAL_DEFECTS == 0);
		names_check(s);
		sightings_check(s, &rules);
		change_check(s, &packet);
		padding_check(s, &packet, &rules);
		orders_do_not_show(radius_signal_read, payload, &packet);
	}
	free(s);
}

// --- what is reported --------------------------------------------------------------------------------------

static bool is_blank(struct bytes value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] != 'x')
			return false;
	return true;
}

static bool is_credential(uint8_t type)
{
	static const uint8_t types[] = {2, 3, 60, 69, 70, 79, 84};
	return memchr(types, type, sizeof types) != NULL;
}

static void report_compare(struct bytes before, struct bytes after)
{
	struct radius_attribute a, b;
	FUZZ_CHECK(before.len == after.len);
	while (radius_next(&before, &a)) {
		FUZZ_CHECK(radius_next(&after, &b));
		FUZZ_CHECK(a.type == b.type && a.octets.len == b.octets.len);
		FUZZ_CHECK(!is_credential(a.type) || is_blank(b.value));
		for (size_t i = 0; i < a.value.len; i++)
			FUZZ_CHECK(b.value.at[i] == a.value.at[i] || b.value.at[i] == 'x');
	}
	FUZZ_CHECK(!radius_next(&after, &b) && after.len == before.len);
	FUZZ_CHECK(is_blank(bytes_slice(after, RADIUS_ATTRIBUTE_HEADER_LEN, SIZE_MAX)));
}

static void report_check(struct bytes octets)
{
	static const struct radius_iri_rules blanked = {false}, kept = {true};
	uint8_t *once = checked(malloc(octets.len + 1)), *twice = checked(malloc(octets.len + 1));
	struct writer w = writer_of(once, octets.len), again = writer_of(twice, octets.len);
	enum radius_iri_result result = radius_iri_write(octets, &blanked, &w);
	FUZZ_CHECK(result != RADIUS_IRI_NO_ROOM && w.len == octets.len);
	FUZZ_CHECK(result == RADIUS_IRI_BLANKED || bytes_equal(writer_bytes(&w), octets));
	FUZZ_CHECK(bytes_equal(bytes_slice(writer_bytes(&w), 0, RADIUS_HEADER_LEN),
		bytes_slice(octets, 0, RADIUS_HEADER_LEN)));
	report_compare(bytes_slice(octets, RADIUS_HEADER_LEN, SIZE_MAX),
		bytes_slice(writer_bytes(&w), RADIUS_HEADER_LEN, SIZE_MAX));

	FUZZ_CHECK(radius_iri_write(writer_bytes(&w), &blanked, &again) != RADIUS_IRI_NO_ROOM);
	FUZZ_CHECK(bytes_equal(writer_bytes(&again), writer_bytes(&w)));
	again.len = 0;
	FUZZ_CHECK(radius_iri_write(octets, &kept, &again) == RADIUS_IRI_WHOLE);
	FUZZ_CHECK(bytes_equal(writer_bytes(&again), octets));
	if (octets.len) {
		struct writer tight = writer_of(twice, octets.len - 1);
		FUZZ_CHECK(radius_iri_write(octets, &blanked, &tight) == RADIUS_IRI_NO_ROOM);
		FUZZ_CHECK(tight.len == 0);
	}
	free(once);
	free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	uint8_t *exact =
		checked(malloc(size - 1 ? size - 1 : 1)); // so that the sanitizer sees more
	memcpy(exact, data + 1, size - 1);
	struct bytes payload = bytes_of(exact, size - 1);
	struct radius radius;
	bool is_radius = radius_parse(payload, &radius) == PARSE_OK;
	if (is_radius) {
		packet_walk(&radius, payload);
		report_check(radius.octets);
	}
	report_check(payload); // whatever it is
	meaning_check(is_radius ? &radius : NULL, payload, data[0]);
	free(exact);
	return 0;
}
