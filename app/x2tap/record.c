#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "host_clock.h"
#include "log.h"
#include "segments.h"

enum { XIDS_A_LINE = 64 };
static const int64_t STEP_NS = 500000000; // what an NTP client steps rather than slews

static void begin_fault(struct record *r, int why)
{
	bool stops = r->config->audit.stop_when_full;
	if (why == -ESTALE)
		fault_begin(r->faults, FAULT_AUDIT, NULL,
			"%s was moved or removed while x2tap writes it: lines still go to where it was moved; %s. Put it back, or restart x2tap",
			r->config->audit.file,
			stops ? "nothing is intercepted until then"
			      : "if it was removed they are lost");
	else
		fault_begin(r->faults, FAULT_AUDIT, NULL,
			"%s cannot be written: %s; %s. Make room, or see that x2tap's user may write there",
			r->config->audit.file, strerror(-why),
			stops ? "nothing is intercepted until it can be"
			      : "lines are kept in memory as long as they find room");
}

// What the log says to a line, or to a look at it.
static void note(struct record *r, int result)
{
	bool was_failing = r->failing;
	r->failing = result != 0;
	if (result != 0)
		begin_fault(r, result);
	else if (was_failing)
		fault_end(r->faults, FAULT_AUDIT, NULL);
}

static void tell(struct record *r, struct audit_line *line)
{
	if (r->audit)
		note(r, audit_tell(r->audit, line, host_realtime_ns()));
}

// --- the log itself --------------------------------------------------------------------------------------------------

static void read_before(void *context, struct bytes line)
{
	struct record *r = context;
	segments_read(r->segments, line);
}

static int load_key(struct record *r, struct error *error)
{
	const char *path = r->config->audit.hmac_key;
	if (!path || r->has_key)
		return 0;
	int result = vault_key_load(path, &r->key, error);
	r->has_key = result == 0;
	return result;
}

// Configuration files are small.
static void digest_file(const char *path, char hex[VAULT_HEX_LEN + 1])
{
	enum { MOST = 1 << 20 };
	uint8_t digest[VAULT_DIGEST_LEN], *text = malloc(MOST);
	int fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t len = fd >= 0 ? file_read(fd, text, MOST) : -1;
	hex[0] = '\0';
	if (len >= 0) {
		vault_sha256(bytes_of(text, (size_t)len), bytes_of(NULL, 0), digest);
		vault_hex(digest, hex);
	}
	if (fd >= 0)
		close(fd);
	free(text);
}

static void tell_configuration(struct record *r)
{
	char digest[VAULT_HEX_LEN + 1];
	struct audit_line line;
	digest_file(r->configuration, digest);
	audit_begin(&line, "configuration");
	audit_text(&line, "file", r->configuration);
	audit_text(&line, "sha256", digest);
	audit_bool(&line, "allow_wide_targets", r->config->targets.allow_wide);
	tell(r, &line);
}

static void tell_start(struct record *r)
{
	struct audit_line line;
	audit_begin(&line, "start");
	audit_text(&line, "version", X2TAP_VERSION);
	audit_text(&line, "nfid", r->config->nfid);
	audit_number(&line, "pid", (uint64_t)getpid());
	audit_number(&line, "uid", geteuid());
	tell(r, &line);
}

// What is first in the log of this run. Faults may have begun before it could be written.
static void begin_log(struct record *r)
{
	tell_start(r);
	tell_configuration(r);
	for (size_t i = 0; i < r->faults->count; i++)
		if (r->faults->list[i].kind != FAULT_AUDIT)
			record_fault(r, &r->faults->list[i], true);
}

