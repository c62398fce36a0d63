/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sheets are on paper and nowhere else: after the page was sent no line of them is in the memory of
 * the box. */
#include "tests/appliance/site.h"
#include "tests/lib/web.h"
#include "appliance/recovery/recovery.h"
#include <fcntl.h>
#include <sys/mman.h>

enum { ANSWER = 1 << 20, PIECE = 1 << 16, LINE = 19, WHOLE = 22, SHEET_ROWS = 6 };

/* What this test itself knows of them: one run of memory, which is not looked at. */
static struct own {
	char answer[ANSWER];
	char lines[32][LINE + 1];
	char whole[32][WHOLE + 1]; /* with their checks */
	char form[4096];
	char said[ANSWER];
	size_t n;
	char piece[2 * PIECE];
} * own;

/* The form goes from where it lies, and the answer to where it is to lie. */
static void post(struct site *s, const char *path, const char *form, char *answer)
{
	int fd = web_connect(http_port(s->http));
	_cleanup_(buf_release) struct buf ask = {0};
	size_t at = 0;
	ssize_t n = 1;

	buf_printf(&ask,
		   "POST %s HTTP/1.1\r\nHost: localhost:%d\r\n"
		   "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n"
		   "Cookie: lliure-here=%s\r\nConnection: close\r\n\r\n",
		   path, http_port(s->http), strlen(form), s->sessions[VOL]);
	web_send(fd, ask.p, ask.n);
	web_send(fd, form, strlen(form));
	while (n > 0 && at < ANSWER - 1) {
		n = recv(fd, answer + at, ANSWER - 1 - at, 0);
		at += n > 0 ? (size_t)n : 0;
	}
	answer[at] = 0;
	close(fd);
}

static void print_sheets(struct site *s)
{
	snprintf(own->form, sizeof(own->form), "csrf=%s", s->tickets[VOL].csrf);
	post(s, "/admin/recovery/sheets", own->form, own->answer);
	assert_non_null(strstr(own->answer, " 200 "));
}

/* sheet: 0 to 2; -1: nothing is typed there. wrong: a letter in its third line. */
static void type_sheet(size_t *io_n, const char *field, int sheet, bool wrong)
{
	char *form = own->form;
	size_t n = *io_n;

	n += (size_t)snprintf(form + n, sizeof(own->form) - n, "&%s=", field);
	for (int i = 0; sheet >= 0 && i < SHEET_ROWS; i++) {
		const char *row = own->whole[sheet * SHEET_ROWS + i];
		size_t at = n;

		n += (size_t)snprintf(form + n, sizeof(own->form) - n, "%s%%0A", row);
		if (wrong && i == 2)
			form[at] = form[at] == 'A' ? 'B' : 'A';
	}
	*io_n = n;
}

static void check_sheets(struct site *s, int first, int second, bool wrong)
{
	size_t n = (size_t)snprintf(own->form, sizeof(own->form), "csrf=%s", s->tickets[VOL].csrf);

	type_sheet(&n, "sheet1", first, wrong);
	type_sheet(&n, "sheet2", second, false);
	post(s, "/admin/recovery/sheets/check", own->form, own->said);
}

static void says(const char *words, bool it_does)
{
	if (!strstr(own->said, words) == it_does)
		fail_msg("%s “%s” in: %.3000s", it_does ? "no" : "there is", words, own->said);
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
			memcpy(own->whole[own->n], p, WHOLE);
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

/* A sanitizer keeps what was freed, and maps terabytes of its own: there nothing can be looked for. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CAN_LOOK = 0 };
#else
enum { CAN_LOOK = 1 };
#endif

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

/* Until the connection is gone. */
static void assert_forgotten(void)
{
	size_t found = 1;

	for (int i = 0; CAN_LOOK && i < 300 && found; i++) {
		found = count_in_memory();
		if (found)
			usleep(100000);
	}
	assert_int_equal(found, CAN_LOOK ? 0 : 1);
}

static int64_t checked_ms(struct site *s)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct recovery_state st;

	assert_ok(app_conn(s->app, &c));
	assert_ok(recovery_state(c, &st));
	return st.checked_ms;
}

static void check_all(struct site *s)
{
	check_sheets(s, 0, -1, false);
	says("Sheet 1 of 3", true);
	says("The sheet is good", true);
	says("are the key of this box", false);
	assert_int_equal(checked_ms(s), 0); /* one alone proves no key */
	check_sheets(s, 2, 1, false);
	says("Sheet 3 of 3", true);
	says("Sheet 2 of 3", true);
	says("are the key of this box", true);
	says("It was printed on", true);
	says("Newer ones", false);
	assert_true(checked_ms(s) > 0);
	check_sheets(s, 1, 1, false);
	says("the same sheet twice", true);
	check_sheets(s, 1, 0, true);
	says("Line 3 of sheet 1", true);
	for (size_t i = 0; i < own->n; i++)
		says(own->lines[i], false); /* nothing comes back */
	check_sheets(s, -1, -1, false);
	says("six lines of one sheet", true);
	assert_forgotten();
}

static void too_often_is_too_often(struct site *s)
{
	for (int i = 0; i < 10; i++)
		check_sheets(s, -1, -1, false);
	says(" 429 ", true);
}

static void sheets_are_checked_and_leave_nothing_but_the_day(void **state)
{
	struct site site;

	(void)state;
	own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(own != MAP_FAILED);
	site_open(&site);
	site_sign_in(&site, VOL, "vol");
	print_sheets(&site);
	find_lines();
	assert_int_equal(own->n, 18);
	assert_forgotten();
	check_all(&site);
	/* Of newer ones these know. */
	print_sheets(&site);
	assert_int_equal(checked_ms(&site), 0);
	check_sheets(&site, 0, 2, false);
	says("are the key of this box", true);
	says("Newer ones", true);
	assert_int_equal(checked_ms(&site), 0);
	too_often_is_too_often(&site);
	site_close(&site);
	munmap(own, sizeof(*own));
}

static void no_line_stays_in_memory(void **state)
{
	char canary[LINE + 1] = "";
	struct site site;

	(void)state;
	own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(own != MAP_FAILED);
	site_open(&site);
	site_sign_in(&site, VOL, "vol");
	print_sheets(&site);
	find_lines();
	assert_int_equal(own->n, 18);
	memcpy(canary, own->lines[0], LINE);
	assert_true(!CAN_LOOK || count_in_memory() > 0); /* it looks where it should */
	explicit_bzero(canary, sizeof(canary));
	assert_forgotten();
	site_close(&site);
	munmap(own, sizeof(*own));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_line_stays_in_memory),
		cmocka_unit_test(sheets_are_checked_and_leave_nothing_but_the_day),
	};

	return run_group(tests);
}
