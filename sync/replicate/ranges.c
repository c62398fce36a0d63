/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/ranges.h"
#include "sync/replicate/heads.h"
#include "sync/replicate/stream_priv.h"

enum { GOAL = 32, MIN_BITS = 4 }; /* rows that a part should hold; parts, at the least, as bits */

struct placed_row {
	uint64_t at;	  /* its place */
	struct hash hash; /* of nonce and row; its first bytes are the tag */
	const struct head *head;
};

struct placed {
	uint8_t nonce[RANGES_NONCE];
	struct placed_row *rows; /* by place, then by log */
	size_t n;
	struct head *heads;
};

static uint64_t load_place(const struct hash *h)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | h->b[i];
	return v;
}

static struct placed_row place(const uint8_t nonce[RANGES_NONCE], const struct head *h)
{
	static const char place_label[] = "lliure-place-1", row_label[] = "lliure-row-1";
	uint8_t row[HEAD_BYTES];
	struct hash_state st;
	struct placed_row p = {.head = h};
	struct hash at;

	head_write(h, row);
	hash_init(&st);
	hash_add(&st, place_label, sizeof(place_label) - 1);
	hash_add(&st, nonce, RANGES_NONCE);
	hash_add(&st, row, HEAD_LOG_BYTES);
	at = hash_final(&st);
	p.at = load_place(&at);
	hash_init(&st);
	hash_add(&st, row_label, sizeof(row_label) - 1);
	hash_add(&st, nonce, RANGES_NONCE);
	hash_add(&st, row, sizeof(row));
	p.hash = hash_final(&st);
	return p;
}

static int compare_places(const void *a, const void *b)
{
	const struct placed_row *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return log_id_cmp(&x->head->id, &y->head->id);
}

struct placed *placed_new(const uint8_t nonce[RANGES_NONCE], const struct head *heads, size_t n)
{
	struct placed *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	memcpy(p->nonce, nonce, sizeof(p->nonce));
	p->n = n;
	p->heads = calloc(n ? n : 1, sizeof(*p->heads));
	p->rows = calloc(n ? n : 1, sizeof(*p->rows));
	if (!p->heads || !p->rows)
		abort();
	if (n)
		memcpy(p->heads, heads, n * sizeof(*heads));
	for (size_t i = 0; i < n; i++)
		p->rows[i] = place(nonce, &p->heads[i]);
	qsort(p->rows, n, sizeof(*p->rows), compare_places);
	return p;
}

void placed_free(struct placed *p)
{
	if (!p)
		return;
	free(p->rows);
	free(p->heads);
	free(p);
}

/* --- ranges --- */
struct part {
	const struct placed_row *rows;
	size_t n;
};

/* The first row at or behind a place. */
static size_t first_at(const struct placed *p, uint64_t at)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->rows[mid].at < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static uint64_t width(unsigned depth)
{
	return depth ? (uint64_t)1 << (64 - depth) : 0; /* 0: all */
}

static struct part part_of(const struct placed *p, struct range_id r)
{
	size_t from = first_at(p, r.at), to = p->n;
	uint64_t end = r.at + width(r.depth);

	if (end)
		to = first_at(p, end);
	return (struct part){p->rows + from, to - from};
}

static struct range_id child(struct range_id r, unsigned bits, size_t i)
{
	unsigned depth = r.depth + bits;

	return (struct range_id){depth, r.at + (depth ? (uint64_t)i << (64 - depth) : 0)};
}

static void mark_of(const struct placed *p, struct part part, uint8_t out[RANGES_MARK])
{
	static const char label[] = "lliure-range-1";
	struct hash_state st;
	struct hash h;

	hash_init(&st);
	hash_add(&st, label, sizeof(label) - 1);
	hash_add(&st, p->nonce, sizeof(p->nonce));
	for (size_t i = 0; i < part.n; i++)
		hash_add(&st, part.rows[i].hash.b, sizeof(part.rows[i].hash.b));
	h = hash_final(&st);
	memcpy(out, h.b, RANGES_MARK);
}

/* By how many bits a range of that many rows is split. */
static unsigned split_bits(size_t n, unsigned depth)
{
	unsigned bits = MIN_BITS;

	while (bits < RANGES_SPLIT && n >> bits > GOAL)
		bits++;
	return depth + bits > RANGES_DEEP ? RANGES_DEEP - depth : bits;
}

/* --- writing --- */
static void put_range(struct buf *out, struct range_id r)
{
	buf_u8(out, (uint8_t)r.depth);
	for (unsigned i = 0; i < (r.depth + 7) / 8; i++)
		buf_u8(out, (uint8_t)(r.at >> (56 - 8 * i)));
}

