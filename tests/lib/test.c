/* SPDX-License-Identifier: AGPL-3.0-or-later */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include <sys/socket.h>
#include <sys/un.h>

char *test_dir(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = path_join(tmp && *tmp ? tmp : "/tmp", "lliure-test-XXXXXX");

	if (!mkdtemp(dir)) {
		perror(dir);
		abort();
	}
	return dir;
}

void test_dir_remove(char *take_dir)
{
	error_free(dir_remove(take_dir));
	free(take_dir);
}

char *test_source_file(const char *path, size_t *ret_n)
{
	const char *source = getenv("SOURCE");
	char *whole = path_join(source && *source ? source : ".", path);
	struct buf b = {0};
	struct error *err = file_read(whole, 64 * 1024 * 1024, &b);

	if (err) {
		fprintf(stderr, "%s\n", error_english(err));
		abort();
	}
	free(whole);
	if (ret_n)
		*ret_n = b.n;
	return buf_steal(&b);
}

static int64_t fake_now(void *ctx)
{
	return ((struct test_env *)ctx)->now;
}

static int64_t fake_mono(void *ctx)
{
	return ((struct test_env *)ctx)->mono;
}

/* splitmix64 */
uint64_t test_rand(struct test_env *t)
{
	uint64_t z = t->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t test_below(struct test_env *t, uint64_t n)
{
	return n ? test_rand(t) % n : 0;
}

static void fake_random(void *ctx, void *out, size_t n)
{
	uint8_t *to = out;

	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)test_rand(ctx);
}

int test_listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 8)) {
		perror(path);
		abort();
	}
	return s;
}

void test_unhex(const char *hex, void *out, size_t n)
{
	uint8_t *to = out;

	if (!hex || strlen(hex) != 2 * n || strspn(hex, "0123456789abcdef") != 2 * n) {
		fprintf(stderr, "not %zu bytes in hex: %s\n", n, hex ? hex : "nothing");
		abort();
	}
	for (size_t i = 0; i < n; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], 0};

		to[i] = (uint8_t)strtoul(two, NULL, 16);
	}
}

void test_env_init(struct test_env *t, int64_t now_ms, uint64_t seed)
{
	*t = (struct test_env){.env = {t, fake_now, fake_mono, fake_random},
			       .now = now_ms,
			       .mono = 1000,
			       .state = seed};
}

void test_env_pass(struct test_env *t, int64_t ms)
{
	t->now += ms;
	t->mono += ms;
}

struct secret *test_key(unsigned n)
{
	uint8_t seed[32] = "a key for tests only";

	for (int i = 0; i < 4; i++)
		seed[28 + i] = (uint8_t)(n >> 8 * i);
	return secret_from_seed(seed);
}

void test_init(void)
{
	struct error *err = crypto_init();

	if (err) {
		fprintf(stderr, "%s\n", error_english(err));
		abort();
	}
}
