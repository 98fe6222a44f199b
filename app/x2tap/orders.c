#include "orders.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "file.h"
#include "log.h"

// What a load came to, handed from the helper thread to the control core.
struct load {
	struct target_set *set;
	struct target_table *table;
	struct target_changes changes;
	struct tls_context *tls;
	uint64_t tls_fingerprint;
	struct error tls_error;
	struct problems problems;
	struct error error; // the file could not be read, or there is no room for it
	char digest[VAULT_HEX_LEN + 1]; // of the file
	struct record_by by;
	struct control_peer peer; // by->peer points here
};

struct orders {
	const struct config *config;
	struct orders_outlets out;
	struct numbering numbering;
	struct hash_key key;

	pthread_t thread;
	bool running, again;
	struct record_by again_by;
	struct control_peer again_peer;
	atomic_bool finished;
	struct load load;
	bool suspended;

	struct target_set *set;     // in force
	struct target_table *table; // not yet taken over by the data path
	struct tls_context *tls;
	uint64_t tls_fingerprint;
	char *problems; // of the last load
	char tls_problem[ERROR_TEXT];
	unsigned generation;
};

struct numbering numbering_of(const struct config *config)
{
	struct numbering n = {.number_domains = config->sip.number_domains.items,
		.number_domain_count = config->sip.number_domains.count};
	snprintf(n.country_code, sizeof n.country_code, "%s", config->numbering.country_code);
	snprintf(n.national_prefix, sizeof n.national_prefix, "%s",
		config->numbering.national_prefix);
	snprintf(n.international_prefix, sizeof n.international_prefix, "%s",
		config->numbering.international_prefix);
	return n;
}

struct target_rules target_rules_of(const struct config *config, const struct numbering *numbering)
{
	return (struct target_rules){
		.ne_identifier = config->ne_identifier ? config->ne_identifier : config->nfid,
		.numbering = numbering,
		.allow_wide_targets = config->targets.allow_wide,
		.capacity = config->targets.capacity,
		.max_size = (size_t)config->targets.max_size_mib << 20,
		.check_owner = true,
	};
}

struct tls_files tls_files_of(const struct config *config)
{
	return (struct tls_files){config->tls.cert, config->tls.key, config->tls.ca,
		config->tls.crl, config->tls.allow_tls12 ? TLS_PROFILE_13_12 : TLS_PROFILE_13};
}

struct orders *orders_new(const struct config *config, const struct hash_key *key,
	const struct orders_outlets *outlets)
{
	struct orders *o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	o->config = config;
	o->out = *outlets;
	o->numbering = numbering_of(config);
	o->key = *key;
	o->set = calloc(1, sizeof *o->set);
	if (!o->set) {
		free(o);
		return NULL;
	}
	return o;
}

static void problems_wipe(struct orders *o)
{
	if (o->problems)
		explicit_bzero(o->problems, strlen(o->problems)); // may show identifiers
	free(o->problems);
	o->problems = NULL;
}

static void load_fini(struct load *l)
{
	target_set_free(l->set);
	target_table_free(l->table);
	tls_context_free(l->tls);
	problems_fini(&l->problems);
	*l = (struct load){0};
}

void orders_free(struct orders *o)
{
	if (!o)
		return;
	orders_wait(o);
	load_fini(&o->load);
	target_set_free(o->set);
	target_table_free(o->table);
	tls_context_free(o->tls);
	problems_wipe(o);
	explicit_bzero(o, sizeof *o); // the hash key
	free(o);
}

static struct target_table *table_of(
	const struct orders *o, const struct target_set *set, struct error *error)
{
	return target_table_new(set, o->config->targets.capacity, &o->key, &o->numbering,
		o->config->targets.match_outer, error);
}

static void load_targets(struct orders *o, struct load *l)
{
	struct target_rules rules = target_rules_of(o->config, &o->numbering);
	struct bytes text;
	int result = target_file_read(o->config->targets.file, &rules, &text, &l->error);
	if (result == -EFBIG) // the size tells how many there are: for the LI side
		problems_add(&l->problems, (struct yaml_mark){0}, 0, "%s", l->error.text);
	if (result != 0)
		return;
	uint8_t digest[VAULT_DIGEST_LEN];
	vault_sha256(text, bytes_of(NULL, 0), digest);
	vault_hex(digest, l->digest);
	l->set = target_file_parse(text, &rules, &l->problems);
	target_text_free(text);
	if (!l->set)
		return;
	// The set in force is not changed while a load runs: orders_apply() alone does that.
	if (target_set_adopt(l->set, o->set, o->config->targets.capacity, &l->changes, &l->error) !=
		0)
		goto refuse;
	l->table = table_of(o, l->set, &l->error);
	if (l->table)
		return;
refuse:
	problems_add(&l->problems, (struct yaml_mark){0}, 0, "%s", l->error.text);
	target_set_free(l->set);
	l->set = NULL;
}