// The spools of this run are not to be compared with what an earlier one wrote once they have been looked through.
static void open_log(struct record *r, audit_reader *each)
{
	struct error error = {.text = ""};
	struct audit_settings settings = {.file = r->config->audit.file,
		.key = r->config->audit.hmac_key ? &r->key : NULL,
		.max_octets = (uint64_t)r->config->audit.max_mib << 20};
	if (load_key(r, &error) == 0)
		r->audit = audit_open(&settings, each, r, &error);
	if (r->audit)
		begin_log(r);
	if (r->audit && error.code == 0) {
		if (!r->failing)
			fault_end(r->faults, FAULT_AUDIT, NULL);
		return;
	}
	if (r->audit) { // how much of it is there tells how much was ordered and done: that stands in the log itself
		fault_begin(r->faults, FAULT_AUDIT, NULL,
			"%s was damaged or cut; it was moved aside and a new one begun, whose first lines tell more",
			r->config->audit.file);
		return;
	}
	fault_begin(r->faults, FAULT_AUDIT, NULL, "%s: %s; %s", r->config->audit.file, error.text,
		r->config->audit.stop_when_full ? "nothing is intercepted without it"
						: "x2tap goes on without an audit log");
}

void record_init(struct record *r, const struct config *config, struct faults *faults)
{
	struct error error;
	*r = (struct record){.config = config, .faults = faults, .segments = segments_new()};
	if (config->audit.file)
		load_key(r, &error); // told when the log is opened
}

void record_open(struct record *r, const char *configuration)
{
	r->configuration = configuration;
	if (r->config->audit.file)
		open_log(r, read_before);
}

void record_reopen(struct record *r)
{
	if (r->config->audit.file && !r->audit)
		open_log(r, NULL);
}

void record_close(struct record *r)
{
	audit_close(r->audit);
	segments_free(r->segments);
	vault_key_wipe(&r->key);
	r->audit = NULL;
	r->segments = NULL;
}

static void watch_clock(struct record *r)
{
	struct timespec real, monotonic;
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_REALTIME, &real);
	int64_t offset =
		(real.tv_sec - monotonic.tv_sec) * 1000000000 + (real.tv_nsec - monotonic.tv_nsec);
	int64_t step = offset - r->clock_offset_ns;
	if (r->has_offset && (step >= STEP_NS || step <= -STEP_NS)) {
		struct audit_line line;
		audit_begin(&line, "clock-step");
		audit_integer(&line, "step_ns", step);
		tell(r, &line);
		log_line(LOG_WARNING, "the clock was stepped by %.3f s", (double)step / 1e9);
	}
	r->clock_offset_ns = offset;
	r->has_offset = true;
}

void record_tick(struct record *r)
{
	watch_clock(r);
	if (r->audit)
		note(r, audit_tick(r->audit, host_realtime_ns()));
}

bool record_may_intercept(const struct record *r)
{
	if (!r->config->audit.file || !r->config->audit.stop_when_full)
		return true;
	return r->audit && !r->failing;
}

// --- what is told -----------------------------------------------------------------------------------------------------

static void add_uuid(struct audit_line *line, const char *key, const struct uuid *uuid)
{
	char text[UUID_TEXT];
	uuid_format(uuid, text);
	audit_text(line, key, text);
}

static void add_correlation(struct audit_line *line, uint64_t correlation)
{
	char text[17];
	snprintf(text, sizeof text, "%016" PRIx64, correlation);
	audit_text(line, "correlation", text);
}

static void add_by(struct audit_line *line, const struct record_by *by)
{
	audit_text(line, "by", by->peer ? "command" : by->signal_pid ? "signal" : "x2tap");
	if (by->peer || by->signal_pid) {
		audit_number(line, "uid", by->peer ? by->peer->uid : by->signal_uid);
		audit_number(line, "pid", by->peer ? by->peer->pid : by->signal_pid);
	}
}

// XIDs of one kind of change, gathered into lines.
struct xids {
	struct record *r;
	unsigned generation;
	char what;
	char text[XIDS_A_LINE * UUID_TEXT];
	size_t len;
	unsigned count;
};

static void tell_xids(struct xids *x)
{
	if (x->count == 0)
		return;
	struct audit_line line;
	audit_begin(&line, "task");
	audit_text(&line, "what",
		x->what == 'a'   ? "added"
		: x->what == 'c' ? "changed"
		: x->what == 'r' ? "removed"
				 : "wide");
	audit_number(&line, "generation", x->generation);
	audit_text(&line, "xids", x->text);
	tell(x->r, &line);
	x->len = x->count = 0;
}

