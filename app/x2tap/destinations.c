#include "destinations.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "spool.h"

enum { MAX_MEMBERS = 16 };

struct destinations {
	const struct config *config;
	struct faults *faults;
	struct record *record;
	struct destination_form *forms;
	struct vault_key kek; // of all spools
	bool has_kek;
};

struct destinations *destinations_new(
	const struct config *config, struct faults *faults, struct record *record)
{
	struct destinations *d = calloc(1, sizeof *d);
	if (d) {
		d->config = config;
		d->faults = faults;
		d->record = record;
	}
	return d;
}

void destinations_free(struct destinations *d)
{
	if (!d)
		return;
	vault_key_wipe(&d->kek);
	free(d->forms);
	free(d);
}

void destinations_load_key(struct destinations *d)
{
	const struct config *c = d->config;
	struct vault_key master;
	struct error error;
	if (!c->spool.directory || d->has_kek)
		return;
	if (vault_key_load(c->spool.master_key, &master, &error) != 0) {
		fault_begin(d->faults, FAULT_SPOOL_KEY, NULL,
			"%s; nothing is spooled, PDUs wait in memory alone. Restart x2tap when it is there, or reload if its user may read it",
			error.text);
		return;
	}
	d->has_kek = vault_key_derive(&master, "x2tap spool", &d->kek) == 0;
	vault_key_wipe(&master);
	fault_end(d->faults, FAULT_SPOOL_KEY, NULL);
}

const struct config_destination *destinations_settings(
	const struct config *config, const struct uuid *did)
{
	for (size_t i = 0; i < config->destination_count; i++)
		if (uuid_equal(&config->destinations[i].did, did))
			return &config->destinations[i];
	return NULL;
}

// --- one destination ---------------------------------------------------------------------------------------------------

static int source_of(const struct config *config, const struct destination *d,
	const struct config_destination *c, struct delivery_socket *out, struct error *error)
{
	const char *source = c->source_address        ? c->source_address
	                     : d->address.family == 6 ? config->li.source_address6
	                                              : config->li.source_address;
	const char *interface = c->interface ? c->interface : config->li.interface;
	*out = (struct delivery_socket){
		.port_first = c->source_port_first,
		.port_last = c->source_port_last,
		.keepalive_s = c->tcp_keepalive_s,
		.user_timeout_ms = c->tcp_user_timeout_ms,
	};
	snprintf(out->interface, sizeof out->interface, "%s", interface ? interface : "");
	if (source && !address_parse(bytes_of_text(source), &out->source))
		return error_set(error, -EINVAL, "source_address: '%s' is no IP address", source);
	if (source && out->source.family != d->address.family)
		return error_set(error, -EINVAL,
			"source_address %s and the MF's address are not of one family: give this destination a source_address of its own",
			source);
	return 0;
}

static int endpoint_of(const struct config *config, const struct destination *d,
	struct delivery_endpoint *out, struct error *error)
{
	const struct config_destination *c = destinations_settings(config, &d->did);
	if (!c)
		return error_set(error, -ENOENT,
			"it has no entry under `destinations` in x2tap.yaml, so the name that its certificate must carry is not known: "
			"IRI for it are lost. Add the entry with tls_name");
	*out = (struct delivery_endpoint){
		.did = d->did,
		.address = d->address,
		.port = d->port,
		.tls_name = c->tls_name,
		.has_pin = c->has_pin,
		.keepalive = c->keepalive,
		.version = c->version,
		.keepalive_interval_ms = c->keepalive_interval_ms,
		.keepalive_timeout_ms = c->keepalive_timeout_ms,
		.max_write = c->max_write,
	};
	memcpy(out->pin, c->pin, sizeof out->pin);
	return source_of(config, d, c, &out->socket, error);
}

// What is asked of a destination, gathered from its endpoints: for a set those of the most preferred member hold.
struct asked {
	struct delivery_endpoint endpoints[MAX_MEMBERS];
	size_t count;
	const struct config_destination *first;
	struct destination_form form;
};

static void take_endpoint(const struct config *config, const struct destination *d, struct asked *a,
	struct error *error)
{
	if (a->count == MAX_MEMBERS || endpoint_of(config, d, &a->endpoints[a->count], error) != 0)
		return;
	const struct config_destination *c = destinations_settings(config, &d->did);
	if (a->count++ == 0) {
		a->first = c;
		a->form = (struct destination_form){true, c->version, c->max_pdu};
	}
	if (c->max_pdu < a->form.max_pdu)
		a->form.max_pdu = c->max_pdu; // whoever gets it must be able to take it
}

