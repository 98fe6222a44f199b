#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_format.h"
#include "audit_tail.h"
#include "file.h"
#include "host_clock.h"

enum {
	PENDING = 256,
	NAME = NAME_MAX + 1 - 64
}; // the log's name leaves room for what is put behind it
#define SECOND_NS UINT64_C(1000000000)
#define HEAD_EVERY_NS (3600 * SECOND_NS)
#define ROTATE_AGAIN_NS (60 * SECOND_NS) // after a rotation failed

// An event with the time it was told at.
struct told {
	uint64_t now_ns;
	bool synchronised;
	size_t len;
	char members[AUDIT_MEMBERS];
};

struct audit {
	char base[NAME]; // the log's name in `directory`
	int directory;
	int fd;   // the log; -1 while the file of a rotation could not be made yet
	int head; // <file>.head, which holds the lock
	struct vault_key key;
	bool has_key;
	uint64_t max_octets;

	uint64_t seq; // of the next line
	uint8_t last[VAULT_DIGEST_LEN];
	uint64_t size, first; // of the log; `first` means something when there is a line
	uint64_t before;      // number of the first line of the file before this one
	bool has_before;
	bool head_behind; // the head does not name the last line yet
	bool torn;        // a short write left part of a line behind `torn_at`
	off_t torn_at;
	bool unsynced;
	uint64_t head_told_ns, rotate_after_ns;
	int rotation; // why it failed, 0

	uint64_t missing; // told while `pending` was full
	size_t pending_from, pending_count;
	struct told pending[PENDING];
};

static void told_make(struct told *told, struct audit_line *line, uint64_t now_ns)
{
	static const char cut[] = ",\"cut\":true"; // audit_line.c keeps room for it
	told->now_ns = now_ns;
	told->synchronised = host_clock_state() == HOST_CLOCK_SYNCHRONISED;
	if (line->failed) {
		memcpy(line->text + line->len, cut, sizeof cut);
		line->len += sizeof cut - 1;
	}
	told->len = line->len;
	memcpy(told->members, line->text, line->len);
	explicit_bzero(line, sizeof *line);
}

// --- one line -------------------------------------------------------------------------------------------------

static int head_store(struct audit *a)
{
	char record[AUDIT_HEAD_LEN];
	struct audit_head head = {.lines = a->seq};
	memcpy(head.last, a->last, sizeof head.last);
	audit_head_write(&head, a->has_key ? &a->key : NULL, record);
	a->head_behind = true;
	ssize_t n = pwrite(a->head, record, sizeof record, 0);
	if (n != sizeof record)
		return n < 0 ? -errno : -ENOSPC;
	a->head_behind = false;
	return 0;
}

