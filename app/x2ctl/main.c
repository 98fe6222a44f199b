// x2ctl: asks a running x2tap. See x2ctl(1).
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "show.h"

enum exit_code { EXIT_GOOD, EXIT_BAD, EXIT_USAGE };
enum { DEFAULT_WIDTH = 160 };

struct command {
	const char *name, *help;
	int timeout_ms;
};

static const struct command commands[] = {
	{"status", "workers, ports, destinations and faults", 10 * 1000},
	{"counters", "what was received, forwarded, matched, reported and lost", 10 * 1000},
	{"check", "the accounting laws: is every frame, message and PDU accounted for?", 10 * 1000},
	{"reload", "read target file and certificates again", 10 * 60 * 1000},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

struct options {
	const char *socket;
	bool json;
	const struct command *command;
};

static void print_help(FILE *to)
{
	fprintf(to, "usage: x2ctl [--socket PATH] [--json] COMMAND\n"
		    "\n"
		    "Asks the x2tap that runs on this host.\n"
		    "\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-13s  %s\n", commands[i].name, commands[i].help);
	fprintf(to,
		"\n"
		"  --socket PATH  control socket, default %s\n"
		"  --json         the answer as x2tap gave it\n"
		"  --version, --help\n"
		"\n"
		"exit codes: 0 good; 1 refused, a law is broken, or x2tap does not answer; 2 usage\n",
		CONFIG_DEFAULT_SOCKET);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

// True when there is something to ask; else *code is the way out.
static bool options_parse(int argc, char **argv, struct options *out, enum exit_code *code)
{
	enum { SOCKET = 1, JSON, VERSION, HELP };
	static const struct option known[] = {
		{"socket", required_argument, NULL, SOCKET},
		{"json", no_argument, NULL, JSON},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	*out = (struct options){.socket = CONFIG_DEFAULT_SOCKET};
	*code = EXIT_GOOD;
	for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
		switch (option) {
		case SOCKET:
			out->socket = optarg;
			break;
		case JSON:
			out->json = true;
			break;
		case VERSION:
			puts("x2ctl " X2TAP_VERSION);
			return false;
		case HELP:
		case 'h':
			print_help(stdout);
			return false;
		default:
			*code = EXIT_USAGE;
			return false;
		}
	}
	*code = EXIT_USAGE;
	if (argc - optind != 1) {
		print_help(stderr);
		return false;
	}
	out->command = command_find(argv[optind]);
	if (!out->command)
		fprintf(stderr, "x2ctl: unknown command '%s' (x2ctl --help)\n", argv[optind]);
	return out->command;
}

// Columns of the terminal; wide where there is none, so that pipes get tables.
static size_t output_width(void)
{
	struct winsize size;
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return DEFAULT_WIDTH;
}

static enum exit_code show_answer(const struct options *options, json_t *answer, const char *raw)
{
	bool is_check = strcmp(options->command->name, "check") == 0;
	bool good = json_is_true(json_object_get(answer, "ok"));
	const char *error = json_string_value(json_object_get(answer, "error"));
	const json_t *laws = json_object_get(answer, "laws");
	if (options->json)
		fputs(raw, stdout);
	else if (!good)
		show_text(stderr, error ? error : "x2ctl: refused, and x2tap does not say why");
	else if (is_check)
		show_laws(stdout, laws);
	else
		show_object(stdout, answer, output_width());
	return good && (!is_check || laws_hold(laws)) ? EXIT_GOOD : EXIT_BAD;
}

int main(int argc, char **argv)
{
	struct options options;
	enum exit_code code;
	struct text raw = {0};
	struct error error;
	if (!options_parse(argc, argv, &options, &code))
		return (int)code;
	if (control_ask(options.socket, options.command->name, options.command->timeout_ms, &raw,
		    &error)) {
		fprintf(stderr, "x2ctl: %s\n", error.text);
		return EXIT_BAD;
	}
	json_error_t where;
	json_t *answer = json_loadb(raw.at, raw.len, JSON_REJECT_DUPLICATES, &where);
	if (json_is_object(answer)) {
		code = show_answer(&options, answer, raw.at);
	} else {
		fprintf(stderr, "x2ctl: what answers on %s is no x2tap: %s\n", options.socket,
			answer ? "no JSON object" : where.text);
		code = EXIT_BAD;
	}
	json_decref(answer);
	text_free(&raw);
	if (fflush(stdout)) {
		perror("x2ctl: standard output");
		code = EXIT_BAD;
	}
	return (int)code;
}
