/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/line.h"
#include "sync/peer/addresses.h"
#include "sync/peer/batch.h"
#include "sync/peer/client.h"
#include "sync/peer/keep.h"
#include "sync/peer/listener_priv.h"
#include "sync/peer/pair.h"
#include "sync/peer/room.h"
#include "sync/replicate/held.h"
#include <inttypes.h>

enum {
	GATHER = 256 * 1024,	  /* bytes of a push before frames are looked for */
	DRAIN = 16 * 1024 * 1024, /* read on after a failure, so that the answer arrives */
	PIECE = 64 * 1024,
};

struct route;

/* One request. */
struct request {
	struct listener *l;
	struct visitor *v;
	const struct route *route;
	char allow[32]; /* the methods of its path, of a refusal for the method */
	struct pubkey peer;
	struct session_options so;
	struct log_store *log; /* the reader in hand; NULL: none */
	struct serving *serving;
	struct buf whole;		    /* the body of a request that is no stream of entries */
	uint8_t exchange[RECEIPT_EXCHANGE]; /* which it is a part of … */
	struct wire_tally *tally;		    /* … and its counts, ours for now; NULL: not said */
	struct keeping *keeping; /* of a backup that comes */
	size_t fed;		 /* bytes given to `serving` since frames were looked for last */
	uint64_t body;		 /* bytes of the body */
	uint64_t drained;	 /* bytes of the body after the failure */
	bool near;		 /* on this network */
	bool busy;		 /* counted by the guard */
	bool stranger;		 /* it only asks for the number to compare */
	int status;		 /* of a refusal; 0: what the error says */
	bool long_body;		 /* longer than one request may be */
	uint64_t vain;		 /* bytes for which there is no room, and that are read */
	bool in_vain;		 /* more came: no fault of who passes it on */
	unsigned no_room;	 /* frames beyond the peer's quota */
	unsigned misdeeds;	 /* bits of enum misdeed */
	const char *over;	 /* which quota, for the words */
	enum error_code refused; /* why, when it was */
	uint64_t gave, may_give; /* bytes of the answer */
	uint64_t passed;	 /* bytes since the line was looked at */
	int fd;			 /* of a file that is given */
	uint64_t fd_at, fd_end;
	struct error *err;
	struct buf out;
	size_t out_at;
	bool out_end;
};

struct route {
	const char *method, *path;
	bool prefix; /* what follows the path is the argument */
	uint64_t body_limit;
	enum serving_kind kind; /* of a POST … */
	bool whole;		/* … unless its body is taken as it is */
	enum MHD_Result (*answer)(struct request *r, struct MHD_Connection *c, const char *arg);
};

