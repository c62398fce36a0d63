/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/stream.h"
#include "sync/base/line.h"
#include "sync/replicate/ranges.h"
#include "sync/replicate/stream_priv.h"

struct stream_reader {
	struct buf in;
	size_t pos;	 /* of the first byte not yet handed out */
	size_t taken;	 /* bytes of the frame handed out last; they go at the next call */
	uint64_t offset; /* of pos in the whole stream */
	uint64_t frames;
	unsigned expect;
	bool begun, ended;
	bool salvage, seeking;
	bool lost;	 /* frames before this one, so that they can't be counted */
	unsigned parts, faults;
	uint64_t passed; /* bytes that were looked through for a place to go on */
	struct error *failed; /* what every later call says */
	struct frame frame;
	struct arena arena; /* what the frame's arrays live in, until the next call */
};

struct stream_reader *stream_reader_new(unsigned expect)
{
	struct stream_reader *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->expect = expect | FRAME_BIT(FRAME_END);
	return r;
}

void stream_reader_free(struct stream_reader *r)
{
	if (!r)
		return;
	arena_release(&r->arena);
	buf_release(&r->in);
	error_free(r->failed);
	free(r);
}

void stream_feed(struct stream_reader *r, struct span bytes)
{
	buf_add_span(&r->in, bytes);
}

uint64_t stream_frames(const struct stream_reader *r)
{
	return r->frames;
}

uint64_t stream_offset(const struct stream_reader *r)
{
	return r->offset;
}

static struct error *malformed(const char *what)
{
	return error_new(
		ERR_MALFORMED,
		N_("What came is not a clean stream: %s. It was damaged on the way, or comes "
		   "from other software; try again."),
		what);
}

/* --- bodies --- */

static void read_log_id(struct reader *b, struct log_id *id)
{
	uint8_t raw[LOG_ID_BYTES];

	reader_copy(b, raw, sizeof(raw));
	log_id_read(raw, id);
}

static struct span read_short_text(struct reader *b)
{
	size_t n = reader_u8(b);

	if (n > LIMIT_NAME)
		b->failed = true;
	return reader_bytes(b, n);
}

static struct error *read_hello(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	struct span name;
	uint8_t clock = HELLO_CLOCK_UNSAID;

	f->hello.clock_ms = (int64_t)reader_u64(b);
	name = read_short_text(b);
	line_clean(name, f->hello.name, sizeof(f->hello.name));
	if (!b->failed && b->rest.n >= 4)
		f->hello.abilities = reader_u32(b);
	if (!b->failed && b->rest.n >= 1)
		clock = reader_u8(b);
	if (clock <= HELLO_CLOCK_UNSURE)
		f->hello.clock = clock;
	if (!b->failed && b->rest.n >= 8)
		f->hello.incarnation = reader_u64(b);
	b->rest.n = b->failed ? b->rest.n : 0; /* a later version may say more */
	return NULL;
}

static struct error *read_digests(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	size_t n = reader_u16(b);
	struct space_digest *rows;

	ENSURE(n <= LIMIT_SPACES && b->rest.n == n * DIGEST_BYTES,
	       malformed("a list of digests has the wrong size"));
	rows = arena_array(&r->arena, struct space_digest, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		reader_copy(b, rows[i].space.b, 32);
		reader_copy(b, rows[i].heads.b, 32);
		reader_copy(b, rows[i].missing, sizeof(rows[i].missing));
		ENSURE(i == 0 || hash_cmp(&rows[i - 1].space, &rows[i].space) < 0,
		       malformed("a list of digests is out of order"));
	}
	f->digests.rows = rows;
	f->digests.n = n;
	return NULL;
}

static struct error *read_heads(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	struct head *heads;
	size_t n;

	reader_copy(b, f->heads.space.b, 32);
	n = reader_u32(b);
	ENSURE(n <= LIMIT_HEADS && b->rest.n == n * HEAD_BYTES,
	       malformed("a list of heads has the wrong size"));
	heads = arena_array(&r->arena, struct head, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		struct head *h = &heads[i];

		head_read(b, &f->heads.space, h);
		ENSURE(head_ok(h), malformed("a head contradicts itself"));
		ENSURE(i == 0 || log_id_cmp(&heads[i - 1].id, &h->id) < 0,
		       malformed("a list of heads is out of order"));
	}
	f->heads.heads = heads;
	f->heads.n = n;
	return NULL;
}

