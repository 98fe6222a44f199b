// Verification: what the chain tells about who has been at it.
#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_judge.h"

struct verify {
	const char *file;
	const struct vault_key *key;
	struct audit_findings findings;
	struct audit_files files;
	struct audit_judge judge;
	bool has_head, head_failed;
	struct audit_head head;
};

// x2tap may be writing what we read.
static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000 * 1000}, NULL);
}

// --- the head --------------------------------------------------------------------------------------------------

// 0, or a negative errno.
static int head_load(struct verify *v, enum audit_head_state *state, struct audit_head *out)
{
	char name[PATH_MAX], record[AUDIT_HEAD_LEN + 1];
	snprintf(name, sizeof name, "%s.head", v->file);
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ssize_t n = 0;
	for (int again = 0; again < 3; again++) { // x2tap may be writing it
		n = pread(fd, record, sizeof record, 0);
		*state = n < 0 ? AUDIT_HEAD_WRONG
		               : audit_head_read(bytes_of(record, (size_t)n), v->key, out);
		if (*state != AUDIT_HEAD_WRONG)
			break;
		wait_ms(5);
	}
	int r = n < 0 ? -errno : 0;
	close(fd);
	return r;
}

static void head_begin(struct verify *v)
{
	enum audit_head_state state;
	if (v->files.is_rotated)
		return;
	int r = head_load(v, &state, &v->head);
	if (r && r != -ENOENT) {
		v->head_failed = true;
		fprintf(v->findings.to, "%s.head:1: cannot be read: %s\n", v->file, strerror(-r));
	} else if (r) {
		audit_found_head(
			&v->findings, "missing: whether the log was cut at its end cannot be told");
	} else if (state == AUDIT_HEAD_WRONG) {
		audit_found_head(&v->findings,
			v->key ? "changed, wrong HMAC: it was changed, or signed with another key; "
				 "whether the log was cut at its end cannot be told"
			       : "changed: it is not what x2tap wrote; whether the log was cut at "
				 "its end cannot be told");
	} else {
		v->has_head = true;
		if (v->key && !v->head.is_signed)
			audit_found_head(&v->findings,
				"not signed: it carries no HMAC, so whoever can write the log could "
				"have written it");
	}
}

// Lines behind the one the head names: x2tap writes the head right after the line.
static void check_unconfirmed(struct verify *v, const struct log_past *last)
{
	struct audit_head now = v->head;
	enum audit_head_state state;
	for (int again = 0; again < 5 && !last->reported && now.lines < last->next_least; again++) {
		if (again)
			wait_ms(100);
		struct audit_head read;
		if (head_load(v, &state, &read) == 0 && state != AUDIT_HEAD_WRONG)
			now = read;
	}
	if (now.lines < last->next_least && !last->reported)
		audit_found(&v->findings, last->place,
			"inserted, or not confirmed: the head names line no. %" PRIu64
			" as the last, and %" PRIu64
			" stand behind it: somebody added them, or x2tap was killed or lost power as it "
			"wrote them (its next start says so in a line \"unconfirmed\")",
			now.lines ? now.lines - 1 : 0, last->next_least - now.lines);
}

static void check_end(struct verify *v)
{
	const struct log_past *last = audit_judge_end(&v->judge);
	if (v->files.is_rotated) {
		if (last->event != EVENT_HEAD && !last->reported)
			audit_found(&v->findings, last->place,
				"cut short: a rotated file ends with a line \"head\", and this one does not");
		return;
	}
	if (!v->has_head)
		return;
	if (v->head.lines <= last->next_most) {
		check_unconfirmed(v, last);
		return;
	}
	struct log_place end = last->place.line ? last->place : (struct log_place){THE_LOG, 1};
	uint64_t missing = v->head.lines - last->next_most;
	audit_found(&v->findings, end,
		"cut short: the log ends here with %" PRIu64 " lines, and its head counts %" PRIu64
		": %" PRIu64 " %s at its end",
		last->next_most, v->head.lines, missing,
		missing == 1 ? "is missing" : "are missing");
}

static enum audit_verdict summarise(const struct verify *v)
{
	const struct audit_judge *j = &v->judge;
	FILE *to = v->findings.to;
	bool none = j->count == 0 && !v->findings.count;
	if (v->head_failed || v->files.failed) {
		fprintf(to, "UNREADABLE: %s: not all could be read\n", v->file);
		return AUDIT_UNREADABLE;
	}
	fprintf(to, "%s: %s: %" PRIu64 " lines in %zu files", v->findings.count ? "BAD" : "GOOD",
		v->file, j->count, v->files.count);
	if (j->seen_first)
		fprintf(to, ", no. %" PRIu64 " of %s to %s", j->first_seq, j->first_time,
			j->last_time);
	if (j->signed_heads)
		fprintf(to, "; %" PRIu64 " heads signed with this key", j->signed_heads);
	if (j->unchecked_heads)
		fprintf(to,
			"; %" PRIu64
			" heads are signed and were not checked, since no key was given",
			j->unchecked_heads);
	if (v->key && !j->signed_heads && !none)
		fputs("; no head is signed with this key", to);
	if (v->files.single)
		fputs("; one file alone: what came before it was not looked at", to);
	if (v->findings.count)
		fprintf(to, "; %" PRIu64 " findings", v->findings.count);
	fputc('\n', to);
	return v->findings.count ? AUDIT_BAD : AUDIT_GOOD;
}

// Head, log and list of rotated files in this order: what x2tap adds meanwhile is more than the head says, never less.
static enum audit_verdict verify_all(struct verify *v)
{
	struct stat st;
	if (stat(v->file, &st) == 0 || !v->files.single)
		head_begin(v);
	int r = audit_files_open(&v->files);
	if (r == -ENOENT && v->has_head) {
		audit_found(&v->findings, (struct log_place){THE_LOG, 1},
			"removed: the log is gone, and its head counts %" PRIu64 " lines",
			v->head.lines);
		return summarise(v);
	}
	if (r) {
		fprintf(v->findings.to, "UNREADABLE: %s: %s\n", v->file, strerror(-r));
		return AUDIT_UNREADABLE;
	}
	if (v->head_failed)
		return summarise(v);
	audit_files_fill(&v->files);
	v->judge = (struct audit_judge){.files = &v->files,
		.findings = &v->findings,
		.key = v->key,
		.head = v->has_head ? &v->head : NULL};
	audit_judge_begin(&v->judge);
	while (audit_files_ahead(&v->files, 0) && !v->files.failed) {
		audit_judge_next(&v->judge);
		audit_files_fill(&v->files);
	}
	if (!v->files.failed)
		check_end(v);
	return summarise(v);
}

enum audit_verdict audit_verify(
	const char *file, const struct vault_key *key, bool single, FILE *to)
{
	struct verify *v = calloc(1, sizeof *v);
	if (!v) {
		fprintf(to, "UNREADABLE: %s: no memory\n", file);
		return AUDIT_UNREADABLE;
	}
	v->file = file;
	v->key = key;
	v->findings = (struct audit_findings){.file = file, .to = to};
	audit_files_init(&v->files, file, single, &v->findings);
	enum audit_verdict verdict = verify_all(v);
	audit_files_fini(&v->files);
	free(v);
	return verdict;
}
