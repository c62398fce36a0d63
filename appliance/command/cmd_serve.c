/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The daemon: opens the box, starts its doors, and waits for the signal to stop. */
#include "appliance/app_priv.h"
#include "appliance/box/box.h"
#include "appliance/box/clock.h"
#include "appliance/box/zone.h"
#include "appliance/carry/carry.h"
#include "appliance/command/cmd.h"
#include "appliance/copy/copy.h"
#include "appliance/erased/erased.h"
#include "appliance/files/files.h"
#include "appliance/health/health.h"
#include "appliance/health/opening.h"
#include "appliance/health/watchdog.h"
#include "appliance/http/certificate.h"
#include "appliance/http/http.h"
#include "appliance/library/library.h"
#include "appliance/member/account.h"
#include "appliance/network/network.h"
#include "appliance/page/language.h"
#include "appliance/page/templates.h"
#include "appliance/partial/partial.h"
#include "appliance/recovery/ask.h"
#include "appliance/recovery/recovery.h"
#include "appliance/search/search.h"
#include "appliance/setup/folder.h"
#include "appliance/setup/label.h"
#include "appliance/setup/lost.h"
#include "appliance/setup/setup.h"
#include "appliance/update/commit.h"
#include "appliance/update/offer.h"
#include "firmware/network/label.h"
#include "firmware/portal/portal.h"
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

enum {
	FILES_WANTED = 16384,
	AGAIN_S = 1, /* until it begins again */
	NETWORK_S = 300, /* so long a box waits for its network before it says where it is */
	DOOR_TEXT = 100,
};

struct daemon {
	struct command_run *run;
	struct app *app;
	struct http_server *http;
	struct control *control;
	struct library_git *git;
	struct search_thread *search;
	struct erased_thread *erased;
	struct clock_env *clock;
	struct opening *opening;
	struct watchdog *watchdog;
	struct commit *commit;
	struct http_sockets sockets; /* that the first run left */
	int lock;
};

/* Slow connections cost a file each: ask for as many as the system gives. */
static void raise_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= FILES_WANTED)
		return;
	r.rlim_cur = r.rlim_max < FILES_WANTED ? r.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* Every commit: peers are told; the library's repository and the search index follow. */
static void on_commit(void *ctx)
{
	struct daemon *d = ctx;

	if (d->app->sync)
		sync_poke(d->app->sync);
	if (d->git)
		library_git_poke(d->git);
	search_poke(d->search);
	erased_poke(d->erased);
	partial_poke(d->app->partial);
	files_poke(d->app->files);
}

/* The published repositories and the files hold nothing any more that the view does not. */
static bool settled(void *ctx)
{
	struct daemon *d = ctx;
	bool files = files_settled(d->app->files);

	return library_git_settled(d->git) && files;
}

static const char *option_or(const struct command_run *run, const char *name, const char *otherwise)
{
	const char *s = command_option(run, name);

	return s ? s : otherwise;
}

/* On a network that is the box's own affair and was made by other means, such as a router. */
static struct error *start_portal(struct daemon *d)
{
	const char *address = command_option(d->run, "--portal");
	struct portal_place place = {.word = ""};

	if (!address)
		return NULL;
	ENSURE(portal_address_good(address),
	       error_new(ERR_USAGE, N_("“%s” is not an address such as 10.1.1.1."), address));
	snprintf(place.address, sizeof(place.address), "%s", address);
	authority_host(d->app->name, place.name, sizeof(place.name));
	portal_open(d->app->portal, &place);
	return NULL;
}

static struct error *start_doors(struct daemon *d)
{
	struct http_options o = {.http = option_or(d->run, "--http", "[::]:8080"),
				 .https = option_or(d->run, "--https", "[::]:8444"),
				 .sockets = &d->sockets};

	TRY(languages_load(assets, &d->app->languages));
	TRY(app_read_language(d->app));
	TRY(templates_load(assets, d->app->languages, &d->app->templates));
	TRY(library_git_start(d->app, &d->git));
	TRY(search_start(d->app, &d->search));
	TRY(start_portal(d));
	return http_start(d->app, &o, &d->http);
}

/* The box has another key now: everything is closed and begins again, when the page that says so
 * has been sent. */
static void begin_again(struct app *a)
{
	struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec soon = {.it_value = {AGAIN_S, 0}};
	timer_t timer;

	(void)a;
	if (timer_create(CLOCK_MONOTONIC, &how, &timer) || timer_settime(timer, 0, &soon, NULL))
		raise(SIGUSR1);
}

static struct error *own_statement(struct app *a, char out[SUCCESSOR_TEXT])
{
	_cleanup_(conn_closep) struct conn *c = NULL;

	TRY(app_conn(a, &c));
	return copy_own_statement(c, secret_pubkey(a->self), out);
}

