// Keys: from the kernel, and from a file that nobody else may read.
#include "vault.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KEY_HEX_LEN = 2 * VAULT_KEY_LEN,
	KEY_FILE_MAX = 256, // octets of a file that is too long for hex digits and white space
	PATH_ROOM = 4096,
};

int vault_key_random(struct vault_key *out)
{
	struct vault_key key;
	if (getrandom(key.octets, VAULT_KEY_LEN, 0) != VAULT_KEY_LEN)
		return errno ? -errno : -EIO;
	*out = key;
	vault_key_wipe(&key);
	return 0;
}

void vault_key_wipe(struct vault_key *key)
{
	explicit_bzero(key, sizeof *key);
}

// The path of a key named "credential:NAME", or `path` as it is.
static int resolve(const char *path, char room[PATH_ROOM], struct error *error)
{
	static const char prefix[] = "credential:";
	const char *name =
		strncmp(path, prefix, sizeof prefix - 1) == 0 ? path + sizeof prefix - 1 : NULL;
	const char *directory = name ? getenv("CREDENTIALS_DIRECTORY") : NULL;
	if (name && !directory)
		return error_set(error, -ENOENT,
			"%s: no CREDENTIALS_DIRECTORY: start x2tap by systemd with LoadCredential=%s:FILE",
			path, name);
	if (name && (name[0] == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 ||
			    strcmp(name, "..") == 0))
		return error_set(
			error, -EINVAL, "%s: the name of a credential is one file name", path);
	int len = name ? snprintf(room, PATH_ROOM, "%s/%s", directory, name)
	               : snprintf(room, PATH_ROOM, "%s", path);
	if (len < 0 || len >= PATH_ROOM)
		return error_set(error, -ENAMETOOLONG, "the path of the key is too long");
	return 0;
}

static int check_file(const char *path, int fd, struct error *error)
{
	struct stat status;
	if (fstat(fd, &status))
		return error_set(
			error, -errno, "%s: cannot stat the key: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(error, -EINVAL, "%s: the key is not a regular file", path);
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return error_set(error, -EACCES,
			"%s: the key is another user's (uid %u): chown it to root or to the service user",
			path, (unsigned)status.st_uid);
	if (status.st_mode & (S_IWGRP | S_IRWXO))
		return error_set(error, -EACCES,
			"%s: the key is open to others (mode %04o): chmod 600 or 640 it", path,
			(unsigned)(status.st_mode & 07777));
	return 0;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool hex_decode(struct bytes text, struct vault_key *out)
{
	while (text.len > KEY_HEX_LEN && is_space(text.at[text.len - 1]))
		text.len--;
	if (text.len != KEY_HEX_LEN)
		return false;
	for (size_t i = 0; i < VAULT_KEY_LEN; i++) {
		int high = ascii_hex_value(text.at[2 * i]);
		int low = ascii_hex_value(text.at[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out->octets[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_key(const char *path, int fd, struct vault_key *out, struct error *error)
{
	uint8_t octets[KEY_FILE_MAX];
	struct vault_key key;
	int result = 0;
	ssize_t len = file_read(fd, octets, sizeof octets);
	if (len < 0)
		result = error_set(
			error, (int)len, "%s: cannot read the key: %s", path, strerror((int)-len));
	else if (len == VAULT_KEY_LEN)
		memcpy(key.octets, octets, VAULT_KEY_LEN);
	else if (len == KEY_FILE_MAX || !hex_decode(bytes_of(octets, (size_t)len), &key))
		result = error_set(error, -EINVAL,
			"%s: not a key: 32 octets or 64 hexadecimal digits are wanted, as of: head -c 32 /dev/urandom",
			path);
	if (result == 0)
		*out = key;
	explicit_bzero(octets, sizeof octets);
	vault_key_wipe(&key);
	return result;
}

int vault_key_load(const char *path, struct vault_key *out, struct error *error)
{
	char file[PATH_ROOM];
	int result = resolve(path, file, error);
	if (result < 0)
		return result;
	// O_NONBLOCK: a FIFO in its place must not hold us up.
	int fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ELOOP)
		return error_set(error, -ELOOP,
			"%s: the key is a symbolic link: name the file itself", path);
	if (fd < 0)
		return error_set(
			error, -errno, "%s: cannot open the key: %s", path, strerror(errno));
	result = check_file(path, fd, error);
	if (result == 0)
		result = read_key(path, fd, out, error);
	close(fd);
	return result;
}
