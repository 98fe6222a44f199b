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

#include "core.h"
#include "log.h"
#include "options.h"
#include "privileges.h"

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

// --- x2tap --check -----------------------------------------------------------------------------------------------------

static void warn_of_long_headers(const struct config *config, const struct target_set *set)
{
	struct iri_constants constants = {
		bytes_of_text(config->nfid), bytes_of_text(config->did ? config->did : ""), {0}};
	for (size_t i = 0; i < set->task_count; i++) {
		for (size_t p = 0; p < config->port_count; p++) {
			size_t len = iri_header_len(
				&constants, bytes_of_text(config->ports[p].ipid), &set->tasks[i]);
			if (len <= IRI_HEADER_AIM)
				continue;
			char xid[UUID_TEXT];
			uuid_format(&set->tasks[i].xid, xid);
			fprintf(stderr,
				"warning: task %s: its PDU headers have up to %zu octets; some MFs take no more than %d: shorten nfid or "
				"ipid\n",
				xid, len, IRI_HEADER_AIM);
			break;
		}
	}
}

// Whether the tasks fit the tables that are taken for the configured capacity.
static bool fits_table(
	const struct config *config, struct target_set *set, const struct numbering *numbering)
{
	static const struct hash_key any_key;
	struct target_changes changes;
	struct error error;
	struct target_table *table = NULL;
	if (target_set_adopt(set, NULL, config->targets.capacity, &changes, &error) == 0)
		table = target_table_new(set, config->targets.capacity, &any_key, numbering,
			config->targets.match_outer, &error);
	if (!table)
		fprintf(stderr, "%s: %s\n", config->targets.file, error.text);
	target_table_free(table);
	return table != NULL;
}

// Those of the file: Redundant sets stand behind them.
static size_t count_destinations(const struct target_set *set)
{
	size_t count = 0;
	while (count < set->destination_count && set->destinations[count].member_count == 0)
		count++;
	return count;
}

static bool check_targets(const struct config *config)
{
	struct numbering numbering = numbering_of(config);
	struct target_rules rules = target_rules_of(config, &numbering);
	rules.check_owner = false; // a draft may belong to whoever writes it
	struct error error;
	struct bytes text;
	if (target_file_read(config->targets.file, &rules, &text, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		return false;
	}
	struct problems problems;
	problems_init(&problems, config->targets.file);
	struct target_set *set = target_file_parse(text, &rules, &problems);
	target_text_free(text);
	if (problems.text)
		fputs(problems.text, stderr);
	if (!set)
		fprintf(stderr, "%u error%s, the file would not be loaded\n", problems.count,
			problems.count == 1 ? "" : "s");
	problems_fini(&problems);
	bool good = set && fits_table(config, set, &numbering);
	if (good) {
		warn_of_long_headers(config, set);
		printf("%s: good, %zu tasks, %zu destinations\n", config->targets.file,
			set->task_count, count_destinations(set));
	}
	target_set_free(set);
	return good;
}

static bool check_tls(const struct config *config)
{
	if (!config->tls.cert)
		return true;
	struct error error;
	struct tls_files files = tls_files_of(config);
	struct tls_context *context = tls_client_context_new(&files, &error);
	if (!context) {
		fprintf(stderr, "tls: %s\n", error.text);
		return false;
	}
	printf("%s: good, %d days left\n", config->tls.cert, tls_context_days_left(context));
	tls_context_free(context);
	return true;
}

static int check(const struct config *config, const char *path)
{
	printf("%s: good\n", path);
	bool targets = check_targets(config), tls = check_tls(config);
	return targets && tls ? EXIT_GOOD : EXIT_BAD;
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

// The first load of orders. A link does not wait for it longer than a second: a long one is taken over when it is done.
// Files can wait.
static void load_first(struct core *core)
{
	enum { PATIENCE_MS = 1000 };
	struct orders_result result;
	int error = orders_load(core->orders);
	if (error != 0) {
		fault_raise(&core->faults, "targets",
			"the target file cannot be loaded: %s; nothing is intercepted",
			strerror(-error));
		return;
	}
	uint64_t end_ms = monotonic_ms() + PATIENCE_MS;
	bool wait = has_lossless_port(core->config);
	while (!orders_apply(core->orders, NULL, core->delivery, &core->faults, &result)) {
		if (!wait && monotonic_ms() >= end_ms)
			return;
		usleep(1000);
	}
}

static int run(const struct options *options, const struct config *config, int signals)
{
	enum { SEQUENCE_CONTEXTS = 1 << 20 };
	struct error error = {0};
	struct hash_key key;
	int code = EXIT_BAD;
	struct iri_constants constants = constants_of(config);
	struct core core = {.config = config, .signals = signals, .started_ms = monotonic_ms()};
	if (hash_key_random(&key) != 0) {
		log_line(LOG_ERROR, "no random octets from the kernel");
		return EXIT_BAD;
	}
	core.orders = orders_new(config, &key);
	core.iri = iri_new(&constants);
	core.sequences =
		sequences_new(&(struct sequences_settings){.max_contexts = SEQUENCE_CONTEXTS,
				      .key = key,
				      .did = constants.did,
				      .nfid = constants.nfid},
			&error);
	core.pdu = malloc(IRI_MAX_PDU);
	core.delivery = delivery_new(NULL, key.k0 ^ key.k1, &error);
	if (!core.orders || !core.iri || !core.sequences || !core.pdu || !core.delivery) {
		log_line(LOG_ERROR, "no memory: %s", error.text);
		goto end;
	}
	core.dataplane = dataplane_new(config, &key, warn, &error);
	if (!core.dataplane) {
		log_line(LOG_ERROR, "%s", error.text);
		goto end;
	}
	core_open_control(&core);
	privileges_lock_memory();
	if (privileges_drop(
		    config->user, config->group, core.control ? config->control.socket : NULL) != 0)
		goto end;

	// From here on nothing stops forwarding: what is wrong with orders, certificates or MFs is a fault.
	load_first(&core);
	struct target_table *table = orders_take_table(core.orders, &error);
	if (!table || dataplane_start(core.dataplane, table, &error) != 0) {
		log_line(LOG_ERROR, "%s", error.text);
		goto end;
	}
	log_line(LOG_NOTICE, "x2tap " X2TAP_VERSION " forwards: %zu ports, %u workers",
		dataplane_port_count(core.dataplane), dataplane_worker_count(core.dataplane));
	code = core_run(&core, (uint64_t)(options->until_idle_s * 1000)) == CORE_END_DELIVERED
	               ? EXIT_GOOD
	               : EXIT_REMAINS;
	if (!report_laws(&core, CONTROL_LI, NULL)) {
		show_broken_laws(&core);
		code = EXIT_BAD;
	}
	log_line(LOG_NOTICE, "stopped");
end:
	control_free(core.control);
	delivery_free(core.delivery);
	dataplane_free(core.dataplane);
	orders_free(core.orders);
	sequences_free(core.sequences);
	iri_free(core.iri);
	if (core.pdu)
		explicit_bzero(core.pdu, IRI_MAX_PDU);
	free(core.pdu);
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
		code = check(config, options.config);
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
