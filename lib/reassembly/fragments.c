#include "fragments.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>

#include "digest_table.h"
#include "pages.h"
#include "partial.h"

enum {
	CACHE_LINE = 64,
	PAGE = 4096,
	EXPIRED_AT_ONCE = 2, // more than the one that a fragment may add, so that dead datagrams do not pile up
};
static const size_t MEMORY_MIN = 128 * 1024;
static const uint32_t NONE = DIGEST_TABLE_NONE;
static_assert(128 * 1024 / PARTIAL_BLOCK >= PARTIAL_BLOCKS); // the least pool holds the longest datagram

enum state {
	WAITING,
	DROPPED,  // to know the rest of it
	UNWANTED, // to know the rest of it; `partial` says when that was all
};

struct datagram {
	alignas(CACHE_LINE) struct digest name;
	uint64_t first_ns;     // when the first of its fragments came
	uint32_t older, newer; // in the list of those that wait
	uint8_t state;
	uint8_t protocol; // once `begun`
	bool begun;       // the fragment with offset 0 came
	struct partial partial;
};
static_assert(sizeof(struct datagram) == FRAGMENTS_OCTETS_PER_DATAGRAM);

struct fragments {
	size_t mapped;
	struct hash_key key;
	uint64_t timeout_ns;
	struct digest_table table;
	struct datagram *datagrams; // by entry of the table
	uint32_t oldest, newest;    // of those that wait: entries, or NONE
	uint32_t waiting;
	struct block_pool pool;
	uint8_t *whole[2]; // the datagrams that were completed last: a fragment of the one may stand in the other
	bool second;       // whole[second] is the last one
	struct fragments_counters counters;
	void (*changed)(void *context, const struct digest *name, bool kept);
	void *changed_context;
};

// --- memory --------------------------------------------------------------------------------------------------