static void put_split(struct buf *out, const struct placed *p, struct range_id r, unsigned bits)
{
	uint8_t mark[RANGES_MARK];

	put_range(out, r);
	buf_u8(out, (uint8_t)bits);
	for (size_t i = 0; i < (size_t)1 << bits; i++) {
		mark_of(p, part_of(p, child(r, bits, i)), mark);
		buf_add(out, mark, sizeof(mark));
	}
}

static void put_tags(struct buf *out, struct range_id r, struct part part)
{
	put_range(out, r);
	buf_u8(out, RANGE_TAGS);
	buf_u16(out, (uint16_t)part.n);
	for (size_t i = 0; i < part.n; i++)
		buf_add(out, part.rows[i].hash.b, RANGES_MARK);
}

static void put_want(struct buf *out, struct range_id r)
{
	put_range(out, r);
	buf_u8(out, RANGE_WANT);
}

static void put_start(struct buf *out, const struct hash *space, const uint8_t nonce[RANGES_NONCE],
		      size_t items)
{
	buf_add(out, space->b, sizeof(space->b));
	buf_add(out, nonce, RANGES_NONCE);
	buf_u16(out, (uint16_t)items);
}

static void put_closing(struct buf *out, const struct head *rows, size_t n, struct span tags)
{
	uint8_t raw[HEAD_BYTES];

	buf_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		head_write(&rows[i], raw);
		buf_add(out, raw, sizeof(raw));
	}
	buf_u32(out, (uint32_t)(tags.n / RANGES_MARK));
	buf_add_span(out, tags);
}

/* --- the side that asks --- */
struct ranges_asker {
	struct hash space;
	struct placed *ours;
	struct buf asks; /* encoded */
	size_t n_asks;
	unsigned steps;
	struct buf rows; /* struct head: what they have not, or have otherwise */
	struct buf lack; /* tags of theirs that are not ours */
};

struct ranges_asker *ranges_asker_new(const struct env *env, const struct hash *space,
				      const struct head *heads, size_t n)
{
	struct ranges_asker *a = calloc(1, sizeof(*a));
	uint8_t nonce[RANGES_NONCE];

	if (!a)
		abort();
	env_random(env, nonce, sizeof(nonce));
	a->space = *space;
	a->ours = placed_new(nonce, heads, n);
	put_split(&a->asks, a->ours, (struct range_id){0}, split_bits(n, 0));
	a->n_asks = 1;
	return a;
}

void ranges_asker_free(struct ranges_asker *a)
{
	if (!a)
		return;
	placed_free(a->ours);
	buf_release(&a->asks);
	buf_release(&a->rows);
	buf_release(&a->lack);
	free(a);
}

void ranges_asker_equal(struct ranges_asker *a)
{
	buf_clear(&a->asks);
	a->n_asks = 0;
}

bool ranges_asker_open(const struct ranges_asker *a)
{
	return a->n_asks > 0;
}

bool ranges_asker_gives_up(const struct ranges_asker *a)
{
	return (a->n_asks && a->steps >= RANGES_STEPS) || a->n_asks > LIMIT_RANGES ||
	       a->rows.n / sizeof(struct head) > RANGES_ROWS ||
	       a->lack.n / RANGES_MARK > LIMIT_HEADS;
}

void ranges_ask(const struct ranges_asker *a, struct buf *out)
{
	put_start(out, &a->space, a->ours->nonce, a->n_asks);
	buf_add_span(out, buf_span(&a->asks));
	if (a->n_asks)
		put_closing(out, NULL, 0, (struct span){0});
	else
		put_closing(out, (const struct head *)a->rows.p, a->rows.n / sizeof(struct head),
			    buf_span(&a->lack));
}

void ranges_close(const struct env *env, const struct hash *space, const struct head *rows, size_t n,
		  struct buf *out)
{
	uint8_t nonce[RANGES_NONCE];

	env_random(env, nonce, sizeof(nonce));
	put_start(out, space, nonce, 0);
	put_closing(out, rows, n, (struct span){0});
}

static int compare_tag(const void *a, const void *b)
{
	return memcmp(a, b, RANGES_MARK);
}

static bool has_tag(struct span sorted, const uint8_t *tag)
{
	return sorted.n && bsearch(tag, sorted.p, sorted.n / RANGES_MARK, RANGES_MARK, compare_tag);
}

