/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/community/rows.h"

static void digest_column(struct hash_state *h, sqlite3_stmt *st, int col)
{
	bool number = sqlite3_column_type(st, col) == SQLITE_INTEGER;
	struct span s = number ? (struct span){0} : db_blob(st, col);
	uint64_t n = number ? (uint64_t)db_int(st, col) : s.n;
	uint8_t head[9] = {number ? 'i' : db_is_null(st, col) ? 'n' : 's'};

	for (int b = 0; b < 8; b++)
		head[1 + b] = (uint8_t)(n >> (8 * b));
	hash_add(h, head, sizeof(head));
	if (s.n)
		hash_add(h, s.p, s.n);
}

struct error *digest_rows(struct db *db, sqlite3_stmt *st, struct hash_state *h)
{
	struct error *e = NULL;

	while (db_next(db, st, &e)) {
		hash_add(h, "r", 1);
		for (int i = 0; i < sqlite3_column_count(st); i++)
			digest_column(h, st, i);
	}
	return e;
}
