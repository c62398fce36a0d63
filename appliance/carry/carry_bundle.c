/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing and taking in bundles: what the receiver may have, and what we may take. */
#include "appliance/carry/carry.h"
#include "appliance/carry/carry_receipt.h"
#include "appliance/carry/carry_room.h"
#include "appliance/files/files.h"
#include "appliance/partial/partial.h"
#include "appliance/peers/peers.h"
#include "sync/blob/choice.h"
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <time.h>
#include <sys/statvfs.h>

/* --- names ------------------------------------------------------------------------------------ */

static const char end_of_name[] = ".lliure";

void carry_name(const char *box, const struct pubkey *for_key, int64_t now_ms, char out[CARRY_NAME])
{
	time_t s = (time_t)(now_ms / 1000);
	char name[41] = "", date[16] = "", key[20] = "";
	size_t n = 0;
	struct tm tm;

	for (; *box && n < sizeof(name) - 1; box++) {
		if (isascii(*box) && isalnum(*box))
			name[n++] = (char)tolower(*box);
		else if (n && name[n - 1] != '-')
			name[n++] = '-';
	}
	while (n && name[n - 1] == '-')
		n--;
	name[n] = 0;
	if (gmtime_r(&s, &tm))
		strftime(date, sizeof(date), "%Y%m%d-%H%M", &tm);
	if (for_key)
		snprintf(key, sizeof(key), "-for-%.8s", ID_SHORT(for_key));
	snprintf(out, CARRY_NAME, "%s%s-%s%s", n ? name : "news", key, date, end_of_name);
}

bool carry_name_ok(const char *name)
{
	size_t n = strlen(name), end = sizeof(end_of_name) - 1;

	return n > end && n < CARRY_NAME && strcmp(name + n - end, end_of_name) == 0 &&
	       name[0] != '-' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n - end;
}

/* --- writing ---------------------------------------------------------------------------------- */

struct error *carry_public(struct conn *c, const struct hash *space, bool *ret)
{
	struct space_info info;

	TRY(space_get(c, space, &info));
	*ret = !info.is_private;
	return NULL;
}

struct writing {
	struct app *app;
	const struct carry_plan *plan;
	struct conn *conn;
	struct arena arena;
	struct sync_host host;
	struct hash spaces[LIMIT_SPACES];
	struct bundle_export x;
	struct wire_tally tally;
	struct buf files; /* struct blob_chosen */
	struct blob_store *chosen; /* shows only those */
	struct carry_size size;
	bool everything;
	uint64_t total;
};

static struct error *choose_space(void *ctx, const struct space_info *s)
{
	struct writing *w = ctx;
	const struct pubkey *to = w->plan->receiver;
	bool ok = true;

	/* What is private goes to those whom its rules admit, and into nobody else's pocket. */
	if (!to)
		TRY(carry_public(w->conn, &s->id, &ok));
	if (to)
		ok = ok && space_shared_with(w->conn, &s->id, to);
	if (to && w->host.shares)
		ok = ok && w->host.shares(w->host.ctx, to, &s->id);
	if (ok && w->x.n_spaces < LIMIT_SPACES)
		w->spaces[w->x.n_spaces++] = s->id;
	return NULL;
}

/* What the receiver is known to hold. */
static struct error *look_up(struct writing *w)
{
	struct known k = {0};
	struct error *e;

	w->everything = true;
	if (!w->plan->receiver)
		return NULL;
	e = known_get(w->conn->local, w->plan->receiver, &w->arena, &k);
	if (error_is(e, ERR_NOT_FOUND) && !w->plan->known_only) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	w->everything = false;
	w->x.have = k.heads;
	w->x.n_have = k.n_heads;
	w->x.missing = k.missing;
	w->x.n_missing = k.n_missing;
	return NULL;
}

enum { FILES_MOST = 16384, FILE_COST = 256 };

static bool travels(void *ctx, const struct hash *space)
{
	const struct writing *w = ctx;

	for (size_t i = 0; i < w->x.n_spaces; i++)
		if (hash_eq(&w->spaces[i], space))
			return true;
	return false;
}

/* What is left of the room behind the entries is for files, the newest first; one that is too large leaves
 * its place to smaller ones. */