/* Rows up to the end of the body. */
static struct error *read_since(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	struct head *rows;
	size_t n;

	reader_copy(b, f->since.space.b, 32);
	reader_copy(b, f->since.state.b, 32);
	n = reader_u16(b);
	ENSURE(n <= SINCE_ROWS && b->rest.n == n * HEAD_BYTES,
	       malformed("a list of heads has the wrong size"));
	rows = arena_array(&r->arena, struct head, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		head_read(b, &f->since.space, &rows[i]);
		ENSURE(head_ok(&rows[i]), malformed("a head contradicts itself"));
		ENSURE(i == 0 || log_id_cmp(&rows[i - 1].id, &rows[i].id) < 0,
		       malformed("a list of heads is out of order"));
	}
	f->since.rows = rows;
	f->since.n = n;
	return NULL;
}

static struct error *read_partial(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	struct hash *spaces = NULL;
	size_t n;

	f->partial.keep.payload_days = reader_u32(b);
	f->partial.keep.blob_max = reader_u64(b);
	f->partial.wanting = reader_u8(b) != 0;
	n = b->rest.n ? reader_u16(b) : 0; /* an earlier version ends here */
	ENSURE(n <= LIMIT_SPACES && b->rest.n >= n * sizeof(*spaces),
	       malformed("a list of spaces has the wrong size"));
	if (n)
		spaces = arena_array(&r->arena, struct hash, n);
	for (size_t i = 0; i < n; i++)
		reader_copy(b, spaces[i].b, sizeof(spaces[i].b));
	f->partial.unkept = spaces;
	f->partial.n = n;
	b->rest.n = b->failed ? b->rest.n : 0; /* a later version may say more */
	return NULL;
}

static struct error *read_counts(struct stream_reader *r, struct reader *b)
{
	enum { COUNT_BYTES = 40 };
	size_t n = reader_u16(b);
	struct space_count *rows;

	ENSURE(n <= LIMIT_SPACES && b->rest.n == n * COUNT_BYTES,
	       malformed("a list of counts has the wrong size"));
	rows = arena_array(&r->arena, struct space_count, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		reader_copy(b, rows[i].space.b, sizeof(rows[i].space.b));
		rows[i].entries = reader_u64(b);
	}
	r->frame.counts.rows = rows;
	r->frame.counts.n = n;
	return NULL;
}

static struct error *read_proof(struct stream_reader *r, struct reader *b)
{
	reader_copy(b, r->frame.proof.b, sizeof(r->frame.proof.b));
	return NULL;
}

static struct error *read_pieces(struct stream_reader *r, struct reader *b)
{
	size_t n = reader_u8(b);
	struct blob_piece *rows = arena_array(&r->arena, struct blob_piece, n ? n : 1);

	ENSURE(n <= LIMIT_PIECES && b->rest.n == n * PIECE_BYTES,
	       malformed("a list of pieces has the wrong size"));
	for (size_t i = 0; i < n; i++) {
		reader_copy(b, rows[i].blob.b, sizeof(rows[i].blob.b));
		rows[i].at = reader_u64(b);
		rows[i].n = reader_u64(b);
		ENSURE(rows[i].n > 0 && rows[i].n <= INT64_MAX && rows[i].at <= INT64_MAX,
		       malformed("a piece of a file is none"));
	}
	r->frame.pieces.rows = rows;
	r->frame.pieces.n = n;
	return NULL;
}

static struct error *read_ranges(struct stream_reader *r, struct reader *b)
{
	TRY(ranges_read(b->rest, &r->arena, &r->frame.ranges));
	b->rest.n = 0;
	return NULL;
}

static struct error *read_fork(struct stream_reader *r, struct reader *b)
{
	reader_copy(b, r->frame.fork.a.b, ENTRY_HEADER);
	reader_copy(b, r->frame.fork.b.b, ENTRY_HEADER);
	return NULL;
}