// Of a file's octets and their number, so that none can pass for the next file's; what cannot be read counts as empty.
static uint64_t file_fingerprint(uint64_t print, const char *path)
{
	uint8_t octets[4096];
	uint64_t count = 0;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	for (ssize_t len; fd >= 0 && (len = file_read(fd, octets, sizeof octets)) > 0;) {
		print = fnv1a_more(print, bytes_of(octets, (size_t)len));
		count += (uint64_t)len;
	}
	explicit_bzero(octets, sizeof octets); // of a private key
	if (fd >= 0)
		close(fd);
	return fnv1a_more(print, bytes_of(&count, sizeof count));
}

// Of all that a TLS context stands on, so that a reload without new certificates leaves the connections alone.
static uint64_t tls_fingerprint(const struct tls_files *files)
{
	const char *const paths[] = {files->cert, files->key, files->ca, files->crl};
	uint64_t print = FNV1A_START;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		print = file_fingerprint(print, paths[i]);
	return print;
}

// What calls left below this one. The kernel takes the pages of a thread's stack back at its end, but not while memory is locked,
// and the next thread gets the same stack.
static __attribute__((noinline)) void stack_wipe(void)
{
	enum { DEPTH = 256 * 1024 }; // a load goes nowhere as deep
	uint8_t below[DEPTH];
	explicit_bzero(below, sizeof below);
}

static void *load_main(void *argument)
{
	struct orders *o = argument;
	struct load *l = &o->load;
	problems_init(&l->problems, o->config->targets.file);
	if (o->config->tls.cert) {
		struct tls_files files = tls_files_of(o->config);
		l->tls_fingerprint = tls_fingerprint(&files);
		l->tls = tls_client_context_new(&files, &l->tls_error);
	}
	load_targets(o, l);
	stack_wipe();
	atomic_store_explicit(&o->finished, true, memory_order_release); // pairs with orders_apply
	return NULL;
}

static void keep_by(struct record_by *to, struct control_peer *peer, const struct record_by *from)
{
	*to = *from;
	if (!from->peer)
		return;
	*peer = *from->peer;
	to->peer = peer;
}

int orders_load(struct orders *o, const struct record_by *by)
{
	if (o->running) {
		o->again = true;
		keep_by(&o->again_by, &o->again_peer, by);
		return -EBUSY;
	}
	atomic_store(&o->finished, false);
	keep_by(&o->load.by, &o->load.peer, by);
	record_reopen(o->out.record);
	destinations_load_key(o->out.destinations);
	int result = pthread_create(&o->thread, NULL, load_main, o);
	if (result != 0)
		return -result;
	o->running = true;
	return 0;
}

bool orders_are_loading(const struct orders *o)
{
	return o->running;
}

void orders_wait(struct orders *o)
{
	if (!o->running)
		return;
	pthread_join(o->thread, NULL);
	o->running = false;
}

// For the audit log, while both the old and the new set are there.
static void tell_load(struct orders *o, bool loaded)
{
	const struct load *l = &o->load;
	record_targets(o->out.record, &l->by,
		&(struct record_targets){
			.loaded = loaded,
			.generation = o->generation,
			.fresh = l->set,
			.current = o->set,
			.changes = l->changes,
			.digest = l->digest,
			.problem = l->problems.count ? "the file has faults" : l->error.text,
		});
}

// Whether the set that comes into force no longer orders a queued PDU for the destination where it waits.
static bool has_ended(const void *context, uint64_t owner)
{
	return !target_set_owns(context, owner);
}

static void publish(struct orders *o, struct dataplane *dataplane, struct target_table *table)
{
	if (dataplane) {
		dataplane_publish(dataplane, table);
	} else {
		target_table_free(o->table);
		o->table = table;
	}
}

