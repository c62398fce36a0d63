/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Made tests/vectors/stream-*.bin and stream.json, once: stream_tool tests/vectors. Run again it
 * must make the same bytes (stream.t compares). stream.json is what our own reader says of the
 * files.
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/lib/test.h"
#include "sync/base/file.h"
#include "sync/bundle/claim.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/ranges.h"
#include "tests/sync/replicate/run.h"
#include <jansson.h>

static json_t *hex(const void *p, size_t n)
{
	struct buf b = {0};
	json_t *j;

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%02x", ((const uint8_t *)p)[i]);
	j = json_string(buf_str(&b));
	buf_release(&b);
	return j;
}

static json_t *number(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	return json_string(text);
}

static json_t *log_json(const struct log_id *id)
{
	uint8_t raw[LOG_ID_BYTES];

	log_id_write(id, raw);
	return hex(raw, sizeof(raw));
}

/* --- what our reader says --- */

static json_t *entries_json(const struct ingest *in)
{
	json_t *list = json_array();

	for (size_t i = 0; i < in->n; i++) {
		const struct ingest_payload *p = &in->payloads[i];
		json_t *e = json_pack("{so, si}", "header", hex(in->headers[i].b, ENTRY_HEADER),
				      "state", (int)p->state);

		if (p->state == PAYLOAD_HELD) {
			json_object_set_new(e, "salt", hex(p->salt, ENTRY_SALT));
			json_object_set_new(e, "payload", hex(p->bytes.p, p->bytes.n));
		}
		json_array_append_new(list, e);
	}
	return json_pack("{so, so, so}", "log", log_json(in->id), "first", number(in->first),
			 "entries", list);
}

static json_t *rows_json(const struct head *rows, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct head *h = &rows[i];

		json_array_append_new(
			list, json_pack("{so, so, so, si, so}", "log", log_json(&h->id), "head",
					number(h->seq), "hash", hex(&h->hash, 32), "mark",
					(int)h->mark, "mark_sequence", number(h->mark_seq)));
	}
	return list;
}

static json_t *digests_json(const struct frame *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->digests.n; i++)
		json_array_append_new(list, json_pack("{so, so, so}", "space",
						      hex(&f->digests.rows[i].space, 32), "heads",
						      hex(&f->digests.rows[i].heads, 32), "missing",
						      hex(f->digests.rows[i].missing, 16)));
	return json_pack("{so}", "rows", list);
}

static json_t *pairs_json(const struct frame *f)
{
	json_t *list = json_array();

	if (f->type == FRAME_LOCATOR) {
		for (size_t i = 0; i < f->locator.n; i++)
			json_array_append_new(list,
					      json_pack("[o, o]", number(f->locator.samples[i].seq),
							hex(&f->locator.samples[i].hash, 32)));
		return json_pack("{so, so}", "log", log_json(&f->locator.id), "samples", list);
	}
	for (size_t i = 0; i < f->missing.n; i++)
		json_array_append_new(list, json_pack("[o, o]", number(f->missing.ranges[i].first),
						      number(f->missing.ranges[i].last)));
	return json_pack("{so, so}", "log", log_json(&f->missing.id), "ranges", list);
}

static json_t *partial_json(const struct frame *f)
{
	json_t *unkept = json_array();

	for (size_t i = 0; i < f->partial.n; i++)
		json_array_append_new(unkept, hex(&f->partial.unkept[i], 32));
	return json_pack("{sI, so, sb, so}", "payload_days",
			 (json_int_t)f->partial.keep.payload_days, "blob_max",
			 number(f->partial.keep.blob_max), "wanting", (int)f->partial.wanting,
			 "unkept", unkept);
}

