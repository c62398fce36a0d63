/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/network/network.h"
#include "appliance/box/box.h"
#include "appliance/http/certificate.h"
#include "firmware/network/before.h"
#include "firmware/network/dns.h"
#include "firmware/network/label.h"
#include "firmware/network/retake.h"
#include "firmware/portal/portal.h"
#include "sync/base/cond.h"
#include "sync/base/day.h"
#include "sync/base/file.h"
#include <pthread.h>
#include <time.h>

enum {
	LOOK_MS = 5000,
	MARGIN_S = 15,	 /* NetworkManager takes back later than we do, so that we say so first */
	AGAIN_S = 60,	 /* what failed beside the profiles is tried again */
};

struct network {
	struct app *app;
	struct trial *trial;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop, poked;
	struct network_view seen;   /* under the lock; its trial and why are not used */
	struct error *why;	    /* under the lock */

	/* the thread's own */
	struct nm *nm;
	char checkpoint[NM_CHECKPOINT];
	char *before; /* where a change that is being tried is written down */
	bool any_before;
	bool taken_back; /* what was tried when the daemon died */
	int visitors;	 /* as the unit was told last: 0, 1; -1: not yet */
	char country[3];
	time_t beside_again; /* monotonic: when what failed is tried again */
	struct retake retake;
};

/* --- what the trial does: on the thread --- */

static struct error *op_try(void *ctx, const struct network_wish *w)
{
	struct network *n = ctx;
	struct error *e;

	ENSURE(n->nm, error_new(ERR_NET, N_("NetworkManager does not answer. Try again in a "
					    "minute.")));
	n->any_before = n->seen.any;
	TRY(network_before_write(n->before, &n->seen.wish, n->any_before));
	e = nm_try(n->nm, w, TRIAL_MS / 1000 + MARGIN_S, n->checkpoint);
	if (e)
		network_before_remove(n->before);
	return e;
}

static struct error *op_keep(void *ctx, const struct network_wish *w)
{
	struct network *n = ctx;

	(void)w;
	ENSURE(n->nm, error_new(ERR_NET, N_("NetworkManager does not answer. Try again in a "
					    "minute.")));
	TRY(nm_keep(n->nm, n->checkpoint));
	network_before_remove(n->before);
	return NULL;
}

static struct error *op_back(void *ctx, const struct network_wish *before)
{
	struct network *n = ctx;

	ENSURE(n->nm, error_new(ERR_NET, N_("NetworkManager does not answer. Try again in a "
					    "minute.")));
	TRY(nm_take_back(n->nm, n->checkpoint, before, n->any_before));
	network_before_remove(n->before);
	return NULL;
}

/* At the first look: the daemon was killed while it tried something, and nobody could keep it. */
static struct error *take_back_orphan(struct network *n)
{
	struct network_wish before = {0};
	struct error *e;
	bool any = false;

	if (n->taken_back)
		return NULL;
	e = network_before_read(n->before, &before, &any);
	if (!e)
		TRY(nm_take_back(n->nm, NULL, &before, any));
	else if (!error_is(e, ERR_NOT_FOUND) && !error_is(e, ERR_INVALID))
		return e;
	error_free(e);
	network_before_remove(n->before);
	n->taken_back = true;
	return NULL;
}

/* --- what follows from the profiles --- */

/* Devices are held only where there is nothing beyond us. */
static bool captive(const struct network_view *v)
{
	return v->state.own_up && !(v->wish.visitors && v->state.uplink);
}

static void lead_devices(struct network *n, const struct network_view *v)
{
	struct portal_place place = {.word = NETWORK_WORD}, old;

	if (!captive(v)) {
		portal_close(n->app->portal);
		return;
	}
	snprintf(place.address, sizeof(place.address), "%s", v->state.own);
	snprintf(place.name, sizeof(place.name), "%s", *v->host ? v->host : v->wanted);
	if (!portal_where(n->app->portal, &old) || strcmp(old.address, place.address) != 0 ||
	    strcmp(old.name, place.name) != 0)
		portal_open(n->app->portal, &place);
}

static struct error *write_names(struct network *n, const struct network_view *v)
{
	char api[NETWORK_HOST + 40];
	const char *host = *v->host ? v->host : v->wanted;
	struct network_dns d = {v->state.own, host, api, captive(v)};
	bool changed;

	if (!*v->state.own)
		return NULL;
	snprintf(api, sizeof(api), "https://%s/captive", host);
	return network_dns_write(n->app->box.network, &d, &changed);
}

static struct error *tell_units(struct network *n, const struct network_view *v)
{
	bool out = v->any && v->wish.visitors;
	char unit[40];

	if (n->visitors != out) {
		TRY(nm_unit(n->nm, "lliure-visitors.service", out));
		n->visitors = out;
	}
	if (v->any && *v->state.radio && strcmp(n->country, v->wish.country) != 0) {
		snprintf(unit, sizeof(unit), "lliure-country@%.2s.service", v->wish.country);
		TRY(nm_unit(n->nm, unit, true));
		memcpy(n->country, v->wish.country, sizeof(n->country));
	}
	return NULL;
}

