/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/peers.h"

/* --- what sync/ is given ---------------------------------------------------------------------- */

struct host_write {
	sync_write_fn *fn;
	void *arg;
};

/* What sync wrote is in the views before it is told that it is done. */
static struct error *host_job(struct conn *c, void *arg)
{
	struct host_write *w = arg;
	bool more;

	TRY(w->fn(&(struct sync_writing){.log = c->log, .local = c->local}, w->arg));
	return community_catch_up(c, 0, &more);
}

static struct error *host_run(void *ctx, sync_write_fn *fn, void *arg)
{
	struct app *a = ctx;
	struct host_write w = {fn, arg};

	return writer_run(a->writer, host_job, &w);
}

struct sync_host peers_host(struct app *a)
{
	/* Public spaces only, so far: what an approved peer carries we follow, what we carry it may
	 * read. */
	return (struct sync_host){.ctx = a, .write = host_run};
}

/* --- approving -------------------------------------------------------------------------------- */

struct approve_job {
	struct app *app;
	const struct peers_approval *what;
	const char *name;
	struct conn *conn;
	struct hash space;
	bool keeper, admitted;
};

/* An address is HOST:PORT or [V6]:PORT; whether it answers is seen when it is tried. */
static bool address_ok(const char *s)
{
	const char *colon = strrchr(s, ':');
	char *end;
	long port;

	if (!colon || colon == s || strlen(s) >= sizeof(((struct peer *)0)->address))
		return false;
	port = strtol(colon + 1, &end, 10);
	return colon[1] && !*end && port > 0 && port < 65536 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%") ==
		       strlen(s);
}

static struct error *look_for_admission(void *ctx, const struct admitted *a)
{
	struct approve_job *j = ctx;

	j->keeper |= a->keeper && pubkey_eq(&a->key, secret_pubkey(j->app->self));
	j->admitted |= a->write && pubkey_eq(&a->key, &j->what->key);
	return NULL;
}

static struct error *admit(struct approve_job *j)
{
	struct hash id;

	return community_submit(
		j->conn,
		&(struct draft){.type = "appliance.admit",
				.space = j->space,
				.author = j->what->steward,
				.take_body = json_pack("{s:s, s:s, s:s}", "key", ID(&j->what->key),
						       "name", j->name, "mode", "write")},
		&id);
}

struct spaces {
	struct hash id[LIMIT_SPACES];
	size_t n;
};

static struct error *collect_space(void *ctx, const struct space_info *s)
{
	struct spaces *all = ctx;

	/* To a private space a box is admitted one by one, by its stewards. */
	if (all->n < LIMIT_SPACES && !s->is_private)
		all->id[all->n++] = s->id;
	return NULL;
}

static struct error *admit_to_spaces(struct approve_job *j)
{
	struct spaces all = {.n = 0};

	TRY(space_each(j->conn, collect_space, &all));
	for (size_t i = 0; i < all.n; i++) {
		j->space = all.id[i];
		j->keeper = j->admitted = false;
		TRY(admitted_each(j->conn, &j->space, look_for_admission, j));
		if (j->keeper && !j->admitted)
			TRY(admit(j));
	}
	return NULL;
}

static struct error *approve_job(struct conn *c, void *arg)
{
	struct approve_job *j = arg;
	struct peer p = {.key = j->what->key, .added_ms = env_now(c->env)};
	struct error *e = peer_get(c->local, &p.key, &p);

	if (e && !error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	j->conn = c;
	if (j->what->address && *j->what->address)
		snprintf(p.address, sizeof(p.address), "%s", j->what->address);
	if (j->what->name && *j->what->name)
		snprintf(p.name, sizeof(p.name), "%s", j->what->name);
	p.read_only = j->what->read_only;
	j->name = *p.name ? p.name : ID_SHORT(&p.key);
	TRY(peer_put(c->local, &p));
	return p.read_only ? NULL : admit_to_spaces(j);
}

struct error *peers_approve(struct app *a, const struct peers_approval *what)
{
	struct approve_job j = {.app = a, .what = what};

	ENSURE(!pubkey_eq(&what->key, secret_pubkey(a->self)),
	       error_new(ERR_INVALID,
			 N_("That is this box's own key. Ask the other box for its key.")));
	ENSURE(!what->address || !*what->address || address_ok(what->address),
	       error_new(ERR_INVALID,
			 N_("“%s” is not an address. It looks like 192.168.1.20:8443."),
			 what->address));
	TRY(writer_run(a->writer, approve_job, &j));
	if (a->sync)
		sync_peers_changed(a->sync);
	return NULL;
}

static struct error *withdraw_job(struct conn *c, void *arg)
{
	struct peer p;

	TRY(peer_get(c->local, arg, &p));
	return peer_remove(c->local, arg);
}

struct error *peers_withdraw(struct app *a, const struct pubkey *key)
{
	struct error *e = writer_run(a->writer, withdraw_job, (void *)key);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return error_new(ERR_NOT_FOUND, N_("No approved box has the key %s."), ID(key));
	}
	TRY(e);
	if (a->sync)
		sync_peers_changed(a->sync);
	return NULL;
}

/* --- swapping now ----------------------------------------------------------------------------- */

static struct error *keep_first(void *ctx, const struct receipt *r)
{
	struct sync_report *report = ctx;

	*report = r->report;
	return NULL;
}

/* The daemon's engine does it, and leaves a receipt. */
static struct error *sync_in_daemon(struct app *a, const struct pubkey *key,
				    struct sync_report *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(sync_now(a->sync, key, 120 * 1000));
	TRY(app_conn(a, &c));
	return receipt_each(c->local, key, 1, keep_first, ret);
}

struct error *peers_sync_now(struct app *a, const struct pubkey *key, struct sync_report *ret)
{
	struct sync_report report = {0};

	if (a->sync) {
		TRY(sync_in_daemon(a, key, &report));
	} else {
		struct app_paths paths;
		struct sync_options o = app_sync_options(a, &paths);

		TRY(sync_once(&o, key, &report));
	}
	*ret = report;
	return NULL;
}
