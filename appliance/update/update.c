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
	struct update_state u = {.box = box_has_helper(a->box.helper)};
	struct error *e;

	if (u.box) {
		_cleanup_(freep) char *path = path_join(a->box.state, "update");

		read_version(a->box.release, u.version);
		e = update_outcome_read(path, &u.last);
		error_free(e); /* then nothing is known of it */
	}
	*ret = u;
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
			N_("This machine's system is not updated by the box: it has its own "
			   "ways."));
	}
	switch (u->last.stage) {
	case UPDATE_CHECKING:
	case UPDATE_INSTALLING:
		return error_new(ERR_INTERNAL, N_("The update %s is being installed."),
				 u->last.file);
	case UPDATE_RESTARTING:
		return error_new(ERR_INTERNAL, N_("The new system is being tried out."));
	case UPDATE_REFUSED:
	case UPDATE_FAILED:
	case UPDATE_ROLLED_BACK:
		*ret_state = HEALTH_ATTENTION;
		*ret_action = update_why_text(u->last.why);
		return error_new(ERR_INTERNAL, N_("The last update (%s) was not taken."),
				 *u->last.version ? u->last.version : u->last.file);
	default:
		return error_new(ERR_INTERNAL, N_("The system is version %s."),
				 *u->version ? u->version : "?");
	}
}
