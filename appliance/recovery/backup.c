/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Writing a backup. */
#include "appliance/recovery/backup_priv.h"
#include "sync/replicate/heads.h"
#include "version.h" /* made by the Makefile */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { COPY = 65536, TRIES = 3 };

/* --- what is in it ---------------------------------------------------------------------------- */

struct digests {
	struct conn *c;
	json_t *list;
};

static struct error *add_digest(void *ctx, const struct space_info *s)
{
	struct digests *d = ctx;
	struct space_digest held;
	struct hash h;

	TRY(community_digest(d->c, &s->id, &h));
	TRY(heads_space_digest(d->c->log, &s->id, &held));
	json_array_append_new(d->list, json_pack("{s:s, s:s, s:s}", "id", ID(&s->id), "heads",
						 ID(&held.heads), "digest", ID(&h)));
	return NULL;
}

static bool same_field(const json_t *a, const json_t *b, const char *name)
{
	const json_t *x = json_object_get(a, name);

	return x && json_equal(x, json_object_get(b, name));
}

enum manifest_match manifest_compare(const json_t *was, const json_t *now)
{
	const json_t *then = json_object_get(was, "spaces"), *here = json_object_get(now, "spaces");
	bool same_version = same_field(was, now, "version");

	if (!json_is_array(then))
		return MANIFEST_UNSAID;
	if (json_array_size(then) != json_array_size(here))
		return MANIFEST_DIFFERS;
	for (size_t i = 0; i < json_array_size(then); i++) {
		const json_t *a = json_array_get(then, i), *b = json_array_get(here, i);

		if (!same_version && !json_object_get(a, "heads"))
			return MANIFEST_UNSAID;
		if (!same_field(a, b, "id") || !same_field(a, b, "heads") ||
		    (same_version && !same_field(a, b, "digest")))
			return MANIFEST_DIFFERS;
	}
	return MANIFEST_SAME;
}

struct error *manifest_make(struct app *app, struct conn *c, json_t **ret)
{
	struct digests d = {c, json_array()};
	struct error *e = app->writer ? writer_follow(app->writer) : NULL;

	if (!e)
		e = space_each(c, add_digest, &d);

	if (e) {
		json_decref(d.list);
		return e;
	}
	*ret = json_pack("{s:s, s:s, s:s, s:o}", "name", app->name, "key",
			 ID(secret_pubkey(app->self)), "version", LLIURE_VERSION, "spaces", d.list);
	return NULL;
}

/* --- parts ------------------------------------------------------------------------------------ */

static struct error *write_key(struct app *app, struct sealed_out *out)
{
	uint8_t *seed = guarded_new(32);
	struct error *e = sealed_begin(out, PART_KEY);

	secret_seed(app->self, seed);
	if (!e)
		e = sealed_write(out, seed, 32);
	guarded_free(seed);
	return e ? e : sealed_end(out, false);
}

static struct error *copy_in(struct sealed_out *out, int from, const char *name,
			     const _Atomic bool *ending)
{
	char piece[COPY];
	ssize_t got;

	while ((got = read(from, piece, sizeof(piece)))) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(errno, name);
		ENSURE(!*ending, error_new(ERR_STOPPED, N_("The box was stopped.")));
		TRY(sealed_write(out, piece, (size_t)got));
	}
	return NULL;
}

/* SQLite writes its copy under a name; it lives on as the open file, and is gone with it. */
static struct error *copy_local(struct app *app, struct conn *c, int *ret_fd)
{
	_cleanup_(freep) char *dir = path_join(app->dir, "backup.tmp");
	_cleanup_(buf_release) struct buf path = {0};
	uint64_t unique;
	struct error *e;
	int fd;

	TRY(dir_make(dir, 0700));
	crypto_random(&unique, sizeof(unique));
	buf_printf(&path, "%s/local-%016llx", dir, (unsigned long long)unique);
	e = db_backup(c->local, buf_str(&path));
	fd = e ? -1 : open(buf_str(&path), O_RDONLY | O_CLOEXEC);
	if (!e && fd < 0)
		e = file_error(errno, buf_str(&path));
	unlink(buf_str(&path));
	TRY(e);
	*ret_fd = fd;
	return NULL;
}

static struct error *write_local(struct app *app, struct conn *c, struct sealed_out *out)
{
	_cleanup_(closep) int fd = -1;

