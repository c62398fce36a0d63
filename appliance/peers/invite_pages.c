/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Invitations: making one, sending it, accepting one, and what a browser shows that opens the link.
 */
#include "appliance/page/qr.h"
#include "appliance/peers/peer_pages_priv.h"
#include "appliance/peers/peers_pages.h"
#include <ctype.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>

static const char *translate(void *ctx, const char *msgid)
{
	return request_text(ctx, msgid);
}

static const char *field_or(struct request *r, const char *name, const char *otherwise)
{
	const char *said = request_field(r, name);

	return said ? said : otherwise;
}

/* --- making one ------------------------------------------------------------------------------- */

const char *peers_own_address(struct request *r)
{
	const char *host = request_host(r);
	int port = request_app(r)->sync ? sync_port(request_app(r)->sync) : 0;

	if (!*host || !port || strcmp(host, "localhost") == 0)
		return "";
	return arena_printf(request_arena(r), "%s:%d", host, port);
}

const char *peers_shown_address(struct request *r)
{
	const char *own = peers_own_address(r);
	int port = request_app(r)->sync ? sync_port(request_app(r)->sync) : 0;
	char text[INET_ADDRSTRLEN];
	struct ifaddrs *all;

	if (*own || !port || getifaddrs(&all))
		return own;
	for (const struct ifaddrs *i = all; i && !*own; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && i->ifa_flags & IFF_UP &&
		    !(i->ifa_flags & IFF_LOOPBACK) &&
		    inet_ntop(AF_INET,
			      &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr,
			      text, sizeof(text)))
			own = arena_printf(request_arena(r), "%s:%d", text, port);
	freeifaddrs(all);
	return own;
}

/* First where it is reached from outside, as far as that is known: who is elsewhere needs that one. */
static const char *offered_addresses(struct request *r)
{
	const char *own = peers_own_address(r);
	const char *known = peers_public_addresses(request_app(r), request_arena(r));

	if (!*known || !*own || !peers_only_private(own))
		return *known ? known : own;
	return arena_printf(request_arena(r), "%s %s", known, own);
}

static struct error *show_invite(struct request *r, const struct peer_terms *t, int status,
				 const char *error)
{
	const char *read_only = field_or(r, "read_only", "");
	const char *addresses = field_or(r, "addr", offered_addresses(r));
	json_t *form = json_pack("{s:s, s:s, s:s, s:b}", "label", field_or(r, "label", ""), "addr",
				 addresses, "days", field_or(r, "days", "7"), "read_only",
				 *read_only == '1');
	json_t *context = json_pack("{s:o, s:b}", "form", form, "only_near",
				    *addresses && peers_only_private(addresses));
	struct error *e = terms_into(r, context, NULL, t, terms_preview_asked(r));

	if (e) {
		json_decref(context);
		return e;
	}
	if (error)
		json_object_set_new(form, "error", json_string(error));
	return respond_page_status(r, status, "admin_invite",
				   request_text(r, N_("Invite another house")), context);
}

static struct error *invite_page(struct request *r)
{
	struct peer_terms t;

	peer_terms_default(&t);
	return show_invite(r, &t, 200, NULL);
}

static struct error *make_invite(struct request *r, const struct peer_terms *t, int64_t *ret_num)
{
	const char *read_only = field_or(r, "read_only", "");

	return peers_invite(
		request_app(r),
		&(struct peers_invitation){.label = field_or(r, "label", ""),
					   .address = field_or(r, "addr", ""),
					   .days = (int)strtol(field_or(r, "days", "7"), NULL, 10),
					   .read_only = *read_only == '1',
					   .terms = t},
		ret_num);
}

static struct error *invite(struct request *r)
{
	struct peer_terms none, t;
	const char *error, *path;
	struct error *e;
	int64_t num;
	int status;

	peer_terms_default(&none);
	t = none;
	e = terms_read(r, &none, &t);
	if (!e && terms_preview_asked(r))
		return show_invite(r, &t, 200, NULL);
	if (!e)
		e = make_invite(r, &t, &num);
	if (e && respond_form_error(r, e, &error, &status))
		return show_invite(r, &t, status, error);
	TRY(e);
	path = arena_printf(request_arena(r), "/admin/peers/invite/%lld", (long long)num);
	return respond_done(r, path, json_pack("{s:s, s:I}", "url", path, "num", (json_int_t)num));
}

/* --- sending it ------------------------------------------------------------------------------- */