// Places the parts in the mapping; returns the size of all.
static size_t place(struct fragments *f, uint8_t *base, uint32_t datagrams, uint32_t blocks)
{
	size_t used = 0;
	pages_carve(base, &used, sizeof *f);
	f->datagrams = pages_carve(base, &used, datagrams * sizeof *f->datagrams);
	f->pool.free = pages_carve(base, &used, blocks * sizeof *f->pool.free);
	f->pool.octets = pages_carve(base, &used, (size_t)blocks * PARTIAL_BLOCK);
	for (size_t i = 0; i < 2; i++)
		f->whole[i] = pages_carve(base, &used, (size_t)PARTIAL_BLOCKS * PARTIAL_BLOCK);
	return (used + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static struct fragments *map(uint32_t datagrams, uint32_t blocks)
{
	struct fragments sizes;
	size_t mapped = place(&sizes, NULL, datagrams, blocks);
	uint8_t *base = pages_take(mapped);
	if (!base)
		return NULL;
	struct fragments *f = (struct fragments *)(void *)base;
	place(f, base, datagrams, blocks);
	f->mapped = mapped;
	f->pool.count = blocks;
	block_pool_init(&f->pool);
	return f;
}

struct fragments *fragments_new(const struct fragments_config *config, const struct hash_key *key)
{
	size_t blocks = config->memory / PARTIAL_BLOCK;
	struct digest_table table;
	int rc = config->memory < MEMORY_MIN || blocks > UINT32_MAX
	                 ? -EINVAL
	                 : digest_table_init(&table, config->max_datagrams);
	if (rc < 0) {
		errno = -rc;
		return NULL;
	}
	struct fragments *f = map(config->max_datagrams, (uint32_t)blocks);
	if (!f) {
		digest_table_fini(&table);
		errno = ENOMEM;
		return NULL;
	}
	f->key = *key;
	f->timeout_ns = config->timeout_ns;
	f->table = table;
	f->oldest = f->newest = NONE;
	return f;
}

void fragments_free(struct fragments *f)
{
	if (!f)
		return;
	digest_table_fini(&f->table);
	pages_free(f, f->mapped);
}

void fragments_watch(struct fragments *f,
	void (*changed)(void *context, const struct digest *name, bool kept), void *context)
{
	f->changed = changed;
	f->changed_context = context;
}

const struct fragments_counters *fragments_counters(const struct fragments *f)
{
	return &f->counters;
}

uint32_t fragments_incomplete(const struct fragments *f)
{
	return f->waiting;
}

// --- the list of datagrams that wait, oldest first -------------------------------------------------------------

static uint32_t entry_of(const struct fragments *f, const struct datagram *d)
{
	return (uint32_t)(d - f->datagrams);
}

static void begin_waiting(struct fragments *f, struct datagram *d)
{
	uint32_t entry = entry_of(f, d);
	d->state = WAITING;
	d->older = f->newest;
	d->newer = NONE;
	if (f->newest == NONE)
		f->oldest = entry;
	else
		f->datagrams[f->newest].newer = entry;
	f->newest = entry;
	f->waiting++;
}

// Gives its blocks back too.
static void end_waiting(struct fragments *f, struct datagram *d)
{
	if (d->older == NONE)
		f->oldest = d->newer;
	else
		f->datagrams[d->older].newer = d->newer;
	if (d->newer == NONE)
		f->newest = d->older;
	else
		f->datagrams[d->newer].older = d->older;
	f->waiting--;
	partial_release(&d->partial, &f->pool);
}

// --- datagrams come and go -------------------------------------------------------------------------------------

static void tell(struct fragments *f, const struct digest *name, bool kept)
{
	if (f->changed)
		f->changed(f->changed_context, name, kept);
}

// A datagram that still waits is one more of `fate`; the others have been counted.
static void forget(struct fragments *f, struct datagram *d, uint64_t *fate)
{
	if (d->state == WAITING) {
		end_waiting(f, d);
		++*fate;
	}
	digest_table_remove(&f->table, entry_of(f, d));
	tell(f, &d->name, false);
}

static bool is_expired(const struct fragments *f, const struct datagram *d, uint64_t time_ns)
{
	uint64_t age = time_ns > d->first_ns ? time_ns - d->first_ns : d->first_ns - time_ns;
	return age > f->timeout_ns;
}

static void expire_oldest(struct fragments *f, uint64_t time_ns)
{
	for (unsigned i = 0; i < EXPIRED_AT_ONCE; i++) {
		uint32_t oldest = digest_table_oldest(&f->table);
		if (oldest == NONE || !is_expired(f, &f->datagrams[oldest], time_ns))
			return;
		forget(f, &f->datagrams[oldest], &f->counters.timed_out);
	}
}

static struct datagram *start(struct fragments *f, const struct digest *name, uint64_t time_ns)
{
	if (f->table.count == f->table.capacity)
		forget(f, &f->datagrams[digest_table_oldest(&f->table)], &f->counters.given_up);
	struct datagram *d = &f->datagrams[digest_table_add(&f->table, name)];
	d->name = *name;
	d->first_ns = time_ns;
	d->begun = false;
	partial_begin(&d->partial);
	begin_waiting(f, d);
	f->counters.started++;
	tell(f, name, true);
	return d;
}

static struct datagram *find_or_start(
	struct fragments *f, const struct digest *name, uint64_t time_ns)
{
	uint32_t entry = digest_table_find(&f->table, name);
	if (entry == NONE)
		return start(f, name, time_ns);
	struct datagram *d = &f->datagrams[entry];
	if (!is_expired(f, d, time_ns))
		return d;
	forget(f, d, &f->counters.timed_out);
	return start(f, name, time_ns);
}

// The oldest that wait give way until the pool has `blocks` for `d`. Each of them has at least one, and all blocks together are
// enough for any `d`.
static void make_room(struct fragments *f, const struct datagram *d, uint32_t blocks)
{
	while (f->pool.free_count < blocks) {
		uint32_t oldest = f->oldest == entry_of(f, d) ? d->newer : f->oldest;
		forget(f, &f->datagrams[oldest], &f->counters.given_up);
	}
}

// --- a fragment ------------------------------------------------------------------------------------------------

// FRAGMENTS_KEPT when it has none.
static enum fragments_result defect_of(const struct packet *fragment)
{
	uint32_t offset = fragment->fragment.offset;
	size_t len = fragment->payload.len;
	if (len == 0)
		return FRAGMENTS_TINY;
	if (offset > PARTIAL_OCTETS_MAX || len > PARTIAL_OCTETS_MAX - offset)
		return FRAGMENTS_OVERLONG;
	if (offset % PARTIAL_UNIT || (fragment->fragment.more && len % PARTIAL_UNIT))
		return FRAGMENTS_MISALIGNED;
	return FRAGMENTS_KEPT;
}

static enum fragments_result drop(
	struct fragments *f, struct datagram *d, enum fragments_result reason)
{
	end_waiting(f, d);
	d->state = DROPPED;
	f->counters.dropped++;
	return reason;
}

static enum fragments_result pass(
	struct fragments *f, struct datagram *d, const struct packet *fragment)
{
	if (d->state == WAITING) {
		end_waiting(f, d);
		d->state = UNWANTED;
		f->counters.passed++;
	}
	uint32_t offset = fragment->fragment.offset;
	struct bytes octets = fragment->payload;
	bool more = fragment->fragment.more;
	if (partial_contradicts(&d->partial, &f->pool, offset, octets, more))
		return FRAGMENTS_PASSED; // says nothing about when that was all
	partial_mark(&d->partial, offset, octets.len, more);
	if (partial_is_complete(&d->partial))
		forget(f, d, NULL);
	return FRAGMENTS_PASSED;
}

static bool contradicts(
	const struct fragments *f, const struct datagram *d, const struct packet *fragment)
{
	// IPv6: the Next Header of the first fragment counts (RFC 8200 section 4.5), so there must be only one.
	if (fragment->fragment.offset == 0 && d->begun && fragment->flow.protocol != d->protocol)
		return true;
	return partial_contradicts(&d->partial, &f->pool, fragment->fragment.offset,
		fragment->payload, fragment->fragment.more);
}

static enum fragments_result complete(
	struct fragments *f, struct datagram *d, const struct packet *fragment)
{
	// What completes a datagram needs no block: it goes straight to its place.
	f->second = !f->second;
	uint8_t *whole = f->whole[f->second];
	partial_gather(&d->partial, &f->pool, whole);
	memcpy(whole + fragment->fragment.offset, fragment->payload.at, fragment->payload.len);
	forget(f, d, &f->counters.completed);
	return FRAGMENTS_COMPLETE;
}

static enum fragments_result keep(
	struct fragments *f, struct datagram *d, const struct packet *fragment)
{
	uint32_t offset = fragment->fragment.offset;
	struct bytes octets = fragment->payload;
	if (!partial_mark(&d->partial, offset, octets.len, fragment->fragment.more))
		return FRAGMENTS_REPEATED;
	if (partial_is_complete(&d->partial))
		return complete(f, d, fragment);
	make_room(f, d, partial_blocks_needed(&d->partial, offset, octets.len));
	partial_store(&d->partial, &f->pool, offset, octets);
	return FRAGMENTS_KEPT;
}

static enum fragments_result take_first(struct fragments *f, struct datagram *d,
	const struct packet *fragment, fragments_wanted *wanted, void *context)
{
	struct packet first = *fragment;
	enum packet_class class = packet_peek(&first);
	if (class == PACKET_TRUNCATED)
		return drop(f, d, FRAGMENTS_TINY);
	d->begun = true;
	d->protocol = fragment->flow.protocol;
	if (wanted && !wanted(context, &first, class))
		return pass(f, d, fragment);
	return keep(f, d, fragment);
}

static enum fragments_result take(struct fragments *f, struct datagram *d,
	const struct packet *fragment, fragments_wanted *wanted, void *context)
{
	enum fragments_result defect = defect_of(fragment);
	if (d->state == DROPPED)
		return FRAGMENTS_IGNORED;
	if (d->state == UNWANTED)
		return defect == FRAGMENTS_KEPT ? pass(f, d, fragment) : FRAGMENTS_PASSED;
	if (defect != FRAGMENTS_KEPT)
		return drop(f, d, defect);
	if (contradicts(f, d, fragment))
		return drop(f, d, FRAGMENTS_OVERLAP);
	if (fragment->fragment.offset == 0 && !d->begun)
		return take_first(f, d, fragment, wanted, context);
	return keep(f, d, fragment);
}

enum fragments_result fragments_take(struct fragments *f, const struct packet *fragment,
	uint64_t time_ns, fragments_wanted *wanted, void *context, uint8_t *protocol,
	struct bytes *datagram)
{
	struct digest name = fragments_name(&f->key, fragment);
	expire_oldest(f, time_ns);
	struct datagram *d = find_or_start(f, &name, time_ns);
	enum fragments_result result = take(f, d, fragment, wanted, context);
	f->counters.taken++;
	f->counters.results[result]++;
	if (result == FRAGMENTS_COMPLETE) { // forgotten, but nothing took its place yet
		*protocol = d->protocol;
		*datagram = bytes_of(f->whole[f->second], d->partial.end);
	}
	return result;
}

struct digest fragments_name(const struct hash_key *key, const struct packet *fragment)
{
	const struct flow *flow = &fragment->flow;
	size_t address_len = flow->source.family == 4 ? 4 : 16;
	uint8_t octets[48];
	struct writer w = writer_of(octets, sizeof octets);
	write_be64(&w, fragment->outer.scope);
	write_u8(&w, flow->source.family);
	// RFC 791 section 3.2 names a datagram by its protocol too, RFC 8200 section 4.5 does not.
	write_u8(&w, flow->source.family == 4 ? flow->protocol : 0);
	write_be32(&w, fragment->fragment.identification);
	write_bytes(&w, bytes_of(flow->source.octets, address_len));
	write_bytes(&w, bytes_of(flow->destination.octets, address_len));
	return siphash128(key, writer_bytes(&w));
}

static const struct {
	const char *name, *help;
} results[FRAGMENTS_RESULTS] = {
	[FRAGMENTS_COMPLETE] = {"complete", "completed their datagram"},
	[FRAGMENTS_KEPT] = {"kept", "waited for others of their datagram"},
	[FRAGMENTS_REPEATED] = {"repeated", "said nothing that was not there"},
	[FRAGMENTS_PASSED] = {"passed", "of datagrams in which nothing is looked for"},
	[FRAGMENTS_OVERLAP] = {"overlap",
		"contradicted what was there, so the datagram was dropped"},
	[FRAGMENTS_TINY] = {"tiny",
		"empty, or the first without a whole transport header: the datagram was dropped"},
	[FRAGMENTS_OVERLONG] = {"overlong",
		"reached behind octet 65,535, so the datagram was dropped"},
	[FRAGMENTS_MISALIGNED] = {"misaligned",
		"not the last and no multiple of 8 octets, so the datagram was dropped"},
	[FRAGMENTS_IGNORED] = {"ignored", "of datagrams dropped before"},
};

const char *fragments_result_name(enum fragments_result result)
{
	return results[result].name;
}

const char *fragments_result_help(enum fragments_result result)
{
	return results[result].help;
}