static int log_make(struct audit *a)
{
	int fd = openat(a->directory, a->base,
		O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	a->fd = fd;
	a->size = 0;
	return 0;
}

// Part of a line that a short write left is taken back before anything else is written.
static int take_back(struct audit *a)
{
	if (a->torn && ftruncate(a->fd, a->torn_at))
		return -errno;
	a->torn = false;
	return 0;
}

// The log is open, ends with a line, and its head names that: so a crash leaves at most one line the head does not name.
static int make_ready(struct audit *a)
{
	int r = a->fd < 0 ? log_make(a) : 0;
	if (!r)
		r = take_back(a);
	if (!r && a->head_behind)
		r = head_store(a);
	return r;
}

// 0 as soon as the line is in the log, also when the head could not be written: make_ready() comes back to that.
static int line_write(struct audit *a, const struct told *told)
{
	char text[AUDIT_LINE_MAX];
	struct bytes line = audit_compose(text, a->seq, told->now_ns, told->synchronised,
		bytes_of(told->members, told->len), a->last);
	ssize_t n = write(a->fd, line.at, line.len);
	int r = n < 0 ? -errno : (size_t)n == line.len ? 0 : -ENOSPC;
	if (n > 0 && r) {
		a->torn_at = lseek(a->fd, 0, SEEK_CUR) -
		             n; // O_APPEND has set it behind what was written
		a->torn = true;
		take_back(a);
	}
	if (!r) {
		if (a->size == 0)
			a->first = a->seq;
		vault_sha256(bytes_slice(line, 0, line.len - 1), (struct bytes){0}, a->last);
		a->seq++;
		a->size += line.len;
		a->unsynced = true;
		head_store(a);
	}
	explicit_bzero(text, sizeof text);
	return r;
}

static int event_write(struct audit *a, struct audit_line *line, uint64_t now_ns)
{
	struct told told;
	told_make(&told, line, now_ns);
	return line_write(a, &told);
}

static int head_tell(struct audit *a, uint64_t now_ns)
{
	struct audit_line line;
	audit_begin(&line, "head");
	if (a->has_key) {
		uint8_t hmac[VAULT_DIGEST_LEN];
		char hex[VAULT_HEX_LEN + 1];
		audit_head_hmac(&a->key, a->last, a->seq, hmac);
		vault_hex(hmac, hex);
		audit_text(&line, "hmac", hex);
	}
	int r = event_write(a, &line, now_ns);
	if (r)
		return r;
	a->head_told_ns = now_ns;
	return fdatasync(a->fd) ? -errno : 0;
}

// --- rotation -------------------------------------------------------------------------------------------------

static bool is_our_file(const struct audit *a)
{
	struct stat ours, there;
	return fstat(a->fd, &ours) == 0 &&
	       fstatat(a->directory, a->base, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

// The file ends with a head and gets its number. Whatever fails, lines go on where they went.
static int rotate(struct audit *a, uint64_t now_ns)
{
	char name[PATH_MAX];
	audit_rotated_path(a->base, a->first, name);
	if (!is_our_file(a))
		return -ESTALE;
	int r = head_tell(a, now_ns);
	if (!r)
		r = make_ready(a);
	if (!r && renameat2(a->directory, a->base, a->directory, name, RENAME_NOREPLACE))
		r = -errno;
	if (r)
		return r;
	fsync(a->directory);
	close(a->fd);
	a->fd = -1;
	a->before = a->first;
	a->has_before = true;
	a->size = 0;
	return 0;
}

// The first line of every file but the first says which one came before.
static int rotated_tell(struct audit *a, uint64_t now_ns)
{
	struct audit_line line;
	char name[PATH_MAX];
	audit_begin(&line, "rotated");
	if (a->has_before) {
		audit_rotated_path(a->base, a->before, name);
		audit_text(&line, "after", name);
	}
	return event_write(a, &line, now_ns);
}

static bool rotation_is_due(const struct audit *a, const struct told *told)
{
	return a->size && a->size + told->len > a->max_octets && told->now_ns >= a->rotate_after_ns;
}

static int append(struct audit *a, const struct told *told)
{
	int r = make_ready(a);
	if (r)
		return r;
	if (rotation_is_due(a, told)) {
		a->rotation = rotate(a, told->now_ns);
		a->rotate_after_ns = a->rotation ? told->now_ns + ROTATE_AGAIN_NS : 0;
		r = make_ready(a);
	}
	if (!r && a->size == 0 && a->seq)
		r = rotated_tell(a, told->now_ns);
	if (!r)
		r = make_ready(a);
	return r ? r : line_write(a, told);
}

// --- what could not be written --------------------------------------------------------------------------------

static void keep(struct audit *a, const struct told *told)
{
	// Once one was let go all that follow are, so that "missing" stands where they are missing.
	if (a->missing || a->pending_count == PENDING) {
		a->missing++;
		return;
	}
	a->pending[(a->pending_from + a->pending_count++) % PENDING] = *told;
}

static int missing_tell(struct audit *a, uint64_t now_ns)
{
	struct audit_line line;
	struct told told;
	audit_begin(&line, "missing");
	audit_number(&line, "lines", a->missing);
	told_make(&told, &line, now_ns);
	int r = append(a, &told);
	if (!r)
		a->missing = 0;
	return r;
}

static int write_pending(struct audit *a, uint64_t now_ns)
{
	while (a->pending_count) {
		struct told *oldest = &a->pending[a->pending_from];
		int r = append(a, oldest);
		if (r)
			return r;
		explicit_bzero(oldest, sizeof *oldest);
		a->pending_from = (a->pending_from + 1) % PENDING;
		a->pending_count--;
	}
	return a->missing ? missing_tell(a, now_ns) : 0;
}

int audit_tell(struct audit *a, struct audit_line *line, uint64_t now_ns)
{
	struct told told;
	told_make(&told, line, now_ns);
	int r = write_pending(a, now_ns);
	if (!r)
		r = append(a, &told);
	if (r)
		keep(a, &told);
	explicit_bzero(&told, sizeof told);
	return r;
}

int audit_tick(struct audit *a, uint64_t now_ns)
{
	if (a->head_told_ns == 0 || now_ns < a->head_told_ns)
		a->head_told_ns = now_ns; // the first tick, or the clock was set back
	if (now_ns + ROTATE_AGAIN_NS < a->rotate_after_ns)
		a->rotate_after_ns = 0;
	int r = write_pending(a, now_ns);
	if (!r)
		r = make_ready(a);
	if (!r && now_ns - a->head_told_ns >= HEAD_EVERY_NS)
		r = head_tell(a, now_ns);
	if (!r && !is_our_file(a))
		r = -ESTALE;
	if (a->unsynced && a->fd >= 0) { // begins to write to the disk, and waits for nothing
		sync_file_range(a->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		a->unsynced = false;
	}
	return r ? r : a->rotation;
}

uint64_t audit_sequence(const struct audit *a)
{
	return a->seq;
}

// --- opening --------------------------------------------------------------------------------------------------

// Only root and we may be able to write here.
static int check_owner(int fd, bool directory, const char *path, struct error *error)
{
	struct stat st;
	if (fstat(fd, &st))
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (directory ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return error_set(error, -EINVAL, "%s: not a %s", path,
			directory ? "directory" : "regular file");
	if ((st.st_uid && st.st_uid != geteuid()) || (st.st_mode & 022))
		return error_set(error, -EPERM,
			"%s: others can write to it; it must belong to root or to the user x2tap runs as, "
			"with no write permission for group and others",
			path);
	return 0;
}

// Directory and name of the log. The directory stays open: what happens to the path later does not matter.
static int open_directory(struct audit *a, const char *file, struct error *error)
{
	char path[PATH_MAX];
	const char *name = file_name(file);
	if (!*name || strlen(name) >= sizeof a->base || strlen(file) >= sizeof path)
		return error_set(error, -EINVAL, "%s: no name for an audit log", file);
	strcpy(a->base, name);
	file_directory(file, path);
	a->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->directory < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	return check_owner(a->directory, true, path, error);
}

static int open_file(struct audit *a, const char *name, int flags, struct error *error)
{
	int fd = openat(a->directory, name,
		O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags, 0600);
	if (fd < 0)
		return error_set(error, -errno, "%s: %s", name,
			errno == ELOOP ? "a symbolic link, which is not followed"
				       : strerror(errno));
	int r = check_owner(fd, false, name, error);
	if (r)
		close(fd);
	return r ? r : fd;
}

// The head with the lock on it. It is never renamed while the log is good, as the log itself is.
static int open_head(struct audit *a, int flags, struct error *error)
{
	char name[PATH_MAX];
	snprintf(name, sizeof name, "%s.head", a->base);
	int fd = open_file(a, name, O_CREAT | flags, error);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int r = errno == EWOULDBLOCK
		                ? error_set(error, -EBUSY, "%s: another process writes this log",
					  name)
		                : error_set(error, -errno, "%s: %s", name, strerror(errno));
		close(fd);
		return r;
	}
	a->head = fd;
	return 0;
}

// 1: there is a head; 0: there is none yet.
static int read_head(struct audit *a, struct audit_head *out, struct error *error)
{
	char record[AUDIT_HEAD_LEN + 1]; // one more, to see that there is no more
	ssize_t n = pread(a->head, record, sizeof record, 0);
	if (n < 0)
		return error_set(error, -errno, "its head: %s", strerror(errno));
	if (n == 0)
		return 0;
	if (audit_head_read(bytes_of(record, (size_t)n), a->has_key ? &a->key : NULL, out) ==
		AUDIT_HEAD_WRONG)
		return error_set(
			error, -EBADMSG, "its head was changed, or signed with another key");
	return 1;
}

static int open_log(struct audit *a, struct error *error)
{
	int fd = open_file(a, a->base, O_APPEND, error);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	a->fd = fd;
	return 0;
}

// The end of the chain that is there. -EBADMSG: it is damaged.
static int read_chain(struct audit *a, audit_reader *each, void *context, struct audit_tail *tail,
	struct error *error)
{
	struct audit_head head;
	int there = read_head(a, &head, error);
	if (there < 0)
		return there;
	int r = audit_tail_read(a->directory, a->base, a->fd, there ? &head : NULL, a->has_key,
		each, context, tail, error);
	if (r)
		return r;
	a->seq = tail->next;
	memcpy(a->last, tail->last, sizeof a->last);
	a->size = tail->size;
	a->first = tail->first;
	a->has_before = tail->has_before;
	a->before = tail->before;
	if (tail->partial_len) {
		a->torn = true;
		a->torn_at = (off_t)tail->size;
	}
	// Written again where it names the last line already, since a key may be new. Where it does not, the line "unconfirmed" does it.
	a->head_behind = tail->unconfirmed == 0;
	return 0;
}

// --- a damaged chain is moved aside ---------------------------------------------------------------------------

static bool is_there(const struct audit *a, const char *name)
{
	struct stat st;
	return fstatat(a->directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

// A name that neither a log nor a head bears.
static int free_name(const struct audit *a, uint64_t now_ns, char out[static NAME])
{
	char stamp[32], head[PATH_MAX];
	time_t seconds = (time_t)(now_ns / SECOND_NS);
	struct tm utc;
	gmtime_r(&seconds, &utc);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
	for (unsigned again = 1; again < 100; again++) {
		char more[8] = "";
		if (again > 1)
			snprintf(more, sizeof more, "-%u", again);
		int len = snprintf(out, NAME, "%s.damaged-%s%s", a->base, stamp, more);
		if (len >= NAME)
			return -ENAMETOOLONG;
		snprintf(head, sizeof head, "%s.head", out);
		if (!is_there(a, out) && !is_there(a, head))
			return 0;
	}
	return -EEXIST;
}

static int move(const struct audit *a, const char *from, const char *to)
{
	if (renameat2(a->directory, from, a->directory, to, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == ENOENT ? 0 : -errno;
}

// The whole chain under another name, as a log of its own that can be verified. The head goes last: as long as it is there, a
// start that was killed here finds the log shorter than its head and does the rest.
static int move_chain(const struct audit *a, const char *name)
{
	char from[PATH_MAX], to[PATH_MAX];
	uint64_t *rotated;
	size_t count;
	int r = audit_rotated_list(a->directory, a->base, &rotated, &count);
	if (r)
		return r;
	r = move(a, a->base, name);
	for (size_t i = 0; !r && i < count; i++) {
		audit_rotated_path(a->base, rotated[i], from);
		audit_rotated_path(name, rotated[i], to);
		r = move(a, from, to);
	}
	free(rotated);
	snprintf(from, sizeof from, "%s.head", a->base);
	snprintf(to, sizeof to, "%s.head", name);
	return r ? r : move(a, from, to);
}

// Begins a new chain. `why` is what was found.
static int begin_anew(struct audit *a, const char *why, struct error *error)
{
	char name[NAME];
	struct audit_line line;
	uint64_t now_ns = host_realtime_ns();
	int r = free_name(a, now_ns, name), old = a->head;
	if (!r)
		r = move_chain(a, name);
	if (r)
		return error_set(error, r, "the damaged log (%s) cannot be moved aside: %s", why,
			strerror(-r));
	if (a->fd >= 0)
		close(a->fd);
	a->fd = a->head = -1;
	r = open_head(a, O_EXCL, error);
	close(old);
	if (r)
		return r;
	a->head_behind = true;
	r = make_ready(a);
	if (r)
		return error_set(error, r, "a new log: %s", strerror(-r));
	audit_begin(&line, "damaged");
	audit_text(&line, "found", why);
	audit_text(&line, "moved", name);
	r = audit_tell(a, &line, now_ns);
	if (r)
		return error_set(error, r, "a new log: %s", strerror(-r));
	return error_set(error, -EBADMSG, "%s: %s; it was moved to %s and a new one begun", a->base,
		why, name);
}

// --- what the last run left -----------------------------------------------------------------------------------

// As much of the text as a line takes.
static void torn_tell(struct audit *a, struct audit_tail *tail, uint64_t now_ns)
{
	struct audit_line line;
	for (size_t i = 0; i < tail->partial_len; i++)
		if (!tail->partial[i])
			tail->partial[i] =
				1; // a NUL is no part of a text; any octet that becomes an escape will do
	tail->partial[tail->partial_len < AUDIT_LINE_MAX ? tail->partial_len : AUDIT_LINE_MAX - 1] =
		'\0';
	audit_begin(&line, "torn");
	audit_number(&line, "octets", tail->partial_len);
	audit_text(&line, "text", tail->partial);
	audit_tell(a, &line, now_ns);
}

static void unconfirmed_tell(struct audit *a, uint64_t lines, uint64_t now_ns)
{
	struct audit_line line;
	audit_begin(&line, "unconfirmed");
	audit_number(&line, "first", a->seq - lines);
	audit_number(&line, "lines", lines);
	audit_tell(a, &line, now_ns);
}

// A full disk is no reason not to go on with a log that is there: these lines wait like others.
static int go_on(struct audit *a, struct audit_tail *tail, struct error *error)
{
	uint64_t now_ns = host_realtime_ns();
	int r = make_ready(a);
	if (r && r != -ENOSPC && r != -EDQUOT)
		return error_set(error, r, "%s: %s", a->base, strerror(-r));
	if (r && a->seq == 0)
		return error_set(error, r, "%s: no room to begin it", a->base);
	if (tail->unconfirmed)
		unconfirmed_tell(a, tail->unconfirmed, now_ns);
	if (tail->partial_len)
		torn_tell(a, tail, now_ns);
	return error_set(error, 0, "%s", "");
}

static int open_chain(struct audit *a, const struct audit_settings *settings, audit_reader *each,
	void *context, struct audit_tail *tail, struct error *error)
{
	int r = open_directory(a, settings->file, error);
	if (!r)
		r = open_head(a, 0, error);
	if (!r)
		r = open_log(a, error);
	if (r)
		return r;
	r = read_chain(a, each, context, tail, error);
	if (r == -EBADMSG) {
		struct error why = *error;
		return begin_anew(a, why.text, error);
	}
	return r ? r : go_on(a, tail, error);
}

static void audit_free(struct audit *a)
{
	const int fds[] = {a->fd, a->head, a->directory};
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	vault_key_wipe(&a->key);
	explicit_bzero(a, sizeof *a);
	free(a);
}

struct audit *audit_open(const struct audit_settings *settings, audit_reader *each, void *context,
	struct error *error)
{
	struct error unread;
	struct audit *a = calloc(1, sizeof *a);
	struct audit_tail *tail = calloc(1, sizeof *tail);
	error = error ? error : &unread;
	int r = error_set(error, -ENOMEM, "no memory");
	if (a && tail) {
		a->directory = a->fd = a->head = -1;
		a->max_octets = settings->max_octets;
		a->has_key = settings->key;
		if (settings->key)
			a->key = *settings->key;
		r = open_chain(a, settings, each, context, tail, error);
	}
	bool good = r == 0 || (r == -EBADMSG && a->fd >= 0);
	if (a && !good)
		audit_free(a);
	if (tail)
		explicit_bzero(tail, sizeof *tail);
	free(tail);
	return good ? a : NULL;
}

void audit_close(struct audit *a)
{
	if (!a)
		return;
	uint64_t now_ns = host_realtime_ns();
	if (write_pending(a, now_ns) == 0 && make_ready(a) == 0 && a->seq)
		head_tell(a, now_ns);
	fsync(a->head);
	audit_free(a);
}
