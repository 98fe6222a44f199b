// x2tap --check: is all that x2tap would read at a start as it should be? Without EAL, root or hugepages.
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "iri_pdu.h"
#include "orders.h"
#include "vault.h"

static void warn_of_long_headers(const struct config *config, const struct target_set *set)
{
	const struct iri_constants constants = {
		.nfid = bytes_of_text(config->nfid),
		.did = bytes_of_text(config->did ? config->did : ""),
	};
	for (size_t i = 0; i < set->task_count; i++) {
		for (size_t p = 0; p < config->port_count; p++) {
			size_t len = iri_header_len(
				&constants, bytes_of_text(config->ports[p].ipid), &set->tasks[i]);
			if (len <= IRI_HEADER_AIM)
				continue;
			char xid[UUID_TEXT];
			uuid_format(&set->tasks[i].xid, xid);
			fprintf(stderr,
				"warning: task %s: its PDU headers have up to %zu octets; some MFs take no more than %d: shorten nfid or "
				"ipid\n",
				xid, len, IRI_HEADER_AIM);
			break;
		}
	}
}

// Whether the tasks fit the tables that are taken for the configured capacity.
static bool fits_table(
	const struct config *config, struct target_set *set, const struct numbering *numbering)
{
	static const struct hash_key any_key;
	struct target_changes changes;
	struct error error;
	struct target_table *table = NULL;
	if (target_set_adopt(set, NULL, config->targets.capacity, &changes, &error) == 0)
		table = target_table_new(set, config->targets.capacity, &any_key, numbering,
			config->targets.match_outer, &error);
	if (!table)
		fprintf(stderr, "%s: %s\n", config->targets.file, error.text);
	target_table_free(table);
	return table != NULL;
}

// Those of the file: Redundant sets stand behind them.
static size_t count_destinations(const struct target_set *set)
{
	size_t count = 0;
	while (count < set->destination_count && set->destinations[count].member_count == 0)
		count++;
	return count;
}

static bool check_targets(const struct config *config)
{
	struct numbering numbering = numbering_of(config);
	struct target_rules rules = target_rules_of(config, &numbering);
	rules.check_owner = false; // a draft may belong to whoever writes it
	struct error error;
	struct bytes text;
	if (target_file_read(config->targets.file, &rules, &text, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		return false;
	}
	struct problems problems;
	problems_init(&problems, config->targets.file);
	struct target_set *set = target_file_parse(text, &rules, &problems);
	target_text_free(text);
	if (problems.text)
		fputs(problems.text, stderr);
	if (!set)
		fprintf(stderr, "%u error%s, the file would not be loaded\n", problems.count,
			problems.count == 1 ? "" : "s");
	problems_fini(&problems);
	bool good = set && fits_table(config, set, &numbering);
	if (good) {
		warn_of_long_headers(config, set);
		printf("%s: good, %zu tasks, %zu destinations\n", config->targets.file,
			set->task_count, count_destinations(set));
	}
	target_set_free(set);
	return good;
}

static bool check_tls(const struct config *config)
{
	if (!config->tls.cert)
		return true;
	struct error error;
	struct tls_expiry expiry;
	struct tls_files files = tls_files_of(config);
	struct tls_context *context = tls_client_context_new(&files, &error);
	if (!context) {
		fprintf(stderr, "tls: %s\n", error.text);
		return false;
	}
	tls_context_expiry(context, &expiry);
	printf("%s: good, %.0f days left\n", config->tls.cert,
		difftime(expiry.own, time(NULL)) / 86400);
	tls_context_free(context);
	return true;
}

static bool check_key(const char *path)
{
	struct vault_key key;
	struct error error;
	if (!path)
		return true;
	if (vault_key_load(path, &key, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		return false;
	}
	vault_key_wipe(&key);
	printf("%s: good\n", path);
	return true;
}

// --- where state is kept ---------------------------------------------------------------------------------------------------

// What x2tap will find there as the user it becomes. Only he and root may be able to write to it.
static bool check_owner(const char *option, const char *path, const struct stat *s, uid_t user)
{
	if (s->st_uid != 0 && s->st_uid != user)
		fprintf(stderr, "%s: %s belongs to user %u, and x2tap runs as user %u: chown it\n",
			option, path, (unsigned)s->st_uid, (unsigned)user);
	else if (s->st_mode & (S_IWGRP | S_IWOTH))
		fprintf(stderr, "%s: %s: others can write to it (mode %04o): chmod go-w\n", option,
			path, (unsigned)(s->st_mode & 07777));
	else if (user != 0 && s->st_uid != user)
		fprintf(stderr,
			"%s: %s is root's, and x2tap, which runs as user %u, cannot write there: chown it\n",
			option, path, (unsigned)user);
	else
		return true;
	return false;
}

// 1: there, 0: not there, -1: told why that cannot be known.
static int look(const char *option, const char *path, struct stat *out)
{
	if (lstat(path, out) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	fprintf(stderr, "%s: %s: %s; x2tap --check must run as root or as the user of x2tap\n",
		option, path, strerror(errno));
	return -1;
}

static bool check_directory(const char *option, const char *path, uid_t user)
{
	struct stat s;
	int there = look(option, path, &s);
	if (there == 0)
		fprintf(stderr, "%s: there is no directory %s: make it, with mode 0700\n", option,
			path);
	if (there == 1 && S_ISLNK(s.st_mode) && stat(path, &s) != 0)
		s.st_mode = 0; // it leads nowhere
	if (there == 1 && !S_ISDIR(s.st_mode)) {
		fprintf(stderr, "%s: %s is no directory\n", option, path);
		return false;
	}
	return there == 1 && check_owner(option, path, &s, user);
}

// A file or directory that x2tap makes where it is missing.
static bool check_place(const char *option, const char *path, bool is_directory, uid_t user)
{
	struct stat s;
	char parent[PATH_MAX];
	if (!path)
		return true;
	int there = look(option, path, &s);
	if (there == 1 && (is_directory ? !S_ISDIR(s.st_mode) : !S_ISREG(s.st_mode))) {
		fprintf(stderr, "%s: %s is no %s\n", option, path,
			is_directory ? "directory" : "file");
		return false;
	}
	file_directory(path, parent);
	bool good = there == 1 ? check_owner(option, path, &s, user) : there == 0;
	// What is in a directory can be replaced by whoever can write to that.
	if (good && !(there == 1 && is_directory))
		good = check_directory(option, parent, user);
	if (good)
		printf("%s: good\n", path);
	return good;
}

static bool check_places(const struct config *config)
{
	uid_t user = geteuid();
	const struct passwd *entry = config->user ? getpwnam(config->user) : NULL;
	if (config->user && !entry) {
		fprintf(stderr, "user: there is no user '%s': create it or remove the option\n",
			config->user);
		return false;
	}
	if (entry)
		user = entry->pw_uid;
	bool journal = check_place("journal", config->journal, false, user);
	bool spool = check_place("spool.directory", config->spool.directory, true, user);
	bool audit = check_place("audit.file", config->audit.file, false, user);
	return journal && spool && audit;
}

bool check_all(const struct config *config, const char *path)
{
	printf("%s: good\n", path);
	bool targets = check_targets(config), tls = check_tls(config);
	bool spool = check_key(config->spool.directory ? config->spool.master_key : NULL);
	bool audit = check_key(config->audit.hmac_key);
	bool places = check_places(config);
	return targets && tls && spool && audit && places;
}
