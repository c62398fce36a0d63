/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/peers/receipt_pages.h"
#include "appliance/carry/carry.h"
#include "appliance/peers/peers.h"

enum { RECEIPTS_A_PAGE = 50, CARRIED_LOOK = 200, WORDS = 600 };

/* A receipt that is being put into words. */
struct paper {
	struct request *r;
	struct receipt_signed s;
	struct receipt_body body; /* the version that is put into words: at first the asker's */
	const char *name[2];
};

static const char *translate(void *ctx, const char *msgid)
{
	return request_text(ctx, msgid);
}

/* --- bytes for who wants to check them elsewhere ---------------------------------------------- */

static json_t *base64_json(struct request *r, struct span s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = arena_alloc(request_arena(r), (s.n + 2) / 3 * 4 + 1), *to = out;

	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t v = (uint32_t)s.p[i] << 16;

		v |= i + 1 < s.n ? (uint32_t)s.p[i + 1] << 8 : 0;
		v |= i + 2 < s.n ? s.p[i + 2] : 0;
		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = i + 1 < s.n ? digits[v >> 6 & 63] : '=';
		*to++ = i + 2 < s.n ? digits[v & 63] : '=';
	}
	return json_string(out);
}

static json_t *hand_json(const struct paper *p, int side)
{
	struct span bytes = p->s.bytes[side];
	const struct pubkey *key = &p->body.box[side];
	bool is_signed = bytes.p != NULL;
	json_t *row = json_pack("{s:s, s:s, s:s, s:b}", "name", p->name[side], "key", ID(key),
				"short", ID_SHORT(key), "signed", is_signed);

	json_object_set_new(
		row, "valid",
		json_boolean(is_signed && receipt_signed_by(key, bytes, &p->s.sig[side])));
	if (is_signed) {
		struct hash id = receipt_id(bytes);

		json_object_set_new(row, "word", json_string(ID_SHORT(&id)));
		json_object_set_new(row, "statement", base64_json(p->r, bytes));
		json_object_set_new(row, "signature",
				    base64_json(p->r, span_of(p->s.sig[side].b, 64)));
	}
	return row;
}

/* --- words ------------------------------------------------------------------------------------ */

/* One sentence; consumed. */
static void say(const struct paper *p, json_t *list, struct error *take_sentence)
{
	char text[WORDS];

	error_text(take_sentence, translate, p->r, text, sizeof(text));
	json_array_append_new(list, json_string(text));
	error_free(take_sentence);
}

/* The same of two communities is one sentence. */
static void say_once(const struct paper *p, json_t *list, struct error *take_sentence)
{
	size_t n = json_array_size(list);
	const char *last;

	say(p, list, take_sentence);
	last = json_string_value(json_array_get(list, n));
	for (size_t i = 0; i < n; i++)
		if (!strcmp(json_string_value(json_array_get(list, i)), last)) {
			json_array_remove(list, n);
			return;
		}
}

static const char *number(const struct paper *p, uint64_t n)
{
	return request_number_text(p->r, (int64_t)n);
}

static const char *space_name(const struct paper *p, const struct hash *id)
{
	struct space_info s;
	struct error *e = space_get(request_conn(p->r), id, &s);
	const char *name = e || !*s.name ? ID_SHORT(id) : s.name;

	error_free(e);
	return arena_str(request_arena(p->r), name);
}

/* In a bundle's: what one box counted in the file and holds itself. */
static void say_carried_space(const struct paper *p, json_t *list, const struct receipt_space *s)
{
	bool taken = p->body.kind == RECEIPT_TAKEN;
	static const uint8_t nothing[16];

	say(p, list,
	    error_new(ERR_INTERNAL,
		      taken ? N_("Entries in the file: %s.") : N_("Entries written: %s."),
		      number(p, s->entries[taken ? ANSWERER : ASKER])));
	if (s->forks[0] + s->forks[1])
		say(p, list,
		    error_new(ERR_INTERNAL, N_("Proofs of logs that contradict themselves: %s."),
			      number(p, (uint64_t)s->forks[0] + s->forks[1])));
	if (memcmp(s->missing[ASKER], nothing, 16) != 0)
		say(p, list,
		    error_new(ERR_INTERNAL,
			      N_("Some contents are not at %s: they were erased, or are "
				 "still on their way."),
			      p->name[ASKER]));
}

