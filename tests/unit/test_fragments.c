#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "fragments.h"
#include "fragments_oracle.h"

enum { TCP = 6, UDP = 17, DESTINATION_OPTIONS = 60, LONGEST = 65535 };
enum { MEMORY = 128 * 1024 };
static const struct hash_key KEY = {5, 6};
static const uint64_t SECOND = 1000000000, START = 1700000000000000000;
static const uint64_t TIMEOUT = 5000000000;

// --- a table under test ----------------------------------------------------------------------------------------

struct table {
	struct fragments *f;
	uint64_t now;
	bool unwanted;
	unsigned asked; // how often
	struct packet asked_about;
	enum packet_class asked_class;
	uint8_t protocol; // of the datagram completed last
	struct bytes whole;
	unsigned begun, ended; // told by fragments_watch()
	struct digest told;
};

static struct table table_of(uint32_t max_datagrams, size_t memory)
{
	const struct fragments_config config = {max_datagrams, memory, TIMEOUT};
	struct table t = {.f = fragments_new(&config, &KEY), .now = START};
	assert_non_null(t.f);
	return t;
}

static bool is_wanted(void *context, const struct packet *first, enum packet_class class)
{
	struct table *t = context;
	t->asked++;
	t->asked_about = *first;
	t->asked_class = class;
	return !t->unwanted;
}

static void check_laws(const struct fragments *f)
{
	const struct fragments_counters *c = fragments_counters(f);
	uint64_t sum = 0;
	for (unsigned i = 0; i < FRAGMENTS_RESULTS; i++)
		sum += c->results[i];
	assert_int_equal(c->taken, sum);
	assert_int_equal(c->started, c->completed + c->given_up + c->timed_out + c->dropped +
					     c->passed + fragments_incomplete(f));
	assert_int_equal(c->completed, c->results[FRAGMENTS_COMPLETE]);
	assert_int_equal(c->dropped,
		c->results[FRAGMENTS_OVERLAP] + c->results[FRAGMENTS_TINY] +
			c->results[FRAGMENTS_OVERLONG] + c->results[FRAGMENTS_MISALIGNED]);
}

static void table_end(struct table *t)
{
	check_laws(t->f);
	fragments_free(t->f);
}

static struct packet packet_of(uint8_t family, uint32_t identification)
{
	return (struct packet){
		.flow = {.source = {{192, 0, 2, 1}, family},
			.destination = {{198, 51, 100, 2}, family},
			.protocol = UDP},
		.fragment = {.identification = identification},
	};
}

// The octets lie in a heap block of exactly their size, which is gone afterwards.
static enum fragments_result take_octets(struct table *t, const struct packet *of, uint32_t offset,
	struct bytes octets, bool more)
{
	struct packet packet = *of;
	uint8_t *exact = exact_copy(octets.at, octets.len);
	packet.payload = bytes_of(exact, octets.len);
	packet.fragment.offset = offset;
	packet.fragment.more = more;
	enum fragments_result result = fragments_take(
		t->f, &packet, t->now, is_wanted, t, &t->protocol, &t->whole);
	free(exact);
	check_laws(t->f);
	return result;
}

// A UDP datagram from port 5060 to 5062. Any two octets 8 apart differ, so that an octet in the wrong place shows.
static const uint8_t *sample(void)
{
	static uint8_t octets[LONGEST + 8];
	if (octets[0])
		return octets;
	uint32_t random = 1;
	for (size_t i = 0; i < sizeof octets; i++) {
		random = random * 1103515245 + 12345;
		octets[i] = (uint8_t)(random >> 16);
	}
	memcpy(octets, (const uint8_t[]){0x13, 0xc4, 0x13, 0xc6, 0, 0, 0, 0}, 8);
	return octets;
}

static enum fragments_result take(
	struct table *t, const struct packet *of, uint32_t offset, size_t len, bool more)
{
	return take_octets(t, of, offset, bytes_of(sample() + offset, len), more);
}

static enum fragments_result take_altered(struct table *t, const struct packet *of, uint32_t offset,
	size_t len, bool more, size_t altered)
{
	uint8_t *octets = exact_copy(sample() + offset, len);
	octets[altered] ^= 1;
	enum fragments_result result = take_octets(t, of, offset, bytes_of(octets, len), more);
	free(octets);
	return result;
}

static void assert_whole(const struct table *t, size_t len)
{
	assert_int_equal(t->whole.len, len);
	assert_memory_equal(t->whole.at, sample(), len);
	assert_int_equal(t->protocol, UDP);
}

// --- put together ----------------------------------------------------------------------------------------------

static void two_fragments_make_a_datagram(void **state)
{
	(void)state;
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct table t = table_of(4, MEMORY);
		struct packet p = packet_of(family, 7);
		assert_int_equal(take(&t, &p, 0, 1480, true), FRAGMENTS_KEPT);
		assert_int_equal(fragments_incomplete(t.f), 1);
		assert_int_equal(take(&t, &p, 1480, 701, false), FRAGMENTS_COMPLETE);
		assert_whole(&t, 2181);
		assert_int_equal(fragments_incomplete(t.f), 0);
		table_end(&t);
	}
}

