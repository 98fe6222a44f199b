#include "audit_judge.h"

#include <inttypes.h>

// --- links ----------------------------------------------------------------------------------------------------

static bool follows(const struct log_line *line, const uint8_t hash[VAULT_DIGEST_LEN])
{
	return line && !line->malformed && memcmp(line->prev, hash, VAULT_DIGEST_LEN) == 0;
}

// Where in the window the line stands that follows `hash`: behind `from` before in front of it. AUDIT_AHEAD: nowhere.
static size_t find_next(struct audit_judge *j, const uint8_t hash[VAULT_DIGEST_LEN], size_t from)
{
	for (size_t i = from; i < j->files->ahead_count; i++)
		if (follows(audit_files_ahead(j->files, i), hash))
			return i;
	for (size_t i = 0; i < from; i++)
		if (follows(audit_files_ahead(j->files, i), hash))
			return i;
	return AUDIT_AHEAD;
}

// What the line before the end of all must hash to, as far as is known.
static const uint8_t *next_prev(
	struct audit_judge *j, const struct log_line *line, const struct log_line *behind)
{
	if (behind)
		return !behind->malformed && behind->seq == line->seq + 1 ? behind->prev : NULL;
	return j->head && j->head->lines == line->seq + 1 ? j->head->last : NULL;
}

static void forget(struct audit_judge *j, size_t count)
{
	memmove(j->back, j->back + count, (j->back_count - count) * sizeof *j->back);
	j->back_count -= count;
}

// --- what a good line says -------------------------------------------------------------------------------------

static void check_signature(struct audit_judge *j, const struct log_line *line)
{
	uint8_t wanted[VAULT_DIGEST_LEN];
	if (line->event != EVENT_HEAD)
		return;
	if (!line->has_hmac) {
		if (j->key && j->signed_heads)
			audit_found(j->findings, line->place,
				"not signed: this head carries no HMAC, and heads before it do: it was not "
				"written with the key");
		return;
	}
	if (!j->key) {
		j->unchecked_heads++;
		return;
	}
	// Over the hash it names itself: whether that is the line before is asked elsewhere.
	audit_head_hmac(j->key, line->prev, line->seq, wanted);
	if (vault_equal(wanted, line->hmac, sizeof wanted))
		j->signed_heads++;
	else
		audit_found(j->findings, line->place,
			"wrong HMAC: this head was not signed with this key; all lines since the last good "
			"head may have been rewritten");
}

static void tell_notes(struct audit_judge *j, const struct log_line *line)
{
	if (line->event == EVENT_DAMAGED)
		audit_note(j->findings, line->place,
			"this chain was begun because the one before was damaged; its member \"moved\" "
			"names that");
	else if (line->event == EVENT_UNCONFIRMED)
		audit_note(j->findings, line->place,
			"x2tap found lines before this one that its head did not name: it had been killed "
			"or power was lost there, or somebody added them");
	else if (line->event == EVENT_MISSING)
		audit_note(j->findings, line->place,
			"lines are missing here that could not be written");
}

// The name of a rotated file says with which line it begins.
static void check_name(struct audit_judge *j, const struct log_line *line, uint64_t seq)
{
	uint64_t named = j->files->is_rotated ? j->files->name_first : line->place.file;
	if (line->place.line != 1 || (line->place.file == THE_LOG && !j->files->is_rotated) ||
		named == seq)
		return;
	audit_found(j->findings, line->place,
		"renamed, or its beginning removed: by its name the file begins with line no. %" PRIu64
		", and this is no. %" PRIu64,
		named, seq);
}

// Asked as soon as it is sure that the line stays in the chain.
static void check_remembered(struct audit_judge *j, struct log_past *p)
{
	if (!j->head || j->head->lines != p->next_most || p->reported || p->place.line == 0 ||
		memcmp(j->head->last, p->hash, VAULT_DIGEST_LEN) == 0)
		return;
	p->reported = true;
	audit_found(j->findings, p->place,
		"changed: the head remembers another line no. %" PRIu64
		" than this: it, or the lines up to it, were rewritten",
		p->next_most - 1);
}

