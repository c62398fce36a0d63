/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A file of topics: it is read to its end, and what is accepted keeps the promises of the header.
 */
#include "tests/fuzz/fuzz.h"
#include "appliance/import/discourse.h"
#include "sync/base/limits.h"

static void check_topic(const struct discourse_topic *t)
{
	FUZZ_CHECK(*t->title && strlen(t->title) <= LIMIT_TITLE && *t->key);
	for (size_t i = 0; i < t->posts_n; i++) {
		const struct discourse_post *p = &t->posts[i];

		FUZZ_CHECK(p->number > (i ? t->posts[i - 1].number : 0));
		FUZZ_CHECK(*p->username && strlen(p->username) <= LIMIT_NAME && p->name);
		FUZZ_CHECK(p->cooked.p[p->cooked.n] == 0 && p->reply_to >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(fclosep) FILE *f = size ? fmemopen((void *)data, size, "r") : NULL;
	_cleanup_(discourse_reader_freep) struct discourse_reader *r = NULL;
	bool more = true;

	if (!f || discourse_reader_new(f, &r))
		return 0;
	for (size_t i = 0; more; i++) {
		struct arena a = {0};
		struct discourse_topic *t = NULL;
		struct error *e = discourse_next(r, &a, &t);

		FUZZ_CHECK(i <= size);
		if (t)
			check_topic(t);
		more = e || t;
		error_free(e);
		arena_release(&a);
	}
	return 0;
}
