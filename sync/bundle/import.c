/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/bundle/bundle.h"
#include "sync/base/file.h"
#include "sync/bundle/source.h"
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
	bool cut_off;		   /* the first fault is that it ends early */
	unsigned pass;
	uint64_t entries;	  /* that came whole, in this pass */
	struct error *fault;	  /* of the bundle: the first of this pass; NULL: none so far */
	uint64_t entries_before;  /* it */
	unsigned part;		  /* of the file, that `claim` is about */
	struct buf waiting, next; /* struct log_id: not admitted in the pass before, in this one */
	/* the blob in hand */
	struct blob_writer *blob;
	struct hash blob_hash;
	uint64_t blob_at; /* so much of it came */
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

/* In a later pass perhaps, when what names it was only then admitted. To be asked about costs the box
 * something, so it costs the bundle as much: who writes one cuts no file smaller. */
static bool is_wanted(struct bundle_batch *im, const struct frame *f)
{
	return (f->blob.bytes.n >= BUNDLE_PIECE_LEAST || f->blob.bytes.n == f->blob.size) &&
	       !blob_has(im->x->blobs, &f->blob.hash, NULL) &&
	       (im->x->wants ? im->x->wants(im->x->ctx, &f->blob.hash, f->blob.size)
			     : im->pass == 1);
}

/* A file begins. It comes whole or not at all, apart from what peers bring of it: else whoever hands out a
 * stick could spoil that. */
static struct error *begin_blob(struct bundle_batch *im, const struct frame *f)
{
	blob_writer_free(STEAL(im->blob));
	if (!is_wanted(im, f))
		return NULL;
	im->blob_hash = f->blob.hash;
	im->blob_at = 0;
	return blob_writer_apart(im->x->blobs, &f->blob.hash, f->blob.size, &im->blob);
}

static struct error *end_blob(struct bundle_batch *im)
{
	struct hash hash;
	struct error *e = blob_writer_finish(STEAL(im->blob), &hash, NULL);

	im->report->blobs += !e;
	if (!e)
		blob_judge(im->x->blobs, &hash, NULL, NULL);
	if (error_is(e, ERR_CORRUPT))
		error_replace(&e, NULL);
	return e;
}

/* The next piece of a file. What does not fit together is passed over: a file is named by its
 * content, so nothing false can be stored. */
static struct error *import_blob(struct bundle_batch *im, const struct frame *f)
{
	struct error *e;

	if (!im->x->blobs || f->blob.size > LIMIT_UPLOAD)
		return NULL;
	if (f->blob.offset == 0)
		TRY(begin_blob(im, f));
	if (!im->blob || !hash_eq(&im->blob_hash, &f->blob.hash) || f->blob.offset != im->blob_at)
		return NULL;
	e = blob_write(im->blob, f->blob.bytes);
	if (error_is(e, ERR_LIMIT)) { /* it says now that it is longer than it said before */
		blob_writer_free(STEAL(im->blob));
		error_replace(&e, NULL);
	}
	TRY(e);
	im->blob_at += f->blob.bytes.n;
	return im->blob && im->blob_at == f->blob.size ? end_blob(im) : NULL;
}

static bool is_ours(const struct error *e)
{
	return e && !error_is(e, ERR_MALFORMED) && !error_is(e, ERR_LIMIT) &&
	       !error_is(e, ERR_VERSION);
}

/* What was wrong, said with what was good; NULL: nothing was. */
static struct error *verdict(struct bundle_batch *im)
{
	char before[24], all[24], why[ERROR_ARG_MAX];
	enum error_code code = error_code(im->fault);
	_cleanup_(error_freep) struct error *e = STEAL(im->fault);

	if (!e)
		return NULL;
	snprintf(before, sizeof(before), "%" PRIu64, im->entries_before);
	snprintf(all, sizeof(all), "%" PRIu64, im->entries);
	error_text(e, NULL, NULL, why, sizeof(why));
	if (!im->report->parts && !im->cut_off)
		return error_new(code,
				 N_("%s: nothing in it could be read as news. Is it the right file?"),
				 im->name);
	if (im->report->parts > 1)
		return error_new(code,
				 N_("%s: several files, one behind the other, and not all of them "
				    "are whole. What is whole in them was taken, %s entries. %s"),
				 im->name, all, why);
	if (im->entries > im->entries_before)
		return error_new(code,
				 N_("%s: damaged after %s entries; what is whole before and behind "
				    "that was taken, %s entries in all. %s"),
				 im->name, before, all, why);
	if (im->cut_off)
		return error_new(code,
				 N_("%s: cut off after %s entries. What came whole is kept; copy "
				    "the file again for the rest."),
				 im->name, all);
	return error_new(code, N_("%s: damaged after %s entries; what came before is kept. %s"),
			 im->name, before, why);
}

