/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Files in the library's repository: what is small as it is, what lies beside the log as a pointer
 * of Git LFS, whose content library_lfs.c says where to fetch. Only the newest version of each file
 * that this box saw is there; older ones are on the file's page.
 *
 * A page's name ends in .md and a file's does not, so they differ; what would be a file and a
 * folder at once, or is claimed twice, gets the id behind its name, and what still has no place has
 * none here.
 */
#include "appliance/library/library_git_priv.h"

struct placed {
	struct file file;
	struct file_version version;
	const char *address; /* NULL: it has no place */
};
struct placing {
	struct repo *r;
	struct buf all; /* struct placed */
};

static struct error *keep_file(void *ctx, const struct file *f, const struct file_version *v)
{
	struct placing *k = ctx;
	struct placed p = {*f, *v, NULL};

	if (!v->erased)
		buf_add(&k->all, &p, sizeof(p));
	return NULL;
}

/* --- where it lies ---------------------------------------------------------------------------- */

static bool is_free(struct repo *r, git_index *want, const char *path)
{
	const char *slash = path;
	size_t pos;

	if (git_index_get_bypath(want, path, 0) ||
	    git_index_find_prefix(&pos, want, arena_printf(r->arena, "%s/", path)) == 0)
		return false;
	while ((slash = strchr(slash, '/'))) {
		const char *above = arena_strn(r->arena, path, (size_t)(slash - path));

		if (git_index_get_bypath(want, above, 0))
			return false;
		slash++;
	}
	return true;
}

static const char *address_of(struct repo *r, git_index *want, const struct placed *p)
{
	const char *slash = strrchr(p->file.path, '/');
	size_t n = slash ? (size_t)(slash + 1 - p->file.path) : 0;
	const char *folder = arena_strn(r->arena, p->file.path, n);
	const char *path = arena_printf(r->arena, "%s%s", folder,
					file_name(r->arena, &p->version));

	if (is_free(r, want, path))
		return path;
	path = arena_printf(r->arena, "%s~%s", path, ID_SHORT(&p->file.id));
	return is_free(r, want, path) ? path : NULL;
}

/* --- what lies there -------------------------------------------------------------------------- */

static struct error *content_of(struct repo *r, struct arena *a, const struct file_version *v,
				struct span *ret)
{
	char hex[2 * sizeof(v->sha256.b) + 1];
	const char *text;

	if (v->inside)
		return file_content(r->c, a, v, ret);
	for (size_t i = 0; i < sizeof(v->sha256.b); i++)
		snprintf(hex + 2 * i, 3, "%02x", v->sha256.b[i]);
	text = arena_printf(a,
			    "version https://git-lfs.github.com/spec/v1\n"
			    "oid sha256:%s\nsize %llu\n",
			    hex, (unsigned long long)v->size);
	*ret = span_str(text);
	return NULL;
}

/* Which of them are pointers. The names need no quoting: path.h. */
static struct error *put_attributes(struct repo *r, git_index *want, const struct placed *all,
				    size_t n)
{
	_cleanup_(buf_release) struct buf b = {0};

	for (size_t i = 0; i < n; i++)
		if (all[i].address && !all[i].version.inside)
			buf_printf(&b, "/%s filter=lfs diff=lfs merge=lfs -text\n", all[i].address);
	if (!b.n)
		return NULL;
	TRY(repo_put(r, want, ".gitattributes", buf_span(&b)));
	return repo_put(r, r->index, ".gitattributes", buf_span(&b));
}

/* In an arena of its own: a library's small files together are no small thing. */
static struct error *put_content(struct repo *r, git_index *index, const struct placed *p)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct span content;

	TRY(content_of(r, &a, &p->version, &content));
	return repo_put(r, index, p->address, content);
}

static struct error *commit_file(struct repo *r, const struct placed *p)
{
	const struct file_version *v = &p->version;
	git_signature *who;
	git_oid tree;
	struct error *e;

	TRY(put_content(r, r->index, p));
	GIT(git_index_write_tree_to(&tree, r->index, r->git));
	TRY(repo_signature(r, &v->author, v->time, &who));
	e = repo_commit(r, &tree, who,
			arena_printf(r->arena, "%s\n\nFile: %s\n", *v->note ? v->note : v->title,
				     ID(&v->id)));
	git_signature_free(who);
	return e;
}

static struct error *put_all(struct repo *r, git_index *want, struct placed *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		all[i].address = address_of(r, want, &all[i]);
		if (all[i].address)
			TRY(put_content(r, want, &all[i]));
	}
	TRY(put_attributes(r, want, all, n));
	for (size_t i = 0; i < n; i++)
		if (all[i].address && !named_has(&r->files, &all[i].version.id))
			TRY(commit_file(r, &all[i]));
	return NULL;
}

struct error *repo_files(struct repo *r, git_index *want)
{
	struct placing k = {.r = r};
	struct error *e = file_each(r->c, r->arena, &r->space, keep_file, &k);

	if (!e)
		e = put_all(r, want, (struct placed *)(void *)k.all.p,
			    k.all.n / sizeof(struct placed));
	buf_release(&k.all);
	return e;
}

/* --- which are in ----------------------------------------------------------------------------- */

void repo_note_file(struct repo *r, const char *message)
{
	static const char word[] = "\nFile: ";
	const char *at = strstr(message, word);
	struct hash id;

	if (!at)
		return;
	at += sizeof(word) - 1;
	if (id_parse(arena_strn(r->arena, at, strnlen(at, BASE32_KEY_LEN)), &id))
		named_add(&r->files, &id);
}

struct error *repo_files_unwanted(struct repo *r, bool *ret)
{
	*ret = false;
	for (size_t i = 0; !*ret && i < r->files.n; i++) {
		bool lives;

		TRY(file_version_lives(r->c, &r->files.ids[i], &lives));
		*ret = !lives;
	}
	return NULL;
}
