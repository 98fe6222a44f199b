#include "core.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "host_clock.h"
#include "li_network.h"
#include "log.h"
#include "watch.h"

enum {
	EVENTS_A_TURN = 256, // per worker, between two looks at the sockets
	IDLE_WAIT_MS = 1,    // how long an event may wait in its ring while nothing else happens
	TICK_MS = 50,
	FAULT_CHECK_MS = 500,
	LONGEST_TURN_MS = 100, // what one may add to a wait: in a longer one we were held up
	DELIVERY_POLLFDS = DELIVERY_FDS_EACH * 2 * CONFIG_MAX_DESTINATIONS, // and as many sets
	MAX_POLLFDS = DELIVERY_POLLFDS + CONTROL_MAX_CLIENTS + 2,
};

// --- events to PDUs --------------------------------------------------------------------------------------------

static const struct task *task_of(const struct target_set *set, const struct event_task *about)
{
	const struct task *task = about->slot < set->slot_limit ? set->by_slot[about->slot] : NULL;
	return task && task->generation == about->generation ? task : NULL;
}

static void lose_copy(struct core *core, const struct task *task, const struct uuid *did,
	unsigned why, struct sequence sequence)
{
	losses_add(&core->losses, did, why, &task->xid, sequence.correlation, sequence.number, 1);
}

static void send_copy(struct core *core, const struct event_task *about, const struct task *task,
	uint32_t which, struct sequence sequence, struct bytes ipid)
{
	uint32_t index = task->destinations[which];
	const struct uuid *did = &orders_in_force(core->orders)->destinations[index].did;
	const struct destination_form *form = destinations_form(core->destinations, index);
	core->counters.wanted++;
	if (!form->is_set) {
		core->counters.lost_no_destination++;
		lose_copy(core, task, did, LOSS_NO_DESTINATION, sequence);
		return;
	}
	struct writer w = writer_of(core->pdu, form->max_pdu);
	if (iri_write(core->iri, about, task, ipid, sequence, form->version, &w) != 0) {
		lose_copy(core, task, did, LOSS_TOO_LARGE, sequence); // counted there
		return;
	}
	struct delivery_pdu pdu = {
		.owner = task_owner(task, which),
		.xid = task->xid,
		.correlation = sequence.correlation,
		.sequence = sequence.number,
		.octets = writer_bytes(&w),
	};
	if (delivery_send(core->delivery, did, &pdu, core->now_ms) == 0) {
		core->counters.offered++;
		return;
	}
	core->counters.lost_queue++;
	lose_copy(core, task, did, LOSS_REFUSED, sequence);
}

static void send_copies(struct core *core, const struct event *event,
	const struct event_task *about, const struct task *task)
{
	struct bytes ipid = bytes_of_text(core->config->ports[event->point].ipid);
	struct sequence sequence =
		sequence_next(core->sequences, &task->header_xid, ipid, event->correlation);
	core->counters.numbered++;
	for (uint32_t i = 0; i < task->destination_count; i++)
		send_copy(core, about, task, i, sequence, ipid);
}

static void take_event(struct core *core, const struct event *event)
{
	const struct target_set *set = orders_in_force(core->orders);
	const struct event_task *tasks = event_tasks_view(event);
	iri_open(core->iri, event);
	for (unsigned i = 0; i < event->task_count; i++) {
		core->counters.taken++;
		const struct task *task = task_of(set, &tasks[i]);
		if (orders_are_suspended(core->orders))
			core->counters.suspended++;
		else if (task)
			send_copies(core, event, &tasks[i], task);
		else
			core->counters.expired++;
	}
}

static unsigned drain_events(struct core *core)
{
	unsigned taken = 0;
	core->now_ms = host_monotonic_ms();
	for (unsigned w = 0; w < dataplane_worker_count(core->dataplane); w++) {
		struct record_ring *ring = dataplane_events(core->dataplane, w);
		for (unsigned i = 0; i < EVENTS_A_TURN; i++) {
			struct bytes record = record_ring_peek(ring);
			if (!record.at)
				break;
			take_event(core, (const struct event *)(const void *)record.at);
			record_ring_release_wiped(ring); // it names the target, whose task may end
			taken++;
		}
	}
	return taken;
}

// --- faults and orders ---------------------------------------------------------------------------------------------

// Answers the clients that have waited longest.
static void answer_first(struct core *core, size_t count, const struct text *answer)
{
	for (size_t i = 0; i < count; i++)
		control_answer(core->control, core->reload_tickets[i], answer);
	core->reload_count -= count;
	memmove(core->reload_tickets, core->reload_tickets + count,
		core->reload_count * sizeof *core->reload_tickets);
}

