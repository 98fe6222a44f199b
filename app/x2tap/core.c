#include "core.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

enum {
	EVENTS_A_TURN = 256, // per worker, between two looks at the sockets
	IDLE_WAIT_MS = 1,    // how long an event may wait in its ring while nothing else happens
	TICK_MS = 50,
	FAULT_CHECK_MS = 500,
	MAX_POLLFDS = CONFIG_MAX_DESTINATIONS + CONTROL_MAX_CLIENTS + 2,
};

uint64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// --- events to PDUs --------------------------------------------------------------------------------------------

static const struct task *task_of(const struct target_set *set, const struct event_task *about)
{
	const struct task *task = about->slot < set->slot_limit ? set->by_slot[about->slot] : NULL;
	return task && task->generation == about->generation ? task : NULL;
}

static void send_copies(struct core *core, const struct event *event,
	const struct event_task *about, const struct target_set *set, const struct task *task)
{
	struct bytes ipid = bytes_of_text(core->config->ports[event->point].ipid);
	struct sequence sequence =
		sequence_next(core->sequences, &task->header_xid, ipid, event->correlation);
	core->counters.numbered++;
	for (uint32_t i = 0; i < task->destination_count; i++) {
		uint32_t index = task->destinations[i];
		const struct config_destination *settings = orders_destination(core->orders, index);
		core->counters.wanted++;
		if (!settings) {
			core->counters.lost_no_destination++;
			continue;
		}
		struct writer w = writer_of(core->pdu, settings->max_pdu);
		if (iri_write(core->iri, about, task, ipid, sequence, settings->version, &w) != 0)
			continue; // counted there
		if (delivery_send(core->delivery, &set->destinations[index].did,
			    task_owner(task, i), writer_bytes(&w)) == 0)
			core->counters.offered++;
		else
			core->counters.lost_queue++;
	}
}

static void take_event(struct core *core, const struct event *event)
{
	const struct target_set *set = orders_in_force(core->orders);
	const struct event_task *tasks = event_tasks_view(event);
	iri_open(core->iri, event);
	for (unsigned i = 0; i < event->task_count; i++) {
		core->counters.taken++;
		const struct task *task = task_of(set, &tasks[i]);
		if (task)
			send_copies(core, event, &tasks[i], set, task);
		else
			core->counters.expired++;
	}
}

static unsigned drain_events(struct core *core)
{
	unsigned taken = 0;
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

static void watch_destinations(struct core *core)
{
	for (size_t i = 0; i < delivery_count(core->delivery); i++) {
		struct delivery_status status;
		char did[UUID_TEXT], name[FAULT_NAME];
		delivery_status(core->delivery, i, &status);
		uuid_format(&status.destination.did, did);
		snprintf(name, sizeof name, "destination %s", did);
		if (status.fault && status.fault[0])
			fault_raise(&core->faults, name, "%s", status.fault);
		else if (status.state == DELIVERY_UP)
			fault_clear(&core->faults, name);
	}
}

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

static bool answer_control(void *context, enum control_role role, const char *request,
	unsigned ticket, struct text *answer)
{
	struct core *core = context;
	if (strcmp(request, "status") == 0) {
		report_status(core, role, answer);
	} else if (strcmp(request, "counters") == 0) {
		report_counters(core, role, answer);
	} else if (strcmp(request, "check") == 0) {
		for (unsigned i = 0; i < 64 && drain_events(core) > 0; i++)
			;
		report_laws(core, role, answer);
	} else if (strcmp(request, "reload") == 0) {
		if (role != CONTROL_LI) {
			text_add(answer, "{\"ok\":false,\"error\":\"reload is for the LI group\"}");
			return true;
		}
		if (core->reload_count == CONTROL_MAX_CLIENTS) {
			text_add(answer,
				"{\"ok\":false,\"error\":\"too many reloads are waiting\"}");
			return true;
		}
		int result = orders_load(core->orders);
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
			"{\"ok\":false,\"error\":\"unknown request; known: status counters check reload\"}");
	}
	return true;
}

