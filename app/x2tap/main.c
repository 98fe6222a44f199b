// x2tap: options, start order, stop order.
#include <errno.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "check.h"
#include "core.h"
#include "host_clock.h"
#include "log.h"
#include "options.h"
#include "privileges.h"
#include "subscribers.h"
#include "watch.h"

enum exit_code { EXIT_GOOD, EXIT_BAD, EXIT_USAGE, EXIT_REMAINS };

static struct config *load_config(const char *path)
{
	struct problems problems;
	problems_init(&problems, path);
	struct config *config = config_load(path, &problems);
	if (problems.text)
		fputs(problems.text, stderr);
	if (!config)
		fprintf(stderr, "%u error%s, x2tap does not start\n", problems.count,
			problems.count == 1 ? "" : "s");
	problems_fini(&problems);
	return config;
}

// --- running ------------------------------------------------------------------------------------------------------------

static void warn(const char *line)
{
	log_line(LOG_WARNING, "%s", line);
}

// SIGHUP, SIGINT and SIGTERM come through a descriptor; blocked before EAL starts its threads, so that none takes them.
static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static struct iri_constants constants_of(const struct config *config)
{
	return (struct iri_constants){
		.nfid = bytes_of_text(config->nfid),
		.did = bytes_of_text(config->did ? config->did : ""),
		.sip =
			{
				.kept_types = config->sip.kept_bodies.count
	                                              ? config->sip.kept_bodies.items
	                                              : NULL,
				.kept_type_count = config->sip.kept_bodies.count,
				.keep_sdp_keys = config->sip.keep_sdp_keys,
			},
		.radius = {.keep_secrets = config->radius.keep_secrets},
	};
}

static void show_broken_laws(const struct core *core)
{
	struct text laws = {0};
	report_laws(core, CONTROL_OPERATOR, &laws);
	log_line(LOG_ERROR, "an accounting law is broken, please report this: %s",
		laws.at ? laws.at : "");
	text_free(&laws);
}

static bool has_lossless_port(const struct config *config)
{
	for (size_t i = 0; i < config->port_count; i++)
		if (config->ports[i].lossless)
			return true;
	return false;
}

// The first load of orders. A link does not wait for it, nor for journal, audit log and spools, which may take long to look through:
// the load is taken over when it is done, with the workers running. Files can wait, and must, so that the first frame is looked at as all others are.
static void load_first(struct core *core)
{
	struct orders_result result;
	int error = orders_load(core->orders, &(struct record_by){0});
	if (error != 0) {
		fault_begin(&core->faults, FAULT_TARGETS, NULL,
			"the target file cannot be loaded: %s; nothing is intercepted",
			strerror(-error));
		return;
	}
	while (has_lossless_port(core->config) &&
		!orders_apply(core->orders, NULL, core->delivery, &result))
		usleep(1000);
}

static void tell_loss(void *context, const struct loss_range *range)
{
	struct core *core = context;
	record_loss(&core->record, range);
}

static void tell_fault(void *context, const struct fault *fault, bool begins)
{
	struct core *core = context;
	record_fault(&core->record, fault, begins);
}

// What the control core needs, but for the ports. False, with a line in the log, when there is no memory.
static bool core_init(struct core *core, const struct config *config, const struct hash_key *key,
	const struct iri_constants *constants, const struct delivery_hooks *hooks)
{
	struct error error = {.text = ""};
	core->config = config;
	core->started_ms = host_monotonic_ms();
	core->faults.tell = tell_fault;
	core->faults.context = core;
	losses_init(&core->losses, tell_loss, core);
	record_init(&core->record, config, &core->faults);
	core->destinations = destinations_new(config, &core->faults, &core->record);
	struct orders_outlets outlets = {&core->faults, &core->record, core->destinations};
	core->orders = orders_new(config, key, &outlets);
	core->iri = iri_new(constants);
	core->watch = calloc(1, sizeof *core->watch);
	core->pdu = malloc(IRI_MAX_PDU);
	core->delivery = delivery_new(NULL, key->k0 ^ key->k1, hooks, &error);
	if (core->destinations)
		destinations_load_key(core->destinations); // as root: a credential is root's alone
	if (core->destinations && core->orders && core->iri && core->watch && core->pdu &&
		core->delivery)
		return true;
	log_line(LOG_ERROR, "no memory: %s", error.text);
	return false;
}

// What belongs to the service user: the audit log, and the journal of sequence numbers.
static bool core_open_files(struct core *core, const char *config_path, const struct hash_key *key)
{
	enum { SEQUENCE_CONTEXTS = 1 << 20 };
	const struct config *config = core->config;
	struct error error = {.text = ""};
	struct sequences_settings settings = {
		.max_contexts = SEQUENCE_CONTEXTS,
		.key = *key,
		.did = bytes_of_text(config->did ? config->did : ""),
		.nfid = bytes_of_text(config->nfid),
		.journal = config->journal,
	};
	record_open(&core->record, config_path);
	core->sequences = sequences_new(&settings, &error);
	if (!core->sequences) {
		log_line(LOG_ERROR, "%s", error.text);
		return false;
	}
	core_tell_gaps(core);
	return true;
}

