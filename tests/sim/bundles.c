/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Bundles: one box writes one, another reads it later, whole or not. Each ends with what its writer says
 * that it holds; who reads it believes that of the writer and of nobody else, and what it writes for
 * that one later leaves it out. */
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

/* Of what the box knows of a peer. */
static void leave_out(struct world *w, int box, int receiver, struct arena *a,
		      struct bundle_export *io)
{
	struct known *k = arena_array(a, struct known, 1);
	struct error *err;

	io->receiver = *secret_pubkey(w->s.box[receiver].key);
	err = known_get(w->s.box[box].c->local, &io->receiver, a, k);
	if (error_is(err, ERR_NOT_FOUND)) {
		error_free(err);
		return;
	}
	NEED(&w->s, err);
	io->have = k->heads;
	io->n_have = k->n_heads;
	io->missing = k->missing;
	io->n_missing = k->n_missing;
}

static struct error *next_serial(struct conn *c, void *ret)
{
	return known_next_serial(c->local, ret);
}

static void write_bundle(struct world *w, int box, struct bundle *b)
{
	_cleanup_(arena_release) struct arena a = {0};
	struct bundle_export x = {.log = w->s.box[box].c->log,
				  .env = &w->s.box[box].env.env,
				  .name = "box",
				  .writer = w->s.box[box].key};
	int receiver = (int)sim_below(&w->s, (uint64_t)w->s.n);
	struct bundle_totals totals;
	int fd;
	off_t n;

	if (!world_commit(w, box, next_serial, &x.serial))
		return;
	if (sim_chance(&w->s, 40))
		leave_out(w, box, receiver, &a, &x);
	fd = fd_with((struct span){NULL, 0});
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
	} else {
		hostile_bend(w, &b->bytes);
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

/* Of a peer: everybody is one here. */
static struct error *claimed(void *ctx, const struct bundle_claim *c)
{
	struct carrier *k = ctx;
	struct box *b = &k->w->s.box[k->box];
	struct error *err;

	if (pubkey_eq(&c->writer, secret_pubkey(b->key)))
		return NULL;
	k->w->tally.claims++;
	TRY(conn_begin(b->c));
	err = known_claimed(b->c->local, c, env_now(&b->env.env));
	if (!err)
		err = conn_commit(b->c);
	if (err)
		conn_rollback(b->c);
	return err;
}

static void read_bundle(struct world *w, int box, struct span bytes)
{
	struct carrier k = {w, box};
	struct bundle_import x = {.self = w->s.box[box].key,
				  .ctx = &k,
				  .write = take_from_bundle,
				  .follows = bundle_follows,
				  .claimed = claimed};
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

static struct bundle *any_bundle(struct world *w)
{
	size_t from = (size_t)sim_below(&w->s, BUNDLES), i = 0;

	while (i < BUNDLES && !w->bundle[(from + i) % BUNDLES].bytes.n)
		i++;
	return &w->bundle[(from + i) % BUNDLES];
}

/* One is written, or an old one is read: as it is, torn, doubled or scratched. */
void bundle_carry(struct world *w)
{
	bool writes = sim_chance(&w->s, 35);
	struct bundle *b = writes ? &w->bundle[sim_below(&w->s, BUNDLES)] : any_bundle(w);
	int box = (int)sim_below(&w->s, (uint64_t)w->s.n);
	_cleanup_(buf_release) struct buf bytes = {0};

	if (!w->at[box].up)
		return;
	world_clock(w, box);
	if (writes || !b->bytes.n) {
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

/* --- the end --- */
/* Has it the rows? Its own log says. */
static void check_rows(struct world *w, int box, int of, const struct known *k)
{
	for (size_t i = 0; i < k->n_heads; i++) {
		struct log_info info = {.head = 0};
		struct error *err;

		if (!box_is_blameless(w, &k->heads[i].id.appliance))
			continue;
		err = log_info_get(w->s.box[of].c->log, &k->heads[i].id, &info);
		error_free(err);
		if (info.head >= k->heads[i].seq)
			continue;
		sim_say(&w->s, "box %d believes that box %d holds %llu of %s, and that is %llu", box,
			of, (unsigned long long)k->heads[i].seq,
			ID_SHORT(&k->heads[i].id.appliance), (unsigned long long)info.head);
		sim_die(&w->s, "a box is believed to hold more than it does", NULL, __FILE__,
			__LINE__);
	}
}

/* Of one that never was set back, nobody believes more than it holds, whoever said so. */
void bundles_check(struct world *w)
{
	for (int i = 0; i < w->s.n; i++)
		for (int of = 0; of < w->s.n; of++) {
			const struct pubkey *key = secret_pubkey(w->s.box[of].key);
			_cleanup_(arena_release) struct arena a = {0};
			struct known k;
			struct error *err;

			if (w->at[i].hostile || w->at[of].lives || !box_is_blameless(w, key))
				continue;
			err = known_get(w->s.box[i].c->local, key, &a, &k);
			if (!err)
				check_rows(w, i, of, &k);
			else if (!error_is(err, ERR_NOT_FOUND))
				NEED(&w->s, err);
			else
				error_free(err);
		}
}
