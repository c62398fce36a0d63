/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the workers do, each one thing after the other, without the lock. */
#include "appliance/carry/carry_priv.h"
#include <errno.h>

static struct error *write_record(struct conn *c, void *arg)
{
	return carry_record_add(c, arg);
}

/* A record that can't be written must not undo what was done. */
static void record(struct doing *d, struct carry_record *r)
{
	r->when_ms = env_now(d->c->app->env);
	r->kind = d->view.kind;
	error_free(writer_run(d->c->app->writer, write_record, r));
}

/* --- looking at a stick ------------------------------------------------------------------------
 */

static struct error *check_file(struct doing *d, int root, const struct stick_file *f,
				struct carry_found *ret)
{
	_cleanup_(closep) int fd = -1;
	struct sieve_summary s;
	struct error *e;

	memcpy(ret->name, f->name, sizeof(ret->name));
	TRY(stick_file_open(root, f->name, &fd, &ret->size));
	TRY(carry_check(d->c->app, fd, &s));
	ret->entries = s.entries;
	ret->whole = s.whole;
	ret->damaged = s.damaged;
	ret->time_ms = s.time_ms;
	ret->receiver = s.receiver;
	snprintf(ret->from, sizeof(ret->from), "%s", s.name);
	if (s.claimed) {
		snprintf(ret->from_short, sizeof(ret->from_short), "%.8s", ID_SHORT(&s.writer));
		ret->own = pubkey_eq(&s.writer, secret_pubkey(d->c->app->self));
	}
	e = carry_news(d->conn, &s, &ret->news);
	sieve_summary_release(&s);
	return e;
}

static struct error *check_files(struct doing *d, struct carry_stick *v)
{
	_cleanup_(closep) int root = -1;
	struct stick_file files[CARRY_FILES];
	struct stick_room room;

	TRY(stick_open(&d->place, &root));
	TRY(stick_room(root, &room));
	v->room = room.bytes;
	/* One that the helper opened can be opened for writing. */
	v->writable = room.writable || stick_device(d->c->app, d->place.path);
	TRY(stick_list(root, files, &v->n_files, &v->more));
	for (size_t i = 0; i < v->n_files && !d->c->stop; i++) {
		struct error *e = check_file(d, root, &files[i], &v->files[i]);

		if (e)
			snprintf(v->files[i].trouble, sizeof(v->files[i].trouble), "%s",
				 error_stored(e));
		error_free(e);
		if (!v->files[i].own)
			v->news += v->files[i].news;
	}
	return NULL;
}

struct error *task_check(struct doing *d)
{
	struct carry_stick *v = calloc(1, sizeof(*v));
	struct known_stick *s;
	struct error *e;

	if (!v)
		abort();
	e = check_files(d, v);
	pthread_mutex_lock(&d->c->lock);
	s = stick_find(d->c, d->view.stick);
	if (s) {
		memcpy(v->id, s->view.id, sizeof(v->id));
		memcpy(v->label, s->view.label, sizeof(v->label));
		memcpy(v->device, s->view.device, sizeof(v->device));
		memcpy(v->job, s->view.job, sizeof(v->job));
		v->safe = s->view.safe;
		v->busy = true;
		v->checked = true;
		error_free(s->view.error);
		v->error = e ? error_copy(e) : NULL;
		s->view = *v;
	}
	pthread_mutex_unlock(&d->c->lock);
	free(v);
	return e;
}

/* --- taking in ----------------------------------------------------------------------------------
 */

static void add_report(struct sync_report *sum, const struct sync_report *r)
{
	sum->received += r->received;
	sum->filled += r->filled;
	sum->known += r->known;
	sum->blobs += r->blobs;
	sum->forks += r->forks;
	sum->not_admitted += r->not_admitted;
	sum->bytes_in += r->bytes_in;
	sum->cut |= r->cut;
	sum->parts = r->parts > sum->parts ? r->parts : sum->parts;
	sum->new_incarnation |= r->new_incarnation;
	if (*r->peer_name)
		snprintf(sum->peer_name, sizeof(sum->peer_name), "%s", r->peer_name);
	for (size_t i = 0; i < r->refusals && i < REPORT_REFUSALS; i++)
		report_refusal(sum, &r->refused[i].id, r->refused[i].seq, r->refused[i].why, false);
}

/* A visitor's file has no name here. */
static struct error *take_in(struct doing *d, const struct carry_taking *what, struct sync_report *ret)
{
	struct error *e = carry_take(d->c->app, what, ret);

	if (what->from == CARRY_VISITOR && error_is(e, ERR_MALFORMED) && !ret->parts)
		error_replace(&e, error_new(ERR_MALFORMED,
					    N_("Nothing in this file could be read as news. Is it the right "
					       "one? The name of a file with news ends in .lliure.")));
	return e;
}

static struct error *take_file(struct doing *d, int fd, const char *name, enum carry_from from,
			       uint64_t *files_left)
{
	struct hash receipt = {{0}};
	struct carry_taking what = {.from = from,
				    .fd = fd,
				    .name = name,
				    .files_left = files_left,
				    .ret_receipt = &receipt,
				    .progress = job_progress,
				    .ctx = d};
	struct sync_report r;
	struct error *e = take_in(d, &what, &r);
	struct carry_record rec = {.who = r.peer_name,
				   .file = from == CARRY_VISITOR ? "" : name,
				   .entries = r.received + r.filled,
				   .known = r.known,
				   .refused = r.refusals,
				   .bytes = r.bytes_in,
				   .cut = r.cut,
				   .receipt = receipt,
				   .error = e ? error_stored(e) : ""};

	add_report(&d->view.report, &r);
	record(d, &rec);
	if (carry_is_torn(e, &r)) {
		error_free(e);
		return NULL;
	}
	return e;
}

