/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Are the sheets still good? One or two are typed in and looked at; nothing of them stays but the
 * day. */
#include "appliance/recovery/pages_priv.h"
#include "appliance/recovery/recovery.h"
#include "appliance/recovery/sheet.h"

struct checking {
	struct request *r;
	struct sheet *sheets; /* guarded; two */
	size_t n;
	bool fit; /* both, and together they are this box's key */
};

static bool is_given(const char *text)
{
	return text && text[strspn(text, " \t\r\n")];
}

static struct error *read_one(struct checking *k, const char *field, const char *which)
{
	const struct pubkey *self = secret_pubkey(request_app(k->r)->self);
	const char *text = request_field(k->r, field);
	struct sheet *s = &k->sheets[k->n];
	char whose[9];

	if (!is_given(text))
		return NULL;
	TRY(sheet_parse(text, which, s));
	base32_encode(s->box, 5, whose);
	ENSURE(!memcmp(s->box, self->b, SHEET_BOX),
	       error_new(ERR_INVALID,
			 N_("Sheet %s is whole, but of another box (%s), or of a key that this box "
			    "had before. Here it opens nothing."),
			 which, whose));
	k->n++;
	return NULL;
}

static struct error *look(struct checking *k)
{
	_cleanup_(secret_freep) struct secret *key = NULL;
	const struct pubkey *self = secret_pubkey(request_app(k->r)->self);

	TRY(request_wrong(k->r, "sheet1", read_one(k, "sheet1", "1")));
	TRY(request_wrong(k->r, "sheet2", read_one(k, "sheet2", "2")));
	ENSURE(k->n,
	       request_wrong(k->r, "sheet1",
			     error_new(ERR_INVALID, N_("Type the six lines of one sheet, or of two."))));
	if (k->n < 2)
		return NULL;
	TRY(sheets_join(&k->sheets[0], &k->sheets[1], &key));
	k->fit = pubkey_eq(secret_pubkey(key), self);
	ENSURE(k->fit, error_new(ERR_INVALID, N_("Together these two sheets are the key of another "
						 "box.")));
	return NULL;
}

/* --- what is said ----------------------------------------------------------------------------- */

struct noting {
	const char *set;
	int64_t now;
};

static struct error *note_job(struct conn *c, void *arg)
{
	const struct noting *n = arg;

	return recovery_note_checked(c, n->set, n->now);
}

static struct error *sheet_json(struct checking *k, const struct sheet *s, json_t *list)
{
	struct recovery_set set;
	char name[9];
	json_t *o;

	sheet_set_name(s, name);
	TRY(recovery_set_get(request_conn(k->r), name, &set));
	o = json_pack("{s:i, s:s, s:n, s:b}", "number", s->share.number, "set", name, "date_text",
		      "older", set.printed_ms && !set.newest);
	if (set.printed_ms)
		json_object_set_new(o, "date_text",
				    json_string(request_date_text(k->r, set.printed_ms)));
	json_array_append_new(list, o);
	return NULL;
}

static struct error *answer(struct checking *k)
{
	json_t *list = json_array();
	struct noting n = {.now = env_now(request_app(k->r)->env)};
	struct error *e = NULL;
	char set[9];

	for (size_t i = 0; !e && i < k->n; i++)
		e = sheet_json(k, &k->sheets[i], list);
	sheet_set_name(&k->sheets[0], set);
	n.set = set;
	if (!e && k->fit)
		e = request_write(k->r, note_job, &n);
	if (e) {
		json_decref(list);
		return e;
	}
	return respond_page(
		k->r, "admin_sheets_check", request_text(k->r, N_("Check recovery sheets")),
		json_pack("{s:o, s:b, s:b}", "found", list, "fit", k->fit, "one", k->n == 1));
}

static struct error *ask(struct request *r, int status, const char *error)
{
	json_t *context = json_pack("{s:b, s:{}}", "ask", 1, "form");

	if (error)
		json_object_set_new(json_object_get(context, "form"), "error", json_string(error));
	return respond_page_status(r, status, "admin_sheets_check",
				   request_text(r, N_("Check recovery sheets")), context);
}

struct error *sheets_check_page(struct request *r)
{
	return ask(r, 200, NULL);
}

/* What was typed does not come back, also with a mistake in it: it would be in one page more. */
struct error *sheets_check(struct request *r)
{
	struct checking k = {.r = r, .sheets = guarded_new(2 * sizeof(struct sheet))};
	struct error *e = request_limit(r, "sheets-check", 10, 2);
	const char *text;
	int status;

	if (!e)
		e = look(&k);
	if (!e)
		e = answer(&k);
	else if (respond_form_error(r, e, &text, &status))
		e = ask(r, status, text);
	guarded_free(k.sheets);
	return e;
}