static void say_space(const struct paper *p, json_t *list, const struct receipt_space *s)
{
	for (int i = 0; i < 2; i++)
		if (s->entries[i])
			say(p, list,
			    s->entries[i] == 1
				    ? error_new(ERR_INTERNAL, N_("%s sent one entry."), p->name[i])
				    : error_new(ERR_INTERNAL, N_("%s sent %s entries."), p->name[i],
						number(p, s->entries[i])));
	if (!s->entries[0] && !s->entries[1])
		say(p, list, error_new(ERR_INTERNAL, N_("Nothing had to travel.")));
	if (s->forks[0] + s->forks[1] == 1)
		say(p, list,
		    error_new(ERR_INTERNAL, N_("A log contradicts itself; the proof travelled.")));
	else if (s->forks[0] + s->forks[1])
		say(p, list,
		    error_new(ERR_INTERNAL,
			      N_("%s logs contradict themselves; the proofs travelled."),
			      number(p, (uint64_t)s->forks[0] + s->forks[1])));
	if (s->conflicts == 1)
		say(p, list,
		    error_new(ERR_INTERNAL,
			      N_("One page has two versions that wait for people.")));
	else if (s->conflicts)
		say(p, list,
		    error_new(ERR_INTERNAL, N_("%s pages have two versions that wait for people."),
			      number(p, s->conflicts)));
	for (int i = 0; i < 2; i++) {
		static const uint8_t nothing[16];

		if (memcmp(s->missing[i], nothing, 16) != 0)
			say(p, list,
			    error_new(ERR_INTERNAL,
				      N_("Some contents are not at %s: they were erased, or are "
					 "still on their way."),
				      p->name[i]));
	}
	say(p, list,
	    receipt_space_equal(s) ? error_new(ERR_INTERNAL, N_("Both hold the same now."))
				   : error_new(ERR_INTERNAL, N_("They do not hold the same yet.")));
}

static json_t *spaces_json(const struct paper *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->body.n_spaces; i++) {
		const struct receipt_space *s = &p->body.spaces[i];
		json_t *row = json_pack(
			"{s:s, s:s, s:[], s:b, s:s, s:s}", "name", space_name(p, &s->space), "id",
			ID(&s->space), "sentences", "equal", receipt_space_equal(s), "word_asker",
			ID_SHORT(&s->heads[ASKER]), "word_answerer", ID_SHORT(&s->heads[ANSWERER]));

		if (p->body.kind == RECEIPT_MET)
			say_space(p, json_object_get(row, "sentences"), s);
		else
			say_carried_space(p, json_object_get(row, "sentences"), s);
		json_array_append_new(list, row);
	}
	return list;
}

/* What waits at that box, and what it refused. */
static void say_refusals(const struct paper *p, json_t *list, int side)
{
	for (size_t i = 0; i < p->body.n_refusals; i++) {
		const struct receipt_refusal *f = &p->body.refusals[i];
		const char *box = ID_SHORT(&f->id.appliance);
		char name[LIMIT_NAME + 1];

		if ((f->by ? ANSWERER : ASKER) != side)
			continue;
		if (peers_known_name(request_conn(p->r), &f->id.appliance, name))
			box = name;
		box = arena_str(request_arena(p->r), box);
		if (f->why == ERR_NOT_ADMITTED)
			say_once(p, list,
				 error_new(ERR_INTERNAL,
					   N_("Waiting at %s: what box %s wrote, until a steward"
					      " admits that box."),
					   p->name[side], box));
		else if (f->why == ERR_LIMIT)
			say_once(p, list,
				 error_new(ERR_INTERNAL, N_("Waiting for %s: more of box %s."),
					   p->name[side], box));
		else
			say_once(p, list,
				 error_new(ERR_INTERNAL,
					   N_("Refused at %s: entries of box %s (%s)."),
					   p->name[side], box, error_name(f->why)));
	}
}

/* Entries that came and were here: else it is a riddle where they went. What was refused has its own
 * sentences, and may be among them. */
static uint64_t had_already(const struct paper *p, int i)
{
	uint64_t came = 0, used = p->body.fresh[i] + p->body.filled[i];

	for (size_t k = 0; k < p->body.n_spaces; k++)
		came += p->body.spaces[k].entries[1 - i];
	return p->body.n_refusals || came < used ? 0 : came - used;
}

