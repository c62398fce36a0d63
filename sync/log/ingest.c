/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Taking in a run of entries of one log. */
#include "sync/log/log_priv.h"

/* A run on its way in. Indices count headers from 0. */
struct run {
	struct log_store *l;
	const struct ingest *in;
	struct log_info info;
	struct hash *hashes;
	size_t good;	/* headers that are well-formed and chained */
	size_t overlap; /* of these, how many are held already */
	size_t vouched; /* the header before this one has a valid signature of its own */
	bool borrowed;	/* l->body holds the content that an entry came without */
	struct ingest_result ret;
	struct error *refused; /* about the first that is not taken */
};

static void refuse_from(struct run *r, size_t at, struct error *why)
{
	if (r->good > at)
		r->good = at;
	error_replace(&r->refused, why);
}

static const char *who(const struct run *r, struct id_text *text)
{
	*text = id_short(&r->in->id->appliance);
	return text->s;
}

static const char *which(const struct run *r, size_t i, char text[24])
{
	snprintf(text, 24, "%llu", (unsigned long long)(r->in->first + i));
	return text;
}

/* An error about header i: MSGID has %s for the appliance and %s for the sequence number. */
#define ABOUT(r, i, code, msgid)                                                                   \
	error_new((code), msgid, who((r), &(struct id_text){""}), which((r), (i), (char[24]){""}))

/* --- the headers alone, and their chain --- */
static bool belongs(const struct run *r, size_t i)
{
	struct log_id id = entry_log(&r->in->headers[i]);

	return log_id_cmp(&id, r->in->id) == 0;
}

static void check_headers(struct run *r)
{
	for (size_t i = 0; i < r->in->n; i++) {
		const struct entry_bytes *raw = &r->in->headers[i];
		struct error *err = entry_check(raw);
		struct entry e;

		if (err) {
			refuse_from(r, i, err);
			return;
		}
		entry_decode(raw, &e);
		if (!belongs(r, i) || e.seq != r->in->first + i) {
			refuse_from(r, i,
				    ABOUT(r, i, ERR_MALFORMED,
					  N_("What was sent for the log of %s as entry %s is from "
					     "somewhere else.")));
			return;
		}
		if (i > 0 && !hash_eq(&e.prev, &r->hashes[i - 1])) {
			refuse_from(r, i,
				    ABOUT(r, i, ERR_CHAIN,
					  N_("The log of %s is broken at entry %s: it does not "
					     "follow from the one before.")));
			return;
		}
		r->hashes[i] = entry_hash(raw);
		r->good = i + 1;
	}
}

/* Does the run continue what is held? */
static struct error *check_place(struct run *r)
{
	struct hash before = r->info.head_hash;
	uint64_t first = r->in->first;
	struct entry e;

	if (first > r->info.head + 1) {
		refuse_from(r, 0,
			    ABOUT(r, 0, ERR_GAP,
				  N_("Entries of the log of %s are missing before entry %s.")));
		return NULL;
	}
	if (first == 1)
		return NULL;
	if (first <= r->info.head)
		TRY(log_hash_at(r->l, r->info.num, first - 1, &before));
	entry_decode(&r->in->headers[0], &e);
	if (!hash_eq(&e.prev, &before))
		refuse_from(
			r, 0,
			ABOUT(r, 0, ERR_CHAIN,
			      N_("The log of %s differs from ours somewhere before entry %s.")));
	return NULL;
}

/* --- what is held already --- */
/* The first of the overlapping headers that differs from ours, or r->overlap. */
static struct error *find_conflict(struct run *r, size_t *ret_at)
{
	struct hash ours;

	*ret_at = r->overlap;
	if (!r->overlap)
		return NULL;
	/* Equal at the end is equal all along: the hashes are chained. */
	TRY(log_hash_at(r->l, r->info.num, r->in->first + r->overlap - 1, &ours));
	if (hash_eq(&ours, &r->hashes[r->overlap - 1]))
		return NULL;
	for (size_t i = 0; i < r->overlap; i++) {
		TRY(log_hash_at(r->l, r->info.num, r->in->first + i, &ours));
		if (!hash_eq(&ours, &r->hashes[i])) {
			*ret_at = i;
			return NULL;
		}
	}
	return NULL;
}

/* Is header i the one that our own chain names at that place? Then ours is damaged. */
static struct error *is_named_by_chain(struct run *r, size_t i, bool *ret)
{
	uint64_t seq = r->in->first + i;
	struct hash named = r->info.head_hash;

