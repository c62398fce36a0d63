/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/replicate/full.h"
#include "sync/replicate/heads.h"
#include <stdlib.h>

void full_release(struct full *f)
{
	buf_release(&f->logs);
	*f = (struct full){.all = false};
}

bool full_any(const struct full *f)
{
	return f->all || f->held_only || f->logs.n;
}

bool full_is_wide(const struct full *f)
{
	return f->all || f->held_only;
}

static int compare(const void *a, const void *b)
{
	return log_id_cmp(a, b);
}

bool full_has(const struct full *f, const struct log_id *id, bool held)
{
	if (!f || !full_any(f))
		return false;
	if (f->all || (f->held_only && !held))
		return true;
	return f->logs.n && bsearch(id, f->logs.p, f->logs.n / sizeof(*id), sizeof(*id), compare);
}

struct head full_head(struct head row)
{
	if (row.mark && row.mark_seq == row.seq + 1) /* it is so */
		return row;
	row.mark = HEAD_ENDED;
	row.mark_seq = row.seq + 1;
	return row;
}

void full_rows(const struct full *f, struct arena *a, struct head **io_heads, size_t *io_n)
{
	const struct log_id *logs = (const struct log_id *)(const void *)f->logs.p;
	size_t n_logs = f->logs.n / sizeof(*logs), held = *io_n, n = held;
	struct head *heads;

	if (!full_any(f))
		return;
	heads = arena_array(a, struct head, held + n_logs + 1);
	for (size_t i = 0; i < held; i++) {
		heads[i] = (*io_heads)[i];
		if (full_has(f, &heads[i].id, true))
			heads[i] = full_head(heads[i]);
	}
	for (size_t i = 0; i < n_logs; i++)
		if (!heads_find(heads, held, &logs[i]))
			heads[n++] = full_head((struct head){.id = logs[i]});
	heads_sort(heads, n);
	*io_heads = heads;
	*io_n = n;
}
