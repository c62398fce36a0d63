/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/exchange.h"
#include "sync/peer/batch.h"

struct exchange {
	struct exchange_options o;
	struct client *client;
	struct session *session;
	struct buf bytes;
	struct sync_report report; /* of what was committed */
	/* our digest before the last answer was weighed, and at the end */
	uint8_t weighed[DISCOVERY_DIGEST], last[DISCOVERY_DIGEST];
	bool done;
};

struct error *exchange_digest(struct log_store *log, uint8_t ret[DISCOVERY_DIGEST])
{
	struct space_digest rows[LIMIT_SPACES];
	struct hash all;
	size_t n;

	TRY(heads_all(log, NULL, NULL, rows, ARRAY_LEN(rows), &n));
	all = heads_digest_spaces(rows, n);
	memcpy(ret, all.b, DISCOVERY_DIGEST);
	return NULL;
}

bool exchange_settled(const struct exchange *x, uint8_t ret[DISCOVERY_DIGEST])
{
	memcpy(ret, x->last, DISCOVERY_DIGEST);
	return x->done && memcmp(x->weighed, x->last, DISCOVERY_DIGEST) == 0;
}

static bool shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct sync_host *host = ((struct exchange *)ctx)->o.host;

	return !host->shares || host->shares(host->ctx, peer, space);
}

static bool follows(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct sync_host *host = ((struct exchange *)ctx)->o.host;

	return !host->follows || host->follows(host->ctx, peer, space);
}

static bool next_blob(void *ctx, struct hash *ret)
{
	const struct exchange *x = ctx;
	const struct sync_host *host = x->o.host;

	return x->o.blobs && host->next_blob && host->next_blob(host->ctx, &x->o.to.peer, ret);
}

struct error *exchange_new(const struct exchange_options *o, struct exchange **ret)
{
	_cleanup_(exchange_freep) struct exchange *x = calloc(1, sizeof(*x));
	struct session_options so = {.self = o->self,
				     .peer = o->to.peer,
				     .env = o->to.env,
				     .name = o->to.name,
				     .take_limit = EXCHANGE_TAKE,
				     .ctx = x,
				     .shares = shares,
				     .follows = follows,
				     .next_blob = next_blob};

	if (!x)
		abort();
	x->o = *o;
	TRY(client_new(&o->to, &x->client));
	x->session = session_new(&so);
	*ret = STEAL(x);
	return NULL;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	client_free(x->client);
	session_free(x->session);
	buf_release(&x->bytes);
	free(x);
}

void exchange_cancel(struct exchange *x)
{
	client_cancel(x->client);
}

bool exchange_met(struct exchange *x)
{
	return client_met(x->client);
}

/* --- the session's actions --- */
static struct error *do_request(struct exchange *x, const struct session_action *a)
{
	bool end = !a->body, wanted = true;

	TRY(client_request(x->client, a->method, a->path, a->body, 0));
	while (!end && wanted) {
		buf_clear(&x->bytes);
		TRY(session_body(x->session, x->o.log, &x->bytes, &end));
		wanted = client_send(x->client, &x->bytes);
	}
	client_send_end(x->client);
	/* The request is on its way: from here on the session waits for the answer. */
	session_feed(x->session, span_of("", 0));
	return NULL;
}

static struct error *do_receive(struct exchange *x)
{
	int status;

	if (client_receive(x->client, true, &x->bytes)) {
		session_feed(x->session, buf_span(&x->bytes));
		return NULL;
	}
	TRY(client_result(x->client, &status));
	TRY(exchange_digest(x->o.log, x->weighed));
	session_answered(x->session, status);
	return NULL;
}

/* What the batch asks, on the writer's thread while ours waits: from what came already, never
 * waiting for the network. */
static struct error *batch_next(void *ctx, struct log_store *log, struct intake **ret)
{
	struct exchange *x = ctx;
	struct session_action a;

	*ret = NULL;
	for (;;) {
		TRY(session_next(x->session, log, &a));
		if (a.type == SESSION_WRITE)
			*ret = a.intake;
		if (a.type != SESSION_RECEIVE || !client_receive(x->client, false, &x->bytes))
			return NULL;
		session_feed(x->session, buf_span(&x->bytes));
	}
}

static void batch_written(void *ctx)
{
	session_written(((struct exchange *)ctx)->session);
}

static struct error *do_write(struct exchange *x)
{
	struct batch_source from = {x, batch_next, batch_written, x->o.to.env};
	size_t n;

	TRY(batch_write(x->o.host, &from, &n));
	if (x->o.stored)
		x->o.stored(x->o.ctx);
	return NULL;
}

/* --- blobs --- */
static struct error *receive_blob(struct exchange *x, struct blob_writer *w, uint64_t have,
				  int *ret_status)
{
	uint64_t skip = 0;
	bool first = true;

	while (client_receive(x->client, true, &x->bytes)) {
		struct span s = buf_span(&x->bytes);
		size_t cut;

		if (first && client_status(x->client) == 200)
			skip = have; /* it began at the beginning all the same */
		first = false;
		cut = skip < s.n ? (size_t)skip : s.n;
		skip -= cut;
		TRY(blob_write(w, span_of(s.p + cut, s.n - cut)));
	}
	return client_result(x->client, ret_status);
}

/* A blob that can't be had is no reason to end the exchange; a connection that broke is. */
static struct error *do_blob(struct exchange *x, const struct hash *hash)
{
	struct blob_writer *w;
	struct hash got;
	uint64_t have, size;
	char path[128];
	int status = 0;
	struct error *err;

	TRY(blob_writer_resume(x->o.blobs, hash, LIMIT_UPLOAD, &w, &have));
	snprintf(path, sizeof(path), "%s%s", SYNC_PATH_BLOB, ID(hash));
	err = client_request(x->client, "GET", path, false, have);
	if (!err)
		err = receive_blob(x, w, have, &status);
	if (err) {
		blob_writer_free(w); /* keeps what it has */
		return err;
	}
	if (status == 200 || status == 206 || status == 416)
		err = blob_writer_finish(w, &got, &size);
	else
		blob_writer_free(w);
	session_blob_done(x->session, !err && status < 400);
	error_free(err);
	return NULL;
}

/* --- the loop --- */
static struct error *step(struct exchange *x)
{
	struct session_action a;

	TRY(session_next(x->session, x->o.log, &a));
	switch (a.type) {
	case SESSION_REQUEST:
		return do_request(x, &a);
	case SESSION_RECEIVE:
		return do_receive(x);
	case SESSION_WRITE:
		return do_write(x);
	case SESSION_BLOB:
		return do_blob(x, &a.blob);
	case SESSION_DONE:
		x->done = true;
		return exchange_digest(x->o.log, x->last);
	}
	return NULL;
}

struct error *exchange_run(struct exchange *x, struct sync_report *ret_report)
{
	struct error *err = NULL;

	while (!err && !x->done) {
		err = step(x);
		/* a batch that was not committed does not count */
		if (!err)
			x->report = *session_report(x->session);
	}
	x->report.cut |= error_is(err, ERR_NET) || error_is(err, ERR_TIMEOUT);
	*ret_report = x->report;
	return err;
}
