/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of lights, and what each finds. */
#include "appliance/health/health_priv.h"
#include "appliance/box/clock.h"
#include "appliance/recovery/recovery.h"
#include "appliance/update/offer.h"

#define MB ((uint64_t)1000 * 1000)

enum {
	HEAT_ATTENTION = 20, /* degrees below where the machine switches itself off */
	HEAT_ACT = 8,
	WEAR_ATTENTION = 80, /* per cent of its life */
	WEAR_ACT = 95,
	ENDS_ATTENTION = 3, /* in a week */
};
#define ROOM_ACT       (300 * MB)
#define ROOM_ATTENTION (1000 * MB)

struct looking {
	struct app *app;
	struct conn *conn;
	struct gathered known;
};
typedef struct error *look_fn(struct looking *l, struct light *ret);

/* A sentence is an error that nobody made: a message id with its arguments. */
#define SAY(light, st, ...)                                                                        \
	((light)->state = (st), (light)->says = error_new(ERR_INTERNAL, __VA_ARGS__))

static const char *number(char out[24], int64_t n)
{
	snprintf(out, 24, "%lld", (long long)n);
	return out;
}

/* --- power ------------------------------------------------------------------------------------ */

static size_t ends_of_the_week(const struct looking *l)
{
	int64_t now = env_now(l->app->env);
	size_t n = 0;

	for (size_t i = 0; i < l->known.n_ends; i++)
		n += l->known.ends[i] > now - WEEK_MS && l->known.ends[i] <= now;
	return n;
}

static void power_by_ends(struct looking *l, bool measured, struct light *ret)
{
	size_t n = ends_of_the_week(l);
	char text[24];

	if (n >= ENDS_ATTENTION) {
		SAY(ret, HEALTH_ATTENTION,
		    N_("The box went off without being stopped %s times in the last week."),
		    number(text, (int64_t)n));
		ret->action = N_("Is it on a socket that somebody switches off? Nothing that was "
				 "saved is lost, but disks and cards wear out by it.");
	} else if (measured) {
		SAY(ret, HEALTH_OK, N_("The voltage is as it should be."));
	} else {
		SAY(ret, HEALTH_OK,
		    N_("The power held in the last week. This machine does not measure "
		       "its voltage."));
	}
}

static struct error *look_power(struct looking *l, struct light *ret)
{
	struct power_reading p;
	char text[24];

	power_read(&l->known.roots, &p);
	if (p.low) {
		SAY(ret, HEALTH_ACT,
		    N_("The voltage is too low at this moment: the power supply or its cable is "
		       "too "
		       "weak."));
	} else if (p.battery) {
		SAY(ret, p.battery_percent < 20 ? HEALTH_ACT : HEALTH_ATTENTION,
		    N_("The mains are away. The box runs on its battery, which has %s %% left."),
		    number(text, p.battery_percent));
		ret->action = N_("Plug it in, or stop the box before the battery is empty.");
	} else if (p.was_low || l->known.low_seen) {
		SAY(ret, HEALTH_ATTENTION,
		    N_("The voltage was too low at times since the box was switched on."));
	} else {
		power_by_ends(l, p.known, ret);
	}
	if (!ret->action && ret->state != HEALTH_OK)
		ret->action =
			N_("Use the power supply that was made for this machine, with a short "
			   "cable. A disk that needs much power gets a supply of its own.");
	return NULL;
}

/* --- temperature, wear, space ----------------------------------------------------------------- */

static struct error *look_heat(struct looking *l, struct light *ret)
{
	struct heat_reading h;
	char text[24];

