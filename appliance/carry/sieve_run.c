/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The helper: from descriptor 0 to descriptor 1. */
#include "appliance/carry/sieve.h"
#include "sync/bundle/source.h"
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

/* --- frames from a file ----------------------------------------------------------------------- */

enum { PIECE = 256 * 1024 };

struct strainer {
	struct source file;
	uint64_t left; /* bytes of the file, as it was when it was opened */
	struct stream_reader *reader;
	uint8_t begin[STREAM_MAGIC]; /* what it begins with */
	size_t begin_n;
	bool broken;  /* something is wrong behind the frame handed out last */
	bool damaged; /* something was wrong, and more than that the file ends early */
	bool whole;
	uint64_t bytes;
};

static void strainer_init(struct strainer *s, int in)
{
	static const unsigned all = FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_HEADS) |
				    FRAME_BIT(FRAME_FORK) | FRAME_BIT(FRAME_BLOB) |
				    FRAME_BIT(FRAME_LOCATOR) | FRAME_BIT(FRAME_NOTE) |
				    FRAME_BIT(FRAME_HELLO) | FRAME_BIT(FRAME_DIGESTS) |
				    FRAME_BIT(FRAME_MISSING) | FRAME_BIT(FRAME_CLAIM);
	struct stat st;

	*s = (struct strainer){.left = UINT64_MAX};
	source_init(&s->file, in);
	if (fstat(in, &st) == 0 && S_ISREG(st.st_mode))
		s->left = (uint64_t)st.st_size;
	s->reader = stream_reader_new(all);
	stream_salvage(s->reader);
}

static void strainer_release(struct strainer *s)
{
	stream_reader_free(s->reader);
}

/* False: the file is over. */
static bool feed(struct strainer *s)
{
	uint8_t piece[PIECE];
	size_t most = s->left < PIECE ? (size_t)s->left : PIECE;
	unsigned lost = s->file.lost;
	ssize_t n = source_read(&s->file, piece, most);

	if (n <= 0)
		return false;
	if (s->file.lost != lost)
		s->broken = s->damaged = true;
	for (ssize_t i = 0; i < n && s->begin_n < STREAM_MAGIC; i++)
		s->begin[s->begin_n++] = piece[i];
	s->left -= (uint64_t)n;
	s->bytes += (uint64_t)n;
	stream_feed(s->reader, span_of(piece, (size_t)n));
	return true;
}

/* The next whole frame; NULL: there is none. */
static const struct frame *strain(struct strainer *s)
{
	const struct frame *f;

	for (;;) {
		struct error *e = stream_next(s->reader, &f);
		bool at_end = false;

		if (!e && f) {
			s->damaged |= s->broken;
			return f;
		}
		if (!e && feed(s))
			continue;
		if (!e) {
			at_end = true;
			e = stream_finish(s->reader);
		}
		if (!e) {
			s->whole = !s->damaged;
			return NULL;
		}
		error_free(e);
		s->broken = true;
		s->damaged |= !at_end;
		if (!stream_seek(s->reader))
			return NULL;
	}
}

/* --- the frames again ------------------------------------------------------------------------- */

static bool write_all(int fd, struct span s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s.p += n;
		s.n -= (size_t)n;
	}
	return true;
}

struct emitting {
	struct strainer s;
	int out;
	struct stream_writer w;
	bool begun;
	unsigned parts; /* whose beginning was handed on */
};

/* What it begins with goes as it is: what that is, the reader says. */
static bool emit_beginning(struct emitting *m)
{
	struct span begin = span_of(m->s.begin, m->s.begin_n);
	_cleanup_(buf_release) struct buf magic = {0};

	if (m->begun)
		return true;
	m->begun = true;
	stream_begin(&m->w, &magic);
	m->parts = span_eq(begin, buf_span(&magic));
	return write_all(m->out, begin);
}

/* What does not hold is not handed on; but that it was there is: a frame that can't hold. */
static bool emit_fault(struct emitting *m)
{
	static const uint8_t broken[FRAME_OVERHEAD];

	return !m->parts || write_all(m->out, span_of(broken, sizeof(broken)));
}

static bool emit_magic(struct emitting *m)
{
	_cleanup_(buf_release) struct buf magic = {0};

	m->parts = stream_parts(m->s.reader);
	stream_begin(&m->w, &magic);
	return write_all(m->out, buf_span(&magic));
}

/* An end of our own: of kinds that are not known here some may have been left out. */
static bool emit_end(struct emitting *m)
{
	_cleanup_(buf_release) struct buf b = {0};

	m->w.out = &b;
	stream_put_end(&m->w);
	return write_all(m->out, buf_span(&b));
}

static bool emit_frame(struct emitting *m, const struct frame *f)
{
	if (!emit_beginning(m) || (m->s.broken && !emit_fault(m)))
		return false;
	m->s.broken = false;
	if (m->parts != stream_parts(m->s.reader) && !emit_magic(m))
		return false;
	if (f->type == FRAME_END)
		return emit_end(m);
	m->w.frames++;
	return write_all(m->out, stream_raw(m->s.reader));
}

bool sieve_frames(int in, int out)
{
	struct emitting m = {.out = out};
	const struct frame *f;
	bool ok = true;

	strainer_init(&m.s, in);
	while (ok && (f = strain(&m.s)))
		ok = emit_frame(&m, f);
	ok = ok && emit_beginning(&m);
	if (ok && m.s.broken && m.s.damaged)
		ok = emit_fault(&m);
	strainer_release(&m.s);
	return ok;
}

/* --- a summary -------------------------------------------------------------------------------- */

struct summing {
	struct sieve_summary sum;
	struct buf logs; /* struct sieve_log */
	struct claim_reader claim;
	unsigned part; /* of the file, that it is about */
};