static json_t *ranges_json(const struct range_frame *f)
{
	json_t *items = json_array(), *rows = json_array();

	for (size_t i = 0; i < f->n; i++) {
		const struct range_item *it = &f->items[i];

		json_array_append_new(
			items, json_pack("{si, so, si, si, so}", "depth", (int)it->range.depth,
					 "at", number(it->range.at), "form", (int)it->form, "bits",
					 (int)it->bits, "marks", hex(it->marks.p, it->marks.n)));
	}
	for (size_t i = 0; i < f->n_rows; i++)
		json_array_append_new(rows, log_json(&f->rows[i].id));
	return json_pack("{so, so, so, so, so}", "space", hex(&f->space, 32), "nonce",
			 hex(f->nonce, sizeof(f->nonce)), "items", items, "rows", rows, "lacks",
			 hex(f->tags.p, f->tags.n));
}

static json_t *frame_body(const struct frame *f)
{
	switch (f->type) {
	case FRAME_ENTRIES:
		return entries_json(&f->entries);
	case FRAME_HEADS:
		return json_pack("{so, so}", "space", hex(&f->heads.space, 32), "heads",
				 rows_json(f->heads.heads, f->heads.n));
	case FRAME_SINCE:
		return json_pack("{so, so, so}", "space", hex(&f->since.space, 32), "state",
				 hex(&f->since.state, 32), "rows",
				 rows_json(f->since.rows, f->since.n));
	case FRAME_FORK:
		return json_pack("{so, so}", "a", hex(&f->fork.a, ENTRY_HEADER), "b",
				 hex(&f->fork.b, ENTRY_HEADER));
	case FRAME_BLOB:
		return json_pack("{so, so, so, so}", "hash", hex(&f->blob.hash, 32), "size",
				 number(f->blob.size), "offset", number(f->blob.offset), "bytes",
				 hex(f->blob.bytes.p, f->blob.bytes.n));
	case FRAME_LOCATOR:
	case FRAME_MISSING:
		return pairs_json(f);
	case FRAME_NOTE:
		return json_pack("{so, so, ss}", "log", log_json(&f->note.id), "sequence",
				 number(f->note.seq), "why", error_name(f->note.why));
	case FRAME_END:
		return json_pack("{so}", "frames", number(f->end_frames));
	case FRAME_HELLO:
		return json_pack("{sI, ss}", "time", (json_int_t)f->hello.clock_ms, "name",
				 f->hello.name);
	case FRAME_DIGESTS:
		return digests_json(f);
	case FRAME_RANGES:
		return ranges_json(&f->ranges);
	case FRAME_PARTIAL:
		return partial_json(f);
	case FRAME_COUNTS: {
		json_t *rows = json_array();

		for (size_t i = 0; i < f->counts.n; i++)
			json_array_append_new(rows, json_pack("{so, so}", "space",
							      hex(&f->counts.rows[i].space, 32),
							      "entries",
							      number(f->counts.rows[i].entries)));
		return rows;
	}
	case FRAME_PROOF:
		return json_pack("{so}", "proof", hex(&f->proof, sizeof(f->proof)));
	case FRAME_PIECES: {
		json_t *rows = json_array();

		for (size_t i = 0; i < f->pieces.n; i++)
			json_array_append_new(rows, json_pack("{so, so, so}", "blob",
							      hex(&f->pieces.rows[i].blob, 32),
							      "offset", number(f->pieces.rows[i].at),
							      "length",
							      number(f->pieces.rows[i].n)));
		return json_pack("{so}", "pieces", rows);
	}
	case FRAME_RESULT:
		return json_pack("{so, so, so}", "added", number(f->result.added), "filled",
				 number(f->result.filled), "known", number(f->result.known));
	case FRAME_CLAIM:
		return json_pack("{so, so, so, so, sI, so, so}", "writer",
				 hex(&f->claim.writer, 32), "receiver", hex(&f->claim.receiver, 32),
				 "incarnation", number(f->claim.incarnation), "serial",
				 number(f->claim.serial), "time", (json_int_t)f->claim.time_ms,
				 "heads", hex(&f->claim.heads, 32), "signature",
				 hex(&f->claim.signature, 64));
	case FRAME_ADDRESSES:
		return json_pack("{so}", "statement", hex(f->addresses.p, f->addresses.n));
	case FRAME_PAIR:
		return json_pack("{so}", "word", hex(f->pair.p, f->pair.n));
	case FRAME_SYSTEM:
		return json_pack("{so}", "statement", hex(f->system.p, f->system.n));
	case FRAME_RECEIPT:
		return json_pack("{so, so}", "signature", hex(f->receipt.sig.b, 64), "receipt",
				 hex(f->receipt.bytes.p, f->receipt.bytes.n));
	}
	return json_object();
}

