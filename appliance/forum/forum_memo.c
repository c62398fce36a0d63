/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/forum/forum_priv.h"
#include "appliance/community/idmap.h"
#include <assert.h>

struct memo {
	struct idmap at; /* topic ids */
	struct memo_topic **topics;
	size_t n, cap;
	int64_t last, stored;	  /* post.num; -1: not read yet */
	struct order_turn *turns; /* of spaces that are to be ordered again */
	size_t turns_n;
	struct op of; /* the log of this op was asked for last: */
	int64_t log;  /* 0: none was */
};

static struct memo *memo_of(struct fold *f)
{
	struct memo *m;

	assert(f->memo); /* only what is applied asks */
	if (*f->memo)
		return *f->memo;
	m = calloc(1, sizeof(*m));
	if (!m)
		abort();
	m->last = m->stored = -1;
	return *f->memo = m;
}

struct memo_topic *memo_topic(struct fold *f)
{
	const struct memo *m = f->memo ? *f->memo : NULL;
	uint32_t at = m ? idmap_get(&m->at, &f->object) : (uint32_t)IDMAP_NONE;

	return at == IDMAP_NONE || m->topics[at]->gone ? NULL : m->topics[at];
}

static struct memo_topic *add(struct memo *m, const struct hash *id)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 16;
		m->topics = realloc(m->topics, m->cap * sizeof(m->topics[0]));
		if (!m->topics)
			abort();
	}
	m->topics[m->n] = malloc(sizeof(*m->topics[0]));
	if (!m->topics[m->n])
		abort();
	idmap_put(&m->at, id, (uint32_t)m->n);
	return m->topics[m->n++];
}

void memo_keep(struct fold *f, const struct topic *t)
{
	struct memo *m;
	uint32_t at;

	if (!f->memo)
		return;
	m = memo_of(f);
	at = idmap_get(&m->at, &f->object);
	*(at == IDMAP_NONE ? add(m, &f->object) : m->topics[at]) = (struct memo_topic){.t = *t};
}

struct error *memo_post_num(struct fold *f, int64_t *ret)
{
	struct memo *m = memo_of(f);

	if (m->stored < 0) {
		TRY(db_number(f->conn->view, conn_view(f->conn, &forum_feature), POST_LAST_NUM, 0,
			      &m->stored, ""));
		m->last = m->stored;
	}
	*ret = ++m->last;
	return NULL;
}

static bool same_log(const struct op *a, const struct op *b)
{
	return hash_eq(&a->space, &b->space) && pubkey_eq(&a->appliance, &b->appliance) &&
	       a->incarnation == b->incarnation;
}

static struct order_turn *turn_of(struct memo *m, const struct hash *space)
{
	for (size_t i = 0; i < m->turns_n; i++)
		if (hash_eq(&m->turns[i].space, space))
			return &m->turns[i];
	m->turns = realloc(m->turns, (m->turns_n + 1) * sizeof(m->turns[0]));
	if (!m->turns)
		abort();
	m->turns[m->turns_n] = (struct order_turn){.space = *space};
	return &m->turns[m->turns_n++];
}

/* Runs of a log come together: what is there twice does no harm. */
static void note_log(struct order_turn *t, int64_t log)
{
	if (t->logs_n && t->logs[t->logs_n - 1] == log)
		return;
	t->logs = realloc(t->logs, (t->logs_n + 1) * sizeof(t->logs[0]));
	if (!t->logs)
		abort();
	t->logs[t->logs_n++] = log;
}

struct error *memo_log(struct fold *f, const struct op *op, int64_t *ret)
{
	struct memo *m = memo_of(f);

	if (!m->log || !same_log(&m->of, op)) {
		TRY(order_log(f->conn, op, &m->log));
		m->of = *op;
	}
	note_log(turn_of(m, &f->space), m->log);
	*ret = m->log;
	return NULL;
}

void memo_stale(struct fold *f)
{
	turn_of(memo_of(f), &f->space)->stale = true;
}

static struct error *settle_topics(struct conn *c, struct memo *m, int64_t *grown, size_t *ret_n)
{
	struct db_stmts *s = conn_view(c, &forum_feature);

	*ret_n = 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct memo_topic *k = m->topics[i];

		if (!k->grew || k->gone)
			continue;
		TRY(db_do(c->view, s, TOPIC_GREW, "iii", k->t.num, k->t.posts, k->active));
		grown[(*ret_n)++] = k->t.num;
	}
	return NULL;
}

struct error *memo_settle(struct conn *c, void *memo)
{
	struct memo *m = memo;
	_cleanup_(freep) int64_t *grown = calloc(m->n + 1, sizeof(*grown));
	size_t n;

	if (!grown)
		abort();
	TRY(settle_topics(c, m, grown, &n));
	for (size_t i = 0; i < m->turns_n; i++) {
		m->turns[i].grown = grown;
		m->turns[i].grown_n = n;
		TRY(order_settle(c, &m->turns[i]));
	}
	if (m->last > m->stored)
		TRY(db_do(c->view, conn_view(c, &forum_feature), POST_SET_LAST_NUM, "i", m->last));
	return NULL;
}

void memo_forget(void *memo)
{
	struct memo *m = memo;

	idmap_release(&m->at);
	for (size_t i = 0; i < m->n; i++)
		free(m->topics[i]);
	free(m->topics);
	for (size_t i = 0; i < m->turns_n; i++)
		free(m->turns[i].logs);
	free(m->turns);
	free(m);
}
