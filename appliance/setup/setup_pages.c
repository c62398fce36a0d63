/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The pages of the first run. */
#include "appliance/carry/carry.h"
#include "appliance/network/network_pages.h"
#include "appliance/place/place.h"
#include "appliance/recovery/sheet.h"
#include "appliance/setup/folder.h"
#include "appliance/setup/setup_priv.h"
#include <errno.h>
#include <fcntl.h>

/* --- who may ---------------------------------------------------------------------------------- */

static struct error *by_cookie(struct request *r, const char *value, struct viewer *ret,
			       bool *ret_known)
{
	struct setup *s = setup_of(r);

	*ret_known = false;
	pthread_mutex_lock(&s->lock);
	if (*s->cookie && strlen(value) == strlen(s->cookie) &&
	    crypto_equal(value, s->cookie, strlen(value))) {
		*ret = (struct viewer){.name = "",
				       .role = "",
				       .volunteer = true,
				       .may_moderate_here = true,
				       .session = 1,
				       .since_ms = env_now(s->o.env),
				       .csrf = arena_str(request_arena(r), s->csrf)};
		*ret_known = true;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static struct error *by_token(struct request *r, const char *token, struct viewer *ret,
			      bool *ret_known)
{
	*ret_known = false;
	return NULL;
}

const struct viewer_source setup_viewers = {by_cookie, by_token};

static const char *field(struct request *r, const char *name)
{
	const char *v = request_field(r, name);

	return v ? v : "";
}

static struct error *show_code(struct request *r, int status, const char *problem)
{
	json_t *context = json_pack("{s:{}, s:b}", "form", "refused", !request_safe_door(r));

	if (problem)
		json_object_set_new(json_object_get(context, "form"), "error",
				    json_string(problem));
	return respond_page_status(r, status, "setup_code", request_text(r, N_("A new box")),
				   context);
}

/* Letters as they were printed, in either case, with the dash or without. */
static bool code_is(const struct setup *s, const char *typed)
{
	char want[SETUP_CODE] = "", got[SETUP_CODE] = "";
	size_t n = 0, m = 0;

	for (const char *p = s->code; *p; p++)
		if (*p != '-')
			want[n++] = *p;
	for (const char *p = typed; *p && m + 1 < sizeof(got); p++)
		if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z')
			got[m++] = (char)(*p | 0x20);
		else if (*p >= '2' && *p <= '7')
			got[m++] = *p;
	return crypto_equal(want, got, sizeof(want));
}

static void let_in(struct request *r)
{
	struct setup *s = setup_of(r);
	uint8_t random[32], csrf[20];
	char cookie[SETUP_COOKIE];

	crypto_random(random, sizeof(random));
	crypto_random(csrf, sizeof(csrf));
	base32_encode(random, sizeof(random), cookie);
	pthread_mutex_lock(&s->lock);
	memcpy(s->cookie, cookie, sizeof(cookie));
	base32_encode(csrf, sizeof(csrf), s->csrf);
	pthread_mutex_unlock(&s->lock);
	respond_session_cookie(r, cookie, -1);
	crypto_wipe(cookie, sizeof(cookie));
}

static struct error *enter(struct request *r)
{
	const char *text;
	int status;
	/* For each by itself, or somebody on the network could use up the tries of the people of
	 * the box: a code of 50 random bits is not guessed by many either. */
	struct error *e = request_limit(r, "setup", 10, 6);

	if (!e && !code_is(setup_of(r), field(r, "code")))
		e = error_new(ERR_DENIED,
			      N_("This is not the code. It stands where the box was started, and is"
				 " another one each time."));
	if (!e) {
		let_in(r);
		return respond_done(r, "/", NULL);
	}
	e = request_wrong(r, "code", e);
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show_code(r, status, text);
}

/* --- the doors -------------------------------------------------------------------------------- */

static bool at_work(struct request *r)
{
	struct setup_progress p;

	setup_job_look(setup_of(r)->job, &p);
	error_free(p.failure);
	return p.state == SETUP_RUNNING || p.state == SETUP_READY;
}

static struct error *front(struct request *r)
{
	if (at_work(r))
		return respond_done(r, "/setup/progress", NULL);
	if (!request_viewer(r) || !request_safe_door(r))
		return show_code(r, 200, NULL);
	return respond_page(r, "setup", request_text(r, N_("A new box")), json_object());
}

static struct error *sign_in(struct request *r)
{
	return respond_done(r, "/", NULL);
}

static const struct way {
	const char *path, *name; /* in the template: exactly one true */
	enum setup_kind kind;
} ways[] = {
	{"/setup/found", "found", SETUP_FOUND},
	{"/setup/join", "join", SETUP_JOIN},
	{"/setup/replace", "replace", SETUP_REPLACE},
	{"/setup/restore", "restore", SETUP_RESTORE},
};

/* Also of what lies below one. */
static const struct way *way_of(struct request *r)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (!strncmp(request_path(r), ways[i].path, strlen(ways[i].path)))
			return &ways[i];
	return &ways[0];
}

#define OPEN_PATH "/setup/restore/open" /* a stick that is plugged in */

static json_t *backups_json(struct request *r)
{
	struct setup_found *found =
		arena_array(request_arena(r), struct setup_found, SETUP_FOUND_MAX);
	size_t n = setup_find(setup_of(r), found, SETUP_FOUND_MAX);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct setup_found *f = &found[i];
		const char *name = strrchr(f->path, '/') + 1;

		json_array_append_new(
			list,
			json_pack("{s:i, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:s}", "number", (int)i,
				  "name", name, "path", f->path, "date_text",
				  request_date_text(r, f->about.made_ms), "size_text",
				  request_size_text(r, f->size),
				  "small", f->about.scope == BACKUP_SMALL, "passphrase",
				  f->about.with == SEALED_PASSPHRASE, "old", f->about.old, "box",
				  f->about.old ? "" : ID_SHORT(&f->about.box)));
	}
	return list;
}