static struct error *choose_files(struct writing *w)
{
	struct blob_walk walk = {.before = 0};
	uint64_t left = UINT64_MAX;
	struct blob_chosen f;
	size_t n = 0;

	w->size.all_files = true;
	if (!w->plan->files)
		return NULL;
	if (w->plan->room) {
		left = w->size.bytes < w->plan->room ? w->plan->room - w->size.bytes : 0;
		left -= left / 32; /* it was an estimate */
	}
	while (n < FILES_MOST &&
	       files_next_held(w->conn, w->app->blobs, travels, w, &walk, &f.hash, &f.size)) {
		uint64_t takes = f.size + f.size / 1024 + FILE_COST;

		w->size.all_files &= takes <= left;
		if (left < FILE_COST)
			break;
		if (takes > left)
			continue;
		left -= takes;
		buf_add(&w->files, &f, sizeof(f));
		n++;
	}
	w->x.blobs = w->chosen = blob_choice(
		w->app->blobs, (const struct blob_chosen *)(void *)w->files.p, n);
	return NULL;
}

/* --- of each log the newest only -------------------------------------------------------------- */

struct logs {
	struct writing *w;
	struct buf infos; /* struct log_info, of what travels and is live */
};

static struct error *add_log(void *ctx, const struct log_info *info)
{
	struct logs *l = ctx;

	if (info->live && travels(l->w, &info->id.space))
		buf_add(&l->infos, info, sizeof(*info));
	return NULL;
}

/* As if the receiver held all but the last `keep` of each log. */
static void suppose(struct writing *w, const struct log_info *infos, size_t n, uint64_t keep,
		    struct head *have)
{
	w->x.have = have;
	w->x.n_have = 0;
	for (size_t i = 0; i < n; i++)
		if (infos[i].live > keep)
			have[w->x.n_have++] =
				(struct head){.id = infos[i].id, .seq = infos[i].live - keep};
	heads_sort(have, w->x.n_have);
}

/* Who holds what is before it goes on from there; who does not refuses it, for it would be a gap. */
static struct error *leave_out_old(struct writing *w, const struct log_info *infos, size_t n)
{
	struct head *have = arena_array(&w->arena, struct head, n + 1);
	uint64_t keep = 0, bytes;

	for (size_t i = 0; i < n; i++)
		keep = infos[i].live > keep ? infos[i].live : keep;
	do {
		keep /= 2;
		suppose(w, infos, n, keep, have);
		TRY(bundle_estimate(&w->x, &bytes));
	} while (keep > 1 && bytes > w->plan->room / 32 * 31);
	for (size_t i = 0; i < w->x.n_have; i++) {
		struct log_info info;

		TRY(log_info_get(w->conn->log, &have[i].id, &info));
		TRY(log_hash_at(w->conn->log, info.num, have[i].seq, &have[i].hash));
	}
	w->size.newest_only = true;
	w->size.bytes = bytes;
	return NULL;
}

static struct error *choose_entries(struct writing *w)
{
	struct logs l = {.w = w};
	struct error *e;

	TRY(bundle_estimate(&w->x, &w->size.entries));
	w->size.bytes = w->size.entries;
	if (!w->plan->newest || w->size.entries <= w->plan->room)
		return NULL;
	e = log_each(w->conn->log, NULL, add_log, &l);
	if (!e)
		e = leave_out_old(w, (const struct log_info *)(void *)l.infos.p,
				  l.infos.n / sizeof(struct log_info));
	buf_release(&l.infos);
	return e;
}

static struct error *begin(struct writing *w)
{
	TRY(app_conn(w->app, &w->conn));
	w->host = peers_host(w->app);
	w->x = (struct bundle_export){.log = w->conn->log,
				      .env = w->app->env,
				      .name = w->app->name,
				      .spaces = w->spaces,
				      .writer = w->app->self};
	if (w->plan->receiver) {
		struct peer p;

		TRY(peer_get(w->conn->local, w->plan->receiver, &p));
		w->x.receiver = *w->plan->receiver;
	}
	TRY(space_each(w->conn, choose_space, w));
	ENSURE(w->x.n_spaces,
	       error_new(ERR_NOT_FOUND, N_("There is nothing here that may travel.")));
	TRY(look_up(w));
	TRY(choose_entries(w));
	return choose_files(w);
}

