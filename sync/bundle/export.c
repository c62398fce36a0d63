/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/base/file.h"
#include "sync/bundle/bundle.h"
#include "sync/replicate/sender.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>

struct planning {
	const struct bundle_export *x;
	struct sender *s;
	struct bundle_totals totals;
	struct buf claim;	/* the frames of heads and missing payloads */
	struct stream_writer w; /* of those */
};

static bool wanted(const struct bundle_export *x, const struct hash *space)
{
	if (!x->closed_too && !log_shared_with(x->log, space, &x->receiver))
		return false;
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

/* --- what the receiver lacks ------------------------------------------------------------------ */

/* Is this what we hold there, too? Who holds another branch can't be asked where it began, as over
 * the network: it gets the whole log, and finds the fork in it. */
static struct error *agrees(const struct bundle_export *x, const struct head *h, bool *ret)
{
	struct log_info info;
	struct hash ours;
	struct error *e = log_info_get(x->log, &h->id, &info);

	*ret = true;
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return NULL;
	}
	TRY(e);
	if (!h->seq || h->seq > info.live)
		return NULL;
	TRY(log_hash_at(x->log, info.num, h->seq, &ours));
	*ret = hash_eq(&ours, &h->hash);
	return NULL;
}

static struct error *plan_entries(struct planning *p, const struct hash *space, struct arena *a)
{
	const struct bundle_export *x = p->x;
	struct head *have = arena_array(a, struct head, x->n_have + 1);
	size_t n = 0;
	bool same;

	for (size_t i = 0; i < x->n_have; i++) {
		if (!hash_eq(&x->have[i].id.space, space))
			continue;
		TRY(agrees(x, &x->have[i], &same));
		if (same)
			have[n++] = x->have[i];
	}
	TRY(sender_plan(p->s, x->log, space, have, n));
	for (size_t i = 0; i < x->n_missing; i++)
		if (hash_eq(&x->missing[i].id.space, space))
			TRY(sender_plan_missing(p->s, x->log, &x->missing[i].id,
						x->missing[i].ranges, x->missing[i].n));
	return NULL;
}

/* --- what the writer holds -------------------------------------------------------------------- */

static struct error *claim_missing(struct planning *p, const struct log_info *info)
{
	struct seq_range ranges[LIMIT_MISSING_RANGES];
	size_t n;

	TRY(heads_missing(p->x->log, info, ranges, &n));
	if (n)
		stream_put_missing(&p->w, &info->id, ranges, n);
	return NULL;
}

static struct error *claim_space(struct planning *p, const struct hash *space, struct arena *a)
{
	struct log_info *infos;
	struct head *heads;
	size_t n, n_infos;

	TRY(heads_collect(p->x->log, space, a, &heads, &n));
	p->totals.spaces++;
	p->totals.logs += n;
	if (!p->x->writer)
		return NULL;
	stream_put_heads(&p->w, space, heads, n);
	TRY(heads_logs(p->x->log, space, a, &infos, &n_infos));
	for (size_t i = 0; i < n_infos; i++)
		TRY(claim_missing(p, &infos[i]));
	return NULL;
}

static void plan_claim(struct planning *p)
{
	const struct bundle_export *x = p->x;
	struct bundle_claim c = {.receiver = x->receiver,
				 .incarnation = log_incarnation(x->log),
				 .serial = x->serial,
				 .time_ms = env_now(x->env),
				 .frames = buf_span(&p->claim)};
	struct stream_claim signed_claim;

	claim_sign(&c, x->writer, &signed_claim);
	stream_put_claim(&p->w, &signed_claim);
	sender_frames(p->s, buf_span(&p->claim), p->w.frames);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The heads are read before the entries are: what is claimed is in no case more than what is held.
 */
static struct error *plan_space(struct planning *p, const struct hash *space)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct space_digest ours;

	TRY(claim_space(p, space, &a));
	if (p->x->tally) {
		TRY(heads_space_digest(p->x->log, space, &ours));
		tally_digests(p->x->tally, &ours, NULL);
	}
	return plan_entries(p, space, &a);
}

static struct error *plan(struct planning *p)
{
	struct hash spaces[LIMIT_SPACES];
	size_t n;

	p->w.out = &p->claim;
	sender_hello(p->s, env_now(p->x->env), p->x->name);
	TRY(log_spaces(p->x->log, spaces, ARRAY_LEN(spaces), &n));
	for (size_t i = 0; i < n; i++)
		if (wanted(p->x, &spaces[i]))
			TRY(plan_space(p, &spaces[i]));
	if (p->x->blobs)
		TRY(blob_each(p->x->blobs, plan_blob, p));
	if (p->x->writer)
		plan_claim(p);
	return NULL;
}

static struct error *write_plan(struct planning *p, int fd)
{
	_cleanup_(buf_release) struct buf piece = {0};
	bool end = false;

	sender_tally(p->s, p->x->tally);
	while (!end) {
		buf_clear(&piece);
		TRY(sender_read(p->s, p->x->log, &piece, &end));
		TRY(fd_write_all(fd, buf_span(&piece), N_("the bundle")));
		p->totals.bytes += piece.n;
		ENSURE(!p->x->progress || !p->x->progress(p->x->ctx, p->totals.bytes),
		       error_new(ERR_STOPPED, N_("Writing was ended before it was done.")));
	}
	p->totals.entries = sender_entries(p->s);
	return NULL;
}

struct error *bundle_write(const struct bundle_export *x, int fd, struct bundle_totals *ret)
{
	_cleanup_(sender_freep) struct sender *s = sender_new();
	struct planning p = {.x = x, .s = s};
	struct error *e = plan(&p);

	if (!e)
		e = write_plan(&p, fd);
	buf_release(&p.claim);
	TRY(e);
	*ret = p.totals;
	return NULL;
}

/* --- how large it will be --------------------------------------------------------------------- */

enum { ENTRY_COST = 352 + 32, LOG_COST = 256 };

struct estimating {
	const struct bundle_export *x;
	uint64_t bytes;
};

static struct error *estimate_log(void *ctx, const struct log_info *info)
{
	struct estimating *s = ctx;
	const struct head *h = heads_find(s->x->have, s->x->n_have, &info->id);
	uint64_t have = h && h->seq <= info->live ? h->seq : 0, lack = info->live - have;

	if (!wanted(s->x, &info->id.space))
		return NULL;
	s->bytes += LOG_COST + lack * ENTRY_COST;
	if (info->head)
		s->bytes += (uint64_t)((double)info->bytes * (double)lack / (double)info->head);
	return NULL;
}

static struct error *estimate_blob(void *ctx, const struct hash *h, uint64_t size)
{
	((struct estimating *)ctx)->bytes += size + LOG_COST;
	return NULL;
}

struct error *bundle_estimate(const struct bundle_export *x, uint64_t *ret_bytes)
{
	struct estimating s = {.x = x, .bytes = LOG_COST};

	TRY(log_each(x->log, NULL, estimate_log, &s));
	if (x->blobs)
		TRY(blob_each(x->blobs, estimate_blob, &s));
	*ret_bytes = s.bytes;
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
