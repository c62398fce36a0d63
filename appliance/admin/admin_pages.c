/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/admin/admin_pages.h"
#include "appliance/copy/copy.h"
#include "appliance/health/health_pages.h"
#include "appliance/member/account.h"
#include "appliance/moderation/moderation.h"
#include "appliance/recovery/recovery.h"
#include "appliance/spaces/spaces.h"
#include "appliance/update/update.h"
#include "version.h" /* made by the Makefile */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Below this much room a volunteer is told: a day's work of a busy centre, with a margin. */
#define LOW_ROOM (200LL * 1024 * 1024)

struct overview {
	struct conn *conn;
	json_int_t count, ok, trouble, found, doubted;
};

static struct error *count_peer(void *ctx, const struct peer *p)
{
	struct overview *o = ctx;
	bool doubted;

	TRY(restored_doubted(o->conn, &p->key, &doubted));
	o->count++;
	o->doubted += doubted;
	o->ok += !doubted && p->last_ok_ms && !peer_is_lost(p, env_now(o->conn->env));
	o->trouble += peer_is_lost(p, env_now(o->conn->env));
	return NULL;
}

static void count_found(struct app *a, struct arena *arena, struct overview *o)
{
	struct found_box *found = arena_array(arena, struct found_box, LIMIT_DISCOVERED);
	size_t n = a->sync ? sync_found(a->sync, found, LIMIT_DISCOVERED) : 0;

	for (size_t i = 0; i < n; i++)
		o->found += !found[i].approved;
}

/* --- storage ---------------------------------------------------------------------------------- */

/* Bytes below a folder, as the disk counts them; links are not followed. */
static int64_t folder_bytes(const char *dir, int depth)
{
	DIR *d = depth ? opendir(dir) : NULL;
	int64_t sum = 0;
	struct dirent *f;

	while (d && (f = readdir(d))) {
		_cleanup_(freep) char *path = path_join(dir, f->d_name);
		struct stat st;

		if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..") || lstat(path, &st))
			continue;
		sum += S_ISDIR(st.st_mode) ? folder_bytes(path, depth - 1) : st.st_blocks * 512;
	}
	if (d)
		closedir(d);
	return sum;
}

static json_t *storage_json(struct request *r)
{
	struct app *a = request_app(r);
	struct statvfs fs = {0};
	int64_t room;

	if (statvfs(a->dir, &fs))
		return json_pack("{s:s, s:s, s:b}", "used_text", "?", "free_text", "?", "low", 0);
	room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	return json_pack("{s:s, s:s, s:b}", "used_text",
			 request_size_text(r, (uint64_t)folder_bytes(a->dir, 5)), "free_text",
			 request_size_text(r, (uint64_t)room), "low", room < LOW_ROOM);
}

/* --- pages ------------------------------------------------------------------------------------ */

/* What needs somebody, the weightiest first. grave: something is lost, or somebody else's, if nobody acts. */
struct warnings {
	struct request *r;
	json_t *list;
};

static void warn_in(const struct warnings *w, bool grave, const char *text, const char *url)
{
	json_array_append_new(w->list, json_pack("{s:s, s:s?, s:b}", "text", text, "url", url,
						 "grave", grave));
}

static void warn(const struct warnings *w, bool grave, const char *msgid, const char *url)
{
	warn_in(w, grave, request_text(w->r, msgid), url);
}

static struct error *count_successor(void *ctx, const struct copy_successor *s)
{
	(void)s;
	++*(int *)ctx;
	return NULL;
}

static bool unsure_of_time(struct app *a)
{
	return a->clock && clock_env_state(a->clock).word == CLOCK_AGAINST;
}

static struct error *count_strange(void *ctx, const struct space_info *s, const struct pubkey *key,
				   int64_t since_ms)
{
	(void)s;
	(void)key;
	(void)since_ms;
	++*(int *)ctx;
	return NULL;
}

/* Which key is whose: before anything else. */
static struct error *warn_of_keys(const struct warnings *w)
{
	struct conn *c = request_conn(w->r);
	int64_t doubted, made, unchecked;
	struct copy_notice notice;
	int successors = 0, strange = 0;
	bool copied;

	TRY(copy_notice_get(c, &notice, &copied));
	TRY(copy_successors(c, count_successor, &successors));
	TRY(copy_strange(c, count_strange, &strange));
	TRY(restored_open(c, &doubted, &made));
	TRY(invite_unchecked(c->local, &unchecked));
	if (copied)
		warn(w, true, N_("Another box has the key of this one."), "/admin/copy");
	if (strange)
		warn(w, true,
		     N_("A key that this box had is in strange hands, and may still write. Sign it out."),
		     "/admin/copy");
	if (doubted && made)
		warn_in(w, true,
			request_error_text(
				w->r, error_new(ERR_INVALID,
						N_("This box came back from a backup of %s. Say of "
						   "each house whether it is still connected."),
						request_date_text(w->r, made))),
			"/admin/peers");
	else if (doubted)
		warn(w, true,
		     N_("This box came back from a backup. Say of each house whether it is still "
			"connected."),
		     "/admin/peers");
	if (successors)
		warn(w, true, N_("A connected house has a new key. Do you approve it?"),
		     "/admin/copy");
	if (unchecked)
		warn(w, true, N_("An invitation was accepted. Is it the house that you invited?"),
		     "/admin/peers");
	return NULL;
}

