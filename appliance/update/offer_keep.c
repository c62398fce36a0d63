/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The updates that are here: given to the updater, found good, passed on, gone again. */
#include "appliance/box/box.h"
#include "appliance/update/offer_priv.h"
#include "firmware/update/history.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { COPY = 1 << 18, BLOBS = 16 };

/* --- rows ------------------------------------------------------------------------------------- */

static struct error *put_job(struct conn *c, void *arg)
{
	return offer_file_put(c, arg);
}

static struct error *forget_job(struct conn *c, void *arg)
{
	return offer_file_forget(c, arg);
}

struct error *offer_row(struct offers *o, struct offer_file *f, enum offer_state state)
{
	f->state = state;
	f->when_ms = env_now(o->app->env);
	return writer_run(o->app->writer, put_job, f);
}

static struct error *drop_row(struct offers *o, const struct hash *blob)
{
	struct hash copy = *blob;

	return writer_run(o->app->writer, forget_job, &copy);
}

struct of_state {
	enum offer_state state;
	struct offer_file *ret;
	bool any;
};

static struct error *take_if(void *ctx, const struct offer_file *f)
{
	struct of_state *k = ctx;

	if (!k->any && f->state == k->state) {
		*k->ret = *f;
		k->any = true;
	}
	return NULL;
}

struct error *offer_of_state(struct conn *c, enum offer_state state, struct offer_file *ret,
			     bool *ret_any)
{
	struct of_state k = {state, ret, false};

	TRY(offer_file_each(c, take_if, &k));
	*ret_any = k.any;
	return NULL;
}

struct error *offer_waits(struct conn *c, struct offer_file *ret, bool *ret_any)
{
	struct offer_plan p;

	TRY(offer_plan_get(c, &p));
	TRY(offer_of_state(c, OFFER_READY, ret, ret_any));
	*ret_any = *ret_any && p.how == OFFER_BY_HAND;
	return NULL;
}

static struct error *add_heard(void *ctx, const struct offer_heard *h)
{
	struct offer_all *a = ctx;

	a->h = reallocarray(a->h, a->n + 1, sizeof(*h));
	if (!a->h)
		abort();
	a->h[a->n++] = *h;
	return NULL;
}

struct error *offer_all_heard(struct conn *c, struct offer_all *ret)
{
	struct offer_all a = {.n = 0};
	struct error *e = offer_heard_each(c, add_heard, &a);

	if (e) {
		offer_all_release(&a);
		return e;
	}
	*ret = a;
	return NULL;
}

void offer_all_release(struct offer_all *a)
{
	free(a->h);
	a->h = NULL;
	a->n = 0;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Another name of the same file where the disk can do that: it has the room once. */
struct error *offer_link(struct offers *o, const struct hash *blob, const char *name)
{
	_cleanup_(freep) char *path = path_join(o->app->box.updates, name);
	_cleanup_(closep) int from = -1;
	uint64_t size;
	char self[40];

	TRY(blob_fd(o->store, blob, &from, &size));
	unlink(path);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", from);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0)
		return NULL;
	return update_put(from, path, name);
}

void offer_unlink(struct offers *o, const char *name)
{
	_cleanup_(freep) char *path = path_join(o->app->box.updates, name);

	unlink(path);
}

static struct error *keep(struct offers *o, int fd, const char *name, struct offer_file *f)
{
	_cleanup_(blob_writer_freep) struct blob_writer *w = NULL;
	_cleanup_(freep) uint8_t *part = malloc(COPY);
	off_t at = 0;
	ssize_t n;

	if (!part)
		abort();
	TRY(blob_writer_new(o->store, LIMIT_UPLOAD, &w));
	while ((n = pread(fd, part, COPY, at)) > 0) {
		TRY(blob_write(w, span_of(part, (size_t)n)));
		at += n;
	}
	ENSURE(n == 0, file_error(errno, name));
	return blob_writer_finish(STEAL(w), &f->blob, &f->size);
}

/* --- given to the updater --------------------------------------------------------------------- */

struct give_job {
	struct offer_file *f;
	const char *name;
	int64_t before_ms, now;
};

/* What is known of it from before, from whom it came and which version it is, stays. */
static struct error *give_job(struct conn *c, void *arg)
{
	struct give_job *j = arg;
	struct offer_file was;
	struct error *e = offer_file_get(c, &j->f->blob, &was);

	if (!e)
		*j->f = was;
	else if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	j->f->state = OFFER_GIVEN;
	j->f->when_ms = j->now;
	j->f->before_ms = j->before_ms;
	snprintf(j->f->name, sizeof(j->f->name), "%s", j->name);
	return offer_file_put(c, j->f);
}

static struct error *note_given(struct offers *o, struct offer_file *f, const char *name)
{
	struct give_job j = {f, name, .now = env_now(o->app->env)};
	struct update_state u;

	update_state_read(o->app, &u);
	j.before_ms = u.last.when_ms;
	return writer_run(o->app->writer, give_job, &j);
}

struct error *offer_take_in(struct offers *o, int fd, const char *name)
{
	struct offer_file f = {.by_hand = true};
	struct error *e;

	pthread_mutex_lock(&o->files); /* a file without a row would be tidied away */
	e = keep(o, fd, name, &f);
	if (!e)
		e = note_given(o, &f, name);
	pthread_mutex_unlock(&o->files);
	TRY(e);
	return offer_link(o, &f.blob, name);
}

static struct error *not_taken_job(struct conn *c, void *arg)
{
	const char *name = arg;
	struct offer_file f;
	bool any;

	TRY(offer_of_state(c, OFFER_GIVEN, &f, &any));
	if (!any || strcmp(f.name, name) != 0)
		return NULL;
	if (!version_ok(f.version))
		return offer_file_forget(c, &f.blob);
	f.state = OFFER_READY;
	return offer_file_put(c, &f);
}

void offer_not_taken(struct offers *o, const char *name)
{
	char copy[UPDATE_FILE];

	snprintf(copy, sizeof(copy), "%s", name);
	error_free(writer_run(o->app->writer, not_taken_job, copy));
	offer_unlink(o, name);
}

struct error *offer_install(struct offers *o, const struct hash *blob)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	char name[UPDATE_FILE];
	struct offer_file f;
	struct error *e;

	TRY(app_conn(o->app, &c));
	TRY(offer_file_get(c, blob, &f));
	ENSURE(f.state == OFFER_READY && version_ok(f.version),
	       error_new(ERR_NOT_FOUND, N_("There is no such update here.")));
	TRY(update_may_begin(o->app));
	snprintf(name, sizeof(name), "lliure-%s.raucb", f.version);
	TRY(note_given(o, &f, name));
	e = offer_link(o, &f.blob, name);
	if (!e)
		e = BOX_ASK(o->app->box.helper, NULL, "update", name);
	if (e)
		offer_not_taken(o, name);
	return e;
}

