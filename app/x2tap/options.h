// The command line of x2tap: EAL's options, then "--", then ours.
#ifndef X2TAP_OPTIONS_H
#define X2TAP_OPTIONS_H

#include <stdbool.h>

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  // --help and the like: printed, exit 0
	OPTIONS_WRONG, // told on stderr, exit 2
};

struct options {
	const char *config;
	bool check;
	double until_idle_s; // 0: run until told to stop
	int eal_argc;        // with argv[0] and what x2tap adds of its own accord
	char **eal_argv; // NULL with --check; the array is for the caller to free, the words are argv's
};

// x2tap leaves no file behind and lets no other process attach, so some EAL options are added unless given, and what would
// break that is refused: --in-memory, or --no-shconf where memory is had otherwise, and --no-telemetry unless --telemetry is
// given.

enum options_result options_parse(int argc, char **argv, struct options *out);

#endif
