/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Boxes in one process, joined by a pipe in memory: each a log store in a scratch folder, and of
 * the layer above only as much as replication needs (an op
 * {"type":"appliance.admit","appliance":KEY} admits a box). Both ends of the exchange are the real
 * ones.
 */
#pragma once
#include "tests/lib/test.h"
#include "sync/replicate/serve.h"
#include "sync/replicate/session.h"
#include "sync/base/file.h"
#include "sync/db/db.h"
#include "sync/log/audit.h"

struct box {
	struct test_env *env;
	struct secret *key;
	struct log_store *log;
	char *path;
	int64_t folded; /* arrivals seen */
	bool keeps_back; /* spaces that it founds or is given are closed */
	struct session_options o;
	struct pasts *pasts;
};

/* Errors here are the test's: print and end. */
#define NEED(expr)                                                                                 \
	do {                                                                                       \
		struct error *need_ = (expr);                                                      \
		if (need_) {                                                                       \
			fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #expr,          \
				error_name(error_code(need_)), error_english(need_));              \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

UNUSED static void box_open_log(struct box *b)
{
	const struct log_open how = {.path = b->path,
				     .mode = DB_TEST_NOSYNC,
				     .env = &b->env->env,
				     .self = *secret_pubkey(b->key)};

	NEED(log_open(&how, &b->log));
}

UNUSED static void box_init(struct box *b, struct test_env *env, const char *dir, const char *name,
			    unsigned key)
{
	*b = (struct box){.env = env, .key = test_key(key)};
	if (asprintf(&b->path, "%s/%s.db", dir, name) < 0)
		abort();
	box_open_log(b);
	b->pasts = pasts_new();
	b->o = (struct session_options){
		.self = b->key, .env = &env->env, .name = name, .pasts = b->pasts};
}

UNUSED static void box_release(struct box *b)
{
	log_close(b->log);
	pasts_free(b->pasts);
	secret_free(b->key);
	free(b->path);
}

static struct error *box_see(void *ctx, const struct stored *e)
{
	static const char start[] = "{\"type\":\"appliance.admit\",\"appliance\":\"";
	struct box *b = ctx;
	struct entry fields;
	struct log_id id = entry_log(&e->raw);
	char text[BASE32_KEY_LEN + 1] = "";
	struct pubkey key;

	b->folded = e->num;
	entry_decode(&e->raw, &fields);
	if (hash_eq(&id.space, &e->op_id)) {
		NEED(log_admit(b->log, &id.space, &fields.appliance, true));
		if (!b->keeps_back)
			NEED(log_open_space(b->log, &id.space));
	}
	if (e->payload.n < sizeof(start) + BASE32_KEY_LEN ||
	    memcmp(e->payload.p, start, sizeof(start) - 1) != 0)
		return NULL;
	memcpy(text, e->payload.p + sizeof(start) - 1, BASE32_KEY_LEN);
	if (id_parse(text, &key)) {
		NEED(log_admit(b->log, &id.space, &key, true));
		NEED(log_need(b->log, &e->op_id));
	}
	return NULL;
}

/* What the layer above would do after every commit. */
UNUSED static void box_fold(struct box *b)
{
	NEED(log_arrivals(b->log, b->folded, 0, box_see, b));
}

UNUSED static struct hash box_found(struct box *b, const struct secret *steward)
{
	struct log_append a = {.author = steward,
			       .appliance = b->key,
			       .time = env_now(&b->env->env),
			       .payload = span_str("{\"type\":\"space.found\"}")};
	struct hash id;

	NEED(log_begin(b->log));
	NEED(log_append(b->log, &a, &id));
	box_fold(b);
	NEED(log_commit(b->log));
	return id;
}

UNUSED static struct hash box_write(struct box *b, const struct hash *space,
				    const struct secret *author, const char *payload)
{
	struct log_append a = {.space = space,
			       .author = author,
			       .appliance = b->key,
			       .rules = *space,
			       .time = env_now(&b->env->env),
			       .payload = span_str(payload)};
	struct hash id;

	NEED(log_begin(b->log));
	NEED(log_append(b->log, &a, &id));
	box_fold(b);
	NEED(log_commit(b->log));
	return id;
}

UNUSED static void box_admit(struct box *b, const struct hash *space, const struct pubkey *key)
{
	char text[160];

	snprintf(text, sizeof(text), "{\"type\":\"appliance.admit\",\"appliance\":\"%s\"}",
		 ID(key));
	box_write(b, space, NULL, text);
}

/* Checks the appliances' own signatures, all that wait: for which a real box takes its time. */
UNUSED static void box_prove(struct box *b)
{
	struct audit_job jobs[64];
	bool ok[64];
	size_t n;

	for (;;) {
		NEED(log_prove_next(b->log, jobs, 64, &n));
		if (n == 0)
			return;
		for (size_t i = 0; i < n; i++)
			ok[i] = entry_verify_appliance(&jobs[i].raw);
		NEED(log_begin(b->log));
		NEED(log_audit_done(b->log, jobs, ok, n));
		NEED(log_commit(b->log));
	}
}

/* Checks authors, all that wait. */
UNUSED static void box_audit(struct box *b)
{
	struct audit_job jobs[64];
	bool ok[64];
	size_t n;

	for (;;) {
		NEED(log_audit_next(b->log, jobs, 64, &n));
		if (n == 0)
			return;
		for (size_t i = 0; i < n; i++)
			ok[i] = entry_verify_author(&jobs[i].raw);
		NEED(log_begin(b->log));
		NEED(log_audit_done(b->log, jobs, ok, n));
		NEED(log_commit(b->log));
	}
}

UNUSED static struct hash box_digest(struct box *b)
{
	struct space_digest rows[LIMIT_SPACES];
	size_t n;

	NEED(heads_all(b->log, NULL, NULL, rows, LIMIT_SPACES, &n));
	return heads_digest_spaces(rows, n);
}

static struct error *box_take(struct box *b, struct intake *in)
{
	struct error *e;

	NEED(log_begin(b->log));
	e = intake_run(b->log, in);
	if (e) {
		log_rollback(b->log);
		return e;
	}
	box_fold(b);
	return log_commit(b->log);
}

/* What all exchanges of a test came to, so that it can say what it has seen. */
struct tally {
	uint64_t exchanges, broken, entries, forks, carried, incarnations, refusals;
	unsigned most_rounds;
};
UNUSED static void tally_add(struct tally *t, const struct sync_report *r, bool broken)
{
	t->exchanges++;
	t->broken += broken;
	t->entries += r->received + r->accepted;
	t->forks += r->forks;
	t->carried += r->carried;
	t->incarnations += r->new_incarnation;
	t->refusals += r->refusals;
	if (r->rounds > t->most_rounds)
		t->most_rounds = r->rounds;
}

/* --- the pipe --- */
struct pipe {
	struct box *client, *server;
	uint64_t cut_after; /* bytes in both directions until the connection breaks; 0: never */
	uint64_t flip_at;   /* the bit of the byte that is turned on the way; 0: none */
	uint64_t passed;
	size_t piece;	       /* bytes at a time */
	uint64_t vain, more;   /* bytes without room after which either side ends it; 0: never */
	bool gave_up;	       /* the client did, of the answer in hand */
	struct sync_report served; /* of the last push, on the server's side */
	struct error *refused; /* what the server answered with an error */
};

/* Carry some bytes over: fewer, when the connection breaks. */
static struct span pipe_carry(struct pipe *p, struct span s, struct buf *copy)
{
	if (p->cut_after && s.n > p->cut_after - p->passed)
		s.n = (size_t)(p->cut_after - p->passed);
	buf_clear(copy);
	buf_add_span(copy, s);
	if (p->flip_at > p->passed && p->flip_at - p->passed <= s.n)
		copy->p[p->flip_at - p->passed - 1] ^= (uint8_t)(1 << p->flip_at % 8);
	p->passed += s.n;
	return buf_span(copy);
}
static bool pipe_broken(const struct pipe *p)
{
	return p->cut_after && p->passed >= p->cut_after;
}

static bool is_in_vain(const struct pipe *p, struct in_vain v)
{
	return v.all > p->vain || v.more > p->more;
}

/* Bytes of the answer to the client; writes what it asks to. */
static struct error *pipe_answer(struct pipe *p, struct session *s, struct span bytes)
{
	struct session_action act;
	_cleanup_(buf_release) struct buf copy = {0};

	while (bytes.n && !pipe_broken(p)) {
		size_t n = bytes.n < p->piece ? bytes.n : p->piece;

		session_feed(s, pipe_carry(p, span_of(bytes.p, n), &copy));
		bytes.p += n;
		bytes.n -= n;
		for (;;) {
			TRY(session_next(s, p->client->log, &act));
			if (act.type != SESSION_WRITE)
				break;
			TRY(box_take(p->client, act.intake));
			session_written(s);
		}
		if (p->vain && is_in_vain(p, session_in_vain(s))) {
			session_cut(s);
			p->gave_up = true;
			return NULL;
		}
	}
	return NULL;
}

static struct error *pipe_too_much(void)
{
	return error_new(ERR_LIMIT, "no more");
}

static struct error *pipe_serve_body(struct pipe *p, struct session *s, struct serving *v)
{
	_cleanup_(buf_release) struct buf body = {0};
	_cleanup_(buf_release) struct buf copy = {0};
	struct intake *in;
	bool end = false;

	while (!end) {
		buf_clear(&body);
		NEED(session_body(s, p->client->log, &body, &end));
		for (size_t at = 0; at < body.n && !pipe_broken(p); at += p->piece) {
			size_t n = body.n - at < p->piece ? body.n - at : p->piece;

			serving_feed(v, pipe_carry(p, span_of(body.p + at, n), &copy));
			for (;;) {
				TRY(serving_next(v, p->server->log, &in));
				if (!in)
					break;
				TRY(box_take(p->server, in));
				serving_written(v);
			}
			ENSURE(!p->vain || !is_in_vain(p, serving_in_vain(v)), pipe_too_much());
		}
	}
	if (pipe_broken(p))
		return NULL;
	return serving_end(v, p->server->log);
}

/* One request. The status in *ret_http, 0 when the connection broke. The error is the client's. */
static struct error *pipe_request(struct pipe *p, struct session *s,
				  const struct session_action *act, int *ret_http)
{
	_cleanup_(serving_freep) struct serving *v = NULL;
	_cleanup_(buf_release) struct buf out = {0};
	bool end = false;

	*ret_http = 0;
	p->gave_up = false;
	p->server->o.peer = *secret_pubkey(p->client->key);
	if (strcmp(act->path, SYNC_PATH_STATUS) == 0) {
		NEED(serve_status(&p->server->o, p->server->log, &out));
		end = true;
	} else {
		struct error *e;

		v = serving_new(&p->server->o,
				strcmp(act->path, SYNC_PATH_PULL) == 0 ? SERVE_PULL : SERVE_PUSH);
		e = pipe_serve_body(p, s, v);
		if (strcmp(act->path, SYNC_PATH_PUSH) == 0)
			p->served = *serving_report(v);
		if (e) {
			*ret_http = error_http_status(error_code(e));
			error_replace(&p->refused, e);
			return NULL;
		}
	}
	for (;;) {
		if (v && !pipe_broken(p))
			NEED(serving_answer(v, p->server->log, &out, &end));
		TRY(pipe_answer(p, s, buf_span(&out)));
		if (pipe_broken(p) || p->gave_up)
			return NULL;
		if (end)
			break;
		buf_clear(&out);
	}
	*ret_http = 200;
	return NULL;
}

/* One exchange. The session's error; the report in *ret. */
UNUSED static struct error *pipe_exchange(struct pipe *p, struct sync_report *ret)
{
	_cleanup_(session_freep) struct session *s = NULL;
	struct session_action act;
	struct error *e;
	int http;

	p->client->o.peer = *secret_pubkey(p->server->key);
	if (!p->piece)
		p->piece = 65536;
	s = session_new(&p->client->o);
	for (;;) {
		e = session_next(s, p->client->log, &act);
		if (e || act.type == SESSION_DONE)
			break;
		if (act.type == SESSION_REQUEST) {
			e = pipe_request(p, s, &act, &http);
			if (e)
				break;
			if (!p->gave_up)
				session_answered(s, http);
		} else if (act.type == SESSION_WRITE) {
			e = box_take(p->client, act.intake);
			if (e)
				break;
			session_written(s);
		} else {
			fprintf(stderr, "unexpected action %d\n", act.type);
			abort();
		}
	}
	*ret = *session_report(s);
	error_free(STEAL(p->refused));
	return e;
}

/* A clean exchange between two boxes. */
UNUSED static struct sync_report boxes_sync(struct box *client, struct box *server)
{
	struct pipe p = {.client = client, .server = server};
	struct sync_report r;

	NEED(pipe_exchange(&p, &r));
	box_audit(client);
	box_audit(server);
	return r;
}

/* So many boxes' logs of three entries each, in both stores: of every tenth, one has only two. */
UNUSED static void boxes_add_logs(struct box *a, struct box *b, const struct hash *space,
				  unsigned many)
{
	for (unsigned i = 0; i < many; i++) {
		struct secret *key = test_key(1000 + i);
		struct entry_bytes headers[3];
		struct ingest_payload payloads[3];
		struct log_id id = {*space, *secret_pubkey(key), 1 + i};
		static const uint8_t salt[ENTRY_SALT];
		struct hash prev = {{0}};

		for (unsigned k = 0; k < 3; k++) {
			struct entry e = {.seq = k + 1,
					  .time = 1764000000000,
					  .incarnation = id.incarnation,
					  .space = *space,
					  .rules = *space,
					  .prev = prev};

			entry_make(&e, NULL, key, salt, span_str("{}"), &headers[k]);
			payloads[k] = (struct ingest_payload){PAYLOAD_HELD, salt, span_str("{}")};
			prev = entry_hash(&headers[k]);
		}
		for (int who = 0; who < 2; who++) {
			struct box *box = who ? b : a;
			struct ingest in = {&id, 1, headers, payloads, 3, false};
			struct ingest_result r;
			struct error *refused = NULL;

			if (i % 10 == 0 && who == (int)(i / 10 % 2))
				in.n = 2;
			NEED(log_begin(box->log));
			NEED(log_admit(box->log, space, secret_pubkey(key), true));
			NEED(log_ingest(box->log, &in, &r, &refused));
			NEED(refused);
			NEED(log_commit(box->log));
		}
		secret_free(key);
	}
}

/* Logs of one box, of one entry each. */
UNUSED static void boxes_write_logs(struct log_store *to, const struct hash *space,
				    const struct secret *by, uint64_t from, unsigned many,
				    size_t bytes)
{
	static const uint8_t salt[ENTRY_SALT];
	char *text = malloc(bytes);

	if (!text)
		abort();
	memset(text, 'x', bytes);
	NEED(log_begin(to));
	for (unsigned i = 0; i < many; i++) {
		struct log_id id = {*space, *secret_pubkey(by), from + i};
		struct entry e = {.seq = 1,
				  .time = 1764000000000,
				  .incarnation = id.incarnation,
				  .space = *space,
				  .rules = *space};
		struct span body = span_of(text, bytes);
		struct ingest_payload payload = {PAYLOAD_HELD, salt, body};
		struct ingest_result r;
		struct error *refused = NULL;
		struct entry_bytes raw;

		entry_make(&e, NULL, by, salt, body, &raw);
		NEED(log_ingest(to, &(struct ingest){&id, 1, &raw, &payload, 1, false}, &r,
				&refused));
		NEED(refused);
	}
	NEED(log_commit(to));
	free(text);
}
