/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Boxes for the tests of community/: each a folder, a key, a clock moved by hand; entries are
 * carried between them as they are. */
#pragma once
#include "tests/lib/test.h"
#include "appliance/community/community.h"
#include "appliance/community/rules.h"
#include "sync/base/file.h"

struct box {
	char *dir;
	struct secret *key;
	struct test_env env;
	struct conn *c;
	char where[32];
	enum db_mode mode;
	const struct feature *const *features; /* NULL: the program's */
};

static inline struct error *box_open(struct box *b)
{
	return conn_open(&(struct community_open){.dir = b->dir,
						  .env = &b->env.env,
						  .self = *secret_pubkey(b->key),
						  .appliance = b->key,
						  .mode = b->mode,
						  .whereabouts = b->where,
						  .features = b->features,
					  .name = "box"},
			 &b->c);
}

static inline void box_init(struct box *b, unsigned n, int64_t now)
{
	*b = (struct box){
		.dir = test_dir(), .key = test_key(1000 + n), .mode = DB_TEST_NOSYNC};
	test_env_init(&b->env, now, 77 + n);
	snprintf(b->where, sizeof(b->where), "place %u", n);
}

static inline void box_release(struct box *b)
{
	conn_close(b->c);
	secret_free(b->key);
	test_dir_remove(b->dir);
}

/* All that was put off. */
static inline struct error *box_follow(struct box *b)
{
	while (conn_is_behind(b->c))
		TRY(conn_follow(b->c));
	return NULL;
}

/* Is it in any file of the box's databases, as bytes? */
static inline bool box_holds(const struct box *b, const char *what)
{
	static const char *const names[] = {"log.db",	   "log.db-wal",     "view.db",
					    "view.db-wal", "view.db.new",    "view.db.new-wal",
					    "local.db",	   "local.db-wal"};
	bool found = false;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_(freep) char *path = path_join(b->dir, names[i]);
		_cleanup_(buf_release) struct buf bytes = {0};

		error_free(file_read(path, 1 << 30, &bytes));
		found |= bytes.n && memmem(bytes.p, bytes.n, what, strlen(what));
	}
	return found;
}

/* --- carrying entries over --- */
struct carried {
	struct buf headers, payloads;
	struct ingest_payload *list;
	size_t n;
};

static inline struct error *carry_entry(void *ctx, const struct stored *e)
{
	struct carried *k = ctx;

	buf_add(&k->headers, e->raw.b, ENTRY_HEADER);
	k->list = realloc(k->list, (k->n + 1) * sizeof(k->list[0]));
	k->list[k->n++] = (struct ingest_payload){
		.state = e->state,
		.salt = e->state == PAYLOAD_HELD ? memcpy(malloc(ENTRY_SALT), e->salt, ENTRY_SALT)
						 : NULL,
		.bytes = e->state == PAYLOAD_HELD ? span_of(memcpy(malloc(e->payload.n + 1),
								   e->payload.p, e->payload.n),
							    e->payload.n)
						  : (struct span){NULL, 0}};
	return NULL;
}

static inline void carried_release(struct carried *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free((void *)k->list[i].salt);
		free((void *)k->list[i].bytes.p);
	}
	free(k->list);
	buf_release(&k->headers);
}

struct logs_of {
	struct log_info info[256];
	size_t n;
};

static inline struct error *collect_info(void *ctx, const struct log_info *info)
{
	struct logs_of *l = ctx;

	if (l->n < ARRAY_LEN(l->info))
		l->info[l->n++] = *info;
	return NULL;
}

/* Does `to` want this log? */
static inline bool wants_log(struct box *from, struct box *to, const struct log_info *l)
{
	return l->live && log_admitted(to->c->log, &l->id.space, &l->id.appliance);
}

static inline bool founds_space(const struct entry_bytes *raw)
{
	struct entry e;

	entry_decode(raw, &e);
	return e.seq == 1 && hash_is_zero(&e.space);
}

/* Entries first … last of one log, inside a transaction of `to`. Refusals are no failure. */
static inline struct error *carry_range(struct box *from, struct box *to, const struct log_info *l,
					uint64_t first, uint64_t last)
{
	_cleanup_(carried_release) struct carried k = {0};
	struct ingest_result result;
	struct error *refused = NULL, *err;

	TRY(log_range(from->c->log, l->num, first, last, carry_entry, &k));
	if (!k.n ||
	    (!wants_log(from, to, l) && !founds_space((const struct entry_bytes *)k.headers.p)))
		return NULL;
	if (pubkey_eq(&l->id.appliance, secret_pubkey(to->key)) &&
	    log_is_behind(to->c->log, &l->id, last))
		TRY(log_new_incarnation(to->c->log));
	err = log_ingest(to->c->log,
			 &(struct ingest){.id = &l->id,
					  .first = first,
					  .headers = (const struct entry_bytes *)k.headers.p,
					  .payloads = k.list,
					  .n = k.n},
			 &result, &refused);
	error_free(refused);
	return err;
}

