// x2ctl: asks a running x2tap. See x2ctl(1).
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "audit.h"
#include "config.h"
#include "control.h"
#include "show.h"

enum exit_code { EXIT_GOOD, EXIT_BAD, EXIT_USAGE };
enum { DEFAULT_WIDTH = 160 };
static const char AUDIT_DEFAULT_FILE[] = "/var/log/x2tap/audit.jsonl";

struct options;

// What x2ctl does. Where there is no `run`, x2tap is asked: the name is the request. `takes` are the letters of the options
// that mean something to it.
struct command {
	const char *name;    // one word or several
	const char *operand; // NULL: none; else at most one
	bool needs_operand;
	const char *help, *takes;
	int timeout_ms; // of a request
	enum exit_code (*run)(const struct options *options);
};

struct options {
	const char *socket, *key;
	bool json, single;
	const struct command *command;
	const char *operand; // NULL: not given
	char given[8];       // letters of the options that were
};

static enum exit_code run_audit_verify(const struct options *options);

// Letters of options: s(ocket), j(son), k(ey), o(ne file).
static const struct command commands[] = {
	{"status", NULL, false, "workers, ports, destinations and faults", "sj", 10 * 1000, NULL},
	{"faults", NULL, false, "lasting conditions that need somebody", "sj", 10 * 1000, NULL},
	{"counters", NULL, false, "what was received, forwarded, matched, reported and lost", "sj",
		10 * 1000, NULL},
	{"check", NULL, false,
		"the accounting laws: is every frame, message and PDU accounted for?", "sj",
		10 * 1000, NULL},
	{"bindings", "XID", true, "which addresses the subscriber of a task has now", "sj",
		10 * 1000, NULL},
	{"reload", NULL, false, "read target file and certificates again", "sj", 10 * 60 * 1000,
		NULL},
	{"audit verify", "FILE", false, "was the audit log changed, and where? Reads it itself",
		"ko", 0, run_audit_verify},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
	fputs("usage: x2ctl [OPTIONS] COMMAND\n"
	      "\n"
	      "Asks the x2tap that runs on this host.\n"
	      "\n",
		to);
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		char usage[32];
		snprintf(usage, sizeof usage,
			!c->operand        ? "%s"
			: c->needs_operand ? "%s %s"
					   : "%s [%s]",
			c->name, c->operand);
		fprintf(to, "  %-19s  %s\n", usage, c->help);
	}
	fprintf(to,
		"\n"
		"  --socket PATH  control socket, default %s\n"
		"  --json         the answer as x2tap gave it\n"
		"  --key FILE     audit verify: the key of audit.hmac_key, to check signatures too\n"
		"  --single       audit verify: this file alone, as for a rotated one (NAME.<12 digits>)\n"
		"  --version, --help\n"
		"\n"
		"audit verify without FILE: %s\n"
		"\n"
		"exit codes: 0 good; 1 refused, a law is broken, an audit log was changed, or x2tap does\n"
		"not answer; 2 usage\n",
		CONFIG_DEFAULT_SOCKET, AUDIT_DEFAULT_FILE);
}

// How many words at `words` are the command's name; 0: it is another.
static int words_of(const struct command *command, int count, char **words)
{
	int taken = 0;
	for (const char *name = command->name; *name; taken++) {
		size_t len = strcspn(name, " ");
		if (taken == count || strlen(words[taken]) != len ||
			memcmp(words[taken], name, len) != 0)
			return 0;
		name += len + (name[len] == ' ');
	}
	return taken;
}

// Command and operand. False, told: there is no such command, or too much behind it.
static bool command_parse(struct options *out, int count, char **words)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		int taken = words_of(c, count, words);
		if (!taken)
			continue;
		if (count - taken > (c->operand ? 1 : 0)) {
			fprintf(stderr, "x2ctl: '%s' takes no '%s' (x2ctl --help)\n", c->name,
				words[count - 1]);
			return false;
		}
		if (c->needs_operand && count == taken) {
			fprintf(stderr, "x2ctl: '%s' needs %s %s (x2ctl --help)\n", c->name,
				strchr("AEIOUX", c->operand[0]) ? "an" : "a", c->operand);
			return false;
		}
		out->command = c;
		out->operand = count > taken ? words[taken] : NULL;
		return true;
	}
	fputs("x2ctl: unknown command '", stderr);
	for (int i = 0; i < count; i++)
		fprintf(stderr, i ? " %s" : "%s", words[i]);
	fputs("' (x2ctl --help)\n", stderr);
	return false;
}

