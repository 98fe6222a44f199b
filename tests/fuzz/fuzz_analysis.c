// Any frames, all the way: tunnels opened, fragments and streams put together, messages read, handed over, matched and
// reported. The input is a script: an octet of settings, then for each frame an octet of choices, two of its length, and the
// frame.
//
// A calm script runs twice: through one worker, and through two between which parcels are delivered as soon as the frame is
// done with. Both read and report the same, however the frames are split. A wild one has two workers, little memory, rings that
// lose, parcels that come late, and a clock that jumps: the laws hold all the same.
#include "orders.h"

#include "analysis.h"

enum { WORKERS = 2, MAX_FRAMES = 48, LATE_MAX = 4 };

enum setting {
	SETTING_WILD = 1,
	SETTING_RECOGNISE = 2,
	SETTING_LITTLE_ROOM = 4, // of a wild script: one stream, one datagram, one session
};

enum choice {
	CHOICE_BY_ADDRESS = 1, // the worker: by the addresses, as a port with RSS does, or
	CHOICE_WORKER = 2,
	CHOICE_TIME_SHIFT = 2, // two bits: how far
	CHOICE_POINT = 16,
	// of a wild script:
	CHOICE_BACK_IN_TIME = 32,
	CHOICE_TICK = 64,
	CHOICE_DELIVER = 128, // what waits for delivery, before the frame
};

// A parcel on its way, in a block of exactly its size.
struct letter {
	struct letter *next;
	struct parcel parcel;
	size_t len;
	uint8_t octets[];
};

struct worker {
	struct analysis *analysis;
	struct record_ring *events;
	struct letter *first, **last;
	unsigned waiting;
};

// What a run came to. Sums of hashes stand for multisets.
struct outcome {
	uint64_t read, read_sum;         // messages
	uint64_t reported, reported_sum; // events
	uint64_t refused;                // parcels that there was no room for
	bool lost_any;                   // something gave way, or had no room
};

struct tap {
	unsigned workers, late_max;
	bool wild;
	struct claims *claims;
	struct followed *followed;
	struct worker list[WORKERS];
	struct outcome outcome;
};

static uint64_t hash_of(uint64_t seed, struct bytes octets)
{
	const struct hash_key key = {seed, ORDERS_KEY.k1};
	return siphash(&key, octets);
}

// Field by field: there is padding between them.
static uint64_t flow_hash(uint64_t h, const struct flow *flow)
{
	h = hash_of(h, bytes_of(&flow->source, sizeof flow->source));
	h = hash_of(h, bytes_of(&flow->destination, sizeof flow->destination));
	const uint16_t rest[] = {flow->source_port, flow->destination_port, flow->protocol};
	return hash_of(h, bytes_of(rest, sizeof rest));
}

// --- what comes out ----------------------------------------------------------------------------------------------

static void message_seen(void *context, const struct sip_message *message,
	const struct packet *packet, uint64_t time_ns)
{
	struct outcome *o = context;
	FUZZ_CHECK(message->octets.len > 0);
	FUZZ_CHECK(packet->flow.protocol == 6 || packet->flow.protocol == 17);
	o->read++;
	o->read_sum += flow_hash(hash_of(time_ns, message->octets), &packet->flow);
}

static uint64_t event_hash(const struct event *e)
{
	const uint64_t head[] = {e->time_ns, e->correlation, e->point};
	uint64_t h = hash_of(e->payload_len, bytes_of(head, sizeof head));
	h = hash_of(flow_hash(h, &e->flow), event_payload_view(e));
	uint64_t tasks = 0; // in any order
	for (size_t i = 0; i < e->task_count; i++) {
		const struct event_task *task = &event_tasks_view(e)[i];
		const uint32_t says[] = {task->slot, task->generation, task->direction,
			task->other_offset[0], task->other_len[0], task->other_offset[1],
			task->other_len[1], task->other_kind[0], task->other_kind[1]};
		tasks += hash_of(h, bytes_of(says, sizeof says));
	}
	return tasks;
}

static void read_events(struct tap *tap)
{
	static struct sip_message message;
	for (unsigned i = 0; i < tap->workers; i++) {
		struct record_ring *ring = tap->list[i].events;
		for (struct bytes record; (record = record_ring_peek(ring)).at;) {
			struct event *e = event_checked(record, &message);
			record_ring_release(ring);
			tap->outcome.reported++;
			tap->outcome.reported_sum += event_hash(e);
			free(e);
		}
	}
}

