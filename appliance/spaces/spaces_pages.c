/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/spaces/spaces_pages.h"
#include "appliance/files/files.h"
#include "appliance/member/account.h"
#include "appliance/peers/peers.h"
#include "appliance/place/moment.h"
#include "appliance/spaces/spaces.h"

/* --- what is known of a space ----------------------------------------------------------------- */

/* The space in the path, and what who asks may do there. */
struct here {
	struct space_info s;
	bool seen; /* else its name and its people are not for who asks */
	bool steward, keeper;
	const struct secret *author; /* of what is done to its boxes; NULL: this box */
};

struct self {
	struct pubkey key;
	bool keeper;
};

static struct error *look_for_self(void *ctx, const struct admitted *a)
{
	struct self *k = ctx;

	k->keeper |= a->keeper && a->write && pubkey_eq(&a->key, &k->key);
	return NULL;
}

static struct error *fill_here(struct request *r, struct here *h)
{
	const struct viewer *v = request_viewer(r);
	struct self self = {.key = *secret_pubkey(request_app(r)->self)};
	enum role role = ROLE_NONE;

	h->seen = conn_sees(request_conn(r), &h->s.id);
	TRY(admitted_each(request_conn(r), &h->s.id, look_for_self, &self));
	if (v)
		TRY(role_now(request_conn(r), &h->s.id, &v->key, &role));
	h->steward = v && v->secret && role >= ROLE_STEWARD;
	h->keeper = self.keeper;
	h->author = h->steward ? v->secret : NULL;
	return NULL;
}

static struct error *here_of_path(struct request *r, struct here *ret)
{
	struct hash id;

	ENSURE(id_parse(request_param(r, "id"), &id),
	       error_new(ERR_NOT_FOUND, N_("This box does not carry that space.")));
	*ret = (struct here){.seen = false};
	TRY(space_get_here(request_conn(r), &id, &ret->s));
	return fill_here(r, ret);
}

/* Whose boxes read a private space is its stewards' to say; of a public one also a keeper's. */
static bool may_boxes(const struct here *h)
{
	return h->steward || (h->keeper && !h->s.is_private);
}

static struct error *must(bool allowed)
{
	ENSURE(allowed, error_new(ERR_DENIED, N_("Only a steward of this space may do that.")));
	return NULL;
}

static const char *url_of(struct request *r, const struct here *h, const char *more)
{
	return arena_printf(request_arena(r), "/admin/spaces/%s%s", ID(&h->s.id), more);
}

/* What this box keeps for others without being able to look at it. */
static json_t *carried_json(struct request *r, const struct here *h)
{
	struct files_carried n;
	struct error *e = files_carried_count(request_conn(r), request_app(r)->blobs, &h->s.id, &n);

	if (e) {
		error_free(e);
		return json_null();
	}
	return json_pack("{s:I, s:I, s:s, s:I, s:b}", "files", (json_int_t)n.here, "bytes",
			 (json_int_t)n.bytes, "size_text", request_size_text(r, n.bytes), "missing",
			 (json_int_t)n.missing, "more", n.more);
}

static json_t *space_json(struct request *r, const struct here *h)
{
	const struct space_info *s = &h->s;
	bool keyless = s->is_private && !s->has_key;
	json_t *o = json_pack("{s:s, s:s, s:b, s:b, s:b, s:I}", "short", ID_SHORT(&s->id), "url",
			      url_of(r, h, ""), "private", s->is_private, "hidden", !h->seen,
			      "keyless", keyless, "unopened", (json_int_t)s->unopened);

	json_object_set_new(o, "name", h->seen ? json_string(s->name) : json_null());
	json_object_set_new(o, "carried", keyless ? carried_json(r, h) : json_null());
	return o;
}

/* --- the list --------------------------------------------------------------------------------- */

struct listing {
	struct request *r;
	json_t *list;
};

static struct error *count_person(void *ctx, const struct member *m)
{
	*(json_int_t *)ctx += m->role != ROLE_NONE;
	return NULL;
}

static struct error *count_box(void *ctx, const struct admitted *a)
{
	++*(json_int_t *)ctx;
	return NULL;
}

static struct error *list_space(void *ctx, const struct space_info *s)
{
	struct listing *l = ctx;
	struct conn *c = request_conn(l->r);
	struct here h = {.s = *s};
	json_int_t people = 0, boxes = 0;
	json_t *row;