static enum MHD_Result answer_status(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_stream(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_blob(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_kept(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_keep(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_receipt(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_addresses(struct request *r, struct MHD_Connection *c,
					const char *arg);
static enum MHD_Result answer_held(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_pair(struct request *r, struct MHD_Connection *c, const char *arg);
static enum MHD_Result answer_update(struct request *r, struct MHD_Connection *c, const char *arg);

static const struct route routes[] = {
	{"GET", SYNC_PATH_STATUS, false, 0, 0, false, answer_status},
	{"POST", SYNC_PATH_PULL, false, LISTENER_PULL, SERVE_PULL, false, answer_stream},
	{"POST", SYNC_PATH_PUSH, false, LISTENER_PUSH, SERVE_PUSH, false, answer_stream},
	{"GET", SYNC_PATH_BLOB, true, 0, 0, false, answer_blob},
	{"POST", SYNC_PATH_ADDRESSES, false, LIMIT_STATUS, 0, true, answer_addresses},
	{"POST", SYNC_PATH_RECEIPT, false, RECEIPT_BODY, 0, true, answer_receipt},
	{"POST", SYNC_PATH_PAIR, false, PAIR_BODY, 0, true, answer_pair},
	{"POST", SYNC_PATH_HELD, false, HELD_BODY, 0, true, answer_held},
	{"GET", SYNC_PATH_UPDATE, true, 0, 0, false, answer_update},
	{"GET", SYNC_PATH_KEEP, false, 0, 0, false, answer_kept},
	{"PUT", SYNC_PATH_KEEP, false, LIMIT_KEPT, 0, false, answer_keep},
};

/* --- refusing --- */
static void json_string(struct buf *out, const char *s)
{
	buf_putc(out, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_putc(out, '\\');
		if ((unsigned char)*s < 0x20)
			buf_printf(out, "\\u%04x", *s);
		else
			buf_putc(out, *s);
	}
	buf_putc(out, '"');
}

/* type NULL: a stream; a header that says so would be longer than many an answer. */
static enum MHD_Result queue(struct MHD_Connection *c, int status, const char *type,
			     struct MHD_Response *take_response)
{
	enum MHD_Result ok = MHD_NO;

	if (take_response &&
	    (!type || MHD_add_response_header(take_response, MHD_HTTP_HEADER_CONTENT_TYPE, type) ==
			      MHD_YES))
		ok = MHD_queue_response(c, (unsigned)status, take_response);
	if (take_response)
		MHD_destroy_response(take_response);
	return ok;
}

static enum MHD_Result refuse(struct request *r, struct MHD_Connection *c, struct error *take_err)
{
	int status = r->status ? r->status : error_http_status(error_code(take_err));
	_cleanup_(buf_release) struct buf json = {0};
	struct MHD_Response *response;

	guard_answers(r->v);
	if (!r->v->error[0])
		snprintf(r->v->error, sizeof(r->v->error), "%s", error_stored(take_err));
	r->refused = error_code(take_err);
	buf_printf(&json, "{\"error\":{\"status\":%d,\"name\":\"%s\",\"text\":", status,
		   error_name(error_code(take_err)));
	json_string(&json, error_english(take_err));
	buf_puts(&json, "}}\n");
	response = MHD_create_response_from_buffer(json.n, json.p, MHD_RESPMEM_MUST_COPY);
	if (response && status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, r->allow);
	/* Who is a stranger, or comes too fast, keeps no place. */
	if (response && (error_is(take_err, ERR_DENIED) || error_is(take_err, ERR_RATE)))
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	error_free(take_err);
	return queue(c, status, "application/json", response);
}

/* --- who asks --- */
static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* Percent-decoded, as one clean line. */
static void said_name(struct MHD_Connection *c, char *out, size_t size)
{
	const char *said = header(c, CLIENT_HEADER_NAME);
	char text[512];

	snprintf(text, sizeof(text), "%s", said ? said : "");
	MHD_http_unescape(text);
	line_clean(span_str(text), out, size);
}

/* Where the connection comes from; the port is none that listens. */
static void remote_of(struct MHD_Connection *c, char ret[PEER_ADDRESS])
{
	const union MHD_ConnectionInfo *from =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	guard_address(from ? from->client_addr : NULL, 1, ret, PEER_ADDRESS);
}

static void said_address(struct MHD_Connection *c, char *out, size_t size)
{
	const union MHD_ConnectionInfo *from =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const char *said = header(c, CLIENT_HEADER_LISTEN);
	long port = said ? strtol(said, NULL, 10) : 0;

	guard_address(from ? from->client_addr : NULL, port > 0 && port < 65536 ? (int)port : 0,
		      out, size);
}

/* Does it show that we invited it? */
static bool is_invited(struct request *r, struct MHD_Connection *c, const struct knock *k)
{
	const char *said = header(c, CLIENT_HEADER_INVITE);
	uint8_t proof[PEER_CLAIM];

	return said && r->l->o.invited && id_parse(said, proof) &&
	       r->l->o.invited(r->l->o.ctx, k, proof);
}

static void who_knocks(struct request *r, struct MHD_Connection *c, struct knock *ret)
{
	*ret = (struct knock){.key = r->peer, .last_ms = env_now(r->l->o.env)};
	said_name(c, ret->name, sizeof(ret->name));
	said_address(c, ret->address, sizeof(ret->address));
}

/* NULL: it is approved now. */
/* A person may mistype: nobody else shall take the time from it. */
static enum hello_clock hello_clock_of(enum clock_quality q)
{
	return q == CLOCK_TOLD ? HELLO_CLOCK_UNSURE : (enum hello_clock)(q + 1);
}

static struct error *not_approved(struct request *r, struct MHD_Connection *c)
{
	struct successor successor;
	struct knock k;

	who_knocks(r, c, &k);
	if (is_invited(r, c, &k))
		return NULL;
	r->l->o.knocked(r->l->o.ctx, &k);
	if (r->l->o.succeeds &&
	    successor_parse(header(c, CLIENT_HEADER_SUCCESSOR), &r->peer, &successor))
		r->l->o.succeeds(r->l->o.ctx, &successor, &k);
	return error_new(ERR_DENIED,
			 N_("Box %s is not approved here. A volunteer of this box can approve it "
			    "on the page of peers, after both compared the six-digit number."),
			 ID_SHORT(&r->peer));
}

static struct error *no_more(void)
{
	return error_new(ERR_DENIED, N_("This box is not approved any more."));
}

static struct error *identify(struct request *r, struct MHD_Connection *c, const char *url)
{
	const union MHD_ConnectionInfo *tls =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	char address[PEER_ADDRESS];

	ENSURE(tls && tls->tls_session, error_new(ERR_INTERNAL, N_("There is no TLS here.")));
	TRY(tls_peer_key(tls->tls_session, &r->peer));
	r->stranger = !r->l->o.approved(r->l->o.ctx, &r->peer);
	if (r->stranger && r->l->o.pair && strcmp(url, SYNC_PATH_PAIR) == 0) {
		r->may_give = PAIR_BODY;
		return NULL;
	}
	if (r->stranger)
		TRY(not_approved(r, c));
	r->stranger = false;
	guard_request(r->v, &r->peer);
	r->busy = true;
	/* Again, now that listener_recheck sees us: it may have been removed in between. */
	ENSURE(r->l->o.approved(r->l->o.ctx, &r->peer), no_more());
	said_address(c, address, sizeof(address));
	r->l->o.met(r->l->o.ctx, &r->peer, address);
	return NULL;
}

/* --- the request begins --- */
static bool route_matches(const struct route *t, const char *url)
{
	return t->prefix ? strncmp(url, t->path, strlen(t->path)) == 0 : strcmp(url, t->path) == 0;
}

static struct error *find_route(struct request *r, const char *method, const char *url)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		if (route_matches(&routes[i], url)) {
			size_t n = strlen(r->allow);

			r->route = &routes[i];
			if (strcmp(method, r->route->method) == 0)
				return NULL;
			snprintf(r->allow + n, sizeof(r->allow) - n, "%s%s", n ? ", " : "",
				 r->route->method);
		}
	ENSURE(r->route, error_new(ERR_NOT_FOUND, N_("There is nothing here. This port is for boxes "
						     "that exchange with each other.")));
	r->status = MHD_HTTP_METHOD_NOT_ALLOWED;
	return error_new(ERR_USAGE, N_("This is asked with %s."), r->allow);
}

static struct error *too_long(void)
{
	return error_new(ERR_LIMIT, N_("This is more than one request may bring. What came whole "
				       "is kept; send the rest in the next."));
}

static bool shares(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct request *r = ctx;
	const struct sync_host *host = r->l->o.host;
	bool may;

	if (pubkey_eq(peer, secret_pubkey(r->l->o.self))) /* another box with our key is us */
		return true;
	/* All in any case: the time that it takes must not tell which of them said no. */
	may = !host->shares || host->shares(host->ctx, peer, space);
	return r->log && log_shared_with(r->log, space, peer) && may;
}

static bool drops(void *ctx, const struct hash *space)
{
	const struct sync_host *host = ((const struct request *)ctx)->l->o.host;

	return host->drops && host->drops(host->ctx, space);
}

static bool follows(void *ctx, const struct pubkey *peer, const struct hash *space)
{
	const struct request *r = ctx;
	const struct sync_host *host = r->l->o.host;

	if (pubkey_eq(peer, secret_pubkey(r->l->o.self))) /* another box with our key is us */
		return true;
	return r->log && log_followed_from(r->log, space, peer) &&
	       (!host->follows || host->follows(host->ctx, peer, space));
}

static void first(void *ctx, const struct hash *space, log_named_fn *fn, void *fn_ctx)
{
	const struct request *r = ctx;
	const struct sync_host *host = r->l->o.host;

	if (host->first)
		host->first(host->ctx, space, fn, fn_ctx);
}

static bool keeps_blob(void *ctx, const struct pubkey *peer, const struct hash *blob)
{
	const struct sync_host *host = ((const struct request *)ctx)->l->o.host;

	return host->keeps_blob && host->keeps_blob(host->ctx, peer, blob);
}

/* A question is short, and the answer, too: what costs is what is read between them. */
static bool proves(void *ctx, uint64_t bytes)
{
	const struct request *r = ctx;
	struct ledger *l = r->l->o.ledger;

	if (!l)
		return true;
	if (ledger_left(l, &r->peer, LEDGER_PROOFS) < bytes)
		return false;
	ledger_charge(l, &r->peer, LEDGER_PROOFS, bytes);
	return true;
}

static struct room room_of(const struct request *r)
{
	return (struct room){.ledger = r->l->o.ledger,
			     .host = r->l->o.host,
			     .self = secret_pubkey(r->l->o.self),
			     .bringer = &r->peer,
			     .log = r->log};
}

/* What has none stays with the peer until there is room again. */
static bool room(void *ctx, const struct log_id *log, const struct ingest *run, uint64_t bytes)
{
	struct request *r = ctx;
	const struct listener_options *o = &r->l->o;
	struct room of = room_of(r);
	struct room_answer a = room_ask(&of, log, run, bytes);

	r->no_room += a.guilty || a.all;
	if (a.over != ROOM)
		ledger_refused(o->ledger, &r->peer, log, a.over, bytes);
	if (a.guilty) {
		r->over = ledger_item_name(a.over);
		r->misdeeds |= 1u << room_misdeed(a.over);
	}
	if (a.over == ROOM && run)
		o->heard(o->ctx, &r->peer, run);
	return a.over == ROOM;
}

static void unused(void *ctx, const struct log_id *log, const struct ingest *run, size_t entries,
		   uint64_t bytes)
{
	struct room r = room_of(ctx);

	room_unused(&r, log, run, entries, bytes);
}

static void in_vain(void *ctx, const struct log_id *log, uint64_t bytes)
{
	const struct request *r = ctx;

	ledger_refused(r->l->o.ledger, &r->peer, log, LEDGER_WRITER, bytes);
}

static void full(void *ctx, const struct hash *space, struct full *ret)
{
	const struct request *r = ctx;

	ledger_full(r->l->o.ledger, &r->peer, space, ret);
}

static struct error *no_room(void)
{
	return error_new(ERR_LIMIT, N_("This box takes no more of yours for now. What came whole "
				       "and fitted is kept; its volunteer can allow more."));
}

static struct error *line_closed(void)
{
	return error_new(ERR_BUSY, N_("The line of this box is counted, and closed for now. It comes by "
				      "itself when it is open."));
}

/* Charged as they pass. false: the line is closed to the peer by now. */
static bool passed(struct request *r, enum ledger_item way, uint64_t n)
{
	const struct listener_options *o = &r->l->o;

	if (r->stranger) /* has no row: else as many keys as somebody makes fill the ledger */
		return true;
	ledger_passed(o->ledger, &r->peer, way, n, r->near);
	r->passed += n;
	if (!o->closed || r->near || r->passed < LEDGER_LOOK)
		return true;
	r->passed = 0;
	return !o->closed(o->ctx, &r->peer);
}

/* Does it come too fast, or has it been given enough for today? */
static struct error *pay(struct request *r, struct MHD_Connection *c)
{
	const struct listener_options *o = &r->l->o;
	char from[PEER_ADDRESS];
	bool update = r->route->answer == answer_update;

	r->may_give = UINT64_MAX;
	remote_of(c, from);
	r->near = o->near && o->near(o->ctx, &r->peer, from);
	r->v->closed = !r->near && o->closed && o->closed(o->ctx, &r->peer);
	ENSURE(!r->v->closed, line_closed());
	if (!o->ledger)
		return NULL;
	if (!ledger_request(o->ledger, &r->peer, update ? LEDGER_REQUEST_FILE : LEDGER_REQUEST,
			    o->patience(o->ctx, &r->peer))) {
		r->misdeeds |= 1u << MISDEED_FLOOD;
		return error_new(ERR_RATE, N_("This comes too fast. Ask again later."));
	}
	ENSURE(ledger_left(o->ledger, &r->peer, LEDGER_IN) > 0, no_room());
	r->may_give = ledger_left(o->ledger, &r->peer, LEDGER_OUT);
	ENSURE(r->may_give > 0, error_new(ERR_LIMIT, N_("This box gives no more today. The rest "
							"follows tomorrow.")));
	ENSURE(r->route->kind != SERVE_PUSH || !r->route->body_limit ||
		       ledger_left(o->ledger, &r->peer, LEDGER_BYTES) > 0,
	       no_room());
	return NULL;
}

static struct error *keep_begin(struct request *r);

static struct error *begin(struct request *r, struct MHD_Connection *c, const char *method,
			   const char *url)
{
	const char *length = header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);

	TRY(identify(r, c, url));
	TRY(find_route(r, method, url));
	if (!r->stranger)
		TRY(pay(r, c));
	ENSURE(!length || strtoull(length, NULL, 10) <= r->route->body_limit, too_long());
	if (r->stranger)
		return NULL;
	r->so = (struct session_options){.self = r->l->o.self,
					 .peer = r->peer,
					 .env = r->l->o.env,
					 .name = r->l->o.name,
					 .take_limit = LISTENER_TAKE,
					 .room = room,
					 .unused = unused,
					 .in_vain = in_vain,
					 .full = full,
					 .pasts = r->l->o.pasts,
					 .ctx = r,
					 .shares = shares,
					 .follows = follows,
					 .drops = drops,
					 .blobs = r->l->o.blobs,
					 .keeps_blob = keeps_blob,
					 .first = first,
					 .proves = proves};
	if (r->l->o.host->clock_quality)
		r->so.clock = hello_clock_of(r->l->o.host->clock_quality(r->l->o.host->ctx));
	if (r->l->o.host->partial)
		r->l->o.host->partial(r->l->o.host->ctx, &r->so.keep);
	if ((r->route->body_limit || r->route->answer == answer_status) &&
	    exchange_parse(header(c, CLIENT_HEADER_EXCHANGE), r->exchange))
		r->tally = tallies_take(r->l->tallies, &r->peer, r->exchange);
	r->so.tally = r->tally;
	if (r->route->answer == answer_keep)
		return keep_begin(r);
	if (r->route->body_limit && !r->route->whole)
		r->serving = serving_new(&r->so, r->route->kind);
	r->vain = ledger_refused_most(r->l->o.ledger, &r->peer);
	return NULL;
}

/* --- the body --- */
static struct error *batch_next(void *ctx, struct log_store *log, struct intake **ret)
{
	return serving_next(((struct request *)ctx)->serving, log, ret);
}

static void batch_written(void *ctx)
{
	serving_written(((struct request *)ctx)->serving);
}

/* More than is read for which there is no room? */
static bool is_in_vain(const struct request *r)
{
	struct in_vain v = serving_in_vain(r->serving);

	return v.all > r->vain || v.more > LEDGER_REFUSED_MORE;
}

/* Work through the frames that are here. */
static struct error *take_frames(struct request *r, struct log_store *log)
{
	struct batch_source from = {r, batch_next, batch_written, r->l->o.env};
	struct intake *in;
	size_t n;

	r->fed = 0;
	for (;;) {
		TRY(serving_next(r->serving, log, &in));
		ENSURE(r->no_room <= LISTENER_NO_ROOM, no_room());
		r->in_vain = is_in_vain(r);
		ENSURE(!r->in_vain, no_room());
		if (!in)
			return NULL;
		/* removed while it was sending */
		ENSURE(r->l->o.approved(r->l->o.ctx, &r->peer), no_more());
		TRY(batch_write(r->l->o.host, &from, &n));
		r->l->o.stored(r->l->o.ctx);
	}
}

/* With a reader lent for the moment. */
static struct error *with_reader(struct request *r,
				 struct error *(*fn)(struct request *r, struct log_store *log))
{
	struct log_store *log;
	struct error *err;

	TRY(readers_take(r->l->o.readers, &log));
	r->log = log;
	err = fn(r, log);
	r->log = NULL;
	readers_give(r->l->o.readers, log);
	return err;
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t n)
{
	r->body += n;
	atomic_fetch_add(&r->v->bytes, n);
	if (!passed(r, LEDGER_IN, n) && !r->err) {
		/* What came whole is kept. */
		r->err = r->serving && r->fed ? with_reader(r, take_frames) : NULL;
		if (!r->err)
			r->err = line_closed();
	}
	if (!r->err && r->route && r->route->whole && r->body <= r->route->body_limit) {
		buf_add(&r->whole, data, n);
		return MHD_YES;
	}
	if (r->err || !(r->serving || r->keeping)) {
		r->drained += n;
		return r->drained > DRAIN ? MHD_NO : MHD_YES;
	}
	if (r->body > r->route->body_limit) {
		r->err = too_long();
		r->long_body = true;
		return MHD_YES;
	}
	if (r->keeping) {
		r->err = keeping_feed(r->keeping, span_of(data, n));
		return MHD_YES;
	}
	serving_feed(r->serving, span_of(data, n));
	r->fed += n;
	if (r->fed >= GATHER)
		r->err = with_reader(r, take_frames);
	return MHD_YES;
}

/* --- the answers --- */
/* What was made in r->out, or why it could not be. */
static enum MHD_Result answer_out(struct request *r, struct MHD_Connection *c,
				  struct error *take_err)
{
	size_t n = r->out.n;

	if (take_err)
		return refuse(r, c, take_err);
	r->gave += n;
	passed(r, LEDGER_OUT, n);
	return queue(c, MHD_HTTP_OK, NULL,
		     MHD_create_response_from_buffer(n, buf_steal(&r->out), MHD_RESPMEM_MUST_FREE));
}

static struct error *make_status(struct request *r, struct log_store *log)
{
	return serve_status(&r->so, log, &r->out);
}

static enum MHD_Result answer_status(struct request *r, struct MHD_Connection *c, const char *arg)
{
	struct error *err = with_reader(r, make_status);

	return answer_out(r, c, err);
}

static struct error *more_answer(struct request *r, struct log_store *log)
{
	buf_clear(&r->out);
	r->out_at = 0;
	while (!r->out.n && !r->out_end)
		TRY(serving_answer(r->serving, log, &r->out, &r->out_end));
	return NULL;
}

static ssize_t read_answer(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct request *r = cls;
	size_t n;

	if (r->out_at == r->out.n && !r->out_end)
		r->err = with_reader(r, more_answer);
	if (r->err)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = r->out.n - r->out_at < max ? r->out.n - r->out_at : max;
	if (!n)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->gave += n;
	if (r->gave > r->may_give || !passed(r, LEDGER_OUT, n))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	memcpy(buf, r->out.p + r->out_at, n);
	r->out_at += n;
	atomic_fetch_add(&r->v->bytes, n);
	return (ssize_t)n;
}

static struct error *end_body(struct request *r, struct log_store *log)
{
	TRY(take_frames(r, log));
	TRY(serving_end(r->serving, log));
	return more_answer(r, log);
}

static enum MHD_Result answer_stream(struct request *r, struct MHD_Connection *c, const char *arg)
{
	struct error *err = with_reader(r, end_body);

	if (err)
		return refuse(r, c, err);
	/* Most are short, and go as a whole. */
	if (r->out_end && r->out.n <= PIECE && r->out.n <= r->may_give)
		return answer_out(r, c, NULL);
	return queue(
		c, MHD_HTTP_OK, NULL,
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, read_answer, r, NULL));
}

/* "bytes=FROM-" and "bytes=FROM-LAST"; anything else asks for all (RFC 9110 section 14.2). */
static bool range_of(const char *text, uint64_t size, uint64_t *ret_from, uint64_t *ret_n)
{
	uint64_t from, last = UINT64_MAX;
	char end = 0;
	int got;

	if (!text || strncmp(text, "bytes=", 6) != 0 || text[6] < '0' || text[6] > '9')
		return false;
	got = sscanf(text + 6, "%" SCNu64 "-%" SCNu64 "%c", &from, &last, &end);
	if (got != 2 && !(got == 1 && text[strlen(text) - 1] == '-'))
		return false;
	if (last < from)
		return false;
	*ret_from = from;
	*ret_n = from >= size ? 0 : last < size ? last - from + 1 : size - from;
	return true;
}

/* By hand and not by MHD_create_response_from_fd: so that it is counted, and the guard sees that
 * the connection moves. */
static ssize_t read_blob(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct request *r = cls;
	uint64_t left = r->fd_end - r->fd_at;
	ssize_t n = left ? pread(r->fd, buf, left < max ? (size_t)left : max, (off_t)r->fd_at) : 0;

	if (!left)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->gave += n > 0 ? (uint64_t)n : 0;
	if (n <= 0 || r->gave > r->may_give || !passed(r, LEDGER_OUT, (uint64_t)n))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	r->fd_at += (uint64_t)n;
	atomic_fetch_add(&r->v->bytes, (uint64_t)n);
	return n;
}

/* The descriptor is the request's from here on. */
static enum MHD_Result send_blob(struct request *r, struct MHD_Connection *c, uint64_t size)
{
	uint64_t from = 0, n = size;
	bool part = range_of(header(c, MHD_HTTP_HEADER_RANGE), size, &from, &n);
	struct MHD_Response *response;
	char range[96];

	if (part && n == 0) {
		response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
		snprintf(range, sizeof(range), "bytes */%" PRIu64, size);
	} else {
		r->fd_at = from;
		r->fd_end = from + n;
		response = MHD_create_response_from_callback(n, PIECE, read_blob, r, NULL);
		snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from,
			 from + n - 1, size);
	}
	if (part && response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
	return queue(c,
		     !part    ? MHD_HTTP_OK
		     : n == 0 ? MHD_HTTP_RANGE_NOT_SATISFIABLE
			      : MHD_HTTP_PARTIAL_CONTENT,
		     "application/octet-stream", response);
}

static enum MHD_Result answer_blob(struct request *r, struct MHD_Connection *c, const char *arg)
{
	const struct sync_host *host = r->l->o.host;
	struct hash hash;
	uint64_t size;
	struct error *err;

	if (!r->l->o.blobs || !id_parse(arg, hash.b))
		return refuse(r, c,
			      error_new(ERR_NOT_FOUND, N_("This is not the name of a file.")));
	/* What a peer may not have is as if it were not here. */
	if (host->gives_blob && !host->gives_blob(host->ctx, &r->peer, &hash))
		return refuse(r, c,
			      error_new(ERR_NOT_FOUND, N_("The file %s is not on this box."),
					ID_SHORT(&hash)));
	err = blob_fd(r->l->o.blobs, &hash, &r->fd, &size);
	if (err)
		return refuse(r, c, err);
	/* To find out that a peer may not have one takes as long as other questions. */
	if (r->l->o.ledger)
		ledger_request_less(r->l->o.ledger, &r->peer, LEDGER_REQUEST - LEDGER_REQUEST_FILE);
	return send_blob(r, c, size);
}

/* The update of the system that we pass on. */
static enum MHD_Result answer_update(struct request *r, struct MHD_Connection *c, const char *arg)
{
	const struct sync_host *host = r->l->o.host;
	struct hash hash;
	uint64_t size;

	if (!id_parse(arg, hash.b) || !host->gives_update ||
	    !host->gives_update(host->ctx, &r->peer, &hash, &r->fd, &size))
		return refuse(r, c,
			      error_new(ERR_NOT_FOUND, N_("This box passes no such update on.")));
	return send_blob(r, c, size);
}

/* What both did, signed by both. */
static struct error *sign_receipt(struct request *r, struct log_store *log)
{
	struct receipt_weighing w = {.self = secret_pubkey(r->l->o.self),
				     .peer = &r->peer,
				     .now_ms = env_now(r->l->o.env),
				     .tally = r->tally,
				     .log = log,
				     .ctx = r,
				     .shares = shares};

	TRY(receipt_answer(&w, r->l->o.self, r->l->o.host, r->exchange, buf_span(&r->whole),
			   &r->out));
	r->v->sum.signed_too = true;
	memcpy(r->v->sum.exchange, r->exchange, sizeof(r->exchange));
	return NULL;
}

static enum MHD_Result answer_receipt(struct request *r, struct MHD_Connection *c, const char *arg)
{
	struct error *err = r->body > RECEIPT_BODY ? too_long() : with_reader(r, sign_receipt);

	return answer_out(r, c, err);
}

/* The proof of what is held here, for a partial box. */
static struct error *prove_held(struct request *r, struct log_store *log)
{
	return held_answer(&r->so, log, buf_span(&r->whole), &r->out);
}

static enum MHD_Result answer_held(struct request *r, struct MHD_Connection *c, const char *arg)
{
	struct error *err = r->body > HELD_BODY ? too_long() : with_reader(r, prove_held);

	return answer_out(r, c, err);
}

/* --- backups that we keep for peers --- */
static struct error *keeps(struct request *r)
{
	const struct sync_host *host = r->l->o.host;

	ENSURE(r->l->o.keep_dir && host->keeps && host->keeps(host->ctx, &r->peer),
	       error_new(ERR_DENIED, N_("This box does not keep backups for yours.")));
	return NULL;
}

static struct error *keep_begin(struct request *r)
{
	TRY(keeps(r));
	return keeping_new(r->l->o.keep_dir, &r->peer, &r->keeping);
}

/* What was kept is given back, also when no more is taken. */
static enum MHD_Result answer_kept(struct request *r, struct MHD_Connection *c, const char *arg)
{
	uint64_t size;
	struct error *err =
		r->l->o.keep_dir
			? kept_open(r->l->o.keep_dir, &r->peer, &r->fd, &size)
			: error_new(ERR_NOT_FOUND, N_("This box keeps no backup of yours."));

	return err ? refuse(r, c, err) : send_blob(r, c, size);
}

static enum MHD_Result answer_keep(struct request *r, struct MHD_Connection *c, const char *arg)
{
	struct error *err = keeping_end(r->keeping);

	if (err)
		return refuse(r, c, err);
	return queue(c, MHD_HTTP_OK, "application/json",
		     MHD_create_response_from_buffer(3, (void *)"{}\n", MHD_RESPMEM_PERSISTENT));
}

/* Does the connection come from this machine itself? */
static bool is_loopback(struct MHD_Connection *c)
{
	char from[PEER_ADDRESS];

	remote_of(c, from);
	return address_is_loopback(from);
}

static enum MHD_Result answer_addresses(struct request *r, struct MHD_Connection *c,
					const char *arg)
{
	const struct listener_options *o = &r->l->o;
	struct error *err;

	if (r->body > LIMIT_STATUS || !o->told || !o->tell)
		return refuse(r, c, too_long());
	err = o->told(o->ctx, &r->peer, buf_span(&r->whole), is_loopback(c));
	if (err)
		return refuse(r, c, err);
	o->tell(o->ctx, &r->peer, true, &r->out);
	return answer_out(r, c, NULL);
}

/* To a stranger, too: and who is told nothing yet keeps no place. */
static enum MHD_Result answer_pair(struct request *r, struct MHD_Connection *c, const char *arg)
{
	struct MHD_Response *response;
	struct error *err;
	bool open = false;
	struct knock k;
	size_t n;

	if (r->body > PAIR_BODY || !r->l->o.pair)
		return refuse(r, c, too_long());
	who_knocks(r, c, &k);
	err = r->l->o.pair(r->l->o.ctx, &k, buf_span(&r->whole), &r->out, &open);
	if (err || !r->stranger)
		return answer_out(r, c, err);
	n = r->out.n;
	response = MHD_create_response_from_buffer(n, buf_steal(&r->out), MHD_RESPMEM_MUST_FREE);
	if (response && !open)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	return queue(c, MHD_HTTP_OK, NULL, response);
}

/* --- called by libmicrohttpd --- */
static struct visitor *visitor_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return i ? i->socket_context : NULL;
}

static enum MHD_Result first_call(struct listener *l, struct MHD_Connection *c, const char *url,
				  const char *method, void **con_cls)
{
	struct request *r = calloc(1, sizeof(*r));
	struct error *err;

	if (!r)
		abort();
	*con_cls = r;
	r->fd = -1;
	r->l = l;
	r->v = visitor_of(c);
	if (!r->v)
		return MHD_NO;
	err = begin(r, c, method, url);
	return err ? refuse(r, c, err) : MHD_YES;
}

static enum MHD_Result next_call(struct request *r, struct MHD_Connection *c, const char *url,
				 const char *data, size_t *data_size)
{
	enum MHD_Result more;

	if (*data_size) {
		more = take_body(r, data, *data_size);
		*data_size = 0;
		return more;
	}
	if (r->err)
		return refuse(r, c, STEAL(r->err));
	guard_answers(r->v);
	return r->route->answer(r, c, url + strlen(r->route->path));
}

enum MHD_Result answer_request(void *cls, struct MHD_Connection *c, const char *url,
			       const char *method, const char *version, const char *data,
			       size_t *data_size, void **con_cls)
{
	struct visitor *v = visitor_of(c);
	enum MHD_Result ok;

	if (v)
		guard_works(v, true);
	ok = *con_cls ? next_call(*con_cls, c, url, data, data_size)
		      : first_call(cls, c, url, method, con_cls);
	if (v)
		guard_works(v, false);
	return ok;
}

static void add_up(struct sync_report *to, const struct sync_report *r)
{
	to->received += r->received;
	to->filled += r->filled;
	to->known += r->known;
	to->sent += r->sent;
	to->bytes_in += r->bytes_in;
	to->bytes_out += r->bytes_out;
	to->requests++;
	to->forks += r->forks;
	to->not_admitted += r->not_admitted;
	to->carried += r->carried;
	to->new_incarnation |= r->new_incarnation;
	to->twins |= r->twins;
	to->cut |= r->cut;
	for (size_t i = 0; i < r->refusals && i < REPORT_REFUSALS; i++)
		report_refusal(to, &r->refused[i].id, r->refused[i].seq, r->refused[i].why,
			       r->refused[i].by_peer); /* for people: what it weighs is weighed by request */
}

/* What it cost, and what was odd about it. */
static void settle_up(struct request *r)
{
	static const struct sync_report nothing;
	const struct sync_report *report = r->serving ? serving_report(r->serving) : &nothing;
	const struct listener_options *o = &r->l->o;
	enum error_code why = r->err ? error_code(r->err) : r->refused;

	r->misdeeds |= conduct_of_report(report, why);
	/* a frame larger than any may be, more logs than may be named */
	if (why == ERR_LIMIT && r->serving && !r->long_body && !r->in_vain && !r->no_room && !r->misdeeds)
		r->misdeeds |= 1u << MISDEED_RUBBISH;
	for (int i = 0; i < MISDEEDS; i++)
		if (r->misdeeds & 1u << i)
			o->misdeed(o->ctx, &r->peer, (enum misdeed)i,
				   r->over && i != MISDEED_FLOOD ? r->over : r->v->error);
}

void answer_completed(void *cls, struct MHD_Connection *c, void **con_cls,
		      enum MHD_RequestTerminationCode toe)
{
	struct request *r = *con_cls;

	if (!r)
		return;
	if (r->v)
		guard_works(r->v, true);
	/* cut off in the middle of a push: what came whole is kept */
	if (toe != MHD_REQUEST_TERMINATED_COMPLETED_OK && r->serving && !r->err && r->fed)
		r->err = with_reader(r, take_frames);
	if (r->serving)
		add_up(&r->v->sum, serving_report(r->serving));
	if (r->err && !r->v->error[0])
		snprintf(r->v->error, sizeof(r->v->error), "%s", error_stored(r->err));
	if (r->busy) {
		settle_up(r);
		guard_done(r->v);
	}
	if (r->v)
		guard_works(r->v, false);
	if (r->fd >= 0)
		close(r->fd);
	serving_free(r->serving);
	tallies_give(r->l->tallies, r->tally);
	keeping_free(r->keeping);
	error_free(r->err);
	buf_release(&r->out);
	buf_release(&r->whole);
	free(r);
}