static void core_fini(struct core *core, const char *how)
{
	control_free(core->control);
	delivery_free(core->delivery);
	losses_tell(&core->losses);
	dataplane_free(core->dataplane);
	bindings_free(core->bindings);
	orders_free(core->orders);
	destinations_free(core->destinations);
	sequences_free(core->sequences);
	record_stop(&core->record, how, core->undelivered);
	record_close(&core->record);
	iri_free(core->iri);
	if (core->pdu)
		explicit_bzero(core->pdu, IRI_MAX_PDU);
	free(core->pdu);
	free(core->watch);
}

// With the orders that are loaded, or with none.
static bool start_forwarding(struct core *core)
{
	struct error error = {.text = ""};
	struct target_table *table = orders_take_table(core->orders, &error);
	if (!table || dataplane_start(core->dataplane, table, &error) != 0) {
		log_line(LOG_ERROR, "%s", error.text);
		return false;
	}
	log_line(LOG_NOTICE, "x2tap " X2TAP_VERSION " forwards: %zu ports, %u workers",
		dataplane_port_count(core->dataplane), dataplane_worker_count(core->dataplane));
	return true;
}

static int run_to_the_end(struct core *core, const struct options *options)
{
	int code = core_run(core, (uint64_t)(options->until_idle_s * 1000)) == CORE_END_DELIVERED
	                   ? EXIT_GOOD
	                   : EXIT_REMAINS;
	if (!report_laws(core, CONTROL_LI, NULL)) {
		show_broken_laws(core);
		code = EXIT_BAD;
	}
	log_line(LOG_NOTICE, "stopped");
	return code;
}

static int run(const struct options *options, const struct config *config, int signals)
{
	struct error error = {.text = ""};
	struct hash_key key;
	int code = EXIT_BAD;
	struct core *core = calloc(1, sizeof *core);
	if (!core || hash_key_random(&key) != 0) {
		log_line(LOG_ERROR, "no memory, or no random octets from the kernel");
		free(core);
		return EXIT_BAD;
	}
	struct iri_constants constants = constants_of(config);
	struct delivery_hooks hooks = core_hooks(core);
	core->signals = signals;
	core->key = key;
	if (!core_init(core, config, &key, &constants, &hooks))
		goto end;
	if (subscribers_open(config, &key, &core->bindings, &error) == 0)
		core->dataplane = dataplane_new(config, &key, core->bindings, warn, &error);
	if (!core->dataplane) {
		log_line(LOG_ERROR, "%s", error.text);
		goto end;
	}
	core_open_control(core);
	privileges_lock_memory();
	if (privileges_drop(config->user, config->group,
		    core->control ? config->control.socket : NULL) != 0)
		goto end;
	// From here on nothing stops forwarding: what is wrong with orders, certificates, disks or MFs is a fault.
	bool link_waits = has_lossless_port(config); // not of a network: see load_first()
	if (!link_waits && !start_forwarding(core))
		goto end;
	if (!core_open_files(core, options->config, &key))
		goto end;
	load_first(core);
	if (link_waits && !start_forwarding(core))
		goto end;
	code = run_to_the_end(core, options);
end:
	core_fini(core, code == EXIT_GOOD      ? "all delivered"
			: code == EXIT_REMAINS ? "PDUs remain"
					       : "failed");
	explicit_bzero(core, sizeof *core);
	free(core);
	explicit_bzero(&key, sizeof key);
	return code;
}

static enum log_level level_of(const char *name)
{
	static const char *const names[] = {"error", "warning", "notice", "debug"};
	for (int i = 0; i < 4; i++)
		if (name && strcmp(name, names[i]) == 0)
			return (enum log_level)i;
	return LOG_NOTICE;
}

int main(int argc, char **argv)
{
	struct options options;
	switch (options_parse(argc, argv, &options)) {
	case OPTIONS_DONE:
		return EXIT_GOOD;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	struct config *config = load_config(options.config);
	if (!config)
		return EXIT_BAD;
	int code = EXIT_BAD;
	if (options.check) {
		code = check_all(config, options.config) ? EXIT_GOOD : EXIT_BAD;
	} else {
		log_init("x2tap", level_of(config->log_level));
		privileges_limit();
		int signals = open_signals();
		if (rte_eal_init(options.eal_argc, options.eal_argv) < 0) {
			log_line(LOG_ERROR,
				"EAL does not start: %s. Its own lines above say why; without hugepages give --no-huge -m 512",
				rte_strerror(rte_errno));
		} else {
			code = run(&options, config, signals);
			rte_eal_cleanup();
		}
		close(signals);
	}
	free(options.eal_argv);
	config_free(config);
	return code;
}
