/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/intake.h"

static struct error *see_founding(void *ctx, const struct stored *e)
{
	struct hash zero = {{0}};
	struct entry first;

	entry_decode(&e->raw, &first);
	*(bool *)ctx = first.seq == 1 && hash_eq(&first.space, &zero);
	return NULL;
}

struct error *log_founds(struct log_store *l, const struct log_id *id, bool *ret)
{
	struct log_info info;
	struct error *e = log_info_get(l, id, &info);
	bool founds = false;

	if (error_is(e, ERR_NOT_FOUND)) {
		error_free(e);
		*ret = false;
		return NULL;
	}
	TRY(e);
	TRY(log_range(l, info.num, 1, 1, see_founding, &founds));
	*ret = founds;
	return NULL;
}

/* Refuse, and take the sentence over. */
static void refuse(struct intake *in, uint64_t seq, struct error *take_why)
{
	in->refused = error_code(take_why);
	in->refused_seq = seq;
	error_text(take_why, NULL, NULL, in->refused_text, sizeof(in->refused_text));
	error_free(take_why);
}

/* Do we take entries of this log? Refuses otherwise. */
static struct error *admitted(struct log_store *w, struct intake *in, const struct log_id *id,
			      bool founding, uint64_t seq, bool *ret)
{
	*ret = founding || log_admitted(w, &id->space, &id->appliance);
	if (!*ret)
		TRY(log_founds(w, id, ret));
	if (!*ret)
		refuse(in, seq,
		       error_new(
			       ERR_NOT_ADMITTED,
			       N_("Box %s is not admitted to the space %s. A steward can admit it "
				  "on the page of peers."),
			       ID_SHORT(&id->appliance), ID_SHORT(&id->space)));
	return NULL;
}

static bool is_own(const struct intake *in, const struct log_id *id)
{
	return pubkey_eq(&id->appliance, secret_pubkey(in->self));
}

/* One of our own logs turned out forked: its disputed ops move to a log that nobody disputes. */
static struct error *carry_over(struct log_store *w, struct intake *in, const struct log_id *id)
{
	return is_own(in, id) ? log_carry(w, in->self, &in->carried) : NULL;
}

static struct error *take_entries(struct log_store *w, struct intake *in)
{
	const struct ingest *run = &in->frame->entries;
	struct ingest looked = *run;
	struct hash zero = {{0}};
	struct error *refused = NULL;
	struct entry first, last;
	bool founding, ok;

	entry_decode(&run->headers[0], &first);
	founding = first.seq == 1 && hash_eq(&first.space, &zero);
	TRY(admitted(w, in, run->id, founding, run->first, &ok));
	if (!ok)
		return NULL;
	looked.looked = true;
	looked.vouched = in->vouched;
	TRY(log_ingest(w, &looked, &in->result, &refused));
	/* What was kept to be carried over was not taken, and is not lost: nobody need be told. */
	if (in->result.disputed)
		error_replace(&refused, NULL);
	if (refused)
		refuse(in, run->first + in->result.added + in->result.known, refused);
	in->fork_new = in->result.forked;
	entry_decode(&run->headers[run->n - 1], &last);
	in->twins = in->result.added && log_is_twins(w, run->id, last.time);
	return in->result.forked || in->result.disputed ? carry_over(w, in, run->id) : NULL;
}

static struct error *take_fork(struct log_store *w, struct intake *in)
{
	const struct fork_proof *proof = &in->frame->fork;
	struct log_id id = entry_log(&proof->a);
	struct error *e;
	bool ok;

	TRY(admitted(w, in, &id, false, 0, &ok));
	if (!ok)
		return NULL;
	e = log_ingest_fork(w, proof, &in->fork_new);
	if (error_is(e, ERR_MALFORMED) || error_is(e, ERR_SIGNATURE) || error_is(e, ERR_VERSION)) {
		refuse(in, 0, e);
		return NULL;
	}
	TRY(e);
	return in->fork_new ? carry_over(w, in, &id) : NULL;
}

struct error *intake_run(struct log_store *writer, struct intake *in)
{
	uint64_t before = log_incarnation(writer);

	in->result = (struct ingest_result){0};
	in->fork_new = in->new_incarnation = in->twins = false;
	in->carried = 0;
	in->refused = ERR_NONE;
	TRY(in->frame->type == FRAME_FORK ? take_fork(writer, in) : take_entries(writer, in));
	in->new_incarnation = log_incarnation(writer) != before;
	return NULL;
}

void intake_report(const struct intake *in, struct sync_report *r)
{
	struct log_id id = in->frame->type == FRAME_FORK ? entry_log(&in->frame->fork.a)
							 : *in->frame->entries.id;
	struct refusal *row = NULL;

	r->received += in->result.added;
	r->filled += in->result.filled;
	r->known += in->result.known;
	r->forks += in->fork_new;
	r->new_incarnation |= in->new_incarnation;
	r->twins |= in->twins;
	r->carried += (unsigned)in->carried;
	if (in->refused)
		row = report_refusal(r, &id, in->refused_seq, in->refused, false);
	if (row)
		row->vouched = in->result.vouched;
}
