/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The threads, the table of jobs and the table of sticks. */
#include "appliance/carry/carry_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

enum { LOOK_EVERY_MS = 2000 };

/* --- jobs ------------------------------------------------------------------------------------- */

static bool over(const struct job *j)
{
	return j->view.state == CARRY_DONE || j->view.state == CARRY_FAILED;
}

struct job *job_new(struct carry *c, enum carry_kind kind)
{
	struct job *best = NULL;
	uint8_t secret[32];

	for (size_t i = 0; i < CARRY_JOBS; i++) {
		struct job *j = &c->jobs[i];

		if (!j->view.state) {
			best = j;
			break;
		}
		if (over(j) && (!best || j->order < best->order))
			best = j;
	}
	if (!best)
		return NULL;
	error_free(best->view.error);
	*best = (struct job){.view = {.kind = kind, .state = CARRY_WAITS}, .fd = -1};
	best->order = ++c->next_order;
	crypto_random(secret, sizeof(secret));
	snprintf(best->view.id, sizeof(best->view.id), "%s", ID(secret));
	pthread_cond_broadcast(&c->moved);
	return best;
}

static struct job *job_find(struct carry *c, const char *id)
{
	for (size_t i = 0; i < CARRY_JOBS; i++)
		if (c->jobs[i].view.state && strcmp(c->jobs[i].view.id, id) == 0)
			return &c->jobs[i];
	return NULL;
}

bool carry_job_get(struct carry *c, const char *id, struct carry_job *ret)
{
	struct job *j;

	pthread_mutex_lock(&c->lock);
	j = job_find(c, id);
	if (j) {
		*ret = j->view;
		ret->error = j->view.error ? error_copy(j->view.error) : NULL;
	}
	pthread_mutex_unlock(&c->lock);
	return j != NULL;
}

static struct error *too_much(void)
{
	return error_new(ERR_BUSY, N_("The box is busy with other news. Try again in some "
				      "minutes."));
}

struct known_stick *stick_find(struct carry *c, const char *id)
{
	for (size_t i = 0; i < CARRY_STICKS; i++)
		if (c->sticks[i].here && strcmp(c->sticks[i].view.id, id) == 0)
			return &c->sticks[i];
	return NULL;
}

static struct error *ask(struct carry *c, enum carry_kind kind, const char *stick,
			 const struct pubkey *receiver, char ret_id[CARRY_ID])
{
	struct known_stick *s = stick_find(c, stick);
	struct job *j;

	ENSURE(s, error_new(ERR_NOT_FOUND, N_("This stick is not plugged in any more.")));
	ENSURE(!s->view.busy, error_new(ERR_BUSY, N_("This stick is being written or read. Wait "
						     "until that is done.")));
	j = job_new(c, kind);
	ENSURE(j, too_much());
	snprintf(j->view.stick, sizeof(j->view.stick), "%s", stick);
	if (receiver)
		j->view.receiver = *receiver;
	s->view.busy = true;
	s->view.safe = false;
	if (kind != CARRY_CHECK_STICK)
		snprintf(s->view.job, sizeof(s->view.job), "%s", j->view.id);
	snprintf(ret_id, CARRY_ID, "%s", j->view.id);
	return NULL;
}

struct error *carry_ask(struct carry *c, enum carry_kind kind, const char *stick,
			const struct pubkey *receiver, char ret_id[CARRY_ID])
{
	struct error *e;

	pthread_mutex_lock(&c->lock);
	e = ask(c, kind, stick, receiver, ret_id);
	pthread_mutex_unlock(&c->lock);
	return e;
}

/* With the lock. */
static struct error *may_bring(struct carry *c, uint64_t size)
{
	int64_t now = env_mono(c->app->env);
	unsigned waiting = 0;

	if (!c->day_from || now - c->day_from > DAY_MS) {
		c->day_from = now;
		c->day_bytes = c->day_files = 0;
	}
	for (size_t i = 0; i < CARRY_JOBS; i++)
		waiting += c->jobs[i].view.kind == CARRY_TAKE_PHONE && c->jobs[i].fd >= 0;
	ENSURE(waiting < CARRY_PHONES, too_much());
	ENSURE(c->day_bytes + size <= CARRY_PHONES_A_DAY,
	       error_new(ERR_RATE,
			 N_("So much news was brought today that the box takes no more. "
			    "Come back tomorrow, or give it to a volunteer on a stick.")));
	return NULL;
}

struct error *carry_phone(struct carry *c, int take_fd, uint64_t size, char ret_id[CARRY_ID])
{
	struct job *j = NULL;
	struct error *e;

	pthread_mutex_lock(&c->lock);
	e = may_bring(c, size);
	if (!e) {
		j = job_new(c, CARRY_TAKE_PHONE);
		if (!j)
			e = too_much();
	}
	if (j) {
		c->day_bytes += size;
		j->fd = take_fd;
		j->view.total = size;
		snprintf(ret_id, CARRY_ID, "%s", j->view.id);
	}
	pthread_mutex_unlock(&c->lock);
	if (e)
		close(take_fd);
	return e;
}

/* --- the workers ------------------------------------------------------------------------------ */