static void five_fragments_make_the_same_datagram_in_any_order(void **state)
{
	(void)state;
	static const uint32_t cuts[6] = {0, 8, 1024, 1032, 2512, 2517};
	struct table t = table_of(2, MEMORY);
	unsigned orders = 0;
	for (unsigned code = 0; code < 5 * 5 * 5 * 5 * 5; code++) {
		unsigned order[5], seen = 0, rest = code;
		for (unsigned i = 0; i < 5; i++, rest /= 5) {
			order[i] = rest % 5;
			seen |= 1u << order[i];
		}
		if (seen != 31)
			continue;
		struct packet p = packet_of(4, orders++);
		for (unsigned i = 0; i < 5; i++) {
			uint32_t from = cuts[order[i]], to = cuts[order[i] + 1];
			assert_int_equal(take(&t, &p, from, to - from, order[i] != 4),
				i == 4 ? FRAGMENTS_COMPLETE : FRAGMENTS_KEPT);
		}
		assert_whole(&t, 2517);
	}
	assert_int_equal(orders, 120);
	table_end(&t);
}

static void the_longest_datagram_may_come_in_8_octets_each(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(4, 7);
	for (unsigned i = 0; i < 8191; i++) // 8191 is a prime, so each comes once, in disorder
		assert_int_equal(take(&t, &p, i * 3 % 8191 * 8, 8, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 65528, 7, false), FRAGMENTS_COMPLETE);
	assert_whole(&t, LONGEST);
	table_end(&t);
}

static void a_fragment_may_stand_in_the_datagram_completed_before(void **state)
{
	(void)state;
	enum { HEADERS = 36 }; // of a tunnel, before the inner fragment
	struct table t = table_of(4, MEMORY);
	struct packet outer = packet_of(4, 1), inner = packet_of(4, 2);
	uint8_t tunnelled[HEADERS + 1480] = {0};
	memcpy(tunnelled + HEADERS, sample(), 1480);
	assert_int_equal(take(&t, &inner, 1480, 701, false), FRAGMENTS_KEPT);
	assert_int_equal(
		take_octets(&t, &outer, 0, bytes_of(tunnelled, 1400), true), FRAGMENTS_KEPT);
	assert_int_equal(take_octets(&t, &outer, 1400, bytes_of(tunnelled + 1400, 116), false),
		FRAGMENTS_COMPLETE);
	assert_int_equal(t.whole.len, sizeof tunnelled);

	inner.fragment.offset = 0;
	inner.fragment.more = true;
	inner.payload = bytes_slice(t.whole, HEADERS, 1480);
	assert_int_equal(fragments_take(t.f, &inner, t.now, NULL, NULL, &t.protocol, &t.whole),
		FRAGMENTS_COMPLETE);
	assert_whole(&t, 2181);
	table_end(&t);
}

static void one_fragment_that_is_everything_is_complete_at_once(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(4, 7);
	assert_int_equal(take(&t, &p, 0, 100, false), FRAGMENTS_COMPLETE);
	assert_whole(&t, 100);
	assert_int_equal(take(&t, &p, 0, LONGEST, false), FRAGMENTS_COMPLETE);
	assert_whole(&t, LONGEST);
	table_end(&t);
}

static void datagrams_that_differ_in_any_part_of_their_name_are_apart(void **state)
{
	(void)state;
	struct packet others[7];
	for (unsigned i = 0; i < 7; i++)
		others[i] = packet_of(4, 7);
	others[1].flow.source.octets[3]++;
	others[2].flow.destination.octets[3]++;
	others[3].flow.protocol = 1;
	others[4].fragment.identification++;
	others[5].outer.scope++;
	others[6].flow.source.family = others[6].flow.destination.family = 6;
	struct table t = table_of(7, MEMORY);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(take(&t, &others[i], 1480, 701, false), FRAGMENTS_KEPT);
	assert_int_equal(fragments_incomplete(t.f), 7);
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(take(&t, &others[i], 0, 1480, true), FRAGMENTS_COMPLETE);
		assert_int_equal(t.protocol, i == 3 ? 1 : UDP);
	}
	table_end(&t);
}

static void the_first_fragment_says_the_protocol_of_an_ipv6_datagram(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(6, 7);
	p.flow.protocol = 99;
	assert_int_equal(take(&t, &p, 1480, 701, false), FRAGMENTS_KEPT);
	p.flow.protocol = UDP;
	assert_int_equal(take(&t, &p, 0, 1480, true), FRAGMENTS_COMPLETE);
	assert_whole(&t, 2181);
	table_end(&t);
}