static void answer_reload(struct core *core, const struct orders_result *result)
{
	struct text answer = {0};
	text_add(&answer, "{\"ok\":%s",
		result->loaded && !result->tls_problem[0] ? "true" : "false");
	if (!result->loaded || result->tls_problem[0]) {
		text_add(&answer, ",\"error\":");
		struct text error = {0};
		text_add(&error, "%s%s%s", result->problems,
			result->problems[0] && result->tls_problem[0] ? "\n" : "",
			result->tls_problem);
		text_add_json_string(&answer, error.at ? error.at : "");
		text_free(&error);
	}
	if (result->loaded)
		text_add(&answer,
			",\"generation\":%u,\"added\":%zu,\"changed\":%zu,\"removed\":%zu,\"same\":%zu",
			orders_generation(core->orders), result->changes.added,
			result->changes.changed, result->changes.removed, result->changes.same);
	text_add(&answer, "}");
	answer_first(core, core->reload_due, &answer);
	text_free(&answer);
	core->reload_due = result->repeated ? core->reload_count : 0;
	if (!result->repeated && core->reload_count > 0) {
		text_add(&answer, "{\"ok\":false,\"error\":\"the reload cannot be started\"}");
		answer_first(core, core->reload_count, &answer);
		text_free(&answer);
	}
}

// What stands behind a command's name, "" for nothing; NULL: it is another command.
static const char *operand_of(const char *request, const char *name)
{
	size_t len = strlen(name);
	if (strncmp(request, name, len) != 0 || (request[len] != ' ' && request[len] != '\0'))
		return NULL;
	return request + len + (request[len] == ' ');
}

static bool is_for_li(const char *request)
{
	return strcmp(request, "reload") == 0 || operand_of(request, "bindings");
}

// What changes something, or tells of targets, is in the audit log with who asked.
static bool is_audited(const struct control_peer *peer, const char *request)
{
	return is_for_li(request) || peer->role == CONTROL_LI;
}

// As the audit log may show it: what somebody typed by mistake may name a target.
static const char *request_name(const char *request)
{
	static const char *const known[] = {"status", "counters", "check", "faults", "reload"};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(request, known[i]) == 0)
			return known[i];
	return operand_of(request, "bindings") ? "bindings" : "unknown";
}

static void record_request(
	struct core *core, const struct control_peer *peer, const char *request, bool refused)
{
	struct uuid xid;
	const char *operand = operand_of(request, "bindings");
	bool has_xid = operand && uuid_parse(bytes_of_text(operand), &xid);
	record_command(&core->record, peer, request_name(request), has_xid ? &xid : NULL, refused);
}

static bool answer_control(void *context, const struct control_peer *peer, const char *request,
	unsigned ticket, struct text *answer)
{
	struct core *core = context;
	enum control_role role = peer->role;
	bool refused = is_for_li(request) && role != CONTROL_LI;
	if (is_audited(peer, request))
		record_request(core, peer, request, refused);
	if (refused) {
		text_add(answer, "{\"ok\":false,\"error\":\"%s is for the LI group\"}",
			request_name(request));
		return true;
	}
	if (strcmp(request, "status") == 0) {
		report_status(core, role, answer);
	} else if (strcmp(request, "faults") == 0) {
		report_faults(core, role, answer);
	} else if (strcmp(request, "counters") == 0) {
		report_counters(core, role, answer);
	} else if (strcmp(request, "check") == 0) {
		for (unsigned i = 0; i < 64 && drain_events(core) > 0; i++)
			;
		report_laws(core, role, answer);
	} else if (operand_of(request, "bindings")) {
		report_bindings(core, operand_of(request, "bindings"), answer);
	} else if (strcmp(request, "reload") == 0) {
		if (core->reload_count == CONTROL_MAX_CLIENTS) {
			text_add(answer,
				"{\"ok\":false,\"error\":\"too many reloads are waiting\"}");
			return true;
		}
		int result = orders_load(core->orders, &(struct record_by){.peer = peer});
		if (result != 0 && result != -EBUSY) {
			text_add(answer,
				"{\"ok\":false,\"error\":\"the reload cannot be started: %s\"}",
				strerror(-result));
			return true;
		}
		core->reload_tickets[core->reload_count++] = ticket;
		if (result ==
			0) // otherwise the load that is running may have read the files before they changed
			core->reload_due = core->reload_count;
		return false;
	} else {
		text_add(answer,
			"{\"ok\":false,\"error\":\"unknown request; known: status counters check faults bindings reload\"}");
	}
	return true;
}

