/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Each library as a bare git repository, DATA/git/SPACE.git: a view for people and programs that
 * speak git.
 *
 * Append-only: branch main has one commit a revision, in the order in which this box learned of
 * them, authored by the member, then one for each newest version of a file that is in none yet
 * (library_git_files.c); a last commit by the box follows where the tree would otherwise differ
 * from the library as it is now (two heads, a hidden page, a path that two claim). So histories
 * differ between boxes, the newest trees do not. Which are in is read from the commits themselves
 * ("Revision: ID", "File: ID"), so the folder can be deleted at any time and is made again: also by
 * us, when one of them was erased (its words must go, and they are in every later tree's history),
 * or when something in the folder does not read.
 *
 * libgit2 only writes here: the names obey path.h, the repository is ours alone, and nothing of it
 * is believed but the list of revisions. A lock left by a kill is removed: one process holds the
 * data folder.
 */
#include "appliance/app.h"
#include "appliance/library/library_git_priv.h"
#include "sync/base/poked.h"

enum { BATCH = 200 };

struct error *git_failed(const char *what)
{
	const git_error *e = git_error_last();

	return error_new(
		ERR_IO,
		N_("The library's repository could not be written (%s: %s). It is made anew at"
		   " the next change."),
		what, e && e->message ? e->message : "?");
}

/* --- which revisions are in ------------------------------------------------------------------- */

static int compare_hashes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct hash));
}

void named_add(struct named *k, const struct hash *id)
{
	if (k->n == k->cap) {
		k->cap = k->cap ? 2 * k->cap : 64;
		k->ids = realloc(k->ids, k->cap * sizeof(*k->ids));
		if (!k->ids)
			abort();
	}
	k->ids[k->n++] = *id;
}

void named_sort(struct named *k)
{
	if (k->n)
		qsort(k->ids, k->n, sizeof(*k->ids), compare_hashes);
}

bool named_has(const struct named *k, const struct hash *id)
{
	return k->n && bsearch(id, k->ids, k->n, sizeof(*id), compare_hashes);
}

static void remember_commit(struct repo *r, const git_oid *oid)
{
	git_commit *commit;
	const char *at;
	struct hash id;

	if (git_commit_lookup(&commit, r->git, oid))
		return;
	at = strstr(git_commit_message(commit), "\nRevision: ");
	if (at && id_parse(arena_strn(r->arena, at + 11, strnlen(at + 11, BASE32_KEY_LEN)), &id))
		named_add(&r->revisions, &id);
	repo_note_file(r, git_commit_message(commit));
	git_commit_free(commit);
}

static struct error *read_known(struct repo *r)
{
	git_revwalk *walk;
	git_oid oid;

	if (git_reference_name_to_id(&r->main, r->git, "refs/heads/main"))
		return NULL;
	r->has_main = true;
	GIT(git_revwalk_new(&walk, r->git));
	if (!git_revwalk_push(walk, &r->main))
		while (!git_revwalk_next(&oid, walk))
			remember_commit(r, &oid);
	git_revwalk_free(walk);
	named_sort(&r->revisions);
	named_sort(&r->files);
	return NULL;
}

/* --- trees and commits ------------------------------------------------------------------------ */

struct error *repo_put(struct repo *r, git_index *index, const char *path, struct span content)
{
	git_index_entry entry = {.mode = GIT_FILEMODE_BLOB, .path = path};

	GIT(git_blob_create_from_buffer(&entry.id, r->git, content.p ? (const char *)content.p : "",
					content.n));
	GIT(git_index_add(index, &entry));
	return NULL;
}

static struct error *put_page(struct repo *r, git_index *index, const char *address,
			      const char *text)
{
	return repo_put(r, index, arena_printf(r->arena, "%s.md", address), span_str(text));
}

struct error *repo_commit(struct repo *r, const git_oid *tree_id, const git_signature *who,
			  const char *message)
{
	git_tree *tree;
	git_commit *parent = NULL;
	int failed;

	GIT(git_tree_lookup(&tree, r->git, tree_id));
	failed = r->has_main && git_commit_lookup(&parent, r->git, &r->main);
	if (!failed)
		failed = git_commit_create(&r->main, r->git, "refs/heads/main", who, who, "UTF-8",
					   message, tree, parent ? 1 : 0,
					   (const git_commit **)&parent);
	git_commit_free(parent);
	git_tree_free(tree);
	GIT(failed);
	r->has_main = true;
	return NULL;
}

