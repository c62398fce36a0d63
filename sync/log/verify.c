/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Reading everything and checking everything, and having fetched again what is damaged. */
#include "sync/log/log_priv.h"

struct checker {
	struct log_store *l;
	bool authors; /* check their signatures too */
	bool repair;
	void (*progress)(void *ctx, uint64_t done);
	void *ctx;
	struct verify_report report;
	struct error *first;
	struct buf logs;	 /* log_info of every log */
	struct buf bad_payloads; /* sequences, in the log at hand */
	uint64_t bad_header;	 /* the first in the log at hand, 0 for none */
	uint64_t held, missing, bytes;
};

static void fault(struct checker *c, struct error *what)
{
	c->report.bad++;
	if (c->first)
		error_free(what);
	else
		c->first = what;
}

static struct error *about(const struct log_info *i, uint64_t seq, const char *msgid)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)seq);
	return error_new(ERR_CORRUPT, msgid, ID_SHORT(&i->id.appliance), text);
}

static void check_payload(struct checker *c, const struct log_info *i, const struct entry *e,
			  enum payload_state state, struct span body)
{
	struct hash h;

	c->missing += state == PAYLOAD_NOT_HELD || state == PAYLOAD_SEALED;
	if (state != PAYLOAD_HELD) {
		if (body.n)
			fault(c, about(i, e->seq,
				       N_("In the log of %s, entry %s keeps a content that it "
					  "should not have.")));
		return;
	}
	c->held++;
	c->bytes += body.n - ENTRY_SALT;
	c->report.payloads++;
	h = hash_bytes(body);
	if (body.n >= ENTRY_SALT && hash_eq(&h, &e->payload_hash))
		return;
	buf_add(&c->bad_payloads, &e->seq, sizeof(e->seq));
	fault(c, about(i, e->seq,
		       N_("In the log of %s, the content of entry %s is damaged on this disk.")));
}

/* Is the header what the log says that it is? */
static bool header_is_good(struct checker *c, const struct log_info *i, uint64_t seq,
			   const struct hash *before, sqlite3_stmt *st, struct entry_bytes *raw)
{
	struct span header = db_blob(st, 5);
	struct log_id id;
	struct entry e;
	struct hash op;

	if (header.n != ENTRY_HEADER)
		return false;
	memcpy(raw->b, header.p, ENTRY_HEADER);
	entry_decode(raw, &e);
	op = entry_op_id(raw);
	id = entry_log(raw);
	if (e.seq != seq || !hash_eq(&e.prev, before) || op_prefix(&op) != db_int(st, 3) ||
	    log_id_cmp(&id, &i->id) != 0)
		return false;
	return !c->authors || seq > i->audited || entry_verify_author(raw);
}

static struct error *check_entries(struct checker *c, const struct log_info *i)
{
	sqlite3_stmt *st = db_stmt(c->l->s, ENTRY_RANGE);
	struct hash before = {{0}};
	uint64_t seq = 0;

	db_bind(st, "iii", i->num, (int64_t)1, (int64_t)i->head);
	for (;;) {
		struct entry_bytes raw;
		struct entry e;
		bool row;

		TRY(db_step(c->l->db, st, &row));
		if (!row)
			break;
		seq++;
		if (!header_is_good(c, i, seq, &before, st, &raw)) {
			sqlite3_reset(st);
			c->bad_header = seq;
			fault(c, about(i, seq, N_("In the log of %s, entry %s is damaged.")));
			return NULL;
		}
		before = entry_hash(&raw);
		entry_decode(&raw, &e);
		check_payload(c, i, &e, (enum payload_state)db_int(st, 4), db_blob(st, 6));
		if (++c->report.entries % 1000 == 0 && c->progress)
			c->progress(c->ctx, c->report.entries);
	}
	if (seq != i->head || !hash_eq(&before, &i->head_hash)) {
		c->bad_header = seq ? seq : 1;
		fault(c, about(i, c->bad_header, N_("In the log of %s, entry %s is damaged.")));
	}
	return NULL;
}

static bool counts_agree(const struct checker *c, const struct log_info *i)
{
	return i->audited <= i->head && i->proved <= i->head && i->live <= i->head &&
	       (!i->ended || i->live < i->ended) && (!i->frozen || i->live < log_forked_from(i)) &&
	       i->held == c->held && i->missing == c->missing && i->bytes == c->bytes;
}

