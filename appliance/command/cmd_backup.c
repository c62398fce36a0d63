/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A backup is one file: everything that a box can't get back from its peers, and everything else
 *too.
 *
 *	"lliure-backup-1\n"
 *	32 bytes      the box's key (seed)
 *	8 bytes       length of the next part, little-endian
 *	local.db      accounts, settings, peers, held posts: SQLite's own copy of it
 *	32 bytes      BLAKE2b-256 of all of the above
 *	the rest      a bundle (PROTOCOL.md section 5): every entry and blob that the box carries
 *
 * It holds the key and is not sealed: keep it as safe as the box. Restoring gives a box that begins
 *a new incarnation, because its data folder is a new one, so an old backup never makes a fork.
 */
#include "appliance/command/cmd.h"
#include "appliance/app_priv.h"
#include "appliance/command/new_box.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char magic[16] = "lliure-backup-1\n";
enum { KEY_BYTES = 32, COPY_PIECE = 65536 };
#define LOCAL_MAX (1ULL << 32)

struct part {
	int fd;
	const char *name; /* of the file, for people */
	struct hash_state hash;
};

static struct error *part_write(struct part *p, const void *bytes, size_t n)
{
	const char *at = bytes;

	hash_add(&p->hash, bytes, n);
	while (n) {
		ssize_t done = write(p->fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return file_error(done < 0 ? errno : EIO, p->name);
		at += done;
		n -= (size_t)done;
	}
	return NULL;
}

static struct error *part_read(struct part *p, void *bytes, size_t n)
{
	char *to = bytes;
	size_t at = 0;

	while (at < n) {
		ssize_t got = read(p->fd, to + at, n - at);

		if (got < 0 && errno == EINTR)
			continue;
		ENSURE(got > 0,
		       error_new(ERR_MALFORMED,
				 N_("%s is not a whole backup: it ends too early. Try another"
				    " copy of it."),
				 p->name));
		at += (size_t)got;
	}
	hash_add(&p->hash, bytes, n);
	return NULL;
}

/* Copy n bytes from one file to another, hashing on the way through the part's side. */
static struct error *copy_out(struct part *p, int from, uint64_t n, const char *from_name)
{
	char piece[COPY_PIECE];

	while (n) {
		ssize_t got = read(from, piece, n < sizeof(piece) ? (size_t)n : sizeof(piece));

		if (got <= 0)
			return file_error(got < 0 ? errno : EIO, from_name);
		TRY(part_write(p, piece, (size_t)got));
		n -= (uint64_t)got;
	}
	return NULL;
}

static struct error *copy_in(struct part *p, const char *to_name, uint64_t n)
{
	_cleanup_(closep) int to = open(to_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct part out = {.fd = to, .name = to_name};
	char piece[COPY_PIECE];

	if (to < 0)
		return file_error(errno, to_name);
	hash_init(&out.hash);
	while (n) {
		size_t want = n < sizeof(piece) ? (size_t)n : sizeof(piece);

		TRY(part_read(p, piece, want));
		TRY(part_write(&out, piece, want));
		n -= want;
	}
	if (fsync(to))
		return file_error(errno, to_name);
	return NULL;
}

/* --- backup ----------------------------------------------------------------------------------- */

static struct error *write_local(struct part *p, struct app *app, struct conn *c)
{
	_cleanup_(freep) char *copy = path_join(app->dir, "backup.tmp");
	_cleanup_(closep) int fd = -1;
	struct error *e;
	struct stat st;
	uint8_t length[8];

	unlink(copy);
	e = db_backup(c->local, copy);
	fd = e ? -1 : open(copy, O_RDONLY | O_CLOEXEC);
	unlink(copy); /* it lives on as the open file, and is gone with it */
	TRY(e);
	if (fd < 0 || fstat(fd, &st))
		return file_error(errno, copy);
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)st.st_size >> (8 * i));
	TRY(part_write(p, length, sizeof(length)));
	return copy_out(p, fd, (uint64_t)st.st_size, copy);
}

