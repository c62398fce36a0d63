/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/setup/job.h"
#include "appliance/peers/peers.h"
#include "appliance/setup/folder.h"
#include <pthread.h>

struct setup_job {
	char *dir;
	const struct env *env;
	pthread_mutex_t lock;
	pthread_t thread;
	bool joinable;
	struct setup_order *order;
	struct setup_progress now;
};

struct setup_order *setup_order_new(void)
{
	struct setup_order *o = guarded_new(sizeof(*o));

	memset(o, 0, sizeof(*o));
	o->source = -1;
	return o;
}

void setup_order_free(struct setup_order *o)
{
	if (!o)
		return;
	if (o->source >= 0)
		close(o->source);
	secret_free(o->box);
	guarded_free(o);
}

static void tell(struct setup_job *j, enum setup_step step, uint64_t done, uint64_t total)
{
	pthread_mutex_lock(&j->lock);
	j->now.step = step;
	j->now.percent = setup_percent(j->now.kind, step, done, total);
	pthread_mutex_unlock(&j->lock);
}

static void remark(struct setup_job *j, const char *msgid)
{
	pthread_mutex_lock(&j->lock);
	j->now.remark = msgid;
	pthread_mutex_unlock(&j->lock);
}

/* --- the steps -------------------------------------------------------------------------------- */

/* Everything that the peers give now; who can't be reached is met later, by the running box. */
static struct error *meet(void *ctx, struct app *app)
{
	struct setup_job *j = ctx;
	const struct setup_order *o = j->order;
	bool any = false;

	if (o->invited)
		TRY(peers_accept(app, &o->invitation, &(struct peers_approval){.address = NULL}));
	for (size_t i = 0; i < o->n_peers; i++) {
		struct sync_report report;
		struct error *e;

		tell(j, STEP_MEET, i, o->n_peers);
		do { /* an exchange takes only so much at a time */
			e = peers_sync_now(app, &o->peers[i].key, &report);
			any = any || !e;
		} while (!e && report.received);
		if (error_is(e, ERR_FULL))
			return e;
		error_free(e);
	}
	if (!any && o->n_peers)
		remark(j, N_("The other box has not answered yet, or it must approve this box"
			     " first. It is tried again by itself."));
	return NULL;
}

static struct error *run_make(struct setup_job *j)
{
	const struct setup_order *o = j->order;
	struct setup_make m = {.dir = j->dir,
			       .env = j->env,
			       .name = o->name,
			       .language = *o->language ? o->language : NULL,
			       .admin = *o->admin ? o->admin : NULL,
			       .password = o->password,
			       .session = *o->session ? o->session : NULL,
			       .door = o->door,
			       .found = o->kind == SETUP_FOUND,
			       .self = o->box,
			       .peers = o->peers,
			       .n_peers = o->n_peers,
			       .made = meet,
			       .ctx = j};
	struct pubkey key;

	tell(j, STEP_MAKE, 0, 0);
	return setup_make(&m, &key);
}

/* Does a peer keep a backup of the box whose place we take? *ret_fd -1: none that can be had. */
static void ask_peers(struct setup_job *j, int *ret_fd)
{
	const struct setup_order *o = j->order;

	*ret_fd = -1;
	for (size_t i = 0; i < o->n_peers && *ret_fd < 0; i++) {
		struct sync_keep at = {.env = j->env,
				       .self = o->box,
				       .name = o->name,
				       .peer = o->peers[i].key,
				       .address = o->peers[i].address};
		struct error *e;
		int fd = -1;

		tell(j, STEP_ASK, i, o->n_peers);
		e = file_nameless(j->dir, &fd);
		if (!e)
			e = sync_keep_get(&at, fd);
		if (!e && lseek(fd, 0, SEEK_SET) == 0)
			*ret_fd = fd;
		else if (fd >= 0)
			close(fd);
		error_free(e);
	}
}

/* The restored box knows its peers from the time of the backup; the addresses that were typed now
 * are newer. */
static struct error *put_peers(struct conn *c, void *arg)
{
	const struct setup_order *o = arg;

	for (size_t i = 0; i < o->n_peers; i++) {
		struct peer p = {.key = o->peers[i].key, .added_ms = env_now(c->env)};
		struct error *e = peer_get(c->local, &p.key, &p);

		if (e && !error_is(e, ERR_NOT_FOUND))
			return e;
		error_free(e);
		snprintf(p.address, sizeof(p.address), "%s", o->peers[i].address);
		TRY(peer_put(c->local, &p));
	}
	return NULL;
}

static struct error *meet_restored(void *ctx, struct app *app)
{
	struct setup_job *j = ctx;

