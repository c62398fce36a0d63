/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One exchange for the command line, in the calling thread: nothing listens, nothing is announced.
 */
#include "sync/engine_priv.h"
#include "sync/peer/keep.h"
#include "sync/peer/ledger.h"
#include "sync/replicate/held.h"

enum { LOCAL_CACHE_KIB = 256 };

/* What it may cost, as the daemon counts it. */
static struct error *find_quota(struct db *local, const struct pubkey *key, struct ledger *ledger)
{
	struct peer_terms terms;
	unsigned times;

	TRY(ledger_load(ledger, local));
	TRY(peer_terms_get(local, key, &terms));
	TRY(ledger_times(local, key, &times));
	ledger_set(ledger, key, times, terms.take_bytes, terms.give_bytes);
	return NULL;
}

/* The most promising one: that which the row names, too, unless it was tried. */
static struct error *find_address(struct db *local, struct peer *io)
{
	struct known_address known[KNOWN_ADDRESSES];
	bool tried = !io->address[0];
	size_t n;

	TRY(address_list(local, &io->key, known, &n));
	for (size_t i = 0; i < n; i++)
		tried |= strcmp(known[i].address, io->address) == 0;
	if (n && tried)
		memcpy(io->address, known[0].address, sizeof(io->address));
	return NULL;
}

static struct error *find_peer(const char *local_path, const struct pubkey *key, int64_t now_ms,
			       struct ledger *ledger, struct peer *ret, struct proxy *ret_proxy)
{
	_cleanup_(db_closep) struct db *local = NULL;

	TRY(db_open(local_path, DB_READER, LOCAL_CACHE_KIB, &local));
	TRY(peer_get(local, key, ret));
	TRY(find_quota(local, key, ledger));
	TRY(proxy_get(local, ret_proxy));
	TRY(find_address(local, ret));
	ENSURE(!peer_terms_over(ret->until_ms, now_ms),
	       error_new(ERR_DENIED, N_("The terms for box %s have ended. Give it new ones first."),
			 ID_SHORT(key)));
	ENSURE(ret->address[0],
	       error_new(ERR_NET,
			 N_("Box %s has no address. Give it one, or let the daemon find it on this "
			    "network."),
			 ID_SHORT(key)));
	return NULL;
}

static struct error *open_log(const struct sync_options *o, struct log_store **ret)
{
	struct log_open how = {.path = o->log_path,
			       .mode = DB_READER,
			       .env = o->env,
			       .self = *secret_pubkey(o->self)};

	return log_open(&how, ret);
}

static struct error *exchange_once(const struct sync_options *o, const struct peer *p,
				   const struct proxy *proxy, struct log_store *log, struct ledger *ledger,
				   struct outcome *o_ret,
				   struct space_digest theirs[LIMIT_SPACES],
				   struct sync_report *ret)
{
	_cleanup_(tls_identity_freep) struct tls_identity *tls = NULL;
	_cleanup_(blob_closep) struct blob_store *blobs = NULL;
	_cleanup_(exchange_freep) struct exchange *x = NULL;
	struct exchange_options eo = {
		.host = &o->host,
		.self = o->self,
		.to = {.env = o->env,
		       .peer = p->key,
		       .address = p->address,
		       .proxy = proxy,
		       .name = o->name},
		.log = log,
		.ledger = ledger,
		.receipt = true,
	};

	TRY(tls_identity_new(o->self, &tls));
	if (o->blob_dir)
		TRY(blob_open(o->blob_dir, &blobs));
	eo.to.tls = tls;
	eo.blobs = blobs;
	eo.to.claim = p->has_claim ? p->claim : NULL;
	TRY(exchange_new(&eo, &x));
	TRY(exchange_run(x, ret));
	o_ret->theirs = theirs;
	o_ret->n_theirs = exchange_theirs(x, theirs, LIMIT_SPACES);
	return NULL;
}

static struct error *save_ledger(struct sync_writing *w, void *arg)
{
	return ledger_save(arg, w->local);
}

