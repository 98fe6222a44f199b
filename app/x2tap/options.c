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
	      "EAL options come before the --, for example on hardware: -l 0-4 -a 0000:03:00.0 -a 0000:03:00.1\n"
	      "and without hugepages or NIC:  -l 0,1 --no-huge --no-pci -m 512 --vdev=net_pcap0,rx_pcap=in.pcap,...\n"
	      "x2tap adds --in-memory (or --no-shconf) and --no-telemetry: no files, no second process, no socket of DPDK's\n"
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

// --- what x2tap wants of EAL ------------------------------------------------------------------------------------------------

// Whether the word is the EAL option `name`, which getopt_long() also takes cut short, with its value behind '=' or in the
// next word. EAL refuses what is ambiguous.
static bool is_eal_option(const char *word, const char *name)
{
	size_t len = strcspn(word, "=");
	return len > 2 && strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len - 2) == 0;
}

// The place of an option among EAL's words; 0: not given.
static int eal_option_at(const struct options *o, const char *name)
{
	for (int i = o->eal_argc - 1; i > 0; i--)
		if (is_eal_option(o->eal_argv[i], name))
			return i;
	return 0;
}

static void add_eal_option(struct options *o, const char *option)
{
	static char words[][16] = {"--in-memory", "--huge-unlink", "--no-shconf", "--no-telemetry"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(words[i], option) == 0 && !eal_option_at(o, option + 2))
			o->eal_argv[o->eal_argc++] = words[i];
}

static bool refuse_eal_option(const struct options *o)
{
	int at = eal_option_at(o, "proc-type");
	const char *value = at ? strchr(o->eal_argv[at], '=') : NULL;
	if (at && !value && at + 1 < o->eal_argc)
		value = o->eal_argv[at + 1];
	else if (value)
		value++;
	if (value && strcmp(value, "primary") != 0) {
		fprintf(stderr,
			"x2tap: --proc-type=%s: x2tap runs by itself and shares its memory with no other process: remove the option\n",
			value);
		return true;
	}
	at = eal_option_at(o, "huge-unlink");
	value = at ? strchr(o->eal_argv[at], '=') : NULL;
	if (value && strcmp(value + 1, "always") != 0) {
		fprintf(stderr,
			"x2tap: --huge-unlink%s would leave files in which traffic can be read: remove the option (x2tap adds "
			"--in-memory then), or give --huge-unlink=always\n",
			value);
		return true;
	}
	return false;
}

static enum options_result complete_eal(struct options *o, int argc, char **argv)
{
	enum { ADDED = 4 };
	o->eal_argv = calloc((size_t)argc + ADDED + 1, sizeof *o->eal_argv);
	if (!o->eal_argv) {
		fputs("x2tap: no memory\n", stderr);
		return OPTIONS_WRONG;
	}
	for (int i = 0; i < argc; i++)
		o->eal_argv[i] = argv[i];
	o->eal_argc = argc;
	if (refuse_eal_option(o)) {
		free(o->eal_argv);
		return OPTIONS_WRONG;
	}
	// EAL takes --in-memory with neither of the first two, and has no files to unlink without hugepages.
	if (eal_option_at(o, "no-huge")) {
		add_eal_option(o, "--no-shconf");
	} else if (eal_option_at(o, "legacy-mem") || eal_option_at(o, "huge-unlink")) {
		add_eal_option(o, "--huge-unlink");
		add_eal_option(o, "--no-shconf");
	} else {
		add_eal_option(o, "--in-memory");
	}
	if (!eal_option_at(o, "telemetry"))
		add_eal_option(o, "--no-telemetry");
	return OPTIONS_RUN;
}

// --- ours -------------------------------------------------------------------------------------------------------------------

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
	return out->check ? OPTIONS_RUN : complete_eal(out, start ? start : 1, argv);
}