/* Lights that are red, by their names: "act now: Power, Room on the disk". */
static void warn_of_health(const struct warnings *w, const json_t *health)
{
	struct arena *arena = request_arena(w->r);
	const char *names = "";
	const json_t *light;
	size_t i;

	json_array_foreach(json_object_get(health, "lights"), i, light)
		names = arena_printf(arena, "%s%s%s", names, *names ? ", " : "",
				     json_string_value(json_object_get(light, "title")));
	if (json_is_true(json_object_get(health, "act")))
		warn_in(w, true,
			request_error_text(w->r, error_new(ERR_INTERNAL,
							   N_("The health of the box: act now (%s)."),
							   names)),
			"/admin/health");
}

/* The newest of each kind that no volunteer has read yet; those behind it come once it was. */
struct unread {
	struct conn *conn;
	struct pubkey odd, twins; /* whose record it is */
	bool any_odd, any_twins;
};

static struct error *look_at_conduct(void *ctx, const struct conduct *row)
{
	struct unread *u = ctx;
	bool twins = row->what == MISDEED_FORK; /* an honest box can have that */
	bool *any = twins ? &u->any_twins : &u->any_odd;
	struct peer p;
	struct error *e;

	if (row->seen || *any)
		return NULL;
	e = peer_get(u->conn->local, &row->peer, &p);
	if (!e) {
		*any = true;
		*(twins ? &u->twins : &u->odd) = row->peer;
	}
	if (!error_is(e, ERR_NOT_FOUND)) /* it is no peer any more */
		return e;
	error_free(e);
	return NULL;
}

static const char *record_url(const struct warnings *w, const struct pubkey *peer)
{
	return arena_printf(request_arena(w->r), "/admin/peers/%s/conduct", ID(peer));
}

static struct error *warn_of_conduct(const struct warnings *w)
{
	struct unread u = {.conn = request_conn(w->r)};
	const struct pubkey *self = secret_pubkey(request_app(w->r)->self);
	struct hash space;
	bool lied;

	TRY(spaces_with_false_author(u.conn, self, &space, &lied));
	if (lied)
		warn(w, false,
		     N_("In a space of this box, a box that is not connected with it did something "
			"that an honest one does not. The page of the space says what."),
		     arena_printf(request_arena(w->r), "/admin/spaces/%s", ID(&space)));
	TRY(conduct_each(u.conn->local, NULL, look_at_conduct, &u));
	if (u.any_odd)
		warn(w, true,
		     N_("Another box did something that an honest one does not. Its page says what."),
		     record_url(w, &u.odd));
	if (u.any_twins)
		warn(w, false,
		     N_("There are two histories under the key of a connected house. Its page says "
			"what that can mean."),
		     record_url(w, &u.twins));
	return NULL;
}

static struct error *warn_of_others(const struct warnings *w, const struct overview *o)
{
	struct conn *c = request_conn(w->r);
	struct app *a = request_app(w->r);
	const char *backups;
	bool grave;

	TRY(recovery_warning(c, env_now(a->env), &backups, &grave));
	if (backups)
		warn(w, grave, backups, "/admin/recovery");
	TRY(warn_of_conduct(w));
	if (o->trouble)
		warn(w, false, N_("An exchange with another box did not succeed last time."),
		     "/admin/peers");
	if (unsure_of_time(a))
		warn(w, false,
		     N_("This box is not sure of the time: nothing confirms its clock. Dates of "
			"what is written here may be wrong; nothing else is. Tell it the time, or "
			"wait until the internet or connected houses do."),
		     "/admin/place#clock");
	return NULL;
}

/* What somebody plugged in, and nobody has looked at yet. */
static json_t *sticks_json(struct request *r)
{
	enum { FILES = 8 };
	struct app *a = request_app(r);
	struct usb_part *parts = arena_array(request_arena(r), struct usb_part, CARRY_STICKS);
	struct update_file *files = arena_array(request_arena(r), struct update_file, FILES);
	size_t closed = carry_plugged(a, parts, CARRY_STICKS), opens = 0;
	struct update_state u;

	for (size_t i = 0; i < closed; i++)
		opens += parts[i].use == USB_OPENS;
	update_state_read(a, &u);
	return json_pack("{s:I, s:I, s:I}", "news", (json_int_t)carry_sticks_news(a->carry), "updates",
			 (json_int_t)(u.box ? update_on_sticks(a, files, FILES) : 0), "closed",
			 (json_int_t)opens);
}

static struct error *fill_admin(struct request *r, json_t *context, const struct overview *o)
{
	struct warnings w = {r, json_object_get(context, "warnings")};
	json_t *health;

	json_object_set_new(context, "storage", storage_json(r));
	json_object_set_new(context, "sticks", sticks_json(r));
	TRY(health_summary(r, &health));
	json_object_set_new(context, "health", health);
	TRY(warn_of_keys(&w));
	warn_of_health(&w, health);
	return warn_of_others(&w, o);
}

static struct error *admin_page(struct request *r)
{
	struct conn *c = request_conn(r);
	struct overview o = {.conn = c};
	int64_t held, people, volunteers;
	struct error *e;
	json_t *context;

	TRY(peer_each(c->local, count_peer, &o));
	TRY(moderation_held_count(c, &held));
	TRY(account_counts(c, &people, &volunteers));
	count_found(request_app(r), request_arena(r), &o);
	context = json_pack("{s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:[], s:s, s:s}", "held_count",
			    (json_int_t)held, "people_count", (json_int_t)people, "peers", "count",
			    o.count, "ok", o.ok, "trouble", o.trouble, "found", o.found, "doubted",
			    o.doubted, "warnings", "version", LLIURE_VERSION, "key",
			    ID(secret_pubkey(request_app(r)->self)));
	e = fill_admin(r, context, &o);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page(r, "admin", request_text(r, N_("Care of the house")), context);
}

const struct route admin_routes[] = {
	{"GET", "/admin", admin_page, ROUTE_VOLUNTEER},
	{0},
};
