/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The main() of a fuzz target without libFuzzer: runs it once for each file named, or in each
 * folder named, so that `make test` replays the corpora with every compiler. */
#include "tests/fuzz/fuzz.h"
#include "sync/base/cleanup.h"
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static size_t replay_file(const char *path)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "rb");
	_cleanup_(freep) uint8_t *data = NULL;
	struct stat st;
	size_t n;

	if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!data)
		abort();
	n = fread(data, 1, (size_t)st.st_size, f);
	LLVMFuzzerTestOneInput(data, n);
	return 1;
}

static size_t replay_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	size_t n = 0;

	while (dir && (d = readdir(dir))) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, d->d_name);
		n += replay_file(name);
	}
	if (dir)
		closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		size_t files = replay_folder(argv[i]);

		n += files ? files : replay_file(argv[i]);
	}
	printf("%zu inputs\n", n);
	return n ? 0 : 1;
}
