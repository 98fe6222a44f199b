// Signals of DHCP messages, and what tests ask of them.
#ifndef X2TAP_DHCP_SIGNALS_H
#define X2TAP_DHCP_SIGNALS_H

#include "captures.h"
#include "dhcp_samples.h"

#include "signals.h"

static const struct signal_rules RULES = {.key = {7, 8}};
static const struct signal_rules RULES_ATTRIBUTES = {.key = {7, 8}, .wants_attributes = true};

static inline struct address address_of(const char *text)
{
	struct address a;
	assert_true(address_parse(bytes_of_text(text), &a));
	return a;
}

static inline struct packet packet_between(const char *source, const char *destination)
{
	struct packet p = {.flow = {.protocol = 17}};
	p.flow.source = address_of(source);
	p.flow.destination = address_of(destination);
	return p;
}

static inline void signal_read(signal_reader *reader, const struct sample *s,
	const struct packet *packet, const struct signal_rules *rules, struct signal *out)
{
	memset(out, 0xa5, sizeof *out); // what is not set is not zero by luck
	assert_int_equal(reader(sample_bytes(s), packet, rules, out), PARSE_OK);
	assert_true(bytes_equal(out->octets, sample_bytes(s)));
	assert_int_equal(out->correlation, 0);
	assert_false(out->has_restart);
}

static inline bool address_is(const struct address *a, const char *text)
{
	if (!text)
		return a->family == 0;
	struct address wanted = address_of(text);
	return memcmp(a, &wanted, sizeof wanted) == 0;
}

static inline void parties_are(const struct signal *s, const char *authority, const char *peer)
{
	assert_true(address_is(&s->authority, authority));
	assert_true(address_is(&s->peer, peer));
}

// Whether nothing but these MAC addresses is shown, parted by blanks.
static inline void macs_are(const struct signal *s, const char *text)
{
	struct sample wanted = {.len = 0};
	sample_read(&wanted, text, 1);
	assert_int_equal(s->sighting_count * 6, wanted.len);
	for (uint32_t i = 0; i < s->sighting_count; i++) {
		const struct sighting *sighting = &s->sightings[i];
		assert_true(
			sighting->role == SIGNAL_ROLE_MAC || sighting->role == SIGNAL_ROLE_CLAIM);
		assert_int_equal(sighting->identity.kind, IDENTITY_MAC);
		assert_int_equal(sighting->identity.len, 6);
		assert_memory_equal(sighting->identity.octets, wanted.octets + i * 6, 6);
	}
}

static inline void lease_is(const struct signal *s, unsigned nth, const char *address,
	unsigned prefix_len, uint32_t lifetime_s)
{
	assert_true(nth < s->lease_count);
	assert_true(address_is(&s->leases[nth].address, address));
	assert_int_equal(s->leases[nth].prefix_len, prefix_len);
	assert_int_equal(s->leases[nth].lifetime_s, lifetime_s);
}

// Whether a binding is found for `later` by what `earlier` left under a name.
static inline bool finds(const struct signal *later, const struct signal *earlier)
{
	for (uint32_t i = 0; i < later->name_count; i++)
		for (uint32_t k = 0; k < earlier->name_count; k++)
			if ((later->names[i].use & (NAME_FIND | NAME_REPORTS)) == NAME_FIND &&
				earlier->names[k].use & NAME_KEEP &&
				memcmp(&later->names[i].digest, &earlier->names[k].digest,
					sizeof(struct digest)) == 0)
				return true;
	return false;
}

// The same, by a name that outlives the exchange.
static inline bool finds_lease(const struct signal *later, const struct signal *earlier)
{
	struct signal lasting = *earlier;
	lasting.name_count = 0;
	for (uint32_t i = 0; i < earlier->name_count; i++)
		if (!(earlier->names[i].use & NAME_EXCHANGE))
			lasting.names[lasting.name_count++] = earlier->names[i];
	return finds(later, &lasting);
}

// A signal as a test sees it: that of a UDP datagram in a frame of a capture.
struct seen_frame {
	unsigned number; // of the frame, from 1
	enum parse_result result;
	struct signal signal;
	uint8_t *frame; // what the signal views
};

// Reads on until a datagram of `ports`; false at the end. Free `frame` of what was seen.
static inline bool capture_next(FILE *file, unsigned *number, const uint16_t ports[2],
	signal_reader *reader, struct seen_frame *seen)
{
	size_t len;
	for (uint8_t *frame; (frame = capture_frame(file, &len)) != NULL; free(frame)) {
		struct packet p;
		++*number;
		if (packet_parse(bytes_of(frame, len), &p) != PACKET_UDP ||
			(p.flow.destination_port != ports[0] &&
				p.flow.destination_port != ports[1]))
			continue;
		seen->number = *number;
		seen->frame = frame;
		seen->result = reader(p.payload, &p, &RULES, &seen->signal);
		return true;
	}
	return false;
}

#endif