/* The bundle may be good: the disk, or the moment, was not. */
static bool may_be_good(enum update_why w)
{
	return w == WHY_INSTALL || w == WHY_ROOM || w == WHY_CUT_OFF;
}

struct error *offer_settle(struct offers *o, const struct update_state *u)
{
	const struct outcome *last = &u->last;
	struct offer_file f;
	bool any;

	TRY(offer_of_state(o->conn, OFFER_GIVEN, &f, &any));
	if (!any || strcmp(f.name, last->file) != 0 || last->when_ms == f.before_ms ||
	    !update_ended(last->stage))
		return NULL;
	offer_unlink(o, f.name);
	if (version_ok(last->version))
		snprintf(f.version, sizeof(f.version), "%s", last->version);
	f.why = last->why;
	if (last->stage == UPDATE_DONE)
		return offer_row(o, &f, OFFER_RUNS);
	/* It is looked at (again), and waits for a volunteer. */
	return offer_row(o, &f, may_be_good(last->why) ? OFFER_WANTED : OFFER_BAD);
}

/* --- tidying ---------------------------------------------------------------------------------- */

struct tidying {
	struct offers *o;
	const struct update_state *u;
	bool tight; /* the disk */
	struct hash gone[BLOBS], kept[BLOBS];
	size_t n_gone, n_kept;
};

static bool of_no_use(struct tidying *k, const struct offer_file *f)
{
	bool known = version_ok(f->version) && version_ok(k->u->version);
	int than = known ? version_compare(f->version, k->u->version) : 0;
	bool here = blob_has(k->o->store, &f->blob, NULL);

	switch (f->state) {
	case OFFER_WANTED:
		return known && than <= 0;
	case OFFER_READY:
		return !here || (known && than <= 0);
	case OFFER_GIVEN:
		return !here;
	case OFFER_RUNS:
		return !here || (known && than != 0) || k->tight;
	default:
		return false;
	}
}

static struct error *weigh_row(void *ctx, const struct offer_file *f)
{
	struct tidying *k = ctx;

	if (!offer_holds(f->state)) {
		if (blob_has(k->o->store, &f->blob, NULL) || blob_part(k->o->store, &f->blob))
			error_free(blob_erase(k->o->store, &f->blob)); /* in use: next time */
	} else if (of_no_use(k, f)) {
		if (k->n_gone < BLOBS)
			k->gone[k->n_gone++] = f->blob;
	} else if (k->n_kept < BLOBS) {
		k->kept[k->n_kept++] = f->blob;
	}
	return NULL;
}

static struct error *erase_stray(void *ctx, const struct hash *h, uint64_t size)
{
	struct tidying *k = ctx;

