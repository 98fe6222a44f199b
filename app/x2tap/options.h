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
	int eal_argc;        // of argv, argv[0] included; what follows belongs to x2tap
};

enum options_result options_parse(int argc, char **argv, struct options *out);

#endif
