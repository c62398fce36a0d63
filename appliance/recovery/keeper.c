/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The thread that makes backups by itself, and tries the newest out. */
#include "appliance/box/box.h"
#include "appliance/carry/stick.h"
#include "appliance/recovery/folder.h"
#include "appliance/recovery/peer_place.h"
#include "appliance/recovery/proof.h"
#include "appliance/recovery/recovery.h"
#include "sync/peer/keep.h"
#include "sync/base/cond.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOK_S = 60 };

struct keeper {
	struct app *app;
	char *backups, *sticks;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop, back_up, prove; /* asked for */
	int at_work;
};

static void set_at_work(struct keeper *k, int what)
{
	pthread_mutex_lock(&k->lock);
	k->at_work = what;
	pthread_mutex_unlock(&k->lock);
}

/* --- notes, on the writer --------------------------------------------------------------------- */

struct note {
	int64_t place, now;
	enum backup_scope scope;
	const char *problem;
};

static struct error *note_job(struct conn *c, void *arg)
{
	const struct note *n = arg;

	return place_note(c, n->place, n->scope, n->now, n->problem);
}

struct proof_note {
	struct recovery_state state;
	int64_t place; /* 0: none was found */
	bool asked;    /* by a person, who is told that none was found */
};

static struct error *proof_job(struct conn *c, void *arg)
{
	const struct proof_note *n = arg;

	if (!n->place && !n->asked)
		return NULL;
	if (n->place)
		TRY(place_proved(c, n->place, n->state.proved_ms,
				 *n->state.proof_problem ? n->state.proof_problem : NULL));
	return recovery_note_proof(c, &n->state);
}

static struct error *unreached_job(struct conn *c, void *arg)
{
	const struct note *n = arg;

	return place_unreached(c, n->place, n->now);
}

/* --- backups ---------------------------------------------------------------------------------- */

struct places {
	struct place *list;
	size_t n;
};

static struct error *add_place(void *ctx, const struct place *p)
{
	struct places *all = ctx;

	all->list[all->n++] = *p;
	return NULL;
}

static struct error *read_places(struct keeper *k, struct places *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(k->app, &c));
	return place_each(c, add_place, ret);
}

static struct error *to_folder(struct keeper *k, const char *where, enum backup_scope scope)
{
	char path[RECOVERY_PLACE];
	struct error *e;

	TRY(stick_path(k->app, where, path, sizeof(path)));
	e = stick_open_for_writing(k->app, path);
	if (!e)
		e = folder_back_up(k->app, path, scope);
	stick_open_for_reading(k->app, path);
	return e;
}

/* Is it there? */
static bool back_up(struct keeper *k, const struct place *p, enum backup_scope scope)
{
	struct note n = {p->id, env_now(k->app->env), scope, NULL};
	_cleanup_(error_freep) struct error *e = NULL;

	set_at_work(k, 1);
	e = p->kind == PLACE_FOLDER ? to_folder(k, p->where, scope)
				    : peer_place_back_up(k->app, p->where);
	n.problem = e ? error_stored(e) : NULL;
	if (!error_is(e, ERR_STOPPED)) /* then the next run tries again */
		error_free(writer_run(k->app->writer, note_job, &n));
	return !e;
}

/* --- trying out ------------------------------------------------------------------------------- */

/* *ret_when: as the name says it; 0 for what a peer keeps. */
static struct error *newest_in(struct keeper *k, const struct place *p, int *ret_fd, char *ret_name,
			       size_t size, int64_t *ret_when)
{
	char path[RECOVERY_PLACE], name[BACKUP_NAME];

	*ret_when = 0;
	if (p->kind == PLACE_PEER) {
		snprintf(ret_name, size, "%s", p->where);
		return peer_place_fetch(k->app, p->where, ret_fd);
	}
	TRY(stick_path(k->app, p->where, path, sizeof(path)));
	stick_open_for_reading(k->app, path); /* when it was plugged in and is not open */
	TRY(folder_newest(secret_pubkey(k->app->self), path, env_now(k->app->env), ret_fd, name,
			  ret_when));
	snprintf(ret_name, size, "%.900s/%s", p->where, name);
	return NULL;
}

