#include "dhcp_signals.h"

#include "dhcpv4_signal.h"

// Client 192.0.2.7 of server 198.51.100.1; the relay has 192.0.2.1 towards the client and 203.0.113.1 towards the server.
#define CIADDR "c0000207"
#define SERVER "198.51.100.1"
#define RELAY "203.0.113.1"
#define GIADDR "192.0.2.1"
#define GIADDR_HEX "c0000201"

enum { SIGNALS = 32 }; // kept at a time, more than a test looks at

static struct signal *signal_of(const struct v4 *m, const char *source, const char *destination)
{
	static struct signal signals[SIGNALS];
	static struct sample samples[SIGNALS];
	static unsigned next;
	unsigned i = next++ % SIGNALS;
	samples[i] = sample_v4(m);
	struct packet p = packet_between(source, destination);
	signal_read(dhcpv4_signal_read, &samples[i], &p, &RULES_ATTRIBUTES, &signals[i]);
	assert_int_equal(signals[i].protocol, SIGNAL_DHCPV4);
	return &signals[i];
}

static struct signal *broadcast(const struct v4 *m)
{
	return signal_of(m, "0.0.0.0", "255.255.255.255");
}

static struct signal *answer(const struct v4 *m)
{
	return signal_of(m, SERVER, "255.255.255.255");
}

static const struct v4 DISCOVER = {.options = "<53 01> <61 01020000000a01> ff"};
static const struct v4 OFFER = {
	.op = 2, .yiaddr = CIADDR, .options = "<53 02> <51 00000e10> <54 c6336401> ff"};
static const struct v4 REQUEST = {
	.options = "<53 03> <50 c0000207> <54 c6336401> <61 01020000000a01> ff"};
static const struct v4 ACK = {
	.op = 2, .yiaddr = CIADDR, .options = "<53 05> <51 00000e10> <54 c6336401> ff"};
static const struct v4 NAK = {.op = 2, .options = "<53 06> <54 c6336401> ff"};
static const struct v4 RELEASE = {
	.xid = "55667788", .ciaddr = CIADDR, .options = "<53 07> <54 c6336401> ff"};

static void an_exchange_gives_a_lease(void **state)
{
	(void)state;
	struct signal *discover = broadcast(&DISCOVER), *offer = answer(&OFFER);
	struct signal *request = broadcast(&REQUEST), *ack = answer(&ACK);
	const struct signal *all[] = {discover, offer, request, ack};
	static const enum signal_change changes[] = {
		CHANGE_NONE, CHANGE_NONE, CHANGE_PENDING, CHANGE_BIND};
	for (unsigned i = 0; i < 4; i++) {
		bool is_answer = i % 2;
		assert_int_equal(all[i]->message_type, i == 3 ? 5 : i + 1);
		assert_int_equal(all[i]->is_answer, is_answer);
		assert_int_equal(all[i]->way,
			is_answer ? SIGNAL_WAY_TO_SUBSCRIBER : SIGNAL_WAY_FROM_SUBSCRIBER);
		assert_int_equal(all[i]->change, changes[i]);
		assert_int_equal(all[i]->lease_count, i == 3);
		assert_int_equal(all[i]->defects, 0);
		assert_false(all[i]->ends);
		macs_are(all[i], V4_MAC);
		parties_are(all[i], is_answer ? SERVER : NULL, NULL);
		for (unsigned k = 0; k < 4; k++)
			assert_true(finds(all[i], all[k]));
	}
	lease_is(ack, 0, "192.0.2.7", 32, 3600);
}

static void another_exchange_is_another(void **state)
{
	(void)state;
	struct signal *first = broadcast(&DISCOVER);
	struct v4 other = DISCOVER;
	other.xid = "1a2b3c4e";
	assert_false(finds(broadcast(&other), first));
	other = DISCOVER;
	other.chaddr = "020000000a02";
	assert_false(finds(broadcast(&other), first));
}