// Takes a line into the chain with the numbers the next line may have.
static void accept(struct audit_judge *j, const struct log_line *line, uint64_t least,
	uint64_t most, bool reported)
{
	check_remembered(j, &j->back[0]);
	memmove(j->back + 1, j->back, (AUDIT_BACK - 1) * sizeof *j->back);
	j->back_count += j->back_count < AUDIT_BACK;
	struct log_past *p = &j->back[0];
	*p = (struct log_past){
		line->place, least, most, {0}, line->malformed, reported, line->event};
	memcpy(p->hash, line->hash, sizeof p->hash);
	j->count++;
	if (line->malformed)
		return;
	if (!j->seen_first) {
		j->seen_first = true;
		j->first_seq = line->seq;
		memcpy(j->first_time, line->time, sizeof j->first_time);
	}
	memcpy(j->last_time, line->time, sizeof j->last_time);
	check_signature(j, line);
	tell_notes(j, line);
	if (line->ends_file && !reported) {
		p->reported = true;
		audit_found(j->findings, line->place,
			"cut short: the end of this line is missing: x2tap was killed or lost power while "
			"it wrote it (its next start says so in a line \"torn\"), or somebody cut it");
	}
}

// --- what happened ---------------------------------------------------------------------------------------------

static void changed_past(struct audit_judge *j, struct log_past *p)
{
	if (p->reported)
		return;
	p->reported = true;
	if (p->place.line == 0)
		return;
	audit_found(j->findings, p->place,
		"changed: this line is not what it was when the line behind it was written");
}

// The line follows the last one.
static void take_next(struct audit_judge *j, const struct log_line *line)
{
	struct log_past *last = &j->back[0];
	const struct log_line *behind = audit_files_ahead(j->files, 1);
	bool numbered = line->seq >= last->next_least && line->seq <= last->next_most;
	uint64_t seq = line->seq;
	if (numbered) {
		check_name(j, line, seq);
	} else {
		audit_found(j->findings, line->place,
			"changed: its sequence number is %" PRIu64 " and must be %" PRIu64,
			line->seq, last->next_most);
		if (!behind || behind->malformed || behind->seq != line->seq + 1 ||
			!follows(behind, line->hash))
			seq = last->next_most;
	}
	accept(j, line, seq + 1, seq + 1, !numbered);
	audit_files_consume(j->files, 1);
}

// The first lines of the window are those that follow, in another order: how many; 0: they are not.
static size_t order_changed(struct audit_judge *j, size_t order[static AUDIT_AHEAD])
{
	size_t count = 0, farthest = 0, at = 0;
	const uint8_t *hash = j->back[0].hash;
	while (count < AUDIT_AHEAD) {
		at = find_next(j, hash, at);
		if (at == AUDIT_AHEAD)
			return 0;
		order[count++] = at;
		farthest = at > farthest ? at : farthest;
		hash = audit_files_ahead(j->files, at)->hash;
		if (count == farthest + 1)
			return count;
	}
	return 0;
}

static void take_reordered(
	struct audit_judge *j, const size_t order[static AUDIT_AHEAD], size_t count)
{
	struct audit_place_text text;
	if (count == 2)
		audit_found(j->findings, audit_files_ahead(j->files, 0)->place,
			"swapped: this line and %s stand in each other's place",
			audit_place_text(
				j->findings, audit_files_ahead(j->files, 1)->place, &text));
	else
		audit_found(j->findings, audit_files_ahead(j->files, 0)->place,
			"swapped: the %zu lines from here to %s are not in the order they were written in",
			count,
			audit_place_text(
				j->findings, audit_files_ahead(j->files, count - 1)->place, &text));
	for (size_t i = 0; i < count; i++) {
		const struct log_line *line = audit_files_ahead(j->files, order[i]);
		accept(j, line, line->seq + 1, line->seq + 1, true);
	}
	audit_files_consume(j->files, count);
}