	heat_read(&l->known.roots, &h);
	number(text, h.celsius);
	if (!h.known) {
		SAY(ret, HEALTH_UNKNOWN, N_("This machine has no thermometer."));
		return NULL;
	}
	if (h.celsius >= h.limit - HEAT_ACT)
		SAY(ret, HEALTH_ACT, N_("%s °C: too hot. The box slows down to protect itself."),
		    text);
	else if (h.celsius >= h.limit - HEAT_ATTENTION)
		SAY(ret, HEALTH_ATTENTION, N_("%s °C: warmer than is good for it."), text);
	else
		SAY(ret, HEALTH_OK, N_("%s °C: cool enough."), text);
	if (ret->state != HEALTH_OK)
		ret->action = N_("Give it air: nothing on top of it, out of the sun and away from "
				 "heaters, no dust in its openings.");
	return NULL;
}

/* What the first program of the image found, and could mend or not. */
static bool left_at_the_start(const struct looking *l, const char *name)
{
	_cleanup_(freep) char *path = path_join(l->app->box.left, name);

	return *l->app->box.left && access(path, F_OK) == 0;
}

static bool look_start(struct looking *l, struct light *ret)
{
	if (left_at_the_start(l, "data-mended")) {
		SAY(ret, HEALTH_ACT,
		    N_("The file system of the disk was damaged when the box started, and was mended."));
		ret->action = N_("Make a backup now. If it happens again, put in a new disk or card.");
		ret->url = "/admin/recovery";
	} else if (left_at_the_start(l, "state-lost")) {
		SAY(ret, HEALTH_ACT,
		    N_("The box could not read its own settings when it started: it runs without them."));
		ret->action = N_("See whether its network is as you want it, and put in a new disk or card "
				 "soon.");
		ret->url = "/admin/network";
	}
	return ret->says != NULL;
}

/* What the kernel met while the box runs: after it nothing more is written (image/initrd/init), and the
 * next start mends. */
static bool look_errors(struct looking *l, const char *disk, struct light *ret)
{
	if (disk_errors(&l->known.roots, disk) == 0)
		return false;
	SAY(ret, HEALTH_ACT, N_("The disk made errors while the box was running."));
	ret->action = N_("Make a backup now, then restart the box: it mends what can be mended. If it "
			 "happens again, put in a new disk or card.");
	ret->url = "/admin/recovery";
	return true;
}

static struct error *look_wear(struct looking *l, struct light *ret)
{
	struct wear_reading w = {.known = false};
	char disk[DISK_NAME], text[24];
	bool known = disk_under(&l->known.roots, l->app->dir, disk);

	if (known && look_errors(l, disk, ret))
		return NULL;
	if (look_start(l, ret))
		return NULL;
	if (known)
		wear_read_card(&l->known.roots, disk, &w);
	if (!w.known)
		w = l->known.wear;
	if (!w.known) {
		SAY(ret, HEALTH_UNKNOWN,
		    N_("The disk does not say how worn it is; memory cards never do."));
		ret->action = N_("Keep backups, and put in a new card every three years.");
		ret->url = "/admin/recovery";
		return NULL;
	}
	number(text, w.used);
	if (w.failing)
		SAY(ret, HEALTH_ACT, N_("The disk says that it will fail soon."));
	else if (w.used >= WEAR_ACT)
		SAY(ret, HEALTH_ACT, N_("The disk has used %s %% of its life."), text);
	else if (w.used >= WEAR_ATTENTION)
		SAY(ret, HEALTH_ATTENTION, N_("The disk has used %s %% of its life."), text);
	else
		SAY(ret, HEALTH_OK, N_("The disk is in order: %s %% of its life is used."), text);
	if (ret->state != HEALTH_OK) {
		ret->action = N_("Make a backup now, and put in a new disk or card soon.");
		ret->url = "/admin/recovery";
	}
	return NULL;
}

static struct error *look_space(struct looking *l, struct light *ret)
{
	struct room_reading r;
	char free[24], percent[24];

