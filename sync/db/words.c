/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Words for full-text tables that are looked through in parts.
 *
 * FTS5 reads all that it has of a word before it gives the first row: of the beginning of a common
 * word it merges the lists of all the words that begin so, and bm25() counts the rows of every word
 * once more. In a table of a million rows that is a second each, whatever bounds the statement
 * names. So the rows are parted, and the part is in front of every word: what begins with "12
 * piano" is read of part 12 alone.
 *
 * The part is said by the text itself, and so by what is asked for: nothing that is not in the
 * table is needed to check it, or to take a row out of it.
 */
#include "sync/db/db_priv.h"
#include <stdlib.h>

enum { PART_MAX = 16, WORD_MAX = 1024, PHRASES_MAX = 64 };

struct tokens {
	fts5_tokenizer inner;
	Fts5Tokenizer *it;
};

/* What the callback of the tokenizer beneath hands on. */
struct parting {
	void *ctx;
	int (*word)(void *, int, const char *, int, int, int);
	int skip; /* bytes of the text before the first that is its own */
	int part;
	char bytes[PART_MAX + WORD_MAX];
};

static int tokens_new(void *api, const char **arg, int n, Fts5Tokenizer **ret)
{
	fts5_api *fts = api;
	struct tokens *t = calloc(1, sizeof(*t));
	void *ctx;
	int rc;

	if (!t)
		return SQLITE_NOMEM;
	rc = fts->xFindTokenizer(fts, "unicode61", &ctx, &t->inner);
	if (rc == SQLITE_OK)
		rc = t->inner.xCreate(ctx, arg, n, &t->it);
	if (rc != SQLITE_OK) {
		free(t);
		return rc;
	}
	*ret = (Fts5Tokenizer *)(void *)t;
	return SQLITE_OK;
}

static void tokens_free(Fts5Tokenizer *tokenizer)
{
	struct tokens *t = (struct tokens *)(void *)tokenizer;

	t->inner.xDelete(t->it);
	free(t);
}

static int hand_on(void *ctx, int flags, const char *word, int n, int from, int to)
{
	struct parting *p = ctx;

	n = n > WORD_MAX ? WORD_MAX : n;
	memcpy(p->bytes + p->part, word, (size_t)n);
	return p->word(p->ctx, flags, p->bytes, p->part + n, from + p->skip, to + p->skip);
}

/* The part with the byte behind it, which is in no word. */
static void find_part(struct parting *p, const char *text, int n)
{
	const char *end =
		n > 1 && *text == DB_PART_BEGIN[0] ? memchr(text, DB_PART_END[0], (size_t)n) : NULL;

	if (!end || end - text > PART_MAX)
		return;
	p->skip = (int)(end - text) + 1;
	p->part = p->skip - 1;
	memcpy(p->bytes, text + 1, (size_t)p->part);
}

static int tokens_of(Fts5Tokenizer *tokenizer, void *ctx, int flags, const char *text, int n,
		     int (*word)(void *, int, const char *, int, int, int))
{
	struct tokens *t = (struct tokens *)(void *)tokenizer;
	struct parting p;

	p.ctx = ctx;
	p.word = word;
	p.skip = p.part = 0;
	find_part(&p, text, n);
	return t->inner.xTokenize(t->it, &p, flags, text + p.skip, n - p.skip, hand_on);
}

/* --- how well a row fits --- */

/* Words in an ordinary row. Not the average of the table: that would tell who may see some of its rows how
 * much is said in the others, and be another on each box. */
static const double usual = 100;

/* How often each of the phrases is in the row, in columns that count differently. */
static int count(const Fts5ExtensionApi *api, Fts5Context *fts, int n, sqlite3_value **weights,
		 double often[PHRASES_MAX])
{
	int found, rc = api->xInstCount(fts, &found);

	for (int i = 0; i < found && rc == SQLITE_OK; i++) {
		int phrase, column, at;

		rc = api->xInst(fts, i, &phrase, &column, &at);
		if (rc == SQLITE_OK && phrase < PHRASES_MAX)
			often[phrase] += column < n ? sqlite3_value_double(weights[column]) : 1;
	}
	return rc;
}

/* The sum over the phrases of BM25's measure (k1 1.2, b 0.75), the better the smaller, as bm25()
 * does. Without its factor for how rare a phrase is: that would be another in each part, and tell how often
 * rows that somebody may not see say it. */
static void fit(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *ctx, int n,
		sqlite3_value **weights)
{
	double often[PHRASES_MAX] = {0}, sum = 0;
	int words = 0, rc = api->xColumnSize(fts, -1, &words);

	if (rc == SQLITE_OK)
		rc = count(api, fts, n, weights, often);
	if (rc != SQLITE_OK) {
		sqlite3_result_error_code(ctx, rc);
		return;
	}
	for (int i = 0; i < PHRASES_MAX && i < api->xPhraseCount(fts); i++)
		sum += often[i] * 2.2 / (often[i] + 1.2 * (0.25 + 0.75 * words / usual));
	sqlite3_result_double(ctx, -sum);
}

int words_register(sqlite3 *sq)
{
	static fts5_tokenizer parted = {tokens_new, tokens_free, tokens_of};
	fts5_api *api = NULL;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(sq, "SELECT fts5(?1)", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_pointer(st, 1, &api, "fts5_api_ptr", NULL);
	if (rc == SQLITE_OK)
		sqlite3_step(st);
	sqlite3_finalize(st);
	if (rc != SQLITE_OK || !api)
		return rc == SQLITE_OK ? SQLITE_ERROR : rc;
	rc = api->xCreateTokenizer(api, "parted", api, &parted, NULL);
	if (rc == SQLITE_OK)
		rc = api->xCreateFunction(api, "fit", NULL, fit, NULL);
	return rc;
}