static void the_name_is_the_same_for_all_fragments_and_depends_on_the_key(void **state)
{
	(void)state;
	struct packet first = packet_of(4, 7), last = packet_of(4, 7);
	last.fragment.offset = 1480;
	first.fragment.more = true;
	struct digest a = fragments_name(&KEY, &first), b = fragments_name(&KEY, &last);
	assert_memory_equal(&a, &b, sizeof a);
	const struct hash_key other = {5, 7};
	struct digest c = fragments_name(&other, &first);
	assert_memory_not_equal(&a, &c, sizeof a);
}

// --- repeated and overlapping ----------------------------------------------------------------------------------

static void exact_copies_are_harmless(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(4, 7);
	assert_int_equal(take(&t, &p, 1480, 701, false), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 1480, 701, false), FRAGMENTS_REPEATED);
	assert_int_equal(take(&t, &p, 0, 744, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 0, 744, true), FRAGMENTS_REPEATED);
	assert_int_equal(take(&t, &p, 1480, 701, false), FRAGMENTS_REPEATED);
	assert_int_equal(take(&t, &p, 744, 736, true), FRAGMENTS_COMPLETE);
	assert_whole(&t, 2181);
	assert_int_equal(t.asked, 1);
	table_end(&t);
}

static void overlaps_that_say_the_same_are_harmless(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(4, 7);
	assert_int_equal(take(&t, &p, 1000, 1200, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 2000, 701, false), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 2696, 5, false), FRAGMENTS_REPEATED); // less than a unit
	assert_int_equal(take(&t, &p, 1008, 1024, true), FRAGMENTS_REPEATED);
	assert_int_equal(take(&t, &p, 0, 2696, true), FRAGMENTS_COMPLETE);
	assert_whole(&t, 2701);
	table_end(&t);
}

static void a_last_fragment_without_a_new_octet_says_where_the_end_is(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(4, 7);
	assert_int_equal(take(&t, &p, 0, 1600, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 1592, 8, false), FRAGMENTS_COMPLETE);
	assert_whole(&t, 1600);
	table_end(&t);
}

static void one_other_octet_anywhere_in_an_overlap_drops_the_datagram(void **state)
{
	(void)state;
	static const size_t lens[] = {8, 512, 520, 1032, 1477};
	struct table t = table_of(2, MEMORY);
	uint32_t identification = 0;
	for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
		bool more = lens[i] % 8 == 0;
		for (size_t altered = 0; altered < lens[i]; altered += altered < 40 ? 1 : 7) {
			struct packet p = packet_of(4, identification++);
			assert_int_equal(take(&t, &p, 504, lens[i], more), FRAGMENTS_KEPT);
			assert_int_equal(take_altered(&t, &p, 504, lens[i], more, altered),
				FRAGMENTS_OVERLAP);
			assert_int_equal(fragments_incomplete(t.f), 0);
		}
	}
	table_end(&t);
}

static void another_octet_is_found_where_only_a_part_overlaps(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(4, 7);
	// There: 800 to 808, 1600 to 1608, and the last five octets 2400 to 2405.
	for (size_t altered = 0; altered < 1605; altered++) {
		p.fragment.identification++;
		assert_int_equal(take(&t, &p, 800, 8, true), FRAGMENTS_KEPT);
		assert_int_equal(take(&t, &p, 1600, 8, true), FRAGMENTS_KEPT);
		assert_int_equal(take(&t, &p, 2400, 5, false), FRAGMENTS_KEPT);
		bool was_there =
			altered < 8 || (altered >= 800 && altered < 808) || altered >= 1600;
		assert_int_equal(take_altered(&t, &p, 800, 1605, false, altered),
			was_there ? FRAGMENTS_OVERLAP : FRAGMENTS_KEPT);
	}
	table_end(&t);
}

static void ends_that_contradict_drop_the_datagram(void **state)
{
	(void)state;
	static const struct {
		uint32_t offset, len;
		bool more;
	} pairs[][2] = {
		{{16, 5, false}, {16, 6, false}},  // two ends in one unit
		{{16, 6, false}, {16, 5, false}},
		{{16, 8, false}, {32, 8, false}},
		{{32, 8, false}, {16, 8, false}},
		{{16, 5, false}, {16, 8, true}},   // more behind the end
		{{16, 8, true}, {16, 5, false}},
		{{16, 8, false}, {24, 8, true}},
		{{24, 8, true}, {16, 8, false}},
		{{16, 8, false}, {800, 8, true}},
		{{65528, 7, false}, {0, 8, false}},
	};
	struct table t = table_of(2, MEMORY);
	for (uint32_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct packet p = packet_of(6, i);
		for (unsigned j = 0; j < 2; j++)
			assert_int_equal(take(&t, &p, pairs[i][j].offset, pairs[i][j].len,
						 pairs[i][j].more),
				j ? FRAGMENTS_OVERLAP : FRAGMENTS_KEPT);
	}
	table_end(&t);
}

static void first_fragments_that_name_two_protocols_drop_an_ipv6_datagram(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	struct packet p = packet_of(6, 7);
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT);
	p.flow.protocol = TCP;
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_OVERLAP);
	table_end(&t);
}

// --- fragments that cannot be ------------------------------------------------------------------------------------

