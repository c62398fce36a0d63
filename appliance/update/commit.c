/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/update/commit.h"
#include "appliance/box/box.h"
#include "appliance/health/watchdog.h"
#include "sync/base/day.h"
#include "sync/base/poked.h"
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

/* From the start: the first look, then so often, and after so long what fails is not waited for. */
enum { FIRST_S = 20, AGAIN_S = 20, GIVE_UP_S = 480 };

struct commit {
	const struct app_box *box;
	struct app *app;
	int port;
	bool thorough; /* an update has just been installed */
	struct poked poked; /* by nobody */
	bool done;	    /* under its lock */
};

enum update_why commit_check(const struct commit_checks *c)
{
	if (!c->mounts(c->ctx))
		return WHY_MOUNT;
	if (!c->page(c->ctx))
		return WHY_PAGE;
	if (!c->network(c->ctx))
		return WHY_NETWORK;
	if (!c->air(c->ctx))
		return WHY_AIR;
	return c->data(c->ctx) ? WHY_NOTHING : WHY_DATA;
}

bool commit_air(const struct network_wish *w, const struct nm_state *s, int minute)
{
	if (!*s->radio || !s->radio_own || w->wifi != WIFI_OWN || !network_wish_on_air(w, minute))
		return true;
	return s->wifi_up && s->own_up;
}

/* --- the checks --------------------------------------------------------------------------------
 */

static bool page(void *ctx)
{
	return page_served(((struct commit *)ctx)->port);
}

/* Every database, and after an update every entry. */
static struct error *look_at_data(struct commit *m)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct verify_report r;
	struct error *first = NULL;

	TRY(app_conn(m->app, &c));
	TRY(db_quick_check(c->local));
	TRY(db_quick_check(c->view));
	TRY(db_quick_check(log_db(c->log)));
	if (m->thorough)
		TRY(log_verify(c->log, NULL, NULL, &r, &first));
	return first;
}

static bool data(void *ctx)
{
	struct commit *m = ctx;
	struct error *e = m->app ? look_at_data(m) : NULL;
	/* A database that is busy or a machine without memory says nothing about the data. */
	bool ok = !error_is(e, ERR_CORRUPT) && !error_is(e, ERR_IO) && !error_is(e, ERR_CHAIN) &&
		  !error_is(e, ERR_SIGNATURE);

	error_free(e);
	return ok;
}

/* Avahi listens: NAME.local is answered. */
static bool network(void *ctx)
{
	struct commit *m = ctx;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_(closep) int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.80s", m->box->avahi);
	return sock >= 0 && connect(sock, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static struct error *look_at_air(bool *ret)
{
	_cleanup_(nm_closep) struct nm *n = NULL;
	struct network_wish w;
	struct nm_state s;
	bool any = false;

	TRY(nm_open(&n));
	TRY(nm_look(n, &w, &any, &s));
	*ret = !any || commit_air(&w, &s, minute_of_day(env_now(&env_system)));
	return NULL;
}

static bool air(void *ctx)
{
	struct commit *m = ctx;
	struct error *e;
	bool ok = true;

	/* Without NetworkManager nobody could change the network any more either. */
	e = m->thorough ? look_at_air(&ok) : NULL;
	if (e)
		ok = false;
	error_free(e);
	return ok;
}

/* The first program of the image leaves a file when it could not mount one. */
static bool mounts(void *ctx)
{
	struct commit *m = ctx;
	_cleanup_(freep) char *lost = path_join(m->box->left, "state-lost"),
			      *data = path_join(m->box->left, "data-lost");
	struct stat st;

	return access(lost, F_OK) != 0 && access(data, F_OK) != 0 &&
	       stat(m->box->state, &st) == 0 && S_ISDIR(st.st_mode);
}

/* --- the thread --------------------------------------------------------------------------------
 */

static bool tell(struct commit *m, enum update_why why)
{
	struct error *e = why == WHY_NOTHING
				  ? BOX_ASK(m->box->helper, NULL, "healthy")
				  : BOX_ASK(m->box->helper, NULL, "unwell", update_why_name(why));
	bool told = !e;

	error_free(e);
	return told;
}

static void *commit_thread(void *arg)
{
	struct commit *m = arg;
	struct commit_checks checks = {m, page, data, network, air, mounts};
	int waited = FIRST_S;

	while (poked_rest(&m->poked, 1000 * (waited == FIRST_S ? FIRST_S : AGAIN_S))) {
		enum update_why why = commit_check(&checks);

		if ((why == WHY_NOTHING || waited >= GIVE_UP_S) && tell(m, why)) {
			pthread_mutex_lock(&m->poked.lock);
			m->done = why == WHY_NOTHING;
			pthread_mutex_unlock(&m->poked.lock);
			break;
		}
		waited += AGAIN_S;
	}
	return NULL;
}

static bool just_updated(const struct app_box *box)
{
	_cleanup_(freep) char *path = path_join(box->state, "update");
	struct outcome o = {.stage = UPDATE_NONE};
	struct error *e = update_outcome_read(path, &o);

	error_free(e);
	return o.stage == UPDATE_RESTARTING;
}

struct commit *commit_start(const struct app_box *box, struct app *app, int port)
{
	struct commit *m;

	if (!*box->helper)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		abort();
	*m = (struct commit){.box = box, .app = app, .port = port, .thorough = just_updated(box)};
	poked_init(&m->poked, false);
	poked_start(&m->poked, commit_thread, m); /* else nobody says that it is healthy */
	return m;
}

bool commit_done(struct commit *m)
{
	bool done;

	pthread_mutex_lock(&m->poked.lock);
	done = m->done;
	pthread_mutex_unlock(&m->poked.lock);
	return done;
}

void commit_stop(struct commit *m)
{
	if (!m)
		return;
	poked_stop(&m->poked);
	poked_free(&m->poked);
	free(m);
}