// --- laws --------------------------------------------------------------------------------------------------------

static void fragments_law(const struct analysis *a)
{
	const struct fragments_counters *c = analysis_fragments_counters(a);
	uint64_t sum = 0;
	for (unsigned i = 0; i < FRAGMENTS_RESULTS; i++)
		sum += c->results[i];
	FUZZ_CHECK(c->taken == sum);
	FUZZ_CHECK(c->started == c->completed + c->given_up + c->timed_out + c->dropped +
					 c->passed + analysis_incomplete(a));
}

static void streams_law(const struct analysis *a)
{
	const struct streams_counters *c = analysis_streams_counters(a);
	uint64_t over = c->ended + c->idle + c->given_up;
	for (unsigned i = 0; i < FRAMING_REASONS; i++)
		over += c->let_go[i];
	FUZZ_CHECK(c->opened == over + analysis_followed(a));
	FUZZ_CHECK(c->segments == c->in_order + c->out_of_order + c->repeated + c->out_of_window +
					  c->not_followed + c->no_memory);
}

static void check_laws(const struct tap *tap)
{
	uint64_t messages = 0, reached = 0, lost = 0, read = 0, followed = 0;
	uint64_t reported = 0, waiting = 0;
	for (unsigned i = 0; i < tap->workers; i++) {
		const struct analysis *a = tap->list[i].analysis;
		const struct analysis_counters *c = analysis_counters(a);
		FUZZ_CHECK(c->datagrams ==
			   c->keepalives + c->not_sip + c->sigcomp + c->dtls + c->with_messages);
		FUZZ_CHECK(c->messages == c->parsed + c->defective);
		FUZZ_CHECK(c->excess <= c->with_messages);
		fragments_law(a);
		streams_law(a);
		sip_events_law(analysis_sip_counters(a));
		messages += c->messages;
		reached += c->taken + c->lost_handover;
		lost += c->lost_handover + c->lost_parts;
		read += c->parsed + c->defective;
		followed += analysis_followed(a);
		reported += analysis_sip_counters(a)->reported;
		for (const struct letter *l = tap->list[i].first; l; l = l->next)
			waiting += l->parcel.kind == PARCEL_MESSAGE;
	}
	FUZZ_CHECK(messages == reached + waiting);
	FUZZ_CHECK(read == tap->outcome.read);
	FUZZ_CHECK(lost == tap->outcome.refused);
	FUZZ_CHECK(reported >= tap->outcome.reported);
	FUZZ_CHECK(atomic_load(&tap->followed->count) <= followed);
}

// Whether anything was forgotten for want of room, so that two workers, with twice the room, may know more.
static bool lost_any(const struct tap *tap, const struct analysis_config *config)
{
	bool lost = tap->outcome.refused || (tap->claims && claims_given_up(tap->claims));
	for (unsigned i = 0; i < tap->workers; i++) {
		const struct analysis *a = tap->list[i].analysis;
		const struct streams_counters *streams = analysis_streams_counters(a);
		const struct event_counters *sip = analysis_sip_counters(a);
		lost |= analysis_fragments_counters(a)->given_up ||
		        analysis_fragments_counters(a)->started > config->fragments.max_datagrams;
		lost |= streams->given_up || streams->no_memory ||
		        streams->opened > config->streams.max_streams;
		lost |= sip->lost_ring_full || sip->sessions_given_up || sip->duplicates_given_up;
	}
	return lost;
}

// --- between the workers -------------------------------------------------------------------------------------------

static bool post(void *context, unsigned worker, const struct parcel *parcel, struct bytes octets)
{
	struct tap *tap = context;
	FUZZ_CHECK(worker < tap->workers);
	struct worker *to = &tap->list[worker];
	if (to->waiting == tap->late_max) {
		tap->outcome.refused++;
		return false;
	}
	struct letter *letter = checked(malloc(sizeof *letter + octets.len));
	*letter = (struct letter){.parcel = *parcel, .len = octets.len};
	if (octets.len)
		memcpy(letter->octets, octets.at, octets.len);
	*to->last = letter;
	to->last = &letter->next;
	to->waiting++;
	return true;
}

static bool deliver_one(struct worker *to)
{
	struct letter *letter = to->first;
	if (!letter)
		return false;
	to->first = letter->next;
	if (!to->first)
		to->last = &to->first;
	to->waiting--;
	analysis_parcel(to->analysis, orders(), &letter->parcel,
		bytes_of(letter->octets, letter->len));
	free(letter);
	return true;
}