static void a_tiny_fragment_drops_the_datagram(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet empty = packet_of(4, 1), tcp = packet_of(4, 2), options = packet_of(6, 3);
	assert_int_equal(take(&t, &empty, 0, 80, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &empty, 80, 0, false), FRAGMENTS_TINY);
	tcp.flow.protocol = TCP;
	assert_int_equal(take(&t, &tcp, 8, 80, false), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &tcp, 0, 8, true), FRAGMENTS_TINY);
	// A destination options header and nothing behind it.
	options.flow.protocol = DESTINATION_OPTIONS;
	const uint8_t header[8] = {UDP, 0, 1, 4, 0, 0, 0, 0};
	assert_int_equal(take_octets(&t, &options, 0, bytes_of(header, sizeof header), true),
		FRAGMENTS_TINY);
	assert_int_equal(t.asked, 1); // about the first one only
	assert_int_equal(fragments_incomplete(t.f), 0);
	table_end(&t);
}

static void an_overlong_fragment_drops_the_datagram(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet a = packet_of(4, 1), b = packet_of(4, 2), c = packet_of(4, 3);
	assert_int_equal(take(&t, &a, 0, 80, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &a, 65528, 8, false), FRAGMENTS_OVERLONG);
	assert_int_equal(take(&t, &b, 65520, 16, true), FRAGMENTS_OVERLONG);
	struct bytes eight = bytes_of(sample(), 8);
	assert_int_equal(take_octets(&t, &c, UINT32_MAX - 7, eight, true), FRAGMENTS_OVERLONG);
	assert_int_equal(fragments_incomplete(t.f), 0);
	table_end(&t);
}

static void a_misaligned_fragment_drops_the_datagram(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet a = packet_of(4, 1), b = packet_of(4, 2);
	assert_int_equal(take(&t, &a, 80, 8, false), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &a, 0, 81, true), FRAGMENTS_MISALIGNED);
	assert_int_equal(take(&t, &b, 4, 8, true), FRAGMENTS_MISALIGNED);
	assert_int_equal(fragments_incomplete(t.f), 0);
	table_end(&t);
}

static void the_rest_of_a_dropped_datagram_is_ignored_until_its_timeout(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet p = packet_of(4, 7);
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT);
	t.now += TIMEOUT / 2;
	assert_int_equal(take_altered(&t, &p, 0, 80, true, 79), FRAGMENTS_OVERLAP);
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_IGNORED);
	assert_int_equal(take(&t, &p, 80, 0, true), FRAGMENTS_IGNORED);
	t.now = START + TIMEOUT;
	assert_int_equal(take(&t, &p, 80, 20, false), FRAGMENTS_IGNORED);
	t.now = START + TIMEOUT + 1;
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 80, 20, false), FRAGMENTS_COMPLETE);
	assert_int_equal(fragments_counters(t.f)->timed_out, 0);
	assert_int_equal(fragments_counters(t.f)->dropped, 1);
	table_end(&t);
}

// --- wanted or not -----------------------------------------------------------------------------------------------

static void the_first_fragment_is_asked_about_once_with_its_ports(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet p = packet_of(4, 7);
	assert_int_equal(take(&t, &p, 1480, 701, false), FRAGMENTS_KEPT);
	assert_int_equal(t.asked, 0);
	assert_int_equal(take(&t, &p, 0, 744, true), FRAGMENTS_KEPT);
	assert_int_equal(take(&t, &p, 0, 1480, true), FRAGMENTS_COMPLETE);
	assert_int_equal(t.asked, 1);
	assert_int_equal(t.asked_class, PACKET_UDP);
	assert_int_equal(t.asked_about.flow.source_port, 5060);
	assert_int_equal(t.asked_about.flow.destination_port, 5062);
	assert_int_equal(t.asked_about.payload.len, 736);
	table_end(&t);
}

static void without_a_question_all_are_wanted(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet p = packet_of(4, 7);
	p.payload = bytes_of(sample(), 80);
	assert_int_equal(fragments_take(t.f, &p, START, NULL, NULL, &t.protocol, &t.whole),
		FRAGMENTS_COMPLETE);
	assert_whole(&t, 80);
	table_end(&t);
}

