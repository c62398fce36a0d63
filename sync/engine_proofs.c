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

struct look {
	struct sync *s;
	struct buf found; /* struct proof */
};

/* Our own is no misdeed of ours: engine_twin.c. */
static bool is_known(void *ctx, const struct pubkey *appliance)
{
	struct sync *s = ctx;

	return !engine_is_self(s, appliance) && engine_known(s, appliance);
}

static struct error *words_of(const struct proof *f)
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
	const struct proof *all = (const struct proof *)(const void *)k->found.p;

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

/* Nothing was frozen or ended since: nothing is looked for. */
static struct error *find(struct look *k, int64_t *io_stops)
{
	struct log_store *log;
	struct error *err = NULL;
	int64_t stops;

	TRY(readers_take(k->s->readers, &log));
	stops = log_stops(log);
	if (stops != *io_stops)
		err = proofs_find(&k->s->proofs, log, is_known, k->s, &k->found);
	readers_give(k->s->readers, log);
	if (!err)
		*io_stops = stops;
	return err;
}

static struct error *look(struct look *k, int64_t *io_stops)
{
	bool more = false;
	struct error *err;

	TRY(find(k, io_stops));
	if (!k->found.n)
		return NULL;
	pthread_mutex_lock(&k->s->local_lock);
	err = proofs_leave_out(&k->s->proofs, k->s->local, AT_ONCE, &k->found, &more);
	pthread_mutex_unlock(&k->s->local_lock);
	TRY(err);
	if (more)
		*io_stops = -1;
	if (!k->found.n)
		return NULL;
	TRY(k->s->o.host.write(k->s->o.host.ctx, write_findings, k));
	proofs_noted(&k->s->proofs, &k->found);
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
	int64_t stops = s->proofs_anew ? -1 : s->proofs_stops;
	struct error *err;

	s->look_for_proofs = s->proofs_anew = false;
	s->proofs_from = env_mono(s->o.env) + LOOK_EVERY_MS;
	pthread_mutex_unlock(&s->lock);
	err = look(&k, &stops);
	buf_release(&k.found);
	pthread_mutex_lock(&s->lock);
	/* A full disk, or more than fitted: again in a while. */
	s->look_for_proofs |= err || stops < 0;
	s->proofs_stops = err ? -1 : stops;
	error_free(err);
}
