/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/forum/forum_priv.h"
#include "appliance/community/idmap.h"
#include <assert.h>

struct memo {
	struct idmap at; /* topic ids */
	struct memo_topic **topics;
	size_t n, cap;
	int64_t last, stored; /* post.num; -1: not read yet */
	struct hash *spaces; /* to be ordered again */
	size_t spaces_n;
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

struct error *memo_log(struct fold *f, const struct op *op, int64_t *ret)
{
	struct memo *m = memo_of(f);

	memo_order(f);
	if (!m->log || !same_log(&m->of, op)) {
		TRY(order_log(f->conn, op, &m->log));
		m->of = *op;
	}
	*ret = m->log;
	return NULL;
}

void memo_order(struct fold *f)
{
	struct memo *m = memo_of(f);

	for (size_t i = 0; i < m->spaces_n; i++)
		if (hash_eq(&m->spaces[i], &f->space))
			return;
	m->spaces = realloc(m->spaces, (m->spaces_n + 1) * sizeof(m->spaces[0]));
	if (!m->spaces)
		abort();
	m->spaces[m->spaces_n++] = f->space;
}

struct error *memo_settle(struct conn *c, void *memo)
{
	struct db_stmts *s = conn_view(c, &forum_feature);
	struct memo *m = memo;

	for (size_t i = 0; i < m->n; i++) {
		const struct memo_topic *k = m->topics[i];

		if (k->grew && !k->gone)
			TRY(db_do(c->view, s, TOPIC_GREW, "iii", k->t.num, k->t.posts, k->active));
	}
	for (size_t i = 0; i < m->spaces_n; i++)
		TRY(order_settle(c, &m->spaces[i]));
	if (m->last > m->stored)
		TRY(db_do(c->view, s, POST_SET_LAST_NUM, "i", m->last));
	return NULL;
}

void memo_forget(void *memo)
{
	struct memo *m = memo;

	idmap_release(&m->at);
	for (size_t i = 0; i < m->n; i++)
		free(m->topics[i]);
	free(m->topics);
	free(m->spaces);
	free(m);
}