static void an_unwanted_datagram_passes_and_is_forgotten_when_it_is_over(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet p = packet_of(4, 7);
	for (unsigned last_first = 0; last_first < 2; last_first++) {
		t.unwanted = true;
		if (last_first)
			assert_int_equal(take(&t, &p, 2960, 5, false), FRAGMENTS_KEPT);
		assert_int_equal(take(&t, &p, 0, 1480, true), FRAGMENTS_PASSED);
		assert_int_equal(fragments_incomplete(t.f), 0);
		assert_int_equal(take(&t, &p, 0, 1480, true), FRAGMENTS_PASSED);
		assert_int_equal(take(&t, &p, 8, 0, true), FRAGMENTS_PASSED);     // broken ones too
		assert_int_equal(take(&t, &p, 65528, 7, last_first == 1), FRAGMENTS_PASSED);
		t.whole.at = NULL;
		if (!last_first) { // an end that contradicts the one before: nothing is over
			assert_int_equal(take(&t, &p, 2960, 5, false), FRAGMENTS_PASSED);
			assert_int_equal(take(&t, &p, 1480, 32024, true), FRAGMENTS_PASSED);
			assert_int_equal(take(&t, &p, 33504, 32024, true), FRAGMENTS_PASSED);
		} else {
			assert_int_equal(take(&t, &p, 1480, 1480, true), FRAGMENTS_PASSED);
		}
		assert_null(t.whole.at);
		// Now it is over: the name may be used again.
		t.unwanted = false;
		assert_int_equal(take(&t, &p, 0, 1480, true), FRAGMENTS_KEPT);
		assert_int_equal(take(&t, &p, 1480, 701, false), FRAGMENTS_COMPLETE);
	}
	assert_int_equal(fragments_counters(t.f)->passed, 2);
	assert_int_equal(fragments_counters(t.f)->timed_out, 0);
	table_end(&t);
}

static void an_unwanted_datagram_takes_no_memory(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet kept = packet_of(4, 1);
	assert_int_equal(take(&t, &kept, 0, 1480, true), FRAGMENTS_KEPT);
	t.unwanted = true;
	for (uint32_t i = 10; i < 14; i++) { // of them three would fill the memory
		struct packet p = packet_of(4, i);
		assert_int_equal(take(&t, &p, 0, 50000, true), FRAGMENTS_PASSED);
		assert_int_equal(take(&t, &p, 50008, 15000, true), FRAGMENTS_PASSED);
	}
	assert_int_equal(take(&t, &kept, 1480, 701, false), FRAGMENTS_COMPLETE);
	assert_whole(&t, 2181);
	assert_int_equal(fragments_counters(t.f)->given_up, 0);
	table_end(&t);
}

static void an_unwanted_datagram_that_was_kept_gives_its_memory_back(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	t.unwanted = true;
	for (uint32_t i = 0; i < 20; i++) {
		struct packet p = packet_of(4, i);
		assert_int_equal(take(&t, &p, 8, 60000, false), FRAGMENTS_KEPT);
		assert_int_equal(take(&t, &p, 0, 8, true), FRAGMENTS_PASSED);
	}
	assert_int_equal(fragments_counters(t.f)->given_up, 0);
	assert_int_equal(fragments_counters(t.f)->passed, 20);
	table_end(&t);
}

// --- time and room -----------------------------------------------------------------------------------------------

static void an_incomplete_datagram_times_out_whichever_way_time_goes(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet p = packet_of(4, 7);
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT);
	t.now += TIMEOUT;
	assert_int_equal(take(&t, &p, 80, 80, true), FRAGMENTS_KEPT);
	t.now++;
	assert_int_equal(take(&t, &p, 160, 20, false), FRAGMENTS_KEPT); // begins a new one
	assert_int_equal(fragments_counters(t.f)->timed_out, 1);
	t.now -= TIMEOUT;
	assert_int_equal(take(&t, &p, 80, 80, true), FRAGMENTS_KEPT);
	t.now--;
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT);
	assert_int_equal(fragments_counters(t.f)->timed_out, 2);
	assert_int_equal(fragments_incomplete(t.f), 1);
	table_end(&t);
}

static void a_fragment_that_is_found_dead_behind_a_living_one_times_out_too(void **state)
{
	(void)state;
	struct table t = table_of(8, MEMORY);
	struct packet ahead = packet_of(4, 1), p = packet_of(4, 2);
	t.now = START + 10 * SECOND;
	assert_int_equal(take(&t, &ahead, 0, 80, true), FRAGMENTS_KEPT);
	t.now = START + 4 * SECOND;
	assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT); // another clock: `ahead` is 6 s off
	assert_int_equal(fragments_counters(t.f)->timed_out, 1);
	t.now = START + 9 * SECOND;
	assert_int_equal(take(&t, &ahead, 0, 80, true), FRAGMENTS_KEPT);
	t.now = START + 9 * SECOND + 1;
	assert_int_equal(take(&t, &p, 80, 20, false), FRAGMENTS_KEPT);
	assert_int_equal(fragments_counters(t.f)->timed_out, 2);
	table_end(&t);
}

static void dead_datagrams_do_not_pile_up(void **state)
{
	(void)state;
	struct table t = table_of(64, MEMORY);
	for (uint32_t i = 0; i < 64; i++) {
		struct packet p = packet_of(4, i);
		assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT);
	}
	t.now += 6 * SECOND;
	for (uint32_t i = 0; i < 32; i++) { // each makes two of them end
		struct packet p = packet_of(4, 100 + i);
		assert_int_equal(take(&t, &p, 0, 80, true), FRAGMENTS_KEPT);
	}
	assert_int_equal(fragments_incomplete(t.f), 32);
	assert_int_equal(fragments_counters(t.f)->timed_out, 64);
	assert_int_equal(fragments_counters(t.f)->given_up, 0);
	table_end(&t);
}