/* Was a newer one than this made there, and is gone? Then somebody must know. */
static struct error *check_newest(struct keeper *k, const struct place *p, const char *name,
				  int64_t when)
{
	int64_t last = p->whole_ms > p->small_ms ? p->whole_ms : p->small_ms;

	/* (A clock that was wrong then says nothing.) */
	ENSURE(!when || last > env_now(k->app->env) || backup_when_ms(when) / 1000 >= last / 1000,
	       error_new(ERR_NOT_FOUND,
			 N_("%s is the newest backup at its place, but a newer one was made there and is"
			    " gone. Is it the right disk or stick?"),
			 name));
	return NULL;
}

/* Whose turn it is comes first: what was right longest ago, of whatever kind the place is. */
static int by_turn(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->proved_ms != y->proved_ms)
		return x->proved_ms < y->proved_ms ? -1 : 1;
	return x->id < y->id ? -1 : 1;
}

/* Made there is something, and it is to be tried out now. */
static bool has_its_turn(const struct proof_note *n, const struct place *p)
{
	return (p->small_ms || p->whole_ms) &&
	       (n->asked || proof_due(n->state.proved_ms, p->proved_ms, p->proof_tried_ms,
				      *p->proof_problem));
}

static bool proof_is_due(struct keeper *k, const struct places *all)
{
	struct proof_note n = {.state.proved_ms = env_now(k->app->env)};
	bool any = false;

	for (size_t i = 0; i < all->n; i++)
		any = any || has_its_turn(&n, &all->list[i]);
	return any;
}

/* A box by the start of its key, as everywhere in sentences. */
static const char *said_name(const struct proof_note *n, char out[RECOVERY_PLACE])
{
	struct pubkey key;

	snprintf(out, RECOVERY_PLACE, id_parse(n->state.proof_of, key.b) ? "%.8s" : "%s",
		 n->state.proof_of);
	return out;
}

/* The newest at the place whose turn it is, of those that can be reached and have one.
 * *ret_e: why there is none, NULL when no place has its turn. */
static bool find_newest(struct keeper *k, struct places *all, struct proof_note *ret, int *ret_fd,
			struct error **ret_e)
{
	struct recovery_state *s = &ret->state;
	int64_t when;

	for (size_t i = 0; i < all->n; i++) /* by a clock that was wrong */
		if (all->list[i].proved_ms > s->proved_ms)
			all->list[i].proved_ms = 0;
	qsort(all->list, all->n, sizeof(*all->list), by_turn);
	for (size_t i = 0; i < all->n; i++) {
		const struct place *p = &all->list[i];
		struct note n = {.place = p->id, .now = s->proved_ms};
		struct error *e;

		if (!has_its_turn(ret, p))
			continue;
		e = newest_in(k, p, ret_fd, s->proof_of, sizeof(s->proof_of), &when);
		if (!e) {
			error_free(*ret_e);
			ret->place = p->id;
			*ret_e = check_newest(k, p, s->proof_of, when);
			return true;
		}
		if (*ret_e) /* another may have one */
			error_free(e);
		else
			*ret_e = e;
		error_free(writer_run(k->app->writer, unreached_job, &n));
	}
	return false;
}

/* Was it right? Not asked: only a place whose month is over, and nothing is noted when none is. */
static bool prove(struct keeper *k, struct places *all, bool asked, char ret_of[RECOVERY_PLACE])
{
	struct proof_note n = {.state.proved_ms = env_now(k->app->env), .asked = asked};
	struct recovery_state *s = &n.state;
	_cleanup_(error_freep) struct error *e = NULL;
	_cleanup_(closep) int fd = -1;
	char said[RECOVERY_PLACE];
	struct proof p = {0};
	bool found;

	set_at_work(k, 2);
	found = find_newest(k, all, &n, &fd, &e);
	if (!found && !e)
		e = error_new(ERR_NOT_FOUND, N_("There is no backup to try out."));
	if (!e)
		e = proof_run(k->app, fd, said_name(&n, said), &p);
	if (e)
		snprintf(s->proof_problem, sizeof(s->proof_problem), "%s", error_stored(e));
	if (ret_of)
		snprintf(ret_of, RECOVERY_PLACE, "%s", s->proof_of);
	s->proof_entries = (int64_t)p.entries;
	s->proof_compared = p.compared;
	if (!error_is(e, ERR_STOPPED))
		error_free(writer_run(k->app->writer, proof_job, &n));
	return !e;
}

/* --- what was erased -------------------------------------------------------------------------- */

