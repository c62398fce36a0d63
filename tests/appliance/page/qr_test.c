/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "tests/lib/test.h"
#include "appliance/page/qr.h"
#include "sync/base/arena.h"

enum { QUIET = 4, TEXT = 3000 };

/* The dark modules of a path, one letter a module. */
static void paint(const struct qr *q, char *grid)
{
	const char *s = q->path;

	memset(grid, '.', (size_t)q->size * (size_t)q->size);
	while (*s) {
		int x, y, run, back, n = 0;

		assert_int_equal(sscanf(s, "M%d %dh%dv1H%dz%n", &x, &y, &run, &back, &n), 4);
		assert_int_equal(back, x);
		assert_true(x >= QUIET && x + run <= q->size - QUIET);
		assert_true(y >= QUIET && y < q->size - QUIET);
		memset(grid + y * q->size + x, '#', (size_t)run);
		s += n;
	}
}

static void it_has_white_around_and_three_finders(void **state)
{
	static const char *const finder[] = {"#######.", "#.....#.", "#.###.#.", "#.###.#.",
					     "#.###.#.", "#.....#.", "#######.", "........"};
	struct arena a = {0};
	struct qr q;
	char *grid;

	assert_ok(qr_make("http://192.168.1.20:8080/pair/AFOQBBKXBFD4VDMTGBCT54OF", &q));
	assert_int_equal((q.size - 2 * QUIET - 21) % 4, 0);
	grid = arena_alloc(&a, (size_t)q.size * (size_t)q.size);
	paint(&q, grid);
	for (int y = 0; y < 8; y++)
		for (int x = 0; x < 8; x++) {
			int far = q.size - 1 - QUIET;

			assert_int_equal(grid[(QUIET + y) * q.size + QUIET + x], finder[y][x]);
			assert_int_equal(grid[(QUIET + y) * q.size + far - x], finder[y][x]);
			assert_int_equal(grid[(far - y) * q.size + QUIET + x], finder[y][x]);
		}
	qr_release(&q);
	arena_release(&a);
}

static void what_is_too_long_is_refused(void **state)
{
	char text[TEXT];
	struct qr q;

	memset(text, 'a', sizeof(text));
	text[TEXT - 1] = 0;
	assert_fails(qr_make(text, &q), ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_white_around_and_three_finders),
		cmocka_unit_test(what_is_too_long_is_refused),
	};

	return run_group(tests);
}
