/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A hostile box answers. Bits 2 and 3 of the first byte say what the input answers: the status (0),
 * the pulls and pushes (1), only the pushes (2); the other requests get a plain answer. The session
 * ends, bounded, and what it stored is clean. */
#include "tests/fuzz/frames.h"
#include "sync/replicate/session.h"
#include "tests/fuzz/space.h"

static void take(struct log_store *l, struct intake *in)
{
	must(log_begin(l));
	must(intake_run(l, in));
	must(log_commit(l));
}

/* A good answer: to the status, a space that differs; else nothing. */
static void plain(struct buf *out, const char *path)
{
	struct space_digest row = {.heads = {"other"}};
	struct stream_writer w;
	struct fuzz_run r;

	fuzz_run_make(&r, 1, 99);
	row.space = r.id.space;
	buf_clear(out);
	stream_begin(&w, out);
	if (strcmp(path, SYNC_PATH_STATUS) == 0)
		stream_put_digests(&w, &row, 1);
	stream_put_end(&w);
}

static bool is_for(int which, const char *path)
{
	if (strcmp(path, SYNC_PATH_STATUS) == 0)
		return which == 0;
	return which == 1 || (which == 2 && strcmp(path, SYNC_PATH_PUSH) == 0);
}

/* false: the session is over. */
static bool step(struct session *s, struct log_store *l, int which, struct span answer)
{
	struct session_action act;
	struct buf body = {0};
	struct error *e;
	bool end = false;

	e = session_next(s, l, &act);
	if (e || act.type == SESSION_DONE) {
		theirs(e);
		return false;
	}
	switch (act.type) {
	case SESSION_WRITE:
		take(l, act.intake);
		session_written(s);
		return true;
	case SESSION_REQUEST:
		while (act.body && !end) {
			buf_clear(&body);
			must(session_body(s, l, &body, &end));
		}
		plain(&body, act.path);
		session_feed(s, is_for(which, act.path) ? answer : buf_span(&body));
		buf_release(&body);
		return true;
	case SESSION_RECEIVE:
		session_answered(s, 200);
		return true;
	default:
		FUZZ_CHECK(!"no other action");
		return false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf answer = {0};
	struct secret *self;
	struct session_options o = {.env = &env_system, .name = "fuzz", .ranges_from = 1};
	struct log_store *l;
	struct session *s;

	must(crypto_init());
	self = fuzz_self();
	o.self = self;
	l = fuzz_store(secret_pubkey(self));
	fuzz_fill(l);
	frames_build(&answer, data, size);
	s = session_new(&o);
	while (step(s, l, size ? data[0] >> 2 & 3 : 0, buf_span(&answer)))
		;
	FUZZ_CHECK(session_report(s)->rounds <= SESSION_ROUNDS);
	session_free(s);
	fuzz_store_end(l);
	secret_free(self);
	buf_release(&answer);
	return 0;
}
