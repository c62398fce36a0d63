/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `git clone http://…/git/SPACE.git` asks for (gitprotocol-http, "dumb clients"): plain files
 * of the repository, whose names are checked against the few that there are. */
#include "appliance/library/library_pages.h"

enum { GIT_FILE = 16 * 1024 * 1024 };

static bool hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") == n;
}

/* objects/xx/ and 38 digits */
static bool object_name(const char *name)
{
	static const char start[] = "objects/";
	size_t n = sizeof(start) - 1;

	return !strncmp(name, start, n) && hex(name + n, 2) && name[n + 2] == '/' &&
	       hex(name + n + 3, 38) && !name[n + 3 + 38];
}

/* libgit2 keeps the one reference as a file; the list of references is made from it. */
static struct error *refs(const char *repo, struct buf *b)
{
	_cleanup_(freep) char *path = path_join(repo, "refs/heads/main");
	_cleanup_(buf_release) struct buf ref = {0};
	struct error *e = file_read(path, 100, &ref);

	if (error_is(e, ERR_NOT_FOUND)) { /* nothing was written yet */
		error_free(e);
		return NULL;
	}
	TRY(e);
	buf_printf(b, "%.40s\trefs/heads/main\n", buf_str(&ref));
	return NULL;
}

struct error *library_git_file(const char *dir, const struct hash *space, const char *name,
			       struct buf *b)
{
	_cleanup_(freep) char *path = NULL;
	char repo[4300];
	struct error *e;

	snprintf(repo, sizeof(repo), "%s/git/%s.git", dir, ID(space));
	path = path_join(repo, name);
	if (!strcmp(name, "info/refs"))
		return refs(repo, b);
	if (!strcmp(name, "HEAD")) {
		buf_puts(b, "ref: refs/heads/main\n");
		return NULL;
	}
	e = object_name(name)
		    ? file_read(path, GIT_FILE, b)
		    : error_new(ERR_NOT_FOUND, N_("There is no such file in this repository."));
	if (error_is(e, ERR_NOT_FOUND))
		error_replace(&e, error_new(ERR_NOT_FOUND,
					    N_("There is no such file in this repository.")));
	return e;
}

struct error *library_repo_space(struct request *r, struct space_info *ret)
{
	const char *repo = request_param(r, "repo");
	size_t n = strlen(repo);
	struct hash id;

	ENSURE(n > 4 && !strcmp(repo + n - 4, ".git"),
	       error_new(ERR_NOT_FOUND, N_("There is no repository at this address.")));
	repo = arena_strn(request_arena(r), repo, n - 4);
	return id_parse(repo, &id) ? space_get(request_conn(r), &id, ret)
				   : space_by_short(request_conn(r), repo, ret);
}

static struct error *git_file(struct request *r)
{
	const char *name = request_param(r, "path");
	struct buf b = {0};
	struct space_info s;
	struct error *e;

	TRY(library_repo_space(r, &s));
	e = library_git_file(request_app(r)->dir, &s.id, name, &b);
	if (!e)
		e = respond_bytes(r, 200,
				  object_name(name) ? "application/x-git-loose-object"
						    : "text/plain; charset=utf-8",
				  buf_span(&b));
	buf_release(&b);
	return e;
}

const struct route library_clone_routes[] = {
	{"GET", "/git/:repo/*path", git_file, 0},
	{0},
};
