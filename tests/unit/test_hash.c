#include "unit.h"

#include "hash.h"

// Key 00..0f and input 00..0e: the example of the SipHash paper, appendix A; 128 bits: vectors_sip128 of the
// reference code, input lengths 0 and 15.
static void siphash_meets_the_published_vectors(void **state)
{
	(void)state;
	const struct hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
	uint8_t input[15];
	for (uint8_t i = 0; i < sizeof input; i++)
		input[i] = i;
	assert_true(siphash(&key, bytes_of(input, 15)) == 0xa129ca6149be45e5);
	assert_true(siphash(&key, bytes_of(input, 0)) == 0x726fdb47dd0e0e31);
	struct digest empty = siphash128(&key, bytes_of(input, 0));
	assert_memory_equal(
		&empty, "\xa3\x81\x7f\x04\xba\x25\xa8\xe6\x6d\xf6\x72\x14\xc7\x55\x02\x93", 16);
}

// Values of the FNV reference (draft-eastlake-fnv).
static void fnv1a_meets_the_published_vectors(void **state)
{
	(void)state;
	assert_true(fnv1a(bytes_of_text("")) == 0xcbf29ce484222325);
	assert_true(fnv1a(bytes_of_text("a")) == 0xaf63dc4c8601ec8c);
	assert_true(fnv1a(bytes_of_text("foobar")) == 0x85944171f73967e8);
}

static void fnv1a_of_pieces_is_that_of_the_whole(void **state)
{
	(void)state;
	const struct bytes whole = bytes_of_text("foobar");
	for (size_t cut = 0; cut <= whole.len; cut++) {
		uint64_t hash = fnv1a_more(FNV1A_START, bytes_of(whole.at, cut));
		hash = fnv1a_more(hash, bytes_of(whole.at + cut, whole.len - cut));
		assert_true(hash == 0x85944171f73967e8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_meets_the_published_vectors),
		cmocka_unit_test(fnv1a_meets_the_published_vectors),
		cmocka_unit_test(fnv1a_of_pieces_is_that_of_the_whole),
	};
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
