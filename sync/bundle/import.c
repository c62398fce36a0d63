/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/bundle.h"
#include "sync/base/file.h"
#include "sync/replicate/inlet.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

struct bundle_batch {
	const struct bundle_import *x;
	const char *name;
	int fd;
	struct sync_report *report;
	struct inlet in;
	struct claim_reader claim;
	const struct frame *stash; /* came behind the frames of a batch */
	bool opened;		   /* fd is ours to close */
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
	const struct bundle_batch *im = ctx;

	return !im->x->follows || im->x->follows(im->x->ctx, space);
}

static struct log_id log_of(const struct frame *f)
{
	return f->type == FRAME_FORK ? entry_log(&f->fork.a) : *f->entries.id;
}

static bool listed(const struct buf *ids, const struct log_id *id)
{
	const struct log_id *p = (const struct log_id *)ids->p;

	for (size_t i = 0; i < ids->n / sizeof(*p); i++)
		if (log_id_cmp(&p[i], id) == 0)
			return true;
	return false;
}

/* Later passes are only for those who were not admitted at their turn. */
static bool passed_over(struct bundle_batch *im)
{
	const struct frame *f = im->in.intake.frame;
	struct log_id id = log_of(f);

	return im->pass > 1 && !listed(&im->waiting, &id);
}

struct intake *bundle_batch_next(struct bundle_batch *im)
{
	const struct frame *f;
	bool batch;

	while (!im->stash) {
		struct error *e = inlet_next(&im->in, &f, &batch);

		/* It fails in the same way again when this batch is written. */
		error_free(e);
		if (e || !f)
			return NULL;
		if (!batch)
			im->stash = f;
		else if (!passed_over(im))
			return &im->in.intake;
		else
			inlet_pass(&im->in);
	}
	return NULL;
}

void bundle_batch_written(struct bundle_batch *im)
{
	const struct frame *f = im->in.intake.frame;
	struct log_id id = log_of(f);

	if (f->type == FRAME_ENTRIES)
		im->entries += f->entries.n;
	if (im->in.intake.refused == ERR_NOT_ADMITTED && !listed(&im->next, &id) &&
	    im->next.n / sizeof(id) < LIMIT_FRAME_ENTRIES)
		buf_add(&im->next, &id, sizeof(id));
	inlet_written(&im->in);
}

static struct error *import_batch(struct bundle_batch *im)
{
	if (passed_over(im)) {
		inlet_pass(&im->in);
		return NULL;
	}
	if (im->x->write_many)
		return im->x->write_many(im->x->ctx, im);
	TRY(im->x->write(im->x->ctx, &im->in.intake));
	bundle_batch_written(im);
	return NULL;
}

/* In a later pass perhaps, when what names it was only then admitted. */
static bool is_wanted(struct bundle_batch *im, const struct frame *f)
{
	return !blob_has(im->x->blobs, &f->blob.hash, NULL) &&
	       (im->x->wants ? im->x->wants(im->x->ctx, &f->blob.hash, f->blob.size)
			     : im->pass == 1);
}

/* The next piece of a file. What does not fit together is passed over: a file is named by its
 * content, so nothing false can be stored. */
static struct error *import_blob(struct bundle_batch *im, const struct frame *f)
{
	struct hash hash;
	uint64_t size;
	struct error *e;

	if (!im->x->blobs || f->blob.size > LIMIT_UPLOAD)
		return NULL;
	if (f->blob.offset == 0) {
		blob_writer_free(STEAL(im->blob));
		if (!is_wanted(im, f))
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
static struct error *blame(struct bundle_batch *im, struct error *take_why)
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
			 N_("%s: damaged after %s entries; what came before is kept. "
			    "%s"),
			 im->name, count, why);
}

static struct error *cut_off(struct bundle_batch *im)
{
	char count[24];

	snprintf(count, sizeof(count), "%" PRIu64, im->entries);
	return error_new(ERR_MALFORMED,
			 N_("%s: cut off after %s entries. What came whole is kept; "
			    "copy the file again for the rest."),
			 im->name, count);
}

static struct error *import_claim(struct bundle_batch *im, const struct frame *f)
{
	struct bundle_claim c;

	if (im->pass > 1 || !im->x->claimed || !claim_read(&im->claim, f, &c))
		return NULL;
	return im->x->claimed(im->x->ctx, &c);
}

/* All frames that are here whole. */
static struct error *import_frames(struct bundle_batch *im)
{
	const struct frame *f;
	bool batch = false;

	for (;;) {
		struct error *e = im->stash ? NULL : inlet_next(&im->in, &f, &batch);

		if (e)
			return blame(im, e);
		if (im->stash) {
			f = STEAL(im->stash);
			batch = false;
		}
		if (!f)
			return NULL;
		if (batch)
			TRY(import_batch(im));
		else if (f->type == FRAME_BLOB)
			TRY(import_blob(im, f));
		else if (f->type == FRAME_HELLO)
			snprintf(im->report->peer_name, sizeof(im->report->peer_name), "%s",
				 f->hello.name);
		else
			TRY(import_claim(im, f));
	}
}

static struct error *import_pass(struct bundle_batch *im, uint64_t total)
{
	static const unsigned expect = FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_FORK) |
				       FRAME_BIT(FRAME_BLOB) | FRAME_BIT(FRAME_HELLO) |
				       FRAME_BIT(FRAME_DIGESTS) | FRAME_BIT(FRAME_HEADS) |
				       FRAME_BIT(FRAME_NOTE) | FRAME_BIT(FRAME_MISSING) |
				       FRAME_BIT(FRAME_CLAIM) | FRAME_BIT(FRAME_LOCATOR);
	enum { PIECE = 1024 * 1024 };
	_cleanup_(freep) uint8_t *piece = malloc(PIECE);
	uint64_t done = 0;
	struct error *e;

	if (!piece)
		abort();
	inlet_begin(&im->in, expect);
	if (im->x->tally) {
		tally_release(im->x->tally);
		*im->x->tally = (struct wire_tally){0};
	}
	im->stash = NULL;
	im->entries = 0;
	for (;;) {
		ssize_t n = read(im->fd, piece, PIECE);

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

static bool rewound(struct bundle_batch *im)
{
	int fd;

	if (!im->x->again)
		return lseek(im->fd, 0, SEEK_SET) == 0;
	_cleanup_(error_freep) struct error *e = im->x->again(im->x->ctx, &fd);

	if (e)
		return false;
	if (im->opened)
		close(im->fd);
	im->fd = fd;
	im->opened = true;
	return true;
}

/* Logs that were not admitted at their turn: their admission may have come behind them. */
static bool another_pass(struct bundle_batch *im, uint64_t before)
{
	if (im->next.n == 0 || im->report->received == before || !rewound(im))
		return false;
	buf_release(&im->waiting);
	im->waiting = im->next;
	im->next = (struct buf){0};
	im->report->refusals = im->report->not_admitted = 0;
	return true;
}

static struct error *import_passes(struct bundle_batch *im, uint64_t total)
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
	struct bundle_batch im = {.x = x, .name = name, .fd = fd, .report = ret};
	struct stat st;
	struct error *e;

	*ret = (struct sync_report){0};
	im.in = (struct inlet){
		.self = x->self, .ctx = &im, .takes = takes, .report = ret, .tally = x->tally};
	e = import_passes(&im,
			  fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
	blob_writer_free(im.blob);
	inlet_release(&im.in);
	claim_reader_release(&im.claim);
	if (im.opened)
		close(im.fd);
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