static void need(struct error *e)
{
	if (!e)
		return;
	fprintf(stderr, "%s\n", error_english(e));
	exit(1);
}

static json_t *read_back(struct span bytes)
{
	struct stream_reader *r = stream_reader_new(~0u);
	json_t *frames = json_array();
	const struct frame *f;

	stream_feed(r, bytes);
	for (;;) {
		json_t *body;

		need(stream_next(r, &f));
		if (!f)
			break;
		body = frame_body(f);
		json_object_set_new(body, "type", json_integer(f->type));
		json_array_append_new(frames, body);
	}
	need(stream_finish(r));
	stream_reader_free(r);
	return frames;
}

/* --- the files --- */

struct tool {
	const char *dir;
	json_t *files;
	struct run run, fork;
	struct space_digest rows[2];
	struct head heads[3];
};

static void save(struct tool *t, const char *name, const struct buf *b)
{
	char file[64], *path;

	snprintf(file, sizeof(file), "stream-%s.bin", name);
	path = path_join(t->dir, file);
	need(file_write(path, buf_span(b), 0644));
	free(path);
	json_array_append_new(
		t->files, json_pack("{ss, so}", "file", file, "frames", read_back(buf_span(b))));
}

static void put_some(struct stream_writer *w, const struct run *r, size_t first, size_t last,
		     bool headers_only)
{
	stream_entries_begin(w, &r->id);
	for (size_t i = first - 1; i < last; i++)
		if (!stream_entries_add(w, &r->entries[i], headers_only))
			abort();
	stream_entries_end(w);
}

static void make_status(struct tool *t, struct stream_writer *w)
{
	stream_put_hello(w, -1, "Ateneu de Gràcia");
	stream_put_digests(w, t->rows, 2);
}

static void make_pull(struct tool *t, struct stream_writer *w)
{
	struct seq_range ranges[2] = {{2, 2}, {4, 5}};

	stream_put_heads(w, &t->run.id.space, t->heads, 3);
	stream_put_heads(w, &t->rows[1].space, NULL, 0);
	stream_put_missing(w, &t->run.id, ranges, 2);
}

static void make_answer(struct tool *t, struct stream_writer *w)
{
	struct locator_sample samples[4];
	static const uint64_t at[4] = {6, 5, 4, 1};

	for (int i = 0; i < 4; i++)
		samples[i] = (struct locator_sample){at[i], t->run.entries[at[i] - 1].hash};
	put_some(w, &t->run, 1, 5, false);
	put_some(w, &t->run, 6, 8, false);
	stream_put_locator(w, &t->run.id, samples, 4);
	stream_put_heads(w, &t->run.id.space, t->heads, 1);
	stream_put_note(w, &(struct log_id){.space = t->rows[1].space}, 0, ERR_DENIED);
	stream_put_digests(w, t->rows, 1);
}

static void make_push(struct tool *t, struct stream_writer *w)
{
	struct fork_proof proof = {t->run.entries[6].raw, t->fork.entries[6].raw};

	if (hash_cmp(&t->run.entries[6].hash, &t->fork.entries[6].hash) > 0)
		proof = (struct fork_proof){proof.b, proof.a};
	put_some(w, &t->fork, 6, 7, true);
	stream_put_fork(w, &proof);
}

