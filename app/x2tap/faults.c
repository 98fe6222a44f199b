#include "faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static struct fault *find(struct faults *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->list[i].name, name) == 0)
			return &f->list[i];
	return NULL;
}

void fault_raise(struct faults *f, const char *name, const char *format, ...)
{
	char text[FAULT_TEXT];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	struct fault *fault = find(f, name);
	if (fault && strcmp(fault->text, text) == 0)
		return;
	log_line(LOG_ERROR, "fault: %s: %s", name, text);
	if (!fault && f->count == FAULTS_MAX)
		return; // told in the log at least
	if (!fault) {
		fault = &f->list[f->count++];
		snprintf(fault->name, sizeof fault->name, "%s", name);
		fault->since = time(NULL);
	}
	memcpy(fault->text, text, sizeof text);
}

void fault_clear(struct faults *f, const char *name)
{
	struct fault *fault = find(f, name);
	if (!fault)
		return;
	log_line(LOG_NOTICE, "fault cleared: %s", name);
	*fault = f->list[--f->count];
}