static void deliver_all(struct tap *tap)
{
	bool any = true;
	while (any) {
		any = false;
		for (unsigned i = 0; i < tap->workers; i++)
			any |= deliver_one(&tap->list[i]);
	}
}

// --- frames --------------------------------------------------------------------------------------------------------

// Both directions of a conversation go to the same worker.
static unsigned worker_of(const struct tap *tap, struct bytes frame, uint8_t choice)
{
	if (!(choice & CHOICE_BY_ADDRESS))
		return (choice & CHOICE_WORKER ? 1 : 0) % tap->workers;
	struct packet packet;
	packet_parse(frame, &packet);
	unsigned sum = 0;
	for (unsigned i = 0; i < sizeof packet.flow.source.octets; i++)
		sum += packet.flow.source.octets[i] + packet.flow.destination.octets[i];
	return sum % tap->workers;
}

static uint64_t clock_moved(const struct tap *tap, uint64_t time_ns, uint8_t choice)
{
	static const uint64_t steps[] = {0, 1000000, 3000000000, 700000000000};
	uint64_t step = steps[choice >> CHOICE_TIME_SHIFT & 3];
	return tap->wild && choice & CHOICE_BACK_IN_TIME ? time_ns - step : time_ns + step;
}

static void take_frame(struct tap *tap, uint8_t choice, struct bytes octets, uint64_t time_ns)
{
	uint8_t *exact = checked(malloc(octets.len + 1));
	struct bytes frame = bytes_of(exact, octets.len);
	if (octets.len)
		memcpy(exact, octets.at, octets.len);
	struct worker *worker = &tap->list[worker_of(tap, frame, choice)];
	struct packet packet;
	enum packet_class class = packet_parse(frame, &packet);
	if (analysis_wants(worker->analysis, class, &packet))
		analysis_frame(worker->analysis, orders(), frame, choice & CHOICE_POINT ? 1 : 0,
			time_ns);
	free(exact); // what is kept of it must be copies
}

static void take_script(struct tap *tap, struct reader r)
{
	uint64_t time_ns = 1700000000000000000;
	for (unsigned i = 0; i < MAX_FRAMES && reader_left(&r); i++) {
		uint8_t choice = read_u8(&r);
		size_t len = read_be16(&r);
		struct bytes octets = read_bytes(&r, len < reader_left(&r) ? len : reader_left(&r));
		time_ns = clock_moved(tap, time_ns, choice);
		if (tap->wild && choice & CHOICE_DELIVER)
			deliver_one(&tap->list[choice & CHOICE_WORKER ? 0 : 1]);
		take_frame(tap, choice, octets, time_ns);
		if (!tap->wild)
			deliver_all(tap);
		else if (choice & CHOICE_TICK)
			analysis_tick(tap->list[i % 2].analysis, orders(), time_ns);
		check_laws(tap);
		if (!tap->wild || i % 8 == 0)
			read_events(tap);
	}
}

// What waits is taken: streams first, for they may bring more letters.
static void flush(struct tap *tap)
{
	for (unsigned i = 0; i < tap->workers; i++)
		analysis_flush(tap->list[i].analysis, orders());
	deliver_all(tap);
	check_laws(tap);
	for (unsigned i = 0; i < tap->workers; i++)
		analysis_flush(tap->list[i].analysis, orders()); // of segments that came late
	deliver_all(tap);
	read_events(tap);
	check_laws(tap);
	for (unsigned i = 0; i < tap->workers; i++)
		FUZZ_CHECK(analysis_followed(tap->list[i].analysis) == 0);
	FUZZ_CHECK(atomic_load(&tap->followed->count) == 0);
}

// --- both runs -----------------------------------------------------------------------------------------------------

// All that may be listened to: SIP and, where the runs are not compared (the order of what goes to the owner of all other
// signalling differs), the rest.
static struct ports {
	uint64_t sip[65536 / 64], signals[SIGNAL_PROTOCOLS][65536 / 64], udp[65536 / 64];
} ports;

static void expect_port(uint64_t *bits, uint16_t port)
{
	bits[port / 64] |= 1ull << port % 64;
	ports.udp[port / 64] |= 1ull << port % 64;
}

