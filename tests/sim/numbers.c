/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Numbers that people compare: volunteers begin attempts between two boxes, whose words meet power
 * cuts and new attempts; hostile boxes say words of every kind for their own key. Two honest boxes
 * that show a number of the same nonces show the same one, and who reveals another nonce than the
 * committed one is shown none.
 */
#include "tests/sim/world.h"
#include "sync/peer/pair.h"

static const struct pubkey *key_of(const struct world *w, int box)
{
	return secret_pubkey(w->s.box[box].key);
}

static struct pairs *pairs_at(struct world *w, int box)
{
	if (!w->at[box].pairs)
		w->at[box].pairs = pairs_new(&w->s.box[box].env.env, key_of(w, box));
	return w->at[box].pairs;
}

void numbers_down(struct world *w, int box)
{
	pairs_free(STEAL(w->at[box].pairs));
}

/* By the frame, as it goes over the wire. */
static void say(struct world *w, int from, int to)
{
	_cleanup_(buf_release) struct buf bytes = {0};
	struct pair_word word, heard;

	pairs_say(pairs_at(w, from), key_of(w, to), &word);
	pair_write(&word, &bytes);
	NEED(&w->s, pair_read(buf_span(&bytes), &heard));
	pairs_hear(pairs_at(w, to), key_of(w, from), &heard);
}

static void compare(struct world *w, int a, int b)
{
	struct pair_view va, vb;

	pairs_look(pairs_at(w, a), key_of(w, b), &va);
	pairs_look(pairs_at(w, b), key_of(w, a), &vb);
	if (va.state == PAIR_BROKEN || vb.state == PAIR_BROKEN)
		sim_die(&w->s, "a number between honest boxes broke", NULL, __FILE__, __LINE__);
	if (va.state != PAIR_SHOWN || vb.state != PAIR_SHOWN)
		return;
	w->tally.numbers++;
	/* One of them may have begun anew since, and says so. */
	if (strcmp(va.number, vb.number) != 0 && !va.anew && !vb.anew && !va.behind && !vb.behind)
		sim_die(&w->s, "two honest boxes show different numbers", NULL, __FILE__, __LINE__);
}

void numbers_meet(struct world *w, int a, int b)
{
	if (w->at[a].hostile || w->at[b].hostile || pubkey_eq(key_of(w, a), key_of(w, b)) ||
	    w->s.twin_of[a] >= 0 || w->s.twin_of[b] >= 0)
		return;
	world_clock(w, a);
	world_clock(w, b);
	if (sim_chance(&w->s, 80))
		error_free(pairs_begin(pairs_at(w, a), key_of(w, b), "", sim_chance(&w->s, 20)));
	if (sim_chance(&w->s, 80))
		error_free(pairs_begin(pairs_at(w, b), key_of(w, a), "", sim_chance(&w->s, 20)));
	for (uint64_t n = sim_below(&w->s, 12); n > 0; n--) {
		int from = sim_chance(&w->s, 50) ? a : b;

		say(w, from, from == a ? b : a);
	}
	compare(w, a, b);
}

static void any_bytes(struct world *w, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)test_rand(&w->s.rand);
}

/* It commits to one nonce, and, when it knows the other's, reveals one that it likes better. */
static void another_nonce(struct world *w, int box, int victim)
{
	struct pairs *p = pairs_at(w, victim);
	const struct pubkey *self = key_of(w, box), *to = key_of(w, victim);
	struct pair_word word = {.form = PAIR_COMMITS}, theirs;
	struct pair_view view;

	if (pairs_begin(p, self, "", true))
		return;
	any_bytes(w, word.nonce, sizeof(word.nonce));
	word.commitment = pair_commitment(self, to, word.nonce);
	pairs_hear(p, self, &word);
	pairs_say(p, self, &theirs);
	word.form = PAIR_REVEALS;
	word.heard = theirs.commitment;
	if (sim_chance(&w->s, 50))
		word.nonce[sim_below(&w->s, PAIR_NONCE)] ^= 1;
	else
		any_bytes(w, word.nonce, sizeof(word.nonce));
	if (sim_chance(&w->s, 30)) /* and the commitment to it, too late */
		word.commitment = pair_commitment(self, to, word.nonce);
	pairs_hear(p, self, &word);
	pairs_look(p, self, &view);
	if (view.state == PAIR_SHOWN)
		sim_die(&w->s, "a number of a nonce that was not committed to", NULL, __FILE__,
			__LINE__);
}

void numbers_lie(struct world *w, int box, int victim)
{
	_cleanup_(buf_release) struct buf bytes = {0};
	struct pair_word word = {.form = (enum pair_form)sim_below(&w->s, 3)};
	struct pair_view view;
	struct error *err;

	if (w->s.twin_of[victim] >= 0)
		return;
	world_clock(w, victim);
	if (sim_chance(&w->s, 50)) {
		another_nonce(w, box, victim);
		return;
	}
	any_bytes(w, word.commitment.b, sizeof(word.commitment));
	any_bytes(w, word.nonce, sizeof(word.nonce));
	pair_write(&word, &bytes);
	hostile_bend(w, &bytes);
	err = pair_read(buf_span(&bytes), &word);
	if (error_is(err, ERR_INTERNAL))
		sim_die(&w->s, "a word", err, __FILE__, __LINE__);
	if (!err)
		pairs_hear(pairs_at(w, victim), key_of(w, box), &word);
	error_free(err);
	/* What nobody began is nothing. */
	pairs_look(pairs_at(w, victim), key_of(w, box), &view);
	if (view.state == PAIR_SHOWN)
		sim_die(&w->s, "a number that was made up", NULL, __FILE__, __LINE__);
}
