#include "audit_format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

// --- digests and times ----------------------------------------------------------------------------------------

bool audit_unhex(struct bytes text, uint8_t out[VAULT_DIGEST_LEN])
{
	if (text.len != VAULT_HEX_LEN)
		return false;
	for (size_t i = 0; i < VAULT_HEX_LEN; i++)
		if (!ascii_is_digit(text.at[i]) && (text.at[i] < 'a' || text.at[i] > 'f'))
			return false;
	for (size_t i = 0; i < VAULT_DIGEST_LEN; i++)
		out[i] = (uint8_t)(ascii_hex_value(text.at[2 * i]) << 4 |
				   ascii_hex_value(text.at[2 * i + 1]));
	return true;
}

void audit_stamp(uint64_t ns, char out[static AUDIT_STAMP])
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm utc;
	char text[24] = "";
	gmtime_r(&seconds, &utc);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out, AUDIT_STAMP, "%s.%09uZ", text, (unsigned)(ns % 1000000000));
}

// --- heads ----------------------------------------------------------------------------------------------------

void audit_head_hmac(const struct vault_key *key, const uint8_t before[VAULT_DIGEST_LEN],
	uint64_t seq, uint8_t out[VAULT_DIGEST_LEN])
{
	uint8_t data[VAULT_DIGEST_LEN + 8];
	struct writer w = writer_of(data, sizeof data);
	write_bytes(&w, bytes_of(before, VAULT_DIGEST_LEN));
	write_be64(&w, seq);
	vault_hmac(key, writer_bytes(&w), out);
}

// The record under a check given as text: one form, so that no octet of it can differ unseen.
static void head_format(const struct audit_head *head,
	void check(const void *, struct bytes, uint8_t *), const void *context,
	char out[static AUDIT_HEAD_LEN])
{
	char hex[VAULT_HEX_LEN + 1];
	uint8_t digest[VAULT_DIGEST_LEN];
	struct writer w = writer_of(out, AUDIT_HEAD_LEN - 1);
	vault_hex(head->last, hex);
	write_format(&w, "{\"lines\":%" PRIu64 ",\"last\":\"%s\"", head->lines, hex);
	check(context, writer_bytes(&w), digest);
	vault_hex(digest, hex);
	write_format(&w, ",\"%s\":\"%s\"}", head->is_signed ? "hmac" : "sha256", hex);
	memset(out + w.len, ' ', AUDIT_HEAD_LEN - 1 - w.len);
	out[AUDIT_HEAD_LEN - 1] = '\n';
}

static void check_by_hmac(const void *key, struct bytes data, uint8_t *out)
{
	vault_hmac(key, data, out);
}

static void check_by_sha256(const void *unused, struct bytes data, uint8_t *out)
{
	(void)unused;
	vault_sha256(data, (struct bytes){0}, out);
}

// Puts the check that is already there back in: for a record whose key we do not have.
static void check_as_given(const void *given, struct bytes data, uint8_t *out)
{
	(void)data;
	memcpy(out, given, VAULT_DIGEST_LEN);
}

void audit_head_write(
	const struct audit_head *head, const struct vault_key *key, char out[static AUDIT_HEAD_LEN])
{
	struct audit_head made = *head;
	made.is_signed = key;
	head_format(&made, key ? check_by_hmac : check_by_sha256, key, out);
}

