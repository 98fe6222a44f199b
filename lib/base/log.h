// The general log: one line a failure, on stderr (the systemd journal takes it from there).
//
// It names neither tasks nor how many there are; target identifiers, subscriber addresses and content never go in.
// Libraries return errors; app and the edges log. Not for workers.
#ifndef X2TAP_LOG_H
#define X2TAP_LOG_H

enum log_level { LOG_ERROR, LOG_WARNING, LOG_NOTICE, LOG_DEBUG };

// Shown up to and including `level`; default LOG_NOTICE. Call before threads start.
void log_init(const char *program, enum log_level level);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
