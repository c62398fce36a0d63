/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/heads.h"
#include "sync/replicate/intake.h"
#include "sync/replicate/stream_priv.h"

/* Does a fork leave nothing of the log but what founds the space? */
static struct error *is_founding_fork(struct log_store *l, const struct log_info *info, bool *ret)
{
	*ret = false;
	return info->head || info->frozen == 1 ? log_founding_known(l, info, ret) : NULL;
}

bool head_founds(const struct head *h)
{
	return h->seq == 1 && hash_eq(&h->hash, &h->id.space);
}

/* A fork and an entry without its author's signature may both be known, here one and there both:
 * the lower counts, so that boxes that know it agree whatever else they know. */
struct error *head_of_log(struct log_store *l, const struct log_info *info, struct head *ret)
{
	struct head h = {.id = info->id, .seq = info->live};
	uint64_t forked = log_forked_from(info);
	bool founds = false;

	if (forked && forked <= 2)
		TRY(is_founding_fork(l, info, &founds));
	if (founds) {
		*ret = (struct head){info->id, 1, info->id.space, HEAD_FORKED, 2};
		return NULL;
	}
	if (forked && (!info->ended || forked <= info->ended)) {
		h.mark = HEAD_FORKED;
		h.mark_seq = forked;
	} else if (info->ended) {
		h.mark = HEAD_ENDED;
		h.mark_seq = info->ended;
	}
	if (h.seq == info->head)
		h.hash = h.seq ? info->head_hash : (struct hash){{0}};
	else if (h.seq)
		TRY(log_hash_at(l, info->num, h.seq, &h.hash));
	*ret = h;
	return NULL;
}

struct error *log_takes_part(struct log_store *l, const struct log_info *info, bool *ret)
{
	if (log_listed(l, &info->id.space, &info->id.appliance)) {
		*ret = true;
		return NULL;
	}
	return log_founds(l, &info->id, ret);
}

struct listing {
	struct buf infos; /* struct log_info */
	struct buf listed; /* a byte each */
};

static struct error *add_info(void *ctx, const struct log_info *info, bool listed)
{
	struct listing *k = ctx;

	buf_add(&k->infos, info, sizeof(*info));
	buf_u8(&k->listed, listed);
	return NULL;
}

struct error *heads_logs(struct log_store *l, const struct hash *space, struct arena *a,
			 struct log_info **ret, size_t *ret_n)
{
	struct listing all = {.infos = {0}};
	struct log_info *infos;
	struct error *e = log_each_listed(l, space, add_info, &all);
	size_t n = all.listed.n, kept = 0;

	infos = arena_copy(a, all.infos.p, all.infos.n);
	for (size_t i = 0; i < n && !e; i++) {
		bool part = all.listed.p[i];

		if (!part)
			e = log_founds(l, &infos[i].id, &part);
		if (part)
			infos[kept++] = infos[i];
	}
	buf_release(&all.infos);
	buf_release(&all.listed);
	TRY(e);
	*ret = infos;
	*ret_n = kept;
	return NULL;
}

static int compare_heads(const void *a, const void *b)
{
	return log_id_cmp(&((const struct head *)a)->id, &((const struct head *)b)->id);
}

void heads_sort(struct head *heads, size_t n)
{
	if (n)
		qsort(heads, n, sizeof(*heads), compare_heads);
}

static struct error *heads_of_logs(struct log_store *l, const struct log_info *infos, size_t n,
				   struct arena *a, struct head **ret, size_t *ret_n)
{
	struct head *heads;
	size_t kept = 0;

	heads = arena_array(a, struct head, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		TRY(head_of_log(l, &infos[i], &heads[kept]));
		kept += heads[kept].seq || heads[kept].mark;
	}
	heads_sort(heads, kept);
	*ret = heads;
	*ret_n = kept;
	return NULL;
}

struct error *heads_collect(struct log_store *l, const struct hash *space, struct arena *a,
			    struct head **ret, size_t *ret_n)
{
	struct log_info *infos;
	size_t n;

	TRY(heads_logs(l, space, a, &infos, &n));
	return heads_of_logs(l, infos, n, a, ret, ret_n);
}

bool head_eq(const struct head *a, const struct head *b)
{
	return log_id_cmp(&a->id, &b->id) == 0 && a->seq == b->seq && hash_eq(&a->hash, &b->hash) &&
	       a->mark == b->mark && a->mark_seq == b->mark_seq;
}

