#include "signals.h"

const char *signal_defect_name(unsigned bit)
{
	static const char *const names[SIGNAL_DEFECTS] = {
		"truncated", "length", "value", "missing", "excess"};
	return names[bit];
}

void signal_clear(struct signal *s, enum signal_protocol protocol)
{
	// Not the room for names, sightings and leases: their counts say what is set.
	s->protocol = protocol;
	s->octets = (struct bytes){NULL, 0};
	s->defects = 0;
	s->message_type = 0;
	s->is_answer = s->ends = false;
	s->way = SIGNAL_WAY_UNKNOWN;
	s->name_count = 0;
	s->correlation = 0;
	s->sighting_count = s->asked_count = s->sightings_excess = 0;
	s->change = CHANGE_NONE;
	s->lease_count = 0;
	s->authority = s->peer = (struct address){.family = 0};
	s->has_restart = false;
	s->restart = 0;
}

void signal_wipe(struct signal *s)
{
	// One more than are there: the last may have been filled in and not been committed.
	size_t used = s->sighting_count + (s->sighting_count < SIGNAL_MAX_SIGHTINGS);
	explicit_bzero(s->sightings, used * sizeof *s->sightings);
	explicit_bzero(s->leases, s->lease_count * sizeof *s->leases);
	signal_clear(s, s->protocol);
}

void signal_add_name(struct signal *s, const struct signal_rules *rules, enum signal_name_kind kind,
	uint8_t use, const struct bytes *parts, size_t count)
{
	uint8_t octets[SIGNAL_NAME_MAX];
	struct writer w = writer_of(octets, sizeof octets);
	write_u8(&w, (uint8_t)kind);
	for (size_t i = 0; i < count; i++) {
		write_be16(&w, (uint16_t)parts[i].len);
		write_bytes(&w, parts[i]);
	}
	if (w.overflow || s->name_count == SIGNAL_MAX_NAMES) {
		s->defects |= SIGNAL_DEFECT_EXCESS;
		return;
	}
	s->names[s->name_count++] =
		(struct signal_name){siphash128(&rules->key, writer_bytes(&w)), use};
}

static bool is_asked(enum signal_role role)
{
	return role > SIGNAL_ROLE_SUBSCRIBER_LAST;
}

struct identity *signal_next_identity(struct signal *s, enum signal_role role)
{
	bool full = is_asked(role) ? s->asked_count == SIGNAL_MAX_ASKED
	                           : s->sighting_count - s->asked_count == SIGNAL_MAX_SUBSCRIBERS;
	if (full) {
		s->sightings_excess++;
		return NULL;
	}
	return &s->sightings[s->sighting_count].identity;
}

void signal_commit_sighting(struct signal *s, enum signal_role role)
{
	struct sighting *fresh = &s->sightings[s->sighting_count];
	for (uint32_t i = 0; i < s->sighting_count; i++)
		if (s->sightings[i].role == role &&
			identity_equal(&s->sightings[i].identity, &fresh->identity))
			return;
	fresh->uri = NULL;
	fresh->role = (uint8_t)role;
	s->sighting_count++;
	s->asked_count += is_asked(role);
}

bool signal_add_lease(
	struct signal *s, const struct address *address, uint8_t prefix_len, uint32_t lifetime_s)
{
	if (prefix_len > (address->family == 4 ? 32 : 128)) {
		s->defects |= SIGNAL_DEFECT_VALUE;
		return false;
	}
	if (s->lease_count == SIGNAL_MAX_LEASES) {
		s->defects |= SIGNAL_DEFECT_EXCESS;
		return false;
	}
	struct signal_lease *lease = &s->leases[s->lease_count++];
	*lease = (struct signal_lease){{.family = address->family}, prefix_len, lifetime_s};
	memcpy(lease->address.octets, address->octets, prefix_len / 8);
	if (prefix_len % 8)
		lease->address.octets[prefix_len / 8] =
			(uint8_t)(address->octets[prefix_len / 8] & 0xff << (8 - prefix_len % 8));
	return true;
}