static struct span sort_tags(struct buf *tags)
{
	if (tags->n)
		qsort(tags->p, tags->n / RANGES_MARK, RANGES_MARK, compare_tag);
	return buf_span(tags);
}

/* Their rows in a range, by name: which of ours have they not, which of theirs have not we? */
static void compare_tags(struct ranges_asker *a, const struct range_item *item)
{
	struct part part = part_of(a->ours, item->range);
	_cleanup_(buf_release) struct buf ours = {0};
	_cleanup_(buf_release) struct buf theirs = {0};

	for (size_t i = 0; i < part.n; i++)
		buf_add(&ours, part.rows[i].hash.b, RANGES_MARK);
	buf_add_span(&theirs, item->marks);
	sort_tags(&ours);
	sort_tags(&theirs);
	for (size_t i = 0; i < part.n; i++)
		if (!has_tag(buf_span(&theirs), part.rows[i].hash.b))
			buf_add(&a->rows, part.rows[i].head, sizeof(struct head));
	for (size_t at = 0; at < item->marks.n; at += RANGES_MARK)
		if (!has_tag(buf_span(&ours), item->marks.p + at))
			buf_add(&a->lack, item->marks.p + at, RANGES_MARK);
}

static void ask_about(struct ranges_asker *a, struct range_id r, size_t n)
{
	if (n <= RANGES_FEW || r.depth == RANGES_DEEP)
		put_want(&a->asks, r);
	else
		put_split(&a->asks, a->ours, r, split_bits(n, r.depth));
	a->n_asks++;
}

static void compare_marks(struct ranges_asker *a, const struct range_item *item)
{
	for (size_t i = 0; i < (size_t)1 << item->bits; i++) {
		struct range_id r = child(item->range, item->bits, i);
		struct part part = part_of(a->ours, r);
		uint8_t mark[RANGES_MARK];

		mark_of(a->ours, part, mark);
		if (memcmp(mark, item->marks.p + i * RANGES_MARK, RANGES_MARK) != 0)
			ask_about(a, r, part.n);
	}
}

struct error *ranges_hear(struct ranges_asker *a, const struct range_frame *f)
{
	ENSURE(memcmp(f->nonce, a->ours->nonce, sizeof(f->nonce)) == 0 && !f->n_rows && !f->tags.n,
	       error_new(ERR_MALFORMED, N_("The other box answers a question that this one did "
					   "not ask.")));
	buf_clear(&a->asks);
	a->n_asks = 0;
	a->steps++;
	for (size_t i = 0; i < f->n; i++) {
		const struct range_item *item = &f->items[i];

		if (item->form == RANGE_TAGS)
			compare_tags(a, item);
		else if (item->form == RANGE_PARTS && a->n_asks <= LIMIT_RANGES)
			compare_marks(a, item);
	}
	heads_sort((struct head *)a->rows.p, a->rows.n / sizeof(struct head));
	return NULL;
}

/* --- the side that answers --- */
static void tell(struct buf *out, const struct placed *ours, struct range_id r, size_t *n)
{
	struct part part = part_of(ours, r);

	if (part.n <= RANGES_FEW || r.depth >= RANGES_DEEP) {
		if (part.n > UINT16_MAX) /* who asks made the nonce so, and gets what fits */
			part.n = UINT16_MAX;
		put_tags(out, r, part);
	} else {
		put_split(out, ours, r, split_bits(part.n, r.depth));
	}
	(*n)++;
}

/* Of what was asked, the parts that are otherwise here. */
static void tell_parts(struct buf *out, const struct placed *ours, const struct range_item *item,
		       size_t *n)
{
	for (size_t i = 0; i < (size_t)1 << item->bits && *n < LIMIT_RANGES; i++) {
		struct range_id r = child(item->range, item->bits, i);
		uint8_t mark[RANGES_MARK];

		mark_of(ours, part_of(ours, r), mark);
		if (memcmp(mark, item->marks.p + i * RANGES_MARK, RANGES_MARK) != 0)
			tell(out, ours, r, n);
	}
}

void ranges_answer(const struct range_frame *f, const struct head *heads, size_t n, struct buf *out)
{
	/* More rows than HEADS may have can't be spoken of at all. */
	_cleanup_(placed_freep) struct placed *ours =
		placed_new(f->nonce, heads, n < LIMIT_HEADS ? n : LIMIT_HEADS);
	_cleanup_(buf_release) struct buf items = {0};
	size_t told = 0;

	for (size_t i = 0; i < f->n && told < LIMIT_RANGES; i++) {
		if (f->items[i].form == RANGE_WANT)
			tell(&items, ours, f->items[i].range, &told);
		else if (f->items[i].form == RANGE_PARTS)
			tell_parts(&items, ours, &f->items[i], &told);
	}
	put_start(out, &f->space, f->nonce, told);
	buf_add_span(out, buf_span(&items));
	put_closing(out, NULL, 0, (struct span){0});
}