static void a_lease_is_found_again(void **state)
{
	(void)state;
	struct signal *ack = answer(&ACK);
	struct v4 renewal = {.xid = "99999999", .ciaddr = CIADDR, .options = "<53 03> ff"};
	struct signal *request = signal_of(&renewal, "192.0.2.7", SERVER);
	assert_int_equal(request->change, CHANGE_PENDING);
	parties_are(request, SERVER, NULL);
	assert_true(finds_lease(request, ack));

	renewal.op = 2;
	renewal.yiaddr = CIADDR;
	renewal.options = "<53 05> <51 ffffffff> ff";
	struct signal *renewed = signal_of(&renewal, SERVER, "192.0.2.7");
	assert_int_equal(renewed->change, CHANGE_BIND);
	lease_is(renewed, 0, "192.0.2.7", 32, UINT32_MAX);
	assert_true(finds_lease(renewed, ack));
	assert_true(finds_lease(signal_of(&RELEASE, "192.0.2.7", SERVER), ack));
	assert_true(finds_lease(
		broadcast(&(struct v4){.xid = "00000009", .options = "<53 04> <50 c0000207> ff"}),
		ack));
	assert_true(
		finds_lease(broadcast(&(struct v4){
				    .xid = "00000009", .ciaddr = CIADDR, .options = "<53 08> ff"}),
			ack));

	// Not by a client that only says that it wants the address of somebody else; nor does a question keep the name.
	struct v4 other = REQUEST;
	other.chaddr = "020000000a02";
	assert_false(finds(broadcast(&other), ack));
	assert_false(finds_lease(renewed, request));
}

static void a_release_counts_when_it_comes_from_who_has_the_address(void **state)
{
	(void)state;
	struct signal *own = signal_of(&RELEASE, "192.0.2.7", SERVER);
	assert_int_equal(own->change, CHANGE_END);
	assert_true(own->ends);
	assert_false(own->is_answer);
	parties_are(own, SERVER, NULL);

	struct signal *forged = signal_of(&RELEASE, "192.0.2.8", SERVER);
	assert_int_equal(forged->change, CHANGE_NONE);
	assert_false(forged->ends);
	forged = signal_of(&(struct v4){.options = "<53 07> ff"}, "0.0.0.0", SERVER);
	assert_int_equal(forged->change, CHANGE_NONE);

	struct v4 through_relay = RELEASE;
	through_relay.giaddr = GIADDR_HEX;
	struct signal *relayed = signal_of(&through_relay, RELAY, SERVER);
	assert_int_equal(relayed->change, CHANGE_END);
	parties_are(relayed, SERVER, RELAY);
}

static void a_release_leads_to_no_other_lease_by_its_xid(void **state)
{
	(void)state;
	struct v4 forged = RELEASE;
	forged.xid = V4_XID;        // of the exchange that gave the lease
	forged.ciaddr = "c0000208"; // the sender's own
	struct signal *release = signal_of(&forged, "192.0.2.8", SERVER);
	assert_int_equal(release->change, CHANGE_END);
	assert_false(finds(release, answer(&ACK)));
	forged.options = "<53 04> <50 c0000208> ff";
	assert_false(finds(broadcast(&forged), answer(&ACK)));
}

static void copies_share_the_exchange_whatever_way_they_go(void **state)
{
	(void)state;
	struct v4 relayed = DISCOVER;
	relayed.giaddr = GIADDR_HEX;
	struct signal *at_client = broadcast(&DISCOVER);
	struct signal *at_server = signal_of(&relayed, RELAY, SERVER);
	assert_true(finds(at_server, at_client));
	parties_are(at_server, SERVER, RELAY);

	struct v4 ack = ACK;
	ack.giaddr = GIADDR_HEX;
	struct signal *to_relay = signal_of(&ack, SERVER, GIADDR);
	parties_are(to_relay, SERVER, GIADDR);
	assert_true(finds(to_relay, at_client));
	assert_int_equal(to_relay->change, CHANGE_BIND);
	struct signal *to_client = signal_of(&ack, GIADDR, "192.0.2.7");
	parties_are(to_client, GIADDR, NULL);
	assert_true(finds_lease(to_client, to_relay));
}

