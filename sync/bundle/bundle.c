/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/bundle.h"
#include "sync/base/file.h"
#include "sync/replicate/inlet.h"
#include "sync/replicate/sender.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <sys/stat.h>

/* --- export --- */

struct planning {
	const struct bundle_export *x;
	struct sender *s;
	struct bundle_totals totals;
};

static bool wanted(const struct bundle_export *x, const struct hash *space)
{
	for (size_t i = 0; i < x->n_spaces; i++)
		if (hash_eq(&x->spaces[i], space))
			return true;
	return x->n_spaces == 0;
}

static struct error *plan_blob(void *ctx, const struct hash *h, uint64_t size)
{
	struct planning *p = ctx;

	sender_blob(p->s, p->x->blobs, h, size);
	p->totals.blobs++;
	return NULL;
}

static struct error *plan_space(struct planning *p, const struct hash *space)
{
	struct arena a = {0};
	struct head *heads;
	size_t n = 0;
	struct error *e = heads_collect(p->x->log, space, &a, &heads, &n);

	arena_release(&a);
	TRY(e);
	p->totals.spaces++;
	p->totals.logs += n;
	return sender_plan(p->s, p->x->log, space, p->x->have, p->x->n_have);
}

static struct error *plan(struct planning *p)
{
	struct hash spaces[LIMIT_SPACES];
	size_t n;

	sender_hello(p->s, env_now(p->x->env), p->x->name);
	TRY(log_spaces(p->x->log, spaces, ARRAY_LEN(spaces), &n));
	for (size_t i = 0; i < n; i++)
		if (wanted(p->x, &spaces[i]))
			TRY(plan_space(p, &spaces[i]));
	return p->x->blobs ? blob_each(p->x->blobs, plan_blob, p) : NULL;
}

static struct error *write_all(int fd, struct span s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		ENSURE(n >= 0, file_error(errno, N_("the bundle")));
		s.p += n;
		s.n -= (size_t)n;
	}
	return NULL;
}

struct error *bundle_write(const struct bundle_export *x, int fd, struct bundle_totals *ret)
{
	_cleanup_(sender_freep) struct sender *s = sender_new();
	_cleanup_(buf_release) struct buf piece = {0};
	struct planning p = {.x = x, .s = s};
	bool end = false;

	TRY(plan(&p));
	while (!end) {
		buf_clear(&piece);
		TRY(sender_read(s, x->log, &piece, &end));
		TRY(write_all(fd, buf_span(&piece)));
		p.totals.bytes += piece.n;
	}
	p.totals.entries = sender_entries(s);
	*ret = p.totals;
	return NULL;
}

static struct error *settle(int fd, const char *tmp, const char *path)
{
	_cleanup_(freep) char *copy = strdup(path);

	if (!copy)
		abort();
	ENSURE(fsync(fd) == 0, file_error(errno, path));
	ENSURE(rename(tmp, path) == 0, file_error(errno, path));
	return dir_sync(dirname(copy));
}

struct error *bundle_export(const struct bundle_export *x, const char *path,
			    struct bundle_totals *ret)
{
	_cleanup_(freep) char *tmp = NULL;
	_cleanup_(closep) int fd = -1;
	struct error *e;

	if (asprintf(&tmp, "%s.tmp", path) < 0)
		abort();
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	ENSURE(fd >= 0, file_error(errno, path));
	e = bundle_write(x, fd, ret);
	if (!e)
		e = settle(fd, tmp, path);
	if (e)
		unlink(tmp);
	return e;
}

/* --- import --- */

struct importing {
	const struct bundle_import *x;
	const char *name;
	int fd;
	struct sync_report *report;
	struct inlet in;
	int pass;
	uint64_t entries;	  /* that came whole, in this pass */
	struct buf waiting, next; /* struct log_id: not admitted in the pass before, in this one */
	/* the blob in hand */
	struct blob_writer *blob;
	struct hash blob_hash;
	uint64_t blob_have;
};

static bool takes(void *ctx, const struct hash *space)
{
	const struct importing *im = ctx;

	return !im->x->follows || im->x->follows(im->x->ctx, space);
}

static bool listed(const struct buf *ids, const struct log_id *id)
{
	const struct log_id *p = (const struct log_id *)ids->p;

	for (size_t i = 0; i < ids->n / sizeof(*p); i++)
		if (log_id_cmp(&p[i], id) == 0)
			return true;
	return false;
}

static struct error *import_batch(struct importing *im)
{
	const struct frame *f = im->in.intake.frame;
	struct log_id id = f->type == FRAME_FORK ? entry_log(&f->fork.a) : *f->entries.id;

	if (f->type == FRAME_ENTRIES)
		im->entries += f->entries.n;
	/* Later passes are only for those who were not admitted at their turn. */
	if (im->pass > 1 && !listed(&im->waiting, &id)) {
		inlet_pass(&im->in);
		return NULL;
	}
	TRY(im->x->write(im->x->ctx, &im->in.intake));
	if (im->in.intake.refused == ERR_NOT_ADMITTED && !listed(&im->next, &id) &&
	    im->next.n / sizeof(id) < LIMIT_FRAME_ENTRIES)
		buf_add(&im->next, &id, sizeof(id));
	inlet_written(&im->in);
	return NULL;
}

/* The next piece of a file. What does not fit together is passed over: a file is named by its
 * content, so nothing false can be stored. */
static struct error *import_blob(struct importing *im, const struct frame *f)
{
	struct hash hash;
	uint64_t size;
	struct error *e;