static struct error *read_blob(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;

	reader_copy(b, f->blob.hash.b, 32);
	f->blob.size = reader_u64(b);
	f->blob.offset = reader_u64(b);
	f->blob.bytes = reader_bytes(b, b->rest.n);
	ENSURE(f->blob.offset <= f->blob.size && f->blob.bytes.n <= f->blob.size - f->blob.offset,
	       malformed("a piece of a file lies behind the file's end"));
	return NULL;
}

static struct error *read_locator(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	struct locator_sample *samples;
	size_t n;

	read_log_id(b, &f->locator.id);
	n = reader_u8(b);
	ENSURE(n <= LIMIT_LOCATOR && b->rest.n == n * SAMPLE_BYTES,
	       malformed("a locator has the wrong size"));
	samples = arena_array(&r->arena, struct locator_sample, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		samples[i].seq = reader_u64(b);
		reader_copy(b, samples[i].hash.b, 32);
		ENSURE(samples[i].seq > 0 && (i == 0 || samples[i].seq < samples[i - 1].seq),
		       malformed("a locator is out of order"));
	}
	f->locator.samples = samples;
	f->locator.n = n;
	return NULL;
}

static struct error *read_missing(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	struct seq_range *ranges;
	size_t n;

	read_log_id(b, &f->missing.id);
	n = reader_u8(b);
	ENSURE(n <= LIMIT_MISSING_RANGES && b->rest.n == n * RANGE_BYTES,
	       malformed("a list of missing payloads has the wrong size"));
	ranges = arena_array(&r->arena, struct seq_range, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		ranges[i].first = reader_u64(b);
		ranges[i].last = reader_u64(b);
		/* sequences are below 2^63: whoever counts through a range comes to its end */
		ENSURE(ranges[i].first > (i ? ranges[i - 1].last : 0) &&
			       ranges[i].last >= ranges[i].first && ranges[i].last <= INT64_MAX,
		       malformed("a list of missing payloads is out of order"));
	}
	f->missing.ranges = ranges;
	f->missing.n = n;
	return NULL;
}

static struct error *read_note(struct stream_reader *r, struct reader *b)
{
	struct frame *f = &r->frame;
	struct span why;

	read_log_id(b, &f->note.id);
	f->note.seq = reader_u64(b);
	why = read_short_text(b);
	f->note.why = error_of_name(why.p, why.n);
	if (f->note.why == ERR_NONE) /* a newer version's */
		f->note.why = ERR_INTERNAL;
	return NULL;
}

/* What it holds is judged where it is used. */
static struct error *read_addresses(struct stream_reader *r, struct reader *b)
{
	r->frame.addresses = reader_bytes(b, b->rest.n);
	return NULL;
}

static struct error *read_pair(struct stream_reader *r, struct reader *b)
{
	r->frame.pair = reader_bytes(b, b->rest.n);
	return NULL;
}

static struct error *read_system(struct stream_reader *r, struct reader *b)
{
	r->frame.system = reader_bytes(b, b->rest.n);
	return NULL;
}

static struct error *read_result(struct stream_reader *r, struct reader *b)
{
	r->frame.result.added = reader_u64(b);
	r->frame.result.filled = reader_u64(b);
	r->frame.result.known = reader_u64(b);
	return NULL;
}

static struct error *read_claim(struct stream_reader *r, struct reader *b)
{
	struct stream_claim *c = &r->frame.claim;

	reader_copy(b, c->writer.b, 32);
	reader_copy(b, c->receiver.b, 32);
	c->incarnation = reader_u64(b);
	c->serial = reader_u64(b);
	c->time_ms = (int64_t)reader_u64(b);
	reader_copy(b, c->heads.b, 32);
	reader_copy(b, c->signature.b, 64);
	return NULL;
}

static struct error *read_end(struct stream_reader *r, struct reader *b)
{
	r->frame.end_frames = reader_u64(b);
	ENSURE(r->lost || r->frame.end_frames == r->frames,
	       malformed("frames are missing from its middle"));
	r->ended = true;
	return NULL;
}

/* --- entries --- */

struct run {
	struct log_id id;
	uint8_t version, flags;
	uint64_t first;
	struct hash prev;
	const uint8_t *author, *rules; /* of the entry before */
};