static void what_gives_no_lease_binds_nothing(void **state)
{
	(void)state;
	static const struct v4 messages[] = {
		{.op = 2, .options = "<53 05> ff", .ciaddr = CIADDR}, // to INFORM
		{.op = 2, .options = "<53 05> ff", .yiaddr = CIADDR}, // the same, sloppy
		{.op = 2, .options = "<53 05> <51 00000e10> ff"},     // no address
		{.op = 2, .options = "<53 05> <51 000e10> ff", .yiaddr = CIADDR},   // no time
		{.op = 2, .options = "<53 02> <51 00000e10> ff", .yiaddr = CIADDR}, // an offer
		{.op = 2, .options = "<53 06> <51 00000e10> ff", .yiaddr = CIADDR},
		{.op = 2, .options = "<53 63> <51 00000e10> ff", .yiaddr = CIADDR},
		{.op = 1, .options = "<53 05> <51 00000e10> ff", .yiaddr = CIADDR},
		{.op = 2, .options = "<53 01> <80> <51 00000e10> ff", .yiaddr = CIADDR},
		{.op = 2,
			.options = "<53> <51 00000e10> ff",
			.yiaddr = CIADDR},                                    // no type to be read
		{.op = 2, .options = "<51 00000e10> 3501", .yiaddr = CIADDR}, // cut
		// RFC 7618: ports of an address that others have, too
		{.op = 2, .options = "<53 05> <51 00000e10> <159 04060400> ff", .yiaddr = CIADDR},
		{.op = 2, .options = "<53 05> <51 00000e10> ff", .yiaddr = "7f000001"},
		{.op = 2, .options = "<53 05> <51 00000e10> ff", .yiaddr = "e0000001"},
		{.op = 2, .options = "<53 05> <51 00000e10> ff", .yiaddr = "ffffffff"},
		{.op = 2, .options = "<53 05> <51 00000e10> ff", .yiaddr = "00000001"},
	};
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		struct signal *s = answer(&messages[i]);
		assert_int_equal(s->change, CHANGE_NONE);
		assert_int_equal(s->lease_count, 0);
		macs_are(s, V4_MAC);
	}
}

static void a_type_that_cannot_be_read_is_not_bootp(void **state)
{
	(void)state;
	static const char *const options[] = {"<53> ff", "<1 ffffff00> 3501"};
	for (size_t i = 0; i < 2; i++) {
		struct signal *s =
			answer(&(struct v4){.op = 2, .yiaddr = CIADDR, .options = options[i]});
		assert_int_equal(s->change, CHANGE_NONE);
		assert_int_equal(s->way, SIGNAL_WAY_UNKNOWN);
		assert_true(finds(s, broadcast(&DISCOVER)));
		assert_false(finds_lease(signal_of(&RELEASE, "192.0.2.7", SERVER), s));
	}
}

static void a_refusal_ends_nothing(void **state)
{
	(void)state;
	struct signal *nak = answer(&NAK);
	assert_int_equal(nak->change, CHANGE_NONE);
	assert_false(nak->ends);
	assert_true(finds(nak, broadcast(&REQUEST)));
	assert_false(finds_lease(nak, answer(&ACK)));
}

static void an_address_that_is_declined_is_given_back(void **state)
{
	(void)state;
	struct v4 decline = {.options = "<53 04> <50 c0000207> <54 c6336401> ff"};
	struct signal *s = broadcast(&decline);
	assert_int_equal(s->change, CHANGE_RELEASE);
	assert_int_equal(s->lease_count, 1);
	lease_is(s, 0, "192.0.2.7", 32, 0);
	parties_are(s, NULL, NULL); // what a client broadcasts nobody answers for
	decline.giaddr = GIADDR_HEX;
	parties_are(signal_of(&decline, RELAY, SERVER), SERVER, RELAY);

	decline.options = "<53 04> ff";
	s = broadcast(&decline);
	assert_int_equal(s->change, CHANGE_NONE);
	assert_int_equal(s->defects, SIGNAL_DEFECT_MISSING);
}

static void a_lease_of_no_time_is_given_back(void **state)
{
	(void)state;
	struct v4 ack = ACK;
	ack.options = "<53 05> <51 00000000> ff";
	struct signal *s = answer(&ack);
	assert_int_equal(s->change, CHANGE_RELEASE);
	lease_is(s, 0, "192.0.2.7", 32, 0);
}

