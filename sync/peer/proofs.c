/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/proofs.h"
#include <string.h>

/* By number and, should a number be given anew, incarnation. */
struct proof_noted {
	int64_t num;
	uint64_t incarnation;
	enum misdeed what;
};

void proofs_release(struct proofs *p)
{
	buf_release(&p->noted);
	*p = (struct proofs){.asked = 0};
}

static struct proof_noted key_of(const struct proof *f)
{
	return (struct proof_noted){f->num, f->log.incarnation, f->what};
}

static int compare(const struct proof_noted *a, const struct proof_noted *b)
{
	if (a->num != b->num)
		return a->num < b->num ? -1 : 1;
	if (a->incarnation != b->incarnation)
		return a->incarnation < b->incarnation ? -1 : 1;
	return (a->what > b->what) - (a->what < b->what);
}

static size_t place(const struct proofs *p, const struct proof_noted *key)
{
	const struct proof_noted *rows = (const struct proof_noted *)(const void *)p->noted.p;
	size_t low = 0, high = p->noted.n / sizeof(*rows);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare(&rows[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_noted(const struct proofs *p, const struct proof *f)
{
	const struct proof_noted *rows = (const struct proof_noted *)(const void *)p->noted.p;
	const struct proof_noted key = key_of(f);
	size_t at = place(p, &key);

	return at < p->noted.n / sizeof(*rows) && compare(&rows[at], &key) == 0;
}

/* They come in order of their numbers: most are added at the end. */
static void remember(struct proofs *p, const struct proof *f)
{
	const struct proof_noted key = key_of(f);
	size_t at = place(p, &key), n = p->noted.n / sizeof(key);
	struct proof_noted *rows;

	if (n >= PROOFS_NOTED || is_noted(p, f))
		return;
	buf_add(&p->noted, &key, sizeof(key));
	rows = (struct proof_noted *)(void *)p->noted.p;
	memmove(&rows[at + 1], &rows[at], (n - at) * sizeof(*rows));
	rows[at] = key;
}

struct finding {
	const struct proofs *p;
	proofs_known_fn *known;
	void *ctx;
	struct buf *found;
};

static void add(struct finding *k, const struct log_info *info, enum misdeed what, uint64_t seq)
{
	const struct proof f = {.num = info->num, .log = info->id, .what = what, .seq = seq};

	if (seq && !is_noted(k->p, &f))
		buf_add(k->found, &f, sizeof(f));
}

static struct error *see_stopped(void *ctx, const struct log_info *info)
{
	struct finding *k = ctx;

	if (!k->known(k->ctx, &info->id.appliance))
		return NULL;
	add(k, info, MISDEED_AUTHOR, info->ended);
	add(k, info, MISDEED_FORK, info->frozen);
	return NULL;
}

struct error *proofs_find(const struct proofs *p, struct log_store *log, proofs_known_fn *known,
			  void *ctx, struct buf *found)
{
	struct finding k = {p, known, ctx, found};

	return log_each_stopped(log, NULL, see_stopped, &k);
}

struct error *proofs_leave_out(struct proofs *p, struct db *local, size_t most, struct buf *found,
			       bool *ret_more)
{
	struct proof *all = (struct proof *)(void *)found->p;
	size_t n = found->n / sizeof(*all), left = 0;

	*ret_more = false;
	for (size_t i = 0; i < n && !*ret_more; i++) {
		bool noted;

		*ret_more = i == PROOFS_AT_ONCE;
		if (*ret_more)
			break;
		p->asked++;
		TRY(conduct_has_proof(local, all[i].what, &all[i].log, &noted));
		if (noted)
			remember(p, &all[i]);
		else if (left < most)
			all[left++] = all[i];
		else
			*ret_more = true;
	}
	found->n = left * sizeof(*all);
	return NULL;
}

void proofs_noted(struct proofs *p, const struct buf *found)
{
	const struct proof *all = (const struct proof *)(const void *)found->p;

	for (size_t i = 0; i < found->n / sizeof(*all); i++)
		remember(p, &all[i]);
}