/* What the frame implies, written into a header. */
static void imply(const struct run *run, uint64_t seq, const struct hash *prev, uint8_t *h)
{
	h[AT_VERSION] = run->version;
	store64(h + AT_SEQ, seq);
	store64(h + AT_INCARNATION, run->id.incarnation);
	if (!(seq == 1 && run->flags & ENTRIES_FOUNDING))
		memcpy(h + AT_SPACE, run->id.space.b, 32);
	memcpy(h + AT_APPLIANCE, run->id.appliance.b, 32);
	memcpy(h + AT_PREV, prev->b, 32);
}

/* The header comes zeroed, with what the frame implies already in it. */
static struct error *read_entry(struct run *run, struct reader *b, uint8_t *h,
				struct ingest_payload *payload)
{
	uint8_t bits = reader_u8(b);

	ENSURE(bits < BITS_BY_APPLIANCE * 2 &&
		       !(bits & BITS_BY_APPLIANCE && bits & BITS_SAME_AUTHOR),
	       malformed("an entry has unknown marks"));
	reader_copy(b, h + AT_FLAGS, AT_SEQ - AT_FLAGS);
	reader_copy(b, h + AT_TIME, 8);
	if (bits & BITS_BY_APPLIANCE)
		memcpy(h + AT_AUTHOR, run->id.appliance.b, 32);
	else if (bits & BITS_SAME_AUTHOR)
		memcpy(h + AT_AUTHOR, run->author, 32);
	else
		reader_copy(b, h + AT_AUTHOR, 32);
	if (bits & BITS_SAME_RULES)
		memcpy(h + AT_RULES, run->rules, 32);
	else
		reader_copy(b, h + AT_RULES, 32);
	reader_copy(b, h + AT_PAYLOAD, 32);
	if (!(bits & BITS_BY_APPLIANCE))
		reader_copy(b, h + AT_AUTHOR_SIG, 64);
	reader_copy(b, h + AT_APPLIANCE_SIG, 64);
	run->author = h + AT_AUTHOR;
	run->rules = h + AT_RULES;
	payload->state = (enum payload_state)(bits & BITS_STATE);
	if (payload->state == PAYLOAD_HELD) {
		uint32_t len = load32(h + AT_LEN);

		ENSURE(len <= LIMIT_PAYLOAD, malformed("a payload is larger than allowed"));
		payload->salt = reader_bytes(b, ENTRY_SALT).p;
		payload->bytes = reader_bytes(b, len);
	}
	ENSURE(reader_ok(b), malformed("an entry is cut off"));
	return NULL;
}

static struct error *read_run(struct reader *b, struct run *run)
{
	static const uint8_t zeros[32];

	run->version = reader_u8(b);
	run->flags = reader_u8(b);
	read_log_id(b, &run->id);
	run->first = reader_u64(b);
	memset(&run->prev, 0, sizeof(run->prev));
	if (run->first > 1)
		reader_copy(b, run->prev.b, 32);
	run->author = run->rules = zeros;
	ENSURE(reader_ok(b) && run->first > 0 && run->first < UINT64_MAX - LIMIT_FRAME_ENTRIES &&
		       !hash_is_zero(&run->id.space),
	       malformed("a run of entries begins nowhere"));
	ENSURE(run->version == 1,
	       error_new(ERR_VERSION, N_("The other box sends entries of a newer kind. Update "
					 "this box, then try again.")));
	ENSURE(run->flags == 0 || (run->flags == ENTRIES_FOUNDING && run->first == 1),
	       malformed("a run of entries has unknown marks"));
	return NULL;
}

static struct error *read_entries(struct stream_reader *r, struct reader *b)
{
	struct ingest *in = &r->frame.entries;
	struct entry_bytes *headers;
	struct ingest_payload *payloads;
	struct log_id *id = arena_new(&r->arena, struct log_id);
	struct run run;
	size_t n;

	TRY(read_run(b, &run));
	n = reader_u16(b);
	ENSURE(n > 0 && n <= LIMIT_FRAME_ENTRIES, malformed("a run has too many entries or none"));
	headers = arena_array(&r->arena, struct entry_bytes, n);
	payloads = arena_array(&r->arena, struct ingest_payload, n);
	for (size_t i = 0; i < n; i++) {
		imply(&run, run.first + i, &run.prev, headers[i].b);
		TRY(read_entry(&run, b, headers[i].b, &payloads[i]));
		run.prev = entry_hash(&headers[i]);
	}
	if (run.flags & ENTRIES_FOUNDING) {
		struct hash founded = entry_op_id(&headers[0]);

		ENSURE(hash_eq(&founded, &run.id.space),
		       malformed("a founding entry founds another space"));
	}
	*id = run.id;
	in->id = id;
	in->first = run.first;
	in->headers = headers;
	in->payloads = payloads;
	in->n = n;
	return NULL;
}