static void make_pushed(struct tool *t, struct stream_writer *w)
{
	stream_put_note(w, &t->run.id, 7, ERR_FORK);
	stream_put_result(w, 1, 2, UINT64_MAX);
	stream_put_digests(w, t->rows, 2);
}

/* 90 rows against 91, of which two differ: asked, answered, asked, and said. */
static void make_ranges(struct tool *t, struct stream_writer *w)
{
	enum { ROWS = 90 };
	struct head ours[ROWS], theirs[ROWS + 1];
	struct ranges_asker *a;
	struct test_env env;
	bool open = true;

	test_env_init(&env, 0, 1);
	for (unsigned i = 0; i <= ROWS; i++) {
		struct head h = {.id = t->run.id, .seq = 1 + i % 8};

		h.id.incarnation = 1 + i;
		h.hash = t->run.entries[i % 8].hash;
		theirs[i] = h;
		if (i < ROWS)
			ours[i] = h;
	}
	theirs[40].mark = HEAD_ENDED;
	theirs[40].mark_seq = theirs[40].seq + 1;
	heads_sort(ours, ROWS);
	heads_sort(theirs, ROWS + 1);
	a = ranges_asker_new(&env.env, &t->run.id.space, ours, ROWS);
	while (open) {
		_cleanup_(arena_release) struct arena arena = {0};
		struct buf ask = {0}, answer = {0};
		struct range_frame f;

		open = ranges_asker_open(a);
		ranges_ask(a, &ask);
		stream_put_ranges(w, buf_span(&ask));
		need(ranges_read(buf_span(&ask), &arena, &f));
		if (open) {
			ranges_answer(&f, theirs, ROWS + 1, &answer);
			stream_put_ranges(w, buf_span(&answer));
			need(ranges_read(buf_span(&answer), &arena, &f));
			need(ranges_hear(a, &f));
		}
		buf_release(&ask);
		buf_release(&answer);
	}
	ranges_asker_free(a);
	/* the rows of both, for whoever computes marks and tags */
	stream_put_heads(w, &t->run.id.space, ours, ROWS);
	stream_put_heads(w, &t->run.id.space, theirs, ROWS + 1);
	stream_put_partial(w, &(struct keep){365, 1 << 20}, true, NULL, 0);
	stream_put_partial(w, &(struct keep){.payload_days = 0}, false, &t->run.id.space, 1);
}

/* Two heads of a state that both had, of which one has grown since; a third is new. Then what is
 * said to a state that is not known; then the heads of that state, and those of now. */
static void make_open(struct tool *t, struct stream_writer *w)
{
	struct head then[2] = {t->heads[0], t->heads[1]}, now[2] = {t->heads[0], t->heads[2]};
	struct hash state;

	for (int i = 0; i < 2; i++)
		if (log_id_cmp(&then[i].id, &t->run.id) == 0) {
			then[i].seq = 5;
			then[i].hash = t->run.entries[4].hash;
		}
	state = heads_digest(&t->run.id.space, then, 2);
	if (log_id_cmp(&now[0].id, &t->run.id) != 0)
		now[0] = t->heads[1];
	stream_put_since(w, &t->run.id.space, &state, now, 2);
	stream_put_since(w, &t->run.id.space, &(struct hash){{0}}, NULL, 0);
	stream_put_heads(w, &t->run.id.space, then, 2);
	stream_put_heads(w, &t->run.id.space, t->heads, 3);
}

static void make_bundle(struct tool *t, struct stream_writer *w)
{
	static const char text[] = "a file of two pieces";
	struct hash name = hash_bytes(span_str(text));

	stream_put_hello(w, 1764000000000, "Ateneu de Gràcia");
	put_some(w, &t->run, 1, 8, false);
	stream_put_blob(w, &name, 20, 0, span_of(text, 12));
	stream_put_blob(w, &name, 20, 12, span_of(text + 12, 8));
}