	if (seq < r->info.head) {
		struct entry_bytes next;
		struct entry e;

		TRY(entry_header_at(r->l, r->info.num, seq + 1, &next));
		entry_decode(&next, &e);
		named = e.prev;
	}
	*ret = hash_eq(&named, &r->hashes[i]);
	return NULL;
}

/* Ours at that place has no valid signature of its own, theirs has. */
static struct error *replace_ours(struct run *r, size_t i)
{
	bool damaged;

	TRY(is_named_by_chain(r, i, &damaged));
	if (damaged)
		return entry_heal(r->l, &r->info, r->in->first + i, &r->in->headers[i],
				  r->in->payloads ? &r->in->payloads[i] : NULL);
	TRY(log_cut(r->l, &r->info, r->in->first + i));
	r->overlap = i;
	return NULL;
}

/* A log that is frozen at its first sequence, and here comes what founds its space. */
static struct error *see_founding(struct run *r)
{
	bool known;

	if (r->info.frozen != 1 || r->in->first != 1 || !log_is_founding(&r->in->headers[0]))
		return NULL;
	TRY(log_founding_known(r->l, &r->info, &known));
	if (!known || !r->info.head)
		TRY(fork_take_founding(r->l, &r->info, &r->in->headers[0]));
	return NULL;
}

static struct error *judge_conflict(struct run *r, size_t i)
{
	uint64_t seq = r->in->first + i;
	const struct entry_bytes *theirs = &r->in->headers[i];
	struct entry_bytes ours;
	bool is_new;

	if (!r->info.frozen || seq < r->info.frozen) {
		TRY(entry_header_at(r->l, r->info.num, seq, &ours));
		if (!entry_verify_appliance(theirs)) {
			refuse_from(r, i,
				    ABOUT(r, i, ERR_SIGNATURE,
					  N_("The appliance %s did not sign this entry %s.")));
			return NULL;
		}
		if (!entry_verify_appliance(&ours))
			return replace_ours(r, i);
		TRY(fork_keep(r->l, &r->info, seq, &ours, theirs, &is_new));
		r->ret.forked = true;
	}
	refuse_from(r, i,
		    ABOUT(r, i, ERR_FORK,
			  N_("The appliance %s signed two different entries %s: its log is "
			     "stopped there.")));
	return NULL;
}

static struct error *check_overlap(struct run *r)
{
	uint64_t held = r->info.head + 1 - r->in->first; /* check_place: not negative */
	size_t at;

	r->overlap = held < r->good ? (size_t)held : r->good;
	for (;;) {
		size_t good = r->good;

		TRY(find_conflict(r, &at));
		if (at == r->overlap)
			return NULL;
		TRY(judge_conflict(r, at));
		if (r->good != good) { /* refused from there on */
			r->overlap = r->good;
			return NULL;
		}
	}
}

/* Payloads that we lacked of headers that we know. */
static struct error *fill_missing(struct run *r)
{
	uint64_t seq = r->in->first - 1;

	r->ret.known = r->overlap;
	while (r->info.missing && r->in->payloads) {
		bool damaged, erased;
		struct hash op;
		size_t i, n;

		TRY(log_missing(r->l, r->info.num, seq, &seq, 1, &n));
		if (n == 0 || seq >= r->in->first + r->overlap)
			break;
		i = (size_t)(seq - r->in->first);
		if (payload_judge(&r->in->headers[i], &r->in->payloads[i], &damaged) !=
		    PAYLOAD_HELD)
			continue;
		op = entry_op_id(&r->in->headers[i]);
		TRY(op_is_erased(r->l, &op, &erased));
		if (erased)
			continue;
		TRY(entry_fill(r->l, &r->info, seq,
			       entry_body(r->l, r->in->payloads[i].salt, r->in->payloads[i].bytes),
			       &r->ret.last_num));
		if (!r->ret.first_num)
			r->ret.first_num = r->ret.last_num;
		r->ret.filled++;
	}
	return NULL;
}

/* --- what is new --- */
/* How far the run may be taken at all: not from a fork on, not behind the entry that ended the log.
 */