static struct error *write_head(struct part *p, struct app *app, struct conn *c)
{
	uint8_t seed[KEY_BYTES];
	struct error *e;
	struct hash h;

	hash_init(&p->hash);
	TRY(part_write(p, magic, sizeof(magic)));
	secret_seed(app->self, seed);
	e = part_write(p, seed, sizeof(seed));
	crypto_wipe(seed, sizeof(seed));
	TRY(e);
	TRY(write_local(p, app, c));
	h = hash_final(&p->hash);
	hash_init(&p->hash);
	return part_write(p, h.b, sizeof(h.b));
}

struct error *cmd_backup(struct command_run *run)
{
	_cleanup_(conn_closep) struct conn *c = NULL;
	struct part p = {.fd = run->arg_fds[0], .name = run->args[0]};
	struct bundle_totals n;

	TRY(app_conn(run->app, &c));
	TRY(write_head(&p, run->app, c));
	TRY(bundle_write(&(struct bundle_export){.log = c->log,
						 .blobs = run->app->blobs,
						 .env = run->app->env,
						 .name = run->app->name},
			 p.fd, &n));
	fprintf(run->out,
		"Backed up %llu entries and %llu files. The file holds this box's key:"
		" keep it as safe as the box.\n",
		(unsigned long long)n.entries, (unsigned long long)n.blobs);
	return NULL;
}

/* --- restore ---------------------------------------------------------------------------------- */

static struct error *read_head(struct part *p, const char *dir, struct secret **ret_key)
{
	_cleanup_(secret_freep) struct secret *key = NULL;
	_cleanup_(freep) char *local = path_join(dir, "local.db");
	uint8_t seed[KEY_BYTES], length[8], is_magic[sizeof(magic)];
	struct hash want, have;
	uint64_t n = 0;

	hash_init(&p->hash);
	TRY(part_read(p, is_magic, sizeof(magic)));
	ENSURE(!memcmp(is_magic, magic, sizeof(magic)),
	       error_new(ERR_MALFORMED, N_("%s is not a backup of a box."), p->name));
	TRY(part_read(p, seed, sizeof(seed)));
	key = secret_from_seed(seed);
	crypto_wipe(seed, sizeof(seed));
	TRY(part_read(p, length, sizeof(length)));
	for (int i = 8; i-- > 0;)
		n = n << 8 | length[i];
	ENSURE(n < LOCAL_MAX, error_new(ERR_MALFORMED, N_("%s is not a whole backup."), p->name));
	TRY(copy_in(p, local, n));
	have = hash_final(&p->hash);
	hash_init(&p->hash);
	TRY(part_read(p, want.b, sizeof(want.b)));
	ENSURE(hash_eq(&want, &have),
	       error_new(ERR_CORRUPT,
			 N_("%s is damaged: it does not match its own check. Try another"
			    " copy of it."),
			 p->name));
	*ret_key = STEAL(key);
	return NULL;
}

static struct error *restore_into(struct command_run *run, struct part *p)
{
	_cleanup_(secret_freep) struct secret *key = NULL;
	_cleanup_(app_closep) struct app *app = NULL;

	TRY(read_head(p, run->dir, &key));
	TRY(new_box_key(run->dir, key));
	TRY(app_open(run->dir, &env_system, &app));
	return command_take_bundle(run, app, p->fd, p->name, true);
}

struct error *cmd_restore(struct command_run *run)
{
	struct part p = {.fd = run->arg_fds[0], .name = run->args[0]};
	_cleanup_(closep) int lock = -1;
	struct error *e;

	TRY(new_box_folder(run->dir, &lock));
	e = restore_into(run, &p);
	if (error_is(e, ERR_MALFORMED) || error_is(e, ERR_CORRUPT))
		fprintf(run->note, "What came whole before that is in %s.\n", run->dir);
	TRY(e);
	fprintf(run->out,
		"Restored into %s. It is the same box and begins a new log: do not let the old"
		" one run beside it.\n",
		run->dir);
	return NULL;
}
