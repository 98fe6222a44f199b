#include "signalling.h"

#include <errno.h>
#include <stdlib.h>

#include "bounds.h"
#include "exact.h"

struct signalling {
	struct signalling_config config;
	struct signalling_counters counters;
	struct signal_events *events; // of the owner, else NULL
	struct signal signal;         // the message read last
	struct bytes opened;          // exact copy of its datagram, in sanitizer builds
	struct bound bound;
	size_t packet_len;
	uint8_t packet[SIGNALLING_MAX_PACKET];
};

// --- life ------------------------------------------------------------------------------------------------------

struct signalling *signalling_new(const struct signalling_config *config)
{
	struct signalling *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->config = *config;
	if (!config->owner)
		return s;
	s->events = signal_events_new(&config->events, &config->key);
	if (s->events)
		return s;
	int why = errno;
	signalling_free(s);
	errno = why;
	return NULL;
}

void signalling_free(struct signalling *s)
{
	if (!s)
		return;
	exact_close(s->opened);
	signal_events_free(s->events);
	explicit_bzero(s, sizeof *s);
	free(s);
}

const struct signalling_counters *signalling_counters(const struct signalling *s)
{
	return &s->counters;
}

const struct event_counters *signalling_event_counters(const struct signalling *s)
{
	static const struct event_counters none;
	return s->events ? signal_events_counters(s->events) : &none;
}

// --- reading ---------------------------------------------------------------------------------------------------

static bool has_port(const uint64_t *bits, const struct flow *flow)
{
	uint16_t to = flow->destination_port, from = flow->source_port;
	return bits && ((bits[to / 64] >> to % 64 & 1) || (bits[from / 64] >> from % 64 & 1));
}

static void count_message(struct protocol_counters *c, const struct signal *signal)
{
	c->messages++;
	if (signal->defects == 0)
		c->parsed++;
	else
		c->defective++;
	for (unsigned bit = 0; bit < SIGNAL_DEFECTS; bit++)
		c->defects[bit] += signal->defects >> bit & 1;
}

static struct signal_rules rules_for(const struct signalling *s, const struct target_table *table)
{
	return (struct signal_rules){
		.key = s->config.key,
		.wants_attributes = target_table_asks(table, IDENTITY_ATTRIBUTE),
		.wants_tunnels = target_table_asks(table, IDENTITY_GTPC_TUNNEL),
	};
}

static bool read_as(struct signalling *s, const struct target_table *table,
	enum signal_protocol protocol, const struct packet *packet)
{
	const struct signal_rules rules = rules_for(s, table);
	exact_close(s->opened); // the signal read before is a view of it
	s->opened = exact_open(packet->payload);
	return protocols[protocol].read(s->opened, packet, &rules, &s->signal) == PARSE_OK;
}

const struct signal *signalling_read(
	struct signalling *s, const struct target_table *table, const struct packet *packet)
{
	unsigned refused = 0;
	for (unsigned protocol = 0; protocol < protocol_count; protocol++) {
		if (!has_port(s->config.ports[protocol], &packet->flow))
			continue;
		if (read_as(s, table, (enum signal_protocol)protocol, packet)) {
			s->counters.protocols[protocol].datagrams++;
			count_message(&s->counters.protocols[protocol], &s->signal);
			return &s->signal;
		}
		refused |= 1u << protocol;
	}
	// Counted once, for the first of the protocols that share the port.
	if (refused) {
		struct protocol_counters *c = &s->counters.protocols[__builtin_ctz(refused)];
		c->datagrams++;
		c->not_understood++;
	}
	return NULL;
}

struct bytes signalling_payload(struct signalling *s, const struct packet *packet)
{
	if (!protocols[s->signal.protocol].whole_packet)
		return s->signal.octets;
	struct writer w = writer_of(s->packet, sizeof s->packet);
	packet_write_ip(packet, &w);
	s->packet_len = w.len;
	return writer_bytes(&w);
}

void signalling_lost(struct signalling *s)
{
	s->counters.protocols[s->signal.protocol].lost_handover++;
}

// Frames are overwritten by those that come. These would keep who was shown last, or shown by a longer message than came since,
// also when no task of his is left.
void signalling_done(struct signalling *s)
{
	signal_wipe(&s->signal);
	explicit_bzero(s->packet, s->packet_len);
	s->packet_len = 0;
}

// --- taking ----------------------------------------------------------------------------------------------------

static void bind(struct signalling *s, const struct packet *packet, uint64_t time_ns)
{
	const struct binding_place place = {
		packet->point, packet->outer.vlan, packet->outer.user_tunnels};
	if (s->config.bindings)
		bindings_take(s->config.bindings, &s->signal, &place, time_ns);
}

// Whose the session is that the message belongs to, as it stands before.
static unsigned find_session(struct signalling *s, const struct target_table *table,
	const struct packet *packet, uint64_t time_ns,
	struct digest identities[static BINDING_MAX_IDENTITIES])
{
	if (!s->config.bindings || !target_table_asks_bound(table))
		return 0;
	const struct binding_place place = {
		packet->point, packet->outer.vlan, packet->outer.user_tunnels};
	return bindings_of_session(s->config.bindings, &s->signal, &place, time_ns, identities,
		BINDING_MAX_IDENTITIES);
}

void signalling_take(struct signalling *s, const struct target_table *table,
	const struct packet *packet, struct bytes payload, uint64_t time_ns,
	struct record_ring *ring)
{
	const struct protocol *protocol = &protocols[s->signal.protocol];
	s->counters.protocols[s->signal.protocol].taken++;
	struct digest identities[BINDING_MAX_IDENTITIES];
	unsigned count = find_session(s, table, packet, time_ns, identities);
	// Who gives an address to somebody speaks of the new owner, who takes it away of the old one.
	bool gives = s->signal.change == CHANGE_BIND;
	if (gives)
		bind(s, packet, time_ns);
	bounds_of_packet(s->config.bindings, table, &s->config.key, packet, time_ns, &s->bound);
	bounds_add(&s->bound, identities, count, END_NEITHER);
	signal_events_take(s->events, table, &s->signal, protocol->event, payload, packet,
		&s->bound, time_ns, ring);
	if (!gives)
		bind(s, packet, time_ns);
}

void signalling_take_parcel(struct signalling *s, const struct target_table *table,
	enum signal_protocol protocol, struct packet *packet, struct bytes payload,
	size_t datagram_len, uint64_t time_ns, struct record_ring *ring)
{
	packet->payload = bytes_slice(payload, payload.len - datagram_len, datagram_len);
	if (read_as(s, table, protocol, packet))
		signalling_take(s, table, packet, payload, time_ns, ring);
	else
		s->counters.protocols[protocol]
			.lost_handover++; // cannot be: its sender read the same octets
	signalling_done(s);
}

void signalling_tick(struct signalling *s, uint64_t time_ns)
{
	if (s->config.bindings && s->config.owner)
		bindings_tick(s->config.bindings, time_ns);
}