static void check_limits(struct run *r)
{
	uint64_t first = r->in->first, end = first + r->good;
	uint64_t forked = log_forked_from(&r->info);

	if (r->good == r->overlap)
		return;
	if (r->info.ended && end > r->info.ended + 1) {
		size_t at = r->info.ended + 1 > first ? (size_t)(r->info.ended + 1 - first) : 0;

		refuse_from(r, at,
			    ABOUT(r, at, ERR_ENDED,
				  N_("The log of %s ended before entry %s, by an entry that its "
				     "author did not sign.")));
		end = first + r->good;
	}
	if (forked && end > forked) {
		size_t at = forked > first ? (size_t)(forked - first) : 0;

		refuse_from(r, at,
			    ABOUT(r, at, ERR_FORK,
				  N_("The log of %s is stopped before entry %s: the appliance "
				     "signed two different ones.")));
	}
	if (r->good < r->overlap)
		r->good = r->overlap;
}

size_t log_vouched(const struct ingest *in)
{
	size_t n = in->n;

	while (n && !entry_verify_appliance(&in->headers[n - 1]))
		n--;
	return n;
}

/* Of the first n headers those up to the newest with a signature of its own, at least `least`. When
 * somebody looked before, only a run whose chain is broken below that signature is left to be looked
 * at, which nobody honest sends: a few, and then it is let go. */
static size_t newest_signed(const struct run *r, size_t n, size_t least)
{
	enum { MOST = 8 };
	size_t end = least;

	if (n <= least)
		return least;
	if (r->in->looked && r->in->vouched <= n)
		return r->in->vouched > least ? r->in->vouched : least;
	if (r->in->looked && n - least > MOST)
		end = n - MOST;
	for (; n > end; n--)
		if (entry_verify_appliance(&r->in->headers[n - 1]))
			return n;
	return least;
}

/* The newest appliance signature vouches for the run, down its chain; when it does not hold, the
 * newest one that does. `chained` headers are in the chain, of which r->good may be taken. */
static void check_vouching(struct run *r, size_t chained)
{
	size_t n = newest_signed(r, chained, r->overlap);

	if (r->good == r->overlap)
		return;
	r->vouched = n;
	if (n < chained && n < r->good)
		refuse_from(r, n,
			    ABOUT(r, n, ERR_SIGNATURE,
				  N_("The appliance %s did not sign its entry %s.")));
}

/* An entry that travels alone: every author is checked now. The first that fails ends the log, and
 * is kept as the proof when its appliance vouched for exactly it. */
static void check_authors(struct run *r)
{
	for (size_t i = r->overlap; i < r->good; i++) {
		bool proof;

		if (entry_verify_author(&r->in->headers[i]))
			continue;
		proof = entry_verify_appliance(&r->in->headers[i]);
		if (proof)
			r->info.ended = r->in->first + i;
		refuse_from(r, i + proof,
			    ABOUT(r, i, ERR_SIGNATURE,
				  N_("The author of an entry in the log of %s did not sign it "
				     "(entry %s).")));
		return;
	}
}

/* A log that was caught with a header of no signature: each is checked now. */
static void check_strictly(struct run *r)
{
	for (size_t i = r->overlap; i < r->good; i++) {
		if (entry_verify_appliance(&r->in->headers[i]))
			continue;
		refuse_from(r, i,
			    ABOUT(r, i, ERR_SIGNATURE,
				  N_("The appliance %s did not sign its entry %s.")));
		return;
	}
}

/* The same op in another log: its content is here already. */
static struct error *borrow_body(void *ctx, const struct stored *e)
{
	struct run *r = ctx;

	if (e->state == PAYLOAD_HELD) {
		entry_body(r->l, e->salt, e->payload);
		r->borrowed = true;
	}
	return NULL;
}

static struct error *store_one(struct run *r, size_t i)
{
	const struct ingest_payload *p = r->in->payloads ? &r->in->payloads[i] : NULL;
	struct new_entry e = {.raw = &r->in->headers[i],
			      .op_id = entry_op_id(&r->in->headers[i]),
			      .hash = &r->hashes[i],
			      .seq = r->in->first + i};
	bool damaged, erased;

