/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Room from what was let go of.
 *
 * A short message fills a fifth of a page. Without its payload it still fills a tenth, and stays
 * where it is: SQLite joins pages when a row is deleted from one that is then nearly empty, and
 * never when rows only get shorter. So of a box that let go of half of its messages the file has no
 * more room than before. VACUUM would pack it, with as much room beside it again, and nobody writes
 * meanwhile.
 *
 * Here some rows that follow each other get shorter still, nothing but their numbers; then one of
 * each page is deleted and put back, so that SQLite joins the pages; then each gets its bytes
 * again, one behind the other, and SQLite shares them out among pages that are nearly full. No
 * index has to change but for the few that were deleted. It is one transaction: nobody ever sees
 * rows without their bytes, and a cut leaves them as they were. Where SQLite shares out otherwise
 * the gain is smaller and the rows are the same.
 */
#include "sync/log/log_priv.h"

enum {
	PIECE_ROWS = 128,
	PIECE_BYTES = 48 * 1024,
	WHOLE = 3600,	  /* a longer row has pages of its own, or a page alone */
	A_PAGE = 4096,	  /* so much must be gained, at least */
	TURN = A_PAGE / 2 /* of so many bytes one row is deleted */
};

static const char FROM[] = "pack_from", TO[] = "pack_to";

struct packed {
	int64_t num, log, seq, op, state;
	size_t at, header, body; /* where in the piece's bytes; header and body follow each other */
	bool bare;		 /* no body, */
	size_t gone;		 /* once perhaps of so many bytes */
};

struct piece {
	struct buf rows, bytes;
	uint64_t gone; /* bytes that were once there, perhaps */
	int64_t last;
	size_t seen;
};

static void piece_release(struct piece *p)
{
	buf_release(&p->rows);
	buf_release(&p->bytes);
}

struct error *pack_note(struct log_store *l, int64_t num)
{
	TRY(db_do(l->db, l->s, LOG_META_LEAST, "si", FROM, num));
	return db_do(l->db, l->s, LOG_META_MOST, "si", TO, num);
}

static struct error *bounds(struct log_store *l, int64_t *ret_from, int64_t *ret_to)
{
	TRY(db_number(l->db, l->s, LOG_META_GET, 0, ret_from, "s", FROM));
	return db_number(l->db, l->s, LOG_META_GET, 0, ret_to, "s", TO);
}

bool log_packs(struct log_store *l)
{
	int64_t from = 0, to = 0;

	error_free(bounds(l, &from, &to));
	return from > 0 && from <= to;
}

/* --- taking rows in hand --- */
static uint32_t length_said(struct span header)
{
	struct reader r = reader_of(header);

	reader_u32(&r); /* version, flags, epoch: PROTOCOL.md 2 */
	return reader_u32(&r);
}

static void keep_row(struct piece *p, sqlite3_stmt *st)
{
	struct span header = db_blob(st, 5), body = db_blob(st, 6);
	struct packed r = {.num = db_int(st, 0),
			   .log = db_int(st, 1),
			   .seq = db_int(st, 2),
			   .op = db_int(st, 3),
			   .state = db_int(st, 4),
			   .at = p->bytes.n,
			   .header = header.n,
			   .body = body.n,
			   .bare = db_is_null(st, 6)};

	p->last = r.num;
	p->seen++;
	if (header.n + body.n > WHOLE)
		return;
	if (r.bare && header.n == ENTRY_HEADER)
		r.gone = length_said(header);
	p->gone += r.gone;
	buf_add_span(&p->bytes, header);
	buf_add_span(&p->bytes, body);
	buf_add(&p->rows, &r, sizeof(r));
}

static struct error *take_rows(struct log_store *l, int64_t from, int64_t to, struct piece *p)
{
	sqlite3_stmt *st = db_stmt(l->s, PACK_ROWS);
	struct error *e = NULL;

	p->last = to;
	db_bind(st, "ii", from, to);
	while (p->seen < PIECE_ROWS && p->bytes.n < PIECE_BYTES && db_next(l->db, st, &e))
		keep_row(p, st);
	if (!e && p->seen < PIECE_ROWS && p->bytes.n < PIECE_BYTES)
		p->last = to;
	sqlite3_reset(st);
	return e;
}

/* --- packing them --- */
static struct error *shorten(struct log_store *l, const struct packed *r, size_t n)
{
	static const uint8_t none[1];

	for (size_t i = 0; i < n; i++)
		TRY(db_do(l->db, l->s, PACK_BYTES, "ibn", r[i].num, span_of(none, 0)));
	return NULL;
}

static struct error *join_pages(struct log_store *l, const struct packed *r, size_t n)
{
	static const uint8_t none[1];
	size_t since = TURN;

	for (size_t i = 0; i < n; i++) {
		since += r[i].header + r[i].body + r[i].gone;
		if (since < TURN)
			continue;
		since = 0;
		TRY(db_do(l->db, l->s, PACK_OUT, "i", r[i].num));
		TRY(db_do(l->db, l->s, ENTRY_INSERT, "iiiiibn", r[i].num, r[i].log, r[i].seq,
			  r[i].op, r[i].state, span_of(none, 0)));
	}
	return NULL;
}

static struct error *give_bytes(struct log_store *l, const struct piece *p, const struct packed *r,
				size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *at = (const uint8_t *)p->bytes.p + r[i].at;
		struct span body = {0};

		if (!r[i].bare)
			body = span_of(at + r[i].header, r[i].body);
		TRY(db_do(l->db, l->s, PACK_BYTES, "ibb", r[i].num, span_of(at, r[i].header),
			  body));
	}
	return NULL;
}

static struct error *pack_piece(struct log_store *l, const struct piece *p)
{
	const struct packed *r = (const struct packed *)(const void *)p->rows.p;
	size_t n = p->rows.n / sizeof(*r);

	if (p->gone < A_PAGE)
		return NULL;
	TRY(shorten(l, r, n));
	TRY(join_pages(l, r, n));
	return give_bytes(l, p, r, n);
}

struct error *log_pack(struct log_store *l, bool *ret_more)
{
	_cleanup_(piece_release) struct piece p = {.last = 0};
	int64_t from, to;

	*ret_more = false;
	TRY(bounds(l, &from, &to));
	if (!from || from > to)
		return NULL;
	TRY(take_rows(l, from, to, &p));
	TRY(pack_piece(l, &p));
	*ret_more = p.last < to;
	if (*ret_more)
		return db_do(l->db, l->s, LOG_META_SET, "si", FROM, p.last + 1);
	TRY(db_do(l->db, l->s, LOG_META_DROP, "s", FROM));
	return db_do(l->db, l->s, LOG_META_DROP, "s", TO);
}
