#include "audit_files.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

// --- one line -------------------------------------------------------------------------------------------------

static bool integer_of(const json_t *value, uint64_t *out)
{
	if (json_is_real(value) && json_real_value(value) >= 0 && json_real_value(value) < 9e15)
		*out = (uint64_t)json_real_value(value);
	else if (json_is_integer(value) && json_integer_value(value) >= 0)
		*out = (uint64_t)json_integer_value(value);
	else
		return false;
	return true;
}

static bool digest_of(const json_t *value, uint8_t out[VAULT_DIGEST_LEN])
{
	return json_is_string(value) &&
	       audit_unhex(bytes_of(json_string_value(value), json_string_length(value)), out);
}

static enum log_event event_of(const char *name)
{
	static const char *const names[] = {
		[EVENT_HEAD] = "head",
		[EVENT_DAMAGED] = "damaged",
		[EVENT_UNCONFIRMED] = "unconfirmed",
		[EVENT_MISSING] = "missing",
		[EVENT_ROTATED] = "rotated",
	};
	for (size_t i = 1; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], name) == 0)
			return (enum log_event)i;
	return EVENT_OTHER;
}

static const char *members_read(struct log_line *line, const json_t *object)
{
	const json_t *hmac = json_object_get(object, "hmac");
	const char *event = json_string_value(json_object_get(object, "event"));
	const char *time = json_string_value(json_object_get(object, "time"));
	if (!integer_of(json_object_get(object, "seq"), &line->seq))
		return "there is no sequence number (\"seq\")";
	if (!digest_of(json_object_get(object, "prev"), line->prev))
		return "there is no hash of the line before (\"prev\")";
	if (!event || !time || !json_is_string(json_object_get(object, "clock")))
		return "\"event\", \"time\" or \"clock\" is missing";
	line->event = event_of(event);
	if (line->event == EVENT_HEAD && hmac) {
		line->has_hmac = true;
		if (!digest_of(hmac, line->hmac))
			return "its \"hmac\" is none";
	}
	for (size_t i = 0; time[i] && i < sizeof line->time - 1; i++)
		line->time[i] = strchr("0123456789-:.TZ", time[i]) ? time[i] : '?';
	return NULL;
}

// Lines that became one when the end of line between them was changed.
static size_t lines_within(const struct log_line *line)
{
	static const char start[] = "{\"seq\":";
	size_t count = 0;
	const char *at = line->text, *end = line->text + line->len;
	while ((at = memmem(at, (size_t)(end - at), start, sizeof start - 1))) {
		count++;
		at++;
	}
	return count ? count : 1;
}