static void apply_orders(struct core *core)
{
	struct orders_result result;
	if (!orders_apply(core->orders, core->dataplane, core->delivery, &core->faults, &result))
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
		int result = orders_load(core->orders);
		if (result != 0 && result != -EBUSY)
			log_line(LOG_ERROR, "reload on SIGHUP cannot be started: %s",
				strerror(-result));
	}
	return stop;
}

static void wait_for_something(struct core *core, int delivery_wait_ms)
{
	struct pollfd fds[MAX_POLLFDS];
	size_t count = delivery_pollfds(core->delivery, fds, CONFIG_MAX_DESTINATIONS);
	if (core->control)
		count += control_pollfds(core->control, fds + count, CONTROL_MAX_CLIENTS + 1);
	fds[count++] = (struct pollfd){.fd = core->signals, .events = POLLIN};
	poll(fds, count, delivery_wait_ms < IDLE_WAIT_MS ? delivery_wait_ms : IDLE_WAIT_MS);
}

// One turn; sleeps a little when there was no event. Returns how many events were taken.
static unsigned turn(struct core *core, uint64_t *next_tick_ms, uint64_t *next_check_ms)
{
	unsigned events = drain_events(core);
	uint64_t now = monotonic_ms();
	int wait_ms = delivery_poll(core->delivery, now);
	if (core->control)
		control_poll(core->control, now);
	if (now >= *next_tick_ms) {
		dataplane_tick(core->dataplane);
		*next_tick_ms = now + TICK_MS;
	}
	if (now >= *next_check_ms) {
		watch_destinations(core);
		*next_check_ms = now + FAULT_CHECK_MS;
	}
	if (events == 0)
		wait_for_something(core, wait_ms);
	return events;
}

struct idle_watch {
	uint64_t received, quiet_since_ms, turns;
};

// Whether no frame and no event came for `for_ms`, though every worker looked: on few cores one may wait long for its turn.
static bool is_quiet(struct core *core, struct idle_watch *watch, unsigned events, uint64_t for_ms)
{
	uint64_t now = monotonic_ms(), received = dataplane_received(core->dataplane);
	uint64_t turns = dataplane_turns(core->dataplane);
	if (events > 0 || received != watch->received)
		*watch = (struct idle_watch){received, now, turns};
	return now - watch->quiet_since_ms >= for_ms && turns >= watch->turns + 2;
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
	dataplane_stop(core->dataplane);
	while (!dataplane_stopped(core->dataplane) || !all_taken(core))
		turn(core, &next_tick_ms, &next_check_ms);
	uint64_t end_ms = monotonic_ms() + patience_ms;
	delivery_stop(core->delivery);
	while (!delivery_stopped(core->delivery) && monotonic_ms() < end_ms)
		turn(core, &next_tick_ms, &next_check_ms);
	if (delivery_idle(core->delivery))
		return CORE_END_DELIVERED;
	delivery_give_up(
		core->delivery); // told by exit code 3 alone: the general log is the same with and without targets
	return CORE_END_REMAINS;
}

void core_open_control(struct core *core)
{
	struct error error;
	struct control_config config = {core->config->control.socket,
		core->config->control.operator_group, core->config->control.li_group};
	core->control = control_new(&config, answer_control, core, &error);
	if (!core->control)
		fault_raise(
			&core->faults, "control", "%s; x2tap goes on without x2ctl", error.text);
}

enum core_end core_run(struct core *core, uint64_t until_idle_ms)
{
	enum { GOODBYE_MS = 200 }; // for connections to be closed properly once the time is over
	uint64_t next_tick_ms = 0, next_check_ms = 0;
	uint64_t patience_ms = core->config->shutdown_timeout_ms;
	struct idle_watch watch = {0, monotonic_ms(), 0};
	for (;;) {
		unsigned events = turn(core, &next_tick_ms, &next_check_ms);
		apply_orders(core);
		if (take_signals(core))
			break;
		if (!until_idle_ms || !is_quiet(core, &watch, events, until_idle_ms))
			continue;
		if (delivery_idle(core->delivery))
			break;
		if (monotonic_ms() - watch.quiet_since_ms >= until_idle_ms + patience_ms) {
			patience_ms = GOODBYE_MS; // it has been waited for already
			break;
		}
	}
	return stop_in_order(core, patience_ms);
}