	if (!im->x->blobs || im->pass > 1 || f->blob.size > LIMIT_UPLOAD)
		return NULL;
	if (f->blob.offset == 0) {
		blob_writer_free(STEAL(im->blob));
		if (blob_has(im->x->blobs, &f->blob.hash, NULL))
			return NULL;
		TRY(blob_writer_resume(im->x->blobs, &f->blob.hash, f->blob.size, &im->blob,
				       &im->blob_have));
		im->blob_hash = f->blob.hash;
	}
	if (!im->blob || !hash_eq(&im->blob_hash, &f->blob.hash))
		return NULL;
	/* Of a broken import before, some is here already. */
	if (f->blob.offset + f->blob.bytes.n > im->blob_have) {
		size_t skip = (size_t)(im->blob_have - f->blob.offset);

		if (f->blob.offset > im->blob_have)
			return NULL;
		TRY(blob_write(im->blob, span_of(f->blob.bytes.p + skip, f->blob.bytes.n - skip)));
		im->blob_have = f->blob.offset + f->blob.bytes.n;
	}
	if (im->blob_have < f->blob.size)
		return NULL;
	e = blob_writer_finish(STEAL(im->blob), &hash, &size);
	im->report->blobs += !e;
	if (error_is(e, ERR_CORRUPT)) {
		error_free(e);
		return NULL;
	}
	return e;
}

static bool is_ours(const struct error *e)
{
	return e && !error_is(e, ERR_MALFORMED) && !error_is(e, ERR_LIMIT) &&
	       !error_is(e, ERR_VERSION);
}

/* A fault of the bundle, said with what was good before it. */
static struct error *blame(struct importing *im, struct error *take_why)
{
	char count[24], why[ERROR_ARG_MAX];
	enum error_code code = error_code(take_why);

	if (is_ours(take_why))
		return take_why;
	im->report->cut = true;
	snprintf(count, sizeof(count), "%" PRIu64, im->entries);
	error_text(take_why, NULL, NULL, why, sizeof(why));
	error_free(take_why);
	return error_new(code,
			 N_("The bundle %s is damaged after %s entries; what came before is kept. "
			    "%s"),
			 im->name, count, why);
}

static struct error *cut_off(struct importing *im)
{
	char count[24];

	snprintf(count, sizeof(count), "%" PRIu64, im->entries);
	return error_new(ERR_MALFORMED,
			 N_("The bundle %s is cut off after %s entries. What came whole is kept; "
			    "copy the file again for the rest."),
			 im->name, count);
}

/* All frames that are here whole. */
static struct error *import_frames(struct importing *im)
{
	const struct frame *f;
	bool batch;

	for (;;) {
		struct error *e = inlet_next(&im->in, &f, &batch);

		if (e)
			return blame(im, e);
		if (!f)
			return NULL;
		if (batch)
			TRY(import_batch(im));
		else if (f->type == FRAME_BLOB)
			TRY(import_blob(im, f));
		else if (f->type == FRAME_HELLO)
			snprintf(im->report->peer_name, sizeof(im->report->peer_name), "%s",
				 f->hello.name);
	}
}

static struct error *import_pass(struct importing *im, uint64_t total)
{
	static const unsigned expect = FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_FORK) |
				       FRAME_BIT(FRAME_BLOB) | FRAME_BIT(FRAME_HELLO) |
				       FRAME_BIT(FRAME_DIGESTS) | FRAME_BIT(FRAME_HEADS) |
				       FRAME_BIT(FRAME_NOTE);
	uint8_t piece[64 * 1024];
	uint64_t done = 0;
	struct error *e;

	inlet_begin(&im->in, expect);
	im->entries = 0;
	for (;;) {
		ssize_t n = read(im->fd, piece, sizeof(piece));

		if (n < 0 && errno == EINTR)
			continue;
		ENSURE(n >= 0, file_error(errno, im->name));
		if (n == 0)
			break;
		inlet_feed(&im->in, span_of(piece, (size_t)n));
		TRY(import_frames(im));
		done += (uint64_t)n;
		if (im->x->progress)
			im->x->progress(im->x->ctx, done, total);
	}
	e = stream_finish(im->in.reader);
	im->report->cut = e != NULL;
	error_free(e);
	return im->report->cut ? cut_off(im) : NULL;
}

/* Logs that were not admitted at their turn: their admission may have come behind them. */
static bool another_pass(struct importing *im, uint64_t before)
{
	if (im->next.n == 0 || im->report->received == before || lseek(im->fd, 0, SEEK_SET) < 0)
		return false;
	buf_release(&im->waiting);
	im->waiting = im->next;
	im->next = (struct buf){0};
	im->report->refusals = im->report->not_admitted = 0;
	return true;
}

static struct error *import_passes(struct importing *im, uint64_t total)
{
	struct error *first = NULL;
	uint64_t before;

	do {
		struct error *e;

		before = im->report->received;
		im->pass++;
		e = import_pass(im, total);
		if (is_ours(e)) {
			error_free(first);
			return e;
		}
		if (im->pass == 1)
			first = e;
		else
			error_free(e);
	} while (another_pass(im, before));
	return first;
}

struct error *bundle_import_fd(const struct bundle_import *x, int fd, const char *name,
			       struct sync_report *ret)
{
	struct importing im = {.x = x, .name = name, .fd = fd, .report = ret};
	struct stat st;
	struct error *e;

	*ret = (struct sync_report){0};
	im.in = (struct inlet){.self = x->self, .ctx = &im, .takes = takes, .report = ret};
	e = import_passes(&im,
			  fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	blob_writer_free(im.blob);
	inlet_release(&im.in);
	buf_release(&im.waiting);
	buf_release(&im.next);
	return e;
}

struct error *bundle_import(const struct bundle_import *x, const char *path,
			    struct sync_report *ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

	ENSURE(fd >= 0, file_error(errno, path));
	return bundle_import_fd(x, fd, path, ret);
}