	TRY(fill_here(l->r, &h));
	TRY(admitted_each(c, &s->id, count_box, &boxes));
	if (h.seen)
		TRY(member_each(c, &s->id, count_person, &people));
	row = space_json(l->r, &h);
	json_object_set_new(row, "people", json_integer(people));
	json_object_set_new(row, "boxes", json_integer(boxes));
	json_array_append_new(l->list, row);
	return NULL;
}

static bool ticked(struct request *r, const char *name)
{
	const char *s = request_field(r, name);

	return s && strcmp(s, "1") == 0;
}

static const char *field(struct request *r, const char *name)
{
	const char *s = request_field(r, name);

	return s ? s : "";
}

static struct error *show_list(struct request *r, int status, const char *problem)
{
	struct listing l = {r, json_array()};
	json_t *form =
		json_pack("{s:s, s:b}", "name", field(r, "name"), "private", ticked(r, "private"));
	json_t *context = json_pack("{s:o, s:o}", "spaces", l.list, "form", form);
	struct error *e = space_each_here(request_conn(r), list_space, &l);

	if (problem)
		json_object_set_new(form, "error", json_string(problem));
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "admin_spaces", request_text(r, N_("Spaces")),
				   context);
}

static struct error *page_spaces(struct request *r)
{
	return show_list(r, 200, NULL);
}

static struct error *found(struct request *r, struct hash *ret)
{
	const struct viewer *v = request_viewer(r);
	const char *name = field(r, "name");
	struct spaces_new what = {.name = name,
				  .is_private = ticked(r, "private"),
				  .steward = v->secret,
				  .steward_name = v->name};

	ENSURE(v->secret, error_new(ERR_DENIED, N_("This key for programs can't sign.")));
	ENSURE(name[strspn(name, " \t")],
	       error_new(ERR_INVALID, N_("Write what the space is to be called.")));
	return spaces_found(request_app(r), &what, ret);
}

static struct error *post_space(struct request *r)
{
	struct hash id;
	struct error *e;
	const char *text, *url;
	int status;

	request_blocks(r);
	e = found(r, &id);
	request_goes_on(r);
	if (e)
		return respond_form_error(r, e, &text, &status) ? show_list(r, status, text) : e;
	url = arena_printf(request_arena(r), "/admin/spaces/%s", ID(&id));
	return respond_done_saying(r, url, N_("The space is there."),
				   json_pack("{s:s, s:s}", "id", ID(&id), "url", url));
}

/* --- one space -------------------------------------------------------------------------------- */

struct showing {
	struct request *r;
	const struct here *h;
	json_t *people, *boxes, *peers;
	struct buf stopped; /* struct log_info of logs with a proof against who signed them */
};

/* In words; the order of enum role. */
static const char *role_words(struct request *r, enum role role)
{
	static const char *const words[] = {
		[ROLE_NONE] = "",
		[ROLE_APPLIANCE] = "",
		[ROLE_NEW] = N_("New here"),
		[ROLE_MEMBER] = N_("Member"),
		[ROLE_MODERATOR] = N_("Moderator"),
		[ROLE_STEWARD] = N_("Steward"),
	};

	return *words[role] ? request_text(r, words[role]) : "";
}

static json_t *removal(const struct showing *s, bool may, const char *what,
		       const struct pubkey *key)
{
	struct arena *a = request_arena(s->r);

	return may ? json_string(
			     url_of(s->r, s->h, arena_printf(a, "/%s/%s/remove", what, ID(key))))
		   : json_null();
}

static struct error *show_person(void *ctx, const struct member *m)
{
	struct showing *s = ctx;
	const struct viewer *v = request_viewer(s->r);
	bool me = v && pubkey_eq(&v->key, &m->key);

	if (m->role != ROLE_NONE)
		json_array_append_new(
			s->people, json_pack("{s:s, s:s, s:s, s:o}", "name", m->name, "role_text",
					     role_words(s->r, m->role), "key_short",
					     ID_SHORT(&m->key), "remove_url",
					     removal(s, s->h->steward && !me, "people", &m->key)));
	return NULL;
}

static struct error *note_stopped(void *ctx, const struct log_info *info)
{
	buf_add(ctx, info, sizeof(*info));
	return NULL;
}