static void sum_space(struct sieve_summary *sum, const struct hash *space)
{
	for (size_t i = 0; i < sum->spaces_n; i++)
		if (hash_eq(&sum->spaces[i], space))
			return;
	if (sum->spaces_n < LIMIT_SPACES)
		sum->spaces[sum->spaces_n++] = *space;
}

static void sum_entries(struct summing *m, const struct ingest *in)
{
	struct sieve_log *logs = (struct sieve_log *)(void *)m->logs.p;
	size_t n = m->logs.n / sizeof(*logs);
	struct sieve_log new = {.id = *in->id, .first = in->first, .last = in->first + in->n - 1};

	m->sum.entries += in->n;
	for (size_t i = 0; i < in->n; i++)
		m->sum.payloads += in->payloads[i].state == PAYLOAD_HELD;
	sum_space(&m->sum, &in->id->space);
	/* They come log by log: the newest is nearly always the one. */
	for (size_t i = n; i-- > 0;) {
		if (log_id_cmp(&logs[i].id, in->id) != 0)
			continue;
		if (new.last > logs[i].last)
			logs[i].last = new.last;
		if (new.first < logs[i].first)
			logs[i].first = new.first;
		return;
	}
	m->sum.logs_n++;
	if (n < SIEVE_LOGS)
		buf_add(&m->logs, &new, sizeof(new));
}

static void sum_frame(struct summing *m, const struct frame *f)
{
	struct sieve_summary *sum = &m->sum;
	struct bundle_claim c;

	sum->frames++;
	if (f->type == FRAME_ENTRIES) {
		sum_entries(m, &f->entries);
	} else if (f->type == FRAME_FORK) {
		sum->forks++;
	} else if (f->type == FRAME_BLOB) {
		sum->blobs += f->blob.offset == 0;
	} else if (f->type == FRAME_HELLO) {
		sum->has_name = true;
		snprintf(sum->name, sizeof(sum->name), "%s", f->hello.name);
		sum->time_ms = sum->claimed ? sum->time_ms : f->hello.clock_ms;
	} else if (claim_read(&m->claim, f, &c)) {
		sum->claimed = true;
		sum->writer = c.writer;
		sum->receiver = c.receiver;
		sum->time_ms = c.time_ms;
	}
}

static json_t *logs_json(const struct summing *m)
{
	const struct sieve_log *logs = (const struct sieve_log *)(const void *)m->logs.p;
	json_t *list = json_array();

	for (size_t i = 0; i < m->logs.n / sizeof(*logs); i++)
		json_array_append_new(list, json_pack("[s, s, I, I, I]", ID(&logs[i].id.space),
						      ID(&logs[i].id.appliance),
						      (json_int_t)logs[i].id.incarnation,
						      (json_int_t)logs[i].first,
						      (json_int_t)logs[i].last));
	return list;
}

static json_t *summary_json(const struct summing *m, struct walls w)
{
	const struct sieve_summary *s = &m->sum;
	json_t *o =
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, s:I, s:o}", "parts",
			  (json_int_t)s->parts, "bytes",
			  (json_int_t)s->bytes, "frames", (json_int_t)s->frames, "entries",
			  (json_int_t)s->entries, "payloads", (json_int_t)s->payloads, "forks",
			  (json_int_t)s->forks, "blobs", (json_int_t)s->blobs, "logs",
			  (json_int_t)s->logs_n, "whole", s->whole, "damaged", s->damaged, "name",
			  s->name, "time", (json_int_t)s->time_ms, "heads", logs_json(m));
	json_t *spaces = json_array();

	for (size_t i = 0; i < s->spaces_n; i++)
		json_array_append_new(spaces, json_string(ID(&s->spaces[i])));
	json_object_set_new(o, "spaces", spaces);
	if (s->claimed) {
		json_object_set_new(o, "writer", json_string(ID(&s->writer)));
		json_object_set_new(o, "receiver", json_string(ID(&s->receiver)));
	}
	json_object_set_new(o, "walls",
			    json_pack("{s:b, s:b, s:b, s:b}", "limits", w.limits, "no_new_privs",
				      w.no_new_privs, "landlock", w.landlock, "seccomp",
				      w.seccomp));
	return o;
}

bool sieve_summarize(int in, struct walls walls, struct buf *out)
{
	struct strainer s;
	struct summing m = {.sum = {.bytes = 0}};
	const struct frame *f;
	json_t *o;
	char *text;

	strainer_init(&s, in);
	while ((f = strain(&s))) {
		if (m.part != stream_parts(s.reader))
			claim_reader_release(&m.claim);
		m.part = stream_parts(s.reader);
		sum_frame(&m, f);
		s.broken = false;
	}
	m.sum.bytes = s.bytes;
	m.sum.whole = s.whole;
	m.sum.damaged = s.damaged;
	m.sum.parts = m.part;
	o = summary_json(&m, walls);
	text = json_dumps(o, JSON_COMPACT);
	if (text)
		buf_puts(out, text);
	free(text);
	json_decref(o);
	buf_release(&m.logs);
	claim_reader_release(&m.claim);
	strainer_release(&s);
	return out->n > 0;
}

_Noreturn void sieve_run(enum sieve_mode mode)
{
	struct walls w = sandbox_enter();
	struct buf out = {0};
	bool ok;

	if (w.broken)
		_exit(SIEVE_NO_WALLS);
	if (mode == SIEVE_FRAMES)
		ok = sieve_frames(0, 1);
	else
		ok = sieve_summarize(0, w, &out) && write_all(1, buf_span(&out));
	buf_release(&out);
	_exit(ok ? 0 : 1);
}
