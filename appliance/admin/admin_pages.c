/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/admin/admin_pages.h"
#include "appliance/copy/copy.h"
#include "appliance/health/health_pages.h"
#include "appliance/http/authority.h"
#include "appliance/member/account.h"
#include "appliance/moderation/moderation.h"
#include "appliance/recovery/recovery.h"
#include "version.h" /* made by the Makefile */
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Below this much room a volunteer is told: a day's work of a busy centre, with a margin. */
#define LOW_ROOM (200LL * 1024 * 1024)

struct overview {
	json_int_t count, ok, trouble, found;
};

static struct error *count_peer(void *ctx, const struct peer *p)
{
	struct overview *o = ctx;

	o->count++;
	o->ok += p->last_ok_ms && !*p->last_error;
	o->trouble += *p->last_error != 0;
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

static json_t *storage_json(struct request *r, bool *ret_low)
{
	struct app *a = request_app(r);
	struct statvfs fs = {0};
	int64_t room;

	if (statvfs(a->dir, &fs))
		return json_pack("{s:s, s:s, s:b}", "used_text", "?", "free_text", "?", "low", 0);
	room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	*ret_low = room < LOW_ROOM;
	return json_pack("{s:s, s:s, s:b}", "used_text",
			 request_size_text(r, (uint64_t)folder_bytes(a->dir, 5)), "free_text",
			 request_size_text(r, (uint64_t)room), "low", *ret_low);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void warn(struct request *r, json_t *list, const char *msgid, const char *url)
{
	json_array_append_new(list,
			      json_pack("{s:s, s:s?}", "text", request_text(r, msgid), "url", url));
}

static struct error *count_successor(void *ctx, const struct copy_successor *s)
{
	(void)s;
	++*(int *)ctx;
	return NULL;
}

static bool unsure_of_time(struct app *a)
{
	return a->clock && clock_env_state(a->clock).quality != CLOCK_SURE &&
	       clock_env_state(a->clock).quality != CLOCK_FROM_PEERS;
}

static struct error *admin_page(struct request *r)
{
	struct overview o = {.count = 0};
	struct conn *c = request_conn(r);
	int64_t held, people, volunteers, misbehaved, unchecked;
	const char *backups;
	struct copy_notice notice;
	bool low = false, copied;
	int successors = 0;
	json_t *warnings, *storage, *health;

	TRY(peer_each(c->local, count_peer, &o));
	TRY(moderation_held_count(c, &held));
	TRY(conduct_unseen(c->local, &misbehaved));
	TRY(invite_unchecked(c->local, &unchecked));
	TRY(account_counts(c, &people, &volunteers));
	TRY(recovery_warning(c, env_now(request_app(r)->env), &backups));
	count_found(request_app(r), request_arena(r), &o);
	TRY(copy_notice_get(c, &notice, &copied));
	TRY(copy_successors(c, count_successor, &successors));
	TRY(health_summary(r, &health));
	storage = storage_json(r, &low);
	warnings = json_array();
	if (low)
		warn(r, warnings, N_("Little room is left on this box's disk."), "/admin#storage");
	if (copied)
		warn(r, warnings, N_("Another box has the key of this one."), "/admin/copy");
	if (successors)
		warn(r, warnings, N_("A connected house has a new key. Do you approve it?"),
		     "/admin/copy");
	if (unchecked)
		warn(r, warnings,
		     N_("An invitation was accepted. Is it the house that you invited?"),
		     "/admin/peers");
	if (unsure_of_time(request_app(r)))
		warn(r, warnings,
		     N_("This box is not sure of the time: nothing confirms its clock. Dates of "
			"what is written here may be wrong; nothing else is. It mends itself when "
			"the internet or connected houses tell the time."),
		     NULL);
	if (o.trouble)
		warn(r, warnings, N_("An exchange with another box did not succeed last time."),
		     "/admin/peers");
	if (misbehaved)
		warn(r, warnings,
		     N_("Another box did something that an honest one does not. Its page says what."),
		     "/admin/peers");
	if (backups)
		warn(r, warnings, backups, "/admin/recovery");
	return respond_page(r, "admin", request_text(r, N_("Care of the house")),
			    json_pack("{s:I, s:I, s:{s:I, s:I, s:I, s:I}, s:o, s:o, s:o, s:s, s:s}",
				      "held_count", (json_int_t)held, "people_count",
				      (json_int_t)people, "peers", "count", o.count, "ok", o.ok,
				      "trouble", o.trouble, "found", o.found, "storage", storage,
				      "health", health, "warnings", warnings, "version", LLIURE_VERSION, "key",
				      ID(secret_pubkey(request_app(r)->self))));
}

static struct error *about_page(struct request *r)
{
	json_t *about = json_pack("{s:s, s:s}", "version", LLIURE_VERSION, "key",
				  ID(secret_pubkey(request_app(r)->self)));
	char fingerprint[FINGERPRINT_TEXT];
	struct error *e = authority_fingerprint(request_app(r)->dir, fingerprint);

	if (!e)
		json_object_set_new(about, "fingerprint", json_string(fingerprint));
	error_free(e);
	return respond_page(r, "about", request_text(r, N_("About this house")),
			    json_pack("{s:o}", "about", about));
}

const struct route admin_routes[] = {
	{"GET", "/admin", admin_page, ROUTE_VOLUNTEER},
	{"GET", "/about", about_page, ROUTE_CACHED},
	{0},
};