static void show_proofs(const struct showing *s, const struct pubkey *key, json_t *row)
{
	const struct log_info *all = (const struct log_info *)(const void *)s->stopped.p;
	bool ended = false, frozen = false, fresh = false, seen;
	struct peer p;
	struct error *e = peer_get(request_conn(s->r)->local, key, &p);

	for (size_t i = 0; i < s->stopped.n / sizeof(*all); i++) {
		if (!pubkey_eq(&all[i].id.appliance, key))
			continue;
		ended |= all[i].ended != 0;
		frozen |= all[i].frozen != 0;
		seen = true; /* what can't be read has no button */
		error_free(conduct_has_seen(request_conn(s->r)->local, &all[i].id, &seen));
		fresh |= all[i].ended && !seen;
	}
	json_object_set_new(row, "false_author", json_boolean(ended));
	json_object_set_new(row, "false_author_new", json_boolean(fresh && e));
	json_object_set_new(row, "two_histories", json_boolean(frozen));
	json_object_set_new(row, "record_url",
			    e ? json_null()
			      : json_string(arena_printf(request_arena(s->r),
							 "/admin/peers/%s/conduct", ID(key))));
	error_free(e); /* no peer: it has no record here */
}

static struct error *show_box(void *ctx, const struct admitted *a)
{
	struct showing *s = ctx;
	bool self = pubkey_eq(&a->key, secret_pubkey(request_app(s->r)->self));
	const char *mode = a->write   ? N_("reads and writes")
			   : a->carry ? N_("carries what it can't read")
				      : N_("reads");
	char name[LIMIT_NAME + 1];
	json_t *row;

	peers_box_name(request_conn(s->r), a, name);
	row = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:o}", "name", name, "key", ID(&a->key),
			"short", ID_SHORT(&a->key), "mode_text", request_text(s->r, mode), "keeper",
			a->keeper, "self", self, "remove_url",
			removal(s, may_boxes(s->h) && !self, "boxes", &a->key));
	show_proofs(s, &a->key, row);
	json_array_append_new(s->boxes, row);
	return NULL;
}

/* Connected houses that are not among the boxes above. */
static struct error *show_peer(void *ctx, const struct peer *p)
{
	struct showing *s = ctx;
	const json_t *row;
	size_t i;

	json_array_foreach(s->boxes, i,
			   row) if (!strcmp(json_string_value(json_object_get(row, "key")),
					    ID(&p->key))) return NULL;
	json_array_append_new(s->peers, json_pack("{s:s, s:s}", "key", ID(&p->key), "name",
						  *p->name ? p->name : ID_SHORT(&p->key)));
	return NULL;
}

static struct error *show_space(struct request *r, const struct here *h, int status,
				const char *problem)
{
	struct showing s = {r, h, json_array(), json_array(), json_array(), {0}};
	struct conn *c = request_conn(r);
	json_t *context =
		json_pack("{s:o, s:o, s:o, s:o, s:{s:b, s:b, s:b}, s:{s:s?}}", "space",
			  space_json(r, h), "people", s.people, "boxes", s.boxes, "peers", s.peers,
			  "can", "people", h->steward, "boxes", may_boxes(h), "rotate",
			  h->steward && h->s.is_private, "form", "error", problem);
	struct error *e = h->seen ? member_each(c, &h->s.id, show_person, &s) : NULL;

	if (!e)
		e = log_each_stopped(c->log, &h->s.id, note_stopped, &s.stopped);
	if (!e)
		e = admitted_each(c, &h->s.id, show_box, &s);
	buf_release(&s.stopped);
	if (!e)
		e = peer_each(c->local, show_peer, &s);
	if (e) {
		json_decref(context);
		return e;
	}
	return respond_page_status(r, status, "admin_space",
				   h->seen ? h->s.name : request_text(r, N_("A private space")),
				   context);
}

static struct error *page_space(struct request *r)
{
	struct here h;

	TRY(here_of_path(r, &h));
	return show_space(r, &h, 200, NULL);
}

/* Back to the space's page, or the form again with what is wrong. */
static struct error *answer(struct request *r, const struct here *h, struct error *e,
			    const char *saying)
{
	const char *text;
	int status;

	if (!e)
		return respond_done_saying(r, url_of(r, h, ""), saying, NULL);
	return respond_form_error(r, e, &text, &status) ? show_space(r, h, status, text) : e;
}

