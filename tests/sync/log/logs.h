/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the tests of the log store share: a store in a folder of its own, and runs of entries made
 * without a store, as a foreign appliance would make them. */
#pragma once
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/log/log.h"

struct box {
	char *dir, *path;
	struct test_env env;
	struct secret *key;
	struct log_store *l;
};

static inline void box_open(struct box *b, const char *whereabouts)
{
	struct log_open how = {.path = b->path,
			       .mode = DB_TEST_NOSYNC,
			       .env = &b->env.env,
			       .self = *secret_pubkey(b->key),
			       .whereabouts = whereabouts};

	assert_ok(log_open(&how, &b->l));
}

/* Must not move in memory afterwards. */
static inline void box_init(struct box *b, unsigned key)
{
	b->dir = test_dir();
	b->path = path_join(b->dir, "log.db");
	b->key = test_key(key);
	test_env_init(&b->env, 1700000000000, key);
	box_open(b, "here");
}

static inline void box_release(struct box *b)
{
	log_close(b->l);
	secret_free(b->key);
	free(b->path);
	test_dir_remove(b->dir);
}

static inline struct hash box_append(struct box *b, const struct hash *space,
				     const struct secret *author, const char *text)
{
	static const struct hash rules = {"rules"};
	struct log_append what = {.space = space,
				  .author = author,
				  .appliance = b->key,
				  .time = env_now(&b->env.env),
				  .payload = span_str(text)};
	struct hash op;

	if (space)
		what.rules = rules;
	assert_ok(log_begin(b->l));
	assert_ok(log_append(b->l, &what, &op));
	assert_ok(log_commit(b->l));
	test_env_pass(&b->env, 1000);
	return op;
}

/* --- a run of one log, made by hand --- */
enum { RUN_MAX = 64 };
struct made {
	struct log_id id;
	size_t n;
	struct entry_bytes raw[RUN_MAX];
	struct ingest_payload payloads[RUN_MAX];
	struct {
		uint8_t salt[ENTRY_SALT];
		uint8_t bytes[64];
	} body[RUN_MAX];
};

/* Makes entries first… of a log; those before `first` are kept from an earlier call. `what` makes
 * one branch differ from another. */
static inline void make_run(struct made *m, const struct secret *box, uint64_t incarnation,
			    const struct secret *author, size_t first, size_t n, const char *what)
{
	struct hash space = {"the space"}, prev = {{0}};

	m->id = (struct log_id){space, *secret_pubkey(box), incarnation};
	m->n = n;
	if (first > 1)
		prev = entry_hash(&m->raw[first - 2]);
	for (size_t i = first - 1; i < n; i++) {
		struct entry f = {.seq = i + 1,
				  .time = 1700000000000 + (int64_t)i,
				  .incarnation = incarnation,
				  .space = space,
				  .rules = {"rules"},
				  .prev = prev};
		int len = snprintf((char *)m->body[i].bytes, sizeof(m->body[i].bytes),
				   "%s %zu of a log", what, i + 1);

		memset(m->body[i].salt, (int)i + 1, ENTRY_SALT);
		m->payloads[i] = (struct ingest_payload){PAYLOAD_HELD, m->body[i].salt,
							 span_of(m->body[i].bytes, (size_t)len)};
		entry_make(&f, author, box, m->body[i].salt, m->payloads[i].bytes, &m->raw[i]);
		prev = entry_hash(&m->raw[i]);
	}
}

/* Give entries first…last (from 1); returns the code of what was refused. */
static inline enum error_code give_as(struct box *b, const struct made *m, uint64_t first,
				      uint64_t last, bool alone, struct ingest_result *ret)
{
	struct ingest in = {.id = &m->id,
			    .first = first,
			    .headers = m->raw + first - 1,
			    .payloads = m->payloads + first - 1,
			    .n = last - first + 1,
			    .alone = alone};
	struct error *refused = NULL;
	enum error_code code;
	struct ingest_result r;

	assert_ok(log_begin(b->l));
	assert_ok(log_ingest(b->l, &in, &r, &refused));
	assert_ok(log_commit(b->l));
	code = error_code(refused);
	error_free(refused);
	if (ret)
		*ret = r;
	return code;
}

static inline enum error_code give(struct box *b, const struct made *m, uint64_t first,
				   uint64_t last)
{
	return give_as(b, m, first, last, false, NULL);
}

static inline struct log_info info_of(struct box *b, const struct log_id *id)
{
	struct log_info i = {0};

	error_free(log_info_get(b->l, id, &i));
	return i;
}

UNUSED static struct error *newest(void *ctx, const struct log_info *i)
{
	*(struct log_info *)ctx = *i;
	return NULL;
}

UNUSED static struct log_info newest_log(struct box *b)
{
	struct log_info i = {0};

	assert_ok(log_each(b->l, NULL, newest, &i));
	return i;
}

static inline void assert_clean(struct box *b)
{
	struct verify_report report;
	struct error *first = NULL;

	assert_ok(log_verify(b->l, NULL, NULL, &report, &first));
	assert_ok(first);
	assert_int_equal(report.bad, 0);
}