static void apply_orders(struct core *core)
{
	struct orders_result result;
	if (!orders_apply(core->orders, core->dataplane, core->delivery, &result))
		return;
	explicit_bzero(core->pdu, IRI_MAX_PDU); // the last one may be of a task that has ended
	answer_reload(core, &result);
}

// --- the loop --------------------------------------------------------------------------------------------------------

// Returns true when told to stop.
static bool take_signals(struct core *core)
{
	struct signalfd_siginfo info;
	bool stop = false;
	while (read(core->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo != SIGHUP) {
			log_line(LOG_NOTICE, "stopping on signal %u", info.ssi_signo);
			stop = true;
			continue;
		}
		int result =
			orders_load(core->orders, &(struct record_by){.signal_uid = info.ssi_uid,
							  .signal_pid = info.ssi_pid});
		if (result != 0 && result != -EBUSY)
			log_line(LOG_ERROR, "reload on SIGHUP cannot be started: %s",
				strerror(-result));
	}
	return stop;
}

static void wait_for_something(struct core *core, int delivery_wait_ms)
{
	struct pollfd fds[MAX_POLLFDS];
	size_t count = delivery_pollfds(core->delivery, fds, DELIVERY_POLLFDS);
	if (core->control)
		count += control_pollfds(core->control, fds + count, CONTROL_MAX_CLIENTS + 1);
	fds[count++] = (struct pollfd){.fd = core->signals, .events = POLLIN};
	poll(fds, count, delivery_wait_ms < IDLE_WAIT_MS ? delivery_wait_ms : IDLE_WAIT_MS);
}

// One turn; sleeps a little when there was no event. Returns how many events were taken.
static unsigned turn(struct core *core, uint64_t *next_tick_ms, uint64_t *next_check_ms)
{
	unsigned events = drain_events(core);
	uint64_t now = host_monotonic_ms();
	sequences_commit(core->sequences); // before anything with these numbers leaves
	int wait_ms = delivery_poll(core->delivery, now, host_realtime_ms());
	sequences_tick(core->sequences, now);
	sequences_safe(core->sequences, delivery_safe_before(core->delivery, now));
	if (core->control)
		control_poll(core->control, now);
	if (now >= *next_tick_ms) {
		dataplane_tick(core->dataplane);
		*next_tick_ms = now + TICK_MS;
	}
	if (now >= *next_check_ms) {
		watch_look(core->watch, core, now);
		losses_tell(&core->losses);
		record_tick(&core->record);
		orders_suspend(core->orders, core->dataplane, !record_may_intercept(&core->record));
		*next_check_ms = now + FAULT_CHECK_MS;
	}
	if (events == 0)
		wait_for_something(core, wait_ms);
	return events;
}

// Time in which this thread had its turns. Who waits for others goes by it: it does not pass while the whole host stands still,
// or while there is no CPU for us.
struct waiting {
	uint64_t seen_ms, waited_ms;
};

static struct waiting waiting_from_now(void)
{
	return (struct waiting){.seen_ms = host_monotonic_ms()};
}

// To be called every turn.
static uint64_t waited_ms(struct waiting *w)
{
	uint64_t now = host_monotonic_ms(), turn_ms = now - w->seen_ms;
	w->seen_ms = now;
	w->waited_ms += turn_ms < LONGEST_TURN_MS ? turn_ms : LONGEST_TURN_MS;
	return w->waited_ms;
}

struct idle_watch {
	uint64_t received;
	struct waiting quiet;
	uint64_t turns[CONFIG_MAX_WORKERS]; // each worker's own, when it was last not quiet
};

static void begin_quiet(struct core *core, struct idle_watch *watch)
{
	watch->received = dataplane_received(core->dataplane);
	watch->quiet = waiting_from_now();
	for (unsigned w = 0; w < dataplane_worker_count(core->dataplane); w++)
		watch->turns[w] = dataplane_worker_turns(core->dataplane, w);
}

// On few cores a worker may wait long for its turn, with a frame in its hands or its queue full. The first turn from now on may
// have begun before.
static bool have_all_looked(const struct core *core, const struct idle_watch *watch)
{
	for (unsigned w = 0; w < dataplane_worker_count(core->dataplane); w++)
		if (dataplane_worker_turns(core->dataplane, w) < watch->turns[w] + 2)
			return false;
	return true;
}

// Whether no frame and no event came for `for_ms`, nothing is on its way between workers, and every worker looked.
static bool is_quiet(struct core *core, struct idle_watch *watch, unsigned events, uint64_t for_ms)
{
	bool moved = events > 0 || dataplane_received(core->dataplane) != watch->received ||
	             dataplane_is_handing_over(core->dataplane);
	if (moved)
		begin_quiet(core, watch);
	return waited_ms(&watch->quiet) >= for_ms && have_all_looked(core, watch);
}