static json_t *seen_box_json(const struct found_box *f)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "name", *f->name ? f->name : ID_SHORT(&f->key),
			 "key", ID(&f->key), "short", ID_SHORT(&f->key), "addr", f->address);
}

static const char *chosen_key(struct request *r)
{
	const char *asked = request_query(r, "box");

	return *field(r, "box") || !asked ? field(r, "box") : asked;
}

/* The boxes on this network, or the one that was chosen among them. */
static void put_seen(struct request *r, json_t *context)
{
	struct found_box *found = arena_array(request_arena(r), struct found_box, LIMIT_DISCOVERED);
	size_t n = setup_seen(setup_of(r), found, LIMIT_DISCOVERED);
	json_t *list = json_array();
	struct found_box one;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, seen_box_json(&found[i]));
	json_object_set_new(context, "seen", list);
	if (setup_seen_one(setup_of(r), chosen_key(r), &one))
		json_object_set_new(context, "chosen", seen_box_json(&one));
	else if (*chosen_key(r))
		json_object_set_new(context, "gone", json_true());
}

/* What was typed comes back, but for secrets: passwords and sheets. */
static json_t *form_json(struct request *r, const char *problem)
{
	json_t *form = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", field(r, "name"), "admin",
				 field(r, "admin"), "addr", field(r, "addr"), "key",
				 field(r, "key"), "source", field(r, "source"));

	if (problem)
		json_object_set_new(form, "error", json_string(problem));
	return form;
}

static struct error *show_way(struct request *r, int status, const char *problem)
{
	const struct way *w = way_of(r);
	json_t *context = json_pack("{s:b, s:s, s:o, s:o}", w->name, 1, "action", w->path, "form",
				    form_json(r, problem), "place",
				    place_json(r, language_code(request_language(r))));

	if (w->kind == SETUP_RESTORE) {
		json_object_set_new(context, "backups", backups_json(r));
		json_object_set_new(context, "plugged", carry_plugged_json(r));
		json_object_set_new(context, "open_path", json_string(OPEN_PATH));
	}
	if (w->kind == SETUP_JOIN)
		put_seen(r, context);
	return respond_page_status(r, status, "setup_way", request_text(r, N_("A new box")),
				   context);
}

static struct error *way_page(struct request *r)
{
	return at_work(r) ? respond_done(r, "/setup/progress", NULL) : show_way(r, 200, NULL);
}

static struct error *open_stick(struct request *r)
{
	struct error *e = carry_open_plugged(r);
	const char *text;
	int status;

	if (e && respond_form_error(r, e, &text, &status))
		return show_way(r, status, text);
	TRY(e);
	return respond_done(r, "/setup/restore", NULL);
}

/* --- reading a form --------------------------------------------------------------------------- */