static void line_read(struct log_line *line)
{
	json_error_t error;
	vault_sha256(bytes_of(line->text, line->len), (struct bytes){0}, line->hash);
	json_t *object = json_loadb(line->text, line->len, JSON_REJECT_DUPLICATES, &error);
	if (!object && json_error_code(&error) == json_error_numeric_overflow)
		object = json_loadb(line->text, line->len,
			JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
	if (!json_is_object(object))
		line->malformed = "this is no JSON object";
	else
		line->malformed = members_read(line, object);
	json_decref(object);
	line->merged = line->malformed ? lines_within(line) : 1;
}

// --- files in order -------------------------------------------------------------------------------------------

static void unreadable(struct audit_files *f, uint64_t file, int error)
{
	struct audit_place_text at;
	f->failed = true;
	fprintf(f->findings->to, "%s: cannot be read: %s\n",
		audit_place_text(f->findings, (struct log_place){file, 1}, &at), strerror(-error));
}

// The next file with lines to read. False at the end of all.
static bool next_file(struct audit_files *f)
{
	if (f->fd >= 0 && f->fd != f->log)
		close(f->fd);
	f->fd = -1;
	while (f->next <= f->rotated_count && !f->failed) {
		size_t i = f->next++;
		bool is_log = i == f->rotated_count;
		char name[PATH_MAX];
		struct stat st;
		f->at = (struct log_place){is_log ? THE_LOG : f->rotated[i], 0};
		if (is_log && f->log < 0)
			return false;
		if (!is_log)
			audit_rotated_path(file_name(f->file), f->rotated[i], name);
		f->fd = is_log ? f->log
		               : openat(f->directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (f->fd < 0 || fstat(f->fd, &st)) {
			unreadable(f, f->at.file, -errno);
			return false;
		}
		// Rotated since we opened it: it comes as the log, last.
		if (!is_log && f->log >= 0 && st.st_ino == f->log_stat.st_ino &&
			st.st_dev == f->log_stat.st_dev) {
			close(f->fd);
			continue;
		}
		f->count++;
		audit_lines_begin(&f->lines, f->fd, 0);
		return true;
	}
	return false;
}

// Reads one more line into the window.
static void read_ahead(struct audit_files *f)
{
	struct bytes text;
	enum audit_next next;
	while ((f->fd < 0 || (next = audit_lines_next(&f->lines, &text)) == AUDIT_END)) {
		if (!next_file(f)) {
			f->at_end = true;
			return;
		}
	}
	if (next == AUDIT_PARTIAL && f->at.file == THE_LOG) { // it may just be written
		nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
		next = audit_lines_next(&f->lines, &text);
	}
	if (next == AUDIT_FAILED) {
		unreadable(f, f->at.file, -errno);
		f->at_end = true;
		return;
	}
	struct log_line *line = &f->ahead[(f->ahead_from + f->ahead_count++) % AUDIT_AHEAD];
	memset(line, 0, offsetof(struct log_line, text));
	line->place = (struct log_place){f->at.file, ++f->at.line};
	line->len = text.len;
	memcpy(line->text, text.at, text.len);
	line_read(line);
	if (next == AUDIT_OVERLONG)
		line->malformed = "this is longer than any line x2tap writes";
	if (next == AUDIT_PARTIAL) {
		line->ends_file = true;
		f->lines.from = f->lines.to; // it has been taken
	}
}

void audit_files_fill(struct audit_files *f)
{
	while (!f->at_end && f->ahead_count < AUDIT_AHEAD)
		read_ahead(f);
}

struct log_line *audit_files_ahead(struct audit_files *f, size_t i)
{
	return i < f->ahead_count ? &f->ahead[(f->ahead_from + i) % AUDIT_AHEAD] : NULL;
}

void audit_files_consume(struct audit_files *f, size_t count)
{
	f->ahead_from = (f->ahead_from + count) % AUDIT_AHEAD;
	f->ahead_count -= count;
}

// --- which files -----------------------------------------------------------------------------------------------

// The number in the name of a rotated file that is verified alone.
static void look_at_name(struct audit_files *f)
{
	char base[PATH_MAX];
	const char *name = file_name(f->file), *dot = strrchr(name, '.');
	snprintf(base, sizeof base, "%.*s", dot ? (int)(dot - name) : 0, name);
	f->is_rotated = f->single && dot && audit_rotated_name(name, base, &f->name_first);
}

int audit_files_open(struct audit_files *f)
{
	char path[PATH_MAX];
	if (strlen(f->file) >= sizeof path)
		return -ENAMETOOLONG;
	file_directory(f->file, path);
	f->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->directory < 0)
		return -errno;
	f->log = open(f->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->log < 0 && errno != ENOENT)
		return -errno;
	if (f->log >= 0 && fstat(f->log, &f->log_stat))
		return -errno;
	if (f->log >= 0 && !S_ISREG(f->log_stat.st_mode))
		return -EISDIR;
	int r = f->single ? 0
	                  : audit_rotated_list(f->directory, file_name(f->file), &f->rotated,
				    &f->rotated_count);
	return r ? r : f->log < 0 && f->rotated_count == 0 ? -ENOENT : 0;
}

void audit_files_init(
	struct audit_files *f, const char *file, bool single, struct audit_findings *findings)
{
	f->findings = findings;
	f->file = file;
	f->single = single;
	f->directory = f->log = f->fd = -1;
	look_at_name(f);
}

void audit_files_fini(struct audit_files *f)
{
	if (f->fd >= 0 && f->fd != f->log)
		close(f->fd);
	if (f->log >= 0)
		close(f->log);
	if (f->directory >= 0)
		close(f->directory);
	free(f->rotated);
}
