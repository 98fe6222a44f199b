// Any octets as a datagram of the GTP-C port, to both readers. The input is one octet that chooses what is asked for, then the
// datagram. Views stay inside of it, what is said keeps to its bounds, and the same octets say the same.
#include "gtpv1_signal.h"
#include "gtpv1c.h"
#include "gtpv2_signal.h"
#include "gtpv2c.h"
#include "signal_checks.h"

typedef enum parse_result gtpc_parser(struct bytes datagram, struct gtpc_message *out);

static void elements_walk(struct bytes elements, gtpc_next_function *next)
{
	struct bytes rest = elements;
	struct gtpc_element e;
	struct gtpc_addresses addresses;
	struct gtpc_digits digits;
	struct gtpv2c_f_teid f;
	struct address address;
	bool is_global;
	for (size_t left = rest.len; next(&rest, &e) == GTPC_ELEMENT; left = rest.len) {
		FUZZ_CHECK(rest.len < left);
		FUZZ_CHECK(fuzz_lies_in(e.value, elements));
		if (gtpv1c_msisdn(e.value, &digits, &is_global))
			FUZZ_CHECK(digits.len <= GTPC_MAX_DIGITS);
		if (gtpv1c_gsn_address(e.value, &address))
			FUZZ_CHECK(address.family == 4 || address.family == 6);
		gtpv1c_end_user_address(e.value, &addresses);
		if (gtpv2c_paa(e.value, &addresses))
			FUZZ_CHECK(addresses.ipv6_prefix <= 128);
		gtpv2c_f_teid(e.value, &f);
	}
}

static void message_walk(struct bytes datagram, gtpc_parser *parse, gtpc_next_function *next)
{
	struct gtpc_message m;
	if (parse(datagram, &m) != PARSE_OK)
		return;
	FUZZ_CHECK(m.octets.at == datagram.at);
	FUZZ_CHECK(m.octets.len + m.rest.len == datagram.len);
	FUZZ_CHECK(fuzz_lies_in(m.elements, m.octets) && fuzz_lies_in(m.rest, datagram));
	FUZZ_CHECK(!m.is_cut || m.rest.len == 0);
	FUZZ_CHECK(m.has_sequence || m.sequence == 0);
	elements_walk(m.elements, next);
}

static void names_walk(const struct signal *s)
{
	FUZZ_CHECK(s->name_count <= SIGNAL_MAX_NAMES);
	for (uint32_t i = 0; i < s->name_count; i++) {
		uint8_t use = s->names[i].use;
		FUZZ_CHECK(use & (NAME_FIND | NAME_KEEP));
		FUZZ_CHECK(!(use & NAME_BEGIN) || (use & NAME_KEEP && !(use & NAME_FIND)));
		for (uint32_t j = 0; j < i; j++)
			FUZZ_CHECK(memcmp(&s->names[i].digest, &s->names[j].digest,
					   sizeof s->names[i].digest) != 0 ||
				   use & NAME_EXCHANGE);
	}
}

static void sightings_walk(const struct signal *s, const struct signal_rules *rules)
{
	FUZZ_CHECK(s->sighting_count <= SIGNAL_MAX_SIGHTINGS);
	for (uint32_t i = 0; i < s->sighting_count; i++) {
		const struct identity *id = &s->sightings[i].identity;
		switch (s->sightings[i].role) {
		case SIGNAL_ROLE_IMSI:
			FUZZ_CHECK(id->kind == IDENTITY_IMSI && id->len >= 6 && id->len <= 15);
			break;
		case SIGNAL_ROLE_NUMBER:
			FUZZ_CHECK(id->kind == IDENTITY_NUMBER && id->len >= 1 && id->len <= 15);
			break;
		case SIGNAL_ROLE_IMEI:
			FUZZ_CHECK(id->len == (id->kind == IDENTITY_IMEI ? 14 : 16));
			break;
		default:
			FUZZ_CHECK(s->sightings[i].role == SIGNAL_ROLE_TUNNEL);
			FUZZ_CHECK(rules->wants_tunnels && id->len == 4);
		}
	}
}

static void change_walk(const struct signal *s)
{
	FUZZ_CHECK(s->change != CHANGE_RELEASE && s->change != CHANGE_RESTART);
	FUZZ_CHECK(s->ends == (s->change == CHANGE_END));
	FUZZ_CHECK(s->lease_count <= 2);
	FUZZ_CHECK(s->lease_count == 0 || s->change == CHANGE_BIND);
	for (uint32_t i = 0; i < s->lease_count; i++) {
		const struct signal_lease *lease = &s->leases[i];
		FUZZ_CHECK(lease->address.family == 4 ? lease->prefix_len == 32
						      : lease->prefix_len >= 32);
	}
	FUZZ_CHECK(s->defects >> SIGNAL_DEFECTS == 0);
}

static bool read_signal(signal_reader *read, struct bytes datagram,
	const struct signal_rules *rules, struct signal *out)
{
	static const struct packet packet = {.flow = {.source = {{192, 0, 2, 1}, 4},
						     .destination = {{198, 51, 100, 1}, 4},
						     .source_port = 40001,
						     .destination_port = GTPC_PORT,
						     .protocol = 17}};
	if (read(datagram, &packet, rules, out) != PARSE_OK)
		return false;
	orders_do_not_show(read, datagram, &packet);
	FUZZ_CHECK(out->octets.at == datagram.at && out->octets.len <= datagram.len);
	FUZZ_CHECK(out->octets.len > 0);
	names_walk(out);
	sightings_walk(out, rules);
	change_walk(out);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct signal first, second;
	struct reader r = reader_of(bytes_of(data, size));
	const struct signal_rules rules = {.key = {1, 2}, .wants_tunnels = read_u8(&r) & 1};
	struct bytes datagram = read_bytes(&r, reader_left(&r));
	message_walk(datagram, gtpv1c_parse, gtpv1c_next);
	message_walk(datagram, gtpv2c_parse, gtpv2c_next);

	memset(&first, 0xa5, sizeof first);
	bool is_v1 = read_signal(gtpv1_signal_read, datagram, &rules, &first);
	memset(&second, 0x5a, sizeof second);
	bool is_v2 = read_signal(gtpv2_signal_read, datagram, &rules, &second);
	FUZZ_CHECK(!(is_v1 && is_v2));
	if (!is_v2)
		return 0;
	// What was in `out` before does not show.
	struct signal *again = &first;
	FUZZ_CHECK(read_signal(gtpv2_signal_read, datagram, &rules, again));
	FUZZ_CHECK(again->name_count == second.name_count && again->change == second.change);
	FUZZ_CHECK(again->sighting_count == second.sighting_count);
	FUZZ_CHECK(again->defects == second.defects && again->restart == second.restart);
	return 0;
}
