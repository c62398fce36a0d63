/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Restoring a backup into an empty folder. */
#include "appliance/app_priv.h"
#include "appliance/member/session.h"
#include "appliance/peers/peers.h"
#include "appliance/recovery/backup_priv.h"
#include "appliance/recovery/recovery.h"
#include "sync/peer/invite.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char old_magic[16] = "lliure-backup-1\n";
enum { PIECE = 65536 };

struct restoring {
	const struct restore *r;
	struct restore_done done;
	struct secret *key;
	struct app *app;
	struct sealed_in *in;
	uint64_t size; /* of the file */
	bool local, bundle;
	int bundle_fd;
	json_t *manifest;
};

static void say(struct restoring *x, uint64_t done)
{
	if (x->r->progress)
		x->r->progress(x->r->ctx, done, 2 * x->size);
}

/* --- looking ---------------------------------------------------------------------------------- */

static struct error *read_start(int fd, const char *name, uint8_t *out, size_t n, size_t *ret_n)
{
	for (*ret_n = 0; *ret_n < n;) {
		ssize_t got = pread(fd, out + *ret_n, n - *ret_n, (off_t)*ret_n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(errno, name);
		if (got == 0)
			break;
		*ret_n += (size_t)got;
	}
	return NULL;
}

struct error *backup_look(int fd, const char *name, struct backup_about *ret)
{
	struct backup_about about = {.scope = BACKUP_WHOLE};
	struct sealed_head h;
	uint8_t raw[SEALED_HEAD];
	size_t n;

	TRY(read_start(fd, name, raw, sizeof(raw), &n));
	if (n >= sizeof(old_magic) && !memcmp(raw, old_magic, sizeof(old_magic))) {
		about.old = true;
		*ret = about;
		return NULL;
	}
	TRY(sealed_head_parse(span_of(raw, n), name, &h));
	about.with = h.with;
	about.scope = h.scope == BACKUP_SMALL ? BACKUP_SMALL : BACKUP_WHOLE;
	about.box = h.box;
	about.made_ms = h.made_ms;
	*ret = about;
	return NULL;
}

/* --- parts ------------------------------------------------------------------------------------ */

static struct error *too_early(const struct restoring *x)
{
	return error_new(ERR_CORRUPT,
			 N_("%s is not a whole backup: it ends too early. Try another copy of it."),
			 x->r->name);
}

/* The rest of the part, to a file. */
static struct error *part_to_fd(struct restoring *x, int to, const char *name, uint64_t most)
{
	uint8_t piece[PIECE];
	uint64_t sum = 0;
	size_t n;

	for (;;) {
		TRY(sealed_read(x->in, piece, sizeof(piece), &n));
		if (!n)
			break;
		sum += n;
		ENSURE(!x->r->ending || !*x->r->ending,
		       error_new(ERR_STOPPED, N_("The box was stopped.")));
		ENSURE(sum <= most,
		       error_new(ERR_MALFORMED, N_("%s is not a backup of a box."), x->r->name));
		TRY(fd_write_all(to, (struct span){piece, n}, name));
		say(x, sealed_done(x->in));
	}
	return NULL;
}

static struct error *take_key(struct restoring *x)
{
	uint8_t *seed = guarded_new(33);
	size_t n = 0, got = 1;
	struct error *e = NULL;

	while (!e && got && n < 33) {
		e = sealed_read(x->in, seed + n, 33 - n, &got);
		n += e ? 0 : got;
	}
	if (!e && n == 32)
		x->key = secret_from_seed(seed);
	guarded_free(seed);
	TRY(e);
	ENSURE(x->key && pubkey_eq(secret_pubkey(x->key), &x->done.box),
	       error_new(ERR_MALFORMED, N_("%s is not a backup of a box."), x->r->name));
	return NULL;
}

static struct error *take_local(struct restoring *x)
{
	_cleanup_(freep) char *path = path_join(x->r->dir, "local.db");
	_cleanup_(closep) int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (to < 0)
		return file_error(errno, path);
	TRY(part_to_fd(x, to, path, BACKUP_LOCAL_MAX));
	if (fsync(to))
		return file_error(errno, path);
	x->local = true;
	return NULL;
}

static struct error *take_manifest(struct restoring *x)
{
	_cleanup_(buf_release) struct buf text = {0};
	size_t n = 1;

