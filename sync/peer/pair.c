/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/pair.h"
#include "sync/replicate/stream.h"

enum {
	HOUR_MS = 3600000,
	SPOKE = 64, /* keys that are remembered to have spoken of numbers, the newest */
};

/*
 *              begin                    the other's nonce
 *   (none) ------------> waits ------------------------------> shown
 *                          |  \                                  |
 *                 its time |   `---- not the committed one ---> broken
 *                          v                                     |
 *                        over <-------------- its time ----------'
 *
 * From each state `begin` anew leads to `waits`, with a new nonce. Which state it is follows from
 * the fields and the clock: state_of.
 */
struct attempt {
	struct pubkey key;
	char address[PEER_ADDRESS];
	int64_t began_ms, shown_ms; /* monotonic; shown 0: not yet */
	uint8_t nonce[PAIR_NONCE], their_nonce[PAIR_NONCE];
	struct hash ours, theirs; /* commitments */
	bool committed;		  /* `theirs` is set */
	bool heard;		  /* the other side holds ours */
	bool broken;
	bool anew, behind, older;
	bool spoke; /* it has answered of numbers before */
	int64_t call_at; /* monotonic */
	char error[PEER_ERROR];
};

struct pairs {
	const struct env *env;
	struct pubkey self;
	struct attempt attempts[PAIR_AN_HOUR];
	size_t n;
	int64_t begun[PAIR_AN_HOUR]; /* when, the newest of them; 0: not yet */
	size_t next;
	struct pubkey spoke[SPOKE];
	size_t spoken; /* so many in all */
};

static const struct hash nothing;

/* --- the sums --- */
struct hash pair_commitment(const struct pubkey *of, const struct pubkey *to,
			    const uint8_t nonce[PAIR_NONCE])
{
	static const char domain[] = "lliure-pair-commit-1";
	struct hash_state st;

	hash_init(&st);
	hash_add(&st, domain, sizeof(domain) - 1);
	hash_add(&st, of->b, sizeof(of->b));
	hash_add(&st, to->b, sizeof(to->b));
	hash_add(&st, nonce, PAIR_NONCE);
	return hash_final(&st);
}

void pair_number(const struct pubkey *a, const uint8_t nonce_a[PAIR_NONCE], const struct pubkey *b,
		 const uint8_t nonce_b[PAIR_NONCE], char out[8])
{
	static const char domain[] = "lliure-pair-2";
	bool swap = memcmp(a->b, b->b, sizeof(a->b)) > 0;
	struct hash_state st;
	struct hash h;
	struct reader r;
	unsigned n;

	hash_init(&st);
	hash_add(&st, domain, sizeof(domain) - 1);
	hash_add(&st, swap ? b->b : a->b, sizeof(a->b));
	hash_add(&st, swap ? a->b : b->b, sizeof(a->b));
	hash_add(&st, swap ? nonce_b : nonce_a, PAIR_NONCE);
	hash_add(&st, swap ? nonce_a : nonce_b, PAIR_NONCE);
	h = hash_final(&st);
	r = reader_of(span_of(h.b, 8));
	n = (unsigned)(reader_u64(&r) % 1000000);
	snprintf(out, 8, "%03u %03u", n / 1000 % 1000, n % 1000);
}

/* --- words --- */
void pair_write(const struct pair_word *w, struct buf *out)
{
	_cleanup_(buf_release) struct buf body = {0};
	struct stream_writer s;

	buf_u8(&body, (uint8_t)w->form);
	if (w->form != PAIR_CLOSED) {
		buf_add(&body, w->commitment.b, sizeof(w->commitment.b));
		buf_add(&body, w->heard.b, sizeof(w->heard.b));
	}
	if (w->form == PAIR_REVEALS)
		buf_add(&body, w->nonce, sizeof(w->nonce));
	stream_begin(&s, out);
	stream_put_pair(&s, buf_span(&body));
	stream_put_end(&s);
}

static struct error *no_word(void)
{
	return error_new(ERR_MALFORMED, N_("What the other box says about the number to compare "
					   "can't be read."));
}

static struct error *read_word(struct span body, struct pair_word *ret)
{
	struct pair_word w = {.form = PAIR_CLOSED};
	struct reader r = reader_of(body);
	unsigned form = reader_u8(&r);

	ENSURE(reader_ok(&r) && form <= PAIR_REVEALS, no_word());
	w.form = (enum pair_form)form;
	if (form != PAIR_CLOSED) {
		reader_copy(&r, w.commitment.b, sizeof(w.commitment.b));
		reader_copy(&r, w.heard.b, sizeof(w.heard.b));
	}
	if (form == PAIR_REVEALS)
		reader_copy(&r, w.nonce, sizeof(w.nonce));
	/* what follows is a later version's */
	ENSURE(reader_ok(&r) && (form == PAIR_CLOSED || !hash_eq(&w.commitment, &nothing)),
	       no_word());
	*ret = w;
	return NULL;
}