/* --- frames --- */

static struct error *read_receipt(struct stream_reader *r, struct reader *b)
{
	reader_copy(b, r->frame.receipt.sig.b, 64);
	r->frame.receipt.bytes = reader_bytes(b, b->rest.n);
	return NULL;
}

static struct error *(*const bodies[])(struct stream_reader *, struct reader *) = {
	[FRAME_ENTRIES] = read_entries, [FRAME_HEADS] = read_heads,
	[FRAME_FORK] = read_fork,	[FRAME_BLOB] = read_blob,
	[FRAME_LOCATOR] = read_locator, [FRAME_NOTE] = read_note,
	[FRAME_END] = read_end,		[FRAME_HELLO] = read_hello,
	[FRAME_DIGESTS] = read_digests, [FRAME_MISSING] = read_missing,
	[FRAME_RESULT] = read_result,	[FRAME_RANGES] = read_ranges,
	[FRAME_PARTIAL] = read_partial,
	[FRAME_CLAIM] = read_claim,	[FRAME_PROOF] = read_proof,
	[FRAME_PIECES] = read_pieces,
	[FRAME_COUNTS] = read_counts,	[FRAME_SINCE] = read_since,
	[FRAME_ADDRESSES] = read_addresses, [FRAME_PAIR] = read_pair,
	[FRAME_SYSTEM] = read_system,
	[FRAME_RECEIPT] = read_receipt,
};

static struct error *read_body(struct stream_reader *r, enum frame_type type, struct span body,
			       bool *ret_known)
{
	struct reader b = reader_of(body);

	*ret_known = (size_t)type < ARRAY_LEN(bodies) && bodies[type];
	if (!*ret_known)
		return NULL;
	ENSURE(r->expect & FRAME_BIT(type), malformed("it holds something that has no place here"));
	memset(&r->frame, 0, sizeof(r->frame));
	r->frame.type = type;
	TRY(bodies[type](r, &b));
	ENSURE(reader_at_end(&b), malformed("a frame has the wrong size"));
	return NULL;
}

static void pass(struct stream_reader *r, size_t n)
{
	r->pos += n;
	r->offset += n;
}

/* Forget the frame handed out last, and move what waits to the front now and then. */
static void let_go(struct stream_reader *r)
{
	arena_release(&r->arena);
	pass(r, r->taken);
	r->taken = 0;
	if (r->pos == r->in.n) {
		buf_clear(&r->in);
		r->pos = 0;
	} else if (r->pos > r->in.n - r->pos) {
		buf_drop(&r->in, r->pos);
		r->pos = 0;
	}
}

static struct error *read_magic(struct stream_reader *r, bool *ret_more)
{
	size_t have = r->in.n - r->pos, look = have < STREAM_MAGIC ? have : STREAM_MAGIC;

	if (look == STREAM_MAGIC && memcmp(r->in.p + r->pos, stream_magic, 7) == 0)
		ENSURE(r->in.p[r->pos + 7] == stream_magic[7],
		       error_new(ERR_VERSION, N_("This is a stream of a newer version. Update this "
						 "box, then try again.")));
	ENSURE(look == 0 || memcmp(r->in.p + r->pos, stream_magic, look) == 0,
	       error_new(ERR_MALFORMED, N_("This is not a stream of Equipaments Lliures: it begins "
					   "with something else.")));
	*ret_more = look < STREAM_MAGIC;
	if (!*ret_more) {
		r->begun = true;
		r->lost = false;
		r->frames = 0;
		r->parts++;
		pass(r, STREAM_MAGIC);
	}
	return NULL;
}

/* One frame, if it is here whole: *ret_whole. *ret_known: it is one to hand out. */
static struct error *read_frame(struct stream_reader *r, bool *ret_whole, bool *ret_known)
{
	const uint8_t *p = r->in.p + r->pos;
	size_t have = r->in.n - r->pos, len;
	struct hash check;