struct forget_note {
	int64_t place, when, erasures;
};

static struct error *forget_job(struct conn *c, void *arg)
{
	const struct forget_note *n = arg;

	return place_forgot(c, n->place, n->when, n->erasures);
}

static struct error *forget_there(struct keeper *k, const struct place *p, const char *keep)
{
	char path[RECOVERY_PLACE];
	struct error *e;

	TRY(stick_path(k->app, p->where, path, sizeof(path)));
	e = stick_open_for_writing(k->app, path);
	if (!e)
		e = folder_forget(secret_pubkey(k->app->self), path, keep);
	stick_open_for_reading(k->app, path);
	return e;
}

/* A whole backup was just made there, begun at that time after so many erasures: when it can be restored, the
 * others go. */
static void forget(struct keeper *k, const struct place *p, int64_t begun, int64_t erasures)
{
	struct forget_note n = {p->id, begun, erasures};
	char of[RECOVERY_PLACE];
	struct place made = *p;
	const char *name;
	struct error *e;

	made.small_ms = made.whole_ms = 1; /* there is something to find */
	if (!prove(k, &(struct places){&made, 1}, true, of))
		return;
	name = strrchr(of, '/');
	e = name ? forget_there(k, p, name + 1) : error_new(ERR_INTERNAL, "-");
	if (!e)
		e = writer_run(k->app->writer, forget_job, &n);
	error_free(e); /* it is tried again after the next one */
}

/* -1: not known now. By their number, for no clock is to decide this. */
static int64_t erasures_of(struct keeper *k)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	int64_t n = 0;
	struct error *e = app_conn(k->app, &c);

	if (!e)
		e = erased_count(c, &n);
	if (e)
		n = -1;
	error_free(e);
	return n;
}

/* --- a place ---------------------------------------------------------------------------------- */

