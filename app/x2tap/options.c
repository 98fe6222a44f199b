#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

static void print_help(FILE *to)
{
	fputs("usage: x2tap [EAL options] -- --config FILE [--until-idle SECONDS]\n"
	      "       x2tap --check --config FILE\n"
	      "\n"
	      "Taps the configured ports, matches signalling against the ordered tasks and delivers IRI as X2 PDUs.\n"
	      "\n"
	      "  --config FILE        x2tap.yaml (see x2tap.yaml(5), x2tap --print-sample)\n"
	      "  --check              check configuration, target file and certificates, then exit: 0 good, 1 bad\n"
	      "                       (needs neither EAL nor root nor hugepages)\n"
	      "  --until-idle SECONDS end when no frame came for so long and all IRI is delivered\n"
	      "  --print-sample       a commented x2tap.yaml\n"
	      "  --print-manual       the OPTIONS part of x2tap.yaml(5)\n"
	      "  --version, --help\n"
	      "\n"
	      "EAL options come before the --, for example on hardware: -l 0-4 -a 0000:03:00.0 -a 0000:03:00.1 --in-memory\n"
	      "and without hugepages or NIC:  -l 0,1 --no-huge --no-shconf --no-pci -m 512 --vdev=net_pcap0,rx_pcap=in.pcap,...\n"
	      "\n"
	      "exit codes: 0 good; 1 bad configuration, or an accounting law is broken; 2 usage; 3 IRI remained undelivered\n",
		to);
}

static enum options_result print_generated(void (*print)(struct writer *))
{
	enum { ROOM = 1 << 20 };
	uint8_t *room = malloc(ROOM);
	if (!room)
		return OPTIONS_WRONG;
	struct writer w = writer_of(room, ROOM);
	print(&w);
	fwrite(w.at, 1, w.len, stdout);
	free(room);
	return OPTIONS_DONE;
}

// Where our part starts: behind "--", or at argv[1] when there is none and the first word is ours (--check and so on).
static int find_ours(int argc, char **argv)
{
	static const char *const ours[] = {"--config", "--check", "--help", "-h", "--version",
		"--print-sample", "--print-manual", "--until-idle"};
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	if (argc < 2)
		return argc;
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strncmp(argv[1], ours[i], strlen(ours[i])) == 0)
			return 0;
	return argc;
}

enum options_result options_parse(int argc, char **argv, struct options *out)
{
	enum { CONFIG = 1, CHECK, UNTIL_IDLE, SAMPLE, MANUAL, VERSION, HELP };
	static const struct option known[] = {
		{"config", required_argument, NULL, CONFIG},
		{"check", no_argument, NULL, CHECK},
		{"until-idle", required_argument, NULL, UNTIL_IDLE},
		{"print-sample", no_argument, NULL, SAMPLE},
		{"print-manual", no_argument, NULL, MANUAL},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	*out = (struct options){0};
	int start = find_ours(argc, argv);
	if (start == argc) {
		fprintf(stderr,
			argc < 2
				? "x2tap: --config is missing (x2tap --help)\n"
				: "x2tap: no \"--\": EAL options come before it, x2tap's behind it (x2tap --help)\n");
		return OPTIONS_WRONG;
	}
	out->eal_argc = start ? start : 1;
	char **ours = argv + start;
	ours[0] = argv[0]; // in the place of "--": getopt's messages begin with it
	int count = argc - start;
	optind = 1;
	for (int option; (option = getopt_long(count, ours, "h", known, NULL)) != -1;) {
		char *end;
		switch (option) {
		case CONFIG:
			out->config = optarg;
			break;
		case CHECK:
			out->check = true;
			break;
		case UNTIL_IDLE:
			out->until_idle_s = strtod(optarg, &end);
			if (*end || end == optarg ||
				!(out->until_idle_s >= 0.001 && out->until_idle_s < 1e6)) {
				fprintf(stderr,
					"x2tap: --until-idle: '%s' is no number of seconds from 0.001 to 1000000\n",
					optarg);
				return OPTIONS_WRONG;
			}
			break;
		case SAMPLE:
			return print_generated(config_print_sample);
		case MANUAL:
			return print_generated(config_print_manual);
		case VERSION:
			puts("x2tap " X2TAP_VERSION);
			return OPTIONS_DONE;
		case HELP:
		case 'h':
			print_help(stdout);
			return OPTIONS_DONE;
		default:
			fputs("x2tap: see x2tap --help\n", stderr);
			return OPTIONS_WRONG;
		}
	}
	if (optind < count) {
		fprintf(stderr, "x2tap: '%s' is not an option (x2tap --help)\n", ours[optind]);
		return OPTIONS_WRONG;
	}
	if (!out->config) {
		fputs("x2tap: --config is missing (x2tap --help)\n", stderr);
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}
