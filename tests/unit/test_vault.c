#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>

#include "vault_internal.h"

enum { HEX_ROOM = 256 };

static struct bytes hex(const char *text, uint8_t room[HEX_ROOM])
{
	size_t len = strlen(text) / 2;
	assert_true(len <= HEX_ROOM && strlen(text) % 2 == 0);
	for (size_t i = 0; i < len; i++)
		room[i] = (uint8_t)(ascii_hex_value((uint8_t)text[2 * i]) << 4 |
				    ascii_hex_value((uint8_t)text[2 * i + 1]));
	return bytes_of(room, len);
}

// Shorter keys are filled up with zeros, as HMAC does itself.
static struct vault_key key_of(const char *text)
{
	uint8_t room[HEX_ROOM];
	struct vault_key key = {{0}};
	struct bytes octets = hex(text, room);
	assert_true(octets.len <= VAULT_KEY_LEN);
	memcpy(key.octets, octets.at, octets.len);
	return key;
}

static void assert_hex(const uint8_t *octets, const char *expected)
{
	uint8_t room[HEX_ROOM];
	struct bytes wanted = hex(expected, room);
	assert_memory_equal(octets, wanted.at, wanted.len);
}

// ---- published vectors

static const char counting_key[] =
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char wrapped_key[] =
	"28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21";