/* Names for git: no angle brackets or line ends; the address is the key, which is no mailbox. */
struct error *repo_signature(struct repo *r, const struct pubkey *key, int64_t time_ms,
			     git_signature **ret)
{
	char name[LIMIT_NAME + 1], mail[32];
	struct member m;
	struct error *e = member_get(r->c, &r->space, key, &m);
	int64_t seconds = time_ms < 0 ? 0 : time_ms / 1000;

	snprintf(name, sizeof(name), "%s", e ? ID_SHORT(key) : m.name);
	error_free(e);
	for (char *s = name; *s; s++)
		if (*s == '<' || *s == '>' || *s == '\n')
			*s = '_';
	snprintf(mail, sizeof(mail), "%.8s@lliure.invalid", ID(key));
	if (seconds > 4102444800) /* 2100: git's own tools stumble over far futures */
		seconds = 4102444800;
	GIT(git_signature_new(ret, *name ? name : "?", mail, seconds, 0));
	return NULL;
}

static struct error *add_commit(struct repo *r, const struct library_change *ch)
{
	const struct revision *v = &ch->revision;
	git_signature *who;
	git_oid tree;
	struct error *e;

	TRY(put_page(r, r->index, v->path, v->text));
	GIT(git_index_write_tree_to(&tree, r->index, r->git));
	TRY(repo_signature(r, &v->author, v->time, &who));
	e = repo_commit(r, &tree, who,
			arena_printf(r->arena, "%s\n\nRevision: %s\n",
				     *v->note ? v->note : v->title, ID(&v->id)));
	git_signature_free(who);
	return e;
}

static struct error *on_change(void *ctx, const struct library_change *ch)
{
	struct repo *r = ctx;

	r->seen = ch->revision.num;
	r->batch++;
	if (ch->revision.erased)
		return NULL;
	if (named_has(&r->revisions, &ch->revision.id)) {
		r->matched++;
		return NULL;
	}
	return add_commit(r, ch);
}

/* --- the library as it is now ----------------------------------------------------------------- */

struct newest {
	const char *text;
};

static struct error *keep_newest(void *ctx, const struct revision *v)
{
	struct newest *n = ctx;

	if (!n->text)
		n->text = v->text;
	return NULL;
}

struct doc_list {
	struct doc *docs;
	size_t n, cap;
};

static struct error *keep_doc(void *ctx, const struct doc *d)
{
	struct doc_list *l = ctx;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->docs = realloc(l->docs, l->cap * sizeof(*l->docs));
		if (!l->docs)
			abort();
	}
	l->docs[l->n++] = *d;
	return NULL;
}

static struct error *put_pages(struct repo *r, git_index *want, const struct doc_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct newest n = {NULL};

		TRY(revision_each(r->c, r->arena, &l->docs[i], true, keep_newest, &n));
		if (n.text)
			TRY(put_page(r, want, doc_address(r->arena, &l->docs[i]), n.text));
	}
	return NULL;
}

/* A last commit where the tree is not yet what the library is. */
static struct error *commit_rest(struct repo *r, git_index *want)
{
	git_commit *newest;
	git_signature *who;
	git_oid tree;
	struct error *e;
	bool same;

	if (!r->has_main)
		return NULL;
	GIT(git_index_write_tree_to(&tree, want, r->git));
	GIT(git_commit_lookup(&newest, r->git, &r->main));
	same = git_oid_equal(git_commit_tree_id(newest), &tree);
	git_commit_free(newest);
	if (same)
		return NULL;
	GIT(git_signature_new(&who, "lliure", "box@lliure.invalid", env_now(r->c->env) / 1000, 0));
	e = repo_commit(r, &tree, who, "The library as it is\n");
	git_signature_free(who);
	return e;
}

static struct error *settle(struct repo *r)
{
	struct doc_list l = {NULL, 0, 0};
	git_index *want = NULL;
	struct error *e;

	GIT(git_index_new(&want));
	e = doc_each(r->c, r->arena, &r->space, keep_doc, &l);
	if (!e)
		e = put_pages(r, want, &l);
	free(l.docs);
	if (!e)
		e = repo_files(r, want);
	if (!e)
		e = commit_rest(r, want);
	git_index_free(want);
	return e;
}

/* --- opening ---------------------------------------------------------------------------------- */

static struct error *open_repo(struct repo *r, const char *path)
{
	git_repository_init_options o = GIT_REPOSITORY_INIT_OPTIONS_INIT;
	_cleanup_(freep) char *lock = path_join(path, "refs/heads/main.lock");

	unlink(lock);
	if (git_repository_open_bare(&r->git, path)) {
		TRY(dir_remove(path));
		o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH |
			  GIT_REPOSITORY_INIT_NO_REINIT;
		o.initial_head = "main";
		GIT(git_repository_init_ext(&r->git, path, &o));
	}
	GIT(git_index_new(&r->index));
	return NULL;
}

/* The index begins as the newest commit's tree. */
static struct error *read_index(struct repo *r)
{
	git_commit *newest;
	git_tree *tree;
	int failed;

	if (!r->has_main)
		return NULL;
	GIT(git_commit_lookup(&newest, r->git, &r->main));
	failed = git_commit_tree(&tree, newest);
	git_commit_free(newest);
	GIT(failed);
	failed = git_index_read_tree(r->index, tree);
	git_tree_free(tree);
	GIT(failed);
	return NULL;
}

