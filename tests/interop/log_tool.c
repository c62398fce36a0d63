/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A space as it may become, for the second implementation to read: log_tool DIR writes DIR/bundle,
 * what one box exports, and DIR/expected.json, what it thinks of it: of each log the row of heads
 * and the op ids, and the space's digests. One log is open, one was forked, one ended by an entry
 * that its author did not sign, and some payloads were erased.
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "tests/sync/replicate/boxes.h"
#include "sync/bundle/bundle.h"
#include <jansson.h>

enum { PEOPLE = 3 };

struct world {
	struct test_env env;
	char *dir;
	struct box a, b, b2, c;
	struct secret *people[PEOPLE];
	struct hash space;
};

static void write_some(struct world *w, struct box *b, int n, const char *what)
{
	for (int i = 0; i < n; i++) {
		char text[200];
		const struct secret *author = i % 4 == 3 ? NULL : w->people[i % PEOPLE];

		snprintf(text, sizeof(text),
			 "{\"type\":\"post.create\",\"text\":\"%s %d\",\"n\":\"%*s\"}", what, i,
			 i * 7 % 40, "");
		box_write(b, &w->space, author, text);
		test_env_pass(&w->env, 1000);
	}
}

/* Two cards with one key. */
static void copy_box(struct world *w, struct box *from, struct box *to)
{
	uint8_t seed[32];

	secret_seed(from->key, seed);
	*to = (struct box){.env = &w->env, .key = secret_from_seed(seed), .folded = from->folded};
	if (asprintf(&to->path, "%s/copy.db", w->dir) < 0)
		abort();
	NEED(db_backup(log_db(from->log), to->path));
	box_open_log(to);
	to->o = from->o;
	to->o.self = to->key;
}

/* Its box vouches for what its author did not sign. */
static void forge(struct world *w, struct box *b)
{
	struct log_id id = {w->space, *secret_pubkey(b->key), log_incarnation(b->log)};
	struct ingest_payload p = {.salt = (const uint8_t *)"0123456789abcdef",
				   .bytes = span_str("{}")};
	struct entry e = {.space = id.space, .rules = id.space, .payload_len = 2};
	struct entry_bytes raw, forged;
	struct ingest in = {.id = &id, .headers = &forged, .payloads = &p, .n = 1};
	struct ingest_result result;
	struct error *refused = NULL;
	struct log_info info;

	NEED(log_info_get(b->log, &id, &info));
	e.seq = in.first = info.head + 1;
	entry_make(&e, w->people[0], b->key, p.salt, p.bytes, &raw);
	raw.b[230] ^= 1;
	entry_carry(&raw, e.seq, id.incarnation, &info.head_hash, b->key, &forged);
	NEED(log_begin(b->log));
	NEED(log_ingest(b->log, &in, &result, &refused));
	NEED(refused);
	NEED(log_commit(b->log));
}

static struct error *third_op(void *ctx, const struct stored *e)
{
	*(struct hash *)ctx = e->op_id;
	return NULL;
}

static void erase_third(struct world *w)
{
	struct log_id id = {w->space, *secret_pubkey(w->b.key), log_incarnation(w->b.log)};
	struct log_info info;
	struct hash op;

	NEED(log_info_get(w->a.log, &id, &info));
	NEED(log_range(w->a.log, info.num, 3, 3, third_op, &op));
	NEED(log_begin(w->a.log));
	NEED(log_erase(w->a.log, &op));
	NEED(log_commit(w->a.log));
}

static void make_world(struct world *w)
{
	test_env_init(&w->env, 1764000000000, 77);
	for (unsigned i = 0; i < PEOPLE; i++)
		w->people[i] = test_key(100 + i);
	box_init(&w->a, &w->env, w->dir, "a", 1);
	box_init(&w->b, &w->env, w->dir, "b", 2);
	box_init(&w->c, &w->env, w->dir, "c", 3);
	w->space = box_found(&w->a, w->people[0]);
	box_admit(&w->a, &w->space, secret_pubkey(w->b.key));
	box_admit(&w->a, &w->space, secret_pubkey(w->c.key));
	write_some(w, &w->a, 12, "open");
	boxes_sync(&w->b, &w->a);
	boxes_sync(&w->c, &w->a);
	write_some(w, &w->b, 6, "before");
	write_some(w, &w->c, 5, "signed");
	forge(w, &w->c);
	write_some(w, &w->c, 2, "behind");
	boxes_sync(&w->a, &w->c);
	erase_third((boxes_sync(&w->a, &w->b), w));
	copy_box(w, &w->b, &w->b2);
	write_some(w, &w->b, 2, "one branch");
	write_some(w, &w->b2, 3, "the other");
	boxes_sync(&w->a, &w->b);
	boxes_sync(&w->a, &w->b2);
	boxes_sync(&w->b, &w->a);
}

/* --- what the box thinks --- */
static char *hex(const void *p, size_t n)
{
	static char text[4][200];
	static int at;
	char *to = text[at = (at + 1) % 4];

	for (size_t i = 0; i < n; i++)
		snprintf(to + 2 * i, 3, "%02x", ((const uint8_t *)p)[i]);
	return to;
}

static struct error *add_op(void *ctx, const struct stored *e)
{
	if (e->live)
		json_array_append_new(ctx, json_string(hex(&e->op_id, 32)));
	return NULL;
}

struct expecting {
	struct world *w;
	json_t *logs;
};

static struct error *add_log(void *ctx, const struct log_info *info)
{
	struct expecting *x = ctx;
	uint8_t id[LOG_ID_BYTES];
	json_t *ops = json_array();
	struct head h;

	TRY(head_of_log(x->w->a.log, info, &h));
	log_id_write(&info->id, id);
	TRY(log_range(x->w->a.log, info->num, 1, info->head, add_op, ops));
	json_array_append_new(
		x->logs, json_pack("{s:s,s:I,s:s,s:i,s:I,s:o}", "log", hex(id, sizeof(id)), "head",
				   (json_int_t)h.seq, "hash", hex(&h.hash, 32), "mark", (int)h.mark,
				   "mark_sequence", (json_int_t)h.mark_seq, "ops", ops));
	return NULL;
}

static void say(struct world *w)
{
	struct expecting x = {w, json_array()};
	_cleanup_(freep) char *path = path_join(w->dir, "expected.json");
	struct space_digest d;
	json_t *all;

	NEED(log_each(w->a.log, &w->space, add_log, &x));
	NEED(heads_space_digest(w->a.log, &w->space, &d));
	all = json_pack("{s:s,s:s,s:s,s:o}", "space", hex(&w->space, 32), "heads",
			hex(&d.heads, 32), "missing", hex(d.missing, 16), "logs", x.logs);
	if (!all || json_dump_file(all, path, JSON_INDENT(1)))
		abort();
	json_decref(all);
}

int main(int argc, char **argv)
{
	struct world w = {.dir = argc == 2 ? argv[1] : NULL};
	struct bundle_totals totals;

	if (!w.dir) {
		fprintf(stderr, "usage: log_tool DIR\n");
		return 2;
	}
	test_init();
	make_world(&w);
	_cleanup_(freep) char *path = path_join(w.dir, "bundle");
	NEED(bundle_export(&(struct bundle_export){.log = w.a.log, .env = &w.env.env, .name = "a"},
			   path, &totals));
	say(&w);
	box_release(&w.a);
	box_release(&w.b);
	box_release(&w.b2);
	box_release(&w.c);
	for (int i = 0; i < PEOPLE; i++)
		secret_free(w.people[i]);
	return 0;
}