static bool is_copy(struct audit_judge *j, const struct log_line *line, struct log_place *of)
{
	for (size_t i = 0; i < j->back_count; i++)
		if (memcmp(j->back[i].hash, line->hash, VAULT_DIGEST_LEN) == 0) {
			*of = j->back[i].place;
			return true;
		}
	return false;
}

static void found_inserted(struct audit_judge *j, const struct log_line *line)
{
	struct log_place of;
	struct audit_place_text text;
	if (is_copy(j, line, &of))
		audit_found(j->findings, line->place, "inserted: this line is a copy of %s",
			audit_place_text(j->findings, of, &text));
	else
		audit_found(
			j->findings, line->place, "inserted: this line is no part of the chain");
}

// Two lines claim the same place: `older` lines back there is one that this line follows.
static void take_rival(struct audit_judge *j, const struct log_line *line, size_t older)
{
	struct log_place of;
	if (is_copy(j, line, &of)) {
		found_inserted(j, line);
		audit_files_consume(j->files, 1);
		return;
	}
	for (size_t i = older; i-- > 0;) {
		struct log_past *p = &j->back[i];
		if (!p->reported)
			audit_found(j->findings, p->place,
				"inserted: this line is no part of the chain, which goes on behind it");
	}
	forget(j, older);
	accept(j, line, line->seq + 1, line->seq + 1, false);
	audit_files_consume(j->files, 1);
}

static void take_malformed(struct audit_judge *j, const struct log_line *line)
{
	const struct log_past *last = &j->back[0];
	uint64_t least = last->malformed ? last->next_least : last->next_least + 1;
	if (line->merged > 1)
		audit_found(j->findings, line->place,
			"changed: the end of line between %zu lines is missing, so they stand as one",
			line->merged);
	else if (line->ends_file)
		audit_found(j->findings, line->place,
			"cut short: the line is not whole: x2tap was killed or lost power while it wrote it "
			"(its next start says so in a line \"torn\"), or somebody cut it");
	else
		audit_found(j->findings, line->place, "changed, not JSON as x2tap writes it: %s",
			line->malformed);
	accept(j, line, least, last->next_most + line->merged, true);
	audit_files_consume(j->files, 1);
}

// Whether the line would be the one with hash `wanted` if it named the line before it by `prev`.
static bool is_with_link(struct log_line *line, const uint8_t prev[VAULT_DIGEST_LEN],
	const uint8_t wanted[VAULT_DIGEST_LEN])
{
	char right[VAULT_HEX_LEN + 1], own[VAULT_HEX_LEN + 1], *link = NULL;
	uint8_t hash[VAULT_DIGEST_LEN];
	vault_hex(prev, right);
	vault_hex(line->prev, own);
	for (char *at = line->text, *end = at + line->len;
		(at = memmem(at, (size_t)(end - at), own, VAULT_HEX_LEN)); at++)
		link = at; // it stands last
	if (!link)
		return false;
	memcpy(link, right, VAULT_HEX_LEN);
	vault_sha256(bytes_of(line->text, line->len), (struct bytes){0}, hash);
	memcpy(link, own, VAULT_HEX_LEN);
	return memcmp(wanted, hash, sizeof hash) == 0;
}

// The number is right and the link is not: the line before was changed, or this line's link was.
static void take_unlinked(struct audit_judge *j, struct log_line *line)
{
	struct log_past *last = &j->back[0];
	const uint8_t *wanted = next_prev(j, line, audit_files_ahead(j->files, 1));
	bool changed = last->place.line == 0 || // nothing before that could have been
	               (wanted && memcmp(wanted, line->hash, VAULT_DIGEST_LEN) != 0 &&
			       is_with_link(line, last->hash, wanted));
	if (changed)
		audit_found(j->findings, line->place,
			"changed: its hash of the line before (\"prev\") is another");
	else
		changed_past(j, last);
	accept(j, line, line->seq + 1, line->seq + 1, changed);
	audit_files_consume(j->files, 1);
}