struct error *sync_once(const struct sync_options *o, const struct pubkey *peer,
			struct sync_report *ret)
{
	_cleanup_(ledger_freep) struct ledger *ledger = ledger_new(o->env);
	_cleanup_(log_closep) struct log_store *log = NULL;
	struct sync_report report = {0};
	struct outcome outcome = {.key = *peer, .report = &report, .asked = true};
	struct space_digest theirs[LIMIT_SPACES];
	struct peer p;
	_cleanup_(proxy_wipe) struct proxy proxy = {.url = ""};
	struct error *err, *later;

	ledger_set_folder(ledger, o->local_path);
	TRY(find_peer(o->local_path, peer, env_now(o->env), ledger, &p, &proxy));
	TRY(open_log(o, &log));
	err = exchange_once(o, &p, &proxy, log, ledger, &outcome, theirs, &report);
	outcome.address = p.address;
	outcome.error = err ? error_stored(err) : NULL;
	later = outcome_write(&o->host, o->env, &outcome);
	if (!later)
		later = o->host.write(o->host.ctx, save_ledger, ledger);
	if (!later)
		later = audit_all(&o->host, log); /* what came before a failure, too */
	*ret = report;
	if (!err)
		return later;
	error_free(later);
	return err;
}

struct error *sync_audit(const struct sync_options *o)
{
	_cleanup_(log_closep) struct log_store *log = NULL;

	TRY(open_log(o, &log));
	return audit_all(&o->host, log);
}

static struct client_options options_of(const struct sync_keep *at, struct tls_identity *tls)
{
	return (struct client_options){.tls = tls,
				       .env = at->env,
				       .peer = at->peer,
				       .address = at->address,
				       .proxy = at->proxy,
				       .name = at->name,
				       .ending = at->ending};
}

static void count_line(const struct sync_keep *at, enum ledger_item way, uint64_t bytes, bool near)
{
	if (at->line)
		ledger_passed(at->line->ledger, &at->peer, way, bytes, near);
}

/* How far the file was read or written. */
static uint64_t fd_at(int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);

	return at > 0 ? (uint64_t)at : 0;
}

static struct error *keep(const struct sync_keep *at,
			  struct error *(*ask)(const struct client_options *to, int fd), int fd,
			  enum ledger_item way)
{
	_cleanup_(tls_identity_freep) struct tls_identity *tls = NULL;
	struct client_options to;
	bool near = true;
	struct error *err;

	if (at->line)
		TRY(engine_line_is_open(at->line, &at->peer, at->address, &near));
	TRY(tls_identity_new(at->self, &tls));
	to = options_of(at, tls);
	err = ask(&to, fd);
	count_line(at, way, fd_at(fd), near);
	return err;
}

struct error *sync_keep_put(const struct sync_keep *at, int fd)
{
	return keep(at, keep_put, fd, LEDGER_OUT);
}

struct error *sync_keep_get(const struct sync_keep *at, int fd)
{
	return keep(at, keep_get, fd, LEDGER_IN);
}

struct error *sync_held(const struct sync_keep *at, struct span question, struct buf *answer)
{
	_cleanup_(tls_identity_freep) struct tls_identity *tls = NULL;
	_cleanup_(client_freep) struct client *c = NULL;
	struct client_options to;
	bool near = true;
	int status;

	if (at->line)
		TRY(engine_line_is_open(at->line, &at->peer, at->address, &near));
	TRY(tls_identity_new(at->self, &tls));
	to = options_of(at, tls);
	TRY(client_new(&to, &c));
	buf_clear(answer);
	buf_add_span(answer, question);
	count_line(at, LEDGER_OUT, question.n, near);
	TRY(client_ask(c, SYNC_PATH_HELD, answer, HELD_BODY, &status));
	count_line(at, LEDGER_IN, answer->n, near);
	ENSURE(status != 404 && status != 405,
	       error_new(ERR_VERSION, N_("The other box has an older version that can't prove what "
					 "it holds.")));
	ENSURE(status == 200, error_new(ERR_NET, N_("The other box did not prove what it holds "
						    "(HTTP error). Try again later.")));
	return NULL;
}