/* --- its boxes -------------------------------------------------------------------------------- */

static struct error *admit(struct request *r, const struct here *h)
{
	const char *mode = field(r, "mode"), *text = field(r, "key");
	enum admission how = !strcmp(mode, "carry")  ? ADMIT_CARRY
			     : !strcmp(mode, "read") ? ADMIT_READ
						     : ADMIT_WRITE;
	struct pubkey key;
	struct peer p = {.name = ""};

	ENSURE(id_parse(text, &key),
	       error_new(ERR_INVALID, N_("Choose a house, or give its whole key: 52 letters.")));
	error_free(peer_get(request_conn(r)->local, &key, &p));
	return spaces_admit(request_app(r), &h->s.id, &key, p.name, how, h->author);
}

static struct error *post_box(struct request *r)
{
	struct here h;
	struct error *e;

	TRY(here_of_path(r, &h));
	TRY(must(may_boxes(&h)));
	request_blocks(r);
	e = admit(r, &h);
	request_goes_on(r);
	return answer(r, &h, e, N_("The box is admitted. It hears of it with the next exchange."));
}

static struct error *key_of_path(struct request *r, struct pubkey *ret)
{
	ENSURE(id_parse(request_param(r, "key"), ret),
	       error_new(ERR_NOT_FOUND, N_("There is nothing at this address.")));
	return NULL;
}

struct naming {
	const struct pubkey *key;
	char name[LIMIT_NAME + 1];
};

static struct error *name_box(void *ctx, const struct admitted *a)
{
	struct naming *n = ctx;

	if (pubkey_eq(&a->key, n->key))
		snprintf(n->name, sizeof(n->name), "%s", a->name);
	return NULL;
}

/* Are you sure? what: "person", "rotate". */
static struct error *ask(struct request *r, const struct here *h, const char *what,
			 const char *name)
{
	return respond_page(r, "admin_space_sure", request_text(r, N_("Are you sure?")),
			    json_pack("{s:o, s:s, s:s, s:b}", "space", space_json(r, h), "action",
				      request_path(r), "name", name, what, 1));
}

static struct error *page_box_remove(struct request *r)
{
	struct naming n = {.name = ""};
	struct pubkey key;
	uint64_t goes = 0;
	int64_t since;
	struct here h;

	TRY(here_of_path(r, &h));
	TRY(must(may_boxes(&h)));
	TRY(key_of_path(r, &key));
	TRY(since_read(r, true, &since));
	n.key = &key;
	TRY(admitted_each(request_conn(r), &h.s.id, name_box, &n));
	if (since)
		TRY(community_cut_off(request_conn(r), &h.s.id, &key, since, &goes));
	return respond_page(r, "admin_space_sure", request_text(r, N_("Are you sure?")),
			    json_pack("{s:o, s:s, s:s, s:b, s:o}", "space", space_json(r, &h), "action",
				      request_path(r), "name", *n.name ? n.name : ID_SHORT(&key), "box", 1,
				      "since", since_json(r, since, goes)));
}

static struct error *post_box_remove(struct request *r)
{
	const char *page;
	struct pubkey key;
	int64_t since;
	struct here h;
	struct error *e;

	TRY(here_of_path(r, &h));
	TRY(must(may_boxes(&h)));
	TRY(key_of_path(r, &key));
	TRY(since_read(r, false, &since));
	if (request_field(r, "show")) {
		TRY(since_address(r, request_path(r), &page));
		return respond_done(r, page, NULL);
	}
	request_blocks(r);
	e = spaces_remove(request_app(r), &h.s.id, &key, since, h.author);
	request_goes_on(r);
	return answer(r, &h, e, N_("The box is removed."));
}

/* --- its people ------------------------------------------------------------------------------- */

/* Somebody with an account here, or somebody of the community whose home is another box. */
static struct error *find_person(struct request *r, const char *name, struct spaces_person *ret)
{
	struct conn *c = request_conn(r);
	struct account a;
	struct space_info home;
	struct member m;
	struct error *e = account_by_name(c, name, &a);