	*ret_whole = false;
	ENSURE(have == 0 || !r->ended, malformed("something follows its end"));
	if (have < FRAME_HEAD)
		return NULL;
	len = load32(p + 1);
	ENSURE(len <= LIMIT_FRAME,
	       error_new(ERR_LIMIT, N_("What came is not a clean stream: a frame says it is larger "
				       "than any may be. It was damaged on the way; try again.")));
	if (have < FRAME_HEAD + len + FRAME_CHECK)
		return NULL;
	check = hash_bytes(span_of(p, FRAME_HEAD + len));
	ENSURE(memcmp(check.b, p + FRAME_HEAD + len, FRAME_CHECK) == 0,
	       malformed("a frame does not match its check"));
	TRY(read_body(r, p[0], span_of(p + FRAME_HEAD, len), ret_known));
	r->taken = FRAME_HEAD + len + FRAME_CHECK;
	r->frames++;
	*ret_whole = true;
	return NULL;
}

/* Behind an END: does another stream begin, as far as it is here? */
static bool follows(const struct stream_reader *r)
{
	size_t have = r->in.n - r->pos;

	return r->ended && have &&
	       memcmp(r->in.p + r->pos, stream_magic, have < STREAM_MAGIC ? have : STREAM_MAGIC) ==
		       0;
}

/* *ret_more: nothing to go on with is here yet. */
static struct error *seek(struct stream_reader *r, bool *ret_more)
{
	struct stream_place p = stream_look(span_of(r->in.p + r->pos, r->in.n - r->pos));

	pass(r, p.at);
	r->passed += p.at;
	ENSURE(r->passed <= SALVAGE_PASSED, malformed("too much of it is something else"));
	r->seeking = !p.found;
	r->begun = !p.magic;
	r->lost = true;
	*ret_more = r->seeking;
	return NULL;
}

static struct error *next(struct stream_reader *r, const struct frame **ret_frame)
{
	bool more = false, whole, known;

	let_go(r);
	if (r->seeking)
		TRY(seek(r, &more));
	if (r->salvage && follows(r))
		r->begun = r->ended = false;
	if (!r->begun)
		TRY(read_magic(r, &more));
	while (!more) {
		TRY(read_frame(r, &whole, &known));
		if (!whole)
			break;
		if (known) {
			*ret_frame = &r->frame;
			return NULL;
		}
		let_go(r);
	}
	*ret_frame = NULL;
	return NULL;
}

struct error *stream_next(struct stream_reader *r, const struct frame **ret_frame)
{
	struct error *e;

	if (r->failed)
		return error_copy(r->failed);
	e = next(r, ret_frame);
	if (e)
		r->failed = error_copy(e);
	return e;
}

struct error *stream_finish(struct stream_reader *r)
{
	if (r->failed)
		return error_copy(r->failed);
	ENSURE(r->ended && r->pos + r->taken == r->in.n,
	       error_new(ERR_MALFORMED, N_("The stream is cut off before its end. What came whole "
					   "is kept; try again for the rest.")));
	return NULL;
}

/* --- after a fault --- */

void stream_salvage(struct stream_reader *r)
{
	r->salvage = true;
}

unsigned stream_parts(const struct stream_reader *r)
{
	return r->parts;
}

struct span stream_raw(const struct stream_reader *r)
{
	return span_of(r->in.p + r->pos, r->taken);
}

bool stream_seek(struct stream_reader *r)
{
	bool at_end = !r->failed, may_begin;
	size_t step;

	if (!r->salvage || r->seeking || r->faults == SALVAGE_FAULTS)
		return false;
	let_go(r);
	/* Here is what was just tried, unless something follows an END, or a stream begins where a
	 * frame was looked for. */
	may_begin = r->pos < r->in.n && r->begun && r->in.p[r->pos] == stream_magic[0];
	step = r->ended || may_begin ? 0 : 1;
	if (at_end && r->in.n - r->pos <= step)
		return false;
	error_free(STEAL(r->failed));
	r->faults++;
	r->seeking = true;
	r->ended = false;
	pass(r, step);
	return true;
}