static bool clock_good(struct app *a)
{
	enum clock_quality q = a->clock ? clock_env_state(a->clock).quality : CLOCK_SURE;

	return q == CLOCK_SURE || q == CLOCK_FROM_PEERS || q == CLOCK_TOLD;
}

/* A box that does not know the hour stays on the air. */
static struct error *keep_hours(struct network *n, const struct network_view *v)
{
	bool on = !clock_good(n->app) ||
		  network_wish_on_air(&v->wish, minute_of_day(env_now(n->app->env)));

	if (!v->any || v->wish.wifi == WIFI_OFF || !*v->state.radio)
		return NULL;
	return nm_air(n->nm, on);
}

static struct error *rename_to(struct app *a, const char *name)
{
	TRY(nm_name_check(name));
	return BOX_ASK(a->box.helper, NULL, "host-name", name);
}

/* A machine is called by a number of its own until it has a community: then it is called like it. */
static struct error *first_name(struct network *n, const struct network_view *v)
{
	char host[NETWORK_HOST], is[NETWORK_HOST];

	snprintf(is, sizeof(is), "%.*s", (int)strcspn(v->wanted, "."), v->wanted);
	if (!network_label_is_new(is) || !box_has_helper(n->app->box.helper))
		return NULL;
	authority_host(n->app->name, host, sizeof(host));
	host[strcspn(host, ".")] = 0;
	return network_label_is_new(host) ? NULL : rename_to(n->app, host);
}

static time_t mono_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* The label, the poster and everybody's bookmarks say the box's own name. */
static struct error *take_name_back(struct network *n, const struct network_view *v)
{
	char name[NETWORK_HOST];

	if (!retake_due(&n->retake, v->renamed && box_has_helper(n->app->box.helper), mono_s()))
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(v->wanted, "."), v->wanted);
	return rename_to(n->app, name);
}

/* For the screen, the button and the label. Not while something is tried: that may be taken back. */
static struct error *write_label(struct network *n, const struct network_view *v,
				 enum trial_state trial)
{
	const char *dir = n->app->box.label;
	struct error *e = network_label_put_host(dir, *v->host ? v->host : v->wanted);

	if (!e && v->any && trial != TRIAL_ASKED && trial != TRIAL_TRYING)
		e = network_label_put(dir, &v->wish);
	if (error_is(e, ERR_NOT_FOUND)) { /* no machine of the image */
		error_free(e);
		e = NULL;
	}
	return e;
}

static void keep_first(struct error **slot, struct error *take_e)
{
	if (*slot)
		error_free(take_e);
	else
		*slot = take_e;
}

static struct error *beside(struct network *n, const struct network_view *v, enum trial_state trial)
{
	struct error *e = NULL;

	lead_devices(n, v);
	keep_first(&e, write_names(n, v));
	keep_first(&e, write_label(n, v, trial));
	if (n->beside_again > mono_s())
		return e;
	keep_first(&e, tell_units(n, v));
	if (trial != TRIAL_ASKED && trial != TRIAL_TRYING)
		keep_first(&e, keep_hours(n, v));
	keep_first(&e, first_name(n, v));
	keep_first(&e, take_name_back(n, v));
	n->beside_again = e ? mono_s() + AGAIN_S : 0;
	return e;
}

/* --- looking --- */

static void names(struct network *n, struct network_view *v)
{
	/* Not gethostname: the daemon's own stays what it was at the start (ProtectHostname=). */
	network_label_host(NULL, n->app->box.state, v->wanted);
	error_free(nm_avahi_name(n->nm, v->host, sizeof(v->host))); /* none: it is not shown */
	v->renamed = *v->host && strcmp(v->host, v->wanted) != 0;
}

static struct error *look(struct network *n, struct network_view *ret)
{
	struct network_view v = {.looked = true};

	if (!n->nm)
		TRY(nm_open(&n->nm));
	TRY(take_back_orphan(n));
	TRY(nm_look(n->nm, &v.wish, &v.any, &v.state));
	if (!v.any)
		network_wish_begin(&v.wish, n->app->name, n->app->env);
	names(n, &v);
	*ret = v;
	return NULL;
}

static void remember(struct network *n, const struct network_view *v, struct error *take_why)
{
	pthread_mutex_lock(&n->lock);
	if (v)
		n->seen = *v;
	else
		n->seen.looked = false;
	error_free(n->why);
	n->why = take_why;
	pthread_mutex_unlock(&n->lock);
}

static enum trial_state trial_state(struct network *n)
{
	struct trial_view v;

	trial_look(n->trial, &v);
	error_free(v.why);
	return v.state;
}

static void turn(struct network *n)
{
	struct network_view v;
	struct error *e = look(n, &v);

	if (e) {
		remember(n, NULL, e);
		nm_close(STEAL(n->nm));
		portal_close(n->app->portal);
		return;
	}
	/* A new wish that nobody has stored yet stays the same one from page to page. */
	if (!v.any && n->seen.looked && !n->seen.any)
		v.wish = n->seen.wish;
	e = beside(n, &v, trial_state(n));
	remember(n, &v, e);
}

