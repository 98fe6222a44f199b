// GTP-C messages between nodes, and which sessions they would belong to: the plainest reading of the names of signals.h.
#ifndef X2TAP_GTP_TRACE_H
#define X2TAP_GTP_TRACE_H

#include "gtp_hex.h"
#include "gtp_samples.h"
#include "gtpc.h"
#include "signals.h"

#define MME "192.0.2.10" // SGSN: 192.0.2.1
#define SGW "198.51.100.10"
#define PGW "198.51.100.20"
#define SGSN "192.0.2.1"
#define GGSN "198.51.100.1"

static const struct signal_rules trace_rules = {.key = {1, 2}, .wants_tunnels = true};

static inline struct packet trace_packet(
	const char *from, uint16_t source_port, const char *to, uint16_t destination_port)
{
	struct packet p = {.flow = {.source_port = source_port,
				   .destination_port = destination_port,
				   .protocol = 17}};
	assert_true(address_parse(bytes_of_text(from), &p.flow.source));
	assert_true(address_parse(bytes_of_text(to), &p.flow.destination));
	return p;
}

// Requests come from a port of their own, as they may (TS 29.060 clause 10.1.1), and answers go to it.
enum { TRACE_PORT = 40001, TRACE_GTPC = 2123 };

struct trace {
	signal_reader *read;
	unsigned sessions;
	size_t count;
	struct {
		struct digest name;
		unsigned session;
		bool is_exchange;
	} names[128];
	struct signal signal; // of the last message
};

static inline size_t trace_find(const struct trace *t, const struct digest *name)
{
	size_t i = 0;
	while (i < t->count && memcmp(&t->names[i].name, name, sizeof *name) != 0)
		i++;
	return i;
}

static inline void trace_keep(struct trace *t, const struct signal_name *kept, unsigned session)
{
	const struct digest *name = &kept->digest;
	size_t i = trace_find(t, name);
	assert_true(i < sizeof t->names / sizeof *t->names);
	t->count += i == t->count;
	t->names[i].name = *name;
	t->names[i].session = session;
	t->names[i].is_exchange = kept->use & NAME_EXCHANGE;
}

// Names of tunnels that lead to the session.
static inline unsigned trace_tunnels(const struct trace *t, unsigned session)
{
	unsigned count = 0;
	for (size_t i = 0; i < t->count; i++)
		count += t->names[i].session == session && !t->names[i].is_exchange;
	return count;
}

// The session that the last message belongs to; 0: none that is known, and it begins none.
static inline unsigned trace_session(struct trace *t)
{
	unsigned session = 0;
	bool keeps = false;
	for (uint32_t i = 0; i < t->signal.name_count; i++) {
		const struct signal_name *n = &t->signal.names[i];
		assert_false(n->use & NAME_FIND && n->use & NAME_BEGIN);
		assert_true(!(n->use & NAME_BEGIN) || n->use & NAME_KEEP);
		keeps |= (n->use & NAME_KEEP) != 0;
		size_t known = trace_find(t, &n->digest);
		if (!(n->use & NAME_FIND) || known == t->count)
			continue;
		if (session == 0)
			session = t->names[known].session;
		if (t->signal.change == CHANGE_END) // it ends all that it finds
			assert_int_equal(t->names[known].session, session);
	}
	if (session == 0 && keeps)
		session = ++t->sessions;
	for (uint32_t i = 0; i < t->signal.name_count; i++)
		if (t->signal.names[i].use & NAME_KEEP)
			trace_keep(t, &t->signal.names[i], session);
	return session;
}

static inline unsigned trace_take(struct trace *t, const char *from, uint16_t source_port,
	const char *to, uint16_t destination_port, const char *text)
{
	struct packet packet = trace_packet(from, source_port, to, destination_port);
	struct hex h = hex_of(text);
	uint8_t *copy = exact_copy(h.octets, h.len);
	memset(&t->signal, 0xa5, sizeof t->signal); // what is not set is not zero by luck
	assert_int_equal(
		t->read(bytes_of(copy, h.len), &packet, &trace_rules, &t->signal), PARSE_OK);
	free(copy);
	t->signal.octets.at = NULL;
	assert_memory_equal(&t->signal.authority, &packet.flow.source, sizeof(struct address));
	assert_memory_equal(&t->signal.peer, &packet.flow.destination, sizeof(struct address));
	return trace_session(t);
}

static inline unsigned trace_request(
	struct trace *t, const char *from, const char *to, const char *text)
{
	unsigned session = trace_take(t, from, TRACE_PORT, to, TRACE_GTPC, text);
	assert_false(t->signal.is_answer);
	return session;
}

static inline unsigned trace_answer(
	struct trace *t, const char *from, const char *to, const char *text)
{
	unsigned session = trace_take(t, from, TRACE_GTPC, to, TRACE_PORT, text);
	assert_true(t->signal.is_answer);
	return session;
}

// "imsi:001...": what the last message shows; tunnels as 8 hexadecimal digits.
static inline bool trace_shows(const struct trace *t, enum identity_kind kind, const char *octets)
{
	for (uint32_t i = 0; i < t->signal.sighting_count; i++) {
		const struct identity *id = &t->signal.sightings[i].identity;
		struct bytes wanted = bytes_of_text(octets);
		struct hex tunnel = {.len = 0};
		if (kind == IDENTITY_GTPC_TUNNEL) {
			tunnel = hex_of(octets);
			wanted = hex_bytes(&tunnel);
		}
		if (id->kind == kind && bytes_equal(bytes_of(id->octets, id->len), wanted))
			return true;
	}
	return false;
}

static inline void trace_leases(
	const struct trace *t, uint32_t i, const char *address, uint8_t prefix_len)
{
	char text[ADDRESS_TEXT];
	assert_true(i < t->signal.lease_count);
	address_format(&t->signal.leases[i].address, text);
	assert_string_equal(text, address);
	assert_int_equal(t->signal.leases[i].prefix_len, prefix_len);
	assert_int_equal(t->signal.leases[i].lifetime_s, UINT32_MAX);
}

static inline void trace_says(const struct trace *t, enum signal_change change, bool ends,
	uint32_t leases, uint32_t defects)
{
	assert_int_equal(t->signal.change, change);
	assert_int_equal(t->signal.ends, ends);
	assert_int_equal(t->signal.lease_count, leases);
	assert_int_equal(t->signal.defects, defects);
	assert_int_equal(t->signal.correlation, 0);
	assert_int_equal(t->signal.way, SIGNAL_WAY_UNKNOWN);
}

#endif
