/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two claims of one peer, of what it holds, the one after the other. Input: a byte (how their
 * incarnations and numbers differ), the length of the first (two bytes), then both as frames.h
 * says. What is kept of them can be read again, and is never more than the higher of what they say.
 */
#include "sync/base/limits.h"
#include "sync/bundle/known.h"
#include "tests/fuzz/frames.h"

static struct db *fuzz_local(void)
{
	struct db *local;

	must(db_open(":memory:", DB_TEST_NOSYNC, 256, &local));
	must(db_migrate(local, "known", known_migrations, known_migrations_n));
	return local;
}

/* Without the beginning of a stream: in a claim the frames stand alone. */
static void frames_of(struct span in, struct buf *out)
{
	_cleanup_(buf_release) struct buf stream = {0};

	if (in.n)
		frames_build(&stream, in.p, in.n);
	if (stream.n > 8)
		buf_add(out, stream.p + 8, stream.n - 8);
}

static void check(const struct known *k)
{
	FUZZ_CHECK(k->n_spaces && k->n_spaces <= LIMIT_SPACES);
	for (size_t i = 0; i < k->n_heads; i++)
		FUZZ_CHECK(!i || log_id_cmp(&k->heads[i - 1].id, &k->heads[i].id) < 0);
	for (size_t i = 0; i < k->n_spaces; i++)
		for (size_t j = 0; j < i; j++)
			FUZZ_CHECK(!hash_eq(&k->spaces[i], &k->spaces[j]));
}

static uint64_t head_of(const struct known *k, const struct log_id *id)
{
	const struct head *h = heads_find(k->heads, k->n_heads, id);

	return h ? h->seq : 0;
}

/* Takes it in; what is known then, in the arena: nothing, where there was no space in it. */
static void claim(struct db *local, const struct bundle_claim *c, struct arena *a,
		  struct known *ret)
{
	struct error *e = known_claimed(local, c, 1);

	*ret = (struct known){.serial = 0};
	theirs(e);
	e = known_get(local, &c->writer, a, ret);
	FUZZ_CHECK(!e || error_is(e, ERR_NOT_FOUND));
	if (!e)
		check(ret);
	error_free(e);
}

static void both(struct db *local, const struct bundle_claim *c, struct arena *a)
{
	struct known before, after, said = {.serial = 0};

	claim(local, &c[0], a, &before);
	claim(local, &c[1], a, &after);
	error_free(known_parse(c[1].frames, a, &said));
	for (size_t i = 0; i < after.n_heads; i++) {
		const struct head *h = &after.heads[i];

		FUZZ_CHECK(h->seq <= head_of(&before, &h->id) || h->seq <= head_of(&said, &h->id));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(span_of(data, size));
	uint8_t how = reader_u8(&r);
	size_t first = reader_u16(&r);
	struct bundle_claim c[2] = {{.writer = {{2}}, .incarnation = 10, .serial = 4}};
	_cleanup_(buf_release) struct buf a = {0}, b = {0};
	struct arena arena = {0};
	struct db *local;

	must(crypto_init());
	frames_of(reader_bytes(&r, first < r.rest.n ? first : r.rest.n), &a);
	frames_of(r.rest, &b);
	c[1] = c[0];
	c[0].frames = buf_span(&a);
	c[1].frames = buf_span(&b);
	c[1].incarnation += how & 1;
	c[1].serial += how >> 1 & 3;
	c[0].incarnation *= how >> 3 & 1;
	local = fuzz_local();
	must(db_begin(local));
	both(local, c, &arena);
	must(db_commit(local));
	db_close(local);
	arena_release(&arena);
	return 0;
}
