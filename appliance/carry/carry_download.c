/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The files that visitors take along: which there are, and how one is made. */
#include "appliance/carry/carry_priv.h"
#include <fcntl.h>
#include <sys/statvfs.h>

#define ROOM_LEFT ((uint64_t)256 * 1024 * 1024) /* that a download must leave on the disk */

static struct carry_plan plan_of(enum carry_choice choice)
{
	return (struct carry_plan){.files = choice != CARRY_WORDS,
				   .room = choice == CARRY_SOME ? CARRY_PHONE_SOME
								: CARRY_PHONE_MOST,
				   .newest = true};
}

/* --- which there are: with the lock ----------------------------------------------------------- */

static void forget(struct download *d)
{
	if (d->fd >= 0)
		close(d->fd);
	*d = (struct download){.fd = -1};
}

void downloads_init(struct carry *c)
{
	for (int k = 0; k < CARRY_CHOICES; k++)
		for (int i = 0; i < DOWNLOADS; i++)
			c->downloads[k][i].fd = -1;
}

void downloads_release(struct carry *c)
{
	for (int k = 0; k < CARRY_CHOICES; k++)
		for (int i = 0; i < DOWNLOADS; i++)
			forget(&c->downloads[k][i]);
}

static bool is_old(const struct carry *c, const struct download *d, int64_t ms)
{
	int64_t now = env_mono(c->app->env);

	return now - d->made > ms && now - d->fetched > ms;
}

void downloads_expire(struct carry *c)
{
	for (int k = 0; k < CARRY_CHOICES; k++)
		for (int i = 0; i < DOWNLOADS; i++)
			if (c->downloads[k][i].fd >= 0 &&
			    is_old(c, &c->downloads[k][i], KEPT_MS_DOWNLOAD))
				forget(&c->downloads[k][i]);
}

static bool is_fresh(const struct carry *c, enum carry_choice choice)
{
	const struct download *d = &c->downloads[choice][0];

	return d->fd >= 0 && env_mono(c->app->env) - d->made <=
				     (choice == CARRY_WORDS ? FRESH_MS_WORDS : FRESH_MS_FILES);
}

static const struct carry_job *job_of(const struct carry *c, const struct preparing *p)
{
	for (size_t i = 0; *p->job && i < CARRY_JOBS; i++)
		if (strcmp(c->jobs[i].view.id, p->job) == 0)
			return &c->jobs[i].view;
	return NULL;
}

static bool begin_preparing(struct carry *c, enum carry_choice choice)
{
	struct preparing *p = &c->preparing[choice];
	struct job *j;

	if (*p->job)
		return true;
	j = job_new(c, CARRY_PREPARE);
	if (!j)
		return false;
	j->view.choice = choice;
	memcpy(p->job, j->view.id, sizeof(p->job));
	return true;
}

static void show(struct carry *c, enum carry_choice choice, struct carry_download *ret)
{
	const struct preparing *p = &c->preparing[choice];
	const struct carry_job *j = job_of(c, p);

	*ret = c->downloads[choice][0].view;
	ret->choice = choice;
	/* Old words are better than none while new ones are made; of the others there is no hurry.
	 */
	ret->ready =
		c->downloads[choice][0].fd >= 0 && (choice == CARRY_WORDS || is_fresh(c, choice));
	ret->failed = p->failed && !ret->ready;
	ret->preparing = *p->job && !ret->ready && !ret->failed;
	ret->offered = p->offered || choice == CARRY_WORDS;
	ret->about = p->about;
	if (!ret->ready)
		ret->all_files = p->all_files;
	if (j && j->total)
		ret->percent = (unsigned)(j->done >= j->total ? 99 : j->done * 100 / j->total);
}

void carry_downloads(struct carry *c, struct carry_download ret[CARRY_CHOICES])
{
	pthread_mutex_lock(&c->lock);
	if (!is_fresh(c, CARRY_WORDS))
		begin_preparing(c, CARRY_WORDS);
	for (int k = 0; k < CARRY_CHOICES; k++)
		show(c, (enum carry_choice)k, &ret[k]);
	pthread_mutex_unlock(&c->lock);
}

struct error *carry_download_ask(struct carry *c, enum carry_choice choice)
{
	bool begun, offered;

	pthread_mutex_lock(&c->lock);
	offered = choice == CARRY_WORDS || c->preparing[choice].offered;
	begun = !offered || is_fresh(c, choice) || begin_preparing(c, choice);
	c->preparing[choice].failed &= !begun;
	pthread_mutex_unlock(&c->lock);
	ENSURE(offered, error_new(ERR_NOT_FOUND, N_("There are no files of that kind to take along "
						    "at the moment.")));
	ENSURE(begun, error_new(ERR_BUSY, N_("The box is busy with other news. Try again in some "
					     "minutes.")));
	return NULL;
}

/* A descriptor of its own for each reader: they share no position. */
static int reopen(struct carry *c, struct download *d)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", d->fd);
	d->fetched = env_mono(c->app->env);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_named(struct carry *c, const char *name, uint64_t erased,
		      struct carry_download *ret)
{
	int fd = -1;

	for (int k = 0; k < CARRY_CHOICES; k++)
		for (int i = 0; i < DOWNLOADS; i++) {
			struct download *d = &c->downloads[k][i];

			if (d->fd >= 0 && d->erased != erased)
				forget(d);
			if (fd >= 0 || d->fd < 0 || strcmp(d->view.name, name) != 0)
				continue;
			fd = reopen(c, d);
			*ret = d->view;
		}
	return fd;
}

/* How many contents were erased here, ever: what was made when there were fewer may hold some. */
static struct error *count_erased(void *ctx, const struct log_info *info)
{
	*(uint64_t *)ctx += info->head - info->held - info->missing;
	return NULL;
}