static void say_new(const struct paper *p, json_t *list, int i)
{
	const char *who = p->name[i];
	uint64_t had = had_already(p, i);

	say(p, list,
	    p->body.fresh[i] == 1
		    ? error_new(ERR_INTERNAL, N_("New at %s: one entry."), who)
		    : error_new(ERR_INTERNAL, N_("New at %s: %s entries."), who,
				number(p, p->body.fresh[i])));
	if (p->body.filled[i])
		say(p, list,
		    error_new(ERR_INTERNAL, N_("Contents that had been missing at %s: %s."), who,
			      number(p, p->body.filled[i])));
	if (had == 1)
		say(p, list, error_new(ERR_INTERNAL, N_("One entry was at %s already."), who));
	else if (had)
		say(p, list,
		    error_new(ERR_INTERNAL, N_("At %s already: %s entries."), who, number(p, had)));
}

static void say_blobs(const struct paper *p, json_t *list)
{
	if (p->body.blobs == 1)
		say(p, list, error_new(ERR_INTERNAL, N_("%s took one file."), p->name[ASKER]));
	else if (p->body.blobs)
		say(p, list,
		    error_new(ERR_INTERNAL, N_("%s took %s files."), p->name[ASKER],
			      number(p, p->body.blobs)));
}

/* What a box says of itself, and the other one can't count: what was new to it, what it refused, and, of
 * who asked, the files. */
static json_t *own_word(const struct paper *p, int side)
{
	json_t *list = json_array();

	say_new(p, list, side);
	if (side == ASKER)
		say_blobs(p, list);
	say_refusals(p, list, side);
	return json_pack("{s:s, s:o}", "name", p->name[side], "sentences", list);
}

static json_t *own_words(const struct paper *p)
{
	static const bool speaks[][2] = {[RECEIPT_MET] = {true, true},
					 [RECEIPT_WRITTEN] = {false, false},
					 [RECEIPT_TAKEN] = {true, false}};
	json_t *list = json_array();

	for (int i = 0; i < 2; i++)
		if (speaks[p->body.kind][i])
			json_array_append_new(list, own_word(p, i));
	return list;
}

/* One version of the receipt in words. */
static void add_version(const struct paper *p, json_t *to, int signer)
{
	json_t *moved = json_array();

	if (p->body.kind != RECEIPT_MET)
		say(p, moved,
		    error_new(ERR_INTERNAL, N_("The file had %s bytes."),
			      number(p, p->body.bytes[0] + p->body.bytes[1])));
	json_object_set_new(to, "signer", json_string(p->name[signer]));
	json_object_set_new(to, "spaces", spaces_json(p));
	json_object_set_new(to, "moved", moved);
	json_object_set_new(to, "own_words", own_words(p));
}

/* What the answerer signed, where it is not what the asker did. */
static struct error *add_other(struct paper *p, json_t *context)
{
	struct receipt_body first = p->body;
	json_t *other = json_object();
	struct error *e = receipt_read(p->s.bytes[ANSWERER], request_arena(p->r), &p->body);

	if (!e)
		add_version(p, other, ANSWERER);
	p->body = first;
	json_object_set_new(context, "other", other);
	return e;
}

/* --- pages ------------------------------------------------------------------------------------ */

static const char *box_name(struct request *r, const struct pubkey *key)
{
	char name[LIMIT_NAME + 1];
	const char *letters = ID_SHORT(key);

	if (pubkey_eq(key, secret_pubkey(request_app(r)->self)))
		return request_app(r)->name;
	if (pubkey_is_zero(key))
		return request_text(r, N_("an unnamed box"));
	if (peers_known_name(request_conn(r), key, name))
		return arena_str(request_arena(r), name);
	letters = arena_printf(request_arena(r), "%.4s %.4s", letters, letters + 4);
	return request_error_text(
		r, error_new(ERR_NOT_FOUND, N_("a house not known yet (%s)"), letters));
}

struct carried_by {
	struct request *r;
	const struct hash *receipt;
	const char *who;
};

static struct error *look_at_record(void *ctx, const struct carry_record *x)
{
	struct carried_by *c = ctx;

	if (hash_eq(&x->receipt, c->receipt) && x->kind != CARRY_WRITE_STICK && *x->who)
		c->who = arena_str(request_arena(c->r), x->who);
	return NULL;
}

/* Who is not known here may have said its name in what it wrote. */
static void name_of_bundle(struct paper *p, const struct hash *id)
{
	struct carried_by c = {p->r, id, NULL};
	char known[LIMIT_NAME + 1];

	if (p->body.kind != RECEIPT_TAKEN || pubkey_is_zero(&p->body.box[ANSWERER]) ||
	    peers_known_name(request_conn(p->r), &p->body.box[ANSWERER], known))
		return;
	error_free(carry_records(request_conn(p->r), CARRIED_LOOK, look_at_record, &c));
	if (c.who)
		p->name[ANSWERER] = c.who;
}