struct error *pair_read(struct span stream, struct pair_word *ret)
{
	_cleanup_(stream_reader_freep) struct stream_reader *r =
		stream_reader_new(FRAME_BIT(FRAME_PAIR));
	struct pair_word w = {.form = PAIR_CLOSED};
	unsigned words = 0;
	const struct frame *f;

	ENSURE(stream.n <= PAIR_BODY, no_word());
	stream_feed(r, stream);
	for (;;) {
		TRY(stream_next(r, &f));
		if (!f)
			break;
		if (f->type != FRAME_PAIR) /* the end */
			continue;
		TRY(read_word(f->pair, &w));
		words++;
	}
	TRY(stream_finish(r));
	ENSURE(words == 1, no_word());
	*ret = w;
	return NULL;
}

/* --- attempts --- */
struct pairs *pairs_new(const struct env *env, const struct pubkey *self)
{
	struct pairs *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->env = env;
	p->self = *self;
	return p;
}

void pairs_free(struct pairs *p)
{
	if (p)
		crypto_wipe(p, sizeof(*p));
	free(p);
}

static enum pair_state state_of(const struct pairs *p, const struct attempt *a)
{
	int64_t now = env_mono(p->env);

	if (a->broken)
		return PAIR_BROKEN;
	if (a->shown_ms)
		return now - a->shown_ms < PAIR_SHOWN_MS ? PAIR_SHOWN : PAIR_OVER;
	return now - a->began_ms < PAIR_WAIT_MS ? PAIR_WAITS : PAIR_OVER;
}

static struct attempt *find(struct pairs *p, const struct pubkey *key)
{
	for (size_t i = 0; i < p->n; i++)
		if (pubkey_eq(&p->attempts[i].key, key))
			return &p->attempts[i];
	return NULL;
}

/* Those of more than an hour ago: none of them is in use. */
static void forget_old(struct pairs *p, int64_t now)
{
	for (size_t i = 0; i < p->n;)
		if (now - p->attempts[i].began_ms >= HOUR_MS)
			p->attempts[i] = p->attempts[--p->n];
		else
			i++;
}

/* So nobody who makes a box fall silent leads people to the whole key, as if that box were older. */
static bool has_spoken(const struct pairs *p, const struct pubkey *key)
{
	for (size_t i = 0; i < p->spoken && i < SPOKE; i++)
		if (pubkey_eq(&p->spoke[i], key))
			return true;
	return false;
}

static void remember(struct pairs *p, struct attempt *a, const struct pubkey *key)
{
	if (a)
		a->spoke = true;
	if (!has_spoken(p, key))
		p->spoke[p->spoken++ % SPOKE] = *key;
}

static struct error *too_often(void)
{
	return error_new(ERR_RATE,
			 N_("Numbers were begun so often in this hour that no more are for a "
			    "while: who "
			    "may try without an end finds one that is alike. Wait an hour, or "
			    "compare the whole key."));
}

static struct error *may_begin(const struct pairs *p, int64_t now)
{
	ENSURE(!p->begun[p->next] || now - p->begun[p->next] >= HOUR_MS, too_often());
	return NULL;
}

struct error *pairs_may_begin(const struct pairs *p)
{
	return may_begin(p, env_mono(p->env));
}

/* now: the one that forget_old was told, so that what counts for both is the same hour. */
static struct error *begin(struct pairs *p, const struct pubkey *key, const char *address,
			   int64_t now)
{
	struct attempt *a = find(p, key);
	bool spoke = a ? a->spoke : has_spoken(p, key);

	TRY(may_begin(p, now));
	ENSURE(a || p->n < PAIR_AN_HOUR, too_often());
	p->begun[p->next] = now ? now : 1;
	p->next = (p->next + 1) % PAIR_AN_HOUR;
	if (!a)
		a = &p->attempts[p->n++];
	*a = (struct attempt){.key = *key, .began_ms = now, .call_at = now, .spoke = spoke};
	snprintf(a->address, sizeof(a->address), "%s", address);
	env_random(p->env, a->nonce, sizeof(a->nonce));
	a->ours = pair_commitment(&p->self, key, a->nonce);
	return NULL;
}

void pairs_known_at(struct pairs *p, const struct pubkey *key, const char *address)
{
	struct attempt *a = find(p, key);

	if (a && address && !a->address[0])
		snprintf(a->address, sizeof(a->address), "%s", address);
}

struct error *pairs_begin(struct pairs *p, const struct pubkey *key, const char *address, bool anew)
{
	int64_t now = env_mono(p->env);
	char known[PEER_ADDRESS] = "";
	struct attempt *a;

	forget_old(p, now);
	pairs_known_at(p, key, address);
	a = find(p, key);
	if (a && !anew)
		return NULL;
	if (a)
		memcpy(known, a->address, sizeof(known));
	return begin(p, key, *known || !address ? known : address, now);
}

