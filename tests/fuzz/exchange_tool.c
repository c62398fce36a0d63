/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * exchange_tool FOLDER: seeds that need not be kept, for they follow from the code:
 * FOLDER/TARGET/HASH. Real exchanges between the box of the fuzz targets (space.h) and peers that
 * hold more, less, something else or a part, with each way to talk; what each side said is a seed
 * of heads and status. Real bundles of the same peers, some torn (bundle, sieve), and what they
 * claim (known). And the ops of corpus/op as words of a private space (seal).
 */
#define TEST_WITHOUT_CMOCKA
#include "tests/fuzz/frames.h"
#include "sync/base/file.h"
#include "sync/bundle/bundle.h"
#include "sync/replicate/serve.h"
#include "tests/fuzz/space.h"
#include "tests/lib/test.h"
#include <dirent.h>
#include <sys/mman.h>

/* A name for each content, so that none is there twice. */
static void save(const char *folder, const char *target, struct span input)
{
	struct hash name = hash_bytes(input);
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, target);
	must(dir_make(path, 0755));
	snprintf(path, sizeof(path), "%s/%s/%.16s", folder, target, ID(&name));
	must(file_write(path, input, 0644));
}

/* --- both sides --- */
struct side {
	struct secret *key;
	struct test_env env;
	struct log_store *log;
	struct session_options o;
};

/* What a peer holds of the log, and how it talks. */
static const struct variant {
	size_t n, branch;
	bool lacks; /* every other payload */
	struct session_options o;
} variants[] = {
	{0, 99, false, {.name = "nothing"}},
	{3, 99, false, {.name = "less"}},
	{6, 99, false, {.name = "same"}},
	{8, 99, false, {.name = "more"}},
	{8, 99, true, {.name = "more, with holes"}},
	{8, 5, false, {.name = "forked"}},
	{8, 2, true, {.name = "forked early"}},
	{8, 99, false, {.name = "ranges", .ranges_from = 1}},
	{8, 5, false, {.name = "ranges, forked", .ranges_from = 1}},
	{8, 99, false, {.name = "newest", .newest_from = 1}},
	{8, 99, true, {.name = "newest, with holes", .newest_from = 1, .ranges_from = 1}},
	{8, 99, false, {.name = "part", .keep = {.payload_days = 1}}},
	{8, 99, true, {.name = "small part", .keep = {.payload_days = 1, .blob_max = 1}}},
	{8, 99, false, {.name = "little room", .take_limit = 600}},
	{3, 99, true, {.name = "old", .without = ~0u}},
	{8, 5, false, {.name = "old, forked", .without = ~0u}},
};

static void side_open(struct side *d, struct secret *take_key)
{
	d->key = take_key;
	test_env_init(&d->env, 1764000000000, 7);
	must(log_open(&(struct log_open){.path = ":memory:",
					 .mode = DB_TEST_NOSYNC,
					 .env = &d->env.env,
					 .self = *secret_pubkey(take_key)},
		      &d->log));
	d->o.self = take_key;
	d->o.env = &d->env.env;
}

static void side_close(struct side *d)
{
	log_close(d->log);
	secret_free(d->key);
}

static void fill(struct log_store *l, const struct variant *v)
{
	struct fuzz_run r;
	struct ingest in = {
		.id = &r.id, .first = 1, .headers = r.headers, .payloads = r.payloads, .n = v->n};
	struct ingest_result result;
	struct error *refused = NULL;

	if (!v->n)
		return;
	fuzz_run_make(&r, v->n, v->branch);
	for (size_t i = 1; v->lacks && i < v->n; i += 2)
		r.payloads[i].state = PAYLOAD_NOT_HELD;
	must(log_begin(l));
	must(log_ingest(l, &in, &result, &refused));
	must(refused);
	must(log_admit(l, &r.id.space, &r.id.appliance, true));
	must(log_commit(l));
}

static void take(struct side *d, struct intake *in)
{
	must(log_begin(d->log));
	must(intake_run(d->log, in));
	must(log_commit(d->log));
}

/* --- an exchange --- */
struct exchange {
	struct side *client, *server;
	const char *folder;
	bool asks; /* the box of the targets asks: answers are seeds; else questions are */
};

static void save_packed(const struct exchange *x, const char *target, unsigned mode,
			struct span stream)
{
	struct buf packed = {0};