static struct error *receipt_page(struct request *r)
{
	struct paper p = {.r = r};
	struct hash id;
	enum receipt_state state;
	json_t *context;

	ENSURE(id_parse(request_param(r, "id"), id.b),
	       error_new(ERR_NOT_FOUND, N_("There is no receipt at this address.")));
	TRY(receipt_get_signed(request_conn(r)->local, &id, request_arena(r), &p.s));
	TRY(receipt_read(p.s.bytes[ASKER], request_arena(r), &p.body));
	for (int i = 0; i < 2; i++)
		p.name[i] = box_name(r, &p.body.box[i]);
	name_of_bundle(&p, &id);
	state = receipt_state_of(&p.s);
	context = json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:s, s:s}", "id", ID(&id),
			    "word", ID_SHORT(&id), "when", request_date(r, p.s.when_ms),
			    "when_text", request_date_text(r, p.s.when_ms), "agreed",
			    state == RECEIPT_AGREED, "alone", state == RECEIPT_ALONE, "disputed",
			    state == RECEIPT_DISPUTED, "equal", receipt_equal(&p.body),
			    "asker_name", p.name[ASKER], "answerer_name", p.name[ANSWERER]);
	json_object_set_new(context, "met", json_boolean(p.body.kind == RECEIPT_MET));
	json_object_set_new(context, "written", json_boolean(p.body.kind == RECEIPT_WRITTEN));
	json_object_set_new(context, "taken", json_boolean(p.body.kind == RECEIPT_TAKEN));
	json_object_set_new(context, "anybody", json_boolean(pubkey_is_zero(&p.body.box[ANSWERER])));
	json_object_set_new(context, "asker", hand_json(&p, ASKER));
	json_object_set_new(context, "answerer", hand_json(&p, ANSWERER));
	add_version(&p, context, ASKER);
	if (state == RECEIPT_DISPUTED) {
		struct error *e = add_other(&p, context);

		if (e) {
			json_decref(context);
			return e;
		}
	}
	return respond_page(r, "receipt", request_text(r, N_("Receipt")), context);
}

const char *receipt_times_text(struct request *r, const struct receipt *x)
{
	if (x->times < 2)
		return NULL;
	return request_error_text(r, error_new(ERR_INTERNAL, N_("%s times since %s."),
					       request_number_text(r, x->times),
					       request_date_text(r, x->since_ms)));
}

struct lines {
	struct request *r;
	json_t *list;
};

static struct error *add_line(void *ctx, const struct receipt *x)
{
	struct lines *l = ctx;
	struct request *r = l->r;
	struct sync_report report = peers_settled(request_conn(r)->local, x, request_arena(r));
	const char *text = *x->error ? request_stored_text(r, x->error)
				     : peers_report_text(&report, translate, r, request_arena(r));
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:b}", "peer", box_name(r, &x->peer), "when",
				request_date(r, x->when_ms), "when_text",
				request_date_text(r, x->when_ms), "text", text, "ok", !*x->error);

	if (receipt_times_text(r, x))
		json_object_set_new(row, "times_text", json_string(receipt_times_text(r, x)));
	peers_receipt_link(row, x);
	json_array_append_new(l->list, row);
	return NULL;
}

static struct error *peer_receipts_page(struct request *r)
{
	json_t *list = json_array();
	struct lines l = {r, list};
	struct pubkey key;
	struct error *e;

	if (!id_parse(request_param(r, "key"), key.b)) {
		json_decref(list);
		return error_new(ERR_NOT_FOUND, N_("No approved box has the key %s."),
				 request_param(r, "key"));
	}
	e = receipt_each(request_conn(r)->local, &key, RECEIPTS_A_PAGE, add_line, &l);
	if (e) {
		json_decref(list);
		return e;
	}
	return respond_page(r, "receipts", request_text(r, N_("Receipts")),
			    json_pack("{s:o, s:s, s:s}", "receipts", list, "name",
				      box_name(r, &key), "key", ID(&key)));
}

const struct route receipt_routes[] = {
	{"GET", "/admin/receipts/:id", receipt_page, ROUTE_VOLUNTEER},
	{"GET", "/admin/peers/:key/receipts", peer_receipts_page, ROUTE_VOLUNTEER},
	{0},
};
