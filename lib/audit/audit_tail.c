#include "audit_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// The files of a log, rotated ones first, and a place in them.
struct walk {
	int directory, log;
	const char *base;
	uint64_t *rotated;
	size_t rotated_count;
	size_t file;  // rotated_count is the log itself
	int fd;       // of `file`; owned unless it is the log's
	uint64_t end; // the next line looked at ends here
	struct audit_lines lines;
	char block[AUDIT_LINE_MAX];
};

static void leave_file(struct walk *w)
{
	if (w->fd >= 0 && w->fd != w->log)
		close(w->fd);
	w->fd = -1;
}

static int enter_file(struct walk *w, size_t file)
{
	char name[PATH_MAX];
	struct stat st;
	leave_file(w);
	w->file = file;
	w->end = 0;
	if (file == w->rotated_count && w->log < 0)
		return 0;
	audit_rotated_path(w->base, file < w->rotated_count ? w->rotated[file] : 0, name);
	w->fd = file == w->rotated_count ? w->log
	                                 : openat(w->directory, name,
						   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (w->fd < 0 || fstat(w->fd, &st))
		return -errno;
	w->end = (uint64_t)st.st_size;
	return 0;
}

// Octets of the file before `end`, as many as a line can have at most.
static int read_block(struct walk *w, struct bytes *out)
{
	size_t len = w->end < sizeof w->block ? (size_t)w->end : sizeof w->block;
	ssize_t got = pread(w->fd, w->block, len, (off_t)(w->end - len));
	if (got < 0)
		return -errno;
	if ((size_t)got != len)
		return -EIO;
	*out = bytes_of(w->block, len);
	return 0;
}

static int damaged(struct error *error, const char *how)
{
	return error_set(error, -EBADMSG, "%s", how);
}

// Steps back over one line: 1; 0 at the beginning of all.
static int line_before(struct walk *w, struct bytes *line, struct error *error)
{
	struct bytes block = {0};
	while (w->end == 0) {
		if (w->file == 0)
			return 0;
		int r = enter_file(w, w->file - 1);
		if (r)
			return error_set(error, r, "a rotated file: %s", strerror(-r));
	}
	int r = read_block(w, &block);
	if (r)
		return error_set(error, r, "%s", strerror(-r));
	if (block.at[block.len - 1] != '\n')
		return damaged(error, "a rotated file ends in the middle of a line");
	const uint8_t *before = memrchr(block.at, '\n', block.len - 1);
	if (!before && block.len < w->end)
		return damaged(error, "a line near its end is longer than any that is written");
	size_t from = before ? (size_t)(before - block.at) + 1 : 0;
	*line = bytes_slice(block, from, block.len - 1 - from);
	w->end -= block.len - from;
	return 1;
}

// What stands behind the last end of line of the log, and how the log begins.
static int read_ends(struct walk *w, struct audit_tail *out, struct error *error)
{
	struct bytes block = {0}, line;
	uint8_t prev[VAULT_DIGEST_LEN];
	int r = enter_file(w, w->rotated_count);
	if (!r && w->end)
		r = read_block(w, &block);
	if (r)
		return error_set(error, r, "%s", strerror(-r));
	if (w->end == 0)
		return 0;
	const uint8_t *last = memrchr(block.at, '\n', block.len);
	if (!last && block.len < w->end)
		return damaged(error, "its last line is longer than any that is written");
	size_t whole = last ? (size_t)(last - block.at) + 1 : 0;
	out->partial_len = block.len - whole;
	memcpy(out->partial, block.at + whole, out->partial_len);
	out->size = w->end -= out->partial_len;
	if (out->size == 0)
		return 0;
	audit_lines_begin(&w->lines, w->fd, 0);
	enum audit_next next = audit_lines_next(&w->lines, &line);
	if (next == AUDIT_FAILED)
		return error_set(error, -errno, "%s", strerror(errno));
	if (next != AUDIT_LINE || !audit_parts(line, &out->first, prev))
		return damaged(error, "its first line is none that x2tap wrote");
	return 0;
}

static bool is_signed(struct bytes line)
{
	static const char member[] = ",\"hmac\":\"";
	return memmem(line.at, line.len, member, sizeof member - 1);
}

// Back to the last "start" and to the head. *file and *offset: where that "start" (or what is left) begins.
static int look_back(struct walk *w, const struct audit_head *head, bool has_key,
	struct audit_tail *out, size_t *file, uint64_t *offset, struct error *error)
{
	struct bytes line;
	uint64_t seq, after = 0;
	uint8_t prev[VAULT_DIGEST_LEN], hash[VAULT_DIGEST_LEN], wanted[VAULT_DIGEST_LEN];
	bool any = false, start = false, signature_known = !has_key || head->is_signed;
	int r;
	while ((r = line_before(w, &line, error)) > 0) {
		if (!audit_parts(line, &seq, prev))
			return damaged(error, "a line near its end is none that x2tap wrote");
		vault_sha256(line, (struct bytes){0}, hash);
		if (any && (seq + 1 != after || !vault_equal(hash, wanted, sizeof hash)))
			return damaged(error, "near its end a line was changed, added or removed");
		if (seq + 1 == head->lines && !vault_equal(hash, head->last, sizeof hash))
			return damaged(error, "the line that its head names was changed");
		if (!any) {
			out->next = seq + 1;
			memcpy(out->last, hash, sizeof hash);
			any = true;
			if (out->next < head->lines)
				break;
		}
		if (!start) {
			*file = w->file;
			*offset = w->end;
		}
		start = start || audit_is_event(line, "start");
		if (!signature_known && audit_is_event(line, "head")) {
			if (is_signed(line))
				return damaged(error, "its head is not signed, and its lines are");
			signature_known = true;
		}
		if (start && signature_known && seq < head->lines)
			break;
		after = seq;
		memcpy(wanted, prev, sizeof wanted);
	}
	if (r < 0)
		return r;
	if (out->next < head->lines)
		return error_set(error, -EBADMSG,
			"it is shorter than its head says: %" PRIu64 " lines are there of %" PRIu64,
			out->next, head->lines);
	out->unconfirmed = out->next - head->lines;
	return 0;
}

static int give(struct walk *w, size_t file, uint64_t offset, audit_reader *each, void *context,
	struct error *error)
{
	struct bytes line;
	for (; file <= w->rotated_count; file++, offset = 0) {
		int r = enter_file(w, file);
		if (r)
			return error_set(error, r, "%s", strerror(-r));
		if (w->fd < 0)
			break;
		enum audit_next next;
		audit_lines_begin(&w->lines, w->fd, offset);
		while ((next = audit_lines_next(&w->lines, &line)) == AUDIT_LINE)
			each(context, line);
		if (next == AUDIT_FAILED)
			return error_set(error, -errno, "%s", strerror(errno));
	}
	return 0;
}

static int tail_read(struct walk *w, const struct audit_head *head, bool has_key,
	audit_reader *each, void *context, struct audit_tail *out, struct error *error)
{
	size_t file = w->rotated_count;
	uint64_t offset = 0;
	int r = read_ends(w, out, error);
	if (r)
		return r;
	if (!head) // made before the first line is
		return out->size || out->partial_len || w->rotated_count
		               ? damaged(error, "its head is missing")
		               : 0;
	out->has_before = w->rotated_count;
	out->before = w->rotated_count ? w->rotated[w->rotated_count - 1] : 0;
	r = look_back(w, head, has_key, out, &file, &offset, error);
	return r || !each ? r : give(w, file, offset, each, context, error);
}

int audit_tail_read(int directory, const char *base, int log, const struct audit_head *head,
	bool has_key, audit_reader *each, void *context, struct audit_tail *out,
	struct error *error)
{
	struct walk *w = malloc(sizeof *w);
	*out = (struct audit_tail){0};
	if (!w)
		return error_set(error, -ENOMEM, "no memory");
	*w = (struct walk){.directory = directory, .log = log, .base = base, .fd = -1};
	int r = audit_rotated_list(directory, base, &w->rotated, &w->rotated_count);
	if (r)
		error_set(error, r, "its directory: %s", strerror(-r));
	else
		r = tail_read(w, head, has_key, each, context, out, error);
	leave_file(w);
	free(w->rotated);
	free(w);
	return r;
}
