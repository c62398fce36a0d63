/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One exchange between two boxes of boxes.h, by the real session and the real server's side, over a
 * pipe in memory that may break. */
#pragma once
#include "appliance/community/community_priv.h"
#include "sync/replicate/serve.h"
#include "sync/replicate/session.h"
#include "tests/appliance/community/boxes.h"

struct swap {
	struct box *client, *server;
	struct session_options co, so;
	uint64_t cut_after, passed; /* bytes until the connection breaks; 0: never */
	size_t piece;
};

static inline bool swap_broken(const struct swap *p)
{
	return p->cut_after && p->passed >= p->cut_after;
}

static inline struct error *swap_take(struct box *b, struct intake *in)
{
	struct error *err;

	TRY(conn_begin(b->c));
	err = intake_run(b->c->log, in);
	/* Whatever may be put off is, as in the storm of a large exchange. */
	if (!err)
		err = catch_up_lazily(b->c, 0);
	if (!err)
		return conn_commit(b->c);
	conn_rollback(b->c);
	return err;
}

static inline struct error *swap_answer(struct swap *p, struct session *s, struct span bytes)
{
	struct session_action act;

	while (bytes.n && !swap_broken(p)) {
		size_t n = bytes.n < p->piece ? bytes.n : p->piece;

		p->passed += n;
		session_feed(s, span_of(bytes.p, n));
		bytes.p += n;
		bytes.n -= n;
		for (;;) {
			TRY(session_next(s, p->client->c->log, &act));
			if (act.type != SESSION_WRITE)
				break;
			TRY(swap_take(p->client, act.intake));
			session_written(s);
		}
	}
	return NULL;
}

static inline struct error *swap_serve_body(struct swap *p, struct session *s, struct serving *v)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct intake *in;
	bool end = false;

	while (!end && !swap_broken(p)) {
		buf_clear(&body);
		TRY(session_body(s, p->client->c->log, &body, &end));
		p->passed += body.n;
		serving_feed(v, buf_span(&body));
		for (;;) {
			TRY(serving_next(v, p->server->c->log, &in));
			if (!in)
				break;
			TRY(swap_take(p->server, in));
			serving_written(v);
		}
	}
	return swap_broken(p) ? NULL : serving_end(v, p->server->c->log);
}

static inline struct error *swap_request(struct swap *p, struct session *s,
					 const struct session_action *act, int *ret_http)
{
	_cleanup_(serving_freep) struct serving *v = NULL;
	_cleanup_(buf_release) struct buf out = {0};
	bool end = false;

	*ret_http = 0;
	if (strcmp(act->path, SYNC_PATH_STATUS) == 0) {
		TRY(serve_status(&p->so, p->server->c->log, &out));
		end = true;
	} else {
		v = serving_new(&p->so,
				strcmp(act->path, SYNC_PATH_PULL) == 0 ? SERVE_PULL : SERVE_PUSH);
		TRY(swap_serve_body(p, s, v));
	}
	for (;;) {
		if (v && !swap_broken(p))
			TRY(serving_answer(v, p->server->c->log, &out, &end));
		TRY(swap_answer(p, s, buf_span(&out)));
		if (swap_broken(p))
			return NULL;
		if (end)
			break;
		buf_clear(&out);
	}
	*ret_http = 200;
	return NULL;
}

static inline struct error *box_audit(struct box *b)
{
	struct audit_job jobs[64];
	bool ok[64], more;
	size_t n;

	for (;;) {
		TRY(log_audit_next(b->c->log, jobs, 64, &n));
		if (n == 0)
			return NULL;
		for (size_t i = 0; i < n; i++)
			ok[i] = jobs[i].appliance ? entry_verify_appliance(&jobs[i].raw)
						  : entry_verify_author(&jobs[i].raw);
		TRY(conn_begin(b->c));
		TRY(log_audit_done(b->c->log, jobs, ok, n));
		TRY(community_catch_up(b->c, 0, &more));
		TRY(conn_commit(b->c));
	}
}

/* To whom spaces are told, by the rules; ctx: the side's log. */
static inline bool swap_shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return log_shared_with(ctx, space, peer);
}

static inline bool swap_follows(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	return log_followed_from(ctx, space, peer);
}

/* cut_after 0: whole. A broken exchange is no error. by_rules: only what the rules let them share.
 */
static inline struct error *boxes_swap_by(struct box *client, struct box *server,
					  uint64_t cut_after, size_t piece, bool by_rules,
					  bool *ret_moved)
{
	struct swap p = {.client = client,
			 .server = server,
			 .cut_after = cut_after,
			 .piece = piece,
			 .co = {.self = client->key,
				.peer = *secret_pubkey(server->key),
				.env = &client->env.env,
				.name = "client"},
			 .so = {.self = server->key,
				.peer = *secret_pubkey(client->key),
				.env = &server->env.env,
				.name = "server"}};
	_cleanup_(session_freep) struct session *s = NULL;
	const struct sync_report *r;
	struct session_action act;
	struct error *err;
	int http;

	if (by_rules) {
		p.co.ctx = client->c->log;
		p.so.ctx = server->c->log;
		p.co.shares = p.so.shares = swap_shares;
		p.co.follows = p.so.follows = swap_follows;
	}
	/* Half of the exchanges by ranges, and newest first, as if there were many logs and entries.
	 */
	p.co.ranges_from = piece & 1;
	p.so.newest_from = p.co.newest_from = piece & 2 ? 1 + piece % 30 : 0;
	s = session_new(&p.co);
	for (;;) {
		err = session_next(s, client->c->log, &act);
		if (err || act.type == SESSION_DONE)
			break;
		if (act.type == SESSION_REQUEST) {
			err = swap_request(&p, s, &act, &http);
			if (!err)
				session_answered(s, http);
		} else if (act.type == SESSION_WRITE) {
			err = swap_take(client, act.intake);
			if (!err)
				session_written(s);
		}
		if (err)
			break;
	}
	r = session_report(s);
	if (getenv("SWAP_TRACE"))
		printf("# swap rounds %u received %llu sent %llu accepted %llu forks %u equal %d "
		       "refusals %zu: %s\n",
		       r->rounds, (unsigned long long)r->received, (unsigned long long)r->sent,
		       (unsigned long long)r->accepted, r->forks, r->equal, r->refusals,
		       err ? error_english(err) : "");
	*ret_moved = r->received || r->accepted || r->filled || r->forks || r->carried;
	if (err && swap_broken(&p)) {
		error_free(err);
		err = NULL;
	}
	TRY(err);
	TRY(box_audit(client));
	return box_audit(server);
}

static inline struct error *boxes_swap(struct box *client, struct box *server, uint64_t cut_after,
				       size_t piece, bool *ret_moved)
{
	return boxes_swap_by(client, server, cut_after, piece, false, ret_moved);
}