struct error *task_take_stick(struct doing *d)
{
	_cleanup_(closep) int root = -1;
	struct stick_file files[CARRY_FILES];
	struct error *first = NULL;
	size_t n;
	bool more;

	TRY(stick_open(&d->place, &root));
	TRY(stick_list(root, files, &n, &more));
	ENSURE(n, error_new(ERR_NOT_FOUND, N_("There is no news on this stick.")));
	/* The oldest first: what a later one needs may be in it. */
	for (size_t i = n; i-- > 0 && !d->c->stop;) {
		_cleanup_(closep) int fd = -1;
		uint64_t size;
		struct error *e = stick_file_open(root, files[i].name, &fd, &size);

		if (!e)
			e = take_file(d, fd, files[i].name, CARRY_VOLUNTEER, NULL);
		if (e && !first)
			first = e;
		else
			error_free(e);
	}
	/* One bad file among good ones is in the record. */
	if (first && !error_is(first, ERR_FULL) && !error_is(first, ERR_DB) &&
	    d->view.report.received + d->view.report.known) {
		error_free(first);
		return NULL;
	}
	return first;
}

/* What a bundle only says that it has costs nobody else anything. */
struct error *task_take_phone(struct doing *d)
{
	uint64_t may, left, took;
	struct error *e;

	pthread_mutex_lock(&d->c->lock);
	may = CARRY_PHONE_FILES - d->c->day_files;
	pthread_mutex_unlock(&d->c->lock);
	left = may;
	e = take_file(d, d->fd, ".lliure", CARRY_VISITOR, &left);
	took = may - left < d->view.report.bytes_in ? may - left : d->view.report.bytes_in;
	pthread_mutex_lock(&d->c->lock);
	d->c->day_files += took < CARRY_PHONE_FILES - d->c->day_files
				   ? took
				   : CARRY_PHONE_FILES - d->c->day_files;
	pthread_mutex_unlock(&d->c->lock);
	return e;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static struct error *fits(const struct stick_room *room, uint64_t bytes)
{
	ENSURE(room->writable, stick_error(EROFS));
	ENSURE(bytes <= room->file_max,
	       error_new(ERR_LIMIT,
			 N_("This stick is formatted in an old way (FAT) that can't hold "
			    "a file this large. Use one formatted as exFAT or ext4, or "
			    "choose one house.")));
	ENSURE(bytes <= room->bytes, stick_error(ENOSPC));
	return NULL;
}

/* Older ones of ours for the same receiver say nothing that this one does not. */
static void remove_older(struct doing *d, int root)
{
	struct carry_stick v = {.n_files = 0};
	struct known_stick *s;

	pthread_mutex_lock(&d->c->lock);
	s = stick_find(d->c, d->view.stick);
	if (s)
		v = s->view;
	pthread_mutex_unlock(&d->c->lock);
	for (size_t i = 0; i < v.n_files; i++)
		if (v.files[i].own && pubkey_eq(&v.files[i].receiver, &d->view.receiver) &&
		    strcmp(v.files[i].name, d->view.name) != 0)
			stick_remove(root, v.files[i].name);
}

struct ending {
	int root, fd;
	const char *name;
	bool ended; /* well or not: the descriptor is closed */
};

static struct error *end_file(void *ctx)
{
	struct ending *x = ctx;

	x->ended = true;
	return stick_write_end(x->root, x->fd, x->name);
}

static struct error *write_file(struct doing *d, int root, struct carry_plan *plan)
{
	struct ending x = {.root = root, .name = d->view.name};
	struct error *e;
	bool full;

	TRY(stick_write_begin(root, d->view.name, &x.fd));
	plan->settle = end_file;
	plan->settle_ctx = &x;
	e = carry_write(d->c->app, plan, x.fd, &d->view.written);
	if (!e || x.ended)
		return e;
	stick_write_give_up(root, x.fd, d->view.name);
	full = error_is(e, ERR_FULL);
	if (!full && !error_is(e, ERR_IO))
		return e;
	error_free(e);
	return stick_error(full ? ENOSPC : EIO);
}

static struct error *write_stick(struct doing *d)
{
	_cleanup_(closep) int root = -1;
	static const struct pubkey anybody;
	bool all = pubkey_eq(&d->view.receiver, &anybody);
	struct carry_plan plan = {.receiver = all ? NULL : &d->view.receiver,
				  .files = true,
				  .receipt = true,
				  .progress = job_progress,
				  .ctx = d};
	struct stick_room room;
	struct carry_size size;

	TRY(stick_open(&d->place, &root));
	TRY(stick_room(root, &room));
	plan.room = room.bytes < room.file_max ? room.bytes : room.file_max;
	TRY(carry_estimate(d->c->app, &plan, &size));
	TRY(fits(&room, size.bytes));
	carry_name(d->c->app->name, plan.receiver, env_now(d->c->app->env), d->view.name);
	TRY(write_file(d, root, &plan));
	remove_older(d, root);
	return NULL;
}

struct error *task_write_stick(struct doing *d)
{
	struct error *e = stick_open_for_writing(d->c->app, d->place.path);
	struct carry_record rec;

	if (!e)
		e = write_stick(d);
	stick_open_for_reading(d->c->app, d->place.path);
	rec = (struct carry_record){.who = d->place.label,
				   .file = d->view.name,
				   .entries = d->view.written.n.entries,
				   .bytes = d->view.written.n.bytes,
				   .receipt = d->view.written.receipt,
				   .error = e ? error_stored(e) : ""};

	record(d, &rec);
	return e;
}
