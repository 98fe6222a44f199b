// Any octets as the payload of a DHCPv6 port: parsed, relays opened, every view walked, and read as a signal between various
// addresses.
#include "dhcp_checks.h"
#include "dhcpv6.h"
#include "dhcpv6_signal.h"

static void association_walk(const struct dhcpv6_option *option)
{
	struct dhcpv6_ia ia;
	struct dhcpv6_lease lease;
	struct dhcpv6_option inner;
	if (!dhcpv6_ia_read(option, &ia))
		return;
	FUZZ_CHECK(fuzz_lies_in(ia.options, option->value));
	struct reader r = reader_of(ia.options);
	while (dhcpv6_option_next(&r, &inner)) {
		if (inner.code != dhcpv6_lease_code(&ia) || !dhcpv6_lease_read(&inner, &lease))
			continue;
		FUZZ_CHECK(lease.address.family == 6);
		FUZZ_CHECK(fuzz_lies_in(lease.options, inner.value));
		dhcpv6_status(lease.options);
	}
	dhcpv6_status(ia.options);
}

static void option_walk(const struct dhcpv6_option *option)
{
	uint32_t enterprise;
	uint16_t hardware_type;
	struct bytes octets;
	struct dhcp_duid duid;
	if (dhcpv6_is_ia(option->code))
		association_walk(option);
	if (dhcpv6_remote_id_read(option->value, &enterprise, &octets))
		FUZZ_CHECK(fuzz_lies_in(octets, option->value));
	if (dhcpv6_link_layer_read(option->value, &hardware_type, &octets))
		FUZZ_CHECK(fuzz_lies_in(octets, option->value));
	if (dhcp_duid_parse(option->value, &duid) == PARSE_OK)
		FUZZ_CHECK(fuzz_lies_in(duid.link_layer_address, option->value));
}

static void options_walk(struct bytes options)
{
	struct reader r = reader_of(options);
	struct dhcpv6_option option;
	struct bytes first;
	size_t left = options.len;
	while (dhcpv6_option_next(&r, &option)) {
		FUZZ_CHECK(reader_left(&r) < left);
		FUZZ_CHECK(fuzz_lies_in(option.value, options));
		left = reader_left(&r);
		option_walk(&option);
		// Only the first is looked for again: a walk for each would take as long as the sender likes.
		if (left == options.len - 4 - option.value.len) {
			FUZZ_CHECK(dhcpv6_option_find(options, option.code, &first));
			FUZZ_CHECK(bytes_equal(first, option.value));
		}
	}
	FUZZ_CHECK(reader_left(&r) == 0);
}

static void message_walk(const struct dhcpv6 *m, struct bytes payload)
{
	FUZZ_CHECK(bytes_equal(m->octets, payload));
	FUZZ_CHECK(m->relay_count <= DHCPV6_MAX_RELAYS);
	struct bytes around = payload;
	for (unsigned i = 0; i < m->relay_count; i++) {
		const struct dhcpv6_relay *relay = &m->relays[i];
		FUZZ_CHECK(
			relay->type == DHCPV6_RELAY_FORWARD || relay->type == DHCPV6_RELAY_REPLY);
		FUZZ_CHECK(fuzz_lies_in(relay->options, around));
		around = relay->options;
		options_walk(relay->options);
	}
	FUZZ_CHECK(m->has_message || (m->defects && m->relay_count));
	FUZZ_CHECK(m->has_message || m->options.len == 0);
	FUZZ_CHECK(fuzz_lies_in(m->options, around));
	FUZZ_CHECK(fuzz_lies_in(m->client_id, m->options));
	FUZZ_CHECK(fuzz_lies_in(m->server_id, m->options));
	FUZZ_CHECK(m->transaction_id >> 24 == 0);
	options_walk(m->options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes payload = bytes_of(data, size);
	struct dhcpv6 m;
	enum parse_result result = dhcpv6_parse(payload, &m);
	FUZZ_CHECK(result != PARSE_MALFORMED);
	FUZZ_CHECK(result != PARSE_TRUNCATED || size < 34);
	if (result == PARSE_OK)
		message_walk(&m, payload);

	static const char *const places[][2] = {{"fe80::a", "ff02::1:2"},
		{"2001:db8:1::1", "2001:db8:ff::1"}, {"2001:db8:1::1", "ff05::1:3"}};
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		struct packet p = packet_between(places[i][0], places[i][1]);
		signal_walk(dhcpv6_signal_read, SIGNAL_DHCPV6, payload, &p);
	}
	return 0;
}
