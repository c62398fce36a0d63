/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The helper: from descriptor 0 to descriptor 1. */
#include "appliance/carry/sieve.h"
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

enum { HEAD = 5, CHECK = 16 };

/* --- frames from a file ----------------------------------------------------------------------- */

struct strainer {
	int in;
	uint64_t left; /* bytes of the file, as it was when it was opened */
	struct stream_reader *reader;
	struct buf raw; /* the frame in hand, as it came */
	bool ended, damaged;
	uint64_t bytes;
};

/* Exactly n bytes, appended to raw. False: the file is over. */
static bool take(struct strainer *s, size_t n)
{
	uint8_t *to = buf_reserve(&s->raw, n);

	if (n > s->left)
		return false;
	while (n) {
		ssize_t got = read(s->in, to, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
		s->raw.n += (size_t)got;
		s->left -= (uint64_t)got;
		s->bytes += (uint64_t)got;
	}
	return true;
}

static void strainer_init(struct strainer *s, int in)
{
	static const unsigned all = FRAME_BIT(FRAME_ENTRIES) | FRAME_BIT(FRAME_HEADS) |
				    FRAME_BIT(FRAME_FORK) | FRAME_BIT(FRAME_BLOB) |
				    FRAME_BIT(FRAME_LOCATOR) | FRAME_BIT(FRAME_NOTE) |
				    FRAME_BIT(FRAME_HELLO) | FRAME_BIT(FRAME_DIGESTS) |
				    FRAME_BIT(FRAME_MISSING) | FRAME_BIT(FRAME_CLAIM);
	struct stat st;

	*s = (struct strainer){.in = in, .left = UINT64_MAX};
	if (fstat(in, &st) == 0 && S_ISREG(st.st_mode))
		s->left = (uint64_t)st.st_size;
	s->reader = stream_reader_new(all);
}

static void strainer_release(struct strainer *s)
{
	stream_reader_free(s->reader);
	buf_release(&s->raw);
}

/* Feed the reader what is in hand. False: it does not hold. *ret_frame NULL: of a kind that is not
 * known here, or only the magic. */
static bool hold(struct strainer *s, const struct frame **ret_frame)
{
	struct error *e;

	stream_feed(s->reader, buf_span(&s->raw));
	e = stream_next(s->reader, ret_frame);
	s->damaged |= e != NULL;
	error_free(e);
	return !s->damaged;
}

static bool strain_magic(struct strainer *s)
{
	const struct frame *f;

	return take(s, STREAM_MAGIC) && hold(s, &f);
}

/* The next whole frame; its bytes in s->raw. False: there is none. */
static bool strain(struct strainer *s, const struct frame **ret_frame)
{
	uint32_t n;

	buf_clear(&s->raw);
	if (!take(s, HEAD)) {
		s->damaged |= s->ended && s->raw.n > 0;
		return false;
	}
	n = (uint32_t)s->raw.p[1] | (uint32_t)s->raw.p[2] << 8 | (uint32_t)s->raw.p[3] << 16 |
	    (uint32_t)s->raw.p[4] << 24;
	if (n > LIMIT_FRAME) {
		s->damaged = true;
		return false;
	}
	if (!take(s, n + CHECK) || !hold(s, ret_frame))
		return false;
	s->ended |= *ret_frame && (*ret_frame)->type == FRAME_END;
	return true;
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

static bool emit_frames(struct strainer *s, int out)
{
	_cleanup_(buf_release) struct buf end = {0};
	struct stream_writer w;
	const struct frame *f;
	uint64_t frames = 0;

	while (strain(s, &f)) {
		if (!f || f->type == FRAME_END)
			continue;
		if (!write_all(out, buf_span(&s->raw)))
			return false;
		frames++;
	}
	/* What does not hold is not handed on; but that it was there is: a frame that can't hold.
	 */
	if (s->damaged)
		return write_all(out, span_of((const uint8_t[HEAD + CHECK]){0}, HEAD + CHECK));
	/* One end of our own: of kinds that are not known here some may have been left out. */
	if (!s->ended)
		return true;
	stream_begin(&w, &end);
	buf_clear(&end);
	w.frames = frames;
	stream_put_end(&w);
	return write_all(out, buf_span(&end));
}

bool sieve_frames(int in, int out)
{
	struct strainer s;
	bool ok = true;

	strainer_init(&s, in);
	if (strain_magic(&s))
		ok = write_all(out, buf_span(&s.raw)) && emit_frames(&s, out);
	else
		ok = write_all(out,
			       buf_span(&s.raw)); /* what these eight bytes are, the reader says */
	strainer_release(&s);
	return ok;
}

/* --- a summary -------------------------------------------------------------------------------- */

struct summing {
	struct sieve_summary sum;
	struct buf logs; /* struct sieve_log */
	struct claim_reader claim;
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
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:s, s:I, s:o}", "bytes",
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
	if (strain_magic(&s))
		while (strain(&s, &f))
			if (f)
				sum_frame(&m, f);
	m.sum.bytes = s.bytes;
	m.sum.whole = s.ended && !s.damaged;
	m.sum.damaged = s.damaged;
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