static void add_xid(struct xids *x, const struct task *task)
{
	if (x->count)
		x->text[x->len++] = ' ';
	uuid_format(&task->xid, x->text + x->len);
	x->len += UUID_TEXT - 1;
	if (++x->count == XIDS_A_LINE)
		tell_xids(x);
}

static void sort_difference(void *context, char what, const struct task *task)
{
	struct xids *lists = context;
	for (size_t i = 0; i < 3; i++)
		if (lists[i].what == what)
			add_xid(&lists[i], task);
	if (what != 'r' && task->wide)
		add_xid(&lists[3], task);
}

static void tell_differences(struct record *r, const struct record_targets *targets)
{
	struct xids lists[] = {{.what = 'a'}, {.what = 'c'}, {.what = 'r'}, {.what = 'w'}};
	for (size_t i = 0; i < 4; i++) {
		lists[i].r = r;
		lists[i].generation = targets->generation;
	}
	target_set_differences(targets->fresh, targets->current, sort_difference, lists);
	for (size_t i = 0; i < 4; i++)
		tell_xids(&lists[i]);
}

void record_targets(
	struct record *r, const struct record_by *by, const struct record_targets *targets)
{
	if (!r->audit)
		return;
	struct audit_line line;
	audit_begin(&line, "targets");
	audit_bool(&line, "loaded", targets->loaded);
	audit_number(&line, "generation", targets->generation);
	audit_text(&line, "sha256", targets->digest);
	add_by(&line, by);
	if (targets->loaded) {
		audit_number(&line, "added", targets->changes.added);
		audit_number(&line, "changed", targets->changes.changed);
		audit_number(&line, "removed", targets->changes.removed);
		audit_number(&line, "same", targets->changes.same);
	} else {
		audit_text(&line, "problem", targets->problem);
	}
	tell(r, &line);
	if (targets->loaded)
		tell_differences(r, targets);
}

void record_command(struct record *r, const struct control_peer *peer, const char *request,
	const struct uuid *xid, bool refused)
{
	struct audit_line line;
	audit_begin(&line, "command");
	audit_text(&line, "request", request);
	if (xid)
		add_uuid(&line, "xid", xid);
	audit_text(&line, "role", peer->role == CONTROL_LI ? "li" : "operator");
	audit_number(&line, "uid", peer->uid);
	audit_number(&line, "gid", peer->gid);
	audit_number(&line, "pid", peer->pid);
	audit_bool(&line, "refused", refused);
	tell(r, &line);
}

void record_peer(struct record *r, const struct delivery_peer *peer)
{
	struct audit_line line;
	audit_begin(&line, peer->up ? "connection" : "disconnection");
	add_uuid(&line, "did", &peer->did);
	if (!uuid_equal(&peer->did, &peer->destination))
		add_uuid(&line, "dsid", &peer->destination);
	audit_text(&line, "address", peer->address);
	if (peer->up) {
		audit_text(&line, "subject", peer->subject);
		audit_text(&line, "serial", peer->certificate_serial);
		audit_text(&line, "version", peer->version);
		audit_text(&line, "suite", peer->suite);
	} else {
		audit_text(&line, "why", peer->why);
	}
	tell(r, &line);
}

void record_fault(struct record *r, const struct fault *fault, bool begins)
{
	struct audit_line line;
	audit_begin(&line, "outage");
	audit_bool(&line, "begins", begins);
	audit_text(&line, "fault", fault_info(fault->kind)->name);
	if (fault->about[0])
		audit_text(&line, "about", fault->about);
	audit_text(&line, "text", fault->text);
	tell(r, &line);
}