static void release(struct writing *w)
{
	conn_close(w->conn);
	tally_release(&w->tally);
	blob_close(w->chosen);
	buf_release(&w->files);
	arena_release(&w->arena);
}

static struct error *draw_serial(struct sync_writing *w, void *arg)
{
	return known_next_serial(w->local, arg);
}

static bool progress(void *ctx, uint64_t done)
{
	struct writing *w = ctx;

	return w->plan->progress &&
	       w->plan->progress(w->plan->ctx, done, done > w->total ? done : w->total);
}

/* No receipt is no reason to do without the bundle. */
static struct hash written_receipt(struct writing *w)
{
	struct sync_report none = {0};

	return carry_receipt(w->app, w->conn, RECEIPT_WRITTEN, &w->x.receiver, &w->tally, &none);
}

static struct error *write_out(struct writing *w, int fd, struct carry_written *ret)
{
	TRY(begin(w));
	TRY(w->host.write(w->host.ctx, draw_serial, &w->x.serial));
	w->x.progress = progress;
	w->x.ctx = w;
	w->x.tally = w->plan->receipt ? &w->tally : NULL;
	TRY(bundle_estimate(&w->x, &w->total));
	TRY(bundle_write(&w->x, fd, &ret->n));
	ret->everything = w->everything;
	ret->newest_only = w->size.newest_only;
	if (w->plan->settle)
		TRY(w->plan->settle(w->plan->settle_ctx));
	if (w->plan->receipt)
		ret->receipt = written_receipt(w);
	return NULL;
}

struct error *carry_write(struct app *a, const struct carry_plan *plan, int fd,
			  struct carry_written *ret)
{
	struct writing w = {.app = a, .plan = plan};
	struct error *e = write_out(&w, fd, ret);

	release(&w);
	return e;
}

struct error *carry_estimate(struct app *a, const struct carry_plan *plan, struct carry_size *ret)
{
	struct writing w = {.app = a, .plan = plan};
	struct error *e = begin(&w);

	if (!e)
		e = bundle_estimate(&w.x, &w.size.bytes);
	if (!e)
		*ret = w.size;
	release(&w);
	return e;
}

/* --- taking in -------------------------------------------------------------------------------- */

enum { COMMIT_ENTRIES = 8192, COMMIT_MS = 250, VISITOR_PASSES = 8 };

struct taking {
	struct app *app;
	const struct carry_taking *what;
	struct sync_host host;
	struct carry_room room;
	struct sieve sieve;
	bool stopped;
	bool for_us;	      /* a peer wrote and signed it for this box */
	struct hash carried;  /* the space that was last seen to be here; zero: none yet */
	struct pubkey writer; /* who signed it; zero: nobody */
	struct conn *conn;    /* for what pages show, once a file came */
	bool followed;	      /* and it shows all that was taken */
	struct wire_tally tally;
};

/* Does the founding entry say that only admitted boxes may have the space? What can't be read
 * counts as yes. */
static bool is_private(const struct ingest *in)
{
	const struct ingest_payload *p = &in->payloads[0];
	json_t *op = p->state == PAYLOAD_HELD
			     ? json_loadb((const char *)p->bytes.p, p->bytes.n, 0, NULL)
			     : NULL;
	bool open = op && !json_is_true(json_object_get(op, "private"));

	json_decref(op);
	return !open;
}

/* A space that this box does not carry yet: over the network a peer tells of it, and of a private
 * one only who is admitted. From a stick it comes in when a peer founded it, and a private one when
 * a peer wrote the bundle for us; from a visitor's phone never. */
static bool takes_new_space(const struct taking *t, struct sync_writing *w, const struct ingest *in)
{
	struct peer p;
	struct error *e;

	if (t->what->from == CARRY_VISITOR || in->first != 1 || (is_private(in) && !t->for_us))
		return false;
	e = peer_get(w->local, &in->id->appliance, &p);
	if (!e && t->host.follows && !t->host.follows(t->host.ctx, &p.key, &in->id->space))
		return false;
	if (!e)
		return true;
	error_free(e);
	return false;
}