/* What people at the box wait for comes before what strangers bring. */
static int rank(const struct job *j)
{
	return j->view.kind == CARRY_TAKE_PHONE ? 1 : j->view.kind == CARRY_PREPARE ? 2 : 0;
}

static struct job *next_job(struct carry *c, bool volunteers)
{
	struct job *best = NULL;

	for (size_t i = 0; i < CARRY_JOBS; i++) {
		struct job *j = &c->jobs[i];

		if (j->view.state == CARRY_WAITS && (rank(j) == 0) == volunteers &&
		    (!best || rank(j) < rank(best) ||
		     (rank(j) == rank(best) && j->order < best->order)))
			best = j;
	}
	return best;
}

/* Looking at a stick writes nothing: nobody rests for that. */
static bool volunteers_wait(const struct carry *c)
{
	for (size_t i = 0; i < CARRY_JOBS; i++)
		if (c->jobs[i].view.state && rank(&c->jobs[i]) == 0 && !over(&c->jobs[i]) &&
		    c->jobs[i].view.kind != CARRY_CHECK_STICK)
			return true;
	return false;
}

/* A stick that is dying may take hours, and nobody need stand beside it. */
static bool has_rested_enough(const struct doing *d)
{
	return env_mono(d->c->app->env) >= d->rests_until;
}

/* With the lock. */
static void rest(struct doing *d)
{
	while (rank(d->job) != 0 && volunteers_wait(d->c) && !d->c->stop) {
		struct timespec until;

		if (!d->rests_until)
			d->rests_until = env_mono(d->c->app->env) + d->c->rest_ms;
		if (has_rested_enough(d))
			return;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		pthread_cond_timedwait(&d->c->moved, &d->c->lock, &until);
	}
}

/* Here what strangers brought rests while something of a volunteer's is done, some minutes in all: the two
 * share the card and the writer. Nothing is held meanwhile but the helper that reads the file, which
 * waits to be read. */
bool job_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct doing *d = ctx;

	pthread_mutex_lock(&d->c->lock);
	d->job->view.done = done;
	if (total)
		d->job->view.total = total;
	rest(d);
	pthread_mutex_unlock(&d->c->lock);
	return d->c->stop;
}

static struct error *run_task(struct doing *d)
{
	static struct error *(*const tasks[])(struct doing *) = {
		[CARRY_CHECK_STICK] = task_check,
		[CARRY_TAKE_STICK] = task_take_stick,
		[CARRY_WRITE_STICK] = task_write_stick,
		[CARRY_TAKE_PHONE] = task_take_phone,
		[CARRY_PREPARE] = task_prepare};

	TRY(app_conn(d->c->app, &d->conn));
	return tasks[d->view.kind](d);
}

/* With the lock, which is let go of meanwhile. */
static void run_job(struct carry *c, struct job *j)
{
	struct doing d = {.c = c, .job = j, .fd = j->fd};
	struct known_stick *s = *j->view.stick ? stick_find(c, j->view.stick) : NULL;
	struct error *e = NULL;

	j->view.state = CARRY_RUNS;
	d.view = j->view;
	if (s)
		d.place = s->place;
	else if (*j->view.stick)
		e = stick_error(ENODEV);
	pthread_mutex_unlock(&c->lock);
	if (!e)
		e = run_task(&d);
	conn_close(d.conn);
	if (d.fd >= 0)
		close(d.fd);
	pthread_mutex_lock(&c->lock);
	d.view.done = j->view.done;
	d.view.total = j->view.total;
	d.view.error = e;
	d.view.state = e ? CARRY_FAILED : CARRY_DONE;
	j->view = d.view;
	j->fd = -1;
	if (j->view.kind == CARRY_PREPARE)
		downloads_tried(c, j->view.choice, e != NULL);
	s = *j->view.stick ? stick_find(c, j->view.stick) : NULL;
	if (s) {
		s->view.busy = false;
		if (j->view.kind != CARRY_CHECK_STICK)
			s->view.safe = !e;
	}
}

