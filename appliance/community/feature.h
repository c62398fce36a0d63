/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A feature (forum, library, …) as the community sees it: op types, tables of the view, statements,
 * and how to forget and digest its objects. appliance/features.c has the one table of features.
 *
 * A `struct conn` is one thread's connections: log.db, view.db, local.db, with every feature's
 * statements prepared. The writer's conn writes; all others read.
 */
#pragma once
#include "appliance/community/op.h"

struct conn;
struct feature {
	const char *name;
	const struct op_type *types; /* ends with a NULL name */
	/* Tables in view.db (derived: made anew by rebuild) and in local.db (this box's own). */
	const char *const *view_migrations;
	int view_migrations_n;
	const char *const *local_migrations;
	int local_migrations_n;
	/* Statements, as tables of SQL; `_n` of them. */
	const char *const *view_sql;
	int view_sql_n;
	const char *const *local_sql;
	int local_sql_n;
	/* Forget every row of the object f->object (it is about to be folded again). */
	struct error *(*reset)(struct fold *f);
	/* The op `gone` of this object was erased by the op `erase`: called at its place in the
	 * order, instead of its apply. Its payload is not known here, whether it was once held or
	 * not: `gone` has no type and no body; what it was is in op_str(erase, "was") (its type's
	 * name), and what the eraser kept of it for its feature in the JSON field "keep" of
	 * `erase`. The creating op of the object may be erased, too. NULL: the feature has nothing
	 * to show. */
	struct error *(*erased)(struct fold *f, const struct op *gone, const struct op *erase);
	/* Feed the feature's rows of a space into the digest, in an order that does not depend on
	 * this box (never by row number or arrival). */
	struct error *(*digest)(struct conn *c, const struct hash *space, struct hash_state *h);
	/* Something that was held was erased in this transaction: what the feature keeps of it
	 * elsewhere than in the rows of its objects (an index) is to go, too, now or soon after
	 * (conn_scrub_later). NULL: nothing is. */
	struct error *(*scrub)(struct conn *c);
	/* What the feature remembered in f->memo while ops of one batch were folded: `settle`
	 * writes what it put off, once, behind the last op; `forget` frees it, settled or not. Both
	 * NULL: it remembers nothing. */
	struct error *(*settle)(struct conn *c, void *memo);
	/* What settling put off with conn_tidy_later, in a transaction of its own. NULL: nothing. */
	struct error *(*tidy)(struct conn *c);
	void (*forget)(void *memo);
};
extern const struct feature *const features[]; /* ends with NULL */

struct conn {
	struct log_store *log;
	struct db *view, *local;
	const struct env *env;
	struct community *community; /* private */
};
/* While settling: is this one of many batches that follow each other, as in a first sync? Then what costs
 * more the more there is can be put off: conn_tidy_later. */
bool conn_hurries(const struct conn *c);
void conn_tidy_later(struct conn *c);
struct db_stmts *conn_view(struct conn *c, const struct feature *f);
struct db_stmts *conn_local(struct conn *c, const struct feature *f);

/* What check and apply work with: the object being folded, on the writer's connection. */
struct fold {
	struct conn *conn;
	struct hash space, object;
	struct arena *arena; /* until this op is done */
	/* The feature's own, NULL until it puts something there, kept from op to op of a batch;
	 * itself NULL where nothing is applied. */
	void **memo;
	/* Only while community_submit asks beforehand whether a person's draft would do: what such
	 * a check refuses more than others never comes about here; nothing that is in the log may
	 * depend on it. */
	bool live;
};
