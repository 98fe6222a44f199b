#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "outbox.h"

// The outbox on a real spool: what a killed process leaves is what the next one sends.

enum { MAX_PDUS = 4000, LEN = 200, RUNS = 12, OFFSET = 1000000 };

// What a process that is killed has done, in memory that outlives it.
struct seen {
	uint32_t offered; // numbers from 1
	uint8_t written[MAX_PDUS], told[MAX_PDUS];
	uint8_t at_risk[MAX_PDUS]; // the killed one may have taken it with it
	uint64_t offered_ms[MAX_PDUS];
	uint64_t now_ms, safe_before;
};

static struct seen *seen;
static char directory[64];
static const struct uuid the_did = {{0xd2}};
static const struct vault_key kek = {{7}};
static uint32_t seed = 5;

static uint32_t random_below(uint32_t limit)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * limit >> 32);
}

static void lost(void *context, const struct uuid *destination, enum delivery_loss why,
	const struct uuid *xid, uint64_t correlation, uint32_t sequence, uint64_t count)
{
	(void)context, (void)destination, (void)why, (void)correlation, (void)count;
	assert_non_null(xid);
	seen->told[sequence] = 1;
}

static const struct delivery_hooks hooks = {.lost = lost};

static void open_outbox(struct outbox *o)
{
	const struct spool_settings settings = {.directory = directory,
		.did = the_did,
		.kek = &kek,
		.max_octets = 16 << 20,
		.segment_octets = 64 << 10};
	assert_int_equal(outbox_init(o, &the_did, 20 * queue_cost(LEN), 1000, &hooks), 0);
	if (outbox_set_spool(o, &settings) < 0)
		fail_msg("%s", outbox_spool_fault(o));
	outbox_poll(o, seen->now_ms, seen->now_ms + OFFSET);
}

static void offer(struct outbox *o)
{
	uint8_t octets[LEN];
	uint32_t number = ++seen->offered;
	assert_true(number < MAX_PDUS);
	memset(octets, (int)number, sizeof octets);
	memcpy(octets, &number, sizeof number);
	seen->offered_ms[number] = seen->now_ms;
	struct delivery_pdu pdu = {.sequence = number, .octets = bytes_of(octets, LEN)};
	assert_int_equal(outbox_offer(o, &pdu, seen->now_ms), 0);
}

static uint32_t write_batch(struct outbox *o, uint32_t last)
{
	struct bytes batch = outbox_batch(o, 1000);
	for (size_t at = 0; at < batch.len; at += LEN) {
		uint32_t number;
		memcpy(&number, batch.at + at, sizeof number);
		assert_true(number > last && number <= seen->offered);
		assert_int_equal(batch.at[at + LEN - 1], (uint8_t)number);
		last = number;
		seen->written[number] = 1;
	}
	if (batch.len)
		outbox_batch_written(o, true);
	return last;
}

static void live_and_be_killed(void)
{
	static struct outbox o;
	uint32_t last = 0;
	open_outbox(&o);
	for (uint32_t left = 20 + random_below(600); left > 0; left--) {
		switch (random_below(6)) {
		case 0:
		case 1:
		case 2:
			offer(&o);
			break;
		case 3:
			last = write_batch(&o, last);
			break;
		case 4:
			if (random_below(4) == 0)
				outbox_confirm(&o, outbox_position(&o));
			break;
		default:
			seen->now_ms += random_below(30);
			outbox_poll(&o, seen->now_ms, seen->now_ms + OFFSET);
		}
		assert_true(delivery_law_holds(&o.counters));
		seen->safe_before = outbox_safe_before(&o, seen->now_ms);
	}
	kill(getpid(), SIGKILL);
}

static void wait_for_death(pid_t child)
{
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static void what_a_killed_process_had_spooled_is_sent_by_the_next(void **state)
{
	(void)state;
	static struct outbox o;
	snprintf(directory, sizeof directory, "/tmp/x2tap-outbox-XXXXXX");
	assert_non_null(mkdtemp(directory));
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(seen, MAP_FAILED);
	seen->now_ms = 1000;
	uint64_t restored = 0;
	for (int run = 0; run < RUNS; run++) {
		uint32_t before = seen->offered;
		seed += 77;
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			live_and_be_killed();
		wait_for_death(child);
		for (uint32_t i = before + 1; i <= seen->offered; i++)
			seen->at_risk[i] = seen->offered_ms[i] >= seen->safe_before;
		if (run % 3 < 2)
			continue; // the next one finds it, and lives on
		uint32_t last = 0;
		open_outbox(&o);
		restored += o.counters.restored;
		while (!outbox_is_empty(&o)) {
			last = write_batch(&o, last);
			outbox_confirm(&o, outbox_position(&o));
			seen->now_ms += 10;
			outbox_poll(&o, seen->now_ms, seen->now_ms + OFFSET);
			assert_true(delivery_law_holds(&o.counters));
		}
		assert_int_equal(o.counters.lost_spool_damaged, 0);
		outbox_fini(&o);
		for (uint32_t i = 1; i <= seen->offered; i++)
			assert_true(seen->written[i] || seen->told[i] || seen->at_risk[i]);
		open_outbox(&o); // and nothing comes twice
		assert_int_equal(o.counters.restored, 0);
		outbox_fini(&o);
	}
	assert_true(restored > 100);
	munmap(seen, sizeof *seen);
	assert_int_equal(nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_killed_process_had_spooled_is_sent_by_the_next),
	};
	return cmocka_run_group_tests_name("outbox_disk", tests, NULL, NULL);
}