	if (!e) {
		ret->key = a.key;
		ret->home = *secret_pubkey(request_app(r)->self);
		ret->name = arena_str(request_arena(r), a.name);
		return NULL;
	}
	if (!error_is(e, ERR_NOT_FOUND))
		return e;
	error_free(e);
	TRY(space_home(c, &home));
	e = member_by_name(c, &home.id, name, &m);
	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		return error_new(ERR_INVALID,
				 N_("Nobody of that name has an account here or belongs to the"
				    " community."));
	}
	TRY(e);
	ret->key = m.key;
	ret->home = m.home;
	ret->name = arena_str(request_arena(r), m.name);
	return NULL;
}

static struct error *add_person(struct request *r, const struct here *h)
{
	struct spaces_person who = {.role = ROLE_MEMBER};
	const char *role = field(r, "role");

	ENSURE(!*role || role_parse(role, &who.role),
	       error_new(ERR_INVALID, N_("Choose what this person may do.")));
	TRY(find_person(r, field(r, "name"), &who));
	return spaces_add_person(request_app(r), &h->s.id, &who, h->author);
}

static struct error *post_person(struct request *r)
{
	struct here h;
	struct error *e;

	TRY(here_of_path(r, &h));
	TRY(must(h.steward));
	request_blocks(r);
	e = add_person(r, &h);
	request_goes_on(r);
	return answer(r, &h, e, N_("The person belongs to this space now."));
}

static struct error *page_person_remove(struct request *r)
{
	struct pubkey key;
	struct member m;
	struct here h;

	TRY(here_of_path(r, &h));
	TRY(must(h.steward));
	TRY(key_of_path(r, &key));
	TRY(member_get(request_conn(r), &h.s.id, &key, &m));
	return ask(r, &h, "person", m.name);
}

static struct error *post_person_remove(struct request *r)
{
	struct pubkey key;
	struct here h;
	struct error *e;

	TRY(here_of_path(r, &h));
	TRY(must(h.steward));
	TRY(key_of_path(r, &key));
	request_blocks(r);
	e = spaces_remove_person(request_app(r), &h.s.id, &key, h.author);
	request_goes_on(r);
	return answer(r, &h, e, N_("The person does not belong to this space any more."));
}

/* --- a new key -------------------------------------------------------------------------------- */

static struct error *page_rotate(struct request *r)
{
	struct here h;

	TRY(here_of_path(r, &h));
	TRY(must(h.steward && h.s.is_private));
	return ask(r, &h, "rotate", h.s.name);
}

static struct error *post_rotate(struct request *r)
{
	struct here h;
	struct error *e;

	TRY(here_of_path(r, &h));
	TRY(must(h.steward && h.s.is_private));
	request_blocks(r);
	e = spaces_rotate(request_app(r), &h.s.id, h.author);
	request_goes_on(r);
	return answer(r, &h, e, N_("The space has a new key."));
}

static struct error *saw_job(struct conn *c, void *arg)
{
	return spaces_saw_false_authors(c, arg);
}

static struct error *post_seen(struct request *r)
{
	struct here h;

	TRY(here_of_path(r, &h));
	TRY(request_write(r, saw_job, &h.s.id));
	return respond_done_saying(r, arena_printf(request_arena(r), "/admin/spaces/%s", ID(&h.s.id)),
				   N_("It is noted that you have seen it."), NULL);
}

enum { HEAVY = ROUTE_VOLUNTEER | ROUTE_FRESH };
const struct route spaces_routes[] = {
	{"GET", "/admin/spaces", page_spaces, ROUTE_VOLUNTEER},
	{"POST", "/admin/spaces", post_space, HEAVY},
	{"GET", "/admin/spaces/:id", page_space, ROUTE_VOLUNTEER},
	{"POST", "/admin/spaces/:id/boxes", post_box, HEAVY},
	{"GET", "/admin/spaces/:id/boxes/:key/remove", page_box_remove, HEAVY},
	{"POST", "/admin/spaces/:id/boxes/:key/remove", post_box_remove, HEAVY},
	{"POST", "/admin/spaces/:id/people", post_person, HEAVY},
	{"GET", "/admin/spaces/:id/people/:key/remove", page_person_remove, HEAVY},
	{"POST", "/admin/spaces/:id/people/:key/remove", post_person_remove, HEAVY},
	{"GET", "/admin/spaces/:id/rotate", page_rotate, HEAVY},
	{"POST", "/admin/spaces/:id/rotate", post_rotate, HEAVY},
	{"POST", "/admin/spaces/:id/seen", post_seen, ROUTE_VOLUNTEER},
	{0},
};
