/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Invitations: making one, what is sent, accepting one, and the knock of who was invited. */
#include "appliance/peers/peers_priv.h"

#define DAY_MS (24LL * 3600 * 1000)

/* --- making one ------------------------------------------------------------------------------- */

/* The addresses in a text with spaces and commas between, at most INVITE_ADDRESSES. */
static size_t split_addresses(const char *text, char out[INVITE_ADDRESSES][PEER_ADDRESS])
{
	size_t n = 0;

	while (n < INVITE_ADDRESSES) {
		size_t len;

		text += strspn(text, " ,\t\r\n");
		len = strcspn(text, " ,\t\r\n");
		if (!len)
			break;
		snprintf(out[n++], PEER_ADDRESS, "%.*s", (int)len, text);
		text += len;
	}
	return n;
}

bool peers_only_private(const char *addresses)
{
	char many[INVITE_ADDRESSES][PEER_ADDRESS];
	size_t n = split_addresses(addresses, many);

	for (size_t i = 0; i < n; i++)
		if (!address_is_private(many[i]))
			return false;
	return true;
}

const char *peers_public_addresses(struct app *a, struct arena *arena)
{
	char own[LIMIT_STATED][PEER_ADDRESS];
	size_t n = a->sync ? sync_own_addresses(a->sync, own, LIMIT_STATED) : 0;
	const char *list = "";

	for (size_t i = 0; i < n; i++)
		if (!address_is_private(own[i]))
			list = *list ? arena_printf(arena, "%s %s", list, own[i])
				     : arena_str(arena, own[i]);
	return list;
}

static void fill_invitation(struct app *a, const struct invite *i, struct invitation *ret)
{
	*ret = (struct invitation){.key = *secret_pubkey(a->self), .until_ms = i->until_ms};
	memcpy(ret->secret, i->secret, INVITE_SECRET);
	snprintf(ret->name, sizeof(ret->name), "%s", a->name);
	ret->addresses = split_addresses(i->address, ret->address);
}

void peers_invite_text(struct app *a, const struct invite *i, char out[INVITE_TEXT + 1])
{
	struct invitation inv;

	fill_invitation(a, i, &inv);
	invitation_write(&inv, out);
	crypto_wipe(inv.secret, INVITE_SECRET);
}

struct invite_job {
	struct app *app;
	struct invite invite;
};

static struct error *invite_job(struct conn *c, void *arg)
{
	struct invite_job *j = arg;

	return invite_add(c->local, &j->invite, j->invite.made_ms);
}

/* What is written must be what the other side reads. */
static struct error *check_written(struct app *a, const struct invite *i)
{
	char text[INVITE_TEXT + 1];
	struct invitation back;
	struct error *e;

	peers_invite_text(a, i, text);
	e = invitation_read(span_str(text), &back);
	if (!e)
		return NULL;
	error_free(e);
	return error_new(ERR_INVALID,
			 N_("“%s” is not an address. It looks like 192.168.1.20:8443."),
			 i->address);
}

struct error *peers_invite(struct app *a, const struct peers_invitation *what, int64_t *ret_num)
{
	struct invite_job j = {.app = a};
	struct invite *i = &j.invite;
	char many[INVITE_ADDRESSES][PEER_ADDRESS];

	ENSURE(what->days >= 1 && what->days <= PEERS_INVITE_DAYS_MOST,
	       error_new(ERR_INVALID, N_("An invitation is good for 1 to 90 days.")));
	ENSURE(strlen(what->address) < sizeof(i->address) &&
		       split_addresses(what->address, many) > 0,
	       error_new(ERR_INVALID,
			 N_("Write at which address the other box finds this one, such "
			    "as 192.168.1.20:8443.")));
	ENSURE(strlen(what->label) <= LIMIT_NAME,
	       error_new(ERR_INVALID, N_("The note is too long: at most 80 letters.")));
	env_random(a->env, i->secret, INVITE_SECRET);
	i->made_ms = env_now(a->env);
	i->until_ms = i->made_ms + what->days * DAY_MS;
	snprintf(i->label, sizeof(i->label), "%s", what->label);
	snprintf(i->address, sizeof(i->address), "%s", what->address);
	i->read_only = what->read_only;
	peer_terms_default(&i->terms);
	if (what->terms)
		i->terms = *what->terms;
	TRY(check_written(a, i));
	TRY(writer_run(a->writer, invite_job, &j));
	*ret_num = i->num;
	return NULL;
}

static struct error *take_back_job(struct conn *c, void *arg)
{
	return invite_remove(c->local, *(const int64_t *)arg);
}

struct error *peers_invite_take_back(struct app *a, int64_t num)
{
	return writer_run_care(a->writer, take_back_job, &num);
}

struct judging {
	struct app *app;
	int64_t num;
	const struct secret *steward;
	struct conn *conn;
	struct invite invite;
	struct hash revoke[LIMIT_SPACES];
	size_t n;
};

static struct error *judge_job(struct conn *c, void *arg)
{
	struct judging *j = arg;

	TRY(invite_get(c->local, j->num, &j->invite));
	return invite_checked(c->local, j->num);
}

static struct error *add_revocable(void *ctx, const struct space_info *s)
{
	struct judging *j = ctx;
	bool may;

	TRY(peers_may_revoke(j->conn, secret_pubkey(j->app->self), &s->id, &j->invite.used_by,
			     j->steward ? secret_pubkey(j->steward) : NULL, &may));
	if (may && j->n < LIMIT_SPACES)
		j->revoke[j->n++] = s->id;
	return NULL;
}

