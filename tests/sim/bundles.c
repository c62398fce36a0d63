/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bundles: one box writes one, another reads it later, whole or not. */
#include "tests/sim/world.h"
#include "sync/bundle/bundle.h"
#include <sys/mman.h>
#include <unistd.h>

static int fd_with(struct span bytes)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes.p, bytes.n) != (ssize_t)bytes.n || lseek(fd, 0, SEEK_SET))
		abort();
	return fd;
}

static void write_bundle(struct world *w, int box, struct bundle *b)
{
	struct bundle_export x = {
		.log = w->s.box[box].c->log, .env = &w->s.box[box].env.env, .name = "box"};
	struct bundle_totals totals;
	int fd = fd_with((struct span){NULL, 0});
	off_t n;

	NEED(&w->s, bundle_write(&x, fd, &totals));
	n = lseek(fd, 0, SEEK_END);
	buf_clear(&b->bytes);
	if (lseek(fd, 0, SEEK_SET) || read(fd, buf_reserve(&b->bytes, (size_t)n), (size_t)n) != n)
		abort();
	b->bytes.n = (size_t)n;
	close(fd);
	b->honest = !w->at[box].hostile;
	if (b->honest) {
		_cleanup_(stream_reader_freep) struct stream_reader *r =
			stream_reader_new(~0u);

		sent_see(w, box, r, buf_span(&b->bytes));
	}
	sim_say(&w->s, "box %d writes a bundle of %zu bytes, %llu entries", box, b->bytes.n,
		(unsigned long long)totals.entries);
}

struct carrier {
	struct world *w;
	int box;
};

static struct error *take_from_bundle(void *ctx, struct intake *in)
{
	struct carrier *k = ctx;

	return swap_take(&k->w->s.box[k->box], in);
}

static bool bundle_follows(void *ctx, const struct hash *space)
{
	const struct carrier *k = ctx;
	int at = space_at(k->w, space);

	return at >= 0 && k->w->at[k->box].wants[at];
}

static void read_bundle(struct world *w, int box, struct span bytes)
{
	struct carrier k = {w, box};
	struct bundle_import x = {.self = w->s.box[box].key,
				  .ctx = &k,
				  .write = take_from_bundle,
				  .follows = bundle_follows};
	struct sync_report r;
	int fd = fd_with(bytes);
	struct error *err = bundle_import_fd(&x, fd, "a bundle", &r);

	close(fd);
	sim_say(&w->s, "box %d reads a bundle: %llu new, %s", box, (unsigned long long)r.received,
		err ? error_name(error_code(err)) : "whole");
	w->tally.bundles++;
	if (error_is(err, ERR_IO) || error_is(err, ERR_FULL) || error_is(err, ERR_DB))
		world_disk_failed(&w->s, box, err);
	else if (error_is(err, ERR_INTERNAL) || error_is(err, ERR_CORRUPT))
		sim_die(&w->s, "a bundle", err, __FILE__, __LINE__);
	else
		error_free(err);
}

/* One is written, or an old one is read: as it is, torn, doubled or scratched. */
void bundle_carry(struct world *w)
{
	struct bundle *b = &w->bundle[sim_below(&w->s, BUNDLES)];
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n);
	_cleanup_(buf_release) struct buf bytes = {0};

	if (!w->at[box].up)
		return;
	world_clock(w, box);
	if (!b->bytes.n || sim_chance(&w->s, 30)) {
		write_bundle(w, box, b);
		return;
	}
	buf_add_span(&bytes, buf_span(&b->bytes));
	switch (sim_below(&w->s, 6)) {
	case 0:
		bytes.n = (size_t)sim_below(&w->s, bytes.n);
		break;
	case 1:
		buf_add_span(&bytes, buf_span(&b->bytes));
		break;
	case 2:
		bytes.p[sim_below(&w->s, bytes.n)] ^= (uint8_t)(1 << sim_below(&w->s, 8));
		break;
	default:
		break;
	}
	read_bundle(w, box, buf_span(&bytes));
}