/* *ret_unwanted: a revision is in that is not there any more. */
static struct error *update(struct repo *r, const char *path, bool *ret_unwanted)
{
	struct arena arena = {0};
	struct error *e;

	TRY(open_repo(r, path));
	r->arena = &arena;
	e = read_known(r);
	if (!e)
		e = read_index(r);
	do {
		r->batch = 0;
		if (!e)
			e = library_since(r->c, &arena, &r->space, r->seen, BATCH, on_change, r);
		arena_release(&arena);
	} while (!e && r->batch == BATCH);
	*ret_unwanted = r->matched < r->revisions.n;
	if (!e && !*ret_unwanted)
		e = repo_files_unwanted(r, ret_unwanted);
	if (!e && !*ret_unwanted)
		e = settle(r);
	arena_release(&arena);
	return e;
}

static struct error *update_once(struct conn *c, const char *path, const struct hash *space,
				 bool *ret_unwanted)
{
	struct repo r = {.c = c, .space = *space};
	struct error *e;

	TRY(db_begin_read(c->view)); /* one moment: what is written meanwhile is for the next time */
	e = update(&r, path, ret_unwanted);
	db_rollback(c->view);
	git_index_free(r.index);
	git_repository_free(r.git);
	free(r.revisions.ids);
	free(r.files.ids);
	return e;
}

struct error *library_git_update(struct conn *c, const char *dir, const struct hash *space)
{
	bool unwanted = false;
	char path[4300];
	struct error *e;

	snprintf(path, sizeof(path), "%s/git/%s.git", dir, ID(space));
	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	e = update_once(c, path, space, &unwanted);
	if (unwanted || error_is(e, ERR_IO)) {
		error_free(e);
		e = dir_remove(path);
		if (!e)
			e = update_once(c, path, space, &unwanted);
	}
	git_libgit2_shutdown();
	return e;
}

/* --- the thread that follows ------------------------------------------------------------------ */

struct library_git {
	struct app *app;
	struct poked poked;
	bool failed;
	/* of the view when the repositories were last brought up to date */
	struct stamps {
		struct library_stamp pages;
		struct files_stamp files;
	} stamp;
};

struct spaces {
	struct hash id[LIMIT_SPACES];
	size_t n;
};

static struct error *keep_space(void *ctx, const struct space_info *s)
{
	struct spaces *all = ctx;

	if (all->n < LIMIT_SPACES)
		all->id[all->n++] = s->id;
	return NULL;
}

static void note_fault(struct library_git *g, struct error *take_e)
{
	if (take_e) {
		g->failed = true;
		memset(&g->stamp, 0, sizeof(g->stamp)); /* tried again at the next poke */
	}
	error_free(take_e);
}

/* Faults are not told to anyone: the repository is a view, and the next change tries again. */
static void update_all(struct library_git *g, struct conn *c)
{
	struct spaces *all = calloc(1, sizeof(*all));
	struct stamps now = {.pages = {0}};

	error_free(library_stamp(c, &now.pages));
	error_free(files_stamp(c, &now.files));
	if (!all || !memcmp(&now, &g->stamp, sizeof(now))) {
		free(all);
		return;
	}
	g->stamp = now;
	g->failed = false;
	error_free(space_each(c, keep_space, all));
	for (size_t i = 0; i < all->n && !poked_stops(&g->poked); i++)
		note_fault(g, library_git_update(c, g->app->dir, &all->id[i]));
	free(all);
}

static void *git_thread(void *arg)
{
	struct library_git *g = arg;
	struct conn *c = NULL;

	error_free(app_conn(g->app, &c));
	while (c && poked_wait(&g->poked, -1, 0)) {
		update_all(g, c);
		poked_rest(&g->poked, 200); /* a burst of commits is followed once */
	}
	conn_close(c);
	return NULL;
}

struct error *library_git_start(struct app *app, struct library_git **ret)
{
	struct library_git *g = calloc(1, sizeof(*g));

	ENSURE(g, error_new(ERR_NOMEM, N_("The box has run out of memory.")));
	g->app = app;
	poked_init(&g->poked, true);
	if (!poked_start(&g->poked, git_thread, g)) {
		library_git_stop(g);
		return error_new(ERR_NOMEM, N_("The box has run out of threads."));
	}
	*ret = g;
	return NULL;
}

void library_git_poke(struct library_git *g)
{
	poked_poke(&g->poked);
}

bool library_git_settled(struct library_git *g)
{
	bool settled, failed;

	pthread_mutex_lock(&g->poked.lock);
	failed = g->failed;
	settled = !g->poked.poked && !g->poked.busy && !failed;
	pthread_mutex_unlock(&g->poked.lock);
	if (failed) /* a disk that was full, perhaps */
		poked_poke(&g->poked);
	return settled;
}

void library_git_stop(struct library_git *g)
{
	if (!g)
		return;
	poked_stop(&g->poked);
	poked_free(&g->poked);
	free(g);
}