const struct head *heads_find(const struct head *heads, size_t n, const struct log_id *id)
{
	struct head key = {.id = *id};

	return n ? bsearch(&key, heads, n, sizeof(*heads), compare_heads) : NULL;
}

static void hash_add_u64(struct hash_state *st, uint64_t v)
{
	uint8_t raw[8];

	store64(raw, v);
	hash_add(st, raw, sizeof(raw));
}

struct hash heads_digest(const struct hash *space, const struct head *heads, size_t n)
{
	static const char label[] = "lliure-heads-1";
	struct hash_state st;

	hash_init(&st);
	hash_add(&st, label, sizeof(label) - 1);
	hash_add(&st, space->b, 32);
	for (size_t i = 0; i < n; i++) {
		uint8_t mark = (uint8_t)heads[i].mark;

		hash_add(&st, heads[i].id.appliance.b, 32);
		hash_add_u64(&st, heads[i].id.incarnation);
		hash_add_u64(&st, heads[i].seq);
		hash_add(&st, heads[i].hash.b, 32);
		hash_add(&st, &mark, 1);
		hash_add_u64(&st, heads[i].mark_seq);
	}
	return hash_final(&st);
}

struct hash heads_digest_spaces(const struct space_digest *rows, size_t n)
{
	static const char label[] = "lliure-spaces-1";
	struct hash_state st;

	hash_init(&st);
	hash_add(&st, label, sizeof(label) - 1);
	for (size_t i = 0; i < n; i++) {
		hash_add(&st, rows[i].space.b, 32);
		hash_add(&st, rows[i].heads.b, 32);
	}
	return hash_final(&st);
}

typedef struct error *sequences_fn(struct log_store *l, int64_t log, uint64_t after, uint64_t *seqs,
				   size_t max, size_t *ret_n);

/* The first ranges of live sequences that `fn` gives. */
static struct error *live_ranges(struct log_store *l, const struct log_info *info, sequences_fn *fn,
				 struct seq_range ranges[LIMIT_MISSING_RANGES], size_t *ret_n)
{
	uint64_t seqs[256], after = 0;
	size_t n = 0, k = ARRAY_LEN(seqs);

	while (k == ARRAY_LEN(seqs)) {
		TRY(fn(l, info->num, after, seqs, ARRAY_LEN(seqs), &k));
		for (size_t i = 0; i < k; i++) {
			after = seqs[i];
			if (after > info->live ||
			    (n == LIMIT_MISSING_RANGES && after != ranges[n - 1].last + 1)) {
				*ret_n = n;
				return NULL;
			}
			if (n && after == ranges[n - 1].last + 1)
				ranges[n - 1].last = after;
			else
				ranges[n++] = (struct seq_range){after, after};
		}
	}
	*ret_n = n;
	return NULL;
}

struct error *heads_missing(struct log_store *l, const struct log_info *info,
			    struct seq_range ranges[LIMIT_MISSING_RANGES], size_t *ret_n)
{
	*ret_n = 0;
	return info->missing ? live_ranges(l, info, log_missing, ranges, ret_n) : NULL;
}

/* Of the first ranges of each log: two boxes that lack the same have nothing to give each other. What
 * was erased counts as lacking, for who never held it can't know, and says "not held" (a newcomer,
 * after an erasure); else those two would differ for ever. */
static struct error *digest_missing(struct log_store *l, const struct log_info *infos, size_t n,
				    uint8_t out[16])
{
	struct hash sum = {{0}};

	/* The logs come in this box's own order: each is hashed alone, and the hashes are added up.
	 */
	for (size_t i = 0; i < n; i++) {
		struct seq_range ranges[LIMIT_MISSING_RANGES];
		struct hash_state st;
		struct hash one;
		uint8_t id[LOG_ID_BYTES];
		size_t k = 0;

		if (infos[i].held < infos[i].head)
			TRY(live_ranges(l, &infos[i], log_absent, ranges, &k));
		if (k == 0)
			continue;
		hash_init(&st);
		log_id_write(&infos[i].id, id);
		hash_add(&st, id, sizeof(id));
		for (size_t r = 0; r < k; r++) {
			hash_add_u64(&st, ranges[r].first);
			hash_add_u64(&st, ranges[r].last);
		}
		one = hash_final(&st);
		for (size_t b = 0; b < 32; b++)
			sum.b[b] ^= one.b[b];
	}
	memcpy(out, sum.b, 16);
	return NULL;
}