static bool all_taken(struct core *core)
{
	for (unsigned w = 0; w < dataplane_worker_count(core->dataplane); w++)
		if (record_ring_used(dataplane_events(core->dataplane, w)) > 0)
			return false;
	return true;
}

// Workers finish what they hold, its IRI are taken, then everything is sent and confirmed, or the time is over.
static enum core_end stop_in_order(struct core *core, uint64_t patience_ms)
{
	uint64_t next_tick_ms = 0, next_check_ms = 0;
	core->stopping = true;
	dataplane_stop(core->dataplane);
	while (!dataplane_stopped(core->dataplane) || !all_taken(core))
		turn(core, &next_tick_ms, &next_check_ms);
	struct waiting waiting = waiting_from_now();
	delivery_stop(core->delivery);
	while (!delivery_stopped(core->delivery) && waited_ms(&waiting) < patience_ms)
		turn(core, &next_tick_ms, &next_check_ms);
	if (delivery_idle(core->delivery))
		return CORE_END_DELIVERED;
	core->undelivered = delivery_kept(core->delivery);
	delivery_give_up(
		core->delivery); // told by exit code 3 alone: the general log is the same with and without targets
	return CORE_END_REMAINS;
}

// --- what delivery asks and tells ----------------------------------------------------------------------------------------

static enum delivery_gate gate(
	void *context, const struct uuid *xid, const struct uuid *destination)
{
	const struct core *core = context;
	return orders_gate(core->orders, xid, destination);
}

static void take_loss(void *context, const struct uuid *destination, enum delivery_loss why,
	const struct uuid *xid, uint64_t correlation, uint32_t sequence, uint64_t count)
{
	struct core *core = context;
	losses_add(&core->losses, destination, why, xid, correlation, sequence, count);
}

static void take_peer(void *context, const struct delivery_peer *peer)
{
	struct core *core = context;
	record_peer(&core->record, peer);
}

static void take_segment(void *context, const struct uuid *destination, enum spool_event what,
	uint64_t number, uint64_t records)
{
	struct core *core = context;
	record_segment(&core->record, destination, what, number, records);
}

static int check_socket(
	void *context, int fd, const struct delivery_endpoint *endpoint, struct error *error)
{
	const struct core *core = context;
	unsigned traffic[DATAPLANE_MAX_INTERFACES];
	size_t count = dataplane_traffic_interfaces(core->dataplane, traffic);
	struct li_connection connection = {
		.fd = fd,
		.destination = endpoint->address,
		.port = endpoint->port,
		.source = &endpoint->socket.source,
		.interface = endpoint->socket.interface,
	};
	return li_network_check(&connection, traffic, count, error);
}

struct delivery_hooks core_hooks(struct core *core)
{
	return (struct delivery_hooks){
		.context = core,
		.gate = gate,
		.lost = take_loss,
		.peer = take_peer,
		.segment = take_segment,
		.check_socket = check_socket,
	};
}

static void take_gap(void *context, const struct sequence_gap *gap)
{
	struct core *core = context;
	core->counters.unaccounted += (uint32_t)(gap->last - gap->first + 1);
	record_gap(&core->record, gap);
}

void core_tell_gaps(struct core *core)
{
	sequences_gaps(core->sequences, take_gap, core);
}

// --- start and end ---------------------------------------------------------------------------------------------------------

void core_open_control(struct core *core)
{
	struct error error;
	struct control_config config = {core->config->control.socket,
		core->config->control.operator_group, core->config->control.li_group};
	core->control = control_new(&config, answer_control, core, &error);
	if (!core->control)
		fault_begin(&core->faults, FAULT_CONTROL, NULL, "%s; x2tap goes on without x2ctl",
			error.text);
}

enum core_end core_run(struct core *core, uint64_t until_idle_ms)
{
	enum { GOODBYE_MS = 200 }; // for connections to be closed properly once the time is over
	uint64_t next_tick_ms = 0, next_check_ms = 0;
	uint64_t patience_ms = core->config->shutdown_timeout_ms;
	struct idle_watch watch;
	begin_quiet(core, &watch);
	for (;;) {
		unsigned events = turn(core, &next_tick_ms, &next_check_ms);
		apply_orders(core);
		if (take_signals(core))
			break;
		if (!until_idle_ms || orders_are_loading(core->orders) ||
			!is_quiet(core, &watch, events, until_idle_ms))
			continue;
		if (delivery_idle(core->delivery))
			break;
		if (watch.quiet.waited_ms >= until_idle_ms + patience_ms) {
			patience_ms = GOODBYE_MS; // it has been waited for already
			break;
		}
	}
	return stop_in_order(core, patience_ms);
}