static struct error *read_line(struct request *r, const char *name, char *out, size_t size)
{
	const char *v = field(r, name);

	ENSURE(strlen(v) < size,
	       request_wrong(r, name, error_new(ERR_INVALID, N_("That is too long."))));
	snprintf(out, size, "%s", v);
	return NULL;
}

static struct error *read_password(struct request *r, struct setup_order *o)
{
	const char *two = request_field(r, "password2");

	TRY(read_line(r, "admin", o->admin, sizeof(o->admin)));
	ENSURE(*o->admin,
	       request_wrong(r, "admin",
			     error_new(ERR_INVALID, N_("Write your name: you sign in with it."))));
	TRY(request_wrong(r, "admin", account_check_name(o->admin)));
	TRY(request_wrong(r, "password", account_check_password(field(r, "password"))));
	ENSURE((!two && request_json(r)) || (two && !strcmp(two, field(r, "password"))),
	       request_wrong(r, "password2",
			     error_new(ERR_INVALID,
				       N_("The two passwords are not the same. Type them again."))));
	return read_line(r, "password", o->password, sizeof(o->password));
}

/* Behind a sheet's letters its square code says where peers are: /ADDR:PORT/KEY/ADDR:PORT/KEY, in
 * capitals. */
static void peers_of_sheet(const char *text, struct setup_order *o)
{
	const char *at = strcasestr(text, "LLIURE1:");
	char key[BASE32_KEY_LEN + 1], address[PEER_ADDRESS];
	int n;

	at = at ? strchr(at, '/') : NULL;
	while (at && o->n_peers < SETUP_PEERS &&
	       sscanf(at, "/%79[^/ \r\n]/%52[A-Za-z2-7]%n", address, key, &n) == 2) {
		struct setup_peer *p = &o->peers[o->n_peers];

		for (char *c = key; *c; c++)
			*c |= *c >= 'A' && *c <= 'Z' ? 0x20 : 0;
		for (char *c = address; *c; c++)
			*c |= *c >= 'A' && *c <= 'Z' ? 0x20 : 0;
		if (!id_parse(key, p->key.b))
			return;
		for (size_t i = 0; i < o->n_peers; i++)
			if (pubkey_eq(&o->peers[i].key, &p->key))
				return; /* both sheets say the same */
		snprintf(o->addresses[o->n_peers], PEER_ADDRESS, "%s", address);
		p->address = o->addresses[o->n_peers++];
		at += n;
	}
}

/* An invitation says where its box is and what its key is, and that box approves ours by itself. */
static struct error *read_invitation(struct request *r, struct setup_order *o)
{
	TRY(request_wrong(r, "invitation",
			  invitation_read(span_str(field(r, "invitation")), &o->invitation)));
	ENSURE(o->invitation.addresses,
	       error_new(ERR_INVALID, N_("This invitation does not say where the other box is."
					 " Write its address and key.")));
	o->invited = true;
	o->n_peers = 1;
	o->peers[0] =
		(struct setup_peer){.address = o->invitation.address[0], .key = o->invitation.key};
	return NULL;
}

static struct error *read_key(const char *text, struct pubkey *ret)
{
	ENSURE(*text, error_new(ERR_INVALID, N_("Write the key of the other box: it shows it at the foot of"
						" “Care of the house”.")));
	ENSURE(id_parse(text, ret->b),
	       error_new(ERR_INVALID,
			 N_("“%s” is not a box's key. A key has 52 letters and digits; the other"
			    " box shows it at the foot of “Care of the house”."),
			 text));
	return NULL;
}

static struct error *read_peer(struct request *r, struct setup_order *o)
{
	struct setup_peer *p = &o->peers[0];
	struct found_box seen;

	if (o->kind == SETUP_JOIN && *field(r, "box")) {
		ENSURE(setup_seen_one(setup_of(r), field(r, "box"), &seen),
		       error_new(ERR_NOT_FOUND, N_("That box is not to be seen on this network any"
						   " more. Choose again.")));
		return NULL;
	}
	if (o->kind == SETUP_JOIN && *field(r, "invitation"))
		return read_invitation(r, o);
	TRY(read_line(r, "addr", o->addresses[0], sizeof(o->addresses[0])));
	if (!*o->addresses[0] && !*field(r, "key") && o->kind == SETUP_REPLACE) {
		peers_of_sheet(field(r, "sheet1"), o);
		peers_of_sheet(field(r, "sheet2"), o);
		return NULL;
	}
	ENSURE(*o->addresses[0],
	       request_wrong(r, "addr",
			     error_new(ERR_INVALID, N_("Write the address of the other box."))));
	TRY(request_wrong(r, "key", read_key(field(r, "key"), &p->key)));
	p->address = o->addresses[0];
	o->n_peers = 1;
	return NULL;
}