static struct error *put_out(struct judging *j)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct error *e;

	TRY(app_conn(j->app, &c));
	j->conn = c;
	TRY(space_each(c, add_revocable, j));
	e = peers_withdraw(j->app, &(struct peers_withdrawal){.key = j->invite.used_by,
							      .revoke = j->revoke,
							      .n = j->n,
							      .steward = j->steward,
							      .drop_kept = true});
	if (!error_is(e, ERR_NOT_FOUND)) /* disconnected already */
		return e;
	error_free(e);
	return NULL;
}

struct error *peers_invite_judge(struct app *a, int64_t num, bool right,
				 const struct secret *steward)
{
	struct judging *j = calloc(1, sizeof(*j));
	struct error *e;

	if (!j)
		abort();
	*j = (struct judging){.app = a, .num = num, .steward = steward};
	e = writer_run(a->writer, judge_job, j);
	if (!e && !right)
		e = put_out(j);
	free(j);
	return e;
}

/* --- what is sent ----------------------------------------------------------------------------- */

/* The host of "HOST:PORT" with its brackets, which is where our pages are, too. */
static const char *host_of(const char *address, struct arena *arena)
{
	const char *colon = strrchr(address, ':');

	return colon ? arena_strn(arena, address, (size_t)(colon - address)) : "";
}

const char *peers_invite_link(struct app *a, const struct invite *i, struct arena *arena)
{
	char text[INVITE_TEXT + 1], many[INVITE_ADDRESSES][PEER_ADDRESS];
	size_t n = split_addresses(i->address, many);

	peers_invite_text(a, i, text);
	if (!n)
		return arena_str(arena, text);
	if (a->http_port == 80)
		return arena_printf(arena, "http://%s" INVITE_PATH "%s", host_of(many[0], arena),
				    text);
	return arena_printf(arena, "http://%s:%d" INVITE_PATH "%s", host_of(many[0], arena),
			    a->http_port, text);
}

const char *peers_invite_file(struct app *a, const struct invite *i, error_translate_fn *translate,
			      void *ctx, struct arena *arena)
{
	struct error *words = error_new(
		ERR_INTERNAL,
		N_("An invitation from %s. It is meant for a volunteer of one other house: "
		   "open the page “Other houses” of your own box, then “Accept an "
		   "invitation”, and give it this file or the line below. It is good once. "
		   "Who has it can take your place, so pass it on to nobody."),
		*a->name ? a->name : ID_SHORT(secret_pubkey(a->self)));
	struct error *near = error_new(
		ERR_INTERNAL, N_("It works only on the network of the house that made it: the addresses "
				 "in it mean nothing elsewhere."));
	char text[1200], only[400] = "";
	const char *file;

	error_text(words, translate, ctx, text, sizeof(text));
	if (peers_only_private(i->address))
		error_text(near, translate, ctx, only, sizeof(only));
	file = arena_printf(arena, "%s%s%s\n\n%s\n", text, *only ? "\n\n" : "", only,
			    peers_invite_link(a, i, arena));
	error_free(words);
	error_free(near);
	return file;
}

/* --- accepting one of another box's ----------------------------------------------------------- */

/* Where else it says it is, until it says so itself; the first is the peer's address, and tried first. */
static struct error *others_job(struct conn *c, void *arg)
{
	const struct invitation *i = arg;

	for (size_t n = 1; n < i->addresses; n++)
		TRY(address_stated(c->local, &i->key, i->address[n]));
	return NULL;
}

struct error *peers_accept(struct app *a, const struct invitation *i,
			   const struct peers_approval *what)
{
	struct peers_approval full = *what;
	struct invitation from_here = *i;
	uint8_t claim[PEER_CLAIM];

	/* Of the addresses that it names: it can't know which of them works from here. */
	addresses_likely_first(from_here.address, from_here.addresses);
	crypto_wipe(from_here.secret, INVITE_SECRET);
	invite_proof(i->secret, &i->key, secret_pubkey(a->self), claim);
	full.key = i->key;
	full.claim = claim;
	full.how = PEER_BY_ACCEPTING;
	if (!full.address || !*full.address)
		full.address = from_here.addresses ? from_here.address[0] : "";
	if (!full.name || !*full.name)
		full.name = i->name;
	TRY(peers_approve(a, &full));
	if (i->addresses < 2)
		return NULL;
	TRY(writer_run(a->writer, others_job, &from_here));
	peers_tell_sync(a);
	return NULL;
}

/* --- who was invited knocks ------------------------------------------------------------------- */

struct invited_job {
	struct app *app;
	const struct knock *knock;
	const uint8_t *proof;
};

/* Checked again where it is written: it is good once, also when two knock at the same moment. */
static struct error *invited_job(struct conn *c, void *arg)
{
	struct invited_job *j = arg;
	const struct knock *k = j->knock;
	int64_t now = env_now(c->env);
	struct invite i;

	TRY(invite_match(c->local, secret_pubkey(j->app->self), &k->key, j->proof, now, &i));
	TRY(invite_use(c->local, i.num, &k->key, now));
	return peers_approve_in(j->app, c,
				&(struct peers_approval){.key = k->key,
							 .address = k->address,
							 .name = k->name,
							 .read_only = i.read_only,
							 .terms = &i.terms,
							 .how = PEER_BY_INVITING});
}

bool peers_invited(void *ctx, const struct knock *k, const uint8_t proof[PEER_CLAIM])
{
	struct app *a = ctx;
	struct invited_job j = {a, k, proof};
	struct error *e;

	/* A stranger must not make the writer work: only one of ours gets that far. */
	if (!peers_has_invited(a, &k->key, proof))
		return false;
	e = writer_run(a->writer, invited_job, &j);
	if (!e)
		return true;
	error_free(e);
	return false;
}