static inline uint64_t head_at(struct box *b, const struct log_id *id, uint64_t *ret_missing)
{
	struct log_info l = {0};
	struct error *err = log_info_get(b->c->log, id, &l);

	*ret_missing = err ? 0 : l.missing;
	error_free(err);
	return err ? 0 : l.head;
}

static inline struct error *carry_fork(struct box *from, struct box *to, const struct log_info *l)
{
	struct fork_proof proof;
	bool is_new;

	if (!l->frozen || !log_admitted(to->c->log, &l->id.space, &l->id.appliance))
		return NULL;
	TRY(log_fork_proof(from->c->log, l->num, &proof));
	return log_ingest_fork(to->c->log, &proof, &is_new);
}

/* Everything that `to` lacks and wants, in one transaction each of at most `batch` entries. */
static inline struct error *carry_log(struct box *from, struct box *to, const struct log_info *l,
				      uint64_t batch)
{
	uint64_t missing, head = head_at(to, &l->id, &missing);
	uint64_t first = missing ? 1 : head + 1;
	bool more;
	int carried;

	for (; first <= l->live || first == 1; first += batch) {
		uint64_t last = first + batch - 1 < l->live ? first + batch - 1 : l->live;

		TRY(conn_begin(to->c));
		if (first <= last)
			TRY(carry_range(from, to, l, first, last));
		TRY(carry_fork(from, to, l));
		TRY(log_carry(to->c->log, to->key, &carried));
		TRY(community_catch_up(to->c, 0, &more));
		TRY(conn_commit(to->c));
		if (first > l->live)
			break;
	}
	TRY(conn_begin(to->c));
	TRY(carry_fork(from, to, l));
	/* Our own log on both sides of a fork: show the other branch. */
	if (head && head <= l->live && !missing)
		TRY(carry_range(from, to, l, head, head));
	TRY(log_carry(to->c->log, to->key, &carried));
	TRY(community_catch_up(to->c, 0, &more));
	return conn_commit(to->c);
}

static inline struct error *pull(struct box *from, struct box *to, uint64_t batch)
{
	struct logs_of logs = {.n = 0};

	TRY(log_each(from->c->log, NULL, collect_info, &logs));
	for (size_t i = 0; i < logs.n; i++)
		TRY(carry_log(from, to, &logs.info[i], batch));
	return NULL;
}

/* --- doing things --- */
/* The end of a transaction in which something was tried; its own error comes first. */
static inline struct error *box_commit(struct box *b, struct error *take_err)
{
	struct error *err = conn_commit(b->c);

	if (err)
		conn_rollback(b->c);
	if (!take_err)
		return err;
	error_free(err);
	return take_err;
}

static inline struct error *box_submit(struct box *b, const struct hash *space, const char *type,
				       const struct hash *object, const struct secret *author,
				       json_t *body, struct hash *ret_id)
{
	struct hash id;
	struct error *err;

	TRY(conn_begin(b->c));
	err = conn_savepoint(b->c);
	if (!err)
		err = community_submit(b->c,
				       &(struct draft){.type = type,
						       .space = *space,
						       .object = object,
						       .author = author,
						       .take_body = body},
				       &id);
	if (err) {
		conn_undo(b->c);
	} else {
		error_free(conn_release(b->c));
		if (ret_id)
			*ret_id = id;
	}
	return box_commit(b, err);
}

static inline struct error *box_found(struct box *b, const struct secret *steward,
				      struct hash *ret_space)
{
	TRY(conn_begin(b->c));
	TRY(community_found(b->c, "Ateneu", steward, "Founder", ret_space));
	return conn_commit(b->c);
}

static inline struct error *box_found_private(struct box *b, const struct secret *steward,
					      struct hash *ret_space)
{
	TRY(conn_begin(b->c));
	TRY(community_found_private(b->c, "Ateneu", steward, "Founder", ret_space));
	return conn_commit(b->c);
}

static inline struct error *box_erase(struct box *b, const struct hash *space,
				      const struct hash *target, const struct secret *author)
{
	struct error *err;

	TRY(conn_begin(b->c));
	err = conn_savepoint(b->c);
	if (!err)
		err = community_erase(b->c, space, target, author, NULL);
	if (err)
		conn_undo(b->c);
	else
		error_free(conn_release(b->c));
	err = box_commit(b, err);
	error_free(conn_scrub(b->c));
	return err;
}
