/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What takes most room here: by what lies on this disk. What ops say of sizes is their authors' word, and
 * most of what they name may be elsewhere. */
#include "appliance/files/files_priv.h"

/* Of the largest blobs some belong to nobody whom the conn sees (carried ones): so many times as many as are
 * asked for are looked at. */
enum { LOOKED_AT_TIMES = 20 };

struct weighed {
	struct hash blob;
	uint64_t size;
};

struct ranking {
	struct weighed *top; /* twice as many as are kept */
	size_t n, most;
};

static int by_size(const void *a, const void *b)
{
	const struct weighed *x = a, *y = b;
	int d = (x->size < y->size) - (x->size > y->size);

	return d ? d : memcmp(&x->blob, &y->blob, sizeof(x->blob));
}

static void rank(struct ranking *k)
{
	qsort(k->top, k->n, sizeof(*k->top), by_size);
	k->n = k->n < k->most ? k->n : k->most;
}

static struct error *weigh(void *ctx, const struct hash *blob, uint64_t size)
{
	struct ranking *k = ctx;

	k->top[k->n++] = (struct weighed){*blob, size};
	if (k->n == 2 * k->most)
		rank(k);
	return NULL;
}

static struct error *name_them(struct conn *c, struct arena *a, const struct ranking *k, size_t max,
			       file_fn *fn, void *ctx)
{
	for (size_t i = 0; i < k->n && max; i++) {
		struct file_version v;
		struct file f;
		bool found;

		TRY(file_of_blob(c, a, &k->top[i].blob, &f, &v, &found));
		if (!found)
			continue;
		v.stored = k->top[i].size;
		TRY(fn(ctx, &f, &v));
		max--;
	}
	return NULL;
}

struct error *file_largest(struct conn *c, struct arena *a, struct blob_store *blobs, size_t max,
			   file_fn *fn, void *ctx)
{
	struct ranking k = {.most = max * LOOKED_AT_TIMES};
	struct error *e;

	k.top = calloc(2 * k.most + 1, sizeof(*k.top));
	if (!k.top)
		abort();
	e = blob_each(blobs, weigh, &k);
	rank(&k);
	if (!e)
		e = name_them(c, a, &k, max, fn, ctx);
	free(k.top);
	return e;
}