enum audit_head_state audit_head_read(
	struct bytes record, const struct vault_key *key, struct audit_head *out)
{
	char text[AUDIT_HEAD_LEN + 1], again[AUDIT_HEAD_LEN];
	char last[VAULT_HEX_LEN + 1] = "", kind[8] = "", check[VAULT_HEX_LEN + 1] = "";
	uint8_t given[VAULT_DIGEST_LEN];
	struct audit_head head = {0};
	if (record.len != AUDIT_HEAD_LEN)
		return AUDIT_HEAD_WRONG;
	memcpy(text, record.at, AUDIT_HEAD_LEN);
	text[AUDIT_HEAD_LEN] = '\0';
	if (sscanf(text,
		    "{\"lines\":%" SCNu64
		    ",\"last\":\"%64[0-9a-f]\",\"%7[a-z0-9]\":\"%64[0-9a-f]\"}",
		    &head.lines, last, kind, check) != 4 ||
		!audit_unhex(bytes_of_text(last), head.last) ||
		!audit_unhex(bytes_of_text(check), given))
		return AUDIT_HEAD_WRONG;
	head.is_signed = strcmp(kind, "hmac") == 0;
	bool unchecked = head.is_signed && !key;
	head_format(&head,
		unchecked        ? check_as_given
		: head.is_signed ? check_by_hmac
				 : check_by_sha256,
		unchecked ? (const void *)given : key, again);
	if (!vault_equal(record.at, (const uint8_t *)again, AUDIT_HEAD_LEN))
		return AUDIT_HEAD_WRONG;
	*out = head;
	return unchecked ? AUDIT_HEAD_UNCHECKED : AUDIT_HEAD_GOOD;
}

// --- lines ----------------------------------------------------------------------------------------------------

static const char line_start[] = "{\"seq\":", line_link[] = ",\"prev\":\"", line_end[] = "\"}";

struct bytes audit_compose(char out[static AUDIT_LINE_MAX], uint64_t seq, uint64_t now_ns,
	bool synchronised, struct bytes members, const uint8_t prev[VAULT_DIGEST_LEN])
{
	char stamp[AUDIT_STAMP], hex[VAULT_HEX_LEN + 1];
	struct writer w = writer_of(out, AUDIT_LINE_MAX);
	audit_stamp(now_ns, stamp);
	vault_hex(prev, hex);
	write_format(&w, "%s%" PRIu64 ",\"time\":\"%s\",\"clock\":\"%ssynchronised\",", line_start,
		seq, stamp, synchronised ? "" : "un");
	write_bytes(&w, members);
	write_format(&w, "%s%s%s\n", line_link, hex, line_end);
	return writer_bytes(&w);
}

bool audit_parts(struct bytes line, uint64_t *seq, uint8_t prev[VAULT_DIGEST_LEN])
{
	enum { LINK = sizeof line_link - 1, END = sizeof line_end - 1 };
	if (!bytes_start_with(line, bytes_of_text(line_start)) ||
		line.len < sizeof line_start + LINK + VAULT_HEX_LEN + END)
		return false;
	uint64_t number = 0;
	size_t i = sizeof line_start - 1;
	for (; ascii_is_digit(line.at[i]) && number < UINT64_MAX / 100; i++)
		number = number * 10 + (uint64_t)(line.at[i] - '0');
	struct bytes tail =
		bytes_slice(line, line.len - END - VAULT_HEX_LEN - LINK, LINK + VAULT_HEX_LEN + END);
	if (i == sizeof line_start - 1 || line.at[i] != ',' ||
		!bytes_start_with(tail, bytes_of_text(line_link)) ||
		!bytes_equal(bytes_slice(tail, LINK + VAULT_HEX_LEN, END), bytes_of_text(line_end)) ||
		!audit_unhex(bytes_slice(tail, LINK, VAULT_HEX_LEN), prev))
		return false;
	*seq = number;
	return true;
}

bool audit_is_event(struct bytes line, const char *event)
{
	char member[64];
	int len = snprintf(member, sizeof member, ",\"event\":\"%s\"", event);
	return memmem(line.at, line.len, member, (size_t)len);
}

// --- rotated files --------------------------------------------------------------------------------------------

bool audit_rotated_name(const char *name, const char *base, uint64_t *first)
{
	enum { DIGITS = 12, MOST = 19 };
	size_t len = strlen(base);
	if (strncmp(name, base, len) != 0 || name[len] != '.')
		return false;
	const char *digits = name + len + 1;
	size_t count = strspn(digits, "0123456789");
	if (count < DIGITS || count > MOST || digits[count] || (count > DIGITS && *digits == '0'))
		return false;
	*first = strtoull(digits, NULL, 10);
	return true;
}