static struct error *start_sync(struct daemon *d)
{
	struct app_paths paths;
	struct sync_options o = app_sync_options(d->app, &paths);
	char statement[SUCCESSOR_TEXT];
	struct sync *s;

	o.listen = option_or(d->run, "--sync", "[::]:8443");
	d->app->http_port = o.http_port = http_port(d->http);
	o.mdns = command_option(d->run, "--no-mdns") == NULL;
	TRY(own_statement(d->app, statement));
	o.successor = statement;
	TRY(sync_start(&o, &s));
	d->app->sync = s;
	d->app->again = begin_again;
	return NULL;
}

/* --- the first run ---------------------------------------------------------------------------- */

static void announce_setup(struct daemon *d, struct setup *s, const struct app_box *box)
{
	FILE *out = d->run->out;
	char host[NETWORK_LABEL_HOST];

	/* On the screen of a box: before its Wi-Fi is known, and should that never be. */
	if (*box->helper) {
		network_label_host(box->label, box->state, host);
		fprintf(out,
			"\nThis box is new. Set it up with a phone or a computer on its network:\n\n"
			"  its first page  http://%s\n"
			"  the code        %s\n",
			host, setup_code(s));
		fflush(out);
		return;
	}
	fprintf(out,
		"There is no box in %s yet. Set it up in a browser:\n\n"
		"  here            http://localhost:%d\n"
		"  from elsewhere  https://THIS-MACHINE:%d\n"
		"  the code        %s\n"
		"\nCtrl-C stops it.\n",
		d->run->dir, setup_http_port(s), setup_https_port(s), setup_code(s));
	fflush(out);
}

/* On a box of the image: on its screen, and for who prints its label. true: it is said. */
static bool say_label(const struct daemon *d, struct setup *s, const struct app_box *box)
{
	struct label l = {.code = setup_code(s)};
	char text[LABEL_TEXT];

	if (!label_wifi(box, &l))
		return false;
	label_text(&l, text);
	fprintf(d->run->out, "\n%s", text);
	fflush(d->run->out);
	error_free(label_write(box, &l)); /* then it is on the screen only */
	return true;
}

/* Wait until the pages have made a box, or a signal comes. The Wi-Fi may be there later than we. */
static bool wait_for_box(const struct daemon *d, struct setup *s, const struct app_box *box,
			 const sigset_t *set)
{
	const struct timespec moment = {0, 100 * 1000 * 1000};
	bool said = !*box->label;

	while (!setup_done(s)) {
		said = said || say_label(d, s, box);
		if (sigtimedwait(set, NULL, &moment) > 0)
			return false;
	}
	return true;
}

static struct error *first_run(struct daemon *d, const sigset_t *set)
{
	struct setup_options o = {.dir = d->run->dir,
				  .env = &env_system,
				  .http = option_or(d->run, "--http", "[::]:8080"),
				  .https = option_or(d->run, "--https", "[::]:8444"),
				  .backups = command_option(d->run, "--backups"),
				  .sticks = command_option(d->run, "--sticks"),
				  .mdns = command_option(d->run, "--no-mdns") == NULL};
	struct watchdog *watchdog;
	struct commit *commit;
	struct app_box box;
	struct setup *s;
	bool made;

	box_paths(command_option(d->run, "--box"), &box);
	o.box = &box;
	TRY(setup_folder_clear(d->run->dir, false));
	TRY(setup_start(&o, &s));
	announce_setup(d, s, &box);
	watchdog = watchdog_start(setup_http_port(s), NULL);
	commit = commit_start(&box, NULL, setup_http_port(s));
	made = wait_for_box(d, s, &box, set);
	commit_stop(commit);
	watchdog_stop(watchdog);
	setup_stop(s, &d->sockets);
	return made ? NULL : error_new(ERR_STOPPED, N_("Stopped before there was a box."));
}

/* The data can't be opened: a page says so until somebody switches the box off. Whether this system is
 * healthy is asked for a disk, which every system would find so; one that is too old for its data is
 * not, and the boot loader counts it. */
static struct error *serve_lost(const struct command_run *run, enum lost_why why,
				const struct app_box *box, const sigset_t *set)
{
	struct watchdog *watchdog;
	struct commit *commit;
	struct lost *l;
	int sig;

	TRY(lost_start(option_or(run, "--http", "[::]:8080"), why, &l));
	watchdog = watchdog_start(lost_port(l), NULL);
	commit = why == LOST_DISK ? commit_start(box, NULL, lost_port(l)) : NULL;
	fprintf(run->note, why == LOST_DISK
				   ? "The data partition can't be read: a page says what to do.\n"
				   : "The data are of a newer system: a page says what to do.\n");
	sigwait(set, &sig);
	commit_stop(commit);
	watchdog_stop(watchdog);
	lost_stop(l);
	return NULL;
}