/* A bundle goes space by space, and what is carried stays: the logs of a space are counted once. */
static bool is_welcome(struct taking *t, struct sync_writing *w, const struct intake *in)
{
	const struct ingest *run = &in->frame->entries;
	struct log_counts n = {.logs = 0};
	struct error *e;

	if (in->frame->type != FRAME_ENTRIES ||
	    pubkey_eq(&run->id->appliance, secret_pubkey(t->app->self)) ||
	    hash_eq(&t->carried, &run->id->space))
		return true;
	e = log_count(w->log, &run->id->space, &n);
	if (e) {
		error_free(e);
		return false;
	}
	if (n.logs && log_is_let_go(w->log, &run->id->space))
		return false;
	if (n.logs)
		t->carried = run->id->space;
	return n.logs || takes_new_space(t, w, run);
}

struct commit {
	struct taking *t;
	struct bundle_batch *batch;
};

static struct error *take_one(struct taking *t, struct sync_writing *w, struct intake *in)
{
	if (!is_welcome(t, w, in)) {
		in->refused = ERR_NOT_ADMITTED;
		return NULL;
	}
	if (!carry_room_ask(&t->room, w->log, in))
		return NULL;
	TRY(intake_run(w->log, in));
	carry_room_settle(&t->room, w->log, in);
	return NULL;
}

/* Many frames in one commit; but what an entry in it admits is known only behind it. */
static struct error *commit_job(struct sync_writing *w, void *arg)
{
	struct commit *c = arg;
	int64_t began = env_mono(c->t->app->env);
	size_t entries = 0;
	struct intake *in;

	while (entries < COMMIT_ENTRIES && env_mono(c->t->app->env) - began < COMMIT_MS &&
	       (in = bundle_batch_next(c->batch))) {
		struct log_id id = in->frame->type == FRAME_FORK ? entry_log(&in->frame->fork.a)
								 : *in->frame->entries.id;

		if (entries && !log_admitted(w->log, &id.space, &id.appliance))
			return NULL;
		TRY(take_one(c->t, w, in));
		entries += in->result.added + in->result.filled + in->fork_new;
		bundle_batch_written(c->batch);
	}
	return NULL;
}

static struct error *write_many(void *ctx, struct bundle_batch *b)
{
	struct taking *t = ctx;

	ENSURE(!t->stopped, error_new(ERR_STOPPED, N_("The box is shutting down.")));
	t->followed = false;
	return t->host.write(t->host.ctx, commit_job, &(struct commit){t, b});
}

/* Anybody carries something in by phone: that must not take the room which a peer may not take either. */
static bool phone_has_room(const struct taking *t, uint64_t size)
{
	uint64_t left;
	struct statvfs v;

	if (!t->what->files_left)
		return true;
	if (size > *t->what->files_left || statvfs(t->app->dir, &v))
		return false;
	left = (uint64_t)v.f_bavail * v.f_frsize;
	return left > size && !ledger_keeps_disk((uint64_t)v.f_blocks * v.f_frsize, left - size);
}

/* What names it came before it, but is perhaps not in the view yet. Everybody waits for the writer, so it is
 * asked to follow once for all files that come one behind the other. */
static bool wants_file(void *ctx, const struct hash *blob, uint64_t size)
{
	struct taking *t = ctx;
	struct error *e;

	if (size <= LIMIT_FILE_INLINE) /* that has no file of its own */
		return false;
	e = t->followed ? NULL : writer_follow(t->app->writer);
	t->followed = !e;
	if (!e && !t->conn)
		e = app_conn(t->app, &t->conn);
	if (!e && phone_has_room(t, size) &&
	    files_wants_blob(t->conn, blob, size, partial_takes, t->conn)) {
		if (t->what->files_left)
			*t->what->files_left -= size;
		return true;
	}
	error_free(e);
	return false;
}

struct claim_job {
	const struct bundle_claim *claim;
	const struct env *env;
};

static struct error *claim_write(struct sync_writing *w, void *arg)
{
	const struct claim_job *j = arg;
	struct peer p;
	struct error *e = peer_get(w->local, &j->claim->writer, &p);

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	return known_claimed(w->local, j->claim, env_now(j->env));
}

static struct error *claimed(void *ctx, const struct bundle_claim *c)
{
	struct taking *t = ctx;

	t->writer = c->writer;
	return t->host.write(t->host.ctx, claim_write, &(struct claim_job){c, t->app->env});
}

/* A second pass: the same through another sieve. */
static struct error *again(void *ctx, int *ret_fd)
{
	struct taking *t = ctx;