	room_read(l->app->dir, &r);
	if (!r.size) {
		SAY(ret, HEALTH_UNKNOWN, N_("The disk does not say how much room it has."));
		return NULL;
	}
	number(free, (int64_t)(r.free / MB));
	number(percent, (int64_t)(r.free * 100 / r.size));
	if (r.free < WRITER_ROOM && !(l->app->writer && writer_has_room(l->app->writer)))
		SAY(ret, HEALTH_ACT,
		    N_("The disk is full: nobody can write any more. What was saved is safe, and "
		       "volunteers can still sign in and make room."));
	else if (r.free < ROOM_ACT || r.free_files < 2)
		SAY(ret, HEALTH_ACT, N_("Only %s MB are free: soon nobody can write any more."),
		    free);
	else if (r.free < ROOM_ATTENTION)
		SAY(ret, HEALTH_ATTENTION, N_("%s MB are free: little for a year of writing."),
		    free);
	else
		SAY(ret, HEALTH_OK, N_("%s %% of the disk is free."), percent);
	if (ret->state != HEALTH_OK) {
		ret->action =
			N_("Erase files that nobody needs, let old messages go that other houses hold, "
			   "remove backups kept for houses that are gone, or ask for a larger card or "
			   "disk. Nothing that was saved is lost when it is full.");
		ret->url = "/admin/keep#largest";
	}
	return NULL;
}

/* --- clock, backups, peers -------------------------------------------------------------------- */

/* A computer without a network most often has the right time: only what speaks against it asks for
 * somebody. */
static void unsure_clock(enum clock_word word, struct light *ret)
{
	if (word == CLOCK_FOR) {
		SAY(ret, HEALTH_OK,
		    N_("The clock agrees with what else the box can know of the time."));
		return;
	}
	ret->url = "/admin/place#clock";
	if (word == CLOCK_NOTHING) {
		SAY(ret, HEALTH_UNKNOWN,
		    N_("Nothing confirms the clock of the box, and nothing speaks against it."));
		ret->action = N_("If what is written now gets a wrong date, tell the box the time.");
		return;
	}
	SAY(ret, HEALTH_ATTENTION,
	    N_("The box is not sure of the time: nothing confirms its clock."));
	ret->action = N_("Dates of what is written now may be wrong, nothing else. Tell it the "
			 "time; or the internet or connected houses will.");
}

static struct error *look_clock(struct looking *l, struct light *ret)
{
	struct clock_state s = box_clock_state(l->app);

	switch (s.quality) {
	case CLOCK_SURE:
		SAY(ret, HEALTH_OK, N_("The clock is right: the internet's time keeps it."));
		break;
	case CLOCK_FROM_PEERS:
		SAY(ret, HEALTH_OK, N_("The clock is right: connected houses tell the time."));
		break;
	case CLOCK_TOLD:
		SAY(ret, HEALTH_OK,
		    N_("A volunteer has told the box the time, and it counts on from there."));
		break;
	case CLOCK_FROM_SEEN:
		unsure_clock(CLOCK_AGAINST, ret);
		break;
	case CLOCK_UNSURE:
		unsure_clock(s.word, ret);
		break;
	}
	return NULL;
}

static struct error *count_place(void *ctx, const struct place *p)
{
	(void)p;
	++*(int *)ctx;
	return NULL;
}

static struct error *look_backups(struct looking *l, struct light *ret)
{
	struct recovery_state s;
	const char *warning;
	int places = 0;
	bool grave;

	TRY(recovery_warning(l->conn, env_now(l->app->env), &warning, &grave));
	TRY(recovery_state(l->conn, &s));
	TRY(place_each(l->conn, count_place, &places));
	ret->url = "/admin/recovery";
	if (warning && places) {
		SAY(ret, *s.proof_problem ? HEALTH_ACT : HEALTH_ATTENTION, warning, "");
		ret->action = N_("See what went wrong, and make a backup again.");
	} else if (!places) {
		SAY(ret, HEALTH_ATTENTION, N_("Nobody has said where backups go: there are none."));
		ret->action = N_("Choose a disk, a stick or a connected house for them.");
	} else if (!s.sheets_ms) {
		SAY(ret, HEALTH_ATTENTION,
		    N_("Backups are made, and nobody has printed the sheets that open them."));
		ret->action = N_("Print the recovery sheets, and give them to three people.");
	} else {
		SAY(ret, HEALTH_OK, N_("Backups are made and tried out."));
		ret->url = NULL;
	}
	return NULL;
}

