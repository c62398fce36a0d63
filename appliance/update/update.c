/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/update/update.h"
#include "appliance/box/box.h"
#include "sync/base/file.h"

enum { RELEASE_MAX = 16384 };

/* VERSION_ID= of an os-release file. */
static void read_version(const char *path, char out[UPDATE_VERSION])
{
	_cleanup_(buf_release) struct buf b = {0};
	struct error *e = file_read(path, RELEASE_MAX, &b);
	const char *at = e ? NULL : strstr(buf_str(&b), "VERSION_ID=");
	size_t n;

	error_free(e);
	out[0] = 0;
	if (!at)
		return;
	at += strlen("VERSION_ID=");
	at += *at == '"';
	n = strcspn(at, "\"\n");
	if (n < UPDATE_VERSION)
		snprintf(out, UPDATE_VERSION, "%.*s", (int)n, at);
}

void update_state_read(struct app *a, struct update_state *ret)
{
	struct update_state u = {.box = box_has_helper(a->box.helper),
				 .now_ms = env_now(a->env)};
	struct error *e;

	if (u.box) {
		_cleanup_(freep) char *path = path_join(a->box.state, "update");

		read_version(a->box.release, u.version);
		e = update_outcome_read(path, &u.last);
		error_free(e); /* then nothing is known of it */
	}
	*ret = u;
}

bool update_is_at_work(const struct update_state *u)
{
	return u->last.stage == UPDATE_CHECKING || u->last.stage == UPDATE_INSTALLING ||
	       u->last.stage == UPDATE_RESTARTING;
}

bool update_is_trouble(const struct update_state *u)
{
	static const int64_t week = INT64_C(7) * 24 * 3600 * 1000;

	if (u->last.stage != UPDATE_FAILED && u->last.stage != UPDATE_ROLLED_BACK)
		return false;
	return !u->last.when_ms || u->now_ms - u->last.when_ms < week;
}

const char *update_action(const struct outcome *o)
{
	if (o->stage == UPDATE_ROLLED_BACK && o->why != WHY_ROOT && o->why != WHY_DATA)
		return N_("Nothing need be done: the box runs as before, and a newer update may go well. "
			  "If that one does not either, tell those who make this system.");
	/* Read on the page of updates, and below its light on that of health: so no “look there”. */
	if (o->why == WHY_DATA)
		return N_("Make a backup now, and see what the light “Wear of the disk” says.");
	if (o->why == WHY_INSTALL)
		return N_("Fetch the file again, for it may be damaged inside. If this happens again, "
			  "the disk may be at its end: see what the light “Wear of the disk” says.");
	return update_why_text(o->why);
}

struct error *update_says(const struct update_state *u, enum health_state *ret_state,
			  const char **ret_action)
{
	*ret_action = NULL;
	*ret_state = HEALTH_OK;
	if (!u->box) {
		*ret_state = HEALTH_UNKNOWN;
		return error_new(
			ERR_INTERNAL,
			N_("The box is one program of this machine: it is updated as it was "
			   "installed."));
	}
	switch (u->last.stage) {
	case UPDATE_CHECKING:
	case UPDATE_INSTALLING:
		return error_new(ERR_INTERNAL, N_("The update %s is being installed."),
				 u->last.file);
	case UPDATE_RESTARTING:
		return error_new(ERR_INTERNAL, N_("The new system is being tried out."));
	case UPDATE_FAILED:
	case UPDATE_ROLLED_BACK:
		if (!update_is_trouble(u))
			break;
		*ret_state = HEALTH_ATTENTION;
		*ret_action = update_action(&u->last);
		return error_new(ERR_INTERNAL, N_("The last update (%s) was not taken."),
				 *u->last.version ? u->last.version : u->last.file);
	default:
		break;
	}
	return error_new(ERR_INTERNAL, N_("The system is version %s."),
			 *u->version ? u->version : "?");
}