/* A clock that knows at least when the box ran last. */
static struct clock_env *open_clock(const char *dir)
{
	_cleanup_(freep) char *path = path_join(dir, "clock");

	return clock_env_new(path, &env_system, NULL, NULL);
}

struct newest_own {
	struct app *app;
	struct log_store *log;
	int64_t time;
};

static struct error *see_own(void *ctx, const struct stored *e)
{
	struct newest_own *k = ctx;
	struct entry h;

	entry_decode(&e->raw, &h);
	if (h.time > k->time)
		k->time = h.time;
	return NULL;
}

static struct error *look_at_log(void *ctx, const struct log_info *info)
{
	struct newest_own *k = ctx;

	if (!pubkey_eq(&info->id.appliance, secret_pubkey(k->app->self)) || !info->head)
		return NULL;
	return log_range(k->log, info->num, info->head, info->head, see_own, k);
}

/* It is at least as late as what this box wrote last. What can't be read says nothing. */
static void clock_sees_own(struct daemon *d)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct newest_own k = {.app = d->app};
	struct error *e = app_conn(d->app, &c);

	if (!e) {
		k.log = c->log;
		e = log_each(c->log, NULL, look_at_log, &k);
	}
	if (!e && k.time)
		clock_env_wrote(d->clock, k.time);
	error_free(e);
}

/* No older system is started any more: it could not read what is stored from now on. */
static struct error *newer_data(void *ctx)
{
	struct app_box box;

	box_paths(ctx, &box);
	return BOX_ASK(box.helper, NULL, "newer-data");
}

static struct error *open_app(struct daemon *d)
{
	const char *root = command_option(d->run, "--box");
	struct app_told told = {(void *)(uintptr_t)root, newer_data};

	if (!root)
		return app_open(d->run->dir, clock_env_get(d->clock), &d->app);
	return app_open_telling(d->run->dir, clock_env_get(d->clock), &told, &d->app);
}

static struct error *start(struct daemon *d, const sigset_t *set)
{
	struct error *e = setup_is_box(d->run->dir) ? NULL : setup_folder_check(d->run->dir);
	struct app_box box;

	if (!e)
		e = command_lock(d->run->dir, &d->lock);
	if (error_is(e, ERR_BUSY)) {
		error_free(e);
		return error_new(
			ERR_BUSY,
			N_("The box in %s is being served already, or another command is at"
			   " work on it."),
			d->run->dir);
	}
	TRY(e);
	box_paths(command_option(d->run, "--box"), &box);
	box_zone_begin(&box);
	if (!setup_is_box(d->run->dir))
		TRY(first_run(d, set));
	d->opening = opening_start();
	d->clock = open_clock(d->run->dir);
	TRY(open_app(d));
	d->app->clock = d->clock;
	clock_sees_own(d);
	d->app->box = box;
	TRY(box_clock_begin(d->app));
	d->app->portal = portal_new(d->app->env);
	TRY(health_start(d->app, &d->app->health));
	TRY(network_start(d->app, &d->app->network));
	TRY(start_doors(d));
	TRY(offer_open(d->app, &d->app->offers)); /* sync asks it */
	TRY(start_sync(d));
	TRY(offer_start(d->app->offers));
	TRY(keeper_start(d->app,
			 &(struct keeper_options){.backups = command_option(d->run, "--backups"),
						  .sticks = command_option(d->run, "--sticks")},
			 &d->app->keeper));
	TRY(files_start(d->app, &d->app->files));
	TRY(erased_start(d->app, &(struct erased_settled){settled, d}, &d->erased));
	TRY(partial_start(d->app, &d->app->partial));
	writer_on_commit(d->app->writer, on_commit, d);
	on_commit(d); /* what was committed while they started */
	TRY(carry_start(d->app, command_option(d->run, "--sticks"), &d->app->carry));
	TRY(control_start(d->app, &d->control));
	d->watchdog = watchdog_start(http_port(d->http), d->app->writer);
	opening_stop(STEAL(d->opening));
	d->commit = commit_start(&d->app->box, d->app, http_port(d->http));
	return NULL;
}

