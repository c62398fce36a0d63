/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Logs that are frozen or ended, as the store has them: each is a proof by its appliance's own
 * signature. It is read from there and not from what an exchange reports, so that it makes no
 * difference who found it (an exchange with whomever, a stick, the auditor, a program before this
 * one), and so that only who signed is ever named, not who passed it on. It is noted on the record
 * of an approved box, once.
 */
#include "sync/engine_priv.h"

enum { LOOK_EVERY_MS = 2000, AT_ONCE = 256 };

struct finding {
	struct log_id log;
	enum misdeed what;
	uint64_t seq;
};

struct look {
	struct sync *s;
	struct buf found; /* struct finding */
};

static void add_finding(struct look *k, const struct log_info *info, enum misdeed what,
			uint64_t seq)
{
	struct finding f = {.log = info->id, .what = what, .seq = seq};

	if (seq)
		buf_add(&k->found, &f, sizeof(f));
}

/* Our own is no misdeed of ours: engine_twin.c. */
static struct error *see_stopped(void *ctx, const struct log_info *info)
{
	struct look *k = ctx;

	if (engine_is_self(k->s, &info->id.appliance) || !engine_known(k->s, &info->id.appliance))
		return NULL;
	add_finding(k, info, MISDEED_AUTHOR, info->ended);
	add_finding(k, info, MISDEED_FORK, info->frozen);
	return NULL;
}

/* Those that were not noted yet, at most AT_ONCE; more: *ret_more. */
static struct error *leave_out_noted(struct look *k, bool *ret_more)
{
	struct finding *all = (struct finding *)(void *)k->found.p;
	size_t n = k->found.n / sizeof(*all), left = 0;
	struct error *err = NULL;

	pthread_mutex_lock(&k->s->local_lock);
	for (size_t i = 0; i < n && !err && left <= AT_ONCE; i++) {
		bool noted;

		err = conduct_has_proof(k->s->local, all[i].what, &all[i].log, &noted);
		if (!err && !noted)
			all[left++] = all[i];
	}
	pthread_mutex_unlock(&k->s->local_lock);
	*ret_more = left > AT_ONCE;
	k->found.n = (*ret_more ? AT_ONCE : left) * sizeof(*all);
	return err;
}

static struct error *words_of(const struct finding *f)
{
	char seq[24];

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)f->seq);
	if (f->what == MISDEED_FORK)
		return error_new(ERR_FORK,
				 N_("In the space %s nothing counts that stands behind entry %s of "
				    "that history. Both entries are kept as the proof."),
				 ID_SHORT(&f->log.space), seq);
	return error_new(ERR_ENDED,
			 N_("In the space %s nothing counts of what it wrote from its entry %s on. "
			    "That entry is kept as the proof."),
			 ID_SHORT(&f->log.space), seq);
}

static struct error *write_findings(struct sync_writing *w, void *arg)
{
	const struct look *k = arg;
	const struct finding *all = (const struct finding *)(const void *)k->found.p;

	for (size_t i = 0; i < k->found.n / sizeof(*all); i++) {
		_cleanup_(error_freep) struct error *words = words_of(&all[i]);
		struct conduct c = {.peer = all[i].log.appliance,
				    .what = all[i].what,
				    .count = 1,
				    .last_ms = env_now(k->s->o.env)};
		bool is_new;

		snprintf(c.words, sizeof(c.words), "%s", error_stored(words));
		TRY(conduct_note_proof(w->local, &c, &all[i].log, &is_new));
	}
	return NULL;
}

static struct error *find(struct look *k, int64_t *io_change)
{
	struct log_store *log;
	struct error *err;
	int64_t change;

	TRY(readers_take(k->s->readers, &log));
	change = log_change(log);
	err = change == *io_change ? NULL : log_each_stopped(log, NULL, see_stopped, k);
	readers_give(k->s->readers, log);
	if (!err)
		*io_change = change;
	return err;
}

static struct error *look(struct look *k, int64_t *io_change)
{
	bool more = false;

	TRY(find(k, io_change));
	if (!k->found.n)
		return NULL;
	TRY(leave_out_noted(k, &more));
	if (more)
		*io_change = 0;
	if (!k->found.n)
		return NULL;
	TRY(k->s->o.host.write(k->s->o.host.ctx, write_findings, k));
	sync_peers_changed(k->s); /* it weighs from now on */
	return NULL;
}

int64_t engine_proofs_due(const struct sync *s)
{
	return s->look_for_proofs ? s->proofs_from : INT64_MAX;
}

void engine_look_for_proofs(struct sync *s)
{
	struct look k = {.s = s};
	int64_t change = s->proofs_anew ? 0 : s->proofs_change;
	struct error *err;

	s->look_for_proofs = s->proofs_anew = false;
	s->proofs_from = env_mono(s->o.env) + LOOK_EVERY_MS;
	pthread_mutex_unlock(&s->lock);
	err = look(&k, &change);
	buf_release(&k.found);
	pthread_mutex_lock(&s->lock);
	/* A full disk, or more than fitted: again in a while. */
	s->look_for_proofs |= err || !change;
	s->proofs_change = err ? 0 : change;
	error_free(err);
}
