/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Recovery sheets to be printed. They are made for one answer, are never stored, and are sent with
 * no-store at the safe door only. */
#include "appliance/page/qr.h"
#include "appliance/recovery/pages_priv.h"
#include "appliance/recovery/recovery.h"
#include "appliance/recovery/sheet.h"
#include <ctype.h>

enum { PEERS_ON_A_SHEET = 4, PEERS_IN_A_CODE = 2 };

struct finding {
	struct request *r;
	json_t *peers;
	struct buf code; /* what stands behind the sheet in its square code */
	int n;
};

static struct error *add_peer(void *ctx, const struct peer *p)
{
	struct finding *f = ctx;
	char groups[80] = "";
	struct id_text key = id_text(&p->key);

	if (f->n == PEERS_ON_A_SHEET || !*p->address)
		return NULL;
	for (size_t i = 0, n = 0; key.s[i]; i++) {
		groups[n++] = key.s[i];
		if (i % 4 == 3 && key.s[i + 1])
			groups[n++] = ' ';
		groups[n] = 0;
	}
	json_array_append_new(f->peers, json_pack("{s:s, s:s, s:s}", "name",
						  *p->name ? p->name : ID_SHORT(&p->key), "addr",
						  p->address, "key", groups));
	if (f->n++ < PEERS_IN_A_CODE)
		buf_printf(&f->code, "/%s/%s", p->address, key.s);
	return NULL;
}

static json_t *lines_json(const struct sheet *s)
{
	char lines[SHEET_LINES][SHEET_LINE];
	json_t *list = json_array();

	sheet_lines(s, lines);
	for (int i = 0; i < SHEET_LINES; i++)
		json_array_append_new(list,
				      json_pack("{s:i, s:s}", "number", i + 1, "text", lines[i]));
	crypto_wipe(lines, sizeof(lines));
	return list;
}

static struct error *qr_json(const struct sheet *s, const char *behind, json_t **ret)
{
	char compact[SHEET_COMPACT];
	struct buf text = {.secret = true};
	struct error *e;
	struct qr q;

	sheet_compact(s, compact);
	buf_puts(&text, compact);
	buf_puts(&text, behind);
	for (size_t i = 0; i < text.n; i++) /* a square code of capitals is smaller */
		text.p[i] = (uint8_t)toupper(text.p[i]);
	e = qr_make(buf_str(&text), &q);
	crypto_wipe(compact, sizeof(compact));
	buf_release(&text);
	TRY(e);
	*ret = json_pack("{s:i, s:s}", "size", q.size, "path", q.path);
	qr_release(&q);
	return NULL;
}

static struct error *sheet_json(struct request *r, const struct sheet *s, struct finding *f,
				json_t *list)
{
	json_t *qr;

	TRY(qr_json(s, buf_str(&f->code), &qr));
	json_array_append_new(list, json_pack("{s:i, s:o, s:o, s:O}", "number", s->share.number,
					      "lines", lines_json(s), "qr", qr, "peers", f->peers));
	return NULL;
}

/* All texts in it: jansson frees them as they are. */
static void wipe_texts(json_t *v)
{
	const char *key;
	json_t *in;
	size_t i;

	if (json_is_string(v))
		explicit_bzero((char *)json_string_value(v), json_string_length(v));
	json_object_foreach(v, key, in) wipe_texts(in);
	json_array_foreach(v, i, in) wipe_texts(in);
}

struct noting {
	char set[9];
	int64_t now;
};

static struct error *note_job(struct conn *c, void *arg)
{
	const struct noting *n = arg;

	return recovery_note_sheets(c, n->set, n->now);
}

struct error *sheets_page(struct request *r)
{
	struct recovery_state s;
	json_t *context;

	TRY(recovery_state(request_conn(r), &s));
	context = json_pack("{s:b}", "ask", 1);
	if (s.sheets_ms)
		json_object_set_new(context, "before",
				    json_pack("{s:s, s:s}", "set", s.sheets_set, "date_text",
					      request_date_text(r, s.sheets_ms)));
	return respond_page(r, "admin_sheets", request_text(r, N_("Recovery sheets")), context);
}

static struct error *make(struct request *r, struct finding *f, json_t **ret)
{
	struct app *a = request_app(r);
	struct sheet *sheets = guarded_new(SHEET_COUNT * sizeof(*sheets));
	struct noting n = {.now = env_now(a->env)};
	json_t *list = json_array();
	struct error *e;

	sheets_make(a->self, sheets);
	sheet_set_name(&sheets[0], n.set);
	e = request_write(r, note_job, &n);
	for (int i = 0; !e && i < SHEET_COUNT; i++)
		e = sheet_json(r, &sheets[i], f, list);
	guarded_free(sheets);
	if (e) {
		wipe_texts(list);
		json_decref(list);
		return e;
	}
	*ret = json_pack("{s:o, s:s, s:s, s:s, s:s}", "sheets", list, "set", n.set, "date_text",
			 request_date_text(r, n.now), "name", a->name, "key",
			 ID_SHORT(secret_pubkey(a->self)));
	return NULL;
}

struct error *sheets_print(struct request *r)
{
	struct finding f = {.r = r, .peers = json_array()};
	json_t *context = NULL;
	struct error *e;

	e = request_limit(r, "sheets", 5, 2);
	if (!e)
		e = peer_each(request_conn(r)->local, add_peer, &f);
	if (!e)
		e = make(r, &f, &context);
	buf_release(&f.code);
	json_decref(f.peers);
	TRY(e);
	json_incref(context);
	e = respond_page(r, "admin_sheets", request_text(r, N_("Recovery sheets")), context);
	wipe_texts(json_object_get(context, "sheets"));
	json_decref(context);
	return e;
}
