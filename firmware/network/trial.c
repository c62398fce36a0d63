/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "firmware/network/trial.h"
#include <pthread.h>
#include <string.h>

enum { QUIET_MS = 5000 };

/* Which steps there are. */
static const bool may[TRIAL_STATES][TRIAL_STATES] = {
	[TRIAL_IDLE] = {[TRIAL_ASKED] = true},
	[TRIAL_ASKED] = {[TRIAL_TRYING] = true, [TRIAL_FAILED] = true},
	[TRIAL_TRYING] = {[TRIAL_KEPT] = true, [TRIAL_BACK] = true, [TRIAL_FAILED] = true},
	[TRIAL_KEPT] = {[TRIAL_ASKED] = true},
	[TRIAL_BACK] = {[TRIAL_ASKED] = true},
	[TRIAL_FAILED] = {[TRIAL_ASKED] = true},
};

struct trial {
	const struct env *env;
	struct trial_ops ops;
	pthread_mutex_t lock;
	enum trial_state state;
	int64_t due;	 /* env_mono: of the deed, or of taking back */
	bool keep, back; /* somebody said so; trial_turn does it */
	struct network_wish before, wish;
	struct error *why;
};

struct trial *trial_new(const struct env *env, const struct trial_ops *ops)
{
	struct trial *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->env = env;
	t->ops = *ops;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void trial_free(struct trial *t)
{
	if (!t)
		return;
	error_free(t->why);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* The one function that moves the state; the lock is held. */
static void move(struct trial *t, enum trial_state to, int64_t due, struct error *take_why)
{
	if (!may[t->state][to])
		abort();
	t->state = to;
	t->due = due;
	t->keep = t->back = false;
	error_free(t->why);
	t->why = take_why;
}

struct error *trial_ask(struct trial *t, const struct network_wish *before,
			const struct network_wish *wish)
{
	bool free_now;

	TRY(network_wish_check(wish));
	pthread_mutex_lock(&t->lock);
	free_now = may[t->state][TRIAL_ASKED];
	if (free_now) {
		t->before = *before;
		t->wish = *wish;
		move(t, TRIAL_ASKED, env_mono(t->env) + TRIAL_MOMENT_MS, NULL);
	}
	pthread_mutex_unlock(&t->lock);
	ENSURE(free_now, error_new(ERR_BUSY, N_("A change of the network is being tried already. "
						"Keep it or take it back first.")));
	return NULL;
}

static struct error *say(struct trial *t, bool keep)
{
	bool trying;

	pthread_mutex_lock(&t->lock);
	trying = t->state == TRIAL_TRYING && !t->keep && !t->back && env_mono(t->env) < t->due;
	if (trying) {
		t->keep = keep;
		t->back = !keep;
	}
	pthread_mutex_unlock(&t->lock);
	ENSURE(trying, error_new(ERR_CONFLICT, N_("No change of the network is being tried now: it "
						  "was taken back, or kept, before.")));
	return NULL;
}

struct error *trial_keep(struct trial *t)
{
	return say(t, true);
}

struct error *trial_back(struct trial *t)
{
	return say(t, false);
}

void trial_look(struct trial *t, struct trial_view *ret)
{
	int64_t left;

	pthread_mutex_lock(&t->lock);
	left = t->due - env_mono(t->env);
	*ret = (struct trial_view){.state = t->keep   ? TRIAL_KEPT
					    : t->back ? TRIAL_BACK
						      : t->state,
				   .before = t->before,
				   .wish = t->wish,
				   .left_s = left > 0 ? (int)((left + 999) / 1000) : 0,
				   .why = t->why ? error_copy(t->why) : NULL};
	pthread_mutex_unlock(&t->lock);
}

unsigned trial_confirmed_from(const struct trial_view *v, bool radio, bool cable)
{
	unsigned from = network_wish_touches(&v->before, &v->wish);

	if (v->wish.wifi == WIFI_OFF || !radio)
		from &= ~(unsigned)WISH_RADIO;
	if (!cable)
		from &= ~(unsigned)WISH_WIRED;
	return from;
}

static void begin(struct trial *t)
{
	struct error *e = t->ops.try_it(t->ops.ctx, &t->wish);

	pthread_mutex_lock(&t->lock);
	if (e)
		move(t, TRIAL_FAILED, 0, e);
	else
		move(t, TRIAL_TRYING, env_mono(t->env) + TRIAL_MS, NULL);
	pthread_mutex_unlock(&t->lock);
}

/* What can't be stored is not kept: it would be gone at the next start. */
static void end(struct trial *t, bool keep)
{
	struct error *e = keep ? t->ops.keep(t->ops.ctx, &t->wish) : NULL, *back = NULL;

	if (!keep || e)
		back = t->ops.take_back(t->ops.ctx, &t->before);
	pthread_mutex_lock(&t->lock);
	if (!e)
		e = STEAL(back);
	move(t, e ? TRIAL_FAILED : keep ? TRIAL_KEPT : TRIAL_BACK, 0, e);
	pthread_mutex_unlock(&t->lock);
	error_free(back);
}

int trial_turn(struct trial *t)
{
	enum { NOTHING, BEGIN, KEEP, BACK } deed = NOTHING;
	int64_t left;

	/* wish and before change only where the state is at rest, which the deeds below never see:
	 * they may read them without the lock */
	pthread_mutex_lock(&t->lock);
	left = t->due - env_mono(t->env);
	if (t->state == TRIAL_ASKED && left <= 0)
		deed = BEGIN;
	else if (t->state == TRIAL_TRYING)
		deed = t->keep ? KEEP : t->back || left <= 0 ? BACK : NOTHING;
	if (t->state != TRIAL_ASKED && t->state != TRIAL_TRYING)
		left = QUIET_MS;
	pthread_mutex_unlock(&t->lock);
	if (deed == BEGIN)
		begin(t);
	else if (deed != NOTHING)
		end(t, deed == KEEP);
	if (deed != NOTHING)
		return 0;
	return left > QUIET_MS ? QUIET_MS : (int)left;
}