	TRY(copy_local(app, c, &fd));
	TRY(sealed_begin(out, PART_LOCAL));
	TRY(copy_in(out, fd, "local.db", &app->ending));
	return sealed_end(out, false);
}

/* A bundle is written to a file descriptor: through a pipe of ours, with a thread behind it that
 * seals. After a failure the thread goes on reading, so that the writer is not stuck. */
struct sealing {
	struct sealed_out *out;
	int from;
	const _Atomic bool *ending;
	struct error *err;
};

static void *seal_all(void *arg)
{
	struct sealing *s = arg;
	char rest[COPY];

	s->err = copy_in(s->out, s->from, "", s->ending);
	/* When the box ends the daemon hears no SIGPIPE: what is written then is refused at once.
	 */
	if (error_is(s->err, ERR_STOPPED)) {
		close(s->from);
		s->from = -1;
	}
	while (s->err && s->from >= 0 && read(s->from, rest, sizeof(rest)) > 0)
		;
	return NULL;
}

static struct error *write_bundle(struct app *app, struct conn *c, struct sealed_out *out,
				  struct bundle_totals *ret)
{
	struct sealing s = {.out = out, .ending = &app->ending};
	struct error *e;
	pthread_t thread;
	int ends[2];

	TRY(sealed_begin(out, PART_BUNDLE));
	if (pipe2(ends, O_CLOEXEC))
		return file_error(errno, app->dir);
	s.from = ends[0];
	if (pthread_create(&thread, NULL, seal_all, &s)) {
		close(ends[0]);
		close(ends[1]);
		return error_new(ERR_NOMEM, N_("The box has run out of memory."));
	}
	e = bundle_write(&(struct bundle_export){.log = c->log,
						 .blobs = app->blobs,
						 .env = app->env,
						 .name = app->name,
						 .closed_too = true},
			 ends[1], ret);
	close(ends[1]);
	pthread_join(thread, NULL);
	if (s.from >= 0)
		close(s.from);
	if (s.err) {
		error_free(e);
		return s.err;
	}
	TRY(e);
	return sealed_end(out, false);
}

static struct error *write_manifest(struct sealed_out *out, json_t *m)
{
	char *text = json_dumps(m, JSON_COMPACT);
	struct error *e;

	if (!text)
		abort();
	e = sealed_begin(out, PART_MANIFEST);
	if (!e)
		e = sealed_write(out, text, strlen(text));
	free(text);
	return e ? e : sealed_end(out, true);
}

/* Digests say what the bundle holds only if nothing was written while it was: else they are left
 * out, and what is restored is judged by its own hashes and signatures alone. */
static struct error *write_parts(struct app *app, enum backup_scope scope, struct sealed_out *out,
				 struct bundle_totals *ret)
{
	_cleanup_(conn_closep) struct conn *c = NULL, *after = NULL;
	json_t *m = NULL, *now = NULL;
	struct error *e;

	TRY(app_conn(app, &c));
	TRY(write_key(app, out));
	TRY(write_local(app, c, out));
	if (scope == BACKUP_SMALL) {
		m = json_object();
		e = write_manifest(out, m);
		json_decref(m);
		return e;
	}
	TRY(manifest_make(app, c, &m));
	e = write_bundle(app, c, out, ret);
	if (!e)
		e = app_conn(app, &after);
	if (!e)
		e = manifest_make(app, after, &now);
	if (!e && !json_equal(m, now))
		json_object_del(m, "spaces");
	if (!e)
		e = write_manifest(out, m);
	json_decref(m);
	json_decref(now);
	return e;
}

struct error *backup_write(struct app *app, enum backup_scope scope, struct sealed_key key, int fd,
			   const char *name, struct backup_made *ret)
{
	_cleanup_(sealed_out_freep) struct sealed_out *out = NULL;
	struct sealed_make m = {.fd = fd,
				.name = name,
				.key = key,
				.scope = (uint8_t)scope,
				.made_ms = env_now(app->env),
				.box = *secret_pubkey(app->self),
				.cost = app->password_cost};
	struct bundle_totals n = {0};
	off_t end;

	if (!m.key.box && !m.key.passphrase)
		m.key.box = app->self;
	TRY(sealed_create(&m, &out));
	TRY(write_parts(app, scope, out, &n));
	end = lseek(fd, 0, SEEK_CUR);
	*ret = (struct backup_made){n.entries, n.blobs, end > 0 ? (uint64_t)end : 0};
	return NULL;
}
