#include "audit_findings.h"

#include <inttypes.h>
#include <stdarg.h>

enum { SHOWN = 100 };

const char *audit_place_text(
	const struct audit_findings *f, struct log_place place, struct audit_place_text *out)
{
	if (place.line == 0)
		snprintf(out->text, sizeof out->text, "the beginning");
	else if (place.file == THE_LOG)
		snprintf(out->text, sizeof out->text, "%s:%" PRIu64, f->file, place.line);
	else
		snprintf(out->text, sizeof out->text, "%s.%012" PRIu64 ":%" PRIu64, f->file,
			place.file, place.line);
	return out->text;
}

__attribute__((format(printf, 4, 0))) static void tell(struct audit_findings *f,
	struct log_place place, const char *kind, const char *format, va_list arguments)
{
	struct audit_place_text at;
	if (f->told == SHOWN)
		fprintf(f->to, "%s: and more, which are counted and not shown\n", f->file);
	if (f->told++ >= SHOWN)
		return;
	if (place.line == 0)
		place.line = 1;
	fprintf(f->to, "%s: %s", audit_place_text(f, place, &at), kind);
	vfprintf(f->to, format, arguments);
	fputc('\n', f->to);
}

void audit_found(struct audit_findings *f, struct log_place place, const char *format, ...)
{
	va_list arguments;
	f->count++;
	va_start(arguments, format);
	tell(f, place, "", format, arguments);
	va_end(arguments);
}

void audit_note(struct audit_findings *f, struct log_place place, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	tell(f, place, "note: ", format, arguments);
	va_end(arguments);
}

void audit_found_head(struct audit_findings *f, const char *what)
{
	f->count++;
	fprintf(f->to, "%s.head:1: %s\n", f->file, what);
}