static struct error *find_invite(struct request *r, struct invite *ret)
{
	return invite_get(request_conn(r)->local, strtoll(request_param(r, "num"), NULL, 10), ret);
}

/* The letters in capitals: a code of capitals and digits has fewer modules (ISO/IEC 18004, 7.3.4).
 */
static const char *for_camera(struct request *r, const char *link)
{
	char *copy = arena_str(request_arena(r), link), *letters = strstr(copy, INVITE_PATH);

	for (char *c = letters ? letters + strlen(INVITE_PATH) : copy; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return copy;
}

static const char *peer_called(struct request *r, const struct pubkey *key)
{
	struct peer p = {.name = ""};

	error_free(peer_get(request_conn(r)->local, key, &p));
	return peers_name_of(r, p.name, key);
}

static json_t *invite_json(struct request *r, const struct invite *i)
{
	bool open = invite_is_open(i, env_now(request_app(r)->env));
	json_t *row = json_pack("{s:I, s:s, s:b, s:b, s:s, s:s, s:s}", "num", (json_int_t)i->num,
				"label", i->label, "open", open, "ended", !open && !i->used_ms,
				"until", request_date(r, i->until_ms), "until_text",
				request_date_text(r, i->until_ms), "made_text",
				request_date_text(r, i->made_ms));

	if (!i->used_ms)
		return row;
	json_object_set_new(row, "used", json_string(request_date(r, i->used_ms)));
	json_object_set_new(row, "used_text", json_string(request_date_text(r, i->used_ms)));
	json_object_set_new(row, "key", json_string(ID(&i->used_by)));
	json_object_set_new(row, "short", json_string(ID_SHORT(&i->used_by)));
	json_object_set_new(row, "letters", json_string(peers_letters(r, &i->used_by)));
	json_object_set_new(row, "by", json_string(peer_called(r, &i->used_by)));
	json_object_set_new(row, "unchecked", json_boolean(!i->checked));
	return row;
}

static struct error *invitation_page(struct request *r)
{
	struct invite i;
	struct qr qr;
	const char *link;
	json_t *row, *drawn;

	TRY(find_invite(r, &i));
	link = peers_invite_link(request_app(r), &i, request_arena(r));
	TRY(qr_make(for_camera(r, link), &qr));
	row = invite_json(r, &i);
	if (invite_is_open(&i, env_now(request_app(r)->env)))
		json_object_set_new(row, "link", json_string(link));
	json_object_set_new(row, "only_near", json_boolean(peers_only_private(i.address)));
	json_object_set_new(row, "outside", json_string(peers_public_addresses(request_app(r),
									       request_arena(r))));
	drawn = json_pack("{s:i, s:s}", "size", qr.size, "path",
			  json_object_get(row, "link") ? qr.path : "");
	qr_release(&qr);
	return respond_page(r, "admin_invitation", request_text(r, N_("An invitation")),
			    json_pack("{s:o, s:o}", "invite", row, "qr", drawn));
}

static struct error *invitation_file(struct request *r)
{
	struct invite i;
	const char *text;

	TRY(find_invite(r, &i));
	ENSURE(invite_is_open(&i, env_now(request_app(r)->env)),
	       error_new(ERR_GONE, N_("This invitation is not good any more. Make a new one.")));
	text = peers_invite_file(request_app(r), &i, translate, r, request_arena(r));
	return respond_bytes(r, 200, "text/plain; charset=utf-8", span_str(text));
}

static struct error *take_back(struct request *r)
{
	struct invite i;

	TRY(find_invite(r, &i));
	TRY(peers_invite_take_back(request_app(r), i.num));
	return respond_done_saying(r, "/admin/peers",
				   N_("The invitation is taken back. Nobody gets in with it."),
				   NULL);
}

static struct error *judge(struct request *r, bool right, const char *said)
{
	struct invite i;

	TRY(find_invite(r, &i));
	ENSURE(i.used_ms, error_new(ERR_NOT_FOUND, N_("Nobody has used this invitation.")));
	TRY(peers_invite_judge(request_app(r), i.num, right, request_viewer(r)->secret));
	return respond_done_saying(r,
				   right ? arena_printf(request_arena(r), "/admin/peers/%s",
							ID(&i.used_by))
					 : "/admin/peers",
				   said, NULL);
}

static struct error *it_is_them(struct request *r)
{
	return judge(r, true, N_("Good: it is the house that you invited."));
}

static struct error *it_is_not(struct request *r)
{
	return judge(r, false,
		     N_("That box is put out again, and what it writes counts nowhere. Invite the"
			" other house anew, and send the link another way."));
}

struct invites {
	struct request *r;
	json_t *list;
};

static struct error *add_invite(void *ctx, const struct invite *i)
{
	struct invites *v = ctx;

	json_array_append_new(v->list, invite_json(v->r, i));
	return NULL;
}

struct error *invites_into(struct request *r, json_t *context)
{
	struct invites v = {r, json_array()};

	json_object_set_new(context, "invites", v.list);
	return invite_each(request_conn(r)->local, add_invite, &v);
}

/* --- accepting one ---------------------------------------------------------------------------- */

static struct error *show_accept(struct request *r, int status, const char *error)
{
	json_t *form = json_pack("{s:s}", "text", field_or(r, "text", ""));

	if (error)
		json_object_set_new(form, "error", json_string(error));
	return respond_page_status(r, status, "admin_accept",
				   request_text(r, N_("Accept an invitation")),
				   json_pack("{s:o}", "form", form));
}

static struct error *accept_page(struct request *r)
{
	return show_accept(r, 200, NULL);
}

/* From the file when there is one, else from the field. */
static struct error *read_invitation(struct request *r, struct invitation *ret)
{
	const char *text = field_or(r, "text", "");
	_cleanup_(buf_release) struct buf file = {0};
	struct error *e;
	uint64_t size;
	int fd;

	if (!request_spooled(r, &fd, &size))
		return invitation_read(span_str(text), ret);
	e = fd_read_all(fd, INVITE_FILE, &file, "invitation");
	close(fd);
	TRY(e);
	return file.n || !*text ? invitation_read(buf_span(&file), ret)
				: invitation_read(span_str(text), ret);
}

static struct error *take_invitation(struct request *r)
{
	struct candidate c = {.status = 200};
	struct invitation i;
	const char *error;
	struct error *e = read_invitation(r, &i);
	char text[INVITE_TEXT + 1];
	bool known;
	int status;

	if (!e && pubkey_eq(&i.key, secret_pubkey(request_app(r)->self)))
		e = error_new(ERR_INVALID, N_("This is an invitation of this box itself. Send it "
					      "to the other house."));
	if (e && respond_form_error(r, e, &error, &status))
		return show_accept(r, status, error);
	TRY(e);
	invitation_write(&i, text);
	c.key = i.key;
	c.invitation = arena_str(request_arena(r), text);
	snprintf(c.name, sizeof(c.name), "%s", i.name);
	if (i.addresses)
		snprintf(c.address, sizeof(c.address), "%s", i.address[0]);
	TRY(candidate_known(r, &c, &known));
	return show_candidate(r, &c);
}

/* --- the link, in anybody's browser ----------------------------------------------------------- */

/* It shows what the address itself says, and opens nothing: who has the link has the invitation. */
static struct error *pair_page(struct request *r)
{
	const char *letters = request_param(r, "letters");
	struct invitation i;
	struct error *e;
	bool here;

	TRY(request_limit(r, "pair", 30, 30));
	e = invitation_read(span_str(letters), &i);
	if (e) {
		error_free(e);
		return error_new(ERR_NOT_FOUND, N_("This link is not whole. Ask for it again."));
	}
	here = pubkey_eq(&i.key, secret_pubkey(request_app(r)->self));
	return respond_page(r, "pair", request_text(r, N_("An invitation for your house")),
			    json_pack("{s:{s:s, s:s, s:s, s:b}}", "invitation", "name",
				      peers_name_of(r, i.name, &i.key), "key", ID(&i.key), "text",
				      letters, "here", here));
}

enum { HEAVY = ROUTE_VOLUNTEER | ROUTE_FRESH };
const struct route invite_routes[] = {
	{"GET", "/admin/peers/invite", invite_page, HEAVY},
	{"POST", "/admin/peers/invite", invite, HEAVY},
	{"GET", "/admin/peers/invite/:num", invitation_page, HEAVY},
	{"GET", "/admin/peers/invite/:num/file", invitation_file, HEAVY},
	{"POST", "/admin/peers/invite/:num/take-back", take_back, ROUTE_VOLUNTEER},
	{"POST", "/admin/peers/invite/:num/right", it_is_them, HEAVY},
	{"POST", "/admin/peers/invite/:num/wrong", it_is_not, HEAVY},
	{"GET", "/admin/peers/accept", accept_page, HEAVY},
	{"POST", "/admin/peers/accept", take_invitation, HEAVY | ROUTE_SPOOL},
	{"GET", "/pair/:letters", pair_page, 0},
	{0},
};