	while (n && text.n <= BACKUP_MANIFEST_MAX) {
		TRY(sealed_read(x->in, buf_reserve(&text, PIECE), PIECE, &n));
		text.n += n;
	}
	json_decref(x->manifest);
	x->manifest = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	return NULL;
}

static struct error *take_part(struct restoring *x, uint8_t part)
{
	switch (part) {
	case PART_KEY:
		return x->key ? NULL : take_key(x);
	case PART_LOCAL:
		return x->local ? NULL : take_local(x);
	case PART_BUNDLE:
		if (x->bundle)
			return NULL;
		TRY(file_nameless(x->r->dir, &x->bundle_fd));
		x->bundle = true;
		return part_to_fd(x, x->bundle_fd, x->r->dir, UINT64_MAX);
	case PART_MANIFEST:
		return take_manifest(x);
	default: /* a newer version's: passed over */
		return NULL;
	}
}

static struct error *take_parts(struct restoring *x)
{
	struct error *e;
	uint8_t part;

	TRY(sealed_open(x->r->fd, x->r->name, &x->r->key, &x->in));
	x->done.box = sealed_head(x->in)->box;
	x->done.made_ms = sealed_head(x->in)->made_ms;
	x->done.scope = sealed_head(x->in)->scope;
	do {
		e = sealed_next(x->in, &part);
		if (!e && part)
			e = take_part(x, part);
	} while (!e && part);
	/* With the key and local.db whole it is a box; the bundle counts as far as it came. */
	if (error_is(e, ERR_CORRUPT) && x->key && x->local && x->bundle) {
		x->done.damaged = e;
		return NULL;
	}
	TRY(e);
	return x->key && x->local ? NULL : too_early(x);
}

/* --- format 1 --------------------------------------------------------------------------------- */

static struct error *old_read(struct restoring *x, struct hash_state *h, void *out, size_t n)
{
	uint8_t *at = out;
	size_t have = 0;

	while (have < n) {
		ssize_t got = read(x->r->fd, at + have, n - have);

		if (got < 0 && errno == EINTR)
			continue;
		ENSURE(got > 0, too_early(x));
		have += (size_t)got;
	}
	if (h)
		hash_add(h, out, n);
	return NULL;
}

static struct error *old_local(struct restoring *x, struct hash_state *h)
{
	_cleanup_(freep) char *path = path_join(x->r->dir, "local.db");
	_cleanup_(closep) int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t length[8], piece[PIECE];
	uint64_t n = 0;

	if (to < 0)
		return file_error(errno, path);
	TRY(old_read(x, h, length, sizeof(length)));
	for (int i = 8; i-- > 0;)
		n = n << 8 | length[i];
	ENSURE(n < BACKUP_LOCAL_MAX, too_early(x));
	while (n) {
		size_t want = n < sizeof(piece) ? (size_t)n : sizeof(piece);

		TRY(old_read(x, h, piece, want));
		TRY(fd_write_all(to, (struct span){piece, want}, path));
		n -= want;
	}
	return fsync(to) ? file_error(errno, path) : NULL;
}

static struct error *take_old(struct restoring *x)
{
	uint8_t *seed = guarded_new(32), skipped[sizeof(old_magic)];
	struct hash want, have;
	struct hash_state h;
	struct error *e;

	hash_init(&h);
	e = old_read(x, &h, skipped, sizeof(skipped));
	if (!e)
		e = old_read(x, &h, seed, 32);
	if (!e)
		x->key = secret_from_seed(seed);
	guarded_free(seed);
	TRY(e);
	TRY(old_local(x, &h));
	have = hash_final(&h);
	TRY(old_read(x, NULL, want.b, sizeof(want.b)));
	ENSURE(hash_eq(&want, &have),
	       error_new(ERR_CORRUPT,
			 N_("%s is damaged: it does not match its own check. Try another copy of"
			    " it, or an older backup."),
			 x->r->name));
	x->done.box = *secret_pubkey(x->key);
	x->done.scope = BACKUP_WHOLE;
	x->local = x->bundle = true;
	x->bundle_fd = dup(x->r->fd);
	return x->bundle_fd < 0 ? file_error(errno, x->r->name) : NULL;
}

/* --- the box ---------------------------------------------------------------------------------- */

static struct error *intake_job(struct sync_writing *w, void *arg)
{
	return intake_run(w->log, arg);
}

static struct error *write_intake(void *ctx, struct intake *in)
{
	struct restoring *x = ctx;
	struct sync_host host = peers_host(x->app);

	ENSURE(!x->r->ending || !*x->r->ending, error_new(ERR_STOPPED, N_("The box was stopped.")));
	return host.write(host.ctx, intake_job, in);
}

static void bundle_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct restoring *x = ctx;

	say(x, x->size + (total ? done * x->size / total : 0));
}

static struct error *take_bundle(struct restoring *x)
{
	struct sync_report report = {0};
	struct error *e;