static struct error *read_sheets(struct request *r, struct setup_order *o)
{
	struct sheet *s = guarded_new(2 * sizeof(*s));
	struct error *e = request_wrong(r, "sheet1", sheet_parse(field(r, "sheet1"), "1", &s[0]));

	if (!e)
		e = request_wrong(r, "sheet2", sheet_parse(field(r, "sheet2"), "2", &s[1]));
	if (!e)
		e = sheets_join(&s[0], &s[1], &o->box);
	guarded_free(s);
	return e;
}

static struct error *open_listed(struct request *r, struct setup_order *o)
{
	struct setup_found *found =
		arena_array(request_arena(r), struct setup_found, SETUP_FOUND_MAX);
	size_t n = setup_find(setup_of(r), found, SETUP_FOUND_MAX);
	size_t i = 0;

	/* The list may have changed meanwhile: the form says the path, too, and only a listed one
	 * is opened. */
	while (i < n && strcmp(found[i].path, field(r, "source")) != 0)
		i++;
	ENSURE(i < n, error_new(ERR_NOT_FOUND,
				N_("This backup is not there any more. Is the stick plugged in?")));
	o->source = open(found[i].path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (o->source < 0)
		return file_error(errno, found[i].path);
	snprintf(o->source_name, sizeof(o->source_name), "%.190s", strrchr(found[i].path, '/') + 1);
	return NULL;
}

static struct error *open_source(struct request *r, struct setup_order *o)
{
	struct hash blob;
	uint64_t size;
	const char *name;

	if (!request_upload(r, &blob, &size, &name) || !size) {
		ENSURE(*field(r, "source"),
		       error_new(ERR_INVALID,
				 N_("Choose a backup, or send one from this device.")));
		return open_listed(r, o);
	}
	snprintf(o->source_name, sizeof(o->source_name), "%.190s", name && *name ? name : "backup");
	return blob_fd(setup_of(r)->app.blobs, &blob, &o->source, &size);
}

/* A wrong key is said now, and not after a minute: the head says whose it is. */
static struct error *read_restore(struct request *r, struct setup_order *o)
{
	struct backup_about about;

	TRY(open_source(r, o));
	TRY(backup_look(o->source, o->source_name, &about));
	if (about.old) {
		const char *own = field(r, "unsealed");

		ENSURE(*own == '1',
		       error_new(ERR_INVALID,
				 N_("%s is not sealed: nothing proves whose backup it is. Tick that"
				    " it is yours, if you know where it comes from."),
				 o->source_name));
		return NULL;
	}
	if (about.with == SEALED_PASSPHRASE) {
		ENSURE(*field(r, "passphrase"),
		       error_new(ERR_INVALID,
				 N_("%s was sealed with a passphrase: it is needed"
				    " here."),
				 o->source_name));
		return read_line(r, "passphrase", o->passphrase, sizeof(o->passphrase));
	}
	TRY(read_sheets(r, o));
	ENSURE(pubkey_eq(secret_pubkey(o->box), &about.box),
	       error_new(ERR_INVALID,
			 N_("%s is a backup of the box %s, but the key given here is that of the"
			    " box %s."),
			 o->source_name, ID_SHORT(&about.box), ID_SHORT(secret_pubkey(o->box))));
	return NULL;
}

static struct error *read_order(struct request *r, struct setup_order *o)
{
	const char *language;

	if (o->kind == SETUP_RESTORE)
		return read_restore(r, o);
	if (o->kind == SETUP_REPLACE)
		TRY(read_sheets(r, o));
	TRY(place_read_language(r, &language));
	snprintf(o->language, sizeof(o->language), "%s", language ? language : "");
	TRY(read_line(r, "name", o->name, sizeof(o->name)));
	if (!*o->name && o->kind == SETUP_REPLACE)
		snprintf(o->name, sizeof(o->name), "lliure");
	ENSURE(*o->name,
	       request_wrong(r, "name", error_new(ERR_INVALID, N_("Write a name for the box."))));
	if (o->kind != SETUP_FOUND)
		TRY(read_peer(r, o));
	return read_password(r, o);
}

static struct error *begin(struct request *r)
{
	_cleanup_(setup_order_freep) struct setup_order *o = setup_order_new();
	const char *text, *next = "/setup/progress";
	struct found_box seen;
	struct error *e;
	int status;