static void make_claim(struct tool *t, struct stream_writer *w)
{
	const struct seq_range ranges[] = {{2, 2}, {5, 6}};
	_cleanup_(secret_freep) struct secret *writer = test_key(2), *receiver = test_key(3);
	size_t from;
	struct bundle_claim c = {.receiver = *secret_pubkey(receiver),
				 .incarnation = 0x1122334455667788,
				 .serial = 7,
				 .time_ms = 1764000000000};
	struct stream_claim frame;

	stream_put_hello(w, 1764000000000, "Ateneu de Gràcia");
	from = w->out->n;
	stream_put_heads(w, &t->run.id.space, t->heads, 3);
	stream_put_missing(w, &t->run.id, ranges, 2);
	c.frames = span_of(w->out->p + from, w->out->n - from);
	claim_sign(&c, writer, &frame);
	stream_put_claim(w, &frame);
}

static const struct {
	const char *name;
	void (*make)(struct tool *t, struct stream_writer *w);
} files[] = {{"status", make_status}, {"pull", make_pull},     {"answer", make_answer},
	     {"push", make_push},     {"pushed", make_pushed}, {"bundle", make_bundle},
	     {"ranges", make_ranges}, {"claim", make_claim},   {"open", make_open}};

/* Heads of the space, their digest, and the digests of two spaces. */
static void make_heads(struct tool *t)
{
	struct log_id forked = t->run.id, ended = t->run.id;

	forked.incarnation = 0x0102030405060708;
	ended.appliance.b[0] ^= 0xff;
	t->heads[0] = (struct head){.id = t->run.id, .seq = 6, .hash = t->run.entries[5].hash};
	t->heads[1] = (struct head){.id = forked, .mark = HEAD_FORKED, .mark_seq = 1};
	t->heads[2] = (struct head){.id = ended,
				    .seq = 3,
				    .hash = t->run.entries[2].hash,
				    .mark = HEAD_ENDED,
				    .mark_seq = 4};
	heads_sort(t->heads, 3);
	t->rows[0].space = t->run.id.space;
	t->rows[0].heads = heads_digest(&t->run.id.space, t->heads, 3);
	t->rows[1] = t->rows[0];
	t->rows[1].space.b[31] ^= 1;
	memset(t->rows[1].missing, 0x5a, sizeof(t->rows[1].missing));
	if (hash_cmp(&t->rows[0].space, &t->rows[1].space) > 0) {
		struct space_digest swap = t->rows[0];

		t->rows[0] = t->rows[1];
		t->rows[1] = swap;
	}
}

int main(int argc, char **argv)
{
	struct tool t = {.files = json_array()};
	struct hash both;
	json_t *doc;
	char *path, *text;

	test_init();
	if (argc != 2)
		return 2;
	t.dir = argv[1];
	run_make(&t.run, 8, 2, 30);
	run_make_branch(&t.fork, 8, 2, 30, 7);
	t.run.entries[1].state = PAYLOAD_ERASED;
	t.run.entries[3].state = PAYLOAD_NOT_HELD;
	make_heads(&t);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct stream_writer w;
		struct buf b = {0};

		stream_begin(&w, &b);
		files[i].make(&t, &w);
		stream_put_end(&w);
		save(&t, files[i].name, &b);
		buf_release(&b);
	}
	both = heads_digest_spaces(t.rows, 2);
	doc = json_pack("{so, so}", "files", t.files, "digest_of_spaces", hex(&both, 32));
	path = path_join(t.dir, "stream.json");
	text = json_dumps(doc, JSON_INDENT(1));
	need(file_write(path, span_str(text), 0644));
	free(path);
	free(text);
	json_decref(doc);
	arena_release(&t.run.arena);
	arena_release(&t.fork.arena);
	return 0;
}