static void a_key_is_wrapped_as_rfc_3394_4_6_says(void **state)
{
	(void)state;
	struct vault_key kek = key_of(counting_key), back;
	struct vault_key key =
		key_of("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
	uint8_t wrapped[VAULT_WRAPPED_LEN];
	assert_int_equal(vault_wrap(&kek, &key, wrapped), 0);
	assert_hex(wrapped, wrapped_key);
	assert_int_equal(vault_unwrap(&kek, wrapped, &back), 0);
	assert_memory_equal(&back, &key, sizeof key);
}

static void a_derived_key_is_that_of_rfc_5869_a_1_to_3(void **state)
{
	(void)state;
	static const struct {
		const char *secret, *salt, *info, *out;
	} cases[] = {
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
			"f0f1f2f3f4f5f6f7f8f9",
			"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
		{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
		 "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
			"606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
			"909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
			"b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
			"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
			"b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
			"da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
			"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t secret[HEX_ROOM], salt[HEX_ROOM], info[HEX_ROOM], out[HEX_ROOM];
		assert_int_equal(vault_hkdf(hex(cases[i].secret, secret), hex(cases[i].salt, salt),
					 hex(cases[i].info, info), out, strlen(cases[i].out) / 2),
			0);
		assert_hex(out, cases[i].out);
	}
}

static void an_hmac_is_that_of_rfc_4231(void **state)
{
	(void)state;
	static const struct {
		const char *key, *data, *out;
	} cases[] = {
		{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"dddddddddddddddddddddddddddddddddddddddddddddddddd"
			"dddddddddddddddddddddddddddddddddddddddddddddddddd",
			"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"0102030405060708090a0b0c0d0e0f10111213141516171819",
			"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
			"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
			"82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t data[HEX_ROOM], out[VAULT_DIGEST_LEN];
		struct vault_key key = key_of(cases[i].key);
		vault_hmac(&key, hex(cases[i].data, data), out);
		assert_hex(out, cases[i].out);
	}
}

// The GCM specification of McGrew and Viega, appendix B, test cases 13 to 16.
static const char gcm_key[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
static const char gcm_nonce[] = "cafebabefacedbaddecaf888";
static const char gcm_plain[] = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
				"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
static const char gcm_sealed[] = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
				 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";

static void a_record_is_sealed_as_the_vectors_of_gcm_say(void **state)
{
	(void)state;
	static const struct {
		const char *key, *nonce, *aad, *plain, *sealed, *tag;
		size_t len;
	} cases[] = {
		{"00", "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b",
			0},
		{"00", "000000000000000000000000", "", "00000000000000000000000000000000",
			"cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919", 16},
		{gcm_key, gcm_nonce, "", gcm_plain, gcm_sealed, "b094dac5d93471bdec1a502270e3cc6c",
			64},
		{gcm_key, gcm_nonce, "feedfacedeadbeeffeedfacedeadbeefabaddad2", gcm_plain,
			gcm_sealed, "76fc6ece0f4e1768cddf8853bb2d551b", 60},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t nonce[HEX_ROOM], aad[HEX_ROOM], plain[HEX_ROOM], sealed[HEX_ROOM],
			out[HEX_ROOM], back[HEX_ROOM];
		struct vault_key key = key_of(cases[i].key);
		struct vault_sealer *s = vault_sealer_new(&key);
		assert_non_null(s);
		hex(cases[i].nonce, nonce);
		struct bytes with = hex(cases[i].aad, aad);
		struct bytes text = {hex(cases[i].plain, plain).at, cases[i].len};
		assert_int_equal(vault_seal_nonce(s, nonce, with, text, out), 0);
		hex(cases[i].sealed, sealed);
		assert_memory_equal(out, sealed, cases[i].len);
		assert_hex(out + cases[i].len, cases[i].tag);
		assert_int_equal(vault_open_nonce(s, nonce, with,
					 bytes_of(out, cases[i].len + VAULT_TAG_LEN), back),
			0);
		assert_memory_equal(back, plain, cases[i].len);
		vault_sealer_free(s);
	}
}

static void a_digest_of_two_parts_is_that_of_both_in_a_row(void **state)
{
	(void)state;
	uint8_t out[VAULT_DIGEST_LEN];
	vault_sha256(bytes_of_text("a"), bytes_of_text("bc"), out);
	assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	vault_sha256((struct bytes){0}, bytes_of_text("abc"), out);
	assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	vault_sha256((struct bytes){0}, (struct bytes){0}, out);
	assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// ---- keys and records

static void a_changed_wrapped_key_does_not_unwrap(void **state)
{
	(void)state;
	uint8_t room[HEX_ROOM];
	struct vault_key kek = key_of(counting_key), out = key_of("77"), before = out;
	hex(wrapped_key, room);
	for (size_t i = 0; i < VAULT_WRAPPED_LEN; i++) {
		uint8_t *changed = exact_copy(room, VAULT_WRAPPED_LEN);
		changed[i] ^= 0x20;
		assert_int_equal(vault_unwrap(&kek, changed, &out), -EBADMSG);
		free(changed);
	}
	kek.octets[31] ^= 1;
	assert_int_equal(vault_unwrap(&kek, room, &out), -EBADMSG);
	assert_memory_equal(&out, &before, sizeof out);
	assert_int_equal(ERR_peek_error(), 0); // TLS on this thread reads the same queue
}

static void what_was_changed_or_moved_does_not_open(void **state)
{
	(void)state;
	struct vault_key key = key_of(counting_key);
	struct vault_sealer *s = vault_sealer_new(&key);
	static const char text[] = "forty-two octets that somebody else sent.";
	struct bytes plain = bytes_of(text, sizeof text), aad = bytes_of_text("where it stands");
	uint8_t sealed[sizeof text + VAULT_TAG_LEN], out[sizeof text], zero[sizeof text] = {0};
	assert_int_equal(vault_seal(s, 7, aad, plain, sealed), 0);
	assert_int_equal(vault_open(s, 7, aad, bytes_of(sealed, sizeof sealed), out), 0);
	assert_memory_equal(out, text, sizeof text);

	assert_int_equal(vault_open(s, 8, aad, bytes_of(sealed, sizeof sealed), out), -EBADMSG);
	assert_memory_equal(out, zero, sizeof out);
	assert_int_equal(
		vault_open(s, 7, bytes_of_text("elsewhere"), bytes_of(sealed, sizeof sealed), out),
		-EBADMSG);
	for (size_t i = 0; i < sizeof sealed; i++) {
		sealed[i] ^= 1;
		assert_int_equal(
			vault_open(s, 7, aad, bytes_of(sealed, sizeof sealed), out), -EBADMSG);
		assert_memory_equal(out, zero, sizeof out);
		sealed[i] ^= 1;
	}
	for (size_t len = 0; len < sizeof sealed; len++) {
		uint8_t *cut = exact_copy(sealed, len);
		assert_int_equal(vault_open(s, 7, aad, bytes_of(cut, len), out), -EBADMSG);
		free(cut);
	}
	assert_int_equal(ERR_peek_error(), 0);
	// After all that the sealer still opens what it sealed.
	assert_int_equal(vault_open(s, 7, aad, bytes_of(sealed, sizeof sealed), out), 0);
	vault_sealer_free(s);
}

static void sealing_and_opening_work_in_place(void **state)
{
	(void)state;
	struct vault_key key = key_of(counting_key);
	struct vault_sealer *s = vault_sealer_new(&key);
	uint8_t apart[100 + VAULT_TAG_LEN], octets[100 + VAULT_TAG_LEN], plain[100];
	memset(plain, 0x5a, sizeof plain);
	memcpy(octets, plain, sizeof plain);
	assert_int_equal(vault_seal(s, 1, (struct bytes){0}, bytes_of(plain, 100), apart), 0);
	assert_int_equal(vault_seal(s, 1, (struct bytes){0}, bytes_of(octets, 100), octets), 0);
	assert_memory_equal(octets, apart, sizeof octets);
	assert_int_equal(
		vault_open(s, 1, (struct bytes){0}, bytes_of(octets, sizeof octets), octets), 0);
	assert_memory_equal(octets, plain, sizeof plain);
	vault_sealer_free(s);
}

static void keys_of_different_purposes_or_masters_differ(void **state)
{
	(void)state;
	struct vault_key master = key_of(counting_key), a, b, c;
	assert_int_equal(vault_key_derive(&master, "spool", &a), 0);
	assert_int_equal(vault_key_derive(&master, "spool", &b), 0);
	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(vault_key_derive(&master, "audit", &b), 0);
	assert_memory_not_equal(&a, &b, sizeof a);
	master.octets[0] ^= 1;
	assert_int_equal(vault_key_derive(&master, "spool", &c), 0);
	assert_memory_not_equal(&a, &c, sizeof a);
}

static void random_keys_differ_and_a_wiped_one_is_zero(void **state)
{
	(void)state;
	struct vault_key a, b, zero = {{0}};
	assert_int_equal(vault_key_random(&a), 0);
	assert_int_equal(vault_key_random(&b), 0);
	assert_memory_not_equal(&a, &b, sizeof a);
	vault_key_wipe(&a);
	assert_memory_equal(&a, &zero, sizeof a);
}

static void equal_compares_every_octet(void **state)
{
	(void)state;
	uint8_t a[32] = {0}, b[32] = {0};
	assert_true(vault_equal(a, b, sizeof a));
	assert_true(vault_equal(NULL, NULL, 0));
	for (size_t i = 0; i < sizeof a; i++) {
		b[i] = 1;
		assert_false(vault_equal(a, b, sizeof a));
		b[i] = 0;
	}
}

// ---- key files

static char directory[] = "/tmp/x2tap-vault-XXXXXX";
static char key_path[64];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(key_path, sizeof key_path, "%s/key", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(key_path);
	return rmdir(directory);
}

static void write_key(const char *content, size_t len, mode_t mode)
{
	unlink(key_path);
	int fd = open(key_path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), (ssize_t)len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_refused(const char *path, int code, const char *part)
{
	struct vault_key key = key_of("77"), before = key;
	struct error error = {0};
	assert_int_equal(vault_key_load(path, &key, &error), code);
	assert_int_equal(error.code, code);
	if (!strstr(error.text, part))
		fail_msg("\"%s\" is not in: %s", part, error.text);
	assert_memory_equal(&key, &before, sizeof key);
}

static void a_key_is_read_as_octets_or_as_hex_digits(void **state)
{
	(void)state;
	struct vault_key expected = key_of(counting_key), key;
	struct error error;
	static const char *const hex_forms[] = {
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\n",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \t\r\n\n",
	};
	for (size_t i = 0; i < sizeof hex_forms / sizeof hex_forms[0]; i++) {
		write_key(hex_forms[i], strlen(hex_forms[i]), 0600);
		assert_int_equal(vault_key_load(key_path, &key, &error), 0);
		assert_memory_equal(&key, &expected, sizeof key);
	}
	write_key((const char *)expected.octets, VAULT_KEY_LEN, 0640);
	assert_int_equal(vault_key_load(key_path, &key, &error), 0);
	assert_memory_equal(&key, &expected, sizeof key);
}

static void what_is_no_key_is_refused_and_not_shown(void **state)
{
	(void)state;
	static const char digits[] =
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0011";
	for (size_t len = 0; len < sizeof digits; len++) {
		if (len == VAULT_KEY_LEN || len == 2 * VAULT_KEY_LEN)
			continue;
		write_key(digits, len, 0600);
		assert_refused(key_path, -EINVAL, "not a key");
	}
	char long_one[1000];
	memset(long_one, '\n', sizeof long_one);
	memcpy(long_one, digits, 64);
	write_key(long_one, sizeof long_one, 0600);
	assert_refused(key_path, -EINVAL, "not a key");
	static const char bad_digit[] =
		"000102030405060708090a0b0c0d0e0f10111213141516171819secret9e1fzz";
	write_key(bad_digit, sizeof bad_digit - 1, 0600);
	struct vault_key key;
	struct error error = {0};
	assert_int_equal(vault_key_load(key_path, &key, &error), -EINVAL);
	assert_null(strstr(error.text, "secret"));
	assert_null(strstr(error.text, "0001"));
}

static void a_key_that_others_may_touch_is_refused(void **state)
{
	(void)state;
	static const mode_t bad[] = {0604, 0602, 0601, 0620, 0660, 0644, 0666};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		write_key(counting_key, 64, bad[i]);
		assert_refused(key_path, -EACCES, "chmod 600");
	}
	static const mode_t good[] = {0600, 0640, 0400, 0440};
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct vault_key key;
		write_key(counting_key, 64, good[i]);
		assert_int_equal(vault_key_load(key_path, &key, NULL), 0);
	}
	if (geteuid() != 0) {
		print_message("the owner of a key file is tested as root only\n");
		return;
	}
	write_key(counting_key, 64, 0600);
	assert_int_equal(chown(key_path, 65534, 65534), 0);
	assert_refused(key_path, -EACCES, "chown");
}

static void a_key_is_a_regular_file_and_no_link(void **state)
{
	(void)state;
	char link_path[80];
	snprintf(link_path, sizeof link_path, "%s/link", directory);
	write_key(counting_key, 64, 0600);
	assert_int_equal(symlink(key_path, link_path), 0);
	assert_refused(link_path, -ELOOP, "symbolic link");
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(mkfifo(link_path, 0600), 0);
	assert_refused(link_path, -EINVAL, "not a regular file");
	assert_int_equal(unlink(link_path), 0);
	assert_refused(directory, -EINVAL, "not a regular file");
	assert_refused(link_path, -ENOENT, "cannot open");
}

static void a_credential_is_found_where_systemd_put_it(void **state)
{
	(void)state;
	struct vault_key key;
	write_key(counting_key, 64, 0400);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_refused("credential:key", -ENOENT, "LoadCredential=key");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", directory, 1), 0);
	assert_int_equal(vault_key_load("credential:key", &key, NULL), 0);
	assert_hex(key.octets, counting_key);
	assert_refused("credential:", -EINVAL, "one file name");
	assert_refused("credential:../key", -EINVAL, "one file name");
	assert_refused("credential:..", -EINVAL, "one file name");
	assert_refused("credential:other", -ENOENT, "cannot open");
	unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_wrapped_as_rfc_3394_4_6_says),
		cmocka_unit_test(a_derived_key_is_that_of_rfc_5869_a_1_to_3),
		cmocka_unit_test(an_hmac_is_that_of_rfc_4231),
		cmocka_unit_test(a_record_is_sealed_as_the_vectors_of_gcm_say),
		cmocka_unit_test(a_digest_of_two_parts_is_that_of_both_in_a_row),
		cmocka_unit_test(a_changed_wrapped_key_does_not_unwrap),
		cmocka_unit_test(what_was_changed_or_moved_does_not_open),
		cmocka_unit_test(sealing_and_opening_work_in_place),
		cmocka_unit_test(keys_of_different_purposes_or_masters_differ),
		cmocka_unit_test(random_keys_differ_and_a_wiped_one_is_zero),
		cmocka_unit_test(equal_compares_every_octet),
		cmocka_unit_test(a_key_is_read_as_octets_or_as_hex_digits),
		cmocka_unit_test(what_is_no_key_is_refused_and_not_shown),
		cmocka_unit_test(a_key_that_others_may_touch_is_refused),
		cmocka_unit_test(a_key_is_a_regular_file_and_no_link),
		cmocka_unit_test(a_credential_is_found_where_systemd_put_it),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