static struct error *check_fork(struct checker *c, const struct log_info *i)
{
	struct fork_proof p;
	struct error *err;
	struct log_id id;

	if (!i->frozen)
		return NULL;
	err = log_fork_proof(c->l, i->num, &p);
	if (!err) {
		id = entry_log(&p.a);
		if (log_id_cmp(&id, &i->id) == 0 && entry_verify_appliance(&p.a) &&
		    entry_verify_appliance(&p.b))
			return NULL;
	} else if (!error_is(err, ERR_NOT_FOUND) && !error_is(err, ERR_CORRUPT)) {
		return err;
	}
	error_free(err);
	fault(c, about(i, i->frozen,
		       N_("In the log of %s, the proof of the fork at entry %s is damaged.")));
	return NULL;
}

static struct error *repair_log(struct checker *c, struct log_info *i)
{
	for (size_t at = 0; at < c->bad_payloads.n; at += sizeof(uint64_t)) {
		uint64_t seq;

		memcpy(&seq, c->bad_payloads.p + at, sizeof(seq));
		TRY(entry_empty(c->l, i, seq, PAYLOAD_NOT_HELD));
	}
	if (!c->bad_header)
		return log_save(c->l, i);
	/* The rows behind stay stored, in case that no peer has them. */
	i->head = c->bad_header - 1;
	i->head_hash = (struct hash){{0}};
	if (i->head)
		TRY(log_hash_at(c->l, i->num, i->head, &i->head_hash));
	if (i->audited > i->head)
		i->audited = i->head;
	if (i->proved > i->head)
		i->proved = i->head;
	TRY(log_count_anew(c->l, i));
	return log_retire(c->l, &i->id);
}

static struct error *check_log(struct checker *c, struct log_info *i)
{
	c->report.logs++;
	c->bad_header = 0;
	c->held = c->missing = c->bytes = 0;
	buf_clear(&c->bad_payloads);
	TRY(check_entries(c, i));
	TRY(check_fork(c, i));
	if (!c->bad_header && !counts_agree(c, i))
		fault(c, about(i, i->head,
			       N_("The counts of the log of %s (%s entries) do not agree.")));
	if (c->repair && (c->bad_header || c->bad_payloads.n))
		return repair_log(c, i);
	return NULL;
}

static struct error *note_log(void *ctx, const struct log_info *i)
{
	buf_add(ctx, i, sizeof(*i));
	return NULL;
}

static struct error *check_logs(struct checker *c)
{
	TRY(log_each(c->l, NULL, note_log, &c->logs));
	for (size_t at = 0; at < c->logs.n; at += sizeof(struct log_info)) {
		struct log_info i;

		memcpy(&i, c->logs.p + at, sizeof(i));
		TRY(check_log(c, &i));
	}
	return NULL;
}

static struct error *check_database(struct checker *c)
{
	sqlite3_stmt *st = db_stmt(c->l->s, LOG_INTEGRITY);
	struct error *e = NULL;

	while (db_next(c->l->db, st, &e)) {
		if (strcmp(db_text(st, 0), "ok") != 0)
			fault(c, error_new(ERR_CORRUPT, N_("The database %s is damaged: %s."),
					   db_path(c->l->db), db_text(st, 0)));
	}
	return e;
}

static void release(struct checker *c)
{
	buf_release(&c->logs);
	buf_release(&c->bad_payloads);
}

struct error *log_verify(struct log_store *l, void (*progress)(void *ctx, uint64_t done), void *ctx,
			 struct verify_report *ret, struct error **ret_first)
{
	struct checker c = {.l = l, .authors = true, .progress = progress, .ctx = ctx};
	struct error *err = l->writer ? NULL : db_begin_read(l->db);

	if (!err)
		err = check_logs(&c);
	if (!err)
		err = check_database(&c);
	if (!l->writer)
		db_rollback(l->db);
	release(&c);
	/* A page that can't be read is what we are looking for. */
	if (error_is(err, ERR_CORRUPT)) {
		fault(&c, err);
		err = NULL;
	}
	if (err) {
		error_free(c.first);
		return err;
	}
	*ret = c.report;
	*ret_first = c.first;
	return NULL;
}

struct error *log_repair(struct log_store *l, uint64_t *ret_n)
{
	struct checker c = {.l = l, .repair = true};
	struct error *err = check_logs(&c);

	release(&c);
	error_free(c.first);
	if (!err)
		*ret_n = c.report.bad;
	return err;
}