static struct error *work_out_digest(struct log_store *l, const struct hash *space,
				     struct space_digest *ret)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct space_digest row = {.space = *space};
	struct log_info *infos;
	struct head *heads;
	size_t n, n_heads;

	TRY(heads_logs(l, space, &a, &infos, &n));
	TRY(heads_of_logs(l, infos, n, &a, &heads, &n_heads));
	row.heads = heads_digest(space, heads, n_heads);
	TRY(digest_missing(l, infos, n, row.missing));
	*ret = row;
	return NULL;
}

/* Digests that a reader worked out, good as long as nothing was committed since. They are asked for
 * several times in each exchange, and cost a look at every log of the space. */
struct digests {
	int64_t change;
	size_t n;
	struct space_digest rows[LIMIT_SPACES];
};

static struct digests *digests_kept(struct log_store *l)
{
	void **memo = log_memo(l);
	int64_t change;
	struct digests *d;

	if (!memo)
		return NULL;
	if (!*memo && !(*memo = calloc(1, sizeof(*d))))
		abort();
	d = *memo;
	/* Before the rows are read: what is committed meanwhile makes it grow once more. */
	change = log_change(l);
	if (d->change != change)
		*d = (struct digests){.change = change};
	return d;
}

struct error *heads_space_digest(struct log_store *l, const struct hash *space,
				 struct space_digest *ret)
{
	struct digests *d = digests_kept(l);
	struct space_digest row;

	for (size_t i = 0; d && i < d->n; i++)
		if (hash_eq(&d->rows[i].space, space)) {
			*ret = d->rows[i];
			return NULL;
		}
	TRY(work_out_digest(l, space, &row));
	if (d && d->n < LIMIT_SPACES)
		d->rows[d->n++] = row;
	*ret = row;
	return NULL;
}

static int compare_hashes(const void *a, const void *b)
{
	return hash_cmp(a, b);
}

struct error *heads_all(struct log_store *l, heads_filter *wants, void *ctx,
			struct space_digest *rows, size_t max, size_t *ret_n)
{
	struct hash spaces[LIMIT_SPACES];
	size_t n, kept = 0;

	TRY(log_spaces(l, spaces, ARRAY_LEN(spaces), &n));
	qsort(spaces, n, sizeof(*spaces), compare_hashes);
	for (size_t i = 0; i < n && kept < max; i++) {
		if (wants && !wants(ctx, &spaces[i]))
			continue;
		TRY(heads_space_digest(l, &spaces[i], &rows[kept]));
		kept++;
	}
	*ret_n = kept;
	return NULL;
}

/* --- finding a fork --- */

struct error *heads_locator(struct log_store *l, const struct log_info *info, uint64_t from,
			    struct locator_sample out[LIMIT_LOCATOR], size_t *ret_n)
{
	size_t n = 0;
	uint64_t back = 0;

	if (from > info->head)
		from = info->head;
	while (from > back && n < LIMIT_LOCATOR - 1) {
		out[n].seq = from - back;
		TRY(log_hash_at(l, info->num, out[n].seq, &out[n].hash));
		n++;
		back = back ? back * 2 : 1;
	}
	if (n && out[n - 1].seq > 1) {
		out[n].seq = 1;
		TRY(log_hash_at(l, info->num, 1, &out[n].hash));
		n++;
	}
	*ret_n = n;
	return NULL;
}

struct error *heads_locate(struct log_store *l, const struct log_info *info,
			   const struct locator_sample *samples, size_t n, struct seq_range *ret,
			   bool *ret_differs)
{
	uint64_t same = 0, differs = 0;

	for (size_t i = 0; i < n && !same; i++) {
		struct hash ours;

		if (samples[i].seq > info->head)
			continue;
		TRY(log_hash_at(l, info->num, samples[i].seq, &ours));
		if (hash_eq(&ours, &samples[i].hash))
			same = samples[i].seq;
		else
			differs = samples[i].seq;
	}
	*ret_differs = differs != 0;
	if (differs)
		*ret = (struct seq_range){same + 1, differs};
	return NULL;
}