	o->kind = way_of(r)->kind;
	o->door = (int)request_door(r);
	pthread_mutex_lock(&setup_of(r)->lock);
	memcpy(o->session, setup_of(r)->cookie, sizeof(o->session));
	pthread_mutex_unlock(&setup_of(r)->lock);
	e = read_order(r, o);
	if (o->kind == SETUP_JOIN && setup_seen_one(setup_of(r), field(r, "box"), &seen))
		next = setup_meet_path(r, &seen);
	if (!e)
		e = place_ask_zone(r);
	if (!e)
		e = setup_job_start(setup_of(r)->job, STEAL(o));
	if (!e || error_is(e, ERR_EXISTS)) {
		error_free(e);
		return respond_done(r, next, NULL);
	}
	if (!respond_form_error(r, e, &text, &status))
		return e;
	return show_way(r, status, text);
}

/* --- how far it is ---------------------------------------------------------------------------- */

static const char *back_to(enum setup_kind kind)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		if (ways[i].kind == kind)
			return ways[i].path;
	return "/";
}

static struct error *progress(struct request *r)
{
	struct setup_progress p;
	bool busy, still = request_query(r, "still") != NULL;
	json_t *context;

	setup_job_look(setup_of(r)->job, &p);
	/* That it goes on is no secret. Why it failed names files, addresses and boxes: that is for
	 * who gave the code. */
	if (p.state == SETUP_IDLE || (p.state == SETUP_FAILED && !request_viewer(r))) {
		error_free(p.failure);
		return respond_done(r, "/", NULL);
	}
	busy = p.state != SETUP_FAILED;
	context = json_pack("{s:b, s:b, s:b, s:b, s:i, s:s, s:s}", "refresh", busy && !still,
			    "still", busy && still, "running",
			    p.state == SETUP_RUNNING || p.state == SETUP_READY, "ready",
			    p.state == SETUP_READY, "percent", p.percent, "text",
			    request_text(r, setup_step_text(p.step)), "back_url", back_to(p.kind));
	if (p.failure)
		json_object_set_new(context, "failure",
				    json_string(request_error_text(r, p.failure)));
	if (p.remark && request_viewer(r))
		json_object_set_new(context, "remark", json_string(request_text(r, p.remark)));
	return respond_page(r, "setup_progress", request_text(r, N_("A new box")), context);
}

enum { WAY = ROUTE_SIGNED_IN | ROUTE_SAFE_DOOR };
const struct route setup_routes[] = {
	{"GET", "/", front, 0},
	{"GET", "/sign-in", sign_in, 0},
	{"POST", "/setup/code", enter, ROUTE_SAFE_DOOR | ROUTE_NO_CSRF},
	{"GET", "/setup/found", way_page, WAY},
	{"POST", "/setup/found", begin, WAY},
	{"GET", "/setup/join", way_page, WAY},
	{"POST", "/setup/join", begin, WAY},
	{"GET", "/setup/replace", way_page, WAY},
	{"POST", "/setup/replace", begin, WAY},
	{"GET", "/setup/restore", way_page, WAY},
	{"POST", "/setup/restore", begin, WAY | ROUTE_UPLOAD},
	{"POST", OPEN_PATH "/:device", open_stick, WAY},
	{"GET", "/setup/progress", progress, 0},
	{0},
};

/* --- afterwards ------------------------------------------------------------------------------- */

static struct error *over(struct request *r)
{
	const struct viewer *v = request_viewer(r);
	const char *meet = setup_met(r);

	if (v && v->volunteer && meet)
		return respond_done_saying(r, meet,
					   N_("The box is running. Compare the six digits with the"
					      " other house, and connect."),
					   NULL);
	if (v && v->volunteer)
		return respond_done_saying(r, network_first_page(request_app(r)),
					   N_("The box is running, and you are signed in."), NULL);
	return respond_done_saying(r, "/sign-in",
				   N_("The box is running. Sign in to look after it."), NULL);
}

const struct route setup_over_routes[] = {
	{"GET", "/setup/progress", over, 0},
	{0},
};