static void a_discovery_that_may_be_answered_at_once_waits(void **state)
{
	(void)state;
	struct v4 discover = DISCOVER;
	discover.options = "<53 01> <80> ff";
	assert_int_equal(broadcast(&discover)->change, CHANGE_PENDING);
}

static void bootp_leases_have_no_end(void **state)
{
	(void)state;
	struct signal *request = broadcast(&(struct v4){.options = "ff"});
	assert_int_equal(request->message_type, DHCPV4_BOOTP);
	assert_int_equal(request->change, CHANGE_PENDING);
	assert_int_equal(request->way, SIGNAL_WAY_FROM_SUBSCRIBER);
	struct signal *reply = answer(&(struct v4){.op = 2, .yiaddr = CIADDR, .options = "ff"});
	assert_true(reply->is_answer);
	assert_true(finds(reply, request));
	assert_int_equal(reply->change, CHANGE_BIND);
	assert_int_equal(reply->way, SIGNAL_WAY_TO_SUBSCRIBER);
	lease_is(reply, 0, "192.0.2.7", 32, UINT32_MAX);
	assert_true(finds_lease(signal_of(&RELEASE, "192.0.2.7", SERVER), reply));
}

static void identities_stand_in_three_places(void **state)
{
	(void)state;
	static const struct {
		const char *options, *macs;
	} cases[] = {
		{"<53 01> <61 01020000000a02> ff", V4_MAC "020000000a02"},
		{"<53 01> <61 ff 0a0b0c0d 0003 0001 020000000a03> ff", V4_MAC "020000000a03"},
		{"<53 01> <61 ff 0a0b0c0d 0001 0001 2a2b2c2d 020000000a03> ff",
			V4_MAC "020000000a03"},
		{"<53 01> <61 ff 0a0b0c0d 0002 00000001> ff", V4_MAC},
		{"<53 01> <61 00 020000000a02> ff", V4_MAC}, // text
		{"<53 01> <61 01 020000000a0202> ff", V4_MAC},
		{"<53 01> <61 01 020000> <61 000a02> ff", V4_MAC "020000000a02"}, // in parts
		{"<53 01> <82 <2 020000000a02>> ff", V4_MAC}, // a remote id is the operator's
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		macs_are(broadcast(&(struct v4){.options = cases[i].options}), cases[i].macs);
	struct sample s = sample_v4(&DISCOVER);
	s.octets[1] = 32; // htype InfiniBand
	struct packet p = packet_between("0.0.0.0", "255.255.255.255");
	static struct signal other;
	signal_read(dhcpv4_signal_read, &s, &p, &RULES, &other);
	macs_are(&other, "020000000a01"); // of the client identifier
}

// Others on the line hear whom a client is told by, and might add an identity of their own to what it is given.
static void what_else_a_request_says_is_a_claim_until_the_server_repeats_it(void **state)
{
	(void)state;
	struct v4 request = {.options = "<53 03> <61 01020000000a02> ff"};
	struct v4 same = {.options = "<53 03> <61 01" V4_MAC "> ff"};
	struct v4 ack = {.op = 2, .options = "<53 05> <61 01020000000a02> ff"};
	struct signal *s = broadcast(&request);
	macs_are(s, V4_MAC "020000000a02");
	assert_int_equal(s->sightings[0].role, SIGNAL_ROLE_MAC);
	assert_int_equal(s->sightings[1].role, SIGNAL_ROLE_CLAIM);
	s = broadcast(&same);
	macs_are(s, V4_MAC);
	assert_int_equal(s->sightings[0].role, SIGNAL_ROLE_MAC);
	s = answer(&ack);
	macs_are(s, V4_MAC "020000000a02");
	assert_int_equal(s->sightings[1].role, SIGNAL_ROLE_MAC);
	// Where the medium has no address to show, there is nothing else to be told by.
	struct v4 bare = {.chaddr = "", .options = "<53 03> <61 01020000000a02> ff"};
	s = broadcast(&bare);
	macs_are(s, "020000000a02");
	assert_int_equal(s->sightings[0].role, SIGNAL_ROLE_MAC);
}

static void attributes_of_the_relay_are_shown(void **state)
{
	(void)state;
	struct signal *s = broadcast(
		&(struct v4){.options = "<53 01> <82 <1 6363> <7 0107616c696365 2c0461 62>> ff"});
	assert_int_equal(s->sighting_count, 3);
	assert_int_equal(s->sightings[0].role, SIGNAL_ROLE_MAC);
	assert_int_equal(s->sightings[1].role, SIGNAL_ROLE_ATTRIBUTE);
	assert_memory_equal(s->sightings[1].identity.octets, "\1\7alice", 7);
	assert_memory_equal(s->sightings[2].identity.octets, "\x2c\4ab", 4);
	assert_int_equal(s->defects, 0);
	s = broadcast(&(struct v4){.options = "<53 01> <82 01ff 6363> ff"});
	assert_int_equal(s->defects, SIGNAL_DEFECT_LENGTH);
}

// RFC 4390: without a hardware address the client identifier tells clients apart.
static void a_client_without_hardware_address_has_its_identifier(void **state)
{
	(void)state;
	struct v4 a = {.chaddr = "", .options = "<53 01> <61 00 6161> ff"};
	struct v4 b = {.chaddr = "", .options = "<53 01> <61 00 6262> ff"};
	struct v4 offer = {.op = 2, .chaddr = "", .options = "<53 02> <61 00 6161> ff"};
	struct signal *discover = broadcast(&a);
	assert_int_equal(discover->sighting_count, 0);
	assert_true(finds(answer(&offer), discover));
	assert_false(finds(broadcast(&b), discover));
}

static void queries_of_a_relay_are_told_by_what_they_ask(void **state)
{
	(void)state;
	const struct v4 by_address = {.xid = "00000001",
		.giaddr = GIADDR_HEX,
		.ciaddr = CIADDR,
		.chaddr = "000000000000",
		.options = "<53 10> ff"};
	struct v4 active = {.op = 2,
		.xid = "00000001",
		.giaddr = GIADDR_HEX,
		.ciaddr = CIADDR,
		.options = "<53 13> <51 00000e10> ff"};
	struct signal *query = signal_of(&by_address, RELAY, SERVER);
	struct signal *found = signal_of(&active, SERVER, GIADDR);
	assert_int_equal(query->sighting_count, 0);
	assert_int_equal(query->way, SIGNAL_WAY_UNKNOWN);
	assert_int_equal(query->change, CHANGE_NONE);
	assert_false(query->is_answer);
	assert_true(finds(found, query));
	assert_true(found->is_answer);
	assert_int_equal(found->way, SIGNAL_WAY_UNKNOWN);
	assert_int_equal(found->change, CHANGE_NONE);
	macs_are(found, V4_MAC);

	struct v4 next = by_address; // the same relay and xid, another client
	next.ciaddr = "c0000208";
	assert_false(finds(signal_of(&next, RELAY, SERVER), query));
	struct v4 by_hardware = by_address;
	by_hardware.ciaddr = NULL;
	by_hardware.chaddr = V4_MAC;
	assert_true(finds(found, signal_of(&by_hardware, RELAY, SERVER)));
	struct v4 by_client = by_address;
	by_client.ciaddr = NULL;
	by_client.options = "<53 10> <61 00 6161> ff";
	active.options = "<53 13> <61 00 6161> ff";
	assert_true(
		finds(signal_of(&active, SERVER, GIADDR), signal_of(&by_client, RELAY, SERVER)));
}

static void a_type_that_does_not_fit_is_a_defect(void **state)
{
	(void)state;
	struct signal *s = answer(&(struct v4){.op = 2, .options = "<53 03> ff"});
	assert_int_equal(s->defects, SIGNAL_DEFECT_VALUE);
	assert_int_equal(s->way, SIGNAL_WAY_UNKNOWN);
	assert_int_equal(s->change, CHANGE_NONE);
	macs_are(s, V4_MAC);
	s = answer(&(struct v4){.op = 2, .options = "<53 09> ff"}); // FORCERENEW is nobody's answer
	assert_false(s->is_answer);
	assert_int_equal(s->way, SIGNAL_WAY_TO_SUBSCRIBER);
}

static void what_is_not_dhcp_is_foreign(void **state)
{
	(void)state;
	static struct signal s;
	struct sample m = sample_v4(&DISCOVER);
	struct packet p = packet_between("0.0.0.0", "255.255.255.255");
	m.octets[239] = 0;
	assert_int_equal(dhcpv4_signal_read(sample_bytes(&m), &p, &RULES, &s), PARSE_FOREIGN);
	assert_int_equal(
		dhcpv4_signal_read(bytes_of(m.octets, 236), &p, &RULES, &s), PARSE_TRUNCATED);
}

static void read_cut(struct bytes prefix)
{
	static struct signal s;
	struct packet p = packet_between(SERVER, "192.0.2.7");
	enum parse_result result = dhcpv4_signal_read(prefix, &p, &RULES_ATTRIBUTES, &s);
	assert_int_equal(result, prefix.len < DHCPV4_MIN_LEN ? PARSE_TRUNCATED : PARSE_OK);
	if (result != PARSE_OK)
		return;
	assert_true(s.sighting_count > 0);
	assert_true(s.change == CHANGE_NONE || s.change == CHANGE_BIND);
	// Not without a type and a time; what is cut before is no BOOTP reply.
	bool has_both = prefix.len >= DHCPV4_MIN_LEN + 3 + 6;
	assert_int_equal(s.change == CHANGE_BIND, has_both || prefix.len == DHCPV4_MIN_LEN);
}

static void a_message_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct sample s = sample_v4(&(struct v4){.op = 2,
		.yiaddr = CIADDR,
		.options = "<53 05> <51 00000e10> <61 ff 0a0b0c0d 0003 0001 020000000a03> "
			   "<82 <1 6363> <7 0107616c696365>> ff"});
	cut_at_every_length(sample_bytes(&s), read_cut);
}