struct peer_count {
	int64_t now;
	int all, trouble;
};

static struct error *count_peer(void *ctx, const struct peer *p)
{
	struct peer_count *n = ctx;

	n->all++;
	n->trouble += peer_is_lost(p, n->now);
	return NULL;
}

static struct error *look_peers(struct looking *l, struct light *ret)
{
	struct peer_count n = {.now = env_now(l->app->env)};
	char all[24], trouble[24];

	TRY(peer_each(l->conn->local, count_peer, &n));
	number(all, n.all);
	number(trouble, n.trouble);
	ret->url = "/admin/peers";
	if (!n.all) {
		SAY(ret, HEALTH_UNKNOWN,
		    N_("No other house is connected: what is written here is only here."));
		ret->action = N_("Connect the box of another house. Each keeps the other's words.");
	} else if (n.trouble) {
		SAY(ret, HEALTH_ATTENTION,
		    N_("The last exchange did not succeed with %s of %s connected houses."),
		    trouble, all);
		ret->action = N_("See which, and ask their volunteers whether their box is on.");
	} else {
		SAY(ret, HEALTH_OK, N_("All is well with the connected houses (%s)."), all);
		ret->url = NULL;
	}
	return NULL;
}

static struct error *look_updates(struct looking *l, struct light *ret)
{
	struct update_state u;
	struct offer_file f;
	const char *action = NULL;
	bool waits = false;

	update_state_read(l->app, &u);
	ret->url = u.box ? "/admin/update" : NULL;
	if (!update_is_at_work(&u) && !update_is_trouble(&u))
		TRY(offer_waits(l->conn, &f, &waits));
	if (u.box && waits) {
		SAY(ret, HEALTH_ATTENTION, N_("A newer system is here and was found good: version %s."),
		    f.version);
		ret->action = N_("Install it when nobody needs the box for some minutes.");
		return NULL;
	}
	ret->says = update_says(&u, &ret->state, &action);
	ret->action = action;
	return NULL;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
	const char *name, *title;
	look_fn *look;
} lights[HEALTH_LIGHTS] = {
	{"power", N_("Power"), look_power},	     {"temperature", N_("Temperature"), look_heat},
	{"wear", N_("Wear of the disk"), look_wear}, {"space", N_("Room on the disk"), look_space},
	{"clock", N_("Clock"), look_clock},	     {"backups", N_("Backups"), look_backups},
	{"peers", N_("Other houses"), look_peers},   {"updates", N_("Updates"), look_updates},
};

const char *health_state_name(enum health_state s)
{
	static const char *const names[] = {"unknown", "ok", "attention", "act"};

	return names[s];
}

struct error *health_look(struct app *a, struct conn *c, struct light ret[HEALTH_LIGHTS])
{
	struct looking l = {.app = a, .conn = c};
	struct error *e = NULL;

	memset(ret, 0, sizeof(*ret) * HEALTH_LIGHTS);
	health_gathered(a, &l.known);
	for (size_t i = 0; i < HEALTH_LIGHTS && !e; i++) {
		ret[i].name = lights[i].name;
		ret[i].title = lights[i].title;
		e = lights[i].look(&l, &ret[i]);
	}
	if (e)
		lights_release(ret);
	return e;
}

void lights_release(struct light all[HEALTH_LIGHTS])
{
	for (size_t i = 0; i < HEALTH_LIGHTS; i++)
		error_free(STEAL(all[i].says));
}

enum health_state lights_worst(const struct light all[HEALTH_LIGHTS])
{
	enum health_state worst = HEALTH_OK;

	for (size_t i = 0; i < HEALTH_LIGHTS; i++)
		if (all[i].state > worst)
			worst = all[i].state;
	return worst;
}