void record_loss(struct record *r, const struct loss_range *range)
{
	static const struct uuid unknown;
	bool known = !uuid_equal(&range->xid, &unknown);
	struct audit_line line;
	audit_begin(&line, range->why == LOSS_ORDER_ENDED   ? "expired"
			   : range->why == LOSS_UNCONFIRMED ? "in-doubt"
							    : "lost");
	audit_text(&line, "why", loss_name(range->why));
	if (!uuid_equal(&range->destination, &unknown))
		add_uuid(&line, "did", &range->destination);
	if (known) {
		add_uuid(&line, "xid", &range->xid);
		add_correlation(&line, range->correlation);
		audit_number(&line, "first", range->first);
		audit_number(&line, "last", range->last);
	}
	audit_number(&line, "count", range->count);
	tell(r, &line);
}

void record_gap(struct record *r, const struct sequence_gap *gap)
{
	struct audit_line line;
	if (gap->last + 1 != gap->first) {
		audit_begin(&line, "unaccounted");
		add_uuid(&line, "xid", &gap->xid);
		add_correlation(&line, gap->correlation);
		audit_number(&line, "first", gap->first);
		audit_number(&line, "last", gap->last);
		audit_number(&line, "count", (uint64_t)(gap->last - gap->first) + 1);
		tell(r, &line);
	}
	if (gap->skipped > 0) {
		audit_begin(&line, "skipped");
		add_uuid(&line, "xid", &gap->xid);
		add_correlation(&line, gap->correlation);
		audit_number(&line, "first", (uint32_t)(gap->last + 1));
		audit_number(&line, "count", gap->skipped);
		tell(r, &line);
	}
}

void record_given_up(struct record *r, uint64_t contexts)
{
	struct audit_line line;
	audit_begin(&line, "sequence-salted");
	audit_number(&line, "contexts", contexts);
	tell(r, &line);
}

void record_forgotten(struct record *r, uint64_t numbers)
{
	struct audit_line line;
	audit_begin(&line, "sequence-forgotten");
	audit_number(&line, "numbers", numbers);
	tell(r, &line);
}

// --- spool segments -----------------------------------------------------------------------------------------------------

static void begin_segment(
	struct audit_line *line, const char *what, const struct uuid *destination, uint64_t number)
{
	audit_begin(line, "spool-segment");
	audit_text(line, "what", what);
	add_uuid(line, "did", destination);
	audit_number(line, "segment", number);
}

void record_segment(struct record *r, const struct uuid *destination, enum spool_event what,
	uint64_t number, uint64_t records)
{
	static const char *const names[] = {[SPOOL_SEGMENT_OPENED] = "opened",
		[SPOOL_SEGMENT_ERASED] = "erased",
		[SPOOL_SEGMENT_FOUND] = "found"};
	segments_note(r->segments, destination, what, number);
	struct audit_line line;
	begin_segment(&line, names[what], destination, number);
	audit_number(&line, "records", records);
	tell(r, &line);
}

static void tell_segment(
	struct record *r, const char *what, const struct uuid *destination, uint64_t number)
{
	struct audit_line line;
	begin_segment(&line, what, destination, number);
	tell(r, &line);
}

static void tell_left(void *context, const struct uuid *destination, uint64_t number)
{
	tell_segment(context, "left", destination, number);
}

static void tell_missing(void *context, const struct uuid *destination, uint64_t number)
{
	struct record *r = context;
	char did[UUID_TEXT];
	tell_segment(r, "missing", destination, number);
	uuid_format(destination, did);
	fault_begin(r->faults, FAULT_SPOOL_MISSING, did,
		"segment %" PRIu64
		" of the last run is gone: what it held is lost. Somebody removed it, or the disk did. A reload takes this message away",
		number);
}

void record_missing_segments(struct record *r, const struct uuid *destination)
{
	segments_missing(r->segments, destination, tell_missing, r);
}

// Told as soon as it is known, since nobody knows how this run will end.
void record_left(struct record *r)
{
	if (r->audit && !r->has_told_left)
		segments_each(r->segments, tell_left, r);
	r->has_told_left = true;
}

void record_stop(struct record *r, const char *how, uint64_t remaining)
{
	struct audit_line line;
	record_left(r);
	audit_begin(&line, "stop");
	audit_text(&line, "how", how);
	audit_number(&line, "undelivered", remaining);
	tell(r, &line);
}