	e.state = payload_judge(e.raw, p, &damaged);
	TRY(op_is_erased(r->l, &e.op_id, &erased));
	if (erased)
		e.state = PAYLOAD_ERASED;
	r->borrowed = false;
	if (e.state == PAYLOAD_HELD) {
		e.body = entry_body(r->l, p->salt, p->bytes);
	} else if (e.state == PAYLOAD_NOT_HELD) {
		TRY(log_op(r->l, &e.op_id, borrow_body, r));
		if (r->borrowed) {
			e.state = PAYLOAD_HELD;
			e.body = buf_span(&r->l->body);
		}
	}
	if (damaged && !erased && !r->refused)
		r->refused = ABOUT(r, i, ERR_CORRUPT,
				   N_("The content of an entry in the log of %s arrived damaged "
				      "(entry %s). It will be asked for again."));
	TRY(entry_put(r->l, &r->info, &e, &r->ret.last_num));
	if (!r->ret.first_num)
		r->ret.first_num = r->ret.last_num;
	return NULL;
}

static struct error *store_new(struct run *r)
{
	uint64_t head = r->info.head;

	if (!r->info.num)
		TRY(log_create(r->l, &r->info));
	for (size_t i = r->overlap; i < r->good; i++)
		TRY(store_one(r, i));
	r->ret.added = r->good - r->overlap;
	r->info.head = r->in->first + r->good - 1;
	r->info.head_hash = r->hashes[r->good - 1];
	if (r->info.proved == head &&
	    (r->info.strict || (r->ret.added == 1 && r->vouched == r->good)))
		r->info.proved = r->info.head;
	if (r->in->alone && r->info.audited == head)
		r->info.audited = r->info.ended ? r->info.ended - 1 : r->info.head;
	return NULL;
}

/* Our own key signed it, and it does not fit in what we hold of our own log: an op of ours from
 * another branch, which we may have nowhere else. The first `chained` headers follow from each
 * other. */
static struct error *keep_disputed(struct run *r, size_t chained)
{
	size_t n;

	/* Behind our fork a gap is no reason either: what lies in it another box may have given us, or it is live
	 * elsewhere, and is not sent again. */
	if (!pubkey_eq(&r->in->id->appliance, &r->l->self) ||
	    !(error_is(r->refused, ERR_FORK) || error_is(r->refused, ERR_CHAIN) ||
	      (error_is(r->refused, ERR_GAP) && r->info.frozen)))
		return NULL;
	n = newest_signed(r, chained, r->good);
	for (size_t i = r->good; i < n; i++) {
		bool is_new;

		TRY(disputed_keep(r->l, r->in, i, &is_new));
		r->ret.disputed += is_new;
	}
	return r->ret.disputed ? log_retire(r->l, r->in->id) : NULL;
}

/* The whole run is chained, and its end signed: nobody but the appliance made it. */
static bool is_vouched(const struct run *r, size_t chained)
{
	const struct ingest *in = r->in;

	if (!error_is(r->refused, ERR_SIGNATURE) || chained < in->n)
		return false;
	return in->looked ? in->vouched == in->n : entry_verify_appliance(&in->headers[in->n - 1]);
}

static struct error *take(struct run *r)
{
	size_t all, chained;

	check_headers(r);
	all = r->good;
	if (!r->good)
		return NULL;
	TRY(log_find(r->l, r->in->id, &r->info));
	TRY(see_founding(r));
	TRY(check_place(r));
	if (!r->good)
		return keep_disputed(r, all);
	TRY(check_overlap(r));
	TRY(fill_missing(r));
	chained = r->good;
	check_limits(r);
	check_vouching(r, chained);
	if (r->info.strict)
		check_strictly(r);
	if (r->in->alone) {
		uint64_t ended = r->info.ended;

		check_authors(r);
		if (r->info.ended != ended)
			TRY(log_stopped(r->l));
	}
	r->ret.vouched = is_vouched(r, all);
	if (r->good > r->overlap) {
		/* Somebody else wrote in the log that we are writing: we are an old copy. */
		TRY(log_retire(r->l, r->in->id));
		TRY(store_new(r));
	}
	if (r->ret.added || r->ret.filled)
		TRY(log_save(r->l, &r->info));
	return keep_disputed(r, all);
}

struct error *log_ingest(struct log_store *l, const struct ingest *in, struct ingest_result *ret,
			 struct error **ret_refused)
{
	struct run r = {.l = l, .in = in};
	struct error *err;

	r.hashes = malloc((in->n ? in->n : 1) * sizeof(r.hashes[0]));
	if (!r.hashes)
		abort();
	err = in->n ? take(&r) : NULL;
	free(r.hashes);
	if (err) {
		error_free(r.refused);
		return err;
	}
	*ret = r.ret;
	*ret_refused = r.refused;
	return NULL;
}