// --- captures --------------------------------------------------------------------------------------------------

static const uint16_t PORTS[] = {67, 68};

struct wanted_frame {
	unsigned number;
	uint8_t message_type;
	enum signal_change change;
	const char *address; // of the lease, or NULL
	uint32_t lifetime_s;
	const char *authority, *peer;
};

static bool capture_is(
	const char *name, const char *macs, const struct wanted_frame *wanted, size_t count)
{
	FILE *file = capture_open(name);
	if (!file)
		return false;
	static struct seen_frame seen;
	unsigned number = 0;
	size_t found = 0;
	for (; capture_next(file, &number, PORTS, dhcpv4_signal_read, &seen); free(seen.frame)) {
		assert_true(found < count);
		const struct wanted_frame *w = &wanted[found++];
		const struct signal *s = &seen.signal;
		if (seen.number != w->number || seen.result != PARSE_OK ||
			s->message_type != w->message_type || s->change != w->change ||
			s->lease_count != (w->address != NULL) ||
			!address_is(&s->authority, w->authority) || !address_is(&s->peer, w->peer))
			fail_msg("%s: frame %u: type %u, change %d, %u leases", name, seen.number,
				s->message_type, s->change, s->lease_count);
		if (w->address)
			lease_is(s, 0, w->address, 32, w->lifetime_s);
		macs_are(s, macs);
	}
	fclose(file);
	assert_int_equal(found, count);
	return true;
}

