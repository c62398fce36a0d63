/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "appliance/library/library_priv.h"
#include <git2.h>

struct error *library_diff(const char *before, const char *after, diff_fn *fn, void *ctx)
{
	git_diff_options o = GIT_DIFF_OPTIONS_INIT;
	git_patch *patch = NULL;
	int failed;

	o.context_lines = 1000000; /* the whole text */
	git_libgit2_init();
	failed = git_patch_from_buffers(&patch, before, strlen(before), "a", after, strlen(after),
					"b", &o);
	for (size_t h = 0; !failed && h < git_patch_num_hunks(patch); h++) {
		int lines = git_patch_num_lines_in_hunk(patch, h);

		for (int i = 0; i < lines; i++) {
			const git_diff_line *l;

			if (git_patch_get_line_in_hunk(&l, patch, h, (size_t)i))
				continue;
			if (l->origin == GIT_DIFF_LINE_CONTEXT)
				fn(ctx, DIFF_SAME, l->content, l->content_len);
			else if (l->origin == GIT_DIFF_LINE_ADDITION)
				fn(ctx, DIFF_ADD, l->content, l->content_len);
			else if (l->origin == GIT_DIFF_LINE_DELETION)
				fn(ctx, DIFF_DEL, l->content, l->content_len);
		}
	}
	git_patch_free(patch);
	git_libgit2_shutdown();
	ENSURE(!failed, error_new(ERR_INTERNAL, N_("The two versions could not be compared.")));
	return NULL;
}