void audit_rotated_path(const char *base, uint64_t first, char out[static PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s.%012" PRIu64, base, first);
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

int audit_rotated_list(int directory, const char *base, uint64_t **out, size_t *count)
{
	uint64_t *numbers = NULL, first;
	size_t n = 0, room = 0;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int result = dir ? 0 : -errno;
	if (!dir && fd >= 0)
		close(fd);
	for (struct dirent *entry; !result && (errno = 0, entry = readdir(dir));) {
		if (!audit_rotated_name(entry->d_name, base, &first))
			continue;
		if (n == room) {
			room = room ? 2 * room : 64;
			uint64_t *more = reallocarray(numbers, room, sizeof *numbers);
			if (!more) {
				result = -ENOMEM;
				break;
			}
			numbers = more;
		}
		numbers[n++] = first;
	}
	if (!result && errno)
		result = -errno;
	if (dir)
		closedir(dir);
	if (result) {
		free(numbers);
		return result;
	}
	if (n)
		qsort(numbers, n, sizeof *numbers, by_number);
	*out = numbers;
	*count = n;
	return 0;
}

// --- reading --------------------------------------------------------------------------------------------------

void audit_lines_begin(struct audit_lines *l, int fd, uint64_t offset)
{
	l->fd = fd;
	l->offset = offset;
	l->from = l->to = 0;
}

// Reads on behind what is buffered: octets read, 0 at the end, -1 when it failed.
static ssize_t read_more(struct audit_lines *l)
{
	memmove(l->buffer, l->buffer + l->from, l->to - l->from);
	l->to -= l->from;
	l->from = 0;
	ssize_t got = pread(l->fd, l->buffer + l->to, sizeof l->buffer - l->to, (off_t)l->offset);
	if (got > 0) {
		l->to += (size_t)got;
		l->offset += (uint64_t)got;
	}
	return got;
}

static uint8_t *buffered_end(struct audit_lines *l)
{
	return l->to > l->from ? memchr(l->buffer + l->from, '\n', l->to - l->from) : NULL;
}

// Passes over the rest of a line that is too long. Its start has been moved to the front of the buffer and stays there.
static enum audit_next pass_over(struct audit_lines *l, struct bytes *line)
{
	*line = bytes_of(l->buffer, AUDIT_LINE_MAX);
	for (;;) {
		uint8_t *rest = l->buffer + AUDIT_LINE_MAX;
		uint8_t *end = memchr(rest, '\n', l->to - AUDIT_LINE_MAX);
		l->from = end ? (size_t)(end - l->buffer) + 1 : l->to;
		if (end)
			return AUDIT_OVERLONG;
		ssize_t got =
			pread(l->fd, rest, sizeof l->buffer - AUDIT_LINE_MAX, (off_t)l->offset);
		if (got < 0)
			return AUDIT_FAILED;
		if (got == 0)
			return AUDIT_OVERLONG;
		l->to = AUDIT_LINE_MAX + (size_t)got;
		l->offset += (uint64_t)got;
	}
}

enum audit_next audit_lines_next(struct audit_lines *l, struct bytes *line)
{
	uint8_t *end;
	while (!(end = buffered_end(l))) {
		if (l->to - l->from >= AUDIT_LINE_MAX) {
			memmove(l->buffer, l->buffer + l->from, l->to - l->from);
			l->to -= l->from;
			l->from = 0;
			return pass_over(l, line);
		}
		ssize_t got = read_more(l);
		if (got < 0)
			return AUDIT_FAILED;
		if (got == 0) {
			*line = bytes_of(l->buffer, l->to);
			return l->to ? AUDIT_PARTIAL : AUDIT_END;
		}
	}
	size_t len = (size_t)(end - l->buffer) - l->from;
	if (len >= AUDIT_LINE_MAX) { // found whole in the buffer, and too long all the same
		*line = bytes_of(l->buffer + l->from, AUDIT_LINE_MAX);
		l->from += len + 1;
		return AUDIT_OVERLONG;
	}
	*line = bytes_of(l->buffer + l->from, len);
	l->from += len + 1;
	return AUDIT_LINE;
}