static void care_for(struct keeper *k, const struct place *p, bool now, int64_t erasures)
{
	int64_t t = env_now(k->app->env);
	bool holds = erasures >= 0 && erasures != p->erasures;

	if (now || backup_due(t, p->small_ms, p->tried_ms, BACKUP_DAY_MS))
		back_up(k, p, BACKUP_SMALL);
	/* A peer keeps what it can't give back anyway: the small one. */
	if (p->kind == PLACE_FOLDER &&
	    (now || backup_due(t, p->whole_ms, p->tried_ms, holds ? BACKUP_DAY_MS : BACKUP_WEEK_MS)) &&
	    back_up(k, p, BACKUP_WHOLE) && holds)
		forget(k, p, t, erasures);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void look(struct keeper *k, bool want_backup, bool want_proof)
{
	struct places all = {calloc(RECOVERY_PLACES, sizeof(*all.list)), 0};
	int64_t erasures = erasures_of(k); /* what is erased meanwhile has its turn another day */
	struct error *e;

	if (!all.list)
		abort();
	e = read_places(k, &all);
	for (size_t i = 0; !e && i < all.n && !k->app->ending; i++)
		care_for(k, &all.list[i], want_backup, erasures);
	all.n = 0;
	if (!e)
		e = read_places(k, &all); /* what was just made counts */
	if (!e && !k->app->ending && (want_proof || proof_is_due(k, &all)))
		prove(k, &all, want_proof, NULL);
	error_free(e);
	free(all.list);
}

static void *run(void *arg)
{
	struct keeper *k = arg;

	pthread_mutex_lock(&k->lock);
	while (!k->stop) {
		struct timespec until;
		bool want_backup, want_proof;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += LOOK_S;
		while (!k->stop && !k->back_up && !k->prove &&
		       pthread_cond_timedwait(&k->wake, &k->lock, &until) == 0)
			;
		if (k->stop)
			break;
		want_backup = k->back_up;
		want_proof = k->prove;
		k->back_up = k->prove = false;
		k->at_work = want_backup ? 1 : want_proof ? 2 : 0;
		pthread_mutex_unlock(&k->lock);
		look(k, want_backup, want_proof);
		pthread_mutex_lock(&k->lock);
		k->at_work = 0;
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

static void remove_leftover(const char *dir, const char *name)
{
	_cleanup_(freep) char *path = path_join(dir, name);

	error_free(dir_remove(path));
}

static void keeper_free(struct keeper *k)
{
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	free(k->backups);
	free(k->sticks);
	free(k);
}

struct error *keeper_start(struct app *app, const struct keeper_options *o, struct keeper **ret)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->app = app;
	k->backups = o->backups ? realpath(o->backups, NULL) : NULL;
	k->sticks = o->sticks ? realpath(o->sticks, NULL) : NULL;
	pthread_mutex_init(&k->lock, NULL);
	cond_init_monotonic(&k->wake);
	remove_leftover(app->dir, "backup.tmp");
	remove_leftover(app->dir, "proof.tmp");
	if (pthread_create(&k->thread, NULL, run, k)) {
		keeper_free(k);
		return error_new(ERR_NOMEM, N_("The box has run out of memory."));
	}
	*ret = k;
	return NULL;
}

void keeper_stop(struct keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stop = true;
	k->app->ending = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	keeper_free(k);
}

static void ask(struct keeper *k, bool *what)
{
	pthread_mutex_lock(&k->lock);
	*what = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
}

void keeper_back_up_now(struct keeper *k)
{
	ask(k, &k->back_up);
}

void keeper_prove_now(struct keeper *k)
{
	ask(k, &k->prove);
}

int keeper_at_work(struct keeper *k)
{
	int what;

	pthread_mutex_lock(&k->lock);
	what = k->at_work ? k->at_work : k->back_up ? 1 : k->prove ? 2 : 0;
	pthread_mutex_unlock(&k->lock);
	return what;
}

/* --- folders ---------------------------------------------------------------------------------- */

static void add_folder(const char *path, char out[][RECOVERY_PLACE], size_t *n, size_t max)
{
	struct stat st;

	if (*n < max && strlen(path) < RECOVERY_PLACE && !lstat(path, &st) && S_ISDIR(st.st_mode) &&
	    access(path, W_OK) == 0)
		snprintf(out[(*n)++], RECOVERY_PLACE, "%s", path);
}

static void add_folders_in(const char *root, char out[][RECOVERY_PLACE], size_t *n, size_t max)
{
	DIR *d = root ? opendir(root) : NULL;
	struct dirent *f;

	while (d && (f = readdir(d))) {
		_cleanup_(freep) char *path = path_join(root, f->d_name);

		if (f->d_name[0] != '.')
			add_folder(path, out, n, max);
	}
	if (d)
		closedir(d);
}

/* On a box: those that its helper opens, by names that stay. */
static void add_sticks(struct keeper *k, char out[][RECOVERY_PLACE], size_t *n, size_t max)
{
	struct usb *u = box_has_helper(k->app->box.helper) ? usb_open(k->app->dir) : NULL;
	struct usb_part parts[CARRY_STICKS];
	size_t n_parts = usb_parts(u, parts, CARRY_STICKS);
	char name[STICK_NAME];

	for (size_t i = 0; i < n_parts && *n < max; i++)
		if (stick_name(&parts[i], name))
			snprintf(out[(*n)++], RECOVERY_PLACE, "%s", name);
	usb_close(u);
}

size_t keeper_folders(struct keeper *k, char out[][RECOVERY_PLACE], size_t max)
{
	struct stick_place sticks[CARRY_STICKS];
	size_t n = 0, n_sticks = stick_places(k->sticks, sticks, CARRY_STICKS);

	if (k->backups)
		add_folder(k->backups, out, &n, max);
	add_folders_in(k->backups, out, &n, max);
	for (size_t i = 0; i < n_sticks; i++)
		add_folder(sticks[i].path, out, &n, max);
	add_sticks(k, out, &n, max);
	return n;
}

char *keep_dir(const struct app *a)
{
	return path_join(a->dir, "kept");
}

uint64_t keep_bytes(const struct app *a, const struct pubkey *peer)
{
	_cleanup_(freep) char *dir = keep_dir(a);
	_cleanup_(closep) int fd = -1;
	uint64_t n = 0;

	error_free(kept_open(dir, peer, &fd, &n));
	return n;
}

bool recovery_keeps(void *ctx, const struct pubkey *peer)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	bool allowed = false, doubted = false, good;
	struct error *e = app_conn(ctx, &c);

	if (!e)
		e = keep_allowed(c, peer, &allowed);
	if (!e)
		e = restored_doubted(c, peer, &doubted);
	good = !e;
	error_free(e);
	return good && allowed && !doubted;
}