void ranges_apply(const struct range_frame *f, const struct head *ours, size_t n, struct buf *out)
{
	_cleanup_(buf_release) struct buf tags = {0};

	buf_add_span(&tags, f->tags);
	sort_tags(&tags);
	for (size_t i = 0; i < n; i++) {
		struct placed_row row;

		/* What they say they hold of a log counts, whatever we hold. */
		if (heads_find(f->rows, f->n_rows, &ours[i].id))
			continue;
		row = place(f->nonce, &ours[i]);
		if (!has_tag(buf_span(&tags), row.hash.b))
			buf_add(out, &ours[i], sizeof(ours[i]));
	}
	buf_add(out, f->rows, f->n_rows * sizeof(*f->rows));
}

/* --- reading --- */
static struct error *malformed(void)
{
	return error_new(ERR_MALFORMED,
			 N_("What came is not a clean stream: a list of ranges contradicts itself. "
			    "It was damaged on the way, or comes from other software; try again."));
}

static struct error *read_item(struct reader *b, uint64_t *from, bool *over, struct range_item *ret)
{
	struct range_id r = {.depth = reader_u8(b)};
	unsigned bytes = (r.depth + 7) / 8;
	size_t n = 0;

	ENSURE(r.depth <= RANGES_DEEP, malformed());
	for (unsigned i = 0; i < bytes; i++)
		r.at |= (uint64_t)reader_u8(b) << (56 - 8 * i);
	/* rising, apart, and no bits behind the prefix */
	ENSURE(!*over && r.at >= *from && (!r.depth || !(r.at & (width(r.depth) - 1))),
	       malformed());
	*from = r.at + width(r.depth);
	*over = *from == 0; /* that was the last range there can be */
	*ret = (struct range_item){.range = r, .form = reader_u8(b)};
	if (ret->form <= RANGES_SPLIT) {
		ret->bits = ret->form;
		ret->form = RANGE_PARTS;
		ENSURE(r.depth + ret->bits <= RANGES_DEEP, malformed());
		n = (size_t)1 << ret->bits;
	} else if (ret->form == RANGE_TAGS) {
		n = reader_u16(b);
	} else {
		ENSURE(ret->form == RANGE_WANT, malformed());
	}
	ret->marks = reader_bytes(b, n * RANGES_MARK);
	ENSURE(reader_ok(b), malformed());
	return NULL;
}

static struct error *read_closing(struct reader *b, struct arena *a, struct range_frame *f)
{
	size_t n = reader_u32(b);
	struct head *rows;

	ENSURE(reader_ok(b) && n <= b->rest.n / HEAD_BYTES, malformed());
	rows = arena_array(a, struct head, n ? n : 1);
	for (size_t i = 0; i < n; i++) {
		head_read(b, &f->space, &rows[i]);
		ENSURE(head_ok(&rows[i]) &&
			       (i == 0 || log_id_cmp(&rows[i - 1].id, &rows[i].id) < 0),
		       malformed());
	}
	f->rows = rows;
	f->n_rows = n;
	n = reader_u32(b);
	ENSURE(reader_ok(b) && n == b->rest.n / RANGES_MARK, malformed());
	f->tags = reader_bytes(b, n * RANGES_MARK);
	ENSURE(!f->n || (!f->n_rows && !f->tags.n), malformed());
	return NULL;
}

struct error *ranges_read(struct span body, struct arena *a, struct range_frame *ret)
{
	struct reader b = reader_of(body);
	struct range_frame f = {.body = body};
	struct range_item *items;
	uint64_t from = 0;
	bool over = false;

	reader_copy(&b, f.space.b, sizeof(f.space.b));
	reader_copy(&b, f.nonce, sizeof(f.nonce));
	f.n = reader_u16(&b);
	ENSURE(reader_ok(&b) && f.n <= LIMIT_RANGES, malformed());
	items = arena_array(a, struct range_item, f.n ? f.n : 1);
	for (size_t i = 0; i < f.n; i++)
		TRY(read_item(&b, &from, &over, &items[i]));
	f.items = items;
	TRY(read_closing(&b, a, &f));
	ENSURE(reader_at_end(&b), malformed());
	*ret = f;
	return NULL;
}
