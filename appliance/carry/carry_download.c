/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The files that visitors take along: which there are, and how one is made. */
#include "appliance/carry/carry_priv.h"
#include "appliance/files/files.h"
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

static bool is_large(const struct download *d)
{
	return d->view.size > DOWNLOAD_LARGE;
}

static void forget(struct download *d)
{
	if (d->fd >= 0)
		close(d->fd);
	*d = (struct download){.fd = -1};
}

/* With its bytes: who is fetching it gets no more of them. */
static void take_back(struct download *d)
{
	int rc = d->fd >= 0 ? ftruncate(d->fd, 0) : 0;

	(void)rc; /* its name is gone all the same, and its bytes with the last reader */
	forget(d);
}

/* Who fetches a small one may have the rest of it. */
static void let_go(struct download *d)
{
	if (is_large(d))
		take_back(d);
	else
		forget(d);
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

/* Bytes that may still be written for it now. */
static uint64_t left_today(struct carry *c, enum carry_choice choice)
{
	struct preparing *p = &c->preparing[choice];
	int64_t now = env_mono(c->app->env);
	uint64_t back = (uint64_t)(now - p->spent_at) * (DOWNLOADS_A_DAY / DAY_MS);

	p->spent = p->spent > back ? p->spent - back : 0;
	p->spent_at = now;
	return p->spent < DOWNLOADS_A_DAY ? DOWNLOADS_A_DAY - p->spent : 0;
}

/* An old one has its time, however often somebody asks for a byte of it; and the newest stays where no other
 * could be made today. */
static bool is_over(struct carry *c, enum carry_choice choice, int i)
{
	const struct download *d = &c->downloads[choice][i];
	int64_t age = env_mono(c->app->env) - d->made, idle = env_mono(c->app->env) - d->fetched;
	int64_t kept = is_large(d) ? KEPT_MS_LARGE : KEPT_MS_DOWNLOAD;

	if (i > 0 && age > KEPT_MS_LARGE)
		return true;
	return age > kept && idle > kept && (i > 0 || left_today(c, choice) >= d->view.size);
}

/* *ret_large: for large ones there is none any more; *ret_any: for no file. */
static void look_for_room(const struct app *a, bool *ret_large, bool *ret_any)
{
	struct statvfs v;
	bool known = statvfs(a->dir, &v) == 0;
	uint64_t left = known ? (uint64_t)v.f_bavail * v.f_frsize : 0;

	*ret_any = known && left < ROOM_LEFT / 2;
	*ret_large = *ret_any ||
		     (known && ledger_keeps_disk((uint64_t)v.f_blocks * v.f_frsize, left));
}

void downloads_expire(struct carry *c)
{
	bool no_large, none;

	look_for_room(c->app, &no_large, &none);
	for (int k = 0; k < CARRY_CHOICES; k++)
		for (int i = 0; i < DOWNLOADS; i++) {
			struct download *d = &c->downloads[k][i];

			if (d->fd < 0)
				continue;
			if (none || (no_large && is_large(d)))
				take_back(d);
			else if (is_over(c, (enum carry_choice)k, i))
				let_go(d);
		}
}

/* There is no newer one while a large one is being fetched whose place it would need, nor when it would be
 * too much to write in a day. */
static bool is_fresh(struct carry *c, enum carry_choice choice)
{
	const struct download *d = &c->downloads[choice][0], *old = &d[DOWNLOADS - 1];
	int64_t now = env_mono(c->app->env);
	uint64_t most = choice == CARRY_WORDS ? FRESH_MS_WORDS + d->view.size / SLOWER_WORDS
					      : FRESH_MS_FILES;

	if (d->fd < 0)
		return false;
	return (uint64_t)(now - d->made) <= most ||
	       (old->fd >= 0 && is_large(old) && old->fetched &&
		now - old->fetched < KEPT_MS_DOWNLOAD) ||
	       left_today(c, choice) < d->view.size;
}

/* NULL: none is under way. */
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

void downloads_tried(struct carry *c, enum carry_choice choice, bool failed)
{
	struct preparing *p = &c->preparing[choice];

	p->job[0] = 0;
	p->failed = failed;
	p->over = env_mono(c->app->env);
}

/* Words are made by whoever looks; where that failed, not again at once. */
static bool words_may_be_tried(const struct carry *c)
{
	const struct preparing *p = &c->preparing[CARRY_WORDS];

	return !p->failed || env_mono(c->app->env) - p->over > RETRY_MS_WORDS;
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
	if (!ret->ready || choice == CARRY_WORDS)
		ret->all_files = p->all_files;
	if (j && j->total)
		ret->percent = (unsigned)(j->done >= j->total ? 99 : j->done * 100 / j->total);
}

void carry_downloads(struct carry *c, struct carry_download ret[CARRY_CHOICES])
{
	pthread_mutex_lock(&c->lock);
	if (!is_fresh(c, CARRY_WORDS) && words_may_be_tried(c))
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

/* What was erased or hidden since: what was made before may hold some of it. */
struct since {
	uint64_t erased; /* contents, ever */
	int64_t hidden;	 /* which files are, now */
};

static bool is_outdated(const struct download *d, const struct since *s)
{
	return d->erased != s->erased || (d->view.blobs && d->hidden != s->hidden);
}

/* From whoever is fetching them, too. */
static void drop_outdated(struct carry *c, const struct since *s)
{
	for (int k = 0; k < CARRY_CHOICES; k++)
		for (int i = 0; i < DOWNLOADS; i++)
			if (c->downloads[k][i].fd >= 0 && is_outdated(&c->downloads[k][i], s))
				take_back(&c->downloads[k][i]);
}

static int open_named(struct carry *c, const char *name, struct carry_download *ret)
{
	int fd = -1;

	for (int k = 0; k < CARRY_CHOICES; k++)
		for (int i = 0; i < DOWNLOADS; i++) {
			struct download *d = &c->downloads[k][i];

			if (fd >= 0 || d->fd < 0 || strcmp(d->view.name, name) != 0)
				continue;
			fd = reopen(c, d);
			*ret = d->view;
		}
	return fd;
}

static struct error *count_erased(void *ctx, const struct log_info *info)
{
	*(uint64_t *)ctx += info->head - info->held - info->missing;
	return NULL;
}

static struct error *look_since(struct conn *c, struct since *ret)
{
	struct files_stamp stamp;

	ret->erased = 0;
	TRY(log_each(c->log, NULL, count_erased, &ret->erased));
	TRY(files_stamp(c, &stamp));
	ret->hidden = stamp.hidden;
	return NULL;
}

struct error *carry_download_open(struct carry *c, struct conn *conn, const char *name, int *ret_fd,
				  struct carry_download *ret)
{
	struct since since;
	int fd;

	TRY(look_since(conn, &since));
	pthread_mutex_lock(&c->lock);
	drop_outdated(c, &since);
	fd = open_named(c, name, ret);
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

static struct error *check_room(const struct app *a, uint64_t bytes)
{
	struct statvfs v;
	uint64_t left = 0;
	bool fits = statvfs(a->dir, &v) == 0;

	if (fits && (uint64_t)v.f_bavail * v.f_frsize > bytes)
		left = (uint64_t)v.f_bavail * v.f_frsize - bytes;
	fits = fits && left > ROOM_LEFT;
	if (bytes > DOWNLOAD_LARGE)
		fits = fits && !ledger_keeps_disk((uint64_t)v.f_blocks * v.f_frsize, left);
	ENSURE(fits, error_new(ERR_FULL, N_("There is too little room on this box to make a file of its "
					    "news.")));
	return NULL;
}

/* Words are for people, so where all of them would take what sync needs the newest go. */
static struct error *plan_room(struct doing *d, struct carry_plan *plan, struct carry_size *ret)
{
	struct app *a = d->c->app;
	struct error *e;

	TRY(carry_estimate(a, plan, ret));
	e = check_room(a, ret->bytes);
	if (!e || d->view.choice != CARRY_WORDS || ret->bytes <= DOWNLOAD_LARGE)
		return e;
	error_free(e);
	plan->room = DOWNLOAD_LARGE;
	TRY(carry_estimate(a, plan, ret));
	return check_room(a, ret->bytes);
}

static struct error *spend(struct carry *c, enum carry_choice choice, uint64_t bytes)
{
	bool may;

	pthread_mutex_lock(&c->lock);
	may = bytes <= left_today(c, choice);
	if (may)
		c->preparing[choice].spent += bytes;
	pthread_mutex_unlock(&c->lock);
	ENSURE(may, error_new(ERR_RATE, N_("So many files of news were made today that the box makes "
					   "no more for now.")));
	return NULL;
}

static struct error *write_it(struct doing *d, int fd, struct carry_download *ret)
{
	struct app *a = d->c->app;
	struct carry_plan plan = plan_of(d->view.choice);
	struct carry_written w;
	struct carry_size size;
	uint8_t tag[8];

	plan.progress = job_progress;
	plan.ctx = d;
	TRY(plan_room(d, &plan, &size));
	TRY(spend(d->c, d->view.choice, size.bytes));
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
	let_go(&here[DOWNLOADS - 1]);
	here[0].made = new->made;
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
	struct since since;
	struct error *e;
	bool same;

	TRY(look_since(d->conn, &since));
	new.erased = since.erased;
	new.hidden = since.hidden;
	new.made = env_mono(c->app->env);
	pthread_mutex_lock(&c->lock);
	drop_outdated(c, &since);
	same = last->fd >= 0 && last->change == new.change;
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

/* It costs a look at each file that is here; those that came without an op are seen a little later. */
static bool must_weigh(struct carry *c, int64_t change)
{
	int64_t now = env_mono(c->app->env);
	bool must;

	pthread_mutex_lock(&c->lock);
	must = !c->weighed_at || now - c->weighed_at > WEIGHED_MS || change != c->weighed;
	pthread_mutex_unlock(&c->lock);
	return must;
}

/* With the words comes what the others would hold. */
static void weigh_others(struct doing *d)
{
	struct preparing found[CARRY_CHOICES] = {{.failed = false}};
	struct carry_size size[CARRY_CHOICES] = {{.bytes = 0}};
	struct carry *c = d->c;
	int64_t change = log_change(d->conn->log);

	if (!must_weigh(c, change))
		return;
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
	/* Small files are in their messages, and so among the words. */
	pthread_mutex_lock(&c->lock);
	c->preparing[CARRY_WORDS].all_files =
		size[CARRY_MORE].all_files && size[CARRY_MORE].bytes == size[CARRY_MORE].entries;
	for (int k = CARRY_SOME; k < CARRY_CHOICES; k++) {
		c->preparing[k].offered = found[k].offered;
		c->preparing[k].about = found[k].about;
		c->preparing[k].all_files = found[k].all_files;
	}
	c->weighed = change;
	c->weighed_at = env_mono(c->app->env);
	pthread_mutex_unlock(&c->lock);
}

struct error *task_prepare(struct doing *d)
{
	struct error *e = prepare(d);

	if (d->view.choice == CARRY_WORDS)
		weigh_others(d);
	return e;
}