// False, told: an option was given that the command does not know.
static bool options_fit(const struct options *options)
{
	size_t fit = strspn(options->given, options->command->takes);
	static const struct {
		char letter;
		const char *name;
	} names[] = {{'s', "--socket"}, {'j', "--json"}, {'k', "--key"}, {'o', "--single"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (options->given[fit] == names[i].letter)
			fprintf(stderr, "x2ctl: '%s' takes no %s (x2ctl --help)\n",
				options->command->name, names[i].name);
	return !options->given[fit];
}

static void note_given(struct options *out, char letter)
{
	size_t len = strlen(out->given);
	if (!strchr(out->given, letter) && len + 1 < sizeof out->given)
		out->given[len] = letter;
}

// True when there is something to do; else *code is the way out.
static bool options_parse(int argc, char **argv, struct options *out, enum exit_code *code)
{
	static const struct option known[] = {
		{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"key", required_argument, NULL, 'k'},
		{"single", no_argument, NULL, 'o'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	*out = (struct options){.socket = CONFIG_DEFAULT_SOCKET};
	*code = EXIT_GOOD;
	for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
		note_given(out, (char)option);
		switch (option) {
		case 's':
			out->socket = optarg;
			break;
		case 'j':
			out->json = true;
			break;
		case 'k':
			out->key = optarg;
			break;
		case 'o':
			out->single = true;
			break;
		case 'v':
			puts("x2ctl " X2TAP_VERSION);
			return false;
		case 'h':
			print_help(stdout);
			return false;
		default:
			*code = EXIT_USAGE;
			return false;
		}
	}
	*code = EXIT_USAGE;
	if (argc == optind) {
		print_help(stderr);
		return false;
	}
	return command_parse(out, argc - optind, argv + optind) && options_fit(out);
}

// --- commands -------------------------------------------------------------------------------------------------

// Whether the name ends like that of a rotated file: it is part of a log and no log.
static bool is_rotated_name(const char *file)
{
	const char *dot = strrchr(file, '.');
	return dot && strlen(dot + 1) >= 12 && strspn(dot + 1, "0123456789") == strlen(dot + 1);
}

static enum exit_code run_audit_verify(const struct options *options)
{
	const char *file = options->operand ? options->operand : AUDIT_DEFAULT_FILE;
	struct vault_key key;
	struct error error;
	if (options->key && vault_key_load(options->key, &key, &error)) {
		fprintf(stderr, "x2ctl: %s\n", error.text);
		return EXIT_BAD;
	}
	enum audit_verdict verdict = audit_verify(
		file, options->key ? &key : NULL, options->single || is_rotated_name(file), stdout);
	if (options->key)
		vault_key_wipe(&key);
	return verdict == AUDIT_GOOD ? EXIT_GOOD : EXIT_BAD;
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

static enum exit_code run_request(const struct options *options)
{
	enum exit_code code = EXIT_BAD;
	struct text raw = {0};
	struct error error;
	char request[CONTROL_MAX_REQUEST];
	int len = snprintf(request, sizeof request, "%s%s%s", options->command->name,
		options->operand ? " " : "", options->operand ? options->operand : "");
	if (len < 0 || (size_t)len >= sizeof request) {
		fprintf(stderr, "x2ctl: '%s' is no %s\n", options->operand,
			options->command->operand);
		return EXIT_BAD;
	}
	if (control_ask(options->socket, request, options->command->timeout_ms, &raw, &error)) {
		fprintf(stderr, "x2ctl: %s\n", error.text);
		return EXIT_BAD;
	}
	json_error_t where;
	json_t *answer = json_loadb(raw.at, raw.len, JSON_REJECT_DUPLICATES, &where);
	if (json_is_object(answer))
		code = show_answer(options, answer, raw.at);
	else
		fprintf(stderr, "x2ctl: what answers on %s is no x2tap: %s\n", options->socket,
			answer ? "no JSON object" : where.text);
	json_decref(answer);
	text_free(&raw);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	enum exit_code code;
	if (!options_parse(argc, argv, &options, &code))
		return (int)code;
	code = options.command->run ? options.command->run(&options) : run_request(&options);
	if (fflush(stdout)) {
		perror("x2ctl: standard output");
		code = EXIT_BAD;
	}
	return (int)code;
}
