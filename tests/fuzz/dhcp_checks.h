// What holds of every signal that a DHCP message is read as.
#ifndef X2TAP_DHCP_CHECKS_H
#define X2TAP_DHCP_CHECKS_H

#include "signal_checks.h"

static inline struct packet packet_between(const char *source, const char *destination)
{
	struct packet p = {.flow = {.protocol = 17}};
	FUZZ_CHECK(address_parse(bytes_of_text(source), &p.flow.source));
	FUZZ_CHECK(address_parse(bytes_of_text(destination), &p.flow.destination));
	return p;
}

static inline void sightings_check(const struct signal *s, bool wants_attributes)
{
	FUZZ_CHECK(s->sighting_count <= SIGNAL_MAX_SIGHTINGS);
	for (uint32_t i = 0; i < s->sighting_count; i++) {
		const struct identity *identity = &s->sightings[i].identity;
		if (s->sightings[i].role == SIGNAL_ROLE_MAC ||
			s->sightings[i].role == SIGNAL_ROLE_CLAIM) {
			FUZZ_CHECK(identity->kind == IDENTITY_MAC && identity->len == 6);
			continue;
		}
		FUZZ_CHECK(wants_attributes && s->sightings[i].role == SIGNAL_ROLE_ATTRIBUTE);
		FUZZ_CHECK(identity->kind == IDENTITY_ATTRIBUTE && identity->len >= 2);
		FUZZ_CHECK(identity->octets[1] == identity->len);
	}
}

static inline void names_check(const struct signal *s)
{
	FUZZ_CHECK(s->name_count <= SIGNAL_MAX_NAMES);
	for (uint32_t i = 0; i < s->name_count; i++) {
		uint8_t use = s->names[i].use;
		FUZZ_CHECK(use & NAME_FIND && !(use & NAME_BEGIN));
		FUZZ_CHECK(!(use & NAME_EXCHANGE) || use & (NAME_KEEP | NAME_REPORTS));
	}
}

static inline void lease_check(const struct signal_lease *lease)
{
	unsigned width = lease->address.family == 4 ? 32 : 128;
	FUZZ_CHECK(lease->address.family == 4 || lease->address.family == 6);
	FUZZ_CHECK(lease->prefix_len <= width && lease->prefix_len >= 32);
	FUZZ_CHECK(lease->address.octets[0] != 0);
	for (unsigned bit = lease->prefix_len; bit < 128; bit++)
		FUZZ_CHECK(!(lease->address.octets[bit / 8] >> (7 - bit % 8) & 1));
}

static inline void change_check(const struct signal *s)
{
	unsigned lasting = 0;
	FUZZ_CHECK(s->lease_count <= SIGNAL_MAX_LEASES);
	for (uint32_t i = 0; i < s->lease_count; i++) {
		lease_check(&s->leases[i]);
		lasting += s->leases[i].lifetime_s != 0;
	}
	FUZZ_CHECK((s->change == CHANGE_BIND) == (lasting > 0));
	FUZZ_CHECK((s->change == CHANGE_RELEASE) == (s->lease_count > 0 && lasting == 0));
	FUZZ_CHECK(s->change != CHANGE_RESTART && s->ends == (s->change == CHANGE_END));
	if (s->change == CHANGE_BIND)
		FUZZ_CHECK(s->is_answer && s->way == SIGNAL_WAY_TO_SUBSCRIBER);
	if (s->change == CHANGE_PENDING || s->change == CHANGE_END)
		FUZZ_CHECK(!s->is_answer && s->way == SIGNAL_WAY_FROM_SUBSCRIBER);
}

static inline void signal_check(const struct signal *s, enum signal_protocol protocol,
	struct bytes payload, bool attributes)
{
	FUZZ_CHECK(s->protocol == protocol && bytes_equal(s->octets, payload));
	FUZZ_CHECK(s->defects >> SIGNAL_DEFECTS == 0);
	FUZZ_CHECK(s->correlation == 0 && !s->has_restart);
	sightings_check(s, attributes);
	names_check(s);
	change_check(s);
}

// Reads the payload between these two, and checks what came out.
static inline void signal_walk(signal_reader *reader, enum signal_protocol protocol,
	struct bytes payload, const struct packet *packet)
{
	static struct signal signal; // too large for a stack
	for (unsigned attributes = 0; attributes < 2; attributes++) {
		const struct signal_rules rules = {
			.key = {7, 8}, .wants_attributes = attributes != 0};
		// What is not set is not zero by luck; but for sightings, which are most of the size.
		memset(&signal, 0xa5, offsetof(struct signal, sightings));
		memset(&signal.change, 0xa5, sizeof signal - offsetof(struct signal, change));
		if (reader(payload, packet, &rules, &signal) == PARSE_OK)
			signal_check(&signal, protocol, payload, attributes);
	}
	orders_do_not_show(reader, payload, packet);
}

#endif