static void expect_ports(bool wild)
{
	ports = (struct ports){0};
	expect_port(ports.sip, 5060);
	if (!wild)
		return;
	expect_port(ports.signals[SIGNAL_RADIUS], 1813);
	expect_port(ports.signals[SIGNAL_DHCPV4], 67);
	expect_port(ports.signals[SIGNAL_DHCPV6], 547);
	expect_port(ports.signals[SIGNAL_GTPV1C], 2123);
	expect_port(ports.signals[SIGNAL_GTPV2C], 2123);
}

// Whoever is on the wire is believed.
static struct bindings *all_bindings(void)
{
	static const struct binding_source everybody = {
		.protocols = UINT32_MAX, .point = BINDING_ANY, .vlan = BINDING_ANY};
	const struct binding_rules rules = {.sources = &everybody,
		.source_count = 1,
		.session_idle_ns = 3600000000000,
		.max_sessions = BINDING_MIN_SESSIONS,
		.max_authorities = 4,
		.key = ORDERS_KEY};
	return checked(bindings_new(&rules));
}

static struct analysis_config config_of(uint8_t settings)
{
	uint32_t room = settings & SETTING_WILD ? (settings & SETTING_LITTLE_ROOM ? 1 : 3) : 32;
	expect_ports(settings & SETTING_WILD);
	struct analysis_config config = {
		.key = ORDERS_KEY,
		.sip_ports = ports.sip,
		.udp_ports = ports.udp,
		.signals = {.max_sessions = room,
			.max_duplicates = 4 * room,
			.duplicate_window_ns = 32000000000,
			.session_idle_ns = 3600000000000,
			.max_tasks = TASKS},
		.recognise = settings & SETTING_RECOGNISE,
		.fragments = {.max_datagrams = room, .memory = 128 * 1024, .timeout_ns = 5000000000},
		.streams = {.max_streams = room,
			.memory = 1 << 20,
			.max_message = 4096,
			.gap_timeout_ns = 2000000000,
			.idle_ns = 600000000000},
		.sip = {.max_sessions = room,
			.max_duplicates = 4 * room,
			.duplicate_window_ns = 32000000000,
			.session_idle_ns = 3600000000000,
			.trust_from = true,
			.max_tasks = TASKS},
	};
	for (unsigned i = 0; i < SIGNAL_PROTOCOLS; i++)
		config.signal_ports[i] = ports.signals[i];
	return config;
}

static struct outcome run(struct reader script, uint8_t settings, unsigned workers)
{
	bool wild = settings & SETTING_WILD;
	struct tap tap = {.workers = workers,
		.wild = wild,
		.late_max = wild ? LATE_MAX : UINT_MAX,
		.claims = workers > 1 ? checked(claims_new(wild ? 4 : 256)) : NULL,
		.followed = checked(followed_new(&ORDERS_KEY))};
	struct analysis_config config = config_of(settings);
	config.workers = workers;
	config.bindings = wild ? all_bindings() : NULL;
	config.claims = tap.claims;
	config.followed = tap.followed;
	config.post = post;
	config.post_context = &tap;
	config.seen = message_seen;
	config.seen_context = &tap.outcome;
	for (unsigned i = 0; i < workers; i++) {
		struct worker *worker = &tap.list[i];
		worker->last = &worker->first;
		worker->events = checked(record_ring_new(wild ? 4096 : 65536));
		config.worker = i;
		config.events = worker->events;
		worker->analysis = checked(analysis_new(&config));
	}
	take_script(&tap, script);
	struct outcome outcome = tap.outcome;
	outcome.lost_any = lost_any(&tap, &config);
	flush(&tap); // in another order than one worker: not compared
	for (unsigned i = 0; i < workers; i++) {
		analysis_free(tap.list[i].analysis);
		record_ring_free(tap.list[i].events);
	}
	bindings_free(config.bindings);
	claims_free(tap.claims);
	followed_free(tap.followed);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader script = reader_of(bytes_of(data, size));
	uint8_t settings = read_u8(&script);
	struct outcome two = run(script, settings, 2);
	if (settings & SETTING_WILD || two.lost_any)
		return 0;
	struct outcome one = run(script, settings, 1);
	if (one.lost_any)
		return 0;
	FUZZ_CHECK(one.read == two.read && one.read_sum == two.read_sum);
	FUZZ_CHECK(one.reported == two.reported && one.reported_sum == two.reported_sum);
	return 0;
}