static void in_a_full_table_the_oldest_datagram_gives_way(void **state)
{
	(void)state;
	struct table t = table_of(3, MEMORY);
	struct packet p[4];
	for (uint32_t i = 0; i < 4; i++) {
		p[i] = packet_of(4, i);
		assert_int_equal(take(&t, &p[i], 0, 80, true), FRAGMENTS_KEPT);
	}
	assert_int_equal(fragments_counters(t.f)->given_up, 1);
	assert_int_equal(fragments_incomplete(t.f), 3);
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(take(&t, &p[i], 80, 20, false), FRAGMENTS_COMPLETE);
	assert_int_equal(take(&t, &p[0], 80, 20, false), FRAGMENTS_KEPT);
	table_end(&t);
}

static void a_dropped_datagram_that_makes_room_is_not_counted_twice(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	for (uint32_t i = 0; i < 10; i++) {
		struct packet p = packet_of(4, i);
		assert_int_equal(take(&t, &p, 0, 0, true), FRAGMENTS_TINY);
	}
	assert_int_equal(fragments_counters(t.f)->given_up, 0);
	assert_int_equal(fragments_counters(t.f)->dropped, 10);
	table_end(&t);
}

static void when_memory_is_full_the_oldest_that_waits_gives_way(void **state)
{
	(void)state;
	struct table t = table_of(64, MEMORY);
	struct packet dropped = packet_of(4, 99), p[5];
	assert_int_equal(take(&t, &dropped, 0, 0, true), FRAGMENTS_TINY);
	for (uint32_t i = 0; i < 4; i++) { // 32 of the 128 blocks each
		p[i] = packet_of(4, i);
		assert_int_equal(take(&t, &p[i], 0, 32768, true), FRAGMENTS_KEPT);
	}
	assert_int_equal(fragments_counters(t.f)->given_up, 0);
	p[4] = packet_of(4, 4);
	assert_int_equal(take(&t, &p[4], 0, 8, true), FRAGMENTS_KEPT);
	assert_int_equal(fragments_counters(t.f)->given_up, 1);
	assert_int_equal(take(&t, &dropped, 8, 8, true), FRAGMENTS_IGNORED);
	// It does not give way to itself, though it is the oldest now.
	assert_int_equal(take(&t, &p[1], 32768, 32760, true), FRAGMENTS_KEPT);
	assert_int_equal(fragments_counters(t.f)->given_up, 2); // p[2]
	assert_int_equal(take(&t, &p[1], 65528, 7, false), FRAGMENTS_COMPLETE);
	assert_whole(&t, LONGEST);
	assert_int_equal(take(&t, &p[3], 32768, 32767, false), FRAGMENTS_COMPLETE);
	assert_whole(&t, LONGEST);
	assert_int_equal(take(&t, &p[4], 8, 8, false), FRAGMENTS_COMPLETE);
	table_end(&t);
}

static void no_block_is_lost_over_many_datagrams_of_every_fate(void **state)
{
	(void)state;
	struct table t = table_of(64, MEMORY);
	for (uint32_t i = 0; i < 3000; i++) {
		struct packet p = packet_of(4, i);
		t.now += SECOND / 10;
		t.unwanted = i % 3 == 0;
		take(&t, &p, 1480, 1480, true);
		take(&t, &p, 0, 1480, true);
		if (i % 5 == 0)
			take_altered(&t, &p, 0, 1480, true, 1000);
	}
	t.unwanted = false;
	t.now += 100 * SECOND;
	uint64_t before = fragments_counters(t.f)->given_up;
	for (uint32_t i = 0; i < 64; i++) { // two blocks each: the whole memory
		struct packet p = packet_of(6, i);
		assert_int_equal(take(&t, &p, 0, 1480, true), FRAGMENTS_KEPT);
	}
	assert_int_equal(fragments_counters(t.f)->given_up, before);
	assert_int_equal(fragments_incomplete(t.f), 64);
	table_end(&t);
}

// --- the rest ----------------------------------------------------------------------------------------------------

static void hear(void *context, const struct digest *name, bool kept)
{
	struct table *t = context;
	t->told = *name;
	if (kept)
		t->begun++;
	else
		t->ended++;
}

static void whoever_watches_is_told_when_a_datagram_begins_and_ends(void **state)
{
	(void)state;
	struct table t = table_of(2, MEMORY);
	fragments_watch(t.f, hear, &t);
	struct packet p = packet_of(4, 7);
	struct digest name = fragments_name(&KEY, &p);
	take(&t, &p, 0, 80, true);
	assert_memory_equal(&t.told, &name, sizeof name);
	take(&t, &p, 80, 80, true);
	assert_int_equal(t.begun, 1);
	assert_int_equal(t.ended, 0);
	take(&t, &p, 160, 8, false); // complete
	assert_memory_equal(&t.told, &name, sizeof name);
	assert_int_equal(t.ended, 1);

	take(&t, &p, 0, 0, true); // dropped, and known on
	assert_int_equal(t.begun, 2);
	assert_int_equal(t.ended, 1);
	t.now += 6 * SECOND;
	take(&t, &p, 0, 80, true); // that one timed out
	assert_int_equal(t.begun, 3);
	assert_int_equal(t.ended, 2);
	for (uint32_t i = 0; i < 10; i++) {
		struct packet other = packet_of(6, i);
		take(&t, &other, 0, 80, true);
	}
	assert_int_equal(t.begun, 13);
	assert_int_equal(t.ended, 11); // two are known still
	table_end(&t);
}