static void wait_ms(struct network *n, int ms)
{
	struct timespec until = cond_in_ms(ms);

	pthread_mutex_lock(&n->lock);
	while (!n->stop && !n->poked)
		if (pthread_cond_timedwait(&n->wake, &n->lock, &until))
			break;
	n->poked = false;
	pthread_mutex_unlock(&n->lock);
}

static bool stopping(struct network *n)
{
	bool stop;

	pthread_mutex_lock(&n->lock);
	stop = n->stop;
	pthread_mutex_unlock(&n->lock);
	return stop;
}

static void *run(void *arg)
{
	struct network *n = arg;

	while (!stopping(n)) {
		int next;

		turn(n);
		next = trial_turn(n->trial);
		if (next > 0)
			wait_ms(n, next < LOOK_MS ? next : LOOK_MS);
	}
	return NULL;
}

/* --- its life --- */

struct error *network_start(struct app *a, struct network **ret)
{
	struct network *n;
	struct trial_ops ops = {NULL, op_try, op_keep, op_back};

	*ret = NULL;
	if (!*a->box.helper)
		return NULL;
	n = calloc(1, sizeof(*n));
	ENSURE(n, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	n->app = a;
	n->visitors = -1;
	n->before = path_join(a->dir, "network-before");
	ops.ctx = n;
	n->trial = trial_new(a->env, &ops);
	pthread_mutex_init(&n->lock, NULL);
	cond_init_monotonic(&n->wake);
	if (pthread_create(&n->thread, NULL, run, n)) {
		trial_free(n->trial);
		free(n->before);
		free(n);
		return error_new(ERR_NOMEM, N_("The box has run out of memory."));
	}
	*ret = n;
	return NULL;
}

static void poke(struct network *n)
{
	pthread_mutex_lock(&n->lock);
	n->poked = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
}

/* A trial that runs is taken back at the next start, or by NetworkManager's own clock. */
void network_stop(struct network *n)
{
	if (!n)
		return;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	nm_close(n->nm);
	trial_free(n->trial);
	error_free(n->why);
	free(n->before);
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* --- for pages --- */

static struct error *no_box(void)
{
	return error_new(ERR_NOT_FOUND,
			 N_("The network of this machine is not looked after by its box: set it up "
			    "in the machine's own system."));
}

void network_look(struct network *n, struct network_view *ret)
{
	if (!n) {
		*ret = (struct network_view){.why = no_box()};
		return;
	}
	pthread_mutex_lock(&n->lock);
	*ret = n->seen;
	ret->why = n->why ? error_copy(n->why) : NULL;
	pthread_mutex_unlock(&n->lock);
	trial_look(n->trial, &ret->trial);
}

void network_view_release(struct network_view *v)
{
	error_free(STEAL(v->why));
	error_free(STEAL(v->trial.why));
}

struct error *network_ask(struct network *n, const struct network_wish *wish)
{
	struct network_view v;
	struct error *e;

	network_look(n, &v);
	e = v.looked ? trial_ask(n->trial, &v.wish, wish) : STEAL(v.why);
	if (!e && !v.looked)
		e = error_new(ERR_BUSY, N_("The box is still looking at its network. Try again in "
					   "a moment."));
	network_view_release(&v);
	if (!e)
		poke(n);
	return e;
}

static struct error *from_elsewhere(unsigned from, const char *ssid)
{
	if (from == WISH_RADIO)
		return error_new(ERR_DENIED,
				 N_("You came in another way, which says nothing about the new Wi-Fi. "
				    "Join the Wi-Fi “%s” and press “Keep it” from there."),
				 ssid);
	if (from == WISH_WIRED)
		return error_new(ERR_DENIED,
				 N_("You came in another way, which says nothing about the cable. "
				    "Press “Keep it” from a device on the house's network or on the "
				    "box's cable."));
	return error_new(ERR_DENIED,
			 N_("You came in a way that did not change. Press “Keep it” from the new "
			    "Wi-Fi, or over the cable."));
}

static struct error *check_way(struct network *n, const char *link)
{
	struct error *e = NULL;
	struct network_view v;
	unsigned from;

	network_look(n, &v);
	from = trial_confirmed_from(&v.trial, *v.state.radio, v.state.cable);
	if (v.looked && v.trial.state == TRIAL_TRYING && from && strcmp(link, "lo") != 0 &&
	    !(from & WISH_RADIO && strcmp(link, v.state.radio) == 0) &&
	    !(from & WISH_WIRED && strcmp(link, v.state.wired) == 0))
		e = from_elsewhere(from, v.trial.wish.ssid);
	network_view_release(&v);
	return e;
}

struct error *network_keep(struct network *n, const char *link)
{
	if (!n)
		return no_box();
	TRY(check_way(n, link));
	TRY(trial_keep(n->trial));
	poke(n);
	return NULL;
}

struct error *network_back(struct network *n)
{
	if (!n)
		return no_box();
	TRY(trial_back(n->trial));
	poke(n);
	return NULL;
}

struct error *network_rename(struct app *a, const char *name)
{
	return rename_to(a, name);
}