static bool take_over(struct orders *o, struct dataplane *dataplane, struct delivery *delivery)
{
	struct load *l = &o->load;
	if (destinations_take_over(o->out.destinations, delivery, l->set, o->set) != 0)
		return false;
	o->generation++;
	tell_load(o, true);
	// Only now it is known whether the audit log took it, without which nothing may be intercepted.
	if (record_may_intercept(o->out.record)) {
		publish(o, dataplane, l->table);
		l->table = NULL;
		o->suspended = false;
	} else {
		orders_suspend(o, dataplane, true);
	}
	struct target_set *former = o->set;
	o->set = l->set;
	l->set = NULL;
	// Of what was read from a spool the gate knows the task: it must ask the new set.
	if (l->changes.changed + l->changes.removed > 0)
		delivery_expire_if(delivery, has_ended, o->set);
	target_set_free(former);
	return true;
}

static void take_over_tls(struct orders *o, struct delivery *delivery)
{
	struct load *l = &o->load;
	struct faults *faults = o->out.faults;
	o->tls_problem[0] = '\0';
	if (!o->config->tls.cert)
		return;
	if (!l->tls) {
		snprintf(o->tls_problem, sizeof o->tls_problem, "%s", l->tls_error.text);
		fault_begin(faults, FAULT_TLS, NULL, "%s; %s", l->tls_error.text,
			o->tls ? "the certificates in use stay"
			       : "nothing connects, IRI wait in their queues");
		return;
	}
	if (!o->tls || l->tls_fingerprint != o->tls_fingerprint) {
		delivery_set_context(delivery, l->tls);
		tls_context_free(o->tls);
		o->tls = l->tls;
		o->tls_fingerprint = l->tls_fingerprint;
		l->tls = NULL;
	}
	fault_end(faults, FAULT_TLS, NULL);
}

bool orders_apply(struct orders *o, struct dataplane *dataplane, struct delivery *delivery,
	struct orders_result *result)
{
	if (!o->running ||
		!atomic_load_explicit(&o->finished, memory_order_acquire)) // pairs with load_main
		return false;
	orders_wait(o);
	struct load *l = &o->load;
	problems_wipe(o);
	take_over_tls(o, delivery);
	bool loaded = l->set && take_over(o, dataplane, delivery);
	if (loaded) {
		fault_end(o->out.faults, FAULT_TARGETS, NULL);
		log_line(LOG_NOTICE, "targets: loaded");
	} else {
		if (l->set)
			error_set(&l->error, -ENOMEM, "no memory to take the target file over");
		// The general log must not show what the file holds: numbers of faults and lines stay with the LI side.
		fault_begin(o->out.faults, FAULT_TARGETS, NULL, "%s; %s",
			l->problems.count
				? "the target file has faults (x2ctl reload or x2tap --check tell the LI group which)"
				: l->error.text,
			o->generation ? "the orders of the last good file stay in force"
				      : "nothing is intercepted");
		o->problems = strdup(l->problems.count ? l->problems.text : l->error.text);
		tell_load(o, false);
	}
	record_left(o->out.record);
	*result = (struct orders_result){
		loaded, l->changes, o->problems ? o->problems : "", o->tls_problem, false};
	load_fini(l);
	if (o->again) {
		o->again = false;
		result->repeated = orders_load(o, &o->again_by) == 0;
	}
	return true;
}

struct target_table *orders_take_table(struct orders *o, struct error *error)
{
	struct target_table *table = o->table;
	o->table = NULL;
	if (table)
		return table;
	struct target_set empty = {0};
	return table_of(o, &empty, error);
}

const struct target_set *orders_in_force(const struct orders *o)
{
	return o->set;
}

unsigned orders_generation(const struct orders *o)
{
	return o->generation;
}

enum delivery_gate orders_gate(
	const struct orders *o, const struct uuid *xid, const struct uuid *destination)
{
	if (o->generation == 0)
		return GATE_UNKNOWN;
	const struct task *task = target_set_find(o->set, xid);
	return task && task_names_destination(o->set, task, destination) ? GATE_NAMED
	                                                                 : GATE_NOT_NAMED;
}

void orders_suspend(struct orders *o, struct dataplane *dataplane, bool suspended)
{
	struct error error;
	struct target_set empty = {0};
	if (o->suspended == suspended)
		return;
	struct target_table *table = table_of(o, suspended ? &empty : o->set, &error);
	if (table)
		publish(o, dataplane, table);
	o->suspended = suspended || !table;
}

bool orders_are_suspended(const struct orders *o)
{
	return o->suspended;
}

const struct tls_context *orders_tls(const struct orders *o)
{
	return o->tls;
}
