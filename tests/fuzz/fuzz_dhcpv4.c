// Any octets as the payload of a DHCPv4 port: parsed, every view walked, and read as a signal between various addresses.
#include "dhcp_checks.h"
#include "dhcpv4_signal.h"

static void agent_walk(struct bytes information)
{
	struct reader r = reader_of(information);
	uint8_t code;
	struct bytes value;
	size_t left = information.len;
	while (dhcp_sub_option_next(&r, &code, &value)) {
		FUZZ_CHECK(reader_left(&r) < left);
		FUZZ_CHECK(fuzz_lies_in(value, information));
		left = reader_left(&r);
	}
	FUZZ_CHECK(reader_left(&r) == 0);
}

static void client_id_walk(struct bytes client_id)
{
	uint32_t iaid;
	struct bytes duid;
	struct dhcp_duid parsed;
	if (!dhcpv4_client_duid(client_id, &iaid, &duid))
		return;
	FUZZ_CHECK(fuzz_lies_in(duid, client_id));
	if (dhcp_duid_parse(duid, &parsed) == PARSE_OK)
		FUZZ_CHECK(fuzz_lies_in(parsed.link_layer_address, duid));
}

static void options_walk(const struct dhcpv4 *m)
{
	for (unsigned name = 0; name < DHCPV4_OPTIONS; name++) {
		const struct dhcpv4_option *option = &m->options[name];
		struct dhcpv4_room room;
		size_t len = 0;
		FUZZ_CHECK(option->part_count <= DHCPV4_MAX_PARTS);
		for (unsigned i = 0; i < option->part_count; i++) {
			FUZZ_CHECK(fuzz_lies_in(option->parts[i], m->octets));
			len += option->parts[i].len;
		}
		struct bytes value = dhcpv4_option(m, (enum dhcpv4_option_name)name, &room);
		FUZZ_CHECK(value.len == len);
		if (name == DHCPV4_AGENT_INFORMATION)
			agent_walk(value);
		if (name == DHCPV4_CLIENT_ID)
			client_id_walk(value);
	}
}

static void message_walk(const struct dhcpv4 *m, struct bytes payload)
{
	FUZZ_CHECK(bytes_equal(m->octets, payload));
	FUZZ_CHECK(m->op == BOOTREQUEST || m->op == BOOTREPLY);
	FUZZ_CHECK(m->chaddr.len <= DHCPV4_MAX_CHADDR && fuzz_lies_in(m->chaddr, payload));
	FUZZ_CHECK(!m->is_bootp || m->message_type == DHCPV4_BOOTP);
	FUZZ_CHECK(m->has_lease_time || m->lease_time_s == 0);
	FUZZ_CHECK(!m->has_lease_time || m->options[DHCPV4_LEASE_TIME].part_count);
	FUZZ_CHECK(m->ciaddr.family == 4 && m->giaddr.family == 4 && m->yiaddr.family == 4);
	options_walk(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes payload = bytes_of(data, size);
	struct dhcpv4 m;
	enum parse_result result = dhcpv4_parse(payload, &m);
	FUZZ_CHECK(result != PARSE_MALFORMED);
	FUZZ_CHECK(result != PARSE_TRUNCATED || size < DHCPV4_MIN_LEN);
	if (result == PARSE_OK)
		message_walk(&m, payload);

	static const char *const places[][2] = {{"0.0.0.0", "255.255.255.255"},
		{"192.0.2.7", "198.51.100.1"}, {"198.51.100.1", "192.0.2.1"}};
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		struct packet p = packet_between(places[i][0], places[i][1]);
		signal_walk(dhcpv4_signal_read, SIGNAL_DHCPV4, payload, &p);
	}
	return 0;
}
