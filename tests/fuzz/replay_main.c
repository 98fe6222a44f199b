// Runs a fuzz target once over every file of the directories and files named, in the order of their names: the corpus
// replay of the normal suite. Each input lies in a heap block of exactly its size. Fails when there is nothing to replay.
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

enum { PATH_ROOM = 4096 };

static bool file_replay(const char *path)
{
	struct stat status;
	FILE *file = fopen(path, "rb");
	if (!file || fstat(fileno(file), &status)) {
		perror(path);
		if (file)
			fclose(file);
		return false;
	}
	size_t size = (size_t)status.st_size;
	uint8_t *data = malloc(size ? size : 1);
	bool ok = data && fread(data, 1, size, file) == size;
	fclose(file);
	if (ok) {
		printf("%s: %zu octets\n", path, size);
		fflush(stdout); // so that the last line names the input that broke it
		LLVMFuzzerTestOneInput(data, size);
	} else {
		perror(path);
	}
	free(data);
	return ok;
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

// The number of files replayed, or -1.
static int directory_replay(const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, visible, alphasort);
	if (count < 0) {
		perror(directory);
		return -1;
	}
	bool ok = true;
	for (int i = 0; i < count; i++) {
		char path[PATH_ROOM];
		int len = snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
		ok = ok && len > 0 && (size_t)len < sizeof path && file_replay(path);
		free(entries[i]);
	}
	free(entries);
	return ok ? count : -1;
}

int main(int argc, char **argv)
{
	int total = 0;
	for (int i = 1; i < argc; i++) {
		struct stat status;
		bool is_directory = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
		int count = is_directory           ? directory_replay(argv[i])
		            : file_replay(argv[i]) ? 1
		                                   : -1;
		if (count < 0)
			return EXIT_FAILURE;
		total += count;
	}
	if (total == 0) {
		fprintf(stderr, "%s: nothing to replay\n", argv[0]);
		return EXIT_FAILURE;
	}
	printf("%d inputs replayed\n", total);
	return EXIT_SUCCESS;
}