static void stop(struct daemon *d)
{
	opening_stop(d->opening);
	commit_stop(d->commit);
	watchdog_stop(d->watchdog);
	/* Commands and pages that wait for an exchange would be waited for. */
	if (d->app)
		d->app->ending = true;
	sync_stopping(d->app ? d->app->sync : NULL);
	if (d->app)
		sieves_stop(d->app->sieves);
	control_stop(d->control);
	http_stop(d->http);
	if (d->app) {
		carry_stop(STEAL(d->app->carry));
		health_stop(STEAL(d->app->health));
		network_stop(STEAL(d->app->network));
		keeper_stop(STEAL(d->app->keeper));
		ask_stop(d->app->ask); /* it asks sync */
		struct sync *s = d->app->sync;

		writer_on_commit(d->app->writer, NULL, NULL);
		offer_stop(d->app->offers);	     /* it asks sync */
		partial_end(STEAL(d->app->partial)); /* it asks sync */
		erased_stop(STEAL(d->erased));	     /* it asks files */
		files_stop(STEAL(d->app->files));
		d->app->sync = NULL;
		sync_stop(s);
		offer_free(STEAL(d->app->offers)); /* which was asked by it */
		library_git_stop(d->git);
		search_stop(d->search);
		templates_free(d->app->templates);
		languages_free(d->app->languages);
		portal_free(STEAL(d->app->portal));
		app_close(d->app);
	}
	clock_env_free(d->clock);
	if (d->lock >= 0)
		close(d->lock);
}

/* "NAME:PORT" of a door, without the port that browsers know. */
static const char *door_text(const struct daemon *d, int port, int usual, char out[DOOR_TEXT])
{
	char host[NETWORK_LABEL_HOST] = "localhost";

	if (*d->app->box.helper)
		network_label_host(d->app->box.label, d->app->box.state, host);
	if (port == usual && *d->app->box.helper)
		snprintf(out, DOOR_TEXT, "%s", host);
	else
		snprintf(out, DOOR_TEXT, "%s:%d", host, port);
	return out;
}

/* What the person who started it, or stands before the screen of a box, wants to know. */
static struct error *announce(struct daemon *d)
{
	bool box = *d->app->box.helper;
	FILE *out = d->run->out;
	char code[CLAIM_TEXT] = "", http[DOOR_TEXT], https[DOOR_TEXT];

	struct error *e = claim_new(d->app, code);

	if (e && !error_is(e, ERR_EXISTS))
		return e;
	error_free(e);
	door_text(d, http_port(d->http), 80, http);
	door_text(d, https_port(d->http), 443, https);
	fprintf(out, "%s is open.\n\n", d->app->name);
	fprintf(out, box ? "  its pages       http://%s\n" : "  here            http://%s\n", http);
	fprintf(out, "  safe door       https://%s\n", https);
	fprintf(out, "  other boxes     port %d\n", sync_port(d->app->sync));
	fprintf(out, "  this box's key  %s\n", ID(secret_pubkey(d->app->self)));
	if (*code)
		fprintf(out,
			"\nNobody runs this box yet. The first volunteer begins here, once:\n\n"
			"  http://%s/claim/%s\n",
			http, code);
	if (!box)
		fprintf(out, "\nCtrl-C stops it; everything is kept.\n");
	fflush(out);
	return NULL;
}

/* On a box the Wi-Fi and the addresses may be there later than we. true: they are said. */
static bool say_network(const struct daemon *d)
{
	const struct app_box *box = &d->app->box;
	struct network_label l;

	if (!network_label_read(box->label, &l))
		return false;
	fprintf(d->run->out, "\n%s\n", d->app->name);
	network_label_print(d->run->out, box->label, box->state);
	fflush(d->run->out);
	return true;
}

/* Until a signal comes; which one. */
static int wait_for_signal(const struct daemon *d, const sigset_t *set)
{
	const struct timespec moment = {0, 500 * 1000 * 1000};
	int sig = 0;

	for (int i = 0; *d->app->box.label && i < NETWORK_S * 2 && !say_network(d); i++)
		if ((sig = sigtimedwait(set, NULL, &moment)) > 0)
			return sig;
	sigwait(set, &sig);
	return sig;
}

/* From opening to closing. *ret_again: it is to begin again. */
static struct error *serve_once(struct command_run *run, const sigset_t *set, bool *ret_again)
{
	struct daemon d = {.run = run, .lock = -1, .sockets = {-1, -1}};
	struct error *e = start(&d, set);
	int sig = 0;

	if (!e)
		e = announce(&d);
	if (!e)
		sig = wait_for_signal(&d, set);
	stop(&d);
	*ret_again = sig == SIGUSR1;
	return e;
}

struct error *cmd_serve(struct command_run *run)
{
	struct app_box box;
	struct error *e;
	bool again;
	sigset_t set;

	/* Before any thread, so that all inherit it and only sigwait sees the signals. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	serve_behind_walls(run);
	box_paths(command_option(run, "--box"), &box);
	if (lost_is(&box))
		return serve_lost(run, LOST_DISK, &box, &set);
	do
		e = serve_once(run, &set, &again);
	while (!e && again);
	if (error_is(e, ERR_VERSION) && command_option(run, "--box")) {
		error_free(e);
		e = serve_lost(run, LOST_NEWER, &box, &set);
	}
	watchdog_stopping();
	if (error_is(e, ERR_STOPPED)) { /* by a signal, before there was a box */
		error_free(e);
		return NULL;
	}
	return e;
}
