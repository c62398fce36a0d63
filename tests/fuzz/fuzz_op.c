/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as the payload of an op. What parses keeps the promises of its type's fields, and
 * parses again when it is written out; then it is taken into a box where its author may do
 * everything, and the box goes on, and shows the same after a rebuild. $S $F $T $P $D $L $K stand
 * for the space, a forum, a topic, a post, a page, a file and a key. */
#define TEST_WITHOUT_CMOCKA
#include "tests/fuzz/fuzz.h"
#include "appliance/community/community_priv.h"
#include "tests/appliance/community/anew.h"
#include "tests/appliance/community/boxes.h"

static struct world {
	struct box box;
	struct secret *author;
	struct op_table *table;
	struct hash space, forum, topic, post, doc, file;
} * w; /* a fuzz target has no other place to keep it */

static void must(struct error *err)
{
	if (err)
		fprintf(stderr, "%s\n", error_english(err));
	FUZZ_CHECK(!err);
}

static void set_up(void)
{
	w = calloc(1, sizeof(*w));
	FUZZ_CHECK(w);
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	test_init();
	w->table = op_table_new(features);
	w->author = test_key(1);
	box_init(&w->box, 1, 1764000000000);
	must(box_open(&w->box));
	must(box_found(&w->box, w->author, &w->space));
	must(box_submit(&w->box, &w->space, "forum.create", NULL, w->author,
			json_pack("{s:s,s:s}", "slug", "general", "title", "General"), &w->forum));
	must(box_submit(
		&w->box, &w->space, "topic.create", NULL, w->author,
		json_pack("{s:s,s:s,s:s}", "forum", ID(&w->forum), "title", "T", "text", "first"),
		&w->topic));
	must(box_submit(&w->box, &w->space, "post.create", &w->topic, w->author,
			json_pack("{s:s}", "text", "second"), &w->post));
	must(box_submit(&w->box, &w->space, "doc.create", NULL, w->author,
			json_pack("{s:s,s:s,s:s}", "path", "page", "title", "Page", "text", "x"),
			&w->doc));
	must(box_submit(&w->box, &w->space, "file.create", NULL, w->author,
			json_pack("{s:s,s:s,s:s,s:s,s:i}", "path", "notes", "title", "Notes",
				  "kind", "text", "data", "YQ==", "size", 1),
			&w->file));
}

static void tear_down(void)
{
	box_release(&w->box);
	op_table_free(w->table);
	secret_free(w->author);
	free(w);
}

static const void *stands_for(uint8_t letter)
{
	switch (letter) {
	case 'S':
		return &w->space;
	case 'F':
		return &w->forum;
	case 'T':
		return &w->topic;
	case 'P':
		return &w->post;
	case 'D':
		return &w->doc;
	case 'L':
		return &w->file;
	case 'K':
		return secret_pubkey(w->author);
	}
	return NULL;
}

static void expand(struct buf *out, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n && out->n < LIMIT_PAYLOAD; i++) {
		const void *id = data[i] == '$' && i + 1 < n ? stands_for(data[i + 1]) : NULL;

		if (id) {
			buf_puts(out, ID(id));
			i++;
		} else {
			buf_add(out, &data[i], 1);
		}
	}
	if (out->n > LIMIT_PAYLOAD)
		out->n = LIMIT_PAYLOAD;
}

static void check_fields(const struct op *op)
{
	for (const struct op_field *f = op->type->fields; f && f->name; f++) {
		const json_t *v = json_object_get(op->body, f->name);
		struct span s = span_of(json_string_value(v), json_string_length(v));

		FUZZ_CHECK(v || !f->required);
		if (!v)
			continue;
		if (f->kind == FIELD_LINE || f->kind == FIELD_PATH || f->kind == FIELD_SLUG)
			FUZZ_CHECK(text_is_line(s) && (f->max <= 0 || s.n <= (size_t)f->max));
		if (f->kind == FIELD_TEXT)
			FUZZ_CHECK(text_is_text(s) && (f->max <= 0 || s.n <= (size_t)f->max));
		if (f->kind == FIELD_INT)
			FUZZ_CHECK(op_int(op, f->name, -1) >= 0);
	}
	FUZZ_CHECK(op->nseen <= LIMIT_SEEN);
}

static void parses_again(const struct op *op)
{
	char *text = json_dumps(op->body, JSON_COMPACT);
	json_t *body;
	struct op again;

	FUZZ_CHECK(text);
	if (strlen(text) <= LIMIT_PAYLOAD) {
		must(op_parse(w->table, span_str(text), &again, &body));
		FUZZ_CHECK(again.type == op->type && hash_eq(&again.object, &op->object));
		json_decref(body);
	}
	free(text);
}

/* Into the box, and out again. */
static void takes(struct span payload, bool rebuild)
{
	struct hash id, before, after;
	struct error *err;
	bool more;

	must(conn_begin(w->box.c));
	must(log_append(w->box.c->log,
			&(struct log_append){.space = &w->space,
					     .author = w->author,
					     .appliance = w->box.key,
					     .rules = w->space,
					     .time = 1764000000000,
					     .payload = payload},
			&id));
	must(community_catch_up(w->box.c, 0, &more));
	err = community_digest(w->box.c, &w->space, &before);
	must(err);
	if (rebuild) {
		must(digest_anew(w->box.c, &w->space, &after));
		FUZZ_CHECK(hash_eq(&before, &after));
	}
	conn_rollback(w->box.c);
}

/* The short way of reading gives what jansson gives, or nothing. */
static void reads_alike(struct span payload)
{
	json_t *plain = op_json_plain(payload), *theirs;

	if (!plain)
		return;
	theirs = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	FUZZ_CHECK(theirs && json_equal(plain, theirs));
	json_decref(plain);
	json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf payload = {0};
	json_t *body = NULL;
	struct op op;
	struct error *err;

	if (!w) {
		set_up();
		atexit(tear_down);
	}
	expand(&payload, data, size);
	reads_alike(buf_span(&payload));
	err = op_parse(w->table, buf_span(&payload), &op, &body);
	if (!err) {
		check_fields(&op);
		parses_again(&op);
	}
	/* Unknown types and what is malformed are kept, too; of the malformed, some are enough. */
	if (!error_is(err, ERR_MALFORMED) || size % 16 == 0)
		takes(payload.n ? buf_span(&payload) : span_str(" "), !err && size % 4 == 0);
	error_free(err);
	json_decref(body);
	buf_release(&payload);
	return 0;
}
