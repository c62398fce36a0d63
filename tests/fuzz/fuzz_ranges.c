/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ranges of heads: as a question, as an answer, and as the closing word. Input: the body of a frame
 * behind its space and nonce. */
#include "sync/replicate/heads.h"
#include "sync/replicate/ranges.h"
#include "tests/fuzz/frames.h"

enum { ROWS = 700 };

static void fixed_random(void *ctx, void *out, size_t n)
{
	(void)ctx;
	memset(out, 9, n);
}

static void make_rows(const struct hash *space, struct head *rows)
{
	for (size_t i = 0; i < ROWS; i++) {
		rows[i] = (struct head){.id.space = *space, .seq = 1};
		rows[i].id.incarnation = i + 1;
		rows[i].hash.b[0] = (uint8_t)(i + 1);
		rows[i].hash.b[1] = 1;
	}
	heads_sort(rows, ROWS);
}

/* What we say can be read, and is no longer than our rows allow. */
static void check_readable(const struct buf *body)
{
	struct arena a = {0};
	struct range_frame f;

	FUZZ_CHECK(body->n < 4 * 1024 * 1024);
	must(ranges_read(buf_span(body), &a, &f));
	arena_release(&a);
}

static void hear(const struct range_frame *f, const struct head *rows)
{
	const struct env env = {.random = fixed_random};
	struct ranges_asker *a = ranges_asker_new(&env, &f->space, rows, ROWS);
	int steps = 0;

	while (ranges_asker_open(a) && !ranges_asker_gives_up(a)) {
		struct buf body = {0};
		struct error *e = ranges_hear(a, f);

		theirs(e);
		if (e)
			break;
		if (!ranges_asker_gives_up(a)) {
			ranges_ask(a, &body);
			check_readable(&body);
		}
		buf_release(&body);
		FUZZ_CHECK(++steps <= RANGES_STEPS);
	}
	ranges_asker_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct head rows[ROWS];
	struct arena a = {0};
	struct buf body = {0}, out = {0};
	struct hash space = {{1}};
	struct range_frame f;
	struct error *e;

	must(crypto_init());
	make_rows(&space, rows);
	buf_add(&body, space.b, sizeof(space.b));
	for (int i = 0; i < RANGES_NONCE; i++)
		buf_u8(&body, 9);
	buf_add(&body, data, size);
	e = ranges_read(buf_span(&body), &a, &f);
	theirs(e);
	if (!e) {
		ranges_answer(&f, rows, ROWS, &out);
		check_readable(&out);
		buf_clear(&out);
		ranges_apply(&f, rows, ROWS, &out);
		FUZZ_CHECK(out.n / sizeof(*rows) <= ROWS + f.n_rows);
		hear(&f, rows);
	}
	arena_release(&a);
	buf_release(&body);
	buf_release(&out);
	return 0;
}
