/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sync/peer/keep.h"
#include "sync/base/file.h"
#include "sync/base/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* What of a backup's head is in clear (PROTOCOL.md section 18). */
static const char magic[16] = "lliure-backup-2\n";
#define PART ".part."
static const char part_mark[] = PART;
enum { HEAD_BOX = 40, HEAD = 72, PIECE = 65536 };

struct keeping {
	int fd;
	char *part, *path, *dir;
	struct pubkey peer;
	uint64_t n;
	uint8_t head[HEAD];
};

static char *path_of(const char *dir, const struct pubkey *peer, const char *behind)
{
	struct buf b = {0};

	buf_printf(&b, "%s/%s%s", dir, ID(peer), behind);
	return buf_steal(&b);
}

struct error *keeping_new(const char *dir, const struct pubkey *peer, struct keeping **ret)
{
	_cleanup_(keeping_freep) struct keeping *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->fd = -1;
	k->peer = *peer;
	k->dir = strdup(dir);
	k->path = path_of(dir, peer, "");
	TRY(dir_make(dir, 0700));
	/* a name of its own: the same peer may send twice at once */
	k->part = path_of(dir, peer, PART "XXXXXX");
	k->fd = mkostemp(k->part, O_CLOEXEC);
	if (k->fd < 0) {
		free(STEAL(k->part));
		return file_error(errno, dir);
	}
	*ret = STEAL(k);
	return NULL;
}

struct error *keeping_feed(struct keeping *k, struct span bytes)
{
	ENSURE(bytes.n <= LIMIT_KEPT - k->n,
	       error_new(ERR_LIMIT, N_("This backup is larger than this box keeps for others.")));
	for (size_t i = 0; i < bytes.n && k->n + i < HEAD; i++)
		k->head[k->n + i] = bytes.p[i];
	k->n += bytes.n;
	return fd_write_all(k->fd, bytes, k->dir);
}

struct error *keeping_end(struct keeping *k)
{
	ENSURE(k->n > HEAD && !memcmp(k->head, magic, sizeof(magic)) &&
		       !memcmp(k->head + HEAD_BOX, k->peer.b, sizeof(k->peer.b)),
	       error_new(ERR_MALFORMED,
			 N_("This is not a sealed backup of the box that sent it.")));
	if (fsync(k->fd) || rename(k->part, k->path))
		return file_error(errno, k->dir);
	free(STEAL(k->part));
	return dir_sync(k->dir);
}

void keeping_free(struct keeping *k)
{
	if (!k)
		return;
	if (k->fd >= 0)
		close(k->fd);
	if (k->part)
		unlink(k->part);
	free(k->part);
	free(k->path);
	free(k->dir);
	free(k);
}

struct error *kept_open(const char *dir, const struct pubkey *peer, int *ret_fd, uint64_t *ret_size)
{
	_cleanup_(freep) char *path = path_of(dir, peer, "");
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return error_new(ERR_NOT_FOUND, N_("This box keeps no backup of yours."));
	if (fd < 0 || fstat(fd, &st)) {
		struct error *e = file_error(errno, path);

		if (fd >= 0)
			close(fd);
		return e;
	}
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	return NULL;
}

struct error *kept_remove(const char *dir, const struct pubkey *peer)
{
	_cleanup_(freep) char *path = path_of(dir, peer, "");

	if (unlink(path))
		return errno == ENOENT ? NULL : file_error(errno, path);
	return dir_sync(dir);
}

enum { NAME = 52, PART_NAME = NAME + sizeof(part_mark) - 1 + 6 };

static bool whose(const char *name, struct pubkey *ret)
{
	char id[NAME + 1];

	snprintf(id, sizeof(id), "%.*s", NAME, name);
	return id_parse(id, ret->b);
}

struct error *kept_each(const char *dir, kept_fn *fn, void *ctx)
{
	DIR *d = opendir(dir);
	struct error *e = NULL;
	struct dirent *f;

	if (!d)
		return errno == ENOENT ? NULL : file_error(errno, dir);
	while (!e && (f = readdir(d))) {
		struct kept k;
		struct stat st;

		if (strlen(f->d_name) != NAME || !whose(f->d_name, &k.peer) ||
		    fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		k.size = (uint64_t)st.st_size;
		k.when_ms = (int64_t)st.st_mtime * 1000;
		e = fn(ctx, &k);
	}
	closedir(d);
	return e;
}

/* Is this a name that keeping_new gave? Whatever else lies here is somebody's. */
static bool is_part(const char *name)
{
	struct pubkey peer;

	return strlen(name) == PART_NAME && whose(name, &peer) &&
	       !strncmp(name + NAME, part_mark, sizeof(part_mark) - 1);
}

void kept_clean(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *f;

	while (d && (f = readdir(d)))
		if (is_part(f->d_name))
			unlinkat(dirfd(d), f->d_name, 0);
	if (d)
		closedir(d);
}

/* --- asking a peer ---------------------------------------------------------------------------- */

static struct error *send_file(struct client *c, int fd)
{
	_cleanup_(buf_release) struct buf b = {0};
	off_t at = 0;

	for (;;) {
		ssize_t got = pread(fd, buf_reserve(&b, PIECE), PIECE, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(errno, "backup");
		if (got == 0)
			break;
		b.n = (size_t)got;
		at += got;
		if (!client_send(c, &b))
			break; /* it has answered already: the result says why */
	}
	client_send_end(c);
	return NULL;
}

/* What is not 200, in words. */
static struct error *status_error(int status)
{
	switch (status) {
	case 200:
		return NULL;
	case 403:
		return error_new(ERR_DENIED,
				 N_("The other box does not keep backups for this one yet. Its"
				    " volunteers allow it on their page “Backups”."));
	case 404:
		return error_new(ERR_NOT_FOUND, N_("The other box keeps no backup of this one."));
	case 405:
		return error_new(ERR_VERSION,
				 N_("The other box has an older version that can't keep"
				    " backups for others."));
	case 413:
		return error_new(ERR_LIMIT, N_("The backup is too large for the other box."));
	case 507:
		return error_new(ERR_FULL, N_("The other box has no room left."));
	default:
		return error_new(ERR_NET, N_("The other box could not take the backup."));
	}
}

struct error *keep_put(const struct client_options *to, int fd)
{
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(buf_release) struct buf answer = {0};
	int status;

	TRY(client_new(to, &c));
	TRY(client_request(c, "PUT", SYNC_PATH_KEEP, true, 0));
	TRY(send_file(c, fd));
	while (client_receive(c, true, &answer))
		;
	TRY(client_result(c, &status));
	return status_error(status);
}

struct error *keep_get(const struct client_options *to, int fd)
{
	_cleanup_(client_freep) struct client *c = NULL;
	_cleanup_(buf_release) struct buf piece = {0};
	uint64_t n = 0;
	int status;

	TRY(client_new(to, &c));
	client_expect(c, LIMIT_KEPT);
	TRY(client_request(c, "GET", SYNC_PATH_KEEP, false, 0));
	while (client_receive(c, true, &piece)) {
		n += piece.n;
		ENSURE(n <= LIMIT_KEPT,
		       error_new(ERR_LIMIT, N_("The other box sends without end.")));
		TRY(fd_write_all(fd, buf_span(&piece), "backup"));
	}
	TRY(client_result(c, &status));
	return status_error(status);
}