struct error *carry_download_open(struct carry *c, struct conn *conn, const char *name, int *ret_fd,
				  struct carry_download *ret)
{
	uint64_t erased = 0;
	int fd;

	TRY(log_each(conn->log, NULL, count_erased, &erased));
	pthread_mutex_lock(&c->lock);
	fd = open_named(c, name, erased, ret);
	pthread_mutex_unlock(&c->lock);
	ENSURE(fd >= 0, error_new(ERR_NOT_FOUND, N_("This file has given way to a newer one. Go "
						    "back and load the page again.")));
	*ret_fd = fd;
	return NULL;
}

/* --- making one: on the worker, without the lock ---------------------------------------------- */

/* By how much it may have, so that two of one minute have two names. */
static void name_it(struct doing *d, enum carry_choice choice, char out[CARRY_NAME])
{
	static const char *const how[CARRY_CHOICES] = {
		[CARRY_WORDS] = "", [CARRY_SOME] = "-50mb", [CARRY_MORE] = "-250mb"};
	struct app *a = d->c->app;
	char *end;

	carry_name(a->name, NULL, env_now(a->env), out);
	end = strrchr(out, '.');
	snprintf(end, CARRY_NAME - (size_t)(end - out), "%s.lliure", how[choice]);
}

static struct error *write_it(struct doing *d, int fd, struct carry_download *ret)
{
	struct app *a = d->c->app;
	struct carry_plan plan = plan_of(d->view.choice);
	struct carry_written w;
	struct carry_size size;
	struct statvfs room;
	uint8_t tag[8];

	plan.progress = job_progress;
	plan.ctx = d;
	TRY(carry_estimate(a, &plan, &size));
	ENSURE(fstatvfs(fd, &room) == 0 &&
		       (uint64_t)room.f_bavail * room.f_frsize > size.bytes + ROOM_LEFT,
	       error_new(ERR_FULL, N_("There is too little room on this box to make a file of its "
				      "news.")));
	TRY(carry_write(a, &plan, fd, &w));
	name_it(d, d->view.choice, ret->name);
	crypto_random(tag, sizeof(tag));
	for (size_t i = 0; i < sizeof(tag); i++)
		snprintf(ret->etag + i * 2, 3, "%02x", tag[i]);
	ret->choice = d->view.choice;
	ret->size = w.n.bytes;
	ret->entries = w.n.entries;
	ret->blobs = w.n.blobs;
	ret->newest_only = w.newest_only;
	ret->all_files = size.all_files;
	return NULL;
}

static void put(struct carry *c, enum carry_choice choice, const struct download *new)
{
	struct download *here = c->downloads[choice];

	pthread_mutex_lock(&c->lock);
	forget(&here[DOWNLOADS - 1]);
	memmove(&here[1], &here[0], sizeof(*here) * (DOWNLOADS - 1));
	here[0] = *new;
	pthread_mutex_unlock(&c->lock);
}

/* Nothing changed since it was made, or it is made anew. */
static struct error *prepare(struct doing *d)
{
	struct carry *c = d->c;
	struct download new = {.fd = -1, .change = log_change(d->conn->log)};
	struct download *last = &c->downloads[d->view.choice][0];
	struct error *e;
	bool same;

	TRY(log_each(d->conn->log, NULL, count_erased, &new.erased));
	new.made = env_mono(c->app->env);
	pthread_mutex_lock(&c->lock);
	same = last->fd >= 0 && last->change == new.change && last->erased == new.erased;
	if (same)
		last->made = new.made;
	pthread_mutex_unlock(&c->lock);
	if (same)
		return NULL;
	TRY(file_nameless(c->app->dir, &new.fd));
	e = write_it(d, new.fd, &new.view);
	if (e) {
		close(new.fd);
		return e;
	}
	put(c, d->view.choice, &new);
	return NULL;
}

/* Than the words, and than the choice before, if that is one. Words must not give way to files. */
static bool has_more(const struct carry_size *s, const struct carry_plan *plan,
		     const struct carry_size *before)
{
	return s->bytes > s->entries && !s->newest_only && s->entries < plan->room / 5 * 4 &&
	       (!before || (!before->all_files && s->bytes > before->bytes));
}

/* With the words comes what the others would hold. */
static void weigh_others(struct doing *d)
{
	struct preparing found[CARRY_CHOICES] = {{.failed = false}};
	struct carry_size size[CARRY_CHOICES] = {{.bytes = 0}};
	struct carry *c = d->c;

	for (int k = CARRY_SOME; k < CARRY_CHOICES; k++) {
		struct carry_plan plan = plan_of((enum carry_choice)k);
		struct error *e = carry_estimate(c->app, &plan, &size[k]);

		found[k] = (struct preparing){
			.about = size[k].bytes,
			.all_files = size[k].all_files,
			.offered = !e && has_more(&size[k], &plan,
						  found[k - 1].offered ? &size[k - 1] : NULL)};
		error_free(e);
	}
	pthread_mutex_lock(&c->lock);
	for (int k = CARRY_SOME; k < CARRY_CHOICES; k++) {
		c->preparing[k].offered = found[k].offered;
		c->preparing[k].about = found[k].about;
		c->preparing[k].all_files = found[k].all_files;
	}
	pthread_mutex_unlock(&c->lock);
}

struct error *task_prepare(struct doing *d)
{
	struct preparing *p = &d->c->preparing[d->view.choice];
	struct error *e = prepare(d);

	if (d->view.choice == CARRY_WORDS)
		weigh_others(d);
	pthread_mutex_lock(&d->c->lock);
	p->job[0] = 0;
	p->failed = e != NULL;
	pthread_mutex_unlock(&d->c->lock);
	return e;
}