static void captures_say_what_tshark_says(void **state)
{
	(void)state;
	static const struct wanted_frame lifecycle[] = {
		{1, 1, CHANGE_NONE, NULL, 0, NULL, NULL},
		{2, 2, CHANGE_NONE, NULL, 0, "128.2.6.152", NULL},
		{3, 3, CHANGE_PENDING, NULL, 0, NULL, NULL},
		{4, 6, CHANGE_NONE, NULL, 0, "128.2.6.152", NULL},
		{5, 3, CHANGE_PENDING, NULL, 0, NULL, NULL},
		{6, 5, CHANGE_BIND, "128.2.6.189", 900, "128.2.6.152", NULL},
		{7, 4, CHANGE_NONE, NULL, 0, NULL, NULL}, // a DECLINE of nothing
		{8, 7, CHANGE_NONE, NULL, 0, NULL, NULL}, // a RELEASE of nothing
		{9, 8, CHANGE_NONE, NULL, 0, NULL, NULL},
	};
	static const struct wanted_frame option82[] = {
		{1, 5, CHANGE_BIND, "192.168.0.10", 3600, "10.10.0.1", NULL}};
	if (!capture_is("dhcpv4-full-lifecycle.pcap", "90b11c994929", lifecycle, 9))
		skip();
	capture_is("dhcpv4-option82-ack.pcap", "000a2800fa42", option82, 1);
}