	/* Of format 1 the bundle begins where we are; ours lies in a file of its own. */
	if (x->in && lseek(x->bundle_fd, 0, SEEK_SET) < 0)
		return file_error(errno, x->r->name);
	e = bundle_import_fd(&(struct bundle_import){.self = x->app->self,
						     .blobs = x->app->blobs,
						     .ctx = x,
						     .write = write_intake,
						     .progress = bundle_progress},
			     x->bundle_fd, x->r->name, &report);
	x->done.entries = report.received;
	if (!error_is(e, ERR_MALFORMED) && !error_is(e, ERR_CORRUPT))
		return e;
	if (x->done.damaged)
		error_free(e);
	else
		x->done.damaged = e;
	return NULL;
}

static struct error *compare(struct restoring *x)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	enum manifest_match match;
	json_t *now;

	if (x->done.damaged)
		return NULL;
	TRY(app_conn(x->app, &c));
	TRY(manifest_make(x->app, c, &now));
	match = manifest_compare(x->manifest, now);
	json_decref(now);
	ENSURE(match != MANIFEST_DIFFERS, error_new(ERR_CORRUPT,
			       N_("What %s holds is not what the box held when it was made."),
			       x->r->name));
	x->done.compared = match == MANIFEST_SAME;
	return NULL;
}

static struct error *note_open(void *ctx, const struct invite *i)
{
	if (!i->used_ms)
		buf_add(ctx, &i->num, sizeof(i->num));
	return NULL;
}

/* What was ended or used since the backup was made is not known any more: nobody is signed in, no
 * program has a key, no invitation is good a second time, and which houses are still connected a
 * volunteer has to say. */
static struct error *forget_what_was_good_once(struct conn *c, void *arg)
{
	const struct restoring *x = arg;
	_cleanup_(buf_release) struct buf open = {0};

	TRY(session_end_everybodys(c));
	TRY(token_revoke_everybodys(c));
	TRY(restored_doubt(c, x->done.made_ms));
	TRY(invite_each(c->local, note_open, &open));
	for (size_t i = 0; i < open.n / sizeof(int64_t); i++)
		TRY(invite_remove(c->local, ((const int64_t *)(const void *)open.p)[i]));
	return NULL;
}

static struct error *make_box(struct restoring *x)
{
	_cleanup_(freep) char *path = path_join(x->r->dir, "key");
	_cleanup_(freep) char *local = path_join(x->r->dir, "local.db");
	uint8_t *seed = guarded_new(32);
	struct app_paths paths;
	struct sync_options o;
	struct error *e;

	secret_seed(x->key, seed);
	/* A passphrase, or none, proves nothing about who made the file. */
	e = db_vet(local);
	if (!e)
		e = app_open_with(x->r->dir, x->r->env, secret_from_seed(seed), &x->app);
	guarded_free(seed);
	TRY(e);
	TRY(writer_run(x->app->writer, forget_what_was_good_once, x));
	if (x->bundle)
		TRY(take_bundle(x));
	o = app_sync_options(x->app, &paths);
	TRY(sync_audit(&o));
	TRY(compare(x));
	if (x->r->made)
		TRY(x->r->made(x->r->ctx, x->app));
	return x->r->trial ? NULL : secret_save(path, x->key);
}

/* Format 1 is in clear and says itself whose box it is: anybody can make one. Whoever has a key asks
 * for the box of that key, and what a stick or a peer gives instead is not opened. */
static struct error *may_be_old(const struct restore *r, const struct backup_about *about)
{
	ENSURE(!about->old || (!r->key.box && !r->key.passphrase),
	       error_new(ERR_DENIED,
			 N_("%s is not sealed, so nothing proves whose backup it is. It is not used"
			    " where a sealed one is asked for."),
			 r->name));
	return NULL;
}

struct error *backup_restore(const struct restore *r, struct restore_done *ret)
{
	struct restoring x = {.r = r, .bundle_fd = -1};
	struct backup_about about;
	struct stat st;
	struct error *e;

	TRY(backup_look(r->fd, r->name, &about));
	TRY(may_be_old(r, &about));
	x.size = fstat(r->fd, &st) ? 0 : (uint64_t)st.st_size;
	e = about.old ? take_old(&x) : take_parts(&x);
	if (!e)
		e = make_box(&x);
	app_close(x.app);
	secret_free(x.key);
	sealed_in_free(x.in);
	json_decref(x.manifest);
	if (x.bundle_fd >= 0)
		close(x.bundle_fd);
	if (e) {
		error_free(x.done.damaged);
		return e;
	}
	*ret = x.done;
	return NULL;
}
