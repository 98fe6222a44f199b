#include "faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static const struct fault_info infos[FAULT_KINDS] = {
	[FAULT_TARGETS] = {.name = "targets", .scope = FAULT_OF_NE, .tells_changes = true},
	[FAULT_TLS] = {.name = "tls", .scope = FAULT_OF_NE, .tells_changes = true},
	[FAULT_TLS_EXPIRY] = {.name = "tls expiry",
		.scope = FAULT_OF_NE,
		.is_warning = true,
		.tells_changes = true},
	[FAULT_DESTINATION_SETTINGS] = {.name = "destination settings",
		.scope = FAULT_OF_DESTINATION},
	[FAULT_MF_UNREACHABLE] = {.name = "mf unreachable", .scope = FAULT_OF_DESTINATION},
	[FAULT_MF_CERTIFICATE] = {.name = "mf certificate", .scope = FAULT_OF_DESTINATION},
	[FAULT_MF_EXPIRY] = {.name = "mf certificate expiry",
		.scope = FAULT_OF_DESTINATION,
		.is_warning = true,
		.tells_changes = true},
	[FAULT_QUEUE] = {.name = "queue",
		.scope = FAULT_OF_DESTINATION,
		.is_warning = true,
		.for_li = true},
	[FAULT_LOSS] = {.name = "loss", .scope = FAULT_OF_DESTINATION, .for_li = true},
	[FAULT_SPOOL] = {.name = "spool", .scope = FAULT_OF_DESTINATION, .for_li = true},
	[FAULT_SPOOL_MISSING] = {.name = "spool missing",
		.scope = FAULT_OF_DESTINATION,
		.for_li = true},
	[FAULT_SPOOL_KEY] = {.name = "spool key", .scope = FAULT_OF_NE},
	[FAULT_JOURNAL] = {.name = "journal",
		.scope = FAULT_OF_NE,
		.for_li = true}, // written when IRI flow
	[FAULT_AUDIT] = {.name = "audit", .scope = FAULT_OF_NE},
	[FAULT_CLOCK] = {.name = "clock", .scope = FAULT_OF_NE, .is_warning = true},
	[FAULT_PORT_DOWN] = {.name = "port down", .scope = FAULT_OF_NE},
	[FAULT_WORKER_STALLED] = {.name = "worker stalled", .scope = FAULT_OF_NE},
	[FAULT_CONTROL] = {.name = "control", .scope = FAULT_OF_NE, .is_warning = true},
};

const struct fault_info *fault_info(enum fault_kind kind)
{
	return &infos[kind];
}

static struct fault *find(const struct faults *f, enum fault_kind kind, const char *about)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].kind == kind && strcmp(f->list[i].about, about) == 0)
			return (struct fault *)(uintptr_t)&f->list[i];
	return NULL;
}

static void tell(struct faults *f, const struct fault *fault, bool begins)
{
	const char *name = infos[fault->kind].name;
	const char *gap = fault->about[0] ? " " : "";
	if (!fault->for_li && begins)
		log_line(infos[fault->kind].is_warning ? LOG_WARNING : LOG_ERROR,
			"fault: %s%s%s: %s", name, gap, fault->about, fault->text);
	else if (!fault->for_li)
		log_line(LOG_NOTICE, "fault cleared: %s%s%s", name, gap, fault->about);
	if (f->tell)
		f->tell(f->context, fault, begins);
}

static void begin(struct faults *f, enum fault_kind kind, const char *about, bool for_li,
	const char *format, va_list arguments)
{
	struct fault fresh = {.kind = kind, .for_li = for_li, .since = time(NULL)};
	snprintf(fresh.about, sizeof fresh.about, "%s", about ? about : "");
	vsnprintf(fresh.text, sizeof fresh.text, format, arguments);
	struct fault *known = find(f, kind, fresh.about);
	if (known) {
		bool changed = strcmp(known->text, fresh.text) != 0;
		memcpy(known->text, fresh.text, sizeof known->text);
		if (changed && infos[kind].tells_changes)
			tell(f, known, true);
		return;
	}
	if (f->count < FAULTS_MAX)
		f->list[f->count++] = fresh;
	tell(f, &fresh, true); // in the log at least
}

void fault_begin(struct faults *f, enum fault_kind kind, const char *about, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	begin(f, kind, about, infos[kind].for_li, format, arguments);
	va_end(arguments);
}

void fault_begin_li(
	struct faults *f, enum fault_kind kind, const char *about, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	begin(f, kind, about, true, format, arguments);
	va_end(arguments);
}

void fault_end(struct faults *f, enum fault_kind kind, const char *about)
{
	struct fault *known = find(f, kind, about ? about : "");
	if (!known)
		return;
	struct fault ended = *known;
	*known = f->list[--f->count];
	tell(f, &ended, false);
}

bool fault_is_on(const struct faults *f, enum fault_kind kind, const char *about)
{
	return find(f, kind, about ? about : "") != NULL;
}
