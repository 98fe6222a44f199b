#include "orders.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
};

struct orders {
	const struct config *config;
	struct numbering numbering;
	struct hash_key key;

	pthread_t thread;
	bool running, again;
	atomic_bool finished;
	struct load load;

	struct target_set *set;                     // in force
	struct target_table *table;                 // not yet taken over by the data path
	const struct config_destination **settings; // one for each destination of `set`
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

struct orders *orders_new(const struct config *config, const struct hash_key *key)
{
	struct orders *o = calloc(1, sizeof *o);
	if (!o)
		return NULL;
	o->config = config;
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
	free(o->settings);
	problems_wipe(o);
	explicit_bzero(o, sizeof *o); // the hash key
	free(o);
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
	l->set = target_file_parse(text, &rules, &l->problems);
	target_text_free(text);
	if (!l->set)
		return;
	// The set in force is not changed while a load runs: orders_apply() alone does that.
	if (target_set_adopt(l->set, o->set, o->config->targets.capacity, &l->changes, &l->error) !=
		0)
		goto refuse;
	l->table = target_table_new(l->set, o->config->targets.capacity, &o->key, &o->numbering,
		o->config->targets.match_outer, &l->error);
	if (l->table)
		return;
refuse:
	problems_add(&l->problems, (struct yaml_mark){0}, 0, "%s", l->error.text);
	target_set_free(l->set);
	l->set = NULL;
}

// Of all that a TLS context stands on, so that a reload without new certificates leaves the connections alone.
static uint64_t tls_fingerprint(const struct tls_files *files)
{
	const char *const paths[] = {files->cert, files->key, files->ca, files->crl};
	uint64_t print = FNV1A_START;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		uint8_t octets[4096];
		int fd = paths[i] ? open(paths[i], O_RDONLY | O_CLOEXEC) : -1;
		for (ssize_t len; fd >= 0 && (len = read(fd, octets, sizeof octets)) > 0;)
			for (ssize_t at = 0; at < len; at++)
				print = (print ^ octets[at]) * 0x100000001b3; // FNV-1a
		print = (print ^ 0x100u) * 0x100000001b3; // the end of a file is no octet of one
		explicit_bzero(octets, sizeof octets);    // of a private key
		if (fd >= 0)
			close(fd);
	}
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

int orders_load(struct orders *o)
{
	if (o->running) {
		o->again = true;
		return -EBUSY;
	}
	atomic_store(&o->finished, false);
	int result = pthread_create(&o->thread, NULL, load_main, o);
	if (result != 0)
		return -result;
	o->running = true;
	return 0;
}

void orders_wait(struct orders *o)
{
	if (!o->running)
		return;
	pthread_join(o->thread, NULL);
	o->running = false;
}

static const struct config_destination *settings_of(
	const struct config *config, const struct uuid *did)
{
	for (size_t i = 0; i < config->destination_count; i++)
		if (uuid_equal(&config->destinations[i].did, did))
			return &config->destinations[i];
	return NULL;
}

static bool has_destination(const struct target_set *set, const struct uuid *did)
{
	for (size_t i = 0; i < set->destination_count; i++)
		if (set->destinations[i].member_count == 0 &&
			uuid_equal(&set->destinations[i].did, did))
			return true;
	return false;
}

static int set_destination(struct delivery *delivery, const struct destination *d,
	const struct config_destination *c, struct faults *faults)
{
	char did[UUID_TEXT], name[FAULT_NAME];
	struct error error;
	uuid_format(&d->did, did);
	snprintf(name, sizeof name, "settings of destination %s", did);
	if (!c) {
		fault_raise(faults, name,
			"it has no entry under `destinations` in x2tap.yaml, so the name that its certificate must carry is not known: "
			"IRI for it are lost. Add the entry with tls_name");
		return -ENOENT;
	}
	struct delivery_destination wanted = {
		.did = d->did,
		.address = d->address,
		.port = d->port,
		.tls_name = c->tls_name,
		.version = c->version,
		.keepalive = c->keepalive,
		.redeliver = c->redeliver,
		.keepalive_interval_ms = c->keepalive_interval_ms,
		.keepalive_timeout_ms = c->keepalive_timeout_ms,
		.max_write = c->max_write,
		.queue_octets = (size_t)c->queue_mib << 20,
	};
	int result = delivery_set(delivery, &wanted, &error);
	if (result != 0)
		fault_raise(faults, name, "%s", error.text);
	else
		fault_clear(faults, name);
	return result;
}

static void remove_destination(
	struct delivery *delivery, const struct uuid *did, struct faults *faults)
{
	char text[UUID_TEXT], name[FAULT_NAME];
	uuid_format(did, text);
	delivery_remove(delivery, did);
	snprintf(name, sizeof name, "settings of destination %s", text);
	fault_clear(faults, name);
	snprintf(name, sizeof name, "destination %s", text);
	fault_clear(faults, name);
}

// Whether the set that comes into force no longer orders a queued PDU for the destination where it waits.
static bool has_ended(const void *context, uint64_t owner)
{
	return !target_set_owns(context, owner);
}

static bool take_over(struct orders *o, struct dataplane *dataplane, struct delivery *delivery,
	struct faults *faults)
{
	struct load *l = &o->load;
	const struct config_destination **settings =
		calloc(l->set->destination_count + 1, sizeof *settings);
	if (!settings)
		return false;
	for (size_t i = 0; i < l->set->destination_count; i++) {
		if (l->set->destinations[i].member_count > 0)
			continue; // a Redundant set: nothing delivers to it, its PDUs are lost_no_destination
		const struct config_destination *c =
			settings_of(o->config, &l->set->destinations[i].did);
		if (set_destination(delivery, &l->set->destinations[i], c, faults) == 0)
			settings[i] = c;
	}
	if (l->changes.changed + l->changes.removed > 0)
		delivery_expire_if(delivery, has_ended, l->set);
	for (size_t i = 0; i < o->set->destination_count; i++)
		if (o->set->destinations[i].member_count == 0 &&
			!has_destination(l->set, &o->set->destinations[i].did))
			remove_destination(delivery, &o->set->destinations[i].did, faults);
	if (dataplane) {
		dataplane_publish(dataplane, l->table);
	} else {
		target_table_free(o->table);
		o->table = l->table;
	}
	target_set_free(o->set);
	free(o->settings);
	o->set = l->set;
	o->settings = settings;
	o->generation++;
	l->set = NULL;
	l->table = NULL;
	return true;
}

static void take_over_tls(struct orders *o, struct delivery *delivery, struct faults *faults)
{
	struct load *l = &o->load;
	o->tls_problem[0] = '\0';
	if (!o->config->tls.cert)
		return;
	if (!l->tls) {
		snprintf(o->tls_problem, sizeof o->tls_problem, "%s", l->tls_error.text);
		fault_raise(faults, "tls", "%s; %s", l->tls_error.text,
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
	fault_clear(faults, "tls");
	int days = tls_context_days_left(o->tls);
	if (days < 30)
		fault_raise(faults, "tls expiry",
			"the certificate %s expires in %d days: replace it and reload",
			o->config->tls.cert, days);
	else
		fault_clear(faults, "tls expiry");
}

bool orders_apply(struct orders *o, struct dataplane *dataplane, struct delivery *delivery,
	struct faults *faults, struct orders_result *result)
{
	if (!o->running ||
		!atomic_load_explicit(&o->finished, memory_order_acquire)) // pairs with load_main
		return false;
	orders_wait(o);
	struct load *l = &o->load;
	problems_wipe(o);
	take_over_tls(o, delivery, faults);
	bool loaded = l->set && take_over(o, dataplane, delivery, faults);
	if (loaded) {
		fault_clear(faults, "targets");
		log_line(LOG_NOTICE, "targets: loaded");
	} else {
		if (l->set)
			error_set(&l->error, -ENOMEM, "no memory to take the target file over");
		// The general log must not show what the file holds: numbers of faults and lines stay with the LI side.
		fault_raise(faults, "targets", "%s; %s",
			l->problems.count
				? "the target file has faults (x2ctl reload or x2tap --check tell the LI group which)"
				: l->error.text,
			o->generation ? "the orders of the last good file stay in force"
				      : "nothing is intercepted");
		o->problems = strdup(l->problems.count ? l->problems.text : l->error.text);
	}
	*result = (struct orders_result){
		loaded, l->changes, o->problems ? o->problems : "", o->tls_problem, false};
	load_fini(l);
	if (o->again) {
		o->again = false;
		result->repeated = orders_load(o) == 0;
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
	return target_table_new(&empty, o->config->targets.capacity, &o->key, &o->numbering,
		o->config->targets.match_outer, error);
}

const struct target_set *orders_in_force(const struct orders *o)
{
	return o->set;
}

unsigned orders_generation(const struct orders *o)
{
	return o->generation;
}

const struct config_destination *orders_destination(const struct orders *o, size_t index)
{
	return o->settings[index];
}
