/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sheets are on paper and nowhere else: after the page was sent no line of them is in the memory of
 * the box. */
#include "tests/appliance/site.h"
#include "tests/lib/web.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { ANSWER = 1 << 20, PIECE = 1 << 16, LINE = 19 };

/* What this test itself knows of them: one run of memory, which is not looked at. */
static struct own {
	char answer[ANSWER];
	char lines[32][LINE + 1];
	size_t n;
	char piece[2 * PIECE];
} * own;

static void print_sheets(struct site *s)
{
	int fd = web_connect(http_port(s->http));
	_cleanup_(buf_release) struct buf ask = {0}, form = {0};
	size_t at = 0;
	ssize_t n = 1;

	buf_printf(&form, "csrf=%s", s->tickets[VOL].csrf);
	buf_printf(&ask,
		   "POST /admin/recovery/sheets HTTP/1.1\r\nHost: localhost:%d\r\n"
		   "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n"
		   "Cookie: lliure-here=%s\r\nConnection: close\r\n\r\n%s",
		   http_port(s->http), form.n, s->sessions[VOL], buf_str(&form));
	web_send(fd, ask.p, ask.n);
	while (n > 0 && at < ANSWER - 1) {
		n = recv(fd, own->answer + at, ANSWER - 1 - at, 0);
		at += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	assert_non_null(strstr(own->answer, " 200 "));
}

/* "ABCD EFGH IJKL MNOP" with its end. */
static bool is_line(const char *p)
{
	for (int i = 0; i < LINE; i++)
		if (i % 5 == 4 ? p[i] != ' ' : !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", p[i]))
			return false;
	return true;
}

static void find_lines(void)
{
	for (const char *p = own->answer; *p && own->n < 32; p++)
		if (is_line(p)) {
			memcpy(own->lines[own->n++], p, LINE);
			p += LINE;
		}
}

static size_t count_in(const char *p, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < own->n; i++)
		for (const char *at = p;
		     (at = memmem(at, (size_t)(p + n - at), own->lines[i], LINE)); at++)
			found++;
	return found;
}

static size_t count_between(int mem, uintptr_t from, uintptr_t to)
{
	size_t found = 0;

	if (from <= (uintptr_t)own && (uintptr_t)own < to)
		return 0;
	for (uintptr_t at = from; at < to; at += PIECE) {
		/* (What lies behind may be what this test itself knows.) */
		size_t most = to - at < PIECE + LINE ? to - at : PIECE + LINE;
		ssize_t n = pread(mem, own->piece, most, (off_t)at);

		found += n > 0 ? count_in(own->piece, (size_t)n) : 0;
	}
	return found;
}

static size_t count_in_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	char row[600], may[8];
	size_t found = 0;

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (fgets(row, sizeof(row), maps))
		if (sscanf(row, "%lx-%lx %7s", &from, &to, may) == 3 && may[1] == 'w')
			found += count_between(mem, from, to);
	fclose(maps);
	close(mem);
	return found;
}

static void no_line_stays_in_memory(void **state)
{
	char canary[LINE + 1] = "";
	struct site site;
	size_t found = 1;

	own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(own != MAP_FAILED);
	site_open(&site);
	site_sign_in(&site, VOL, "vol");
	print_sheets(&site);
	find_lines();
	assert_int_equal(own->n, 18);
	memcpy(canary, own->lines[0], LINE);
	assert_true(count_in_memory() > 0); /* it looks where it should */
	explicit_bzero(canary, sizeof(canary));
	for (int i = 0; i < 300 && found; i++) { /* until the connection is gone */
		found = count_in_memory();
		if (found)
			usleep(100000);
	}
	assert_int_equal(found, 0);
	site_close(&site);
	munmap(own, sizeof(*own));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_stays_in_memory),
	};

	return run_group(tests);
}