// Four relayed exchanges and nine queries, some of them about nothing.
static void a_capture_of_relays_gives_four_leases(void **state)
{
	(void)state;
	FILE *file = capture_open("dhcpv4-relay-leasequery.pcap");
	if (!file)
		skip();
	static struct seen_frame seen;
	unsigned number = 0, types[16] = {0}, bound = 0, foreign = 0, truncated = 0, macs = 0;
	for (; capture_next(file, &number, PORTS, dhcpv4_signal_read, &seen); free(seen.frame)) {
		const struct signal *s = &seen.signal;
		foreign += seen.result == PARSE_FOREIGN;
		truncated += seen.result == PARSE_TRUNCATED;
		if (seen.result != PARSE_OK)
			continue;
		assert_true(s->message_type < 16);
		types[s->message_type]++;
		macs += s->sighting_count;
		assert_int_equal(s->defects, 0);
		if (s->change != CHANGE_BIND)
			continue;
		bound++;
		bool is_first = bound == 1 || bound == 4;
		lease_is(s, 0, is_first ? "10.30.4.4" : "10.50.4.4", 32, 43200);
		parties_are(s, "10.40.2.3", is_first ? "10.30.1.1" : "10.50.1.1");
	}
	fclose(file);
	static const unsigned wanted[16] = {
		[1] = 4, [2] = 4, [3] = 4, [5] = 4, [10] = 9, [12] = 1, [13] = 8};
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(types[i], wanted[i]);
	assert_int_equal(bound, 4);
	assert_int_equal(foreign + truncated, 2); // 43 and 44, which tshark finds malformed
	assert_int_equal(macs, 30); // all but three queries by address, and the answer to one
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exchange_gives_a_lease),
		cmocka_unit_test(another_exchange_is_another),
		cmocka_unit_test(a_lease_is_found_again),
		cmocka_unit_test(a_release_counts_when_it_comes_from_who_has_the_address),
		cmocka_unit_test(a_release_leads_to_no_other_lease_by_its_xid),
		cmocka_unit_test(copies_share_the_exchange_whatever_way_they_go),
		cmocka_unit_test(what_gives_no_lease_binds_nothing),
		cmocka_unit_test(a_type_that_cannot_be_read_is_not_bootp),
		cmocka_unit_test(a_refusal_ends_nothing),
		cmocka_unit_test(an_address_that_is_declined_is_given_back),
		cmocka_unit_test(a_lease_of_no_time_is_given_back),
		cmocka_unit_test(a_discovery_that_may_be_answered_at_once_waits),
		cmocka_unit_test(bootp_leases_have_no_end),
		cmocka_unit_test(identities_stand_in_three_places),
		cmocka_unit_test(what_else_a_request_says_is_a_claim_until_the_server_repeats_it),
		cmocka_unit_test(attributes_of_the_relay_are_shown),
		cmocka_unit_test(a_client_without_hardware_address_has_its_identifier),
		cmocka_unit_test(queries_of_a_relay_are_told_by_what_they_ask),
		cmocka_unit_test(a_type_that_does_not_fit_is_a_defect),
		cmocka_unit_test(what_is_not_dhcp_is_foreign),
		cmocka_unit_test(a_message_may_be_cut_anywhere),
		cmocka_unit_test(captures_say_what_tshark_says),
		cmocka_unit_test(a_capture_of_relays_gives_four_leases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