/* After news were taken or written, what is on the stick is another matter. */
static void look_again(struct carry *c, const struct job *j)
{
	char id[CARRY_ID];
	bool safe = j->view.state == CARRY_DONE;
	struct known_stick *s;

	if (j->view.kind != CARRY_TAKE_STICK && j->view.kind != CARRY_WRITE_STICK)
		return;
	error_free(ask(c, CARRY_CHECK_STICK, j->view.stick, NULL, id));
	s = stick_find(c, j->view.stick);
	if (s)
		s->view.safe = safe;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct carry *c = w->c;

	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		struct job *j = next_job(c, w->volunteers);

		if (!j) {
			pthread_cond_wait(&c->moved, &c->lock);
			continue;
		}
		run_job(c, j);
		look_again(c, j);
		pthread_cond_broadcast(&c->moved);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- sticks come and go ------------------------------------------------------------------------
 */

static void stick_gone(struct known_stick *s)
{
	error_free(s->view.error);
	*s = (struct known_stick){.here = false};
}

static void stick_came(struct carry *c, const struct stick_place *p)
{
	const char *device = stick_device(c->app, p->path);
	char id[CARRY_ID];

	for (size_t i = 0; i < CARRY_STICKS; i++) {
		struct known_stick *s = &c->sticks[i];

		if (s->here)
			continue;
		*s = (struct known_stick){.place = *p, .here = true};
		memcpy(s->view.id, p->id, sizeof(s->view.id));
		memcpy(s->view.label, p->label, sizeof(s->view.label));
		snprintf(s->view.device, sizeof(s->view.device), "%s",
			 device && strlen(device) < sizeof(s->view.device) ? device : "");
		error_free(ask(c, CARRY_CHECK_STICK, p->id, NULL, id));
		return;
	}
}

/* With the lock. */
static void compare(struct carry *c, const struct stick_place *now, size_t n)
{
	for (size_t i = 0; i < CARRY_STICKS; i++) {
		bool still = false;

		for (size_t k = 0; k < n; k++)
			still |= strcmp(now[k].id, c->sticks[i].view.id) == 0;
		if (c->sticks[i].here && !still)
			stick_gone(&c->sticks[i]);
	}
	for (size_t k = 0; k < n; k++)
		if (!stick_find(c, now[k].id))
			stick_came(c, &now[k]);
}

static void look_around(struct carry *c, struct usb *usb)
{
	struct stick_place now[CARRY_STICKS];
	size_t n = stick_places(c->sticks_dir, now, CARRY_STICKS);

	n += stick_mounted_here(usb, c->app, now + n, CARRY_STICKS - n);
	pthread_mutex_lock(&c->lock);
	compare(c, now, n);
	downloads_expire(c);
	pthread_mutex_unlock(&c->lock);
}

static void *watch(void *arg)
{
	struct carry *c = arg;
	struct usb *usb = usb_open(c->app->dir);
	int mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	while (!c->stop) {
		struct pollfd p[3] = {{.fd = c->wake[0], .events = POLLIN},
				      {.fd = usb_fd(usb), .events = POLLIN},
				      {.fd = mounts, .events = POLLPRI}};

		look_around(c, usb);
		poll(p, ARRAY_LEN(p), LOOK_EVERY_MS);
		if (p[1].revents)
			usb_drain(usb);
	}
	if (mounts >= 0)
		close(mounts);
	usb_close(usb);
	return NULL;
}

size_t carry_sticks(struct carry *c, struct carry_stick out[CARRY_STICKS])
{
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < CARRY_STICKS; i++) {
		if (!c->sticks[i].here)
			continue;
		out[n] = c->sticks[i].view;
		if (out[n].error)
			out[n].error = error_copy(out[n].error);
		n++;
	}
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* --- starting and stopping ---------------------------------------------------------------------
 */

static struct error *begin(struct carry *c)
{
	ENSURE(pipe2(c->wake, O_CLOEXEC) == 0, file_error(errno, "pipe"));
	for (int i = 0; i < 2; i++) {
		struct worker *w = &c->workers[i];

		*w = (struct worker){.c = c, .volunteers = i == 0};
		w->works = pthread_create(&w->thread, NULL, work, w) == 0;
	}
	c->watches = pthread_create(&c->watcher, NULL, watch, c) == 0;
	ENSURE(c->workers[0].works && c->workers[1].works && c->watches,
	       error_new(ERR_INTERNAL, N_("A thread could not be started.")));
	return NULL;
}

struct error *carry_start(struct app *a, const char *sticks_dir, struct carry **ret)
{
	struct carry *c = calloc(1, sizeof(*c));
	struct error *e;

	if (!c)
		abort();
	c->app = a;
	c->wake[0] = c->wake[1] = -1;
	for (size_t i = 0; i < CARRY_JOBS; i++)
		c->jobs[i].fd = -1;
	c->sticks_dir = sticks_dir ? realpath(sticks_dir, NULL) : NULL;
	downloads_init(c);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->moved, NULL);
	c->rest_ms = CARRY_REST_MS;
	e = sticks_dir && !c->sticks_dir ? file_error(errno, sticks_dir) : begin(c);
	if (e) {
		carry_stop(c);
		return e;
	}
	*ret = c;
	return NULL;
}

void carry_stop(struct carry *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->moved);
	pthread_mutex_unlock(&c->lock);
	if (c->watches && write(c->wake[1], "", 1) == 1)
		pthread_join(c->watcher, NULL);
	for (int i = 0; i < 2; i++)
		if (c->workers[i].works)
			pthread_join(c->workers[i].thread, NULL);
	for (size_t i = 0; i < CARRY_JOBS; i++) {
		error_free(c->jobs[i].view.error);
		if (c->jobs[i].fd >= 0)
			close(c->jobs[i].fd);
	}
	for (size_t i = 0; i < CARRY_STICKS; i++)
		stick_gone(&c->sticks[i]);
	for (int i = 0; i < 2; i++)
		if (c->wake[i] >= 0)
			close(c->wake[i]);
	pthread_cond_destroy(&c->moved);
	pthread_mutex_destroy(&c->lock);
	free(c->sticks_dir);
	downloads_release(c);
	free(c);
}