	if (!stream.n)
		return;
	frames_pack(&packed, stream);
	packed.p[0] |= (uint8_t)(mode << 2);
	save(x->folder, target, buf_span(&packed));
	buf_release(&packed);
}

static struct error *serve_whole(struct exchange *x, const char *path, struct span body,
				 struct buf *out)
{
	struct side *d = x->server;
	_cleanup_(serving_freep) struct serving *v = NULL;
	struct intake *in;
	bool end = false;

	d->o.peer = *secret_pubkey(x->client->key);
	if (strcmp(path, SYNC_PATH_STATUS) == 0)
		return serve_status(&d->o, d->log, out);
	v = serving_new(&d->o, strcmp(path, SYNC_PATH_PULL) == 0 ? SERVE_PULL : SERVE_PUSH);
	serving_feed(v, body);
	for (;;) {
		TRY(serving_next(v, d->log, &in));
		if (!in)
			break;
		take(d, in);
		serving_written(v);
	}
	TRY(serving_end(v, d->log));
	while (!end)
		TRY(serving_answer(v, d->log, out, &end));
	return NULL;
}

/* The status of the answer. */
static int request(struct exchange *x, struct session *s, const struct session_action *act)
{
	_cleanup_(buf_release) struct buf body = {0}, answer = {0};
	bool end = !act->body, status = strcmp(act->path, SYNC_PATH_STATUS) == 0;
	struct error *e;
	int code = 200;

	while (!end)
		must(session_body(s, x->client->log, &body, &end));
	if (!x->asks)
		save_packed(x, "heads", 0, buf_span(&body));
	e = serve_whole(x, act->path, buf_span(&body), &answer);
	if (e) {
		code = error_http_status(error_code(e));
		error_free(e);
		return code;
	}
	if (x->asks)
		save_packed(x, "status",
			    status				     ? 0
			    : strcmp(act->path, SYNC_PATH_PUSH) == 0 ? 2
								     : 1,
			    buf_span(&answer));
	session_feed(s, buf_span(&answer));
	return code;
}

static void run(struct exchange *x)
{
	_cleanup_(session_freep) struct session *s = NULL;
	struct session_action act;
	int code = 200;

	x->client->o.peer = *secret_pubkey(x->server->key);
	s = session_new(&x->client->o);
	for (;;) {
		struct error *e = session_next(s, x->client->log, &act);

		if (e || act.type == SESSION_DONE) {
			error_free(e); /* a fork ends some */
			return;
		}
		if (act.type == SESSION_WRITE) {
			take(x->client, act.intake);
			session_written(s);
		} else if (act.type == SESSION_REQUEST) {
			code = request(x, s, &act);
		} else {
			session_answered(s, code);
		}
	}
}

/* Each side asks; and, when it is known what both hold, once more after something was written. */
static void exchanges(const char *folder, const struct variant *v, bool asks)
{
	struct side own = {.o = {.name = "fuzz", .ranges_from = v->o.ranges_from}};
	struct side peer = {.o = v->o};
	struct exchange x = {asks ? &own : &peer, asks ? &peer : &own, folder, asks};
	struct log_append a = {.author = NULL, .time = 1, .payload = span_str("{\"type\":\"c\"}")};
	struct hash space, id;
	struct fuzz_run r;

	side_open(&own, fuzz_self());
	side_open(&peer, fuzz_key(9));
	fuzz_fill(own.log);
	fill(peer.log, v);
	own.o.pasts = pasts_new();
	peer.o.pasts = pasts_new();
	run(&x);
	fuzz_run_make(&r, 1, 99);
	space = r.id.space;
	a.space = &space;
	a.rules = space;
	a.appliance = peer.key;
	must(log_begin(peer.log));
	must(log_admit(peer.log, &space, secret_pubkey(peer.key), true));
	must(log_append(peer.log, &a, &id));
	must(log_commit(peer.log));
	run(&x);
	run(&x);
	pasts_free((struct pasts *)own.o.pasts);
	pasts_free((struct pasts *)peer.o.pasts);
	side_close(&own);
	side_close(&peer);
}

/* --- bundles --- */
static void read_all(int fd, struct buf *out)
{
	off_t n = lseek(fd, 0, SEEK_END);

	if (n < 0 || pread(fd, buf_reserve(out, (size_t)n), (size_t)n, 0) != n)
		abort();
	out->n += (size_t)n;
}

