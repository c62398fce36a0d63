/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/library/library_priv.h"
#include <git2.h>

struct differ {
	diff_fn *fn;
	void *ctx;
	int lines;
	bool begun;
};

static int on_hunk(const git_diff_delta *delta, const git_diff_hunk *hunk, void *ctx)
{
	struct differ *d = ctx;

	if (d->begun || hunk->new_start > 1)
		d->fn(d->ctx, DIFF_SAME, "…", strlen("…"));
	d->begun = true;
	return 0;
}

static int on_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
		   const git_diff_line *line, void *ctx)
{
	struct differ *d = ctx;
	bool add = line->origin == GIT_DIFF_LINE_ADDITION,
	     del = line->origin == GIT_DIFF_LINE_DELETION;

	if (!add && !del && line->origin != GIT_DIFF_LINE_CONTEXT)
		return 0; /* about a missing newline at the end */
	if (d->lines++ >= DIFF_LINES)
		return 1;
	d->fn(d->ctx,
	      add   ? DIFF_ADD
	      : del ? DIFF_DEL
		    : DIFF_SAME,
	      line->content, line->content_len);
	return 0;
}

struct error *library_diff(const char *before, const char *after, diff_fn *fn, void *ctx)
{
	struct differ d = {.fn = fn, .ctx = ctx};
	git_diff_options o;
	int failed;

	git_libgit2_init();
	git_diff_options_init(&o, GIT_DIFF_OPTIONS_VERSION);
	o.flags = GIT_DIFF_FORCE_TEXT;
	o.context_lines = 3;
	failed = git_diff_buffers(before, strlen(before), "a", after, strlen(after), "b", &o, NULL,
				  NULL, on_hunk, on_line, &d);
	git_libgit2_shutdown();
	if (d.lines > DIFF_LINES) {
		fn(ctx, DIFF_SAME, "…", strlen("…"));
		return NULL;
	}
	ENSURE(!failed, error_new(ERR_INTERNAL, N_("The two versions could not be compared.")));
	return NULL;
}