void pairs_call_at(struct pairs *p, const struct pubkey *key, const char *address)
{
	struct attempt *a = find(p, key);

	if (!a)
		return;
	snprintf(a->address, sizeof(a->address), "%s", address);
	a->call_at = env_mono(p->env);
	a->error[0] = 0;
}

void pairs_look(struct pairs *p, const struct pubkey *key, struct pair_view *ret)
{
	const struct attempt *a = find(p, key);

	*ret = (struct pair_view){.state = PAIR_NONE};
	if (!a)
		return;
	ret->state = state_of(p, a);
	ret->called = a->address[0] != 0;
	ret->older = a->older;
	ret->anew = a->anew;
	ret->behind = a->behind;
	snprintf(ret->error, sizeof(ret->error), "%s", a->error);
	if (ret->state == PAIR_SHOWN)
		pair_number(&p->self, a->nonce, &a->key, a->their_nonce, ret->number);
}

/* --- saying and hearing --- */
static bool is_open(const struct pairs *p, const struct attempt *a)
{
	enum pair_state s = a ? state_of(p, a) : PAIR_NONE;

	return s == PAIR_WAITS || s == PAIR_SHOWN;
}

void pairs_say(struct pairs *p, const struct pubkey *key, struct pair_word *ret)
{
	const struct attempt *a = find(p, key);

	*ret = (struct pair_word){.form = PAIR_CLOSED};
	if (!is_open(p, a))
		return;
	ret->form = a->committed && a->heard ? PAIR_REVEALS : PAIR_COMMITS;
	ret->commitment = a->ours;
	ret->heard = a->committed ? a->theirs : nothing;
	if (ret->form == PAIR_REVEALS)
		memcpy(ret->nonce, a->nonce, sizeof(ret->nonce));
}

/* Does it belong to this attempt, here and there? */
static bool belongs(struct attempt *a, const struct pair_word *w)
{
	bool heard = !hash_eq(&w->heard, &nothing);

	a->behind = heard && !hash_eq(&w->heard, &a->ours);
	if (a->behind)
		return false;
	if (!a->committed)
		a->theirs = w->commitment;
	a->committed = true;
	a->anew = !hash_eq(&w->commitment, &a->theirs);
	a->heard |= heard && !a->anew;
	return !a->anew;
}

void pairs_hear(struct pairs *p, const struct pubkey *key, const struct pair_word *w)
{
	struct attempt *a = find(p, key);
	struct hash revealed;

	remember(p, a, key);
	if (!is_open(p, a))
		return;
	a->older = false;
	a->error[0] = 0;
	if (w->form == PAIR_CLOSED || !belongs(a, w) || w->form != PAIR_REVEALS || a->shown_ms)
		return;
	revealed = pair_commitment(key, &p->self, w->nonce);
	if (!crypto_equal(revealed.b, a->theirs.b, sizeof(revealed.b))) {
		a->broken = true;
		return;
	}
	memcpy(a->their_nonce, w->nonce, sizeof(a->their_nonce));
	a->shown_ms = env_mono(p->env);
	a->shown_ms += !a->shown_ms;
}

/* --- calling --- */
static bool calls(const struct pairs *p, const struct attempt *a)
{
	return a->address[0] && state_of(p, a) == PAIR_WAITS;
}

bool pairs_next(struct pairs *p, struct pair_call *ret)
{
	int64_t now = env_mono(p->env);
	struct attempt *first = NULL;

	for (size_t i = 0; i < p->n; i++) {
		struct attempt *a = &p->attempts[i];

		if (calls(p, a) && a->call_at <= now && (!first || a->call_at < first->call_at))
			first = a;
	}
	if (!first)
		return false;
	first->call_at = now + PAIR_CALL_MS;
	ret->key = first->key;
	memcpy(ret->address, first->address, sizeof(ret->address));
	return true;
}

int64_t pairs_wait(struct pairs *p, int64_t most)
{
	int64_t now = env_mono(p->env);

	for (size_t i = 0; i < p->n; i++) {
		const struct attempt *a = &p->attempts[i];

		if (calls(p, a) && a->call_at - now < most)
			most = a->call_at - now;
	}
	return most > 0 ? most : 0;
}

static void say_silenced(struct attempt *a)
{
	struct error *e = error_new(
		ERR_DENIED,
		N_("This box has spoken of numbers before, and now something answers in its place "
		   "that it knows nothing of them. Somebody may stand between you: do not compare a "
		   "key that came over the network."));

	snprintf(a->error, sizeof(a->error), "%s", error_stored(e));
	error_free(e);
}

void pairs_called(struct pairs *p, const struct pubkey *key, bool older, const char *error)
{
	struct attempt *a = find(p, key);

	if (!a)
		return;
	a->older = older && !a->spoke;
	a->call_at = env_mono(p->env) + (older ? PAIR_LATER_MS : PAIR_CALL_MS);
	snprintf(a->error, sizeof(a->error), "%s", error ? error : "");
	if (older && a->spoke)
		say_silenced(a);
}
