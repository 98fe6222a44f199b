// Lasting conditions that an operator must know: raised once, cleared once, each time one line in the general log.
//
// A text names neither tasks nor how many there are. The control core alone.
#ifndef X2TAP_FAULTS_H
#define X2TAP_FAULTS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { FAULTS_MAX = 528, FAULT_NAME = 80, FAULT_TEXT = 512 };

struct fault {
	char name[FAULT_NAME]; // "targets", "tls", "destination 19867c20-..."
	char text[FAULT_TEXT];
	time_t since;
};

struct faults {
	struct fault list[FAULTS_MAX];
	size_t count;
};

// The same name again with the same text does nothing; with another text it is told again.
void fault_raise(struct faults *f, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void fault_clear(struct faults *f, const char *name); // nothing if it was not raised

#endif