static void a_configuration_that_cannot_work_is_refused(void **state)
{
	(void)state;
	static const struct fragments_config bad[] = {
		{0, MEMORY, 1}, {1, MEMORY - 1, 1}, {1, SIZE_MAX, 1}, {UINT32_MAX, MEMORY, 1}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		assert_null(fragments_new(&bad[i], &KEY));
		assert_int_equal(errno, EINVAL);
	}
	fragments_free(NULL);
}

static void every_result_has_a_name_and_a_help_text_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FRAGMENTS_RESULTS; i++) {
		assert_non_null(fragments_result_help(i));
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(fragments_result_name(i), fragments_result_name(j));
	}
}

// --- random patterns against the oracle --------------------------------------------------------------------------

enum { PATTERNS = 10000, PIECES_MAX = 200, AT_ONCE = 5, CAPACITY = 6, NAMES = 16 };

struct piece {
	unsigned name;
	uint32_t offset, len;
	bool more;
	bool altered; // its last octet is another one
};

static uint32_t random_below(uint64_t *random, uint32_t bound)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*random >> 33) % bound;
}

// Cuts a datagram into pieces, loses and repeats some, and adds some that lie across.
static unsigned cut(uint64_t *random, unsigned name, struct piece *pieces)
{
	uint32_t most = random_below(random, 4) ? 6000 : LONGEST;
	uint32_t len = 1 + random_below(random, most), step = len / 8 / 8 + 2;
	bool clean = random_below(random, 3) == 0;
	unsigned count = 0;
	for (uint32_t at = 0, next; at < len; at = next) {
		next = at + 8 * (1 + random_below(random, step * 2));
		if (next > len)
			next = len;
		struct piece p = {name, at, next - at, next < len, false};
		if (!clean && random_below(random, 20) == 0)
			continue; // lost
		pieces[count++] = p;
		if (random_below(random, 10) == 0)
			pieces[count++] = p;
		if (clean || random_below(random, 12))
			continue;
		p.offset = random_below(random, len) / 8 * 8;
		p.len = 1 + random_below(random, len - p.offset);
		p.more = p.offset + p.len < len;
		if (p.more && random_below(random, 10)) // a few remain that are no multiple of 8
			p.len = (p.len + 7) / 8 * 8;
		if (random_below(random, 60) == 0)
			p.len = 0;
		p.altered = p.len && random_below(random, 4) == 0;
		pieces[count++] = p;
	}
	return count;
}

static void shuffle(uint64_t *random, struct piece *pieces, unsigned count)
{
	uint32_t reach = random_below(random, 2) ? count : 3; // all over, or among neighbours
	for (unsigned i = 0; i + 1 < count; i++) {
		uint32_t left = count - i;
		unsigned with = i + random_below(random, reach < left ? reach : left);
		struct piece p = pieces[i];
		pieces[i] = pieces[with];
		pieces[with] = p;
	}
}

