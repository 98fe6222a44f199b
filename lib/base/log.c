#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

// The one variable of this library: what main() chose before any thread started.
static struct {
	const char *program;
	enum log_level level;
} chosen = {"x2tap", LOG_NOTICE};

void log_init(const char *program, enum log_level level)
{
	chosen.program = program;
	chosen.level = level;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "notice", "debug"};
	if (level > chosen.level)
		return;
	struct timespec now;
	struct tm utc;
	char when[32], text[1024];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	// One call, so that lines of several threads do not mix.
	fprintf(stderr, "%s.%03ldZ %s: %s: %s\n", when, now.tv_nsec / 1000000, chosen.program,
		names[level], text);
}