	(void)size;
	for (size_t i = 0; i < k->n_kept; i++)
		if (hash_eq(&k->kept[i], h))
			return NULL;
	error_free(blob_erase(k->o->store, h));
	return NULL;
}

static bool disk_is_tight(const struct offers *o)
{
	struct statvfs v;

	return statvfs(o->app->dir, &v) == 0 &&
	       ledger_keeps_disk((uint64_t)v.f_blocks * v.f_frsize,
				 (uint64_t)v.f_bavail * v.f_frsize);
}

static struct error *tidy(struct tidying *k)
{
	TRY(offer_file_each(k->o->conn, weigh_row, k));
	for (size_t i = 0; i < k->n_gone; i++) {
		TRY(drop_row(k->o, &k->gone[i]));
		error_free(blob_erase(k->o->store, &k->gone[i]));
	}
	return blob_each(k->o->store, erase_stray, k);
}

struct error *offer_tidy(struct offers *o, const struct update_state *u)
{
	struct tidying k = {.o = o, .u = u, .tight = disk_is_tight(o)};
	struct error *e;

	pthread_mutex_lock(&o->files);
	e = tidy(&k);
	pthread_mutex_unlock(&o->files);
	return e;
}

/* --- what is said ----------------------------------------------------------------------------- */

/* When it became what it is: the update to it, the way back to it; else when the box began. */
static int64_t well_since(struct offers *o, const struct update_state *u, const struct outcome *all,
			  size_t n)
{
	_cleanup_(freep) char *key = path_join(o->app->dir, "key");
	struct stat st;

	if (u->last.stage == UPDATE_RESTARTING || u->last.why == WHY_KEPT ||
	    u->last.why == WHY_ALONE)
		return 0;
	for (size_t i = 0; i < n; i++)
		if ((all[i].stage == UPDATE_DONE && !strcmp(all[i].version, u->version)) ||
		    (all[i].stage == UPDATE_ROLLED_BACK && !strcmp(all[i].before, u->version)))
			return all[i].when_ms;
	return stat(key, &st) == 0 ? (int64_t)st.st_mtime * 1000 : 1;
}

/* The newest that was given up; not where the disk was at fault. */
static void given_up(const struct update_state *u, const struct outcome *all, size_t n,
		     struct system_said *s)
{
	for (size_t i = 0; i < n; i++) {
		if (all[i].stage != UPDATE_ROLLED_BACK || all[i].why == WHY_ROOT ||
		    version_compare(all[i].version, u->version) <= 0)
			continue;
		snprintf(s->back, sizeof(s->back), "%s", all[i].version);
		snprintf(s->why, sizeof(s->why), "%s", update_why_name(all[i].why));
		s->back_ms = all[i].when_ms;
		return;
	}
}

static void say_offer(struct offers *o, struct conn *c, struct system_said *s)
{
	struct offer_file f;
	bool any = false;
	struct error *e = offer_of_state(c, OFFER_RUNS, &f, &any);

	if (!e && !any)
		e = offer_of_state(c, OFFER_READY, &f, &any);
	if (!e && any && version_ok(f.version) && blob_has(o->store, &f.blob, NULL)) {
		snprintf(s->offer, sizeof(s->offer), "%s", f.version);
		s->blob = f.blob;
		s->size = f.size;
	}
	error_free(e); /* then none is offered now */
}

bool offer_say(struct offers *o, struct conn *c, const struct update_state *u,
	       struct system_said *ret)
{
	_cleanup_(freep) char *path = path_join(o->app->box.state, UPDATE_HISTORY);
	_cleanup_(freep) struct outcome *all = calloc(HISTORY_MOST, sizeof(*all));
	struct system_said s = {.size = 0};
	struct offer_plan p = {.tells = false};
	struct error *e = offer_plan_get(c, &p);
	size_t n;

	error_free(e);
	if (!all)
		abort();
	if (!p.tells || !version_ok(u->version) || !*offer_machine())
		return false;
	n = update_history_read(path, all, HISTORY_MOST);
	snprintf(s.machine, sizeof(s.machine), "%s", offer_machine());
	snprintf(s.version, sizeof(s.version), "%s", u->version);
	s.since_ms = well_since(o, u, all, n);
	given_up(u, all, n, &s);
	say_offer(o, c, &s);
	*ret = s;
	return true;
}

bool offer_gives(struct offers *o, struct conn *c, const struct hash *blob, int *ret_fd,
		 uint64_t *ret_size)
{
	struct offer_file f;
	struct error *e = o ? offer_file_get(c, blob, &f) : NULL;
	bool gives = o && !e && (f.state == OFFER_READY || f.state == OFFER_RUNS);

	if (gives)
		e = blob_fd(o->store, blob, ret_fd, ret_size);
	gives = gives && !e;
	error_free(e);
	return gives;
}