	ENSURE(lseek(t->what->fd, 0, SEEK_SET) == 0,
	       error_new(ERR_IO, N_("%s can be read only once."), t->what->name));
	sieve_end(&t->sieve);
	TRY(sieve_start(t->app->sieves, t->what->fd, SIEVE_FRAMES, &t->sieve));
	*ret_fd = dup(t->sieve.fd);
	return NULL;
}

static void took(void *ctx, uint64_t done, uint64_t total)
{
	struct taking *t = ctx;

	if (t->what->progress)
		t->stopped |= t->what->progress(t->what->ctx, done, total);
}

/* Who wrote it for whom stands at its end: look there first, where that can be done. */
static struct error *look_ahead(struct taking *t)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct sieve_summary s;
	struct error *e;
	struct peer p;

	if (t->what->from == CARRY_VISITOR || lseek(t->what->fd, 0, SEEK_CUR) < 0)
		return NULL;
	TRY(app_conn(t->app, &c));
	TRY(sieve_check(t->app->sieves, t->what->fd, &s));
	if (s.claimed && pubkey_eq(&s.receiver, secret_pubkey(t->app->self))) {
		e = peer_get(c->local, &s.writer, &p);
		t->for_us = !e;
		error_free(e);
	}
	sieve_summary_release(&s);
	ENSURE(lseek(t->what->fd, 0, SEEK_SET) == 0, file_error(errno, t->what->name));
	return NULL;
}

/* Of what was new: a visitor who brings the same a hundred times pushes no receipt out. */
static struct hash taken_receipt(struct taking *t, const struct sync_report *r)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct hash none = {{0}};
	struct error *e;

	if (!r->received && !r->filled && !r->blobs &&
	    (t->what->from == CARRY_VISITOR || r->bytes_in <= STREAM_MAGIC))
		return none;
	e = app_conn(t->app, &c);
	if (e) {
		error_free(e);
		return none;
	}
	return carry_receipt(t->app, c, RECEIPT_TAKEN, &t->writer, &t->tally, r);
}

struct error *carry_take(struct app *a, const struct carry_taking *what, struct sync_report *ret)
{
	struct taking t = {.app = a, .what = what, .host = peers_host(a), .sieve = {.fd = -1}};
	struct error *e = look_ahead(&t);

	*ret = (struct sync_report){0};
	t.room = (struct carry_room){.app = a, .from = what->from, .host = &t.host};
	if (!e)
		e = carry_room_open(&t.room);
	if (!e)
		e = sieve_start(a->sieves, what->fd, SIEVE_FRAMES, &t.sieve);
	if (!e)
		e = bundle_import_fd(&(struct bundle_import){.self = a->self,
							     .passes = what->from == CARRY_VISITOR
									       ? VISITOR_PASSES
									       : BUNDLE_PASSES,
							     .blobs = a->blobs,
							     .ctx = &t,
							     .write_many = write_many,
							     .wants = wants_file,
							     .claimed = claimed,
							     .again = again,
							     .tally = &t.tally,
							     .progress = took},
				     t.sieve.fd, what->name, ret);
	sieve_end(&t.sieve);
	conn_close(t.conn);
	error_free(carry_room_close(&t.room)); /* what came is here, and not lost for that */
	if (what->ret_receipt)
		*what->ret_receipt = taken_receipt(&t, ret);
	tally_release(&t.tally);
	if (a->sync)
		sync_poke(a->sync);
	return e;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct error *carry_check(struct app *a, int fd, struct sieve_summary *ret)
{
	return sieve_check(a->sieves, fd, ret);
}

struct error *carry_news(struct conn *c, const struct sieve_summary *s, uint64_t *ret)
{
	uint64_t news = 0;

	for (size_t i = 0; i < s->logs_kept; i++) {
		const struct sieve_log *l = &s->logs[i];
		struct log_info info;
		struct error *e = log_info_get(c->log, &l->id, &info);
		uint64_t have = e ? 0 : info.head;
		bool gone = error_is(e, ERR_NOT_FOUND);

		if (gone)
			error_free(e);
		else
			TRY(e);
		if (l->last > have)
			news += l->last - (have >= l->first ? have : l->first - 1);
	}
	*ret = news;
	return NULL;
}