/* As it is, and after a hard life: frames.h. */
static void save_file(const char *folder, const struct buf *stream, unsigned hurt)
{
	static const uint8_t life[][3] = {{LIFE_CUT, 0x90, 1},
					  {LIFE_RESUMED, 0x40, 2},
					  {LIFE_FLIP, 0xf0, 4},
					  {LIFE_AGAIN, 0, 0}};
	struct buf packed = {0}, out = {0};

	frames_pack(&packed, buf_span(stream));
	buf_u8(&out, packed.p[0] | LIFE);
	buf_u8(&out, (uint8_t)hurt);
	for (unsigned i = 0; i < hurt; i++)
		buf_add(&out, life[(i + hurt) % ARRAY_LEN(life)], 3);
	buf_add(&out, packed.p + 1, packed.n - 1);
	save(folder, "bundle", buf_span(&out));
	save(folder, "sieve", buf_span(&out));
	buf_release(&packed);
	buf_release(&out);
}

/* What a bundle says that its writer holds, twice: fuzz_known.c. */
static void save_claims(const char *folder, const struct buf *stream)
{
	struct buf packed = {0}, said = {0}, input = {0};
	struct reader r;

	frames_pack(&packed, buf_span(stream));
	buf_u8(&said, 0);
	r = reader_of(span_of(packed.p + 1, packed.n - 1));
	while (r.rest.n) {
		uint8_t type = reader_u8(&r);
		struct span body = reader_bytes(&r, reader_u16(&r));

		if (type != FRAME_HEADS && type != FRAME_MISSING)
			continue;
		buf_u8(&said, type);
		buf_u16(&said, (uint16_t)body.n);
		buf_add_span(&said, body);
	}
	for (uint8_t how = 0; how < 16; how++) {
		buf_clear(&input);
		buf_u8(&input, how);
		buf_u16(&input, (uint16_t)said.n);
		buf_add_span(&input, buf_span(&said));
		buf_add_span(&input, buf_span(&said));
		save(folder, "known", buf_span(&input));
	}
	buf_release(&packed);
	buf_release(&said);
	buf_release(&input);
}

static void bundles(const char *folder, const struct variant *v, bool claims)
{
	struct side peer = {.o = v->o};
	struct bundle_export x = {.name = v->o.name, .serial = 3};
	struct bundle_totals totals;
	struct head have;
	struct buf file = {0};
	struct fuzz_run r;
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	side_open(&peer, fuzz_key(9));
	fill(peer.log, v);
	x.log = peer.log;
	x.env = &peer.env.env;
	x.writer = claims ? peer.key : NULL;
	fuzz_run_make(&r, 2, 99);
	have = (struct head){r.id, 2, entry_hash(&r.headers[1])};
	if (claims && v->n > 2) { /* only what the other lacks */
		x.have = &have;
		x.n_have = 1;
	}
	must(bundle_write(&x, fd, &totals));
	read_all(fd, &file);
	for (unsigned hurt = 0; hurt < 4; hurt++)
		save_file(folder, &file, hurt);
	if (claims)
		save_claims(folder, &file);
	close(fd);
	buf_release(&file);
	side_close(&peer);
}

/* --- words of a private space --- */
static void seal_words(const char *folder, const char *op)
{
	struct buf text = {0}, input = {0};

	must(file_read(op, 65536, &text));
	for (size_t i = 0; i + 1 < text.n; i++) /* the one object that is there */
		if (text.p[i] == '$' && strchr("FPDL", text.p[i + 1]))
			text.p[i + 1] = 'T';
	for (uint8_t mode = 0; mode < 4; mode++) {
		buf_clear(&input);
		buf_u8(&input, mode);
		buf_add_span(&input, buf_span(&text));
		save(folder, "seal", buf_span(&input));
	}
	buf_release(&text);
	buf_release(&input);
}

static void all_words(const char *folder, const char *ops)
{
	DIR *d = opendir(ops);
	struct dirent *e;
	char path[4096];

	if (!d)
		abort();
	while ((e = readdir(d))) {
		if (*e->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", ops, e->d_name);
		seal_words(folder, path);
	}
	closedir(d);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: exchange_tool FOLDER tests/fuzz/corpus/op\n");
		return 2;
	}
	test_init();
	must(dir_make(argv[1], 0755));
	for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
		exchanges(argv[1], &variants[i], false);
		exchanges(argv[1], &variants[i], true);
		bundles(argv[1], &variants[i], false);
		bundles(argv[1], &variants[i], true);
	}
	all_words(argv[1], argv[2]);
	return 0;
}