static bool same_counters(const struct fragments_counters *a, const struct fragments_counters *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

// Its octets, exactly. But for their UDP header all datagrams differ, so that an octet that another one left behind shows.
static uint8_t *octets_of(const struct piece *p)
{
	uint8_t *octets = exact_copy(sample() + p->offset, p->len);
	for (uint32_t i = 0; i < p->len; i++)
		if (p->offset + i >= 8)
			octets[i] ^= (uint8_t)(p->name * 13);
	if (p->altered)
		octets[p->len - 1] ^= 0x55;
	return octets;
}

// Whether both come to the same.
static bool piece_agrees(struct table *t, struct oracle *o, const struct piece *p)
{
	struct packet packet = packet_of(p->name % 2 ? 4 : 6, p->name);
	uint8_t *octets = octets_of(p);
	packet.payload = bytes_of(octets, p->len);
	packet.fragment.offset = p->offset;
	packet.fragment.more = p->more;
	struct packet peeked = packet;
	t->unwanted = p->name % 4 == 3;
	struct oracle_fragment x = {p->name, p->offset, p->len, octets, p->more, UDP,
		packet_peek(&peeked) == PACKET_TRUNCATED, !t->unwanted};
	enum fragments_result expected = oracle_take(o, &x, t->now);
	enum fragments_result result = take_octets(t, &packet, p->offset, packet.payload, p->more);
	free(octets);
	if (result != expected || !same_counters(fragments_counters(t->f), &o->counters) ||
		fragments_incomplete(t->f) != oracle_waiting(o))
		return false;
	return result != FRAGMENTS_COMPLETE ||
	       (t->protocol == o->whole_protocol &&
		       bytes_equal(t->whole, bytes_of(o->whole, o->whole_len)));
}

static void random_patterns_come_to_what_a_simple_oracle_says(void **state)
{
	(void)state;
	const uint64_t seed = 20231123;
	uint64_t random = seed;
	struct table t = table_of(CAPACITY, MEMORY);
	static struct oracle o;
	o = (struct oracle){
		.capacity = CAPACITY, .blocks = MEMORY / ORACLE_BLOCK, .timeout_ns = TIMEOUT};
	static struct piece pieces[AT_ONCE * PIECES_MAX];
	for (unsigned pattern = 0; pattern < PATTERNS; pattern += AT_ONCE) {
		unsigned count = 0;
		for (unsigned i = 0; i < AT_ONCE; i++) // names come again, complete before or not
			count += cut(&random, random_below(&random, NAMES), pieces + count);
		shuffle(&random, pieces, count);
		for (unsigned i = 0; i < count; i++) {
			t.now += random_below(&random, 100000000);
			if (random_below(&random, 2000) == 0)
				t.now += (random_below(&random, 3) - 1) * 6 * SECOND; // may go back
			if (!piece_agrees(&t, &o, &pieces[i]))
				fail_msg("seed %llu, pattern %u, piece %u of name %u: %u from %u",
					(unsigned long long)seed, pattern, i, pieces[i].name,
					pieces[i].len, pieces[i].offset);
		}
	}
	const struct fragments_counters *c = fragments_counters(t.f);
	for (unsigned i = 0; i < FRAGMENTS_RESULTS; i++) // everything happened that can with these
		assert_true(c->results[i] > 10 || i == FRAGMENTS_OVERLONG);
	assert_true(c->completed > 1000 && c->passed > 100);
	assert_true(c->given_up > 100 && c->timed_out > 100);
	oracle_fini(&o);
	table_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_fragments_make_a_datagram),
		cmocka_unit_test(five_fragments_make_the_same_datagram_in_any_order),
		cmocka_unit_test(the_longest_datagram_may_come_in_8_octets_each),
		cmocka_unit_test(a_fragment_may_stand_in_the_datagram_completed_before),
		cmocka_unit_test(one_fragment_that_is_everything_is_complete_at_once),
		cmocka_unit_test(datagrams_that_differ_in_any_part_of_their_name_are_apart),
		cmocka_unit_test(the_first_fragment_says_the_protocol_of_an_ipv6_datagram),
		cmocka_unit_test(the_name_is_the_same_for_all_fragments_and_depends_on_the_key),
		cmocka_unit_test(exact_copies_are_harmless),
		cmocka_unit_test(overlaps_that_say_the_same_are_harmless),
		cmocka_unit_test(a_last_fragment_without_a_new_octet_says_where_the_end_is),
		cmocka_unit_test(one_other_octet_anywhere_in_an_overlap_drops_the_datagram),
		cmocka_unit_test(another_octet_is_found_where_only_a_part_overlaps),
		cmocka_unit_test(ends_that_contradict_drop_the_datagram),
		cmocka_unit_test(first_fragments_that_name_two_protocols_drop_an_ipv6_datagram),
		cmocka_unit_test(a_tiny_fragment_drops_the_datagram),
		cmocka_unit_test(an_overlong_fragment_drops_the_datagram),
		cmocka_unit_test(a_misaligned_fragment_drops_the_datagram),
		cmocka_unit_test(the_rest_of_a_dropped_datagram_is_ignored_until_its_timeout),
		cmocka_unit_test(the_first_fragment_is_asked_about_once_with_its_ports),
		cmocka_unit_test(without_a_question_all_are_wanted),
		cmocka_unit_test(an_unwanted_datagram_passes_and_is_forgotten_when_it_is_over),
		cmocka_unit_test(an_unwanted_datagram_takes_no_memory),
		cmocka_unit_test(an_unwanted_datagram_that_was_kept_gives_its_memory_back),
		cmocka_unit_test(an_incomplete_datagram_times_out_whichever_way_time_goes),
		cmocka_unit_test(a_fragment_that_is_found_dead_behind_a_living_one_times_out_too),
		cmocka_unit_test(dead_datagrams_do_not_pile_up),
		cmocka_unit_test(in_a_full_table_the_oldest_datagram_gives_way),
		cmocka_unit_test(a_dropped_datagram_that_makes_room_is_not_counted_twice),
		cmocka_unit_test(when_memory_is_full_the_oldest_that_waits_gives_way),
		cmocka_unit_test(no_block_is_lost_over_many_datagrams_of_every_fate),
		cmocka_unit_test(whoever_watches_is_told_when_a_datagram_begins_and_ends),
		cmocka_unit_test(a_configuration_that_cannot_work_is_refused),
		cmocka_unit_test(every_result_has_a_name_and_a_help_text_of_its_own),
		cmocka_unit_test(random_patterns_come_to_what_a_simple_oracle_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