static void ask(const struct config *config, const struct target_set *set,
	const struct destination *d, struct asked *a, struct error *error)
{
	*a = (struct asked){.count = 0};
	if (d->member_count == 0)
		take_endpoint(config, d, a, error);
	for (uint32_t i = 0; i < d->member_count; i++)
		take_endpoint(config, &set->destinations[d->members[i]], a, error);
}

static int apply(struct destinations *d, struct delivery *delivery, const struct uuid *did,
	const struct asked *a, struct error *error)
{
	const struct config *c = d->config;
	struct spool_settings spool = {
		.directory = c->spool.directory,
		.did = *did,
		.kek = &d->kek,
		.max_octets = (uint64_t)c->spool.max_mib << 20,
		.segment_octets = (uint64_t)c->spool.segment_kib << 10,
		.max_age_ms = c->spool.max_age_ms,
	};
	struct delivery_destination wanted = {
		.did = *did,
		.endpoints = a->endpoints,
		.endpoint_count = a->count,
		.redeliver = a->first->redeliver,
		.on_demand = a->first->on_demand,
		.idle_ms = a->first->idle_timeout_ms,
		.failover_ms = c->sets.failover_after_ms,
		.return_ms = c->sets.return_after_ms,
		.queue_octets = (size_t)a->first->queue_mib << 20,
		.spool = d->has_kek && c->spool.directory ? &spool : NULL,
		.deliver_ended = c->spool.deliver_ended,
	};
	return delivery_set(delivery, &wanted, error);
}

static struct destination_form set_one(struct destinations *d, struct delivery *delivery,
	const struct target_set *set, const struct destination *which)
{
	struct asked asked;
	struct error error = {0};
	char did[UUID_TEXT];
	uuid_format(&which->did, did);
	ask(d->config, set, which, &asked, &error);
	if (asked.count > 0 && apply(d, delivery, &which->did, &asked, &error) == 0) {
		fault_end(d->faults, FAULT_DESTINATION_SETTINGS, did);
		fault_end(
			d->faults, FAULT_SPOOL_MISSING, did); // a reload is where it has been read
		return asked.form;
	}
	fault_begin(d->faults, FAULT_DESTINATION_SETTINGS, did, "%s", error.text);
	return (struct destination_form){.is_set = false};
}

static void remove_one(struct destinations *d, struct delivery *delivery, const struct uuid *which)
{
	static const enum fault_kind kinds[] = {FAULT_DESTINATION_SETTINGS, FAULT_MF_UNREACHABLE,
		FAULT_MF_CERTIFICATE, FAULT_MF_EXPIRY, FAULT_QUEUE, FAULT_LOSS, FAULT_SPOOL,
		FAULT_SPOOL_MISSING};
	char did[UUID_TEXT];
	uuid_format(which, did);
	delivery_remove(delivery, which);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		fault_end(d->faults, kinds[i], did);
}

// A key that opens no spool may be the wrong one: at a reload the file is read again.
static void renew_key(struct destinations *d, const struct delivery *delivery)
{
	bool any = false;
	for (size_t i = 0; i < delivery_count(delivery); i++) {
		struct delivery_status status;
		delivery_status(delivery, i, &status);
		if (status.spool_is_open)
			return;
		any |= status.has_spool;
	}
	if (!any || !d->has_kek)
		return;
	d->has_kek = false;
	destinations_load_key(d);
}

static bool has_destination(const struct target_set *set, const struct uuid *did)
{
	for (size_t i = 0; i < set->destination_count; i++)
		if (uuid_equal(&set->destinations[i].did, did))
			return true;
	return false;
}

int destinations_take_over(struct destinations *d, struct delivery *delivery,
	const struct target_set *fresh, const struct target_set *current)
{
	struct destination_form *forms = calloc(fresh->destination_count + 1, sizeof *forms);
	if (!forms)
		return -ENOMEM;
	renew_key(d, delivery);
	for (size_t i = 0; i < fresh->destination_count; i++)
		forms[i] = set_one(d, delivery, fresh, &fresh->destinations[i]);
	for (size_t i = 0; i < current->destination_count; i++)
		if (!has_destination(fresh, &current->destinations[i].did))
			remove_one(d, delivery, &current->destinations[i].did);
	free(d->forms);
	d->forms = forms;
	return 0;
}

const struct destination_form *destinations_form(const struct destinations *d, size_t index)
{
	return &d->forms[index];
}
