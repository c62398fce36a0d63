/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Two versions of a page, a line with "=" between them: they are compared within the bound, and the
 * lines that are shown of each are lines of it. */
#include "appliance/library/library_priv.h"
#include "sync/base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include <git2.h>
#include <string.h>

struct seen {
	const char *before, *after;
	size_t lines, changes;
};

static void line(void *ctx, enum diff_kind kind, const char *text, size_t n)
{
	struct seen *s = ctx;
	const char *of = kind == DIFF_ADD ? s->after : s->before;

	s->lines++;
	s->changes += kind != DIFF_SAME;
	if (kind != DIFF_SAME)
		FUZZ_CHECK(memmem(of, strlen(of), text, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *before = strndup((const char *)data, size);
	struct seen s = {.before = before};
	char *middle = before ? strstr(before, "\n=\n") : NULL;
	static int ready;
	struct error *e;

	if (!ready)
		ready = git_libgit2_init(); /* and not once for each input */
	if (!middle)
		return 0;
	middle[1] = 0;
	s.after = middle + 3;
	e = library_diff(s.before, s.after, line, &s);
	FUZZ_CHECK(!e);
	FUZZ_CHECK((s.changes == 0) == !strcmp(s.before, s.after));
	FUZZ_CHECK(s.lines <= 2 * DIFF_LINES + 2);
	return 0;
}