	TRY(writer_run(app->writer, put_peers, j->order));
	return meet(j, app);
}

static void restore_progress(void *ctx, uint64_t done, uint64_t total)
{
	tell(ctx, STEP_RESTORE, done, total);
}

static struct error *run_restore(struct setup_job *j)
{
	const struct setup_order *o = j->order;
	struct restore_done done;

	tell(j, STEP_RESTORE, 0, 0);
	TRY(backup_restore(&(struct restore){.dir = j->dir,
					     .env = j->env,
					     .fd = o->source,
					     .name = o->source_name,
					     .key = {o->box, *o->passphrase ? o->passphrase : NULL},
					     .progress = restore_progress,
					     .ctx = j},
			   &done));
	if (done.damaged)
		remark(j, N_("A part of the backup is damaged. What came whole before that is in"
			     " the box; other boxes give back the rest."));
	error_free(done.damaged);
	return NULL;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Two sheets: with what a peer keeps, it is the old box with its accounts; otherwise it begins anew
 * under the old key. */
static struct error *run_replace(struct setup_job *j)
{
	const struct setup_order *o = j->order;
	_cleanup_(closep) int fd = -1;
	struct restore_done done;
	struct error *e;

	ask_peers(j, &fd);
	if (fd < 0)
		return run_make(j);
	e = backup_restore(&(struct restore){.dir = j->dir,
					     .env = j->env,
					     .fd = fd,
					     .name = o->addresses[0],
					     .key = {.box = o->box},
					     .made = meet_restored,
					     .ctx = j},
			   &done);
	if (!e) {
		remark(j, N_("Another house kept a backup: the accounts are back. Sign in as you"
			     " did before."));
		error_free(done.damaged);
		return NULL;
	}
	/* What the peer kept is of no use: without it, then. */
	if (error_is(e, ERR_FULL))
		return e;
	error_free(e);
	TRY(setup_folder_clear(j->dir, true));
	return run_make(j);
}

static struct error *run_order(struct setup_job *j)
{
	TRY(setup_folder_clear(j->dir, true));
	switch (j->order->kind) {
	case SETUP_RESTORE:
		return run_restore(j);
	case SETUP_REPLACE:
		return run_replace(j);
	default:
		return run_make(j);
	}
}

static void *run(void *arg)
{
	struct setup_job *j = arg;
	struct error *e = run_order(j);

	if (e)
		error_free(setup_folder_clear(j->dir, true));
	pthread_mutex_lock(&j->lock);
	j->now.state = e ? SETUP_FAILED : SETUP_READY;
	j->now.failure = e;
	if (!e) {
		j->now.step = STEP_READY;
		j->now.percent = 100;
	}
	setup_order_free(STEAL(j->order));
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

struct setup_job *setup_job_new(const char *dir, const struct env *env)
{
	struct setup_job *j = calloc(1, sizeof(*j));

	if (!j)
		abort();
	j->dir = strdup(dir);
	j->env = env;
	pthread_mutex_init(&j->lock, NULL);
	return j;
}

void setup_job_free(struct setup_job *j)
{
	if (!j)
		return;
	if (j->joinable)
		pthread_join(j->thread, NULL);
	setup_order_free(j->order);
	error_free(j->now.failure);
	pthread_mutex_destroy(&j->lock);
	free(j->dir);
	free(j);
}

static struct error *begin(struct setup_job *j, struct setup_order *take_order)
{
	if (j->now.state == SETUP_RUNNING || j->now.state == SETUP_READY) {
		setup_order_free(take_order);
		return error_new(ERR_EXISTS, N_("This box is being made already."));
	}
	if (j->joinable)
		pthread_join(j->thread, NULL);
	error_free(j->now.failure);
	j->now = (struct setup_progress){.state = SETUP_RUNNING,
					 .kind = take_order->kind,
					 .step = *setup_plan(take_order->kind)};
	j->order = take_order;
	j->joinable = pthread_create(&j->thread, NULL, run, j) == 0;
	if (j->joinable)
		return NULL;
	j->now.state = SETUP_IDLE;
	setup_order_free(STEAL(j->order));
	return error_new(ERR_NOMEM, N_("The box has run out of memory."));
}

struct error *setup_job_start(struct setup_job *j, struct setup_order *take_order)
{
	struct error *e;

	pthread_mutex_lock(&j->lock);
	e = begin(j, take_order);
	pthread_mutex_unlock(&j->lock);
	return e;
}

void setup_job_look(struct setup_job *j, struct setup_progress *ret)
{
	pthread_mutex_lock(&j->lock);
	*ret = j->now;
	ret->failure = j->now.failure ? error_copy(j->now.failure) : NULL;
	pthread_mutex_unlock(&j->lock);
}