static void found_removed(struct audit_judge *j, const struct log_line *line)
{
	const struct log_past *last = &j->back[0];
	struct audit_place_text before;
	uint64_t from = last->next_most, count = line->seq - from;
	audit_place_text(j->findings, last->place, &before);
	bool whole_file = line->event == EVENT_ROTATED && line->place.line == 1 &&
	                  (last->place.line == 0 || last->event == EVENT_HEAD);
	if (whole_file)
		audit_found(j->findings, line->place,
			"removed: %" PRIu64 " lines before this one (no. %" PRIu64 " to %" PRIu64
			"): the rotated file %s.%012" PRIu64 " is missing (the line before is %s)",
			count, from, line->seq - 1, j->files->file, from, before.text);
	else if (count == 1)
		audit_found(j->findings, line->place,
			"removed: one line before this one (no. %" PRIu64 "), behind %s", from,
			before.text);
	else
		audit_found(j->findings, line->place,
			"removed: %" PRIu64 " lines before this one (no. %" PRIu64 " to %" PRIu64
			"), behind %s",
			count, from, line->seq - 1, before.text);
	if (!whole_file && line->place.line == 1)
		return;
	check_name(j, line, line->seq);
}

// The head names the last line taken as the last of all: what does not follow it has no place.
static bool is_confirmed_end(const struct audit_judge *j)
{
	const struct log_past *last = &j->back[0];
	return j->head && j->head->lines == last->next_most &&
	       memcmp(j->head->last, last->hash, VAULT_DIGEST_LEN) == 0;
}

void audit_judge_next(struct audit_judge *j)
{
	struct log_line *line = audit_files_ahead(j->files, 0);
	struct log_past *last = &j->back[0];
	size_t order[AUDIT_AHEAD];
	if (follows(line, last->hash)) {
		take_next(j, line);
		return;
	}
	if (is_confirmed_end(j) && !line->ends_file) {
		found_inserted(j, line);
		audit_files_consume(j->files, 1);
		return;
	}
	size_t next = find_next(j, last->hash, 0);
	if (next != AUDIT_AHEAD) {
		size_t reordered = order_changed(j, order);
		if (reordered) {
			take_reordered(j, order, reordered);
			return;
		}
		for (size_t i = 0; i < next; i++)
			found_inserted(j, audit_files_ahead(j->files, i));
		audit_files_consume(j->files, next);
		return;
	}
	for (size_t i = 1; !line->malformed && i < j->back_count; i++)
		if (follows(line, j->back[i].hash)) {
			take_rival(j, line, i);
			return;
		}
	if (line->malformed) {
		take_malformed(j, line);
		return;
	}
	if (line->seq > last->next_most) {
		found_removed(j, line);
		accept(j, line, line->seq + 1, line->seq + 1, false);
		audit_files_consume(j->files, 1);
	} else if (line->seq < last->next_least) {
		audit_found(j->findings, line->place,
			"inserted, or moved here: this line is no. %" PRIu64 ", and no. %" PRIu64
			" must stand here",
			line->seq, last->next_least);
		accept(j, line, line->seq + 1, line->seq + 1, true);
		audit_files_consume(j->files, 1);
	} else {
		take_unlinked(j, line);
	}
}

// --- the first line and the last ---------------------------------------------------------------------------------

// What the first line must follow: nothing, or in a single file what it says itself.
void audit_judge_begin(struct audit_judge *j)
{
	struct log_past origin = {.place = {THE_LOG, 0}};
	const struct log_line *first = audit_files_ahead(j->files, 0);
	if (j->files->single && first && !first->malformed) {
		origin.next_least = origin.next_most = first->seq;
		memcpy(origin.hash, first->prev, sizeof origin.hash);
	} else if (j->files->single) {
		origin.next_most = UINT64_MAX / 2;
		origin.malformed = true;
	}
	j->back[0] = origin;
	j->back_count = 1;
}

const struct log_past *audit_judge_end(struct audit_judge *j)
{
	check_remembered(j, &j->back[0]);
	return &j->back[0];
}