static void note_fault(struct bundle_batch *im, struct error *take_fault)
{
	im->report->cut = true;
	if (im->fault) {
		error_free(take_fault);
	} else {
		im->fault = take_fault;
		im->entries_before = im->entries;
	}
}

/* A fault of the bundle: what is whole behind it counts, too. *ret_over: nothing is. */
static struct error *go_on_behind(struct bundle_batch *im, struct error *take_fault, bool *ret_over)
{
	if (is_ours(take_fault))
		return take_fault;
	note_fault(im, take_fault);
	*ret_over = !stream_seek(im->in.reader);
	return NULL;
}

static struct error *import_claim(struct bundle_batch *im, const struct frame *f)
{
	struct bundle_claim c;

	if (im->part != stream_parts(im->in.reader))
		claim_reader_release(&im->claim);
	im->part = stream_parts(im->in.reader);
	if (im->pass > 1 || !im->x->claimed || !claim_read(&im->claim, f, &c))
		return NULL;
	return im->x->claimed(im->x->ctx, &c);
}

static struct error *import_frame(struct bundle_batch *im, const struct frame *f, bool batch)
{
	if (batch)
		return import_batch(im);
	if (f->type == FRAME_BLOB)
		return import_blob(im, f);
	if (f->type == FRAME_HELLO)
		snprintf(im->report->peer_name, sizeof(im->report->peer_name), "%s",
			 f->hello.name);
	return import_claim(im, f);
}

/* All frames that are here whole. *ret_over: no more can be read. */
static struct error *import_frames(struct bundle_batch *im, bool *ret_over)
{
	const struct frame *f;
	bool batch = false;

	while (!*ret_over) {
		struct error *e = im->stash ? NULL : inlet_next(&im->in, &f, &batch);

		if (e) {
			TRY(go_on_behind(im, e, ret_over));
			continue;
		}
		if (im->stash) {
			f = STEAL(im->stash);
			batch = false;
		}
		if (!f)
			return NULL;
		TRY(import_frame(im, f, batch));
	}
	return NULL;
}

/* No more bytes come: in what waits for the end of a torn frame something whole may stand. */
static struct error *import_rest(struct bundle_batch *im)
{
	bool over = false;

	while (!over) {
		struct error *e = stream_finish(im->in.reader);

		if (!e)
			return NULL;
		im->cut_off |= !im->fault;
		TRY(go_on_behind(im, e, &over));
		TRY(import_frames(im, &over));
	}
	return NULL;
}

static void begin_pass(struct bundle_batch *im)
{
	static const unsigned expect = FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_FORK) |
				       FRAME_BIT(FRAME_BLOB) | FRAME_BIT(FRAME_HELLO) |
				       FRAME_BIT(FRAME_DIGESTS) | FRAME_BIT(FRAME_HEADS) |
				       FRAME_BIT(FRAME_NOTE) | FRAME_BIT(FRAME_MISSING) |
				       FRAME_BIT(FRAME_CLAIM) | FRAME_BIT(FRAME_LOCATOR);

	inlet_begin(&im->in, expect);
	stream_salvage(im->in.reader);
	if (im->x->tally) {
		tally_release(im->x->tally);
		*im->x->tally = (struct wire_tally){0};
	}
	error_free(STEAL(im->fault));
	im->stash = NULL;
	im->entries = 0;
	im->cut_off = im->report->cut = false;
}

/* Read the file once, as far as anything can be read. The error is this box's. */
static struct error *import_pass(struct bundle_batch *im, uint64_t total)
{
	enum { PIECE = 1024 * 1024 };
	_cleanup_(freep) uint8_t *piece = malloc(PIECE);
	struct source file;
	uint64_t done = 0;
	bool over = false;

	if (!piece)
		abort();
	begin_pass(im);
	source_init(&file, im->fd);
	while (!over) {
		unsigned lost = file.lost;
		ssize_t n = source_read(&file, piece, PIECE);

		ENSURE(n >= 0, file_error(errno, im->name));
		if (n == 0)
			break;
		if (file.lost != lost)
			note_fault(im, error_new(ERR_MALFORMED,
						 N_("A part of it can't be read any more: the stick or "
						    "disk that it is on fails.")));
		inlet_feed(&im->in, span_of(piece, (size_t)n));
		TRY(import_frames(im, &over));
		done += (uint64_t)n;
		if (im->x->progress)
			im->x->progress(im->x->ctx, done, total);
	}
	TRY(over ? NULL : import_rest(im));
	im->report->parts = stream_parts(im->in.reader);
	return NULL;
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
	unsigned most = im->x->passes ? im->x->passes : BUNDLE_PASSES;

	if (im->next.n == 0 || im->report->received == before || im->pass >= most || !rewound(im))
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
		if (e) {
			error_free(first);
			return e;
		}
		if (im->pass == 1)
			first = verdict(im);
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
	error_free(im.fault);
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
